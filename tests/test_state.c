/* The signed state, held against the vectors of a second program
 * (data/state-vectors.json), and everything that must not pass for it. */
#include "common/wire/state_json.h"

#include "common/base/enc.h"
#include "common/core/merkle.h"
#include "common/wire/jcs.h"
#include "common/wire/json.h"
#include "common/wire/media.h"
#include "common/wire/seal.h"
#include "tests/suite.h"

#define SERVICE "6f0c1c0e-51c5-4f0e-9b0f-2d4a3f7b9a11"
#define SESSION "019a8f2e-4c00-7000-8000-000000000001"
#define KEY_ID "poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U"
#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HASH "Vf4SLZ1XpV/vEEVguwF5/zQHco1CnT8Q6AxV9vmuo04="

static struct digest *digest;
static struct sign_key *key;
static json_t *vectors;

static const char *vector(const char *name)
{
	const char *s = json_string_value(json_object_get(vectors, name));

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	return s;
}

static const char *of_resource(size_t i, const char *name)
{
	const json_t *r = json_array_get(json_object_get(vectors, "resources"),
	                                 i);
	const char *s = json_string_value(json_object_get(r, name));

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	return s;
}

static struct state vector_state(void)
{
	struct state st;

	CU_ASSERT_EQUAL_FATAL(state_read(vector("ALTO-State"),
	                                 vector("Signature-Input"),
	                                 vector("Signature"), &st, NULL),
	                      RC_OK);
	return st;
}

static struct signed_headers headers_of(size_t i)
{
	return (struct signed_headers){
		of_resource(i, "ALTO-Resource"), of_resource(i, "ALTO-Proof"),
		vector("ALTO-State"), vector("Signature-Input"),
		vector("Signature"),
	};
}

/* ---- the vectors ---- */

static void leaves_read_and_print_as_in_the_vectors(void)
{
	for (size_t i = 0; i < 2; i++) {
		const char *text = of_resource(i, "ALTO-Resource");
		struct buf again = BUF_INIT(RESOURCE_LEAF_MAX);
		struct resource_name n;

		CU_ASSERT_EQUAL_FATAL(leaf_read(text, strlen(text), &n, NULL),
		                      RC_OK);
		CU_ASSERT_STRING_EQUAL(n.id, i ? "net" : "cost-routing");
		CU_ASSERT_STRING_EQUAL(n.type, i ? MEDIA_NETWORK_MAP :
		                       MEDIA_COST_MAP);
		CU_ASSERT_EQUAL(n.size, strlen(of_resource(i, "body")));
		leaf_print(&n, &again);
		CU_ASSERT_STRING_EQUAL(buf_str(&again), text);
		buf_free(&again);
	}
}

/* The tree over the vectors' leaves. */
static struct merkle *vector_tree(void)
{
	uint8_t hashes[2 * SHA256_SIZE];
	struct merkle *t = NULL;

	for (size_t i = 0; i < 2; i++) {
		const char *leaf = of_resource(i, "ALTO-Resource");

		CU_ASSERT_EQUAL_FATAL(merkle_leaf(digest, leaf, strlen(leaf),
		                                  hashes + i * SHA256_SIZE),
		                      RC_OK);
	}
	CU_ASSERT_EQUAL_FATAL(merkle_new(digest, hashes, 2, &t), RC_OK);
	return t;
}

static void proofs_print_and_read_as_in_the_vectors(void)
{
	uint8_t path[MERKLE_PATH_MAX * SHA256_SIZE];
	uint8_t got[MERKLE_PATH_MAX * SHA256_SIZE];
	struct merkle *tree = vector_tree();
	size_t got_len = 0, index = 9;

	for (size_t i = 0; i < 2; i++) {
		const char *want = of_resource(i, "ALTO-Proof");
		struct buf b = BUF_INIT(1000);
		size_t n = merkle_path(tree, i, path);

		proof_print(path, n, i, &b);
		CU_ASSERT_STRING_EQUAL(buf_str(&b), want);
		CU_ASSERT_EQUAL(proof_read(want, strlen(want), got, &got_len,
		                           &index, NULL), RC_OK);
		CU_ASSERT_EQUAL(got_len, n);
		CU_ASSERT_EQUAL(index, i);
		CU_ASSERT_EQUAL(memcmp(got, path, n * SHA256_SIZE), 0);
		buf_free(&b);
	}
	merkle_free(tree);
}

static struct state parts(void)
{
	struct state st = { .service = SERVICE, .pos = { SESSION, 2 },
	                    .resources = 2, .created = 1700000000,
	                    .expires = 1700086400 };
	struct merkle *tree = vector_tree();

	memcpy(st.root, merkle_root(tree), sizeof(st.root));
	merkle_free(tree);
	return st;
}

