/* The answers of computed services, byte for byte. Texts here have ' for ". */
#include "common/wire/answer_json.h"

#include <arpa/inet.h>
#include <time.h>

#include "common/core/resource.h"
#include "common/wire/costmap_json.h"
#include "common/wire/netmap_json.h"
#include "common/wire/seal.h"
#include "tests/suite.h"

#define BODY_MAX (64u << 20)
#define NET_MAP "{'meta':{'vtag':{'resource-id':'net','tag':'t'}}," \
	"'network-map':{" \
	"'a':{'ipv4':['10.0.0.0/8','192.0.2.0/24'],'ipv6':['2001:db8::/32']}," \
	"'b':{'ipv4':['10.1.0.0/16']}," \
	"'c':{'ipv4':['0.0.0.0/0'],'ipv6':['::/0','2001:db8:7::/48']}," \
	"'d':{}," \
	"'e':{'ipv6':['2001:db8:1::/48']}}}"
#define COSTS(metric, rows) "{'cost-map':{" rows "},'meta':{'cost-type':{" \
	"'cost-metric':'" metric "','cost-mode':'numerical'}," \
	"'dependent-vtags':[{'resource-id':'net','tag':'t'}]}}"
/* Every PID occurs, so numbers are those of the network map. */
#define ROWS "'a':{'a':1,'b':4.5,'c':40,'d':7,'e':0.25}," \
	"'b':{'a':4.5,'b':1},'c':{'a':40},'e':{'e':0}"
/* b, c, e alone: all numbers differ. */
#define HOPS "'b':{'b':1,'c':2,'e':3},'c':{'b':9},'e':{'c':7}"

#define VTAG "{'resource-id':'net','tag':'t7'}"
#define RC_NUM "{'cost-metric':'routingcost','cost-mode':'numerical'}"
#define RC_ORD "{'cost-metric':'routingcost','cost-mode':'ordinal'}"
#define HOP_NUM "{'cost-metric':'hopcount','cost-mode':'numerical'}"
#define COST_MAP(rows, type) "{'cost-map':{" rows "},'meta':{" \
	"'cost-type':" type ",'dependent-vtags':[" VTAG "]}}"
#define MULTI_MAP(rows, types) "{'cost-map':{" rows "},'meta':{" \
	"'cost-type':{},'dependent-vtags':[" VTAG "]," \
	"'multi-cost-types':[" types "]}}"
#define ENDPOINT_MAP(rows, type) "{'endpoint-cost-map':{" rows \
	"},'meta':{'cost-type':" type "}}"

enum { NUMERICAL, ORDINAL, HOP_NUMERICAL, HOP_ORDINAL, N_COSTS };

static const uint32_t everybody[] = { 0, 1, 2, 3, 4 };
static const uint32_t hop_at[] = {
	SERVICE_NONE, 0, 1, SERVICE_NONE, 2
};
static const struct vtag tag = { "net", "t7" };

/* What the tests answer from, and what they ask. */
static struct world {
	struct digest *digest;
	struct netmap *net;
	struct costmap *rc, *hop;
	struct resource *net_res, *rc_res;
	struct lpm *lpm;
	struct service_cost costs[N_COSTS];
	struct service sv;
	struct ask ask;
	struct ask_endpoint src[8], dst[8];
} w;

/* ---- helpers ---- */

static char *quoted(const char *text)
{
	char *s = strdup(text);

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	for (char *p = s; *p; p++)
		if (*p == '\'')
			*p = '"';
	return s;
}

static struct netmap *read_net(const char *text)
{
	char *json = quoted(text);
	struct scan *s = NULL;
	struct netmap *m = NULL;
	struct map_notes notes;
	struct vtag stated;

	CU_ASSERT_EQUAL_FATAL(scan_new_bytes(json, strlen(json), NULL, &s),
	                      RC_OK);
	CU_ASSERT_EQUAL_FATAL(netmap_json_read(s, NULL, &m, &stated, &notes),
	                      RC_OK);
	scan_free(s);
	free(json);
	return m;
}

static struct costmap *read_costs(const char *text)
{
	char *json = quoted(text);
	struct scan *s = NULL;
	struct costmap *m = NULL;
	struct map_notes notes;
	struct vtag stated;

