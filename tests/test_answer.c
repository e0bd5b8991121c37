/* The answers of computed services about maps, byte for byte. */
#include "common/wire/answer_json.h"

#include "common/wire/seal.h"
#include "tests/answer_stage.h"
#include "tests/suite.h"

static char *body_of(const struct resource *r)
{
	size_t len = (size_t)resource_size(r);
	char *text = malloc(len + 1);

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	CU_ASSERT_EQUAL(resource_read(r, 0, text, len), len);
	text[len] = '\0';
	return text;
}

/* ---- network maps ---- */

static void a_full_network_map_is_the_body_of_the_map(void)
{
	struct vtag own = { .id = "net" };
	char *got, *want;

	world_open(SERVICE_NETWORK_MAP);
	resource_content_tag(w.net_res, own.tag);
	w.sv.vtag = &own;
	ask_axis(&w.ask.src, everybody, 5);
	got = answer_text();
	want = body_of(w.net_res);
	CU_ASSERT_STRING_EQUAL(got, want);
	free(got);
	free(want);
	world_close();
}

static void one_family_leaves_the_pids_and_takes_the_other_arrays(void)
{
	world_open(SERVICE_NETWORK_MAP);
	ask_axis(&w.ask.src, everybody, 5);
	w.ask.families = 1u << FAMILY_IPV4;
	expect("{'meta':{'vtag':" VTAG "},'network-map':{"
	       "'a':{'ipv4':['10.0.0.0/8','192.0.2.0/24']},"
	       "'b':{'ipv4':['10.1.0.0/16']},'c':{'ipv4':['0.0.0.0/0']},"
	       "'d':{},'e':{}}}");
	w.ask.families = 1u << FAMILY_IPV6;
	expect("{'meta':{'vtag':" VTAG "},'network-map':{"
	       "'a':{'ipv6':['2001:db8::/32']},'b':{},"
	       "'c':{'ipv6':['::/0','2001:db8:7::/48']},'d':{},"
	       "'e':{'ipv6':['2001:db8:1::/48']}}}");
	w.ask.families = 0;		/* only types that nobody knows */
	expect("{'meta':{'vtag':" VTAG "},'network-map':{'a':{},'b':{},"
	       "'c':{},'d':{},'e':{}}}");
	world_close();
}

static void only_the_pids_asked_for_are_given(void)
{
	static const uint32_t some[] = { 1, 3 };

	world_open(SERVICE_NETWORK_MAP);
	ask_axis(&w.ask.src, some, 2);
	expect("{'meta':{'vtag':" VTAG "},'network-map':{"
	       "'b':{'ipv4':['10.1.0.0/16']},'d':{}}}");
	ask_axis(&w.ask.src, some, 0);
	expect("{'meta':{'vtag':" VTAG "},'network-map':{}}");
	world_close();
}

/* ---- cost maps ---- */

static void a_full_cost_map_has_the_rows_of_the_maps_body(void)
{
	char *got, *want, *end;

	ask_map(NUMERICAL);
	expect(COST_MAP(ROWS, RC_NUM));
	got = answer_text();
	want = body_of(w.rc_res);
	end = strstr(want, "\"meta\":");
	CU_ASSERT_PTR_NOT_NULL_FATAL(end);
	CU_ASSERT_NSTRING_EQUAL(got, want, (size_t)(end - want));
	free(got);
	free(want);
	world_close();
}

static void some_pids_give_their_pairs_and_no_empty_source(void)
{
	static const uint32_t src[] = { 0, 2, 3, 4 }, dst[] = { 1, 4 };

	ask_map(NUMERICAL);
	ask_axis(&w.ask.src, src, 4);
	expect(COST_MAP("'a':{'a':1,'b':4.5,'c':40,'d':7,'e':0.25},"
	                "'c':{'a':40},'e':{'e':0}", RC_NUM));
	ask_axis(&w.ask.dst, dst, 2);
	expect(COST_MAP("'a':{'b':4.5,'e':0.25},'e':{'e':0}", RC_NUM));
	ask_axis(&w.ask.src, src + 1, 1);
	expect(COST_MAP("", RC_NUM));
	ask_axis(&w.ask.src, src, 0);
	expect(COST_MAP("", RC_NUM));
	ask_axis(&w.ask.src, src, 4);
	ask_axis(&w.ask.dst, dst, 0);
	expect(COST_MAP("", RC_NUM));
	world_close();
}