static void signing_gives_the_triple_of_the_vectors(void)
{
	struct state st = parts();
	struct buf base = BUF_INIT(2000);

	CU_ASSERT_EQUAL_FATAL(state_sign(&st, key), RC_OK);
	CU_ASSERT_STRING_EQUAL(st.text, vector("ALTO-State"));
	CU_ASSERT_STRING_EQUAL(st.input, vector("Signature-Input"));
	CU_ASSERT_STRING_EQUAL(st.signature, vector("Signature"));
	CU_ASSERT_STRING_EQUAL(st.key, KEY_ID);
	buf_printf(&base, "\"alto-state\": %s\n\"@signature-params\": %s",
	           st.text, st.input + strlen("alto="));
	CU_ASSERT_STRING_EQUAL(buf_str(&base), vector("signature-base"));
	buf_free(&base);
}

static void the_vectors_triple_reads_and_verifies(void)
{
	struct state st = vector_state(), want = parts();

	CU_ASSERT_EQUAL(memcmp(st.root, want.root, sizeof(st.root)), 0);
	CU_ASSERT_STRING_EQUAL(st.service, SERVICE);
	CU_ASSERT_STRING_EQUAL(st.pos.session, SESSION);
	CU_ASSERT_EQUAL(st.pos.serial, 2);
	CU_ASSERT_EQUAL(st.resources, 2);
	CU_ASSERT_EQUAL(st.created, 1700000000);
	CU_ASSERT_EQUAL(st.expires, 1700086400);
	CU_ASSERT_STRING_EQUAL(st.key, KEY_ID);
	CU_ASSERT_EQUAL(state_check(&st, sign_key_public(key)), RC_OK);
}

static void the_vectors_bodies_stand_under_their_headers(void)
{
	for (size_t i = 0; i < 2; i++) {
		struct signed_headers h = headers_of(i);
		const char *body = of_resource(i, "body");
		struct resource_name n;
		struct state st;

		CU_ASSERT_EQUAL_FATAL(body_check(&h, body, strlen(body), &n,
		                                 &st, NULL), RC_OK);
		CU_ASSERT_STRING_EQUAL(n.id, i ? "net" : "cost-routing");
		CU_ASSERT_EQUAL(st.pos.serial, 2);
	}
}

/* ---- what must not pass ---- */

static bool accepted(const struct signed_headers *h, const char *body,
                     size_t len)
{
	struct resource_name n;
	struct state st;

	return body_check(h, body, len, &n, &st, NULL) == RC_OK &&
	       state_check(&st, sign_key_public(key)) == RC_OK;
}

/* Changes every byte of one header, one at a time, in several ways. */
static void check_header(struct signed_headers *h, const char **which)
{
	static const char ways[] = { 1, 2, 4, 8, 16, 32, 64 };
	const char *body = of_resource(1, "body"), *good = *which;
	char *text = strdup(good);

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	*which = text;
	for (size_t i = 0; text[i]; i++)
		for (size_t w = 0; w < sizeof(ways); w++) {
			text[i] = (char)(good[i] ^ ways[w]);
			CU_ASSERT_FALSE(accepted(h, body, strlen(body)));
			text[i] = good[i];
		}
	*which = good;
	free(text);
}

static void a_flipped_bit_in_any_header_is_seen(void)
{
	struct signed_headers h = headers_of(1);
	const char *body = of_resource(1, "body");

	CU_ASSERT(accepted(&h, body, strlen(body)));
	check_header(&h, &h.resource);
	check_header(&h, &h.proof);
	check_header(&h, &h.state);
	check_header(&h, &h.input);
	check_header(&h, &h.signature);
	CU_ASSERT(accepted(&h, body, strlen(body)));
}

static void another_body_is_seen(void)
{
	struct signed_headers h = headers_of(1);
	size_t len = strlen(of_resource(1, "body"));
	char *body = strdup(of_resource(1, "body"));
	struct resource_name n;
	struct state st;

	CU_ASSERT_PTR_NOT_NULL_FATAL(body);
	for (size_t i = 0; i < len; i++) {
		body[i] = (char)(body[i] ^ 1);
		CU_ASSERT_EQUAL(body_check(&h, body, len, &n, &st, NULL),
		                RC_EDIGEST);
		body[i] = (char)(body[i] ^ 1);
	}
	CU_ASSERT_EQUAL(body_check(&h, body, len - 1, &n, &st, NULL),
	                RC_EDIGEST);
	CU_ASSERT_EQUAL(body_check(&h, body, 0, &n, &st, NULL), RC_EDIGEST);
	free(body);
}

static void a_body_of_another_resource_is_seen(void)
{
	struct signed_headers h = headers_of(1), other = headers_of(0);
	const char *body = of_resource(1, "body");
	struct resource_name n;
	struct state st;

	h.proof = other.proof;
	CU_ASSERT_EQUAL(body_check(&h, body, strlen(body), &n, &st, NULL),
	                RC_EDIGEST);
	h = headers_of(1);
	h.resource = other.resource;
	CU_ASSERT_EQUAL(body_check(&h, body, strlen(body), &n, &st, NULL),
	                RC_EDIGEST);
	h = headers_of(1);
	h.proof = "::;index=0";
	CU_ASSERT_EQUAL(body_check(&h, body, strlen(body), &n, &st, NULL),
	                RC_EDIGEST);
	h.proof = "::;index=7";
	CU_ASSERT_EQUAL(body_check(&h, body, strlen(body), &n, &st, NULL),
	                RC_EDIGEST);
}

