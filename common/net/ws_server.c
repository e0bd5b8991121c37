/* The listener and its connections. Handshakes, reading and timeless protocol
 * work are left to libwebsockets. Its per-connection timers are not used: each
 * costs a walk through a sorted list of all connections. One timer a listener
 * looks at every connection instead (sweep()). */
#include "common/net/ws.h"

#include <errno.h>
#include <libwebsockets.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "common/net/addr.h"
#include "common/net/loop.h"
#include "common/net/ws_conn.h"
#include "common/net/ws_tls.h"

#define ACCEPT_BURST 64			/* then others have their turn */

/* server: handshake */

static int refuse(struct lws *wsi, unsigned status, const char *text)
{
	unsigned char b[LWS_PRE + 256];
	char *p = (char *)b + LWS_PRE;
	const char *extra = "";
	int n;

	if (status == 426)
		extra = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
	else if (status == 401)
		extra = "WWW-Authenticate: Bearer\r\n";
	n = snprintf(p, sizeof(b) - LWS_PRE, "HTTP/1.1 %u %s\r\n"
	             "Connection: close\r\nContent-Length: 0\r\n%s\r\n",
	             status, text, extra);
	lws_write(wsi, b + LWS_PRE, (size_t)n, LWS_WRITE_HTTP_HEADERS);
	return -1;
}

/* Whether name is an element of a comma-separated list of tokens. */
static bool list_has(const char *list, const char *name)
{
	size_t n = strlen(name);

	while (list != NULL && *list != '\0') {
		size_t len = strcspn(list, ",");
		size_t from = strspn(list, " \t");

		if (from <= len && len - from >= n &&
		    memcmp(list + from, name, n) == 0 &&
		    strspn(list + from + n, " \t") == len - from - n)
			return true;
		list += len + (list[len] == ',');
	}
	return false;
}

static int on_upgrade(struct lws *wsi, struct ws_conn *c, const char *what)
{
	struct ws_request rq = { .peer = c->peer };
	char path[256], version[8], list[128];	/* it stops at 128 as well */
	struct ws_headers h;
	int status = 0;

	if (ws_conn_header(wsi, WSI_TOKEN_GET_URI, path,
	                   sizeof(path)) == NULL ||
	    strcmp(path, c->ls->path) != 0)
		return refuse(wsi, 404, "Not Found");
	if (strcasecmp(what, "websocket") != 0 ||
	    ws_conn_header(wsi, WSI_TOKEN_VERSION, version,
	                   sizeof(version)) == NULL ||
	    strcmp(version, "13") != 0)
		return refuse(wsi, 426, "Upgrade Required");
	if (lws_hdr_fragment_length(wsi, WSI_TOKEN_PROTOCOL, 1) > 0 ||
	    !list_has(ws_conn_header(wsi, WSI_TOKEN_PROTOCOL, list,
	                             sizeof(list)), c->ls->vhost->name))
		return refuse(wsi, 400, "Unknown Subprotocol");
	ws_conn_headers(wsi, &rq, &h);
	if (c->on->admit != NULL)
		status = c->on->admit(&rq, c->on->arg);
	c->refused = status != 0;
	if (status != 0)
		return refuse(wsi, (unsigned)status, "Refused");
	return 0;
}

static int on_plain_http(struct lws *wsi, const struct ws_conn *c,
                         const char *path)
{
	if (path == NULL || strcmp(path, c->ls->path) != 0)
		return refuse(wsi, 404, "Not Found");
	return refuse(wsi, 426, "Upgrade Required");
}

static int on_server(struct lws *wsi, struct ws_conn *c,
                     enum lws_callback_reasons why, void *in, size_t len)
{
	switch (why) {
	case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
		return on_upgrade(wsi, c, in);
	case LWS_CALLBACK_HTTP:
		return on_plain_http(wsi, c, in);
	case LWS_CALLBACK_ESTABLISHED:
		return ws_conn_opened(c);
	case LWS_CALLBACK_RECEIVE:
		return ws_conn_receive(c, in, len);
	case LWS_CALLBACK_RECEIVE_PONG:
		ws_conn_alive(c);
		return 0;
	case LWS_CALLBACK_SERVER_WRITEABLE:
		return ws_conn_writable(c);
	case LWS_CALLBACK_CLOSED:
	case LWS_CALLBACK_WSI_DESTROY:
		ws_conn_end(c);
		return 0;
	default:
		return 0;
	}
}

