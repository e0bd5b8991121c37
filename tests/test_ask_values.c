/* What is understood of good requests of computed services, and what each rule
 * about values refuses: tests, PIDs, families, properties, addresses, work.
 */
#include "common/wire/ask_json.h"

#include "tests/ask_stage.h"
#include "tests/suite.h"

static void bad_constraints_are_refused(void)
{
	const struct refusal rows[] = {
		{ &cost, ONE(RC_NUM) ",\"constraints\":[\"ge 1\",\"gt\"]}",
		  VALUE, "constraints", "gt" },
		{ &cost, ONE(RC_NUM) ",\"constraints\":[\"foo 5\"]}", VALUE,
		  "constraints", "foo 5" },
		{ &cost, ONE(RC_NUM) ",\"constraints\":[\"gt five\"]}", VALUE,
		  "constraints", "gt five" },
		{ &cost, ONE(RC_NUM) ",\"constraints\":[\"gt5\"]}", VALUE,
		  "constraints", "gt5" },
		{ &cost, ONE(RC_NUM) ",\"constraints\":[[\"gt 5\"]]}", VALUE,
		  "constraints", "[\"gt 5\"]" },
		{ &cost, ONE(RC_NUM) ",\"constraints\":[5]}", VALUE,
		  "constraints", "5" },
		{ &cost, ONE(RC_NUM) ",\"constraints\":[\"[0] gt 5\"]}", VALUE,
		  "constraints", "[0] gt 5" },
		{ &cost, ONE(RC_NUM) ",\"constraints\":[\"gt 5\\u0000\"]}",
		  VALUE, "constraints", "gt 5?" },
		{ &plain, ONE(RC_NUM) ",\"constraints\":[\"gt 5\"]}", VALUE,
		  "constraints", NULL },
		{ &plain, ONE(RC_NUM) ",\"constraints\":[]}", VALUE,
		  "constraints", NULL },
		{ &untestable, ONE(RC_NUM) ",\"or-constraints\":[[\"gt 5\"]]}",
		  VALUE, "or-constraints", NULL },
		{ &multi, ONE(BW) ",\"constraints\":[\"gt 5\"]}", VALUE,
		  "constraints", "gt 5" },
		{ &multi, ONE(RC_NUM) ",\"constraints\":[\"[1] gt 5\"]}",
		  VALUE, "constraints", "[1] gt 5" },
		{ &multi, MANY(RC_NUM "," HOPS) ",\"constraints\":"
		  "[\"[2] gt 5\"]}", VALUE, "constraints", "[2] gt 5" },
		{ &multi, MANY(RC_NUM "," BW) ",\"constraints\":"
		  "[\"[1] gt 5\"]}", VALUE, "constraints", "[1] gt 5" },
		{ &multi, MANY(RC_NUM "," HOPS) ",\"testable-cost-types\":["
		  HOPS "],\"constraints\":[\"[1] gt 5\"]}", VALUE,
		  "constraints", "[1] gt 5" },
		{ &multi, ONE(RC_NUM) ",\"constraints\":[\"[0]gt 5\"]}", VALUE,
		  "constraints", "[0]gt 5" },
		{ &multi, ONE(RC_NUM) ",\"constraints\":"
		  "[\"[4294967296] gt 5\"]}", VALUE, "constraints",
		  "[4294967296] gt 5" },
		{ &multi, ONE(RC_NUM) ",\"constraints\":[],\"or-constraints\":"
		  "[[\"gt 5\"]]}", VALUE, "or-constraints", NULL },
		{ &multi, ONE(RC_NUM) ",\"or-constraints\":[]}", VALUE,
		  "or-constraints", NULL },
		{ &multi, ONE(RC_NUM) ",\"or-constraints\":[[\"gt 5\"],[]]}",
		  VALUE, "or-constraints", "[]" },
		{ &multi, ONE(RC_NUM) ",\"or-constraints\":[\"gt 5\"]}",
		  VALUE, "or-constraints", "gt 5" },
		{ &multi, ONE(RC_NUM) ",\"or-constraints\":[[\"gt 5\",null]]}",
		  VALUE, "or-constraints", "null" },
		{ &multi, ONE(RC_NUM) ",\"or-constraints\":[[\"[1] gt 5\"]]}",
		  VALUE, "or-constraints", "[1] gt 5" },
		{ &ecs, ONE(BW) ",\"endpoints\":{\"srcs\":[" IN4 "]},"
		  "\"constraints\":[\"eq 1\"]}", VALUE, "constraints", "eq 1" },
	};

	ALL_REFUSED(rows);
}

