/* json.h - small JSON documents: jansson with limits and places.
 *
 * For requests, the IRD and control messages; maps go through scan.h. Duplicate
 * names, invalid UTF-8, lone surrogates and values deeper than JSON_DEPTH_MAX are
 * refused. Errors say line and JSON pointer.
 */
#ifndef ALTOCAST_WIRE_JSON_H
#define ALTOCAST_WIRE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/diag.h"
#include "common/base/rc.h"

#define JSON_DEPTH_MAX 32
#define JSON_SMALL_MAX (4u << 20)	/* bytes of a small document */
#define JSON_BODY_NODES 16384u		/* objects and arrays of a body */

/* Any JSON value. RC_ELIMIT: over max bytes or too deep. RC_ESYNTAX: no JSON, a
 * NUL byte, or an escaped NUL (so every string is a C string). RC_ERULE: a name
 * twice, a number that fits no integer or double. The caller owns *out. */
MUST_CHECK enum rc json_read(const char *text, size_t len, size_t max,
                             json_t **out, struct diag *d);

/* json_read() for what strangers send, which is not called bad JSON where it is
 * good: an escaped NUL is taken as U+FFFD, a number beyond all doubles as 1e308 of
 * its sign, an integer beyond 64 bits as a double. RC_ELIMIT also: over
 * JSON_BODY_NODES, since each takes up to a hundred times its bytes. */
MUST_CHECK enum rc json_read_body(const char *text, size_t len, size_t max,
                                  json_t **out, struct diag *d);

/* Members of an object. at is the JSON pointer of obj, for messages. Lent
 * values. RC_ENOENT: not there (d says so, so pass NULL for what is optional);
 * RC_ESYNTAX: another type, or obj is no object. JSON_REAL stands for any
 * number, JSON_TRUE and JSON_FALSE for either. max is in bytes, or the highest
 * count: RC_ELIMIT above it, RC_ERULE below 0. */
MUST_CHECK enum rc json_member(const json_t *obj, const char *at,
                               const char *name, json_type type, json_t **out,
                               struct diag *d);
MUST_CHECK enum rc json_text(const json_t *obj, const char *at,
                             const char *name, size_t max, const char **out,
                             struct diag *d);
MUST_CHECK enum rc json_count(const json_t *obj, const char *at,
                              const char *name, uint64_t max, uint64_t *out,
                              struct diag *d);

/* Refuses the value at pointer at, or its member (or index, as text) name when
 * that is not NULL: pointer and text into d, unless it has a text. Returns rc. */
enum rc json_refuse(struct diag *d, enum rc rc, const char *at,
                    const char *name, const char *fmt, ...)
	PRINTF_LIKE(5, 6);

/* Appends s as a JSON string, quotes included, escaped as RFC 8785 wants. */
void json_put_string(struct buf *dst, const char *s, size_t len);

#endif
