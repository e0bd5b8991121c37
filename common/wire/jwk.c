#include "common/wire/jwk.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/base/enc.h"
#include "common/wire/json.h"

#define COORD_SIZE 32
#define COORD_TEXT 43		/* base64url of one coordinate */

/* What the two kinds of key are called (RFC 8037 s2, RFC 7518 s6.2). */
static const struct kind {
	const char *kty, *crv, *alg;
	enum sign_alg is;
	bool has_y;
} kinds[] = {
	{ "OKP", "Ed25519", "EdDSA", SIGN_ED25519, false },
	{ "EC", "P-256", "ES256", SIGN_P256, true },
};

/* Sets a string member; false: out of memory. */
static bool put(json_t *obj, const char *name, const char *value)
{
	return json_object_set_new(obj, name, json_string(value)) == 0;
}

static bool put_coord(json_t *obj, const char *name, const uint8_t *raw)
{
	struct buf text = BUF_INIT(COORD_TEXT);
	bool ok;

	enc_base64url(&text, raw, COORD_SIZE);
	ok = buf_rc(&text) == RC_OK && put(obj, name, buf_str(&text));
	buf_free(&text);
	return ok;
}

json_t *jwk_write(const struct public_key *k)
{
	const struct kind *kind = &kinds[k->alg == SIGN_P256];
	json_t *obj = json_object();

	if (put(obj, "alg", kind->alg) && put(obj, "crv", kind->crv) &&
	    put(obj, "kid", k->id) && put(obj, "kty", kind->kty) &&
	    put(obj, "use", "sig") && put_coord(obj, "x", k->raw) &&
	    (!kind->has_y || put_coord(obj, "y", k->raw + COORD_SIZE)))
		return obj;
	json_decref(obj);
	return NULL;
}

/* A string member that may be missing: "" then. */
static enum rc optional(const json_t *obj, const char *at, const char *name,
                        const char **out, struct diag *d)
{
	if (json_object_get(obj, name))
		return json_text(obj, at, name, JSON_SMALL_MAX, out, d);
	*out = "";
	return RC_OK;
}

static enum rc read_kind(const json_t *jwk, const char *at,
                         const struct kind **out, struct diag *d)
{
	const char *kty, *crv, *alg, *use;
	enum rc rc = json_text(jwk, at, "kty", JSON_SMALL_MAX, &kty, d);

	if (rc == RC_OK)
		rc = optional(jwk, at, "crv", &crv, d);
	if (rc == RC_OK)
		rc = optional(jwk, at, "alg", &alg, d);
	if (rc == RC_OK)
		rc = optional(jwk, at, "use", &use, d);
	if (rc != RC_OK)
		return rc == RC_ENOENT ? RC_ESYNTAX : rc;
	if (*use && strcmp(use, "sig") != 0)
		return RC_ERULE;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].kty, kty) != 0 ||
		    strcmp(kinds[i].crv, crv) != 0)
			continue;
		if (*alg && strcmp(alg, kinds[i].alg) != 0)
			return json_refuse(d, RC_ESYNTAX, at, "alg",
			                   "contradicts crv, must be \"%s\"",
			                   kinds[i].alg);
		*out = &kinds[i];
		return RC_OK;
	}
	return RC_ERULE;
}

static enum rc read_coord(const json_t *jwk, const char *at, const char *name,
                          uint8_t *raw, struct diag *d)
{
	struct buf bytes = BUF_INIT(COORD_SIZE);
	const char *text;
	enum rc rc = json_text(jwk, at, name, JSON_SMALL_MAX, &text, d);

	if (rc != RC_OK)
		return rc == RC_ENOENT ? RC_ESYNTAX : rc;
	rc = enc_base64url_read(text, strlen(text), &bytes);
	if (rc != RC_ENOMEM && (rc != RC_OK || bytes.len != COORD_SIZE))
		rc = json_refuse(d, RC_ESYNTAX, at, name,
		                 "must be base64url of %d bytes", COORD_SIZE);
	if (rc == RC_OK)
		memcpy(raw, bytes.data, COORD_SIZE);
	buf_free(&bytes);
	return rc;
}

/* Leaves d alone when the answer is RC_ERULE: a set skips such a key, and a
 * later one may have more to say. */
static enum rc read_key(const json_t *jwk, const char *at,
                        struct public_key *out, struct diag *d)
{
	const struct kind *kind = NULL;
	struct public_key k = { 0 };
	enum rc rc = read_kind(jwk, at, &kind, d);

	if (rc != RC_OK)
		return rc;
	k.alg = kind->is;
	rc = read_coord(jwk, at, "x", k.raw, d);
	if (rc == RC_OK && kind->has_y)
		rc = read_coord(jwk, at, "y", k.raw + COORD_SIZE, d);
	if (rc == RC_OK)
		rc = public_key_name(&k);
	if (rc == RC_OK)
		*out = k;
	return rc;
}

enum rc jwk_read(const json_t *jwk, struct public_key *out, struct diag *d)
{
	enum rc rc = read_key(jwk, "", out, d);

	if (rc == RC_ERULE)
		json_refuse(d, rc, "", NULL, "a kind of key that is not known, "
		            "must be Ed25519 or P-256 for signatures");
	return rc;
}

static bool has_key(const struct public_key *keys, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(keys[i].id, id) == 0)
			return true;
	return false;
}

enum rc jwk_read_set(const json_t *set, struct public_key out[JWK_KEYS_MAX],
                     size_t *n, struct diag *d)
{
	struct public_key keys[JWK_KEYS_MAX], k;
	size_t count = 0;
	json_t *list;
	enum rc rc = json_member(set, "", "keys", JSON_ARRAY, &list, d);

	if (rc != RC_OK)
		return rc == RC_ENOENT ? RC_ESYNTAX : rc;
	for (size_t i = 0; i < json_array_size(list); i++) {
		char at[32];

		snprintf(at, sizeof(at), "/keys/%zu", i);
		rc = read_key(json_array_get(list, i), at, &k, d);
		if (rc == RC_ERULE || (rc == RC_OK &&
		                       has_key(keys, count, k.id)))
			continue;
		if (rc != RC_OK)
			return rc;
		if (count == JWK_KEYS_MAX)
			return json_refuse(d, RC_ELIMIT, "", "keys",
			                   "more than %d keys", JWK_KEYS_MAX);
		keys[count++] = k;
	}
	memcpy(out, keys, count * sizeof(*keys));
	*n = count;
	return RC_OK;
}
