/* The HTTP client against our own listener, and against one that sends what it
 * is told, byte by byte. */
#include "common/net/httpc.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <libdeflate.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/net/http.h"
#include "tests/suite.h"

#define LARGE 2000000

static char text[2048];

/* a server of our own */

static struct {
	char if_none_match[64], cache[64], auth[64], agent[64], coding[64];
	char accept[64];
} got;

static void keep(char *dst, size_t size, const char *value)
{
	snprintf(dst, size, "%s", value != NULL ? value : "(none)");
}

static struct http_reply *redirect(const char *to)
{
	struct http_reply *r = NULL;

	if (http_reply_new_text(302, NULL, "elsewhere", &r) == RC_OK &&
	    http_reply_header(r, "Location", to) == RC_OK)
		return r;
	http_reply_unref(r);
	return NULL;
}

/* zeros, so that a few bytes on the wire become many */
static struct http_reply *zipped(size_t n)
{
	struct libdeflate_compressor *z = libdeflate_alloc_compressor(9);
	unsigned char *in = calloc(1, n), *out = malloc(n);
	struct http_bytes body = { out, 0, free, out };
	struct http_reply *r = NULL;

	if (in == NULL || out == NULL || z == NULL) {
		libdeflate_free_compressor(z);
		free(in);
		free(out);
		return NULL;
	}
	body.len = libdeflate_gzip_compress(z, in, n, out, n);
	libdeflate_free_compressor(z);
	free(in);
	if (http_reply_new_bytes(200, &body, &r) != RC_OK)
		return NULL;
	if (http_reply_header(r, "Content-Encoding", "gzip") == RC_OK)
		return r;
	http_reply_unref(r);
	return NULL;
}

static struct http_reply *plain(const struct http_request *rq)
{
	struct http_reply *r = NULL;

	keep(got.if_none_match, 64, http_header(rq, "If-None-Match"));
	keep(got.cache, 64, http_header(rq, "Cache-Control"));
	keep(got.auth, 64, http_header(rq, "Authorization"));
	keep(got.agent, 64, http_header(rq, "User-Agent"));
	keep(got.coding, 64, http_header(rq, "Accept-Encoding"));
	keep(got.accept, 64, http_header(rq, "Accept"));
	if (http_etag_match(http_header(rq, "If-None-Match"), "\"v1\"")) {
		if (http_reply_new_text(304, NULL, "", &r) != RC_OK)
			return NULL;
	} else if (http_reply_new_text(200, "text/plain", "hello", &r) != RC_OK) {
		return NULL;
	}
	if (http_reply_header(r, "ETag", "\"v1\"") == RC_OK &&
	    http_reply_header(r, "ALTO-State", "  s=1 ") == RC_OK &&
	    http_reply_header(r, "Signature", "sig=:a:") == RC_OK &&
	    http_reply_header(r, "Signature", "two=:b:") == RC_OK &&
	    http_reply_header(r, "X-Other", "dropped") == RC_OK)
		return r;
	http_reply_unref(r);
	return NULL;
}

static struct http_reply *route(const struct http_request *rq, void *arg)
{
	struct http_reply *r = NULL;
	char to[64];
	int n;

	(void)arg;
	if (sscanf(rq->path, "/hop/%d", &n) == 1) {
		snprintf(to, sizeof(to), n == 1 ? "../plain" : "%d", n - 1);
		return redirect(to);
	}
	if (strcmp(rq->path, "/away") == 0)
		return redirect("http://example.com/");
	if (strcmp(rq->path, "/file") == 0)
		return redirect("file:///etc/passwd");
	if (strcmp(rq->path, "/zip") == 0)
		return zipped(LARGE);
	if (strcmp(rq->path, "/plain") == 0)
		return plain(rq);
	if (http_reply_new_text(404, NULL, "no", &r) != RC_OK)
		return NULL;
	return r;
}

static struct http *serve(void)
{
	const struct http_config cfg = {
		.addr = "127.0.0.1:0", .threads = 1, .max_conns = 20,
		.timeout_s = 10, .max_body = 10
	};
	const struct http_handler on = { .reply = route };
	struct http *h = NULL;

	CU_ASSERT_EQUAL_FATAL(http_start(&cfg, &on, NULL, &h), RC_OK);
	return h;
}