static void is_test(const struct ask *a, size_t i, enum filter_op op,
                    uint32_t column, double number)
{
	CU_ASSERT_FATAL(i < a->filter.n_tests);
	CU_ASSERT_EQUAL(a->filter.test[i].op, op);
	CU_ASSERT_EQUAL(a->filter.test[i].index, column);
	CU_ASSERT_EQUAL(a->filter.test[i].number, number);
}

static void constraints_become_tests_of_columns(void)
{
	struct ask *a;

	a = taken(&cost, ONE(RC_NUM) ",\"constraints\":[\"ge 2\","
	          "\"lt\\t40\"]}");
	CU_ASSERT_EQUAL(a->filter.n_tests, 2);
	CU_ASSERT_EQUAL(a->filter.n_clauses, 1);
	CU_ASSERT_EQUAL(a->filter.end[0], 2);
	is_test(a, 0, FILTER_GE, 0, 2);
	is_test(a, 1, FILTER_LT, 0, 40);
	ask_free(a);

	a = taken(&cost, ONE(RC_NUM) ",\"constraints\":[]}");
	CU_ASSERT_EQUAL(a->filter.n_tests, 0);
	ask_free(a);
	a = taken(&multi, ONE(BW) ",\"constraints\":[]}");
	CU_ASSERT_EQUAL(a->filter.n_tests, 0);
	CU_ASSERT_EQUAL(a->filter.n_clauses, 0);
	ask_free(a);

	a = taken(&multi, MANY(RC_NUM "," HOPS) ",\"or-constraints\":"
	          "[[\"[0] le 10\",\"[1] le 3\"],[\"[1] eq 1\"],[\"gt 7\"]]}");
	CU_ASSERT_EQUAL(a->n_columns, 2);
	CU_ASSERT_EQUAL(a->filter.n_tests, 4);
	CU_ASSERT_EQUAL(a->filter.n_clauses, 3);
	CU_ASSERT_EQUAL(a->filter.end[0], 2);
	CU_ASSERT_EQUAL(a->filter.end[1], 3);
	CU_ASSERT_EQUAL(a->filter.end[2], 4);
	is_test(a, 0, FILTER_LE, 0, 10);
	is_test(a, 1, FILTER_LE, 1, 3);
	is_test(a, 2, FILTER_EQ, 1, 1);
	is_test(a, 3, FILTER_GT, 0, 7);
	ask_free(a);

	a = taken(&ecs, ONE(HOPS) ",\"endpoints\":{\"srcs\":[" IN4 "]},"
	          "\"or-constraints\":[[\"[0] eq 1\"]]}");
	CU_ASSERT_FALSE(a->multi);
	is_test(a, 0, FILTER_EQ, 0, 1);
	ask_free(a);
}

