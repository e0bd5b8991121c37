/* Signing keys: what files and journal say, in every order they can be left in. */
#include "server/keyring.h"

#include <sys/stat.h>
#include <unistd.h>

#include "common/sys/file.h"
#include "common/sys/keyfile.h"
#include "common/wire/jwk.h"
#include "tests/suite.h"

#define T0	1000000			/* some time */
#define DAY	86400

static char dir[] = "/tmp/test_keyring.XXXXXX";
static char key[64], next[80], aside[80];

static void clear(void)
{
	unlink(key);
	unlink(next);
	unlink(aside);
}

static enum rc try_open(const char *text, struct keyring **r, struct diag *d)
{
	struct buf b = BUF_INIT(1u << 20);
	enum rc rc;

	if (text)
		buf_puts(&b, text);
	rc = keyring_open(key, dir, text ? &b : NULL, r, d);
	buf_free(&b);
	return rc;
}

/* text: of the journal; NULL: it is empty. */
static struct keyring *open_ring(const char *text)
{
	struct keyring *r = NULL;
	struct diag d = { .line = 0 };

	CU_ASSERT_EQUAL(try_open(text, &r, &d), RC_OK);
	if (d.text[0])
		printf("%s\n", d.text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(r);
	return r;
}

static void refused(const char *text, enum rc why, const char *says)
{
	struct keyring *r = NULL;
	struct diag d = { .line = 0 };

	CU_ASSERT_EQUAL(try_open(text, &r, &d), why);
	CU_ASSERT_PTR_NULL(r);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, says));
}

static char *text_of(const struct keyring *r)
{
	struct buf b = BUF_INIT(1u << 20);

	CU_ASSERT_EQUAL_FATAL(keyring_write(r, &b), RC_OK);
	return buf_take(&b, NULL);
}

static const char *signer(const struct keyring *r)
{
	return sign_key_public(keyring_signer(r))->id;
}

/* The key of a file; "": there is none. */
static const char *held(const char *path)
{
	static char id[4][THUMBPRINT_TEXT + 1];
	static unsigned turn;
	struct sign_key *k = NULL;
	char *out = id[turn++ % 4];

	out[0] = '\0';
	if (keyfile_load(path, &k, NULL) == RC_OK)
		memcpy(out, sign_key_public(k)->id, THUMBPRINT_TEXT + 1);
	sign_key_free(k);
	return out;
}

static const struct key_note *note_of(const struct keyring *r, const char *id)
{
	static struct key_note all[JWK_KEYS_MAX];
	size_t n = keyring_notes(r, all);

	for (size_t i = 0; i < n; i++)
		if (strcmp(all[i].key.id, id) == 0)
			return &all[i];
	return NULL;
}

static bool is(const struct keyring *r, const char *id, enum key_role role)
{
	return note_of(r, id) && note_of(r, id)->role == role;
}

static bool own(const struct keyring *r, const char *id)
{
	struct keys k;

	keyring_own(r, &k);
	return keys_find(&k, id) != NULL;
}

static void announce(struct keyring *r, int64_t now)
{
	CU_ASSERT_EQUAL_FATAL(keyring_next(r, now, now + DAY, NULL), RC_OK);
	keyring_done(r);
}

static void retire(struct keyring *r, int64_t now)
{
	int64_t left = 0;

	CU_ASSERT_EQUAL_FATAL(keyring_retire(r, now, &left, NULL), RC_OK);
	keyring_done(r);
}

/* ---- the first key --------------------------------------------------------- */

