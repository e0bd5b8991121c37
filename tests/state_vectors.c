/* A signed state of a second program. */
#include "tests/state_vectors.h"

#include "common/base/enc.h"
#include "tests/suite.h"

struct digest *digest;
struct sign_key *key;
json_t *vectors;

const char *vector(const char *name)
{
	const char *s = json_string_value(json_object_get(vectors, name));

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	return s;
}

const char *of_resource(size_t i, const char *name)
{
	const json_t *r = json_array_get(json_object_get(vectors, "resources"),
	                                 i);
	const char *s = json_string_value(json_object_get(r, name));

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	return s;
}

struct state vector_state(void)
{
	struct state st;

	CU_ASSERT_EQUAL_FATAL(state_read(vector("ALTO-State"),
	                                 vector("Signature-Input"),
	                                 vector("Signature"), &st, NULL),
	                      RC_OK);
	return st;
}

struct merkle *vector_tree(void)
{
	uint8_t hashes[2 * SHA256_SIZE];
	struct merkle *t = NULL;

	for (size_t i = 0; i < 2; i++) {
		const char *leaf = of_resource(i, "ALTO-Resource");

		CU_ASSERT_EQUAL_FATAL(merkle_leaf(digest, leaf, strlen(leaf),
		                                  hashes + i * SHA256_SIZE),
		                      RC_OK);
	}
	CU_ASSERT_EQUAL_FATAL(merkle_new(digest, hashes, 2, &t), RC_OK);
	return t;
}

struct state parts(void)
{
	struct state st = { .service = SERVICE, .pos = { SESSION, 2 },
	                    .resources = 2, .created = 1700000000,
	                    .expires = 1700086400 };
	struct merkle *tree = vector_tree();

	memcpy(st.root, merkle_root(tree), sizeof(st.root));
	merkle_free(tree);
	return st;
}

bool accepted(const struct signed_headers *h, const char *body, size_t len)
{
	struct resource_name n;
	struct state st;

	return body_check(h, body, len, &n, &st, NULL) == RC_OK &&
	       state_check(&st, sign_key_public(key)) == RC_OK;
}

bool set_up(void)
{
	const char *dir = getenv("srcdir");
	struct buf seed = BUF_INIT(32);
	const char *d;
	char path[512];
	bool ok;

	snprintf(path, sizeof(path), "%s/tests/data/state-vectors.json",
	         dir ? dir : ".");
	vectors = json_load_file(path, 0, NULL);
	d = json_string_value(json_object_get(json_object_get(vectors, "key"),
	                                      "d"));
	ok = d && enc_base64url_read(d, strlen(d), &seed) == RC_OK &&
	     seed.len == 32 && digest_new(&digest) == RC_OK &&
	     sign_key_from_raw((const uint8_t *)seed.data, &key) == RC_OK;
	buf_free(&seed);
	return ok;
}
