/* Who is trusted, from the first IRD on. */
#include "common/proto/keys.h"

#include "common/wire/state_json.h"
#include "tests/suite.h"
#include "tests/world.h"

static struct world *w;
static struct ird_redistribution ird;

/* The IRD lists keys 0 .. n - 1; the head is signed by the current signer. */
static void list(size_t n)
{
	memset(&ird, 0, sizeof(ird));
	for (size_t i = 0; i < n; i++)
		ird.keys[ird.n_keys++] = *sign_key_public(w->key[i]);
}

static const struct state *head(void)
{
	return snapshot_state(w->head);
}

static void pin(struct keys *k, size_t key)
{
	memcpy(k->pin[k->n_pins++], sign_key_public(w->key[key])->id,
	       THUMBPRINT_TEXT + 1);
}

static void the_first_ird_is_believed_at_the_origin(void)
{
	struct keys k = { .n = 0 };

	w = world_new(1);
	list(2);
	CU_ASSERT_EQUAL(keys_first(&k, &ird, head(), true), RC_OK);
	CU_ASSERT_EQUAL(k.n, 2);
	CU_ASSERT_EQUAL(keys_check(&k, head()), RC_OK);
	world_free(w);
}

static void elsewhere_it_needs_a_pin(void)
{
	struct keys k = { .n = 0 };

	w = world_new(1);
	list(2);
	CU_ASSERT_EQUAL(keys_first(&k, &ird, head(), false), RC_EKEY);
	CU_ASSERT_EQUAL(k.n, 0);
	pin(&k, 3);
	pin(&k, 0);
	CU_ASSERT(keys_pinned(&k, world_public(w)->id));
	CU_ASSERT_EQUAL(keys_first(&k, &ird, head(), false), RC_OK);
	CU_ASSERT_EQUAL(k.n, 2);
	CU_ASSERT_EQUAL(k.n_pins, 2);
	world_free(w);
}

static void a_pin_counts_at_the_origin_too(void)
{
	struct keys k = { .n = 0 };

	w = world_new(1);
	list(2);
	pin(&k, 1);
	CU_ASSERT_EQUAL(keys_first(&k, &ird, head(), true), RC_EKEY);
	CU_ASSERT_EQUAL(k.n, 0);
	world_free(w);
}

static void a_key_that_the_ird_does_not_list_is_no_first_key(void)
{
	struct keys k = { .n = 0 };

	w = world_new(1);
	list(1);
	w->signer = 1;
	world_heartbeat(w);
	CU_ASSERT_EQUAL(keys_first(&k, &ird, head(), true), RC_EKEY);
	pin(&k, 1);
	CU_ASSERT_EQUAL(keys_first(&k, &ird, head(), true), RC_EKEY);
	CU_ASSERT_EQUAL(k.n, 0);
	world_free(w);
}

static void a_wrong_signature_is_no_first_one(void)
{
	struct keys k = { .n = 0 };
	struct state st;

	w = world_new(1);
	list(1);
	st = *head();
	st.signature[10] = st.signature[10] == 'A' ? 'B' : 'A';
	CU_ASSERT_EQUAL(keys_first(&k, &ird, &st, true), RC_ESIG);
	CU_ASSERT_EQUAL(k.n, 0);
	world_free(w);
}

static void what_the_ird_lists_is_trusted_and_nothing_else(void)
{
	struct keys k = { .n = 0 };

	w = world_new(1);
	list(1);
	pin(&k, 0);
	keys_follow(&k, &ird);
	CU_ASSERT_EQUAL(keys_check(&k, head()), RC_OK);
	ird.keys[0] = *sign_key_public(w->key[1]);
	keys_follow(&k, &ird);
	CU_ASSERT_EQUAL(k.n, 1);
	CU_ASSERT_EQUAL(k.n_pins, 1);
	CU_ASSERT_EQUAL(keys_check(&k, head()), RC_EKEY);
	CU_ASSERT_PTR_NULL(keys_find(&k, world_public(w)->id));
	w->signer = 1;
	world_heartbeat(w);
	CU_ASSERT_EQUAL(keys_check(&k, head()), RC_OK);
	world_free(w);
}

static void an_ird_without_keys_takes_none_away(void)
{
	struct keys k = { .n = 0 };

	w = world_new(1);
	list(1);
	keys_follow(&k, &ird);
	list(0);
	keys_follow(&k, &ird);
	CU_ASSERT_EQUAL(k.n, 1);
	world_free(w);
}

static void keys_come_back_from_their_text(void)
{
	struct keys k = { .n = 0 }, again = { .n = 0 };
	struct buf text = BUF_INIT(1 << 16);

	w = world_new(1);
	list(3);
	keys_follow(&k, &ird);
	pin(&again, 2);
	CU_ASSERT_EQUAL(keys_write(&k, &text), RC_OK);
	CU_ASSERT_EQUAL(keys_read(&again, text.data, text.len), RC_OK);
	CU_ASSERT_EQUAL(again.n, 3);
	CU_ASSERT_EQUAL(again.n_pins, 1);
	for (size_t i = 0; i < 3; i++) {
		CU_ASSERT_STRING_EQUAL(again.key[i].id, k.key[i].id);
		CU_ASSERT_EQUAL(memcmp(again.key[i].raw, k.key[i].raw, 32), 0);
	}
	CU_ASSERT_PTR_NULL(strstr(text.data, "\"d\""));
	buf_free(&text);
	world_free(w);
}

