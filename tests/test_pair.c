/* Both halves of the push protocol, and pull, over lines and caches that do their
 * worst (pairs.h).
 *
 * The publisher's maps change at random, and a second subscriber is fed from the
 * first one's log. Connections break, nodes poll in between and are killed; keys
 * change in good order and in haste, time jumps, sessions begin, the publisher is
 * restored from a backup. Nothing that was not published is ever served, nobody goes
 * back, and when the faults stop all ends equal. ALTOCAST_SEED=n repeats a run.
 */
#include <stdlib.h>

#include "tests/pairs.h"
#include "tests/suite.h"

#define EVENTS 20000
#define RUNS 4
#define SETTLE_ROUNDS 80
#define OPERATOR_COMES 30	/* rounds without success */

static unsigned key_stage;
static struct position key_from;	/* the next key stands in the IRD */
static bool pull_alone;

/* ---- the publisher --------------------------------------------------------- */

static void show(void)
{
	origin.head = w->head;
	node_pump_pub(&node[0]);
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
	for (size_t i = 0; i < NODES; i++) {
		struct node *n = &node[i];

		if (!n->open)
			continue;
		if (++n->silent > 3 && n->n_fetch == 0) {
			sub_lost(n->sub, SUB_SILENT);
			n->reopened[SUB_SILENT]++;
			node_hang_up(n);
			continue;
		}
		sub_heartbeat_due(n->sub);
		node_pump(n);
	}
}

/* A key that nobody has seen yet. */
static void make_key(size_t i)
{
	uint8_t raw[32];

	for (size_t k = 0; k < sizeof(raw); k++)
		raw[k] = (uint8_t)world_rnd(w, 256);
	sign_key_free(w->key[i]);
	w->key[i] = NULL;
	CU_ASSERT_EQUAL_FATAL(sign_key_from_raw(raw, &w->key[i]), RC_OK);
}

static void sign_with(size_t i)
{
	w->signer = i;
	if (own_keys.n == JWK_KEYS_MAX)
		memmove(&own_keys.key[0], &own_keys.key[1],
		        --own_keys.n * sizeof(own_keys.key[0]));
	own_keys.key[own_keys.n++] = *world_public(w);
}

