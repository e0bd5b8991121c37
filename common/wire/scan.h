/* scan.h - streaming JSON reader, for maps.
 *
 * Pull style: the caller asks for what it expects next. Takes any whitespace and
 * any spelling RFC 8259 allows, and nothing else; keeps one window of the input,
 * so memory does not grow with the document. Errors say line and JSON pointer
 * (the path of names and indexes that led here). One owner.
 *
 *   rc = scan_object(s);
 *   while (rc == RC_OK && (rc = scan_member(s, &name, &len)) == RC_OK && name)
 *           rc = scan_number(s, &text, &text_len);
 */
#ifndef ALTOCAST_WIRE_SCAN_H
#define ALTOCAST_WIRE_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/diag.h"
#include "common/base/rc.h"

#define SCAN_DEPTH_MAX 64
#define SCAN_TOKEN_MAX 65536u	/* bytes of one string or number */

/* Fills dst with up to len bytes; 0 at the end, -1 on failure. */
typedef long (*scan_read_fn)(void *arg, char *dst, size_t len);

struct scan;

enum scan_kind { SCAN_OBJECT, SCAN_ARRAY, SCAN_STRING, SCAN_NUMBER,
                 SCAN_TRUE, SCAN_FALSE, SCAN_NULL };

/* From memory, which must outlive the scan; or from a reader. d (may be NULL)
 * is filled by the call that fails. */
MUST_CHECK enum rc scan_new_bytes(const char *text, size_t len, struct diag *d,
                                  struct scan **out);
MUST_CHECK enum rc scan_new_reader(scan_read_fn read, void *arg,
                                   struct diag *d, struct scan **out);
void scan_free(struct scan *s);				/* NULL is fine */

/* What comes next, without taking it. */
MUST_CHECK enum rc scan_peek(struct scan *s, enum scan_kind *kind);

/* "{"; then scan_member() until it gives *name NULL, which took the "}". A
 * name is unescaped, lent until the next call; its value must be taken before
 * the next member. Duplicates are the caller's to see. */
MUST_CHECK enum rc scan_object(struct scan *s);
MUST_CHECK enum rc scan_member(struct scan *s, const char **name, size_t *len);
/* "["; then scan_element() before each value until *more is false. */
MUST_CHECK enum rc scan_array(struct scan *s);
MUST_CHECK enum rc scan_element(struct scan *s, bool *more);

/* For a reader that knows what comes: lends the bytes behind the last member of
 * an object, as many as are at hand (0 where the object begins). What it finds
 * right it takes with scan_pass(): n bytes, whole members spelled ,"name":value,
 * the last one's name being name, which points into them. */
const char *scan_ahead(const struct scan *s, size_t *len);
void scan_pass(struct scan *s, size_t n, const char *name, size_t name_len);

MUST_CHECK enum rc scan_string(struct scan *s, const char **text, size_t *len);
/* The number's text, whose grammar is checked; see number.h for its value. */
MUST_CHECK enum rc scan_number(struct scan *s, const char **text, size_t *len);
MUST_CHECK enum rc scan_null(struct scan *s);

/* Takes the next value whatever it is. */
MUST_CHECK enum rc scan_skip(struct scan *s);
/* The same, and lends its text (only for scans from memory). */
MUST_CHECK enum rc scan_raw(struct scan *s, const char **text, size_t *len);
/* Only whitespace may be left. */
MUST_CHECK enum rc scan_end(struct scan *s);

/* Refuses what was taken last, with line and pointer: returns rc. */
enum rc scan_refuse(struct scan *s, enum rc rc, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

#endif
