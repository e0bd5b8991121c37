/* The publisher's half: what a subscriber is answered, what it is owed and when
 * it is shown the door. */
#include "common/proto/pub.h"

#include "tests/suite.h"
#include "tests/world.h"

static struct world *w;
static struct pub_world world;
static struct keys own;
static struct pub *p;
static struct pub_out out;
static struct frame *got;		/* the last text, read */

static void start(void)
{
	w = world_new(11);
	w->cost_there[1] = true;
	(void)world_publish(w);
	memset(&world, 0, sizeof(world));
	world_keys(w, &own);
	world.log = w->log;
	world.head = w->head;
	world.origin = true;
	world.own = &own;
	world.heartbeat = 30;
	world.message_max = 1 << 20;
	world.received_max = 1 << 16;
	world.path.n = 1;
	memcpy(world.path.id[0], WORLD_INSTANCE, UUID_TEXT + 1);
	got = NULL;
	CU_ASSERT_EQUAL_FATAL(pub_new(&world, 1234, &p), RC_OK);
}

static void end(void)
{
	frame_free(got);
	got = NULL;
	pub_free(p);
	world_free(w);
}

/* Another connection. */
static void again(void)
{
	pub_free(p);
	CU_ASSERT_EQUAL_FATAL(pub_new(&world, 1234, &p), RC_OK);
}

static void next(enum pub_do what)
{
	CU_ASSERT_EQUAL_FATAL(pub_next(p, &out), RC_OK);
	CU_ASSERT_EQUAL_FATAL(out.what, what);
}

static void next_text(enum frame_kind kind)
{
	next(PUB_TEXT);
	frame_free(got);
	got = NULL;
	CU_ASSERT_EQUAL_FATAL(frame_read(out.text, out.len, &got, NULL), RC_OK);
	CU_ASSERT_EQUAL(got->kind, kind);
}

static void next_update(const struct update *u)
{
	next(PUB_UPDATE);
	CU_ASSERT_PTR_EQUAL(out.update, u);
}

static void next_close(int code)
{
	next(PUB_CLOSE);
	CU_ASSERT_EQUAL(out.code, code);
	CU_ASSERT_PTR_NOT_NULL(strstr(out.text, close_text(code)));
	next(PUB_IDLE);
}

static enum pub_news feed(const char *text)
{
	enum pub_news news;

	CU_ASSERT_EQUAL_FATAL(pub_frame(p, text, strlen(text), &news, NULL),
	                      RC_OK);
	return news;
}

static enum pub_news feed_buf(struct buf *b)
{
	enum pub_news news;

	CU_ASSERT_EQUAL_FATAL(buf_rc(b), RC_OK);
	news = feed(b->data);
	buf_free(b);
	return news;
}

static enum pub_news subscribe(const struct state *have)
{
	struct buf b = BUF_INIT(1 << 16);

	next_text(FRAME_HELLO);
	next(PUB_IDLE);
	frame_subscribe("rp-1", have, "https://rp-1.example.net/", "", &b);
	return feed_buf(&b);
}

static enum pub_news ack(const struct position *pos)
{
	struct buf b = BUF_INIT(1 << 16);

	frame_ack(pos, NULL, 0, &b);
	return feed_buf(&b);
}

static struct update *change(void)
{
	struct update *u;

	w->now++;
	world_edit_cost(w, 0);
	u = world_publish(w);
	CU_ASSERT_PTR_NOT_NULL_FATAL(u);
	world.head = w->head;
	return u;
}

static const struct state *head(void)
{
	return snapshot_state(w->head);
}

static const struct state *past(size_t back)
{
	return snapshot_state(w->past[w->n_past - 1 - back]);
}

static void answered(enum frame_mode mode)
{
	next_text(FRAME_SUBSCRIBED);
	CU_ASSERT_EQUAL(got->mode, mode);
	CU_ASSERT_EQUAL(pub_mode(p), mode);
	CU_ASSERT_EQUAL(position_cmp(&got->state.pos, &head()->pos), 0);
	CU_ASSERT_STRING_EQUAL(got->reason, pub_reason(p));
	CU_ASSERT((mode == MODE_SNAPSHOT || mode == MODE_BEHIND) ==
	          (got->reason[0] != '\0'));
}

