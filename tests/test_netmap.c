/* Names, rows and network maps: what a map must be before anybody sees it. */
#include "common/core/netmap.h"
#include "common/core/vtag.h"
#include "tests/suite.h"

static bool name_is(bool (*ok)(const char *, size_t), const char *s)
{
	return ok(s, strlen(s));
}

#define N64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ABCDEF"

static void pid_names_follow_the_grammar(void)
{
	CU_ASSERT_TRUE(name_is(pid_ok, "pop-FI_1:a@b"));
	CU_ASSERT_TRUE(name_is(pid_ok, N64));
	CU_ASSERT_FALSE(name_is(pid_ok, N64 "x"));
	CU_ASSERT_FALSE(name_is(pid_ok, ""));
	CU_ASSERT_FALSE(name_is(pid_ok, "a.b"));
	CU_ASSERT_FALSE(name_is(pid_ok, "a b"));
	CU_ASSERT_FALSE(name_is(pid_ok, "a/b"));
	CU_ASSERT_FALSE(name_is(pid_ok, "\xc3\xa9"));
	CU_ASSERT_FALSE(pid_ok("a\0b", 3));
	CU_ASSERT_TRUE(name_is(resource_id_ok, "cost-routing"));
	CU_ASSERT_FALSE(name_is(resource_id_ok, DIRECTORY_ID));
}

static void tags_are_1_to_64_visible_characters(void)
{
	CU_ASSERT_TRUE(name_is(tag_ok, "!\"~"));
	CU_ASSERT_TRUE(name_is(tag_ok, N64));
	CU_ASSERT_FALSE(name_is(tag_ok, N64 "x"));
	CU_ASSERT_FALSE(name_is(tag_ok, ""));
	CU_ASSERT_FALSE(name_is(tag_ok, "a b"));
	CU_ASSERT_FALSE(name_is(tag_ok, "a\x7f"));
	CU_ASSERT_FALSE(name_is(tag_ok, "\xc3\xa9"));
}

static void metrics_and_modes_follow_the_grammar(void)
{
	CU_ASSERT_TRUE(name_is(metric_ok, "routingcost"));
	CU_ASSERT_TRUE(name_is(metric_ok, "delay-ow:p99.9"));
	CU_ASSERT_TRUE(name_is(metric_ok, "priv:x"));
	CU_ASSERT_TRUE(name_is(metric_ok, "0123456789abcdef0123456789abcdef"));
	CU_ASSERT_FALSE(name_is(metric_ok,
	                        "0123456789abcdef0123456789abcdefg"));
	CU_ASSERT_FALSE(name_is(metric_ok, "priv:"));
	CU_ASSERT_FALSE(name_is(metric_ok, ""));
	CU_ASSERT_FALSE(name_is(metric_ok, ".a"));
	CU_ASSERT_FALSE(name_is(metric_ok, "a."));
	CU_ASSERT_FALSE(name_is(metric_ok, "a@b"));
	CU_ASSERT_TRUE(name_is(mode_ok, "numerical"));
	CU_ASSERT_TRUE(name_is(mode_ok, "priv:x"));
	CU_ASSERT_FALSE(name_is(mode_ok, "priv:"));
	CU_ASSERT_FALSE(name_is(mode_ok, "a.b"));
}

static char *copy(const char *s)
{
	char *p = malloc(strlen(s) + 1);

	memcpy(p, s, strlen(s) + 1);
	return p;
}

static void a_row_is_sealed_once_and_hashes_its_text(void)
{
	/* SHA-256 of 0x00: the leaf that is empty (RFC 9162 s2.1.1). */
	static const uint8_t empty_leaf[4] = { 0x6e, 0x34, 0x0b, 0x9c };
	struct netrow *r = row_new(sizeof(*r));
	struct digest *d = NULL;

	CU_ASSERT_EQUAL_FATAL(digest_new(&d), RC_OK);
	CU_ASSERT_PTR_NULL(r->row.text);
	CU_ASSERT_EQUAL(row_seal(&r->row, d, copy(""), 0), RC_OK);
	CU_ASSERT_EQUAL(memcmp(r->row.leaf, empty_leaf, 4), 0);
	CU_ASSERT_EQUAL(row_seal(&r->row, d, copy("again"), 5), RC_EINVAL);
	CU_ASSERT_STRING_EQUAL(r->row.text, "");
	row_ref(&r->row);
	row_unref(&r->row);
	CU_ASSERT_EQUAL(r->row.text_len, 0);
	row_unref(&r->row);
	row_unref(NULL);
	digest_free(d);
}

