/* Services that compute their answers, through real sockets: what HTTP has to do
 * with them. What the answers say is test_answer's; test_answers_heavy has those
 * that take long. */
#include "common/service/answers.h"

#include "common/service/caller.h"
#include "common/sys/clock.h"
#include "common/wire/catalog.h"
#include "common/wire/media.h"
#include "tests/answers_stage.h"
#include "tests/suite.h"

static void each_service_answers_with_its_type(void)
{
	static const struct {
		const char *path, *type, *body, *media, *has;
	} all[] = {
		{ net, TYPE(MEDIA_NETWORK_MAP_FILTER), "{\"pids\":[]}",
		  MEDIA_NETWORK_MAP, "\"network-map\":{" },
		{ cost, TYPE(MEDIA_COST_MAP_FILTER), "{" COST_TYPE "}",
		  MEDIA_COST_MAP, "\"cost-map\":{" },
		{ ecs, TYPE(MEDIA_ENDPOINT_COST_PARAMS),
		  "{" COST_TYPE ",\"endpoints\":{\"srcs\":[],\"dsts\":"
		  "[\"ipv4:192.0.2.1\"]}}",
		  MEDIA_ENDPOINT_COST, "\"endpoint-cost-map\":{" },
		{ eps, TYPE(MEDIA_ENDPOINT_PROP_PARAMS),
		  "{\"properties\":[\"net.pid\"],\"endpoints\":"
		  "[\"ipv4:192.0.2.1\"]}",
		  MEDIA_ENDPOINT_PROP, "\"endpoint-properties\":{" },
	};
	struct stage st;

	begin(&st, &usual);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct reply r = served_post(&st.s, all[i].path, all[i].type,
		                             all[i].body);

		CU_ASSERT_EQUAL(r.status, 200);
		CU_ASSERT(reply_is(&r, "Content-Type", all[i].media));
		CU_ASSERT(reply_is(&r, "Cache-Control", "no-store"));
		CU_ASSERT(reply_is(&r, "ETag", NULL));
		CU_ASSERT(reply_is(&r, "Vary", "Accept-Encoding"));
		CU_ASSERT(reply_is(&r, "ALTO-State", NULL));
		CU_ASSERT(has(&r, all[i].has));
		reply_free(&r);
	}
	CU_ASSERT_EQUAL(status_get(st.s.status, STATUS_computed), 4);
	CU_ASSERT_EQUAL(status_get(st.s.status, STATUS_computed_refused), 0);
	CU_ASSERT(status_get(st.s.status, STATUS_http_bytes) > 0);
	end(&st);
}

static void paths_are_decoded_and_others_not_found(void)
{
	static const char *const nowhere[] = { "/filter/network/none",
		"/filter/network/", "/filter/network", "/filter/cost/net/",
		"/endpoint/cost/Net", "/endpoint/property/", "/endpoint",
		"/filter/network%2Fnet" };
	struct stage st;
	struct reply r;

	begin(&st, &usual);
	r = served_post(&st.s, "/filter/network/%6eet?x=y",
	                TYPE(MEDIA_NETWORK_MAP_FILTER), "{\"pids\":[]}");
	CU_ASSERT_EQUAL(r.status, 200);
	reply_free(&r);
	for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
		r = served_post(&st.s, nowhere[i], "Content-Type: text/plain",
		                "{}");
		CU_ASSERT_EQUAL(r.status, 404);
		CU_ASSERT_PTR_NOT_NULL(reply_error(&r, "code"));
		reply_free(&r);
	}
	end(&st);
}

static void only_post_is_taken(void)
{
	static const char *const other[] = { "GET", "HEAD", "PUT", "DELETE" };
	struct stage st;
	struct reply r;

	begin(&st, &usual);
	for (int i = 0; i < 4; i++) {
		r = served_request(&st.s, other[i], net, NULL);
		CU_ASSERT_EQUAL(r.status, 405);
		CU_ASSERT(reply_is(&r, "Allow", "POST, OPTIONS"));
		reply_free(&r);
	}
	r = served_post(&st.s, "/maps/net", TYPE(MEDIA_NETWORK_MAP_FILTER),
	                "{\"pids\":[]}");
	CU_ASSERT_EQUAL(r.status, 405);
	CU_ASSERT(reply_is(&r, "Allow", "GET, HEAD, OPTIONS"));
	reply_free(&r);
	r = served_request(&st.s, "OPTIONS", ecs, NULL);
	CU_ASSERT_EQUAL(r.status, 204);
	CU_ASSERT(reply_is(&r, "Allow", "POST, OPTIONS"));
	reply_free(&r);
	end(&st);
}

