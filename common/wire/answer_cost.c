/* Costs are made row by row, a row in blocks of destinations: a block of every
 * column is gathered, ranked where that is asked for, tested and printed. Ranks
 * are over all pairs of the request, so for them all pairs are gone through
 * twice and none is kept: memory is one block, the endpoints listed, and the
 * costs that differ, whatever the number of pairs.
 */
#include "common/wire/answer_cost.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/ranks.h"
#include "common/wire/json.h"
#include "common/wire/number.h"
#include "common/wire/scan_text.h"

#define BLOCK (16 * FILTER_LANES)	/* destinations */
#define COLUMNS_MAX (SERVICE_TYPES_MAX + FILTER_TESTS_MAX)
#define KEYS_MAX (256u << 20)		/* bytes of names of an axis */
#define CHUNK 4096u

/* ---- the axes ---- */

/* Those sources or destinations that have a PID, and so may have costs, each
 * with its name as it begins a member: quoted, escaped, with the colon. */
struct axis {
	size_t n;
	uint32_t *pid;
	uint32_t *end;		/* of each name in names */
	struct buf names;
};

static void axis_clear(struct axis *x)
{
	free(x->pid);
	free(x->end);
	buf_free(&x->names);
}

static void put_key(struct buf *dst, const char *name)
{
	size_t len = strlen(name);
	char *p;

	if (scan_text_special(name, name + len) != name + len) {
		json_put_string(dst, name, len);
		buf_putc(dst, ':');
		return;
	}
	p = buf_room(dst, len + 3);
	if (!p)
		return;
	p[0] = '"';
	memcpy(p + 1, name, len);
	memcpy(p + 1 + len, "\":", 2);
	buf_used(dst, len + 3);
}

static void axis_add(struct axis *x, uint32_t pid, const char *name)
{
	put_key(&x->names, name);
	x->pid[x->n] = pid;
	x->end[x->n++] = (uint32_t)x->names.len;
}

/* x is cleared by the caller in any case. */
static enum rc axis_make(const struct service *sv, const struct ask_axis *a,
                         const struct ask_endpoint *self, struct axis *x)
{
	const struct ask_endpoint *e = a->self ? self : a->endpoint;
	size_t n = a->self ? 1 : a->n;
	bool endpoints = sv->kind == SERVICE_ENDPOINT_COST;

	x->pid = malloc((n + 1) * sizeof(*x->pid));
	x->end = malloc((n + 1) * sizeof(*x->end));
	if (!x->pid || !x->end)
		return RC_ENOMEM;
	for (size_t i = 0; i < n && buf_rc(&x->names) == RC_OK; i++) {
		uint32_t pid = endpoints ?
			lpm_find(sv->lpm, e[i].family, e[i].addr) : a->pid[i];

		if (pid != LPM_NONE)
			axis_add(x, pid, endpoints ? e[i].text :
			         index_name(netmap_names(sv->net), pid));
	}
	return buf_rc(&x->names);
}

/* ---- costs ---- */

/* Text on its way into dst; a pair is too short for a call of buf_add each. */
struct out {
	struct buf *dst;
	size_t len;
	char chunk[CHUNK];
};

/* An answer in the making. cost: a block of each column, one column after the
 * other. */
struct answer {
	const struct service *sv;
	const struct ask *ask;
	struct axis src, dst;
	double *cost;
	uint8_t given[BLOCK];			/* 1: in the answer */
	struct ranks *ranks[COLUMNS_MAX];	/* NULL where not ranked */
	struct out out;
};

static void out_flush(struct out *o)
{
	buf_add(o->dst, o->chunk, o->len);
	o->len = 0;
}

static inline void out_add(struct out *o, const char *s, size_t n)
{
	if (n > CHUNK - o->len)
		out_flush(o);
	if (n > CHUNK) {
		buf_add(o->dst, s, n);
		return;
	}
	memcpy(o->chunk + o->len, s, n);
	o->len += n;
}

