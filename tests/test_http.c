/* The HTTP listener, spoken to byte by byte over loopback. */
#include "common/net/http.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/net/http_due.h"
#include "tests/suite.h"

#define BIG (3 * 1024 * 1024 + 17)
#define MAX_BODY 1000

static unsigned char *big;
static struct http_reply *shared, *not_modified, *read_reply, *broken;
static atomic_int frees;
static struct {
	char method[16], path[128], query[64], body[64], peer[64], accept[64];
	size_t len;
	atomic_int calls;
} seen;

static void count_free(void *arg)
{
	(void)arg;
	atomic_fetch_add(&frees, 1);
}

static ssize_t read_big(void *arg, uint64_t off, char *buf, size_t max)
{
	size_t n = BIG - (size_t)off;

	(void)arg;
	if (n > max)
		n = max;
	memcpy(buf, big + off, n);
	return (ssize_t)n;
}

static ssize_t read_half(void *arg, uint64_t off, char *buf, size_t max)
{
	if (off >= BIG / 2)
		return -1;
	return read_big(arg, off, buf, max);
}

static void keep(char *dst, size_t size, const char *text)
{
	snprintf(dst, size, "%s", text != NULL ? text : "(none)");
}

static void remember(const struct http_request *rq)
{
	static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_lock(&one_at_a_time);
	keep(seen.method, sizeof(seen.method), rq->method);
	keep(seen.path, sizeof(seen.path), rq->path);
	keep(seen.query, sizeof(seen.query), rq->query);
	keep(seen.peer, sizeof(seen.peer), rq->peer);
	keep(seen.accept, sizeof(seen.accept), http_header(rq, "ACCEPT"));
	seen.len = rq->len;
	memset(seen.body, 0, sizeof(seen.body));
	if (rq->len > 0 && rq->len < sizeof(seen.body))
		memcpy(seen.body, rq->body, rq->len);
	atomic_fetch_add(&seen.calls, 1);
	pthread_mutex_unlock(&one_at_a_time);
}

/* The list as it comes, behind its length; the last letter of the path is how
 * much room it gets. */
static struct http_reply *echo_list(const struct http_request *rq)
{
	struct http_reply *r = NULL;
	char list[200], text[300];
	size_t room = strcmp(rq->path, "/list/s") == 0 ? 8 : sizeof(list);
	size_t n = http_header_list(rq, "x-forwarded-for", list, room);

	snprintf(text, sizeof(text), "%zu:%s", n, list);
	return http_reply_new_text(200, NULL, text, &r) == RC_OK ? r : NULL;
}

static struct http_reply *echo_path(const struct http_request *rq)
{
	struct http_reply *r = NULL;

	return http_reply_new_text(200, NULL, rq->path, &r) == RC_OK ? r
	                                                            : NULL;
}

static struct http_reply *refuse(unsigned status, void *arg)
{
	struct http_reply *r = NULL;
	char text[64];

	(void)arg;
	snprintf(text, sizeof(text), "{\"status\":%u}", status);
	return http_reply_new_text(status, "application/json", text, &r)
		== RC_OK ? r : NULL;
}

static struct http_reply *route(const struct http_request *rq, void *arg)
{
	struct http_reply *r = NULL;

	(void)arg;
	if (strcmp(rq->path, "/shared") == 0) {
		if (http_etag_match(http_header(rq, "If-None-Match"), "\"v1\""))
			return http_reply_ref(not_modified);
		return http_reply_ref(shared);
	}
	if (strcmp(rq->path, "/reader") == 0)
		return http_reply_ref(read_reply);
	if (strcmp(rq->path, "/broken") == 0)
		return http_reply_ref(broken);
	if (strcmp(rq->path, "/memory") == 0)
		return NULL;
	if (strncmp(rq->path, "/list/", 6) == 0)
		return echo_list(rq);
	if (strncmp(rq->path, "/echo/", 6) == 0)
		return echo_path(rq);
	remember(rq);
	if (http_reply_new_text(200, "text/plain", "hello", &r) != RC_OK)
		return NULL;
	return r;
}

static struct http *start_with(const struct http_config *cfg)
{
	const struct http_handler on = { .reply = route, .refuse = refuse };
	struct diag d;
	struct http *h = NULL;

	diag_clear(&d);
	CU_ASSERT_EQUAL_FATAL(http_start(cfg, &on, &d, &h), RC_OK);
	CU_ASSERT(http_port(h) != 0);
	return h;
}

static struct http *start(const char *addr, unsigned threads)
{
	const struct http_config cfg = {
		.addr = addr, .threads = threads, .max_conns = 200,
		.timeout_s = 10, .max_body = MAX_BODY
	};

	return start_with(&cfg);
}

/* host: the last number of the address that it comes from, 127.0.0.host. */
static int dial_from(unsigned host, uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	struct timeval tv = { 10, 0 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + host);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
		close(fd);
		return -1;
	}
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a.sin_port = htons(port);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int dial(uint16_t port)
{
	return dial_from(1, port);
}

