/* replies.h - what full maps and /state are answered with, made once and shared.
 *
 * Holds one version, the newest that was asked for: per resource and coding a
 * body (identity in one piece up to VERSION_FLAT_MAX, else read piece by piece)
 * and the replies 200 and 304 over it, with the header block of the version's
 * state. Bodies that did not change are carried over to the next version.
 *
 * gzip and zstd are made by a thread of its own: for a resource that somebody
 * asked for so, or that many are about to ask for, and from then on for each of its
 * versions; identity is served until they are ready, and instead of them when they
 * would not be smaller or the body is over CODINGS_BODY_MAX. Any thread may call.
 */
#ifndef ALTOCAST_SERVICE_REPLIES_H
#define ALTOCAST_SERVICE_REPLIES_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/rc.h"
#include "common/core/snapshot.h"
#include "common/net/http.h"
#include "common/service/choice.h"
#include "common/service/cors.h"
#include "common/service/status.h"

struct replies;

struct replies_config {
	unsigned heartbeat;		/* seconds */
	const char *push_uri;		/* copied; said with the IRD; "" none */
	const struct cors *cors;	/* lent until replies_free() */
	struct status *status;		/* the same */
};

/* RC_ENOMEM. */
MUST_CHECK enum rc replies_new(const struct replies_config *cfg,
                               struct replies **out);
/* Waits for a body that is just being coded: up to a second or two if that is
 * large. NULL is fine. */
void replies_free(struct replies *all);

struct replies_want {
	struct snapshot *s;		/* the version */
	size_t i;			/* resource in it; the count: /state */
	int64_t now;			/* Unix seconds */
	struct wish wish;
	const char *allow;		/* cors_allow() */
	uint64_t size;			/* out: bytes of the body; with 416 of
					 * the resource */
	unsigned refused;		/* out: 406 no coding is taken, 416, 503 one
					 * that is taken is being made */
};

/* The reply, counted for the caller. NULL: w->refused says why, or 0: out of
 * memory. */
struct http_reply *replies_get(struct replies *all, struct replies_want *w);

/* Lets go of the version before s, if one was asked for at all. */
void replies_turn(struct replies *all, struct snapshot *s);

/* Proxies have been ordered to fetch what s holds: it is coded before they come, as
 * their client likes it best, and so are the versions that follow. */
void replies_ahead(struct replies *all, struct snapshot *s);

void replies_set_heartbeat(struct replies *all, unsigned seconds);
unsigned replies_heartbeat(const struct replies *all);

#endif
