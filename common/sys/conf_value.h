/* conf_value.h - what a configuration holds; private to conf*.c.
 *
 * One value a row, in the order of the table, and for each element of a list
 * again one a row (those outside the list stay empty). The configuration owns
 * it all.
 */
#ifndef ALTOCAST_SYS_CONF_VALUE_H
#define ALTOCAST_SYS_CONF_VALUE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/sys/conf_row.h"

struct conf_value {
	char *text;		/* STRING, PATH, LISTEN, URI */
	int64_t num;		/* BOOL, INT, SIZE, SECONDS */
	char **items;		/* STRINGS, PATHS, URIS */
	struct conf_value **elems; /* LIST: each a value for every row */
	size_t n;		/* of items or elems */
	size_t line;		/* of the setting, else of its group */
	bool seen;		/* the file says something, good or bad */
	bool set;		/* by the file, and good */
};

struct conf {
	const struct conf_table *table;
	char *path;
	char *dir;
	struct conf_value *vals;	/* in the order of the table */
	size_t wrapped[32];	/* lines with numbers libconfig misreads */
	size_t n_wrapped;
	bool whole;		/* all was read, and has its defaults */
};

/* Frees the items; the value then holds none. */
void conf_value_clear(struct conf_value *v);

/* Frees t->n values and the array; NULL is fine. */
void conf_values_free(const struct conf_table *t, struct conf_value *vals);

/* A line of errors: "file:line: shown.name: text". Line 0 and empty names are
 * left out. */
void conf_value_blame(const struct conf *c, struct buf *errors, size_t line,
		      const char *shown, const char *name, const char *fmt,
		      va_list ap) __attribute__((format(printf, 6, 0)));

#endif
