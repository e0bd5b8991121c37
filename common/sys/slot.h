/* slot.h - the newest snapshot and its catalog, for everybody who reads.
 *
 * The writer publishes, HTTP threads take references. The lock is held for
 * "read the pointer, add a reference" and nothing else. The loop never reads
 * the slot: it works from the snapshot that came with its last message.
 */
#ifndef ALTOCAST_SYS_SLOT_H
#define ALTOCAST_SYS_SLOT_H

#include "common/base/rc.h"

struct catalog;
struct slot;
struct snapshot;

/* Empty. The caller owns *out. RC_ENOMEM. */
MUST_CHECK enum rc slot_new(struct slot **out);

/* No thread may use it any more. Drops what is held. NULL is fine. */
void slot_free(struct slot *slot);

/* A reference to the newest snapshot (snapshot_unref() it), or NULL while none
 * was published. Any thread. */
struct snapshot *slot_ref(struct slot *slot);
/* The same, and the catalog that goes with it (catalog_unref() it), or NULL. */
struct snapshot *slot_take(struct slot *slot, struct catalog **catalog);

/* Takes over the caller's references; NULL next empties the slot. What was held
 * is let go outside the lock. Writer thread. */
void slot_publish(struct slot *slot, struct snapshot *next,
                  struct catalog *catalog);

#endif
