/* pairs.h - a publisher and two subscribers, one below the other, joined by arrays
 * of frames, for tests.
 *
 * Frames are lost, doubled, swapped and corrupted, and so are fetches and state
 * documents, while `faults` is true. Whatever a node publishes is checked: it
 * proves itself, it was published, nobody goes back but to what an operator told
 * him to trust.
 */
#ifndef ALTOCAST_TESTS_PAIRS_H
#define ALTOCAST_TESTS_PAIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/proto/pub.h"
#include "common/proto/sub.h"
#include "tests/world.h"

#define QUEUE 40
#define FETCHES 64
#define NODES 2

struct message {
	char *text;
	size_t len;
};

struct queue {
	size_t n;
	struct message m[QUEUE];
};

struct node {
	const char *name;
	struct sub_config cfg;
	struct sub *sub;
	struct snapshot *held;		/* served */
	struct buf keys;		/* its journal's: as of that */
	bool pinned;			/* a key, not the origin's name */
	char pin[THUMBPRINT_TEXT + 1];
	struct history *log;		/* for those below */
	struct pub_world below;
	struct node *next;		/* subscribes here */
	/* the link to above */
	struct pub_world *above;
	struct pub *pub;
	bool open, ending;
	unsigned silent;		/* heartbeats since a frame came */
	struct queue down, up;
	size_t n_fetch;
	struct fetch {
		char id[ID_MAX + 1];	/* "": the state document */
		uint64_t number;
		bool no_cache;
	} fetch[FETCHES];
	struct snapshot *old;		/* what a slow cache still has */
	struct state trusted;		/* by the operator, once */
	bool stranger;			/* signed by a key it does not know */
	uint64_t published, jumps, polled, restarts;
	uint64_t reopened[SUB_REASONS];
};

extern struct world *w;
extern struct pub_world origin;
extern struct keys own_keys;		/* the origin's, of all time */
extern struct node node[NODES];
extern bool faults;

bool chance(uint32_t one_in);

/* ---- a node ---------------------------------------------------------------- */

void node_start(struct node *n, const char *name, struct pub_world *above,
                bool at_origin);
void node_end(struct node *n);
/* Killed, and started from what it had journalled; pin: with the origin's key of
 * now as a new pin. */
void node_restart(struct node *n, bool pin);
void node_pump(struct node *n);
void node_pump_pub(struct node *n);	/* what is above it sends */
void node_connect(struct node *n);
void node_hang_up(struct node *n);
/* Asks for the state document. */
void node_poll(struct node *n);
void node_deliver_down(struct node *n);
void node_deliver_up(struct node *n);
/* One of its fetches. */
void node_answer(struct node *n);
/* The origin's own directory, and its state, as the operator wants it. */
void node_introduce(struct node *n);
void node_trust(struct node *n);
bool node_equal(const struct node *n);		/* to the head */

void pairs_new_session(void);

#endif
