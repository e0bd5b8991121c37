#include "common/wire/jsonpatch.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire/json.h"

#define VALUE_WEIGHT 32		/* about what jansson takes for any value */

/* Goes through a value: how deep it is, and what it weighs, about its bytes in
 * memory. False: deeper than levels. */
static bool weigh(const json_t *v, unsigned levels, size_t *weight)
{
	json_t *o = (json_t *)v;	/* to walk it, jansson wants it so */

	*weight += VALUE_WEIGHT;
	if (json_is_string(v))
		*weight += json_string_length(v);
	if (!json_is_object(v) && !json_is_array(v))
		return true;
	if (!levels)
		return false;
	for (size_t i = 0; i < json_array_size(v); i++)
		if (!weigh(json_array_get(v, i), levels - 1, weight))
			return false;
	for (void *it = json_object_iter(o); it;
	     it = json_object_iter_next(o, it)) {
		*weight += json_object_iter_key_len(it);
		if (!weigh(json_object_iter_value(it), levels - 1, weight))
			return false;
	}
	return true;
}

static bool too_deep(const json_t *v)
{
	size_t weight = 0;

	return !weigh(v, JSON_DEPTH_MAX, &weight);
}

/* The RFC's MergePatch(), beside the target instead of in it; t may be NULL.
 * NULL: out of memory. */
static json_t *merged(const json_t *t, const json_t *p)
{
	json_t *out, *value;
	const char *name;
	bool failed = false;

	if (!json_is_object(p))
		return json_deep_copy(p);
	out = json_object();
	json_object_foreach((json_t *)t, name, value)
		if (!json_object_get(p, name))
			failed |= json_object_set_new_nocheck(
				out, name, json_deep_copy(value)) != 0;
	json_object_foreach((json_t *)p, name, value)
		if (!json_is_null(value))
			failed |= json_object_set_new_nocheck(out, name,
				merged(json_object_get(t, name), value)) != 0;
	if (failed) {
		json_decref(out);
		return NULL;
	}
	return out;
}

enum rc merge_patch(const json_t *target, const json_t *patch, json_t **out)
{
	json_t *v;

	if (too_deep(target) || too_deep(patch))
		return RC_ELIMIT;
	v = merged(target, patch);
	if (!v)
		return RC_ENOMEM;
	*out = v;
	return RC_OK;
}

static enum rc differ(const json_t *from, const json_t *to, json_t **out);

/* What the patch must say of one member of to, if anything. */
static enum rc differ_member(json_t *patch, const char *name,
                             const json_t *from, const json_t *to)
{
	json_t *v = NULL;
	enum rc rc;

	if (from && json_equal(from, to))
		return RC_OK;
	if (json_is_null(to))
		return RC_ERULE;
	rc = differ(from, to, &v);
	if (rc == RC_OK && json_object_set_new_nocheck(patch, name, v) != 0)
		rc = RC_ENOMEM;
	return rc;
}

/* from may be NULL. A value that replaces something else goes through here too:
 * as a patch, an object must be free of nulls that are meant. */
static enum rc differ(const json_t *from, const json_t *to, json_t **out)
{
	json_t *patch, *value;
	const char *name;
	enum rc rc = RC_OK;

	patch = json_is_object(to) ? json_object() : json_deep_copy(to);
	if (!patch)
		return RC_ENOMEM;
	json_object_foreach((json_t *)to, name, value)
		if (rc == RC_OK)
			rc = differ_member(patch, name,
			                   json_object_get(from, name), value);
	if (json_is_object(to))
		json_object_foreach((json_t *)from, name, value)
			if (rc == RC_OK && !json_object_get(to, name) &&
			    json_object_set_new_nocheck(patch, name,
			                                json_null()) != 0)
				rc = RC_ENOMEM;
	if (rc != RC_OK) {
		json_decref(patch);
		return rc;
	}
	*out = patch;
	return RC_OK;
}

enum rc merge_diff(const json_t *from, const json_t *to, json_t **out)
{
	if (too_deep(from) || too_deep(to))
		return RC_ELIMIT;
	return differ(from, to, out);
}

/* RFC 6901 s3 */
static bool pointer_ok(const char *s)
{
	if (*s && *s != '/')
		return false;
	for (; *s; s++)
		if (*s == '~' && s[1] != '0' && s[1] != '1')
			return false;
	return true;
}

/* Takes the token at *p (on its "/"), unescaped where it stands, and moves *p
 * on to the next or to NULL. "~01" is "~1": each escape is read once. */
