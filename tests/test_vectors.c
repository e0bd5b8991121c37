/* Everything on the wire, held against docs/test-vectors, which a second program
 * made that shares no code with this one. */
#include <jansson.h>

#include "common/base/enc.h"
#include "common/core/merkle.h"
#include "common/core/snapshot.h"
#include "common/wire/answer_json.h"
#include "common/wire/ask_json.h"
#include "common/wire/body.h"
#include "common/wire/catalog.h"
#include "common/wire/frame.h"
#include "common/wire/ird_json.h"
#include "common/wire/jcs.h"
#include "common/wire/json.h"
#include "common/wire/jsonpatch.h"
#include "common/wire/jwk.h"
#include "common/wire/media.h"
#include "common/wire/number.h"
#include "common/wire/state_json.h"
#include "tests/suite.h"

#define BODY_MAX (1u << 20)

static struct digest *digest;
static json_t *canonical, *numbers, *trees, *states, *patches, *messages,
              *answers;

/* ---- the vectors ----------------------------------------------------------- */

static const char *str(const json_t *v, const char *name)
{
	const char *s = json_string_value(json_object_get(v, name));

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	return s;
}

static uint64_t num(const json_t *v, const char *name)
{
	const json_t *n = json_object_get(v, name);

	CU_ASSERT_TRUE_FATAL(json_is_integer(n));
	return (uint64_t)json_integer_value(n);
}

static const json_t *list(const json_t *v, const char *name)
{
	const json_t *l = json_object_get(v, name);

	CU_ASSERT_TRUE_FATAL(json_array_size(l) > 0);
	return l;
}

/* Says which vector it was, for only that is not in CUnit's message. */
static void expect(bool ok, const json_t *v, const char *what)
{
	if (!ok)
		printf("  vector \"%s\": %s\n", str(v, "name"), what);
	CU_ASSERT_TRUE(ok);
}

static bool body_is(const struct resource *r, const char *want)
{
	char *got = NULL;
	size_t len = 0;
	bool same = body_flat(r, BODY_MAX, &got, &len) == RC_OK &&
	            len == strlen(want) && memcmp(got, want, len) == 0;

	free(got);
	return same;
}

static enum rc open_body(const char *leaf, const char *text,
                         struct resource **out)
{
	struct scan *s = NULL;
	struct diag d = { 0 };
	enum rc rc = scan_new_bytes(text, strlen(text), &d, &s);

	if (rc == RC_OK)
		rc = body_open(digest, leaf, s, NULL, out, &d);
	scan_free(s);
	return rc;
}

/* ---- canonical form, tags, leaves ------------------------------------------ */

static void every_input_becomes_the_canonical_body(void)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list(canonical, "bodies"), i, v) {
		struct resource *r = NULL;
		uint8_t sha[SHA256_SIZE];

		expect(open_body(str(v, "leaf"), str(v, "input"), &r) == RC_OK,
		       v, "is refused");
		if (!r)
			continue;
		expect(body_is(r, str(v, "body")), v, "body");
		expect(strcmp(resource_name(r)->tag, str(v, "tag")) == 0, v,
		       "tag");
		expect(resource_digest(r, digest, sha) == RC_OK &&
		       memcmp(sha, resource_name(r)->sha256, sizeof(sha)) == 0,
		       v, "SHA-256");
		resource_unref(r);
	}
}

static void what_is_no_map_is_refused_for_its_content(void)
{
	const json_t *v, *good = json_array_get(list(canonical, "bodies"), 0);
	size_t i;

	json_array_foreach(list(canonical, "refused"), i, v) {
		struct resource_name n;
		struct buf leaf = BUF_INIT(RESOURCE_LEAF_MAX);
		struct resource *r = NULL;
		const char *some = str(good, "leaf");
		enum rc rc;

		CU_ASSERT_EQUAL_FATAL(leaf_read(some, strlen(some), &n, NULL),
		                      RC_OK);
		snprintf(n.id, sizeof(n.id), "%s", str(v, "id"));
		snprintf(n.type, sizeof(n.type), "%s", str(v, "media-type"));
		leaf_print(&n, &leaf);
		rc = open_body(buf_str(&leaf), str(v, "input"), &r);
		expect(rc == RC_ESYNTAX || rc == RC_ERULE || rc == RC_ELIMIT, v,
		       rc_text(rc));
		CU_ASSERT_PTR_NULL(r);
		buf_free(&leaf);
	}
}

