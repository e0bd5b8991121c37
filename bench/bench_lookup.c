/* From addresses to numbers, beside a plain binary trie over the same prefixes
 * and the same addresses; and what an endpoint cost request takes before JSON. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "common/core/costmap.h"
#include "common/core/lpm.h"
#include "common/core/netmap.h"
#include "common/core/ranks.h"

#define N_ADDRS 1000000u
#define N_RANDOM 200000u
#define N_PIDS 1000u
#define N_SRCS 10u
#define N_DSTS 1000u
#define N_REQUESTS (N_ADDRS / (N_SRCS + N_DSTS))

/* Prefixes of one family, each once, and addresses to look up: half of them in
 * a prefix picked at random, half anywhere. */
struct set {
	const char *name;
	enum family family;
	struct lpm_entry *e;
	size_t n;
	uint8_t (*addr)[16];
	const struct costmap *costs;	/* for requests; NULL otherwise */
};

static uint64_t random_next(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x * 0x2545f4914f6cdd1du >> 11;
}

static void random_addr(uint64_t *x, uint8_t addr[16])
{
	for (size_t i = 0; i < 16; i += 4) {
		uint32_t v = (uint32_t)random_next(x);

		memcpy(addr + i, &v, sizeof(v));
	}
}

/* The first len bits of from. */
static void copy_bits(uint8_t *to, const uint8_t *from, unsigned len)
{
	unsigned rest = len % 8, mask = 0xff00u >> rest & 0xff;

	memcpy(to, from, len / 8);
	if (rest)
		to[len / 8] = (uint8_t)((from[len / 8] & mask) |
		                        (to[len / 8] & ~mask));
}

static int make_addrs(struct set *s)
{
	uint64_t x = 0x9e3779b97f4a7c15u;

	s->addr = calloc(N_ADDRS, sizeof(*s->addr));
	if (!s->addr)
		return -1;
	for (size_t i = 0; i < N_ADDRS; i++) {
		const struct prefix *p = &s->e[random_next(&x) % s->n].p;

		random_addr(&x, s->addr[i]);
		if (i & 1)
			copy_bits(s->addr[i], p->addr, p->len);
	}
	return 0;
}

/* The reference. */
struct node {
	uint32_t child[2];		/* 0: none */
	uint32_t value;
};

struct trie {
	struct node *node;
	size_t n, cap;
};

static size_t bit_of(const uint8_t *addr, unsigned i)
{
	return (size_t)addr[i / 8] >> (7 - i % 8) & 1u;
}

static uint32_t trie_node(struct trie *t)
{
	if (t->n == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 1024;
		struct node *grown = realloc(t->node, cap * sizeof(*grown));

		if (!grown)
			abort();
		t->node = grown;
		t->cap = cap;
	}
	t->node[t->n] = (struct node){ { 0, 0 }, LPM_NONE };
	return (uint32_t)t->n++;
}

static void trie_build(struct trie *t, const struct set *s)
{
	trie_node(t);
	for (size_t i = 0; i < s->n; i++) {
		const struct prefix *p = &s->e[i].p;
		uint32_t at = 0;

		for (unsigned k = 0; k < p->len; k++) {
			size_t side = bit_of(p->addr, k);

			if (!t->node[at].child[side]) {
				uint32_t made = trie_node(t);

				t->node[at].child[side] = made;
			}
			at = t->node[at].child[side];
		}
		t->node[at].value = s->e[i].value;
	}
}

static uint32_t trie_find(const struct trie *t, enum family f,
                          const uint8_t *addr)
{
	unsigned bits = f == FAMILY_IPV4 ? 32 : 128;
	const struct node *node = t->node;
	uint32_t value = node->value, next;

	for (unsigned i = 0; i < bits; i++) {
		next = node->child[bit_of(addr, i)];
		if (!next)
			break;
		node = &t->node[next];
		if (node->value != LPM_NONE)
			value = node->value;
	}
	return value;
}

static int build_lpm(const void *arg, struct sample *s)
{
	const struct set *set = arg;
	struct lpm *l = NULL;
	enum rc rc;

	sample_start(s);
	rc = lpm_new(set->e, set->n, &l);
	sample_stop(s);
	s->bytes = rc == RC_OK ? lpm_bytes(l) : 0;
	lpm_unref(l);
	return rc == RC_OK ? 0 : -1;
}

static int build_trie(const void *arg, struct sample *s)
{
	const struct set *set = arg;
	struct trie t = { NULL, 0, 0 };

	sample_start(s);
	trie_build(&t, set);
	sample_stop(s);
	s->bytes = t.n * sizeof(*t.node);
	free(t.node);
	return 0;
}

