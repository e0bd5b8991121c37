/* The directory: its canonical bytes, and what is not written. */
#include "common/wire/ird_json.h"

#include "common/core/costmap.h"
#include "common/core/netmap.h"
#include "common/wire/json.h"
#include "common/wire/media.h"
#include "common/wire/seal.h"
#include "tests/ird_text.h"
#include "tests/suite.h"

static struct resource *announced(struct digest *d, struct resource *r,
                                  const char *id)
{
	CU_ASSERT_EQUAL_FATAL(seal_announce(d, r, id), RC_OK);
	digest_free(d);
	return r;
}

static struct resource *net_resource(const char *id)
{
	struct netbuild *b = NULL;
	struct netmap *m = NULL;
	struct digest *d = NULL;
	struct resource *r = NULL;

	CU_ASSERT_EQUAL_FATAL(netbuild_new(&b), RC_OK);
	CU_ASSERT_EQUAL_FATAL(netbuild_pid(b, "pid", 3, NULL), RC_OK);
	CU_ASSERT_EQUAL_FATAL(netbuild_end(b, NULL, &m, NULL), RC_OK);
	CU_ASSERT_EQUAL_FATAL(digest_new(&d), RC_OK);
	CU_ASSERT_EQUAL_FATAL(seal_netmap(d, id, m, NULL, &r), RC_OK);
	netbuild_free(b);
	netmap_unref(m);
	return announced(d, r, id);
}

static struct resource *cost_resource(const char *id, const char *metric,
                                      const char *mode)
{
	struct costmeta meta = { .net = { "net", "t" } };
	struct costbuild *b = NULL;
	struct costmap *m = NULL;
	struct digest *d = NULL;
	struct resource *r = NULL;

	snprintf(meta.metric, sizeof(meta.metric), "%s", metric);
	snprintf(meta.mode, sizeof(meta.mode), "%s", mode);
	CU_ASSERT_EQUAL_FATAL(costbuild_new(&b), RC_OK);
	CU_ASSERT_EQUAL_FATAL(costbuild_row(b, "pid", 3), RC_OK);
	CU_ASSERT_EQUAL_FATAL(costbuild_cell(b, "pid", 3, 1.0), RC_OK);
	CU_ASSERT_EQUAL_FATAL(costbuild_end(b, &meta, NULL, &m), RC_OK);
	CU_ASSERT_EQUAL_FATAL(digest_new(&d), RC_OK);
	CU_ASSERT_EQUAL_FATAL(seal_costmap(d, id, m, NULL, &r), RC_OK);
	costbuild_free(b);
	costmap_unref(m);
	return announced(d, r, id);
}

static struct resource *prop_resource(const char *id, const char *text)
{
	struct digest *d = NULL;
	struct resource *r = NULL;

	CU_ASSERT_EQUAL_FATAL(digest_new(&d), RC_OK);
	CU_ASSERT_EQUAL_FATAL(seal_doc(d, MEDIA_PROPERTY_MAP, text,
	                               strlen(text), &r), RC_OK);
	return announced(d, r, id);
}

static struct ird_redistribution plain(void)
{
	struct ird_redistribution r = {
		.service = SERVICE, .push = "wss://alto.example.net:8081/push",
		.state = "state", .heartbeat = 30,
	};
	json_t *set = json_loads(KEYS, 0, NULL);

	CU_ASSERT_EQUAL_FATAL(jwk_read_set(set, r.keys, &r.n_keys, NULL),
	                      RC_OK);
	json_decref(set);
	return r;
}

static const struct ird_services all = {
	.filtered = true, .endpoint_cost = true, .max_cost_types = 8
};

struct world {
	struct ird_map maps[3];
	struct ird_proxy proxies[2];
	struct ird_redistribution r;
};

static void world_make(struct world *w)
{
	*w = (struct world){
		{ { cost_resource("cost-rc", "routingcost", "numerical"),
		    false, true },
		  { net_resource("net"), false, true },
		  { cost_resource("cost-hops", "hopcount", "ordinal"), false,
		    true } },
		{ { "rp-milan", "https://rp-milan.example.net/", "" },
		  { "rp-oslo", "http://192.0.2.1:8090/",
		    "ws://192.0.2.1:8091/push" } },
		plain(),
	};
	w->r.n_proxies = 2;
	w->r.proxies = w->proxies;
}

static void world_end(struct world *w)
{
	for (size_t i = 0; i < 3; i++)
		resource_unref(w->maps[i].res);
}

