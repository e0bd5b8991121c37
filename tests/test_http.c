/* The HTTP listener, spoken to byte by byte over loopback. */
#include "common/net/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

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
	remember(rq);
	if (http_reply_new_text(200, "text/plain", "hello", &r) != RC_OK)
		return NULL;
	return r;
}

static struct http *start(const char *addr, unsigned threads)
{
	const struct http_config cfg = {
		.addr = addr, .threads = threads, .max_conns = 200,
		.timeout_s = 10, .max_body = MAX_BODY
	};
	const struct http_handler on = { route, NULL };
	struct diag d;
	struct http *h = NULL;

	diag_clear(&d);
	CU_ASSERT_EQUAL_FATAL(http_start(&cfg, &on, &d, &h), RC_OK);
	CU_ASSERT(http_port(h) != 0);
	return h;
}

static int dial(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct timeval tv = { 10, 0 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
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

static void a_body_over_the_ceiling_gets_413(void)
{
	struct http *h = start("127.0.0.1:0", 1);
	int calls = atomic_load(&seen.calls);
	char rq[2048];
	char *r;
	int n;

	r = ask(h, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n"
	        "Expect: 100-continue\r\nConnection: close\r\n\r\n", NULL);
	CU_ASSERT(has(r, "HTTP/1.1 413"));
	CU_ASSERT_FALSE(has(r, "100 Continue"));
	free(r);
	n = snprintf(rq, sizeof(rq), "POST / HTTP/1.1\r\nHost: x\r\n"
	             "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
	             "3e9\r\n%01001d\r\n0\r\n\r\n", 7);
	CU_ASSERT(n > 1000);
	r = ask(h, rq, NULL);
	CU_ASSERT(has(r, "HTTP/1.1 413"));
	free(r);
	CU_ASSERT_EQUAL(atomic_load(&seen.calls), calls);
	snprintf(rq, sizeof(rq), "POST / HTTP/1.1\r\nHost: x\r\n"
	         "Content-Length: 1000\r\nConnection: close\r\n\r\n%01000d", 7);
	r = ask(h, rq, NULL);
	CU_ASSERT(has(r, "HTTP/1.1 200"));
	CU_ASSERT_EQUAL(seen.len, 1000);
	free(r);
	http_stop(h, 1000);
}

static void an_endless_body_is_cut_off(void)
{
	struct http *h = start("127.0.0.1:0", 1);
	int fd = dial(http_port(h));
	char chunk[4096 + 16];
	int n = snprintf(chunk, sizeof(chunk), "1000\r\n%04096d\r\n", 0), i;

	put(fd, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (i = 0; i < 100000; i++)
		if (send(fd, chunk, (size_t)n, MSG_NOSIGNAL) != n)
			break;
	CU_ASSERT(i < 100000);
	close(fd);
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

static void connections_are_limited(void)
{
	const struct http_config cfg = {
		.addr = "127.0.0.1:0", .threads = 1, .max_conns = 20,
		.max_conns_per_addr = 3, .timeout_s = 10, .max_body = 10
	};
	const struct http_handler on = { route, NULL };
	struct http *h;
	int fd[4];
	char *r;

	CU_ASSERT_EQUAL_FATAL(http_start(&cfg, &on, NULL, &h), RC_OK);
	for (int i = 0; i < 3; i++) {
		char c;

		fd[i] = dial(http_port(h));
		put(fd[i], "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
		CU_ASSERT_EQUAL(read(fd[i], &c, 1), 1);
	}
	CU_ASSERT_EQUAL(http_conns(h), 3);
	fd[3] = dial(http_port(h));
	put(fd[3], GET("/", ""));
	r = slurp(fd[3], NULL);
	CU_ASSERT_FALSE(has(r, "200"));
	free(r);
	for (int i = 0; i < 3; i++)
		close(fd[i]);
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
	const struct http_handler on = { route, NULL };
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
	unsigned i;
	char c;

	put(fd, start);
	for (i = 1; i <= 200; i++) {
		(void)!send(fd, &text[i % strlen(text)], 1, MSG_NOSIGNAL);
		nanosleep(&pause, NULL);
		if (recv(fd, &c, 1, MSG_DONTWAIT) == 0 ||
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
	const struct http_handler on = { route, NULL };
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
	const struct http_handler on = { route, NULL };
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
		{ "an endless body is cut off", an_endless_body_is_cut_off },
		{ "a request sent drop by drop is cut off",
		  a_request_sent_drop_by_drop_is_cut_off },
		{ "a deadline leaves honest requests alone",
		  a_deadline_leaves_honest_requests_alone },
		{ "one reply serves 64 at once", one_reply_serves_64_at_once },
		{ "a body lives until the last byte has gone",
		  a_body_lives_until_the_last_byte_has_gone },
		{ "failures of the handler end one answer only",
		  failures_of_the_handler_end_one_answer_only },
		{ "two requests share a connection",
		  two_requests_share_a_connection },
		{ "connections are limited", connections_are_limited },
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
