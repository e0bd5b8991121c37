/* faulty.c - a disk that fails and a clock that jumps when told to: preloaded
 * into a daemon, the disk for the files below one folder and for nothing else.
 *
 * FAULTY_DIR is that folder; FAULTY_CTL a file of five numbers of 32 bits,
 * shared with the test: what is wrong (enum below), how many calls it is still
 * wrong for, and how many it was wrong for; then by how many seconds the wall
 * clock is ahead, and the monotonic one. The test sets all but the third; both
 * sides only ever see whole numbers. A clock that was set is seen at once.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

enum { FINE, SHORT, EIO_WRITE, FULL, EIO_SYNC };

struct ctl {
	_Atomic int wrong, left, hits;
	_Atomic int wall, mono;
};

static struct ctl *ctl;
static const char *dir;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("FAULTY_CTL");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *at;

	dir = getenv("FAULTY_DIR");
	if (fd < 0 || !dir)
		return;
	at = mmap(NULL, sizeof(*ctl), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
	          0);
	close(fd);
	if (at != MAP_FAILED)
		ctl = at;
}

static bool is_ours(int fd)
{
	char link[64], path[4096];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return false;
	path[n] = '\0';
	return strncmp(path, dir, strlen(dir)) == 0 && path[strlen(dir)] == '/';
}

/* What is wrong with this call, if anything is. */
static int wrong(int fd, bool sync)
{
	int what = ctl ? atomic_load(&ctl->wrong) : FINE;
	int saved = errno;

	if (what == FINE || (what == EIO_SYNC) != sync || !is_ours(fd))
		what = FINE;
	else if (atomic_fetch_sub(&ctl->left, 1) <= 0)
		what = FINE;
	else
		atomic_fetch_add(&ctl->hits, 1);
	errno = saved;
	return what;
}

static void *real(const char *name)
{
	void *at = dlsym(RTLD_NEXT, name);

	if (!at)
		abort();
	return at;
}

/* True: answer *out. Else write *len bytes, which may be fewer now. */
static bool spoil(int fd, size_t *len, ssize_t *out)
{
	int what = wrong(fd, false);

	*out = -1;
	if (what == SHORT)
		*len = *len > 1 ? *len / 2 : *len;
	else if (what == EIO_WRITE)
		errno = EIO;
	else if (what == FULL)
		errno = ENOSPC;
	return what == EIO_WRITE || what == FULL;
}

ssize_t write(int fd, const void *data, size_t len)
{
	static ssize_t (*next)(int, const void *, size_t);
	ssize_t out;

	if (!next)
		*(void **)&next = real("write");
	return spoil(fd, &len, &out) ? out : next(fd, data, len);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
	static ssize_t (*next)(int, const void *, size_t, off_t);
	ssize_t out;

	if (!next)
		*(void **)&next = real("pwrite");
	return spoil(fd, &len, &out) ? out : next(fd, data, len, at);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
	static ssize_t (*next)(int, const void *, size_t, off64_t);
	ssize_t out;

	if (!next)
		*(void **)&next = real("pwrite64");
	return spoil(fd, &len, &out) ? out : next(fd, data, len, at);
}

int fsync(int fd)
{
	static int (*next)(int);

	if (!next)
		*(void **)&next = real("fsync");
	if (wrong(fd, true) == FINE)
		return next(fd);
	errno = EIO;
	return -1;
}

int fdatasync(int fd)
{
	static int (*next)(int);

	if (!next)
		*(void **)&next = real("fdatasync");
	if (wrong(fd, true) == FINE)
		return next(fd);
	errno = EIO;
	return -1;
}

static int ahead(clockid_t id)
{
	if (!ctl)
		return 0;
	if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
		return atomic_load(&ctl->wall);
	if (id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE)
		return atomic_load(&ctl->mono);
	return 0;
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	static int (*next)(clockid_t, struct timespec *);
	int e;

	if (!next)
		*(void **)&next = real("clock_gettime");
	e = next(id, ts);
	if (e == 0)
		ts->tv_sec += ahead(id);
	return e;
}

time_t time(time_t *out)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (out)
		*out = ts.tv_sec;
	return ts.tv_sec;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec ts;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &ts);
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}

/* The kernel waits by its own clock; all such waits here are monotonic. */
int pthread_cond_timedwait(pthread_cond_t *restrict cond,
                           pthread_mutex_t *restrict lock,
                           const struct timespec *restrict until)
{
	static int (*next)(pthread_cond_t *, pthread_mutex_t *,
	                   const struct timespec *);
	struct timespec ts = *until;

	if (!next)
		*(void **)&next = real("pthread_cond_timedwait");
	ts.tv_sec -= ahead(CLOCK_MONOTONIC);
	return next(cond, lock, &ts);
}
