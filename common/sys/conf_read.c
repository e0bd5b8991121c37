#include "common/sys/conf_read.h"

#include <assert.h>
#include <inttypes.h>
#include <libconfig.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/sys/conf_scan.h"
#include "common/sys/conf_text.h"
#include "common/sys/conf_value.h"
#include "common/sys/file.h"

#define LIST_MAX	10000	/* elements, when the row says nothing */

/* Where the reader stands: `group` as in the table, `shown` as people know it
 * ("maps[1]"). */
struct place {
	struct conf *c;
	struct buf *errors;
	struct conf_value *vals;
	char group[CONF_NAME_MAX];
	char shown[CONF_NAME_MAX];
	bool *no_memory;
};

static void blame(const struct place *p, size_t line, const char *name,
		  const char *fmt, ...) PRINTF_LIKE(4, 5);

static void blame(const struct place *p, size_t line, const char *name,
		  const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	conf_value_blame(p->c, p->errors, line, p->shown, name, fmt, ap);
	va_end(ap);
}

static void blame_unknown(const struct place *p, size_t line, const char *name)
{
	const struct conf_table *t = p->c->table;
	char near[CONF_NAME_MAX];

	if (conf_row_nearest(t, p->group, name, near, sizeof(near))) {
		blame(p, line, name, "unknown setting; the nearest known is "
		      "\"%s\"", near);
		return;
	}
	for (size_t i = 0; i < t->n; i++) {
		if (strcmp(t->keys[i].name, name) != 0)
			continue;
		blame(p, line, name, "unknown setting here; there is "
		      "\"%s%s%s\"", t->keys[i].group,
		      *t->keys[i].group ? "." : "", name);
		return;
	}
	blame(p, line, name, "unknown setting");
}

static bool in_range(const struct conf_key *key, int64_t n)
{
	return (key->min == 0 && key->max == 0) ||
	       (n >= key->min && n <= key->max);
}

static void blame_range(const struct place *p, const struct conf_key *key,
			size_t line, int64_t n, const char *unit)
{
	if (key->max == INT64_MAX)
		blame(p, line, key->name, "%" PRId64 "%s is too little; at "
		      "least %" PRId64, n, unit, key->min);
	else
		blame(p, line, key->name, "%" PRId64 "%s is out of range; "
		      "%" PRId64 " to %" PRId64, n, unit, key->min, key->max);
}

/* The text as it is kept: a path joined with the directory of the file. */
static char *keep_text(const struct place *p, enum conf_type type,
		       const char *text)
{
	char *s = NULL;

	if (type == CONF_PATH) {
		if (file_path_join(strcmp(p->c->dir, ".") == 0 ? "" :
				   p->c->dir, text, &s) != RC_OK)
			s = NULL;
	} else {
		s = strdup(text);
	}
	if (!s)
		*p->no_memory = true;
	return s;
}

/* One text by the rule of its type; NULL: blamed, or no memory. */
static char *read_text(const struct place *p, const struct conf_key *key,
		       const char *text, size_t line)
{
	enum conf_type type = conf_type_item(key->type);
	int64_t len = (int64_t)strlen(text);
	struct conf_listen l;

	if (len == 0 && !(key->type == CONF_STRING && key->max > 0 &&
			  key->min == 0)) {
		blame(p, line, key->name, "must not be empty; %s",
		      conf_text_wants(type));
		return NULL;
	}
	if (strcmp(text, CONF_FILL_IN) == 0) {
		blame(p, line, key->name, "still to be filled in; %s",
		      conf_text_wants(type));
		return NULL;
	}
	if (conf_text_has_control(text)) {
		blame(p, line, key->name, "must not hold control characters");
		return NULL;
	}
	if (key->type == CONF_STRING && !in_range(key, len)) {
		blame_range(p, key, line, len, " bytes");
		return NULL;
	}
	if ((type == CONF_URI && !conf_text_is_uri(text)) ||
	    (type == CONF_LISTEN && conf_listen_parse(text, &l) != RC_OK)) {
		blame(p, line, key->name, "\"%.100s\" is not %s", text,
		      conf_text_wants(type));
		return NULL;
	}
	return keep_text(p, type, text);
}

static void read_number(const struct place *p, const struct conf_key *key,
			const config_setting_t *s, struct conf_value *v)
{
	size_t line = v->line;
	int type = config_setting_type(s);
	int64_t n = 0;

	if (conf_scan_wrapped(p->c, line))
		return;			/* said already, with the true number */
	if (type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64) {
		n = config_setting_get_int64(s);
	} else if (type != CONFIG_TYPE_STRING || key->type == CONF_INT ||
		   !conf_text_number(key->type, config_setting_get_string(s),
				     &n)) {
		blame(p, line, key->name, "must be %s",
		      conf_text_wants(key->type));
		return;
	}
	if (key->type != CONF_INT && n < 0)
		blame(p, line, key->name, "must not be negative");
	else if (!in_range(key, n))
		blame_range(p, key, line, n, "");
	else
		v->num = n, v->set = true;
}

