/* patch.h - a map and a delta to a new map.
 *
 * Builds beside the base, which stays as it was whatever happens; rows that the
 * delta does not touch are shared. The new rows have no text yet (wire/seal).
 * Tags are not looked at: the caller compares them, before with what is held and
 * after with the signed leaf. Rules that only a whole map can break (duplicates
 * across PIDs, completeness) are not checked either: the signed tag says that
 * the server did.
 */
#ifndef ALTOCAST_CORE_PATCH_H
#define ALTOCAST_CORE_PATCH_H

#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/core/delta.h"
#include "common/core/netmap.h"

/* RC_EGAP: does not fit the base (a PID that is not there goes, a place outside
 * the array, an array that does not stay ascending). RC_ELIMIT, RC_ENOMEM. */
MUST_CHECK enum rc patch_net(const struct netmap *base,
                             const struct net_delta *delta,
                             struct netmap **out, struct diag *d);
/* RC_EGAP: a row or a cell goes that is not there. As RFC 7396 would allow that,
 * this is stricter than the merge: such a patch was not made for this base. */
MUST_CHECK enum rc patch_cost(const struct costmap *base,
                              const struct cost_delta *delta,
                              struct costmap **out, struct diag *d);

#endif
