#include "common/base/index.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define CELLS_MIN 16u
#define NAMES_MAX (UINT32_MAX / 4)

/* An empty cell has num1 0. The hash is kept so that probing and growing seldom
 * look at a name. */
struct cell {
	uint32_t hash;
	uint32_t num1;		/* number + 1 */
};

struct index {
	atomic_uint refs;
	size_t max;
	size_t count;
	size_t n_cells;		/* a power of two, at most half in use; 0 at first */
	struct cell *cells;
	uint32_t *end;		/* where in text each name ends, NUL included */
	char *text;		/* all names, each with a NUL */
	size_t text_len;
	size_t text_cap;
	uint64_t key[2];
};

static uint64_t rotl(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] = rotl(v[0], 32) + v[3];
	v[2] += v[1];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
}

/* SipHash-1-3 (Aumasson, Bernstein: "SipHash: a fast short-input PRF"), since
 * names come from outside and may be chosen to collide. */
static uint32_t hash(const struct index *ix, const char *s, size_t len)
{
	uint64_t v[4] = { ix->key[0] ^ 0x736f6d6570736575u,
	                  ix->key[1] ^ 0x646f72616e646f6du,
	                  ix->key[0] ^ 0x6c7967656e657261u,
	                  ix->key[1] ^ 0x7465646279746573u };
	uint64_t word, last = (uint64_t)len << 56;

	for (; len >= 8; s += 8, len -= 8) {
		memcpy(&word, s, 8);
		sip_word(v, word);
	}
	word = 0;
	if (len)
		memcpy(&word, s, len);
	sip_word(v, last | word);
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	v[0] ^= v[1] ^ v[2] ^ v[3];
	return (uint32_t)(v[0] ^ v[0] >> 32);
}

enum rc index_new(size_t max_names, struct index **out)
{
	struct index *ix;

	if (max_names > NAMES_MAX)
		return RC_EINVAL;
	ix = calloc(1, sizeof(*ix));
	if (!ix)
		return RC_ENOMEM;
	atomic_init(&ix->refs, 1);
	ix->max = max_names;
	/* This floor has no source of random bytes; where the system put us is
	 * enough that nobody outside can aim. Nothing visible depends on it. */
	ix->key[0] = (uint64_t)(uintptr_t)ix * 0x9e3779b97f4a7c15u;
	ix->key[1] = (uint64_t)(uintptr_t)&index_new * 0xc2b2ae3d27d4eb4fu;
	*out = ix;
	return RC_OK;
}

const char *index_name(const struct index *ix, uint32_t num)
{
	return ix->text + (num ? ix->end[num - 1] : 0);
}

size_t index_name_len(const struct index *ix, uint32_t num)
{
	return ix->end[num] - (num ? ix->end[num - 1] : 0) - 1;
}

size_t index_count(const struct index *ix)
{
	return ix->count;
}

/* The cell that holds name, or the empty one where it belongs. */
static struct cell *probe(const struct index *ix, uint32_t h, const char *name,
                          size_t len)
{
	size_t mask = ix->n_cells - 1;

	for (size_t i = h & mask;; i = (i + 1) & mask) {
		struct cell *c = &ix->cells[i];

		if (!c->num1)
			return c;
		if (c->hash == h && index_name_len(ix, c->num1 - 1) == len &&
		    memcmp(index_name(ix, c->num1 - 1), name, len) == 0)
			return c;
	}
}

bool index_find(const struct index *ix, const char *name, size_t len,
                uint32_t *num)
{
	const struct cell *c;

	if (!ix->count)
		return false;
	c = probe(ix, hash(ix, name, len), name, len);
	if (!c->num1)
		return false;
	*num = c->num1 - 1;
	return true;
}

/* Twice the cells, and as many ends as may then be in use. */
static enum rc grow_cells(struct index *ix)
{
	size_t n = ix->n_cells ? ix->n_cells * 2 : CELLS_MIN;
	struct cell *cells;
	uint32_t *end;

	end = realloc(ix->end, n / 2 * sizeof(*end));
	if (!end)
		return RC_ENOMEM;
	ix->end = end;
	cells = calloc(n, sizeof(*cells));
	if (!cells)
		return RC_ENOMEM;
	for (size_t i = 0; i < ix->n_cells; i++) {
		size_t k = ix->cells[i].hash & (n - 1);

		if (!ix->cells[i].num1)
			continue;
		while (cells[k].num1)
			k = (k + 1) & (n - 1);
		cells[k] = ix->cells[i];
	}
	free(ix->cells);
	ix->cells = cells;
	ix->n_cells = n;
	return RC_OK;
}

