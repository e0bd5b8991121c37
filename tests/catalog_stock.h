/* catalog_stock.h - resources to make snapshots and catalogs of. */
#ifndef ALTOCAST_TESTS_CATALOG_STOCK_H
#define ALTOCAST_TESTS_CATALOG_STOCK_H

#include "common/core/snapshot.h"
#include "common/wire/catalog.h"
#include "common/wire/media.h"

#define TEXT_MAX (4u << 20)
#define STOCK_MAX 16

/* What is to be published: one resource under each id. */
struct stock {
	struct digest *d;
	size_t n;
	struct resource *res[STOCK_MAX];
};

/* Entries of a directory. */
#define ENTRY(id, uri, media, accepts, caps) \
	"\"" id "\":{\"uri\":\"" uri "\",\"media-type\":\"" media "\"," \
	"\"accepts\":\"" accepts "\",\"capabilities\":{" caps "}}"
#define NETWORK(id, uri) \
	ENTRY(id, uri, MEDIA_NETWORK_MAP, MEDIA_NETWORK_MAP_FILTER, "")
#define COST(id, uri, caps) \
	ENTRY(id, uri, MEDIA_COST_MAP, MEDIA_COST_MAP_FILTER, caps)
#define ENDPOINT_COST(id, uri, caps) \
	ENTRY(id, uri, MEDIA_ENDPOINT_COST, MEDIA_ENDPOINT_COST_PARAMS, caps)
#define PROPERTY(id, uri, types) \
	ENTRY(id, uri, MEDIA_ENDPOINT_PROP, MEDIA_ENDPOINT_PROP_PARAMS, \
	      "\"prop-types\":[" types "]")
#define TYPES(list) "\"cost-type-names\":[" list "]"

struct stock stock_new(void);
void stock_end(struct stock *st);
/* Takes r over, in the place of what had its id. */
struct resource *put(struct stock *st, const char *id,
                     struct resource *r);
struct resource *get(const struct stock *st, const char *id);
void drop(struct stock *st, const char *id);
/* pids: "a b c"; the first has all of IPv4, the k-th 10.k.0.0/16. */
struct resource *put_net(struct stock *st, const char *id,
                         const char *pids);
/* Costs from the first of pids to all of them, over network map net as it is in
 * stock, or of another tag. */
struct resource *put_cost_of(struct stock *st, const char *id,
                             const char *type, const char *pids,
                             const struct vtag *net);
struct resource *put_cost(struct stock *st, const char *id,
                          const char *type, const char *pids,
                          const char *net);
/* The same map with another cost in its first cell: new rows, names shared. */
struct resource *put_next_cost(struct stock *st, const char *id);
/* The same costs over the network map as it is now: rows and names shared. */
struct resource *put_rebound(struct stock *st, const char *id);
struct resource *put_doc(struct stock *st, const char *id,
                         const char *media, const char *text);
struct resource *put_props(struct stock *st, const char *id,
                           const char *text);
/* redistribution: more members of it. */
struct resource *put_ird(struct stock *st, const char *redistribution,
                         const char *resources);
/* Two network maps, three cost maps, a property map, every kind of service. */
struct stock whole_stock(void);
struct snapshot *snapshot_of(const struct stock *st);
/* The snapshot is let go at once: a catalog stands alone. */
struct catalog *catalog_of(const struct stock *st,
                           struct catalog *before);
const struct service *at(const struct catalog *c, const char *path);
const struct service_prop *find_prop(const struct catalog *c,
                                     const char *name);
const struct service_prop *prop(const struct catalog *c,
                                const char *name);
/* The name that a table has for 10.x.0.1. */
const char *found(const struct lpm *l, const struct index *names,
                  uint8_t x);

#endif
