/* The messages of the push protocol, there and back, and everything that is none
 * of them. */
#include "common/wire/frame.h"

#include <dirent.h>

#include "common/wire/json.h"
#include "common/wire/media.h"
#include "tests/suite.h"
#include "tests/world.h"

#define SESSION "01990000-0000-7000-8000-000000000000"
#define BIG (1u << 20)

static struct world *w;
static struct frame *f;
static struct buf text = BUF_INIT(BIG);

static void start(void)
{
	w = world_new(5);
	f = NULL;
	buf_clear(&text);
}

static void end(void)
{
	frame_free(f);
	buf_free(&text);
	world_free(w);
}

static void reads(enum frame_kind kind)
{
	struct diag d = { .line = 0 };

	CU_ASSERT_EQUAL_FATAL(buf_rc(&text), RC_OK);
	frame_free(f);
	f = NULL;
	CU_ASSERT_EQUAL(frame_read(text.data, text.len, &f, &d), RC_OK);
	if (!f)
		printf("  %s %s\n", d.pointer, d.text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_EQUAL(f->kind, kind);
}

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

static const struct state *head(void)
{
	return snapshot_state(w->head);
}

static void is_head_state(void)
{
	CU_ASSERT(f->has_state);
	CU_ASSERT_STRING_EQUAL(f->state.text, head()->text);
	CU_ASSERT_STRING_EQUAL(f->state.input, head()->input);
	CU_ASSERT_STRING_EQUAL(f->state.signature, head()->signature);
	CU_ASSERT_EQUAL(position_cmp(&f->state.pos, &head()->pos), 0);
	CU_ASSERT_EQUAL(state_check(&f->state, world_public(w)), RC_OK);
}

/* ---- there and back -------------------------------------------------------- */

static void hello(void)
{
	struct frame_path path = { .n = FRAME_PATH_MAX };
	struct frame_hello h = { w->service, head(), &path, 30, 123456789,
	                         1760000000123 };

	for (size_t i = 0; i < path.n; i++) {
		memcpy(path.id[i], WORLD_INSTANCE, UUID_TEXT + 1);
		path.id[i][0] = (char)('0' + i % 10);
	}
	frame_hello(&h, &text);
	reads(FRAME_HELLO);
	is_head_state();
	CU_ASSERT_STRING_EQUAL(f->protocol, FRAME_PROTOCOL);
	CU_ASSERT_STRING_EQUAL(f->service, w->service);
	CU_ASSERT_EQUAL(f->path.n, FRAME_PATH_MAX);
	CU_ASSERT_EQUAL(memcmp(&f->path, &path, sizeof(path)), 0);
	CU_ASSERT_EQUAL(f->heartbeat, 30);
	CU_ASSERT_EQUAL(f->message_max, 123456789);
	CU_ASSERT_EQUAL(f->time_ms, 1760000000123);
}

static void a_hello_comes_back(void)
{
	start();
	hello();
	end();
}

static void a_subscribe_comes_back(void)
{
	start();
	frame_subscribe("rp-1", head(), "https://a.example/\"", "wss://a/push",
	                &text);
	reads(FRAME_SUBSCRIBE);
	is_head_state();
	CU_ASSERT_STRING_EQUAL(f->name, "rp-1");
	CU_ASSERT_STRING_EQUAL(f->uri, "https://a.example/\"");
	CU_ASSERT_STRING_EQUAL(f->push, "wss://a/push");
	buf_clear(&text);
	frame_subscribe("rp-1", NULL, "", "", &text);
	CU_ASSERT_STRING_EQUAL(text.data, "{\"subscribe\":{\"name\":\"rp-1\"}}");
	reads(FRAME_SUBSCRIBE);
	CU_ASSERT(!f->has_state);
	CU_ASSERT_STRING_EQUAL(f->uri, "");
	end();
}

static void a_subscribed_comes_back_in_each_mode(void)
{
	static const char *const words[] = { "current", "delta", "snapshot",
	                                     "behind" };

	start();
	for (int m = MODE_CURRENT; m <= MODE_BEHIND; m++) {
		buf_clear(&text);
		frame_subscribed(head(), (enum frame_mode)m, m ? "why" : "",
		                 &text);
		CU_ASSERT_PTR_NOT_NULL(strstr(text.data, words[m]));
		reads(FRAME_SUBSCRIBED);
		is_head_state();
		CU_ASSERT_EQUAL((int)f->mode, m);
		CU_ASSERT_STRING_EQUAL(f->reason, m ? "why" : "");
	}
	end();
}

static void a_snapshot_comes_back_with_all_leaves(void)
{
	start();
	CU_ASSERT_EQUAL(frame_snapshot(w->head, &text), RC_OK);
	reads(FRAME_SNAPSHOT);
	is_head_state();
	CU_ASSERT_EQUAL_FATAL(f->leaves->n, snapshot_count(w->head));
	for (size_t i = 0; i < f->leaves->n; i++)
		CU_ASSERT_STRING_EQUAL(f->leaves->leaf[i],
		                       resource_leaf(snapshot_at(w->head, i)));
	CU_ASSERT_EQUAL(f->within, 0);
	CU_ASSERT_PTR_NULL(strstr(text.data, "within"));
	buf_clear(&text);
	CU_ASSERT_EQUAL(frame_snapshot_within(w->head, 16, &text), RC_OK);
	reads(FRAME_SNAPSHOT);
	CU_ASSERT_EQUAL(f->within, 16);
	end();
}

static void pulls_are_spread_when_much_is_at_stake(void)
{
	CU_ASSERT_EQUAL(frame_within(1 << 20, 1), 0);
	CU_ASSERT_EQUAL(frame_within(1 << 20, 511), 0);
	CU_ASSERT_EQUAL(frame_within(1 << 20, 512), 1);
	CU_ASSERT_EQUAL(frame_within(8 << 20, 640), 10);
	CU_ASSERT_EQUAL(frame_within(8 << 20, 1000000), FRAME_WITHIN_MAX);
	CU_ASSERT_EQUAL(frame_within(UINT64_MAX, UINT64_MAX), FRAME_WITHIN_MAX);
	CU_ASSERT_EQUAL(frame_within(UINT64_MAX, 0), 0);
}

static void an_ack_comes_back(void)
{
	struct frame_below *below = calloc(FRAME_BELOW_MAX, sizeof(*below));

	start();
	text.max = 4 * BIG;
	CU_ASSERT_PTR_NOT_NULL_FATAL(below);
	/* Without a list it is not said; an empty one is. */
	frame_ack(&head()->pos, below, 0, &text);
	reads(FRAME_ACK);
	CU_ASSERT(f->has_below);
	buf_clear(&text);
	frame_ack(&head()->pos, NULL, 0, &text);
	reads(FRAME_ACK);
	CU_ASSERT(!f->has_below);
	CU_ASSERT_EQUAL(position_cmp(&f->pos, &head()->pos), 0);
	CU_ASSERT_EQUAL(f->n_below, 0);
	for (unsigned i = 0; i < FRAME_BELOW_MAX; i++) {
		snprintf(below[i].name, sizeof(below[i].name), "rp-%u", i);
		below[i].pos = head()->pos;
		below[i].pos.serial = SERIAL_MAX;
		if (i % 2)
			snprintf(below[i].uri, sizeof(below[i].uri),
			         "https://u%u/", i);
		if (i % 3)
			snprintf(below[i].push, sizeof(below[i].push), "ws://p");
	}
	buf_clear(&text);
	frame_ack(&head()->pos, below, FRAME_BELOW_MAX, &text);
	reads(FRAME_ACK);
	CU_ASSERT_EQUAL_FATAL(f->n_below, FRAME_BELOW_MAX);
	for (size_t i = 0; i < FRAME_BELOW_MAX; i++) {
		CU_ASSERT_STRING_EQUAL(f->below[i].name, below[i].name);
		CU_ASSERT_STRING_EQUAL(f->below[i].uri, below[i].uri);
		CU_ASSERT_STRING_EQUAL(f->below[i].push, below[i].push);
		CU_ASSERT_EQUAL(f->below[i].pos.serial, SERIAL_MAX);
	}
	free(below);
	text.max = BIG;
	end();
}

static void an_ack_of_any_content_stays_within_its_ceiling(void)
{
	struct frame_below *below = calloc(FRAME_BELOW_MAX, sizeof(*below));

	start();
	CU_ASSERT_PTR_NOT_NULL_FATAL(below);
	for (unsigned i = 0; i < FRAME_BELOW_MAX; i++) {
		below[i].pos = head()->pos;
		memset(below[i].name, 1, sizeof(below[i].name) - 1);
		memset(below[i].uri, 1, FRAME_BELOW_URI_MAX);
		memset(below[i].push, 1, FRAME_BELOW_URI_MAX);
	}
	frame_ack(&head()->pos, below, FRAME_BELOW_MAX, &text);
	CU_ASSERT(text.len > FRAME_ACK_MAX / 2);
	CU_ASSERT(text.len < FRAME_ACK_MAX + FRAME_ACK_MAX / 8);
	reads(FRAME_ACK);
	CU_ASSERT_EQUAL(f->n_below, FRAME_BELOW_MAX);
	free(below);
	end();
}

static void the_uri_of_one_below_is_left_out_when_it_was_cut(void)
{
	struct frame_below below = { .name = "rp", .uri = "http://rp/" };
	size_t n = strlen(below.uri);

	start();
	below.pos = head()->pos;
	memset(below.uri + n, 'a', FRAME_BELOW_URI_MAX - n);
	frame_ack(&head()->pos, &below, 1, &text);
	reads(FRAME_ACK);
	CU_ASSERT_STRING_EQUAL(f->below[0].uri, below.uri);
	below.uri[FRAME_BELOW_URI_MAX] = 'a';
	buf_clear(&text);
	frame_ack(&head()->pos, &below, 1, &text);
	CU_ASSERT_PTR_NULL(strstr(text.data, "uri"));
	end();
}

static void a_bad_uri_of_one_below_is_left_out(void)
{
	static const char *const bad[] = {
		"", "rp", "ftp://rp/", "http://", "http://rp/ x",
		"http://rp/\\u0001", "http://rp/\\\"", "http://rp/\\\\",
		"http://rp/<b>", "http://rp/'", "http://rp/\xc3\xa9", "ws://rp/"
	};

	start();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		buf_clear(&text);
		buf_printf(&text, "{\"ack\":{\"serial\":1,\"session\":\""
		           SESSION "\",\"below\":[{\"name\":\"a\","
		           "\"serial\":1,\"session\":\"" SESSION "\","
		           "\"uri\":\"%s\",\"push\":\"wss://rp/push\"}]}}",
		           bad[i]);
		reads(FRAME_ACK);
		CU_ASSERT_EQUAL_FATAL(f->n_below, 1);
		CU_ASSERT_STRING_EQUAL(f->below[0].uri, "");
		CU_ASSERT_STRING_EQUAL(f->below[0].push, "wss://rp/push");
	}
	end();
}