static void tested_types_that_are_not_shown_come_last_and_once(void)
{
	struct ask *a;

	a = taken(&multi, ONE(BW) ",\"testable-cost-types\":[" HOPS "," DELAY
	          "],\"constraints\":[\"[1] le 6\",\"le 5\",\"[1] ge 1\"]}");
	CU_ASSERT_EQUAL(a->n_shown, 1);
	CU_ASSERT_EQUAL(a->n_columns, 3);
	CU_ASSERT_PTR_EQUAL(a->columns[0], &multi_costs[3]);
	CU_ASSERT_PTR_EQUAL(a->columns[1], &multi_costs[2]);
	CU_ASSERT_PTR_EQUAL(a->columns[2], &multi_costs[1]);
	is_test(a, 0, FILTER_LE, 1, 6);
	is_test(a, 1, FILTER_LE, 2, 5);
	is_test(a, 2, FILTER_GE, 1, 1);
	ask_free(a);

	a = taken(&multi, MANY(RC_NUM "," HOPS) ",\"testable-cost-types\":["
	          HOPS "," HOPS "],\"or-constraints\":[[\"le 6\"],"
	          "[\"[1] le 7\"]]}");
	CU_ASSERT_EQUAL(a->n_columns, 2);
	is_test(a, 0, FILTER_LE, 1, 6);
	is_test(a, 1, FILTER_LE, 1, 7);
	ask_free(a);
}

/* A body of n times the same element between two texts. */
static char *repeated(const char *head, const char *element, size_t n,
                      const char *tail)
{
	size_t max = strlen(head) + n * (strlen(element) + 1) + strlen(tail);
	char *body = malloc(max + 1);
	size_t len;

	CU_ASSERT_PTR_NOT_NULL_FATAL(body);
	len = put(body, max + 1, head);
	for (size_t i = 0; i < n; i++) {
		if (i)
			body[len++] = ',';
		len += put(body + len, max + 1 - len, element);
	}
	put(body + len, max + 1 - len, tail);
	return body;
}

static void tests_have_a_ceiling(void)
{
	char *body = repeated(ONE(RC_NUM) ",\"constraints\":[", "\"ge 2\"",
	                      FILTER_TESTS_MAX, "]}");
	struct ask *a = taken(&cost, body);

	CU_ASSERT_EQUAL(a->filter.n_tests, FILTER_TESTS_MAX);
	ask_free(a);
	free(body);
	body = repeated(ONE(RC_NUM) ",\"constraints\":[", "\"ge 2\"",
	                FILTER_TESTS_MAX + 1, "]}");
	refused(&cost, body, VALUE, "constraints", NULL);
	free(body);
	body = repeated(ONE(RC_NUM) ",\"or-constraints\":[", "[\"ge 2\"]",
	                FILTER_TESTS_MAX, "]}");
	a = taken(&multi, body);
	CU_ASSERT_EQUAL(a->filter.n_clauses, FILTER_TESTS_MAX);
	ask_free(a);
	free(body);
	body = repeated(ONE(RC_NUM) ",\"or-constraints\":[", "[\"ge 2\"]",
	                FILTER_TESTS_MAX + 1, "]}");
	refused(&multi, body, VALUE, "or-constraints", NULL);
	free(body);
}

