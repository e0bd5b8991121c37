/* Cost maps from a builder, from rows, and beside a map before. */
#include "common/core/costmap.h"

#include <math.h>

#include "tests/suite.h"

static const struct costmeta meta = {
	.metric = "routingcost", .mode = "numerical", .net = { "net", "t1" }
};

static struct costbuild *builder(void)
{
	struct costbuild *b = NULL;

	CU_ASSERT_EQUAL_FATAL(costbuild_new(&b), RC_OK);
	return b;
}

static enum rc row(struct costbuild *b, const char *src)
{
	return costbuild_row(b, src, strlen(src));
}

static enum rc cell(struct costbuild *b, const char *dst, double cost)
{
	return costbuild_cell(b, dst, strlen(dst), cost);
}

/* "a:b=1 c=2;b:a=3" */
static void feed(struct costbuild *b, const char *text)
{
	while (*text) {
		size_t src = strcspn(text, ":");

		CU_ASSERT_EQUAL(costbuild_row(b, text, src), RC_OK);
		text += src + 1;
		while (*text && *text != ';') {
			size_t dst = strcspn(text, "=");
			char *end;
			double cost = strtod(text + dst + 1, &end);

			CU_ASSERT_EQUAL(costbuild_cell(b, text, dst, cost),
			                RC_OK);
			text = end + (*end == ' ');
		}
		text += *text == ';';
	}
}

static struct costmap *finish(struct costbuild *b, const struct costmap *base)
{
	struct costmap *m = NULL;

	CU_ASSERT_EQUAL_FATAL(costbuild_end(b, &meta, base, &m), RC_OK);
	return m;
}

static struct costmap *map_of(const char *text, const struct costmap *base)
{
	struct costbuild *b = builder();
	struct costmap *m;

	feed(b, text);
	m = finish(b, base);
	costbuild_free(b);
	return m;
}

/* NaN also for what the map does not know. */
static double cost(const struct costmap *m, const char *src, const char *dst)
{
	uint32_t i, k;

	if (!index_find(costmap_names(m), src, strlen(src), &i) ||
	    !index_find(costmap_names(m), dst, strlen(dst), &k) ||
	    !costmap_row(m, i))
		return COST_NONE;
	return costmap_row(m, i)->cost[k];
}

static void cells_land_where_they_belong_in_any_order(void)
{
	struct costmap *m = map_of("c:b=1 a=2 c=3;a:c=4 b=5;b:a=6", NULL);

	CU_ASSERT_EQUAL(costmap_pids(m), 3);
	CU_ASSERT_EQUAL(costmap_cells(m), 6);
	CU_ASSERT_STRING_EQUAL(index_name(costmap_names(m), 0), "a");
	CU_ASSERT_STRING_EQUAL(index_name(costmap_names(m), 2), "c");
	CU_ASSERT_EQUAL(cost(m, "c", "b"), 1);
	CU_ASSERT_EQUAL(cost(m, "c", "a"), 2);
	CU_ASSERT_EQUAL(cost(m, "c", "c"), 3);
	CU_ASSERT_EQUAL(cost(m, "a", "c"), 4);
	CU_ASSERT_EQUAL(cost(m, "a", "b"), 5);
	CU_ASSERT_EQUAL(cost(m, "b", "a"), 6);
	CU_ASSERT(isnan(cost(m, "a", "a")));
	CU_ASSERT_EQUAL(costmap_row(m, 1)->set, 1);
	CU_ASSERT_STRING_EQUAL(costmap_meta(m)->net.tag, "t1");
	costmap_unref(m);
}

