/* One file above the usual length: the window is private, and whoever takes a
 * token in the fast way must see it.
 */
#include "common/wire/scan.h"

#include <endian.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A whole token and some more lie in the window at once. */
#define WINDOW (256u * 1024)
#define NAME_KEPT 80		/* bytes of a name, for the JSON pointer */

struct level {
	bool is_array;
	size_t elements;	/* array: taken so far, this one included */
	const char *name;	/* object: lent from the window, or keep */
	size_t len;
	char keep[NAME_KEPT];
};

/* The part of the input in hand is base .. end, p is what was taken of it. */
struct scan {
	const char *p, *end;
	struct level *lv;	/* &level[depth] */
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
	struct level level[SCAN_DEPTH_MAX + 1];
};

static enum rc fail(struct scan *s, enum rc rc, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

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
		const struct level *lv = &s->level[i];
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
	/* Nothing is left to take: each further call ends up at more(). */
	s->p = s->end;
	s->eof = true;
	return rc;
}

static enum rc fail(struct scan *s, enum rc rc, const char *fmt, ...)
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

static void keep_name(struct level *lv)
{
	if (lv->name == lv->keep)
		return;
	lv->len = lv->len < NAME_KEPT ? lv->len : NAME_KEPT;
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
			fail(s, RC_EIO, "reading failed");
			return false;
		}
		s->eof = n == 0;
		dst += n;
	}
	s->end = dst;
	return true;
}

/* More input behind what is left of the window, which moves to its front.
 * False: there is none, or the window is full. */
static bool more(struct scan *s)
{
	size_t left = (size_t)(s->end - s->p);

	if (s->eof || left == WINDOW)
		return false;
	for (size_t i = 1; i <= s->depth; i++)
		if (s->level[i].name)
			keep_name(&s->level[i]);
	s->lines += count_lines(s->base, s->p);
	memmove(s->window, s->p, left);
	s->p = s->window;
	if (!fill(s, s->window + left))
		return false;
	return (size_t)(s->end - s->p) > left;
}

/* The first byte of the next token, without taking it; 0 at the end (a NUL
 * byte itself belongs to no token and reads as 0x01, which does neither). */
static unsigned char token(struct scan *s)
{
	for (;;) {
		while (s->p < s->end) {
			unsigned char c = (unsigned char)*s->p;

			if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
				return c ? c : 0x01;
			s->p++;
		}
		if (!more(s))
			return 0;
	}
}

static const char *token_name(unsigned char c, char out[24])
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

/* Files that some editors write; the bytes alone would tell nobody. */
static enum rc check_start(struct scan *s)
{
	size_t n = (size_t)(s->end - s->p);

	if (s->depth || s->lines || s->p != s->base)
		return RC_OK;
	if (n >= 3 && memcmp(s->p, "\xef\xbb\xbf", 3) == 0)
		return fail(s, RC_ESYNTAX, "starts with a byte order mark; "
		            "save it as UTF-8 without one (RFC 8259 s8.1)");
	if (n >= 2 && (memcmp(s->p, "\xff\xfe", 2) == 0 ||
	               memcmp(s->p, "\xfe\xff", 2) == 0))
		return fail(s, RC_ESYNTAX, "is UTF-16; save it as UTF-8 "
		            "(RFC 8259 s8.1)");
	return RC_OK;
}

static enum rc expected(struct scan *s, const char *what)
{
	char out[24];

	if (check_start(s) != RC_OK)
		return s->rc;
	return fail(s, RC_ESYNTAX, "expected %s, found %s", what,
	            token_name(token(s), out));
}

/* Strings */

/* Which byte of a word is a quote, a backslash, a control or not ASCII? The
 * lowest bit set is right; a borrow can only set wrong bits above it. */
static uint64_t special_bytes(uint64_t w)
{
	const uint64_t ones = 0x0101010101010101u, high = ones << 7;
	uint64_t quote = w ^ ones * '"', slash = w ^ ones * '\\';

	return (((quote - ones) & ~quote) | ((slash - ones) & ~slash) |
	        ((w - ones * 0x20) & ~w) | w) & high;
}

