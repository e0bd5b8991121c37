/* source.h - map files to maps.
 *
 * All files of one reload are read before anything is decided; it fails or
 * succeeds as a whole. A file is taken only if its bytes differ from those taken
 * last. Files are streamed: memory is the map they make. Writer thread.
 */
#ifndef ALTOCAST_SERVER_SOURCE_H
#define ALTOCAST_SERVER_SOURCE_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/rc.h"
#include "common/core/snapshot.h"
#include "server/mapset.h"

/* Reads what changed, checks everything against everything, and leaves in each
 * map's `next` what to serve. held (may be NULL) is what is served now. force:
 * read all files, overridden or not. errors gets one line for each file that is
 * wrong or has a setting that is not for it, warnings one for each thing dropped
 * and each cost metric that is not registered. RC_EAGAIN: a file changed while it
 * was read. On failure nothing is left in `next`. */
MUST_CHECK enum rc source_read(struct mapset *s, const struct snapshot *held,
                               bool force, struct buf *errors,
                               struct buf *warnings);

#endif