/* Rows that leave out, add and turn around destinations, against a matrix. */
/* The second row is like the first one up to its end. */
static void the_next_destination_can_be_foreseen(void)
{
	struct costbuild *b = builder();
	struct costmap *m;
	const char *name;
	size_t len = 0;

	CU_ASSERT_PTR_NULL(costbuild_expect(b, &len));
	CU_ASSERT_EQUAL(costbuild_next(b, 1), RC_EINVAL);
	feed(b, "a:b=1 a=2");
	CU_ASSERT_PTR_NULL(costbuild_expect(b, &len));
	CU_ASSERT_EQUAL(costbuild_next(b, 1), RC_EINVAL);
	CU_ASSERT_EQUAL(row(b, "b"), RC_OK);
	name = costbuild_expect(b, &len);
	CU_ASSERT_PTR_NOT_NULL_FATAL(name);
	CU_ASSERT_EQUAL(len, 1);
	CU_ASSERT_EQUAL(name[0], 'b');
	CU_ASSERT_EQUAL(costbuild_next(b, INFINITY), RC_EINVAL);
	CU_ASSERT_EQUAL(costbuild_next(b, 3), RC_OK);
	CU_ASSERT_EQUAL(costbuild_next(b, 4), RC_OK);
	CU_ASSERT_EQUAL(costbuild_next(b, 5), RC_EINVAL);
	m = finish(b, NULL);
	CU_ASSERT_EQUAL(cost(m, "b", "b"), 3);
	CU_ASSERT_EQUAL(cost(m, "b", "a"), 4);
	costmap_unref(m);
	costbuild_free(b);
}

static void many_rows_in_changing_orders_keep_their_cells(void)
{
	enum { N = 60 };
	struct costbuild *b = builder();
	struct costmap *m;
	char src[32], dst[32];
	size_t cells = 0;

	for (int i = 0; i < N; i++) {
		snprintf(src, sizeof(src), "p%02d", i * 7 % N);
		CU_ASSERT_EQUAL(row(b, src), RC_OK);
		for (int k = 0; k < N; k++) {
			int d = i % 5 == 3 ? N - 1 - k : k;

			if ((d * d + i) % 7 == 0)
				continue;
			snprintf(dst, sizeof(dst), "p%02d", d);
			CU_ASSERT_EQUAL(cell(b, dst, i * 100 + d), RC_OK);
			cells++;
		}
	}
	m = finish(b, NULL);
	CU_ASSERT_EQUAL(costmap_cells(m), cells);
	for (int i = 0; i < N; i++) {
		snprintf(src, sizeof(src), "p%02d", i * 7 % N);
		for (int d = 0; d < N; d++) {
			snprintf(dst, sizeof(dst), "p%02d", d);
			if ((d * d + i) % 7 == 0)
				CU_ASSERT(isnan(cost(m, src, dst)))
			else
				CU_ASSERT_EQUAL(cost(m, src, dst),
				                i * 100 + d);
		}
	}
	costmap_unref(m);
	costbuild_free(b);
}

static void one_cost_has_one_bit_pattern(void)
{
	struct costmap *m = map_of("a:b=-0;b:b=1", NULL);
	const double none = COST_NONE;

	CU_ASSERT_FALSE(signbit(cost(m, "a", "b")));
	CU_ASSERT(memcmp(&costmap_row(m, 0)->cost[0], &none,
	                 sizeof(none)) == 0);
	CU_ASSERT(memcmp(&costmap_row(m, 1)->cost[0], &none,
	                 sizeof(none)) == 0);
	costmap_unref(m);
}

static void what_is_there_already_is_refused(void)
{
	struct costbuild *b = builder();

	CU_ASSERT_EQUAL(row(b, "a"), RC_OK);
	CU_ASSERT_EQUAL(row(b, "a"), RC_EEXIST);
	CU_ASSERT_EQUAL(cell(b, "b", 1), RC_OK);
	CU_ASSERT_EQUAL(cell(b, "b", 1), RC_EEXIST);
	CU_ASSERT_EQUAL(row(b, "b"), RC_OK);
	CU_ASSERT_EQUAL(cell(b, "b", 1), RC_OK);
	CU_ASSERT_EQUAL(row(b, "a"), RC_EEXIST);
	costbuild_free(b);
}

static void what_is_no_cost_and_no_name_is_refused(void)
{
	struct costbuild *b = builder();
	char name[ID_MAX + 2];

	memset(name, 'x', sizeof(name));
	CU_ASSERT_EQUAL(cell(b, "b", 1), RC_EINVAL);	/* no row yet */
	CU_ASSERT_EQUAL(row(b, ""), RC_ERULE);
	CU_ASSERT_EQUAL(costbuild_row(b, name, ID_MAX + 1), RC_ERULE);
	CU_ASSERT_EQUAL(costbuild_row(b, name, ID_MAX), RC_OK);
	CU_ASSERT_EQUAL(cell(b, "b", COST_NONE), RC_EINVAL);
	CU_ASSERT_EQUAL(cell(b, "b", INFINITY), RC_EINVAL);
	CU_ASSERT_EQUAL(cell(b, "b.c", 1), RC_ERULE);
	CU_ASSERT_EQUAL(cell(b, "b", 1), RC_OK);
	costbuild_free(b);
}

