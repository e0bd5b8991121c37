/* The directory: what a reader takes and refuses. */
#include "common/wire/ird_json.h"

#include "common/wire/json.h"
#include "common/wire/media.h"
#include "tests/ird_text.h"
#include "tests/suite.h"

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

	CU_ASSERT_EQUAL_FATAL(ird_count(i), 7);
	CU_ASSERT_STRING_EQUAL(ird_id(i, 0), "cost-hops");
	CU_ASSERT_STRING_EQUAL(ird_media(i, 0), MEDIA_COST_MAP);
	CU_ASSERT_STRING_EQUAL(ird_id(i, 3), "net");
	CU_ASSERT_STRING_EQUAL(ird_media(i, 3), MEDIA_NETWORK_MAP);
	CU_ASSERT_STRING_EQUAL(ird_uri(i, "net"), "maps/net");
	CU_ASSERT_PTR_NULL(ird_uri(i, "nets"));
	ird_free(i);
}

/* Entry number k in full. */
static void entries_read_in_full(void)
{
	const struct ird_entry *e;
	struct ird *i = NULL;

	CU_ASSERT_EQUAL_FATAL(ird_read(want_world, strlen(want_world), &i,
	                               NULL), RC_OK);
	CU_ASSERT_FALSE(ird_endpoint_cost_vtag(i));
	e = ird_entry(i, 0);
	CU_ASSERT_STRING_EQUAL(e->accepts, "");
	CU_ASSERT_EQUAL_FATAL(e->n_types, 1);
	CU_ASSERT_STRING_EQUAL(e->types[0].metric, "hopcount");
	CU_ASSERT_STRING_EQUAL(e->types[0].mode, "ordinal");
	CU_ASSERT_FALSE(e->types[0].testable);
	CU_ASSERT_EQUAL_FATAL(e->n_uses, 1);
	CU_ASSERT_STRING_EQUAL(e->uses[0], "net");
	e = ird_entry(i, 2);
	CU_ASSERT_STRING_EQUAL(e->accepts, MEDIA_ENDPOINT_PROP_PARAMS);
	CU_ASSERT_STRING_EQUAL(e->uri, "endpoint/property");
	CU_ASSERT_EQUAL_FATAL(e->n_props, 1);
	CU_ASSERT_STRING_EQUAL(e->props[0], "net.pid");
	e = ird_entry(i, 4);
	CU_ASSERT_STRING_EQUAL(e->id, "net:endpoint-cost");
	CU_ASSERT_STRING_EQUAL(e->media, MEDIA_ENDPOINT_COST);
	CU_ASSERT_STRING_EQUAL(e->accepts, MEDIA_ENDPOINT_COST_PARAMS);
	CU_ASSERT_EQUAL(e->n_uses, 0);
	CU_ASSERT_EQUAL(e->max_types, 8);
	CU_ASSERT_EQUAL_FATAL(e->n_types, 2);
	CU_ASSERT_STRING_EQUAL(e->types[0].metric, "routingcost");
	CU_ASSERT_STRING_EQUAL(e->types[0].mode, "numerical");
	CU_ASSERT(e->types[0].testable && e->types[1].testable);
	ird_free(i);
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
	refuses(R, "endpoint-cost-vtag", "1", RC_ESYNTAX,
	        R "/endpoint-cost-vtag");
	refuses("/resources", "../x", "{\"uri\":\"x\",\"media-type\":\"a/b\"}",
	        RC_ERULE, "/resources");
}

#define FC "/resources/net:filtered-cost/capabilities"