static bool all_know(size_t key)
{
	const char *id = sign_key_public(w->key[key])->id;

	for (size_t i = 0; i < NODES; i++)
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
		make_key(next);
		w->listed[next] = true;
		(void)world_publish(w);
		key_from = w->pos;
		key_stage = 1;
		break;
	case 1:
		if (!all_know(next))
			return;
		sign_with(next);
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

/* The key was stolen: it goes at once, whoever knows the next one. */
static void drop_key(void)
{
	size_t next = (w->signer + 1) % WORLD_KEYS;

	if (key_stage != 1)
		make_key(next);
	memset(w->listed, 0, sizeof(w->listed));
	w->listed[next] = true;
	own_keys.n = 0;
	sign_with(next);
	w->now++;
	pairs_new_session();
	show();
	key_from = w->pos;
	key_stage = 0;
}

/* The last few publications never happened. */
static void restore_backup(void)
{
	size_t back = 1 + world_rnd(w, 4);

	if (key_stage != 0 || back >= w->n_past)
		return;
	/* The keys of the backup must be today's, or nobody could follow. */
	for (size_t i = 0; i <= back; i++) {
		const struct snapshot *p = w->past[w->n_past - 1 - i];

		if (position_cmp(&snapshot_state(p)->pos, &key_from) <= 0 ||
		    strcmp(snapshot_state(p)->key, world_public(w)->id) != 0)
			return;
	}
	world_restore(w, w->n_past - 1 - back);
	origin.head = w->head;
	w->now++;
	world_edit(w);
	(void)world_publish(w);
	show();
	if (!pull_alone)
		node_connect(&node[0]);
}

static void far_away(void)
{
	w->now += 2 * WORLD_LIFETIME;
	world_heartbeat(w);
	show();
}

/* ---- the operator ---------------------------------------------------------- */

/* An alarm says that the origin stands below, or elsewhere. */
static bool is_alarmed(const struct node *n)
{
	const struct state *at = n->held ? snapshot_state(n->held) : NULL;
	const struct state *st = snapshot_state(w->head);
	int cmp = at ? position_cmp(&st->pos, &at->pos) : 1;

	return cmp < 0 || (cmp == 0 && memcmp(st->root, at->root,
	                                      SHA256_SIZE) != 0);
}

static void trust(struct node *n)
{
	if (n->open)
		node_hang_up(n);
	node_trust(n);
}

/* The origin says who it is; where it is known by its key alone, somebody has to
 * put the new one into the settings. */
static void meet_stranger(struct node *n)
{
	if (n->pinned)
		node_restart(n, true);
	else
		node_introduce(n);
}

/* ---- events ---------------------------------------------------------------- */

static void traffic(struct node *n)
{
	if (!n->open && chance(4)) {
		if (!pull_alone && chance(2))
			node_connect(n);
		else
			node_poll(n);
		return;
	}
	if (!n->open) {
		node_answer(n);
		return;
	}
	switch (world_rnd(w, 4)) {
	case 0:
		node_deliver_up(n);
		break;
	case 1:
		node_answer(n);
		break;
	default:
		node_deliver_down(n);
	}
}

static void keep_old(struct node *n)
{
	if (!n->above->head)
		return;
	snapshot_unref(n->old);
	n->old = snapshot_ref(n->above->head);
}

/* What happens to the publisher. */
static bool publisher_event(uint32_t e)
{
	if (e < 60)
		change();
	else if (e < 90)
		heartbeat();
	else if (e < 100)
		change_key();
	else if (e < 102)
		drop_key();
	else if (e < 105)
		pairs_new_session();
	else if (e < 108)
		restore_backup();
	else if (e < 110)
		far_away();
	else if (e < 112)
		history_limit(w->log, 3 + world_rnd(w, 30), 1 << 20);
	else
		return false;
	return true;
}

static void event(void)
{
	struct node *n = &node[world_rnd(w, NODES)];
	uint32_t e = world_rnd(w, 1000);

	if (publisher_event(e))
		return;
	if (e < 122)
		keep_old(n);
	else if (e < 127 && n->open)
		node_hang_up(n);
	else if (e < 130)
		node_restart(n, false);
	else if (e < 134 && is_alarmed(n))
		trust(n);
	else if (e < 140 && n->stranger)
		meet_stranger(n);
	else
		traffic(n);
}

static void settle_node(struct node *n, int round)
{
	bool met = n->stranger;

	if (met)
		meet_stranger(n);
	/* Also a key that an abandoned line of history had retired. */
	if (round > (pull_alone ? 1 : OPERATOR_COMES) &&
	    (met || is_alarmed(n)))
		trust(n);
	else if (pull_alone)
		node_poll(n);
	else if (!n->open)
		node_connect(n);
	for (int k = 0; k < 60; k++) {
		if (n->open)
			node_deliver_up(n);
		if (n->open)
			node_deliver_down(n);
		node_answer(n);
	}
}

static void settle(void)
{
	bool equal = false;

	faults = false;
	for (int round = 0; round < SETTLE_ROUNDS && !equal; round++) {
		heartbeat();
		equal = true;
		for (size_t i = 0; i < NODES; i++) {
			settle_node(&node[i], round);
			equal = equal && node_equal(&node[i]);
		}
	}
	CU_ASSERT(equal);
	if (!equal)
		printf("  not equal: %s, %s\n", sub_phase(node[0].sub),
		       sub_phase(node[1].sub));
	faults = true;
}

/* ---- worlds ---------------------------------------------------------------- */

static void start(uint64_t seed)
{
	w = world_new(seed);
	w->pull_in = 6;
	w->pull_directory = chance(2);
	key_stage = 0;
	memset(&key_from, 0, sizeof(key_from));
	memset(&own_keys, 0, sizeof(own_keys));
	sign_with(0);
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

static void print_run(void)
{
	for (size_t i = 0; i < NODES; i++) {
		const struct node *n = &node[i];

		printf("  %s: published=%llu polled=%llu restarts=%llu;",
		       n->name, (unsigned long long)n->published,
		       (unsigned long long)n->polled,
		       (unsigned long long)n->restarts);
		for (int r = 0; r < SUB_REASONS; r++)
			if (n->reopened[r])
				printf(" %s=%llu", sub_reason_text(
				       (enum sub_reason)r),
				       (unsigned long long)n->reopened[r]);
		printf("\n");
	}
}

static void runs(void)
{
	uint64_t seed = world_seed(), restarts = 0;

	for (int run = 0; run < RUNS; run++) {
		start(seed + (uint64_t)run);
		for (int i = 0; i < EVENTS / RUNS; i++) {
			event();
			if (i % 300 == 299)
				settle();
		}
		settle();
		print_run();
		CU_ASSERT(node[0].polled > 0);
		restarts += node[0].restarts;
		end();
	}
	CU_ASSERT(restarts > 0);
}

static void whatever_happens_all_end_equal(void)
{
	pull_alone = false;
	runs();
}

static void by_polling_alone_too(void)
{
	pull_alone = true;
	runs();
	pull_alone = false;
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
		{ "by polling alone, too", by_polling_alone_too },
		CU_TEST_INFO_NULL
	};

	return suite_run("pair", tests);
}
