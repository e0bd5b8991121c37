/* The subscriber's half: each way in which a publisher or a line can be wrong, and
 * that what is served stays until something better is proven. */
#include "tests/subrig.h"

#include <stdlib.h>

#include "common/proto/work.h"
#include "tests/suite.h"

static void a_gap_resumes_from_what_is_held(void)
{
	const struct snapshot *before;

	start();
	before = held;
	change(0);
	say(change(0));
	check_fell(SUB_GAP, before);
	check_resumes();
	end();
}

static void an_alive_beyond_the_line_is_a_gap(void)
{
	const struct snapshot *before;

	start();
	before = held;
	change(0);
	say_alive(snapshot_state(w->head));
	check_fell(SUB_GAP, before);
	check_resumes();
	end();
}

static void a_doubled_update_is_skipped(void)
{
	struct update *u;

	start();
	u = change(0);
	say(u);
	say(u);
	CU_ASSERT_EQUAL(publishes, 1);
	CU_ASSERT(!reopened);
	say(change(0));
	say(u);
	CU_ASSERT_EQUAL(publishes, 2);
	CU_ASSERT(current());
	end();
}

/* The update as it stands, under another state. */
static void a_forged_signature_is_not_served(void)
{
	const struct snapshot *before;
	struct update *u;
	struct state st;

	start();
	before = held;
	u = change(0);
	st = u->state;
	st.signature[10] = st.signature[10] == 'A' ? 'B' : 'A';
	say_with(u, &st);
	check_fell(SUB_SIGNATURE, before);
	check_starts_over();
	end();
}

static void a_forged_alive_does_not_replace_a_good_one(void)
{
	const struct snapshot *before;
	struct state st;

	start();
	before = held;
	w->now += 30;
	world_heartbeat(w);
	st = *snapshot_state(w->head);
	st.signature[10] = st.signature[10] == 'A' ? 'B' : 'A';
	say_alive(&st);
	check_fell(SUB_SIGNATURE, before);
	end();
}

static void a_forged_snapshot_orders_nothing(void)
{
	const struct snapshot *before;
	struct snapshot *forged = NULL;
	struct state st;

	start();
	before = held;
	change(0);
	st = *snapshot_state(w->head);
	st.signature[10] = st.signature[10] == 'A' ? 'B' : 'A';
	CU_ASSERT_EQUAL(snapshot_restate(w->head, &st, &forged), RC_OK);
	connect_up();
	say_subscribed(MODE_SNAPSHOT);
	say_snapshot_of(forged);
	check_fell(SUB_SIGNATURE, before);
	CU_ASSERT_EQUAL(n_fetch, 0);
	snapshot_unref(forged);
	end();
}

static void a_state_of_the_future_is_refused(void)
{
	const struct snapshot *before;
	struct update *u;

	start();
	before = held;
	w->now += STATE_SKEW_S + 60;
	u = change(0);
	w->now -= STATE_SKEW_S + 60;
	say(u);
	check_fell(SUB_CLOCK, before);
	w->now += 60 + 1;
	check_resumes();
	end();
}

static void a_session_of_the_future_is_refused(void)
{
	const struct snapshot *before;

	start();
	before = held;
	w->sessions = 1000 * (STATE_SKEW_S + 100);
	world_session(w);
	connect_up();
	say_subscribed(MODE_SNAPSHOT);
	say_snapshot_of(w->head);
	check_fell(SUB_CLOCK, before);
	CU_ASSERT_EQUAL(n_fetch, 0);
	end();
}

static void an_expired_run_is_good_once_alive_follows(void)
{
	struct update *u[3];

	start();
	for (int i = 0; i < 3; i++)
		u[i] = change(0);
	w->now += 3 * WORLD_LIFETIME;
	connect_up();
	say_subscribed(MODE_DELTA);
	for (int i = 0; i < 3; i++)
		say(u[i]);
	CU_ASSERT_EQUAL(publishes, 0);
	CU_ASSERT(!reopened);
	world_heartbeat(w);
	say_alive(snapshot_state(w->head));
	CU_ASSERT_EQUAL(publishes, 1);
	CU_ASSERT_EQUAL(run_len, 3);
	CU_ASSERT(current());
	end();
}

static void an_expired_snapshot_is_good_once_alive_follows(void)
{
	start_bare();
	w->now += 3 * WORLD_LIFETIME;
	first_contact();
	CU_ASSERT_EQUAL(publishes, 0);
	CU_ASSERT(!reopened);
	world_heartbeat(w);
	say_alive(snapshot_state(w->head));
	CU_ASSERT(current());
	end();
}

