/* Three ways to print, from quick to slow; each takes what it can prove:
 *
 *  1. At most 15 digits. Any such decimal m / 10^k reads back to its own double
 *     (DBL_DIG), so the one that gives v is the shortest, alone of its length.
 *     For m <= 2^53 and k <= 22 both are doubles and IEEE division rounds right:
 *     one division is the whole proof.
 *  2. 16 or 17 digits, 1e-5 <= v < 2^53: the interval of decimals that read
 *     back as v, in 128-bit integers.
 *  3. The rest: printf gives the closest decimal of each length and strtod says
 *     whether it reads back. Where the gap below v is half of that above (a
 *     power of two) the closest one may fail and its neighbour pass.
 *
 * Reading goes the same ways. No text with a decimal point meets libc, whose
 * idea of it depends on the locale; digits with an exponent do.
 */
#include "common/wire/number.h"

#include <assert.h>
#include <endian.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXACT_INT 9007199254740992.0	/* 2^53 */
#define FEW_MAX 1000000000000000u	/* 10^15 */
#define DIGITS_MAX 17
#define READ_DIGITS_MAX 800	/* no double's half-way point has more than 767 */

__extension__ typedef unsigned __int128 u128;

static const double pow10_double[] = {
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22
};

#define POW10_EXACT 22			/* the last power that is a double */

static const double pow10_below[] = { 1e0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5 };

static const uint64_t pow10_int[] = {
	1u, 10u, 100u, 1000u, 10000u, 100000u, 1000000u, 10000000u,
	100000000u, 1000000000u, 10000000000u, 100000000000u,
	1000000000000u, 10000000000000u, 100000000000000u,
	1000000000000000u, 10000000000000000u, 100000000000000000u,
	1000000000000000000u, 10000000000000000000u
};

#define POW10_INT 19

static const char two_digits[] =
	"00010203040506070809101112131415161718192021222324"
	"25262728293031323334353637383940414243444546474849"
	"50515253545556575859606162636465666768697071727374"
	"75767778798081828384858687888990919293949596979899";

/* A decimal on its way to text: digits / 10^scale. */
struct decimal {
	uint64_t digits;
	int scale;
};

static u128 pow10_wide(int k)
{
	return k <= POW10_INT ? (u128)pow10_int[k]
	                      : (u128)pow10_int[POW10_INT] *
	                        pow10_int[k - POW10_INT];
}

/* ---- print ---- */

static void strip_zeros(struct decimal *d)
{
	for (; d->digits && d->digits % 10 == 0; d->digits /= 10)
		d->scale--;
}

/* Is v (positive) m / 10^k for an m of at most 15 digits? */
static bool is_at_scale(double v, int k, struct decimal *d)
{
	double scaled = v * pow10_double[k] + 0.5;

	if (!(scaled < (double)FEW_MAX))
		return false;
	d->digits = (uint64_t)scaled;
	d->scale = k;
	return (double)d->digits / pow10_double[k] == v;
}

/* Way 1. Most costs are integers or have few decimals; for the others the
 * highest scale that leaves 15 digits finds whatever is there. */
static bool few_digits(double v, struct decimal *d)
{
	int k = POW10_EXACT;

	if (v < EXACT_INT && (double)(uint64_t)v == v) {
		*d = (struct decimal){ (uint64_t)v, 0 };
		return true;
	}
	if (is_at_scale(v, 3, d) || is_at_scale(v, 6, d))
		return true;
	while (k > 0 && !(v * pow10_double[k] + 0.5 < (double)FEW_MAX))
		k--;
	return is_at_scale(v, k, d);
}

/* v as c * 2^-s, c an integer with all 53 bits, for v in the range of way 2. */
static uint64_t binary_parts(double v, int *s)
{
	int e;
	double f = frexp(v, &e);

	*s = DBL_MANT_DIG - e;
	return (uint64_t)ldexp(f, DBL_MANT_DIG);
}

/* The interval of what reads back as v: numbers in units of 2^-s / 10^k. */
struct interval {
	u128 low, mid, high;
	bool closed;		/* ends round to even, that is to v */
	int s;
};

static bool inside(const struct interval *i, uint64_t digits)
{
	u128 x = (u128)digits << i->s;

	return i->closed ? x >= i->low && x <= i->high
	                 : x > i->low && x < i->high;
}

