/* WebSockets over TLS: who is trusted, who is refused and why, and what a listener
 * shows. How messages go over it is in test_ws_send.c. */
#include "common/net/ws.h"

#include <malloc.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/certs.h"
#include "tests/teller.h"
#include "tests/ws_world.h"

#define HALF_OPEN 300
#define CROWD 300

/* our client, and servers of every kind */

static void meet(const struct server *s, struct teller *t, struct caller *k)
{
	char uri[64];

	memset(k, 0, sizeof(*k));
	t->show = s->show;
	CU_ASSERT_TRUE_FATAL(teller_begin(t));
	world_make(&k->w);
	k->w.limits.handshake_s = 5;
	k->w.test = k;
	k->trust = server_trust(s);
	snprintf(uri, sizeof(uri), "wss://%s:%u/push", s->host, t->port);
	call(k, uri, "alto-push.v1", RC_OK);
	run_until(&k->w, caller_closed);
	teller_end(t);
	caller_end(k);
}

static void a_server_that_is_not_the_one_hears_nothing(void)
{
	for (size_t i = 0; i < SERVERS; i++) {
		struct teller t = { 0 };
		struct caller k;

		meet(&servers[i], &t, &k);
		CU_ASSERT_EQUAL(k.at.code, WS_LOST);
		CU_ASSERT_EQUAL(k.at.opened, 0);
		CU_ASSERT(t.came > 0);
		if (servers[i].why == NULL) {
			CU_ASSERT_PTR_NOT_NULL(strstr(t.text, "Bearer t0k3n"));
			continue;
		}
		CU_ASSERT_EQUAL(t.heard, 0);
		CU_ASSERT_PTR_NOT_NULL(strstr(k.at.reason, servers[i].why));
		CU_ASSERT_EQUAL(strncmp(k.at.reason, servers[i].host,
		                        strlen(servers[i].host)), 0);
	}
}

static void an_old_tls_is_not_spoken(void)
{
	static const struct server row = { "server", "localhost", "ca", NULL,
		NULL };
	struct teller t = { .most = TLS1_1_VERSION };
	struct caller k;

	meet(&row, &t, &k);
	CU_ASSERT_EQUAL(t.shaken, 0);
	CU_ASSERT_EQUAL(strncmp(k.at.reason, "TLS: ", 5), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(k.at.reason, "version"));
	t.most = TLS1_2_VERSION;
	meet(&row, &t, &k);
	CU_ASSERT(t.shaken > 0);
}

static void only_names_are_told_in_sni(void)
{
	static const struct server rows[] = {
		{ "server", "localhost", "ca", NULL, NULL },
		{ "server", "127.0.0.1", "ca", NULL, NULL },
		{ "server", "[::1]", "ca", NULL, NULL }
	};

	for (int i = 0; i < 3; i++) {
		struct teller t = { 0 };
		struct caller k;

		meet(&rows[i], &t, &k);
		if (i == 2 && t.fd[1] < 0)
			SKIP("no IPv6 here");
		CU_ASSERT_EQUAL(t.shaken, 1);
		CU_ASSERT_STRING_EQUAL(t.name, i == 0 ? "localhost" : "");
	}
}

static void what_cannot_be_trusted_is_refused_at_once(void)
{
	struct caller k;

	memset(&k, 0, sizeof(k));
	world_make(&k.w);
	k.trust.ca_file = certs_file("nobody", "pem");
	call(&k, "wss://localhost:1/", "p", RC_ENOENT);
	CU_ASSERT_STRING_EQUAL(k.d.file, certs_file("nobody", "pem"));
	k.trust = (struct tls_trust){ .pin = "short" };
	call(&k, "wss://localhost:1/", "p", RC_EINVAL);
	k.trust = (struct tls_trust){ .certificate = certs_file("client", "pem"),
		.key = certs_file("client2", "key") };
	call(&k, "wss://localhost:1/", "p", RC_ERULE);
	loop_free(k.w.l);
}

/* our client, our server */

static void call_own(struct caller *k, const char *show)
{
	char uri[64];

	memset(&k->at, 0, sizeof(k->at));
	k->w.opened = k->w.closed = 0;
	k->w.test = k;
	memset(&k->trust, 0, sizeof(k->trust));
	k->trust.ca_file = certs_file("ca", "pem");
	if (show != NULL) {
		k->trust.certificate = certs_file(show, "pem");
		k->trust.key = certs_file(show, "key");
	}
	snprintf(uri, sizeof(uri), "wss://localhost:%u/push",
	         ws_port(k->w.ls));
	call(k, uri, "alto-push.v1", RC_OK);
	run_until(&k->w, both_open);
}

