#include "tests/pairs.h"

#include <stdlib.h>

#include "common/wire/state_json.h"
#include "tests/suite.h"

struct world *w;
struct pub_world origin;
struct keys own_keys;
struct node node[NODES];
bool faults;

bool chance(uint32_t one_in)
{
	return world_rnd(w, one_in) == 0;
}

/* ---- queues ---------------------------------------------------------------- */

static void queue_put(struct queue *q, size_t at, const char *text, size_t len)
{
	struct message m = { malloc(len + 1), len };

	if (q->n == QUEUE || !m.text) {
		free(m.text);
		return;		/* lost */
	}
	memcpy(m.text, text, len);
	m.text[len] = '\0';
	memmove(&q->m[at + 1], &q->m[at], (q->n - at) * sizeof(m));
	q->m[at] = m;
	q->n++;
}

/* Onto the line, with what may happen there. */
static void queue_send(struct queue *q, const char *text, size_t len)
{
	if (faults && chance(60))
		return;
	queue_put(q, q->n, text, len);
	if (faults && chance(60))
		queue_put(q, q->n, text, len);
	if (faults && q->n > 0 && chance(60))
		queue_put(q, world_rnd(w, (uint32_t)q->n), text, len);
	if (faults && q->n > 1 && chance(60)) {
		struct message m = q->m[q->n - 1];

		q->m[q->n - 1] = q->m[q->n - 2];
		q->m[q->n - 2] = m;
	}
	if (faults && q->n > 0 && chance(60)) {
		struct message *m = &q->m[q->n - 1];

		m->text[world_rnd(w, (uint32_t)m->len)] ^=
			(char)(1 << world_rnd(w, 8));
	}
}

static struct message queue_take(struct queue *q)
{
	struct message m = q->m[0];

	q->n--;
	memmove(&q->m[0], &q->m[1], q->n * sizeof(m));
	return m;
}

static void queue_empty(struct queue *q)
{
	while (q->n)
		free(q->m[--q->n].text);
}

/* ---- what must always hold ------------------------------------------------- */

static bool was_published(const struct snapshot *s)
{
	const struct position *pos = &snapshot_state(s)->pos;

	for (size_t i = w->n_past; i > 0; i--) {
		const struct snapshot *p = w->past[i - 1];

		if (position_cmp(&snapshot_state(p)->pos, pos) == 0 &&
		    world_same(p, s))
			return true;
	}
	return false;
}

static void check_run(const struct node *n, const struct sub_act *act)
{
	const struct position *at = &snapshot_state(n->held)->pos;

	for (size_t i = 0; i < act->n_updates; i++) {
		const struct position *next = &act->updates[i]->state.pos;

		CU_ASSERT(position_same_session(at, next));
		CU_ASSERT_EQUAL(at->serial + 1, next->serial);
		at = next;
	}
	CU_ASSERT_EQUAL(position_cmp(at, &snapshot_state(act->next)->pos), 0);
}

static bool is_trusted(const struct node *n, const struct state *st)
{
	return position_cmp(&n->trusted.pos, &st->pos) == 0 &&
	       memcmp(n->trusted.root, st->root, SHA256_SIZE) == 0;
}

static void check_publish(const struct node *n, const struct sub_act *act)
{
	const struct state *st = snapshot_state(act->next);

	CU_ASSERT(world_proves(act->next, sub_keys(n->sub)));
	CU_ASSERT(was_published(act->next));
	CU_ASSERT(state_time(st, w->now, NULL) == RC_OK);
	if (!n->held) {
		CU_ASSERT(act->jump);
		return;
	}
	CU_ASSERT(position_cmp(&st->pos, &snapshot_state(n->held)->pos) >= 0 ||
	          is_trusted(n, st));
	if (!act->jump)
		check_run(n, act);
}

/* ---- a node ---------------------------------------------------------------- */

/* What a daemon does with a publication, on a disk that never fails. */
static void serve(struct node *n, const struct sub_act *act)
{
	const struct state *st = snapshot_state(act->next);

	snapshot_ref(act->next);
	snapshot_unref(n->held);
	n->held = act->next;
	n->keys.len = 0;
	CU_ASSERT_EQUAL(keys_write(sub_keys(n->sub), &n->keys), RC_OK);
	for (size_t i = 0; !act->jump && i < act->n_updates; i++)
		CU_ASSERT_EQUAL(history_append(n->log, act->updates[i]),
		                RC_OK);
	if (act->jump) {
		history_reset(n->log, st);
		if (n->next && n->next->pub)
			pub_resync(n->next->pub, "jump");
	}
	n->jumps += act->jump;
	n->published++;
	n->polled += sub_polling(n->sub);
	n->below.head = n->held;
	memset(&n->trusted, 0, sizeof(n->trusted));
	if (n->next)
		node_pump_pub(n->next);
}

static void ask(struct node *n, const char *id, uint64_t number, bool no_cache)
{
	CU_ASSERT_FATAL(n->n_fetch < FETCHES);
	memcpy(n->fetch[n->n_fetch].id, id, strlen(id) + 1);
	n->fetch[n->n_fetch].number = number;
	n->fetch[n->n_fetch++].no_cache = no_cache;
}

