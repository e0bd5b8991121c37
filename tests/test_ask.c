/* Requests of computed services: what is no request, what is missing or of the
 * wrong type, and cost types. test_ask_values has what the rest means.
 */
#include "common/wire/ask_json.h"

#include "common/wire/json.h"
#include "tests/ask_stage.h"
#include "tests/suite.h"
#include "tests/suite_files.h"

static void what_is_no_json_is_a_syntax_error(void)
{
	const struct refusal rows[] = {
		{ &net, "", SYNTAX, "", NULL },
		{ &net, "{\"pids\":", SYNTAX, "", NULL },
		{ &net, "{\"pids\":[]}x", SYNTAX, "", NULL },
		{ &net, "{\"pids\":[],\"pids\":[]}", SYNTAX, "", NULL },
		{ &net, "{\"pids\":[],\"x\":{\"a\":1,\"a\":1}}", SYNTAX, "",
		  NULL },
		{ &net, "{\"pids\":[\"\xff\"]}", SYNTAX, "", NULL },
		{ &net, "{\"pids\":[\"\\ud800\"]}", SYNTAX, "", NULL },
		{ &net, "{\"pids\":[\"\xc3\xa9\"] \xc3\xa9}", SYNTAX, "",
		  NULL },
		{ &net, "{\"pids\":[1e400x]}", SYNTAX, "", NULL },
		{ &net, "{\"pids\":[1e400,01e999]}", SYNTAX, "", NULL },
		{ &net, "{\"pids\":[1e400,-.5e999]}", SYNTAX, "", NULL },
		{ &net, "{\"pids\":[1e400,1e999.5]}", SYNTAX, "", NULL },
		{ &net, "{\"pids\":[1e400,1.e999]}", SYNTAX, "", NULL },
		{ &net, "{\"pids\":[\"\\u0000\",\"\\u00\"]}", SYNTAX, "",
		  NULL },
		{ &net, "{\"pids\":[\"\\u0000\\\"", SYNTAX, "", NULL },
	};
	struct ask_refusal why;
	struct ask *a = NULL;

	ALL_REFUSED(rows);
	CU_ASSERT_EQUAL(ask_read(&net, NULL, 0, &a, &why), RC_ERULE);
	CU_ASSERT_EQUAL(read_bytes(&net, "{\"pids\":[]}\0", 12, &a, &why),
	                RC_ERULE);
	CU_ASSERT_STRING_EQUAL(why.code, SYNTAX);
	CU_ASSERT_EQUAL(read_bytes(&net, "{\"pids\":\n[\n1,,]}", 16, &a, &why),
	                RC_ERULE);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "line 3"));
}

static void depth_and_nodes_have_ceilings(void)
{
	static char body[200100];
	struct ask_refusal why;
	struct ask *a = NULL;
	size_t n = put(body, sizeof(body), "{\"pids\":[],");
	size_t len;

	memset(body + n, '[', 100000);
	CU_ASSERT_EQUAL(read_bytes(&net, body, n + 100000, &a, &why), RC_ERULE);
	CU_ASSERT_STRING_EQUAL(why.code, SYNTAX);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "32 levels"));

	len = put(body, sizeof(body), "{\"pids\":[],\"x\":[0");
	for (size_t i = 0; i < JSON_BODY_NODES - 3; i++)
		len += put(body + len, sizeof(body) - len, ",{}");
	n = len;
	len += put(body + len, sizeof(body) - len, "]}");
	CU_ASSERT_EQUAL(read_bytes(&net, body, len, &a, &why), RC_OK);
	ask_free(a);
	a = NULL;
	len = n + put(body + n, sizeof(body) - n, ",{}]}");
	CU_ASSERT_EQUAL(read_bytes(&net, body, len, &a, &why), RC_ERULE);
	CU_ASSERT_STRING_EQUAL(why.code, SYNTAX);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "objects and arrays"));
	CU_ASSERT_PTR_NULL(a);
}

