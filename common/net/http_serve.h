/* http_serve.h - the requests of an HTTP listener: from the first line to the end
 * of the answer; private to http*.c. What is called here runs on the threads of the
 * library below.
 */
#ifndef ALTOCAST_NET_HTTP_SERVE_H
#define ALTOCAST_NET_HTTP_SERVE_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "common/net/http.h"

#define HTTP_RETRY_S "5"

struct http_door;
struct http_due;
struct http_laters;
struct http_tls;

struct http {
	struct MHD_Daemon *d;
	struct http_handler on;
	struct http_config cfg;		/* without addr */
	unsigned first_ms, next_ms, body_ms;	/* for a header, a body */
	struct http_door *door;
	struct http_due *due;
	struct http_laters *laters;
	bool secure;			/* TLS */
	struct http_tls *tls;		/* under the lock */
	pthread_mutex_t lock;
	uint16_t port;
	atomic_uint busy;		/* requests under way */
	atomic_size_t bodies;		/* bytes gathered now */
	_Atomic uint64_t too_large, refused_bodies, malformed, shed;
};

/* A connection, from before its first byte until after its last. */
struct http_conn {
	struct http_due_conn *due;
	struct http_tls *tls;		/* what it was shown */
};

int http_fd_of(struct MHD_Connection *conn);

/* The callbacks of the library, in the order of their calls; arg is the
 * listener. */
void *http_serve_uri(void *arg, const char *uri, struct MHD_Connection *conn);
size_t http_serve_unescape(void *arg, struct MHD_Connection *conn, char *s);
enum MHD_Result http_serve(void *arg, struct MHD_Connection *conn,
                           const char *url, const char *method,
                           const char *version, const char *data, size_t *len,
                           void **cls);
void http_serve_done(void *arg, struct MHD_Connection *conn, void **cls,
                     enum MHD_RequestTerminationCode why);

#endif
