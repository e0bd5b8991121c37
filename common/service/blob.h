/* blob.h - bytes in one piece, counted: a body that several replies share.
 * Immutable; any thread.
 *
 * A blob that no version holds any more is superseded: it lives on only because
 * somebody reads it.
 */
#ifndef ALTOCAST_SERVICE_BLOB_H
#define ALTOCAST_SERVICE_BLOB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/rc.h"

struct blob {
	atomic_uint refs;
	atomic_uint held;		/* by versions */
	bool superseded;		/* written before the last unref */
	size_t len;
	char *data;
};

/* Takes data (malloc) over, also when it fails; NULL data fails. RC_ENOMEM. */
MUST_CHECK enum rc blob_new(char *data, size_t len, struct blob **out);
struct blob *blob_ref(struct blob *b);			/* NULL is fine */
/* void * so that it can stand as a free(); NULL is fine. */
void blob_unref(void *blob);

/* A version takes over a reference, and gives it back; NULL is fine. */
void blob_hold(struct blob *b);
void blob_let_go(struct blob *b);

/* Bytes of all that are superseded and not freed yet. */
uint64_t blob_superseded(void);

#endif
