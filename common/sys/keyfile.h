/* keyfile.h - secrets in files.
 *
 * A secret file is regular and its owner's alone: group and others may neither
 * read nor write it, and the owner is root, who runs this, or the account that it
 * is going to run as (RC_ERULE, with what helps: file_read_private()). Texts never
 * show what the file holds, and what was read is wiped from memory before it is
 * freed. Any thread.
 */
#ifndef ALTOCAST_SYS_KEYFILE_H
#define ALTOCAST_SYS_KEYFILE_H

#include <stddef.h>

#include "common/base/diag.h"
#include "common/base/rc.h"

struct sign_key;

#define KEYFILE_TOKEN_MIN 16
#define KEYFILE_TOKEN_MAX 512
#define KEYFILE_TOKENS_MAX 4

/* An Ed25519 private key, PEM (PKCS #8), not encrypted. RC_ENOENT: no file.
 * RC_ERULE: permissions, or not a regular file. RC_ESYNTAX: not such a key.
 * The caller owns *out. */
MUST_CHECK enum rc keyfile_load(const char *path, struct sign_key **out,
				struct diag *d);

/* A new key, saved with mode 0600 before it is handed out. Never overwrites:
 * RC_EEXIST. */
MUST_CHECK enum rc keyfile_make(const char *path, struct sign_key **out,
				struct diag *d);

/* Bearer tokens: 1 to KEYFILE_TOKENS_MAX lines (empty ones are skipped), each,
 * blanks around it dropped, KEYFILE_TOKEN_MIN to KEYFILE_TOKEN_MAX printable ASCII
 * characters without blanks. Whoever is shown one takes any of them, so that a new
 * one can be told before the old one goes. RC_ESYNTAX: not such lines. */
struct keyfile_tokens {
	size_t n;
	char *text[KEYFILE_TOKENS_MAX];
};
MUST_CHECK enum rc keyfile_tokens(const char *path, struct keyfile_tokens *out,
				  struct diag *d);
void keyfile_tokens_free(struct keyfile_tokens *t);	/* wipes */

/* The first of them: the one to show. */
MUST_CHECK enum rc keyfile_token(const char *path, char **out, struct diag *d);
void keyfile_token_free(char *token);		/* wipes; NULL is fine */

#endif
