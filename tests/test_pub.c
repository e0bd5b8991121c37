/* The publisher's half: what a subscriber is answered, and what it is owed. */
#include "common/proto/pub.h"

#include "tests/pub_stage.h"
#include "tests/suite.h"

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
	finish();
}

static void without_a_head_nothing_is_said(void)
{
	start();
	world.head = NULL;
	next(PUB_IDLE);
	world.head = w->head;
	next_text(FRAME_HELLO);
	finish();
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
	finish();
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
	finish();
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
	finish();
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
	finish();
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
	finish();
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
	finish();
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
	finish();
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
	finish();
}

static void expired_is_as_good_a_proof(void)
{
	struct state lost;

	start();
	lost = go_back(false);
	w->now += 10 * WORLD_LIFETIME;
	CU_ASSERT_EQUAL(subscribe(&lost), PUB_NEWS_AHEAD);
	finish();
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
	finish();
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
	finish();
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
	finish();
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
	finish();
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
	finish();
}

static void a_new_head_needs_no_alive_of_its_own(void)
{
	start();
	(void)subscribe(head());
	answered(MODE_CURRENT);
	gets_alive();
	next_update(change());
	next(PUB_IDLE);
	finish();
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
	finish();
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
	finish();
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
		CU_TEST_INFO_NULL
	};

	return suite_run("pub", tests);
}
