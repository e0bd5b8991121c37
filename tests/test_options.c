/* The settings that both daemons share: what the rules between them refuse. */
#include "common/service/options.h"

#include <sys/stat.h>
#include <unistd.h>

#include "tests/certs.h"
#include "tests/suite.h"

static const struct conf_key keys[] = {
	OPTIONS_SETTINGS("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", "/run/x")
};
static const struct conf_table table = {
	"test.conf", keys, sizeof(keys) / sizeof(keys[0]), options_check
};

/* Loads the text; the errors, one a line, into errors. */
static struct conf *load(const char *text, struct buf *errors)
{
	char path[] = "/tmp/altocast-options-XXXXXX";
	struct conf *c = NULL;
	int fd = mkstemp(path);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	enum rc rc;

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fprintf(f, "state = \"s\";\n%s\n", text);
	fclose(f);
	buf_clear(errors);
	rc = conf_load(&table, path, &c, errors);
	CU_ASSERT((rc == RC_OK) == (c != NULL));
	unlink(path);
	return c;
}

static void takes(const char *text)
{
	struct buf errors = BUF_INIT(1u << 16);
	struct conf *c = load(text, &errors);

	CU_ASSERT_PTR_NOT_NULL(c);
	CU_ASSERT_STRING_EQUAL(buf_str(&errors), "");
	conf_free(c);
	buf_free(&errors);
}

static void refuses(const char *text, const char *why)
{
	struct buf errors = BUF_INIT(1u << 16);
	struct conf *c = load(text, &errors);

	CU_ASSERT_PTR_NULL(c);
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_str(&errors), why));
	if (!strstr(buf_str(&errors), why))
		printf("\n  %s: %s", text, buf_str(&errors));
	conf_free(c);
	buf_free(&errors);
}

static void defaults_are_in_effect(void)
{
	struct buf errors = BUF_INIT(1u << 16);
	struct conf *c = load("", &errors);

	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	CU_ASSERT_EQUAL(conf_get_int(c, "http.request"), 1 << 20);
	CU_ASSERT_EQUAL(conf_get_int(c, "http.answer"), 64 << 20);
	CU_ASSERT_EQUAL(conf_get_int(c, "http.answers"), 256 << 20);
	CU_ASSERT_EQUAL(conf_get_int(c, "http.header-time"), 10);
	CU_ASSERT_EQUAL(conf_get_int(c, "http.body-time"), 30);
	CU_ASSERT_EQUAL(conf_get_count(c, "http.origins"), 0);
	CU_ASSERT_EQUAL(conf_get_count(c, "http.forwarders"), 0);
	CU_ASSERT_STRING_EQUAL(conf_get_str(c, "http.forwarded-header"),
	                       "X-Forwarded-For");
	conf_free(c);
	buf_free(&errors);
}

static void origins_are_those_of_browsers(void)
{
	takes("http: { origins = \"*\"; };");
	takes("http: { origins = [ \"https://app.example\", "
	      "\"http://[2001:db8::1]:8080\" ]; };");
	refuses("http: { origins = \"https://app.example/\"; };",
	        "http.origins: \"https://app.example/\" is no origin");
	refuses("http: { origins = \"https://app.example?x\"; };", "no origin");
	refuses("http: { origins = \"https://App.example\"; };", "lower case");
	refuses("http: { origins = \"app.example\"; };", "no origin");
	refuses("http: { origins = \"wss://app.example\"; };", "no origin");
	refuses("http: { origins = \"null\"; };", "no origin");
	takes("http: { origins = [ \"https://a.example:80\", "
	      "\"http://a.example:443\", \"http://[2001:db8::443]\" ]; };");
	refuses("http: { origins = \"https://a.example:443\"; };",
	        "it writes \"https://a.example\"\n");
	refuses("http: { origins = \"https://a.example:0443\"; };",
	        "it writes \"https://a.example\"\n");
	refuses("http: { origins = \"http://[2001:db8::1]:80\"; };",
	        "it writes \"http://[2001:db8::1]\"\n");
	refuses("http: { origins = \"http://a.example:08443\"; };",
	        "it writes \"http://a.example:8443\"\n");
	refuses("http: { origins = [ \"*\", \"https://a.example\" ]; };",
	        "all origins");
}

