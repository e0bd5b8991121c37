/* The HTTP listener, spoken to byte by byte over loopback: requests and their
 * answers. */
#include "common/net/http.h"

#include <pthread.h>
#include <unistd.h>

#include "tests/http_world.h"

static void a_request_comes_whole_and_as_sent(void)
{
	struct http *h = start("127.0.0.1:0", 1);
	char *r = ask(h, "POST /a%20b/../c?x=%41&y HTTP/1.1\r\nHost: x\r\n"
	              "Accept: text/x\r\nContent-Length: 5\r\n"
	              "Connection: close\r\n\r\n12345", NULL);

	CU_ASSERT(has(r, "HTTP/1.1 200"));
	CU_ASSERT(has(r, "Content-Type: text/plain\r\n"));
	CU_ASSERT_STRING_EQUAL(body_of(r), "hello");
	CU_ASSERT_STRING_EQUAL(seen.method, "POST");
	CU_ASSERT_STRING_EQUAL(seen.path, "/a%20b/../c");
	CU_ASSERT_STRING_EQUAL(seen.query, "x=%41&y");
	CU_ASSERT_STRING_EQUAL(seen.body, "12345");
	CU_ASSERT_STRING_EQUAL(seen.accept, "text/x");
	CU_ASSERT_EQUAL(strncmp(seen.peer, "127.0.0.1:", 10), 0);
	free(r);
	r = ask(h, GET("/plain", ""), NULL);
	CU_ASSERT_STRING_EQUAL(seen.query, "(none)");
	CU_ASSERT_STRING_EQUAL(seen.accept, "(none)");
	CU_ASSERT_EQUAL(seen.len, 0);
	free(r);
	http_stop(h, 1000);
}

static void head_has_the_headers_of_get_and_no_body(void)
{
	static const char *const path[] = { "/shared", "/reader" };
	struct http *h = start("127.0.0.1:0", 2);
	char rq[200], want[64];

	snprintf(want, sizeof(want), "Content-Length: %d\r\n", BIG);
	for (int i = 0; i < 2; i++) {
		char *r;

		snprintf(rq, sizeof(rq), "HEAD %s HTTP/1.1\r\nHost: x\r\n"
		         "Connection: close\r\n\r\n", path[i]);
		r = ask(h, rq, NULL);
		CU_ASSERT(has(r, "HTTP/1.1 200"));
		CU_ASSERT(has(r, want));
		CU_ASSERT(has(r, "ETag: \"v1\"\r\n"));
		CU_ASSERT_STRING_EQUAL(body_of(r), "");
		free(r);
	}
	http_stop(h, 1000);
}

static void a_tag_that_is_known_gets_304(void)
{
	struct http *h = start("127.0.0.1:0", 2);
	char *r = ask(h, GET("/shared", "If-None-Match: \"v0\", W/\"v1\"\r\n"),
	              NULL);

	CU_ASSERT(has(r, "HTTP/1.1 304"));
	CU_ASSERT(has(r, "ETag: \"v1\"\r\n"));
	CU_ASSERT_STRING_EQUAL(body_of(r), "");
	free(r);
	http_stop(h, 1000);
}

static void values_sent_several_times_are_one_list(void)
{
	struct http *h = start("127.0.0.1:0", 1);
	char *r = ask(h, GET("/list/l", "X-Forwarded-For: a, b\r\nA: x\r\n"
	              "X-FORWARDED-FOR: c\r\nX-Forwarded-For:\r\n"), NULL);

	CU_ASSERT_STRING_EQUAL(body_of(r), "7:a, b, c");
	free(r);
	r = ask(h, GET("/list/s", "X-Forwarded-For: a, b\r\n"
	        "X-Forwarded-For: c\r\n"), NULL);
	CU_ASSERT_STRING_EQUAL(body_of(r), "7:a, b, c");
	free(r);
	r = ask(h, GET("/list/s", "X-Forwarded-For: a, b\r\n"
	        "X-Forwarded-For: cd\r\n"), NULL);
	CU_ASSERT_STRING_EQUAL(body_of(r), "8:");
	free(r);
	r = ask(h, GET("/list/l", ""), NULL);
	CU_ASSERT_STRING_EQUAL(body_of(r), "0:");
	free(r);
	http_stop(h, 1000);
}

struct getter {
	uint16_t port;
	const char *path;
	bool ok;
};

