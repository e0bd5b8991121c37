#include "common/sys/keyfile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/sign.h"
#include "common/sys/file.h"

#define PEM_MAX 16384		/* a key has about 120 bytes */
#define TOKENS_BYTES 4096	/* of a file with tokens */

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

static enum rc add_token(struct keyfile_tokens *t, const char *s, size_t len,
			 const char *path, struct diag *d)
{
	if (!is_token(s, len))
		return fail(d, path, RC_ESYNTAX, "a token is one line of 16 to "
			    "512 printable ASCII characters without blanks");
	if (t->n == KEYFILE_TOKENS_MAX)
		return fail(d, path, RC_ESYNTAX, "more than 4 tokens");
	t->text[t->n] = strndup(s, len);
	if (!t->text[t->n])
		return fail(d, path, RC_ENOMEM, rc_text(RC_ENOMEM));
	t->n++;
	return RC_OK;
}

enum rc keyfile_tokens(const char *path, struct keyfile_tokens *out,
		       struct diag *d)
{
	struct buf b = BUF_INIT(TOKENS_BYTES);
	struct keyfile_tokens t = { .n = 0 };
	const char *s, *end;
	enum rc rc;

	rc = file_read_private(path, b.max, &b, d);
	s = buf_str(&b);
	end = s + b.len;
	while (rc == RC_OK && s < end) {
		const char *line = s, *stop = memchr(s, '\n',
						     (size_t)(end - s));

		stop = stop ? stop : end;
		s = stop + 1;
		while (line < stop && is_blank(*line))
			line++;
		while (line < stop && is_blank(stop[-1]))
			stop--;
		if (line < stop)
			rc = add_token(&t, line, (size_t)(stop - line), path,
				       d);
	}
	if (rc == RC_OK && t.n == 0)
		rc = add_token(&t, "", 0, path, d);	/* says what is one */
	if (rc == RC_OK)
		*out = t;
	else
		keyfile_tokens_free(&t);
	wipe(&b);
	return rc;
}

void keyfile_tokens_free(struct keyfile_tokens *t)
{
	while (t->n > 0)
		keyfile_token_free(t->text[--t->n]);
}

enum rc keyfile_token(const char *path, char **out, struct diag *d)
{
	struct keyfile_tokens t;
	enum rc rc = keyfile_tokens(path, &t, d);

	if (rc != RC_OK)
		return rc;
	*out = t.text[0];
	t.text[0] = NULL;
	keyfile_tokens_free(&t);
	return RC_OK;
}

void keyfile_token_free(char *token)
{
	if (!token)
		return;
	explicit_bzero(token, strlen(token));
	free(token);
}
