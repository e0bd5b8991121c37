/* http_tls.h - what an HTTP listener shows in TLS handshakes; private to http*.c.
 *
 * The library below does TLS with GnuTLS, and reads one certificate when it starts.
 * But a session takes what it is given before its first byte: so each connection
 * gets the identity of the hour, and counts it until its end. Any thread.
 */
#ifndef ALTOCAST_NET_HTTP_TLS_H
#define ALTOCAST_NET_HTTP_TLS_H

#include "common/base/rc.h"

struct http_tls;
struct tls_identity;

/* As MHD_OPTION_HTTPS_PRIORITIES wants it. */
#define HTTP_TLS_PRIORITIES \
	"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE"

/* RC_EINVAL: GnuTLS cannot use that key or certificate. */
MUST_CHECK enum rc http_tls_new(const struct tls_identity *id,
                                struct http_tls **out);
struct http_tls *http_tls_ref(struct http_tls *t);
void http_tls_unref(struct http_tls *t);		/* NULL is fine */

/* session: of GnuTLS, which has done nothing yet. It must be gone before t is. RC_EIO:
 * it will have nothing to show. */
MUST_CHECK enum rc http_tls_use(struct http_tls *t, void *session);

#endif
