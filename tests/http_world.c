#include "tests/http_world.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

unsigned char *big;
struct http_reply *shared;
static struct http_reply *not_modified, *read_reply, *broken;
atomic_int frees;
struct seen seen;

void count_free(void *arg)
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

struct http_reply *route(const struct http_request *rq, void *arg)
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

struct http *start_with(const struct http_config *cfg)
{
	const struct http_handler on = { .reply = route, .refuse = refuse };
	struct diag d;
	struct http *h = NULL;

	diag_clear(&d);
	CU_ASSERT_EQUAL_FATAL(http_start(cfg, &on, &d, &h), RC_OK);
	CU_ASSERT(http_port(h) != 0);
	return h;
}

struct http *start(const char *addr, unsigned threads)
{
	const struct http_config cfg = {
		.addr = addr, .threads = threads, .max_conns = 200,
		.timeout_s = 10, .max_body = MAX_BODY
	};

	return start_with(&cfg);
}

int dial_from(unsigned host, uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	struct timeval tv = { 60, 0 };
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

int dial(uint16_t port)
{
	return dial_from(1, port);
}

void put(int fd, const char *text)
{
	(void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

char *slurp(int fd, size_t *len)
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

void nap_ms(long ms)
{
	const struct timespec t = { 0, ms * 1000000 };

	nanosleep(&t, NULL);
}

char *ask(const struct http *h, const char *request, size_t *len)
{
	int fd = dial(http_port(h));

	CU_ASSERT_FATAL(fd >= 0);
	put(fd, request);
	return slurp(fd, len);
}

bool has(const char *text, const char *part)
{
	return text != NULL && strstr(text, part) != NULL;
}

const char *body_of(const char *text)
{
	const char *p = strstr(text, "\r\n\r\n");

	return p != NULL ? p + 4 : "";
}

bool is_refusal(const char *r, const char *status)
{
	char line[64], body[64];

	snprintf(line, sizeof(line), "HTTP/1.1 %s ", status);
	snprintf(body, sizeof(body), "{\"status\":%s}", status);
	return r != NULL && strncmp(r, line, strlen(line)) == 0 &&
		has(r, "Connection: close\r\n") &&
		has(r, "Content-Type: application/json\r\n") &&
		strcmp(body_of(r), body) == 0;
}

void wait_conns(const struct http *h, unsigned want)
{
	for (int i = 0; i < 1000 && http_conns(h) != want; i++)
		nap_ms(10);
	CU_ASSERT_EQUAL(http_conns(h), want);
}

bool is_served(int fd)
{
	char answer[1000];
	ssize_t n;

	put(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	n = read(fd, answer, sizeof(answer));
	return n > 12 && memcmp(answer, "HTTP/1.1 200", 12) == 0;
}

static bool no_replies(void)
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

int http_world_run(const char *name, CU_TestInfo *tests)
{
	int rc;

	big = malloc(BIG);
	if (big == NULL)
		return 99;
	for (size_t i = 0; i < BIG; i++)
		big[i] = (unsigned char)(i * 2654435761u >> 16);
	if (no_replies())
		return 99;
	rc = suite_run(name, tests);
	http_reply_unref(shared);
	http_reply_unref(not_modified);
	http_reply_unref(read_reply);
	http_reply_unref(broken);
	free(big);
	return rc;
}
