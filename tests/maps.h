/* maps.h - random maps and random edits, for tests: who owns which prefix, and what
 * it costs to go between PIDs.
 */
#ifndef ALTOCAST_TESTS_MAPS_H
#define ALTOCAST_TESTS_MAPS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/core/costmap.h"
#include "common/core/diff.h"
#include "common/core/netmap.h"

#define MAPS_PIDS 14
#define MAPS_POOL 240	/* prefixes; the first two are 0.0.0.0/0, ::/0 */

struct maps {
	bool alive[MAPS_PIDS];
	bool family[2];		/* does it occur at all? */
	int owner[MAPS_POOL];
	double cost[MAPS_PIDS][MAPS_PIDS];	/* NAN: none */
};

extern uint64_t maps_seed;

uint32_t maps_rnd(uint32_t n);		/* below n */
void maps_pool(void);			/* other prefixes */
void maps_random(struct maps *m);
void maps_edit(struct maps *m);
/* The figures of a change, the slow and obvious way. */
struct delta_count maps_count(const struct maps *a, const struct maps *b);
/* From nothing, or sharing with an earlier version. */
struct netmap *maps_net(const struct maps *m, const struct netmap *base);
struct costmap *maps_cost(const struct maps *m, const char *net_tag,
                          const struct costmap *base);

#endif
