#include "common/core/resource.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/enc.h"

/* The body is head, row, ",", row, ..., tail. start[i] is where row i begins,
 * start[n_rows] where the tail does; so the comma belongs to the row before. */
struct resource {
	atomic_uint refs;
	struct resource_parts parts;
	uint64_t *start;
	uint64_t size;
	struct resource_name name;
	char leaf[RESOURCE_LEAF_MAX + 1];
	uint8_t leaf_hash[SHA256_SIZE];
};

static void parts_free(const struct resource_parts *p)
{
	free(p->rows);
	netmap_unref(p->net);
	costmap_unref(p->cost);
	free(p->head);
	free(p->tail);
	merkle_free(p->tree);
}

/* Sets start and size. */
static enum rc lay_out(struct resource *r)
{
	const struct resource_parts *p = &r->parts;
	uint64_t at = p->head_len;

	r->start = malloc((p->n_rows + 1) * sizeof(*r->start));
	if (!r->start)
		return RC_ENOMEM;
	for (size_t i = 0; i < p->n_rows; i++) {
		assert(p->rows[i]->text);
		r->start[i] = at;
		at += p->rows[i]->text_len + (i + 1 < p->n_rows);
	}
	r->start[p->n_rows] = at;
	r->size = at + p->tail_len;
	return r->size > RESOURCE_BODY_MAX ? RC_ELIMIT : RC_OK;
}

enum rc resource_new(const struct resource_parts *parts, struct resource **out)
{
	struct resource *r = calloc(1, sizeof(*r));
	enum rc rc;

	if (!r) {
		parts_free(parts);
		return RC_ENOMEM;
	}
	atomic_init(&r->refs, 1);
	r->parts = *parts;
	rc = lay_out(r);
	if (rc != RC_OK) {
		resource_unref(r);
		return rc;
	}
	*out = r;
	return RC_OK;
}

enum rc resource_announce(struct resource *r, struct digest *d,
                          const struct resource_name *name, const char *leaf)
{
	char tag[TAG_HEX + 1];
	size_t len = strlen(leaf);
	uint8_t hash[SHA256_SIZE];
	enum rc rc;

	resource_content_tag(r, tag);
	if (name->size != r->size || strcmp(name->tag, tag) != 0)
		return RC_EDIGEST;
	if (len > RESOURCE_LEAF_MAX)
		return RC_ELIMIT;
	rc = merkle_leaf(d, leaf, len, hash);
	if (rc != RC_OK)
		return rc;
	r->name = *name;
	memcpy(r->leaf, leaf, len + 1);
	memcpy(r->leaf_hash, hash, sizeof(hash));
	return RC_OK;
}

enum resource_kind resource_kind(const struct resource *r)
{
	return r->parts.kind;
}

const struct resource_name *resource_name(const struct resource *r)
{
	return &r->name;
}

const char *resource_leaf(const struct resource *r)
{
	return r->leaf;
}

const uint8_t *resource_leaf_hash(const struct resource *r)
{
	return r->leaf_hash;
}

uint64_t resource_size(const struct resource *r)
{
	return r->size;
}

void resource_content_tag(const struct resource *r, char out[TAG_HEX + 1])
{
	enc_hex(merkle_root(r->parts.tree), SHA256_SIZE, out);
}

const struct merkle *resource_tree(const struct resource *r)
{
	return r->parts.tree;
}

struct netmap *resource_net(const struct resource *r)
{
	return r->parts.net;
}

struct costmap *resource_cost(const struct resource *r)
{
	return r->parts.cost;
}

/* The row whose text, or the comma after it, holds the byte at off, which lies
 * between head and tail. */
static size_t row_at(const struct resource *r, uint64_t off)
{
	size_t low = 0, high = r->parts.n_rows;

	while (high - low > 1) {
		size_t mid = low + (high - low) / 2;

		if (r->start[mid] <= off)
			low = mid;
		else
			high = mid;
	}
	return low;
}

/* The longest run of bytes in one place from off (below size) on. */
static const char *piece(const struct resource *r, uint64_t off, size_t *len)
{
	const struct resource_parts *p = &r->parts;
	const struct row *row;
	size_t i, in;

	if (off < p->head_len) {
		*len = p->head_len - (size_t)off;
		return p->head + off;
	}
	if (off >= r->start[p->n_rows]) {
		*len = (size_t)(r->size - off);
		return p->tail + (off - r->start[p->n_rows]);
	}
	i = row_at(r, off);
	row = p->rows[i];
	in = (size_t)(off - r->start[i]);
	if (in == row->text_len) {
		*len = 1;
		return ",";
	}
	*len = row->text_len - in;
	return row->text + in;
}

size_t resource_read(const struct resource *r, uint64_t off, void *dst,
                     size_t len)
{
	size_t done = 0;

	while (done < len && off < r->size) {
		size_t n;
		const char *from = piece(r, off, &n);

		if (n > len - done)
			n = len - done;
		memcpy((char *)dst + done, from, n);
		done += n;
		off += n;
	}
	return done;
}

enum rc resource_digest(const struct resource *r, struct digest *d,
                        uint8_t out[SHA256_SIZE])
{
	const struct resource_parts *p = &r->parts;

	digest_start(d);
	digest_add(d, p->head, p->head_len);
	for (size_t i = 0; i < p->n_rows; i++) {
		if (i > 0)
			digest_add(d, ",", 1);
		digest_add(d, p->rows[i]->text, p->rows[i]->text_len);
	}
	digest_add(d, p->tail, p->tail_len);
	return digest_end(d, out);
}

struct resource *resource_ref(struct resource *r)
{
	atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
	return r;
}

void resource_unref(struct resource *r)
{
	if (!r || atomic_fetch_sub_explicit(&r->refs, 1,
	                                    memory_order_acq_rel) != 1)
		return;
	parts_free(&r->parts);
	free(r->start);
	free(r);
}