/* RFC 8259 allows them; so they are no syntax error. */
static void odd_json_is_still_json(void)
{
	const struct refusal rows[] = {
		{ &net, "{\"pids\":[\"a\\u0000\"]}", VALUE, "pids", "a?" },
		{ &net, "{\"pids\":[\"a\\\\u0000\\u0000\"]}", VALUE, "pids",
		  "a\\u0000?" },
		{ &net, "{\"pids\":[1e400]}", VALUE, "pids",
		  "1e308" },
		{ &net, "{\"pids\":[-1E+400]}", VALUE, "pids",
		  "-1e308" },
		{ &net, "{\"pids\":[100000000000000000000]}", VALUE, "pids",
		  "1e20" },
		{ &net, "{\"pids\":1e999}", TYPE, "pids", NULL },
	};
	struct ask *a;

	ALL_REFUSED(rows);
	a = taken(&net, "{\"pids\":[\"a\"],\"a\\u0000\":\"\\u0000\","
	          "\"n\":[1e400,-1e309,9223372036854775808,"
	          "-9223372036854775809,9223372036854775807,1e-400,0.5]}");
	CU_ASSERT_EQUAL(a->src.n, 1);
	ask_free(a);
	/* a name with a NUL is another name */
	refused(&net, "{\"pids\\u0000\":[]}", MISSING, "pids", NULL);
}

static void the_top_is_an_object(void)
{
	const struct refusal rows[] = {
		{ &net, "[]", TYPE, "", NULL }, { &cost, "1", TYPE, "", NULL },
		{ &eps, "null", TYPE, "", NULL },
		{ &ecs, "\"x\"", TYPE, "", NULL },
	};

	ALL_REFUSED(rows);
}

static void missing_members_are_named(void)
{
	const struct refusal rows[] = {
		{ &net, "{}", MISSING, "pids", NULL },
		{ &net, "{\"address-types\":[]}", MISSING, "pids", NULL },
		{ &net, "{\"PIDS\":[]}", MISSING, "pids", NULL },
		{ &cost, "{}", MISSING, "cost-type", NULL },
		{ &cost, "{\"cost-type\":{}}", MISSING, "cost-type/cost-metric",
		  NULL },
		{ &cost, "{\"cost-type\":{\"cost-metric\":\"routingcost\"}}",
		  MISSING, "cost-type/cost-mode", NULL },
		{ &cost, ONE(RC_NUM) ",\"pids\":{\"dsts\":[]}}", MISSING,
		  "pids/srcs", NULL },
		{ &cost, ONE(RC_NUM) ",\"pids\":{\"srcs\":[]}}", MISSING,
		  "pids/dsts", NULL },
		{ &cost, MANY(RC_NUM) "}", MISSING, "cost-type", NULL },
		{ &multi, "{\"testable-cost-types\":[" RC_NUM "]}", MISSING,
		  "cost-type", NULL },
		{ &eps, "{}", MISSING, "properties", NULL },
		{ &eps, "{\"properties\":[\"net.pid\"]}", MISSING, "endpoints",
		  NULL },
		{ &eps, "{\"endpoints\":[" IN4 "]}", MISSING, "properties",
		  NULL },
		{ &ecs, ONE(RC_NUM) "}", MISSING, "endpoints", NULL },
		{ &ecs, "{\"endpoints\":{}}", MISSING, "cost-type", NULL },
	};

	ALL_REFUSED(rows);
}

static void types_are_checked(void)
{
	const struct refusal rows[] = {
		{ &net, "{\"pids\":\"a\"}", TYPE, "pids", NULL },
		{ &net, "{\"pids\":null}", TYPE, "pids", NULL },
		{ &net, "{\"pids\":[],\"address-types\":\"ipv4\"}", TYPE,
		  "address-types", NULL },
		{ &cost, "{\"cost-type\":\"x\"}", TYPE, "cost-type", NULL },
		{ &cost, "{\"cost-type\":{\"cost-metric\":1,\"cost-mode\":"
		  "\"numerical\"}}", TYPE, "cost-type/cost-metric", NULL },
		{ &cost, "{\"cost-type\":{\"cost-metric\":\"routingcost\","
		  "\"cost-mode\":[]}}", TYPE, "cost-type/cost-mode", NULL },
		{ &cost, ONE(RC_NUM) ",\"constraints\":\"gt 5\"}", TYPE,
		  "constraints", NULL },
		{ &cost, ONE(RC_NUM) ",\"pids\":[]}", TYPE, "pids", NULL },
		{ &cost, ONE(RC_NUM) ",\"pids\":{\"srcs\":{},\"dsts\":[]}}",
		  TYPE, "pids/srcs", NULL },
		{ &cost, ONE(RC_NUM) ",\"pids\":{\"srcs\":[],\"dsts\":1}}",
		  TYPE, "pids/dsts", NULL },
		{ &multi, "{\"multi-cost-types\":{}}", TYPE,
		  "multi-cost-types", NULL },
		{ &multi, ONE(RC_NUM) ",\"testable-cost-types\":1}", TYPE,
		  "testable-cost-types", NULL },
		{ &multi, ONE(RC_NUM) ",\"or-constraints\":\"gt 5\"}", TYPE,
		  "or-constraints", NULL },
		{ &eps, "{\"properties\":\"net.pid\",\"endpoints\":[]}", TYPE,
		  "properties", NULL },
		{ &eps, "{\"properties\":[],\"endpoints\":{}}", TYPE,
		  "endpoints", NULL },
		{ &ecs, ONE(RC_NUM) ",\"endpoints\":[]}", TYPE, "endpoints",
		  NULL },
		{ &ecs, ONE(RC_NUM) ",\"endpoints\":{\"srcs\":" IN4 "}}", TYPE,
		  "endpoints/srcs", NULL },
		{ &ecs, ONE(RC_NUM) ",\"endpoints\":{\"dsts\":null}}", TYPE,
		  "endpoints/dsts", NULL },
	};

	ALL_REFUSED(rows);
}

