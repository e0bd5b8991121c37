/* WebSockets over loopback: our listener against raw sockets that can
 * misbehave, and our client against our listener. Everything happens on one
 * loop; the raw sockets are driven by a timer tick and never block it. */
#include "common/net/ws.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/net/loop.h"
#include "tests/suite.h"

#define GIVE_UP_MS 8000
#define MANY 500
#define MB2 (2 * 1024 * 1024 + 5)
#define HUGE (16 * 1024 * 1024 + 7)	/* more than any socket takes at once */

struct world {
	struct loop *l;
	struct ws_listener *ls;
	struct loop_timer *give_up, *tick;
	bool (*done)(struct world *w);
	bool late;
	unsigned opened, closed, messages, writable;
	unsigned code;			/* of the last close */
	char reason[WS_REASON_MAX + 1];
	struct ws_conn *conns[MANY + 10];
	size_t bytes;			/* of messages */
	char last[256];
	char auth[64], origin[64], peer[64];
	int refuse_with;
	const char *greeting;		/* sent in `open` */
	struct ws_limits limits;
	void *test;			/* whatever the test wants */
};

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
static void run_until(struct world *w, bool (*done)(struct world *w))
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

static const struct ws_handlers handlers = {
	.admit = on_admit, .open = on_open, .message = on_message,
	.writable = on_writable, .closed = on_closed
};

static void listen_on(struct world *w, const char *addr)
{
	struct ws_listen_config cfg = {
		.addr = addr, .path = "/push", .subprotocol = "alto-push.v1",
		.on = handlers, .limits = w->limits
	};
	struct diag d;

	diag_clear(&d);
	cfg.on.arg = w;
	CU_ASSERT_EQUAL_FATAL(ws_listen(w->l, &cfg, &d, &w->ls), RC_OK);
	CU_ASSERT(ws_port(w->ls) != 0);
}

static void world_make(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->limits = (struct ws_limits){
		.max_conns = MANY + 10, .max_conns_per_addr = MANY + 10,
		.max_message = 1000, .max_queue = 100000, .handshake_s = 10
	};
	CU_ASSERT_EQUAL_FATAL(loop_new(&w->l), RC_OK);
	CU_ASSERT_EQUAL_FATAL(loop_timer_new(w->l, gave_up, w, &w->give_up),
	                      RC_OK);
	CU_ASSERT_EQUAL_FATAL(loop_timer_new(w->l, on_tick, w, &w->tick), RC_OK);
}

static void world_serve(struct world *w)
{
	world_make(w);
	listen_on(w, "127.0.0.1");
}

static void world_end(struct world *w)
{
	loop_free(w->l);
	CU_ASSERT_EQUAL(w->opened, w->closed);
}

/* a raw client */

struct raw {
	int fd;
	bool eof, stalled;
	size_t len, cap;
	unsigned char *in;		/* everything that came */
	size_t at;			/* parsed so far */
	size_t message;			/* payload of the message being gathered */
	bool in_message;
	unsigned messages, pings, pongs, broken;
	size_t last_len;
	unsigned sum;			/* of the payload of the last message */
	unsigned run;			/* of the one being gathered */
	unsigned pong_in_message;
	unsigned code;			/* of a close frame */
	char reason[130];
	char pong[130];
};

static void raw_open(struct raw *r, uint16_t port, int rcvbuf)
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
}