static void every_header_must_be_there(void)
{
	struct signed_headers h;
	const char **const all[] = { &h.resource, &h.proof, &h.state, &h.input,
	                             &h.signature };
	struct resource_name n = { .id = "before" };
	struct state st;

	for (size_t i = 0; i < 5; i++) {
		struct diag d = { .line = 0 };

		h = headers_of(0);
		*all[i] = NULL;
		CU_ASSERT_EQUAL(body_check(&h, "", 0, &n, &st, &d), RC_ENOENT);
		CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "missing"));
	}
	CU_ASSERT_STRING_EQUAL(n.id, "before");
}

static void another_key_verifies_nothing(void)
{
	struct state st = vector_state();
	struct public_key k = *sign_key_public(key);
	struct sign_key *other = NULL;

	CU_ASSERT_EQUAL_FATAL(sign_key_new(&other), RC_OK);
	CU_ASSERT_EQUAL(state_check(&st, sign_key_public(other)), RC_EKEY);
	k.raw[3] ^= 1;
	CU_ASSERT_EQUAL(state_check(&st, &k), RC_ESIG);
	k = *sign_key_public(key);
	k.alg = SIGN_P256;
	CU_ASSERT_EQUAL(state_check(&st, &k), RC_EKEY);
	sign_key_free(other);
}

/* ---- one spelling ---- */

#define LEAF(id, tag, size, hash, type) "\"" id "\";tag=\"" tag "\";size=" \
	size ";sha-256=:" hash ":;type=\"" type "\""
#define LEAF_END ";type=\"a/b\""

static enum rc read_leaf(const char *s)
{
	struct resource_name n;

	return leaf_read(s, strlen(s), &n, NULL);
}

static void a_leaf_has_one_spelling(void)
{
	static const char *const bad[] = {
		"", "\"", "\"a\"", LEAF("", HEX64, "1", HASH, "a/b"),
		LEAF("a.b", HEX64, "1", HASH, "a/b"),
		LEAF(".directory2", HEX64, "1", HASH, "a/b"),
		LEAF("a b", HEX64, "1", HASH, "a/b"),
		LEAF("a\\\"b", HEX64, "1", HASH, "a/b"),
		LEAF("a", "", "1", HASH, "a/b"),
		LEAF("a", "0" HEX64, "1", HASH, "a/b"),
		LEAF("a", "A123456789abcdef0123456789abcdef"
		     "0123456789abcdef0123456789abcdef", "1", HASH, "a/b"),
		LEAF("a", HEX64, "", HASH, "a/b"),
		LEAF("a", HEX64, "01", HASH, "a/b"),
		LEAF("a", HEX64, "+1", HASH, "a/b"),
		LEAF("a", HEX64, "-1", HASH, "a/b"),
		LEAF("a", HEX64, "1.0", HASH, "a/b"),
		LEAF("a", HEX64, "1", "", "a/b"),
		LEAF("a", HEX64, "1", "AAAA", "a/b"),
		LEAF("a", HEX64, "1", "Vf4SLZ1XpV/vEEVguwF5/zQHco1CnT8Q6AxV9vm"
		     "uo05=", "a/b"),		/* spare bits */
		LEAF("a", HEX64, "1", HASH, ""), LEAF("a", HEX64, "1", HASH, "a"),
		LEAF("a", HEX64, "1", HASH, "a/"), LEAF("a", HEX64, "1", HASH, "/b"),
		LEAF("a", HEX64, "1", HASH, "a/b/c"),
		LEAF("a", HEX64, "1", HASH, "a/b;c"),
		" " LEAF("a", HEX64, "1", HASH, "a/b"),
		LEAF("a", HEX64, "1", HASH, "a/b") " ",
		LEAF("a", HEX64, "1", HASH, "a/b") ";x",
		"\"a\"; tag=\"" HEX64 "\";size=1;sha-256=:" HASH ":" LEAF_END,
		"\"a\";size=1;tag=\"" HEX64 "\";sha-256=:" HASH ":" LEAF_END,
		"a;tag=\"" HEX64 "\";size=1;sha-256=:" HASH ":" LEAF_END,
	};

	CU_ASSERT_EQUAL(read_leaf(LEAF("a", HEX64, "1", HASH, "a/b")), RC_OK);
	CU_ASSERT_EQUAL(read_leaf(LEAF(".directory", HEX64, "0", HASH, "a/b")),
	                RC_OK);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(read_leaf(bad[i]), RC_ESYNTAX);
}

