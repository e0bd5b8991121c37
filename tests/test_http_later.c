/* Requests to the HTTP listener that another thread answers: here the test
 * itself, so that it is known what waits while what else happens. */
#include "common/net/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/suite.h"

#define MAX_BODY 20000
#define LATERS 64

/* What the handler put aside. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct http_later *waits[LATERS];
	unsigned n;
	unsigned none;			/* http_later() gave none */
} aside = { .lock = PTHREAD_MUTEX_INITIALIZER,
            .more = PTHREAD_COND_INITIALIZER };

static struct http_reply *text_reply(const char *text)
{
	struct http_reply *r = NULL;

	return http_reply_new_text(200, NULL, text, &r) == RC_OK ? r : NULL;
}

static void put_aside(const struct http_request *rq)
{
	struct http_later *l = http_later(rq);

	pthread_mutex_lock(&aside.lock);
	if (l == NULL)
		aside.none++;
	else
		aside.waits[aside.n++ % LATERS] = l;
	pthread_cond_signal(&aside.more);
	pthread_mutex_unlock(&aside.lock);
}

/* Returns the one put aside as number i from the start of the test. */
static struct http_later *later_at(unsigned i)
{
	struct http_later *l;

	pthread_mutex_lock(&aside.lock);
	while (aside.n <= i)
		pthread_cond_wait(&aside.more, &aside.lock);
	l = aside.waits[i];
	pthread_mutex_unlock(&aside.lock);
	return l;
}

static struct http_reply *route(const struct http_request *rq, void *arg)
{
	struct http_later *l;

	(void)arg;
	if (strncmp(rq->path, "/later", 6) == 0) {
		put_aside(rq);
		return NULL;
	}
	if (strcmp(rq->path, "/handler") == 0) {
		l = http_later(rq);
		if (l != NULL)
			http_later_reply(l, text_reply("in the handler"));
		return NULL;
	}
	return text_reply(rq->path);
}

static struct http *start_with(struct http_config cfg)
{
	const struct http_handler on = { .reply = route };
	struct http *h = NULL;
	struct diag d;

	diag_clear(&d);
	aside.n = aside.none = 0;
	cfg.addr = "127.0.0.1:0";
	cfg.max_conns = 80;
	cfg.max_body = MAX_BODY;
	CU_ASSERT_EQUAL_FATAL(http_start(&cfg, &on, &d, &h), RC_OK);
	return h;
}

static struct http *start(unsigned threads)
{
	return start_with((struct http_config){ .threads = threads,
	                                        .timeout_s = 10 });
}

/* the client */

static int dial(const struct http *h)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(http_port(h)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval tv = { 60, 0 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	CU_ASSERT_FATAL(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&a, sizeof(a)),
	                      0);
	return fd;
}

static int put(const struct http *h, const char *text)
{
	int fd = dial(h);

	CU_ASSERT_EQUAL(send(fd, text, strlen(text), MSG_NOSIGNAL),
	                (ssize_t)strlen(text));
	return fd;
}

