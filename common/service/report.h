/* report.h - what a daemon says about itself, as text: status, metrics, health.
 *
 * One gathering for the control socket and for the admin listener. Loop thread.
 */
#ifndef ALTOCAST_SERVICE_REPORT_H
#define ALTOCAST_SERVICE_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/core/snapshot.h"
#include "common/service/push.h"
#include "common/service/status.h"

struct alto_http;
struct tls_identity;

struct report {
	const char *role;		/* "server", "proxy" */
	const char *version;
	/* Listeners, as URIs; "" none. */
	char http[256], push[IRD_URI_MAX + 1], admin[256];
	/* What the listeners show, lent; NULL: plain. */
	const struct tls_identity *http_tls, *push_tls;
	struct snapshot *head;		/* of the last message, or NULL */
	size_t *entities;		/* for each resource of head, 0 if it is
					 * no property map; NULL: not counted */
	const struct push *subscribers;	/* NULL: no listener */
	const struct alto_http *clients;	/* NULL: no listener */
	struct status *status;
	unsigned heartbeat;
	bool draining;			/* subscribers are being sent away */
	/* Is the resource overridden by the operator? May be NULL. */
	bool (*overridden)(const char *id, void *arg);
	void *arg;
	/* A server: why the proxy of that name, which announces uri, is not in the
	 * directory's list; "": it is. peer NULL: it is not connected here. May be
	 * NULL. */
	const char *(*unlisted)(const char *name, const char *uri,
	                        const char *peer, void *arg);
	void *unlisted_arg;
};

/* "fresh", "stale", "expired" at now (Unix seconds). *age: seconds since it was
 * signed. */
const char *report_freshness(const struct state *st, unsigned heartbeat,
                             int64_t now, int64_t *age);

/* Borrows next as the new head and counts what is new in it; the head before must
 * still be there. NULL: lets go of everything. */
void report_turn(struct report *r, struct snapshot *next);

void report_status(const struct report *r, int64_t now, uint64_t mono_ms,
                   struct buf *dst);	/* one JSON object */
void report_metrics(const struct report *r, int64_t now, uint64_t mono_ms,
                    struct buf *dst);	/* Prometheus text, version 0.0.4 */
/* true: ready. Either way dst gets {"ready":..,"reasons":[..]}. */
bool report_ready(const struct report *r, int64_t now, struct buf *dst);

#endif
