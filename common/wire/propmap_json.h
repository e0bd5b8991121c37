/* propmap_json.h - a property map (RFC 9240) with addresses as entities: what the
 * endpoint property service knows beside PIDs (RFC 7285 s10.8, s11.4).
 *
 *   {"meta":{},"property-map":{"ipv4:192.0.2.0/24":{"priv:region":"north"}}}
 *
 * Taken: entities of the domains ipv4 and ipv6 (an address is a prefix of full
 * length), properties "priv:<name>", also written ".priv:<name>", values that are
 * strings, or null where nothing is to be inherited. A property of an address is
 * that of the longest prefix that defines it (s3.1 of RFC 9240). Canonical text:
 * JCS, entities as canonical prefixes with length, properties without the dot.
 */
#ifndef ALTOCAST_WIRE_PROPMAP_JSON_H
#define ALTOCAST_WIRE_PROPMAP_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/diag.h"
#include "common/base/index.h"
#include "common/base/rc.h"
#include "common/core/lpm.h"

#define PROPMAP_BYTES_MAX (4u << 20)
#define PROPMAP_VALUE_MAX 1024		/* bytes of a value */
#define PROPMAP_PROPS_MAX 64u

struct propmap;

/* Any spelling in. RC_ESYNTAX, RC_ERULE (with the rule), RC_ELIMIT, RC_ENOMEM; d
 * has the place. */
MUST_CHECK enum rc propmap_read(const char *text, size_t len,
                                struct propmap **out, struct diag *d);
void propmap_canonical(const struct propmap *p, struct buf *dst);

/* Properties in ascending order of their names ("priv:region"). */
size_t propmap_count(const struct propmap *p);
const char *propmap_name(const struct propmap *p, size_t i);
/* Whether some IPv4 (IPv6) entity defines it. */
bool propmap_has(const struct propmap *p, size_t i, enum family f);
struct lpm *propmap_lpm(const struct propmap *p, size_t i);	/* borrowed */
struct index *propmap_values(const struct propmap *p);		/* borrowed */

struct propmap *propmap_ref(struct propmap *p);
void propmap_unref(struct propmap *p);			/* NULL is fine */

#endif
