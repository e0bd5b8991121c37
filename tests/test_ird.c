/* The directory: its canonical bytes, and what a reader takes and refuses. */
#include "common/wire/ird_json.h"

#include "common/core/costmap.h"
#include "common/core/netmap.h"
#include "common/wire/jcs.h"
#include "common/wire/json.h"
#include "common/wire/media.h"
#include "common/wire/seal.h"
#include "tests/suite.h"

#define SERVICE "0b0f2d3c-8f3e-4d52-9a77-3a1f0c5d2e10"
#define ED_X "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"
#define ED_ID "poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U"
#define KEYS "{\"keys\":[{\"alg\":\"EdDSA\",\"crv\":\"Ed25519\",\"kid\":\"" \
	ED_ID "\",\"kty\":\"OKP\",\"use\":\"sig\",\"x\":\"" ED_X "\"}]}"

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

struct world {
	struct resource *maps[3];
	struct ird_proxy proxies[2];
	struct ird_redistribution r;
};

static void world_make(struct world *w)
{
	*w = (struct world){
		{ cost_resource("cost-rc", "routingcost", "numerical"),
		  net_resource("net"),
		  cost_resource("cost-hops", "hopcount", "ordinal") },
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
		resource_unref(w->maps[i]);
}

static const char want_world[] =
	"{\"meta\":{\"cost-types\":{"
	"\"num-routingcost\":{\"cost-metric\":\"routingcost\","
	"\"cost-mode\":\"numerical\"},"
	"\"ord-hopcount\":{\"cost-metric\":\"hopcount\","
	"\"cost-mode\":\"ordinal\"}},"
	"\"default-alto-network-map\":\"net\","
	"\"redistribution\":{\"heartbeat\":30,\"keys\":" KEYS ","
	"\"proxies\":{\"rp-milan\":{\"uri\":\"https://rp-milan.example.net/\"},"
	"\"rp-oslo\":{\"push\":\"ws://192.0.2.1:8091/push\","
	"\"uri\":\"http://192.0.2.1:8090/\"}},"
	"\"push\":\"wss://alto.example.net:8081/push\","
	"\"service\":\"" SERVICE "\",\"state\":\"state\"}},"
	"\"resources\":{"
	"\"cost-hops\":{\"capabilities\":{\"cost-type-names\":"
	"[\"ord-hopcount\"]},\"media-type\":\"" MEDIA_COST_MAP "\","
	"\"uri\":\"maps/cost-hops\",\"uses\":[\"net\"]},"
	"\"cost-rc\":{\"capabilities\":{\"cost-type-names\":"
	"[\"num-routingcost\"]},\"media-type\":\"" MEDIA_COST_MAP "\","
	"\"uri\":\"maps/cost-rc\",\"uses\":[\"net\"]},"
	"\"net\":{\"media-type\":\"" MEDIA_NETWORK_MAP "\","
	"\"uri\":\"maps/net\"}}}";

static void the_directory_has_these_bytes(void)
{
	struct buf b = BUF_INIT(10000);
	struct world w;

	world_make(&w);
	CU_ASSERT_EQUAL(ird_write(&w.r, w.maps, 3, "net", &b), RC_OK);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), want_world);
	buf_free(&b);
	world_end(&w);
}

static void neither_order_of_maps_nor_of_proxies_matters(void)
{
	struct buf b = BUF_INIT(10000);
	struct resource *swap;
	struct ird_proxy proxy;
	struct world w;

	world_make(&w);
	swap = w.maps[0];
	w.maps[0] = w.maps[2];
	w.maps[2] = swap;
	proxy = w.proxies[0];
	w.proxies[0] = w.proxies[1];
	w.proxies[1] = proxy;
	CU_ASSERT_EQUAL(ird_write(&w.r, w.maps, 3, "net", &b), RC_OK);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), want_world);
	buf_free(&b);
	world_end(&w);
}