static struct prefix pfx(const char *text)
{
	enum family f = strchr(text, ':') ? FAMILY_IPV6 : FAMILY_IPV4;
	struct prefix p;

	memset(&p, 0, sizeof(p));
	CU_ASSERT_EQUAL(prefix_read(text, strlen(text), f, &p, NULL), RC_OK);
	return p;
}

/* Adds "name" or "name: prefix prefix": the tests write maps as lines. */
static enum rc add_pid(struct netbuild *b, const char *line)
{
	size_t len = strcspn(line, ":");
	enum rc rc = netbuild_pid(b, line, len, NULL);

	line += len + (line[len] == ':');
	while (rc == RC_OK && *line) {
		char text[64];
		size_t n;
		struct prefix p;

		line += strspn(line, " ");
		n = strcspn(line, " ");
		memcpy(text, line, n);
		text[n] = '\0';
		line += n;
		p = pfx(text);
		rc = netbuild_prefix(b, &p);
	}
	return rc;
}

static enum rc make(const char *const *lines, const struct netmap *base,
                    struct netmap **out, struct diag *d, size_t *repeats)
{
	struct netbuild *b = NULL;
	enum rc rc;

	if (d)
		diag_clear(d);
	CU_ASSERT_EQUAL_FATAL(netbuild_new(&b), RC_OK);
	for (; *lines; lines++)
		CU_ASSERT_EQUAL_FATAL(add_pid(b, *lines), RC_OK);
	rc = netbuild_end(b, base, out, d);
	if (repeats)
		*repeats = netbuild_repeats(b);
	netbuild_free(b);
	return rc;
}

#define LINES(...) (const char *const[]){ __VA_ARGS__, NULL }

static void check_row(const struct netmap *m, uint32_t pid, const char *name,
                      const char *const *want)
{
	const struct netrow *r = netmap_row(m, pid);
	char text[PREFIX_TEXT_MAX + 1];
	size_t n = 0;

	CU_ASSERT_STRING_EQUAL(index_name(netmap_names(m), pid), name);
	for (; want[n]; n++) {
		CU_ASSERT_FATAL(n < r->n4 + r->n6);
		prefix_print(&r->p[n], text);
		CU_ASSERT_STRING_EQUAL(text, want[n]);
		CU_ASSERT_EQUAL(r->p[n].family == FAMILY_IPV4, n < r->n4);
	}
	CU_ASSERT_EQUAL(n, r->n4 + r->n6);
}

static void pids_and_prefixes_come_out_sorted(void)
{
	struct netmap *m = NULL;
	struct diag d;

	CU_ASSERT_EQUAL_FATAL(make(LINES(
		"pop-b: 2001:db8::/32 198.51.100.0/24 192.0.2.0/24 9.0.0.0/8",
		"default: ::/0 0.0.0.0/0", "pop-a", "pop-B: 10.0.0.0/8"),
		NULL, &m, &d, NULL), RC_OK);
	CU_ASSERT_EQUAL(netmap_pids(m), 4);
	CU_ASSERT_EQUAL(netmap_prefixes(m), 7);
	check_row(m, 0, "default", LINES("0.0.0.0/0", "::/0"));
	check_row(m, 1, "pop-B", LINES("10.0.0.0/8"));
	check_row(m, 2, "pop-a", (const char *const[]){ NULL });
	check_row(m, 3, "pop-b", LINES("9.0.0.0/8", "192.0.2.0/24",
		"198.51.100.0/24", "2001:db8::/32"));
	netmap_unref(m);
}

static void repeats_inside_a_pid_are_dropped_and_counted(void)
{
	struct netmap *m = NULL;
	size_t repeats = 99;

	CU_ASSERT_EQUAL_FATAL(make(LINES("a: 10.0.0.0/8 0.0.0.0/0 10.0.0.0/8",
		"b: 10.0.0.0/9 10.0.0.0/9"), NULL, &m, NULL, &repeats), RC_OK);
	CU_ASSERT_EQUAL(repeats, 2);
	CU_ASSERT_EQUAL(netmap_prefixes(m), 3);
	check_row(m, 0, "a", LINES("0.0.0.0/0", "10.0.0.0/8"));
	netmap_unref(m);
}

