/* ctl.h - the control socket: commands in, JSON objects out.
 *
 * A request is one line, a JSON object with the member "command" and the
 * command's own members; the answer is one line, a JSON object. An error is
 * {"error":TEXT} with whatever else helps. Loop thread.
 */
#ifndef ALTOCAST_SERVICE_CTL_H
#define ALTOCAST_SERVICE_CTL_H

#include <jansson.h>
#include <stddef.h>

#include "common/base/diag.h"
#include "common/base/rc.h"

struct loop;
struct ctlsock_req;
struct ctl;

struct ctl_command {
	const char *name;
	/* Must lead to one ctl_answer() for req, now or later. */
	void (*run)(struct ctlsock_req *req, const json_t *args, void *arg);
};

/* commands (terminated by a NULL name) and arg outlive it. It ends with the
 * loop. */
MUST_CHECK enum rc ctl_listen(struct loop *l, const char *path,
                              const struct ctl_command *commands, void *arg,
                              struct diag *d);
/* text: one JSON object without newline. */
void ctl_answer(struct ctlsock_req *req, const char *text, size_t len);
void ctl_error(struct ctlsock_req *req, const char *fmt, ...)
	PRINTF_LIKE(2, 3);

#endif
