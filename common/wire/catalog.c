/* All in one file, since whatever is resolved is resolved from struct held. */
#include "common/wire/catalog.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire/ird_json.h"
#include "common/wire/media.h"
#include "common/wire/offer.h"
#include "common/wire/propmap_json.h"

/* Where the PIDs of a network map stand in a cost map. It holds both tables of
 * names, so that in a later catalog an equal pointer is an equal table. */
struct places {
	atomic_uint refs;
	struct index *net, *cost;
	bool same;			/* the numbers are; at is empty */
	uint32_t at[];
};

/* A resource, and what was made of it. */
struct held {
	struct resource *res;
	struct vtag vtag;		/* network map */
	struct lpm *lpm;
	struct places *places;		/* cost map; NULL: its network map is
					 * not here, or of another tag */
	struct propmap *props;		/* property map; NULL: unreadable */
};

/* The resources are all held, though not all are pointed to: while they are, no
 * new one can have the address of an old one, so pointers tell what changed. */
struct catalog {
	atomic_uint refs;
	struct offers *offers;		/* NULL: there is no IRD */
	size_t n_held;
	struct held *held;		/* ascending by id */
	size_t n_costs;
	const struct held **costs;	/* the cost maps, ascending by type, of
					 * equal ones that with the lowest id */
	size_t n;
	struct service *services;	/* ascending by path */
};

/* What cannot be used is left out, so running out of memory is all that counts. */
static enum rc only_memory(enum rc rc)
{
	return rc == RC_ENOMEM ? rc : RC_OK;
}

/* ---- what is made of each resource ----------------------------------------- */

static void places_unref(struct places *p)
{
	if (!p || atomic_fetch_sub_explicit(&p->refs, 1,
	                                    memory_order_acq_rel) != 1)
		return;
	index_unref(p->net);
	index_unref(p->cost);
	free(p);
}

static enum rc places_new(struct index *net, struct index *cost,
                          struct places **out)
{
	bool same = index_equal(net, cost);
	size_t n = same ? 0 : index_count(net);
	struct places *p = malloc(sizeof(*p) + n * sizeof(p->at[0]));

	if (!p)
		return RC_ENOMEM;
	atomic_init(&p->refs, 1);
	p->net = index_ref(net);
	p->cost = index_ref(cost);
	p->same = same;
	for (uint32_t i = 0; i < n; i++)
		if (!index_find(cost, index_name(net, i),
		                index_name_len(net, i), &p->at[i]))
			p->at[i] = SERVICE_NONE;
	*out = p;
	return RC_OK;
}

static int id_cmp(const void *id, const void *held)
{
	return strcmp(id, resource_name(((const struct held *)held)->res)->id);
}

static const struct held *held_find(const struct catalog *c, const char *id)
{
	return bsearch(id, c->held, c->n_held, sizeof(*c->held), id_cmp);
}

/* old: what an earlier catalog has under the same id, or NULL; so it is in all
 * three. */
static enum rc open_netmap(struct held *h, const struct held *old)
{
	const struct resource_name *name = resource_name(h->res);
	struct netmap *net = resource_net(h->res);

	memcpy(h->vtag.id, name->id, sizeof(name->id));
	memcpy(h->vtag.tag, name->tag, sizeof(name->tag));
	if (old && old->lpm && resource_net(old->res) == net) {
		h->lpm = lpm_ref(old->lpm);
		return RC_OK;
	}
	return only_memory(lpm_of_netmap(net, &h->lpm));
}

static enum rc open_costmap(const struct catalog *c, struct held *h,
                            const struct held *old)
{
	struct costmap *cost = resource_cost(h->res);
	const struct vtag *of = &costmap_meta(cost)->net;
	const struct held *dep = held_find(c, of->id);
	struct netmap *net = dep ? resource_net(dep->res) : NULL;
	struct places *p = old ? old->places : NULL;

	if (!net || strcmp(of->tag, resource_name(dep->res)->tag) != 0)
		return RC_OK;
	if (!p || p->net != netmap_names(net) ||
	    p->cost != costmap_names(cost))
		return places_new(netmap_names(net), costmap_names(cost),
		                  &h->places);
	atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	h->places = p;
	return RC_OK;
}

