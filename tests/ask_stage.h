/* ask_stage.h - services to ask, and requests that are taken or refused. */
#ifndef ALTOCAST_TESTS_ASK_STAGE_H
#define ALTOCAST_TESTS_ASK_STAGE_H

#include <CUnit/CUnit.h>

#include "common/wire/ask_json.h"

/* One of each kind: a network map; cost maps, plain ones without tests, several
 * types at once with and without; endpoint properties, endpoint costs. Over PIDs
 * "a", "b", "c" and "d:1". */
extern struct service net, cost, plain, multi, untestable, eps, ecs;

/* What cost (base), plain and untestable (plain), multi and ecs (multi), and eps
 * offer. */
extern const struct service_cost base_costs[], plain_costs[], multi_costs[];
extern const struct service_prop props_on_offer[];

/* suite_run() with the services there. */
int ask_suite(const char *name, CU_TestInfo *tests);

/* A text and its NUL; the length without it. */
size_t put(char *dst, size_t max, const char *text);

/* Requests are read from memory of exactly their size. */
enum rc read_bytes(const struct service *sv, const char *body,
                   size_t len, struct ask **out,
                   struct ask_refusal *why);

struct ask *taken(const struct service *sv, const char *body);

void printable(const char *s);

/* field "" and value NULL: there must be none. */
void refused(const struct service *sv, const char *body,
             const char *code, const char *field, const char *value);

struct refusal {
	const struct service *sv;
	const char *body, *code, *field, *value;
};

void all_refused(const struct refusal *rows, size_t n);
#define ALL_REFUSED(rows) all_refused(rows, sizeof(rows) / sizeof(rows[0]))
#define SYNTAX "E_SYNTAX"
#define MISSING "E_MISSING_FIELD"
#define TYPE "E_INVALID_FIELD_TYPE"
#define VALUE "E_INVALID_FIELD_VALUE"
#define CT(metric, mode) \
	"{\"cost-metric\":\"" metric "\",\"cost-mode\":\"" mode "\"}"
#define RC_NUM CT("routingcost", "numerical")
#define HOPS CT("hopcount", "numerical")
#define DELAY CT("delay-ow", "numerical")
#define BW CT("bw", "ordinal")
#define ONE(type) "{\"cost-type\":" type
#define MANY(list) "{\"multi-cost-types\":[" list "]"
#define IN4 "\"ipv4:192.0.2.1\""

#endif