/* The closest multiple of step inside; 0 when there is none. Of two that are
 * equally close the even one, as printf rounds. */
static uint64_t closest(const struct interval *i, uint64_t step)
{
	uint64_t down = (uint64_t)(i->mid >> i->s) / step * step;
	uint64_t up = down + step;
	u128 below = i->mid - ((u128)down << i->s);
	u128 above = ((u128)up << i->s) - i->mid;
	bool down_first = below < above ||
	                  (below == above && down / step % 2 == 0);

	if (inside(i, down) && (down_first || !inside(i, up)))
		return down;
	return inside(i, up) ? up : 0;
}

/* Way 2. Quarters of the last bit, because the gap below a power of two is half
 * as wide. The scale leaves 17 digits, so the widest number here has 55 bits of
 * v and 70 of 10^21. */
static bool many_digits(double v, struct decimal *d)
{
	struct interval i;
	uint64_t c;
	u128 scale;
	int k = DIGITS_MAX - 1;

	if (!(v >= 1e-5 && v < EXACT_INT))
		return false;
	c = binary_parts(v, &i.s);
	i.s += 2;
	for (; v >= pow10_double[DIGITS_MAX - k]; k--)
		;
	for (; v < 1 && v < pow10_below[k - DIGITS_MAX + 1]; k++)
		;
	scale = pow10_wide(k);
	i.mid = 4 * (u128)c * scale;
	i.high = (4 * (u128)c + 2) * scale;
	i.low = (4 * (u128)c - (c == UINT64_C(1) << 52 ? 1 : 2)) * scale;
	i.closed = c % 2 == 0;
	d->scale = k;
	d->digits = closest(&i, 10);
	if (!d->digits)
		d->digits = closest(&i, 1);
	strip_zeros(d);
	return d->digits != 0;
}

/* digits * 10^exp as text that libc reads the same in every locale. */
static bool reads_back(uint64_t digits, int exp, double v)
{
	char text[48];

	snprintf(text, sizeof(text), "%llue%d", (unsigned long long)digits, exp);
	return strtod(text, NULL) == v;
}

/* v rounded to so many digits; the point (or what the locale has for it) is
 * skipped. */
static struct decimal rounded(double v, int n)
{
	struct decimal d = { 0, 0 };
	char text[64];
	char *p = text;

	snprintf(text, sizeof(text), "%.*e", n - 1, v);
	for (; *p && *p != 'e'; p++)
		if (*p >= '0' && *p <= '9')
			d.digits = d.digits * 10 + (uint64_t)(*p - '0');
	if (*p == 'e')
		d.scale = n - 1 - (int)strtol(p + 1, NULL, 10);
	return d;
}

/* Way 3. Subnormals have fewer good digits, so all lengths are tried; other
 * numbers have no second decimal of 15 digits, so that is where to begin. */
static void slow_digits(double v, struct decimal *d)
{
	for (int n = v < DBL_MIN ? 1 : 15; n <= DIGITS_MAX; n++) {
		*d = rounded(v, n);
		if (reads_back(d->digits, -d->scale, v))
			break;
		if (reads_back(d->digits + 1, -d->scale, v)) {
			d->digits++;
			break;
		}
		if (reads_back(d->digits - 1, -d->scale, v)) {
			d->digits--;
			break;
		}
	}
	strip_zeros(d);
}

/* Digits of u, ending DIGITS_ROOM characters into tmp; behind them lies what a
 * copy of fixed length may take along. */
#define DIGITS_ROOM 20
#define COPY 16

static const char *digits_of(uint64_t u, char tmp[DIGITS_ROOM + COPY], size_t *n)
{
	char *p = tmp + DIGITS_ROOM;

	for (; u >= 100; u /= 100) {
		p -= 2;
		memcpy(p, two_digits + 2 * (u % 100), 2);
	}
	if (u >= 10) {
		p -= 2;
		memcpy(p, two_digits + 2 * u, 2);
	} else {
		*--p = (char)('0' + u);
	}
	*n = (size_t)(tmp + DIGITS_ROOM - p);
	return p;
}

/* 0 < scale, the point inside or right before the digits: 12.5, 0.00125. Out
 * has room for a sign, 8 digits, the point and COPY more: short copies of fixed
 * length take no call. */
