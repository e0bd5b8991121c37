#include "common/sys/conf.h"

#include <inttypes.h>
#include <string.h>

#include "common/sys/conf_text.h"
#include "common/sys/conf_value.h"

struct out {
	const struct conf_table *table;
	const struct conf_value *vals;	/* NULL: a table, no configuration */
	struct buf *dst;
	const char *lead;		/* "# " where all is a comment */
	int depth;
};

static void indent(const struct out *o)
{
	buf_printf(o->dst, "%s%*s", o->lead, o->depth * 2, "");
}

static void put_text(struct buf *dst, const char *s)
{
	buf_putc(dst, '"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_putc(dst, '\\');
		buf_putc(dst, *s);
	}
	buf_putc(dst, '"');
}

static void put_number(struct buf *dst, int64_t n)
{
	buf_printf(dst, "%" PRId64 "%s", n,
		   n < INT32_MIN || n > INT32_MAX ? "L" : "");
}

static void put_value(struct buf *dst, const struct conf_key *key,
		      const struct conf_value *v)
{
	if (key->type == CONF_BOOL) {
		buf_puts(dst, v->num ? "true" : "false");
	} else if (conf_type_number(key->type)) {
		put_number(dst, v->num);
	} else if (conf_type_many(key->type)) {
		buf_putc(dst, '[');
		for (size_t i = 0; i < v->n; i++) {
			buf_puts(dst, i ? ", " : "");
			put_text(dst, v->items[i]);
		}
		buf_putc(dst, ']');
	} else {
		put_text(dst, v->text ? v->text : "");
	}
}

/* A default as the file would say it, or what kind of value belongs there. */
static void put_default(struct buf *dst, const struct conf_key *key)
{
	const char *s = key->def;
	bool bare = key->type == CONF_BOOL || key->type == CONF_INT ||
		    (conf_type_number(key->type) && s &&
		     s[strspn(s, "0123456789")] == '\0');

	if (!s && conf_type_number(key->type))
		buf_puts(dst, "0");
	else if (!s && key->type == CONF_BOOL)
		buf_puts(dst, "false");
	else if (bare)
		buf_puts(dst, s);
	else
		put_text(dst, s ? s : CONF_FILL_IN);
}

static bool has_value(const struct conf_key *key, const struct conf_value *v)
{
	return v->set || key->def;
}

static void put_row(const struct out *o, const struct conf_key *key,
		    const struct conf_value *v)
{
	const char *note = "";

	indent(o);
	buf_printf(o->dst, "# %s\n", key->help);
	indent(o);
	if (!v || !has_value(key, v) || (key->flags & CONF_SECRET)) {
		if (!*o->lead && (v || !(key->flags & CONF_REQUIRED)))
			buf_puts(o->dst, "# ");
		note = key->flags & CONF_REQUIRED ? "\t# required" :
		       !key->def ? "\t# not set" : "";
	}
	if (v && v->set && (key->flags & CONF_SECRET))
		note = "\t# set, not shown";
	else if (v && !v->set && key->def)
		note = "\t# default";
	buf_printf(o->dst, "%s = ", key->name);
	if (v && has_value(key, v) && !(key->flags & CONF_SECRET))
		put_value(o->dst, key, v);
	else
		put_default(o->dst, key);
	buf_printf(o->dst, ";%s\n", note);
}

static void put_group(const struct out *o, const char *group);

static void put_elems(const struct out *o, const struct conf_key *key,
		      const struct conf_value *v)
{
	char group[CONF_NAME_MAX];
	struct out in = *o;

	conf_row_name(key->group, key->name, group, sizeof(group));
	in.depth = o->depth + 2;
	for (size_t i = 0; i < (v ? v->n : 1); i++) {
		in.vals = v ? v->elems[i] : NULL;
		buf_printf(o->dst, "%s%s%*s{\n", i ? ",\n" : "", o->lead,
			   o->depth * 2 + 2, "");
		put_group(&in, group);
		buf_printf(o->dst, "%s%*s}", o->lead, o->depth * 2 + 2, "");
	}
	buf_puts(o->dst, v && !v->n ? "" : "\n");
}

static void put_list(const struct out *o, const struct conf_key *key,
		     const struct conf_value *v)
{
	struct out in = *o;

	indent(o);
	buf_printf(o->dst, "# %s\n", key->help);
	if (!v && !(key->flags & CONF_REQUIRED))
		in.lead = "# ";
	indent(&in);
	buf_printf(o->dst, "%s = (\n", key->name);
	put_elems(&in, key, v);
	indent(&in);
	buf_puts(o->dst, ");");
	buf_puts(o->dst, v && !v->set ? "\t# default\n" : "\n");
}

