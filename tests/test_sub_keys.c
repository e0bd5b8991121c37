/* The subscriber's half: whom it believes. */
#include "tests/subrig.h"

#include <stdlib.h>

#include "common/proto/work.h"
#include "tests/suite.h"

static void a_key_nobody_trusts_is_refused(void)
{
	const struct snapshot *before;

	start();
	before = held;
	w->signer = 1;
	say(change(0));
	check_fell(SUB_KEY, before);
	/* Nor does it help to list it: the list itself is signed with it. */
	w->listed[1] = true;
	(void)world_publish(w);
	connect_up();
	say_subscribed(MODE_SNAPSHOT);
	say_snapshot_of(w->head);
	CU_ASSERT_EQUAL(sub_counts(s)->reopened[SUB_KEY], 2);
	CU_ASSERT_PTR_EQUAL(held, before);
	end();
}

/* The origin's name stands for the IRD that was had from there. What a message makes
 * of it before any key is known can be anybody's. */
static void the_first_ird_counts_as_it_was_had_alone(void)
{
	struct snapshot *truth;

	start_bare();
	source = NULL;
	truth = snapshot_ref(w->head);
	connect_up();
	say_subscribed(MODE_SNAPSHOT);
	say_snapshot_of(truth);
	w->listed[0] = false;
	w->listed[1] = true;
	w->signer = 1;
	say(world_publish(w));
	answer_from(truth, DIRECTORY_ID);
	CU_ASSERT(reopened);
	CU_ASSERT_EQUAL(reason, SUB_KEY);
	CU_ASSERT_EQUAL(publishes, 0);
	CU_ASSERT_EQUAL(sub_keys(s)->n, 0);
	snapshot_unref(truth);
	end();
}

static void a_key_change_is_followed_through_the_data(void)
{
	start();
	w->listed[1] = true;
	say(world_publish(w));
	CU_ASSERT_EQUAL(sub_keys(s)->n, 2);
	w->signer = 1;
	say(change(0));
	CU_ASSERT(current());
	w->listed[0] = false;
	say(world_publish(w));
	CU_ASSERT_EQUAL(sub_keys(s)->n, 1);
	CU_ASSERT(current());
	w->signer = 0;			/* the old one is not trusted any more */
	say(change(0));
	CU_ASSERT_EQUAL(reason, SUB_KEY);
	end();
}

/* The new key stands in an IRD that is itself still to come. */
static void an_unknown_key_waits_for_the_ird_on_its_way(void)
{
	start();
	w->listed[1] = true;
	w->pull_in = 1;
	w->pull_directory = true;
	say(world_publish(w));
	CU_ASSERT_EQUAL(n_fetch, 1);
	w->signer = 1;
	w->now += 30;
	world_heartbeat(w);
	say_alive(snapshot_state(w->head));
	CU_ASSERT(!reopened);
	answer_from(w->head, DIRECTORY_ID);
	CU_ASSERT_EQUAL(publishes, 1);
	w->now += 30;
	world_heartbeat(w);
	say_alive(snapshot_state(w->head));
	CU_ASSERT_EQUAL(publishes, 2);
	CU_ASSERT_EQUAL(snapshot_state(held)->created, w->now);
	end();
}

static void a_key_change_is_followed_while_a_body_is_on_its_way(void)
{
	struct update *u[3];

	start();
	say(change_pull(0));
	w->listed[1] = true;
	u[0] = world_publish(w);
	w->signer = 1;
	u[1] = change(1);
	w->listed[0] = false;
	u[2] = world_publish(w);
	for (int i = 0; i < 3; i++)
		say(u[i]);
	w->now += 30;
	world_heartbeat(w);
	say_alive(snapshot_state(w->head));
	CU_ASSERT(!reopened);
	CU_ASSERT_EQUAL(publishes, 0);
	answer_from(w->head, "cost");
	CU_ASSERT_EQUAL(publishes, 1);
	CU_ASSERT(current());
	CU_ASSERT_EQUAL(sub_keys(s)->n, 1);
	end();
}

/* Each state of the run has expired, and the key that signed the first of them is
 * not trusted any more at its end. */
