/* The subscriber's half: each way in which a publisher, a line or a cache can be
 * wrong, and that what is served stays until something better is proven. */
#include "common/proto/sub.h"

#include <stdlib.h>

#include "common/proto/work.h"
#include "tests/suite.h"
#include "tests/world.h"

#define SELF "11111111-2222-4333-8444-555555555551"
#define OTHER_SERVICE "99999999-2222-4333-8444-555555555551"
#define FETCHES 16

/* A publisher, the machine, and what it last asked for. */
static struct world *w;
static struct sub *s;
static struct snapshot *held;		/* what was published last */
static const struct snapshot *source;	/* answers fetches at once; NULL: they
					 * stay open */
static bool reopened, jumped;
static enum sub_reason reason;
static unsigned publishes, retry_after;
static size_t run_len;
static char sent[4096];
static size_t n_fetch;
static struct sub_act fetches[FETCHES];

static void pump(void);

static void answer_from(const struct snapshot *from, const char *id)
{
	struct sub_body b = { .id = id };
	struct world_answer a;

	b.ok = world_answer(from, id, &a);
	if (b.ok) {
		b.headers = a.headers;
		b.body = a.body;
		b.len = a.len;
	}
	CU_ASSERT_EQUAL_FATAL(sub_fetched(s, &b, w->now), RC_OK);
	world_answer_free(&a);
	pump();
}

static void take_publish(const struct sub_act *act)
{
	CU_ASSERT(world_proves(act->next, sub_keys(s)));
	snapshot_unref(held);
	held = snapshot_ref(act->next);
	publishes++;
	jumped = act->jump;
	run_len = act->n_updates;
	CU_ASSERT_EQUAL(sub_served(s), RC_OK);
}

static void take_fetch(const struct sub_act *act)
{
	char id[ID_MAX + 1];

	CU_ASSERT_FATAL(n_fetch < FETCHES);
	fetches[n_fetch++] = *act;
	if (!source)
		return;
	memcpy(id, act->id, sizeof(id));
	answer_from(source, id);
}

static void pump(void)
{
	struct sub_act act;

	for (;;) {
		CU_ASSERT_EQUAL_FATAL(sub_next(s, &act), RC_OK);
		switch (act.what) {
		case SUB_WAIT:
			return;
		case SUB_SEND:
			CU_ASSERT_FATAL(act.len < sizeof(sent));
			memcpy(sent, act.text, act.len + 1);
			break;
		case SUB_FETCH:
			take_fetch(&act);
			break;
		case SUB_PUBLISH:
			take_publish(&act);
			break;
		case SUB_REOPEN:
			reopened = true;
			reason = act.reason;
			retry_after = act.retry_after;
			CU_ASSERT(act.why[0] != '\0');
			CU_ASSERT(act.code >= 4000);
			sub_closed(s);
			break;
		}
	}
}

static void feed(const char *text, size_t len)
{
	char *copy = malloc(len + 1);

	CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
	memcpy(copy, text, len);
	copy[len] = '\0';
	CU_ASSERT_EQUAL_FATAL(sub_frame(s, copy, len, w->now), RC_OK);
	pump();
}

static void feed_buf(struct buf *b)
{
	CU_ASSERT_EQUAL_FATAL(buf_rc(b), RC_OK);
	feed(b->data, b->len);
	buf_free(b);
}

static void say_hello_of(const char *service, const char *instance)
{
	struct frame_path path = { .n = 1 };
	struct frame_hello h = {
		service, snapshot_state(w->head), &path, 30, 1 << 20,
		w->now * 1000
	};
	struct buf b = BUF_INIT(1 << 20);

	memcpy(path.id[0], instance, UUID_TEXT + 1);
	frame_hello(&h, &b);
	feed_buf(&b);
}

static void say_subscribed(enum frame_mode mode)
{
	struct buf b = BUF_INIT(1 << 20);

	frame_subscribed(snapshot_state(w->head), mode, "because", &b);
	feed_buf(&b);
}

static void say_snapshot_of(const struct snapshot *snap)
{
	struct buf b = BUF_INIT(1 << 20);

	CU_ASSERT_EQUAL(frame_snapshot(snap, &b), RC_OK);
	feed_buf(&b);
}

static void say_alive(const struct state *st)
{
	struct buf b = BUF_INIT(1 << 20);

	frame_alive(st, "", &b);
	feed_buf(&b);
}

static void say(const struct update *u)
{
	CU_ASSERT_PTR_NOT_NULL_FATAL(u);
	feed(u->text, u->len);
}

static void connect_up(void)
{
	reopened = false;
	sent[0] = '\0';
	n_fetch = 0;
	CU_ASSERT_EQUAL(sub_opened(s), RC_OK);
	say_hello_of(w->service, WORLD_INSTANCE);
}

/* From nothing to the head, all by fetches. */
static void first_contact(void)
{
	connect_up();
	say_subscribed(MODE_SNAPSHOT);
	say_snapshot_of(w->head);
}

static struct update *change(size_t cost)
{
	struct update *u;

	w->now++;
	world_edit_cost(w, cost);
	u = world_publish(w);
	CU_ASSERT_PTR_NOT_NULL_FATAL(u);
	return u;
}

/* A resource changed, ordered as a pull whatever its size. */
static struct update *change_pull(size_t cost)
{
	struct update *u;

	w->pull_in = 1;
	u = change(cost);
	w->pull_in = 0;
	return u;
}

static struct sub_config config(void)
{
	struct sub_config cfg = { .name = "rp", .waiting_max = 1 << 20,
	                          .at_origin = true };

