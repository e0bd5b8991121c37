/* Which services a snapshot has, what they compute from, and what a later catalog
 * shares with an earlier one. */
#include "common/wire/catalog.h"

#include "common/wire/ird_json.h"
#include "common/wire/jcs.h"
#include "common/wire/json.h"
#include "common/wire/media.h"
#include "common/wire/seal.h"
#include "tests/suite.h"

#define TEXT_MAX (4u << 20)
#define STOCK_MAX 16

/* ---- resources ------------------------------------------------------------- */

/* What is to be published: one resource under each id. */
struct stock {
	struct digest *d;
	size_t n;
	struct resource *res[STOCK_MAX];
};

static struct stock stock_new(void)
{
	struct stock st = { .n = 0 };

	CU_ASSERT_EQUAL_FATAL(digest_new(&st.d), RC_OK);
	return st;
}

static void stock_end(struct stock *st)
{
	for (size_t i = 0; i < st->n; i++)
		resource_unref(st->res[i]);
	digest_free(st->d);
}

/* Takes r over, in the place of what had its id. */
static struct resource *put(struct stock *st, const char *id,
                            struct resource *r)
{
	size_t i = 0;

	CU_ASSERT_EQUAL_FATAL(seal_announce(st->d, r, id), RC_OK);
	while (i < st->n && strcmp(resource_name(st->res[i])->id, id) != 0)
		i++;
	CU_ASSERT_FATAL(i < STOCK_MAX);
	if (i == st->n)
		st->n++;
	else
		resource_unref(st->res[i]);
	st->res[i] = r;
	return r;
}

static struct resource *get(const struct stock *st, const char *id)
{
	for (size_t i = 0; i < st->n; i++)
		if (strcmp(resource_name(st->res[i])->id, id) == 0)
			return st->res[i];
	CU_FAIL_FATAL("no such resource");
	return NULL;
}

static void drop(struct stock *st, const char *id)
{
	struct resource *r = get(st, id);

	for (size_t i = 0; i < st->n; i++)
		if (st->res[i] == r)
			st->res[i] = st->res[--st->n];
	resource_unref(r);
}

/* pids: "a b c"; the first has all of IPv4, the k-th 10.k.0.0/16. */
static struct resource *put_net(struct stock *st, const char *id,
                                const char *pids)
{
	struct prefix p = { .family = FAMILY_IPV4 };
	struct netbuild *b = NULL;
	struct netmap *m = NULL;
	struct resource *r = NULL;

	CU_ASSERT_EQUAL_FATAL(netbuild_new(&b), RC_OK);
	for (size_t len; *pids; pids += len + (pids[len] == ' ')) {
		len = strcspn(pids, " ");
		CU_ASSERT_EQUAL_FATAL(netbuild_pid(b, pids, len, NULL), RC_OK);
		CU_ASSERT_EQUAL_FATAL(netbuild_prefix(b, &p), RC_OK);
		p.addr[0] = 10;
		p.addr[1]++;
		p.len = 16;
	}
	CU_ASSERT_EQUAL_FATAL(netbuild_end(b, NULL, &m, NULL), RC_OK);
	CU_ASSERT_EQUAL_FATAL(seal_netmap(st->d, id, m, NULL, &r), RC_OK);
	netbuild_free(b);
	netmap_unref(m);
	return put(st, id, r);
}

/* Costs from the first of pids to all of them, over network map net as it is in
 * stock, or of another tag. */
static struct resource *put_cost_of(struct stock *st, const char *id,
                                    const char *type, const char *pids,
                                    const struct vtag *net)
{
	struct costmeta meta = { .net = *net };
	struct costbuild *b = NULL;
	struct costmap *m = NULL;
	struct resource *r = NULL;

	CU_ASSERT_EQUAL_FATAL(sscanf(type, "%32s %32s", meta.mode, meta.metric),
	                      2);
	CU_ASSERT_EQUAL_FATAL(costbuild_new(&b), RC_OK);
	CU_ASSERT_EQUAL_FATAL(costbuild_row(b, pids, strcspn(pids, " ")), RC_OK);
	for (size_t len; *pids; pids += len + (pids[len] == ' ')) {
		len = strcspn(pids, " ");
		CU_ASSERT_EQUAL_FATAL(costbuild_cell(b, pids, len, 7), RC_OK);
	}
	CU_ASSERT_EQUAL_FATAL(costbuild_end(b, &meta, NULL, &m), RC_OK);
	CU_ASSERT_EQUAL_FATAL(seal_costmap(st->d, id, m, NULL, &r), RC_OK);
	costbuild_free(b);
	costmap_unref(m);
	return put(st, id, r);
}

static struct resource *put_cost(struct stock *st, const char *id,
                                 const char *type, const char *pids,
                                 const char *net)
{
	struct vtag vtag = { .id = "" };

	snprintf(vtag.id, sizeof(vtag.id), "%s", net);
	memcpy(vtag.tag, resource_name(get(st, net))->tag, TAG_HEX + 1);
	return put_cost_of(st, id, type, pids, &vtag);
}

/* The same map with another cost in its first cell: new rows, names shared. */
static struct resource *put_next_cost(struct stock *st, const char *id)
{
	struct costmap *old = resource_cost(get(st, id)), *m = NULL;
	size_t n = costmap_pids(old);
	struct costrow **rows = calloc(n, sizeof(struct costrow *));
	struct costrow *row = costrow_new(n);
	struct resource *r = NULL;

