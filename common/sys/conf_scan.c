#include "common/sys/conf_scan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/sys/conf_value.h"

struct scan {
	struct conf *c;
	struct buf *errors;
	const char *p;
	size_t line;
	size_t open;		/* line of a text or comment that never ends */
};

static void blame(const struct scan *s, size_t line, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

static void blame(const struct scan *s, size_t line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	conf_value_blame(s->c, s->errors, line, "", "", fmt, ap);
	va_end(ap);
}

static void scan_char(struct scan *s)
{
	if (*s->p == '\n')
		s->line++;
	s->p++;
}

/* Over a string or a comment; false when there is none here. */
static bool scan_skip(struct scan *s)
{
	size_t line = s->line;

	if (*s->p == '"') {
		for (scan_char(s); *s->p && *s->p != '"'; scan_char(s))
			if (*s->p == '\\' && s->p[1])
				scan_char(s);
		if (*s->p)
			s->p++;
		else
			s->open = line;
	} else if (*s->p == '#' || strncmp(s->p, "//", 2) == 0) {
		s->p += strcspn(s->p, "\n");
	} else if (strncmp(s->p, "/*", 2) == 0) {
		for (s->p += 2; *s->p && strncmp(s->p, "*/", 2) != 0;)
			scan_char(s);
		if (*s->p)
			s->p += 2;
		else
			s->open = line;
	} else {
		return false;
	}
	return true;
}

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '_' || c == '*';
}

static const char *over_name(const char *p)
{
	while (is_name_char(*p) || *p == '-')
		p++;
	return p;
}

/* A number: 32 bits, or 64 with L; beyond, libconfig 1.5 wraps silently. */
static void scan_number(struct scan *s)
{
	const char *start = s->p;
	size_t len;
	char *end;
	long long n;
	bool wide;

	s->p += *s->p == '-' || *s->p == '+';
	while (is_name_char(*s->p) || *s->p == '.' ||
	       ((*s->p == '-' || *s->p == '+') && strchr("eE", s->p[-1])))
		s->p++;
	len = (size_t)(s->p - start);
	errno = 0;
	n = strtoll(start, &end, start[0] == '0' && (start[1] | 32) == 'x' ?
		    16 : 10);
	wide = *end == 'L';
	if (end < s->p && !wide)
		return;			/* a float, or an error of syntax */
	if (errno == 0 && (wide || (n >= INT32_MIN && n <= INT32_MAX)))
		return;
	if (s->c->n_wrapped < sizeof(s->c->wrapped) / sizeof(size_t))
		s->c->wrapped[s->c->n_wrapped++] = s->line;
	if (errno)
		blame(s, s->line, "number %.*s is out of all range",
		      (int)(len < 40 ? len : 40), start);
	else
		blame(s, s->line, "number %lld needs more than 32 bits: write "
		      "%lldL, or a text with a unit", n, n);
}

/* One file is one configuration: the file and line of every error, and the
 * directory paths start from, stay plain. */
enum rc conf_scan(struct conf *c, const char *text, struct buf *errors)
{
	struct scan s = { c, errors, text, 1, 0 };
	enum rc rc = RC_OK;

	while (*s.p) {
		char ch = *s.p;

		if (scan_skip(&s))
			continue;
		if (strncmp(s.p, "@include", 8) == 0) {
			blame(&s, s.line, "@include is not supported: one file "
			      "holds the whole configuration");
			rc = RC_ERULE;
		}
		if ((ch >= '0' && ch <= '9') || ch == '-' || ch == '+')
			scan_number(&s);
		else if (is_name_char(ch))
			s.p = over_name(s.p);
		else
			scan_char(&s);
	}
	if (!s.open)
		return rc;
	/* libconfig would name the last line, and leak the text. */
	blame(&s, s.open, "a text (\") or comment (/*) that begins here has "
	      "no end");
	return RC_ESYNTAX;
}

bool conf_scan_wrapped(const struct conf *c, size_t line)
{
	for (size_t i = 0; i < c->n_wrapped; i++)
		if (c->wrapped[i] == line)
			return true;
	return false;
}
