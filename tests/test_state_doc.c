/* The state document: whole, canonical, and led to its root by its leaves. */
#include "common/wire/state_json.h"

#include "common/core/merkle.h"
#include "common/wire/jcs.h"
#include "common/wire/json.h"
#include "common/wire/media.h"
#include "common/wire/seal.h"
#include "tests/state_vectors.h"
#include "tests/suite.h"

/* ---- the documents ---- */

static struct snapshot *snapshot_of(size_t n)
{
	struct resource *res[16] = { NULL };
	const uint64_t changed[16] = { 0 };
	struct state st = parts();
	struct snapshot *s = NULL, *out = NULL;
	char body[32], id[32];

	CU_ASSERT_FATAL(n <= 16);
	for (size_t i = 0; i < n; i++) {
		snprintf(body, sizeof(body), "{\"n\":%zu}", i);
		snprintf(id, sizeof(id), "r%02zu", i);
		CU_ASSERT_EQUAL_FATAL(seal_doc(digest, MEDIA_DIRECTORY, body,
		                               strlen(body), &res[i]), RC_OK);
		CU_ASSERT_EQUAL_FATAL(seal_announce(digest, res[i], id), RC_OK);
	}
	CU_ASSERT_EQUAL_FATAL(snapshot_new(res, changed, n, &st, &s), RC_OK);
	memcpy(st.root, snapshot_root(s), sizeof(st.root));
	st.resources = n;
	CU_ASSERT_EQUAL_FATAL(state_sign(&st, key), RC_OK);
	CU_ASSERT_EQUAL_FATAL(snapshot_restate(s, &st, &out), RC_OK);
	snapshot_unref(s);
	for (size_t i = 0; i < n; i++)
		resource_unref(res[i]);
	return out;
}

static struct buf doc_of(const struct snapshot *s)
{
	struct buf b = BUF_INIT(1u << 20);

	CU_ASSERT_EQUAL_FATAL(state_doc(s, &b), RC_OK);
	return b;
}

static void the_state_document_is_canonical(void)
{
	struct snapshot *s = snapshot_of(3);
	struct buf doc = doc_of(s), again = BUF_INIT(1u << 20);
	json_t *v = NULL;

	CU_ASSERT_EQUAL_FATAL(json_read(doc.data, doc.len, JSON_SMALL_MAX, &v,
	                                NULL), RC_OK);
	CU_ASSERT_EQUAL(jcs_write(v, &again), RC_OK);
	CU_ASSERT_STRING_EQUAL(buf_str(&doc), buf_str(&again));
	CU_ASSERT_EQUAL(json_object_size(v), 5);
	json_decref(v);
	buf_free(&doc);
	buf_free(&again);
	snapshot_unref(s);
}

static void the_state_document_reads_back(void)
{
	for (size_t n = 1; n <= 16; n++) {
		struct snapshot *s = snapshot_of(n);
		struct buf doc = doc_of(s);
		struct leaf_set *l = NULL;

		CU_ASSERT_EQUAL_FATAL(state_doc_read(doc.data, doc.len, &l,
		                                     NULL), RC_OK);
		CU_ASSERT_EQUAL_FATAL(l->n, n);
		CU_ASSERT_STRING_EQUAL(l->state.text, snapshot_state(s)->text);
		for (size_t i = 0; i < n; i++) {
			struct resource *r = snapshot_at(s, i);
			const char *id = resource_name(r)->id;

			CU_ASSERT_STRING_EQUAL(l->leaf[i], resource_leaf(r));
			CU_ASSERT_STRING_EQUAL(l->name[i].id, id);
			CU_ASSERT_EQUAL(leaf_set_find(l, id), (long)i);
		}
		CU_ASSERT_EQUAL(leaf_set_find(l, "r"), -1);
		CU_ASSERT_EQUAL(leaf_set_find(l, "zz"), -1);
		leaf_set_free(l);
		buf_free(&doc);
		snapshot_unref(s);
	}
	leaf_set_free(NULL);
}

/* Reads the document after something was done to it. */
static enum rc read_edited(void (*edit)(json_t *doc))
{
	struct snapshot *s = snapshot_of(3);
	struct buf doc = doc_of(s);
	struct leaf_set *l = NULL;
	json_t *v = json_loadb(doc.data, doc.len, 0, NULL);
	char *text;
	enum rc rc;

	CU_ASSERT_PTR_NOT_NULL_FATAL(v);
	edit(v);
	text = json_dumps(v, JSON_INDENT(2));
	rc = state_doc_read(text, strlen(text), &l, NULL);
	CU_ASSERT_EQUAL(rc == RC_OK, l != NULL);
	leaf_set_free(l);
	free(text);
	json_decref(v);
	buf_free(&doc);
	snapshot_unref(s);
	return rc;
}

static json_t *leaves_of(json_t *doc)
{
	return json_object_get(doc, "resources");
}

static void edit_nothing(json_t *doc)
{
	json_object_set_new(doc, "later", json_true());
}

static void edit_drop_leaf(json_t *doc)
{
	json_array_remove(leaves_of(doc), 1);
}