static enum rc open_propmap(struct held *h, const struct held *old)
{
	uint64_t size = resource_size(h->res);
	char *text;
	enum rc rc;

	if (strcmp(resource_name(h->res)->type, MEDIA_PROPERTY_MAP) != 0)
		return RC_OK;
	if (old && old->res == h->res) {	/* unreadable then, so now */
		h->props = old->props ? propmap_ref(old->props) : NULL;
		return RC_OK;
	}
	if (size > PROPMAP_BYTES_MAX)
		return RC_OK;
	text = malloc((size_t)size + 1);
	if (!text)
		return RC_ENOMEM;
	rc = propmap_read(text, resource_read(h->res, 0, text, (size_t)size),
	                  &h->props, NULL);
	free(text);
	return only_memory(rc);
}

static enum rc open_all(struct catalog *c, const struct catalog *before)
{
	enum rc rc = RC_OK;

	if (before && !before->costs)
		before = NULL;		/* it offered nothing, so opened nothing */
	for (size_t i = 0; i < c->n_held && rc == RC_OK; i++) {
		struct held *h = &c->held[i];
		const struct held *old = before ?
			held_find(before, resource_name(h->res)->id) : NULL;

		if (resource_net(h->res))
			rc = open_netmap(h, old);
		else if (resource_cost(h->res))
			rc = open_costmap(c, h, old);
		else
			rc = open_propmap(h, old);
	}
	return rc;
}

/* ---- cost types ------------------------------------------------------------ */

static const struct costmeta *meta_of(const struct held *h)
{
	return costmap_meta(resource_cost(h->res));
}

static int type_cmp(const struct costmeta *a, const struct costmeta *b)
{
	int c = strcmp(a->net.id, b->net.id);

	if (!c)
		c = strcmp(a->metric, b->metric);
	return c ? c : strcmp(a->mode, b->mode);
}

/* Among equal types the lower id comes first: held ascends by it. */
static int by_type(const void *va, const void *vb)
{
	const struct held *a = *(const struct held *const *)va;
	const struct held *b = *(const struct held *const *)vb;
	int c = type_cmp(meta_of(a), meta_of(b));

	return c ? c : (a > b) - (a < b);
}

static enum rc sort_costs(struct catalog *c)
{
	size_t n = 0, kept = 0;

	c->costs = malloc((c->n_held + 1) * sizeof(*c->costs));
	if (!c->costs)
		return RC_ENOMEM;
	for (size_t i = 0; i < c->n_held; i++)
		if (resource_cost(c->held[i].res))
			c->costs[n++] = &c->held[i];
	qsort(c->costs, n, sizeof(*c->costs), by_type);
	for (size_t i = 0; i < n; i++)
		if (!kept || type_cmp(meta_of(c->costs[kept - 1]),
		                      meta_of(c->costs[i])) != 0)
			c->costs[kept++] = c->costs[i];
	c->n_costs = kept;
	return RC_OK;
}

static int key_cmp(const void *type, const void *held)
{
	return type_cmp(type, meta_of(*(const struct held *const *)held));
}

static const struct held *cost_find(const struct catalog *c,
                                    const struct costmeta *type)
{
	const struct held **h = bsearch(type, c->costs, c->n_costs,
	                                sizeof(*c->costs), key_cmp);

	return h ? *h : NULL;
}

/* A type with its map; false: there is none that fits. */
static bool resolve_cost(const struct catalog *c, const struct vtag *net,
                         const struct ird_cost_type *t,
                         struct service_cost *out)
{
	struct costmeta type = { .net = *net };
	const struct held *h;
	bool ranked = false;