static void a_leaf_has_limits(void)
{
	char id[ID_MAX + 2], type[RESOURCE_TYPE_MAX + 2], text[512];

	CU_ASSERT_EQUAL(read_leaf(LEAF("a", HEX64, "2147483648", HASH, "a/b")),
	                RC_OK);
	CU_ASSERT_EQUAL(read_leaf(LEAF("a", HEX64, "2147483649", HASH, "a/b")),
	                RC_ELIMIT);
	CU_ASSERT_EQUAL(read_leaf(LEAF("a", HEX64, "99999999999999999999999999"
	                               "999999999999999", HASH, "a/b")),
	                RC_ELIMIT);
	CU_ASSERT_EQUAL(read_leaf(LEAF("a", HEX64, "1", HASH "AAAA", "a/b")),
	                RC_ELIMIT);
	memset(id, 'a', sizeof(id));
	memset(type, 'a', sizeof(type));
	type[5] = '/';
	for (int over = 0; over < 3; over++) {
		snprintf(text, sizeof(text),
		         LEAF("%.*s", HEX64, "1", HASH, "%.*s"),
		         ID_MAX + (over == 1), id,
		         RESOURCE_TYPE_MAX + (over == 2), type);
		CU_ASSERT_EQUAL(read_leaf(text), over ? RC_ESYNTAX : RC_OK);
	}
	CU_ASSERT(sizeof(LEAF("", HEX64, "2147483648", HASH, "")) + ID_MAX +
	          RESOURCE_TYPE_MAX < RESOURCE_LEAF_MAX);
}

static enum rc read_proof(const char *s, size_t *n, size_t *index)
{
	uint8_t path[MERKLE_PATH_MAX * SHA256_SIZE];

	return proof_read(s, strlen(s), path, n, index, NULL);
}

static void a_proof_has_one_spelling(void)
{
	static const char *const bad[] = {
		"", "::", "::;index=", "::;index=00", "::;index=01", "::;index=-1",
		"::; index=0", " ::;index=0", "::;index=0 ", "::;index=0;x=1",
		":AAAA:;index=0", ":" HASH HASH ":;index=0", ":" HASH ";index=0",
		HASH ":;index=0", ":" HASH ":index=0", ":;index=0",
	};
	size_t n = 5, index = 5;

	CU_ASSERT_EQUAL(read_proof("::;index=0", &n, &index), RC_OK);
	CU_ASSERT_EQUAL(n, 0);
	CU_ASSERT_EQUAL(index, 0);
	CU_ASSERT_EQUAL(read_proof(":" HASH ":;index=999", &n, &index), RC_OK);
	CU_ASSERT_EQUAL(n, 1);
	CU_ASSERT_EQUAL(index, 999);
	CU_ASSERT_EQUAL(read_proof("::;index=1000", &n, &index), RC_ELIMIT);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(read_proof(bad[i], &n, &index), RC_ESYNTAX);
	CU_ASSERT_EQUAL(index, 999);
}

static void a_path_has_a_ceiling(void)
{
	uint8_t path[(MERKLE_PATH_MAX + 1) * SHA256_SIZE] = { 1 };
	struct buf b = BUF_INIT(10000);
	size_t n = 0, index = 0;

	proof_print(path, MERKLE_PATH_MAX, 3, &b);
	CU_ASSERT_EQUAL(read_proof(buf_str(&b), &n, &index), RC_OK);
	CU_ASSERT_EQUAL(n, MERKLE_PATH_MAX);
	buf_clear(&b);
	proof_print(path, MERKLE_PATH_MAX + 1, 3, &b);
	CU_ASSERT_EQUAL(read_proof(buf_str(&b), &n, &index), RC_ELIMIT);
	buf_free(&b);
}

/* One line of the triple with its first from replaced by to. */
static enum rc read_with(const char *from, const char *to)
{
	const char *line[3] = { vector("ALTO-State"),
	                        vector("Signature-Input"),
	                        vector("Signature") };
	struct buf b = BUF_INIT(4000);
	struct state st;
	enum rc rc = RC_ENOENT;

	for (size_t i = 0; i < 3; i++) {
		const char *at = strstr(line[i], from);

		if (!at)
			continue;
		buf_add(&b, line[i], (size_t)(at - line[i]));
		buf_puts(&b, to);
		buf_puts(&b, at + strlen(from));
		line[i] = buf_str(&b);
		rc = state_read(line[0], line[1], line[2], &st, NULL);
		break;
	}
	buf_free(&b);
	return rc;
}

