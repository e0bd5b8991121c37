/* Over 600 lines: one schema and one set of statements; the three parts (meta,
 * bases, updates) share the rules for transactions and errors. */
#include "common/sys/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/sys/file.h"

#define APPLICATION_ID	0x416c7443	/* "AltC" */
#define LOCK_FILE	"journal.lock"
#define CHUNK		((size_t)4 << 20)
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
	X(META_ALL, "SELECT key, value FROM meta " \
		"WHERE substr(key, 1, length(?1)) = ?1 ORDER BY key") \
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

enum stmt {
#define X(name, sql) S_##name,
	STATEMENTS(X)
#undef X
	N_STMTS
};

static const char *const stmt_sql[N_STMTS] = {
#define X(name, sql) [S_##name] = sql,
	STATEMENTS(X)
#undef X
};

/* upto: bytes of all updates since the log was cleared, this one included, so
 * that the bytes between two updates need no sum over the rows. */
static const char schema[] =
	"BEGIN IMMEDIATE;"
	"CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL)"
	" WITHOUT ROWID;"
	"CREATE TABLE base (id TEXT PRIMARY KEY, type TEXT NOT NULL,"
	" leaf TEXT NOT NULL, serial INTEGER NOT NULL, size INTEGER NOT NULL,"
	" generation INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE chunk (id TEXT NOT NULL, generation INTEGER NOT NULL,"
	" n INTEGER NOT NULL, bytes BLOB NOT NULL,"
	" UNIQUE (id, generation, n));"
	"CREATE TABLE update_log (serial INTEGER PRIMARY KEY,"
	" upto INTEGER NOT NULL, bytes BLOB NOT NULL);"
	"CREATE TABLE head (serial INTEGER NOT NULL);"
	"INSERT INTO head VALUES (0);";

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

/* --- errors and statements ----------------------------------------------- */

static enum rc fail(const struct journal *j, struct diag *d, enum rc rc,
		    const char *text)
{
	if (d && !d->text[0])
		snprintf(d->file, sizeof(d->file), "%s", j->path);
	return diag_set(d, rc, "%s", text);
}

static enum rc rc_of(int e)
{
	switch (e & 0xff) {
	case SQLITE_NOMEM:
		return RC_ENOMEM;
	case SQLITE_TOOBIG:
		return RC_ELIMIT;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return RC_EAGAIN;
	default:
		return RC_EIO;
	}
}

/* What SQLite says about its last failure. Inside a transaction it is the end
 * of it: SQLite may or may not have rolled back, so nobody builds on it. */
static enum rc fail_sql(struct journal *j, struct diag *d, const char *what)
{
	enum rc rc = rc_of(sqlite3_extended_errcode(j->db));

	if (j->in_tx)
		j->lost = true;
	if (d && !d->text[0])
		snprintf(d->file, sizeof(d->file), "%s", j->path);
	return diag_set(d, rc, "%s: %s", what, sqlite3_errmsg(j->db));
}

/* The statement, compiled at its first use and ready to bind. */
static sqlite3_stmt *get(struct journal *j, enum stmt which)
{
	sqlite3_stmt **s = &j->stmts[which];

	if (!*s && sqlite3_prepare_v3(j->db, stmt_sql[which], -1,
				      SQLITE_PREPARE_PERSISTENT, s, NULL))
		return NULL;
	return *s;
}

/* Bound values are borrowed from the caller, so none stays bound. */
static void done(sqlite3_stmt *s)
{
	if (!s)
		return;
	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
}

/* The binders take a statement that could not be compiled, and say no. */
static bool bind(sqlite3_stmt *s, int at, const char *text)
{
	return s && sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC) == 0;
}

static bool bind_num(sqlite3_stmt *s, int at, uint64_t n)
{
	return s && sqlite3_bind_int64(s, at, (sqlite3_int64)n) == 0;
}

static bool bind_blob(sqlite3_stmt *s, int at, const void *data, size_t len)
{
	/* A NULL pointer would bind NULL, not an empty value. */
	return s && sqlite3_bind_blob64(s, at, len ? data : "", len,
					SQLITE_STATIC) == 0;
}

/* Runs a statement that gives no row; ok: everything before went well. */
static enum rc run(struct journal *j, sqlite3_stmt *s, bool ok,
		   const char *what, struct diag *d)
{
	enum rc rc = RC_OK;

	if (!ok || sqlite3_step(s) != SQLITE_DONE)
		rc = fail_sql(j, d, what);
	done(s);
	return rc;
}