static const char *take_token(char **p)
{
	char *token = *p + 1, *to = token, *from = token;

	for (; *from && *from != '/'; from++) {
		*to = *from;
		if (*from == '~')
			*to = *++from == '0' ? '~' : '/';
		to++;
	}
	*p = *from ? from : NULL;
	*to = '\0';
	return token;
}

/* Digits without a leading zero, below or at max. */
static bool index_read(const char *s, size_t max, size_t *out)
{
	size_t n = 0;

	if (!*s || (*s == '0' && s[1]))
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9' || n > max / 10)
			return false;
		n = n * 10 + (size_t)(*s - '0');
	}
	*out = n;
	return n <= max;
}

/* The child of v that a token names, NULL when there is none. */
static json_t *child(const json_t *v, const char *token)
{
	size_t i;

	if (json_is_object(v))
		return json_object_get(v, token);
	if (json_is_array(v) && index_read(token, json_array_size(v), &i))
		return json_array_get(v, i);
	return NULL;
}

/* Follows a pointer (one that pointer_ok() took, and which is spoilt here).
 * last NULL: all of it; else to its parent, and *last gets the last token. */
static json_t *follow(const json_t *doc, char *pointer, const char **last)
{
	const json_t *v = doc;
	char *p = *pointer ? pointer : NULL;

	while (v && p) {
		const char *token = take_token(&p);

		if (!p && last) {
			*last = token;
			break;
		}
		v = child(v, token);
	}
	return (json_t *)v;
}

enum rc json_pointer(const json_t *doc, const char *pointer, json_t **out)
{
	char *copy;
	json_t *v;

	if (!pointer_ok(pointer))
		return RC_ESYNTAX;
	copy = strdup(pointer);
	if (!copy)
		return RC_ENOMEM;
	v = follow(doc, copy, NULL);
	free(copy);
	if (!v)
		return RC_ENOENT;
	*out = v;
	return RC_OK;
}

/* A JSON Patch at work: the document so far, and what may still be done. */
struct work {
	json_t *doc;
	size_t left;
};

static enum rc spend(struct work *w, size_t n)
{
	if (n > w->left)
		return RC_ELIMIT;
	w->left -= n;
	return RC_OK;
}

/* May v stand where a pointer with so many tokens leads? */
static enum rc admit(struct work *w, const json_t *v, const char *path)
{
	unsigned tokens = 0;
	size_t weight = 0;

	for (; *path; path++)
		tokens += *path == '/';
	if (tokens > JSON_DEPTH_MAX ||
	    !weigh(v, JSON_DEPTH_MAX - tokens, &weight))
		return RC_ELIMIT;
	return spend(w, weight);
}

/* Puts v (taken over) into an array. insert: before the element, else over
 * it. */
static enum rc put_element(struct work *w, json_t *array, const char *token,
                           json_t *v, bool insert)
{
	size_t n = json_array_size(array), i = n;
	enum rc rc = RC_EGAP;

	if ((insert && strcmp(token, "-") == 0) || index_read(token, n, &i))
		rc = spend(w, (n - i) * sizeof(v));
	if (rc == RC_OK && !insert && i == n)
		rc = RC_EGAP;
	if (rc != RC_OK) {
		json_decref(v);
		return rc;
	}
	if ((insert ? json_array_insert_new(array, i, v)
	            : json_array_set_new(array, i, v)) != 0)
		return RC_ENOMEM;
	return RC_OK;
}

static enum rc put_below(struct work *w, char *path, json_t *v, bool insert)
{
	const char *token = "";
	json_t *parent = follow(w->doc, path, &token);

	if (json_is_array(parent))
		return put_element(w, parent, token, v, insert);
	if (!json_is_object(parent) ||
	    (!insert && !json_object_get(parent, token))) {
		json_decref(v);
		return RC_EGAP;
	}
	/* a name that is new comes from the patch, which was read as JSON */
	return json_object_set_new_nocheck(parent, token, v) ? RC_ENOMEM
	                                                     : RC_OK;
}

/* Puts v (taken over) at path. insert: add's meaning, else replace's. */
static enum rc put(struct work *w, const char *path, json_t *v, bool insert)
{
	char *copy = NULL;
	enum rc rc = v ? admit(w, v, path) : RC_ENOMEM;

