/* netmap.h - one network map: which prefixes belong to which PID.
 *
 * Shape: PIDs in ascending byte order, each with its IPv4 then its IPv6
 * prefixes, each family ascending by address, then length, none twice. A PID
 * may be empty. Prefixes nest across PIDs; the same prefix in two PIDs is an
 * error (RFC 7285 s5.2), and the prefixes of a family that occurs cover all of
 * its addresses (s10.4, "completeness").
 * Life: a builder gathers, netbuild_end() checks, sorts and gives the map, which
 * never changes. Rows equal to those of a base map are shared with it. Counted;
 * any thread may read.
 */
#ifndef ALTOCAST_CORE_NETMAP_H
#define ALTOCAST_CORE_NETMAP_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/diag.h"
#include "common/base/index.h"
#include "common/base/rc.h"
#include "common/core/prefix.h"
#include "common/core/row.h"

#define NETMAP_PIDS_MAX 20000u
#define NETMAP_PREFIXES_MAX 16000000u

struct netrow {
	struct row row;
	size_t n4, n6;
	struct prefix p[];	/* n4 + n6 */
};

struct netmap;
struct netbuild;

MUST_CHECK enum rc netbuild_new(struct netbuild **out);
void netbuild_free(struct netbuild *b);			/* NULL is fine */

/* Adds an empty PID. RC_EEXIST: name is there already. RC_ERULE: no PID name.
 * RC_ELIMIT, RC_ENOMEM. */
MUST_CHECK enum rc netbuild_pid(struct netbuild *b, const char *name,
                                size_t len, struct diag *d);
/* Adds a prefix to the PID added last. A prefix that this PID has already is
 * dropped at the end and counted. */
MUST_CHECK enum rc netbuild_prefix(struct netbuild *b, const struct prefix *p);

/* Checks and makes the map; base may be NULL. The builder is empty after.
 * RC_ERULE: duplicate across PIDs or incomplete; d names prefix and PIDs. */
MUST_CHECK enum rc netbuild_end(struct netbuild *b, const struct netmap *base,
                                struct netmap **out, struct diag *d);
/* How many repeats inside one PID the last netbuild_end() dropped. */
size_t netbuild_repeats(const struct netbuild *b);

/* A map from rows in the order of names (sorted); both are referenced. For
 * patches and sharing; checks nothing. */
MUST_CHECK enum rc netmap_from_rows(struct index *names,
                                    struct netrow *const *rows,
                                    struct netmap **out);

/* A row of n4 + n6 prefixes, copied, without text. NULL: out of memory. */
struct netrow *netrow_new(const struct prefix *p4, size_t n4,
                          const struct prefix *p6, size_t n6);

size_t netmap_pids(const struct netmap *m);
size_t netmap_prefixes(const struct netmap *m);
struct index *netmap_names(const struct netmap *m);	/* borrowed */
struct netrow *netmap_row(const struct netmap *m, size_t pid);	/* borrowed */

struct netmap *netmap_ref(struct netmap *m);
void netmap_unref(struct netmap *m);			/* NULL is fine */

#endif
