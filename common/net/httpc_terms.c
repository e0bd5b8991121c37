#include "common/net/httpc_terms.h"

#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/net/tls_check.h"

void httpc_terms_init(struct httpc_terms *t)
{
	*t = (struct httpc_terms){ .ca = BUF_INIT(TLS_FILE_MAX) };
}

/* Under what terms the other end is trusted. As contents and not as names of
 * files: libcurl compares them, so that a connection made under other terms, or
 * before a file was replaced, is not taken again. */
enum rc httpc_terms_take(struct httpc_terms *t, const char *url,
                         const struct tls_trust *trust, struct diag *diag)
{
	const struct tls_files own = { trust->certificate, trust->key,
	                               NULL };
	enum rc rc = RC_OK;

	if (strncasecmp(url, "https:", 6) != 0)
		return RC_OK;
	if (trust->pin != NULL && !tls_pin_ok(trust->pin))
		return diag_set(diag, RC_EINVAL, "%s: not a pin, the base64 "
		                "text of a SHA-256", trust->pin);
	if (trust->pin != NULL)
		snprintf(t->pin, sizeof(t->pin), "sha256//%s", trust->pin);
	if (trust->ca_file != NULL)
		rc = tls_pem_load(trust->ca_file, &t->ca, diag);
	if (rc == RC_OK && trust->certificate != NULL)
		rc = tls_identity_load(&own, &t->own, diag);
	return rc;
}

void httpc_terms_drop(struct httpc_terms *t)
{
	buf_free(&t->ca);
	tls_identity_unref(t->own);
	t->own = NULL;
	t->pin[0] = '\0';
}

static void set_blob(CURL *h, CURLoption opt, const char *text)
{
	union {			/* it is read only */
		const char *in;
		void *out;
	} p = { text };
	struct curl_blob b = { p.out, strlen(text), CURL_BLOB_NOCOPY };

	curl_easy_setopt(h, opt, &b);
}

void httpc_terms_set(const struct httpc_terms *t, CURL *h)
{
	curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (t->ca.len > 0) {
		set_blob(h, CURLOPT_CAINFO_BLOB, buf_str(&t->ca));
		curl_easy_setopt(h, CURLOPT_CAPATH, NULL);
	}
	if (t->pin[0] != '\0')
		curl_easy_setopt(h, CURLOPT_PINNEDPUBLICKEY, t->pin);
	if (t->own == NULL)
		return;
	set_blob(h, CURLOPT_SSLCERT_BLOB, tls_identity_certificate(t->own));
	set_blob(h, CURLOPT_SSLKEY_BLOB, tls_identity_key(t->own));
}

/* Texts of our own for what a certificate can have wrong. Where the chain is good
 * and the name is not, libcurl leaves the result as it was at first. */
const char *httpc_terms_why(CURL *h, CURLcode code)
{
	long result = 0;

	if (code == CURLE_SSL_PINNEDPUBKEYNOTMATCH)
		return TLS_WHY_PIN;
	if (code != CURLE_PEER_FAILED_VERIFICATION)
		return NULL;
	curl_easy_getinfo(h, CURLINFO_SSL_VERIFYRESULT, &result);
	return result == X509_V_OK || result == X509_V_ERR_UNSPECIFIED
		? TLS_WHY_NAME : tls_why(result);
}