static void network_maps_take_pids(void)
{
	const struct refusal rows[] = {
		{ &net, "{\"pids\":[\"a\",1]}", VALUE, "pids", "1" },
		{ &net, "{\"pids\":[1.5]}", VALUE, "pids", "1.5" },
		{ &net, "{\"pids\":[null]}", VALUE, "pids", "null" },
		{ &net, "{\"pids\":[[ \"a\", {} ]]}", VALUE, "pids",
		  "[\"a\",{}]" },
		{ &net, "{\"pids\":[\"\"]}", VALUE, "pids", "" },
		{ &net, "{\"pids\":[\"a.b\"]}", VALUE, "pids", "a.b" },
		{ &net, "{\"pids\":[\"a b\"]}", VALUE, "pids", "a b" },
		{ &net, "{\"pids\":[\"\\u00e9\\u20ac\"]}", VALUE, "pids",
		  "??" },
		{ &cost, ONE(RC_NUM) ",\"pids\":{\"srcs\":[\"a/b\"],"
		  "\"dsts\":[]}}", VALUE, "pids/srcs", "a/b" },
		{ &cost, ONE(RC_NUM) ",\"pids\":{\"srcs\":[],\"dsts\":[\"a\","
		  "false]}}", VALUE, "pids/dsts", "false" },
	};
	struct ask *a;

	ALL_REFUSED(rows);
	a = taken(&net, "{\"pids\":[]}");
	CU_ASSERT_EQUAL(a->src.n, 4);
	CU_ASSERT_TRUE(a->src.all);
	CU_ASSERT_EQUAL(a->src.pid[3], 3);
	ask_free(a);
	a = taken(&net, "{\"pids\":[\"nosuch\"]}");
	CU_ASSERT_EQUAL(a->src.n, 0);
	CU_ASSERT_FALSE(a->src.all);
	ask_free(a);
	a = taken(&net, "{\"pids\":[\"c\",\"a\",\"zz\",\"c\",\"a\"]}");
	CU_ASSERT_EQUAL(a->src.n, 2);
	CU_ASSERT_FALSE(a->src.all);
	CU_ASSERT_EQUAL(a->src.pid[0], 0);
	CU_ASSERT_EQUAL(a->src.pid[1], 2);
	ask_free(a);
	a = taken(&net, "{\"pids\":[\"d:1\",\"c\",\"b\",\"a\"]}");
	CU_ASSERT_TRUE(a->src.all);
	ask_free(a);
}

static void a_long_value_is_cut(void)
{
	static char body[1000], want[256];
	size_t len = put(body, sizeof(body), "{\"pids\":[\"");

	memset(body + len, 'x', 600);
	put(body + len + 600, sizeof(body) - len - 600, "\"]}");
	memset(want, 'x', 255);
	refused(&net, body, VALUE, "pids", want);
	body[len - 1] = '[';
	memset(body + len, ' ', 600);
	for (size_t i = 0; i < 400; i++)
		body[len + i] = i % 2 ? ',' : '7';
	body[len + 399] = ' ';
	put(body + len + 600, sizeof(body) - len - 600, "]]}");
	want[0] = '[';
	for (size_t i = 1; i < 255; i++)
		want[i] = i % 2 ? '7' : ',';
	refused(&net, body, VALUE, "pids", want);
}

static void cost_maps_take_two_lists_of_pids(void)
{
	struct ask *a = taken(&cost, ONE(RC_NUM) "}");

	CU_ASSERT_TRUE(a->src.all && a->dst.all);
	CU_ASSERT_EQUAL(a->src.n, 4);
	CU_ASSERT_EQUAL(a->dst.n, 4);
	ask_free(a);
	a = taken(&cost, ONE(RC_NUM) ",\"pids\":{\"srcs\":[\"b\"],"
	          "\"dsts\":[]}}");
	CU_ASSERT_EQUAL(a->src.n, 1);
	CU_ASSERT_EQUAL(a->src.pid[0], 1);
	CU_ASSERT_FALSE(a->src.all);
	CU_ASSERT_TRUE(a->dst.all);
	ask_free(a);
	a = taken(&cost, ONE(RC_NUM) ",\"pids\":{\"srcs\":[],"
	          "\"dsts\":[\"no\",\"such\"]}}");
	CU_ASSERT_TRUE(a->src.all);
	CU_ASSERT_FALSE(a->dst.all);
	CU_ASSERT_EQUAL(a->dst.n, 0);
	ask_free(a);
}

static unsigned families(const char *list)
{
	char body[200];
	struct ask *a;
	unsigned f;

	snprintf(body, sizeof(body), "{\"pids\":[],\"address-types\":%s}",
	         list);
	a = taken(&net, body);
	f = a->families;
	ask_free(a);
	return f;
}