static void put(int fd, const char *text)
{
	(void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* All there is until the other end closes; free() it. */
static char *slurp(int fd, size_t *len)
{
	size_t cap = BIG + 65536, n = 0;
	char *p = malloc(cap);
	ssize_t got;

	while (p != NULL && n < cap - 1 &&
	       (got = read(fd, p + n, cap - 1 - n)) > 0)
		n += (size_t)got;
	if (p != NULL)
		p[n] = '\0';
	if (len != NULL)
		*len = n;
	close(fd);
	return p;
}

static void nap_ms(long ms)
{
	const struct timespec t = { 0, ms * 1000000 };

	nanosleep(&t, NULL);
}

static char *ask(const struct http *h, const char *request, size_t *len)
{
	int fd = dial(http_port(h));

	CU_ASSERT_FATAL(fd >= 0);
	put(fd, request);
	return slurp(fd, len);
}

#define GET(path, more) "GET " path " HTTP/1.1\r\nHost: x\r\n" more \
	"Connection: close\r\n\r\n"

static bool has(const char *text, const char *part)
{
	return text != NULL && strstr(text, part) != NULL;
}

static const char *body_of(const char *text)
{
	const char *p = strstr(text, "\r\n\r\n");

	return p != NULL ? p + 4 : "";
}

static void a_request_comes_whole_and_as_sent(void)
{
	struct http *h = start("127.0.0.1:0", 1);
	char *r = ask(h, "POST /a%20b/../c?x=%41&y HTTP/1.1\r\nHost: x\r\n"
	              "Accept: text/x\r\nContent-Length: 5\r\n"
	              "Connection: close\r\n\r\n12345", NULL);

	CU_ASSERT(has(r, "HTTP/1.1 200"));
	CU_ASSERT(has(r, "Content-Type: text/plain\r\n"));
	CU_ASSERT_STRING_EQUAL(body_of(r), "hello");
	CU_ASSERT_STRING_EQUAL(seen.method, "POST");
	CU_ASSERT_STRING_EQUAL(seen.path, "/a%20b/../c");
	CU_ASSERT_STRING_EQUAL(seen.query, "x=%41&y");
	CU_ASSERT_STRING_EQUAL(seen.body, "12345");
	CU_ASSERT_STRING_EQUAL(seen.accept, "text/x");
	CU_ASSERT_EQUAL(strncmp(seen.peer, "127.0.0.1:", 10), 0);
	free(r);
	r = ask(h, GET("/plain", ""), NULL);
	CU_ASSERT_STRING_EQUAL(seen.query, "(none)");
	CU_ASSERT_STRING_EQUAL(seen.accept, "(none)");
	CU_ASSERT_EQUAL(seen.len, 0);
	free(r);
	http_stop(h, 1000);
}

static void head_has_the_headers_of_get_and_no_body(void)
{
	static const char *const path[] = { "/shared", "/reader" };
	struct http *h = start("127.0.0.1:0", 2);
	char rq[200], want[64];

	snprintf(want, sizeof(want), "Content-Length: %d\r\n", BIG);
	for (int i = 0; i < 2; i++) {
		char *r;

		snprintf(rq, sizeof(rq), "HEAD %s HTTP/1.1\r\nHost: x\r\n"
		         "Connection: close\r\n\r\n", path[i]);
		r = ask(h, rq, NULL);
		CU_ASSERT(has(r, "HTTP/1.1 200"));
		CU_ASSERT(has(r, want));
		CU_ASSERT(has(r, "ETag: \"v1\"\r\n"));
		CU_ASSERT_STRING_EQUAL(body_of(r), "");
		free(r);
	}
	http_stop(h, 1000);
}

static void a_tag_that_is_known_gets_304(void)
{
	struct http *h = start("127.0.0.1:0", 2);
	char *r = ask(h, GET("/shared", "If-None-Match: \"v0\", W/\"v1\"\r\n"),
	              NULL);

	CU_ASSERT(has(r, "HTTP/1.1 304"));
	CU_ASSERT(has(r, "ETag: \"v1\"\r\n"));
	CU_ASSERT_STRING_EQUAL(body_of(r), "");
	free(r);
	http_stop(h, 1000);
}

static void values_sent_several_times_are_one_list(void)
{
	struct http *h = start("127.0.0.1:0", 1);
	char *r = ask(h, GET("/list/l", "X-Forwarded-For: a, b\r\nA: x\r\n"
	              "X-FORWARDED-FOR: c\r\nX-Forwarded-For:\r\n"), NULL);

	CU_ASSERT_STRING_EQUAL(body_of(r), "7:a, b, c");
	free(r);
	r = ask(h, GET("/list/s", "X-Forwarded-For: a, b\r\n"
	        "X-Forwarded-For: c\r\n"), NULL);
	CU_ASSERT_STRING_EQUAL(body_of(r), "7:a, b, c");
	free(r);
	r = ask(h, GET("/list/s", "X-Forwarded-For: a, b\r\n"
	        "X-Forwarded-For: cd\r\n"), NULL);
	CU_ASSERT_STRING_EQUAL(body_of(r), "8:");
	free(r);
	r = ask(h, GET("/list/l", ""), NULL);
	CU_ASSERT_STRING_EQUAL(body_of(r), "0:");
	free(r);
	http_stop(h, 1000);
}

static bool is_refusal(const char *r, const char *status)
{
	char line[64], body[64];

	snprintf(line, sizeof(line), "HTTP/1.1 %s ", status);
	snprintf(body, sizeof(body), "{\"status\":%s}", status);
	return r != NULL && strncmp(r, line, strlen(line)) == 0 &&
		has(r, "Connection: close\r\n") &&
		has(r, "Content-Type: application/json\r\n") &&
		strcmp(body_of(r), body) == 0;
}

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

static void wait_conns(const struct http *h, unsigned want)
{
	for (int i = 0; i < 1000 && http_conns(h) != want; i++)
		nap_ms(10);
	CU_ASSERT_EQUAL(http_conns(h), want);
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

struct getter {
	uint16_t port;
	const char *path;
	bool ok;
};

static void *get_big(void *arg)
{
	struct getter *g = arg;
	char rq[128];
	size_t len = 0;
	int fd = dial(g->port);
	char *r;

	if (fd < 0)
		return NULL;
	snprintf(rq, sizeof(rq), "GET %s HTTP/1.1\r\nHost: x\r\n"
	         "Connection: close\r\n\r\n", g->path);
	put(fd, rq);
	r = slurp(fd, &len);
	g->ok = r != NULL && len > BIG &&
		memcmp(r + len - BIG, big, BIG) == 0 &&
		body_of(r) == r + len - BIG;
	free(r);
	return NULL;
}

static void one_reply_serves_64_at_once(void)
{
	struct http *h = start("127.0.0.1:0", 4);
	struct getter g[64];
	pthread_t t[64];

	for (int i = 0; i < 64; i++) {
		g[i] = (struct getter){ http_port(h), i % 2 ? "/shared" :
		                        "/reader", false };
		pthread_create(&t[i], NULL, get_big, &g[i]);
	}
	for (int i = 0; i < 64; i++) {
		pthread_join(t[i], NULL);
		CU_ASSERT_TRUE(g[i].ok);
	}
	http_stop(h, 1000);
}

static void a_body_lives_until_the_last_byte_has_gone(void)
{
	enum { HUGE = 32 * 1024 * 1024 };	/* more than sockets hold */
	unsigned char *huge = calloc(1, HUGE);
	const struct http_bytes body = { huge, HUGE, count_free, NULL };
	struct http_reply *mine = shared;
	struct http *h = start("127.0.0.1:0", 2);
	int fd = dial(http_port(h)), before = atomic_load(&frees);
	char first[64];
	size_t len;

	CU_ASSERT_PTR_NOT_NULL_FATAL(huge);
	CU_ASSERT_EQUAL(http_reply_new_bytes(200, &body, &shared), RC_OK);
	put(fd, GET("/shared", ""));
	CU_ASSERT(read(fd, first, sizeof(first)) > 0);
	http_reply_unref(shared);	/* as when a new map takes its place */
	shared = mine;
	CU_ASSERT_EQUAL(atomic_load(&frees), before);
	free(slurp(fd, &len));		/* a part, then it hangs up */
	CU_ASSERT(len > BIG);
	http_stop(h, 1000);
	CU_ASSERT_EQUAL(atomic_load(&frees), before + 1);
	free(huge);
}

static void failures_of_the_handler_end_one_answer_only(void)
{
	struct http *h = start("127.0.0.1:0", 1);
	size_t len;
	char *r = ask(h, GET("/memory", ""), NULL);

	CU_ASSERT(has(r, "HTTP/1.1 500"));
	free(r);
	r = ask(h, GET("/broken", ""), &len);
	CU_ASSERT(len < BIG);		/* shorter than announced: noticed */
	free(r);
	r = ask(h, GET("/fine", ""), NULL);
	CU_ASSERT(has(r, "HTTP/1.1 200"));
	free(r);
	http_stop(h, 1000);
}

static void two_requests_share_a_connection(void)
{
	struct http *h = start("127.0.0.1:0", 1);
	char *r = ask(h, "GET /one HTTP/1.1\r\nHost: x\r\n\r\n"
	              GET("/two?2", ""), NULL);

	CU_ASSERT(has(r, "hello"));
	CU_ASSERT(has(strstr(r, "hello") + 1, "hello"));
	CU_ASSERT_STRING_EQUAL(seen.path, "/two");
	CU_ASSERT_STRING_EQUAL(seen.query, "2");
	free(r);
	http_stop(h, 1000);
}

/* A request that keeps its connection, answered: its first line is 200. */
static bool is_served(int fd)
{
	char answer[1000];
	ssize_t n;

	put(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	n = read(fd, answer, sizeof(answer));
	return n > 12 && memcmp(answer, "HTTP/1.1 200", 12) == 0;
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

static void who_is_late_with_a_request_is_told_408(void)
{
	static const struct {
		const char *text;
		bool told;
	} rows[] = {
		{ "GE", true },
		{ "GET / HTTP/1.1\r\nHost:", true },
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n123",
		  true },
		{ "", false }
	};
	struct http_config cfg = {
		.addr = "127.0.0.1:0", .threads = 1, .max_conns = 20,
		.timeout_s = 3, .header_s = 1, .body_s = 1, .max_body = MAX_BODY
	};

	for (int tls = 0; tls < 2; tls++) {
		struct http_counts c;
		struct http *h;
		int fd[5];

		cfg.tls = tls;
		h = start_with(&cfg);
		for (int i = 0; i < 4; i++) {
			fd[i] = dial(http_port(h));
			put(fd[i], rows[i].text);
		}
		fd[4] = dial(http_port(h));
		CU_ASSERT_TRUE(is_served(fd[4]));	/* and is idle then */
		for (int i = 0; i < 5; i++) {
			char *r = slurp(fd[i], NULL);

			if (i < 4 && rows[i].told && !tls) {
				CU_ASSERT(has(r, "HTTP/1.1 408 Request Time"));
				CU_ASSERT(has(r, "Connection: close\r\n"));
			} else {
				CU_ASSERT_STRING_EQUAL(r, "");
			}
			free(r);
		}
		http_counts(h, &c);
		CU_ASSERT_EQUAL(c.timeouts, 3);
		http_stop(h, 100);
	}
}

static void a_head_too_long_is_told_so(void)
{
	static const char *const status[] = { "HTTP/1.1 414", "HTTP/1.1 431",
		"HTTP/1.1 431" };
	struct http *h = start("127.0.0.1:0", 1);
	static char rq[200000];

	for (int i = 0; i < 3; i++) {
		int n = snprintf(rq, sizeof(rq), i == 0
			? "GET /%0100000d HTTP/1.1\r\nHost: x\r\n\r\n"
			: "GET / HTTP/1.1\r\nHost: x\r\nX: %0100000d\r\n\r\n",
			0);
		char *r;

		if (i == 2)
			for (n = 25; n < 100000; n += 6)
				memcpy(rq + n, "A: b\r\n", 7);
		CU_ASSERT(n > 99000);
		r = ask(h, rq, NULL);
		CU_ASSERT(has(r, status[i]));
		CU_ASSERT(has(r, "Connection: close\r\n"));
		CU_ASSERT(has(r, "</html>"));	/* whole: it was not reset */
		free(r);
	}
	http_stop(h, 1000);
}

static void requests_in_a_row_are_answered_in_order(void)
{
	struct http *h = start("127.0.0.1:0", 2);
	char rq[100 * 80] = "", want[32], *r;
	const char *at;
	size_t n = 0;

	for (int i = 0; i < 100; i++)
		n += (size_t)snprintf(rq + n, sizeof(rq) - n, i % 3 == 1
			? "POST /echo/%03d. HTTP/1.1\r\nHost: x\r\n"
			  "Content-Length: 3\r\n%s\r\nabc"
			: "GET /echo/%03d. HTTP/1.1\r\nHost: x\r\n%s\r\n", i,
			i == 99 ? "Connection: close\r\n" : "");
	CU_ASSERT_FATAL(n < sizeof(rq) - 1);
	at = r = ask(h, rq, NULL);
	for (int i = 0; i < 100; i++) {
		snprintf(want, sizeof(want), "/echo/%03d.", i);
		at = at != NULL ? strstr(at, want) : NULL;
		CU_ASSERT_PTR_NOT_NULL(at);
	}
	free(r);
	http_stop(h, 1000);
}

static void every_form_of_target_comes_out_right(void)
{
	static const char *const rows[][3] = {
		{ "GET http://h:80/echo/p?q HTTP/1.1", "/echo/p", "200" },
		{ "GET HTTPS://h/echo/%41 HTTP/1.1", "/echo/%41", "200" },
		{ "GET http://h HTTP/1.1", NULL, "200" },
		{ "GET /echo/http://h/x HTTP/1.1", "/echo/http://h/x", "200" },
		{ "OPTIONS * HTTP/1.1", NULL, "200" },
		{ "GET * HTTP/1.1", NULL, "400" },
		{ "CONNECT h:80 HTTP/1.1", NULL, "400" },
		{ "GET echo/ HTTP/1.1", NULL, "400" },
		{ "GET /echo/a b HTTP/1.1", NULL, "400" },
		{ "FROB /echo/x HTTP/1.1", "/echo/x", "200" },
		{ "GET /echo/0 HTTP/1.0", "/echo/0", "200" },
		{ "GET / HTTP/2.0", NULL, "505" },
		{ "GET /", NULL, "400" }
	};
	struct http *h = start("127.0.0.1:0", 1);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char rq[200];
		char *r;

		snprintf(rq, sizeof(rq), "%s\r\nHost: x\r\n"
		         "Connection: close\r\n\r\n", rows[i][0]);
		r = ask(h, rq, NULL);
		CU_ASSERT(strncmp(r + 9, rows[i][2], 3) == 0);
		if (rows[i][1] != NULL)
			CU_ASSERT_STRING_EQUAL(body_of(r), rows[i][1]);
		free(r);
	}
	free(ask(h, "GET http://h?a=/b HTTP/1.0\r\n\r\n", NULL));
	CU_ASSERT_STRING_EQUAL(seen.path, "/");
	CU_ASSERT_STRING_EQUAL(seen.query, "a=/b");
	free(ask(h, "OPTIONS * HTTP/1.0\r\n\r\n", NULL));
	CU_ASSERT_STRING_EQUAL(seen.path, "*");
	http_stop(h, 1000);
}

static void a_body_in_chunks_comes_whole(void)
{
	struct http *h = start("127.0.0.1:0", 1);
	char *r = ask(h, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	              "Transfer-Encoding: Chunked\r\n\r\n3;a=b\r\nabc\r\n"
	              "2\r\nde\r\n0\r\nX: y\r\n\r\n", NULL);

	CU_ASSERT(has(r, "HTTP/1.1 200"));
	CU_ASSERT_EQUAL(seen.len, 5);
	CU_ASSERT_STRING_EQUAL(seen.body, "abcde");
	free(r);
	http_stop(h, 1000);
}

/* Whatever another reader makes of these, what follows is no request. */
static void what_can_be_read_in_two_ways_is_refused(void)
{
	static const char *const rows[][2] = {
		{ "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "400" },
		{ "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "400" },
		{ "Content-Length: 5\r\nContent-Length: 3\r\n", "400" },
		{ "Content-Length: 5\r\nContent-Length: 5\r\n", "400" },
		{ "Content-Length: 5, 5\r\n", "400" },
		{ "Content-Length: -5\r\n", "400" },
		{ "Content-Length: five\r\n", "400" },
		{ "Content-Length:\r\n", "400" },
		{ "Content-Length: 99999999999999999999\r\n", "413" },
		{ "Transfer-Encoding: gzip\r\n", "501" },
		{ "Transfer-Encoding: gzip, chunked\r\n", "501" },
		{ "Transfer-Encoding: chunked\r\n"
		  "Transfer-Encoding: chunked\r\n", "400" },
		{ "Transfer-Encoding : chunked\r\n", "400" },
		{ "Transfer-Encoding: chunked\r\n folded\r\n", "400" },
		{ "Transfer-Encoding:\r\n chunked\r\n", "400" },
		{ "Content-Length: 1\r\n\t0\r\n", "400" },
		{ "Host: y\r\n", "400" },
		{ "X Y: z\r\n", "400" },
		{ "X: a\001b\r\n", "400" },
		{ "X: a\rY: b\r\n", "400" },
		{ "no colon\r\n", "400" }
	};
	struct http *h = start("127.0.0.1:0", 1);
	int calls = atomic_load(&seen.calls);
	char rq[500], want[16];
	struct http_counts c;
	char *r;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(rq, sizeof(rq), "POST /one HTTP/1.1\r\nHost: x\r\n%s"
		         "\r\n0\r\n\r\nGET /two HTTP/1.1\r\nHost: x\r\n\r\n",
		         rows[i][0]);
		snprintf(want, sizeof(want), "HTTP/1.1 %s ", rows[i][1]);
		r = ask(h, rq, NULL);
		CU_ASSERT(strncmp(r, want, strlen(want)) == 0);
		CU_ASSERT(has(r, "Connection: close\r\n"));
		free(r);
	}
	r = ask(h, "GET / HTTP/1.1\r\n\r\n", NULL);	/* no Host */
	CU_ASSERT(is_refusal(r, "400"));
	free(r);
	r = ask(h, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
	        NULL);
	CU_ASSERT(is_refusal(r, "400"));
	free(r);
	CU_ASSERT_EQUAL(atomic_load(&seen.calls), calls);
	http_counts(h, &c);
	CU_ASSERT(c.malformed > 10);
	http_stop(h, 1000);
}

static void an_old_client_may_keep_its_connection(void)
{
	struct http *h = start("127.0.0.1:0", 1);
	char *r = ask(h, "GET /echo/1 HTTP/1.0\r\nConnection: Keep-Alive\r\n"
	              "\r\nGET /echo/2 HTTP/1.0\r\n\r\n", NULL);

	CU_ASSERT(has(r, "Connection: Keep-Alive\r\n"));
	CU_ASSERT(has(r, "/echo/1"));
	CU_ASSERT(has(r, "/echo/2"));
	free(r);
	http_stop(h, 1000);
}

static void a_bare_refusal_needs_no_handler(void)
{
	const struct http_config cfg = {
		.addr = "127.0.0.1:0", .threads = 1, .max_conns = 20,
		.timeout_s = 10, .max_body = 10
	};
	const struct http_handler on = { .reply = route };
	struct http *h = NULL;
	char *r;

	CU_ASSERT_EQUAL_FATAL(http_start(&cfg, &on, NULL, &h), RC_OK);
	r = ask(h, "HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n"
	        "12345678901", NULL);
	CU_ASSERT(has(r, "HTTP/1.1 413"));
	CU_ASSERT(has(r, "Connection: close\r\n"));
	CU_ASSERT_STRING_EQUAL(body_of(r), "");
	free(r);
	http_stop(h, 1000);
}

static void *stop_slowly(void *arg)
{
	http_stop(arg, 10000);
	return NULL;
}

static void a_stop_lets_an_answer_finish(void)
{
	struct http *h = start("127.0.0.1:0", 2);
	uint16_t port = http_port(h);
	int fd = dial(port);
	pthread_t t;
	size_t len;
	char first;
	char *r;

	put(fd, GET("/shared", ""));
	CU_ASSERT_EQUAL(read(fd, &first, 1), 1);	/* it is under way */
	pthread_create(&t, NULL, stop_slowly, h);
	r = slurp(fd, &len);
	CU_ASSERT(len > BIG && memcmp(r + len - BIG, big, BIG) == 0);
	free(r);
	pthread_join(t, NULL);
	CU_ASSERT_EQUAL(dial(port), -1);
	http_stop(NULL, 0);
}

static void every_form_of_address_is_taken_or_named_in_the_error(void)
{
	static const char *const good[] = { "127.0.0.1:0", "[::1]:0",
		"0.0.0.0:0", "[::]:0" };
	static const char *const bad[] = { "", ":80", "127.0.0.1", "::1:80",
		"[::1]", "localhost:80", "127.0.0.1:99999", "1.2.3.4:x",
		"[::1:80", "127.0.0.1:" };
	struct http_config cfg = { .threads = 2, .max_conns = 10,
		.timeout_s = 5, .max_body = 10 };
	const struct http_handler on = { .reply = route };
	struct http *h, *first;
	char taken[32];
	struct diag d;

	for (size_t i = 0; i < 4; i++) {
		int fd;

		h = start(good[i], 2);
		fd = i == 1 ? -1 : dial(http_port(h));
		CU_ASSERT(fd >= 0 || i == 1);	/* [::] takes IPv4 too */
		close(fd);
		http_stop(h, 0);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cfg.addr = bad[i];
		diag_clear(&d);
		CU_ASSERT_EQUAL(http_start(&cfg, &on, &d, &h), RC_EINVAL);
		CU_ASSERT_PTR_NOT_NULL(strstr(d.text, bad[i]));
	}
	first = start("127.0.0.1:0", 1);
	snprintf(taken, sizeof(taken), "127.0.0.1:%u", http_port(first));
	cfg.addr = taken;
	diag_clear(&d);
	CU_ASSERT_EQUAL(http_start(&cfg, &on, &d, &h), RC_EIO);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, taken));
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "in use"));
	cfg.threads = 0;
	CU_ASSERT_EQUAL(http_start(&cfg, &on, &d, &h), RC_EINVAL);
	http_stop(first, 0);
}