	if (rc != RC_OK)
		goto out;
	if (!*path) {
		json_decref(w->doc);
		w->doc = v;
		return RC_OK;
	}
	copy = strdup(path);
	if (!copy) {
		rc = RC_ENOMEM;
		goto out;
	}
	rc = put_below(w, copy, v, insert);
	v = NULL;
out:
	free(copy);
	json_decref(v);
	return rc;
}

static enum rc drop(struct work *w, const char *path)
{
	char *copy = strdup(path);
	const char *token = NULL;
	enum rc rc = RC_EGAP;
	json_t *parent;
	size_t i;

	if (!copy)
		return RC_ENOMEM;
	parent = follow(w->doc, copy, &token);
	if (!token)
		goto out;		/* the whole document, or no parent */
	if (json_is_object(parent)) {
		if (json_object_del(parent, token) == 0)
			rc = RC_OK;
	} else if (json_is_array(parent) &&
	           index_read(token, json_array_size(parent), &i) &&
	           i < json_array_size(parent)) {
		rc = spend(w, (json_array_size(parent) - i) * sizeof(parent));
		if (rc == RC_OK)
			(void)json_array_remove(parent, i);
	}
out:
	free(copy);
	return rc;
}

/* Is the integer the double? Neither is turned into the other's type before it
 * is known to fit. */
static bool same_mixed(json_int_t i, double r)
{
	return r >= -0x1p63 && r < 0x1p63 && (json_int_t)r == i &&
	       (double)(json_int_t)r == r;
}

static bool same_number(const json_t *a, const json_t *b)
{
	if (json_is_integer(a) && json_is_integer(b))
		return json_integer_value(a) == json_integer_value(b);
	if (json_is_integer(a))
		return same_mixed(json_integer_value(a), json_real_value(b));
	if (json_is_integer(b))
		return same_mixed(json_integer_value(b), json_real_value(a));
	return !(json_real_value(a) < json_real_value(b)) &&
	       !(json_real_value(a) > json_real_value(b));
}

static bool same(const json_t *a, const json_t *b);

static bool same_children(const json_t *a, const json_t *b)
{
	const char *name;
	json_t *value;

	if (json_array_size(a) != json_array_size(b) ||
	    json_object_size(a) != json_object_size(b))
		return false;
	for (size_t i = 0; i < json_array_size(a); i++)
		if (!same(json_array_get(a, i), json_array_get(b, i)))
			return false;
	json_object_foreach((json_t *)a, name, value)
		if (!same(value, json_object_get(b, name)))
			return false;
	return true;
}

/* Equal as RFC 6902 s4.6 wants it; b may be NULL. json_equal() takes 1 and 1.0
 * for two things. */
static bool same(const json_t *a, const json_t *b)
{
	if (!b)
		return false;
	if (json_is_number(a) && json_is_number(b))
		return same_number(a, b);
	if (json_typeof(a) != json_typeof(b))
		return false;
	if (json_is_string(a))
		return json_string_length(a) == json_string_length(b) &&
		       memcmp(json_string_value(a), json_string_value(b),
		              json_string_length(a)) == 0;
	return same_children(a, b);
}

struct op {
	const char *name;
	const char *path;
	const char *from;	/* move, copy */
	json_t *value;		/* add, replace, test */
};

static enum rc op_add(struct work *w, const struct op *op)
{
	return put(w, op->path, json_deep_copy(op->value), true);
}

static enum rc op_remove(struct work *w, const struct op *op)
{
	return drop(w, op->path);
}

static enum rc op_replace(struct work *w, const struct op *op)
{
	return put(w, op->path, json_deep_copy(op->value), false);
}

/* The value that from names; RC_EGAP: none. */
static enum rc source(struct work *w, const struct op *op, json_t **out)
{
	enum rc rc = json_pointer(w->doc, op->from, out);

	return rc == RC_ENOENT ? RC_EGAP : rc;
}

static enum rc op_move(struct work *w, const struct op *op)
{
	size_t len = strlen(op->from);
	json_t *v;
	enum rc rc = source(w, op, &v);

	if (rc != RC_OK || strcmp(op->from, op->path) == 0)
		return rc;
	if (strncmp(op->from, op->path, len) == 0 && op->path[len] == '/')
		return RC_EGAP;		/* into itself */
	json_incref(v);
	rc = drop(w, op->from);
	if (rc != RC_OK) {
		json_decref(v);
		return rc;
	}
	return put(w, op->path, v, true);
}

static enum rc op_copy(struct work *w, const struct op *op)
{
	json_t *v;
	enum rc rc = source(w, op, &v);

