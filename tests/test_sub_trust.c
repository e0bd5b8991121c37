/* The subscriber's half: the ways out that the origin opens, by its directory for
 * a key that nobody knows, and by its state for an operator who wants it.
 */
#include "tests/subrig.h"

#include <stdlib.h>

#include "common/wire/state_json.h"
#include "tests/suite.h"

static struct diag why;

/* Held at serial 4, not connected. */
static void start_held(void)
{
	start();
	say(change(0));
	say(change(1));
	sub_lost(s, SUB_CLOSED);
	publishes = 0;
	n_fetch = 0;
	diag_clear(&why);
	CU_ASSERT(current());
}

/* The origin has lost what it published after past[i]. */
static void lose_history(size_t i)
{
	world_restore(w, i);
	w->now++;
	world_edit_cost(w, 0);
	(void)world_publish(w);
	source = w->head;
}

/* ---- trust ----------------------------------------------------------------- */

static void an_operator_takes_a_lower_position_once(void)
{
	struct snapshot *lost;

	start_held();
	lost = snapshot_ref(w->head);
	lose_history(1);
	poll_of(w->head);
	CU_ASSERT_EQUAL(reason, SUB_LOWER);
	CU_ASSERT_EQUAL(trust_of(w->head, &why), RC_OK);
	CU_ASSERT_EQUAL(publishes, 1);
	CU_ASSERT(jumped);
	CU_ASSERT(current());
	CU_ASSERT(!sub_polling(s));
	CU_ASSERT(snapshot_map_serial(held) <=
	          snapshot_state(held)->pos.serial);
	/* From here on all is as ever, and what is shown is the new one. */
	lose_history(0);
	poll_of(w->head);
	CU_ASSERT(reopened);
	CU_ASSERT_EQUAL(reason, SUB_LOWER);
	lose_history(0);
	connect_up();
	CU_ASSERT_PTR_NOT_NULL(strstr(sent, snapshot_state(held)->signature));
	say_subscribed(MODE_BEHIND);
	CU_ASSERT_EQUAL(publishes, 1);
	snapshot_unref(lost);
	end();
}

static void after_it_the_way_on_is_the_usual_one(void)
{
	start_held();
	lose_history(1);
	CU_ASSERT_EQUAL(trust_of(w->head, &why), RC_OK);
	source = NULL;
	change(0);
	check_resumes();
	say(change(1));
	CU_ASSERT(current());
	CU_ASSERT(!jumped);
	sub_lost(s, SUB_CLOSED);
	change(0);
	source = w->head;
	poll_of(w->head);
	CU_ASSERT(current());
	end();
}

static void another_root_at_the_same_position_is_a_jump(void)
{
	uint64_t serial;

	start_held();
	serial = snapshot_state(held)->pos.serial;
	lose_history(w->n_past - 2);
	CU_ASSERT_EQUAL(snapshot_state(w->head)->pos.serial, serial);
	poll_of(w->head);
	CU_ASSERT_EQUAL(reason, SUB_FORK);
	CU_ASSERT_EQUAL(trust_of(w->head, &why), RC_OK);
	CU_ASSERT_EQUAL(publishes, 1);
	CU_ASSERT(jumped);
	CU_ASSERT(current());
	CU_ASSERT_EQUAL(sub_counts(s)->published, 4);
	end();
}

static void an_earlier_session_can_be_trusted_as_well(void)
{
	start_held();
	world_session(w);
	source = w->head;
	poll_of(w->head);
	CU_ASSERT(current());
	lose_history(1);
	CU_ASSERT_EQUAL(trust_of(w->head, &why), RC_OK);
	CU_ASSERT(current());
	end();
}

static void a_higher_state_needs_no_trust_and_does_not_mind_it(void)
{
	start_held();
	change(0);
	source = w->head;
	CU_ASSERT_EQUAL(trust_of(w->head, &why), RC_OK);
	CU_ASSERT(current());
	end();
}

