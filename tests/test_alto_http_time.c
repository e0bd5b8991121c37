/* The ALTO endpoints in time: ages, versions that change under a reader, and what
 * is not here yet. */
#include "common/service/alto_http.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "common/core/snapshot.h"
#include "common/service/miss.h"
#include "common/service/version.h"
#include "common/sys/clock.h"
#include "tests/alto_stage.h"
#include "tests/served.h"
#include "tests/suite.h"

static void an_old_version_needs_no_request_to_go(void)
{
	struct served w;
	struct reply r;

	serving(&w);
	alto_http_turn(w.a);		/* nobody asked yet: nothing to do */
	r = served_get(&w, "/maps/" NET);
	reply_free(&r);
	slot_publish(w.slot, maps("pid-c", 2, clock_wall_s()), NULL);
	CU_ASSERT_EQUAL(snapshots_alive(), 2);
	alto_http_turn(w.a);
	CU_ASSERT_EQUAL(snapshots_alive(), 1);
	end(&w);
}

static void age_is_told_and_ends_in_503(void)
{
	struct served w;
	struct reply r;
	struct state st;

	begin(&w);
	r = served_get(&w, "/maps/cost");
	CU_ASSERT_EQUAL(r.status, 503);		/* nothing yet */
	CU_ASSERT_PTR_NOT_NULL(reply_field(&r, "Retry-After"));
	reply_free(&r);

	slot_publish(w.slot, maps("pid-b", 1, clock_wall_s() - 89), NULL);
	r = served_get(&w, "/maps/cost");
	CU_ASSERT(reply_is(&r, "ALTO-Status", "fresh;age=89") ||
	          reply_is(&r, "ALTO-Status", "stale;age=90"));
	reply_free(&r);

	slot_publish(w.slot, maps("pid-b", 1, clock_wall_s() - 86390), NULL);
	r = served_get(&w, "/maps/cost");
	CU_ASSERT_EQUAL(r.status, 200);
	CU_ASSERT_EQUAL(verify(&r, &st), RC_OK);
	CU_ASSERT_EQUAL(strncmp(reply_field(&r, "ALTO-Status"), "stale;age=8639", 14),
	                0);
	/* no cache may keep it for longer than it is valid */
	CU_ASSERT(strtoul(reply_field(&r, "Cache-Control") + 8, NULL, 10) <= 10);
	reply_free(&r);

	slot_publish(w.slot, maps("pid-b", 1, clock_wall_s() - 86400), NULL);
	for (int i = 0; i < 3; i++) {
		static const char *const paths[] = { "/directory", "/state",
		                                     "/maps/cost" };

		r = served_get(&w, paths[i]);
		CU_ASSERT_EQUAL(r.status, 503);
		CU_ASSERT(reply_is(&r, "Retry-After", "30"));
		CU_ASSERT_PTR_NULL(reply_field(&r, "ALTO-State"));
		reply_free(&r);
	}
	r = served_get(&w, "/maps/none");
	CU_ASSERT_EQUAL(r.status, 404);
	reply_free(&r);
	end(&w);
}

static void the_age_in_the_headers_goes_on(void)
{
	struct served w;
	struct reply r;
	uint64_t give_up = clock_mono_ms() + 20000;
	unsigned long age = 0, before;

	begin(&w);
	slot_publish(w.slot, maps("pid-b", 1, clock_wall_s() - 200), NULL);
	r = served_get(&w, "/maps/cost");
	before = strtoul(reply_field(&r, "ALTO-Status") + 10, NULL, 10);
	reply_free(&r);
	while (age < before + 2 && clock_mono_ms() < give_up) {
		r = served_get(&w, "/maps/cost");
		age = strtoul(reply_field(&r, "ALTO-Status") + 10, NULL, 10);
		CU_ASSERT(age >= before);
		reply_free(&r);
	}
	CU_ASSERT(age >= before + 2);
	end(&w);
}

static struct snapshot *large(uint64_t serial, unsigned n)
{
	struct resource *res[2] = { net_map(NET, "pid-b"), NULL };

	res[1] = cost_map("cost", n, res[0]);
	CU_ASSERT(resource_size(res[1]) > VERSION_FLAT_MAX);
	return snapshot_of(res, 2, serial, clock_wall_s());
}

