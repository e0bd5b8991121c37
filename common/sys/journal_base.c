/* Bases: the body in pieces, so that a large one is never in memory twice. A
 * new body is a new generation of pieces; the row in base says which counts. */
#include "common/sys/journal.h"

#include <sqlite3.h>

#include "common/sys/journal_db.h"

#define CHUNK		((size_t)4 << 20)

static enum rc next_generation(struct journal *j, const char *id,
			       uint64_t *out, struct diag *d)
{
	sqlite3_stmt *s = jdb_get(j, S_CHUNK_NEW);
	enum rc rc = RC_OK;

	if (jdb_bind(s, 1, id) && sqlite3_step(s) == SQLITE_ROW)
		*out = jdb_num(s, 0);
	else
		rc = jdb_fail_sql(j, d, "cannot read");
	jdb_done(s);
	return rc;
}

static enum rc chunk_add(struct journal *j, const char *id, uint64_t generation,
			 const struct buf *piece, uint64_t off, struct diag *d)
{
	sqlite3_stmt *s = jdb_get(j, S_CHUNK_ADD);
	bool ok = jdb_bind(s, 1, id) && jdb_bind_num(s, 2, generation) &&
		  jdb_bind_num(s, 3, off / CHUNK) &&
		  jdb_bind_blob(s, 4, piece->data, piece->len);

	return jdb_run(j, s, ok, "cannot write a base", d);
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
			rc = jdb_fail(j, d, RC_ENOMEM, rc_text(RC_ENOMEM));
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
	sqlite3_stmt *s = jdb_get(j, S_BASE_SET);
	bool ok = jdb_bind(s, 1, base->id) && jdb_bind(s, 2, base->type) &&
		jdb_bind(s, 3, base->leaf) &&
		jdb_bind_num(s, 4, base->serial) &&
		jdb_bind_num(s, 5, base->size) &&
		jdb_bind_num(s, 6, generation);
	enum rc rc = jdb_run(j, s, ok, "cannot write a base", d);

	if (rc != RC_OK)
		return rc;
	s = jdb_get(j, S_CHUNK_DEL);
	return jdb_run(j, s, jdb_bind(s, 1, base->id) &&
		       jdb_bind_num(s, 2, generation),
		       "cannot drop an old base", d);
}

/* A body that was not finished outside a transaction leaves pieces that no base
 * names. What cannot be swept now is swept at the next open. */
static void chunks_forget(struct journal *j, const char *id)
{
	sqlite3_stmt *s = jdb_get(j, S_BASE_GET);
	uint64_t keep = 0;

	if (jdb_bind(s, 1, id) && sqlite3_step(s) == SQLITE_ROW)
		keep = jdb_num(s, 1);
	jdb_done(s);
	s = jdb_get(j, S_CHUNK_DEL);
	if (jdb_bind(s, 1, id) && jdb_bind_num(s, 2, keep))
		sqlite3_step(s);
	jdb_done(s);
}

static enum rc turn_unit(struct journal *j, const struct journal_base *base,
			 uint64_t generation, struct diag *d)
{
	enum rc rc = jdb_unit_begin(j, d);

	if (rc != RC_OK)
		return rc;
	return jdb_unit_end(j, base_turn(j, base, generation, d), d);
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
	enum rc rc = jdb_check_tx(j, d);

	if (rc != RC_OK)
		return rc;
	if (base->size > NEAR_ALL || base->serial > NEAR_ALL)
		return jdb_fail(j, d, RC_EINVAL, "a base out of range");
	rc = base_write(j, base, read, arg, d);
	if (rc != RC_OK && !j->lost)
		chunks_forget(j, base->id);
	return rc;
}

