#include "common/net/tls_check.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/enc.h"

#define DEPTH_MAX 8		/* certificates between a peer and an authority */
#define DIGEST_SIZE 32

struct tls_judge {
	X509_STORE *store;
	struct tls_identity *own;	/* NULL: none */
	bool is_address;
	char pin[TLS_PIN_TEXT + 1];	/* "": any */
	char host[];
};

/* chains */

const char *tls_why(long result)
{
	switch (result) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return "its certificate has expired";
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return "its certificate is not valid yet";
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return TLS_WHY_NAME;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		return "its certificate is from an unknown authority";
	default:
		return X509_verify_cert_error_string(result);
	}
}

/* For what, and as whom; host NULL: anybody. */
struct claim {
	const char *purpose;		/* "ssl_client", "ssl_server" */
	const char *host;
	bool is_address;
};

static bool set_claim(X509_STORE_CTX *own, const struct claim *c)
{
	X509_VERIFY_PARAM *p = X509_STORE_CTX_get0_param(own);

	if (X509_STORE_CTX_set_default(own, c->purpose) != 1)
		return false;
	X509_VERIFY_PARAM_set_depth(p, DEPTH_MAX);
	X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
	                                X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (c->host == NULL)
		return true;
	return c->is_address
		? X509_VERIFY_PARAM_set1_ip_asc(p, c->host) == 1
		: X509_VERIFY_PARAM_set1_host(p, c->host, 0) == 1;
}

/* X509_V_OK, or what is wrong with the chain that shown carries. */
static int verify(X509_STORE *store, const X509_STORE_CTX *shown,
                  const struct claim *claim)
{
	X509_STORE_CTX *own = X509_STORE_CTX_new();
	int err = X509_V_ERR_OUT_OF_MEM;

	ERR_set_mark();
	if (own == NULL ||
	    X509_STORE_CTX_init(own, store, X509_STORE_CTX_get0_cert(shown),
	                        X509_STORE_CTX_get0_untrusted(shown)) != 1 ||
	    !set_claim(own, claim))
		goto out;
	if (X509_verify_cert(own) == 1)
		err = X509_V_OK;
	else if (X509_STORE_CTX_get_error(own) != X509_V_OK)
		err = X509_STORE_CTX_get_error(own);
out:
	ERR_pop_to_mark();
	X509_STORE_CTX_free(own);
	return err;
}

/* a server, to us */

static bool pin_is(const X509 *cert, const char *pin)
{
	struct buf text = BUF_INIT(TLS_PIN_TEXT);
	unsigned char md[EVP_MAX_MD_SIZE], *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
	bool same = false;

	if (len > 0 && EVP_Digest(der, (size_t)len, md, NULL, EVP_sha256(),
	                          NULL) == 1) {
		enc_base64(&text, md, DIGEST_SIZE);
		same = buf_rc(&text) == RC_OK && text.len == TLS_PIN_TEXT &&
			memcmp(text.data, pin, TLS_PIN_TEXT) == 0;
	}
	OPENSSL_free(der);
	buf_free(&text);
	return same;
}

const char *tls_judge_server(const struct tls_judge *j, X509_STORE_CTX *x)
{
	const struct claim claim = { "ssl_server", j->host, j->is_address };
	int err = verify(j->store, x, &claim);

	if (err == X509_V_OK && j->pin[0] != '\0' &&
	    !pin_is(X509_STORE_CTX_get0_cert(x), j->pin)) {
		X509_STORE_CTX_set_error(x, X509_V_ERR_APPLICATION_VERIFICATION);
		return TLS_WHY_PIN;
	}
	X509_STORE_CTX_set_error(x, err);
	return err == X509_V_OK ? NULL : tls_why(err);
}

static X509_STORE *system_store(void)
{
	X509_STORE *s = X509_STORE_new();

	if (s != NULL && X509_STORE_set_default_paths(s) == 1)
		return s;
	X509_STORE_free(s);
	return NULL;
}

static enum rc take_pin(struct tls_judge *j, const char *pin, struct diag *d)
{
	if (!tls_pin_ok(pin))
		return diag_set(d, RC_EINVAL, "%s: not a pin, the base64 text of "
		                "a SHA-256", pin);
	memcpy(j->pin, pin, strlen(pin) + 1);
	return RC_OK;
}

