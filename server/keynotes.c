#include "server/keynotes.h"

#include <jansson.h>
#include <stdbool.h>
#include <string.h>

#include "common/wire/jcs.h"
#include "common/wire/json.h"

#define TEXT_MAX (64u << 10)

static const char *const roles[] = { "current", "next", "retired",
                                     "compromised" };

const char *key_role_text(enum key_role r)
{
	return roles[r];
}

struct key_note *keynotes_role(const struct keynotes *s, enum key_role role)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->note[i].role == role)
			return (struct key_note *)&s->note[i];
	return NULL;
}

struct key_note *keynotes_find(const struct keynotes *s, const char *id)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->note[i].key.id, id) == 0)
			return (struct key_note *)&s->note[i];
	return NULL;
}

void keynotes_remove(struct keynotes *s, struct key_note *k)
{
	size_t at = (size_t)(k - s->note);

	s->n--;
	memmove(k, k + 1, (s->n - at) * sizeof(*k));
}

void key_note_set(struct key_note *k, enum key_role role, int64_t now)
{
	k->role = role;
	k->since = now;
	k->from = 0;
}

struct key_note *keynotes_add(struct keynotes *s, const struct public_key *key)
{
	struct key_note *old;

	if (s->n == JWK_KEYS_MAX) {
		old = keynotes_role(s, KEY_RETIRED);
		keynotes_remove(s, old ? old :
		                keynotes_role(s, KEY_COMPROMISED));
	}
	s->note[s->n] = (struct key_note){ .key = *key, .role = KEY_RETIRED };
	return &s->note[s->n++];
}

static enum rc read_note(const json_t *o, struct keynotes *s)
{
	const char *role = json_string_value(json_object_get(o, "role"));
	struct key_note k = { .role = KEY_RETIRED };
	bool known = !role;
	enum rc rc = s->n < JWK_KEYS_MAX ? jwk_read(o, &k.key, NULL) :
	                                   RC_ELIMIT;

	if (rc != RC_OK)
		return rc;
	for (int i = KEY_CURRENT; role && i <= KEY_COMPROMISED; i++) {
		if (strcmp(role, roles[i]) != 0)
			continue;
		k.role = (enum key_role)i;
		known = true;
	}
	if (!known || keynotes_find(s, k.key.id) ||
	    (k.role <= KEY_NEXT && keynotes_role(s, k.role)))
		return RC_ERULE;
	k.since = json_integer_value(json_object_get(o, "since"));
	k.from = json_integer_value(json_object_get(o, "from"));
	s->note[s->n++] = k;
	return RC_OK;
}

enum rc keynotes_read(const struct buf *text, struct keynotes *s,
                      struct diag *d)
{
	struct keynotes all = { 0 };
	json_t *doc = NULL, *list, *o;
	size_t i;
	enum rc rc = json_read(buf_str(text), text->len, TEXT_MAX, &doc, NULL);

	if (rc == RC_OK)
		rc = json_member(doc, "", "keys", JSON_ARRAY, &list, NULL);
	if (rc == RC_OK)
		json_array_foreach(list, i, o)
			rc = rc == RC_OK ? read_note(o, &all) : rc;
	json_decref(doc);
	if (rc == RC_OK)
		*s = all;
	else if (rc != RC_ENOMEM)
		rc = diag_set(d, RC_EDIGEST, "the journal's list of keys is "
		              "damaged");
	return rc;
}

static json_t *print_note(const struct key_note *k)
{
	json_t *o = jwk_write(&k->key);

	if (!o || json_object_set_new(o, "role",
	                              json_string(roles[k->role])) != 0 ||
	    json_object_set_new(o, "since", json_integer(k->since)) != 0 ||
	    json_object_set_new(o, "from", json_integer(k->from)) != 0) {
		json_decref(o);
		return NULL;
	}
	return o;
}

enum rc keynotes_write(const struct keynotes *s, struct buf *dst)
{
	json_t *set = json_object(), *list = json_array();
	enum rc rc = set && json_object_set(set, "keys", list) == 0 ? RC_OK :
	                                                        RC_ENOMEM;

	for (size_t i = 0; rc == RC_OK && i < s->n; i++)
		if (json_array_append_new(list, print_note(&s->note[i])) != 0)
			rc = RC_ENOMEM;
	if (rc == RC_OK)
		rc = jcs_write(set, dst);
	json_decref(list);
	json_decref(set);
	return rc;
}
