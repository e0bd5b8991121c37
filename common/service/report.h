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

struct report {
	const char *role;		/* "server", "proxy" */
	const char *version;
	/* Listeners, as URIs; "" none. */
	char http[256], push[IRD_URI_MAX + 1], admin[256];
	struct snapshot *head;		/* of the last message, or NULL */
	const struct push *subscribers;	/* NULL: no listener */
	struct status *status;
	unsigned heartbeat;
	/* Is the resource overridden by the operator? May be NULL. */
	bool (*overridden)(const char *id, void *arg);
	void *arg;
};

/* "fresh", "stale", "expired" at now (Unix seconds). *age: seconds since it was
 * signed. */
const char *report_freshness(const struct state *st, unsigned heartbeat,
                             int64_t now, int64_t *age);

void report_status(const struct report *r, int64_t now, uint64_t mono_ms,
                   struct buf *dst);	/* one JSON object */
void report_metrics(const struct report *r, int64_t now, uint64_t mono_ms,
                    struct buf *dst);	/* Prometheus text, version 0.0.4 */
/* true: ready. Either way dst gets {"ready":..,"reasons":[..]}. */
bool report_ready(const struct report *r, int64_t now, struct buf *dst);

#endif
