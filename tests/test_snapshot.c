/* What is served together: order, root, paths, sharing. */
#include "common/core/snapshot.h"

#include "tests/suite.h"

static struct digest *digest;

/* A document whose leaf is "leaf of ID". */
static struct resource *doc(const char *id)
{
	struct resource_parts p = { .kind = RESOURCE_DOC };
	struct resource_name n = { .type = "application/json", .size = 2 };
	uint8_t hash[SHA256_SIZE] = { 1 };
	struct resource *r = NULL;
	char leaf[80];

	p.head = strdup("{}");
	p.head_len = 2;
	p.rows = malloc(sizeof(*p.rows));
	CU_ASSERT_FATAL(p.head && p.rows);
	CU_ASSERT_EQUAL_FATAL(merkle_new(digest, hash, 1, &p.tree), RC_OK);
	CU_ASSERT_EQUAL_FATAL(resource_new(&p, &r), RC_OK);
	resource_content_tag(r, n.tag);
	snprintf(n.id, sizeof(n.id), "%s", id);
	snprintf(leaf, sizeof(leaf), "leaf of %s", id);
	CU_ASSERT_EQUAL_FATAL(resource_announce(r, digest, &n, leaf), RC_OK);
	return r;
}

static enum rc snapshot_of(const char *const *ids, const uint64_t *changed,
                           size_t n, const struct state *st,
                           struct snapshot **out)
{
	struct resource **res = calloc(n + 1, sizeof(struct resource *));
	enum rc rc;

	CU_ASSERT_PTR_NOT_NULL_FATAL(res);
	for (size_t i = 0; i < n; i++)
		res[i] = doc(ids[i]);
	rc = snapshot_new(res, changed, n, st, out);
	for (size_t i = 0; i < n; i++)
		resource_unref(res[i]);
	free(res);
	return rc;
}

static const char *const ids[] = { "net", "cost-b", ".directory", "Cost",
                                   "cost-a" };
static const uint64_t serials[] = { 3, 7, 9, 1, 2 };

static struct snapshot *five(void)
{
	struct state st = { .pos.serial = 9, .resources = 5 };
	struct snapshot *s = NULL;

	CU_ASSERT_EQUAL_FATAL(snapshot_of(ids, serials, 5, &st, &s), RC_OK);
	return s;
}

static void resources_stand_in_byte_order_of_their_ids(void)
{
	static const char *const want[] = { ".directory", "Cost", "cost-a",
	                                    "cost-b", "net" };
	static const uint64_t when[] = { 9, 1, 2, 7, 3 };
	struct snapshot *s = five();

	CU_ASSERT_EQUAL_FATAL(snapshot_count(s), 5);
	for (size_t i = 0; i < 5; i++) {
		CU_ASSERT_STRING_EQUAL(resource_name(snapshot_at(s, i))->id,
		                       want[i]);
		CU_ASSERT_EQUAL(snapshot_changed(s, i), when[i]);
		CU_ASSERT_EQUAL(snapshot_find(s, want[i]), (long)i);
		CU_ASSERT_PTR_EQUAL(snapshot_get(s, want[i]),
		                    snapshot_at(s, i));
	}
	CU_ASSERT_EQUAL(snapshot_find(s, "cost"), -1);
	CU_ASSERT_EQUAL(snapshot_find(s, ""), -1);
	CU_ASSERT_EQUAL(snapshot_find(s, "zzz"), -1);
	CU_ASSERT_PTR_NULL(snapshot_get(s, "cost-c"));
	snapshot_unref(s);
}

static void every_path_leads_to_the_root(void)
{
	struct snapshot *s = five();
	uint8_t path[MERKLE_PATH_MAX * SHA256_SIZE], root[SHA256_SIZE];

	for (size_t i = 0; i < 5; i++) {
		size_t n = snapshot_path(s, i, path);
		const uint8_t *leaf = resource_leaf_hash(snapshot_at(s, i));

		CU_ASSERT_EQUAL(merkle_root_from(digest, leaf, i, 5, path, n,
		                                 root), RC_OK);
		CU_ASSERT_EQUAL(memcmp(root, snapshot_root(s), sizeof(root)),
		                0);
	}
	snapshot_unref(s);
}

static void the_map_serial_leaves_the_ird_out(void)
{
	struct snapshot *s = five();

	CU_ASSERT_EQUAL(snapshot_map_serial(s), 7);
	snapshot_unref(s);
}