static void hang_up(struct caller *k)
{
	ws_close(k->c, WS_NORMAL, "");
	run_until(&k->w, caller_closed);
	if (k->w.closed == 0)
		run_until(&k->w, one_closed);
}

static void clients_are_known_by_what_they_show(void)
{
	static const struct {
		const char *show, *name;
		bool chained;
	} rows[] = {
		{ "client", "rp-milan", true },
		{ "client2", "rp-rome", true },
		{ "alone", "rp-milan", false },
		{ "stranger", "localhost", false },
		{ NULL, "", false }
	};
	struct caller k;

	memset(&k, 0, sizeof(k));
	world_tls = "server";
	world_make(&k.w);
	k.w.ask = true;
	world_listen(&k.w, "127.0.0.1");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char print[1][TLS_PRINT_TEXT + 1] = { "" };
		size_t n;

		call_own(&k, rows[i].show);
		if (rows[i].show != NULL)
			CU_ASSERT_EQUAL(tls_prints_load(
				certs_file(rows[i].show, "pem"), print, 1, &n,
				NULL), RC_OK);
		CU_ASSERT_STRING_EQUAL(k.w.tls.print, print[0]);
		CU_ASSERT_STRING_EQUAL(k.w.tls.name, rows[i].name);
		CU_ASSERT_EQUAL(k.w.tls.chained, rows[i].chained);
		hang_up(&k);
	}
	CU_ASSERT_EQUAL(ws_conns(k.w.ls), 0);
	caller_end(&k);
	world_tls = NULL;
}

static void nobody_is_asked_unless_told_so(void)
{
	struct caller k;

	memset(&k, 0, sizeof(k));
	world_tls = "server";
	world_serve(&k.w);
	call_own(&k, "client");
	CU_ASSERT_STRING_EQUAL(k.w.tls.print, "");
	CU_ASSERT_FALSE(k.w.tls.chained);
	hang_up(&k);
	caller_end(&k);
	world_tls = NULL;
}

static void wss_against_a_plain_listener_fails(void)
{
	struct caller k;
	char uri[64];

	memset(&k, 0, sizeof(k));
	world_serve(&k.w);
	k.w.test = &k;
	snprintf(uri, sizeof(uri), "wss://localhost:%u/push", ws_port(k.w.ls));
	call(&k, uri, "alto-push.v1", RC_OK);
	run_until(&k.w, caller_closed);
	CU_ASSERT_EQUAL(k.at.opened, 0);
	CU_ASSERT_EQUAL(strncmp(k.at.reason, "TLS: ", 5), 0);
	caller_end(&k);
}

/* our server, raw clients */

static void alpn_is_http_1_1_or_nothing(void)
{
	const unsigned char *proto = NULL;
	unsigned len = 0;
	struct world w;
	struct raw r;

	world_tls = "server";
	world_serve(&w);
	raw_manner.offer = "\x02h2\x08http/1.1";
	raw_join(&w, &r, 1, 0);
	SSL_get0_alpn_selected(r.ssl, &proto, &len);
	CU_ASSERT_EQUAL(len, 8);
	CU_ASSERT(len == 8 && memcmp(proto, "http/1.1", 8) == 0);
	raw_close(&r);
	raw_manner.offer = "\x02h2";
	raw_open(&r, ws_port(w.ls), 0);
	w.test = &r;
	run_until(&w, raw_has_eof);
	CU_ASSERT_FALSE(r.shaken);
	raw_close(&r);
	raw_manner.offer = NULL;
	world_end(&w);
	world_tls = NULL;
}

static void old_clients_and_clear_text_are_refused(void)
{
	static const int version[] = { TLS1_1_VERSION, TLS1_2_VERSION };
	struct world w;
	struct raw r;

	world_tls = "server";
	world_serve(&w);
	raw_manner.most = version[0];
	raw_open(&r, ws_port(w.ls), 0);
	w.test = &r;
	run_until(&w, raw_has_eof);
	CU_ASSERT_FALSE(r.shaken);
	raw_close(&r);
	raw_manner.most = version[1];
	raw_join(&w, &r, 1, 0);
	CU_ASSERT_EQUAL(SSL_version(r.ssl), TLS1_2_VERSION);
	raw_close(&r);
	raw_manner.most = 0;
	world_tls = NULL;
	raw_open(&r, ws_port(w.ls), 0);
	raw_request(&r, "/push", "alto-push.v1", "");
	w.test = &r;
	run_until(&w, raw_has_eof);
	CU_ASSERT_EQUAL(w.admitted, 1);
	raw_close(&r);
	world_end(&w);
}