static void text_that_is_no_key_set_changes_nothing(void)
{
	static const char *const bad[] = {
		"", "x", "[]", "{}", "{\"keys\":1}", "{\"keys\":[1]}",
		"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}]}",
		"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"!\"}]}"
	};
	struct keys k = { .n = 0 };

	w = world_new(1);
	list(2);
	keys_follow(&k, &ird);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CU_ASSERT_NOT_EQUAL(keys_read(&k, bad[i], strlen(bad[i])),
		                    RC_OK);
		CU_ASSERT_EQUAL(k.n, 2);
	}
	world_free(w);
}

static void what_an_ird_no_longer_lists_is_retired(void)
{
	struct keys k = { .n = 0 };

	w = world_new(1);
	pin(&k, 0);
	pin(&k, 1);
	list(1);
	CU_ASSERT_EQUAL(keys_first(&k, &ird, head(), false), RC_OK);
	CU_ASSERT_EQUAL(k.n_retired, 0);
	ird.keys[0] = *sign_key_public(w->key[1]);
	keys_follow(&k, &ird);
	CU_ASSERT_EQUAL(k.n_retired, 1);
	/* Neither a pin nor the origin's name brings it back. */
	CU_ASSERT(keys_pinned(&k, world_public(w)->id));
	CU_ASSERT(!keys_vouch(&k, world_public(w)->id, true));
	list(1);
	CU_ASSERT_EQUAL(keys_first(&k, &ird, head(), true), RC_EKEY);
	k.n_pins = 0;
	CU_ASSERT_EQUAL(keys_first(&k, &ird, head(), true), RC_EKEY);
	CU_ASSERT(keys_vouch(&k, sign_key_public(w->key[2])->id, true));
	CU_ASSERT(!keys_vouch(&k, sign_key_public(w->key[2])->id, false));
	/* A trusted IRD does, and an operator. */
	list(2);
	keys_follow(&k, &ird);
	CU_ASSERT_EQUAL(k.n, 2);
	CU_ASSERT_EQUAL(k.n_retired, 0);
	ird.n_keys = 1;
	ird.keys[0] = *sign_key_public(w->key[1]);
	keys_follow(&k, &ird);
	keys_pardon(&k, sign_key_public(w->key[3])->id);
	CU_ASSERT_EQUAL(k.n_retired, 1);
	keys_pardon(&k, world_public(w)->id);
	CU_ASSERT_EQUAL(k.n_retired, 0);
	list(1);
	CU_ASSERT_EQUAL(keys_first(&k, &ird, head(), true), RC_OK);
	world_free(w);
}

static void of_the_retired_the_oldest_is_forgotten(void)
{
	struct keys k = { .n = 0 };

	w = world_new(1);
	list(1);
	for (int i = 0; i < KEYS_RETIRED_MAX + 3; i++) {
		snprintf(ird.keys[0].id, sizeof(ird.keys[0].id), "key-%d", i);
		keys_follow(&k, &ird);
		CU_ASSERT_EQUAL(k.n, 1);
	}
	CU_ASSERT_EQUAL(k.n_retired, KEYS_RETIRED_MAX);
	CU_ASSERT_STRING_EQUAL(k.retired[0], "key-2");
	CU_ASSERT_STRING_EQUAL(k.retired[KEYS_RETIRED_MAX - 1], "key-33");
	world_free(w);
}

static void the_retired_and_the_top_come_back_from_text_too(void)
{
	static const char *const bad[] = {
		"{\"keys\":[],\"top\":1}", "{\"keys\":[],\"top\":{}}",
		"{\"keys\":[],\"top\":{\"serial\":1,\"session\":\"\"}}",
		"{\"keys\":[],\"retired\":{}}", "{\"keys\":[],\"retired\":[1]}",
		"{\"keys\":[],\"retired\":[\"short\"]}"
	};
	struct keys k = { .n = 0 }, again = { .n = 0 };
	struct buf text = BUF_INIT(1 << 16);

	w = world_new(1);
	list(3);
	keys_follow(&k, &ird);
	list(1);
	keys_follow(&k, &ird);
	k.top = snapshot_state(w->head)->pos;
	CU_ASSERT_EQUAL(k.n_retired, 2);
	CU_ASSERT_EQUAL(keys_write(&k, &text), RC_OK);
	CU_ASSERT_EQUAL(keys_read(&again, text.data, text.len), RC_OK);
	CU_ASSERT_EQUAL(position_cmp(&again.top, &k.top), 0);
	CU_ASSERT_EQUAL(again.n_retired, 2);
	CU_ASSERT_EQUAL(memcmp(again.retired, k.retired,
	                       2 * sizeof(k.retired[0])), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(keys_read(&again, bad[i], strlen(bad[i])),
		                RC_ESYNTAX);
	CU_ASSERT_EQUAL(again.n, 1);
	CU_ASSERT_EQUAL(again.n_retired, 2);
	buf_free(&text);
	world_free(w);
}

#define T(f) { #f, f }

int main(void)
{
	CU_TestInfo tests[] = {
		T(the_first_ird_is_believed_at_the_origin),
		T(elsewhere_it_needs_a_pin),
		T(a_pin_counts_at_the_origin_too),
		T(a_key_that_the_ird_does_not_list_is_no_first_key),
		T(a_wrong_signature_is_no_first_one),
		T(what_the_ird_lists_is_trusted_and_nothing_else),
		T(an_ird_without_keys_takes_none_away),
		T(keys_come_back_from_their_text),
		T(text_that_is_no_key_set_changes_nothing),
		T(what_an_ird_no_longer_lists_is_retired),
		T(of_the_retired_the_oldest_is_forgotten),
		T(the_retired_and_the_top_come_back_from_text_too),
		CU_TEST_INFO_NULL
	};

	return suite_run("keys", tests);
}
