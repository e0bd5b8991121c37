#include "common/sys/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

static enum rc fail(struct diag *d, const char *what)
{
	return diag_set(d, RC_EIO, "%s: %s", what, strerror(errno));
}

/* libwebsockets makes tables of this size; containers set it to 2^30. */
#define FILES_MAX ((rlim_t)1 << 20)

static enum rc raise_files(struct diag *d)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) != 0)
		return fail(d, "cannot ask for the limit of open files");
	lim.rlim_cur = lim.rlim_max < FILES_MAX ? lim.rlim_max : FILES_MAX;
	if (setrlimit(RLIMIT_NOFILE, &lim) != 0)
		return fail(d, "cannot set the limit of open files");
	return RC_OK;
}

/* Names from the wire become keys of hash tables: without a seed of our own a
 * sender could choose names that collide. */
static enum rc seed_tables(struct diag *d)
{
	size_t seed = 0;

	do {
		if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
			return fail(d, "no random bytes");
	} while (seed == 0);		/* 0 would mean "choose one yourself" */
	json_object_seed(seed);
	return RC_OK;
}

/* A map is made by one thread and let go by another, whoever reads it last. With
 * a heap for each thread what is free in one would be of no use in the next, and
 * a large map would be resident twice. */
static void share_heap(void)
{
#ifdef M_ARENA_MAX
	mallopt(M_ARENA_MAX, 1);
#endif
}

/* Who was started without a standard stream must not get a socket in its place:
 * libuv aborts when it closes one of them. */
static enum rc hold_streams(struct diag *d)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return fail(d, "cannot open /dev/null");
	close(fd);
	return RC_OK;
}

enum rc daemon_init(struct diag *d)
{
	struct sigaction ign = { .sa_handler = SIG_IGN };
	enum rc rc = hold_streams(d);

	if (rc != RC_OK)
		return rc;
	umask(077);
	share_heap();
	if (sigaction(SIGPIPE, &ign, NULL) != 0)
		return fail(d, "cannot ignore SIGPIPE");
	rc = raise_files(d);
	if (rc != RC_OK)
		return rc;
	return seed_tables(d);
}

uint64_t daemon_max_files(void)
{
	struct rlimit lim;

	return getrlimit(RLIMIT_NOFILE, &lim) == 0 ? lim.rlim_cur : 0;
}

void daemon_ready(void)
{
	sd_notify(0, "READY=1");
}

void daemon_reloading(void)
{
	sd_notify(0, "RELOADING=1");
}

void daemon_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}

void daemon_status(const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *p = text; *p; p++)	/* a newline would start a new field */
		if (*p == '\n')
			*p = ' ';
	sd_notifyf(0, "STATUS=%s", text);
}

uint64_t daemon_watchdog_ms(void)
{
	uint64_t usec = 0;

	if (sd_watchdog_enabled(0, &usec) <= 0)
		return 0;
	return usec >= 2000 ? usec / 2000 : 1;
}

void daemon_watchdog(void)
{
	sd_notify(0, "WATCHDOG=1");
}
