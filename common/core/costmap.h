/* costmap.h - one path cost map: what the ISP says PID -> PID costs.
 *
 * Shape: names of all PIDs that occur, in ascending byte order; a row for each
 * source that has a cost, NULL for the others; a row has one cell for each name.
 * Unit: the cost type's (RFC 7285 s6.1); "routingcost" has none. A cost that is
 * not defined is NaN here and left out of the JSON (s11.2.3.6). Zero is +0. One
 * bit pattern stands for one cost, so rows compare with memcmp.
 * Life: a builder gathers, costbuild_end() gives the map, which never changes.
 * Rows equal to those of a base map are shared with it. Counted; any thread may
 * read.
 */
#ifndef ALTOCAST_CORE_COSTMAP_H
#define ALTOCAST_CORE_COSTMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/index.h"
#include "common/base/rc.h"
#include "common/core/row.h"
#include "common/core/vtag.h"

#define COSTMAP_PIDS_MAX 20000u
#define COSTMAP_CELLS_MAX 134217728u	/* rows times names: 1 GiB of doubles */

struct costrow {
	struct row row;
	size_t n;		/* cells = names of the map */
	size_t set;		/* of these, not COST_NONE; who fills keeps it */
	double cost[];
};

/* What meta says of it, the map's own vtag left out. */
struct costmeta {
	char metric[METRIC_MAX + 1];
	char mode[METRIC_MAX + 1];
	struct vtag net;	/* the network map it depends on */
};

struct costmap;
struct costbuild;

#define COST_NONE (__builtin_nan(""))

MUST_CHECK enum rc costbuild_new(struct costbuild **out);
void costbuild_free(struct costbuild *b);		/* NULL is fine */

/* Begins the row of a source. RC_EEXIST: it was there. RC_ELIMIT, RC_ENOMEM. */
MUST_CHECK enum rc costbuild_row(struct costbuild *b, const char *src,
                                 size_t len);
/* Adds a finite cost to the row begun last; fast when the destinations of each
 * row come in the same order. RC_EEXIST: it was there. RC_EINVAL: not finite. */
MUST_CHECK enum rc costbuild_cell(struct costbuild *b, const char *dst,
                                  size_t len, double cost);
/* The destination that comes next if this row is like the one before, lent until
 * the next call; NULL when there is no telling. costbuild_next() is
 * costbuild_cell() for it. */
const char *costbuild_expect(const struct costbuild *b, size_t *len);
MUST_CHECK enum rc costbuild_next(struct costbuild *b, double cost);
/* Makes the map; base may be NULL. The builder is empty after. */
MUST_CHECK enum rc costbuild_end(struct costbuild *b,
                                 const struct costmeta *meta,
                                 const struct costmap *base,
                                 struct costmap **out);

/* A map from rows in the order of names (sorted; a name that no cell uses does
 * no harm); names and rows are referenced, a row may be NULL. */
MUST_CHECK enum rc costmap_from_rows(const struct costmeta *meta,
                                     struct index *names,
                                     struct costrow *const *rows,
                                     struct costmap **out);

/* The same rows under other meta. */
MUST_CHECK enum rc costmap_rebind(const struct costmap *m,
                                  const struct costmeta *meta,
                                  struct costmap **out);

/* A row of n cells without text, all COST_NONE. NULL: out of memory. */
struct costrow *costrow_new(size_t n);

const struct costmeta *costmap_meta(const struct costmap *m);
size_t costmap_pids(const struct costmap *m);		/* names */
size_t costmap_cells(const struct costmap *m);		/* costs defined */
struct index *costmap_names(const struct costmap *m);	/* borrowed */
struct costrow *costmap_row(const struct costmap *m, size_t src);

struct costmap *costmap_ref(struct costmap *m);
void costmap_unref(struct costmap *m);			/* NULL is fine */

#endif