static void every_number_prints_in_its_one_way(void)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list(numbers, "numbers"), i, v) {
		const char *in = str(v, "input");
		char text[NUMBER_TEXT_MAX + 1];
		double d = 1;

		CU_ASSERT_EQUAL(number_read(in, strlen(in), &d), RC_OK);
		CU_ASSERT_EQUAL(number_print(d, text), strlen(text));
		CU_ASSERT_STRING_EQUAL(text, str(v, "text"));
	}
}

/* ---- trees ----------------------------------------------------------------- */

static void check_path(const json_t *want, const struct merkle *t, size_t i)
{
	uint8_t path[MERKLE_PATH_MAX * SHA256_SIZE], root[SHA256_SIZE];
	size_t n = merkle_path(t, i, path);
	char hex[2 * SHA256_SIZE + 1];

	CU_ASSERT_EQUAL_FATAL(n, json_array_size(want));
	for (size_t k = 0; k < n; k++) {
		enc_hex(path + k * SHA256_SIZE, SHA256_SIZE, hex);
		CU_ASSERT_STRING_EQUAL(hex,
			json_string_value(json_array_get(want, k)));
	}
	CU_ASSERT_EQUAL(merkle_root_from(digest, merkle_leaf_hash(t, i), i,
	                                 merkle_leaves(t), path, n, root),
	                RC_OK);
	CU_ASSERT_EQUAL(memcmp(root, merkle_root(t), sizeof(root)), 0);
}

static void every_tree_has_its_root_and_its_paths(void)
{
	const json_t *v;
	size_t at;

	json_array_foreach(list(trees, "trees"), at, v) {
		const json_t *leaves = json_object_get(v, "leaves");
		uint8_t hash[32 * SHA256_SIZE];
		size_t n = json_array_size(leaves);
		char hex[2 * SHA256_SIZE + 1];
		struct merkle *t = NULL;

		CU_ASSERT_TRUE_FATAL(n <= 32);
		for (size_t i = 0; i < n; i++) {
			const char *s = json_string_value(
				json_array_get(leaves, i));

			CU_ASSERT_EQUAL(merkle_leaf(digest, s, strlen(s),
			                            hash + i * SHA256_SIZE),
			                RC_OK);
		}
		CU_ASSERT_EQUAL_FATAL(merkle_new(digest, hash, n, &t), RC_OK);
		enc_hex(merkle_root(t), SHA256_SIZE, hex);
		CU_ASSERT_STRING_EQUAL(hex, str(v, "root"));
		for (size_t i = 0; i < n; i++)
			check_path(json_array_get(json_object_get(v, "paths"),
			                          i), t, i);
		merkle_free(t);
	}
}

/* ---- signed state ---------------------------------------------------------- */

static struct public_key the_key(void)
{
	const char *jwk = str(json_object_get(states, "key"), "jwk");
	struct public_key k = { 0 };
	json_t *doc = NULL;

	CU_ASSERT_EQUAL_FATAL(json_read(jwk, strlen(jwk), 4096, &doc, NULL),
	                      RC_OK);
	CU_ASSERT_EQUAL_FATAL(jwk_read(doc, &k, NULL), RC_OK);
	json_decref(doc);
	return k;
}

static struct state read_triple(const json_t *v)
{
	struct state st;

	CU_ASSERT_EQUAL_FATAL(state_from_json(json_object_get(v, "triple"),
	                                      &st, NULL), RC_OK);
	return st;
}

static void a_key_has_its_thumbprint_and_its_text(void)
{
	const json_t *v = json_object_get(states, "key");
	struct buf text = BUF_INIT(1024);
	struct public_key k = the_key();
	json_t *jwk = jwk_write(&k);

	CU_ASSERT_STRING_EQUAL(k.id, str(v, "thumbprint"));
	CU_ASSERT_EQUAL(jwk ? jcs_write(jwk, &text) : RC_ENOMEM,
	                RC_OK);
	CU_ASSERT_STRING_EQUAL(buf_str(&text), str(v, "jwk"));
	json_decref(jwk);
	buf_free(&text);
}

