/* What a later catalog shares with an earlier one. */
#include "common/wire/catalog.h"

#include "tests/catalog_stock.h"
#include "tests/suite.h"

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

int main(void)
{
	CU_TestInfo tests[] = {
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
		CU_TEST_INFO_NULL
	};

	return suite_run("catalog_next", tests);
}