static void the_directory_has_these_bytes(void)
{
	struct buf b = BUF_INIT(10000);
	struct world w;

	world_make(&w);
	CU_ASSERT_EQUAL(ird_write(&w.r, w.maps, 3, "net", &all, &b,
	                          NULL), RC_OK);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), want_world);
	buf_free(&b);
	world_end(&w);
}

static void neither_order_of_maps_nor_of_proxies_matters(void)
{
	struct buf b = BUF_INIT(10000);
	struct ird_map swap;
	struct ird_proxy proxy;
	struct world w;

	world_make(&w);
	swap = w.maps[0];
	w.maps[0] = w.maps[2];
	w.maps[2] = swap;
	proxy = w.proxies[0];
	w.proxies[0] = w.proxies[1];
	w.proxies[1] = proxy;
	CU_ASSERT_EQUAL(ird_write(&w.r, w.maps, 3, "net", &all, &b,
	                          NULL), RC_OK);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), want_world);
	buf_free(&b);
	world_end(&w);
}

static json_t *written(const struct ird_redistribution *r,
                       const struct ird_map *maps, size_t n,
                       const struct ird_services *sv)
{
	struct buf b = BUF_INIT(1u << 20);
	struct ird *i = NULL;
	struct diag d = { 0 };
	json_t *doc;

	CU_ASSERT_EQUAL(ird_write(r, maps, n, "net", sv, &b, &d), RC_OK);
	CU_ASSERT_STRING_EQUAL(d.text, "");
	CU_ASSERT_EQUAL(ird_read(buf_str(&b), b.len, &i, &d), RC_OK);
	CU_ASSERT_STRING_EQUAL(d.text, "");
	doc = json_loads(buf_str(&b), 0, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(doc);
	ird_free(i);
	buf_free(&b);
	return doc;
}

/* The member at a path of names is this JSON text; NULL: is not there. Ids have
 * no blank. */
static void holds(json_t *doc, const char *path, const char *want)
{
	char names[300], *save = NULL, *got;
	json_t *at = doc;

	snprintf(names, sizeof(names), "%s", path);
	for (char *t = strtok_r(names, " ", &save); t;
	     t = strtok_r(NULL, " ", &save))
		at = json_object_get(at, t);
	got = at ? json_dumps(at, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	CU_ASSERT((got == NULL) == (want == NULL));
	if (got && want && strcmp(got, want) != 0)
		printf("\n  %s: %s\n", path, got);
	if (got && want)
		CU_ASSERT_STRING_EQUAL(got, want);
	free(got);
}

static void free_maps(struct ird_map *maps, size_t n)
{
	for (size_t i = 0; i < n; i++)
		resource_unref(maps[i].res);
}

#define IN(id) "resources " id " capabilities "

static void several_network_maps_have_services_each(void)
{
	struct ird_map maps[] = {
		{ net_resource("net"), false, true },
		{ net_resource("a"), false, true },
		{ cost_resource("rc", "routingcost", "numerical"), false, true },
	};
	struct ird_redistribution r = plain();
	json_t *doc = written(&r, maps, 3, &all);

	holds(doc, IN("endpoint-properties") "prop-types",
	      "[\"a.pid\",\"net.pid\"]");
	holds(doc, "resources a:filtered uri", "\"filter/network/a\"");
	holds(doc, "resources a:filtered uses", "[\"a\"]");
	holds(doc, "resources a:filtered-cost", NULL);
	holds(doc, "resources a:endpoint-cost", NULL);
	holds(doc, "resources net:filtered-cost uri", "\"filter/cost/net\"");
	holds(doc, "meta default-alto-network-map", "\"net\"");
	json_decref(doc);
	free_maps(maps, 3);
}

static void services_that_are_off_are_not_there(void)
{
	const struct ird_services none = { .endpoint_cost_vtag = true };
	struct world w;
	json_t *doc;

	world_make(&w);
	doc = written(&w.r, w.maps, 3, &none);
	CU_ASSERT_EQUAL(json_object_size(json_object_get(doc, "resources")), 4);
	holds(doc, "resources endpoint-properties uri",
	      "\"endpoint/property\"");
	holds(doc, "meta redistribution endpoint-cost-vtag", "true");
	json_decref(doc);
	world_end(&w);
}

static void costs_that_may_be_tested_are_named(void)
{
	struct ird_services sv = all;
	struct world w;
	json_t *doc;

	world_make(&w);
	w.maps[0].testable = false;
	doc = written(&w.r, w.maps, 3, &sv);
	holds(doc, IN("net:filtered-cost") "cost-constraints", NULL);
	holds(doc, IN("net:filtered-cost") "testable-cost-type-names",
	      "[\"ord-hopcount\"]");
	json_decref(doc);
	/* A client of RFC 7285 alone cannot see the subset. */
	sv.max_cost_types = 0;
	doc = written(&w.r, w.maps, 3, &sv);
	holds(doc, "resources net:endpoint-cost capabilities",
	      "{\"cost-type-names\":[\"num-routingcost\",\"ord-hopcount\"]}");
	json_decref(doc);
	w.maps[2].testable = false;
	sv.max_cost_types = 8;
	doc = written(&w.r, w.maps, 3, &sv);
	holds(doc, IN("net:filtered-cost") "testable-cost-type-names", NULL);
	holds(doc, IN("net:filtered-cost") "cost-constraints", NULL);
	json_decref(doc);
	world_end(&w);
}

static void a_subset_reads_back(void)
{
	struct buf b = BUF_INIT(10000);
	const struct ird_entry *e;
	struct ird *i = NULL;
	struct world w;

	world_make(&w);
	w.maps[0].testable = false;
	CU_ASSERT_EQUAL(ird_write(&w.r, w.maps, 3, "net", &all, &b, NULL),
	                RC_OK);
	CU_ASSERT_EQUAL_FATAL(ird_read(buf_str(&b), b.len, &i, NULL), RC_OK);
	e = ird_entry(i, 6);
	CU_ASSERT_STRING_EQUAL(e->id, "net:filtered-cost");
	CU_ASSERT_EQUAL_FATAL(e->n_types, 2);
	CU_ASSERT_FALSE(e->types[0].testable);
	CU_ASSERT_TRUE(e->types[1].testable);
	ird_free(i);
	buf_free(&b);
	world_end(&w);
}

static void ranks_are_offered_beside_their_numbers(void)
{
	struct world w;
	json_t *doc;

	world_make(&w);
	w.maps[0].ordinal = true;
	doc = written(&w.r, w.maps, 3, &all);
	holds(doc, "meta cost-types ord-routingcost",
	      "{\"cost-metric\":\"routingcost\",\"cost-mode\":\"ordinal\"}");
	holds(doc, IN("net:filtered-cost") "cost-type-names",
	      "[\"num-routingcost\",\"ord-hopcount\",\"ord-routingcost\"]");
	holds(doc, IN("net:endpoint-cost") "cost-type-names",
	      "[\"num-routingcost\",\"ord-hopcount\",\"ord-routingcost\"]");
	holds(doc, IN("cost-rc") "cost-type-names", "[\"num-routingcost\"]");
	json_decref(doc);
	world_end(&w);
}

static void property_maps_say_what_they_know(void)
{
	struct ird_map maps[] = {
		{ prop_resource("region", "{\"meta\":{},\"property-map\":{"
			"\"ipv4:192.0.2.0/24\":{\"priv:z\":\"1\"},"
			"\"ipv4:192.0.2.0/25\":{\"priv:b\":null,"
			"\"priv:z\":\"2\"},"
			"\"ipv6:2001:db8::/32\":{\"priv:c\":\"3\"}}}"),
		  false, false },
		{ net_resource("net"), false, true },
		{ prop_resource("asn", "{\"meta\":{},\"property-map\":{"
			"\"ipv4:192.0.2.0/24\":{\"priv:asn\":\"64500\"}}}"),
		  false, false },
	};
	struct ird_redistribution r = plain();
	json_t *doc = written(&r, maps, 3, &all);

	holds(doc, "resources region", "{\"capabilities\":{\"mappings\":{"
	      "\"ipv4\":[\"priv:b\",\"priv:z\"],\"ipv6\":[\"priv:c\"]}},"
	      "\"media-type\":\"" MEDIA_PROPERTY_MAP "\","
	      "\"uri\":\"maps/region\"}");
	holds(doc, IN("asn") "mappings", "{\"ipv4\":[\"priv:asn\"]}");
	holds(doc, IN("endpoint-properties") "prop-types",
	      "[\"net.pid\",\"priv:asn\",\"priv:b\",\"priv:c\",\"priv:z\"]");
	json_decref(doc);
	free_maps(maps, 3);
}

static void links_lead_to_other_directories(void)
{
	const struct ird_link links[] = {
		{ "more", "https://more.example.net/directory" }
	};
	struct ird_services sv = all;
	struct world w;
	json_t *doc;

	world_make(&w);
	sv.n_links = 1;
	sv.links = links;
	doc = written(&w.r, w.maps, 3, &sv);
	holds(doc, "resources more", "{\"media-type\":\"" MEDIA_DIRECTORY "\","
	      "\"uri\":\"https://more.example.net/directory\"}");
	json_decref(doc);
	world_end(&w);
}

/* 64 characters; twins differ in the last. */
#define LONG "n123456789012345678901234567890123456789012345678901234567890" \
	"12"

static void long_ids_are_cut_and_stay_apart(void)
{
	struct ird_map maps[] = {
		{ net_resource("net"), false, true },
		{ net_resource(LONG "a"), false, true },
		{ net_resource(LONG "b"), false, true },
	};
	struct ird_redistribution r = plain();
	json_t *doc, *resources, *v;
	const char *id;
	size_t cut = 0;

	CU_ASSERT_EQUAL(strlen(LONG "a"), ID_MAX);
	doc = written(&r, maps, 3, &all);
	resources = json_object_get(doc, "resources");
	CU_ASSERT_EQUAL(json_object_size(resources), 7);
	json_object_foreach(resources, id, v) {
		CU_ASSERT_TRUE(strlen(id) <= ID_MAX);
		cut += strlen(id) == ID_MAX && strstr(id, ":filtered");
	}
	CU_ASSERT_EQUAL(cut, 2);
	/* SHA-256 of the whole id */
	holds(doc, "resources n123456789012345678901234567890123456789012345-"
	      "ca924c53:filtered uri", "\"filter/network/" LONG "a\"");
	json_decref(doc);
	free_maps(maps, 3);
}

static void says(const struct ird_map *maps, size_t n,
                 const struct ird_services *sv, enum rc want,
                 const char *text)
{
	struct ird_redistribution r = plain();
	struct buf b = BUF_INIT(1u << 20);
	struct diag d = { 0 };

	CU_ASSERT_EQUAL(ird_write(&r, maps, n, "net", sv, &b, &d), want);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, text));
	if (!strstr(d.text, text))
		printf("\n  %s\n", d.text);
	CU_ASSERT_EQUAL(b.len, 0);
	buf_free(&b);
}

