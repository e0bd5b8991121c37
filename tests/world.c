#include "tests/world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/core/diff.h"
#include "common/wire/body.h"
#include "common/wire/frame.h"
#include "common/wire/json.h"
#include "common/wire/media.h"
#include "common/wire/seal.h"
#include "tests/world_must.h"

static const char *const pid_names[WORLD_PIDS] = {
	"default", "a", "A", "b-1", "b:2", "ab", "Z", "0", "zz"
};

static const char *const net_ids[WORLD_NETS] = { "net", "-net6" };
static const char *const cost_ids[WORLD_COSTS] = { "cost", "delay", "Hops" };

/* ---- helpers --------------------------------------------------------------- */

static void *grow(void *p, size_t size)
{
	p = realloc(p, size);
	must(p ? RC_OK : RC_ENOMEM);
	return p;
}

uint64_t world_seed(void)
{
	const char *s = getenv("ALTOCAST_SEED");
	uint64_t seed = s ? strtoull(s, NULL, 10) :
	                (uint64_t)time(NULL) * 1000003;

	printf("ALTOCAST_SEED=%llu\n", (unsigned long long)seed);
	fflush(stdout);
	return seed;
}

uint32_t world_rnd(struct world *w, uint32_t n)		/* splitmix64 */
{
	uint64_t z = (w->seed += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ (z >> 31)) >> 16) % n;
}

static uint32_t rnd(struct world *w, uint32_t n)
{
	return world_rnd(w, n);
}

const char *world_net_id(size_t i)
{
	return net_ids[i];
}

const char *world_cost_id(size_t i)
{
	return cost_ids[i];
}

static size_t net_of(size_t cost)
{
	return cost == 2 ? 1 : 0;
}

const struct public_key *world_public(const struct world *w)
{
	return sign_key_public(w->key[w->signer]);
}

void world_keys(const struct world *w, struct keys *out)
{
	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < WORLD_KEYS; i++)
		if (w->listed[i])
			out->key[out->n++] = *sign_key_public(w->key[i]);
}

/* ---- content --------------------------------------------------------------- */

static void move_prefix(struct world *w, size_t net)
{
	size_t i = 1 + rnd(w, WORLD_POOL - 1);
	int to = (int)rnd(w, WORLD_PIDS);

	w->owner[net][i] = rnd(w, 6) == 0 || !w->alive[to] ? -1 : to;
}

void world_edit_net(struct world *w, size_t net)
{
	size_t i = 1 + rnd(w, WORLD_POOL - 1);

	w->owner[net][i] = w->owner[net][i] == 0 ? 1 : 0;
}

void world_edit_cost(struct world *w, size_t c)
{
	double *cell = &w->cost[c][rnd(w, 2)][rnd(w, 2)];

	*cell = isnan(*cell) ? 1 : *cell + 1;
}

static void random_cell(struct world *w, size_t c)
{
	double *cell = &w->cost[c][rnd(w, WORLD_PIDS)][rnd(w, WORLD_PIDS)];

	*cell = rnd(w, 8) == 0 ? NAN : rnd(w, 1000) / 8.0;
}

static void kill_pid(struct world *w, int pid)
{
	w->alive[pid] = false;
	for (size_t n = 0; n < WORLD_NETS; n++)
		for (size_t i = 0; i < WORLD_POOL; i++)
			if (w->owner[n][i] == pid)
				w->owner[n][i] = -1;
}

static void edit_set(struct world *w)
{
	size_t c = 1 + rnd(w, WORLD_COSTS - 1);

	switch (rnd(w, 4)) {
	case 0:
		w->cost_there[c] ^= true;
		break;
	case 1:
		w->net_there[1] ^= true;
		break;
	case 2:
		w->proxies = rnd(w, 5);
		break;
	default:
		c = 2 + rnd(w, WORLD_PIDS - 2);
		if (w->alive[c])
			kill_pid(w, (int)c);
		else
			w->alive[c] = true;
	}
}

void world_edit(struct world *w)
{
	uint32_t many = rnd(w, 6) == 0 ? 40 : 4;
	size_t c = rnd(w, WORLD_COSTS);

	switch (rnd(w, 8)) {
	case 0:
		edit_set(w);
		break;
	case 1:
	case 2:
		for (uint32_t i = rnd(w, many); i > 0; i--)
			move_prefix(w, rnd(w, WORLD_NETS));
		break;
	case 3:
		for (size_t i = 0; i < WORLD_PIDS; i++)
			w->cost[c][rnd(w, 3)][i] = NAN;
		break;
	default:
		for (uint32_t i = rnd(w, many); i > 0; i--)
			random_cell(w, c);
	}
}

