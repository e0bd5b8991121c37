/* What is published and signed, held against docs/test-vectors, which a second
 * program made that shares no code with this one. */
#include <jansson.h>

#include "common/base/enc.h"
#include "common/core/merkle.h"
#include "common/core/snapshot.h"
#include "common/wire/ird_json.h"
#include "common/wire/jcs.h"
#include "common/wire/json.h"
#include "common/wire/jwk.h"
#include "common/wire/number.h"
#include "common/wire/state_json.h"
#include "tests/suite.h"
#include "tests/vectors.h"

/* ---- canonical form, tags, leaves ------------------------------------------ */

static void every_input_becomes_the_canonical_body(void)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list(canonical, "bodies"), i, v) {
		struct resource *r = NULL;
		uint8_t sha[SHA256_SIZE];

		expect(open_body(str(v, "leaf"), str(v, "input"), &r) == RC_OK,
		       v, "is refused");
		if (!r)
			continue;
		expect(body_is(r, str(v, "body")), v, "body");
		expect(strcmp(resource_name(r)->tag, str(v, "tag")) == 0, v,
		       "tag");
		expect(resource_digest(r, digest, sha) == RC_OK &&
		       memcmp(sha, resource_name(r)->sha256, sizeof(sha)) == 0,
		       v, "SHA-256");
		resource_unref(r);
	}
}

static void what_is_no_map_is_refused_for_its_content(void)
{
	const json_t *v, *good = json_array_get(list(canonical, "bodies"), 0);
	size_t i;

	json_array_foreach(list(canonical, "refused"), i, v) {
		struct resource_name n;
		struct buf leaf = BUF_INIT(RESOURCE_LEAF_MAX);
		struct resource *r = NULL;
		const char *some = str(good, "leaf");
		enum rc rc;

		CU_ASSERT_EQUAL_FATAL(leaf_read(some, strlen(some), &n, NULL),
		                      RC_OK);
		snprintf(n.id, sizeof(n.id), "%s", str(v, "id"));
		snprintf(n.type, sizeof(n.type), "%s", str(v, "media-type"));
		leaf_print(&n, &leaf);
		rc = open_body(buf_str(&leaf), str(v, "input"), &r);
		expect(rc == RC_ESYNTAX || rc == RC_ERULE || rc == RC_ELIMIT, v,
		       rc_text(rc));
		CU_ASSERT_PTR_NULL(r);
		buf_free(&leaf);
	}
}

static void every_number_prints_in_its_one_way(void)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list(numbers, "numbers"), i, v) {
		const char *in = str(v, "input");
		char text[NUMBER_TEXT_MAX + 1];
		double d = 1;

		CU_ASSERT_EQUAL(number_read(in, strlen(in), &d), RC_OK);
		CU_ASSERT_EQUAL(number_print(d, text), strlen(text));
		CU_ASSERT_STRING_EQUAL(text, str(v, "text"));
	}
}

/* ---- trees ----------------------------------------------------------------- */

static void check_path(const json_t *want, const struct merkle *t, size_t i)
{
	uint8_t path[MERKLE_PATH_MAX * SHA256_SIZE], root[SHA256_SIZE];
	size_t n = merkle_path(t, i, path);
	char hex[2 * SHA256_SIZE + 1];

	CU_ASSERT_EQUAL_FATAL(n, json_array_size(want));
	for (size_t k = 0; k < n; k++) {
		enc_hex(path + k * SHA256_SIZE, SHA256_SIZE, hex);
		CU_ASSERT_STRING_EQUAL(hex,
			json_string_value(json_array_get(want, k)));
	}
	CU_ASSERT_EQUAL(merkle_root_from(digest, merkle_leaf_hash(t, i), i,
	                                 merkle_leaves(t), path, n, root),
	                RC_OK);
	CU_ASSERT_EQUAL(memcmp(root, merkle_root(t), sizeof(root)), 0);
}

static void every_tree_has_its_root_and_its_paths(void)
{
	const json_t *v;
	size_t at;

	json_array_foreach(list(trees, "trees"), at, v) {
		const json_t *leaves = json_object_get(v, "leaves");
		uint8_t hash[32 * SHA256_SIZE];
		size_t n = json_array_size(leaves);
		char hex[2 * SHA256_SIZE + 1];
		struct merkle *t = NULL;

		CU_ASSERT_TRUE_FATAL(n <= 32);
		for (size_t i = 0; i < n; i++) {
			const char *s = json_string_value(
				json_array_get(leaves, i));

			CU_ASSERT_EQUAL(merkle_leaf(digest, s, strlen(s),
			                            hash + i * SHA256_SIZE),
			                RC_OK);
		}
		CU_ASSERT_EQUAL_FATAL(merkle_new(digest, hash, n, &t), RC_OK);
		enc_hex(merkle_root(t), SHA256_SIZE, hex);
		CU_ASSERT_STRING_EQUAL(hex, str(v, "root"));
		for (size_t i = 0; i < n; i++)
			check_path(json_array_get(json_object_get(v, "paths"),
			                          i), t, i);
		merkle_free(t);
	}
}