	CU_ASSERT_FATAL(rows && row);
	row->cost[0] = 99;
	row->set = 1;
	rows[0] = row;
	CU_ASSERT_EQUAL_FATAL(costmap_from_rows(costmap_meta(old),
	                                        costmap_names(old), rows, &m),
	                      RC_OK);
	row_unref(&row->row);
	free(rows);
	CU_ASSERT_EQUAL_FATAL(seal_costmap(st->d, id, m, NULL, &r), RC_OK);
	costmap_unref(m);
	return put(st, id, r);
}

/* The same costs over the network map as it is now: rows and names shared. */
static struct resource *put_rebound(struct stock *st, const char *id)
{
	struct costmap *old = resource_cost(get(st, id)), *m = NULL;
	struct costmeta meta = *costmap_meta(old);
	struct resource *r = NULL;

	memcpy(meta.net.tag, resource_name(get(st, meta.net.id))->tag,
	       TAG_HEX + 1);
	CU_ASSERT_EQUAL_FATAL(costmap_rebind(old, &meta, &m), RC_OK);
	CU_ASSERT_EQUAL_FATAL(seal_costmap(st->d, id, m, NULL, &r), RC_OK);
	costmap_unref(m);
	return put(st, id, r);
}

static struct resource *put_doc(struct stock *st, const char *id,
                                const char *media, const char *text)
{
	struct buf b = BUF_INIT(TEXT_MAX);
	struct resource *r = NULL;
	json_t *doc = NULL;

	CU_ASSERT_EQUAL_FATAL(json_read(text, strlen(text), TEXT_MAX, &doc,
	                                NULL), RC_OK);
	CU_ASSERT_EQUAL_FATAL(jcs_write(doc, &b), RC_OK);
	CU_ASSERT_EQUAL_FATAL(seal_doc(st->d, media, b.data, b.len, &r), RC_OK);
	json_decref(doc);
	buf_free(&b);
	return put(st, id, r);
}

static struct resource *put_props(struct stock *st, const char *id,
                                  const char *text)
{
	return put_doc(st, id, MEDIA_PROPERTY_MAP, text);
}

/* ---- directories ----------------------------------------------------------- */

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

/* redistribution: more members of it. */
static struct resource *put_ird(struct stock *st, const char *redistribution,
                                const char *resources)
{
	struct buf b = BUF_INIT(TEXT_MAX);
	struct resource *r;

	buf_puts(&b, "{\"meta\":{\"cost-types\":{"
		"\"num\":{\"cost-mode\":\"numerical\","
		"\"cost-metric\":\"routingcost\"},"
		"\"ord\":{\"cost-mode\":\"ordinal\","
		"\"cost-metric\":\"routingcost\"},"
		"\"hops\":{\"cost-mode\":\"numerical\","
		"\"cost-metric\":\"hopcount\"},"
		"\"ord-hops\":{\"cost-mode\":\"ordinal\","
		"\"cost-metric\":\"hopcount\"},"
		"\"odd\":{\"cost-mode\":\"priv:odd\","
		"\"cost-metric\":\"routingcost\"}},"
		"\"default-alto-network-map\":\"net\","
		"\"redistribution\":{\"keys\":{\"keys\":[]},\"heartbeat\":30,"
		"\"service\":\"0b0f2d3c-8f3e-4d52-9a77-3a1f0c5d2e10\","
		"\"state\":\"state\"");
	buf_puts(&b, redistribution);
	buf_puts(&b, "}},\"resources\":{");
	buf_puts(&b, resources);
	buf_puts(&b, "}}");
	CU_ASSERT_EQUAL_FATAL(buf_rc(&b), RC_OK);
	r = put_doc(st, DIRECTORY_ID, MEDIA_DIRECTORY, b.data);
	buf_free(&b);
	return r;
}

/* Two network maps, three cost maps, a property map, every kind of service. */
static struct stock whole_stock(void)
{
	struct stock st = stock_new();

	put_net(&st, "net", "default a b");
	put_net(&st, "other", "x y");
	put_cost(&st, "cost", "numerical routingcost", "a b default", "net");
	put_cost(&st, "hops", "numerical hopcount", "b default", "net");
	put_cost(&st, "far", "numerical routingcost", "x y", "other");
	put_props(&st, "props", "{\"meta\":{},\"property-map\":{"
		"\"ipv4:10.1.0.0/16\":{\"priv:city\":\"Milan\"}}}");
	put_ird(&st, "", NETWORK("f", "filter/network/net") ","
		COST("c", "filter/cost/net", TYPES("\"num\",\"hops\",\"ord\"")
		     ",\"max-cost-types\":5,"
		     "\"testable-cost-type-names\":[\"hops\"]") ","
		ENDPOINT_COST("e", "endpoint/cost/net", TYPES("\"num\",\"hops\"")
		              ",\"cost-constraints\":true") ","
		ENDPOINT_COST("e2", "endpoint/cost/other", TYPES("\"num\"")) ","
		PROPERTY("p", "endpoint/property",
		         "\"other.pid\",\"priv:city\",\"net.pid\""));
	return st;
}

static struct snapshot *snapshot_of(const struct stock *st)
{
	static const uint64_t changed[STOCK_MAX];
	struct state state = { .resources = st->n };
	struct snapshot *s = NULL;

	CU_ASSERT_EQUAL_FATAL(snapshot_new(st->res, changed, st->n, &state, &s),
	                      RC_OK);
	return s;
}

/* The snapshot is let go at once: a catalog stands alone. */
static struct catalog *catalog_of(const struct stock *st,
                                  struct catalog *before)
{
	struct snapshot *s = snapshot_of(st);
	struct catalog *c = NULL;

