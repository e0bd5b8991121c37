/* A body in pieces must read as if it were one. */
#include "common/core/resource.h"

#include "tests/suite.h"

static struct digest *digest;

static char *text_of(const char *s, size_t *len)
{
	char *copy = strdup(s);

	CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
	*len = strlen(s);
	return copy;
}

static struct row *row_of(const char *s)
{
	struct row *r = row_new(sizeof(*r));
	size_t len;
	char *text = text_of(s, &len);

	CU_ASSERT_PTR_NOT_NULL_FATAL(r);
	CU_ASSERT_EQUAL_FATAL(row_seal(r, digest, text, len), RC_OK);
	return r;
}

/* The rows are borrowed; the caller drops them after the resource. */
static struct resource_parts parts_of(const char *head, struct row **rows,
                                      size_t n, const char *tail)
{
	struct resource_parts p = { .kind = RESOURCE_DOC, .n_rows = n };
	uint8_t hashes[16 * SHA256_SIZE];

	CU_ASSERT_FATAL(n < 16);
	p.head = text_of(head, &p.head_len);
	p.tail = text_of(tail, &p.tail_len);
	p.rows = malloc((n + 1) * sizeof(*p.rows));
	CU_ASSERT_PTR_NOT_NULL_FATAL(p.rows);
	memset(hashes, 7, SHA256_SIZE);
	for (size_t i = 0; i < n; i++) {
		p.rows[i] = rows[i];
		memcpy(hashes + (i + 1) * SHA256_SIZE, rows[i]->leaf,
		       SHA256_SIZE);
	}
	CU_ASSERT_EQUAL_FATAL(merkle_new(digest, hashes, n + 1, &p.tree),
	                      RC_OK);
	return p;
}

static struct resource *resource_of(const char *head, struct row **rows,
                                    size_t n, const char *tail)
{
	struct resource_parts p = parts_of(head, rows, n, tail);
	struct resource *r = NULL;

	CU_ASSERT_EQUAL_FATAL(resource_new(&p, &r), RC_OK);
	return r;
}

/* Every offset with every length. */
static void check_reads(const struct resource *r, const char *flat)
{
	size_t size = strlen(flat);
	char got[64];

	CU_ASSERT_EQUAL_FATAL(resource_size(r), size);
	for (size_t off = 0; off <= size + 1; off++)
		for (size_t len = 0; len < sizeof(got); len++) {
			size_t left = off < size ? size - off : 0;
			size_t want = len < left ? len : left;

			CU_ASSERT_EQUAL_FATAL(resource_read(r, off, got, len),
			                      want);
			CU_ASSERT_EQUAL_FATAL(memcmp(got, flat + off, want), 0);
		}
	CU_ASSERT_EQUAL(resource_read(r, UINT64_MAX, got, 1), 0);
}

static void any_part_reads_as_from_one_piece(void)
{
	struct row *rows[] = { row_of("\"a\":{}"), row_of("\"b\":{\"x\":1}"),
	                       row_of("\"c\":{}") };
	struct resource *r;

	r = resource_of("{\"m\":{", rows, 3, "}}");
	check_reads(r, "{\"m\":{\"a\":{},\"b\":{\"x\":1},\"c\":{}}}");
	resource_unref(r);
	r = resource_of("{\"m\":{", rows + 1, 1, "}}");
	check_reads(r, "{\"m\":{\"b\":{\"x\":1}}}");
	resource_unref(r);
	r = resource_of("", rows, 2, "");
	check_reads(r, "\"a\":{},\"b\":{\"x\":1}");
	resource_unref(r);
	for (size_t i = 0; i < 3; i++)
		row_unref(rows[i]);
}

static void a_body_without_rows_is_head_and_tail(void)
{
	struct resource *r = resource_of("{\"m\":{", NULL, 0, "}}");

	check_reads(r, "{\"m\":{}}");
	resource_unref(r);
	r = resource_of("{}", NULL, 0, "");
	check_reads(r, "{}");
	resource_unref(r);
	r = resource_of("", NULL, 0, "");
	check_reads(r, "");
	resource_unref(r);
}

static void the_digest_is_that_of_the_flat_body(void)
{
	static const char flat[] = "{\"m\":{\"a\":{},\"b\":{}}}";
	struct row *rows[] = { row_of("\"a\":{}"), row_of("\"b\":{}") };
	struct resource *r = resource_of("{\"m\":{", rows, 2, "}}");
	uint8_t want[SHA256_SIZE], got[SHA256_SIZE];

	digest_start(digest);
	digest_add(digest, flat, strlen(flat));
	CU_ASSERT_EQUAL(digest_end(digest, want), RC_OK);
	CU_ASSERT_EQUAL(resource_digest(r, digest, got), RC_OK);
	CU_ASSERT_EQUAL(memcmp(got, want, sizeof(got)), 0);
	resource_unref(r);
	row_unref(rows[0]);
	row_unref(rows[1]);
}

static struct resource_name name_of(const struct resource *r)
{
	struct resource_name n = { .id = "net", .type = "application/json" };

	n.size = resource_size(r);
	resource_content_tag(r, n.tag);
	return n;
}

