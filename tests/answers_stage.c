/* A world behind an HTTP listener. */
#include "tests/answers_stage.h"

#include <stdio.h>
#include <string.h>

#include "common/sys/clock.h"
#include "common/wire/catalog.h"
#include "common/wire/media.h"
#include "tests/suite.h"

const char net[] = "/filter/network/net";
const char cost[] = "/filter/cost/net";
const char ecs[] = "/endpoint/cost/net";
const char eps[] = "/endpoint/property";
const struct alto_http_config usual = { .answer_max = 1 << 20,
                                        .answers_max = 4 << 20 };

void publish(struct stage *st)
{
	struct catalog *c = NULL;

	CU_ASSERT_EQUAL_FATAL(catalog_new(st->w->head, NULL, &c), RC_OK);
	CU_ASSERT_EQUAL_FATAL(catalog_count(c) > 0, true);
	slot_publish(st->s.slot, snapshot_ref(st->w->head), c);
}

void begin(struct stage *st, const struct alto_http_config *cfg)
{
	st->w = world_new(SEED);
	st->w->now = clock_wall_s();
	world_heartbeat(st->w);
	served_start(&st->s, cfg);
	publish(st);
}

void end(struct stage *st)
{
	served_end(&st->s);
	world_free(st->w);
	CU_ASSERT_EQUAL(snapshots_alive(), 0);
}

struct reply ask_net(const struct stage *st, const char *body)
{
	return served_post(&st->s, net, TYPE(MEDIA_NETWORK_MAP_FILTER), body);
}

bool has(const struct reply *r, const char *text)
{
	if (strstr(r->body, text))
		return true;
	printf("\n    no %s in %s\n", text, r->body);
	return false;
}

void many_endpoints(struct buf *body)
{
	buf_puts(body, "{\"properties\":[\"net.pid\"],\"endpoints\":[");
	for (unsigned i = 0; i < 100; i++)
		buf_printf(body, "%s\"ipv4:10.%u.2.3\"", i ? "," : "", i);
	buf_puts(body, "]}");
}
