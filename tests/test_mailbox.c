/* Messages between threads: order, ceilings, both ways of hearing. */
#include "common/sys/mailbox.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "common/sys/clock.h"
#include "tests/suite.h"

struct note {
	struct msg msg;
	int n;
};

static struct msg *note(int n, size_t size)
{
	struct note *t = calloc(1, sizeof(*t));

	CU_ASSERT_PTR_NOT_NULL_FATAL(t);
	t->msg.size = size;
	t->n = n;
	return &t->msg;
}

static int number(const struct msg *m)
{
	return ((const struct note *)m)->n;
}

static int dropped;

static void drop(struct msg *m)
{
	dropped++;
	free(m);
}

static int drop_all(struct msg *m)
{
	int n = 0;

	while (m) {
		struct msg *next = m->next;

		free(m);
		m = next;
		n++;
	}
	return n;
}

static struct mailbox *box(size_t count, size_t bytes)
{
	struct mailbox *m = NULL;

	CU_ASSERT_EQUAL_FATAL(mailbox_new(count, bytes, &m), RC_OK);
	return m;
}

static void messages_come_out_in_order(void)
{
	struct mailbox *m = box(10, 1000);
	struct msg *all;

	CU_ASSERT_PTR_NULL(mailbox_take(m));
	for (int i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(mailbox_post(m, note(i, 1)), RC_OK);
	CU_ASSERT_EQUAL(mailbox_count(m), 3);
	all = mailbox_take(m);
	CU_ASSERT_EQUAL(number(all), 0);
	CU_ASSERT_EQUAL(number(all->next), 1);
	CU_ASSERT_EQUAL(number(all->next->next), 2);
	CU_ASSERT_EQUAL(drop_all(all), 3);
	CU_ASSERT_PTR_NULL(mailbox_take(m));
	mailbox_free(m, NULL);
	mailbox_free(NULL, NULL);
}

static void a_full_box_refuses_and_takes_again_when_emptied(void)
{
	struct mailbox *m = box(2, 100);
	struct msg *extra = note(9, 1);

	CU_ASSERT_EQUAL(mailbox_post(m, note(0, 1)), RC_OK);
	CU_ASSERT_EQUAL(mailbox_post(m, note(1, 1)), RC_OK);
	CU_ASSERT_EQUAL(mailbox_post(m, extra), RC_EAGAIN);
	CU_ASSERT_EQUAL(drop_all(mailbox_take(m)), 2);
	CU_ASSERT_EQUAL(mailbox_post(m, extra), RC_OK);
	dropped = 0;
	mailbox_free(m, drop);
	CU_ASSERT_EQUAL(dropped, 1);
}

static void bytes_have_a_ceiling_of_their_own(void)
{
	struct mailbox *m = box(100, 100), *none = NULL;
	struct msg *extra = note(9, 41);

	CU_ASSERT_EQUAL(mailbox_post(m, note(0, 60)), RC_OK);
	CU_ASSERT_EQUAL(mailbox_post(m, extra), RC_EAGAIN);
	extra->size = 40;
	CU_ASSERT_EQUAL(mailbox_post(m, extra), RC_OK);
	CU_ASSERT_EQUAL(drop_all(mailbox_take(m)), 2);
	/* Larger than the ceiling: alone or never. */
	CU_ASSERT_EQUAL(mailbox_post(m, note(1, SIZE_MAX)), RC_OK);
	extra = note(2, 1);
	CU_ASSERT_EQUAL(mailbox_post(m, extra), RC_EAGAIN);
	free(extra);
	mailbox_free(m, drop);
	CU_ASSERT_EQUAL(mailbox_new(0, 1, &none), RC_EINVAL);
	CU_ASSERT_EQUAL(mailbox_new(1, 0, &none), RC_EINVAL);
	CU_ASSERT_PTR_NULL(none);
}

struct bell {
	struct mailbox *m;
	int rung;
};

/* Asks the box: that would hang if a lock were held. */
static void ring(void *arg)
{
	struct bell *b = arg;

	b->rung++;
	mailbox_count(b->m);
}

static void the_bell_rings_once_per_filling(void)
{
	struct bell b = { box(10, 100), 0 };

	mailbox_bell(b.m, ring, &b);
	CU_ASSERT_EQUAL(mailbox_post(b.m, note(0, 1)), RC_OK);
	CU_ASSERT_EQUAL(mailbox_post(b.m, note(1, 1)), RC_OK);
	CU_ASSERT_EQUAL(b.rung, 1);
	CU_ASSERT_EQUAL(drop_all(mailbox_take(b.m)), 2);
	CU_ASSERT_EQUAL(mailbox_post(b.m, note(2, 1)), RC_OK);
	CU_ASSERT_EQUAL(b.rung, 2);
	mailbox_close(b.m);
	CU_ASSERT_EQUAL(b.rung, 3);
	mailbox_free(b.m, drop);
}

static void waiting_ends_with_the_time(void)
{
	struct mailbox *m = box(10, 100);
	uint64_t before = clock_mono_ms();

	CU_ASSERT_PTR_NULL(mailbox_wait(m, 0));
	CU_ASSERT_PTR_NULL(mailbox_wait(m, 30));
	CU_ASSERT(clock_mono_ms() - before >= 29);
	mailbox_free(m, NULL);
}

static void a_closed_box_refuses_but_gives_what_is_inside(void)
{
	struct mailbox *m = box(10, 100);
	struct msg *late = note(1, 1);

	CU_ASSERT_EQUAL(mailbox_post(m, note(0, 1)), RC_OK);
	mailbox_close(m);
	CU_ASSERT_EQUAL(mailbox_post(m, late), RC_EINVAL);
	free(late);
	CU_ASSERT_EQUAL(drop_all(mailbox_wait(m, MAILBOX_FOREVER)), 1);
	CU_ASSERT_PTR_NULL(mailbox_wait(m, MAILBOX_FOREVER));
	mailbox_free(m, NULL);
}

#define EACH 2000
#define SENDERS 3

static void *post_on(void *arg)
{
	for (int i = 0; i < EACH; i++) {
		struct msg *t = note(i, 1);

		while (mailbox_post(arg, t) != RC_OK)
			sched_yield();
	}
	return NULL;
}

static void *close_it(void *arg)
{
	mailbox_close(arg);
	return NULL;
}

static void many_senders_one_taker_nothing_lost(void)
{
	struct mailbox *m = box(16, 1000);
	pthread_t t[SENDERS];
	int got = 0;

	for (int i = 0; i < SENDERS; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&t[i], NULL, post_on, m),
				      0);
	while (got < EACH * SENDERS)
		got += drop_all(mailbox_wait(m, MAILBOX_FOREVER));
	for (int i = 0; i < SENDERS; i++)
		pthread_join(t[i], NULL);
	CU_ASSERT_EQUAL(got, EACH * SENDERS);
	CU_ASSERT_EQUAL(mailbox_count(m), 0);
	/* A sleeper is woken by the closing too. */
	CU_ASSERT_EQUAL_FATAL(pthread_create(&t[0], NULL, close_it, m), 0);
	CU_ASSERT_PTR_NULL(mailbox_wait(m, MAILBOX_FOREVER));
	pthread_join(t[0], NULL);
	mailbox_free(m, NULL);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "messages come out in order", messages_come_out_in_order },
		{ "a full box refuses and takes again when emptied",
		  a_full_box_refuses_and_takes_again_when_emptied },
		{ "bytes have a ceiling of their own",
		  bytes_have_a_ceiling_of_their_own },
		{ "the bell rings once per filling",
		  the_bell_rings_once_per_filling },
		{ "waiting ends with the time", waiting_ends_with_the_time },
		{ "a closed box refuses but gives what is inside",
		  a_closed_box_refuses_but_gives_what_is_inside },
		{ "many senders, one taker, nothing lost",
		  many_senders_one_taker_nothing_lost },
		CU_TEST_INFO_NULL
	};

	return suite_run("mailbox", tests);
}
