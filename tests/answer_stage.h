/* answer_stage.h - maps to answer from, one request, and the answer to it. Texts
 * here have ' for ". */
#ifndef ALTOCAST_TESTS_ANSWER_STAGE_H
#define ALTOCAST_TESTS_ANSWER_STAGE_H

#include <CUnit/CUnit.h>

#include "common/core/resource.h"
#include "common/wire/answer_json.h"

#define BODY_MAX (64u << 20)
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

extern const uint32_t everybody[];	/* the five PIDs */
extern const struct vtag tag;		/* of the network map */

/* What the tests answer from, and what they ask. */
struct stage {
	struct digest *digest;
	struct netmap *net;
	struct costmap *rc, *hop;
	struct resource *net_res, *rc_res;
	struct lpm *lpm;
	struct service_cost costs[N_COSTS];
	struct service sv;
	struct ask ask;
	struct ask_endpoint src[8], dst[8];
};
extern struct stage w;

char *quoted(const char *text);

void world_open(enum service_kind kind);

void world_close(void);

void ask_axis(struct ask_axis *x, const uint32_t *pid, size_t n);

void ask_column(int which, bool shown);

/* A cost map's ask: all PIDs, this column. */
void ask_map(int which);

/* A test on a column; begins a clause when that is said. */
void ask_test(const char *text, uint32_t column, bool clause);

struct ask_endpoint endpoint(const char *text);

void ask_endpoint(struct ask_axis *x, const char *text);

void expect_for(const struct ask_endpoint *self, const char *text);

void expect(const char *text);

char *answer_text(void);

#endif
