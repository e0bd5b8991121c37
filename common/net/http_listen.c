#include "common/net/http.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/net/addr.h"
#include "common/net/http_door.h"
#include "common/net/http_due.h"
#include "common/net/http_later.h"
#include "common/net/http_serve.h"
#include "common/net/http_tls.h"

#define THREADS_MAX 64
#define MEMORY_PER_CONN HTTP_HEADERS_MAX
#define SPARE_CONNS 16		/* of a thread: closed, but not yet for MHD */
#define STOP_POLL_MS 10
#define STOP_LAST_MS 100	/* for the 503 to those that waited */

/* connections */

static bool on_enter(void *arg, int fd, const struct sockaddr *sa,
                     socklen_t len)
{
	struct http *h = arg;

	return MHD_add_connection(h->d, fd, sa, len) == MHD_YES;
}

/* The identity of the moment, counted; NULL: plain. */
static struct http_tls *tls_now(struct http *h)
{
	struct http_tls *t = NULL;

	if (!h->secure)
		return NULL;
	pthread_mutex_lock(&h->lock);
	t = http_tls_ref(h->tls);
	pthread_mutex_unlock(&h->lock);
	return t;
}

static enum rc show_identity(struct http *h, struct MHD_Connection *conn,
                             struct http_conn *c)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn,
	                                MHD_CONNECTION_INFO_GNUTLS_SESSION);

	c->tls = tls_now(h);
	if (c->tls == NULL)
		return RC_OK;
	return info != NULL ? http_tls_use(c->tls, info->tls_session) : RC_EIO;
}

static void conn_free(struct http *h, struct http_conn *c)
{
	if (c == NULL)
		return;
	if (c->due != NULL)
		http_due_leave(h->due, c->due);
	http_tls_unref(c->tls);
	free(c);
}

/* Called before a connection's first byte and after its last, when its socket
 * is still open and its TLS is gone. */
static void on_conn(void *arg, struct MHD_Connection *conn, void **ctx,
                    enum MHD_ConnectionNotificationCode what)
{
	struct http *h = arg;
	struct http_conn *c = *ctx;
	int fd = http_fd_of(conn);

	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		conn_free(h, c);
		*ctx = NULL;
		http_door_leave(h->door, fd);
		return;
	}
	*ctx = c = calloc(1, sizeof(*c));
	if (c != NULL)
		c->due = http_due_join(h->due, fd, h->first_ms);
	/* Memory: none without a deadline, or without an identity. */
	if (c == NULL || c->due == NULL || show_identity(h, conn, c) != RC_OK)
		shutdown(fd, SHUT_RDWR);
}

/* start and stop */

static enum rc listen_fd(const char *addr, struct diag *diag, int *out)
{
	struct addrinfo *ai;
	int fd;

	if (addr_parse(addr, &ai) != RC_OK)
		return diag_set(diag, RC_EINVAL, "%s: not address:port, "
		                "like 127.0.0.1:8080 or [::1]:8080", addr);
	fd = addr_bind(ai);
	freeaddrinfo(ai);
	if (fd < 0)
		return diag_set(diag, RC_EIO, "cannot listen on %s: %s", addr,
		                strerror(errno));
	*out = fd;
	return RC_OK;
}

/* The library wants to know where certificates come from; nobody asks, for each
 * session has been given its own. */
static int no_certificate(gnutls_session_t session,
                          const gnutls_datum_t *names, int n_names,
                          const gnutls_pk_algorithm_t *algos, int n_algos,
                          gnutls_pcert_st **certs, unsigned *n_certs,
                          gnutls_privkey_t *key)
{
	(void)session;
	(void)names;
	(void)n_names;
	(void)algos;
	(void)n_algos;
	(void)certs;
	(void)n_certs;
	(void)key;
	return -1;
}

/* Not by epoll with TLS: there 0.9.75 runs in circles for as long as a handshake is
 * half done. */
