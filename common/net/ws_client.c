/* Connections to others: name lookup, one address after the other, handshake.
 */
#include "common/net/ws.h"

#include <libwebsockets.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <uv.h>

#include "common/net/addr.h"
#include "common/net/loop.h"
#include "common/net/tls_check.h"
#include "common/net/ws_conn.h"
#include "common/net/ws_tls.h"

#define URI_MAX 2048
#define HEARD "HS: ws upgrade "	/* so libwebsockets says that the answer is no */
#define TLS_HOST_MAX 127	/* libwebsockets takes no more, the port counted */

static int on_append_header(struct ws_conn *c, unsigned char **p,
                            size_t room)
{
	const char *a = c->cl->authorization;

	if (a == NULL)
		return 0;
	return lws_add_http_header_by_name(c->wsi,
	                (const unsigned char *)"Authorization:",
	                (const unsigned char *)a, (int)strlen(a), p,
	                *p + room);
}

static void on_connect_failed(struct ws_conn *c, const char *text, size_t len)
{
	c->cl->refused = 0;
	if (text != NULL && len >= sizeof(HEARD) &&
	    strncmp(text, HEARD, sizeof(HEARD) - 1) == 0)
		c->cl->refused = lws_http_client_http_response(c->wsi);
	if (c->cl->tls_why[0] != '\0') {
		text = c->cl->tls_why;
		len = sizeof(c->cl->tls_why);
	}
	if (!c->closing)
		ws_conn_reason(c, WS_LOST, text != NULL ? text :
		               "cannot connect", text != NULL ?
		               strnlen(text, len) : 14);
	lws_set_opaque_user_data(c->wsi, NULL);
	c->wsi = NULL;
	loop_timer_set(c->cl->retry, 0, 0);
}

static int on_client(struct lws *wsi, struct ws_conn *c,
                     enum lws_callback_reasons why, void *in, size_t len)
{
	switch (why) {
	case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
		c->wsi = wsi;
		return on_append_header(c, in, len);
	case LWS_CALLBACK_CLIENT_FILTER_PRE_ESTABLISH:
		/* It takes an answer that names no subprotocol for ours. */
		return lws_hdr_total_length(wsi, WSI_TOKEN_PROTOCOL) == 0;
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		c->wsi = wsi;
		return ws_conn_opened(c);
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		c->wsi = wsi;
		on_connect_failed(c, in, len);
		return 0;
	case LWS_CALLBACK_CLIENT_RECEIVE:
		return ws_conn_receive(c, in, len);
	case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
		ws_conn_alive(c);
		return 0;
	case LWS_CALLBACK_CLIENT_WRITEABLE:
		return ws_conn_writable(c);
	case LWS_CALLBACK_CLIENT_CLOSED:
		ws_conn_end(c);
		return 0;
	case LWS_CALLBACK_WSI_DESTROY:
		/* Where connect() fails at once this may be the only word. */
		c->wsi = wsi;
		if (c->cl->dialing)
			on_connect_failed(c, NULL, 0);
		else
			ws_conn_end(c);
		return 0;
	default:
		return 0;
	}
}

static bool is_wss(const char *uri)
{
	return strncasecmp(uri, "wss://", 6) == 0;
}

/* Cuts ws[s]://host[:port][/path] into cl->uri, which holds a copy with room for
 * two more bytes behind. */
static enum rc uri_split(struct ws_client *cl)
{
	char *p = cl->uri, *end;
	bool tls = is_wss(p);
	size_t n;

	if (!tls && strncasecmp(p, "ws://", 5) != 0)
		return RC_EINVAL;
	for (const char *q = p; *q != '\0'; q++)
		if ((unsigned char)*q <= ' ' || *q == 0x7f || *q == '#')
			return RC_EINVAL;
	p += tls ? 6 : 5;
	n = strcspn(p, "/?");
	if (n == 0 || memchr(p, '@', n) != NULL || p[n] == '?')
		return RC_EINVAL;
	end = p + n;
	/* The host moves a byte down to end in its own NUL; the path keeps
	 * its slash. */
	memmove(p - 1, p, n);
	p[n - 1] = '\0';
	cl->host = p - 1;
	cl->path = *end == '/' ? end : "/";
	cl->port = tls ? "443" : "80";
	return RC_OK;
}

static enum rc host_split(struct ws_client *cl)
{
	char *colon = NULL;
	long port;
	char *end;