/* All addresses twice; the first time, which warms up, does not count. */
static int find_lpm(const void *arg, struct sample *s)
{
	const struct set *set = arg;
	struct lpm *l = NULL;

	if (lpm_new(set->e, set->n, &l) != RC_OK)
		return -1;
	for (int round = 0; round < 2; round++) {
		sample_start(s);
		s->items = 0;
		for (size_t i = 0; i < N_ADDRS; i++)
			s->items += lpm_find(l, set->family, set->addr[i]);
		sample_stop(s);
	}
	lpm_unref(l);
	return 0;
}

static int find_trie(const void *arg, struct sample *s)
{
	const struct set *set = arg;
	struct trie t = { NULL, 0, 0 };

	trie_build(&t, set);
	for (int round = 0; round < 2; round++) {
		sample_start(s);
		s->items = 0;
		for (size_t i = 0; i < N_ADDRS; i++)
			s->items += trie_find(&t, set->family, set->addr[i]);
		sample_stop(s);
	}
	free(t.node);
	return 0;
}

static void set_line(const char *what, const struct sample *build,
                     const struct sample *find)
{
	printf("  %-32s %9.2f %9.1f %9.1f\n", what, build->cpu_ms,
	       find->cpu_ms * 1e6 / N_ADDRS, (double)build->bytes / 1e6);
}

static int measure_set(struct set *s, size_t rounds)
{
	struct work w[] = { { .run = build_lpm }, { .run = find_lpm },
	                    { .run = build_trie }, { .run = find_trie } };

	if (!s->n)
		return 0;
	if (make_addrs(s) || sample_run(w, 4, s, rounds))
		return -1;
	printf("%s, %s: %zu prefixes, %u addresses\n", s->name,
	       family_name(s->family), s->n, N_ADDRS);
	printf("  %-32s %9s %9s %9s\n", "median", "build ms", "ns each", "MB");
	set_line("ranges and table", &w[0].median, &w[1].median);
	set_line("binary trie", &w[2].median, &w[3].median);
	printf("  trie / ranges: %.1fx\n",
	       w[3].median.cpu_ms / w[1].median.cpu_ms);
	if (w[1].median.items != w[3].median.items)
		fprintf(stderr, "%s: the trie finds others\n", s->name);
	return 0;
}

/* What a request asks for: costs between each of its sources and each of its
 * destinations. Addresses differ from request to request, so that nothing is
 * in a cache only because it was just asked for. */
struct request {
	uint32_t src[N_SRCS], dst[N_DSTS];
	double cost[N_SRCS * N_DSTS];
};

static void gather(const struct costmap *costs, struct request *r)
{
	for (size_t i = 0; i < N_SRCS; i++) {
		const struct costrow *row = costmap_row(costs, r->src[i]);
		double *out = r->cost + i * N_DSTS;

		for (size_t k = 0; k < N_DSTS; k++)
			out[k] = row->cost[r->dst[k]];
	}
}

static enum rc rank(struct request *r)
{
	struct ranks *ranks = NULL;
	enum rc rc = ranks_new(&ranks);

	if (rc == RC_OK)
		rc = ranks_note(ranks, r->cost, N_SRCS * N_DSTS);
	if (rc == RC_OK)
		rc = ranks_order(ranks);
	if (rc == RC_OK)
		ranks_apply(ranks, r->cost, N_SRCS * N_DSTS);
	ranks_free(ranks);
	return rc;
}

/* Looks up with the lpm, or with the trie where it is NULL. */
static void resolve(const struct set *s, const struct lpm *l,
                    const struct trie *t, const uint8_t (*addr)[16],
                    struct request *r)
{
	uint32_t *to = r->src;

	for (size_t i = 0; i < N_SRCS + N_DSTS; i++) {
		if (i == N_SRCS)
			to = r->dst - N_SRCS;
		to[i] = l ? lpm_find(l, s->family, addr[i]) :
		        trie_find(t, s->family, addr[i]);
	}
}

static int requests(const struct set *set, const struct lpm *l,
                    const struct trie *t, int ordinal, struct sample *s)
{
	struct request *r = calloc(1, sizeof(*r));
	enum rc rc = r ? RC_OK : RC_ENOMEM;
	double sum = 0;

	sample_start(s);
	for (size_t i = 0; rc == RC_OK && i < N_REQUESTS; i++) {
		resolve(set, l, t, (const uint8_t (*)[16])set->addr +
		        i * (N_SRCS + N_DSTS), r);
		gather(set->costs, r);
		if (ordinal)
			rc = rank(r);
		sum += r->cost[i];
	}
	sample_stop(s);
	s->items = (size_t)sum;
	free(r);
	return rc == RC_OK ? 0 : -1;
}

