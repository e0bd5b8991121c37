/* HTTP message signatures, against the vectors of RFC 9421. */
#include "common/wire/httpsig.h"

#include "common/base/enc.h"
#include "common/core/digest.h"
#include "tests/suite.h"

#define DIGEST_DOG "sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc" \
	"4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:"
#define DIGEST_BUSY "sha-512=:0Y6iCBzGg5rZtoXS95Ijz03mslf6KAMCloESHObfwnHJDb" \
	"kkWWQz6PhhU9kxsTbARtY2PTBOzq24uJFpHsMuAg==:"
#define DIGEST_HELLO "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm" \
	"+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:"
#define DIGEST_MAP "sha-256=:4qHdPbTi1SAAkRddDXP336mvYhAiKN4qtOwXTgHVxco=:"

#define ED "keyid=\"test-key-ed25519\""
#define EC "keyid=\"test-key-ecc-p256\""

struct vector {
	const char *label, *params, *signature;
	enum sign_alg alg;
	struct httpsig_part parts[8];
	size_t n;
};

/* B.2.4, B.2.6, section 2.4 and B.4 of RFC 9421; the last is made after the
 * same pattern. */
static const struct vector vectors[] = {
	{ "sig-b24", "(\"@status\" \"content-type\" \"content-digest\" "
	  "\"content-length\");created=1618884473;" EC,
	  "wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5e"
	  "CdlYUEkLIj+32oiasw==", SIGN_P256,
	  { { "\"@status\"", "200" },
	    { "\"content-type\"", "application/json" },
	    { "\"content-digest\"", DIGEST_DOG },
	    { "\"content-length\"", "23" } }, 4 },
	{ "sig-b26", "(\"date\" \"@method\" \"@path\" \"@authority\" "
	  "\"content-type\" \"content-length\");created=1618884473;" ED,
	  "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w"
	  "6vuQv5lIp5WPpBKRCw==", SIGN_ED25519,
	  { { "\"content-length\"", "18" },
	    { "\"content-type\"", "application/json" },
	    { "\"date\"", "Tue, 20 Apr 2021 02:07:55 GMT" },
	    { "\"@method\"", "POST" },
	    { "\"@path\"", "/foo" },
	    { "\"@authority\"", "example.com" } }, 6 },
	{ "reqres", "(\"@status\" \"content-digest\" \"content-type\" "
	  "\"@authority\";req \"@method\";req \"@path\";req "
	  "\"content-digest\";req);created=1618884479;" EC,
	  "dMT/A/76ehrdBTD/2Xx8QuKV6FoyzEP/I9hdzKN8LQJLNgzU4W767HK05rx1i8meNQQg"
	  "QPgQp8wq2ive3tV5Ag==", SIGN_P256,
	  { { "\"content-digest\";req", DIGEST_HELLO },
	    { "\"@status\"", "503" },
	    { "\"content-digest\"", DIGEST_BUSY },
	    { "\"content-type\"", "application/json" },
	    { "\"@authority\";req", "example.com" },
	    { "\"@method\";req", "POST" },
	    { "\"@path\";req", "/foo" } }, 7 },
	{ "sig1", "(\"@method\" \"@path\" \"@authority\" \"accept\")"
	  ";created=1618884473;" ED,
	  "ZT1kooQsEHpZ0I1IjCqtQppOmIqlJPeo7DHR3SoMn0s5JZ1eRGS0A+vyYP9t/LXlh5QM"
	  "FFQ6cpLt2m0pmj3NDA==", SIGN_ED25519,
	  { { "\"@method\"", "GET" },
	    { "\"@path\"", "/demo" },
	    { "\"@authority\"", "example.org" },
	    { "\"accept\"", "application/json, */*" } }, 4 },
	{ "alto", "(\"@status\" \"content-type\" \"content-digest\")"
	  ";created=1700000000;expires=1700003600;" ED ";tag=\"alto-redist\"",
	  "+UDUg1n2UYhUyvDvmmaEd4HbddP780kMvNNY7pe55E9Olq5/1P8Tr3UAJoYQprH+WwNX"
	  "N3n9FlDQhd7BJLJEDw==", SIGN_ED25519,
	  { { "\"@status\"", "200" },
	    { "\"content-type\"", "application/alto-networkmap+json" },
	    { "\"content-digest\"", DIGEST_MAP } }, 3 },
};

#define N_VECTORS (sizeof(vectors) / sizeof(vectors[0]))

static void coordinate(uint8_t *raw, const char *text)
{
	struct buf b = BUF_INIT(32);

	CU_ASSERT_EQUAL_FATAL(enc_base64url_read(text, strlen(text), &b),
	                      RC_OK);
	CU_ASSERT_EQUAL_FATAL(b.len, 32);
	memcpy(raw, b.data, 32);
	buf_free(&b);
}