static struct httpc *client(void)
{
	const struct httpc_options opt = { .user_agent = "altocast-test/1" };
	struct httpc *c = NULL;

	CU_ASSERT_EQUAL_FATAL(httpc_new(&opt, &c), RC_OK);
	return c;
}

static const char *url_of(uint16_t port, const char *path)
{
	static char url[256];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", port, path);
	return url;
}

static enum rc get(struct httpc *c, uint16_t port, const char *path,
                   size_t max, struct httpc_answer *a)
{
	const struct httpc_request rq = {
		.url = url_of(port, path), .max_body = max, .timeout_ms = 5000
	};
	struct diag d;
	enum rc rc;

	diag_clear(&d);
	rc = httpc_get(c, &rq, a, &d);
	snprintf(text, sizeof(text), "%s", d.text);
	return rc;
}

/* a server that says what it is told, once */

struct teller {
	int fd;
	uint16_t port;
	const char *say;
	bool hold;			/* keep the connection open */
	pthread_t thread;
};

static void *tell(void *arg)
{
	struct teller *t = arg;
	int fd = accept(t->fd, NULL, NULL);
	char rq[4096];
	size_t n = 0;
	ssize_t got_now;

	while (n < sizeof(rq) - 1 &&
	       (got_now = read(fd, rq + n, sizeof(rq) - 1 - n)) > 0) {
		n += (size_t)got_now;
		rq[n] = '\0';
		if (strstr(rq, "\r\n\r\n") != NULL)
			break;
	}
	(void)!send(fd, t->say, strlen(t->say), MSG_NOSIGNAL);
	while (t->hold && read(fd, rq, sizeof(rq)) > 0)
		continue;
	close(fd);
	return NULL;
}

static void tell_start(struct teller *t, const char *say, bool hold)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);

	t->say = say;
	t->hold = hold;
	t->fd = socket(AF_INET, SOCK_STREAM, 0);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CU_ASSERT_EQUAL(bind(t->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	CU_ASSERT_EQUAL(listen(t->fd, 1), 0);
	getsockname(t->fd, (struct sockaddr *)&a, &len);
	t->port = ntohs(a.sin_port);
	pthread_create(&t->thread, NULL, tell, t);
}

static enum rc hear(const char *say, size_t max, struct httpc_answer *a)
{
	struct httpc *c = client();
	struct teller t;
	enum rc rc;

	tell_start(&t, say, false);
	rc = get(c, t.port, "/", max, a);
	pthread_join(t.thread, NULL);
	close(t.fd);
	httpc_free(c);
	return rc;
}

/* tests */

static void a_get_brings_body_and_kept_headers(void)
{
	struct http *h = serve();
	struct httpc *c = client();
	const struct httpc_request rq = {
		.url = url_of(http_port(h), "/plain"), .max_body = 5,
		.timeout_ms = 5000, .if_none_match = "\"v0\"",
		.cache_control = "no-cache", .authorization = "Bearer x",
		.accept = "application/x"
	};
	struct httpc_answer a;

	setenv("http_proxy", "http://127.0.0.1:1", 1);
	CU_ASSERT_EQUAL_FATAL(httpc_get(c, &rq, &a, NULL), RC_OK);
	unsetenv("http_proxy");
	CU_ASSERT_EQUAL(a.status, 200);
	CU_ASSERT_STRING_EQUAL(buf_str(&a.body), "hello");
	CU_ASSERT_STRING_EQUAL(httpc_header(&a, "etag"), "\"v1\"");
	CU_ASSERT_STRING_EQUAL(httpc_header(&a, "ALTO-State"), "s=1");
	CU_ASSERT_STRING_EQUAL(httpc_header(&a, "Signature"),
	                       "sig=:a:, two=:b:");
	CU_ASSERT_STRING_EQUAL(httpc_header(&a, "Content-Type"), "text/plain");
	CU_ASSERT_PTR_NULL(httpc_header(&a, "X-Other"));
	CU_ASSERT_STRING_EQUAL(a.url, rq.url);
	CU_ASSERT_STRING_EQUAL(got.if_none_match, "\"v0\"");
	CU_ASSERT_STRING_EQUAL(got.cache, "no-cache");
	CU_ASSERT_STRING_EQUAL(got.auth, "Bearer x");
	CU_ASSERT_STRING_EQUAL(got.agent, "altocast-test/1");
	CU_ASSERT_STRING_EQUAL(got.accept, "application/x");
	CU_ASSERT_PTR_NOT_NULL(strstr(got.coding, "gzip"));
	httpc_answer_free(&a);
	httpc_free(c);
	http_stop(h, 0);
}

static void a_known_tag_brings_304_and_no_body(void)
{
	struct http *h = serve();
	struct httpc *c = client();
	const struct httpc_request rq = {
		.url = url_of(http_port(h), "/plain"), .max_body = 5,
		.timeout_ms = 5000, .if_none_match = "\"v1\""
	};
	struct httpc_answer a;

	for (int i = 0; i < 3; i++) {	/* the same client goes on */
		CU_ASSERT_EQUAL_FATAL(httpc_get(c, &rq, &a, NULL), RC_OK);
		CU_ASSERT_EQUAL(a.status, 304);
		CU_ASSERT_EQUAL(a.body.len, 0);
		CU_ASSERT_STRING_EQUAL(httpc_header(&a, "ETag"), "\"v1\"");
		httpc_answer_free(&a);
	}
	CU_ASSERT_STRING_EQUAL(got.auth, "(none)");
	CU_ASSERT_EQUAL(get(c, http_port(h), "/nothing", 10, &a), RC_OK);
	CU_ASSERT_EQUAL(a.status, 404);
	httpc_answer_free(&a);
	httpc_free(c);
	http_stop(h, 0);
}

static void the_ceiling_is_exact_and_counts_decoded_bytes(void)
{
	struct http *h = serve();
	struct httpc *c = client();
	struct httpc_answer a;
	uint16_t p = http_port(h);

	CU_ASSERT_EQUAL(get(c, p, "/plain", 4, &a), RC_ELIMIT);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "over the limit"));
	CU_ASSERT_EQUAL(get(c, p, "/plain", 5, &a), RC_OK);
	httpc_answer_free(&a);
	CU_ASSERT_EQUAL(get(c, p, "/zip", LARGE - 1, &a), RC_ELIMIT);
	CU_ASSERT_EQUAL(get(c, p, "/zip", LARGE, &a), RC_OK);
	CU_ASSERT_EQUAL(a.body.len, LARGE);
	httpc_answer_free(&a);
	httpc_free(c);
	http_stop(h, 0);
}

