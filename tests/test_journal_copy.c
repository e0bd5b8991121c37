/* Copies of a journal that is being written: whole, of one moment, and usable. */
#include "common/sys/journal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/sys/file.h"
#include "tests/suite.h"

#define BODY	((size_t)3 << 20)

static char dir[] = "/tmp/test_journal_copy.XXXXXX";
static char other[96];			/* where a copy is put to be opened */

static struct journal *open_in(const char *where)
{
	struct journal *j = NULL;
	struct diag d = { .line = 0 };

	CU_ASSERT_EQUAL(journal_open(where, &j, &d), RC_OK);
	if (d.text[0])
		printf("%s: %s\n", d.file, d.text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(j);
	return j;
}

static void empty(const char *where)
{
	DIR *all = opendir(where);
	struct dirent *e;

	while (all && (e = readdir(all)) != NULL)
		unlinkat(dirfd(all), e->d_name, 0);
	if (all)
		closedir(all);
}

static void end(struct journal *j)
{
	journal_close(j);
	empty(dir);
	empty(other);
}

/* Every byte is number. */
static enum rc read_body(void *arg, uint64_t off, char *dst, size_t len)
{
	(void)off;
	memset(dst, *(int *)arg, len);
	return RC_OK;
}

static void put_base(struct journal *j, int number)
{
	struct journal_base b = { "net", "t", "leaf", 1, BODY };

	CU_ASSERT_EQUAL_FATAL(journal_base_write(j, &b, read_body, &number,
	                                         NULL), RC_OK);
}

static void put_update(struct journal *j, uint64_t serial)
{
	char text[2000];

	memset(text, 'a' + (int)(serial % 26), sizeof(text));
	CU_ASSERT_EQUAL_FATAL(journal_update_add(j, serial, serial - 1, text,
	                                         sizeof(text), NULL), RC_OK);
}

static struct journal_copy *begin(struct journal *j)
{
	struct journal_copy *c = NULL;

	CU_ASSERT_EQUAL_FATAL(journal_copy_begin(j, &c, NULL), RC_OK);
	return c;
}

/* The rest of it; returns how many steps. */
static unsigned run(struct journal_copy *c)
{
	enum rc rc = RC_EAGAIN;
	unsigned n = 0;

	for (; rc == RC_EAGAIN && n < 10000; n++)
		rc = journal_copy_step(c, NULL);
	CU_ASSERT_EQUAL_FATAL(rc, RC_OK);
	return n;
}

/* The copy as a journal of its own. */
static struct journal *opened(struct journal_copy *c)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", other, JOURNAL_FILE);
	CU_ASSERT_EQUAL(rename(journal_copy_path(c), path), 0);
	journal_copy_free(c);
	return open_in(other);
}

static bool body_is(struct journal *j, int number)
{
	struct buf b = BUF_INIT(BODY);
	bool same = journal_base_read(j, "net", &b, NULL) == RC_OK &&
	            b.len == BODY;

	for (size_t i = 0; same && i < b.len; i += 4096)
		same = b.data[i] == (char)number;
	buf_free(&b);
	return same;
}

static uint64_t head_of(struct journal *j)
{
	struct journal_sizes s = { .last = 0 };

	CU_ASSERT_EQUAL(journal_sizes(j, &s, NULL), RC_OK);
	return s.last;
}