	CU_ASSERT_EQUAL_FATAL(catalog_new(s, before, &c), RC_OK);
	snapshot_unref(s);
	return c;
}

static const struct service *at(const struct catalog *c, const char *path)
{
	const struct service *sv = catalog_find(c, path);

	CU_ASSERT_PTR_NOT_NULL_FATAL(sv);
	return sv;
}

static const struct service_prop *find_prop(const struct catalog *c,
                                            const char *name)
{
	const struct service *sv = at(c, "endpoint/property");

	for (size_t i = 0; i < sv->n_props; i++)
		if (strcmp(sv->props[i].name, name) == 0)
			return &sv->props[i];
	return NULL;
}

static const struct service_prop *prop(const struct catalog *c,
                                       const char *name)
{
	const struct service_prop *p = find_prop(c, name);

	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	return p;
}

/* The name that a table has for 10.x.0.1. */
static const char *found(const struct lpm *l, const struct index *names,
                         uint8_t x)
{
	const uint8_t addr[16] = { 10, x, 0, 1 };
	uint32_t v = lpm_find(l, FAMILY_IPV4, addr);

	return v == LPM_NONE ? "none" : index_name(names, v);
}

/* ---- what is resolved ------------------------------------------------------ */

static void every_service_of_the_directory_is_at_its_path(void)
{
	struct stock st = whole_stock();
	struct catalog *c = catalog_of(&st, NULL);
	const struct service *sv;

	CU_ASSERT_EQUAL_FATAL(catalog_count(c), 5);
	for (size_t i = 0; i < 5; i++)
		CU_ASSERT_PTR_EQUAL(catalog_find(c, catalog_at(c, i)->path),
		                    catalog_at(c, i));
	CU_ASSERT_PTR_NULL(catalog_find(c, "filter/network/other"));
	CU_ASSERT_PTR_NULL(catalog_find(c, "filter/network/"));
	CU_ASSERT_PTR_NULL(catalog_find(c, "/filter/network/net"));
	CU_ASSERT_PTR_NULL(catalog_find(c, "maps/net"));

	sv = at(c, "filter/network/net");
	CU_ASSERT_EQUAL(sv->kind, SERVICE_NETWORK_MAP);
	CU_ASSERT_STRING_EQUAL(sv->id, "f");
	CU_ASSERT_STRING_EQUAL(sv->accepts, MEDIA_NETWORK_MAP_FILTER);
	CU_ASSERT_STRING_EQUAL(sv->media, MEDIA_NETWORK_MAP);
	CU_ASSERT_PTR_EQUAL(sv->net, resource_net(get(&st, "net")));
	CU_ASSERT_STRING_EQUAL(sv->vtag->id, "net");
	CU_ASSERT_STRING_EQUAL(sv->vtag->tag,
	                       resource_name(get(&st, "net"))->tag);
	CU_ASSERT_STRING_EQUAL(found(sv->lpm, netmap_names(sv->net), 1), "a");
	CU_ASSERT_STRING_EQUAL(found(sv->lpm, netmap_names(sv->net), 9),
	                       "default");
	CU_ASSERT_EQUAL(at(c, "filter/cost/net")->kind, SERVICE_COST_MAP);
	CU_ASSERT_EQUAL(at(c, "endpoint/property")->kind,
	                SERVICE_ENDPOINT_PROPERTY);
	catalog_unref(c);
	stock_end(&st);
}

static void costs_come_with_their_maps_and_limits(void)
{
	struct stock st = whole_stock();
	struct catalog *c = catalog_of(&st, NULL);
	const struct service *sv = at(c, "filter/cost/net");

	CU_ASSERT_EQUAL(sv->max_types, 5);
	CU_ASSERT_FALSE(sv->says_vtag);
	CU_ASSERT_EQUAL_FATAL(sv->n_costs, 3);
	CU_ASSERT_STRING_EQUAL(sv->costs[0].metric, "routingcost");
	CU_ASSERT_STRING_EQUAL(sv->costs[0].mode, "numerical");
	CU_ASSERT_PTR_EQUAL(sv->costs[0].map, resource_cost(get(&st, "cost")));
	CU_ASSERT_FALSE(sv->costs[0].testable);
	CU_ASSERT_FALSE(sv->costs[0].ranked);
	CU_ASSERT_STRING_EQUAL(sv->costs[1].metric, "hopcount");
	CU_ASSERT_PTR_EQUAL(sv->costs[1].map, resource_cost(get(&st, "hops")));
	CU_ASSERT_TRUE(sv->costs[1].testable);

	sv = at(c, "endpoint/cost/net");
	CU_ASSERT_EQUAL(sv->max_types, 0);
	CU_ASSERT_EQUAL_FATAL(sv->n_costs, 2);
	CU_ASSERT_TRUE(sv->costs[0].testable && sv->costs[1].testable);
	catalog_unref(c);
	stock_end(&st);
}

static void endpoint_costs_are_over_the_map_that_the_path_names(void)
{
	struct stock st = whole_stock();
	struct catalog *c = catalog_of(&st, NULL);
	const struct service *a = at(c, "endpoint/cost/net");
	const struct service *b = at(c, "endpoint/cost/other");

	CU_ASSERT_PTR_EQUAL(a->net, resource_net(get(&st, "net")));
	CU_ASSERT_PTR_EQUAL(b->net, resource_net(get(&st, "other")));
	CU_ASSERT_PTR_EQUAL(a->lpm, at(c, "filter/network/net")->lpm);
	CU_ASSERT_STRING_EQUAL(found(b->lpm, netmap_names(b->net), 1), "y");
	CU_ASSERT_EQUAL_FATAL(b->n_costs, 1);
	CU_ASSERT_PTR_EQUAL(b->costs[0].map, resource_cost(get(&st, "far")));
	CU_ASSERT_STRING_EQUAL(b->vtag->id, "other");
	catalog_unref(c);
	stock_end(&st);
}

