#include "common/core/netmap.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/vtag.h"

/* Where the PIDs are few and the prefixes many: one array for all, and for each
 * PID where its part begins. */
struct netbuild {
	struct index *names;
	struct prefix *p;
	size_t n, cap;
	size_t *begin;
	size_t begin_cap;
	size_t repeats;
};

struct netmap {
	atomic_uint refs;
	struct index *names;
	size_t pids;
	size_t prefixes;
	struct netrow *rows[];
};

enum rc netbuild_new(struct netbuild **out)
{
	struct netbuild *b = calloc(1, sizeof(*b));
	enum rc rc;

	if (!b)
		return RC_ENOMEM;
	rc = index_new(NETMAP_PIDS_MAX, &b->names);
	if (rc != RC_OK) {
		free(b);
		return rc;
	}
	*out = b;
	return RC_OK;
}

void netbuild_free(struct netbuild *b)
{
	if (!b)
		return;
	index_unref(b->names);
	free(b->p);
	free(b->begin);
	free(b);
}

/* Doubles an array when it is full. */
static enum rc make_room(void **array, size_t n, size_t *cap, size_t size)
{
	size_t next = *cap ? *cap * 2 : 64;
	void *p;

	if (n < *cap)
		return RC_OK;
	p = realloc(*array, next * size);
	if (!p)
		return RC_ENOMEM;
	*array = p;
	*cap = next;
	return RC_OK;
}

enum rc netbuild_pid(struct netbuild *b, const char *name, size_t len,
                     struct diag *d)
{
	void *begin = b->begin;
	uint32_t num;
	bool added;
	enum rc rc;

	if (!pid_ok(name, len))
		return diag_set(d, RC_ERULE, "no PID name: 1 to %d of A-Z a-z "
		                "0-9 - : @ _ are allowed, \".\" is reserved "
		                "(RFC 7285 s10.1)", ID_MAX);
	rc = make_room(&begin, index_count(b->names), &b->begin_cap,
	               sizeof(*b->begin));
	b->begin = begin;
	if (rc == RC_OK)
		rc = index_add(b->names, name, len, &num, &added);
	if (rc == RC_ELIMIT)
		diag_set(d, rc, "more than %u PIDs", NETMAP_PIDS_MAX);
	if (rc != RC_OK)
		return rc;
	if (!added)
		return diag_set(d, RC_EEXIST, "PID \"%.*s\" is there twice",
		                (int)len, name);
	b->begin[num] = b->n;
	return RC_OK;
}

enum rc netbuild_prefix(struct netbuild *b, const struct prefix *p)
{
	void *array = b->p;
	enum rc rc;

	if (!index_count(b->names))
		return RC_EINVAL;
	if (b->n >= NETMAP_PREFIXES_MAX)
		return RC_ELIMIT;
	rc = make_room(&array, b->n, &b->cap, sizeof(*b->p));
	b->p = array;
	if (rc == RC_OK)
		b->p[b->n++] = *p;
	return rc;
}

size_t netbuild_repeats(const struct netbuild *b)
{
	return b->repeats;
}

struct netrow *netrow_new(const struct prefix *p4, size_t n4,
                          const struct prefix *p6, size_t n6)
{
	struct netrow *r;

	r = row_new(sizeof(*r) + (n4 + n6) * sizeof(r->p[0]));
	if (!r)
		return NULL;
	r->n4 = n4;
	r->n6 = n6;
	if (n4)
		memcpy(r->p, p4, n4 * sizeof(*p4));
	if (n6)
		memcpy(r->p + n4, p6, n6 * sizeof(*p6));
	return r;
}

static int cmp_prefixes(const void *a, const void *b)
{
	return prefix_cmp(a, b);
}

/* Sorts in place and drops repeats. Most input is sorted already. */
static size_t sort_unique(struct prefix *p, size_t n)
{
	size_t kept = 0, i = 1;

	while (i < n && prefix_cmp(&p[i - 1], &p[i]) < 0)
		i++;
	if (i >= n)
		return n;
	qsort(p, n, sizeof(*p), cmp_prefixes);
	for (i = 0; i < n; i++)
		if (!kept || prefix_cmp(&p[kept - 1], &p[i]) != 0)
			p[kept++] = p[i];
	return kept;
}

static size_t count_ipv4(const struct prefix *p, size_t n)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (p[mid].family == FAMILY_IPV4)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* base's row of this name when it has these very prefixes, else a new one. */
static struct netrow *share_or_new(const struct netmap *base, const char *name,
                                   size_t len, const struct prefix *p,
                                   size_t n)
{
	size_t n4 = count_ipv4(p, n);
	uint32_t num;

	if (base && index_find(base->names, name, len, &num)) {
		struct netrow *r = base->rows[num];

		if (r->n4 == n4 && r->n6 == n - n4 &&
		    (!n || memcmp(r->p, p, n * sizeof(*p)) == 0)) {
			row_ref(&r->row);
			return r;
		}
	}
	return netrow_new(p, n4, p + n4, n - n4);
}