	memcpy(type.metric, t->metric, sizeof(type.metric));
	memcpy(type.mode, t->mode, sizeof(type.mode));
	h = cost_find(c, &type);
	if (!h && strcmp(t->mode, "ordinal") == 0) {
		memcpy(type.mode, "numerical", sizeof("numerical"));
		h = cost_find(c, &type);
		ranked = true;
	}
	if (!h || !h->places)
		return false;
	memcpy(out->metric, t->metric, sizeof(out->metric));
	memcpy(out->mode, t->mode, sizeof(out->mode));
	out->testable = t->testable;
	out->ranked = ranked;
	out->map = resource_cost(h->res);
	out->at = h->places->same ? NULL : h->places->at;
	return true;
}

static enum rc resolve_costs(const struct catalog *c,
                             const struct ird_entry *e, struct service *sv)
{
	size_t n = e->n_types < SERVICE_COSTS_MAX ? e->n_types :
	           SERVICE_COSTS_MAX;
	struct service_cost *costs = calloc(n + 1, sizeof(*costs));

	if (!costs)
		return RC_ENOMEM;
	sv->costs = costs;
	for (size_t i = 0; i < n; i++)
		if (resolve_cost(c, sv->vtag, &e->types[i],
		                 &costs[sv->n_costs]))
			sv->n_costs++;
	sv->max_types = e->max_types < SERVICE_TYPES_MAX ? e->max_types :
	                SERVICE_TYPES_MAX;
	return RC_OK;
}

/* ---- properties ------------------------------------------------------------ */

/* "<map>.pid"; ids have no ".". */
static bool resolve_pid(const struct catalog *c, const char *name,
                        struct service_prop *out)
{
	const char *dot = strchr(name, '.');
	size_t len = dot ? (size_t)(dot - name) : 0;
	const struct held *h;
	char id[ID_MAX + 1];

	if (!dot || strcmp(dot, ".pid") != 0 || len > ID_MAX)
		return false;
	memcpy(id, name, len);
	id[len] = '\0';
	h = held_find(c, id);
	if (!h || !h->lpm)
		return false;
	*out = (struct service_prop){ name, &h->vtag, h->lpm,
	                              netmap_names(resource_net(h->res)) };
	return true;
}

/* Of the property maps that have it the one with the lowest id. */
static bool resolve_global(const struct catalog *c, const char *name,
                           struct service_prop *out)
{
	for (size_t i = 0; i < c->n_held; i++) {
		const struct propmap *p = c->held[i].props;
		size_t n = p ? propmap_count(p) : 0, k = 0;

		while (k < n && strcmp(propmap_name(p, k), name) != 0)
			k++;
		if (k == n)
			continue;
		*out = (struct service_prop){ name, NULL, propmap_lpm(p, k),
		                              propmap_values(p) };
		return true;
	}
	return false;
}

static enum rc resolve_props(const struct catalog *c,
                             const struct ird_entry *e, struct service *sv)
{
	size_t n = e->n_props < SERVICE_PROPS_MAX ? e->n_props :
	           SERVICE_PROPS_MAX;
	struct service_prop *props = calloc(n + 1, sizeof(*props));

	if (!props)
		return RC_ENOMEM;
	sv->props = props;
	for (size_t i = 0; i < n; i++)
		if (resolve_pid(c, e->props[i], &props[sv->n_props]) ||
		    resolve_global(c, e->props[i], &props[sv->n_props]))
			sv->n_props++;
	return RC_OK;
}

/* ---- services -------------------------------------------------------------- */

/* sv is zero. *fits: it can answer. */
static enum rc resolve(const struct catalog *c, const struct offer *o,
                       struct service *sv, bool *fits)
{
	const struct held *h;
	enum rc rc;

	sv->kind = o->kind;
	sv->id = o->entry->id;
	sv->path = o->entry->uri;
	sv->accepts = o->entry->accepts;
	sv->media = o->entry->media;
	sv->says_vtag = o->says_vtag;
	if (o->kind == SERVICE_ENDPOINT_PROPERTY) {
		rc = resolve_props(c, o->entry, sv);
		*fits = sv->n_props > 0;
		return rc;
	}
	h = held_find(c, o->map);
	*fits = h && h->lpm;
	if (!*fits)
		return RC_OK;
	sv->net = resource_net(h->res);
	sv->lpm = h->lpm;
	sv->vtag = &h->vtag;
	if (o->kind == SERVICE_NETWORK_MAP)
		return RC_OK;
	rc = resolve_costs(c, o->entry, sv);
	*fits = sv->n_costs > 0;
	return rc;
}