static int request_lpm(const struct set *set, int ordinal, struct sample *s)
{
	struct lpm *l = NULL;
	int ret = lpm_new(set->e, set->n, &l) == RC_OK ? 0 : -1;

	for (int round = 0; ret == 0 && round < 2; round++)
		ret = requests(set, l, NULL, ordinal, s);
	lpm_unref(l);
	return ret;
}

static int numerical(const void *arg, struct sample *s)
{
	return request_lpm(arg, 0, s);
}

static int ordinal(const void *arg, struct sample *s)
{
	return request_lpm(arg, 1, s);
}

static int numerical_trie(const void *arg, struct sample *s)
{
	const struct set *set = arg;
	struct trie t = { NULL, 0, 0 };
	int ret = 0;

	trie_build(&t, set);
	for (int round = 0; ret == 0 && round < 2; round++)
		ret = requests(set, NULL, &t, 0, s);
	free(t.node);
	return ret;
}

static void request_line(const char *what, const struct sample *s)
{
	printf("  %-32s %9.1f %9.1f\n", what, s->cpu_ms * 1e3 / N_REQUESTS,
	       s->wall_ms * 1e3 / N_REQUESTS);
}

static int measure_requests(const struct set *s, size_t rounds)
{
	struct work w[] = { { .run = numerical }, { .run = ordinal },
	                    { .run = numerical_trie } };

	if (sample_run(w, 3, s, rounds))
		return -1;
	printf("endpoint costs before JSON, %u sources and %u destinations, "
	       "%s:\n", N_SRCS, N_DSTS, family_name(s->family));
	printf("  %-32s %9s %9s\n", "median", "CPU us", "wall us");
	request_line("numerical", &w[0].median);
	request_line("ordinal", &w[1].median);
	request_line("numerical, with a binary trie", &w[2].median);
	if (w[0].median.items != w[2].median.items)
		fprintf(stderr, "%s: the trie finds others\n", s->name);
	return 0;
}

/* The prefixes of one family of a network map, valued by PID. */
static int from_map(const struct netmap *m, struct set *s)
{
	s->e = calloc(netmap_prefixes(m) + 1, sizeof(*s->e));
	if (!s->e)
		return -1;
	for (size_t i = 0; i < netmap_pids(m); i++) {
		const struct netrow *r = netmap_row(m, i);

		for (size_t k = 0; k < r->n4 + r->n6; k++) {
			if (r->p[k].family != s->family)
				continue;
			s->e[s->n].p = r->p[k];
			s->e[s->n++].value = (uint32_t)i;
		}
	}
	return 0;
}

/* How many of a hundred prefixes have which length, about as in the tables of
 * the Internet's core. */
static const struct {
	uint8_t share[2], len[2];	/* by family */
} lengths[] = {
	{ { 58, 46 }, { 24, 48 } }, { { 12, 11 }, { 22, 32 } },
	{ { 10, 10 }, { 23, 44 } }, { { 6, 9 }, { 20, 40 } },
	{ { 5, 6 }, { 21, 36 } }, { { 3, 5 }, { 19, 29 } },
	{ { 2, 4 }, { 16, 46 } }, { { 2, 4 }, { 18, 42 } },
	{ { 1, 3 }, { 17, 34 } }, { { 1, 2 }, { 14, 64 } },
};

static unsigned random_len(enum family f, uint64_t *x)
{
	unsigned dice = (unsigned)(random_next(x) % 100), i = 0;

	while (dice >= lengths[i].share[f])
		dice -= lengths[i++].share[f];
	return lengths[i].len[f];
}

/* The prefix itself, or the second half of the time a part of one that is there
 * already. */
static void random_prefix(const struct set *s, uint64_t *x, struct prefix *p)
{
	const struct prefix *in = s->n ? &s->e[random_next(x) % s->n].p : NULL;
	uint8_t addr[16];

	*p = (struct prefix){ .family = (uint8_t)s->family };
	p->len = (uint8_t)random_len(s->family, x);
	random_addr(x, addr);
	if (s->family == FAMILY_IPV4)
		addr[0] = (uint8_t)(1 + addr[0] % 223);
	else
		addr[0] = (uint8_t)(0x20 + (addr[0] % 4) * 4);
	if (s->family == FAMILY_IPV6)
		addr[1] &= 0x0f;
	if (in && in->len < p->len && random_next(x) & 1)
		copy_bits(addr, in->addr, in->len);
	copy_bits(p->addr, addr, p->len);
}

static int cmp_entries(const void *a, const void *b)
{
	const struct lpm_entry *x = a, *y = b;

	return prefix_cmp(&x->p, &y->p);
}

