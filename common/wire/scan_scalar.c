/* Strings and numbers: the common spellings first, in one pass. */
#include "common/wire/scan.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>

#include "common/wire/scan_text.h"
#include "common/wire/scan_window.h"

/* Into the scratch, which no decoded string outgrows. */
static enum rc decode(struct scan *s, const char *p, const char *end,
                      size_t *len)
{
	struct scan_text_error e;
	enum rc rc = scan_scratch(s);

	if (rc != RC_OK)
		return rc;
	rc = scan_text_decode(p, end, s->scratch, len, &e);
	return rc == RC_OK ? RC_OK : scan_fail(s, rc, "%s", e.text);
}

/* The window stands at a quote. */
static enum rc take_string(struct scan *s, const char **text, size_t *len)
{
	const char *start, *quote;
	bool plain;

	while (!(quote = scan_text_quote(s->p + 1, s->end, &plain))) {
		if ((size_t)(s->end - s->p) > SCAN_TOKEN_MAX)
			break;
		if (!scan_more(s))
			return scan_fail(s, RC_ESYNTAX,
			                 "the input ends inside a " "string");
	}
	start = s->p + 1;
	if (!quote || (size_t)(quote - start) > SCAN_TOKEN_MAX)
		return scan_fail(s, RC_ELIMIT, "a string of more than %u bytes",
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
		q = scan_text_special(++p, s->end);
		if (q < s->end && *q == '"' &&
		    (size_t)(q - p) <= SCAN_TOKEN_MAX) {
			*text = p;
			*len = (size_t)(q - p);
			s->p = q + 1;
			return RC_OK;
		}
	}
	if (scan_look(s) != '"')
		return scan_expected(s, "a string");
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
	unsigned char c = scan_look(s);
	const char *q;
	bool ok;

	if (c == 'N' || c == 'I')
		return scan_fail(s, RC_ESYNTAX, "NaN and Infinity are no JSON "
		                 "numbers (RFC 8259 s6)");
	if (c != '-' && (c < '0' || c > '9'))
		return scan_expected(s, "a number");
	while ((q = number_end(s->p, s->end, &ok)) == s->end &&
	       (size_t)(q - s->p) <= SCAN_TOKEN_MAX && scan_more(s))
		;
	if (s->rc != RC_OK)
		return s->rc;
	if ((size_t)(q - s->p) > SCAN_TOKEN_MAX)
		return scan_fail(s, RC_ELIMIT, "a number of more than %u bytes",
		                 SCAN_TOKEN_MAX);
	if (!ok) {
		s->p = q;
		return scan_fail(s, RC_ESYNTAX,
		                 "a digit is missing in a number "
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
