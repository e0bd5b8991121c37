/* Two maps to a delta, and a map and a delta to a map. Maps are written as
 * "pid=prefix,prefix;pid=..." and "src:dst=cost,dst=cost;src:...". */
#include "common/core/delta.h"
#include "common/core/diff.h"
#include "common/core/patch.h"

#include "tests/suite.h"

static struct netmap *net(const char *spec)
{
	struct netbuild *b = NULL;
	struct netmap *m = NULL;
	struct diag d;

	diag_clear(&d);
	CU_ASSERT_EQUAL_FATAL(netbuild_new(&b), RC_OK);
	while (*spec) {
		size_t name = strcspn(spec, "=");

		CU_ASSERT_EQUAL_FATAL(netbuild_pid(b, spec, name, &d), RC_OK);
		for (spec += name + 1; *spec && *spec != ';';) {
			size_t len = strcspn(spec, ",;");
			struct prefix p;

			CU_ASSERT_EQUAL_FATAL(prefix_read(spec, len,
			        memchr(spec, ':', len) ? FAMILY_IPV6 :
			        FAMILY_IPV4, &p, &d), RC_OK);
			CU_ASSERT_EQUAL_FATAL(netbuild_prefix(b, &p), RC_OK);
			spec += len;
			spec += *spec == ',';
		}
		spec += *spec == ';';
	}
	CU_ASSERT_EQUAL_FATAL(netbuild_end(b, NULL, &m, &d), RC_OK);
	netbuild_free(b);
	return m;
}

static struct costmap *cost(const char *spec)
{
	struct costmeta meta = { "routingcost", "numerical", { "net", "t1" } };
	struct costbuild *b = NULL;
	struct costmap *m = NULL;

	CU_ASSERT_EQUAL_FATAL(costbuild_new(&b), RC_OK);
	while (*spec) {
		size_t name = strcspn(spec, ":");

		CU_ASSERT_EQUAL_FATAL(costbuild_row(b, spec, name), RC_OK);
		for (spec += name + 1; *spec && *spec != ';';) {
			size_t dst = strcspn(spec, "=");
			char *end;
			double v = strtod(spec + dst + 1, &end);

			CU_ASSERT_EQUAL_FATAL(costbuild_cell(b, spec, dst, v),
			                      RC_OK);
			spec = end + (*end == ',');
		}
		spec += *spec == ';';
	}
	CU_ASSERT_EQUAL_FATAL(costbuild_end(b, &meta, NULL, &m), RC_OK);
	costbuild_free(b);
	return m;
}

static bool nets_equal(const struct netmap *a, const struct netmap *b)
{
	if (!index_equal(netmap_names(a), netmap_names(b)) ||
	    netmap_prefixes(a) != netmap_prefixes(b))
		return false;
	for (size_t i = 0; i < netmap_pids(a); i++) {
		const struct netrow *p = netmap_row(a, i);
		const struct netrow *q = netmap_row(b, i);

		if (p->n4 != q->n4 || p->n6 != q->n6)
			return false;
		for (size_t k = 0; k < p->n4 + p->n6; k++)
			if (prefix_cmp(&p->p[k], &q->p[k]) != 0)
				return false;
	}
	return true;
}

/* By what they say: a name without a cost is none. */
static size_t cells_of_in(const struct costmap *a, const struct costmap *b)
{
	size_t same = 0;

	for (uint32_t s = 0; s < costmap_pids(a); s++) {
		const struct costrow *row = costmap_row(a, s), *other;
		uint32_t bs, bd;

		if (!row || !index_find(costmap_names(b),
		    index_name(costmap_names(a), s),
		    index_name_len(costmap_names(a), s), &bs) ||
		    !(other = costmap_row(b, bs)))
			continue;
		for (uint32_t d = 0; d < row->n; d++)
			same += row->cost[d] == row->cost[d] &&
			        index_find(costmap_names(b),
			                index_name(costmap_names(a), d),
			                index_name_len(costmap_names(a), d),
			                &bd) && row->cost[d] == other->cost[bd];
	}
	return same;
}

static bool costs_equal(const struct costmap *a, const struct costmap *b)
{
	return costmap_cells(a) == costmap_cells(b) &&
	       cells_of_in(a, b) == costmap_cells(a);
}

