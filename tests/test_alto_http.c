/* The ALTO endpoints over a slot, through real sockets. */
#include "common/service/alto_http.h"

#include "common/core/snapshot.h"
#include "common/sys/clock.h"
#include "common/wire/media.h"
#include "common/wire/state_json.h"
#include "tests/alto_stage.h"
#include "tests/served.h"
#include "tests/suite.h"

/* the listener */

static void a_map_comes_with_headers_that_prove_it(void)
{
	struct served w;
	struct reply r;
	struct state st;
	char etag[TAG_HEX + 3];
	struct snapshot *s;

	serving(&w);
	s = slot_ref(w.slot);
	snprintf(etag, sizeof(etag), "\"%s\"",
	         resource_name(snapshot_get(s, "cost"))->tag);
	snapshot_unref(s);
	r = served_get(&w, "/maps/cost");
	CU_ASSERT_EQUAL(r.status, 200);
	CU_ASSERT_EQUAL_FATAL(verify(&r, &st), RC_OK);
	CU_ASSERT_EQUAL(st.pos.serial, 1);
	CU_ASSERT(reply_is(&r, "Content-Type", MEDIA_COST_MAP));
	CU_ASSERT(reply_is(&r, "ETag", etag));
	CU_ASSERT(reply_is(&r, "Vary", "Accept-Encoding"));
	CU_ASSERT(reply_is(&r, "Cache-Control", "max-age=30"));
	CU_ASSERT_EQUAL(strncmp(reply_field(&r, "ALTO-Status"), "fresh;age=", 10), 0);
	CU_ASSERT_PTR_NULL(reply_field(&r, "ALTO-Push"));
	CU_ASSERT_EQUAL(status_get(w.status, STATUS_http_requests), 1);
	CU_ASSERT_EQUAL(status_get(w.status, STATUS_http_bytes), r.len);
	reply_free(&r);
	end(&w);
}

static void the_directory_says_where_to_subscribe(void)
{
	struct served w;
	struct reply r;
	struct state st;

	serving(&w);
	r = served_get(&w, "/directory");
	CU_ASSERT_EQUAL(verify(&r, &st), RC_OK);
	CU_ASSERT(reply_is(&r, "Content-Type", MEDIA_DIRECTORY));
	CU_ASSERT(reply_is(&r, "ALTO-Push", "ws://alto.example.net:8081/push"));
	reply_free(&r);
	end(&w);
}

static void head_and_304_have_the_headers_of_200(void)
{
	static const char *const same[] = { "ETag", "Cache-Control", "Vary",
		"Content-Type", "ALTO-Push", "ALTO-Resource", "ALTO-Proof",
		"ALTO-State", "Signature-Input", "Signature" };
	struct served w;
	struct reply full, head, not;
	char header[200];

	serving(&w);
	full = served_get(&w, "/directory");
	head = served_request(&w, "HEAD", "/directory", NULL);
	snprintf(header, sizeof(header), "If-None-Match: \"x\", W/%s",
	         reply_field(&full, "ETag"));
	not = served_request(&w, "GET", "/directory", header);
	CU_ASSERT_EQUAL(head.status, 200);
	CU_ASSERT_EQUAL(head.len, 0);
	CU_ASSERT_EQUAL(strtoul(reply_field(&head, "Content-Length"), NULL, 10),
	                full.len);
	CU_ASSERT_EQUAL(not.status, 304);
	CU_ASSERT_EQUAL(not.len, 0);
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		CU_ASSERT(reply_is(&head, same[i], reply_field(&full, same[i])));
		CU_ASSERT(reply_is(&not, same[i], reply_field(&full, same[i])));
	}
	CU_ASSERT_PTR_NOT_NULL(reply_field(&not, "ALTO-Status"));
	CU_ASSERT_EQUAL(status_get(w.status, STATUS_http_not_modified), 1);
	CU_ASSERT_EQUAL(status_get(w.status, STATUS_http_bytes), full.len);
	reply_free(&full);
	reply_free(&head);
	reply_free(&not);
	end(&w);
}

static void a_heartbeat_renews_the_headers_and_keeps_the_etag(void)
{
	struct served w;
	struct reply before, after;
	struct state st = state_at(1, clock_wall_s() + 7, 3);
	struct snapshot *s;

	serving(&w);
	before = served_get(&w, "/maps/cost");
	s = slot_ref(w.slot);
	slot_publish(w.slot, restated(s, &st), NULL);
	snapshot_unref(s);
	after = served_get(&w, "/maps/cost");
	CU_ASSERT_EQUAL_FATAL(verify(&after, &st), RC_OK);
	CU_ASSERT(st.created > clock_wall_s());
	CU_ASSERT_STRING_NOT_EQUAL(reply_field(&before, "Signature"),
	                           reply_field(&after, "Signature"));
	CU_ASSERT(reply_is(&after, "ETag", reply_field(&before, "ETag")));
	CU_ASSERT(reply_is(&after, "ALTO-Status", "fresh;age=0"));
	CU_ASSERT_STRING_EQUAL(before.body, after.body);
	reply_free(&before);
	reply_free(&after);
	end(&w);
}

