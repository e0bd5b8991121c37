/* Keys and signatures, against the vectors of RFC 9421, RFC 8037 and RFC 8032. */
#include "common/core/sign.h"

#include <openssl/err.h>

#include "common/base/enc.h"
#include "tests/suite.h"

static const char ed_pem[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n"
	"-----END PRIVATE KEY-----\n";
static const char p256_pem[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgUpuF81l+kOxbjf7T\n"
	"4mNSv0r5tN67Gim7rnf6EFpcYDuhRANCAASohVhlUsKs9kcYeM/XsJNbT/4P0t/D\n"
	"QSSOoXvEHgWK8DHOJzfS0wzgYX6FHoPGHvVnnRUYZ2V2SQNdkKdM2ehd\n"
	"-----END PRIVATE KEY-----\n";
static const char ed_x[] = "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs";
static const char ed_d[] = "n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU";
static const char ec_x[] = "qIVYZVLCrPZHGHjP17CTW0_-D9Lfw0EkjqF7xB4FivA";
static const char ec_y[] = "Mc4nN9LTDOBhfoUeg8Ye9WedFRhnZXZJA12Qp0zZ6F0";

struct vector {
	const char *base, *sig;
};

/* RFC 9421 B.2.4 and section 2.4: ECDSA P-256. */
static const struct vector p256_vectors[] = {
	{ "\"@status\": 200\n"
	  "\"content-type\": application/json\n"
	  "\"content-digest\": sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvl"
	  "CFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:\n"
	  "\"content-length\": 23\n"
	  "\"@signature-params\": (\"@status\" \"content-type\" "
	  "\"content-digest\" \"content-length\");created=1618884473;"
	  "keyid=\"test-key-ecc-p256\"",
	  "wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDA"
	  "Uy5eCdlYUEkLIj+32oiasw==" },
	{ "\"@status\": 503\n"
	  "\"content-digest\": sha-512=:0Y6iCBzGg5rZtoXS95Ijz03mslf6KAMCloES"
	  "HObfwnHJDbkkWWQz6PhhU9kxsTbARtY2PTBOzq24uJFpHsMuAg==:\n"
	  "\"content-type\": application/json\n"
	  "\"@authority\";req: example.com\n"
	  "\"@method\";req: POST\n"
	  "\"@path\";req: /foo\n"
	  "\"content-digest\";req: sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFCh"
	  "F41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:\n"
	  "\"@signature-params\": (\"@status\" \"content-digest\" "
	  "\"content-type\" \"@authority\";req \"@method\";req \"@path\";req "
	  "\"content-digest\";req);created=1618884479;"
	  "keyid=\"test-key-ecc-p256\"",
	  "dMT/A/76ehrdBTD/2Xx8QuKV6FoyzEP/I9hdzKN8LQJLNgzU4W767HK05rx1i8me"
	  "NQQgQPgQp8wq2ive3tV5Ag==" },
};

/* RFC 9421 B.2.6, B.4 and one of our own: Ed25519. */
static const struct vector ed_vectors[] = {
	{ "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n"
	  "\"@method\": POST\n"
	  "\"@path\": /foo\n"
	  "\"@authority\": example.com\n"
	  "\"content-type\": application/json\n"
	  "\"content-length\": 18\n"
	  "\"@signature-params\": (\"date\" \"@method\" \"@path\" "
	  "\"@authority\" \"content-type\" \"content-length\");"
	  "created=1618884473;keyid=\"test-key-ed25519\"",
	  "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu"
	  "4A0w6vuQv5lIp5WPpBKRCw==" },
	{ "\"@method\": GET\n"
	  "\"@path\": /demo\n"
	  "\"@authority\": example.org\n"
	  "\"accept\": application/json, */*\n"
	  "\"@signature-params\": (\"@method\" \"@path\" \"@authority\" "
	  "\"accept\");created=1618884473;keyid=\"test-key-ed25519\"",
	  "ZT1kooQsEHpZ0I1IjCqtQppOmIqlJPeo7DHR3SoMn0s5JZ1eRGS0A+vyYP9t/LXl"
	  "h5QMFFQ6cpLt2m0pmj3NDA==" },
	{ "\"@status\": 200\n"
	  "\"content-type\": application/alto-networkmap+json\n"
	  "\"content-digest\": sha-256=:4qHdPbTi1SAAkRddDXP336mvYhAiKN4qtOwX"
	  "TgHVxco=:\n"
	  "\"@signature-params\": (\"@status\" \"content-type\" "
	  "\"content-digest\");created=1700000000;expires=1700003600;"
	  "keyid=\"test-key-ed25519\";tag=\"alto-redist\"",
	  "+UDUg1n2UYhUyvDvmmaEd4HbddP780kMvNNY7pe55E9Olq5/1P8Tr3UAJoYQprH+"
	  "WwNXN3n9FlDQhd7BJLJEDw==" },
};

static void from_base64url(const char *s, uint8_t out[32])
{
	struct buf b = BUF_INIT(32);

	CU_ASSERT_EQUAL_FATAL(enc_base64url_read(s, strlen(s), &b), RC_OK);
	CU_ASSERT_EQUAL_FATAL(b.len, 32);
	memcpy(out, b.data, 32);
	buf_free(&b);
}

static void from_base64(const char *s, uint8_t sig[SIGNATURE_SIZE])
{
	struct buf b = BUF_INIT(SIGNATURE_SIZE);

	CU_ASSERT_EQUAL_FATAL(enc_base64_read(s, strlen(s), &b), RC_OK);
	CU_ASSERT_EQUAL_FATAL(b.len, SIGNATURE_SIZE);
	memcpy(sig, b.data, SIGNATURE_SIZE);
	buf_free(&b);
}

static struct sign_key *test_key(void)
{
	struct sign_key *k = NULL;
	uint8_t seed[32];

	from_base64url(ed_d, seed);
	CU_ASSERT_EQUAL_FATAL(sign_key_from_raw(seed, &k), RC_OK);
	return k;
}

static struct public_key p256_public(void)
{
	struct public_key k = { .alg = SIGN_P256 };

	from_base64url(ec_x, k.raw);
	from_base64url(ec_y, k.raw + 32);
	CU_ASSERT_EQUAL_FATAL(public_key_name(&k), RC_OK);
	return k;
}

static void thumbprints_are_those_of_the_vectors(void)
{
	struct public_key k = { .alg = SIGN_ED25519 }, ec = p256_public();

	from_base64url("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", k.raw);
	CU_ASSERT_EQUAL(public_key_name(&k), RC_OK);
	CU_ASSERT_STRING_EQUAL(k.id,
		"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
	from_base64url(ed_x, k.raw);
	CU_ASSERT_EQUAL(public_key_name(&k), RC_OK);
	CU_ASSERT_STRING_EQUAL(k.id,
		"poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U");
	CU_ASSERT_STRING_EQUAL(ec.id,
		"ydQXMtvbsOsZyFir-Y7A8t7fKEM1gbKPvyFkdpu4fvI");
}

static void ed25519_signs_to_exactly_the_vectors(void)
{
	struct sign_key *k = test_key();
	uint8_t want[SIGNATURE_SIZE], sig[SIGNATURE_SIZE];

	for (size_t i = 0; i < 3; i++) {
		const struct vector *v = &ed_vectors[i];

		from_base64(v->sig, want);
		CU_ASSERT_EQUAL(sign_bytes(k, v->base, strlen(v->base), sig),
		                RC_OK);
		CU_ASSERT_EQUAL(memcmp(sig, want, sizeof(sig)), 0);
		CU_ASSERT_EQUAL(sign_check(sign_key_public(k), v->base,
		                           strlen(v->base), sig, 64), RC_OK);
	}
	sign_key_free(k);
}

static void p256_vectors_verify(void)
{
	struct public_key k = p256_public();
	uint8_t sig[SIGNATURE_SIZE];

	for (size_t i = 0; i < 2; i++) {
		const struct vector *v = &p256_vectors[i];

		from_base64(v->sig, sig);
		CU_ASSERT_EQUAL(sign_check(&k, v->base, strlen(v->base), sig,
		                           64), RC_OK);
		CU_ASSERT_EQUAL(sign_check(&k, v->base, strlen(v->base) - 1,
		                           sig, 64), RC_ESIG);
	}
}

/* Any bit of the signature or the text, for both kinds of key. */
static void check_flips(const struct public_key *k, const struct vector *v)
{
	uint8_t sig[SIGNATURE_SIZE];
	size_t len = strlen(v->base);
	char *text = malloc(len);

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	memcpy(text, v->base, len);
	from_base64(v->sig, sig);
	for (size_t bit = 0; bit < 8 * sizeof(sig); bit += 7) {
		sig[bit / 8] ^= (uint8_t)(1u << bit % 8);
		CU_ASSERT_EQUAL(sign_check(k, text, len, sig, 64), RC_ESIG);
		sig[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t i = 0; i < len; i += 31) {
		text[i] = (char)(text[i] ^ 1);
		CU_ASSERT_EQUAL(sign_check(k, text, len, sig, 64), RC_ESIG);
		text[i] = (char)(text[i] ^ 1);
	}
	CU_ASSERT_EQUAL(sign_check(k, text, len, sig, 64), RC_OK);
	free(text);
}

static void a_flipped_bit_anywhere_is_seen(void)
{
	struct sign_key *k = test_key();
	struct public_key ec = p256_public();

	check_flips(sign_key_public(k), &ed_vectors[0]);
	check_flips(&ec, &p256_vectors[0]);
	sign_key_free(k);
}

static void only_64_raw_bytes_are_a_signature(void)
{
	struct public_key k = p256_public();
	const struct vector *v = &p256_vectors[0];
	uint8_t der[72] = { 0x30, 0x46, 0x02, 0x21, 0x00 }, sig[64];

	from_base64(v->sig, sig);
	memcpy(der + 5, sig, 32);
	memcpy(der + 37, "\x02\x21\x00", 3);
	memcpy(der + 40, sig + 32, 32);
	CU_ASSERT_EQUAL(sign_check(&k, v->base, strlen(v->base), der, 72),
	                RC_ESIG);
	CU_ASSERT_EQUAL(sign_check(&k, v->base, strlen(v->base), sig, 63),
	                RC_ESIG);
	CU_ASSERT_EQUAL(sign_check(&k, v->base, strlen(v->base), sig, 0),
	                RC_ESIG);
}

/* Made with openssl, looked for until r and until s began with a zero byte. */
static void p256_values_with_leading_zeros_verify(void)
{
	struct public_key k = p256_public();
	static const char *const texts[] = { "message 45", "message 93" };
	static const char *const sigs[] = {
		"003e3485ab3eead1d5d8c13e26d71bc334871bef132885ac120f1ba936b1b22f"
		"35f5c63056c96d0d6466ae4339630f1da69b0fea09eaed01ad9e580c8f2131a0",
		"3556d5c910ce9757e64712f679aad484823334fd27420475df02f7343b6b4b10"
		"004873120e2b001cf4ef2ab1f249be513070a35bdb6e733618dca33c1820062e"
	};
	uint8_t sig[64];

	for (size_t i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL_FATAL(enc_hex_read(sigs[i], 128, sig, 64),
		                      RC_OK);
		CU_ASSERT_EQUAL(sig[i * 32], 0);
		CU_ASSERT_EQUAL(sign_check(&k, texts[i], strlen(texts[i]), sig,
		                           64), RC_OK);
	}
}

static void a_key_that_is_no_point_checks_nothing(void)
{
	struct public_key k = p256_public();
	uint8_t sig[64];

	from_base64(p256_vectors[0].sig, sig);
	k.raw[63] ^= 1;
	CU_ASSERT_EQUAL(sign_check(&k, p256_vectors[0].base,
	                           strlen(p256_vectors[0].base), sig, 64),
	                RC_ESIG);
	memset(k.raw, 0xff, 64);
	CU_ASSERT_EQUAL(sign_check(&k, "", 0, sig, 64), RC_ESIG);
}

static void the_empty_message_signs_as_in_rfc_8032(void)
{
	struct sign_key *k = NULL;
	uint8_t seed[32], want[64], sig[64];

	CU_ASSERT_EQUAL_FATAL(enc_hex_read(
		"9d61b19deffd5a60ba844af492ec2cc4"
		"4449c5697b326919703bac031cae7f60", 64, seed, 32), RC_OK);
	CU_ASSERT_EQUAL_FATAL(enc_hex_read(
		"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
		"5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
		128, want, 64), RC_OK);
	CU_ASSERT_EQUAL_FATAL(sign_key_from_raw(seed, &k), RC_OK);
	CU_ASSERT_EQUAL(sign_bytes(k, "", 0, sig), RC_OK);
	CU_ASSERT_EQUAL(memcmp(sig, want, 64), 0);
	CU_ASSERT_EQUAL(sign_check(sign_key_public(k), "", 0, sig, 64), RC_OK);
	sign_key_free(k);
}

static void a_new_key_survives_its_pem(void)
{
	struct sign_key *k = NULL, *again = NULL, *other = NULL;
	struct buf pem = BUF_INIT(4096);
	uint8_t sig[64];

	CU_ASSERT_EQUAL_FATAL(sign_key_new(&k), RC_OK);
	CU_ASSERT_EQUAL_FATAL(sign_key_new(&other), RC_OK);
	CU_ASSERT_STRING_NOT_EQUAL(sign_key_public(k)->id,
	                           sign_key_public(other)->id);
	CU_ASSERT_EQUAL_FATAL(sign_key_to_pem(k, &pem), RC_OK);
	CU_ASSERT_EQUAL_FATAL(sign_key_from_pem(pem.data, pem.len, &again),
	                      RC_OK);
	CU_ASSERT_STRING_EQUAL(sign_key_public(k)->id,
	                       sign_key_public(again)->id);
	CU_ASSERT_EQUAL(sign_bytes(again, "map", 3, sig), RC_OK);
	CU_ASSERT_EQUAL(sign_check(sign_key_public(k), "map", 3, sig, 64),
	                RC_OK);
	CU_ASSERT_EQUAL(sign_check(sign_key_public(other), "map", 3, sig, 64),
	                RC_ESIG);
	buf_free(&pem);
	sign_key_free(k);
	sign_key_free(again);
	sign_key_free(other);
}

static void pem_is_read_and_written_byte_for_byte(void)
{
	struct sign_key *k = NULL;
	struct buf pem = BUF_INIT(4096), small = BUF_INIT(10);

	CU_ASSERT_EQUAL_FATAL(sign_key_from_pem(ed_pem, strlen(ed_pem), &k),
	                      RC_OK);
	CU_ASSERT_STRING_EQUAL(sign_key_public(k)->id,
		"poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U");
	CU_ASSERT_EQUAL(sign_key_to_pem(k, &pem), RC_OK);
	CU_ASSERT_STRING_EQUAL(buf_str(&pem), ed_pem);
	CU_ASSERT_EQUAL(sign_key_to_pem(k, &small), RC_ELIMIT);
	buf_free(&pem);
	buf_free(&small);
	sign_key_free(k);
}

static void what_is_no_ed25519_key_is_refused(void)
{
	static const char encrypted[] =
		"-----BEGIN PRIVATE KEY-----\n"
		"Proc-Type: 4,ENCRYPTED\n"
		"DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n"
		"MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9q\n"
		"-----END PRIVATE KEY-----\n";
	struct sign_key *k = NULL;

	CU_ASSERT_EQUAL(sign_key_from_pem("", 0, &k), RC_ESYNTAX);
	CU_ASSERT_EQUAL(sign_key_from_pem("hello", 5, &k), RC_ESYNTAX);
	CU_ASSERT_EQUAL(sign_key_from_pem(ed_pem, 60, &k), RC_ESYNTAX);
	CU_ASSERT_EQUAL(sign_key_from_pem(p256_pem, strlen(p256_pem), &k),
	                RC_ESYNTAX);
	CU_ASSERT_EQUAL(sign_key_from_pem(encrypted, strlen(encrypted), &k),
	                RC_ESYNTAX);
	CU_ASSERT_PTR_NULL(k);
}

static void failures_leave_no_errors_for_the_tls_of_the_thread(void)
{
	struct public_key ec = p256_public();
	struct sign_key *k = NULL;
	uint8_t sig[64] = { 1 };

	ERR_clear_error();
	CU_ASSERT_EQUAL(sign_key_from_pem(p256_pem, 100, &k), RC_ESYNTAX);
	CU_ASSERT_EQUAL(sign_check(&ec, "x", 1, sig, 64), RC_ESIG);
	ec.raw[0] ^= 1;
	CU_ASSERT_EQUAL(sign_check(&ec, "x", 1, sig, 64), RC_ESIG);
	CU_ASSERT_EQUAL(ERR_peek_error(), 0);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "thumbprints are those of the vectors",
		  thumbprints_are_those_of_the_vectors },
		{ "Ed25519 signs to exactly the vectors",
		  ed25519_signs_to_exactly_the_vectors },
		{ "P-256 vectors verify", p256_vectors_verify },
		{ "a flipped bit anywhere is seen",
		  a_flipped_bit_anywhere_is_seen },
		{ "only 64 raw bytes are a signature",
		  only_64_raw_bytes_are_a_signature },
		{ "P-256 values with leading zeros verify",
		  p256_values_with_leading_zeros_verify },
		{ "a key that is no point checks nothing",
		  a_key_that_is_no_point_checks_nothing },
		{ "the empty message signs as in RFC 8032",
		  the_empty_message_signs_as_in_rfc_8032 },
		{ "a new key survives its PEM", a_new_key_survives_its_pem },
		{ "PEM is read and written byte for byte",
		  pem_is_read_and_written_byte_for_byte },
		{ "what is no Ed25519 key is refused",
		  what_is_no_ed25519_key_is_refused },
		{ "failures leave no errors for the TLS of the thread",
		  failures_leave_no_errors_for_the_tls_of_the_thread },
		CU_TEST_INFO_NULL
	};

	return suite_run("sign", tests);
}