/* The test keys of RFC 9421 B.1. */
static struct public_key test_key(enum sign_alg alg)
{
	struct public_key k = { .alg = alg };

	if (alg == SIGN_ED25519) {
		coordinate(k.raw, "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs");
	} else {
		coordinate(k.raw, "qIVYZVLCrPZHGHjP17CTW0_-D9Lfw0EkjqF7xB4FivA");
		coordinate(k.raw + 32,
		           "Mc4nN9LTDOBhfoUeg8Ye9WedFRhnZXZJA12Qp0zZ6F0");
	}
	CU_ASSERT_EQUAL(public_key_name(&k), RC_OK);
	return k;
}

static struct sign_key *test_private(void)
{
	struct sign_key *k = NULL;
	uint8_t seed[32];

	coordinate(seed, "n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU");
	CU_ASSERT_EQUAL_FATAL(sign_key_from_raw(seed, &k), RC_OK);
	return k;
}

/* "label=what", with colons around what when it is a signature. */
static void field(struct buf *b, const char *label, const char *what,
                  const char *quote)
{
	buf_clear(b);
	buf_printf(b, "%s=%s%s%s", label, quote, what, quote);
}

/* Checks a vector with one of its texts changed; NULL keeps it. */
static enum rc check(const struct vector *v, const char *params,
                     const char *signature, struct diag *d)
{
	struct buf in = BUF_INIT(2000), sig = BUF_INIT(2000);
	struct public_key k = test_key(v->alg);
	enum rc rc;

	diag_clear(d);
	field(&in, v->label, params ? params : v->params, "");
	field(&sig, v->label, signature ? signature : v->signature, ":");
	rc = httpsig_check(buf_str(&in), buf_str(&sig), v->label, v->parts,
	                   v->n, &k, d);
	CU_ASSERT_EQUAL(rc == RC_OK, d->text[0] == '\0');
	buf_free(&in);
	buf_free(&sig);
	return rc;
}

static void the_vectors_verify(void)
{
	struct diag d;

	for (size_t i = 0; i < N_VECTORS; i++)
		CU_ASSERT_EQUAL(check(&vectors[i], NULL, NULL, &d), RC_OK);
}

static void ed25519_signs_to_exactly_these_bytes(void)
{
	struct sign_key *k = test_private();

	for (size_t i = 0; i < N_VECTORS; i++) {
		const struct vector *v = &vectors[i];
		struct buf base = BUF_INIT(2000), text = BUF_INIT(200);
		uint8_t sig[SIGNATURE_SIZE];

		if (v->alg != SIGN_ED25519)
			continue;
		CU_ASSERT_EQUAL(httpsig_base(v->params, v->parts, v->n, &base,
		                             NULL), RC_OK);
		CU_ASSERT_EQUAL(sign_bytes(k, base.data, base.len, sig), RC_OK);
		enc_base64(&text, sig, sizeof(sig));
		CU_ASSERT_STRING_EQUAL(buf_str(&text), v->signature);
		buf_free(&base);
		buf_free(&text);
	}
	sign_key_free(k);
}

static void base_is(const struct vector *v, size_t len, const char *sha256)
{
	struct buf base = BUF_INIT(2000);
	struct digest *d = NULL;
	uint8_t hash[SHA256_SIZE];
	char hex[2 * SHA256_SIZE + 1];

	CU_ASSERT_EQUAL_FATAL(digest_new(&d), RC_OK);
	CU_ASSERT_EQUAL(httpsig_base(v->params, v->parts, v->n, &base, NULL),
	                RC_OK);
	CU_ASSERT_EQUAL(base.len, len);
	digest_start(d);
	digest_add(d, base.data, base.len);
	CU_ASSERT_EQUAL(digest_end(d, hash), RC_OK);
	enc_hex(hash, sizeof(hash), hex);
	CU_ASSERT_STRING_EQUAL(hex, sha256);
	digest_free(d);
	buf_free(&base);
}

static void the_base_has_the_stated_length_and_hash(void)
{
	base_is(&vectors[0], 312, "a44c7b3073f410ccc0fe106b2deddabe48dbd3fcbf04"
	        "a1965ecbf3b6f8241c3d");
	base_is(&vectors[1], 284, "e6402577f54303accfda63dfbde1a7b8c5e5e6f3f789"
	        "8637b7d78dc07ee1896a");
}