static void gets_snapshot(void)
{
	next_text(FRAME_SNAPSHOT);
	CU_ASSERT_EQUAL(got->leaves->n, snapshot_count(w->head));
	CU_ASSERT_STRING_EQUAL(got->state.text, head()->text);
}

static void gets_alive(void)
{
	next_text(FRAME_ALIVE);
	CU_ASSERT_STRING_EQUAL(got->state.signature, head()->signature);
	next(PUB_IDLE);
}

/* ---- answers --------------------------------------------------------------- */

static void hello_comes_first_and_says_what_there_is(void)
{
	start();
	next_text(FRAME_HELLO);
	CU_ASSERT_STRING_EQUAL(got->protocol, FRAME_PROTOCOL);
	CU_ASSERT_STRING_EQUAL(got->service, w->service);
	CU_ASSERT_EQUAL(got->path.n, 1);
	CU_ASSERT_STRING_EQUAL(got->path.id[0], WORLD_INSTANCE);
	CU_ASSERT_EQUAL(got->heartbeat, 30);
	CU_ASSERT_EQUAL(got->message_max, 1 << 20);
	CU_ASSERT_EQUAL(got->time_ms, 1234);
	CU_ASSERT_STRING_EQUAL(got->state.text, head()->text);
	next(PUB_IDLE);
	CU_ASSERT(!pub_subscribed(p));
	CU_ASSERT_STRING_EQUAL(pub_name(p), "");
	change();
	next(PUB_IDLE);		/* nobody has subscribed */
	end();
}

static void without_a_head_nothing_is_said(void)
{
	start();
	world.head = NULL;
	next(PUB_IDLE);
	world.head = w->head;
	next_text(FRAME_HELLO);
	end();
}

static void who_holds_nothing_gets_a_snapshot(void)
{
	start();
	CU_ASSERT_EQUAL(subscribe(NULL), PUB_NEWS_SUBSCRIBED);
	CU_ASSERT_STRING_EQUAL(pub_name(p), "rp-1");
	CU_ASSERT_STRING_EQUAL(pub_uri(p), "https://rp-1.example.net/");
	CU_ASSERT_STRING_EQUAL(pub_push_uri(p), "");
	CU_ASSERT(!pub_at_head(p));
	answered(MODE_SNAPSHOT);
	gets_snapshot();
	CU_ASSERT(pub_at_head(p));
	gets_alive();
	CU_ASSERT_EQUAL(pub_counts(p)->snapshots, 1);
	next_update(change());
	next(PUB_IDLE);
	CU_ASSERT_EQUAL(pub_counts(p)->updates, 1);
	CU_ASSERT_EQUAL(pub_sent(p), head()->pos.serial);
	end();
}

static void who_holds_the_head_is_current_and_gets_alive(void)
{
	start();
	change();
	CU_ASSERT_EQUAL(subscribe(head()), PUB_NEWS_SUBSCRIBED);
	CU_ASSERT_EQUAL(position_cmp(pub_have(p), &head()->pos), 0);
	CU_ASSERT_EQUAL(position_cmp(pub_acked(p), &head()->pos), 0);
	answered(MODE_CURRENT);
	gets_alive();
	CU_ASSERT(pub_at_head(p));
	end();
}

static void who_is_behind_gets_the_deltas(void)
{
	struct update *u[4];

	start();
	for (int i = 0; i < 4; i++)
		u[i] = change();
	w->now += 30;
	world_heartbeat(w);
	world.head = w->head;
	CU_ASSERT_EQUAL(subscribe(past(3)), PUB_NEWS_SUBSCRIBED);
	answered(MODE_DELTA);
	CU_ASSERT(!pub_at_head(p));
	for (int i = 1; i < 4; i++)
		next_update(u[i]);
	CU_ASSERT(pub_at_head(p));
	gets_alive();		/* the updates' own signatures are older */
	end();
}

