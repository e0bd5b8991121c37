/* roster.h - which proxies the IRD lists: those that are in sync.
 *
 * A proxy is listed when it may announce its URI, is connected, answers there
 * with our state, and has been at most 10 s behind the map serial for 10 s; it
 * leaves when that has not been so for 60 s. Changes are collected for 5 s, so the
 * IRD moves rarely; serials at which only the IRD changed move nobody in or out.
 * Loop thread.
 */
#ifndef ALTOCAST_SERVER_ROSTER_H
#define ALTOCAST_SERVER_ROSTER_H

#include <stddef.h>

#include "common/base/rc.h"
#include "common/service/house.h"
#include "common/wire/ird_json.h"

#define ROSTER_BEHIND_MS 10000		/* behind for longer: not in sync */
#define ROSTER_ENTER_MS 10000		/* in sync for so long: enters */
#define ROSTER_LEAVE_MS 60000		/* not in sync for so long: leaves */
#define ROSTER_COLLECT_MS 5000
#define ROSTER_CHECK_MS 30000		/* a URI is asked this often */

struct roster;

/* listed: what the journal had; those get ROSTER_LEAVE_MS to come back. */
MUST_CHECK enum rc roster_new(struct house *h, const struct keys *own,
                              const struct ird_proxy *listed, size_t n,
                              struct roster **out);
void roster_free(struct roster *r);			/* NULL is fine */

#define MSG_CHECKED	120	/* to the loop: a proxy's URI has answered */
struct msg_checked {
	struct msg msg;
	struct pull_result *result;
};
void roster_checked(struct roster *r, struct msg_checked *m);	/* frees it */
void roster_checked_drop(struct msg *m);

#endif
