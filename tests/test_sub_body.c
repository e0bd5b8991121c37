/* The subscriber's half: bodies that are late, early, wrong or never come. */
#include "tests/subrig.h"

#include <stdlib.h>

#include "common/proto/work.h"
#include "tests/suite.h"

static void updates_wait_for_a_body_on_its_way(void)
{
	struct snapshot *ordered;

	start();
	say(change_pull(0));
	CU_ASSERT_EQUAL(n_fetch, 1);
	ordered = snapshot_ref(w->head);
	say(change(0));
	say(change(1));
	CU_ASSERT_EQUAL(publishes, 0);
	CU_ASSERT_STRING_EQUAL(sub_phase(s), "behind");
	answer_from(ordered, "cost");
	CU_ASSERT_EQUAL(publishes, 1);
	CU_ASSERT_EQUAL(run_len, 3);
	CU_ASSERT(!jumped);
	CU_ASSERT(current());
	CU_ASSERT_EQUAL(n_fetch, 1);
	snapshot_unref(ordered);
	end();
}

static void a_body_may_be_ahead_of_the_order(void)
{
	struct update *u[3];

	start();
	say(change_pull(0));
	for (int i = 0; i < 3; i++)
		u[i] = change(i == 1);
	answer_from(w->head, "cost");		/* stands at the last */
	CU_ASSERT_EQUAL(publishes, 0);
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(publishes, 0);
		say(u[i]);
	}
	CU_ASSERT_EQUAL(publishes, 1);
	CU_ASSERT(current());
	CU_ASSERT_EQUAL(n_fetch, 1);
	end();
}

static void a_body_ahead_serves_at_first_contact_too(void)
{
	struct snapshot *ordered;
	struct update *u;

	start_bare();
	source = NULL;
	first_contact();
	CU_ASSERT_EQUAL(n_fetch, 1);		/* the IRD alone, first */
	ordered = snapshot_ref(w->head);
	answer_from(w->head, DIRECTORY_ID);
	CU_ASSERT_EQUAL(n_fetch, 4);
	u = change(0);
	answer_from(w->head, "cost");		/* ahead of the order */
	answer_from(w->head, "delay");
	answer_from(ordered, "net");
	CU_ASSERT_EQUAL(publishes, 0);
	CU_ASSERT_EQUAL(n_fetch, 4);
	say(u);
	CU_ASSERT(current());
	snapshot_unref(ordered);
	end();
}

static void a_body_that_the_run_leads_to_needs_no_headers_of_its_own(void)
{
	struct world_answer a;
	struct sub_body b = { .id = "cost", .ok = true };

	start();
	say(change_pull(0));
	say(change(0));
	w->now += 2 * WORLD_LIFETIME;	/* what signs it has expired */
	CU_ASSERT(world_answer(w->head, "cost", &a));
	b.headers = a.headers;
	b.body = a.body;
	b.len = a.len;
	CU_ASSERT_EQUAL(sub_fetched(s, &b, w->now), RC_OK);
	world_answer_free(&a);
	pump();
	CU_ASSERT_EQUAL(n_fetch, 1);
	CU_ASSERT_EQUAL(publishes, 0);
	world_heartbeat(w);
	say_alive(snapshot_state(w->head));
	CU_ASSERT_EQUAL(publishes, 1);
	CU_ASSERT(current());
	end();
}

static void bodies_survive_a_new_order(void)
{
	start_bare();
	source = NULL;
	first_contact();
	answer_from(w->head, DIRECTORY_ID);
	answer_from(w->head, "net");
	answer_from(w->head, "delay");
	sub_lost(s, SUB_CLOSED);
	answer_from(w->head, "cost");		/* between two connections */
	CU_ASSERT_EQUAL(publishes, 0);
	change(1);
	connect_up();
	say_subscribed(MODE_SNAPSHOT);
	say_snapshot_of(w->head);
	CU_ASSERT_EQUAL(n_fetch, 1);
	answer_from(w->head, "delay");
	CU_ASSERT(current());
	end();
}

