/* ird_json.h - the information resource directory (RFC 7285 s9), with what
 * redistribution adds to meta.
 *
 * All `uri`s are relative, so that the same bytes are right at the server and at
 * every proxy: maps/<resource-id>, state, filter/network/<map>, filter/cost/<map>,
 * endpoint/cost/<map>, endpoint/property; the IRD itself stands at `directory`.
 * Only links to other IRDs may lead elsewhere.
 */
#ifndef ALTOCAST_WIRE_IRD_JSON_H
#define ALTOCAST_WIRE_IRD_JSON_H

#include <stdbool.h>
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
#define IRD_LINKS_MAX 100u
/* Entries: all maps, three services over each network map, and the rest. */
#define IRD_ENTRIES_MAX (4u * SNAPSHOT_RESOURCES_MAX + IRD_LINKS_MAX)
#define IRD_TYPES_MAX 128u	/* cost types in an entry */
#define IRD_PROPS_MAX 1024u	/* prop-types */
#define IRD_USES_MAX 64u
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

/* A network map, cost map or property map, and how its costs are offered. */
struct ird_map {
	struct resource *res;
	bool ordinal;			/* numerical costs also as ranks */
	bool testable;			/* constraints may refer to its costs */
};

/* Another IRD, whose resources are this service's too (RFC 7285 s9.2.4). */
struct ird_link {
	char id[ID_MAX + 1];
	char uri[IRD_URI_MAX + 1];
};

/* The computed services. Each network map gets a filtered map, and over all cost
 * maps that depend on it a filtered cost map and endpoint costs; endpoint
 * properties there are always (RFC 7285 s9.2.2 wants them). */
struct ird_services {
	bool filtered, endpoint_cost;
	bool endpoint_cost_vtag;	/* meta.vtag in endpoint cost answers */
	unsigned max_cost_types;	/* in one request; 0: no multi-cost */
	size_t n_links;
	const struct ird_link *links;
};

/* The canonical IRD over these maps (any order; the IRD itself left out). r NULL:
 * of maps that nobody signed, meta.redistribution is left out.
 * default_net names the default network map. Empty push (the origin's, a proxy's)
 * is left out. Cost types are called num-<metric>, ord-<metric>, and another mode
 * <mode>/<metric>. Computed services are called <map>:filtered,
 * <map>:filtered-cost, <map>:endpoint-cost and endpoint-properties; a map's id
 * that leaves no room is cut and a hash of it put in. RC_EINVAL: default_net is
 * none of the maps; a resource is no map, or no numerical cost map though ordinal;
 * two resources define a property. RC_EEXIST: an id, a proxy's name, or a cost
 * type over one network map twice. RC_ELIMIT: over SNAPSHOT_RESOURCES_MAX with the
 * IRD itself, a ceiling above, or dst is full. d (may be NULL) says which. */
MUST_CHECK enum rc ird_write(const struct ird_redistribution *r,
                             const struct ird_map *maps, size_t n,
                             const char *default_net,
                             const struct ird_services *sv, struct buf *dst,
                             struct diag *d);

struct ird;

/* Takes members that are not known here, and refuses wrong types, ids, URIs and
 * more than the ceilings in those that are. meta.redistribution must be there;
 * in it, push and proxies may be missing ("" and none), keys of unknown kind are
 * skipped. Of an entry of another media type than network maps, cost maps, endpoint
 * costs and endpoint properties have, id, uri and media are read alone; a cost type
 * that meta does not explain is left out. RC_ESYNTAX, RC_ERULE, RC_ELIMIT with
 * the place in d. */
MUST_CHECK enum rc ird_read(const char *text, size_t len, struct ird **out,
                            struct diag *d);
/* plain: meta.redistribution may be missing, its service is "" then. */
MUST_CHECK enum rc ird_read_any(const char *text, size_t len, bool plain,
                                struct ird **out, struct diag *d);
const struct ird_redistribution *ird_redistribution(const struct ird *i);
/* The uri of a resource as written (relative or absolute); NULL: not in it. */
const char *ird_uri(const struct ird *i, const char *id);
/* The resources, k below ird_count(), in ascending byte order of their ids. */
size_t ird_count(const struct ird *i);
const char *ird_id(const struct ird *i, size_t k);
const char *ird_media(const struct ird *i, size_t k);

/* An entry in full, lent. */
struct ird_cost_type {
	char metric[METRIC_MAX + 1];
	char mode[METRIC_MAX + 1];
	bool testable;			/* constraints may refer to it */
};
struct ird_entry {
	char id[ID_MAX + 1];
	char media[RESOURCE_TYPE_MAX + 1];
	char accepts[RESOURCE_TYPE_MAX + 1];	/* "" for GET */
	char *uri;
	size_t n_types;
	struct ird_cost_type *types;	/* cost-type-names, looked up */
	unsigned max_types;		/* max-cost-types */
	size_t n_props, n_uses;
	char **props, **uses;		/* prop-types; resource-ids */
};
const struct ird_entry *ird_entry(const struct ird *i, size_t k);
bool ird_endpoint_cost_vtag(const struct ird *i);
void ird_free(struct ird *i);				/* NULL is fine */

#endif
