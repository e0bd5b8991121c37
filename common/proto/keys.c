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

static bool is_retired(const struct keys *k, const char *id)
{
	for (size_t i = 0; i < k->n_retired; i++)
		if (strcmp(k->retired[i], id) == 0)
			return true;
	return false;
}

void keys_pardon(struct keys *k, const char *id)
{
	size_t n = 0;

	for (size_t i = 0; i < k->n_retired; i++)
		if (strcmp(k->retired[i], id) != 0)
			memmove(k->retired[n++], k->retired[i],
			        sizeof(k->retired[0]));
	k->n_retired = n;
}

static void retire(struct keys *k, const char *id)
{
	keys_pardon(k, id);
	if (k->n_retired == KEYS_RETIRED_MAX)
		memmove(k->retired[0], k->retired[1],
		        --k->n_retired * sizeof(k->retired[0]));
	memcpy(k->retired[k->n_retired++], id, strlen(id) + 1);
}

bool keys_vouch(const struct keys *k, const char *id, bool at_origin)
{
	return !is_retired(k, id) &&
	       (k->n_pins ? keys_pinned(k, id) : at_origin);
}

void keys_follow(struct keys *k, const struct ird_redistribution *ird)
{
	if (ird->n_keys == 0)
		return;		/* no keys at all would mean: trust anew */
	for (size_t i = 0; i < k->n; i++)
		retire(k, k->key[i].id);
	for (size_t i = 0; i < ird->n_keys; i++)
		keys_pardon(k, ird->keys[i].id);
	k->n = ird->n_keys;
	memcpy(k->key, ird->keys, ird->n_keys * sizeof(k->key[0]));
}

enum rc keys_first(struct keys *k, const struct ird_redistribution *ird,
                   const struct state *st, bool at_origin)
{
	struct keys listed = *k;
	enum rc rc;

	if (!keys_vouch(k, st->key, at_origin))
		return RC_EKEY;
	keys_follow(&listed, ird);
	rc = keys_check(&listed, st);
	if (rc == RC_OK)
		*k = listed;
	return rc;
}

/* ---- as text --------------------------------------------------------------- */

static bool put_retired(const struct keys *k, json_t *set)
{
	json_t *list = json_array();

	for (size_t i = 0; i < k->n_retired; i++)
		if (json_array_append_new(list,
		                          json_string(k->retired[i])) != 0)
			break;
	if (!list || json_array_size(list) != k->n_retired) {
		json_decref(list);
		return false;
	}
	return json_object_set_new(set, "retired", list) == 0;
}

static bool put_top(const struct keys *k, json_t *set)
{
	return json_object_set_new(set, "top", json_pack("{s:s,s:I}",
		"session", k->top.session, "serial",
		(json_int_t)k->top.serial)) == 0;
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
	if ((k->n_retired == 0 || put_retired(k, set)) &&
	    (!k->top.session[0] || put_top(k, set)))
		rc = jcs_write(set, dst);
out:
	json_decref(list);
	json_decref(set);
	return rc;
}

/* The newest, if there are more. */
static enum rc get_retired(const json_t *list, struct keys *k)
{
	k->n_retired = 0;
	if (list && !json_is_array(list))
		return RC_ESYNTAX;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *id = json_array_get(list, i);

		if (!json_is_string(id) ||
		    json_string_length(id) != THUMBPRINT_TEXT)
			return RC_ESYNTAX;
		retire(k, json_string_value(id));
	}
	return RC_OK;
}

/* Journals from before it was kept have none: the state held is the highest then. */
static enum rc get_top(const json_t *top, struct keys *k)
{
	const char *session;
	json_int_t serial;

	memset(&k->top, 0, sizeof(k->top));
	if (!top)
		return RC_OK;
	if (json_unpack((json_t *)top, "{s:s,s:I}", "session", &session,
	                "serial", &serial) != 0 || !enc_uuid_ok(session) ||
	    serial < 1 || serial > (json_int_t)SERIAL_MAX)
		return RC_ESYNTAX;
	memcpy(k->top.session, session, UUID_TEXT + 1);
	k->top.serial = (uint64_t)serial;
	return RC_OK;
}

enum rc keys_read(struct keys *k, const char *text, size_t len)
{
	struct keys next = *k;
	json_t *set = NULL;
	enum rc rc = json_read(text, len, KEYS_TEXT_MAX, &set, NULL);

	if (rc == RC_OK)
		rc = jwk_read_set(set, next.key, &next.n, NULL);
	if (rc == RC_OK)
		rc = get_retired(json_object_get(set, "retired"), &next);
	if (rc == RC_OK)
		rc = get_top(json_object_get(set, "top"), &next);
	if (rc == RC_OK)
		*k = next;
	json_decref(set);
	return rc;
}