static void what_is_no_header_is_refused(void)
{
	struct http_reply *r = NULL;
	const struct http_bytes body = { "x", 1, count_free, NULL };
	int before = atomic_load(&frees);

	CU_ASSERT_EQUAL(http_reply_new_bytes(200, &body, &r), RC_OK);
	CU_ASSERT_EQUAL(http_reply_header(r, "X-Ok", "a\tb \xc3\xa4"), RC_OK);
	CU_ASSERT_EQUAL(http_reply_header(r, "", "a"), RC_EINVAL);
	CU_ASSERT_EQUAL(http_reply_header(r, "A B", "a"), RC_EINVAL);
	CU_ASSERT_EQUAL(http_reply_header(r, "A", "b\r\nC: d"), RC_EINVAL);
	CU_ASSERT_EQUAL(http_reply_status(r), 200);
	http_reply_unref(r);
	CU_ASSERT_EQUAL(http_reply_new_bytes(99, &body, &r), RC_EINVAL);
	CU_ASSERT_EQUAL(atomic_load(&frees), before + 2);
	http_reply_unref(NULL);
}

static void tags_are_compared_weakly(void)
{
	CU_ASSERT_TRUE(http_etag_match("\"a\"", "\"a\""));
	CU_ASSERT_TRUE(http_etag_match("W/\"a\"", "\"a\""));
	CU_ASSERT_TRUE(http_etag_match("\"a\"", "W/\"a\""));
	CU_ASSERT_TRUE(http_etag_match(" \"b\" ,W/\"a\"", "\"a\""));
	CU_ASSERT_TRUE(http_etag_match("\"x,y\", \"a\"", "\"a\""));
	CU_ASSERT_TRUE(http_etag_match(" * ", "\"a\""));
	CU_ASSERT_FALSE(http_etag_match("\"aa\"", "\"a\""));
	CU_ASSERT_FALSE(http_etag_match("\"A\"", "\"a\""));
	CU_ASSERT_FALSE(http_etag_match("\"x,\"a\"", "\"a\""));
	CU_ASSERT_FALSE(http_etag_match("a", "\"a\""));
	CU_ASSERT_FALSE(http_etag_match("*, \"a\"", "\"a\""));
	CU_ASSERT_FALSE(http_etag_match("\"a", "\"a\""));
	CU_ASSERT_FALSE(http_etag_match("", "\"a\""));
	CU_ASSERT_FALSE(http_etag_match(NULL, "\"a\""));
}