static void an_alive_comes_back_from_either_side(void)
{
	start();
	frame_alive(head(), "a \\nonce", &text);
	reads(FRAME_ALIVE);
	is_head_state();
	CU_ASSERT_STRING_EQUAL(f->nonce, "a \\nonce");
	buf_clear(&text);
	frame_alive_at(&head()->pos, "", &text);
	reads(FRAME_ALIVE);
	CU_ASSERT(!f->has_state);
	CU_ASSERT_EQUAL(position_cmp(&f->pos, &head()->pos), 0);
	CU_ASSERT_STRING_EQUAL(f->nonce, "");
	end();
}

static void bye_and_error_come_back(void)
{
	char longer[FRAME_REASON_MAX + 2];

	start();
	frame_bye("drain", 86400, &text);
	reads(FRAME_BYE);
	CU_ASSERT_STRING_EQUAL(f->reason, "drain");
	CU_ASSERT_EQUAL(f->retry_after, 86400);
	buf_clear(&text);
	frame_bye("drain", 0, &text);
	reads(FRAME_BYE);
	CU_ASSERT_EQUAL(f->retry_after, 0);
	buf_clear(&text);
	frame_error("E_SYNTAX", "what?", &text);
	reads(FRAME_ERROR);
	CU_ASSERT_STRING_EQUAL(f->code, "E_SYNTAX");
	CU_ASSERT_STRING_EQUAL(f->reason, "what?");
	buf_clear(&text);
	memset(longer, 'x', sizeof(longer));
	memcpy(longer + FRAME_REASON_MAX - 1, "\xc3\xa4", 3);
	frame_error("E_SYNTAX", longer, &text);
	reads(FRAME_ERROR);
	CU_ASSERT_EQUAL(strlen(f->reason), FRAME_REASON_MAX - 1);
	end();
}

