#include "common/core/patch.h"

#include <stdlib.h>
#include <string.h>

#define NOWHERE UINT32_MAX

struct span {
	const struct prefix *p;
	size_t n;
};

/* What a new network map is gathered in. */
struct net_patch {
	const struct netmap *base;
	struct index *names;	/* NULL: those of the base */
	struct netrow **rows;
	size_t n;
	size_t prefixes;
	struct diag *diag;
};

static struct span family_of(const struct netrow *r, enum family f)
{
	if (!r)
		return (struct span){ NULL, 0 };
	return f == FAMILY_IPV4 ? (struct span){ r->p, r->n4 } :
	                          (struct span){ r->p + r->n4, r->n6 };
}

/* Of this family, and in the order that the canonical form wants? */
static bool in_order(struct span s, enum family which)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i].family != which ||
		    (i > 0 && prefix_cmp(&s.p[i - 1], &s.p[i]) >= 0))
			return false;
	return true;
}

/* Do all places of an edit exist, each at the moment it is used? */
static bool places_fit(const struct family_delta *f, size_t n_old)
{
	size_t n_new = n_old - f->n_removed + f->n_put;

	if (f->n_removed > n_old || n_new == 0)
		return false;
	for (size_t i = 0; i < f->n_removed; i++)
		if (f->removed[i] >= (i ? f->removed[i - 1] : n_old))
			return false;
	for (size_t i = 0; i < f->n_put; i++)
		if (f->place[i] >= n_new ||
		    (i > 0 && f->place[i] <= f->place[i - 1]))
			return false;
	return true;
}

/* The array after an edit, malloc'ed, whose places fit. */
static struct prefix *edited(const struct family_delta *f, struct span old)
{
	size_t n = old.n - f->n_removed + f->n_put;
	size_t from = 0, put = 0, gone = f->n_removed;
	struct prefix *p = malloc(n * sizeof(*p));

	for (size_t i = 0; p && i < n; i++) {
		if (put < f->n_put && f->place[put] == i) {
			p[i] = f->put[put++];
			continue;
		}
		for (; gone > 0 && f->removed[gone - 1] == from; gone--)
			from++;
		p[i] = old.p[from++];
	}
	return p;
}

/* One family of a PID; what *made gets is the caller's to free. */
static enum rc family_patch(const struct family_delta *f, enum family which,
                            struct span old, struct prefix **made,
                            struct span *out)
{
	*out = old;
	if (f->how == FAMILY_SAME)
		return RC_OK;
	if (f->how == FAMILY_WHOLE) {
		*out = (struct span){ f->put, f->n_put };
		if (old.n == 0 && f->n_put == 0)
			return RC_EGAP;		/* goes, and is not there */
	} else {
		if (!places_fit(f, old.n))
			return RC_EGAP;
		*made = edited(f, old);
		if (!*made)
			return RC_ENOMEM;
		*out = (struct span){ *made, old.n - f->n_removed + f->n_put };
	}
	return in_order(*out, which) ? RC_OK : RC_EGAP;
}

/* The row of a PID that changed; old is NULL for a new one. */
static enum rc pid_patch(const struct pid_delta *p, const struct netrow *old,
                         struct netrow **out, struct diag *d)
{
	struct prefix *made[2] = { NULL, NULL };
	struct span now[2];
	enum rc rc = RC_OK;

	for (enum family f = FAMILY_IPV4; f <= FAMILY_IPV6; f++) {
		if (rc != RC_OK)
			break;
		rc = family_patch(&p->family[f], f, family_of(old, f),
		                  &made[f], &now[f]);
		if (rc == RC_EGAP)
			diag_set(d, rc, "the patch does not fit the %s array "
			         "of PID %s", family_name(f), p->pid);
	}
	if (rc == RC_OK) {
		*out = netrow_new(now[0].p, now[0].n, now[1].p, now[1].n);
		if (!*out)
			rc = RC_ENOMEM;
	}
	free(made[0]);
	free(made[1]);
	return rc;
}

/* Takes the row over, also when it fails. */
static enum rc net_take(struct net_patch *w, const char *name, size_t len,
                        struct netrow *row)
{
	enum rc rc = RC_OK;
	uint32_t num;