static size_t put_fraction(char *out, const char *digits, size_t n, size_t scale)
{
	size_t whole = n > scale ? n - scale : 0, len;

	if (!whole) {
		memcpy(out, "0.00000", 7);
		memcpy(out + 2 + scale - n, digits, n);
		return 2 + scale;
	}
	len = whole + 1;
	if (whole <= 8) {
		memcpy(out, digits, 8);
		memcpy(out + len, digits + whole, COPY);
	} else {
		memcpy(out, digits, whole);
		memcpy(out + len, digits + whole, n - whole);
	}
	out[whole] = '.';
	return n + 1;
}

static size_t put_exponent(char *out, const char *digits, size_t n, int exp)
{
	size_t len = 0;

	out[len++] = digits[0];
	if (n > 1) {
		out[len++] = '.';
		memcpy(out + len, digits + 1, n - 1);
		len += n - 1;
	}
	out[len++] = 'e';
	out[len++] = exp < 0 ? '-' : '+';
	return len + (size_t)snprintf(out + len, 4, "%d", abs(exp));
}

/* The layout of ECMAScript's Number::toString: the number is
 * 0.digits * 10^point. */
static size_t put_decimal(char *out, const struct decimal *d)
{
	char tmp[DIGITS_ROOM + COPY] = { 0 };
	size_t n;
	const char *digits = digits_of(d->digits, tmp, &n);
	int point = (int)n - d->scale;

	if (point > 21 || point < -5)
		return put_exponent(out, digits, n, point - 1);
	if (d->scale > 0)
		return put_fraction(out, digits, n, (size_t)d->scale);
	memcpy(out, digits, n);
	memset(out + n, '0', (size_t)-d->scale);
	return n + (size_t)-d->scale;
}

size_t number_print(double v, char out[NUMBER_TEXT_MAX + 1])
{
	struct decimal d;
	size_t len = 0;

	assert(isfinite(v));
	if (v < 0) {
		out[len++] = '-';
		v = -v;
	}
	if (few_digits(v, &d)) {
		if (d.scale)
			strip_zeros(&d);
	} else if (!many_digits(v, &d)) {
		slow_digits(v, &d);
	}
	len += put_decimal(out + len, &d);
	out[len] = '\0';
	return len;
}

/* ---- read ---- */

/* What stands in the text: m * 10^exp, m the first 19 digits of whole. */
struct text_number {
	bool minus;
	uint64_t m;
	size_t digits;		/* significant ones; over 19: m is not whole */
	long exp;
};

#define EXP_MAX 10000000L	/* beyond any token's digits: no overflow after */

static long read_exponent(const char *s, const char *end)
{
	bool minus = s < end && *s == '-';
	long e = 0;

	for (s += s < end && (*s == '-' || *s == '+'); s < end; s++)
		if (e < EXP_MAX)
			e = e * 10 + (*s - '0');
	return minus ? -e : e;
}

static const char *read_digits(const char *s, const char *end,
                               struct text_number *t)
{
	for (; s < end && (unsigned char)(*s - '0') < 10; s++) {
		if (t->digits < POW10_INT) {
			t->m = t->m * 10 + (uint64_t)(*s - '0');
			t->digits += t->m != 0;
		} else {
			t->digits++;
		}
	}
	return s;
}

static void read_parts(const char *s, size_t len, struct text_number *t)
{
	const char *end = s + len;

	*t = (struct text_number){ *s == '-', 0, 0, 0 };
	s = read_digits(s + t->minus, end, t);
	if (s < end && *s == '.') {
		const char *point = s + 1;

		s = read_digits(point, end, t);
		t->exp = (long)(point - s);
	}
	if (s < end)
		t->exp += read_exponent(s + 1, end);
}

/* Way 2: m * 10^exp as an integer of 128 bits, or a quotient of more than 63
 * whose lost part only matters as "not nothing". */
static double read_wide(uint64_t m, long exp)
{
	int shift = __builtin_clzll(m);
	u128 num, q;

	if (exp >= 0)
		return (double)((u128)m * pow10_int[exp]);
	num = (u128)(m << shift) << 64;
	q = num / pow10_int[-exp];
	q |= q * pow10_int[-exp] != num;
	return ldexp((double)q, -64 - shift);
}

/* Way 3: the digits without their point, and one more that stands for all that
 * do not fit. */
