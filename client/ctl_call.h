/* ctl_call.h - a daemon's control socket, from the side of who asks. */
#ifndef ALTOCAST_CLIENT_CTL_CALL_H
#define ALTOCAST_CLIENT_CTL_CALL_H

#include <stdbool.h>
#include <stdint.h>

#define SERVER_SOCKET "/run/alto-server.sock"
#define PROXY_SOCKET "/run/alto-proxy.sock"

/* The exit statuses of altoctl. */
enum { EXIT_DONE, EXIT_REFUSED, EXIT_USAGE, EXIT_NOT_RUNNING };

/* From now on failures are said as daemons do: {"error":TEXT} on stdout. */
void ctl_fail_json(void);

/* Says why on stderr; returns status. */
int ctl_fail(int status, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Connects to the socket of that path; NULL: to the server's, or else the
 * proxy's. EXIT_DONE with *fd, or the exit status, with the reason said. */
int ctl_reach(const char *path, int *fd);

bool ctl_say(int fd, const char *text);		/* false with errno */

/* The answer's line, malloc'd; NULL with errno (0: closed before it came).
 * due_ms: of ctl_now_ms(); -1: never. */
char *ctl_hear(int fd, int64_t due_ms);
int64_t ctl_now_ms(void);			/* a monotonic clock */

#endif