static void raw_put(struct raw *r, const void *data, size_t len)
{
	CU_ASSERT_EQUAL(send(r->fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void raw_request(struct raw *r, const char *path, const char *protocol,
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

static void raw_read(struct raw *r)
{
	ssize_t n;

	while (!r->eof && !r->stalled) {
		if (r->cap - r->len < 65536) {
			r->cap = r->cap * 2 + 131072;
			r->in = realloc(r->in, r->cap);
			CU_ASSERT_PTR_NOT_NULL_FATAL(r->in);
			r->in[r->len] = '\0';
		}
		n = read(r->fd, r->in + r->len, r->cap - r->len - 1);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0)
			r->eof = true;
		else
			r->len += (size_t)n;
		r->in[r->len] = '\0';
	}
}

static void raw_close(struct raw *r)
{
	close(r->fd);
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
static void raw_parse(struct raw *r)
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

static void raw_frame(struct raw *r, unsigned op, bool fin, const void *data,
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

static void raw_text(struct raw *r, const char *text)
{
	raw_frame(r, 1, true, text, strlen(text));
}

static bool all_open(struct world *w)
{
	return w->opened == *(unsigned *)w->test;
}

static void raw_join(struct world *w, struct raw *r, unsigned n, int rcvbuf)
{
	unsigned want = w->opened + n;

	for (unsigned i = 0; i < n; i++) {
		raw_open(&r[i], ws_port(w->ls), rcvbuf);
		raw_request(&r[i], "/push", "alto-push.v1", "");
	}
	w->test = &want;
	run_until(w, all_open);
}

/* conditions */

static bool one_message(struct world *w)
{
	return w->messages >= 1;
}

static bool three_messages(struct world *w)
{
	return w->messages == 3;
}

static bool all_100_messages(struct world *w)
{
	return w->messages == 100;
}

static bool one_writable(struct world *w)
{
	return w->writable >= 1;
}

static bool one_closed(struct world *w)
{
	return w->closed >= 1;
}

static bool raw_has_eof(struct world *w)
{
	raw_parse(w->test);
	return ((struct raw *)w->test)->eof;
}

static bool raw_has_message(struct world *w)
{
	raw_parse(w->test);
	return ((struct raw *)w->test)->messages > 0;
}

static bool raw_has_2_messages(struct world *w)
{
	raw_parse(w->test);
	return ((struct raw *)w->test)->messages == 2;
}

static bool raw_has_code(struct world *w)
{
	raw_parse(w->test);
	return ((struct raw *)w->test)->code != 0;
}

static bool raw_has_pong(struct world *w)
{
	raw_parse(w->test);
	return ((struct raw *)w->test)->pongs > 0;
}

/* handshake */

static void text_goes_both_ways(void)
{
	struct world w;
	struct raw r;

	world_serve(&w);
	w.greeting = "hello";
	raw_open(&r, ws_port(w.ls), 0);
	raw_request(&r, "/push", "other, alto-push.v1",
	            "Authorization: Bearer abc\r\nOrigin: http://o\r\n");
	raw_text(&r, "echo");		/* in the same breath */
	w.test = &r;
	run_until(&w, raw_has_2_messages);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)r.in, "HTTP/1.1 101"));
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)r.in,
	                       "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)r.in,
	                       "Protocol: alto-push.v1\r\n"));
	CU_ASSERT_EQUAL(r.last_len, 4);
	CU_ASSERT_STRING_EQUAL(w.auth, "Bearer abc");
	CU_ASSERT_STRING_EQUAL(w.origin, "http://o");
	CU_ASSERT_EQUAL(strncmp(w.peer, "127.0.0.1:", 10), 0);
	CU_ASSERT_STRING_EQUAL(w.peer, ws_peer(w.conns[0]));
	raw_close(&r);
	run_until(&w, one_closed);
	CU_ASSERT_EQUAL(w.code, WS_LOST);
	CU_ASSERT_EQUAL(ws_conns(w.ls), 0);
	world_end(&w);
}

static void expect_status(struct world *w, const char *path,
                          const char *protocol, const char *status)
{
	struct raw r;

	raw_open(&r, ws_port(w->ls), 0);
	raw_request(&r, path, protocol, "");
	w->test = &r;
	run_until(w, raw_has_eof);
	CU_ASSERT_PTR_NOT_NULL(r.in);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)r.in, status));
	raw_close(&r);
}

static void what_is_not_ours_is_refused_in_http(void)
{
	struct world w;
	struct raw r;

	world_serve(&w);
	expect_status(&w, "/other", "alto-push.v1", "HTTP/1.1 404");
	expect_status(&w, "/push/", "alto-push.v1", "HTTP/1.1 404");
	expect_status(&w, "/push", "alto-push.v2", "HTTP/1.1 400");
	expect_status(&w, "/push", "alto-push.v11, alto", "HTTP/1.1 400");
	expect_status(&w, "/push", NULL, "HTTP/1.1 400");
	w.refuse_with = 401;
	expect_status(&w, "/push", "alto-push.v1", "HTTP/1.1 401");
	CU_ASSERT_STRING_EQUAL(w.auth, "(none)");
	raw_open(&r, ws_port(w.ls), 0);
	raw_put(&r, "GET /push HTTP/1.1\r\nHost: x\r\n\r\n", 31);
	w.test = &r;
	run_until(&w, raw_has_eof);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)r.in, "HTTP/1.1 426"));
	raw_close(&r);
	CU_ASSERT_EQUAL(w.opened, 0);
	world_end(&w);
}

static void nonsense_closes_that_connection_only(void)
{
	static const char *const bad[] = { "\r\n\r\n\r\n", "GET", "\x16\x03\x01",
		"GET /push HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
		"POST /push HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx" };
	struct world w;
	struct raw ok, r[5];

	world_make(&w);
	w.limits.handshake_s = 1;	/* for those that say too little */
	listen_on(&w, "127.0.0.1");
	raw_join(&w, &ok, 1, 0);
	for (int i = 0; i < 5; i++) {
		raw_open(&r[i], ws_port(w.ls), 0);
		raw_put(&r[i], bad[i], strlen(bad[i]));
	}
	for (int i = 0; i < 5; i++) {
		w.test = &r[i];
		run_until(&w, raw_has_eof);
		raw_close(&r[i]);
	}
	raw_text(&ok, "echo");
	w.test = &ok;
	run_until(&w, raw_has_message);
	raw_close(&ok);
	world_end(&w);
}

