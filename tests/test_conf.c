/* Settings from texts: what is read, what is said about mistakes, what is
 * printed. The table is like those of the daemons. */
#include "common/sys/conf.h"

#include <sys/stat.h>
#include <unistd.h>

#include "common/sys/file.h"
#include "tests/suite.h"

static char dir[] = "/tmp/test_conf.XXXXXX";
static char path[64];

static const struct conf_key keys[] = {
	{ "", "state", CONF_PATH, NULL, 0, 0, CONF_REQUIRED | CONF_WRITTEN,
	  "directory of the journal" },
	{ "", "service", CONF_STRING, NULL, 36, 36, CONF_RESTART,
	  "UUID of the service" },
	{ "", "watch", CONF_BOOL, "false", 0, 0, CONF_LIVE,
	  "whether files are watched" },
	{ "http", "listen", CONF_LISTEN, "127.0.0.1:8080", 0, 0, CONF_RESTART,
	  "address for clients" },
	{ "http", "connections", CONF_INT, "1000", 1, 100000, CONF_LIVE,
	  "connections in all" },
	{ "http.tls", "certificate", CONF_PATH, NULL, 0, 0, CONF_LIVE,
	  "certificate chain, PEM" },
	{ "push", "listen", CONF_LISTEN, NULL, 0, 0, CONF_RESTART,
	  "address for subscribers" },
	{ "push", "public-uri", CONF_URI, NULL, 0, 0, CONF_RESTART,
	  "URI under which subscribers reach it" },
	{ "push", "history-limit", CONF_SIZE, "64M", 1 << 20,
	  INT64_C(4) << 30, CONF_LIVE, "bytes of updates kept" },
	{ "signing", "lifetime", CONF_SECONDS, "24h", 60, INT64_MAX, CONF_LIVE,
	  "seconds a signature is valid" },
	{ "signing", "pin", CONF_STRING, NULL, 0, 0, CONF_SECRET | CONF_LIVE,
	  "PIN of the token" },
	{ "", "maps", CONF_LIST, NULL, 1, 3, CONF_LIVE, "maps to serve" },
	{ "maps", "id", CONF_STRING, NULL, 1, 64, CONF_REQUIRED,
	  "resource-id" },
	{ "maps", "file", CONF_PATH, NULL, 0, 0, CONF_REQUIRED,
	  "file it is read from" },
	{ "maps", "default", CONF_BOOL, "false", 0, 0, 0,
	  "whether it is the default network map" },
	{ "maps.limits", "size", CONF_SIZE, "1G", 0, 0, 0,
	  "bytes of the file" },
	{ "", "subscribers", CONF_LIST, NULL, 0, 0, CONF_LIVE,
	  "who may subscribe" },
	{ "subscribers", "name", CONF_STRING, NULL, 0, 0, CONF_REQUIRED,
	  "name of the proxy" },
	{ "subscribers", "uris", CONF_URIS, NULL, 0, 4, 0,
	  "URIs it may announce" },
};

static void check(const struct conf *c, struct buf *errors)
{
	struct conf_listen l;

	if (conf_get_listen(c, "push.listen", &l) == RC_OK && l.wildcard &&
	    !conf_get_str(c, "push.public-uri"))
		conf_blame(c, errors, "", -1, "push.public-uri",
			   "is missing: push.listen is a wildcard");
	for (size_t i = 0; i < conf_list_count(c, "maps"); i++) {
		const char *id = conf_list_str(c, "maps", i, "id");

		if (id && strchr(id, '/'))
			conf_blame(c, errors, "maps", (long)i, "id",
				   "must not hold a slash");
	}
}

static const struct conf_table table = {
	"alto-test.conf", keys, sizeof(keys) / sizeof(keys[0]), check
};

#define HEAD "state = \"s\"; maps = ( { id = \"n\"; file = \"n.json\"; } );\n"

static enum rc load(const char *text, struct conf **out, struct buf *errors)
{
	CU_ASSERT_EQUAL_FATAL(file_replace(path, text, strlen(text), 0600,
					   NULL), RC_OK);
	return conf_load(&table, path, out, errors);
}

static struct conf *good(const char *text)
{
	struct buf errors = BUF_INIT(100000);
	struct conf *c = NULL;

	CU_ASSERT_EQUAL(load(text, &c, &errors), RC_OK);
	CU_ASSERT_STRING_EQUAL(buf_str(&errors), "");
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	buf_free(&errors);
	return c;
}

