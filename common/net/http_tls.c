#include "common/net/http_tls.h"

#include <gnutls/gnutls.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/net/tls.h"

struct http_tls {
	atomic_uint refs;
	gnutls_certificate_credentials_t cred;
};

/* It is read only; the type says otherwise. */
static gnutls_datum_t datum_of(const char *text)
{
	union {
		const char *in;
		unsigned char *out;
	} p = { text };

	return (gnutls_datum_t){ p.out, (unsigned)strlen(text) };
}

enum rc http_tls_new(const struct tls_identity *id, struct http_tls **out)
{
	gnutls_datum_t cert = datum_of(tls_identity_certificate(id));
	gnutls_datum_t key = datum_of(tls_identity_key(id));
	struct http_tls *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return RC_ENOMEM;
	atomic_init(&t->refs, 1);
	if (gnutls_certificate_allocate_credentials(&t->cred) < 0) {
		free(t);
		return RC_ENOMEM;
	}
	if (gnutls_certificate_set_x509_key_mem(t->cred, &cert, &key,
	                                        GNUTLS_X509_FMT_PEM) < 0) {
		http_tls_unref(t);
		return RC_EINVAL;
	}
	*out = t;
	return RC_OK;
}

struct http_tls *http_tls_ref(struct http_tls *t)
{
	atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
	return t;
}

void http_tls_unref(struct http_tls *t)
{
	if (t == NULL || atomic_fetch_sub(&t->refs, 1) > 1)
		return;
	gnutls_certificate_free_credentials(t->cred);
	free(t);
}

enum rc http_tls_use(struct http_tls *t, void *session)
{
	return gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, t->cred)
		< 0 ? RC_EIO : RC_OK;
}
