/* Both halves of the push protocol, joined by arrays of frames.
 *
 * A publisher whose maps change at random, a subscriber, and a second one that is
 * fed from the first one's log. Frames are lost, doubled, swapped and corrupted,
 * connections break, fetches fail, lag, run ahead or are corrupted; keys change,
 * time jumps, sessions begin, the publisher is restored from a backup. Nothing
 * that was not published is ever served, nobody goes back, and when the faults
 * stop all ends equal. ALTOCAST_SEED=n repeats a run.
 */
#include <stdlib.h>

#include "common/proto/pub.h"
#include "common/proto/sub.h"
#include "tests/suite.h"
#include "tests/world.h"

#define EVENTS 20000
#define SETTLE_ROUNDS 60
#define QUEUE 40
#define FETCHES 64

struct message {
	char *text;
	size_t len;
};

struct queue {
	size_t n;
	struct message m[QUEUE];
};

struct node {
	struct world *w;
	const char *name;
	struct sub *sub;
	struct snapshot *held;		/* served */
	struct history *log;		/* for those below */
	struct pub_world below;
	struct node *next;		/* subscribes here */
	/* the link to above */
	struct pub_world *above;
	struct pub *pub;
	bool open, ending;
	unsigned silent;		/* heartbeats since a frame came */
	struct queue down, up;
	size_t n_fetch;
	struct fetch {
		char id[ID_MAX + 1];
		bool no_cache;
	} fetch[FETCHES];
	struct snapshot *old;		/* what a slow cache still has */
	uint64_t published, jumps;
};

static struct world *w;
static struct pub_world origin;
static struct keys all_keys, own_keys;
static struct node node[2];
static bool faults;
static unsigned key_stage;
static struct position key_from;	/* the next key stands in the IRD */

static bool chance(uint32_t one_in)
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

static void check_publish(const struct node *n, const struct sub_act *act)
{
	const struct state *st = snapshot_state(act->next);

	CU_ASSERT(world_proves(act->next, &all_keys));
	CU_ASSERT(was_published(act->next));
	CU_ASSERT(state_time(st, w->now, NULL) == RC_OK);
	if (!n->held) {
		CU_ASSERT(act->jump);
		return;
	}
	CU_ASSERT(position_cmp(&st->pos, &snapshot_state(n->held)->pos) >= 0);
	if (!act->jump)
		check_run(n, act);
}

/* ---- a node ---------------------------------------------------------------- */

static void pump(struct node *n);
static void pump_pub(struct node *n);

/* What a daemon does with a publication, but for the disk. */
static void serve(struct node *n, const struct sub_act *act)
{
	const struct state *st = snapshot_state(act->next);

	snapshot_ref(act->next);
	snapshot_unref(n->held);
	n->held = act->next;
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
	n->below.head = n->held;
	if (n->next)
		pump_pub(n->next);
}

static void want(struct node *n, const struct sub_act *act)
{
	char uri[ID_MAX + 8];

	snprintf(uri, sizeof(uri), "maps/%s", act->id);
	CU_ASSERT(strcmp(act->id, DIRECTORY_ID) == 0 ||
	          strcmp(act->uri, uri) == 0);
	CU_ASSERT_FATAL(n->n_fetch < FETCHES);
	memcpy(n->fetch[n->n_fetch].id, act->id, sizeof(act->id));
	n->fetch[n->n_fetch++].no_cache = act->no_cache;
}

static void hang_up(struct node *n)
{
	queue_empty(&n->down);
	queue_empty(&n->up);
	pub_free(n->pub);
	n->pub = NULL;
	n->open = n->ending = false;
	sub_closed(n->sub);
}

static void pump(struct node *n)
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
			hang_up(n);
			return;
		}
	}
}

static void pump_pub(struct node *n)
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

