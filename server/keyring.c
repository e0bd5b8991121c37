#include "server/keyring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/sys/clock.h"
#include "common/sys/keyfile.h"
#include "common/sys/log.h"

struct keyring {
	char *path, *next_path;
	struct keynotes is, to;		/* to: prepared, else the same */
	struct sign_key *current;
	struct sign_key *next;		/* what KEY.next held, or NULL */
	char trouble[1024];
};

static const char *id_of(const struct sign_key *k)
{
	return k ? sign_key_public(k)->id : "";
}

/* ---- files ----------------------------------------------------------------- */

static void set_trouble(struct keyring *r, const char *what, const char *why)
{
	snprintf(r->trouble, sizeof(r->trouble), "%s: %s%s%s", r->next_path,
	         what, why ? ": " : "", why ? why : "");
}

/* KEY.next is the current key's: the last step of a change. Should the machine die
 * now and forget it, it is done again. */
static void rename_next(struct keyring *r)
{
	if (rename(r->next_path, r->path) == 0)
		return;
	set_trouble(r, "holds the key that signs now, but cannot be renamed to "
	            "KEY", strerror(errno));
	log_error("key", "%s", r->trouble);
}

/* The next key is announced: is its file there? */
static void check_next(struct keyring *r, const struct diag *why)
{
	const struct key_note *k = keynotes_role(&r->is, KEY_NEXT);

	r->trouble[0] = '\0';
	if (!k) {
		if (r->next)
			log_info("key", "%s is not announced; key next takes "
			         "it", r->next_path);
	} else if (!r->next) {
		set_trouble(r, "the next key is announced, but cannot be read; "
		            "put it back, or make another with key next",
		            why->text[0] ? why->text : NULL);
	} else if (strcmp(id_of(r->next), k->key.id) != 0) {
		set_trouble(r, "not the next key that is announced; put that "
		            "back, or make another with key next", NULL);
	}
	if (r->trouble[0])
		log_error("key", "%s", r->trouble);
	if (!k || r->trouble[0]) {
		sign_key_free(r->next);
		r->next = NULL;
	}
}

static enum rc first_key(struct keyring *r, struct diag *d)
{
	enum rc rc = RC_OK;

	if (!r->current) {
		rc = keyfile_make(r->path, &r->current, d);
		if (rc == RC_OK)
			log_info("key", "made %s thumbprint=%s", r->path,
			         id_of(r->current));
	}
	if (rc == RC_OK)
		key_note_set(keynotes_add(&r->is, sign_key_public(r->current)),
		         KEY_CURRENT, clock_wall_s());
	return rc;
}

/* KEY is another one than the journal's current key. */
static enum rc other_key(struct keyring *r, struct key_note *was,
                         struct diag *d)
{
	struct key_note *k = keynotes_find(&r->is, id_of(r->current));
	int64_t now = clock_wall_s();

	/* Of an old journal nobody knows which one signed last. */
	if (was && k && k->role >= KEY_RETIRED)
		return diag_set(d, RC_ERULE, "%s holds the %s key %s; the "
		                "journal's current key is %s: put that one "
		                "back", r->path, key_role_text(k->role), k->key.id,
		                was->key.id);
	if (was) {
		log_warn("key", "%s was replaced: %s signs in place of %s%s",
		         r->path, id_of(r->current), was->key.id,
		         k ? "" : "; it was not announced, so proxies fetch "
		         "the directory from this server first");
		key_note_set(was, KEY_RETIRED, now);
		k = keynotes_find(&r->is, id_of(r->current));
	}
	if (!k)
		k = keynotes_add(&r->is, sign_key_public(r->current));
	key_note_set(k, KEY_CURRENT, was ? now : 0);
	return RC_OK;
}

static enum rc find_current(struct keyring *r, const char *state,
                            struct diag *d)
{
	struct key_note *was = keynotes_role(&r->is, KEY_CURRENT);

	if (was && strcmp(id_of(r->current), was->key.id) == 0)
		return RC_OK;
	if (was && strcmp(id_of(r->next), was->key.id) == 0) {
		sign_key_free(r->current);
		r->current = r->next;
		r->next = NULL;
		log_info("key", "a change of keys is finished: %s is %s now",
		         r->next_path, r->path);
		rename_next(r);
		return RC_OK;
	}
	if (!r->current)
		return diag_set(d, RC_ENOENT, "the journal in %s was signed "
		                "with a key that is not at %s%s%s: put the key "
		                "back, or start with an empty state directory",
		                state, r->path, was ? ": " : "",
		                was ? was->key.id : "");
	return other_key(r, was, d);
}

