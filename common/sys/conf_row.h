/* conf_row.h - what a setting is: one row of a table.
 *
 * A program lists its settings once, as rows. What is made from them is in
 * conf.h; here is only what the rows themselves say. Names are those of the
 * program, so one that is too long is its mistake: abort().
 *
 * Types and what a file may say:
 *   STRING   text, min..max bytes (0, 0: any but empty)
 *   PATH     text; relative to the directory of the file
 *   BOOL     true, false
 *   INT      number
 *   SIZE     bytes: number, or text with a unit: "64K", "64M", "2G" (1024)
 *   SECONDS  number, or text with a unit: "90", "10s", "5m", "24h", "7d"
 *   LISTEN   "address:port", "[v6 address]:port"; no host names
 *   URI      http, https, ws or wss URI with a host
 *   STRINGS  one text or an array of texts, min..max of them
 *   PATHS, URIS: the same with the type's own rule
 *   LIST     list of groups ( { .. }, { .. } ), min..max of them
 *   A row whose group is (below) a LIST describes the elements of it.
 */
#ifndef ALTOCAST_SYS_CONF_ROW_H
#define ALTOCAST_SYS_CONF_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct conf;

#define CONF_FILL_IN	"..."	/* in a sample: no value yet */
#define CONF_NAME_MAX	160	/* bytes of "group.name", with the NUL */

enum conf_type {
	CONF_STRING, CONF_PATH, CONF_BOOL, CONF_INT, CONF_SIZE, CONF_SECONDS,
	CONF_LISTEN, CONF_URI, CONF_STRINGS, CONF_PATHS, CONF_URIS, CONF_LIST
};

/* Flags of a row. Without CONF_LIVE a change needs a restart. */
#define CONF_RESTART	0u
#define CONF_LIVE	1u
#define CONF_REQUIRED	2u	/* must be there, also when its group is not;
				 * in a list: in each element */
#define CONF_SECRET	4u	/* conf_show() keeps the value to itself */
#define CONF_WRITTEN	8u	/* PATH: the program's own, see conf_below() */

struct conf_key {
	const char *group;	/* "", "http", "http.tls", "maps" */
	const char *name;
	enum conf_type type;
	const char *def;	/* as text ("64M", "true"); NULL: not set */
	int64_t min, max;	/* see types; 0, 0: any */
	unsigned flags;
	const char *help;	/* one line, with the unit */
};

struct conf_table {
	const char *title;	/* first line of samples: "alto-server.conf" */
	const struct conf_key *keys;
	size_t n;
	/* Rules between settings, or NULL. Runs in the same pass as the rest,
	 * also when values were wrong (those then hold their default), and
	 * says what it finds with conf_blame(). */
	void (*check)(const struct conf *c, struct buf *errors);
};

bool conf_type_many(enum conf_type t);		/* STRINGS, PATHS, URIS */
bool conf_type_number(enum conf_type t);	/* INT, SIZE, SECONDS */

/* What each one of STRINGS, PATHS, URIS is; other types are themselves. */
enum conf_type conf_type_item(enum conf_type t);

/* "group.name", or "name" in the outermost group, into dst. */
void conf_row_name(const char *group, const char *name, char *dst,
		   size_t size);

/* path is top, or below it: "maps" and "maps.tls" are under "maps", and all is
 * under "". */
bool conf_row_under(const char *path, const char *top);

/* The list whose elements a row describes, or NULL. */
const struct conf_key *conf_row_list(const struct conf_table *t,
				     const struct conf_key *key);

/* The row, or NULL. */
const struct conf_key *conf_row_find(const struct conf_table *t,
				     const char *group, const char *name);

/* Some row lives in that group or below it. */
bool conf_row_is_group(const struct conf_table *t, const char *path);

/* The name of the group below `group` through which row i is reached; false
 * when the row is not below it. */
bool conf_row_child(const struct conf_table *t, size_t i, const char *group,
		    char *dst, size_t size);

/* The known name in that group that a misspelt one is nearest to; false when
 * none is near enough for a guess. */
bool conf_row_nearest(const struct conf_table *t, const char *group,
		      const char *name, char *dst, size_t size);

#endif
