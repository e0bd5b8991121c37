/* Network maps as JSON: any spelling in, one out, each rule with its place. */
#include "common/core/digest.h"
#include "common/wire/netmap_json.h"
#include "tests/suite.h"

struct result {
	enum rc rc;
	struct netmap *map;
	struct vtag stated;
	struct map_notes notes;
	struct diag d;
};

static struct result take(const char *text, const struct netmap *base)
{
	struct result r = { .rc = RC_OK };
	struct scan *s = NULL;

	CU_ASSERT_EQUAL_FATAL(scan_new_bytes(text, strlen(text), &r.d, &s),
	                      RC_OK);
	r.rc = netmap_json_read(s, base, &r.map, &r.stated, &r.notes);
	scan_free(s);
	return r;
}

/* The canonical object of the map, without meta. */
static void put_map(const struct netmap *m, struct buf *b)
{
	buf_putc(b, '{');
	for (size_t i = 0; i < netmap_pids(m); i++) {
		if (i)
			buf_putc(b, ',');
		netmap_json_row(index_name(netmap_names(m), (uint32_t)i),
		                netmap_row(m, i), b);
	}
	buf_putc(b, '}');
}

static void check_map(const struct netmap *m, const char *want)
{
	struct buf b = BUF_INIT(1u << 20);

	put_map(m, &b);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), want);
	buf_free(&b);
}

#define META "\"meta\":{\"vtag\":{\"resource-id\":\"net\",\"tag\":\"t1\"}}"
#define CANON "{\"default\":{\"ipv4\":[\"0.0.0.0/0\"],\"ipv6\":[\"::/0\"]}," \
	"\"pop-a\":{},\"pop-b\":{\"ipv4\":[\"192.0.2.0/24\"," \
	"\"198.51.100.0/24\"],\"ipv6\":[\"2001:db8::/32\"]}}"

static void any_order_and_spelling_gives_the_canonical_form(void)
{
	struct result r = take("\n{ \"network-map\" : {\n"
		"\"pop-b\":{\"ipv6\":[\"2001:DB8:0::/32\"],"
		"\"ipv4\":[\"198.51.100.0/24\", \"192.0.2.0\\/24\"]},"
		"\"default\":{\"ipv4\":[\"0.0.0.0/0\"],\"ipv6\":[\"::/0\"]},"
		"\"pop\\u002da\":{\"ipv4\":[]}},\t" META " }\n", NULL);

	CU_ASSERT_EQUAL_FATAL(r.rc, RC_OK);
	check_map(r.map, CANON);
	CU_ASSERT_STRING_EQUAL(r.stated.id, "net");
	CU_ASSERT_STRING_EQUAL(r.stated.tag, "t1");
	CU_ASSERT_EQUAL(r.notes.dropped_members, 0);
	CU_ASSERT_EQUAL(r.notes.repeats, 0);
	netmap_unref(r.map);
}

static void the_canonical_form_reads_back_and_shares_its_rows(void)
{
	struct result a = take("{" META ",\"network-map\":" CANON "}", NULL);
	struct result b = take("{\"network-map\":" CANON "," META "}", a.map);

	CU_ASSERT_EQUAL_FATAL(a.rc, RC_OK);
	CU_ASSERT_EQUAL_FATAL(b.rc, RC_OK);
	check_map(b.map, CANON);
	for (size_t i = 0; i < 3; i++)
		CU_ASSERT_PTR_EQUAL(netmap_row(a.map, i), netmap_row(b.map, i));
	netmap_unref(a.map);
	netmap_unref(b.map);
}

static void what_we_do_not_serve_is_dropped_and_counted(void)
{
	struct result r = take("{\"x\":[1,{\"y\":2}],\"meta\":{\"owner\":null,"
		"\"vtag\":{\"resource-id\":\"net\",\"more\":1}},\"network-map\":"
		"{\"a\":{\"ipv4\":[\"0.0.0.0/0\",\"0.0.0.0/0\"]}}}", NULL);

	CU_ASSERT_EQUAL_FATAL(r.rc, RC_OK);
	CU_ASSERT_EQUAL(r.notes.dropped_members, 3);
	CU_ASSERT_STRING_EQUAL(r.notes.first_dropped, "x");
	CU_ASSERT_EQUAL(r.notes.repeats, 1);
	CU_ASSERT_STRING_EQUAL(r.stated.tag, "");
	netmap_unref(r.map);
}

static void a_cost_map_beside_it_is_refused(void)
{
	struct result r = take("{" META ",\"network-map\":{},\"cost-map\":{}}",
	                       NULL);

	CU_ASSERT_EQUAL(r.rc, RC_ERULE);
	CU_ASSERT_PTR_NULL(r.map);
}

static void a_map_without_pids_is_taken(void)
{
	struct result r = take("{" META ",\"network-map\":{}}", NULL);

	CU_ASSERT_EQUAL_FATAL(r.rc, RC_OK);
	check_map(r.map, "{}");
	netmap_unref(r.map);
}