/* what comes first */

static void another_type_of_body_is_415(void)
{
	static const char *const bad[] = { NULL, TYPE("application/json"),
		TYPE(MEDIA_COST_MAP_FILTER), TYPE(""),
		TYPE(MEDIA_NETWORK_MAP_FILTER) "\r\nContent-Encoding: gzip" };
	static const char *const good[] = {
		TYPE("Application/ALTO-networkmapfilter+JSON; charset=utf-8"),
		TYPE(MEDIA_NETWORK_MAP_FILTER) "\r\n"
		"Content-Encoding: identity" };
	struct stage st;
	struct reply r;

	begin(&st, &usual);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		r = served_post(&st.s, net, bad[i], "{\"pids\":[]}");
		CU_ASSERT_EQUAL(r.status, 415);
		CU_ASSERT_PTR_NOT_NULL(reply_error(&r, "code"));
		CU_ASSERT(i == 4 ? reply_is(&r, "Accept-Encoding", "identity") :
		          reply_is(&r, "Accept", MEDIA_NETWORK_MAP_FILTER));
		reply_free(&r);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		r = served_post(&st.s, net, good[i], "{\"pids\":[]}");
		CU_ASSERT_EQUAL(r.status, 200);
		reply_free(&r);
	}
	end(&st);
}

static void what_is_wrong_is_said_in_order(void)
{
	struct stage st;
	struct reply r;

	begin(&st, &usual);
	r = served_post(&st.s, net, "Content-Type: text/plain\r\n"
	                "Accept: text/html", "{");
	CU_ASSERT_EQUAL(r.status, 415);
	reply_free(&r);
	r = served_post(&st.s, net, TYPE(MEDIA_NETWORK_MAP_FILTER) "\r\n"
	                "Accept: text/html", "{");
	CU_ASSERT_EQUAL(r.status, 406);
	CU_ASSERT_STRING_EQUAL(reply_error(&r, "field"), "accept");
	reply_free(&r);
	r = served_post(&st.s, net, TYPE(MEDIA_NETWORK_MAP_FILTER) "\r\n"
	                "Accept-Encoding: identity;q=0, br", "{");
	CU_ASSERT_EQUAL(r.status, 406);
	reply_free(&r);
	r = ask_net(&st, "{");
	CU_ASSERT_EQUAL(r.status, 400);
	CU_ASSERT_STRING_EQUAL(reply_error(&r, "code"), "E_SYNTAX");
	CU_ASSERT_PTR_NOT_NULL(reply_error(&r, "syntax-error"));
	CU_ASSERT(reply_is(&r, "Cache-Control", "no-store"));
	reply_free(&r);
	end(&st);
}

static void a_bad_request_gets_code_field_and_value(void)
{
	struct stage st;
	struct reply r;

	begin(&st, &usual);
	r = ask_net(&st, "{}");
	CU_ASSERT_EQUAL(r.status, 400);
	CU_ASSERT_STRING_EQUAL(reply_error(&r, "code"), "E_MISSING_FIELD");
	CU_ASSERT_STRING_EQUAL(reply_error(&r, "field"), "pids");
	reply_free(&r);
	r = served_post(&st.s, cost, TYPE(MEDIA_COST_MAP_FILTER),
	                "{\"cost-type\":{\"cost-mode\":\"numerical\","
	                "\"cost-metric\":\"none-such\"}}");
	CU_ASSERT_EQUAL(r.status, 400);
	CU_ASSERT_STRING_EQUAL(reply_error(&r, "code"),
	                       "E_INVALID_FIELD_VALUE");
	reply_free(&r);
	r = ask_net(&st, "");
	CU_ASSERT_EQUAL(r.status, 400);
	reply_free(&r);
	CU_ASSERT_EQUAL(status_get(st.s.status, STATUS_computed_refused), 3);
	end(&st);
}

static void a_body_over_the_limit_is_413(void)
{
	char body[SERVED_BODY_MAX + 2];
	struct stage st;
	struct reply r;

	memset(body, ' ', sizeof(body));
	body[sizeof(body) - 1] = '\0';
	begin(&st, &usual);
	r = ask_net(&st, body);
	CU_ASSERT_EQUAL(r.status, 413);
	CU_ASSERT_PTR_NOT_NULL(reply_error(&r, "message"));
	CU_ASSERT(reply_is(&r, "Connection", "close"));
	reply_free(&r);
	end(&st);
}