static enum rc run_plain(struct journal *j, enum stmt which, const char *what,
			 struct diag *d)
{
	sqlite3_stmt *s = get(j, which);

	return run(j, s, s != NULL, what, d);
}

/* For the way back, where a failure changes nothing any more. */
static void run_quiet(struct journal *j, enum stmt which)
{
	sqlite3_stmt *s = get(j, which);

	if (s)
		sqlite3_step(s);
	done(s);
}

static uint64_t col_num(sqlite3_stmt *s, int col)
{
	sqlite3_int64 n = sqlite3_column_int64(s, col);

	return n < 0 ? 0 : (uint64_t)n;
}

static const char *col_text(sqlite3_stmt *s, int col)
{
	const char *t = (const char *)sqlite3_column_text(s, col);

	return t ? t : "";
}

/* One number out of a statement; RC_ENOENT when it gives no row. */
static enum rc one_number(struct journal *j, enum stmt which, uint64_t *out,
			  struct diag *d)
{
	sqlite3_stmt *s = get(j, which);
	enum rc rc = RC_OK;
	int step = s ? sqlite3_step(s) : SQLITE_ERROR;

	if (step == SQLITE_ROW)
		*out = col_num(s, 0);
	else if (step == SQLITE_DONE)
		rc = RC_ENOENT;
	else
		rc = fail_sql(j, d, "cannot read");
	done(s);
	return rc;
}

static enum rc check_tx(const struct journal *j, struct diag *d)
{
	if (!j->lost)
		return RC_OK;
	return fail(j, d, RC_EIO, "the transaction failed before and must be "
		    "rolled back");
}

/* --- units: what several statements do together -------------------------- */

static enum rc unit_begin(struct journal *j, struct diag *d)
{
	enum rc rc = check_tx(j, d);

	return rc == RC_OK ? run_plain(j, S_SAVE, "cannot begin", d) : rc;
}

/* Outside a transaction the release is the commit, so it can fail like one. */
static enum rc unit_end(struct journal *j, enum rc rc, struct diag *d)
{
	if (rc == RC_OK)
		rc = run_plain(j, S_RELEASE, "cannot commit", d);
	if (rc == RC_OK)
		return RC_OK;
	if (sqlite3_get_autocommit(j->db))
		return rc;		/* SQLite rolled back itself */
	if (j->in_tx) {
		run_quiet(j, S_BACK);
		run_quiet(j, S_RELEASE);
	} else {
		run_quiet(j, S_ROLLBACK);
	}
	return rc;
}

static void end_tx(struct journal *j)
{
	j->in_tx = false;
	j->lost = false;
}

enum rc journal_begin(struct journal *j, struct diag *d)
{
	enum rc rc;

	if (j->in_tx)
		return fail(j, d, RC_EINVAL, "a transaction is open");
	rc = run_plain(j, S_BEGIN, "cannot begin", d);
	if (rc != RC_OK)
		return rc;
	j->in_tx = true;
	j->head_before = j->head;
	return RC_OK;
}

enum rc journal_commit(struct journal *j, struct diag *d)
{
	enum rc rc;

	if (!j->in_tx)
		return fail(j, d, RC_EINVAL, "no transaction is open");
	rc = check_tx(j, d);
	if (rc == RC_OK)
		rc = run_plain(j, S_COMMIT, "cannot commit", d);
	if (rc != RC_OK)
		journal_rollback(j);
	else
		end_tx(j);
	return rc;
}

void journal_rollback(struct journal *j)
{
	if (!j->in_tx)
		return;
	if (!sqlite3_get_autocommit(j->db))
		run_quiet(j, S_ROLLBACK);
	j->head = j->head_before;
	end_tx(j);
}

/* --- open ---------------------------------------------------------------- */

static enum rc take_lock(struct journal *j, const char *dir, struct diag *d)
{
	char *name = NULL;
	enum rc rc = file_path_join(dir, LOCK_FILE, &name);

