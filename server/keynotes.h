/* keynotes.h - what each signing key is and was: a plain value, kept in the journal
 * as a JWK set with members of its own (META_KEYS). Any thread.
 */
#ifndef ALTOCAST_SERVER_KEYNOTES_H
#define ALTOCAST_SERVER_KEYNOTES_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/core/sign.h"
#include "common/wire/jwk.h"

enum key_role { KEY_CURRENT, KEY_NEXT, KEY_RETIRED, KEY_COMPROMISED };
const char *key_role_text(enum key_role r);

struct key_note {
	struct public_key key;
	enum key_role role;
	int64_t since;		/* Unix seconds, in this role; 0: not known */
	int64_t from;		/* KEY_NEXT: may sign from then on */
};

struct keynotes {
	size_t n;
	struct key_note note[JWK_KEYS_MAX];	/* oldest first */
};

/* NULL: none. Current and next are there at most once. As strchr(): what is found
 * may be written to if s may. */
struct key_note *keynotes_role(const struct keynotes *s, enum key_role role);
struct key_note *keynotes_find(const struct keynotes *s, const char *id);

/* A new one, whose role is to be set. When there is no room the oldest retired one
 * goes; a compromised one is forgotten last. */
struct key_note *keynotes_add(struct keynotes *s, const struct public_key *key);
void keynotes_remove(struct keynotes *s, struct key_note *k);
void key_note_set(struct key_note *k, enum key_role role, int64_t now);

/* Keys without a role (of a journal from before there were any) are retired ones.
 * RC_EDIGEST: no such set. */
MUST_CHECK enum rc keynotes_read(const struct buf *text, struct keynotes *s,
                                 struct diag *d);
MUST_CHECK enum rc keynotes_write(const struct keynotes *s, struct buf *dst);

#endif