static void connect_up(struct node *n)
{
	if (n->pub)
		hang_up(n);
	CU_ASSERT_EQUAL_FATAL(pub_new(n->above, w->now * 1000, &n->pub), RC_OK);
	CU_ASSERT_EQUAL(sub_opened(n->sub), RC_OK);
	n->open = true;
	n->silent = 0;
	pump_pub(n);
}

static void deliver_down(struct node *n)
{
	struct message m;

	if (n->down.n == 0) {
		if (n->ending)
			hang_up(n);
		return;
	}
	n->silent = 0;
	m = queue_take(&n->down);
	CU_ASSERT_EQUAL_FATAL(sub_frame(n->sub, m.text, m.len, w->now), RC_OK);
	pump(n);
	pump_pub(n);
}

static void new_session(void)
{
	world_session(w);
	origin.head = w->head;
	if (node[0].pub)
		pub_resync(node[0].pub, "new session");
}

static void deliver_up(struct node *n)
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
		new_session();
	}
	pump_pub(n);
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

static void answer(struct node *n)
{
	const struct snapshot *from = n->above->head;
	struct fetch f;
	struct world_answer a;
	struct sub_body b = { .ok = false };
	size_t i;

	if (n->n_fetch == 0)
		return;
	i = world_rnd(w, (uint32_t)n->n_fetch);
	f = n->fetch[i];
	n->fetch[i] = n->fetch[--n->n_fetch];
	if (faults && n->old && !f.no_cache && chance(4))
		from = n->old;
	b.id = f.id;
	b.ok = from && world_answer(from, f.id, &a);
	if (b.ok && faults && chance(8))
		corrupt_answer(&a);
	if (b.ok) {
		b.headers = a.headers;
		b.body = a.body;
		b.len = a.len;
	}
	if (faults && chance(12))
		b.ok = false;
	CU_ASSERT_EQUAL_FATAL(sub_fetched(n->sub, &b, w->now), RC_OK);
	if (b.body)
		world_answer_free(&a);
	pump(n);
	pump_pub(n);
}

/* ---- the publisher --------------------------------------------------------- */

static void show(void)
{
	origin.head = w->head;
	pump_pub(&node[0]);
}

static void change(void)
{
	world_edit(w);
	(void)world_publish(w);
	show();
}

static void heartbeat(void)
{
	w->now += 1 + world_rnd(w, 30);
	world_heartbeat(w);
	show();
	for (size_t i = 0; i < 2; i++) {
		struct node *n = &node[i];

		if (!n->open)
			continue;
		if (++n->silent > 3 && n->n_fetch == 0) {
			sub_lost(n->sub, SUB_SILENT);
			hang_up(n);
			continue;
		}
		sub_heartbeat_due(n->sub);
		pump(n);
	}
}

static bool all_know(size_t key)
{
	const char *id = sign_key_public(w->key[key])->id;

	for (size_t i = 0; i < 2; i++)
		if (!node[i].held || !keys_find(sub_keys(node[i].sub), id))
			return false;
	return true;
}

/* The next key is listed; all know it; it signs; the old one goes. */
static void change_key(void)
{
	size_t next = (w->signer + 1) % WORLD_KEYS;

	switch (key_stage) {
	case 0:
		w->listed[next] = true;
		(void)world_publish(w);
		key_from = w->pos;
		key_stage = 1;
		break;
	case 1:
		if (!all_know(next))
			return;
		w->signer = next;
		world_heartbeat(w);
		key_stage = 2;
		break;
	default:
		w->listed[(w->signer + WORLD_KEYS - 1) % WORLD_KEYS] = false;
		(void)world_publish(w);
		key_stage = 0;
	}
	show();
}

/* The last few publications never happened. */
static void restore_backup(void)
{
	size_t back = 1 + world_rnd(w, 4);

	if (key_stage != 0 || back >= w->n_past)
		return;
	/* The keys of the backup must be today's, or nobody could follow. */
	for (size_t i = 0; i < back; i++) {
		const struct snapshot *p = w->past[w->n_past - 1 - i];

		if (position_cmp(&snapshot_state(p)->pos, &key_from) <= 0 ||
		    strcmp(snapshot_state(p)->key, world_public(w)->id) != 0)
			return;
	}
	world_restore(w, w->n_past - 1 - back);
	origin.head = w->head;
	world_edit(w);
	(void)world_publish(w);
	show();
	connect_up(&node[0]);
}

