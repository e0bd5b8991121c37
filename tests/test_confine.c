/* What a process can still do when it has given things up. Each story runs in a
 * child: there is no way back. */
#include "common/sys/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/suite.h"

static char top[] = "/tmp/test_confine.XXXXXX";
static char state[64], keys[64], sock[64], other[64];

#define HELD(cond) do { \
	if (!(cond)) { \
		printf("\n  not so: %s (%s)\n", #cond, strerror(errno)); \
		fflush(stdout); \
		return false; \
	} \
} while (0)

/* true: the story held, in a process of its own. */
static bool in_child(bool (*story)(void))
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		_exit(story() ? 0 : 1);
	return pid > 0 && waitpid(pid, &status, 0) == pid &&
	       WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static const char *in(const char *dir, const char *name)
{
	static char path[8][128];
	static unsigned turn;
	char *p = path[turn++ % 8];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static bool can_make(const char *dir)
{
	int fd = open(in(dir, "new"), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	              0600);

	if (fd < 0)
		return false;
	close(fd);
	return rename(in(dir, "new"), in(dir, "moved")) == 0 &&
	       unlink(in(dir, "moved")) == 0;
}

static bool can_bind(const char *dir)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok;

	snprintf(at.sun_path, sizeof(at.sun_path), "%s/s", dir);
	ok = fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 &&
	     unlink(at.sun_path) == 0;
	if (fd >= 0)
		close(fd);
	return ok;
}

static enum rc confine(int *version)
{
	const struct confine_paths p = { state, keys, sock };
	struct diag d = { .line = 0 };
	enum rc rc = confine_harden(&d);

	if (rc == RC_OK)
		rc = confine_files(&p, version, &d);
	if (rc != RC_OK)
		printf("\n  %s\n", d.text);
	return rc;
}

static bool there_is_landlock(void)
{
	int version = 0;

	return confine(&version) == RC_OK && version > 0;
}

static bool writes_stay_inside(void)
{
	int version = 0, fd;

	HELD(confine(&version) == RC_OK && version > 0);
	HELD(can_make(state) && can_make(keys));
	HELD(mkdir(in(state, "sub"), 0700) == 0 && can_make(in(state, "sub")));
	HELD(rmdir(in(state, "sub")) == 0);
	HELD(can_bind(sock));
	HELD(!can_make(sock) && errno == EACCES);
	HELD(!can_bind(keys));
	HELD(!can_make(other) && errno == EACCES);
	HELD(!can_make("/tmp") && errno == EACCES);
	HELD(mkdir(in(other, "d"), 0700) != 0 && errno == EACCES);
	HELD(unlink(in(other, "file")) != 0 && errno == EACCES);
	HELD(symlink("x", in(state, "link")) != 0 && errno == EACCES);
	HELD(rename(in(other, "file"), in(state, "file")) != 0);
	HELD(open(in(other, "file"), O_WRONLY | O_CLOEXEC) < 0 &&
	     errno == EACCES);
	HELD(version < 3 || (truncate(in(other, "file"), 0) != 0 &&
	                     errno == EACCES));
	fd = open(in(other, "file"), O_RDONLY | O_CLOEXEC);
	HELD(fd >= 0);				/* reading stays free */
	close(fd);
	return true;
}

static void *try_elsewhere(void *arg)
{
	*(bool *)arg = can_make(other);
	return NULL;
}

static bool threads_inherit_it(void)
{
	bool could = true;
	int version = 0;
	pthread_t t;

	HELD(confine(&version) == RC_OK && version > 0);
	HELD(pthread_create(&t, NULL, try_elsewhere, &could) == 0);
	HELD(pthread_join(t, NULL) == 0);
	HELD(!could);
	return true;
}

static bool nothing_is_executed(void)
{
	char *const argv[] = { (char *)"true", NULL };
	int version = 0;

	HELD(confine(&version) == RC_OK && version > 0);
	execv("/bin/true", argv);
	HELD(errno == EACCES);
	return true;
}

static bool rights_are_not_gained(void)
{
	struct diag d = { .line = 0 };

	HELD(confine_harden(&d) == RC_OK);
	HELD(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	return true;
}

/* The value of a line of /proc/self/status. */
static void proc(const char *name, char *out, size_t size)
{
	FILE *f = fopen("/proc/self/status", "re");
	size_t n = strlen(name);
	char line[256];

	out[0] = '\0';
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, name, n) == 0 && line[n] == ':')
			snprintf(out, size, "%s", line + n + 1 +
			         strspn(line + n + 1, "\t "));
	if (f)
		fclose(f);
}

