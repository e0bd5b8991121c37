/* diag.h - where an input was refused, and by which rule.
 *
 * A plain value on the caller's stack. The floors below sys/ fill it and never
 * log; whoever owns the input adds the file name and logs once. Texts that do
 * not fit are cut, never an error. Any function that takes a struct diag * also
 * takes NULL.
 */
#ifndef ALTOCAST_BASE_DIAG_H
#define ALTOCAST_BASE_DIAG_H

#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/rc.h"

struct diag {
	char file[256];		/* "" when the input is no file */
	size_t line;		/* from 1; 0 when unknown */
	char pointer[256];	/* JSON pointer (RFC 6901); "" is the document */
	char text[384];		/* what is wrong, what would be right, which rule */
};

void diag_clear(struct diag *d);

/* Sets the text (and leaves file, line, pointer); the first text stays: the
 * innermost function knows best. Returns rc, so that a reader can write
 * `return diag_set(d, RC_ERULE, "...", ...)`. */
enum rc diag_set(struct diag *d, enum rc rc, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/* "file:line: /pointer: text" with the parts that are known, into dst. */
void diag_print(const struct diag *d, struct buf *dst);

#endif
