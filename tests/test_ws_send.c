/* WebSocket messages of all sizes, to one and to many, to quick readers and to
 * slow ones; in clear text, and then all of it again over TLS. */
#include "common/net/ws.h"

#include <unistd.h>

#include "tests/certs.h"
#include "tests/ws_world.h"

#define HUGE (16 * 1024 * 1024 + 7)	/* more than any socket takes at once */

/* frames */

static void frames_of_every_length_arrive_as_they_are(void)
{
	static const size_t lens[] = { 0, 1, 125, 126, 127, 1000, WS_FRAGMENT - 1,
		WS_FRAGMENT, WS_FRAGMENT + 1, 2 * WS_FRAGMENT, 100000 };
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

static void from_now_on_over_tls(void)
{
	world_tls = "server";
}

int main(void)
{
	CU_TestInfo tests[] = {
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
		{ "from now on over TLS", from_now_on_over_tls },
		{ "TLS: frames of every length arrive as they are",
		  frames_of_every_length_arrive_as_they_are },
		{ "TLS: a large frame goes out in parts",
		  a_large_frame_goes_out_in_parts },
		{ "TLS: a ping during a half-written frame breaks nothing",
		  a_ping_during_a_half_written_frame_breaks_nothing },
		{ "TLS: pongs that clog the socket do not mix with frames",
		  pongs_that_clog_the_socket_do_not_mix_with_frames },
		{ "TLS: a close during a half-written frame comes after it",
		  a_close_during_a_half_written_frame_comes_after_it },
		{ "TLS: a broadcast reaches 500", a_broadcast_reaches_500 },
		{ "TLS: slow readers cost a number and slow nobody",
		  slow_readers_cost_a_number_and_slow_nobody },
		CU_TEST_INFO_NULL
	};
	int rc;

	certs_begin();
	certs_usual();
	rc = more_files() ? suite_run("ws_send", tests) : 99;
	certs_end();
	return rc;
}
