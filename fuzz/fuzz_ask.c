/* Any bytes as a request, to every kind of service over one small world. What is
 * refused says why; what is taken keeps the promises of ask_json.h, and its
 * answer is JSON.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire/answer_json.h"
#include "common/wire/ask_json.h"
#include "common/wire/json.h"
#include "common/wire/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ANSWER_MAX ((size_t)4 << 20)
#define N_PIDS 4
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static const char *const pids[N_PIDS] = { "a", "b", "c:1", "rest" };
static const struct vtag tag = { .id = "net", .tag = "t1" };
static struct service_cost costs[] = {
	{ .metric = "routingcost", .mode = "numerical", .testable = true },
	{ .metric = "routingcost", .mode = "ordinal", .testable = true,
	  .ranked = true },
	{ .metric = "hopcount", .mode = "numerical", .testable = true },
	{ .metric = "bw", .mode = "ordinal" },
};
static struct service_prop props[] = {
	{ .name = "net.pid", .net = &tag },
	{ .name = "priv:x" },
};
static struct service services[] = {
	{ .kind = SERVICE_NETWORK_MAP },
	{ .kind = SERVICE_COST_MAP },
	{ .kind = SERVICE_COST_MAP, .max_types = 3 },
	{ .kind = SERVICE_ENDPOINT_PROPERTY },
	{ .kind = SERVICE_ENDPOINT_COST, .max_types = 3, .says_vtag = true },
};

/* What cannot fail aborts. */
static void must(enum rc rc)
{
	if (rc != RC_OK)
		abort();
}

static struct netmap *make_netmap(void)
{
	static const struct {
		const char *pid, *prefix[2];
	} rows[N_PIDS] = {
		{ "rest", { "0.0.0.0/0", "::/0" } },
		{ "b", { "192.0.2.0/24", NULL } },
		{ "a", { "192.0.2.128/25", "2001:db8::/32" } },
		{ "c:1", { NULL, NULL } },
	};
	struct netbuild *b = NULL;
	struct netmap *m = NULL;
	struct prefix p;

	must(netbuild_new(&b));
	for (size_t i = 0; i < N_PIDS; i++) {
		must(netbuild_pid(b, rows[i].pid, strlen(rows[i].pid), NULL));
		for (size_t k = 0; k < 2 && rows[i].prefix[k]; k++) {
			const char *s = rows[i].prefix[k];

			must(prefix_read(s, strlen(s), k ? FAMILY_IPV6 :
			                 FAMILY_IPV4, &p, NULL));
			must(netbuild_prefix(b, &p));
		}
	}
	must(netbuild_end(b, NULL, &m, NULL));
	netbuild_free(b);
	return m;
}

/* Not every pair has a cost; the first PID from has none at all. */
static struct costmap *make_costmap(const struct service_cost *c, size_t from)
{
	struct costmeta meta = { .net = tag };
	struct costbuild *b = NULL;
	struct costmap *m = NULL;

	memcpy(meta.metric, c->metric, sizeof(meta.metric));
	memcpy(meta.mode, c->ranked ? "numerical" : c->mode,
	       sizeof("numerical"));
	must(costbuild_new(&b));
	for (size_t i = from; i < N_PIDS; i++) {
		must(costbuild_row(b, pids[i], strlen(pids[i])));
		for (size_t k = from; k < N_PIDS; k++)
			if (i != 2 || k != 1)
				must(costbuild_cell(b, pids[k], strlen(pids[k]),
				                    (double)(i * 3 + k) / 2));
	}
	must(costbuild_end(b, &meta, NULL, &m));
	costbuild_free(b);
	return m;
}

static void make_props(const struct netmap *m, const struct lpm *lpm)
{
	static const char *const values[] = { "x", "\"y\"" };
	static struct index *names;
	static struct lpm *own;
	struct lpm_entry e[2] = { { .value = 0 }, { .value = 1 } };
	uint32_t num;

	must(prefix_read("192.0.2.0/24", 12, FAMILY_IPV4, &e[0].p, NULL));
	must(prefix_read("2001:db8::/32", 13, FAMILY_IPV6, &e[1].p, NULL));
	must(lpm_new(e, 2, &own));
	must(index_new(2, &names));
	for (size_t i = 0; i < 2; i++)
		must(index_add(names, values[i], strlen(values[i]), &num,
		               NULL));
	props[0].lpm = lpm;
	props[0].values = netmap_names(m);
	props[1].lpm = own;
	props[1].values = names;
}

