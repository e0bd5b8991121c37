/* What the threads tell about themselves: counters, troubles, the board. */
#include "common/service/status.h"

#include <pthread.h>

#include "tests/suite.h"

static struct status *made(void)
{
	struct status *st = NULL;

	CU_ASSERT_EQUAL_FATAL(status_new(&st), RC_OK);
	return st;
}

static void every_counter_has_a_name_and_a_help(void)
{
	struct status *st = made();

	for (int c = 0; c < STATUS_COUNTERS_N; c++) {
		CU_ASSERT_EQUAL(status_get(st, (enum status_counter)c), 0);
		CU_ASSERT(strlen(status_counter_name(
			(enum status_counter)c)) > 0);
		CU_ASSERT(strlen(status_counter_help(
			(enum status_counter)c)) > 0);
	}
	CU_ASSERT_STRING_EQUAL(status_counter_name(STATUS_pull_failures),
	                       "pull_failures");
	status_free(st);
	status_free(NULL);
}

#define ROUNDS 20000

static void *count_up(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		status_add(arg, STATUS_http_requests, 1);
		status_add(arg, STATUS_http_bytes, 3);
		if (i % 100 == 0)
			status_closed(arg, i % 200 ? "bye" : "closed");
	}
	return NULL;
}

static void no_count_is_lost_between_threads(void)
{
	struct status *st = made();
	const char *reason[STATUS_REASONS];
	uint64_t count[STATUS_REASONS];
	pthread_t t[3];

	for (int i = 0; i < 3; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&t[i], NULL, count_up,
		                                     st), 0);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	CU_ASSERT_EQUAL(status_get(st, STATUS_http_requests), 3 * ROUNDS);
	CU_ASSERT_EQUAL(status_get(st, STATUS_http_bytes), 9 * ROUNDS);
	CU_ASSERT_EQUAL(status_get(st, STATUS_publications), 0);
	CU_ASSERT_EQUAL_FATAL(status_closes(st, reason, count), 2);
	CU_ASSERT_EQUAL(count[0], 3 * ROUNDS / 200);
	CU_ASSERT_EQUAL(count[1], 3 * ROUNDS / 200);
	status_free(st);
}

static void a_trouble_lasts_until_it_is_over(void)
{
	struct status *st = made();
	struct status_trouble t[STATUS_TOPICS];

	status_trouble(st, "reload", "net.json:3: no JSON", 100);
	status_trouble(st, "journal", "disk full", 110);
	status_trouble(st, "reload", "net.json:4: no JSON", 120);
	CU_ASSERT_EQUAL_FATAL(status_troubles(st, t), 2);
	CU_ASSERT_STRING_EQUAL(t[0].topic, "reload");
	CU_ASSERT_STRING_EQUAL(t[0].text, "net.json:4: no JSON");
	CU_ASSERT_EQUAL(t[0].since, 100);	/* it is still the same one */
	CU_ASSERT_STRING_EQUAL(t[1].text, "disk full");

	status_trouble(st, "reload", "", 130);
	status_trouble(st, "never", NULL, 130);
	CU_ASSERT_EQUAL_FATAL(status_troubles(st, t), 1);
	CU_ASSERT_STRING_EQUAL(t[0].topic, "journal");

	status_trouble(st, "reload", "again", 140);
	CU_ASSERT_EQUAL_FATAL(status_troubles(st, t), 2);
	CU_ASSERT_EQUAL(t[1].since, 140);
	status_free(st);
}

static void long_troubles_are_cut_between_characters(void)
{
	struct status *st = made();
	struct status_trouble t[STATUS_TOPICS];
	char text[3000];

	/* two bytes a character, from an odd place on */
	text[0] = 'x';
	for (size_t i = 1; i < sizeof(text) - 1; i += 2)
		memcpy(text + i, "\xc3\xa9", 2);
	text[sizeof(text) - 1] = '\0';
	status_trouble(st, "a topic that is too long", text, 1);
	status_trouble(st, "a topic that is too long", text, 1);
	CU_ASSERT_EQUAL_FATAL(status_troubles(st, t), 1);
	CU_ASSERT_EQUAL(strlen(t[0].topic), sizeof(t[0].topic) - 1);
	CU_ASSERT_EQUAL(strlen(t[0].text), sizeof(t[0].text) - 1);
	status_trouble(st, "a topic that is too long", text + 1, 1);
	CU_ASSERT_EQUAL_FATAL(status_troubles(st, t), 1);
	CU_ASSERT_EQUAL(strlen(t[0].text), sizeof(t[0].text) - 2);
	status_free(st);
}

