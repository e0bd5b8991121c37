/* work.h - the set of resources a subscriber works on, beside the one it serves.
 *
 * Each resource is here, or wanted: ordered at a position, under a leaf, and to be
 * fetched. A body that was fetched stands at the ordered position if its leaf is
 * the ordered one, else at the position of its own headers, above that one (HTTP
 * is ahead of the push channel), or, of another session, at WORK_BEYOND. Changes up
 * to a resource's position are skipped, later ones apply in order. Bodies survive a
 * new order: they are kept in stock until the set has been served. Part of sub; same
 * thread.
 */
#ifndef ALTOCAST_PROTO_WORK_H
#define ALTOCAST_PROTO_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/core/snapshot.h"
#include "common/wire/frame.h"

#define WORK_TRIES_MAX 4	/* fetches of one body, the first one too */
#define WORK_BEYOND UINT64_MAX	/* ahead of every serial */

struct work;

MUST_CHECK enum rc work_new(struct work **out);
void work_free(struct work *w);				/* NULL is fine */

/* The set is what is served, nothing is wanted; what else there was becomes
 * stock. held may be NULL: an empty set. */
MUST_CHECK enum rc work_hold(struct work *w, const struct snapshot *held);
/* The set is these leaves at this position; what is not at hand is wanted, within
 * so many seconds. What was wanted before under the same leaf is neither asked for
 * twice nor given more tries. */
MUST_CHECK enum rc work_order(struct work *w, const struct leaf_set *leaves,
                              const struct snapshot *held, unsigned within);
/* The set has been served: the stock can go. */
void work_served(struct work *w);

/* One change of the update with this serial. A patch that does not fit makes
 * the resource wanted (*refused, d says why), and is no error of the call.
 * RC_EPROTO: a patch for a resource that is not in the set. RC_ENOMEM. */
MUST_CHECK enum rc work_change(struct work *w, const struct change *c,
                               uint64_t serial, bool *refused,
                               struct diag *d);

/* The next thing to fetch, its IRD first: marks it as asked for, with a number of
 * its own. false: none. */
struct work_ask {
	const char *id;
	uint64_t number, size;
	bool again;		/* an earlier try failed */
	unsigned within;	/* at most 30, whatever was ordered */
};
bool work_fetch(struct work *w, struct work_ask *out);
/* Is this body still to come? The leaf ordered for it, else NULL. */
const char *work_wanted(const struct work *w, const char *id, uint64_t *at);
/* A body that arrived, and whose headers were found good. */
struct work_body {
	const char *id, *leaf;
	uint64_t at;		/* serial it stands at */
	int64_t created;	/* of its own headers, when it stands by them; 0:
				 * by its leaf */
	const char *body;
	size_t len;
};
/* RC_EDIGEST and the reader's errors: as work_failed(). */
MUST_CHECK enum rc work_body(struct work *w, const struct work_body *b,
                             struct diag *d);
/* It did not: wanted again, unless another number is waited for. false: no tries
 * are left; they begin anew. */
bool work_failed(struct work *w, const char *id, uint64_t number);
/* Nobody is waited for any more, and the tries begin anew. */
void work_forget(struct work *w);

/* Is everything here, and nothing ahead of serial? */
bool work_complete(const struct work *w, uint64_t serial);
/* Is a body still to come? */
bool work_wants(const struct work *w);
/* The bytes of those. */
uint64_t work_owed(const struct work *w);
/* Does a body stand above serial? */
bool work_ahead(const struct work *w, uint64_t serial);
/* Does one stand above this state by headers that are older than it? Time goes one
 * way, so one of the two is not what was published. */
bool work_denied(const struct work *w, const struct state *st);
/* The root that the leaves of the set give, also of bodies that are still to
 * come. RC_EAGAIN: something here is ahead of serial. RC_ENOMEM. */
MUST_CHECK enum rc work_root(const struct work *w, uint64_t serial,
                             uint8_t root[SHA256_SIZE]);
struct resource *work_get(const struct work *w, const char *id); /* or NULL */
/* A snapshot of the set under this state. RC_EDIGEST: the set does not give the
 * state's root. */
MUST_CHECK enum rc work_snapshot(const struct work *w, const struct state *st,
                                 struct snapshot **out);

#endif
