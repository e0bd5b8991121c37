/* ird_json.h - the information resource directory (RFC 7285 s9), with what
 * redistribution adds to meta.
 *
 * All `uri`s are relative, so that the same bytes are right at the server and at
 * every proxy: maps/<resource-id>, state; the IRD itself stands at `directory`.
 */
#ifndef ALTOCAST_WIRE_IRD_JSON_H
#define ALTOCAST_WIRE_IRD_JSON_H

#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/diag.h"
#include "common/base/enc.h"
#include "common/base/rc.h"
#include "common/core/resource.h"
#include "common/core/sign.h"
#include "common/core/snapshot.h"
#include "common/wire/jwk.h"

#define IRD_PROXIES_MAX 4096u
#define IRD_URI_MAX 1024
#define IRD_NAME_MAX 64

struct ird_proxy {
	char name[IRD_NAME_MAX + 1];
	char uri[IRD_URI_MAX + 1];	/* base, ends in "/" */
	char push[IRD_URI_MAX + 1];	/* "" when it takes no subscribers */
};

/* meta.redistribution */
struct ird_redistribution {
	char service[UUID_TEXT + 1];
	size_t n_keys;
	struct public_key keys[JWK_KEYS_MAX];
	char push[IRD_URI_MAX + 1];	/* absolute, of the origin */
	char state[IRD_URI_MAX + 1];	/* relative: "state" */
	unsigned heartbeat;		/* seconds */
	size_t n_proxies;
	struct ird_proxy *proxies;	/* ascending by name */
};

/* The canonical IRD over these maps (any order; the IRD itself left out).
 * default_net names the default network map. Empty push (the origin's, a proxy's)
 * is left out. Cost types are called num-<metric>, ord-<metric>, and another mode
 * <mode>/<metric>. RC_EINVAL: default_net is none of the maps; a resource is no
 * map. RC_EEXIST: an id or a proxy's name twice. RC_ELIMIT: over
 * SNAPSHOT_RESOURCES_MAX with the IRD itself, IRD_PROXIES_MAX, or dst is full. */
MUST_CHECK enum rc ird_write(const struct ird_redistribution *r,
                             struct resource *const *maps, size_t n,
                             const char *default_net, struct buf *dst);

struct ird;

/* Takes members that are not known here, and refuses wrong types, ids, URIs and
 * more than the ceilings in those that are. meta.redistribution must be there;
 * in it, push and proxies may be missing ("" and none), keys of unknown kind are
 * skipped. RC_ESYNTAX, RC_ERULE, RC_ELIMIT with the place in d. */
MUST_CHECK enum rc ird_read(const char *text, size_t len, struct ird **out,
                            struct diag *d);
const struct ird_redistribution *ird_redistribution(const struct ird *i);
/* The uri of a resource as written (relative or absolute); NULL: not in it. */
const char *ird_uri(const struct ird *i, const char *id);
/* The resources, k below ird_count(), in ascending byte order of their ids. */
size_t ird_count(const struct ird *i);
const char *ird_id(const struct ird *i, size_t k);
const char *ird_media(const struct ird *i, size_t k);
void ird_free(struct ird *i);				/* NULL is fine */

#endif
