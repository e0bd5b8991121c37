/* What is sealed, and its names. */
#include "tests/seal_stage.h"

#include "tests/suite.h"

struct digest *digest;

char *flat(const struct resource *r)
{
	size_t size = (size_t)resource_size(r);
	char *s = malloc(size + 1);

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_EQUAL_FATAL(resource_read(r, 0, s, size + 1), size);
	s[size] = '\0';
	return s;
}

struct index *names_of(const uint8_t *used, size_t n)
{
	struct index *ix = NULL;
	char name[32];

	CU_ASSERT_EQUAL_FATAL(index_new(PIDS, &ix), RC_OK);
	for (size_t i = 0; i < n; i++) {
		uint32_t num;

		if (used && !used[i])
			continue;
		snprintf(name, sizeof(name), "p%02zu", i);
		CU_ASSERT_EQUAL_FATAL(index_add(ix, name, 3, &num, NULL),
		                      RC_OK);
	}
	return ix;
}
