#include "common/wire/ird_json.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/costmap.h"
#include "common/core/digest.h"
#include "common/core/vtag.h"
#include "common/wire/ird_props.h"
#include "common/wire/jcs.h"
#include "common/wire/json.h"
#include "common/wire/media.h"

#define COST_TYPE_MAX (2 * METRIC_MAX + 1)
#define NAME_HASH 4		/* bytes of SHA-256 that tell two cut names apart */
#define SERVICE_URI_MAX (sizeof("filter/network/") + ID_MAX)
#define PROPERTIES_ID "endpoint-properties"

/* All in one jansson tree, printed at the end. */
struct writer {
	json_t *types, *resources;	/* lent: parts of the document */
	json_t *props;			/* name -> map that defines it */
	const struct ird_map *maps;
	size_t n;
	const struct ird_services *sv;
	struct diag *d;
};

/* Sets a member, v is taken over; false: out of memory (v NULL says so too). */
static bool set(json_t *obj, const char *name, json_t *v)
{
	return json_object_set_new(obj, name, v) == 0;
}

static bool set_text(json_t *obj, const char *name, const char *text)
{
	return set(obj, name, json_string(text));
}

/* An object that is a new member of obj, lent; NULL: out of memory. */
static json_t *set_object(json_t *obj, const char *name)
{
	json_t *v = json_object();

	return set(obj, name, v) ? v : NULL;
}

static bool add_text(json_t *list, const char *text)
{
	return json_array_append_new(list, json_string(text)) == 0;
}

static const char *map_id(const struct ird_map *m)
{
	return resource_name(m->res)->id;
}

static bool is_props(const struct resource *r)
{
	return resource_kind(r) == RESOURCE_DOC &&
	       strcmp(resource_name(r)->type, MEDIA_PROPERTY_MAP) == 0;
}

/* A new entry, lent. */
static enum rc put_entry(struct writer *w, const char *id, const char *uri,
                         const char *media, json_t **out)
{
	json_t *entry;

	if (json_object_get(w->resources, id))
		return diag_set(w->d, RC_EEXIST, "the resource-id \"%s\" stands "
		                "twice", id);
	entry = set_object(w->resources, id);
	if (!entry || !set_text(entry, "uri", uri) ||
	    !set_text(entry, "media-type", media))
		return RC_ENOMEM;
	*out = entry;
	return RC_OK;
}

/* ---- cost types ------------------------------------------------------------ */

/* A cost type over a network map, and the cost map that it comes from. */
struct listing {
	char name[COST_TYPE_MAX + 1];
	const char *map;
	bool testable;
};

struct listings {
	size_t n, n_testable;
	struct listing at[IRD_TYPES_MAX];
};

/* Modes and metrics have no "/", so no two cost types share a name. */
static void cost_type_name(const char *mode, const char *metric,
                           char name[COST_TYPE_MAX + 1])
{
	if (strcmp(mode, "numerical") == 0)
		snprintf(name, COST_TYPE_MAX + 1, "num-%s", metric);
	else if (strcmp(mode, "ordinal") == 0)
		snprintf(name, COST_TYPE_MAX + 1, "ord-%s", metric);
	else
		snprintf(name, COST_TYPE_MAX + 1, "%s/%s", mode, metric);
}

static enum rc put_cost_type(struct writer *w, const char *mode,
                             const char *metric, char name[COST_TYPE_MAX + 1])
{
	json_t *type;

	cost_type_name(mode, metric, name);
	if (json_object_get(w->types, name))
		return RC_OK;
	type = set_object(w->types, name);
	return type && set_text(type, "cost-metric", metric) &&
	       set_text(type, "cost-mode", mode) ? RC_OK : RC_ENOMEM;
}

static enum rc add_offer(struct writer *w, struct listings *o,
                         const struct ird_map *m, const char *mode)
{
	const struct costmeta *meta = costmap_meta(resource_cost(m->res));
	struct listing *new = &o->at[o->n];

	if (o->n == IRD_TYPES_MAX)
		return diag_set(w->d, RC_ELIMIT, "more than %u cost types for "
		                "network map \"%s\"", IRD_TYPES_MAX,
		                meta->net.id);
	new->map = map_id(m);
	new->testable = m->testable;
	o->n_testable += m->testable;
	o->n++;
	return put_cost_type(w, mode, meta->metric, new->name);
}

