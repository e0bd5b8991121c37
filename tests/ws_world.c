#include "tests/ws_world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/certs.h"

/* the world */

static void gave_up(void *arg)
{
	struct world *w = arg;

	w->late = true;
	loop_stop(w->l);
}

static void on_tick(void *arg)
{
	struct world *w = arg;

	if (w->done == NULL || w->done(w))
		loop_stop(w->l);
}

/* Runs the loop until done() says so, which is asked each few milliseconds. */
void run_until(struct world *w, bool (*done)(struct world *w))
{
	w->done = done;
	loop_timer_set(w->give_up, GIVE_UP_MS, 0);
	loop_timer_set(w->tick, 1, 2);
	loop_run(w->l);
	loop_timer_stop(w->tick);
	CU_ASSERT_FALSE_FATAL(w->late);
}

static void keep(char *dst, size_t size, const char *text)
{
	snprintf(dst, size, "%s", text != NULL ? text : "(none)");
}

static int on_admit(const struct ws_request *rq, void *arg)
{
	struct world *w = arg;

	keep(w->auth, sizeof(w->auth), rq->authorization);
	keep(w->origin, sizeof(w->origin), rq->origin);
	w->tls = rq->tls;
	w->admitted++;
	return w->refuse_with;
}

static void on_open(struct ws_conn *c, const struct ws_request *rq)
{
	struct world *w = ws_user(c);

	if (w->opened < MANY + 10)
		w->conns[w->opened] = c;
	w->opened++;
	keep(w->peer, sizeof(w->peer), rq->peer);
	CU_ASSERT_TRUE(ws_is_open(c));
	CU_ASSERT_TRUE(ws_ready(c));
	if (w->greeting != NULL)
		CU_ASSERT_EQUAL(ws_send_text(c, w->greeting,
		                             strlen(w->greeting)), RC_OK);
}

static void on_message(struct ws_conn *c, const char *data, size_t len)
{
	struct world *w = ws_user(c);

	w->messages++;
	w->bytes += len;
	CU_ASSERT_EQUAL(data[len], '\0');
	snprintf(w->last, sizeof(w->last), "%s", data);
	if (strcmp(data, "echo") == 0)
		CU_ASSERT_EQUAL(ws_send_text(c, "ohce", 4), RC_OK);
	if (strcmp(data, "close me") == 0)
		ws_close(c, 4001, "as you wish");
	if (strcmp(data, "drop me") == 0)
		ws_abort(c);
}

static void on_writable(struct ws_conn *c)
{
	struct world *w = ws_user(c);

	w->writable++;
	CU_ASSERT_TRUE(ws_ready(c));
}

static void on_paused(struct ws_conn *c)
{
	struct world *w = ws_user(c);

	w->paused++;
}

static void on_closed(struct ws_conn *c, unsigned code, const char *reason)
{
	struct world *w = ws_user(c);

	w->closed++;
	w->code = code;
	keep(w->reason, sizeof(w->reason), reason);
	for (size_t i = 0; i < MANY + 10; i++)
		if (w->conns[i] == c)
			w->conns[i] = NULL;
	CU_ASSERT_FALSE(ws_is_open(c));
	CU_ASSERT_EQUAL(ws_send_text(c, "x", 1), RC_EINVAL);
}

const struct ws_handlers world_handlers = {
	.admit = on_admit, .open = on_open, .message = on_message,
	.writable = on_writable, .paused = on_paused, .closed = on_closed
};

void world_listen(struct world *w, const char *addr)
{
	struct ws_listen_config cfg = {
		.addr = addr, .path = "/push", .subprotocol = "alto-push.v1",
		.on = world_handlers, .limits = w->limits,
		.tls = w->identity, .ask_certificate = w->ask
	};
	struct diag d;

	diag_clear(&d);
	cfg.on.arg = w;
	CU_ASSERT_EQUAL_FATAL(ws_listen(w->l, &cfg, &d, &w->ls), RC_OK);
	CU_ASSERT(ws_port(w->ls) != 0);
}

const char *world_tls;

struct tls_identity *world_identity(const char *base)
{
	const struct tls_files files = {
		certs_file(base, "pem"), certs_file(base, "key"),
		certs_file("ca", "pem")
	};
	struct tls_identity *id = NULL;

	CU_ASSERT_EQUAL_FATAL(tls_identity_load(&files, &id, NULL), RC_OK);
	return id;
}

