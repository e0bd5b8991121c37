/* ranks.h - ordinal costs from numerical ones (RFC 7285 s6.1.2.2, s11.2.3.6).
 *
 * The lowest cost has rank 1, equal costs have equal ranks, and there are no
 * gaps. Only the costs that differ are sorted: a map of a million cells has few.
 * One owner, one thread.
 */
#ifndef ALTOCAST_CORE_RANKS_H
#define ALTOCAST_CORE_RANKS_H

#include <stddef.h>

#include "common/base/rc.h"

#define RANKS_MAX (4u << 20)		/* costs that differ */

struct ranks;

MUST_CHECK enum rc ranks_new(struct ranks **out);
void ranks_free(struct ranks *r);			/* NULL is fine */

/* Takes note of n costs; those not defined (NaN) are passed over. RC_ELIMIT,
 * RC_ENOMEM. */
MUST_CHECK enum rc ranks_note(struct ranks *r, const double *cost, size_t n);
/* Once, when all are noted. */
MUST_CHECK enum rc ranks_order(struct ranks *r);
/* Puts each cost's rank in its place; NaN stays. All must have been noted. */
void ranks_apply(const struct ranks *r, double *cost, size_t n);

#endif
