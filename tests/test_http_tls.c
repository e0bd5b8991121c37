/* The HTTP listener over TLS: what is shown and spoken, and that those who dawdle,
 * leave or speak in clear text cost what they cost without it. */
#include "common/net/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/certs.h"
#include "tests/suite.h"

#define BIG (10 * 1024 * 1024 + 17)
#define MAX_BODY 1000
#define HALF_OPEN 300

static unsigned char *big;
static struct http_reply *large;

/* the server */

static void *answer_later(void *arg)
{
	struct http_reply *r = NULL;

	if (http_reply_new_text(200, NULL, "later", &r) != RC_OK)
		r = NULL;
	http_later_reply(arg, r);
	return NULL;
}

static struct http_reply *route(const struct http_request *rq, void *arg)
{
	struct http_reply *r = NULL;
	char text[128];

	(void)arg;
	if (strcmp(rq->path, "/large") == 0)
		return http_reply_ref(large);
	if (strcmp(rq->path, "/later") == 0) {
		struct http_later *l = http_later(rq);
		pthread_t t;

		if (l != NULL && pthread_create(&t, NULL, answer_later, l) == 0)
			pthread_detach(t);
		return NULL;
	}
	snprintf(text, sizeof(text), "%s %s %zu", rq->method, rq->path,
	         rq->len);
	return http_reply_new_text(200, "text/plain", text, &r) == RC_OK ? r
	                                                                : NULL;
}

static struct tls_identity *identity(const char *base)
{
	const struct tls_files files = {
		certs_file(base, "pem"), certs_file(base, "key"), NULL
	};
	struct tls_identity *id = NULL;

	CU_ASSERT_EQUAL_FATAL(tls_identity_load(&files, &id, NULL), RC_OK);
	return id;
}

static struct http_config usual(void)
{
	return (struct http_config){
		.addr = "127.0.0.1:0", .threads = 2, .max_conns = 400,
		.timeout_s = 10, .header_s = 10, .max_body = MAX_BODY
	};
}

static struct http *start_with(struct http_config cfg)
{
	const struct http_handler on = { .reply = route };
	struct tls_identity *id = identity("server");
	struct http *h = NULL;
	struct diag d;

	diag_clear(&d);
	cfg.tls = id;
	CU_ASSERT_EQUAL_FATAL(http_start(&cfg, &on, &d, &h), RC_OK);
	tls_identity_unref(id);
	return h;
}

static struct http *start(void)
{
	return start_with(usual());
}

/* a client */

struct client {
	int fd;
	SSL *ssl;
};

static int dial(const struct http *h)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(http_port(h)) };
	struct timeval tv = { 60, 0 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

/* most: version of TLS, 0: any; offer: ALPN with its lengths, or NULL. */
static bool shake(struct client *c, const struct http *h, int most,
                  const char *offer)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	c->fd = dial(h);
	if (most != 0) {
		SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
		SSL_CTX_set_max_proto_version(ctx, most);
		SSL_CTX_set_security_level(ctx, 0);
	}
	if (offer != NULL)
		SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)offer,
		                        (unsigned)strlen(offer));
	c->ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	SSL_set_fd(c->ssl, c->fd);
	return SSL_connect(c->ssl) == 1;
}

static void leave(struct client *c)
{
	SSL_free(c->ssl);
	close(c->fd);
}

static void put(struct client *c, const char *text)
{
	CU_ASSERT_EQUAL(SSL_write(c->ssl, text, (int)strlen(text)),
	                (int)strlen(text));
}

static size_t drain(struct client *c, char *dst, size_t room)
{
	size_t n = 0;
	int got;

	while (n < room && (got = SSL_read(c->ssl, dst + n,
	                                   (int)(room - n))) > 0)
		n += (size_t)got;
	return n;
}

/* All there is until the other end closes. */
static const char *slurp(struct client *c)
{
	static char text[65536];

	text[drain(c, text, sizeof(text) - 1)] = '\0';
	leave(c);
	return text;
}

