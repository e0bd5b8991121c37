/* The loop: wake-up, timers, signals, watched files. */
#include "common/net/loop.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/suite.h"

#define GIVE_UP_MS 60000

static char dir[64];

struct world {
	struct loop *l;
	struct loop_timer *give_up;
	bool late;
	int count;
};

static void gave_up(void *arg)
{
	struct world *w = arg;

	w->late = true;
	loop_stop(w->l);
}

static void world_make(struct world *w)
{
	memset(w, 0, sizeof(*w));
	CU_ASSERT_EQUAL_FATAL(loop_new(&w->l), RC_OK);
	CU_ASSERT_EQUAL_FATAL(loop_timer_new(w->l, gave_up, w, &w->give_up),
	                      RC_OK);
	loop_timer_set(w->give_up, GIVE_UP_MS, 0);
}

static void world_end(struct world *w)
{
	CU_ASSERT_FALSE(w->late);
	loop_free(w->l);
}

static void path_in(char *dst, size_t size, const char *name)
{
	snprintf(dst, size, "%s/%s", dir, name);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fputs(text, f);
	fclose(f);
}

/* loop */

static void a_loop_can_be_made_and_freed(void)
{
	for (int i = 0; i < 3; i++) {
		struct loop *l;

		CU_ASSERT_EQUAL_FATAL(loop_new(&l), RC_OK);
		loop_free(l);
	}
	loop_free(NULL);
}

static void a_stop_before_run_is_not_lost(void)
{
	struct world w;

	world_make(&w);
	loop_stop(w.l);
	loop_run(w.l);
	world_end(&w);
}

struct waker {
	struct loop *l;
	atomic_int posted;
	int seen;
};

static void *wake_often(void *arg)
{
	struct waker *w = arg;

	for (int i = 0; i < 1000; i++) {
		atomic_fetch_add(&w->posted, 1);
		loop_wake(w->l);
	}
	return NULL;
}

static void on_wake(void *arg)
{
	struct waker *w = arg;

	w->seen = atomic_load(&w->posted);
	if (w->seen == 2000)
		loop_stop(w->l);
}

static void what_is_posted_before_a_wake_is_seen(void)
{
	struct waker k = { NULL, 0, 0 };
	struct world w;
	pthread_t t[2];

	world_make(&w);
	k.l = w.l;
	loop_on_wake(w.l, on_wake, &k);
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, wake_often, &k);
	loop_run(w.l);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	CU_ASSERT_EQUAL(k.seen, 2000);
	world_end(&w);
}

static void *stop_it(void *arg)
{
	loop_stop(arg);
	return NULL;
}

static void another_thread_stops_it(void)
{
	struct world w;
	pthread_t t;

	world_make(&w);
	pthread_create(&t, NULL, stop_it, w.l);
	loop_run(w.l);
	pthread_join(t, NULL);
	world_end(&w);
}

/* timers */

struct ticker {
	struct world w;
	struct loop_timer *t;
};

static void tick(void *arg)
{
	struct ticker *k = arg;

	if (++k->w.count < 3)
		return;
	loop_timer_free(k->t);		/* in its own callback */
	loop_stop(k->w.l);
}

static void a_repeating_timer_repeats(void)
{
	struct ticker k;
	uint64_t from;

	world_make(&k.w);
	CU_ASSERT_EQUAL_FATAL(loop_timer_new(k.w.l, tick, &k, &k.t), RC_OK);
	from = loop_now_ms(k.w.l);
	loop_timer_set(k.t, 5, 10);
	loop_run(k.w.l);
	CU_ASSERT_EQUAL(k.w.count, 3);
	CU_ASSERT(loop_now_ms(k.w.l) - from >= 24);
	world_end(&k.w);
}

static void count_up(void *arg)
{
	((struct world *)arg)->count++;
}

static void stop_loop(void *arg)
{
	loop_stop(((struct world *)arg)->l);
}

static void a_stopped_timer_is_silent(void)
{
	struct loop_timer *a, *b;
	struct world w;

	world_make(&w);
	CU_ASSERT_EQUAL_FATAL(loop_timer_new(w.l, count_up, &w, &a), RC_OK);
	CU_ASSERT_EQUAL_FATAL(loop_timer_new(w.l, stop_loop, &w, &b), RC_OK);
	loop_timer_set(a, 1, 0);
	loop_timer_set(b, 20, 0);
	loop_timer_stop(a);
	loop_run(w.l);
	CU_ASSERT_EQUAL(w.count, 0);
	loop_timer_set(a, 1, 0);
	loop_timer_set(a, 2, 0);	/* anew, not twice */
	loop_timer_set(b, 20, 0);
	loop_run(w.l);
	CU_ASSERT_EQUAL(w.count, 1);
	world_end(&w);
}

/* signals */

static void on_signal(int signum, void *arg)
{
	struct world *w = arg;

	w->count += signum;
	loop_stop(w->l);
}

static void a_signal_arrives_on_the_loop(void)
{
	struct world w;

	world_make(&w);
	CU_ASSERT_EQUAL(loop_signal(w.l, SIGHUP, on_signal, &w), RC_OK);
	CU_ASSERT_EQUAL(loop_signal(w.l, SIGTERM, on_signal, &w), RC_OK);
	CU_ASSERT_EQUAL(loop_signal(w.l, 9999, on_signal, &w), RC_EINVAL);
	kill(getpid(), SIGHUP);
	loop_run(w.l);
	CU_ASSERT_EQUAL(w.count, SIGHUP);
	kill(getpid(), SIGTERM);
	loop_run(w.l);
	CU_ASSERT_EQUAL(w.count, SIGHUP + SIGTERM);
	world_end(&w);
}