static void a_cost_map_with_fewer_pids_has_a_table(void)
{
	struct stock st = whole_stock();
	struct catalog *c = catalog_of(&st, NULL);
	const struct service *sv = at(c, "filter/cost/net");
	const uint32_t *t = sv->costs[1].at;

	CU_ASSERT_PTR_NULL(sv->costs[0].at);
	CU_ASSERT_PTR_NOT_NULL_FATAL(t);	/* a b default -> b default */
	CU_ASSERT_EQUAL(t[0], SERVICE_NONE);
	CU_ASSERT_EQUAL(t[1], 0);
	CU_ASSERT_EQUAL(t[2], 1);
	CU_ASSERT_PTR_EQUAL(at(c, "endpoint/cost/net")->costs[1].at, t);
	catalog_unref(c);
	stock_end(&st);
}

static void ordinal_costs_come_from_numerical_ones_unless_there_is_a_map(void)
{
	struct stock st = whole_stock();
	struct catalog *c = catalog_of(&st, NULL);
	const struct service_cost *ord = &at(c, "filter/cost/net")->costs[2];

	CU_ASSERT_STRING_EQUAL(ord->mode, "ordinal");
	CU_ASSERT_STRING_EQUAL(ord->metric, "routingcost");
	CU_ASSERT_TRUE(ord->ranked);
	CU_ASSERT_PTR_EQUAL(ord->map, resource_cost(get(&st, "cost")));
	catalog_unref(c);

	put_cost(&st, "z-ranks", "ordinal routingcost", "a b", "net");
	c = catalog_of(&st, NULL);
	ord = &at(c, "filter/cost/net")->costs[2];
	CU_ASSERT_FALSE(ord->ranked);
	CU_ASSERT_PTR_EQUAL(ord->map, resource_cost(get(&st, "z-ranks")));
	catalog_unref(c);
	stock_end(&st);
}

static void costs_of_no_other_mode_are_derived(void)
{
	struct stock st = whole_stock();
	struct catalog *c;

	put_ird(&st, "", COST("c", "filter/cost/net", TYPES("\"odd\"")));
	c = catalog_of(&st, NULL);
	CU_ASSERT_EQUAL(catalog_count(c), 0);
	catalog_unref(c);

	put_ird(&st, "", COST("c", "filter/cost/net",
	                      TYPES("\"num\",\"hops\"")));
	put_cost(&st, "cost", "ordinal routingcost", "a b default", "net");
	c = catalog_of(&st, NULL);
	CU_ASSERT_EQUAL_FATAL(at(c, "filter/cost/net")->n_costs, 1);
	CU_ASSERT_STRING_EQUAL(at(c, "filter/cost/net")->costs[0].metric,
	                       "hopcount");
	catalog_unref(c);
	stock_end(&st);
}

static void of_two_maps_of_a_type_the_lower_id_counts(void)
{
	struct stock st = whole_stock();
	struct catalog *c;

	put_cost(&st, "another", "numerical routingcost", "a b", "net");
	put_cost(&st, "zz", "numerical routingcost", "a b", "net");
	c = catalog_of(&st, NULL);
	CU_ASSERT_PTR_EQUAL(at(c, "filter/cost/net")->costs[0].map,
	                    resource_cost(get(&st, "another")));
	catalog_unref(c);
	stock_end(&st);
}

static void costs_of_another_version_of_the_network_map_are_left_out(void)
{
	struct stock st = whole_stock();
	const struct vtag stale = { "net", "0123" };
	struct catalog *c;

	put_cost_of(&st, "hops", "numerical hopcount", "a b", &stale);
	put_cost_of(&st, "ranks", "ordinal routingcost", "a b", &stale);
	c = catalog_of(&st, NULL);
	CU_ASSERT_EQUAL_FATAL(at(c, "filter/cost/net")->n_costs, 1);
	CU_ASSERT_STRING_EQUAL(at(c, "filter/cost/net")->costs[0].mode,
	                       "numerical");
	CU_ASSERT_EQUAL(catalog_count(c), 5);
	catalog_unref(c);

	put_net(&st, "net", "a b default");	/* no cost map is of this one */
	c = catalog_of(&st, NULL);
	CU_ASSERT_PTR_NULL(catalog_find(c, "filter/cost/net"));
	CU_ASSERT_PTR_NULL(catalog_find(c, "endpoint/cost/net"));
	CU_ASSERT_PTR_NOT_NULL(catalog_find(c, "filter/network/net"));
	CU_ASSERT_PTR_NOT_NULL(catalog_find(c, "endpoint/cost/other"));
	catalog_unref(c);
	stock_end(&st);
}

