/* journal.h - what must survive, in one SQLite file.
 *
 * DIR/journal.db holds small named values (meta), the bases (a body per
 * resource) and the log of encoded updates. The journal stores bytes and knows
 * nothing of what they mean. WAL, synchronous FULL: what was committed is on
 * disk, whatever happens to the process or the power afterwards.
 *
 * Writes between begin and commit are one unit; everything of one publication
 * goes into one. A write outside is a unit of its own. A call that is refused
 * (RC_EGAP, RC_EINVAL, ...) leaves nothing of itself; after RC_EIO or RC_ENOMEM
 * inside a transaction that transaction is lost: every write and the commit
 * fail until journal_rollback().
 *
 * One user: a second process (or a second open) on the same directory gets
 * RC_EAGAIN with a text. Writer thread only.
 *
 * Errors: RC_EIO with path and SQLite's text, for a full disk as well as for a
 * file that is damaged or no journal. RC_ENOMEM.
 */
#ifndef ALTOCAST_SYS_JOURNAL_H
#define ALTOCAST_SYS_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/diag.h"
#include "common/base/rc.h"

struct journal;

#define JOURNAL_FILE	"journal.db"
#define JOURNAL_FORMAT	1		/* PRAGMA user_version */
#define JOURNAL_META_MAX ((size_t)64 << 20)	/* bytes of one value */
#define JOURNAL_UPDATE_MAX ((size_t)512 << 20)	/* bytes of one update */

/* Makes journal.db when it is not there; the directory must be. RC_ERULE: the
 * file was written by a newer format. */
MUST_CHECK enum rc journal_open(const char *dir, struct journal **out,
				struct diag *d);
void journal_close(struct journal *j);	/* rolls back; NULL is fine */

MUST_CHECK enum rc journal_begin(struct journal *j, struct diag *d);

/* Returns after the data are on disk. On failure nothing of the transaction
 * is left and it is over: no rollback is needed then (it does no harm). */
MUST_CHECK enum rc journal_commit(struct journal *j, struct diag *d);
void journal_rollback(struct journal *j);	/* outside: nothing */

/* --- meta: key -> bytes -------------------------------------------------- */

MUST_CHECK enum rc journal_meta_set(struct journal *j, const char *key,
				    const void *data, size_t len,
				    struct diag *d);

/* Appends the value to dst. RC_ENOENT: no such key; RC_ELIMIT: dst full. */
MUST_CHECK enum rc journal_meta_get(struct journal *j, const char *key,
				    struct buf *dst, struct diag *d);

/* A key that is not there is fine. */
MUST_CHECK enum rc journal_meta_del(struct journal *j, const char *key,
				    struct diag *d);

/* --- bases: resource-id -> body ------------------------------------------ */

struct journal_base {
	const char *id;
	const char *type;	/* media type */
	const char *leaf;	/* the resource's leaf in the signed state */
	uint64_t serial;	/* where the body stands in the log */
	uint64_t size;		/* bytes of the body */
};

/* Puts the base in place of the one with the same id. read fills dst with len
 * bytes of the body at off; offsets ascend, and at most 4 MB are asked for at
 * a time, so that a large body is never in memory twice. The old base stays
 * until the new one is whole, in a transaction and outside of one; outside,
 * the body is written in many small transactions and the disk log stays
 * short. */
MUST_CHECK enum rc journal_base_write(struct journal *j,
				      const struct journal_base *base,
				      enum rc (*read)(void *arg, uint64_t off,
						      char *dst, size_t len),
				      void *arg, struct diag *d);

/* The body becomes the content of dst, allocated once at its size. RC_ENOENT;
 * RC_ELIMIT: larger than dst->max; RC_EIO: pieces are missing. */
MUST_CHECK enum rc journal_base_read(struct journal *j, const char *id,
				     struct buf *dst, struct diag *d);