	CU_ASSERT_EQUAL_FATAL(scan_new_bytes(json, strlen(json), NULL, &s),
	                      RC_OK);
	CU_ASSERT_EQUAL_FATAL(costmap_json_read(s, NULL, &m, &stated, &notes),
	                      RC_OK);
	scan_free(s);
	free(json);
	return m;
}

static void offer(int which, const char *metric, bool ranked,
                  const struct costmap *m, const uint32_t *at)
{
	struct service_cost *c = &w.costs[which];

	snprintf(c->metric, sizeof(c->metric), "%s", metric);
	snprintf(c->mode, sizeof(c->mode), ranked ? "ordinal" : "numerical");
	c->testable = true;
	c->ranked = ranked;
	c->map = m;
	c->at = at;
}

static void world_open(enum service_kind kind)
{
	w = (struct world){ .net = read_net(NET_MAP) };
	w.rc = read_costs(COSTS("routingcost", ROWS));
	w.hop = read_costs(COSTS("hopcount", HOPS));
	CU_ASSERT_EQUAL_FATAL(digest_new(&w.digest), RC_OK);
	CU_ASSERT_EQUAL_FATAL(seal_netmap(w.digest, "net", w.net, NULL,
	                                  &w.net_res), RC_OK);
	CU_ASSERT_EQUAL_FATAL(seal_costmap(w.digest, "rc", w.rc, NULL,
	                                   &w.rc_res), RC_OK);
	CU_ASSERT_EQUAL_FATAL(lpm_of_netmap(w.net, &w.lpm), RC_OK);
	offer(NUMERICAL, "routingcost", false, w.rc, NULL);
	offer(ORDINAL, "routingcost", true, w.rc, NULL);
	offer(HOP_NUMERICAL, "hopcount", false, w.hop, hop_at);
	offer(HOP_ORDINAL, "hopcount", true, w.hop, hop_at);
	w.sv = (struct service){
		.kind = kind, .net = w.net, .lpm = w.lpm, .vtag = &tag,
		.n_costs = N_COSTS, .costs = w.costs, .max_types = 4
	};
	w.ask.families = 1u << FAMILY_IPV4 | 1u << FAMILY_IPV6;
	w.ask.src.endpoint = w.src;
	w.ask.dst.endpoint = w.dst;
}

static void world_close(void)
{
	free(w.ask.src.pid);
	free(w.ask.dst.pid);
	resource_unref(w.net_res);
	resource_unref(w.rc_res);
	lpm_unref(w.lpm);
	netmap_unref(w.net);
	costmap_unref(w.rc);
	costmap_unref(w.hop);
	digest_free(w.digest);
}

static void ask_axis(struct ask_axis *x, const uint32_t *pid, size_t n)
{
	free(x->pid);
	x->pid = malloc((n + 1) * sizeof(*pid));
	CU_ASSERT_PTR_NOT_NULL_FATAL(x->pid);
	memcpy(x->pid, pid, n * sizeof(*pid));
	x->n = n;
	x->all = n == netmap_pids(w.net);
}

static void ask_column(int which, bool shown)
{
	struct ask *a = &w.ask;

	a->columns[a->n_columns++] = &w.costs[which];
	a->n_shown += shown;
}

/* A cost map's ask: all PIDs, this column. */
static void ask_map(int which)
{
	world_open(SERVICE_COST_MAP);
	ask_axis(&w.ask.src, everybody, 5);
	ask_axis(&w.ask.dst, everybody, 5);
	ask_column(which, true);
}

/* A test on a column; begins a clause when that is said. */
static void ask_test(const char *text, uint32_t column, bool clause)
{
	struct filter *f = &w.ask.filter;

	CU_ASSERT_EQUAL_FATAL(filter_test_read(text, strlen(text), false,
	                                       &f->test[f->n_tests]), RC_OK);
	f->test[f->n_tests++].index = column;
	f->n_clauses += clause;
	f->end[f->n_clauses - 1] = f->n_tests;
}

