#include "common/wire/delta_json.h"

#include <stdlib.h>
#include <string.h>

#include "common/wire/delta_read.h"
#include "common/wire/number.h"
#include "common/wire/scan.h"

struct cost_reader {
	struct scan *s;
	struct cost_delta *d;
	bool sorted;		/* so far */
};

/* Does a name follow that of number prev? */
static bool follows(const struct index *names, uint32_t prev,
                    const char *name, size_t len)
{
	size_t prev_len = index_name_len(names, prev);
	int c = memcmp(index_name(names, prev), name,
	               prev_len < len ? prev_len : len);

	return c < 0 || (c == 0 && prev_len < len);
}

static enum rc read_cost(struct scan *s, double *cost)
{
	enum scan_kind kind;
	const char *text;
	size_t len;
	enum rc rc;

	rc = scan_peek(s, &kind);
	if (rc == RC_OK && kind == SCAN_NULL) {
		*cost = COST_NONE;
		return scan_null(s);
	}
	if (rc == RC_OK)
		rc = scan_number(s, &text, &len);
	if (rc != RC_OK)
		return rc;
	rc = number_read(text, len, cost);
	return rc == RC_OK ? rc :
	       scan_refuse(s, rc, "a cost is beyond what a double holds");
}

static enum rc refuse_more(struct cost_reader *r, enum rc rc)
{
	return rc != RC_ELIMIT ? rc :
	       scan_refuse(r->s, rc, "over %u PIDs or %u cells",
	                   2 * COSTMAP_PIDS_MAX, DELTA_OPS_MAX);
}

static enum rc read_cells(struct cost_reader *r)
{
	struct cost_delta *d = r->d;
	size_t first = d->n_cells;
	const char *name;
	size_t len;
	enum rc rc;

	rc = scan_object(r->s);
	while (rc == RC_OK && (rc = scan_member(r->s, &name, &len)) == RC_OK &&
	       name) {
		rc = delta_read_pid(r->s, name, len);
		if (rc != RC_OK)
			return rc;
		if (d->n_cells > first && !follows(d->names,
		    d->cells[d->n_cells - 1].dst, name, len))
			r->sorted = false;
		rc = cost_delta_cell(d, name, len, COST_NONE);
		if (rc != RC_OK)
			return refuse_more(r, rc);
		rc = read_cost(r->s, &d->cells[d->n_cells - 1].cost);
	}
	if (rc == RC_OK && d->n_cells == first)
		rc = scan_refuse(r->s, RC_ERULE, "a row that changes nothing");
	return rc;
}

static enum rc read_rows(void *arg)
{
	struct cost_reader *r = arg;
	struct cost_delta *d = r->d;
	enum scan_kind kind;
	const char *name;
	size_t len;
	enum rc rc;

	rc = scan_object(r->s);
	while (rc == RC_OK && (rc = scan_member(r->s, &name, &len)) == RC_OK &&
	       name) {
		rc = delta_read_pid(r->s, name, len);
		if (rc != RC_OK)
			return rc;
		if (d->n_rows && !follows(d->names,
		    d->rows[d->n_rows - 1].src, name, len))
			r->sorted = false;
		rc = cost_delta_row(d, name, len, false);
		if (rc != RC_OK)
			return refuse_more(r, rc);
		rc = scan_peek(r->s, &kind);
		if (rc != RC_OK)
			return rc;
		d->rows[d->n_rows - 1].gone = kind == SCAN_NULL;
		rc = kind == SCAN_NULL ? scan_null(r->s) : read_cells(r);
	}
	return rc;
}

static int row_cmp(const void *a, const void *b)
{
	const struct row_delta *p = a, *q = b;

	return (p->src > q->src) - (p->src < q->src);
}

static int cell_cmp(const void *a, const void *b)
{
	const struct cell_delta *p = a, *q = b;

	return (p->dst > q->dst) - (p->dst < q->dst);
}

/* Numbers the names in their order, so that numbers say what comes first. */
static enum rc sort_names(struct cost_delta *d)
{
	uint32_t *move = malloc(index_count(d->names) * sizeof(*move));
	struct index *sorted = NULL;
	enum rc rc = RC_ENOMEM;

	if (move)
		rc = index_sorted(d->names, &sorted, move);
	for (size_t i = 0; rc == RC_OK && i < d->n_rows; i++)
		d->rows[i].src = move[d->rows[i].src];
	for (size_t i = 0; rc == RC_OK && i < d->n_cells; i++)
		d->cells[i].dst = move[d->cells[i].dst];
	if (rc == RC_OK) {
		index_unref(d->names);
		d->names = sorted;
	}
	free(move);
	return rc;
}

static enum rc refuse_twice(struct cost_reader *r, uint32_t num)
{
	return scan_refuse(r->s, RC_ERULE, "PID %s stands in one object twice",
	                   index_name(r->d->names, num));
}

static enum rc sort_rows(struct cost_reader *r)
{
	struct cost_delta *d = r->d;
	enum rc rc;

	if (r->sorted)
		return RC_OK;
	rc = sort_names(d);
	if (rc != RC_OK)
		return rc;
	qsort(d->rows, d->n_rows, sizeof(*d->rows), row_cmp);
	for (size_t i = 0; i < d->n_rows; i++) {
		struct cell_delta *c;

		if (i > 0 && d->rows[i - 1].src == d->rows[i].src)
			return refuse_twice(r, d->rows[i].src);
		if (d->rows[i].n == 0)
			continue;
		c = d->cells + d->rows[i].first;
		qsort(c, d->rows[i].n, sizeof(*c), cell_cmp);
		for (size_t k = 1; k < d->rows[i].n; k++)
			if (c[k - 1].dst == c[k].dst)
				return refuse_twice(r, c[k].dst);
	}
	return RC_OK;
}

static enum rc read_cost_merge(struct cost_reader *r)
{
	const struct delta_merge m = {
		"cost-map", r->d->to, r->d->net_tag, read_rows, r
	};
	enum rc rc = delta_read_merge(r->s, &m);

	return rc == RC_OK ? sort_rows(r) : rc;
}

enum rc delta_json_cost_read(const char *text, size_t len, const char *from,
                             struct cost_delta **out, struct diag *d)
{
	struct cost_reader r = { .sorted = true };
	enum rc rc;

	r.d = calloc(1, sizeof(*r.d));
	if (!r.d)
		return RC_ENOMEM;
	rc = delta_read_from(r.d->from, from, d);
	if (rc == RC_OK)
		rc = scan_new_bytes(text, len, d, &r.s);
	if (rc == RC_OK)
		rc = read_cost_merge(&r);
	if (rc == RC_OK)
		rc = scan_end(r.s);
	if (rc == RC_OK) {
		*out = r.d;
		r.d = NULL;
	}
	scan_free(r.s);
	cost_delta_free(r.d);
	return rc;
}
