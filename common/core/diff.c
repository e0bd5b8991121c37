#include "common/core/diff.h"

#include <stdlib.h>
#include <string.h>

#define NOWHERE UINT32_MAX
#define LANES 8			/* cells compared at a time */

/* Two sorted tables side by side: below 0, the next name stands in a alone,
 * above 0, in b alone. At the end of both nobody asks. */
static int next_name(const struct index *a, size_t i, const struct index *b,
                     size_t j)
{
	if (i == index_count(a))
		return 1;
	if (j == index_count(b))
		return -1;
	return strcmp(index_name(a, (uint32_t)i), index_name(b, (uint32_t)j));
}

/* Network maps. Two forms compete: a merge patch, in which a changed family
 * stands whole, and a JSON Patch, in which each is edited or whole. What an
 * entry costs as text is counted here, the comma after it included. */

#define TEXT(s) ((long)sizeof(s) - 1)

static const long merge_frame =
	TEXT("{\"meta\":{\"vtag\":{\"tag\":}},\"network-map\":{}}");
static const long merge_gone = TEXT("\"\":null,");
static const long merge_new = TEXT("\"\":,");
static const long merge_pid = TEXT("\"\":{},") - 1;	/* - 1: the families' */
static const long merge_family = TEXT("\"ipv4\":,");
static const long null_text = TEXT("null");

static const long json_frame =
	TEXT("[{\"op\":\"replace\",\"path\":\"/meta/vtag/tag\",\"value\":},]");
static const long json_gone =
	TEXT("{\"op\":\"remove\",\"path\":\"/network-map/\"},");
static const long json_new =
	TEXT("{\"op\":\"add\",\"path\":\"/network-map/\",\"value\":},");
static const long json_family =
	TEXT("{\"op\":\"add\",\"path\":\"/network-map//ipv4\",\"value\":},");
static const long json_family_gone =
	TEXT("{\"op\":\"remove\",\"path\":\"/network-map//ipv4\"},");
static const long json_put = TEXT("{\"op\":\"add\",\"path\":"
	"\"/network-map//ipv4/\",\"value\":\"\"},");
static const long json_remove =
	TEXT("{\"op\":\"remove\",\"path\":\"/network-map//ipv4/\"},");

struct span {
	const struct prefix *p;
	size_t n;
};

struct net_diff {
	const struct netmap *from, *to;
	struct net_delta *d;
	struct delta_count count;
	long saved;		/* bytes, by JSON Patch over merge patch */
};

static struct span family_of(const struct netrow *r, enum family f)
{
	return f == FAMILY_IPV4 ? (struct span){ r->p, r->n4 } :
	                          (struct span){ r->p + r->n4, r->n6 };
}

static bool span_equal(struct span a, struct span b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (prefix_cmp(&a.p[i], &b.p[i]) != 0)
			return false;
	return true;
}

static long digits(uint32_t v)
{
	long n = 1;

	for (; v >= 10; v /= 10)
		n++;
	return n;
}

static long prefix_text(const struct prefix *p)
{
	char text[PREFIX_TEXT_MAX + 1];

	return (long)prefix_print(p, text);
}

/* ["..",".."]; not for an empty one. */
static long array_text(struct span s)
{
	long n = TEXT("[]") - 1;

	for (size_t i = 0; i < s.n; i++)
		n += TEXT("\"\",") + prefix_text(&s.p[i]);
	return n;
}

static long edit_text(const struct family_delta *f, long pid_len)
{
	long n = 0;

	for (size_t i = 0; i < f->n_removed; i++)
		n += json_remove + pid_len + digits(f->removed[i]);
	for (size_t i = 0; i < f->n_put; i++)
		n += json_put + pid_len + digits(f->place[i]) +
		     prefix_text(&f->put[i]);
	return n;
}

static void family_clear(struct family_delta *f)
{
	free(f->removed);
	free(f->place);
	free(f->put);
	*f = (struct family_delta){ .how = FAMILY_SAME };
}

static enum rc family_whole(struct family_delta *f, struct span to)
{
	enum rc rc = RC_OK;

	family_clear(f);
	f->how = FAMILY_WHOLE;
	for (size_t i = 0; rc == RC_OK && i < to.n; i++)
		rc = family_delta_put(f, 0, &to.p[i]);
	return rc;
}

