/* route.h - from the path of a request to what stands there. */
#ifndef ALTOCAST_SERVICE_ROUTE_H
#define ALTOCAST_SERVICE_ROUTE_H

#include <stddef.h>

#include "common/core/snapshot.h"
#include "common/wire/catalog.h"

enum target { TARGET_NONE, TARGET_MAP, TARGET_SERVICE };

struct route {
	enum target target;
	size_t i;			/* a map: in the snapshot; its count is
					 * /state */
	const struct service *sv;	/* a service: in the catalog */
};

/* path as sent: %XX is decoded here, but for a "/" that it would hide. Before the
 * first version (s NULL) nobody knows what there is: then target says what kind
 * of thing may come to stand there, and i and sv nothing. */
void route_find(const char *path, const struct snapshot *s,
                const struct catalog *catalog, struct route *out);

#endif
