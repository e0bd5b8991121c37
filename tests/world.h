/* world.h - a publisher without files and sockets, for tests.
 *
 * It owns two network maps, three cost maps and the IRD, which are edited at
 * random, sealed, signed with a real key and encoded as updates, and remembers
 * every state it has been in. Its parts are open: a test bends what it likes.
 * What cannot fail in a test aborts.
 */
#ifndef ALTOCAST_TESTS_WORLD_H
#define ALTOCAST_TESTS_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/history.h"
#include "common/core/snapshot.h"
#include "common/core/update.h"
#include "common/proto/keys.h"
#include "common/wire/state_json.h"
#include "tests/world_text.h"

#define WORLD_PIDS 9
#define WORLD_POOL 40		/* prefixes; the first is 0.0.0.0/0 */
#define WORLD_NETS 2
#define WORLD_COSTS 3
#define WORLD_KEYS 4
#define WORLD_NOW 1760000000	/* Unix seconds at the start */
#define WORLD_LIFETIME 86400
#define WORLD_INSTANCE "6b1d2c7e-4f00-4a1b-8c3d-0123456789ab"

struct world {
	uint64_t seed;
	int64_t now;			/* Unix seconds */
	struct digest *digest;
	struct sign_key *key[WORLD_KEYS];
	bool listed[WORLD_KEYS];	/* in the IRD */
	size_t signer;
	char service[UUID_TEXT + 1];
	struct position pos;
	unsigned sessions;
	bool alive[WORLD_PIDS];
	int owner[WORLD_NETS][WORLD_POOL];	/* -1: nobody */
	double cost[WORLD_COSTS][WORLD_PIDS][WORLD_PIDS];	/* NAN: none */
	bool net_there[WORLD_NETS], cost_there[WORLD_COSTS];
	unsigned proxies;		/* listed in the IRD */
	unsigned pull_in;		/* a patch in so many is ordered as a
					 * pull; 0: none */
	bool pull_directory;		/* the IRD's too */
	struct snapshot *head;
	struct history *log;
	size_t n_past;
	struct snapshot **past;		/* every state with content of its own */
};

/* From ALTOCAST_SEED, else from the clock; printed. */
uint64_t world_seed(void);

/* Signed, with a first publication at serial 1. */
struct world *world_new(uint64_t seed);
void world_free(struct world *w);

uint32_t world_rnd(struct world *w, uint32_t n);	/* below n */

/* Random changes of content; nothing is published. */
void world_edit(struct world *w);
/* One cell of cost map c. */
void world_edit_cost(struct world *w, size_t c);
void world_edit_net(struct world *w, size_t net);

/* Publishes what differs: the new update (lent, in the log), or NULL when
 * nothing does. */
struct update *world_publish(struct world *w);
/* Signs the head anew at the time it is. */
void world_heartbeat(struct world *w);
/* The content as it is, as serial 1 of a session above all before. */
void world_session(struct world *w);
/* The state of an earlier publication, or NULL. */
struct snapshot *world_at(const struct world *w, const struct position *pos);
/* Forgets all after state i of past and stands there: a restored backup. */
void world_restore(struct world *w, size_t i);

const char *world_net_id(size_t i);
const char *world_cost_id(size_t i);
const struct public_key *world_public(const struct world *w);
/* Trusted: the keys listed now. */
void world_keys(const struct world *w, struct keys *out);

/* Signs st (its root, position and times as they are) with the current key. */
void world_sign(const struct world *w, struct state *st);

#endif
