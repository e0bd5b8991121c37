/* jwk.h - public keys as JSON (RFC 7517, RFC 8037). Never prints a "d". */
#ifndef ALTOCAST_WIRE_JWK_H
#define ALTOCAST_WIRE_JWK_H

#include <jansson.h>
#include <stddef.h>

#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/core/sign.h"

#define JWK_KEYS_MAX 16

/* A new JWK object: alg EdDSA, crv, kid (the thumbprint), kty, use sig, x.
 * NULL: out of memory. */
json_t *jwk_write(const struct public_key *k);

/* One key. RC_ERULE: a kind of key we do not know (the set skips it).
 * RC_ESYNTAX: a known kind with wrong members. */
MUST_CHECK enum rc jwk_read(const json_t *jwk, struct public_key *out,
                            struct diag *d);
/* {"keys":[...]}; unknown kinds are skipped. RC_ELIMIT: over JWK_KEYS_MAX. */
MUST_CHECK enum rc jwk_read_set(const json_t *set,
                                struct public_key out[JWK_KEYS_MAX], size_t *n,
                                struct diag *d);

#endif