static void who_fell_off_the_log_gets_a_snapshot(void)
{
	start();
	for (int i = 0; i < 6; i++)
		change();
	history_limit(w->log, 3, 1 << 20);
	(void)subscribe(past(4));
	answered(MODE_SNAPSHOT);
	gets_snapshot();
	gets_alive();
	again();
	(void)subscribe(past(3));	/* just still there */
	answered(MODE_DELTA);
	next(PUB_UPDATE);
	end();
}

static void a_cursor_that_falls_off_gets_a_snapshot(void)
{
	start();
	(void)subscribe(head());
	answered(MODE_CURRENT);
	history_limit(w->log, 3, 1 << 20);
	for (int i = 0; i < 6; i++)
		change();
	gets_snapshot();
	gets_alive();
	CU_ASSERT_EQUAL(pub_counts(p)->updates, 0);
	end();
}

static void another_session_below_ours_gets_a_snapshot(void)
{
	struct state before;

	start();
	before = *head();
	world_session(w);
	world.head = w->head;
	(void)subscribe(&before);
	answered(MODE_SNAPSHOT);
	gets_snapshot();
	gets_alive();
	end();
}

/* ---- ahead, fork ----------------------------------------------------------- */

/* The world goes back; what it was is returned. */
static struct state go_back(bool fork)
{
	struct state lost;

	change();
	change();
	lost = *head();
	world_restore(w, w->n_past - 3);
	world.head = w->head;
	if (fork) {
		for (int i = 0; i < 3; i++) {
			world_edit_cost(w, 1);
			change();
		}
	}
	return lost;
}

static void ahead_under_our_signature_means_lost_history(bool fork)
{
	struct state lost;

	start();
	lost = go_back(fork);
	CU_ASSERT_EQUAL(subscribe(&lost), PUB_NEWS_AHEAD);
	CU_ASSERT_EQUAL(position_cmp(pub_have(p), &lost.pos), 0);
	CU_ASSERT(!pub_subscribed(p));
	next(PUB_IDLE);			/* until it is decided */
	CU_ASSERT_EQUAL(ack(&lost.pos), PUB_NEWS_NONE);
	world_session(w);
	world.head = w->head;
	next(PUB_IDLE);
	pub_resync(p, "new session");
	answered(MODE_SNAPSHOT);
	gets_snapshot();
	gets_alive();
	CU_ASSERT(position_cmp(&head()->pos, &lost.pos) > 0);
	end();
}

static void a_higher_serial_of_ours_means_lost_history(void)
{
	ahead_under_our_signature_means_lost_history(false);
}

static void another_root_of_ours_means_lost_history(void)
{
	ahead_under_our_signature_means_lost_history(true);
}

static void a_higher_session_of_ours_means_lost_history(void)
{
	struct state lost;

	start();
	world_session(w);
	lost = *head();
	world_restore(w, 1);
	world.head = w->head;
	CU_ASSERT_EQUAL(subscribe(&lost), PUB_NEWS_AHEAD);
	end();
}

static void expired_is_as_good_a_proof(void)
{
	struct state lost;

	start();
	lost = go_back(false);
	w->now += 10 * WORLD_LIFETIME;
	CU_ASSERT_EQUAL(subscribe(&lost), PUB_NEWS_AHEAD);
	end();
}

static void without_a_new_session_it_is_told_we_are_behind(void)
{
	struct state lost;

	start();
	lost = go_back(false);
	CU_ASSERT_EQUAL(subscribe(&lost), PUB_NEWS_AHEAD);
	pub_behind(p, "not so soon again");
	answered(MODE_BEHIND);
	next(PUB_IDLE);
	change();
	next(PUB_IDLE);
	CU_ASSERT(!pub_subscribed(p));
	end();
}

static void a_forged_head_start_impresses_nobody(void)
{
	struct state lost;

	start();
	lost = go_back(false);
	lost.signature[10] = lost.signature[10] == 'A' ? 'B' : 'A';
	CU_ASSERT_EQUAL(subscribe(&lost), PUB_NEWS_SUBSCRIBED);
	answered(MODE_BEHIND);
	CU_ASSERT(!pub_subscribed(p));
	next(PUB_IDLE);
	end();
}