static struct net_delta *net_diff(const char *from, const char *to,
                                  struct delta_count *c)
{
	struct netmap *a = net(from), *b = net(to), *next = NULL;
	struct net_delta *d = NULL;

	CU_ASSERT_EQUAL_FATAL(diff_net(a, b, &d, c), RC_OK);
	CU_ASSERT_EQUAL(patch_net(a, d, &next, NULL), RC_OK);
	CU_ASSERT_TRUE(next && nets_equal(next, b));
	netmap_unref(a);
	netmap_unref(b);
	netmap_unref(next);
	return d;
}

static struct cost_delta *cost_diff(const char *from, const char *to,
                                    struct delta_count *c)
{
	struct costmap *a = cost(from), *b = cost(to), *next = NULL;
	struct cost_delta *d = NULL;

	CU_ASSERT_EQUAL_FATAL(diff_cost(a, b, &d, c), RC_OK);
	CU_ASSERT_EQUAL(patch_cost(a, d, &next, NULL), RC_OK);
	CU_ASSERT_TRUE(next && costs_equal(next, b));
	costmap_unref(a);
	costmap_unref(b);
	costmap_unref(next);
	return d;
}

#define REST ";z=0.0.0.0/0,::/0"
#define MANY "192.0.2.0/28,192.0.2.16/28,192.0.2.32/28,192.0.2.48/28," \
	"192.0.2.64/28,192.0.2.80/28,192.0.2.96/28,192.0.2.112/28," \
	"192.0.2.128/28,192.0.2.144/28,192.0.2.160/28,192.0.2.176/28"

static void equal_network_maps_give_an_empty_delta(void)
{
	struct delta_count c;
	struct net_delta *d = net_diff("a=192.0.2.0/24;b=" REST,
	                               "b=;a=192.0.2.0/24" REST, &c);

	CU_ASSERT_EQUAL(d->n, 0);
	CU_ASSERT_EQUAL(c.prefixes_added + c.prefixes_removed, 0);
	net_delta_free(d);
}

static void pids_come_and_go_in_order_of_their_names(void)
{
	struct delta_count c;
	struct net_delta *d = net_diff("b=192.0.2.0/24;d=;e=" REST,
	                               "a=;c=192.0.2.0/24,2001:db8::/32;e="
	                               REST, &c);

	CU_ASSERT_EQUAL_FATAL(d->n, 4);
	CU_ASSERT_STRING_EQUAL(d->pids[0].pid, "a");
	CU_ASSERT_TRUE(d->pids[0].fresh);
	CU_ASSERT_STRING_EQUAL(d->pids[1].pid, "b");
	CU_ASSERT_TRUE(d->pids[1].gone);
	CU_ASSERT_STRING_EQUAL(d->pids[2].pid, "c");
	CU_ASSERT_EQUAL(d->pids[2].family[0].how, FAMILY_WHOLE);
	CU_ASSERT_EQUAL(d->pids[2].family[1].n_put, 1);
	CU_ASSERT_STRING_EQUAL(d->pids[3].pid, "d");
	CU_ASSERT_EQUAL(c.pids_added, 2);
	CU_ASSERT_EQUAL(c.pids_removed, 2);
	CU_ASSERT_EQUAL(c.prefixes_added, 2);	/* one of them moved */
	CU_ASSERT_EQUAL(c.prefixes_removed, 1);
	net_delta_free(d);
}

static void a_small_family_goes_whole(void)
{
	struct net_delta *d = net_diff("a=192.0.2.0/24" REST,
	                               "a=192.0.2.0/25" REST, NULL);

	CU_ASSERT_EQUAL_FATAL(d->n, 1);
	CU_ASSERT_EQUAL(d->pids[0].family[0].how, FAMILY_WHOLE);
	CU_ASSERT_EQUAL(d->pids[0].family[0].n_put, 1);
	CU_ASSERT_EQUAL(d->pids[0].family[1].how, FAMILY_SAME);
	net_delta_free(d);
}

static void a_small_change_of_a_long_array_is_an_edit(void)
{
	struct delta_count c;
	struct net_delta *d = net_diff(
	        "a=" MANY ",203.0.113.0/24" REST,
	        "a=" MANY ",198.51.100.0/24" REST, &c);
	struct family_delta *f;

	CU_ASSERT_EQUAL_FATAL(d->n, 1);
	f = &d->pids[0].family[0];
	CU_ASSERT_EQUAL_FATAL(f->how, FAMILY_EDIT);
	CU_ASSERT_EQUAL(f->n_removed, 1);
	CU_ASSERT_EQUAL(f->removed[0], 12);
	CU_ASSERT_EQUAL(f->n_put, 1);
	CU_ASSERT_EQUAL(f->place[0], 12);
	CU_ASSERT_EQUAL(c.prefixes_added, 1);
	CU_ASSERT_EQUAL(c.prefixes_removed, 1);
	net_delta_free(d);
}