/* Sends a byte of text every 50 ms until the other end closes: the seconds that
 * took, 0 if it never did. */
static unsigned drip(uint16_t port, const char *start, const char *text)
{
	const struct timespec pause = { 0, 50000000 };
	int fd = dial(port);
	char answer[512];
	unsigned i;

	put(fd, start);
	for (i = 1; i <= 200; i++) {
		(void)!send(fd, &text[i % strlen(text)], 1, MSG_NOSIGNAL);
		nanosleep(&pause, NULL);
		if (recv(fd, answer, sizeof(answer), MSG_DONTWAIT) >= 0 ||
		    (errno != EAGAIN && errno != EWOULDBLOCK))
			break;
		errno = EAGAIN;
	}
	close(fd);
	return i > 200 ? 0 : 1 + i / 20;
}

static void a_request_sent_drop_by_drop_is_cut_off(void)
{
	const struct http_config cfg = {
		.addr = "127.0.0.1:0", .threads = 2, .max_conns = 200,
		.timeout_s = 1, .header_s = 1, .body_s = 1, .max_body = MAX_BODY
	};
	const struct http_handler on = { .reply = route };
	struct http *h = NULL;
	int calls = atomic_load(&seen.calls);
	unsigned s;

	CU_ASSERT_EQUAL_FATAL(http_start(&cfg, &on, NULL, &h), RC_OK);
	s = drip(http_port(h), "", "xyz");
	CU_ASSERT(s > 0 && s < 5);
	s = drip(http_port(h), "GET / HTTP/1.1\r\nHost: a\r\nX: ", "y");
	CU_ASSERT(s > 0 && s < 5);
	s = drip(http_port(h), "POST / HTTP/1.1\r\nHost: a\r\n"
	         "Content-Length: 999\r\n\r\n", "z");
	CU_ASSERT(s > 0 && s < 5);
	CU_ASSERT_EQUAL(atomic_load(&seen.calls), calls);
	http_stop(h, 100);
}