static void what_is_written_reads_back(void)
{
	const struct ird_redistribution *r;
	struct ird *i = NULL;
	struct diag d;

	diag_clear(&d);
	CU_ASSERT_EQUAL_FATAL(ird_read(want_world, strlen(want_world), &i, &d),
	                      RC_OK);
	CU_ASSERT_EQUAL(d.text[0], '\0');
	r = ird_redistribution(i);
	CU_ASSERT_STRING_EQUAL(r->service, SERVICE);
	CU_ASSERT_STRING_EQUAL(r->push, "wss://alto.example.net:8081/push");
	CU_ASSERT_STRING_EQUAL(r->state, "state");
	CU_ASSERT_EQUAL(r->heartbeat, 30);
	CU_ASSERT_EQUAL(r->n_keys, 1);
	CU_ASSERT_STRING_EQUAL(r->keys[0].id, ED_ID);
	CU_ASSERT_EQUAL_FATAL(r->n_proxies, 2);
	CU_ASSERT_STRING_EQUAL(r->proxies[0].name, "rp-milan");
	CU_ASSERT_STRING_EQUAL(r->proxies[0].push, "");
	CU_ASSERT_STRING_EQUAL(r->proxies[1].name, "rp-oslo");
	CU_ASSERT_STRING_EQUAL(r->proxies[1].uri, "http://192.0.2.1:8090/");
	CU_ASSERT_STRING_EQUAL(r->proxies[1].push, "ws://192.0.2.1:8091/push");

	CU_ASSERT_EQUAL_FATAL(ird_count(i), 3);
	CU_ASSERT_STRING_EQUAL(ird_id(i, 0), "cost-hops");
	CU_ASSERT_STRING_EQUAL(ird_media(i, 0), MEDIA_COST_MAP);
	CU_ASSERT_STRING_EQUAL(ird_id(i, 2), "net");
	CU_ASSERT_STRING_EQUAL(ird_media(i, 2), MEDIA_NETWORK_MAP);
	CU_ASSERT_STRING_EQUAL(ird_uri(i, "net"), "maps/net");
	CU_ASSERT_PTR_NULL(ird_uri(i, "nets"));
	ird_free(i);
}

static void one_cost_type_is_named_once(void)
{
	struct resource *maps[] = {
		net_resource("net"),
		cost_resource("a", "routingcost", "numerical"),
		cost_resource("b", "routingcost", "numerical"),
		cost_resource("c", "routingcost", "ordinal"),
		cost_resource("d", "routingcost", "num"),
	};
	struct ird_redistribution r = plain();
	struct buf b = BUF_INIT(10000);

	CU_ASSERT_EQUAL(ird_write(&r, maps, 5, "net", &b), RC_OK);
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_str(&b), "{\"cost-types\":{"
		"\"num-routingcost\":{\"cost-metric\":\"routingcost\","
		"\"cost-mode\":\"numerical\"},"
		"\"num/routingcost\":{\"cost-metric\":\"routingcost\","
		"\"cost-mode\":\"num\"},"
		"\"ord-routingcost\":{\"cost-metric\":\"routingcost\","
		"\"cost-mode\":\"ordinal\"}}"));
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_str(&b), "\"proxies\":{}"));
	buf_free(&b);
	for (size_t i = 0; i < 5; i++)
		resource_unref(maps[i]);
}

static void what_makes_no_directory_is_refused(void)
{
	struct buf b = BUF_INIT(10000), small = BUF_INIT(100);
	struct world w;

	world_make(&w);
	CU_ASSERT_EQUAL(ird_write(&w.r, w.maps, 3, "cost-rc", &b), RC_EINVAL);
	CU_ASSERT_EQUAL(ird_write(&w.r, w.maps, 3, "other", &b), RC_EINVAL);
	CU_ASSERT_EQUAL(ird_write(&w.r, w.maps, 0, "net", &b), RC_EINVAL);
	CU_ASSERT_EQUAL(ird_write(&w.r, w.maps, 3, "net", &small), RC_ELIMIT);
	w.proxies[1] = w.proxies[0];
	CU_ASSERT_EQUAL(ird_write(&w.r, w.maps, 3, "net", &b), RC_EEXIST);
	w.r.n_proxies = 0;
	resource_unref(w.maps[0]);
	w.maps[0] = resource_ref(w.maps[1]);
	CU_ASSERT_EQUAL(ird_write(&w.r, w.maps, 3, "net", &b), RC_EEXIST);
	CU_ASSERT_EQUAL(b.len, 0);
	buf_free(&b);
	buf_free(&small);
	world_end(&w);
}

