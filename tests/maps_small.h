/* maps_small.h - the smallest maps that belong together, sealed and announced. */
#ifndef ALTOCAST_TESTS_MAPS_SMALL_H
#define ALTOCAST_TESTS_MAPS_SMALL_H

#include <CUnit/CUnit.h>

#include "common/core/snapshot.h"
#include "common/wire/seal.h"

extern struct digest *digest;
extern struct sign_key *key;

/* By this id; returns r. */
struct resource *announced(struct resource *r, const char *id);
/* A directory whose body is text. */
struct resource *directory(const char *text);
/* pid-a has all IPv4 addresses, the other PID none. */
struct resource *net_map(const char *id, const char *other_pid);

/* suite_run() with digest and key. */
int maps_suite(const char *name, CU_TestInfo *tests);

#endif