static unsigned flags_of(const struct http *h)
{
	return (h->secure ? MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_TLS
	                  : MHD_USE_EPOLL_INTERNAL_THREAD) | MHD_USE_ITC |
		MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET;
}

/* What the library prints goes nowhere: it says what clients do. The limit is
 * divided among its threads, and one that is given more than its part locks up
 * (0.9.75); so each may have all that the door lets in. */
static struct MHD_Daemon *start_daemon(const struct http_config *cfg,
                                       struct http *h)
{
	unsigned conns = (cfg->max_conns + SPARE_CONNS) * cfg->threads;
	struct MHD_OptionItem opt[] = {
		{ MHD_OPTION_CONNECTION_LIMIT, conns, NULL },
		{ MHD_OPTION_CONNECTION_TIMEOUT, cfg->timeout_s, NULL },
		{ MHD_OPTION_CONNECTION_MEMORY_LIMIT, MEMORY_PER_CONN, NULL },
		/* One thread is no pool. */
		{ cfg->threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE
		                   : MHD_OPTION_END, cfg->threads, NULL },
		{ MHD_OPTION_END, 0, NULL }
	};

	return MHD_start_daemon(flags_of(h), 0, NULL, NULL, http_serve, h,
		MHD_OPTION_ARRAY, opt,
		MHD_OPTION_URI_LOG_CALLBACK, http_serve_uri, h,
		MHD_OPTION_UNESCAPE_CALLBACK, http_serve_unescape, NULL,
		MHD_OPTION_NOTIFY_COMPLETED, http_serve_done, h,
		MHD_OPTION_NOTIFY_CONNECTION, on_conn, h,
		h->secure ? MHD_OPTION_HTTPS_PRIORITIES : MHD_OPTION_END,
		HTTP_TLS_PRIORITIES,
		MHD_OPTION_HTTPS_CERT_CALLBACK, no_certificate,
		MHD_OPTION_END);
}

