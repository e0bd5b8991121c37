/* Time at the HTTP listener: who is late, who leaves, who takes his time with an
 * answer. */
#include "common/net/http.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/net/http_due.h"
#include "tests/http_world.h"

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
	const struct http_config cfg = {
		.addr = "127.0.0.1:0", .threads = 1, .max_conns = 20,
		.timeout_s = 3, .header_s = 1, .body_s = 1, .max_body = MAX_BODY
	};

	struct http_counts c;
	struct http *h = start_with(&cfg);
	int fd[5];

	for (int i = 0; i < 4; i++) {
		fd[i] = dial(http_port(h));
		put(fd[i], rows[i].text);
	}
	fd[4] = dial(http_port(h));
	CU_ASSERT_TRUE(is_served(fd[4]));	/* and is idle then */
	for (int i = 0; i < 5; i++) {
		char *r = slurp(fd[i], NULL);

		if (i < 4 && rows[i].told) {
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

/* Both ends of a connection whose client, at [1], has sent text and its end. */
static void tcp_ended(int fd[2], const char *text)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	struct pollfd came = { .events = POLLRDHUP };
	socklen_t len = sizeof(a);
	int l = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CU_ASSERT_FATAL(bind(l, (struct sockaddr *)&a, len) == 0 &&
	                listen(l, 1) == 0 &&
	                getsockname(l, (struct sockaddr *)&a, &len) == 0);
	fd[1] = dial(ntohs(a.sin_port));
	fd[0] = accept(l, NULL, NULL);
	close(l);
	put(fd[1], text);
	shutdown(fd[1], SHUT_WR);
	came.fd = fd[0];
	CU_ASSERT_EQUAL_FATAL(poll(&came, 1, 10000), 1);
}

static void an_end_alone_is_no_request_begun(void)
{
	for (unsigned begun = 0; begun < 2; begun++) {
		struct http_due_conn *c;
		struct http_due *all;
		char *r;
		int fd[2];

		tcp_ended(fd, begun ? "G" : "");
		CU_ASSERT_EQUAL_FATAL(http_due_new(false, &all), RC_OK);
		c = http_due_join(all, fd[0], 1);
		CU_ASSERT_PTR_NOT_NULL_FATAL(c);
		r = slurp(fd[1], NULL);		/* until it is late */
		CU_ASSERT_EQUAL(has(r, " 408 "), begun);
		free(r);
		CU_ASSERT_EQUAL(http_due_timeouts(all), begun);
		http_due_leave(all, c);
		close(fd[0]);
		http_due_free(all);
	}
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

int main(void)
{
	CU_TestInfo tests[] = {
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
		{ "an end alone is no request begun",
		  an_end_alone_is_no_request_begun },
		{ "the answers sent longest are shed first",
		  the_answers_sent_longest_are_shed_first },
		{ "a stop lets an answer finish", a_stop_lets_an_answer_finish },
		CU_TEST_INFO_NULL
	};

	return http_world_run("http_time", tests);
}