/* Each once; then in any order, as sorted ones would flatter the trie. */
static void unique(struct set *s, uint64_t *x)
{
	size_t kept = 0;

	qsort(s->e, s->n, sizeof(*s->e), cmp_entries);
	for (size_t i = 0; i < s->n; i++)
		if (!kept || cmp_entries(&s->e[kept - 1], &s->e[i]) != 0)
			s->e[kept++] = s->e[i];
	s->n = kept;
	for (size_t i = kept; i > 1; i--) {
		size_t with = random_next(x) % i;
		struct lpm_entry swap = s->e[i - 1];

		s->e[i - 1] = s->e[with];
		s->e[with] = swap;
	}
}

static int from_random(struct set *s)
{
	uint64_t x = 88172645463325252u;

	s->e = calloc(N_RANDOM, sizeof(*s->e));
	if (!s->e)
		return -1;
	s->e[s->n++].p.family = (uint8_t)s->family;	/* the default route */
	while (s->n < N_RANDOM) {
		random_prefix(s, &x, &s->e[s->n].p);
		s->e[s->n++].value = (uint32_t)(random_next(&x) % N_PIDS);
	}
	unique(s, &x);
	return 0;
}

/* A cost map of N_PIDS, numbers with one decimal. */
static enum rc random_costs(struct costmap **out)
{
	static struct costrow *rows[N_PIDS];
	const struct costmeta meta = { .metric = "routingcost",
	                               .mode = "numerical" };
	struct index *names = NULL;
	uint64_t x = 362436069;
	char name[16];
	uint32_t num;
	enum rc rc = index_new(N_PIDS, &names);

	for (size_t i = 0; rc == RC_OK && i < N_PIDS; i++) {
		snprintf(name, sizeof(name), "pid%04zu", i);
		rc = index_add(names, name, strlen(name), &num, NULL);
		rows[i] = costrow_new(N_PIDS);
		if (!rows[i])
			rc = RC_ENOMEM;
		for (size_t k = 0; rc == RC_OK && k < N_PIDS; k++)
			rows[i]->cost[k] = (double)(random_next(&x) % 2000) / 10;
		if (rc == RC_OK)
			rows[i]->set = N_PIDS;
	}
	if (rc == RC_OK)
		rc = costmap_from_rows(&meta, names, rows, out);
	for (size_t i = 0; i < N_PIDS; i++)
		row_unref(rows[i] ? &rows[i]->row : NULL);
	index_unref(names);
	return rc;
}

static int build_map(const void *arg, struct sample *s)
{
	const struct netmap *m = arg;
	struct lpm *l = NULL;
	enum rc rc;

	sample_start(s);
	rc = lpm_of_netmap(m, &l);
	sample_stop(s);
	s->bytes = rc == RC_OK ? lpm_bytes(l) : 0;
	lpm_unref(l);
	return rc == RC_OK ? 0 : -1;
}

static int measure_map(const char *path, const struct netmap *m, size_t rounds)
{
	struct work w = { .run = build_map };

	if (sample_run(&w, 1, m, rounds))
		return -1;
	printf("%s: %zu prefixes\n", path, netmap_prefixes(m));
	printf("  %-32s %9s %9s %9s\n", "median", "CPU ms", "wall ms", "MB");
	printf("  %-32s %9.2f %9.2f %9.1f\n", "ranges and table",
	       w.median.cpu_ms, w.median.wall_ms, (double)w.median.bytes / 1e6);
	return 0;
}

static int measure_random(enum family f, const struct costmap *costs,
                          size_t rounds)
{
	struct set s = { .name = "random", .family = f, .costs = costs };
	int ret = from_random(&s) || measure_set(&s, rounds) ||
	          measure_requests(&s, rounds) ? -1 : 0;

	free(s.e);
	free(s.addr);
	return ret;
}

int bench_lookup(char **path, size_t n, size_t rounds)
{
	const struct map_file file = { path[0], false };
	struct map m = { NULL, NULL };
	struct costmap *costs = NULL;
	int ret = map_load(&file, &m) || measure_map(path[0], m.net, rounds) ||
	          random_costs(&costs) != RC_OK ? -1 : 0;

	(void)n;
	for (int f = FAMILY_IPV4; ret == 0 && f <= FAMILY_IPV6; f++) {
		struct set s = { .name = path[0], .family = (enum family)f };

		ret = from_map(m.net, &s) || measure_set(&s, rounds) ||
		      measure_random(s.family, costs, rounds) ? -1 : 0;
		free(s.e);
		free(s.addr);
	}
	costmap_unref(costs);
	map_free(&m);
	return ret ? 1 : 0;
}