static void every_triple_reads_and_its_signature_holds(void)
{
	struct public_key k = the_key();
	char hex[2 * SHA256_SIZE + 1];
	const json_t *v;
	size_t i;

	json_array_foreach(list(states, "states"), i, v) {
		struct state st = read_triple(v);

		enc_hex(st.root, sizeof(st.root), hex);
		CU_ASSERT_STRING_EQUAL(hex, str(v, "root"));
		CU_ASSERT_STRING_EQUAL(st.service, str(v, "service"));
		CU_ASSERT_STRING_EQUAL(st.pos.session, str(v, "session"));
		CU_ASSERT_EQUAL(st.pos.serial, num(v, "serial"));
		CU_ASSERT_EQUAL((uint64_t)st.created, num(v, "created"));
		CU_ASSERT_EQUAL((uint64_t)st.expires, num(v, "expires"));
		CU_ASSERT_EQUAL(state_check(&st, &k), RC_OK);
		CU_ASSERT_EQUAL(state_time(&st, st.created, NULL), RC_OK);
		CU_ASSERT_EQUAL(state_time(&st, st.expires, NULL), RC_ETIME);
	}
}

/* Ed25519 is deterministic, so the same bytes must come out. */
static void what_is_signed_here_is_the_same_triple(void)
{
	const char *d = str(json_object_get(states, "key"), "d");
	struct buf seed = BUF_INIT(32);
	struct sign_key *key = NULL;
	const json_t *v;
	size_t i;

	CU_ASSERT_EQUAL_FATAL(enc_base64url_read(d, strlen(d), &seed), RC_OK);
	CU_ASSERT_EQUAL_FATAL(sign_key_from_raw((uint8_t *)seed.data, &key),
	                      RC_OK);
	json_array_foreach(list(states, "states"), i, v) {
		struct state want = read_triple(v), st = want;

		memset(st.text, 0, sizeof(st.text));
		memset(st.input, 0, sizeof(st.input));
		memset(st.signature, 0, sizeof(st.signature));
		CU_ASSERT_EQUAL(state_sign(&st, key), RC_OK);
		CU_ASSERT_STRING_EQUAL(st.text, want.text);
		CU_ASSERT_STRING_EQUAL(st.input, want.input);
		CU_ASSERT_STRING_EQUAL(st.signature, want.signature);
	}
	sign_key_free(key);
	buf_free(&seed);
}

static void every_state_document_leads_to_its_root(void)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list(states, "states"), i, v) {
		const json_t *leaves = list(v, "leaves");
		const char *text = str(v, "document");
		struct leaf_set *l = NULL;

		CU_ASSERT_EQUAL(state_doc_read(text, strlen(text), &l, NULL),
		                RC_OK);
		CU_ASSERT_EQUAL_FATAL(l ? l->n : 0, json_array_size(leaves));
		for (size_t k = 0; k < l->n; k++)
			CU_ASSERT_STRING_EQUAL(l->leaf[k],
				json_string_value(json_array_get(leaves, k)));
		leaf_set_free(l);
	}
}

static enum rc check_response(const json_t *v, struct state *st)
{
	struct signed_headers h = {
		str(v, "ALTO-Resource"), str(v, "ALTO-Proof"),
		str(v, "ALTO-State"), str(v, "Signature-Input"),
		str(v, "Signature")
	};
	const char *body = str(v, "body");
	struct resource_name n;

	return body_check(&h, body, strlen(body), &n, st, NULL);
}

static void every_response_is_good_under_its_headers(void)
{
	struct public_key k = the_key();
	const json_t *v, *r;
	size_t i, at;

	json_array_foreach(list(states, "states"), i, v)
		json_array_foreach(list(v, "responses"), at, r) {
			struct resource *res = NULL;
			struct state st = { 0 };

			CU_ASSERT_EQUAL(check_response(r, &st), RC_OK);
			CU_ASSERT_EQUAL(state_check(&st, &k), RC_OK);
			CU_ASSERT_EQUAL(open_body(str(r, "ALTO-Resource"),
			                          str(r, "body"), &res),
			                RC_OK);
			CU_ASSERT_TRUE(res && body_is(res, str(r, "body")));
			resource_unref(res);
		}
}

static void every_forged_response_is_refused_for_what_it_is(void)
{
	struct public_key k = the_key();
	const json_t *v;
	size_t i;

	json_array_foreach(list(states, "refused"), i, v) {
		const char *want = str(v, "error");
		struct state st = { 0 };
		enum rc rc = check_response(v, &st);

		if (strcmp(want, "syntax") == 0)
			expect(rc == RC_ESYNTAX || rc == RC_ELIMIT, v,
			       rc_text(rc));
		else if (strcmp(want, "digest") == 0)
			expect(rc == RC_EDIGEST, v, rc_text(rc));
		else
			expect(rc == RC_OK && state_check(&st, &k) == RC_ESIG,
			       v, rc_text(rc));
	}
}

