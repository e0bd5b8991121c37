/* Whole files in and out, in a folder of the test's own. */
#include "common/sys/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/suite.h"

static char dir[] = "/tmp/test_file.XXXXXX";

static char *at(const char *name)
{
	char *p = NULL;

	CU_ASSERT_EQUAL_FATAL(file_path_join(dir, name, &p), RC_OK);
	return p;
}

static int entries(void)
{
	DIR *d = opendir(dir);
	int n = 0;

	while (d && readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void what_is_replaced_is_read_back(void)
{
	struct buf b = BUF_INIT(100);
	char *p = at("a");
	struct stat st;

	CU_ASSERT_EQUAL(file_replace(p, "one", 3, 0640, NULL), RC_OK);
	CU_ASSERT_EQUAL(file_replace(p, "second", 6, 0640, NULL), RC_OK);
	CU_ASSERT_EQUAL(file_read(p, 100, &b, NULL), RC_OK);
	CU_ASSERT_EQUAL(b.len, 6);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), "second");
	CU_ASSERT_EQUAL(stat(p, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0640);
	CU_ASSERT_EQUAL(entries(), 1);
	buf_free(&b);
	unlink(p);
	free(p);
}

static void create_never_overwrites(void)
{
	struct buf b = BUF_INIT(100);
	struct diag d = { .line = 0 };
	char *p = at("a");

	CU_ASSERT_EQUAL(file_create(p, "one", 3, 0600, NULL), RC_OK);
	CU_ASSERT_EQUAL(file_create(p, "two", 3, 0600, &d), RC_EEXIST);
	CU_ASSERT_STRING_EQUAL(d.file, p);
	CU_ASSERT_EQUAL(file_read(p, 100, &b, NULL), RC_OK);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), "one");
	CU_ASSERT_EQUAL(entries(), 1);
	buf_free(&b);
	unlink(p);
	free(p);
}

static void errors_name_the_path_and_the_reason(void)
{
	struct buf b = BUF_INIT(100);
	struct diag d = { .line = 0 };
	char *p = at("none");

	CU_ASSERT_EQUAL(file_read(p, 100, &b, &d), RC_ENOENT);
	CU_ASSERT_STRING_EQUAL(d.file, p);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "No such file"));
	free(p);
	p = at("no/such/dir");
	CU_ASSERT_EQUAL(file_replace(p, "x", 1, 0600, NULL), RC_ENOENT);
	free(p);
}

static void a_file_over_the_ceiling_is_refused(void)
{
	struct buf b = BUF_INIT(100);
	char *p = at("a");

	CU_ASSERT_EQUAL(file_replace(p, "12345", 5, 0600, NULL), RC_OK);
	CU_ASSERT_EQUAL(file_read(p, 4, &b, NULL), RC_ELIMIT);
	CU_ASSERT_EQUAL(b.len, 0);
	CU_ASSERT_EQUAL(file_read(p, 5, &b, NULL), RC_OK);
	b.max = 4;
	CU_ASSERT_EQUAL(file_read(p, 100, &b, NULL), RC_ELIMIT);
	CU_ASSERT_EQUAL(b.len, 0);
	buf_free(&b);
	unlink(p);
	free(p);
}

static void only_regular_files_are_read(void)
{
	struct buf b = BUF_INIT(100);
	struct file_stamp st;
	char *p = at("fifo");
	int fd = -1;

	CU_ASSERT_EQUAL(mkfifo(p, 0600), 0);
	CU_ASSERT_EQUAL(file_read(p, 100, &b, NULL), RC_ERULE);
	CU_ASSERT_EQUAL(file_stamp_get(p, &st, NULL), RC_ERULE);
	CU_ASSERT_EQUAL(file_open(p, &fd, &st, NULL), RC_ERULE);
	CU_ASSERT_EQUAL(fd, -1);
	CU_ASSERT_EQUAL(file_read(dir, 100, &b, NULL), RC_ERULE);
	CU_ASSERT_EQUAL(file_read("/dev/zero", 100, &b, NULL), RC_ERULE);
	unlink(p);
	free(p);
}

static void a_large_file_takes_memory_once(void)
{
	const size_t size = (size_t)20 << 20;
	struct buf b = BUF_INIT(SIZE_MAX);
	char *p = at("big");
	int fd = open(p, O_CREAT | O_RDWR, 0600);

	CU_ASSERT_EQUAL(ftruncate(fd, (off_t)size), 0);
	CU_ASSERT_EQUAL(pwrite(fd, "end", 3, (off_t)size - 3), 3);
	close(fd);
	buf_puts(&b, "something that was there before");
	CU_ASSERT_EQUAL(file_read(p, size, &b, NULL), RC_OK);
	CU_ASSERT_EQUAL(b.len, size);
	CU_ASSERT_EQUAL(b.cap, size + 1);
	CU_ASSERT_STRING_EQUAL(b.data + size - 3, "end");
	buf_free(&b);
	unlink(p);
	free(p);
}