#define IN_MAP(x) "{" META ",\n\"network-map\":{" x "}}"
#define IN_A(x) IN_MAP("\"d\":{\"ipv4\":[\"0.0.0.0/0\"]},\n\"a\":{" x "}")
#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define VTAG(x) "{\"meta\":{\"vtag\":{" x "}},\"network-map\":{}}"

static const struct {
	const char *text;
	enum rc rc;
	size_t line;
	const char *pointer, *says;
} refused[] = {
	{ IN_A("\"ipv4\":[\"10.0.0.0/8\",\n\"198.51.100.130/24\"]"), RC_ERULE,
	  4, "/network-map/a/ipv4/1", "write 198.51.100.0/24" },
	{ IN_A("\"ipv4\":[\"10.0.0.0\"]"), RC_ESYNTAX, 3,
	  "/network-map/a/ipv4/0", "has no length" },
	{ IN_A("\"ipv4\":[7]"), RC_ESYNTAX, 3, "/network-map/a/ipv4/0",
	  "expected a string, found a number" },
	{ IN_A("\"ipv4\":\"10.0.0.0/8\""), RC_ESYNTAX, 3,
	  "/network-map/a/ipv4", "expected an array, found a string" },
	{ IN_A("\"ipv4\":[],\"ipv4\":[]"), RC_ERULE, 3, "/network-map/a/ipv4",
	  "there twice" },
	{ IN_A("\"mac-48\":[]"), RC_ERULE, 3, "/network-map/a/mac-48",
	  "address type \"mac-48\" is not known" },
	{ IN_A("\"IPv4\":[]"), RC_ERULE, 3, "/network-map/a/IPv4",
	  "not known" },
	{ IN_A("\"ipv4\":[\"0.0.0.0/0\"]"), RC_ERULE, 3, "/network-map",
	  "0.0.0.0/0 is in both \"a\" and \"d\"" },
	{ IN_A("\"ipv6\":[\"8000::/1\"]"), RC_ERULE, 3, "/network-map",
	  "IPv6 prefixes do not cover :: - 7fff" },
	{ IN_MAP("\"a\":{\"ipv4\":[\"0.0.0.0/1\"]}"), RC_ERULE, 2,
	  "/network-map", "add 0.0.0.0/0 to a PID" },
	{ IN_MAP("\"a\":{},\n\"a\":{}"), RC_ERULE, 3, "/network-map/a",
	  "\"a\" is there twice" },
	{ IN_MAP("\"a\":[]"), RC_ESYNTAX, 2, "/network-map/a",
	  "expected an object" },
	{ IN_MAP("\"a.b\":{}"), RC_ERULE, 2, "/network-map/a.b",
	  "\"a.b\": no PID name" },
	{ IN_MAP("\"\":{}"), RC_ERULE, 2, "/network-map/", "no PID name" },
	{ IN_MAP("\"a\\u0000\":{}"), RC_ERULE, 2, "/network-map/a?",
	  "no PID name" },
	{ IN_MAP("\"" X64 "x\":{}"), RC_ERULE, 2, "/network-map/" X64 "x",
	  "1 to 64" },
	{ "{" META "}", RC_ERULE, 1, "", "\"network-map\" is missing" },
	{ "{\"network-map\":{}}", RC_ERULE, 1, "", "\"meta\"" },
	{ "{\"meta\":{},\"network-map\":{}}", RC_ERULE, 1, "/meta",
	  "\"vtag\" is missing" },
	{ "{\"meta\":7}", RC_ESYNTAX, 1, "/meta", "expected an object" },
	{ "{" META "," META "}", RC_ERULE, 1, "/meta", "there twice" },
	{ "{\"network-map\":{},\"network-map\":{}}", RC_ERULE, 1,
	  "/network-map", "there twice" },
	{ "{\"x\":1,\"x\":1}", RC_ERULE, 1, "/x", "there twice" },
	{ VTAG("\"tag\":\"t\""), RC_ERULE, 1, "/meta/vtag",
	  "\"resource-id\" is missing" },
	{ VTAG("\"resource-id\":\"a.b\""), RC_ERULE, 1,
	  "/meta/vtag/resource-id", "no resource-id" },
	{ VTAG("\"resource-id\":\"a\",\"resource-id\":\"a\""), RC_ERULE, 1,
	  "/meta/vtag/resource-id", "there twice" },
	{ VTAG("\"resource-id\":\"a\",\"tag\":\"" X64 "x\""), RC_ERULE, 1,
	  "/meta/vtag/tag", "no tag" },
	{ VTAG("\"resource-id\":\"a\",\"tag\":\"a b\""), RC_ERULE, 1,
	  "/meta/vtag/tag", "no tag" },
	{ VTAG("\"resource-id\":\"a\",\"tag\":null"), RC_ESYNTAX, 1,
	  "/meta/vtag/tag", "expected a string" },
	{ "[]", RC_ESYNTAX, 1, "", "expected an object, found an array" },
	{ "", RC_ESYNTAX, 1, "", "the end of the input" },
	{ IN_MAP("") "x", RC_ESYNTAX, 2, "", "expected the end" },
};

