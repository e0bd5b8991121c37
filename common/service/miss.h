/* miss.h - requests that wait for something which is not held (yet).
 *
 * A request for a resource that the snapshot lacks, or while there is none or it
 * has expired, may be worth a question upstream: one question, however many ask.
 * They wait; when the question is settled, or after a while, each goes on with what
 * is served by then. Once a question was settled none is put for a while, so that
 * what nobody has is not asked for again and again. HTTP threads wait here, any
 * thread settles; requests go on on a thread of its own.
 */
#ifndef ALTOCAST_SERVICE_MISS_H
#define ALTOCAST_SERVICE_MISS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/rc.h"

struct miss;

struct miss_config {
	unsigned wait_ms;	/* a request waits so long at most */
	unsigned quiet_ms;	/* no question for so long after one */
	unsigned waiting_max;	/* requests at once; more go on at once */
	/* The question: the thread of the first who waits, once until
	 * miss_settled(). false: it could not be put, nobody waits. */
	bool (*ask)(void *arg);
	void *arg;
};

MUST_CHECK enum rc miss_new(const struct miss_config *cfg, struct miss **out);
/* Nobody may use it any more. NULL is fine. */
void miss_free(struct miss *m);

/* Is there something to wait for, and room? Else the request goes on at once. */
bool miss_worth(struct miss *m);
/* go(arg) is called once, without waiting for anything: later, on the thread of
 * miss; or before the return, when there is nothing to wait for after all. */
void miss_wait(struct miss *m, void (*go)(void *arg), void *arg);
/* The question, if one is put, is settled. */
void miss_settled(struct miss *m);
/* All who wait go on before this returns; later ones at once. */
void miss_close(struct miss *m);

struct miss_counts {
	uint64_t asked;		/* questions */
	uint64_t waited;	/* requests that waited */
	uint64_t turned_away;	/* that could not, for want of room */
};
void miss_counts(struct miss *m, struct miss_counts *out);

#endif