static void removals_descend_and_additions_ascend(void)
{
	struct net_delta *d = net_diff(
	        "a=10.0.0.0/8," MANY "," "203.0.113.0/24" REST,
	        "a=11.0.0.0/8," MANY "," "223.0.113.0/24" REST, NULL);
	struct family_delta *f = &d->pids[0].family[0];

	CU_ASSERT_EQUAL_FATAL(f->how, FAMILY_EDIT);
	CU_ASSERT_EQUAL_FATAL(f->n_removed, 2);
	CU_ASSERT_EQUAL(f->removed[0], 13);
	CU_ASSERT_EQUAL(f->removed[1], 0);
	CU_ASSERT_EQUAL_FATAL(f->n_put, 2);
	CU_ASSERT_EQUAL(f->place[0], 0);
	CU_ASSERT_EQUAL(f->place[1], 13);
	net_delta_free(d);
}

static void a_family_that_goes_or_comes_is_whole(void)
{
	struct net_delta *d = net_diff("a=" MANY ";b=192.0.2.192/28" REST,
	        "a=2001:db8::/32;b=192.0.2.192/28,2001:db8:1::/48" REST, NULL);

	CU_ASSERT_EQUAL_FATAL(d->n, 2);
	CU_ASSERT_EQUAL(d->pids[0].family[0].how, FAMILY_WHOLE);
	CU_ASSERT_EQUAL(d->pids[0].family[0].n_put, 0);
	CU_ASSERT_EQUAL(d->pids[0].family[1].how, FAMILY_WHOLE);
	CU_ASSERT_EQUAL(d->pids[1].family[0].how, FAMILY_SAME);
	CU_ASSERT_EQUAL(d->pids[1].family[1].n_put, 1);
	net_delta_free(d);
}

static void a_patch_shares_the_rows_it_does_not_touch(void)
{
	struct netmap *a = net("a=192.0.2.0/24;b=192.0.2.0/25" REST);
	struct netmap *b = net("a=192.0.2.0/24;b=192.0.2.0/26" REST);
	struct netmap *next = NULL;
	struct net_delta *d = NULL;

	CU_ASSERT_EQUAL_FATAL(diff_net(a, b, &d, NULL), RC_OK);
	CU_ASSERT_EQUAL_FATAL(patch_net(a, d, &next, NULL), RC_OK);
	CU_ASSERT_PTR_EQUAL(netmap_row(next, 0), netmap_row(a, 0));
	CU_ASSERT_PTR_NOT_EQUAL(netmap_row(next, 1), netmap_row(a, 1));
	CU_ASSERT_PTR_EQUAL(netmap_row(next, 2), netmap_row(a, 2));
	CU_ASSERT_PTR_EQUAL(netmap_names(next), netmap_names(a));
	net_delta_free(d);
	netmap_unref(a);
	netmap_unref(b);
	netmap_unref(next);
}

/* Applies one entry that a test filled to "a", "b" and "z". */
static enum rc net_apply(struct net_delta *d, const char *want)
{
	struct netmap *a = net("a=" MANY ";b=" REST), *next = NULL;
	struct diag why;
	enum rc rc;

	diag_clear(&why);
	rc = patch_net(a, d, &next, &why);
	CU_ASSERT_EQUAL(rc == RC_OK, next != NULL);
	CU_ASSERT_TRUE(strstr(why.text, want) != NULL);
	netmap_unref(next);
	netmap_unref(a);
	net_delta_free(d);
	return rc;
}

static struct net_delta *delta_for(const char *pid, struct pid_delta **p)
{
	struct net_delta *d = calloc(1, sizeof(*d));

	CU_ASSERT_PTR_NOT_NULL_FATAL(d);
	*p = net_delta_add(d, pid, strlen(pid));
	CU_ASSERT_PTR_NOT_NULL_FATAL(*p);
	return d;
}

static struct prefix prefix(const char *s)
{
	struct prefix p;

