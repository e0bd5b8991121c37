/* The subscriber's half in pull mode: rounds that a state document orders. */
#include "tests/subrig.h"

#include <stdlib.h>

#include "common/proto/work.h"
#include "common/wire/state_json.h"
#include "tests/suite.h"

/* Held, not connected, at the head. */
static void start_pulled(void)
{
	start_bare();
	poll_of(w->head);
	CU_ASSERT_EQUAL_FATAL(publishes, 1);
	CU_ASSERT(current());
	publishes = 0;
	n_fetch = 0;
	source = NULL;
	sent[0] = '\0';
}

/* The round is over, for this reason, and nothing has changed. */
static void check_over(enum sub_reason why, const struct snapshot *before)
{
	check_fell(why, before);
	CU_ASSERT(!sub_polling(s));
	CU_ASSERT_STRING_EQUAL(sub_phase(s), "closed");
	CU_ASSERT_STRING_EQUAL(sent, "");
}

static bool is_asked(const char *id)
{
	for (size_t i = 0; i < n_fetch; i++)
		if (strcmp(fetches[i].id, id) == 0)
			return true;
	return false;
}

/* ---- the good way ---------------------------------------------------------- */

static void a_document_orders_the_whole_set(void)
{
	start_bare();
	source = NULL;
	sent[0] = '\0';
	poll_of(w->head);
	CU_ASSERT(sub_polling(s));
	CU_ASSERT_STRING_EQUAL(sub_phase(s), "pull");
	CU_ASSERT_EQUAL(n_fetch, 1);
	CU_ASSERT_STRING_EQUAL(fetches[0].id, DIRECTORY_ID);
	source = w->head;
	answer_from(w->head, DIRECTORY_ID);
	CU_ASSERT_EQUAL(n_fetch, snapshot_count(w->head));
	CU_ASSERT_STRING_EQUAL(fetches[1].uri, "maps/cost");
	CU_ASSERT_EQUAL(fetches[1].within, 0);
	CU_ASSERT_EQUAL(publishes, 1);
	CU_ASSERT(jumped);
	CU_ASSERT(current());
	CU_ASSERT_EQUAL(sub_keys(s)->n, 1);
	CU_ASSERT(!sub_polling(s));
	CU_ASSERT_STRING_EQUAL(sub_phase(s), "closed");
	CU_ASSERT_STRING_EQUAL(sent, "");	/* there is nobody to tell */
	CU_ASSERT_EQUAL(polls, 0);
	end();
}

static void only_what_differs_is_fetched_and_what_is_gone_goes(void)
{
	start_pulled();
	w->net_there[1] = w->cost_there[2] = true;
	(void)world_publish(w);
	change(0);
	source = w->head;
	poll_of(w->head);
	CU_ASSERT(current());
	CU_ASSERT_EQUAL(n_fetch, 4);	/* IRD, -net6, Hops, cost */
	CU_ASSERT(!is_asked("net"));
	CU_ASSERT(!is_asked("delay"));
	w->net_there[1] = false;
	(void)world_publish(w);
	n_fetch = 0;
	source = w->head;
	poll_of(w->head);
	CU_ASSERT_EQUAL(n_fetch, 1);	/* the IRD */
	CU_ASSERT_PTR_NULL(snapshot_get(held, "Hops"));
	CU_ASSERT(current());
	CU_ASSERT_EQUAL(publishes, 2);
	CU_ASSERT_EQUAL(sub_counts(s)->published, 3);
	end();
}

static void what_is_held_already_ends_the_round_at_once(void)
{
	start_pulled();
	for (int i = 0; i < 2 * SUB_ROUNDS_MAX; i++) {
		poll_of(w->head);
		CU_ASSERT(!sub_polling(s));
	}
	CU_ASSERT_EQUAL(publishes, 0);
	CU_ASSERT_EQUAL(n_fetch, 0);
	CU_ASSERT(!reopened);
	end();
}