/* What is missing comes before what has a wrong type, and that before values. */
static void one_error_is_told_in_a_fixed_order(void)
{
	const struct refusal rows[] = {
		{ &cost, "{\"constraints\":1,\"pids\":{\"srcs\":[1]}}",
		  MISSING, "cost-type", NULL },
		{ &cost, ONE(CT("x", "y")) ",\"pids\":{\"srcs\":1}}", MISSING,
		  "pids/dsts", NULL },
		{ &cost, ONE(CT("x", "y")) ",\"pids\":1}", TYPE, "pids", NULL },
		{ &eps, "{\"properties\":[1],\"endpoints\":1}", TYPE,
		  "endpoints", NULL },
		{ &cost, "{\"cost-type\":{\"cost-mode\":5}}", MISSING,
		  "cost-type/cost-metric", NULL },
	};

	ALL_REFUSED(rows);
}

static void cost_types_must_be_on_offer(void)
{
	const struct refusal rows[] = {
		{ &cost, ONE(CT("routingcost", "foo")) "}", VALUE,
		  "cost-type/cost-mode", "foo" },
		{ &cost, ONE(CT("x", "foo")) "}", VALUE, "cost-type/cost-mode",
		  "foo" },
		{ &cost, ONE(CT("hopcount", "numerical")) "}", VALUE,
		  "cost-type/cost-metric", "hopcount" },
		{ &cost, ONE(CT("priv:x", "ordinal")) "}", VALUE,
		  "cost-type/cost-metric", "priv:x" },
		{ &cost, ONE(CT("priv:", "numerical")) "}", VALUE,
		  "cost-type/cost-metric", "priv:" },
		{ &cost, ONE(CT("m23456789012345678901234567890123",
		  "numerical")) "}", VALUE, "cost-type/cost-metric",
		  "m23456789012345678901234567890123" },
		{ &cost, ONE(CT("routingcost\\u0000", "numerical")) "}", VALUE,
		  "cost-type/cost-metric", "routingcost?" },
		{ &cost, ONE(CT("routingcost", "\xc3\xa9\\n\\u001b")) "}",
		  VALUE, "cost-type/cost-mode", "???" },
	};
	struct ask *a;

	ALL_REFUSED(rows);
	a = taken(&cost, ONE(CT("priv:x", "numerical")) "}");
	CU_ASSERT_EQUAL(a->n_shown, 1);
	CU_ASSERT_EQUAL(a->n_columns, 1);
	CU_ASSERT_PTR_EQUAL(a->columns[0], &base_costs[2]);
	CU_ASSERT_FALSE(a->multi);
	CU_ASSERT_EQUAL(a->filter.n_tests, 0);
	ask_free(a);
	a = taken(&cost, "{\"cost-type\":{\"cost-metric\":\"routingcost\","
	          "\"cost-mode\":\"ordinal\",\"description\":7},\"x\":[]}");
	CU_ASSERT_PTR_EQUAL(a->columns[0], &base_costs[1]);
	ask_free(a);
}

