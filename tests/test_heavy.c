/* The pool for work that takes long, with work that lasts as long as it is told. */
#include "common/service/heavy.h"

#include <pthread.h>
#include <stdbool.h>

#include "tests/suite.h"

#define JOBS 80

static const struct heavy_client ann = { { 1 } }, bob = { { 2 } },
	eve = { { 3 } };

/* What happened, and a gate before which work waits. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned at_gate;		/* pieces that have come there */
	unsigned open;			/* and that may have passed it */
	char order[JOBS + 1];
	unsigned n;
	unsigned run, dropped;
} seen = { .lock = PTHREAD_MUTEX_INITIALIZER,
           .changed = PTHREAD_COND_INITIALIZER };

static void forget(void)
{
	seen.at_gate = seen.open = seen.n = seen.run = seen.dropped = 0;
	memset(seen.order, 0, sizeof(seen.order));
}

/* arg: a letter, for the order. */
static void run_note(void *arg)
{
	const char *letter = arg;

	pthread_mutex_lock(&seen.lock);
	if (seen.n < JOBS)
		seen.order[seen.n++] = *letter;
	seen.run++;
	pthread_cond_broadcast(&seen.changed);
	pthread_mutex_unlock(&seen.lock);
}

static void run_gate(void *arg)
{
	unsigned me;

	(void)arg;
	pthread_mutex_lock(&seen.lock);
	me = ++seen.at_gate;
	pthread_cond_broadcast(&seen.changed);
	while (seen.open < me)
		pthread_cond_wait(&seen.changed, &seen.lock);
	pthread_mutex_unlock(&seen.lock);
}

static void drop(void *arg)
{
	(void)arg;
	seen.dropped++;
}

static enum rc put(struct heavy *h, const struct heavy_client *who,
                   const char *letter)
{
	static char letters[] = "abcdefgh";

	return heavy_put(h, who, &(struct heavy_work){
		run_note, drop, strchr(letters, letter[0]) });
}

static void put_gate(struct heavy *h, const struct heavy_client *who)
{
	CU_ASSERT_EQUAL_FATAL(heavy_put(h, who, &(struct heavy_work){
		run_gate, drop, NULL }), RC_OK);
}

static void wait_for(const unsigned *what, unsigned n)
{
	pthread_mutex_lock(&seen.lock);
	while (*what < n)
		pthread_cond_wait(&seen.changed, &seen.lock);
	pthread_mutex_unlock(&seen.lock);
}

static void open_gate(unsigned n)
{
	pthread_mutex_lock(&seen.lock);
	seen.open += n;
	pthread_cond_broadcast(&seen.changed);
	pthread_mutex_unlock(&seen.lock);
}

static struct heavy *start(void)
{
	struct heavy *h = NULL;

	forget();
	CU_ASSERT_EQUAL_FATAL(heavy_new(&h), RC_OK);
	return h;
}

/* With the thread at the gate. */
static struct heavy *start_gated(const struct heavy_client *who)
{
	struct heavy *h = start();

	put_gate(h, who);
	wait_for(&seen.at_gate, 1);
	return h;
}

/* tests */

static void work_is_done_by_another_thread_in_order(void)
{
	struct heavy *h = start_gated(&eve);

	CU_ASSERT_EQUAL(put(h, &ann, "a"), RC_OK);
	CU_ASSERT_EQUAL(put(h, &bob, "b"), RC_OK);
	CU_ASSERT_EQUAL(seen.run, 0);
	open_gate(1);
	wait_for(&seen.run, 2);
	CU_ASSERT_STRING_EQUAL(seen.order, "ab");
	heavy_free(h);
	CU_ASSERT_EQUAL(seen.dropped, 0);
	heavy_free(NULL);
}

static void clients_take_turns(void)
{
	struct heavy *h = start_gated(&eve);

	for (const char *s = "abc"; *s != '\0'; s++)
		CU_ASSERT_EQUAL(put(h, &ann, s), RC_OK);
	CU_ASSERT_EQUAL(put(h, &eve, "h"), RC_OK);	/* has had a turn */
	CU_ASSERT_EQUAL(put(h, &bob, "d"), RC_OK);
	CU_ASSERT_EQUAL(put(h, &bob, "e"), RC_OK);
	open_gate(1);
	wait_for(&seen.run, 6);
	CU_ASSERT_STRING_EQUAL(seen.order, "adbhec");
	heavy_free(h);
}

