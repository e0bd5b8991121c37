/* delta_read.h - what the readers of patches have in common (delta_json.h).
 *
 * Everything here reads from a scan and refuses with it, so that messages say
 * line and JSON pointer.
 */
#ifndef ALTOCAST_WIRE_DELTA_READ_H
#define ALTOCAST_WIRE_DELTA_READ_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/core/vtag.h"
#include "common/wire/scan.h"

/* A merge patch: meta, which must be there, and the changes of the map, which
 * need not. */
struct delta_merge {
	const char *map;		/* name of the map's member */
	char *to;			/* gets the new tag; "" before */
	char *net_tag;			/* gets that of the network map; NULL:
					 * the map depends on none */
	enum rc (*read_map)(void *arg);	/* takes the map's member */
	void *arg;
};

MUST_CHECK enum rc delta_read_merge(struct scan *s,
                                    const struct delta_merge *m);

/* The tag that a change starts from, which stands beside the patch. */
MUST_CHECK enum rc delta_read_from(char tag[TAG_MAX + 1], const char *from,
                                   struct diag *d);
MUST_CHECK enum rc delta_read_tag(struct scan *s, char tag[TAG_MAX + 1]);

/* Is the name of a member this one? */
bool delta_read_is(const char *name, size_t len, const char *want);
/* Is it a PID name? RC_ERULE. */
MUST_CHECK enum rc delta_read_pid(struct scan *s, const char *name,
                                  size_t len);
/* Refuses a member that is not known, or comes twice. */
MUST_CHECK enum rc delta_read_refuse(struct scan *s, const char *name,
                                     size_t len);

#endif