	if (cl->host[0] == '[') {
		end = strchr(cl->host, ']');
		if (end == NULL || (end[1] != ':' && end[1] != '\0'))
			return RC_EINVAL;
		colon = end[1] == ':' ? end + 1 : NULL;
		*end = '\0';
		cl->host++;
	} else {
		colon = strchr(cl->host, ':');
	}
	if (colon != NULL) {
		*colon = '\0';
		cl->port = colon + 1;
	}
	port = strtol(cl->port, &end, 10);
	if (cl->host[0] == '\0' || cl->port[0] < '0' || cl->port[0] > '9' ||
	    *end != '\0' || port < 1 || port > 65535)
		return RC_EINVAL;
	return RC_OK;
}

static void print_sockaddr_host(const struct addrinfo *ai, char *dst,
                                size_t size)
{
	if (getnameinfo(ai->ai_addr, ai->ai_addrlen, dst, (socklen_t)size, NULL,
	                0, NI_NUMERICHOST) != 0)
		dst[0] = '\0';
}

static void connect_one(struct ws_conn *c, const struct addrinfo *ai)
{
	struct ws_client *cl = c->cl;
	struct lws_client_connect_info i;
	char addr[INET6_ADDRSTRLEN + 20];

	print_sockaddr_host(ai, addr, sizeof(addr));
	addr_print(ai->ai_addr, c->peer, sizeof(c->peer));
	memset(&i, 0, sizeof(i));
	i.context = loop_lws(cl->side->l);
	i.vhost = cl->vhost->vh;
	i.address = addr;
	i.port = (int)strtol(cl->port, NULL, 10);
	i.path = cl->path;
	i.host = cl->host_header;
	i.protocol = cl->vhost->name;
	i.local_protocol_name = cl->vhost->name;
	i.ietf_version_or_minus_one = -1;
	i.ssl_connection = LCCSCF_HTTP_NO_FOLLOW_REDIRECT;
	if (cl->judge != NULL)
		i.ssl_connection |= LCCSCF_USE_SSL;
	cl->tls_why[0] = '\0';
	i.pwsi = &c->wsi;	/* the handshake may begin within the call */
	i.opaque_user_data = c;
	i.retry_and_idle_policy = &ws_no_lws_timers;
	i.alpn = "http/1.1";
	cl->dialing = true;
	c->wsi = lws_client_connect_via_info(&i);
	cl->dialing = false;
}

/* The next address, or the end. Where libwebsockets fails at once it may have
 * called on_connect_failed() or not; both lead here again. */
static void on_retry(void *arg)
{
	struct ws_conn *c = arg;
	struct ws_client *cl = c->cl;
	struct addrinfo *ai = cl->next_addr;

	if (c->wsi != NULL)
		return;
	if (c->closing || ai == NULL) {
		ws_conn_end(c);
		return;
	}
	cl->next_addr = ai->ai_next;
	connect_one(c, ai);
	if (c->wsi == NULL)
		loop_timer_set(cl->retry, 0, 0);
}

static void on_resolved(uv_getaddrinfo_t *req, int status,
                        struct addrinfo *found)
{
	struct ws_resolve *r = (struct ws_resolve *)req;
	struct ws_conn *c = r->c;

	r->side->resolving--;
	free(r);
	if (c == NULL) {
		uv_freeaddrinfo(found);
		return;
	}
	c->cl->resolve = NULL;
	if (status != 0) {
		if (!c->closing)
			ws_conn_reason(c, WS_LOST, uv_strerror(status),
			               strlen(uv_strerror(status)));
	} else {
		c->cl->addrs = c->cl->next_addr = found;
	}
	on_retry(c);
}

static void sweep_client(void *arg)
{
	ws_conn_sweep(arg);
}

static enum rc resolve_start(struct ws_conn *c)
{
	struct addrinfo hint = { .ai_socktype = SOCK_STREAM,
	                         .ai_flags = AI_NUMERICSERV };
	struct ws_client *cl = c->cl;
	struct ws_resolve *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return RC_ENOMEM;
	r->side = cl->side;
	r->c = c;
	if (uv_getaddrinfo(loop_uv(cl->side->l), &r->req, on_resolved, cl->host,
	                   cl->port, &hint) != 0) {
		free(r);
		return RC_EIO;
	}
	cl->side->resolving++;
	cl->resolve = r;
	return RC_OK;
}

static enum rc client_vhost(struct ws_side *s, const char *name, bool tls,
                            struct ws_vhost **out)
{
	enum rc rc = tls ? ws_tls_side(s) : RC_OK;

