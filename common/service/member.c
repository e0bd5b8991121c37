#include "common/service/member.h"

#include "common/wire/json.h"

/* A value that ends in one of the two brackets is closed by its own, so the
 * last byte says whether this is the first member. */
static void comma(struct buf *b)
{
	char last = b->len > 0 ? b->data[b->len - 1] : '{';

	if (last != '{' && last != '[')
		buf_putc(b, ',');
}

void member_name(struct buf *b, const char *name)
{
	comma(b);
	if (name)
		buf_printf(b, "\"%s\":", name);
}

/* The length of a character of UTF-8 at s; 0: it is none. Good enough for
 * JSON readers: surrogates and overlong forms of three bytes are refused. */
static size_t utf8_len(const unsigned char *s)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 :
	           s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

/* Some texts come from files and from other machines: a byte that is no UTF-8
 * becomes "?". */
void member_str(struct buf *b, const char *name, const char *text)
{
	struct buf clean = BUF_INIT(65536);
	size_t n;

	for (; *text != '\0'; text += n) {
		n = utf8_len((const unsigned char *)text);
		buf_add(&clean, n ? text : "?", n ? n : 1);
		n = n ? n : 1;
	}
	member_name(b, name);
	json_put_string(b, buf_str(&clean), clean.len);
	buf_free(&clean);
}

void member_some(struct buf *b, const char *name, const char *text)
{
	if (text[0] != '\0')
		member_str(b, name, text);
}

void member_int(struct buf *b, const char *name, int64_t n)
{
	member_name(b, name);
	buf_printf(b, "%lld", (long long)n);
}

void member_count(struct buf *b, const char *name, uint64_t n)
{
	member_name(b, name);
	buf_printf(b, "%llu", (unsigned long long)n);
}

void member_seconds(struct buf *b, const char *name, double s)
{
	member_name(b, name);
	buf_printf(b, "%.3f", s);
}

void member_bool(struct buf *b, const char *name, bool yes)
{
	member_name(b, name);
	buf_puts(b, yes ? "true" : "false");
}

void member_begin(struct buf *b, const char *name, char bracket)
{
	member_name(b, name);
	buf_putc(b, bracket);
}