static void connections_are_limited_in_all_and_for_an_address(void)
{
	struct raw r[4];
	struct world w;

	for (int i = 0; i < 2; i++) {
		world_make(&w);
		w.limits.max_conns = i ? 3 : 100;
		w.limits.max_conns_per_addr = i ? 100 : 3;
		listen_on(&w, "127.0.0.1");
		raw_join(&w, r, 3, 0);
		CU_ASSERT_EQUAL(ws_conns(w.ls), 3);
		raw_open(&r[3], ws_port(w.ls), 0);
		w.test = &r[3];
		run_until(&w, raw_has_eof);
		raw_close(&r[3]);
		raw_close(&r[0]);
		run_until(&w, one_closed);
		raw_join(&w, &r[3], 1, 0);	/* its place is free again */
		for (int k = 1; k < 4; k++)
			raw_close(&r[k]);
		world_end(&w);
	}
}

/* messages */

static void a_message_in_pieces_is_handed_on_whole(void)
{
	struct world w;
	struct raw r;
	char text[1001];

	world_serve(&w);
	raw_join(&w, &r, 1, 0);
	raw_frame(&r, 1, false, "ab", 2);
	raw_frame(&r, 9, true, "p", 1);	/* a ping between them */
	raw_frame(&r, 0, false, "", 0);
	raw_frame(&r, 0, true, "cd", 2);
	run_until(&w, one_message);
	CU_ASSERT_STRING_EQUAL(w.last, "abcd");
	memset(text, 'x', 1000);
	text[1000] = '\0';
	raw_text(&r, text);
	raw_text(&r, "");
	run_until(&w, three_messages);
	CU_ASSERT_EQUAL(w.bytes, 1004);
	raw_close(&r);
	world_end(&w);
}

static void an_oversized_message_closes_with_1009(void)
{
	struct world w;
	struct raw r;
	char text[1002];

	memset(text, 'x', 1001);
	text[1001] = '\0';
	world_serve(&w);
	raw_join(&w, &r, 1, 0);
	raw_text(&r, text);
	w.test = &r;
	run_until(&w, raw_has_code);
	CU_ASSERT_EQUAL(r.code, WS_TOO_BIG);
	raw_frame(&r, 8, true, "\x03\xf1", 2);
	run_until(&w, one_closed);
	CU_ASSERT_EQUAL(w.code, WS_TOO_BIG);
	CU_ASSERT_EQUAL(w.messages, 0);
	raw_close(&r);
	world_end(&w);
}

static void a_binary_message_closes_with_1003(void)
{
	struct world w;
	struct raw r;

	world_serve(&w);
	raw_join(&w, &r, 1, 0);
	raw_frame(&r, 2, true, "x", 1);
	w.test = &r;
	run_until(&w, raw_has_code);
	CU_ASSERT_EQUAL(r.code, WS_BAD_TYPE);
	raw_close(&r);
	world_end(&w);
}

/* closing */

static void close_codes_and_reasons_travel_both_ways(void)
{
	struct world w;
	struct raw r;

	world_serve(&w);
	raw_join(&w, &r, 1, 0);
	raw_text(&r, "close me");
	w.test = &r;
	run_until(&w, raw_has_code);
	CU_ASSERT_EQUAL(r.code, 4001);
	CU_ASSERT_STRING_EQUAL(r.reason, "as you wish");
	CU_ASSERT_EQUAL(w.closed, 0);
	raw_frame(&r, 8, true, "\x0f\xa1", 2);
	run_until(&w, one_closed);
	CU_ASSERT_EQUAL(w.code, 4001);
	CU_ASSERT_STRING_EQUAL(w.reason, "as you wish");
	raw_close(&r);

	w.closed = w.opened = 0;
	raw_join(&w, &r, 1, 0);
	raw_frame(&r, 8, true, "\x11\x5c" "enough", 8);
	run_until(&w, one_closed);
	CU_ASSERT_EQUAL(w.code, 4444);
	CU_ASSERT_STRING_EQUAL(w.reason, "enough");
	w.test = &r;
	run_until(&w, raw_has_eof);
	CU_ASSERT_EQUAL(r.code, 4444);	/* echoed */
	raw_close(&r);

	w.closed = w.opened = 0;
	raw_join(&w, &r, 1, 0);
	raw_frame(&r, 8, true, "", 0);
	run_until(&w, one_closed);
	CU_ASSERT_EQUAL(w.code, WS_NO_CODE);
	raw_close(&r);
	world_end(&w);
}

