/* Everything that is no message of the push protocol. */
#include "common/wire/frame.h"

#include <dirent.h>

#include "common/wire/json.h"
#include "tests/frame_stage.h"
#include "tests/suite.h"
#include "tests/world.h"

/* It is no message, for this kind of reason; nothing comes out. */
static void refused_len(const char *s, size_t len, enum rc want)
{
	struct diag d = { .line = 0 };
	struct frame *none = NULL;
	char *exact = malloc(len ? len : 1);
	enum rc rc;

	CU_ASSERT_PTR_NOT_NULL_FATAL(exact);
	memcpy(exact, s, len);
	rc = frame_read(exact, len, &none, &d);
	if (rc != want)
		printf("  %.100s: %s %s\n", s, rc_text(rc), d.text);
	CU_ASSERT_EQUAL(rc, want);
	CU_ASSERT_PTR_NULL(none);
	CU_ASSERT(d.text[0] != '\0');
	free(exact);
}

static void refused(const char *s, enum rc want)
{
	refused_len(s, strlen(s), want);
}

/* ---- what is no message ---------------------------------------------------- */

static void what_is_no_json_is_refused(void)
{
	static const char *const bad[] = {
		"", " ", "x", "{", "{\"", "{\"ack\"", "{\"ack\":",
		"{\"ack\":{}", "{\"ack\":{}}x", "{\"ack\":{}}{}", "\xff",
		"{\"ack\":{\"serial\":01}}", "{\"bye\":{\"reason\":\"\xc0\"}}",
		"{\"update\":{", "{\"update\":{\"changes\":[{]}}",
		"{\"update\":{\"x\":nul}}", "{\"update\":{\"x\":1}}x",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused(bad[i], RC_ESYNTAX);
	refused_len("{\"bye\":{\"reason\":\"a\0b\"}}", 24, RC_ESYNTAX);
}

static void what_is_no_message_is_refused(void)
{
	static const char *const bad[] = {
		"{}", "{\"\":{}}", "{\"Hello\":{}}", "{\"hello \":{}}",
		"{\"ack\":{},\"bye\":{}}", "{\"bye\":{\"reason\":\"\"},\"x\":1}",
		"{\"subscribe\":{}}", "{\"ack\":{}}", "{\"alive\":{}}",
		"{\"bye\":{}}", "{\"error\":{}}", "{\"error\":{\"meta\":{}}}",
		"{\"hello\":{}}", "{\"subscribed\":{}}", "{\"snapshot\":{}}",
		"{\"update\":{}}", "{\"update\":{\"changes\":[]}}",
		"{\"bye\":{\"reason\":\"a\",\"reason\":\"b\"}}",
		"{\"ack\":{\"serial\":-1,\"session\":\"" SESSION "\"}}",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused(bad[i], RC_EPROTO);
}

static void members_of_another_type_are_refused(void)
{
	static const char *const bad[] = {
		"[]", "1", "\"ack\"", "null", "{\"ack\":[]}", "{\"ack\":null}",
		"{\"update\":[]}", "{\"update\":1}",
		"{\"ack\":{\"serial\":\"1\",\"session\":\"" SESSION "\"}}",
		"{\"ack\":{\"serial\":1,\"session\":\"x\"}}",
		"{\"ack\":{\"serial\":1,\"session\":\"" SESSION "\","
		"\"below\":{}}}",
		"{\"ack\":{\"serial\":1,\"session\":\"" SESSION "\","
		"\"below\":[1]}}",
		"{\"subscribe\":{\"name\":1}}",
		"{\"subscribe\":{\"name\":\"a\",\"have\":[]}}",
		"{\"subscribe\":{\"name\":\"a\",\"have\":[\"\",\"\",\"\"]}}",
		"{\"subscribe\":{\"name\":\"a\",\"uri\":[]}}",
		"{\"alive\":{\"state\":{}}}", "{\"bye\":{\"reason\":{}}}",
		"{\"error\":{\"meta\":[]}}", "{\"update\":{\"state\":{}}}",
		"{\"update\":{\"changes\":{}}}",
		"{\"update\":{\"state\":[1,2,3]}}",
		"{\"update\":{\"changes\":[1]}}",
		"{\"update\":{\"changes\":[{\"pull\":\"1\"}]}}",
		"{\"update\":{\"changes\":[{\"gone\":1}]}}",
		"{\"update\":{\"changes\":[{\"resource\":\"x\"}]}}",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused(bad[i], RC_ESYNTAX);
}

static void what_is_over_a_limit_is_refused(void)
{
	struct buf b = BUF_INIT(8 * BIG);

	buf_puts(&b, "{\"subscribe\":{\"name\":\"");
	for (int i = 0; i < IRD_NAME_MAX + 1; i++)
		buf_putc(&b, 'a');
	buf_puts(&b, "\"}}");
	refused(b.data, RC_ELIMIT);
	refused("{\"ack\":{\"serial\":1000000000000000,\"session\":\"" SESSION
	        "\"}}", RC_ELIMIT);
	refused("{\"bye\":{\"reason\":\"a\",\"retry-after\":86401}}",
	        RC_ELIMIT);
	buf_clear(&b);
	buf_puts(&b, "{\"ack\":{\"serial\":1,\"session\":\"" SESSION
	         "\",\"below\":[");
	for (int i = 0; i <= FRAME_BELOW_MAX; i++)
		buf_puts(&b, i ? ",{}" : "{}");
	buf_puts(&b, "]}}");
	refused(b.data, RC_ELIMIT);
	buf_clear(&b);
	buf_puts(&b, "{\"update\":{\"changes\":[");
	for (int i = 0; i <= 2 * (int)SNAPSHOT_RESOURCES_MAX; i++)
		buf_puts(&b, i ? ",{\"gone\":\"a\"}" : "{\"gone\":\"a\"}");
	buf_puts(&b, "]}}");
	refused(b.data, RC_ELIMIT);
	for (int nested = 0; nested < 2; nested++) {
		buf_clear(&b);
		buf_puts(&b, nested ? "{\"update\":{\"x\":" : "{\"ack\":{\"x\":");
		for (int i = 0; i < 100000; i++)
			buf_putc(&b, '[');
		refused(b.data, RC_ELIMIT);
	}
	buf_free(&b);
}

/* A good update with one change replaced. */
static void refused_change(const char *change, enum rc want)
{
	buf_clear(&text);
	buf_puts(&text, "{\"update\":{\"published\":1,\"state\":");
	state_print(head(), &text);
	buf_printf(&text, ",\"changes\":[%s]}}", change);
	refused(text.data, want);
}

static void a_change_is_one_thing_and_whole(void)
{
	static const char *const bad[] = {
		"{}", "{\"new\":1}", "{\"pull\":1}", "{\"data\":{}}",
		"{\"gone\":\"a\",\"pull\":1}", "{\"gone\":\"a\",\"gone\":\"b\"}",
		"{\"gone\":\"\"}", "{\"gone\":\".directory\"}",
		"{\"gone\":\"a b\"}", "{\"pull\":1,\"pull\":2}",
		"{\"pull\":-1}", "{\"pull\":1.5}", "{\"pull\":86401}",
		"{\"from\":\"a\",\"from\":\"b\"}",
		"{\"media-type\":\"a\",\"media-type\":\"b\"}",
		"{\"data\":1,\"data\":2}",
	};
	const char *leaf;
	struct buf b = BUF_INIT(BIG);

	start();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused_change(bad[i], RC_EPROTO);
	refused_change("{\"gone\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	               "aaaaaaaaaaaaaaaaaaaaaaaa\"}", RC_ELIMIT);
	leaf = resource_leaf(snapshot_get(w->head, "cost"));
	for (int i = 0; i < 7; i++) {
		static const char *const rest[] = {
			"", ",\"gone\":\"a\"", ",\"data\":{}",
			",\"data\":{},\"from\":\"a\"",
			",\"data\":{},\"media-type\":\"a\"",
			",\"data\":{},\"from\":\"\",\"media-type\":\"a\"",
			(",\"data\":{},\"from\":\"a\",\"media-type\":\"a\","
			 "\"pull\":1")
		};

		buf_clear(&b);
		buf_puts(&b, "{\"resource\":");
		json_put_string(&b, leaf, strlen(leaf));
		buf_printf(&b, "%s}", rest[i]);
		refused_change(b.data, RC_EPROTO);
	}
	buf_clear(&b);
	buf_puts(&b, "{\"resource\":");
	json_put_string(&b, leaf, strlen(leaf));
	buf_puts(&b, ",\"resource\":");
	json_put_string(&b, leaf, strlen(leaf));
	buf_puts(&b, ",\"pull\":1}");
	refused_change(b.data, RC_EPROTO);
	buf_free(&b);
	end();
}

static void state_and_changes_come_once(void)
{
	start();
	buf_puts(&text, "{\"update\":{\"state\":");
	state_print(head(), &text);
	buf_puts(&text, ",\"state\":");
	state_print(head(), &text);
	buf_puts(&text, ",\"changes\":[{\"gone\":\"a\"}]}}");
	refused(text.data, RC_EPROTO);
	buf_clear(&text);
	buf_puts(&text, "{\"update\":{\"state\":");
	state_print(head(), &text);
	buf_puts(&text, ",\"changes\":[{\"gone\":\"a\"}],"
	         "\"changes\":[{\"gone\":\"a\"}]}}");
	refused(text.data, RC_EPROTO);
	end();
}

static void a_snapshot_must_give_its_root(void)
{
	char *leaf;

	start();
	CU_ASSERT_EQUAL(frame_snapshot(w->head, &text), RC_OK);
	leaf = strstr(text.data, "size=");
	CU_ASSERT_PTR_NOT_NULL_FATAL(leaf);
	leaf[5] = leaf[5] == '9' ? '8' : '9';
	refused(text.data, RC_EDIGEST);
	end();
}

/* Each cut and each changed byte of good messages: read or refused, no harm. */
static void no_damage_does_harm(void)
{
	start();
	hello();
	for (int kind = 0; kind < 3; kind++) {
		buf_clear(&text);
		if (kind == 0)
			CU_ASSERT_EQUAL(frame_snapshot(w->head, &text), RC_OK);
		if (kind == 1)
			frame_subscribe("a", head(), "u", "p", &text);
		if (kind == 2) {
			world_edit_net(w, 0);
			world_edit_cost(w, 0);
			buf_puts(&text, world_publish(w)->text);
		}
		for (size_t i = 0; i < text.len; i++) {
			struct frame *g = NULL;
			struct diag d = { .line = 0 };
			char *cut = malloc(text.len), was = text.data[i];

			CU_ASSERT_PTR_NOT_NULL_FATAL(cut);
			memcpy(cut, text.data, text.len);
			CU_ASSERT_NOT_EQUAL(frame_read(cut, i, &g, &d), RC_OK);
			cut[i] = (char)(was ^ (1 << (i % 8)));
			if (frame_read(cut, text.len, &g, &d) == RC_OK)
				frame_free(g);
			free(cut);
		}
	}
	end();
}

/* ---- the parser suite ------------------------------------------------------ */

static void try_text(const char *before, const char *t, size_t len,
                     const char *after, bool must_fail)
{
	size_t a = strlen(before), b = strlen(after);
	char *all = malloc(a + len + b + 1);
	struct diag d = { .line = 0 };
	struct frame *g = NULL;
	enum rc rc;

	CU_ASSERT_PTR_NOT_NULL_FATAL(all);
	memcpy(all, before, a);
	memcpy(all + a, t, len);
	memcpy(all + a + len, after, b);
	rc = frame_read(all, a + len + b, &g, &d);
	CU_ASSERT((rc == RC_OK) == (g != NULL));
	CU_ASSERT(!must_fail || rc != RC_OK);
	CU_ASSERT(rc == RC_OK || d.text[0] != '\0');
	frame_free(g);
	free(all);
}

static void try_file(const char *dir, const char *name, const char *update)
{
	static char body[1 << 20];
	char path[1024];
	bool bad = name[0] == 'n';
	size_t len;
	FILE *h;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	h = fopen(path, "rb");
	CU_ASSERT_PTR_NOT_NULL_FATAL(h);
	len = fread(body, 1, sizeof(body), h);
	fclose(h);
	try_text("", body, len, "", true);
	try_text("{\"bye\":{\"reason\":\"a\",\"x\":", body, len, "}}", false);
	try_text("{\"ack\":", body, len, "}", true);
	try_text(update, body, len, "}]}}", bad &&
	         !strstr(name, "multidigit_number_then_00"));
}

static void the_parser_suite_does_no_harm(void)
{
	const char *shared = getenv("ALTOCAST_SHARED");
	const char *src = getenv("srcdir"), *leaf;
	char dir[512];
	DIR *h;

	snprintf(dir, sizeof(dir), "%s%s/hostile/json-test-suite/test_parsing",
	         shared ? shared : src ? src : ".", shared ? "" : "/../shared");
	h = opendir(dir);
	if (!h)
		SKIP("the JSON parser suite");
	start();
	leaf = resource_leaf(snapshot_get(w->head, "cost"));
	buf_puts(&text, "{\"update\":{\"state\":");
	state_print(head(), &text);
	buf_puts(&text, ",\"changes\":[{\"resource\":");
	json_put_string(&text, leaf, strlen(leaf));
	buf_puts(&text, ",\"from\":\"a\",\"media-type\":\"b\",\"data\":");
	for (struct dirent *e = readdir(h); e; e = readdir(h))
		if (strstr(e->d_name, ".json"))
			try_file(dir, e->d_name, text.data);
	closedir(h);
	end();
}

#define T(f) { #f, f }

int main(void)
{
	CU_TestInfo tests[] = {
		T(what_is_no_json_is_refused),
		T(what_is_no_message_is_refused),
		T(members_of_another_type_are_refused),
		T(what_is_over_a_limit_is_refused),
		T(a_change_is_one_thing_and_whole),
		T(state_and_changes_come_once),
		T(a_snapshot_must_give_its_root),
		T(no_damage_does_harm),
		T(the_parser_suite_does_no_harm),
		CU_TEST_INFO_NULL
	};

	return suite_run("frame_refused", tests);
}