static void forwarders_are_addresses_or_prefixes(void)
{
	takes("http: { forwarders = [ \"192.0.2.1\", \"10.0.0.0/8\", "
	      "\"2001:db8::1\", \"fd00::/8\" ]; "
	      "forwarded-header = \"Forwarded\"; };");
	refuses("http: { forwarders = \"10.0.0.1/8\"; };", "host bits");
	refuses("http: { forwarders = \"lb.example\"; };", "no address");
	refuses("http: { forwarders = \"10.0.0.0/33\"; };", "no address");
	refuses("http: { forwarders = \"1111111111111111111111111111111111111111"
	        "1111111111111111111111\"; };", "no address");
	refuses("http: { forwarded-header = \"Via\"; };",
	        "X-Forwarded-For or Forwarded");
}

static void each_thread_has_a_connection(void)
{
	takes("http: { threads = 8; connections = 8; };");
	refuses("http: { threads = 64; connections = 63; };",
	        "http.connections: fewer than http.threads");
}

static void sizes_have_ranges(void)
{
	takes("http: { request = \"1K\"; answer = \"64K\"; "
	      "answers = \"64K\"; };");
	refuses("http: { request = 1023; };", "http.request");
	refuses("http: { request = \"65M\"; };", "http.request");
	refuses("http: { answer = \"3G\"; };", "http.answer");
	refuses("http: { answers = \"1M\"; };", "less than http.answer");
	refuses("http: { header-time = 0; };", "http.header-time");
}

/* CERT and KEY of a format become paths of these files; each lasts for a call. */
static const char *tls(const char *fmt, const char *cert, const char *key)
{
	static char text[2048];
	char *out = text, *end = text + sizeof(text);

	for (const char *p = fmt; *p; p++) {
		const char *put = strncmp(p, "CERT", 4) == 0 ? cert :
		                  strncmp(p, "KEY", 3) == 0 ? key : NULL;

		out += snprintf(out, (size_t)(end - out), "%.*s", put ? 1000 : 1,
		                put ? put : p);
		p += !put ? 0 : put == cert ? 3 : 2;
	}
	return text;
}

static const char *server(const char *fmt)
{
	return tls(fmt, certs_file("server", "pem"),
	           certs_file("server", "key"));
}

#define BOTH "certificate = \"CERT\"; key = \"KEY\"; "

static void certificates_go_with_their_keys(void)
{
	takes(server("http: { tls: { " BOTH "}; };"));
	takes(server("push: { tls: { " BOTH "client-ca = \"CERT\"; }; };"));
	refuses(server("http: { tls: { certificate = \"CERT\"; }; };"),
	        "http.tls.certificate: http.tls.certificate and http.tls.key go "
	        "together: set the key too");
	refuses(server("push: { tls: { key = \"KEY\"; }; };"),
	        "set the certificate too");
	refuses(server("http: { tls: { client-ca = \"CERT\"; }; };"),
	        "unknown setting");
	refuses(server("push: { tls: { client-ca = \"CERT\"; }; };"),
	        "nobody is asked");
	refuses(tls("http: { tls: { " BOTH "}; };",
	            certs_file("server", "pem"), certs_file("other", "key")),
	        "http.tls.key: ");
	refuses(tls("push: { tls: { " BOTH "}; };", "gone.pem",
	            certs_file("server", "key")), "gone.pem");
	refuses(tls("http: { tls: { " BOTH "}; };",
	            certs_file("server", "pem"), certs_file("server", "pem")),
	        "http.tls.key: ");
	refuses(server("push: { tls: { " BOTH "client-ca = \"KEY\"; }; };"),
	        "push.tls.client-ca: ");
}

