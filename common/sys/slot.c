#include "common/sys/slot.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/core/snapshot.h"
#include "common/wire/catalog.h"

/* The lock covers "read the pointer, add a reference" and nothing else: an
 * atomic pointer alone would let the last unref slip in between the two. */
struct slot {
	pthread_mutex_t lock;
	struct snapshot *cur;
	struct catalog *catalog;	/* of cur; or NULL */
};

enum rc slot_new(struct slot **out)
{
	struct slot *slot = calloc(1, sizeof(*slot));

	if (!slot)
		return RC_ENOMEM;
	if (pthread_mutex_init(&slot->lock, NULL) != 0) {
		free(slot);
		return RC_ENOMEM;
	}
	*out = slot;
	return RC_OK;
}

void slot_free(struct slot *slot)
{
	if (!slot)
		return;
	snapshot_unref(slot->cur);
	catalog_unref(slot->catalog);
	pthread_mutex_destroy(&slot->lock);
	free(slot);
}

struct snapshot *slot_ref(struct slot *slot)
{
	struct snapshot *s;

	pthread_mutex_lock(&slot->lock);
	s = slot->cur ? snapshot_ref(slot->cur) : NULL;
	pthread_mutex_unlock(&slot->lock);
	return s;
}

struct snapshot *slot_take(struct slot *slot, struct catalog **catalog)
{
	struct snapshot *s;

	pthread_mutex_lock(&slot->lock);
	s = slot->cur ? snapshot_ref(slot->cur) : NULL;
	*catalog = slot->catalog ? catalog_ref(slot->catalog) : NULL;
	pthread_mutex_unlock(&slot->lock);
	return s;
}

void slot_publish(struct slot *slot, struct snapshot *next,
                  struct catalog *catalog)
{
	struct snapshot *old;
	struct catalog *old_catalog;

	pthread_mutex_lock(&slot->lock);
	old = slot->cur;
	old_catalog = slot->catalog;
	slot->cur = next;		/* takes over the caller's references */
	slot->catalog = catalog;
	pthread_mutex_unlock(&slot->lock);
	snapshot_unref(old);		/* outside the lock: it may free much */
	catalog_unref(old_catalog);
}