/* The first such byte from p on, or end. */
static inline const char *find_special(const char *p, const char *end)
{
	uint64_t w;

	for (; end - p >= 8; p += 8) {
		memcpy(&w, p, 8);
		w = special_bytes(le64toh(w));
		if (w)
			return p + __builtin_ctzll(w) / 8;
	}
	for (; p < end; p++) {
		unsigned char c = (unsigned char)*p;

		if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\')
			break;
	}
	return p;
}

/* Is none of the n bytes at p special? Seven more may be read behind them. */
static inline bool all_plain(const char *p, size_t n)
{
	uint64_t w, bad;

	for (; n > 8; p += 8, n -= 8) {
		memcpy(&w, p, 8);
		if (special_bytes(w))
			return false;
	}
	memcpy(&w, p, 8);
	bad = special_bytes(le64toh(w));
	return !n || !(bad << (64 - 8 * n));
}

/* The closing quote, or NULL when it lies behind end. *plain: no escape and
 * only ASCII, the text is what stands there. */
static const char *find_quote(const char *p, const char *end, bool *plain)
{
	*plain = true;
	while ((p = find_special(p, end)) < end && *p != '"') {
		*plain = false;
		p += *p == '\\' ? 2 : 1;
		if (p > end)
			break;
	}
	return p < end ? p : NULL;
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
static const char *unescape_u(struct scan *s, const char *p, const char *end,
                              char **o)
{
	int c = hex4(p, end), low;

	if (c < 0) {
		fail(s, RC_ESYNTAX, "\\u wants four hex digits");
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
		fail(s, RC_ESYNTAX, "\\u%04x is half a surrogate pair", c);
		return NULL;
	}
	*o = put_utf8(*o, (unsigned)c);
	return p;
}

/* Behind a backslash; find_quote saw that one more byte is there. */
static const char *unescape(struct scan *s, const char *p, const char *end,
                            char **o)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;
	char out[24];

	if (*p == 'u')
		return unescape_u(s, p + 1, end, o);
	at = *p ? strchr(from, *p) : NULL;
	if (!at) {
		fail(s, RC_ESYNTAX, "there is no escape \\ with %s",
		     token_name((unsigned char)*p, out));
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

static const char *copy_utf8(struct scan *s, const char *p, const char *end,
                             char **o)
{
	size_t n = utf8_len(p, end);

	if (!n) {
		fail(s, RC_ESYNTAX, "not UTF-8 at byte 0x%02x (RFC 8259 s8.1)",
		     (unsigned char)*p);
		return NULL;
	}
	memcpy(*o, p, n);
	*o += n;
	return p + n;
}

/* Checks and unescapes into the scratch, which no decoded string outgrows. */
static enum rc decode(struct scan *s, const char *p, const char *end,
                      size_t *len)
{
	char *o;

	if (!s->scratch)
		s->scratch = malloc(SCAN_TOKEN_MAX + 1);
	if (!s->scratch)
		return fail(s, RC_ENOMEM, "%s", rc_text(RC_ENOMEM));
	o = s->scratch;
	while (p < end) {
		unsigned char c = (unsigned char)*p;

		if (c < 0x20)
			return fail(s, RC_ESYNTAX, "control character 0x%02x "
			            "in a string; write it as \\u%04x "
			            "(RFC 8259 s7)", c, c);
		if (c == '\\')
			p = unescape(s, p + 1, end, &o);
		else if (c >= 0x80)
			p = copy_utf8(s, p, end, &o);
		else
			*o++ = *p++;
		if (!p)
			return s->rc;
	}
	*len = (size_t)(o - s->scratch);
	return RC_OK;
}

/* The window stands at a quote. */
static enum rc take_string(struct scan *s, const char **text, size_t *len)
{
	const char *start, *quote;
	bool plain;

	while (!(quote = find_quote(s->p + 1, s->end, &plain))) {
		if ((size_t)(s->end - s->p) > SCAN_TOKEN_MAX)
			break;
		if (!more(s))
			return fail(s, RC_ESYNTAX, "the input ends inside a "
			            "string");
	}
	start = s->p + 1;
	if (!quote || (size_t)(quote - start) > SCAN_TOKEN_MAX)
		return fail(s, RC_ELIMIT, "a string of more than %u bytes",
		            SCAN_TOKEN_MAX);
	if (plain) {
		*text = start;
		*len = (size_t)(quote - start);
	} else {
		if (decode(s, start, quote, len) != RC_OK)
			return s->rc;
		*text = s->scratch;
	}
	s->p = quote + 1;
	return RC_OK;
}

enum rc scan_string(struct scan *s, const char **text, size_t *len)
{
	const char *p = s->p, *q;

	if (p < s->end && *p == '"') {
		q = find_special(++p, s->end);
		if (q < s->end && *q == '"' &&
		    (size_t)(q - p) <= SCAN_TOKEN_MAX) {
			*text = p;
			*len = (size_t)(q - p);
			s->p = q + 1;
			return RC_OK;
		}
	}
	if (token(s) != '"')
		return expected(s, "a string");
	return take_string(s, text, len);
}

/* Numbers */

static const char *digits(const char *p, const char *end)
{
	while (p < end && (unsigned char)(*p - '0') < 10)
		p++;
	return p;
}

/* Where the number at p ends, or stops being one (*ok). When that is end, the
 * rest may lie behind it. RFC 8259 s6. */
static const char *number_end(const char *p, const char *end, bool *ok)
{
	const char *q;

	*ok = false;
	if (p < end && *p == '-')
		p++;
	q = p < end && *p == '0' ? p + 1 : digits(p, end);
	if (q == p)
		return p;
	p = q;
	if (p < end && *p == '.') {
		q = digits(p + 1, end);
		if (q == p + 1)
			return q;
		p = q;
	}
	if (p < end && (*p | 0x20) == 'e') {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		q = digits(p, end);
		if (q == p)
			return q;
		p = q;
	}
	*ok = true;
	return p;
}

static enum rc number_slow(struct scan *s, const char **text, size_t *len)
{
	unsigned char c = token(s);
	const char *q;
	bool ok;

	if (c == 'N' || c == 'I')
		return fail(s, RC_ESYNTAX, "NaN and Infinity are no JSON "
		            "numbers (RFC 8259 s6)");
	if (c != '-' && (c < '0' || c > '9'))
		return expected(s, "a number");
	while ((q = number_end(s->p, s->end, &ok)) == s->end &&
	       (size_t)(q - s->p) <= SCAN_TOKEN_MAX && more(s))
		;
	if (s->rc != RC_OK)
		return s->rc;
	if ((size_t)(q - s->p) > SCAN_TOKEN_MAX)
		return fail(s, RC_ELIMIT, "a number of more than %u bytes",
		            SCAN_TOKEN_MAX);
	if (!ok) {
		s->p = q;
		return fail(s, RC_ESYNTAX, "a digit is missing in a number "
		            "(RFC 8259 s6)");
	}
	*text = s->p;
	*len = (size_t)(q - s->p);
	s->p = q;
	return RC_OK;
}

/* The top bit of each byte of w that is no digit. */
static inline uint64_t other_than_digits(uint64_t w)
{
	const uint64_t ones = 0x0101010101010101u, high = ones << 7;

	w ^= ones * '0';
	return (((w & ~high) + ones * (0x80 - 10)) | w) & high;
}

/* Costs are short and of all lengths, so a loop over their digits would be
 * mispredicted at each: digits and digits.digits that end within eight bytes
 * are found by arithmetic. 0: let the grammar decide. */
static inline size_t short_number(const char *p)
{
	uint64_t w, other;
	size_t n, dot;

	memcpy(&w, p, 8);
	other = other_than_digits(le64toh(w));
	if (!other)
		return 0;
	n = (size_t)__builtin_ctzll(other) / 8;
	if (n == 0 || (*p == '0' && n > 1))
		return 0;
	if (p[n] == '.') {
		dot = n;
		other &= other - 1;
		if (!other)
			return 0;
		n = (size_t)__builtin_ctzll(other) / 8;
		if (n == dot + 1)
			return 0;
	}
	return (p[n] | 0x20) == 'e' ? 0 : n;
}

enum rc scan_number(struct scan *s, const char **text, size_t *len)
{
	const char *p = s->p;
	size_t n = s->end - p > 8 ? short_number(p) : 0;

	if (!n)
		return number_slow(s, text, len);
	*text = p;
	*len = n;
	s->p = p + n;
	return RC_OK;
}

/* Containers */

static enum rc push(struct scan *s, bool is_array)
{
	struct level *lv;

	if (s->depth == SCAN_DEPTH_MAX)
		return fail(s, RC_ELIMIT, "nested deeper than %d",
		            SCAN_DEPTH_MAX);
	s->p++;
	s->depth++;
	lv = s->lv = &s->level[s->depth];
	lv->is_array = is_array;
	lv->elements = 0;
	lv->name = NULL;
	lv->len = 0;
	s->first = true;
	return RC_OK;
}

static void pop(struct scan *s)
{
	s->p++;
	s->depth--;
	s->lv = &s->level[s->depth];
	s->first = false;
}

enum rc scan_object(struct scan *s)
{
	if (token(s) != '{')
		return expected(s, "an object");
	return push(s, false);
}

enum rc scan_array(struct scan *s)
{
	if (token(s) != '[')
		return expected(s, "an array");
	return push(s, true);
}

/* The name as the JSON pointer shows it: lent while it stands in the window. */
static void set_name(struct scan *s, const char *name, size_t len)
{
	s->lv->name = name;
	s->lv->len = len;
	if (name == s->scratch)
		keep_name(s->lv);
}

/* A name and its colon are apart, and looking for the colon may move the
 * window: the name goes into the scratch. */
static enum rc find_colon(struct scan *s, const char **name, size_t len)
{
	if (*name != s->scratch) {
		if (!s->scratch)
			s->scratch = malloc(SCAN_TOKEN_MAX + 1);
		if (!s->scratch)
			return fail(s, RC_ENOMEM, "%s", rc_text(RC_ENOMEM));
		memcpy(s->scratch, *name, len);
		*name = s->scratch;
	}
	if (token(s) != ':')
		return expected(s, "\":\" after a name");
	return RC_OK;
}

static enum rc member_slow(struct scan *s, const char **name, size_t *len)
{
	unsigned char c = token(s);
	const char *text;
	size_t n;
	enum rc rc;

	if (c == '}') {
		pop(s);
		*name = NULL;
		*len = 0;
		return RC_OK;
	}
	if (!s->first) {
		if (c != ',')
			return expected(s, "\",\" or \"}\"");
		s->p++;
		c = token(s);
	}
	if (c != '"')
		return expected(s, s->first ? "a name or \"}\"" : "a name");
	rc = take_string(s, &text, &n);
	if (rc != RC_OK)
		return rc;
	s->first = false;
	set_name(s, text, n);
	if (s->p == s->end || *s->p != ':') {
		rc = find_colon(s, &text, n);
		if (rc != RC_OK)
			return rc;
	}
	s->p++;
	*name = text;
	*len = n;
	return RC_OK;
}

/* The common spellings ,"name": and , "name": need one pass over the name and
 * nothing else. Where a name is as long as the one before, which is the first
 * guess, the processor need not wait for that pass to go on. */
enum rc scan_member(struct scan *s, const char **name, size_t *len)
{
	struct level *lv = s->lv;
	const char *p = s->p, *q;

	if (s->end - p < 16)
		return member_slow(s, name, len);
	if (!s->first) {
		if (*p++ != ',')
			return member_slow(s, name, len);
		if (*p == ' ')
			p++;
	}
	if (*p++ != '"')
		return member_slow(s, name, len);
	if ((size_t)(s->end - p) >= lv->len + 8 && p[lv->len] == '"' &&
	    all_plain(p, lv->len))
		q = p + lv->len;
	else
		q = find_special(p, s->end);
	if (s->end - q < 3 || q[0] != '"' || q[1] != ':' ||
	    (size_t)(q - p) > SCAN_TOKEN_MAX)
		return member_slow(s, name, len);
	s->first = false;
	lv->name = *name = p;
	*len = (size_t)(q - p);
	if (lv->len != *len)
		lv->len = *len;
	s->p = q + 2;
	if (q[2] == ' ')
		s->p = q + 3;
	return RC_OK;
}

const char *scan_ahead(const struct scan *s, size_t *len)
{
	*len = s->first ? 0 : (size_t)(s->end - s->p);
	return s->p;
}

void scan_pass(struct scan *s, size_t n, const char *name, size_t name_len)
{
	s->p += n;
	s->lv->name = name;
	s->lv->len = name_len;
}

enum rc scan_element(struct scan *s, bool *more_values)
{
	unsigned char c;

	if (s->end - s->p > 1 && *s->p == ',' && !s->first) {
		s->p += s->p[1] == ' ' ? 2 : 1;
		s->lv->elements++;
		*more_values = true;
		return RC_OK;
	}
	c = token(s);
	if (c == ']') {
		pop(s);
		*more_values = false;
		return RC_OK;
	}
	if (!s->first && c != ',')
		return expected(s, "\",\" or \"]\"");
	if (!c)
		return expected(s, "a value or \"]\"");
	s->p += !s->first;
	s->first = false;
	s->lv->elements++;
	*more_values = true;
	return RC_OK;
}

/* Any value */

enum rc scan_peek(struct scan *s, enum scan_kind *kind)
{
	switch (token(s)) {
	case '{':
		*kind = SCAN_OBJECT;
		return RC_OK;
	case '[':
		*kind = SCAN_ARRAY;
		return RC_OK;
	case '"':
		*kind = SCAN_STRING;
		return RC_OK;
	case 't':
		*kind = SCAN_TRUE;
		return RC_OK;
	case 'f':
		*kind = SCAN_FALSE;
		return RC_OK;
	case 'n':
		*kind = SCAN_NULL;
		return RC_OK;
	case '-': case '0': case '1': case '2': case '3': case '4':
	case '5': case '6': case '7': case '8': case '9':
		*kind = SCAN_NUMBER;
		return RC_OK;
	default:
		return expected(s, "a value");
	}
}

static enum rc literal(struct scan *s, const char *word)
{
	size_t n = strlen(word);

	while ((size_t)(s->end - s->p) < n && more(s))
		;
	if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0)
		return fail(s, RC_ESYNTAX, "no value; did you mean %s?", word);
	s->p += n;
	return RC_OK;
}

enum rc scan_null(struct scan *s)
{
	if (token(s) != 'n')
		return expected(s, "null");
	return literal(s, "null");
}

/* A scalar is taken, a container only opened. */
static enum rc enter(struct scan *s)
{
	enum scan_kind kind;
	const char *text;
	size_t len;
	enum rc rc = scan_peek(s, &kind);

	if (rc != RC_OK)
		return rc;
	switch (kind) {
	case SCAN_OBJECT:
		return push(s, false);
	case SCAN_ARRAY:
		return push(s, true);
	case SCAN_STRING:
		return take_string(s, &text, &len);
	case SCAN_NUMBER:
		return scan_number(s, &text, &len);
	case SCAN_TRUE:
		return literal(s, "true");
	case SCAN_FALSE:
		return literal(s, "false");
	case SCAN_NULL:
		return literal(s, "null");
	}
	return RC_EINVAL;
}

/* On to the next value inside the containers opened above depth; false when
 * they are all closed. */
static enum rc next_inside(struct scan *s, size_t depth, bool *found)
{
	const char *name;
	size_t len;
	enum rc rc = RC_OK;

	*found = false;
	while (rc == RC_OK && s->depth > depth && !*found) {
		if (s->lv->is_array) {
			rc = scan_element(s, found);
		} else {
			rc = scan_member(s, &name, &len);
			*found = rc == RC_OK && name;
		}
	}
	return rc;
}

enum rc scan_skip(struct scan *s)
{
	size_t depth = s->depth;
	bool found = true;
	enum rc rc = RC_OK;

	while (rc == RC_OK && found) {
		rc = enter(s);
		if (rc == RC_OK)
			rc = next_inside(s, depth, &found);
	}
	return rc;
}

enum rc scan_raw(struct scan *s, const char **text, size_t *len)
{
	const char *start;
	enum rc rc;

	if (s->window)
		return RC_EINVAL;
	token(s);
	start = s->p;
	rc = scan_skip(s);
	if (rc != RC_OK)
		return rc;
	*text = start;
	*len = (size_t)(s->p - start);
	return RC_OK;
}

enum rc scan_end(struct scan *s)
{
	if (token(s) != 0)
		return expected(s, "the end");
	return s->rc;
}
