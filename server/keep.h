/* keep.h - what the server remembers in its journal beside the maps: its keys,
 * which version of each file it has taken, the list of proxies. Writer thread.
 */
#ifndef ALTOCAST_SERVER_KEEP_H
#define ALTOCAST_SERVER_KEEP_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/sys/journal.h"
#include "common/wire/ird_json.h"
#include "server/keyring.h"
#include "server/mapset.h"

/* The records of a reading (map_entry.found of each map that has a `next`) and the
 * keys, in the transaction that runs. */
MUST_CHECK enum rc keep_records(struct journal *j, const struct mapset *s,
                                const struct keyring *ring, struct diag *d);
/* Fills `taken` of each map; a record that is damaged counts as none. */
void keep_load_records(struct journal *j, struct mapset *s);

/* Opens the ring of KEY at path with what the journal of state says of keys. empty:
 * the journal holds no maps. Errors of keyring_open(). */
MUST_CHECK enum rc keep_load_keys(struct journal *j, const char *path,
                                  const char *state, bool empty,
                                  struct keyring **out, struct diag *d);

MUST_CHECK enum rc keep_proxies(struct journal *j, const struct ird_proxy *list,
                                size_t n, struct diag *d);
/* *list is malloc'd; a list that is damaged counts as empty. RC_ENOMEM. */
MUST_CHECK enum rc keep_load_proxies(struct journal *j,
                                     struct ird_proxy **list, size_t *n);

#endif
