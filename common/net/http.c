#include "common/net/http.h"

#include <assert.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/net/addr.h"
#include "common/net/http_due.h"

#define THREADS_MAX 64
#define READ_BLOCK 65536	/* bytes asked of a reader at once */
#define MEMORY_PER_CONN 32768	/* request line and headers have to fit */
#define STOP_POLL_MS 10

struct http {
	struct MHD_Daemon *d;
	struct http_handler on;
	size_t max_body;
	unsigned first_ms, next_ms, body_ms;	/* for a header, a body */
	struct http_due *due;
	uint16_t port;
	atomic_uint busy;		/* requests under way */
};

struct field {
	struct field *next;
	char *value;		/* behind name */
	char name[];
};

struct http_reply {
	atomic_uint refs;
	unsigned status;
	struct MHD_Response *mhd;	/* NULL: has a reader; made each time */
	struct http_reader reader;
	struct field *fields;
};

/* A request on its way in, from its first line to the end of its answer. */
struct pending {
	struct buf body;
	bool seen;			/* the handler has been called once */
	bool too_big;
	size_t thrown;			/* body bytes after the ceiling */
	char peer[ADDR_TEXT_MAX];
	char *query;			/* in uri; NULL: none */
	char uri[];
};

/* replies */

static enum rc reply_alloc(unsigned status, struct http_reply **out)
{
	struct http_reply *r;

	if (status < 200 || status > 599)
		return RC_EINVAL;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return RC_ENOMEM;
	atomic_init(&r->refs, 1);
	r->status = status;
	*out = r;
	return RC_OK;
}

static void no_free(void *arg)
{
	(void)arg;
}

enum rc http_reply_new_bytes(unsigned status, const struct http_bytes *body,
                             struct http_reply **out)
{
	void (*free_body)(void *) = body->free != NULL ? body->free : no_free;
	struct http_reply *r;
	enum rc rc = reply_alloc(status, &r);
	union {			/* MHD reads it only, and says so nowhere */
		const void *in;
		void *out;
	} data = { body->len > 0 ? body->data : "" };

	if (rc == RC_OK) {
		r->mhd = MHD_create_response_from_buffer_with_free_callback_cls(
			body->len, data.out, free_body, body->arg);
		if (r->mhd != NULL) {
			*out = r;
			return RC_OK;
		}
		free(r);
		rc = RC_ENOMEM;
	}
	free_body(body->arg);
	return rc;
}

enum rc http_reply_new_reader(unsigned status, const struct http_reader *body,
                              struct http_reply **out)
{
	struct http_reply *r;
	enum rc rc = reply_alloc(status, &r);

	if (rc != RC_OK) {
		if (body->free != NULL)
			body->free(body->arg);
		return rc;
	}
	r->reader = *body;
	*out = r;
	return RC_OK;
}

enum rc http_reply_new_text(unsigned status, const char *media,
                            const char *text, struct http_reply **out)
{
	struct http_bytes body = { NULL, strlen(text), free, NULL };
	struct http_reply *r;
	enum rc rc;
	char *copy = strdup(text);

	if (copy == NULL)
		return RC_ENOMEM;
	body.data = body.arg = copy;
	rc = http_reply_new_bytes(status, &body, &r);
	if (rc != RC_OK)
		return rc;
	if (media != NULL)
		rc = http_reply_header(r, "Content-Type", media);
	if (rc == RC_OK)
		*out = r;
	else
		http_reply_unref(r);
	return rc;
}

/* RFC 9110 s5.1 and s5.5: a token, and no control characters but the tab. */
static bool is_header(const char *name, const char *value)
{
	static const char also[] = "!#$%&'*+-.^_`|~";

	if (*name == '\0')
		return false;
	for (; *name != '\0'; name++)
		if (!((*name >= 'a' && *name <= 'z') ||
		      (*name >= 'A' && *name <= 'Z') ||
		      (*name >= '0' && *name <= '9') ||
		      strchr(also, *name) != NULL))
			return false;
	for (; *value != '\0'; value++)
		if (((unsigned char)*value < ' ' && *value != '\t') ||
		    *value == 0x7f)
			return false;
	return true;
}

