#include "tests/subrig.h"

#include <stdlib.h>

#include "common/wire/state_json.h"
#include "tests/suite.h"

struct world *w;
struct sub *s;
struct snapshot *held;
const struct snapshot *source;
bool reopened, jumped;
enum sub_reason reason;
unsigned publishes, retry_after, polls;
size_t run_len;
char sent[4096];
size_t n_fetch;
struct sub_act fetches[FETCHES];

static void give(struct sub_body *b, const struct world_answer *a)
{
	b->headers = a->headers;
	b->body = a->body;
	b->len = a->len;
}

void answer_bent(const struct snapshot *from, const char *id,
                 void (*bend)(struct world_answer *a, struct sub_body *b))
{
	struct sub_body b = { .id = id };
	struct world_answer a;

	/* The newest fetch of it is the one that is answered. */
	for (size_t i = 0; i < FETCHES; i++)
		if (strcmp(fetches[i].id, id) == 0 &&
		    fetches[i].number > b.number)
			b.number = fetches[i].number;
	b.ok = world_answer(from, id, &a);
	if (b.ok)
		give(&b, &a);
	if (b.ok && bend)
		bend(&a, &b);
	CU_ASSERT_EQUAL_FATAL(sub_fetched(s, &b, w->now), RC_OK);
	world_answer_free(&a);
	pump();
}

void answer_from(const struct snapshot *from, const char *id)
{
	answer_bent(from, id, NULL);
}

void bend_bytes(struct world_answer *a, struct sub_body *b)
{
	(void)b;
	a->body[a->len / 2] ^= 1;
}

void bend_fetch(struct world_answer *a, struct sub_body *b)
{
	(void)a;
	b->ok = false;
}

void bend_signature(struct world_answer *a, struct sub_body *b)
{
	(void)b;
	a->state.signature[10] = a->state.signature[10] == 'A' ? 'B' : 'A';
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

void pump(void)
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
			CU_ASSERT(!sub_polling(s));
			sub_closed(s);
			break;
		case SUB_POLL:
			polls++;
			break;
		}
	}
}

void feed(const char *text, size_t len)
{
	char *copy = malloc(len + 1);

	CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
	memcpy(copy, text, len);
	copy[len] = '\0';
	CU_ASSERT_EQUAL_FATAL(sub_frame(s, copy, len, w->now), RC_OK);
	pump();
}

void feed_buf(struct buf *b)
{
	CU_ASSERT_EQUAL_FATAL(buf_rc(b), RC_OK);
	feed(b->data, b->len);
	buf_free(b);
}

void say_hello_of(const char *service, const char *instance)
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

void say_subscribed(enum frame_mode mode)
{
	struct buf b = BUF_INIT(1 << 20);

	frame_subscribed(snapshot_state(w->head), mode, "because", &b);
	feed_buf(&b);
}

void say_snapshot_of(const struct snapshot *snap)
{
	struct buf b = BUF_INIT(1 << 20);

	CU_ASSERT_EQUAL(frame_snapshot(snap, &b), RC_OK);
	feed_buf(&b);
}

void say_alive(const struct state *st)
{
	struct buf b = BUF_INIT(1 << 20);

	frame_alive(st, "", &b);
	feed_buf(&b);
}

void say(const struct update *u)
{
	CU_ASSERT_PTR_NOT_NULL_FATAL(u);
	feed(u->text, u->len);
}

void say_with(const struct update *u, const struct state *st)
{
	const char *changes = strstr(u->text, "\"changes\":[");
	struct buf b = BUF_INIT(1 << 20);

	CU_ASSERT_PTR_NOT_NULL_FATAL(changes);
	frame_update_begin(st, 1, &b);
	buf_puts(&b, changes + strlen("\"changes\":["));
	feed_buf(&b);
}

void connect_up(void)
{
	reopened = false;
	sent[0] = '\0';
	n_fetch = 0;
	CU_ASSERT_EQUAL(sub_opened(s), RC_OK);
	say_hello_of(w->service, WORLD_INSTANCE);
}

void first_contact(void)
{
	connect_up();
	say_subscribed(MODE_SNAPSHOT);
	say_snapshot_of(w->head);
}

void connect_snapshot(const struct snapshot *snap)
{
	connect_up();
	say_subscribed(MODE_SNAPSHOT);
	say_snapshot_of(snap);
}

static struct leaf_set *document(const struct snapshot *from)
{
	struct buf b = BUF_INIT(1 << 20);
	struct leaf_set *set = NULL;

	CU_ASSERT_EQUAL_FATAL(state_doc(from, &b), RC_OK);
	CU_ASSERT_EQUAL_FATAL(state_doc_read(b.data, b.len, &set, NULL), RC_OK);
	buf_free(&b);
	return set;
}

