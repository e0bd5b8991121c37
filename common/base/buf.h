/* buf.h - growing bytes with a ceiling.
 *
 * A buffer cannot be made without a ceiling. Errors stick: after a failed
 * write every further one does nothing, so an emitter writes on and asks
 * buf_rc() once at the end. The bytes are always followed by a NUL that does
 * not count, so text can be read as a C string. One owner, one thread.
 */
#ifndef ALTOCAST_BASE_BUF_H
#define ALTOCAST_BASE_BUF_H

#include <stddef.h>

#include "common/base/rc.h"

struct buf {
	char *data;		/* NULL while empty */
	size_t len;
	size_t cap;
	size_t max;		/* bytes it may hold, the NUL not counted */
	enum rc rc;		/* RC_OK, RC_ENOMEM or RC_ELIMIT */
};

#define BUF_INIT(max_bytes) { NULL, 0, 0, (max_bytes), RC_OK }

void buf_init(struct buf *b, size_t max);
void buf_free(struct buf *b);			/* may be used again after */
void buf_clear(struct buf *b);			/* empty, error gone, memory kept */

/* Room for n more bytes at data + len; NULL once the buffer has failed. The
 * caller writes there and then adds what it used to len (buf_used). */
char *buf_room(struct buf *b, size_t n);
void buf_used(struct buf *b, size_t n);

void buf_add(struct buf *b, const void *data, size_t len);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

MUST_CHECK enum rc buf_rc(const struct buf *b);

/* The text so far; "" while empty. */
const char *buf_str(const struct buf *b);

/* Gives the bytes away (free()), NUL-terminated; the buffer is empty after.
 * NULL when the buffer has failed or memory is short. */
char *buf_take(struct buf *b, size_t *len);

#endif