static int by_offer(const void *a, const void *b)
{
	const struct listing *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* The cost types of all cost maps over a network map, ascending by name. */
static enum rc find_offers(struct writer *w, const char *net,
                           struct listings *o)
{
	enum rc rc = RC_OK;

	o->n = o->n_testable = 0;
	for (size_t i = 0; i < w->n && rc == RC_OK; i++) {
		const struct ird_map *m = &w->maps[i];
		struct costmap *cost = resource_cost(m->res);

		if (!cost || strcmp(costmap_meta(cost)->net.id, net) != 0)
			continue;
		rc = add_offer(w, o, m, costmap_meta(cost)->mode);
		if (rc == RC_OK && m->ordinal)
			rc = add_offer(w, o, m, "ordinal");
	}
	if (rc != RC_OK)
		return rc;
	qsort(o->at, o->n, sizeof(o->at[0]), by_offer);
	for (size_t i = 1; i < o->n; i++)
		if (strcmp(o->at[i - 1].name, o->at[i].name) == 0)
			return diag_set(w->d, RC_EEXIST, "cost maps \"%s\" and "
			                "\"%s\" both give the cost type %s for "
			                "network map \"%s\": take one out, or "
			                "say ordinal = false for it",
			                o->at[i - 1].map, o->at[i].map,
			                o->at[i].name, net);
	return RC_OK;
}

/* ---- maps ------------------------------------------------------------------ */

/* What a cost map has more than a network map: its cost type, its map. */
static enum rc put_cost(struct writer *w, json_t *entry,
                        const struct ird_map *m)
{
	const struct costmeta *meta = costmap_meta(resource_cost(m->res));
	char name[COST_TYPE_MAX + 1];
	json_t *caps = set_object(entry, "capabilities");
	enum rc rc = put_cost_type(w, meta->mode, meta->metric, name);

	if (rc == RC_OK &&
	    (!set(caps, "cost-type-names", json_pack("[s]", name)) ||
	     !set(entry, "uses", json_pack("[s]", meta->net.id))))
		rc = RC_ENOMEM;
	return rc;
}

/* Each property has one map that knows it. */
static enum rc claim_props(struct writer *w, const json_t *list,
                           const char *map)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name = json_string_value(json_array_get(list, i));
		json_t *other = json_object_get(w->props, name);

		if (other && strcmp(json_string_value(other), map) != 0)
			return diag_set(w->d, RC_EINVAL, "property maps \"%s\" "
			                "and \"%s\" both define %s",
			                json_string_value(other), map, name);
		if (!other && !set_text(w->props, name, map))
			return RC_ENOMEM;
	}
	return RC_OK;
}

static enum rc put_mappings(struct writer *w, json_t *entry,
                            const struct ird_map *m)
{
	json_t *caps = set_object(entry, "capabilities"), *mappings = NULL, *list;
	const char *domain;
	enum rc rc = ird_mappings(m->res, &mappings);

	if (rc == RC_OK && !set(caps, "mappings", mappings))
		rc = RC_ENOMEM;
	if (rc != RC_OK)
		return rc;
	json_object_foreach(mappings, domain, list) {
		if (rc == RC_OK)
			rc = claim_props(w, list, map_id(m));
	}
	return rc;
}

static enum rc put_map(struct writer *w, const struct ird_map *m)
{
	const struct costmap *cost = resource_cost(m->res);
	const char *media = MEDIA_NETWORK_MAP;
	char uri[sizeof("maps/") + ID_MAX];
	json_t *entry;
	enum rc rc;

