/* What survives: commits, kills, full disks, damage, and what is refused. */
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
#include "tests/suite.h"

static char dir[] = "/tmp/test_journal.XXXXXX";

static char *at(const char *name)
{
	char *p = NULL;

	CU_ASSERT_EQUAL_FATAL(file_path_join(dir, name, &p), RC_OK);
	return p;
}

static void fresh(void)
{
	static const char *const names[] = {
		"journal.db", "journal.db-wal", "journal.db-shm", "journal.lock"
	};

	char path[64];

	for (size_t i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
}

static struct journal *open_it(void)
{
	struct journal *j = NULL;
	struct diag d = { .line = 0 };

	CU_ASSERT_EQUAL(journal_open(dir, &j, &d), RC_OK);
	if (d.text[0])
		printf("%s: %s\n", d.file, d.text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(j);
	return j;
}

static struct journal *reopen(struct journal *j)
{
	journal_close(j);
	return open_it();
}

static uint64_t head_of(struct journal *j)
{
	struct journal_sizes sizes = { .last = UINT64_MAX };

	CU_ASSERT_EQUAL(journal_sizes(j, &sizes, NULL), RC_OK);
	return sizes.last;
}

static void meta_is(struct journal *j, const char *key, const char *want)
{
	struct buf b = BUF_INIT(1000);

	CU_ASSERT_EQUAL(journal_meta_get(j, key, &b, NULL),
			want ? RC_OK : RC_ENOENT);
	if (want)
		CU_ASSERT_STRING_EQUAL(buf_str(&b), want);
	buf_free(&b);
}

static enum rc meta_set(struct journal *j, const char *key, const char *text)
{
	return journal_meta_set(j, key, text, strlen(text), NULL);
}

static enum rc update(struct journal *j, uint64_t serial, const char *text)
{
	return journal_update_add(j, serial, serial - 1, text, strlen(text),
				  NULL);
}

/* Body byte i of a base made from seed. */
static char body_byte(uint64_t i, unsigned seed)
{
	return (char)(unsigned char)((i * 31 + (i >> 12) + seed) & 0xff);
}

struct body {
	unsigned seed;
	uint64_t fail_at;
	uint64_t asked;
	size_t largest;
};

static enum rc read_body(void *arg, uint64_t off, char *dst, size_t len)
{
	struct body *b = arg;

	if (off >= b->fail_at)
		return RC_EDIGEST;
	if (len > b->largest)
		b->largest = len;
	for (size_t i = 0; i < len; i++)
		dst[i] = body_byte(off + i, b->seed);
	b->asked += len;
	return RC_OK;
}

static enum rc put_base(struct journal *j, const char *id, uint64_t serial,
			uint64_t size, struct body *body)
{
	const struct journal_base base = {
		.id = id, .type = "application/x", .leaf = "leaf",
		.serial = serial, .size = size,
	};

	return journal_base_write(j, &base, read_body, body, NULL);
}

static void base_is(struct journal *j, const char *id, uint64_t size,
		    unsigned seed)
{
	struct buf b = BUF_INIT((size_t)1 << 30);
	size_t wrong = 0;

	CU_ASSERT_EQUAL(journal_base_read(j, id, &b, NULL), RC_OK);
	CU_ASSERT_EQUAL(b.len, size);
	for (size_t i = 0; i < b.len; i++)
		wrong += b.data[i] != body_byte(i, seed);
	CU_ASSERT_EQUAL(wrong, 0);
	buf_free(&b);
}

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

struct list {
	char text[200];
	int n, stop;
};

static enum rc add_key(void *arg, const char *key, const void *data,
		       size_t len)
{
	struct list *l = arg;
	size_t at_end = strlen(l->text);

	if (l->stop && l->n == l->stop)
		return RC_EAGAIN;
	l->n++;
	snprintf(l->text + at_end, sizeof(l->text) - at_end, "%s=%.*s;", key,
		 (int)len, (const char *)data);
	return RC_OK;
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

static enum rc add_update(void *arg, uint64_t serial, const void *data,
			  size_t len)
{
	char key[24];

	snprintf(key, sizeof(key), "%ju", (uintmax_t)serial);
	return add_key(arg, key, data, len);
}

static void updates_are(struct journal *j, uint64_t from, enum rc rc,
			const char *want)
{
	struct list l = { .n = 0 };

	CU_ASSERT_EQUAL(journal_update_each(j, from, add_update, &l, NULL), rc);
	CU_ASSERT_STRING_EQUAL(l.text, want);
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

#define BIG (((uint64_t)9 << 20) + 5)	/* three pieces */

static enum rc add_base(void *arg, const struct journal_base *b)
{
	char text[100];

	snprintf(text, sizeof(text), "%ju,%s,%s,%ju", (uintmax_t)b->serial,
		 b->type, b->leaf, (uintmax_t)b->size);
	return add_key(arg, b->id, text, strlen(text));
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
	rc = suite_run("journal", tests);
	fresh();
	rmdir(dir);
	return rc;
}