	/* before it is copied, for the copy may be what is too big */
	if (rc == RC_OK)
		rc = admit(w, v, op->path);
	return rc == RC_OK ? put(w, op->path, json_deep_copy(v), true) : rc;
}

static enum rc op_test(struct work *w, const struct op *op)
{
	json_t *v;
	enum rc rc = json_pointer(w->doc, op->path, &v);

	if (rc != RC_OK)
		return rc == RC_ENOENT ? RC_EGAP : rc;
	return same(op->value, v) ? RC_OK : RC_EGAP;
}

static const struct kind {
	const char *name;
	bool wants_value, wants_from;
	enum rc (*run)(struct work *w, const struct op *op);
} kinds[] = {
	{ "add", true, false, op_add },
	{ "remove", false, false, op_remove },
	{ "replace", true, false, op_replace },
	{ "move", false, true, op_move },
	{ "copy", false, true, op_copy },
	{ "test", true, false, op_test },
};

static const struct kind *kind_find(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

static enum rc read_pointer(const json_t *obj, const char *at,
                            const char *name, const char **out, struct diag *d)
{
	enum rc rc = json_text(obj, at, name, JSON_SMALL_MAX, out, d);

	if (rc != RC_OK)
		return rc;
	if (!pointer_ok(*out))
		return json_refuse(d, RC_ESYNTAX, at, name,
		                   "is no JSON pointer (RFC 6901 s3)");
	return RC_OK;
}

static enum rc read_op(const json_t *obj, const char *at, struct op *op,
                       const struct kind **kind, struct diag *d)
{
	enum rc rc = json_text(obj, at, "op", JSON_SMALL_MAX, &op->name, d);

	if (rc != RC_OK)
		return rc;
	*kind = kind_find(op->name);
	if (!*kind)
		return json_refuse(d, RC_ESYNTAX, at, "op",
		                   "\"%.20s\" is no operation (RFC 6902 s4)",
		                   op->name);
	rc = read_pointer(obj, at, "path", &op->path, d);
	if (rc == RC_OK && (*kind)->wants_from)
		rc = read_pointer(obj, at, "from", &op->from, d);
	if (rc != RC_OK || !(*kind)->wants_value)
		return rc;
	op->value = json_object_get(obj, "value");
	if (!op->value)
		return json_refuse(d, RC_ESYNTAX, at, "value", "is missing");
	return RC_OK;
}

static enum rc run_op(struct work *w, const json_t *obj, size_t number,
                      struct diag *d)
{
	const struct kind *kind = NULL;
	struct op op = { 0 };
	struct buf at = BUF_INIT(32);
	enum rc rc;

	buf_printf(&at, "/%zu", number);
	rc = read_op(obj, buf_str(&at), &op, &kind, d);
	if (rc == RC_ENOENT)
		rc = RC_ESYNTAX;	/* a member is missing: not a patch */
	if (rc != RC_OK)
		goto out;
	rc = kind->run(w, &op);
	if (rc != RC_OK)
		json_refuse(d, rc, buf_str(&at), NULL,
		            "operation %zu, %s %.80s: %s", number, op.name,
		            op.path, rc == RC_EGAP ? "does not fit"
		                                   : rc_text(rc));
out:
	buf_free(&at);
	return rc;
}

enum rc json_patch(const json_t *target, const json_t *ops, json_t **out,
                   struct diag *d)
{
	struct work w = { NULL, JSONPATCH_WORK_MAX };
	enum rc rc = RC_OK;

	if (!json_is_array(ops))
		return diag_set(d, RC_ESYNTAX,
		                "a JSON Patch is an array (RFC 6902 s3)");
	if (json_array_size(ops) > JSONPATCH_OPS_MAX)
		return diag_set(d, RC_ELIMIT, "%zu operations, %u are allowed",
		                json_array_size(ops), JSONPATCH_OPS_MAX);
	if (too_deep(target) || too_deep(ops))
		return diag_set(d, RC_ELIMIT, "deeper than %d levels",
		                JSON_DEPTH_MAX);
	w.doc = json_deep_copy(target);
	if (!w.doc)
		return RC_ENOMEM;
	for (size_t i = 0; i < json_array_size(ops) && rc == RC_OK; i++)
		rc = run_op(&w, json_array_get(ops, i), i, d);
	if (rc != RC_OK) {
		json_decref(w.doc);
		return rc;
	}
	*out = w.doc;
	return RC_OK;
}
