/* SHA-256 as a stream that is used again and again. */
#include "common/core/digest.h"
#include "tests/suite.h"

static struct digest *digest;

static void expect(const char *hex)
{
	char text[2 * SHA256_SIZE + 1];
	uint8_t out[SHA256_SIZE];

	CU_ASSERT_EQUAL_FATAL(digest_end(digest, out), RC_OK);
	for (size_t i = 0; i < SHA256_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", out[i]);
	CU_ASSERT_STRING_EQUAL(text, hex);
}

/* FIPS 180-4 examples. */
static void published_values_come_out(void)
{
	digest_start(digest);
	expect("e3b0c44298fc1c149afbf4c8996fb924"
	       "27ae41e4649b934ca495991b7852b855");
	digest_start(digest);
	digest_add(digest, "abc", 3);
	expect("ba7816bf8f01cfea414140de5dae2223"
	       "b00361a396177a9cb410ff61f20015ad");
}

static void a_million_letters_in_pieces_are_one_text(void)
{
	char piece[1000];

	memset(piece, 'a', sizeof(piece));
	digest_start(digest);
	for (int i = 0; i < 1000; i++)
		digest_add(digest, piece, sizeof(piece));
	expect("cdc76e5c9914fb9281a1c7e284d73e67"
	       "f1809a48a497200e046d39ccc7112cd0");
}

static void a_new_start_forgets_what_was_added(void)
{
	digest_start(digest);
	digest_add(digest, "left over", 9);
	digest_start(digest);
	digest_add(digest, "ab", 2);
	digest_add(digest, NULL, 0);
	digest_add(digest, "c", 1);
	expect("ba7816bf8f01cfea414140de5dae2223"
	       "b00361a396177a9cb410ff61f20015ad");
}

static void freeing_nothing_is_allowed(void)
{
	digest_free(NULL);
	CU_PASS("no crash");
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "published values come out", published_values_come_out },
		{ "a million letters in pieces are one text",
		  a_million_letters_in_pieces_are_one_text },
		{ "a new start forgets what was added",
		  a_new_start_forgets_what_was_added },
		{ "freeing nothing is allowed", freeing_nothing_is_allowed },
		CU_TEST_INFO_NULL
	};
	int ret;

	if (digest_new(&digest) != RC_OK)
		return 99;
	ret = suite_run("digest", tests);
	digest_free(digest);
	return ret;
}
