/* roster.h - finds out which proxies are in sync and tells the writer, who lists
 * them in the IRD (lineup.h has the rules).
 *
 * Direct subscribers and those below them alike: once a second it looks who is
 * connected, or named by one who is, under a URI that this name may announce; it
 * asks each URI for its state, several at the same time, so that a slow one holds
 * up few others; and it hands on the list when that has changed. Loop thread.
 */
#ifndef ALTOCAST_SERVER_ROSTER_H
#define ALTOCAST_SERVER_ROSTER_H

#include <stddef.h>

#include "common/base/rc.h"
#include "common/service/house.h"
#include "common/wire/ird_json.h"

struct roster;

/* listed: what the journal had. own: lent. */
MUST_CHECK enum rc roster_new(struct house *h, const struct keys *own,
                              const struct ird_proxy *listed, size_t n,
                              struct roster **out);
void roster_free(struct roster *r);			/* NULL is fine */

/* Why the one of that name, which announces uri, is not listed; "": it is. peer:
 * NULL for one that is not connected here. Lent until the next call. */
const char *roster_unlisted(const char *name, const char *uri,
                            const char *peer, void *roster);

#define MSG_CHECKED	120	/* to the loop: a proxy's URI has answered */
struct msg_checked {
	struct msg msg;
	struct pull_result *result;
};
void roster_checked(struct roster *r, struct msg_checked *m);	/* frees it */
void roster_checked_drop(struct msg *m);

#endif