static void a_stamp_tells_another_file_and_other_bytes(void)
{
	struct file_stamp a, b, c;
	struct buf buf = BUF_INIT(100);
	char *p = at("a");

	CU_ASSERT_EQUAL(file_replace(p, "one", 3, 0600, NULL), RC_OK);
	CU_ASSERT_EQUAL(file_stamp_get(p, &a, NULL), RC_OK);
	CU_ASSERT_EQUAL(file_read_stamp(p, 100, &buf, &b, NULL), RC_OK);
	CU_ASSERT_TRUE(file_stamp_equal(&a, &b));
	CU_ASSERT_EQUAL(file_replace(p, "two", 3, 0600, NULL), RC_OK);
	CU_ASSERT_EQUAL(file_stamp_get(p, &c, NULL), RC_OK);
	CU_ASSERT_FALSE(file_stamp_equal(&a, &c));
	buf_free(&buf);
	unlink(p);
	free(p);
}

static void a_secret_that_others_can_read_is_refused(void)
{
	struct buf b = BUF_INIT(100);
	struct diag d = { .line = 0 };
	char *p = at("key");

	CU_ASSERT_EQUAL(file_replace(p, "s3cret", 6, 0640, NULL), RC_OK);
	CU_ASSERT_EQUAL(file_read_private(p, 100, &b, &d), RC_ERULE);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "0640"));
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "chmod 600"));
	CU_ASSERT_PTR_NULL(strstr(d.text, "s3cret"));
	CU_ASSERT_EQUAL(chmod(p, 0602), 0);
	CU_ASSERT_EQUAL(file_read_private(p, 100, &b, NULL), RC_ERULE);
	CU_ASSERT_EQUAL(chmod(p, 0400), 0);
	CU_ASSERT_EQUAL(file_read_private(p, 100, &b, NULL), RC_OK);
	buf_free(&b);
	unlink(p);
	free(p);
}

static void a_secret_of_somebody_else_is_refused(void)
{
	struct buf b = BUF_INIT(100);
	struct diag d = { .line = 0 };
	char *p = at("key");

	if (geteuid() != 0) {
		free(p);
		SKIP("root");
	}
	CU_ASSERT_EQUAL(file_replace(p, "s3cret", 6, 0600, NULL), RC_OK);
	CU_ASSERT_EQUAL(chown(p, 12345, 0), 0);
	CU_ASSERT_EQUAL(file_read_private(p, 100, &b, &d), RC_ERULE);
	CU_ASSERT_STRING_EQUAL(d.file, p);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "12345"));
	file_account(12345);
	CU_ASSERT_EQUAL(file_read_private(p, 100, &b, NULL), RC_OK);
	file_account(54321);
	CU_ASSERT_EQUAL(file_read_private(p, 100, &b, NULL), RC_ERULE);
	CU_ASSERT_EQUAL(chown(p, 0, 0), 0);
	CU_ASSERT_EQUAL(file_read_private(p, 100, &b, NULL), RC_OK);
	file_account(0);
	buf_free(&b);
	unlink(p);
	free(p);
}

static void join_is(const char *a, const char *b, const char *want)
{
	char *p = NULL;

	CU_ASSERT_EQUAL_FATAL(file_path_join(a, b, &p), RC_OK);
	CU_ASSERT_STRING_EQUAL(p, want);
	free(p);
}

static void dir_is(const char *path, const char *want)
{
	char *p = NULL;

	CU_ASSERT_EQUAL_FATAL(file_path_dir(path, &p), RC_OK);
	CU_ASSERT_STRING_EQUAL(p, want);
	free(p);
}

static void paths_join_and_part(void)
{
	join_is("/etc/alto", "a.json", "/etc/alto/a.json");
	join_is("/etc/alto/", "a.json", "/etc/alto/a.json");
	join_is("/etc/alto", "/a.json", "/a.json");
	join_is("", "a.json", "a.json");
	dir_is("/etc/alto.conf", "/etc");
	dir_is("/alto.conf", "/");
	dir_is("alto.conf", ".");
	dir_is("a/b/c", "a/b");
}

static void a_directory_is_made_once(void)
{
	char *p = at("state"), *f = at("state/file");

	CU_ASSERT_EQUAL(file_mkdir(p, 0700, NULL), RC_OK);
	CU_ASSERT_EQUAL(file_mkdir(p, 0700, NULL), RC_OK);
	CU_ASSERT_EQUAL(file_replace(f, "", 0, 0600, NULL), RC_OK);
	CU_ASSERT_EQUAL(file_mkdir(f, 0700, NULL), RC_ERULE);
	unlink(f);
	rmdir(p);
	free(p);
	free(f);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "what is replaced is read back",
		  what_is_replaced_is_read_back },
		{ "create never overwrites", create_never_overwrites },
		{ "errors name the path and the reason",
		  errors_name_the_path_and_the_reason },
		{ "a file over the ceiling is refused",
		  a_file_over_the_ceiling_is_refused },
		{ "only regular files are read", only_regular_files_are_read },
		{ "a large file takes memory once",
		  a_large_file_takes_memory_once },
		{ "a stamp tells another file and other bytes",
		  a_stamp_tells_another_file_and_other_bytes },
		{ "a secret that others can read is refused",
		  a_secret_that_others_can_read_is_refused },
		{ "a secret of somebody else is refused",
		  a_secret_of_somebody_else_is_refused },
		{ "paths join and part", paths_join_and_part },
		{ "a directory is made once", a_directory_is_made_once },
		CU_TEST_INFO_NULL
	};
	int rc;

	if (!mkdtemp(dir))
		return 99;
	rc = suite_run("file", tests);
	rmdir(dir);
	return rc;
}
