/* Merge patches to the letter of RFC 7396. */
#include "common/wire/jsonpatch.h"

#include <stdint.h>

#include "common/wire/json.h"
#include "tests/patch_docs.h"
#include "tests/suite.h"

/* The merge gives that, and the target is what it was. */
static void merges_to(const json_t *target, const json_t *patch,
                      const json_t *want)
{
	json_t *before = json_deep_copy(target), *out = NULL;

	CU_ASSERT_EQUAL(merge_patch(target, patch, &out), RC_OK);
	CU_ASSERT(json_equal(out, want));
	if (!json_equal(out, want))
		say("merge", target, patch);
	CU_ASSERT(json_equal(before, target));
	json_decref(before);
	json_decref(out);
}

/* RFC 7396 appendix A */
static void the_merge_cases_of_the_rfc_come_out(void)
{
	static const char *const cases[][3] = {
		{ "{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
		{ "{\"a\":\"b\"}", "{\"b\":\"c\"}",
		  "{\"a\":\"b\",\"b\":\"c\"}" },
		{ "{\"a\":\"b\"}", "{\"a\":null}", "{}" },
		{ "{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}",
		  "{\"b\":\"c\"}" },
		{ "{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
		{ "{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}" },
		{ "{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}",
		  "{\"a\":{\"b\":\"d\"}}" },
		{ "{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}" },
		{ "[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]" },
		{ "{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]" },
		{ "{\"a\":\"foo\"}", "null", "null" },
		{ "{\"a\":\"foo\"}", "\"bar\"", "\"bar\"" },
		{ "{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}" },
		{ "[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}" },
		{ "{}", "{\"a\":{\"bb\":{\"ccc\":null}}}",
		  "{\"a\":{\"bb\":{}}}" },
		{ "{\"a\":1}", "{}", "{\"a\":1}" },
		{ "{\"a\":1}", "{\"a\":[null]}", "{\"a\":[null]}" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *t = parse(cases[i][0]), *p = parse(cases[i][1]);
		json_t *want = parse(cases[i][2]);

		merges_to(t, p, want);
		json_decref(t);
		json_decref(p);
		json_decref(want);
	}
}

static void a_merge_shares_nothing_with_what_it_came_from(void)
{
	json_t *t = parse("{\"keep\":{\"a\":[1]}}");
	json_t *p = parse("{\"new\":{\"b\":[2]}}"), *out = NULL;

	CU_ASSERT_EQUAL_FATAL(merge_patch(t, p, &out), RC_OK);
	CU_ASSERT_PTR_NOT_EQUAL(json_object_get(out, "keep"),
	                        json_object_get(t, "keep"));
	json_object_clear(json_object_get(out, "keep"));
	json_object_clear(json_object_get(out, "new"));
	CU_ASSERT_EQUAL(json_object_size(json_object_get(t, "keep")), 1);
	CU_ASSERT_EQUAL(json_object_size(json_object_get(p, "new")), 1);
	json_decref(t);
	json_decref(p);
	json_decref(out);
}

static void diffs_to(const char *from, const char *to, const char *want)
{
	json_t *a = parse(from), *b = parse(to), *w = parse(want), *out = NULL;

	CU_ASSERT_EQUAL_FATAL(merge_diff(a, b, &out), RC_OK);
	CU_ASSERT(json_equal(out, w));
	if (!json_equal(out, w))
		say("diff", a, out);
	merges_to(a, out, b);
	json_decref(a);
	json_decref(b);
	json_decref(w);
	json_decref(out);
}

static void a_merge_diff_says_no_more_than_it_must(void)
{
	diffs_to("{}", "{}", "{}");
	diffs_to("{\"a\":1,\"b\":{\"c\":[1,2],\"d\":3}}",
	         "{\"a\":1,\"b\":{\"c\":[1,2],\"d\":4}}", "{\"b\":{\"d\":4}}");
	diffs_to("{\"a\":1,\"b\":2}", "{\"b\":2}", "{\"a\":null}");
	diffs_to("{\"a\":{\"x\":1}}", "{\"a\":{}}", "{\"a\":{\"x\":null}}");
	diffs_to("{\"a\":1}", "{\"a\":{}}", "{\"a\":{}}");
	diffs_to("{\"a\":[1]}", "{\"a\":[1,null]}", "{\"a\":[1,null]}");
	diffs_to("{\"a\":{\"b\":{\"c\":1}}}", "{\"a\":{\"b\":{\"c\":1}}}",
	         "{}");
	diffs_to("{\"e\":null,\"a\":1}", "{\"e\":null,\"a\":2}", "{\"a\":2}");
	diffs_to("{\"a\":1}", "[]", "[]");
	diffs_to("[1]", "{\"a\":{\"b\":1}}", "{\"a\":{\"b\":1}}");
	diffs_to("1", "null", "null");
}

static void a_new_null_cannot_be_said(const char *from, const char *to)
{
	json_t *a = parse(from), *b = parse(to), *out = NULL;

	CU_ASSERT_EQUAL(merge_diff(a, b, &out), RC_ERULE);
	CU_ASSERT_PTR_NULL(out);
	json_decref(a);
	json_decref(b);
}

static void a_merge_diff_refuses_a_new_null(void)
{
	a_new_null_cannot_be_said("{}", "{\"a\":null}");
	a_new_null_cannot_be_said("{\"a\":1}", "{\"a\":null}");
	a_new_null_cannot_be_said("{}", "{\"a\":{\"b\":{\"c\":null}}}");
	a_new_null_cannot_be_said("{\"a\":[]}", "{\"a\":{\"c\":null}}");
	a_new_null_cannot_be_said("[]", "{\"c\":null}");
}

/* Numbers from a seed, the same in each run. */
static uint32_t draw(uint32_t *seed, uint32_t below)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (*seed >> 8) % below;
}

static json_t *random_value(uint32_t *seed, unsigned depth)
{
	uint32_t kind = draw(seed, depth ? 8 : 4), n = draw(seed, 4);
	json_t *v;

	if (kind == 0)
		return json_integer((json_int_t)draw(seed, 3));
	if (kind == 1)
		return json_string(draw(seed, 2) ? "x" : "y");
	if (kind == 2)
		return draw(seed, 2) ? json_true() : json_false();
	if (kind == 3)
		return json_real(draw(seed, 2) ? 0.5 : 2.5);
	v = kind == 4 ? json_array() : json_object();
	for (uint32_t i = 0; i < n; i++) {
		char name[2] = { (char)('a' + draw(seed, 4)), '\0' };
		json_t *child = random_value(seed, depth - 1);

		if (kind == 4)
			json_array_append_new(v, child);
		else
			json_object_set_new(v, name, child);
	}
	return v;
}

static void diff_then_merge_gives_any_document_back(void)
{
	uint32_t seed = 20260101;

	for (unsigned i = 0; i < 5000; i++) {
		json_t *a = random_value(&seed, 4), *b = random_value(&seed, 4);
		json_t *patch = NULL;

		CU_ASSERT_EQUAL_FATAL(merge_diff(a, b, &patch), RC_OK);
		merges_to(a, patch, b);
		json_decref(a);
		json_decref(b);
		json_decref(patch);
	}
}

static void merges_have_a_ceiling_of_depth(void)
{
	json_t *deep = json_object(), *flat = json_object(), *out = NULL;

	for (int i = 0; i < JSON_DEPTH_MAX; i++) {
		json_t *outer = json_object();

		json_object_set_new(outer, "a", deep);
		deep = outer;
	}
	CU_ASSERT_EQUAL(merge_patch(flat, deep, &out), RC_ELIMIT);
	CU_ASSERT_EQUAL(merge_patch(deep, flat, &out), RC_ELIMIT);
	CU_ASSERT_EQUAL(merge_diff(flat, deep, &out), RC_ELIMIT);
	CU_ASSERT_EQUAL(merge_patch(flat, json_object_get(deep, "a"), &out),
	                RC_OK);
	json_decref(out);
	json_decref(deep);
	json_decref(flat);
}

static void the_merge_suite_gets_its_answers(void)
{
	json_t *cases = suite_file("merge-patch-cases.json");

	if (!cases)
		SKIP("the merge patch suite");
	CU_ASSERT(json_array_size(cases) >= 22);
	for (size_t i = 0; i < json_array_size(cases); i++) {
		json_t *c = json_array_get(cases, i);

		merges_to(json_object_get(c, "target"),
		          json_object_get(c, "patch"),
		          json_object_get(c, "result"));
	}
	json_decref(cases);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "the merge cases of the RFC come out",
		  the_merge_cases_of_the_rfc_come_out },
		{ "a merge shares nothing with what it came from",
		  a_merge_shares_nothing_with_what_it_came_from },
		{ "a merge diff says no more than it must",
		  a_merge_diff_says_no_more_than_it_must },
		{ "a merge diff refuses a new null",
		  a_merge_diff_refuses_a_new_null },
		{ "diff then merge gives any document back",
		  diff_then_merge_gives_any_document_back },
		{ "merges have a ceiling of depth",
		  merges_have_a_ceiling_of_depth },
		{ "the merge suite gets its answers",
		  the_merge_suite_gets_its_answers },
		CU_TEST_INFO_NULL
	};

	return suite_run("jsonpatch_merge", tests);
}
