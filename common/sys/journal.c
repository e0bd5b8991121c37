#include "common/sys/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/sys/file.h"
#include "common/sys/journal_db.h"

#define APPLICATION_ID	0x416c7443	/* "AltC" */
#define LOCK_FILE	"journal.lock"

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

static enum rc take_lock(struct journal *j, const char *dir, struct diag *d)
{
	char *name = NULL;
	enum rc rc = file_path_join(dir, LOCK_FILE, &name);

	if (rc != RC_OK)
		return jdb_fail(j, d, rc, rc_text(rc));
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
			jdb_fail(j, d, RC_EIO, "cannot lock") :
			jdb_fail(j, d, RC_EAGAIN,
				 "in use by another process; one "
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
	return jdb_fail_sql(j, d, what);
}

static enum rc pragma_number(struct journal *j, const char *sql, int64_t *out,
			     struct diag *d)
{
	sqlite3_stmt *s = NULL;
	enum rc rc = RC_OK;

	if (sqlite3_prepare_v2(j->db, sql, -1, &s, NULL) != SQLITE_OK ||
	    sqlite3_step(s) != SQLITE_ROW)
		rc = jdb_fail_sql(j, d, "cannot read");
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
		rc = jdb_fail_sql(j, d, "cannot open");
	else if (strcmp(jdb_text(s, 0), "wal") != 0)
		rc = jdb_fail(j, d, RC_EIO,
			      "the write-ahead log is not possible");
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
		return jdb_fail(j, d, RC_EIO, "a database, but not a journal");
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
		return jdb_fail(j, d, RC_ENOMEM, rc_text(RC_ENOMEM));
	if (e != SQLITE_OK)
		return jdb_fail_sql(j, d, "cannot open");
	rc = set_up(j, d);
	if (rc == RC_OK)
		rc = check_format(j, d);
	if (rc == RC_OK)
		rc = sweep(j, d);
	if (rc == RC_OK)
		rc = jdb_one_number(j, S_HEAD_GET, &j->head, d);
	if (rc == RC_ENOENT)
		rc = jdb_fail(j, d, RC_EIO, "damaged: the head is missing");
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
	journal_copy_tidy(j);
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

const char *journal_path(const struct journal *j)
{
	return j->path;
}

/* --- transactions -------------------------------------------------------- */

static void end_tx(struct journal *j)
{
	j->in_tx = false;
	j->lost = false;
}

enum rc journal_begin(struct journal *j, struct diag *d)
{
	enum rc rc;

	if (j->in_tx)
		return jdb_fail(j, d, RC_EINVAL, "a transaction is open");
	rc = jdb_run_plain(j, S_BEGIN, "cannot begin", d);
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
		return jdb_fail(j, d, RC_EINVAL, "no transaction is open");
	rc = jdb_check_tx(j, d);
	if (rc == RC_OK)
		rc = jdb_run_plain(j, S_COMMIT, "cannot commit", d);
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
		jdb_run_quiet(j, S_ROLLBACK);
	j->head = j->head_before;
	end_tx(j);
}

/* --- meta ---------------------------------------------------------------- */

enum rc journal_meta_set(struct journal *j, const char *key, const void *data,
			 size_t len, struct diag *d)
{
	sqlite3_stmt *s;
	enum rc rc = jdb_check_tx(j, d);

	if (rc != RC_OK)
		return rc;
	if (len > JOURNAL_META_MAX)
		return jdb_fail(j, d, RC_ELIMIT, "a value is too large");
	s = jdb_get(j, S_META_SET);
	return jdb_run(j, s, jdb_bind(s, 1, key) &&
		       jdb_bind_blob(s, 2, data, len), "cannot write", d);
}

enum rc journal_meta_get(struct journal *j, const char *key, struct buf *dst,
			 struct diag *d)
{
	sqlite3_stmt *s = jdb_get(j, S_META_GET);
	enum rc rc;
	int step = jdb_bind(s, 1, key) ? sqlite3_step(s) : SQLITE_ERROR;

	if (step == SQLITE_ROW)
		rc = jdb_add(j, s, 0, dst, d);
	else if (step == SQLITE_DONE)
		rc = RC_ENOENT;
	else
		rc = jdb_fail_sql(j, d, "cannot read");
	jdb_done(s);
	return rc;
}

enum rc journal_meta_del(struct journal *j, const char *key, struct diag *d)
{
	sqlite3_stmt *s;
	enum rc rc = jdb_check_tx(j, d);

	if (rc != RC_OK)
		return rc;
	s = jdb_get(j, S_META_DEL);
	return jdb_run(j, s, jdb_bind(s, 1, key), "cannot delete", d);
}