/* ---- the directory --------------------------------------------------------- */

/* Reads an IRD and writes it again over the maps that it names. */
static void check_ird(const json_t *v)
{
	const json_t *responses = list(v, "responses");
	size_t n = json_array_size(responses) - 1;
	const struct ird_services sv = {
		.filtered = true, .endpoint_cost = true, .max_cost_types = 8
	};
	struct ird_map maps[8] = { { .res = NULL } };
	struct buf again = BUF_INIT(65536);
	const char *text = str(json_array_get(responses, 0), "body");
	struct ird *ird = NULL;

	CU_ASSERT_TRUE_FATAL(n <= 8);
	CU_ASSERT_EQUAL_FATAL(ird_read(text, strlen(text), &ird, NULL), RC_OK);
	for (size_t i = 0; i < n; i++) {
		const json_t *r = json_array_get(responses, i + 1);

		CU_ASSERT_EQUAL_FATAL(open_body(str(r, "ALTO-Resource"),
		                                str(r, "body"), &maps[i].res),
		                      RC_OK);
		maps[i].testable = true;
		maps[i].ordinal = resource_cost(maps[i].res) != NULL;
	}
	CU_ASSERT_EQUAL(ird_write(ird_redistribution(ird), maps, n, "net", &sv,
	                          &again, NULL), RC_OK);
	CU_ASSERT_STRING_EQUAL(buf_str(&again), text);
	for (size_t i = 0; i < n; i++)
		resource_unref(maps[i].res);
	buf_free(&again);
	ird_free(ird);
}

static void a_directory_reads_and_is_written_again(void)
{
	const json_t *v;
	size_t i, done = 0;

	json_array_foreach(list(states, "states"), i, v) {
		const json_t *leaves = list(v, "leaves");

		if (strncmp(json_string_value(json_array_get(leaves, 0)),
		            "\"" DIRECTORY_ID "\"", 12) != 0)
			continue;
		check_ird(v);
		done++;
	}
	CU_ASSERT_TRUE(done >= 2);
}

/* ---- patches --------------------------------------------------------------- */

static enum rc apply(const json_t *v, struct resource **base,
                     struct resource **next)
{
	const char *patch = str(v, "patch");
	struct diag d = { 0 };

	CU_ASSERT_EQUAL_FATAL(open_body(str(v, "base-leaf"), str(v, "base"),
	                                base), RC_OK);
	return body_patch(digest, *base, str(v, "from"), str(v, "media-type"),
	                  patch, strlen(patch), str(v, "leaf"), next, &d);
}

static void every_patch_gives_the_next_body(void)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list(patches, "patches"), i, v) {
		struct resource *base = NULL, *next = NULL;
		enum rc rc = apply(v, &base, &next);

		expect(rc == RC_OK, v, rc_text(rc));
		expect(next && body_is(next, str(v, "body")), v, "body");
		expect(body_is(base, str(v, "base")), v, "the base changed");
		resource_unref(next);
		resource_unref(base);
	}
}

/* A patch must be right for those who know the RFCs alone. */
static void every_patch_does_so_by_the_letter_of_its_rfc(void)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list(patches, "patches"), i, v) {
		json_t *doc = json_loads(str(v, "base"), 0, NULL), *out = NULL;
		json_t *patch = json_loads(str(v, "patch"), 0, NULL);
		struct buf text = BUF_INIT(BODY_MAX);
		enum rc rc;

		rc = strcmp(str(v, "media-type"), MEDIA_MERGE_PATCH) == 0 ?
		     merge_patch(doc, patch, &out) :
		     json_patch(doc, patch, &out, NULL);
		expect(rc == RC_OK && jcs_write(out, &text) == RC_OK, v,
		       rc_text(rc));
		expect(strcmp(buf_str(&text), str(v, "body")) == 0, v, "body");
		buf_free(&text);
		json_decref(out);
		json_decref(patch);
		json_decref(doc);
	}
}

static bool is_error(enum rc rc, const char *want)
{
	if (strcmp(want, "fit") == 0)
		return rc == RC_EGAP;
	if (strcmp(want, "digest") == 0)
		return rc == RC_EDIGEST;
	return strcmp(want, "rule") == 0 &&
	       (rc == RC_ERULE || rc == RC_ESYNTAX);
}