static void properties_come_from_network_maps_and_property_maps(void)
{
	struct stock st = whole_stock();
	struct catalog *c = catalog_of(&st, NULL);
	const struct service *sv = at(c, "endpoint/property");
	const struct service_prop *p;

	CU_ASSERT_EQUAL_FATAL(sv->n_props, 3);
	CU_ASSERT_STRING_EQUAL(sv->props[0].name, "other.pid");
	CU_ASSERT_STRING_EQUAL(sv->props[1].name, "priv:city");
	CU_ASSERT_STRING_EQUAL(sv->props[2].name, "net.pid");
	CU_ASSERT_PTR_NULL(sv->net);

	p = prop(c, "net.pid");
	CU_ASSERT_STRING_EQUAL(p->net->id, "net");
	CU_ASSERT_STRING_EQUAL(p->net->tag,
	                       resource_name(get(&st, "net"))->tag);
	CU_ASSERT_STRING_EQUAL(found(p->lpm, p->values, 2), "b");
	p = prop(c, "other.pid");
	CU_ASSERT_STRING_EQUAL(found(p->lpm, p->values, 2), "x");
	p = prop(c, "priv:city");
	CU_ASSERT_PTR_NULL(p->net);
	CU_ASSERT_STRING_EQUAL(found(p->lpm, p->values, 1), "Milan");
	CU_ASSERT_STRING_EQUAL(found(p->lpm, p->values, 2), "none");
	catalog_unref(c);
	stock_end(&st);
}

static void properties_that_nothing_defines_are_left_out(void)
{
	struct stock st = whole_stock();
	struct catalog *c;

	put_ird(&st, "", PROPERTY("p", "endpoint/property",
		"\"none.pid\",\"cost.pid\",\"net.pids\",\"pid\",\".pid\","
		"\".directory.pid\",\"net.\",\"\",\"priv:town\",\"net.pid\","
		"\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaa.pid\""));
	c = catalog_of(&st, NULL);
	CU_ASSERT_EQUAL(at(c, "endpoint/property")->n_props, 1);
	CU_ASSERT_PTR_NOT_NULL(find_prop(c, "net.pid"));
	catalog_unref(c);

	put_ird(&st, "", PROPERTY("p", "endpoint/property", "\"none.pid\""));
	c = catalog_of(&st, NULL);
	CU_ASSERT_EQUAL(catalog_count(c), 0);
	catalog_unref(c);
	stock_end(&st);
}

static void an_unreadable_property_map_has_no_properties(void)
{
	struct stock st = whole_stock();
	struct catalog *c, *next;
	const struct service_prop *p;

	put_props(&st, "props", "{\"meta\":{},\"property-map\":7}");
	c = catalog_of(&st, NULL);
	CU_ASSERT_EQUAL(at(c, "endpoint/property")->n_props, 2);
	put_next_cost(&st, "cost");		/* it stays so */
	next = catalog_of(&st, c);
	CU_ASSERT_PTR_NULL(find_prop(next, "priv:city"));
	catalog_unref(c);

	put_props(&st, "z-props", "{\"meta\":{},\"property-map\":{"
		"\"ipv4:10.2.0.0/16\":{\"priv:city\":\"Oslo\"}}}");
	c = catalog_of(&st, next);
	p = prop(c, "priv:city");
	CU_ASSERT_STRING_EQUAL(found(p->lpm, p->values, 2), "Oslo");
	catalog_unref(c);
	catalog_unref(next);
	stock_end(&st);
}

static void of_two_property_maps_the_lower_id_counts(void)
{
	struct stock st = whole_stock();
	const struct service_prop *p;
	struct catalog *c;

	put_props(&st, "a-props", "{\"meta\":{},\"property-map\":{"
		"\"ipv4:10.0.0.0/8\":{\"priv:city\":\"Oslo\"}}}");
	c = catalog_of(&st, NULL);
	p = prop(c, "priv:city");
	CU_ASSERT_STRING_EQUAL(found(p->lpm, p->values, 1), "Oslo");
	catalog_unref(c);
	stock_end(&st);
}

static void endpoint_costs_name_their_map_if_the_directory_says_so(void)
{
	struct stock st = whole_stock();
	struct catalog *c;

	put_ird(&st, ",\"endpoint-cost-vtag\":true",
		COST("c", "filter/cost/net", TYPES("\"num\"")) ","
		ENDPOINT_COST("e", "endpoint/cost/net", TYPES("\"num\"")
		              ",\"max-cost-types\":100000"));
	c = catalog_of(&st, NULL);
	CU_ASSERT_TRUE(at(c, "endpoint/cost/net")->says_vtag);
	CU_ASSERT_FALSE(at(c, "filter/cost/net")->says_vtag);
	CU_ASSERT_EQUAL(at(c, "endpoint/cost/net")->max_types,
	                SERVICE_TYPES_MAX);
	catalog_unref(c);
	stock_end(&st);
}

/* ---- what is left out ------------------------------------------------------ */

static void without_a_readable_directory_there_are_no_services(void)
{
	struct stock st = whole_stock();
	struct catalog *c = catalog_of(&st, NULL), *next;

	put_doc(&st, DIRECTORY_ID, MEDIA_DIRECTORY, "{\"meta\":{}}");
	next = catalog_of(&st, c);
	CU_ASSERT_EQUAL(catalog_count(next), 0);
	CU_ASSERT_PTR_NULL(catalog_find(next, "filter/network/net"));
	catalog_unref(c);
	drop(&st, DIRECTORY_ID);
	c = catalog_of(&st, next);
	CU_ASSERT_EQUAL(catalog_count(c), 0);
	catalog_unref(c);
	catalog_unref(next);
	stock_end(&st);

	st = stock_new();
	c = catalog_of(&st, NULL);
	CU_ASSERT_EQUAL(catalog_count(c), 0);
	next = catalog_of(&st, c);
	CU_ASSERT_PTR_EQUAL(next, c);
	catalog_unref(c);
	catalog_unref(next);
	stock_end(&st);
}