static void wrong_services_are_refused_with_their_place(void)
{
	const char *props = "/resources/endpoint-properties/capabilities";

	refuses(FC, "testable-cost-type-names", "[\"ord-hopcount\"]", RC_ERULE,
	        FC "/testable-cost-type-names");
	refuses("/resources/net:filtered-cost", "capabilities",
	        "{\"cost-type-names\":[\"num-routingcost\"],"
	        "\"testable-cost-type-names\":[\"ord-hopcount\"]}", RC_ERULE,
	        FC "/testable-cost-type-names");
	refuses(FC, "cost-constraints", "\"yes\"", RC_ESYNTAX,
	        FC "/cost-constraints");
	refuses(FC, "max-cost-types", "-1", RC_ERULE, FC "/max-cost-types");
	refuses(FC, "max-cost-types", "1.5", RC_ESYNTAX, FC "/max-cost-types");
	refuses(FC, "cost-type-names", "\"a\"", RC_ESYNTAX,
	        FC "/cost-type-names");
	refuses(FC, "cost-type-names", "[1]", RC_ESYNTAX,
	        FC "/cost-type-names");
	refuses(props, "prop-types", "[null]", RC_ESYNTAX,
	        "/resources/endpoint-properties/capabilities/prop-types");
	refuses("/resources/net:filtered", "uses", "[[]]", RC_ESYNTAX,
	        "/resources/net:filtered/uses");
	refuses("/resources/net:filtered", "accepts", "[]", RC_ESYNTAX,
	        "/resources/net:filtered/accepts");
	refuses("/resources/net:filtered", "capabilities", "[]", RC_ESYNTAX,
	        "/resources/net:filtered/capabilities");
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
	takes("/meta", "cost-types", "{\"ord-hopcount\":{\"cost-metric\":7}}");
	takes(R, "endpoint-cost-vtag", "true");
	takes("/resources/net", "accepts", "\"x/y\"");
	takes("/resources/cost-rc/capabilities", "future", "[[]]");
	takes(FC, "max-cost-types", "4294967295");
	takes("/resources", "x", "{\"uri\":\"x\",\"media-type\":\"a/b\","
	      "\"accepts\":7,\"uses\":{},\"capabilities\":[]}");
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
	CU_ASSERT_EQUAL_FATAL(ird_count(i), 8);
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

static void lists_have_a_ceiling(const char *parent, const char *name,
                                 size_t max)
{
	json_t *list = json_array();
	struct ird *i = NULL;
	struct diag d;
	char *text;

	for (size_t k = 0; k < max; k++)
		json_array_append_new(list, json_string("x"));
	text = json_dumps(list, 0);
	takes(parent, name, text);
	free(text);
	json_array_append_new(list, json_string("x"));
	text = json_dumps(list, 0);
	CU_ASSERT_EQUAL(read_with(parent, name, text, &i, &d), RC_ELIMIT);
	CU_ASSERT_PTR_NULL(i);
	free(text);
	json_decref(list);
}

static void everything_has_a_ceiling(void)
{
	static const char resource[] = "{\"uri\":\"x\",\"media-type\":\"a/b\"}";
	static const char proxy[] = "{\"uri\":\"http://a/\"}";
	char uri[IRD_URI_MAX + 20] = "\"";

	CU_ASSERT_EQUAL(read_full("", IRD_ENTRIES_MAX, resource), RC_OK);
	CU_ASSERT_EQUAL(read_full("", IRD_ENTRIES_MAX + 1, resource),
	                RC_ELIMIT);
	lists_have_a_ceiling(FC, "cost-type-names", IRD_TYPES_MAX);
	lists_have_a_ceiling("/resources/endpoint-properties/capabilities",
	                     "prop-types", IRD_PROPS_MAX);
	lists_have_a_ceiling("/resources/net:filtered", "uses", IRD_USES_MAX);
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
		{ "what is written reads back", what_is_written_reads_back },
		{ "wrong values are refused with their place",
		  wrong_values_are_refused_with_their_place },
		{ "what is not known or not needed is passed over",
		  what_is_not_known_or_not_needed_is_passed_over },
		{ "entries read in full",
		  entries_read_in_full },
		{ "wrong services are refused with their place",
		  wrong_services_are_refused_with_their_place },
		{ "what is read stands in order",
		  what_is_read_stands_in_order },
		{ "everything has a ceiling", everything_has_a_ceiling },
		{ "any cut of it is refused", any_cut_of_it_is_refused },
		CU_TEST_INFO_NULL
	};

	return suite_run("ird_read", tests);
}