static void read_item(const struct place *p, const struct conf_key *key,
		      const config_setting_t *s, struct conf_value *v)
{
	size_t line = config_setting_source_line(s);
	char *text;

	if (config_setting_type(s) != CONFIG_TYPE_STRING) {
		blame(p, line, key->name, "must be %s",
		      conf_text_wants(key->type));
		return;
	}
	text = read_text(p, key, config_setting_get_string(s), line);
	if (text)
		v->items[v->n++] = text;
}

static void read_many(const struct place *p, const struct conf_key *key,
		      const config_setting_t *s, struct conf_value *v)
{
	int n = config_setting_is_aggregate(s) ? config_setting_length(s) : 1;
	int type = config_setting_type(s);

	if (type == CONFIG_TYPE_GROUP) {
		blame(p, v->line, key->name, "must be %s",
		      conf_text_wants(key->type));
		return;
	}
	if (!in_range(key, n) || n > LIST_MAX) {
		blame_range(p, key, v->line, n, n == 1 ? " entry" : " entries");
		return;
	}
	v->items = calloc((size_t)n + 1, sizeof(*v->items));
	if (!v->items) {
		*p->no_memory = true;
		return;
	}
	if (!config_setting_is_aggregate(s))
		read_item(p, key, s, v);
	else
		for (int i = 0; i < n; i++)
			read_item(p, key, config_setting_get_elem(s,
				  (unsigned)i), v);
	v->set = true;		/* also in part: the check says what else is wrong */
}

static void read_group(const struct place *p, const config_setting_t *group);
static void fill_defaults(const struct place *p);

static void read_elem(const struct place *p, const struct conf_key *key,
		      const config_setting_t *s, size_t i, struct conf_value *v)
{
	struct place in = *p;

	conf_row_name(p->group, key->name, in.group, sizeof(in.group));
	snprintf(in.shown, sizeof(in.shown), "%.80s%s%.60s[%zu]", p->shown,
		 *p->shown ? "." : "", key->name, i);
	if (!config_setting_is_group(s)) {
		blame(&in, config_setting_source_line(s), "",
		      "must be a group: { ... }");
		return;
	}
	in.vals = calloc(p->c->table->n, sizeof(*in.vals));
	if (!in.vals) {
		*p->no_memory = true;
		return;
	}
	v->elems[v->n++] = in.vals;
	read_group(&in, s);
	fill_defaults(&in);
}

static void read_list(const struct place *p, const struct conf_key *key,
		      const config_setting_t *s, struct conf_value *v)
{
	int n = config_setting_is_list(s) ? config_setting_length(s) : 0;

	/* () and [] are both "none". */
	if (!config_setting_is_list(s) && !(config_setting_is_array(s) &&
					    config_setting_length(s) == 0)) {
		blame(p, v->line, key->name, "must be %s",
		      conf_text_wants(key->type));
		return;
	}
	v->set = true;
	if (!in_range(key, n) || n > LIST_MAX) {
		blame(p, v->line, key->name, "%d elements; %" PRId64
		      " to %" PRId64 " are allowed", n, key->min,
		      key->max && key->max < LIST_MAX ? key->max :
		      (int64_t)LIST_MAX);
		return;
	}
	v->elems = calloc((size_t)n + 1, sizeof(*v->elems));
	if (!v->elems) {
		*p->no_memory = true;
		return;
	}
	for (int i = 0; i < n; i++)
		read_elem(p, key, config_setting_get_elem(s, (unsigned)i),
			  (size_t)i, v);
}

static void read_value(const struct place *p, const struct conf_key *key,
		       const config_setting_t *s)
{
	struct conf_value *v = &p->vals[key - p->c->table->keys];

	v->line = config_setting_source_line(s);
	v->seen = true;
	if (key->type == CONF_LIST) {
		read_list(p, key, s, v);
	} else if (conf_type_many(key->type)) {
		read_many(p, key, s, v);
	} else if (conf_type_number(key->type)) {
		read_number(p, key, s, v);
	} else if (config_setting_type(s) !=
		   (key->type == CONF_BOOL ? CONFIG_TYPE_BOOL :
		    CONFIG_TYPE_STRING)) {
		blame(p, v->line, key->name, "must be %s",
		      conf_text_wants(key->type));
	} else if (key->type == CONF_BOOL) {
		v->num = config_setting_get_bool(s);
		v->set = true;
	} else {
		v->text = read_text(p, key, config_setting_get_string(s),
				    v->line);
		v->set = v->text != NULL;
	}
}