static void services_come_back_with_a_readable_directory(void)
{
	struct stock st = whole_stock();
	struct resource *ird = resource_ref(get(&st, DIRECTORY_ID));
	struct catalog *broken, *c;

	put_doc(&st, DIRECTORY_ID, MEDIA_DIRECTORY, "{\"meta\":{}}");
	broken = catalog_of(&st, NULL);
	put(&st, DIRECTORY_ID, ird);
	c = catalog_of(&st, broken);
	CU_ASSERT_EQUAL(catalog_count(c), 5);
	CU_ASSERT_PTR_NOT_NULL(find_prop(c, "priv:city"));
	CU_ASSERT_PTR_NOT_NULL(find_prop(c, "net.pid"));
	catalog_unref(broken);
	catalog_unref(c);
	stock_end(&st);
}

static void entries_that_do_not_fit_are_left_out(void)
{
	struct stock st = whole_stock();
	struct catalog *c;

	put_ird(&st, "",
		NETWORK("a1", "filter/network/none") ","
		NETWORK("a2", "filter/network/cost") ","
		NETWORK("a3", "filter/network/") ","
		NETWORK("a4", "filter/network/net/") ","
		NETWORK("a5", "filter/network/n%65t") ","
		NETWORK("a6", "/filter/network/net") ","
		NETWORK("a7", "http://192.0.2.1/filter/network/net") ","
		NETWORK("a8", "filter/cost/net") ","
		ENTRY("b1", "filter/network/net", MEDIA_NETWORK_MAP,
		      MEDIA_COST_MAP_FILTER, "") ","
		ENTRY("b2", "filter/network/net", MEDIA_COST_MAP,
		      MEDIA_NETWORK_MAP_FILTER, "") ","
		"\"b3\":{\"uri\":\"filter/network/net\",\"media-type\":\""
		MEDIA_NETWORK_MAP "\"},"
		COST("c1", "filter/cost/none", TYPES("\"num\"")) ","
		COST("c2", "filter/cost/other", TYPES("\"hops\"")) ","
		COST("c3", "filter/cost/cost", TYPES("\"num\"")) ","
		ENDPOINT_COST("d1", "endpoint/cost/net", "") ","
		ENDPOINT_COST("d2", "endpoint/cost", TYPES("\"num\"")) ","
		PROPERTY("e1", "endpoint/property/", "\"net.pid\"") ","
		PROPERTY("e2", "endpoint/property/net", "\"net.pid\"") ","
		"\"f1\":{\"uri\":\"https://192.0.2.1/directory\","
		"\"media-type\":\"" MEDIA_DIRECTORY "\"}");
	c = catalog_of(&st, NULL);
	CU_ASSERT_EQUAL(catalog_count(c), 0);
	catalog_unref(c);
	stock_end(&st);
}

static void one_path_is_one_service(void)
{
	struct stock st = whole_stock();
	struct catalog *c;

	put_ird(&st, "",
		ENTRY("a", "filter/network/net", MEDIA_NETWORK_MAP, "", "") ","
		NETWORK("c", "filter/network/net") ","
		NETWORK("b", "filter/network/net") ","
		NETWORK("z", "filter/network/other"));
	c = catalog_of(&st, NULL);
	CU_ASSERT_EQUAL(catalog_count(c), 2);
	CU_ASSERT_STRING_EQUAL(at(c, "filter/network/net")->id, "b");
	catalog_unref(c);
	stock_end(&st);
}

/* ---- what is shared -------------------------------------------------------- */

static void a_heartbeat_gives_the_same_catalog(void)
{
	struct stock st = whole_stock();
	struct snapshot *s = snapshot_of(&st), *next = NULL;
	const struct state later = { .created = 30 };
	struct catalog *a = NULL, *b = NULL;

	CU_ASSERT_EQUAL_FATAL(catalog_new(s, NULL, &a), RC_OK);
	CU_ASSERT_EQUAL_FATAL(snapshot_restate(s, &later, &next), RC_OK);
	CU_ASSERT_EQUAL_FATAL(catalog_new(next, a, &b), RC_OK);
	CU_ASSERT_PTR_EQUAL(a, b);
	snapshot_unref(s);
	snapshot_unref(next);
	CU_ASSERT_EQUAL(snapshots_alive(), 0);
	catalog_unref(a);
	CU_ASSERT_EQUAL(catalog_count(b), 5);
	catalog_unref(b);
	stock_end(&st);
}

static void a_changed_cost_map_leaves_all_tables_as_they_are(void)
{
	struct stock st = whole_stock();
	struct catalog *a = catalog_of(&st, NULL), *b;
	const struct service *x, *y;

	put_next_cost(&st, "hops");
	b = catalog_of(&st, a);
	CU_ASSERT_PTR_NOT_EQUAL(a, b);
	x = at(a, "filter/cost/net");
	y = at(b, "filter/cost/net");
	CU_ASSERT_PTR_EQUAL(x->lpm, y->lpm);
	CU_ASSERT_PTR_EQUAL(x->id, y->id);	/* the directory, too */
	CU_ASSERT_PTR_EQUAL(x->costs[0].map, y->costs[0].map);
	CU_ASSERT_PTR_NOT_EQUAL(x->costs[1].map, y->costs[1].map);
	CU_ASSERT_PTR_EQUAL(y->costs[1].map, resource_cost(get(&st, "hops")));
	CU_ASSERT_PTR_NOT_NULL(x->costs[1].at);
	CU_ASSERT_PTR_EQUAL(x->costs[1].at, y->costs[1].at);
	CU_ASSERT_PTR_EQUAL(prop(a, "priv:city")->lpm, prop(b, "priv:city")->lpm);
	CU_ASSERT_PTR_EQUAL(prop(a, "net.pid")->lpm, prop(b, "net.pid")->lpm);

	catalog_unref(a);	/* what is shared outlives it */
	CU_ASSERT_EQUAL(y->costs[1].at[2], 1);
	CU_ASSERT_STRING_EQUAL(y->id, "c");
	CU_ASSERT_STRING_EQUAL(found(y->lpm, netmap_names(y->net), 2), "b");
	catalog_unref(b);
	stock_end(&st);
}

