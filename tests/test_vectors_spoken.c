/* What is said between programs, held against docs/test-vectors: patches,
 * messages, requests and their answers. */
#include <jansson.h>

#include "common/core/snapshot.h"
#include "common/wire/answer_json.h"
#include "common/wire/ask_json.h"
#include "common/wire/body.h"
#include "common/wire/catalog.h"
#include "common/wire/frame.h"
#include "common/wire/jcs.h"
#include "common/wire/json.h"
#include "common/wire/jsonpatch.h"
#include "common/wire/media.h"
#include "tests/suite.h"
#include "tests/vectors.h"

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
	       text_as(want, "token", f->token) &&
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
		"ack", "alive", "bye", "error", "credentials"
	};
	size_t i = 0;

	while (i < 9 && strcmp(kinds[i], name) != 0)
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

int main(void)
{
	CU_TestInfo tests[] = {
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
	rc = suite_run("vectors_spoken", tests);
	tear_down();
	return rc;
}