	if (rc != RC_OK)
		return fail(j, d, rc, rc_text(rc));
	/* Not the database itself: closing another descriptor of it would drop
	 * SQLite's own locks. */
	j->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
			  0600);
	if (j->lock_fd < 0) {
		if (d && !d->text[0])
			snprintf(d->file, sizeof(d->file), "%s", name);
		rc = diag_set(d, RC_EIO, "cannot open: %s", strerror(errno));
	} else if (flock(j->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		rc = errno != EWOULDBLOCK ?
			fail(j, d, RC_EIO, "cannot lock") :
			fail(j, d, RC_EAGAIN, "in use by another process; one "
			     "state directory serves one daemon");
	}
	free(name);
	return rc;
}

static enum rc exec(struct journal *j, const char *sql, const char *what,
		    struct diag *d)
{
	if (sqlite3_exec(j->db, sql, NULL, NULL, NULL) == SQLITE_OK)
		return RC_OK;
	return fail_sql(j, d, what);
}

static enum rc pragma_number(struct journal *j, const char *sql, int64_t *out,
			     struct diag *d)
{
	sqlite3_stmt *s = NULL;
	enum rc rc = RC_OK;

	if (sqlite3_prepare_v2(j->db, sql, -1, &s, NULL) != SQLITE_OK ||
	    sqlite3_step(s) != SQLITE_ROW)
		rc = fail_sql(j, d, "cannot read");
	else
		*out = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return rc;
}

/* SQLite answers with the mode it is in, and no error when that is another. */
static enum rc set_wal(struct journal *j, struct diag *d)
{
	sqlite3_stmt *s = NULL;
	enum rc rc = RC_OK;

	if (sqlite3_prepare_v2(j->db, "PRAGMA journal_mode = WAL", -1, &s,
			       NULL) || sqlite3_step(s) != SQLITE_ROW)
		rc = fail_sql(j, d, "cannot open");
	else if (strcmp(col_text(s, 0), "wal") != 0)
		rc = fail(j, d, RC_EIO, "the write-ahead log is not possible");
	sqlite3_finalize(s);
	return rc;
}

/* Exclusive locking keeps the index of the log in our memory: no shared file
 * that a full disk could turn into SIGBUS, and no second writer of any kind.
 * secure_delete, on by default in some builds, would write every page of an old
 * base once more, through the log. */
static enum rc set_up(struct journal *j, struct diag *d)
{
	enum rc rc;

	sqlite3_extended_result_codes(j->db, 1);
	sqlite3_busy_timeout(j->db, 0);
	sqlite3_db_config(j->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	rc = exec(j,
		"PRAGMA locking_mode = EXCLUSIVE;"
		"PRAGMA cell_size_check = ON;"
		"PRAGMA trusted_schema = OFF;"
		"PRAGMA temp_store = MEMORY;"
		"PRAGMA secure_delete = OFF;"
		"PRAGMA cache_size = -8192;"
		"PRAGMA synchronous = FULL;"
		"PRAGMA journal_size_limit = 67108864;",
		"cannot open", d);
	return rc == RC_OK ? set_wal(j, d) : rc;
}

static enum rc make_tables(struct journal *j, struct diag *d)
{
	char pragmas[128];
	enum rc rc = exec(j, schema, "cannot make the tables", d);

	snprintf(pragmas, sizeof(pragmas), "PRAGMA application_id = %d;"
		 "PRAGMA user_version = %d; COMMIT;", APPLICATION_ID,
		 JOURNAL_FORMAT);
	return rc == RC_OK ? exec(j, pragmas, "cannot make the tables", d) : rc;
}

static enum rc check_format(struct journal *j, struct diag *d)
{
	int64_t app = 0, format = 0, tables = 0;
	enum rc rc;

	rc = pragma_number(j, "PRAGMA application_id", &app, d);
	if (rc == RC_OK)
		rc = pragma_number(j, "PRAGMA user_version", &format, d);
	if (rc == RC_OK)
		rc = pragma_number(j, "SELECT count(*) FROM sqlite_schema",
				   &tables, d);
	if (rc != RC_OK)
		return rc;
	if (app == 0 && format == 0 && tables == 0)
		return make_tables(j, d);
	if (app != APPLICATION_ID)
		return fail(j, d, RC_EIO, "a database, but not a journal");
	if (format == JOURNAL_FORMAT)
		return RC_OK;
	if (d && !d->text[0])
		snprintf(d->file, sizeof(d->file), "%s", j->path);
	return diag_set(d, RC_ERULE, "format %jd; this version reads and "
			"writes format %d and changes nothing here; use the "
			"newer version, or an empty state directory",
			(intmax_t)format, JOURNAL_FORMAT);
}

/* Pieces of bodies that were being written when the process ended. */
static enum rc sweep(struct journal *j, struct diag *d)
{
	return exec(j, "DELETE FROM chunk WHERE NOT EXISTS (SELECT 1 FROM base "
		    "WHERE base.id = chunk.id AND "
		    "base.generation = chunk.generation)", "cannot clean", d);
}

static enum rc open_db(struct journal *j, struct diag *d)
{
	enum rc rc;
	int e = sqlite3_open_v2(j->path, &j->db, SQLITE_OPEN_READWRITE |
				SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
				NULL);