static void what_is_held_already_needs_nothing(void)
{
	struct snapshot *old;

	start_held();
	old = snapshot_ref(w->head);
	CU_ASSERT_EQUAL(trust_of(old, &why), RC_EEXIST);
	CU_ASSERT(!sub_polling(s));
	CU_ASSERT_EQUAL(publishes, 0);
	CU_ASSERT_EQUAL(n_fetch, 0);
	/* But where more was verified, the way back is no nothing. */
	change(0);
	w->now = snapshot_state(old)->created;
	source = NULL;
	poll_of(w->head);
	sub_lost(s, SUB_CLOSED);
	CU_ASSERT_EQUAL(position_cmp(&snapshot_state(held)->pos,
	                             &snapshot_state(old)->pos), 0);
	CU_ASSERT_EQUAL(trust_of(old, &why), RC_ERULE);
	snapshot_unref(old);
	end();
}

static void it_must_be_signed_later_than_what_is_held(void)
{
	const struct snapshot *before;

	start_held();
	before = held;
	world_restore(w, 1);	/* as it was */
	CU_ASSERT_EQUAL(trust_of(w->head, &why), RC_ERULE);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "signed at"));
	CU_ASSERT(!sub_polling(s));
	CU_ASSERT_EQUAL(n_fetch, 0);
	w->now = snapshot_state(held)->created;
	world_heartbeat(w);
	CU_ASSERT_EQUAL(trust_of(w->head, NULL), RC_ERULE);
	w->now++;
	world_heartbeat(w);
	source = w->head;
	CU_ASSERT_PTR_EQUAL(held, before);
	CU_ASSERT_EQUAL(trust_of(w->head, NULL), RC_OK);
	CU_ASSERT(current());
	end();
}

static enum rc trust_bent(const struct state *st)
{
	struct snapshot *bent = head_with(st);
	enum rc rc = trust_of(bent, NULL);

	snapshot_unref(bent);
	return rc;
}

static void it_must_be_ours_and_in_time(void)
{
	const struct snapshot *before;
	struct state st;

	start_held();
	before = held;
	lose_history(1);
	st = *snapshot_state(w->head);
	memcpy(st.service, OTHER_SERVICE, UUID_TEXT + 1);
	world_sign(w, &st);
	CU_ASSERT_EQUAL(trust_bent(&st), RC_ERULE);
	st = *snapshot_state(w->head);
	st.created += STATE_SKEW_S + 1;
	world_sign(w, &st);
	CU_ASSERT_EQUAL(trust_bent(&st), RC_ETIME);
	w->now += WORLD_LIFETIME;
	CU_ASSERT_EQUAL(trust_of(w->head, NULL), RC_ETIME);
	world_heartbeat(w);
	st = *snapshot_state(w->head);
	st.signature[10] = st.signature[10] == 'A' ? 'B' : 'A';
	CU_ASSERT_EQUAL(trust_bent(&st), RC_OK);	/* a round like any */
	check_fell(SUB_SIGNATURE, before);
	connect_up();
	CU_ASSERT_EQUAL(trust_of(w->head, NULL), RC_EAGAIN);
	CU_ASSERT_PTR_EQUAL(held, before);
	end();
}

static void it_is_for_this_very_state(void)
{
	struct snapshot *trusted;
	const struct snapshot *before;

	start_held();
	before = held;
	lose_history(0);
	trusted = snapshot_ref(w->head);
	source = NULL;
	CU_ASSERT_EQUAL(trust_of(trusted, NULL), RC_OK);
	w->now++;
	world_edit_cost(w, 0);
	(void)world_publish(w);		/* the origin moves on, still below */
	answer_from(w->head, "cost");
	while (n_fetch > 1)
		answer_from(trusted, fetches[--n_fetch].id);
	CU_ASSERT_EQUAL(polls, 1);
	poll_of(w->head);		/* the operator did not see this one */
	check_fell(SUB_LOWER, before);
	source = w->head;
	CU_ASSERT_EQUAL(trust_of(w->head, NULL), RC_OK);
	CU_ASSERT(current());
	snapshot_unref(trusted);
	end();
}

