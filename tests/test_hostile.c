/* Files made to break JSON readers, through each reader that takes JSON.
 *
 * y_ must be taken, n_ refused, i_ may go either way. Nothing may crash, hang
 * or upset a sanitizer, and who refuses says why.
 */
#include <stdbool.h>

#include "common/wire/netmap_json.h"
#include "tests/suite.h"
#include "tests/suite_files.h"

/* Takes one document; RC_OK: it was good. */
typedef enum rc (*take_fn)(const char *text, size_t len, struct diag *d);

/* any_json: the reader takes every JSON document and not only its own. */
struct reader {
	take_fn take;
	bool any_json;
};

static void judge(const char *name, const char *text, size_t len, void *arg)
{
	const struct reader *r = arg;
	bool wrong;
	struct diag d;
	enum rc rc;

	diag_clear(&d);
	rc = r->take(text, len, &d);
	wrong = (name[0] == 'n' && rc == RC_OK) ||
	        (name[0] == 'y' && rc != RC_OK && r->any_json) ||
	        (rc != RC_OK && (!d.text[0] || !d.line));
	if (wrong) {
		printf("%s: %s: %s\n", name, rc_text(rc), d.text);
		CU_FAIL("judged wrongly");
	}
}

static size_t run(take_fn take, bool any_json)
{
	struct reader r = { take, any_json };

	return suite_files(judge, &r);
}

static enum rc skip_scan(struct scan *s)
{
	enum rc rc = scan_skip(s);

	if (rc == RC_OK)
		rc = scan_end(s);
	scan_free(s);
	return rc;
}

static enum rc take_bytes(const char *text, size_t len, struct diag *d)
{
	struct scan *s = NULL;

	CU_ASSERT_EQUAL_FATAL(scan_new_bytes(text, len, d, &s), RC_OK);
	return skip_scan(s);
}

struct feed {
	const char *p;
	size_t left;
};

/* One byte at a time: each token is cut everywhere. */
static long feed_read(void *arg, char *dst, size_t len)
{
	struct feed *f = arg;

	if (!len || !f->left)
		return 0;
	*dst = *f->p++;
	f->left--;
	return 1;
}

static enum rc take_reader(const char *text, size_t len, struct diag *d)
{
	struct feed f = { text, len };
	struct scan *s = NULL;

	CU_ASSERT_EQUAL_FATAL(scan_new_reader(feed_read, &f, d, &s), RC_OK);
	return skip_scan(s);
}

static enum rc take_netmap(const char *text, size_t len, struct diag *d)
{
	struct netmap *m = NULL;
	struct map_notes notes;
	struct scan *s = NULL;
	struct vtag tag;
	enum rc rc;

	CU_ASSERT_EQUAL_FATAL(scan_new_bytes(text, len, d, &s), RC_OK);
	rc = netmap_json_read(s, NULL, &m, &tag, &notes);
	CU_ASSERT_EQUAL(rc == RC_OK, m != NULL);
	netmap_unref(m);
	scan_free(s);
	return rc;
}

/* The file where a member is dropped: it must break the map as it would alone,
 * a good one must not. */
static enum rc take_inside(const char *text, size_t len, struct diag *d)
{
	static const char head[] = "{\"x\":", tail[] = ",\"meta\":{\"vtag\":"
		"{\"resource-id\":\"n\"}},\"network-map\":{}}";
	struct buf b = BUF_INIT(2 * SUITE_FILE_MAX);
	enum rc rc;

	buf_puts(&b, head);
	buf_add(&b, text, len);
	buf_puts(&b, tail);
	CU_ASSERT_EQUAL_FATAL(buf_rc(&b), RC_OK);
	rc = take_netmap(b.data, b.len, d);
	buf_free(&b);
	return rc;
}

static void the_scan_takes_json_and_nothing_else(void)
{
	if (!run(take_bytes, true))
		SKIP("json-test-suite");
}

static void the_scan_judges_the_same_byte_by_byte(void)
{
	if (!run(take_reader, true))
		SKIP("json-test-suite");
}

static void no_file_passes_for_a_network_map(void)
{
	if (!run(take_netmap, false))
		SKIP("json-test-suite");
}

static void a_dropped_member_is_checked_like_the_rest(void)
{
	if (!run(take_inside, true))
		SKIP("json-test-suite");
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "the scan takes JSON and nothing else",
		  the_scan_takes_json_and_nothing_else },
		{ "the scan judges the same byte by byte",
		  the_scan_judges_the_same_byte_by_byte },
		{ "no file passes for a network map",
		  no_file_passes_for_a_network_map },
		{ "a dropped member is checked like the rest",
		  a_dropped_member_is_checked_like_the_rest },
		CU_TEST_INFO_NULL
	};

	return suite_run("hostile", tests);
}