static void several_cost_types_are_checked(void)
{
	const struct refusal rows[] = {
		{ &multi, "{\"cost-type\":" RC_NUM ",\"multi-cost-types\":["
		  RC_NUM "]}", VALUE, "multi-cost-types", NULL },
		{ &multi, MANY("") "}", VALUE, "multi-cost-types", NULL },
		{ &multi, MANY(RC_NUM "," HOPS "," BW "," DELAY) "}", VALUE,
		  "multi-cost-types", NULL },
		{ &multi, MANY(RC_NUM "," CT("x", "y")) "}", VALUE,
		  "multi-cost-types", CT("x", "y") },
		{ &multi, MANY("{\"cost-metric\": \"bw\"}") "}", VALUE,
		  "multi-cost-types", "{\"cost-metric\":\"bw\"}" },
		{ &multi, MANY("\"bw\"") "}", VALUE, "multi-cost-types", "bw" },
		{ &multi, MANY("{\"cost-metric\":1.5,\"cost-mode\":0.1}") "}",
		  VALUE, "multi-cost-types",
		  "{\"cost-metric\":1.5,\"cost-mode\":0.1}" },
		{ &multi, ONE(RC_NUM) ",\"testable-cost-types\":[]}", VALUE,
		  "testable-cost-types", NULL },
		{ &multi, ONE(RC_NUM) ",\"testable-cost-types\":[" BW "]}",
		  VALUE, "testable-cost-types", BW },
		{ &multi, ONE(RC_NUM) ",\"testable-cost-types\":[true]}",
		  VALUE, "testable-cost-types", "true" },
		{ &untestable, ONE(RC_NUM) ",\"testable-cost-types\":[" HOPS
		  "]}", VALUE, "testable-cost-types", HOPS },
	};
	struct ask *a;

	ALL_REFUSED(rows);
	a = taken(&multi, MANY(BW "," RC_NUM "," BW) "}");
	CU_ASSERT_TRUE(a->multi);
	CU_ASSERT_EQUAL(a->n_shown, 3);
	CU_ASSERT_EQUAL(a->n_columns, 3);
	CU_ASSERT_PTR_EQUAL(a->columns[0], &multi_costs[3]);
	CU_ASSERT_PTR_EQUAL(a->columns[1], &multi_costs[0]);
	CU_ASSERT_PTR_EQUAL(a->columns[2], &multi_costs[3]);
	ask_free(a);
	a = taken(&multi, MANY(HOPS) ",\"testable-cost-types\":[" DELAY "]}");
	CU_ASSERT_TRUE(a->multi);
	CU_ASSERT_EQUAL(a->n_columns, 1);
	ask_free(a);
	/* without RFC 8189 its members are unknown, so they do no harm */
	a = taken(&cost, ONE(RC_NUM) ",\"multi-cost-types\":1,"
	          "\"testable-cost-types\":2,\"or-constraints\":3}");
	CU_ASSERT_FALSE(a->multi);
	CU_ASSERT_EQUAL(a->filter.n_tests, 0);
	ask_free(a);
}

static void what_is_free_may_be_nothing(void)
{
	ask_free(NULL);
}

/* RFC 8259 lets one name stand twice; requests do not. */
static bool excepted(const char *name)
{
	return strncmp(name, "y_object_duplicated_key", 23) == 0;
}

static void judge(const char *name, const char *text, size_t len, void *arg)
{
	struct ask_refusal why;
	struct ask *a = NULL;
	enum rc rc = read_bytes(&net, text, len, &a, &why);
	bool syntax = rc == RC_ERULE && strcmp(why.code, SYNTAX) == 0;

	(void)arg;
	CU_ASSERT_EQUAL(rc, RC_ERULE);
	if ((name[0] == 'y' && syntax != excepted(name)) ||
	    (name[0] == 'n' && !syntax)) {
		printf("\n  %s: %s %s\n", name, why.code, why.text);
		CU_FAIL("judged wrongly");
	}
	printable(why.text);
	ask_free(a);
}

static void the_parser_suite_gets_its_answers(void)
{
	if (!suite_files(judge, NULL))
		SKIP("the JSON parser suite");
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "what is no JSON is a syntax error",
		  what_is_no_json_is_a_syntax_error },
		{ "depth and nodes have ceilings",
		  depth_and_nodes_have_ceilings },
		{ "odd JSON is still JSON", odd_json_is_still_json },
		{ "the top is an object", the_top_is_an_object },
		{ "missing members are named", missing_members_are_named },
		{ "types are checked", types_are_checked },
		{ "one error is told in a fixed order",
		  one_error_is_told_in_a_fixed_order },
		{ "cost types must be on offer", cost_types_must_be_on_offer },
		{ "several cost types are checked",
		  several_cost_types_are_checked },
		{ "what is freed may be nothing", what_is_free_may_be_nothing },
		{ "the parser suite gets its answers",
		  the_parser_suite_gets_its_answers },
		CU_TEST_INFO_NULL
	};

	return ask_suite("ask", tests);
}
