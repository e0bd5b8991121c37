/* scan_text.h - strings of JSON as bytes: where they end, what they say.
 *
 * Knows no window and keeps nothing. What is called for each string of a map
 * works eight bytes at a time and is inline.
 */
#ifndef ALTOCAST_WIRE_SCAN_TEXT_H
#define ALTOCAST_WIRE_SCAN_TEXT_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/base/rc.h"

/* Which byte of a word is a quote, a backslash, a control or not ASCII? The
 * lowest bit set is right; a borrow can only set wrong bits above it. */
static inline uint64_t scan_text_specials(uint64_t w)
{
	const uint64_t ones = 0x0101010101010101u, high = ones << 7;
	uint64_t quote = w ^ ones * '"', slash = w ^ ones * '\\';

	return (((quote - ones) & ~quote) | ((slash - ones) & ~slash) |
	        ((w - ones * 0x20) & ~w) | w) & high;
}

/* The first such byte from p on, or end. */
static inline const char *scan_text_special(const char *p, const char *end)
{
	uint64_t w;

	for (; end - p >= 8; p += 8) {
		memcpy(&w, p, 8);
		w = scan_text_specials(le64toh(w));
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
static inline bool scan_text_plain(const char *p, size_t n)
{
	uint64_t w, bad;

	for (; n > 8; p += 8, n -= 8) {
		memcpy(&w, p, 8);
		if (scan_text_specials(w))
			return false;
	}
	memcpy(&w, p, 8);
	bad = scan_text_specials(le64toh(w));
	return !n || !(bad << (64 - 8 * n));
}

/* The closing quote, or NULL when it lies behind end. *plain: no escape and
 * only ASCII, the text is what stands there. */
const char *scan_text_quote(const char *p, const char *end, bool *plain);

struct scan_text_error {
	char text[120];
};

/* Checks and unescapes what stands between two quotes into dst, which needs no
 * more room than that takes. RC_ESYNTAX: the reason is in e. */
MUST_CHECK enum rc scan_text_decode(const char *p, const char *end, char *dst,
                                    size_t *len, struct scan_text_error *e);

/* What begins with that byte, for messages; 0: the end. */
const char *scan_text_what(unsigned char c, char out[24]);

#endif