static void a_prefix_in_two_pids_is_refused_by_name(void)
{
	struct netmap *m = NULL;
	struct diag d;

	CU_ASSERT_EQUAL(make(LINES("x: 0.0.0.0/0", "b: 10.0.0.0/8",
		"a: 10.0.0.0/8"), NULL, &m, &d, NULL), RC_ERULE);
	CU_ASSERT_PTR_NULL(m);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text,
		"10.0.0.0/8 is in both \"a\" and \"b\" (RFC 7285"));
	CU_ASSERT_EQUAL(make(LINES("x: ::/0", "b: 2001:db8::/32",
		"a: 2001:db8::/32"), NULL, &m, &d, NULL), RC_ERULE);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "2001:db8::/32 is in both"));
}

static void nested_prefixes_in_many_pids_are_fine(void)
{
	struct netmap *m = NULL;
	struct diag d;

	CU_ASSERT_EQUAL(make(LINES("a: 0.0.0.0/0 10.0.0.128/25",
		"b: 10.0.0.0/8 10.0.0.0/25", "c: 10.0.0.0/24",
		"d: ::/0 2001:db8::1/128", "e: 2001:db8::/32"),
		NULL, &m, &d, NULL), RC_OK);
	netmap_unref(m);
}

static void two_halves_cover_as_well_as_one_default(void)
{
	struct netmap *m = NULL;
	struct diag d;

	CU_ASSERT_EQUAL(make(LINES("a: 0.0.0.0/1", "b: 128.0.0.0/1"), NULL, &m,
	                     &d, NULL), RC_OK);
	netmap_unref(m);
	CU_ASSERT_EQUAL(make(LINES("a: ::/1 c000::/2", "b: 8000::/2 8000::/64"),
	                     NULL, &m, &d, NULL), RC_OK);
	netmap_unref(m);
	CU_ASSERT_EQUAL(make(LINES("a: ::/64 0:0:0:1::/64 0:0:0:2::/63 "
		"0:0:0:4::/62 0:0:0:8::/61 0:0:0:10::/60 0:0:0:20::/59 "
		"0:0:0:40::/58 0:0:0:80::/57 0:0:0:100::/56 0:0:0:200::/55 "
		"0:0:0:400::/54 0:0:0:800::/53 0:0:0:1000::/52 "
		"0:0:0:2000::/51 0:0:0:4000::/50 0:0:0:8000::/49 0:0:1::/48 "
		"0:0:2::/47 0:0:4::/46 0:0:8::/45 0:0:10::/44 0:0:20::/43 "
		"0:0:40::/42 0:0:80::/41 0:0:100::/40 0:0:200::/39 "
		"0:0:400::/38 0:0:800::/37 0:0:1000::/36 0:0:2000::/35 "
		"0:0:4000::/34 0:0:8000::/33 0:1::/32 0:2::/31 0:4::/30 "
		"0:8::/29 0:10::/28 0:20::/27 0:40::/26 0:80::/25 0:100::/24 "
		"0:200::/23 0:400::/22 0:800::/21 0:1000::/20 0:2000::/19 "
		"0:4000::/18 0:8000::/17 1::/16 2::/15 4::/14 8::/13 10::/12 "
		"20::/11 40::/10 80::/9 100::/8 200::/7 400::/6 800::/5 "
		"1000::/4 2000::/3 4000::/2 8000::/1"), NULL, &m, &d, NULL),
		RC_OK);
	netmap_unref(m);
}

static void a_gap_is_refused_with_its_first_and_last_address(void)
{
	static const struct {
		const char *map, *says;
	} gaps[] = {
		{ "a: 0.0.0.0/1", "do not cover 128.0.0.0 - 255.255.255.255;" },
		{ "a: 128.0.0.0/1", "do not cover 0.0.0.0 - 127.255.255.255;" },
		{ "a: 0.0.0.0/8 1.0.0.0/16 1.2.0.0/15 1.4.0.0/14",
		  "do not cover 1.1.0.0 - 1.1.255.255;" },
		{ "a: 0.0.0.0/32", "do not cover 0.0.0.1 - 255.255.255.255;" },
		{ "a: 8000::/1", "do not cover :: - "
		  "7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff;" },
		{ "a: ::/128", "do not cover ::1 - ffff:" },
		{ "a: ::/64", "do not cover 0:0:0:1:: - ffff:" },
		{ "a: ::/1 8000::/2 c000::/128 c000::2/127",
		  "do not cover c000::1 - c000::1;" },
	};

	for (size_t i = 0; i < sizeof(gaps) / sizeof(gaps[0]); i++) {
		struct netmap *m = NULL;
		struct diag d;

		CU_ASSERT_EQUAL(make(LINES(gaps[i].map), NULL, &m, &d, NULL),
		                RC_ERULE);
		CU_ASSERT_PTR_NULL(m);
		if (!strstr(d.text, gaps[i].says)) {
			printf("said: %s\n", d.text);
			CU_FAIL("another text");
		}
		CU_ASSERT_PTR_NOT_NULL(strstr(d.text,
			strchr(gaps[i].map + 2, ':') ? "::/0" : "0.0.0.0/0"));
	}
}