static void *get_big(void *arg)
{
	struct getter *g = arg;
	char rq[128];
	size_t len = 0;
	int fd = dial(g->port);
	char *r;

	if (fd < 0)
		return NULL;
	snprintf(rq, sizeof(rq), "GET %s HTTP/1.1\r\nHost: x\r\n"
	         "Connection: close\r\n\r\n", g->path);
	put(fd, rq);
	r = slurp(fd, &len);
	g->ok = r != NULL && len > BIG &&
		memcmp(r + len - BIG, big, BIG) == 0 &&
		body_of(r) == r + len - BIG;
	free(r);
	return NULL;
}

static void one_reply_serves_64_at_once(void)
{
	struct http *h = start("127.0.0.1:0", 4);
	struct getter g[64];
	pthread_t t[64];

	for (int i = 0; i < 64; i++) {
		g[i] = (struct getter){ http_port(h), i % 2 ? "/shared" :
		                        "/reader", false };
		pthread_create(&t[i], NULL, get_big, &g[i]);
	}
	for (int i = 0; i < 64; i++) {
		pthread_join(t[i], NULL);
		CU_ASSERT_TRUE(g[i].ok);
	}
	http_stop(h, 1000);
}

static void a_body_lives_until_the_last_byte_has_gone(void)
{
	enum { HUGE = 32 * 1024 * 1024 };	/* more than sockets hold */
	unsigned char *huge = calloc(1, HUGE);
	const struct http_bytes body = { huge, HUGE, count_free, NULL };
	struct http_reply *mine = shared;
	struct http *h = start("127.0.0.1:0", 2);
	int fd = dial(http_port(h)), before = atomic_load(&frees);
	char first[64];
	size_t len;

	CU_ASSERT_PTR_NOT_NULL_FATAL(huge);
	CU_ASSERT_EQUAL(http_reply_new_bytes(200, &body, &shared), RC_OK);
	put(fd, GET("/shared", ""));
	CU_ASSERT(read(fd, first, sizeof(first)) > 0);
	http_reply_unref(shared);	/* as when a new map takes its place */
	shared = mine;
	CU_ASSERT_EQUAL(atomic_load(&frees), before);
	free(slurp(fd, &len));		/* a part, then it hangs up */
	CU_ASSERT(len > BIG);
	http_stop(h, 1000);
	CU_ASSERT_EQUAL(atomic_load(&frees), before + 1);
	free(huge);
}

static void failures_of_the_handler_end_one_answer_only(void)
{
	struct http *h = start("127.0.0.1:0", 1);
	size_t len;
	char *r = ask(h, GET("/memory", ""), NULL);

	CU_ASSERT(has(r, "HTTP/1.1 500"));
	free(r);
	r = ask(h, GET("/broken", ""), &len);
	CU_ASSERT(len < BIG);		/* shorter than announced: noticed */
	free(r);
	r = ask(h, GET("/fine", ""), NULL);
	CU_ASSERT(has(r, "HTTP/1.1 200"));
	free(r);
	http_stop(h, 1000);
}

static void two_requests_share_a_connection(void)
{
	struct http *h = start("127.0.0.1:0", 1);
	char *r = ask(h, "GET /one HTTP/1.1\r\nHost: x\r\n\r\n"
	              GET("/two?2", ""), NULL);

	CU_ASSERT(has(r, "hello"));
	CU_ASSERT(has(strstr(r, "hello") + 1, "hello"));
	CU_ASSERT_STRING_EQUAL(seen.path, "/two");
	CU_ASSERT_STRING_EQUAL(seen.query, "2");
	free(r);
	http_stop(h, 1000);
}

static void a_head_too_long_is_told_so(void)
{
	static const char *const status[] = { "HTTP/1.1 414", "HTTP/1.1 431",
		"HTTP/1.1 431" };
	struct http *h = start("127.0.0.1:0", 1);
	static char rq[200000];

	for (int i = 0; i < 3; i++) {
		int n = snprintf(rq, sizeof(rq), i == 0
			? "GET /%0100000d HTTP/1.1\r\nHost: x\r\n\r\n"
			: "GET / HTTP/1.1\r\nHost: x\r\nX: %0100000d\r\n\r\n",
			0);
		char *r;

		if (i == 2)
			for (n = 25; n < 100000; n += 6)
				memcpy(rq + n, "A: b\r\n", 7);
		CU_ASSERT(n > 99000);
		r = ask(h, rq, NULL);
		CU_ASSERT(has(r, status[i]));
		CU_ASSERT(has(r, "Connection: close\r\n"));
		CU_ASSERT(has(r, "</html>"));	/* whole: it was not reset */
		free(r);
	}
	http_stop(h, 1000);
}