static const char *ask(const struct http *h, const char *request)
{
	struct client c;

	CU_ASSERT_TRUE_FATAL(shake(&c, h, 0, NULL));
	put(&c, request);
	return slurp(&c);
}

#define CLOSE "Connection: close\r\n\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n"

static bool has(const char *text, const char *part)
{
	return strstr(text, part) != NULL;
}

static const char *body_of(const char *text)
{
	const char *p = strstr(text, "\r\n\r\n");

	return p != NULL ? p + 4 : "";
}

static void nap_ms(long ms)
{
	const struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static void wait_conns(const struct http *h, unsigned want)
{
	for (int i = 0; i < 5000 && http_conns(h) != want; i++)
		nap_ms(1);
	CU_ASSERT_EQUAL(http_conns(h), want);
}

/* an answer in full, on a connection that stays */
static const char *ask_on(struct client *c, const char *request)
{
	static char text[4096];
	size_t n = 0;
	int got;

	put(c, request);
	text[0] = '\0';
	while (!has(text, "\r\n\r\n") || body_of(text)[0] == '\0') {
		got = SSL_read(c->ssl, text + n, (int)(sizeof(text) - 1 - n));
		if (got <= 0)
			break;
		n += (size_t)got;
		text[n] = '\0';
	}
	return text;
}

/* what is served */

static void requests_of_every_kind_are_answered(void)
{
	struct http *h = start();
	struct client c;
	const char *r;

	CU_ASSERT_STRING_EQUAL(body_of(ask(h, GET("/a") CLOSE)), "GET /a 0");
	r = ask(h, "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
	        CLOSE "12345");
	CU_ASSERT_STRING_EQUAL(body_of(r), "POST /p 5");
	r = ask(h, "HEAD /large HTTP/1.1\r\nHost: x\r\n" CLOSE);
	CU_ASSERT(has(r, "HTTP/1.1 200"));
	CU_ASSERT(has(r, "Content-Length: 10485777\r\n"));
	CU_ASSERT_STRING_EQUAL(body_of(r), "");
	r = ask(h, GET("/later") CLOSE);
	CU_ASSERT_STRING_EQUAL(body_of(r), "later");
	r = ask(h, "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
	        CLOSE "123");
	CU_ASSERT_STRING_EQUAL(body_of(r), "later");
	CU_ASSERT_TRUE_FATAL(shake(&c, h, 0, NULL));
	for (int i = 0; i < 3; i++) {	/* one after the other */
		r = ask_on(&c, GET("/k") "\r\n");
		CU_ASSERT_STRING_EQUAL(body_of(r), "GET /k 0");
	}
	put(&c, GET("/1") "\r\n" GET("/later") "\r\n" GET("/2") "\r\n"
	    GET("/3") CLOSE);		/* all at once */
	r = slurp(&c);
	CU_ASSERT(has(r, "GET /1 0"));
	CU_ASSERT(has(r, "later"));
	CU_ASSERT(has(r, "GET /2 0"));
	CU_ASSERT(has(r, "GET /3 0"));
	wait_conns(h, 0);
	http_stop(h, 1000);
}

static void a_large_answer_reaches_a_slow_reader_whole(void)
{
	struct http *h = start();
	char *got = malloc(BIG + 4096);
	struct client c;
	size_t n = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(got);
	CU_ASSERT_TRUE_FATAL(shake(&c, h, 0, NULL));
	put(&c, GET("/large") CLOSE);
	for (int i = 0; i < 20; i++) {
		nap_ms(5);
		n += drain(&c, got + n, 100000);
	}
	n += drain(&c, got + n, BIG + 4096 - n);
	CU_ASSERT(n > BIG);
	CU_ASSERT_EQUAL(memcmp(got + n - BIG, big, BIG), 0);
	leave(&c);
	free(got);
	http_stop(h, 1000);
}

/* Bytes in clear text that come until the other end closes. */
static size_t clear_bytes(int fd)
{
	char bin[4096];
	size_t sum = 0;
	ssize_t n;

	while ((n = read(fd, bin, sizeof(bin))) > 0)
		sum += (size_t)n;
	close(fd);
	return sum;
}

static void alpn_and_versions_are_as_they_should_be(void)
{
	static const char clear[] = GET("/") CLOSE;
	struct http *h = start();
	const unsigned char *proto = NULL;
	unsigned len = 0;
	struct client c;
	int fd;

	CU_ASSERT_TRUE(shake(&c, h, 0, "\x02h2\x08http/1.1"));
	CU_ASSERT_EQUAL(SSL_version(c.ssl), TLS1_3_VERSION);
	SSL_get0_alpn_selected(c.ssl, &proto, &len);
	CU_ASSERT(len == 8 && memcmp(proto, "http/1.1", 8) == 0);
	leave(&c);
	CU_ASSERT_TRUE(shake(&c, h, TLS1_2_VERSION, NULL));
	leave(&c);
	CU_ASSERT_FALSE(shake(&c, h, TLS1_1_VERSION, NULL));
	leave(&c);
	fd = dial(h);			/* clear text is no request */
	CU_ASSERT_EQUAL(write(fd, clear, sizeof(clear) - 1),
	                sizeof(clear) - 1);
	CU_ASSERT(clear_bytes(fd) < 64);	/* an alert at most */
	http_stop(h, 1000);
}

static void shown(const struct client *c, char name[64])
{
	X509 *x = SSL_get0_peer_certificate(c->ssl);

	name[0] = '\0';
	if (x != NULL)
		X509_NAME_get_text_by_NID(X509_get_subject_name(x),
		                          NID_commonName, name, 64);
}

static void an_identity_is_exchanged_while_connections_stay(void)
{
	struct http *h = start();
	struct tls_identity *next = identity("other");
	struct client old, new;
	char name[64];

	CU_ASSERT_TRUE_FATAL(shake(&old, h, 0, NULL));
	CU_ASSERT_STRING_EQUAL(body_of(ask_on(&old, GET("/o") "\r\n")),
	                       "GET /o 0");
	CU_ASSERT_EQUAL(http_set_identity(h, next), RC_OK);
	tls_identity_unref(next);
	CU_ASSERT_TRUE_FATAL(shake(&new, h, 0, NULL));
	shown(&old, name);
	CU_ASSERT_STRING_EQUAL(name, "server");
	shown(&new, name);
	CU_ASSERT_STRING_EQUAL(name, "other");
	CU_ASSERT_STRING_EQUAL(body_of(ask_on(&old, GET("/o") "\r\n")),
	                       "GET /o 0");
	CU_ASSERT_STRING_EQUAL(body_of(ask_on(&new, GET("/n") "\r\n")),
	                       "GET /n 0");
	leave(&old);
	leave(&new);
	http_stop(h, 1000);
}

static void *exchange(void *arg)
{
	struct tls_identity *id[2] = { identity("server"), identity("other") };

	for (int i = 0; i < 200; i++)
		CU_ASSERT_EQUAL(http_set_identity(arg, id[i % 2]), RC_OK);
	tls_identity_unref(id[0]);
	tls_identity_unref(id[1]);
	return NULL;
}

static void exchanges_in_the_midst_of_handshakes_hurt_none(void)
{
	const struct http_handler on = { .reply = route };
	const struct http_config plain = usual();
	struct http *h = start();
	struct tls_identity *id;
	pthread_t t;

	CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, exchange, h), 0);
	for (int i = 0; i < 50; i++)
		CU_ASSERT_STRING_EQUAL(body_of(ask(h, GET("/x") CLOSE)),
		                       "GET /x 0");
	pthread_join(t, NULL);
	http_stop(h, 1000);
	CU_ASSERT_EQUAL_FATAL(http_start(&plain, &on, NULL, &h), RC_OK);
	id = identity("other");
	CU_ASSERT_EQUAL(http_set_identity(h, id), RC_EINVAL);
	tls_identity_unref(id);
	http_stop(h, 100);
}

