#include "common/net/ws_tls.h"

#include <libwebsockets.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

#include "common/net/tls.h"
#include "common/net/tls_check.h"
#include "common/net/ws_conn.h"

#define CHAIN_BYTES 65536	/* of what a peer shows */

/* Buffers are held while there is something in them: an idle connection has
 * none. Records that did not fit may come again from another place. */
static void set_common(SSL_CTX *ctx)
{
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
	                    SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS |
	                 SSL_MODE_ENABLE_PARTIAL_WRITE |
	                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_max_cert_list(ctx, CHAIN_BYTES);
}

/* server */

static int on_show_identity(SSL *ssl, void *arg)
{
	const struct ws_listener *ls = arg;

	return ls->identity != NULL && tls_identity_use(ls->identity, ssl);
}

/* Every chain passes: who proves to have the key of his certificate is told
 * apart later, by what led where (tls_peer.chained). */
static int on_client_chain(X509_STORE_CTX *x, void *arg)
{
	const struct ws_listener *ls = arg;

	if (ls->identity == NULL)
		return 0;
	tls_check_client(ls->identity, x);
	return 1;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *len,
                   const unsigned char *in, unsigned in_len, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";
	union {			/* it writes to neither, and says so nowhere */
		const unsigned char **in;
		unsigned char **out;
	} chosen = { out };

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto(chosen.out, len, ours, sizeof(ours) - 1, in,
	                          in_len) == OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_OK;
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* libwebsockets has its own idea of SNI: it would hand the handshake on to
 * whatever vhost has that name. */
void ws_tls_serve(struct ws_listener *ls, bool ask)
{
	SSL_CTX *ctx = ls->vhost->ssl_ctx;

	set_common(ctx);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_tlsext_servername_callback(ctx, NULL);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	SSL_CTX_set_cert_cb(ctx, on_show_identity, ls);
	if (!ask)
		return;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, on_client_chain, ls);
}

/* client */

static struct ws_conn *conn_of(const struct ws_side *s, const SSL *ssl)
{
	for (struct ws_conn *c = s->clients; c != NULL; c = c->next)
		if (c->wsi != NULL && lws_get_ssl(c->wsi) == ssl)
			return c;
	return NULL;
}

static int on_server_chain(X509_STORE_CTX *x, void *arg)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(x,
		SSL_get_ex_data_X509_STORE_CTX_idx());
	struct ws_conn *c = conn_of(arg, ssl);
	const char *why;

	if (c == NULL || c->cl->judge == NULL)
		return 0;
	why = tls_judge_server(c->cl->judge, x);
	if (why == NULL)
		return 1;
	snprintf(c->cl->tls_why, sizeof(c->cl->tls_why), "%s: %s", c->cl->host,
	         why);
	return 0;
}

static int on_certificate_asked(SSL *ssl, void *arg)
{
	const struct ws_conn *c = conn_of(arg, ssl);
	const struct tls_identity *own;

	if (c == NULL || c->cl->judge == NULL)
		return 0;
	own = tls_judge_own(c->cl->judge);
	return own == NULL || tls_identity_use(own, ssl);
}

static void note_failure(struct ws_conn *c, const char *text)
{
	if (c->cl->tls_why[0] == '\0' && text != NULL)
		snprintf(c->cl->tls_why, sizeof(c->cl->tls_why), "TLS: %s",
		         text);
}

/* The name that libwebsockets puts into SNI is an address, or half of one, where
 * the host is one; before the first message goes out it is set right. What went
 * wrong is nowhere to be had but here. */
static void on_state(const SSL *ssl, int where, int ret)
{
	const struct ws_side *s = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	struct ws_conn *c = conn_of(s, ssl);

	if (c == NULL || c->cl->judge == NULL)
		return;
	if ((where & SSL_CB_HANDSHAKE_START) != 0)
		SSL_set_tlsext_host_name(lws_get_ssl(c->wsi),
		                         tls_judge_name(c->cl->judge));
	else if (where == SSL_CB_READ_ALERT && ret >> 8 == SSL3_AL_FATAL)
		note_failure(c, SSL_alert_desc_string_long(ret));
	else if (where == SSL_CB_CONNECT_EXIT && ret <= 0 &&
	         ERR_peek_error() != 0)
		note_failure(c, ERR_reason_error_string(ERR_peek_error()));
}

enum rc ws_tls_side(struct ws_side *s)
{
	SSL_CTX *ctx = s->client_ctx;

	if (ctx != NULL)
		return RC_OK;
	ctx = SSL_CTX_new(TLS_client_method());
	if (ctx == NULL)
		return RC_ENOMEM;
	set_common(ctx);
	SSL_CTX_set_app_data(ctx, s);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, on_server_chain, s);
	SSL_CTX_set_cert_cb(ctx, on_certificate_asked, s);
	SSL_CTX_set_info_callback(ctx, on_state);
	s->client_ctx = ctx;
	return RC_OK;
}

/* both */

enum rc ws_tls_write(SSL *ssl, const void *data, size_t len, size_t *taken)
{
	int err;

	*taken = 0;
	ERR_clear_error();	/* what others left on this thread */
	if (SSL_write_ex(ssl, data, len, taken) == 1)
		return RC_OK;
	err = SSL_get_error(ssl, 0);
	ERR_clear_error();
	return err == SSL_ERROR_WANT_WRITE || err == SSL_ERROR_WANT_READ
		? RC_OK : RC_EIO;
}