	if (!j->db)
		return fail(j, d, RC_ENOMEM, rc_text(RC_ENOMEM));
	if (e != SQLITE_OK)
		return fail_sql(j, d, "cannot open");
	rc = set_up(j, d);
	if (rc == RC_OK)
		rc = check_format(j, d);
	if (rc == RC_OK)
		rc = sweep(j, d);
	if (rc == RC_OK)
		rc = one_number(j, S_HEAD_GET, &j->head, d);
	if (rc == RC_ENOENT)
		rc = fail(j, d, RC_EIO, "damaged: the head is missing");
	return rc;
}

enum rc journal_open(const char *dir, struct journal **out, struct diag *d)
{
	struct journal *j = calloc(1, sizeof(*j));
	enum rc rc;

	if (!j)
		return diag_set(d, RC_ENOMEM, "%s", rc_text(RC_ENOMEM));
	j->lock_fd = -1;
	rc = file_path_join(dir, JOURNAL_FILE, &j->path);
	if (rc != RC_OK)
		goto out;
	rc = take_lock(j, dir, d);
	if (rc == RC_OK)
		rc = open_db(j, d);
	if (rc != RC_OK)
		goto out;
	*out = j;
	j = NULL;
out:
	journal_close(j);
	return rc;
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	if (j->db)
		journal_rollback(j);
	for (size_t i = 0; i < N_STMTS; i++)
		sqlite3_finalize(j->stmts[i]);
	sqlite3_close(j->db);
	if (j->lock_fd >= 0)
		close(j->lock_fd);
	free(j->path);
	free(j);
}

/* --- meta ---------------------------------------------------------------- */

enum rc journal_meta_set(struct journal *j, const char *key, const void *data,
			 size_t len, struct diag *d)
{
	sqlite3_stmt *s;
	enum rc rc = check_tx(j, d);

	if (rc != RC_OK)
		return rc;
	if (len > JOURNAL_META_MAX)
		return fail(j, d, RC_ELIMIT, "a value is too large");
	s = get(j, S_META_SET);
	return run(j, s, bind(s, 1, key) && bind_blob(s, 2, data, len),
		   "cannot write", d);
}

/* Appends column col; a blob that cannot be loaded shows as NULL. */
static enum rc col_add(struct journal *j, sqlite3_stmt *s, int col,
		       struct buf *dst, struct diag *d)
{
	const void *p = sqlite3_column_blob(s, col);
	size_t len = (size_t)sqlite3_column_bytes(s, col);

	if (!p && sqlite3_errcode(j->db) == SQLITE_NOMEM)
		return fail_sql(j, d, "cannot read");
	buf_add(dst, p, len);
	if (buf_rc(dst) != RC_OK)
		return fail(j, d, buf_rc(dst), rc_text(buf_rc(dst)));
	return RC_OK;
}

enum rc journal_meta_get(struct journal *j, const char *key, struct buf *dst,
			 struct diag *d)
{
	sqlite3_stmt *s = get(j, S_META_GET);
	enum rc rc;
	int step = bind(s, 1, key) ? sqlite3_step(s) : SQLITE_ERROR;

	if (step == SQLITE_ROW)
		rc = col_add(j, s, 0, dst, d);
	else if (step == SQLITE_DONE)
		rc = RC_ENOENT;
	else
		rc = fail_sql(j, d, "cannot read");
	done(s);
	return rc;
}

enum rc journal_meta_del(struct journal *j, const char *key, struct diag *d)
{
	sqlite3_stmt *s;
	enum rc rc = check_tx(j, d);

