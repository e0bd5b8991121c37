/* json_mend.h - good JSON that jansson cannot hold, made into such that it can.
 *
 * What is no JSON stays so.
 */
#ifndef ALTOCAST_WIRE_JSON_MEND_H
#define ALTOCAST_WIRE_JSON_MEND_H

#include <stddef.h>

#include "common/base/buf.h"

/* The worst that can be: 19 digits and a sign become 24 characters. */
#define JSON_MEND_GROWTH 2u

/* Appends text (without a NUL byte): an escaped NUL becomes U+FFFD, a number
 * beyond all doubles 1e308 of its sign, an integer beyond 64 bits a double. */
void json_mend(const char *text, size_t len, struct buf *dst);

#endif