	if (cost)
		media = MEDIA_COST_MAP;
	else if (is_props(m->res))
		media = MEDIA_PROPERTY_MAP;
	else if (!resource_net(m->res))
		return diag_set(w->d, RC_EINVAL, "\"%s\" is no map", map_id(m));
	if (m->ordinal &&
	    (!cost || strcmp(costmap_meta(cost)->mode, "numerical") != 0))
		return diag_set(w->d, RC_EINVAL, "ordinal: \"%s\" is no "
		                "numerical cost map", map_id(m));
	snprintf(uri, sizeof(uri), "maps/%s", map_id(m));
	rc = put_entry(w, map_id(m), uri, media, &entry);
	if (rc == RC_OK && cost)
		rc = put_cost(w, entry, m);
	else if (rc == RC_OK && is_props(m->res))
		rc = put_mappings(w, entry, m);
	return rc;
}

/* ---- computed services ----------------------------------------------------- */

struct computed {
	const char *suffix, *dir, *media, *accepts;
};

static const struct computed filtered_net = {
	":filtered", "filter/network/", MEDIA_NETWORK_MAP,
	MEDIA_NETWORK_MAP_FILTER
};
static const struct computed filtered_cost = {
	":filtered-cost", "filter/cost/", MEDIA_COST_MAP, MEDIA_COST_MAP_FILTER
};
static const struct computed endpoint_cost = {
	":endpoint-cost", "endpoint/cost/", MEDIA_ENDPOINT_COST,
	MEDIA_ENDPOINT_COST_PARAMS
};

/* <map><suffix>, or as much of the map's id as there is room for, "-", the hash
 * of all of it, and the suffix. */
static enum rc computed_id(const char *net, const char *suffix,
                           char id[ID_MAX + 1])
{
	size_t room = ID_MAX - strlen(suffix);
	char hex[2 * NAME_HASH + 1];
	uint8_t hash[SHA256_SIZE];
	struct digest *digest = NULL;
	enum rc rc;

	if (strlen(net) <= room) {
		snprintf(id, ID_MAX + 1, "%s%s", net, suffix);
		return RC_OK;
	}
	rc = digest_new(&digest);
	if (rc != RC_OK)
		return rc;
	digest_start(digest);
	digest_add(digest, net, strlen(net));
	rc = digest_end(digest, hash);
	digest_free(digest);
	enc_hex(hash, NAME_HASH, hex);
	snprintf(id, ID_MAX + 1, "%.*s-%s%s", (int)(room - 2 * NAME_HASH - 1),
	         net, hex, suffix);
	return rc;
}

/* Maps and links are in already: what is there under the id was configured. */
static enum rc put_computed(struct writer *w, const char *net,
                            const struct computed *c, json_t **entry)
{
	char id[ID_MAX + 1], uri[SERVICE_URI_MAX];
	enum rc rc = computed_id(net, c->suffix, id);

	if (rc != RC_OK)
		return rc;
	if (json_object_get(w->resources, id))
		return diag_set(w->d, RC_EEXIST, "\"%s\" is the id of a service "
		                "that is computed from network map \"%s\", and "
		                "of a map or directory that is configured: "
		                "change the id of that one (maps.id or "
		                "directories.id)", id, net);
	snprintf(uri, sizeof(uri), "%s%s", c->dir, net);
	rc = put_entry(w, id, uri, c->media, entry);
	return rc == RC_OK && !set_text(*entry, "accepts", c->accepts) ?
	       RC_ENOMEM : rc;
}

/* Names of the cost types on offer, or of those that tests may refer to. */
static json_t *offer_names(const struct listings *o, bool testable)
{
	json_t *list = json_array();

	for (size_t i = 0; i < o->n && list; i++) {
		if (testable && !o->at[i].testable)
			continue;
		if (add_text(list, o->at[i].name))
			continue;
		json_decref(list);
		list = NULL;
	}
	return list;
}

/* RFC 7285 s11.3.2.4, RFC 8189 s4.1.1. A subset that may be tested needs
 * RFC 8189, so it is offered only where that is. */
static enum rc put_capabilities(struct writer *w, json_t *entry,
                                const struct listings *o)
{
	json_t *caps = set_object(entry, "capabilities");
	unsigned max = w->sv->max_cost_types;
	bool ok = caps && set(caps, "cost-type-names", offer_names(o, false));

	if (o->n_testable == o->n)
		ok = ok && set(caps, "cost-constraints", json_true());
	else if (o->n_testable && max)
		ok = ok && set(caps, "testable-cost-type-names",
		               offer_names(o, true));
	if (max)
		ok = ok && set(caps, "max-cost-types", json_integer(max));
	return ok ? RC_OK : RC_ENOMEM;
}

