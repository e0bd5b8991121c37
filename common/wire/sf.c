#include "common/wire/sf.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#define INTEGER_DIGITS 15	/* RFC 9651 s3.3.1 */
#define DECIMAL_DIGITS 12	/* before the point, s3.3.2 */

/* What is left of a field. foreign: something well-formed has gone by that no
 * struct sf_value holds (a decimal, a date, a string with escapes); a fault
 * in a value that is asked for, none in one that is passed over. */
struct cursor {
	const char *p, *end;
	bool foreign;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_alpha(char c)
{
	return is_lower(c) || (c >= 'A' && c <= 'Z');
}

static bool is_base64(char c)
{
	return is_alpha(c) || is_digit(c) || c == '+' || c == '/';
}

static bool is_key(char c)
{
	return is_lower(c) || is_digit(c) || (c && strchr("_-.*", c));
}

static bool is_token(char c)
{
	return is_alpha(c) || is_digit(c) ||
	       (c && strchr(":/!#$%&'*+-.^_`|~", c));
}

/* The next character, 0 at the end (which is never allowed where one is). */
static char look(const struct cursor *c)
{
	return c->p < c->end ? *c->p : '\0';
}

static bool take(struct cursor *c, char want)
{
	if (look(c) != want || c->p == c->end)
		return false;
	c->p++;
	return true;
}

static void skip_spaces(struct cursor *c)
{
	while (take(c, ' '))
		;
}

/* Optional whitespace of a list or dictionary: tabs count here only. */
static void skip_ows(struct cursor *c)
{
	while (take(c, ' ') || take(c, '\t'))
		;
}

static enum rc read_key(struct cursor *c, const char **name, size_t *len)
{
	const char *start = c->p;

	if (!is_lower(look(c)) && look(c) != '*')
		return RC_ESYNTAX;
	while (is_key(look(c)))
		c->p++;
	*name = start;
	*len = (size_t)(c->p - start);
	return RC_OK;
}

/* Integer, or a decimal, which is foreign (s4.2.4). */
static enum rc read_number(struct cursor *c, struct sf_value *v)
{
	const char *start = c->p, *digits;
	bool minus = take(c, '-');
	int64_t n = 0;

	for (digits = c->p; is_digit(look(c)); c->p++)
		if (c->p - digits < INTEGER_DIGITS)
			n = n * 10 + (*c->p - '0');
	if (c->p == digits || c->p - digits > INTEGER_DIGITS)
		return RC_ESYNTAX;
	if (look(c) == '.') {
		if (c->p++ - digits > DECIMAL_DIGITS)
			return RC_ESYNTAX;
		for (digits = c->p; is_digit(look(c)); )
			c->p++;
		if (c->p == digits || c->p - digits > 3)
			return RC_ESYNTAX;
		c->foreign = true;
	}
	*v = (struct sf_value){ SF_INTEGER, start, (size_t)(c->p - start),
	                        minus ? -n : n };
	return RC_OK;
}

static enum rc read_string(struct cursor *c, struct sf_value *v)
{
	const char *start = ++c->p;

	for (; look(c) != '"'; c->p++) {
		if (look(c) < 0x20 || look(c) > 0x7e)
			return RC_ESYNTAX;
		if (look(c) != '\\')
			continue;
		c->p++;
		if (look(c) != '"' && look(c) != '\\')
			return RC_ESYNTAX;
		c->foreign = true;
	}
	*v = (struct sf_value){ SF_STRING, start, (size_t)(c->p - start), 0 };
	c->p++;
	return RC_OK;
}

/* Padding must be there and nowhere else: one value has one text. */
static enum rc read_bytes(struct cursor *c, struct sf_value *v)
{
	const char *start = ++c->p, *pad;

	while (is_base64(look(c)))
		c->p++;
	for (pad = c->p; look(c) == '='; )
		c->p++;
	if (c->p - pad > 2 || (c->p - start) % 4 || look(c) != ':')
		return RC_ESYNTAX;
	*v = (struct sf_value){ SF_BYTES, start, (size_t)(c->p - start), 0 };
	c->p++;
	return RC_OK;
}

static enum rc read_token(struct cursor *c, struct sf_value *v)
{
	const char *start = c->p;

