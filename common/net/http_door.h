/* http_door.h - who may come in to an HTTP listener, and how one is sent away.
 *
 * A thread takes the connections from the listening socket and hands those
 * within the limits on. The others get a 503 that names the limit and are closed,
 * and never cost more than that: no flood from one address keeps another out.
 *
 * A socket closed on a client that is still sending is reset, and with it goes
 * the answer that the client has not read. So those that were answered early
 * stay here for a moment, ended on our side, and what still comes is thrown
 * away: at most HTTP_DOOR_STAY sockets.
 */
#ifndef ALTOCAST_NET_HTTP_DOOR_H
#define ALTOCAST_NET_HTTP_DOOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/base/rc.h"

#define HTTP_DOOR_STAY 64

struct http_door;

struct http_door_config {
	int fd;			/* listens, not blocking; closed by the door */
	unsigned max;		/* connections */
	unsigned max_per_addr;	/* IPv6: per /64; 0: no such limit */
	bool tls;		/* send nobody away in clear text */
	/* Takes the socket over, on the door's thread. false: could not, and has
	 * closed it. */
	bool (*enter)(void *arg, int fd, const struct sockaddr *sa,
	              socklen_t len);
	void *arg;
};

/* Nobody comes in before http_door_open(). RC_ENOMEM: fd is not closed.
 * RC_EIO: no thread; http_door_free() it. */
MUST_CHECK enum rc http_door_new(const struct http_door_config *cfg,
                                 struct http_door **out);
MUST_CHECK enum rc http_door_open(struct http_door *d);
/* Nobody comes in any more, nor stays; the listening socket is closed. */
void http_door_shut(struct http_door *d);
void http_door_free(struct http_door *d);	/* shuts it; NULL is fine */

/* The following: any thread. */

/* One that came in is about to be closed; it stays if bytes lie unread in it. */
void http_door_leave(struct http_door *d, int fd);
/* It will stay in any case: it has been answered before it had said all. */
void http_door_stay(struct http_door *d, int fd);

struct http_door_counts {
	unsigned in;			/* now */
	uint64_t refused, refused_addr;	/* over max, over max_per_addr */
};
void http_door_counts(struct http_door *d, struct http_door_counts *out);

#endif
