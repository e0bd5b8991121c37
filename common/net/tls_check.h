/* tls_check.h - what others show in a TLS handshake, checked; for the rest of
 * this floor.
 *
 * The checks run in callbacks of OpenSSL, in the place of its own: one rule and
 * one set of texts for everybody. A judge is what a connection to another host is
 * measured by, made from a tls_trust before the connection is. One thread at a
 * time.
 */
#ifndef ALTOCAST_NET_TLS_CHECK_H
#define ALTOCAST_NET_TLS_CHECK_H

#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/net/tls.h"

struct ssl_st;
struct x509_store_ctx_st;

struct tls_judge;

/* host: a name, or an address without brackets. RC_EINVAL: the pin is not one.
 * What is wrong with a file: as tls_identity_load() says. */
MUST_CHECK enum rc tls_judge_new(const struct tls_trust *trust,
                                 const char *host, struct tls_judge **out,
                                 struct diag *d);
void tls_judge_free(struct tls_judge *j);		/* NULL is fine */

/* The host when it is a name, as for SNI; NULL: an address. */
const char *tls_judge_name(const struct tls_judge *j);
/* What we show; NULL: nothing. */
const struct tls_identity *tls_judge_own(const struct tls_judge *j);

/* The server's chain, name and key. NULL: good; else what is wrong, in words.
 * The error is set in x as well. */
const char *tls_judge_server(const struct tls_judge *j,
                             struct x509_store_ctx_st *x);

/* In words what a verify result of OpenSSL means (X509_V_ERR_...), as of "host:
 * ..."; and two that other libraries tell in their own way. */
#define TLS_WHY_NAME "its certificate is for another name"
#define TLS_WHY_PIN "its public key is not the pinned one (pin)"
const char *tls_why(long result);

/* Whether a client's chain leads to an authority of id's client_ca; the error of
 * x says so, for tls_peer_read(). */
void tls_check_client(const struct tls_identity *id,
                      struct x509_store_ctx_st *x);

/* After the handshake, on the server. All "" if nothing was shown. */
void tls_peer_read(const struct ssl_st *ssl, struct tls_peer *out);

#endif