static enum rc family_edit(struct family_delta *f, struct span from,
                           struct span to)
{
	size_t i = 0, j = 0;
	enum rc rc = RC_OK;

	f->how = FAMILY_EDIT;
	while (rc == RC_OK && (i < from.n || j < to.n)) {
		int c = i == from.n ? 1 : j == to.n ? -1 :
		        prefix_cmp(&from.p[i], &to.p[j]);

		if (c < 0)
			rc = family_delta_remove(f, (uint32_t)i);
		else if (c > 0)
			rc = family_delta_put(f, (uint32_t)j, &to.p[j]);
		i += c <= 0;
		j += c >= 0;
	}
	for (size_t k = 0; k < f->n_removed / 2; k++) {
		size_t other = f->n_removed - 1 - k;
		uint32_t swap = f->removed[k];

		f->removed[k] = f->removed[other];
		f->removed[other] = swap;
	}
	return rc;
}

/* A family that differs: as an edit if that is the shorter one. An edit to
 * nothing is none: the family goes. */
static enum rc family_diff(struct net_diff *w, struct pid_delta *p,
                           enum family which, struct span from, struct span to)
{
	struct family_delta *f = &p->family[which];
	long pid_len = (long)strlen(p->pid), value, edit, whole;
	enum rc rc;

	rc = family_edit(f, from, to);
	if (rc != RC_OK)
		return rc;
	w->count.prefixes_removed += f->n_removed;
	w->count.prefixes_added += f->n_put;

	value = to.n ? array_text(to) : null_text;
	whole = pid_len + (to.n ? json_family + value : json_family_gone);
	edit = edit_text(f, pid_len);
	w->saved += merge_family + value;
	if (from.n == 0 || to.n == 0 || whole <= edit) {
		w->saved -= whole;
		return family_whole(f, to);
	}
	w->saved -= edit;
	return RC_OK;
}

static struct pid_delta *pid_add(struct net_diff *w, const struct index *names,
                                 size_t pid)
{
	uint32_t num = (uint32_t)pid;

	return net_delta_add(w->d, index_name(names, num),
	                     index_name_len(names, num));
}

static enum rc pid_gone(struct net_diff *w, size_t pid)
{
	const struct netrow *row = netmap_row(w->from, pid);
	struct pid_delta *p = pid_add(w, netmap_names(w->from), pid);

	if (!p)
		return RC_ENOMEM;
	p->gone = true;
	w->count.pids_removed++;
	w->count.prefixes_removed += row->n4 + row->n6;
	w->saved += merge_gone - json_gone;
	return RC_OK;
}

static enum rc pid_new(struct net_diff *w, size_t pid)
{
	const struct netrow *row = netmap_row(w->to, pid);
	struct pid_delta *p = pid_add(w, netmap_names(w->to), pid);
	enum rc rc = RC_OK;

	if (!p)
		return RC_ENOMEM;
	p->fresh = true;
	w->count.pids_added++;
	w->count.prefixes_added += row->n4 + row->n6;
	w->saved += merge_new - json_new;
	for (enum family f = FAMILY_IPV4; f <= FAMILY_IPV6; f++) {
		struct span to = family_of(row, f);

		if (rc == RC_OK && to.n)
			rc = family_whole(&p->family[f], to);
	}
	return rc;
}

static enum rc pid_both(struct net_diff *w, size_t i, size_t j)
{
	const struct netrow *a = netmap_row(w->from, i);
	const struct netrow *b = netmap_row(w->to, j);
	struct pid_delta *p = NULL;
	enum rc rc = RC_OK;

	if (a == b)
		return RC_OK;
	for (enum family f = FAMILY_IPV4; f <= FAMILY_IPV6; f++) {
		struct span from = family_of(a, f), to = family_of(b, f);

		if (rc != RC_OK || span_equal(from, to))
			continue;
		if (!p) {
			p = pid_add(w, netmap_names(w->to), j);
			if (!p)
				return RC_ENOMEM;
			w->saved += merge_pid + (long)strlen(p->pid);
		}
		rc = family_diff(w, p, f, from, to);
	}
	return rc;
}

/* The merge patch won: nothing is edited in place. */
static enum rc all_whole(struct net_diff *w)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < w->d->n; i++) {
		struct pid_delta *p = &w->d->pids[i];
		uint32_t num;

