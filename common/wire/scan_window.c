#include "common/wire/scan_window.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire/scan_text.h"

/* A whole token and some more lie in the window at once. */
#define WINDOW (256u * 1024)

static enum rc scan_new(struct diag *d, struct scan **out)
{
	struct scan *s = calloc(1, sizeof(*s));

	if (!s)
		return RC_ENOMEM;
	s->lv = s->level;
	s->first = true;
	s->d = d;
	*out = s;
	return RC_OK;
}

enum rc scan_new_bytes(const char *text, size_t len, struct diag *d,
                       struct scan **out)
{
	struct scan *s;
	enum rc rc = scan_new(d, &s);

	if (rc != RC_OK)
		return rc;
	s->base = s->p = len ? text : "";
	s->end = s->p + len;
	s->eof = true;
	*out = s;
	return RC_OK;
}

enum rc scan_new_reader(scan_read_fn read, void *arg, struct diag *d,
                        struct scan **out)
{
	struct scan *s;
	enum rc rc = scan_new(d, &s);

	if (rc != RC_OK)
		return rc;
	s->window = malloc(WINDOW);
	if (!s->window) {
		free(s);
		return RC_ENOMEM;
	}
	s->base = s->p = s->end = s->window;
	s->read = read;
	s->arg = arg;
	*out = s;
	return RC_OK;
}

void scan_free(struct scan *s)
{
	if (!s)
		return;
	free(s->window);
	free(s->scratch);
	free(s);
}

/* Errors: the place is found when it is asked for, not kept up to date. */

static size_t count_lines(const char *p, const char *end)
{
	size_t n = 0;

	while (p < end && (p = memchr(p, '\n', (size_t)(end - p)))) {
		p++;
		n++;
	}
	return n;
}

struct cut {			/* text that is cut where room ends */
	char *dst;
	size_t len, size;
};

static void cut_add(struct cut *c, const char *s, size_t len)
{
	for (size_t i = 0; i < len && c->len + 1 < c->size; i++)
		c->dst[c->len++] = s[i];
	c->dst[c->len] = '\0';
}

/* RFC 6901 s3; control bytes, which would upset a log, as "?". */
static void cut_name(struct cut *c, const char *s, size_t len)
{
	cut_add(c, "/", 1);
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '~')
			cut_add(c, "~0", 2);
		else if (s[i] == '/')
			cut_add(c, "~1", 2);
		else if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			cut_add(c, "?", 1);
		else
			cut_add(c, &s[i], 1);
	}
}

static void put_pointer(const struct scan *s, struct cut *c)
{
	for (size_t i = 1; i <= s->depth; i++) {
		const struct scan_level *lv = &s->level[i];
		char num[24];

		if (lv->is_array && lv->elements) {
			snprintf(num, sizeof(num), "%zu", lv->elements - 1);
			cut_name(c, num, strlen(num));
		} else if (!lv->is_array && lv->name) {
			cut_name(c, lv->name, lv->len);
		}
	}
}

static enum rc vfail(struct scan *s, enum rc rc, const char *fmt, va_list ap)
{
	if (s->rc != RC_OK)
		return s->rc;
	s->rc = rc;
	if (s->d && !s->d->text[0]) {
		struct cut c = { s->d->pointer, 0, sizeof(s->d->pointer) };

		c.dst[0] = '\0';
		put_pointer(s, &c);
		s->d->line = s->lines + count_lines(s->base, s->p) + 1;
		vsnprintf(s->d->text, sizeof(s->d->text), fmt, ap);
	}
	/* Nothing is left to take: each further call ends up at scan_more(). */
	s->p = s->end;
	s->eof = true;
	return rc;
}

enum rc scan_fail(struct scan *s, enum rc rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	rc = vfail(s, rc, fmt, ap);
	va_end(ap);
	return rc;
}

enum rc scan_refuse(struct scan *s, enum rc rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	rc = vfail(s, rc, fmt, ap);
	va_end(ap);
	return rc;
}

/* The window */

void scan_keep_name(struct scan_level *lv)
{
	if (lv->name == lv->keep)
		return;
	lv->len = lv->len < SCAN_NAME_KEPT ? lv->len : SCAN_NAME_KEPT;
	memcpy(lv->keep, lv->name, lv->len);
	lv->name = lv->keep;
}

static bool fill(struct scan *s, char *dst)
{
	char *limit = s->window + WINDOW;

	while (dst < limit && !s->eof) {
		long n = s->read(s->arg, dst, (size_t)(limit - dst));

		if (n < 0 || n > limit - dst) {
			s->end = dst;
			scan_fail(s, RC_EIO, "reading failed");
			return false;
		}
		s->eof = n == 0;
		dst += n;
	}
	s->end = dst;
	return true;
}

bool scan_more(struct scan *s)
{
	size_t left = (size_t)(s->end - s->p);

	if (s->eof || left == WINDOW)
		return false;
	for (size_t i = 1; i <= s->depth; i++)
		if (s->level[i].name)
			scan_keep_name(&s->level[i]);
	s->lines += count_lines(s->base, s->p);
	memmove(s->window, s->p, left);
	s->p = s->window;
	if (!fill(s, s->window + left))
		return false;
	return (size_t)(s->end - s->p) > left;
}

/* Files that some editors write; the bytes alone would tell nobody. */
static enum rc check_start(struct scan *s)
{
	size_t n = (size_t)(s->end - s->p);

	if (s->depth || s->lines || s->p != s->base)
		return RC_OK;
	if (n >= 3 && memcmp(s->p, "\xef\xbb\xbf", 3) == 0)
		return scan_fail(s, RC_ESYNTAX,
		                 "starts with a byte order mark; save it as "
		                 "UTF-8 without one (RFC 8259 s8.1)");
	if (n >= 2 && (memcmp(s->p, "\xff\xfe", 2) == 0 ||
	               memcmp(s->p, "\xfe\xff", 2) == 0))
		return scan_fail(s, RC_ESYNTAX, "is UTF-16; save it as UTF-8 "
		                 "(RFC 8259 s8.1)");
	if (n >= 2 && memcmp(s->p, "\x1f\x8b", 2) == 0)
		return scan_fail(s, RC_ESYNTAX, "is gzip; unpack it first");
	return RC_OK;
}

enum rc scan_expected(struct scan *s, const char *what)
{
	const char *found;
	char out[24];

	if (check_start(s) != RC_OK)
		return s->rc;
	found = scan_text_what(scan_look(s), out);
	if (s->p < s->end && *s->p == '\0')
		found = "byte 0x00";	/* 0 is the end to scan_look() */
	return scan_fail(s, RC_ESYNTAX, "expected %s, found %s", what, found);
}

enum rc scan_scratch(struct scan *s)
{
	if (!s->scratch)
		s->scratch = malloc(SCAN_TOKEN_MAX + 1);
	if (!s->scratch)
		return scan_fail(s, RC_ENOMEM, "%s", rc_text(RC_ENOMEM));
	return RC_OK;
}