/* Each of the texts is a part of one line; there are as many lines. */
static void bad(const char *text, enum rc want, size_t n,
		const char *const *says)
{
	struct buf errors = BUF_INIT(100000);
	struct conf *c = NULL;
	size_t lines = 0;

	CU_ASSERT_EQUAL(load(text, &c, &errors), want);
	CU_ASSERT_PTR_NULL(c);
	for (size_t i = 0; i < errors.len; i++)
		lines += errors.data[i] == '\n';
	CU_ASSERT_EQUAL(lines, n);
	for (size_t i = 0; i < n; i++) {
		const char *hit = strstr(buf_str(&errors), says[i]);

		CU_ASSERT_PTR_NOT_NULL(hit);
		if (!hit || lines != n)
			printf("wanted: %s\ngot:\n%s", says[i],
			       buf_str(&errors));
	}
	buf_free(&errors);
}

static void one_bad(const char *text, const char *says)
{
	char all[4096];

	snprintf(all, sizeof(all), "%s%s", HEAD, text);
	bad(all, RC_ERULE, 1, &says);
}

static void defaults_fill_what_the_file_leaves_out(void)
{
	struct conf *c = good(HEAD);

	CU_ASSERT_FALSE(conf_get_bool(c, "watch"));
	CU_ASSERT_STRING_EQUAL(conf_get_str(c, "http.listen"),
			       "127.0.0.1:8080");
	CU_ASSERT_EQUAL(conf_get_int(c, "http.connections"), 1000);
	CU_ASSERT_EQUAL(conf_get_int(c, "push.history-limit"), 64 << 20);
	CU_ASSERT_EQUAL(conf_get_int(c, "signing.lifetime"), 86400);
	CU_ASSERT_PTR_NULL(conf_get_str(c, "push.listen"));
	CU_ASSERT_EQUAL(conf_list_count(c, "maps"), 1);
	CU_ASSERT_EQUAL(conf_list_count(c, "subscribers"), 0);
	CU_ASSERT_FALSE(conf_list_bool(c, "maps", 0, "default"));
	CU_ASSERT_EQUAL(conf_list_int(c, "maps", 0, "limits.size"), 1 << 30);
	conf_free(c);
	conf_free(NULL);
}

static void every_type_is_read(void)
{
	struct conf *c = good(
		"state = \"/var/lib/x\"; watch = true;\n"
		"http: { listen = \"[::1]:0\"; connections = 7;\n"
		"  tls: { certificate = \"c.pem\"; }; };\n"
		"push: { listen = \"10.0.0.1:81\"; history-limit = \"2G\";\n"
		"  public-uri = \"wss://alto.example.net:8081/push\"; };\n"
		"signing: { lifetime = 86400000000L; };\n"
		"maps = ( { id = \"n\"; file = \"n.json\"; default = true; },\n"
		"  { id = \"c\"; file = \"/m/c.json\";\n"
		"    limits: { size = \"8K\"; }; } );\n"
		"subscribers = ( { name = \"a\"; uris = [\"http://a/\", "
		"\"http://[::1]:80/\"]; }, { name = \"b\"; "
		"uris = \"https://b\"; }, { name = \"c\"; } );\n");
	char want[100];

	CU_ASSERT_STRING_EQUAL(conf_get_str(c, "state"), "/var/lib/x");
	CU_ASSERT_TRUE(conf_get_bool(c, "watch"));
	snprintf(want, sizeof(want), "%s/c.pem", dir);
	CU_ASSERT_STRING_EQUAL(conf_get_str(c, "http.tls.certificate"), want);
	CU_ASSERT_EQUAL(conf_get_int(c, "http.connections"), 7);
	CU_ASSERT_EQUAL(conf_get_int(c, "push.history-limit"),
			INT64_C(2) << 30);
	CU_ASSERT_EQUAL(conf_get_int(c, "signing.lifetime"),
			INT64_C(86400000000));
	CU_ASSERT_STRING_EQUAL(conf_list_str(c, "maps", 1, "file"),
			       "/m/c.json");
	CU_ASSERT_TRUE(conf_list_bool(c, "maps", 0, "default"));
	CU_ASSERT_TRUE(conf_list_is_set(c, "maps", 0, "default"));
	CU_ASSERT_FALSE(conf_list_is_set(c, "maps", 1, "default"));
	CU_ASSERT_EQUAL(conf_list_int(c, "maps", 1, "limits.size"), 8192);
	CU_ASSERT_EQUAL(conf_list_strings(c, "subscribers", 0, "uris"), 2);
	CU_ASSERT_STRING_EQUAL(conf_list_nth(c, "subscribers", 0, "uris", 1),
			       "http://[::1]:80/");
	CU_ASSERT_STRING_EQUAL(conf_list_nth(c, "subscribers", 1, "uris", 0),
			       "https://b");
	CU_ASSERT_PTR_NULL(conf_list_nth(c, "subscribers", 2, "uris", 0));
	conf_free(c);
}