static void address_types_choose_families(void)
{
	const unsigned v4 = 1u << FAMILY_IPV4, v6 = 1u << FAMILY_IPV6;
	const struct refusal rows[] = {
		{ &net, "{\"pids\":[],\"address-types\":[4]}", VALUE,
		  "address-types", "4" },
		{ &net, "{\"pids\":[],\"address-types\":[\"ipv4\",\"\"]}",
		  VALUE, "address-types", "" },
		{ &net, "{\"pids\":[],\"address-types\":[\"ip v4\"]}", VALUE,
		  "address-types", "ip v4" },
		{ &net, "{\"pids\":[],\"address-types\":[\"ipv4\\u0000\"]}",
		  VALUE, "address-types", "ipv4?" },
	};
	struct ask *a = taken(&net, "{\"pids\":[]}");

	CU_ASSERT_EQUAL(a->families, v4 | v6);
	ask_free(a);
	CU_ASSERT_EQUAL(families("[]"), v4 | v6);
	CU_ASSERT_EQUAL(families("[\"ipv6\"]"), v6);
	CU_ASSERT_EQUAL(families("[\"x\",\"ipv4\",\"ipv4\"]"), v4);
	CU_ASSERT_EQUAL(families("[\"ipv6\",\"ipv4\"]"), v4 | v6);
	CU_ASSERT_EQUAL(families("[\"IPv4\",\"ipv9\"]"), 0);
	ALL_REFUSED(rows);
}

static void properties_must_be_on_offer(void)
{
	const struct refusal rows[] = {
		{ &eps, "{\"properties\":[],\"endpoints\":[" IN4 "]}", VALUE,
		  "properties", NULL },
		{ &eps, "{\"properties\":[\"net.pid\",\"x\"],\"endpoints\":["
		  IN4 "]}", VALUE, "properties", "x" },
		{ &eps, "{\"properties\":[\"priv:\"],\"endpoints\":[" IN4 "]}",
		  VALUE, "properties", "priv:" },
		{ &eps, "{\"properties\":[\"priv:x\\u0000\"],\"endpoints\":["
		  IN4 "]}", VALUE, "properties", "priv:x?" },
		{ &eps, "{\"properties\":[7],\"endpoints\":[" IN4 "]}", VALUE,
		  "properties", "7" },
		{ &eps, "{\"properties\":[\"net.pid\"],\"endpoints\":[]}",
		  VALUE, "endpoints", NULL },
		{ &eps, "{\"properties\":[\"net.pid\"],\"endpoints\":[" IN4
		  ",\"ipv9:1\"]}", VALUE, "endpoints", "ipv9:1" },
		{ &eps, "{\"properties\":[\"net.pid\"],\"endpoints\":[4]}",
		  VALUE, "endpoints", "4" },
	};
	struct ask *a;

	ALL_REFUSED(rows);
	a = taken(&eps, "{\"properties\":[\"net2.pid\",\"net.pid\","
	          "\"net2.pid\"],\"endpoints\":[\"ipv6:::1\"," IN4 ",\"ipv6:::1"
	          "\",\"ipv6:0::1\"]}");
	CU_ASSERT_EQUAL(a->n_props, 2);
	CU_ASSERT_PTR_EQUAL(a->props[0], &props_on_offer[2]);
	CU_ASSERT_PTR_EQUAL(a->props[1], &props_on_offer[0]);
	/* two spellings are two keys of the answer */
	CU_ASSERT_EQUAL(a->src.n, 3);
	CU_ASSERT_STRING_EQUAL(a->src.endpoint[0].text, "ipv6:::1");
	CU_ASSERT_STRING_EQUAL(a->src.endpoint[1].text, "ipv4:192.0.2.1");
	CU_ASSERT_STRING_EQUAL(a->src.endpoint[2].text, "ipv6:0::1");
	ask_free(a);
}

#define ECS(axes) ONE(RC_NUM) ",\"endpoints\":{" axes "}}"

