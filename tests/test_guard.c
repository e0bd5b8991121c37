/* Who may subscribe: tokens, certificates, names, browsers, nobody. */
#include "common/service/guard.h"

#include <sys/stat.h>
#include <unistd.h>

#include "common/service/options.h"
#include "common/sys/file.h"
#include "tests/certs.h"
#include "tests/suite.h"

#define OLD "milan-token-of-last-year"
#define NEW "milan-token-of-this-year"
#define ROME "rome-token-0123456789"

static char dir[] = "/tmp/test_guard.XXXXXX";
static char rome_print[TLS_PRINT_TEXT + 1];

static const struct conf_key keys[] = {
	OPTIONS_SETTINGS("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", "/run/x")
};
/* No check of its own: guard_new() must stand alone. */
static const struct conf_table table = {
	"test.conf", keys, sizeof(keys) / sizeof(keys[0]), NULL
};

static char *path_of(const char *name)
{
	char *p = NULL;

	CU_ASSERT_EQUAL_FATAL(file_path_join(dir, name, &p), RC_OK);
	return p;
}

static void put(const char *name, const char *text, mode_t mode)
{
	char *p = path_of(name);

	CU_ASSERT_EQUAL_FATAL(file_replace(p, text, strlen(text), mode, NULL),
	                      RC_OK);
	free(p);
}

static struct conf *settings(const char *subscribers)
{
	struct buf errors = BUF_INIT(65536), text = BUF_INIT(65536);
	char *p = path_of("test.conf");
	struct conf *c = NULL;
	const char *at;

	/* CLIENT stands for the path of that certificate. */
	buf_puts(&text, "state = \"s\";\nsubscribers = (\n");
	while ((at = strstr(subscribers, "CLIENT"))) {
		buf_add(&text, subscribers, (size_t)(at - subscribers));
		buf_puts(&text, certs_file("client", "pem"));
		subscribers = at + strlen("CLIENT");
	}
	buf_printf(&text, "%s\n);\n", subscribers);
	put("test.conf", buf_str(&text), 0600);
	CU_ASSERT_EQUAL_FATAL(conf_load(&table, p, &c, &errors), RC_OK);
	buf_free(&errors);
	buf_free(&text);
	free(p);
	return c;
}

/* milan: two tokens; rome: a token and a certificate; oslo: neither. */
static struct guard *three(bool anonymous)
{
	struct diag d = { .line = 0 };
	struct guard *g = NULL;
	struct conf *c = settings(
		"{ name = \"milan\"; token-file = \"milan\";"
		"  uris = [ \"http://milan/\", \"http://milan:81/\" ]; },\n"
		"{ name = \"rome\"; token-file = \"rome\";"
		"  certificate = \"CLIENT\"; },\n"
		"{ name = \"oslo\"; uris = \"http://oslo/\"; }");

	CU_ASSERT_EQUAL(guard_new(c, anonymous, &g, &d), RC_OK);
	CU_ASSERT_STRING_EQUAL(d.text, "");
	CU_ASSERT_PTR_NOT_NULL_FATAL(g);
	conf_free(c);		/* it keeps nothing of it */
	return g;
}

static size_t proven_of(const struct guard *g)
{
	size_t proven = 99;

	CU_ASSERT(guard_count(g, &proven) >= proven);
	return proven;
}

static int admit(const struct guard *g, const struct ws_request *rq,
                 struct guard_badge *badge)
{
	const char *why = NULL;
	int status = guard_admit(g, rq, badge, &why);

	CU_ASSERT_PTR_NOT_NULL(why);
	CU_ASSERT_EQUAL(status != 0, why != NULL && why[0] != '\0');
	return status;
}

static struct ws_request with_token(const char *header)
{
	return (struct ws_request){ .peer = "192.0.2.1:1",
	                            .authorization = header };
}

static struct ws_request with_print(const char *print)
{
	struct ws_request rq = { .peer = "192.0.2.1:1" };

	snprintf(rq.tls.print, sizeof(rq.tls.print), "%s", print);
	return rq;
}