static struct ask_endpoint endpoint(const char *text)
{
	struct ask_endpoint e = { .text = text };
	bool v6 = strncmp(text, "ipv6:", 5) == 0;

	e.family = v6 ? FAMILY_IPV6 : FAMILY_IPV4;
	CU_ASSERT_EQUAL_FATAL(inet_pton(v6 ? AF_INET6 : AF_INET, text + 5,
	                                e.addr), 1);
	return e;
}

static void ask_endpoint(struct ask_axis *x, const char *text)
{
	CU_ASSERT_FATAL(x->n < 8);
	x->endpoint[x->n++] = endpoint(text);
}

static void expect_for(const struct ask_endpoint *self, const char *text)
{
	struct buf got = BUF_INIT(BODY_MAX);
	char *want = quoted(text);

	CU_ASSERT_EQUAL(answer_write(&w.sv, &w.ask, self, &got), RC_OK);
	CU_ASSERT_STRING_EQUAL(buf_str(&got), want);
	if (strcmp(buf_str(&got), want))
		printf("\n    got  %s\n    want %s\n", buf_str(&got), want);
	buf_free(&got);
	free(want);
}

static void expect(const char *text)
{
	expect_for(NULL, text);
}

static char *answer_text(void)
{
	struct buf got = BUF_INIT(BODY_MAX);
	char *text;

	CU_ASSERT_EQUAL_FATAL(answer_write(&w.sv, &w.ask, NULL, &got), RC_OK);
	text = buf_take(&got, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	return text;
}

static char *body_of(const struct resource *r)
{
	size_t len = (size_t)resource_size(r);
	char *text = malloc(len + 1);

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	CU_ASSERT_EQUAL(resource_read(r, 0, text, len), len);
	text[len] = '\0';
	return text;
}

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
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

/* ---- endpoint costs ---- */

static void ask_ends(int which)
{
	world_open(SERVICE_ENDPOINT_COST);
	ask_column(which, true);
}

static void endpoints_cost_what_their_pids_do_and_keep_their_spelling(void)
{
	ask_ends(NUMERICAL);
	ask_endpoint(&w.ask.src, "ipv4:10.1.2.3");		/* b */
	ask_endpoint(&w.ask.src, "ipv6:2001:DB8:0:0::1");	/* a */
	ask_endpoint(&w.ask.dst, "ipv6:2001:db8:1::9");		/* e */
	ask_endpoint(&w.ask.dst, "ipv4:192.0.2.1");		/* a */
	ask_endpoint(&w.ask.dst, "ipv6:2001:db8::0:0:1");	/* a */
	ask_endpoint(&w.ask.dst, "ipv4:10.2.0.1");		/* a */
	expect(ENDPOINT_MAP("'ipv4:10.1.2.3':{'ipv4:192.0.2.1':4.5,"
	                    "'ipv6:2001:db8::0:0:1':4.5,"
	                    "'ipv4:10.2.0.1':4.5},"
	                    "'ipv6:2001:DB8:0:0::1':{"
	                    "'ipv6:2001:db8:1::9':0.25,'ipv4:192.0.2.1':1,"
	                    "'ipv6:2001:db8::0:0:1':1,'ipv4:10.2.0.1':1}",
	                    RC_NUM));
	world_close();
}

static void an_axis_that_says_self_is_the_caller(void)
{
	struct ask_endpoint self = endpoint("ipv4:10.1.0.1");	/* b */

	ask_ends(NUMERICAL);
	w.ask.src.self = true;
	ask_endpoint(&w.ask.dst, "ipv4:10.0.0.1");
	expect_for(&self, ENDPOINT_MAP("'ipv4:10.1.0.1':{"
	                               "'ipv4:10.0.0.1':4.5}", RC_NUM));
	world_close();
	ask_ends(HOP_NUMERICAL);
	w.ask.dst.self = true;
	ask_endpoint(&w.ask.src, "ipv4:203.0.113.1");		/* c */
	expect_for(&self, ENDPOINT_MAP("'ipv4:203.0.113.1':{"
	                               "'ipv4:10.1.0.1':9}", HOP_NUM));
	world_close();
}

/* A map of IPv4 alone, with a hole. */
static void an_address_without_a_pid_has_no_costs(void)
{
	static const struct lpm_entry e[] = {
		{ { { 10 }, 8, FAMILY_IPV4 }, 0 },
		{ { { 10, 1 }, 16, FAMILY_IPV4 }, 1 }
	};

	ask_ends(NUMERICAL);
	lpm_unref(w.lpm);
	w.lpm = NULL;
	CU_ASSERT_EQUAL_FATAL(lpm_new(e, 2, &w.lpm), RC_OK);
	w.sv.lpm = w.lpm;
	ask_endpoint(&w.ask.src, "ipv4:192.0.2.1");
	ask_endpoint(&w.ask.src, "ipv6:2001:db8::1");
	ask_endpoint(&w.ask.dst, "ipv6:2001:db8::1");
	ask_endpoint(&w.ask.dst, "ipv4:10.1.0.1");
	ask_endpoint(&w.ask.dst, "ipv4:11.0.0.1");
	expect(ENDPOINT_MAP("", RC_NUM));
	ask_endpoint(&w.ask.src, "ipv4:10.0.0.1");
	expect(ENDPOINT_MAP("'ipv4:10.0.0.1':{'ipv4:10.1.0.1':4.5}", RC_NUM));
	world_close();
}

static void endpoints_rank_over_the_pairs_of_the_request(void)
{
	ask_ends(ORDINAL);
	ask_endpoint(&w.ask.src, "ipv4:10.0.0.1");		/* a */
	ask_endpoint(&w.ask.src, "ipv4:10.1.0.1");		/* b */
	ask_endpoint(&w.ask.dst, "ipv4:203.0.113.1");		/* c */
	ask_endpoint(&w.ask.dst, "ipv4:10.0.0.2");		/* a */
	ask_endpoint(&w.ask.dst, "ipv4:10.1.0.2");		/* b */
	expect(ENDPOINT_MAP("'ipv4:10.0.0.1':{'ipv4:203.0.113.1':3,"
	                    "'ipv4:10.0.0.2':1,'ipv4:10.1.0.2':2},"
	                    "'ipv4:10.1.0.1':{'ipv4:10.0.0.2':2,"
	                    "'ipv4:10.1.0.2':1}", RC_ORD));
	world_close();
}

static void endpoint_answers_may_be_multi_and_name_the_network_map(void)
{
	ask_ends(NUMERICAL);
	ask_endpoint(&w.ask.src, "ipv4:10.1.0.1");
	ask_endpoint(&w.ask.dst, "ipv4:10.1.0.2");
	ask_endpoint(&w.ask.dst, "ipv4:203.0.113.1");
	ask_endpoint(&w.ask.dst, "ipv4:10.0.0.1");
	w.sv.says_vtag = true;
	expect("{'endpoint-cost-map':{'ipv4:10.1.0.1':{'ipv4:10.1.0.2':1,"
	       "'ipv4:10.0.0.1':4.5}},'meta':{'cost-type':" RC_NUM ",'vtag':"
	       VTAG "}}");
	ask_column(HOP_NUMERICAL, true);
	w.ask.multi = true;
	ask_test("ge 1", 1, true);
	expect("{'endpoint-cost-map':{'ipv4:10.1.0.1':{"
	       "'ipv4:10.1.0.2':[1,1],'ipv4:203.0.113.1':[null,2]}},"
	       "'meta':{'cost-type':{},'multi-cost-types':[" RC_NUM ","
	       HOP_NUM "],'vtag':" VTAG "}}");
	world_close();
}

static void odd_endpoint_texts_are_escaped(void)
{
	struct buf got = BUF_INIT(BODY_MAX);

	ask_ends(NUMERICAL);
	ask_endpoint(&w.ask.src, "ipv4:10.0.0.1");
	ask_endpoint(&w.ask.dst, "ipv4:10.1.0.1");
	w.src[0].text = "a\"\\b";
	w.dst[0].text = "\n\x01";
	CU_ASSERT_EQUAL(answer_write(&w.sv, &w.ask, NULL, &got), RC_OK);
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_str(&got), "{\"a\\\"\\\\b\":"
	                              "{\"\\n\\u0001\":4.5}}"));
	buf_free(&got);
	world_close();
}