static enum rc add_field(struct http_reply *r, const char *name,
                         const char *value)
{
	size_t n = strlen(name) + 1, v = strlen(value) + 1;
	struct field **at = &r->fields;
	struct field *f = malloc(sizeof(*f) + n + v);

	if (f == NULL)
		return RC_ENOMEM;
	f->next = NULL;
	f->value = f->name + n;
	memcpy(f->name, name, n);
	memcpy(f->value, value, v);
	while (*at != NULL)
		at = &(*at)->next;
	*at = f;
	return RC_OK;
}

enum rc http_reply_header(struct http_reply *r, const char *name,
                          const char *value)
{
	if (!is_header(name, value))
		return RC_EINVAL;
	if (r->mhd == NULL)
		return add_field(r, name, value);
	return MHD_add_response_header(r->mhd, name, value) == MHD_YES
		? RC_OK : RC_ENOMEM;
}

unsigned http_reply_status(const struct http_reply *r)
{
	return r->status;
}

struct http_reply *http_reply_ref(struct http_reply *r)
{
	atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
	return r;
}

void http_reply_unref(struct http_reply *r)
{
	struct field *f;

	if (r == NULL || atomic_fetch_sub(&r->refs, 1) > 1)
		return;
	if (r->mhd != NULL)	/* those being sent keep it, and the body */
		MHD_destroy_response(r->mhd);
	else if (r->reader.free != NULL)
		r->reader.free(r->reader.arg);
	while ((f = r->fields) != NULL) {
		r->fields = f->next;
		free(f);
	}
	free(r);
}

/* sending */

static ssize_t on_read(void *arg, uint64_t off, char *buf, size_t max)
{
	const struct http_reply *r = arg;
	ssize_t n = r->reader.read(r->reader.arg, off, buf, max);

	return n > 0 ? n : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void on_read_done(void *arg)
{
	http_reply_unref(arg);
}

/* One response object with a reader serves its connections in turn, from one
 * buffer under one lock: so each request gets its own. */
static struct MHD_Response *reader_response(struct http_reply *r)
{
	struct MHD_Response *m = MHD_create_response_from_callback(
		r->reader.len, READ_BLOCK, on_read, r, on_read_done);

	if (m == NULL)
		return NULL;
	http_reply_ref(r);
	for (const struct field *f = r->fields; f != NULL; f = f->next) {
		if (MHD_add_response_header(m, f->name, f->value) != MHD_YES) {
			MHD_destroy_response(m);
			return NULL;
		}
	}
	return m;
}

static enum MHD_Result queue_bare(struct MHD_Connection *conn, unsigned status)
{
	struct MHD_Response *m = MHD_create_response_from_buffer(0, NULL,
	                                        MHD_RESPMEM_PERSISTENT);
	enum MHD_Result res;

	if (m == NULL)
		return MHD_NO;
	res = MHD_queue_response(conn, status, m);
	MHD_destroy_response(m);
	return res;
}

static enum MHD_Result queue_reply(struct MHD_Connection *conn,
                                   struct http_reply *r)
{
	struct MHD_Response *m;
	enum MHD_Result res;

	if (r == NULL)
		return queue_bare(conn, MHD_HTTP_INTERNAL_SERVER_ERROR);
	m = r->mhd != NULL ? r->mhd : reader_response(r);
	if (m == NULL)
		return queue_bare(conn, MHD_HTTP_INTERNAL_SERVER_ERROR);
	res = MHD_queue_response(conn, r->status, m);
	if (m != r->mhd)
		MHD_destroy_response(m);
	return res;
}

/* requests */

const char *http_header(const struct http_request *rq, const char *name)
{
	return MHD_lookup_connection_value(rq->conn, MHD_HEADER_KIND, name);
}

static void print_peer(struct MHD_Connection *conn, char *dst, size_t size)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn,
	                                MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	dst[0] = '\0';
	if (info != NULL && info->client_addr != NULL)
		addr_print(info->client_addr, dst, size);
}