/* ---- signed state ---------------------------------------------------------- */

static struct public_key the_key(void)
{
	const char *jwk = str(json_object_get(states, "key"), "jwk");
	struct public_key k = { 0 };
	json_t *doc = NULL;

	CU_ASSERT_EQUAL_FATAL(json_read(jwk, strlen(jwk), 4096, &doc, NULL),
	                      RC_OK);
	CU_ASSERT_EQUAL_FATAL(jwk_read(doc, &k, NULL), RC_OK);
	json_decref(doc);
	return k;
}

static struct state read_triple(const json_t *v)
{
	struct state st;

	CU_ASSERT_EQUAL_FATAL(state_from_json(json_object_get(v, "triple"),
	                                      &st, NULL), RC_OK);
	return st;
}

static void a_key_has_its_thumbprint_and_its_text(void)
{
	const json_t *v = json_object_get(states, "key");
	struct buf text = BUF_INIT(1024);
	struct public_key k = the_key();
	json_t *jwk = jwk_write(&k);

	CU_ASSERT_STRING_EQUAL(k.id, str(v, "thumbprint"));
	CU_ASSERT_EQUAL(jwk ? jcs_write(jwk, &text) : RC_ENOMEM,
	                RC_OK);
	CU_ASSERT_STRING_EQUAL(buf_str(&text), str(v, "jwk"));
	json_decref(jwk);
	buf_free(&text);
}

static void every_triple_reads_and_its_signature_holds(void)
{
	struct public_key k = the_key();
	char hex[2 * SHA256_SIZE + 1];
	const json_t *v;
	size_t i;

	json_array_foreach(list(states, "states"), i, v) {
		struct state st = read_triple(v);

		enc_hex(st.root, sizeof(st.root), hex);
		CU_ASSERT_STRING_EQUAL(hex, str(v, "root"));
		CU_ASSERT_STRING_EQUAL(st.service, str(v, "service"));
		CU_ASSERT_STRING_EQUAL(st.pos.session, str(v, "session"));
		CU_ASSERT_EQUAL(st.pos.serial, num(v, "serial"));
		CU_ASSERT_EQUAL((uint64_t)st.created, num(v, "created"));
		CU_ASSERT_EQUAL((uint64_t)st.expires, num(v, "expires"));
		CU_ASSERT_EQUAL(state_check(&st, &k), RC_OK);
		CU_ASSERT_EQUAL(state_time(&st, st.created, NULL), RC_OK);
		CU_ASSERT_EQUAL(state_time(&st, st.expires, NULL), RC_ETIME);
	}
}

/* Ed25519 is deterministic, so the same bytes must come out. */
static void what_is_signed_here_is_the_same_triple(void)
{
	const char *d = str(json_object_get(states, "key"), "d");
	struct buf seed = BUF_INIT(32);
	struct sign_key *key = NULL;
	const json_t *v;
	size_t i;

	CU_ASSERT_EQUAL_FATAL(enc_base64url_read(d, strlen(d), &seed), RC_OK);
	CU_ASSERT_EQUAL_FATAL(sign_key_from_raw((uint8_t *)seed.data, &key),
	                      RC_OK);
	json_array_foreach(list(states, "states"), i, v) {
		struct state want = read_triple(v), st = want;

		memset(st.text, 0, sizeof(st.text));
		memset(st.input, 0, sizeof(st.input));
		memset(st.signature, 0, sizeof(st.signature));
		CU_ASSERT_EQUAL(state_sign(&st, key), RC_OK);
		CU_ASSERT_STRING_EQUAL(st.text, want.text);
		CU_ASSERT_STRING_EQUAL(st.input, want.input);
		CU_ASSERT_STRING_EQUAL(st.signature, want.signature);
	}
	sign_key_free(key);
	buf_free(&seed);
}

static void every_state_document_leads_to_its_root(void)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list(states, "states"), i, v) {
		const json_t *leaves = list(v, "leaves");
		const char *text = str(v, "document");
		struct leaf_set *l = NULL;

		CU_ASSERT_EQUAL(state_doc_read(text, strlen(text), &l, NULL),
		                RC_OK);
		CU_ASSERT_EQUAL_FATAL(l ? l->n : 0, json_array_size(leaves));
		for (size_t k = 0; k < l->n; k++)
			CU_ASSERT_STRING_EQUAL(l->leaf[k],
				json_string_value(json_array_get(leaves, k)));
		leaf_set_free(l);
	}
}

static enum rc check_response(const json_t *v, struct state *st)
{
	struct signed_headers h = {
		str(v, "ALTO-Resource"), str(v, "ALTO-Proof"),
		str(v, "ALTO-State"), str(v, "Signature-Input"),
		str(v, "Signature")
	};
	const char *body = str(v, "body");
	struct resource_name n;

