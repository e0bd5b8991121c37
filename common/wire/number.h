/* number.h - the one way to print a cost, and to read one.
 *
 * Print: ECMAScript's form, the shortest digits that read back exactly, the
 * closest of them when there are several (RFC 8785 s3.2.2.3); -0 is "0". Read:
 * any JSON number, correctly rounded. Neither depends on the locale.
 */
#ifndef ALTOCAST_WIRE_NUMBER_H
#define ALTOCAST_WIRE_NUMBER_H

#include <stddef.h>

#include "common/base/rc.h"

#define NUMBER_TEXT_MAX 25	/* characters, the NUL not counted */

/* v must be finite. Returns the length; out ends in NUL. */
size_t number_print(double v, char out[NUMBER_TEXT_MAX + 1]);

/* s must follow the JSON grammar (scan_number). -0 reads as +0. RC_ERULE: its
 * magnitude is beyond a double. Underflow gives 0 or a subnormal. */
MUST_CHECK enum rc number_read(const char *s, size_t len, double *out);

/* For text whose grammar nobody has checked: a number of at most 8 characters,
 * no sign, no exponent, that a comma or a brace follows. Returns its length; 0:
 * it is something else. Looks at NUMBER_QUICK bytes. */
#define NUMBER_QUICK 9
size_t number_quick(const char *s, double *out);

#endif
