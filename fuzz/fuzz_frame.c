/* fuzz_frame.c - the reader of push messages, for libFuzzer. */
#include <stdlib.h>
#include <string.h>

#include "common/wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What an update lends lies in the text, and each change is one thing. */
static void check_update(const struct frame *f, const char *text, size_t len)
{
	if (!f->has_state || f->n_changes == 0)
		abort();
	for (size_t i = 0; i < f->n_changes; i++) {
		const struct change *c = &f->changes[i];

		if ((c->what == CHANGE_GONE) != (c->leaf == NULL))
			abort();
		if (c->what == CHANGE_PATCH &&
		    (c->data < text || c->data + c->data_len > text + len))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size ? size : 1);	/* its end is the end */
	struct diag d = { .line = 0 };
	struct frame *f = NULL;

	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	if (frame_read(text, size, &f, &d) == RC_OK) {
		if (f->kind == FRAME_UPDATE)
			check_update(f, text, size);
		if (f->kind == FRAME_SNAPSHOT && !f->leaves)
			abort();
	} else if (!d.text[0]) {
		abort();
	}
	frame_free(f);
	free(text);
	return 0;
}
