/* sub.h - the subscriber's half of the push protocol, without a socket.
 *
 * The caller feeds what arrived (frames, pulled bodies, time) and then asks
 * sub_next() what to do until it says SUB_WAIT. Same input, same output, so a test
 * can replay any lost, doubled or forged frame. Source: docs/protocol.md s4.3, s4.5,
 * s6.
 *
 * It works on a set beside the one that is served: updates and pulled bodies go
 * in there, and only when all of it gives the root of a state whose signature
 * holds is it handed out, whole (SUB_PUBLISH). Every surprise ends the connection
 * with a reason (SUB_REOPEN) and starts again from what is held; nothing is
 * guessed. Bodies that were pulled are kept through that. Writer thread.
 */
#ifndef ALTOCAST_PROTO_SUB_H
#define ALTOCAST_PROTO_SUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/rc.h"
#include "common/core/snapshot.h"
#include "common/core/update.h"
#include "common/proto/keys.h"
#include "common/wire/frame.h"

/* Why the subscriber fell back; each has a counter. */
#define SUB_REASON_LIST(X) \
	X(GAP,       "gap")		/* a serial is missing */ \
	X(MISMATCH,  "mismatch")	/* root or tag differs after applying */ \
	X(PATCH,     "patch")		/* a patch does not fit */ \
	X(SIGNATURE, "signature")	/* a state's signature is wrong */ \
	X(KEY,       "key")		/* signed by a key that is not trusted */ \
	X(CLOCK,     "clock")		/* signed in our future */ \
	X(FORK,      "fork")		/* same position, other root */ \
	X(LOWER,     "lower")		/* it offers less than we hold */ \
	X(SERVICE,   "service")		/* another service */ \
	X(LOOP,      "loop")		/* our own id in its path */ \
	X(PULL,      "pull")		/* a body could not be had */ \
	X(OVERFLOW,  "overflow")	/* too much waits for a body */ \
	X(PROTOCOL,  "protocol")	/* not the protocol we speak */ \
	X(BYE,       "bye")		/* it said good-bye */ \
	X(CLOSED,    "closed")		/* the connection went away */ \
	X(SILENT,    "silent")		/* nothing heard */ \
	X(ROUNDS,    "rounds")		/* pull: it changes faster than it comes */ \
	X(EXPIRED,   "expired")		/* pull: it offers what has expired */

enum sub_reason {
#define X(name, text) SUB_##name,
	SUB_REASON_LIST(X)
#undef X
	SUB_REASONS
};
const char *sub_reason_text(enum sub_reason r);

enum sub_do {
	SUB_WAIT,	/* nothing until the next input */
	SUB_SEND,	/* text: a frame for the publisher */
	SUB_FETCH,	/* get id at uri (relative to the directory) */
	SUB_PUBLISH,	/* next: verified; journal it, serve it, then sub_served() */
	SUB_REOPEN,	/* close (code), connect again after a pause; pull: the
			 * round is over, poll again after a pause */
	SUB_POLL	/* pull: the round did not close; get the state document
			 * again, at once, no-cache */
};

struct sub_act {
	enum sub_do what;
	const char *text;		/* SEND: lent until the next call */
	size_t len;
	char id[ID_MAX + 1];		/* FETCH */
	char uri[IRD_URI_MAX + 1];	/* FETCH */
	bool no_cache;			/* FETCH, POLL */
	unsigned within;		/* FETCH: spread over so many seconds */
	uint64_t number;		/* FETCH: for its sub_body */
	uint64_t size;			/* FETCH: bytes of the body ordered; one that
					 * is ahead of the order may have others */
	struct snapshot *next;		/* PUBLISH: lent */
	struct update *const *updates;	/* PUBLISH: lent; lead from the state
					 * served before to next, */
	size_t n_updates;		/* or, when jump, to be forgotten */
	bool jump;
	enum sub_reason reason;		/* REOPEN */
	char why[200];			/* REOPEN: for the log */
	int code;			/* REOPEN: enum close_code */
	unsigned retry_after;		/* REOPEN: seconds asked for, or 0 */
};

struct sub_config {
	char name[IRD_NAME_MAX + 1];
	char uri[IRD_URI_MAX + 1], push[IRD_URI_MAX + 1];	/* own, or "" */
	char instance[UUID_TEXT + 1];	/* own id, to see loops */
	char service[UUID_TEXT + 1];	/* expected; "": the first one's */
	size_t waiting_max;		/* bytes of updates that wait for bodies */
	bool at_origin;			/* `directory` is the origin's own name,
					 * verified: the first IRD is believed */
};

struct sub_counts {
	uint64_t updates;		/* applied */
	uint64_t refused;		/* patches that did not fit: fetched */
	uint64_t heartbeats;
	uint64_t fetches;
	uint64_t published;
	uint64_t reopened[SUB_REASONS];
	uint64_t forks;
};

struct sub;

/* held (may be NULL): what is served now, verified before; referenced. keys: the
 * trusted set and the pins; copied. */