static void its_next_order_is_trusted_when_said_again(void)
{
	struct snapshot *trusted;

	start_held();
	lose_history(1);
	trusted = snapshot_ref(w->head);
	source = NULL;
	CU_ASSERT_EQUAL(trust_of(trusted, NULL), RC_OK);
	w->now++;
	world_edit_cost(w, 0);
	(void)world_publish(w);
	while (n_fetch)
		answer_from(w->head, fetches[--n_fetch].id);
	CU_ASSERT_EQUAL(polls, 1);
	source = w->head;
	CU_ASSERT_EQUAL(trust_of(w->head, NULL), RC_OK);
	CU_ASSERT(current());
	snapshot_unref(trusted);
	end();
}

static void its_orders_are_counted_too(void)
{
	const struct snapshot *before;

	start_held();
	before = held;
	lose_history(0);
	source = NULL;
	for (unsigned i = 0; i < SUB_ROUNDS_MAX; i++) {
		struct snapshot *trusted = snapshot_ref(w->head);

		CU_ASSERT_EQUAL(polls, i);
		n_fetch = 0;
		CU_ASSERT_EQUAL(trust_of(trusted, NULL), RC_OK);
		w->now++;
		world_edit_cost(w, 0);
		(void)world_publish(w);
		answer_from(w->head, "cost");
		w->now++;
		world_edit_cost(w, 0);
		(void)world_publish(w);
		snapshot_unref(trusted);
	}
	check_fell(SUB_ROUNDS, before);
	end();
}

static void it_ends_with_its_round(void)
{
	const struct snapshot *before;

	start_held();
	before = held;
	lose_history(1);
	source = NULL;
	CU_ASSERT_EQUAL(trust_of(w->head, NULL), RC_OK);
	CU_ASSERT_EQUAL(n_fetch, 1);
	CU_ASSERT_STRING_EQUAL(fetches[0].id, "cost");
	connect_up();
	answer_from(w->head, "cost");
	say_subscribed(MODE_SNAPSHOT);
	say_snapshot_of(w->head);
	check_fell(SUB_LOWER, before);
	poll_of(w->head);
	CU_ASSERT_EQUAL(sub_counts(s)->reopened[SUB_LOWER], 2);
	CU_ASSERT_PTR_EQUAL(held, before);
	end();
}

static void a_round_that_fails_leaves_the_keys_too(void)
{
	const struct snapshot *before;

	start_held();
	before = held;
	world_restore(w, 1);
	world_edit_cost(w, 0);
	lose_the_key(2);
	source = NULL;
	CU_ASSERT_EQUAL(trust_of(w->head, NULL), RC_OK);
	answer_from(w->head, DIRECTORY_ID);
	CU_ASSERT_EQUAL(n_fetch, 2);
	for (int i = 0; i < 4; i++)
		answer_bent(w->head, "cost", bend_fetch);
	check_fell(SUB_PULL, before);
	CU_ASSERT(trusts(0));
	CU_ASSERT(!trusts(2));
	source = w->head;
	CU_ASSERT_EQUAL(trust_of(w->head, NULL), RC_OK);
	CU_ASSERT(current());
	CU_ASSERT(trusts(2));
	end();
}

static void a_lost_key_can_be_trusted_with_its_state(void)
{
	start_held();
	world_restore(w, 1);
	lose_the_key(2);
	source = w->head;
	CU_ASSERT_EQUAL(introduce_of(w->head, NULL), RC_ERULE);	/* lower */
	CU_ASSERT_EQUAL(trust_of(w->head, NULL), RC_OK);
	CU_ASSERT(current());
	CU_ASSERT(trusts(2));
	CU_ASSERT(!trusts(0));
	/* And back to the first: by an operator, a retired key too. */
	lose_the_key(0);
	source = w->head;
	poll_of(w->head);
	CU_ASSERT_EQUAL(reason, SUB_KEY);
	CU_ASSERT_EQUAL(introduce_of(w->head, NULL), RC_EKEY);
	CU_ASSERT_EQUAL(trust_of(w->head, NULL), RC_OK);
	CU_ASSERT(current());
	CU_ASSERT(trusts(0));
	end();
}

