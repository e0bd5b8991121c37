/* The HTTP client over TLS: whom it believes, what it shows, and that what was
 * found good under other terms is not taken for good. */
#include "common/net/httpc.h"

#include <openssl/ssl.h>
#include <sys/stat.h>

#include "common/net/http.h"
#include "tests/certs.h"
#include "tests/suite.h"
#include "tests/teller.h"

static struct diag why;

static struct httpc *client(void)
{
	const struct httpc_options opt = { .user_agent = "altocast-test/1" };
	struct httpc *c = NULL;

	CU_ASSERT_EQUAL_FATAL(httpc_new(&opt, &c), RC_OK);
	return c;
}

/* A status, or below 0 the code. */
static int get(struct httpc *c, const char *host, uint16_t port,
               const struct tls_trust *trust)
{
	struct httpc_request rq = {
		.authorization = "Bearer t0k3n", .max_body = 1000,
		.timeout_ms = 5000, .tls = *trust
	};
	struct httpc_answer a;
	char url[80];
	enum rc rc;
	int status;

	snprintf(url, sizeof(url), "https://%s:%u/x", host, port);
	rq.url = url;
	diag_clear(&why);
	rc = httpc_get(c, &rq, &a, &why);
	if (rc != RC_OK)
		return (int)rc;
	status = (int)a.status;
	httpc_answer_free(&a);
	return status;
}

static const char good[] = "HTTP/1.1 204 No Content\r\n\r\n";

static void a_server_that_is_not_the_one_hears_nothing(void)
{
	for (size_t i = 0; i < SERVERS; i++) {
		const struct server *s = &servers[i];
		struct teller t = { .show = s->show, .say = good };
		struct tls_trust trust = server_trust(s);
		struct httpc *c = client();

		CU_ASSERT_TRUE_FATAL(teller_begin(&t));
		CU_ASSERT_EQUAL(get(c, s->host, t.port, &trust),
		                s->why != NULL ? (int)RC_EIO : 204);
		httpc_free(c);
		teller_end(&t);
		CU_ASSERT_EQUAL(t.heard > 0, s->why == NULL);
		if (s->why != NULL) {
			CU_ASSERT(t.came > 0);
			CU_ASSERT_PTR_NOT_NULL(strstr(why.text, s->why));
			CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "https://"));
		}
	}
}

static void an_old_tls_is_not_spoken(void)
{
	struct teller t = { .show = "server", .most = TLS1_1_VERSION,
		.say = good };
	const struct tls_trust trust = { .ca_file = certs_file("ca", "pem") };
	struct httpc *c = client();

	CU_ASSERT_TRUE_FATAL(teller_begin(&t));
	CU_ASSERT_EQUAL(get(c, "localhost", t.port, &trust), RC_EIO);
	teller_end(&t);
	CU_ASSERT_EQUAL(t.shaken, 0);
	t.most = TLS1_2_VERSION;
	CU_ASSERT_TRUE_FATAL(teller_begin(&t));
	CU_ASSERT_EQUAL(get(c, "localhost", t.port, &trust), 204);
	teller_end(&t);
	httpc_free(c);
}

static void own_certificates_are_shown_where_asked(void)
{
	struct teller t = { .show = "server", .ask = true, .say = good };
	struct tls_trust trust = { .ca_file = certs_file("ca", "pem"),
		.certificate = certs_file("client2", "pem"),
		.key = certs_file("client2", "key") };
	struct httpc *c = client();

	CU_ASSERT_TRUE_FATAL(teller_begin(&t));
	CU_ASSERT_EQUAL(get(c, "localhost", t.port, &trust), 204);
	CU_ASSERT_STRING_EQUAL(t.shown, "rp-rome");
	trust.certificate = trust.key = NULL;
	CU_ASSERT_EQUAL(get(c, "localhost", t.port, &trust), 204);
	CU_ASSERT_STRING_EQUAL(t.shown, "");
	teller_end(&t);
	httpc_free(c);
}

