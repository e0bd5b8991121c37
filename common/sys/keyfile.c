#include "common/sys/keyfile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/sign.h"
#include "common/sys/file.h"

#define PEM_MAX 16384		/* a key has about 120 bytes */

static enum rc fail(struct diag *d, const char *path, enum rc rc,
		    const char *text)
{
	if (d && !d->text[0])
		snprintf(d->file, sizeof(d->file), "%s", path);
	return diag_set(d, rc, "%s", text);
}

static void wipe(struct buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->cap);
	buf_free(b);
}

enum rc keyfile_load(const char *path, struct sign_key **out, struct diag *d)
{
	struct buf pem = BUF_INIT(PEM_MAX);
	enum rc rc;

	rc = file_read_private(path, PEM_MAX, &pem, d);
	if (rc != RC_OK)
		goto out;
	rc = sign_key_from_pem(buf_str(&pem), pem.len, out);
	if (rc != RC_OK)
		fail(d, path, rc, rc == RC_ESYNTAX ?
		     "not an Ed25519 private key (PEM, PKCS #8, no password); "
		     "openssl genpkey -algorithm ed25519 makes one" :
		     rc_text(rc));
out:
	wipe(&pem);
	return rc;
}

enum rc keyfile_make(const char *path, struct sign_key **out, struct diag *d)
{
	struct buf pem = BUF_INIT(PEM_MAX);
	struct sign_key *key = NULL;
	enum rc rc;

	/* All at once: a buffer that grows leaves copies of the key behind. */
	if (!buf_room(&pem, PEM_MAX)) {
		rc = fail(d, path, RC_ENOMEM, rc_text(RC_ENOMEM));
		goto out;
	}
	rc = sign_key_new(&key);
	if (rc == RC_OK)
		rc = sign_key_to_pem(key, &pem);
	if (rc != RC_OK) {
		fail(d, path, rc, "cannot make a key");
		goto out;
	}
	rc = file_create(path, pem.data, pem.len, 0600, d);
	if (rc != RC_OK)
		goto out;
	*out = key;			/* ownership moves to the caller */
	key = NULL;
out:
	sign_key_free(key);
	wipe(&pem);
	return rc;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_token(const char *s, size_t len)
{
	if (len < KEYFILE_TOKEN_MIN || len > KEYFILE_TOKEN_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (s[i] <= 0x20 || s[i] > 0x7e)
			return false;
	return true;
}

enum rc keyfile_token(const char *path, char **out, struct diag *d)
{
	struct buf b = BUF_INIT(KEYFILE_TOKEN_MAX * 2);
	const char *s, *end;
	enum rc rc;
	char *token;

	rc = file_read_private(path, b.max, &b, d);
	if (rc != RC_OK)
		goto out;
	s = buf_str(&b);
	end = s + b.len;
	while (s < end && is_blank(*s))
		s++;
	while (s < end && is_blank(end[-1]))
		end--;
	if (!is_token(s, (size_t)(end - s))) {
		rc = fail(d, path, RC_ESYNTAX, "a token is one line of 16 to "
			  "512 printable ASCII characters without blanks");
		goto out;
	}
	token = strndup(s, (size_t)(end - s));
	if (!token)
		rc = fail(d, path, RC_ENOMEM, rc_text(RC_ENOMEM));
	else
		*out = token;
out:
	wipe(&b);
	return rc;
}

void keyfile_token_free(char *token)
{
	if (!token)
		return;
	explicit_bzero(token, strlen(token));
	free(token);
}