static void want(struct node *n, const struct sub_act *act)
{
	char uri[ID_MAX + 8];

	snprintf(uri, sizeof(uri), "maps/%s", act->id);
	CU_ASSERT(strcmp(act->id, DIRECTORY_ID) == 0 ||
	          strcmp(act->uri, uri) == 0);
	ask(n, act->id, act->number, act->no_cache);
}

void node_hang_up(struct node *n)
{
	queue_empty(&n->down);
	queue_empty(&n->up);
	pub_free(n->pub);
	n->pub = NULL;
	n->open = n->ending = false;
	sub_closed(n->sub);
}

void node_pump(struct node *n)
{
	struct sub_act act;

	for (;;) {
		CU_ASSERT_EQUAL_FATAL(sub_next(n->sub, &act), RC_OK);
		switch (act.what) {
		case SUB_WAIT:
			return;
		case SUB_SEND:
			CU_ASSERT(n->open);
			queue_send(&n->up, act.text, act.len);
			break;
		case SUB_FETCH:
			want(n, &act);
			break;
		case SUB_PUBLISH:
			check_publish(n, &act);
			serve(n, &act);
			CU_ASSERT_EQUAL(sub_served(n->sub), RC_OK);
			break;
		case SUB_REOPEN:
			n->stranger = act.reason == SUB_KEY;
			n->reopened[act.reason]++;
			node_hang_up(n);
			return;
		case SUB_POLL:
			ask(n, "", 0, act.no_cache);
			break;
		}
	}
}

void node_pump_pub(struct node *n)
{
	struct pub_out out;

	while (n->pub && !n->ending && n->down.n < QUEUE - 4) {
		CU_ASSERT_EQUAL_FATAL(pub_next(n->pub, &out), RC_OK);
		if (out.what == PUB_IDLE)
			return;
		if (out.what == PUB_UPDATE)
			queue_send(&n->down, out.update->text, out.update->len);
		else
			queue_send(&n->down, out.text, out.len);
		n->ending = out.what == PUB_CLOSE;
	}
}

void node_connect(struct node *n)
{
	if (n->pub)
		node_hang_up(n);
	CU_ASSERT_EQUAL_FATAL(pub_new(n->above, w->now * 1000, &n->pub), RC_OK);
	CU_ASSERT_EQUAL(sub_opened(n->sub), RC_OK);
	n->open = true;
	n->silent = 0;
	node_pump_pub(n);
}

void node_deliver_down(struct node *n)
{
	struct message m;

	if (n->down.n == 0) {
		if (n->ending)
			node_hang_up(n);
		return;
	}
	n->silent = 0;
	m = queue_take(&n->down);
	CU_ASSERT_EQUAL_FATAL(sub_frame(n->sub, m.text, m.len, w->now), RC_OK);
	node_pump(n);
	node_pump_pub(n);
}

void pairs_new_session(void)
{
	world_session(w);
	origin.head = w->head;
	if (node[0].pub)
		pub_resync(node[0].pub, "new session");
}

void node_deliver_up(struct node *n)
{
	enum pub_news news;
	struct message m;

	if (n->up.n == 0)
		return;
	m = queue_take(&n->up);
	CU_ASSERT_EQUAL_FATAL(pub_frame(n->pub, m.text, m.len, &news, NULL),
	                      RC_OK);
	free(m.text);
	if (news == PUB_NEWS_AHEAD) {
		CU_ASSERT_PTR_EQUAL(n->above, &origin);
		pairs_new_session();
	}
	node_pump_pub(n);
}

/* ---- fetches --------------------------------------------------------------- */

static void corrupt_answer(struct world_answer *a)
{
	switch (world_rnd(w, 5)) {
	case 0:
		a->body[world_rnd(w, (uint32_t)a->len)] ^= 1;
		break;
	case 1:
		a->len--;
		break;
	case 2:
		a->headers.proof = NULL;
		break;
	case 3:
		a->state.signature[20] ^= 1;
		break;
	default:
		a->resource[3] ^= 1;
	}
}

/* What is to be had above, if anything: by a cache, or not. */
static struct snapshot *above(const struct node *n, bool no_cache)
{
	bool old = faults && n->old && !no_cache && chance(4);

	return old ? n->old : n->above->head;
}

static struct leaf_set *document(struct snapshot *from)
{
	struct buf b = BUF_INIT(1 << 20);
	struct leaf_set *set = NULL;

	CU_ASSERT_EQUAL_FATAL(state_doc(from, &b), RC_OK);
	if (faults && chance(20))
		b.data[world_rnd(w, (uint32_t)b.len)] ^= 1;
	if (state_doc_read(b.data, b.len, &set, NULL) != RC_OK)
		set = NULL;
	buf_free(&b);
	return set;
}

static void answer_state(struct node *n, bool no_cache)
{
	struct snapshot *from = above(n, no_cache);
	struct leaf_set *set;

	if (!from || (faults && chance(12)))
		return;
	set = document(from);
	if (set)
		CU_ASSERT_EQUAL(sub_polled(n->sub, set, w->now), RC_OK);
	leaf_set_free(set);
	node_pump(n);
}