static void far_away(void)
{
	w->now += 2 * WORLD_LIFETIME;
	world_heartbeat(w);
	show();
}

/* ---- events ---------------------------------------------------------------- */

static void traffic(struct node *n)
{
	if (!n->open) {
		if (chance(3))
			connect_up(n);
		return;
	}
	switch (world_rnd(w, 4)) {
	case 0:
		deliver_up(n);
		break;
	case 1:
		answer(n);
		break;
	default:
		deliver_down(n);
	}
}

static void keep_old(struct node *n)
{
	if (!n->above->head)
		return;
	snapshot_unref(n->old);
	n->old = snapshot_ref(n->above->head);
}

static void event(void)
{
	struct node *n = &node[world_rnd(w, 2)];
	uint32_t e = world_rnd(w, 1000);

	if (e < 60)
		change();
	else if (e < 90)
		heartbeat();
	else if (e < 100)
		change_key();
	else if (e < 103)
		new_session();
	else if (e < 106)
		restore_backup();
	else if (e < 108)
		far_away();
	else if (e < 120)
		keep_old(n);
	else if (e < 125 && n->open)
		hang_up(n);
	else if (e < 127)
		history_limit(w->log, 3 + world_rnd(w, 30), 1 << 20);
	else
		traffic(n);
}

static bool equal(const struct node *n)
{
	const struct state *a = snapshot_state(w->head);
	const struct state *b = n->held ? snapshot_state(n->held) : NULL;

	return b && position_cmp(&a->pos, &b->pos) == 0 &&
	       a->created == b->created && world_same(w->head, n->held);
}

static void settle(void)
{
	int round = 0;

	faults = false;
	for (; round < SETTLE_ROUNDS && !(equal(&node[0]) && equal(&node[1]));
	     round++) {
		heartbeat();
		for (size_t i = 0; i < 2; i++) {
			if (!node[i].open)
				connect_up(&node[i]);
			for (int k = 0; k < 60; k++) {
				if (node[i].open)
					deliver_up(&node[i]);
				if (node[i].open)
					deliver_down(&node[i]);
				answer(&node[i]);
			}
		}
	}
	CU_ASSERT(equal(&node[0]));
	CU_ASSERT(equal(&node[1]));
	if (!equal(&node[0]) || !equal(&node[1]))
		printf("  not equal: %s, %s\n", sub_phase(node[0].sub),
		       sub_phase(node[1].sub));
	faults = true;
}

/* ---- worlds ---------------------------------------------------------------- */

static void node_start(struct node *n, const char *name,
                       struct pub_world *above, bool at_origin)
{
	struct sub_config cfg = { .waiting_max = 20000 };
	struct keys keys = { .n = 0 };

	memset(n, 0, sizeof(*n));
	n->w = w;
	n->name = name;
	n->above = above;
	snprintf(cfg.name, sizeof(cfg.name), "%s", name);
	memcpy(cfg.instance, "11111111-2222-4333-8444-555555555550",
	       UUID_TEXT + 1);
	cfg.instance[UUID_TEXT - 1] = name[strlen(name) - 1];
	cfg.at_origin = at_origin;
	if (!at_origin) {
		keys.n_pins = 1;
		memcpy(keys.pin[0], sign_key_public(w->key[0])->id,
		       THUMBPRINT_TEXT + 1);
	}
	CU_ASSERT_EQUAL_FATAL(sub_new(&cfg, &keys, NULL, &n->sub), RC_OK);
	CU_ASSERT_EQUAL_FATAL(history_new(12, 1 << 20, &n->log), RC_OK);
	n->below.log = n->log;
	n->below.heartbeat = 30;
	n->below.message_max = n->below.received_max = 1 << 20;
	n->below.path.n = 2;
	memcpy(n->below.path.id[0], WORLD_INSTANCE, UUID_TEXT + 1);
	memcpy(n->below.path.id[1], cfg.instance, UUID_TEXT + 1);
}

