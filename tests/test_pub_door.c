/* The publisher's half: what a subscriber may say, and when it is shown the door. */
#include "common/proto/pub.h"

#include "tests/pub_stage.h"
#include "tests/suite.h"

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
		next_breach("E_INVALID_FIELD_VALUE");
	}
	finish();
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
	CU_ASSERT_EQUAL(n, 1);		/* not said anew: as before */
	frame_ack(&head()->pos, &below, 0, &b);
	CU_ASSERT_EQUAL(feed_buf(&b), PUB_NEWS_ACK);
	(void)pub_below(p, &n);
	CU_ASSERT_EQUAL(n, 0);
	finish();
}

static void who_is_below_is_never_the_teller_nor_a_name_that_cannot_be(void)
{
	struct frame_below below[] = {
		{ .name = "a" }, { .name = "rp-1" }, { .name = "no good" },
		{ .name = "b" }
	};
	struct buf b = BUF_INIT(1 << 16);
	size_t n;

	start();
	(void)subscribe(head());
	answered(MODE_CURRENT);
	for (size_t i = 0; i < 4; i++)
		below[i].pos = head()->pos;
	frame_ack(&head()->pos, below, 4, &b);
	CU_ASSERT_EQUAL(feed_buf(&b), PUB_NEWS_ACK);
	CU_ASSERT_STRING_EQUAL(pub_below(p, &n)[1].name, "b");
	CU_ASSERT_EQUAL(n, 2);
	finish();
}

static void an_order_that_is_shared_is_left_to_the_caller(void)
{
	start();
	world.share_order = true;
	(void)subscribe(NULL);
	CU_ASSERT(pub_pulling(p));
	answered(MODE_SNAPSHOT);
	next(PUB_SNAPSHOT);
	CU_ASSERT_EQUAL(out.len, 0);
	CU_ASSERT_EQUAL(pub_counts(p)->snapshots, 1);
	gets_alive();
	CU_ASSERT(pub_pulling(p));
	CU_ASSERT_EQUAL(ack(&head()->pos), PUB_NEWS_ACK);
	CU_ASSERT(!pub_pulling(p));
	pub_resync(p, "the log starts anew");
	CU_ASSERT(pub_pulling(p));
	next(PUB_SNAPSHOT);
	finish();
}

static void who_needs_no_order_does_not_pull(void)
{
	start();
	CU_ASSERT(!pub_pulling(p));
	(void)subscribe(head());
	CU_ASSERT(!pub_pulling(p));
	answered(MODE_CURRENT);
	gets_alive();
	next_update(change());
	CU_ASSERT(!pub_pulling(p));
	finish();
}

static void an_ack_of_what_was_not_sent_is_a_breach(void)
{
	start();
	(void)subscribe(head());
	answered(MODE_CURRENT);
	change();			/* not sent yet */
	CU_ASSERT_EQUAL(ack(&head()->pos), PUB_NEWS_NONE);
	next_breach("E_INVALID_FIELD_VALUE");
	finish();
}

static void an_ack_before_subscribing_is_a_breach(void)
{
	start();
	next_text(FRAME_HELLO);
	CU_ASSERT_EQUAL(ack(&head()->pos), PUB_NEWS_NONE);
	next_breach("E_INVALID_FIELD_VALUE");
	finish();
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
	finish();
}

static void resync_before_subscribing_changes_nothing(void)
{
	start();
	next_text(FRAME_HELLO);
	pub_resync(p, "jump");
	pub_behind(p, "no");
	next(PUB_IDLE);
	finish();
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
		next_text(FRAME_ERROR);
		CU_ASSERT(got->reason[0] != '\0');
		next_close(CLOSE_PROTOCOL);
		CU_ASSERT_EQUAL(feed("{}"), PUB_NEWS_NONE);
		again();
	}
	next_text(FRAME_HELLO);
	frame_subscribed(head(), MODE_CURRENT, "", &b);
	CU_ASSERT_EQUAL(feed_buf(&b), PUB_NEWS_NONE);
	next_breach("E_INVALID_FIELD_VALUE");
	again();
	next_text(FRAME_HELLO);
	for (int i = 0; i < 70000; i++)
		buf_putc(&big, ' ');
	CU_ASSERT_EQUAL(feed_buf(&big), PUB_NEWS_NONE);
	next_breach("E_INVALID_FIELD_VALUE");
	finish();
}