static enum rc load(const char *path, struct sign_key **key, struct diag *d)
{
	struct diag why = { 0 };
	enum rc rc = keyfile_load(path, key, &why);

	if (rc != RC_OK && rc != RC_ENOENT)
		*d = why;
	return rc == RC_ENOENT ? RC_OK : rc;
}

enum rc keyring_open(const char *path, const char *state,
                     const struct buf *text, struct keyring **out,
                     struct diag *d)
{
	struct keyring *r = calloc(1, sizeof(*r));
	size_t len = strlen(path) + sizeof(".next");
	struct diag why = { 0 };
	enum rc rc = RC_ENOMEM;

	if (!r)
		return rc;
	r->path = strdup(path);
	r->next_path = malloc(len);
	if (!r->path || !r->next_path)
		goto out;
	snprintf(r->next_path, len, "%s.next", path);
	rc = text && text->len ? keynotes_read(text, &r->is, d) : RC_OK;
	if (rc == RC_OK)
		rc = load(r->path, &r->current, d);
	/* Its absence is for the operator to mend, not to stop a start. */
	if (rc == RC_OK && load(r->next_path, &r->next, &why) == RC_ENOMEM)
		rc = RC_ENOMEM;
	if (rc == RC_OK)
		rc = text ? find_current(r, state, d) : first_key(r, d);
	if (rc != RC_OK)
		goto out;
	if (!r->trouble[0])
		check_next(r, &why);
	r->to = r->is;
	*out = r;
	r = NULL;
out:
	keyring_free(r);
	return rc;
}

void keyring_free(struct keyring *r)
{
	if (!r)
		return;
	sign_key_free(r->current);
	sign_key_free(r->next);
	free(r->path);
	free(r->next_path);
	free(r);
}

/* ---- changes --------------------------------------------------------------- */

/* A private key into `next`: the one in KEY.next, or a new one. */
static enum rc take_file(struct keyring *r, struct diag *d)
{
	const struct key_note *k;
	struct sign_key *key = NULL;
	enum rc rc = load(r->next_path, &key, d);

	if (rc == RC_OK && key && strcmp(id_of(key), id_of(r->current)) == 0) {
		sign_key_free(key);
		return diag_set(d, RC_ERULE, "%s holds the current key: take "
		                "it away, and a new one is made",
		                r->next_path);
	}
	if (rc == RC_OK && !key)
		rc = keyfile_make(r->next_path, &key, d);
	if (rc != RC_OK)
		return rc;
	k = keynotes_find(&r->to, id_of(key));
	if (k && k->role >= KEY_RETIRED) {
		rc = diag_set(d, RC_ERULE, "%s holds the %s key %s: take it "
		              "away, and a new one is made", r->next_path,
		              key_role_text(k->role), k->key.id);
		sign_key_free(key);
		return rc;
	}
	sign_key_free(r->next);
	r->next = key;
	return RC_OK;
}

/* Is the rename of an earlier change still owed? */
static void settle(struct keyring *r)
{
	struct sign_key *key = NULL;
	struct diag d = { 0 };

	if (!r->trouble[0] || load(r->next_path, &key, &d) != RC_OK)
		return;
	if (key && strcmp(id_of(key), id_of(r->current)) == 0) {
		r->trouble[0] = '\0';
		rename_next(r);
	}
	sign_key_free(key);
}

/* The next key that is announced, ready to sign; NULL: none, or its file is not
 * there. */
static struct key_note *ready_next(struct keyring *r)
{
	struct key_note *k = keynotes_role(&r->to, KEY_NEXT);

	return k && strcmp(id_of(r->next), k->key.id) == 0 ? k : NULL;
}

static enum rc new_next(struct keyring *r, struct key_note **out,
                        struct diag *d)
{
	struct key_note *k;
	enum rc rc = take_file(r, d);

	if (rc != RC_OK)
		return rc;
	k = keynotes_role(&r->to, KEY_NEXT);
	if (k)
		keynotes_remove(&r->to, k);	/* it has never signed */
	*out = keynotes_add(&r->to, sign_key_public(r->next));
	return RC_OK;
}

enum rc keyring_next(struct keyring *r, int64_t now, int64_t from,
                     struct diag *d)
{
	struct key_note *k;
	enum rc rc;

