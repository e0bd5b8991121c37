/* keep.h - what the server remembers in its journal beside the maps: the keys it
 * has signed with, which version of each file it has taken, the list of proxies.
 * Writer thread.
 */
#ifndef ALTOCAST_SERVER_KEEP_H
#define ALTOCAST_SERVER_KEEP_H

#include <stddef.h>

#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/proto/keys.h"
#include "common/sys/journal.h"
#include "common/wire/ird_json.h"
#include "server/source.h"

/* The records of a reading (source_map.found of each map that has a `next`) and the
 * keys, in the transaction that runs. */
MUST_CHECK enum rc keep_records(struct journal *j, const struct source *s,
                                const struct keys *own, struct diag *d);
/* Fills `taken` of each map; a record that is damaged counts as none. */
void keep_load_records(struct journal *j, struct source *s);

/* The keys of earlier runs, and k beside them; the oldest goes when there is no
 * room. */
MUST_CHECK enum rc keep_load_keys(struct journal *j, const struct public_key *k,
                                  struct keys *own, struct diag *d);

MUST_CHECK enum rc keep_proxies(struct journal *j, const struct ird_proxy *list,
                                size_t n, struct diag *d);
/* *list is malloc'd; a list that is damaged counts as empty. RC_ENOMEM. */
MUST_CHECK enum rc keep_load_proxies(struct journal *j,
                                     struct ird_proxy **list, size_t *n);

#endif
