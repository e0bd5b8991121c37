#include "common/sys/conf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/sys/conf_read.h"
#include "common/sys/conf_value.h"
#include "common/sys/file.h"

#define FILE_MAX	((size_t)1 << 20)

static enum rc read_file(struct conf *c, struct buf *text, struct buf *errors)
{
	struct diag d = { .line = 0 };
	enum rc rc = file_read(c->path, FILE_MAX, text, &d);

	if (rc == RC_OK && strlen(buf_str(text)) != text->len)
		rc = diag_set(&d, RC_ESYNTAX, "holds a NUL byte");
	if (rc != RC_OK) {
		if (!d.file[0])
			snprintf(d.file, sizeof(d.file), "%s", c->path);
		diag_print(&d, errors);
		buf_putc(errors, '\n');
	}
	return rc;
}

/* *out is there also when values were wrong: RC_ERULE. */
static enum rc load(const struct conf_table *t, const char *path,
		    struct conf **out, struct buf *errors)
{
	struct buf text = BUF_INIT(FILE_MAX);
	struct conf *c = calloc(1, sizeof(*c));
	enum rc rc = RC_ENOMEM;

	if (!c)
		goto out;
	c->table = t;
	c->path = strdup(path);
	c->vals = calloc(t->n ? t->n : 1, sizeof(*c->vals));
	if (!c->path || !c->vals || file_path_dir(path, &c->dir) != RC_OK)
		goto out;
	rc = read_file(c, &text, errors);
	if (rc == RC_OK)
		rc = conf_read(c, buf_str(&text), errors);
	if (rc != RC_OK && !c->whole)
		goto out;
	*out = c;
	c = NULL;
out:
	if (rc == RC_ENOMEM)
		buf_printf(errors, "%s: %s\n", path, rc_text(rc));
	buf_free(&text);
	conf_free(c);
	return rc;
}

enum rc conf_load(const struct conf_table *t, const char *path,
		  struct conf **out, struct buf *errors)
{
	struct conf *c = NULL;
	enum rc rc = load(t, path, &c, errors);

	if (rc == RC_OK)
		*out = c;
	else
		conf_free(c);
	return rc;
}

enum rc conf_check(const struct conf_table *t, const char *path,
		   void (*more)(const struct conf *c, void *arg), void *arg,
		   struct buf *errors)
{
	size_t before = errors->len;
	struct conf *c = NULL;
	enum rc rc = load(t, path, &c, errors);

	if (c)
		more(c, arg);
	if (rc == RC_OK && (errors->len != before || errors->rc != RC_OK))
		rc = RC_ERULE;
	conf_free(c);
	return rc;
}

enum rc conf_again(const struct conf *c, struct conf **out,
		   struct buf *errors)
{
	return conf_load(c->table, c->path, out, errors);
}

void conf_free(struct conf *c)
{
	if (!c)
		return;
	conf_values_free(c->table, c->vals);
	free(c->path);
	free(c->dir);
	free(c);
}

/* --- questions ----------------------------------------------------------- */

static size_t row_of(const struct conf *c, const char *list, const char *name)
{
	char want[CONF_NAME_MAX], have[CONF_NAME_MAX];

	conf_row_name(list, name, want, sizeof(want));
	for (size_t i = 0; i < c->table->n; i++) {
		conf_row_name(c->table->keys[i].group, c->table->keys[i].name,
			      have, sizeof(have));
		if (strcmp(want, have) == 0)
			return i;
	}
	fprintf(stderr, "conf: %s is in no row\n", want);
	abort();
}

static const struct conf_value *plain(const struct conf *c, const char *name)
{
	return &c->vals[row_of(c, "", name)];
}

static const struct conf_value *elem(const struct conf *c, const char *list,
				     size_t i, const char *name)
{
	const struct conf_value *l = plain(c, list);

	assert(i < l->n && l->elems);
	return &l->elems[i][row_of(c, list, name)];
}

static const char *nth(const struct conf_value *v, size_t k)
{
	return v->items && k < v->n ? v->items[k] : NULL;
}

void conf_blame(const struct conf *c, struct buf *errors, const char *list,
		long i, const char *name, const char *fmt, ...)
{
	const struct conf_value *v = i < 0 ? plain(c, name) :
				elem(c, list, (size_t)i, name);
	char shown[CONF_NAME_MAX] = "";
	va_list ap;

	if (i >= 0)
		snprintf(shown, sizeof(shown), "%s[%ld]", list, i);
	va_start(ap, fmt);
	conf_value_blame(c, errors, v->line, shown, name, fmt, ap);
	va_end(ap);
}