/* ---- content to resources -------------------------------------------------- */

static struct prefix pool_prefix(size_t i)
{
	struct prefix p = { .family = FAMILY_IPV4 };

	if (i == 0)
		return p;
	p.addr[0] = (uint8_t)(10 + i / 8);
	p.addr[1] = (uint8_t)(i % 8 * 16);
	p.len = (uint8_t)(i % 3 ? 16 : 12);
	return p;
}

static struct resource *seal_net(struct world *w, size_t n)
{
	struct resource *base = w->head ? snapshot_get(w->head, net_ids[n]) :
	                        NULL, *r = NULL;
	struct netbuild *b = NULL;
	struct netmap *m = NULL;

	must(netbuild_new(&b));
	for (int i = 0; i < WORLD_PIDS; i++) {
		if (!w->alive[i])
			continue;
		must(netbuild_pid(b, pid_names[i], strlen(pid_names[i]), NULL));
		for (size_t k = 0; k < WORLD_POOL; k++) {
			struct prefix p = pool_prefix(k);

			if (w->owner[n][k] == i)
				must(netbuild_prefix(b, &p));
		}
	}
	must(netbuild_end(b, base ? resource_net(base) : NULL, &m, NULL));
	netbuild_free(b);
	must(seal_netmap(w->digest, net_ids[n], m, base, &r));
	must(seal_announce(w->digest, r, net_ids[n]));
	netmap_unref(m);
	return r;
}

static void build_rows(struct world *w, size_t c, struct costbuild *b)
{
	for (size_t s = 0; s < WORLD_PIDS; s++) {
		bool begun = false;

		for (size_t t = 0; t < WORLD_PIDS; t++) {
			if (!w->alive[s] || !w->alive[t] ||
			    isnan(w->cost[c][s][t]))
				continue;
			if (!begun)
				must(costbuild_row(b, pid_names[s],
				                   strlen(pid_names[s])));
			begun = true;
			must(costbuild_cell(b, pid_names[t],
			                    strlen(pid_names[t]),
			                    w->cost[c][s][t]));
		}
	}
}

static struct resource *seal_cost(struct world *w, size_t c,
                                  const struct resource *net)
{
	struct resource *base = w->head ? snapshot_get(w->head, cost_ids[c]) :
	                        NULL, *r = NULL;
	struct costmeta meta = { .mode = "numerical" };
	struct costbuild *b = NULL;
	struct costmap *m = NULL;

	snprintf(meta.metric, sizeof(meta.metric), "%s",
	         c ? "delay-ow" : "routingcost");
	memcpy(meta.net.id, net_ids[net_of(c)], strlen(net_ids[net_of(c)]) + 1);
	memcpy(meta.net.tag, resource_name(net)->tag, TAG_HEX + 1);
	must(costbuild_new(&b));
	build_rows(w, c, b);
	must(costbuild_end(b, &meta, base ? resource_cost(base) : NULL, &m));
	costbuild_free(b);
	must(seal_costmap(w->digest, cost_ids[c], m, base, &r));
	must(seal_announce(w->digest, r, cost_ids[c]));
	costmap_unref(m);
	return r;
}

static struct resource *seal_ird(struct world *w, struct resource *const *maps,
                                 size_t n)
{
	struct ird_proxy proxies[8] = { { .name = "" } };
	struct ird_redistribution red = {
		.heartbeat = 30, .n_proxies = w->proxies, .proxies = proxies,
		.push = "wss://alto.example.net:8081/push", .state = "state"
	};
	const struct ird_services sv = {
		.filtered = true, .endpoint_cost = true, .max_cost_types = 8
	};
	struct ird_map offered[WORLD_NETS + WORLD_COSTS];
	struct buf text = BUF_INIT(WORLD_TEXT_MAX);
	struct resource *r = NULL;
	struct keys keys;

	for (size_t i = 0; i < n; i++)
		offered[i] = (struct ird_map){ .res = maps[i],
		                               .testable = true };
	world_keys(w, &keys);
	red.n_keys = keys.n;
	memcpy(red.keys, keys.key, sizeof(keys.key));
	memcpy(red.service, w->service, sizeof(red.service));
	for (unsigned i = 0; i < w->proxies; i++) {
		snprintf(proxies[i].name, sizeof(proxies[i].name), "rp-%u", i);
		snprintf(proxies[i].uri, sizeof(proxies[i].uri),
		         "https://rp-%u.example.net/", i);
	}
	must(ird_write(&red, offered, n, net_ids[0], &sv, &text, NULL));
	must(seal_doc(w->digest, MEDIA_DIRECTORY, text.data, text.len, &r));
	must(seal_announce(w->digest, r, DIRECTORY_ID));
	buf_free(&text);
	return r;
}