static void requests_in_a_row_are_answered_in_order(void)
{
	struct http *h = start("127.0.0.1:0", 2);
	char rq[100 * 80] = "", want[32], *r;
	const char *at;
	size_t n = 0;

	for (int i = 0; i < 100; i++)
		n += (size_t)snprintf(rq + n, sizeof(rq) - n, i % 3 == 1
			? "POST /echo/%03d. HTTP/1.1\r\nHost: x\r\n"
			  "Content-Length: 3\r\n%s\r\nabc"
			: "GET /echo/%03d. HTTP/1.1\r\nHost: x\r\n%s\r\n", i,
			i == 99 ? "Connection: close\r\n" : "");
	CU_ASSERT_FATAL(n < sizeof(rq) - 1);
	at = r = ask(h, rq, NULL);
	for (int i = 0; i < 100; i++) {
		snprintf(want, sizeof(want), "/echo/%03d.", i);
		at = at != NULL ? strstr(at, want) : NULL;
		CU_ASSERT_PTR_NOT_NULL(at);
	}
	free(r);
	http_stop(h, 1000);
}

static void every_form_of_target_comes_out_right(void)
{
	static const char *const rows[][3] = {
		{ "GET http://h:80/echo/p?q HTTP/1.1", "/echo/p", "200" },
		{ "GET HTTPS://h/echo/%41 HTTP/1.1", "/echo/%41", "200" },
		{ "GET http://h HTTP/1.1", NULL, "200" },
		{ "GET /echo/http://h/x HTTP/1.1", "/echo/http://h/x", "200" },
		{ "OPTIONS * HTTP/1.1", NULL, "200" },
		{ "GET * HTTP/1.1", NULL, "400" },
		{ "CONNECT h:80 HTTP/1.1", NULL, "400" },
		{ "GET echo/ HTTP/1.1", NULL, "400" },
		{ "GET /echo/a b HTTP/1.1", NULL, "400" },
		{ "FROB /echo/x HTTP/1.1", "/echo/x", "200" },
		{ "GET /echo/0 HTTP/1.0", "/echo/0", "200" },
		{ "GET / HTTP/2.0", NULL, "505" },
		{ "GET /", NULL, "400" }
	};
	struct http *h = start("127.0.0.1:0", 1);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char rq[200];
		char *r;

		snprintf(rq, sizeof(rq), "%s\r\nHost: x\r\n"
		         "Connection: close\r\n\r\n", rows[i][0]);
		r = ask(h, rq, NULL);
		CU_ASSERT(strncmp(r + 9, rows[i][2], 3) == 0);
		if (rows[i][1] != NULL)
			CU_ASSERT_STRING_EQUAL(body_of(r), rows[i][1]);
		free(r);
	}
	free(ask(h, "GET http://h?a=/b HTTP/1.0\r\n\r\n", NULL));
	CU_ASSERT_STRING_EQUAL(seen.path, "/");
	CU_ASSERT_STRING_EQUAL(seen.query, "a=/b");
	free(ask(h, "OPTIONS * HTTP/1.0\r\n\r\n", NULL));
	CU_ASSERT_STRING_EQUAL(seen.path, "*");
	http_stop(h, 1000);
}

static void a_body_in_chunks_comes_whole(void)
{
	struct http *h = start("127.0.0.1:0", 1);
	char *r = ask(h, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	              "Transfer-Encoding: Chunked\r\n\r\n3;a=b\r\nabc\r\n"
	              "2\r\nde\r\n0\r\nX: y\r\n\r\n", NULL);

	CU_ASSERT(has(r, "HTTP/1.1 200"));
	CU_ASSERT_EQUAL(seen.len, 5);
	CU_ASSERT_STRING_EQUAL(seen.body, "abcde");
	free(r);
	http_stop(h, 1000);
}

