#include "common/wire/json_mend.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The quote that ends the string which begins at i, or len. */
static size_t string_end(const char *text, size_t len, size_t i)
{
	for (i++; i < len && text[i] != '"'; i++)
		if (text[i] == '\\')
			i++;
	return i < len ? i : len;
}

/* The string that begins at text, first quote included, last one not. */
static void mend_string(const char *text, size_t len, struct buf *dst)
{
	size_t i = 0;

	while (i < len) {
		if (text[i] != '\\' || len - i < 2) {
			buf_putc(dst, text[i++]);
		} else if (len - i >= 6 && memcmp(text + i, "\\u0000", 6) == 0) {
			buf_puts(dst, "\\ufffd");
			i += 6;
		} else {
			buf_add(dst, text + i, 2);
			i += 2;
		}
	}
}

static size_t skip_digits(const char *s, size_t i, size_t len)
{
	while (i < len && s[i] >= '0' && s[i] <= '9')
		i++;
	return i;
}

/* Is all of it one JSON number (RFC 8259 s6)? Bad ones must stay bad. */
static bool number_ok(const char *s, size_t len, bool *integer)
{
	size_t at = s[0] == '-', i = skip_digits(s, at, len);

	if (i == at || (s[at] == '0' && i > at + 1))
		return false;
	*integer = i == len;
	if (i < len && s[i] == '.') {
		at = i + 1;
		i = skip_digits(s, at, len);
		if (i == at)
			return false;
	}
	if (i < len && (s[i] == 'e' || s[i] == 'E')) {
		at = i + 1;
		if (at < len && (s[at] == '+' || s[at] == '-'))
			at++;
		i = skip_digits(s, at, len);
		if (i == at)
			return false;
	}
	return i == len;
}

/* Adds the token; if it is a number that jansson cannot hold, one that it can. */
static void mend_number(const char *text, size_t len, struct buf *dst)
{
	size_t at = dst->len;
	bool integer;
	double v;

	buf_add(dst, text, len);
	if (buf_rc(dst) != RC_OK || !number_ok(text, len, &integer))
		return;
	v = strtod(dst->data + at, NULL);
	if (isinf(v)) {
		dst->len = at;
		buf_puts(dst, v < 0 ? "-1e308" : "1e308");
		return;
	}
	errno = 0;
	if (integer && strtoll(dst->data + at, NULL, 10) && errno == ERANGE) {
		dst->len = at;
		buf_printf(dst, "%.17g", v);
	}
}

void json_mend(const char *text, size_t len, struct buf *dst)
{
	size_t i = 0, end;

	while (i < len) {
		char c = text[i];

		if (c == '"') {
			end = string_end(text, len, i);
			mend_string(text + i, end - i, dst);
			if (end < len)
				buf_putc(dst, text[end++]);
		} else if (c == '-' || (c >= '0' && c <= '9')) {
			end = i + 1;
			while (end < len && strchr("+-.0123456789eE",
			                           text[end]))
				end++;
			mend_number(text + i, end - i, dst);
		} else {
			buf_putc(dst, c);
			end = i + 1;
		}
		i = end;
	}
}