static void rows_without_cells_and_their_names_are_not_there(void)
{
	struct costmap *m = map_of("x:;a:c=1;b:;c:", NULL);

	CU_ASSERT_EQUAL(costmap_pids(m), 2);
	CU_ASSERT_STRING_EQUAL(index_name(costmap_names(m), 0), "a");
	CU_ASSERT_STRING_EQUAL(index_name(costmap_names(m), 1), "c");
	CU_ASSERT_PTR_NOT_NULL(costmap_row(m, 0));
	CU_ASSERT_PTR_NULL(costmap_row(m, 1));
	CU_ASSERT_EQUAL(cost(m, "a", "c"), 1);
	costmap_unref(m);
}

static void a_map_may_be_empty(void)
{
	struct costmap *m = map_of("", NULL), *sources = map_of("a:;b:", NULL);

	CU_ASSERT_EQUAL(costmap_pids(m), 0);
	CU_ASSERT_EQUAL(costmap_cells(m), 0);
	CU_ASSERT_EQUAL(costmap_pids(sources), 0);
	costmap_unref(m);
	costmap_unref(sources);
}

static void equal_rows_are_shared_with_the_map_before(void)
{
	struct costmap *old = map_of("b:a=1 b=2;a:b=3;c:", NULL);
	struct costmap *next = map_of("a:b=4;b:b=2 a=1", old);

	CU_ASSERT_PTR_EQUAL(costmap_names(next), costmap_names(old));
	CU_ASSERT_PTR_EQUAL(costmap_row(next, 1), costmap_row(old, 1));
	CU_ASSERT_PTR_NOT_EQUAL(costmap_row(next, 0), costmap_row(old, 0));
	CU_ASSERT_EQUAL(cost(old, "a", "b"), 3);
	costmap_unref(old);
	CU_ASSERT_EQUAL(cost(next, "b", "a"), 1);
	costmap_unref(next);
}

static void other_names_share_nothing(void)
{
	struct costmap *old = map_of("a:a=1 b=2;b:a=3", NULL);
	struct costmap *next = map_of("a:a=1 c=2;c:a=3", old);

	CU_ASSERT_PTR_NOT_EQUAL(costmap_row(next, 0), costmap_row(old, 0));
	CU_ASSERT_EQUAL(cost(next, "a", "c"), 2);
	costmap_unref(old);
	costmap_unref(next);
}

static void a_builder_is_empty_after_its_end(void)
{
	struct costbuild *b = builder();
	struct costmap *one, *two;

	feed(b, "a:b=1");
	one = finish(b, NULL);
	feed(b, "a:c=2");
	two = finish(b, NULL);
	CU_ASSERT_EQUAL(cost(one, "a", "b"), 1);
	CU_ASSERT(isnan(cost(two, "a", "b")));
	CU_ASSERT_EQUAL(cost(two, "a", "c"), 2);
	costmap_unref(one);
	costmap_unref(two);
	costbuild_free(b);
}

static void the_ceilings_hold(void)
{
	struct costbuild *b = builder();
	enum rc rc = RC_OK;
	char name[16];
	size_t rows = 0;

	CU_ASSERT_EQUAL(row(b, "x"), RC_OK);
	for (unsigned i = 0; i < COSTMAP_PIDS_MAX - 1; i++) {
		snprintf(name, sizeof(name), "p%u", i);
		CU_ASSERT_EQUAL(cell(b, name, 1), RC_OK);
	}
	CU_ASSERT_EQUAL(cell(b, "one-more", 1), RC_ELIMIT);
	CU_ASSERT_EQUAL(row(b, "one-more"), RC_ELIMIT);
	costbuild_free(b);

	/* Each row brings a name of its own, so the matrix is half empty. */
	b = builder();
	while (rc == RC_OK && rows < COSTMAP_PIDS_MAX) {
		snprintf(name, sizeof(name), "p%zu", rows++);
		rc = row(b, name);
		if (rc == RC_OK)
			rc = cell(b, name, 1);
	}
	CU_ASSERT_EQUAL(rc, RC_ELIMIT);
	CU_ASSERT(rows * rows > COSTMAP_CELLS_MAX);
	CU_ASSERT((rows - 1) * (rows - 1) <= COSTMAP_CELLS_MAX);
	costbuild_free(b);
}