static void more_topics_than_there_is_room_for_do_no_harm(void)
{
	struct status *st = made();
	struct status_trouble t[STATUS_TOPICS];
	char topic[32];

	for (int i = 0; i < STATUS_TOPICS + 3; i++) {
		snprintf(topic, sizeof(topic), "topic %d", i);
		status_trouble(st, topic, "text", i);
	}
	CU_ASSERT_EQUAL_FATAL(status_troubles(st, t), STATUS_TOPICS);
	status_trouble(st, topic, NULL, 1);	/* one that found no room */
	CU_ASSERT_EQUAL(status_troubles(st, t), STATUS_TOPICS);
	status_trouble(st, "topic 0", NULL, 1);
	status_trouble(st, topic, "now there is", 9);
	CU_ASSERT_EQUAL_FATAL(status_troubles(st, t), STATUS_TOPICS);
	CU_ASSERT_STRING_EQUAL(t[STATUS_TOPICS - 1].topic, topic);
	status_free(st);
}

static void a_server_has_no_upstream_and_a_proxy_has(void)
{
	struct status *st = made();
	struct status_upstream u = { .mode = "push", .phase = "current" };
	struct status_upstream got[STATUS_UPSTREAMS];

	CU_ASSERT_EQUAL(status_get_upstreams(st, got), 0);
	u.counts.updates = 7;
	status_set_upstreams(st, &u, 1);
	CU_ASSERT_EQUAL_FATAL(status_get_upstreams(st, got), 1);
	CU_ASSERT_STRING_EQUAL(got[0].phase, "current");
	CU_ASSERT_EQUAL(got[0].counts.updates, 7);
	status_set_subscribers(st, 12);
	CU_ASSERT_EQUAL(status_subscribers(st), 12);
	status_free(st);
}

static void reasons_beyond_the_room_count_as_other(void)
{
	static char text[STATUS_REASONS + 8][32];
	struct status *st = made();
	const char *reason[STATUS_REASONS];
	uint64_t count[STATUS_REASONS], all = 0;
	size_t n;

	for (int i = 0; i < STATUS_REASONS + 8; i++) {
		snprintf(text[i], sizeof(text[i]), "reason %d", i);
		status_closed(st, text[i]);
	}
	status_closed(st, "reason 0");
	n = status_closes(st, reason, count);
	CU_ASSERT_EQUAL_FATAL(n, STATUS_REASONS);
	for (size_t i = 0; i < n; i++)
		all += count[i];
	CU_ASSERT_EQUAL(all, STATUS_REASONS + 9);
	CU_ASSERT_EQUAL(count[0], 2);
	CU_ASSERT_STRING_EQUAL(reason[n - 1], "other");
	CU_ASSERT_EQUAL(count[n - 1], 9);
	status_free(st);
}

static void refusals_are_counted_beside_closes(void)
{
	struct status *st = made();
	const char *reason[STATUS_REASONS];
	uint64_t count[STATUS_REASONS];

	CU_ASSERT_EQUAL(status_refusals(st, reason, count), 0);
	status_refused(st, "no token");
	status_closed(st, "slow");
	status_refused(st, "no token");
	status_refused(st, "a browser");
	CU_ASSERT_EQUAL_FATAL(status_refusals(st, reason, count), 2);
	CU_ASSERT_STRING_EQUAL(reason[0], "no token");
	CU_ASSERT_EQUAL(count[0], 2);
	CU_ASSERT_STRING_EQUAL(reason[1], "a browser");
	CU_ASSERT_EQUAL(count[1], 1);
	CU_ASSERT_EQUAL_FATAL(status_closes(st, reason, count), 1);
	CU_ASSERT_STRING_EQUAL(reason[0], "slow");
	status_free(st);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "every counter has a name and a help",
		  every_counter_has_a_name_and_a_help },
		{ "no count is lost between threads",
		  no_count_is_lost_between_threads },
		{ "a trouble lasts until it is over",
		  a_trouble_lasts_until_it_is_over },
		{ "long troubles are cut between characters",
		  long_troubles_are_cut_between_characters },
		{ "more topics than there is room for do no harm",
		  more_topics_than_there_is_room_for_do_no_harm },
		{ "a server has no upstream and a proxy has",
		  a_server_has_no_upstream_and_a_proxy_has },
		{ "reasons beyond the room count as other",
		  reasons_beyond_the_room_count_as_other },
		{ "refusals are counted beside closes",
		  refusals_are_counted_beside_closes },
		CU_TEST_INFO_NULL
	};

	return suite_run("status", tests);
}