static void a_deadline_leaves_honest_requests_alone(void)
{
	const struct http_config cfg = {
		.addr = "127.0.0.1:0", .threads = 1, .max_conns = 20,
		.timeout_s = 3, .header_s = 1, .body_s = 1, .max_body = MAX_BODY
	};
	static const char get[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	const struct timespec idle = { 1, 800000000 };
	const struct http_handler on = { .reply = route };
	struct http *h = NULL;
	char answer[1000];
	int fd;

	CU_ASSERT_EQUAL_FATAL(http_start(&cfg, &on, NULL, &h), RC_OK);
	fd = dial(http_port(h));
	put(fd, get);
	CU_ASSERT(read(fd, answer, sizeof(answer)) > 0);
	nanosleep(&idle, NULL);		/* between requests it may be idle */
	put(fd, get);
	CU_ASSERT(read(fd, answer, sizeof(answer)) > 0);
	close(fd);
	http_stop(h, 100);
}

/* Stages of a request at which a client may give up. */
static const char *const stages[] = {
	"GET /x HT",
	"GET /x HTTP/1.1\r\nHos",
	"GET /x HTTP/1.1\r\nHost: a\r\n",
	"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n",
	"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc",
	("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	 "5\r\nab"),
	""
};

/* All that was opened is closed long before it is late. */
static void gone_soon(const struct http *h)
{
	int ms;

	for (ms = 0; ms < 5000 && http_conns(h) > 0; ms += 10)
		nap_ms(10);
	CU_ASSERT_EQUAL(http_conns(h), 0);
}

#define GIVE_UP 100

static void give_up_at(const struct http *h, const char *stage, bool second,
                       bool half)
{
	int fd[GIVE_UP], last;

	for (int i = 0; i < GIVE_UP; i++) {
		fd[i] = dial(http_port(h));
		CU_ASSERT_FATAL(fd[i] >= 0);
		if (second)
			CU_ASSERT_TRUE(is_served(fd[i]));
		put(fd[i], stage);
		if (half)
			shutdown(fd[i], SHUT_WR);
		else
			close(fd[i]);
	}
	last = dial(http_port(h));
	CU_ASSERT_TRUE(is_served(last));	/* so all have come in */
	close(last);
	gone_soon(h);
	for (int i = 0; half && i < GIVE_UP; i++)
		close(fd[i]);
}

static void who_gives_up_half_way_keeps_no_place(void)
{
	const struct http_config cfg = {
		.addr = "127.0.0.1:0", .threads = 2,
		.max_conns = GIVE_UP + 1, .timeout_s = 30,
		.header_s = 30, .body_s = 30, .max_body = MAX_BODY
	};
	struct http *h = start_with(&cfg);
	struct http_counts c;

	for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++)
		for (int how = 0; how < 4; how++)
			give_up_at(h, stages[i], how & 1, how & 2);
	http_counts(h, &c);
	CU_ASSERT_EQUAL(c.timeouts, 0);
	CU_ASSERT_EQUAL(c.refused_conns, 0);
	http_stop(h, 1000);
}

/* How many times part is in the n bytes of text. */
static unsigned times(const char *text, size_t n, const char *part)
{
	const size_t len = strlen(part);
	unsigned found = 0;

	for (const char *p = text; (p = memmem(p, n - (size_t)(p - text), part,
	                                       len)) != NULL; p += len)
		found++;
	return found;
}

static void who_ends_its_side_gets_all_answers(void)
{
	struct http *h = start("127.0.0.1:0", 2);

	for (int i = 0; i < 20; i++) {
		int fd = dial(http_port(h));
		size_t len;
		char *r;

		put(fd, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
		    "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
		    "\r\n12345GET /shared HTTP/1.1\r\nHost: x\r\n\r\n"
		    "GET /c HTTP/1.1\r\nHost: x\r\n\r\n");
		if (i % 2)
			put(fd, stages[3]);	/* and one of half */
		shutdown(fd, SHUT_WR);
		if (i == 0)	/* it stands still for several looks */
			nap_ms(900);
		r = slurp(fd, &len);
		CU_ASSERT_EQUAL(times(r, len, "HTTP/1.1 200"), 4);
		CU_ASSERT_EQUAL(times(r, len, "hello"), 3);
		CU_ASSERT(len > BIG);
		free(r);
	}
	wait_conns(h, 0);
	http_stop(h, 1000);
}

static bool ended(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

static void an_answer_has_its_time(void)
{
	struct http_due_conn *c[2];
	struct http_due *all;
	int fd[2][2];

	CU_ASSERT_EQUAL_FATAL(http_due_new(false, &all), RC_OK);
	for (int i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0,
		                                 fd[i]), 0);
		c[i] = http_due_join(all, fd[i][0], 60000);
		CU_ASSERT_PTR_NOT_NULL_FATAL(c[i]);
		http_due_begun(c[i]);
		CU_ASSERT_TRUE(http_due_answer(c[i]));
		http_due_send(c[i], i == 0 ? 100 : 60000);
	}
	for (int i = 0; i < 1000 && !ended(fd[0][1]); i++)
		nap_ms(10);
	CU_ASSERT_TRUE(ended(fd[0][1]));	/* without a word */
	CU_ASSERT_FALSE(http_due_answer(c[0]));
	CU_ASSERT_FALSE(ended(fd[1][1]));
	CU_ASSERT_TRUE(http_due_answer(c[1]));
	CU_ASSERT_EQUAL(http_due_timeouts(all), 0);
	for (int i = 0; i < 2; i++) {
		http_due_leave(all, c[i]);
		close(fd[i][0]);
		close(fd[i][1]);
	}
	http_due_free(all);
}