static void a_strangers_signature_impresses_nobody(void)
{
	struct state lost;

	start();
	lost = go_back(false);
	w->signer = 1;
	world_sign(w, &lost);
	CU_ASSERT_EQUAL(subscribe(&lost), PUB_NEWS_SUBSCRIBED);
	answered(MODE_BEHIND);
	end();
}

static void a_proxy_can_only_say_that_it_is_behind(void)
{
	struct state lost;

	start();
	world.origin = false;
	world.own = NULL;
	lost = go_back(true);
	CU_ASSERT_EQUAL(subscribe(&lost), PUB_NEWS_SUBSCRIBED);
	answered(MODE_BEHIND);
	next(PUB_IDLE);
	end();
}

/* ---- alive ----------------------------------------------------------------- */

static void alive_goes_to_cursors_at_the_head_once_a_signature(void)
{
	start();
	(void)subscribe(head());
	answered(MODE_CURRENT);
	gets_alive();
	for (int i = 0; i < 3; i++) {
		w->now += 30;
		world_heartbeat(w);
		world.head = w->head;
		gets_alive();
		next(PUB_IDLE);
	}
	end();
}

static void a_new_head_needs_no_alive_of_its_own(void)
{
	start();
	(void)subscribe(head());
	answered(MODE_CURRENT);
	gets_alive();
	next_update(change());
	next(PUB_IDLE);
	end();
}

static void alive_waits_for_the_cursor(void)
{
	struct update *u;

	start();
	(void)subscribe(head());
	answered(MODE_CURRENT);
	u = change();
	w->now += 30;
	world_heartbeat(w);
	world.head = w->head;
	next_update(u);
	gets_alive();
	end();
}

static void a_nonce_comes_back_once(void)
{
	struct buf b = BUF_INIT(1000);

	start();
	(void)subscribe(head());
	answered(MODE_CURRENT);
	gets_alive();
	frame_alive_at(&head()->pos, "n0nce", &b);
	CU_ASSERT_EQUAL(feed_buf(&b), PUB_NEWS_ALIVE);
	next_text(FRAME_ALIVE);
	CU_ASSERT_STRING_EQUAL(got->nonce, "n0nce");
	next(PUB_IDLE);
	frame_alive_at(&head()->pos, "", &b);
	CU_ASSERT_EQUAL(feed_buf(&b), PUB_NEWS_ALIVE);
	next(PUB_IDLE);
	end();
}

/* ---- acks, resync ---------------------------------------------------------- */

static void a_uri_that_nobody_could_use_is_a_breach(void)
{
	static const char *const bad[][2] = {
		{ "rp", "" }, { "ws://rp/", "" }, { "javascript://rp/", "" },
		{ "http://rp/\n", "" }, { "http://rp/\"", "" },
		{ "http://rp/<", "" }, { "http://rp/\x7f", "" },
		{ "", "http://rp/" }, { "", "ws://rp/ " }, { "", "wss://" },
		{ "https://rp/", "wss://rp/\\" }
	};

	start();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct buf b = BUF_INIT(1 << 16);

		again();
		next_text(FRAME_HELLO);
		frame_subscribe("rp-1", NULL, bad[i][0], bad[i][1], &b);
		CU_ASSERT_EQUAL(feed_buf(&b), PUB_NEWS_NONE);
		CU_ASSERT_STRING_EQUAL(pub_name(p), "");
		next_close(CLOSE_PROTOCOL);
	}
	end();
}

static void an_ack_moves_what_is_acked(void)
{
	struct frame_below below = { .name = "leaf", .push = "wss://l/push" };
	struct buf b = BUF_INIT(1 << 16);
	size_t n;

	start();
	(void)subscribe(head());
	answered(MODE_CURRENT);
	gets_alive();
	next_update(change());
	CU_ASSERT(position_cmp(pub_acked(p), &head()->pos) < 0);
	below.pos = head()->pos;
	frame_ack(&head()->pos, &below, 1, &b);
	CU_ASSERT_EQUAL(feed_buf(&b), PUB_NEWS_ACK);
	CU_ASSERT_EQUAL(position_cmp(pub_acked(p), &head()->pos), 0);
	CU_ASSERT_STRING_EQUAL(pub_below(p, &n)->name, "leaf");
	CU_ASSERT_EQUAL(n, 1);
	CU_ASSERT_EQUAL(ack(&head()->pos), PUB_NEWS_ACK);
	(void)pub_below(p, &n);
	CU_ASSERT_EQUAL(n, 0);
	end();
}

