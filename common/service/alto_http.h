/* alto_http.h - the ALTO endpoints over a slot: /directory, /maps/<id>, /state.
 *
 * A response is built once for each version and resource (header block of the
 * snapshot's state, body by reference) and shared by every request. A request
 * takes one snapshot and everything from it. HTTP threads.
 */
#ifndef ALTOCAST_SERVICE_ALTO_HTTP_H
#define ALTOCAST_SERVICE_ALTO_HTTP_H

#include <stddef.h>

#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/net/http.h"
#include "common/service/status.h"
#include "common/sys/slot.h"

struct alto_http;

struct alto_http_config {
	struct http_config http;
	struct slot *slot;
	struct status *status;
	unsigned heartbeat;		/* seconds; max-age is at most this */
	char push_uri[1025];		/* header ALTO-Push of /directory; ""
					 * none */
};

MUST_CHECK enum rc alto_http_start(const struct alto_http_config *cfg,
                                   struct diag *d, struct alto_http **out);
uint16_t alto_http_port(const struct alto_http *a);
void alto_http_stop(struct alto_http *a);		/* NULL is fine */
/* As the publisher above says. Any thread. */
void alto_http_set_heartbeat(struct alto_http *a, unsigned seconds);
/* Lets go of the version before, of which maps may be large; call when the slot
 * has a new one, or that waits for the next request. Any thread. */
void alto_http_turn(struct alto_http *a);

#endif