void poll_of(const struct snapshot *from)
{
	struct leaf_set *set = document(from);

	reopened = false;
	CU_ASSERT_EQUAL(sub_polled(s, set, w->now), RC_OK);
	leaf_set_free(set);
	pump();
}

enum rc trust_of(const struct snapshot *from, struct diag *d)
{
	struct leaf_set *set = document(from);
	enum rc rc = sub_trust(s, set, w->now, d);

	reopened = false;
	leaf_set_free(set);
	pump();
	return rc;
}

enum rc introduce_of(const struct snapshot *from, struct diag *d)
{
	struct sub_body b = { .id = DIRECTORY_ID, .ok = true };
	struct world_answer a;
	enum rc rc;

	CU_ASSERT_FATAL(world_answer(from, DIRECTORY_ID, &a));
	give(&b, &a);
	rc = sub_introduce(s, &b, w->now, d);
	world_answer_free(&a);
	return rc;
}

struct update *change(size_t cost)
{
	struct update *u;

	w->now++;
	world_edit_cost(w, cost);
	u = world_publish(w);
	CU_ASSERT_PTR_NOT_NULL_FATAL(u);
	return u;
}

struct update *change_pull(size_t cost)
{
	struct update *u;

	w->pull_in = 1;
	u = change(cost);
	w->pull_in = 0;
	return u;
}

void lose_the_key(size_t to)
{
	memset(w->listed, 0, sizeof(w->listed));
	w->listed[to] = true;
	w->signer = to;
	w->now++;
	(void)world_publish(w);
}

struct snapshot *head_with(const struct state *st)
{
	struct snapshot *bent = NULL;

	CU_ASSERT_EQUAL_FATAL(snapshot_restate(w->head, st, &bent), RC_OK);
	return bent;
}

struct sub_config config(void)
{
	struct sub_config cfg = { .name = "rp", .waiting_max = 1 << 20,
	                          .at_origin = true };

	memcpy(cfg.instance, SELF, UUID_TEXT + 1);
	return cfg;
}

void start_with(const struct sub_config *cfg, const struct keys *keys)
{
	w = world_new(42);
	w->cost_there[1] = true;
	(void)world_publish(w);
	held = NULL;
	source = w->head;
	reopened = false;
	publishes = polls = 0;
	n_fetch = 0;
	memset(fetches, 0, sizeof(fetches));
	CU_ASSERT_EQUAL_FATAL(sub_new(cfg, keys, NULL, &s), RC_OK);
}

void start_bare(void)
{
	struct sub_config cfg = config();
	struct keys keys = { .n = 0 };

	start_with(&cfg, &keys);
}

void start(void)
{
	start_bare();
	first_contact();
	CU_ASSERT_EQUAL_FATAL(publishes, 1);
	CU_ASSERT(!reopened);
	publishes = 0;
	n_fetch = 0;
	source = NULL;
}

void start_with_pins(size_t n, const size_t *pins)
{
	struct sub_config cfg = config();
	struct keys keys = { .n = 0 };

	start_bare();
	sub_free(s);
	world_keys(w, &keys);
	for (size_t i = 0; i < n; i++)
		memcpy(keys.pin[keys.n_pins++],
		       sign_key_public(w->key[pins[i]])->id,
		       THUMBPRINT_TEXT + 1);
	held = snapshot_ref(w->head);
	CU_ASSERT_EQUAL_FATAL(sub_new(&cfg, &keys, held, &s), RC_OK);
	source = NULL;
}

void end(void)
{
	sub_free(s);
	snapshot_unref(held);
	world_free(w);
}

bool current(void)
{
	return held && world_same(held, w->head) &&
	       position_cmp(&snapshot_state(held)->pos,
	                    &snapshot_state(w->head)->pos) == 0;
}

void check_fell(enum sub_reason why, const struct snapshot *before)
{
	CU_ASSERT(reopened);
	CU_ASSERT_EQUAL(reason, why);
	CU_ASSERT_EQUAL(sub_counts(s)->reopened[why], 1);
	CU_ASSERT_PTR_EQUAL(held, before);
}

void check_resumes(void)
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

void check_starts_over(void)
{
	source = w->head;
	connect_up();
	CU_ASSERT_PTR_NULL(strstr(sent, "\"have\""));
	say_subscribed(MODE_SNAPSHOT);
	say_snapshot_of(w->head);
	CU_ASSERT(current());
	source = NULL;
}

bool trusts(size_t key)
{
	return keys_find(sub_keys(s), sign_key_public(w->key[key])->id);
}
