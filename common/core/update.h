/* update.h - one publication as it travels: the frame, where it leads.
 *
 * Encoded once, then shared by every subscriber, the history and the journal.
 * Counted, immutable; any thread may read.
 */
#ifndef ALTOCAST_CORE_UPDATE_H
#define ALTOCAST_CORE_UPDATE_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/rc.h"
#include "common/core/snapshot.h"

struct update {
	struct state state;		/* after it; serial = the one before + 1 */
	const char *text;		/* the frame, NUL-terminated */
	size_t len;
	int64_t published_ms;		/* wall clock of the publisher */
};

/* Takes text over (malloc), also on failure. */
MUST_CHECK enum rc update_new(const struct state *state, char *text,
                              size_t len, int64_t published_ms,
                              struct update **out);
struct update *update_ref(struct update *u);
void update_unref(struct update *u);			/* NULL is fine */

#endif
