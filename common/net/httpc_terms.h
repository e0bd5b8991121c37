/* httpc_terms.h - under what terms the HTTP client trusts the other end of a
 * request; private to httpc.c.
 */
#ifndef ALTOCAST_NET_HTTPC_TERMS_H
#define ALTOCAST_NET_HTTPC_TERMS_H

#include <curl/curl.h>

#include "common/base/buf.h"
#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/net/tls.h"

struct httpc_terms {
	struct buf ca;			/* empty: the system's */
	struct tls_identity *own;	/* NULL: none */
	char pin[sizeof("sha256//") + TLS_PIN_TEXT];	/* "": any */
};

void httpc_terms_init(struct httpc_terms *t);
/* Reads the files if the URL is of https. RC_EINVAL: the pin is not one; else as
 * tls_identity_load() says. */
MUST_CHECK enum rc httpc_terms_take(struct httpc_terms *t, const char *url,
                                    const struct tls_trust *trust,
                                    struct diag *diag);
void httpc_terms_drop(struct httpc_terms *t);		/* as after init */

/* They must stay as they are while h is in use. */
void httpc_terms_set(const struct httpc_terms *t, CURL *h);
/* In words, if a certificate was what failed; NULL: something else. */
const char *httpc_terms_why(CURL *h, CURLcode code);

#endif
