/* source.h - map files to maps.
 *
 * All files of one reload are read before anything is decided; it fails or
 * succeeds as a whole. A file is taken only if its bytes differ from those taken
 * last. Files are streamed: memory is the map they make. Writer thread.
 */
#ifndef ALTOCAST_SERVER_SOURCE_H
#define ALTOCAST_SERVER_SOURCE_H

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
struct source_record {
	bool known;
	uint8_t sha256[SHA256_SIZE];
	char stated[TAG_MAX + 1];	/* tag in its vtag; "" none */
	struct vtag depends;		/* cost map: as it states */
};

struct source_map {
	const char *id, *file;		/* lent by the configuration */
	bool is_default, rebind;
	bool ordinal, testable;		/* struct ird_map */
	struct source_record taken;	/* of the version that is served */
	bool overridden;		/* by the operator, until the file changes */

	/* Of the reading under way: */
	struct source_record found;
	bool read;			/* the file is new and was parsed */
	struct resource *next;		/* what to serve: new, or as served */
};

struct source {
	const struct conf *conf;	/* lent: where the settings stand */
	size_t n;
	struct source_map *maps;
	struct digest *digest;
};

MUST_CHECK enum rc source_new(const struct conf *c, struct source **out);
void source_free(struct source *s);			/* NULL is fine */

/* Reads what changed, checks everything against everything, and leaves in each
 * map's `next` what to serve. held (may be NULL) is what is served now. force:
 * read all files, overridden or not. errors gets one line for each file that is
 * wrong or has a setting that is not for it, warnings one for each thing dropped
 * and each cost metric that is not registered. RC_EAGAIN: a file changed while it
 * was read. On failure nothing is left in `next`. */
MUST_CHECK enum rc source_read(struct source *s, const struct snapshot *held,
                               bool force, struct buf *errors,
                               struct buf *warnings);
/* The reading is being served: `found` becomes `taken`. */
void source_taken(struct source *s);
/* The reading is dropped. */
void source_drop(struct source *s);

/* The default network map's id: the one marked, else the first in the settings.
 * Of the reading under way; of a map that it has not, held's (may be NULL). NULL:
 * none. */
const char *source_default(const struct source *s,
                           const struct snapshot *held);

/* A record as text for the journal, and back. */
void source_record_print(const struct source_record *r, struct buf *dst);
MUST_CHECK enum rc source_record_read(const char *text, size_t len,
                                      struct source_record *out);

#endif
