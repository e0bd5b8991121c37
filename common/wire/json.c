#include "common/wire/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/wire/json_mend.h"

/* Where in a text a reader stands: the names and indexes that lead there. Two
 * uses: to count depth before jansson recurses, and to name the place of an
 * error, for jansson knows only its offset. */
struct level {
	bool object;
	bool in_value;		/* of an object: past the colon */
	size_t index;
	const char *name;	/* as spelled; NULL before the first */
	size_t name_len;
};

struct place {
	size_t line;
	size_t nodes;		/* objects and arrays begun */
	size_t depth;
	struct level level[JSON_DEPTH_MAX];
};

/* The quote that ends the string which begins at i, or len. */
static size_t string_end(const char *text, size_t len, size_t i)
{
	for (i++; i < len && text[i] != '"'; i++)
		if (text[i] == '\\')
			i++;
	return i < len ? i : len;
}

/* Stands on any character but a string's. False: too deep. */
static bool place_char(struct place *p, char c)
{
	struct level *top = p->depth ? &p->level[p->depth - 1] : NULL;

	if (c == '\n') {
		p->line++;
	} else if (c == '{' || c == '[') {
		if (p->depth == JSON_DEPTH_MAX)
			return false;
		p->nodes++;
		p->level[p->depth++] = (struct level){ .object = c == '{' };
	} else if ((c == '}' || c == ']') && top) {
		p->depth--;
	} else if (c == ':' && top) {
		top->in_value = true;
	} else if (c == ',' && top) {
		top->in_value = false;
		top->index++;
	}
	return true;
}

/* Goes through the first len bytes, which need not be good JSON. False: they
 * go deeper than JSON_DEPTH_MAX, and p is where that happens. */
static bool place_find(struct place *p, const char *text, size_t len)
{
	*p = (struct place){ .line = 1 };
	for (size_t i = 0; i < len; i++) {
		struct level *top = p->depth ? &p->level[p->depth - 1] : NULL;
		size_t start = i + 1;

		if (text[i] != '"') {
			if (!place_char(p, text[i]))
				return false;
			continue;
		}
		i = string_end(text, len, i);
		if (top && top->object && !top->in_value) {
			top->name = text + start;
			top->name_len = i - start;
		}
	}
	return true;
}

/* Adds one token to the pointer, escaped (RFC 6901 s3); what has no room is
 * cut. */
static void pointer_add(struct diag *d, const char *token, size_t len)
{
	size_t at = strlen(d->pointer), max = sizeof(d->pointer) - 1;

	if (at < max)
		d->pointer[at++] = '/';
	for (size_t i = 0; i < len && at + 2 <= max; i++) {
		unsigned char c = (unsigned char)token[i];

		if (c == '~' || c == '/') {
			d->pointer[at++] = '~';
			d->pointer[at++] = c == '~' ? '0' : '1';
		} else {
			d->pointer[at++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
		}
	}
	d->pointer[at] = '\0';
}

static void pointer_set(struct diag *d, const struct place *p)
{
	char index[24];

	d->pointer[0] = '\0';
	for (size_t i = 0; i < p->depth; i++) {
		const struct level *l = &p->level[i];

		if (!l->object) {
			snprintf(index, sizeof(index), "%zu", l->index);
			pointer_add(d, index, strlen(index));
		} else if (l->name) {
			pointer_add(d, l->name, l->name_len);
		}
	}
}

/* Refuses the text at an offset; why may quote the input. */
static enum rc refuse_at(struct diag *d, enum rc rc, const char *text,
                         size_t at, const char *why)
{
	struct place p;

	if (!d || d->text[0])
		return rc;
	(void)place_find(&p, text, at);
	d->line = p.line;
	pointer_set(d, &p);
	diag_set(d, rc, "%s", why);
	for (char *c = d->text; *c; c++)
		if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e)
			*c = '?';	/* jansson cuts a character in two */
	return rc;
}

enum rc json_refuse(struct diag *d, enum rc rc, const char *at,
                    const char *name, const char *fmt, ...)
{
	char why[sizeof(d->text)];
	va_list ap;

	if (!d || d->text[0])
		return rc;
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	snprintf(d->pointer, sizeof(d->pointer), "%s", at);
	if (name)
		pointer_add(d, name, strlen(name));
	return diag_set(d, rc, "%s", why);
}

static enum rc load_failed(const json_error_t *err, const char *text,
                           size_t len, struct diag *d)
{
	size_t at = err->position > 0 ? (size_t)err->position : 0;
	enum rc rc = RC_ESYNTAX;

	/* jansson leaves the text empty when it was memory that failed */
	if (!err->text[0] || json_error_code(err) == json_error_out_of_memory)
		return diag_set(d, RC_ENOMEM, "out of memory");
	if (json_error_code(err) == json_error_duplicate_key ||
	    json_error_code(err) == json_error_numeric_overflow)
		rc = RC_ERULE;
	return refuse_at(d, rc, text, at < len ? at : len, err->text);
}

/* Sees to what jansson must not be given. */
static enum rc check_text(const char *text, size_t len, size_t max,
                          struct place *p, struct diag *d)
{
	const char *nul;

	if (len > max)
		return diag_set(d, RC_ELIMIT, "%zu bytes, %zu are allowed", len,
		                max);
	nul = len ? memchr(text, '\0', len) : NULL;
	if (nul)
		return refuse_at(d, RC_ESYNTAX, text, (size_t)(nul - text),
		                 "NUL byte");
	if (place_find(p, text, len))
		return RC_OK;
	if (d && !d->text[0]) {
		d->line = p->line;
		pointer_set(d, p);
	}
	return diag_set(d, RC_ELIMIT, "deeper than %d levels", JSON_DEPTH_MAX);
}