static void the_triple_has_one_spelling(void)
{
	static const char *const bad[][2] = {
		{ ";service", "; service" }, { ";service", ";Service" },
		{ ";service=", ";x=1;service=" }, { "6f0c1c0e", "6F0C1C0E" },
		{ "6f0c1c0e-", "6f0c1c0e" }, { "019a8f2e", "019A8f2e" },
		{ "-7000-", "-4000-" }, { "-8000-", "-0000-" },
		{ "serial=2", "serial=02" }, { "serial=2", "serial=" },
		{ "serial=2", "serial=\"2\"" }, { "serial=2", "serial=2.0" },
		{ "resources=2", "resources=2 " }, { "resources=2", "resources=" },
		{ "resources=2", "resources=2;more" }, { ":;service", ";service" },
		{ "alto=(", "ALTO=(" }, { "alto=(", "alto= (" },
		{ "(\"alto-state\")", "()" },
		{ "(\"alto-state\")", "(\"alto-state\" \"@status\")" },
		{ "(\"alto-state\")", "(\"alto-resource\")" },
		{ "(\"alto-state\")", "( \"alto-state\")" },
		{ ";created=1700000000;expires=1700086400",
		  ";expires=1700086400;created=1700000000" },
		{ ";expires=1700086400", "" }, { ";created=1700000000", "" },
		{ "=1700000000", "=01700000000" }, { "=1700086400", "=1700000000" },
		{ "=1700086400", "=1699999999" }, { "keyid=\"poq", "keyid=\"po" },
		{ "keyid=\"poq", "keyid=\"poq+" }, { "8r0U\"", "8r0V\"" },
		{ "redistribution", "redist" },
		{ "\"alto-redistribution\"", "\"alto-redistribution\";alg=\"ed25519\"" },
		{ "alto=:", "sig=:" }, { "==:", "==" }, { "DDA==:", "DDB==:" },
		{ "==:", "==:, b=:AAAA:" }, { "alto=:a5h4", "alto=:" },
	};

	CU_ASSERT_EQUAL(read_with("serial=2", "serial=2"), RC_OK);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(read_with(bad[i][0], bad[i][1]), RC_ESYNTAX);
}

static void the_triple_has_limits(void)
{
	static const struct {
		const char *from, *to;
		enum rc rc;
	} cases[] = {
		{ "serial=2", "serial=999999999999999", RC_OK },
		{ "serial=2", "serial=1000000000000000", RC_ELIMIT },
		{ "serial=2", "serial=0", RC_ELIMIT },
		{ "serial=2", "serial=18446744073709551617", RC_ELIMIT },
		/* 365 days after it was made */
		{ "=1700086400", "=1731536000", RC_OK },
		{ "=1700086400", "=1731536001", RC_ELIMIT },
		{ "=1700086400", "=253402300000", RC_ELIMIT },
		{ "=1700000000", "=1", RC_ELIMIT },
		{ "resources=2", "resources=1000", RC_OK },
		{ "resources=2", "resources=1001", RC_ELIMIT },
		{ "resources=2", "resources=0", RC_ELIMIT },
		{ "=1700086400", "=1000000000000000", RC_ELIMIT },
		{ "=1700000000", "=0", RC_ELIMIT },
	};
	char text[2 * STATE_TEXT_MAX];
	struct state st = { .service = "before" };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CU_ASSERT_EQUAL(read_with(cases[i].from, cases[i].to),
		                cases[i].rc);
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	CU_ASSERT_EQUAL(state_read(text, text, text, &st, NULL), RC_ELIMIT);
	CU_ASSERT_EQUAL(state_read("", "", "", &st, NULL), RC_ESYNTAX);
	CU_ASSERT_STRING_EQUAL(st.service, "before");
}

static void the_longest_triple_fits(void)
{
	struct state st = parts(), again;

	st.pos.serial = SERIAL_MAX;
	st.resources = SNAPSHOT_RESOURCES_MAX;
	st.created = 999999999999999 - STATE_LIFE_MAX;
	st.expires = 999999999999999;
	CU_ASSERT_EQUAL_FATAL(state_sign(&st, key), RC_OK);
	CU_ASSERT_EQUAL(state_read(st.text, st.input, st.signature, &again,
	                           NULL), RC_OK);
	CU_ASSERT_EQUAL(state_check(&again, sign_key_public(key)), RC_OK);
}

static void nothing_is_signed_that_a_reader_refuses(void)
{
	struct state bad[9];

	for (size_t i = 0; i < 9; i++)
		bad[i] = parts();
	bad[0].pos.serial = 0;
	bad[1].pos.serial = SERIAL_MAX + 1;
	bad[2].resources = SNAPSHOT_RESOURCES_MAX + 1;
	bad[3].expires = bad[3].created;
	bad[4].created = -1;
	bad[5].service[0] = '\0';
	bad[6].pos.session[14] = '4';		/* no version 7 */
	bad[7].resources = 0;
	bad[8].expires = bad[8].created + STATE_LIFE_MAX + 1;
	for (size_t i = 0; i < 9; i++) {
		CU_ASSERT_EQUAL(state_sign(&bad[i], key), RC_EINVAL);
		CU_ASSERT_STRING_EQUAL(bad[i].text, "");
	}
}

/* ---- time ---- */

