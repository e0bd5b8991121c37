#include "common/sys/conf_row.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool conf_type_many(enum conf_type t)
{
	return t == CONF_STRINGS || t == CONF_PATHS || t == CONF_URIS;
}

bool conf_type_number(enum conf_type t)
{
	return t == CONF_INT || t == CONF_SIZE || t == CONF_SECONDS;
}

enum conf_type conf_type_item(enum conf_type t)
{
	switch (t) {
	case CONF_STRINGS:
		return CONF_STRING;
	case CONF_PATHS:
		return CONF_PATH;
	case CONF_URIS:
		return CONF_URI;
	default:
		return t;
	}
}

void conf_row_name(const char *group, const char *name, char *dst,
		   size_t size)
{
	int n = snprintf(dst, size, "%s%s%s", group, *group ? "." : "", name);

	/* Names of tables and of the program only, never of a file. */
	if (n < 0 || (size_t)n >= size)
		abort();
}

bool conf_row_under(const char *path, const char *top)
{
	size_t n = strlen(top);

	return n == 0 || (strncmp(path, top, n) == 0 &&
			  (path[n] == '\0' || path[n] == '.'));
}

const struct conf_key *conf_row_list(const struct conf_table *t,
				     const struct conf_key *key)
{
	char name[CONF_NAME_MAX];

	for (size_t i = 0; i < t->n; i++) {
		if (t->keys[i].type != CONF_LIST)
			continue;
		conf_row_name(t->keys[i].group, t->keys[i].name, name,
			      sizeof(name));
		if (*key->group && conf_row_under(key->group, name))
			return &t->keys[i];
	}
	return NULL;
}

const struct conf_key *conf_row_find(const struct conf_table *t,
				     const char *group, const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->keys[i].group, group) == 0 &&
		    strcmp(t->keys[i].name, name) == 0)
			return &t->keys[i];
	return NULL;
}

bool conf_row_is_group(const struct conf_table *t, const char *path)
{
	for (size_t i = 0; i < t->n; i++)
		if (conf_row_under(t->keys[i].group, path))
			return true;
	return false;
}

bool conf_row_child(const struct conf_table *t, size_t i,
		    const char *group, char *dst, size_t size)
{
	const char *path = t->keys[i].group;
	size_t n = strlen(group);

	if (!conf_row_under(path, group) || path[n] == '\0')
		return false;
	path += n ? n + 1 : 0;
	snprintf(dst, size, "%.*s", (int)strcspn(path, "."), path);
	return true;
}

static size_t min3(size_t a, size_t b, size_t c)
{
	return a < b ? (a < c ? a : c) : (b < c ? b : c);
}

/* Edit distance of two names; long ones are not near anything. */
static size_t distance(const char *a, const char *b)
{
	size_t row[64], la = strlen(a), lb = strlen(b);

	if (la >= 64 || lb >= 64)
		return SIZE_MAX;
	for (size_t k = 0; k <= lb; k++)
		row[k] = k;
	for (size_t i = 1; i <= la; i++) {
		size_t diag = row[0];

		row[0] = i;
		for (size_t k = 1; k <= lb; k++) {
			size_t up = row[k];

			row[k] = min3(up + 1, row[k - 1] + 1,
				      diag + (a[i - 1] != b[k - 1]));
			diag = up;
		}
	}
	return row[lb];
}

/* Names that may stand in the group: those of rows, then those of groups. */
static const char *name_here(const struct conf_table *t, size_t i,
			     const char *group, char *dst, size_t size)
{
	if (strcmp(t->keys[i].group, group) == 0)
		return t->keys[i].name;
	return conf_row_child(t, i, group, dst, size) ? dst : NULL;
}

bool conf_row_nearest(const struct conf_table *t, const char *group,
		      const char *name, char *dst, size_t size)
{
	size_t best = strlen(name) / 3 + 2;	/* further off is no guess */
	char tmp[CONF_NAME_MAX];
	bool found = false;

	for (size_t i = 0; i < t->n; i++) {
		const char *s = name_here(t, i, group, tmp, sizeof(tmp));
		size_t far = s ? distance(s, name) : SIZE_MAX;

		if (far >= best || far >= strlen(name))
			continue;
		best = far;
		found = true;
		snprintf(dst, size, "%s", s);
	}
	return found;
}