static void edit_swap(json_t *doc)
{
	json_t *l = leaves_of(doc), *first = json_incref(json_array_get(l, 0));

	json_array_remove(l, 0);
	json_array_append_new(l, first);
}

static void edit_twice(json_t *doc)
{
	json_t *l = leaves_of(doc);

	json_array_set(l, 1, json_array_get(l, 0));
}

static void edit_size(json_t *doc)
{
	json_t *l = leaves_of(doc);
	char *leaf = strdup(json_string_value(json_array_get(l, 2)));

	*strchr(strstr(leaf, "size="), '7') = '8';
	json_array_set_new(l, 2, json_string(leaf));
	free(leaf);
}

static void edit_number_leaf(json_t *doc)
{
	json_array_set_new(leaves_of(doc), 0, json_integer(1));
}

static void edit_leaves_object(json_t *doc)
{
	json_object_set_new(doc, "resources", json_object());
}

static void edit_no_leaves(json_t *doc)
{
	json_array_clear(leaves_of(doc));
}

static void edit_serial(json_t *doc)
{
	json_object_set_new(doc, "serial", json_integer(3));
}

static void edit_session(json_t *doc)
{
	json_object_set_new(doc, "session", json_string(SERVICE));
}

static void edit_no_service(json_t *doc)
{
	json_object_del(doc, "service");
}

static void edit_no_state(json_t *doc)
{
	json_object_del(doc, "state");
}

static void edit_short_triple(json_t *doc)
{
	json_array_remove(json_object_get(doc, "state"), 0);
}

static void edit_null_triple(json_t *doc)
{
	json_array_set_new(json_object_get(doc, "state"), 1, json_null());
}

static void an_edited_state_document_is_refused(void)
{
	static const struct {
		void (*edit)(json_t *doc);
		enum rc rc;
	} rows[] = {
		{ edit_nothing, RC_OK },
		{ edit_drop_leaf, RC_EDIGEST },	/* does not lead to its root */
		{ edit_no_leaves, RC_EDIGEST },
		{ edit_size, RC_EDIGEST },
		{ edit_swap, RC_ERULE },
		{ edit_twice, RC_ERULE },
		{ edit_number_leaf, RC_ESYNTAX },
		{ edit_leaves_object, RC_ESYNTAX },
		{ edit_serial, RC_ERULE },
		{ edit_session, RC_ERULE },
		{ edit_no_service, RC_ENOENT },
		{ edit_no_state, RC_ENOENT },
		{ edit_short_triple, RC_ESYNTAX },
		{ edit_null_triple, RC_ESYNTAX }
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_EQUAL(read_edited(rows[i].edit), rows[i].rc);
}

static void the_triple_travels_as_json(void)
{
	struct state st = vector_state(), again;
	struct buf b = BUF_INIT(4096);
	json_t *v = NULL;

	state_print(&st, &b);
	CU_ASSERT_EQUAL_FATAL(json_read(b.data, b.len, JSON_SMALL_MAX, &v,
	                                NULL), RC_OK);
	CU_ASSERT_EQUAL(state_from_json(v, &again, NULL), RC_OK);
	CU_ASSERT_STRING_EQUAL(again.text, st.text);
	CU_ASSERT_STRING_EQUAL(again.input, st.input);
	CU_ASSERT_STRING_EQUAL(again.signature, st.signature);
	CU_ASSERT_EQUAL(state_from_json(NULL, &again, NULL), RC_ESYNTAX);
	json_decref(v);
	buf_free(&b);
}

static void every_resource_of_a_snapshot_proves_itself(void)
{
	for (size_t n = 1; n <= 16; n++) {
		struct snapshot *s = snapshot_of(n);
		const struct state *st = snapshot_state(s);
		uint8_t path[MERKLE_PATH_MAX * SHA256_SIZE];

		for (size_t i = 0; i < n; i++) {
			struct resource *r = snapshot_at(s, i);
			struct buf proof = BUF_INIT(4096);
			struct signed_headers h;
			char body[32];
			size_t len = resource_read(r, 0, body, sizeof(body));

			proof_print(path, snapshot_path(s, i, path), i, &proof);
			h = (struct signed_headers){
				resource_leaf(r), buf_str(&proof), st->text,
				st->input, st->signature,
			};
			CU_ASSERT(accepted(&h, body, len));
			buf_free(&proof);
		}
		snapshot_unref(s);
	}
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "the state document is canonical",
		  the_state_document_is_canonical },
		{ "the state document reads back",
		  the_state_document_reads_back },
		{ "an edited state document is refused",
		  an_edited_state_document_is_refused },
		{ "the triple travels as JSON", the_triple_travels_as_json },
		{ "every resource of a snapshot proves itself",
		  every_resource_of_a_snapshot_proves_itself },
		CU_TEST_INFO_NULL
	};
	int failed;

	if (!set_up())
		return 99;
	failed = suite_run("state_doc", tests);
	json_decref(vectors);
	sign_key_free(key);
	digest_free(digest);
	return failed;
}
