#include "common/net/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/net/addr.h"
#include "common/net/http_door.h"
#include "common/net/http_due.h"
#include "common/net/http_head.h"
#include "common/net/http_later.h"
#include "common/net/http_raw.h"

#define THREADS_MAX 64
#define MEMORY_PER_CONN HTTP_HEADERS_MAX
#define SPARE_CONNS 16		/* of a thread: closed, but not yet for MHD */
#define THROWN_MAX (4u << 20)	/* of a body that is not taken */
#define SEND_MS 60000		/* for an answer; http_due_send() adds to it */
#define RETRY_S "5"
#define STOP_POLL_MS 10
#define STOP_LAST_MS 100	/* for the 503 to those that waited */

struct http {
	struct MHD_Daemon *d;
	struct http_handler on;
	struct http_config cfg;		/* without addr */
	unsigned first_ms, next_ms, body_ms;	/* for a header, a body */
	struct http_door *door;
	struct http_due *due;
	struct http_laters *laters;
	uint16_t port;
	atomic_uint busy;		/* requests under way */
	atomic_size_t bodies;		/* bytes gathered now */
	_Atomic uint64_t too_large, refused_bodies, malformed, shed;
};

/* A request on its way in, from its first line to the end of its answer. */
struct pending {
	struct http *h;
	struct http_later *later;	/* NULL: is answered at once */
	struct buf body;
	size_t held;			/* its part of http.bodies */
	bool seen, whole, answered;	/* its head, body; in full */
	unsigned refused;		/* 413, 503: the body is not kept */
	size_t thrown;			/* bytes of it since */
	char peer[ADDR_TEXT_MAX];
	struct http_target target;	/* in uri */
	char uri[];
};

/* connections */

static int fd_of(struct MHD_Connection *conn)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn,
	                                MHD_CONNECTION_INFO_CONNECTION_FD);

	return info != NULL ? info->connect_fd : -1;
}

static struct http_due_conn *due_of(struct MHD_Connection *conn)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn,
	                                MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info != NULL ? info->socket_context : NULL;
}

static bool on_enter(void *arg, int fd, const struct sockaddr *sa,
                     socklen_t len)
{
	struct http *h = arg;

	return MHD_add_connection(h->d, fd, sa, len) == MHD_YES;
}

/* Called before a connection's first byte and after its last, when its socket
 * is still open. */
static void on_conn(void *arg, struct MHD_Connection *conn, void **ctx,
                    enum MHD_ConnectionNotificationCode what)
{
	struct http *h = arg;
	int fd = fd_of(conn);

	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (*ctx != NULL)
			http_due_leave(h->due, *ctx);
		*ctx = NULL;
		http_door_leave(h->door, fd);
		return;
	}
	*ctx = http_due_join(h->due, fd, h->first_ms);
	if (*ctx == NULL)		/* memory: none without a deadline */
		shutdown(fd, SHUT_RDWR);
}

/* requests */

static void print_peer(struct MHD_Connection *conn, char *dst, size_t size)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn,
	                                MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	dst[0] = '\0';
	if (info != NULL && info->client_addr != NULL)
		addr_print(info->client_addr, dst, size);
}

/* Called with the request line, the only moment it can be had as sent. */
static void *on_uri(void *arg, const char *uri, struct MHD_Connection *conn)
{
	struct http *h = arg;
	size_t n = strlen(uri);
	struct pending *p = calloc(1, sizeof(*p) + n + 1);

	http_due_begun(due_of(conn));
	if (p == NULL)
		return NULL;
	p->h = h;
	memcpy(p->uri, uri, n + 1);
	p->target = http_target_split(p->uri);
	buf_init(&p->body, h->cfg.max_body);
	atomic_fetch_add(&h->busy, 1);
	return p;
}

static void drop_body(struct http *h, struct pending *p)
{
	buf_free(&p->body);
	atomic_fetch_sub(&h->bodies, p->held);
	p->held = 0;
}

static void on_completed(void *arg, struct MHD_Connection *conn, void **cls,
                         enum MHD_RequestTerminationCode why)
{
	struct pending *p = *cls;
	struct http *h = arg;

	if (why == MHD_REQUEST_TERMINATED_TIMEOUT_REACHED)
		http_due_now(h->due, due_of(conn));
	http_due_idle(due_of(conn), h->next_ms);
	*cls = NULL;
	if (p == NULL)
		return;
	if (p->later != NULL)		/* the end of all came first */
		http_reply_unref(http_later_take(p->later));
	drop_body(h, p);
	free(p);
	atomic_fetch_sub(&h->busy, 1);
}

