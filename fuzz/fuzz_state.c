/* fuzz_state.c - the readers of signed state, for libFuzzer.
 *
 * The first byte chooses the reader; what a reader takes must print to the same
 * bytes again, for each text has one spelling.
 */
#include <stdlib.h>
#include <string.h>

#include "common/core/merkle.h"
#include "common/wire/state_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_equal(struct buf *printed, const char *text, size_t len)
{
	if (buf_rc(printed) != RC_OK || printed->len != len ||
	    memcmp(buf_str(printed), text, len) != 0)
		abort();
	buf_free(printed);
}

static void try_leaf(const char *text, size_t len)
{
	struct buf again = BUF_INIT(RESOURCE_LEAF_MAX);
	struct resource_name n;
	struct diag d = { .line = 0 };

	if (leaf_read(text, len, &n, &d) != RC_OK)
		return;
	leaf_print(&n, &again);
	must_equal(&again, text, len);
}

static void try_proof(const char *text, size_t len)
{
	struct buf again = BUF_INIT(4096);
	uint8_t path[MERKLE_PATH_MAX * SHA256_SIZE];
	size_t n, index;
	struct diag d = { .line = 0 };

	if (proof_read(text, len, path, &n, &index, &d) != RC_OK)
		return;
	proof_print(path, n, index, &again);
	must_equal(&again, text, len);
}

/* Three lines. */
static void try_state(char *text)
{
	struct state st;
	struct diag d = { .line = 0 };
	char *input = strchr(text, '\n'), *signature;

	if (!input)
		return;
	*input++ = '\0';
	signature = strchr(input, '\n');
	if (!signature)
		return;
	*signature++ = '\0';
	if (state_read(text, input, signature, &st, &d) != RC_OK)
		return;
	if (strcmp(st.text, text) != 0 || strcmp(st.input, input) != 0 ||
	    strcmp(st.signature, signature) != 0)
		abort();
	(void)state_time(&st, 1700000000, &d);
}

static void try_doc(const char *text, size_t len)
{
	struct leaf_set *l = NULL;
	struct diag d = { .line = 0 };

	if (state_doc_read(text, len, &l, &d) == RC_OK &&
	    leaf_set_find(l, l->name[0].id) != 0)
		abort();
	leaf_set_free(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;
	size_t len;

	if (size == 0)
		return 0;
	len = size - 1;
	text = malloc(len + 1);
	if (!text)
		return 0;
	memcpy(text, data + 1, len);
	text[len] = '\0';
	switch (data[0] % 4) {
	case 0:	try_leaf(text, len); break;
	case 1:	try_proof(text, len); break;
	case 2:	try_state(text); break;
	case 3:	try_doc(text, len); break;
	}
	free(text);
	return 0;
}
