/* The limits of the HTTP listener: bodies, connections, and how those over them are
 * told. */
#include "common/net/http.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/http_world.h"

static void a_body_over_the_ceiling_gets_413(void)
{
	struct http *h = start("127.0.0.1:0", 1);
	int calls = atomic_load(&seen.calls);
	struct http_counts c;
	char rq[2048];
	char *r;

	r = ask(h, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n"
	        "Expect: 100-continue\r\n\r\n", NULL);
	CU_ASSERT(is_refusal(r, "413"));	/* and no 100 before */
	free(r);
	snprintf(rq, sizeof(rq), "POST / HTTP/1.1\r\nHost: x\r\n"
	         "Content-Length: 1001\r\n\r\n%01001d", 7);
	r = ask(h, rq, NULL);
	CU_ASSERT(is_refusal(r, "413"));
	free(r);
	snprintf(rq, sizeof(rq), "POST / HTTP/1.1\r\nHost: x\r\n"
	         "Transfer-Encoding: chunked\r\n\r\n3e9\r\n%01001d\r\n"
	         "0\r\n\r\n", 7);
	r = ask(h, rq, NULL);
	CU_ASSERT(is_refusal(r, "413"));
	free(r);
	CU_ASSERT_EQUAL(atomic_load(&seen.calls), calls);
	http_counts(h, &c);
	CU_ASSERT_EQUAL(c.too_large, 3);
	snprintf(rq, sizeof(rq), "POST / HTTP/1.1\r\nHost: x\r\n"
	         "Content-Length: 1000\r\nConnection: close\r\n\r\n%01000d", 7);
	r = ask(h, rq, NULL);
	CU_ASSERT(has(r, "HTTP/1.1 200"));
	CU_ASSERT_EQUAL(seen.len, 1000);
	free(r);
	http_stop(h, 1000);
}

/* How much of a body of len bytes could be sent; the answer goes to *r. */
static size_t send_all(const struct http *h, const char *head, size_t len,
                       char **r)
{
	int fd = dial(http_port(h));
	size_t sent = 0;

	put(fd, head);
	while (sent < len) {
		size_t part = len - sent < 4096 ? len - sent : 4096;
		ssize_t n = send(fd, big, part, MSG_NOSIGNAL);

		if (n <= 0)
			break;
		sent += (size_t)n;
	}
	*r = slurp(fd, NULL);
	return sent;
}

static void a_413_reaches_who_reads_only_when_all_is_sent(void)
{
	struct http *h = start("127.0.0.1:0", 1);
	size_t some = 2000000, much = 60000000;
	char *r;

	CU_ASSERT_EQUAL(send_all(h, "PUT / HTTP/1.1\r\nHost: x\r\n"
		"Content-Length: 2000000\r\n\r\n", some, &r), some);
	CU_ASSERT(is_refusal(r, "413"));
	free(r);
	/* It stops when it is hung up on, and then reads. */
	CU_ASSERT(send_all(h, "POST / HTTP/1.1\r\nHost: x\r\n"
		"Content-Length: 60000000\r\n\r\n", much, &r) < much);
	CU_ASSERT(is_refusal(r, "413"));
	free(r);
	CU_ASSERT(send_all(h, "POST / HTTP/1.1\r\nHost: x\r\n"
		"Transfer-Encoding: chunked\r\n\r\n3938700\r\n", much,
		&r) < much);
	CU_ASSERT(has(r, "HTTP/1.1 413"));
	CU_ASSERT(has(r, "Connection: close\r\n"));
	free(r);
	http_stop(h, 1000);
}