static void an_abort_sends_nothing(void)
{
	struct world w;
	struct raw r;

	world_serve(&w);
	raw_join(&w, &r, 1, 0);
	raw_text(&r, "drop me");
	run_until(&w, one_closed);
	CU_ASSERT_EQUAL(w.code, WS_LOST);
	w.test = &r;
	run_until(&w, raw_has_eof);
	CU_ASSERT_EQUAL(r.code, 0);
	raw_close(&r);
	world_end(&w);
}

static void a_peer_that_ignores_the_close_is_dropped(void)
{
	struct world w;
	struct raw r;
	uint64_t from;

	world_serve(&w);
	raw_join(&w, &r, 1, 4096);
	r.stalled = true;
	from = loop_now_ms(w.l);
	ws_close(w.conns[0], 4002, "slow");
	run_until(&w, one_closed);
	CU_ASSERT(loop_now_ms(w.l) - from < 7000);
	CU_ASSERT_EQUAL(w.code, 4002);
	CU_ASSERT_EQUAL(ws_conns(w.ls), 0);
	raw_close(&r);
	world_end(&w);
}

/* frames */

static unsigned sum_of(const char *p, size_t n)
{
	unsigned s = 0;

	for (size_t i = 0; i < n; i++)
		s = s * 31 + (unsigned char)p[i];
	return s;
}

static char *make_text(size_t n)
{
	char *p = malloc(n + 1);

	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	for (size_t i = 0; i < n; i++)
		p[i] = (char)('a' + (i * 2654435761u >> 13) % 26);
	p[n] = '\0';
	return p;
}

static void frames_of_every_length_arrive_as_they_are(void)
{
	static const size_t lens[] = { 0, 1, 125, 126, 127, 1000, 16383, 16384,
		16385, 32767, 32768, 32769, 100000 };
	struct world w;
	struct raw r;

	world_serve(&w);
	raw_join(&w, &r, 1, 0);
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		char *text = make_text(lens[i]);
		struct ws_frame *f;

		CU_ASSERT_EQUAL_FATAL(ws_frame_new(text, lens[i], &f), RC_OK);
		CU_ASSERT_EQUAL(ws_frame_len(f), lens[i]);
		CU_ASSERT_EQUAL(ws_send_frame(w.conns[0], f), RC_OK);
		ws_frame_unref(f);
		r.messages = 0;
		w.test = &r;
		run_until(&w, raw_has_message);
		CU_ASSERT_EQUAL(r.last_len, lens[i]);
		CU_ASSERT_EQUAL(r.sum, sum_of(text, lens[i]));
		CU_ASSERT_EQUAL(ws_pending(w.conns[0]), 0);
		free(text);
	}
	CU_ASSERT_EQUAL(r.broken, 0);
	raw_close(&r);
	world_end(&w);
}

static void a_large_frame_goes_out_in_parts(void)
{
	char *text = make_text(HUGE);
	struct ws_frame *f, *g;
	struct world w;
	struct raw r;

	world_serve(&w);
	raw_join(&w, &r, 1, 8192);
	CU_ASSERT_EQUAL_FATAL(ws_frame_new(text, HUGE, &f), RC_OK);
	CU_ASSERT_EQUAL_FATAL(ws_frame_new("next", 4, &g), RC_OK);
	CU_ASSERT_EQUAL(ws_send_frame(w.conns[0], f), RC_OK);
	CU_ASSERT_FALSE(ws_ready(w.conns[0]));
	CU_ASSERT(ws_pending(w.conns[0]) > 0);
	CU_ASSERT_EQUAL(ws_send_frame(w.conns[0], g), RC_EAGAIN);
	CU_ASSERT_EQUAL(ws_send_text(w.conns[0], "x", 1), RC_EAGAIN);
	ws_frame_unref(f);		/* the connection has its own */
	w.test = &r;
	run_until(&w, raw_has_message);
	CU_ASSERT_EQUAL(r.last_len, HUGE);
	CU_ASSERT_EQUAL(r.sum, sum_of(text, HUGE));
	run_until(&w, one_writable);
	CU_ASSERT_EQUAL(w.writable, 1);
	CU_ASSERT_EQUAL(ws_send_frame(w.conns[0], g), RC_OK);
	ws_frame_unref(g);
	r.messages = 0;
	run_until(&w, raw_has_message);
	CU_ASSERT_EQUAL(r.last_len, 4);
	CU_ASSERT_EQUAL(r.broken, 0);
	raw_close(&r);
	free(text);
	world_end(&w);
}

