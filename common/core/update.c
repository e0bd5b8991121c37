#include "common/core/update.h"

#include <stdatomic.h>
#include <stdlib.h>

struct counted {
	struct update u;		/* first: a pointer to one is to both */
	atomic_uint refs;
	char *text;
};

enum rc update_new(const struct state *state, char *text, size_t len,
                   int64_t published_ms, struct update **out)
{
	struct counted *c = malloc(sizeof(*c));

	if (!c) {
		free(text);
		return RC_ENOMEM;
	}
	c->u = (struct update){ *state, text, len, published_ms };
	atomic_init(&c->refs, 1);
	c->text = text;
	*out = &c->u;
	return RC_OK;
}

struct update *update_ref(struct update *u)
{
	struct counted *c = (struct counted *)u;

	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return u;
}

void update_unref(struct update *u)
{
	struct counted *c = (struct counted *)u;

	if (!c || atomic_fetch_sub_explicit(&c->refs, 1,
	                                    memory_order_acq_rel) != 1)
		return;
	free(c->text);
	free(c);
}
