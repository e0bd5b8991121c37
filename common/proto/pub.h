/* pub.h - the publisher's half of the push protocol for one subscriber, without
 * a socket.
 *
 * The caller feeds frames in (pub_frame) and asks what to send whenever the
 * connection can take something (pub_next). A subscriber is a cursor into the
 * shared log: nothing queues up for it. Same input, same output. Source:
 * docs/protocol.md s5, s6. Loop thread.
 */
#ifndef ALTOCAST_PROTO_PUB_H
#define ALTOCAST_PROTO_PUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/core/history.h"
#include "common/core/snapshot.h"
#include "common/proto/keys.h"
#include "common/wire/frame.h"

/* What all subscribers share; the caller keeps it current. head is the snapshot
 * of the last publication handled, log leads up to it. */
struct pub_world {
	const struct history *log;
	struct snapshot *head;		/* NULL: nothing to offer yet */
	bool origin;			/* the server, not a proxy */
	const struct keys *own;		/* origin: keys it has signed with */
	bool share_order;		/* the caller makes the text of `snapshot`,
					 * once for all that get the same one */
	struct frame_path path;		/* up to and with this daemon */
	unsigned heartbeat;		/* seconds */
	uint64_t message_max;
	uint64_t received_max;		/* bytes of a frame from a subscriber */
};

enum pub_do {
	PUB_IDLE,	/* nothing to send now */
	PUB_TEXT,	/* send text (lent until the next call) */
	PUB_SNAPSHOT,	/* send the `snapshot` of world->head (share_order) */
	PUB_UPDATE,	/* send update's text (lent) */
	PUB_CLOSE	/* send text (a bye) if any, then close with code */
};

struct pub_out {
	enum pub_do what;
	const char *text;
	size_t len;
	struct update *update;
	int code;		/* enum close_code */
};

/* What a frame told us. */
enum pub_news {
	PUB_NEWS_NONE,
	PUB_NEWS_SUBSCRIBED,
	PUB_NEWS_ACK,
	PUB_NEWS_AHEAD,		/* origin: it holds, under our signature, what we do
				 * not know: history was lost. A new session above
				 * pub_have() is due, then pub_resync(); else
				 * pub_behind() */
	PUB_NEWS_ALIVE,
	PUB_NEWS_CREDENTIALS,	/* pub_token(): what it shows from now on */
	PUB_NEWS_BYE,
	PUB_NEWS_ERROR
};

struct pub;

/* world outlives it. now_ms: wall clock, for `hello`. */
MUST_CHECK enum rc pub_new(const struct pub_world *world, int64_t now_ms,
                           struct pub **out);
void pub_free(struct pub *p);				/* NULL is fine */

/* A frame that came. A breach of the protocol is no error of the call: pub_next()
 * gives an `error` with the reason, then PUB_CLOSE, and d (may be NULL) says why.
 * RC_ENOMEM. */
MUST_CHECK enum rc pub_frame(struct pub *p, const char *text, size_t len,
                             enum pub_news *news, struct diag *d);

/* What to send next; call again until PUB_IDLE. */
MUST_CHECK enum rc pub_next(struct pub *p, struct pub_out *out);

/* `alive` needs no call: a cursor at the head is sent the newest signature of
 * world->head whenever it was not sent that one yet.
 * The log was emptied or a new session begun: the subscriber is owed a
 * snapshot. reason is static text. */
void pub_resync(struct pub *p, const char *reason);
/* After PUB_NEWS_AHEAD, when there will be no new session. */
void pub_behind(struct pub *p, const char *reason);
/* End it: the next pub_next() says PUB_CLOSE. */
void pub_close(struct pub *p, enum close_code code, unsigned retry_after);

bool pub_subscribed(const struct pub *p);
bool pub_at_head(const struct pub *p);		/* nothing is owed */
/* It is owed a `snapshot`, or has not acked the one that it was sent. */
bool pub_pulling(const struct pub *p);
const char *pub_name(const struct pub *p);	/* "" before `subscribe` */
/* Of the last frame, until the next: what it shows; NULL: that was another. */
const char *pub_token(const struct pub *p);
const char *pub_uri(const struct pub *p);
const char *pub_push_uri(const struct pub *p);
const struct position *pub_have(const struct pub *p);	/* of `subscribe` */
const struct position *pub_acked(const struct pub *p);
/* As last told; never itself, and no name that nobody could have. */
const struct frame_below *pub_below(const struct pub *p, size_t *n);
uint64_t pub_sent(const struct pub *p);		/* serial of the cursor */
enum frame_mode pub_mode(const struct pub *p);	/* of the last `subscribed` */
const char *pub_reason(const struct pub *p);	/* of that mode */
/* Counters of this connection. */
struct pub_counts {
	uint64_t updates, snapshots, bytes;
};
const struct pub_counts *pub_counts(const struct pub *p);

#endif
