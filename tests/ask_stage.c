/* Services to ask, and what they are asked. */
#include "tests/ask_stage.h"

#include "tests/suite.h"

const struct service_cost base_costs[] = {
	{ .metric = "routingcost", .mode = "numerical", .testable = true },
	{ .metric = "routingcost", .mode = "ordinal", .testable = true },
	{ .metric = "priv:x", .mode = "numerical", .testable = true },
};
const struct service_cost plain_costs[] = {
	{ .metric = "routingcost", .mode = "numerical" },
	{ .metric = "hopcount", .mode = "numerical" },
};
const struct service_cost multi_costs[] = {
	{ .metric = "routingcost", .mode = "numerical", .testable = true },
	{ .metric = "hopcount", .mode = "numerical", .testable = true },
	{ .metric = "delay-ow", .mode = "numerical", .testable = true },
	{ .metric = "bw", .mode = "ordinal" },
};
const struct service_prop props_on_offer[] = {
	{ .name = "net.pid" }, { .name = "priv:x" }, { .name = "net2.pid" },
};

struct service net, cost, plain, multi, untestable, eps, ecs;

/* Made before there is a suite: what cannot fail aborts. */
static struct netmap *netmap_abcd(void)
{
	static const char *const names[] = { "d:1", "b", "c", "a" };
	struct netbuild *b = NULL;
	struct netmap *m = NULL;
	enum rc rc = netbuild_new(&b);

	for (size_t i = 0; rc == RC_OK && i < 4; i++)
		rc = netbuild_pid(b, names[i], strlen(names[i]), NULL);
	if (rc != RC_OK || netbuild_end(b, NULL, &m, NULL) != RC_OK)
		abort();
	netbuild_free(b);
	return m;
}

#define COSTS(list) .costs = list, .n_costs = sizeof(list) / sizeof(list[0])

int ask_suite(const char *name, CU_TestInfo *tests)
{
	struct netmap *m = netmap_abcd();
	int status;

	net = (struct service){ .kind = SERVICE_NETWORK_MAP, .net = m };
	cost = (struct service){ .kind = SERVICE_COST_MAP, .net = m,
		COSTS(base_costs) };
	plain = (struct service){ .kind = SERVICE_COST_MAP, .net = m,
		COSTS(plain_costs) };
	multi = (struct service){ .kind = SERVICE_COST_MAP, .net = m,
		COSTS(multi_costs), .max_types = 3 };
	untestable = (struct service){ .kind = SERVICE_COST_MAP, .net = m,
		COSTS(plain_costs), .max_types = 3 };
	eps = (struct service){ .kind = SERVICE_ENDPOINT_PROPERTY,
		.props = props_on_offer, .n_props = 3 };
	ecs = (struct service){ .kind = SERVICE_ENDPOINT_COST, .net = m,
		COSTS(multi_costs), .max_types = 3 };
	status = suite_run(name, tests);
	netmap_unref(m);
	return status;
}

size_t put(char *dst, size_t max, const char *text)
{
	size_t len = strlen(text);

	CU_ASSERT_FATAL(len < max);
	memcpy(dst, text, len + 1);
	return len;
}

enum rc read_bytes(const struct service *sv, const char *body,
                   size_t len, struct ask **out,
                   struct ask_refusal *why)
{
	char *copy = malloc(len ? len : 1);
	enum rc rc;

	CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
	memcpy(copy, body, len);
	memset(why, 0, sizeof(*why));
	rc = ask_read(sv, copy, len, out, why);
	free(copy);
	return rc;
}

struct ask *taken(const struct service *sv, const char *body)
{
	struct ask_refusal why;
	struct ask *a = NULL;
	enum rc rc = read_bytes(sv, body, strlen(body), &a, &why);

	CU_ASSERT_EQUAL(rc, RC_OK);
	if (rc != RC_OK)
		printf("\n  %.100s: %s %s \"%s\" %s\n", body, why.code,
		       why.field, why.value, why.text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(a);
	return a;
}

void printable(const char *s)
{
	for (; *s; s++)
		CU_ASSERT(*s >= 0x20 && *s <= 0x7e);
}

void refused(const struct service *sv, const char *body,
             const char *code, const char *field, const char *value)
{
	struct ask_refusal why;
	struct ask *a = NULL;
	enum rc rc = read_bytes(sv, body, strlen(body), &a, &why);
	bool right = rc == RC_ERULE && !a && strcmp(why.code, code) == 0 &&
	             strcmp(why.field, field) == 0 &&
	             why.has_value == (value != NULL) &&
	             strcmp(why.value, value ? value : "") == 0;

	CU_ASSERT(right);
	if (!right)
		printf("\n  %.100s: %d %s %s \"%s\" %s\n", body, rc,
		       why.code ? why.code : "", why.field, why.value,
		       why.text);
	CU_ASSERT_NOT_EQUAL(why.text[0], '\0');
	printable(why.text);
	printable(why.value);
	ask_free(a);
}

void all_refused(const struct refusal *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		refused(rows[i].sv, rows[i].body, rows[i].code, rows[i].field,
		        rows[i].value);
}