static void a_ping_during_a_half_written_frame_breaks_nothing(void)
{
	char *text = make_text(HUGE);
	struct world w;
	struct raw r;

	world_serve(&w);
	raw_join(&w, &r, 1, 8192);
	r.stalled = true;
	raw_frame(&r, 9, true, "before", 6);	/* its pong may still wait */
	CU_ASSERT_EQUAL(ws_send_text(w.conns[0], text, HUGE), RC_OK);
	CU_ASSERT_FALSE(ws_ready(w.conns[0]));
	for (int i = 0; i < 20; i++) {
		raw_frame(&r, 9, true, "during", 6);
		run_until(&w, NULL);
	}
	raw_text(&r, "I still talk");
	run_until(&w, one_message);	/* reading goes on meanwhile */
	r.stalled = false;
	w.test = &r;
	run_until(&w, raw_has_message);
	run_until(&w, raw_has_pong);
	CU_ASSERT_EQUAL(r.last_len, HUGE);
	CU_ASSERT_EQUAL(r.sum, sum_of(text, HUGE));
	CU_ASSERT_EQUAL(r.broken, 0);
	CU_ASSERT(r.pong_in_message > 0);	/* the point of the fragments */
	raw_close(&r);
	free(text);
	world_end(&w);
}

static void pongs_that_clog_the_socket_do_not_mix_with_frames(void)
{
	char ping[126] = "pppp";
	struct world w;
	struct raw r;
	int i;

	world_serve(&w);
	raw_join(&w, &r, 1, 2048);
	r.stalled = true;
	memset(ping, 'p', 125);
	for (i = 0; i < 3000 && !w.late; i++) {
		raw_frame(&r, 9, true, ping, 125);
		if (i % 10 == 0 && ws_ready(w.conns[0]))
			CU_ASSERT_EQUAL(ws_send_text(w.conns[0], ping, 125),
			                RC_OK);
		if (i % 3 == 0)
			run_until(&w, NULL);
	}
	r.stalled = false;
	w.test = &r;
	run_until(&w, raw_has_message);
	for (i = 0; i < 100; i++) {
		run_until(&w, NULL);
		raw_parse(&r);
	}
	CU_ASSERT_EQUAL(r.broken, 0);
	CU_ASSERT_EQUAL(r.at, r.len);
	raw_close(&r);
	world_end(&w);
}

static void a_close_during_a_half_written_frame_comes_after_it(void)
{
	char *text = make_text(HUGE);
	struct world w;
	struct raw r;

	world_serve(&w);
	raw_join(&w, &r, 1, 8192);
	CU_ASSERT_EQUAL(ws_send_text(w.conns[0], text, HUGE), RC_OK);
	ws_close(w.conns[0], 4003, "after this");
	CU_ASSERT_EQUAL(ws_send_text(w.conns[0], "x", 1), RC_EINVAL);
	w.test = &r;
	run_until(&w, raw_has_code);
	CU_ASSERT_EQUAL(r.messages, 1);
	CU_ASSERT_EQUAL(r.sum, sum_of(text, HUGE));
	CU_ASSERT_EQUAL(r.code, 4003);
	CU_ASSERT_EQUAL(r.broken, 0);
	raw_close(&r);
	free(text);
	world_end(&w);
}

/* many */

struct crowd {
	struct raw r[MANY];
	unsigned n, want;
};

static bool all_have(struct world *w)
{
	struct crowd *k = w->test;
	bool all = true;

	for (unsigned i = 0; i < k->n; i++) {
		if (k->r[i].stalled)
			continue;
		raw_parse(&k->r[i]);
		all = all && k->r[i].messages >= k->want;
	}
	return all;
}

/* To the first n; conns[] stands in the order they came. */
static unsigned broadcast(struct world *w, unsigned n, const char *text,
                          size_t len)
{
	struct ws_frame *f;
	unsigned sent = 0;

	CU_ASSERT_EQUAL_FATAL(ws_frame_new(text, len, &f), RC_OK);
	for (unsigned i = 0; i < n; i++)
		if (ws_ready(w->conns[i]))
			sent += ws_send_frame(w->conns[i], f) == RC_OK;
	ws_frame_unref(f);
	return sent;
}

static long rss_kb(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long total = 0, rss = 0;

	if (f == NULL || fscanf(f, "%ld %ld", &total, &rss) != 2)
		rss = 0;
	if (f != NULL)
		fclose(f);
	return rss * 4;
}

static void a_broadcast_reaches_500(void)
{
	char *text = make_text(2000);
	struct crowd *k = calloc(1, sizeof(*k));
	struct world w;

	CU_ASSERT_PTR_NOT_NULL_FATAL(k);
	world_serve(&w);
	raw_join(&w, k->r, MANY, 0);
	CU_ASSERT_EQUAL(ws_conns(w.ls), MANY);
	w.test = k;
	k->n = MANY;
	for (k->want = 1; k->want <= 3; k->want++) {
		CU_ASSERT_EQUAL(broadcast(&w, MANY, text, 2000), MANY);
		run_until(&w, all_have);
	}
	for (unsigned i = 0; i < MANY; i++) {
		CU_ASSERT_EQUAL(k->r[i].messages, 3);
		CU_ASSERT_EQUAL(k->r[i].sum, sum_of(text, 2000));
		CU_ASSERT_EQUAL(k->r[i].broken, 0);
		raw_close(&k->r[i]);
	}
	free(k);
	free(text);
	world_end(&w);
}