/* All there is until the other end closes. */
static const char *slurp(int fd)
{
	static char text[65536];
	size_t n = 0;
	ssize_t got;

	while (n < sizeof(text) - 1 &&
	       (got = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)got;
	text[n] = '\0';
	close(fd);
	return text;
}

static bool has(const char *text, const char *part)
{
	if (strstr(text, part) != NULL)
		return true;
	printf("\n    no %s in %s\n", part, text);
	return false;
}

static bool is_silent(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_DONTWAIT | MSG_PEEK) == -1 &&
	       errno == EAGAIN;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n" \
	"Connection: close\r\n\r\n"

static bool is_served(const struct http *h)
{
	return has(slurp(put(h, GET("/now"))), "\r\n\r\n/now");
}

/* With as long a body as there may be. */
static int put_long(const struct http *h, const char *path)
{
	char rq[MAX_BODY + 200];
	int n = snprintf(rq, sizeof(rq), "POST %s HTTP/1.1\r\nHost: x\r\n"
	                 "Connection: close\r\nContent-Length: %d\r\n\r\n%0*d",
	                 path, MAX_BODY, MAX_BODY, 1);

	CU_ASSERT_FATAL(n > MAX_BODY && (size_t)n < sizeof(rq));
	return put(h, rq);
}

static void nap_ms(long ms)
{
	const struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static void wait_conns(const struct http *h, unsigned want)
{
	for (int i = 0; i < 1000 && http_conns(h) != want; i++)
		nap_ms(10);
	CU_ASSERT_EQUAL(http_conns(h), want);
}

/* tests */

static void who_waits_keeps_no_thread(void)
{
	struct http *h = start(1);
	int fd[3];

	for (unsigned i = 0; i < 3; i++) {
		fd[i] = put(h, GET("/later"));
		(void)later_at(i);
	}
	for (int i = 0; i < 20; i++)
		CU_ASSERT(is_served(h));
	for (unsigned i = 3; i-- > 0;) {
		CU_ASSERT(is_silent(fd[i]));
		http_later_reply(later_at(i), text_reply("late"));
		CU_ASSERT(has(slurp(fd[i]), "\r\n\r\nlate"));
	}
	http_stop(h, 1000);
}

static void the_request_lasts_without_its_headers(void)
{
	struct http *h = start(2);
	int fd = put(h, "POST /later/%41?x=y HTTP/1.1\r\nHost: x\r\n"
	             "Connection: close\r\nContent-Length: 5\r\n\r\n12345");
	struct http_later *l = later_at(0);
	const struct http_request *rq = http_later_request(l);
	char list[8] = "?";

	CU_ASSERT(is_served(h));	/* what it came in is used again */
	CU_ASSERT_STRING_EQUAL(rq->method, "POST");
	CU_ASSERT_STRING_EQUAL(rq->path, "/later/%41");
	CU_ASSERT_STRING_EQUAL(rq->query, "x=y");
	CU_ASSERT_EQUAL(strncmp(rq->peer, "127.0.0.1:", 10), 0);
	CU_ASSERT_EQUAL_FATAL(rq->len, 5);
	CU_ASSERT_EQUAL(memcmp(rq->body, "12345", 5), 0);
	CU_ASSERT_PTR_NULL(http_header(rq, "Host"));
	CU_ASSERT_EQUAL(http_header_list(rq, "Host", list, sizeof(list)), 0);
	CU_ASSERT_STRING_EQUAL(list, "");
	http_later_reply(l, NULL);
	CU_ASSERT(has(slurp(fd), "HTTP/1.1 500"));
	http_stop(h, 1000);
}

static void the_handler_may_answer_after_all(void)
{
	struct http *h = start(1);

	for (int i = 0; i < 10; i++)
		CU_ASSERT(has(slurp(put(h, GET("/handler"))),
		              "\r\n\r\nin the handler"));
	http_stop(h, 1000);
}

static void requests_in_a_row_wait_for_it(void)
{
	struct http *h = start(2);
	int fd = put(h, "GET /first HTTP/1.1\r\nHost: x\r\n\r\n"
	             "GET /later HTTP/1.1\r\nHost: x\r\n\r\n"
	             GET("/third"));
	struct http_later *l = later_at(0);
	const char *text, *late;

	CU_ASSERT(is_served(h));
	http_later_reply(l, text_reply("late"));
	text = slurp(fd);
	late = strstr(text, "\r\n\r\nlate");
	CU_ASSERT(has(text, "\r\n\r\n/first"));
	CU_ASSERT_PTR_NOT_NULL_FATAL(late);
	CU_ASSERT_PTR_NOT_NULL(strstr(late, "\r\n\r\n/third"));
	http_stop(h, 1000);
}

static void a_client_that_goes_away_hurts_nobody(void)
{
	static const struct linger reset = { 1, 0 };
	struct http *h = start(1);

	for (unsigned i = 0; i < 6; i++) {
		int fd = put(h, "POST /later HTTP/1.1\r\nHost: x\r\n"
		             "Connection: close\r\nContent-Length: 1\r\n\r\n1");
		struct http_later *l = later_at(i);

		if (i % 2 == 1)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset,
			           sizeof(reset));
		if (i < 4)
			close(fd);
		else
			shutdown(fd, SHUT_WR);	/* it still listens */
		CU_ASSERT(is_served(h));
		http_later_reply(l, text_reply("late"));
		if (i >= 4)
			CU_ASSERT(has(slurp(fd), "\r\n\r\nlate"));
	}
	wait_conns(h, 0);
	http_stop(h, 1000);
}

static void no_deadline_runs_while_it_waits(void)
{
	struct http *h = start_with((struct http_config){ .threads = 1,
		.timeout_s = 1, .header_s = 1, .body_s = 1 });
	int fd = put(h, "POST /later HTTP/1.1\r\nHost: x\r\n"
	             "Connection: close\r\nContent-Length: 1\r\n\r\n1");
	int idle = dial(h);
	struct http_later *l = later_at(0);
	struct http_counts c;
	char end;

	/* Twice until a deadline of the same length has ended another. */
	CU_ASSERT_EQUAL(read(idle, &end, 1), 0);
	close(idle);
	idle = dial(h);
	CU_ASSERT_EQUAL(read(idle, &end, 1), 0);
	close(idle);
	CU_ASSERT(is_silent(fd));
	http_later_reply(l, text_reply("late"));
	CU_ASSERT(has(slurp(fd), "\r\n\r\nlate"));
	http_counts(h, &c);
	CU_ASSERT_EQUAL(c.timeouts, 0);
	http_stop(h, 1000);
}

/* Its thread learns at once that it goes on and that somebody new is there. */
static void who_ends_what_it_sends_is_answered(void)
{
	struct http *h = start(1);

	for (unsigned i = 0; i < LATERS; i++) {
		int fd = put_long(h, "/later"), other;
		struct http_later *l = later_at(i);

		shutdown(fd, SHUT_WR);
		other = dial(h);
		http_later_reply(l, text_reply("late"));
		CU_ASSERT(has(slurp(fd), "\r\n\r\nlate"));
		close(other);
	}
	http_stop(h, 1000);
}

static void its_body_counts_while_it_waits(void)
{
	struct http *h = start_with((struct http_config){ .threads = 1,
		.timeout_s = 10, .max_bodies = MAX_BODY * 2 });
	int fd;

	CU_ASSERT(has(slurp(put_long(h, "/now")), "HTTP/1.1 200"));
	fd = put_long(h, "/later");
	(void)later_at(0);
	CU_ASSERT(has(slurp(put_long(h, "/now")), "HTTP/1.1 503"));
	http_later_reply(later_at(0), text_reply("late"));
	CU_ASSERT(has(slurp(fd), "\r\n\r\nlate"));
	CU_ASSERT(has(slurp(put_long(h, "/now")), "HTTP/1.1 200"));
	http_stop(h, 1000);
}

static void a_stop_sends_home_who_waits(void)
{
	struct http *h = start(2);
	struct http_later *l[10];
	int fd[10];

	for (unsigned i = 0; i < 10; i++) {
		fd[i] = put(h, "POST /later HTTP/1.1\r\nHost: x\r\n"
		            "Content-Length: 5\r\n\r\n12345");
		l[i] = later_at(i);
	}
	http_later_reply(l[0], text_reply("late"));
	http_stop(h, 20);
	for (unsigned i = 1; i < 10; i++) {
		const char *text = slurp(fd[i]);

		CU_ASSERT(has(text, "HTTP/1.1 503"));
		CU_ASSERT(has(text, "Retry-After: "));
		/* Who was at it still has it, and its answer is taken. */
		CU_ASSERT_EQUAL(memcmp(http_later_request(l[i])->body, "12345",
		                       5), 0);
		http_later_reply(l[i], text_reply("too late"));
	}
	CU_ASSERT(has(slurp(fd[0]), "\r\n\r\nlate"));
}

struct answerer {
	pthread_t thread;
	unsigned from;
};

static void *answer_some(void *arg)
{
	const struct answerer *a = arg;

	for (unsigned i = a->from; i < LATERS; i += 2)
		http_later_reply(later_at(i), text_reply("late"));
	return NULL;
}

/* Whoever comes first: each is answered once, and nothing is left. */
static void a_stop_in_the_midst_of_answers_leaves_nothing(void)
{
	struct answerer a[2] = { { .from = 0 }, { .from = 1 } };
	struct http *h = start(2);
	int fd[LATERS];

	for (unsigned i = 0; i < LATERS; i++)
		fd[i] = put(h, GET("/later"));
	(void)later_at(LATERS - 1);
	for (int i = 0; i < 2; i++)
		pthread_create(&a[i].thread, NULL, answer_some, &a[i]);
	http_stop(h, 0);
	for (int i = 0; i < 2; i++)
		pthread_join(a[i].thread, NULL);
	for (unsigned i = 0; i < LATERS; i++)
		close(fd[i]);
	CU_ASSERT_EQUAL(aside.none, 0);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "who waits keeps no thread", who_waits_keeps_no_thread },
		{ "the request lasts without its headers",
		  the_request_lasts_without_its_headers },
		{ "the handler may answer after all",
		  the_handler_may_answer_after_all },
		{ "requests in a row wait for it",
		  requests_in_a_row_wait_for_it },
		{ "a client that goes away hurts nobody",
		  a_client_that_goes_away_hurts_nobody },
		{ "who ends what it sends is answered",
		  who_ends_what_it_sends_is_answered },
		{ "no deadline runs while it waits",
		  no_deadline_runs_while_it_waits },
		{ "its body counts while it waits",
		  its_body_counts_while_it_waits },
		{ "a stop sends home who waits", a_stop_sends_home_who_waits },
		{ "a stop in the midst of answers leaves nothing",
		  a_stop_in_the_midst_of_answers_leaves_nothing },
		CU_TEST_INFO_NULL
	};

	return suite_run("http_later", tests);
}
