/* conf.h - one table of settings over libconfig.
 *
 * A setting is one row: group, name, type, default, range, reload class, help.
 * Reader, checker, the effective configuration, the sample file and the manual
 * are made from the rows. A configuration is read once and then never changes:
 * any thread may ask it. A reload reads a new one beside it.
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
#include <sys/socket.h>

#include "common/base/buf.h"
#include "common/base/diag.h"
#include "common/base/rc.h"

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

struct conf_key {
	const char *group;	/* "", "http", "http.tls", "maps" */
	const char *name;
	enum conf_type type;
	const char *def;	/* as text ("64M", "true"); NULL: not set */
	int64_t min, max;	/* see types; 0, 0: any */
	unsigned flags;
	const char *help;	/* one line, with the unit */
};

struct conf;

struct conf_table {
	const char *title;	/* first line of samples: "alto-server.conf" */
	const struct conf_key *keys;
	size_t n;
	/* Rules between settings, or NULL. Runs in the same pass as the rest,
	 * also when values were wrong (those then hold their default), and
	 * says what it finds with conf_blame(). */
	void (*check)(const struct conf *c, struct buf *errors);
};

/* Reads path. errors gets one line per error, every error of meaning in one
 * run ("file:line: key: what is wrong, what would be right") but only the
 * first of syntax. RC_ERULE or RC_ESYNTAX: errors were found, *out untouched.
 * Others (no file, no memory) write a line too. The caller owns *out; the
 * table must outlive it. */
MUST_CHECK enum rc conf_load(const struct conf_table *t, const char *path,
			     struct conf **out, struct buf *errors);
void conf_free(struct conf *c);			/* NULL is fine */

/* One more error, "file:line: name: ..." where name is a setting; the line of
 * its group when it is not set. i is the element of a list, -1 outside one:
 * conf_blame(c, errors, "maps", 2, "id", "..."); list is "" outside. */
void conf_blame(const struct conf *c, struct buf *errors, const char *list,
		long i, const char *name, const char *fmt, ...)
	PRINTF_LIKE(6, 7);

const char *conf_path(const struct conf *c);	/* as given to conf_load() */

/* True when the file sets it; false for a default. */
bool conf_is_set(const struct conf *c, const char *name);

/* STRING, PATH (joined with the file's directory), LISTEN, URI: NULL when it
 * has neither value nor default. Lent, valid as long as c. */
const char *conf_get_str(const struct conf *c, const char *name);
bool conf_get_bool(const struct conf *c, const char *name);

/* INT, SIZE (bytes), SECONDS; 0 when neither value nor default. */
int64_t conf_get_int(const struct conf *c, const char *name);

/* STRINGS, PATHS, URIS. */
size_t conf_get_count(const struct conf *c, const char *name);
const char *conf_get_nth(const struct conf *c, const char *name, size_t k);

struct conf_listen {
	struct sockaddr_storage addr;
	socklen_t len;
	uint16_t port;		/* host order; 0: a free one */
	bool wildcard;		/* 0.0.0.0 or [::] */
	bool loopback;		/* 127.0.0.0/8 or [::1] */
};

/* RC_ENOENT: not set. */
MUST_CHECK enum rc conf_get_listen(const struct conf *c, const char *name,
				   struct conf_listen *out);
MUST_CHECK enum rc conf_listen_parse(const char *text, struct conf_listen *out);

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

/* A file to start from: each setting with its help, defaults as comments. */
void conf_sample(const struct conf_table *t, struct buf *dst);

/* The SETTINGS section of a manual page (man(7) macros). */
void conf_manual(const struct conf_table *t, struct buf *dst);

/* Names of the settings whose values differ, one a line: those that take
 * effect at once, and those that need a restart. A list counts as one name.
 * Both must come from the same table. */
void conf_diff(const struct conf *from, const struct conf *to,
	       struct buf *live, struct buf *restart);

#endif