static inline void out_char(struct out *o, char c)
{
	if (o->len == CHUNK)
		out_flush(o);
	o->chunk[o->len++] = c;
}

static void out_cost(struct out *o, double cost)
{
	if (isnan(cost)) {
		out_add(o, "null", 4);
		return;
	}
	if (CHUNK - o->len <= NUMBER_TEXT_MAX)
		out_flush(o);
	o->len += number_print(cost, o->chunk + o->len);
}

static void out_name(struct out *o, const struct axis *x, size_t i)
{
	uint32_t begin = i ? x->end[i - 1] : 0;

	out_add(o, x->names.data + begin, x->end[i] - begin);
}

/* The costs of a source in a column's map; NULL: there are none. */
static const struct costrow *row_of(const struct service_cost *c, uint32_t src)
{
	uint32_t at = c->at ? c->at[src] : src;

	return at == SERVICE_NONE ? NULL : costmap_row(c->map, at);
}

/* The costs from src to n destinations of one column. */
static void gather(const struct service_cost *c, uint32_t src,
                   const uint32_t *dst, size_t n, double *out)
{
	const struct costrow *row = row_of(c, src);
	const uint32_t *at = c->at;

	if (row && !at) {
		for (size_t i = 0; i < n; i++)
			out[i] = row->cost[dst[i]];
		return;
	}
	for (size_t i = 0; i < n; i++) {
		uint32_t to = row ? at[dst[i]] : SERVICE_NONE;

		out[i] = to == SERVICE_NONE ? COST_NONE : row->cost[to];
	}
}

static size_t block_size(const struct axis *dst, size_t first)
{
	return dst->n - first < BLOCK ? dst->n - first : BLOCK;
}

static void gather_all(struct answer *w, uint32_t src, size_t first, size_t n)
{
	for (size_t k = 0; k < w->ask->n_columns; k++) {
		double *cost = w->cost + k * BLOCK;

		gather(w->ask->columns[k], src, w->dst.pid + first, n, cost);
		if (w->ranks[k])
			ranks_apply(w->ranks[k], cost, n);
	}
}

/* Which of FILTER_LANES pairs are in the answer? One without any cost to show is
 * not, whatever its tests say. */
static void find_lanes(const struct ask *a, const double *cost,
                       uint8_t given[FILTER_LANES])
{
	uint8_t some[FILTER_LANES] = { 0 };

	filter_lanes(&a->filter, cost, BLOCK, given);
	for (size_t k = 0; k < a->n_shown; k++, cost += BLOCK)
		for (size_t i = 0; i < FILTER_LANES; i++)
			some[i] = (uint8_t)(some[i] | !isnan(cost[i]));
	for (size_t i = 0; i < FILTER_LANES; i++)
		given[i] &= some[i];
}

/* Which of the n pairs in the block are? false: none. */
static bool find_given(struct answer *w, size_t n)
{
	for (size_t i = 0; i < n; i += FILTER_LANES)
		find_lanes(w->ask, w->cost + i, w->given + i);
	return memchr(w->given, 1, n) != NULL;
}

static void out_pair(struct answer *w, size_t i)
{
	struct out *o = &w->out;

	if (!w->ask->multi) {
		out_cost(o, w->cost[i]);
		return;
	}
	for (size_t k = 0; k < w->ask->n_shown; k++) {
		out_char(o, k ? ',' : '[');
		out_cost(o, w->cost[k * BLOCK + i]);
	}
	out_char(o, ']');
}

/* The pairs of source s; *begun says whether a source stands there already. The
 * source's own name waits for its first pair. */