static enum rc base_find(struct journal *j, const char *id, uint64_t *size,
			 uint64_t *generation, struct diag *d)
{
	sqlite3_stmt *s = jdb_get(j, S_BASE_GET);
	int step = jdb_bind(s, 1, id) ? sqlite3_step(s) : SQLITE_ERROR;
	enum rc rc = RC_OK;

	if (step == SQLITE_ROW) {
		*size = jdb_num(s, 0);
		*generation = jdb_num(s, 1);
	} else if (step == SQLITE_DONE) {
		rc = RC_ENOENT;
	} else {
		rc = jdb_fail_sql(j, d, "cannot read");
	}
	jdb_done(s);
	return rc;
}

static enum rc chunks_read(struct journal *j, const char *id,
			   uint64_t generation, struct buf *dst,
			   struct diag *d)
{
	sqlite3_stmt *s = jdb_get(j, S_CHUNK_GET);
	bool ok = jdb_bind(s, 1, id) && jdb_bind_num(s, 2, generation);
	int step = ok ? sqlite3_step(s) : SQLITE_ERROR;
	enum rc rc = RC_OK;

	for (; step == SQLITE_ROW; step = sqlite3_step(s)) {
		rc = jdb_add(j, s, 0, dst, d);
		if (rc != RC_OK)
			goto out;
	}
	if (step != SQLITE_DONE)
		rc = jdb_fail_sql(j, d, "cannot read a base");
out:
	jdb_done(s);
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
		return jdb_fail(j, d, RC_ELIMIT, "a base is over the limit");
	buf_free(dst);			/* so that room is the exact size */
	if (!buf_room(dst, (size_t)size))
		return jdb_fail(j, d, buf_rc(dst), rc_text(buf_rc(dst)));
	buf_used(dst, 0);
	rc = chunks_read(j, id, generation, dst, d);
	if (rc == RC_OK && dst->len != size)
		rc = jdb_fail(j, d, RC_EIO, "damaged: a base is not whole");
	if (rc != RC_OK)
		buf_free(dst);
	return rc;
}

enum rc journal_base_serial(struct journal *j, const char *id, uint64_t serial,
			    struct diag *d)
{
	sqlite3_stmt *s;
	enum rc rc = jdb_check_tx(j, d);

	if (rc != RC_OK)
		return rc;
	s = jdb_get(j, S_BASE_MOVE);
	rc = jdb_run(j, s, jdb_bind(s, 1, id) && jdb_bind_num(s, 2, serial),
		     "cannot write", d);
	if (rc == RC_OK && sqlite3_changes(j->db) == 0)
		rc = RC_ENOENT;
	return rc;
}

enum rc journal_base_drop(struct journal *j, const char *id, struct diag *d)
{
	sqlite3_stmt *s;
	enum rc rc = jdb_unit_begin(j, d);

	if (rc != RC_OK)
		return rc;
	s = jdb_get(j, S_BASE_DEL);
	rc = jdb_run(j, s, jdb_bind(s, 1, id), "cannot delete", d);
	if (rc == RC_OK) {
		s = jdb_get(j, S_CHUNK_DEL);	/* 0 is no generation */
		rc = jdb_run(j, s, jdb_bind(s, 1, id) && jdb_bind_num(s, 2, 0),
			     "cannot delete", d);
	}
	return jdb_unit_end(j, rc, d);
}

enum rc journal_base_each(struct journal *j,
			  enum rc (*each)(void *arg,
					  const struct journal_base *base),
			  void *arg, struct diag *d)
{
	sqlite3_stmt *s = jdb_get(j, S_BASE_ALL);
	int step = s ? sqlite3_step(s) : SQLITE_ERROR;
	enum rc rc = RC_OK;

	for (; step == SQLITE_ROW; step = sqlite3_step(s)) {
		struct journal_base base = {
			.id = jdb_text(s, 0), .type = jdb_text(s, 1),
			.leaf = jdb_text(s, 2), .serial = jdb_num(s, 3),
			.size = jdb_num(s, 4),
		};

		rc = each(arg, &base);
		if (rc != RC_OK)
			goto out;
	}
	if (step != SQLITE_DONE)
		rc = jdb_fail_sql(j, d, "cannot read");
out:
	jdb_done(s);
	return rc;
}