struct set {
	size_t n;
	struct resource *res[WORLD_NETS + WORLD_COSTS + 1];
	uint64_t changed[WORLD_NETS + WORLD_COSTS + 1];
	bool differs[WORLD_NETS + WORLD_COSTS + 1];
};

static void set_free(struct set *set)
{
	for (size_t i = 0; i < set->n; i++)
		resource_unref(set->res[i]);
}

static void set_build(struct world *w, struct set *set)
{
	struct resource *net[WORLD_NETS] = { NULL };

	memset(set, 0, sizeof(*set));
	for (size_t i = 0; i < WORLD_NETS; i++)
		if (i == 0 || w->net_there[i])
			set->res[set->n++] = net[i] = seal_net(w, i);
	for (size_t i = 0; i < WORLD_COSTS; i++)
		if ((i == 0 || w->cost_there[i]) && net[net_of(i)])
			set->res[set->n++] = seal_cost(w, i, net[net_of(i)]);
	set->res[set->n] = seal_ird(w, set->res, set->n);
	set->n++;
}

/* ---- publishing ------------------------------------------------------------ */

void world_sign(const struct world *w, struct state *st)
{
	must(state_sign(st, w->key[w->signer]));
}

static void remember(struct world *w, struct snapshot *s)
{
	w->past = grow(w->past, (w->n_past + 1) * sizeof(struct snapshot *));
	w->past[w->n_past++] = snapshot_ref(s);
}

/* The root does not depend on the state, so it is made twice. */
static void set_head(struct world *w, struct set *set, bool new_log)
{
	struct state st = { .pos = w->pos, .resources = set->n,
	                    .created = w->now,
	                    .expires = w->now + WORLD_LIFETIME };
	struct snapshot *s = NULL;

	memcpy(st.service, w->service, sizeof(st.service));
	must(snapshot_new(set->res, set->changed, set->n, &st, &s));
	memcpy(st.root, snapshot_root(s), sizeof(st.root));
	snapshot_unref(s);
	s = NULL;
	world_sign(w, &st);
	must(snapshot_new(set->res, set->changed, set->n, &st, &s));
	snapshot_unref(w->head);
	w->head = s;
	remember(w, s);
	if (new_log)
		history_reset(w->log, &st);
}

static void put_change(struct world *w, struct resource *to, struct buf *dst)
{
	struct resource *from = snapshot_get(w->head, resource_name(to)->id);
	const char *media;
	struct buf patch = BUF_INIT(WORLD_TEXT_MAX);
	bool ird = resource_kind(to) == RESOURCE_DOC;

	if (!from || (w->pull_in && (!ird || w->pull_directory) &&
	              rnd(w, w->pull_in) == 0)) {
		frame_update_pull(resource_leaf(to), rnd(w, 3), dst);
		return;
	}
	media = world_patch(from, to, &patch);
	must(buf_rc(&patch));
	frame_update_patch(resource_leaf(to), resource_name(from)->tag, media,
	                   patch.data, patch.len, dst);
	buf_free(&patch);
}

static bool in_set(const struct set *set, const char *id)
{
	for (size_t i = 0; i < set->n; i++)
		if (strcmp(resource_name(set->res[i])->id, id) == 0)
			return true;
	return false;
}

/* Marks what differs from the head. */
static bool compare(struct world *w, struct set *set)
{
	bool any = snapshot_count(w->head) != set->n;

	for (size_t i = 0; i < set->n; i++) {
		long k = snapshot_find(w->head, resource_name(set->res[i])->id);

		set->differs[i] = k < 0 ||
			strcmp(resource_leaf(snapshot_at(w->head, (size_t)k)),
			       resource_leaf(set->res[i])) != 0;
		set->changed[i] = set->differs[i] ? w->pos.serial + 1 :
		                  snapshot_changed(w->head, (size_t)k);
		any = any || set->differs[i];
	}
	return any;
}

static struct update *encode(struct world *w, struct set *set)
{
	struct snapshot *prev = snapshot_ref(w->head);
	struct buf text = BUF_INIT(WORLD_TEXT_MAX), changes = BUF_INIT(WORLD_TEXT_MAX);
	struct update *u = NULL;
	size_t len;