static void a_heartbeat_changes_the_state_alone(void)
{
	struct snapshot *s = five(), *next = NULL;
	struct state st = *snapshot_state(s);
	size_t before = snapshots_alive();

	st.created = 1234;
	CU_ASSERT_EQUAL_FATAL(snapshot_restate(s, &st, &next), RC_OK);
	CU_ASSERT_EQUAL(snapshots_alive(), before + 1);
	CU_ASSERT_EQUAL(snapshot_state(next)->created, 1234);
	CU_ASSERT_EQUAL(snapshot_state(s)->created, 0);
	CU_ASSERT_PTR_EQUAL(snapshot_at(next, 2), snapshot_at(s, 2));
	snapshot_unref(s);
	CU_ASSERT_EQUAL(snapshots_alive(), before);
	CU_ASSERT_EQUAL(snapshot_count(next), 5);
	CU_ASSERT_EQUAL(snapshot_find(next, "net"), 4);
	CU_ASSERT_EQUAL(snapshot_map_serial(next), 7);
	snapshot_unref(next);
	CU_ASSERT_EQUAL(snapshots_alive(), before - 1);
}

static void an_id_stands_in_it_once(void)
{
	static const char *const twice[] = { "a", "b", "a" };
	size_t before = snapshots_alive();
	struct state st = { .created = 1 };
	struct snapshot *s = NULL;

	CU_ASSERT_EQUAL(snapshot_of(twice, serials, 3, &st, &s), RC_EEXIST);
	CU_ASSERT_PTR_NULL(s);
	CU_ASSERT_EQUAL(snapshots_alive(), before);
}

static void it_holds_a_thousand_and_no_more(void)
{
	const size_t n = SNAPSHOT_RESOURCES_MAX + 1;
	struct resource **res = calloc(n, sizeof(struct resource *));
	uint64_t *changed = calloc(n, sizeof(*changed));
	struct state st = { .created = 1 };
	struct snapshot *s = NULL;
	char id[16];

	CU_ASSERT_FATAL(res && changed);
	for (size_t i = 0; i < n; i++) {
		snprintf(id, sizeof(id), "r%zu", i);
		res[i] = doc(id);
	}
	CU_ASSERT_EQUAL(snapshot_new(res, changed, n, &st, &s), RC_ELIMIT);
	CU_ASSERT_PTR_NULL(s);
	CU_ASSERT_EQUAL_FATAL(snapshot_new(res, changed, n - 1, &st, &s),
	                      RC_OK);
	for (size_t i = 0; i + 1 < n; i++) {
		snprintf(id, sizeof(id), "r%zu", i);
		CU_ASSERT_PTR_EQUAL(snapshot_get(s, id), res[i]);
	}
	snapshot_unref(s);
	for (size_t i = 0; i < n; i++)
		resource_unref(res[i]);
	free(res);
	free(changed);
}

static void none_at_all_has_the_root_of_nothing(void)
{
	struct state st = { .created = 1 };
	struct snapshot *s = NULL;
	uint8_t want[SHA256_SIZE];

	CU_ASSERT_EQUAL_FATAL(snapshot_new(NULL, NULL, 0, &st, &s), RC_OK);
	digest_start(digest);
	CU_ASSERT_EQUAL(digest_end(digest, want), RC_OK);
	CU_ASSERT_EQUAL(memcmp(snapshot_root(s), want, sizeof(want)), 0);
	CU_ASSERT_EQUAL(snapshot_map_serial(s), 0);
	CU_ASSERT_EQUAL(snapshot_find(s, "a"), -1);
	snapshot_unref(s);
	snapshot_unref(NULL);
}

static void positions_are_ordered_by_session_then_serial(void)
{
	struct position none = { "", 0 };
	struct position a = { "019a8f2e-4c00-7000-8000-000000000001", 9 };
	struct position b = { "019a8f2e-4c00-7000-8000-000000000001", 10 };
	struct position c = { "019a8f2e-4c01-7000-8000-000000000000", 1 };

	CU_ASSERT(position_cmp(&none, &a) < 0);
	CU_ASSERT(position_cmp(&a, &b) < 0);
	CU_ASSERT(position_cmp(&b, &c) < 0);
	CU_ASSERT(position_cmp(&c, &a) > 0);
	CU_ASSERT_EQUAL(position_cmp(&a, &a), 0);
	CU_ASSERT(position_same_session(&a, &b));
	CU_ASSERT_FALSE(position_same_session(&b, &c));
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "resources stand in byte order of their ids",
		  resources_stand_in_byte_order_of_their_ids },
		{ "every path leads to the root",
		  every_path_leads_to_the_root },
		{ "the map serial leaves the IRD out",
		  the_map_serial_leaves_the_ird_out },
		{ "a heartbeat changes the state alone",
		  a_heartbeat_changes_the_state_alone },
		{ "an id stands in it once", an_id_stands_in_it_once },
		{ "it holds a thousand and no more",
		  it_holds_a_thousand_and_no_more },
		{ "none at all has the root of nothing",
		  none_at_all_has_the_root_of_nothing },
		{ "positions are ordered by session, then serial",
		  positions_are_ordered_by_session_then_serial },
		CU_TEST_INFO_NULL
	};
	int failed;

	if (digest_new(&digest) != RC_OK)
		return 99;
	failed = suite_run("snapshot", tests);
	digest_free(digest);
	return failed;
}
