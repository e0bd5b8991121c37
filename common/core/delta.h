/* delta.h - a change of one map from tag to tag, as data.
 *
 * Made by diff or read from the wire; patch applies it. Holds its own copies of
 * all names. One owner.
 *
 * Network map: for each PID that changed, either it is gone, or each family is
 * untouched, replaced whole, or edited. An edit removes places of the old array
 * (descending) and then puts prefixes at places of the new array (ascending):
 * the order in which RFC 6902 applies them one by one.
 * Cost map: for each source that changed, either the row is gone, or the cells
 * that got another value; COST_NONE takes a cell out.
 */
#ifndef ALTOCAST_CORE_DELTA_H
#define ALTOCAST_CORE_DELTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/rc.h"
#include "common/core/costmap.h"
#include "common/core/prefix.h"
#include "common/core/vtag.h"

#define DELTA_OPS_MAX 67108864u		/* cells, prefixes or places in one */

enum family_change { FAMILY_SAME, FAMILY_WHOLE, FAMILY_EDIT };

struct family_delta {
	enum family_change how;
	size_t n_removed;
	uint32_t *removed;	/* EDIT: places in the old array, descending */
	size_t n_put;
	uint32_t *place;	/* EDIT: places in the new array, ascending */
	struct prefix *put;	/* EDIT: what goes there; WHOLE: the new array */
};

struct pid_delta {
	char *pid;
	bool gone;
	bool fresh;		/* the PID is new: both families WHOLE or SAME */
	struct family_delta family[2];	/* by enum family */
};

struct net_delta {
	char from[TAG_MAX + 1], to[TAG_MAX + 1];
	size_t n;
	struct pid_delta *pids;		/* ascending by name */
};

struct cell_delta {
	uint32_t dst;		/* number in names */
	double cost;		/* COST_NONE: the cell goes */
};

struct row_delta {
	uint32_t src;		/* number in names */
	bool gone;
	size_t first, n;	/* its cells */
};

struct cost_delta {
	char from[TAG_MAX + 1], to[TAG_MAX + 1];
	char net_tag[TAG_MAX + 1];	/* new tag of the network map; "": same */
	struct index *names;		/* all PIDs named here */
	size_t n_rows;
	struct row_delta *rows;		/* ascending by name of src */
	size_t n_cells;
	struct cell_delta *cells;	/* of one row: ascending by name of dst */
};

/* What changed, for people and for the ground truth. */
struct delta_count {
	size_t pids_added, pids_removed;
	size_t prefixes_added, prefixes_removed;	/* moved: in both */
	size_t cells_changed, cells_added, cells_removed;
};

void net_delta_free(struct net_delta *d);	/* NULL is fine */
void cost_delta_free(struct cost_delta *d);	/* NULL is fine */
/* Appends a zeroed entry and lends it; NULL: out of memory or over
 * DELTA_OPS_MAX. Valid until the next call. */
struct pid_delta *net_delta_add(struct net_delta *d, const char *pid,
                                size_t len);
MUST_CHECK enum rc family_delta_remove(struct family_delta *f, uint32_t place);
MUST_CHECK enum rc family_delta_put(struct family_delta *f, uint32_t place,
                                    const struct prefix *p);
MUST_CHECK enum rc cost_delta_row(struct cost_delta *d, const char *src,
                                  size_t len, bool gone);
MUST_CHECK enum rc cost_delta_cell(struct cost_delta *d, const char *dst,
                                   size_t len, double cost);

#endif
