/* Updates: a log without holes, forgotten from the old end; and what it all
 * takes on the disk. */
#include "common/sys/journal.h"

#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/sys/journal_db.h"

struct span {
	uint64_t first;		/* serial; 0: no updates */
	uint64_t last;
	uint64_t count;
	uint64_t bytes;
};

static enum rc read_edge(struct journal *j, enum jdb_stmt which,
			 uint64_t *serial, uint64_t *upto, uint64_t *len,
			 struct diag *d)
{
	sqlite3_stmt *s = jdb_get(j, which);
	int step = s ? sqlite3_step(s) : SQLITE_ERROR;
	enum rc rc = RC_OK;

	if (step == SQLITE_ROW) {
		*serial = jdb_num(s, 0);
		*upto = jdb_num(s, 1);
		*len = sqlite3_column_count(s) > 2 ? jdb_num(s, 2) : 0;
	} else if (step != SQLITE_DONE) {
		rc = jdb_fail_sql(j, d, "cannot read");
	}
	jdb_done(s);
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
	sqlite3_stmt *s = jdb_get(j, S_HEAD_SET);

	return jdb_run(j, s, jdb_bind_num(s, 1, head), "cannot write", d);
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
	s = jdb_get(j, S_UPDATE_ADD);
	rc = jdb_run(j, s, jdb_bind_num(s, 1, serial) &&
		     jdb_bind_num(s, 2, upto + len) &&
		     jdb_bind_blob(s, 3, data, len), "cannot write an update",
		     d);
	return rc == RC_OK ? set_head(j, serial, d) : rc;
}

enum rc journal_update_add(struct journal *j, uint64_t serial, uint64_t prev,
			   const void *data, size_t len, struct diag *d)
{
	enum rc rc = jdb_check_tx(j, d);

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
		return jdb_fail(j, d, RC_ELIMIT, "an update is too large");
	rc = jdb_unit_begin(j, d);
	if (rc != RC_OK)
		return rc;
	rc = jdb_unit_end(j, update_put(j, serial, data, len, d), d);
	if (rc == RC_OK)
		j->head = serial;
	return rc;
}

static enum rc updates_walk(struct journal *j, uint64_t from,
			    enum rc (*each)(void *arg, uint64_t serial,
					    const void *data, size_t len),
			    void *arg, struct diag *d)
{
	sqlite3_stmt *s = jdb_get(j, S_UPDATE_ALL);
	int step = jdb_bind_num(s, 1, from) ? sqlite3_step(s) : SQLITE_ERROR;
	enum rc rc = RC_OK;

	for (; step == SQLITE_ROW; step = sqlite3_step(s), from++) {
		const void *p = sqlite3_column_blob(s, 1);
		size_t len = (size_t)sqlite3_column_bytes(s, 1);

		if (jdb_num(s, 0) != from) {
			rc = jdb_fail(j, d, RC_EIO,
				      "damaged: updates are missing");
			goto out;
		}
		rc = each(arg, from, len ? p : "", len);
		if (rc != RC_OK)
			goto out;
	}
	if (step != SQLITE_DONE)
		rc = jdb_fail_sql(j, d, "cannot read an update");
	else if (from != j->head + 1)
		rc = jdb_fail(j, d, RC_EIO, "damaged: updates are missing");
out:
	jdb_done(s);
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
		return jdb_fail(j, d, RC_EGAP,
				"updates from there are not held");
	return updates_walk(j, from, each, arg, d);
}

static enum rc trim(struct journal *j, uint64_t max_count, uint64_t max_bytes,
		    struct diag *d)
{
	struct span span;
	enum rc rc = read_span(j, &span, d);

	while (rc == RC_OK && span.count &&
	       (span.count > max_count || span.bytes > max_bytes)) {
		sqlite3_stmt *s = jdb_get(j, S_UPDATE_DEL);

		rc = jdb_run(j, s, jdb_bind_num(s, 1, span.first),
			     "cannot delete", d);
		if (rc == RC_OK)
			rc = read_span(j, &span, d);
	}
	return rc;
}

enum rc journal_update_trim(struct journal *j, uint64_t max_count,
			    uint64_t max_bytes, struct diag *d)
{
	enum rc rc = jdb_unit_begin(j, d);

	if (rc != RC_OK)
		return rc;
	return jdb_unit_end(j, trim(j, max_count, max_bytes, d), d);
}

enum rc journal_update_clear(struct journal *j, uint64_t head, struct diag *d)
{
	enum rc rc;

	if (head >= NEAR_ALL)
		return jdb_fail(j, d, RC_EINVAL, "a head out of range");
	rc = jdb_unit_begin(j, d);
	if (rc != RC_OK)
		return rc;
	rc = jdb_run_plain(j, S_UPDATE_CLEAR, "cannot delete", d);
	if (rc == RC_OK)
		rc = set_head(j, head, d);
	rc = jdb_unit_end(j, rc, d);
	if (rc == RC_OK)
		j->head = head;
	return rc;
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