/* Whether a body finds no room while three others wait for their last byte. */
static bool no_room_for_a_fourth(const struct http *h)
{
	static const char head[] = "POST / HTTP/1.1\r\nHost: x\r\n"
		"Content-Length: 20000\r\nConnection: close\r\n\r\n";
	int fd[3];
	bool full;
	char *r;

	for (int i = 0; i < 3; i++) {
		fd[i] = dial(http_port(h));
		put(fd[i], head);
		CU_ASSERT_EQUAL(send(fd[i], big, 19999, MSG_NOSIGNAL), 19999);
	}
	send_all(h, head, 20000, &r);
	full = is_refusal(r, "503") && has(r, "Retry-After: ");
	CU_ASSERT(full || has(r, "HTTP/1.1 200"));
	free(r);
	for (int i = 0; i < 3; i++)
		close(fd[i]);
	wait_conns(h, 0);
	return full;
}

static void all_bodies_together_have_a_ceiling(void)
{
	const struct http_config cfg = {
		.addr = "127.0.0.1:0", .threads = 2, .max_conns = 20,
		.timeout_s = 10, .max_body = 20000, .max_bodies = 79000
	};
	struct http *h = start_with(&cfg);
	struct http_counts c;
	bool full = false;
	char *r;

	/* It may overtake one of the three. */
	for (int i = 0; i < 50 && !full; i++)
		full = no_room_for_a_fourth(h);
	CU_ASSERT_TRUE(full);
	http_counts(h, &c);
	CU_ASSERT(c.refused_bodies > 0);
	send_all(h, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n"
	         "Connection: close\r\n\r\n", 20000, &r);
	CU_ASSERT(has(r, "HTTP/1.1 200"));	/* all was given back */
	free(r);
	http_stop(h, 1000);
}

static void one_connection_too_many_is_told_the_limit(void)
{
	const struct http_config cfg = {
		.addr = "127.0.0.1:0", .threads = 2, .max_conns = 5,
		.max_conns_per_addr = 3, .timeout_s = 10, .max_body = 10
	};
	struct http *h = start_with(&cfg);
	struct http_counts c;
	int fd[5];
	char *r;

	for (int i = 0; i < 5; i++) {
		fd[i] = dial_from(i < 3 ? 1 : 2, http_port(h));
		CU_ASSERT_TRUE(is_served(fd[i]));
		if (i != 2)
			continue;
		r = ask(h, GET("/", ""), NULL);	/* a fourth from there */
		CU_ASSERT(has(r, "HTTP/1.1 503 Service Unavailable\r\n"));
		CU_ASSERT(has(r, "Connection: close\r\n"));
		CU_ASSERT(has(r, "Retry-After: "));
		CU_ASSERT(has(body_of(r), "3 connections from one address"));
		free(r);
	}
	CU_ASSERT_EQUAL(http_conns(h), 5);
	r = slurp(dial_from(3, http_port(h)), NULL);	/* says nothing */
	CU_ASSERT(has(r, "HTTP/1.1 503 Service Unavailable\r\n"));
	CU_ASSERT(has(body_of(r), "No more than 5 connections"));
	free(r);
	http_counts(h, &c);
	CU_ASSERT_EQUAL(c.refused_address, 1);
	CU_ASSERT_EQUAL(c.refused_conns, 1);
	for (int i = 0; i < 5; i++)
		close(fd[i]);
	wait_conns(h, 0);
	r = ask(h, GET("/", ""), NULL);
	CU_ASSERT(has(r, "HTTP/1.1 200"));
	free(r);
	http_stop(h, 1000);
}

/* Reads to the end, then goes on sending for a while. A socket that was closed
 * on it would have been reset by the first of it. */
static bool may_go_on(int fd)
{
	char answer[4096];
	ssize_t n = 1;
	int err = 0;
	socklen_t len = sizeof(err);

	while (n > 0)
		n = read(fd, answer, sizeof(answer));
	for (int i = 0; i < 20 && n >= 0; i++) {
		n = send(fd, big, 1000, MSG_NOSIGNAL);
		nap_ms(5);		/* the other end has to get to it */
	}
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
	close(fd);
	return n == 1000 && err == 0;
}

