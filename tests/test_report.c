/* What a daemon says about itself: status, readiness. */
#include "common/service/report.h"

#include "common/sys/log.h"
#include "common/wire/json.h"
#include "common/wire/media.h"
#include "common/wire/seal.h"
#include "tests/report_stage.h"
#include "tests/suite.h"

static bool is_overridden(const char *id, void *arg)
{
	return strcmp(id, arg) == 0;
}

static void status_without_a_map_is_whole(void)
{
	struct report *r = made("server");
	json_t *a = status_of(r, NOW, 5000);

	CU_ASSERT_STRING_EQUAL(text_at(a, "role"), "server");
	CU_ASSERT_STRING_EQUAL(text_at(a, "version"), "1.2.3");
	CU_ASSERT_EQUAL(json_object_size(json_object_get(a, "listeners")), 0);
	CU_ASSERT_PTR_NULL(json_object_get(a, "serial"));
	CU_ASSERT_PTR_NULL(json_object_get(a, "upstreams"));
	CU_ASSERT_PTR_NULL(json_object_get(a, "subscribers"));
	CU_ASSERT_TRUE(json_is_array(json_object_get(a, "resources")));
	CU_ASSERT_EQUAL(int_at(json_object_get(a, "counters"), "pulls"), 0);
	json_decref(a);
	end(r);
}

static void status_tells_what_is_served(void)
{
	char marked[] = "net";
	struct report *r = made("server");
	json_t *a, *res, *x;

	r->head = maps();
	r->overridden = is_overridden;
	r->arg = marked;
	snprintf(r->http, sizeof(r->http), "http://127.0.0.1:8080/");
	a = status_of(r, NOW + 12, 5000);
	CU_ASSERT_EQUAL(int_at(a, "serial"), 9);
	CU_ASSERT_EQUAL(int_at(a, "map-serial"), 7);
	CU_ASSERT_STRING_EQUAL(text_at(a, "session"), SESSION);
	CU_ASSERT_EQUAL(int_at(a, "created"), NOW);
	CU_ASSERT_EQUAL(int_at(a, "age"), 12);
	CU_ASSERT_STRING_EQUAL(text_at(a, "freshness"), "fresh");
	CU_ASSERT_STRING_EQUAL(text_at(a, "key"), sign_key_public(key)->id);
	CU_ASSERT_STRING_EQUAL(text_at(json_object_get(a, "listeners"),
	                               "http"), "http://127.0.0.1:8080/");
	res = json_object_get(a, "resources");
	CU_ASSERT_EQUAL_FATAL(json_array_size(res), 3);
	x = json_array_get(res, 1);
	CU_ASSERT_STRING_EQUAL(text_at(x, "id"), "cost");
	CU_ASSERT_STRING_EQUAL(text_at(x, "media-type"), MEDIA_COST_MAP);
	CU_ASSERT_EQUAL(int_at(x, "serial"), 7);
	CU_ASSERT_EQUAL(int_at(x, "pids"), 2);
	CU_ASSERT_EQUAL(int_at(x, "cells"), 3);
	CU_ASSERT_TRUE(json_is_false(json_object_get(x, "overridden")));
	x = json_array_get(res, 2);
	CU_ASSERT_EQUAL(int_at(x, "prefixes"), 1);
	CU_ASSERT_TRUE(json_is_true(json_object_get(x, "overridden")));
	CU_ASSERT_EQUAL(strlen(text_at(x, "tag")), TAG_HEX);
	json_decref(a);
	end(r);
}

static struct resource *properties(const char *text)
{
	struct resource *r = NULL;

	CU_ASSERT_EQUAL_FATAL(seal_doc(digest, MEDIA_PROPERTY_MAP, text,
	                               strlen(text), &r), RC_OK);
	return announced(r, "props");
}

/* A snapshot of these, which are taken over. */
static struct snapshot *snapshot_of(struct resource *a, struct resource *b)
{
	struct state st = { .pos = { SESSION, 9 }, .resources = 2,
		.created = NOW, .expires = NOW + 86400,
		.service = "0b7e8f0a-5d0c-4b59-9a53-0f6d3a1f2c11" };
	struct resource *res[2] = { a, b };
	const uint64_t changed[2] = { 9, 9 };
	struct snapshot *s = NULL;

	CU_ASSERT_EQUAL_FATAL(snapshot_new(res, changed, 2, &st, &s), RC_OK);
	resource_unref(a);
	resource_unref(b);
	return s;
}

static json_int_t entities_of(const struct report *r)
{
	json_t *a = status_of(r, NOW, 1);
	json_int_t n = int_at(json_array_get(json_object_get(a, "resources"), 1),
	                      "entities");

	json_decref(a);
	return n;
}

static void entities_of_property_maps_are_counted(void)
{
	struct resource *two = properties("{\"meta\":{},\"property-map\":{"
		"\"ipv4:10.0.0.0/8\":{\"priv:x\":\"{{\\\"{\\\\\"},"
		"\"ipv6:::/0\":{\"priv:x\":null}}}");
	struct report *r = made("proxy");
	struct buf b = BUF_INIT(1 << 20);
	struct snapshot *first, *same, *none;

	first = snapshot_of(directory(EMPTY), resource_ref(two));
	same = snapshot_of(directory(EMPTY), two);
	none = snapshot_of(directory(EMPTY), properties("{\"meta\":{},"
	                                           "\"property-map\":{}}"));
	report_turn(r, first);
	CU_ASSERT_EQUAL(entities_of(r), 2);
	report_turn(r, same);
	snapshot_unref(first);
	CU_ASSERT_EQUAL(entities_of(r), 2);
	report_metrics(r, NOW, 1, &b);
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_str(&b), "\nalto_map_entries{map="
	                              "\"props\",kind=\"entities\"} 2\n"));
	report_turn(r, none);
	snapshot_unref(same);
	CU_ASSERT_EQUAL(entities_of(r), 0);
	report_turn(r, NULL);
	CU_ASSERT_PTR_NULL(r->head);
	snapshot_unref(none);
	buf_free(&b);
	end(r);
}

