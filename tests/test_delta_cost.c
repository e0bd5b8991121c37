/* Two cost maps to a delta, and a map and a delta to a map. Maps are written as
 * "src:dst=cost,dst=cost;src:...". */
#include "common/core/delta.h"
#include "common/core/diff.h"
#include "common/core/patch.h"

#include "tests/suite.h"

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

	return suite_run("delta_cost", tests);
}