static void an_expired_state_is_503(void)
{
	struct stage st;
	struct reply r;

	begin(&st, &usual);
	st.w->now = clock_wall_s() - WORLD_LIFETIME - 10;
	world_heartbeat(st.w);
	publish(&st);
	r = ask_net(&st, "{\"pids\":[]}");
	CU_ASSERT_EQUAL(r.status, 503);
	CU_ASSERT(reply_is(&r, "Retry-After", "30"));
	reply_free(&r);
	slot_publish(st.s.slot, NULL, NULL);
	r = ask_net(&st, "{\"pids\":[]}");
	CU_ASSERT_EQUAL(r.status, 503);
	reply_free(&r);
	r = served_get(&st.s, net);
	CU_ASSERT_EQUAL(r.status, 405);
	reply_free(&r);
	end(&st);
}

/* size */

static struct reply ask_props(const struct stage *st, const char *coding,
                              const char *body)
{
	char headers[300];

	snprintf(headers, sizeof(headers), "%s\r\nAccept-Encoding: %s",
	         TYPE(MEDIA_ENDPOINT_PROP_PARAMS), coding);
	return served_post(&st->s, eps, headers, body);
}

static void is_coded(const struct reply *r, const char *coding,
                     const struct reply *plain)
{
	size_t n = 0;
	char *body = reply_decoded(r, &n);

	CU_ASSERT(reply_is(r, "Content-Encoding", coding));
	CU_ASSERT(reply_is(r, "Vary", "Accept-Encoding"));
	CU_ASSERT_FATAL(body && n == plain->len);
	CU_ASSERT_EQUAL(memcmp(body, plain->body, n), 0);
	free(body);
}

static void a_long_answer_is_coded_for_who_takes_it(void)
{
	static const char *const codings[][2] = {
		{ "gzip", "gzip, identity;q=0" },
		{ "zstd", "br, zstd, identity;q=0" }
	};
	static const char few[] = "{\"properties\":[\"net.pid\"],"
		"\"endpoints\":[\"ipv4:10.0.0.1\"]}";
	struct buf many = BUF_INIT(SERVED_BODY_MAX);
	struct reply plain, small, r;
	struct stage st;

	many_endpoints(&many);
	begin(&st, &usual);
	plain = ask_props(&st, "br", buf_str(&many));
	small = ask_props(&st, "identity", few);
	CU_ASSERT_FATAL(plain.len > ANSWERS_CODE_MIN);
	CU_ASSERT_EQUAL(small.status, 200);
	for (int i = 0; i < 2; i++) {
		r = ask_props(&st, codings[i][0], buf_str(&many));
		CU_ASSERT(r.len < plain.len);
		is_coded(&r, codings[i][0], &plain);
		reply_free(&r);
		r = ask_props(&st, codings[i][0], few);
		is_coded(&r, NULL, &small);
		reply_free(&r);
		r = ask_props(&st, codings[i][1], few);	/* it has to be */
		is_coded(&r, codings[i][0], &small);
		reply_free(&r);
	}
	reply_free(&plain);
	reply_free(&small);
	buf_free(&many);
	end(&st);
}

static void too_large_an_answer_names_the_full_map(void)
{
	const struct alto_http_config cfg = { .answer_max = 300,
	                                      .answers_max = 1 << 20 };
	struct stage st;
	struct reply r;

	begin(&st, &cfg);
	r = ask_net(&st, "{\"pids\":[]}");
	CU_ASSERT_EQUAL(r.status, 400);
	CU_ASSERT_STRING_EQUAL(reply_error(&r, "code"),
	                       "E_INVALID_FIELD_VALUE");
	CU_ASSERT_STRING_EQUAL(reply_error(&r, "field"), "pids");
	CU_ASSERT(has(&r, "300 bytes"));
	CU_ASSERT(has(&r, "/maps/net"));
	reply_free(&r);
	r = served_post(&st.s, cost, TYPE(MEDIA_COST_MAP_FILTER),
	                "{" COST_TYPE "}");
	CU_ASSERT_EQUAL(r.status, 400);
	CU_ASSERT(has(&r, "/maps/cost"));
	reply_free(&r);
	r = ask_net(&st, "{\"pids\":[\"no\"]}");
	CU_ASSERT_EQUAL(r.status, 200);
	reply_free(&r);
	end(&st);
}