static void a_new_version_changes_what_changed(void)
{
	struct served w;
	struct reply before, after;
	struct state st;

	serving(&w);
	before = served_get(&w, "/maps/" NET);
	slot_publish(w.slot, maps("pid-c", 2, clock_wall_s()), NULL);
	after = served_get(&w, "/maps/" NET);
	CU_ASSERT_EQUAL_FATAL(verify(&after, &st), RC_OK);
	CU_ASSERT_EQUAL(st.pos.serial, 2);
	CU_ASSERT_STRING_NOT_EQUAL(reply_field(&before, "ETag"),
	                           reply_field(&after, "ETag"));
	CU_ASSERT_PTR_NOT_NULL(strstr(after.body, "pid-c"));
	reply_free(&before);
	reply_free(&after);
	CU_ASSERT_EQUAL(snapshots_alive(), 1);
	end(&w);
}

static void the_state_document_is_served(void)
{
	struct served w;
	struct reply r, again;
	struct leaf_set *l = NULL;
	uint8_t hash[SHA256_SIZE];
	char hex[2 * SHA256_SIZE + 1], etag[80], header[120];

	serving(&w);
	r = served_get(&w, "/state");
	CU_ASSERT_EQUAL(r.status, 200);
	CU_ASSERT(reply_is(&r, "Content-Type", MEDIA_STATE));
	CU_ASSERT(reply_is(&r, "Cache-Control", "max-age=5"));
	CU_ASSERT_EQUAL_FATAL(state_doc_read(r.body, r.len, &l, NULL), RC_OK);
	CU_ASSERT_EQUAL(l->n, 3);
	CU_ASSERT_EQUAL(state_check(&l->state, sign_key_public(key)), RC_OK);
	leaf_set_free(l);
	digest_start(digest);
	digest_add(digest, r.body, r.len);
	CU_ASSERT_EQUAL(digest_end(digest, hash), RC_OK);
	enc_hex(hash, sizeof(hash), hex);
	snprintf(etag, sizeof(etag), "\"%s\"", hex);
	CU_ASSERT(reply_is(&r, "ETag", etag));
	snprintf(header, sizeof(header), "If-None-Match: %s", etag);
	again = served_request(&w, "GET", "/state", header);
	CU_ASSERT_EQUAL(again.status, 304);
	reply_free(&r);
	reply_free(&again);
	end(&w);
}

static void ids_are_compared_decoded_and_queries_ignored(void)
{
	static const char *const good[] = { "/maps/net:a@b", "/maps/net%3Aa%40b",
		"/maps/%6eet%3aa@b", "/maps/net:a@b?x=%zz", "/state?",
		"/directory?a=b" };
	static const char *const bad[] = { "/", "/maps", "/maps/", "/maps/none",
		"/maps/NET:a@b", "/maps/.directory", "/maps/%2edirectory",
		"/maps/net%3", "/maps/net%3Aa%4", "/maps/net%zz", "/maps/cost%00",
		"/maps/cost/", "/states", "/directory/", "//directory",
		("/maps/0123456789012345678901234567890123456789012345678901234"
		 "567890123456789") };
	struct served w;
	struct reply r;

	serving(&w);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		r = served_get(&w, good[i]);
		CU_ASSERT_EQUAL(r.status, 200);
		reply_free(&r);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		r = served_get(&w, bad[i]);
		CU_ASSERT_EQUAL(r.status, 404);
		reply_free(&r);
	}
	end(&w);
}

static void what_is_not_served_gets_an_alto_error(void)
{
	struct served w;
	struct reply r;

	serving(&w);
	r = served_get(&w, "/maps/no\"such\xff");
	CU_ASSERT_EQUAL(r.status, 404);
	CU_ASSERT_PTR_NULL(reply_field(&r, "Allow"));
	is_error(&r, "/maps/no\"such?");
	reply_free(&r);
	r = served_request(&w, "DELETE", "/maps/cost", NULL);
	CU_ASSERT_EQUAL(r.status, 405);
	CU_ASSERT(reply_is(&r, "Allow", "GET, HEAD, OPTIONS"));
	is_error(&r, "DELETE");
	reply_free(&r);
	r = served_request(&w, "POST", "/nowhere", "Content-Length: 0");
	CU_ASSERT_EQUAL(r.status, 404);
	reply_free(&r);
	CU_ASSERT_EQUAL(status_get(w.status, STATUS_http_errors), 3);
	end(&w);
}