/* Whatever another reader makes of these, what follows is no request. */
static void what_can_be_read_in_two_ways_is_refused(void)
{
	static const char *const rows[][2] = {
		{ "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "400" },
		{ "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "400" },
		{ "Content-Length: 5\r\nContent-Length: 3\r\n", "400" },
		{ "Content-Length: 5\r\nContent-Length: 5\r\n", "400" },
		{ "Content-Length: 5, 5\r\n", "400" },
		{ "Content-Length: -5\r\n", "400" },
		{ "Content-Length: five\r\n", "400" },
		{ "Content-Length:\r\n", "400" },
		{ "Content-Length: 99999999999999999999\r\n", "413" },
		{ "Transfer-Encoding: gzip\r\n", "501" },
		{ "Transfer-Encoding: gzip, chunked\r\n", "501" },
		{ "Transfer-Encoding: chunked\r\n"
		  "Transfer-Encoding: chunked\r\n", "400" },
		{ "Transfer-Encoding : chunked\r\n", "400" },
		{ "Transfer-Encoding: chunked\r\n folded\r\n", "400" },
		{ "Transfer-Encoding:\r\n chunked\r\n", "400" },
		{ "Content-Length: 1\r\n\t0\r\n", "400" },
		{ "Host: y\r\n", "400" },
		{ "X Y: z\r\n", "400" },
		{ "X: a\001b\r\n", "400" },
		{ "X: a\rY: b\r\n", "400" },
		{ "no colon\r\n", "400" }
	};
	struct http *h = start("127.0.0.1:0", 1);
	int calls = atomic_load(&seen.calls);
	char rq[500], want[16];
	struct http_counts c;
	char *r;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(rq, sizeof(rq), "POST /one HTTP/1.1\r\nHost: x\r\n%s"
		         "\r\n0\r\n\r\nGET /two HTTP/1.1\r\nHost: x\r\n\r\n",
		         rows[i][0]);
		snprintf(want, sizeof(want), "HTTP/1.1 %s ", rows[i][1]);
		r = ask(h, rq, NULL);
		CU_ASSERT(strncmp(r, want, strlen(want)) == 0);
		CU_ASSERT(has(r, "Connection: close\r\n"));
		free(r);
	}
	r = ask(h, "GET / HTTP/1.1\r\n\r\n", NULL);	/* no Host */
	CU_ASSERT(is_refusal(r, "400"));
	free(r);
	r = ask(h, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
	        NULL);
	CU_ASSERT(is_refusal(r, "400"));
	free(r);
	CU_ASSERT_EQUAL(atomic_load(&seen.calls), calls);
	http_counts(h, &c);
	CU_ASSERT(c.malformed > 10);
	http_stop(h, 1000);
}

static void an_old_client_may_keep_its_connection(void)
{
	struct http *h = start("127.0.0.1:0", 1);
	char *r = ask(h, "GET /echo/1 HTTP/1.0\r\nConnection: Keep-Alive\r\n"
	              "\r\nGET /echo/2 HTTP/1.0\r\n\r\n", NULL);

	CU_ASSERT(has(r, "Connection: Keep-Alive\r\n"));
	CU_ASSERT(has(r, "/echo/1"));
	CU_ASSERT(has(r, "/echo/2"));
	free(r);
	http_stop(h, 1000);
}

static void a_bare_refusal_needs_no_handler(void)
{
	const struct http_config cfg = {
		.addr = "127.0.0.1:0", .threads = 1, .max_conns = 20,
		.timeout_s = 10, .max_body = 10
	};
	const struct http_handler on = { .reply = route };
	struct http *h = NULL;
	char *r;

	CU_ASSERT_EQUAL_FATAL(http_start(&cfg, &on, NULL, &h), RC_OK);
	r = ask(h, "HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n"
	        "12345678901", NULL);
	CU_ASSERT(has(r, "HTTP/1.1 413"));
	CU_ASSERT(has(r, "Connection: close\r\n"));
	CU_ASSERT_STRING_EQUAL(body_of(r), "");
	free(r);
	http_stop(h, 1000);
}

static void every_form_of_address_is_taken_or_named_in_the_error(void)
{
	static const char *const good[] = { "127.0.0.1:0", "[::1]:0",
		"0.0.0.0:0", "[::]:0" };
	static const char *const bad[] = { "", ":80", "127.0.0.1", "::1:80",
		"[::1]", "localhost:80", "127.0.0.1:99999", "1.2.3.4:x",
		"[::1:80", "127.0.0.1:" };
	struct http_config cfg = { .threads = 2, .max_conns = 10,
		.timeout_s = 5, .max_body = 10 };
	const struct http_handler on = { .reply = route };
	struct http *h, *first;
	char taken[32];
	struct diag d;

	for (size_t i = 0; i < 4; i++) {
		int fd;

		h = start(good[i], 2);
		fd = i == 1 ? -1 : dial(http_port(h));
		CU_ASSERT(fd >= 0 || i == 1);	/* [::] takes IPv4 too */
		close(fd);
		http_stop(h, 0);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cfg.addr = bad[i];
		diag_clear(&d);
		CU_ASSERT_EQUAL(http_start(&cfg, &on, &d, &h), RC_EINVAL);
		CU_ASSERT_PTR_NOT_NULL(strstr(d.text, bad[i]));
	}
	first = start("127.0.0.1:0", 1);
	snprintf(taken, sizeof(taken), "127.0.0.1:%u", http_port(first));
	cfg.addr = taken;
	diag_clear(&d);
	CU_ASSERT_EQUAL(http_start(&cfg, &on, &d, &h), RC_EIO);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, taken));
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "in use"));
	cfg.threads = 0;
	CU_ASSERT_EQUAL(http_start(&cfg, &on, &d, &h), RC_EINVAL);
	http_stop(first, 0);
}