static void every_wrong_patch_is_refused_and_changes_nothing(void)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list(patches, "refused"), i, v) {
		struct resource *base = NULL, *next = NULL;
		enum rc rc = apply(v, &base, &next);

		expect(is_error(rc, str(v, "error")), v, rc_text(rc));
		CU_ASSERT_PTR_NULL(next);
		expect(body_is(base, str(v, "base")), v, "the base changed");
		resource_unref(base);
	}
}

/* ---- messages -------------------------------------------------------------- */

static bool text_as(const json_t *want, const char *name, const char *got)
{
	const json_t *v = json_object_get(want, name);

	return !v || strcmp(json_string_value(v), got) == 0;
}

static bool count_as(const json_t *want, const char *name, uint64_t got)
{
	const json_t *v = json_object_get(want, name);

	return !v || (uint64_t)json_integer_value(v) == got;
}

static bool position_as(const json_t *want, const struct position *got)
{
	return count_as(want, "serial", got->serial) &&
	       text_as(want, "session", got->session);
}

static bool changes_as(const json_t *want, const struct frame *f)
{
	static const char *const words[] = { "patch", "pull", "gone" };
	const json_t *l = json_object_get(want, "changes");
	char text[ID_MAX + 16];

	if (json_array_size(l) != f->n_changes)
		return false;
	for (size_t i = 0; i < f->n_changes; i++) {
		snprintf(text, sizeof(text), "%s %s", words[f->changes[i].what],
		         f->changes[i].name.id);
		if (strcmp(text, json_string_value(json_array_get(l, i))) != 0)
			return false;
	}
	return true;
}

static bool frame_as(const json_t *want, const struct frame *f)
{
	static const char *const modes[] = {
		"current", "delta", "snapshot", "behind"
	};
	const json_t *pos = json_object_get(want, "position");

	return text_as(want, "service", f->service) &&
	       text_as(want, "subscriber", f->name) &&
	       text_as(want, "uri", f->uri) && text_as(want, "push", f->push) &&
	       text_as(want, "mode", modes[f->mode]) &&
	       text_as(want, "reason", f->reason) &&
	       text_as(want, "nonce", f->nonce) &&
	       text_as(want, "code", f->code) &&
	       count_as(want, "heartbeat", f->heartbeat) &&
	       count_as(want, "message", f->message_max) &&
	       count_as(want, "path", f->path.n) &&
	       count_as(want, "below", f->n_below) &&
	       count_as(want, "retry", f->retry_after) &&
	       count_as(want, "leaves", f->leaves ? f->leaves->n : 0) &&
	       position_as(want, &f->state.pos) &&
	       (!pos || position_as(pos, &f->pos)) && changes_as(want, f);
}

static enum rc read_frame(const json_t *v, struct frame **out)
{
	const char *text = str(v, "text");
	struct diag d = { 0 };

	return frame_read(text, strlen(text), out, &d);
}

static enum frame_kind kind_of(const char *name)
{
	static const char *const kinds[] = {
		"hello", "subscribe", "subscribed", "update", "snapshot",
		"ack", "alive", "bye", "error"
	};
	size_t i = 0;

	while (i < 8 && strcmp(kinds[i], name) != 0)
		i++;
	return (enum frame_kind)i;
}

static void check_frames(const json_t *all)
{
	const json_t *v;
	size_t i;

	json_array_foreach(all, i, v) {
		struct frame *f = NULL;
		enum rc rc = read_frame(v, &f);

		expect(rc == RC_OK, v, rc_text(rc));
		if (!f)
			continue;
		expect(f->kind == kind_of(str(v, "name")), v, "kind");
		expect(frame_as(json_object_get(v, "expect"), f), v, "members");
		frame_free(f);
	}
}

static void every_message_reads_as_what_it_says(void)
{
	check_frames(list(messages, "conversation"));
	check_frames(list(messages, "others"));
}

static void every_wrong_message_is_refused_for_what_it_is(void)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list(messages, "refused"), i, v) {
		const char *want = str(v, "error");
		struct frame *f = NULL;
		enum rc rc = read_frame(v, &f);

		expect(rc == (strcmp(want, "syntax") == 0 ? RC_ESYNTAX :
		              strcmp(want, "limit") == 0 ? RC_ELIMIT :
		              strcmp(want, "digest") == 0 ? RC_EDIGEST :
		              RC_EPROTO), v, rc_text(rc));
		CU_ASSERT_PTR_NULL(f);
	}
}