static void an_ack_of_what_was_not_sent_is_a_breach(void)
{
	start();
	(void)subscribe(head());
	answered(MODE_CURRENT);
	change();			/* not sent yet */
	CU_ASSERT_EQUAL(ack(&head()->pos), PUB_NEWS_NONE);
	next_close(CLOSE_PROTOCOL);
	end();
}

static void an_ack_before_subscribing_is_a_breach(void)
{
	start();
	next_text(FRAME_HELLO);
	CU_ASSERT_EQUAL(ack(&head()->pos), PUB_NEWS_NONE);
	next_close(CLOSE_PROTOCOL);
	end();
}

static void an_ack_that_crosses_a_new_session_says_nothing(void)
{
	struct position before;

	start();
	(void)subscribe(head());
	answered(MODE_CURRENT);
	before = head()->pos;
	world_session(w);
	world.head = w->head;
	pub_resync(p, "new session");
	CU_ASSERT(!pub_at_head(p));
	CU_ASSERT_EQUAL(ack(&before), PUB_NEWS_ACK);
	gets_snapshot();
	CU_ASSERT_EQUAL(ack(&before), PUB_NEWS_NONE);
	gets_alive();
	CU_ASSERT_EQUAL(ack(&head()->pos), PUB_NEWS_ACK);
	CU_ASSERT_STRING_EQUAL(pub_reason(p), "new session");
	end();
}

static void resync_before_subscribing_changes_nothing(void)
{
	start();
	next_text(FRAME_HELLO);
	pub_resync(p, "jump");
	pub_behind(p, "no");
	next(PUB_IDLE);
	end();
}

/* ---- the door -------------------------------------------------------------- */

static void what_breaks_the_protocol_is_shown_the_door(void)
{
	static const char *const bad[] = {
		"", "x", "{", "[]", "{}", "{\"subscribe\":{}}",
		"{\"subscribe\":{\"name\":\"\"}}",
		"{\"subscribe\":{\"name\":\"a b\"}}",
		"{\"subscribe\":{\"name\":\"a\",\"have\":[]}}",
		"{\"subscribe\":{\"name\":\"a\"},\"ack\":{}}",
		"{\"hello\":{}}", "{\"what\":{}}", "{\"ack\":{\"serial\":1}}",
	};
	struct buf big = BUF_INIT(1 << 20), b = BUF_INIT(1 << 20);

	start();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		next_text(FRAME_HELLO);
		CU_ASSERT_EQUAL(feed(bad[i]), PUB_NEWS_NONE);
		next_close(CLOSE_PROTOCOL);
		CU_ASSERT_EQUAL(feed("{}"), PUB_NEWS_NONE);
		again();
	}
	next_text(FRAME_HELLO);
	frame_subscribed(head(), MODE_CURRENT, "", &b);
	CU_ASSERT_EQUAL(feed_buf(&b), PUB_NEWS_NONE);
	next_close(CLOSE_PROTOCOL);
	again();
	next_text(FRAME_HELLO);
	for (int i = 0; i < 70000; i++)
		buf_putc(&big, ' ');
	CU_ASSERT_EQUAL(feed_buf(&big), PUB_NEWS_NONE);
	next_close(CLOSE_PROTOCOL);
	end();
}

static void subscribing_before_hello_or_twice_is_a_breach(void)
{
	start();
	CU_ASSERT_EQUAL(feed("{\"subscribe\":{\"name\":\"a\"}}"),
	                PUB_NEWS_NONE);
	next_close(CLOSE_PROTOCOL);
	again();
	(void)subscribe(NULL);
	CU_ASSERT_EQUAL(feed("{\"subscribe\":{\"name\":\"a\"}}"),
	                PUB_NEWS_NONE);
	next_close(CLOSE_PROTOCOL);
	end();
}