static void one_cost_type_has_one_source(void)
{
	struct ird_map maps[] = {
		{ net_resource("net"), false, true },
		{ cost_resource("a", "routingcost", "numerical"), false, true },
		{ cost_resource("b", "routingcost", "numerical"), false, true },
	};

	says(maps, 3, &all, RC_EEXIST, "\"a\" and \"b\" both give the cost "
	     "type num-routingcost");
	resource_unref(maps[2].res);
	maps[2].res = cost_resource("b", "routingcost", "ordinal");
	maps[1].ordinal = true;
	says(maps, 3, &all, RC_EEXIST, "both give the cost type "
	     "ord-routingcost for network map \"net\"");
	maps[1].ordinal = false;
	maps[2].ordinal = true;
	says(maps, 3, &all, RC_EINVAL, "\"b\" is no numerical cost map");
	free_maps(maps, 3);
}

static void an_id_that_is_taken_is_said(void)
{
	const struct ird_link links[] = { { "net:filtered", "http://a/" } };
	struct ird_services sv = all;
	struct ird_map maps[] = {
		{ net_resource("net"), false, true },
		{ net_resource("net:filtered"), false, true },
	};

	says(maps, 2, &all, RC_EEXIST, "maps.id");
	resource_unref(maps[1].res);
	maps[1].res = net_resource("endpoint-properties");
	says(maps, 2, &all, RC_EEXIST, "endpoint property service");
	sv.n_links = 1;
	sv.links = links;
	says(maps, 1, &sv, RC_EEXIST, "\"net:filtered\"");
	free_maps(maps, 2);
}