/* The patches of the conversation lead from body to body. */
static void the_updates_of_the_conversation_apply(void)
{
	const json_t *first = json_array_get(list(states, "states"), 0);
	const json_t *second = json_array_get(list(states, "states"), 1);
	const json_t *v = json_array_get(list(messages, "conversation"), 6);
	struct frame *f = NULL;

	CU_ASSERT_EQUAL_FATAL(read_frame(v, &f), RC_OK);
	for (size_t i = 0; i < f->n_changes; i++) {
		const struct change *c = &f->changes[i];
		size_t at = strcmp(c->name.id, "net") == 0 ? 2 : 1;
		const json_t *from = json_array_get(list(first, "responses"),
		                                    at);
		const json_t *to = json_array_get(list(second, "responses"),
		                                  at);
		struct resource *base = NULL, *next = NULL;

		CU_ASSERT_EQUAL_FATAL(open_body(str(from, "ALTO-Resource"),
		                                str(from, "body"), &base),
		                      RC_OK);
		CU_ASSERT_EQUAL(body_patch(digest, base, c->from, c->media,
		                           c->data, c->data_len, c->leaf,
		                           &next, NULL), RC_OK);
		CU_ASSERT_TRUE(next && body_is(next, str(to, "body")));
		resource_unref(base);
		resource_unref(next);
	}
	frame_free(f);
}

static void close_codes_have_their_reasons(void)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list(messages, "closes"), i, v)
		CU_ASSERT_STRING_EQUAL(close_text((int)num(v, "code")),
		                       str(v, "reason"));
	CU_ASSERT_STRING_EQUAL(close_text(CLOSE_RESYNC + 1), "closed");
	CU_ASSERT_EQUAL(num(json_array_get(json_object_get(messages, "closes"),
	                                   i - 1), "code"), CLOSE_RESYNC);
}

/* ---- computed services ----------------------------------------------------- */

#define ANSWER_RESOURCES_MAX 16

static struct snapshot *snapshot_of(const json_t *v)
{
	static const uint64_t changed[ANSWER_RESOURCES_MAX];
	struct resource *res[ANSWER_RESOURCES_MAX] = { NULL };
	const json_t *resources = list(v, "resources"), *r;
	size_t i, n = json_array_size(resources);
	struct state state = { .resources = n };
	struct snapshot *s = NULL;

	CU_ASSERT_TRUE_FATAL(n <= ANSWER_RESOURCES_MAX);
	json_array_foreach(resources, i, r)
		CU_ASSERT_EQUAL_FATAL(open_body(str(r, "leaf"), str(r, "body"),
		                                &res[i]), RC_OK);
	CU_ASSERT_EQUAL_FATAL(snapshot_new(res, changed, n, &state, &s), RC_OK);
	for (i = 0; i < n; i++)
		resource_unref(res[i]);
	return s;
}

/* Calls check(service, vector) for each vector of a list in each state. */
static void ask_all(const char *name, void (*check)(const struct service *,
                                                    const json_t *))
{
	const json_t *st, *v;
	size_t i, k;

	json_array_foreach(list(answers, "states"), i, st) {
		struct snapshot *s = snapshot_of(st);
		struct catalog *c = NULL;

		CU_ASSERT_EQUAL_FATAL(catalog_new(s, NULL, &c), RC_OK);
		json_array_foreach(list(st, name), k, v) {
			const struct service *sv = catalog_find(c, str(v,
			                                               "uri"));

			expect(sv != NULL, v, "is not offered");
			if (sv)
				check(sv, v);
		}
		catalog_unref(c);
		snapshot_unref(s);
	}
}

static void check_answer(const struct service *sv, const json_t *v)
{
	const char *text = str(v, "request"), *caller = str(v, "caller");
	struct buf body = BUF_INIT(BODY_MAX);
	struct ask_refusal why = { .code = "" };
	struct ask_endpoint self;
	struct ask *ask = NULL;
	enum rc rc = ask_read(sv, text, strlen(text), &ask, &why);

	expect(rc == RC_OK, v, why.text);
	CU_ASSERT_EQUAL(ask_endpoint_read(caller, strlen(caller), &self), RC_OK);
	if (rc == RC_OK) {
		rc = answer_write(sv, ask, &self, &body);
		expect(rc == RC_OK && strcmp(buf_str(&body), str(v, "answer"))
		       == 0, v, buf_str(&body));
	}
	ask_free(ask);
	buf_free(&body);
}

