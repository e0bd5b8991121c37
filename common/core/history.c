#include "common/core/history.h"

#include <stdlib.h>
#include <string.h>

/* A ring of updates whose serials are base + 1 ... base + count. The root at
 * base is kept apart: updates lead on from there, and the update that led to it
 * is forgotten. */
struct history {
	size_t max_count, max_bytes;
	uint64_t base;
	uint8_t base_root[SHA256_SIZE];
	struct state head;
	struct update **ring;
	size_t cap, first, count;
	size_t bytes;
};

enum rc history_new(size_t max_count, size_t max_bytes, struct history **out)
{
	struct history *h = calloc(1, sizeof(*h));

	if (!h)
		return RC_ENOMEM;
	history_limit(h, max_count, max_bytes);
	*out = h;
	return RC_OK;
}

static struct update *nth(const struct history *h, size_t i)
{
	return h->ring[(h->first + i) % h->cap];
}

static void forget_oldest(struct history *h)
{
	struct update *u = nth(h, 0);

	h->base = u->state.pos.serial;
	memcpy(h->base_root, u->state.root, sizeof(h->base_root));
	h->bytes -= u->len;
	h->first = (h->first + 1) % h->cap;
	h->count--;
	update_unref(u);
}

static void forget_all(struct history *h)
{
	while (h->count > 0)
		forget_oldest(h);
}

static void trim(struct history *h)
{
	while (h->count > 1 &&
	       (h->count > h->max_count || h->bytes > h->max_bytes))
		forget_oldest(h);
}

void history_free(struct history *h)
{
	if (!h)
		return;
	forget_all(h);
	free(h->ring);
	free(h);
}

void history_limit(struct history *h, size_t max_count, size_t max_bytes)
{
	h->max_count = max_count;
	h->max_bytes = max_bytes;
	trim(h);
}

void history_reset(struct history *h, const struct state *at)
{
	h->head = *at;			/* first: at may go with its update */
	forget_all(h);
	h->base = h->head.pos.serial;
	memcpy(h->base_root, h->head.root, sizeof(h->base_root));
}

static enum rc grow(struct history *h)
{
	size_t cap = h->cap ? h->cap * 2 : 16;
	struct update **ring = malloc(cap * sizeof(struct update *));

	if (!ring)
		return RC_ENOMEM;
	for (size_t i = 0; i < h->count; i++)
		ring[i] = nth(h, i);
	free(h->ring);
	h->ring = ring;
	h->cap = cap;
	h->first = 0;
	return RC_OK;
}

enum rc history_append(struct history *h, struct update *u)
{
	const struct position *pos = &u->state.pos;

	if (!position_same_session(pos, &h->head.pos) ||
	    pos->serial != h->head.pos.serial + 1)
		return RC_EGAP;
	if (h->count == h->cap) {
		enum rc rc = grow(h);

		if (rc != RC_OK)
			return rc;
	}
	h->ring[(h->first + h->count) % h->cap] = update_ref(u);
	h->count++;
	h->bytes += u->len;
	h->head = u->state;
	trim(h);
	return RC_OK;
}

enum rc history_after(const struct history *h, uint64_t serial,
                      struct update **out)
{
	if (serial == h->head.pos.serial)
		return RC_EAGAIN;
	if (serial < h->base || serial > h->head.pos.serial)
		return RC_EGAP;
	*out = nth(h, (size_t)(serial - h->base));
	return RC_OK;
}

const uint8_t *history_root(const struct history *h, uint64_t serial,
                            bool *known)
{
	*known = serial >= h->base && serial <= h->head.pos.serial;
	if (!*known)
		return NULL;
	if (serial == h->base)
		return h->base_root;
	return nth(h, (size_t)(serial - h->base - 1))->state.root;
}

const struct state *history_head(const struct history *h)
{
	return &h->head;
}

uint64_t history_oldest(const struct history *h)
{
	return h->base;
}

size_t history_count(const struct history *h)
{
	return h->count;
}

size_t history_bytes(const struct history *h)
{
	return h->bytes;
}
