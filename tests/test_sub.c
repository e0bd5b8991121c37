/* The subscriber's half: the good way, the protocol, and what was not served. */
#include "tests/subrig.h"

#include <stdlib.h>

#include "common/proto/work.h"
#include "tests/suite.h"

/* ---- the good way ---------------------------------------------------------- */

static void from_nothing_to_the_head_by_fetches(void)
{
	start_bare();
	CU_ASSERT_STRING_EQUAL(sub_phase(s), "closed");
	connect_up();
	CU_ASSERT_STRING_EQUAL(sub_phase(s), "hello");
	CU_ASSERT_EQUAL(sub_heartbeat(s), 30);
	CU_ASSERT_EQUAL(sub_path(s)->n, 1);
	CU_ASSERT_PTR_NULL(strstr(sent, "\"have\""));
	say_subscribed(MODE_SNAPSHOT);
	CU_ASSERT_STRING_EQUAL(sub_phase(s), "snapshot");
	say_snapshot_of(w->head);
	CU_ASSERT_EQUAL(publishes, 1);
	CU_ASSERT(jumped);
	CU_ASSERT(current());
	CU_ASSERT_EQUAL(n_fetch, snapshot_count(w->head));
	CU_ASSERT_STRING_EQUAL(fetches[0].id, DIRECTORY_ID);
	CU_ASSERT_STRING_EQUAL(fetches[0].uri, "");
	CU_ASSERT_STRING_EQUAL(fetches[1].uri, "maps/cost");
	CU_ASSERT(!fetches[1].no_cache);
	CU_ASSERT_STRING_EQUAL(sub_phase(s), "current");
	CU_ASSERT_PTR_NOT_NULL(strstr(sent, "{\"ack\":{\"serial\":2,"));
	CU_ASSERT_EQUAL(sub_keys(s)->n, 1);
	end();
}

static void updates_are_applied_published_and_acked(void)
{
	start();
	for (int i = 0; i < 5; i++) {
		struct update *u = change((size_t)i % 2);

		if (i == 3) {
			world_edit_net(w, 0);
			say(u);
			u = world_publish(w);
		}
		say(u);
		CU_ASSERT(current());
		CU_ASSERT(!jumped);
		CU_ASSERT_EQUAL(run_len, 1);
	}
	CU_ASSERT_EQUAL(publishes, 6);
	CU_ASSERT_EQUAL(n_fetch, 0);
	CU_ASSERT_EQUAL(sub_counts(s)->updates, 6);
	CU_ASSERT_PTR_NOT_NULL(strstr(sent, "\"serial\":8,"));
	CU_ASSERT(!reopened);
	end();
}

static void a_later_signature_is_published_without_an_ack(void)
{
	start();
	sent[0] = '\0';
	w->now += 30;
	world_heartbeat(w);
	say_alive(snapshot_state(w->head));
	CU_ASSERT_EQUAL(publishes, 1);
	CU_ASSERT_EQUAL(snapshot_state(held)->created, w->now);
	CU_ASSERT_EQUAL(run_len, 0);
	CU_ASSERT(!jumped);
	CU_ASSERT_STRING_EQUAL(sent, "");
	say_alive(snapshot_state(w->head));	/* the same again */
	CU_ASSERT_EQUAL(publishes, 1);
	CU_ASSERT_EQUAL(sub_counts(s)->heartbeats, 2);
	sub_heartbeat_due(s);
	pump();
	CU_ASSERT_PTR_NOT_NULL(strstr(sent, "{\"alive\":{\"serial\":2,"));
	end();
}

static void a_snapshot_of_what_is_held_is_acked(void)
{
	start();
	connect_up();
	say_subscribed(MODE_SNAPSHOT);
	sent[0] = '\0';
	say_snapshot_of(w->head);
	CU_ASSERT_EQUAL(n_fetch, 0);
	CU_ASSERT_EQUAL(publishes, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(sent, "{\"ack\":{\"serial\":2,"));
	end();
}

static void no_order_holds_a_body_up_for_long(void)
{
	struct buf b = BUF_INIT(1 << 20);
	struct update *u;
	const char *pull;

	start();
	u = change_pull(1);
	pull = strstr(u->text, "\"pull\":");
	CU_ASSERT_PTR_NOT_NULL_FATAL(pull);
	pull += strlen("\"pull\":");
	buf_add(&b, u->text, (size_t)(pull - u->text));
	buf_puts(&b, "86400");
	buf_puts(&b, pull + strspn(pull, "0123456789"));
	feed_buf(&b);
	CU_ASSERT_EQUAL_FATAL(n_fetch, 1);
	CU_ASSERT_EQUAL(fetches[0].within, 30);
	end();
}