/* watched files */

static void on_change(const char *path, void *arg)
{
	struct world *w = arg;

	CU_ASSERT_PTR_NOT_NULL(strstr(path, "map.json"));
	w->count++;
	loop_stop(w->l);
}

/* Runs until a change has been told, then until there is quiet. */
static void await_change(struct world *w)
{
	struct loop_timer *quiet;

	w->count = 0;
	loop_run(w->l);
	CU_ASSERT(w->count > 0);
	CU_ASSERT_EQUAL_FATAL(loop_timer_new(w->l, stop_loop, w, &quiet), RC_OK);
	do {
		w->count = 0;
		loop_timer_set(quiet, 30, 0);
		loop_run(w->l);
	} while (w->count > 0 && !w->late);
	loop_timer_free(quiet);
}

static void a_file_is_seen_through_every_way_of_saving(void)
{
	char path[128], other[128];
	struct world w;

	world_make(&w);
	path_in(path, sizeof(path), "map.json");
	path_in(other, sizeof(other), ".map.json.tmp");
	CU_ASSERT_EQUAL(loop_watch(w.l, path, on_change, &w), RC_OK);
	CU_ASSERT_EQUAL(loop_watch(w.l, path, on_change, &w), RC_EEXIST);
	write_file(path, "made");
	await_change(&w);
	write_file(path, "written in place");
	await_change(&w);
	for (int i = 0; i < 3; i++) {	/* the watch outlives the inode */
		write_file(other, "beside");
		CU_ASSERT_EQUAL(rename(other, path), 0);
		await_change(&w);
	}
	unlink(path);
	await_change(&w);
	write_file(path, "again");
	await_change(&w);
	unlink(path);
	world_end(&w);
}

static void a_swap_of_the_link_behind_a_file_is_seen(void)
{
	char path[128], data[128], next[128], v1[128], v2[128];
	struct world w;

	world_make(&w);
	path_in(v1, sizeof(v1), "v1");
	path_in(v2, sizeof(v2), "v2");
	path_in(data, sizeof(data), "data");
	path_in(next, sizeof(next), "data.next");
	path_in(path, sizeof(path), "map.json");
	write_file(v1, "one");
	write_file(v2, "two and more");
	CU_ASSERT_EQUAL(symlink("v1", data), 0);
	CU_ASSERT_EQUAL(symlink("data", path), 0);
	CU_ASSERT_EQUAL(loop_watch(w.l, path, on_change, &w), RC_OK);
	CU_ASSERT_EQUAL(symlink("v2", next), 0);
	CU_ASSERT_EQUAL(rename(next, data), 0);
	await_change(&w);
	unlink(path);
	unlink(data);
	unlink(v1);
	unlink(v2);
	world_end(&w);
}

static void other_files_are_silent(void)
{
	char path[128], other[128];
	struct loop_timer *t;
	struct world w;

	world_make(&w);
	path_in(path, sizeof(path), "map.json");
	path_in(other, sizeof(other), "other.json");
	write_file(path, "here");
	CU_ASSERT_EQUAL(loop_watch(w.l, path, on_change, &w), RC_OK);
	write_file(other, "x");
	CU_ASSERT_EQUAL_FATAL(loop_timer_new(w.l, stop_loop, &w, &t), RC_OK);
	loop_timer_set(t, 50, 0);
	loop_run(w.l);
	CU_ASSERT_EQUAL(w.count, 0);
	unlink(path);
	unlink(other);
	world_end(&w);
}

static void a_folder_that_is_replaced_is_found_again(void)
{
	char sub[128], old[128], path[160];
	struct world w;

	world_make(&w);
	path_in(sub, sizeof(sub), "sub");
	path_in(old, sizeof(old), "old");
	snprintf(path, sizeof(path), "%s/map.json", sub);
	CU_ASSERT_EQUAL(loop_watch(w.l, path, on_change, &w), RC_EIO);
	CU_ASSERT_EQUAL(mkdir(sub, 0700), 0);
	CU_ASSERT_EQUAL(loop_watch(w.l, path, on_change, &w), RC_OK);
	CU_ASSERT_EQUAL(rename(sub, old), 0);
	CU_ASSERT_EQUAL(mkdir(sub, 0700), 0);
	await_change(&w);
	write_file(path, "in the new one");
	await_change(&w);
	unlink(path);
	rmdir(sub);
	rmdir(old);
	world_end(&w);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "a loop can be made and freed", a_loop_can_be_made_and_freed },
		{ "a stop before run is not lost",
		  a_stop_before_run_is_not_lost },
		{ "what is posted before a wake is seen",
		  what_is_posted_before_a_wake_is_seen },
		{ "another thread stops it", another_thread_stops_it },
		{ "a repeating timer repeats", a_repeating_timer_repeats },
		{ "a stopped timer is silent", a_stopped_timer_is_silent },
		{ "a signal arrives on the loop", a_signal_arrives_on_the_loop },
		{ "a file is seen through every way of saving",
		  a_file_is_seen_through_every_way_of_saving },
		{ "a swap of the link behind a file is seen",
		  a_swap_of_the_link_behind_a_file_is_seen },
		{ "other files are silent", other_files_are_silent },
		{ "a folder that is replaced is found again",
		  a_folder_that_is_replaced_is_found_again },
		CU_TEST_INFO_NULL
	};
	int rc;

	snprintf(dir, sizeof(dir), "/tmp/test_loop.XXXXXX");
	if (mkdtemp(dir) == NULL)
		return 99;
	rc = suite_run("loop", tests);
	rmdir(dir);
	return rc;
}
