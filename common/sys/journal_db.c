#include "common/sys/journal_db.h"

#include <stdio.h>

static const char *const stmt_sql[N_STMTS] = {
#define X(name, sql) [S_##name] = sql,
	STATEMENTS(X)
#undef X
};

enum rc jdb_fail(const struct journal *j, struct diag *d, enum rc rc,
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

enum rc jdb_fail_sql(struct journal *j, struct diag *d, const char *what)
{
	enum rc rc = rc_of(sqlite3_extended_errcode(j->db));

	if (j->in_tx)
		j->lost = true;
	if (d && !d->text[0])
		snprintf(d->file, sizeof(d->file), "%s", j->path);
	return diag_set(d, rc, "%s: %s", what, sqlite3_errmsg(j->db));
}

sqlite3_stmt *jdb_get(struct journal *j, enum jdb_stmt which)
{
	sqlite3_stmt **s = &j->stmts[which];

	if (!*s && sqlite3_prepare_v3(j->db, stmt_sql[which], -1,
				      SQLITE_PREPARE_PERSISTENT, s, NULL))
		return NULL;
	return *s;
}

/* Bound values are borrowed from the caller, so none stays bound. */
void jdb_done(sqlite3_stmt *s)
{
	if (!s)
		return;
	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
}

bool jdb_bind(sqlite3_stmt *s, int at, const char *text)
{
	return s && sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC) == 0;
}

bool jdb_bind_num(sqlite3_stmt *s, int at, uint64_t n)
{
	return s && sqlite3_bind_int64(s, at, (sqlite3_int64)n) == 0;
}

bool jdb_bind_blob(sqlite3_stmt *s, int at, const void *data, size_t len)
{
	/* A NULL pointer would bind NULL, not an empty value. */
	return s && sqlite3_bind_blob64(s, at, len ? data : "", len,
					SQLITE_STATIC) == 0;
}

enum rc jdb_run(struct journal *j, sqlite3_stmt *s, bool ok,
		const char *what, struct diag *d)
{
	enum rc rc = RC_OK;

	if (!ok || sqlite3_step(s) != SQLITE_DONE)
		rc = jdb_fail_sql(j, d, what);
	jdb_done(s);
	return rc;
}

enum rc jdb_run_plain(struct journal *j, enum jdb_stmt which, const char *what,
		      struct diag *d)
{
	sqlite3_stmt *s = jdb_get(j, which);

	return jdb_run(j, s, s != NULL, what, d);
}

void jdb_run_quiet(struct journal *j, enum jdb_stmt which)
{
	sqlite3_stmt *s = jdb_get(j, which);

	if (s)
		sqlite3_step(s);
	jdb_done(s);
}

uint64_t jdb_num(sqlite3_stmt *s, int col)
{
	sqlite3_int64 n = sqlite3_column_int64(s, col);

	return n < 0 ? 0 : (uint64_t)n;
}

const char *jdb_text(sqlite3_stmt *s, int col)
{
	const char *t = (const char *)sqlite3_column_text(s, col);

	return t ? t : "";
}

enum rc jdb_one_number(struct journal *j, enum jdb_stmt which, uint64_t *out,
		       struct diag *d)
{
	sqlite3_stmt *s = jdb_get(j, which);
	enum rc rc = RC_OK;
	int step = s ? sqlite3_step(s) : SQLITE_ERROR;

	if (step == SQLITE_ROW)
		*out = jdb_num(s, 0);
	else if (step == SQLITE_DONE)
		rc = RC_ENOENT;
	else
		rc = jdb_fail_sql(j, d, "cannot read");
	jdb_done(s);
	return rc;
}

/* Appends column col; a blob that cannot be loaded shows as NULL. */
enum rc jdb_add(struct journal *j, sqlite3_stmt *s, int col,
		struct buf *dst, struct diag *d)
{
	const void *p = sqlite3_column_blob(s, col);
	size_t len = (size_t)sqlite3_column_bytes(s, col);

	if (!p && sqlite3_errcode(j->db) == SQLITE_NOMEM)
		return jdb_fail_sql(j, d, "cannot read");
	buf_add(dst, p, len);
	if (buf_rc(dst) != RC_OK)
		return jdb_fail(j, d, buf_rc(dst), rc_text(buf_rc(dst)));
	return RC_OK;
}

enum rc jdb_check_tx(const struct journal *j, struct diag *d)
{
	if (!j->lost)
		return RC_OK;
	return jdb_fail(j, d, RC_EIO,
			"the transaction failed before and must be "
			"rolled back");
}

enum rc jdb_unit_begin(struct journal *j, struct diag *d)
{
	enum rc rc = jdb_check_tx(j, d);

	return rc == RC_OK ? jdb_run_plain(j, S_SAVE, "cannot begin", d) : rc;
}

/* Outside a transaction the release is the commit, so it can fail like one. */
enum rc jdb_unit_end(struct journal *j, enum rc rc, struct diag *d)
{
	if (rc == RC_OK)
		rc = jdb_run_plain(j, S_RELEASE, "cannot commit", d);
	if (rc == RC_OK)
		return RC_OK;
	if (sqlite3_get_autocommit(j->db))
		return rc;		/* SQLite rolled back itself */
	if (j->in_tx) {
		jdb_run_quiet(j, S_BACK);
		jdb_run_quiet(j, S_RELEASE);
	} else {
		jdb_run_quiet(j, S_ROLLBACK);
	}
	return rc;
}
