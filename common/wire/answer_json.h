/* answer_json.h - the answers of computed services, RFC 7285 s11.3 to s11.5 and
 * RFC 8189 s4.1.3, as canonical as what they are made of: members in ascending
 * order, PIDs too; endpoints as the client wrote them, in its order.
 */
#ifndef ALTOCAST_WIRE_ANSWER_JSON_H
#define ALTOCAST_WIRE_ANSWER_JSON_H

#include "common/base/buf.h"
#include "common/base/rc.h"
#include "common/wire/ask_json.h"
#include "common/wire/service.h"

/* Appends the body of the answer. self is the caller, for an axis that says so;
 * its text is canonical ("ipv4:192.0.2.1"). RC_ELIMIT: it does not fit dst, or
 * more than RANKS_MAX costs would have to be ranked; dst is of no use then.
 * RC_ENOMEM. */
MUST_CHECK enum rc answer_write(const struct service *sv, const struct ask *a,
                                const struct ask_endpoint *self,
                                struct buf *dst);

#endif
