#include "common/service/blob.h"

#include <stdlib.h>

enum rc blob_new(char *data, size_t len, struct blob **out)
{
	struct blob *b = data != NULL ? malloc(sizeof(*b)) : NULL;

	if (b == NULL) {
		free(data);
		return RC_ENOMEM;
	}
	atomic_init(&b->refs, 1);
	b->len = len;
	b->data = data;
	*out = b;
	return RC_OK;
}

struct blob *blob_ref(struct blob *b)
{
	if (b != NULL)
		atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
	return b;
}

void blob_unref(void *blob)
{
	struct blob *b = blob;

	if (b == NULL || atomic_fetch_sub(&b->refs, 1) > 1)
		return;
	free(b->data);
	free(b);
}
