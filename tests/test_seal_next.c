/* Sealing by increments against sealing anew. */
#include "common/wire/seal.h"

#include "tests/seal_stage.h"
#include "tests/suite.h"

static uint32_t seed;

static uint32_t dice(uint32_t sides)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed % sides;
}

static void check_same(const struct resource *a, const struct resource *b)
{
	char tag_a[TAG_HEX + 1], tag_b[TAG_HEX + 1];
	uint8_t hash_a[SHA256_SIZE], hash_b[SHA256_SIZE];
	char *text_a = flat(a), *text_b = flat(b);

	resource_content_tag(a, tag_a);
	resource_content_tag(b, tag_b);
	CU_ASSERT_STRING_EQUAL_FATAL(tag_a, tag_b);
	CU_ASSERT_STRING_EQUAL_FATAL(text_a, text_b);
	CU_ASSERT_EQUAL(resource_digest(a, digest, hash_a), RC_OK);
	CU_ASSERT_EQUAL(resource_digest(b, digest, hash_b), RC_OK);
	CU_ASSERT_EQUAL_FATAL(memcmp(hash_a, hash_b, SHA256_SIZE), 0);
	free(text_a);
	free(text_b);
}

/* Takes over base and anew; returns next, the base of the next step. */
static struct resource *check_step(struct resource *base, struct resource *next,
                                   struct resource *anew)
{
	check_same(next, anew);
	resource_unref(anew);
	resource_unref(base);
	return next;
}

static struct costrow *costrow_copy(const struct costrow *from)
{
	struct costrow *row = costrow_new(PIDS);

	CU_ASSERT_PTR_NOT_NULL_FATAL(row);
	if (from) {
		memcpy(row->cost, from->cost, PIDS * sizeof(double));
		row->set = from->set;
	}
	return row;
}

static void put_cell(struct costrow *row, size_t dst, double v)
{
	bool was = row->cost[dst] == row->cost[dst], is = v == v;

	row->cost[dst] = v;
	row->set = row->set - was + is;
}

/* Changes up to three rows; the others stay the same objects. */
static void edit_costs(struct costrow **rows)
{
	for (uint32_t n = dice(4); n > 0; n--) {
		size_t i = dice(PIDS);
		struct costrow *next;

		if (dice(6) == 0) {
			row_unref((struct row *)rows[i]);
			rows[i] = NULL;
			continue;
		}
		next = costrow_copy(rows[i]);
		for (uint32_t k = dice(5); k > 0; k--)
			put_cell(next, dice(PIDS), dice(4) ?
			         (double)dice(1000) / 8 : COST_NONE);
		row_unref((struct row *)rows[i]);
		rows[i] = next;
	}
}

static struct resource *seal_costs(struct costrow *const *rows,
                                   const struct costmeta *meta,
                                   const struct resource *base)
{
	struct index *names = names_of(NULL, PIDS);
	struct costmap *m = NULL;
	struct resource *r = NULL;

	CU_ASSERT_EQUAL_FATAL(costmap_from_rows(meta, names, rows, &m), RC_OK);
	CU_ASSERT_EQUAL_FATAL(seal_costmap(digest, "cost", m, base, &r), RC_OK);
	costmap_unref(m);
	index_unref(names);
	return r;
}

static struct resource *costs_anew(struct costrow *const *rows,
                                   const struct costmeta *meta)
{
	struct costrow *copy[PIDS];
	struct resource *r;

	for (size_t i = 0; i < PIDS; i++)
		copy[i] = rows[i] ? costrow_copy(rows[i]) : NULL;
	r = seal_costs(copy, meta, NULL);
	for (size_t i = 0; i < PIDS; i++)
		row_unref((struct row *)copy[i]);
	return r;
}

static void cost_maps_seal_by_increments_as_anew(void)
{
	struct costmeta meta = { "routingcost", "numerical", { "net", "t" } };
	struct costrow *rows[PIDS] = { NULL };
	struct resource *base = NULL, *next, *anew;

	seed = 20260101;
	for (int step = 0; step < 600; step++) {
		edit_costs(rows);
		meta.net.tag[0] = (char)('a' + dice(2));
		next = seal_costs(rows, &meta, base);
		anew = costs_anew(rows, &meta);
		base = check_step(base, next, anew);
	}
	resource_unref(base);
	for (size_t i = 0; i < PIDS; i++)
		row_unref((struct row *)rows[i]);
}

