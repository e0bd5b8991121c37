/* upstream.h - the connection to a publisher: bytes to and from the writer.
 *
 * Where to connect, when, and what the bytes mean is the writer's business
 * (proto/sub): whatever happens here becomes a message to it, under the number that
 * it gave the connection, so that a late one is known. Loop thread only.
 */
#ifndef ALTOCAST_SERVICE_UPSTREAM_H
#define ALTOCAST_SERVICE_UPSTREAM_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/rc.h"
#include "common/net/tls.h"
#include "common/sys/mailbox.h"

struct loop;
struct upstream;

/* To the writer. */
#define MSG_UP_OPEN	10
#define MSG_UP_FRAME	11
#define MSG_UP_CLOSED	12	/* text: why; it was open or connecting */
#define UPSTREAM_REFUSED "refused: "	/* stands in it when the upgrade was refused */
struct msg_upstream {
	struct msg msg;
	uint64_t conn;			/* number of the connection */
	char *text;			/* malloc; NULL for OPEN */
	size_t len;
};
void msg_upstream_free(struct msg_upstream *m);

struct upstream_config {
	struct mailbox *writer;
	size_t message_max;		/* bytes of a frame */
	unsigned connect_s, ping_s, dead_s;
};

/* Lent for the call. */
struct upstream_target {
	const char *uri;		/* ws:// or wss:// */
	const char *authorization;	/* header value; NULL: none */
	struct tls_trust tls;
};

MUST_CHECK enum rc upstream_new(struct loop *l,
                                const struct upstream_config *cfg,
                                struct upstream **out);
void upstream_free(struct upstream *u);			/* NULL is fine */
/* Says good-bye to the publisher; nothing is connected again. */
void upstream_leave(struct upstream *u);

/* Connects at once; the connection before is closed first, without a message. A
 * failure comes as MSG_UP_CLOSED. */
void upstream_connect(struct upstream *u, uint64_t conn,
                      const struct upstream_target *to);
/* For connection conn; nothing when it is gone. A connection that is closed here
 * tells nothing any more. */
void upstream_send(struct upstream *u, uint64_t conn, const char *text,
                   size_t len);
void upstream_close(struct upstream *u, uint64_t conn, int code,
                    const char *reason);

#endif
