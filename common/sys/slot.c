#include "common/sys/slot.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/core/snapshot.h"

/* The lock covers "read the pointer, add a reference" and nothing else: an
 * atomic pointer alone would let the last unref slip in between the two. */
struct slot {
	pthread_mutex_t lock;
	struct snapshot *cur;
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

void slot_publish(struct slot *slot, struct snapshot *next)
{
	struct snapshot *old;

	pthread_mutex_lock(&slot->lock);
	old = slot->cur;
	slot->cur = next;		/* takes over the caller's reference */
	pthread_mutex_unlock(&slot->lock);
	snapshot_unref(old);		/* outside the lock: it may free much */
}
