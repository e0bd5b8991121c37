/* Keys as JSON: thumbprints, what is skipped, what is refused. */
#include "common/wire/jwk.h"

#include "common/wire/json.h"
#include "tests/suite.h"

#define ED_X "\"x\":\"JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs\""
#define ED "{\"kty\":\"OKP\",\"crv\":\"Ed25519\"," ED_X "}"
#define ED_ID "poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U"
#define EC_X "\"x\":\"qIVYZVLCrPZHGHjP17CTW0_-D9Lfw0EkjqF7xB4FivA\""
#define EC_Y "\"y\":\"Mc4nN9LTDOBhfoUeg8Ye9WedFRhnZXZJA12Qp0zZ6F0\""
#define EC "{\"kty\":\"EC\",\"crv\":\"P-256\"," EC_X "," EC_Y "}"
#define EC_ID "ydQXMtvbsOsZyFir-Y7A8t7fKEM1gbKPvyFkdpu4fvI"

static enum rc read_key(const char *text, struct public_key *out,
                        struct diag *d)
{
	json_t *v = NULL;
	enum rc rc;

	diag_clear(d);
	CU_ASSERT_EQUAL_FATAL(json_read(text, strlen(text), JSON_SMALL_MAX, &v,
	                                NULL), RC_OK);
	rc = jwk_read(v, out, d);
	json_decref(v);
	return rc;
}

static void thumbprint_is(const char *text, const char *id)
{
	struct public_key k;
	struct diag d;

	CU_ASSERT_EQUAL(read_key(text, &k, &d), RC_OK);
	CU_ASSERT_STRING_EQUAL(k.id, id);
}

static void thumbprints_are_the_published_ones(void)
{
	/* RFC 8037 A.3, then the two test keys of RFC 9421 */
	thumbprint_is("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"
	              "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
	              "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
	thumbprint_is(ED, ED_ID);
	thumbprint_is(EC, EC_ID);
	/* what else stands in the key does not name it */
	thumbprint_is("{\"use\":\"sig\",\"alg\":\"EdDSA\",\"kid\":\"x\","
	              "\"new\":[1],\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"d\":"
	              "\"n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU\"," ED_X
	              "}", ED_ID);
}

static void a_key_writes_and_reads_back(void)
{
	static const char *const texts[] = { ED, EC };

	for (size_t i = 0; i < 2; i++) {
		struct public_key k, again;
		struct diag d;
		json_t *v;

		CU_ASSERT_EQUAL_FATAL(read_key(texts[i], &k, &d), RC_OK);
		v = jwk_write(&k);
		CU_ASSERT_PTR_NOT_NULL_FATAL(v);
		CU_ASSERT_EQUAL(jwk_read(v, &again, &d), RC_OK);
		CU_ASSERT_EQUAL(again.alg, k.alg);
		CU_ASSERT_EQUAL(memcmp(again.raw, k.raw, sizeof(k.raw)), 0);
		CU_ASSERT_STRING_EQUAL(again.id, k.id);
		CU_ASSERT_PTR_NULL(json_object_get(v, "d"));
		json_decref(v);
	}
}

static void a_public_key_prints_these_members_alone(void)
{
	struct public_key k;
	struct diag d;
	json_t *v;
	char *text;

	CU_ASSERT_EQUAL_FATAL(read_key(ED, &k, &d), RC_OK);
	v = jwk_write(&k);
	text = json_dumps(v, JSON_COMPACT | JSON_SORT_KEYS);
	CU_ASSERT_STRING_EQUAL(text, "{\"alg\":\"EdDSA\",\"crv\":\"Ed25519\","
	                       "\"kid\":\"" ED_ID "\",\"kty\":\"OKP\","
	                       "\"use\":\"sig\"," ED_X "}");
	free(text);
	json_decref(v);
}

static void kinds_that_are_not_known_are_told_apart(void)
{
	static const char *const unknown[] = {
		"{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}",
		"{\"kty\":\"oct\",\"k\":\"AQAB\"}",
		"{\"kty\":\"OKP\",\"crv\":\"X25519\"," ED_X "}",
		"{\"kty\":\"EC\",\"crv\":\"P-384\"," EC_X "," EC_Y "}",
		"{\"kty\":\"OKP\",\"crv\":\"P-256\"," ED_X "}",
		"{\"kty\":\"okp\",\"crv\":\"Ed25519\"," ED_X "}",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"use\":\"enc\"," ED_X "}",
	};
	struct public_key k = { .id = "untouched" };
	struct diag d;

	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		CU_ASSERT_EQUAL(read_key(unknown[i], &k, &d), RC_ERULE);
		CU_ASSERT_NOT_EQUAL(d.text[0], '\0');
	}
	CU_ASSERT_STRING_EQUAL(k.id, "untouched");
}