static void redirects_stay_within_the_origin(void)
{
	struct http *h = serve();
	struct httpc *c = client();
	struct httpc_answer a;
	uint16_t p = http_port(h);

	CU_ASSERT_EQUAL(get(c, p, "/hop/3", 10, &a), RC_OK);
	CU_ASSERT_EQUAL(a.status, 200);
	CU_ASSERT_STRING_EQUAL(buf_str(&a.body), "hello");
	CU_ASSERT_STRING_EQUAL(a.url, url_of(p, "/plain"));
	httpc_answer_free(&a);
	CU_ASSERT_EQUAL(get(c, p, "/hop/4", 10, &a), RC_ERULE);
	CU_ASSERT_EQUAL(get(c, p, "/away", 10, &a), RC_ERULE);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "redirect"));
	CU_ASSERT_EQUAL(get(c, p, "/file", 10, &a), RC_EPROTO);
	httpc_free(c);
	http_stop(h, 0);
}

static void bad_answers_have_their_codes(void)
{
	struct httpc_answer a;
	char *big = malloc(200000);

	CU_ASSERT_PTR_NOT_NULL_FATAL(big);
	CU_ASSERT_EQUAL(hear("nonsense\r\n\r\n", 100, &a), RC_EPROTO);
	CU_ASSERT_EQUAL(hear("", 100, &a), RC_EIO);
	CU_ASSERT_EQUAL(hear("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut",
	                     100, &a), RC_EIO);
	CU_ASSERT_EQUAL(hear("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
	                     "Content-Length: 4\r\n\r\nabcd", 100, &a),
	                RC_EPROTO);
	CU_ASSERT_EQUAL(hear("HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n",
	                     100, &a), RC_EIO);
	CU_ASSERT_EQUAL(hear("HTTP/1.1 200 OK\r\n\r\n12345678901", 10, &a),
	                RC_ELIMIT);
	snprintf(big, 200000, "HTTP/1.1 200 OK\r\nETag: %08193d\r\n\r\n", 1);
	CU_ASSERT_EQUAL(hear(big, 100, &a), RC_ELIMIT);
	snprintf(big, 200000, "HTTP/1.1 200 OK\r\nA: %030000d\r\nB: %030000d\r\n"
	         "C: %030000d\r\n\r\n", 1, 2, 3);
	CU_ASSERT_EQUAL(hear(big, 100, &a), RC_ELIMIT);
	CU_ASSERT_EQUAL(hear("HTTP/1.1 100 Continue\r\nETag: \"no\"\r\n\r\n"
	                     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
	                     2, &a), RC_OK);
	CU_ASSERT_PTR_NULL(httpc_header(&a, "ETag"));
	httpc_answer_free(&a);
	free(big);
}