	for (size_t i = 0; i < set->n; i++)
		if (set->differs[i])
			put_change(w, set->res[i], &changes);
	for (size_t i = 0; i < snapshot_count(prev); i++) {
		const char *id = resource_name(snapshot_at(prev, i))->id;

		if (!in_set(set, id))
			frame_update_gone(id, &changes);
	}
	snapshot_unref(prev);
	w->pos.serial++;
	set_head(w, set, false);
	frame_update_begin(snapshot_state(w->head), w->now * 1000, &text);
	buf_add(&text, changes.data, changes.len);
	frame_update_end(&text);
	must(buf_rc(&text));
	buf_free(&changes);
	len = text.len;
	must(update_new(snapshot_state(w->head), buf_take(&text, NULL), len,
	                w->now * 1000, &u));
	return u;
}

struct update *world_publish(struct world *w)
{
	struct update *u = NULL;
	struct set set;

	set_build(w, &set);
	if (compare(w, &set)) {
		u = encode(w, &set);
		must(history_append(w->log, u));
		update_unref(u);	/* the log has it */
	}
	set_free(&set);
	return u;
}

void world_heartbeat(struct world *w)
{
	struct state st = *snapshot_state(w->head);
	struct snapshot *next = NULL;

	st.created = w->now;
	st.expires = w->now + WORLD_LIFETIME;
	world_sign(w, &st);
	must(snapshot_restate(w->head, &st, &next));
	snapshot_unref(w->head);
	w->head = next;
}

void world_session(struct world *w)
{
	uint8_t random[10] = { 0 };
	struct set set;

	w->sessions++;
	enc_uuid7((uint64_t)WORLD_NOW * 1000 + w->sessions, random,
	          w->pos.session);
	w->pos.serial = 1;
	set_build(w, &set);
	for (size_t i = 0; i < set.n; i++)
		set.changed[i] = 1;
	set_head(w, &set, true);
	set_free(&set);
}

struct snapshot *world_at(const struct world *w, const struct position *pos)
{
	for (size_t i = w->n_past; i > 0; i--)
		if (position_cmp(&snapshot_state(w->past[i - 1])->pos,
		                 pos) == 0)
			return w->past[i - 1];
	return NULL;
}

void world_restore(struct world *w, size_t i)
{
	snapshot_unref(w->head);
	w->head = snapshot_ref(w->past[i]);
	w->pos = snapshot_state(w->head)->pos;
	history_reset(w->log, snapshot_state(w->head));
}

/* From the seed, so that a run can be repeated to the byte. */
static struct sign_key *random_key(struct world *w)
{
	struct sign_key *k = NULL;
	uint8_t raw[32];

	for (size_t i = 0; i < sizeof(raw); i++)
		raw[i] = (uint8_t)rnd(w, 256);
	must(sign_key_from_raw(raw, &k));
	return k;
}

struct world *world_new(uint64_t seed)
{
	struct world *w = calloc(1, sizeof(*w));

	must(w ? RC_OK : RC_ENOMEM);
	w->seed = seed;
	w->now = WORLD_NOW;
	memcpy(w->service, "0b9f5d6e-2f5f-4d4f-9a53-7f1f6f2f3a10",
	       UUID_TEXT + 1);
	must(digest_new(&w->digest));
	must(history_new(1000, 64u << 20, &w->log));
	for (size_t i = 0; i < WORLD_KEYS; i++)
		w->key[i] = random_key(w);
	w->listed[0] = true;
	w->net_there[0] = w->cost_there[0] = true;
	for (size_t i = 0; i < WORLD_PIDS; i++)
		w->alive[i] = i < 2 || rnd(w, 3);
	for (size_t n = 0; n < WORLD_NETS; n++) {
		for (size_t i = 1; i < WORLD_POOL; i++)
			w->owner[n][i] = -1;
		for (size_t i = 0; i < WORLD_POOL; i++)
			move_prefix(w, n);
	}
	for (size_t c = 0; c < WORLD_COSTS; c++)
		for (size_t i = 0; i < WORLD_PIDS; i++)
			for (size_t k = 0; k < WORLD_PIDS; k++)
				w->cost[c][i][k] = rnd(w, 1000) / 8.0;
	world_session(w);
	return w;
}

void world_free(struct world *w)
{
	for (size_t i = 0; i < WORLD_KEYS; i++)
		sign_key_free(w->key[i]);
	for (size_t i = 0; i < w->n_past; i++)
		snapshot_unref(w->past[i]);
	free(w->past);
	snapshot_unref(w->head);
	history_free(w->log);
	digest_free(w->digest);
	free(w);
}