	CU_ASSERT_EQUAL_FATAL(prefix_read(s, strlen(s), strchr(s, ':') ?
	        FAMILY_IPV6 : FAMILY_IPV4, &p, NULL), RC_OK);
	return p;
}

static void pids_must_be_there_to_go_and_absent_to_come(void)
{
	struct pid_delta *p;
	struct net_delta *d = delta_for("c", &p);

	p->gone = true;
	CU_ASSERT_EQUAL(net_apply(d, "not there"), RC_EGAP);
	d = delta_for("b", &p);
	p->fresh = true;
	CU_ASSERT_EQUAL(net_apply(d, "is there"), RC_EGAP);
	d = delta_for("b", &p);		/* a family that is not there goes */
	p->family[1].how = FAMILY_WHOLE;
	CU_ASSERT_EQUAL(net_apply(d, "ipv6"), RC_EGAP);
}

static void places_outside_the_array_are_refused(void)
{
	const uint32_t removed[][2] = { { 12, 0 }, { 3, 3 }, { 2, 5 } };
	struct prefix far = prefix("203.0.113.0/24");
	struct pid_delta *p;
	struct net_delta *d;

	for (size_t i = 0; i < 3; i++) {
		d = delta_for("a", &p);
		p->family[0].how = FAMILY_EDIT;
		for (int k = 0; k < 2; k++)
			CU_ASSERT_EQUAL(family_delta_remove(&p->family[0],
			                removed[i][k]), RC_OK);
		CU_ASSERT_EQUAL(net_apply(d, "PID a"), RC_EGAP);
	}
	d = delta_for("a", &p);
	p->family[0].how = FAMILY_EDIT;
	CU_ASSERT_EQUAL(family_delta_put(&p->family[0], 13, &far), RC_OK);
	CU_ASSERT_EQUAL(net_apply(d, "PID a"), RC_EGAP);
	d = delta_for("a", &p);
	p->family[0].how = FAMILY_EDIT;
	CU_ASSERT_EQUAL(family_delta_put(&p->family[0], 12, &far), RC_OK);
	CU_ASSERT_EQUAL(net_apply(d, ""), RC_OK);
}

static void an_array_that_does_not_ascend_is_refused(void)
{
	struct prefix far = prefix("203.0.113.0/24");
	struct prefix same = prefix("192.0.2.0/28"), six = prefix("::/0");
	struct pid_delta *p;
	struct net_delta *d = delta_for("a", &p);

	p->family[0].how = FAMILY_EDIT;
	CU_ASSERT_EQUAL(family_delta_put(&p->family[0], 0, &far), RC_OK);
	CU_ASSERT_EQUAL(net_apply(d, "ipv4"), RC_EGAP);
	d = delta_for("a", &p);
	p->family[0].how = FAMILY_EDIT;
	CU_ASSERT_EQUAL(family_delta_put(&p->family[0], 1, &same), RC_OK);
	CU_ASSERT_EQUAL(net_apply(d, "ipv4"), RC_EGAP);
	d = delta_for("b", &p);		/* of the other family */
	p->family[0].how = FAMILY_WHOLE;
	CU_ASSERT_EQUAL(family_delta_put(&p->family[0], 0, &six), RC_OK);
	CU_ASSERT_EQUAL(net_apply(d, "ipv4"), RC_EGAP);
}

static void an_edit_never_leaves_an_empty_array(void)
{
	struct pid_delta *p;
	struct net_delta *d = delta_for("a", &p);

	p->family[0].how = FAMILY_EDIT;
	for (uint32_t i = 12; i > 0; i--)
		CU_ASSERT_EQUAL(family_delta_remove(&p->family[0], i - 1),
		                RC_OK);
	CU_ASSERT_EQUAL(net_apply(d, "ipv4"), RC_EGAP);
}

static void exactly_the_cells_that_differ_are_listed(void)
{
	struct delta_count c;
	struct cost_delta *d = cost_diff("a:a=1,b=2,c=3;b:a=4,c=5;c:a=9",
	                                 "a:a=1,b=7,c=3;b:a=4,b=6;c:a=9", &c);

	CU_ASSERT_EQUAL_FATAL(d->n_rows, 2);
	CU_ASSERT_EQUAL(d->n_cells, 3);
	CU_ASSERT_STRING_EQUAL(index_name(d->names, d->rows[1].src), "b");
	CU_ASSERT_EQUAL(d->rows[1].n, 2);
	CU_ASSERT_EQUAL(c.cells_changed, 1);
	CU_ASSERT_EQUAL(c.cells_added, 1);
	CU_ASSERT_EQUAL(c.cells_removed, 1);
	cost_delta_free(d);
}