static void each_token_of_a_file_proves_the_name(void)
{
	struct guard *g = three(false);
	struct guard_badge b;
	struct ws_request rq = with_token("Bearer " OLD);

	CU_ASSERT_EQUAL(admit(g, &rq, &b), 0);
	CU_ASSERT(b.proven);
	CU_ASSERT_STRING_EQUAL(b.name, "milan");
	rq = with_token("bearer " NEW);
	CU_ASSERT_EQUAL(admit(g, &rq, &b), 0);
	CU_ASSERT_STRING_EQUAL(b.name, "milan");
	CU_ASSERT(guard_may_be(g, &b, "milan"));
	CU_ASSERT(!guard_may_be(g, &b, "rome"));
	CU_ASSERT(!guard_may_be(g, &b, "oslo"));
	CU_ASSERT(!guard_may_be(g, &b, "anything"));
	CU_ASSERT_EQUAL(proven_of(g), 2);
	CU_ASSERT(guard_proves(g, "milan"));
	CU_ASSERT(!guard_proves(g, "oslo"));
	CU_ASSERT(!guard_proves(g, "paris"));
	guard_unref(g);
}

static void a_wrong_token_is_refused_everywhere(void)
{
	static const char *const wrong[] = {
		"", "Bearer", "Bearer ", "Bearer milan", "Bearer " OLD "x",
		"Bearer  " OLD, "Digest " OLD, OLD, "Bearer " OLD "\n" NEW
	};
	struct guard *closed = three(false), *open = three(true);
	struct guard_badge b;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct ws_request rq = with_token(wrong[i]);

		CU_ASSERT_EQUAL(admit(closed, &rq, &b), 401);
		CU_ASSERT(!b.proven);
		CU_ASSERT_EQUAL(admit(open, &rq, &b), 401);
	}
	guard_unref(closed);
	guard_unref(open);
}

static void a_certificate_of_the_file_proves_the_name(void)
{
	struct guard *g = three(false);
	struct ws_request rq = with_print(rome_print);
	struct guard_badge b;

	CU_ASSERT_EQUAL(admit(g, &rq, &b), 0);
	CU_ASSERT_STRING_EQUAL(b.name, "rome");
	rq.authorization = "Bearer " ROME;
	CU_ASSERT_EQUAL(admit(g, &rq, &b), 0);
	rq.authorization = "Bearer " OLD;
	CU_ASSERT_EQUAL(admit(g, &rq, &b), 403);
	CU_ASSERT(!b.proven);
	rq = with_print("00112233445566778899aabbccddeeff"
	                "00112233445566778899aabbccddeeff");
	CU_ASSERT_EQUAL(admit(g, &rq, &b), 401);
	guard_unref(g);
}

static void a_token_is_no_certificate(void)
{
	struct guard *g = three(false);
	struct ws_request rq = { .peer = "" };
	struct buf text = BUF_INIT(1000);
	struct guard_badge b;

	buf_printf(&text, "Bearer %s", rome_print);
	rq.authorization = buf_str(&text);
	CU_ASSERT_EQUAL(admit(g, &rq, &b), 401);
	buf_free(&text);
	guard_unref(g);
}

static void a_name_from_an_authority_is_proven(void)
{
	struct guard *g = three(false);
	struct ws_request rq = with_print("00112233445566778899aabbccddeeff"
	                                  "00112233445566778899aabbccddeeff");
	struct guard_badge b;

	snprintf(rq.tls.name, sizeof(rq.tls.name), "paris.example");
	CU_ASSERT_EQUAL(admit(g, &rq, &b), 401);	/* anybody says that */
	rq.tls.chained = true;
	CU_ASSERT_EQUAL(admit(g, &rq, &b), 0);
	CU_ASSERT_STRING_EQUAL(b.name, "paris.example");
	CU_ASSERT(guard_may_be(g, &b, "paris.example"));
	CU_ASSERT(!guard_may_be(g, &b, "oslo"));
	rq.authorization = "Bearer " OLD;		/* says more */
	CU_ASSERT_EQUAL(admit(g, &rq, &b), 0);
	CU_ASSERT_STRING_EQUAL(b.name, "milan");
	rq.authorization = NULL;
	rq.tls.name[0] = '\0';
	CU_ASSERT_EQUAL(admit(g, &rq, &b), 401);
	guard_unref(g);
}