static void a_map_without_pids_is_a_map(void)
{
	struct netmap *m = NULL;

	CU_ASSERT_EQUAL_FATAL(make((const char *const[]){ NULL }, NULL, &m,
	                           NULL, NULL), RC_OK);
	CU_ASSERT_EQUAL(netmap_pids(m), 0);
	netmap_unref(m);
	CU_ASSERT_EQUAL_FATAL(make(LINES("a", "b"), NULL, &m, NULL, NULL),
	                      RC_OK);
	CU_ASSERT_EQUAL(netmap_pids(m), 2);
	CU_ASSERT_EQUAL(netmap_prefixes(m), 0);
	netmap_unref(m);
	netmap_unref(NULL);
}

static void the_builder_refuses_what_it_cannot_keep(void)
{
	struct netbuild *b = NULL;
	struct prefix p = pfx("10.0.0.0/8");
	struct diag d;

	diag_clear(&d);
	CU_ASSERT_EQUAL_FATAL(netbuild_new(&b), RC_OK);
	CU_ASSERT_EQUAL(netbuild_prefix(b, &p), RC_EINVAL);
	CU_ASSERT_EQUAL(netbuild_pid(b, "a.b", 3, &d), RC_ERULE);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "RFC 7285 s10.1"));
	CU_ASSERT_EQUAL(netbuild_pid(b, "a", 1, &d), RC_OK);
	diag_clear(&d);
	CU_ASSERT_EQUAL(netbuild_pid(b, "a", 1, &d), RC_EEXIST);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "\"a\""));
	netbuild_free(b);
	netbuild_free(NULL);
}

static void pids_end_at_their_ceiling(void)
{
	struct netbuild *b = NULL;
	struct diag d;
	char name[16];

	diag_clear(&d);
	CU_ASSERT_EQUAL_FATAL(netbuild_new(&b), RC_OK);
	for (unsigned i = 0; i < NETMAP_PIDS_MAX; i++) {
		int n = snprintf(name, sizeof(name), "p%u", i);

		CU_ASSERT_EQUAL_FATAL(netbuild_pid(b, name, (size_t)n, NULL),
		                      RC_OK);
	}
	CU_ASSERT_EQUAL(netbuild_pid(b, "more", 4, &d), RC_ELIMIT);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "20000"));
	netbuild_free(b);
}

static void a_builder_can_build_again(void)
{
	struct netbuild *b = NULL;
	struct netmap *one = NULL, *two = NULL;

	CU_ASSERT_EQUAL_FATAL(netbuild_new(&b), RC_OK);
	CU_ASSERT_EQUAL(add_pid(b, "a: 0.0.0.0/0 0.0.0.0/0"), RC_OK);
	CU_ASSERT_EQUAL_FATAL(netbuild_end(b, NULL, &one, NULL), RC_OK);
	CU_ASSERT_EQUAL(netbuild_repeats(b), 1);
	CU_ASSERT_EQUAL(add_pid(b, "c: 0.0.0.0/1"), RC_OK);
	CU_ASSERT_EQUAL(netbuild_end(b, NULL, &two, NULL), RC_ERULE);
	CU_ASSERT_EQUAL(add_pid(b, "b: ::/0"), RC_OK);
	CU_ASSERT_EQUAL_FATAL(netbuild_end(b, NULL, &two, NULL), RC_OK);
	CU_ASSERT_EQUAL(netbuild_repeats(b), 0);
	CU_ASSERT_EQUAL(netmap_pids(two), 1);
	check_row(one, 0, "a", LINES("0.0.0.0/0"));
	check_row(two, 0, "b", LINES("::/0"));
	netbuild_free(b);
	netmap_unref(one);
	netmap_unref(two);
}

