/* mapfile.h - the file of a map: its bytes, its digest, what kind of map it is.
 *
 * A file that is not the same under its name when it has been read was changed
 * under our hands: RC_EAGAIN. Writer thread.
 */
#ifndef ALTOCAST_SERVER_MAPFILE_H
#define ALTOCAST_SERVER_MAPFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/core/digest.h"
#include "common/core/resource.h"
#include "common/sys/file.h"

struct costmap;
struct map_notes;		/* netmap_json.h */

#define SOURCE_FILE_MAX (4ull << 30)	/* bytes of a map file */

struct mapfile {
	const char *path;		/* lent */
	int fd;
	uint64_t left;			/* up to the ceiling */
	bool failed;
	struct file_stamp stamp;
};

/* RC_ELIMIT: over max bytes. */
MUST_CHECK enum rc mapfile_open(const char *path, uint64_t max,
                                struct mapfile *f, struct diag *d);
/* For a scan: bytes read, 0 at the end, -1 on failure. f is a struct mapfile. */
long mapfile_read(void *f, char *dst, size_t len);
/* rc of what was done with it, else RC_EAGAIN. */
MUST_CHECK enum rc mapfile_close(struct mapfile *f, enum rc rc, struct diag *d);

/* One pass for the digest alone. */
MUST_CHECK enum rc mapfile_hash(struct digest *digest, const char *path,
                                uint8_t out[SHA256_SIZE], struct diag *d);
/* RESOURCE_DOC: a property map. RC_ERULE: no map. */
MUST_CHECK enum rc mapfile_kind(const char *path, enum resource_kind *kind,
                                struct diag *d);
/* The whole file into dst. RC_ELIMIT: over what dst may hold. */
MUST_CHECK enum rc mapfile_slurp(const char *path, struct buf *dst,
                                 struct diag *d);

/* A line for each thing in the file that is taken, but not as it should be: what
 * its reader noted, and the metric of a cost map (NULL: it is none) when it is
 * neither registered nor private. */
void mapfile_warn(const char *path, const struct map_notes *n,
                  const struct costmap *cost, struct buf *warnings);

#endif