static void every_error_of_meaning_is_said_in_one_run(void)
{
	static const char *const says[] = {
		":2: watch: must be true or false",
		":3: http.listen: \"localhost:80\" is not \"address:port\"",
		":4: http.conections: unknown setting; the nearest known is "
		"\"connections\"",
		":5: http.tls: must be a group",
		":6: push.history-limit: 5 is out of range; 1048576 to "
		"4294967296",
		":6: push.public-uri: \"alto.example.net\" is not an http",
		":7: signing.lifetime: must be seconds",
		":8: maps[0].file: is missing; it must be a path",
		":9: maps[1].id: must be a text",
		":9: maps[1].fil: unknown setting; the nearest known is "
		"\"file\"",
		":9: maps[1].file: is missing",
		":10: lifetime: unknown setting here; there is "
		"\"signing.lifetime\"",
		": state: is missing; it must be a path",
	};

	bad("# comment\nwatch = 1;\nhttp: { listen = \"localhost:80\";\n"
	    "conections = 5;\ntls = 1; };\n"
	    "push: { history-limit = 5; public-uri = \"alto.example.net\"; };\n"
	    "signing: { lifetime = \"10x\"; };\n"
	    "maps = ( { id = \"a\"; },\n"
	    "  { id = 5; fil = \"x\"; } );\n"
	    "lifetime = 5;\n", RC_ERULE, sizeof(says) / sizeof(says[0]), says);
}

static void errors_name_the_file(void)
{
	char want[100];
	const char *says = want;

	snprintf(want, sizeof(want), "%s:2: watch: ", path);
	bad(HEAD "watch = 3;", RC_ERULE, 1, &says);
}

static void one_error_of_syntax_is_said(void)
{
	static const char *const says[] = { ":3: syntax error" };
	static const char *const open[] = { ":2: a text (\") or comment" };
	static const char *const twice[] = { ":3: duplicate setting name" };

	bad(HEAD "watch = true;\nhttp: { listen = = 5; }; }\n", RC_ESYNTAX, 1,
	    says);
	bad(HEAD "watch = true;\nwatch = true;\n", RC_ESYNTAX, 1, twice);
	bad(HEAD "service = \"abc;\nwatch = true;\n", RC_ESYNTAX, 1, open);
	bad(HEAD "/* abc;\nwatch = true;\n", RC_ESYNTAX, 1, open);
}

static void numbers_that_would_wrap_are_refused(void)
{
	struct conf *c;

	one_bad("signing: { lifetime = 86400000000; };",
		":2: number 86400000000 needs more than 32 bits: write "
		"86400000000L");
	one_bad("signing: {\n lifetime = 99999999999999999999L; };",
		":3: number 99999999999999999999L is out of all range");
	one_bad("push: { history-limit = 0xFFFFFFFF; };",
		"number 4294967295 needs more than 32 bits");
	one_bad("http: { connections = -4294967295; };",
		"number -4294967295 needs more than 32 bits");
	/* Not numbers: strings, comments, names. */
	c = good(HEAD "# 86400000000\n// 86400000000\n/* \n86400000000 */\n"
		 "signing: { pin = \"86400000000 \\\" 86400000000\"; };");
	CU_ASSERT_STRING_EQUAL(conf_get_str(c, "signing.pin"),
			       "86400000000 \" 86400000000");
	conf_free(c);
}