static void a_map_that_knows_some_pids_only_answers_under_its_own_numbers(void)
{
	static const uint32_t some[] = { 0, 1, 4 };

	ask_map(HOP_NUMERICAL);
	expect(COST_MAP(HOPS, HOP_NUM));
	ask_axis(&w.ask.src, some, 3);
	ask_axis(&w.ask.dst, some, 3);
	expect(COST_MAP("'b':{'b':1,'e':3}", HOP_NUM));
	world_close();
}

static void ranks_are_over_the_pairs_asked_for(void)
{
	static const uint32_t src[] = { 0, 1 }, dst[] = { 1, 2 };

	ask_map(ORDINAL);
	expect(COST_MAP("'a':{'a':3,'b':4,'c':6,'d':5,'e':2},"
	                "'b':{'a':4,'b':3},'c':{'a':6},'e':{'e':1}", RC_ORD));
	ask_axis(&w.ask.src, src, 2);
	ask_axis(&w.ask.dst, dst, 2);
	expect(COST_MAP("'a':{'b':2,'c':3},'b':{'b':1}", RC_ORD));
	world_close();
}

static void ranks_are_made_before_tests_and_tests_are_on_ranks(void)
{
	ask_map(ORDINAL);
	ask_test("ge 4", 0, true);
	ask_test("lt 6", 0, false);
	expect(COST_MAP("'a':{'b':4,'d':5},'b':{'a':4}", RC_ORD));
	world_close();
}

static void tests_leave_out_pairs_and_sources_without_any(void)
{
	ask_map(NUMERICAL);
	ask_test("ge 1", 0, true);
	ask_test("lt 40", 0, false);
	expect(COST_MAP("'a':{'a':1,'b':4.5,'d':7},'b':{'a':4.5,'b':1}",
	                RC_NUM));
	world_close();
	ask_map(NUMERICAL);
	ask_test("eq 40", 0, true);
	ask_test("eq 0", 0, true);
	expect(COST_MAP("'a':{'c':40},'c':{'a':40},'e':{'e':0}", RC_NUM));
	world_close();
	ask_map(NUMERICAL);
	ask_test("gt 1000", 0, true);
	expect(COST_MAP("", RC_NUM));
	world_close();
}

static void columns_that_are_only_tested_are_not_shown(void)
{
	ask_map(NUMERICAL);
	ask_column(HOP_NUMERICAL, false);
	ask_test("le 1", 1, true);
	expect(COST_MAP("'b':{'b':1}", RC_NUM));	/* not defined: false */
	world_close();
	ask_map(HOP_NUMERICAL);
	ask_column(ORDINAL, false);
	ask_column(HOP_ORDINAL, false);
	ask_test("eq 3", 1, true);		/* b to b: the third of rc */
	ask_test("ge 4", 2, true);		/* 7 and 9 of hop */
	expect(COST_MAP("'b':{'b':1},'c':{'b':9},'e':{'c':7}", HOP_NUM));
	w.ask.multi = true;
	expect(MULTI_MAP("'b':{'b':[1]},'c':{'b':[9]},'e':{'c':[7]}", HOP_NUM));
	world_close();
}

/* Passing a test alone does not show a pair: there must be a cost. */
static void a_pair_without_a_cost_to_show_is_out_whatever_its_tests_say(void)
{
	ask_map(NUMERICAL);
	ask_column(HOP_NUMERICAL, false);
	ask_test("gt 0", 1, true);
	expect(COST_MAP("'b':{'b':1}", RC_NUM));
	world_close();
}

static void several_types_give_arrays_with_null_for_what_is_missing(void)
{
	ask_map(NUMERICAL);
	ask_column(HOP_NUMERICAL, true);
	w.ask.multi = true;
	expect(MULTI_MAP("'a':{'a':[1,null],'b':[4.5,null],'c':[40,null],"
	                 "'d':[7,null],'e':[0.25,null]},"
	                 "'b':{'a':[4.5,null],'b':[1,1],'c':[null,2],"
	                 "'e':[null,3]},"
	                 "'c':{'a':[40,null],'b':[null,9]},"
	                 "'e':{'c':[null,7],'e':[0,null]}",
	                 RC_NUM "," HOP_NUM));
	world_close();
}

/* a has no row in the map of the first type. */
static void several_types_come_in_the_order_of_the_request(void)
{
	static const uint32_t some[] = { 0, 1 };

	ask_map(HOP_NUMERICAL);
	ask_column(ORDINAL, true);
	ask_column(NUMERICAL, true);
	w.ask.multi = true;
	ask_axis(&w.ask.src, some, 2);
	expect(MULTI_MAP("'a':{'a':[null,2,1],'b':[null,3,4.5],"
	                 "'c':[null,5,40],'d':[null,4,7],'e':[null,1,0.25]},"
	                 "'b':{'a':[null,3,4.5],'b':[1,2,1],"
	                 "'c':[2,null,null],'e':[3,null,null]}",
	                 HOP_NUM "," RC_ORD "," RC_NUM));
	world_close();
}

