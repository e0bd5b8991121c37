/* One log, many cursors. */
#include "common/core/history.h"

#include "tests/suite.h"

#define SESSION_A "019a8f2e-4c00-7000-8000-000000000001"
#define SESSION_B "019a8f2e-4c01-7000-8000-000000000001"

static struct state state_at(const char *session, uint64_t serial)
{
	struct state st = { .pos.serial = serial };

	snprintf(st.pos.session, sizeof(st.pos.session), "%s", session);
	memset(st.root, (int)(serial & 0xff), sizeof(st.root));
	return st;
}

static struct update *update_at(const char *session, uint64_t serial,
                                size_t len)
{
	struct state st = state_at(session, serial);
	char *text = calloc(1, len + 1);
	struct update *u = NULL;

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	snprintf(text, len + 1, "%llu", (unsigned long long)serial);
	CU_ASSERT_EQUAL_FATAL(update_new(&st, text, len, 1000, &u), RC_OK);
	return u;
}

/* Appends an update of len bytes and keeps no reference. */
static enum rc append(struct history *h, const char *session, uint64_t serial,
                      size_t len)
{
	struct update *u = update_at(session, serial, len);
	enum rc rc = history_append(h, u);

	update_unref(u);
	return rc;
}

static struct history *history_at(uint64_t serial, size_t max_count,
                                  size_t max_bytes)
{
	struct state st = state_at(SESSION_A, serial);
	struct history *h = NULL;

	CU_ASSERT_EQUAL_FATAL(history_new(max_count, max_bytes, &h), RC_OK);
	history_reset(h, &st);
	return h;
}

/* From every serial that should lead on to the head, the right ones do; the
 * roots of exactly those positions are known. */
static void check(const struct history *h, uint64_t oldest, uint64_t head)
{
	struct update *u;
	bool known;

	CU_ASSERT_EQUAL(history_oldest(h), oldest);
	CU_ASSERT_EQUAL(history_head(h)->pos.serial, head);
	CU_ASSERT_EQUAL(history_count(h), head - oldest);
	for (uint64_t s = oldest; s < head; s++) {
		CU_ASSERT_EQUAL_FATAL(history_after(h, s, &u), RC_OK);
		CU_ASSERT_EQUAL(u->state.pos.serial, s + 1);
	}
	CU_ASSERT_EQUAL(history_after(h, head, &u), RC_EAGAIN);
	CU_ASSERT_EQUAL(history_after(h, head + 1, &u), RC_EGAP);
	if (oldest > 0)
		CU_ASSERT_EQUAL(history_after(h, oldest - 1, &u), RC_EGAP);
	for (uint64_t s = 0; s <= head + 2; s++) {
		const uint8_t *root = history_root(h, s, &known);

		CU_ASSERT_EQUAL(known, s >= oldest && s <= head);
		CU_ASSERT_EQUAL(root != NULL, known);
		if (root)
			CU_ASSERT_EQUAL(root[31], s & 0xff);
	}
}

static void a_cursor_follows_to_the_head(void)
{
	struct history *h = history_at(40, 100, 1000);

	check(h, 40, 40);
	for (uint64_t s = 41; s <= 60; s++)
		CU_ASSERT_EQUAL(append(h, SESSION_A, s, 10), RC_OK);
	check(h, 40, 60);
	CU_ASSERT_EQUAL(history_bytes(h), 200);
	history_free(h);
}

static void what_does_not_lead_on_is_refused(void)
{
	struct history *h = history_at(5, 100, 1000);

	CU_ASSERT_EQUAL(append(h, SESSION_A, 5, 10), RC_EGAP);
	CU_ASSERT_EQUAL(append(h, SESSION_A, 7, 10), RC_EGAP);
	CU_ASSERT_EQUAL(append(h, SESSION_B, 6, 10), RC_EGAP);
	check(h, 5, 5);
	CU_ASSERT_EQUAL(append(h, SESSION_A, 6, 10), RC_OK);
	CU_ASSERT_EQUAL(append(h, SESSION_A, 6, 10), RC_EGAP);
	check(h, 5, 6);
	history_free(h);
}

static void it_forgets_from_the_old_end_by_count(void)
{
	struct history *h = history_at(1, 3, 1000);

	for (uint64_t s = 2; s <= 50; s++) {
		CU_ASSERT_EQUAL(append(h, SESSION_A, s, 10), RC_OK);
		check(h, s > 4 ? s - 3 : 1, s);
	}
	history_free(h);
}

static void it_forgets_from_the_old_end_by_bytes(void)
{
	struct history *h = history_at(0, 100, 95);

	for (uint64_t s = 1; s <= 20; s++)
		CU_ASSERT_EQUAL(append(h, SESSION_A, s, 30), RC_OK);
	check(h, 17, 20);
	CU_ASSERT_EQUAL(history_bytes(h), 90);
	CU_ASSERT_EQUAL(append(h, SESSION_A, 21, 5), RC_OK);
	check(h, 17, 21);
	CU_ASSERT_EQUAL(append(h, SESSION_A, 22, 50), RC_OK);
	check(h, 19, 22);
	CU_ASSERT_EQUAL(history_bytes(h), 85);
	history_free(h);
}