static void a_copy_is_a_journal_with_the_same_content(void)
{
	struct journal *j = open_in(dir), *k;
	struct journal_copy *c;
	struct stat st;

	put_base(j, 7);
	for (uint64_t i = 1; i <= 50; i++)
		put_update(j, i);
	c = begin(j);
	CU_ASSERT(run(c) > 1);
	CU_ASSERT_EQUAL(stat(journal_copy_path(c), &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
	CU_ASSERT_EQUAL((uint64_t)st.st_size, journal_copy_bytes(c));
	k = opened(c);
	CU_ASSERT(body_is(k, 7));
	CU_ASSERT_EQUAL(head_of(k), 50);
	put_update(k, 51);
	journal_close(k);
	end(j);
}

static void what_is_written_meanwhile_is_in_it_whole(void)
{
	struct journal *j = open_in(dir), *k;
	struct journal_copy *c;
	uint64_t serial = 0;
	enum rc rc = RC_EAGAIN;

	put_base(j, 1);
	c = begin(j);
	while (rc == RC_EAGAIN && serial < 400) {
		rc = journal_copy_step(c, NULL);
		if (rc != RC_EAGAIN)
			break;
		CU_ASSERT_EQUAL(journal_begin(j, NULL), RC_OK);
		put_update(j, ++serial);
		if (serial == 2)
			put_base(j, 2);
		CU_ASSERT_EQUAL(journal_commit(j, NULL), RC_OK);
	}
	CU_ASSERT_EQUAL(rc, RC_OK);
	CU_ASSERT(serial >= 2);
	k = opened(c);
	CU_ASSERT(body_is(k, 2));
	CU_ASSERT_EQUAL(head_of(k), serial);
	journal_close(k);
	end(j);
}

static void what_was_rolled_back_is_not_in_it(void)
{
	struct journal *j = open_in(dir), *k;
	struct journal_copy *c;

	put_base(j, 1);
	put_update(j, 1);
	c = begin(j);
	CU_ASSERT_EQUAL(journal_copy_step(c, NULL), RC_EAGAIN);
	CU_ASSERT_EQUAL(journal_begin(j, NULL), RC_OK);
	put_base(j, 2);
	put_update(j, 2);
	CU_ASSERT_EQUAL(journal_copy_step(c, NULL), RC_EINVAL);
	journal_rollback(j);
	run(c);
	k = opened(c);
	CU_ASSERT(body_is(k, 1));
	CU_ASSERT_EQUAL(head_of(k), 1);
	journal_close(k);
	end(j);
}

static void a_copy_that_is_given_up_leaves_no_file(void)
{
	struct journal *j = open_in(dir);
	struct journal_copy *c;
	char path[128];

	put_base(j, 1);
	c = begin(j);
	CU_ASSERT_EQUAL(journal_copy_step(c, NULL), RC_EAGAIN);
	snprintf(path, sizeof(path), "%s", journal_copy_path(c));
	CU_ASSERT_EQUAL(access(path, F_OK), 0);
	journal_copy_free(c);
	CU_ASSERT_NOT_EQUAL(access(path, F_OK), 0);
	put_update(j, 1);
	end(j);
}

static void made_ago(const char *path, int seconds)
{
	struct timespec t[2] = { { .tv_sec = time(NULL) - seconds } };

	t[1] = t[0];
	CU_ASSERT_EQUAL(utimensat(AT_FDCWD, path, t, 0), 0);
}

static void one_that_nobody_took_goes_when_the_next_begins(void)
{
	struct journal *j = open_in(dir);
	struct journal_copy *c;
	char path[128];

	c = begin(j);
	run(c);
	snprintf(path, sizeof(path), "%s", journal_copy_path(c));
	journal_copy_free(c);
	CU_ASSERT_EQUAL(access(path, F_OK), 0);	/* it is whole: it stays */
	made_ago(path, JOURNAL_COPY_WAITS_S + 5);
	c = begin(j);
	CU_ASSERT_NOT_EQUAL(access(path, F_OK), 0);
	journal_copy_free(c);
	end(j);
}

static void one_that_nobody_took_goes_by_itself(void)
{
	struct journal *j = open_in(dir);
	struct journal_copy *c;
	char path[128];

	for (int i = 0; i < 2; i++) {
		c = begin(j);
		run(c);
		snprintf(path, sizeof(path), "%s", journal_copy_path(c));
		journal_copy_free(c);
		journal_copy_tidy(j);
		CU_ASSERT_EQUAL(access(path, F_OK), 0);
		made_ago(path, JOURNAL_COPY_WAITS_S + 5);
		if (i == 0) {
			journal_copy_tidy(j);
		} else {
			journal_close(j);
			j = open_in(dir);
		}
		CU_ASSERT_NOT_EQUAL(access(path, F_OK), 0);
	}
	end(j);
}

static void one_that_was_just_made_waits_to_be_taken(void)
{
	char path[JOURNAL_COPIES_MAX][128];
	struct journal *j = open_in(dir);
	struct diag d = { .line = 0 };
	struct journal_copy *c = NULL;

	for (int i = 0; i < JOURNAL_COPIES_MAX; i++) {
		c = begin(j);
		run(c);
		snprintf(path[i], sizeof(path[i]), "%s", journal_copy_path(c));
		journal_copy_free(c);
	}
	for (int i = 0; i < JOURNAL_COPIES_MAX; i++)
		CU_ASSERT_EQUAL(access(path[i], F_OK), 0);
	c = NULL;
	CU_ASSERT_EQUAL(journal_copy_begin(j, &c, &d), RC_EAGAIN);
	CU_ASSERT_PTR_NULL(c);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "taken away"));
	made_ago(path[1], -1000);	/* the clock was set back since */
	c = begin(j);
	CU_ASSERT_NOT_EQUAL(access(path[1], F_OK), 0);
	CU_ASSERT_EQUAL(access(path[0], F_OK), 0);
	journal_copy_free(c);
	end(j);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "a copy is a journal with the same content",
		  a_copy_is_a_journal_with_the_same_content },
		{ "what is written meanwhile is in it, whole",
		  what_is_written_meanwhile_is_in_it_whole },
		{ "what was rolled back is not in it",
		  what_was_rolled_back_is_not_in_it },
		{ "a copy that is given up leaves no file",
		  a_copy_that_is_given_up_leaves_no_file },
		{ "one that nobody took goes when the next begins",
		  one_that_nobody_took_goes_when_the_next_begins },
		{ "one that nobody took goes by itself",
		  one_that_nobody_took_goes_by_itself },
		{ "one that was just made waits to be taken",
		  one_that_was_just_made_waits_to_be_taken },
		CU_TEST_INFO_NULL
	};
	int status;

	if (!mkdtemp(dir))
		return 99;
	snprintf(other, sizeof(other), "%s.other", dir);
	if (mkdir(other, 0700) != 0)
		return 99;
	status = suite_run("journal_copy", tests);
	rmdir(dir);
	rmdir(other);
	return status;
}
