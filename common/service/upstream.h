/* upstream.h - the connection to a publisher: connecting, backing off, bytes.
 *
 * What the bytes mean is the writer's business (proto/sub): whatever happens here
 * becomes a message to it, numbered by connection so that a late one is known.
 * Loop thread only.
 */
#ifndef ALTOCAST_SERVICE_UPSTREAM_H
#define ALTOCAST_SERVICE_UPSTREAM_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/sys/mailbox.h"

struct loop;
struct upstream;

/* To the writer. */
#define MSG_UP_OPEN	10
#define MSG_UP_FRAME	11
#define MSG_UP_CLOSED	12	/* text: why; it was open or connecting */
#define MSG_UP_DUE	13	/* the pause is over: say where to connect */
struct msg_upstream {
	struct msg msg;
	uint64_t conn;			/* number of the connection */
	char *text;			/* malloc; NULL for OPEN and DUE */
	size_t len;
};
void msg_upstream_free(struct msg_upstream *m);

struct upstream_config {
	struct mailbox *writer;
	size_t message_max;		/* bytes of a frame */
	unsigned connect_s, ping_s, dead_s;
	uint64_t backoff_min_ms, backoff_max_ms;
};

MUST_CHECK enum rc upstream_new(struct loop *l,
                                const struct upstream_config *cfg,
                                struct upstream **out);
void upstream_free(struct upstream *u);			/* NULL is fine */
/* Says good-bye to the publisher; nothing is connected again. */
void upstream_leave(struct upstream *u);

/* Connects at once; an open connection is closed first. authorization may be
 * NULL. Failure to connect comes as MSG_UP_CLOSED. RC_EINVAL: not a URI. */
MUST_CHECK enum rc upstream_connect(struct upstream *u, const char *uri,
                                    const char *authorization,
                                    struct diag *d);
/* For connection conn; nothing when it is gone. */
void upstream_send(struct upstream *u, uint64_t conn, const char *text,
                   size_t len);
void upstream_close(struct upstream *u, uint64_t conn, int code,
                    const char *reason);

/* After a pause MSG_UP_DUE comes: retry_after (at most max), and full jitter in
 * 0 .. min * 2^tries (at most max). */
void upstream_pause(struct upstream *u, unsigned retry_after_s);
/* Something was served: the next pause starts from the minimum. */
void upstream_good(struct upstream *u);

#endif
