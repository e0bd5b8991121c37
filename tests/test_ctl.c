/* The control socket: lines of JSON in, one line of JSON out for each. */
#include "common/service/ctl.h"

#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/net/ctlsock.h"
#include "common/net/loop.h"
#include "tests/suite.h"

static char dir[64], path[96];

struct daemon {
	struct loop *l;
	pthread_t thread;
	struct loop_timer *later;
	struct ctlsock_req *waiting;
};

static void echo(struct ctlsock_req *req, const json_t *args, void *arg)
{
	char *text = json_dumps(args, JSON_COMPACT | JSON_SORT_KEYS);

	(void)arg;
	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	ctl_answer(req, text, strlen(text));
	free(text);
}

static void fail(struct ctlsock_req *req, const json_t *args, void *arg)
{
	(void)args;
	(void)arg;
	ctl_error(req, "%s:%d: \"quoted\"", "net.json", 17);
}

static void answer_now(void *arg)
{
	struct daemon *d = arg;

	ctl_answer(d->waiting, "{\"late\":true}", 13);
}

static void wait_a_while(struct ctlsock_req *req, const json_t *args,
                         void *arg)
{
	struct daemon *d = arg;

	(void)args;
	d->waiting = req;
	loop_timer_set(d->later, 20, 0);
}

static void talk_too_much(struct ctlsock_req *req, const json_t *args,
                          void *arg)
{
	size_t len = (64u << 20) + 10;
	char *text = calloc(1, len);

	(void)args;
	(void)arg;
	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	ctl_answer(req, text, len);
	free(text);
}

static const struct ctl_command commands[] = {
	{ "echo", echo },
	{ "fail", fail },
	{ "wait", wait_a_while },
	{ "talk", talk_too_much },
	{ NULL, NULL }
};

static void *run_loop(void *arg)
{
	struct daemon *d = arg;

	loop_run(d->l);
	return NULL;
}

static void start(struct daemon *d)
{
	struct diag why = { 0 };

	memset(d, 0, sizeof(*d));
	CU_ASSERT_EQUAL_FATAL(loop_new(&d->l), RC_OK);
	CU_ASSERT_EQUAL_FATAL(loop_timer_new(d->l, answer_now, d, &d->later),
	                      RC_OK);
	CU_ASSERT_EQUAL_FATAL(ctl_listen(d->l, path, commands, d, &why), RC_OK);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&d->thread, NULL, run_loop, d), 0);
}

static void stop(struct daemon *d)
{
	loop_stop(d->l);
	pthread_join(d->thread, NULL);
	loop_free(d->l);
}

static int dial(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct timeval limit = { 60, 0 };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	CU_ASSERT_FATAL(fd >= 0);
	memcpy(to.sun_path, path, strlen(path) + 1);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&to, sizeof(to)),
	                      0);
	return fd;
}

/* Sends text and reads one line; "" when the connection was closed. */
static const char *ask(int fd, const char *text)
{
	static char line[70000];
	size_t n = 0;

	CU_ASSERT_EQUAL_FATAL(send(fd, text, strlen(text), MSG_NOSIGNAL),
	                      (ssize_t)strlen(text));
	while (n < sizeof(line) - 1) {
		if (read(fd, line + n, 1) != 1)
			return "";
		if (line[n] == '\n')
			break;
		n++;
	}
	line[n] = '\0';
	return line;
}

static void a_command_is_run_with_its_members(void)
{
	struct daemon d;
	struct stat st;
	int fd;

	start(&d);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0660);
	fd = dial();
	CU_ASSERT_STRING_EQUAL(ask(fd, "{\"command\":\"echo\",\"a\":[1]}\n"),
	                       "{\"a\":[1],\"command\":\"echo\"}");
	CU_ASSERT_STRING_EQUAL(ask(fd, " {\"command\" : \"echo\"}\r\n"),
	                       "{\"command\":\"echo\"}");
	close(fd);
	stop(&d);
	CU_ASSERT_NOT_EQUAL(stat(path, &st), 0);
}

