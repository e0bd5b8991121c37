/* position.h - where in the life of a service a state stands.
 *
 * (session, serial): session is a UUIDv7 (RFC 9562), compared as lower-case
 * text, so a later session is greater; serial counts publications from 1 in
 * each session. A plain value. Nobody ever moves to a lower position.
 */
#ifndef ALTOCAST_CORE_POSITION_H
#define ALTOCAST_CORE_POSITION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/enc.h"

#define SERIAL_MAX 999999999999999ull	/* RFC 9651 s3.3.1: 15 digits */

struct position {
	char session[UUID_TEXT + 1];	/* "" = before any session */
	uint64_t serial;
};

/* <0, 0, >0: a stands before, at, after b. */
int position_cmp(const struct position *a, const struct position *b);
bool position_same_session(const struct position *a, const struct position *b);

#endif