static void one_changed_character_is_no_valid_signature(void)
{
	const struct vector *v = &vectors[1];
	struct vector changed = *v;
	struct diag d;
	char text[200];

	snprintf(text, sizeof(text), "%s", v->signature);
	text[5] = text[5] == 'A' ? 'B' : 'A';
	CU_ASSERT_EQUAL(check(v, NULL, text, &d), RC_ESIG);
	snprintf(text, sizeof(text), "%s", v->params);
	*strstr(text, "4473") = '5';
	CU_ASSERT_EQUAL(check(v, text, NULL, &d), RC_ESIG);
	changed.parts[4].value = "/fop";
	CU_ASSERT_EQUAL(check(&changed, NULL, NULL, &d), RC_ESIG);
	changed = *v;
	changed.parts[4].value = "";
	CU_ASSERT_EQUAL(check(&changed, NULL, NULL, &d), RC_ESIG);
	CU_ASSERT_EQUAL(check(v, "()", NULL, &d), RC_ESIG);
}

static void spaces_in_the_list_make_no_difference(void)
{
	struct diag d;

	CU_ASSERT_EQUAL(check(&vectors[3], "(  \"@method\" \"@path\"   "
	                "\"@authority\" \"accept\" );  created=1618884473; " ED,
	                NULL, &d), RC_OK);
}

static void a_component_twice_or_the_params_are_refused(void)
{
	const struct vector *v = &vectors[2];
	struct diag d;

	CU_ASSERT_EQUAL(check(v, "(\"@status\" \"@status\")", NULL, &d),
	                RC_ERULE);
	CU_ASSERT_EQUAL(check(v, "(\"@path\";req \"@path\";req)", NULL, &d),
	                RC_ERULE);
	CU_ASSERT_EQUAL(check(v, "(\"@signature-params\")", NULL, &d),
	                RC_ERULE);
	CU_ASSERT_EQUAL(check(v, "(\"@signature-params\";req)", NULL, &d),
	                RC_ERULE);
	CU_ASSERT_EQUAL(check(v, "(\"@path\")", NULL, &d), RC_ERULE);
	CU_ASSERT_EQUAL(check(v, "(\"date\")", NULL, &d), RC_ERULE);
	CU_ASSERT_EQUAL(check(v, "(status)", NULL, &d), RC_ESYNTAX);
	CU_ASSERT_EQUAL(check(v, "\"@status\"", NULL, &d), RC_ESYNTAX);
}

static void the_order_of_a_components_parameters_says_nothing(void)
{
	const struct httpsig_part parts[] = { { "\"a\";key=\"x\";req", "1" } };
	struct buf base = BUF_INIT(200);

	CU_ASSERT_EQUAL(httpsig_base("(\"a\";req;key=\"x\")", parts, 1, &base,
	                             NULL), RC_OK);
	CU_ASSERT_STRING_EQUAL(buf_str(&base), "\"a\";req;key=\"x\": 1\n"
	                       "\"@signature-params\": "
	                       "(\"a\";req;key=\"x\")");
	buf_clear(&base);
	CU_ASSERT_EQUAL(httpsig_base("(\"a\";req;key=\"x\" \"a\";key=\"x\";req)",
	                             parts, 1, &base, NULL), RC_ERULE);
	CU_ASSERT_EQUAL(httpsig_base("(\"a\";req;key=\"y\")", parts, 1, &base,
	                             NULL), RC_ERULE);
	CU_ASSERT_EQUAL(httpsig_base("(\"a\";req;kez=\"x\")", parts, 1, &base,
	                             NULL), RC_ERULE);
	buf_free(&base);
}

static void a_value_cannot_add_a_line_to_the_base(void)
{
	struct httpsig_part part = { "\"a\"", "1\n\"b\": 2" };
	struct buf base = BUF_INIT(200);

	CU_ASSERT_EQUAL(httpsig_base("(\"a\")", &part, 1, &base, NULL),
	                RC_ERULE);
	part.value = "1\r";
	CU_ASSERT_EQUAL(httpsig_base("(\"a\")", &part, 1, &base, NULL),
	                RC_ERULE);
	part.value = "\xc3\xa9";
	CU_ASSERT_EQUAL(httpsig_base("(\"a\")", &part, 1, &base, NULL),
	                RC_ERULE);
	buf_clear(&base);
	part.value = "";
	CU_ASSERT_EQUAL(httpsig_base("(\"a\")", &part, 1, &base, NULL), RC_OK);
	CU_ASSERT_STRING_EQUAL(buf_str(&base),
	                       "\"a\": \n\"@signature-params\": (\"a\")");
	buf_free(&base);
}