void world_make(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->limits = (struct ws_limits){
		.max_conns = MANY + 10, .max_conns_per_addr = MANY + 10,
		.max_message = 1000, .max_queue = 100000, .handshake_s = 10
	};
	if (world_tls != NULL)
		w->identity = world_identity(world_tls);
	CU_ASSERT_EQUAL_FATAL(loop_new(&w->l), RC_OK);
	CU_ASSERT_EQUAL_FATAL(loop_timer_new(w->l, gave_up, w, &w->give_up),
	                      RC_OK);
	CU_ASSERT_EQUAL_FATAL(loop_timer_new(w->l, on_tick, w, &w->tick), RC_OK);
}

void world_serve(struct world *w)
{
	world_make(w);
	world_listen(w, "127.0.0.1");
}

void world_end(struct world *w)
{
	loop_free(w->l);
	tls_identity_unref(w->identity);
	CU_ASSERT_EQUAL(w->opened, w->closed);
}

/* a raw client */

struct raw_manner raw_manner;

static SSL *raw_tls(int fd)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl;

	CU_ASSERT_PTR_NOT_NULL_FATAL(ctx);
	if (raw_manner.most != 0) {
		SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
		SSL_CTX_set_max_proto_version(ctx, raw_manner.most);
		SSL_CTX_set_security_level(ctx, 0);
	}
	if (raw_manner.show != NULL) {
		const char *cert = certs_file(raw_manner.show, "pem");
		const char *key = certs_file(raw_manner.show, "key");

		CU_ASSERT_EQUAL(SSL_CTX_use_certificate_file(ctx, cert,
		                SSL_FILETYPE_PEM), 1);
		CU_ASSERT_EQUAL(SSL_CTX_use_PrivateKey_file(ctx, key,
		                SSL_FILETYPE_PEM), 1);
	}
	if (raw_manner.offer != NULL)
		SSL_CTX_set_alpn_protos(ctx,
		        (const unsigned char *)raw_manner.offer,
		        (unsigned)strlen(raw_manner.offer));
	ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	CU_ASSERT_PTR_NOT_NULL_FATAL(ssl);
	SSL_set_fd(ssl, fd);
	SSL_set_connect_state(ssl);
	SSL_set_mode(ssl, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return ssl;
}

/* Goes on with the handshake, and with what waits for its end. */
void raw_go_on(struct raw *r)
{
	int n;

	if (r->ssl == NULL)
		return;
	if (!r->shaken)
		r->shaken = SSL_do_handshake(r->ssl) == 1;
	if (!r->shaken || r->out_len == 0)
		return;
	n = SSL_write(r->ssl, r->out, (int)r->out_len);
	if (n <= 0)
		return;
	r->out_len = 0;
	free(r->out);
	r->out = NULL;
}

void raw_open(struct raw *r, uint16_t port, int rcvbuf)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };

	memset(r, 0, sizeof(*r));
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	r->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (rcvbuf > 0)
		setsockopt(r->fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf,
		           sizeof(rcvbuf));
	CU_ASSERT_EQUAL_FATAL(connect(r->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	fcntl(r->fd, F_SETFL, O_NONBLOCK);
	if (world_tls != NULL)
		r->ssl = raw_tls(r->fd);
}

void raw_put(struct raw *r, const void *data, size_t len)
{
	if (r->ssl == NULL) {
		CU_ASSERT_EQUAL(send(r->fd, data, len, MSG_NOSIGNAL),
		                (ssize_t)len);
		return;
	}
	r->out = realloc(r->out, r->out_len + len);
	CU_ASSERT_PTR_NOT_NULL_FATAL(r->out);
	memcpy(r->out + r->out_len, data, len);
	r->out_len += len;
	raw_go_on(r);
}

void raw_request(struct raw *r, const char *path, const char *protocol,
                        const char *more)
{
	char text[8192];
	int n = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\n"
	                 "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	                 "Sec-WebSocket-Version: 13\r\n"
	                 "%s%s%s%s\r\n", path,
	                 protocol != NULL ? "Sec-WebSocket-Protocol: " : "",
	                 protocol != NULL ? protocol : "",
	                 protocol != NULL ? "\r\n" : "", more);

	raw_put(r, text, (size_t)n);
}