	memcpy(cfg.instance, SELF, UUID_TEXT + 1);
	return cfg;
}

static void start_with(const struct sub_config *cfg, const struct keys *keys)
{
	w = world_new(42);
	w->cost_there[1] = true;
	(void)world_publish(w);
	held = NULL;
	source = w->head;
	reopened = false;
	publishes = 0;
	n_fetch = 0;
	CU_ASSERT_EQUAL_FATAL(sub_new(cfg, keys, NULL, &s), RC_OK);
}

static void start_bare(void)
{
	struct sub_config cfg = config();
	struct keys keys = { .n = 0 };

	start_with(&cfg, &keys);
}

/* Current at the head, with the cost maps of w. */
static void start(void)
{
	start_bare();
	first_contact();
	CU_ASSERT_EQUAL_FATAL(publishes, 1);
	CU_ASSERT(!reopened);
	publishes = 0;
	n_fetch = 0;
	source = NULL;
}

static void end(void)
{
	sub_free(s);
	snapshot_unref(held);
	world_free(w);
}

static bool current(void)
{
	return held && world_same(held, w->head) &&
	       position_cmp(&snapshot_state(held)->pos,
	                    &snapshot_state(w->head)->pos) == 0;
}

/* Fell back for this reason, and still serves what it did. */
static void check_fell(enum sub_reason why, const struct snapshot *before)
{
	CU_ASSERT(reopened);
	CU_ASSERT_EQUAL(reason, why);
	CU_ASSERT_EQUAL(sub_counts(s)->reopened[why], 1);
	CU_ASSERT_PTR_EQUAL(held, before);
}

/* And comes back: asks from what it holds, gets the deltas. */
static void check_resumes(void)
{
	struct update *u;
	uint64_t at = snapshot_state(held)->pos.serial;

	connect_up();
	CU_ASSERT_PTR_NOT_NULL(strstr(sent, "\"have\""));
	say_subscribed(MODE_DELTA);
	while (history_after(w->log, at++, &u) == RC_OK)
		say(u);
	say_alive(snapshot_state(w->head));
	CU_ASSERT(current());
}

static void check_starts_over(void)
{
	source = w->head;
	connect_up();
	CU_ASSERT_PTR_NULL(strstr(sent, "\"have\""));
	say_subscribed(MODE_SNAPSHOT);
	say_snapshot_of(w->head);
	CU_ASSERT(current());
	source = NULL;
}

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
	CU_ASSERT_PTR_NULL(strstr(sent, "below"));
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

/* ---- pulls ----------------------------------------------------------------- */

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
	struct sub_body b = { .id = "cost", .ok = true };
	struct world_answer a;

	CU_ASSERT_FATAL(world_answer(w->head, "cost", &a));
	b.headers = a.headers;
	b.body = a.body;
	b.len = a.len;
	bend(&a, &b);
	CU_ASSERT_EQUAL(sub_fetched(s, &b, w->now), RC_OK);
	world_answer_free(&a);
	pump();
	CU_ASSERT_EQUAL(publishes, 0);
}

static void bend_bytes(struct world_answer *a, struct sub_body *b)
{
	(void)b;
	a->body[a->len / 2] ^= 1;
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

static void bend_fetch(struct world_answer *a, struct sub_body *b)
{
	(void)a;
	b->ok = false;
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

static void bend_signature(struct world_answer *a, struct sub_body *b)
{
	(void)b;
	a->state.signature[10] = a->state.signature[10] == 'A' ? 'B' : 'A';
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

/* ---- falling back ---------------------------------------------------------- */

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
static void say_with(const struct update *u, const struct state *st)
{
	const char *changes = strstr(u->text, "\"changes\":[");
	struct buf b = BUF_INIT(1 << 20);

	CU_ASSERT_PTR_NOT_NULL_FATAL(changes);
	frame_update_begin(st, 1, &b);
	buf_puts(&b, changes + strlen("\"changes\":["));
	feed_buf(&b);
}

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

static void a_root_that_does_not_come_out_starts_over(void)
{
	const struct snapshot *before;
	struct update *u;
	struct state st;

	start();
	before = held;
	u = change(0);
	st = u->state;
	st.root[0] ^= 1;
	world_sign(w, &st);
	say_with(u, &st);
	check_fell(SUB_MISMATCH, before);
	check_starts_over();
	end();
}

static void a_root_that_cannot_come_out_is_not_waited_for(void)
{
	const struct snapshot *before;
	struct update *u;
	struct state st;

	start();
	before = held;
	u = change_pull(0);
	st = u->state;
	st.root[0] ^= 1;
	world_sign(w, &st);
	say_with(u, &st);
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
		T(current_goes_on_from_what_is_held),
		T(only_what_differs_is_fetched_for_a_snapshot),
		T(resources_come_and_go),
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
		T(a_gap_resumes_from_what_is_held),
		T(an_alive_beyond_the_line_is_a_gap),
		T(a_doubled_update_is_skipped),
		T(a_forged_signature_is_not_served),
		T(a_forged_alive_does_not_replace_a_good_one),
		T(a_forged_snapshot_orders_nothing),
		T(a_key_nobody_trusts_is_refused),
		T(a_key_change_is_followed_through_the_data),
		T(an_unknown_key_waits_for_the_ird_on_its_way),
		T(a_key_change_is_followed_while_a_body_is_on_its_way),
		T(the_first_key_is_the_pinned_one),
		T(without_a_pin_only_the_origin_is_believed),
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
		T(after_a_mismatch_a_lost_history_still_comes_out),
		T(our_own_id_in_the_path_is_a_loop),
		T(another_service_is_refused),
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