/* Maps as a snapshot has them: every row with its text. */
static struct netmap *make_maps(void)
{
	static const uint32_t at[N_PIDS] = { SERVICE_NONE, 0, 1, 2 };
	static struct resource *sealed[1 + COUNT(costs)];
	struct netmap *m = make_netmap();
	struct digest *d = NULL;

	must(digest_new(&d));
	must(seal_netmap(d, tag.id, m, NULL, &sealed[0]));
	for (size_t i = 0; i < COUNT(costs); i++) {
		struct costmap *c = make_costmap(&costs[i], i == 2);

		must(seal_costmap(d, "cost", c, NULL, &sealed[1 + i]));
		costs[i].map = c;
		costs[i].at = i == 2 ? at : NULL;
	}
	digest_free(d);
	return m;
}

static void make_world(void)
{
	struct netmap *m = make_maps();
	struct lpm *lpm = NULL;

	must(lpm_of_netmap(m, &lpm));
	make_props(m, lpm);
	for (size_t i = 0; i < COUNT(services); i++) {
		struct service *sv = &services[i];

		sv->id = sv->path = "s";
		if (sv->kind == SERVICE_ENDPOINT_PROPERTY) {
			sv->props = props;
			sv->n_props = COUNT(props);
			continue;
		}
		sv->net = m;
		sv->lpm = lpm;
		sv->vtag = &tag;
		sv->costs = costs;
		sv->n_costs = sv->kind == SERVICE_NETWORK_MAP ? 0 :
		              COUNT(costs);
	}
}

static void check_text(const char *s, size_t max)
{
	size_t n = strnlen(s, max);

	if (n == max)
		abort();
	for (size_t i = 0; i < n; i++)
		if (s[i] < 0x20 || s[i] > 0x7e)
			abort();
}

static void check_refusal(const struct ask_refusal *why)
{
	check_text(why->field, sizeof(why->field));
	check_text(why->value, sizeof(why->value));
	check_text(why->text, sizeof(why->text));
	if (strncmp(why->code, "E_", 2) != 0 || !why->text[0] ||
	    (why->has_value && !why->field[0]))
		abort();
}

static void check_axis(const struct ask_axis *axis, const struct service *sv)
{
	struct ask_endpoint e;

	if (axis->self && axis->n)
		abort();
	for (size_t i = 0; axis->pid && i < axis->n; i++)
		if (axis->pid[i] >= N_PIDS ||
		    (i && axis->pid[i] <= axis->pid[i - 1]))
			abort();
	for (size_t i = 0; axis->endpoint && i < axis->n; i++)
		if (ask_endpoint_read(axis->endpoint[i].text,
		                      strlen(axis->endpoint[i].text), &e) ||
		    memcmp(e.addr, axis->endpoint[i].addr, 16) != 0)
			abort();
	if (axis->all && axis->n != netmap_pids(sv->net))
		abort();
}

static void check_ask(const struct ask *a, const struct service *sv)
{
	const struct filter *f = &a->filter;

	check_axis(&a->src, sv);
	check_axis(&a->dst, sv);
	if (a->n_shown > a->n_columns || a->n_props > sv->n_props ||
	    a->n_columns > COUNT(a->columns) || f->n_tests > FILTER_TESTS_MAX)
		abort();
	for (size_t i = 0; i < a->n_columns; i++)
		if (a->columns[i] < costs ||
		    a->columns[i] >= costs + COUNT(costs))
			abort();
	for (size_t i = 0; i < f->n_tests; i++)
		if (f->test[i].index >= a->n_columns ||
		    !a->columns[f->test[i].index]->testable)
			abort();
	for (size_t i = 0, at = 0; i < f->n_clauses; at = f->end[i++])
		if (f->end[i] <= at || f->end[i] > f->n_tests)
			abort();
}

static void answer(const struct service *sv, const struct ask *a)
{
	static const char me[] = "ipv4:192.0.2.200";
	struct buf dst = BUF_INIT(ANSWER_MAX);
	struct ask_endpoint self;
	json_t *doc = NULL;

	must(ask_endpoint_read(me, strlen(me), &self));
	if (answer_write(sv, a, &self, &dst) == RC_OK)
		must(json_read(dst.data, dst.len, ANSWER_MAX, &doc, NULL));
	json_decref(doc);
	buf_free(&dst);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!services[0].net)
		make_world();
	for (size_t i = 0; i < COUNT(services); i++) {
		struct ask_refusal why = { .code = "" };
		struct ask *a = NULL;

		if (ask_read(&services[i], (const char *)data, size, &a,
		             &why) == RC_OK) {
			check_ask(a, &services[i]);
			answer(&services[i], a);
		} else {
			if (a)
				abort();
			check_refusal(&why);
		}
		ask_free(a);
	}
	return 0;
}
