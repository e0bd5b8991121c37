/* digest.h - SHA-256 (libcrypto).
 *
 * The stream object may be used again and again: making one costs more than
 * hashing a small leaf. One thread at a time.
 */
#ifndef ALTOCAST_CORE_DIGEST_H
#define ALTOCAST_CORE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/rc.h"

#define SHA256_SIZE 32

struct digest;

MUST_CHECK enum rc digest_new(struct digest **out);
void digest_free(struct digest *d);			/* NULL is fine */

/* start, any number of adds, end; libcrypto can only fail here for lack of
 * memory, and then end says so. */
void digest_start(struct digest *d);
void digest_add(struct digest *d, const void *data, size_t len);
MUST_CHECK enum rc digest_end(struct digest *d, uint8_t out[SHA256_SIZE]);

#endif