static json_t *load(const char *text, size_t len, json_error_t *err)
{
	return json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY,
	                  err);
}

enum rc json_read(const char *text, size_t len, size_t max, json_t **out,
                  struct diag *d)
{
	struct place p;
	json_error_t err;
	json_t *v;
	enum rc rc = check_text(text, len, max, &p, d);

	if (rc != RC_OK)
		return rc;
	v = load(text, len, &err);
	if (!v)
		return load_failed(&err, text, len, d);
	*out = v;
	return RC_OK;
}

static bool mendable(const json_error_t *err)
{
	return json_error_code(err) == json_error_null_character ||
	       json_error_code(err) == json_error_null_byte_in_key ||
	       json_error_code(err) == json_error_numeric_overflow;
}

enum rc json_read_body(const char *text, size_t len, size_t max, json_t **out,
                       struct diag *d)
{
	struct buf mended = BUF_INIT(0);
	struct place p;
	json_error_t err;
	json_t *v;
	enum rc rc = check_text(text, len, max, &p, d);

	if (rc != RC_OK)
		return rc;
	if (p.nodes > JSON_BODY_NODES)
		return diag_set(d, RC_ELIMIT, "more than %u objects and arrays",
		                JSON_BODY_NODES);
	v = load(text, len, &err);
	if (!v && mendable(&err)) {
		buf_init(&mended, JSON_MEND_GROWTH * len);
		json_mend(text, len, &mended);
		rc = buf_rc(&mended);
		if (rc != RC_OK)
			goto out;
		text = mended.data;
		len = mended.len;
		v = load(text, len, &err);
	}
	if (v)
		*out = v;
	else
		rc = load_failed(&err, text, len, d);
out:
	buf_free(&mended);
	return rc;
}

static const char *type_text(json_type type)
{
	switch (type) {
	case JSON_OBJECT:	return "an object";
	case JSON_ARRAY:	return "an array";
	case JSON_STRING:	return "a string";
	case JSON_INTEGER:	return "an integer";
	case JSON_REAL:		return "a number";
	case JSON_TRUE:
	case JSON_FALSE:	return "true or false";
	case JSON_NULL:		return "null";
	}
	return "something else";
}

static bool type_fits(const json_t *v, json_type type)
{
	if (type == JSON_REAL)
		return json_is_number(v);
	if (type == JSON_TRUE || type == JSON_FALSE)
		return json_is_boolean(v);
	return json_typeof(v) == type;
}

enum rc json_member(const json_t *obj, const char *at, const char *name,
                    json_type type, json_t **out, struct diag *d)
{
	json_t *v;

	if (!json_is_object(obj))
		return json_refuse(d, RC_ESYNTAX, at, NULL,
		                   "must be an object");
	v = json_object_get(obj, name);
	if (!v)
		return json_refuse(d, RC_ENOENT, at, name,
		                   "is missing, must be %s", type_text(type));
	if (!type_fits(v, type))
		return json_refuse(d, RC_ESYNTAX, at, name, "is %s, must be %s",
		                   type_text(json_typeof(v)), type_text(type));
	*out = v;
	return RC_OK;
}

enum rc json_text(const json_t *obj, const char *at, const char *name,
                  size_t max, const char **out, struct diag *d)
{
	json_t *v;
	enum rc rc = json_member(obj, at, name, JSON_STRING, &v, d);

	if (rc != RC_OK)
		return rc;
	if (json_string_length(v) > max)
		return json_refuse(d, RC_ELIMIT, at, name,
		                   "is longer than %zu bytes", max);
	*out = json_string_value(v);
	return RC_OK;
}

enum rc json_count(const json_t *obj, const char *at, const char *name,
                   uint64_t max, uint64_t *out, struct diag *d)
{
	json_t *v;
	json_int_t n;
	enum rc rc = json_member(obj, at, name, JSON_INTEGER, &v, d);

	if (rc != RC_OK)
		return rc;
	n = json_integer_value(v);
	if (n < 0)
		return json_refuse(d, RC_ERULE, at, name, "is negative");
	if ((uint64_t)n > max)
		return json_refuse(d, RC_ELIMIT, at, name,
		                   "is above %llu", (unsigned long long)max);
	*out = (uint64_t)n;
	return RC_OK;
}

/* The letter after the backslash of the short escapes; 0: there is none. */
static char short_escape(char c)
{
	switch (c) {
	case '\b': return 'b';
	case '\t': return 't';
	case '\n': return 'n';
	case '\f': return 'f';
	case '\r': return 'r';
	case '"':  return '"';
	case '\\': return '\\';
	default:   return 0;
	}
}

void json_put_string(struct buf *dst, const char *s, size_t len)
{
	size_t plain = 0;	/* what is not yet written begins here */

	buf_putc(dst, '"');
	for (size_t i = 0; i < len; i++) {
		char e = short_escape(s[i]);

		if (!e && (unsigned char)s[i] >= 0x20)
			continue;
		buf_add(dst, s + plain, i - plain);
		plain = i + 1;
		if (e) {
			buf_putc(dst, '\\');
			buf_putc(dst, e);
		} else {
			buf_printf(dst, "\\u%04x", (unsigned)s[i]);
		}
	}
	buf_add(dst, s + plain, len - plain);
	buf_putc(dst, '"');
}