/* listener */

/* The limit that is reached, or NULL. */
static const char *full(const struct ws_listener *ls)
{
	const struct ws_limits *lim = &ls->limits;

	if (ls->n_conns >= lim->max_conns)
		return "too many connections";
	if (lim->max_handshakes > 0 && ls->n_opening >= lim->max_handshakes)
		return "too many handshakes";
	return NULL;
}

static void turn_away(struct ws_listener *ls,
                      const struct sockaddr_storage *ss, const char *why)
{
	char peer[sizeof(((struct ws_conn *)0)->peer)];

	addr_print((const struct sockaddr *)ss, peer, sizeof(peer));
	if (ls->on.turned_away != NULL)
		ls->on.turned_away(peer, why, ls->on.arg);
}

static struct ws_conn *server_conn(struct ws_listener *ls,
                                   const struct sockaddr_storage *ss)
{
	const char *why = full(ls);
	struct ws_conn *c = why != NULL ? NULL : calloc(1, sizeof(*c));

	if (why != NULL)
		turn_away(ls, ss, why);
	if (c == NULL)
		return NULL;
	c->ls = ls;
	c->event = on_server;
	c->on = &ls->on;
	c->limits = &ls->limits;
	c->user = ls->on.arg;
	buf_init(&c->in, ls->limits.max_message);
	if (addr_count_take(&ls->addrs, ss, ls->limits.max_conns_per_addr,
	                    &c->addr) != RC_OK) {
		turn_away(ls, ss, "too many connections from one address");
		free(c);
		return NULL;
	}
	addr_print((const struct sockaddr *)ss, c->peer, sizeof(c->peer));
	ws_conn_reason(c, WS_LOST, "connection lost", 15);
	ls->n_conns++;
	ls->n_opening++;
	ws_conn_link(c, &ls->conns);
	c->alive_ms = ws_conn_now(c);
	return c;
}

static void take_one(struct ws_listener *ls, int fd,
                     const struct sockaddr_storage *ss)
{
	struct ws_conn *c = server_conn(ls, ss);
	lws_sock_file_fd_type sock = { .sockfd = fd };
	int one = 1;

	if (c == NULL) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	/* It learns of c only when adopted: whether it calls back or not on
	 * its way to failing depends on where it fails. */
	c->wsi = lws_adopt_descriptor_vhost(ls->vhost->vh, LWS_ADOPT_SOCKET |
	                                    LWS_ADOPT_HTTP | LWS_ADOPT_ALLOW_SSL,
	                                    sock, NULL, NULL);
	if (c->wsi == NULL)
		ws_conn_end(c);
	else
		lws_set_opaque_user_data(c->wsi, c);
}

static void on_acceptable(uv_poll_t *h, int status, int events)
{
	struct ws_listener *ls = h->data;

	(void)status;
	(void)events;
	for (int i = 0; i < ACCEPT_BURST; i++) {
		struct sockaddr_storage ss = { 0 };
		socklen_t len = sizeof(ss);
		int fd = accept4(ls->fd, (struct sockaddr *)&ss, &len,
		                 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			take_one(ls, fd, &ss);
		} else if (errno == EMFILE || errno == ENFILE ||
		           errno == ENOBUFS || errno == ENOMEM) {
			uv_poll_stop(h);
			ls->paused = true;
			return;
		} else if (errno != ECONNABORTED && errno != EINTR) {
			return;
		}
	}
}

static void sweep(void *arg)
{
	struct ws_listener *ls = arg;
	struct ws_conn *next;

	for (struct ws_conn *c = ls->conns; c != NULL; c = next) {
		next = c->next;
		ws_conn_sweep(c);
	}
	if (ls->paused && ls->poll != NULL) {
		ls->paused = false;
		uv_poll_start(ls->poll, UV_READABLE, on_acceptable);
	}
}