static void what_cannot_be_asked_is_refused(void)
{
	struct httpc *c = client();
	struct httpc_request rq = { .max_body = 9, .timeout_ms = 5000 };
	static const char *const bad[] = { "", "x", "/relative", "file:///etc",
		"ftp://h/", "http://", "http://a b/", "ws://127.0.0.1/" };
	struct httpc_answer a;
	struct diag d;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		rq.url = bad[i];
		CU_ASSERT_EQUAL(httpc_get(c, &rq, &a, NULL), RC_EINVAL);
	}
	rq.url = "http://127.0.0.1/";
	rq.authorization = "a\r\nX: y";
	CU_ASSERT_EQUAL(httpc_get(c, &rq, &a, NULL), RC_EINVAL);
	rq.authorization = NULL;
	rq.url = "http://user:secret@127.0.0.1:1/";
	diag_clear(&d);
	CU_ASSERT_EQUAL(httpc_get(c, &rq, &a, &d), RC_EIO);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "127.0.0.1:1"));
	CU_ASSERT_PTR_NULL(strstr(d.text, "secret"));
	CU_ASSERT_PTR_NULL(strstr(d.text, "user"));
	httpc_free(c);
	httpc_free(NULL);
}

static void *set_stop(void *arg)
{
	atomic_store((atomic_bool *)arg, true);
	return NULL;
}