static void of_a_later_signature_that_alone_is_taken(void)
{
	struct snapshot *earlier;

	start_pulled();
	earlier = snapshot_ref(w->head);
	w->now += 30;
	world_heartbeat(w);
	poll_of(w->head);
	CU_ASSERT_EQUAL(publishes, 1);
	CU_ASSERT(!jumped);
	CU_ASSERT_EQUAL(run_len, 0);
	CU_ASSERT_EQUAL(n_fetch, 0);
	CU_ASSERT_EQUAL(snapshot_state(held)->created, w->now);
	CU_ASSERT_EQUAL(sub_counts(s)->published, 1);	/* it has not moved */
	poll_of(earlier);
	CU_ASSERT_EQUAL(publishes, 1);
	CU_ASSERT(!reopened);
	CU_ASSERT_EQUAL(snapshot_state(held)->created, w->now);
	snapshot_unref(earlier);
	end();
}

static void a_new_session_is_followed_by_polling(void)
{
	start_pulled();
	world_edit_cost(w, 0);
	world_session(w);
	source = w->head;
	poll_of(w->head);
	CU_ASSERT_EQUAL(n_fetch, 1);
	CU_ASSERT(jumped);
	CU_ASSERT(current());
	end();
}

static void push_goes_on_from_what_was_polled_and_the_other_way(void)
{
	start_pulled();
	change(0);
	source = w->head;
	poll_of(w->head);
	source = NULL;
	change(1);
	check_resumes();
	CU_ASSERT_PTR_NOT_NULL(strstr(sent, "{\"ack\":"));
	sub_lost(s, SUB_CLOSED);
	change(0);
	source = w->head;
	poll_of(w->head);
	CU_ASSERT(current());
	CU_ASSERT(jumped);
	end();
}

/* ---- rounds that do not close ---------------------------------------------- */

static void a_body_ahead_of_the_order_waits_for_the_next_one(void)
{
	struct snapshot *ordered;

	start_pulled();
	change(1);
	change(0);
	ordered = snapshot_ref(w->head);
	poll_of(ordered);
	CU_ASSERT_EQUAL(n_fetch, 2);
	change(0);
	answer_from(w->head, "cost");
	CU_ASSERT_EQUAL(polls, 0);	/* a fetch is under way */
	answer_from(ordered, "delay");
	CU_ASSERT_EQUAL(polls, 1);
	CU_ASSERT_EQUAL(publishes, 0);
	CU_ASSERT(sub_polling(s));
	poll_of(w->head);		/* all of it is in stock */
	CU_ASSERT_EQUAL(n_fetch, 2);
	CU_ASSERT_EQUAL(publishes, 1);
	CU_ASSERT(current());
	CU_ASSERT(!reopened);
	snapshot_unref(ordered);
	end();
}

static void a_body_of_a_later_session_does_too(void)
{
	struct snapshot *ordered;

	start_pulled();
	for (int i = 0; i < 4; i++)
		change(0);
	ordered = snapshot_ref(w->head);
	poll_of(ordered);
	world_edit_cost(w, 0);
	world_session(w);		/* with a lower serial */
	answer_from(w->head, "cost");
	CU_ASSERT_EQUAL(polls, 1);
	CU_ASSERT(!reopened);
	poll_of(w->head);
	CU_ASSERT_EQUAL(n_fetch, 1);
	CU_ASSERT(current());
	snapshot_unref(ordered);
	end();
}

static void what_is_not_in_stock_is_fetched_in_the_next_order(void)
{
	struct snapshot *ordered;

	start_pulled();
	change(0);
	ordered = snapshot_ref(w->head);
	poll_of(ordered);
	change(0);
	answer_from(w->head, "cost");
	CU_ASSERT_EQUAL(polls, 1);
	change(0);			/* on it goes */
	poll_of(w->head);
	CU_ASSERT_EQUAL(n_fetch, 2);
	answer_from(w->head, "cost");
	CU_ASSERT(current());
	snapshot_unref(ordered);
	end();
}