static void rows_come_and_go(void)
{
	struct delta_count c;
	struct cost_delta *d = cost_diff("a:a=1,b=2;b:a=3",
	                                 "a:a=1,b=2;c:b=4", &c);

	CU_ASSERT_EQUAL_FATAL(d->n_rows, 2);
	CU_ASSERT_TRUE(d->rows[0].gone);
	CU_ASSERT_FALSE(d->rows[1].gone);
	CU_ASSERT_EQUAL(c.cells_removed, 1);
	CU_ASSERT_EQUAL(c.cells_added, 1);
	cost_delta_free(d);
}

static void names_may_differ_between_the_maps(void)
{
	struct delta_count c;
	struct cost_delta *d = cost_diff("b:b=1,d=2;d:b=3,d=4",
	                                 "a:d=5;b:b=1,c=2;d:b=3,d=4", &c);

	CU_ASSERT_EQUAL(d->n_rows, 2);
	CU_ASSERT_EQUAL(d->n_cells, 3);
	CU_ASSERT_EQUAL(c.cells_added, 2);
	CU_ASSERT_EQUAL(c.cells_removed, 1);
	CU_ASSERT_EQUAL(c.cells_changed, 0);
	cost_delta_free(d);
	d = cost_diff("", "a:a=1", &c);
	CU_ASSERT_EQUAL(d->n_rows, 1);
	cost_delta_free(d);
	d = cost_diff("a:a=1", "", &c);
	CU_ASSERT_TRUE(d->n_rows == 1 && d->rows[0].gone);
	cost_delta_free(d);
}

static void a_wide_row_is_compared_to_its_last_cell(void)
{
	char from[512] = "a:", to[512] = "a:";
	size_t n = 2;

	for (int i = 0; i < 21; i++)	/* two blocks of eight and a rest */
		n += (size_t)snprintf(from + n, sizeof(from) - n, "p%02d=1,",
		                      i);
	for (size_t cell = 0; cell < 21; cell++) {
		struct cost_delta *d;

		memcpy(to, from, sizeof(to));
		to[2 + cell * 6 + 4] = '2';
		d = cost_diff(from, to, NULL);
		CU_ASSERT_EQUAL(d->n_cells, 1);
		CU_ASSERT_EQUAL(d->cells[0].cost, 2);
		cost_delta_free(d);
	}
}

static struct cost_delta *cells(const char *src, const char *dst, double v)
{
	struct cost_delta *d = calloc(1, sizeof(*d));

	CU_ASSERT_PTR_NOT_NULL_FATAL(d);
	CU_ASSERT_EQUAL(cost_delta_cell(d, "a", 1, 1), RC_EINVAL);
	CU_ASSERT_EQUAL(cost_delta_row(d, src, strlen(src), !dst), RC_OK);
	if (dst)
		CU_ASSERT_EQUAL(cost_delta_cell(d, dst, strlen(dst), v), RC_OK);
	return d;
}

static enum rc cost_apply(struct cost_delta *d, const char *want)
{
	struct costmap *a = cost("a:a=1,b=2;b:a=3"), *next = NULL;
	struct diag why;
	enum rc rc;

	diag_clear(&why);
	rc = patch_cost(a, d, &next, &why);
	CU_ASSERT_EQUAL(rc == RC_OK, next != NULL);
	CU_ASSERT_TRUE(strstr(why.text, want) != NULL);
	CU_ASSERT_EQUAL(costmap_cells(a), 3);
	costmap_unref(next);
	costmap_unref(a);
	cost_delta_free(d);
	return rc;
}

static void what_is_not_there_cannot_go(void)
{
	CU_ASSERT_EQUAL(cost_apply(cells("c", NULL, 0), "row of c"), RC_EGAP);
	CU_ASSERT_EQUAL(cost_apply(cells("b", "b", COST_NONE), "from b to b"),
	                RC_EGAP);
	CU_ASSERT_EQUAL(cost_apply(cells("a", "x", COST_NONE), "from a to x"),
	                RC_EGAP);
	CU_ASSERT_EQUAL(cost_apply(cells("a", "b", COST_NONE), ""), RC_OK);
}

