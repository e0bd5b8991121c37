/* member.h - JSON written member by member, with the commas in their places.
 *
 * member_begin() opens an object ('{') or an array ('['); the caller puts the
 * bracket that closes it. A name that is NULL makes an element of an array.
 * Names are the program's and need no escapes.
 */
#ifndef ALTOCAST_SERVICE_MEMBER_H
#define ALTOCAST_SERVICE_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"

void member_name(struct buf *b, const char *name);	/* the value follows */
void member_begin(struct buf *b, const char *name, char bracket);

/* Any text: a byte that is no UTF-8 becomes "?". */
void member_str(struct buf *b, const char *name, const char *text);

/* The same, left out when the text is empty. */
void member_some(struct buf *b, const char *name, const char *text);

void member_int(struct buf *b, const char *name, int64_t n);
void member_count(struct buf *b, const char *name, uint64_t n);
void member_seconds(struct buf *b, const char *name, double s);
void member_bool(struct buf *b, const char *name, bool yes);

#endif