static void a_run_is_followed_after_a_day_away_and_across_a_key_change(void)
{
	struct update *u[4];

	start();
	sub_lost(s, SUB_CLOSED);
	u[0] = change(0);
	w->listed[1] = true;
	u[1] = world_publish(w);
	w->signer = 1;
	u[2] = change(1);
	w->listed[0] = false;
	u[3] = world_publish(w);
	w->now += WORLD_LIFETIME + 100;
	connect_up();
	say_subscribed(MODE_DELTA);
	for (int i = 0; i < 4; i++)
		say(u[i]);
	CU_ASSERT_EQUAL(publishes, 0);
	CU_ASSERT(!reopened);
	world_heartbeat(w);
	say_alive(snapshot_state(w->head));
	CU_ASSERT_EQUAL(publishes, 1);
	CU_ASSERT_EQUAL(run_len, 4);
	CU_ASSERT(!jumped);
	CU_ASSERT(current());
	CU_ASSERT_EQUAL(sub_keys(s)->n, 1);
	CU_ASSERT_EQUAL(n_fetch, 0);
	end();
}

static void start_pinned(const char *pin, bool at_origin)
{
	struct sub_config cfg = config();
	struct keys keys = { .n_pins = 1 };

	cfg.at_origin = at_origin;
	snprintf(keys.pin[0], sizeof(keys.pin[0]), "%s", pin);
	start_with(&cfg, &keys);
	first_contact();
}

static void the_first_key_is_the_pinned_one(void)
{
	struct world *other = world_new(43);
	char good[THUMBPRINT_TEXT + 1], bad[THUMBPRINT_TEXT + 1];
	struct sub_config cfg = config();
	struct keys keys = { .n_pins = 1 };

	memcpy(bad, world_public(other)->id, sizeof(bad));
	start_pinned(bad, true);
	CU_ASSERT_EQUAL(publishes, 0);
	CU_ASSERT_EQUAL(reason, SUB_KEY);
	end();
	cfg.at_origin = false;
	start_with(&cfg, &keys);
	sub_free(s);
	memcpy(good, world_public(w)->id, sizeof(good));
	memcpy(keys.pin[0], good, sizeof(good));
	CU_ASSERT_EQUAL_FATAL(sub_new(&cfg, &keys, NULL, &s), RC_OK);
	first_contact();
	CU_ASSERT(current());
	end();
	world_free(other);
}

static void without_a_pin_only_the_origin_is_believed(void)
{
	struct sub_config cfg = config();
	struct keys keys = { .n = 0 };

	cfg.at_origin = false;
	start_with(&cfg, &keys);
	first_contact();
	CU_ASSERT_EQUAL(publishes, 0);
	CU_ASSERT_EQUAL(reason, SUB_KEY);
	CU_ASSERT_EQUAL(n_fetch, 1);	/* the IRD was enough to know */
	end();
}

static void at_first_contact_the_origin_or_a_pin_is_believed(void)
{
	struct sub_config cfg = config();
	struct keys keys = { .n = 0 };

	cfg.at_origin = false;
	start_with(&cfg, &keys);
	poll_of(w->head);
	CU_ASSERT_EQUAL(reason, SUB_KEY);
	CU_ASSERT_EQUAL(publishes, 0);
	CU_ASSERT_EQUAL(n_fetch, 1);
	sub_free(s);
	keys.n_pins = 1;
	memcpy(keys.pin[0], world_public(w)->id, THUMBPRINT_TEXT + 1);
	CU_ASSERT_EQUAL_FATAL(sub_new(&cfg, &keys, NULL, &s), RC_OK);
	poll_of(w->head);
	CU_ASSERT(current());
	end();
}

/* ---- a pin beside a trusted set --------------------------------------------- */

static void a_new_pin_is_a_way_out(void)
{
	const size_t pins[] = { 0, 2 };

	for (int how = 0; how < 3; how++) {
		struct snapshot *from;
		struct update *u;

		start_with_pins(2, pins);
		from = held;
		lose_the_key(2);
		if (how == 0) {
			connect_up();
			say_subscribed(MODE_DELTA);
			CU_ASSERT_EQUAL(history_after(w->log, snapshot_state(
			                from)->pos.serial, &u), RC_OK);
			say(u);
		} else {
			source = w->head;
			if (how == 1)
				connect_snapshot(w->head);
			else
				poll_of(w->head);
		}
		CU_ASSERT(!reopened);
		CU_ASSERT(current());
		CU_ASSERT(trusts(2));
		CU_ASSERT(!trusts(0));
		end();
	}
}