/* Under a state whose root is another. */
static void say_with_other_root(const struct update *u)
{
	struct state st = u->state;

	st.root[0] ^= 1;
	world_sign(w, &st);
	say_with(u, &st);
}

static void a_root_that_does_not_come_out_starts_over(void)
{
	const struct snapshot *before;

	start();
	before = held;
	say_with_other_root(change(0));
	check_fell(SUB_MISMATCH, before);
	check_starts_over();
	end();
}

static void a_root_that_cannot_come_out_is_not_waited_for(void)
{
	const struct snapshot *before;

	start();
	before = held;
	say_with_other_root(change_pull(0));
	check_fell(SUB_MISMATCH, before);
	end();
}

static void leaves_that_do_not_give_the_root_order_nothing(void)
{
	const struct snapshot *before;
	struct snapshot *other = NULL;
	struct state st;

	start();
	before = held;
	change(0);
	st = *snapshot_state(w->head);
	st.root[0] ^= 1;
	world_sign(w, &st);
	CU_ASSERT_EQUAL(snapshot_restate(w->head, &st, &other), RC_OK);
	connect_up();
	say_subscribed(MODE_SNAPSHOT);
	say_snapshot_of(other);
	check_fell(SUB_MISMATCH, before);
	CU_ASSERT_EQUAL(n_fetch, 0);
	snapshot_unref(other);
	end();
}

static void a_new_session_is_followed(void)
{
	start();
	source = w->head;
	world_edit_cost(w, 0);
	world_session(w);
	source = w->head;
	connect_up();
	say_subscribed(MODE_SNAPSHOT);
	say_snapshot_of(w->head);
	CU_ASSERT(current());
	CU_ASSERT(jumped);
	CU_ASSERT_EQUAL(n_fetch, 1);
	/* Also in the middle of a connection. */
	world_session(w);
	say_snapshot_of(w->head);
	CU_ASSERT(current());
	CU_ASSERT(!reopened);
	CU_ASSERT_PTR_NOT_NULL(strstr(sent, "{\"ack\":{\"serial\":1,"));
	end();
}

static void an_update_of_another_session_is_a_gap(void)
{
	const struct snapshot *before;

	start();
	before = held;
	world_session(w);
	say(change(0));
	check_fell(SUB_GAP, before);
	end();
}

static void nobody_goes_back(void)
{
	const struct snapshot *before;

	start();
	say(change(0));
	before = held;
	connect_up();
	say_subscribed(MODE_SNAPSHOT);
	say_snapshot_of(w->past[w->n_past - 2]);
	check_fell(SUB_LOWER, before);
	CU_ASSERT_EQUAL(n_fetch, 0);
	connect_up();
	say_subscribed(MODE_BEHIND);
	CU_ASSERT_EQUAL(sub_counts(s)->reopened[SUB_LOWER], 2);
	/* The publisher must see what is held: it may have lost it. */
	connect_up();
	CU_ASSERT_PTR_NOT_NULL(strstr(sent, "\"have\""));
	end();
}

static void another_root_at_the_same_position_is_a_fork(void)
{
	const struct snapshot *before;

	start();
	say(change(0));
	before = held;
	world_restore(w, w->n_past - 2);
	world_edit_cost(w, 1);
	(void)world_publish(w);
	connect_up();
	say_subscribed(MODE_SNAPSHOT);
	say_snapshot_of(w->head);
	check_fell(SUB_FORK, before);
	CU_ASSERT_EQUAL(sub_counts(s)->forks, 1);
	CU_ASSERT_EQUAL(n_fetch, 0);
	connect_up();
	CU_ASSERT_PTR_NOT_NULL(strstr(sent, "\"have\""));
	say_subscribed(MODE_CURRENT);		/* it lies */
	CU_ASSERT_EQUAL(reason, SUB_PROTOCOL);
	end();
}

static void an_alive_with_another_root_is_a_fork(void)
{
	const struct snapshot *before;

	start();
	say(change(0));
	before = held;
	world_restore(w, w->n_past - 2);
	w->now++;
	world_edit_cost(w, 1);
	(void)world_publish(w);
	say_alive(snapshot_state(w->head));
	check_fell(SUB_FORK, before);
	CU_ASSERT_EQUAL(sub_counts(s)->forks, 1);
	end();
}

