/* The settings that both daemons share: what the rules between them refuse. */
#include "common/service/options.h"

#include <unistd.h>

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
		CU_TEST_INFO_NULL
	};

	return suite_run("options", tests);
}