static enum rc listen_fd(const struct ws_listen_config *cfg, struct diag *diag,
                         int *out)
{
	struct addrinfo hint = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV |
	                         AI_PASSIVE, .ai_socktype = SOCK_STREAM };
	struct addrinfo *ai;
	char port[8];
	int fd, err;

	snprintf(port, sizeof(port), "%u", cfg->port);
	err = getaddrinfo(cfg->addr, port, &hint, &ai);
	if (err != 0)
		return diag_set(diag, RC_EINVAL, "%s: not an IP address: %s",
		                cfg->addr, gai_strerror(err));
	fd = addr_bind(ai);
	freeaddrinfo(ai);
	if (fd < 0)
		return diag_set(diag, RC_EIO, "cannot listen on %s port %u: %s",
		                cfg->addr, cfg->port, strerror(errno));
	*out = fd;
	return RC_OK;
}

static void free_poll(uv_handle_t *h)
{
	free(h);
}

void ws_unlisten(struct ws_listener *ls)
{
	if (ls->poll == NULL)
		return;
	uv_close((uv_handle_t *)ls->poll, free_poll);
	close(ls->fd);
	ls->poll = NULL;
}

static enum rc start_accepting(struct ws_listener *ls)
{
	uv_poll_t *poll = malloc(sizeof(*poll));

	if (poll == NULL)
		return RC_ENOMEM;
	if (uv_poll_init(loop_uv(ls->side->l), poll, ls->fd) != 0) {
		free(poll);
		return RC_EIO;
	}
	poll->data = ls;
	ls->poll = poll;
	uv_poll_start(poll, UV_READABLE, on_acceptable);
	loop_timer_set(ls->timer, WS_SWEEP_MS, WS_SWEEP_MS);
	return RC_OK;
}

static struct ws_listener *listener_alloc(struct ws_side *s,
                                          const struct ws_listen_config *cfg)
{
	size_t len = strlen(cfg->path);
	struct ws_listener *ls = loop_alloc(s->l, sizeof(*ls) + len + 1);

	if (ls == NULL)
		return NULL;
	ls->path = (char *)(ls + 1);
	memcpy(ls->path, cfg->path, len + 1);
	ls->side = s;
	ls->on = cfg->on;
	ls->limits = cfg->limits;
	return ls;
}

static enum rc make_vhost(struct ws_listener *ls,
                          const struct ws_listen_config *cfg)
{
	enum rc rc = cfg->tls != NULL ? ws_tls_side(ls->side) : RC_OK;

	if (rc == RC_OK)
		rc = ws_vhost_new(ls->side, cfg->subprotocol, cfg->tls != NULL
		                  ? WS_SERVER_TLS : WS_SERVER, &ls->vhost);
	if (rc == RC_OK && cfg->tls != NULL) {
		ls->identity = tls_identity_ref(cfg->tls);
		ws_tls_serve(ls, cfg->ask_certificate);
	}
	return rc;
}

enum rc ws_listen(struct loop *l, const struct ws_listen_config *cfg,
                  struct diag *diag, struct ws_listener **out)
{
	struct ws_listener *ls = NULL;
	struct ws_side *s;
	int fd = -1;
	enum rc rc = ws_side_get(l, &s);

	if (rc == RC_OK)
		rc = listen_fd(cfg, diag, &fd);
	if (rc != RC_OK)
		goto out;
	rc = RC_ENOMEM;
	ls = listener_alloc(s, cfg);	/* the loop's, also on failure */
	if (ls == NULL)
		goto out;
	ls->fd = fd;
	ls->port = addr_port(fd);
	rc = loop_timer_new(l, sweep, ls, &ls->timer);
	if (rc == RC_OK)
		rc = make_vhost(ls, cfg);
	if (rc == RC_OK)
		rc = start_accepting(ls);
	if (rc != RC_OK) {
		tls_identity_unref(ls->identity);
		ls->identity = NULL;
		goto out;
	}
	fd = -1;
	ls->next = s->listeners;
	s->listeners = ls;
	*out = ls;
out:
	if (fd >= 0)
		close(fd);
	return rc;
}

uint16_t ws_port(const struct ws_listener *ls)
{
	return ls->port;
}

unsigned ws_conns(const struct ws_listener *ls)
{
	return ls->n_conns;
}

enum rc ws_set_identity(struct ws_listener *ls, struct tls_identity *id)
{
	if (ls->identity == NULL)
		return RC_EINVAL;
	tls_identity_ref(id);
	tls_identity_unref(ls->identity);
	ls->identity = id;
	return RC_OK;
}
