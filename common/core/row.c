#include "common/core/row.h"

#include <stdlib.h>

#include "common/core/merkle.h"

void *row_new(size_t size)
{
	struct row *r = calloc(1, size);

	if (r)
		atomic_init(&r->refs, 1);
	return r;
}

struct row *row_ref(struct row *r)
{
	atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
	return r;
}

void row_unref(struct row *r)
{
	if (!r || atomic_fetch_sub_explicit(&r->refs, 1,
	                                    memory_order_acq_rel) != 1)
		return;
	free(r->text);
	free(r);
}

enum rc row_seal(struct row *r, struct digest *d, char *text, size_t text_len)
{
	uint8_t leaf[SHA256_SIZE];
	enum rc rc = RC_EINVAL;

	if (!r->text)
		rc = merkle_leaf(d, text, text_len, leaf);
	if (rc != RC_OK) {
		free(text);
		return rc;
	}
	for (size_t i = 0; i < sizeof(leaf); i++)
		r->leaf[i] = leaf[i];
	r->text = text;
	r->text_len = text_len;
	return RC_OK;
}
