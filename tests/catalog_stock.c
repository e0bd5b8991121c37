/* Resources, directories and what is made of them. */
#include "tests/catalog_stock.h"

#include "common/wire/ird_json.h"
#include "common/wire/jcs.h"
#include "common/wire/json.h"
#include "common/wire/seal.h"
#include "tests/suite.h"

struct stock stock_new(void)
{
	struct stock st = { .n = 0 };

	CU_ASSERT_EQUAL_FATAL(digest_new(&st.d), RC_OK);
	return st;
}

void stock_end(struct stock *st)
{
	for (size_t i = 0; i < st->n; i++)
		resource_unref(st->res[i]);
	digest_free(st->d);
}

struct resource *put(struct stock *st, const char *id,
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

struct resource *get(const struct stock *st, const char *id)
{
	for (size_t i = 0; i < st->n; i++)
		if (strcmp(resource_name(st->res[i])->id, id) == 0)
			return st->res[i];
	CU_FAIL_FATAL("no such resource");
	return NULL;
}

void drop(struct stock *st, const char *id)
{
	struct resource *r = get(st, id);

	for (size_t i = 0; i < st->n; i++)
		if (st->res[i] == r)
			st->res[i] = st->res[--st->n];
	resource_unref(r);
}

struct resource *put_net(struct stock *st, const char *id,
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

struct resource *put_cost_of(struct stock *st, const char *id,
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

struct resource *put_cost(struct stock *st, const char *id,
                          const char *type, const char *pids,
                          const char *net)
{
	struct vtag vtag = { .id = "" };

	snprintf(vtag.id, sizeof(vtag.id), "%s", net);
	memcpy(vtag.tag, resource_name(get(st, net))->tag, TAG_HEX + 1);
	return put_cost_of(st, id, type, pids, &vtag);
}

struct resource *put_next_cost(struct stock *st, const char *id)
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

struct resource *put_rebound(struct stock *st, const char *id)
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

struct resource *put_doc(struct stock *st, const char *id,
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

struct resource *put_props(struct stock *st, const char *id,
                           const char *text)
{
	return put_doc(st, id, MEDIA_PROPERTY_MAP, text);
}

struct resource *put_ird(struct stock *st, const char *redistribution,
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

struct stock whole_stock(void)
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

struct snapshot *snapshot_of(const struct stock *st)
{
	static const uint64_t changed[STOCK_MAX];
	struct state state = { .resources = st->n };
	struct snapshot *s = NULL;

	CU_ASSERT_EQUAL_FATAL(snapshot_new(st->res, changed, st->n, &state, &s),
	                      RC_OK);
	return s;
}

struct catalog *catalog_of(const struct stock *st,
                           struct catalog *before)
{
	struct snapshot *s = snapshot_of(st);
	struct catalog *c = NULL;

	CU_ASSERT_EQUAL_FATAL(catalog_new(s, before, &c), RC_OK);
	snapshot_unref(s);
	return c;
}

const struct service *at(const struct catalog *c, const char *path)
{
	const struct service *sv = catalog_find(c, path);

	CU_ASSERT_PTR_NOT_NULL_FATAL(sv);
	return sv;
}

const struct service_prop *find_prop(const struct catalog *c,
                                     const char *name)
{
	const struct service *sv = at(c, "endpoint/property");

	for (size_t i = 0; i < sv->n_props; i++)
		if (strcmp(sv->props[i].name, name) == 0)
			return &sv->props[i];
	return NULL;
}

const struct service_prop *prop(const struct catalog *c,
                                const char *name)
{
	const struct service_prop *p = find_prop(c, name);

	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	return p;
}

const char *found(const struct lpm *l, const struct index *names,
                  uint8_t x)
{
	const uint8_t addr[16] = { 10, x, 0, 1 };
	uint32_t v = lpm_find(l, FAMILY_IPV4, addr);

	return v == LPM_NONE ? "none" : index_name(names, v);
}
