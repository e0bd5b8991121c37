/* The signed state, held against the vectors of a second program
 * (data/state-vectors.json), and everything that must not pass for it. */
#include "common/wire/state_json.h"

#include "common/base/enc.h"
#include "common/core/merkle.h"
#include "common/wire/json.h"
#include "common/wire/media.h"
#include "tests/state_vectors.h"
#include "tests/suite.h"

#define KEY_ID "poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U"
#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HASH "Vf4SLZ1XpV/vEEVguwF5/zQHco1CnT8Q6AxV9vmuo04="

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

static void errors_say_what_and_where(void)
{
	struct resource_name n;
	struct diag d = { .line = 0 };

	CU_ASSERT_EQUAL(leaf_read("\"net\";x", 7, &n, &d), RC_ESYNTAX);
	CU_ASSERT_STRING_EQUAL(d.text,
		"ALTO-Resource: not well-formed, at character 6");
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