static void a_row_does_not_go_cell_by_cell(void)
{
	CU_ASSERT_EQUAL(cost_apply(cells("b", "a", COST_NONE), "empty"),
	                RC_EGAP);
	CU_ASSERT_EQUAL(cost_apply(cells("b", NULL, 0), ""), RC_OK);
}

static void untouched_cost_rows_are_shared(void)
{
	struct costmap *a = cost("a:a=1,b=2;b:a=3"), *next = NULL;
	struct cost_delta *d = cells("b", "a", 7);

	memcpy(d->net_tag, "t2", 3);
	CU_ASSERT_EQUAL_FATAL(patch_cost(a, d, &next, NULL), RC_OK);
	CU_ASSERT_PTR_EQUAL(costmap_row(next, 0), costmap_row(a, 0));
	CU_ASSERT_PTR_NOT_EQUAL(costmap_row(next, 1), costmap_row(a, 1));
	CU_ASSERT_STRING_EQUAL(costmap_meta(next)->net.tag, "t2");
	CU_ASSERT_STRING_EQUAL(costmap_meta(a)->net.tag, "t1");
	cost_delta_free(d);
	costmap_unref(a);
	costmap_unref(next);
}

static void a_delta_may_name_a_network_map_alone(void)
{
	struct costmap *a = cost("a:a=1,b=2;b:a=3"), *next = NULL;
	struct cost_delta d = { .net_tag = "t2" };

	CU_ASSERT_EQUAL_FATAL(patch_cost(a, &d, &next, NULL), RC_OK);
	CU_ASSERT_PTR_EQUAL(costmap_row(next, 1), costmap_row(a, 1));
	CU_ASSERT_STRING_EQUAL(costmap_meta(next)->net.tag, "t2");
	costmap_unref(a);
	costmap_unref(next);
}

static void a_new_name_keeps_the_text_of_rows_that_say_the_same(void)
{
	struct costmap *a = cost("a:a=1,b=2;b:a=3"), *next = NULL;
	struct cost_delta *d = cells("b", "ab", 7);
	struct costrow *row = costmap_row(a, 0), *wide;
	struct digest *digest = NULL;

	CU_ASSERT_EQUAL_FATAL(digest_new(&digest), RC_OK);
	CU_ASSERT_EQUAL(row_seal(&row->row, digest, strdup("text"), 4), RC_OK);
	CU_ASSERT_EQUAL_FATAL(patch_cost(a, d, &next, NULL), RC_OK);
	wide = costmap_row(next, 0);
	CU_ASSERT_EQUAL(wide->n, 3);
	CU_ASSERT_PTR_NOT_EQUAL(wide, row);
	CU_ASSERT_EQUAL(wide->row.text_len, 4);
	CU_ASSERT_STRING_EQUAL(wide->row.text, "text");
	CU_ASSERT_EQUAL(memcmp(wide->row.leaf, row->row.leaf, SHA256_SIZE), 0);
	CU_ASSERT_PTR_NULL(costmap_row(next, 1));		/* ab */
	CU_ASSERT_PTR_NULL(costmap_row(next, 2)->row.text);
	digest_free(digest);
	cost_delta_free(d);
	costmap_unref(a);
	costmap_unref(next);
}

static void names_without_a_cost_go_when_new_ones_come(void)
{
	struct costmap *a = cost("a:a=1,b=2,c=3"), *b = NULL, *c = NULL;
	struct cost_delta *d = cells("a", "b", COST_NONE);

	CU_ASSERT_EQUAL_FATAL(patch_cost(a, d, &b, NULL), RC_OK);
	CU_ASSERT_EQUAL(costmap_pids(b), 3);
	cost_delta_free(d);
	d = cells("a", "d", 4);
	CU_ASSERT_EQUAL_FATAL(patch_cost(b, d, &c, NULL), RC_OK);
	CU_ASSERT_EQUAL(costmap_pids(c), 3);
	CU_ASSERT_EQUAL(costmap_cells(c), 3);
	CU_ASSERT_STRING_EQUAL(index_name(costmap_names(c), 2), "d");
	cost_delta_free(d);
	costmap_unref(a);
	costmap_unref(b);
	costmap_unref(c);
}

/* Costs are numbered by the names of the map that a row is in, so one row can
 * stand in two maps and say two things. */