/* Moves the position of a base without touching its body. RC_ENOENT. */
MUST_CHECK enum rc journal_base_serial(struct journal *j, const char *id,
				       uint64_t serial, struct diag *d);

/* A base that is not there is fine. */
MUST_CHECK enum rc journal_base_drop(struct journal *j, const char *id,
				     struct diag *d);

/* Every base in byte order of id; what is lent is valid during the call. The
 * callback must neither write to the journal nor start the same walk again; its
 * first result that is not RC_OK ends the walk and is returned. */
MUST_CHECK enum rc journal_base_each(struct journal *j,
				     enum rc (*each)(void *arg,
					const struct journal_base *base),
				     void *arg, struct diag *d);

/* --- updates: the log of one session ------------------------------------- */

/* Appends update serial, which must be prev + 1, where prev is the head.
 * RC_EGAP: it is not; RC_ELIMIT: over JOURNAL_UPDATE_MAX. */
MUST_CHECK enum rc journal_update_add(struct journal *j, uint64_t serial,
				      uint64_t prev, const void *data,
				      size_t len, struct diag *d);

/* Every update with a serial of from or above, oldest first, as
 * journal_base_each(). RC_EGAP: from is older than the oldest held or beyond
 * head + 1. from = head + 1 is RC_OK with no call; from = 0: all there are. */
MUST_CHECK enum rc journal_update_each(struct journal *j, uint64_t from,
				       enum rc (*each)(void *arg,
						       uint64_t serial,
						       const void *data,
						       size_t len),
				       void *arg, struct diag *d);

/* Forgets from the old end until at most max_count updates of at most
 * max_bytes together are left. The head stays. */
MUST_CHECK enum rc journal_update_trim(struct journal *j, uint64_t max_count,
				       uint64_t max_bytes, struct diag *d);

/* Forgets all updates; the next one must follow head: 0 for a new session, or
 * the serial a pull jumped to. */
MUST_CHECK enum rc journal_update_clear(struct journal *j, uint64_t head,
					struct diag *d);

/* --- a copy, made while it is in use -------------------------------------- */

/* The copy is made a piece at a time, so that publications go on in between; what
 * they write is in it. It stands beside the journal, JOURNAL_COPY and some digits,
 * mode 0600, and opens as a journal of its own under the name JOURNAL_FILE. */
#define JOURNAL_COPY	"journal.copy."

struct journal_copy;

/* Whole copies wait to be taken away for so long; then they go with the next one, or
 * by journal_copy_tidy(), or when the journal is opened. */
#define JOURNAL_COPY_WAITS_S	60
#define JOURNAL_COPIES_MAX	4

/* RC_EAGAIN: JOURNAL_COPIES_MAX of them wait. The copy ends before its journal. */
MUST_CHECK enum rc journal_copy_begin(struct journal *j,
				      struct journal_copy **out,
				      struct diag *d);
/* RC_EAGAIN: there is more; not inside a transaction. RC_OK: whole and on disk. */
MUST_CHECK enum rc journal_copy_step(struct journal_copy *c, struct diag *d);
void journal_copy_tidy(const struct journal *j);
const char *journal_copy_path(const struct journal_copy *c);
uint64_t journal_copy_bytes(const struct journal_copy *c);	/* when whole */
/* Removes the file unless it is whole; NULL is fine. */
void journal_copy_free(struct journal_copy *c);

/* --- status -------------------------------------------------------------- */

struct journal_sizes {
	uint64_t updates;	/* how many */
	uint64_t update_bytes;
	uint64_t first;		/* serial; 0 when there are none */
	uint64_t last;		/* serial of the last update, or what the
				 * last clear set */
	uint64_t file_bytes;	/* journal.db */
	uint64_t wal_bytes;	/* journal.db-wal */
};

MUST_CHECK enum rc journal_sizes(struct journal *j, struct journal_sizes *out,
				 struct diag *d);

const char *journal_path(const struct journal *j);

#endif