static void one_type_of_several_gives_arrays_of_one(void)
{
	ask_map(NUMERICAL);
	w.ask.multi = true;
	expect(MULTI_MAP("'a':{'a':[1],'b':[4.5],'c':[40],'d':[7],'e':[0.25]},"
	                 "'b':{'a':[4.5],'b':[1]},'c':{'a':[40]},"
	                 "'e':{'e':[0]}", RC_NUM));
	world_close();
}

static void clauses_over_several_types_join_as_or_of_ands(void)
{
	ask_map(NUMERICAL);
	ask_column(HOP_NUMERICAL, true);
	w.ask.multi = true;
	ask_test("le 10", 0, true);
	ask_test("le 3", 1, false);
	ask_test("eq 7", 1, true);
	ask_test("lt 1", 0, true);
	expect(MULTI_MAP("'a':{'e':[0.25,null]},'b':{'b':[1,1]},"
	                 "'e':{'c':[null,7],'e':[0,null]}",
	                 RC_NUM "," HOP_NUM));
	world_close();
}

/* ---- a map that is wider than a block and longer than a chunk ---- */

#define WIDE 1300u

static void wide_name(char out[16], size_t i)
{
	snprintf(out, 16, "p%04zu", i);
}

/* Costs that differ in about 500 values, some not defined. */
static double wide_cost(size_t i, size_t k)
{
	return (double)((i * 31 + k * k * 7) % 509) / 8;
}

static bool wide_has(size_t i, size_t k)
{
	return i % 5 != 3 && (i + k) % 11 != 0;
}

static void wide_build(struct netbuild *nb, struct costbuild *cb, size_t rows)
{
	char src[16], dst[16];

	for (size_t i = 0; i < WIDE; i++) {
		wide_name(src, i);
		CU_ASSERT_EQUAL_FATAL(netbuild_pid(nb, src, 5, NULL), RC_OK);
		if (i >= rows)
			continue;
		CU_ASSERT_EQUAL_FATAL(costbuild_row(cb, src, 5), RC_OK);
		for (size_t k = 0; k < WIDE; k++) {
			wide_name(dst, k);
			if (wide_has(i, k))
				CU_ASSERT_EQUAL(costbuild_cell(cb, dst, 5,
				                wide_cost(i, k)), RC_OK);
		}
	}
}

/* All PIDs of a wide map whose first rows have costs. */
static void ask_wide(int which, size_t rows)
{
	struct netbuild *nb = NULL;
	struct costbuild *cb = NULL;
	struct costmeta meta;
	uint32_t pid[WIDE];

	world_open(SERVICE_COST_MAP);
	CU_ASSERT_EQUAL_FATAL(netbuild_new(&nb), RC_OK);
	CU_ASSERT_EQUAL_FATAL(costbuild_new(&cb), RC_OK);
	wide_build(nb, cb, rows);
	meta = *costmap_meta(w.rc);
	netmap_unref(w.net);
	costmap_unref(w.rc);
	resource_unref(w.rc_res);
	CU_ASSERT_EQUAL_FATAL(netbuild_end(nb, NULL, &w.net, NULL), RC_OK);
	CU_ASSERT_EQUAL_FATAL(costbuild_end(cb, &meta, NULL, &w.rc), RC_OK);
	CU_ASSERT_EQUAL_FATAL(seal_costmap(w.digest, "rc", w.rc, NULL,
	                                   &w.rc_res), RC_OK);
	CU_ASSERT_EQUAL_FATAL(costmap_pids(w.rc), WIDE);
	netbuild_free(nb);
	costbuild_free(cb);
	w.sv.net = w.net;
	w.costs[NUMERICAL].map = w.costs[ORDINAL].map = w.rc;
	for (uint32_t i = 0; i < WIDE; i++)
		pid[i] = i;
	ask_axis(&w.ask.src, pid, WIDE);
	ask_axis(&w.ask.dst, pid, WIDE);
	ask_column(which, true);
}

static void rows_made_anew_are_those_that_stand(void)
{
	char *copied, *made;

	ask_wide(NUMERICAL, 20);
	copied = answer_text();
	ask_test("ge 0", 0, true);	/* true for all that is defined */
	made = answer_text();
	CU_ASSERT_STRING_EQUAL(copied, made);
	free(made);
	free(copied);
	world_close();
}