static void the_first_start_makes_a_key(void)
{
	struct keyring *r = open_ring(NULL);
	struct ird_redistribution rd = { .n_keys = 0 };
	struct stat st;

	CU_ASSERT_EQUAL(stat(key, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
	CU_ASSERT_STRING_EQUAL(held(key), signer(r));
	CU_ASSERT(is(r, signer(r), KEY_CURRENT));
	keyring_announce(r, &rd);
	CU_ASSERT_EQUAL(rd.n_keys, 1);
	CU_ASSERT_STRING_EQUAL(keyring_trouble(r), "");
	keyring_free(r);
	clear();
}

static void a_journal_without_its_key_is_refused(void)
{
	struct keyring *r = open_ring(NULL);
	char *text = text_of(r);

	clear();
	refused(text, RC_ENOENT, key);
	refused(text, RC_ENOENT, signer(r));
	refused("", RC_ENOENT, dir);
	CU_ASSERT_STRING_EQUAL(held(key), "");	/* and none was made */
	free(text);
	keyring_free(r);
	clear();
}

static void a_journal_without_roles_still_opens(void)
{
	struct keyring *r = open_ring(NULL);
	struct buf b = BUF_INIT(65536);
	struct sign_key *old = NULL;
	struct keys all = { .n = 2 };

	CU_ASSERT_EQUAL_FATAL(sign_key_new(&old), RC_OK);
	all.key[0] = *sign_key_public(old);
	all.key[1] = *sign_key_public(keyring_signer(r));
	CU_ASSERT_EQUAL_FATAL(keys_write(&all, &b), RC_OK);
	keyring_free(r);
	r = open_ring(buf_str(&b));
	CU_ASSERT(is(r, all.key[1].id, KEY_CURRENT));
	CU_ASSERT(is(r, all.key[0].id, KEY_RETIRED));
	CU_ASSERT(own(r, all.key[0].id));
	keyring_free(r);
	sign_key_free(old);
	buf_free(&b);
	clear();
}

static void a_damaged_list_is_refused(void)
{
	static const char *const bad[] = {
		"{", "[]", "{\"keys\":{}}", "{\"keys\":[1]}",
		"{\"keys\":[{\"kty\":\"OKP\"}]}"
	};
	struct keyring *r = open_ring(NULL);
	char *text = text_of(r), *at = strstr(text, "\"current\"");

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused(bad[i], RC_EDIGEST, "damaged");
	CU_ASSERT_PTR_NOT_NULL_FATAL(at);
	at[1] = 'x';
	refused(text, RC_EDIGEST, "damaged");
	free(text);
	keyring_free(r);
	clear();
}

/* ---- changes --------------------------------------------------------------- */

static void the_next_key_is_announced_beside_the_current_one(void)
{
	struct keyring *r = open_ring(NULL);
	struct ird_redistribution rd = { .n_keys = 0 };
	struct stat st;

	CU_ASSERT_EQUAL(keyring_next(r, T0, T0 + DAY, NULL), RC_OK);
	keyring_announce(r, &rd);
	CU_ASSERT_EQUAL(rd.n_keys, 2);
	CU_ASSERT_STRING_EQUAL(rd.keys[0].id, held(key));
	CU_ASSERT_STRING_EQUAL(rd.keys[1].id, held(next));
	CU_ASSERT_EQUAL(stat(next, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
	CU_ASSERT_PTR_NULL(keyring_next_note(r));	/* not yet so */
	keyring_done(r);
	CU_ASSERT_PTR_NOT_NULL_FATAL(keyring_next_note(r));
	CU_ASSERT_EQUAL(keyring_next_note(r)->from, T0 + DAY);
	CU_ASSERT_STRING_EQUAL(signer(r), held(key));
	CU_ASSERT_EQUAL(keyring_next(r, T0, T0, NULL), RC_EEXIST);
	keyring_free(r);
	clear();
}

static void a_key_is_retired_when_its_time_has_come(void)
{
	struct keyring *r = open_ring(NULL);
	struct ird_redistribution rd = { .n_keys = 0 };
	struct diag d = { .line = 0 };
	int64_t left = 0;
	char was[64];

	snprintf(was, sizeof(was), "%s", signer(r));
	CU_ASSERT_EQUAL(keyring_retire(r, T0, &left, &d), RC_ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "key next"));
	announce(r, T0);
	CU_ASSERT_EQUAL(keyring_retire(r, T0 + DAY - 5, &left, NULL), RC_ETIME);
	CU_ASSERT_EQUAL(left, 5);
	CU_ASSERT_STRING_EQUAL(signer(r), was);
	CU_ASSERT_EQUAL(keyring_retire(r, T0 + DAY, &left, NULL), RC_OK);
	CU_ASSERT_STRING_EQUAL(signer(r), held(next));	/* prepared */
	keyring_done(r);
	CU_ASSERT_STRING_EQUAL(signer(r), held(key));
	CU_ASSERT_STRING_EQUAL(held(next), "");
	CU_ASSERT(is(r, was, KEY_RETIRED));
	CU_ASSERT(own(r, was));
	keyring_announce(r, &rd);
	CU_ASSERT_EQUAL(rd.n_keys, 1);
	CU_ASSERT_STRING_EQUAL(rd.keys[0].id, signer(r));
	keyring_free(r);
	clear();
}

static void a_change_that_fails_leaves_all_as_it_was(void)
{
	struct keyring *r = open_ring(NULL);
	char *text = text_of(r), *after;
	char made[64];
	int64_t left;

	CU_ASSERT_EQUAL(keyring_next(r, T0, T0 + DAY, NULL), RC_OK);
	snprintf(made, sizeof(made), "%s", held(next));
	keyring_undo(r);
	after = text_of(r);
	CU_ASSERT_STRING_EQUAL(after, text);
	free(after);
	CU_ASSERT_EQUAL(keyring_drop(r, T0, NULL), RC_OK);
	keyring_undo(r);
	after = text_of(r);
	CU_ASSERT_STRING_EQUAL(after, text);
	CU_ASSERT_STRING_EQUAL(signer(r), held(key));
	announce(r, T0);	/* the file that is there already */
	CU_ASSERT_STRING_EQUAL(keyring_next_note(r)->key.id, made);
	CU_ASSERT_EQUAL(keyring_retire(r, T0 + DAY, &left, NULL), RC_OK);
	keyring_undo(r);
	CU_ASSERT_STRING_EQUAL(signer(r), held(key));
	retire(r, T0 + DAY);
	CU_ASSERT_STRING_EQUAL(signer(r), made);
	free(after);
	free(text);
	keyring_free(r);
	clear();
}

static void a_compromised_key_goes_at_once(void)
{
	struct keyring *r = open_ring(NULL);
	char first[64], second[64];

	snprintf(first, sizeof(first), "%s", signer(r));
	announce(r, T0);
	snprintf(second, sizeof(second), "%s", keyring_next_note(r)->key.id);
	CU_ASSERT_EQUAL(keyring_drop(r, T0 + 1, NULL), RC_OK);
	keyring_done(r);
	CU_ASSERT_STRING_EQUAL(signer(r), second);
	CU_ASSERT_STRING_EQUAL(held(key), second);
	CU_ASSERT(is(r, first, KEY_COMPROMISED));
	CU_ASSERT(!own(r, first));
	CU_ASSERT(own(r, second));
	/* Without a next key a new one is made. */
	CU_ASSERT_EQUAL(keyring_drop(r, T0 + 2, NULL), RC_OK);
	keyring_done(r);
	CU_ASSERT_STRING_NOT_EQUAL(signer(r), second);
	CU_ASSERT_STRING_EQUAL(held(key), signer(r));
	CU_ASSERT_STRING_EQUAL(held(next), "");
	CU_ASSERT(is(r, second, KEY_COMPROMISED));
	keyring_free(r);
	clear();
}

static void of_many_keys_the_compromised_ones_are_remembered(void)
{
	struct keyring *r = open_ring(NULL);
	char bad[64];
	char *text;

	snprintf(bad, sizeof(bad), "%s", signer(r));
	CU_ASSERT_EQUAL(keyring_drop(r, T0, NULL), RC_OK);
	keyring_done(r);
	for (int i = 1; i < 40; i++) {
		announce(r, T0 + i * DAY);
		retire(r, T0 + (i + 1) * DAY);
	}
	CU_ASSERT(is(r, bad, KEY_COMPROMISED));
	CU_ASSERT(is(r, signer(r), KEY_CURRENT));
	text = text_of(r);
	keyring_free(r);
	r = open_ring(text);
	CU_ASSERT(is(r, bad, KEY_COMPROMISED));
	CU_ASSERT_STRING_EQUAL(signer(r), held(key));
	free(text);
	keyring_free(r);
	clear();
}

/* ---- killed in between ----------------------------------------------------- */

static void a_file_that_was_not_journalled_is_no_next_key(void)
{
	struct keyring *r = open_ring(NULL);
	char *text = text_of(r);
	char made[64];

	CU_ASSERT_EQUAL(keyring_next(r, T0, T0 + DAY, NULL), RC_OK);
	keyring_free(r);
	r = open_ring(text);
	CU_ASSERT_PTR_NULL(keyring_next_note(r));
	CU_ASSERT_STRING_EQUAL(keyring_trouble(r), "");
	snprintf(made, sizeof(made), "%s", held(next));
	announce(r, T0);
	CU_ASSERT_STRING_EQUAL(keyring_next_note(r)->key.id, made);
	free(text);
	keyring_free(r);
	clear();
}

static void a_rename_that_is_owed_is_done_at_the_start(void)
{
	struct keyring *r = open_ring(NULL);
	char *text;
	char made[64], was[64];
	int64_t left;

	announce(r, T0);
	snprintf(was, sizeof(was), "%s", signer(r));
	snprintf(made, sizeof(made), "%s", held(next));
	CU_ASSERT_EQUAL(keyring_retire(r, T0 + DAY, &left, NULL), RC_OK);
	text = text_of(r);		/* journalled, and then killed */
	keyring_free(r);
	CU_ASSERT_STRING_EQUAL(held(key), was);
	r = open_ring(text);
	CU_ASSERT_STRING_EQUAL(signer(r), made);
	CU_ASSERT_STRING_EQUAL(held(key), made);
	CU_ASSERT_STRING_EQUAL(held(next), "");
	CU_ASSERT(is(r, was, KEY_RETIRED));
	keyring_free(r);
	r = open_ring(text);		/* and after it */
	CU_ASSERT_STRING_EQUAL(signer(r), made);
	free(text);
	keyring_free(r);
	clear();
}

/* ---- what the operator did to the files ------------------------------------ */

static void a_retired_key_cannot_come_back(void)
{
	struct keyring *r = open_ring(NULL);
	char *text;

	CU_ASSERT_EQUAL(link(key, aside), 0);
	announce(r, T0);
	retire(r, T0 + DAY);
	text = text_of(r);
	CU_ASSERT_EQUAL(unlink(key), 0);
	CU_ASSERT_EQUAL(link(aside, key), 0);
	refused(text, RC_ERULE, "retired");
	refused(text, RC_ERULE, signer(r));
	free(text);
	keyring_free(r);
	clear();
}

static void a_key_put_there_by_its_owner_signs(void)
{
	struct keyring *r = open_ring(NULL);
	char *text = text_of(r);
	struct sign_key *mine = NULL;
	char was[64];

	snprintf(was, sizeof(was), "%s", signer(r));
	keyring_free(r);
	clear();
	CU_ASSERT_EQUAL_FATAL(keyfile_make(key, &mine, NULL), RC_OK);
	r = open_ring(text);
	CU_ASSERT_STRING_EQUAL(signer(r), sign_key_public(mine)->id);
	CU_ASSERT(is(r, was, KEY_RETIRED));
	CU_ASSERT(own(r, was));
	free(text);
	sign_key_free(mine);
	keyring_free(r);
	clear();
}

static void a_next_key_whose_file_is_gone_is_no_reason_not_to_start(void)
{
	struct keyring *r = open_ring(NULL);
	char *text, lost[64];
	struct diag d = { .line = 0 };
	int64_t left;

	announce(r, T0);
	snprintf(lost, sizeof(lost), "%s", keyring_next_note(r)->key.id);
	text = text_of(r);
	keyring_free(r);
	CU_ASSERT_EQUAL(unlink(next), 0);
	r = open_ring(text);
	CU_ASSERT_PTR_NOT_NULL(strstr(keyring_trouble(r), next));
	CU_ASSERT_STRING_EQUAL(keyring_next_note(r)->key.id, lost);
	CU_ASSERT_EQUAL(keyring_retire(r, T0 + DAY, &left, &d), RC_ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, next));
	announce(r, T0 + 5);
	CU_ASSERT_STRING_NOT_EQUAL(keyring_next_note(r)->key.id, lost);
	CU_ASSERT_STRING_EQUAL(keyring_trouble(r), "");
	CU_ASSERT_PTR_NULL(note_of(r, lost));
	free(text);
	keyring_free(r);
	clear();
}

static void keys_that_others_can_read_are_refused(void)
{
	struct keyring *r = open_ring(NULL);
	char *text;

	announce(r, T0);
	text = text_of(r);
	keyring_free(r);
	CU_ASSERT_EQUAL(chmod(next, 0644), 0);
	r = open_ring(text);
	CU_ASSERT_PTR_NOT_NULL(strstr(keyring_trouble(r), "0644"));
	keyring_free(r);
	CU_ASSERT_EQUAL(chmod(key, 0640), 0);
	refused(text, RC_ERULE, "0640");
	free(text);
	clear();
}

static void the_current_key_is_no_next_one(void)
{
	struct keyring *r = open_ring(NULL);
	struct diag d = { .line = 0 };

	CU_ASSERT_EQUAL(link(key, next), 0);
	CU_ASSERT_EQUAL(keyring_next(r, T0, T0 + DAY, &d), RC_ERULE);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "current"));
	CU_ASSERT_EQUAL(keyring_drop(r, T0, NULL), RC_ERULE);
	CU_ASSERT_STRING_EQUAL(signer(r), held(key));
	keyring_free(r);
	clear();
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "the first start makes a key", the_first_start_makes_a_key },
		{ "a journal without its key is refused",
		  a_journal_without_its_key_is_refused },
		{ "a journal without roles still opens",
		  a_journal_without_roles_still_opens },
		{ "a damaged list is refused", a_damaged_list_is_refused },
		{ "the next key is announced beside the current one",
		  the_next_key_is_announced_beside_the_current_one },
		{ "a key is retired when its time has come",
		  a_key_is_retired_when_its_time_has_come },
		{ "a change that fails leaves all as it was",
		  a_change_that_fails_leaves_all_as_it_was },
		{ "a compromised key goes at once",
		  a_compromised_key_goes_at_once },
		{ "of many keys the compromised ones are remembered",
		  of_many_keys_the_compromised_ones_are_remembered },
		{ "a file that was not journalled is no next key",
		  a_file_that_was_not_journalled_is_no_next_key },
		{ "a rename that is owed is done at the start",
		  a_rename_that_is_owed_is_done_at_the_start },
		{ "a retired key cannot come back",
		  a_retired_key_cannot_come_back },
		{ "a key put there by its owner signs",
		  a_key_put_there_by_its_owner_signs },
		{ "a next key whose file is gone is no reason not to start",
		  a_next_key_whose_file_is_gone_is_no_reason_not_to_start },
		{ "keys that others can read are refused",
		  keys_that_others_can_read_are_refused },
		{ "the current key is no next one",
		  the_current_key_is_no_next_one },
		CU_TEST_INFO_NULL
	};
	int status;

	if (!mkdtemp(dir))
		return 99;
	snprintf(key, sizeof(key), "%s/key.pem", dir);
	snprintf(next, sizeof(next), "%s.next", key);
	snprintf(aside, sizeof(aside), "%s.aside", key);
	status = suite_run("keyring", tests);
	rmdir(dir);
	return status;
}
