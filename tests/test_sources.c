/* Which upstream is used: failures, pauses, the way back. */
#include "proxy/sources.h"

#include "tests/suite.h"

#define BEAT_S 10u
#define BEAT_MS 10000u

static struct sources *make(size_t n)
{
	const struct sources_config cfg = {
		.n = n, .pause_min_ms = 200, .pause_max_ms = 60000, .seed = 7
	};
	struct sources *s = NULL;

	CU_ASSERT_EQUAL_FATAL(sources_new(&cfg, &s), RC_OK);
	sources_set_heartbeat(s, BEAT_S);
	return s;
}

/* Until there are no more pauses to shorten: all fail, always. */
static uint64_t fail(struct sources *s, unsigned times, uint64_t now)
{
	for (unsigned i = 0; i < times; i++) {
		(void)sources_failed(s, SOURCE_DOWN, 0, now);
		now = sources_due(s);
	}
	return now;
}

static void the_first_is_used_at_once(void)
{
	struct sources *s = make(3), *none = NULL;
	const struct sources_config few = { .n = 0 }, many = { .n = 9 };

	CU_ASSERT_EQUAL(sources_chosen(s), 0);
	CU_ASSERT_EQUAL(sources_due(s), 0);
	CU_ASSERT_EQUAL(sources_probe_due(s), SOURCES_NEVER);
	CU_ASSERT_EQUAL(sources_new(&few, &none), RC_EINVAL);
	CU_ASSERT_EQUAL(sources_new(&many, &none), RC_EINVAL);
	CU_ASSERT_PTR_NULL(none);
	sources_free(s);
	sources_free(NULL);
}

static void the_next_is_tried_after_two_failures_in_a_row(void)
{
	struct sources *s = make(2);

	CU_ASSERT_FALSE(sources_failed(s, SOURCE_DOWN, 0, 1000));
	CU_ASSERT_EQUAL(sources_chosen(s), 0);
	CU_ASSERT_TRUE(sources_failed(s, SOURCE_BAD, 0, 2000));
	CU_ASSERT_EQUAL(sources_chosen(s), 1);
	CU_ASSERT_FALSE(sources_failed(s, SOURCE_DOWN, 0, 3000));
	CU_ASSERT_TRUE(sources_failed(s, SOURCE_DOWN, 0, 4000));
	CU_ASSERT_EQUAL(sources_chosen(s), 0);
	sources_free(s);
}

static void our_own_fault_leads_to_no_other_but_to_a_pause(void)
{
	struct sources *s = make(2);
	uint64_t now = 1000, longest = 0;

	CU_ASSERT_FALSE(sources_failed(s, SOURCE_DOWN, 0, now));
	for (unsigned n = 0; n < 40; n++) {
		CU_ASSERT_FALSE(sources_failed(s, SOURCE_LOCAL, 1, now));
		CU_ASSERT_TRUE(sources_due(s) >= now + 1000);
		if (sources_due(s) - now > longest)
			longest = sources_due(s) - now;
		now = sources_due(s);
	}
	CU_ASSERT_TRUE(longest > 10000);
	CU_ASSERT_EQUAL(sources_chosen(s), 0);
	CU_ASSERT_TRUE(sources_failed(s, SOURCE_DOWN, 0, now));
	CU_ASSERT_EQUAL(sources_chosen(s), 1);
	sources_free(s);
}

static void something_good_between_them_is_not_a_row(void)
{
	struct sources *s = make(2);

	for (uint64_t t = 0; t < 10; t++) {
		CU_ASSERT_FALSE(sources_failed(s, SOURCE_DOWN, 0, t * 1000));
		sources_good(s, t * 1000 + 500);
	}
	CU_ASSERT_EQUAL(sources_chosen(s), 0);
	sources_free(s);
}

static void a_lower_or_looping_one_is_left_at_once(void)
{
	const enum source_fault at_once[] = {
		SOURCE_LOWER, SOURCE_FORK, SOURCE_LOOP, SOURCE_SERVICE,
		SOURCE_PLAIN, SOURCE_EXPIRED
	};

	for (size_t i = 0; i < sizeof(at_once) / sizeof(at_once[0]); i++) {
		struct sources *s = make(2);

		CU_ASSERT_TRUE(sources_failed(s, at_once[i], 0, 1000));
		CU_ASSERT_EQUAL(sources_chosen(s), 1);
		sources_free(s);
	}
	CU_ASSERT_STRING_EQUAL(source_fault_text(SOURCE_LOWER), "lower");
}

