/* The tree against a second, recursive writing of RFC 9162 s2.1, for every
 * small size, and against published roots. */
#include "common/core/merkle.h"
#include "tests/suite.h"

#define N_MAX 70

static struct digest *digest;
static uint8_t leaves[N_MAX][SHA256_SIZE];

static void join(const uint8_t *a, const uint8_t *b, uint8_t *out)
{
	digest_start(digest);
	digest_add(digest, "\1", 1);
	digest_add(digest, a, SHA256_SIZE);
	digest_add(digest, b, SHA256_SIZE);
	CU_ASSERT_EQUAL_FATAL(digest_end(digest, out), RC_OK);
}

static size_t split(size_t n)
{
	size_t k = 1;

	while (2 * k < n)
		k *= 2;
	return k;
}

static void plain_root(uint8_t (*h)[SHA256_SIZE], size_t n, uint8_t *out)
{
	uint8_t a[SHA256_SIZE], b[SHA256_SIZE];

	if (n == 1) {
		memcpy(out, h[0], SHA256_SIZE);
		return;
	}
	plain_root(h, split(n), a);
	plain_root(h + split(n), n - split(n), b);
	join(a, b, out);
}

static size_t plain_path(uint8_t (*h)[SHA256_SIZE], size_t n, size_t i,
                         uint8_t (*path)[SHA256_SIZE])
{
	size_t k, len;

	if (n == 1)
		return 0;
	k = split(n);
	if (i < k) {
		len = plain_path(h, k, i, path);
		plain_root(h + k, n - k, path[len]);
	} else {
		len = plain_path(h + k, n - k, i - k, path);
		plain_root(h, k, path[len]);
	}
	return len + 1;
}

static struct merkle *tree(size_t n)
{
	struct merkle *t = NULL;

	CU_ASSERT_EQUAL_FATAL(merkle_new(digest, leaves[0], n, &t), RC_OK);
	return t;
}

static void expect_hex(const uint8_t *h, const char *hex)
{
	char text[2 * SHA256_SIZE + 1];

	for (size_t i = 0; i < SHA256_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", h[i]);
	CU_ASSERT_STRING_EQUAL(text, hex);
}

static void roots_equal_the_published_ones(void)
{
	static const char *const roots[][2] = {
		{ "\0", "e3b0c44298fc1c149afbf4c8996fb924"
		        "27ae41e4649b934ca495991b7852b855" },
		{ "\1", "96a296d224f285c67bee93c30f8a3091"
		        "57f0daa35dc5b87e410b78630a09cfc7" },
		{ "\2", "a20bf9a7cc2dc8a08f5f415a71b19f6a"
		        "c427bab54d24eec868b5d3103449953a" },
		{ "\7", "3560191803028444b232018ac047fdb5"
		        "61c09c23a7a6876c85e08b5e4d48e9f3" },
		{ "\15", "df5ee130e5a247600d190c31074458de"
		         "3c0dc58f0b0d8a6a2b3dd4fd7e569501" },
	};

	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
		struct merkle *t = tree((size_t)roots[i][0][0]);

		expect_hex(merkle_root(t), roots[i][1]);
		merkle_free(t);
	}
}

static void every_size_gives_the_root_by_the_letter(void)
{
	uint8_t root[SHA256_SIZE];

	for (size_t n = 1; n <= N_MAX; n++) {
		struct merkle *t = tree(n);

		plain_root(leaves, n, root);
		CU_ASSERT_EQUAL(merkle_leaves(t), n);
		CU_ASSERT(memcmp(merkle_root(t), root, sizeof(root)) == 0);
		CU_ASSERT(memcmp(merkle_leaf_hash(t, n - 1), leaves[n - 1],
		                 SHA256_SIZE) == 0);
		merkle_free(t);
	}
}

static void every_path_is_by_the_letter_and_leads_to_the_root(void)
{
	uint8_t got[MERKLE_PATH_MAX][SHA256_SIZE];
	uint8_t want[MERKLE_PATH_MAX][SHA256_SIZE];
	uint8_t root[SHA256_SIZE];

	for (size_t n = 1; n <= N_MAX; n++) {
		struct merkle *t = tree(n);

		for (size_t i = 0; i < n; i++) {
			size_t len = merkle_path(t, i, got[0]);

			CU_ASSERT_EQUAL_FATAL(len, plain_path(leaves, n, i,
			                                      want));
			CU_ASSERT(memcmp(got, want, len * SHA256_SIZE) == 0);
			CU_ASSERT_EQUAL(merkle_root_from(digest, leaves[i], i,
				n, got[0], len, root), RC_OK);
			CU_ASSERT(memcmp(root, merkle_root(t),
			                 SHA256_SIZE) == 0);
		}
		merkle_free(t);
	}
}

