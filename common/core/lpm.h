/* lpm.h - longest prefix match, IPv4 and IPv6.
 *
 * Shape: for each family the ranges of addresses that the prefixes cut it into,
 * in ascending order, and a table by leading bits that says where to begin. So a
 * lookup is a short search in one array, whatever the prefixes look like; a table
 * is built in one sort and one pass.
 * Values are the caller's numbers: PIDs of a network map, values of a property.
 * Counted, immutable; any thread may read. Source: RFC 7285 s10.4, s11.2.1.
 */
#ifndef ALTOCAST_CORE_LPM_H
#define ALTOCAST_CORE_LPM_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/rc.h"
#include "common/core/netmap.h"
#include "common/core/prefix.h"

#define LPM_NONE UINT32_MAX	/* no prefix has the address; as a value: what
				 * the prefixes around it say ends here */

struct lpm_entry {
	struct prefix p;
	uint32_t value;
};

struct lpm;

/* Any order, copied; host bits do not count. RC_EEXIST: the same prefix twice.
 * RC_EINVAL: no family, or a length that it does not have. RC_ELIMIT: over
 * NETMAP_PREFIXES_MAX of one family. RC_ENOMEM. */
MUST_CHECK enum rc lpm_new(const struct lpm_entry *e, size_t n,
                           struct lpm **out);
/* Values are PID numbers. */
MUST_CHECK enum rc lpm_of_netmap(const struct netmap *m, struct lpm **out);

/* The value of the longest prefix that has the address (4 or 16 bytes in network
 * order), or LPM_NONE. */
uint32_t lpm_find(const struct lpm *l, enum family f, const uint8_t *addr);
size_t lpm_bytes(const struct lpm *l);		/* memory it takes */

struct lpm *lpm_ref(struct lpm *l);
void lpm_unref(struct lpm *l);				/* NULL is fine */

#endif