static void node_end(struct node *n)
{
	pub_free(n->pub);
	queue_empty(&n->down);
	queue_empty(&n->up);
	sub_free(n->sub);
	history_free(n->log);
	snapshot_unref(n->held);
	snapshot_unref(n->old);
}

static void start(uint64_t seed)
{
	w = world_new(seed);
	w->pull_in = 6;
	w->pull_directory = chance(2);
	key_stage = 0;
	memset(&key_from, 0, sizeof(key_from));
	memset(&all_keys, 0, sizeof(all_keys));
	for (size_t i = 0; i < WORLD_KEYS; i++)
		all_keys.key[all_keys.n++] = *sign_key_public(w->key[i]);
	own_keys = all_keys;
	memset(&origin, 0, sizeof(origin));
	origin.log = w->log;
	origin.head = w->head;
	origin.origin = true;
	origin.own = &own_keys;
	origin.heartbeat = 30;
	origin.message_max = origin.received_max = 1 << 20;
	origin.path.n = 1;
	memcpy(origin.path.id[0], WORLD_INSTANCE, UUID_TEXT + 1);
	history_limit(w->log, 20, 1 << 20);
	node_start(&node[0], "rp-1", &origin, true);
	node_start(&node[1], "rp-2", &node[0].below, false);
	node[0].next = &node[1];
	faults = true;
}

static void end(void)
{
	node_end(&node[1]);
	node_end(&node[0]);
	world_free(w);
}

static void whatever_happens_all_end_equal(void)
{
	uint64_t seed = world_seed();

	for (int run = 0; run < 4; run++) {
		start(seed + (uint64_t)run);
		for (int i = 0; i < EVENTS / 4; i++) {
			event();
			if (i % 300 == 299)
				settle();
		}
		settle();
		printf("  %llu published, %llu below; reopened:",
		       (unsigned long long)node[0].published,
		       (unsigned long long)node[1].published);
		for (int r = 0; r < SUB_REASONS; r++)
			printf(" %s=%llu", sub_reason_text((enum sub_reason)r),
			       (unsigned long long)
			       (sub_counts(node[0].sub)->reopened[r] +
			        sub_counts(node[1].sub)->reopened[r]));
		printf("\n");
		end();
	}
}

static void without_faults_nothing_is_fetched_twice(void)
{
	uint64_t fetches;

	start(7);
	w->pull_in = 0;
	faults = false;
	settle();
	fetches = sub_counts(node[0].sub)->fetches;
	CU_ASSERT_EQUAL(fetches, snapshot_count(w->head));
	for (int i = 0; i < 200; i++) {
		faults = false;
		world_edit_cost(w, 0);
		if (chance(4))
			world_edit_net(w, 0);
		(void)world_publish(w);
		show();
		settle();
	}
	CU_ASSERT_EQUAL(sub_counts(node[0].sub)->fetches, fetches);
	CU_ASSERT_EQUAL(sub_counts(node[1].sub)->fetches, fetches);
	CU_ASSERT_EQUAL(sub_counts(node[1].sub)->refused, 0);
	CU_ASSERT_EQUAL(node[0].jumps, 1);
	CU_ASSERT_EQUAL(node[1].jumps, 1);
	for (int r = 0; r < SUB_REASONS; r++)
		CU_ASSERT_EQUAL(sub_counts(node[1].sub)->reopened[r], 0);
	end();
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "without faults nothing is fetched twice",
		  without_faults_nothing_is_fetched_twice },
		{ "whatever happens, all end equal",
		  whatever_happens_all_end_equal },
		CU_TEST_INFO_NULL
	};

	return suite_run("pair", tests);
}