		if (p->gone || p->fresh || !index_find(netmap_names(w->to),
		    p->pid, strlen(p->pid), &num))
			continue;
		for (enum family f = FAMILY_IPV4; f <= FAMILY_IPV6; f++)
			if (rc == RC_OK && p->family[f].how == FAMILY_EDIT)
				rc = family_whole(&p->family[f],
				        family_of(netmap_row(w->to, num), f));
	}
	return rc;
}

enum rc diff_net(const struct netmap *from, const struct netmap *to,
                 struct net_delta **out, struct delta_count *count)
{
	struct net_diff w = {
		.from = from, .to = to, .saved = merge_frame - json_frame
	};
	const struct index *a = netmap_names(from), *b = netmap_names(to);
	size_t i = 0, j = 0;
	enum rc rc = RC_OK;

	w.d = calloc(1, sizeof(*w.d));
	if (!w.d)
		return RC_ENOMEM;
	while (rc == RC_OK && (i < index_count(a) || j < index_count(b))) {
		int c = next_name(a, i, b, j);

		rc = c < 0 ? pid_gone(&w, i) :
		     c > 0 ? pid_new(&w, j) : pid_both(&w, i, j);
		i += c <= 0;
		j += c >= 0;
	}
	if (rc == RC_OK && w.saved <= 0)
		rc = all_whole(&w);
	if (rc != RC_OK) {
		net_delta_free(w.d);
		return rc;
	}
	if (count)
		*count = w.count;
	*out = w.d;
	return RC_OK;
}

/* Cost maps. Both are seen under the names of either; when these are the same,
 * as they nearly always are, a row is looked at where it lies. */
struct view {
	const struct costmap *map;
	uint32_t *there;	/* number in the map -> in both; NULL: same */
	uint32_t *here;		/* number in both -> in the map, or NOWHERE */
	double *wide;		/* a row under the names of both */
};

struct cost_diff {
	struct cost_delta *d;
	struct view from, to;
	struct delta_count count;
	size_t names;		/* of both */
	size_t room;		/* cells that fit into d */
};

static void view_free(struct view *v)
{
	free(v->there);
	free(v->here);
	free(v->wide);
}

static enum rc view_maps(struct view *v, size_t both)
{
	v->there = malloc((costmap_pids(v->map) + 1) * sizeof(*v->there));
	v->here = malloc((both + 1) * sizeof(*v->here));
	return v->there && v->here ? RC_OK : RC_ENOMEM;
}

static void view_set(struct view *v, size_t here, uint32_t both, bool has)
{
	v->here[both] = has ? (uint32_t)here : NOWHERE;
	if (has)
		v->there[here] = both;
}

/* The names of either map, ascending, and where each stands in both. */
static enum rc names_of_both(struct cost_diff *w)
{
	const struct index *a = costmap_names(w->from.map);
	const struct index *b = costmap_names(w->to.map);
	size_t max = index_count(a) + index_count(b), i = 0, j = 0;
	enum rc rc;

	rc = index_new(max, &w->d->names);
	if (rc == RC_OK)
		rc = view_maps(&w->from, max);
	if (rc == RC_OK)
		rc = view_maps(&w->to, max);
	while (rc == RC_OK && (i < index_count(a) || j < index_count(b))) {
		int c = next_name(a, i, b, j);
		const struct index *ix = c <= 0 ? a : b;
		uint32_t k = (uint32_t)(c <= 0 ? i : j), both;

		rc = index_add(w->d->names, index_name(ix, k),
		               index_name_len(ix, k), &both, NULL);
		if (rc != RC_OK)
			break;
		view_set(&w->from, i, both, c <= 0);
		view_set(&w->to, j, both, c >= 0);
		i += c <= 0;
		j += c >= 0;
	}
	return rc;
}

static enum rc cost_diff_open(struct cost_diff *w)
{
	enum rc rc = RC_OK;

	w->d = calloc(1, sizeof(*w->d));
	if (!w->d)
		return RC_ENOMEM;
	if (index_equal(costmap_names(w->from.map), costmap_names(w->to.map)))
		w->d->names = index_ref(costmap_names(w->from.map));
	else
		rc = names_of_both(w);
	if (rc != RC_OK)
		return rc;
	w->names = index_count(w->d->names);
	w->from.wide = malloc((w->names + 1) * sizeof(double));
	w->to.wide = malloc((w->names + 1) * sizeof(double));
	w->d->rows = malloc((w->names + 1) * sizeof(*w->d->rows));
	return w->from.wide && w->to.wide && w->d->rows ? RC_OK : RC_ENOMEM;
}