static void a_large_map_and_one_under_way_are_whole(void)
{
	struct buf b = BUF_INIT(64 << 20);
	struct served w;
	struct reply old, new;
	struct state st;
	ssize_t n;
	int fd;

	begin(&w);
	slot_publish(w.slot, large(1, 1100), NULL);
	fd = served_dial(&w);
	served_ask(fd, "GET", "/maps/cost", NULL, NULL);
	n = read(fd, buf_room(&b, 1000), 1000);
	CU_ASSERT_FATAL(n > 0);
	buf_used(&b, (size_t)n);
	slot_publish(w.slot, large(2, 1101), NULL);
	new = served_get(&w, "/maps/cost");
	CU_ASSERT_EQUAL(verify(&new, &st), RC_OK);
	CU_ASSERT_EQUAL(st.pos.serial, 2);
	old = served_hear(fd, &b);
	CU_ASSERT_EQUAL(verify(&old, &st), RC_OK);
	CU_ASSERT_EQUAL(st.pos.serial, 1);
	reply_free(&old);
	reply_free(&new);
	old = served_get(&w, "/maps/none");	/* there is no IRD in this snapshot */
	CU_ASSERT_EQUAL(old.status, 404);
	reply_free(&old);
	end(&w);
}

static void a_part_of_a_large_map_is_sent(void)
{
	struct served w;
	struct reply all, part;

	begin(&w);
	slot_publish(w.slot, large(1, 1100), NULL);
	all = served_get(&w, "/maps/cost");
	part = served_request(&w, "GET", "/maps/cost",
	                      "Range: bytes=100001-5000000");
	CU_ASSERT_EQUAL(part.status, 206);
	CU_ASSERT_EQUAL_FATAL(part.len, 4900000);
	CU_ASSERT_EQUAL(memcmp(part.body, all.body + 100001, part.len), 0);
	reply_free(&part);
	part = served_request(&w, "GET", "/maps/cost", "Range: bytes=-7");
	CU_ASSERT_EQUAL_FATAL(part.len, 7);
	CU_ASSERT_EQUAL(memcmp(part.body, all.body + all.len - 7, 7), 0);
	reply_free(&part);
	reply_free(&all);
	end(&w);
}

static void a_listener_stops_in_the_middle_of_coding(void)
{
	struct served w;
	struct reply r;

	begin(&w);
	slot_publish(w.slot, large(1, 1100), NULL);
	r = served_request(&w, "GET", "/maps/cost", "Accept-Encoding: gzip");
	CU_ASSERT_EQUAL(r.status, 200);
	reply_free(&r);
	end(&w);
}

#define READERS 4

struct reader {
	pthread_t thread;
	const struct served *w;
	const char *path, *headers;
	atomic_bool *stop;
	unsigned done, bad;
};

static void *read_on(void *arg)
{
	struct reader *r = arg;
	uint64_t last = 0;

	while (!atomic_load(r->stop) || r->done == 0) {
		struct reply got = served_request(r->w, "GET", r->path,
		                                  r->headers);
		struct state st = { 0 };

		if (got.status != 200 || verify(&got, &st) != RC_OK ||
		    st.pos.serial < last)
			r->bad++;
		last = st.pos.serial;
		r->done++;
		reply_free(&got);
	}
	return NULL;
}

static void readers_never_see_a_mixture(void)
{
	atomic_bool stop = false;
	struct served w;
	struct reader r[READERS] = {
		{ .path = "/maps/" NET },
		{ .path = "/maps/" NET, .headers = "Accept-Encoding: zstd" },
		{ .path = "/maps/cost", .headers = "Accept-Encoding: gzip" },
		{ .path = "/directory" }
	};
	char pid[16];

	serving(&w);
	for (int i = 0; i < READERS; i++) {
		r[i].w = &w;
		r[i].stop = &stop;
		CU_ASSERT_EQUAL_FATAL(pthread_create(&r[i].thread, NULL,
		                                     read_on, &r[i]), 0);
	}
	for (unsigned i = 2; i < 300; i++) {
		snprintf(pid, sizeof(pid), "pid-x%u", i / 2);
		slot_publish(w.slot, maps(pid, i, clock_wall_s()), NULL);
		alto_http_turn(w.a);
	}
	atomic_store(&stop, true);
	for (int i = 0; i < READERS; i++) {
		pthread_join(r[i].thread, NULL);
		CU_ASSERT(r[i].done > 0);
		CU_ASSERT_EQUAL(r[i].bad, 0);
	}
	end(&w);
}

/* what is not held, and waited for */

struct awaited {
	struct served w;
	struct miss *m;
	atomic_uint questions;
	sem_t question;			/* posted for each */
};

static bool ask(void *arg)
{
	struct awaited *a = arg;

	atomic_fetch_add(&a->questions, 1);
	sem_post(&a->question);
	return true;
}

static void await(struct awaited *a)
{
	const struct miss_config cfg = {
		.wait_ms = 10000, .quiet_ms = 10000, .waiting_max = 8,
		.ask = ask, .arg = a
	};

	begin(&a->w);
	atomic_init(&a->questions, 0);
	CU_ASSERT_EQUAL_FATAL(sem_init(&a->question, 0, 0), 0);
	CU_ASSERT_EQUAL_FATAL(miss_new(&cfg, &a->m), RC_OK);
	alto_http_set_miss(a->w.a, a->m);
}

