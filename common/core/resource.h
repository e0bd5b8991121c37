/* resource.h - one sealed resource: what is served under one resource-id.
 *
 * A network map, a cost map or another JSON document (the IRD), with its
 * canonical body, its tag (root of the tree over meta and rows) and its leaf: the
 * exact value of the header ALTO-Resource, which is what the signed state covers.
 * The body is never kept as one piece: head, the rows' texts with commas between,
 * tail; resource_read() gives any part of it. Counted, immutable; any thread may
 * read.
 */
#ifndef ALTOCAST_CORE_RESOURCE_H
#define ALTOCAST_CORE_RESOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/rc.h"
#include "common/core/costmap.h"
#include "common/core/digest.h"
#include "common/core/merkle.h"
#include "common/core/netmap.h"
#include "common/core/vtag.h"

#define RESOURCE_BODY_MAX (2ull << 30)	/* bytes of one body */
#define RESOURCE_TYPE_MAX 64		/* media type */
#define RESOURCE_LEAF_MAX 384		/* an ALTO-Resource value */
#define TAG_HEX 64			/* a tag of ours, the NUL not counted */

enum resource_kind { RESOURCE_NETMAP, RESOURCE_COSTMAP, RESOURCE_DOC };

/* What an ALTO-Resource value says; the wire floor prints and reads it. */
struct resource_name {
	char id[ID_MAX + 1];
	char tag[TAG_HEX + 1];
	uint64_t size;			/* bytes of the identity body */
	uint8_t sha256[SHA256_SIZE];	/* of the identity body */
	char type[RESOURCE_TYPE_MAX + 1];
};

struct resource;

/* What a resource is made of. resource_new() takes over all pointers, also when
 * it fails. rows: n borrowed pointers into the map, which keeps them alive
 * (NULL rows left out); the array itself is malloc'd and taken over. */
struct resource_parts {
	enum resource_kind kind;
	struct netmap *net;		/* kind NETMAP, else NULL */
	struct costmap *cost;		/* kind COSTMAP, else NULL */
	char *head, *tail;		/* malloc, before and after the rows */
	size_t head_len, tail_len;
	const struct row **rows;
	size_t n_rows;
	struct merkle *tree;		/* leaf 0 = meta, then the rows */
};

/* Seals without the flat digest or the leaf text: see resource_announce(). */
MUST_CHECK enum rc resource_new(const struct resource_parts *parts,
                                struct resource **out);

/* Sets what the resource is called: name and its exact leaf text. The size
 * and the tag must be those of the body. Only before it is shared.
 * RC_EDIGEST: size or tag differ. */
MUST_CHECK enum rc resource_announce(struct resource *r, struct digest *d,
                                     const struct resource_name *name,
                                     const char *leaf);

enum resource_kind resource_kind(const struct resource *r);
const struct resource_name *resource_name(const struct resource *r);
const char *resource_leaf(const struct resource *r);	/* ALTO-Resource */
const uint8_t *resource_leaf_hash(const struct resource *r);
uint64_t resource_size(const struct resource *r);
/* The tree's root as hex: the tag that the content has. */
void resource_content_tag(const struct resource *r, char out[TAG_HEX + 1]);
const struct merkle *resource_tree(const struct resource *r);
struct netmap *resource_net(const struct resource *r);	/* borrowed or NULL */
struct costmap *resource_cost(const struct resource *r);	/* borrowed or NULL */

/* Copies up to len bytes of the body from off on; returns how many. Fast for
 * any off, fastest in ascending order. */
size_t resource_read(const struct resource *r, uint64_t off, void *dst,
                     size_t len);
/* SHA-256 of the whole body. */
MUST_CHECK enum rc resource_digest(const struct resource *r, struct digest *d,
                                   uint8_t out[SHA256_SIZE]);

struct resource *resource_ref(struct resource *r);
void resource_unref(struct resource *r);		/* NULL is fine */

#endif