/* NULL: this source has no cost. */
static const struct costrow *view_row(const struct view *v, size_t both)
{
	const struct costrow *row;
	size_t num = v->here ? v->here[both] : both;

	if (num == NOWHERE)
		return NULL;
	row = costmap_row(v->map, num);
	return row && row->set ? row : NULL;
}

static const double *view_cells(struct view *v, const struct costrow *row,
                                size_t n)
{
	if (row && !v->there)
		return row->cost;
	for (size_t i = 0; i < n; i++)
		v->wide[i] = COST_NONE;
	for (size_t i = 0; row && i < row->n; i++)
		v->wide[v->there[i]] = row->cost[i];
	return v->wide;
}

static uint64_t bits(double v)
{
	uint64_t u;

	memcpy(&u, &v, sizeof(u));
	return u;
}

/* Lists the cells that differ; out has room for n. Most blocks are equal, and
 * a block costs one branch; inside of one that is not, appending costs none. */
static size_t cells_that_differ(const double *a, const double *b, size_t n,
                                struct cell_delta *out)
{
	size_t k = 0, j = 0;

	while (j < n) {
		size_t end = n - j < LANES ? n : j + LANES;
		uint64_t differ = end - j < LANES;

		if (!differ)
			for (size_t l = 0; l < LANES; l++)
				differ |= bits(a[j + l]) ^ bits(b[j + l]);
		if (!differ) {
			j = end;
			continue;
		}
		for (; j < end; j++) {
			out[k].dst = (uint32_t)j;
			out[k].cost = b[j];
			k += bits(a[j]) != bits(b[j]);
		}
	}
	return k;
}

static enum rc cells_room(struct cost_diff *w, size_t n)
{
	size_t want = w->d->n_cells + n, cap = w->room * 2;
	struct cell_delta *p;

	if (want <= w->room)
		return RC_OK;
	if (want > DELTA_OPS_MAX)
		return RC_ELIMIT;
	if (cap < want)
		cap = want;
	p = realloc(w->d->cells, cap * sizeof(*p));
	if (!p)
		return RC_ENOMEM;
	w->d->cells = p;
	w->room = cap;
	return RC_OK;
}

static void cells_count(struct delta_count *c, const double *from,
                        const struct cell_delta *cells, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (from[cells[i].dst] != from[cells[i].dst])
			c->cells_added++;
		else if (cells[i].cost != cells[i].cost)
			c->cells_removed++;
		else
			c->cells_changed++;
	}
}

static enum rc row_diff(struct cost_diff *w, size_t src)
{
	const struct costrow *a = view_row(&w->from, src);
	const struct costrow *b = view_row(&w->to, src);
	struct cost_delta *d = w->d;
	struct row_delta row = { .src = (uint32_t)src, .first = d->n_cells };
	const double *from, *to;
	enum rc rc;

	/* One row can be in both maps and mean two things: its cells are
	 * numbered by the map it is in. */
	if ((a == b && !w->from.there) || (!a && !b))
		return RC_OK;
	if (!b) {
		row.gone = true;
		w->count.cells_removed += a->set;
		d->rows[d->n_rows++] = row;
		return RC_OK;
	}
	rc = cells_room(w, w->names);
	if (rc != RC_OK)
		return rc;
	from = view_cells(&w->from, a, w->names);
	to = view_cells(&w->to, b, w->names);
	row.n = cells_that_differ(from, to, w->names, d->cells + row.first);
	if (row.n == 0)
		return RC_OK;
	cells_count(&w->count, from, d->cells + row.first, row.n);
	d->n_cells += row.n;
	d->rows[d->n_rows++] = row;
	return RC_OK;
}

enum rc diff_cost(const struct costmap *from, const struct costmap *to,
                  struct cost_delta **out, struct delta_count *count)
{
	struct cost_diff w = { .from.map = from, .to.map = to };
	enum rc rc;

	rc = cost_diff_open(&w);
	for (size_t src = 0; rc == RC_OK && src < w.names; src++)
		rc = row_diff(&w, src);
	if (rc != RC_OK)
		goto out;
	if (count)
		*count = w.count;
	*out = w.d;
	w.d = NULL;
out:
	cost_delta_free(w.d);
	view_free(&w.from);
	view_free(&w.to);
	return rc;
}