/* Nothing but the budget is in the way: the same requests, all held at once, and
 * then one after the other. */
static void what_is_held_counts_until_it_is_sent(void)
{
	struct answers *a = NULL;
	struct http_request rq = { .method = "POST", .peer = "192.0.2.1:80",
		.body = "{\"pids\":[]}", .len = 11 };
	struct answers_ask q = { .rq = &rq, .caller = "" };
	struct http_reply *r[64] = { NULL };
	struct status *status = NULL;
	struct catalog *c = NULL;
	struct world *w = world_new(SEED);
	uint64_t size = 0, one;
	unsigned n = 0;

	CU_ASSERT_EQUAL_FATAL(catalog_new(w->head, NULL, &c), RC_OK);
	CU_ASSERT_EQUAL_FATAL(status_new(&status), RC_OK);
	CU_ASSERT_EQUAL_FATAL(answers_new(&(struct answers_config){
		.answer_max = 4096, .answers_max = 32768, .status = status },
		&a), RC_OK);
	q.s = w->head;
	q.sv = catalog_find(c, net + 1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(q.sv);
	for (n = 0; n < 64; n++) {
		r[n] = answers_get(a, &q, &size);
		CU_ASSERT_PTR_NOT_NULL_FATAL(r[n]);
		if (http_reply_status(r[n]) != 200)
			break;
		one = size;
		CU_ASSERT_EQUAL(answers_held(a), (n + 1) * one);
	}
	CU_ASSERT(n > 2 && n < 64);
	CU_ASSERT_EQUAL(http_reply_status(r[n]), 503);
	CU_ASSERT(answers_held(a) <= 32768);
	CU_ASSERT_EQUAL(status_get(status, STATUS_computed_put_off), 1);
	for (unsigned i = 0; i <= n; i++)
		http_reply_unref(r[i]);
	CU_ASSERT_EQUAL(answers_held(a), 0);
	r[0] = answers_get(a, &q, &size);
	CU_ASSERT_EQUAL(http_reply_status(r[0]), 200);
	http_reply_unref(r[0]);
	answers_free(a);
	status_free(status);
	catalog_unref(c);
	world_free(w);
}

/* who asks */

/* address NULL: one that is in no PID. */
static void is_seen_as(const struct alto_http_config *cfg, const char *header,
                       const char *address)
{
	static const char body[] = "{" COST_TYPE ",\"endpoints\":{\"srcs\":[],"
		"\"dsts\":[\"ipv4:10.1.2.3\",\"ipv6:2001:db8::1\"]}}";
	char headers[600], seen[100] = "\"endpoint-cost-map\":{}";
	struct stage st;
	struct reply r;

	begin(&st, cfg);
	snprintf(headers, sizeof(headers), "%s%s%s",
	         TYPE(MEDIA_ENDPOINT_COST_PARAMS), header ? "\r\n" : "",
	         header ? header : "");
	if (address)
		snprintf(seen, sizeof(seen), "{\"%s\":", address);
	r = served_post(&st.s, ecs, headers, body);
	CU_ASSERT_EQUAL(r.status, 200);
	CU_ASSERT(has(&r, seen));
	reply_free(&r);
	end(&st);
}

static void the_caller_is_who_connects_or_whom_a_forwarder_names(void)
{
	static const char *const near[] = { "127.0.0.0/8", "192.0.2.7" };
	struct alto_http_config cfg = usual;

	is_seen_as(&cfg, NULL, "ipv4:127.0.0.1");
	is_seen_as(&cfg, "X-Forwarded-For: 198.51.100.1", "ipv4:127.0.0.1");
	cfg.forwarders = near;
	cfg.n_forwarders = 2;
	is_seen_as(&cfg, NULL, "ipv4:127.0.0.1");
	is_seen_as(&cfg, "X-Forwarded-For: 198.51.100.1", "ipv4:198.51.100.1");
	is_seen_as(&cfg, "X-Forwarded-For: 10.9.9.9, 198.51.100.1, 192.0.2.7",
	           "ipv4:198.51.100.1");
	is_seen_as(&cfg, "X-Forwarded-For: 2001:DB8:0::9\r\n"
	           "X-Forwarded-For: 192.0.2.7", NULL);
	is_seen_as(&cfg, "X-Forwarded-For: ::ffff:198.51.100.1",
	           "ipv4:198.51.100.1");
	is_seen_as(&cfg, "Forwarded: for=198.51.100.1", "ipv4:127.0.0.1");
	is_seen_as(&cfg, "X-Forwarded-For: nobody", "ipv4:127.0.0.1");
	is_seen_as(&cfg, "X-Forwarded-For: \"10.9.9.9\r\n"
	           "X-Forwarded-For: 198.51.100.1", "ipv4:198.51.100.1");
	cfg.forwarded_rfc7239 = true;
	is_seen_as(&cfg, "Forwarded: for=\"[2001:db8::9]:4711\";proto=https",
	           NULL);
	is_seen_as(&cfg, "X-Forwarded-For: 198.51.100.1", "ipv4:127.0.0.1");
	is_seen_as(&cfg, "Forwarded: for=10.9.9.9;x=\"\r\n"
	           "Forwarded: for=198.51.100.1", "ipv4:198.51.100.1");
}

static void peers_are_read_in_every_form(void)
{
	static const char *const all[][2] = {
		{ "192.0.2.1:80", "ipv4:192.0.2.1" },
		{ "[2001:db8::1]:80", "ipv6:2001:db8::1" },
		{ "[::ffff:192.0.2.1]:80", "ipv4:192.0.2.1" },
		{ "[fe80::1%eth0]:80", "ipv6:fe80::1" },
		{ "", "" }, { "[", "" }, { "x:1", "" }
	};
	static const char *const bad[] = { "192.0.2.1/99" };
	char seen[CALLER_TEXT_MAX + 1];
	struct callers *c = NULL;
	struct diag d = { 0 };

	CU_ASSERT_NOT_EQUAL(callers_new(bad, 1, false, &d, &c), RC_OK);
	CU_ASSERT_NOT_EQUAL(d.text[0], '\0');
	CU_ASSERT_EQUAL_FATAL(callers_new(NULL, 0, false, NULL, &c), RC_OK);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		const struct http_request rq = { .peer = all[i][0] };

		caller_find(c, &rq, seen);
		CU_ASSERT_STRING_EQUAL(seen, all[i][1]);
	}
	callers_free(c);
}