static struct index *names_of(const char *a, const char *b)
{
	struct index *ix = NULL;
	uint32_t num;

	CU_ASSERT_EQUAL_FATAL(index_new(8, &ix), RC_OK);
	CU_ASSERT_EQUAL(index_add(ix, a, strlen(a), &num, NULL), RC_OK);
	CU_ASSERT_EQUAL(index_add(ix, b, strlen(b), &num, NULL), RC_OK);
	return ix;
}

static void rows_make_a_map_and_outlive_their_maker(void)
{
	struct index *names = names_of("a", "b");
	struct costrow *rows[2] = { costrow_new(2), costrow_new(2) };
	struct costmap *m = NULL;

	CU_ASSERT(isnan(rows[0]->cost[1]));
	rows[0]->cost[1] = 5;
	rows[0]->set = 1;
	CU_ASSERT_EQUAL_FATAL(costmap_from_rows(&meta, names, rows, &m),
	                      RC_OK);
	index_unref(names);
	row_unref(&rows[0]->row);
	row_unref(&rows[1]->row);
	CU_ASSERT_EQUAL(cost(m, "a", "b"), 5);
	CU_ASSERT_EQUAL(costmap_cells(m), 1);
	CU_ASSERT_PTR_NULL(costmap_row(m, 1));	/* had no cell */
	costmap_unref(m);
}

static void rows_that_do_not_fit_their_names_are_refused(void)
{
	struct index *names = names_of("a", "b"), *wrong = names_of("b", "a");
	struct costrow *rows[2] = { costrow_new(3), NULL };
	struct costmap *m = NULL;

	CU_ASSERT_EQUAL(costmap_from_rows(&meta, names, rows, &m), RC_EINVAL);
	row_unref(&rows[0]->row);
	rows[0] = NULL;
	CU_ASSERT_EQUAL(costmap_from_rows(&meta, wrong, rows, &m), RC_EINVAL);
	CU_ASSERT_PTR_NULL(m);
	index_unref(names);
	index_unref(wrong);
}

static void other_meta_goes_over_the_same_rows(void)
{
	struct costmeta other = meta;
	struct costmap *m = map_of("a:b=1", NULL), *bound = NULL;

	snprintf(other.net.tag, sizeof(other.net.tag), "t2");
	CU_ASSERT_EQUAL_FATAL(costmap_rebind(m, &other, &bound), RC_OK);
	CU_ASSERT_PTR_EQUAL(costmap_row(bound, 0), costmap_row(m, 0));
	CU_ASSERT_STRING_EQUAL(costmap_meta(bound)->net.tag, "t2");
	CU_ASSERT_STRING_EQUAL(costmap_meta(m)->net.tag, "t1");
	costmap_unref(m);
	costmap_unref(costmap_ref(bound));
	costmap_unref(bound);
	costmap_unref(NULL);
	costbuild_free(NULL);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "cells land where they belong in any order",
		  cells_land_where_they_belong_in_any_order },
		{ "the next destination can be foreseen",
		  the_next_destination_can_be_foreseen },
		{ "many rows in changing orders keep their cells",
		  many_rows_in_changing_orders_keep_their_cells },
		{ "one cost has one bit pattern",
		  one_cost_has_one_bit_pattern },
		{ "what is there already is refused",
		  what_is_there_already_is_refused },
		{ "what is no cost and no name is refused",
		  what_is_no_cost_and_no_name_is_refused },
		{ "rows without cells and their names are not there",
		  rows_without_cells_and_their_names_are_not_there },
		{ "a map may be empty", a_map_may_be_empty },
		{ "equal rows are shared with the map before",
		  equal_rows_are_shared_with_the_map_before },
		{ "other names share nothing", other_names_share_nothing },
		{ "a builder is empty after its end",
		  a_builder_is_empty_after_its_end },
		{ "the ceilings hold", the_ceilings_hold },
		{ "rows make a map and outlive their maker",
		  rows_make_a_map_and_outlive_their_maker },
		{ "rows that do not fit their names are refused",
		  rows_that_do_not_fit_their_names_are_refused },
		{ "other meta goes over the same rows",
		  other_meta_goes_over_the_same_rows },
		CU_TEST_INFO_NULL
	};

	return suite_run("costmap", tests);
}