MUST_CHECK enum rc sub_new(const struct sub_config *cfg,
                           const struct keys *keys, struct snapshot *held,
                           struct sub **out);
void sub_free(struct sub *s);				/* NULL is fine */

/* Pull mode, and a stand-in while the push channel is down: `/state` was had from
 * the upstream, the set that it lists is ordered as by `snapshot`. While a connection
 * is open, or bodies of an order are on their way, it is not looked at. sub_opened()
 * ends a round. Bodies that HTTP has ahead of the order make SUB_POLL: what is here
 * stays, what differs is asked for again; after SUB_ROUNDS_MAX orders that did not
 * close SUB_REOPEN with SUB_ROUNDS. The round is over at SUB_PUBLISH carried out, at
 * SUB_REOPEN, or at once when nothing differs: sub_polling() says. */
#define SUB_ROUNDS_MAX 3
MUST_CHECK enum rc sub_polled(struct sub *s, const struct leaf_set *set,
                              int64_t now);
bool sub_polling(const struct sub *s);
/* The same for a state that the operator wants to be believed, from the origin
 * itself over verified TLS: a lower position or another root at the same one is
 * taken, if its `created` is later than that of what is held (else RC_ERULE, d says
 * so; RC_EEXIST: it is what is held, and nothing begins; RC_ETIME; RC_EAGAIN: a
 * connection is open). A key that nobody knows is taken
 * too, if the IRD of that state lists it and no other is pinned. It holds for this
 * very state and this round: what SUB_POLL brings goes to sub_trust() again. With
 * another root at the position held, SUB_PUBLISH is a jump, though the position
 * stays. */
MUST_CHECK enum rc sub_trust(struct sub *s, const struct leaf_set *set,
                             int64_t now, struct diag *d);
/* The origin's own `/directory`, had over verified TLS, after SUB_KEY: the keys that
 * it lists become trusted, if it is of our service, verifies under one of them, is in
 * time and not lower than what was verified before. Where keys are pinned, one of
 * them must have signed it; none that has retired does. RC_EKEY, RC_ESIG, RC_ERULE,
 * RC_EDIGEST: d says why not; nothing is changed. */
struct sub_body;
MUST_CHECK enum rc sub_introduce(struct sub *s, const struct sub_body *ird,
                                 int64_t now, struct diag *d);

/* Inputs. now: wall clock in Unix seconds, for validity alone. A fault of the
 * other side is no error of the call. RC_ENOMEM. */
MUST_CHECK enum rc sub_opened(struct sub *s);
/* Takes text over (malloc), always. */
MUST_CHECK enum rc sub_frame(struct sub *s, char *text, size_t len,
                             int64_t now);
/* Each SUB_FETCH has one, late or early, unless sub_forget() was called since. Who
 * gave it does not matter when it holds; when it does not, it counts against the
 * fetch of its number alone. */
struct sub_body {
	const char *id;
	uint64_t number;		/* of its SUB_FETCH */
	bool ok;			/* false: the fetch failed */
	struct signed_headers headers;
	const char *body;
	size_t len;
};
MUST_CHECK enum rc sub_fetched(struct sub *s, const struct sub_body *b,
                               int64_t now);
/* Somebody else is asked from here on: fetches under way are not waited for, what
 * is wanted is fetched anew. */
void sub_forget(struct sub *s);
/* The bytes of the bodies that were ordered and are not here. */
uint64_t sub_owed(const struct sub *s);
/* The connection is gone (or SUB_REOPEN was carried out). */
void sub_closed(struct sub *s);
/* The caller found it dead: SUB_CLOSED or SUB_SILENT; or ended it because a frame
 * was larger than it takes: SUB_OVERFLOW, and next time a snapshot is asked for,
 * since the same frame would come again. */
void sub_lost(struct sub *s, enum sub_reason reason);
/* A heartbeat interval has passed: an `alive` is due. */
void sub_heartbeat_due(struct sub *s);
/* Who subscribes here and how far they are, for the next ack; copied. */
MUST_CHECK enum rc sub_below(struct sub *s, const struct frame_below *below,
                             size_t n);
/* SUB_PUBLISH was carried out: it is journalled and served. */
MUST_CHECK enum rc sub_served(struct sub *s);
/* A snapshot that came another way is served now. */
MUST_CHECK enum rc sub_adopt(struct sub *s, struct snapshot *held,
                             const struct keys *keys);

MUST_CHECK enum rc sub_next(struct sub *s, struct sub_act *act);

/* Trusted now: what the journal keeps with SUB_PUBLISH. */
const struct keys *sub_keys(const struct sub *s);
const struct sub_counts *sub_counts(const struct sub *s);
/* Open, and the publisher has not said yet how to go on: its first words are due. */
bool sub_expects(const struct sub *s);
/* "closed", "pull", "hello", "snapshot", "behind", "current": for status. */
const char *sub_phase(const struct sub *s);
unsigned sub_heartbeat(const struct sub *s);	/* the publisher's; 0 unknown */
const struct frame_path *sub_path(const struct sub *s);	/* the publisher's */

#endif
