/* Documents and patches. */
#include "tests/patch_docs.h"

#include "tests/suite.h"

json_t *parse(const char *text)
{
	json_t *v = NULL;

	CU_ASSERT_EQUAL_FATAL(json_read(text, strlen(text), JSON_SMALL_MAX, &v,
	                                NULL), RC_OK);
	return v;
}

void say(const char *what, const json_t *doc, const json_t *patch)
{
	char *a = json_dumps(doc, JSON_ENCODE_ANY);
	char *b = json_dumps(patch, JSON_ENCODE_ANY);

	printf("\n  %s: %s %s\n", what, a, b);
	free(a);
	free(b);
}

json_t *suite_file(const char *name)
{
	const char *shared = getenv("ALTOCAST_SHARED");
	const char *src = getenv("srcdir");
	char path[512];

	if (shared)
		snprintf(path, sizeof(path), "%s/hostile/%s", shared, name);
	else
		snprintf(path, sizeof(path), "%s/../shared/hostile/%s",
		         src ? src : ".", name);
	return json_load_file(path, 0, NULL);
}