static void bad_values_are_named_with_what_is_right(void)
{
	one_bad("watch = \"true\";", "watch: must be true or false");
	one_bad("service = \"short\";", "5 bytes is out of range; 36 to 36");
	one_bad("http: { connections = \"5\"; };", "must be a whole number");
	one_bad("http: { connections = 1.5; };", "must be a whole number");
	one_bad("http: { connections = 0; };", "0 is out of range; 1 to");
	one_bad("signing: { lifetime = -5; };", "must not be negative");
	one_bad("signing: { lifetime = 5; };", "too little; at least 60");
	one_bad("signing: { lifetime = \"9223372036854775807d\"; };",
		"must be seconds");
	one_bad("push: { history-limit = \"64MB\"; };", "must be bytes");
	one_bad("http: { listen = \"\"; };", "must not be empty");
	one_bad("signing: { pin = \"a\\nb\"; };", "control characters");
	one_bad("http = 5;", "http: must be a group");
	one_bad("subscribers = { };", "must be a list of groups");
	one_bad("subscribers = ( 5 );", "subscribers[0]: must be a group");
	one_bad("subscribers = ( { name = \"a\"; uris = [5]; } );",
		"subscribers[0].uris: must be a URI or an array");
	one_bad("subscribers = ( { name = \"a\"; uris = [\"x\"]; } );",
		"\"x\" is not an http, https, ws or wss URI");
	one_bad("subscribers = ( { name = \"a\"; uris = [\"http://a\", "
		"\"http://b\", \"http://c\", \"http://d\", \"http://e\"]; } );",
		"5 entries is out of range; 0 to 4");
	one_bad("zzz = 1;", ":2: zzz: unknown setting\n");
	one_bad("@include \"/etc/passwd\"\n", "@include is not supported");
}

static void a_list_has_its_range(void)
{
	static const char *const few[] = { ":1: maps: 0 elements; 1 to 3" };

	bad("state = \"s\"; maps = ();", RC_ERULE, 1, few);
}

static void the_table_checks_what_hangs_together(void)
{
	static const char *const says[] = {
		":2: push.public-uri: is missing: push.listen is a wildcard",
		":3: maps[0].id: must not hold a slash",
		":4: watch: must be",
	};

	bad("state = \"s\";\npush: { listen = \"[::]:1\"; };\n"
	    "maps = ( { id = \"a/b\"; file = \"f\"; } );\nwatch = 0;\n",
	    RC_ERULE, 3, says);
}

static void no_file_is_an_error_with_its_name(void)
{
	struct buf errors = BUF_INIT(1000);
	struct conf *c = NULL;

	CU_ASSERT_EQUAL(conf_load(&table, "/nonexistent/x.conf", &c, &errors),
			RC_ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_str(&errors),
				      "/nonexistent/x.conf: cannot open"));
	CU_ASSERT_PTR_NULL(c);
	buf_free(&errors);
}

static void uris_are_absolute_and_clean(void)
{
	static const char *const wrong[] = {
		"ftp://a/", "http:/a", "http://", "https:///x", "http://a b/",
		"http://user@a/", "http://a:b/", "http://a:99999/",
		"http://a#f", "http://[::1/", "http://[g]/", "//a/",
	};
	char text[100];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(text, sizeof(text),
			 "push: { public-uri = \"%s\"; };", wrong[i]);
		one_bad(text, "push.public-uri: ");
	}
}

static const char *const full =
	"state = \"/s \\\"q\\\" \\\\b\"; signing: { lifetime = 86400000000L; "
	"pin = \"1234\"; };\n"
	"maps = ( { id = \"n\"; file = \"n.json\"; }, { id = \"m\"; "
	"file = \"m.json\"; limits: { size = \"8K\"; }; } );\n"
	"subscribers = ( { name = \"a\"; uris = [\"http://a/\", \"http://b/\"];"
	" } );\n";

static void what_is_shown_reads_back_the_same(void)
{
	struct buf one = BUF_INIT(100000), two = BUF_INIT(100000);
	struct buf live = BUF_INIT(1000), restart = BUF_INIT(1000);
	struct conf *a = good(full), *b;

	conf_show(a, &one);
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_str(&one),
		"  # connections in all\n  connections = 1000;\t# default\n"));
	CU_ASSERT_PTR_NULL(strstr(buf_str(&one), "1234"));
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_str(&one), "# set, not shown"));
	b = good(buf_str(&one));
	conf_diff(a, b, &live, &restart);
	CU_ASSERT_STRING_EQUAL(buf_str(&live), "signing.pin\n");
	CU_ASSERT_STRING_EQUAL(buf_str(&restart), "");
	conf_show(b, &two);
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_str(&two), "86400000000L"));
	conf_free(a);
	conf_free(b);
	buf_free(&one);
	buf_free(&two);
	buf_free(&live);
	buf_free(&restart);
}