static void every_request_has_its_answer(void)
{
	ask_all("answers", check_answer);
}

static void check_refusal(const struct service *sv, const json_t *v)
{
	const char *text = str(v, "request");
	struct ask_refusal why = { .code = "" };
	struct ask *ask = NULL;

	expect(ask_read(sv, text, strlen(text), &ask, &why) == RC_ERULE, v,
	       "is answered");
	expect(strcmp(why.code, str(v, "code")) == 0, v, why.code);
	expect(text_as(v, "field", why.field), v, why.field);
	expect(why.has_value == (json_object_get(v, "value") != NULL) &&
	       text_as(v, "value", why.value), v, why.value);
	CU_ASSERT_PTR_NULL(ask);
	ask_free(ask);
}

static void every_wrong_request_is_refused_with_its_code(void)
{
	ask_all("refused", check_refusal);
}

static void the_services_of_a_state_are_those_it_offers(void)
{
	const json_t *st;
	size_t i;

	json_array_foreach(list(answers, "states"), i, st) {
		const json_t *want = list(st, "services");
		struct snapshot *s = snapshot_of(st);
		struct catalog *c = NULL;

		CU_ASSERT_EQUAL_FATAL(catalog_new(s, NULL, &c), RC_OK);
		CU_ASSERT_EQUAL_FATAL(catalog_count(c), json_array_size(want));
		for (size_t k = 0; k < catalog_count(c); k++)
			CU_ASSERT_STRING_EQUAL(catalog_at(c, k)->path,
				json_string_value(json_array_get(want, k)));
		catalog_unref(c);
		snapshot_unref(s);
	}
}

/* ---------------------------------------------------------------------------- */

static json_t *load(const char *name)
{
	const char *dir = getenv("srcdir");
	char path[512];

	snprintf(path, sizeof(path), "%s/docs/test-vectors/%s",
	         dir ? dir : ".", name);
	return json_load_file(path, 0, NULL);
}

static bool set_up(void)
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

static void tear_down(void)
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

int main(void)
{
	CU_TestInfo tests[] = {
		{ "every input becomes the canonical body",
		  every_input_becomes_the_canonical_body },
		{ "what is no map is refused for its content",
		  what_is_no_map_is_refused_for_its_content },
		{ "every number prints in its one way",
		  every_number_prints_in_its_one_way },
		{ "every tree has its root and its paths",
		  every_tree_has_its_root_and_its_paths },
		{ "a key has its thumbprint and its text",
		  a_key_has_its_thumbprint_and_its_text },
		{ "every triple reads and its signature holds",
		  every_triple_reads_and_its_signature_holds },
		{ "what is signed here is the same triple",
		  what_is_signed_here_is_the_same_triple },
		{ "every state document leads to its root",
		  every_state_document_leads_to_its_root },
		{ "every response is good under its headers",
		  every_response_is_good_under_its_headers },
		{ "every forged response is refused for what it is",
		  every_forged_response_is_refused_for_what_it_is },
		{ "a directory reads and is written again",
		  a_directory_reads_and_is_written_again },
		{ "every patch gives the next body",
		  every_patch_gives_the_next_body },
		{ "every patch does so by the letter of its RFC",
		  every_patch_does_so_by_the_letter_of_its_rfc },
		{ "every wrong patch is refused and changes nothing",
		  every_wrong_patch_is_refused_and_changes_nothing },
		{ "every message reads as what it says",
		  every_message_reads_as_what_it_says },
		{ "every wrong message is refused for what it is",
		  every_wrong_message_is_refused_for_what_it_is },
		{ "the updates of the conversation apply",
		  the_updates_of_the_conversation_apply },
		{ "close codes have their reasons",
		  close_codes_have_their_reasons },
		{ "every request has its answer", every_request_has_its_answer },
		{ "every wrong request is refused with its code",
		  every_wrong_request_is_refused_with_its_code },
		{ "the services of a state are those it offers",
		  the_services_of_a_state_are_those_it_offers },
		CU_TEST_INFO_NULL
	};
	int rc;

	if (!set_up())
		return 99;
	rc = suite_run("vectors", tests);
	tear_down();
	return rc;
}