static bool root_is_gone(void)
{
	struct confine_who who;
	struct diag d = { .line = 0 };
	char text[256];
	gid_t group;

	HELD(confine_who("nobody", NULL, &who, &d) == RC_OK);
	HELD(confine_harden(&d) == RC_OK);
	HELD(confine_drop(&who, &d) == RC_OK);
	HELD(getuid() == who.uid && geteuid() == who.uid);
	HELD(getgid() == who.gid && getegid() == who.gid);
	HELD(getgroups(1, &group) == 1 && group == who.gid);
	HELD(setuid(0) != 0 && setgroups(0, NULL) != 0);
	proc("CapEff", text, sizeof(text));
	HELD(strcmp(text, "0000000000000000\n") == 0);
	proc("CapPrm", text, sizeof(text));
	HELD(strcmp(text, "0000000000000000\n") == 0);
	HELD(open("/etc/shadow", O_RDONLY | O_CLOEXEC) < 0);
	return true;
}

static bool root_comes_back(void)
{
	struct confine_who who;
	struct diag d = { .line = 0 };
	struct stat st;

	HELD(chmod(state, 0777) == 0);
	HELD(confine_who("nobody", NULL, &who, &d) == RC_OK);
	HELD(confine_enter(&who, &d) == RC_OK);
	HELD(geteuid() == who.uid && getuid() == 0);
	HELD(mkdir(in(state, "made"), 0700) == 0);
	HELD(open("/etc/shadow", O_RDONLY | O_CLOEXEC) < 0);
	HELD(confine_leave(&d) == RC_OK && geteuid() == 0);
	HELD(stat(in(state, "made"), &st) == 0 && st.st_uid == who.uid &&
	     st.st_gid == who.gid);
	HELD(rmdir(in(state, "made")) == 0);
	return true;
}

/* A socket in `sock` that this process made; its descriptor. */
static int bound(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
		return fd;
	CU_FAIL("cannot bind");
	return fd;
}

static uid_t uid_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 ? st.st_uid : (uid_t)-1;
}

static void what_was_made_is_given_and_nothing_else(void)
{
	struct confine_who who;
	const char *path = in(sock, "s"), *link_at = in(sock, "link");
	struct diag d = { .line = 0 };
	int fd;

	if (geteuid() != 0)
		SKIP("root");
	CU_ASSERT_EQUAL(confine_who("nobody", NULL, &who, &d), RC_OK);
	CU_ASSERT_EQUAL(confine_give(&who, path, &d), RC_ENOENT);
	fd = bound(path);
	/* Links in its place: to it, and to a file of root's. */
	CU_ASSERT_EQUAL(symlink(path, link_at), 0);
	CU_ASSERT_EQUAL(confine_give(&who, link_at, NULL), RC_ERULE);
	CU_ASSERT_EQUAL(unlink(link_at), 0);
	CU_ASSERT_EQUAL(link(in(other, "file"), link_at), 0);
	diag_clear(&d);
	CU_ASSERT_EQUAL(confine_give(&who, link_at, &d), RC_ERULE);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, link_at));
	CU_ASSERT_EQUAL(uid_of(in(other, "file")), 0);
	CU_ASSERT_EQUAL(unlink(link_at), 0);
	CU_ASSERT_EQUAL(link(path, link_at), 0);	/* another's socket */
	CU_ASSERT_EQUAL(confine_give(&who, link_at, NULL), RC_ERULE);
	CU_ASSERT_EQUAL(uid_of(path), 0);
	CU_ASSERT_EQUAL(unlink(link_at), 0);
	CU_ASSERT_EQUAL(confine_give(&who, path, &d), RC_OK);
	CU_ASSERT_EQUAL(uid_of(path), who.uid);
	CU_ASSERT_EQUAL(confine_give(&who, path, NULL), RC_ERULE);
	CU_ASSERT_EQUAL(unlink(path), 0);
	close(fd);
}

static void a_directory_of_somebody_else_is_refused(void)
{
	struct confine_who who = { .uid = 12345 };
	struct diag d = { .line = 0 };

	CU_ASSERT_EQUAL(confine_dir(&who, "/no/such/directory", &d), RC_ENOENT);
	CU_ASSERT_EQUAL(confine_dir(&who, other, NULL), RC_OK);
	CU_ASSERT_EQUAL(confine_dir(&who, "/tmp", NULL), RC_OK);
	CU_ASSERT_EQUAL(chmod(other, 0777), 0);
	diag_clear(&d);
	CU_ASSERT_EQUAL(confine_dir(&who, other, &d), RC_ERULE);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "chmod"));
	CU_ASSERT_EQUAL(chmod(other, 0700), 0);
	if (geteuid() != 0)
		SKIP("root");
	CU_ASSERT_EQUAL(chown(other, 12345, 0), 0);
	CU_ASSERT_EQUAL(confine_dir(&who, other, NULL), RC_OK);
	who.uid = 54321;
	diag_clear(&d);
	CU_ASSERT_EQUAL(confine_dir(&who, other, &d), RC_ERULE);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "12345"));
	CU_ASSERT_EQUAL(chown(other, 0, 0), 0);
}