static void a_property_has_one_map(void)
{
	static const char text[] = "{\"meta\":{},\"property-map\":{"
		"\"ipv4:192.0.2.0/24\":{\"priv:x\":\"1\"}}}";
	struct ird_map maps[] = {
		{ net_resource("net"), false, true },
		{ prop_resource("p", text), false, false },
		{ prop_resource("q", text), false, false },
	};

	says(maps, 3, &all, RC_EINVAL, "\"p\" and \"q\" both define priv:x");
	free_maps(maps, 3);
}

static void cost_types_have_a_ceiling(void)
{
	struct ird_map maps[IRD_TYPES_MAX + 2];
	char name[16];

	maps[0] = (struct ird_map){ .res = net_resource("net") };
	for (size_t i = 1; i < IRD_TYPES_MAX + 2; i++) {
		snprintf(name, sizeof(name), "m%zu", i);
		maps[i] = (struct ird_map){ .res = cost_resource(name, name,
		                                                 "numerical") };
	}
	json_decref(written(&(struct ird_redistribution){ .state = "state",
	            .service = SERVICE, .heartbeat = 1, .n_keys = 1,
	            .keys = { plain().keys[0] } }, maps, IRD_TYPES_MAX + 1,
	            &all));
	says(maps, IRD_TYPES_MAX + 2, &all, RC_ELIMIT, "more than 128");
	free_maps(maps, IRD_TYPES_MAX + 2);
}