static void a_changed_directory_leaves_the_tables_as_they_are(void)
{
	struct stock st = whole_stock();
	struct catalog *a = catalog_of(&st, NULL), *b;
	const struct service *x, *y;

	put_ird(&st, ",\"proxies\":{\"rp\":{\"uri\":\"https://192.0.2.1/\"}}",
		COST("c", "filter/cost/net", TYPES("\"hops\"")) ","
		PROPERTY("p", "endpoint/property", "\"priv:city\""));
	b = catalog_of(&st, a);
	CU_ASSERT_EQUAL(catalog_count(b), 2);
	x = at(a, "filter/cost/net");
	y = at(b, "filter/cost/net");
	CU_ASSERT_PTR_EQUAL(x->lpm, y->lpm);
	CU_ASSERT_EQUAL_FATAL(y->n_costs, 1);
	CU_ASSERT_PTR_EQUAL(x->costs[1].at, y->costs[0].at);
	CU_ASSERT_PTR_EQUAL(prop(a, "priv:city")->lpm, prop(b, "priv:city")->lpm);
	catalog_unref(a);
	catalog_unref(b);
	stock_end(&st);
}

static void a_changed_network_map_has_tables_of_its_own(void)
{
	struct stock st = whole_stock();
	struct catalog *a = catalog_of(&st, NULL), *b;
	const struct service *x, *y;

	put_net(&st, "net", "default b a");
	put_cost(&st, "hops", "numerical hopcount", "b default", "net");
	b = catalog_of(&st, a);
	x = at(a, "endpoint/cost/net");
	y = at(b, "endpoint/cost/net");
	CU_ASSERT_PTR_NOT_EQUAL(x->lpm, y->lpm);
	CU_ASSERT_STRING_EQUAL(found(y->lpm, netmap_names(y->net), 1), "b");
	CU_ASSERT_STRING_NOT_EQUAL(x->vtag->tag, y->vtag->tag);
	CU_ASSERT_EQUAL_FATAL(y->n_costs, 1);
	CU_ASSERT_PTR_NOT_EQUAL(x->costs[1].at, y->costs[0].at);
	CU_ASSERT_PTR_EQUAL(at(a, "endpoint/cost/other")->lpm,
	                    at(b, "endpoint/cost/other")->lpm);
	catalog_unref(b);
	CU_ASSERT_STRING_EQUAL(found(x->lpm, netmap_names(x->net), 1), "a");
	catalog_unref(a);
	stock_end(&st);
}

static void a_table_follows_the_names_on_both_sides(void)
{
	struct stock st = whole_stock();
	struct catalog *a = catalog_of(&st, NULL), *b, *c;
	const uint32_t *t;

	put_net(&st, "net", "default a aa b");
	put_rebound(&st, "hops");
	put_rebound(&st, "cost");
	b = catalog_of(&st, a);
	t = at(b, "filter/cost/net")->costs[1].at;
	CU_ASSERT_PTR_NOT_NULL_FATAL(t);	/* a aa b default -> b default */
	CU_ASSERT_EQUAL(t[1], SERVICE_NONE);
	CU_ASSERT_EQUAL(t[2], 0);
	CU_ASSERT_EQUAL(t[3], 1);
	CU_ASSERT_PTR_NOT_NULL(at(b, "filter/cost/net")->costs[0].at);

	put_cost(&st, "hops", "numerical hopcount", "aa b", "net");
	c = catalog_of(&st, b);
	t = at(c, "filter/cost/net")->costs[1].at;
	CU_ASSERT_PTR_NOT_NULL_FATAL(t);
	CU_ASSERT_EQUAL(t[1], 0);
	CU_ASSERT_EQUAL(t[2], 1);
	CU_ASSERT_EQUAL(t[3], SERVICE_NONE);
	catalog_unref(a);
	catalog_unref(b);
	catalog_unref(c);
	stock_end(&st);
}

static void a_changed_property_map_is_read_anew(void)
{
	struct stock st = whole_stock();
	struct catalog *a = catalog_of(&st, NULL), *b;
	const struct service_prop *p;

	put_props(&st, "props", "{\"meta\":{},\"property-map\":{"
		"\"ipv4:10.1.0.0/16\":{\"priv:city\":\"Oslo\"}}}");
	b = catalog_of(&st, a);
	p = prop(b, "priv:city");
	CU_ASSERT_STRING_EQUAL(found(p->lpm, p->values, 1), "Oslo");
	p = prop(a, "priv:city");
	CU_ASSERT_STRING_EQUAL(found(p->lpm, p->values, 1), "Milan");
	catalog_unref(a);
	catalog_unref(b);
	stock_end(&st);
}