/* The publisher of a new connection has not heard of them. */
static void those_below_are_told_again_on_a_new_connection(void)
{
	struct frame_below below = { .name = "leaf", .uri = "" };

	start();
	below.pos = snapshot_state(held)->pos;
	CU_ASSERT_EQUAL(sub_below(s, &below, 1), RC_OK);
	pump();
	sub_lost(s, SUB_CLOSED);
	connect_up();
	CU_ASSERT_PTR_NULL(strstr(sent, "\"below\""));
	say_subscribed(MODE_CURRENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(sent, "\"below\":[{\"name\":\"leaf\","));
	end();
}

/* Once; when the last of them goes, that is said, once too. */
static void those_below_are_in_the_ack(void)
{
	struct frame_below below = { .name = "leaf",
	                             .uri = "https://l.example.net/" };

	start();
	below.pos = snapshot_state(held)->pos;
	CU_ASSERT_EQUAL(sub_below(s, &below, 1), RC_OK);
	pump();
	CU_ASSERT_PTR_NOT_NULL(strstr(sent, "\"below\":[{\"name\":\"leaf\","));
	CU_ASSERT_EQUAL(sub_below(s, NULL, 0), RC_OK);
	pump();
	CU_ASSERT_PTR_NOT_NULL(strstr(sent, "\"below\":[]"));
	end();
}

static void current_goes_on_from_what_is_held(void)
{
	start();
	connect_up();
	CU_ASSERT_PTR_NOT_NULL(strstr(sent, "\"have\""));
	say_subscribed(MODE_CURRENT);
	CU_ASSERT_STRING_EQUAL(sub_phase(s), "current");
	CU_ASSERT_EQUAL(publishes, 0);
	say(change(0));
	CU_ASSERT(current());
	end();
}

static void only_what_differs_is_fetched_for_a_snapshot(void)
{
	start();
	change(1);
	source = w->head;
	connect_up();
	say_subscribed(MODE_SNAPSHOT);
	say_snapshot_of(w->head);
	CU_ASSERT_EQUAL(n_fetch, 1);
	CU_ASSERT_STRING_EQUAL(fetches[0].id, "delay");
	CU_ASSERT(current());
	CU_ASSERT(jumped);
	end();
}

static void resources_come_and_go(void)
{
	start();
	w->net_there[1] = w->cost_there[2] = true;
	(void)world_publish(w);
	source = w->head;
	say(change(0));		/* a gap: the one before is missing */
	CU_ASSERT_EQUAL(reason, SUB_GAP);
	check_resumes();
	CU_ASSERT_EQUAL(n_fetch, 2);
	w->net_there[1] = false;
	source = NULL;
	say(world_publish(w));
	CU_ASSERT_PTR_NULL(snapshot_get(held, "Hops"));
	CU_ASSERT(current());
	CU_ASSERT_EQUAL(n_fetch, 2);
	end();
}

/* ---- overflow -------------------------------------------------------------- */

static void start_narrow(void)
{
	struct sub_config cfg = config();
	struct keys keys = { .n = 0 };

	cfg.waiting_max = 20000;
	start_with(&cfg, &keys);
	first_contact();
	CU_ASSERT_EQUAL_FATAL(publishes, 1);
	publishes = 0;
	n_fetch = 0;
	source = NULL;
}

static void overflows_and_catches_up(bool ahead)
{
	const struct snapshot *before;
	struct snapshot *ordered;
	uint64_t at;
	struct update *u;

	start_narrow();
	before = held;
	at = snapshot_state(held)->pos.serial;
	say(change_pull(0));
	ordered = snapshot_ref(w->head);
	for (int i = 0; i < 100 && !reopened; i++)
		say(change(i % 2 == 0));
	check_fell(SUB_OVERFLOW, before);
	CU_ASSERT_EQUAL(n_fetch, 1);
	change(0);
	/* While nothing is connected. */
	answer_from(ahead ? w->head : ordered, "cost");
	connect_up();
	CU_ASSERT_PTR_NOT_NULL(strstr(sent, "\"have\""));
	say_subscribed(MODE_DELTA);
	while (history_after(w->log, at++, &u) == RC_OK)
		say(u);
	CU_ASSERT_EQUAL(n_fetch, 0);
	CU_ASSERT(current());
	CU_ASSERT(!reopened);
	snapshot_unref(ordered);
	end();
}