static void it_is_called_what_it_was_announced_as(void)
{
	struct resource *r = resource_of("{}", NULL, 0, "");
	struct resource_name n = name_of(r);
	uint8_t want[SHA256_SIZE];

	CU_ASSERT_EQUAL(resource_announce(r, digest, &n, "the leaf"), RC_OK);
	CU_ASSERT_STRING_EQUAL(resource_leaf(r), "the leaf");
	CU_ASSERT_STRING_EQUAL(resource_name(r)->id, "net");
	CU_ASSERT_EQUAL(merkle_leaf(digest, "the leaf", 8, want), RC_OK);
	CU_ASSERT_EQUAL(memcmp(resource_leaf_hash(r), want, sizeof(want)), 0);
	CU_ASSERT_EQUAL(resource_kind(r), RESOURCE_DOC);
	CU_ASSERT_PTR_NULL(resource_net(r));
	CU_ASSERT_PTR_NULL(resource_cost(r));
	CU_ASSERT_EQUAL(merkle_leaves(resource_tree(r)), 1);
	resource_unref(r);
}

static void another_size_or_tag_is_no_name_for_it(void)
{
	struct resource *r = resource_of("{}", NULL, 0, "");
	struct resource_name n = name_of(r);
	char leaf[RESOURCE_LEAF_MAX + 2];

	n.size++;
	CU_ASSERT_EQUAL(resource_announce(r, digest, &n, "x"), RC_EDIGEST);
	n = name_of(r);
	n.tag[0] = n.tag[0] == '0' ? '1' : '0';
	CU_ASSERT_EQUAL(resource_announce(r, digest, &n, "x"), RC_EDIGEST);
	n = name_of(r);
	memset(leaf, 'x', sizeof(leaf) - 1);
	leaf[sizeof(leaf) - 1] = '\0';
	CU_ASSERT_EQUAL(resource_announce(r, digest, &n, leaf), RC_ELIMIT);
	CU_ASSERT_STRING_EQUAL(resource_leaf(r), "");
	CU_ASSERT_STRING_EQUAL(resource_name(r)->id, "");
	resource_unref(r);
}

static void a_body_over_the_ceiling_is_refused(void)
{
	struct resource_parts p = parts_of("{", NULL, 0, "}");
	struct resource *r = NULL;

	p.tail_len = RESOURCE_BODY_MAX;		/* nobody reads it */
	CU_ASSERT_EQUAL(resource_new(&p, &r), RC_ELIMIT);
	CU_ASSERT_PTR_NULL(r);
	p = parts_of("{", NULL, 0, "}");
	p.tail_len = RESOURCE_BODY_MAX - 1;
	CU_ASSERT_EQUAL(resource_new(&p, &r), RC_OK);
	CU_ASSERT_EQUAL(resource_size(r), RESOURCE_BODY_MAX);
	resource_unref(r);
}

/* 1.5 GB of body that stand on one row. */
static void a_huge_body_needs_no_flat_copy(void)
{
	const size_t n = 1500, row_len = 1000000;
	struct resource_parts p = parts_of("{", NULL, 0, "}");
	struct row *row = row_new(sizeof(*row));
	char *text = malloc(row_len), got[3];
	struct resource *r = NULL;

	CU_ASSERT_FATAL(row && text);
	memset(text, 'x', row_len);
	text[0] = 'a';
	text[row_len - 1] = 'z';
	CU_ASSERT_EQUAL_FATAL(row_seal(row, digest, text, row_len), RC_OK);
	free(p.rows);
	p.rows = malloc(n * sizeof(*p.rows));
	CU_ASSERT_PTR_NOT_NULL_FATAL(p.rows);
	for (p.n_rows = 0; p.n_rows < n; p.n_rows++)
		p.rows[p.n_rows] = row;
	CU_ASSERT_EQUAL_FATAL(resource_new(&p, &r), RC_OK);
	CU_ASSERT_EQUAL(resource_size(r), 2 + n * (row_len + 1) - 1);
	for (uint64_t i = 1; i < n; i++) {
		CU_ASSERT_EQUAL(resource_read(r, i * (row_len + 1) - 1, got, 3),
		                3);
		CU_ASSERT_EQUAL(memcmp(got, "z,a", 3), 0);
	}
	CU_ASSERT_EQUAL(resource_read(r, resource_size(r) - 2, got, 3), 2);
	CU_ASSERT_EQUAL(memcmp(got, "z}", 2), 0);
	resource_unref(r);
	row_unref(row);
}

static void the_last_reference_frees(void)
{
	struct resource *r = resource_of("{}", NULL, 0, "");

	CU_ASSERT_PTR_EQUAL(resource_ref(r), r);
	resource_unref(r);
	CU_ASSERT_EQUAL(resource_size(r), 2);
	resource_unref(r);
	resource_unref(NULL);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "any part reads as from one piece",
		  any_part_reads_as_from_one_piece },
		{ "a body without rows is head and tail",
		  a_body_without_rows_is_head_and_tail },
		{ "the digest is that of the flat body",
		  the_digest_is_that_of_the_flat_body },
		{ "it is called what it was announced as",
		  it_is_called_what_it_was_announced_as },
		{ "another size or tag is no name for it",
		  another_size_or_tag_is_no_name_for_it },
		{ "a body over the ceiling is refused",
		  a_body_over_the_ceiling_is_refused },
		{ "a huge body needs no flat copy",
		  a_huge_body_needs_no_flat_copy },
		{ "the last reference frees", the_last_reference_frees },
		CU_TEST_INFO_NULL
	};
	int failed;

	if (digest_new(&digest) != RC_OK)
		return 99;
	failed = suite_run("resource", tests);
	digest_free(digest);
	return failed;
}
