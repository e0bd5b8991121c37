#include "common/core/costmap.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"

#define NONE UINT32_MAX
#define LOOK_AHEAD 4		/* names tried along the order before a lookup */
#define WIDTH_MIN 16u

struct costmap {
	atomic_uint refs;
	struct costmeta meta;
	struct index *names;
	size_t cells;
	struct costrow *rows[];		/* one a name */
};

/* What the builder knows of a name, beside its number. */
struct column {
	uint32_t at;		/* where its bytes stand in the builder's text */
	uint32_t follow;	/* the destination that came after it, or NONE */
	uint8_t len;
	bool begun;		/* has been the source of a row */
	bool used;		/* some cell is in its row or column */
};

/* Numbers are those of names. A row is made by its first cell, as wide as names
 * are known then: so a row without cells costs nothing, and in a map whose rows
 * are alike only the first one has to grow. */
struct costbuild {
	struct index *names;	/* NULL while empty */
	struct buf text;
	struct column *cols;
	struct costrow **rows;
	size_t cap;		/* of cols and rows */
	size_t n_rows;		/* that have cells */
	uint32_t src;		/* of the row begun last, or NONE */
	uint32_t last;		/* destination added last, NONE at the start */
	uint32_t first;		/* destination that a row begins with */
};

/* ---- build ---- */

static void build_clear(struct costbuild *b)
{
	size_t n = b->names ? index_count(b->names) : 0;

	for (size_t i = 0; i < n; i++)
		row_unref((struct row *)b->rows[i]);
	free(b->rows);
	free(b->cols);
	buf_free(&b->text);
	index_unref(b->names);
	*b = (struct costbuild){
		.text = BUF_INIT(COSTMAP_PIDS_MAX * (size_t)ID_MAX),
		.src = NONE, .last = NONE, .first = NONE
	};
}

enum rc costbuild_new(struct costbuild **out)
{
	struct costbuild *b = calloc(1, sizeof(*b));

	if (!b)
		return RC_ENOMEM;
	build_clear(b);
	*out = b;
	return RC_OK;
}

void costbuild_free(struct costbuild *b)
{
	if (!b)
		return;
	build_clear(b);
	free(b);
}

/* Room for one more name. */
static enum rc build_grow(struct costbuild *b)
{
	size_t cap = b->cap ? b->cap * 2 : WIDTH_MIN;
	struct column *cols;
	struct costrow **rows;

	if (!b->names) {
		enum rc rc = index_new(COSTMAP_PIDS_MAX, &b->names);

		if (rc != RC_OK)
			return rc;
	}
	if (index_count(b->names) < b->cap)
		return RC_OK;
	cols = realloc(b->cols, cap * sizeof(*cols));
	if (!cols)
		return RC_ENOMEM;
	b->cols = cols;
	rows = realloc(b->rows, cap * sizeof(struct costrow *));
	if (!rows)
		return RC_ENOMEM;
	b->rows = rows;
	b->cap = cap;
	return RC_OK;
}

static bool too_many(size_t rows, size_t names)
{
	return rows && names > COSTMAP_CELLS_MAX / rows;
}

/* The number of a name. One that is new is not stored before everything that
 * can fail for it has passed. */
static enum rc build_name(struct costbuild *b, const char *name, size_t len,
                          uint32_t *num)
{
	uint32_t at = (uint32_t)b->text.len;
	enum rc rc;

	if (b->names && index_find(b->names, name, len, num))
		return RC_OK;
	if (!pid_ok(name, len))
		return RC_ERULE;
	rc = build_grow(b);
	if (rc != RC_OK)
		return rc;
	if (too_many(b->n_rows, index_count(b->names) + 1))
		return RC_ELIMIT;
	if (!buf_room(&b->text, len))
		return buf_rc(&b->text);
	rc = index_add(b->names, name, len, num, NULL);
	if (rc != RC_OK)
		return rc;
	buf_add(&b->text, name, len);
	b->cols[*num] = (struct column){ at, NONE, (uint8_t)len, false, false };
	b->rows[*num] = NULL;
	return RC_OK;
}