static void put_rows(const struct out *o, const char *group)
{
	for (size_t i = 0; i < o->table->n; i++) {
		const struct conf_key *key = &o->table->keys[i];
		const struct conf_value *v = o->vals ? &o->vals[i] : NULL;

		if (strcmp(key->group, group) != 0)
			continue;
		if (key->type == CONF_LIST)
			put_list(o, key, v);
		else
			put_row(o, key, v);
	}
}

/* A group is opened at its first row and takes all of its rows with it; lists
 * have printed theirs. */
static void put_groups(const struct out *o, const char *group)
{
	char name[CONF_NAME_MAX], path[CONF_NAME_MAX], seen[CONF_NAME_MAX];
	const struct conf_table *t = o->table;
	struct out in = *o;

	in.depth++;
	for (size_t i = 0; i < t->n; i++) {
		bool first = true;

		if (!conf_row_child(t, i, group, name, sizeof(name)) ||
		    conf_row_find(t, group, name))
			continue;
		for (size_t k = 0; k < i && first; k++)
			first = !conf_row_child(t, k, group, seen,
						sizeof(seen)) ||
				strcmp(seen, name) != 0;
		if (!first)
			continue;
		indent(o);
		buf_printf(o->dst, "%s: {\n", name);
		conf_row_name(group, name, path, sizeof(path));
		put_group(&in, path);
		indent(o);
		buf_puts(o->dst, "};\n");
	}
}

static void put_group(const struct out *o, const char *group)
{
	put_rows(o, group);
	put_groups(o, group);
}

void conf_show(const struct conf *c, struct buf *dst)
{
	struct out o = { c->table, c->vals, dst, "", 0 };

	buf_printf(dst, "# effective configuration of %s\n", c->path);
	put_group(&o, "");
}

void conf_sample(const struct conf_table *t, struct buf *dst)
{
	struct out o = { t, NULL, dst, "", 0 };

	buf_printf(dst, "# %s\n# Fill in each \"" CONF_FILL_IN "\" that has no "
		   "\"#\" in front: it is required. Take the \"#\" out\n"
		   "# where something else than the default is wanted.\n", t->title);
	put_group(&o, "");
}

static void put_roff(struct buf *dst, const char *s)
{
	if (*s == '.' || *s == '\'')
		buf_puts(dst, "\\&");
	for (; *s; s++) {
		if (*s == '\\')
			buf_puts(dst, "\\e");
		else if (*s == '-')
			buf_puts(dst, "\\-");
		else
			buf_putc(dst, *s);
	}
}

static void put_manual_range(struct buf *dst, const struct conf_key *key)
{
	const char *of = conf_type_number(key->type) ? "" :
			 key->type == CONF_STRING ? " bytes" : " entries";

	if (key->min == 0 && key->max == 0)
		return;
	if (key->max == INT64_MAX)
		buf_printf(dst, " At least %" PRId64 "%s.", key->min, of);
	else
		buf_printf(dst, " %" PRId64 " to %" PRId64 "%s.", key->min,
			   key->max, of);
}

static void put_manual_row(struct buf *dst, const struct conf_key *key)
{
	buf_puts(dst, ".TP\n.B ");
	put_roff(dst, key->group);
	buf_puts(dst, *key->group ? "." : "");
	put_roff(dst, key->name);
	buf_putc(dst, '\n');
	put_roff(dst, key->help);
	buf_puts(dst, ".\n");
	put_roff(dst, conf_text_wants(key->type));
	buf_putc(dst, '.');
	put_manual_range(dst, key);
	if (key->def) {
		buf_puts(dst, " Default: ");
		put_roff(dst, key->def);
		buf_putc(dst, '.');
	}
	buf_puts(dst, key->flags & CONF_REQUIRED ? " Required." : "");
	buf_puts(dst, key->flags & CONF_LIVE ? " Takes effect at a reload.\n" :
		 " A change needs a restart.\n");
}

void conf_manual(const struct conf_table *t, struct buf *dst)
{
	buf_puts(dst, ".SH SETTINGS\n");
	for (size_t i = 0; i < t->n; i++)
		put_manual_row(dst, &t->keys[i]);
}
