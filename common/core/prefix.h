/* prefix.h - one IP prefix: read, compare, print.
 *
 * A plain value. No host bits: prefix_read refuses them. Address bytes in
 * network order; an IPv4 address stands in the first four, the rest is 0.
 * IPv4-mapped IPv6 stays IPv6. Source: RFC 7285 s10.4, RFC 4632 s3.1 (IPv4),
 * RFC 4291 s2.2 (any IPv6 spelling in), RFC 5952 (one spelling out).
 */
#ifndef ALTOCAST_CORE_PREFIX_H
#define ALTOCAST_CORE_PREFIX_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/diag.h"
#include "common/base/rc.h"

enum family { FAMILY_IPV4, FAMILY_IPV6 };

struct prefix {
	uint8_t addr[16];
	uint8_t len;		/* bits, 0..32 or 0..128 */
	uint8_t family;		/* enum family */
};

#define PREFIX_TEXT_MAX 49	/* characters, the NUL not counted */

/* "ipv4", "ipv6": the address types of RFC 7285 s10.4.1. */
const char *family_name(enum family f);

/* RC_ESYNTAX: no prefix of this family. RC_ERULE: host bits are set (the text
 * says which prefix was meant). */
MUST_CHECK enum rc prefix_read(const char *s, size_t len, enum family f,
                               struct prefix *out, struct diag *d);

/* Canonical text with NUL; returns its length. */
size_t prefix_print(const struct prefix *p, char out[PREFIX_TEXT_MAX + 1]);

/* By family, then address, then length: <0, 0, >0. */
int prefix_cmp(const struct prefix *a, const struct prefix *b);

#endif
