/* seal.h - from a map to a resource: canonical body, tree, tag, digest, leaf.
 *
 * Rows that have their text already (shared with base, or patched from it) are
 * neither serialised nor hashed again; the tree is taken from base's where the
 * rows stand in the same places. The tag of the body is the tree's root
 * (leaf 0: media type and meta without vtag).
 */
#ifndef ALTOCAST_WIRE_SEAL_H
#define ALTOCAST_WIRE_SEAL_H

#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/rc.h"
#include "common/core/digest.h"
#include "common/core/resource.h"

/* All: base may be NULL, is an earlier resource under the same id; *out has
 * yet to be announced. References the map. */
MUST_CHECK enum rc seal_netmap(struct digest *d, const char *id,
                               struct netmap *m, const struct resource *base,
                               struct resource **out);
MUST_CHECK enum rc seal_costmap(struct digest *d, const char *id,
                                struct costmap *m, const struct resource *base,
                                struct resource **out);
/* body: the canonical text of a JSON object whose member meta (or {}) and the
 * rest make the two leaves. Copied. RC_ESYNTAX: no canonical object. */
MUST_CHECK enum rc seal_doc(struct digest *d, const char *media_type,
                            const char *body, size_t len,
                            struct resource **out);

/* Names it by hashing the whole body: one SHA-256 pass. */
MUST_CHECK enum rc seal_announce(struct digest *d, struct resource *r,
                                 const char *id);
/* Names it by a leaf from the wire, with no pass over the body: size, tag and
 * media type must agree (the tag of a document covers its media type), the flat
 * digest is believed (a signature covers it). RC_EDIGEST: they do not. RC_ESYNTAX. */
MUST_CHECK enum rc seal_believe(struct digest *d, struct resource *r,
                                const char *leaf);

/* The media type of a kind of map; of RESOURCE_DOC, the IRD's. (A document with
 * another id than DIRECTORY_ID is a property map.) */
const char *seal_media(enum resource_kind kind);

#endif
