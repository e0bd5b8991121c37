/* One question for all who wait, and an end to the waiting. */
#include "common/service/miss.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "common/sys/clock.h"
#include "tests/suite.h"

#define LONG_MS 20000u

struct asked {
	atomic_uint questions;
	atomic_bool refuse;
};

static bool ask(void *arg)
{
	struct asked *a = arg;

	atomic_fetch_add(&a->questions, 1);
	return !atomic_load(&a->refuse);
}

static struct miss *make(struct asked *a, unsigned wait_ms, unsigned quiet_ms,
                         unsigned most)
{
	const struct miss_config cfg = {
		.wait_ms = wait_ms, .quiet_ms = quiet_ms, .waiting_max = most,
		.ask = ask, .arg = a
	};
	struct miss *m = NULL;

	CU_ASSERT_EQUAL_FATAL(miss_new(&cfg, &m), RC_OK);
	return m;
}

static void go(void *arg)
{
	atomic_fetch_add((atomic_uint *)arg, 1);
}

/* At most a while; how many went on. */
static unsigned gone(atomic_uint *n, unsigned until)
{
	uint64_t end = clock_mono_ms() + 5000;

	while (atomic_load(n) < until && clock_mono_ms() < end)
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
	return atomic_load(n);
}

static void fifty_wait_for_one_question(void)
{
	struct asked a = { 0 };
	struct miss *m = make(&a, LONG_MS, LONG_MS, 256);
	struct miss_counts c;
	atomic_uint n = 0;

	for (int i = 0; i < 50; i++) {
		CU_ASSERT_TRUE(miss_worth(m));
		miss_wait(m, go, &n);
	}
	CU_ASSERT_EQUAL(atomic_load(&a.questions), 1);
	CU_ASSERT_EQUAL(atomic_load(&n), 0);
	miss_settled(m);
	CU_ASSERT_EQUAL(gone(&n, 50), 50);
	miss_counts(m, &c);
	CU_ASSERT_EQUAL(c.asked, 1);
	CU_ASSERT_EQUAL(c.waited, 50);
	miss_free(m);
}

static void after_an_answer_nothing_is_asked_for_a_while(void)
{
	struct asked a = { 0 };
	struct miss *m = make(&a, LONG_MS, 150, 8);
	atomic_uint n = 0;
	uint64_t begun;

	miss_wait(m, go, &n);
	miss_settled(m);
	begun = clock_mono_ms();
	CU_ASSERT_FALSE(miss_worth(m));
	miss_wait(m, go, &n);		/* goes on at once */
	CU_ASSERT_EQUAL(gone(&n, 2), 2);
	CU_ASSERT_EQUAL(atomic_load(&a.questions), 1);
	while (!miss_worth(m) && clock_mono_ms() - begun < 5000)
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
	CU_ASSERT(clock_mono_ms() - begun >= 149);
	miss_wait(m, go, &n);
	CU_ASSERT_EQUAL(atomic_load(&a.questions), 2);
	miss_free(m);
	CU_ASSERT_EQUAL(atomic_load(&n), 3);
}

static void nobody_waits_longer_than_allowed(void)
{
	struct asked a = { 0 };
	struct miss *m = make(&a, 100, LONG_MS, 8);
	uint64_t begun = clock_mono_ms();
	atomic_uint n = 0;

	miss_wait(m, go, &n);
	CU_ASSERT_EQUAL(gone(&n, 1), 1);
	CU_ASSERT(clock_mono_ms() - begun >= 99);
	/* The question is still open: not put again, but waited for. */
	CU_ASSERT_TRUE(miss_worth(m));
	miss_wait(m, go, &n);
	CU_ASSERT_EQUAL(atomic_load(&a.questions), 1);
	CU_ASSERT_EQUAL(gone(&n, 2), 2);
	miss_free(m);
}

static void those_over_the_limit_do_not_wait(void)
{
	struct asked a = { 0 };
	struct miss *m = make(&a, LONG_MS, LONG_MS, 3);
	struct miss_counts c;
	atomic_uint n = 0, over = 0;

	for (int i = 0; i < 3; i++)
		miss_wait(m, go, &n);
	CU_ASSERT_FALSE(miss_worth(m));
	miss_wait(m, go, &over);
	CU_ASSERT_EQUAL(atomic_load(&over), 1);
	CU_ASSERT_EQUAL(atomic_load(&n), 0);
	miss_counts(m, &c);
	CU_ASSERT_EQUAL(c.turned_away, 1);
	miss_free(m);
	CU_ASSERT_EQUAL(atomic_load(&n), 3);
}

static void a_question_that_cannot_be_put_keeps_nobody(void)
{
	struct asked a = { .refuse = true };
	struct miss *m = make(&a, LONG_MS, LONG_MS, 8);
	atomic_uint n = 0;

	miss_wait(m, go, &n);
	CU_ASSERT_EQUAL(gone(&n, 1), 1);
	miss_free(m);
}

static void closing_lets_all_go_on_before_it_returns(void)
{
	struct asked a = { 0 };
	struct miss *m = make(&a, LONG_MS, LONG_MS, 64);
	atomic_uint n = 0;

	for (int i = 0; i < 20; i++)
		miss_wait(m, go, &n);
	miss_close(m);
	CU_ASSERT_EQUAL(atomic_load(&n), 20);
	CU_ASSERT_FALSE(miss_worth(m));
	miss_wait(m, go, &n);
	CU_ASSERT_EQUAL(atomic_load(&n), 21);
	miss_settled(m);
	miss_free(m);
	miss_free(NULL);
}

struct crowd {
	struct miss *m;
	atomic_uint *n;
};

static void *come(void *arg)
{
	struct crowd *c = arg;

	for (int i = 0; i < 500; i++)
		miss_wait(c->m, go, c->n);
	return NULL;
}

static void threads_that_come_and_settle_lose_nobody(void)
{
	struct asked a = { 0 };
	atomic_uint n = 0;
	struct crowd c = { make(&a, 5, 0, 100), &n };
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&t[i], NULL, come, &c), 0);
	for (int i = 0; i < 2000; i++)
		miss_settled(c.m);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	miss_free(c.m);
	CU_ASSERT_EQUAL(atomic_load(&n), 2000);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "fifty wait for one question", fifty_wait_for_one_question },
		{ "after an answer nothing is asked for a while",
		  after_an_answer_nothing_is_asked_for_a_while },
		{ "nobody waits longer than allowed",
		  nobody_waits_longer_than_allowed },
		{ "those over the limit do not wait",
		  those_over_the_limit_do_not_wait },
		{ "a question that cannot be put keeps nobody",
		  a_question_that_cannot_be_put_keeps_nobody },
		{ "closing lets all go on before it returns",
		  closing_lets_all_go_on_before_it_returns },
		{ "threads that come and settle lose nobody",
		  threads_that_come_and_settle_lose_nobody },
		CU_TEST_INFO_NULL
	};

	return suite_run("miss", tests);
}
