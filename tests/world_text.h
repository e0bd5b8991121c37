/* world_text.h - what a publisher of tests (world.h) gives away, as texts: patches,
 * full bodies with their headers; and whether two of its states are the same.
 */
#ifndef ALTOCAST_TESTS_WORLD_TEXT_H
#define ALTOCAST_TESTS_WORLD_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/core/snapshot.h"
#include "common/proto/keys.h"
#include "common/wire/state_json.h"

#define WORLD_TEXT_MAX (8u << 20)	/* bytes of a body */

/* The patch between two versions, appended; its media type. */
const char *world_patch(const struct resource *from,
                        const struct resource *to, struct buf *dst);

/* A response for a full resource. */
struct world_answer {
	char *body;
	size_t len;
	char resource[RESOURCE_LEAF_MAX + 1];
	char proof[3072];
	struct state state;
	struct signed_headers headers;	/* into the above: do not move it */
};
/* false: no such resource. */
bool world_answer(const struct snapshot *s, const char *id,
                  struct world_answer *out);
void world_answer_free(struct world_answer *a);

/* Equal in resources, leaves, bytes and root (not in signature)? */
bool world_same(const struct snapshot *a, const struct snapshot *b);
/* Does it prove itself: root from leaves, digests, signature? k may be NULL:
 * not the signature. */
bool world_proves(const struct snapshot *s, const struct keys *k);

#endif
