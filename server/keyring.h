/* keyring.h - the keys that the server signs with: current, next, and all it had.
 *
 * The journal (META_KEYS) says what each key is; the files hold private halves
 * alone: KEY (signing.key, default signing.pem in the state directory) the current
 * one's, KEY.next the next one's. A change is prepared beside what counts, written
 * with the publication that makes it known, and then done. In this order: file of a
 * new key, journal, KEY.next renamed to KEY. Killed in between, the next start
 * finds a KEY.next that nobody was told of (it stays, the next `key next` takes
 * it), or one that the journal calls the current key (it is renamed then). So a
 * file is missing only if the journal says so; KEY is never the one that is missing
 * while it is needed. Writer thread.
 */
#ifndef ALTOCAST_SERVER_KEYRING_H
#define ALTOCAST_SERVER_KEYRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/core/sign.h"
#include "common/proto/keys.h"
#include "common/wire/ird_json.h"
#include "server/keynotes.h"

struct keyring;

/* path: of KEY. text: META_KEYS, NULL: an empty journal, KEY is made if it is not
 * there. state: the journal's directory, for messages. A key that the journal does
 * not know, in place of the current one, becomes that (its owner put it there; the
 * log warns). RC_ENOENT: a journal without its key. RC_ERULE: KEY is a retired or
 * compromised key, or others may read it. */
MUST_CHECK enum rc keyring_open(const char *path, const char *state,
                                const struct buf *text, struct keyring **out,
                                struct diag *d);
void keyring_free(struct keyring *r);			/* NULL is fine */

/* Changes, prepared: what follows (signer, IRD, text) speaks of the changed ring,
 * until keyring_done() or keyring_undo(). now: Unix seconds. */

/* The next key: KEY.next's, or a new one that is saved there. from: when it may
 * sign. RC_EEXIST: there is one already. RC_ERULE: KEY.next cannot be that. */
MUST_CHECK enum rc keyring_next(struct keyring *r, int64_t now, int64_t from,
                                struct diag *d);
/* The next key becomes the current one. RC_ENOENT: there is none, or its file is
 * not. RC_ETIME: too early, *left says how many seconds. */
MUST_CHECK enum rc keyring_retire(struct keyring *r, int64_t now,
                                  int64_t *left, struct diag *d);
/* The current key is compromised; the next one signs, or a new one. */
MUST_CHECK enum rc keyring_drop(struct keyring *r, int64_t now,
                                struct diag *d);
/* The journal has it: what is prepared counts, files are renamed. */
void keyring_done(struct keyring *r);
void keyring_undo(struct keyring *r);

const struct sign_key *keyring_signer(const struct keyring *r);
/* The JWK set of the IRD: the current key, then the next. */
void keyring_announce(const struct keyring *r, struct ird_redistribution *rd);
/* META_KEYS: a JWK set with the role of each. */
MUST_CHECK enum rc keyring_write(const struct keyring *r, struct buf *dst);

/* Those whose signature proves that it was us: not the compromised ones. */
void keyring_own(const struct keyring *r, struct keys *out);
/* All of them: current, next, then from the newest to the oldest. */
size_t keyring_notes(const struct keyring *r,
                     struct key_note out[JWK_KEYS_MAX]);
/* NULL: there is none. */
const struct key_note *keyring_next_note(const struct keyring *r);
/* When the last one was called compromised; 0: none was. */
int64_t keyring_compromised(const struct keyring *r);
/* What is wrong with the files, for the operator; "": nothing. */
const char *keyring_trouble(const struct keyring *r);

#endif