static enum rc put_cost_services(struct writer *w, const char *net,
                                 const struct listings *o)
{
	json_t *entry;
	enum rc rc = RC_OK;

	if (w->sv->filtered) {
		rc = put_computed(w, net, &filtered_cost, &entry);
		if (rc == RC_OK && !set(entry, "uses", json_pack("[s]", net)))
			rc = RC_ENOMEM;
		if (rc == RC_OK)
			rc = put_capabilities(w, entry, o);
	}
	if (rc == RC_OK && w->sv->endpoint_cost) {
		rc = put_computed(w, net, &endpoint_cost, &entry);
		if (rc == RC_OK)
			rc = put_capabilities(w, entry, o);
	}
	return rc;
}

static enum rc put_net_services(struct writer *w, const char *net)
{
	struct listings o;
	json_t *entry;
	enum rc rc = find_offers(w, net, &o);

	if (rc == RC_OK && w->sv->filtered) {
		rc = put_computed(w, net, &filtered_net, &entry);
		if (rc == RC_OK && !set(entry, "uses", json_pack("[s]", net)))
			rc = RC_ENOMEM;
	}
	return rc == RC_OK && o.n ? put_cost_services(w, net, &o) : rc;
}

/* "<map>.pid" for each network map, then what the property maps have. */
static json_t *prop_types(const struct writer *w)
{
	json_t *nets = json_array(), *own = json_array(), *v;
	json_t *list = NULL, *tail = NULL;
	char name[ID_MAX + sizeof(".pid")];
	const char *prop;
	bool ok = nets && own;

	for (size_t i = 0; i < w->n && ok; i++) {
		if (!resource_net(w->maps[i].res))
			continue;
		snprintf(name, sizeof(name), "%s.pid", map_id(&w->maps[i]));
		ok = add_text(nets, name);
	}
	json_object_foreach(w->props, prop, v)
		ok = ok && add_text(own, prop);
	if (ok) {
		list = ird_sorted(nets);
		tail = ird_sorted(own);
		ok = list && tail && json_array_extend(list, tail) == 0;
	}
	json_decref(nets);
	json_decref(own);
	json_decref(tail);
	if (!ok) {
		json_decref(list);
		list = NULL;
	}
	return list;
}

static enum rc put_properties(struct writer *w)
{
	json_t *list = prop_types(w), *entry;
	enum rc rc = RC_OK;

	if (!list)
		return RC_ENOMEM;
	if (json_array_size(list) > IRD_PROPS_MAX)
		rc = diag_set(w->d, RC_ELIMIT, "%zu endpoint properties, at "
		              "most %u can be offered", json_array_size(list),
		              IRD_PROPS_MAX);
	else if (json_object_get(w->resources, PROPERTIES_ID))
		rc = diag_set(w->d, RC_EEXIST, "\"" PROPERTIES_ID "\" is the id "
		              "of the endpoint property service: change maps.id "
		              "or directories.id");
	if (rc == RC_OK)
		rc = put_entry(w, PROPERTIES_ID, "endpoint/property",
		               MEDIA_ENDPOINT_PROP, &entry);
	if (rc == RC_OK &&
	    (!set_text(entry, "accepts", MEDIA_ENDPOINT_PROP_PARAMS) ||
	     json_object_set(set_object(entry, "capabilities"), "prop-types",
	                     list) != 0))
		rc = RC_ENOMEM;
	json_decref(list);
	return rc;
}

static enum rc put_services(struct writer *w)
{
	json_t *entry;
	enum rc rc = RC_OK;

	for (size_t i = 0; i < w->sv->n_links && rc == RC_OK; i++)
		rc = put_entry(w, w->sv->links[i].id, w->sv->links[i].uri,
		               MEDIA_DIRECTORY, &entry);
	if (rc == RC_OK)
		rc = put_properties(w);
	for (size_t i = 0; i < w->n && rc == RC_OK; i++)
		if (resource_net(w->maps[i].res))
			rc = put_net_services(w, map_id(&w->maps[i]));
	return rc;
}

