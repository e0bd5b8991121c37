/* jcs.h - canonical text of a small document (RFC 8785). */
#ifndef ALTOCAST_WIRE_JCS_H
#define ALTOCAST_WIRE_JCS_H

#include <jansson.h>

#include "common/base/buf.h"
#include "common/base/rc.h"

/* Appends the canonical text. Integers that a double does not hold exactly
 * print as the nearest double (s3.2.2.3). RC_ERULE: a string is not valid
 * Unicode, a number not finite. RC_ELIMIT: deeper than JSON_DEPTH_MAX, or dst is
 * full. After a failure dst holds a part of the text. */
MUST_CHECK enum rc jcs_write(const json_t *v, struct buf *dst);

/* Order of two member names: by UTF-16 code units (s3.2.3). */
int jcs_compare(const char *a, size_t a_len, const char *b, size_t b_len);

#endif