	if (w->names)
		rc = index_add(w->names, name, len, &num, NULL);
	if (rc == RC_ELIMIT)
		diag_set(w->diag, rc, "over %u PIDs", NETMAP_PIDS_MAX);
	w->prefixes += row->n4 + row->n6;
	if (rc == RC_OK && w->prefixes > NETMAP_PREFIXES_MAX)
		rc = diag_set(w->diag, RC_ELIMIT, "over %u prefixes",
		              NETMAP_PREFIXES_MAX);
	if (rc != RC_OK) {
		row_unref(&row->row);
		return rc;
	}
	w->rows[w->n++] = row;
	return RC_OK;
}

static enum rc net_keep(struct net_patch *w, size_t pid)
{
	const struct index *names = netmap_names(w->base);
	struct netrow *row = netmap_row(w->base, pid);

	row_ref(&row->row);
	return net_take(w, index_name(names, (uint32_t)pid),
	                index_name_len(names, (uint32_t)pid), row);
}

static enum rc net_change(struct net_patch *w, const struct pid_delta *p,
                          const struct netrow *old)
{
	struct netrow *row;
	enum rc rc;

	if (p->gone && old)
		return RC_OK;
	if (p->gone || (p->fresh && old))
		return diag_set(w->diag, RC_EGAP, p->gone ?
		                "PID %s goes, but is not there" :
		                "PID %s is new, but is there", p->pid);
	rc = pid_patch(p, old, &row, w->diag);
	if (rc == RC_OK)
		rc = net_take(w, p->pid, strlen(p->pid), row);
	return rc;
}

/* Walks base and delta side by side, both ascending by name. */
static enum rc net_merge(struct net_patch *w, const struct net_delta *delta)
{
	const struct index *names = netmap_names(w->base);
	size_t pids = netmap_pids(w->base), i = 0, j = 0;
	enum rc rc = RC_OK;

	while (rc == RC_OK && (i < pids || j < delta->n)) {
		int c = i == pids ? 1 : j == delta->n ? -1 :
		        strcmp(index_name(names, (uint32_t)i),
		               delta->pids[j].pid);

		if (c < 0)
			rc = net_keep(w, i);
		else
			rc = net_change(w, &delta->pids[j],
			                c == 0 ? netmap_row(w->base, i) : NULL);
		i += c <= 0;
		j += c >= 0;
	}
	return rc;
}

static bool same_pids(const struct netmap *base, const struct net_delta *delta)
{
	uint32_t num;

	for (size_t i = 0; i < delta->n; i++) {
		const struct pid_delta *p = &delta->pids[i];

		if (p->gone || p->fresh || !index_find(netmap_names(base),
		    p->pid, strlen(p->pid), &num))
			return false;
	}
	return true;
}

static bool pids_ascend(const struct net_delta *delta)
{
	for (size_t i = 1; i < delta->n; i++)
		if (strcmp(delta->pids[i - 1].pid, delta->pids[i].pid) >= 0)
			return false;
	return true;
}

enum rc patch_net(const struct netmap *base, const struct net_delta *delta,
                  struct netmap **out, struct diag *d)
{
	struct net_patch w = { .base = base, .diag = d };
	enum rc rc = RC_OK;

	if (!pids_ascend(delta))
		return diag_set(d, RC_EINVAL, "PIDs are out of order");
	w.rows = calloc(netmap_pids(base) + delta->n + 1, sizeof(*w.rows));
	if (!w.rows)
		return RC_ENOMEM;
	if (!same_pids(base, delta))
		rc = index_new(NETMAP_PIDS_MAX, &w.names);
	if (rc == RC_OK)
		rc = net_merge(&w, delta);
	if (rc == RC_OK)
		rc = netmap_from_rows(w.names ? w.names : netmap_names(base),
		                      w.rows, out);
	for (size_t i = 0; i < w.n; i++)
		row_unref(&w.rows[i]->row);
	free(w.rows);
	index_unref(w.names);
	return rc;
}

/* What a new cost map is gathered in. A row has a cell for each name, so a name
 * more makes every row anew; then the names that no cost uses any more go. */
struct cost_patch {
	const struct costmap *base;
	const struct cost_delta *delta;
	uint32_t *where;	/* delta's number -> new map's */
	uint32_t *move;		/* base's number -> new map's, NOWHERE: gone;
				 * NULL: the same names */
	struct index *names;	/* of the new map, referenced */
	size_t width;
	struct costrow **rows;
	struct diag *diag;
};

/* A delta that only names another network map has no names. */
static size_t names_count(const struct index *names)
{
	return names ? index_count(names) : 0;
}

static bool name_is(const struct index *in, uint32_t num, const char *name,
                    size_t len)
{
	return num < index_count(in) && index_name_len(in, num) == len &&
	       memcmp(index_name(in, num), name, len) == 0;
}

