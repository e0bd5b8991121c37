/* The control socket: lines in, answers out, and who may listen where. */
#include "common/net/ctlsock.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/net/loop.h"
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

static void the_mode_is_what_was_asked_under_any_umask(void)
{
	static const mode_t masks[] = { 0, 022, 077, 0777 };
	struct ctlsock_config cfg;
	struct ctl_world c = { .held = NULL };
	struct stat st;

	path_in(c.path, sizeof(c.path), "ctl.sock");
	for (size_t i = 0; i < 4; i++) {
		mode_t was = umask(masks[i]);

		world_make(&c.w);
		cfg = ctl_config(&c);
		cfg.mode = 0660;
		CU_ASSERT_EQUAL(ctlsock_listen(c.w.l, &cfg, NULL), RC_OK);
		CU_ASSERT_EQUAL(umask(was), masks[i]);	/* as it was */
		CU_ASSERT_EQUAL(stat(c.path, &st), 0);
		CU_ASSERT_EQUAL(st.st_mode & 0777, 0660);
		world_end(&c.w);
	}
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

static void stop_loop(void *arg)
{
	loop_stop(((struct world *)arg)->l);
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
		{ "requests are lines and answers keep their order",
		  requests_are_lines_and_answers_keep_their_order },
		{ "the mode is what was asked under any umask",
		  the_mode_is_what_was_asked_under_any_umask },
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

	snprintf(dir, sizeof(dir), "/tmp/test_ctlsock.XXXXXX");
	if (mkdtemp(dir) == NULL)
		return 99;
	rc = suite_run("ctlsock", tests);
	rmdir(dir);
	return rc;
}