static struct netrow *random_netrow(void)
{
	struct prefix p4[4], p6[2];
	size_t n4 = dice(5), n6 = dice(3);
	struct netrow *row;

	for (size_t i = 0; i < n4; i++)
		p4[i] = (struct prefix){ { 10, (uint8_t)i, (uint8_t)dice(256) },
		                         24, FAMILY_IPV4 };
	for (size_t i = 0; i < n6; i++)
		p6[i] = (struct prefix){ { 0x20, 1, (uint8_t)i,
		                           (uint8_t)dice(256) },
		                         32, FAMILY_IPV6 };
	row = netrow_new(p4, n4, p6, n6);
	CU_ASSERT_PTR_NOT_NULL_FATAL(row);
	return row;
}

/* rows[i] NULL: there is no such PID. */
static void edit_net(struct netrow **rows)
{
	for (uint32_t n = dice(4); n > 0; n--) {
		size_t i = dice(PIDS);

		row_unref((struct row *)rows[i]);
		rows[i] = dice(4) ? random_netrow() : NULL;
	}
}

static struct resource *seal_net(struct netrow *const *rows,
                                 const struct resource *base, bool anew)
{
	struct netrow *in[PIDS];
	uint8_t used[PIDS];
	struct netmap *m = NULL;
	struct resource *r = NULL;
	struct index *names;
	size_t n = 0;

	for (size_t i = 0; i < PIDS; i++) {
		struct netrow *row = rows[i];

		used[i] = row != NULL;
		if (!row)
			continue;
		in[n++] = anew ? netrow_new(row->p, row->n4, row->p + row->n4,
		                            row->n6) : row;
		CU_ASSERT_PTR_NOT_NULL_FATAL(in[n - 1]);
	}
	names = names_of(used, PIDS);
	CU_ASSERT_EQUAL_FATAL(netmap_from_rows(names, in, &m), RC_OK);
	CU_ASSERT_EQUAL_FATAL(seal_netmap(digest, "net", m, base, &r), RC_OK);
	for (size_t i = 0; anew && i < n; i++)
		row_unref((struct row *)in[i]);
	netmap_unref(m);
	index_unref(names);
	return r;
}

static void network_maps_seal_by_increments_as_anew(void)
{
	struct netrow *rows[PIDS] = { NULL };
	struct resource *base = NULL, *next, *anew;

	seed = 19700101;
	for (int step = 0; step < 600; step++) {
		edit_net(rows);
		next = seal_net(rows, base, false);
		anew = seal_net(rows, NULL, true);
		base = check_step(base, next, anew);
	}
	resource_unref(base);
	for (size_t i = 0; i < PIDS; i++)
		row_unref((struct row *)rows[i]);
}

static void a_row_gets_its_text_once(void)
{
	struct netrow *rows[PIDS] = { NULL };
	struct resource *a, *b;
	char *text0, *text2;

	seed = 5;
	for (size_t i = 0; i < 3; i++)
		rows[i] = random_netrow();
	a = seal_net(rows, NULL, false);
	text0 = rows[0]->row.text;
	text2 = rows[2]->row.text;
	CU_ASSERT_FATAL(text0 && text2);
	row_unref((struct row *)rows[2]);
	rows[2] = random_netrow();
	b = seal_net(rows, a, false);
	CU_ASSERT_PTR_EQUAL(rows[0]->row.text, text0);
	CU_ASSERT_EQUAL(memcmp(merkle_leaf_hash(resource_tree(a), 1),
	                       rows[0]->row.leaf, SHA256_SIZE), 0);
	CU_ASSERT_EQUAL(memcmp(merkle_leaf_hash(resource_tree(b), 3),
	                       rows[2]->row.leaf, SHA256_SIZE), 0);
	resource_unref(a);
	resource_unref(b);
	for (size_t i = 0; i < 3; i++)
		row_unref((struct row *)rows[i]);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "cost maps seal by increments as anew",
		  cost_maps_seal_by_increments_as_anew },
		{ "network maps seal by increments as anew",
		  network_maps_seal_by_increments_as_anew },
		{ "a row gets its text once", a_row_gets_its_text_once },
		CU_TEST_INFO_NULL
	};
	int failed;

	if (digest_new(&digest) != RC_OK)
		return 99;
	failed = suite_run("seal_next", tests);
	digest_free(digest);
	return failed;
}
