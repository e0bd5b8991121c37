/* index.h - names and their numbers.
 *
 * Numbers count from 0 in the order of adding. A table is filled by one owner;
 * once it is shared (index_ref) nobody adds any more, and any thread may read.
 * Bounded: index_new says how many names it may hold.
 */
#ifndef ALTOCAST_BASE_INDEX_H
#define ALTOCAST_BASE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/rc.h"

struct index;

MUST_CHECK enum rc index_new(size_t max_names, struct index **out);

/* The number of name, which is added when it is new (*added, may be NULL).
 * RC_ELIMIT: table is full. RC_ENOMEM. */
MUST_CHECK enum rc index_add(struct index *ix, const char *name, size_t len,
                             uint32_t *num, bool *added);

bool index_find(const struct index *ix, const char *name, size_t len,
                uint32_t *num);
size_t index_count(const struct index *ix);
const char *index_name(const struct index *ix, uint32_t num);	/* with NUL */
size_t index_name_len(const struct index *ix, uint32_t num);

/* A new table with the same names in ascending byte order; move[old] = new
 * (index_count entries of the caller's, may be NULL). */
MUST_CHECK enum rc index_sorted(const struct index *ix, struct index **out,
                                uint32_t *move);
/* Ascending byte order already? */
bool index_is_sorted(const struct index *ix);
/* Same names with the same numbers? Cheap when a == b. */
bool index_equal(const struct index *a, const struct index *b);

struct index *index_ref(struct index *ix);
void index_unref(struct index *ix);			/* NULL is fine */

#endif
