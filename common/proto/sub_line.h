/* sub_line.h - the subscriber's line: inside of the sub_* files only.
 *
 * The line: head is the newest state heard of, run the updates that lead to it
 * since the set was served last. sub_frame.c or sub_poll.c moves the head,
 * sub_body.c brings what the set lacks, and all end in sub_verify(): the one place
 * where a set becomes something to serve. Writer thread.
 */
#ifndef ALTOCAST_PROTO_SUB_LINE_H
#define ALTOCAST_PROTO_SUB_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/rc.h"
#include "common/core/resource.h"
#include "common/core/snapshot.h"
#include "common/core/update.h"
#include "common/proto/keys.h"
#include "common/proto/sub.h"
#include "common/proto/work.h"
#include "common/wire/frame.h"
#include "common/wire/ird_json.h"

#define SUB_TEXT_MAX (1u << 20)	/* one frame out */

enum sub_phase { CLOSED, HELLO, ASKED, ORDERED, STREAM, POLLED };

struct sub_run {
	struct update *update;
	struct frame *frame;		/* views into the update's text */
};

struct sub {
	struct sub_config cfg;
	struct keys keys;		/* trusted: as of */
	uint64_t line_at;		/* serial of the line's last verified
					 * state */
	struct snapshot *held;		/* served, or NULL */
	struct snapshot *ready;		/* verified, to be published, */
	size_t n_ready;			/* with so many updates of the run */
	struct work *work;
	char told_ird[TAG_HEX + 1];	/* tag of the IRD as it was fetched last */
	struct ird *ird;		/* of the working set, or NULL */
	struct resource *ird_of;	/* what that was read from;
					 * referenced */
	enum sub_phase phase;
	struct state head;
	struct state base;		/* where the run begins */
	bool resume;			/* go on from base next time */
	bool jump;			/* run does not lead on from held */
	size_t n_run, cap_run, run_bytes;
	struct sub_run *run;
	bool polled;			/* the set was ordered by a state
					 * document */
	bool trusting;			/* which the operator stands for */
	unsigned orders;		/* of this round of polling */
	bool owe_poll, poll_asked;	/* SUB_POLL: to be said; was said */
	bool no_have;			/* ask for a snapshot next time */
	bool owe_subscribe, owe_ack, owe_alive;
	bool unacked;			/* the publisher does not know what we
					 * hold */
	bool reopen, reopened;
	enum sub_reason reason;
	char why[200];
	unsigned retry_after;
	int code;
	unsigned heartbeat;
	struct frame_path path;
	size_t n_below;
	struct frame_below *below;
	bool below_due;			/* the publisher was told otherwise */
	struct sub_counts counts;
	struct buf text;		/* what sub_next() lends */
};

/* ---- sub_line.c: the run and the fall back ------------------------------- */

/* Takes both over, unless RC_ENOMEM. */
MUST_CHECK enum rc sub_run_push(struct sub *s, struct update *u,
                                struct frame *f);
/* Forgets the oldest n. */
void sub_run_drop(struct sub *s, size_t n);
/* What was to be published goes with the updates that lead to it. */
void sub_run_clear(struct sub *s);

/* Applies the changes of one update on id (NULL: on all) to the working set. A
 * patch that does not fit is no error of the call. RC_ENOMEM. */
MUST_CHECK enum rc sub_apply(struct sub *s, const struct sub_run *r,
                             const char *id);

/* Ends the connection; the first reason stays. What is served stays, and what
 * was fetched stays too. */
void sub_reopen(struct sub *s, enum sub_reason reason, const char *fmt, ...)
	PRINTF_LIKE(3, 4);
/* What was put together is wrong as a whole: the same, and have the leaves
 * listed next time. */
void sub_restart(struct sub *s, enum sub_reason reason, const char *why);

/* ---- sub_verify.c: from set to served ------------------------------------ */

/* The IRD of the working set into s->ird, read once for each version of it.
 * RC_ENOENT: the set has none; else what reading it gives. */
MUST_CHECK enum rc sub_load_ird(struct sub *s);

/* What is served, or NULL. */
const struct state *sub_held(const struct sub *s);
/* Is it that position, and that root? */
bool sub_holds(const struct sub *s, const struct state *st);
/* The service that is expected; "": any. */
const char *sub_service(const struct sub *s);

/* What a state must pass; each that says no has ended the connection.
 * Our service? */
bool sub_right_service(struct sub *s, const char *service);
/* Nobody moves to a lower position, nor to other content at the same one. */
bool sub_moves_on(struct sub *s, const struct state *st);
/* Of our future? Expired is another matter: a later state will come. */
bool sub_in_future(struct sub *s, const struct state *st, int64_t now);
/* Signature or key did not hold: RC_EKEY, RC_ESIG; others are the IRD's. */
void sub_refuse_state(struct sub *s, enum rc rc);

/* Before anything is fetched: is the order one that may be followed? */
MUST_CHECK enum rc sub_may_order(struct sub *s, const struct state *st,
                                 int64_t now, bool *may);
/* The set is these leaves, the line begins with them. */
MUST_CHECK enum rc sub_order(struct sub *s, const struct leaf_set *leaves,
                             unsigned within);

/* If the set is whole, is the head's, and the head holds: ready to publish. */
MUST_CHECK enum rc sub_verify(struct sub *s, int64_t now);
/* Keys have changed: what was verified under others is not published. */
void sub_rekeyed(struct sub *s);

/* ---- sub_poll.c: a state document instead of frames ---------------------- */

/* sub_verify(), and what follows from it for a round of polling. */
MUST_CHECK enum rc sub_round(struct sub *s, int64_t now);
/* The round cannot close with this order: the next, or none. */
void sub_round_again(struct sub *s);

#endif