/* Where the names of the delta stand in a table; true if all are there. Those
 * of a row come in the table's order, often without a gap: the next one is tried
 * before it is looked up. */
static bool names_find(const struct index *names, const struct index *in,
                       uint32_t *where)
{
	uint32_t next = 0;
	bool all = true;

	for (uint32_t i = 0; i < names_count(names); i++) {
		const char *name = index_name(names, i);
		size_t len = index_name_len(names, i);

		where[i] = next;
		if (!name_is(in, next, name, len) &&
		    !index_find(in, name, len, &where[i]))
			all = false;
		next = where[i] + 1;
	}
	return all;
}

/* used[name] = 1 for each that a row of the base stands under or needs. */
static void names_in_use(const struct costmap *base, uint8_t *used)
{
	for (size_t src = 0; src < costmap_pids(base); src++) {
		const struct costrow *row = costmap_row(base, src);

		if (!row)
			continue;
		used[src] = 1;
		for (size_t i = 0; i < row->n; i++)
			used[i] |= row->cost[i] == row->cost[i];
	}
}

/* The names that base's rows use and the delta's, as added. */
static enum rc names_gather(const struct cost_patch *w, const uint8_t *used,
                            struct index *all)
{
	const struct index *base = costmap_names(w->base);
	const struct index *more = w->delta->names;
	enum rc rc = RC_OK;
	uint32_t num;

	for (uint32_t i = 0; rc == RC_OK && i < index_count(base); i++)
		if (used[i])
			rc = index_add(all, index_name(base, i),
			               index_name_len(base, i), &num, NULL);
	for (uint32_t i = 0; rc == RC_OK && i < index_count(more); i++)
		rc = index_add(all, index_name(more, i),
		               index_name_len(more, i), &num, NULL);
	return rc;
}

/* A table for a map that gets names the base has not. */
static enum rc names_widen(struct cost_patch *w)
{
	const struct index *base = costmap_names(w->base);
	size_t n = index_count(base);
	uint8_t *used = calloc(n + 1, 1);
	struct index *all = NULL;
	enum rc rc = RC_ENOMEM;

	w->move = malloc((n + 1) * sizeof(*w->move));
	if (!used || !w->move)
		goto out;
	names_in_use(w->base, used);
	rc = index_new(COSTMAP_PIDS_MAX, &all);
	if (rc == RC_OK)
		rc = names_gather(w, used, all);
	if (rc == RC_OK)
		rc = index_sorted(all, &w->names, NULL);
	if (rc != RC_OK)
		goto out;
	for (uint32_t i = 0; i < n; i++)
		if (!index_find(w->names, index_name(base, i),
		                index_name_len(base, i), &w->move[i]))
			w->move[i] = NOWHERE;
	(void)names_find(w->delta->names, w->names, w->where);
out:
	index_unref(all);
	free(used);
	return rc;
}

static enum rc cost_patch_open(struct cost_patch *w)
{
	const struct index *names = w->delta->names;
	struct index *base = costmap_names(w->base);
	enum rc rc = RC_OK;

	w->where = malloc((names_count(names) + 1) * sizeof(*w->where));
	if (!w->where)
		return RC_ENOMEM;
	if (names_find(names, base, w->where))
		w->names = index_ref(base);
	else
		rc = names_widen(w);
	if (rc != RC_OK)
		return rc;
	w->width = index_count(w->names);
	w->rows = calloc(w->width + 1, sizeof(*w->rows));
	return w->rows ? RC_OK : RC_ENOMEM;
}

/* A row of n cells, those of old (may be NULL) first, without text. */
static struct costrow *row_copy(const struct costrow *old, size_t n)
{
	struct costrow *row = costrow_new(n);

	if (row && old) {
		memcpy(row->cost, old->cost, old->n * sizeof(old->cost[0]));
		row->set = old->set;
	}
	return row;
}

/* A row that only got wider says what it said: text and hash go along. */
static enum rc text_along(struct row *to, const struct row *from)
{
	if (!from->text)
		return RC_OK;
	to->text = malloc(from->text_len + 1);
	if (!to->text)
		return RC_ENOMEM;
	memcpy(to->text, from->text, from->text_len);
	to->text[from->text_len] = '\0';
	to->text_len = from->text_len;
	memcpy(to->leaf, from->leaf, sizeof(to->leaf));
	return RC_OK;
}

/* What old says, under the new names. */
static enum rc row_move(struct cost_patch *w, const struct costrow *old,
                        struct costrow **at)
{
	struct costrow *row = costrow_new(w->width);

