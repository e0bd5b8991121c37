/* change.h - one resource's change as part of an update: a patch, or an order to
 * pull; and what it was, for the answer to `altoctl reload`.
 *
 * A patch that costs more than half of the whole body compressed is not worth it:
 * a body can be cached, and taken from another proxy. Writer thread.
 */
#ifndef ALTOCAST_SERVER_CHANGE_H
#define ALTOCAST_SERVER_CHANGE_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/rc.h"
#include "common/core/resource.h"

#define CHANGE_REPORT_MAX (4u << 20)

struct change_report {
	struct buf json;		/* objects, comma between; the IRD left out */
	size_t n;
	size_t pulls;			/* changes ordered as a pull */
	size_t delta_bytes;		/* of the patches */
	uint64_t full_bytes;		/* of the bodies they stand for */
};

struct change_limits {
	size_t message_max;		/* bytes an update may have, in all */
	uint64_t subscribers;		/* who would all pull at once */
};

/* Appends the change from one version (NULL: it appears) to the next (NULL: it is
 * gone) to an update's text. What would pass message_max together with what
 * stands there already is ordered as a pull. RC_ENOMEM. */
MUST_CHECK enum rc change_put(const struct resource *from,
                              const struct resource *to,
                              const struct change_limits *limits,
                              struct buf *text, struct change_report *report);

#endif