static void one_cost_type_is_named_once(void)
{
	struct ird_map maps[] = {
		{ net_resource("net"), false, true },
		{ cost_resource("a", "routingcost", "numerical"), false, true },
		{ cost_resource("c", "routingcost", "ordinal"), false, true },
		{ cost_resource("d", "routingcost", "num"), false, true },
	};
	struct ird_redistribution r = plain();
	json_t *doc = written(&r, maps, 4, &all);

	holds(doc, "meta cost-types", "{"
	      "\"num-routingcost\":{\"cost-metric\":\"routingcost\","
	      "\"cost-mode\":\"numerical\"},"
	      "\"num/routingcost\":{\"cost-metric\":\"routingcost\","
	      "\"cost-mode\":\"num\"},"
	      "\"ord-routingcost\":{\"cost-metric\":\"routingcost\","
	      "\"cost-mode\":\"ordinal\"}}");
	holds(doc, "meta redistribution proxies", "{}");
	json_decref(doc);
	free_maps(maps, 4);
}

static void what_makes_no_directory_is_refused(void)
{
	struct buf b = BUF_INIT(10000), small = BUF_INIT(100);
	struct world w;

	world_make(&w);
	CU_ASSERT_EQUAL(ird_write(&w.r, w.maps, 3, "cost-rc", &all, &b, NULL),
	                RC_EINVAL);
	CU_ASSERT_EQUAL(ird_write(&w.r, w.maps, 3, "other", &all, &b, NULL),
	                RC_EINVAL);
	CU_ASSERT_EQUAL(ird_write(&w.r, w.maps, 0, "net", &all, &b, NULL),
	                RC_EINVAL);
	CU_ASSERT_EQUAL(ird_write(&w.r, w.maps, 3, "net", &all, &small, NULL),
	                RC_ELIMIT);
	w.proxies[1] = w.proxies[0];
	CU_ASSERT_EQUAL(ird_write(&w.r, w.maps, 3, "net", &all, &b,
	                          NULL), RC_EEXIST);
	w.r.n_proxies = 0;
	resource_unref(w.maps[0].res);
	w.maps[0].res = resource_ref(w.maps[1].res);
	CU_ASSERT_EQUAL(ird_write(&w.r, w.maps, 3, "net", &all, &b,
	                          NULL), RC_EEXIST);
	CU_ASSERT_EQUAL(b.len, 0);
	buf_free(&b);
	buf_free(&small);
	world_end(&w);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "the directory has these bytes",
		  the_directory_has_these_bytes },
		{ "neither order of maps nor of proxies matters",
		  neither_order_of_maps_nor_of_proxies_matters },
		{ "one cost type is named once", one_cost_type_is_named_once },
		{ "what makes no directory is refused",
		  what_makes_no_directory_is_refused },
		{ "several network maps have services each",
		  several_network_maps_have_services_each },
		{ "services that are off are not there",
		  services_that_are_off_are_not_there },
		{ "costs that may be tested are named",
		  costs_that_may_be_tested_are_named },
		{ "a subset reads back",
		  a_subset_reads_back },
		{ "ranks are offered beside their numbers",
		  ranks_are_offered_beside_their_numbers },
		{ "property maps say what they know",
		  property_maps_say_what_they_know },
		{ "links lead to other directories",
		  links_lead_to_other_directories },
		{ "long ids are cut and stay apart",
		  long_ids_are_cut_and_stay_apart },
		{ "one cost type has one source",
		  one_cost_type_has_one_source },
		{ "an id that is taken is said",
		  an_id_that_is_taken_is_said },
		{ "a property has one map",
		  a_property_has_one_map },
		{ "cost types have a ceiling",
		  cost_types_have_a_ceiling },
		CU_TEST_INFO_NULL
	};

	return suite_run("ird", tests);
}