/* As read(2) does. */
static ssize_t raw_take(struct raw *r, void *dst, size_t room)
{
	int n, err;

	if (r->ssl == NULL)
		return read(r->fd, dst, room);
	raw_go_on(r);
	ERR_clear_error();
	n = SSL_read(r->ssl, dst, (int)room);
	if (n > 0)
		return n;
	err = SSL_get_error(r->ssl, n);
	errno = err == SSL_ERROR_WANT_READ ? EAGAIN : EIO;
	return err == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

void raw_read(struct raw *r)
{
	ssize_t n;

	while (!r->eof && !r->stalled) {
		if (r->cap - r->len < 65536) {
			r->cap = r->cap * 2 + 131072;
			r->in = realloc(r->in, r->cap);
			CU_ASSERT_PTR_NOT_NULL_FATAL(r->in);
			r->in[r->len] = '\0';
		}
		n = raw_take(r, r->in + r->len, r->cap - r->len - 1);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0)
			r->eof = true;
		else
			r->len += (size_t)n;
		r->in[r->len] = '\0';
	}
}

void raw_close(struct raw *r)
{
	SSL_free(r->ssl);
	close(r->fd);
	free(r->out);
	free(r->in);
}

static void raw_payload(struct raw *r, unsigned op, bool fin,
                        const unsigned char *p, size_t n)
{
	if (op == 0x9) {
		r->pings++;
	} else if (op == 0xa) {
		r->pongs++;
		r->pong_in_message += r->in_message;
		snprintf(r->pong, sizeof(r->pong), "%.*s", (int)n, p);
	} else if (op == 0x8 && n >= 2) {
		r->code = (unsigned)p[0] << 8 | p[1];
		snprintf(r->reason, sizeof(r->reason), "%.*s", (int)n - 2,
		         p + 2);
	} else if (op == (r->in_message ? 0u : 1u)) {
		if (!r->in_message)
			r->message = r->run = 0;
		for (size_t i = 0; i < n; i++)
			r->run = r->run * 31 + p[i];
		r->message += n;
		r->in_message = !fin;
		if (fin) {
			r->messages++;
			r->last_len = r->message;
			r->sum = r->run;
		}
	} else if (op != 0x8) {
		r->broken++;		/* out of order, or nonsense */
	}
}

/* Parses what came, as strictly as RFC 6455 allows. */
void raw_parse(struct raw *r)
{
	char *end;

	raw_read(r);
	if (r->at == 0 && r->in != NULL) {
		end = strstr((char *)r->in, "\r\n\r\n");
		if (end == NULL)
			return;
		r->at = (size_t)(end + 4 - (char *)r->in);
	}
	while (r->len - r->at >= 2) {
		const unsigned char *p = r->in + r->at;
		size_t n = p[1] & 0x7f, head = 2;

		if ((p[0] & 0x70) != 0 || (p[1] & 0x80) != 0 || n == 127) {
			r->broken++;
			return;
		}
		if (n == 126) {
			if (r->len - r->at < 4)
				return;
			n = (size_t)p[2] << 8 | p[3];
			head = 4;
		}
		if (r->len - r->at < head + n)
			return;
		raw_payload(r, p[0] & 0xf, (p[0] & 0x80) != 0, p + head, n);
		r->at += head + n;
	}
}

void raw_frame(struct raw *r, unsigned op, bool fin, const void *data,
                      size_t len)
{
	static const unsigned char mask[4] = { 1, 2, 3, 4 };
	unsigned char *b = malloc(len + 14);
	size_t head = len < 126 ? 2 : len < 65536 ? 4 : 10;

	CU_ASSERT_PTR_NOT_NULL_FATAL(b);
	memset(b, 0, 14);
	b[0] = (unsigned char)((fin ? 0x80u : 0) | op);
	b[1] = (unsigned char)(0x80 | (len < 126 ? len : len < 65536 ? 126 : 127));
	for (size_t i = 0; head > 2 && i < head - 2 && i < 8; i++)
		b[head - 1 - i] = (unsigned char)(i < 8 ? len >> 8 * i : 0);
	memcpy(b + head, mask, 4);
	for (size_t i = 0; i < len; i++)
		b[head + 4 + i] = ((const unsigned char *)data)[i] ^ mask[i & 3];
	raw_put(r, b, head + 4 + len);
	free(b);
}