static void destroy(struct http *h)
{
	http_laters_free(h->laters);
	http_due_free(h->due);
	http_door_free(h->door);
	http_tls_unref(h->tls);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

static enum rc make(const struct http_config *cfg, struct http **out)
{
	struct http *h = calloc(1, sizeof(*h));
	enum rc rc;

	if (h == NULL)
		return RC_ENOMEM;
	pthread_mutex_init(&h->lock, NULL);
	h->cfg = *cfg;
	h->cfg.addr = NULL;
	h->cfg.tls = NULL;
	h->secure = cfg->tls != NULL;
	if (h->cfg.max_bodies == 0)
		h->cfg.max_bodies = HTTP_BODIES_MAX;
	h->first_ms = 1000 * cfg->header_s;
	h->next_ms = cfg->header_s > 0 && cfg->timeout_s > 0
		? 1000 * (cfg->timeout_s + cfg->header_s) : 0;
	h->body_ms = 1000 * cfg->body_s;
	rc = http_due_new(h->secure, &h->due);
	if (rc == RC_OK && h->secure)
		rc = http_tls_new(cfg->tls, &h->tls);
	if (rc == RC_OK)
		rc = http_laters_new(&h->laters);
	if (rc != RC_OK) {
		destroy(h);
		return rc;
	}
	*out = h;
	return RC_OK;
}

/* Takes fd over if it can; -1 is left then. */
static enum rc make_door(struct http *h, int *fd)
{
	const struct http_door_config cfg = {
		.fd = *fd, .max = h->cfg.max_conns,
		.max_per_addr = h->cfg.max_conns_per_addr, .tls = h->secure,
		.enter = on_enter, .arg = h
	};
	enum rc rc = http_door_new(&cfg, &h->door);

	if (rc == RC_OK)
		*fd = -1;
	return rc;
}

enum rc http_start(const struct http_config *cfg,
                   const struct http_handler *handler, struct diag *diag,
                   struct http **out)
{
	struct http *h = NULL;
	int fd = -1;
	enum rc rc;

	if (cfg->threads < 1 || cfg->threads > THREADS_MAX ||
	    cfg->max_conns < cfg->threads)
		return diag_set(diag, RC_EINVAL, "threads are 1 to %d, and "
		                "connections no fewer", THREADS_MAX);
	rc = listen_fd(cfg->addr, diag, &fd);
	if (rc != RC_OK)
		return rc;
	rc = make(cfg, &h);
	if (rc != RC_OK) {
		close(fd);
		return rc == RC_EINVAL ? diag_set(diag, rc, "the certificate "
		                "or its key is not of a kind that HTTP can "
		                "show") : rc;
	}
	h->on = *handler;
	h->port = addr_port(fd);
	rc = make_door(h, &fd);
	if (rc != RC_OK)
		goto out;
	h->d = start_daemon(cfg, h);
	if (h->d == NULL || http_door_open(h->door) != RC_OK) {
		rc = diag_set(diag, RC_EIO, "cannot serve on %s", cfg->addr);
		goto out;
	}
	*out = h;
	return RC_OK;
out:
	if (fd >= 0)
		close(fd);
	if (h->d != NULL)
		MHD_stop_daemon(h->d);
	destroy(h);
	return rc;
}

uint16_t http_port(const struct http *h)
{
	return h->port;
}

enum rc http_set_identity(struct http *h, struct tls_identity *id)
{
	struct http_tls *next, *old;
	enum rc rc = h->secure ? http_tls_new(id, &next) : RC_EINVAL;

	if (rc != RC_OK)
		return rc;
	pthread_mutex_lock(&h->lock);
	old = h->tls;
	h->tls = next;
	pthread_mutex_unlock(&h->lock);
	http_tls_unref(old);	/* connections have counted it */
	return RC_OK;
}

unsigned http_conns(const struct http *h)
{
	struct http_door_counts c;

	http_door_counts(h->door, &c);
	return c.in;
}

void http_counts(const struct http *h, struct http_counts *out)
{
	struct http_door_counts c;

	http_door_counts(h->door, &c);
	*out = (struct http_counts){
		.refused_conns = c.refused,
		.refused_address = c.refused_addr,
		.timeouts = http_due_timeouts(h->due),
		.too_large = atomic_load(&h->too_large),
		.refused_bodies = atomic_load(&h->refused_bodies),
		.malformed = atomic_load(&h->malformed),
		.shed = atomic_load(&h->shed)
	};
}

void http_shed(struct http *h)
{
	atomic_fetch_add(&h->shed, http_due_shed(h->due));
}

static void nap(unsigned ms)
{
	const struct timespec t = { 0, (long)ms * 1000000 };

	nanosleep(&t, NULL);
}

/* Those that still wait for an answer. */
static unsigned send_home(struct http *h)
{
	static const struct http_bytes none = { NULL, 0, NULL, NULL };
	struct http_reply *r = NULL;
	unsigned n;

	if (http_reply_new_bytes(MHD_HTTP_SERVICE_UNAVAILABLE, &none, &r)
	    != RC_OK || http_reply_header(r, "Connection", "close") != RC_OK ||
	    http_reply_header(r, "Retry-After", HTTP_RETRY_S) != RC_OK) {
		http_reply_unref(r);
		r = NULL;
	}
	n = http_laters_close(h->laters, r);
	http_reply_unref(r);
	return n;
}

static void wait_busy(const struct http *h, unsigned ms)
{
	for (unsigned t = 0; t < ms && atomic_load(&h->busy) > 0;
	     t += STOP_POLL_MS)
		nap(STOP_POLL_MS);
}

void http_stop(struct http *h, unsigned grace_ms)
{
	if (h == NULL)
		return;
	http_door_shut(h->door);
	/* Not the connections: clients keep those open for the next
	 * request. */
	wait_busy(h, grace_ms);
	/* The library must not be stopped with a suspended one. */
	if (send_home(h) > 0)
		wait_busy(h, STOP_LAST_MS);
	MHD_stop_daemon(h->d);
	destroy(h);
}