static void equal_rows_are_shared_with_the_base(void)
{
	struct netmap *base = NULL, *next = NULL;

	CU_ASSERT_EQUAL_FATAL(make(LINES("a: 0.0.0.0/0 ::/0", "b: 10.0.0.0/8",
		"c", "d: 11.0.0.0/8"), NULL, &base, NULL, NULL), RC_OK);
	CU_ASSERT_EQUAL_FATAL(make(LINES("d: 12.0.0.0/8", "c", "b: 10.0.0.0/8",
		"a: ::/0 0.0.0.0/0"), base, &next, NULL, NULL), RC_OK);
	CU_ASSERT_PTR_EQUAL(netmap_names(base), netmap_names(next));
	for (size_t i = 0; i < 3; i++)
		CU_ASSERT_PTR_EQUAL(netmap_row(base, i), netmap_row(next, i));
	CU_ASSERT_PTR_NOT_EQUAL(netmap_row(base, 3), netmap_row(next, 3));
	netmap_unref(next);

	/* Moved by a new name before it, and still the same row. */
	CU_ASSERT_EQUAL_FATAL(make(LINES("a: ::/0 0.0.0.0/0", "aa",
		"b: 10.0.0.0/8"), base, &next, NULL, NULL), RC_OK);
	CU_ASSERT_PTR_EQUAL(netmap_row(base, 1), netmap_row(next, 2));
	netmap_unref(base);
	check_row(next, 2, "b", LINES("10.0.0.0/8"));
	netmap_unref(next);
}

static void a_map_can_be_made_from_rows(void)
{
	struct netmap *base = NULL, *m = NULL;
	struct prefix p4 = pfx("10.0.0.0/8"), p6 = pfx("2001:db8::/32");
	struct netrow *rows[2];

	CU_ASSERT_EQUAL_FATAL(make(LINES("a: 0.0.0.0/0 ::/0", "b"), NULL, &base,
	                           NULL, NULL), RC_OK);
	rows[0] = netmap_row(base, 0);
	rows[1] = netrow_new(&p4, 1, &p6, 1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(rows[1]);
	CU_ASSERT_EQUAL_FATAL(netmap_from_rows(netmap_names(base), rows, &m),
	                      RC_OK);
	row_unref(&rows[1]->row);
	netmap_unref(base);
	CU_ASSERT_EQUAL(netmap_prefixes(m), 4);
	check_row(m, 1, "b", LINES("10.0.0.0/8", "2001:db8::/32"));
	base = netmap_ref(m);
	netmap_unref(m);
	check_row(base, 0, "a", LINES("0.0.0.0/0", "::/0"));
	netmap_unref(base);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "PID names follow the grammar", pid_names_follow_the_grammar },
		{ "tags are 1 to 64 visible characters",
		  tags_are_1_to_64_visible_characters },
		{ "metrics and modes follow the grammar",
		  metrics_and_modes_follow_the_grammar },
		{ "a row is sealed once and hashes its text",
		  a_row_is_sealed_once_and_hashes_its_text },
		{ "PIDs and prefixes come out sorted",
		  pids_and_prefixes_come_out_sorted },
		{ "repeats inside a PID are dropped and counted",
		  repeats_inside_a_pid_are_dropped_and_counted },
		{ "a prefix in two PIDs is refused by name",
		  a_prefix_in_two_pids_is_refused_by_name },
		{ "nested prefixes in many PIDs are fine",
		  nested_prefixes_in_many_pids_are_fine },
		{ "two halves cover as well as one default",
		  two_halves_cover_as_well_as_one_default },
		{ "a gap is refused with its first and last address",
		  a_gap_is_refused_with_its_first_and_last_address },
		{ "a map without PIDs is a map", a_map_without_pids_is_a_map },
		{ "the builder refuses what it cannot keep",
		  the_builder_refuses_what_it_cannot_keep },
		{ "PIDs end at their ceiling", pids_end_at_their_ceiling },
		{ "a builder can build again", a_builder_can_build_again },
		{ "equal rows are shared with the base",
		  equal_rows_are_shared_with_the_base },
		{ "a map can be made from rows", a_map_can_be_made_from_rows },
		CU_TEST_INFO_NULL
	};

	return suite_run("netmap", tests);
}
