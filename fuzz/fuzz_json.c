/* Any bytes as a small document: what is read prints canonically, and that text
 * reads back to itself. The same bytes as a key, a key set and a directory; a key
 * that is taken is written and taken again as the same one.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire/ird_json.h"
#include "common/wire/jcs.h"
#include "common/wire/json.h"
#include "common/wire/jwk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A document may grow when it is printed: 1e20 becomes 21 digits. */
#define TEXT_MAX ((size_t)64 << 20)

static void print_twice(const json_t *doc)
{
	struct buf once = BUF_INIT(TEXT_MAX), twice = BUF_INIT(TEXT_MAX);
	json_t *again = NULL;

	if (jcs_write(doc, &once) != RC_OK)
		abort();
	/* 1e19 is a number, 10000000000000000000 an integer that is too big */
	if (json_read(once.data, once.len, TEXT_MAX, &again, NULL) == RC_OK &&
	    (jcs_write(again, &twice) != RC_OK ||
	     strcmp(buf_str(&once), buf_str(&twice)) != 0))
		abort();
	json_decref(again);
	buf_free(&once);
	buf_free(&twice);
}

static void key_twice(const struct public_key *k)
{
	struct public_key again;
	json_t *jwk;

	if (strlen(k->id) != THUMBPRINT_TEXT)
		abort();
	if (k->alg != SIGN_ED25519)
		return;			/* not written by us */
	jwk = jwk_write(k);
	if (!jwk || jwk_read(jwk, &again, NULL) != RC_OK ||
	    strcmp(again.id, k->id) != 0 || memcmp(again.raw, k->raw, 32) != 0)
		abort();
	json_decref(jwk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct public_key keys[JWK_KEYS_MAX];
	struct ird *ird = NULL;
	json_t *doc = NULL;
	struct diag d;
	size_t n;

	diag_clear(&d);
	if (json_read((const char *)data, size, JSON_SMALL_MAX, &doc,
	              &d) != RC_OK) {
		if (!d.text[0])
			abort();
		return 0;
	}
	print_twice(doc);
	if (jwk_read(doc, &keys[0], NULL) == RC_OK)
		key_twice(&keys[0]);
	if (jwk_read_set(doc, keys, &n, NULL) == RC_OK) {
		if (n > JWK_KEYS_MAX)
			abort();
		for (size_t i = 0; i < n; i++)
			key_twice(&keys[i]);
	}
	json_decref(doc);
	if (ird_read((const char *)data, size, &ird, &d) != RC_OK &&
	    !d.text[0])
		abort();
	ird_free(ird);
	return 0;
}