static void unref_rows(struct netrow **rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i])
			row_unref(&rows[i]->row);
	free(rows);
}

/* One row for each PID, PID i's at rows[move[i]]. */
static enum rc make_rows(struct netbuild *b, const struct netmap *base,
                         const uint32_t *move, struct netrow **rows)
{
	size_t pids = index_count(b->names);

	b->repeats = 0;
	for (uint32_t i = 0; i < pids; i++) {
		size_t end = i + 1 < pids ? b->begin[i + 1] : b->n;
		size_t had = end - b->begin[i];
		struct prefix none, *p = had ? b->p + b->begin[i] : &none;
		size_t n = had ? sort_unique(p, had) : 0;
		struct netrow *r;

		b->repeats += had - n;
		r = share_or_new(base, index_name(b->names, i),
		                 index_name_len(b->names, i), p, n);
		if (!r)
			return RC_ENOMEM;
		rows[move[i]] = r;
	}
	return RC_OK;
}

/* A prefix as a number, the address left-aligned in 128 bits, so that both
 * families sort and cover by the same arithmetic. */
struct claim {
	uint64_t high, low;
	uint32_t len;
	uint32_t pid;
};

static uint64_t word(const uint8_t *p)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return v;
}

static int cmp_claims(const void *va, const void *vb)
{
	const struct claim *a = va, *b = vb;

	if (a->high != b->high)
		return a->high < b->high ? -1 : 1;
	if (a->low != b->low)
		return a->low < b->low ? -1 : 1;
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return (a->pid > b->pid) - (a->pid < b->pid);
}

static struct claim *gather(struct netrow *const *rows, size_t pids,
                            enum family f, size_t n)
{
	struct claim *all = malloc((n + 1) * sizeof(*all)), *c = all;

	if (!all)
		return NULL;
	for (size_t i = 0; i < pids; i++) {
		const struct netrow *r = rows[i];
		size_t from = f == FAMILY_IPV4 ? 0 : r->n4;
		size_t to = f == FAMILY_IPV4 ? r->n4 : r->n4 + r->n6;

		for (size_t k = from; k < to; k++, c++) {
			c->high = word(r->p[k].addr);
			c->low = word(r->p[k].addr + 8);
			c->len = r->p[k].len;
			c->pid = (uint32_t)i;
		}
	}
	qsort(all, n, sizeof(*all), cmp_claims);
	return all;
}

static void print_claim(const struct claim *c, enum family f, bool with_len,
                        char out[PREFIX_TEXT_MAX + 1])
{
	struct prefix p = { .len = (uint8_t)c->len, .family = (uint8_t)f };

	for (int i = 0; i < 8; i++) {
		p.addr[i] = (uint8_t)(c->high >> (56 - 8 * i));
		p.addr[8 + i] = (uint8_t)(c->low >> (56 - 8 * i));
	}
	if (f == FAMILY_IPV4)
		memset(p.addr + 4, 0, 12);
	prefix_print(&p, out);
	if (!with_len)
		*strchr(out, '/') = '\0';
}

static enum rc check_once(const struct claim *c, size_t n, enum family f,
                          const struct index *names, struct diag *d)
{
	char text[PREFIX_TEXT_MAX + 1];

	for (size_t i = 1; i < n; i++) {
		if (c[i - 1].high != c[i].high || c[i - 1].low != c[i].low ||
		    c[i - 1].len != c[i].len)
			continue;
		print_claim(&c[i], f, true, text);
		return diag_set(d, RC_ERULE, "%s is in both \"%s\" and \"%s\" "
		                "(RFC 7285 s5.2: a prefix belongs to one PID)",
		                text, index_name(names, c[i - 1].pid),
		                index_name(names, c[i].pid));
	}
	return RC_OK;
}

/* Moves *next behind the last address of c; false when there is none. */
static bool step_over(const struct claim *c, struct claim *next)
{
	uint64_t high = c->high, low = c->low;

	high |= c->len >= 64 ? 0 : UINT64_MAX >> c->len;
	low |= c->len <= 64 ? UINT64_MAX :
	       c->len >= 128 ? 0 : UINT64_MAX >> (c->len - 64);
	if (high < next->high || (high == next->high && low < next->low))
		return true;		/* inside what is covered */
	next->low = low + 1;
	next->high = high + (next->low == 0);
	return next->low || next->high;
}

static enum rc gap(struct claim *from, struct claim *to, enum family f,
                   struct diag *d)
{
	char first[PREFIX_TEXT_MAX + 1], last[PREFIX_TEXT_MAX + 1];

	to->high -= to->low == 0;	/* the address before */
	to->low--;
	print_claim(from, f, false, first);
	print_claim(to, f, false, last);
	return diag_set(d, RC_ERULE, "%s prefixes do not cover %s - %s; add "
	                "%s to a PID (RFC 7285 s10.4: each address of a "
	                "family in the map has a PID)",
	                f == FAMILY_IPV4 ? "IPv4" : "IPv6", first, last,
	                f == FAMILY_IPV4 ? "0.0.0.0/0" : "::/0");
}