/* The warnings of a configuration that is taken, into lines. */
static void warns(const char *text, const char *why)
{
	struct buf lines = BUF_INIT(1u << 16);
	struct conf *c = load(text, &lines);

	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	options_warnings(c, &lines);
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_str(&lines), why));
	if (!strstr(buf_str(&lines), why) || (!*why && lines.len))
		printf("\n  %s: %s", text, buf_str(&lines));
	CU_ASSERT_EQUAL(lines.len == 0, !*why);
	conf_free(c);
	buf_free(&lines);
}

static void a_certificate_out_of_its_time_is_warned_of(void)
{
	warns(tls("push: { tls: { " BOTH "}; };", certs_file("expired", "pem"),
	          certs_file("expired", "key")),
	      "push.tls.certificate: ");
	warns(server("push: { tls: { " BOTH "}; };"), "");
}

static void operators_on_another_host_are_warned_of(void)
{
	warns("admin: { listen = \"0.0.0.0:0\"; };", "admin.listen: not on "
	      "loopback");
	warns("admin: { listen = \"[::1]:0\"; };", "");
}

static void what_something_in_front_must_do_is_warned_of(void)
{
	warns("push: { public-uri = \"wss://a.example/push\"; };",
	      "push.public-uri: \"wss://a.example/push\": push.tls is not set");
	warns("push: { public-uri = \"ws://a.example/below\"; };",
	      "served at /push");
	warns("push: { public-uri = \"ws://a.example:81/push\"; };", "");
	refuses(server("push: { public-uri = \"wss://a.example/\"; "
	               "tls: { " BOTH "}; };"), "served at /push alone");
}

static void subscribers_are_of_use(void)
{
	refuses("subscribers = ( { name = \"rp milan\"; } );",
	        "subscribers[0].name: \"rp milan\": not 1 to 64");
	refuses(server("subscribers = ( { name = \"a\"; certificate = "
	               "\"CERT\"; } );"), "without push.tls nobody");
	refuses("subscribers = ( { name = \"a\"; uris = [\"https://a.example/\","
	        "\"https://a.example\"]; } );",
	        "subscribers[0].uris: \"https://a.example\": ");
	refuses("subscribers = ( { name = \"a\"; uris = "
	        "\"wss://a.example/\"; } );", "subscribers[0].uris: ");
	takes("subscribers = ( { name = \"rp:a-1@b_c\"; uris = "
	      "\"http://a.example/b/\"; } );");
}

static void a_key_that_others_can_read_is_refused(void)
{
	CU_ASSERT_EQUAL(chmod(certs_file("server", "key"), 0640), 0);
	refuses(server("http: { tls: { " BOTH "}; };"), "chmod 600");
	CU_ASSERT_EQUAL(chmod(certs_file("server", "key"), 0600), 0);
}

static void a_push_listener_asks_who_comes(void)
{
	static const char open[] = "listen = \"192.0.2.1:8081\"; ";
	char text[2048];

	snprintf(text, sizeof(text), "push: { %s};", open);
	refuses(text, "not on loopback");
	snprintf(text, sizeof(text), "push: { %sanonymous = true; };", open);
	takes(text);
	snprintf(text, sizeof(text), "push: { %stls: { " BOTH "}; };", open);
	refuses(server(text), "not on loopback");
	snprintf(text, sizeof(text), "push: { %stls: { " BOTH
	         "client-ca = \"CERT\"; }; };", open);
	takes(server(text));
	snprintf(text, sizeof(text), "push: { %stls: { " BOTH "}; }; "
	         "subscribers = ( { name = \"a\"; certificate = \"CERT\"; } );",
	         open);
	takes(server(text));
}

static void subscribers_of_tls_get_a_wss_uri(void)
{
	refuses(server("push: { public-uri = \"ws://a.example/push\"; "
	               "tls: { " BOTH "}; };"), "need a wss:// URI");
	takes(server("push: { public-uri = \"wss://a.example/push\"; "
	             "tls: { " BOTH "}; };"));
	/* Something in front may speak it. */
	takes("push: { public-uri = \"wss://a.example/push\"; };");
}