static void out_source(struct answer *w, size_t s, bool *begun)
{
	struct out *o = &w->out;
	bool some = false;
	size_t n;

	for (size_t first = 0; first < w->dst.n && buf_rc(o->dst) == RC_OK;
	     first += n) {
		n = block_size(&w->dst, first);
		gather_all(w, w->src.pid[s], first, n);
		if (!find_given(w, n))
			continue;
		for (size_t i = 0; i < n; i++) {
			if (!w->given[i])
				continue;
			if (!some && *begun)
				out_char(o, ',');
			if (!some)
				out_name(o, &w->src, s);
			out_char(o, some ? ',' : '{');
			out_name(o, &w->dst, first + i);
			out_pair(w, i);
			some = true;
		}
	}
	if (some)
		out_char(o, '}');
	*begun = *begun || some;
}

static bool has_costs(const struct ask *a, uint32_t src)
{
	for (size_t k = 0; k < a->n_shown; k++)
		if (row_of(a->columns[k], src))
			return true;
	return false;
}

/* Are the rows of the answer those of a map, to the byte? */
static bool has_map_rows(const struct service *sv, const struct ask *a)
{
	const struct service_cost *c = a->columns[0];

	return sv->kind == SERVICE_COST_MAP && a->dst.all && !a->multi &&
	       !c->ranked && !c->at && !a->filter.n_tests;
}

static void out_sources(struct answer *w)
{
	bool copied = has_map_rows(w->sv, w->ask), begun = false;
	struct out *o = &w->out;

	for (size_t s = 0; s < w->src.n && buf_rc(o->dst) == RC_OK; s++) {
		uint32_t pid = w->src.pid[s];
		const struct costrow *row;

		if (!has_costs(w->ask, pid))
			continue;
		row = row_of(w->ask->columns[0], pid);
		if (!copied || !row->row.text) {
			out_source(w, s, &begun);
			continue;
		}
		if (begun)
			out_char(o, ',');
		out_add(o, row->row.text, row->row.text_len);
		begun = true;
	}
	out_flush(o);
}

/* Notes what a column has for all pairs that are asked for. */
static enum rc rank_column(struct answer *w, size_t k)
{
	const struct service_cost *c = w->ask->columns[k];
	enum rc rc = ranks_new(&w->ranks[k]);
	size_t n;

	for (size_t s = 0; rc == RC_OK && s < w->src.n; s++) {
		if (!row_of(c, w->src.pid[s]))
			continue;
		for (size_t first = 0; rc == RC_OK && first < w->dst.n;
		     first += n) {
			n = block_size(&w->dst, first);
			gather(c, w->src.pid[s], w->dst.pid + first, n,
			       w->cost);
			rc = ranks_note(w->ranks[k], w->cost, n);
		}
	}
	return rc == RC_OK ? ranks_order(w->ranks[k]) : rc;
}

static enum rc prepare(struct answer *w, const struct ask_endpoint *self)
{
	const struct ask *a = w->ask;
	enum rc rc = axis_make(w->sv, &a->src, self, &w->src);

	if (rc == RC_OK)
		rc = axis_make(w->sv, &a->dst, self, &w->dst);
	if (rc != RC_OK)
		return rc;
	/* All is read, also what is behind the last destination. */
	w->cost = calloc(a->n_columns * BLOCK, sizeof(*w->cost));
	if (!w->cost)
		return RC_ENOMEM;
	for (size_t k = 0; rc == RC_OK && k < a->n_columns; k++)
		if (a->columns[k]->ranked)
			rc = rank_column(w, k);
	return rc;
}

enum rc answer_cost_write(const struct service *sv, const struct ask *a,
                          const struct ask_endpoint *self, struct buf *dst)
{
	struct answer w = {
		.sv = sv, .ask = a, .out = { .dst = dst },
		.src.names = BUF_INIT(KEYS_MAX), .dst.names = BUF_INIT(KEYS_MAX)
	};
	enum rc rc = prepare(&w, self);

	if (rc == RC_OK) {
		buf_putc(dst, '{');
		out_sources(&w);
		buf_putc(dst, '}');
		rc = buf_rc(dst);
	}
	for (size_t k = 0; k < a->n_columns; k++)
		ranks_free(w.ranks[k]);
	free(w.cost);
	axis_clear(&w.src);
	axis_clear(&w.dst);
	return rc;
}