/* ---- redistribution -------------------------------------------------------- */

static enum rc put_keys(json_t *redist, const struct ird_redistribution *r)
{
	json_t *set_obj = set_object(redist, "keys");
	json_t *list = json_array();

	if (!set(set_obj, "keys", list))
		return RC_ENOMEM;
	for (size_t i = 0; i < r->n_keys; i++)
		if (json_array_append_new(list, jwk_write(&r->keys[i])) != 0)
			return RC_ENOMEM;
	return RC_OK;
}

static enum rc put_proxies(json_t *redist, const struct ird_redistribution *r)
{
	json_t *proxies = set_object(redist, "proxies");

	if (!proxies)
		return RC_ENOMEM;
	for (size_t i = 0; i < r->n_proxies; i++) {
		const struct ird_proxy *p = &r->proxies[i];
		json_t *entry;

		if (json_object_get(proxies, p->name))
			return RC_EEXIST;
		entry = set_object(proxies, p->name);
		if (!entry || !set_text(entry, "uri", p->uri) ||
		    (p->push[0] && !set_text(entry, "push", p->push)))
			return RC_ENOMEM;
	}
	return RC_OK;
}

static enum rc put_redistribution(json_t *meta,
                                  const struct ird_redistribution *r,
                                  bool endpoint_cost_vtag)
{
	json_t *redist = set_object(meta, "redistribution");
	enum rc rc;

	if (!redist || !set_text(redist, "service", r->service) ||
	    !set_text(redist, "state", r->state) ||
	    !set(redist, "heartbeat", json_integer(r->heartbeat)) ||
	    (r->push[0] && !set_text(redist, "push", r->push)) ||
	    (endpoint_cost_vtag &&
	     !set(redist, "endpoint-cost-vtag", json_true())))
		return RC_ENOMEM;
	rc = put_keys(redist, r);
	return rc == RC_OK ? put_proxies(redist, r) : rc;
}

/* ---- the whole ------------------------------------------------------------- */

static enum rc put_resources(struct writer *w, const char *default_net)
{
	bool has_default = false;
	enum rc rc = RC_OK;

	for (size_t i = 0; i < w->n && rc == RC_OK; i++) {
		has_default = has_default || (resource_net(w->maps[i].res) &&
		              strcmp(map_id(&w->maps[i]), default_net) == 0);
		rc = put_map(w, &w->maps[i]);
	}
	if (rc == RC_OK && !has_default)
		rc = diag_set(w->d, RC_EINVAL, "the default network map \"%s\" "
		              "is none of the maps", default_net);
	return rc == RC_OK ? put_services(w) : rc;
}

enum rc ird_write(const struct ird_redistribution *r,
                  const struct ird_map *maps, size_t n, const char *default_net,
                  const struct ird_services *sv, struct buf *dst,
                  struct diag *d)
{
	json_t *doc = json_object();
	json_t *meta = set_object(doc, "meta");
	struct writer w = {
		.types = set_object(meta, "cost-types"),
		.resources = set_object(doc, "resources"),
		.props = json_object(),
		.maps = maps, .n = n, .sv = sv, .d = d,
	};
	enum rc rc;

	if (n >= SNAPSHOT_RESOURCES_MAX ||
	    (r && r->n_proxies > IRD_PROXIES_MAX) ||
	    sv->n_links > IRD_LINKS_MAX)
		rc = RC_ELIMIT;
	else if (!w.types || !w.resources || !w.props ||
	         !set_text(meta, "default-alto-network-map", default_net))
		rc = RC_ENOMEM;
	else
		rc = put_resources(&w, default_net);
	if (rc == RC_OK && r)
		rc = put_redistribution(meta, r, sv->endpoint_cost_vtag);
	if (rc == RC_OK)
		rc = jcs_write(doc, dst);
	json_decref(doc);
	json_decref(w.props);
	return rc;
}
