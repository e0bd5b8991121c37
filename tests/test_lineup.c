/* Who is listed, and when: positions and times are the test's own. */
#include "server/lineup.h"

#include "common/sys/log.h"
#include "tests/suite.h"

#define S1 "01900000-0000-7000-8000-000000000001"
#define S2 "01900000-0000-7000-8000-000000000002"
#define SECOND 1000
#define MUTE "it says nothing"

static struct lineup *l;
static uint64_t now;
static struct position map;
static unsigned told;			/* lists handed on */

static void start(const struct ird_proxy *listed, size_t n)
{
	now = 1000000;
	told = 0;
	map = (struct position){ S1, 1 };
	CU_ASSERT_EQUAL_FATAL(lineup_new(listed, n, &l), RC_OK);
}

static void end(void)
{
	lineup_free(l);
}

static struct ird_proxy named(const char *name)
{
	struct ird_proxy p = { .push = "" };

	snprintf(p.name, sizeof(p.name), "%s", name);
	snprintf(p.uri, sizeof(p.uri), "https://%s.example.net/", name);
	return p;
}

/* What a proxy does in a look. */
struct proxy {
	struct ird_proxy as;
	bool away;			/* not connected */
	bool mute;			/* does not answer at its URI */
	uint64_t behind;		/* serials */
	unsigned asked;
};

static struct position at(const struct proxy *p)
{
	struct position pos = map;

	pos.serial = map.serial > p->behind ? map.serial - p->behind : 0;
	return pos;
}

static void answer(struct proxy *p, size_t n, const struct lineup_question *q)
{
	for (size_t i = 0; i < n; i++) {
		struct position pos = at(&p[i]);

		if (strcmp(p[i].as.name, q->name) != 0)
			continue;
		p[i].asked++;
		lineup_answer(l, q->name, q->number, p[i].mute ? NULL : &pos,
		              MUTE, now);
	}
}

static void look(struct proxy *p, size_t n)
{
	struct lineup_question q;

	lineup_begin(l, now, &map);
	for (size_t i = 0; i < n; i++) {
		struct position pos = at(&p[i]);

		if (!p[i].away)
			lineup_seen(l, &p[i].as, &pos);
	}
	lineup_end(l);
	while (lineup_ask(l, &q))
		answer(p, n, &q);
	if (lineup_ready(l, now)) {
		told++;
		lineup_told(l);
	}
}

/* So many seconds, the maps moving so often in each. */
static void pass(struct proxy *p, size_t n, unsigned seconds, unsigned moves)
{
	for (unsigned i = 0; i < seconds; i++) {
		look(p, n);
		now += SECOND;
		map.serial += moves;
	}
}

/* ---- entering -------------------------------------------------------------- */

static void one_enters_after_ten_seconds_in_sync(void)
{
	struct proxy p = { .as = named("a") };

	start(NULL, 0);
	pass(&p, 1, 11, 0);		/* the first answer starts the time */
	CU_ASSERT_EQUAL(lineup_count(l), 0);
	pass(&p, 1, 2, 0);
	CU_ASSERT_EQUAL(lineup_count(l), 1);
	CU_ASSERT_EQUAL(told, 0);
	pass(&p, 1, 5, 0);
	CU_ASSERT_EQUAL(told, 1);
	CU_ASSERT_EQUAL(p.asked, 1);
	end();
}

static void one_that_does_not_answer_never_enters(void)
{
	struct proxy p = { .as = named("a"), .mute = true };

	start(NULL, 0);
	pass(&p, 1, 600, 0);
	CU_ASSERT_EQUAL(lineup_count(l), 0);
	CU_ASSERT_EQUAL(told, 0);
	/* At once, then 3, 6, 12, 24 and each 30 seconds. */
	CU_ASSERT(p.asked >= 20 && p.asked <= 24);
	end();
}

static void one_that_is_behind_for_too_long_never_enters(void)
{
	struct proxy near = { .as = named("a"), .behind = 80 };
	struct proxy far = { .as = named("a"), .behind = 110 };

	start(NULL, 0);
	map.serial = 1000;
	pass(&far, 1, 100, 10);
	CU_ASSERT_EQUAL(lineup_count(l), 0);
	pass(&near, 1, 100, 10);
	CU_ASSERT_EQUAL(lineup_count(l), 1);
	end();
}

static void serials_of_the_directory_alone_move_nobody(void)
{
	struct proxy p = { .as = named("a") };

	start(NULL, 0);
	map.serial = 50;
	pass(&p, 1, 30, 0);
	CU_ASSERT_EQUAL(lineup_count(l), 1);
	CU_ASSERT_EQUAL(told, 1);
	/* Whatever the newest serial is, the maps' has not moved. */
	pass(&p, 1, 600, 0);
	CU_ASSERT_EQUAL(told, 1);
	end();
}