static void slow_readers_cost_a_number_and_slow_nobody(void)
{
	enum { PAIRS = 10, LEN = 1000000, ROUNDS = 16 };
	char *text = make_text(LEN);
	struct crowd *k = calloc(1, sizeof(*k));
	unsigned ready = 0;
	struct world w;
	long before = 0, grown;

	CU_ASSERT_PTR_NOT_NULL_FATAL(k);
	world_serve(&w);
	for (unsigned i = 0; i < 2 * PAIRS; i++)	/* in this order */
		raw_join(&w, &k->r[i], 1, 65536);
	for (unsigned i = 0; i < 2 * PAIRS; i += 2)
		k->r[i].stalled = true;
	w.test = k;
	k->n = 2 * PAIRS;
	for (k->want = 1; k->want <= ROUNDS; k->want++) {
		CU_ASSERT(broadcast(&w, k->n, text, LEN) >= PAIRS);
		run_until(&w, all_have);
		for (unsigned i = 1; i < 2 * PAIRS; i += 2) {
			CU_ASSERT_EQUAL(k->r[i].broken, 0);
			CU_ASSERT_EQUAL(k->r[i].sum, sum_of(text, LEN));
			k->r[i].len = k->r[i].at = 1;	/* forget it */
		}
		if (k->want == ROUNDS / 2)
			before = rss_kb();
	}
	for (unsigned i = 0; i < 2 * PAIRS; i += 2)
		ready += ws_ready(w.conns[i]);
	CU_ASSERT_EQUAL(ready, 0);
	grown = rss_kb() - before;
#ifdef __SANITIZE_ADDRESS__
	grown = 0;			/* it keeps what is freed */
#endif
	CU_ASSERT(grown < 2 * LEN / 1000);	/* 10 * 8 MB unread */
	for (unsigned i = 0; i < 2 * PAIRS; i++)
		raw_close(&k->r[i]);
	free(k);
	free(text);
	world_end(&w);
}

/* keep-alive */

static bool two_pings(struct world *w)
{
	struct raw *r = w->test;
	unsigned had = r->pings;

	raw_parse(r);
	if (r->pings > had && r->pings < 3)
		raw_frame(r, 10, true, "\0", 1);
	return r->pings >= 2;
}

static void a_silent_peer_is_pinged_and_a_dead_one_dropped(void)
{
	struct world w;
	struct raw r;

	world_make(&w);
	w.limits.ping_s = 1;
	w.limits.dead_s = 2;
	listen_on(&w, "127.0.0.1");
	raw_join(&w, &r, 1, 0);
	w.test = &r;
	run_until(&w, two_pings);	/* it answered, so it lives on */
	CU_ASSERT_EQUAL(w.closed, 0);
	run_until(&w, one_closed);	/* and now it does not */
	CU_ASSERT_EQUAL(w.code, WS_LOST);
	CU_ASSERT_STRING_EQUAL(w.reason, "no sign of life");
	raw_close(&r);
	world_end(&w);
}

/* our client */

struct caller {
	struct world w;
	struct world at;		/* handlers of the client's side */
	struct ws_conn *c;
};

static void call(struct caller *k, const char *uri, const char *protocol,
                 enum rc want)
{
	struct ws_connect_config cfg = {
		.uri = uri, .subprotocol = protocol,
		.authorization = "Bearer t0k3n", .on = handlers,
		.limits = k->w.limits
	};
	struct diag d;

	diag_clear(&d);
	cfg.on.admit = NULL;
	cfg.on.arg = &k->at;
	cfg.limits.max_message = 4 * 1024 * 1024;
	CU_ASSERT_EQUAL(ws_connect(k->w.l, &cfg, &d, &k->c), want);
	CU_ASSERT(want == RC_OK || d.text[0] != '\0');
}

static bool both_open(struct world *w)
{
	return w->opened == 1 && ((struct caller *)w->test)->at.opened == 1;
}

static bool caller_closed(struct world *w)
{
	return ((struct caller *)w->test)->at.closed == 1;
}

static bool caller_has_message(struct world *w)
{
	return ((struct caller *)w->test)->at.messages >= 1;
}

static bool caller_writable(struct world *w)
{
	return ((struct caller *)w->test)->at.writable >= 1;
}

static void caller_make(struct caller *k)
{
	char uri[64];

	memset(&k->at, 0, sizeof(k->at));
	world_serve(&k->w);
	k->w.test = k;
	snprintf(uri, sizeof(uri), "ws://127.0.0.1:%u/push", ws_port(k->w.ls));
	call(k, uri, "alto-push.v1", RC_OK);
	CU_ASSERT_EQUAL(k->at.opened + k->at.closed, 0);	/* never within */
}

static void caller_end(struct caller *k)
{
	loop_free(k->w.l);
	CU_ASSERT_EQUAL(k->at.closed, 1);
}

