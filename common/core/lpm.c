#include "common/core/lpm.h"

#include <endian.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 129		/* one prefix of each length */

/* A prefix on its way into the table, and then a cut: where a range begins. The
 * address is left-aligned in 128 bits, so that both families sort and nest by the
 * same arithmetic. */
struct claim {
	uint64_t high, low;
	uint32_t len;
	uint32_t value;
};

struct claims {
	struct claim *c;
	size_t n;
};

/* A search ends in a window of so many ranges, which takes three steps whatever
 * is in it: a number of steps that differs from address to address is guessed
 * wrong by the processor, and one wrong guess costs more than all three. */
#define WINDOW 8u

/* Cuts what lies between the first and the last of some ranges into equal slots.
 * Not all addresses: else IPv6, which is in use from 2001:: to 2c0f::, would fill
 * few of them. More slots would be slower: they push ranges out of the cache. */
struct hop {
	uint64_t base;		/* high word of where the first slot begins */
	uint32_t first;		/* slot, in the guide */
	uint32_t last;		/* slot, from first */
	uint32_t shift;
};

/* Where the window of an address begins. A slot that is too crowded leads on to
 * a hop of its own, so that skewed addresses cost little more. */
struct guide {
	struct hop *hop;
	size_t n_hops, hop_cap;
	uint32_t *at;		/* of a slot: its first range, or a hop */
	size_t n_slots, slot_cap;
};

#define IS_HOP 0x80000000u	/* ranges are fewer: 2 * NETMAP_PREFIXES_MAX */
#define SLOT_BITS 18u		/* of one hop */
#define SLOT_RANGES 4u		/* on average at most, if they lie evenly */
#define HOPS_MAX 6u		/* in a row; then windows may overflow */

/* Side by side, so that who finds the range has its value in the cache. */
struct range4 {
	uint32_t first, value;
};

/* The last range is there WINDOW times more, so that no window ends early; all
 * but the first of these begin at the last address. */
struct table4 {
	struct guide guide;
	struct range4 *range;
	size_t n;
};

/* Here the words apart: nearly all prefixes end in the high one, and the search
 * touches nothing else. */
struct table6 {
	struct guide guide;
	uint64_t *high;
	uint64_t *low;		/* NULL: all of them are 0 */
	uint32_t *value;
	size_t n;
};

struct lpm {
	atomic_uint refs;
	size_t bytes;
	struct table4 v4;
	struct table6 v6;
};

static uint32_t load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

/* The bits of the high and of the low word that a prefix leaves open. */
static uint64_t open_high(uint32_t len)
{
	return len >= 64 ? 0 : UINT64_MAX >> len;
}

static uint64_t open_low(uint32_t len)
{
	return len <= 64 ? UINT64_MAX : len >= 128 ? 0 : UINT64_MAX >> (len - 64);
}

static struct claim claim_of(const struct prefix *p, uint32_t value)
{
	struct claim c = { .len = p->len, .value = value };

	if (p->family == FAMILY_IPV4) {
		c.high = (uint64_t)load32(p->addr) << 32;
	} else {
		c.high = load64(p->addr);
		c.low = load64(p->addr + 8);
	}
	c.high &= ~open_high(c.len);
	c.low &= ~open_low(c.len);
	return c;
}

/* The parts of the key, the least significant first. */
enum part { PART_LEN, PART_LOW, PART_HIGH, N_PARTS };

static inline uint64_t part_of(const struct claim *c, enum part part)
{
	return part == PART_HIGH ? c->high : part == PART_LOW ? c->low : c->len;
}

static void scatter(const struct claim *from, size_t n, struct claim *to,
                    enum part part, unsigned shift)
{
	size_t at[256] = { 0 }, sum = 0;

	for (size_t i = 0; i < n; i++)
		at[part_of(&from[i], part) >> shift & 255]++;
	for (size_t i = 0; i < 256; i++) {
		size_t count = at[i];

		at[i] = sum;
		sum += count;
	}
	for (size_t i = 0; i < n; i++)
		to[at[part_of(&from[i], part) >> shift & 255]++] = from[i];
}