static void a_pin_counts_only_when_the_directory_lists_the_key(void)
{
	const size_t pins[] = { 2 };
	const struct snapshot *before;

	start_with_pins(1, pins);
	before = held;
	lose_the_key(1);
	w->signer = 2;		/* pinned, but not listed */
	world_heartbeat(w);
	poll_of(w->head);
	CU_ASSERT_EQUAL(n_fetch, 1);
	answer_from(w->head, DIRECTORY_ID);
	check_fell(SUB_KEY, before);
	CU_ASSERT(trusts(0));
	end();
}

/* The new pin's state is below what the origin has introduced since. */
static void a_pin_brings_nobody_back_behind_what_was_verified(void)
{
	const size_t pins[] = { 2, 3 };
	const struct snapshot *before;
	struct snapshot *older;

	start_with_pins(2, pins);
	before = held;
	lose_the_key(2);
	older = snapshot_ref(w->head);
	change(0);
	lose_the_key(3);
	CU_ASSERT_EQUAL(introduce_of(w->head, NULL), RC_OK);
	source = older;
	poll_of(older);
	check_fell(SUB_KEY, before);
	CU_ASSERT(trusts(3));
	CU_ASSERT(!trusts(2));
	snapshot_unref(older);
	end();
}

/* A next key was stolen before it signed, and replaced. That was verified, not yet
 * served, and then the proxy was started again: what listed the stolen one is played
 * back to it. */
static void a_restart_forgets_nothing_of_what_was_verified(void)
{
	struct buf text = BUF_INIT(1 << 16);
	struct sub_config cfg = config();
	struct keys kept = { .n = 0 };
	struct snapshot *stolen;

	start();
	source = NULL;
	w->listed[1] = true;
	say(change_pull(0));
	stolen = snapshot_ref(w->head);
	w->listed[1] = false;
	w->listed[2] = true;
	say(change_pull(0));
	CU_ASSERT(trusts(2));
	CU_ASSERT(!trusts(1));
	CU_ASSERT_EQUAL(publishes, 0);
	CU_ASSERT_EQUAL(keys_write(sub_keys(s), &text), RC_OK);
	CU_ASSERT_EQUAL(keys_read(&kept, text.data, text.len), RC_OK);
	sub_free(s);
	CU_ASSERT_EQUAL_FATAL(sub_new(&cfg, &kept, held, &s), RC_OK);
	source = stolen;
	poll_of(stolen);
	CU_ASSERT(trusts(2));
	CU_ASSERT(!trusts(1));
	snapshot_unref(stolen);
	buf_free(&text);
	end();
}

static void a_pin_on_a_forged_state_changes_nothing(void)
{
	const size_t pins[] = { 2 };
	const struct snapshot *before;
	struct snapshot *forged;
	struct state st;

	start_with_pins(1, pins);
	before = held;
	lose_the_key(2);
	st = *snapshot_state(w->head);
	st.signature[10] = st.signature[10] == 'A' ? 'B' : 'A';
	forged = head_with(&st);
	poll_of(forged);
	answer_from(w->head, DIRECTORY_ID);
	check_fell(SUB_SIGNATURE, before);
	CU_ASSERT(trusts(0));
	CU_ASSERT(!trusts(2));
	snapshot_unref(forged);
	end();
}

#define T(f) { #f, f }

int main(void)
{
	CU_TestInfo tests[] = {
		T(a_key_nobody_trusts_is_refused),
		T(the_first_ird_counts_as_it_was_had_alone),
		T(a_key_change_is_followed_through_the_data),
		T(an_unknown_key_waits_for_the_ird_on_its_way),
		T(a_key_change_is_followed_while_a_body_is_on_its_way),
		T(a_run_is_followed_after_a_day_away_and_across_a_key_change),
		T(the_first_key_is_the_pinned_one),
		T(without_a_pin_only_the_origin_is_believed),
		T(at_first_contact_the_origin_or_a_pin_is_believed),
		T(a_new_pin_is_a_way_out),
		T(a_pin_counts_only_when_the_directory_lists_the_key),
		T(a_pin_brings_nobody_back_behind_what_was_verified),
		T(a_restart_forgets_nothing_of_what_was_verified),
		T(a_pin_on_a_forged_state_changes_nothing),
		CU_TEST_INFO_NULL
	};

	return suite_run("sub_keys", tests);
}