static void a_known_kind_with_wrong_members_is_refused(void)
{
	static const char *const bad[] = {
		"[]", "{}", "{\"kty\":1}", "{\"kty\":\"OKP\",\"crv\":5}",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":null}",
		/* 31 and 33 bytes, padding, the other alphabet, spare bits */
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"
		"\"JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0Q\"}",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"
		"\"JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bsA\"}",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"
		"\"JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs=\"}",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"
		"\"JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs\"}",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"
		"\"JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bt\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\"," EC_X "}",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"alg\":\"ES256\"," ED_X
		"}",
	};
	struct public_key k = { .id = "untouched" };
	struct diag d;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CU_ASSERT_EQUAL(read_key(bad[i], &k, &d), RC_ESYNTAX);
		CU_ASSERT_NOT_EQUAL(d.text[0], '\0');
	}
	CU_ASSERT_STRING_EQUAL(k.id, "untouched");
}

static enum rc read_set(const char *text, struct public_key *out, size_t *n,
                        struct diag *d)
{
	json_t *v = NULL;
	enum rc rc;

	diag_clear(d);
	CU_ASSERT_EQUAL_FATAL(json_read(text, strlen(text), JSON_SMALL_MAX, &v,
	                                NULL), RC_OK);
	rc = jwk_read_set(v, out, n, d);
	json_decref(v);
	return rc;
}

static void a_set_skips_what_it_does_not_know(void)
{
	struct public_key keys[JWK_KEYS_MAX];
	struct diag d;
	size_t n = 99;

	CU_ASSERT_EQUAL(read_set("{\"keys\":[{\"kty\":\"RSA\"}," EC ","
	                         "{\"kty\":\"new\"}," ED "," EC "],\"more\":1}",
	                         keys, &n, &d), RC_OK);
	CU_ASSERT_EQUAL(n, 2);
	CU_ASSERT_STRING_EQUAL(keys[0].id, EC_ID);
	CU_ASSERT_STRING_EQUAL(keys[1].id, ED_ID);
	CU_ASSERT_EQUAL(d.text[0], '\0');
	CU_ASSERT_EQUAL(read_set("{\"keys\":[]}", keys, &n, &d), RC_OK);
	CU_ASSERT_EQUAL(n, 0);
}

static void a_bad_set_is_refused_with_its_place(void)
{
	struct public_key keys[JWK_KEYS_MAX];
	struct diag d;
	size_t n = 99;

	CU_ASSERT_EQUAL(read_set("[]", keys, &n, &d), RC_ESYNTAX);
	CU_ASSERT_EQUAL(read_set("{}", keys, &n, &d), RC_ESYNTAX);
	CU_ASSERT_EQUAL(read_set("{\"keys\":{}}", keys, &n, &d), RC_ESYNTAX);
	CU_ASSERT_EQUAL(read_set("{\"keys\":[{\"kty\":\"RSA\"},{\"kty\":\"OKP\","
	                         "\"crv\":\"Ed25519\",\"x\":\"AAAA\"}]}", keys,
	                         &n, &d), RC_ESYNTAX);
	CU_ASSERT_STRING_EQUAL(d.pointer, "/keys/1/x");
	CU_ASSERT_EQUAL(n, 99);
}

static void a_set_has_a_ceiling(void)
{
	struct public_key keys[JWK_KEYS_MAX];
	struct public_key k = { .alg = SIGN_ED25519 };
	json_t *set = json_object(), *list = json_array();
	size_t n = 99;

	json_object_set_new(set, "keys", list);
	for (int i = 0; i < JWK_KEYS_MAX; i++) {
		k.raw[0] = (uint8_t)i;
		json_array_append_new(list, jwk_write(&k));
	}
	CU_ASSERT_EQUAL(jwk_read_set(set, keys, &n, NULL), RC_OK);
	CU_ASSERT_EQUAL(n, JWK_KEYS_MAX);
	k.raw[0] = 200;
	json_array_append_new(list, jwk_write(&k));
	CU_ASSERT_EQUAL(jwk_read_set(set, keys, &n, NULL), RC_ELIMIT);
	json_decref(set);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "thumbprints are the published ones",
		  thumbprints_are_the_published_ones },
		{ "a key writes and reads back", a_key_writes_and_reads_back },
		{ "a public key prints these members alone",
		  a_public_key_prints_these_members_alone },
		{ "kinds that are not known are told apart",
		  kinds_that_are_not_known_are_told_apart },
		{ "a known kind with wrong members is refused",
		  a_known_kind_with_wrong_members_is_refused },
		{ "a set skips what it does not know",
		  a_set_skips_what_it_does_not_know },
		{ "a bad set is refused with its place",
		  a_bad_set_is_refused_with_its_place },
		{ "a set has a ceiling", a_set_has_a_ceiling },
		CU_TEST_INFO_NULL
	};

	return suite_run("jwk", tests);
}