/* ---- introduce ------------------------------------------------------------- */

static void the_origin_introduces_an_unknown_key(void)
{
	for (int how = 0; how < 2; how++) {
		start_held();
		change(0);
		lose_the_key(1);
		source = w->head;
		poll_of(w->head);
		CU_ASSERT_EQUAL(reason, SUB_KEY);
		CU_ASSERT_EQUAL(introduce_of(w->head, &why), RC_OK);
		CU_ASSERT(trusts(1));
		CU_ASSERT(!trusts(0));
		if (how == 0)
			poll_of(w->head);
		else
			check_starts_over();
		CU_ASSERT(current());
		source = NULL;
		change(1);
		check_resumes();
		end();
	}
}

/* The line that was broken off stood on the old key. */
static void what_waited_for_a_body_is_ordered_anew(void)
{
	struct update *u;

	start();
	w->listed[1] = true;
	say(world_publish(w));
	say(change_pull(0));
	u = change(1);
	say(u);
	answer_from(w->head, "cost");	/* ahead, perhaps */
	sub_lost(s, SUB_CLOSED);
	lose_the_key(1);
	source = w->head;
	CU_ASSERT_EQUAL(introduce_of(w->head, NULL), RC_OK);
	check_starts_over();
	end();
}

static void who_is_trusted_already_is_followed(void)
{
	start_held();
	w->listed[3] = true;
	(void)world_publish(w);
	CU_ASSERT_EQUAL(introduce_of(w->head, NULL), RC_OK);
	CU_ASSERT(trusts(0));
	CU_ASSERT(trusts(3));
	end();
}

static enum rc introduce_bent(void (*bend)(struct state *st), bool sign)
{
	struct state st = *snapshot_state(w->head);
	struct snapshot *bent;
	enum rc rc;

	bend(&st);
	if (sign)
		world_sign(w, &st);
	bent = head_with(&st);
	diag_clear(&why);
	rc = introduce_of(bent, &why);
	snapshot_unref(bent);
	CU_ASSERT(rc == RC_OK || why.text[0] != '\0');
	return rc;
}

static void of_another_service(struct state *st)
{
	memcpy(st->service, OTHER_SERVICE, UUID_TEXT + 1);
}

static void below(struct state *st)
{
	st->pos.serial = 1;
}

static void at_what_is_held(struct state *st)
{
	st->pos = snapshot_state(held)->pos;
}

static void of_the_future(struct state *st)
{
	st->created += STATE_SKEW_S + 1;
}

static void expired(struct state *st)
{
	st->created = w->now - 2;
	st->expires = w->now - 1;
}

static void forged(struct state *st)
{
	st->signature[10] = st->signature[10] == 'A' ? 'B' : 'A';
}

