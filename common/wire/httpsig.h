/* httpsig.h - HTTP message signatures (RFC 9421): the base that is signed, and
 * the check of a signature over a message's components.
 */
#ifndef ALTOCAST_WIRE_HTTPSIG_H
#define ALTOCAST_WIRE_HTTPSIG_H

#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/core/sign.h"

/* A covered component as the message has it: its identifier as it stands in the
 * list, parameters included ("@method";req), and its value (s2.1: field lines
 * trimmed and joined by ", "). */
struct httpsig_part {
	const char *id;		/* with its quotes */
	const char *value;
};

/* Appends the signature base (s2.5) for params, the text after "label=" in
 * Signature-Input; its list decides which parts, in which order. RC_ERULE: a
 * component twice, not in parts, or @signature-params itself. RC_ESYNTAX. */
MUST_CHECK enum rc httpsig_base(const char *params,
                                const struct httpsig_part *parts,
                                size_t n_parts, struct buf *dst,
                                struct diag *d);

/* Checks the signature labelled so in the two header values over the parts.
 * Time and policy (which components must be covered) are the caller's. RC_ESIG;
 * RC_ERULE: as above, alg contradicts the key, the label stands in one header
 * only; RC_ENOENT: in neither; RC_ESYNTAX. */
MUST_CHECK enum rc httpsig_check(const char *input, const char *signature,
                                 const char *label,
                                 const struct httpsig_part *parts,
                                 size_t n_parts, const struct public_key *k,
                                 struct diag *d);

#endif