static void two_hundred_at_once_are_one_change(void)
{
	static struct proxy p[200];

	start(NULL, 0);
	for (size_t i = 0; i < 200; i++) {
		char name[16];

		snprintf(name, sizeof(name), "p%zu", i);
		p[i] = (struct proxy){ .as = named(name), .behind = i % 5 };
	}
	map.serial = 1000;
	pass(p, 200, 120, 10);
	CU_ASSERT_EQUAL(lineup_count(l), 200);
	CU_ASSERT_EQUAL(told, 1);
	end();
}

/* ---- leaving --------------------------------------------------------------- */

static void lists_one(struct proxy *p)
{
	*p = (struct proxy){ .as = named("a") };
	start(NULL, 0);
	map.serial = 10000;
	pass(p, 1, 20, 10);
	CU_ASSERT_EQUAL_FATAL(lineup_count(l), 1);
	CU_ASSERT_EQUAL(told, 1);
}

static void one_that_is_away_leaves_after_a_minute(void)
{
	struct proxy p;

	lists_one(&p);
	p.away = true;
	pass(&p, 1, 60, 10);
	CU_ASSERT_EQUAL(lineup_count(l), 1);
	pass(&p, 1, 1, 10);
	CU_ASSERT_EQUAL(lineup_count(l), 0);
	pass(&p, 1, 10, 10);
	CU_ASSERT_EQUAL(told, 2);
	end();
}

static void one_that_falls_behind_leaves_after_a_minute(void)
{
	struct proxy p;

	lists_one(&p);
	p.behind = 200;
	pass(&p, 1, 60, 10);
	CU_ASSERT_EQUAL(lineup_count(l), 1);
	pass(&p, 1, 2, 10);
	CU_ASSERT_EQUAL(lineup_count(l), 0);
	end();
}

static void one_that_stops_answering_leaves(void)
{
	struct proxy p;

	lists_one(&p);
	p.mute = true;
	pass(&p, 1, 60, 10);
	CU_ASSERT_EQUAL(lineup_count(l), 1);
	pass(&p, 1, 31, 10);		/* it is asked each 30 s */
	CU_ASSERT_EQUAL(lineup_count(l), 0);
	end();
}

static void short_absences_change_nothing(void)
{
	struct proxy p;

	lists_one(&p);
	for (int i = 0; i < 20; i++) {
		p.away = i % 2 == 0;
		pass(&p, 1, 50, 10);
	}
	CU_ASSERT_EQUAL(lineup_count(l), 1);
	CU_ASSERT_EQUAL(told, 1);
	end();
}

static void an_answer_that_is_lost_is_asked_for_again(void)
{
	struct proxy p = { .as = named("a") };
	struct lineup_question q;
	struct position pos;

	start(NULL, 0);
	pos = map;
	lineup_begin(l, now, &map);
	lineup_seen(l, &p.as, &pos);
	lineup_end(l);
	CU_ASSERT(lineup_ask(l, &q));
	CU_ASSERT_STRING_EQUAL(q.uri, "https://a.example.net/");
	CU_ASSERT(!lineup_ask(l, &q));
	pass(&p, 1, 90, 0);
	CU_ASSERT_EQUAL(p.asked, 0);
	pass(&p, 1, 1, 0);
	CU_ASSERT_EQUAL(p.asked, 1);
	/* The first answer comes after all: it is passed over. */
	lineup_answer(l, "a", q.number, NULL, MUTE, now);
	pass(&p, 1, 12, 0);
	CU_ASSERT_EQUAL(lineup_count(l), 1);
	end();
}

/* ---- why it is not listed -------------------------------------------------- */

static void expect_why(const struct proxy *p, const char *want)
{
	char why[LINEUP_WHY_MAX];

	lineup_why(l, p->as.name, p->as.uri, why);
	CU_ASSERT_STRING_EQUAL(why, want);
}

static void why_one_is_not_listed_is_told(void)
{
	struct proxy p = { .as = named("a"), .mute = true };
	struct proxy other = { .as = named("a") };
	struct position pos;

	start(NULL, 0);
	expect_why(&p, "it was not looked at yet");
	pos = map;
	lineup_begin(l, now, &map);
	lineup_seen(l, &p.as, &pos);
	lineup_end(l);
	expect_why(&p, "its URI has not answered yet");
	pass(&p, 1, 4, 10);
	expect_why(&p, MUTE);
	p.mute = false;
	pass(&p, 1, 12, 10);
	expect_why(&p, "it has not been in step for 10 s yet");
	pass(&p, 1, 12, 10);
	expect_why(&p, "");
	snprintf(other.as.uri, sizeof(other.as.uri), "https://b.example.net/");
	expect_why(&other, "one of that name is seen at another URI");
	end();
}

static void so_is_that_it_is_behind(void)
{
	struct proxy p = { .as = named("a") };

	start(NULL, 0);
	pass(&p, 1, 5, 10);
	p.behind = 20000;
	pass(&p, 1, 15, 1000);
	expect_why(&p, "it is over 10 s behind");
	pass(&p, 1, 40, 1000);
	expect_why(&p, "its URI answers with a state of long ago");
	end();
}

/* ---- what is announced ----------------------------------------------------- */

