/* release.h - one publication of the server in the making: resources, changes,
 * signature, and out.
 *
 * Nothing of the origin changes before publish() has succeeded, so a failure at
 * any step leaves the old version whole. Writer thread.
 */
#ifndef ALTOCAST_SERVER_RELEASE_H
#define ALTOCAST_SERVER_RELEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/core/digest.h"
#include "common/core/snapshot.h"
#include "common/service/house.h"
#include "common/wire/ird_json.h"
#include "server/change.h"
#include "server/keyring.h"
#include "server/mapset.h"

/* What releases are made from, and the newest one. */
struct origin {
	struct house *house;
	struct mapset *maps;
	struct keyring *ring;
	struct digest *digest;
	struct snapshot *now;		/* published, or NULL */
	char seen[UUID_TEXT + 1];	/* the greatest session that a subscriber
					 * proved to hold; a new one is above */
	char service[UUID_TEXT + 1];
	size_t n_proxies;
	struct ird_proxy *proxies;	/* ascending by name */
	struct ird_services services;	/* what is computed from the maps */
	struct ird_link *links;		/* of services */
	int64_t lifetime;		/* seconds */
	uint64_t heartbeat_ms, next_heartbeat;	/* next: monotonic */
	size_t message_max;
};

struct release {
	struct resource **res;		/* all, referenced; .directory first */
	uint64_t *changed;
	size_t n;
	bool jump, session;		/* session: wanted even if nothing differs */
	struct state state;
	struct buf text;		/* the update's changes */
	struct change_limits limits;
	struct change_report report;
};

/* What the files say (each map's `next`), or the maps as they are published: both
 * under a newly written IRD. r is to be freed whatever the result. RC_ENOENT: no
 * network map. Others: no IRD can be written of them (d says why). */
MUST_CHECK enum rc release_files(struct origin *o, struct release *r,
                                 struct diag *d);
MUST_CHECK enum rc release_again(struct origin *o, struct release *r,
                                 struct diag *d);
void release_free(struct release *r);

/* Does r differ from what is published? */
bool release_differs(const struct origin *o, const struct release *r);
/* Publishes r if it differs from what is (*published). d says what failed.
 * RC_ETIME: a new session would lie in the future of this clock, and nobody would
 * take it. */
MUST_CHECK enum rc release_publish(struct origin *o, struct release *r,
                                   bool *published, struct diag *d);
/* The maps as they are published, under an IRD of now, in a new session if
 * wanted: release_again() and release_publish(). */
MUST_CHECK enum rc release_republish(struct origin *o, bool session,
                                     bool *published, struct diag *d);

/* The same content under a signature of now. */
MUST_CHECK enum rc release_resign(struct origin *o, struct diag *d);

#endif
