/* admin_http.h - the operators' listener: /metrics, /healthz, /readyz, /status.
 *
 * The answers come from the loop, which is asked and waited for a short while; a
 * loop that does not answer is itself the answer (503). HTTP threads.
 */
#ifndef ALTOCAST_SERVICE_ADMIN_HTTP_H
#define ALTOCAST_SERVICE_ADMIN_HTTP_H

#include <stdbool.h>

#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/net/http.h"
#include "common/service/report.h"
#include "common/sys/mailbox.h"

#define ADMIN_WAIT_MS 2000

/* To the loop: fill in and answer. */
#define MSG_ASKED 20
struct admin_http;

MUST_CHECK enum rc admin_http_start(const struct http_config *http,
                                    struct mailbox *loop, struct diag *d,
                                    struct admin_http **out);
uint16_t admin_http_port(const struct admin_http *a);
void admin_http_stop(struct admin_http *a);		/* NULL is fine */

/* Loop thread: answers a MSG_ASKED message and lets go of it. */
void admin_http_answer(struct msg *asked, const struct report *r);
/* The same for one that the loop will not answer any more. */
void admin_http_drop(struct msg *asked);

#endif
