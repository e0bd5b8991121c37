/* httpfield.h - request fields of HTTP that are negotiated over (RFC 9110 s12, s14,
 * RFC 7239). Text in, decision out; malformed parts are passed over, as if they
 * had not been sent, and nothing here fails.
 */
#ifndef ALTOCAST_WIRE_HTTPFIELD_H
#define ALTOCAST_WIRE_HTTPFIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Does an Accept value take this media type? NULL, empty or without a readable
 * range: anything. The most specific range decides; q=0 excludes. */
bool accept_takes(const char *accept, const char *media);

/* Does a Content-Type value name this type? Parameters and case do not count. */
bool content_type_is(const char *value, const char *media);

enum coding { CODING_IDENTITY, CODING_GZIP, CODING_ZSTD };
#define CODINGS 3
/* "gzip", "zstd"; NULL for identity. */
const char *coding_name(enum coding c);

/* What an Accept-Encoding value likes best of those available (bits 1u << coding;
 * identity always is): by q, then zstd, gzip, identity. "x-gzip" is gzip. NULL:
 * identity. -1: it takes none of them, not even identity. */
int coding_choose(const char *accept_encoding, unsigned available);
/* The codings (bits) that it takes with a q above 0. */
unsigned codings_taken(const char *accept_encoding);

/* One range of bytes of a body of size bytes. NONE: no Range value, another unit,
 * several ranges, malformed: answer in full. BAD: not in the body (416). */
enum range { RANGE_NONE, RANGE_ONE, RANGE_BAD };
enum range range_read(const char *value, uint64_t size, uint64_t *first,
                      uint64_t *len);

/* The address that the nearest forwarder saw, from values of X-Forwarded-For or
 * Forwarded (RFC 7239): walks from the right while trusted() says that an address
 * is a forwarder of ours. Values of the same field are joined by commas. What was
 * appended is read right whatever stands to the left of it, unclosed quotes too:
 * X-Forwarded-For has commas and no quotes; an element of Forwarded counts only
 * if it is well-formed as a whole. dst gets the address as text ("192.0.2.1",
 * "2001:db8::1"; no port, no brackets). false: none that could be read; the peer
 * is all that is known. */
struct forwarders {
	bool (*trusted)(const char *addr, void *arg);
	void *arg;
};
bool forwarded_for(const char *value, bool rfc7239, const struct forwarders *f,
                   char *dst, size_t size);

#endif