/* One answer to the fetch of "cost", bent by the caller. */
static void bad_answer(void (*bend)(struct world_answer *a, struct sub_body *b))
{
	answer_bent(w->head, "cost", bend);
	CU_ASSERT_EQUAL(publishes, 0);
}

static void bend_headers(struct world_answer *a, struct sub_body *b)
{
	(void)a;
	b->headers.proof = NULL;
}

static void bend_leaf(struct world_answer *a, struct sub_body *b)
{
	(void)b;
	strchr(a->resource, '=')[3] ^= 1;	/* in the tag */
}

static struct world_answer delay;

static void bend_resource(struct world_answer *a, struct sub_body *b)
{
	(void)a;
	b->headers = delay.headers;
	b->body = delay.body;
	b->len = delay.len;
}

static void a_bad_body_is_fetched_again_without_the_cache(void)
{
	start();
	say(change_pull(0));
	CU_ASSERT(world_answer(w->head, "delay", &delay));
	bad_answer(bend_bytes);
	CU_ASSERT_EQUAL(n_fetch, 2);
	CU_ASSERT(fetches[1].no_cache);
	bad_answer(bend_headers);
	bad_answer(bend_resource);
	CU_ASSERT_EQUAL(n_fetch, 4);
	answer_from(w->head, "cost");
	CU_ASSERT(current());
	CU_ASSERT(!reopened);
	world_answer_free(&delay);
	end();
}

static void bend_signer(struct world_answer *a, struct sub_body *b)
{
	(void)b;
	w->signer = 1;
	world_sign(w, &a->state);
	w->signer = 0;
}

static void a_body_ahead_must_prove_itself(void)
{
	struct update *u;

	start();
	say(change_pull(0));
	world_edit_cost(w, 0);
	u = change(1);
	CU_ASSERT(world_answer(w->head, "delay", &delay));
	bad_answer(bend_signature);
	bad_answer(bend_signer);
	bad_answer(bend_resource);	/* ahead and good, but another */
	CU_ASSERT_EQUAL(n_fetch, 4);
	answer_from(w->head, "cost");
	CU_ASSERT_EQUAL(n_fetch, 4);
	say(u);
	CU_ASSERT(current());
	world_answer_free(&delay);
	end();
}

static void a_body_that_lags_is_fetched_again(void)
{
	struct snapshot *before;

	start();
	before = snapshot_ref(w->head);
	say(change_pull(0));
	answer_from(before, "cost");
	CU_ASSERT_EQUAL(publishes, 0);
	CU_ASSERT_EQUAL(n_fetch, 2);
	CU_ASSERT(fetches[1].no_cache);
	answer_from(w->head, "cost");
	CU_ASSERT(current());
	snapshot_unref(before);
	end();
}

static void a_body_that_cannot_be_had_starts_over(void)
{
	const struct snapshot *before;

	start();
	before = held;
	say(change_pull(0));
	bad_answer(bend_leaf);
	bad_answer(bend_fetch);
	bad_answer(bend_fetch);
	CU_ASSERT(!reopened);
	bad_answer(bend_fetch);
	check_fell(SUB_PULL, before);
	CU_ASSERT_EQUAL(n_fetch, WORK_TRIES_MAX);
	check_starts_over();
	end();
}

static void a_body_nobody_asked_for_is_ignored(void)
{
	start();
	answer_from(w->head, "cost");
	answer_from(w->head, "delay");
	CU_ASSERT_EQUAL(publishes, 0);
	CU_ASSERT(!reopened);
	end();
}

