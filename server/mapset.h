/* mapset.h - the maps of the configuration, and whether they go together.
 *
 * What is remembered of each one's file, and of the reading under way (source.h)
 * what it would serve. Writer thread.
 */
#ifndef ALTOCAST_SERVER_MAPSET_H
#define ALTOCAST_SERVER_MAPSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/core/resource.h"
#include "common/core/snapshot.h"
#include "common/core/vtag.h"
#include "common/sys/conf.h"

/* What is remembered of a file that was taken. */
struct map_record {
	bool known;
	uint8_t sha256[SHA256_SIZE];
	char stated[TAG_MAX + 1];	/* tag in its vtag; "" none */
	struct vtag depends;		/* cost map: as it states */
};

struct map_entry {
	const char *id, *file;		/* lent by the configuration */
	bool is_default, rebind;
	bool ordinal, testable;		/* struct ird_map */
	struct map_record taken;	/* of the version that is served */
	bool overridden;		/* by the operator, until the file changes */

	/* Of the reading under way: */
	struct map_record found;
	bool read;			/* the file is new and was parsed */
	struct resource *next;		/* what to serve: new, or as served */
};

struct mapset {
	const struct conf *conf;	/* lent: where the settings stand */
	size_t n;
	struct map_entry *maps;
	struct digest *digest;
};

MUST_CHECK enum rc mapset_new(const struct conf *c, struct mapset **out);
void mapset_free(struct mapset *s);			/* NULL is fine */

/* Every `next` that is there against all others and against its settings; cost
 * maps are bound to the tags of their network maps, which must be named. held (may
 * be NULL) is what is served now. errors gets one line for each map or setting that
 * is wrong; the first of them is returned. */
MUST_CHECK enum rc mapset_check(struct mapset *s, const struct snapshot *held,
                                struct buf *errors);
/* The reading is being served: `found` becomes `taken`. */
void mapset_taken(struct mapset *s);
/* The reading is dropped. */
void mapset_drop(struct mapset *s);

/* The default network map's id: the one marked, else the first in the settings.
 * Of the reading under way; of a map that it has not, held's (may be NULL). NULL:
 * none. */
const char *mapset_default(const struct mapset *s,
                           const struct snapshot *held);

/* Map i has ordinal = true, and the one returned gives the same ranks as a map of
 * its own: no directory can offer both (ird_json.h). NULL: none. held: as above. */
const struct map_entry *mapset_ranked(const struct mapset *s, size_t i,
                                      const struct snapshot *held);

/* Where in the map's file, unless d has its text already. Returns d. */
struct diag *map_at(struct diag *d, const char *pointer);
/* One line about the map's file. */
void map_blame(const struct map_entry *m, struct diag *d, enum rc rc,
               struct buf *errors);

/* A record as text for the journal, and back. */
void map_record_print(const struct map_record *r, struct buf *dst);
MUST_CHECK enum rc map_record_read(const char *text, size_t len,
                                   struct map_record *out);

#endif
