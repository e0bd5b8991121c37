/* GETs one after the other: what waits, what is given up. */
#include "common/service/pull.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/suite.h"

#define RESULTS 8
#define WAIT_S 30

static struct pull *p;
static int listener;
static char url[64];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t bell = PTHREAD_COND_INITIALIZER;
static size_t n_results;
static struct pull_result *results[RESULTS];

static void take(struct pull_result *r, void *arg)
{
	(void)arg;
	pthread_mutex_lock(&lock);
	if (n_results < RESULTS)
		results[n_results++] = r;
	else
		abort();
	pthread_cond_signal(&bell);
	pthread_mutex_unlock(&lock);
}

static size_t come(void)
{
	size_t n;

	pthread_mutex_lock(&lock);
	n = n_results;
	pthread_mutex_unlock(&lock);
	return n;
}

static bool wait_for(size_t n)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_S;
	pthread_mutex_lock(&lock);
	while (n_results < n && rc == 0)
		rc = pthread_cond_timedwait(&bell, &lock, &until);
	pthread_mutex_unlock(&lock);
	return rc == 0;
}

static const struct pull_result *result_of(uint64_t ticket)
{
	for (size_t i = 0; i < come(); i++)
		if (results[i]->ticket == ticket)
			return results[i];
	return NULL;
}

static void begin(void)
{
	struct pull_options opt = { .user_agent = "test" };
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	CU_ASSERT_FATAL(listener >= 0);
	CU_ASSERT_EQUAL_FATAL(bind(listener, (struct sockaddr *)&at, len), 0);
	CU_ASSERT_EQUAL_FATAL(listen(listener, 8), 0);
	CU_ASSERT_EQUAL(getsockname(listener, (struct sockaddr *)&at, &len), 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/",
	         ntohs(at.sin_port));
	n_results = 0;
	CU_ASSERT_EQUAL_FATAL(pull_new(&opt, &p), RC_OK);
}

static void end(void)
{
	pull_free(p);
	close(listener);
	for (size_t i = 0; i < n_results; i++)
		pull_result_free(results[i]);
}

static uint64_t get(const char *id, uint64_t number, bool no_cache)
{
	struct pull_request rq = {
		.kind = 1, .id = id, .number = number, .url = url,
		.no_cache = no_cache, .max_body = 1000,
		.timeout_ms = WAIT_S * 1000, .done = take,
	};
	uint64_t ticket = 0;

	CU_ASSERT_EQUAL(pull_get(p, &rq, &ticket), RC_OK);
	CU_ASSERT_NOT_EQUAL(ticket, 0);
	return ticket;
}

/* One that is under way for as long as the connection is not closed. */
static int occupy(void)
{
	int fd;

	(void)get("slow", 0, false);
	fd = accept(listener, NULL, NULL);
	CU_ASSERT_FATAL(fd >= 0);
	return fd;
}

static void what_is_queued_is_not_queued_again(void)
{
	uint64_t one, other;
	int fd;

	begin();
	fd = occupy();
	one = get("a", 1, false);
	CU_ASSERT_EQUAL(get("a", 2, false), one);
	other = get("a", 3, true);
	CU_ASSERT_NOT_EQUAL(other, one);
	CU_ASSERT_NOT_EQUAL(get("b", 4, false), one);
	pull_forget(p);
	CU_ASSERT(wait_for(4));
	CU_ASSERT_PTR_NOT_NULL_FATAL(result_of(one));
	CU_ASSERT_EQUAL(result_of(one)->number, 2);	/* asked for last */
	CU_ASSERT_EQUAL(result_of(other)->number, 3);
	CU_ASSERT_EQUAL(come(), 4);
	close(fd);
	end();
}

static void what_is_forgotten_ends_at_once_whether_it_was_begun_or_not(void)
{
	int fd;

	begin();
	fd = occupy();
	(void)get("a", 0, false);
	(void)get("b", 0, false);
	CU_ASSERT_EQUAL(come(), 0);
	pull_forget(p);
	CU_ASSERT(come() >= 2);
	CU_ASSERT(wait_for(3));
	for (size_t i = 0; i < come(); i++)
		CU_ASSERT_EQUAL(results[i]->rc, RC_EAGAIN);
	close(fd);
	end();
}

static void what_is_asked_after_that_is_answered(void)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
		"Connection: close\r\n\r\nhi";
	const struct pull_result *r;
	uint64_t ticket;
	int fd, next;

	begin();
	fd = occupy();
	pull_forget(p);
	ticket = get("slow", 7, false);
	next = accept(listener, NULL, NULL);
	CU_ASSERT_FATAL(next >= 0);
	CU_ASSERT_EQUAL(write(next, answer, strlen(answer)),
	                (ssize_t)strlen(answer));
	CU_ASSERT(wait_for(2));
	r = result_of(ticket);
	CU_ASSERT_PTR_NOT_NULL_FATAL(r);
	CU_ASSERT_EQUAL_FATAL(r->rc, RC_OK);
	CU_ASSERT_EQUAL(r->number, 7);
	CU_ASSERT_EQUAL(r->answer.status, 200);
	close(next);
	close(fd);
	end();
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "what is queued is not queued again",
		  what_is_queued_is_not_queued_again },
		{ "what is forgotten ends at once, whether it was begun or not",
		  what_is_forgotten_ends_at_once_whether_it_was_begun_or_not },
		{ "what is asked after that is answered",
		  what_is_asked_after_that_is_answered },
		CU_TEST_INFO_NULL
	};

	return suite_run("pull", tests);
}
