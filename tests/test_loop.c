/* The loop: wake-up, timers, signals, watched files, the control socket. */
#include "common/net/ctlsock.h"
#include "common/net/loop.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/suite.h"

#define GIVE_UP_MS 10000

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

static void other_files_and_unwatched_ones_are_silent(void)
{
	char path[128], gone[128], other[128];
	struct loop_timer *t;
	struct world w;

	world_make(&w);
	path_in(path, sizeof(path), "map.json");
	path_in(gone, sizeof(gone), "gone-map.json");
	path_in(other, sizeof(other), "other.json");
	write_file(path, "here");
	CU_ASSERT_EQUAL(loop_watch(w.l, path, on_change, &w), RC_OK);
	CU_ASSERT_EQUAL(loop_watch(w.l, gone, on_change, &w), RC_OK);
	loop_unwatch(w.l, gone);
	loop_unwatch(w.l, "never watched");
	write_file(other, "x");
	write_file(gone, "x");
	CU_ASSERT_EQUAL_FATAL(loop_timer_new(w.l, stop_loop, &w, &t), RC_OK);
	loop_timer_set(t, 50, 0);
	loop_run(w.l);
	CU_ASSERT_EQUAL(w.count, 0);
	unlink(path);
	unlink(gone);
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

/* control socket */

struct ctl_world {
	struct world w;
	char path[128];
	struct ctlsock_req *held;
	struct loop_timer *later;
};

static void answer_later(void *arg)
{
	struct ctl_world *c = arg;
	struct ctlsock_req *req = c->held;

	c->held = NULL;
	ctlsock_reply(req, "later\n", 6);
}

static void on_line(struct ctlsock_req *req, const char *line, void *arg)
{
	struct ctl_world *c = arg;
	char text[300];
	int n;

	c->w.count++;
	if (strcmp(line, "hold") == 0) {
		c->held = req;
		return;
	}
	if (strcmp(line, "later") == 0) {
		c->held = req;
		loop_timer_set(c->later, 20, 0);
		return;
	}
	if (strcmp(line, "huge") == 0) {
		ctlsock_reply(req, dir, 4097);
		return;
	}
	if (strcmp(line, "bye") == 0)
		loop_stop(c->w.l);
	n = snprintf(text, sizeof(text), "you said %s\n", line);
	ctlsock_reply(req, text, (size_t)n);
}

static struct ctlsock_config ctl_config(struct ctl_world *c)
{
	return (struct ctlsock_config){
		.path = c->path, .mode = 0600, .max_line = 100,
		.max_reply = 4096, .max_conns = 3, .line = on_line, .arg = c
	};
}

static void ctl_make(struct ctl_world *c, uint64_t idle_ms)
{
	struct ctlsock_config cfg;
	struct diag d;

	diag_clear(&d);
	world_make(&c->w);
	c->held = NULL;
	path_in(c->path, sizeof(c->path), "ctl.sock");
	cfg = ctl_config(c);
	cfg.idle_ms = idle_ms;
	CU_ASSERT_EQUAL_FATAL(loop_timer_new(c->w.l, answer_later, c, &c->later),
	                      RC_OK);
	CU_ASSERT_EQUAL_FATAL(ctlsock_listen(c->w.l, &cfg, &d), RC_OK);
}

static int dial(const char *path)
{
	struct timeval tv = { GIVE_UP_MS / 1000, 0 };
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(a.sun_path, path, strlen(path) + 1);
	CU_ASSERT_EQUAL(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	return fd;
}

static void say(int fd, const char *text)
{
	CU_ASSERT_EQUAL(send(fd, text, strlen(text), MSG_NOSIGNAL),
	                (ssize_t)strlen(text));
}

/* Reads until `n` newlines or the end have come; "" for an end at once. */
static void hear(int fd, int n, char *dst, size_t size)
{
	size_t len = 0;

	while (n > 0 && len < size - 1 && read(fd, dst + len, 1) == 1)
		n -= dst[len++] == '\n';
	dst[len] = '\0';
}

struct client {
	const char *path;
	bool ok;
};

#define CHECK(k, cond) ((k)->ok = (k)->ok && (cond))

static void *talk(void *arg)
{
	struct client *k = arg;
	char text[512];
	int a = dial(k->path), b = dial(k->path);

	say(a, "one\r\ntwo\nla");
	hear(a, 2, text, sizeof(text));
	CHECK(k, strcmp(text, "you said one\nyou said two\n") == 0);
	say(a, "ter\nthree\n");
	hear(a, 2, text, sizeof(text));	/* in order, though two is ready first */
	CHECK(k, strcmp(text, "later\nyou said three\n") == 0);
	for (int i = 0; i < 101; i++)
		say(b, "x");
	say(b, "\n");
	hear(b, 1, text, sizeof(text));
	CHECK(k, text[0] == '\0');	/* over max_line: closed */
	close(b);
	b = dial(k->path);
	say(b, "huge\n");
	hear(b, 1, text, sizeof(text));
	CHECK(k, text[0] == '\0');	/* over max_reply: closed */
	close(b);
	b = dial(k->path);
	say(b, "hold\n");
	close(b);			/* gone before its answer */
	say(a, "bye\n");
	hear(a, 1, text, sizeof(text));
	CHECK(k, strcmp(text, "you said bye\n") == 0 || text[0] == '\0');
	close(a);
	return NULL;
}

static void requests_are_lines_and_answers_keep_their_order(void)
{
	struct client k = { NULL, true };
	struct ctl_world c;
	struct stat st;
	pthread_t t;

	ctl_make(&c, 0);
	CU_ASSERT_EQUAL(stat(c.path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
	k.path = c.path;
	pthread_create(&t, NULL, talk, &k);
	loop_run(c.w.l);
	if (c.held != NULL)
		ctlsock_reply(c.held, "too late\n", 9);
	loop_free(c.w.l);		/* flushes nothing, closes all */
	pthread_join(t, NULL);
	CU_ASSERT_TRUE(k.ok);
	CU_ASSERT_FALSE(c.w.late);
	CU_ASSERT_NOT_EQUAL(stat(c.path, &st), 0);
}

static void *fill_up(void *arg)
{
	struct client *k = arg;
	char text[64];
	int fd[4];

	for (int i = 0; i < 4; i++)
		fd[i] = dial(k->path);
	hear(fd[3], 1, text, sizeof(text));
	CHECK(k, text[0] == '\0');	/* the fourth is over the limit */
	for (int i = 0; i < 3; i++) {	/* the others are idle */
		hear(fd[i], 1, text, sizeof(text));
		CHECK(k, text[0] == '\0');
	}
	for (int i = 0; i < 4; i++)
		close(fd[i]);
	fd[0] = dial(k->path);
	say(fd[0], "bye\n");
	hear(fd[0], 1, text, sizeof(text));
	close(fd[0]);
	return NULL;
}

static void connections_are_bounded_and_idle_ones_closed(void)
{
	struct client k = { NULL, true };
	struct ctl_world c;
	pthread_t t;

	ctl_make(&c, 50);
	k.path = c.path;
	pthread_create(&t, NULL, fill_up, &k);
	loop_run(c.w.l);
	world_end(&c.w);
	pthread_join(t, NULL);
	CU_ASSERT_TRUE(k.ok);
}

static void requests_open_at_the_end_are_freed(void)
{
	struct ctl_world c;
	int fd;

	ctl_make(&c, 0);
	fd = dial(c.path);
	say(fd, "hold\n");
	while (c.held == NULL && !c.w.late) {
		loop_timer_set(c.w.give_up, GIVE_UP_MS, 0);
		loop_wake(c.w.l);
		loop_on_wake(c.w.l, stop_loop, &c.w);
		loop_run(c.w.l);
	}
	world_end(&c.w);
	close(fd);
}

static void a_stale_socket_is_replaced_and_a_live_one_refused(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct ctlsock_config cfg;
	struct ctl_world c;
	struct world other;
	struct diag d;
	int fd;

	path_in(c.path, sizeof(c.path), "ctl.sock");
	memcpy(a.sun_path, c.path, strlen(c.path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	CU_ASSERT_EQUAL(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	close(fd);			/* the file of a dead process */
	ctl_make(&c, 0);
	world_make(&other);
	cfg = ctl_config(&c);
	diag_clear(&d);
	CU_ASSERT_EQUAL(ctlsock_listen(other.l, &cfg, &d), RC_EEXIST);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, c.path));
	CU_ASSERT_EQUAL(ctlsock_listen(c.w.l, &cfg, NULL), RC_EEXIST);
	world_end(&other);
	fd = dial(c.path);		/* the live one was not touched */
	close(fd);
	world_end(&c.w);
}

static void what_is_no_socket_is_left_alone(void)
{
	char longest[200] = { 0 };
	struct ctlsock_config cfg;
	struct ctl_world c;
	struct stat st;

	world_make(&c.w);
	path_in(c.path, sizeof(c.path), "ctl.sock");
	write_file(c.path, "precious");
	cfg = ctl_config(&c);
	CU_ASSERT_EQUAL(ctlsock_listen(c.w.l, &cfg, NULL), RC_EEXIST);
	CU_ASSERT_EQUAL(stat(c.path, &st), 0);
	unlink(c.path);
	memset(longest, 'x', sizeof(longest) - 1);
	cfg.path = longest;
	CU_ASSERT_EQUAL(ctlsock_listen(c.w.l, &cfg, NULL), RC_EINVAL);
	cfg.path = "/no/such/folder/ctl.sock";
	CU_ASSERT_EQUAL(ctlsock_listen(c.w.l, &cfg, NULL), RC_EIO);
	world_end(&c.w);
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
		{ "other files and unwatched ones are silent",
		  other_files_and_unwatched_ones_are_silent },
		{ "a folder that is replaced is found again",
		  a_folder_that_is_replaced_is_found_again },
		{ "requests are lines and answers keep their order",
		  requests_are_lines_and_answers_keep_their_order },
		{ "connections are bounded and idle ones closed",
		  connections_are_bounded_and_idle_ones_closed },
		{ "requests open at the end are freed",
		  requests_open_at_the_end_are_freed },
		{ "a stale socket is replaced and a live one refused",
		  a_stale_socket_is_replaced_and_a_live_one_refused },
		{ "what is no socket is left alone",
		  what_is_no_socket_is_left_alone },
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