/* Endpoints that are all the same address, as many as a request can list, each
 * with a text longer than others. */
static struct ask_endpoint *crowd(size_t n, const char *text)
{
	struct ask_endpoint *e = malloc(n * sizeof(*e));

	CU_ASSERT_PTR_NOT_NULL_FATAL(e);
	for (size_t i = 0; i < n; i++)
		e[i] = endpoint(text);
	return e;
}

static void long_lists_of_endpoints_come_whole(void)
{
	char *key = malloc(6001), *text;
	size_t n = 70000;

	CU_ASSERT_PTR_NOT_NULL_FATAL(key);
	memset(key, 'x', 6000);		/* more than is printed at one go */
	key[6000] = '\0';
	ask_ends(NUMERICAL);
	w.ask.src.endpoint = crowd(n, "ipv4:10.0.0.1");
	w.ask.src.endpoint[n - 1].text = key;
	w.ask.src.n = n;
	ask_endpoint(&w.ask.dst, "ipv4:10.1.0.1");
	text = answer_text();
	CU_ASSERT_EQUAL(strlen(text), strlen("{'endpoint-cost-map':{") +
	                (n - 1) * strlen("'ipv4:10.0.0.1':") + 6003 +
	                n * strlen("{'ipv4:10.1.0.1':4.5}") + n - 1 +
	                strlen("},'meta':{'cost-type':" RC_NUM "}}"));
	free(text);
	free(w.ask.src.endpoint);
	free(key);
	world_close();
}