	if (rc != RC_OK)
		return rc;
	for (struct ws_vhost *v = s->client_vhosts; v != NULL; v = v->next) {
		if (strcmp(v->name, name) == 0 && v->tls == tls) {
			*out = v;
			return RC_OK;
		}
	}
	rc = ws_vhost_new(s, name, tls ? WS_CLIENT_TLS : WS_CLIENT, out);
	if (rc != RC_OK)
		return rc;
	(*out)->next = s->client_vhosts;
	s->client_vhosts = *out;
	return RC_OK;
}

/* The texts of the configuration: the URI cut up in one copy, with the Host
 * value (host and port as given) behind it. */
static enum rc client_texts(struct ws_client *cl,
                            const struct ws_connect_config *cfg,
                            struct diag *diag)
{
	size_t len = strlen(cfg->uri);
	enum rc rc;

	memcpy(cl->uri, cfg->uri, len + 1);
	rc = uri_split(cl);
	if (rc == RC_OK) {
		cl->host_header = cl->uri + len + 1;
		memcpy(cl->host_header, cl->host, strlen(cl->host) + 1);
		rc = host_split(cl);
	}
	if (rc != RC_OK)
		return diag_set(diag, rc, "%s: not ws://host[:port]/path, or "
		                "wss://", cfg->uri);
	if (cfg->authorization == NULL)
		return RC_OK;
	for (const char *p = cfg->authorization; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return diag_set(diag, RC_EINVAL,
			                "control character in a token");
	cl->authorization = strdup(cfg->authorization);
	return cl->authorization != NULL ? RC_OK : RC_ENOMEM;
}

static enum rc client_judge(struct ws_client *cl,
                            const struct ws_connect_config *cfg,
                            struct diag *diag)
{
	if (!is_wss(cfg->uri))
		return RC_OK;
	if (strlen(cl->host_header) > TLS_HOST_MAX)
		return diag_set(diag, RC_EINVAL, "%s: host over %d bytes",
		                cfg->uri, TLS_HOST_MAX);
	return tls_judge_new(&cfg->tls, cl->host, &cl->judge, diag);
}

static enum rc client_new(struct ws_side *s,
                          const struct ws_connect_config *cfg,
                          struct diag *diag, struct ws_client **out)
{
	size_t len = strlen(cfg->uri);
	struct ws_client *cl = NULL;
	enum rc rc;

	if (len > URI_MAX)
		return diag_set(diag, RC_EINVAL, "URI over %d bytes", URI_MAX);
	cl = calloc(1, sizeof(*cl) + 2 * (len + 1));
	if (cl == NULL)
		return RC_ENOMEM;
	cl->side = s;
	cl->on = cfg->on;
	cl->limits = cfg->limits;
	cl->tail = &cl->head;
	rc = client_texts(cl, cfg, diag);
	if (rc == RC_OK)
		rc = client_judge(cl, cfg, diag);
	if (rc == RC_OK)
		rc = client_vhost(s, cfg->subprotocol, cl->judge != NULL,
		                  &cl->vhost);
	if (rc != RC_OK) {
		ws_client_free(cl);
		return rc;
	}
	*out = cl;
	return RC_OK;
}

enum rc ws_connect(struct loop *l, const struct ws_connect_config *cfg,
                   struct diag *diag, struct ws_conn **out)
{
	struct ws_client *cl = NULL;
	struct ws_conn *c = NULL;
	struct ws_side *s;
	enum rc rc = ws_side_get(l, &s);

	if (rc == RC_OK)
		rc = client_new(s, cfg, diag, &cl);
	if (rc != RC_OK)
		return rc;
	rc = RC_ENOMEM;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		goto out;
	c->cl = cl;
	c->event = on_client;
	c->on = &cl->on;
	c->limits = &cl->limits;
	c->user = cfg->on.arg;
	buf_init(&c->in, cl->limits.max_message);
	ws_conn_reason(c, WS_LOST, "connection lost", 15);
	c->alive_ms = loop_now_ms(l);
	rc = loop_timer_new(l, sweep_client, c, &cl->timer);
	if (rc == RC_OK)
		rc = loop_timer_new(l, on_retry, c, &cl->retry);
	if (rc == RC_OK)
		rc = resolve_start(c);
	if (rc != RC_OK)
		goto out;
	loop_timer_set(cl->timer, WS_SWEEP_MS, WS_SWEEP_MS);
	ws_conn_link(c, &s->clients);
	*out = c;
	return RC_OK;
out:
	ws_client_free(cl);
	free(c);
	return rc;
}
