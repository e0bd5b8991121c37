/* Any text as a structured field: what is read prints, and that reads back to
 * the same text. The same text as a dictionary, and as the parameters of a
 * signature.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire/httpsig.h"
#include "common/wire/sf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXT_MAX ((size_t)1 << 20)

static const struct httpsig_part parts[] = {
	{ "\"@status\"", "200" }, { "\"a\"", "x" }, { "\"a\";req", "y" },
	{ "\"alto-state\"", ":AAEC:;serial=1" },
};

static void item_twice(const char *s, size_t len)
{
	struct buf once = BUF_INIT(TEXT_MAX), twice = BUF_INIT(TEXT_MAX);
	struct sf_bare v;

	if (sf_read_item(s, len, &v) == RC_OK) {
		sf_print_item(&v, &once);
		if (sf_read_item(once.data, once.len, &v) != RC_OK)
			abort();
		sf_print_item(&v, &twice);
		if (strcmp(buf_str(&once), buf_str(&twice)) != 0)
			abort();
	}
	buf_free(&once);
	buf_free(&twice);
}

static void inner_twice(const char *s, size_t len)
{
	struct buf once = BUF_INIT(TEXT_MAX), twice = BUF_INIT(TEXT_MAX);
	struct sf_inner list;

	if (sf_read_inner(s, len, &list) == RC_OK) {
		sf_print_inner(&list, &once);
		if (sf_read_inner(once.data, once.len, &list) != RC_OK)
			abort();
		sf_print_inner(&list, &twice);
		if (strcmp(buf_str(&once), buf_str(&twice)) != 0)
			abort();
	}
	buf_free(&once);
	buf_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *s = (const char *)data, *member;
	struct buf base = BUF_INIT(TEXT_MAX);
	size_t len;
	char *text;

	item_twice(s, size);
	inner_twice(s, size);
	if (sf_member(s, size, "a", &member, &len) == RC_OK &&
	    (member < s || member + len > s + size))
		abort();
	text = size ? strndup(s, size) : NULL;
	if (text && httpsig_base(text, parts, 4, &base, NULL) == RC_OK &&
	    base.len == 0)
		abort();
	free(text);
	buf_free(&base);
	return 0;
}