	return body_check(&h, body, strlen(body), &n, st, NULL);
}

static void every_response_is_good_under_its_headers(void)
{
	struct public_key k = the_key();
	const json_t *v, *r;
	size_t i, at;

	json_array_foreach(list(states, "states"), i, v)
		json_array_foreach(list(v, "responses"), at, r) {
			struct resource *res = NULL;
			struct state st = { 0 };

			CU_ASSERT_EQUAL(check_response(r, &st), RC_OK);
			CU_ASSERT_EQUAL(state_check(&st, &k), RC_OK);
			CU_ASSERT_EQUAL(open_body(str(r, "ALTO-Resource"),
			                          str(r, "body"), &res),
			                RC_OK);
			CU_ASSERT_TRUE(res && body_is(res, str(r, "body")));
			resource_unref(res);
		}
}

static void every_forged_response_is_refused_for_what_it_is(void)
{
	struct public_key k = the_key();
	const json_t *v;
	size_t i;

	json_array_foreach(list(states, "refused"), i, v) {
		const char *want = str(v, "error");
		struct state st = { 0 };
		enum rc rc = check_response(v, &st);

		if (strcmp(want, "syntax") == 0)
			expect(rc == RC_ESYNTAX || rc == RC_ELIMIT, v,
			       rc_text(rc));
		else if (strcmp(want, "digest") == 0)
			expect(rc == RC_EDIGEST, v, rc_text(rc));
		else
			expect(rc == RC_OK && state_check(&st, &k) == RC_ESIG,
			       v, rc_text(rc));
	}
}

/* ---- the directory --------------------------------------------------------- */

/* Reads an IRD and writes it again over the maps that it names. */
static void check_ird(const json_t *v)
{
	const json_t *responses = list(v, "responses");
	size_t n = json_array_size(responses) - 1;
	const struct ird_services sv = {
		.filtered = true, .endpoint_cost = true, .max_cost_types = 8
	};
	struct ird_map maps[8] = { { .res = NULL } };
	struct buf again = BUF_INIT(65536);
	const char *text = str(json_array_get(responses, 0), "body");
	struct ird *ird = NULL;

	CU_ASSERT_TRUE_FATAL(n <= 8);
	CU_ASSERT_EQUAL_FATAL(ird_read(text, strlen(text), &ird, NULL), RC_OK);
	for (size_t i = 0; i < n; i++) {
		const json_t *r = json_array_get(responses, i + 1);

		CU_ASSERT_EQUAL_FATAL(open_body(str(r, "ALTO-Resource"),
		                                str(r, "body"), &maps[i].res),
		                      RC_OK);
		maps[i].testable = true;
		maps[i].ordinal = resource_cost(maps[i].res) != NULL;
	}
	CU_ASSERT_EQUAL(ird_write(ird_redistribution(ird), maps, n, "net", &sv,
	                          &again, NULL), RC_OK);
	CU_ASSERT_STRING_EQUAL(buf_str(&again), text);
	for (size_t i = 0; i < n; i++)
		resource_unref(maps[i].res);
	buf_free(&again);
	ird_free(ird);
}

static void a_directory_reads_and_is_written_again(void)
{
	const json_t *v;
	size_t i, done = 0;

	json_array_foreach(list(states, "states"), i, v) {
		const json_t *leaves = list(v, "leaves");

		if (strncmp(json_string_value(json_array_get(leaves, 0)),
		            "\"" DIRECTORY_ID "\"", 12) != 0)
			continue;
		check_ird(v);
		done++;
	}
	CU_ASSERT_TRUE(done >= 2);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "every input becomes the canonical body",
		  every_input_becomes_the_canonical_body },
		{ "what is no map is refused for its content",
		  what_is_no_map_is_refused_for_its_content },
		{ "every number prints in its one way",
		  every_number_prints_in_its_one_way },
		{ "every tree has its root and its paths",
		  every_tree_has_its_root_and_its_paths },
		{ "a key has its thumbprint and its text",
		  a_key_has_its_thumbprint_and_its_text },
		{ "every triple reads and its signature holds",
		  every_triple_reads_and_its_signature_holds },
		{ "what is signed here is the same triple",
		  what_is_signed_here_is_the_same_triple },
		{ "every state document leads to its root",
		  every_state_document_leads_to_its_root },
		{ "every response is good under its headers",
		  every_response_is_good_under_its_headers },
		{ "every forged response is refused for what it is",
		  every_forged_response_is_refused_for_what_it_is },
		{ "a directory reads and is written again",
		  a_directory_reads_and_is_written_again },
		CU_TEST_INFO_NULL
	};
	int rc;

	if (!set_up())
		return 99;
	rc = suite_run("vectors", tests);
	tear_down();
	return rc;
}