	while (is_token(look(c)))
		c->p++;
	*v = (struct sf_value){ SF_TOKEN, start, (size_t)(c->p - start), 0 };
	return RC_OK;
}

static enum rc read_boolean(struct cursor *c, struct sf_value *v)
{
	c->p++;
	if (look(c) != '0' && look(c) != '1')
		return RC_ESYNTAX;
	c->foreign |= look(c) == '0';
	*v = (struct sf_value){ SF_TRUE, c->p, 1, 0 };
	c->p++;
	return RC_OK;
}

/* %"..." with percent-encoded UTF-8 (s4.2.10); the decoding is not checked. */
static enum rc read_display(struct cursor *c, struct sf_value *v)
{
	c->foreign = true;
	c->p++;
	if (!take(c, '"'))
		return RC_ESYNTAX;
	for (; look(c) != '"'; c->p++)
		if (look(c) < 0x20 || look(c) > 0x7e)
			return RC_ESYNTAX;
	c->p++;
	*v = (struct sf_value){ SF_STRING, c->p, 0, 0 };
	return RC_OK;
}

static enum rc read_bare(struct cursor *c, struct sf_value *v)
{
	switch (look(c)) {
	case '"':
		return read_string(c, v);
	case ':':
		return read_bytes(c, v);
	case '?':
		return read_boolean(c, v);
	case '%':
		return read_display(c, v);
	case '@':
		c->foreign = true;
		c->p++;
		return read_number(c, v);
	default:
		if (is_alpha(look(c)) || look(c) == '*')
			return read_token(c, v);
		return read_number(c, v);
	}
}

static bool same_name(const struct sf_param *p, const char *name, size_t len)
{
	return p->name_len == len && memcmp(p->name, name, len) == 0;
}

/* The slot of a parameter: where the name stood before (s4.2.3.2), or a new
 * one; NULL when there is no room. */
static struct sf_param *param_slot(struct sf_param *out, size_t *n,
                                   const struct sf_param *p)
{
	for (size_t i = 0; i < *n; i++)
		if (same_name(&out[i], p->name, p->name_len))
			return &out[i];
	return *n < SF_PARAMS_MAX ? &out[(*n)++] : NULL;
}

/* out NULL: passes over them, however many. */
static enum rc read_params(struct cursor *c, struct sf_param *out, size_t *n)
{
	while (take(c, ';')) {
		struct sf_param p = { .value = { .kind = SF_TRUE } }, *slot;
		enum rc rc;

		skip_spaces(c);
		rc = read_key(c, &p.name, &p.name_len);
		if (rc == RC_OK && take(c, '='))
			rc = read_bare(c, &p.value);
		if (rc != RC_OK)
			return rc;
		if (!out)
			continue;
		slot = param_slot(out, n, &p);
		if (!slot)
			return RC_ELIMIT;
		*slot = p;
	}
	return RC_OK;
}

static enum rc read_item(struct cursor *c, struct sf_bare *out)
{
	struct sf_value scratch;
	enum rc rc = read_bare(c, out ? &out->value : &scratch);

	if (rc != RC_OK)
		return rc;
	return read_params(c, out ? out->params : NULL,
	                   out ? &out->n_params : NULL);
}

static enum rc read_inner(struct cursor *c, struct sf_inner *out)
{
	enum rc rc = RC_OK;

	c->p++;				/* "(" */
	for (;;) {
		struct sf_bare *slot = NULL;

		skip_spaces(c);
		if (take(c, ')'))
			break;
		if (out && out->n == SF_LIST_MAX)
			return RC_ELIMIT;
		if (out)
			slot = &out->items[out->n++];
		rc = read_item(c, slot);
		if (rc != RC_OK)
			return rc;
		if (look(c) != ' ' && look(c) != ')')
			return RC_ESYNTAX;
	}
	return read_params(c, out ? out->params : NULL,
	                   out ? &out->n_params : NULL);
}

static struct cursor cursor_at(const char *s, size_t len)
{
	return (struct cursor){ s, s + len, false };
}

/* After a whole field: nothing may be left but spaces. */
static enum rc read_end(struct cursor *c)
{
	skip_spaces(c);
	return c->p == c->end && !c->foreign ? RC_OK : RC_ESYNTAX;
}

enum rc sf_read_item(const char *s, size_t len, struct sf_bare *out)
{
	struct cursor c = cursor_at(s, len);
	struct sf_bare item;
	enum rc rc;

