/* answer_cost.h - the costs in the answer of a cost service: those of the map that
 * is asked for, or between endpoints, without the meta beside them (RFC 7285
 * s11.3.2.6, s11.5.1.6, RFC 8189 s4.1.3).
 *
 * A source or destination without a PID, a pair without any cost, one that the
 * constraints refuse and a source without pairs are left out.
 */
#ifndef ALTOCAST_WIRE_ANSWER_COST_H
#define ALTOCAST_WIRE_ANSWER_COST_H

#include "common/base/buf.h"
#include "common/base/rc.h"
#include "common/wire/ask_json.h"
#include "common/wire/service.h"

/* Appends {"source":{"destination":cost}}, an array of costs where several types
 * are asked for. self as for answer_write(). RC_ELIMIT: it does not fit dst, more
 * than RANKS_MAX costs would have to be ranked, or the names of an axis are too
 * long together; dst is of no use then. RC_ENOMEM. */
MUST_CHECK enum rc answer_cost_write(const struct service *sv,
                                     const struct ask *a,
                                     const struct ask_endpoint *self,
                                     struct buf *dst);

#endif