static void one_alone_is_never_left(void)
{
	struct sources *s = make(1);

	for (uint64_t t = 0; t < 50; t++)
		CU_ASSERT_FALSE(sources_failed(s, SOURCE_LOWER, 0, t));
	CU_ASSERT_EQUAL(sources_chosen(s), 0);
	CU_ASSERT_EQUAL(sources_next(s, 0), 0);
	sources_free(s);
}

/* The longest of many pauses after so many failures. */
static uint64_t longest(size_t n, unsigned failures)
{
	uint64_t most = 0;

	for (uint64_t seed = 1; seed < 200; seed++) {
		const struct sources_config cfg = {
			.n = n, .pause_min_ms = 200, .pause_max_ms = 60000,
			.seed = seed * 77777
		};
		struct sources *s = NULL;
		uint64_t now;

		CU_ASSERT_EQUAL_FATAL(sources_new(&cfg, &s), RC_OK);
		now = fail(s, failures - 1, 1000);
		(void)sources_failed(s, SOURCE_DOWN, 0, now);
		if (sources_due(s) - now > most)
			most = sources_due(s) - now;
		sources_free(s);
	}
	return most;
}

static void pauses_grow_over_all_of_them_up_to_the_longest(void)
{
	CU_ASSERT(longest(1, 1) <= 200 && longest(1, 1) > 150);
	CU_ASSERT(longest(1, 4) <= 1600 && longest(1, 4) > 1200);
	CU_ASSERT(longest(1, 40) <= 60000 && longest(1, 40) > 50000);
	/* Two of them: half as fast. */
	CU_ASSERT(longest(2, 2) <= 200);
	CU_ASSERT(longest(2, 4) <= 400 && longest(2, 4) > 300);
}

static void pauses_are_spread_from_zero_on(void)
{
	struct sources *s = make(1);
	unsigned below = 0;

	for (unsigned i = 0; i < 1000; i++) {
		(void)sources_failed(s, SOURCE_DOWN, 0, 1000);
		below += sources_due(s) - 1000 < 100;
		sources_good(s, 1000);
	}
	CU_ASSERT(below > 400 && below < 600);
	sources_free(s);
}

static void a_pause_asked_for_is_obeyed_by_who_stays(void)
{
	struct sources *s = make(2);

	CU_ASSERT_FALSE(sources_failed(s, SOURCE_BYE, 7, 1000));
	CU_ASSERT(sources_due(s) >= 8000 && sources_due(s) <= 8200);
	CU_ASSERT_TRUE(sources_failed(s, SOURCE_BYE, 30, 9000));
	CU_ASSERT(sources_due(s) < 9500);	/* the other did not ask */
	sources_free(s);
	s = make(1);
	CU_ASSERT_FALSE(sources_failed(s, SOURCE_BYE, 86400, 0));
	CU_ASSERT(sources_due(s) <= 60200);	/* nobody keeps us away */
	sources_hurry(s, 5);
	CU_ASSERT_EQUAL(sources_due(s), 5);
	sources_free(s);
}

/* Probes what is due and says what was seen; true: gone back. */
static bool look(struct sources *s, uint64_t now, bool well)
{
	size_t i;

	while (sources_probe(s, now, &i))
		if (sources_probed(s, i, well, now))
			return true;
	return false;
}

/* The time of well probes, every second, until it goes back; 0: never. */
static uint64_t back_after(struct sources *s, uint64_t now)
{
	for (uint64_t t = 0; t < 600000; t += 1000)
		if (look(s, now + t, true))
			return t;
	return 0;
}

static void a_preferred_one_that_is_well_for_a_while_is_gone_back_to(void)
{
	struct sources *s = make(2);
	uint64_t now = fail(s, 2, 1000), took;

	CU_ASSERT_EQUAL(sources_chosen(s), 1);
	sources_good(s, now);
	CU_ASSERT_NOT_EQUAL(sources_probe_due(s), SOURCES_NEVER);
	took = back_after(s, now);
	CU_ASSERT(took >= 2 * BEAT_MS && took <= 4 * BEAT_MS);
	CU_ASSERT_EQUAL(sources_chosen(s), 0);
	CU_ASSERT_EQUAL(sources_due(s), now + took);
	CU_ASSERT_EQUAL(sources_probe_due(s), SOURCES_NEVER);
	sources_free(s);
}

static void one_that_is_well_now_and_then_is_not(void)
{
	struct sources *s = make(2);
	uint64_t now = fail(s, 2, 1000);

	sources_good(s, now);
	for (uint64_t t = 0; t < 1000000; t += 5000)
		CU_ASSERT_FALSE(look(s, now + t, t / 5000 % 4 != 0));
	CU_ASSERT_EQUAL(sources_chosen(s), 1);
	sources_free(s);
}

