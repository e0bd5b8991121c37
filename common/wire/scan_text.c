#include "common/wire/scan_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *scan_text_what(unsigned char c, char out[24])
{
	if (c == 0)
		return "the end of the input";
	if (c == '"')
		return "a string";
	if (c == '{')
		return "an object";
	if (c == '[')
		return "an array";
	if (c == '-' || (c >= '0' && c <= '9'))
		return "a number";
	if (c == 't' || c == 'f')
		return "true or false";
	if (c == 'n')
		return "null";
	snprintf(out, 24, c > 0x20 && c < 0x7f ? "\"%c\"" : "byte 0x%02x", c);
	return out;
}

const char *scan_text_quote(const char *p, const char *end, bool *plain)
{
	*plain = true;
	while ((p = scan_text_special(p, end)) < end && *p != '"') {
		*plain = false;
		p += *p == '\\' ? 2 : 1;
		if (p > end)
			break;
	}
	return p < end ? p : NULL;
}

static enum rc refuse(struct scan_text_error *e, const char *fmt, ...)
	PRINTF_LIKE(2, 3);

static enum rc refuse(struct scan_text_error *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return RC_ESYNTAX;
}

static int hex4(const char *p, const char *end)
{
	int v = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = (char)(p[i] | 0x20);

		if (p[i] >= '0' && p[i] <= '9')
			v = v << 4 | (p[i] - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (c - 'a' + 10);
		else
			return -1;
	}
	return v;
}

static char *put_utf8(char *o, unsigned c)
{
	if (c < 0x80) {
		*o++ = (char)c;
		return o;
	}
	if (c < 0x800) {
		*o++ = (char)(0xc0 | c >> 6);
	} else {
		if (c < 0x10000) {
			*o++ = (char)(0xe0 | c >> 12);
		} else {
			*o++ = (char)(0xf0 | c >> 18);
			*o++ = (char)(0x80 | (c >> 12 & 63));
		}
		*o++ = (char)(0x80 | (c >> 6 & 63));
	}
	*o++ = (char)(0x80 | (c & 63));
	return o;
}

/* Behind "\u": one character, which may take two escapes. NULL: refused. */
static const char *unescape_u(const char *p, const char *end, char **o,
                              struct scan_text_error *e)
{
	int c = hex4(p, end), low;

	if (c < 0) {
		refuse(e, "\\u wants four hex digits");
		return NULL;
	}
	p += 4;
	if (c >= 0xd800 && c <= 0xdbff && end - p >= 2 && p[0] == '\\' &&
	    p[1] == 'u') {
		low = hex4(p + 2, end);
		if (low >= 0xdc00 && low <= 0xdfff) {
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
			p += 6;
		}
	}
	if (c >= 0xd800 && c <= 0xdfff) {
		refuse(e, "\\u%04x is half a surrogate pair", c);
		return NULL;
	}
	*o = put_utf8(*o, (unsigned)c);
	return p;
}

/* Behind a backslash; find_quote saw that one more byte is there. */
static const char *unescape(const char *p, const char *end, char **o,
                            struct scan_text_error *e)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;
	char out[24];

	if (*p == 'u')
		return unescape_u(p + 1, end, o, e);
	at = *p ? strchr(from, *p) : NULL;
	if (!at) {
		refuse(e, "there is no escape \\ with %s",
		       scan_text_what((unsigned char)*p, out));
		return NULL;
	}
	*(*o)++ = to[at - from];
	return p + 1;
}

/* The length of the UTF-8 character at p (RFC 3629 s4); 0: it is none. */
static size_t utf8_len(const char *text, const char *end)
{
	const unsigned char *p = (const unsigned char *)text;
	unsigned char low = 0x80, high = 0xbf;
	size_t n;

	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if ((size_t)(end - text) < n)
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;		/* surrogates */
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return n;
}

static const char *copy_utf8(const char *p, const char *end, char **o,
                             struct scan_text_error *e)
{
	size_t n = utf8_len(p, end);

	if (!n) {
		refuse(e, "not UTF-8 at byte 0x%02x (RFC 8259 s8.1)",
		       (unsigned char)*p);
		return NULL;
	}
	memcpy(*o, p, n);
	*o += n;
	return p + n;
}

enum rc scan_text_decode(const char *p, const char *end, char *dst,
                         size_t *len, struct scan_text_error *e)
{
	char *o = dst;

	while (p < end) {
		unsigned char c = (unsigned char)*p;

		if (c < 0x20)
			return refuse(e, "control character 0x%02x "
			              "in a string; write it as \\u%04x "
			              "(RFC 8259 s7)", c, c);
		if (c == '\\')
			p = unescape(p + 1, end, &o, e);
		else if (c >= 0x80)
			p = copy_utf8(p, end, &o, e);
		else
			*o++ = *p++;
		if (!p)
			return RC_ESYNTAX;
	}
	*len = (size_t)(o - dst);
	return RC_OK;
}