static void a_coding_that_is_not_smaller_is_not_offered(void)
{
	uint64_t give_up = clock_mono_ms() + 20000;
	struct served w;
	struct reply r;

	serving(&w);
	r = served_request(&w, "GET", "/directory", "Accept-Encoding: gzip");
	reply_free(&r);
	/* bodies are coded in their order: the IRD stands before */
	while (status_get(w.status, STATUS_coded_bodies) == 0 &&
	       clock_mono_ms() < give_up) {
		r = served_request(&w, "GET", "/maps/cost",
		                   "Accept-Encoding: gzip");
		reply_free(&r);
	}
	CU_ASSERT_EQUAL(status_get(w.status, STATUS_coded_bodies), 1);
	r = served_request(&w, "GET", "/directory", "Accept-Encoding: gzip");
	CU_ASSERT_EQUAL(r.status, 200);
	CU_ASSERT(reply_is(&r, "Content-Encoding", NULL));
	CU_ASSERT(r.len < 60);
	reply_free(&r);
	end(&w);
}

/* RFC 6454 s6.2: what a browser sends is in lower case. Anything else is another
 * origin, and nothing of it comes back. */
static void origins_are_compared_byte_for_byte(void)
{
	static const char *const others[] = {
		"https://App.example", "HTTPS://app.example", "https://app.exampl",
		"https://app.example/", "https://app.example:443", "null", "*",
		"https://app.example, https://app.example"
	};
	static const char *const listed[] = { "http://[2001:db8::1]",
	                                      "https://app.example" };
	const struct alto_http_config cfg = { .origins = listed,
		.n_origins = 2, .answer_max = 1 << 20, .answers_max = 16 << 20 };
	struct served w;
	struct reply r;
	char header[200];

	served_start(&w, &cfg);
	slot_publish(w.slot, maps("pid-b", 1, clock_wall_s()), NULL);
	for (size_t i = 0; i < 2; i++) {
		snprintf(header, sizeof(header), "Origin: %s", listed[i]);
		r = served_request(&w, "GET", "/maps/cost", header);
		CU_ASSERT(reply_is(&r, "Access-Control-Allow-Origin",
		                   listed[i]));
		reply_free(&r);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		snprintf(header, sizeof(header), "Origin: %s", others[i]);
		r = served_request(&w, "GET", "/maps/cost", header);
		CU_ASSERT_EQUAL(r.status, 200);
		CU_ASSERT(reply_is(&r, "Access-Control-Allow-Origin", NULL));
		reply_free(&r);
		r = served_request(&w, "OPTIONS", "/nothing", header);
		CU_ASSERT(reply_is(&r, "Access-Control-Allow-Origin", NULL));
		reply_free(&r);
	}
	end(&w);
}

static void an_address_in_use_is_said(void)
{
	struct alto_http_config cfg = {
		.http = { .threads = 1, .max_conns = 4, .timeout_s = 5 },
		.heartbeat = SERVED_HEARTBEAT
	};
	struct alto_http *a = NULL;
	struct diag d = { 0 };
	struct served w;
	char addr[32];

	begin(&w);
	snprintf(addr, sizeof(addr), "127.0.0.1:%u", alto_http_port(w.a));
	cfg.http.addr = addr;
	cfg.slot = w.slot;
	cfg.status = w.status;
	CU_ASSERT_EQUAL(alto_http_start(&cfg, &d, &a), RC_EIO);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, addr));
	CU_ASSERT_PTR_NULL(a);
	end(&w);
	alto_http_stop(NULL);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "a map comes with headers that prove it",
		  a_map_comes_with_headers_that_prove_it },
		{ "the directory says where to subscribe",
		  the_directory_says_where_to_subscribe },
		{ "HEAD and 304 have the headers of 200",
		  head_and_304_have_the_headers_of_200 },
		{ "a heartbeat renews the headers and keeps the ETag",
		  a_heartbeat_renews_the_headers_and_keeps_the_etag },
		{ "a new version changes what changed",
		  a_new_version_changes_what_changed },
		{ "the state document is served", the_state_document_is_served },
		{ "ids are compared decoded and queries ignored",
		  ids_are_compared_decoded_and_queries_ignored },
		{ "what is not served gets an ALTO error",
		  what_is_not_served_gets_an_alto_error },
		{ "a coding that is not smaller is not offered",
		  a_coding_that_is_not_smaller_is_not_offered },
		{ "origins are compared byte for byte",
		  origins_are_compared_byte_for_byte },
		{ "an address in use is said", an_address_in_use_is_said },
		CU_TEST_INFO_NULL
	};

	return maps_suite("alto_http", tests);
}