	if (!row)
		return RC_ENOMEM;
	*at = row;
	row->set = old->set;
	for (size_t i = 0; i < old->n; i++)
		if (w->move[i] != NOWHERE)
			row->cost[w->move[i]] = old->cost[i];
	return text_along(&row->row, &old->row);
}

static enum rc cells_fit(const struct cost_patch *w, size_t rows)
{
	if (w->width == 0 || rows <= COSTMAP_CELLS_MAX / w->width)
		return RC_OK;
	return diag_set(w->diag, RC_ELIMIT, "%zu rows of %zu cells: over %u",
	                rows, w->width, COSTMAP_CELLS_MAX);
}

static enum rc rows_keep(struct cost_patch *w)
{
	size_t n = costmap_pids(w->base), rows = 0;
	enum rc rc;

	for (size_t i = 0; i < n; i++)
		rows += costmap_row(w->base, i) != NULL;
	rc = cells_fit(w, rows);
	for (size_t i = 0; rc == RC_OK && i < n; i++) {
		struct costrow *row = costmap_row(w->base, i);

		if (!row)
			continue;
		if (w->move) {
			rc = row_move(w, row, &w->rows[w->move[i]]);
		} else {
			row_ref(&row->row);
			w->rows[i] = row;
		}
	}
	return rc;
}

static const char *name_of(const struct cost_patch *w, uint32_t num)
{
	return index_name(w->delta->names, num);
}

static enum rc cells_put(const struct cost_patch *w, struct costrow *row,
                         const struct row_delta *r)
{
	for (size_t i = r->first; i < r->first + r->n; i++) {
		const struct cell_delta *c = &w->delta->cells[i];
		double *cell = &row->cost[w->where[c->dst]];
		bool was = *cell == *cell, is = c->cost == c->cost;

		if (!was && !is)
			return diag_set(w->diag, RC_EGAP, "the cost from %s to "
			                "%s goes, but is not there",
			                name_of(w, r->src), name_of(w, c->dst));
		row->set += is;
		row->set -= was;
		*cell = c->cost;
	}
	/* The bytes would keep "src":{}, which is not the canonical form. */
	if (row->set == 0)
		return diag_set(w->diag, RC_EGAP, "the row of %s would be left "
		                "empty; it must go", name_of(w, r->src));
	return RC_OK;
}

static enum rc row_patch(struct cost_patch *w, const struct row_delta *r)
{
	struct costrow **at = &w->rows[w->where[r->src]], *old = *at, *row;
	enum rc rc;

	if (r->gone) {
		if (!old)
			return diag_set(w->diag, RC_EGAP, "the row of %s goes, "
			                "but is not there", name_of(w, r->src));
		row_unref(&old->row);
		*at = NULL;
		return RC_OK;
	}
	row = row_copy(old, w->width);
	if (!row)
		return RC_ENOMEM;
	rc = cells_put(w, row, r);
	if (rc != RC_OK) {
		row_unref(&row->row);
		return rc;
	}
	*at = row;
	if (old)
		row_unref(&old->row);
	return RC_OK;
}

static enum rc cost_patch_end(const struct cost_patch *w, struct costmap **out)
{
	struct costmeta meta = *costmap_meta(w->base);
	size_t rows = 0;
	enum rc rc;

	for (size_t i = 0; i < w->width; i++)
		rows += w->rows[i] != NULL;
	rc = cells_fit(w, rows);
	if (rc != RC_OK)
		return rc;
	if (w->delta->net_tag[0])
		memcpy(meta.net.tag, w->delta->net_tag, sizeof(meta.net.tag));
	return costmap_from_rows(&meta, w->names, w->rows, out);
}

enum rc patch_cost(const struct costmap *base, const struct cost_delta *delta,
                   struct costmap **out, struct diag *d)
{
	struct cost_patch w = { .base = base, .delta = delta, .diag = d };
	enum rc rc;

	rc = cost_patch_open(&w);
	if (rc == RC_OK)
		rc = rows_keep(&w);
	for (size_t i = 0; rc == RC_OK && i < delta->n_rows; i++)
		rc = row_patch(&w, &delta->rows[i]);
	if (rc == RC_OK)
		rc = cost_patch_end(&w, out);
	for (size_t i = 0; w.rows && i < w.width; i++)
		if (w.rows[i])
			row_unref(&w.rows[i]->row);
	free(w.rows);
	free(w.where);
	free(w.move);
	index_unref(w.names);
	return rc;
}
