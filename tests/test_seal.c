/* From maps to bodies and tags, held against the vectors of a second program
 * (data/state-vectors.json). */
#include "common/wire/seal.h"

#include <jansson.h>

#include "common/wire/costmap_json.h"
#include "common/wire/media.h"
#include "common/wire/netmap_json.h"
#include "common/wire/number.h"
#include "common/wire/state_json.h"
#include "tests/seal_stage.h"
#include "tests/suite.h"

static json_t *vectors(void)
{
	const char *dir = getenv("srcdir");
	char path[512];
	json_t *v;

	snprintf(path, sizeof(path), "%s/tests/data/state-vectors.json",
	         dir ? dir : ".");
	v = json_load_file(path, 0, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(v);
	return v;
}

static const char *member(const json_t *obj, const char *name)
{
	const char *s = json_string_value(json_object_get(obj, name));

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	return s;
}

static void check_body(const struct resource *r, const char *want)
{
	char *got = flat(r);

	CU_ASSERT_STRING_EQUAL(got, want);
	free(got);
}

static void check_tag(const struct resource *r, const char *want)
{
	char tag[TAG_HEX + 1];

	resource_content_tag(r, tag);
	CU_ASSERT_STRING_EQUAL(tag, want);
}

static struct scan *scan_of(char *text)
{
	struct scan *s = NULL;

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	CU_ASSERT_EQUAL_FATAL(scan_new_bytes(text, strlen(text), NULL, &s),
	                      RC_OK);
	return s;
}

/* The vectors' input has empty tags, to be filled in. */
static struct netmap *net_of(const json_t *doc)
{
	char *text;
	struct scan *s;
	struct netmap *m = NULL;
	struct map_notes notes;
	struct vtag stated;

	json_object_set_new(json_object_get(json_object_get(doc, "meta"),
	                                    "vtag"), "tag", json_string("x"));
	text = json_dumps(doc, 0);
	s = scan_of(text);
	CU_ASSERT_EQUAL_FATAL(netmap_json_read(s, NULL, &m, &stated, &notes),
	                      RC_OK);
	scan_free(s);
	free(text);
	return m;
}

static struct costmap *cost_of(const json_t *doc, const char *net_tag)
{
	const json_t *meta = json_object_get(doc, "meta");
	char *text;
	struct scan *s;
	struct costmap *m = NULL;
	struct map_notes notes;
	struct vtag stated;

	json_object_set_new(json_array_get(json_object_get(
		meta, "dependent-vtags"), 0), "tag", json_string(net_tag));
	text = json_dumps(doc, 0);
	s = scan_of(text);
	CU_ASSERT_EQUAL_FATAL(costmap_json_read(s, NULL, &m, &stated, &notes),
	                      RC_OK);
	scan_free(s);
	free(text);
	return m;
}

static void check_vector(struct resource *r, const char *id, const json_t *want)
{
	check_body(r, member(want, "body"));
	CU_ASSERT_EQUAL(seal_announce(digest, r, id), RC_OK);
	CU_ASSERT_STRING_EQUAL(resource_leaf(r),
	                       member(want, "ALTO-Resource"));
	CU_ASSERT_STRING_EQUAL(resource_name(r)->id, id);
	check_tag(r, resource_name(r)->tag);
}

static void bodies_tags_and_leaves_are_those_of_the_vectors(void)
{
	json_t *v = vectors();
	json_t *in = json_object_get(v, "input");
	json_t *out = json_object_get(v, "resources");
	struct netmap *net = net_of(json_object_get(in, "net"));
	struct costmap *cost;
	struct resource *rn = NULL, *rc = NULL;

	CU_ASSERT_EQUAL_FATAL(seal_netmap(digest, "net", net, NULL, &rn),
	                      RC_OK);
	check_vector(rn, "net", json_array_get(out, 1));
	cost = cost_of(json_object_get(in, "cost-routing"),
	               resource_name(rn)->tag);
	CU_ASSERT_EQUAL_FATAL(seal_costmap(digest, "cost-routing", cost, NULL,
	                                   &rc), RC_OK);
	check_vector(rc, "cost-routing", json_array_get(out, 0));
	CU_ASSERT_PTR_EQUAL(resource_net(rn), net);
	CU_ASSERT_PTR_EQUAL(resource_cost(rc), cost);
	netmap_unref(net);
	costmap_unref(cost);
	check_body(rn, member(json_array_get(out, 1), "body"));
	check_body(rc, member(json_array_get(out, 0), "body"));
	resource_unref(rn);
	resource_unref(rc);
	json_decref(v);
}

static void numbers_are_those_of_the_vectors(void)
{
	json_t *v = vectors(), *want;
	const char *spelled;
	char got[NUMBER_TEXT_MAX + 1];

	json_object_foreach(json_object_get(v, "numbers"), spelled, want) {
		number_print(strtod(spelled, NULL), got);
		CU_ASSERT_STRING_EQUAL(got, json_string_value(want));
	}
	json_decref(v);
}

static void an_empty_map_has_leaf_0_alone(void)
{
	static const struct costmeta meta = { "m", "ordinal",
	                                      { "net", "a\"\\b" } };
	struct index *none = names_of(NULL, 0);
	struct netmap *net = NULL;
	struct costmap *cost = NULL;
	struct resource *r = NULL;

	CU_ASSERT_EQUAL_FATAL(netmap_from_rows(none, NULL, &net), RC_OK);
	CU_ASSERT_EQUAL_FATAL(seal_netmap(digest, "n", net, NULL, &r), RC_OK);
	CU_ASSERT_EQUAL(merkle_leaves(resource_tree(r)), 1);
	check_tag(r, "5c0841a6d59199a70c89f940c578916fc724607fcca3ac8a159af7b7"
	             "e3402c6f");
	check_body(r, "{\"meta\":{\"vtag\":{\"resource-id\":\"n\",\"tag\":\"5c08"
	           "41a6d59199a70c89f940c578916fc724607fcca3ac8a159af7b7e3402c6f"
	           "\"}},\"network-map\":{}}");
	resource_unref(r);
	netmap_unref(net);
	CU_ASSERT_EQUAL_FATAL(costmap_from_rows(&meta, none, NULL, &cost),
	                      RC_OK);
	CU_ASSERT_EQUAL_FATAL(seal_costmap(digest, "c", cost, NULL, &r), RC_OK);
	check_body(r, "{\"cost-map\":{},\"meta\":{\"cost-type\":{\"cost-metric\":"
	           "\"m\",\"cost-mode\":\"ordinal\"},\"dependent-vtags\":[{"
	           "\"resource-id\":\"net\",\"tag\":\"a\\\"\\\\b\"}],\"vtag\":{"
	           "\"resource-id\":\"c\",\"tag\":\"28e19461341c36403e4c6c5f1bd2"
	           "f8948d5a2bd0fd2a7d34738ea77f0258fd7b\"}}}");
	resource_unref(r);
	costmap_unref(cost);
	index_unref(none);
}

/* ---- documents ---- */

static const char ird[] =
	"{\"meta\":{\"cost-types\":{\"hops\":{\"cost-metric\":\"hopcount\","
	"\"cost-mode\":\"numerical\"}},\"default-alto-network-map\":\"net\"},"
	"\"resources\":{\"net\":{\"media-type\":"
	"\"application/alto-networkmap+json\",\"uri\":\"maps/net\"}}}";

static enum rc doc(const char *body, struct resource **out)
{
	return seal_doc(digest, MEDIA_DIRECTORY, body, strlen(body), out);
}

static void a_document_has_two_leaves(void)
{
	static const char bare[] =
		"{\"resources\":{\"net\":{\"uri\":\"maps/net\"}}}";
	struct resource *r = NULL;

	CU_ASSERT_EQUAL_FATAL(doc(ird, &r), RC_OK);
	check_body(r, ird);
	check_tag(r, "b8a6d5dc5a6694a33466faee7b89cba834fdb77dd01c13d9766fa680"
	             "9562cf32");
	CU_ASSERT_EQUAL(seal_announce(digest, r, ".directory"), RC_OK);
	CU_ASSERT_STRING_EQUAL(resource_name(r)->type, MEDIA_DIRECTORY);
	resource_unref(r);
	CU_ASSERT_EQUAL_FATAL(doc(bare, &r), RC_OK);
	check_body(r, bare);
	check_tag(r, "70b80c75182daf8e4dd8ffbefca24fc5842785e7260b05d6e6ac7c57"
	             "b351f4ad");
	resource_unref(r);
}

static void only_a_canonical_object_is_a_document(void)
{
	static const char *const bad[] = {
		"", "[]", "1", "null", "\"x\"", "{", "{}x", " {}", "{}\n",
		"{\"b\":1,\"a\":1}", "{\"a\": 1}", "{\"a\":1.0}",
		"{\"a\":1,\"a\":1}", "{\"meta\":1}", "{\"meta\":[]}",
		"{\"a\":\"\\u0041\"}", "{\"a\":\"\\/\"}", "{\"a\":1e2}",
		"{\"a\":9007199254740993}", "{\"a\":\"\xff\"}",
	};
	struct resource *r = NULL;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(doc(bad[i], &r), RC_ESYNTAX);
	CU_ASSERT_PTR_NULL(r);
}

static void a_document_is_its_meta_and_its_rest(void)
{
	static const char *const differ[] = {
		"{\"meta\":{\"a\":1},\"x\":1}", "{\"meta\":{\"a\":2},\"x\":1}",
		"{\"meta\":{\"a\":1},\"x\":2}", "{\"meta\":{},\"x\":1}",
		"{\"a\":1,\"x\":1}",
	};
	char tag[5][TAG_HEX + 1], other[TAG_HEX + 1];
	struct resource *r = NULL;

	for (size_t i = 0; i < 5; i++) {
		CU_ASSERT_EQUAL_FATAL(doc(differ[i], &r), RC_OK);
		resource_content_tag(r, tag[i]);
		resource_unref(r);
		for (size_t k = 0; k < i; k++)
			CU_ASSERT_STRING_NOT_EQUAL(tag[i], tag[k]);
	}
	CU_ASSERT_EQUAL_FATAL(doc("{\"meta\":{\"a\":1,\"vtag\":5},\"x\":1}",
	                          &r), RC_OK);
	check_tag(r, tag[0]);
	resource_unref(r);
	CU_ASSERT_EQUAL_FATAL(seal_doc(digest, "application/json", differ[0],
	                               strlen(differ[0]), &r), RC_OK);
	resource_content_tag(r, other);
	CU_ASSERT_STRING_NOT_EQUAL(other, tag[0]);
	resource_unref(r);
}

/* ---- names ---- */

static void a_believed_leaf_names_as_an_announcement_does(void)
{
	struct resource *a = NULL, *b = NULL;

	CU_ASSERT_EQUAL_FATAL(doc(ird, &a), RC_OK);
	CU_ASSERT_EQUAL_FATAL(doc(ird, &b), RC_OK);
	CU_ASSERT_EQUAL(seal_announce(digest, a, ".directory"), RC_OK);
	CU_ASSERT_EQUAL(seal_believe(digest, b, resource_leaf(a)), RC_OK);
	CU_ASSERT_STRING_EQUAL(resource_leaf(a), resource_leaf(b));
	CU_ASSERT_EQUAL(memcmp(resource_leaf_hash(a), resource_leaf_hash(b),
	                       SHA256_SIZE), 0);
	CU_ASSERT_EQUAL(memcmp(resource_name(a)->sha256,
	                       resource_name(b)->sha256, SHA256_SIZE), 0);
	resource_unref(a);
	resource_unref(b);
}

/* Believes a's leaf after one change to its name. */
static enum rc believe(struct resource *r, const struct resource_name *n)
{
	struct buf leaf = BUF_INIT(RESOURCE_LEAF_MAX);
	enum rc rc;

	leaf_print(n, &leaf);
	rc = seal_believe(digest, r, buf_str(&leaf));
	buf_free(&leaf);
	return rc;
}

static void a_leaf_that_disagrees_is_not_believed(void)
{
	struct resource *r = NULL;
	struct resource_name n, changed;

	CU_ASSERT_EQUAL_FATAL(doc(ird, &r), RC_OK);
	CU_ASSERT_EQUAL_FATAL(seal_announce(digest, r, ".directory"), RC_OK);
	n = *resource_name(r);
	changed = n;
	changed.size--;
	CU_ASSERT_EQUAL(believe(r, &changed), RC_EDIGEST);
	changed = n;
	changed.tag[5] = changed.tag[5] == 'a' ? 'b' : 'a';
	CU_ASSERT_EQUAL(believe(r, &changed), RC_EDIGEST);
	changed = n;
	snprintf(changed.type, sizeof(changed.type), "%s", MEDIA_COST_MAP);
	CU_ASSERT_EQUAL(believe(r, &changed), RC_EDIGEST);
	CU_ASSERT_EQUAL(seal_believe(digest, r, ""), RC_ESYNTAX);
	CU_ASSERT_EQUAL(seal_believe(digest, r, "\".directory\""), RC_ESYNTAX);
	CU_ASSERT_EQUAL(believe(r, &n), RC_OK);
	resource_unref(r);
}

static void each_kind_has_its_media_type(void)
{
	CU_ASSERT_STRING_EQUAL(seal_media(RESOURCE_NETMAP), MEDIA_NETWORK_MAP);
	CU_ASSERT_STRING_EQUAL(seal_media(RESOURCE_COSTMAP), MEDIA_COST_MAP);
	CU_ASSERT_STRING_EQUAL(seal_media(RESOURCE_DOC), MEDIA_DIRECTORY);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "bodies, tags and leaves are those of the vectors",
		  bodies_tags_and_leaves_are_those_of_the_vectors },
		{ "numbers are those of the vectors",
		  numbers_are_those_of_the_vectors },
		{ "an empty map has leaf 0 alone",
		  an_empty_map_has_leaf_0_alone },
		{ "a document has two leaves", a_document_has_two_leaves },
		{ "only a canonical object is a document",
		  only_a_canonical_object_is_a_document },
		{ "a document is its meta and its rest",
		  a_document_is_its_meta_and_its_rest },
		{ "a believed leaf names as an announcement does",
		  a_believed_leaf_names_as_an_announcement_does },
		{ "a leaf that disagrees is not believed",
		  a_leaf_that_disagrees_is_not_believed },
		{ "each kind has its media type", each_kind_has_its_media_type },
		CU_TEST_INFO_NULL
	};
	int failed;

	if (digest_new(&digest) != RC_OK)
		return 99;
	failed = suite_run("seal", tests);
	digest_free(digest);
	return failed;
}
