/* Any text as each of the request's fields. What comes out keeps its promises: a
 * range lies in the body, a coding is one of those that can be had, an address
 * is in its one spelling. The first byte says how large the body is and what is
 * available.
 *
 *   clang -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -I. \
 *       fuzz/fuzz_httpfield.c common/wire/httpfield.c
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire/httpfield.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void try_range(const char *text, uint64_t size)
{
	uint64_t first = 99, len = 99;
	enum range r = range_read(text, size, &first, &len);

	if (r == RANGE_ONE)
		must(len > 0 && first < size && len <= size - first);
	else
		must(first == 99 && len == 99);
}

static void try_codings(const char *text, unsigned available)
{
	int c = coding_choose(text, available);

	must(c >= -1 && c < CODINGS);
	if (c > CODING_IDENTITY)
		must(available & 1u << c);
	if (c >= 0)
		must(codings_taken(text) & 1u << c);
	else
		must(!(codings_taken(text) & 1u << CODING_IDENTITY));
}

static bool odd_ones(const char *addr, void *arg)
{
	(void)arg;
	return addr[strlen(addr) - 1] % 2;
}

/* An address that came out is its own spelling. */
static void try_forwarded(const char *text, bool rfc7239)
{
	const struct forwarders f = { odd_ones, NULL };
	char addr[64], again[64];

	if (!forwarded_for(text, rfc7239, &f, addr, sizeof(addr)))
		return;
	must(forwarded_for(addr, false, &f, again, sizeof(again)));
	must(strcmp(addr, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0)
		return 0;
	text = malloc(size);
	if (text == NULL)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	(void)accept_takes(text, "application/alto-costmap+json");
	(void)accept_takes("a/b;q=0, */*", text);
	(void)content_type_is(text, "application/alto-costmap+json");
	must(!content_type_is(text, text) || strchr(text, '/') != NULL);
	try_codings(text, data[0] & 7u);
	try_range(text, data[0] / 8);
	try_forwarded(text, false);
	try_forwarded(text, true);
	free(text);
	return 0;
}
