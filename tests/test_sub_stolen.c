/* The subscriber's half: a key that was stolen signs nothing any more, once its
 * successor's directory was verified, whatever comes in which order.
 */
#include "tests/subrig.h"

#include <stdlib.h>

#include "common/wire/state_json.h"
#include "tests/suite.h"

/* Serves a state whose directory lists key 1 in place of key 0, a thief's by now,
 * which is pinned still. */
static void start_stolen(void)
{
	const size_t pins[] = { 0, 1 };

	start_with_pins(2, pins);
	lose_the_key(1);
	source = w->head;
	poll_of(w->head);
	CU_ASSERT_FATAL(current());
	CU_ASSERT(!trusts(0));
	source = NULL;
	publishes = 0;
}

/* What the thief says: at the next position, listing his key. */
static struct update *steal(void)
{
	w->listed[0] = true;
	w->signer = 0;
	w->now++;
	return world_publish(w);
}

static void a_stolen_key_signs_nothing_any_more(void)
{
	const struct snapshot *before;
	struct update *u;

	start_stolen();
	before = held;
	u = steal();
	poll_of(w->head);
	check_fell(SUB_KEY, before);
	connect_snapshot(w->head);
	CU_ASSERT_EQUAL(sub_counts(s)->reopened[SUB_KEY], 2);
	connect_up();
	say_subscribed(MODE_SNAPSHOT);
	say_snapshot_of(before);
	say(u);
	CU_ASSERT_EQUAL(sub_counts(s)->reopened[SUB_KEY], 3);
	CU_ASSERT_EQUAL(introduce_of(w->head, NULL), RC_EKEY);
	CU_ASSERT_PTR_EQUAL(held, before);
	CU_ASSERT(!trusts(0));
	CU_ASSERT_EQUAL(publishes, 0);
	end();
}

static void nor_after_a_restart(void)
{
	struct buf text = BUF_INIT(1 << 16);
	struct sub_config cfg = config();
	struct keys keys = { .n_pins = 1 };
	const struct snapshot *before;

	start_stolen();
	before = held;
	memcpy(keys.pin[0], sign_key_public(w->key[0])->id,
	       THUMBPRINT_TEXT + 1);
	CU_ASSERT_EQUAL(keys_write(sub_keys(s), &text), RC_OK);
	CU_ASSERT_EQUAL(keys_read(&keys, text.data, text.len), RC_OK);
	buf_free(&text);
	sub_free(s);
	CU_ASSERT_EQUAL_FATAL(sub_new(&cfg, &keys, held, &s), RC_OK);
	(void)steal();
	poll_of(w->head);
	check_fell(SUB_KEY, before);
	end();
}

static void nor_does_it_sign_a_later_heartbeat(void)
{
	const struct snapshot *before;

	start_stolen();
	before = held;
	connect_up();
	say_subscribed(MODE_CURRENT);
	w->signer = 0;
	w->now += 30;
	world_heartbeat(w);
	say_alive(snapshot_state(w->head));
	check_fell(SUB_KEY, before);
	poll_of(w->head);
	CU_ASSERT_EQUAL(sub_counts(s)->reopened[SUB_KEY], 2);
	end();
}

/* The successor's directory was verified, but not served yet, when the line broke:
 * the way to it from what is held must not open again for the old key. */
static void nor_what_leads_up_to_its_successor(void)
{
	struct update *good, *listing, *last;
	const struct snapshot *before;

	start();
	before = held;
	good = change(1);		/* signed with the old key */
	w->listed[1] = true;
	listing = world_publish(w);
	w->signer = 1;
	w->listed[0] = false;
	(void)change(0);
	last = change_pull(0);
	connect_up();
	say_subscribed(MODE_DELTA);
	say(good);
	CU_ASSERT_EQUAL(publishes, 1);
	before = held;
	say(listing);
	CU_ASSERT_EQUAL(publishes, 2);
	before = held;
	sub_lost(s, SUB_CLOSED);
	poll_of(w->head);		/* the way of the thief's victim */
	answer_from(w->head, DIRECTORY_ID);
	CU_ASSERT(trusts(1));
	CU_ASSERT(!trusts(0));
	CU_ASSERT_EQUAL(publishes, 2);
	/* Another branch from what is held, signed by the thief. */
	world_restore(w, w->n_past - 3);
	CU_ASSERT(world_same(w->head, before));
	w->signer = 0;
	w->listed[0] = true;
	connect_up();
	say_subscribed(MODE_DELTA);
	say(change(1));
	CU_ASSERT_EQUAL(publishes, 2);
	CU_ASSERT(!reopened);		/* it may lead to what is known */
	w->now += 30;
	world_heartbeat(w);
	say_alive(snapshot_state(w->head));
	check_fell(SUB_KEY, before);
	CU_ASSERT(!trusts(0));
	(void)last;
	end();
}

/* The publisher's own way to the successor is another matter. */
static void what_it_signed_before_leads_on_all_the_same(void)
{
	struct update *u[3];

	start();
	sub_lost(s, SUB_CLOSED);
	u[0] = change(1);
	w->listed[1] = true;
	u[1] = world_publish(w);
	poll_of(w->head);
	answer_from(w->head, DIRECTORY_ID);	/* and no more */
	sub_lost(s, SUB_CLOSED);
	w->signer = 1;
	w->listed[0] = false;
	u[2] = world_publish(w);
	poll_of(w->head);
	answer_from(w->head, DIRECTORY_ID);
	CU_ASSERT(!trusts(0));
	CU_ASSERT_EQUAL(publishes, 0);
	connect_up();
	say_subscribed(MODE_DELTA);
	for (int i = 0; i < 3; i++)
		say(u[i]);
	CU_ASSERT(!reopened);
	CU_ASSERT_EQUAL(publishes, 1);
	CU_ASSERT_EQUAL(run_len, 3);
	CU_ASSERT(current());
	end();
}