static void a_path_of_the_wrong_length_is_refused(void)
{
	uint8_t path[MERKLE_PATH_MAX + 1][SHA256_SIZE] = { { 0 } };
	uint8_t root[SHA256_SIZE];

	for (size_t n = 1; n <= 20; n++) {
		struct merkle *t = tree(n);

		for (size_t i = 0; i < n; i++) {
			size_t len = merkle_path(t, i, path[0]);

			CU_ASSERT_EQUAL(merkle_root_from(digest, leaves[i], i,
				n, path[0], len + 1, root), RC_EDIGEST);
			if (len)
				CU_ASSERT_EQUAL(merkle_root_from(digest,
					leaves[i], i, n, path[0], len - 1,
					root), RC_EDIGEST);
		}
		merkle_free(t);
	}
	CU_ASSERT_EQUAL(merkle_root_from(digest, leaves[0], 3, 3, path[0], 2,
	                                 root), RC_EDIGEST);
	CU_ASSERT_EQUAL(merkle_root_from(digest, leaves[0], 0, 0, path[0], 0,
	                                 root), RC_EDIGEST);
}

static void a_path_proves_one_leaf_at_one_place_only(void)
{
	uint8_t path[MERKLE_PATH_MAX][SHA256_SIZE], root[SHA256_SIZE];
	struct merkle *t = tree(13);
	size_t len = merkle_path(t, 6, path[0]);

	CU_ASSERT_EQUAL(merkle_root_from(digest, leaves[7], 6, 13, path[0],
	                                 len, root), RC_OK);
	CU_ASSERT(memcmp(root, merkle_root(t), SHA256_SIZE) != 0);
	CU_ASSERT_EQUAL(merkle_root_from(digest, leaves[6], 7, 13, path[0],
	                                 len, root), RC_OK);
	CU_ASSERT(memcmp(root, merkle_root(t), SHA256_SIZE) != 0);
	path[1][31] ^= 1;
	CU_ASSERT_EQUAL(merkle_root_from(digest, leaves[6], 6, 13, path[0],
	                                 len, root), RC_OK);
	CU_ASSERT(memcmp(root, merkle_root(t), SHA256_SIZE) != 0);
	merkle_free(t);
}

static void changed_leaves_give_the_tree_made_anew(void)
{
	const size_t lists[][3] = { { 0, 1, 2 }, { 3, 17, 32 }, { 31, 32, 32 },
	                            { 32, 0, 0 } };
	const size_t lens[] = { 3, 3, 2, 1 };

	for (size_t k = 0; k < 4; k++) {
		struct merkle *old = tree(33), *made = NULL, *next = NULL;
		uint8_t keep[SHA256_SIZE];

		memcpy(keep, merkle_root(old), sizeof(keep));
		for (size_t j = 0; j < lens[k]; j++)
			leaves[lists[k][j]][0] ^= 0x80;
		made = tree(33);
		CU_ASSERT_EQUAL_FATAL(merkle_change(digest, old, lists[k],
			lens[k], leaves[0], &next), RC_OK);
		CU_ASSERT(memcmp(merkle_root(next), merkle_root(made),
		                 SHA256_SIZE) == 0);
		CU_ASSERT(memcmp(merkle_root(old), keep, sizeof(keep)) == 0);
		CU_ASSERT(memcmp(merkle_root(next), keep, sizeof(keep)) != 0);
		for (size_t j = 0; j < lens[k]; j++)
			leaves[lists[k][j]][0] ^= 0x80;
		merkle_free(old);
		merkle_free(made);
		merkle_free(next);
	}
}

static void a_tree_of_no_leaves_can_be_changed_in_no_place(void)
{
	struct merkle *old = tree(0), *next = NULL;

	CU_ASSERT_EQUAL_FATAL(merkle_change(digest, old, NULL, 0, leaves[0],
	                                    &next), RC_OK);
	CU_ASSERT(memcmp(merkle_root(old), merkle_root(next),
	                 SHA256_SIZE) == 0);
	merkle_free(old);
	merkle_free(next);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "roots equal the published ones",
		  roots_equal_the_published_ones },
		{ "every path is by the letter and leads to the root",
		  every_path_is_by_the_letter_and_leads_to_the_root },
		{ "a path of the wrong length is refused",
		  a_path_of_the_wrong_length_is_refused },
		{ "a path proves one leaf at one place only",
		  a_path_proves_one_leaf_at_one_place_only },
		{ "every size gives the root by the letter",
		  every_size_gives_the_root_by_the_letter },
		{ "changed leaves give the tree made anew",
		  changed_leaves_give_the_tree_made_anew },
		{ "a tree of no leaves can be changed in no place",
		  a_tree_of_no_leaves_can_be_changed_in_no_place },
		CU_TEST_INFO_NULL
	};
	int ret;

	if (digest_new(&digest) != RC_OK)
		return 99;
	for (uint8_t i = 0; i < N_MAX; i++)
		if (merkle_leaf(digest, &i, 1, leaves[i]) != RC_OK)
			return 99;
	ret = suite_run("merkle", tests);
	digest_free(digest);
	return ret;
}
