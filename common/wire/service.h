/* service.h - what a service that computes its answers has to compute from.
 *
 * Everything in it follows from one snapshot, the IRD in it included, and from
 * nothing else, so a server and a proxy that hold the same snapshot give the same
 * answers. Made by catalog.c, which owns all that is pointed to; read by ask_*.c
 * and answer_*.c. Immutable.
 */
#ifndef ALTOCAST_WIRE_SERVICE_H
#define ALTOCAST_WIRE_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/index.h"
#include "common/core/costmap.h"
#include "common/core/lpm.h"
#include "common/core/netmap.h"
#include "common/core/vtag.h"

#define SERVICE_TYPES_MAX 64u	/* cost types in one request (RFC 8189) */
#define SERVICE_COSTS_MAX 128u	/* cost types that one service offers */
#define SERVICE_PROPS_MAX 1024u
#define SERVICE_NONE UINT32_MAX

enum service_kind {
	SERVICE_NETWORK_MAP,		/* filtered, RFC 7285 s11.3.1 */
	SERVICE_COST_MAP,		/* filtered, s11.3.2 */
	SERVICE_ENDPOINT_PROPERTY,	/* s11.4.1 */
	SERVICE_ENDPOINT_COST		/* s11.5.1 */
};

/* A cost type on offer. */
struct service_cost {
	char metric[METRIC_MAX + 1];
	char mode[METRIC_MAX + 1];
	bool testable;			/* constraints may refer to it */
	bool ranked;			/* ordinal, from a numerical map */
	const struct costmap *map;
	const uint32_t *at;		/* number of a PID in the network map ->
					 * in this map, or SERVICE_NONE; NULL:
					 * the same numbers */
};

/* A property on offer; its values are names in an index. */
struct service_prop {
	const char *name;		/* as in prop-types: "net.pid", "priv:x" */
	const struct vtag *net;		/* "<map>.pid": that map; else NULL */
	const struct lpm *lpm;		/* address -> number in values */
	const struct index *values;
};

struct service {
	enum service_kind kind;
	const char *id;			/* resource-id */
	const char *path;		/* relative to the IRD: "filter/cost/net" */
	const char *accepts, *media;	/* of a request, of an answer */

	/* All but endpoint properties: */
	const struct netmap *net;
	const struct lpm *lpm;
	const struct vtag *vtag;	/* of the network map */

	/* Costs: */
	size_t n_costs;
	const struct service_cost *costs;
	unsigned max_types;		/* 0: no multi-cost (RFC 8189) */
	bool says_vtag;			/* endpoint costs: meta.vtag names the
					 * network map; some clients want it */
	/* Properties: */
	size_t n_props;
	const struct service_prop *props;
};

#endif