static void an_update_comes_back_and_lends_its_patches(void)
{
	const char *leaf, *other;

	start();
	leaf = resource_leaf(snapshot_get(w->head, "cost"));
	other = resource_leaf(snapshot_get(w->head, "net"));
	frame_update_begin(head(), 1760000000123, &text);
	frame_update_patch(leaf, "tag-before", MEDIA_MERGE_PATCH,
	                   "{\"[\":[1,{}]}", 12, &text);
	frame_update_pull(other, 7, &text);
	frame_update_gone("delay", &text);
	frame_update_end(&text);
	reads(FRAME_UPDATE);
	is_head_state();
	CU_ASSERT_EQUAL(f->time_ms, 1760000000123);
	CU_ASSERT_EQUAL_FATAL(f->n_changes, 3);
	CU_ASSERT_EQUAL(f->changes[0].what, CHANGE_PATCH);
	CU_ASSERT_STRING_EQUAL(f->changes[0].leaf, leaf);
	CU_ASSERT_STRING_EQUAL(f->changes[0].name.id, "cost");
	CU_ASSERT_STRING_EQUAL(f->changes[0].from, "tag-before");
	CU_ASSERT_STRING_EQUAL(f->changes[0].media, MEDIA_MERGE_PATCH);
	CU_ASSERT_EQUAL(f->changes[0].data_len, 12);
	CU_ASSERT(f->changes[0].data > text.data &&
	          f->changes[0].data < text.data + text.len);
	CU_ASSERT_EQUAL(memcmp(f->changes[0].data, "{\"[\":[1,{}]}", 12), 0);
	CU_ASSERT_EQUAL(f->changes[1].what, CHANGE_PULL);
	CU_ASSERT_EQUAL(f->changes[1].within, 7);
	CU_ASSERT_STRING_EQUAL(f->changes[1].leaf, other);
	CU_ASSERT_EQUAL(f->changes[2].what, CHANGE_GONE);
	CU_ASSERT_STRING_EQUAL(f->changes[2].name.id, "delay");
	end();
}

