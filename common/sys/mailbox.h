/* mailbox.h - messages to one thread, with a bell.
 *
 * Any thread posts; one thread, the owner, takes. Messages are intrusive: the
 * sender allocates a struct that begins with struct msg, the taker frees it.
 * Two ways to hear of them: the owner blocks in mailbox_wait(), or a bell is
 * rung when the box goes from empty to not empty (the loop's wake-up). Order is
 * kept. Count and bytes have a ceiling; a full box refuses what comes.
 */
#ifndef ALTOCAST_SYS_MAILBOX_H
#define ALTOCAST_SYS_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/rc.h"

struct msg {
	struct msg *next;	/* the box's own while the message is inside */
	size_t size;		/* what it costs: the struct and what it owns */
	int kind;		/* for sender and taker */
};

struct mailbox;

#define MAILBOX_FOREVER UINT64_MAX

/* The caller owns *out. RC_EINVAL: a ceiling of 0. RC_ENOMEM. */
MUST_CHECK enum rc mailbox_new(size_t max_count, size_t max_bytes,
			       struct mailbox **out);

/* No thread may use it any more. drop (may be NULL when nothing can be left)
 * gets each message that was never taken. NULL is fine. */
void mailbox_free(struct mailbox *m, void (*drop)(struct msg *msg));

/* The bell. Set before the first post; it is called on the sender's thread with
 * no lock held, once for each time the box goes from empty to not empty (and
 * at mailbox_close()). */
void mailbox_bell(struct mailbox *m, void (*ring)(void *arg), void *arg);

/* Gives msg away. RC_EAGAIN: full; RC_EINVAL: closed. On failure msg still
 * belongs to the sender. A message larger than max_bytes is taken by an empty
 * box: it could never be sent otherwise. */
MUST_CHECK enum rc mailbox_post(struct mailbox *m, struct msg *msg);

/* Everything inside, oldest first, linked by next; NULL when empty. Never
 * blocks. Owner only. */
struct msg *mailbox_take(struct mailbox *m);

/* The same, but waits up to timeout_ms (0: not at all, MAILBOX_FOREVER) for a
 * message. NULL: the time is over or the box was closed and is empty. */
struct msg *mailbox_wait(struct mailbox *m, uint64_t timeout_ms);

/* No more posts; wakes the owner, who still gets what is inside. Any thread. */
void mailbox_close(struct mailbox *m);

bool mailbox_closed(struct mailbox *m);		/* any thread */
size_t mailbox_count(struct mailbox *m);	/* any thread, for status */

#endif