static void names_of(const struct raw *r, char *dst, size_t size)
{
	X509 *x = SSL_get0_peer_certificate(r->ssl);

	dst[0] = '\0';
	X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName,
	                          dst, (int)size);
}

static void an_identity_is_exchanged_while_connections_stay(void)
{
	struct tls_identity *next;
	char name[64];
	struct raw r[2];
	struct world w;

	world_tls = "server";
	world_serve(&w);
	raw_join(&w, &r[0], 1, 0);
	next = world_identity("other");
	CU_ASSERT_EQUAL(ws_set_identity(w.ls, next), RC_OK);
	tls_identity_unref(next);
	raw_join(&w, &r[1], 1, 0);
	names_of(&r[0], name, sizeof(name));
	CU_ASSERT_STRING_EQUAL(name, "server");
	names_of(&r[1], name, sizeof(name));
	CU_ASSERT_STRING_EQUAL(name, "other");
	for (int i = 0; i < 2; i++) {
		raw_text(&r[i], "echo");
		w.test = &r[i];
		run_until(&w, raw_has_message);
		CU_ASSERT_EQUAL(r[i].last_len, 4);
		raw_close(&r[i]);
	}
	world_end(&w);
	world_tls = NULL;
	world_serve(&w);		/* a plain one has nothing to exchange */
	next = world_identity("other");
	CU_ASSERT_EQUAL(ws_set_identity(w.ls, next), RC_EINVAL);
	tls_identity_unref(next);
	world_end(&w);
}

static bool has_all_300(struct world *w)
{
	raw_go_on(w->test);
	return w->messages == 300;
}

/* More than the library reads at once stays in its TLS, where no poll sees it. */
static void messages_that_come_all_at_once_are_all_read(void)
{
	char text[901];
	struct world w;
	struct raw r;

	memset(text, 't', 900);
	text[900] = '\0';
	world_tls = "server";
	world_serve(&w);
	raw_join(&w, &r, 1, 0);
	for (int i = 0; i < 300; i++)
		raw_text(&r, text);
	w.test = &r;
	run_until(&w, has_all_300);
	CU_ASSERT_EQUAL(w.bytes, 300 * 900);
	raw_close(&r);
	world_end(&w);
	world_tls = NULL;
}

static bool none_left(struct world *w)
{
	return ws_conns(w->ls) == 0;
}

static bool some_taken(struct world *w)
{
	return ws_conns(w->ls) >= *(unsigned *)w->test;
}

/* Silent ones, and such that have sent the beginning of a handshake. */
static void half_open_handshakes_keep_nobody_out(void)
{
	static const unsigned char begun[] = { 22, 3, 1, 1, 0, 1, 0 };
	static struct raw half[HALF_OPEN];
	unsigned want = HALF_OPEN;
	struct world w;
	struct raw r;

	world_tls = "server";
	world_make(&w);
	w.limits.handshake_s = 4;
	w.limits.max_handshakes = HALF_OPEN + 1;
	world_listen(&w, "127.0.0.1");
	world_tls = NULL;
	for (unsigned i = 0; i < HALF_OPEN; i++) {
		raw_open(&half[i], ws_port(w.ls), 0);
		if (i % 2 == 0)
			raw_put(&half[i], begun, sizeof(begun));
	}
	w.test = &want;
	run_until(&w, some_taken);
	world_tls = "server";
	raw_join(&w, &r, 1, 0);		/* one place is left */
	raw_text(&r, "echo");
	w.test = &r;
	run_until(&w, raw_has_message);
	raw_close(&r);
	if (w.closed == 0)
		run_until(&w, one_closed);
	CU_ASSERT_EQUAL(ws_conns(w.ls), HALF_OPEN);
	run_until(&w, none_left);	/* they had their time */
	raw_join(&w, &r, 1, 0);
	raw_close(&r);
	for (unsigned i = 0; i < HALF_OPEN; i++)
		raw_close(&half[i]);
	world_end(&w);
	world_tls = NULL;
}

