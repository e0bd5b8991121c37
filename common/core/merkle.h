/* merkle.h - the Merkle tree of RFC 9162 s2.1 over SHA-256.
 *
 * Leaf hash = SHA-256(0x00 || leaf), inner = SHA-256(0x01 || left || right). A
 * tree keeps the hashes of all levels (64 bytes a leaf), so that one changed
 * leaf costs one path. Immutable once made; any thread may read.
 */
#ifndef ALTOCAST_CORE_MERKLE_H
#define ALTOCAST_CORE_MERKLE_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/rc.h"
#include "common/core/digest.h"

#define MERKLE_PATH_MAX 48	/* hashes; enough for 2^48 leaves */

struct merkle;

MUST_CHECK enum rc merkle_leaf(struct digest *d, const void *leaf, size_t len,
                               uint8_t out[SHA256_SIZE]);

/* A tree over n leaf hashes, laid end to end. n may be 0 (root of nothing,
 * s2.1.1). RC_ENOMEM. */
MUST_CHECK enum rc merkle_new(struct digest *d, const uint8_t *hashes,
                              size_t n, struct merkle **out);

/* The same for n hashes that differ from base's (of as many leaves) only in
 * the n_changed places listed ascending: one path each. */
MUST_CHECK enum rc merkle_change(struct digest *d, const struct merkle *base,
                                 const size_t *changed, size_t n_changed,
                                 const uint8_t *hashes, struct merkle **out);

size_t merkle_leaves(const struct merkle *t);
const uint8_t *merkle_root(const struct merkle *t);
const uint8_t *merkle_leaf_hash(const struct merkle *t, size_t i);

/* The inclusion path of leaf i, MERKLE_PATH_MAX hashes of room; returns how
 * many it has. */
size_t merkle_path(const struct merkle *t, size_t i, uint8_t *path);

/* The root that leaf hash, index and path lead to (s2.1.3.2). RC_EDIGEST: the
 * path is too long or too short for n leaves; i must be below n. */
MUST_CHECK enum rc merkle_root_from(struct digest *d,
                                    const uint8_t leaf[SHA256_SIZE],
                                    size_t i, size_t n, const uint8_t *path,
                                    size_t path_len,
                                    uint8_t root[SHA256_SIZE]);

void merkle_free(struct merkle *t);			/* NULL is fine */

#endif