static void who_shows_nothing_is_anonymous_or_out(void)
{
	struct guard *closed = three(false), *open = three(true);
	struct ws_request rq = { .peer = "192.0.2.1:1" };
	struct guard_badge b;

	CU_ASSERT_EQUAL(admit(closed, &rq, &b), 401);
	CU_ASSERT_EQUAL(admit(open, &rq, &b), 0);
	CU_ASSERT(!b.proven);
	CU_ASSERT_STRING_EQUAL(b.name, "");
	CU_ASSERT(guard_may_be(open, &b, "oslo"));
	CU_ASSERT(guard_may_be(open, &b, "somebody"));
	CU_ASSERT(!guard_may_be(open, &b, "milan"));
	CU_ASSERT(!guard_may_be(open, &b, "rome"));
	CU_ASSERT(!guard_may_be(closed, &b, "oslo"));
	guard_unref(closed);
	guard_unref(open);
}

static void a_browser_is_refused_whatever_it_shows(void)
{
	struct guard *g = three(true);
	struct ws_request rq = with_token("Bearer " OLD);
	struct guard_badge b;

	rq.origin = "https://page.example";
	CU_ASSERT_EQUAL(admit(g, &rq, &b), 403);
	rq.origin = "";
	CU_ASSERT_EQUAL(admit(g, &rq, &b), 403);
	guard_unref(g);
}

static void only_uris_of_the_list_are_announced(void)
{
	struct guard *g = three(false);
	bool known = false;

	CU_ASSERT(guard_may_announce(g, "milan", "http://milan:81/", &known));
	CU_ASSERT(known);
	CU_ASSERT(!guard_may_announce(g, "milan", "http://oslo/", &known));
	CU_ASSERT(known);
	CU_ASSERT(guard_may_announce(g, "oslo", "http://oslo/", &known));
	CU_ASSERT(!guard_may_announce(g, "paris", "http://oslo/", &known));
	CU_ASSERT(!known);
	guard_unref(g);
}

/* guard_new() and guard_check() both say it, and neither shows a secret. */
static void refuses(const char *subscribers, enum rc want, const char *line)
{
	struct conf *c = settings(subscribers);
	struct buf errors = BUF_INIT(65536);
	struct diag d = { .line = 0 };
	struct guard *g = NULL;

	CU_ASSERT_EQUAL(guard_new(c, true, &g, &d), want);
	CU_ASSERT_PTR_NULL(g);
	CU_ASSERT_STRING_NOT_EQUAL(d.text, "");
	guard_check(c, &errors);
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_str(&errors), line));
	if (!strstr(buf_str(&errors), line))
		printf("\n  %s", buf_str(&errors));
	CU_ASSERT_PTR_NULL(strstr(buf_str(&errors), OLD));
	CU_ASSERT_PTR_NULL(strstr(d.text, OLD));
	buf_free(&errors);
	conf_free(c);
}

static void a_file_that_cannot_be_taken_is_named(void)
{
	put("loose", OLD "\n", 0644);
	put("short", "x\n", 0600);
	refuses("{ name = \"a\"; token-file = \"gone\"; }", RC_ENOENT,
	        "subscribers[0].token-file");
	refuses("{ name = \"a\"; token-file = \"loose\"; }", RC_ERULE,
	        "chmod 600");
	refuses("{ name = \"a\"; token-file = \"short\"; }", RC_ESYNTAX,
	        "one line of 16");
	refuses("{ name = \"a\"; certificate = \"milan\"; }", RC_ESYNTAX,
	        "subscribers[0].certificate");
	refuses("{ name = \"a\"; token-file = \"rome\"; },"
	        "{ name = \"b\"; certificate = \"gone\"; }", RC_ENOENT,
	        "test.conf:3: subscribers[1].certificate");
}

static void two_who_share_a_proof_are_refused(void)
{
	put("copy", "another-token-0123456\n" OLD "\n", 0600);
	refuses("{ name = \"a\"; token-file = \"milan\"; },"
	        "{ name = \"b\"; token-file = \"rome\"; },"
	        "{ name = \"c\"; token-file = \"copy\"; }", RC_ERULE,
	        "it would prove neither");
	refuses("{ name = \"a\"; certificate = \"CLIENT\"; },"
	        "{ name = \"b\"; certificate = \"CLIENT\"; }", RC_ERULE,
	        "certificate: holds what a has too");
}

static bool same_as(const struct guard *g, bool anonymous, const char *text)
{
	struct conf *c = settings(text);
	struct guard *other = NULL;
	bool same;

	CU_ASSERT_EQUAL_FATAL(guard_new(c, anonymous, &other, NULL), RC_OK);
	same = guard_same(g, other);
	CU_ASSERT_EQUAL(guard_same(other, g), same);
	guard_unref(other);
	conf_free(c);
	return same;
}

