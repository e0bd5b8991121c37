/* ctlsock.h - the control socket: a local stream socket, one request a line.
 *
 * For each line (without its newline, CR dropped, NUL-terminated) `line` gets a
 * request that must be answered once, now or later, by ctlsock_reply(). The
 * connection is not read until then, so requests of one connection are answered
 * in order. The bytes of an answer are the caller's business; they may not pass
 * max_reply. A client that goes away before its answer is no error: the answer
 * is dropped. Requests still open at loop_free() are freed by it. Loop thread
 * only.
 */
#ifndef ALTOCAST_NET_CTLSOCK_H
#define ALTOCAST_NET_CTLSOCK_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/diag.h"
#include "common/base/rc.h"

struct loop;
struct ctlsock_req;

struct ctlsock_config {
	const char *path;
	unsigned mode;		/* of the socket file, e.g. 0660 */
	size_t max_line;	/* a longer line closes the connection */
	size_t max_reply;	/* a longer answer closes the connection */
	unsigned max_conns;	/* more are closed as they come */
	uint64_t idle_ms;	/* closed after so long without a line (not
				 * while an answer is owed); 0: never */
	void (*line)(struct ctlsock_req *req, const char *line, void *arg);
	void *arg;
};

/* One control socket for each loop. A socket file nobody listens on any more is
 * replaced. RC_EEXIST: somebody listens there, or it is no socket. RC_EINVAL:
 * the path is too long for a socket. RC_EIO with the reason in diag. */
MUST_CHECK enum rc ctlsock_listen(struct loop *l,
                                  const struct ctlsock_config *config,
                                  struct diag *diag);
void ctlsock_reply(struct ctlsock_req *req, const void *data, size_t len);

#endif