	if (rc != RC_OK)
		return rc;
	s = get(j, S_META_DEL);
	return run(j, s, bind(s, 1, key), "cannot delete", d);
}

enum rc journal_meta_each(struct journal *j, const char *prefix,
			  enum rc (*each)(void *arg, const char *key,
					  const void *data, size_t len),
			  void *arg, struct diag *d)
{
	sqlite3_stmt *s = get(j, S_META_ALL);
	int step = bind(s, 1, prefix) ? sqlite3_step(s) : SQLITE_ERROR;
	enum rc rc = RC_OK;

	for (; step == SQLITE_ROW; step = sqlite3_step(s)) {
		const void *p = sqlite3_column_blob(s, 1);
		size_t len = (size_t)sqlite3_column_bytes(s, 1);

		rc = each(arg, col_text(s, 0), len ? p : "", len);
		if (rc != RC_OK)
			goto out;
	}
	if (step != SQLITE_DONE)
		rc = fail_sql(j, d, "cannot read");
out:
	done(s);
	return rc;
}

/* --- bases --------------------------------------------------------------- */

static enum rc next_generation(struct journal *j, const char *id,
			       uint64_t *out, struct diag *d)
{
	sqlite3_stmt *s = get(j, S_CHUNK_NEW);
	enum rc rc = RC_OK;

	if (bind(s, 1, id) && sqlite3_step(s) == SQLITE_ROW)
		*out = col_num(s, 0);
	else
		rc = fail_sql(j, d, "cannot read");
	done(s);
	return rc;
}

static enum rc chunk_add(struct journal *j, const char *id, uint64_t generation,
			 const struct buf *piece, uint64_t off, struct diag *d)
{
	sqlite3_stmt *s = get(j, S_CHUNK_ADD);
	bool ok = bind(s, 1, id) && bind_num(s, 2, generation) &&
		  bind_num(s, 3, off / CHUNK) &&
		  bind_blob(s, 4, piece->data, piece->len);

	return run(j, s, ok, "cannot write a base", d);
}

static enum rc chunks_write(struct journal *j, const struct journal_base *base,
			    uint64_t generation,
			    enum rc (*read)(void *arg, uint64_t off, char *dst,
					    size_t len),
			    void *arg, struct diag *d)
{
	struct buf piece = BUF_INIT(CHUNK);
	enum rc rc = RC_OK;

	for (uint64_t off = 0; rc == RC_OK && off < base->size; off += CHUNK) {
		uint64_t left = base->size - off;
		size_t n = left < CHUNK ? (size_t)left : CHUNK;
		char *p;

		buf_clear(&piece);
		p = buf_room(&piece, n);
		if (!p) {
			rc = fail(j, d, RC_ENOMEM, rc_text(RC_ENOMEM));
			break;
		}
		rc = read(arg, off, p, n);
		if (rc != RC_OK)
			break;
		buf_used(&piece, n);
		rc = chunk_add(j, base->id, generation, &piece, off, d);
	}
	buf_free(&piece);
	return rc;
}

/* From here on the new body is the body, and the old pieces go. */
static enum rc base_turn(struct journal *j, const struct journal_base *base,
			 uint64_t generation, struct diag *d)
{
	sqlite3_stmt *s = get(j, S_BASE_SET);
	bool ok = bind(s, 1, base->id) && bind(s, 2, base->type) &&
		  bind(s, 3, base->leaf) && bind_num(s, 4, base->serial) &&
		  bind_num(s, 5, base->size) && bind_num(s, 6, generation);
	enum rc rc = run(j, s, ok, "cannot write a base", d);

	if (rc != RC_OK)
		return rc;
	s = get(j, S_CHUNK_DEL);
	return run(j, s, bind(s, 1, base->id) && bind_num(s, 2, generation),
		   "cannot drop an old base", d);
}

/* A body that was not finished outside a transaction leaves pieces that no base
 * names. What cannot be swept now is swept at the next open. */
static void chunks_forget(struct journal *j, const char *id)
{
	sqlite3_stmt *s = get(j, S_BASE_GET);
	uint64_t keep = 0;

	if (bind(s, 1, id) && sqlite3_step(s) == SQLITE_ROW)
		keep = col_num(s, 1);
	done(s);
	s = get(j, S_CHUNK_DEL);
	if (bind(s, 1, id) && bind_num(s, 2, keep))
		sqlite3_step(s);
	done(s);
}

static enum rc turn_unit(struct journal *j, const struct journal_base *base,
			 uint64_t generation, struct diag *d)
{
	enum rc rc = unit_begin(j, d);

	if (rc != RC_OK)
		return rc;
	return unit_end(j, base_turn(j, base, generation, d), d);
}

static enum rc base_write(struct journal *j, const struct journal_base *base,
			  enum rc (*read)(void *arg, uint64_t off, char *dst,
					  size_t len),
			  void *arg, struct diag *d)
{
	uint64_t generation = 0;
	enum rc rc = next_generation(j, base->id, &generation, d);

	if (rc == RC_OK)
		rc = chunks_write(j, base, generation, read, arg, d);
	if (rc == RC_OK)
		rc = turn_unit(j, base, generation, d);
	return rc;
}

enum rc journal_base_write(struct journal *j, const struct journal_base *base,
			   enum rc (*read)(void *arg, uint64_t off, char *dst,
					   size_t len),
			   void *arg, struct diag *d)
{
	enum rc rc = check_tx(j, d);

	if (rc != RC_OK)
		return rc;
	if (base->size > NEAR_ALL || base->serial > NEAR_ALL)
		return fail(j, d, RC_EINVAL, "a base out of range");
	rc = base_write(j, base, read, arg, d);
	if (rc != RC_OK && !j->lost)
		chunks_forget(j, base->id);
	return rc;
}

static enum rc base_find(struct journal *j, const char *id, uint64_t *size,
			 uint64_t *generation, struct diag *d)
{
	sqlite3_stmt *s = get(j, S_BASE_GET);
	int step = bind(s, 1, id) ? sqlite3_step(s) : SQLITE_ERROR;
	enum rc rc = RC_OK;

	if (step == SQLITE_ROW) {
		*size = col_num(s, 0);
		*generation = col_num(s, 1);
	} else if (step == SQLITE_DONE) {
		rc = RC_ENOENT;
	} else {
		rc = fail_sql(j, d, "cannot read");
	}
	done(s);
	return rc;
}

static enum rc chunks_read(struct journal *j, const char *id,
			   uint64_t generation, struct buf *dst,
			   struct diag *d)
{
	sqlite3_stmt *s = get(j, S_CHUNK_GET);
	bool ok = bind(s, 1, id) && bind_num(s, 2, generation);
	int step = ok ? sqlite3_step(s) : SQLITE_ERROR;
	enum rc rc = RC_OK;