static void service_clear(struct service *sv)
{
	free((void *)sv->costs);
	free((void *)sv->props);
	memset(sv, 0, sizeof(*sv));
}

static enum rc make_services(struct catalog *c)
{
	size_t n = offers_count(c->offers);
	enum rc rc = RC_OK;

	c->services = calloc(n, sizeof(*c->services));
	if (!c->services)
		return RC_ENOMEM;
	for (size_t i = 0; i < n && rc == RC_OK; i++) {
		bool fits;

		rc = resolve(c, offers_at(c->offers, i), &c->services[c->n],
		             &fits);
		if (rc == RC_OK && fits)
			c->n++;
		else
			service_clear(&c->services[c->n]);
	}
	return rc;
}

/* ---- the catalog ----------------------------------------------------------- */

static bool same_resources(const struct catalog *c, const struct snapshot *s)
{
	if (c->n_held != snapshot_count(s))
		return false;
	for (size_t i = 0; i < c->n_held; i++)
		if (c->held[i].res != snapshot_at(s, i))
			return false;
	return true;
}

static enum rc hold_all(const struct snapshot *s, struct catalog **out)
{
	struct catalog *c = calloc(1, sizeof(*c));
	size_t n = snapshot_count(s);

	if (!c)
		return RC_ENOMEM;
	atomic_init(&c->refs, 1);
	c->held = calloc(n + 1, sizeof(*c->held));
	if (!c->held) {
		free(c);
		return RC_ENOMEM;
	}
	c->n_held = n;
	for (size_t i = 0; i < n; i++)
		c->held[i].res = resource_ref(snapshot_at(s, i));
	*out = c;
	return RC_OK;
}

enum rc catalog_new(const struct snapshot *s, struct catalog *before,
                    struct catalog **out)
{
	struct resource *ird = snapshot_get(s, DIRECTORY_ID);
	struct catalog *c = NULL;
	enum rc rc;

	if (before && same_resources(before, s)) {
		*out = catalog_ref(before);
		return RC_OK;
	}
	rc = hold_all(s, &c);
	if (rc != RC_OK)
		return rc;
	if (ird)
		rc = offers_new(ird, before ? before->offers : NULL,
		                &c->offers);
	if (rc == RC_OK && c->offers && offers_count(c->offers) > 0) {
		rc = open_all(c, before);
		if (rc == RC_OK)
			rc = sort_costs(c);
		if (rc == RC_OK)
			rc = make_services(c);
	}
	if (rc == RC_OK) {
		*out = c;
		c = NULL;
	}
	catalog_unref(c);
	return rc;
}

static int path_cmp(const void *path, const void *service)
{
	return strcmp(path, ((const struct service *)service)->path);
}

const struct service *catalog_find(const struct catalog *c, const char *path)
{
	return c->n ? bsearch(path, c->services, c->n, sizeof(*c->services),
	                      path_cmp) : NULL;
}

size_t catalog_count(const struct catalog *c)
{
	return c->n;
}

const struct service *catalog_at(const struct catalog *c, size_t i)
{
	return &c->services[i];
}

struct catalog *catalog_ref(struct catalog *c)
{
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

void catalog_unref(struct catalog *c)
{
	if (!c || atomic_fetch_sub_explicit(&c->refs, 1,
	                                    memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < c->n; i++)
		service_clear(&c->services[i]);
	free(c->services);
	free(c->costs);
	for (size_t i = 0; i < c->n_held; i++) {
		lpm_unref(c->held[i].lpm);
		places_unref(c->held[i].places);
		propmap_unref(c->held[i].props);
		resource_unref(c->held[i].res);
	}
	free(c->held);
	offers_unref(c->offers);
	free(c);
}