static void the_newest_stays_whatever_its_size(void)
{
	struct history *h = history_at(0, 0, 10);

	CU_ASSERT_EQUAL(append(h, SESSION_A, 1, 500), RC_OK);
	check(h, 0, 1);
	CU_ASSERT_EQUAL(append(h, SESSION_A, 2, 600), RC_OK);
	check(h, 1, 2);
	CU_ASSERT_EQUAL(history_bytes(h), 600);
	history_free(h);
}

static void lower_limits_hold_at_once(void)
{
	struct history *h = history_at(0, 100, 10000);

	for (uint64_t s = 1; s <= 20; s++)
		CU_ASSERT_EQUAL(append(h, SESSION_A, s, 10), RC_OK);
	history_limit(h, 7, 10000);
	check(h, 13, 20);
	history_limit(h, 100, 25);
	check(h, 18, 20);
	history_limit(h, 100, 10000);
	for (uint64_t s = 21; s <= 70; s++)
		CU_ASSERT_EQUAL(append(h, SESSION_A, s, 10), RC_OK);
	check(h, 18, 70);
	history_free(h);
}

static void a_reset_forgets_and_stands_elsewhere(void)
{
	struct history *h = history_at(0, 100, 1000);
	struct state st = state_at(SESSION_B, 3);

	for (uint64_t s = 1; s <= 5; s++)
		CU_ASSERT_EQUAL(append(h, SESSION_A, s, 10), RC_OK);
	history_reset(h, &st);
	check(h, 3, 3);
	CU_ASSERT_EQUAL(history_bytes(h), 0);
	CU_ASSERT_EQUAL(append(h, SESSION_A, 4, 10), RC_EGAP);
	CU_ASSERT_EQUAL(append(h, SESSION_B, 4, 10), RC_OK);
	check(h, 3, 4);
	history_reset(h, history_head(h));
	check(h, 4, 4);
	history_free(h);
}

static void a_reset_may_take_its_state_from_what_it_forgets(void)
{
	struct history *h = history_at(0, 100, 1000);
	struct update *u = NULL;

	CU_ASSERT_EQUAL(append(h, SESSION_A, 1, 10), RC_OK);
	CU_ASSERT_EQUAL(append(h, SESSION_A, 2, 10), RC_OK);
	CU_ASSERT_EQUAL_FATAL(history_after(h, 0, &u), RC_OK);
	history_reset(h, &u->state);
	check(h, 1, 1);
	history_free(h);
}

static void an_update_is_shared_and_not_copied(void)
{
	struct history *h = history_at(0, 1, 1000);
	struct update *u = update_at(SESSION_A, 1, 10), *lent = NULL;

	CU_ASSERT_EQUAL(history_append(h, u), RC_OK);
	CU_ASSERT_EQUAL(history_after(h, 0, &lent), RC_OK);
	CU_ASSERT_PTR_EQUAL(lent, u);
	CU_ASSERT_EQUAL(append(h, SESSION_A, 2, 10), RC_OK);
	CU_ASSERT_STRING_EQUAL(u->text, "1");	/* forgotten there, held here */
	CU_ASSERT_EQUAL(u->len, 10);
	CU_ASSERT_EQUAL(u->published_ms, 1000);
	update_unref(update_ref(u));
	update_unref(u);
	update_unref(NULL);
	history_free(h);
	history_free(NULL);
}

static void before_the_first_reset_nothing_leads_on(void)
{
	struct history *h = NULL;
	struct update *u = NULL;

	CU_ASSERT_EQUAL_FATAL(history_new(10, 10, &h), RC_OK);
	CU_ASSERT_EQUAL(append(h, SESSION_A, 1, 10), RC_EGAP);
	CU_ASSERT_EQUAL(history_after(h, 1, &u), RC_EGAP);
	CU_ASSERT_EQUAL(history_count(h), 0);
	history_free(h);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "a cursor follows to the head",
		  a_cursor_follows_to_the_head },
		{ "what does not lead on is refused",
		  what_does_not_lead_on_is_refused },
		{ "it forgets from the old end, by count",
		  it_forgets_from_the_old_end_by_count },
		{ "it forgets from the old end, by bytes",
		  it_forgets_from_the_old_end_by_bytes },
		{ "the newest stays whatever its size",
		  the_newest_stays_whatever_its_size },
		{ "lower limits hold at once", lower_limits_hold_at_once },
		{ "a reset forgets and stands elsewhere",
		  a_reset_forgets_and_stands_elsewhere },
		{ "a reset may take its state from what it forgets",
		  a_reset_may_take_its_state_from_what_it_forgets },
		{ "an update is shared and not copied",
		  an_update_is_shared_and_not_copied },
		{ "before the first reset nothing leads on",
		  before_the_first_reset_nothing_leads_on },
		CU_TEST_INFO_NULL
	};

	return suite_run("history", tests);
}
