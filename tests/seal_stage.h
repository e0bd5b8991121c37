/* seal_stage.h - what is sealed, and its names, for the tests of seal. */
#ifndef ALTOCAST_TESTS_SEAL_STAGE_H
#define ALTOCAST_TESTS_SEAL_STAGE_H

#include "common/wire/seal.h"

#define PIDS 12u

extern struct digest *digest;		/* main() makes it */

/* The whole body; the caller frees it. */
char *flat(const struct resource *r);
/* p00 to p<n-1>, of those that are used (NULL: all). */
struct index *names_of(const uint8_t *used, size_t n);

#endif