static void read_child(const struct place *p, const config_setting_t *s)
{
	const char *name = config_setting_name(s);
	const struct conf_key *key = conf_row_find(p->c->table, p->group, name);
	struct place in = *p;
	int n;

	if (key) {
		read_value(p, key, s);
		return;
	}
	n = snprintf(in.group, sizeof(in.group), "%s%s%s", p->group,
		     *p->group ? "." : "", name);
	if (n < 0 || (size_t)n >= sizeof(in.group) ||
	    !conf_row_is_group(p->c->table, in.group)) {
		blame_unknown(p, config_setting_source_line(s), name);
		return;
	}
	if (!config_setting_is_group(s)) {
		blame(p, config_setting_source_line(s), name,
		      "must be a group: { ... }");
		return;
	}
	snprintf(in.shown, sizeof(in.shown), "%.90s%s%.60s", p->shown,
		 *p->shown ? "." : "", name);
	read_group(&in, s);
}

static void read_group(const struct place *p, const config_setting_t *group)
{
	const struct conf_table *t = p->c->table;
	int n = config_setting_length(group);

	for (size_t i = 0; i < t->n; i++)
		if (*p->group && conf_row_under(t->keys[i].group, p->group))
			p->vals[i].line = config_setting_source_line(group);
	for (int i = 0; i < n; i++)
		read_child(p, config_setting_get_elem(group, (unsigned)i));
}

/* A default is a text of the table: one that does not fit is our mistake. */
static void fill_default(const struct place *p, const struct conf_key *key,
			 struct conf_value *v)
{
	bool ok = true;

	if (conf_type_number(key->type) || key->type == CONF_BOOL) {
		ok = conf_text_number(key->type, key->def, &v->num);
	} else if (conf_type_many(key->type)) {
		v->items = calloc(2, sizeof(*v->items));
		if (v->items)
			v->items[v->n] = keep_text(p, conf_type_item(key->type),
						   key->def);
		v->n = v->items && v->items[0];
	} else if (key->type != CONF_LIST) {
		v->text = keep_text(p, key->type, key->def);
	}
	assert(ok);
	(void)ok;
}

/* Name of a row as seen from the place: without the list's own name. */
static const char *relative(const struct place *p, const struct conf_key *key,
			    char *dst, size_t size)
{
	const char *group = key->group + strlen(p->group);

	conf_row_name(*group == '.' ? group + 1 : group, key->name, dst, size);
	return dst;
}

/* After everything of the file was read: what it did not say. */
static void fill_defaults(const struct place *p)
{
	const struct conf_table *t = p->c->table;
	char name[CONF_NAME_MAX];

	for (size_t i = 0; i < t->n; i++) {
		const struct conf_key *key = &t->keys[i];
		struct conf_value *v = &p->vals[i];

		if (*p->group ? !conf_row_under(key->group, p->group) :
		    conf_row_list(t, key) != NULL)
			continue;
		if (!v->seen && (key->flags & CONF_REQUIRED))
			blame(p, v->line, relative(p, key, name, sizeof(name)),
			      "is missing; it must be %s",
			      conf_text_wants(key->type));
		if (!v->set && key->def)
			fill_default(p, key, v);
	}
}

static enum rc parse(struct place *p, const char *text, config_t *lc)
{
	enum rc rc = conf_scan(p->c, text, p->errors);

	if (rc != RC_OK || config_read_string(lc, text) == CONFIG_TRUE)
		return rc;
	blame(p, (size_t)config_error_line(lc), "", "%s; a setting is  name = "
	      "value;  and a group  name: { ... };", config_error_text(lc));
	return RC_ESYNTAX;
}

enum rc conf_read(struct conf *c, const char *text, struct buf *errors)
{
	bool no_memory = false;
	struct place p = { .c = c, .errors = errors, .vals = c->vals,
			   .no_memory = &no_memory };
	size_t before = errors->len;
	config_t lc;
	enum rc rc;

	config_init(&lc);
	rc = parse(&p, text, &lc);
	if (rc == RC_OK) {
		read_group(&p, config_root_setting(&lc));
		fill_defaults(&p);
		c->whole = !no_memory;
		if (c->table->check && c->whole)
			c->table->check(c, errors);
	}
	config_destroy(&lc);
	if (no_memory)
		return RC_ENOMEM;
	if (rc == RC_OK && (errors->len != before || errors->rc != RC_OK))
		rc = RC_ERULE;
	return rc;
}