/* By address, then length: who contains comes before. A radix sort, byte by byte
 * where they differ: a comparison sort took most of the time of a build. */
static void sort_claims(struct claim *c, size_t n, struct claim *spare)
{
	struct claim *from = c, *to = spare, *swap;
	uint64_t differ[N_PARTS] = { 0 };

	for (size_t i = 1; i < n; i++)
		for (enum part p = PART_LEN; p < N_PARTS; p++)
			differ[p] |= part_of(&c[i], p) ^ part_of(&c[0], p);
	for (enum part p = PART_LEN; p < N_PARTS; p++)
		for (unsigned shift = 0; shift < 64; shift += 8) {
			if (!(differ[p] >> shift & 255))
				continue;
			scatter(from, n, to, p, shift);
			swap = from;
			from = to;
			to = swap;
		}
	if (from != c)
		memcpy(c, from, n * sizeof(*c));
}

/* The prefixes that are open where the sweep stands, outermost first, each by
 * its last address; and the cuts so far, at most two for each prefix and one. */
struct sweep {
	struct claim open[DEPTH_MAX];
	size_t depth;
	struct claim *cut;
	size_t n;
};

static void cut_here(struct sweep *s, uint64_t high, uint64_t low,
                     uint32_t value)
{
	const struct claim *top = s->n ? &s->cut[s->n - 1] : NULL;

	if (top && top->high == high && top->low == low)
		s->n--;			/* nothing was between the two */
	if (s->n && s->cut[s->n - 1].value == value)
		return;
	s->cut[s->n++] = (struct claim){ .high = high, .low = low,
	                                 .value = value };
}

/* The innermost ends, and what is around it goes on. */
static void leave(struct sweep *s)
{
	const struct claim *ends = &s->open[--s->depth];
	uint64_t low = ends->low + 1, high = ends->high + (low == 0);

	if (high || low)
		cut_here(s, high, low, s->depth ?
		         s->open[s->depth - 1].value : LPM_NONE);
}

static void enter(struct sweep *s, const struct claim *c)
{
	struct claim *in = &s->open[s->depth++];

	*in = *c;
	in->high |= open_high(c->len);
	in->low |= open_low(c->len);
	cut_here(s, c->high, c->low, c->value);
}

static bool before(const struct claim *a, const struct claim *b)
{
	return a->high < b->high || (a->high == b->high && a->low < b->low);
}

/* From sorted claims to cuts. */
static enum rc sweep_claims(const struct claim *c, size_t n, struct claim *cut,
                            size_t *n_cuts)
{
	struct sweep s = { .cut = cut };

	cut_here(&s, 0, 0, LPM_NONE);
	for (size_t i = 0; i < n; i++) {
		if (i && c[i].high == c[i - 1].high &&
		    c[i].low == c[i - 1].low && c[i].len == c[i - 1].len)
			return RC_EEXIST;
		while (s.depth && before(&s.open[s.depth - 1], &c[i]))
			leave(&s);
		enter(&s, &c[i]);
	}
	while (s.depth)
		leave(&s);
	*n_cuts = s.n;
	return RC_OK;
}

static enum rc guide_room(struct guide *g, size_t slots)
{
	while (g->n_slots + slots > g->slot_cap) {
		size_t cap = g->slot_cap ? 2 * g->slot_cap : slots;
		uint32_t *at = realloc(g->at, cap * sizeof(*at));

		if (!at)
			return RC_ENOMEM;
		g->at = at;
		g->slot_cap = cap;
	}
	if (g->n_hops == g->hop_cap) {
		size_t cap = g->hop_cap ? 4 * g->hop_cap : 1;
		struct hop *hop = realloc(g->hop, cap * sizeof(*hop));

		if (!hop)
			return RC_ENOMEM;
		g->hop = hop;
		g->hop_cap = cap;
	}
	return RC_OK;
}

