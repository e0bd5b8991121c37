/* keys.h - the public keys that are trusted for one service.
 *
 * Trust starts at a pinned thumbprint or at the origin's own name (the caller
 * says which) and then follows the data: an IRD that verifies under a trusted key
 * makes the keys it lists trusted and those it no longer lists untrusted. Those
 * are remembered as retired: the key may be in a thief's hands by now, and a pin
 * that was never taken out of the settings must not bring it back. A plain value.
 */
#ifndef ALTOCAST_PROTO_KEYS_H
#define ALTOCAST_PROTO_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/rc.h"
#include "common/core/position.h"
#include "common/core/sign.h"
#include "common/core/snapshot.h"
#include "common/wire/ird_json.h"
#include "common/wire/jwk.h"

#define KEYS_PINS_MAX 8
#define KEYS_RETIRED_MAX 32	/* the oldest is forgotten */

struct keys {
	size_t n;
	struct public_key key[JWK_KEYS_MAX];
	size_t n_pins;
	char pin[KEYS_PINS_MAX][THUMBPRINT_TEXT + 1];
	size_t n_retired;		/* once trusted, oldest first */
	char retired[KEYS_RETIRED_MAX][THUMBPRINT_TEXT + 1];
	struct position top;		/* of the highest state verified, served or
					 * not: what is below it changes no key,
					 * also after a restart. The last member */
};

/* NULL: not trusted. */
const struct public_key *keys_find(const struct keys *k, const char *id);
bool keys_pinned(const struct keys *k, const char *id);
/* May an IRD that lists this key, and is signed with it, be believed for its own
 * sake? The key must be pinned, or with no pins at_origin be true; and it must not
 * be retired. */
bool keys_vouch(const struct keys *k, const char *id, bool at_origin);

/* Checks a state's signature. RC_EKEY: nobody we trust signed it. RC_ESIG. */
MUST_CHECK enum rc keys_check(const struct keys *k, const struct state *st);

/* The keys that an IRD lists become the trusted ones, and what they replace is
 * retired. The IRD must have been verified, under a trusted key. */
void keys_follow(struct keys *k, const struct ird_redistribution *ird);
/* The first IRD, or one that a new pin or the origin itself stands for: st is the
 * signed state it stands in. It must verify under a key the IRD lists, for which
 * keys_vouch() holds. RC_EKEY, RC_ESIG. */
MUST_CHECK enum rc keys_first(struct keys *k,
                              const struct ird_redistribution *ird,
                              const struct state *st, bool at_origin);
/* Not retired any more: an operator's word. */
void keys_pardon(struct keys *k, const char *id);

/* The keys, what is retired and top (not the pins) as a JWK set with the members
 * `retired` and `top`, and back. RC_ESYNTAX: it is none. */
MUST_CHECK enum rc keys_write(const struct keys *k, struct buf *dst);
MUST_CHECK enum rc keys_read(struct keys *k, const char *text, size_t len);

#endif
