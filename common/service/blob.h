/* blob.h - bytes in one piece, counted: a body that several replies share.
 * Immutable; any thread. */
#ifndef ALTOCAST_SERVICE_BLOB_H
#define ALTOCAST_SERVICE_BLOB_H

#include <stdatomic.h>
#include <stddef.h>

#include "common/base/rc.h"

struct blob {
	atomic_uint refs;
	size_t len;
	char *data;
};

/* Takes data (malloc) over, also when it fails; NULL data fails. RC_ENOMEM. */
MUST_CHECK enum rc blob_new(char *data, size_t len, struct blob **out);
struct blob *blob_ref(struct blob *b);			/* NULL is fine */
/* void * so that it can stand as a free(); NULL is fine. */
void blob_unref(void *blob);

#endif