static void each_rule_broken_is_named_with_its_place(void)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct result r = take(refused[i].text, NULL);

		CU_ASSERT_EQUAL(r.rc, refused[i].rc);
		CU_ASSERT_EQUAL(r.d.line, refused[i].line);
		CU_ASSERT_STRING_EQUAL(r.d.pointer, refused[i].pointer);
		CU_ASSERT_PTR_NULL(r.map);
		CU_ASSERT_STRING_EQUAL(r.stated.id, "");
		if (!strstr(r.d.text, refused[i].says)) {
			printf("%s\n  said: %s\n", refused[i].text, r.d.text);
			CU_FAIL("another text");
		}
		netmap_unref(r.map);
	}
}

static void a_tag_of_64_characters_is_taken(void)
{
	struct result r = take(VTAG("\"tag\":\"" X64 "\",\"resource-id\":\""
	                            X64 "\""), NULL);

	CU_ASSERT_EQUAL_FATAL(r.rc, RC_OK);
	CU_ASSERT_STRING_EQUAL(r.stated.tag, X64);
	CU_ASSERT_STRING_EQUAL(r.stated.id, X64);
	netmap_unref(r.map);
}

static void an_object_of_too_many_members_is_refused(void)
{
	struct buf b = BUF_INIT(1u << 20);
	struct result r;

	buf_putc(&b, '{');
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "\"m%d\":0,", i);
	buf_puts(&b, META "}");
	r = take(buf_str(&b), NULL);
	CU_ASSERT_EQUAL(r.rc, RC_ELIMIT);
	buf_free(&b);
}

static FILE *open_data(const char *name)
{
	const char *dir = getenv("ALTOCAST_SHARED"), *src = getenv("srcdir");
	char path[1024];

	if (dir)
		snprintf(path, sizeof(path), "%s/%s", dir, name);
	else
		snprintf(path, sizeof(path), "%s/../shared/%s",
		         src ? src : ".", name);
	return fopen(path, "rb");
}

static long read_file(void *arg, char *dst, size_t len)
{
	FILE *f = arg;
	size_t n = fread(dst, 1, len, f);

	return ferror(f) ? -1 : (long)n;
}

/* In the data sets the stated tag is the SHA-256 of the canonical object. */
static void a_real_map_has_the_bytes_that_its_tag_states(void)
{
	FILE *f = open_data("data/isp/network-map.json");
	struct buf b = BUF_INIT(16u << 20);
	uint8_t hash[SHA256_SIZE], stated[SHA256_SIZE];
	struct digest *d = NULL;
	struct scan *s = NULL;
	struct map_notes notes;
	struct netmap *m = NULL;
	struct vtag tag;
	unsigned v;

	if (!f)
		SKIP("data/isp/network-map.json");
	CU_ASSERT_EQUAL_FATAL(scan_new_reader(read_file, f, NULL, &s), RC_OK);
	CU_ASSERT_EQUAL_FATAL(netmap_json_read(s, NULL, &m, &tag, &notes),
	                      RC_OK);
	CU_ASSERT_EQUAL(netmap_pids(m), 61);
	CU_ASSERT_EQUAL(netmap_prefixes(m), 28069);
	CU_ASSERT_STRING_EQUAL(tag.id, "isp-garr");
	put_map(m, &b);
	CU_ASSERT_EQUAL_FATAL(digest_new(&d), RC_OK);
	digest_start(d);
	digest_add(d, b.data, b.len);
	CU_ASSERT_EQUAL(digest_end(d, hash), RC_OK);
	for (size_t i = 0; i < SHA256_SIZE; i++) {
		CU_ASSERT_EQUAL_FATAL(sscanf(tag.tag + 2 * i, "%2x", &v), 1);
		stated[i] = (uint8_t)v;
	}
	CU_ASSERT_EQUAL(memcmp(hash, stated, SHA256_SIZE), 0);
	digest_free(d);
	netmap_unref(m);
	scan_free(s);
	buf_free(&b);
	fclose(f);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "any order and spelling gives the canonical form",
		  any_order_and_spelling_gives_the_canonical_form },
		{ "the canonical form reads back and shares its rows",
		  the_canonical_form_reads_back_and_shares_its_rows },
		{ "what we do not serve is dropped and counted",
		  what_we_do_not_serve_is_dropped_and_counted },
		{ "a cost map beside it is refused",
		  a_cost_map_beside_it_is_refused },
		{ "a map without PIDs is taken", a_map_without_pids_is_taken },
		{ "each rule broken is named with its place",
		  each_rule_broken_is_named_with_its_place },
		{ "a tag of 64 characters is taken",
		  a_tag_of_64_characters_is_taken },
		{ "an object of too many members is refused",
		  an_object_of_too_many_members_is_refused },
		{ "a real map has the bytes that its tag states",
		  a_real_map_has_the_bytes_that_its_tag_states },
		CU_TEST_INFO_NULL
	};

	return suite_run("netmap_json", tests);
}
