#include "common/base/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf)BUF_INIT(max);
}

void buf_free(struct buf *b)
{
	size_t max = b->max;

	free(b->data);
	buf_init(b, max);
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->rc = RC_OK;
	if (b->data)
		b->data[0] = '\0';
}

char *buf_room(struct buf *b, size_t n)
{
	size_t cap;
	char *p;

	if (b->rc != RC_OK)
		return NULL;
	if (n > b->max || b->len > b->max - n) {
		b->rc = RC_ELIMIT;
		return NULL;
	}
	if (b->data && b->cap - b->len > n)
		return b->data + b->len;

	cap = b->cap < SIZE_MAX / 2 ? b->cap * 2 : b->cap;
	if (cap < b->len + n + 1)
		cap = b->len + n + 1;
	if (cap < 64)
		cap = 64;
	if (cap > b->max + 1 && b->max < SIZE_MAX)
		cap = b->max + 1;
	p = realloc(b->data, cap);
	if (!p) {
		b->rc = RC_ENOMEM;
		return NULL;
	}
	b->data = p;
	b->cap = cap;
	return b->data + b->len;
}

void buf_used(struct buf *b, size_t n)
{
	b->len += n;
	b->data[b->len] = '\0';
}

void buf_add(struct buf *b, const void *data, size_t len)
{
	char *p = buf_room(b, len);

	if (!p)
		return;
	if (len)
		memcpy(p, data, len);
	buf_used(b, len);
}

void buf_puts(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_putc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0) {
		b->rc = RC_ENOMEM;
		return;
	}
	p = buf_room(b, (size_t)n);
	if (!p)
		return;
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	buf_used(b, (size_t)n);
}

enum rc buf_rc(const struct buf *b)
{
	return b->rc;
}

const char *buf_str(const struct buf *b)
{
	return b->data ? b->data : "";
}

char *buf_take(struct buf *b, size_t *len)
{
	char *p;

	if (!buf_room(b, 0))
		return NULL;
	buf_used(b, 0);
	p = b->data;
	if (len)
		*len = b->len;
	b->data = NULL;
	b->len = b->cap = 0;
	return p;
}
