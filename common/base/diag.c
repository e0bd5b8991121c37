#include "common/base/diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void diag_clear(struct diag *d)
{
	if (d)
		memset(d, 0, sizeof(*d));
}

enum rc diag_set(struct diag *d, enum rc rc, const char *fmt, ...)
{
	va_list ap;

	if (!d || d->text[0])
		return rc;
	va_start(ap, fmt);
	vsnprintf(d->text, sizeof(d->text), fmt, ap);
	va_end(ap);
	return rc;
}

void diag_print(const struct diag *d, struct buf *dst)
{
	if (d->file[0] && d->line)
		buf_printf(dst, "%s:%zu: ", d->file, d->line);
	else if (d->file[0])
		buf_printf(dst, "%s: ", d->file);
	else if (d->line)
		buf_printf(dst, "line %zu: ", d->line);
	if (d->pointer[0])
		buf_printf(dst, "%s: ", d->pointer);
	buf_puts(dst, d->text);
}
