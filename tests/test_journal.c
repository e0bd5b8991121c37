/* What is committed comes back: meta, updates, bases. */
#include "common/sys/journal.h"

#include <stdint.h>
#include <unistd.h>

#include "tests/journal_stage.h"
#include "tests/suite.h"

static void meta_lasts_and_takes_part_in_the_transaction(void)
{
	struct journal *j;
	struct buf b = BUF_INIT(10);

	fresh();
	j = open_it();
	CU_ASSERT_EQUAL(meta_set(j, "service", "one"), RC_OK);
	CU_ASSERT_EQUAL(journal_meta_set(j, "none", NULL, 0, NULL), RC_OK);
	CU_ASSERT_EQUAL(journal_begin(j, NULL), RC_OK);
	CU_ASSERT_EQUAL(meta_set(j, "service", "two"), RC_OK);
	meta_is(j, "service", "two");
	journal_rollback(j);
	meta_is(j, "service", "one");
	CU_ASSERT_EQUAL(journal_begin(j, NULL), RC_OK);
	CU_ASSERT_EQUAL(meta_set(j, "service", "three"), RC_OK);
	CU_ASSERT_EQUAL(journal_commit(j, NULL), RC_OK);
	j = reopen(j);
	meta_is(j, "service", "three");
	meta_is(j, "none", "");
	meta_is(j, "other", NULL);
	CU_ASSERT_EQUAL(journal_meta_del(j, "service", NULL), RC_OK);
	meta_is(j, "service", NULL);
	CU_ASSERT_EQUAL(meta_set(j, "long", "eleven bytes"), RC_OK);
	CU_ASSERT_EQUAL(journal_meta_get(j, "long", &b, NULL), RC_ELIMIT);
	buf_free(&b);
	journal_close(j);
}

static void updates_must_follow(void)
{
	struct journal *j;
	struct diag d = { .line = 0 };

	fresh();
	j = open_it();
	CU_ASSERT_EQUAL(head_of(j), 0);
	CU_ASSERT_EQUAL(update(j, 2, "x"), RC_EGAP);
	CU_ASSERT_EQUAL(update(j, 1, "one"), RC_OK);
	CU_ASSERT_EQUAL(update(j, 1, "again"), RC_EGAP);
	CU_ASSERT_EQUAL(journal_update_add(j, 3, 1, "x", 1, &d), RC_EGAP);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "does not follow 1"));
	CU_ASSERT_EQUAL(update(j, 2, "two"), RC_OK);
	j = reopen(j);
	CU_ASSERT_EQUAL(head_of(j), 2);
	CU_ASSERT_EQUAL(journal_begin(j, NULL), RC_OK);
	CU_ASSERT_EQUAL(update(j, 3, "three"), RC_OK);
	CU_ASSERT_EQUAL(update(j, 5, "five"), RC_EGAP);
	CU_ASSERT_EQUAL(update(j, 4, "four"), RC_OK);
	journal_rollback(j);
	CU_ASSERT_EQUAL(head_of(j), 2);
	CU_ASSERT_EQUAL(update(j, 3, "three"), RC_OK);
	journal_close(j);
}

static void the_log_is_read_from_a_serial_and_trimmed(void)
{
	struct journal_sizes s;
	struct journal *j;

	fresh();
	j = open_it();
	CU_ASSERT_EQUAL(update(j, 1, "a"), RC_OK);
	CU_ASSERT_EQUAL(update(j, 2, "bb"), RC_OK);
	CU_ASSERT_EQUAL(update(j, 3, "ccc"), RC_OK);
	CU_ASSERT_EQUAL(update(j, 4, ""), RC_OK);
	updates_are(j, 0, RC_OK, "1=a;2=bb;3=ccc;4=;");
	updates_are(j, 3, RC_OK, "3=ccc;4=;");
	updates_are(j, 5, RC_OK, "");
	updates_are(j, 6, RC_EGAP, "");
	CU_ASSERT_EQUAL(journal_sizes(j, &s, NULL), RC_OK);
	CU_ASSERT(s.updates == 4 && s.update_bytes == 6);
	CU_ASSERT(s.first == 1 && s.last == 4 && s.file_bytes > 0);
	CU_ASSERT_EQUAL(journal_update_trim(j, 3, 1000, NULL), RC_OK);
	updates_are(j, 0, RC_OK, "2=bb;3=ccc;4=;");
	updates_are(j, 1, RC_EGAP, "");
	CU_ASSERT_EQUAL(journal_update_trim(j, 10, 4, NULL), RC_OK);
	updates_are(j, 0, RC_OK, "3=ccc;4=;");
	CU_ASSERT_EQUAL(journal_sizes(j, &s, NULL), RC_OK);
	CU_ASSERT(s.updates == 2 && s.update_bytes == 3 && s.first == 3);
	CU_ASSERT_EQUAL(journal_update_trim(j, 0, 0, NULL), RC_OK);
	j = reopen(j);
	CU_ASSERT_EQUAL(head_of(j), 4);
	updates_are(j, 0, RC_OK, "");
	updates_are(j, 4, RC_EGAP, "");
	CU_ASSERT_EQUAL(update(j, 5, "e"), RC_OK);
	updates_are(j, 5, RC_OK, "5=e;");
	journal_close(j);
}

