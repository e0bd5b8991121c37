/* Bodies that are coded before anybody asks for them. */
#include "common/service/replies.h"

#include <time.h>

#include "common/sys/clock.h"
#include "tests/suite.h"
#include "tests/world.h"

#define PATIENCE_MS 20000

static struct world *w;
static struct cors *cors;
static struct status *st;
static struct replies *all;

static void start(void)
{
	struct replies_config cfg = { .heartbeat = 60, .push_uri = "" };

	w = world_new(3);
	CU_ASSERT_EQUAL_FATAL(cors_new(NULL, 0, &cors), RC_OK);
	CU_ASSERT_EQUAL_FATAL(status_new(&st), RC_OK);
	cfg.cors = cors;
	cfg.status = st;
	CU_ASSERT_EQUAL_FATAL(replies_new(&cfg, &all), RC_OK);
}

static void end(void)
{
	replies_free(all);
	status_free(st);
	cors_free(cors);
	world_free(w);
	CU_ASSERT_EQUAL(snapshots_alive(), 0);
}

/* Whether so many bodies come to be coded. */
static bool coded(uint64_t n)
{
	const struct timespec nap = { 0, 1000000 };
	uint64_t until = clock_mono_ms() + PATIENCE_MS;

	while (status_get(st, STATUS_coded_bodies) < n) {
		if (clock_mono_ms() > until)
			return false;
		nanosleep(&nap, NULL);
	}
	return true;
}

/* Bytes that a client gets which likes them coded; 0: refused. */
static uint64_t bytes(size_t i, const char *codings)
{
	struct replies_want want = { .s = w->head, .i = i,
	                             .now = clock_wall_s(),
	                             .wish.accept_encoding = codings };
	struct http_reply *r = replies_get(all, &want);

	if (!r)
		return 0;
	http_reply_unref(r);
	return want.size;
}

static void what_is_ordered_is_coded_before_it_is_asked_for(void)
{
	size_t n;

	start();
	n = snapshot_count(w->head);
	replies_ahead(all, w->head);
	CU_ASSERT_FATAL(coded(n));
	for (size_t i = 0; i < n; i++) {
		CU_ASSERT(bytes(i, "zstd, gzip, identity;q=0") > 0);
		CU_ASSERT(bytes(i, "gzip, zstd") <
		          resource_size(snapshot_at(w->head, i)));
	}
	CU_ASSERT_EQUAL(status_get(st, STATUS_coded_bodies), n);
	end();
}

static void what_follows_and_what_appears_is_coded_too(void)
{
	size_t n;

	start();
	w->cost_there[1] = false;
	(void)world_publish(w);
	n = snapshot_count(w->head);
	replies_ahead(all, w->head);
	CU_ASSERT_FATAL(coded(n));
	w->cost_there[1] = true;
	(void)world_publish(w);
	CU_ASSERT_FATAL(snapshot_count(w->head) == n + 1);
	replies_turn(all, w->head);
	CU_ASSERT(coded(n + 2));	/* the new map, and the IRD */
	end();
}

static void an_order_of_yesterday_brings_nothing_back(void)
{
	struct snapshot *old;
	size_t n;

	start();
	old = snapshot_ref(w->head);
	world_edit_cost(w, 0);
	(void)world_publish(w);
	n = snapshot_count(w->head);
	CU_ASSERT(bytes(0, NULL) > 0);
	replies_ahead(all, old);
	snapshot_unref(old);
	CU_ASSERT_FATAL(coded(n));
	CU_ASSERT(bytes(0, "zstd, identity;q=0") > 0);
	end();
}

static void an_order_at_the_end_is_let_go(void)
{
	start();
	for (int i = 0; i < 20; i++)
		replies_ahead(all, w->head);
	end();
}

#define T(f) { #f, f }

int main(void)
{
	CU_TestInfo tests[] = {
		T(what_is_ordered_is_coded_before_it_is_asked_for),
		T(what_follows_and_what_appears_is_coded_too),
		T(an_order_of_yesterday_brings_nothing_back),
		T(an_order_at_the_end_is_let_go),
		CU_TEST_INFO_NULL
	};

	return suite_run("ahead", tests);
}
