/* What survives: kills, full disks, damage; and what is refused. */
#include "common/sys/journal.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/sys/file.h"
#include "tests/journal_stage.h"
#include "tests/suite.h"

static char *at(const char *name)
{
	char *p = NULL;

	CU_ASSERT_EQUAL_FATAL(file_path_join(dir, name, &p), RC_OK);
	return p;
}

static void a_second_user_is_refused(void)
{
	struct journal *j, *other = NULL;
	struct diag d = { .line = 0 };

	fresh();
	j = open_it();
	CU_ASSERT_EQUAL(journal_open(dir, &other, &d), RC_EAGAIN);
	CU_ASSERT_PTR_NULL(other);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "in use"));
	CU_ASSERT_PTR_NOT_NULL(strstr(d.file, dir));
	CU_ASSERT_EQUAL(meta_set(j, "k", "v"), RC_OK);
	j = reopen(j);
	journal_close(j);
}

/* The child publishes on and says each serial after its commit. */
static void publish_on(int fd)
{
	struct body body = { 0, UINT64_MAX, 0, 0 };
	struct journal *j = NULL;

	if (journal_open(dir, &j, NULL) != RC_OK)
		_exit(1);
	for (uint64_t n = head_of(j) + 1;; n++) {
		char text[32];

		snprintf(text, sizeof(text), "%ju", (uintmax_t)n);
		body.seed = (unsigned)n;
		if (journal_begin(j, NULL) != RC_OK ||
		    update(j, n, text) != RC_OK ||
		    meta_set(j, "serial", text) != RC_OK ||
		    put_base(j, "net", n, 5000, &body) != RC_OK ||
		    journal_commit(j, NULL) != RC_OK ||
		    write(fd, &n, sizeof(n)) != sizeof(n))
			_exit(2);
	}
}

/* Kills a publisher after `rounds` of its commits; the last serial it said. */
static uint64_t kill_one(int rounds)
{
	uint64_t said = 0, n;
	int fd[2];
	pid_t pid;

	CU_ASSERT_EQUAL_FATAL(pipe(fd), 0);
	pid = fork();
	if (pid == 0)
		publish_on(fd[1]);
	close(fd[1]);
	for (int i = 0; i < rounds; i++)
		if (read(fd[0], &n, sizeof(n)) == sizeof(n))
			said = n;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	while (read(fd[0], &n, sizeof(n)) == sizeof(n))
		said = n;
	close(fd[0]);
	return said;
}

static void what_was_committed_survives_a_kill(void)
{
	struct journal *j;

	fresh();
	for (int round = 1; round <= 8; round++) {
		uint64_t said = kill_one(round), last;
		char text[32];

		CU_ASSERT(said > 0);
		j = open_it();
		last = head_of(j);
		CU_ASSERT(last == said || last == said + 1);
		snprintf(text, sizeof(text), "%ju", (uintmax_t)last);
		meta_is(j, "serial", text);
		base_is(j, "net", 5000, (unsigned)last);
		journal_close(j);
	}
}

/* In a child, as the limit cannot be raised again: a file that may not grow
 * is what a full disk looks like from here. */
static int write_beyond_the_limit(void)
{
	struct rlimit lim = { .rlim_cur = 1 << 20, .rlim_max = 1 << 20 };
	struct body body = { 5, UINT64_MAX, 0, 0 };
	struct diag d = { .line = 0 };
	struct journal *j = NULL;
	enum rc rc;

	signal(SIGXFSZ, SIG_IGN);
	if (journal_open(dir, &j, NULL) != RC_OK ||
	    setrlimit(RLIMIT_FSIZE, &lim) != 0)
		return 1;
	if (put_base(j, "net", 2, BIG, &body) != RC_EIO)
		return 2;
	if (journal_begin(j, NULL) != RC_OK || update(j, 2, "x") != RC_OK)
		return 3;
	/* With a small limit either the write or the commit notices. */
	rc = put_base(j, "net", 2, BIG, &body);
	if (rc == RC_EIO && meta_set(j, "k", "v") != RC_EIO)
		return 4;
	if (journal_commit(j, &d) != RC_EIO || !d.text[0])
		return 5;
	if (head_of(j) != 1 || meta_set(j, "after", "ok") != RC_OK)
		return 6;
	journal_close(j);
	return 0;
}

static void a_full_disk_is_an_error_and_changes_nothing(void)
{
	struct body body = { 1, UINT64_MAX, 0, 0 };
	struct journal *j;
	int status = 0;
	pid_t pid;

	fresh();
	j = open_it();
	CU_ASSERT_EQUAL(update(j, 1, "one"), RC_OK);
	CU_ASSERT_EQUAL(put_base(j, "net", 1, 5000, &body), RC_OK);
	journal_close(j);
	pid = fork();
	if (pid == 0)
		_exit(write_beyond_the_limit());
	waitpid(pid, &status, 0);
	CU_ASSERT_TRUE(WIFEXITED(status));
	CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
	j = open_it();
	CU_ASSERT_EQUAL(head_of(j), 1);
	updates_are(j, 0, RC_OK, "1=one;");
	base_is(j, "net", 5000, 1);
	meta_is(j, "after", "ok");
	journal_close(j);
}