/* Each time ahead of what was ordered. */
static void chase(void)
{
	for (unsigned i = 0; i < SUB_ROUNDS_MAX; i++) {
		struct snapshot *ordered;

		CU_ASSERT_EQUAL(polls, i);
		change(0);
		ordered = snapshot_ref(w->head);
		poll_of(ordered);
		CU_ASSERT(!reopened);
		change(0);
		answer_from(w->head, "cost");
		snapshot_unref(ordered);
	}
}

static void what_changes_faster_than_it_comes_needs_push(void)
{
	const struct snapshot *before;

	start_pulled();
	before = held;
	chase();
	CU_ASSERT_EQUAL(polls, SUB_ROUNDS_MAX - 1);
	check_over(SUB_ROUNDS, before);
	/* The last body was kept, and the service has come to rest. */
	n_fetch = 0;
	poll_of(w->head);
	CU_ASSERT_EQUAL(n_fetch, 0);
	CU_ASSERT(current());
	/* Each round counts for itself. */
	polls = 0;
	chase();
	CU_ASSERT_EQUAL(sub_counts(s)->reopened[SUB_ROUNDS], 2);
	end();
}

static void a_directory_ahead_may_have_lost_what_was_ordered(void)
{
	struct snapshot *ordered;

	start_pulled();
	w->listed[1] = true;
	change(1);
	ordered = snapshot_ref(w->head);
	poll_of(ordered);
	CU_ASSERT_EQUAL(n_fetch, 1);
	w->cost_there[1] = false;
	(void)world_publish(w);
	answer_from(w->head, DIRECTORY_ID);
	CU_ASSERT_EQUAL(n_fetch, 1);
	CU_ASSERT_EQUAL(polls, 1);
	CU_ASSERT(!reopened);
	poll_of(w->head);
	CU_ASSERT_EQUAL(n_fetch, 1);
	CU_ASSERT(current());
	CU_ASSERT_EQUAL(sub_keys(s)->n, 2);
	snapshot_unref(ordered);
	end();
}

static void the_order_stands_while_its_bodies_are_on_their_way(void)
{
	struct snapshot *ordered;

	start_pulled();
	change(0);
	ordered = snapshot_ref(w->head);
	poll_of(ordered);
	change(1);
	for (int i = 0; i < 2 * SUB_ROUNDS_MAX; i++)
		poll_of(w->head);
	CU_ASSERT_EQUAL(n_fetch, 1);
	answer_from(ordered, "cost");
	CU_ASSERT_EQUAL(publishes, 1);
	CU_ASSERT(world_same(held, ordered));
	CU_ASSERT(!reopened);
	snapshot_unref(ordered);
	end();
}

/* ---- bodies ---------------------------------------------------------------- */

static void an_old_body_from_a_cache_is_fetched_again_without_it(void)
{
	struct snapshot *old;
	const struct snapshot *before;

	start_pulled();
	before = held;
	old = snapshot_ref(w->head);
	change(0);
	poll_of(w->head);
	CU_ASSERT(!fetches[0].no_cache);
	answer_from(old, "cost");
	CU_ASSERT_EQUAL(n_fetch, 2);
	CU_ASSERT(fetches[1].no_cache);
	for (int i = 1; i < WORK_TRIES_MAX; i++) {
		CU_ASSERT(!reopened);
		answer_from(old, "cost");
	}
	CU_ASSERT_EQUAL(n_fetch, WORK_TRIES_MAX);
	check_over(SUB_PULL, before);
	/* What is held is still good to go on from. */
	check_resumes();
	snapshot_unref(old);
	end();
}

static void a_body_of_an_older_state_is_good_when_its_leaf_is_ordered(void)
{
	struct snapshot *old;

	start_bare();
	source = NULL;
	poll_of(w->head);
	sub_lost(s, SUB_CLOSED);
	old = snapshot_ref(w->head);
	change(1);
	w->now += 2 * WORLD_LIFETIME;	/* its own signature has expired */
	world_heartbeat(w);
	poll_of(w->head);
	answer_from(w->head, DIRECTORY_ID);
	answer_from(old, "net");
	answer_from(old, "cost");
	CU_ASSERT_EQUAL(publishes, 0);
	n_fetch = 0;
	answer_from(old, "delay");	/* its leaf is another by now */
	CU_ASSERT_EQUAL(n_fetch, 1);
	CU_ASSERT_EQUAL(publishes, 0);
	answer_from(w->head, "delay");
	CU_ASSERT(current());
	snapshot_unref(old);
	end();
}