static void a_state_is_valid_from_its_making_to_its_end(void)
{
	struct state st = parts();
	struct diag d = { .line = 0 };
	int64_t made = st.created, end = st.expires;

	/* its session must not be younger than itself */
	snprintf(st.pos.session, sizeof(st.pos.session),
	         "018b0000-0000-7000-8000-000000000001");
	CU_ASSERT_EQUAL(state_time(&st, made, NULL), RC_OK);
	CU_ASSERT_EQUAL(state_time(&st, made - STATE_SKEW_S, NULL), RC_OK);
	CU_ASSERT_EQUAL(state_time(&st, made - STATE_SKEW_S - 1, &d), RC_ETIME);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "61 s ahead"));
	CU_ASSERT_EQUAL(state_time(&st, end - 1, NULL), RC_OK);
	CU_ASSERT_EQUAL(state_time(&st, end, NULL), RC_ETIME);
	diag_clear(&d);
	CU_ASSERT_EQUAL(state_time(&st, end + 5, &d), RC_ETIME);
	CU_ASSERT_STRING_EQUAL(d.text, "expired 5 s ago");
}

static void a_session_from_the_future_is_refused(void)
{
	static const uint8_t random[10] = { 1, 2, 3 };
	struct state st = parts();
	struct diag d = { .line = 0 };
	uint64_t now = (uint64_t)st.created + 10;

	enc_uuid7((now + STATE_SKEW_S) * 1000, random, st.pos.session);
	CU_ASSERT_EQUAL(state_time(&st, (int64_t)now, NULL), RC_OK);
	enc_uuid7((now + STATE_SKEW_S + 1) * 1000, random, st.pos.session);
	CU_ASSERT_EQUAL(state_time(&st, (int64_t)now, &d), RC_ETIME);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "session"));
}

/* ---- the documents ---- */

static struct snapshot *snapshot_of(size_t n)
{
	struct resource *res[16] = { NULL };
	const uint64_t changed[16] = { 0 };
	struct state st = parts();
	struct snapshot *s = NULL, *out = NULL;
	char body[32], id[32];

	CU_ASSERT_FATAL(n <= 16);
	for (size_t i = 0; i < n; i++) {
		snprintf(body, sizeof(body), "{\"n\":%zu}", i);
		snprintf(id, sizeof(id), "r%02zu", i);
		CU_ASSERT_EQUAL_FATAL(seal_doc(digest, MEDIA_DIRECTORY, body,
		                               strlen(body), &res[i]), RC_OK);
		CU_ASSERT_EQUAL_FATAL(seal_announce(digest, res[i], id), RC_OK);
	}
	CU_ASSERT_EQUAL_FATAL(snapshot_new(res, changed, n, &st, &s), RC_OK);
	memcpy(st.root, snapshot_root(s), sizeof(st.root));
	st.resources = n;
	CU_ASSERT_EQUAL_FATAL(state_sign(&st, key), RC_OK);
	CU_ASSERT_EQUAL_FATAL(snapshot_restate(s, &st, &out), RC_OK);
	snapshot_unref(s);
	for (size_t i = 0; i < n; i++)
		resource_unref(res[i]);
	return out;
}

static struct buf doc_of(const struct snapshot *s)
{
	struct buf b = BUF_INIT(1u << 20);

	CU_ASSERT_EQUAL_FATAL(state_doc(s, &b), RC_OK);
	return b;
}

static void the_state_document_is_canonical(void)
{
	struct snapshot *s = snapshot_of(3);
	struct buf doc = doc_of(s), again = BUF_INIT(1u << 20);
	json_t *v = NULL;

	CU_ASSERT_EQUAL_FATAL(json_read(doc.data, doc.len, JSON_SMALL_MAX, &v,
	                                NULL), RC_OK);
	CU_ASSERT_EQUAL(jcs_write(v, &again), RC_OK);
	CU_ASSERT_STRING_EQUAL(buf_str(&doc), buf_str(&again));
	CU_ASSERT_EQUAL(json_object_size(v), 5);
	json_decref(v);
	buf_free(&doc);
	buf_free(&again);
	snapshot_unref(s);
}

static void the_state_document_reads_back(void)
{
	for (size_t n = 1; n <= 16; n++) {
		struct snapshot *s = snapshot_of(n);
		struct buf doc = doc_of(s);
		struct leaf_set *l = NULL;

		CU_ASSERT_EQUAL_FATAL(state_doc_read(doc.data, doc.len, &l,
		                                     NULL), RC_OK);
		CU_ASSERT_EQUAL_FATAL(l->n, n);
		CU_ASSERT_STRING_EQUAL(l->state.text, snapshot_state(s)->text);
		for (size_t i = 0; i < n; i++) {
			struct resource *r = snapshot_at(s, i);
			const char *id = resource_name(r)->id;

			CU_ASSERT_STRING_EQUAL(l->leaf[i], resource_leaf(r));
			CU_ASSERT_STRING_EQUAL(l->name[i].id, id);
			CU_ASSERT_EQUAL(leaf_set_find(l, id), (long)i);
		}
		CU_ASSERT_EQUAL(leaf_set_find(l, "r"), -1);
		CU_ASSERT_EQUAL(leaf_set_find(l, "zz"), -1);
		leaf_set_free(l);
		buf_free(&doc);
		snapshot_unref(s);
	}
	leaf_set_free(NULL);
}

