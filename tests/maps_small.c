#include "tests/maps_small.h"

#include <string.h>

#include "common/wire/media.h"
#include "tests/suite.h"

struct digest *digest;
struct sign_key *key;

struct resource *announced(struct resource *r, const char *id)
{
	CU_ASSERT_EQUAL_FATAL(seal_announce(digest, r, id), RC_OK);
	return r;
}

struct resource *directory(const char *text)
{
	struct resource *r = NULL;

	CU_ASSERT_EQUAL_FATAL(seal_doc(digest, MEDIA_DIRECTORY, text,
	                               strlen(text), &r), RC_OK);
	return announced(r, DIRECTORY_ID);
}

struct resource *net_map(const char *id, const char *other_pid)
{
	const struct prefix all = { .family = FAMILY_IPV4, .len = 0 };
	struct netbuild *b = NULL;
	struct netmap *m = NULL;
	struct resource *r = NULL;

	CU_ASSERT_EQUAL_FATAL(netbuild_new(&b), RC_OK);
	CU_ASSERT_EQUAL_FATAL(netbuild_pid(b, "pid-a", 5, NULL), RC_OK);
	CU_ASSERT_EQUAL_FATAL(netbuild_prefix(b, &all), RC_OK);
	CU_ASSERT_EQUAL_FATAL(netbuild_pid(b, other_pid, strlen(other_pid),
	                                   NULL), RC_OK);
	CU_ASSERT_EQUAL_FATAL(netbuild_end(b, NULL, &m, NULL), RC_OK);
	CU_ASSERT_EQUAL_FATAL(seal_netmap(digest, id, m, NULL, &r), RC_OK);
	netbuild_free(b);
	netmap_unref(m);
	return announced(r, id);
}

int maps_suite(const char *name, CU_TestInfo *tests)
{
	int status;

	if (digest_new(&digest) != RC_OK || sign_key_new(&key) != RC_OK)
		return 99;
	status = suite_run(name, tests);
	digest_free(digest);
	sign_key_free(key);
	return status;
}