enum rc costbuild_row(struct costbuild *b, const char *src, size_t len)
{
	uint32_t num;
	enum rc rc = build_name(b, src, len, &num);

	if (rc != RC_OK)
		return rc;
	if (b->cols[num].begun)
		return RC_EEXIST;
	b->cols[num].begun = true;
	b->src = num;
	b->last = NONE;
	return RC_OK;
}

static uint64_t word_at(const char *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof(w));
	return w;
}

/* Names of 8 to 16 bytes in two words that overlap, which takes no call. */
static inline bool is_column(const struct costbuild *b, uint32_t num,
                             const char *name, size_t len)
{
	const struct column *c = &b->cols[num];
	const char *text = b->text.data + c->at;

	if (c->len != len)
		return false;
	if (len < 8 || len > 16)
		return memcmp(text, name, len) == 0;
	return word_at(text) == word_at(name) &&
	       word_at(text + len - 8) == word_at(name + len - 8);
}

static uint32_t expected(const struct costbuild *b)
{
	return b->last == NONE ? b->first : b->cols[b->last].follow;
}

/* The column of a destination. Rows list theirs in one order, so the one that
 * followed last time is tried first, and a few more along that order in case
 * this row leaves some out; a lookup hashes the name. Every number that follows
 * another has been a destination: used need not be set again. */
static enum rc build_dst(struct costbuild *b, const char *dst, size_t len,
                         uint32_t *num)
{
	enum rc rc;

	*num = expected(b);
	for (int i = 0; *num != NONE && i < LOOK_AHEAD; i++) {
		if (is_column(b, *num, dst, len))
			return RC_OK;
		*num = b->cols[*num].follow;
	}
	rc = build_name(b, dst, len, num);
	if (rc != RC_OK)
		return rc;
	b->cols[*num].used = true;
	if (b->last == NONE)
		b->first = *num;
	else
		b->cols[b->last].follow = *num;
	return RC_OK;
}

/* Makes the current row hold column num. */
static enum rc build_widen(struct costbuild *b, uint32_t num)
{
	struct costrow *old = b->rows[b->src], *row;
	size_t n = old ? old->n * 2 : index_count(b->names);

	if (!old && too_many(b->n_rows + 1, index_count(b->names)))
		return RC_ELIMIT;
	if (n <= num || n < WIDTH_MIN)
		n = num + (size_t)WIDTH_MIN;
	row = costrow_new(n);
	if (!row)
		return RC_ENOMEM;
	if (old) {
		memcpy(row->cost, old->cost, old->n * sizeof(*row->cost));
		row->set = old->set;
		row_unref(&old->row);
	} else {
		b->n_rows++;
		b->cols[b->src].used = true;
	}
	b->rows[b->src] = row;
	return RC_OK;
}

static enum rc build_store(struct costbuild *b, struct costrow *row,
                           uint32_t num, double cost)
{
	if (!isnan(row->cost[num]))
		return RC_EEXIST;
	row->cost[num] = cost == 0 ? 0 : cost;	/* no -0 */
	row->set++;
	b->last = num;
	return RC_OK;
}

static enum rc build_put(struct costbuild *b, uint32_t num, double cost)
{
	enum rc rc = RC_OK;

	if (!b->rows[b->src] || num >= b->rows[b->src]->n)
		rc = build_widen(b, num);
	return rc == RC_OK ? build_store(b, b->rows[b->src], num, cost) : rc;
}

enum rc costbuild_cell(struct costbuild *b, const char *dst, size_t len,
                       double cost)
{
	uint32_t num;
	enum rc rc;

	if (b->src == NONE || !isfinite(cost))
		return RC_EINVAL;
	rc = build_dst(b, dst, len, &num);
	return rc == RC_OK ? build_put(b, num, cost) : rc;
}