static void endpoint_costs_take_addresses(void)
{
	const struct refusal rows[] = {
		{ &ecs, ECS(""), VALUE, "endpoints", NULL },
		{ &ecs, ECS("\"srcs\":[],\"dsts\":[]"), VALUE, "endpoints",
		  NULL },
		{ &ecs, ECS("\"srcs\":[\"ipv4:192.0.2.300\"]"), VALUE,
		  "endpoints/srcs", "ipv4:192.0.2.300" },
		{ &ecs, ECS("\"dsts\":[" IN4 ",\"ipv4:192.000.2.1\"]"), VALUE,
		  "endpoints/dsts", "ipv4:192.000.2.1" },
		{ &ecs, ECS("\"dsts\":[\"ipv9:1\"]"), VALUE, "endpoints/dsts",
		  "ipv9:1" },
		{ &ecs, ECS("\"dsts\":[\"ipv4:192.0.2.0/24\"]"), VALUE,
		  "endpoints/dsts", "ipv4:192.0.2.0/24" },
		{ &ecs, ECS("\"dsts\":[{}]"), VALUE, "endpoints/dsts", "{}" },
	};
	struct ask *a;

	ALL_REFUSED(rows);
	a = taken(&ecs, ECS("\"dsts\":[" IN4 "," IN4 ",\"ipv4:10.0.0.1\"]"));
	CU_ASSERT_TRUE(a->src.self);
	CU_ASSERT_EQUAL(a->src.n, 0);
	CU_ASSERT_FALSE(a->dst.self);
	CU_ASSERT_EQUAL(a->dst.n, 2);
	CU_ASSERT_STRING_EQUAL(a->dst.endpoint[1].text, "ipv4:10.0.0.1");
	CU_ASSERT_EQUAL(a->dst.endpoint[1].addr[0], 10);
	ask_free(a);
	a = taken(&ecs, ECS("\"srcs\":[" IN4 "],\"dsts\":[]"));
	CU_ASSERT_FALSE(a->src.self);
	CU_ASSERT_TRUE(a->dst.self);
	ask_free(a);
}

static enum rc endpoint(const char *text, struct ask_endpoint *out)
{
	return ask_endpoint_read(text, strlen(text), out);
}

static void addresses_have_many_spellings(void)
{
	static const char *const same[] = {
		"ipv6:2001:db8::1", "ipv6:2001:DB8:0:0::1",
		"ipv6:2001:0db8:0000:0000:0000:0000:0000:0001",
		"ipv6:2001:db8::0.0.0.1", "ipv6:2001:db8:0:0:0:0:0.0.0.1",
	};
	static const char *const bad[] = {
		"", "ipv4", "ipv4:", "ipv6:", "192.0.2.1", "IPv4:192.0.2.1",
		"ipv4:192.0.2", "ipv4:192.0.2.1.1", "ipv4: 192.0.2.1",
		"ipv4:192.0.2.1 ", "ipv4:192.0.2.256", "ipv4:192.0.2.01",
		"ipv4:0xc0.0.2.1", "ipv4:+1.0.2.1", "ipv4:1..2.1",
		"ipv4:2001:db8::1", "ipv4:192.0.2.1/32", "ipv4:192.0.2.1/",
		"ipv4:192.0.2.0/24", "ipv4:3221225985", "ipv6:192.0.2.1",
		"ipv6:fe80::1%eth0", "ipv6:[::1]", "ipv6:::1/128", "ipv6:::/0",
		"ipv6:1:2:3:4:5:6:7", "ipv6:1:2:3:4:5:6:7:8:9", "ipv6:1::2::3",
		"ipv6::1:2:3:4:5:6:7:8", "ipv6:12345::", "ipv6:g::", "ipv6::",
		"ipv6:::192.0.2.01", "ipv6:1:2:3:4:5:6:7:1.2.3.4", "ipv6:1:",
		"ipv6:2001:db8:0000:0000:0000:0000:255.255.255.255.0000000000",
		"mac:00-00-5e-00-53-01",
	};
	struct ask_endpoint e, first;

	CU_ASSERT_EQUAL_FATAL(endpoint(same[0], &first), RC_OK);
	CU_ASSERT_EQUAL(first.family, FAMILY_IPV6);
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		CU_ASSERT_EQUAL(endpoint(same[i], &e), RC_OK);
		CU_ASSERT_PTR_EQUAL(e.text, same[i]);
		CU_ASSERT_EQUAL(memcmp(e.addr, first.addr, 16), 0);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CU_ASSERT_EQUAL(endpoint(bad[i], &e), RC_ESYNTAX);
		if (endpoint(bad[i], &e) != RC_ESYNTAX)
			printf("\n  %s\n", bad[i]);
	}
	/* a mapped address stays what it is */
	CU_ASSERT_EQUAL(endpoint("ipv6:::ffff:192.0.2.1", &e), RC_OK);
	CU_ASSERT_EQUAL(e.family, FAMILY_IPV6);
	CU_ASSERT_EQUAL(endpoint("ipv6:ffff:ffff:ffff:ffff:ffff:ffff:"
	                         "255.255.255.255", &e), RC_OK);
	CU_ASSERT_EQUAL(endpoint("ipv4:255.255.255.255", &e), RC_OK);
	CU_ASSERT_EQUAL(e.family, FAMILY_IPV4);
	/* the length counts, not a NUL */
	CU_ASSERT_EQUAL(ask_endpoint_read("ipv4:10.0.0.12", 13, &e), RC_OK);
	CU_ASSERT_EQUAL(e.addr[3], 1);
}

