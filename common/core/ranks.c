#include "common/core/ranks.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CELLS_MIN 64u
#define EMPTY UINT64_MAX	/* the bits of a NaN, which is never noted */

__extension__ typedef unsigned __int128 u128;

/* Costs by their bits. rank stands beside bits and not in one struct with it:
 * most of the work is to find that a cost is there already. */
struct ranks {
	uint64_t *bits;		/* n_cells of them, at most half in use */
	uint32_t *rank;		/* NULL until the order is known */
	size_t n_cells;		/* a power of two */
	size_t count;
	uint64_t key[2];
};

/* One bit pattern for a cost: -0 + 0 is +0. */
static inline uint64_t bits_of(double cost)
{
	uint64_t bits;

	cost += 0.0;
	memcpy(&bits, &cost, sizeof(bits));
	return bits;
}

/* The cell that holds bits, or the empty one where they belong. Costs differ in
 * few of the 64 bits, and anywhere; the halves of a product, taken together,
 * depend on each. */
static inline size_t probe(const uint64_t *cells, size_t n_cells,
                           const uint64_t key[2], uint64_t bits)
{
	u128 product = (u128)(bits ^ key[0]) * key[1];
	size_t mask = n_cells - 1;
	size_t i = (size_t)((uint64_t)product ^ (uint64_t)(product >> 64));

	i &= mask;
	while (cells[i] != bits && cells[i] != EMPTY)
		i = (i + 1) & mask;
	return i;
}

static enum rc new_cells(size_t n, uint64_t **out)
{
	uint64_t *cells = malloc(n * sizeof(*cells));

	if (!cells)
		return RC_ENOMEM;
	for (size_t i = 0; i < n; i++)
		cells[i] = EMPTY;
	*out = cells;
	return RC_OK;
}

enum rc ranks_new(struct ranks **out)
{
	struct ranks *r = calloc(1, sizeof(*r));

	if (!r || new_cells(CELLS_MIN, &r->bits) != RC_OK) {
		free(r);
		return RC_ENOMEM;
	}
	r->n_cells = CELLS_MIN;
	/* This floor has no source of random bytes; where the system put us is
	 * enough that nobody outside can aim costs at one cell. No rank depends
	 * on it. The second key is odd and has many bits. */
	r->key[0] = (uint64_t)(uintptr_t)r * 0x9e3779b97f4a7c15u;
	r->key[1] = (uint64_t)(uintptr_t)&ranks_new * 0xc2b2ae3d27d4eb4eu +
	            0xd6e8feb86659fd93u;
	*out = r;
	return RC_OK;
}

void ranks_free(struct ranks *r)
{
	if (!r)
		return;
	free(r->bits);
	free(r->rank);
	free(r);
}

static enum rc grow(struct ranks *r)
{
	size_t n = r->n_cells * 2;
	uint64_t *cells;
	enum rc rc = new_cells(n, &cells);

	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < r->n_cells; i++)
		if (r->bits[i] != EMPTY)
			cells[probe(cells, n, r->key, r->bits[i])] = r->bits[i];
	free(r->bits);
	r->bits = cells;
	r->n_cells = n;
	return RC_OK;
}

static enum rc add(struct ranks *r, uint64_t bits)
{
	if (r->count >= RANKS_MAX)
		return RC_ELIMIT;
	if (r->count >= r->n_cells / 2) {
		enum rc rc = grow(r);

		if (rc != RC_OK)
			return rc;
	}
	r->bits[probe(r->bits, r->n_cells, r->key, bits)] = bits;
	r->count++;
	return RC_OK;
}

enum rc ranks_note(struct ranks *r, const double *cost, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t bits = bits_of(cost[i]);
		enum rc rc;

		if (isnan(cost[i]) ||
		    r->bits[probe(r->bits, r->n_cells, r->key, bits)] == bits)
			continue;
		rc = add(r, bits);
		if (rc != RC_OK)
			return rc;
	}
	return RC_OK;
}

/* As unsigned numbers these compare as the costs do, and back. */
static uint64_t sortable(uint64_t bits)
{
	return bits >> 63 ? ~bits : bits | 1ull << 63;
}

static uint64_t unsortable(uint64_t s)
{
	return s >> 63 ? s & ~(1ull << 63) : ~s;
}

/* One pass over byte k; false: all have the same there, and nothing was moved. */
static bool sort_byte(const uint64_t *from, uint64_t *to, size_t n, unsigned k)
{
	size_t at[256] = { 0 }, next = 0;

	for (size_t i = 0; i < n; i++)
		at[from[i] >> 8 * k & 0xff]++;
	if (n == 0 || at[from[0] >> 8 * k & 0xff] == n)
		return false;
	for (size_t b = 0; b < 256; b++) {
		size_t count = at[b];

		at[b] = next;
		next += count;
	}
	for (size_t i = 0; i < n; i++)
		to[at[from[i] >> 8 * k & 0xff]++] = from[i];
	return true;
}

/* From the lowest byte up; qsort() with a call for each comparison took five times
 * as long. spare has room for n too. Returns where the result stands. */
static uint64_t *sort(uint64_t *v, uint64_t *spare, size_t n)
{
	for (unsigned k = 0; k < sizeof(*v); k++) {
		uint64_t *old = v;

		if (!sort_byte(v, spare, n, k))
			continue;
		v = spare;
		spare = old;
	}
	return v;
}

enum rc ranks_order(struct ranks *r)
{
	uint64_t *v = malloc((2 * r->count + 1) * sizeof(*v)), *sorted;
	size_t n = 0;

	assert(!r->rank);
	r->rank = malloc(r->n_cells * sizeof(*r->rank));
	if (!v || !r->rank) {
		free(v);
		return RC_ENOMEM;
	}
	for (size_t i = 0; i < r->n_cells; i++)
		if (r->bits[i] != EMPTY)
			v[n++] = sortable(r->bits[i]);
	sorted = sort(v, v + n, n);
	for (size_t i = 0; i < n; i++)
		r->rank[probe(r->bits, r->n_cells, r->key,
		              unsortable(sorted[i]))] = (uint32_t)i + 1;
	free(v);
	return RC_OK;
}

void ranks_apply(const struct ranks *r, double *cost, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t bits = bits_of(cost[i]);
		size_t at;

		if (isnan(cost[i]))
			continue;
		at = probe(r->bits, r->n_cells, r->key, bits);
		assert(r->bits[at] == bits);
		cost[i] = r->rank[at];
	}
}