/* Ascending by address, then length: who contains comes before. */
static enum rc check_cover(const struct claim *c, size_t n, enum family f,
                           struct diag *d)
{
	struct claim next = { 0 }, end = { 0 };

	for (size_t i = 0; i < n; i++) {
		end = c[i];
		if (c[i].high > next.high ||
		    (c[i].high == next.high && c[i].low > next.low))
			return gap(&next, &end, f, d);
		if (!step_over(&c[i], &next))
			return RC_OK;
	}
	end.high = end.low = 0;		/* one behind the last address of all */
	return gap(&next, &end, f, d);
}

static enum rc check_family(struct netrow *const *rows,
                            const struct index *names, enum family f,
                            struct diag *d)
{
	size_t n = 0, pids = index_count(names);
	struct claim *all;
	enum rc rc;

	for (size_t i = 0; i < pids; i++)
		n += f == FAMILY_IPV4 ? rows[i]->n4 : rows[i]->n6;
	if (!n)
		return RC_OK;
	all = gather(rows, pids, f, n);
	if (!all)
		return RC_ENOMEM;
	rc = check_once(all, n, f, names, d);
	if (rc == RC_OK)
		rc = check_cover(all, n, f, d);
	free(all);
	return rc;
}

/* The names in order: base's table when it is the same. */
static enum rc sort_names(const struct netbuild *b, const struct netmap *base,
                          struct index **names, uint32_t *move)
{
	struct index *sorted;
	enum rc rc;

	rc = index_sorted(b->names, &sorted, move);
	if (rc != RC_OK)
		return rc;
	*names = sorted;
	if (base && index_equal(base->names, sorted)) {
		*names = index_ref(base->names);
		index_unref(sorted);
	}
	return RC_OK;
}

static enum rc build(struct netbuild *b, const struct netmap *base,
                     struct netmap **out, struct diag *d)
{
	size_t pids = index_count(b->names);
	struct index *names = NULL;
	uint32_t *move = malloc((pids + 1) * sizeof(*move));
	struct netrow **rows = calloc(pids + 1, sizeof(struct netrow *));
	enum rc rc = move && rows ? RC_OK : RC_ENOMEM;

	if (rc == RC_OK)
		rc = sort_names(b, base, &names, move);
	if (rc == RC_OK)
		rc = make_rows(b, base, move, rows);
	if (rc == RC_OK)
		rc = check_family(rows, names, FAMILY_IPV4, d);
	if (rc == RC_OK)
		rc = check_family(rows, names, FAMILY_IPV6, d);
	if (rc == RC_OK)
		rc = netmap_from_rows(names, rows, out);

	if (rows)
		unref_rows(rows, pids);
	index_unref(names);
	free(move);
	return rc;
}

enum rc netbuild_end(struct netbuild *b, const struct netmap *base,
                     struct netmap **out, struct diag *d)
{
	struct index *empty = NULL;
	struct netmap *m = NULL;
	enum rc rc;

	rc = index_new(NETMAP_PIDS_MAX, &empty);
	if (rc == RC_OK)
		rc = build(b, base, &m, d);
	if (!empty)
		return rc;
	index_unref(b->names);
	b->names = empty;
	free(b->p);
	b->p = NULL;
	b->n = b->cap = 0;
	if (rc == RC_OK)
		*out = m;
	return rc;
}

enum rc netmap_from_rows(struct index *names, struct netrow *const *rows,
                         struct netmap **out)
{
	size_t pids = index_count(names);
	struct netmap *m;

	m = calloc(1, sizeof(*m) + pids * sizeof(m->rows[0]));
	if (!m)
		return RC_ENOMEM;
	atomic_init(&m->refs, 1);
	m->names = index_ref(names);
	m->pids = pids;
	for (size_t i = 0; i < pids; i++) {
		row_ref(&rows[i]->row);
		m->rows[i] = rows[i];
		m->prefixes += rows[i]->n4 + rows[i]->n6;
	}
	*out = m;
	return RC_OK;
}

size_t netmap_pids(const struct netmap *m)
{
	return m->pids;
}

size_t netmap_prefixes(const struct netmap *m)
{
	return m->prefixes;
}

struct index *netmap_names(const struct netmap *m)
{
	return m->names;
}

struct netrow *netmap_row(const struct netmap *m, size_t pid)
{
	return m->rows[pid];
}

struct netmap *netmap_ref(struct netmap *m)
{
	atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
	return m;
}

void netmap_unref(struct netmap *m)
{
	if (!m || atomic_fetch_sub_explicit(&m->refs, 1,
	                                    memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < m->pids; i++)
		row_unref(&m->rows[i]->row);
	index_unref(m->names);
	free(m);
}
