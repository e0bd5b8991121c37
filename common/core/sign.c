#include "common/core/sign.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/enc.h"
#include "common/core/digest.h"

#define ED25519_SIZE 32
#define P256_HALF 32
#define PEM_MAX 65536u
#define JWK_TEXT_MAX 256u
#define ECDSA_DER_MAX 80	/* two INTEGERs of 33 bytes and their heads */

struct sign_key {
	EVP_PKEY *pkey;
	struct public_key pub;
};

/* libcrypto keeps its errors in a queue of the thread, where the TLS of the
 * same thread would find them later and take them for its own. Every function
 * here leaves the queue as it was: mark first, this last. */
static enum rc leave(enum rc rc)
{
	unsigned long e = ERR_peek_last_error();

	if (rc != RC_OK && ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE)
		rc = RC_ENOMEM;
	ERR_pop_to_mark();
	return rc;
}

/* The key's required JWK members in the order of RFC 7638 s3.2. */
static void put_members(const struct public_key *k, struct buf *b)
{
	if (k->alg == SIGN_ED25519) {
		buf_puts(b, "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"");
		enc_base64url(b, k->raw, ED25519_SIZE);
	} else {
		buf_puts(b, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"");
		enc_base64url(b, k->raw, P256_HALF);
		buf_puts(b, "\",\"y\":\"");
		enc_base64url(b, k->raw + P256_HALF, P256_HALF);
	}
	buf_puts(b, "\"}");
}

static enum rc hash_text(const struct buf *text, uint8_t out[SHA256_SIZE])
{
	struct digest *d = NULL;
	enum rc rc;

	if (buf_rc(text) != RC_OK)
		return buf_rc(text);
	rc = digest_new(&d);
	if (rc != RC_OK)
		return rc;
	digest_start(d);
	digest_add(d, text->data, text->len);
	rc = digest_end(d, out);
	digest_free(d);
	return rc;
}

enum rc public_key_name(struct public_key *k)
{
	struct buf text = BUF_INIT(JWK_TEXT_MAX);
	struct buf id = BUF_INIT(THUMBPRINT_TEXT);
	uint8_t hash[SHA256_SIZE];
	enum rc rc;

	put_members(k, &text);
	rc = hash_text(&text, hash);
	if (rc != RC_OK)
		goto out;
	enc_base64url(&id, hash, sizeof(hash));
	rc = buf_rc(&id);
	if (rc != RC_OK)
		goto out;
	memcpy(k->id, id.data, THUMBPRINT_TEXT + 1);
out:
	buf_free(&text);
	buf_free(&id);
	return rc;
}

/* Takes pkey over, also on failure. */
static enum rc adopt(EVP_PKEY *pkey, struct sign_key **out)
{
	struct sign_key *k = calloc(1, sizeof(*k));
	size_t len = ED25519_SIZE;
	enum rc rc = RC_ENOMEM;

	if (!k) {
		EVP_PKEY_free(pkey);
		return RC_ENOMEM;
	}
	k->pkey = pkey;
	k->pub.alg = SIGN_ED25519;
	if (EVP_PKEY_get_raw_public_key(pkey, k->pub.raw, &len) == 1)
		rc = public_key_name(&k->pub);
	if (rc != RC_OK) {
		sign_key_free(k);
		return rc;
	}
	*out = k;
	return RC_OK;
}

enum rc sign_key_new(struct sign_key **out)
{
	EVP_PKEY *pkey;

	ERR_set_mark();
	pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	return leave(pkey ? adopt(pkey, out) : RC_EIO);
}

enum rc sign_key_from_raw(const uint8_t seed[32], struct sign_key **out)
{
	EVP_PKEY *pkey;

	ERR_set_mark();
	pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed,
	                                    ED25519_SIZE);
	return leave(pkey ? adopt(pkey, out) : RC_ENOMEM);
}

