#include "client/ctl_call.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX (64u << 20)
#define ERROR_MAX 8192

static bool as_json;

void ctl_fail_json(void)
{
	as_json = true;
}

static void say_json(char *text)
{
	json_t *s = json_string(text);
	char *line;

	for (char *c = text; !s && *c; c++)	/* not UTF-8: a path, say */
		*c = *c < ' ' || *c > '~' ? '?' : *c;
	json_decref(s);
	s = json_pack("{s:s}", "error", text);
	line = json_dumps(s, JSON_COMPACT);
	puts(line ? line : "{\"error\":\"out of memory\"}");
	free(line);
	json_decref(s);
}

int ctl_fail(int status, const char *fmt, ...)
{
	char text[ERROR_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* What does not end it is no answer. */
	if (as_json && status != EXIT_DONE)
		say_json(text);
	else
		fprintf(stderr, "altoctl: %s\n", text);
	return status;
}

static int dial(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(to.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(to.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	err = errno;
	close(fd);
	errno = err;
	return -1;
}

int ctl_reach(const char *given, int *fd)
{
	const char *path = given;

	if (!path)
		path = access(SERVER_SOCKET, F_OK) != 0 &&
		       access(PROXY_SOCKET, F_OK) == 0 ? PROXY_SOCKET
		                                       : SERVER_SOCKET;
	*fd = dial(path);
	if (*fd >= 0)
		return EXIT_DONE;
	if (errno == ENOENT || errno == ECONNREFUSED)
		return ctl_fail(EXIT_NOT_RUNNING, "no daemon listens on %s%s",
		                path, given ? "" :
		                " (--socket names another one)");
	return ctl_fail(EXIT_REFUSED, "%s: %s", path, strerror(errno));
}

int64_t ctl_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Waits until fd can be read; false with errno. */
static bool wait_for(int fd, int64_t due_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int n;

	do {
		int64_t left = due_ms - ctl_now_ms();

		n = poll(&p, 1, due_ms < 0 ? -1 : left > 0 ? (int)left : 0);
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		errno = ETIMEDOUT;
	return n > 0;
}

/* Takes in more of the answer; NULL with errno when there is no more. */
static char *more(int fd, char *text, size_t *room, size_t len, ssize_t *got)
{
	char *grown;

	if (*room - len < 65536) {
		*room = *room * 2 + 131072;
		if (*room > 2 * ANSWER_MAX) {
			errno = EMSGSIZE;
			return NULL;
		}
		grown = realloc(text, *room);
		if (!grown)
			return NULL;
		text = grown;
	}
	do
		*got = read(fd, text + len, *room - len - 1);
	while (*got < 0 && errno == EINTR);
	return text;
}

char *ctl_hear(int fd, int64_t due_ms)
{
	char *text = NULL, *grown, *end = NULL;
	size_t len = 0, room = 0;
	ssize_t got = 0;

	while (!end) {
		if (!wait_for(fd, due_ms))
			break;
		grown = more(fd, text, &room, len, &got);
		if (!grown)
			break;
		text = grown;
		if (got <= 0) {
			errno = got == 0 ? 0 : errno;
			break;
		}
		end = memchr(text + len, '\n', (size_t)got);
		len += (size_t)got;
	}
	if (end) {
		*end = '\0';
		return text;
	}
	free(text);
	return NULL;
}

bool ctl_say(int fd, const char *text)
{
	size_t len = strlen(text);

	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		text += n;
		len -= (size_t)n;
	}
	return true;
}