/* A hop for the cuts from lo + 1 to hi; lo is what holds before them. */
static enum rc hop_new(struct guide *g, const struct claim *cut, size_t lo,
                       size_t hi, struct hop *out)
{
	struct hop h = { .base = cut[lo < hi ? lo + 1 : lo].high };
	uint64_t span = cut[hi].high - h.base;
	unsigned bits = 0;
	enum rc rc;

	while (bits < SLOT_BITS && (hi - lo) / SLOT_RANGES >> bits)
		bits++;
	while (h.shift < 63 && span >> h.shift >> bits)
		h.shift++;
	h.last = bits ? (uint32_t)(span >> h.shift) : 0;
	rc = guide_room(g, (size_t)h.last + 1);
	if (rc != RC_OK)
		return rc;
	h.first = (uint32_t)g->n_slots;
	g->n_slots += (size_t)h.last + 1;
	g->hop[g->n_hops++] = h;
	*out = h;
	return RC_OK;
}

/* Fills the guide for the cuts from lo + 1 to hi, and goes down where a slot has
 * more than a window of them. */
static enum rc guide_fill(struct guide *g, const struct claim *cut, size_t lo,
                          size_t hi, unsigned depth)
{
	struct claim begin = { 0 };	/* of the next slot */
	struct hop h;
	enum rc rc = hop_new(g, cut, lo, hi, &h);

	for (uint32_t slot = 0; rc == RC_OK && slot <= h.last; slot++) {
		size_t from = lo;

		begin.high = h.base + ((uint64_t)(slot + 1) << h.shift);
		while (lo < hi && (slot == h.last ||
		                   before(&cut[lo + 1], &begin)))
			lo++;
		g->at[h.first + slot] = (uint32_t)from;
		if (lo - from >= WINDOW && depth < HOPS_MAX &&
		    cut[from + 1].high != cut[lo].high) {
			g->at[h.first + slot] = IS_HOP | (uint32_t)g->n_hops;
			rc = guide_fill(g, cut, from, lo, depth + 1);
		}
		/* A cut right where the next slot begins. */
		if (lo < hi && !before(&begin, &cut[lo + 1]))
			lo++;
	}
	return rc;
}

static enum rc guide_make(struct guide *g, const struct claim *cut, size_t n,
                          size_t *bytes)
{
	enum rc rc = guide_fill(g, cut, 0, n - 1, 1);
	uint32_t *at;
	struct hop *hop;

	if (rc != RC_OK)
		return rc;
	at = realloc(g->at, g->n_slots * sizeof(*at));
	g->at = at ? at : g->at;
	hop = realloc(g->hop, g->n_hops * sizeof(*hop));
	g->hop = hop ? hop : g->hop;
	*bytes += g->n_slots * sizeof(*at) + g->n_hops * sizeof(*hop);
	return RC_OK;
}

static inline size_t guide_find(const struct guide *g, uint64_t high)
{
	const struct hop *h = g->hop;

	for (;;) {
		uint64_t slot = (high > h->base ? high - h->base : 0) >>
		                h->shift;
		uint32_t at = g->at[h->first +
		                    (slot < h->last ? slot : h->last)];

		if (!(at & IS_HOP))
			return at;
		h = &g->hop[at & ~IS_HOP];
	}
}

static enum rc pack4(struct table4 *t, const struct claim *cut, size_t n,
                     size_t *bytes)
{
	t->n = n + WINDOW;
	t->range = malloc(t->n * sizeof(*t->range));
	if (!t->range)
		return RC_ENOMEM;
	*bytes += t->n * sizeof(*t->range);
	for (size_t i = 0; i < t->n; i++) {
		t->range[i].first = i < n ? (uint32_t)(cut[i].high >> 32) :
		                    UINT32_MAX;
		t->range[i].value = cut[i < n ? i : n - 1].value;
	}
	return guide_make(&t->guide, cut, n, bytes);
}