/* States on the way there are good, if a key signed them that is good now; but what
 * they list is old. */
static void nor_is_it_listed_by_what_is_older(void)
{
	const size_t pins[] = { 0 };
	struct update *u[2];

	start_with_pins(1, pins);
	w->listed[1] = true;
	(void)world_publish(w);
	source = w->head;
	poll_of(w->head);
	CU_ASSERT(current());
	source = NULL;
	w->signer = 1;
	u[0] = change(0);
	u[1] = change(1);
	w->listed[0] = false;
	change(0);
	poll_of(w->head);
	answer_from(w->head, DIRECTORY_ID);	/* and no more */
	CU_ASSERT(!trusts(0));
	connect_up();
	say_subscribed(MODE_DELTA);
	publishes = 0;
	for (unsigned i = 0; i < 2; i++) {
		say(u[i]);
		CU_ASSERT_EQUAL(publishes, i + 1);
		CU_ASSERT(!trusts(0));
	}
	CU_ASSERT(!reopened);
	end();
}

/* Fetched while the key was good; what counts is the leaf in a verified state. */
static void a_body_that_it_signed_counts_by_its_leaf_alone(void)
{
	struct snapshot *ahead;

	start();
	sub_lost(s, SUB_CLOSED);
	change(0);
	poll_of(w->head);
	change(0);
	ahead = snapshot_ref(w->head);
	answer_from(ahead, "cost");	/* ahead, by the old key */
	CU_ASSERT_EQUAL(polls, 1);
	sub_lost(s, SUB_CLOSED);
	w->listed[1] = true;
	(void)world_publish(w);
	lose_the_key(1);
	CU_ASSERT_EQUAL(introduce_of(w->head, NULL), RC_OK);
	n_fetch = 0;
	source = w->head;
	poll_of(w->head);
	CU_ASSERT_EQUAL(n_fetch, 1);	/* the directory */
	CU_ASSERT(current());
	snapshot_unref(ahead);
	end();
}

static void nor_is_a_body_ahead_by_it(void)
{
	struct snapshot *ordered;
	const struct snapshot *before;

	start_stolen();
	before = held;
	change(0);
	ordered = snapshot_ref(w->head);
	poll_of(ordered);
	n_fetch = 0;
	(void)steal();
	change(0);
	answer_from(w->head, "cost");
	CU_ASSERT_EQUAL(n_fetch, 1);	/* again, without the cache */
	CU_ASSERT_EQUAL(polls, 0);
	CU_ASSERT_PTR_EQUAL(held, before);
	answer_from(ordered, "cost");
	CU_ASSERT(world_same(held, ordered));
	snapshot_unref(ordered);
	end();
}

static void a_trusted_directory_may_list_it_again(void)
{
	start_stolen();
	w->listed[0] = true;		/* signed with key 1 */
	(void)world_publish(w);
	source = w->head;
	poll_of(w->head);
	CU_ASSERT(current());
	CU_ASSERT(trusts(0));
	w->signer = 0;
	w->now += 30;
	world_heartbeat(w);
	poll_of(w->head);
	CU_ASSERT(!reopened);
	end();
}

/* It was verified, and is not served yet, when the key goes. */
static void nor_is_served_what_it_signed_a_moment_before(void)
{
	struct update *u[2];
	struct sub_act act;

	start();
	w->listed[1] = true;
	say(world_publish(w));
	publishes = 0;
	u[0] = change(0);
	w->signer = 1;
	w->listed[0] = false;
	u[1] = change_pull(1);
	for (int i = 0; i < 2; i++)
		CU_ASSERT_EQUAL(sub_frame(s, strdup(u[i]->text), u[i]->len,
		                          w->now), RC_OK);
	CU_ASSERT(!trusts(0));
	CU_ASSERT_EQUAL(sub_next(s, &act), RC_OK);
	CU_ASSERT_EQUAL(act.what, SUB_FETCH);
	pump();
	answer_from(w->head, "delay");
	CU_ASSERT_EQUAL(publishes, 1);
	CU_ASSERT_EQUAL(run_len, 2);
	CU_ASSERT(current());
	end();
}

#define T(f) { #f, f }

int main(void)
{
	CU_TestInfo tests[] = {
		T(a_stolen_key_signs_nothing_any_more),
		T(nor_after_a_restart),
		T(nor_does_it_sign_a_later_heartbeat),
		T(nor_what_leads_up_to_its_successor),
		T(what_it_signed_before_leads_on_all_the_same),
		T(nor_is_it_listed_by_what_is_older),
		T(a_body_that_it_signed_counts_by_its_leaf_alone),
		T(nor_is_a_body_ahead_by_it),
		T(a_trusted_directory_may_list_it_again),
		T(nor_is_served_what_it_signed_a_moment_before),
		CU_TEST_INFO_NULL
	};

	return suite_run("sub_stolen", tests);
}