static void refused(enum rc want, const char *text)
{
	struct journal *j = NULL;
	struct diag d = { .line = 0 };

	CU_ASSERT_EQUAL(journal_open(dir, &j, &d), want);
	CU_ASSERT_PTR_NULL(j);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.file, "journal.db"));
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, text));
	journal_close(j);
}

static void sql(const char *text)
{
	char *p = at(JOURNAL_FILE);
	sqlite3 *db = NULL;

	CU_ASSERT_EQUAL(sqlite3_open(p, &db), SQLITE_OK);
	CU_ASSERT_EQUAL(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	free(p);
}

static void a_newer_format_is_refused(void)
{
	fresh();
	journal_close(open_it());
	sql("PRAGMA user_version = 2");
	refused(RC_ERULE, "format 2");
}

static void what_is_no_journal_is_refused(void)
{
	char *p = at(JOURNAL_FILE);

	fresh();
	sql("CREATE TABLE t (a)");
	refused(RC_EIO, "not a journal");
	fresh();
	CU_ASSERT_EQUAL(file_replace(p, "this is a text and no database, and it"
				     " is long enough to be looked at; really,"
				     " it is long enough to be looked at", 110,
				     0600, NULL), RC_OK);
	refused(RC_EIO, "not a database");
	free(p);
}

/* Opens and reads everything; whatever comes, it comes as a result. */
static bool read_all(void)
{
	struct list b = { .n = 0 }, c = { .n = 0 };
	struct buf body = BUF_INIT((size_t)1 << 30), v = BUF_INIT(100);
	struct journal *j = NULL;
	bool ok = false;

	if (journal_open(dir, &j, NULL) == RC_OK)
		ok = journal_meta_get(j, "k", &v, NULL) == RC_OK &&
		     journal_base_each(j, add_base, &b, NULL) == RC_OK &&
		     journal_update_each(j, 0, add_update, &c, NULL) == RC_OK &&
		     journal_base_read(j, "net", &body, NULL) == RC_OK;
	journal_close(j);
	buf_free(&body);
	buf_free(&v);
	return ok;
}

static void make_full(void)
{
	struct body body = { 1, UINT64_MAX, 0, 0 };
	struct journal *j;

	fresh();
	j = open_it();
	for (uint64_t n = 1; n <= 20; n++)
		CU_ASSERT_EQUAL(update(j, n, "some text"), RC_OK);
	CU_ASSERT_EQUAL(meta_set(j, "k", "v"), RC_OK);
	CU_ASSERT_EQUAL(put_base(j, "net", 1, 50000, &body), RC_OK);
	journal_close(j);
}

static void damage_is_reported_and_never_crashes(void)
{
	char *p = at(JOURNAL_FILE), junk[4096];
	struct stat st;
	int failed = 0;

	make_full();
	CU_ASSERT_TRUE(read_all());
	CU_ASSERT_EQUAL(stat(p, &st), 0);
	for (off_t off = 0; off < st.st_size; off += 4096) {
		int fd;

		make_full();
		fd = open(p, O_WRONLY);
		memset(junk, (int)(off / 4096 * 37 + 11), sizeof(junk));
		CU_ASSERT_EQUAL(pwrite(fd, junk, 2048, off), 2048);
		close(fd);
		failed += !read_all();
	}
	CU_ASSERT(failed >= 5);		/* every page of a table, at least */
	for (off_t len = st.st_size - 4096; len > 0; len -= 8192) {
		make_full();
		CU_ASSERT_EQUAL(truncate(p, len), 0);
		CU_ASSERT_FALSE(read_all());
	}
	free(p);
}

static void an_unfinished_base_is_swept_at_the_next_start(void)
{
	struct journal *j;

	make_full();
	sql("INSERT INTO chunk VALUES ('net', 99, 0, x'00'), "
	    "('gone', 1, 0, x'00')");
	j = open_it();
	base_is(j, "net", 50000, 1);
	journal_close(j);
	sql("CREATE TABLE proof (n CHECK (n = 1)); "
	    "INSERT INTO proof SELECT count(*) FROM chunk");
}

int main(void)
{
	CU_TestInfo tests[] = {
			{ "a second user is refused", a_second_user_is_refused },
		{ "what was committed survives a kill",
		  what_was_committed_survives_a_kill },
		{ "a full disk is an error and changes nothing",
		  a_full_disk_is_an_error_and_changes_nothing },
		{ "a newer format is refused", a_newer_format_is_refused },
		{ "what is no journal is refused",
		  what_is_no_journal_is_refused },
		{ "damage is reported and never crashes",
		  damage_is_reported_and_never_crashes },
		{ "an unfinished base is swept at the next start",
		  an_unfinished_base_is_swept_at_the_next_start },
		CU_TEST_INFO_NULL
	};
	int rc;

	if (!mkdtemp(dir))
		return 99;
	rc = suite_run("journal_damage", tests);
	fresh();
	rmdir(dir);
	return rc;
}