/* A connection on which an answer is under way that does not fit in it. */
static int take_slowly(const struct http *h)
{
	int fd = dial(http_port(h));
	char first;

	put(fd, GET("/shared", ""));
	CU_ASSERT_EQUAL(read(fd, &first, 1), 1);
	return fd;
}

/* How much comes until the other end closes. */
static size_t drain(int fd)
{
	char part[65536];
	size_t all = 0;
	ssize_t n;

	while ((n = read(fd, part, sizeof(part))) > 0)
		all += (size_t)n;
	close(fd);
	return all;
}

static void the_answers_sent_longest_are_shed_first(void)
{
	enum { HUGE = 32 * 1024 * 1024 };
	unsigned char *huge = calloc(1, HUGE);
	const struct http_bytes body = { huge, HUGE, NULL, NULL };
	struct http_reply *mine = shared;
	struct http *h = start("127.0.0.1:0", 2);
	int idle = dial(http_port(h)), slow[4];
	struct http_counts c;
	size_t len;

	CU_ASSERT_PTR_NOT_NULL_FATAL(huge);
	CU_ASSERT_EQUAL(http_reply_new_bytes(200, &body, &shared), RC_OK);
	CU_ASSERT_TRUE(is_served(idle));
	for (int i = 0; i < 4; i++) {
		slow[i] = take_slowly(h);
		if (i == 1)
			nap_ms(50);	/* two are older */
	}
	http_shed(h);
	wait_conns(h, 3);
	http_counts(h, &c);
	CU_ASSERT_EQUAL(c.shed, 2);
	CU_ASSERT_TRUE(is_served(idle));
	for (int i = 0; i < 4; i++) {
		len = drain(slow[i]);
		CU_ASSERT(i < 2 ? len < HUGE : len > HUGE);
	}
	close(idle);
	wait_conns(h, 0);
	http_shed(h);			/* none */
	http_counts(h, &c);
	CU_ASSERT_EQUAL(c.shed, 2);
	http_stop(h, 1000);
	http_reply_unref(shared);
	shared = mine;
	free(huge);
}

