#include "client/ctl_backup.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/ctl_call.h"
#include "client/ctl_table.h"

#define COPY_NAME "journal.copy."	/* as daemons call theirs */

static char under_way[PATH_MAX];	/* beside the file: not whole yet */

static void on_end(int sig)
{
	unlink(under_way);
	raise(sig);			/* as if it had not been caught */
}

static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGALRM,
                            SIGUSR1, SIGUSR2, SIGXCPU, SIGXFSZ };

#define N_ENDS (sizeof(ends) / sizeof(ends[0]))

/* Whoever does not wait for the end finds no file. */
static void catch_ends(void)
{
	struct sigaction act = { .sa_handler = on_end,
	                         .sa_flags = (int)SA_RESETHAND }, was;

	for (size_t i = 0; i < N_ENDS; i++)
		if (sigaction(ends[i], NULL, &was) == 0 &&
		    was.sa_handler != SIG_IGN)
			sigaction(ends[i], &act, NULL);
}

/* No end comes between the file and who removes it. */
static int make_beside(void)
{
	sigset_t held, was;
	int fd, e;

	sigemptyset(&held);
	for (size_t i = 0; i < N_ENDS; i++)
		sigaddset(&held, ends[i]);
	sigprocmask(SIG_BLOCK, &held, &was);
	fd = mkostemp(under_way, O_CLOEXEC);
	e = errno;
	if (fd >= 0)
		catch_ends();
	sigprocmask(SIG_SETMASK, &was, NULL);
	errno = e;
	return fd;
}

static int fail_file(const char *file, int e)
{
	return ctl_fail(EXIT_REFUSED, "backup: %s: %s", file, e == EEXIST ?
	                "it is there already; a backup never overwrites" :
	                strerror(e));
}

int ctl_backup_open(const char *file, int *fd)
{
	struct stat st;

	if (lstat(file, &st) == 0)
		return fail_file(file, EEXIST);
	if ((size_t)snprintf(under_way, sizeof(under_way), "%s.XXXXXX", file)
	    >= sizeof(under_way))
		return fail_file(file, ENAMETOOLONG);
	*fd = make_beside();
	return *fd >= 0 ? EXIT_DONE : fail_file(file, errno);
}

/* It has its name once it is whole and on disk; one that has come there meanwhile
 * stays what it is. */
static bool give_name(const char *file)
{
	char *copy = strdup(file);
	int dir = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY |
	                      O_CLOEXEC) : -1;
	bool ok = dir >= 0 && renameat2(AT_FDCWD, under_way, AT_FDCWD, file,
	                                RENAME_NOREPLACE) == 0;

	if (dir >= 0 && !ok && errno == EINVAL)	/* not on this file system */
		ok = link(under_way, file) == 0 && unlink(under_way) == 0;
	if (ok)
		ok = fsync(dir) == 0;
	if (dir >= 0)
		close(dir);
	free(copy);
	return ok;
}

static bool write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

/* false with errno; 0: it is shorter or longer than was said. */
static bool copy(int from, int to, int64_t bytes)
{
	static char part[1 << 16];
	ssize_t n = 1;

	while (n > 0) {
		n = read(from, part, sizeof(part));
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0 && !write_all(to, part, (size_t)n))
			return false;
		else if (n > 0)
			bytes -= n;
	}
	if (n < 0 || fsync(to) != 0)
		return false;
	errno = 0;
	return bytes == 0;
}

/* altoctl may have more rights than the daemon: nothing but a copy is read, and
 * removed, at its word. */
static int open_copy(const char *path)
{
	const char *name = strrchr(path, '/');
	struct stat st;
	int fd;

	errno = EINVAL;
	if (!name || strncmp(name + 1, COPY_NAME, strlen(COPY_NAME)) != 0)
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_nlink == 1)
		return fd;
	if (fd >= 0) {
		close(fd);
		errno = EINVAL;
	}
	return -1;
}

int ctl_backup_take(json_t *answer, const char *file, int fd)
{
	const char *path = text_of(answer, "path");
	int from = open_copy(path);
	int status = EXIT_DONE;

	if (from < 0)
		return ctl_fail(EXIT_REFUSED, "backup: %s: %s; say it as the "
		                "daemon's user or as root", path,
		                strerror(errno));
	if (!copy(from, fd, int_of(answer, "bytes")))
		status = ctl_fail(EXIT_REFUSED, "backup: %s: %s", file, errno ?
		                  strerror(errno) : "not all of the copy came");
	else if (!give_name(file))
		status = fail_file(file, errno);
	close(from);
	/* The daemon may have found that it lay there for long enough. */
	if (unlink(path) != 0 && errno != ENOENT && status == EXIT_DONE)
		ctl_fail(EXIT_DONE, "backup: %s stays behind: %s", path,
		         strerror(errno));
	if (json_object_set_new(answer, "path", json_string(file)) != 0)
		status = ctl_fail(EXIT_REFUSED, "out of memory");
	return status;
}

void ctl_backup_end(int fd, int status)
{
	close(fd);
	if (status != EXIT_DONE)
		unlink(under_way);
}
