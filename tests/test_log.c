/* Log lines as they arrive at the other end of stderr, and what the service
 * manager hears. */
#include "common/sys/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/sys/daemon.h"
#include "tests/suite.h"

static char seen[1 << 20];

/* What fn writes to stderr, through a file so that no pipe can fill. */
static const char *capture(void (*fn)(void))
{
	FILE *tmp = tmpfile();
	int keep = dup(STDERR_FILENO);
	ssize_t n;

	dup2(fileno(tmp), STDERR_FILENO);
	fn();
	dup2(keep, STDERR_FILENO);
	close(keep);
	n = pread(fileno(tmp), seen, sizeof(seen) - 1, 0);
	seen[n > 0 ? n : 0] = '\0';
	fclose(tmp);
	return seen;
}

static void say_all(void)
{
	log_error("disk", "free=%d", 0);
	log_warn("clock", "off=%ds", 70);
	log_info("publish", "resource=%s ops=%d", "cost", 12);
	log_debug("frame", "bytes=%d", 9);
}

static void a_line_has_time_level_subject_and_text(void)
{
	const char *s;

	log_init(LOG_LEVEL_INFO);
	s = capture(say_all);
	CU_ASSERT_EQUAL(s[4], '-');
	CU_ASSERT_EQUAL(s[10], 'T');
	CU_ASSERT_EQUAL(s[23], 'Z');
	CU_ASSERT_PTR_NOT_NULL(strstr(s, "Z error disk: free=0\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(s, "Z warn  clock: off=70s\n"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(s, "Z info  publish: resource=cost ops=12\n"));
}

static void a_level_hides_what_is_below_and_can_change(void)
{
	log_init(LOG_LEVEL_INFO);
	CU_ASSERT_PTR_NULL(strstr(capture(say_all), "frame:"));
	log_level_set(LOG_LEVEL_DEBUG);
	CU_ASSERT_PTR_NOT_NULL(strstr(capture(say_all), "frame: bytes=9"));
	log_level_set(LOG_LEVEL_ERROR);
	CU_ASSERT_PTR_NULL(strstr(capture(say_all), "clock:"));
	CU_ASSERT_TRUE(log_wants(LOG_LEVEL_ERROR));
	CU_ASSERT_FALSE(log_wants(LOG_LEVEL_WARN));
	log_level_set(LOG_LEVEL_INFO);
}

static void level_names_go_both_ways(void)
{
	enum log_level l = LOG_LEVEL_ERROR;

	CU_ASSERT_EQUAL(log_level_parse("debug", &l), RC_OK);
	CU_ASSERT_EQUAL(l, LOG_LEVEL_DEBUG);
	CU_ASSERT_STRING_EQUAL(log_level_name(l), "debug");
	CU_ASSERT_EQUAL(log_level_parse("loud", &l), RC_EINVAL);
	CU_ASSERT_EQUAL(l, LOG_LEVEL_DEBUG);
}

static void say_dirty(void)
{
	log_info("a\nb", "x=%s", "1\n<0>forged\r\t\x1b[31m\x7f");
	log_info("utf", "x=%s", "Z\xc3\xbcrich \xff \xc2\x85 \xe2\x82");
}

static void control_characters_and_bad_utf8_are_escaped(void)
{
	const char *s = capture(say_dirty);

	CU_ASSERT_PTR_NOT_NULL(strstr(s, "a\\x0ab: x=1\\x0a<0>forged\\x0d"
				      "\\x09\\x1b[31m\\x7f\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(s, "x=Z\xc3\xbcrich \\xff \\xc2\\x85 "
				      "\\xe2\\x82\n"));
	CU_ASSERT_EQUAL(strchr(strchr(s, '\n') + 1, '\n')[1], '\0');
}

static void say_long(void)
{
	static char big[LOG_LINE_MAX * 3];

	memset(big, '\x01', sizeof(big) - 1);
	log_info("big", "x=%s", big);
}

static void a_long_line_is_cut_and_still_one_line(void)
{
	const char *s = capture(say_long);
	size_t n = strlen(s);

	CU_ASSERT(n > LOG_LINE_MAX - 100 && n <= LOG_LINE_MAX + 1);
	CU_ASSERT_STRING_EQUAL(s + n - 4, "...\n");
	CU_ASSERT_EQUAL(strchr(s, '\n'), s + n - 1);
}

static void *talk(void *arg)
{
	for (int i = 0; i < 200; i++)
		log_info("talk", "who=%s n=%d end", (const char *)arg, i);
	return NULL;
}

static void say_threads(void)
{
	static char names[4][2] = { "a", "b", "c", "d" };
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		CU_ASSERT_EQUAL(pthread_create(&t[i], NULL, talk, names[i]), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
}

static void lines_of_threads_do_not_mix(void)
{
	const char *s = capture(say_threads);
	int lines = 0, whole = 0;

	while (*s) {
		const char *end = strchr(s, '\n');

		lines++;
		whole += strncmp(s + 25, "info  talk: who=", 16) == 0 &&
			 strncmp(end - 4, " end", 4) == 0 && end - s < 70;
		s = end + 1;
	}
	CU_ASSERT_EQUAL(lines, 800);
	CU_ASSERT_EQUAL(whole, 800);
}

static void say_as_journal(void)
{
	char env[64];
	struct stat st;

	fstat(STDERR_FILENO, &st);
	snprintf(env, sizeof(env), "%ju:%ju", (uintmax_t)st.st_dev,
		 (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", env, 1);
	log_init(LOG_LEVEL_DEBUG);
	say_all();
}

static void to_the_journal_lines_carry_a_priority(void)
{
	const char *s = capture(say_as_journal);

	CU_ASSERT_STRING_EQUAL(s, "<3>disk: free=0\n<4>clock: off=70s\n"
			       "<6>publish: resource=cost ops=12\n"
			       "<7>frame: bytes=9\n");
	/* An inherited name of some other stream does not count. */
	log_init(LOG_LEVEL_INFO);
	CU_ASSERT_NOT_EQUAL(capture(say_all)[0], '<');
	unsetenv("JOURNAL_STREAM");
}

static int errno_after;

static void say_into_nothing(void)
{
	close(STDERR_FILENO);
	errno = ENOSPC;
	log_error("disk", "x");
	errno_after = errno;
}

static void logging_never_fails_and_keeps_errno(void)
{
	capture(say_into_nothing);
	CU_ASSERT_EQUAL(errno_after, ENOSPC);
}

static void a_daemon_starts_with_safe_limits(void)
{
	struct sigaction sa;
	struct rlimit lim;

	CU_ASSERT_EQUAL(daemon_init(NULL), RC_OK);
	CU_ASSERT_EQUAL(sigaction(SIGPIPE, NULL, &sa), 0);
	CU_ASSERT(sa.sa_handler == SIG_IGN);
	CU_ASSERT_EQUAL(umask(077), 077);
	CU_ASSERT_EQUAL(getrlimit(RLIMIT_NOFILE, &lim), 0);
	CU_ASSERT(lim.rlim_cur == lim.rlim_max || lim.rlim_cur == 1 << 20);
	CU_ASSERT_EQUAL(daemon_max_files(), lim.rlim_cur);
}

static void hears(int fd, const char *want)
{
	char got[512];
	ssize_t n = recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT);

	got[n > 0 ? n : 0] = '\0';
	CU_ASSERT_STRING_EQUAL(got, want);
}

static void the_service_manager_is_told(void)
{
	char dir[] = "/tmp/test_log.XXXXXX";
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(un.sun_path, sizeof(un.sun_path), "%s/notify", dir);
	CU_ASSERT_EQUAL(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	daemon_ready();			/* nobody listens: nothing happens */
	CU_ASSERT_EQUAL(daemon_watchdog_ms(), 0);
	setenv("NOTIFY_SOCKET", un.sun_path, 1);
	setenv("WATCHDOG_USEC", "3000000", 1);
	daemon_ready();
	hears(fd, "READY=1");
	daemon_status("serial=%d\nREADY=0", 7);
	hears(fd, "STATUS=serial=7 READY=0");
	CU_ASSERT_EQUAL(daemon_watchdog_ms(), 1500);
	daemon_watchdog();
	hears(fd, "WATCHDOG=1");
	daemon_stopping();
	hears(fd, "STOPPING=1");
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	close(fd);
	unlink(un.sun_path);
	rmdir(dir);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "a line has time, level, subject and text",
		  a_line_has_time_level_subject_and_text },
		{ "a level hides what is below and can change",
		  a_level_hides_what_is_below_and_can_change },
		{ "level names go both ways", level_names_go_both_ways },
		{ "control characters and bad UTF-8 are escaped",
		  control_characters_and_bad_utf8_are_escaped },
		{ "a long line is cut and still one line",
		  a_long_line_is_cut_and_still_one_line },
		{ "lines of threads do not mix", lines_of_threads_do_not_mix },
		{ "to the journal lines carry a priority",
		  to_the_journal_lines_carry_a_priority },
		{ "logging never fails and keeps errno",
		  logging_never_fails_and_keeps_errno },
		{ "a daemon starts with safe limits",
		  a_daemon_starts_with_safe_limits },
		{ "the service manager is told", the_service_manager_is_told },
		CU_TEST_INFO_NULL
	};

	return suite_run("log", tests);
}