const char *costbuild_expect(const struct costbuild *b, size_t *len)
{
	uint32_t num = expected(b);

	if (num == NONE)
		return NULL;
	*len = b->cols[num].len;
	return b->text.data + b->cols[num].at;
}

enum rc costbuild_next(struct costbuild *b, double cost)
{
	uint32_t num = expected(b);
	struct costrow *row;

	if (b->src == NONE || num == NONE || !isfinite(cost))
		return RC_EINVAL;
	row = b->rows[b->src];
	if (row && num < row->n)
		return build_store(b, row, num, cost);
	return build_put(b, num, cost);
}

/* ---- from the builder to a map ---- */

/* The names that some cell uses, sorted; move[old] = new, or NONE. */
static enum rc final_names(const struct costbuild *b, struct index **out,
                           uint32_t *move)
{
	size_t count = index_count(b->names);
	struct index *used = NULL;
	uint32_t *sorted = malloc((count + 1) * sizeof(*sorted));
	enum rc rc;

	if (!sorted)
		return RC_ENOMEM;
	rc = index_new(COSTMAP_PIDS_MAX, &used);
	for (uint32_t i = 0; rc == RC_OK && i < count; i++) {
		move[i] = NONE;
		if (b->cols[i].used)
			rc = index_add(used, index_name(b->names, i),
			               b->cols[i].len, &move[i], NULL);
	}
	if (rc == RC_OK)
		rc = index_sorted(used, out, sorted);
	for (size_t i = 0; rc == RC_OK && i < count; i++)
		if (move[i] != NONE)
			move[i] = sorted[move[i]];
	index_unref(used);
	free(sorted);
	return rc;
}

static bool stays(const uint32_t *move, size_t count, size_t n)
{
	for (size_t i = 0; i < count; i++)
		if (move[i] != i)
			return false;
	return count == n;
}

/* The row with its columns in their final places; takes the old one over. */
static struct costrow *row_moved(struct costrow *old, const uint32_t *move,
                                 size_t count, size_t n)
{
	struct costrow *row = costrow_new(n);

	if (row) {
		for (size_t i = 0; i < old->n && i < count; i++)
			if (!isnan(old->cost[i]))
				row->cost[move[i]] = old->cost[i];
		row->set = old->set;
	}
	row_unref(&old->row);
	return row;
}

/* Moves the builder's rows into rows, one at a time: there never are two
 * matrices. */
static enum rc final_rows(struct costbuild *b, const uint32_t *move, size_t n,
                          struct costrow **rows)
{
	size_t count = index_count(b->names);
	bool same = stays(move, count, n);

	for (size_t i = 0; i < count; i++) {
		struct costrow *row = b->rows[i];

		if (!row)
			continue;
		b->rows[i] = NULL;
		if (!same || row->n != n)
			row = row_moved(row, move, count, n);
		if (!row)
			return RC_ENOMEM;
		rows[move[i]] = row;
	}
	return RC_OK;
}

static void share_rows(struct costrow **rows, const struct costmap *base)
{
	size_t n = index_count(base->names);

	for (size_t i = 0; i < n; i++) {
		struct costrow *old = base->rows[i];

		if (!rows[i] || !old || rows[i]->set != old->set ||
		    memcmp(rows[i]->cost, old->cost, n * sizeof(*old->cost)))
			continue;
		row_ref(&old->row);
		row_unref(&rows[i]->row);
		rows[i] = old;
	}
}

static void rows_free(struct costrow **rows, size_t n)
{
	for (size_t i = 0; rows && i < n; i++)
		row_unref((struct row *)rows[i]);
	free(rows);
}