static void resources_come_and_go(void)
{
	struct stock st = whole_stock();
	struct catalog *a = catalog_of(&st, NULL), *b, *c;

	drop(&st, "other");
	drop(&st, "far");
	drop(&st, "props");
	b = catalog_of(&st, a);
	CU_ASSERT_EQUAL(catalog_count(b), 4);
	CU_ASSERT_PTR_NULL(catalog_find(b, "endpoint/cost/other"));
	CU_ASSERT_EQUAL(at(b, "endpoint/property")->n_props, 1);
	CU_ASSERT_PTR_EQUAL(at(a, "endpoint/cost/net")->lpm,
	                    at(b, "endpoint/cost/net")->lpm);
	catalog_unref(a);
	put_net(&st, "other", "x y");
	put_cost(&st, "far", "numerical routingcost", "x y", "other");
	c = catalog_of(&st, b);
	catalog_unref(b);
	CU_ASSERT_EQUAL(catalog_count(c), 5);
	CU_ASSERT_EQUAL(at(c, "endpoint/property")->n_props, 2);
	catalog_unref(c);
	stock_end(&st);
}

/* ---- as the server writes it ----------------------------------------------- */

static void all_that_the_server_announces_is_there(void)
{
	struct stock st = whole_stock();
	struct ird_map maps[STOCK_MAX] = { { .res = NULL } };
	struct ird_services sv = { .filtered = true, .endpoint_cost = true,
	                           .endpoint_cost_vtag = true,
	                           .max_cost_types = 8 };
	struct ird_redistribution red = {
		.service = "0b0f2d3c-8f3e-4d52-9a77-3a1f0c5d2e10",
		.state = "state", .heartbeat = 30
	};
	struct buf b = BUF_INIT(TEXT_MAX);
	struct catalog *c;

	drop(&st, DIRECTORY_ID);
	for (size_t i = 0; i < st.n; i++)
		maps[i] = (struct ird_map){ st.res[i],
			resource_cost(st.res[i]) != NULL, true };
	CU_ASSERT_EQUAL_FATAL(ird_write(&red, maps, st.n, "net", &sv, &b, NULL),
	                      RC_OK);
	put_doc(&st, DIRECTORY_ID, MEDIA_DIRECTORY, b.data);
	buf_free(&b);
	c = catalog_of(&st, NULL);
	CU_ASSERT_EQUAL(catalog_count(c), 7);
	CU_ASSERT_EQUAL(at(c, "filter/cost/net")->n_costs, 4);
	CU_ASSERT_EQUAL(at(c, "filter/cost/net")->max_types, 8);
	CU_ASSERT_EQUAL(at(c, "filter/cost/other")->n_costs, 2);
	CU_ASSERT_TRUE(at(c, "endpoint/cost/other")->costs[0].testable);
	CU_ASSERT_TRUE(at(c, "endpoint/cost/other")->says_vtag);
	CU_ASSERT_EQUAL(at(c, "endpoint/property")->n_props, 3);
	catalog_unref(c);
	stock_end(&st);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "every service of the directory is at its path",
		  every_service_of_the_directory_is_at_its_path },
		{ "costs come with their maps and limits",
		  costs_come_with_their_maps_and_limits },
		{ "endpoint costs are over the map that the path names",
		  endpoint_costs_are_over_the_map_that_the_path_names },
		{ "a cost map with fewer PIDs has a table",
		  a_cost_map_with_fewer_pids_has_a_table },
		{ "ordinal costs come from numerical ones unless there is a map",
		  ordinal_costs_come_from_numerical_ones_unless_there_is_a_map },
		{ "costs of no other mode are derived",
		  costs_of_no_other_mode_are_derived },
		{ "of two maps of a type the lower id counts",
		  of_two_maps_of_a_type_the_lower_id_counts },
		{ "costs of another version of the network map are left out",
		  costs_of_another_version_of_the_network_map_are_left_out },
		{ "properties come from network maps and property maps",
		  properties_come_from_network_maps_and_property_maps },
		{ "properties that nothing defines are left out",
		  properties_that_nothing_defines_are_left_out },
		{ "an unreadable property map has no properties",
		  an_unreadable_property_map_has_no_properties },
		{ "of two property maps the lower id counts",
		  of_two_property_maps_the_lower_id_counts },
		{ "endpoint costs name their map if the directory says so",
		  endpoint_costs_name_their_map_if_the_directory_says_so },
		{ "without a readable directory there are no services",
		  without_a_readable_directory_there_are_no_services },
		{ "services come back with a readable directory",
		  services_come_back_with_a_readable_directory },
		{ "entries that do not fit are left out",
		  entries_that_do_not_fit_are_left_out },
		{ "one path is one service", one_path_is_one_service },
		{ "a heartbeat gives the same catalog",
		  a_heartbeat_gives_the_same_catalog },
		{ "a changed cost map leaves all tables as they are",
		  a_changed_cost_map_leaves_all_tables_as_they_are },
		{ "a changed directory leaves the tables as they are",
		  a_changed_directory_leaves_the_tables_as_they_are },
		{ "a changed network map has tables of its own",
		  a_changed_network_map_has_tables_of_its_own },
		{ "a table follows the names on both sides",
		  a_table_follows_the_names_on_both_sides },
		{ "a changed property map is read anew",
		  a_changed_property_map_is_read_anew },
		{ "resources come and go", resources_come_and_go },
		{ "all that the server announces is there",
		  all_that_the_server_announces_is_there },
		CU_TEST_INFO_NULL
	};

	return suite_run("catalog", tests);
}
