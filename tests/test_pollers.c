/* Who asks for the state document, as far as that is known. */
#include "common/service/pollers.h"

#include "tests/suite.h"

#define NOW 1700000000

static struct pollers *p;
static struct poller list[POLLERS_MAX];
static uint64_t more;

static void start(void)
{
	CU_ASSERT_EQUAL_FATAL(pollers_new(&p), RC_OK);
}

static size_t listed(int64_t now)
{
	return pollers_get(p, now, list, &more);
}

static void an_address_is_listed_once_with_its_last_question(void)
{
	start();
	pollers_note(p, "ipv4:192.0.2.1", "altocast/1", NOW);
	pollers_note(p, "ipv4:192.0.2.2", NULL, NOW + 1);
	pollers_note(p, "ipv4:192.0.2.1", "altocast/2", NOW + 2);
	CU_ASSERT_EQUAL_FATAL(listed(NOW + 2), 2);
	CU_ASSERT_STRING_EQUAL(list[0].address, "ipv4:192.0.2.1");
	CU_ASSERT_STRING_EQUAL(list[0].program, "altocast/2");
	CU_ASSERT_EQUAL(list[0].polls, 2);
	CU_ASSERT_EQUAL(list[0].last, NOW + 2);
	CU_ASSERT_STRING_EQUAL(list[1].program, "");
	CU_ASSERT_EQUAL(more, 0);
	pollers_free(p);
}

static void one_that_asks_no_more_is_forgotten(void)
{
	start();
	pollers_note(p, "a", NULL, NOW);
	CU_ASSERT_EQUAL(listed(NOW + POLLERS_AWAY_S), 1);
	CU_ASSERT_EQUAL(listed(NOW + POLLERS_AWAY_S + 1), 0);
	pollers_free(p);
}

static void there_are_no_more_than_so_many(void)
{
	char name[POLLERS_TEXT * 2];

	start();
	for (int i = 0; i < POLLERS_MAX + 3; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		pollers_note(p, name, name, NOW);
	}
	CU_ASSERT_EQUAL(listed(NOW), POLLERS_MAX);
	CU_ASSERT_EQUAL(more, 3);
	/* Later there is room, and what is too long is cut. */
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (int i = 0; i < 2; i++)
		pollers_note(p, name, name, NOW + POLLERS_AWAY_S + 1);
	CU_ASSERT_EQUAL_FATAL(listed(NOW + POLLERS_AWAY_S + 1), 1);
	CU_ASSERT_EQUAL(list[0].polls, 2);
	CU_ASSERT_EQUAL(strlen(list[0].program), POLLERS_TEXT - 1);
	CU_ASSERT_EQUAL(more, 3);
	pollers_free(p);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "an address is listed once with its last question",
		  an_address_is_listed_once_with_its_last_question },
		{ "one that asks no more is forgotten",
		  one_that_asks_no_more_is_forgotten },
		{ "there are no more than so many",
		  there_are_no_more_than_so_many },
		CU_TEST_INFO_NULL
	};

	return suite_run("pollers", tests);
}
