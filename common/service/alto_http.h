/* alto_http.h - the ALTO endpoints over a slot: /directory, /maps/<id> and /state
 * by GET, and the computed services of the catalog by POST.
 *
 * A request takes one snapshot with its catalog, and everything from them. What
 * fits no path, method, type or coding is refused in this order: 404, 405, 415,
 * 406; then 503 when what is held has expired, then the body is read. Before a GET
 * gets 404 or 503 it may wait for a question upstream (miss.h). HTTP threads; what
 * would keep one of those for long is computed on a thread for that (heavy.h), and a
 * client that has too much of it there already gets a 503.
 */
#ifndef ALTOCAST_SERVICE_ALTO_HTTP_H
#define ALTOCAST_SERVICE_ALTO_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/net/http.h"
#include "common/service/status.h"
#include "common/sys/slot.h"

struct alto_http;
struct pollers;

/* Texts and arrays are copied; slot and status must outlive it. */
struct alto_http_config {
	struct http_config http;
	struct slot *slot;
	struct status *status;
	unsigned heartbeat;		/* seconds; max-age is at most this */
	char push_uri[1025];		/* header ALTO-Push of /directory; ""
					 * none */
	size_t answer_max;		/* bytes of one computed answer */
	uint64_t answers_max;		/* of all that are made or sent at once */
	const char *const *origins;	/* web pages that may read (CORS), "*":
					 * all; none: no page may */
	size_t n_origins;
	const char *const *forwarders;	/* addresses, prefixes: whose word about
					 * the client's address is believed */
	size_t n_forwarders;
	bool forwarded_rfc7239;		/* in Forwarded, else in
					 * X-Forwarded-For */
};

/* RC_EINVAL, RC_EIO of http_start(); RC_ESYNTAX, RC_ERULE: a forwarder is no
 * address; d says which. */
MUST_CHECK enum rc alto_http_start(const struct alto_http_config *cfg,
                                   struct diag *d, struct alto_http **out);
uint16_t alto_http_port(const struct alto_http *a);
/* What the listener refused by itself. */
void alto_http_counts(const struct alto_http *a, struct http_counts *out);
unsigned alto_http_conns(const struct alto_http *a);	/* open now */
struct pollers *alto_http_pollers(const struct alto_http *a);	/* lent */
void alto_http_stop(struct alto_http *a);		/* NULL is fine */
/* As http_set_identity(). Any thread. */
MUST_CHECK enum rc alto_http_set_identity(struct alto_http *a,
                                          struct tls_identity *id);
/* As replies_ahead(). Loop thread. */
void alto_http_ahead(struct alto_http *a, struct snapshot *s);
struct miss;
/* What is not held, or not any more, is waited for there from now on; it is closed
 * by alto_http_stop() and freed by the caller after that. Once. */
void alto_http_set_miss(struct alto_http *a, struct miss *m);
/* As the publisher above says. Any thread. */
void alto_http_set_heartbeat(struct alto_http *a, unsigned seconds);
/* Lets go of the version before, of which maps may be large, and begins to code
 * the new one; call when the slot has a new one, or that waits for the next
 * request. When slow readers hold more than 256 MiB of bodies out of date, the
 * answers that have been sent longest are broken off. Any thread. */
void alto_http_turn(struct alto_http *a);

#endif
