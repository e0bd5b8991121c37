/* costmap_json.h - a cost map as JSON, both directions (RFC 7285 s11.2.3).
 *
 * Reading takes any member order (a canonical file has cost-map before meta),
 * any number form and whitespace; memory is the matrix and one window. That its
 * PIDs exist in the network map is checked apart: costmap_json_fits().
 */
#ifndef ALTOCAST_WIRE_COSTMAP_JSON_H
#define ALTOCAST_WIRE_COSTMAP_JSON_H

#include "common/base/buf.h"
#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/core/costmap.h"
#include "common/core/netmap.h"
#include "common/core/vtag.h"
#include "common/wire/netmap_json.h"
#include "common/wire/scan.h"

/* stated: the map's own vtag, both parts "" when the document names none. The
 * meta of *out has the dependent vtag as the document states it (tag may be
 * ""). Ordinal costs must be non-negative integers (s6.1.2.2). */
MUST_CHECK enum rc costmap_json_read(struct scan *s,
                                     const struct costmap *base,
                                     struct costmap **out, struct vtag *stated,
                                     struct map_notes *notes);

/* RC_ERULE: a PID of the cost map is not in the network map; d names it. */
MUST_CHECK enum rc costmap_json_fits(const struct costmap *m,
                                     const struct netmap *net, struct diag *d);

/* Appends the canonical member "src":{...} of a row. */
void costmap_json_row(const char *src, const struct costrow *row,
                      const struct index *names, struct buf *dst);

#endif
