/* Any bytes as a network map. What is taken must come out in a form that is
 * taken again and gives the same bytes.
 *
 *   clang -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -I. \
 *       fuzz/fuzz_netmap.c common/wire/{scan_*,netmap_json}.c \
 *       common/core/{prefix,vtag,digest,merkle,row,netmap}.c \
 *       common/base/{rc,buf,diag,index}.c -lcrypto
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire/netmap_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct netmap *take(const char *text, size_t len,
                           const struct netmap *base)
{
	struct netmap *m = NULL;
	struct map_notes notes;
	struct vtag tag;
	struct scan *s;
	struct diag d;
	enum rc rc;

	diag_clear(&d);
	if (scan_new_bytes(text, len, &d, &s) != RC_OK)
		return NULL;
	rc = netmap_json_read(s, base, &m, &tag, &notes);
	scan_free(s);
	if (rc != RC_OK && (m || !d.text[0]))
		abort();
	return m;
}

static void put(const struct netmap *m, struct buf *b)
{
	buf_puts(b, "{\"meta\":{\"vtag\":{\"resource-id\":\"n\"}},"
	         "\"network-map\":{");
	for (size_t i = 0; i < netmap_pids(m); i++) {
		if (i)
			buf_putc(b, ',');
		netmap_json_row(index_name(netmap_names(m), (uint32_t)i),
		                netmap_row(m, i), b);
	}
	buf_puts(b, "}}");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf one = BUF_INIT(64u << 20), two = BUF_INIT(64u << 20);
	struct netmap *m = take((const char *)data, size, NULL), *again;

	if (!m)
		return 0;
	put(m, &one);
	again = take(one.data, one.len, m);
	if (!again || netmap_prefixes(m) != netmap_prefixes(again))
		abort();
	put(again, &two);
	if (one.len != two.len || memcmp(one.data, two.data, one.len) != 0)
		abort();
	for (size_t i = 0; i < netmap_pids(m); i++)
		if (netmap_row(m, i) != netmap_row(again, i))
			abort();
	netmap_unref(m);
	netmap_unref(again);
	buf_free(&one);
	buf_free(&two);
	return 0;
}