/* Reads the document after something was done to it. */
static enum rc read_edited(void (*edit)(json_t *doc))
{
	struct snapshot *s = snapshot_of(3);
	struct buf doc = doc_of(s);
	struct leaf_set *l = NULL;
	json_t *v = json_loadb(doc.data, doc.len, 0, NULL);
	char *text;
	enum rc rc;

	CU_ASSERT_PTR_NOT_NULL_FATAL(v);
	edit(v);
	text = json_dumps(v, JSON_INDENT(2));
	rc = state_doc_read(text, strlen(text), &l, NULL);
	CU_ASSERT_EQUAL(rc == RC_OK, l != NULL);
	leaf_set_free(l);
	free(text);
	json_decref(v);
	buf_free(&doc);
	snapshot_unref(s);
	return rc;
}

static json_t *leaves_of(json_t *doc)
{
	return json_object_get(doc, "resources");
}

static void edit_nothing(json_t *doc)
{
	json_object_set_new(doc, "later", json_true());
}

static void edit_drop_leaf(json_t *doc)
{
	json_array_remove(leaves_of(doc), 1);
}

static void edit_swap(json_t *doc)
{
	json_t *l = leaves_of(doc), *first = json_incref(json_array_get(l, 0));

	json_array_remove(l, 0);
	json_array_append_new(l, first);
}

static void edit_twice(json_t *doc)
{
	json_t *l = leaves_of(doc);

	json_array_set(l, 1, json_array_get(l, 0));
}

static void edit_size(json_t *doc)
{
	json_t *l = leaves_of(doc);
	char *leaf = strdup(json_string_value(json_array_get(l, 2)));

	*strchr(strstr(leaf, "size="), '7') = '8';
	json_array_set_new(l, 2, json_string(leaf));
	free(leaf);
}

static void edit_number_leaf(json_t *doc)
{
	json_array_set_new(leaves_of(doc), 0, json_integer(1));
}

static void edit_leaves_object(json_t *doc)
{
	json_object_set_new(doc, "resources", json_object());
}

static void edit_no_leaves(json_t *doc)
{
	json_array_clear(leaves_of(doc));
}

static void edit_serial(json_t *doc)
{
	json_object_set_new(doc, "serial", json_integer(3));
}

static void edit_session(json_t *doc)
{
	json_object_set_new(doc, "session", json_string(SERVICE));
}

static void edit_no_service(json_t *doc)
{
	json_object_del(doc, "service");
}

static void edit_no_state(json_t *doc)
{
	json_object_del(doc, "state");
}

static void edit_short_triple(json_t *doc)
{
	json_array_remove(json_object_get(doc, "state"), 0);
}

static void edit_null_triple(json_t *doc)
{
	json_array_set_new(json_object_get(doc, "state"), 1, json_null());
}

static void a_state_document_must_lead_to_its_root(void)
{
	CU_ASSERT_EQUAL(read_edited(edit_nothing), RC_OK);
	CU_ASSERT_EQUAL(read_edited(edit_drop_leaf), RC_EDIGEST);
	CU_ASSERT_EQUAL(read_edited(edit_no_leaves), RC_EDIGEST);
	CU_ASSERT_EQUAL(read_edited(edit_size), RC_EDIGEST);
	CU_ASSERT_EQUAL(read_edited(edit_swap), RC_ERULE);
	CU_ASSERT_EQUAL(read_edited(edit_twice), RC_ERULE);
}

static void a_broken_state_document_is_refused(void)
{
	CU_ASSERT_EQUAL(read_edited(edit_number_leaf), RC_ESYNTAX);
	CU_ASSERT_EQUAL(read_edited(edit_leaves_object), RC_ESYNTAX);
	CU_ASSERT_EQUAL(read_edited(edit_serial), RC_ERULE);
	CU_ASSERT_EQUAL(read_edited(edit_session), RC_ERULE);
	CU_ASSERT_EQUAL(read_edited(edit_no_service), RC_ENOENT);
	CU_ASSERT_EQUAL(read_edited(edit_no_state), RC_ENOENT);
	CU_ASSERT_EQUAL(read_edited(edit_short_triple), RC_ESYNTAX);
	CU_ASSERT_EQUAL(read_edited(edit_null_triple), RC_ESYNTAX);
}