static void a_shared_row_under_other_names_is_another_row(void)
{
	const struct costmeta meta = { "routingcost", "numerical", { "n", "" } };
	const char *const dst[] = { "b", "c" };
	struct costmap *m[2] = { NULL, NULL };
	struct costrow *rows[2] = { costrow_new(2), NULL };
	struct delta_count c;
	struct cost_delta *d = NULL;

	CU_ASSERT_PTR_NOT_NULL_FATAL(rows[0]);
	rows[0]->cost[1] = 5;
	rows[0]->set = 1;
	for (int i = 0; i < 2; i++) {
		struct index *names = NULL;
		uint32_t num;

		CU_ASSERT_EQUAL_FATAL(index_new(2, &names), RC_OK);
		CU_ASSERT_EQUAL(index_add(names, "a", 1, &num, NULL), RC_OK);
		CU_ASSERT_EQUAL(index_add(names, dst[i], 1, &num, NULL), RC_OK);
		CU_ASSERT_EQUAL_FATAL(costmap_from_rows(&meta, names, rows,
		                      &m[i]), RC_OK);
		index_unref(names);
	}
	CU_ASSERT_EQUAL_FATAL(diff_cost(m[0], m[1], &d, &c), RC_OK);
	CU_ASSERT_EQUAL(c.cells_added, 1);
	CU_ASSERT_EQUAL(c.cells_removed, 1);
	cost_delta_free(d);
	row_unref(&rows[0]->row);
	costmap_unref(m[0]);
	costmap_unref(m[1]);
}

static void a_source_that_is_no_destination_keeps_its_row(void)
{
	struct costmap *a = cost("a:b=1"), *next = NULL;
	struct cost_delta *d = cells("b", "c", 2);

	CU_ASSERT_EQUAL_FATAL(patch_cost(a, d, &next, NULL), RC_OK);
	CU_ASSERT_EQUAL(costmap_cells(next), 2);
	CU_ASSERT_EQUAL(costmap_row(next, 0)->cost[1], 1);
	cost_delta_free(d);
	costmap_unref(a);
	costmap_unref(next);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "equal network maps give an empty delta",
		  equal_network_maps_give_an_empty_delta },
		{ "PIDs come and go in order of their names",
		  pids_come_and_go_in_order_of_their_names },
		{ "a small family goes whole", a_small_family_goes_whole },
		{ "a small change of a long array is an edit",
		  a_small_change_of_a_long_array_is_an_edit },
		{ "removals descend and additions ascend",
		  removals_descend_and_additions_ascend },
		{ "a family that goes or comes is whole",
		  a_family_that_goes_or_comes_is_whole },
		{ "a patch shares the rows it does not touch",
		  a_patch_shares_the_rows_it_does_not_touch },
		{ "PIDs must be there to go and absent to come",
		  pids_must_be_there_to_go_and_absent_to_come },
		{ "places outside the array are refused",
		  places_outside_the_array_are_refused },
		{ "an array that does not ascend is refused",
		  an_array_that_does_not_ascend_is_refused },
		{ "an edit never leaves an empty array",
		  an_edit_never_leaves_an_empty_array },
		{ "exactly the cells that differ are listed",
		  exactly_the_cells_that_differ_are_listed },
		{ "rows come and go", rows_come_and_go },
		{ "names may differ between the maps",
		  names_may_differ_between_the_maps },
		{ "a wide row is compared to its last cell",
		  a_wide_row_is_compared_to_its_last_cell },
		{ "what is not there cannot go", what_is_not_there_cannot_go },
		{ "a row does not go cell by cell",
		  a_row_does_not_go_cell_by_cell },
		{ "untouched cost rows are shared",
		  untouched_cost_rows_are_shared },
		{ "a delta may name a network map alone",
		  a_delta_may_name_a_network_map_alone },
		{ "a new name keeps the text of rows that say the same",
		  a_new_name_keeps_the_text_of_rows_that_say_the_same },
		{ "names without a cost go when new ones come",
		  names_without_a_cost_go_when_new_ones_come },
		{ "a shared row under other names is another row",
		  a_shared_row_under_other_names_is_another_row },
		{ "a source that is no destination keeps its row",
		  a_source_that_is_no_destination_keeps_its_row },
		CU_TEST_INFO_NULL
	};

	return suite_run("delta", tests);
}
