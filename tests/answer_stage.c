/* Maps to answer from. */
#include "tests/answer_stage.h"

#include <arpa/inet.h>

#include "common/wire/costmap_json.h"
#include "common/wire/netmap_json.h"
#include "common/wire/seal.h"
#include "tests/suite.h"

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

static const uint32_t hop_at[] = {
	SERVICE_NONE, 0, 1, SERVICE_NONE, 2
};
const uint32_t everybody[] = { 0, 1, 2, 3, 4 };
const struct vtag tag = { "net", "t7" };
struct stage w;

char *quoted(const char *text)
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

void world_open(enum service_kind kind)
{
	w = (struct stage){ .net = read_net(NET_MAP) };
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

void world_close(void)
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

void ask_axis(struct ask_axis *x, const uint32_t *pid, size_t n)
{
	free(x->pid);
	x->pid = malloc((n + 1) * sizeof(*pid));
	CU_ASSERT_PTR_NOT_NULL_FATAL(x->pid);
	memcpy(x->pid, pid, n * sizeof(*pid));
	x->n = n;
	x->all = n == netmap_pids(w.net);
}

void ask_column(int which, bool shown)
{
	struct ask *a = &w.ask;

	a->columns[a->n_columns++] = &w.costs[which];
	a->n_shown += shown;
}

void ask_map(int which)
{
	world_open(SERVICE_COST_MAP);
	ask_axis(&w.ask.src, everybody, 5);
	ask_axis(&w.ask.dst, everybody, 5);
	ask_column(which, true);
}

void ask_test(const char *text, uint32_t column, bool clause)
{
	struct filter *f = &w.ask.filter;

	CU_ASSERT_EQUAL_FATAL(filter_test_read(text, strlen(text), false,
	                                       &f->test[f->n_tests]), RC_OK);
	f->test[f->n_tests++].index = column;
	f->n_clauses += clause;
	f->end[f->n_clauses - 1] = f->n_tests;
}

struct ask_endpoint endpoint(const char *text)
{
	struct ask_endpoint e = { .text = text };
	bool v6 = strncmp(text, "ipv6:", 5) == 0;

	e.family = v6 ? FAMILY_IPV6 : FAMILY_IPV4;
	CU_ASSERT_EQUAL_FATAL(inet_pton(v6 ? AF_INET6 : AF_INET, text + 5,
	                                e.addr), 1);
	return e;
}

void ask_endpoint(struct ask_axis *x, const char *text)
{
	CU_ASSERT_FATAL(x->n < 8);
	x->endpoint[x->n++] = endpoint(text);
}

void expect_for(const struct ask_endpoint *self, const char *text)
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

void expect(const char *text)
{
	expect_for(NULL, text);
}

char *answer_text(void)
{
	struct buf got = BUF_INIT(BODY_MAX);
	char *text;

	CU_ASSERT_EQUAL_FATAL(answer_write(&w.sv, &w.ask, NULL, &got), RC_OK);
	text = buf_take(&got, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	return text;
}