/* Gives r to the connection, and a time in which it has to be taken. */
static enum MHD_Result send_reply(struct MHD_Connection *conn,
                                  struct http_reply *r)
{
	http_due_send(due_of(conn), SEND_MS);
	return http_reply_queue(r, conn) ? MHD_YES : MHD_NO;
}

/* answers that come later */

/* That the body is held counts until the answer is there. */
struct http_later *http_later(const struct http_request *rq)
{
	struct pending *p = rq->own;

	if (p != NULL && http_later_new(p->h->laters, rq, &p->body, &p->later)
	    == RC_OK)
		return p->later;
	return NULL;
}

/* refusals */

static void count_refusal(struct http *h, unsigned status)
{
	if (status == MHD_HTTP_CONTENT_TOO_LARGE)
		atomic_fetch_add(&h->too_large, 1);
	else if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
		atomic_fetch_add(&h->refused_bodies, 1);
	else
		atomic_fetch_add(&h->malformed, 1);
}

static struct http_reply *make_refusal(const struct http *h, unsigned status)
{
	static const struct http_bytes none = { NULL, 0, NULL, NULL };
	struct http_reply *r = NULL;
	enum rc rc = RC_OK;

	if (h->on.refuse != NULL)
		r = h->on.refuse(status, h->on.arg);
	if (r == NULL)
		rc = http_reply_new_bytes(status, &none, &r);
	if (rc == RC_OK)
		rc = http_reply_header(r, "Connection", "close");
	if (rc == RC_OK && status == MHD_HTTP_SERVICE_UNAVAILABLE)
		rc = http_reply_header(r, "Retry-After", RETRY_S);
	if (rc == RC_OK)
		return r;
	http_reply_unref(r);
	return NULL;
}

static enum MHD_Result refuse(struct MHD_Connection *conn, struct http *h,
                              unsigned status)
{
	enum MHD_Result sent;
	struct http_reply *r;

	if (!http_due_answer(due_of(conn)))
		return MHD_NO;
	count_refusal(h, status);
	r = make_refusal(h, status);
	if (r == NULL)			/* memory: none that would close */
		return MHD_NO;
	sent = send_reply(conn, r);
	http_reply_unref(r);
	return sent;
}

/* Refused before its end; what is still being sent would reset the connection
 * and lose the answer. */
static enum MHD_Result refuse_early(struct MHD_Connection *conn,
                                    struct http *h, unsigned status)
{
	http_door_stay(h->door, fd_of(conn));
	return refuse(conn, h, status);
}

/* A body in the midst of being sent cannot be answered by the library, so when
 * it has gone on for too long we do, and hang up. */
static enum MHD_Result break_off(struct MHD_Connection *conn, struct http *h,
                                 unsigned status)
{
	const struct http_raw answer = {
		status, status == MHD_HTTP_SERVICE_UNAVAILABLE ? 5 : 0,
		"The body of the request is not taken."
	};

	if (http_due_answer(due_of(conn))) {
		count_refusal(h, status);
		if (!h->cfg.tls)
			http_raw_send(fd_of(conn), &answer);
		http_door_stay(h->door, fd_of(conn));
	}
	return MHD_NO;
}

/* A length announced over the ceiling is refused before the body is sent if the
 * client waits for that (a reply now keeps "100 Continue" back), or if there is
 * too much of it to be thrown away: many clients read when they have sent all. */
static enum MHD_Result on_head(struct MHD_Connection *conn, struct http *h,
                               struct pending *p, const char *method,
                               const char *version)
{
	unsigned wrong = http_head_check(conn, &p->target, method, version);
	const char *len = MHD_lookup_connection_value(conn, MHD_HEADER_KIND,
	                                              "Content-Length");
	unsigned long long n = len != NULL ? strtoull(len, NULL, 10) : 0;

	p->seen = true;
	print_peer(conn, p->peer, sizeof(p->peer));
	if (wrong != 0)
		return refuse_early(conn, h, wrong);
	if (n > h->cfg.max_body) {
		p->refused = MHD_HTTP_CONTENT_TOO_LARGE;
		if (n > THROWN_MAX ||
		    MHD_lookup_connection_value(conn, MHD_HEADER_KIND,
		                                "Expect") != NULL)
			return refuse_early(conn, h, p->refused);
	}
	http_due_body(due_of(conn), h->body_ms);
	return MHD_YES;
}

/* false: all bodies together are too much. */
static bool hold(struct http *h, struct pending *p)
{
	size_t more = p->body.cap - p->held;

	p->held += more;
	return atomic_fetch_add(&h->bodies, more) + more <= h->cfg.max_bodies;
}