static int make_replies(void)
{
	const struct http_bytes whole = { big, BIG, count_free, NULL };
	const struct http_bytes none = { NULL, 0, NULL, NULL };
	const struct http_reader rd = { read_big, BIG, count_free, NULL };
	const struct http_reader half = { read_half, BIG, count_free, NULL };

	return http_reply_new_bytes(200, &whole, &shared) != RC_OK ||
		http_reply_header(shared, "ETag", "\"v1\"") != RC_OK ||
		http_reply_new_bytes(304, &none, &not_modified) != RC_OK ||
		http_reply_header(not_modified, "ETag", "\"v1\"") != RC_OK ||
		http_reply_new_reader(200, &rd, &read_reply) != RC_OK ||
		http_reply_header(read_reply, "ETag", "\"v1\"") != RC_OK ||
		http_reply_new_reader(200, &half, &broken) != RC_OK;
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "a request comes whole and as sent",
		  a_request_comes_whole_and_as_sent },
		{ "head has the headers of get and no body",
		  head_has_the_headers_of_get_and_no_body },
		{ "a tag that is known gets 304", a_tag_that_is_known_gets_304 },
		{ "a body over the ceiling gets 413",
		  a_body_over_the_ceiling_gets_413 },
		{ "values sent several times are one list",
		  values_sent_several_times_are_one_list },
		{ "a 413 reaches who reads only when all is sent",
		  a_413_reaches_who_reads_only_when_all_is_sent },
		{ "a bare refusal needs no handler",
		  a_bare_refusal_needs_no_handler },
		{ "all bodies together have a ceiling",
		  all_bodies_together_have_a_ceiling },
		{ "a body in chunks comes whole",
		  a_body_in_chunks_comes_whole },
		{ "what can be read in two ways is refused",
		  what_can_be_read_in_two_ways_is_refused },
		{ "every form of target comes out right",
		  every_form_of_target_comes_out_right },
		{ "a head too long is told so", a_head_too_long_is_told_so },
		{ "who is late with a request is told 408",
		  who_is_late_with_a_request_is_told_408 },
		{ "a request sent drop by drop is cut off",
		  a_request_sent_drop_by_drop_is_cut_off },
		{ "a deadline leaves honest requests alone",
		  a_deadline_leaves_honest_requests_alone },
		{ "who gives up half way keeps no place",
		  who_gives_up_half_way_keeps_no_place },
		{ "who ends its side gets all answers",
		  who_ends_its_side_gets_all_answers },
		{ "an answer has its time", an_answer_has_its_time },
		{ "the answers sent longest are shed first",
		  the_answers_sent_longest_are_shed_first },
		{ "one reply serves 64 at once", one_reply_serves_64_at_once },
		{ "a body lives until the last byte has gone",
		  a_body_lives_until_the_last_byte_has_gone },
		{ "failures of the handler end one answer only",
		  failures_of_the_handler_end_one_answer_only },
		{ "two requests share a connection",
		  two_requests_share_a_connection },
		{ "requests in a row are answered in order",
		  requests_in_a_row_are_answered_in_order },
		{ "an old client may keep its connection",
		  an_old_client_may_keep_its_connection },
		{ "one connection too many is told the limit",
		  one_connection_too_many_is_told_the_limit },
		{ "who is answered early is not cut off",
		  who_is_answered_early_is_not_cut_off },
		{ "a flood from one address keeps nobody out",
		  a_flood_from_one_address_keeps_nobody_out },
		{ "a stop lets an answer finish", a_stop_lets_an_answer_finish },
		{ "every form of address is taken or named in the error",
		  every_form_of_address_is_taken_or_named_in_the_error },
		{ "what is no header is refused", what_is_no_header_is_refused },
		{ "tags are compared weakly", tags_are_compared_weakly },
		CU_TEST_INFO_NULL
	};
	int rc;

	big = malloc(BIG);
	if (big == NULL)
		return 99;
	for (size_t i = 0; i < BIG; i++)
		big[i] = (unsigned char)(i * 2654435761u >> 16);
	if (make_replies())
		return 99;
	rc = suite_run("http", tests);
	http_reply_unref(shared);
	http_reply_unref(not_modified);
	http_reply_unref(read_reply);
	http_reply_unref(broken);
	free(big);
	return rc;
}