static void a_patch_that_does_not_fit_costs_one_fetch(void)
{
	struct update *u;
	char *text, *from;

	start();
	u = change(0);
	text = strdup(u->text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	from = strstr(text, "\"from\":\"");
	CU_ASSERT_PTR_NOT_NULL_FATAL(from);
	from[8] = from[8] == '0' ? '1' : '0';
	feed(text, u->len);
	free(text);
	CU_ASSERT(!reopened);
	CU_ASSERT_EQUAL(sub_counts(s)->refused, 1);
	CU_ASSERT_EQUAL(n_fetch, 1);
	CU_ASSERT_STRING_EQUAL(fetches[0].id, "cost");
	say(change(0));
	say(change(1));
	CU_ASSERT_EQUAL(publishes, 0);
	answer_from(w->head, "cost");
	CU_ASSERT(current());
	CU_ASSERT(jumped);	/* nobody below could apply that update */
	end();
}

static void a_patch_for_an_unknown_resource_starts_over(void)
{
	const struct snapshot *before;

	start();
	before = held;
	w->net_there[1] = w->cost_there[2] = true;
	(void)world_publish(w);
	/* The serial is right, but the resource never came. */
	{
		struct state st = *snapshot_state(w->head);
		struct resource *r = snapshot_get(w->head, "Hops");
		struct buf b = BUF_INIT(1 << 20);

		frame_update_begin(&st, 1, &b);
		frame_update_patch(resource_leaf(r), resource_name(r)->tag,
		                   "application/merge-patch+json", "{}", 2, &b);
		frame_update_end(&b);
		feed_buf(&b);
	}
	check_fell(SUB_PATCH, before);
	check_starts_over();
	end();
}

static void bend_to_delay(struct world_answer *a, struct sub_body *b)
{
	(void)a;
	b->body = delay.body;
	b->len = delay.len;
}

static void the_right_leaf_with_another_body_is_refused(void)
{
	start();
	say(change_pull(0));
	CU_ASSERT(world_answer(w->head, "delay", &delay));
	bad_answer(bend_to_delay);
	CU_ASSERT_EQUAL(n_fetch, 2);
	answer_from(w->head, "cost");
	CU_ASSERT(current());
	world_answer_free(&delay);
	end();
}

static void a_body_of_an_older_state_is_good_when_its_leaf_is_ordered(void)
{
	struct snapshot *old;

	start_bare();
	source = NULL;
	old = snapshot_ref(w->head);
	change(1);
	first_contact();
	answer_from(w->head, DIRECTORY_ID);
	answer_from(old, "net");
	answer_from(old, "cost");
	n_fetch = 0;
	answer_from(old, "delay");	/* another by now */
	CU_ASSERT_EQUAL(n_fetch, 1);
	CU_ASSERT_EQUAL(publishes, 0);
	answer_from(w->head, "delay");
	CU_ASSERT(current());
	snapshot_unref(old);
	end();
}

static void what_was_removed_meanwhile_goes_with_a_snapshot(void)
{
	start();
	w->cost_there[1] = false;
	(void)world_publish(w);
	change(0);
	source = w->head;
	connect_snapshot(w->head);
	CU_ASSERT_EQUAL(n_fetch, 2);	/* the IRD, cost */
	CU_ASSERT_PTR_NULL(snapshot_get(held, "delay"));
	CU_ASSERT(current());
	end();
}

static void a_snapshot_may_spread_its_fetches(void)
{
	static const unsigned ordered[] = { 0, 7, 30, 31, 86400 };

	for (size_t i = 0; i < sizeof(ordered) / sizeof(ordered[0]); i++) {
		struct buf b = BUF_INIT(1 << 20);

		start();
		change(0);
		connect_up();
		say_subscribed(MODE_SNAPSHOT);
		CU_ASSERT_EQUAL(frame_snapshot_within(w->head, ordered[i], &b),
		                RC_OK);
		feed_buf(&b);
		CU_ASSERT_EQUAL_FATAL(n_fetch, 1);
		CU_ASSERT_EQUAL(fetches[0].within, ordered[i] < 30 ?
		                ordered[i] : 30);
		end();
	}
}

static void a_body_of_another_session_leads_nowhere_in_a_run(void)
{
	struct snapshot *ordered;

	start();
	say(change_pull(0));
	ordered = snapshot_ref(w->head);
	world_edit_cost(w, 0);
	world_session(w);
	answer_from(w->head, "cost");
	CU_ASSERT_EQUAL(n_fetch, 2);
	CU_ASSERT(fetches[1].no_cache);
	answer_from(ordered, "cost");
	CU_ASSERT_EQUAL(publishes, 1);
	CU_ASSERT(world_same(held, ordered));
	snapshot_unref(ordered);
	end();
}

static void a_fetch_that_nobody_waits_for_may_fail(void)
{
	start();
	sub_lost(s, SUB_CLOSED);
	change(0);
	poll_of(w->head);
	for (int i = 1; i < WORK_TRIES_MAX; i++)
		answer_bent(w->head, "cost", bend_fetch);
	connect_up();
	answer_bent(w->head, "cost", bend_fetch);
	CU_ASSERT(!reopened);
	check_resumes();
	end();
}

static void the_same_order_again_gives_no_more_tries(void)
{
	const struct snapshot *before;

	start();
	before = held;
	change(0);
	connect_snapshot(w->head);
	CU_ASSERT_EQUAL(n_fetch, 1);
	for (unsigned i = 1; i < WORK_TRIES_MAX; i++) {
		say_snapshot_of(w->head);
		CU_ASSERT_EQUAL(n_fetch, i);	/* nor is it asked for twice */
		answer_bent(w->head, "cost", bend_fetch);
		CU_ASSERT_EQUAL(n_fetch, i + 1);
	}
	say_snapshot_of(w->head);
	CU_ASSERT(!reopened);
	answer_bent(w->head, "cost", bend_fetch);
	check_fell(SUB_PULL, before);
	check_starts_over();
	end();
}

/* An answer to the fetch of this number. */
static void answer_number(const struct snapshot *from, uint64_t number)
{
	struct sub_body b = { .id = "cost", .number = number };
	struct world_answer a;

	b.ok = from && world_answer(from, "cost", &a);
	if (b.ok) {
		b.headers = a.headers;
		b.body = a.body;
		b.len = a.len;
	}
	CU_ASSERT_EQUAL(sub_fetched(s, &b, w->now), RC_OK);
	if (from)
		world_answer_free(&a);
	pump();
}

static void what_another_was_asked_counts_for_nothing_unless_it_holds(void)
{
	struct snapshot *old;

	start();
	old = snapshot_ref(w->head);
	say(change_pull(0));
	CU_ASSERT_EQUAL(sub_owed(s), resource_size(snapshot_get(w->head,
	                                                        "cost")));
	sub_forget(s);
	pump();
	CU_ASSERT_EQUAL(n_fetch, 2);
	CU_ASSERT(!fetches[1].no_cache);	/* the first from this one */
	for (int i = 0; i < WORK_TRIES_MAX; i++)
		answer_number(i % 2 ? old : NULL, fetches[0].number);
	CU_ASSERT(!reopened);
	CU_ASSERT_EQUAL(n_fetch, 2);
	answer_number(w->head, fetches[0].number);
	CU_ASSERT(current());
	CU_ASSERT_EQUAL(sub_owed(s), 0);
	answer_number(NULL, fetches[1].number);
	CU_ASSERT(!reopened);
	snapshot_unref(old);
	end();
}

#define T(f) { #f, f }

int main(void)
{
	CU_TestInfo tests[] = {
		T(updates_wait_for_a_body_on_its_way),
		T(a_body_may_be_ahead_of_the_order),
		T(a_body_ahead_serves_at_first_contact_too),
		T(a_body_that_the_run_leads_to_needs_no_headers_of_its_own),
		T(bodies_survive_a_new_order),
		T(a_bad_body_is_fetched_again_without_the_cache),
		T(a_body_ahead_must_prove_itself),
		T(a_body_that_lags_is_fetched_again),
		T(a_body_that_cannot_be_had_starts_over),
		T(a_body_nobody_asked_for_is_ignored),
		T(a_patch_that_does_not_fit_costs_one_fetch),
		T(a_patch_for_an_unknown_resource_starts_over),
		T(the_right_leaf_with_another_body_is_refused),
		T(a_body_of_an_older_state_is_good_when_its_leaf_is_ordered),
		T(what_was_removed_meanwhile_goes_with_a_snapshot),
		T(a_snapshot_may_spread_its_fetches),
		T(a_body_of_another_session_leads_nowhere_in_a_run),
		T(a_fetch_that_nobody_waits_for_may_fail),
		T(the_same_order_again_gives_no_more_tries),
		T(what_another_was_asked_counts_for_nothing_unless_it_holds),
		CU_TEST_INFO_NULL
	};

	return suite_run("sub_body", tests);
}
