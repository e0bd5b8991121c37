/* delta_json.h - a delta as a patch, both directions.
 *
 * What is written is a valid RFC 7396 or RFC 6902 patch on the canonical body,
 * and applying it by the letter gives the canonical body of the next version.
 * What is read is only what the protocol allows (docs/protocol.md): the tags in
 * meta, and members of the map. Network map: a merge patch unless a family is
 * edited in place, then a JSON Patch.
 */
#ifndef ALTOCAST_WIRE_DELTA_JSON_H
#define ALTOCAST_WIRE_DELTA_JSON_H

#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/core/delta.h"

/* The media type that a delta is written as: merge or JSON patch. */
const char *delta_json_net_media(const struct net_delta *d);

/* Append the patch; from, to (and net_tag) of the delta must be set. id is the
 * network map's resource-id, used where net_tag changes. */
MUST_CHECK enum rc delta_json_net(const struct net_delta *d, struct buf *dst);
MUST_CHECK enum rc delta_json_cost(const struct cost_delta *d,
                                   const char *net_id, struct buf *dst);

/* Read a patch; from comes from beside it (the change's "from"). *out is the
 * caller's. RC_ESYNTAX, RC_ERULE (an operation the protocol does not know,
 * indexes out of order), RC_ELIMIT. */
MUST_CHECK enum rc delta_json_net_read(const char *media, const char *text,
                                       size_t len, const char *from,
                                       struct net_delta **out, struct diag *d);
MUST_CHECK enum rc delta_json_cost_read(const char *text, size_t len,
                                        const char *from,
                                        struct cost_delta **out,
                                        struct diag *d);

#endif