static void subscribing_before_hello_or_twice_is_a_breach(void)
{
	start();
	CU_ASSERT_EQUAL(feed("{\"subscribe\":{\"name\":\"a\"}}"),
	                PUB_NEWS_NONE);
	next_breach("E_INVALID_FIELD_VALUE");
	again();
	(void)subscribe(NULL);
	CU_ASSERT_EQUAL(feed("{\"subscribe\":{\"name\":\"a\"}}"),
	                PUB_NEWS_NONE);
	next_breach("E_INVALID_FIELD_VALUE");
	finish();
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
	finish();
}

static void credentials_are_heard_at_any_time(void)
{
	static const char token[] = "milan-0123456789";
	struct buf b = BUF_INIT(1000);

	start();
	frame_credentials(token, &b);
	CU_ASSERT_EQUAL(feed_buf(&b), PUB_NEWS_CREDENTIALS);
	CU_ASSERT_STRING_EQUAL(pub_token(p), token);
	(void)subscribe(head());
	CU_ASSERT_PTR_NULL(pub_token(p));
	answered(MODE_CURRENT);
	frame_credentials(token, &b);
	CU_ASSERT_EQUAL(feed_buf(&b), PUB_NEWS_CREDENTIALS);
	CU_ASSERT_STRING_EQUAL(pub_token(p), token);
	CU_ASSERT_EQUAL(ack(&head()->pos), PUB_NEWS_ACK);
	CU_ASSERT_PTR_NULL(pub_token(p));
	finish();
}

static void broken_credentials_are_a_breach_and_not_shown(void)
{
	static const char *const bad[] = { "too-short", "a blank 0123456789" };
	struct buf b = BUF_INIT(1000);
	enum pub_news news;

	start();
	for (size_t i = 0; i < 2; i++) {
		struct diag d = { .line = 0 };

		again();
		next_text(FRAME_HELLO);
		buf_clear(&b);
		frame_credentials(bad[i], &b);
		CU_ASSERT_EQUAL(pub_frame(p, b.data, b.len, &news, &d), RC_OK);
		CU_ASSERT_EQUAL(news, PUB_NEWS_NONE);
		CU_ASSERT_PTR_NULL(strstr(d.text, bad[i]));
		CU_ASSERT_PTR_NULL(pub_token(p));
		next_breach("E_SYNTAX");
	}
	buf_free(&b);
	finish();
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
	finish();
}

static void who_is_sent_away_is_told_why_and_for_how_long(void)
{
	static const int codes[] = { CLOSE_GOING, CLOSE_SLOW, CLOSE_REPLACED,
	                             CLOSE_DENIED, CLOSE_SILENT };

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
	finish();
}

#define T(f) { #f, f }

int main(void)
{
	CU_TestInfo tests[] = {
		T(a_uri_that_nobody_could_use_is_a_breach),
		T(an_ack_moves_what_is_acked),
		T(who_is_below_is_never_the_teller_nor_a_name_that_cannot_be),
		T(an_order_that_is_shared_is_left_to_the_caller),
		T(who_needs_no_order_does_not_pull),
		T(an_ack_of_what_was_not_sent_is_a_breach),
		T(an_ack_before_subscribing_is_a_breach),
		T(an_ack_that_crosses_a_new_session_says_nothing),
		T(resync_before_subscribing_changes_nothing),
		T(what_breaks_the_protocol_is_shown_the_door),
		T(subscribing_before_hello_or_twice_is_a_breach),
		T(another_service_is_shown_the_door),
		T(credentials_are_heard_at_any_time),
		T(broken_credentials_are_a_breach_and_not_shown),
		T(bye_and_error_are_heard),
		T(who_is_sent_away_is_told_why_and_for_how_long),
		CU_TEST_INFO_NULL
	};

	return suite_run("pub_door", tests);
}