static void await_end(struct awaited *a)
{
	end(&a->w);
	miss_free(a->m);
	sem_destroy(&a->question);
}

static void asked(struct awaited *a)
{
	struct timespec give_up;

	clock_gettime(CLOCK_REALTIME, &give_up);
	give_up.tv_sec += 20;
	CU_ASSERT_EQUAL(sem_timedwait(&a->question, &give_up), 0);
	CU_ASSERT_EQUAL(atomic_load(&a->questions), 1);
}

static void what_is_not_here_yet_is_waited_for(void)
{
	struct buf b[2] = { BUF_INIT(1 << 20), BUF_INIT(1 << 20) };
	struct reply r;
	struct state st;
	struct awaited a;
	int fd[2];

	await(&a);
	for (int i = 0; i < 2; i++) {
		fd[i] = served_dial(&a.w);
		served_ask(fd[i], i ? "HEAD" : "GET", "/maps/cost",
		           "Accept-Encoding: identity", NULL);
	}
	asked(&a);
	slot_publish(a.w.slot, maps("pid-b", 1, clock_wall_s()), NULL);
	miss_settled(a.m);
	r = served_hear(fd[0], &b[0]);
	CU_ASSERT_EQUAL(r.status, 200);
	CU_ASSERT_EQUAL(verify(&r, &st), RC_OK);
	reply_free(&r);
	r = served_hear(fd[1], &b[1]);
	CU_ASSERT_EQUAL(r.status, 200);
	CU_ASSERT_EQUAL(r.len, 0);
	reply_free(&r);
	CU_ASSERT_EQUAL(atomic_load(&a.questions), 1);
	await_end(&a);
}

static void what_nobody_has_is_404_after_one_question(void)
{
	struct buf b = BUF_INIT(1 << 20);
	struct awaited a;
	struct reply r;
	int fd;

	await(&a);
	slot_publish(a.w.slot, maps("pid-b", 1, clock_wall_s()), NULL);
	r = served_get(&a.w, "/maps/cost");
	CU_ASSERT_EQUAL(r.status, 200);		/* is here: no question */
	reply_free(&r);
	r = served_get(&a.w, "/nowhere");
	CU_ASSERT_EQUAL(r.status, 404);		/* nor for what is no map */
	reply_free(&r);
	CU_ASSERT_EQUAL(atomic_load(&a.questions), 0);
	fd = served_dial(&a.w);
	served_ask(fd, "GET", "/maps/none", NULL, NULL);
	asked(&a);
	miss_settled(a.m);
	r = served_hear(fd, &b);
	CU_ASSERT_EQUAL(r.status, 404);
	is_error(&r, "/maps/none");
	reply_free(&r);
	r = served_get(&a.w, "/maps/none-either");
	CU_ASSERT_EQUAL(r.status, 404);
	reply_free(&r);
	CU_ASSERT_EQUAL(atomic_load(&a.questions), 1);
	await_end(&a);
}

static void an_expired_one_is_asked_for_and_stopping_waits_for_nobody(void)
{
	struct buf b = BUF_INIT(1 << 20);
	struct awaited a;
	struct reply r;
	int fd;

	await(&a);
	slot_publish(a.w.slot, maps("pid-b", 1, clock_wall_s() - 86401), NULL);
	fd = served_dial(&a.w);
	served_ask(fd, "GET", "/maps/cost", NULL, NULL);
	asked(&a);
	await_end(&a);
	r = served_hear(fd, &b);
	CU_ASSERT_EQUAL(r.status, 503);
	reply_free(&r);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "an old version needs no request to go",
		  an_old_version_needs_no_request_to_go },
		{ "age is told and ends in 503", age_is_told_and_ends_in_503 },
		{ "the age in the headers goes on",
		  the_age_in_the_headers_goes_on },
		{ "a large map and one under way are whole",
		  a_large_map_and_one_under_way_are_whole },
		{ "a part of a large map is sent",
		  a_part_of_a_large_map_is_sent },
		{ "a listener stops in the middle of coding",
		  a_listener_stops_in_the_middle_of_coding },
		{ "readers never see a mixture", readers_never_see_a_mixture },
		{ "what is not here yet is waited for",
		  what_is_not_here_yet_is_waited_for },
		{ "what nobody has is 404 after one question",
		  what_nobody_has_is_404_after_one_question },
		{ "an expired one is asked for and stopping waits for nobody",
		  an_expired_one_is_asked_for_and_stopping_waits_for_nobody },
		CU_TEST_INFO_NULL
	};

	return maps_suite("alto_http_time", tests);
}