static enum rc pack6(struct table6 *t, const struct claim *cut, size_t n,
                     size_t *bytes)
{
	uint64_t any_low = 0;

	for (size_t i = 0; i < n; i++)
		any_low |= cut[i].low;
	t->n = n + WINDOW;
	t->high = malloc(t->n * sizeof(*t->high));
	t->low = any_low ? malloc(t->n * sizeof(*t->low)) : NULL;
	t->value = malloc(t->n * sizeof(*t->value));
	if (!t->high || (any_low && !t->low) || !t->value)
		return RC_ENOMEM;
	*bytes += t->n * (sizeof(*t->high) + sizeof(*t->value) +
	                  (any_low ? sizeof(*t->low) : 0));
	for (size_t i = 0; i < t->n; i++) {
		t->high[i] = i < n ? cut[i].high : UINT64_MAX;
		if (any_low)
			t->low[i] = i < n ? cut[i].low : UINT64_MAX;
		t->value[i] = cut[i < n ? i : n - 1].value;
	}
	return guide_make(&t->guide, cut, n, bytes);
}

static enum rc make_table(struct lpm *l, enum family f, struct claims *all)
{
	size_t n = 0;
	struct claim *cut = malloc((2 * all->n + 1) * sizeof(*cut));
	enum rc rc = RC_ENOMEM;

	if (!cut)
		return rc;
	sort_claims(all->c, all->n, cut);
	rc = sweep_claims(all->c, all->n, cut, &n);
	if (rc == RC_OK && f == FAMILY_IPV4)
		rc = pack4(&l->v4, cut, n, &l->bytes);
	else if (rc == RC_OK)
		rc = pack6(&l->v6, cut, n, &l->bytes);
	free(cut);
	return rc;
}

/* Both families; the claims are sorted on the way. */
static enum rc make(struct claims by[2], struct lpm **out)
{
	struct lpm *l = calloc(1, sizeof(*l));
	enum rc rc = l ? RC_OK : RC_ENOMEM;

	if (rc == RC_OK) {
		atomic_init(&l->refs, 1);
		l->bytes = sizeof(*l);
		rc = make_table(l, FAMILY_IPV4, &by[FAMILY_IPV4]);
	}
	if (rc == RC_OK)
		rc = make_table(l, FAMILY_IPV6, &by[FAMILY_IPV6]);
	if (rc == RC_OK) {
		*out = l;
		l = NULL;
	}
	lpm_unref(l);
	return rc;
}

static enum rc claims_room(struct claims by[2], const size_t n[2])
{
	for (int f = FAMILY_IPV4; f <= FAMILY_IPV6; f++) {
		if (n[f] > NETMAP_PREFIXES_MAX)
			return RC_ELIMIT;
		by[f].c = malloc((n[f] + 1) * sizeof(*by[f].c));
		if (!by[f].c)
			return RC_ENOMEM;
	}
	return RC_OK;
}

static void claims_free(struct claims by[2])
{
	free(by[FAMILY_IPV4].c);
	free(by[FAMILY_IPV6].c);
}

static void claims_add(struct claims by[2], const struct prefix *p,
                       uint32_t value)
{
	struct claims *all = &by[p->family];

	all->c[all->n++] = claim_of(p, value);
}

enum rc lpm_new(const struct lpm_entry *e, size_t n, struct lpm **out)
{
	struct claims by[2] = { { NULL, 0 }, { NULL, 0 } };
	size_t count[2] = { 0, 0 };
	enum rc rc;

	for (size_t i = 0; i < n; i++) {
		if (e[i].p.family > FAMILY_IPV6 ||
		    e[i].p.len > (e[i].p.family == FAMILY_IPV4 ? 32 : 128))
			return RC_EINVAL;
		count[e[i].p.family]++;
	}
	rc = claims_room(by, count);
	for (size_t i = 0; rc == RC_OK && i < n; i++)
		claims_add(by, &e[i].p, e[i].value);
	if (rc == RC_OK)
		rc = make(by, out);
	claims_free(by);
	return rc;
}