static void an_error_is_an_object_too(void)
{
	struct daemon d;
	int fd;

	start(&d);
	fd = dial();
	CU_ASSERT_STRING_EQUAL(ask(fd, "{\"command\":\"fail\"}\n"),
	                       "{\"error\":\"net.json:17: \\\"quoted\\\"\"}");
	CU_ASSERT_STRING_EQUAL(ask(fd, "{\"command\":\"talk\"}\n"),
	                       "{\"error\":\"the answer is too long\"}");
	close(fd);
	stop(&d);
}

static void an_unknown_command_is_told_the_known_ones(void)
{
	struct daemon d;
	int fd;

	start(&d);
	fd = dial();
	CU_ASSERT_STRING_EQUAL(ask(fd, "{\"command\":\"ech\\\"o\"}\n"),
		"{\"error\":\"there is no command \\\"ech\\\"o\\\"\","
		"\"commands\":[\"echo\",\"fail\",\"wait\",\"talk\"]}");
	close(fd);
	stop(&d);
}

static void what_is_no_request_is_answered_and_harmless(void)
{
	static const char *const bad[] = { "\n", "{}\n", "[]\n", "status\n",
		"{\"command\":1}\n", "{\"command\":\"echo\"\n", "\xff\n",
		"{\"command\":\"echo\",\"command\":\"fail\"}\n",
		("{\"command\":\"012345678901234567890123456789012345678901234"
		 "5678901234567890123456789\"}\n") };
	struct daemon d;
	int fd;

	start(&d);
	fd = dial();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *line = ask(fd, bad[i]);
		json_t *doc = json_loads(line, 0, NULL);

		CU_ASSERT_PTR_NOT_NULL(json_string_value(
			json_object_get(doc, "error")));
		CU_ASSERT_PTR_NOT_NULL(strstr(line, "not a request"));
		json_decref(doc);
	}
	CU_ASSERT_STRING_EQUAL(ask(fd, "{\"command\":\"echo\"}\n"),
	                       "{\"command\":\"echo\"}");
	close(fd);
	stop(&d);
}

static void an_answer_may_come_later(void)
{
	struct daemon d;
	int fd, gone;

	start(&d);
	gone = dial();
	fd = dial();
	CU_ASSERT_STRING_EQUAL(ask(fd, "{\"command\":\"wait\"}\n"),
	                       "{\"late\":true}");
	CU_ASSERT_EQUAL(send(gone, "{\"command\":\"wait\"}\n", 19, 0), 19);
	close(gone);			/* does not wait for it */
	CU_ASSERT_STRING_EQUAL(ask(fd, "{\"command\":\"echo\"}\n"),
	                       "{\"command\":\"echo\"}");
	close(fd);
	stop(&d);
}

static void a_second_daemon_is_refused(void)
{
	struct daemon d;
	struct loop *other;
	struct diag why = { 0 };

	start(&d);
	CU_ASSERT_EQUAL_FATAL(loop_new(&other), RC_OK);
	CU_ASSERT_EQUAL(ctl_listen(other, path, commands, NULL, &why),
	                RC_EEXIST);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, path));
	stop(&d);
	loop_free(other);	/* not beside a loop that runs: see loop.c */
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "a command is run with its members",
		  a_command_is_run_with_its_members },
		{ "an error is an object too", an_error_is_an_object_too },
		{ "an unknown command is told the known ones",
		  an_unknown_command_is_told_the_known_ones },
		{ "what is no request is answered and harmless",
		  what_is_no_request_is_answered_and_harmless },
		{ "an answer may come later", an_answer_may_come_later },
		{ "a second daemon is refused", a_second_daemon_is_refused },
		CU_TEST_INFO_NULL
	};
	int status;

	snprintf(dir, sizeof(dir), "/tmp/altocast-ctl.XXXXXX");
	if (!mkdtemp(dir))
		return 99;
	snprintf(path, sizeof(path), "%s/ctl.sock", dir);
	status = suite_run("ctl", tests);
	rmdir(dir);
	return status;
}
