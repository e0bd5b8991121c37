/* A world to be asked for in its codings. */
#include "tests/replies_stage.h"

#include <time.h>

#include "common/sys/clock.h"
#include "common/wire/catalog.h"
#include "tests/suite.h"

void publish(struct stage *st)
{
	struct catalog *c = NULL;

	CU_ASSERT_EQUAL_FATAL(catalog_new(st->w->head, NULL, &c), RC_OK);
	slot_publish(st->s.slot, snapshot_ref(st->w->head), c);
}

void begin(struct stage *st, const struct alto_http_config *more)
{
	st->w = world_new(world_seed());
	st->w->now = clock_wall_s();
	world_heartbeat(st->w);
	served_start(&st->s, more);
	publish(st);
}

void end(struct stage *st)
{
	served_end(&st->s);
	world_free(st->w);
	CU_ASSERT_EQUAL(snapshots_alive(), 0);
}

const char *a_map(void)
{
	static char path[ID_MAX + 8];

	snprintf(path, sizeof(path), "/maps/%s", world_cost_id(0));
	return path;
}

void nap(void)
{
	const struct timespec t = { 0, 2000000 };

	nanosleep(&t, NULL);
}

struct reply get_with(const struct stage *st, const char *path,
                      const char *name, const char *value)
{
	char line[512];

	snprintf(line, sizeof(line), "%s: %s", name, value);
	return served_request(&st->s, "GET", path, line);
}

struct reply get_coded(const struct stage *st, const char *path,
                       const char *coding)
{
	uint64_t give_up = clock_mono_ms() + PATIENCE_MS;

	for (;;) {
		struct reply r = get_with(st, path, "Accept-Encoding", coding);

		CU_ASSERT_EQUAL(r.status, 200);
		if (reply_field(&r, "Content-Encoding") ||
		    clock_mono_ms() > give_up)
			return r;
		reply_free(&r);
		nap();
	}
}

bool same_body(const struct reply *a, const struct reply *b)
{
	size_t n = 0, m = 0;
	char *x = reply_decoded(a, &n), *y = reply_decoded(b, &m);
	bool same = x && y && n == m && memcmp(x, y, n) == 0;

	free(x);
	free(y);
	return same;
}
