/* conf.h - one table of settings over libconfig.
 *
 * A setting is one row: group, name, type, default, range, reload class, help.
 * Reader, checker, the effective configuration, the sample file and the manual
 * are made from the rows. A configuration is read once and then never changes:
 * any thread may ask it. A reload reads a new one beside it. Rows and types are
 * in conf_row.h, addresses to listen on in conf_text.h.
 *
 * Names in accessors are "group.name", "name" in the outermost group. Rows
 * whose group is (below) a LIST describe the elements of it; they are asked
 * with conf_list_*(conf, "maps", i, "id") or, in a group of the element,
 * conf_list_*(conf, "upstream", i, "tls.ca"). A LIST inside a LIST is not
 * supported. A name that is in no row is a mistake of the program: abort().
 */
#ifndef ALTOCAST_SYS_CONF_H
#define ALTOCAST_SYS_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/rc.h"
#include "common/sys/conf_row.h"
#include "common/sys/conf_text.h"

struct conf;

/* Reads path. errors gets one line per error, every error of meaning in one
 * run ("file:line: key: what is wrong, what would be right") but only the
 * first of syntax. RC_ERULE or RC_ESYNTAX: errors were found, *out untouched.
 * Others (no file, no memory) write a line too. The caller owns *out; the
 * table must outlive it. */
MUST_CHECK enum rc conf_load(const struct conf_table *t, const char *path,
			     struct conf **out, struct buf *errors);
/* The same file as it is now, by the same table. */
MUST_CHECK enum rc conf_again(const struct conf *c, struct conf **out,
			      struct buf *errors);
/* Reads path to judge it alone. `more` looks closer at what was read, and may add
 * to errors; it is called as the table's check is: also when values were wrong,
 * not when there is nothing to look at. RC_OK: errors has no line. */
MUST_CHECK enum rc conf_check(const struct conf_table *t, const char *path,
			      void (*more)(const struct conf *c, void *arg),
			      void *arg, struct buf *errors);
void conf_free(struct conf *c);			/* NULL is fine */

/* One more error, "file:line: name: ..." where name is a setting; the line of
 * its group when it is not set. i is the element of a list, -1 outside one:
 * conf_blame(c, errors, "maps", 2, "id", "..."); list is "" outside. */
void conf_blame(const struct conf *c, struct buf *errors, const char *list,
		long i, const char *name, const char *fmt, ...)
	PRINTF_LIKE(6, 7);

/* STRING, PATH (joined with the file's directory), LISTEN, URI: NULL when it
 * has neither value nor default. Lent, valid as long as c. */
const char *conf_get_str(const struct conf *c, const char *name);
bool conf_get_bool(const struct conf *c, const char *name);

/* INT, SIZE (bytes), SECONDS; 0 when neither value nor default. */
int64_t conf_get_int(const struct conf *c, const char *name);

/* STRINGS, PATHS, URIS. */
size_t conf_get_count(const struct conf *c, const char *name);
const char *conf_get_nth(const struct conf *c, const char *name, size_t k);

/* RC_ENOENT: not set. */
MUST_CHECK enum rc conf_get_listen(const struct conf *c, const char *name,
				   struct conf_listen *out);

/* A file that the program only reads and that lies below the directory: the one of
 * the settings, or the value of a PATH that is not CONF_WRITTEN. NULL: none does.
 * Lent, valid as long as c. */
const char *conf_below(const struct conf *c, const char *dir);

/* Lists of groups. */
size_t conf_list_count(const struct conf *c, const char *list);
bool conf_list_is_set(const struct conf *c, const char *list, size_t i,
		      const char *name);
const char *conf_list_str(const struct conf *c, const char *list, size_t i,
			  const char *name);
bool conf_list_bool(const struct conf *c, const char *list, size_t i,
		    const char *name);
int64_t conf_list_int(const struct conf *c, const char *list, size_t i,
		      const char *name);
size_t conf_list_strings(const struct conf *c, const char *list, size_t i,
			 const char *name);
const char *conf_list_nth(const struct conf *c, const char *list, size_t i,
			  const char *name, size_t k);

/* The effective configuration: every setting with its help, defaults marked,
 * in the syntax that conf_load() reads (paths absolute or as joined). */
void conf_show(const struct conf *c, struct buf *dst);

/* A file to start from: each setting with its help, defaults as comments. What is
 * required holds CONF_FILL_IN, which is refused as a value: reading it says what
 * has to be filled in. */
void conf_sample(const struct conf_table *t, struct buf *dst);

/* The SETTINGS section of a manual page (man(7) macros). */
void conf_manual(const struct conf_table *t, struct buf *dst);

/* Names of the settings whose values differ, one a line: those that take
 * effect at once, and those that need a restart. A list counts as one name.
 * Both must come from the same table. */
void conf_diff(const struct conf *from, const struct conf *to,
	       struct buf *live, struct buf *restart);

#endif