	for (; step == SQLITE_ROW; step = sqlite3_step(s)) {
		rc = col_add(j, s, 0, dst, d);
		if (rc != RC_OK)
			goto out;
	}
	if (step != SQLITE_DONE)
		rc = fail_sql(j, d, "cannot read a base");
out:
	done(s);
	return rc;
}

enum rc journal_base_read(struct journal *j, const char *id, struct buf *dst,
			  struct diag *d)
{
	uint64_t size = 0, generation = 0;
	enum rc rc = base_find(j, id, &size, &generation, d);

	if (rc != RC_OK)
		return rc;
	if (size > dst->max)
		return fail(j, d, RC_ELIMIT, "a base is over the limit");
	buf_free(dst);			/* so that room is the exact size */
	if (!buf_room(dst, (size_t)size))
		return fail(j, d, buf_rc(dst), rc_text(buf_rc(dst)));
	buf_used(dst, 0);
	rc = chunks_read(j, id, generation, dst, d);
	if (rc == RC_OK && dst->len != size)
		rc = fail(j, d, RC_EIO, "damaged: a base is not whole");
	if (rc != RC_OK)
		buf_free(dst);
	return rc;
}

enum rc journal_base_serial(struct journal *j, const char *id, uint64_t serial,
			    struct diag *d)
{
	sqlite3_stmt *s;
	enum rc rc = check_tx(j, d);

	if (rc != RC_OK)
		return rc;
	s = get(j, S_BASE_MOVE);
	rc = run(j, s, bind(s, 1, id) && bind_num(s, 2, serial),
		 "cannot write", d);
	if (rc == RC_OK && sqlite3_changes(j->db) == 0)
		rc = RC_ENOENT;
	return rc;
}

enum rc journal_base_drop(struct journal *j, const char *id, struct diag *d)
{
	sqlite3_stmt *s;
	enum rc rc = unit_begin(j, d);