static void what_is_new_of_somebody_is_noticed(void)
{
	static const char milan[] = "{ name = \"milan\"; token-file = "
		"\"milan\"; uris = [ \"http://milan/\" ]; }";
	struct conf *c = settings(milan);
	struct guard *g = NULL, *all = three(false);
	size_t proven;

	CU_ASSERT_EQUAL_FATAL(guard_new(c, false, &g, NULL), RC_OK);
	CU_ASSERT(same_as(g, false, milan));
	CU_ASSERT(!same_as(g, true, milan));
	CU_ASSERT(!same_as(g, false, ""));
	CU_ASSERT(!same_as(g, false, "{ name = \"oslo\"; token-file = "
		"\"milan\"; uris = [ \"http://milan/\" ]; }"));
	CU_ASSERT(!same_as(g, false, "{ name = \"milan\"; token-file = "
		"\"milan\"; uris = [ \"http://rome/\" ]; }"));
	CU_ASSERT(!same_as(g, false, "{ name = \"milan\"; certificate = "
		"\"CLIENT\"; uris = [ \"http://milan/\" ]; }"));
	put("milan", OLD "\n" NEW "x\n", 0600);
	CU_ASSERT(!same_as(g, false, milan));
	put("milan", OLD "\n\n" NEW "\n", 0600);
	CU_ASSERT(same_as(g, false, milan));
	CU_ASSERT_EQUAL(guard_count(all, &proven), 3);
	CU_ASSERT_EQUAL(proven, 2);
	guard_unref(all);
	guard_unref(g);
	conf_free(c);
}

static void nobody_is_listed(void)
{
	struct conf *c = settings("");
	struct ws_request rq = { .peer = "" };
	struct diag d = { .line = 0 };
	struct guard *g = NULL;
	struct guard_badge b;

	CU_ASSERT_EQUAL_FATAL(guard_new(c, true, &g, &d), RC_OK);
	CU_ASSERT_EQUAL(proven_of(g), 0);
	CU_ASSERT_EQUAL(admit(g, &rq, &b), 0);
	CU_ASSERT(guard_may_be(g, &b, "anything"));
	guard_unref(guard_ref(g));
	guard_unref(g);
	guard_unref(NULL);
	conf_free(c);
}

static bool set_up(void)
{
	char print[1][TLS_PRINT_TEXT + 1];
	size_t n = 0;

	put("milan", NEW "\n" OLD "\n", 0600);
	put("rome", ROME "\n", 0600);
	if (tls_prints_load(certs_file("client", "pem"), print, 1, &n, NULL) !=
	    RC_OK || n != 1)
		return false;
	memcpy(rome_print, print[0], sizeof(rome_print));
	return true;
}

static void take_down(void)
{
	static const char *const names[] = {
		"milan", "rome", "loose", "short", "copy", "test.conf"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[64];

		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

static void the_files_are_made(void)
{
	CU_ASSERT_FATAL(set_up());
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "the files are made", the_files_are_made },
		{ "each token of a file proves the name",
		  each_token_of_a_file_proves_the_name },
		{ "a wrong token is refused everywhere",
		  a_wrong_token_is_refused_everywhere },
		{ "a certificate of the file proves the name",
		  a_certificate_of_the_file_proves_the_name },
		{ "a token is no certificate", a_token_is_no_certificate },
		{ "a name from an authority is proven",
		  a_name_from_an_authority_is_proven },
		{ "who shows nothing is anonymous or out",
		  who_shows_nothing_is_anonymous_or_out },
		{ "a browser is refused whatever it shows",
		  a_browser_is_refused_whatever_it_shows },
		{ "only URIs of the list are announced",
		  only_uris_of_the_list_are_announced },
		{ "a file that cannot be taken is named",
		  a_file_that_cannot_be_taken_is_named },
		{ "two who share a proof are refused",
		  two_who_share_a_proof_are_refused },
		{ "nobody is listed", nobody_is_listed },
		{ "what is new of somebody is noticed",
		  what_is_new_of_somebody_is_noticed },
		CU_TEST_INFO_NULL
	};
	int rc;

	if (!mkdtemp(dir))
		return 99;
	certs_begin();
	certs_make(&(struct cert){ .base = "client", .days = 30 });
	rc = suite_run("guard", tests);
	certs_end();
	take_down();
	return rc;
}