static double read_slow(const char *s, size_t len, long exp)
{
	char text[READ_DIGITS_MAX + 32];
	size_t n = 0;
	bool more = false;

	for (const char *end = s + len; s < end && *s != 'e' && *s != 'E'; s++) {
		if (*s < '0' || *s > '9' || (*s == '0' && !n))
			continue;
		if (n < READ_DIGITS_MAX) {
			text[n++] = *s;
			continue;
		}
		more = more || *s != '0';
		exp++;
	}
	if (more) {
		text[n++] = '1';
		exp--;
	}
	snprintf(text + n, sizeof(text) - n, "e%ld", exp);
	return strtod(text, NULL);
}

#define ONES 0x0101010101010101u
#define LOW7 (ONES * 0x7f)
#define HIGH (ONES * 0x80)

/* The value of the first len (1 to 8) characters in the bytes of a word, lowest
 * first: digits and at most one point. No loop whose length nobody can foresee.
 * dot: the high bit of the point's byte, or 0. */
static inline double read_word(uint64_t w, uint64_t dot, int len)
{
	int scale = 0;

	w ^= ONES * '0';
	if (dot) {		/* what is before the point moves up over it */
		uint64_t before = (dot >> 7) - 1;

		scale = len - 1 - __builtin_ctzll(dot) / 8;
		w = (w & before) << 8 | (w & ~(before << 8 | 0xff));
	}
	w <<= 8 * (8 - len);
	w = (w * 10 + (w >> 8)) & 0x00ff00ff00ff00ffu;
	w = (w * 100 + (w >> 16)) & 0x0000ffff0000ffffu;
	w = (w * 10000 + (w >> 32)) & 0xffffffffu;
	return (double)(int64_t)w / pow10_double[scale];
}

/* Bytes of w that are c: their high bits. */
static uint64_t bytes_of(uint64_t w, char c)
{
	w ^= ONES * (unsigned char)c;
	return ~(((w & LOW7) + LOW7) | w | LOW7);
}

/* Bytes of w that are no digits: their high bits. */
static uint64_t no_digits(uint64_t w)
{
	w ^= ONES * '0';
	return (((w & LOW7) + ONES * (0x80 - 10)) | w) & HIGH;
}

size_t number_quick(const char *s, double *out)
{
	uint64_t w, other, dot;
	int len;

	memcpy(&w, s, sizeof(w));
	w = le64toh(w);
	other = no_digits(w);
	dot = bytes_of(w, '.') & other & -other;	/* the first that is none */
	other ^= dot;
	len = other ? __builtin_ctzll(other) / 8 : 8;
	if (len < 1 || (s[len] != ',' && s[len] != '}') || s[len - 1] == '.' ||
	    s[0] == '.' || (s[0] == '0' && len > 1 && s[1] != '.'))
		return 0;
	*out = read_word(w, dot, len);
	return (size_t)len;
}

/* The same for 4 to 8 characters whose grammar is known and behind which
 * nothing may be looked at. */
static bool read_short(const char *s, size_t len, double *out)
{
	uint32_t first, last;
	uint64_t w, dot;

	if (len < 4 || len > 8)
		return false;
	memcpy(&first, s, 4);
	memcpy(&last, s + len - 4, 4);
	w = le32toh(first) | (uint64_t)le32toh(last) << (8 * (len - 4));
	dot = bytes_of(w, '.');
	if (no_digits(w) << (64 - 8 * len) != dot << (64 - 8 * len))
		return false;		/* a sign or an exponent */
	*out = read_word(w, dot, (int)len);
	return true;
}

enum rc number_read(const char *s, size_t len, double *out)
{
	struct text_number t;
	double v;

	if (read_short(s, len, out))
		return RC_OK;
	read_parts(s, len, &t);
	if (!t.digits)
		v = 0;
	else if (t.m <= (uint64_t)EXACT_INT && t.digits <= POW10_INT &&
	         labs(t.exp) <= POW10_EXACT)
		v = t.exp < 0 ? (double)t.m / pow10_double[-t.exp]
		              : (double)t.m * pow10_double[t.exp];
	else if (t.digits <= POW10_INT && labs(t.exp) <= POW10_INT)
		v = read_wide(t.m, t.exp);
	else
		v = read_slow(s, len, t.exp);
	if (!isfinite(v))
		return RC_ERULE;
	*out = t.minus && v != 0 ? -v : v;
	return RC_OK;
}
