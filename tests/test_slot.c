/* The slot over stand-ins for snapshots and catalogs that count what is alive. */
#include "common/sys/slot.h"

#include <pthread.h>
#include <stdatomic.h>

#include "common/core/snapshot.h"
#include "common/wire/catalog.h"
#include "tests/suite.h"

struct snapshot {
	atomic_int refs;
};

static atomic_int alive;

static struct snapshot *make(void)
{
	struct snapshot *s = calloc(1, sizeof(*s));

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	atomic_store(&s->refs, 1);
	atomic_fetch_add(&alive, 1);
	return s;
}

struct snapshot *snapshot_ref(struct snapshot *s)
{
	atomic_fetch_add(&s->refs, 1);
	return s;
}

void snapshot_unref(struct snapshot *s)
{
	if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	free(s);
	atomic_fetch_sub(&alive, 1);
}

struct catalog {
	atomic_int refs;
};

static struct catalog *make_catalog(void)
{
	struct catalog *c = calloc(1, sizeof(*c));

	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	atomic_store(&c->refs, 1);
	atomic_fetch_add(&alive, 1);
	return c;
}

struct catalog *catalog_ref(struct catalog *c)
{
	atomic_fetch_add(&c->refs, 1);
	return c;
}

void catalog_unref(struct catalog *c)
{
	if (!c || atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	free(c);
	atomic_fetch_sub(&alive, 1);
}

static void an_empty_slot_gives_nothing(void)
{
	struct catalog *c = make_catalog(), *none = c;
	struct slot *slot = NULL;

	CU_ASSERT_EQUAL_FATAL(slot_new(&slot), RC_OK);
	CU_ASSERT_PTR_NULL(slot_ref(slot));
	CU_ASSERT_PTR_NULL(slot_take(slot, &none));
	CU_ASSERT_PTR_NULL(none);
	catalog_unref(c);
	slot_free(slot);
	slot_free(NULL);
}

static void a_catalog_comes_with_its_snapshot(void)
{
	struct snapshot *a = make(), *b = make(), *s;
	struct catalog *ca = make_catalog(), *c = NULL;
	struct slot *slot = NULL;

	CU_ASSERT_EQUAL_FATAL(slot_new(&slot), RC_OK);
	slot_publish(slot, a, ca);
	s = slot_take(slot, &c);
	CU_ASSERT_PTR_EQUAL(s, a);
	CU_ASSERT_PTR_EQUAL(c, ca);
	slot_publish(slot, b, NULL);
	CU_ASSERT_EQUAL(atomic_load(&alive), 3);
	snapshot_unref(s);
	catalog_unref(c);
	CU_ASSERT_EQUAL(atomic_load(&alive), 1);
	s = slot_take(slot, &c);
	CU_ASSERT_PTR_EQUAL(s, b);
	CU_ASSERT_PTR_NULL(c);
	snapshot_unref(s);
	slot_free(slot);
	CU_ASSERT_EQUAL(atomic_load(&alive), 0);
}

static void a_reader_keeps_the_old_while_others_get_the_new(void)
{
	struct snapshot *a = make(), *b = make(), *held;
	struct slot *slot = NULL;

	CU_ASSERT_EQUAL_FATAL(slot_new(&slot), RC_OK);
	slot_publish(slot, a, NULL);
	held = slot_ref(slot);
	CU_ASSERT_PTR_EQUAL(held, a);
	slot_publish(slot, b, NULL);
	CU_ASSERT_EQUAL(atomic_load(&alive), 2);
	snapshot_unref(held);
	CU_ASSERT_EQUAL(atomic_load(&alive), 1);
	held = slot_ref(slot);
	CU_ASSERT_PTR_EQUAL(held, b);
	snapshot_unref(held);
	slot_free(slot);
	CU_ASSERT_EQUAL(atomic_load(&alive), 0);
}

static void publishing_nothing_empties_the_slot(void)
{
	struct slot *slot = NULL;

	CU_ASSERT_EQUAL_FATAL(slot_new(&slot), RC_OK);
	slot_publish(slot, make(), NULL);
	slot_publish(slot, NULL, NULL);
	CU_ASSERT_EQUAL(atomic_load(&alive), 0);
	CU_ASSERT_PTR_NULL(slot_ref(slot));
	slot_free(slot);
}

static atomic_bool stop;

static void *read_on(void *arg)
{
	long bad = 0;

	while (!atomic_load(&stop)) {
		struct snapshot *s = slot_ref(arg);

		bad += !s || atomic_load(&s->refs) < 1;
		snapshot_unref(s);
	}
	return (void *)bad;
}

static void readers_and_a_writer_lose_nothing(void)
{
	struct slot *slot = NULL;
	pthread_t t[3];
	void *bad;

	CU_ASSERT_EQUAL_FATAL(slot_new(&slot), RC_OK);
	slot_publish(slot, make(), NULL);
	atomic_store(&stop, false);
	for (int i = 0; i < 3; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&t[i], NULL, read_on,
						     slot), 0);
	for (int i = 0; i < 5000; i++)
		slot_publish(slot, make(), NULL);
	atomic_store(&stop, true);
	for (int i = 0; i < 3; i++) {
		pthread_join(t[i], &bad);
		CU_ASSERT_PTR_NULL(bad);
	}
	CU_ASSERT_EQUAL(atomic_load(&alive), 1);
	slot_free(slot);
	CU_ASSERT_EQUAL(atomic_load(&alive), 0);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "an empty slot gives nothing", an_empty_slot_gives_nothing },
		{ "a catalog comes with its snapshot",
		  a_catalog_comes_with_its_snapshot },
		{ "a reader keeps the old while others get the new",
		  a_reader_keeps_the_old_while_others_get_the_new },
		{ "publishing nothing empties the slot",
		  publishing_nothing_empties_the_slot },
		{ "readers and a writer lose nothing",
		  readers_and_a_writer_lose_nothing },
		CU_TEST_INFO_NULL
	};

	return suite_run("slot", tests);
}