static void a_write_elsewhere_is_refused(void)
{
	if (!in_child(there_is_landlock))
		SKIP("a kernel with Landlock");
	CU_ASSERT(in_child(writes_stay_inside));
}

static void a_thread_started_later_is_confined_too(void)
{
	if (!in_child(there_is_landlock))
		SKIP("a kernel with Landlock");
	CU_ASSERT(in_child(threads_inherit_it));
}

static void no_program_can_be_executed(void)
{
	if (!in_child(there_is_landlock))
		SKIP("a kernel with Landlock");
	CU_ASSERT(in_child(nothing_is_executed));
}

static void nothing_gains_rights(void)
{
	CU_ASSERT(in_child(rights_are_not_gained));
}

static void root_is_dropped_for_good(void)
{
	if (geteuid() != 0)
		SKIP("root");
	CU_ASSERT(in_child(root_is_gone));
}

static void what_is_made_between_belongs_to_the_account(void)
{
	if (geteuid() != 0)
		SKIP("root");
	CU_ASSERT(in_child(root_comes_back));
}

static void accounts_are_looked_up(void)
{
	struct passwd *nobody = getpwnam("nobody");
	struct confine_who who = { .uid = 7 };
	struct diag d = { .line = 0 };

	CU_ASSERT_PTR_NOT_NULL_FATAL(nobody);
	CU_ASSERT_EQUAL(confine_who("no-such-user", NULL, &who, &d), RC_ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "no-such-user"));
	CU_ASSERT_EQUAL(who.uid, 7);
	diag_clear(&d);
	CU_ASSERT_EQUAL(confine_who("nobody", "no-such-group", &who, &d),
	                RC_ENOENT);
	CU_ASSERT_EQUAL(confine_who("root", NULL, &who, NULL), RC_ERULE);
	CU_ASSERT_EQUAL(confine_who("nobody", "root", &who, NULL), RC_ERULE);
	CU_ASSERT_EQUAL(confine_who("nobody", "daemon", &who, NULL), RC_OK);
	CU_ASSERT_EQUAL(who.uid, nobody->pw_uid);
	CU_ASSERT_NOT_EQUAL(who.gid, nobody->pw_gid);
	CU_ASSERT_STRING_EQUAL(who.user, "nobody");
}

static void a_directory_that_is_not_there_is_named(void)
{
	const struct confine_paths p = { state, "/no/such/directory", NULL };
	struct diag d = { .line = 0 };
	int version = 0;
	enum rc rc = confine_files(&p, &version, &d);

	CU_ASSERT(rc == RC_ENOENT || (rc == RC_OK && version == 0));
	if (rc != RC_OK)
		CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "/no/such/directory"));
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "accounts are looked up", accounts_are_looked_up },
		{ "a directory that is not there is named",
		  a_directory_that_is_not_there_is_named },
		{ "what was made is given and nothing else",
		  what_was_made_is_given_and_nothing_else },
		{ "a directory of somebody else is refused",
		  a_directory_of_somebody_else_is_refused },
		{ "a write elsewhere is refused",
		  a_write_elsewhere_is_refused },
		{ "a thread started later is confined too",
		  a_thread_started_later_is_confined_too },
		{ "no program can be executed", no_program_can_be_executed },
		{ "nothing gains rights", nothing_gains_rights },
		{ "root is dropped for good", root_is_dropped_for_good },
		{ "what is made between belongs to the account",
		  what_is_made_between_belongs_to_the_account },
		CU_TEST_INFO_NULL
	};
	const char *const dirs[] = { state, keys, sock, other };
	int rc, fd;

	if (!mkdtemp(top) || chmod(top, 0755) != 0)
		return 99;
	snprintf(state, sizeof(state), "%s/state", top);
	snprintf(keys, sizeof(keys), "%s/keys", top);
	snprintf(sock, sizeof(sock), "%s/run", top);
	snprintf(other, sizeof(other), "%s/other", top);
	for (size_t i = 0; i < 4; i++)
		if (mkdir(dirs[i], 0700) != 0)
			return 99;
	fd = open(in(other, "file"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return 99;
	close(fd);
	rc = suite_run("confine", tests);
	unlink(in(other, "file"));
	for (size_t i = 0; i < 4; i++)
		rmdir(dirs[i]);
	rmdir(top);
	return rc;
}