/* Nobody has signed that there are two. */
static void an_alive_with_a_root_of_nobody_is_no_fork(void)
{
	const struct snapshot *before;
	struct state st;

	start();
	say(change(0));
	before = held;
	st = *snapshot_state(w->head);
	st.root[0] ^= 1;
	w->signer = 1;
	world_sign(w, &st);
	say_alive(&st);
	check_fell(SUB_KEY, before);
	CU_ASSERT_EQUAL(sub_counts(s)->forks, 0);
	end();
}

static void after_a_mismatch_a_lost_history_still_comes_out(void)
{
	struct update *u;
	struct state st;

	start();
	say(change(0));
	u = change(0);
	st = u->state;
	st.root[0] ^= 1;
	world_sign(w, &st);
	say_with(u, &st);
	CU_ASSERT_EQUAL(reason, SUB_MISMATCH);
	world_restore(w, 1);
	connect_up();
	CU_ASSERT_PTR_NULL(strstr(sent, "\"have\""));
	say_subscribed(MODE_SNAPSHOT);
	say_snapshot_of(w->head);
	CU_ASSERT_EQUAL(reason, SUB_LOWER);
	connect_up();
	CU_ASSERT_PTR_NOT_NULL(strstr(sent, "\"have\""));
	end();
}

static void our_own_id_in_the_path_is_a_loop(void)
{
	const struct snapshot *before;

	start();
	before = held;
	CU_ASSERT_EQUAL(sub_opened(s), RC_OK);
	sent[0] = '\0';
	say_hello_of(w->service, SELF);
	check_fell(SUB_LOOP, before);
	CU_ASSERT_STRING_EQUAL(sent, "");
	end();
}

static void another_service_is_refused(void)
{
	const struct snapshot *before;
	struct sub_config cfg = config();
	struct keys keys = { .n = 0 };
	struct update *u;
	struct state st;

	start();
	before = held;
	CU_ASSERT_EQUAL(sub_opened(s), RC_OK);
	say_hello_of(OTHER_SERVICE, WORLD_INSTANCE);
	check_fell(SUB_SERVICE, before);
	/* The same key may serve two: the state's own service counts. */
	connect_up();
	say_subscribed(MODE_CURRENT);
	u = change(0);
	st = u->state;
	memcpy(st.service, OTHER_SERVICE, UUID_TEXT + 1);
	world_sign(w, &st);
	say_with(u, &st);
	CU_ASSERT_EQUAL(reason, SUB_SERVICE);
	CU_ASSERT_PTR_EQUAL(held, before);
	end();
	memcpy(cfg.service, OTHER_SERVICE, UUID_TEXT + 1);
	start_with(&cfg, &keys);
	first_contact();
	CU_ASSERT_EQUAL(reason, SUB_SERVICE);
	CU_ASSERT_EQUAL(publishes, 0);
	end();
}

/* ---- what a host in between may try ----------------------------------------- */

static void a_resource_that_is_withheld_is_missed(void)
{
	const struct snapshot *before;
	struct buf b = BUF_INIT(1 << 20);
	char *cut, *end_of;

	start();
	before = held;
	change(0);
	connect_up();
	say_subscribed(MODE_SNAPSHOT);
	CU_ASSERT_EQUAL(frame_snapshot(w->head, &b), RC_OK);
	cut = strstr(buf_str(&b), "\"\\\"delay\\\"");
	CU_ASSERT_PTR_NOT_NULL_FATAL(cut);
	end_of = strchr(cut, ',') + 1;
	memmove(cut, end_of, strlen(end_of) + 1);
	feed(b.data, strlen(b.data));
	buf_free(&b);
	check_fell(SUB_MISMATCH, before);
	CU_ASSERT_EQUAL(n_fetch, 0);
	end();
}

/* Such a proxy has old heartbeats alone: what is served ages, and expires. */
static void heartbeats_that_are_replayed_renew_nothing(void)
{
	struct state old[3];
	struct snapshot *before;

	start();
	for (int i = 0; i < 3; i++) {
		w->now += 30;
		world_heartbeat(w);
		old[i] = *snapshot_state(w->head);
		say_alive(&old[i]);
	}
	CU_ASSERT_EQUAL(publishes, 3);
	before = held;
	change(0);			/* withheld */
	for (int i = 0; i < 30; i++) {
		w->now += WORLD_LIFETIME / 20;
		say_alive(&old[i % 3]);
	}
	CU_ASSERT_EQUAL(publishes, 3);
	CU_ASSERT_PTR_EQUAL(held, before);
	CU_ASSERT_EQUAL(snapshot_state(held)->created, old[2].created);
	CU_ASSERT(snapshot_state(held)->expires < w->now);
	CU_ASSERT(!reopened);
	end();
}