static void tokens_in_the_clear_are_warned_of(void)
{
	struct buf lines = BUF_INIT(1u << 16);
	char text[2048], token[] = "/tmp/altocast-token-XXXXXX";
	int fd = mkstemp(token);
	struct conf *c;

	CU_ASSERT_EQUAL_FATAL(write(fd, "0123456789abcdef", 16), 16);
	close(fd);
	for (int with_tls = 0; with_tls < 2; with_tls++) {
		snprintf(text, sizeof(text), "push: { listen = "
		         "\"192.0.2.1:8081\"; %s}; subscribers = ( { name = "
		         "\"a\"; token-file = \"%s\"; } );",
		         with_tls ? "tls: { " BOTH "}; " : "", token);
		c = load(server(text), &lines);
		CU_ASSERT_PTR_NOT_NULL_FATAL(c);
		options_warnings(c, &lines);
		CU_ASSERT_EQUAL(strstr(buf_str(&lines), "push.listen: tokens "
		                "travel in the clear") != NULL, !with_tls);
		CU_ASSERT_EQUAL(lines.len == 0, with_tls);
		conf_free(c);
	}
	unlink(token);
	buf_free(&lines);
}

static void the_account_must_be_there(void)
{
	takes("user = \"nobody\";");
	takes("user = \"nobody\"; group = \"daemon\";");
	refuses("user = \"no-such-user\";", "user: there is no user");
	refuses("user = \"nobody\"; group = \"no-such-group\";",
	        "there is no group");
	refuses("user = \"root\";", "is root");
	refuses("group = \"daemon\";", "group: without user");
}

static void an_identity_is_read_of_its_group(void)
{
	struct buf errors = BUF_INIT(1u << 16);
	struct conf *c = load(server("push: { tls: { " BOTH "}; };"), &errors);
	struct tls_identity *id = NULL;
	struct diag d = { .line = 0 };

	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	CU_ASSERT_EQUAL(options_identity(c, "push.tls", &id, &d), RC_OK);
	CU_ASSERT_PTR_NOT_NULL(id);
	tls_identity_unref(id);
	CU_ASSERT_EQUAL(options_identity(c, "http.tls", &id, &d), RC_OK);
	CU_ASSERT_PTR_NULL(id);
	conf_free(c);
	buf_free(&errors);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "defaults are in effect", defaults_are_in_effect },
		{ "origins are those of browsers",
		  origins_are_those_of_browsers },
		{ "forwarders are addresses or prefixes",
		  forwarders_are_addresses_or_prefixes },
		{ "each thread has a connection",
		  each_thread_has_a_connection },
		{ "sizes have ranges", sizes_have_ranges },
		{ "certificates go with their keys",
		  certificates_go_with_their_keys },
		{ "a key that others can read is refused",
		  a_key_that_others_can_read_is_refused },
		{ "a push listener asks who comes",
		  a_push_listener_asks_who_comes },
		{ "subscribers of TLS get a wss:// URI",
		  subscribers_of_tls_get_a_wss_uri },
		{ "tokens in the clear are warned of",
		  tokens_in_the_clear_are_warned_of },
		{ "a certificate out of its time is warned of",
		  a_certificate_out_of_its_time_is_warned_of },
		{ "operators on another host are warned of",
		  operators_on_another_host_are_warned_of },
		{ "what something in front must do is warned of",
		  what_something_in_front_must_do_is_warned_of },
		{ "subscribers are of use", subscribers_are_of_use },
		{ "the account must be there", the_account_must_be_there },
		{ "an identity is read of its group",
		  an_identity_is_read_of_its_group },
		CU_TEST_INFO_NULL
	};
	int rc;

	certs_begin();
	certs_usual();
	rc = suite_run("options", tests);
	certs_end();
	return rc;
}