/* n addresses as a list. */
static size_t addresses(char *dst, size_t max, size_t n)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(dst + len, max - len,
		                        "%s\"ipv4:10.%zu.%zu.%zu\"",
		                        i ? "," : "", i >> 16, i >> 8 & 255,
		                        i & 255);
	return len;
}

static void work_has_a_ceiling(void)
{
	const size_t n = 16384, max = 1u << 20;	/* n * n is the ceiling */
	char *body = malloc(max);
	struct ask *a;
	size_t len;

	CU_ASSERT_PTR_NOT_NULL_FATAL(body);
	len = put(body, max, ONE(RC_NUM) ",\"endpoints\":{\"srcs\":[");
	len += addresses(body + len, max - len, n);
	len += put(body + len, max - len, "],\"dsts\":[");
	len += addresses(body + len, max - len, n);
	put(body + len, max - len, "]}}");
	a = taken(&ecs, body);
	CU_ASSERT_EQUAL(a->src.n, n);
	CU_ASSERT_EQUAL(a->dst.n, n);
	ask_free(a);
	put(body + len, max - len, "]},\"constraints\":[\"gt 1\"]}");
	refused(&ecs, body, VALUE, "endpoints", NULL);
	put(body + len, max - len, ",\"ipv4:11.0.0.1\"]}}");
	refused(&ecs, body, VALUE, "endpoints", NULL);
	free(body);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "bad constraints are refused", bad_constraints_are_refused },
		{ "constraints become tests of columns",
		  constraints_become_tests_of_columns },
		{ "tested types that are not shown come last and once",
		  tested_types_that_are_not_shown_come_last_and_once },
		{ "tests have a ceiling", tests_have_a_ceiling },
		{ "network maps take PIDs", network_maps_take_pids },
		{ "a long value is cut", a_long_value_is_cut },
		{ "cost maps take two lists of PIDs",
		  cost_maps_take_two_lists_of_pids },
		{ "address types choose families",
		  address_types_choose_families },
		{ "properties must be on offer", properties_must_be_on_offer },
		{ "endpoint costs take addresses",
		  endpoint_costs_take_addresses },
		{ "addresses have many spellings",
		  addresses_have_many_spellings },
		{ "work has a ceiling", work_has_a_ceiling },
		CU_TEST_INFO_NULL
	};

	return ask_suite("ask_values", tests);
}