static void the_triple_travels_as_json(void)
{
	struct state st = vector_state(), again;
	struct buf b = BUF_INIT(4096);
	json_t *v = NULL;

	state_print(&st, &b);
	CU_ASSERT_EQUAL_FATAL(json_read(b.data, b.len, JSON_SMALL_MAX, &v,
	                                NULL), RC_OK);
	CU_ASSERT_EQUAL(state_from_json(v, &again, NULL), RC_OK);
	CU_ASSERT_STRING_EQUAL(again.text, st.text);
	CU_ASSERT_STRING_EQUAL(again.input, st.input);
	CU_ASSERT_STRING_EQUAL(again.signature, st.signature);
	CU_ASSERT_EQUAL(state_from_json(NULL, &again, NULL), RC_ESYNTAX);
	json_decref(v);
	buf_free(&b);
}

static void every_resource_of_a_snapshot_proves_itself(void)
{
	for (size_t n = 1; n <= 16; n++) {
		struct snapshot *s = snapshot_of(n);
		const struct state *st = snapshot_state(s);
		uint8_t path[MERKLE_PATH_MAX * SHA256_SIZE];

		for (size_t i = 0; i < n; i++) {
			struct resource *r = snapshot_at(s, i);
			struct buf proof = BUF_INIT(4096);
			struct signed_headers h;
			char body[32];
			size_t len = resource_read(r, 0, body, sizeof(body));

			proof_print(path, snapshot_path(s, i, path), i, &proof);
			h = (struct signed_headers){
				resource_leaf(r), buf_str(&proof), st->text,
				st->input, st->signature,
			};
			CU_ASSERT(accepted(&h, body, len));
			buf_free(&proof);
		}
		snapshot_unref(s);
	}
}

static void errors_say_what_and_where(void)
{
	struct resource_name n;
	struct diag d = { .line = 0 };

	CU_ASSERT_EQUAL(leaf_read("\"net\";x", 7, &n, &d), RC_ESYNTAX);
	CU_ASSERT_STRING_EQUAL(d.text,
		"ALTO-Resource: not well-formed, at character 6");
}

static bool set_up(void)
{
	const char *dir = getenv("srcdir");
	struct buf seed = BUF_INIT(32);
	const char *d;
	char path[512];
	bool ok;

	snprintf(path, sizeof(path), "%s/tests/data/state-vectors.json",
	         dir ? dir : ".");
	vectors = json_load_file(path, 0, NULL);
	d = json_string_value(json_object_get(json_object_get(vectors, "key"),
	                                      "d"));
	ok = d && enc_base64url_read(d, strlen(d), &seed) == RC_OK &&
	     seed.len == 32 && digest_new(&digest) == RC_OK &&
	     sign_key_from_raw((const uint8_t *)seed.data, &key) == RC_OK;
	buf_free(&seed);
	return ok;
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "leaves read and print as in the vectors",
		  leaves_read_and_print_as_in_the_vectors },
		{ "proofs print and read as in the vectors",
		  proofs_print_and_read_as_in_the_vectors },
		{ "signing gives the triple of the vectors",
		  signing_gives_the_triple_of_the_vectors },
		{ "the vectors' triple reads and verifies",
		  the_vectors_triple_reads_and_verifies },
		{ "the vectors' bodies stand under their headers",
		  the_vectors_bodies_stand_under_their_headers },
		{ "a flipped bit in any header is seen",
		  a_flipped_bit_in_any_header_is_seen },
		{ "another body is seen", another_body_is_seen },
		{ "a body of another resource is seen",
		  a_body_of_another_resource_is_seen },
		{ "every header must be there", every_header_must_be_there },
		{ "another key verifies nothing",
		  another_key_verifies_nothing },
		{ "a leaf has one spelling", a_leaf_has_one_spelling },
		{ "a leaf has limits", a_leaf_has_limits },
		{ "a proof has one spelling", a_proof_has_one_spelling },
		{ "a path has a ceiling", a_path_has_a_ceiling },
		{ "the triple has one spelling", the_triple_has_one_spelling },
		{ "the triple has limits", the_triple_has_limits },
		{ "the longest triple fits", the_longest_triple_fits },
		{ "nothing is signed that a reader refuses",
		  nothing_is_signed_that_a_reader_refuses },
		{ "a state is valid from its making to its end",
		  a_state_is_valid_from_its_making_to_its_end },
		{ "a session from the future is refused",
		  a_session_from_the_future_is_refused },
		{ "the state document is canonical",
		  the_state_document_is_canonical },
		{ "the state document reads back",
		  the_state_document_reads_back },
		{ "a state document must lead to its root",
		  a_state_document_must_lead_to_its_root },
		{ "a broken state document is refused",
		  a_broken_state_document_is_refused },
		{ "the triple travels as JSON", the_triple_travels_as_json },
		{ "every resource of a snapshot proves itself",
		  every_resource_of_a_snapshot_proves_itself },
		{ "errors say what and where", errors_say_what_and_where },
		CU_TEST_INFO_NULL
	};
	int failed;

	if (!set_up())
		return 99;
	failed = suite_run("state", tests);
	json_decref(vectors);
	sign_key_free(key);
	digest_free(digest);
	return failed;
}
