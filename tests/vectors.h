/* vectors.h - docs/test-vectors, which a second program made. */
#ifndef ALTOCAST_TESTS_VECTORS_H
#define ALTOCAST_TESTS_VECTORS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/wire/body.h"

#define BODY_MAX (1u << 20)

extern struct digest *digest;
/* One file each. */
extern json_t *canonical, *numbers, *trees, *states, *patches, *messages,
              *answers;

/* A member that must be there: a text, a number, a list that is not empty. */
const char *str(const json_t *v, const char *name);
uint64_t num(const json_t *v, const char *name);
const json_t *list(const json_t *v, const char *name);
/* Says which vector it was, for only that is not in CUnit's message. */
void expect(bool ok, const json_t *v, const char *what);
bool body_is(const struct resource *r, const char *want);
enum rc open_body(const char *leaf, const char *text, struct resource **out);

/* Digest and vectors; false: something is missing. */
bool set_up(void);
void tear_down(void);

#endif