static void one_that_fails_again_must_be_well_for_longer(void)
{
	struct sources *s = make(2);
	uint64_t now = fail(s, 2, 1000), first, second;

	sources_good(s, now);
	first = back_after(s, now);
	now = fail(s, 2, now + first);
	CU_ASSERT_EQUAL_FATAL(sources_chosen(s), 1);
	sources_good(s, now);
	second = back_after(s, now);
	CU_ASSERT(second >= 4 * BEAT_MS && second > first);
	/* It held: as at first. */
	now += second + 9 * BEAT_MS;
	sources_good(s, now);
	now = fail(s, 2, now);
	sources_good(s, now);
	CU_ASSERT(back_after(s, now) < 4 * BEAT_MS);
	sources_free(s);
}

static void a_stale_one_is_left_for_any_that_is_well(void)
{
	struct sources *s = make(3);
	size_t i = 9;

	sources_good(s, 1000);
	CU_ASSERT_FALSE(sources_probe(s, 50000, &i));
	sources_set_stale(s, true);
	CU_ASSERT_TRUE(sources_probe(s, 50000, &i));
	CU_ASSERT_EQUAL(i, 1);
	CU_ASSERT_FALSE(sources_probed(s, 1, false, 50100));
	CU_ASSERT_EQUAL(sources_chosen(s), 0);	/* all are stale: it stays */
	CU_ASSERT_TRUE(sources_probe(s, 50200, &i));
	CU_ASSERT_EQUAL(i, 2);
	CU_ASSERT_TRUE(sources_probed(s, 2, true, 50300));
	CU_ASSERT_EQUAL(sources_chosen(s), 2);
	sources_free(s);
}

static void one_left_when_stale_must_be_well_for_longer(void)
{
	struct sources *s = make(2);
	uint64_t now = 100000, first, second;

	sources_good(s, now);
	sources_set_stale(s, true);
	CU_ASSERT_TRUE(sources_probed(s, 1, true, now));
	sources_set_stale(s, false);
	first = back_after(s, now);
	CU_ASSERT(first >= 4 * BEAT_MS);
	now += first;
	CU_ASSERT_EQUAL_FATAL(sources_chosen(s), 0);
	sources_set_stale(s, true);
	CU_ASSERT_TRUE(sources_probed(s, 1, true, now));
	sources_set_stale(s, false);
	second = back_after(s, now);
	CU_ASSERT(second >= 8 * BEAT_MS && second > first);
	sources_free(s);
}

static void an_answer_that_comes_late_changes_nothing(void)
{
	struct sources *s = make(2);

	CU_ASSERT_FALSE(sources_probed(s, 0, true, 1000));
	CU_ASSERT_FALSE(sources_probed(s, 1, true, 900000));
	CU_ASSERT_EQUAL(sources_chosen(s), 0);
	sources_free(s);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "the first is used at once", the_first_is_used_at_once },
		{ "the next is tried after two failures in a row",
		  the_next_is_tried_after_two_failures_in_a_row },
		{ "our own fault leads to no other, but to a pause",
		  our_own_fault_leads_to_no_other_but_to_a_pause },
		{ "something good between them is not a row",
		  something_good_between_them_is_not_a_row },
		{ "a lower or looping one is left at once",
		  a_lower_or_looping_one_is_left_at_once },
		{ "one alone is never left", one_alone_is_never_left },
		{ "pauses grow over all of them up to the longest",
		  pauses_grow_over_all_of_them_up_to_the_longest },
		{ "pauses are spread from zero on",
		  pauses_are_spread_from_zero_on },
		{ "a pause asked for is obeyed by who stays",
		  a_pause_asked_for_is_obeyed_by_who_stays },
		{ "a preferred one that is well for a while is gone back to",
		  a_preferred_one_that_is_well_for_a_while_is_gone_back_to },
		{ "one that is well now and then is not",
		  one_that_is_well_now_and_then_is_not },
		{ "one that fails again must be well for longer",
		  one_that_fails_again_must_be_well_for_longer },
		{ "a stale one is left for any that is well",
		  a_stale_one_is_left_for_any_that_is_well },
		{ "one left when stale must be well for longer",
		  one_left_when_stale_must_be_well_for_longer },
		{ "an answer that comes late changes nothing",
		  an_answer_that_comes_late_changes_nothing },
		CU_TEST_INFO_NULL
	};

	return suite_run("sources", tests);
}