	if (rc != RC_OK)
		return rc;
	s = get(j, S_BASE_DEL);
	rc = run(j, s, bind(s, 1, id), "cannot delete", d);
	if (rc == RC_OK) {
		s = get(j, S_CHUNK_DEL);	/* 0 is no generation */
		rc = run(j, s, bind(s, 1, id) && bind_num(s, 2, 0),
			 "cannot delete", d);
	}
	return unit_end(j, rc, d);
}

enum rc journal_base_each(struct journal *j,
			  enum rc (*each)(void *arg,
					  const struct journal_base *base),
			  void *arg, struct diag *d)
{
	sqlite3_stmt *s = get(j, S_BASE_ALL);
	int step = s ? sqlite3_step(s) : SQLITE_ERROR;
	enum rc rc = RC_OK;

	for (; step == SQLITE_ROW; step = sqlite3_step(s)) {
		struct journal_base base = {
			.id = col_text(s, 0), .type = col_text(s, 1),
			.leaf = col_text(s, 2), .serial = col_num(s, 3),
			.size = col_num(s, 4),
		};

		rc = each(arg, &base);
		if (rc != RC_OK)
			goto out;
	}
	if (step != SQLITE_DONE)
		rc = fail_sql(j, d, "cannot read");
out:
	done(s);
	return rc;
}

/* --- updates ------------------------------------------------------------- */

struct span {
	uint64_t first;		/* serial; 0: no updates */
	uint64_t last;
	uint64_t count;
	uint64_t bytes;
};

static enum rc read_edge(struct journal *j, enum stmt which, uint64_t *serial,
			 uint64_t *upto, uint64_t *len, struct diag *d)
{
	sqlite3_stmt *s = get(j, which);
	int step = s ? sqlite3_step(s) : SQLITE_ERROR;
	enum rc rc = RC_OK;

	if (step == SQLITE_ROW) {
		*serial = col_num(s, 0);
		*upto = col_num(s, 1);
		*len = sqlite3_column_count(s) > 2 ? col_num(s, 2) : 0;
	} else if (step != SQLITE_DONE) {
		rc = fail_sql(j, d, "cannot read");
	}
	done(s);
	return rc;
}

/* Serials have no holes, and upto counts on: the two ends say everything. */
static enum rc read_span(struct journal *j, struct span *out, struct diag *d)
{
	uint64_t first = 0, from = 0, len = 0, last = 0, upto = 0, none;
	enum rc rc;

	rc = read_edge(j, S_UPDATE_FIRST, &first, &from, &len, d);
	if (rc == RC_OK)
		rc = read_edge(j, S_UPDATE_LAST, &last, &upto, &none, d);
	if (rc != RC_OK)
		return rc;
	*out = (struct span){ .last = last };
	if (!last)
		return RC_OK;
	out->first = first;
	out->count = last - first + 1;
	out->bytes = upto - from + len;
	return RC_OK;
}

static enum rc set_head(struct journal *j, uint64_t head, struct diag *d)
{
	sqlite3_stmt *s = get(j, S_HEAD_SET);