static void what_is_wrong_with_our_files_is_told_before_any_call(void)
{
	struct teller t = { .show = "server", .say = good };
	struct tls_trust trust = { .ca_file = certs_file("nobody", "pem") };
	struct httpc *c = client();

	CU_ASSERT_TRUE_FATAL(teller_begin(&t));
	CU_ASSERT_EQUAL(get(c, "localhost", t.port, &trust), RC_ENOENT);
	CU_ASSERT_STRING_EQUAL(why.file, certs_file("nobody", "pem"));
	trust.ca_file = certs_file("client", "key");
	CU_ASSERT_EQUAL(get(c, "localhost", t.port, &trust), RC_ESYNTAX);
	trust = (struct tls_trust){ .pin = "sha256//x" };
	CU_ASSERT_EQUAL(get(c, "localhost", t.port, &trust), RC_EINVAL);
	trust = (struct tls_trust){ .certificate = certs_file("client", "pem"),
		.key = certs_file("client", "key") };
	chmod(trust.key, 0644);
	CU_ASSERT_EQUAL(get(c, "localhost", t.port, &trust), RC_ERULE);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "chmod"));
	chmod(trust.key, 0600);
	teller_end(&t);
	CU_ASSERT_EQUAL(t.came, 0);
	httpc_free(c);
}

/* against our listener, which keeps connections open */

static struct http_reply *say_peer(const struct http_request *rq, void *arg)
{
	struct http_reply *r = NULL;

	snprintf(arg, 80, "%s", rq->peer);
	return http_reply_new_text(200, NULL, "hello", &r) == RC_OK ? r : NULL;
}

static struct http *serve(char peer[80])
{
	const struct http_handler on = { .reply = say_peer, .arg = peer };
	const struct tls_files files = { certs_file("server", "pem"),
		certs_file("server", "key"), NULL };
	struct http_config cfg = { .addr = "127.0.0.1:0", .threads = 1,
		.max_conns = 20, .timeout_s = 10, .max_body = 10 };
	struct http *h = NULL;

	CU_ASSERT_EQUAL_FATAL(tls_identity_load(&files, &cfg.tls, NULL), RC_OK);
	CU_ASSERT_EQUAL_FATAL(http_start(&cfg, &on, NULL, &h), RC_OK);
	tls_identity_unref(cfg.tls);
	return h;
}

static void copy_file(const char *from, const char *to)
{
	char text[8192];
	FILE *f = fopen(from, "r");
	size_t n;

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	n = fread(text, 1, sizeof(text), f);
	fclose(f);
	f = fopen(to, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_EQUAL(fwrite(text, 1, n, f), n);
	fclose(f);
}

static void a_connection_is_used_again_under_the_same_terms_only(void)
{
	struct httpc *c = client();
	char peer[80], first[80], file[400];
	struct tls_trust trust = { .ca_file = file };
	struct http *h = serve(peer);

	snprintf(file, sizeof(file), "%s", certs_file("changing", "pem"));
	copy_file(certs_file("ca", "pem"), file);
	CU_ASSERT_EQUAL(get(c, "localhost", http_port(h), &trust), 200);
	snprintf(first, sizeof(first), "%s", peer);
	CU_ASSERT_EQUAL(get(c, "localhost", http_port(h), &trust), 200);
	CU_ASSERT_STRING_EQUAL(peer, first);
	trust.pin = certs_pin("other");
	CU_ASSERT_EQUAL(get(c, "localhost", http_port(h), &trust), RC_EIO);
	trust.pin = certs_pin("server");
	CU_ASSERT_EQUAL(get(c, "localhost", http_port(h), &trust), 200);
	CU_ASSERT_STRING_NOT_EQUAL(peer, first);
	trust.pin = NULL;
	trust.ca_file = NULL;
	CU_ASSERT_EQUAL(get(c, "localhost", http_port(h), &trust), RC_EIO);
	trust.ca_file = file;
	snprintf(first, sizeof(first), "%s", peer);
	trust.certificate = certs_file("client", "pem");
	trust.key = certs_file("client", "key");
	CU_ASSERT_EQUAL(get(c, "localhost", http_port(h), &trust), 200);
	CU_ASSERT_STRING_NOT_EQUAL(peer, first);
	/* The same name, another content. */
	copy_file(certs_file("stranger-ca", "pem"), file);
	CU_ASSERT_EQUAL(get(c, "localhost", http_port(h), &trust), RC_EIO);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "unknown authority"));
	httpc_free(c);
	http_stop(h, 100);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "a server that is not the one hears nothing",
		  a_server_that_is_not_the_one_hears_nothing },
		{ "an old TLS is not spoken", an_old_tls_is_not_spoken },
		{ "own certificates are shown where asked",
		  own_certificates_are_shown_where_asked },
		{ "what is wrong with our files is told before any call",
		  what_is_wrong_with_our_files_is_told_before_any_call },
		{ "a connection is used again under the same terms only",
		  a_connection_is_used_again_under_the_same_terms_only },
		CU_TEST_INFO_NULL
	};
	int rc;

	certs_begin();
	certs_usual();
	rc = suite_run("httpc_tls", tests);
	certs_end();
	return rc;
}
