#include "common/sys/conf_value.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void conf_value_clear(struct conf_value *v)
{
	for (size_t i = 0; i < v->n && v->items; i++)
		free(v->items[i]);
	free(v->items);
	v->items = NULL;
	v->n = 0;
}

void conf_values_free(const struct conf_table *t, struct conf_value *vals)
{
	for (size_t i = 0; i < t->n && vals; i++) {
		struct conf_value *v = &vals[i];

		free(v->text);
		for (size_t k = 0; v->elems && k < v->n; k++)
			conf_values_free(t, v->elems[k]);
		free(v->elems);
		conf_value_clear(v);
	}
	free(vals);
}

static void blame_head(const struct conf *c, struct buf *errors, size_t line,
		       const char *shown, const char *name)
{
	buf_puts(errors, c->path);
	if (line)
		buf_printf(errors, ":%zu", line);
	buf_puts(errors, ": ");
	if (*shown || *name)
		buf_printf(errors, "%s%s%s: ", shown,
			   *shown && *name ? "." : "", name);
}

void conf_value_blame(const struct conf *c, struct buf *errors, size_t line,
		      const char *shown, const char *name, const char *fmt,
		      va_list ap)
{
	char text[512];

	vsnprintf(text, sizeof(text), fmt, ap);
	blame_head(c, errors, line, shown, name);
	buf_puts(errors, text);
	buf_putc(errors, '\n');
}
