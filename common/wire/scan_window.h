/* scan_window.h - a scan from within; private to scan_*.c.
 *
 * The part of the input in hand, where in the document it is, and how a scan
 * fails.
 */
#ifndef ALTOCAST_WIRE_SCAN_WINDOW_H
#define ALTOCAST_WIRE_SCAN_WINDOW_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/wire/scan.h"

#define SCAN_NAME_KEPT 80	/* bytes of a name, for the JSON pointer */

struct scan_level {
	bool is_array;
	size_t elements;	/* array: taken so far, this one included */
	const char *name;	/* object: lent from the window, or keep */
	size_t len;
	char keep[SCAN_NAME_KEPT];
};

/* The part of the input in hand is base .. end, p is what was taken of it. */
struct scan {
	const char *p, *end;
	struct scan_level *lv;	/* &level[depth] */
	bool first;		/* nothing taken in this container yet */
	bool eof;
	const char *base;
	char *window;		/* NULL when reading from memory */
	char *scratch;		/* SCAN_TOKEN_MAX + 1: strings with escapes */
	size_t lines;		/* line ends before base */
	scan_read_fn read;
	void *arg;
	struct diag *d;
	enum rc rc;		/* the failure, when there was one */
	size_t depth;
	struct scan_level level[SCAN_DEPTH_MAX + 1];
};

/* The scan has failed; the first failure stays. Returns it. */
enum rc scan_fail(struct scan *s, enum rc rc, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/* Fails with what should have come and what came. */
enum rc scan_expected(struct scan *s, const char *what);

/* More input behind what is left of the window, which moves to its front.
 * False: there is none, or the window is full. */
bool scan_more(struct scan *s);

/* The name of a level moves out of the window or the scratch. */
void scan_keep_name(struct scan_level *lv);

/* Makes s->scratch. RC_ENOMEM, and the scan has failed. */
MUST_CHECK enum rc scan_scratch(struct scan *s);

/* The first byte of the next token, without taking it; 0 at the end (a NUL
 * byte itself belongs to no token and reads as 0x01, which does neither). */
static inline unsigned char scan_look(struct scan *s)
{
	for (;;) {
		while (s->p < s->end) {
			unsigned char c = (unsigned char)*s->p;

			if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
				return c ? c : 0x01;
			s->p++;
		}
		if (!scan_more(s))
			return 0;
	}
}

#endif