	item.n_params = 0;
	skip_spaces(&c);
	rc = read_item(&c, &item);
	if (rc == RC_OK)
		rc = read_end(&c);
	if (rc == RC_OK)
		*out = item;
	return rc;
}

enum rc sf_read_inner(const char *s, size_t len, struct sf_inner *out)
{
	struct cursor c = cursor_at(s, len);
	struct sf_inner list;		/* 29 KiB: only what is set is read */
	enum rc rc = RC_ESYNTAX;

	list.n = list.n_params = 0;
	for (size_t i = 0; i < SF_LIST_MAX; i++)
		list.items[i].n_params = 0;
	skip_spaces(&c);
	if (look(&c) == '(')
		rc = read_inner(&c, &list);
	if (rc == RC_OK)
		rc = read_end(&c);
	if (rc == RC_OK)
		*out = list;
	return rc;
}

/* One member of a dictionary: its key, and its text behind the "=". */
static enum rc read_member(struct cursor *c, struct sf_param *key,
                           const char **text)
{
	enum rc rc = read_key(c, &key->name, &key->name_len);

	if (rc != RC_OK)
		return rc;
	if (!take(c, '=')) {
		*text = c->p;
		return read_params(c, NULL, NULL);
	}
	*text = c->p;
	return look(c) == '(' ? read_inner(c, NULL) : read_item(c, NULL);
}

enum rc sf_member(const char *s, size_t len, const char *name,
                  const char **text, size_t *text_len)
{
	struct cursor c = cursor_at(s, len);
	const char *found = NULL, *member;
	size_t found_len = 0;
	struct sf_param key;

	skip_spaces(&c);
	while (c.p < c.end) {
		enum rc rc = read_member(&c, &key, &member);

		if (rc != RC_OK)
			return rc;
		if (same_name(&key, name, strlen(name))) {
			found = member;
			found_len = (size_t)(c.p - member);
		}
		skip_ows(&c);
		if (c.p == c.end)
			break;
		if (!take(&c, ','))
			return RC_ESYNTAX;
		skip_ows(&c);
		if (c.p == c.end)
			return RC_ESYNTAX;	/* nothing after the comma */
	}
	if (!found)
		return RC_ENOENT;
	*text = found;
	*text_len = found_len;
	return RC_OK;
}

const struct sf_value *sf_param(const struct sf_param *params, size_t n,
                                const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (same_name(&params[i], name, strlen(name)))
			return &params[i].value;
	return NULL;
}

static void print_value(const struct sf_value *v, struct buf *dst)
{
	const char *quote = v->kind == SF_STRING ? "\"" :
	                    v->kind == SF_BYTES ? ":" : "";

	if (v->kind == SF_INTEGER) {
		buf_printf(dst, "%" PRId64, v->integer);
		return;
	}
	if (v->kind == SF_TRUE) {
		buf_puts(dst, "?1");
		return;
	}
	buf_puts(dst, quote);
	buf_add(dst, v->text, v->len);
	buf_puts(dst, quote);
}

static void print_params(const struct sf_param *params, size_t n,
                         struct buf *dst)
{
	for (size_t i = 0; i < n; i++) {
		buf_putc(dst, ';');
		buf_add(dst, params[i].name, params[i].name_len);
		if (params[i].value.kind == SF_TRUE)
			continue;
		buf_putc(dst, '=');
		print_value(&params[i].value, dst);
	}
}

void sf_print_item(const struct sf_bare *item, struct buf *dst)
{
	print_value(&item->value, dst);
	print_params(item->params, item->n_params, dst);
}

void sf_print_inner(const struct sf_inner *in, struct buf *dst)
{
	buf_putc(dst, '(');
	for (size_t i = 0; i < in->n; i++) {
		if (i)
			buf_putc(dst, ' ');
		sf_print_item(&in->items[i], dst);
	}
	buf_putc(dst, ')');
	print_params(in->params, in->n_params, dst);
}