/* Called before a connection's first byte and after its last, when its socket
 * is still open. */
static void on_conn(void *arg, struct MHD_Connection *conn, void **ctx,
                    enum MHD_ConnectionNotificationCode what)
{
	const union MHD_ConnectionInfo *info;
	struct http *h = arg;

	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (*ctx != NULL)
			http_due_leave(h->due, *ctx);
		*ctx = NULL;
		return;
	}
	info = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (info == NULL)
		return;
	*ctx = http_due_join(h->due, info->connect_fd, h->first_ms);
	if (*ctx == NULL)		/* memory: none without a deadline */
		shutdown(info->connect_fd, SHUT_RDWR);
}

static void set_due(struct MHD_Connection *conn, unsigned ms)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn,
	                                MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	if (info != NULL)
		http_due_set(info->socket_context, ms);
}

/* Called with the request line, the only moment it can be had as sent. */
static void *on_uri(void *arg, const char *uri, struct MHD_Connection *conn)
{
	struct http *h = arg;
	size_t n = strlen(uri);
	struct pending *p = calloc(1, sizeof(*p) + n + 1);

	(void)conn;
	if (p == NULL)
		return NULL;
	memcpy(p->uri, uri, n + 1);
	p->query = strchr(p->uri, '?');
	if (p->query != NULL)
		*p->query++ = '\0';
	buf_init(&p->body, h->max_body);
	atomic_fetch_add(&h->busy, 1);
	return p;
}

static void on_completed(void *arg, struct MHD_Connection *conn, void **cls,
                         enum MHD_RequestTerminationCode why)
{
	struct pending *p = *cls;
	struct http *h = arg;

	(void)why;
	set_due(conn, h->next_ms);
	*cls = NULL;
	if (p == NULL)
		return;
	buf_free(&p->body);
	free(p);
	atomic_fetch_sub(&h->busy, 1);
}

/* A length announced over the ceiling is refused before the body is sent; a
 * reply now also keeps "100 Continue" back. */
static enum MHD_Result on_head(struct MHD_Connection *conn,
                               const struct http *h, struct pending *p)
{
	const char *len = MHD_lookup_connection_value(conn, MHD_HEADER_KIND,
	                                              "Content-Length");

	p->seen = true;
	set_due(conn, h->body_ms);
	print_peer(conn, p->peer, sizeof(p->peer));
	if (len != NULL && strtoull(len, NULL, 10) > h->max_body)
		return queue_bare(conn, MHD_HTTP_CONTENT_TOO_LARGE);
	return MHD_YES;
}

/* A body without length that passes the ceiling cannot be answered half way: it
 * is thrown away for as long again, then the connection is. */
static enum MHD_Result on_body(const struct http *h, struct pending *p,
                               const char *data, size_t *len)
{
	if (!p->too_big) {
		buf_add(&p->body, data, *len);
		if (buf_rc(&p->body) == RC_ENOMEM)
			return MHD_NO;
		p->too_big = buf_rc(&p->body) != RC_OK;
	}
	if (p->too_big) {
		buf_free(&p->body);
		p->thrown += *len;
		if (p->thrown > h->max_body + READ_BLOCK)
			return MHD_NO;
	}
	*len = 0;
	return MHD_YES;
}