void raw_text(struct raw *r, const char *text)
{
	raw_frame(r, 1, true, text, strlen(text));
}

struct joining {
	struct raw *r;
	unsigned n, want;
};

static bool all_open(struct world *w)
{
	struct joining *j = w->test;

	for (unsigned i = 0; i < j->n; i++)
		raw_go_on(&j->r[i]);
	return w->opened == j->want;
}

void raw_join(struct world *w, struct raw *r, unsigned n, int rcvbuf)
{
	struct joining j = { r, n, w->opened + n };

	for (unsigned i = 0; i < n; i++) {
		raw_open(&r[i], ws_port(w->ls), rcvbuf);
		raw_request(&r[i], "/push", "alto-push.v1", "");
	}
	w->test = &j;
	run_until(w, all_open);
}

/* conditions */

bool one_message(struct world *w)
{
	return w->messages >= 1;
}

bool one_open(struct world *w)
{
	return w->opened >= 1;
}

bool one_writable(struct world *w)
{
	return w->writable >= 1;
}

bool one_closed(struct world *w)
{
	return w->closed >= 1;
}

bool raw_has_eof(struct world *w)
{
	raw_parse(w->test);
	return ((struct raw *)w->test)->eof;
}

bool raw_has_message(struct world *w)
{
	raw_parse(w->test);
	return ((struct raw *)w->test)->messages > 0;
}

bool raw_has_code(struct world *w)
{
	raw_parse(w->test);
	return ((struct raw *)w->test)->code != 0;
}

bool raw_has_pong(struct world *w)
{
	raw_parse(w->test);
	return ((struct raw *)w->test)->pongs > 0;
}

/* texts */

unsigned sum_of(const char *p, size_t n)
{
	unsigned s = 0;

	for (size_t i = 0; i < n; i++)
		s = s * 31 + (unsigned char)p[i];
	return s;
}

char *make_text(size_t n)
{
	char *p = malloc(n + 1);

	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	for (size_t i = 0; i < n; i++)
		p[i] = (char)('a' + (i * 2654435761u >> 13) % 26);
	p[n] = '\0';
	return p;
}

bool more_files(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) != 0)
		return false;
	lim.rlim_cur = lim.rlim_max < 4096 ? lim.rlim_max : 4096;
	return setrlimit(RLIMIT_NOFILE, &lim) == 0;
}

/* our client */

void call(struct caller *k, const char *uri, const char *protocol,
                 enum rc want)
{
	struct ws_connect_config cfg = {
		.uri = uri, .subprotocol = protocol,
		.authorization = "Bearer t0k3n", .on = world_handlers,
		.limits = k->w.limits, .tls = k->trust
	};

	diag_clear(&k->d);
	cfg.on.admit = NULL;
	cfg.on.arg = &k->at;
	cfg.limits.max_message = 4 * 1024 * 1024;
	CU_ASSERT_EQUAL(ws_connect(k->w.l, &cfg, &k->d, &k->c), want);
	CU_ASSERT(want == RC_OK || k->d.text[0] != '\0');
}

bool both_open(struct world *w)
{
	return w->opened == 1 && ((struct caller *)w->test)->at.opened == 1;
}

bool caller_closed(struct world *w)
{
	return ((struct caller *)w->test)->at.closed == 1;
}

bool caller_has_message(struct world *w)
{
	return ((struct caller *)w->test)->at.messages >= 1;
}

bool caller_writable(struct world *w)
{
	return ((struct caller *)w->test)->at.writable >= 1;
}

void caller_make(struct caller *k)
{
	char uri[64];

	memset(&k->at, 0, sizeof(k->at));
	memset(&k->trust, 0, sizeof(k->trust));
	if (world_tls != NULL)
		k->trust.ca_file = certs_file("ca", "pem");
	world_serve(&k->w);
	k->w.test = k;
	snprintf(uri, sizeof(uri), "%s://127.0.0.1:%u/push",
	         world_tls != NULL ? "wss" : "ws", ws_port(k->w.ls));
	call(k, uri, "alto-push.v1", RC_OK);
	CU_ASSERT_EQUAL(k->at.opened + k->at.closed, 0);	/* never within */
}

void caller_end(struct caller *k)
{
	loop_free(k->w.l);
	tls_identity_unref(k->w.identity);
	CU_ASSERT_EQUAL(k->at.closed, 1);
}