static void a_body_that_lies_is_never_served(void)
{
	const struct snapshot *before;

	start_pulled();
	before = held;
	change(0);
	poll_of(w->head);
	answer_bent(w->head, "cost", bend_bytes);
	answer_bent(w->head, "cost", bend_fetch);
	CU_ASSERT_EQUAL(n_fetch, 3);
	/* Ahead, by a signature that is wrong. */
	change(0);
	answer_bent(w->head, "cost", bend_signature);
	CU_ASSERT_EQUAL(polls, 0);
	CU_ASSERT_PTR_EQUAL(held, before);
	answer_from(w->head, "cost");
	CU_ASSERT_EQUAL(polls, 1);
	poll_of(w->head);
	CU_ASSERT(current());
	end();
}

static void a_connection_ends_the_round_and_keeps_the_bodies(void)
{
	start_pulled();
	change(0);
	change(1);
	poll_of(w->head);
	CU_ASSERT_EQUAL(n_fetch, 2);
	answer_from(w->head, "cost");
	connect_up();
	CU_ASSERT(!sub_polling(s));
	answer_from(w->head, "delay");	/* it had been on its way */
	n_fetch = 0;
	say_subscribed(MODE_SNAPSHOT);
	say_snapshot_of(w->head);
	CU_ASSERT_EQUAL(n_fetch, 0);
	CU_ASSERT(current());
	CU_ASSERT_EQUAL(publishes, 1);
	end();
}

static void documents_say_nothing_while_connected(void)
{
	start();
	change(0);
	poll_of(w->head);
	CU_ASSERT(!sub_polling(s));
	CU_ASSERT_EQUAL(n_fetch, 0);
	CU_ASSERT_STRING_EQUAL(sub_phase(s), "current");
	check_resumes();
	end();
}

static void frames_say_nothing_in_a_round(void)
{
	struct update *u;

	start_pulled();
	u = change(0);
	poll_of(w->head);
	say(u);
	feed("x", 1);
	CU_ASSERT(!reopened);
	CU_ASSERT_EQUAL(publishes, 0);
	sub_heartbeat_due(s);
	pump();
	CU_ASSERT_STRING_EQUAL(sent, "");
	answer_from(w->head, "cost");
	CU_ASSERT(current());
	end();
}

/* ---- documents that are not followed --------------------------------------- */

static void poll_bent(const struct state *st)
{
	struct snapshot *bent = head_with(st);

	poll_of(bent);
	snapshot_unref(bent);
}

static void what_is_lower_or_forked_is_not_taken(void)
{
	const struct snapshot *before;

	start_pulled();
	change(0);
	source = w->head;
	poll_of(w->head);
	source = NULL;
	n_fetch = 0;
	before = held;
	poll_of(w->past[w->n_past - 2]);
	check_over(SUB_LOWER, before);
	world_restore(w, w->n_past - 2);
	world_edit_cost(w, 1);
	(void)world_publish(w);
	poll_of(w->head);
	check_over(SUB_FORK, before);
	CU_ASSERT_EQUAL(sub_counts(s)->forks, 1);
	CU_ASSERT_EQUAL(n_fetch, 0);
	/* From there on it is above, and followed. */
	change(1);
	source = w->head;
	poll_of(w->head);
	CU_ASSERT(current());
	end();
}

