/* The messages of the push protocol, there and back. */
#include "common/wire/frame.h"

#include "common/wire/media.h"
#include "tests/frame_stage.h"
#include "tests/suite.h"
#include "tests/world.h"

/* ---- there and back -------------------------------------------------------- */

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

static void credentials_come_back(void)
{
	char token[FRAME_TOKEN_MAX + 1];

	start();
	frame_credentials("a\"b\\0123456789ab", &text);
	reads(FRAME_CREDENTIALS);
	CU_ASSERT_STRING_EQUAL(f->token, "a\"b\\0123456789ab");
	buf_clear(&text);
	memset(token, '"', FRAME_TOKEN_MAX);
	token[FRAME_TOKEN_MAX] = '\0';
	frame_credentials(token, &text);
	reads(FRAME_CREDENTIALS);
	CU_ASSERT_STRING_EQUAL(f->token, token);
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
		T(credentials_come_back),
		T(bye_and_error_come_back),
		T(an_update_comes_back_and_lends_its_patches),
		T(updates_of_a_publisher_come_back),
		T(unknown_members_and_whitespace_do_no_harm),
		CU_TEST_INFO_NULL
	};

	return suite_run("frame", tests);
}
