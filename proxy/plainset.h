/* plainset.h - the maps of a plain ALTO server (RFC 7285), as its directory lists
 * them and as they were last read, and the snapshot that they make.
 *
 * Nothing is signed, so all that can be checked is what the RFC asks of maps and that
 * they go together: each cost map names the tag of its network map. What is served is
 * our canonical form of them under our tags, with a directory of our own. A map stays
 * as it was read until another body of it is taken; a snapshot is made of all or not
 * at all. No I/O and no clock. One thread.
 */
#ifndef ALTOCAST_PROXY_PLAINSET_H
#define ALTOCAST_PROXY_PLAINSET_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/core/snapshot.h"

struct plainset;

MUST_CHECK enum rc plainset_new(struct plainset **out);
void plainset_free(struct plainset *s);			/* NULL is fine */

/* An answer's body, lent, and its ETag; NULL: it has none. */
struct plainset_body {
	const char *text;
	size_t len;
	const char *etag;
};

/* Takes the directory that was found at url: network maps and cost maps to GET, at
 * its origin. Maps that it lists as before stay. notes (may be NULL) gets a line for
 * each one that is at another origin, and for a default network map that is none. On
 * failure nothing has changed, here and below. */
MUST_CHECK enum rc plainset_directory(struct plainset *s, const char *url,
                                      const struct plainset_body *body,
                                      struct buf *notes, struct diag *d);
/* The directory's; NULL: it has none, or none was taken. */
const char *plainset_etag(const struct plainset *s);

/* Maps, to be asked for in this order: network maps first. */
size_t plainset_count(const struct plainset *s);
struct plainset_map {
	const char *id, *uri;		/* lent; uri is absolute */
	const char *etag;		/* of the body last taken, or NULL */
};
struct plainset_map plainset_at(const struct plainset *s, size_t i);

/* Takes a body of map i. notes (may be NULL) gets a line if members were dropped.
 * RC_ESYNTAX, RC_ERULE, RC_ELIMIT. */
MUST_CHECK enum rc plainset_take(struct plainset *s, size_t i,
                                 const struct plainset_body *body,
                                 struct buf *notes, struct diag *d);

/* What is to be said of the maps in the snapshot. */
struct plainset_times {
	int64_t fetched, expires;	/* Unix seconds */
};
/* The snapshot of all maps; held (may be NULL) is what is served, whose serial it
 * keeps while nothing has changed, and whose resources while they have not. RC_EGAP:
 * a cost map belongs to another version of its network map. RC_ERULE, RC_EEXIST,
 * RC_ELIMIT: they cannot be served together. RC_ENOENT: no network map. */
MUST_CHECK enum rc plainset_seal(struct plainset *s, struct snapshot *held,
                                 const struct plainset_times *t,
                                 struct snapshot **out, struct diag *d);

#endif
