/* keys.h - the public keys that are trusted for one service.
 *
 * Trust starts at a pinned thumbprint or at the origin's own name (the caller
 * says which) and then follows the data: an IRD that verifies under a trusted key
 * makes the keys it lists trusted and those it no longer lists untrusted.
 * A plain value.
 */
#ifndef ALTOCAST_PROTO_KEYS_H
#define ALTOCAST_PROTO_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/rc.h"
#include "common/core/sign.h"
#include "common/core/snapshot.h"
#include "common/wire/ird_json.h"
#include "common/wire/jwk.h"

#define KEYS_PINS_MAX 8

struct keys {
	size_t n;
	struct public_key key[JWK_KEYS_MAX];
	size_t n_pins;
	char pin[KEYS_PINS_MAX][THUMBPRINT_TEXT + 1];
};

/* NULL: not trusted. */
const struct public_key *keys_find(const struct keys *k, const char *id);
bool keys_pinned(const struct keys *k, const char *id);

/* Checks a state's signature. RC_EKEY: nobody we trust signed it. RC_ESIG. */
MUST_CHECK enum rc keys_check(const struct keys *k, const struct state *st);

/* The keys that an IRD lists become the trusted ones. The IRD must have been
 * verified, under a trusted key. */
void keys_follow(struct keys *k, const struct ird_redistribution *ird);
/* The first IRD: st is the signed state it stands in. It must verify under a key
 * the IRD lists, and that key must be pinned; with no pins, at_origin must be
 * true. RC_EKEY, RC_ESIG. */
MUST_CHECK enum rc keys_first(struct keys *k,
                              const struct ird_redistribution *ird,
                              const struct state *st, bool at_origin);

/* The keys (not the pins) as a JWK set, and back. */
MUST_CHECK enum rc keys_write(const struct keys *k, struct buf *dst);
MUST_CHECK enum rc keys_read(struct keys *k, const char *text, size_t len);

#endif
