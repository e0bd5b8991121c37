#include "common/wire/jcs.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire/json.h"
#include "common/wire/number.h"

struct name {
	const char *s;
	size_t len;
	const json_t *value;
};

/* UTF-16 orders as the code points do, and so as the bytes of UTF-8 do, but
 * for one thing: what lies beyond U+FFFF (first byte F0 and up) is spelled with
 * surrogates there and comes before U+E000-U+FFFF (first byte EE and EF). */
static unsigned utf16_rank(unsigned char c)
{
	if (c >= 0xf0)
		return c - 2u;
	return c >= 0xee ? c + 5u : c;
}

int jcs_compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t n = a_len < b_len ? a_len : b_len;

	for (size_t i = 0; i < n; i++)
		if (a[i] != b[i])
			return utf16_rank((unsigned char)a[i]) <
			       utf16_rank((unsigned char)b[i]) ? -1 : 1;
	return a_len < b_len ? -1 : a_len > b_len;
}

static int by_name(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	return jcs_compare(x->s, x->len, y->s, y->len);
}

/* Bytes of the character that begins with c and ends before len; 0: none. */
static size_t utf8_char(const unsigned char *s, size_t len)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 :
	           s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;

	if (n > len)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* longer than needed, a surrogate, beyond U+10FFFF */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

static enum rc put_text(const char *s, size_t len, struct buf *dst)
{
	for (size_t i = 0, n; i < len; i += n) {
		n = utf8_char((const unsigned char *)s + i, len - i);
		if (!n)
			return RC_ERULE;
	}
	json_put_string(dst, s, len);
	return RC_OK;
}

static enum rc put_number(double v, struct buf *dst)
{
	char text[NUMBER_TEXT_MAX + 1];

	if (!isfinite(v))
		return RC_ERULE;
	buf_add(dst, text, number_print(v, text));
	return RC_OK;
}

static enum rc put_value(const json_t *v, unsigned levels, struct buf *dst);

static enum rc put_array(const json_t *v, unsigned levels, struct buf *dst)
{
	enum rc rc = RC_OK;

	buf_putc(dst, '[');
	for (size_t i = 0; i < json_array_size(v) && rc == RC_OK; i++) {
		if (i)
			buf_putc(dst, ',');
		rc = put_value(json_array_get(v, i), levels, dst);
	}
	buf_putc(dst, ']');
	return rc;
}

static enum rc put_members(const struct name *names, size_t n, unsigned levels,
                           struct buf *dst)
{
	enum rc rc = RC_OK;

	buf_putc(dst, '{');
	for (size_t i = 0; i < n && rc == RC_OK; i++) {
		if (i)
			buf_putc(dst, ',');
		rc = put_text(names[i].s, names[i].len, dst);
		buf_putc(dst, ':');
		if (rc == RC_OK)
			rc = put_value(names[i].value, levels, dst);
	}
	buf_putc(dst, '}');
	return rc;
}

static enum rc put_object(const json_t *v, unsigned levels, struct buf *dst)
{
	size_t n = 0, count = json_object_size(v);
	struct name *names;
	json_t *obj = (json_t *)v;	/* to walk it, jansson wants it so */
	enum rc rc;

	names = malloc((count ? count : 1) * sizeof(*names));
	if (!names)
		return RC_ENOMEM;
	for (void *it = json_object_iter(obj); it && n < count;
	     it = json_object_iter_next(obj, it)) {
		names[n].s = json_object_iter_key(it);
		names[n].len = json_object_iter_key_len(it);
		names[n++].value = json_object_iter_value(it);
	}
	qsort(names, n, sizeof(*names), by_name);
	rc = put_members(names, n, levels, dst);
	free(names);
	return rc;
}

static enum rc put_value(const json_t *v, unsigned levels, struct buf *dst)
{
	if (buf_rc(dst) != RC_OK)
		return buf_rc(dst);
	if (!v || !levels)
		return v ? RC_ELIMIT : RC_EINVAL;
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return put_object(v, levels - 1, dst);
	case JSON_ARRAY:
		return put_array(v, levels - 1, dst);
	case JSON_STRING:
		return put_text(json_string_value(v), json_string_length(v),
		                dst);
	case JSON_INTEGER:
		return put_number((double)json_integer_value(v), dst);
	case JSON_REAL:
		return put_number(json_real_value(v), dst);
	case JSON_TRUE:
		buf_puts(dst, "true");
		return RC_OK;
	case JSON_FALSE:
		buf_puts(dst, "false");
		return RC_OK;
	case JSON_NULL:
		buf_puts(dst, "null");
		return RC_OK;
	}
	return RC_EINVAL;
}

enum rc jcs_write(const json_t *v, struct buf *dst)
{
	/* a value in the innermost container is one level further in */
	enum rc rc = put_value(v, JSON_DEPTH_MAX + 1, dst);

	return rc != RC_OK ? rc : buf_rc(dst);
}
