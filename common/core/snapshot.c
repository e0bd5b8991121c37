#include "common/core/snapshot.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* What a heartbeat leaves as it is; snapshots that differ only in their state
 * share it. */
struct held {
	struct resource *res;
	uint64_t changed;
};

struct set {
	atomic_uint refs;
	struct merkle *tree;
	uint64_t map_serial;
	size_t n;
	struct held held[];		/* ascending by id */
};

struct snapshot {
	atomic_uint refs;
	struct set *set;
	struct state state;
};

static atomic_size_t alive;

static const char *id_of(const struct held *h)
{
	return resource_name(h->res)->id;
}

static int by_id(const void *a, const void *b)
{
	return strcmp(id_of(a), id_of(b));
}

static void set_unref(struct set *set)
{
	if (!set || atomic_fetch_sub_explicit(&set->refs, 1,
	                                      memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < set->n; i++)
		resource_unref(set->held[i].res);
	merkle_free(set->tree);
	free(set);
}

static enum rc grow_tree(struct set *set)
{
	uint8_t *hashes = malloc(set->n ? set->n * SHA256_SIZE : 1);
	struct digest *d = NULL;
	enum rc rc = hashes ? digest_new(&d) : RC_ENOMEM;

	if (rc != RC_OK)
		goto out;
	for (size_t i = 0; i < set->n; i++)
		memcpy(hashes + i * SHA256_SIZE,
		       resource_leaf_hash(set->held[i].res), SHA256_SIZE);
	rc = merkle_new(d, hashes, set->n, &set->tree);
out:
	digest_free(d);
	free(hashes);
	return rc;
}

/* Orders what is held: RC_EEXIST when an id occurs twice. */
static enum rc sort_set(struct set *set)
{
	qsort(set->held, set->n, sizeof(set->held[0]), by_id);
	for (size_t i = 0; i < set->n; i++) {
		if (i > 0 && by_id(&set->held[i - 1], &set->held[i]) == 0)
			return RC_EEXIST;
		if (strcmp(id_of(&set->held[i]), DIRECTORY_ID) != 0 &&
		    set->held[i].changed > set->map_serial)
			set->map_serial = set->held[i].changed;
	}
	return RC_OK;
}

static enum rc set_new(struct resource *const *res, const uint64_t *changed,
                       size_t n, struct set **out)
{
	struct set *set = calloc(1, sizeof(*set) + n * sizeof(set->held[0]));
	enum rc rc;

	if (!set)
		return RC_ENOMEM;
	atomic_init(&set->refs, 1);
	set->n = n;
	for (size_t i = 0; i < n; i++)
		set->held[i] = (struct held){ resource_ref(res[i]),
		                              changed[i] };
	rc = sort_set(set);
	if (rc == RC_OK)
		rc = grow_tree(set);
	if (rc != RC_OK) {
		set_unref(set);
		return rc;
	}
	*out = set;
	return RC_OK;
}

/* Takes the reference to set over, also on failure. */
static enum rc make(struct set *set, const struct state *state,
                    struct snapshot **out)
{
	struct snapshot *s = malloc(sizeof(*s));

	if (!s) {
		set_unref(set);
		return RC_ENOMEM;
	}
	atomic_init(&s->refs, 1);
	s->set = set;
	s->state = *state;
	atomic_fetch_add(&alive, 1);
	*out = s;
	return RC_OK;
}

enum rc snapshot_new(struct resource *const *res, const uint64_t *changed,
                     size_t n, const struct state *state,
                     struct snapshot **out)
{
	struct set *set = NULL;
	enum rc rc;

	if (n > SNAPSHOT_RESOURCES_MAX)
		return RC_ELIMIT;
	rc = set_new(res, changed, n, &set);
	if (rc != RC_OK)
		return rc;
	return make(set, state, out);
}

enum rc snapshot_restate(const struct snapshot *s, const struct state *state,
                         struct snapshot **out)
{
	atomic_fetch_add_explicit(&s->set->refs, 1, memory_order_relaxed);
	return make(s->set, state, out);
}

size_t snapshot_count(const struct snapshot *s)
{
	return s->set->n;
}

struct resource *snapshot_at(const struct snapshot *s, size_t i)
{
	return s->set->held[i].res;
}

uint64_t snapshot_changed(const struct snapshot *s, size_t i)
{
	return s->set->held[i].changed;
}

long snapshot_find(const struct snapshot *s, const char *id)
{
	size_t low = 0, high = s->set->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = strcmp(id, id_of(&s->set->held[mid]));

		if (c == 0)
			return (long)mid;
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return -1;
}

struct resource *snapshot_get(const struct snapshot *s, const char *id)
{
	long i = snapshot_find(s, id);

	return i < 0 ? NULL : snapshot_at(s, (size_t)i);
}

const struct state *snapshot_state(const struct snapshot *s)
{
	return &s->state;
}

bool snapshot_signed(const struct snapshot *s)
{
	return !s->state.plain;
}

uint64_t snapshot_map_serial(const struct snapshot *s)
{
	return s->set->map_serial;
}

const uint8_t *snapshot_root(const struct snapshot *s)
{
	return merkle_root(s->set->tree);
}

size_t snapshot_path(const struct snapshot *s, size_t i, uint8_t *path)
{
	return merkle_path(s->set->tree, i, path);
}

size_t snapshots_alive(void)
{
	return atomic_load(&alive);
}

struct snapshot *snapshot_ref(struct snapshot *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void snapshot_unref(struct snapshot *s)
{
	if (!s || atomic_fetch_sub_explicit(&s->refs, 1,
	                                    memory_order_acq_rel) != 1)
		return;
	set_unref(s->set);
	free(s);
	atomic_fetch_sub(&alive, 1);
}