static void what_is_no_header_is_refused(void)
{
	struct http_reply *r = NULL;
	const struct http_bytes body = { "x", 1, count_free, NULL };
	int before = atomic_load(&frees);

	CU_ASSERT_EQUAL(http_reply_new_bytes(200, &body, &r), RC_OK);
	CU_ASSERT_EQUAL(http_reply_header(r, "X-Ok", "a\tb \xc3\xa4"), RC_OK);
	CU_ASSERT_EQUAL(http_reply_header(r, "", "a"), RC_EINVAL);
	CU_ASSERT_EQUAL(http_reply_header(r, "A B", "a"), RC_EINVAL);
	CU_ASSERT_EQUAL(http_reply_header(r, "A", "b\r\nC: d"), RC_EINVAL);
	CU_ASSERT_EQUAL(http_reply_status(r), 200);
	http_reply_unref(r);
	CU_ASSERT_EQUAL(http_reply_new_bytes(99, &body, &r), RC_EINVAL);
	CU_ASSERT_EQUAL(atomic_load(&frees), before + 2);
	http_reply_unref(NULL);
}

static void tags_are_compared_weakly(void)
{
	CU_ASSERT_TRUE(http_etag_match("\"a\"", "\"a\""));
	CU_ASSERT_TRUE(http_etag_match("W/\"a\"", "\"a\""));
	CU_ASSERT_TRUE(http_etag_match("\"a\"", "W/\"a\""));
	CU_ASSERT_TRUE(http_etag_match(" \"b\" ,W/\"a\"", "\"a\""));
	CU_ASSERT_TRUE(http_etag_match("\"x,y\", \"a\"", "\"a\""));
	CU_ASSERT_TRUE(http_etag_match(" * ", "\"a\""));
	CU_ASSERT_FALSE(http_etag_match("\"aa\"", "\"a\""));
	CU_ASSERT_FALSE(http_etag_match("\"A\"", "\"a\""));
	CU_ASSERT_FALSE(http_etag_match("\"x,\"a\"", "\"a\""));
	CU_ASSERT_FALSE(http_etag_match("a", "\"a\""));
	CU_ASSERT_FALSE(http_etag_match("*, \"a\"", "\"a\""));
	CU_ASSERT_FALSE(http_etag_match("\"a", "\"a\""));
	CU_ASSERT_FALSE(http_etag_match("", "\"a\""));
	CU_ASSERT_FALSE(http_etag_match(NULL, "\"a\""));
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "a request comes whole and as sent",
		  a_request_comes_whole_and_as_sent },
		{ "head has the headers of get and no body",
		  head_has_the_headers_of_get_and_no_body },
		{ "a tag that is known gets 304", a_tag_that_is_known_gets_304 },
		{ "values sent several times are one list",
		  values_sent_several_times_are_one_list },
		{ "a bare refusal needs no handler",
		  a_bare_refusal_needs_no_handler },
		{ "a body in chunks comes whole",
		  a_body_in_chunks_comes_whole },
		{ "what can be read in two ways is refused",
		  what_can_be_read_in_two_ways_is_refused },
		{ "every form of target comes out right",
		  every_form_of_target_comes_out_right },
		{ "a head too long is told so", a_head_too_long_is_told_so },
		{ "one reply serves 64 at once", one_reply_serves_64_at_once },
		{ "a body lives until the last byte has gone",
		  a_body_lives_until_the_last_byte_has_gone },
		{ "failures of the handler end one answer only",
		  failures_of_the_handler_end_one_answer_only },
		{ "two requests share a connection",
		  two_requests_share_a_connection },
		{ "requests in a row are answered in order",
		  requests_in_a_row_are_answered_in_order },
		{ "an old client may keep its connection",
		  an_old_client_may_keep_its_connection },
		{ "every form of address is taken or named in the error",
		  every_form_of_address_is_taken_or_named_in_the_error },
		{ "what is no header is refused", what_is_no_header_is_refused },
		{ "tags are compared weakly", tags_are_compared_weakly },
		CU_TEST_INFO_NULL
	};

	return http_world_run("http", tests);
}
