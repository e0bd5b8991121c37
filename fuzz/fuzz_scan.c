/* Any bytes through the streaming reader, from memory and in pieces: no crash,
 * and both ways judge the same.
 *
 *   clang -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -I. \
 *       fuzz/fuzz_scan.c common/wire/scan_*.c common/base/{rc,diag,buf}.c
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct feed {
	const uint8_t *p;
	size_t left;
	size_t step;
};

static long feed_read(void *arg, char *dst, size_t len)
{
	struct feed *f = arg;
	size_t n = f->left < f->step ? f->left : f->step;

	n = n < len ? n : len;
	memcpy(dst, f->p, n);
	f->p += n;
	f->left -= n;
	return (long)n;
}

static enum rc take(struct scan *s)
{
	enum rc rc = scan_skip(s);

	if (rc == RC_OK)
		rc = scan_end(s);
	scan_free(s);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed f = { data, size, size ? 1u + data[0] % 16u : 1 };
	struct diag a, b;
	struct scan *s;
	enum rc rc;

	if (size == 0)
		return 0;
	diag_clear(&a);
	diag_clear(&b);
	if (scan_new_bytes((const char *)data, size, &a, &s) != RC_OK)
		return 0;
	rc = take(s);
	if (scan_new_reader(feed_read, &f, &b, &s) != RC_OK)
		return 0;
	if (take(s) != rc || strcmp(a.text, b.text) != 0 ||
	    strcmp(a.pointer, b.pointer) != 0 || a.line != b.line)
		abort();
	return 0;
}
