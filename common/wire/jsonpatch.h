/* jsonpatch.h - patches on small documents, to the letter of the RFCs.
 *
 * RFC 7396 merge patch, RFC 6902 JSON Patch, RFC 6901 JSON Pointer, on jansson
 * trees. Used for the IRD; maps have their own (delta_json.h). The target is
 * never changed: a new document comes out, sharing nothing.
 */
#ifndef ALTOCAST_WIRE_JSONPATCH_H
#define ALTOCAST_WIRE_JSONPATCH_H

#include <jansson.h>

#include "common/base/diag.h"
#include "common/base/rc.h"

#define JSONPATCH_OPS_MAX 100000u
/* Bytes, about, that one JSON Patch may move: values that are added, moved or
 * copied, elements of arrays that are shifted. Copying a document into itself
 * doubles it each time, so the number of operations alone is no ceiling. */
#define JSONPATCH_WORK_MAX (64u << 20)

/* All: RC_ELIMIT: a document given, or the one that comes out, is deeper than
 * JSON_DEPTH_MAX. */

MUST_CHECK enum rc merge_patch(const json_t *target, const json_t *patch,
                               json_t **out);
/* The smallest merge patch from one document to another. RC_ERULE: a member of
 * to is null and was not before, which a merge patch cannot say. */
MUST_CHECK enum rc merge_diff(const json_t *from, const json_t *to,
                              json_t **out);
/* All operations or none. RC_ESYNTAX: not a patch. RC_EGAP: an operation does
 * not fit (d names its number). RC_ELIMIT: too many operations, too much work. */
MUST_CHECK enum rc json_patch(const json_t *target, const json_t *ops,
                              json_t **out, struct diag *d);
/* The value a pointer names, lent. RC_ESYNTAX: not a pointer. RC_ENOENT: names
 * nothing in this document; an index that is no number ("-", "01") does so too. */
MUST_CHECK enum rc json_pointer(const json_t *doc, const char *pointer,
                                json_t **out);

#endif
