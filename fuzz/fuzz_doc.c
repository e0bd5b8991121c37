/* fuzz_doc.c - patches on small documents and property maps, for libFuzzer.
 *
 * The input is two documents and a JSON Patch, each behind a NUL. A merge patch
 * that leads from one to the other does so; a property map that is taken is taken
 * again in its canonical form, which stays as it is.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire/jcs.h"
#include "common/wire/json.h"
#include "common/wire/jsonpatch.h"
#include "common/wire/propmap_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A document may grow when it is printed: 1e20 becomes 21 digits. */
#define TEXT_MAX ((size_t)64 << 20)

static void must(int ok)
{
	if (!ok)
		abort();
}

static void same(const json_t *a, const json_t *b)
{
	struct buf one = BUF_INIT(TEXT_MAX), two = BUF_INIT(TEXT_MAX);

	must(jcs_write(a, &one) == RC_OK && jcs_write(b, &two) == RC_OK);
	must(strcmp(buf_str(&one), buf_str(&two)) == 0);
	buf_free(&one);
	buf_free(&two);
}

static void try_merge(const json_t *a, const json_t *b)
{
	json_t *patch = NULL, *next = NULL;

	if (merge_diff(a, b, &patch) == RC_OK) {
		must(merge_patch(a, patch, &next) == RC_OK);
		same(next, b);
	}
	json_decref(patch);
	json_decref(next);
	next = NULL;
	if (merge_patch(a, b, &next) != RC_OK)
		must(next == NULL);
	json_decref(next);
}

static void try_ops(const json_t *a, const json_t *ops)
{
	json_t *before = json_deep_copy(a), *next = NULL;
	struct diag d = { 0 };

	if (json_patch(a, ops, &next, &d) != RC_OK)
		must(next == NULL && d.text[0]);
	must(before && json_equal(a, before));
	json_decref(before);
	json_decref(next);
}

static void try_propmap(const char *text, size_t len)
{
	struct buf one = BUF_INIT(TEXT_MAX), two = BUF_INIT(TEXT_MAX);
	struct propmap *p = NULL;
	struct diag d = { 0 };

	if (propmap_read(text, len, &p, &d) != RC_OK) {
		must(p == NULL && d.text[0]);
		return;
	}
	propmap_canonical(p, &one);
	propmap_unref(p);
	must(buf_rc(&one) == RC_OK);
	must(propmap_read(one.data, one.len, &p, NULL) == RC_OK);
	propmap_canonical(p, &two);
	must(one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
	propmap_unref(p);
	buf_free(&one);
	buf_free(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *end = text + size;
	json_t *doc[3] = { NULL, NULL, NULL };

	for (size_t i = 0; i < 3 && text < end; i++) {
		const char *nul = memchr(text, '\0', (size_t)(end - text));
		size_t len = (size_t)((nul ? nul : end) - text);

		if (i == 0)
			try_propmap(text, len);
		if (json_read(text, len, JSON_SMALL_MAX, &doc[i], NULL) !=
		    RC_OK)
			break;
		text += len + 1;
	}
	if (doc[1])
		try_merge(doc[0], doc[1]);
	if (doc[2])
		try_ops(doc[0], doc[2]);
	for (size_t i = 0; i < 3; i++)
		json_decref(doc[i]);
	return 0;
}
