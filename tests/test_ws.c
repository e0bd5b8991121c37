/* WebSockets over loopback: our listener against raw sockets that can
 * misbehave. How messages are sent is in test_ws_send.c. */
#include "common/net/ws.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/certs.h"
#include "tests/ws_world.h"

static bool three_messages(struct world *w)
{
	return w->messages == 3;
}

static bool raw_has_2_messages(struct world *w)
{
	raw_parse(w->test);
	return ((struct raw *)w->test)->messages == 2;
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
	world_listen(&w, "127.0.0.1");
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
		world_listen(&w, "127.0.0.1");
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

/* A flood, and what may be read of it: own, pool, and what is read ahead. */
#define FLOOD 100
#define FLOOD_RATE 10000
#define FLOOD_COST (900 + 64)
#define AHEAD 8192

static bool flood_is_paused(struct world *w)
{
	return w->paused > 0;
}

static bool flood_is_over(struct world *w)
{
	return w->messages == FLOOD + 1;
}

static void flood(struct raw *r)
{
	char text[901];

	memset(text, 'x', 900);
	text[900] = '\0';
	for (int i = 0; i < FLOOD; i++)
		raw_text(r, text);
}

static void who_sends_too_much_waits_and_others_do_not(void)
{
	struct raw r[2];
	struct world w;
	uint64_t since;

	world_make(&w);
	w.limits.own_rate = w.limits.pool_rate = FLOOD_RATE;
	world_listen(&w, "127.0.0.1");
	raw_join(&w, r, 2, 0);
	since = loop_now_ms(w.l);
	flood(&r[0]);
	run_until(&w, flood_is_paused);
	raw_text(&r[1], "echo");
	w.test = &r[1];
	run_until(&w, raw_has_message);
	CU_ASSERT(w.messages < FLOOD);
	run_until(&w, flood_is_over);	/* late, and all of it */
	CU_ASSERT((WS_OWN_S + 1) * FLOOD_RATE + AHEAD +
	          (loop_now_ms(w.l) - since) * 2 * FLOOD_RATE / 1000 >=
	          FLOOD * FLOOD_COST);
	CU_ASSERT_EQUAL(w.bytes, FLOOD * 900 + 4);
	raw_close(&r[0]);
	raw_close(&r[1]);
	world_end(&w);
}

static void so_over_tls(void)
{
	world_tls = "server";
	who_sends_too_much_waits_and_others_do_not();
	world_tls = NULL;
}

static void one_that_waits_can_be_closed(void)
{
	struct world w;
	struct raw r;

	world_make(&w);
	w.limits.own_rate = 2;
	w.limits.pool_rate = 0;
	world_listen(&w, "127.0.0.1");
	raw_join(&w, &r, 1, 0);
	raw_text(&r, "xxxxxxxx");
	run_until(&w, flood_is_paused);
	ws_close(w.conns[0], 4001, "as you wish");
	w.test = &r;
	run_until(&w, raw_has_code);
	raw_frame(&r, 8, true, "\x0f\xa1", 2);
	run_until(&w, one_closed);
	CU_ASSERT_EQUAL(w.code, 4001);
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
	world_listen(&w, "127.0.0.1");
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
	world_listen(&w, "::");		/* takes IPv4 too */
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
		{ "who sends too much waits and others do not",
		  who_sends_too_much_waits_and_others_do_not },
		{ "so over TLS", so_over_tls },
		{ "one that waits can be closed", one_that_waits_can_be_closed },
		{ "a binary message closes with 1003",
		  a_binary_message_closes_with_1003 },
		{ "close codes and reasons travel both ways",
		  close_codes_and_reasons_travel_both_ways },
		{ "an abort sends nothing", an_abort_sends_nothing },
		{ "a peer that ignores the close is dropped",
		  a_peer_that_ignores_the_close_is_dropped },
		{ "a silent peer is pinged and a dead one dropped",
		  a_silent_peer_is_pinged_and_a_dead_one_dropped },
		{ "an address in use is named", an_address_in_use_is_named },
		{ "after unlisten those there live on",
		  after_unlisten_those_there_live_on },
		CU_TEST_INFO_NULL
	};
	int rc;

	certs_begin();
	certs_usual();
	rc = more_files() ? suite_run("ws", tests) : 99;
	certs_end();
	return rc;
}