/* A directory with one value at a pointer's parent set, or taken out (NULL). */
static enum rc read_with(const char *parent, const char *name,
                         const char *value, struct ird **out, struct diag *d)
{
	json_t *doc = json_loads(want_world, 0, NULL), *at = doc, *v;
	char path[300], *save = NULL, *text;
	enum rc rc;

	snprintf(path, sizeof(path), "%s", parent);
	for (char *t = strtok_r(path, "/", &save); t;
	     t = strtok_r(NULL, "/", &save))
		at = json_object_get(at, t);
	CU_ASSERT_PTR_NOT_NULL_FATAL(at);
	v = value ? json_loads(value, JSON_DECODE_ANY, NULL) : NULL;
	CU_ASSERT_EQUAL_FATAL(v != NULL, value != NULL);
	if (v)
		json_object_set_new(at, name, v);
	else
		json_object_del(at, name);
	text = json_dumps(doc, 0);
	diag_clear(d);
	rc = ird_read(text, strlen(text), out, d);
	free(text);
	json_decref(doc);
	return rc;
}

static void refuses(const char *parent, const char *name, const char *value,
                    enum rc want, const char *pointer)
{
	struct ird *i = NULL;
	struct diag d;
	enum rc rc = read_with(parent, name, value, &i, &d);

	CU_ASSERT_EQUAL(rc, want);
	CU_ASSERT_PTR_NULL(i);
	CU_ASSERT_STRING_EQUAL(d.pointer, pointer);
	CU_ASSERT_NOT_EQUAL(d.text[0], '\0');
	if (rc != want || strcmp(d.pointer, pointer) != 0)
		printf("\n  %s/%s %s: %d %s: %s\n", parent, name,
		       value ? value : "-", rc, d.pointer, d.text);
	ird_free(i);
}

#define R "/meta/redistribution"