static void what_has_expired_is_not_taken(void)
{
	const struct snapshot *before;

	start_pulled();
	before = held;
	change(0);
	w->now += WORLD_LIFETIME;
	poll_of(w->head);
	check_over(SUB_EXPIRED, before);
	CU_ASSERT_PTR_NOT_NULL(strstr(reason_why, enc_utc(snapshot_state(w->head)
	                                                  ->expires).s));
	CU_ASSERT_EQUAL(n_fetch, 0);
	world_heartbeat(w);
	poll_of(w->head);
	w->now += WORLD_LIFETIME;	/* while the body is on its way */
	answer_from(w->head, "cost");
	CU_ASSERT(reopened);
	CU_ASSERT_EQUAL(reason, SUB_EXPIRED);
	CU_ASSERT_PTR_EQUAL(held, before);
	world_heartbeat(w);
	poll_of(w->head);		/* the body was kept */
	CU_ASSERT(current());
	CU_ASSERT_EQUAL(n_fetch, 1);
	end();
}

static void what_is_of_the_future_or_forged_is_not_taken(void)
{
	const struct snapshot *before;
	struct state st;

	start_pulled();
	before = held;
	change(0);
	st = *snapshot_state(w->head);
	st.created += STATE_SKEW_S + 1;
	world_sign(w, &st);
	poll_bent(&st);
	check_over(SUB_CLOCK, before);
	st = *snapshot_state(w->head);
	st.signature[10] = st.signature[10] == 'A' ? 'B' : 'A';
	poll_bent(&st);
	check_over(SUB_SIGNATURE, before);
	st = *snapshot_state(w->head);
	memcpy(st.service, OTHER_SERVICE, UUID_TEXT + 1);
	world_sign(w, &st);
	poll_bent(&st);
	check_over(SUB_SERVICE, before);
	w->signer = 1;
	world_heartbeat(w);
	poll_of(w->head);
	check_over(SUB_KEY, before);
	CU_ASSERT_EQUAL(n_fetch, 0);
	end();
}

static void a_publication_that_was_not_carried_out_is_polled_again(void)
{
	struct sub_act act;
	struct sub_body b = { .id = "cost", .ok = true };
	struct world_answer a;

	start_pulled();
	change(0);
	poll_of(w->head);
	CU_ASSERT(world_answer(w->head, "cost", &a));
	b.headers = a.headers;
	b.body = a.body;
	b.len = a.len;
	CU_ASSERT_EQUAL(sub_fetched(s, &b, w->now), RC_OK);
	world_answer_free(&a);
	CU_ASSERT_EQUAL(sub_next(s, &act), RC_OK);
	CU_ASSERT_EQUAL(act.what, SUB_PUBLISH);
	CU_ASSERT(act.jump);
	sub_lost(s, SUB_CLOSED);	/* the disk is full */
	CU_ASSERT(!sub_polling(s));
	poll_of(w->head);
	CU_ASSERT_EQUAL(n_fetch, 1);
	CU_ASSERT(current());
	end();
}

#define T(f) { #f, f }

int main(void)
{
	CU_TestInfo tests[] = {
		T(a_document_orders_the_whole_set),
		T(only_what_differs_is_fetched_and_what_is_gone_goes),
		T(what_is_held_already_ends_the_round_at_once),
		T(of_a_later_signature_that_alone_is_taken),
		T(a_new_session_is_followed_by_polling),
		T(push_goes_on_from_what_was_polled_and_the_other_way),
		T(a_body_ahead_of_the_order_waits_for_the_next_one),
		T(a_body_of_a_later_session_does_too),
		T(what_is_not_in_stock_is_fetched_in_the_next_order),
		T(what_changes_faster_than_it_comes_needs_push),
		T(a_directory_ahead_may_have_lost_what_was_ordered),
		T(the_order_stands_while_its_bodies_are_on_their_way),
		T(an_old_body_from_a_cache_is_fetched_again_without_it),
		T(a_body_of_an_older_state_is_good_when_its_leaf_is_ordered),
		T(a_body_that_lies_is_never_served),
		T(a_connection_ends_the_round_and_keeps_the_bodies),
		T(documents_say_nothing_while_connected),
		T(frames_say_nothing_in_a_round),
		T(what_is_lower_or_forked_is_not_taken),
		T(what_has_expired_is_not_taken),
		T(what_is_of_the_future_or_forged_is_not_taken),
		T(a_publication_that_was_not_carried_out_is_polled_again),
		CU_TEST_INFO_NULL
	};

	return suite_run("sub_poll", tests);
}