/* An encrypted key is refused; without this libcrypto asks at the terminal. */
static int no_password(char *dst, int size, int writing, void *arg)
{
	(void)dst;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static EVP_PKEY *read_pem(const char *pem, size_t len)
{
	BIO *bio = BIO_new_mem_buf(pem, (int)len);
	PKCS8_PRIV_KEY_INFO *info = NULL;
	EVP_PKEY *pkey = NULL;

	if (bio)
		info = PEM_read_bio_PKCS8_PRIV_KEY_INFO(bio, NULL,
		                                        no_password, NULL);
	if (info)
		pkey = EVP_PKCS82PKEY(info);
	PKCS8_PRIV_KEY_INFO_free(info);
	BIO_free(bio);
	return pkey;
}

enum rc sign_key_from_pem(const char *pem, size_t len, struct sign_key **out)
{
	EVP_PKEY *pkey;

	if (len == 0 || len > PEM_MAX)
		return RC_ESYNTAX;
	ERR_set_mark();
	pkey = read_pem(pem, len);
	if (pkey && !EVP_PKEY_is_a(pkey, "ED25519")) {
		EVP_PKEY_free(pkey);
		pkey = NULL;
	}
	return leave(pkey ? adopt(pkey, out) : RC_ESYNTAX);
}

enum rc sign_key_to_pem(const struct sign_key *k, struct buf *dst)
{
	enum rc rc = RC_ENOMEM;
	char *text;
	BIO *bio;
	long len;

	ERR_set_mark();
	bio = BIO_new(BIO_s_mem());
	if (bio && PEM_write_bio_PKCS8PrivateKey(bio, k->pkey, NULL, NULL, 0,
	                                         NULL, NULL) == 1) {
		len = BIO_get_mem_data(bio, &text);
		buf_add(dst, text, (size_t)len);
		rc = buf_rc(dst);
	}
	BIO_free(bio);			/* wipes its memory */
	return leave(rc);
}

const struct public_key *sign_key_public(const struct sign_key *k)
{
	return &k->pub;
}

void sign_key_free(struct sign_key *k)
{
	if (!k)
		return;
	EVP_PKEY_free(k->pkey);		/* wipes the private part */
	free(k);
}

enum rc sign_bytes(const struct sign_key *k, const void *data, size_t len,
                   uint8_t sig[SIGNATURE_SIZE])
{
	uint8_t made[SIGNATURE_SIZE];
	size_t n = sizeof(made);
	enum rc rc = RC_ENOMEM;
	EVP_MD_CTX *ctx;

	ERR_set_mark();
	ctx = EVP_MD_CTX_new();
	if (ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, k->pkey) == 1 &&
	    EVP_DigestSign(ctx, made, &n, data, len) == 1 &&
	    n == SIGNATURE_SIZE) {
		memcpy(sig, made, n);
		rc = RC_OK;
	}
	EVP_MD_CTX_free(ctx);
	return leave(rc);
}

static EVP_PKEY *p256_key(const uint8_t raw[2 * P256_HALF])
{
	uint8_t point[1 + 2 * P256_HALF] = { 0x04 };	/* not compressed */
	char group[] = "P-256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group,
		                       sizeof(group) - 1),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point,
		                        sizeof(point)),
		OSSL_PARAM_END
	};
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *pkey = NULL;

	memcpy(point + 1, raw, 2 * P256_HALF);
	if (ctx && EVP_PKEY_fromdata_init(ctx) == 1 &&
	    EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		pkey = NULL;
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

/* r || s to the DER that libcrypto wants; 0 when that fails. */
static size_t p256_der(const uint8_t *sig, uint8_t der[ECDSA_DER_MAX])
{
	BIGNUM *r = BN_bin2bn(sig, P256_HALF, NULL);
	BIGNUM *s = BN_bin2bn(sig + P256_HALF, P256_HALF, NULL);
	ECDSA_SIG *pair = ECDSA_SIG_new();
	int n = 0;

	if (r && s && pair && ECDSA_SIG_set0(pair, r, s) == 1) {
		r = s = NULL;		/* the pair has them now */
		n = i2d_ECDSA_SIG(pair, NULL);
		if (n > 0 && n <= ECDSA_DER_MAX)
			n = i2d_ECDSA_SIG(pair, &der);
		else
			n = 0;
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(pair);
	return n > 0 ? (size_t)n : 0;
}

static bool check_with(EVP_PKEY *pkey, const EVP_MD *md, const void *data,
                       size_t len, const uint8_t *sig, size_t sig_len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good;

	good = ctx && pkey &&
	       EVP_DigestVerifyInit(ctx, NULL, md, NULL, pkey) == 1 &&
	       EVP_DigestVerify(ctx, sig, sig_len, data, len) == 1;
	EVP_MD_CTX_free(ctx);
	return good;
}

enum rc sign_check(const struct public_key *k, const void *data, size_t len,
                   const uint8_t *sig, size_t sig_len)
{
	uint8_t der[ECDSA_DER_MAX];
	EVP_PKEY *pkey;
	size_t n;
	bool good;

	if (sig_len != SIGNATURE_SIZE)
		return RC_ESIG;
	ERR_set_mark();
	if (k->alg == SIGN_ED25519) {
		pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL,
		                                   k->raw, ED25519_SIZE);
		good = check_with(pkey, NULL, data, len, sig, sig_len);
	} else {
		pkey = p256_key(k->raw);
		n = p256_der(sig, der);
		good = n > 0 &&
		       check_with(pkey, EVP_sha256(), data, len, der, n);
	}
	EVP_PKEY_free(pkey);
	return leave(good ? RC_OK : RC_ESIG);
}