static void time_and_the_stop_flag_end_a_wait(void)
{
	struct httpc *c = client();
	atomic_bool stop;
	struct httpc_request rq = { .max_body = 9, .timeout_ms = 200 };
	struct httpc_answer a;
	struct teller t;
	pthread_t setter;

	atomic_init(&stop, false);
	tell_start(&t, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n1", true);
	rq.url = url_of(t.port, "/");
	CU_ASSERT_EQUAL(httpc_get(c, &rq, &a, NULL), RC_ETIME);
	pthread_join(t.thread, NULL);
	close(t.fd);
	tell_start(&t, "", true);
	rq.url = url_of(t.port, "/");
	rq.timeout_ms = 60000;
	rq.stop = &stop;
	pthread_create(&setter, NULL, set_stop, &stop);
	CU_ASSERT_EQUAL(httpc_get(c, &rq, &a, NULL), RC_EAGAIN);
	pthread_join(setter, NULL);
	httpc_free(c);			/* ends a connection that was kept */
	shutdown(t.fd, SHUT_RDWR);
	pthread_join(t.thread, NULL);
	close(t.fd);
}

static void origins_are_compared_with_defaults_filled_in(void)
{
	CU_ASSERT_TRUE(httpc_same_origin("http://a/x", "http://A:80/y?z"));
	CU_ASSERT_TRUE(httpc_same_origin("https://a", "HTTPS://a:443/"));
	CU_ASSERT_TRUE(httpc_same_origin("ws://a/x", "ws://a:80"));
	CU_ASSERT_TRUE(httpc_same_origin("http://[::1]/", "http://[::1]:80/"));
	CU_ASSERT_FALSE(httpc_same_origin("http://a", "https://a"));
	CU_ASSERT_FALSE(httpc_same_origin("http://a", "http://a:81"));
	CU_ASSERT_FALSE(httpc_same_origin("http://a", "http://a.b"));
	CU_ASSERT_FALSE(httpc_same_origin("http://a@b/", "http://a/"));
	CU_ASSERT_FALSE(httpc_same_origin("nonsense", "nonsense"));
	CU_ASSERT_TRUE(httpc_same_host("https://a/x", "wss://A:81/y?z"));
	CU_ASSERT_TRUE(httpc_same_host("http://[::1]/", "ws://[::1]:80/"));
	CU_ASSERT_FALSE(httpc_same_host("https://a/", "wss://a.b/"));
	CU_ASSERT_FALSE(httpc_same_host("https://a/", "wss://a@b/"));
	CU_ASSERT_FALSE(httpc_same_host("https://a/", "wss://b/a"));
	CU_ASSERT_FALSE(httpc_same_host("nonsense", "nonsense"));
}

/* RFC 3986 s5.4 */
static void references_resolve_as_the_rfc_lists_them(void)
{
	static const char *const pair[][2] = {
		{ "g", "http://a/b/c/g" }, { "./g", "http://a/b/c/g" },
		{ "g/", "http://a/b/c/g/" }, { "/g", "http://a/g" },
		{ "?y", "http://a/b/c/d;p?y" }, { "g?y", "http://a/b/c/g?y" },
		{ "#s", "http://a/b/c/d;p?q" }, { "g#s", "http://a/b/c/g" },
		{ ";x", "http://a/b/c/;x" }, { "", "http://a/b/c/d;p?q" },
		{ ".", "http://a/b/c/" }, { "./", "http://a/b/c/" },
		{ "..", "http://a/b/" }, { "../", "http://a/b/" },
		{ "../g", "http://a/b/g" }, { "../..", "http://a/" },
		{ "../../g", "http://a/g" }, { "../../../g", "http://a/g" },
		{ "/./g", "http://a/g" }, { "/../g", "http://a/g" },
		{ "g/./h", "http://a/b/c/g/h" }, { "g/../h", "http://a/b/c/h" },
		{ "//a/x", "http://a/x" }, { "http://a:80/x", "http://a:80/x" },
	};

	for (size_t i = 0; i < sizeof(pair) / sizeof(pair[0]); i++) {
		struct buf b = BUF_INIT(256);

		CU_ASSERT_EQUAL(httpc_url_join("http://a/b/c/d;p?q", pair[i][0],
		                               true, &b), RC_OK);
		CU_ASSERT_STRING_EQUAL(buf_str(&b), pair[i][1]);
		buf_free(&b);
	}
}

static void a_reference_elsewhere_is_told_apart(void)
{
	struct buf b = BUF_INIT(64);
	static const char *const away[] = { "//b/", "https://a/", "ws://a/x",
		"http://a:8080/" };

	for (size_t i = 0; i < 4; i++) {
		CU_ASSERT_EQUAL(httpc_url_join("http://a/b", away[i], true, &b),
		                RC_ERULE);
		CU_ASSERT_EQUAL(b.len, 0);
	}
	CU_ASSERT_EQUAL(httpc_url_join("http://a/b", "ws://c:9/push", false, &b),
	                RC_OK);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), "ws://c:9/push");
	buf_clear(&b);
	CU_ASSERT_EQUAL(httpc_url_join("ws://c:9/push", "sub", true, &b), RC_OK);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), "ws://c:9/sub");
	CU_ASSERT_EQUAL(httpc_url_join("file:///x", "y", false, &b), RC_EINVAL);
	CU_ASSERT_EQUAL(httpc_url_join("http://a", "file:///x", false, &b),
	                RC_EINVAL);
	CU_ASSERT_EQUAL(httpc_url_join("x", "y", false, &b), RC_EINVAL);
	buf_free(&b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "a get brings body and kept headers",
		  a_get_brings_body_and_kept_headers },
		{ "a known tag brings 304 and no body",
		  a_known_tag_brings_304_and_no_body },
		{ "the ceiling is exact and counts decoded bytes",
		  the_ceiling_is_exact_and_counts_decoded_bytes },
		{ "redirects stay within the origin",
		  redirects_stay_within_the_origin },
		{ "bad answers have their codes", bad_answers_have_their_codes },
		{ "what cannot be asked is refused",
		  what_cannot_be_asked_is_refused },
		{ "time and the stop flag end a wait",
		  time_and_the_stop_flag_end_a_wait },
		{ "origins are compared with defaults filled in",
		  origins_are_compared_with_defaults_filled_in },
		{ "references resolve as the RFC lists them",
		  references_resolve_as_the_rfc_lists_them },
		{ "a reference elsewhere is told apart",
		  a_reference_elsewhere_is_told_apart },
		CU_TEST_INFO_NULL
	};

	return suite_run("httpc", tests);
}
