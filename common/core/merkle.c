#include "common/core/merkle.h"

#include <stdlib.h>
#include <string.h>

#define LEVELS_MAX (MERKLE_PATH_MAX + 1)
#define LEAVES_MAX (SIZE_MAX / 128 < (UINT64_C(1) << MERKLE_PATH_MAX) ? \
                    SIZE_MAX / 128 : (size_t)1 << MERKLE_PATH_MAX)

/* Level 0 holds the leaves; each node above stands for two below. The last
 * node of an odd level has no partner and goes up as it is: this gives the
 * splits at the largest power of two that s2.1.1 asks for. */
struct merkle {
	size_t levels;
	size_t count[LEVELS_MAX];
	uint8_t *level[LEVELS_MAX];	/* into hashes */
	size_t total;
	uint8_t hashes[][SHA256_SIZE];
};

enum rc merkle_leaf(struct digest *d, const void *leaf, size_t len,
                    uint8_t out[SHA256_SIZE])
{
	digest_start(d);
	digest_add(d, "\0", 1);
	digest_add(d, leaf, len);
	return digest_end(d, out);
}

static enum rc inner(struct digest *d, const uint8_t *left,
                     const uint8_t *right, uint8_t out[SHA256_SIZE])
{
	uint8_t both[1 + 2 * SHA256_SIZE];

	both[0] = 1;
	memcpy(both + 1, left, SHA256_SIZE);
	memcpy(both + 1 + SHA256_SIZE, right, SHA256_SIZE);
	digest_start(d);
	digest_add(d, both, sizeof(both));
	return digest_end(d, out);
}

/* The empty tree has one level too, for its root. */
static struct merkle *tree_new(size_t n)
{
	size_t count[LEVELS_MAX], levels = 0, total = 0;
	struct merkle *t;

	if (n > LEAVES_MAX)
		return NULL;
	for (size_t c = n; ; c = (c + 1) / 2) {
		count[levels++] = c;
		total += c ? c : 1;
		if (c <= 1)
			break;
	}
	t = malloc(sizeof(*t) + total * SHA256_SIZE);
	if (!t)
		return NULL;
	t->levels = levels;
	t->total = total;
	total = 0;
	for (size_t l = 0; l < levels; l++) {
		t->count[l] = count[l];
		t->level[l] = t->hashes[total];
		total += count[l];
	}
	return t;
}

/* Node i of level l (above the leaves) from the two below it. */
static enum rc node_make(struct digest *d, struct merkle *t, size_t l, size_t i)
{
	const uint8_t *left = t->level[l - 1] + 2 * i * SHA256_SIZE;
	uint8_t *out = t->level[l] + i * SHA256_SIZE;

	if (2 * i + 1 < t->count[l - 1])
		return inner(d, left, left + SHA256_SIZE, out);
	memcpy(out, left, SHA256_SIZE);
	return RC_OK;
}

enum rc merkle_new(struct digest *d, const uint8_t *hashes, size_t n,
                   struct merkle **out)
{
	struct merkle *t = tree_new(n);
	enum rc rc = RC_OK;

	if (!t)
		return RC_ENOMEM;
	if (n) {
		memcpy(t->hashes, hashes, n * SHA256_SIZE);
	} else {
		digest_start(d);
		rc = digest_end(d, t->hashes[0]);
	}
	for (size_t l = 1; l < t->levels; l++)
		for (size_t i = 0; i < t->count[l] && rc == RC_OK; i++)
			rc = node_make(d, t, l, i);
	if (rc != RC_OK) {
		merkle_free(t);
		return rc;
	}
	*out = t;
	return RC_OK;
}

/* Ancestors shared by neighbours in the list are made once a level. */
static enum rc remake(struct digest *d, struct merkle *t,
                      const size_t *changed, size_t n_changed)
{
	enum rc rc = RC_OK;

	for (size_t l = 1; l < t->levels; l++) {
		size_t last = SIZE_MAX;

		for (size_t k = 0; k < n_changed && rc == RC_OK; k++) {
			size_t i = changed[k] >> l;

			if (i != last)
				rc = node_make(d, t, l, i);
			last = i;
		}
	}
	return rc;
}

enum rc merkle_change(struct digest *d, const struct merkle *base,
                      const size_t *changed, size_t n_changed,
                      const uint8_t *hashes, struct merkle **out)
{
	struct merkle *t = tree_new(base->count[0]);
	enum rc rc;

	if (!t)
		return RC_ENOMEM;
	memcpy(t->hashes, base->hashes, t->total * SHA256_SIZE);
	for (size_t k = 0; k < n_changed; k++)
		memcpy(t->hashes[changed[k]],
		       hashes + changed[k] * SHA256_SIZE, SHA256_SIZE);
	rc = remake(d, t, changed, n_changed);
	if (rc != RC_OK) {
		merkle_free(t);
		return rc;
	}
	*out = t;
	return RC_OK;
}

size_t merkle_leaves(const struct merkle *t)
{
	return t->count[0];
}

const uint8_t *merkle_root(const struct merkle *t)
{
	return t->hashes[t->total - 1];
}

const uint8_t *merkle_leaf_hash(const struct merkle *t, size_t i)
{
	return t->hashes[i];
}

size_t merkle_path(const struct merkle *t, size_t i, uint8_t *path)
{
	size_t n = 0;

	for (size_t l = 0; l + 1 < t->levels; l++, i /= 2) {
		size_t partner = i ^ 1;

		if (partner >= t->count[l])
			continue;	/* went up as it is */
		memcpy(path + n++ * SHA256_SIZE,
		       t->level[l] + partner * SHA256_SIZE, SHA256_SIZE);
	}
	return n;
}

enum rc merkle_root_from(struct digest *d, const uint8_t leaf[SHA256_SIZE],
                         size_t i, size_t n, const uint8_t *path,
                         size_t path_len, uint8_t root[SHA256_SIZE])
{
	uint8_t h[SHA256_SIZE];
	size_t last = n - 1;
	enum rc rc = RC_OK;

	if (i >= n)
		return RC_EDIGEST;
	memcpy(h, leaf, sizeof(h));
	for (size_t k = 0; k < path_len && rc == RC_OK; k++) {
		const uint8_t *p = path + k * SHA256_SIZE;

		if (!last)
			return RC_EDIGEST;	/* too long */
		if (i & 1 || i == last) {
			rc = inner(d, p, h, h);
			for (; i && !(i & 1); i /= 2)
				last /= 2;
		} else {
			rc = inner(d, h, p, h);
		}
		i /= 2;
		last /= 2;
	}
	if (rc != RC_OK)
		return rc;
	if (last)
		return RC_EDIGEST;		/* too short */
	memcpy(root, h, sizeof(h));
	return RC_OK;
}

void merkle_free(struct merkle *t)
{
	free(t);
}