/* those who dawdle, leave, or are too many */

static const unsigned char begun[] = { 22, 3, 1, 1, 0, 1, 0 };

static void who_is_late_is_cut_off_without_a_word(void)
{
	static const char *const part[] = { "", "GE", GET("/"),
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n123" };
	struct http_config cfg = usual();
	struct http_counts n;
	struct client c[4];
	struct http *h;
	int silent, half;

	cfg.header_s = cfg.body_s = 1;
	h = start_with(cfg);
	silent = dial(h);
	half = dial(h);
	CU_ASSERT_EQUAL(write(half, begun, sizeof(begun)), sizeof(begun));
	for (int i = 0; i < 4; i++) {
		CU_ASSERT_TRUE_FATAL(shake(&c[i], h, 0, NULL));
		if (part[i][0] != '\0')
			put(&c[i], part[i]);
	}
	CU_ASSERT_EQUAL(clear_bytes(silent), 0);
	CU_ASSERT(clear_bytes(half) < 64);	/* an alert at most */
	for (int i = 0; i < 4; i++)
		CU_ASSERT_STRING_EQUAL(slurp(&c[i]), "");
	http_counts(h, &n);
	CU_ASSERT_EQUAL(n.timeouts, 5);	/* all but the silent one */
	wait_conns(h, 0);
	http_stop(h, 100);
}

static double cpu_s(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
		(double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void half_open_handshakes_cost_nothing(void)
{
	static int fd[HALF_OPEN];
	struct http_config cfg = usual();
	struct http *h;
	double spent;

	cfg.header_s = 5;
	h = start_with(cfg);
	for (int i = 0; i < HALF_OPEN; i++) {
		fd[i] = dial(h);
		if (i % 2 == 0)
			CU_ASSERT_EQUAL(write(fd[i], begun, sizeof(begun)),
			                sizeof(begun));
	}
	wait_conns(h, HALF_OPEN);
	spent = cpu_s();
	nap_ms(1000);			/* in which nothing is to be done */
	spent = cpu_s() - spent;
	CU_ASSERT(spent < 0.1);
	CU_ASSERT_STRING_EQUAL(body_of(ask(h, GET("/h") CLOSE)), "GET /h 0");
	wait_conns(h, 0);		/* they had their time */
	for (int i = 0; i < HALF_OPEN; i++)
		close(fd[i]);
	http_stop(h, 100);
}

static void one_too_many_is_closed_without_a_word(void)
{
	struct http_config cfg = usual();
	struct http_counts n;
	struct client c;
	struct http *h;

	cfg.threads = cfg.max_conns = 1;
	h = start_with(cfg);
	CU_ASSERT_TRUE_FATAL(shake(&c, h, 0, NULL));
	CU_ASSERT_EQUAL(clear_bytes(dial(h)), 0);
	http_counts(h, &n);
	CU_ASSERT_EQUAL(n.refused_conns, 1);
	put(&c, GET("/c") CLOSE);
	CU_ASSERT_STRING_EQUAL(body_of(slurp(&c)), "GET /c 0");
	http_stop(h, 100);
}

static void bodies_too_long_are_refused_inside(void)
{
	char body[MAX_BODY + 2], rq[MAX_BODY + 200];
	struct http *h = start();
	const char *r;

	memset(body, 'b', sizeof(body));
	body[sizeof(body) - 1] = '\0';
	snprintf(rq, sizeof(rq), "POST / HTTP/1.1\r\nHost: x\r\n"
	         "Content-Length: %d\r\n\r\n%s", MAX_BODY + 1, body);
	CU_ASSERT(has(ask(h, rq), "HTTP/1.1 413 "));
	r = ask(h, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n"
	        "\r\nthe beginning of much");
	CU_ASSERT(has(r, "HTTP/1.1 413 "));
	r = ask(h, "GET / HTTP/1.1\r\n\r\n");
	CU_ASSERT(has(r, "HTTP/1.1 400 "));
	http_stop(h, 1000);
}

/* In chunks, so that nobody knows when it ends: the library cannot answer in the
 * middle, and we must not. */
static void an_endless_body_is_broken_off(void)
{
	static char chunk[65536 + 16];
	struct http *h = start();
	struct client c;
	int n = 0;

	CU_ASSERT_TRUE_FATAL(shake(&c, h, 0, NULL));
	put(&c, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
	    "\r\n");
	snprintf(chunk, 16, "10000\r\n");
	memset(chunk + 7, 'c', 65536);
	memcpy(chunk + 7 + 65536, "\r\n", 2);
	while (n < 200 && SSL_write(c.ssl, chunk, 65536 + 9) > 0)
		n++;
	CU_ASSERT(n < 200);
	CU_ASSERT_STRING_EQUAL(slurp(&c), "");
	wait_conns(h, 0);
	http_stop(h, 1000);
}

static void who_leaves_keeps_no_place(void)
{
	struct http *h = start();
	struct client c[6];
	const char *r;

	for (int i = 0; i < 5; i++)
		CU_ASSERT_TRUE_FATAL(shake(&c[i], h, 0, NULL));
	put(&c[1], "GE");
	put(&c[2], "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1");
	put(&c[3], GET("/large") "\r\n");
	put(&c[4], GET("/k") "\r\n");
	wait_conns(h, 5);
	leave(&c[0]);
	close(dial(h));			/* without a handshake */
	for (int i = 1; i < 5; i++) {
		if (i % 2 == 0)
			SSL_shutdown(c[i].ssl);	/* politely, or not */
		leave(&c[i]);
	}
	wait_conns(h, 0);
	/* One that ends its side only, with everything said, is answered. */
	CU_ASSERT_TRUE_FATAL(shake(&c[5], h, 0, NULL));
	put(&c[5], GET("/1") "\r\n" GET("/2") "\r\n");
	SSL_shutdown(c[5].ssl);
	r = slurp(&c[5]);
	CU_ASSERT(has(r, "GET /1 0"));
	CU_ASSERT(has(r, "GET /2 0"));
	wait_conns(h, 0);
	http_stop(h, 1000);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "requests of every kind are answered",
		  requests_of_every_kind_are_answered },
		{ "a large answer reaches a slow reader whole",
		  a_large_answer_reaches_a_slow_reader_whole },
		{ "ALPN and versions are as they should be",
		  alpn_and_versions_are_as_they_should_be },
		{ "an identity is exchanged while connections stay",
		  an_identity_is_exchanged_while_connections_stay },
		{ "exchanges in the midst of handshakes hurt none",
		  exchanges_in_the_midst_of_handshakes_hurt_none },
		{ "who is late is cut off without a word",
		  who_is_late_is_cut_off_without_a_word },
		{ "half-open handshakes cost nothing",
		  half_open_handshakes_cost_nothing },
		{ "one too many is closed without a word",
		  one_too_many_is_closed_without_a_word },
		{ "bodies too long are refused inside",
		  bodies_too_long_are_refused_inside },
		{ "an endless body is broken off",
		  an_endless_body_is_broken_off },
		{ "who leaves keeps no place", who_leaves_keeps_no_place },
		CU_TEST_INFO_NULL
	};
	struct http_bytes body = { NULL, BIG, NULL, NULL };
	int rc;

	signal(SIGPIPE, SIG_IGN);
	big = malloc(BIG);
	if (big == NULL)
		return 99;
	for (size_t i = 0; i < BIG; i++)
		big[i] = (unsigned char)(i * 2654435761u >> 13);
	body.data = big;
	if (http_reply_new_bytes(200, &body, &large) != RC_OK)
		return 99;
	certs_begin();
	certs_usual();
	rc = suite_run("http_tls", tests);
	certs_end();
	http_reply_unref(large);
	free(big);
	return rc;
}
