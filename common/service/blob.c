#include "common/service/blob.h"

#include <stdlib.h>

static _Atomic uint64_t superseded;

enum rc blob_new(char *data, size_t len, struct blob **out)
{
	struct blob *b = data != NULL ? malloc(sizeof(*b)) : NULL;

	if (b == NULL) {
		free(data);
		return RC_ENOMEM;
	}
	atomic_init(&b->refs, 1);
	atomic_init(&b->held, 0);
	b->superseded = false;
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
	if (b->superseded)
		atomic_fetch_sub(&superseded, b->len);
	free(b->data);
	free(b);
}

void blob_hold(struct blob *b)
{
	if (b != NULL)
		atomic_fetch_add(&b->held, 1);
}

void blob_let_go(struct blob *b)
{
	if (b != NULL && atomic_fetch_sub(&b->held, 1) == 1) {
		b->superseded = true;
		atomic_fetch_add(&superseded, b->len);
	}
	blob_unref(b);
}

uint64_t blob_superseded(void)
{
	return atomic_load(&superseded);
}
