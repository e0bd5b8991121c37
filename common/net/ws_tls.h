/* ws_tls.h - TLS below the WebSockets; private to ws_*.c.
 *
 * libwebsockets moves the bytes; whom to trust and what to show is decided here,
 * for each handshake anew. Nothing is resumed, so that every connection is
 * checked in full. Loop thread only.
 */
#ifndef ALTOCAST_NET_WS_TLS_H
#define ALTOCAST_NET_WS_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/rc.h"

struct ssl_st;
struct ws_listener;
struct ws_side;

/* Before the first vhost with TLS of a loop is made. RC_ENOMEM. */
MUST_CHECK enum rc ws_tls_side(struct ws_side *s);

/* ls, whose vhost has TLS, shows its identity and, if ask, asks for theirs. */
void ws_tls_serve(struct ws_listener *ls, bool ask);

/* Writes what goes out as one record. *taken: all, or 0: not now, and the same
 * bytes have to come again before any others. RC_EIO: broken. */
MUST_CHECK enum rc ws_tls_write(struct ssl_st *ssl, const void *data,
                                size_t len, size_t *taken);

#endif