const char *conf_get_str(const struct conf *c, const char *name)
{
	return plain(c, name)->text;
}

bool conf_get_bool(const struct conf *c, const char *name)
{
	return plain(c, name)->num != 0;
}

int64_t conf_get_int(const struct conf *c, const char *name)
{
	return plain(c, name)->num;
}

size_t conf_get_count(const struct conf *c, const char *name)
{
	return plain(c, name)->n;
}

const char *conf_get_nth(const struct conf *c, const char *name, size_t k)
{
	return nth(plain(c, name), k);
}

enum rc conf_get_listen(const struct conf *c, const char *name,
			struct conf_listen *out)
{
	const char *text = conf_get_str(c, name);

	return text ? conf_listen_parse(text, out) : RC_ENOENT;
}

size_t conf_list_count(const struct conf *c, const char *list)
{
	return plain(c, list)->n;
}

bool conf_list_is_set(const struct conf *c, const char *list, size_t i,
		      const char *name)
{
	return elem(c, list, i, name)->set;
}

const char *conf_list_str(const struct conf *c, const char *list, size_t i,
			  const char *name)
{
	return elem(c, list, i, name)->text;
}

bool conf_list_bool(const struct conf *c, const char *list, size_t i,
		    const char *name)
{
	return elem(c, list, i, name)->num != 0;
}

int64_t conf_list_int(const struct conf *c, const char *list, size_t i,
		      const char *name)
{
	return elem(c, list, i, name)->num;
}

size_t conf_list_strings(const struct conf *c, const char *list, size_t i,
			 const char *name)
{
	return elem(c, list, i, name)->n;
}

const char *conf_list_nth(const struct conf *c, const char *list, size_t i,
			  const char *name, size_t k)
{
	return nth(elem(c, list, i, name), k);
}

/* --- files and directories ----------------------------------------------- */

static bool is_below(const char *real_dir, const char *path)
{
	size_t len = strlen(real_dir);
	char *real = path ? realpath(path, NULL) : NULL;
	bool below = real && strncmp(real, real_dir, len) == 0 &&
		     (real[len] == '/' || len == 1);

	free(real);
	return below;
}

static const char *value_below(const struct conf_table *t, size_t row,
			       const struct conf_value *v, const char *dir)
{
	const char *found = NULL;

	if (t->keys[row].type == CONF_PATH && is_below(dir, v->text))
		return v->text;
	for (size_t k = 0; !found && v->items && k < v->n; k++)
		if (t->keys[row].type == CONF_PATHS &&
		    is_below(dir, v->items[k]))
			found = v->items[k];
	for (size_t k = 0; !found && v->elems && k < v->n; k++)
		for (size_t i = 0; !found && i < t->n; i++)
			found = value_below(t, i, &v->elems[k][i], dir);
	return found;
}

const char *conf_below(const struct conf *c, const char *dir)
{
	char *real = realpath(dir, NULL);
	const char *found = NULL;

	if (real && is_below(real, c->path))
		found = c->path;
	for (size_t i = 0; real && !found && i < c->table->n; i++)
		if (!(c->table->keys[i].flags & CONF_WRITTEN))
			found = value_below(c->table, i, &c->vals[i], real);
	free(real);
	return found;
}

/* --- differences --------------------------------------------------------- */

static bool same_vals(const struct conf_table *t, const struct conf_value *a,
		      const struct conf_value *b);

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_value(const struct conf_table *t, const struct conf_value *a,
		       const struct conf_value *b)
{
	if (a->num != b->num || a->n != b->n || !same_text(a->text, b->text))
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (a->items && !same_text(a->items[i], b->items[i]))
			return false;
		if (a->elems && !same_vals(t, a->elems[i], b->elems[i]))
			return false;
	}
	return true;
}

static bool same_vals(const struct conf_table *t, const struct conf_value *a,
		      const struct conf_value *b)
{
	for (size_t i = 0; i < t->n; i++)
		if (!same_value(t, &a[i], &b[i]))
			return false;
	return true;
}

void conf_diff(const struct conf *from, const struct conf *to,
	       struct buf *live, struct buf *restart)
{
	const struct conf_table *t = from->table;
	char name[CONF_NAME_MAX];

	for (size_t i = 0; i < t->n; i++) {
		if (same_value(t, &from->vals[i], &to->vals[i]))
			continue;
		conf_row_name(t->keys[i].group, t->keys[i].name, name,
			      sizeof(name));
		buf_printf(t->keys[i].flags & CONF_LIVE ? live : restart,
			   "%s\n", name);
	}
}