static void a_cleared_log_starts_where_it_is_told(void)
{
	struct journal *j;

	fresh();
	j = open_it();
	CU_ASSERT_EQUAL(update(j, 1, "a"), RC_OK);
	CU_ASSERT_EQUAL(journal_begin(j, NULL), RC_OK);
	CU_ASSERT_EQUAL(journal_update_clear(j, 41, NULL), RC_OK);
	CU_ASSERT_EQUAL(head_of(j), 41);
	journal_rollback(j);
	CU_ASSERT_EQUAL(head_of(j), 1);
	updates_are(j, 0, RC_OK, "1=a;");
	CU_ASSERT_EQUAL(journal_update_clear(j, 41, NULL), RC_OK);
	j = reopen(j);
	CU_ASSERT_EQUAL(update(j, 2, "b"), RC_EGAP);
	CU_ASSERT_EQUAL(update(j, 42, "b"), RC_OK);
	updates_are(j, 0, RC_OK, "42=b;");
	CU_ASSERT_EQUAL(journal_update_clear(j, 0, NULL), RC_OK);
	CU_ASSERT_EQUAL(update(j, 1, "c"), RC_OK);
	CU_ASSERT_EQUAL(journal_update_clear(j, UINT64_MAX, NULL), RC_EINVAL);
	journal_close(j);
}

static void a_base_is_replaced_whole(void)
{
	struct body one = { 1, UINT64_MAX, 0, 0 };
	struct body two = { 2, UINT64_MAX, 0, 0 };
	struct list l = { .n = 0 };
	struct buf b = BUF_INIT(100);
	struct journal *j;

	fresh();
	j = open_it();
	CU_ASSERT_EQUAL(put_base(j, "net", 1, BIG, &one), RC_OK);
	CU_ASSERT_EQUAL(one.asked, BIG);
	CU_ASSERT(one.largest <= (size_t)4 << 20);
	CU_ASSERT_EQUAL(put_base(j, "cost", 1, 0, &one), RC_OK);
	base_is(j, "net", BIG, 1);
	base_is(j, "cost", 0, 1);
	CU_ASSERT_EQUAL(put_base(j, "net", 7, 1000, &two), RC_OK);
	CU_ASSERT_EQUAL(journal_base_serial(j, "cost", 8, NULL), RC_OK);
	CU_ASSERT_EQUAL(journal_base_serial(j, "none", 8, NULL), RC_ENOENT);
	j = reopen(j);
	base_is(j, "net", 1000, 2);
	CU_ASSERT_EQUAL(journal_base_each(j, add_base, &l, NULL), RC_OK);
	CU_ASSERT_STRING_EQUAL(l.text, "cost=8,application/x,leaf,0;"
			       "net=7,application/x,leaf,1000;");
	CU_ASSERT_EQUAL(journal_base_read(j, "net", &b, NULL), RC_ELIMIT);
	CU_ASSERT_EQUAL(journal_base_drop(j, "net", NULL), RC_OK);
	CU_ASSERT_EQUAL(journal_base_drop(j, "net", NULL), RC_OK);
	CU_ASSERT_EQUAL(journal_base_read(j, "net", &b, NULL), RC_ENOENT);
	journal_close(j);
}

static void a_base_that_fails_half_way_leaves_the_old(void)
{
	struct body one = { 1, UINT64_MAX, 0, 0 };
	struct body bad = { 2, (uint64_t)8 << 20, 0, 0 };
	struct journal *j;

	fresh();
	j = open_it();
	CU_ASSERT_EQUAL(put_base(j, "net", 1, BIG, &one), RC_OK);
	CU_ASSERT_EQUAL(put_base(j, "net", 2, BIG, &bad), RC_EDIGEST);
	base_is(j, "net", BIG, 1);
	CU_ASSERT_EQUAL(journal_begin(j, NULL), RC_OK);
	CU_ASSERT_EQUAL(put_base(j, "net", 2, BIG, &bad), RC_EDIGEST);
	CU_ASSERT_EQUAL(meta_set(j, "k", "v"), RC_OK);
	CU_ASSERT_EQUAL(journal_commit(j, NULL), RC_OK);
	base_is(j, "net", BIG, 1);
	CU_ASSERT_EQUAL(journal_begin(j, NULL), RC_OK);
	one.seed = 3;
	CU_ASSERT_EQUAL(put_base(j, "net", 2, BIG, &one), RC_OK);
	base_is(j, "net", BIG, 3);
	journal_rollback(j);
	base_is(j, "net", BIG, 1);
	journal_close(j);
}

static void begin_and_commit_come_in_pairs(void)
{
	struct journal *j;

	fresh();
	j = open_it();
	CU_ASSERT_EQUAL(journal_commit(j, NULL), RC_EINVAL);
	journal_rollback(j);
	CU_ASSERT_EQUAL(journal_begin(j, NULL), RC_OK);
	CU_ASSERT_EQUAL(journal_begin(j, NULL), RC_EINVAL);
	CU_ASSERT_EQUAL(meta_set(j, "k", "v"), RC_OK);
	j = reopen(j);			/* closing rolls back */
	meta_is(j, "k", NULL);
	journal_close(j);
	journal_close(NULL);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "meta lasts and takes part in the transaction",
		  meta_lasts_and_takes_part_in_the_transaction },
			{ "updates must follow", updates_must_follow },
		{ "the log is read from a serial and trimmed",
		  the_log_is_read_from_a_serial_and_trimmed },
		{ "a cleared log starts where it is told",
		  a_cleared_log_starts_where_it_is_told },
		{ "a base is replaced whole", a_base_is_replaced_whole },
		{ "a base that fails half way leaves the old",
		  a_base_that_fails_half_way_leaves_the_old },
		{ "begin and commit come in pairs",
		  begin_and_commit_come_in_pairs },
		CU_TEST_INFO_NULL
	};
	int rc;

	if (!mkdtemp(dir))
		return 99;
	rc = suite_run("journal", tests);
	fresh();
	rmdir(dir);
	return rc;
}
