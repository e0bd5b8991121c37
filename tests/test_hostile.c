/* Files made to break JSON readers, through each reader that takes JSON.
 *
 * y_ must be taken, n_ refused, i_ may go either way. Nothing may crash, hang
 * or upset a sanitizer, and who refuses says why.
 */
#include <dirent.h>
#include <stdbool.h>

#include "common/wire/netmap_json.h"
#include "tests/suite.h"

#define FILE_MAX (1u << 20)

/* Takes one document; RC_OK: it was good. */
typedef enum rc (*take_fn)(const char *text, size_t len, struct diag *d);

static DIR *open_suite(char path[1024])
{
	const char *dir = getenv("ALTOCAST_SHARED"), *src = getenv("srcdir");
	static const char suite[] = "hostile/json-test-suite/test_parsing";

	if (dir)
		snprintf(path, 1024, "%s/%s", dir, suite);
	else
		snprintf(path, 1024, "%s/../shared/%s", src ? src : ".", suite);
	return opendir(path);
}

/* The file in memory of exactly its size, so that a read too far is seen. */
static char *load(const char *dir, const char *name, size_t *len)
{
	char path[1400], *all = malloc(FILE_MAX), *text = NULL;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "rb");
	if (f && all) {
		*len = fread(all, 1, FILE_MAX, f);
		text = malloc(*len ? *len : 1);
		if (text)
			memcpy(text, all, *len);
	}
	if (f)
		fclose(f);
	free(all);
	return text;
}

static void judge(const char *name, enum rc rc, bool any_json,
                  const struct diag *d)
{
	bool wrong = (name[0] == 'n' && rc == RC_OK) ||
	             (name[0] == 'y' && rc != RC_OK && any_json) ||
	             (rc != RC_OK && (!d->text[0] || !d->line));

	if (wrong) {
		printf("%s: %s: %s\n", name, rc_text(rc), d->text);
		CU_FAIL("judged wrongly");
	}
}

/* any_json: the reader takes every JSON document and not only its own. */
static size_t run(take_fn take, bool any_json)
{
	char path[1024];
	DIR *dir = open_suite(path);
	struct dirent *e;
	size_t files = 0;

	if (!dir)
		return 0;
	while ((e = readdir(dir))) {
		const char *name = e->d_name;
		struct diag d;
		size_t len = 0;
		char *text;

		if (!strchr("yni", name[0]) || name[1] != '_')
			continue;
		text = load(path, name, &len);
		CU_ASSERT_PTR_NOT_NULL_FATAL(text);
		diag_clear(&d);
		judge(name, take(text, len, &d), any_json, &d);
		free(text);
		files++;
	}
	closedir(dir);
	CU_ASSERT(files > 300);
	return files;
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
	struct buf b = BUF_INIT(2 * FILE_MAX);
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