static enum rc build_map(struct costbuild *b, const struct costmeta *meta,
                         const struct costmap *base, struct costmap **out)
{
	struct index *names = NULL;
	struct costrow **rows = NULL;
	uint32_t *move;
	size_t n = 0;
	enum rc rc = RC_ENOMEM;

	move = malloc((index_count(b->names) + 1) * sizeof(*move));
	if (!move)
		goto out;
	rc = final_names(b, &names, move);
	if (rc != RC_OK)
		goto out;
	n = index_count(names);
	rc = RC_ENOMEM;
	rows = calloc(n + 1, sizeof(struct costrow *));
	if (!rows)
		goto out;
	rc = final_rows(b, move, n, rows);
	if (rc != RC_OK)
		goto out;
	if (base && index_equal(names, base->names)) {
		index_unref(names);
		names = index_ref(base->names);
		share_rows(rows, base);
	}
	rc = costmap_from_rows(meta, names, rows, out);
out:
	rows_free(rows, n);
	index_unref(names);
	free(move);
	return rc;
}

enum rc costbuild_end(struct costbuild *b, const struct costmeta *meta,
                      const struct costmap *base, struct costmap **out)
{
	enum rc rc = RC_OK;

	if (!b->names)
		rc = index_new(COSTMAP_PIDS_MAX, &b->names);
	if (rc == RC_OK)
		rc = build_map(b, meta, base, out);
	build_clear(b);
	return rc;
}

/* ---- the map ---- */

/* RC_EINVAL also for names out of order, since every reader merges along them,
 * and for names that outgrow what writers leave room for. */
static enum rc rows_check(const struct index *names,
                          struct costrow *const *rows)
{
	size_t n = index_count(names), n_rows = 0;

	if (n > COSTMAP_PIDS_MAX)
		return RC_ELIMIT;
	if (!index_is_sorted(names))
		return RC_EINVAL;
	for (uint32_t i = 0; i < n; i++) {
		if (index_name_len(names, i) > ID_MAX)
			return RC_EINVAL;
		if (!rows[i])
			continue;
		if (rows[i]->n != n)
			return RC_EINVAL;
		n_rows++;
	}
	return too_many(n_rows, n) ? RC_ELIMIT : RC_OK;
}

enum rc costmap_from_rows(const struct costmeta *meta, struct index *names,
                          struct costrow *const *rows, struct costmap **out)
{
	size_t n = index_count(names);
	enum rc rc = rows_check(names, rows);
	struct costmap *m;

	if (rc != RC_OK)
		return rc;
	m = calloc(1, sizeof(*m) + n * sizeof(struct costrow *));
	if (!m)
		return RC_ENOMEM;
	atomic_init(&m->refs, 1);
	m->meta = *meta;
	m->names = index_ref(names);
	for (size_t i = 0; i < n; i++) {
		if (!rows[i] || !rows[i]->set)
			continue;
		row_ref(&rows[i]->row);
		m->rows[i] = rows[i];
		m->cells += rows[i]->set;
	}
	*out = m;
	return RC_OK;
}

enum rc costmap_rebind(const struct costmap *m, const struct costmeta *meta,
                       struct costmap **out)
{
	return costmap_from_rows(meta, m->names, m->rows, out);
}

struct costrow *costrow_new(size_t n)
{
	struct costrow *row;

	if (n > COSTMAP_CELLS_MAX)
		return NULL;
	row = row_new(sizeof(*row) + n * sizeof(*row->cost));
	if (!row)
		return NULL;
	row->n = n;
	for (size_t i = 0; i < n; i++)
		row->cost[i] = COST_NONE;
	return row;
}

const struct costmeta *costmap_meta(const struct costmap *m)
{
	return &m->meta;
}

size_t costmap_pids(const struct costmap *m)
{
	return index_count(m->names);
}

size_t costmap_cells(const struct costmap *m)
{
	return m->cells;
}

struct index *costmap_names(const struct costmap *m)
{
	return m->names;
}

struct costrow *costmap_row(const struct costmap *m, size_t src)
{
	return m->rows[src];
}

struct costmap *costmap_ref(struct costmap *m)
{
	atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
	return m;
}

void costmap_unref(struct costmap *m)
{
	if (!m || atomic_fetch_sub_explicit(&m->refs, 1,
	                                    memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < index_count(m->names); i++)
		row_unref((struct row *)m->rows[i]);
	index_unref(m->names);
	free(m);
}