enum rc lpm_of_netmap(const struct netmap *m, struct lpm **out)
{
	struct claims by[2] = { { NULL, 0 }, { NULL, 0 } };
	size_t count[2] = { 0, 0 }, pids = netmap_pids(m);
	enum rc rc;

	for (size_t i = 0; i < pids; i++) {
		count[FAMILY_IPV4] += netmap_row(m, i)->n4;
		count[FAMILY_IPV6] += netmap_row(m, i)->n6;
	}
	rc = claims_room(by, count);
	for (size_t i = 0; rc == RC_OK && i < pids; i++) {
		const struct netrow *r = netmap_row(m, i);

		for (size_t k = 0; k < r->n4 + r->n6; k++)
			claims_add(by, &r->p[k], (uint32_t)i);
	}
	if (rc == RC_OK)
		rc = make(by, out);
	claims_free(by);
	return rc;
}

/* Of the n ranges from r, the last that begins at or before addr; the first does.
 * The steps add and never jump: which half it will be cannot be foretold. */
static inline const struct range4 *step4(const struct range4 *r, size_t n,
                                         uint32_t addr)
{
	for (size_t half; n > 1; n -= half) {
		half = n / 2;
		r += half & -(size_t)(r[half].first <= addr);
	}
	return r;
}

static inline const uint64_t *step6(const uint64_t *h, size_t n, uint64_t high)
{
	for (size_t half; n > 1; n -= half) {
		half = n / 2;
		h += half & -(size_t)(h[half] <= high);
	}
	return h;
}

static uint32_t find4(const struct table4 *t, uint32_t addr)
{
	const struct range4 *end = t->range + t->n - 1, *r = t->range +
		guide_find(&t->guide, (uint64_t)addr << 32);

	r = step4(r, WINDOW, addr);
	for (size_t n = WINDOW; r < end && r[1].first <= addr; n *= 2)
		r = step4(r + 1, n < (size_t)(end - r) ? n :
		          (size_t)(end - r), addr);
	return r->value;
}

/* Of the ranges from first to last, which do not begin behind the high word,
 * that of the address. */
static size_t find_low(const struct table6 *t, size_t first, size_t last,
                       uint64_t high, uint64_t low)
{
	for (size_t n = last - first + 1, half; n > 1; n -= half) {
		half = n / 2;
		if (t->high[first + half] < high || t->low[first + half] <= low)
			first += half;
	}
	return first;
}

static uint32_t find6(const struct table6 *t, uint64_t high, uint64_t low)
{
	const uint64_t *begin = t->high + guide_find(&t->guide, high);
	const uint64_t *end = t->high + t->n - 1;
	const uint64_t *h;

	/* Fetched while the steps are on their way, not after them. */
	__builtin_prefetch(&t->value[begin - t->high + WINDOW / 2]);
	h = step6(begin, WINDOW, high);
	for (size_t n = WINDOW; h < end && h[1] <= high; n *= 2)
		h = step6(h + 1, n < (size_t)(end - h) ? n : (size_t)(end - h),
		          high);
	if (t->low && *h == high)
		return t->value[find_low(t, (size_t)(begin - t->high),
		                         (size_t)(h - t->high), high, low)];
	return t->value[h - t->high];
}

uint32_t lpm_find(const struct lpm *l, enum family f, const uint8_t *addr)
{
	if (f == FAMILY_IPV4)
		return find4(&l->v4, load32(addr));
	return find6(&l->v6, load64(addr), load64(addr + 8));
}

size_t lpm_bytes(const struct lpm *l)
{
	return l->bytes;
}

struct lpm *lpm_ref(struct lpm *l)
{
	atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
	return l;
}

void lpm_unref(struct lpm *l)
{
	if (!l || atomic_fetch_sub_explicit(&l->refs, 1,
	                                    memory_order_acq_rel) != 1)
		return;
	free(l->v4.guide.hop);
	free(l->v4.guide.at);
	free(l->v4.range);
	free(l->v6.guide.hop);
	free(l->v6.guide.at);
	free(l->v6.high);
	free(l->v6.low);
	free(l->v6.value);
	free(l);
}