static void another_uri_is_another_proxy(void)
{
	struct proxy p;
	struct ird_proxy list[2];

	lists_one(&p);
	snprintf(p.as.uri, sizeof(p.as.uri), "https://elsewhere.example.net/");
	pass(&p, 1, 1, 10);
	CU_ASSERT_EQUAL(lineup_count(l), 0);
	pass(&p, 1, 20, 10);
	CU_ASSERT_EQUAL_FATAL(lineup_list(l, list), 1);
	CU_ASSERT_STRING_EQUAL(list[0].uri, "https://elsewhere.example.net/");
	CU_ASSERT_EQUAL(p.asked, 2);
	end();
}

static void another_push_uri_is_told(void)
{
	struct proxy p;

	lists_one(&p);
	snprintf(p.as.push, sizeof(p.as.push), "wss://a.example.net/push");
	pass(&p, 1, 7, 10);
	CU_ASSERT_EQUAL(told, 2);
	CU_ASSERT_EQUAL(lineup_count(l), 1);
	end();
}

static void of_two_words_about_one_name_the_first_counts(void)
{
	struct proxy p[2] = { { .as = named("a") }, { .as = named("a") } };
	struct ird_proxy list[2];

	start(NULL, 0);
	snprintf(p[1].as.uri, sizeof(p[1].as.uri), "https://x.example.net/");
	pass(p, 2, 15, 0);
	CU_ASSERT_EQUAL_FATAL(lineup_list(l, list), 1);
	CU_ASSERT_STRING_EQUAL(list[0].uri, "https://a.example.net/");
	end();
}

static void the_list_ascends_by_name(void)
{
	struct proxy p[3] = { { .as = named("c") }, { .as = named("a") },
	                      { .as = named("b") } };
	struct ird_proxy list[3];

	start(NULL, 0);
	pass(p, 3, 15, 0);
	CU_ASSERT_EQUAL_FATAL(lineup_list(l, list), 3);
	for (int i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(list[i].name[0], 'a' + i);
	end();
}

/* ---- after a restart ------------------------------------------------------- */

static void those_listed_before_get_a_minute(void)
{
	struct ird_proxy listed[2] = { named("a"), named("b") }, list[2];
	struct proxy p = { .as = named("b"), .away = true };

	start(listed, 2);
	CU_ASSERT_EQUAL(lineup_count(l), 2);
	pass(&p, 1, 50, 10);
	CU_ASSERT_EQUAL(lineup_count(l), 2);
	p.away = false;			/* one comes back in time */
	pass(&p, 1, 60, 10);
	CU_ASSERT_EQUAL_FATAL(lineup_list(l, list), 1);
	CU_ASSERT_STRING_EQUAL(list[0].name, "b");
	CU_ASSERT_EQUAL(told, 1);
	end();
}

static void a_new_session_puts_nobody_out_of_sync(void)
{
	struct proxy p;

	lists_one(&p);
	map = (struct position){ S2, 1 };
	p.behind = 1;			/* it comes to the new one a bit later */
	pass(&p, 1, 100, 1);
	CU_ASSERT_EQUAL(lineup_count(l), 1);
	CU_ASSERT_EQUAL(told, 1);
	end();
}

static void it_is_bounded(void)
{
	static struct proxy p;

	start(NULL, 0);
	for (unsigned i = 0; i < IRD_PROXIES_MAX + 100; i++) {
		char name[16];

		snprintf(name, sizeof(name), "p%u", i);
		p = (struct proxy){ .as = named(name) };
		look(&p, 1);
	}
	/* All but the last are away: forgotten after a minute, so that there is
	 * room again. */
	pass(&p, 1, 62, 0);
	p = (struct proxy){ .as = named("late") };
	pass(&p, 1, 15, 0);
	CU_ASSERT_EQUAL(lineup_count(l), 1);
	end();
}

#define T(f) { #f, f }

int main(void)
{
	CU_TestInfo tests[] = {
		T(one_enters_after_ten_seconds_in_sync),
		T(one_that_does_not_answer_never_enters),
		T(one_that_is_behind_for_too_long_never_enters),
		T(serials_of_the_directory_alone_move_nobody),
		T(two_hundred_at_once_are_one_change),
		T(one_that_is_away_leaves_after_a_minute),
		T(one_that_falls_behind_leaves_after_a_minute),
		T(one_that_stops_answering_leaves),
		T(short_absences_change_nothing),
		T(an_answer_that_is_lost_is_asked_for_again),
		T(why_one_is_not_listed_is_told),
		T(so_is_that_it_is_behind),
		T(another_uri_is_another_proxy),
		T(another_push_uri_is_told),
		T(of_two_words_about_one_name_the_first_counts),
		T(the_list_ascends_by_name),
		T(those_listed_before_get_a_minute),
		T(a_new_session_puts_nobody_out_of_sync),
		T(it_is_bounded),
		CU_TEST_INFO_NULL
	};

	log_init(LOG_LEVEL_ERROR);
	return suite_run("lineup", tests);
}