static void a_difference_is_named_by_reload_class(void)
{
	struct buf live = BUF_INIT(1000), restart = BUF_INIT(1000);
	struct conf *a = good(HEAD);
	struct conf *b = good(
		"state = \"other\"; watch = true;"
		"http: { connections = 1000; };"
		"maps = ( { id = \"n\"; file = \"x.json\"; } );"
		"push: { listen = \"127.0.0.1:1\"; };");

	conf_diff(a, b, &live, &restart);
	CU_ASSERT_STRING_EQUAL(buf_str(&live), "watch\nmaps\n");
	CU_ASSERT_STRING_EQUAL(buf_str(&restart), "state\npush.listen\n");
	conf_free(a);
	conf_free(b);
	buf_free(&live);
	buf_free(&restart);
}

static void a_file_below_a_directory_is_found(void)
{
	static const char *const below[] = { "in", "in/map", "in/s", "io" };
	char at[4][96], slash[120];
	struct conf *c = good("state = \"in/s\"; maps = ( { id = \"n\"; "
	                      "file = \"n.json\"; }, { id = \"m\"; "
	                      "file = \"in/map\"; } );");

	for (size_t i = 0; i < 4; i++)
		snprintf(at[i], sizeof(at[i]), "%s/%s", dir, below[i]);
	CU_ASSERT_EQUAL(mkdir(at[0], 0700) | mkdir(at[2], 0700) |
	                mkdir(at[3], 0700), 0);
	CU_ASSERT_PTR_NULL(conf_below(c, at[0]));	/* none is there */
	CU_ASSERT_EQUAL(file_create(at[1], "", 0, 0600, NULL), RC_OK);
	snprintf(slash, sizeof(slash), "%s/../in/", at[3]);
	CU_ASSERT_PTR_NOT_NULL_FATAL(conf_below(c, slash));
	CU_ASSERT_STRING_EQUAL(conf_below(c, slash), at[1]);
	CU_ASSERT_PTR_NULL(conf_below(c, at[2]));
	CU_ASSERT_PTR_NULL(conf_below(c, at[3]));
	CU_ASSERT_PTR_NOT_NULL_FATAL(conf_below(c, dir));
	CU_ASSERT_STRING_EQUAL(conf_below(c, dir), path);
	CU_ASSERT_PTR_NULL(conf_below(c, "/no/such/directory"));
	unlink(at[1]);
	rmdir(at[2]);
	rmdir(at[0]);
	rmdir(at[3]);
	conf_free(c);
}

static void the_sample_lacks_only_what_is_required(void)
{
	static const char *const says[] = {
		"state: still to be filled in",
	};
	struct buf sample = BUF_INIT(100000);

	conf_sample(&table, &sample);
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_str(&sample),
				      "  # history-limit = \"64M\";\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_str(&sample),
				      "\nstate = \"...\";\t# required\n"));
	bad(buf_str(&sample), RC_ERULE, 1, says);
	buf_free(&sample);
}

static const char *file_of(const char *text)
{
	CU_ASSERT_EQUAL_FATAL(file_replace(path, text, strlen(text), 0600,
					   NULL), RC_OK);
	return path;
}

static void look(const struct conf *c, void *arg)
{
	struct buf *seen = arg;

	buf_printf(seen, "%s %lld;", conf_get_str(c, "state"),
		   (long long)conf_get_int(c, "http.connections"));
}

static void a_check_looks_closer_also_where_values_are_wrong(void)
{
	static const struct { const char *text, *seen; enum rc rc; } cases[] = {
		{ HEAD "http: { connections = 99; };", " 99;", RC_OK },
		{ HEAD "http: { connections = true; };", " 1000;", RC_ERULE },
		{ HEAD "http: { connections = ", "", RC_ESYNTAX },
		{ HEAD "@include \"other\"\n", "", RC_ERULE },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf errors = BUF_INIT(10000), seen = BUF_INIT(1000);

		CU_ASSERT_EQUAL(conf_check(&table, file_of(cases[i].text),
					   look, &seen, &errors), cases[i].rc);
		CU_ASSERT_PTR_NOT_NULL(strstr(buf_str(&seen), cases[i].seen));
		CU_ASSERT_EQUAL(seen.len == 0, !*cases[i].seen);
		CU_ASSERT_EQUAL(errors.len == 0, cases[i].rc == RC_OK);
		buf_free(&errors);
		buf_free(&seen);
	}
}

