/* codings.h - bodies in the content codings gzip and zstd (RFC 9110 s8.4.1, RFC
 * 8878), and the one thread that codes what many requests will share.
 *
 * One body at a time, so that memory is bounded by its input and its output,
 * whatever changes how fast: when it is done, the thread asks for the next, and
 * who is asked names one of the newest version.
 */
#ifndef ALTOCAST_SERVICE_CODINGS_H
#define ALTOCAST_SERVICE_CODINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/rc.h"
#include "common/wire/httpfield.h"

/* A body over this is served in identity only: it would keep the thread, and the
 * end of the daemon, for seconds, and memory for as long as it is served. */
#define CODINGS_BODY_MAX (64u << 20)

/* FAST for one request, SMALL for what is made once and sent often. */
enum effort { EFFORT_FAST, EFFORT_SMALL };

/* Codes a body into *out (malloc). RC_ELIMIT: it takes more than max bytes;
 * RC_EINVAL: identity. */
MUST_CHECK enum rc codings_pack(enum coding c, enum effort effort,
                                const void *data, size_t len, size_t max,
                                char **out, size_t *n);
/* Enough for any body of len bytes. */
size_t codings_bound(enum coding c, size_t len);

struct coder;

struct coder_job {
	enum coding coding;
	const void *data;		/* lent until done() */
	size_t len;
};

/* Called on the coder's thread, in turn. */
struct coder_source {
	/* What to code next; false: nothing to do until coder_wake(). */
	bool (*next)(void *arg, struct coder_job *job);
	/* coded is malloc'd and taken over; NULL: it would not be smaller, or
	 * memory is short. Not to be asked for again at once. */
	void (*done)(void *arg, char *coded, size_t n);
	void *arg;
};

/* RC_ENOMEM. The source must stay until coder_stop() is back. */
MUST_CHECK enum rc coder_start(const struct coder_source *source,
                               struct coder **out);
/* There may be something to do. Any thread; cheap. */
void coder_wake(struct coder *c);
/* Waits for the body under way. NULL is fine. */
void coder_stop(struct coder *c);

#endif