	return run(j, s, bind_num(s, 1, head), "cannot write", d);
}

static enum rc update_put(struct journal *j, uint64_t serial, const void *data,
			  size_t len, struct diag *d)
{
	uint64_t last = 0, upto = 0, none;
	sqlite3_stmt *s;
	enum rc rc;

	rc = read_edge(j, S_UPDATE_LAST, &last, &upto, &none, d);
	if (rc != RC_OK)
		return rc;
	s = get(j, S_UPDATE_ADD);
	rc = run(j, s, bind_num(s, 1, serial) && bind_num(s, 2, upto + len) &&
		 bind_blob(s, 3, data, len), "cannot write an update", d);
	return rc == RC_OK ? set_head(j, serial, d) : rc;
}

enum rc journal_update_add(struct journal *j, uint64_t serial, uint64_t prev,
			   const void *data, size_t len, struct diag *d)
{
	enum rc rc = check_tx(j, d);

	if (rc != RC_OK)
		return rc;
	if (prev != j->head || serial != prev + 1 || serial > NEAR_ALL) {
		if (d && !d->text[0])
			snprintf(d->file, sizeof(d->file), "%s", j->path);
		return diag_set(d, RC_EGAP, "update %ju after %ju does not "
				"follow %ju", (uintmax_t)serial,
				(uintmax_t)prev, (uintmax_t)j->head);
	}
	if (len > JOURNAL_UPDATE_MAX)
		return fail(j, d, RC_ELIMIT, "an update is too large");
	rc = unit_begin(j, d);
	if (rc != RC_OK)
		return rc;
	rc = unit_end(j, update_put(j, serial, data, len, d), d);
	if (rc == RC_OK)
		j->head = serial;
	return rc;
}

static enum rc updates_walk(struct journal *j, uint64_t from,
			    enum rc (*each)(void *arg, uint64_t serial,
					    const void *data, size_t len),
			    void *arg, struct diag *d)
{
	sqlite3_stmt *s = get(j, S_UPDATE_ALL);
	int step = bind_num(s, 1, from) ? sqlite3_step(s) : SQLITE_ERROR;
	enum rc rc = RC_OK;

	for (; step == SQLITE_ROW; step = sqlite3_step(s), from++) {
		const void *p = sqlite3_column_blob(s, 1);
		size_t len = (size_t)sqlite3_column_bytes(s, 1);

		if (col_num(s, 0) != from) {
			rc = fail(j, d, RC_EIO, "damaged: updates are missing");
			goto out;
		}
		rc = each(arg, from, len ? p : "", len);
		if (rc != RC_OK)
			goto out;
	}
	if (step != SQLITE_DONE)
		rc = fail_sql(j, d, "cannot read an update");
	else if (from != j->head + 1)
		rc = fail(j, d, RC_EIO, "damaged: updates are missing");
out:
	done(s);
	return rc;
}

enum rc journal_update_each(struct journal *j, uint64_t from,
			    enum rc (*each)(void *arg, uint64_t serial,
					    const void *data, size_t len),
			    void *arg, struct diag *d)
{
	struct span span;
	enum rc rc = read_span(j, &span, d);

	if (rc != RC_OK)
		return rc;
	if (from == 0)
		from = span.count ? span.first : j->head + 1;
	if (from == j->head + 1)
		return RC_OK;
	if (from > j->head || !span.count || from < span.first)
		return fail(j, d, RC_EGAP, "updates from there are not held");
	return updates_walk(j, from, each, arg, d);
}

static enum rc trim(struct journal *j, uint64_t max_count, uint64_t max_bytes,
		    struct diag *d)
{
	struct span span;
	enum rc rc = read_span(j, &span, d);

	while (rc == RC_OK && span.count &&
	       (span.count > max_count || span.bytes > max_bytes)) {
		sqlite3_stmt *s = get(j, S_UPDATE_DEL);

		rc = run(j, s, bind_num(s, 1, span.first), "cannot delete", d);
		if (rc == RC_OK)
			rc = read_span(j, &span, d);
	}
	return rc;
}

enum rc journal_update_trim(struct journal *j, uint64_t max_count,
			    uint64_t max_bytes, struct diag *d)
{
	enum rc rc = unit_begin(j, d);

	if (rc != RC_OK)
		return rc;
	return unit_end(j, trim(j, max_count, max_bytes, d), d);
}

enum rc journal_update_clear(struct journal *j, uint64_t head, struct diag *d)
{
	enum rc rc;

	if (head >= NEAR_ALL)
		return fail(j, d, RC_EINVAL, "a head out of range");
	rc = unit_begin(j, d);
	if (rc != RC_OK)
		return rc;
	rc = run_plain(j, S_UPDATE_CLEAR, "cannot delete", d);
	if (rc == RC_OK)
		rc = set_head(j, head, d);
	rc = unit_end(j, rc, d);
	if (rc == RC_OK)
		j->head = head;
	return rc;
}

/* --- status -------------------------------------------------------------- */

uint64_t journal_last(const struct journal *j)
{
	return j->head;
}

const char *journal_path(const struct journal *j)
{
	return j->path;
}

static uint64_t size_of(const char *path, const char *tail)
{
	struct buf name = BUF_INIT(4096);
	struct stat st;
	uint64_t size = 0;

	buf_puts(&name, path);
	buf_puts(&name, tail);
	if (buf_rc(&name) == RC_OK && stat(buf_str(&name), &st) == 0)
		size = (uint64_t)st.st_size;
	buf_free(&name);
	return size;
}

enum rc journal_sizes(struct journal *j, struct journal_sizes *out,
		      struct diag *d)
{
	struct span span;
	enum rc rc = read_span(j, &span, d);

	if (rc != RC_OK)
		return rc;
	*out = (struct journal_sizes){
		.updates = span.count, .update_bytes = span.bytes,
		.first = span.first, .last = j->head,
		.file_bytes = size_of(j->path, ""),
		.wal_bytes = size_of(j->path, "-wal"),
	};
	return RC_OK;
}