/* 266 M pairs would take many seconds. */
static void a_full_buffer_ends_the_work_at_once(void)
{
	struct buf dst = BUF_INIT(10000);
	double begin;

	ask_ends(NUMERICAL);
	w.ask.src.endpoint = crowd(70000, "ipv4:10.0.0.1");
	w.ask.dst.endpoint = crowd(3800, "ipv4:10.1.0.1");
	w.ask.src.n = 70000;
	w.ask.dst.n = 3800;
	begin = cpu_seconds();
	CU_ASSERT_EQUAL(answer_write(&w.sv, &w.ask, NULL, &dst), RC_ELIMIT);
	CU_ASSERT(cpu_seconds() - begin < 1);
	free(w.ask.src.endpoint);
	free(w.ask.dst.endpoint);
	buf_free(&dst);
	world_close();
}

/* ---- endpoint properties ---- */

static const struct vtag other_tag = { "other", "t9" };

/* "net.pid", "other.pid", "other.asn" (of the same map) and "priv:x", which
 * 10.1.0.0/16 alone has, and 10.1.1.0/24 inside it has not. */
static struct service_prop props[4];

static void open_props(struct index **values, struct lpm **few)
{
	static const struct lpm_entry e[] = {
		{ { { 10, 1 }, 16, FAMILY_IPV4 }, 0 },
		{ { { 10, 1, 1 }, 24, FAMILY_IPV4 }, LPM_NONE }
	};
	uint32_t num;

	world_open(SERVICE_ENDPOINT_PROPERTY);
	CU_ASSERT_EQUAL_FATAL(index_new(4, values), RC_OK);
	CU_ASSERT_EQUAL_FATAL(index_add(*values, "o\"ne", 4, &num, NULL),
	                      RC_OK);
	CU_ASSERT_EQUAL_FATAL(lpm_new(e, 2, few), RC_OK);
	props[0] = (struct service_prop){ "net.pid", &tag, w.lpm,
	                                  netmap_names(w.net) };
	props[1] = (struct service_prop){ "other.pid", &other_tag, *few,
	                                  *values };
	props[2] = (struct service_prop){ "other.asn", &other_tag, *few,
	                                  *values };
	props[3] = (struct service_prop){ "priv:x", NULL, *few, *values };
	w.sv.n_props = 4;
	w.sv.props = props;
}

/* Numbers of properties, as text. */
static void expect_props(const char *which, const char *text)
{
	const struct service_prop *list[4];

	w.ask.n_props = 0;
	for (; *which; which++)
		list[w.ask.n_props++] = &props[*which - '0'];
	w.ask.props = list;
	expect(text);
	w.ask.props = NULL;
}