static void who_is_answered_early_is_not_cut_off(void)
{
	const struct http_config cfg = {
		.addr = "127.0.0.1:0", .threads = 1, .max_conns = 20,
		.max_conns_per_addr = 1, .timeout_s = 10, .max_body = 10
	};
	struct http *h = start_with(&cfg);
	int fd = dial(http_port(h)), two;

	put(fd, "POST / HTTP/1.1\r\nHost: x\r\n"
	    "Content-Length: 60000000\r\n\r\n");
	CU_ASSERT_TRUE(may_go_on(fd));
	wait_conns(h, 0);
	fd = dial(http_port(h));
	put(fd, "GET / HTTP/1.1\r\nHost: x\r\nX: ");
	CU_ASSERT_EQUAL(send(fd, big, 100000, MSG_NOSIGNAL), 100000);
	CU_ASSERT_TRUE(may_go_on(fd));
	wait_conns(h, 0);
	fd = dial(http_port(h));
	CU_ASSERT_TRUE(is_served(fd));
	two = dial(http_port(h));	/* one too many */
	CU_ASSERT_TRUE(may_go_on(two));
	close(fd);
	http_stop(h, 1000);
}

static unsigned files_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (dir != NULL && readdir(dir) != NULL)
		n++;
	if (dir != NULL)
		closedir(dir);
	return n;
}

#define FLOOD 1500

static void a_flood_from_one_address_keeps_nobody_out(void)
{
	const struct http_config cfg = {
		.addr = "127.0.0.1:0", .threads = 2, .max_conns = 40,
		.max_conns_per_addr = 10, .timeout_s = 30, .max_body = 10
	};
	struct rlimit files;
	static int fd[FLOOD];
	unsigned before, told = 0;
	struct http_counts c;
	struct http *h;

	getrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_cur < FLOOD + 300)
		files.rlim_cur = FLOOD + 300;
	if (files.rlim_cur > files.rlim_max ||
	    setrlimit(RLIMIT_NOFILE, &files) != 0)
		SKIP("1,800 open files");
	h = start_with(&cfg);
	before = files_open();
	for (int i = 0; i < FLOOD; i++) {
		fd[i] = dial(http_port(h));
		CU_ASSERT_FATAL(fd[i] >= 0);
		put(fd[i], "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
		if (i % 100 == 99) {
			int other = dial_from(2, http_port(h));

			CU_ASSERT_TRUE(is_served(other));
			close(other);
		}
	}
	for (int i = 0; i < FLOOD; i++) {
		char start[64] = "";

		(void)!read(fd[i], start, sizeof(start) - 1);
		CU_ASSERT(has(start, i < 10 ? "HTTP/1.1 200" : "HTTP/1.1 503"));
		told += has(start, " 503 ");
	}
	CU_ASSERT_EQUAL(told, FLOOD - 10);
	http_counts(h, &c);
	CU_ASSERT_EQUAL(c.refused_address, FLOOD - 10);
	CU_ASSERT(http_conns(h) <= 11);
	/* ten served and those that stay for a moment */
	CU_ASSERT(files_open() <= before + FLOOD + 11 + 64);
	for (int i = 0; i < FLOOD; i++)
		close(fd[i]);
	wait_conns(h, 0);
	http_stop(h, 1000);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "a body over the ceiling gets 413",
		  a_body_over_the_ceiling_gets_413 },
		{ "a 413 reaches who reads only when all is sent",
		  a_413_reaches_who_reads_only_when_all_is_sent },
		{ "all bodies together have a ceiling",
		  all_bodies_together_have_a_ceiling },
		{ "one connection too many is told the limit",
		  one_connection_too_many_is_told_the_limit },
		{ "who is answered early is not cut off",
		  who_is_answered_early_is_not_cut_off },
		{ "a flood from one address keeps nobody out",
		  a_flood_from_one_address_keeps_nobody_out },
		CU_TEST_INFO_NULL
	};

	return http_world_run("http_limits", tests);
}