static void wrong_values_are_refused_with_their_place(void)
{
	refuses("", "meta", NULL, RC_ESYNTAX, "/meta");
	refuses("", "resources", "[]", RC_ESYNTAX, "/resources");
	refuses("/meta", "redistribution", NULL, RC_ESYNTAX, R);
	refuses(R, "service", "\"0B0F2D3C-8F3E-4D52-9A77-3A1F0C5D2E10\"",
	        RC_ERULE, R "/service");
	refuses(R, "service", "7", RC_ESYNTAX, R "/service");
	refuses(R, "heartbeat", "0", RC_ERULE, R "/heartbeat");
	refuses(R, "heartbeat", "86401", RC_ELIMIT, R "/heartbeat");
	refuses(R, "heartbeat", "-1", RC_ERULE, R "/heartbeat");
	refuses(R, "heartbeat", "30.5", RC_ESYNTAX, R "/heartbeat");
	refuses(R, "heartbeat", NULL, RC_ESYNTAX, R "/heartbeat");
	refuses(R, "push", "\"http://a/\"", RC_ERULE, R "/push");
	refuses(R, "push", "\"push\"", RC_ERULE, R "/push");
	refuses(R, "push", "\"ws://\"", RC_ERULE, R "/push");
	refuses(R, "push", "\"ws://a b\"", RC_ERULE, R "/push");
	refuses(R, "push", "\"ws://a\\r\\nX: y\"", RC_ERULE, R "/push");
	refuses(R, "state", "\"http://evil.example/state\"", RC_ERULE,
	        R "/state");
	refuses(R, "state", "\"//evil.example/state\"", RC_ERULE, R "/state");
	refuses(R, "state", "\"\"", RC_ERULE, R "/state");
	refuses(R, "keys", "[]", RC_ESYNTAX, R "/keys");
	refuses(R, "keys", "{}", RC_ESYNTAX, R "/keys/keys");
	refuses(R, "keys", "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
	        "\"x\":\"AA\"}]}", RC_ESYNTAX, R "/keys/keys/0/x");
	refuses(R, "proxies", "[]", RC_ESYNTAX, R "/proxies");
	refuses(R "/proxies", "p", "1", RC_ESYNTAX, R "/proxies/p");
	refuses(R "/proxies", "p", "{}", RC_ESYNTAX, R "/proxies/p/uri");
	refuses(R "/proxies", "p", "{\"uri\":\"https://a\"}", RC_ERULE,
	        R "/proxies/p/uri");
	refuses(R "/proxies", "p", "{\"uri\":\"ftp://a/\"}", RC_ERULE,
	        R "/proxies/p/uri");
	refuses(R "/proxies", "p", "{\"uri\":\"https://a/\",\"push\":\"\"}",
	        RC_ERULE, R "/proxies/p/push");
	refuses(R "/proxies", "a\nb", "{\"uri\":\"https://a/\"}", RC_ERULE,
	        R "/proxies");
	refuses("/resources", "net", "{\"uri\":\"maps/net\"}", RC_ESYNTAX,
	        "/resources/net/media-type");
	refuses("/resources", "net", "{\"media-type\":\"a/b\"}", RC_ESYNTAX,
	        "/resources/net/uri");
	refuses("/resources", "net", "{\"uri\":\"a b\",\"media-type\":\"a/b\"}",
	        RC_ERULE, "/resources/net/uri");
	refuses("/resources", "a.b", "{\"uri\":\"x\",\"media-type\":\"a/b\"}",
	        RC_ERULE, "/resources");
	refuses("/resources", "../x", "{\"uri\":\"x\",\"media-type\":\"a/b\"}",
	        RC_ERULE, "/resources");
}

static void takes(const char *parent, const char *name, const char *value)
{
	struct ird *i = NULL;
	struct diag d;

	CU_ASSERT_EQUAL(read_with(parent, name, value, &i, &d), RC_OK);
	CU_ASSERT_EQUAL(d.text[0], '\0');
	ird_free(i);
}

static void what_is_not_known_or_not_needed_is_passed_over(void)
{
	takes("", "future", "{\"a\":[1,2,{}]}");
	takes("/meta", "default-alto-network-map", NULL);
	takes("/meta", "cost-types", "17");
	takes("/meta", "vendor", "null");
	takes(R, "overlay", "{\"network\":7,\"bootstrap\":[]}");
	takes(R, "push", NULL);
	takes(R, "proxies", NULL);
	takes(R, "heartbeat", "86400");
	takes(R, "state", "\"a/b:c?d\"");
	takes(R "/proxies/rp-milan", "region", "\"it\"");
	takes("/resources/net", "accepts", "\"x/y\"");
	takes("/resources/net", "uri", "\"https://else.example/maps/net\"");
	takes("/resources", "eps", "{\"uri\":\"eps\",\"media-type\":"
	      "\"application/alto-endpointprop+json\",\"accepts\":"
	      "\"application/alto-endpointpropparams+json\"}");
}