static void our_client_talks_to_our_server(void)
{
	struct caller k;
	char *text = make_text(MB2);

	setenv("http_proxy", "127.0.0.1:1", 1);	/* must not matter */
	caller_make(&k);
	run_until(&k.w, both_open);
	unsetenv("http_proxy");
	CU_ASSERT_STRING_EQUAL(k.w.auth, "Bearer t0k3n");
	CU_ASSERT_EQUAL(strncmp(k.at.peer, "127.0.0.1:", 10), 0);
	CU_ASSERT_EQUAL(ws_send_text(k.c, "echo", 4), RC_OK);
	CU_ASSERT_FALSE(ws_ready(k.c));
	run_until(&k.w, caller_has_message);
	CU_ASSERT_STRING_EQUAL(k.at.last, "ohce");
	CU_ASSERT_TRUE(ws_ready(k.c));
	CU_ASSERT_EQUAL(k.at.writable, 1);
	k.at.messages = 0;
	k.at.bytes = 0;
	CU_ASSERT_EQUAL(ws_send_text(k.w.conns[0], text, MB2), RC_OK);
	run_until(&k.w, caller_has_message);
	CU_ASSERT_EQUAL(k.at.bytes, MB2);
	ws_close(k.c, 4005, "done");
	run_until(&k.w, caller_closed);
	CU_ASSERT_EQUAL(k.at.code, 4005);
	if (k.w.closed == 0)
		run_until(&k.w, one_closed);
	CU_ASSERT_EQUAL(k.w.code, 4005);
	CU_ASSERT_STRING_EQUAL(k.w.reason, "done");
	free(text);
	caller_end(&k);
}

static void the_clients_queue_is_bounded(void)
{
	struct caller k;
	char text[1000];
	int n = 0;
	enum rc rc;

	memset(text, 'q', sizeof(text));
	caller_make(&k);
	run_until(&k.w, both_open);
	while ((rc = ws_send_text(k.c, text, sizeof(text))) == RC_OK)
		n++;
	CU_ASSERT_EQUAL(rc, RC_ELIMIT);
	CU_ASSERT_EQUAL(n, 100);
	CU_ASSERT_EQUAL(ws_pending(k.c), 100000);
	run_until(&k.w, caller_writable);
	CU_ASSERT_EQUAL(ws_pending(k.c), 0);
	run_until(&k.w, all_100_messages);
	CU_ASSERT_EQUAL(k.w.bytes, 100000);
	CU_ASSERT_EQUAL(ws_send_frame(k.c, NULL), RC_EINVAL);
	caller_end(&k);
}

static void the_server_closes_our_client_with_a_reason(void)
{
	struct caller k;

	caller_make(&k);
	run_until(&k.w, both_open);
	ws_close(k.w.conns[0], 4999, "go \xc3\xa4way");
	run_until(&k.w, caller_closed);
	CU_ASSERT_EQUAL(k.at.code, 4999);
	CU_ASSERT_STRING_EQUAL(k.at.reason, "go \xc3\xa4way");
	caller_end(&k);
}

static void a_failed_connection_is_told_once(void)
{
	static const char *const bad[] = { "", "http://x/", "wss://x/", "ws://",
		"ws:///push", "ws://a@b/", "ws://x:0/", "ws://x:99999/",
		"ws://x:1x/", "ws://[::1/", "ws://x/a b", "ws://x/#f", "ws://x?q",
		"ws://x/\r\nA: b" };
	struct caller k;
	char uri[80];

	memset(&k, 0, sizeof(k));
	world_serve(&k.w);
	k.w.test = &k;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		call(&k, bad[i], "p", RC_EINVAL);
	for (int i = 0; i < 4; i++) {
		k.at.closed = 0;
		snprintf(uri, sizeof(uri), i == 0 ? "ws://127.0.0.1:1/" : i == 1
		         ? "ws://127.0.0.1:%u/other" : i == 2
		         ? "ws://no-such-host.invalid/" :
		         "ws://127.0.0.1:%u/push", ws_port(k.w.ls));
		call(&k, uri, i == 3 ? "alto-push.v9" : "alto-push.v1", RC_OK);
		run_until(&k.w, caller_closed);
		CU_ASSERT_EQUAL(k.at.code, WS_LOST);
		CU_ASSERT(k.at.reason[0] != '\0');
		CU_ASSERT_EQUAL(k.at.opened, 0);
	}
	loop_free(k.w.l);
	CU_ASSERT_EQUAL(k.at.closed, 1);
}

