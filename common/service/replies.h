/* replies.h - what the ALTO endpoints answer with, made once and shared.
 *
 * Holds one version, the newest that was asked for: per resource a body (in one
 * piece up to REPLIES_FLAT_MAX, else read piece by piece) and the replies 200
 * and 304 over it, with the header block of the version's state. A body that
 * did not change is carried over to the next version. Any thread.
 */
#ifndef ALTOCAST_SERVICE_REPLIES_H
#define ALTOCAST_SERVICE_REPLIES_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/rc.h"
#include "common/core/snapshot.h"
#include "common/net/http.h"

#define REPLIES_FLAT_MAX (8u << 20)

struct replies;

/* As alto_http_config. RC_ENOMEM. */
MUST_CHECK enum rc replies_new(unsigned heartbeat, const char *push_uri,
                               struct replies **out);
void replies_free(struct replies *all);		/* NULL is fine */

struct replies_want {
	struct snapshot *s;		/* the version */
	size_t i;			/* resource in it; the count: /state */
	int64_t now;			/* Unix seconds */
	const char *if_none_match;	/* NULL: none */
	uint64_t size;			/* out: bytes of the body in full */
};

/* The reply, counted for the caller; NULL: out of memory. */
struct http_reply *replies_get(struct replies *all, struct replies_want *w);

/* Lets go of the version before s, if one was asked for at all. */
void replies_turn(struct replies *all, struct snapshot *s);

void replies_set_heartbeat(struct replies *all, unsigned seconds);
unsigned replies_heartbeat(const struct replies *all);

/* Seconds since the state was signed; 0 when that lies ahead. */
int64_t replies_age(const struct state *st, int64_t now);

#endif