static enum MHD_Result on_complete(struct MHD_Connection *conn,
                                   const struct http *h, struct pending *p,
                                   const char *method)
{
	const struct http_request rq = {
		.method = method, .path = p->uri, .query = p->query,
		.body = p->body.len > 0 ? p->body.data : NULL,
		.len = p->body.len, .peer = p->peer, .conn = conn
	};
	struct http_reply *r;
	enum MHD_Result res;

	set_due(conn, 0);
	if (p->too_big)
		return queue_bare(conn, MHD_HTTP_CONTENT_TOO_LARGE);
	r = h->on.reply(&rq, h->on.arg);
	res = queue_reply(conn, r);
	http_reply_unref(r);
	return res;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *conn,
                                  const char *url, const char *method,
                                  const char *version, const char *data,
                                  size_t *len, void **cls)
{
	const struct http *h = arg;
	struct pending *p = *cls;

	(void)url;
	(void)version;
	if (p == NULL)
		return MHD_NO;
	if (!p->seen)
		return on_head(conn, h, p);
	if (*len > 0)
		return on_body(h, p, data, len);
	return on_complete(conn, h, p, method);
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

static struct MHD_Daemon *start_daemon(const struct http_config *cfg,
                                       struct http *h, int fd)
{
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC;
	struct MHD_OptionItem opt[] = {
		{ MHD_OPTION_LISTEN_SOCKET, fd, NULL },
		{ MHD_OPTION_CONNECTION_LIMIT, cfg->max_conns, NULL },
		{ MHD_OPTION_PER_IP_CONNECTION_LIMIT,
		  cfg->max_conns_per_addr, NULL },
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
	rc = RC_ENOMEM;
	h = calloc(1, sizeof(*h));
	if (h == NULL)
		goto out;
	h->on = *handler;
	h->max_body = cfg->max_body;
	h->first_ms = 1000 * cfg->header_s;
	h->next_ms = cfg->header_s > 0 && cfg->timeout_s > 0
		? 1000 * (cfg->timeout_s + cfg->header_s) : 0;
	h->body_ms = 1000 * cfg->body_s;
	h->port = addr_port(fd);
	rc = http_due_new(&h->due);
	if (rc != RC_OK)
		goto out;
	h->d = start_daemon(cfg, h, fd);
	fd = -1;			/* the daemon's, also if it failed */
	if (h->d == NULL) {
		rc = diag_set(diag, RC_EIO, "cannot serve on %s", cfg->addr);
		goto out;
	}
	*out = h;
	return RC_OK;
out:
	if (fd >= 0)
		close(fd);
	if (h != NULL)
		http_due_free(h->due);
	free(h);
	return rc;
}

uint16_t http_port(const struct http *h)
{
	return h->port;
}

unsigned http_conns(const struct http *h)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(h->d,
	                                MHD_DAEMON_INFO_CURRENT_CONNECTIONS);

	return info != NULL ? info->num_connections : 0;
}

static void nap(unsigned ms)
{
	const struct timespec t = { 0, (long)ms * 1000000 };

	nanosleep(&t, NULL);
}

void http_stop(struct http *h, unsigned grace_ms)
{
	int fd;

	if (h == NULL)
		return;
	fd = MHD_quiesce_daemon(h->d);
	/* Not the connections: clients keep those open for the next
	 * request. */
	for (unsigned t = 0; t < grace_ms && atomic_load(&h->busy) > 0;
	     t += STOP_POLL_MS)
		nap(STOP_POLL_MS);
	MHD_stop_daemon(h->d);
	http_due_free(h->due);
	if (fd >= 0)
		close(fd);
	free(h);
}

/* entity tags */

/* The opaque tag, quotes included, of one at s; 0: there is none. */
static size_t etag_len(const char *s)
{
	size_t n = 1;

	if (s[0] != '"')
		return 0;
	while (s[n] != '\0' && s[n] != '"')
		n++;
	return s[n] == '"' ? n + 1 : 0;
}

static const char *skip_weak(const char *s)
{
	return s[0] == 'W' && s[1] == '/' ? s + 2 : s;
}

bool http_etag_match(const char *if_none_match, const char *etag)
{
	const char *s = if_none_match;
	size_t len, want;

	if (s == NULL || etag == NULL)
		return false;
	etag = skip_weak(etag);
	want = etag_len(etag);
	s += strspn(s, " \t");
	if (want == 0)
		return false;
	if (s[0] == '*')
		return s[1 + strspn(s + 1, " \t")] == '\0';
	for (;;) {
		s += strspn(s, " \t,");
		s = skip_weak(s);
		len = etag_len(s);
		if (len == 0)
			return false;	/* the end, or nothing we know */
		if (len == want && memcmp(s, etag, len) == 0)
			return true;
		s += len;
	}
}