static void alg_must_be_the_keys(void)
{
	struct vector v = vectors[3];
	struct diag d;

	/* signed without alg, so even the right one changes the base */
	CU_ASSERT_EQUAL(check(&v, "(\"@path\");alg=\"ed25519\"", NULL, &d),
	                RC_ESIG);
	CU_ASSERT_EQUAL(check(&v, "(\"@path\");alg=\"ecdsa-p256-sha256\"", NULL,
	                      &d), RC_ERULE);
	CU_ASSERT_EQUAL(check(&v, "(\"@path\");alg=\"hmac-sha256\"", NULL, &d),
	                RC_ERULE);
	CU_ASSERT_EQUAL(check(&v, "(\"@path\");alg=ed25519", NULL, &d),
	                RC_ERULE);
	v.alg = SIGN_P256;
	CU_ASSERT_EQUAL(check(&v, "(\"@path\");alg=\"ed25519\"", NULL, &d),
	                RC_ERULE);
}

static void a_label_must_stand_in_both_headers(void)
{
	const struct vector *v = &vectors[3];
	struct buf in = BUF_INIT(2000), sig = BUF_INIT(2000);
	struct public_key k = test_key(v->alg);

	buf_printf(&in, "other=(\"date\");created=1, sig1=%s", v->params);
	buf_printf(&sig, "sig1=:%s:, other=:AAEC:", v->signature);
	CU_ASSERT_EQUAL(httpsig_check(buf_str(&in), buf_str(&sig), "sig1",
	                              v->parts, v->n, &k, NULL), RC_OK);
	CU_ASSERT_EQUAL(httpsig_check(buf_str(&in), "other=:AAEC:", "sig1",
	                              v->parts, v->n, &k, NULL), RC_ERULE);
	CU_ASSERT_EQUAL(httpsig_check("other=()", buf_str(&sig), "sig1",
	                              v->parts, v->n, &k, NULL), RC_ERULE);
	CU_ASSERT_EQUAL(httpsig_check(buf_str(&in), buf_str(&sig), "alto",
	                              v->parts, v->n, &k, NULL), RC_ENOENT);
	CU_ASSERT_EQUAL(httpsig_check(buf_str(&in), "sig1=\"x\"", "sig1",
	                              v->parts, v->n, &k, NULL), RC_ESYNTAX);
	CU_ASSERT_EQUAL(httpsig_check(buf_str(&in), "sig1=:AA", "sig1",
	                              v->parts, v->n, &k, NULL), RC_ESYNTAX);
	buf_free(&in);
	buf_free(&sig);
}

/* The value of B.2.4 as DER: a sequence of two integers. */
static void der_is_no_signature_here(void)
{
	const struct vector *v = &vectors[0];
	struct buf raw = BUF_INIT(64), der = BUF_INIT(80), text = BUF_INIT(200);
	struct diag d;

	CU_ASSERT_EQUAL_FATAL(enc_base64_read(v->signature,
	                                      strlen(v->signature), &raw),
	                      RC_OK);
	buf_add(&der, "\x30\x46\x02\x21\x00", 5);
	buf_add(&der, raw.data, 32);
	buf_add(&der, "\x02\x21\x00", 3);
	buf_add(&der, raw.data + 32, 32);
	enc_base64(&text, der.data, der.len);
	CU_ASSERT_EQUAL(check(v, NULL, buf_str(&text), &d), RC_ESIG);
	buf_clear(&text);
	enc_base64(&text, raw.data, 63);
	CU_ASSERT_EQUAL(check(v, NULL, buf_str(&text), &d), RC_ESIG);
	CU_ASSERT_EQUAL(check(v, NULL, "", &d), RC_ESIG);
	buf_free(&raw);
	buf_free(&der);
	buf_free(&text);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "the vectors verify", the_vectors_verify },
		{ "Ed25519 signs to exactly these bytes",
		  ed25519_signs_to_exactly_these_bytes },
		{ "the base has the stated length and hash",
		  the_base_has_the_stated_length_and_hash },
		{ "one changed character is no valid signature",
		  one_changed_character_is_no_valid_signature },
		{ "spaces in the list make no difference",
		  spaces_in_the_list_make_no_difference },
		{ "a component twice or the params are refused",
		  a_component_twice_or_the_params_are_refused },
		{ "the order of a component's parameters says nothing",
		  the_order_of_a_components_parameters_says_nothing },
		{ "a value cannot add a line to the base",
		  a_value_cannot_add_a_line_to_the_base },
		{ "alg must be the key's", alg_must_be_the_keys },
		{ "a label must stand in both headers",
		  a_label_must_stand_in_both_headers },
		{ "DER is no signature here", der_is_no_signature_here },
		CU_TEST_INFO_NULL
	};

	return suite_run("httpsig", tests);
}
