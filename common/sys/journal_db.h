/* journal_db.h - the statements of the journal; private to journal*.c.
 *
 * Everything that talks to SQLite goes through here, so that the rules for
 * errors and transactions are kept in one place. Names begin with jdb_. A
 * statement is taken with jdb_get(), bound, run or stepped, and given back with
 * jdb_done(); one that could not be compiled is NULL, which the binders and
 * jdb_done() take, so only the step has to ask. Writer thread only.
 */
#ifndef ALTOCAST_SYS_JOURNAL_DB_H
#define ALTOCAST_SYS_JOURNAL_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/diag.h"
#include "common/base/rc.h"

#define NEAR_ALL	((uint64_t)INT64_MAX)	/* what SQLite can count */

/* One entry a statement: they are compiled once and used again. */
#define STATEMENTS(X) \
	X(BEGIN, "BEGIN IMMEDIATE") \
	X(COMMIT, "COMMIT") \
	X(ROLLBACK, "ROLLBACK") \
	X(SAVE, "SAVEPOINT one") \
	X(RELEASE, "RELEASE one") \
	X(BACK, "ROLLBACK TO one") \
	X(META_SET, "INSERT INTO meta (key, value) VALUES (?1, ?2) " \
		"ON CONFLICT (key) DO UPDATE SET value = excluded.value") \
	X(META_GET, "SELECT value FROM meta WHERE key = ?1") \
	X(META_DEL, "DELETE FROM meta WHERE key = ?1") \
	X(BASE_SET, "INSERT INTO base " \
		"(id, type, leaf, serial, size, generation) " \
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6) " \
		"ON CONFLICT (id) DO UPDATE SET type = excluded.type, " \
		"leaf = excluded.leaf, serial = excluded.serial, " \
		"size = excluded.size, generation = excluded.generation") \
	X(BASE_GET, "SELECT size, generation FROM base WHERE id = ?1") \
	X(BASE_MOVE, "UPDATE base SET serial = ?2 WHERE id = ?1") \
	X(BASE_DEL, "DELETE FROM base WHERE id = ?1") \
	X(BASE_ALL, "SELECT id, type, leaf, serial, size FROM base " \
		"ORDER BY id") \
	X(CHUNK_NEW, "SELECT 1 + coalesce(max(generation), 0) FROM chunk " \
		"WHERE id = ?1") \
	X(CHUNK_ADD, "INSERT INTO chunk (id, generation, n, bytes) " \
		"VALUES (?1, ?2, ?3, ?4)") \
	X(CHUNK_GET, "SELECT bytes FROM chunk " \
		"WHERE id = ?1 AND generation = ?2 ORDER BY n") \
	X(CHUNK_DEL, "DELETE FROM chunk WHERE id = ?1 AND generation <> ?2") \
	X(UPDATE_ADD, "INSERT INTO update_log (serial, upto, bytes) " \
		"VALUES (?1, ?2, ?3)") \
	X(UPDATE_ALL, "SELECT serial, bytes FROM update_log " \
		"WHERE serial >= ?1 ORDER BY serial") \
	X(UPDATE_FIRST, "SELECT serial, upto, length(bytes) FROM update_log " \
		"ORDER BY serial LIMIT 1") \
	X(UPDATE_LAST, "SELECT serial, upto FROM update_log " \
		"ORDER BY serial DESC LIMIT 1") \
	X(UPDATE_DEL, "DELETE FROM update_log WHERE serial = ?1") \
	X(UPDATE_CLEAR, "DELETE FROM update_log") \
	X(HEAD_GET, "SELECT serial FROM head") \
	X(HEAD_SET, "UPDATE head SET serial = ?1")

enum jdb_stmt {
#define X(name, sql) S_##name,
	STATEMENTS(X)
#undef X
	N_STMTS
};

struct journal {
	sqlite3 *db;
	char *path;
	int lock_fd;
	uint64_t head;
	uint64_t head_before;	/* of the transaction: what rollback restores */
	bool in_tx;		/* between begin and its end */
	bool lost;		/* it cannot be committed any more */
	sqlite3_stmt *stmts[N_STMTS];
};

/* Fills d with the journal's path and the text; returns rc. */
enum rc jdb_fail(const struct journal *j, struct diag *d, enum rc rc,
		 const char *text);

/* What SQLite says about its last failure. Inside a transaction it is the end
 * of it: SQLite may or may not have rolled back, so nobody builds on it. */
enum rc jdb_fail_sql(struct journal *j, struct diag *d, const char *what);

/* The statement, compiled at its first use and ready to bind, or NULL. */
sqlite3_stmt *jdb_get(struct journal *j, enum jdb_stmt which);
void jdb_done(sqlite3_stmt *s);

/* False: not bound. What is bound is borrowed until jdb_done(). */
bool jdb_bind(sqlite3_stmt *s, int at, const char *text);
bool jdb_bind_num(sqlite3_stmt *s, int at, uint64_t n);
bool jdb_bind_blob(sqlite3_stmt *s, int at, const void *data, size_t len);

/* Runs a statement that gives no row, and gives it back; ok: everything before
 * went well. */
MUST_CHECK enum rc jdb_run(struct journal *j, sqlite3_stmt *s, bool ok,
			   const char *what, struct diag *d);
MUST_CHECK enum rc jdb_run_plain(struct journal *j, enum jdb_stmt which,
				 const char *what, struct diag *d);

/* For the way back, where a failure changes nothing any more. */
void jdb_run_quiet(struct journal *j, enum jdb_stmt which);

/* Columns of the row a statement stands on; the text is lent until the next
 * step. */
uint64_t jdb_num(sqlite3_stmt *s, int col);
const char *jdb_text(sqlite3_stmt *s, int col);

/* Appends a blob to dst. RC_ELIMIT: dst full. */
MUST_CHECK enum rc jdb_add(struct journal *j, sqlite3_stmt *s, int col,
			   struct buf *dst, struct diag *d);

/* One number out of a statement; RC_ENOENT when it gives no row. */
MUST_CHECK enum rc jdb_one_number(struct journal *j, enum jdb_stmt which,
				  uint64_t *out, struct diag *d);

/* RC_EIO: the transaction is lost; only a rollback helps. */
MUST_CHECK enum rc jdb_check_tx(const struct journal *j, struct diag *d);

/* What several statements do together: all of them or none, inside a
 * transaction and outside. The end takes the result so far and returns the
 * final one. */
MUST_CHECK enum rc jdb_unit_begin(struct journal *j, struct diag *d);
MUST_CHECK enum rc jdb_unit_end(struct journal *j, enum rc rc, struct diag *d);

#endif