static void updates_of_a_publisher_come_back(void)
{
	start();
	w->pull_in = 4;
	for (int i = 0; i < 200; i++) {
		struct update *u;

		world_edit(w);
		u = world_publish(w);
		if (!u)
			continue;
		buf_clear(&text);
		buf_add(&text, u->text, u->len);
		reads(FRAME_UPDATE);
		is_head_state();
		CU_ASSERT(f->n_changes > 0);
	}
	end();
}

static void unknown_members_and_whitespace_do_no_harm(void)
{
	start();
	buf_puts(&text, " {\n\"ack\" : {\"new\":[{}],\"serial\":1,\"session\":"
	         "\"" SESSION "\",\"x\":null}\t}\r\n");
	reads(FRAME_ACK);
	buf_clear(&text);
	buf_puts(&text, " { \"update\" : { \"new\": {\"data\":1}, \"state\": ");
	state_print(head(), &text);
	buf_puts(&text, ", \"changes\": [ {\"gone\": \"a\", \"new\":[[]] } ] } }");
	reads(FRAME_UPDATE);
	CU_ASSERT_EQUAL(f->n_changes, 1);
	end();
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
		T(a_hello_comes_back),
		T(a_subscribe_comes_back),
		T(a_subscribed_comes_back_in_each_mode),
		T(a_snapshot_comes_back_with_all_leaves),
		T(pulls_are_spread_when_much_is_at_stake),
		T(an_ack_comes_back),
		T(an_ack_of_any_content_stays_within_its_ceiling),
		T(the_uri_of_one_below_is_left_out_when_it_was_cut),
		T(a_bad_uri_of_one_below_is_left_out),
		T(an_alive_comes_back_from_either_side),
		T(bye_and_error_come_back),
		T(an_update_comes_back_and_lends_its_patches),
		T(updates_of_a_publisher_come_back),
		T(unknown_members_and_whitespace_do_no_harm),
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

	return suite_run("frame", tests);
}
