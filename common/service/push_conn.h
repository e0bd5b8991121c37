/* push_conn.h - what the files of push share. Private to push_*.c.
 *
 * push_conn.c: who comes, what they say, how they go. push_send.c: what is sent,
 * and who does not take it. push_life.c: start, publications, end. push_below.c:
 * who is below.
 */
#ifndef ALTOCAST_SERVICE_PUSH_CONN_H
#define ALTOCAST_SERVICE_PUSH_CONN_H

#include "common/service/guard.h"
#include "common/service/push.h"

#define PUSH_SWEEP_MS 1000	/* how often those who are stuck are looked for */
#define PUSH_FOREIGN_MS 600000	/* for which the last one is told in the status */
#define PUSH_TOLD_MAX 10	/* refusals that are logged between two of these */

struct subscriber {
	struct subscriber *prev, *next;
	struct push *push;
	struct ws_conn *ws;
	struct pub *pub;
	char *authorization;	/* what it has shown, to be judged again; or NULL */
	struct tls_peer tls;
	struct guard_badge badge;	/* what that was worth last */
	bool subscribed, pulling;	/* it is counted as such */
	bool loud;			/* it has sent more than it may */
	uint64_t connected_ms;
	uint64_t behind_ms;	/* not at the head since; 0: it is */
	uint64_t stuck_ms;	/* the socket takes nothing since; 0: it does */
	uint64_t written;	/* bytes that it had taken at the last look */
	uint64_t leave_ms;	/* when it is sent away; 0: it is not */
};

/* A message that goes to many, framed once. */
struct framed {
	const void *of;			/* borrowed: update or head; NULL: none */
	unsigned within;		/* of an order */
	struct ws_frame *frame;
};

struct push {
	struct loop *loop;
	struct push_config cfg;
	struct ws_listener *listener;	/* NULL: it takes nobody any more */
	uint16_t port;
	struct loop_timer *sweep;
	struct history *log;
	uint64_t log_first;		/* serial it started at */
	int64_t log_since;		/* when that was published */
	struct pub_world world;
	uint64_t head_bytes;		/* of all bodies of the head */
	struct framed update, order;	/* the newest of each */
	void (*ordered)(struct snapshot *head, void *arg);
	void *ordered_arg;
	struct subscriber *all;
	size_t n, n_subscribed, n_pulling;
	uint64_t sweep_ms;		/* of the last look at those who are stuck */
	unsigned turned_away;		/* since then */
	unsigned told;			/* since then: what they said, or how much */
	const char *refusing;		/* why nobody may subscribe; NULL: they
					 * may */
	char foreign[IRD_NAME_MAX + 1];	/* who came last with what was never ours */
	uint64_t foreign_ms;		/* when; 0: nobody, or that is over */
	bool draining, stopping;
	unsigned away_s;		/* draining: for which they stay away */
};

/* push_conn.c */
extern const struct ws_handlers push_handlers;	/* arg: the struct push */
void push_changed(struct push *p);	/* tells the owner */
void push_forget(struct subscriber *s);	/* frees it */
/* Counts it anew and notes whether it is behind; after whatever may change that. */
void push_note(struct subscriber *s);
/* Whoever held what we never signed has not come again, or holds something else. */
void push_foreign_over(struct push *p);
/* After a renewal: may it still be who it is? Ends it if not: what it has shown was
 * taken out and its name has other proof (4004), or it may not at all (4005). */
void push_judge(struct subscriber *s);

/* push_send.c */
void push_feed(struct subscriber *s);	/* sends while the connection takes it */
void push_feed_all(struct push *p);
void push_frame_drop(struct framed *f);
void push_sweep(void *push);		/* the timer's */

#endif
