/* restore.h - from the journal back to the snapshot and the log. */
#ifndef ALTOCAST_SERVICE_RESTORE_H
#define ALTOCAST_SERVICE_RESTORE_H

#include <stddef.h>

#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/core/snapshot.h"
#include "common/core/update.h"
#include "common/sys/journal.h"

struct restored {
	struct snapshot *snapshot;	/* owned */
	struct state log_start;		/* what the first update leads on from */
	size_t n;
	struct update **updates;	/* owned, each referenced */
};

/* RC_ENOENT: an empty journal, *out untouched. RC_EDIGEST: bases and updates do
 * not give the signed root. RC_EIO. */
MUST_CHECK enum rc restore(struct journal *j, struct restored *out,
                           struct diag *d);
void restored_free(struct restored *r);

#endif