static void who_comes_later_is_not_behind_all_of_another(void)
{
	struct heavy *h = start_gated(&ann);

	CU_ASSERT_EQUAL(put(h, &ann, "a"), RC_OK);
	put_gate(h, &ann);
	CU_ASSERT_EQUAL(put(h, &ann, "b"), RC_OK);
	open_gate(1);
	wait_for(&seen.at_gate, 2);
	CU_ASSERT_EQUAL(put(h, &bob, "c"), RC_OK);
	open_gate(1);
	wait_for(&seen.run, 3);
	CU_ASSERT_STRING_EQUAL(seen.order, "acb");
	heavy_free(h);
}

static void a_client_has_a_limit_that_counts_what_is_being_done(void)
{
	struct heavy *h = start_gated(&ann);

	for (unsigned i = 1; i < HEAVY_PER_CLIENT; i++)
		CU_ASSERT_EQUAL(put(h, &ann, "a"), RC_OK);
	CU_ASSERT_EQUAL(put(h, &ann, "b"), RC_ELIMIT);
	CU_ASSERT_EQUAL(put(h, &bob, "c"), RC_OK);
	open_gate(1);
	wait_for(&seen.run, HEAVY_PER_CLIENT);
	put_gate(h, &eve);	/* the last note is over when it is there */
	wait_for(&seen.at_gate, 2);
	CU_ASSERT_EQUAL(put(h, &ann, "d"), RC_OK);
	open_gate(1);
	wait_for(&seen.run, HEAVY_PER_CLIENT + 1);
	CU_ASSERT_PTR_NULL(strchr(seen.order, 'b'));
	heavy_free(h);
	CU_ASSERT_EQUAL(seen.dropped, 0);
}

static void all_together_have_a_limit(void)
{
	struct heavy *h = start_gated(&eve);

	for (unsigned i = 0; i < HEAVY_WAITING_MAX; i++) {
		const struct heavy_client who = { { 9, (uint8_t)i } };

		CU_ASSERT_EQUAL(put(h, &who, "a"), RC_OK);
	}
	CU_ASSERT_EQUAL(put(h, &ann, "b"), RC_ELIMIT);
	open_gate(1);
	wait_for(&seen.run, HEAVY_WAITING_MAX);
	CU_ASSERT_EQUAL(put(h, &ann, "b"), RC_OK);
	wait_for(&seen.run, HEAVY_WAITING_MAX + 1);
	heavy_free(h);
	CU_ASSERT_EQUAL(seen.dropped, 0);
}

static void *free_it(void *arg)
{
	heavy_free(arg);
	return NULL;
}

/* Each is either run or dropped, once. */
static void the_end_waits_for_one_and_leaves_none(void)
{
	struct heavy *h = start_gated(&eve);
	pthread_t t;

	for (unsigned i = 0; i < HEAVY_WAITING_MAX; i++) {
		const struct heavy_client who = { { 9, (uint8_t)i } };

		CU_ASSERT_EQUAL(put(h, &who, "a"), RC_OK);
	}
	pthread_create(&t, NULL, free_it, h);
	open_gate(1);
	pthread_join(t, NULL);
	CU_ASSERT_EQUAL(seen.run + seen.dropped, HEAVY_WAITING_MAX);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "work is done by another thread in order",
		  work_is_done_by_another_thread_in_order },
		{ "clients take turns", clients_take_turns },
		{ "who comes later is not behind all of another",
		  who_comes_later_is_not_behind_all_of_another },
		{ "a client has a limit that counts what is being done",
		  a_client_has_a_limit_that_counts_what_is_being_done },
		{ "all together have a limit", all_together_have_a_limit },
		{ "the end waits for one and leaves none",
		  the_end_waits_for_one_and_leaves_none },
		CU_TEST_INFO_NULL
	};

	return suite_run("heavy", tests);
}