static void give(struct sub_body *b, const struct world_answer *a)
{
	b->headers = a->headers;
	b->body = a->body;
	b->len = a->len;
}

static void answer_body(struct node *n, const struct fetch *f)
{
	const struct snapshot *from = above(n, f->no_cache);
	struct sub_body b = { .id = f->id, .number = f->number };
	struct world_answer a;

	b.ok = from && world_answer(from, f->id, &a);
	if (b.ok && faults && chance(8))
		corrupt_answer(&a);
	if (b.ok)
		give(&b, &a);
	if (faults && chance(12))
		b.ok = false;
	CU_ASSERT_EQUAL_FATAL(sub_fetched(n->sub, &b, w->now), RC_OK);
	if (b.body)
		world_answer_free(&a);
	node_pump(n);
	node_pump_pub(n);
}

void node_answer(struct node *n)
{
	struct fetch f;
	size_t i;

	if (n->n_fetch == 0)
		return;
	i = world_rnd(w, (uint32_t)n->n_fetch);
	f = n->fetch[i];
	n->fetch[i] = n->fetch[--n->n_fetch];
	if (f.id[0])
		answer_body(n, &f);
	else
		answer_state(n, f.no_cache);
}

void node_poll(struct node *n)
{
	for (size_t i = 0; i < n->n_fetch; i++)
		if (n->fetch[i].id[0] == '\0')
			return;
	if (n->n_fetch < FETCHES)
		ask(n, "", 0, false);
}

void node_introduce(struct node *n)
{
	struct sub_body b = { .id = DIRECTORY_ID, .ok = true };
	struct world_answer a;

	CU_ASSERT_FATAL(world_answer(w->head, DIRECTORY_ID, &a));
	if (faults && chance(4))
		corrupt_answer(&a);
	give(&b, &a);
	if (sub_introduce(n->sub, &b, w->now, NULL) == RC_OK)
		n->stranger = false;
	world_answer_free(&a);
	node_pump(n);
}

void node_trust(struct node *n)
{
	struct leaf_set *set = document(w->head);

	if (set && sub_trust(n->sub, set, w->now, NULL) == RC_OK)
		n->trusted = set->state;
	leaf_set_free(set);
	node_pump(n);
}

bool node_equal(const struct node *n)
{
	const struct state *a = snapshot_state(w->head);
	const struct state *b = n->held ? snapshot_state(n->held) : NULL;

	return b && position_cmp(&a->pos, &b->pos) == 0 &&
	       a->created == b->created && world_same(w->head, n->held);
}

/* ---- life ------------------------------------------------------------------ */

static void node_new(struct node *n)
{
	struct keys keys = { .n = 0 };

	if (n->keys.len)
		CU_ASSERT_EQUAL_FATAL(keys_read(&keys, n->keys.data,
		                                n->keys.len), RC_OK);
	if (n->pinned) {
		keys.n_pins = 1;
		memcpy(keys.pin[0], n->pin, sizeof(n->pin));
	}
	CU_ASSERT_EQUAL_FATAL(sub_new(&n->cfg, &keys, n->held, &n->sub), RC_OK);
}

void node_start(struct node *n, const char *name, struct pub_world *above,
                bool at_origin)
{
	memset(n, 0, sizeof(*n));
	n->name = name;
	n->above = above;
	n->cfg.waiting_max = 20000;
	n->cfg.at_origin = at_origin;
	snprintf(n->cfg.name, sizeof(n->cfg.name), "%s", name);
	memcpy(n->cfg.instance, "11111111-2222-4333-8444-555555555550",
	       UUID_TEXT + 1);
	n->cfg.instance[UUID_TEXT - 1] = name[strlen(name) - 1];
	n->pinned = !at_origin;
	memcpy(n->pin, world_public(w)->id, sizeof(n->pin));
	buf_init(&n->keys, 1 << 16);
	node_new(n);
	CU_ASSERT_EQUAL_FATAL(history_new(12, 1 << 20, &n->log), RC_OK);
	n->below.log = n->log;
	n->below.heartbeat = 30;
	n->below.message_max = n->below.received_max = 1 << 20;
	n->below.path.n = 2;
	memcpy(n->below.path.id[0], WORLD_INSTANCE, UUID_TEXT + 1);
	memcpy(n->below.path.id[1], n->cfg.instance, UUID_TEXT + 1);
}

void node_restart(struct node *n, bool pin)
{
	if (n->pub)
		node_hang_up(n);
	if (pin)
		memcpy(n->pin, world_public(w)->id, sizeof(n->pin));
	sub_free(n->sub);
	n->n_fetch = 0;
	n->stranger = false;
	n->restarts++;
	node_new(n);
}

void node_end(struct node *n)
{
	pub_free(n->pub);
	queue_empty(&n->down);
	queue_empty(&n->up);
	sub_free(n->sub);
	history_free(n->log);
	snapshot_unref(n->held);
	snapshot_unref(n->old);
	buf_free(&n->keys);
}
