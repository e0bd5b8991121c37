/* The answers of computed services about endpoints, byte for byte; and buffers
 * that are full. */
#include "common/wire/answer_json.h"

#include <time.h>

#include "tests/answer_stage.h"
#include "tests/suite.h"

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
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

	return suite_run("answer_endpoint", tests);
}
