/* diff.h - two versions of a map to a delta.
 *
 * Minimal for cost maps (exactly the cells that differ; a row that loses its
 * last cell is gone). For network maps each family of each PID is edited or
 * replaced, whichever is shorter as text on the wire. Rows that both maps share
 * are not looked at. Tags are left empty: the caller knows them.
 */
#ifndef ALTOCAST_CORE_DIFF_H
#define ALTOCAST_CORE_DIFF_H

#include "common/base/rc.h"
#include "common/core/delta.h"
#include "common/core/netmap.h"

/* *out is owned by the caller, empty (n == 0) when nothing differs. count (may
 * be NULL) gets the figures. RC_ENOMEM. */
MUST_CHECK enum rc diff_net(const struct netmap *from, const struct netmap *to,
                            struct net_delta **out, struct delta_count *count);
MUST_CHECK enum rc diff_cost(const struct costmap *from,
                             const struct costmap *to, struct cost_delta **out,
                             struct delta_count *count);

#endif
