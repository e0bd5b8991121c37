/* publish.h - the tail of every change: journal, slot, loop, in this order.
 *
 * The order is what makes a crash harmless: a version that anybody has seen is in
 * the journal. What answers are computed from (catalog.h) is made before, so that
 * no request ever waits for it. The log of updates and the bases there give the
 * newest snapshot back (restore.h). Writer thread.
 */
#ifndef ALTOCAST_SERVICE_PUBLISH_H
#define ALTOCAST_SERVICE_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/core/snapshot.h"
#include "common/core/update.h"
#include "common/sys/journal.h"
#include "common/sys/mailbox.h"
#include "common/sys/slot.h"
#include "common/wire/catalog.h"

/* Names of values in the journal. */
#define META_STATE	"state"		/* the newest triple, one line each */
#define META_LOG_START	"log-start"	/* triple that the log leads on from */
#define META_CHANGED	"changed:"	/* + id: serial it last changed at */
#define META_SERVICE	"service"
#define META_KEYS	"keys"		/* trusted keys, JWK set */

/* To the loop: a new snapshot, and how it was reached. */
#define MSG_PUBLISHED	1
struct msg_published {
	struct msg msg;
	struct snapshot *next;		/* referenced */
	size_t n;
	struct update **updates;	/* referenced; lead up to next */
	bool jump;			/* they do not: the log starts at next */
	bool session;			/* a new session: all are owed a snapshot */
};
void msg_published_free(struct msg_published *m);

struct publish {
	struct journal *journal;
	struct slot *slot;
	struct mailbox *loop;		/* of the loop thread */
	struct catalog *catalog;	/* of what is served; NULL at first */
	size_t log_count, log_bytes;	/* what the log keeps at least */
};

struct publication {
	struct snapshot *next;
	struct snapshot *prev;		/* what was served; NULL: nothing */
	struct update *const *updates;	/* prev to next; none: next is prev with
					 * a later signature */
	size_t n;
	bool jump;			/* updates do not lead from prev */
	bool session;
	bool fleeting;			/* served, and not journalled */
	/* More to write in the same transaction; may be NULL. */
	enum rc (*also)(struct journal *j, void *arg, struct diag *d);
	void *arg;
};

/* RC_OK: on disk, served, and on its way to the loop. On failure nothing has
 * changed; d says why. */
MUST_CHECK enum rc publish(struct publish *p, const struct publication *pub,
                           struct diag *d);

/* The start alone: serves what the journal gave back. RC_ENOMEM. */
MUST_CHECK enum rc publish_restored(struct publish *p, struct snapshot *s);
void publish_end(struct publish *p);	/* lets go of what p itself holds */

/* Keeps the log within its bounds: rewrites bases that its oldest updates are
 * still needed for, then trims. Call when there is time; cheap when there is
 * nothing to do. */
MUST_CHECK enum rc publish_tidy(struct publish *p, struct snapshot *now,
                                struct diag *d);

/* Updates whose bodies travel apart (CHANGE_PULL) cannot be replayed from their
 * text: publish() writes the bases of those resources. */

#endif