	settle(r);
	if (ready_next(r))
		return diag_set(d, RC_EEXIST, "there is a next key already: %s",
		                ready_next(r)->key.id);
	rc = new_next(r, &k, d);
	if (rc != RC_OK) {
		keyring_undo(r);
		return rc;
	}
	key_note_set(k, KEY_NEXT, now);
	k->from = from;
	return RC_OK;
}

/* The next key k takes the place of the current one. */
static void turn(struct keyring *r, struct key_note *k, enum key_role was,
                 int64_t now)
{
	key_note_set(keynotes_role(&r->to, KEY_CURRENT), was, now);
	key_note_set(k, KEY_CURRENT, now);
}

enum rc keyring_retire(struct keyring *r, int64_t now, int64_t *left,
                       struct diag *d)
{
	struct key_note *k;

	settle(r);
	k = ready_next(r);
	if (!k)
		return diag_set(d, RC_ENOENT, "%s", r->trouble[0] ? r->trouble :
		                "there is no next key: say key next first, and "
		                "retire the current one when that has been "
		                "announced for one signature lifetime");
	if (now < k->from) {
		*left = k->from - now;
		return diag_set(d, RC_ETIME, "the next key %s is announced, "
		                "but may not sign yet", k->key.id);
	}
	turn(r, k, KEY_RETIRED, now);
	return RC_OK;
}

enum rc keyring_drop(struct keyring *r, int64_t now, struct diag *d)
{
	struct key_note *k;
	enum rc rc = RC_OK;

	settle(r);
	k = ready_next(r);
	if (!k)
		rc = new_next(r, &k, d);
	if (rc == RC_OK)
		turn(r, k, KEY_COMPROMISED, now);
	else
		keyring_undo(r);
	return rc;
}

void keyring_done(struct keyring *r)
{
	const struct key_note *k = keynotes_role(&r->to, KEY_CURRENT);

	r->is = r->to;
	r->trouble[0] = '\0';
	if (strcmp(id_of(r->current), k->key.id) == 0)
		return;
	sign_key_free(r->current);
	r->current = r->next;
	r->next = NULL;
	rename_next(r);
}

void keyring_undo(struct keyring *r)
{
	r->to = r->is;
	if (ready_next(r))
		return;
	sign_key_free(r->next);
	r->next = NULL;
}

/* ---- what it says ---------------------------------------------------------- */

enum rc keyring_write(const struct keyring *r, struct buf *dst)
{
	return keynotes_write(&r->to, dst);
}

const struct sign_key *keyring_signer(const struct keyring *r)
{
	const struct key_note *k = keynotes_role(&r->to, KEY_CURRENT);

	return strcmp(id_of(r->current), k->key.id) == 0 ? r->current : r->next;
}

void keyring_announce(const struct keyring *r, struct ird_redistribution *rd)
{
	const struct key_note *next = keynotes_role(&r->to, KEY_NEXT);

	rd->n_keys = 0;
	rd->keys[rd->n_keys++] = keynotes_role(&r->to, KEY_CURRENT)->key;
	if (next)
		rd->keys[rd->n_keys++] = next->key;
}

void keyring_own(const struct keyring *r, struct keys *out)
{
	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < r->is.n; i++)
		if (r->is.note[i].role != KEY_COMPROMISED)
			out->key[out->n++] = r->is.note[i].key;
}

size_t keyring_notes(const struct keyring *r, struct key_note out[JWK_KEYS_MAX])
{
	size_t n = 0;

	for (int role = KEY_CURRENT; role <= KEY_NEXT; role++)
		if (keynotes_role(&r->is, (enum key_role)role))
			out[n++] = *keynotes_role(&r->is, (enum key_role)role);
	for (size_t i = r->is.n; i-- > 0;)
		if (r->is.note[i].role >= KEY_RETIRED)
			out[n++] = r->is.note[i];
	return n;
}

const struct key_note *keyring_next_note(const struct keyring *r)
{
	return keynotes_role(&r->is, KEY_NEXT);
}

int64_t keyring_compromised(const struct keyring *r)
{
	int64_t last = 0;

	for (size_t i = 0; i < r->is.n; i++)
		if (r->is.note[i].role == KEY_COMPROMISED &&
		    r->is.note[i].since > last)
			last = r->is.note[i].since;
	return last;
}

const char *keyring_trouble(const struct keyring *r)
{
	return r->trouble;
}
