#include "common/core/filter.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX 800	/* no double's half-way point has more than 767 */
#define EXP_MAX (LONG_MAX / 4)	/* so that adding to it cannot overflow */

/* Readers take what they know from s and give what is left, or NULL. */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static const char *read_blanks(const char *s, const char *end)
{
	const char *begin = s;

	while (s < end && (*s == ' ' || *s == '\t'))
		s++;
	return s > begin ? s : NULL;
}

static const char *read_digits(const char *s, const char *end)
{
	const char *begin = s;

	while (s < end && is_digit(*s))
		s++;
	return s > begin ? s : NULL;
}

/* "[1]" and the blanks behind it. */
static const char *read_index(const char *s, const char *end, uint32_t *index)
{
	uint64_t v = 0;

	for (s++; s < end && is_digit(*s) && v <= UINT32_MAX; s++)
		v = v * 10 + (uint64_t)(*s - '0');
	if (s == end || *s != ']' || s[-1] == '[' || v > UINT32_MAX)
		return NULL;
	*index = (uint32_t)v;
	return read_blanks(s + 1, end);
}

static const char *read_op(const char *s, const char *end, uint8_t *op)
{
	static const char names[][3] = {
		[FILTER_GT] = "gt", [FILTER_LT] = "lt", [FILTER_GE] = "ge",
		[FILTER_LE] = "le", [FILTER_EQ] = "eq"
	};

	for (uint8_t i = 0; end - s >= 2 && i <= FILTER_EQ; i++) {
		if (memcmp(s, names[i], 2) != 0)
			continue;
		*op = i;
		return read_blanks(s + 2, end);
	}
	return NULL;
}

/* Is all of it one number (RFC 8259 s6)? */
static bool is_number(const char *s, const char *end)
{
	const char *whole = s + (s < end && *s == '-');

	s = read_digits(whole, end);
	if (!s || (*whole == '0' && s - whole > 1))
		return false;
	if (s < end && *s == '.')
		s = read_digits(s + 1, end);
	if (s && s < end && (*s == 'e' || *s == 'E')) {
		s++;
		s += s < end && (*s == '+' || *s == '-');
		s = read_digits(s, end);
	}
	return s == end;
}

/* What follows the "e". */
static long exponent_of(const char *s, const char *end)
{
	bool minus = *s == '-';
	long e = 0;

	for (s += *s == '-' || *s == '+'; s < end; s++)
		e = e < EXP_MAX / 10 ? e * 10 + (*s - '0') : EXP_MAX;
	return minus ? -e : e;
}

/* What libc takes for a decimal point depends on the locale: it gets the digits
 * without one and an exponent. One digit more stands for all that are beyond
 * those kept. */
static double number_of(const char *s, const char *end)
{
	char text[DIGITS_MAX + 32];
	bool minus = *s == '-', point = false, more = false;
	size_t n = 0;
	long exp = 0;
	double v;

	for (s += minus; s < end && *s != 'e' && *s != 'E'; s++) {
		if (*s == '.') {
			point = true;
			continue;
		}
		exp -= point;
		if (n == DIGITS_MAX) {
			more = more || *s != '0';
			exp++;
		} else if (n || *s != '0') {
			text[n++] = *s;
		}
	}
	if (!n)
		return 0;
	if (more) {
		text[n++] = '1';
		exp--;
	}
	if (s < end)
		exp += exponent_of(s + 1, end);
	snprintf(text + n, sizeof(text) - n, "e%ld", exp);
	v = strtod(text, NULL);
	return minus ? -v : v;
}

enum rc filter_test_read(const char *s, size_t len, bool indexed,
                         struct filter_test *out)
{
	struct filter_test t = { .index = 0 };
	const char *end = s + len;

	if (indexed && len && *s == '[') {
		t.has_index = true;
		s = read_index(s, end, &t.index);
	}
	if (s)
		s = read_op(s, end, &t.op);
	if (!s || !is_number(s, end))
		return RC_ESYNTAX;
	t.number = number_of(s, end);
	if (!isfinite(t.number))
		return RC_ESYNTAX;
	*out = t;
	return RC_OK;
}

/* No comparison holds for a NaN. */
static bool holds(const struct filter_test *t, double cost)
{
	switch ((enum filter_op)t->op) {
	case FILTER_GT:
		return cost > t->number;
	case FILTER_LT:
		return cost < t->number;
	case FILTER_GE:
		return cost >= t->number;
	case FILTER_LE:
		return cost <= t->number;
	case FILTER_EQ:
		return cost == t->number;
	}
	return false;
}

bool filter_passes(const struct filter *f, const double *cost)
{
	size_t i = 0;

	for (size_t k = 0; k < f->n_clauses; k++) {
		while (i < f->end[k] && holds(&f->test[i],
		                              cost[f->test[i].index]))
			i++;
		if (i == f->end[k])
			return true;
		i = f->end[k];
	}
	return !f->n_tests;
}

/* A loop without a branch, of a length that the compiler knows. */
#define NARROW(op) \
	for (size_t i = 0; i < FILTER_LANES; i++) \
		pass[i] = (uint8_t)(pass[i] & (cost[i] op number))

static void narrow(enum filter_op op, double number, const double *cost,
                   uint8_t pass[FILTER_LANES])
{
	switch (op) {
	case FILTER_GT:
		NARROW(>);
		return;
	case FILTER_LT:
		NARROW(<);
		return;
	case FILTER_GE:
		NARROW(>=);
		return;
	case FILTER_LE:
		NARROW(<=);
		return;
	case FILTER_EQ:
		NARROW(==);
		return;
	}
}

void filter_lanes(const struct filter *f, const double *cost, size_t stride,
                  uint8_t pass[FILTER_LANES])
{
	const struct filter_test *t = f->test;

	memset(pass, !f->n_tests, FILTER_LANES);
	for (size_t k = 0; k < f->n_clauses; k++) {
		uint8_t clause[FILTER_LANES];

		memset(clause, 1, sizeof(clause));
		for (; t < f->test + f->end[k]; t++)
			narrow((enum filter_op)t->op, t->number,
			       cost + t->index * stride, clause);
		for (size_t i = 0; i < FILTER_LANES; i++)
			pass[i] |= clause[i];
	}
}
