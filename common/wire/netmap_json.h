/* netmap_json.h - a network map as JSON, both directions (RFC 7285 s11.2.1).
 *
 * Reading takes any member order, number form and whitespace, and checks every
 * rule of the RFC for maps. Members of meta other than vtag, and unknown members
 * beside, are dropped and counted.
 */
#ifndef ALTOCAST_WIRE_NETMAP_JSON_H
#define ALTOCAST_WIRE_NETMAP_JSON_H

#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/rc.h"
#include "common/core/netmap.h"
#include "common/core/vtag.h"
#include "common/wire/scan.h"

/* What the reader dropped, for a warning. */
struct map_notes {
	size_t dropped_members;		/* unknown names */
	char first_dropped[80];
	size_t repeats;			/* a prefix again in its own PID */
};

/* base (may be NULL): rows equal to its rows are shared. stated: the vtag that
 * the document names; its tag is "" when there is none, its id must be there.
 * RC_ESYNTAX, RC_ERULE, RC_ELIMIT with the place in the scan's diag. */
MUST_CHECK enum rc netmap_json_read(struct scan *s, const struct netmap *base,
                                    struct netmap **out, struct vtag *stated,
                                    struct map_notes *notes);

/* Appends the canonical member "pid":{...} of a row. */
void netmap_json_row(const char *pid, const struct netrow *row,
                     struct buf *dst);

#endif
