/* sources.h - which of several upstreams is used, and when it may be tried.
 *
 * The first is preferred. One in use stays in use while it leads on; when it gives
 * trouble the next is tried, after pauses that grow over all of them, and when one
 * that is preferred was seen well for a while it is gone back to. Whether it is well
 * (fresh, and not below what is held), the caller finds out when he is asked to
 * probe. No I/O and no clock: now is monotonic milliseconds. One thread.
 */
#ifndef ALTOCAST_PROXY_SOURCES_H
#define ALTOCAST_PROXY_SOURCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/rc.h"

#define SOURCES_MAX 8u
#define SOURCES_NEVER UINT64_MAX

/* What went wrong with the one in use. Of some nothing else can be expected soon:
 * the next is tried at once, else after SOURCES_PATIENCE times in a row; for a LOCAL
 * one never. */
#define SOURCES_PATIENCE 2u
#define SOURCE_FAULT_LIST(X) \
	X(DOWN,    "down",    false)	/* no connection, no answer, cut off */ \
	X(BAD,     "bad",     false)	/* what it gives does not hold */ \
	X(BYE,     "bye",     false)	/* it said good-bye */ \
	X(LOCAL,   "local",   false)	/* our own: no other one would do better */ \
	X(LOWER,   "lower",   true)	/* below what is held */ \
	X(FORK,    "fork",    true)	/* another content at that position */ \
	X(LOOP,    "loop",    true)	/* it gets its data from here */ \
	X(SERVICE, "service", true)	/* another service */ \
	X(PLAIN,   "plain",   true)	/* it signs nothing */ \
	X(EXPIRED, "expired", true)	/* what it has is not valid any more */

enum source_fault {
#define X(name, text, at_once) SOURCE_##name,
	SOURCE_FAULT_LIST(X)
#undef X
	SOURCE_FAULTS
};
const char *source_fault_text(enum source_fault f);

struct sources_config {
	size_t n;			/* 1 .. SOURCES_MAX */
	uint64_t pause_min_ms, pause_max_ms;
	uint64_t seed;			/* of the jitter */
};

struct sources;

MUST_CHECK enum rc sources_new(const struct sources_config *cfg,
                               struct sources **out);
void sources_free(struct sources *s);			/* NULL is fine */

/* Others are probed each half heartbeat, and gone back to after two of them. */
void sources_set_heartbeat(struct sources *s, unsigned seconds);

size_t sources_chosen(const struct sources *s);
uint64_t sources_since(const struct sources *s);	/* the choice; 0 at first */
/* It may be tried from then on; 0 at first. */
uint64_t sources_due(const struct sources *s);
/* It leads on: what comes from it is verified and served. */
void sources_good(struct sources *s, uint64_t now);
/* It failed. retry_after: seconds that it asked for, or 0; it is not obeyed
 * beyond the longest pause, nor by others. true: another one is chosen. */
bool sources_failed(struct sources *s, enum source_fault f,
                    unsigned retry_after, uint64_t now);
/* It may be tried at once. */
void sources_hurry(struct sources *s, uint64_t now);
/* What it gives is stale: is there a better one? Any will do. */
void sources_set_stale(struct sources *s, bool stale);

/* One to look at now; it counts as asked. */
bool sources_probe(struct sources *s, uint64_t now, size_t *i);
/* When the next is to be looked at; SOURCES_NEVER: none. */
uint64_t sources_probe_due(const struct sources *s);
/* What was seen. true: it is the one that is chosen now. */
bool sources_probed(struct sources *s, size_t i, bool well, uint64_t now);

/* The one after i, i itself when there is no other. */
size_t sources_next(const struct sources *s, size_t i);

/* A random number below n (0 for 0), from the same jitter. */
uint64_t sources_random(struct sources *s, uint64_t n);

#endif
