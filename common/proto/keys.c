#include "common/proto/keys.h"

#include <string.h>

#include "common/wire/jcs.h"
#include "common/wire/json.h"
#include "common/wire/state_json.h"

#define KEYS_TEXT_MAX (64u << 10)

const struct public_key *keys_find(const struct keys *k, const char *id)
{
	for (size_t i = 0; i < k->n; i++)
		if (strcmp(k->key[i].id, id) == 0)
			return &k->key[i];
	return NULL;
}

bool keys_pinned(const struct keys *k, const char *id)
{
	for (size_t i = 0; i < k->n_pins; i++)
		if (strcmp(k->pin[i], id) == 0)
			return true;
	return false;
}

enum rc keys_check(const struct keys *k, const struct state *st)
{
	const struct public_key *key = keys_find(k, st->key);

	return key ? state_check(st, key) : RC_EKEY;
}

void keys_follow(struct keys *k, const struct ird_redistribution *ird)
{
	if (ird->n_keys == 0)
		return;		/* no keys at all would mean: trust anew */
	k->n = ird->n_keys;
	memcpy(k->key, ird->keys, ird->n_keys * sizeof(k->key[0]));
}

enum rc keys_first(struct keys *k, const struct ird_redistribution *ird,
                   const struct state *st, bool at_origin)
{
	struct keys listed = *k;
	enum rc rc;

	keys_follow(&listed, ird);
	if (!keys_find(&listed, st->key))
		return RC_EKEY;
	if (k->n_pins ? !keys_pinned(k, st->key) : !at_origin)
		return RC_EKEY;
	rc = keys_check(&listed, st);
	if (rc == RC_OK)
		*k = listed;
	return rc;
}

enum rc keys_write(const struct keys *k, struct buf *dst)
{
	json_t *set = json_object(), *list = json_array();
	enum rc rc = RC_ENOMEM;

	if (!set || json_object_set(set, "keys", list) != 0)
		goto out;
	for (size_t i = 0; i < k->n; i++)
		if (json_array_append_new(list, jwk_write(&k->key[i])) != 0)
			goto out;
	rc = jcs_write(set, dst);
out:
	json_decref(list);
	json_decref(set);
	return rc;
}

enum rc keys_read(struct keys *k, const char *text, size_t len)
{
	struct public_key key[JWK_KEYS_MAX];
	json_t *set = NULL;
	size_t n = 0;
	enum rc rc = json_read(text, len, KEYS_TEXT_MAX, &set, NULL);

	if (rc == RC_OK)
		rc = jwk_read_set(set, key, &n, NULL);
	if (rc == RC_OK) {
		memcpy(k->key, key, n * sizeof(key[0]));
		k->n = n;
	}
	json_decref(set);
	return rc;
}