static void too_much_waiting_reopens_but_keeps_the_fetch(void)
{
	overflows_and_catches_up(false);
	overflows_and_catches_up(true);
}

static void what_only_waits_for_a_signature_becomes_a_jump(void)
{
	struct update *u[100];
	size_t n;

	start_narrow();
	for (n = 0; n < 100; n++)
		u[n] = change(0);
	w->now += 3 * WORLD_LIFETIME;
	connect_up();
	say_subscribed(MODE_DELTA);
	for (size_t i = 0; i < n; i++)
		say(u[i]);
	CU_ASSERT(!reopened);
	CU_ASSERT_EQUAL(publishes, 0);
	world_heartbeat(w);
	say_alive(snapshot_state(w->head));
	CU_ASSERT(current());
	CU_ASSERT(jumped);
	end();
}

/* ---- the protocol ---------------------------------------------------------- */

static void what_is_not_the_protocol_ends_the_connection(void)
{
	static const char *const bad[] = {
		"", "x", "{}", "[]", "{\"hello\":{}}", "{\"what\":{}}",
		"{\"ack\":{\"serial\":1,\"session\":"
		"\"01990000-0000-7000-8000-000000000000\"}}",
		"{\"subscribe\":{\"name\":\"x\"}}",
		"{\"alive\":{\"serial\":1,\"session\":"
		"\"01990000-0000-7000-8000-000000000000\"}}",
		"{\"error\":{\"meta\":{\"code\":\"E_SYNTAX\"}}}",
		"{\"update\":{\"changes\":[]}}",
	};
	const struct snapshot *before;

	start();
	before = held;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		connect_up();
		say_subscribed(MODE_CURRENT);
		CU_ASSERT(!reopened);
		feed(bad[i], strlen(bad[i]));
		CU_ASSERT(reopened);
		CU_ASSERT_EQUAL(reason, SUB_PROTOCOL);
	}
	CU_ASSERT_PTR_EQUAL(held, before);
	check_resumes();
	end();
}

static void messages_have_their_order(void)
{
	struct update *u;

	start();
	u = change(0);
	CU_ASSERT_EQUAL(sub_opened(s), RC_OK);
	say_subscribed(MODE_CURRENT);
	CU_ASSERT_EQUAL(reason, SUB_PROTOCOL);
	for (int i = 0; i < 5; i++) {
		connect_up();
		if (i == 0)
			say_hello_of(w->service, WORLD_INSTANCE);
		else if (i == 1)
			say_snapshot_of(w->head);
		else if (i == 2)
			say(u);
		else if (i == 3)
			say_alive(snapshot_state(w->head));
		else
			say_subscribed(MODE_CURRENT);	/* of what? */
		CU_ASSERT(reopened);
		CU_ASSERT_EQUAL(reason, SUB_PROTOCOL);
	}
	CU_ASSERT_EQUAL(publishes, 0);
	end();
}

static void good_bye_says_when_to_come_back(void)
{
	const struct snapshot *before;
	struct buf b = BUF_INIT(1000);

	start();
	before = held;
	frame_bye("going away", 17, &b);
	feed_buf(&b);
	check_fell(SUB_BYE, before);
	CU_ASSERT_EQUAL(retry_after, 17);
	end();
}

static void a_lost_connection_is_counted_once(void)
{
	start();
	sub_lost(s, SUB_CLOSED);
	sub_lost(s, SUB_CLOSED);
	CU_ASSERT_EQUAL(sub_counts(s)->reopened[SUB_CLOSED], 1);
	connect_up();
	sub_lost(s, SUB_SILENT);
	CU_ASSERT_EQUAL(sub_counts(s)->reopened[SUB_SILENT], 1);
	CU_ASSERT_STRING_EQUAL(sub_phase(s), "closed");
	feed("{}", 2);			/* late frames say nothing */
	CU_ASSERT(!reopened);
	check_resumes();
	end();
}

static void a_frame_that_is_too_large_is_not_asked_for_again(void)
{
	start();
	change(0);
	sub_lost(s, SUB_OVERFLOW);
	CU_ASSERT_EQUAL(sub_counts(s)->reopened[SUB_OVERFLOW], 1);
	check_starts_over();
	end();
}

