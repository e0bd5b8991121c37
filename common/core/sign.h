/* sign.h - key pairs, signatures and their check (libcrypto).
 *
 * altocast signs with Ed25519 (RFC 8032). ECDSA P-256 is only checked, with the
 * raw 64-byte form of RFC 9421 s3.3.4, for what others sign. A private key may
 * be used by any one thread at a time; a public key is a plain value.
 */
#ifndef ALTOCAST_CORE_SIGN_H
#define ALTOCAST_CORE_SIGN_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/rc.h"

#define SIGNATURE_SIZE 64
#define THUMBPRINT_TEXT 43	/* base64url of 32 bytes, the NUL not counted */

enum sign_alg { SIGN_ED25519, SIGN_P256 };

struct public_key {
	enum sign_alg alg;
	uint8_t raw[64];	/* Ed25519: 32 bytes; P-256: x then y */
	char id[THUMBPRINT_TEXT + 1];	/* RFC 7638 thumbprint, SHA-256 */
};

struct sign_key;

MUST_CHECK enum rc sign_key_new(struct sign_key **out);
/* PKCS#8 PEM with an Ed25519 key. RC_ESYNTAX: no such key in it. */
MUST_CHECK enum rc sign_key_from_pem(const char *pem, size_t len,
                                     struct sign_key **out);
MUST_CHECK enum rc sign_key_from_raw(const uint8_t seed[32],
                                     struct sign_key **out);
MUST_CHECK enum rc sign_key_to_pem(const struct sign_key *k, struct buf *dst);
const struct public_key *sign_key_public(const struct sign_key *k);
void sign_key_free(struct sign_key *k);			/* wipes; NULL is fine */

/* Sets id from alg and raw. */
MUST_CHECK enum rc public_key_name(struct public_key *k);

MUST_CHECK enum rc sign_bytes(const struct sign_key *k, const void *data,
                              size_t len, uint8_t sig[SIGNATURE_SIZE]);
/* RC_ESIG: it is not this key's signature over these bytes. */
MUST_CHECK enum rc sign_check(const struct public_key *k, const void *data,
                              size_t len, const uint8_t *sig, size_t sig_len);

#endif