static void what_is_read_stands_in_order(void)
{
	struct ird *i = NULL;
	struct diag d;

	CU_ASSERT_EQUAL_FATAL(read_with(R "/proxies", "a",
	                                "{\"uri\":\"http://a/\"}", &i, &d),
	                      RC_OK);
	CU_ASSERT_EQUAL_FATAL(ird_redistribution(i)->n_proxies, 3);
	CU_ASSERT_STRING_EQUAL(ird_redistribution(i)->proxies[0].name, "a");
	ird_free(i);
	i = NULL;
	CU_ASSERT_EQUAL_FATAL(read_with("/resources", "a", "{\"uri\":\"a\","
	                                "\"media-type\":\"a/b\"}", &i, &d),
	                      RC_OK);
	CU_ASSERT_EQUAL_FATAL(ird_count(i), 4);
	CU_ASSERT_STRING_EQUAL(ird_id(i, 0), "a");
	CU_ASSERT_STRING_EQUAL(ird_media(i, 0), "a/b");
	ird_free(i);
}

/* Member number i of a test object: name-<i>. */
static void add_member(json_t *obj, size_t i, const char *value)
{
	char name[32];

	snprintf(name, sizeof(name), "name-%zu", i);
	json_object_set_new(obj, name, json_loads(value, 0, NULL));
}

static enum rc read_full(const char *parent, size_t n, const char *value)
{
	json_t *obj = json_object();
	struct ird *i = NULL;
	struct diag d;
	char *text;
	enum rc rc;

	for (size_t k = 0; k < n; k++)
		add_member(obj, k, value);
	text = json_dumps(obj, 0);
	rc = strcmp(parent, "") == 0
		? read_with("", "resources", text, &i, &d)
		: read_with(R, "proxies", text, &i, &d);
	CU_ASSERT_EQUAL(rc == RC_OK, i != NULL);
	ird_free(i);
	free(text);
	json_decref(obj);
	return rc;
}

static void everything_has_a_ceiling(void)
{
	static const char resource[] = "{\"uri\":\"x\",\"media-type\":\"a/b\"}";
	static const char proxy[] = "{\"uri\":\"http://a/\"}";
	char uri[IRD_URI_MAX + 20] = "\"";

	CU_ASSERT_EQUAL(read_full("", SNAPSHOT_RESOURCES_MAX - 1, resource),
	                RC_OK);
	CU_ASSERT_EQUAL(read_full("", SNAPSHOT_RESOURCES_MAX, resource),
	                RC_ELIMIT);
	CU_ASSERT_EQUAL(read_full(R, IRD_PROXIES_MAX, proxy), RC_OK);
	CU_ASSERT_EQUAL(read_full(R, IRD_PROXIES_MAX + 1, proxy), RC_ELIMIT);

	memset(uri + 1, 'a', IRD_URI_MAX);
	uri[IRD_URI_MAX + 1] = '"';
	takes(R, "state", uri);
	uri[IRD_URI_MAX + 1] = 'a';
	uri[IRD_URI_MAX + 2] = '"';
	refuses(R, "state", uri, RC_ELIMIT, R "/state");
	refuses("/resources/net", "uri", uri, RC_ELIMIT, "/resources/net/uri");
}

static void any_cut_of_it_is_refused(void)
{
	for (size_t len = 0; len < strlen(want_world); len++) {
		struct ird *i = NULL;

		CU_ASSERT_EQUAL(ird_read(want_world, len, &i, NULL),
		                RC_ESYNTAX);
		CU_ASSERT_PTR_NULL(i);
	}
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "the directory has these bytes",
		  the_directory_has_these_bytes },
		{ "neither order of maps nor of proxies matters",
		  neither_order_of_maps_nor_of_proxies_matters },
		{ "what is written reads back", what_is_written_reads_back },
		{ "one cost type is named once", one_cost_type_is_named_once },
		{ "what makes no directory is refused",
		  what_makes_no_directory_is_refused },
		{ "wrong values are refused with their place",
		  wrong_values_are_refused_with_their_place },
		{ "what is not known or not needed is passed over",
		  what_is_not_known_or_not_needed_is_passed_over },
		{ "what is read stands in order",
		  what_is_read_stands_in_order },
		{ "everything has a ceiling", everything_has_a_ceiling },
		{ "any cut of it is refused", any_cut_of_it_is_refused },
		CU_TEST_INFO_NULL
	};

	return suite_run("ird", tests);
}