static void each_endpoint_has_the_properties_that_are_defined(void)
{
	struct index *values = NULL;
	struct lpm *few = NULL;

	open_props(&values, &few);
	ask_endpoint(&w.ask.src, "ipv4:10.1.2.3");
	ask_endpoint(&w.ask.src, "ipv6:2001:DB8:1::1");
	ask_endpoint(&w.ask.src, "ipv4:10.1.1.3");
	expect_props("0", "{'endpoint-properties':{"
	             "'ipv4:10.1.2.3':{'net.pid':'b'},"
	             "'ipv6:2001:DB8:1::1':{'net.pid':'e'},"
	             "'ipv4:10.1.1.3':{'net.pid':'b'}},"
	             "'meta':{'dependent-vtags':[" VTAG "]}}");
	expect_props("3", "{'endpoint-properties':{"
	             "'ipv4:10.1.2.3':{'priv:x':'o\\'ne'},"
	             "'ipv6:2001:DB8:1::1':{},'ipv4:10.1.1.3':{}},'meta':{}}");
	index_unref(values);
	lpm_unref(few);
	world_close();
}

static void property_names_ascend_and_maps_are_named_once_as_asked(void)
{
	struct index *values = NULL;
	struct lpm *few = NULL;

	open_props(&values, &few);
	ask_endpoint(&w.ask.src, "ipv4:10.1.2.3");
	expect_props("3120", "{'endpoint-properties':{'ipv4:10.1.2.3':{"
	             "'net.pid':'b','other.asn':'o\\'ne',"
	             "'other.pid':'o\\'ne','priv:x':'o\\'ne'}},"
	             "'meta':{'dependent-vtags':[{'resource-id':'other',"
	             "'tag':'t9'}," VTAG "]}}");
	index_unref(values);
	lpm_unref(few);
	world_close();
}

static void a_full_buffer_ends_properties_and_network_maps_too(void)
{
	struct index *values = NULL;
	struct lpm *few = NULL;
	struct buf dst = BUF_INIT(60);
	const struct service_prop *list[] = { &props[0] };

	open_props(&values, &few);
	ask_endpoint(&w.ask.src, "ipv4:10.1.2.3");
	ask_endpoint(&w.ask.src, "ipv4:10.1.2.4");
	w.ask.props = list;
	w.ask.n_props = 1;
	CU_ASSERT_EQUAL(answer_write(&w.sv, &w.ask, NULL, &dst), RC_ELIMIT);
	buf_clear(&dst);
	w.sv.kind = SERVICE_NETWORK_MAP;
	ask_axis(&w.ask.src, everybody, 5);
	CU_ASSERT_EQUAL(answer_write(&w.sv, &w.ask, NULL, &dst), RC_ELIMIT);
	buf_free(&dst);
	index_unref(values);
	lpm_unref(few);
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
		{ "endpoints cost what their PIDs do and keep their spelling",
		  endpoints_cost_what_their_pids_do_and_keep_their_spelling },
		{ "an axis that says self is the caller",
		  an_axis_that_says_self_is_the_caller },
		{ "an address without a PID has no costs",
		  an_address_without_a_pid_has_no_costs },
		{ "endpoints rank over the pairs of the request",
		  endpoints_rank_over_the_pairs_of_the_request },
		{ "endpoint answers may be multi, and name the network map",
		  endpoint_answers_may_be_multi_and_name_the_network_map },
		{ "odd endpoint texts are escaped",
		  odd_endpoint_texts_are_escaped },
		{ "long lists of endpoints come whole",
		  long_lists_of_endpoints_come_whole },
		{ "a full buffer ends the work at once",
		  a_full_buffer_ends_the_work_at_once },
		{ "each endpoint has the properties that are defined",
		  each_endpoint_has_the_properties_that_are_defined },
		{ "property names ascend, and maps are named once, as asked",
		  property_names_ascend_and_maps_are_named_once_as_asked },
		{ "a full buffer ends properties and network maps too",
		  a_full_buffer_ends_properties_and_network_maps_too },
		CU_TEST_INFO_NULL
	};

	return suite_run("answer", tests);
}