static enum rc grow_text(struct index *ix, size_t len)
{
	size_t need, cap;
	char *p;

	if (len >= UINT32_MAX - ix->text_len)
		return RC_ELIMIT;
	need = ix->text_len + len + 1;
	if (need <= ix->text_cap)
		return RC_OK;
	cap = ix->text_cap * 2 > need ? ix->text_cap * 2 : need + 64;
	p = realloc(ix->text, cap);
	if (!p)
		return RC_ENOMEM;
	ix->text = p;
	ix->text_cap = cap;
	return RC_OK;
}

static enum rc append(struct index *ix, uint32_t h, const char *name,
                      size_t len)
{
	struct cell *c;
	enum rc rc;

	if (ix->count >= ix->max)
		return RC_ELIMIT;
	rc = grow_text(ix, len);
	if (rc == RC_OK && ix->count >= ix->n_cells / 2)
		rc = grow_cells(ix);
	if (rc != RC_OK)
		return rc;

	c = probe(ix, h, name, len);
	if (len)
		memcpy(ix->text + ix->text_len, name, len);
	ix->text[ix->text_len + len] = '\0';
	ix->text_len += len + 1;
	ix->end[ix->count] = (uint32_t)ix->text_len;
	c->hash = h;
	c->num1 = (uint32_t)++ix->count;
	return RC_OK;
}

enum rc index_add(struct index *ix, const char *name, size_t len,
                  uint32_t *num, bool *added)
{
	uint32_t h = hash(ix, name, len);
	const struct cell *c = ix->count ? probe(ix, h, name, len) : NULL;
	bool is_new = !c || !c->num1;

	if (is_new) {
		enum rc rc = append(ix, h, name, len);

		if (rc != RC_OK)
			return rc;
	}
	*num = is_new ? (uint32_t)ix->count - 1 : c->num1 - 1;
	if (added)
		*added = is_new;
	return RC_OK;
}

struct entry {
	const char *name;
	size_t len;
	uint32_t num;
};

static int entry_cmp(const void *va, const void *vb)
{
	const struct entry *a = va, *b = vb;
	int c = memcmp(a->name, b->name, a->len < b->len ? a->len : b->len);

	if (c)
		return c;
	return (a->len > b->len) - (a->len < b->len);
}

static struct entry entry_at(const struct index *ix, size_t i)
{
	uint32_t num = (uint32_t)i;

	return (struct entry){ index_name(ix, num), index_name_len(ix, num),
	                       num };
}

bool index_is_sorted(const struct index *ix)
{
	for (size_t i = 1; i < ix->count; i++) {
		struct entry a = entry_at(ix, i - 1), b = entry_at(ix, i);

		if (entry_cmp(&a, &b) > 0)
			return false;
	}
	return true;
}

enum rc index_sorted(const struct index *ix, struct index **out,
                     uint32_t *move)
{
	struct index *next = NULL;
	struct entry *all;
	enum rc rc;

	all = malloc((ix->count + 1) * sizeof(*all));
	if (!all)
		return RC_ENOMEM;
	for (size_t i = 0; i < ix->count; i++)
		all[i] = entry_at(ix, i);
	qsort(all, ix->count, sizeof(*all), entry_cmp);

	rc = index_new(ix->max, &next);
	for (size_t i = 0; rc == RC_OK && i < ix->count; i++) {
		uint32_t num;

		rc = index_add(next, all[i].name, all[i].len, &num, NULL);
	}
	if (rc != RC_OK)
		goto out;
	for (size_t i = 0; move && i < ix->count; i++)
		move[all[i].num] = (uint32_t)i;
	*out = next;
	next = NULL;
out:
	index_unref(next);
	free(all);
	return rc;
}

bool index_equal(const struct index *a, const struct index *b)
{
	if (a == b)
		return true;
	if (a->count != b->count || a->text_len != b->text_len)
		return false;
	if (!a->count)
		return true;
	return memcmp(a->end, b->end, a->count * sizeof(*a->end)) == 0 &&
	       memcmp(a->text, b->text, a->text_len) == 0;
}

struct index *index_ref(struct index *ix)
{
	atomic_fetch_add_explicit(&ix->refs, 1, memory_order_relaxed);
	return ix;
}

void index_unref(struct index *ix)
{
	if (!ix || atomic_fetch_sub_explicit(&ix->refs, 1,
	                                     memory_order_acq_rel) != 1)
		return;
	free(ix->cells);
	free(ix->end);
	free(ix->text);
	free(ix);
}