static void handshakes_are_limited(void)
{
	struct raw half[3], r;
	unsigned want = 2;
	struct world w;

	world_make(&w);
	w.limits.max_handshakes = 2;
	world_listen(&w, "127.0.0.1");
	for (int i = 0; i < 3; i++)
		raw_open(&half[i], ws_port(w.ls), 0);
	w.test = &want;
	run_until(&w, some_taken);
	w.test = &half[2];
	run_until(&w, raw_has_eof);
	CU_ASSERT_EQUAL(ws_conns(w.ls), 2);
	raw_close(&half[0]);
	raw_close(&half[2]);
	raw_request(&half[1], "/push", "alto-push.v1", "");
	if (w.opened == 0)
		run_until(&w, one_open);
	raw_join(&w, &r, 1, 0);		/* open ones do not count */
	raw_close(&half[1]);
	raw_close(&r);
	world_end(&w);
}

/* what it costs */

static size_t in_use(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

/* In a process of their own, so that only our end is counted here. */
static void be_subscribers(uint16_t port)
{
	static struct raw r[CROWD];
	static struct pollfd p[CROWD];
	char bin[65536];

	for (int i = 0; i < CROWD; i++) {
		raw_open(&r[i], port, 0);
		raw_request(&r[i], "/push", "alto-push.v1", "");
		p[i] = (struct pollfd){ r[i].fd, POLLIN, 0 };
	}
	for (;;) {			/* until killed */
		poll(p, CROWD, -1);
		for (int i = 0; i < CROWD; i++) {
			raw_go_on(&r[i]);
			while (r[i].shaken &&
			       SSL_read(r[i].ssl, bin, sizeof(bin)) > 0)
				continue;
		}
	}
}

static bool crowd_is_open(struct world *w)
{
	return w->opened == CROWD;
}

static bool all_ready(struct world *w)
{
	bool all = true;

	for (unsigned i = 0; i < CROWD; i++)
		all = all && ws_ready(w->conns[i]);
	return all;
}

static void shout(struct world *w, size_t len)
{
	char *text = make_text(len);
	struct ws_frame *f;

	CU_ASSERT_EQUAL_FATAL(ws_frame_new(text, len, &f), RC_OK);
	for (unsigned i = 0; i < CROWD; i++)
		CU_ASSERT_EQUAL(ws_send_frame(w->conns[i], f), RC_OK);
	ws_frame_unref(f);
	free(text);
	run_until(w, all_ready);
}

static void a_subscriber_costs_little_and_no_more_after_a_broadcast(void)
{
	size_t before, joined, after;
	struct world w;
	pid_t pid;

	world_tls = "server";
	world_serve(&w);
	before = in_use();
	pid = fork();
	CU_ASSERT_FATAL(pid >= 0);
	if (pid == 0)
		be_subscribers(ws_port(w.ls));
	run_until(&w, crowd_is_open);
	shout(&w, 5);
	joined = in_use();
	for (int i = 0; i < 3; i++)
		shout(&w, 100000);
	after = in_use();
#ifdef __SANITIZE_ADDRESS__
	before = joined = after = 0;	/* it counts in its own way */
#endif
	printf("(%zu bytes, later %zu) ", (joined - before) / CROWD,
	       (after - before) / CROWD);
	CU_ASSERT((joined - before) / CROWD < 18 * 1024);
	CU_ASSERT((after - before) / CROWD < 18 * 1024);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	world_end(&w);
	world_tls = NULL;
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "a server that is not the one hears nothing",
		  a_server_that_is_not_the_one_hears_nothing },
		{ "an old TLS is not spoken", an_old_tls_is_not_spoken },
		{ "only names are told in SNI", only_names_are_told_in_sni },
		{ "what cannot be trusted is refused at once",
		  what_cannot_be_trusted_is_refused_at_once },
		{ "clients are known by what they show",
		  clients_are_known_by_what_they_show },
		{ "nobody is asked unless told so",
		  nobody_is_asked_unless_told_so },
		{ "wss against a plain listener fails",
		  wss_against_a_plain_listener_fails },
		{ "ALPN is http/1.1 or nothing", alpn_is_http_1_1_or_nothing },
		{ "old clients and clear text are refused",
		  old_clients_and_clear_text_are_refused },
		{ "an identity is exchanged while connections stay",
		  an_identity_is_exchanged_while_connections_stay },
		{ "messages that come all at once are all read",
		  messages_that_come_all_at_once_are_all_read },
		{ "half-open handshakes keep nobody out",
		  half_open_handshakes_keep_nobody_out },
		{ "handshakes are limited", handshakes_are_limited },
		{ "a subscriber costs little, and no more after a broadcast",
		  a_subscriber_costs_little_and_no_more_after_a_broadcast },
		CU_TEST_INFO_NULL
	};
	int rc;

	certs_begin();
	certs_usual();
	rc = more_files() ? suite_run("ws_tls", tests) : 99;
	certs_end();
	return rc;
}
