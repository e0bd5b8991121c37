/* guard.h - who may subscribe, under which name, announcing what.
 *
 * Made of the settings and of the files they name, as a whole, then never edited:
 * a reload makes a new one. It keeps no pointer into the settings, and of tokens
 * their SHA-256 alone. Loop thread.
 */
#ifndef ALTOCAST_SERVICE_GUARD_H
#define ALTOCAST_SERVICE_GUARD_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/net/ws.h"
#include "common/sys/conf.h"

#define GUARD_NAME_MAX 64

struct guard;

/* Reads all tokens and certificates of `subscribers`. anonymous: those who show
 * nothing may subscribe too, under names that have neither token nor certificate.
 * RC_ERULE: two subscribers share a token or a certificate. d names the file or the
 * subscribers to blame. */
MUST_CHECK enum rc guard_new(const struct conf *c, bool anonymous,
                             struct guard **out, struct diag *d);
struct guard *guard_ref(struct guard *g);
void guard_unref(struct guard *g);			/* NULL is fine */

/* The same reading for the check of the settings: a line for each file. */
void guard_check(const struct conf *c, struct buf *errors);

/* Who somebody has shown to be. */
struct guard_badge {
	bool proven;		/* by token or certificate */
	char name[GUARD_NAME_MAX + 1];	/* the only name that he may subscribe
				 * under; "": any that is nobody's */
};

/* Before the upgrade: 0, or the HTTP status to refuse with (401, 403); *why is
 * static text for log and counter. A wrong token is refused also where none is
 * needed, a browser's page always. All tokens are compared in full.
 *
 * What proves a name: a token; a certificate of the subscriber's file; a name in a
 * certificate that leads to client-ca. The first two, shown together, must be the
 * same subscriber's, and go before the third. */
int guard_admit(const struct guard *g, const struct ws_request *rq,
                struct guard_badge *badge, const char **why);
/* After `subscribe`: may he be that? */
bool guard_may_be(const struct guard *g, const struct guard_badge *badge,
                  const char *name);
/* May those who show nothing subscribe? */
bool guard_anonymous(const struct guard *g);
/* Has that name a token or a certificate? */
bool guard_proves(const struct guard *g, const char *name);
/* May that name announce this URI? *known: it stands in the settings. */
bool guard_may_announce(const struct guard *g, const char *name,
                        const char *uri, bool *known);
/* How many are listed; *proven: of these, who have a token or a certificate. */
size_t guard_count(const struct guard *g, size_t *proven);
/* Does the other say the same of everybody? */
bool guard_same(const struct guard *g, const struct guard *other);

#endif