static void what_was_not_served_is_not_half_published_later(void)
{
	struct sub_act act;
	struct update *u;
	char *text;

	start();
	u = change(0);
	text = strdup(u->text);
	CU_ASSERT_EQUAL(sub_frame(s, text, u->len, w->now), RC_OK);
	CU_ASSERT_EQUAL(sub_next(s, &act), RC_OK);
	CU_ASSERT_EQUAL(act.what, SUB_PUBLISH);
	CU_ASSERT_EQUAL(act.n_updates, 1);
	/* The disk is full: it is asked again, and what follows joins. */
	u = change(0);
	text = strdup(u->text);
	CU_ASSERT_EQUAL(sub_frame(s, text, u->len, w->now), RC_OK);
	CU_ASSERT_EQUAL(sub_next(s, &act), RC_OK);
	CU_ASSERT_EQUAL(act.what, SUB_PUBLISH);
	CU_ASSERT_EQUAL(act.n_updates, 2);
	CU_ASSERT_EQUAL(snapshot_state(act.next)->pos.serial,
	                u->state.pos.serial);
	sub_lost(s, SUB_CLOSED);
	CU_ASSERT_EQUAL(sub_next(s, &act), RC_OK);
	CU_ASSERT_EQUAL(act.what, SUB_WAIT);
	check_resumes();
	CU_ASSERT_EQUAL(run_len, 1);
	end();
}

static void what_came_after_a_publication_stays_for_the_next(void)
{
	struct sub_act act;
	struct update *u;

	start();
	u = change(0);
	CU_ASSERT_EQUAL(sub_frame(s, strdup(u->text), u->len, w->now), RC_OK);
	u = change_pull(0);	/* not whole: the one before stays ready */
	CU_ASSERT_EQUAL(sub_frame(s, strdup(u->text), u->len, w->now), RC_OK);
	CU_ASSERT_EQUAL(sub_next(s, &act), RC_OK);
	CU_ASSERT_EQUAL(act.what, SUB_PUBLISH);
	CU_ASSERT_EQUAL(act.n_updates, 1);
	CU_ASSERT_EQUAL(sub_served(s), RC_OK);
	pump();
	answer_from(w->head, "cost");
	CU_ASSERT_EQUAL(run_len, 1);
	CU_ASSERT(!jumped);
	CU_ASSERT(current());
	end();
}

static void what_came_another_way_is_gone_on_from(void)
{
	struct keys keys;

	start();
	change(0);
	world_keys(w, &keys);
	snapshot_unref(held);
	held = snapshot_ref(w->head);
	CU_ASSERT_EQUAL(sub_adopt(s, held, &keys), RC_OK);
	connect_up();
	say_subscribed(MODE_CURRENT);
	say(change(1));
	CU_ASSERT(current());
	CU_ASSERT_EQUAL(n_fetch, 0);
	end();
}

static void every_reason_has_a_text(void)
{
	for (int i = 0; i < SUB_REASONS; i++)
		CU_ASSERT(sub_reason_text((enum sub_reason)i)[0] != '\0');
	CU_ASSERT_STRING_EQUAL(sub_reason_text(SUB_OVERFLOW), "overflow");
	CU_ASSERT_STRING_EQUAL(sub_reason_text(SUB_REASONS), "unknown");
}

#define T(f) { #f, f }

int main(void)
{
	CU_TestInfo tests[] = {
		T(from_nothing_to_the_head_by_fetches),
		T(updates_are_applied_published_and_acked),
		T(a_later_signature_is_published_without_an_ack),
		T(a_snapshot_of_what_is_held_is_acked),
		T(no_order_holds_a_body_up_for_long),
		T(those_below_are_in_the_ack),
		T(those_below_are_told_again_on_a_new_connection),
		T(current_goes_on_from_what_is_held),
		T(only_what_differs_is_fetched_for_a_snapshot),
		T(resources_come_and_go),
		T(too_much_waiting_reopens_but_keeps_the_fetch),
		T(what_only_waits_for_a_signature_becomes_a_jump),
		T(what_is_not_the_protocol_ends_the_connection),
		T(messages_have_their_order),
		T(good_bye_says_when_to_come_back),
		T(a_lost_connection_is_counted_once),
		T(a_frame_that_is_too_large_is_not_asked_for_again),
		T(what_was_not_served_is_not_half_published_later),
		T(what_came_after_a_publication_stays_for_the_next),
		T(what_came_another_way_is_gone_on_from),
		T(every_reason_has_a_text),
		CU_TEST_INFO_NULL
	};

	return suite_run("sub", tests);
}