static void a_directory_that_proves_nothing_introduces_nobody(void)
{
	struct sub_body none = { .id = DIRECTORY_ID };
	struct world_answer a;
	struct sub_body b = { .id = DIRECTORY_ID, .ok = true };

	start_held();
	change(0);
	lose_the_key(1);
	source = w->head;
	CU_ASSERT_EQUAL(introduce_bent(of_another_service, true), RC_ERULE);
	CU_ASSERT_EQUAL(introduce_bent(below, true), RC_ERULE);
	CU_ASSERT_EQUAL(introduce_bent(at_what_is_held, true), RC_ERULE);
	CU_ASSERT_EQUAL(introduce_bent(of_the_future, true), RC_ERULE);
	CU_ASSERT_EQUAL(introduce_bent(expired, true), RC_ERULE);
	CU_ASSERT_EQUAL(introduce_bent(forged, false), RC_ESIG);
	CU_ASSERT_EQUAL(sub_introduce(s, &none, w->now, NULL), RC_EDIGEST);
	CU_ASSERT(world_answer(w->head, "cost", &a));
	b.headers = a.headers;
	b.body = a.body;
	b.len = a.len;
	CU_ASSERT_EQUAL(sub_introduce(s, &b, w->now, NULL), RC_EDIGEST);
	world_answer_free(&a);
	CU_ASSERT(world_answer(w->head, DIRECTORY_ID, &a));
	b.headers = a.headers;
	b.body = a.body;
	b.len = a.len;
	a.body[a.len / 2] ^= 1;
	CU_ASSERT_EQUAL(sub_introduce(s, &b, w->now, NULL), RC_EDIGEST);
	a.body[a.len / 2] ^= 1;
	b.headers.proof = NULL;
	CU_ASSERT_EQUAL(sub_introduce(s, &b, w->now, NULL), RC_EDIGEST);
	world_answer_free(&a);
	w->signer = 2;			/* which it does not list */
	world_heartbeat(w);
	CU_ASSERT_EQUAL(introduce_of(w->head, NULL), RC_EKEY);
	CU_ASSERT(trusts(0));
	CU_ASSERT(!trusts(1));
	CU_ASSERT(!trusts(2));
	w->signer = 1;
	world_heartbeat(w);
	CU_ASSERT_EQUAL(introduce_of(w->head, NULL), RC_OK);
	end();
}

static void where_keys_are_pinned_one_of_them_must_introduce(void)
{
	struct sub_config cfg = config();
	struct keys keys;

	for (size_t pin = 1; pin < 3; pin++) {
		start_held();
		keys = *sub_keys(s);
		keys.n_pins = 1;
		memcpy(keys.pin[0], sign_key_public(w->key[pin])->id,
		       THUMBPRINT_TEXT + 1);
		sub_free(s);
		CU_ASSERT_EQUAL_FATAL(sub_new(&cfg, &keys, held, &s), RC_OK);
		lose_the_key(1);
		source = w->head;
		CU_ASSERT_EQUAL(introduce_of(w->head, NULL), pin == 1 ? RC_OK :
		                RC_EKEY);
		CU_ASSERT_EQUAL(trusts(1), pin == 1);
		end();
	}
}

/* Nor does an old directory from a cache bring its keys back. */
static void who_was_introduced_later_stays(void)
{
	struct snapshot *old;

	start_held();
	change(0);
	old = snapshot_ref(w->head);
	lose_the_key(1);
	source = w->head;
	CU_ASSERT_EQUAL(introduce_of(w->head, NULL), RC_OK);
	CU_ASSERT_EQUAL(introduce_of(old, NULL), RC_ERULE);
	CU_ASSERT(trusts(1));
	CU_ASSERT(!trusts(0));
	poll_of(old);
	CU_ASSERT_EQUAL(reason, SUB_KEY);
	snapshot_unref(old);
	end();
}

#define T(f) { #f, f }

int main(void)
{
	CU_TestInfo tests[] = {
		T(an_operator_takes_a_lower_position_once),
		T(after_it_the_way_on_is_the_usual_one),
		T(another_root_at_the_same_position_is_a_jump),
		T(an_earlier_session_can_be_trusted_as_well),
		T(a_higher_state_needs_no_trust_and_does_not_mind_it),
		T(what_is_held_already_needs_nothing),
		T(it_must_be_signed_later_than_what_is_held),
		T(it_must_be_ours_and_in_time),
		T(it_is_for_this_very_state),
		T(its_next_order_is_trusted_when_said_again),
		T(its_orders_are_counted_too),
		T(it_ends_with_its_round),
		T(a_round_that_fails_leaves_the_keys_too),
		T(a_lost_key_can_be_trusted_with_its_state),
		T(the_origin_introduces_an_unknown_key),
		T(what_waited_for_a_body_is_ordered_anew),
		T(who_is_trusted_already_is_followed),
		T(a_directory_that_proves_nothing_introduces_nobody),
		T(where_keys_are_pinned_one_of_them_must_introduce),
		T(who_was_introduced_later_stays),
		CU_TEST_INFO_NULL
	};

	return suite_run("sub_trust", tests);
}