static void a_server_that_never_answers_times_out(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(a);
	struct caller k;
	char uri[64];

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CU_ASSERT_EQUAL(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	CU_ASSERT_EQUAL(listen(fd, 5), 0);
	getsockname(fd, (struct sockaddr *)&a, &len);
	memset(&k, 0, sizeof(k));
	world_serve(&k.w);
	k.w.test = &k;
	k.w.limits.handshake_s = 1;
	snprintf(uri, sizeof(uri), "ws://127.0.0.1:%u/push", ntohs(a.sin_port));
	call(&k, uri, "alto-push.v1", RC_OK);
	run_until(&k.w, caller_closed);
	CU_ASSERT_STRING_EQUAL(k.at.reason, "handshake took too long");
	call(&k, uri, "alto-push.v1", RC_OK);	/* under way at the end */
	k.at.closed = 0;
	run_until(&k.w, NULL);
	call(&k, "ws://localhost:1/", "alto-push.v1", RC_OK);	/* at its lookup */
	loop_free(k.w.l);
	CU_ASSERT_EQUAL(k.at.closed, 2);
	close(fd);
}

/* listeners */

static void an_address_in_use_is_named(void)
{
	struct ws_listen_config cfg = { .addr = "127.0.0.1", .path = "/push",
		.subprotocol = "alto-push.v1" };
	struct ws_listener *ls;
	struct world w;
	struct diag d;

	world_serve(&w);
	cfg.port = ws_port(w.ls);
	diag_clear(&d);
	CU_ASSERT_EQUAL(ws_listen(w.l, &cfg, &d, &ls), RC_EIO);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "127.0.0.1"));
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "in use"));
	cfg.addr = "localhost";
	diag_clear(&d);
	CU_ASSERT_EQUAL(ws_listen(w.l, &cfg, &d, &ls), RC_EINVAL);
	world_end(&w);
}

static void after_unlisten_those_there_live_on(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	struct world w;
	struct raw r;
	int fd;

	world_make(&w);
	listen_on(&w, "::");		/* takes IPv4 too */
	raw_join(&w, &r, 1, 0);
	CU_ASSERT_EQUAL(strncmp(w.peer, "127.0.0.1:", 10), 0);
	a.sin_port = htons(ws_port(w.ls));
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ws_unlisten(w.ls);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	CU_ASSERT_NOT_EQUAL(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	close(fd);
	raw_text(&r, "echo");
	w.test = &r;
	run_until(&w, raw_has_message);
	raw_close(&r);
	world_end(&w);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "text goes both ways", text_goes_both_ways },
		{ "what is not ours is refused in http",
		  what_is_not_ours_is_refused_in_http },
		{ "nonsense closes that connection only",
		  nonsense_closes_that_connection_only },
		{ "connections are limited in all and for an address",
		  connections_are_limited_in_all_and_for_an_address },
		{ "a message in pieces is handed on whole",
		  a_message_in_pieces_is_handed_on_whole },
		{ "an oversized message closes with 1009",
		  an_oversized_message_closes_with_1009 },
		{ "a binary message closes with 1003",
		  a_binary_message_closes_with_1003 },
		{ "close codes and reasons travel both ways",
		  close_codes_and_reasons_travel_both_ways },
		{ "an abort sends nothing", an_abort_sends_nothing },
		{ "a peer that ignores the close is dropped",
		  a_peer_that_ignores_the_close_is_dropped },
		{ "frames of every length arrive as they are",
		  frames_of_every_length_arrive_as_they_are },
		{ "a large frame goes out in parts",
		  a_large_frame_goes_out_in_parts },
		{ "a ping during a half-written frame breaks nothing",
		  a_ping_during_a_half_written_frame_breaks_nothing },
		{ "pongs that clog the socket do not mix with frames",
		  pongs_that_clog_the_socket_do_not_mix_with_frames },
		{ "a close during a half-written frame comes after it",
		  a_close_during_a_half_written_frame_comes_after_it },
		{ "a broadcast reaches 500", a_broadcast_reaches_500 },
		{ "slow readers cost a number and slow nobody",
		  slow_readers_cost_a_number_and_slow_nobody },
		{ "a silent peer is pinged and a dead one dropped",
		  a_silent_peer_is_pinged_and_a_dead_one_dropped },
		{ "our client talks to our server",
		  our_client_talks_to_our_server },
		{ "the client's queue is bounded", the_clients_queue_is_bounded },
		{ "the server closes our client with a reason",
		  the_server_closes_our_client_with_a_reason },
		{ "a failed connection is told once",
		  a_failed_connection_is_told_once },
		{ "a server that never answers times out",
		  a_server_that_never_answers_times_out },
		{ "an address in use is named", an_address_in_use_is_named },
		{ "after unlisten those there live on",
		  after_unlisten_those_there_live_on },
		CU_TEST_INFO_NULL
	};
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) != 0)
		return 99;
	lim.rlim_cur = lim.rlim_max < 4096 ? lim.rlim_max : 4096;
	if (setrlimit(RLIMIT_NOFILE, &lim) != 0)
		return 99;
	return suite_run("ws", tests);
}