static void another_service_is_shown_the_door(void)
{
	struct state st;

	start();
	st = *head();
	st.service[0] = st.service[0] == '1' ? '2' : '1';
	world_sign(w, &st);
	CU_ASSERT_EQUAL(subscribe(&st), PUB_NEWS_NONE);
	next_close(CLOSE_SERVICE);
	end();
}

static void bye_and_error_are_heard(void)
{
	struct buf b = BUF_INIT(1000);
	struct diag d = { .line = 0 };
	enum pub_news news;

	start();
	(void)subscribe(head());
	answered(MODE_CURRENT);
	frame_error("E_SYNTAX", "what is this", &b);
	CU_ASSERT_EQUAL(pub_frame(p, b.data, b.len, &news, &d), RC_OK);
	CU_ASSERT_EQUAL(news, PUB_NEWS_ERROR);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "what is this"));
	buf_clear(&b);
	frame_bye("enough", 0, &b);
	CU_ASSERT_EQUAL(feed_buf(&b), PUB_NEWS_BYE);
	next_close(CLOSE_GOING);
	end();
}

static void who_is_sent_away_is_told_why_and_for_how_long(void)
{
	static const int codes[] = { CLOSE_GOING, CLOSE_SLOW, CLOSE_REPLACED,
	                             CLOSE_FULL, CLOSE_DENIED, CLOSE_SILENT };

	start();
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		pub_close(p, (enum close_code)codes[i], 7);
		pub_close(p, CLOSE_LOOP, 9);	/* the first counts */
		next(PUB_CLOSE);
		CU_ASSERT_EQUAL(out.code, codes[i]);
		frame_free(got);
		got = NULL;
		CU_ASSERT_EQUAL(frame_read(out.text, out.len, &got, NULL),
		                RC_OK);
		CU_ASSERT_EQUAL(got->kind, FRAME_BYE);
		CU_ASSERT_EQUAL(got->retry_after, 7);
		CU_ASSERT_STRING_EQUAL(got->reason, close_text(codes[i]));
		next(PUB_IDLE);
		again();
	}
	CU_ASSERT_STRING_EQUAL(close_text(1000), "closed");
	end();
}

#define T(f) { #f, f }

int main(void)
{
	CU_TestInfo tests[] = {
		T(hello_comes_first_and_says_what_there_is),
		T(without_a_head_nothing_is_said),
		T(who_holds_nothing_gets_a_snapshot),
		T(who_holds_the_head_is_current_and_gets_alive),
		T(who_is_behind_gets_the_deltas),
		T(who_fell_off_the_log_gets_a_snapshot),
		T(a_cursor_that_falls_off_gets_a_snapshot),
		T(another_session_below_ours_gets_a_snapshot),
		T(a_higher_serial_of_ours_means_lost_history),
		T(another_root_of_ours_means_lost_history),
		T(a_higher_session_of_ours_means_lost_history),
		T(expired_is_as_good_a_proof),
		T(without_a_new_session_it_is_told_we_are_behind),
		T(a_forged_head_start_impresses_nobody),
		T(a_strangers_signature_impresses_nobody),
		T(a_proxy_can_only_say_that_it_is_behind),
		T(alive_goes_to_cursors_at_the_head_once_a_signature),
		T(a_new_head_needs_no_alive_of_its_own),
		T(alive_waits_for_the_cursor),
		T(a_nonce_comes_back_once),
		T(a_uri_that_nobody_could_use_is_a_breach),
		T(an_ack_moves_what_is_acked),
		T(an_ack_of_what_was_not_sent_is_a_breach),
		T(an_ack_before_subscribing_is_a_breach),
		T(an_ack_that_crosses_a_new_session_says_nothing),
		T(resync_before_subscribing_changes_nothing),
		T(what_breaks_the_protocol_is_shown_the_door),
		T(subscribing_before_hello_or_twice_is_a_breach),
		T(another_service_is_shown_the_door),
		T(bye_and_error_are_heard),
		T(who_is_sent_away_is_told_why_and_for_how_long),
		CU_TEST_INFO_NULL
	};

	return suite_run("pub", tests);
}
