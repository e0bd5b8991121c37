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

struct loop;
struct push;

/* Who may subscribe under which name. */
struct push_token {
	char name[IRD_NAME_MAX + 1];
	char *token;			/* of the header "Bearer TOKEN" */
};

struct push_config {
	const char *addr;		/* numeric */
	uint16_t port;			/* 0: a free one */
	struct ws_limits limits;
	size_t log_count, log_bytes;	/* the log's bounds */
	uint64_t message_max;		/* bytes of an update */
	unsigned heartbeat;		/* seconds, told in `hello` */
	unsigned slow_s;		/* one that takes nothing for so long while
					 * something is owed is closed */
	bool origin;
	const struct keys *own;		/* origin: keys it signed with; lent */
	const char *instance;		/* UUID of this run; lent */
	struct status *status;
	bool anonymous;			/* those without a token may too */
	const struct push_token *tokens;	/* lent */
	size_t n_tokens;
	/* A subscriber proves that history was lost; have: what it holds. */
	void (*ahead)(const struct position *have, void *arg);
	/* Somebody came, went, acked or announced something. */
	void (*changed)(void *arg);
	void *arg;
};

MUST_CHECK enum rc push_new(struct loop *l, const struct push_config *cfg,
                            struct diag *d, struct push **out);
uint16_t push_port(const struct push *p);
/* Says good-bye to all and stops listening; closing goes on in the loop. */
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
size_t push_count(const struct push *p);	/* subscribed ones */
size_t push_connections(const struct push *p);	/* all that are open */
/* Log: updates, bytes, oldest serial that can be resumed from. */
void push_log(const struct push *p, size_t *count, size_t *bytes,
              uint64_t *oldest);
/* When serial was published, in Unix seconds; 0: the log does not reach back. */
int64_t push_published(const struct push *p, uint64_t serial);

#endif
