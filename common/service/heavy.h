/* heavy.h - work that takes long, done by a thread of its own so that those who
 * serve are free for others.
 *
 * What waits is bounded, over all and for each client. Clients take turns: who
 * asks for little waits for no more than one piece of work of each of the others.
 * That a piece ends is up to who brings it; it cannot be broken off.
 */
#ifndef ALTOCAST_SERVICE_HEAVY_H
#define ALTOCAST_SERVICE_HEAVY_H

#include <stdint.h>

#include "common/base/rc.h"

#define HEAVY_THREADS 1u
#define HEAVY_WAITING_MAX 64u
#define HEAVY_PER_CLIENT 4u		/* waiting and being done */

/* Who it is for: compared only, unused bytes are 0. */
struct heavy_client {
	uint8_t id[17];
};

struct heavy_work {
	void (*run)(void *arg);		/* on a thread of the pool, or else: */
	void (*drop)(void *arg);	/* will not be run any more */
	void *arg;
};

struct heavy;

/* RC_ENOMEM: no memory, or no thread. */
MUST_CHECK enum rc heavy_new(struct heavy **out);

/* Waits for what is being done and drops, on this thread, what waits; nobody may
 * call heavy_put() any more. NULL is fine. */
void heavy_free(struct heavy *h);

/* Any thread. RC_ELIMIT: too much of it waits, or too much is of this client; the
 * work is neither run nor dropped. */
MUST_CHECK enum rc heavy_put(struct heavy *h, const struct heavy_client *who,
                             const struct heavy_work *work);

#endif
