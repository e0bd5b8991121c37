/* The vectors of docs/test-vectors. */
#include "tests/vectors.h"

#include "tests/suite.h"

struct digest *digest;
json_t *canonical, *numbers, *trees, *states, *patches, *messages,
       *answers;

const char *str(const json_t *v, const char *name)
{
	const char *s = json_string_value(json_object_get(v, name));

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	return s;
}

uint64_t num(const json_t *v, const char *name)
{
	const json_t *n = json_object_get(v, name);

	CU_ASSERT_TRUE_FATAL(json_is_integer(n));
	return (uint64_t)json_integer_value(n);
}

const json_t *list(const json_t *v, const char *name)
{
	const json_t *l = json_object_get(v, name);

	CU_ASSERT_TRUE_FATAL(json_array_size(l) > 0);
	return l;
}

void expect(bool ok, const json_t *v, const char *what)
{
	if (!ok)
		printf("  vector \"%s\": %s\n", str(v, "name"), what);
	CU_ASSERT_TRUE(ok);
}

bool body_is(const struct resource *r, const char *want)
{
	char *got = NULL;
	size_t len = 0;
	bool same = body_flat(r, BODY_MAX, &got, &len) == RC_OK &&
	            len == strlen(want) && memcmp(got, want, len) == 0;

	free(got);
	return same;
}

enum rc open_body(const char *leaf, const char *text, struct resource **out)
{
	struct scan *s = NULL;
	struct diag d = { 0 };
	enum rc rc = scan_new_bytes(text, strlen(text), &d, &s);

	if (rc == RC_OK)
		rc = body_open(digest, leaf, s, NULL, out, &d);
	scan_free(s);
	return rc;
}

static json_t *load(const char *name)
{
	const char *dir = getenv("srcdir");
	char path[512];

	snprintf(path, sizeof(path), "%s/docs/test-vectors/%s",
	         dir ? dir : ".", name);
	return json_load_file(path, 0, NULL);
}

bool set_up(void)
{
	canonical = load("canonical.json");
	numbers = load("numbers.json");
	trees = load("tree.json");
	states = load("state.json");
	patches = load("patches.json");
	messages = load("messages.json");
	answers = load("answers.json");
	return canonical && numbers && trees && states && patches && messages &&
	       answers && digest_new(&digest) == RC_OK;
}

void tear_down(void)
{
	json_decref(canonical);
	json_decref(numbers);
	json_decref(trees);
	json_decref(states);
	json_decref(patches);
	json_decref(messages);
	json_decref(answers);
	digest_free(digest);
}