static enum MHD_Result on_body(struct MHD_Connection *conn, struct http *h,
                               struct pending *p, const char *data,
                               size_t *len)
{
	if (p->refused == 0) {
		buf_add(&p->body, data, *len);
		if (buf_rc(&p->body) == RC_ENOMEM)
			return MHD_NO;
		if (buf_rc(&p->body) != RC_OK)
			p->refused = MHD_HTTP_CONTENT_TOO_LARGE;
		else if (!hold(h, p))
			p->refused = MHD_HTTP_SERVICE_UNAVAILABLE;
	}
	if (p->refused != 0) {
		drop_body(h, p);
		p->thrown += *len;
		if (p->thrown > THROWN_MAX)
			return break_off(conn, h, p->refused);
	}
	*len = 0;
	return MHD_YES;
}

/* Takes r over. */
static enum MHD_Result answer(struct MHD_Connection *conn, struct pending *p,
                              struct http_reply *r)
{
	enum MHD_Result sent = send_reply(conn, r);

	p->answered = true;
	http_reply_unref(r);
	drop_body(p->h, p);	/* an answer may take long */
	return sent;
}

/* Resumed: the reply is there. */
static enum MHD_Result on_later(struct MHD_Connection *conn, struct pending *p)
{
	struct http_reply *r = http_later_take(p->later);

	p->later = NULL;
	return answer(conn, p, r);
}

static enum MHD_Result on_complete(struct MHD_Connection *conn,
                                   struct http *h, struct pending *p,
                                   const char *method)
{
	const struct http_request rq = {
		.method = method, .path = p->target.path,
		.query = p->target.query,
		.body = p->body.len > 0 ? p->body.data : NULL,
		.len = p->body.len, .peer = p->peer, .conn = conn, .own = p
	};
	struct http_reply *r;

	if (p->refused != 0)
		return refuse(conn, h, p->refused);
	if (!http_due_answer(due_of(conn)))
		return MHD_NO;
	r = h->on.reply(&rq, h->on.arg);
	return p->later != NULL ? MHD_YES : answer(conn, p, r);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *conn,
                                  const char *url, const char *method,
                                  const char *version, const char *data,
                                  size_t *len, void **cls)
{
	struct pending *p = *cls;

	(void)url;
	/* A library that stops takes an answer, drops it and asks again. */
	if (p == NULL || p->answered)
		return MHD_NO;
	if (!p->seen)
		return on_head(conn, arg, p, method, version);
	if (*len > 0)
		return on_body(conn, arg, p, data, len);
	if (p->later != NULL)
		return on_later(conn, p);
	/* A connection that is suspended while the library reads from it is
	 * read from again when it goes on, and is closed if its client has
	 * ended what it sends; so it is answered in a round without reading,
	 * which is the next. */
	if (!p->whole && p->body.len > 0) {
		p->whole = true;
		return MHD_YES;
	}
	return on_complete(conn, arg, p, method);
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

/* The URI is handed on as it came: who decodes it knows what it means. */
static size_t on_unescape(void *arg, struct MHD_Connection *conn, char *s)
{
	(void)arg;
	(void)conn;
	return strlen(s);
}

/* What the library prints goes nowhere: it says what clients do. The limit is
 * divided among its threads, and one that is given more than its part locks up
 * (0.9.75); so each may have all that the door lets in. */
static struct MHD_Daemon *start_daemon(const struct http_config *cfg,
                                       struct http *h)
{
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC |
		MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET;
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

	return MHD_start_daemon(flags, 0, NULL, NULL, on_request, h,
		MHD_OPTION_ARRAY, opt,
		MHD_OPTION_URI_LOG_CALLBACK, on_uri, h,
		MHD_OPTION_UNESCAPE_CALLBACK, on_unescape, NULL,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, h,
		MHD_OPTION_NOTIFY_CONNECTION, on_conn, h,
		MHD_OPTION_END);
}

static void destroy(struct http *h)
{
	http_laters_free(h->laters);
	http_due_free(h->due);
	http_door_free(h->door);
	free(h);
}

static enum rc make(const struct http_config *cfg, struct http **out)
{
	struct http *h = calloc(1, sizeof(*h));
	enum rc rc;

	if (h == NULL)
		return RC_ENOMEM;
	h->cfg = *cfg;
	h->cfg.addr = NULL;
	if (h->cfg.max_bodies == 0)
		h->cfg.max_bodies = HTTP_BODIES_MAX;
	h->first_ms = 1000 * cfg->header_s;
	h->next_ms = cfg->header_s > 0 && cfg->timeout_s > 0
		? 1000 * (cfg->timeout_s + cfg->header_s) : 0;
	h->body_ms = 1000 * cfg->body_s;
	rc = http_due_new(cfg->tls, &h->due);
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
		.max_per_addr = h->cfg.max_conns_per_addr, .tls = h->cfg.tls,
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
		return rc;
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
	    http_reply_header(r, "Retry-After", RETRY_S) != RC_OK) {
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