static void adds(const struct conf *c, void *arg)
{
	conf_blame(c, arg, "", -1, "state", "is on the moon");
}

static void what_a_closer_look_finds_is_an_error(void)
{
	struct buf errors = BUF_INIT(10000);

	CU_ASSERT_EQUAL(conf_check(&table, file_of(HEAD), adds, &errors,
				   &errors), RC_ERULE);
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_str(&errors), "state: is on the"));
	buf_free(&errors);
}

static void the_placeholder_of_a_sample_is_no_value(void)
{
	one_bad("http: { tls: { certificate = \"...\"; }; };",
		"http.tls.certificate: still to be filled in");
}

static void the_same_file_is_read_again(void)
{
	struct buf errors = BUF_INIT(1000);
	static const char later[] = HEAD "watch = true;\n", wrong[] = HEAD "x = 1;";
	struct conf *a = good(HEAD), *b = NULL;

	CU_ASSERT_EQUAL_FATAL(file_replace(path, later, strlen(later), 0600,
					   NULL), RC_OK);
	CU_ASSERT_EQUAL(conf_again(a, &b, &errors), RC_OK);
	CU_ASSERT_PTR_NOT_NULL_FATAL(b);
	CU_ASSERT(conf_get_bool(b, "watch") && !conf_get_bool(a, "watch"));
	conf_free(b);
	b = NULL;
	CU_ASSERT_EQUAL_FATAL(file_replace(path, wrong, strlen(wrong), 0600,
					   NULL), RC_OK);
	CU_ASSERT_EQUAL(conf_again(a, &b, &errors), RC_ERULE);
	CU_ASSERT_PTR_NULL(b);
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_str(&errors), "unknown setting"));
	conf_free(a);
	buf_free(&errors);
}

static void the_manual_names_every_setting(void)
{
	struct buf page = BUF_INIT(100000);

	conf_manual(&table, &page);
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_str(&page), ".SH SETTINGS\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_str(&page),
				      ".B push.history\\-limit\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_str(&page), "Default: 64M."));
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_str(&page),
				      "A change needs a restart."));
	buf_free(&page);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "defaults fill what the file leaves out",
		  defaults_fill_what_the_file_leaves_out },
		{ "every type is read", every_type_is_read },
		{ "every error of meaning is said in one run",
		  every_error_of_meaning_is_said_in_one_run },
		{ "errors name the file", errors_name_the_file },
		{ "one error of syntax is said", one_error_of_syntax_is_said },
		{ "numbers that would wrap are refused",
		  numbers_that_would_wrap_are_refused },
		{ "bad values are named with what is right",
		  bad_values_are_named_with_what_is_right },
		{ "a list has its range", a_list_has_its_range },
		{ "the table checks what hangs together",
		  the_table_checks_what_hangs_together },
		{ "no file is an error with its name",
		  no_file_is_an_error_with_its_name },
		{ "URIs are absolute and clean", uris_are_absolute_and_clean },
		{ "what is shown reads back the same",
		  what_is_shown_reads_back_the_same },
		{ "a difference is named by reload class",
		  a_difference_is_named_by_reload_class },
		{ "a file below a directory is found",
		  a_file_below_a_directory_is_found },
		{ "the sample lacks only what is required",
		  the_sample_lacks_only_what_is_required },
		{ "a check looks closer also where values are wrong",
		  a_check_looks_closer_also_where_values_are_wrong },
		{ "what a closer look finds is an error",
		  what_a_closer_look_finds_is_an_error },
		{ "the placeholder of a sample is no value",
		  the_placeholder_of_a_sample_is_no_value },
		{ "the same file is read again", the_same_file_is_read_again },
		{ "the manual names every setting",
		  the_manual_names_every_setting },
		CU_TEST_INFO_NULL
	};
	int rc;

	if (!mkdtemp(dir))
		return 99;
	snprintf(path, sizeof(path), "%s/alto-test.conf", dir);
	rc = suite_run("conf", tests);
	unlink(path);
	rmdir(dir);
	return rc;
}