static enum rc fill(struct tls_judge *j, const struct tls_trust *t,
                    struct diag *d)
{
	const struct tls_files own = { t->certificate, t->key, NULL };
	unsigned char raw[sizeof(struct in6_addr)];
	enum rc rc = RC_OK;

	j->is_address = inet_pton(AF_INET, j->host, raw) == 1 ||
		inet_pton(AF_INET6, j->host, raw) == 1;
	if (t->pin != NULL)
		rc = take_pin(j, t->pin, d);
	if (rc == RC_OK && t->certificate != NULL)
		rc = tls_identity_load(&own, &j->own, d);
	if (rc == RC_OK && t->ca_file != NULL)
		return tls_store_load(t->ca_file, &j->store, d);
	if (rc == RC_OK)
		j->store = system_store();
	return rc == RC_OK && j->store == NULL ? RC_ENOMEM : rc;
}

enum rc tls_judge_new(const struct tls_trust *trust, const char *host,
                      struct tls_judge **out, struct diag *d)
{
	size_t n = strlen(host) + 1;
	struct tls_judge *j = calloc(1, sizeof(*j) + n);
	enum rc rc;

	if (j == NULL)
		return RC_ENOMEM;
	memcpy(j->host, host, n);
	rc = fill(j, trust, d);
	if (rc != RC_OK) {
		tls_judge_free(j);
		return rc;
	}
	*out = j;
	return RC_OK;
}

void tls_judge_free(struct tls_judge *j)
{
	if (j == NULL)
		return;
	X509_STORE_free(j->store);
	tls_identity_unref(j->own);
	free(j);
}

const char *tls_judge_name(const struct tls_judge *j)
{
	return j->is_address ? NULL : j->host;
}

const struct tls_identity *tls_judge_own(const struct tls_judge *j)
{
	return j->own;
}

/* a client, to us */

void tls_check_client(const struct tls_identity *id, X509_STORE_CTX *x)
{
	static const struct claim claim = { "ssl_client", NULL, false };
	X509_STORE *store = tls_identity_clients(id);

	X509_STORE_CTX_set_error(x, store != NULL ? verify(store, x, &claim)
	                         : X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT);
}

/* dst is "" if it is not a name that can be one of ours. */
static void take_name(char dst[65], const ASN1_STRING *s)
{
	static const char also[] = "-:@_.";
	const unsigned char *p = ASN1_STRING_get0_data(s);
	int n = ASN1_STRING_length(s);

	dst[0] = '\0';
	if (n < 1 || n > 64)
		return;
	for (int i = 0; i < n; i++)
		if (!((p[i] >= 'a' && p[i] <= 'z') ||
		      (p[i] >= 'A' && p[i] <= 'Z') ||
		      (p[i] >= '0' && p[i] <= '9') ||
		      (p[i] != '\0' && strchr(also, p[i]) != NULL)))
			return;
	memcpy(dst, p, (size_t)n);
	dst[n] = '\0';
}

/* The only DNS name, else the CN. */
static void read_name(X509 *cert, char dst[65])
{
	GENERAL_NAMES *all = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL,
	                                      NULL);
	X509_NAME *name = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1), n = 0;
	const ASN1_STRING *only = NULL;

	for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(all, i);

		if (g->type == GEN_DNS && n++ == 0)
			only = g->d.dNSName;
	}
	if (n == 1)
		take_name(dst, only);
	else if (at >= 0)
		take_name(dst, X509_NAME_ENTRY_get_data(
			          X509_NAME_get_entry(name, at)));
	GENERAL_NAMES_free(all);
}

void tls_peer_read(const SSL *ssl, struct tls_peer *out)
{
	X509 *cert = SSL_get0_peer_certificate(ssl);

	memset(out, 0, sizeof(*out));
	snprintf(out->version, sizeof(out->version), "%s",
	         SSL_get_version(ssl));
	if (cert == NULL || !tls_print(cert, out->print))
		return;
	out->chained = SSL_get_verify_result(ssl) == X509_V_OK;
	read_name(cert, out->name);
}