static void a_listed_page_may_post(void)
{
	static const char *const origins[] = { "https://a.example" };
	struct alto_http_config cfg = usual;
	struct stage st;
	struct reply r;

	cfg.origins = origins;
	cfg.n_origins = 1;
	begin(&st, &cfg);
	r = served_post(&st.s, net, TYPE(MEDIA_NETWORK_MAP_FILTER)
	                "\r\nOrigin: https://a.example", "{\"pids\":[]}");
	CU_ASSERT_EQUAL(r.status, 200);
	CU_ASSERT(reply_is(&r, "Access-Control-Allow-Origin", origins[0]));
	CU_ASSERT_PTR_NOT_NULL(strstr(r.head, "Vary: Accept-Encoding\r\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(r.head, "Vary: Origin\r\n"));
	reply_free(&r);
	r = served_request(&st.s, "OPTIONS", net,
	                   "Origin: https://a.example\r\n"
	                   "Access-Control-Request-Method: POST");
	CU_ASSERT(reply_is(&r, "Access-Control-Allow-Methods",
	                   "POST, OPTIONS"));
	reply_free(&r);
	end(&st);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "each service answers with its type",
		  each_service_answers_with_its_type },
		{ "paths are decoded and others not found",
		  paths_are_decoded_and_others_not_found },
		{ "only POST is taken", only_post_is_taken },
		{ "another type of body is 415", another_type_of_body_is_415 },
		{ "what is wrong is said in order",
		  what_is_wrong_is_said_in_order },
		{ "a bad request gets code, field and value",
		  a_bad_request_gets_code_field_and_value },
		{ "a body over the limit is 413",
		  a_body_over_the_limit_is_413 },
		{ "an expired state is 503", an_expired_state_is_503 },
		{ "a long answer is coded for who takes it",
		  a_long_answer_is_coded_for_who_takes_it },
		{ "too large an answer names the full map",
		  too_large_an_answer_names_the_full_map },
		{ "what is held counts until it is sent",
		  what_is_held_counts_until_it_is_sent },
		{ "the caller is who connects or whom a forwarder names",
		  the_caller_is_who_connects_or_whom_a_forwarder_names },
		{ "peers are read in every form",
		  peers_are_read_in_every_form },
		{ "a listed page may post", a_listed_page_may_post },
		CU_TEST_INFO_NULL
	};

	return suite_run("answers", tests);
}