static void a_host_with_a_key_of_its_own_is_not_believed(void)
{
	struct world *honest;
	struct snapshot *liar;
	const struct snapshot *before;
	struct keys keys = { .n = 0 };
	struct sub_config cfg = config();

	start();
	before = held;
	honest = w;
	w = world_new(7);		/* all is right, but for the key */
	w->now += 10;
	for (int i = 0; i < 5; i++) {
		world_edit_cost(w, 0);
		(void)world_publish(w);
	}
	world_session(w);
	liar = snapshot_ref(w->head);
	source = liar;
	connect_snapshot(liar);
	check_fell(SUB_KEY, before);
	poll_of(liar);
	CU_ASSERT_EQUAL(sub_counts(s)->reopened[SUB_KEY], 2);
	CU_ASSERT_EQUAL(n_fetch, 0);
	CU_ASSERT_PTR_EQUAL(held, before);
	/* Nor at first, when the key is pinned. */
	sub_free(s);
	keys.n_pins = 1;
	memcpy(keys.pin[0], world_public(honest)->id, THUMBPRINT_TEXT + 1);
	CU_ASSERT_EQUAL_FATAL(sub_new(&cfg, &keys, NULL, &s), RC_OK);
	connect_snapshot(liar);
	CU_ASSERT_EQUAL(reason, SUB_KEY);
	CU_ASSERT_EQUAL(sub_counts(s)->published, 0);
	snapshot_unref(liar);
	world_free(w);
	w = honest;
	end();
}

/* The origin had been at the position of that body, and has lost it since. */
static void a_body_from_a_lost_history_is_not_waited_for(void)
{
	struct snapshot *lost;
	struct update *u;

	start();
	u = change_pull(0);
	say(u);
	for (int i = 0; i < 20; i++)
		change(0);
	lost = snapshot_ref(w->head);
	answer_from(lost, "cost");
	CU_ASSERT_EQUAL(publishes, 0);
	world_restore(w, 2);		/* to what was ordered */
	w->now++;
	world_heartbeat(w);
	say_alive(snapshot_state(w->head));
	CU_ASSERT(reopened);
	CU_ASSERT_EQUAL(reason, SUB_MISMATCH);
	/* Nor is it taken again. */
	connect_snapshot(w->head);
	CU_ASSERT_EQUAL(n_fetch, 1);
	answer_from(lost, "cost");
	CU_ASSERT_EQUAL(n_fetch, 2);
	answer_from(w->head, "cost");
	CU_ASSERT(current());
	snapshot_unref(lost);
	end();
}

#define T(f) { #f, f }

int main(void)
{
	CU_TestInfo tests[] = {
		T(a_gap_resumes_from_what_is_held),
		T(an_alive_beyond_the_line_is_a_gap),
		T(a_doubled_update_is_skipped),
		T(a_forged_signature_is_not_served),
		T(a_forged_alive_does_not_replace_a_good_one),
		T(a_forged_snapshot_orders_nothing),
		T(a_state_of_the_future_is_refused),
		T(a_session_of_the_future_is_refused),
		T(an_expired_run_is_good_once_alive_follows),
		T(an_expired_snapshot_is_good_once_alive_follows),
		T(a_root_that_does_not_come_out_starts_over),
		T(a_root_that_cannot_come_out_is_not_waited_for),
		T(leaves_that_do_not_give_the_root_order_nothing),
		T(a_new_session_is_followed),
		T(an_update_of_another_session_is_a_gap),
		T(nobody_goes_back),
		T(another_root_at_the_same_position_is_a_fork),
		T(an_alive_with_another_root_is_a_fork),
		T(an_alive_with_a_root_of_nobody_is_no_fork),
		T(after_a_mismatch_a_lost_history_still_comes_out),
		T(our_own_id_in_the_path_is_a_loop),
		T(another_service_is_refused),
		T(a_resource_that_is_withheld_is_missed),
		T(heartbeats_that_are_replayed_renew_nothing),
		T(a_host_with_a_key_of_its_own_is_not_believed),
		T(a_body_from_a_lost_history_is_not_waited_for),
		CU_TEST_INFO_NULL
	};

	return suite_run("sub_fall", tests);
}
