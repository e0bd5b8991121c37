/* catalog.h - the computed services of a snapshot: what its IRD lists under
 * filter/network/<map>, filter/cost/<map>, endpoint/cost/<map> and
 * endpoint/property, with all that answers need, made before anybody asks.
 *
 * What did not change since an earlier catalog is shared with it: the tables of a
 * network map, what the IRD offers. The map that endpoint costs are over is the
 * last segment of the uri, since such an entry may not name it in `uses` (RFC 7285
 * s11.5.1.5). Counted, immutable; any thread may read.
 */
#ifndef ALTOCAST_WIRE_CATALOG_H
#define ALTOCAST_WIRE_CATALOG_H

#include <stddef.h>

#include "common/base/rc.h"
#include "common/core/snapshot.h"
#include "common/wire/service.h"

struct catalog;

/* An IRD entry that does not fit the snapshot (a map it names is not there, a
 * member of the wrong type) is left out: the rest is served. A snapshot without a
 * readable IRD has no services. before (may be NULL) comes back referenced if it
 * was made of the same resources. RC_ENOMEM. */
MUST_CHECK enum rc catalog_new(const struct snapshot *s,
                               struct catalog *before,
                               struct catalog **out);

/* The service at a path as service.path writes it; NULL: none. */
const struct service *catalog_find(const struct catalog *c, const char *path);
size_t catalog_count(const struct catalog *c);
const struct service *catalog_at(const struct catalog *c, size_t i);

struct catalog *catalog_ref(struct catalog *c);
void catalog_unref(struct catalog *c);			/* NULL is fine */

#endif
