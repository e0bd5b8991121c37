/* body.h - from bytes to a sealed resource: a body that was pulled or journalled,
 * or a patch on a resource that is held.
 *
 * Both end the same way: the content is sealed again from scratch or from the
 * base, and its size and tag must be those of the leaf; so what is served later is
 * built here and not copied from the wire.
 */
#ifndef ALTOCAST_WIRE_BODY_H
#define ALTOCAST_WIRE_BODY_H

#include <stddef.h>

#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/core/digest.h"
#include "common/core/resource.h"
#include "common/wire/scan.h"

/* Reads a full body of the media type that the leaf names; the scan gives its
 * bytes. base (may be NULL): an earlier version to share rows with. The flat
 * SHA-256 is the caller's to compare (body_check). RC_EDIGEST: content and leaf
 * disagree. RC_ESYNTAX, RC_ERULE, RC_ELIMIT. */
MUST_CHECK enum rc body_open(struct digest *d, const char *leaf,
                             struct scan *s, const struct resource *base,
                             struct resource **out, struct diag *diag);

/* Applies one patch to base. RC_EGAP: it does not fit base; RC_EDIGEST: what
 * comes out is not what the leaf announces; RC_ESYNTAX, RC_ERULE, RC_ELIMIT. */
MUST_CHECK enum rc body_patch(struct digest *d, const struct resource *base,
                              const char *from, const char *media,
                              const char *data, size_t len, const char *leaf,
                              struct resource **out, struct diag *diag);

/* The whole body as one piece (malloc). RC_ELIMIT: over max bytes. */
MUST_CHECK enum rc body_flat(const struct resource *r, size_t max, char **out,
                             size_t *len);

#endif