static void age_decides_what_is_fresh_and_ready(void)
{
	static const struct {
		int64_t now, age;
		const char *fresh, *reasons;
		bool ready;
	} cases[] = {
		{ NOW - 5, 0, "fresh", "[]", true },
		{ NOW + 89, 89, "fresh", "[]", true },
		{ NOW + 90, 90, "stale", "[\"stale: signed 90 s ago\"]", true },
		{ NOW + 86399, 86399, "stale",
		  "[\"stale: signed 86399 s ago\"]", true },
		{ NOW + 86400, 86400, "expired",
		  "[\"expired: signed 86400 s ago\"]", false }
	};
	struct report *r = made("proxy");
	struct buf b = BUF_INIT(1000), want = BUF_INIT(1000);

	r->head = maps();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t age;

		CU_ASSERT_STRING_EQUAL(report_freshness(
			snapshot_state(r->head), HEARTBEAT, cases[i].now,
			&age), cases[i].fresh);
		CU_ASSERT_EQUAL(age, cases[i].age);
		buf_clear(&b);
		buf_clear(&want);
		CU_ASSERT_EQUAL(report_ready(r, cases[i].now, &b),
		                cases[i].ready);
		buf_printf(&want, "{\"ready\":%s,\"reasons\":%s}",
		           cases[i].ready ? "true" : "false",
		           cases[i].reasons);
		CU_ASSERT_STRING_EQUAL(buf_str(&b), buf_str(&want));
	}
	buf_free(&b);
	buf_free(&want);
	end(r);
}

static void troubles_and_upstream_survive_any_bytes(void)
{
	struct status_upstream u = { .directory = "http://a/directory",
		.mode = "push", .phase = "closed", .since = NOW,
		.trouble = "bad \xff\xc3 \xed\xa0\x80 \xc3\xa9\"\n" };
	struct report *r = made("proxy");
	json_t *a, *x;

	u.counts.reopened[SUB_GAP] = 2;
	u.counts.updates = 5;
	status_set_upstreams(r->status, &u, 1);
	status_trouble(r->status, "fork", "a \"b\"\x80", NOW);
	a = status_of(r, NOW, 1);
	x = json_array_get(json_object_get(a, "upstreams"), 0);
	CU_ASSERT_STRING_EQUAL(text_at(x, "trouble"),
	                       "bad ?? ??? \xc3\xa9\"\n");
	CU_ASSERT_EQUAL(int_at(x, "updates"), 5);
	CU_ASSERT_EQUAL(int_at(json_object_get(x, "reopened"), "gap"), 2);
	CU_ASSERT_EQUAL(json_object_size(json_object_get(x, "reopened")), 1);
	x = json_array_get(json_object_get(a, "troubles"), 0);
	CU_ASSERT_STRING_EQUAL(text_at(x, "text"), "a \"b\"?");
	CU_ASSERT_EQUAL(int_at(x, "since"), NOW);
	json_decref(a);
	end(r);
}

static void each_upstream_and_key_has_its_metrics(void)
{
	struct status_upstream u[2] = {
		{ .directory = "http://a/d", .phase = "current", .polls = 3 },
		{ .directory = "http://b/\"", .phase = "spare", .spare = true,
		  .polls = 70, .timed = true, .clock_ms = -1500 }
	};
	const struct status_next_key next = { "next-key", NOW + 60 };
	const char *const want[] = {
		"\nalto_upstream_polls_total{upstream=\"http://a/d\"} 3\n",
		"\nalto_upstream_polls_total{upstream=\"http://b/\\\"\"} 70\n",
		"\nalto_upstream_current{upstream=\"http://a/d\"} 1\n",
		"\nalto_upstream_chosen{upstream=\"http://b/\\\"\"} 0\n",
		"\nalto_clock_offset_seconds{upstream=\"http://b/\\\"\"} -1.5\n",
		("\nalto_reopened_total{upstream=\"http://a/d\","
		 "reason=\"gap\"} 7\n"),
		"\nalto_key_info{role=\"next\",thumbprint=\"next-key\"} 1\n",
		"\nalto_next_key_from_timestamp_seconds 1700000060\n"
	};
	struct buf b = BUF_INIT(1 << 20);
	struct report *r = made("proxy");
	char current[128];

	u[0].counts.reopened[SUB_GAP] = 7;
	r->head = maps();
	status_set_upstreams(r->status, u, 2);
	status_set_next_key(r->status, &next);
	report_metrics(r, NOW, 1, &b);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		CU_ASSERT_PTR_NOT_NULL(strstr(buf_str(&b), want[i]));
	snprintf(current, sizeof(current), "role=\"current\",thumbprint="
	         "\"%s\"} 1\n", snapshot_state(r->head)->key);
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_str(&b), current));
	buf_free(&b);
	end(r);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "status without a map is whole",
		  status_without_a_map_is_whole },
		{ "status tells what is served", status_tells_what_is_served },
		{ "entities of property maps are counted",
		  entities_of_property_maps_are_counted },
		{ "age decides what is fresh and ready",
		  age_decides_what_is_fresh_and_ready },
		{ "troubles and upstream survive any bytes",
		  troubles_and_upstream_survive_any_bytes },
		{ "each upstream and key has its metrics",
		  each_upstream_and_key_has_its_metrics },
		CU_TEST_INFO_NULL
	};

	log_level_set(LOG_LEVEL_WARN);
	return maps_suite("report", tests);
}
