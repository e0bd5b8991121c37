/* push.h - the subscribers of this daemon: listener, connections, cursors.
 *
 * One log of encoded updates for all; a subscriber is a cursor into it. Sends are
 * made as connections can take them, never queued. Loop thread only.
 */
#ifndef ALTOCAST_SERVICE_PUSH_H
#define ALTOCAST_SERVICE_PUSH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/core/snapshot.h"
#include "common/core/update.h"
#include "common/net/ws.h"
#include "common/proto/pub.h"
#include "common/service/status.h"

struct guard;
struct loop;
struct push;
struct tls_identity;

struct push_config {
	const char *addr;		/* numeric */
	uint16_t port;			/* 0: a free one */
	struct ws_limits limits;	/* one more than max_conns gets a 503 */
	size_t log_count, log_bytes;	/* the log's bounds */
	uint64_t message_max;		/* bytes of an update */
	unsigned heartbeat;		/* seconds, told in `hello` */
	unsigned slow_s;		/* one that takes nothing for so long while
					 * something is owed is closed */
	bool origin;
	const struct keys *own;		/* origin: keys it signed with; lent */
	const char *instance;		/* UUID of this run; lent */
	struct status *status;
	struct guard *guard;		/* who may subscribe; referenced */
	struct tls_identity *tls;	/* referenced; NULL: plain */
	bool ask_certificate;		/* of subscribers, who may have none */
	/* A subscriber proves that history was lost; have: what it holds. */
	void (*ahead)(const struct position *have, void *arg);
	/* Somebody came, went, acked or announced something. */
	void (*changed)(void *arg);
	void *arg;
};

MUST_CHECK enum rc push_new(struct loop *l, const struct push_config *cfg,
                            struct diag *d, struct push **out);
uint16_t push_port(const struct push *p);
/* From now on nobody may subscribe: 503, for this reason (a static text). */
void push_refuse(struct push *p, const char *why);
/* Certificates, tokens, subscribers were read again; NULL: as before. Those who
 * could not subscribe like that any more are told 4004, if their name has a token or
 * certificate still, else 4005; the others stay. On failure
 * (of ws_set_identity()) nothing has changed. */
MUST_CHECK enum rc push_renew(struct push *p, struct guard *g,
                              struct tls_identity *tls);
const struct guard *push_guard(const struct push *p);	/* lent, till renewed */
/* Takes no new connections, and says good-bye to each subscriber at a random time
 * within over_ms. They are asked to stay away for as long, so that they come back
 * spread as they went, to whoever is here then. Again with less: sooner. */
void push_drain(struct push *p, uint64_t over_ms);
/* Says good-bye to all at once and stops listening; closing goes on in the loop. */
void push_stop(struct push *p, unsigned retry_after);
void push_free(struct push *p);				/* NULL is fine */

/* At start: the log as it was restored (or empty), leading up to head. */
MUST_CHECK enum rc push_start(struct push *p, const struct state *log_start,
                              struct update *const *updates, size_t n,
                              struct snapshot *head);
/* A publication has been journalled and served. References what it keeps. */
MUST_CHECK enum rc push_publish(struct push *p, struct snapshot *next,
                                struct update *const *updates, size_t n,
                                bool jump, bool session);
/* There will be no new session for those who are ahead. */
void push_refuse_session(struct push *p, const char *reason);
/* A proxy: the daemons above it, origin first (from its publisher's hello). */
void push_set_path(struct push *p, const struct frame_path *above);
void push_set_heartbeat(struct push *p, unsigned seconds);
/* Calls ordered() whenever a `snapshot` of a head is written, which is once for all
 * that are sent the same one: its bodies are about to be asked for. */
void push_on_order(struct push *p,
                   void (*ordered)(struct snapshot *head, void *arg),
                   void *arg);

/* One line of status for each subscriber, lent during the call. */
struct push_info {
	const struct pub *pub;
	const char *peer;
	uint64_t connected_ms;		/* monotonic */
	uint64_t behind_ms;		/* since when it has not acked the head;
					 * 0: it has */
	size_t pending;			/* bytes the socket has not taken */
};
void push_each(const struct push *p,
               void (*each)(const struct push_info *i, void *arg), void *arg);
/* Who subscribes here, then those that were told of in their `below`, up to max;
 * each name once: a direct one as it is seen here, else where it is furthest. Never
 * the teller itself, and no URI that does not fit. Returns how many. */
size_t push_below(const struct push *p, struct frame_below *out, size_t max);
size_t push_count(const struct push *p);	/* subscribed ones */
size_t push_connections(const struct push *p);	/* all that are open */
/* Log: updates, bytes, oldest serial that can be resumed from. */
void push_log(const struct push *p, size_t *count, size_t *bytes,
              uint64_t *oldest);
/* When serial was published, in Unix seconds; 0: the log does not reach back. */
int64_t push_published(const struct push *p, uint64_t serial);

#endif
