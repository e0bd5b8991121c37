/* house_part.h - what house*.c share and nobody else needs.
 *
 * Lives while house_run() does. Loop thread, or before there are others.
 */
#ifndef ALTOCAST_SERVICE_HOUSE_PART_H
#define ALTOCAST_SERVICE_HOUSE_PART_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/service/guard.h"
#include "common/service/house.h"
#include "common/sys/confine.h"

/* What is read of the files that a reload reads again. */
struct house_creds {
	struct tls_identity *http, *push;	/* NULL: plain */
	struct guard *guard;
};

struct house_part {
	struct house *h;
	pthread_t writer;
	bool writing;
	struct loop_timer *closing, *watchdog, *expiry, *age;
	const char *fresh;		/* what was served, at the last look; or
					 * NULL */
	int64_t aged;			/* when it ceased to be fresh */
	uint64_t drain_by, stop_by;	/* 0: does not */
	bool drops;			/* root, and is to become who */
	struct confine_who who;
	struct house_creds creds;
};

/* house_open.c: boxes, loop, listeners, state, in their order; rights are given up
 * on the way. What has been opened is closed by house_run() in any case. */
MUST_CHECK enum rc house_open(struct house_part *p, struct diag *d);

/* house_run.c: what the loop calls. */
void house_on_wake(void *house);
void house_on_stop(int signum, void *part);
void house_on_hangup(int signum, void *part);
void house_on_closing(void *part);
void house_on_watchdog(void *part);

/* house_rights.c, in this order. Before any thread: the state directory, what may
 * be written, no way to gain rights. */
MUST_CHECK enum rc house_confine(struct house_part *p, struct diag *d);
/* What is made between the two belongs to the account. */
MUST_CHECK enum rc house_enter(struct house_part *p, struct diag *d);
MUST_CHECK enum rc house_leave(struct house_part *p, struct diag *d);
/* All listeners are open: root is gone; a reload must be able to read its files. */
MUST_CHECK enum rc house_drop(struct house_part *p, struct diag *d);

/* house_renew.c. RC_OK: all files are good, the caller owns *out. */
MUST_CHECK enum rc house_creds_read(const struct conf *c,
                                    struct house_creds *out, struct diag *d);
void house_creds_free(struct house_creds *c);
/* Certificates that expire soon are a trouble; once now and then each hour. */
void house_on_expiry(void *part);
/* What is served is fresh, stale or expired: a change is logged. */
void house_on_age(void *part);

#endif
