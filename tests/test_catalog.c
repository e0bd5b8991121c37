/* Which services a snapshot has, and what they compute from. */
#include "common/wire/catalog.h"

#include "common/wire/ird_json.h"
#include "tests/catalog_stock.h"
#include "tests/suite.h"

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
		{ "all that the server announces is there",
		  all_that_the_server_announces_is_there },
		CU_TEST_INFO_NULL
	};

	return suite_run("catalog", tests);
}