/* Distinct values below v in the first rows, and 1. */
static unsigned wide_rank(const bool *seen, double v)
{
	unsigned rank = 1;

	for (size_t i = 0; i < (size_t)(v * 8); i++)
		rank += seen[i];
	return rank;
}

static void ranks_of_a_wide_map_are_those_counted_by_hand(void)
{
	struct buf want = BUF_INIT(BODY_MAX);
	bool seen[512] = { false };
	char *got;

	ask_wide(ORDINAL, 2);
	for (size_t i = 0; i < 2; i++)
		for (size_t k = 0; k < WIDE; k++)
			if (wide_has(i, k))
				seen[(size_t)(wide_cost(i, k) * 8)] = true;
	buf_puts(&want, "{\"cost-map\":");
	for (size_t i = 0; i < 2; i++) {
		buf_printf(&want, "%s\"p%04zu\":", i ? "," : "{", i);
		for (size_t k = 0, n = 0; k < WIDE; k++)
			if (wide_has(i, k))
				buf_printf(&want, "%s\"p%04zu\":%u",
				           n++ ? "," : "{", k,
				           wide_rank(seen, wide_cost(i, k)));
		buf_putc(&want, '}');
	}
	buf_puts(&want, "},");
	got = answer_text();
	CU_ASSERT_NSTRING_EQUAL(got, buf_str(&want), want.len);
	free(got);
	buf_free(&want);
	world_close();
}

static void an_answer_that_just_fits_is_given_and_one_byte_less_is_not(void)
{
	struct buf dst;
	char *text;
	size_t len;

	ask_wide(NUMERICAL, 3);
	ask_test("ge 0", 0, true);
	text = answer_text();
	len = strlen(text);
	buf_init(&dst, len);
	CU_ASSERT_EQUAL(answer_write(&w.sv, &w.ask, NULL, &dst), RC_OK);
	CU_ASSERT_STRING_EQUAL(buf_str(&dst), text);
	buf_free(&dst);
	for (size_t less = 1; less < len; less = less * 3 + 1) {
		buf_init(&dst, len - less);
		CU_ASSERT_EQUAL(answer_write(&w.sv, &w.ask, NULL, &dst),
		                RC_ELIMIT);
		buf_free(&dst);
	}
	free(text);
	world_close();
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "a full network map is the body of the map",
		  a_full_network_map_is_the_body_of_the_map },
		{ "one family leaves the PIDs and takes the other arrays",
		  one_family_leaves_the_pids_and_takes_the_other_arrays },
		{ "only the PIDs asked for are given",
		  only_the_pids_asked_for_are_given },
		{ "a full cost map has the rows of the map's body",
		  a_full_cost_map_has_the_rows_of_the_maps_body },
		{ "some PIDs give their pairs and no empty source",
		  some_pids_give_their_pairs_and_no_empty_source },
		{ "a map that knows some PIDs only answers under its own "
		  "numbers",
		  a_map_that_knows_some_pids_only_answers_under_its_own_numbers },
		{ "ranks are over the pairs asked for",
		  ranks_are_over_the_pairs_asked_for },
		{ "ranks are made before tests, and tests are on ranks",
		  ranks_are_made_before_tests_and_tests_are_on_ranks },
		{ "tests leave out pairs, and sources without any",
		  tests_leave_out_pairs_and_sources_without_any },
		{ "columns that are only tested are not shown",
		  columns_that_are_only_tested_are_not_shown },
		{ "a pair without a cost to show is out, whatever its tests "
		  "say",
		  a_pair_without_a_cost_to_show_is_out_whatever_its_tests_say },
		{ "several types give arrays, with null for what is missing",
		  several_types_give_arrays_with_null_for_what_is_missing },
		{ "several types come in the order of the request",
		  several_types_come_in_the_order_of_the_request },
		{ "one type of several gives arrays of one",
		  one_type_of_several_gives_arrays_of_one },
		{ "clauses over several types join as OR of ANDs",
		  clauses_over_several_types_join_as_or_of_ands },
		{ "rows made anew are those that stand",
		  rows_made_anew_are_those_that_stand },
		{ "ranks of a wide map are those counted by hand",
		  ranks_of_a_wide_map_are_those_counted_by_hand },
		{ "an answer that just fits is given, and one byte less is not",
		  an_answer_that_just_fits_is_given_and_one_byte_less_is_not },
		CU_TEST_INFO_NULL
	};

	return suite_run("answer", tests);
}
