/* reload.h - from `altoctl reload`, SIGHUP or a watched file to a publication.
 *
 * With min-interval publications of this kind are at least so far apart: what is
 * asked for in between is read at once, for the sake of its errors, and published
 * as one when the time has come. Writer thread.
 */
#ifndef ALTOCAST_SERVER_RELOAD_H
#define ALTOCAST_SERVER_RELOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/sys/mailbox.h"
#include "server/release.h"

struct ctlsock_req;

#define MSG_RELOAD	100	/* to the writer */
struct msg_reload {
	struct msg msg;
	struct ctlsock_req *req;	/* who waits for the answer, or NULL */
	const char *cause;		/* "command", "signal", "watch" */
	bool force;
	struct renewal beside;		/* of what else was read again */
};
void reload_drop(struct msg *m);

#define MSG_SETTLE	112	/* to the loop: a file changed while it was read:
				 * again soon */

struct reload {
	uint64_t apart_ms;		/* min-interval; 0: none */
	uint64_t last_ms;		/* monotonic, of the last one; 0: never */
	unsigned waiting;		/* that wait to be published together */
	bool force;			/* one of them wants it */
};

/* The start: files that are wrong do not stop a server that has a journal. */
MUST_CHECK enum rc reload_first(struct reload *rl, struct origin *o,
                                struct diag *d);
void reload_asked(struct reload *rl, struct origin *o,
                  const struct msg_reload *m);
/* Publishes what waits when it is due; milliseconds until then, UINT64_MAX: nothing
 * waits. */
uint64_t reload_tick(struct reload *rl, struct origin *o);

#endif
