#include "common/proto/work.h"

#include <stdlib.h>
#include <string.h>

#include "common/wire/body.h"
#include "common/wire/scan.h"

#define WITHIN_MAX 30	/* seconds for which an order may hold up a body */

struct entry {
	char id[ID_MAX + 1];
	struct resource *res;	/* newest body at hand, or NULL */
	uint64_t at;		/* serial that res stands at, */
	int64_t created;	/* by headers signed then; 0: by its leaf */
	uint64_t changed;	/* serial at which it last changed */
	bool wanted;		/* res is not what was ordered */
	uint64_t asked;		/* number of the fetch under way, or 0 */
	unsigned tries, within;
	char *leaf;		/* ordered, while wanted */
	uint64_t size;		/* of that */
	uint64_t order;		/* serial of the order */
	char *newest;		/* while wanted: leaf after later changes, */
	uint64_t newest_at;	/* which wait; NULL: there were none */
};

struct work {
	struct digest *digest;
	uint64_t asks;		/* fetches so far */
	size_t n;
	struct entry *e;	/* ascending by id */
	size_t n_stock;
	struct resource **stock;
};

enum rc work_new(struct work **out)
{
	struct work *w = calloc(1, sizeof(*w));
	enum rc rc;

	if (!w)
		return RC_ENOMEM;
	rc = digest_new(&w->digest);
	if (rc != RC_OK) {
		free(w);
		return rc;
	}
	*out = w;
	return RC_OK;
}

static void entry_drop(struct entry *e)
{
	resource_unref(e->res);
	free(e->leaf);
	free(e->newest);
}

static void entries_free(struct entry *e, size_t n)
{
	for (size_t i = 0; i < n; i++)
		entry_drop(&e[i]);
	free(e);
}

void work_served(struct work *w)
{
	for (size_t i = 0; i < w->n_stock; i++)
		resource_unref(w->stock[i]);
	free(w->stock);
	w->stock = NULL;
	w->n_stock = 0;
}

void work_free(struct work *w)
{
	if (!w)
		return;
	work_served(w);
	entries_free(w->e, w->n);
	digest_free(w->digest);
	free(w);
}

/* Where id stands, or would stand. */
static bool find(const struct work *w, const char *id, size_t *at)
{
	size_t lo = 0, hi = w->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int cmp = strcmp(w->e[mid].id, id);

		if (cmp == 0) {
			*at = mid;
			return true;
		}
		if (cmp < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*at = lo;
	return false;
}

static struct entry *get(const struct work *w, const char *id)
{
	size_t i;

	return find(w, id, &i) ? &w->e[i] : NULL;
}

/* ---- orders ---------------------------------------------------------------- */

/* One body for each id: bodies may be large, and orders may follow each other
 * without end. A body that is not what was ordered does not push out one. */
static void stock_one(struct work *w, const struct entry *e)
{
	for (size_t i = 0; i < w->n_stock; i++) {
		if (strcmp(resource_name(w->stock[i])->id, e->id) != 0)
			continue;
		if (e->wanted)
			return;
		resource_ref(e->res);
		resource_unref(w->stock[i]);
		w->stock[i] = e->res;
		return;
	}
	w->stock[w->n_stock++] = resource_ref(e->res);
}

/* Puts every body at hand into stock, but for those that are served. */
static enum rc stock_up(struct work *w, const struct snapshot *held)
{
	struct resource **grown;

	if (w->n_stock > SNAPSHOT_RESOURCES_MAX)
		work_served(w);
	grown = realloc(w->stock, (w->n_stock + w->n + 1) * sizeof(*grown));
	if (!grown)
		return RC_ENOMEM;
	w->stock = grown;
	for (size_t i = 0; i < w->n; i++) {
		const struct entry *e = &w->e[i];

		if (e->res && (!held || snapshot_get(held, e->id) != e->res))
			stock_one(w, e);
	}
	return RC_OK;
}

/* The body with this leaf among what is served and what is in stock. */
static struct resource *at_hand(const struct work *w,
                                const struct snapshot *held, const char *id,
                                const char *leaf)
{
	struct resource *r = held ? snapshot_get(held, id) : NULL;

	if (r && strcmp(resource_leaf(r), leaf) == 0)
		return r;
	for (size_t i = 0; i < w->n_stock; i++)
		if (strcmp(resource_leaf(w->stock[i]), leaf) == 0)
			return w->stock[i];
	return NULL;
}

static void swap_in(struct work *w, struct entry *e, size_t n)
{
	entries_free(w->e, w->n);
	w->e = e;
	w->n = n;
}

enum rc work_hold(struct work *w, const struct snapshot *held)
{
	size_t n = held ? snapshot_count(held) : 0;
	struct entry *e = calloc(n + 1, sizeof(*e));
	enum rc rc = e ? stock_up(w, held) : RC_ENOMEM;

	if (rc != RC_OK) {
		free(e);
		return rc;
	}
	for (size_t i = 0; i < n; i++) {
		struct resource *r = snapshot_at(held, i);

		memcpy(e[i].id, resource_name(r)->id, sizeof(e[i].id));
		e[i].res = resource_ref(r);
		e[i].at = snapshot_state(held)->pos.serial;
		e[i].changed = snapshot_changed(held, i);
	}
	swap_in(w, e, n);
	return RC_OK;
}

/* When the held version is the ordered one, it changed when it did, unless the
 * order goes back to before that. */
static uint64_t changed_at(const struct snapshot *held, const struct state *st,
                           const char *id, const struct resource *r)
{
	long i = held ? snapshot_find(held, id) : -1;

	if (i >= 0 && snapshot_at(held, (size_t)i) == r &&
	    position_same_session(&snapshot_state(held)->pos, &st->pos) &&
	    snapshot_changed(held, (size_t)i) < st->pos.serial)
		return snapshot_changed(held, (size_t)i);
	return st->pos.serial;
}

static enum rc order_one(struct work *w, struct entry *e,
                         const struct leaf_set *l, size_t i,
                         const struct snapshot *held, unsigned within)
{
	const char *id = l->name[i].id;
	struct resource *r = at_hand(w, held, id, l->leaf[i]);
	struct entry *old = get(w, id);

	memcpy(e->id, id, sizeof(e->id));
	e->at = e->order = l->state.pos.serial;
	e->changed = changed_at(held, &l->state, id, r);
	if (r) {
		e->res = resource_ref(r);
		return RC_OK;
	}
	/* An older body is worth keeping: rows are shared with it. */
	if (old && old->res)
		e->res = resource_ref(old->res);
	if (old && old->wanted && strcmp(old->leaf, l->leaf[i]) == 0) {
		e->asked = old->asked;
		e->tries = old->tries;
	}
	e->wanted = true;
	e->size = l->name[i].size;
	e->within = within < WITHIN_MAX ? within : WITHIN_MAX;
	e->leaf = strdup(l->leaf[i]);
	return e->leaf ? RC_OK : RC_ENOMEM;
}

enum rc work_order(struct work *w, const struct leaf_set *leaves,
                   const struct snapshot *held, unsigned within)
{
	struct entry *e = calloc(leaves->n + 1, sizeof(*e));
	enum rc rc = e ? stock_up(w, held) : RC_ENOMEM;

	for (size_t i = 0; rc == RC_OK && i < leaves->n; i++)
		rc = order_one(w, &e[i], leaves, i, held, within);
	if (rc != RC_OK) {
		if (e)
			entries_free(e, leaves->n);
		return rc;
	}
	swap_in(w, e, leaves->n);
	return RC_OK;
}

/* ---- changes --------------------------------------------------------------- */

static enum rc want(struct entry *e, const struct change *c, uint64_t serial,
                    unsigned within)
{
	char *copy = strdup(c->leaf);

	if (!copy)
		return RC_ENOMEM;
	if (!e->wanted || strcmp(e->leaf, copy) != 0) {
		e->asked = 0;
		e->tries = 0;
	}
	free(e->leaf);
	free(e->newest);
	e->leaf = copy;
	e->newest = NULL;
	e->order = serial;
	e->within = within < WITHIN_MAX ? within : WITHIN_MAX;
	e->wanted = true;
	e->size = c->name.size;
	return RC_OK;
}

static void settle(struct entry *e, struct resource *r, uint64_t at)
{
	resource_unref(e->res);
	e->res = r;
	e->at = at;
	e->created = 0;
	e->changed = at;
	e->wanted = false;
	e->asked = 0;
	free(e->leaf);
	free(e->newest);
	e->leaf = e->newest = NULL;
}

static enum rc insert(struct work *w, const char *id, size_t at,
                      struct entry **out)
{
	struct entry *grown;

	if (w->n >= SNAPSHOT_RESOURCES_MAX)
		return RC_ELIMIT;
	grown = realloc(w->e, (w->n + 1) * sizeof(*grown));
	if (!grown)
		return RC_ENOMEM;
	w->e = grown;
	memmove(&grown[at + 1], &grown[at], (w->n - at) * sizeof(*grown));
	memset(&grown[at], 0, sizeof(*grown));
	memcpy(grown[at].id, id, strlen(id) + 1);
	w->n++;
	*out = &grown[at];
	return RC_OK;
}

/* Is e known to stand at serial or later? An update that comes again after a
 * new connection must not take it back. */
static bool is_past(const struct entry *e, uint64_t serial)
{
	return (e->wanted ? e->order : e->at) >= serial;
}

static void drop(struct work *w, const char *id, uint64_t serial)
{
	size_t at;

	if (!find(w, id, &at) || is_past(&w->e[at], serial))
		return;
	entry_drop(&w->e[at]);
	memmove(&w->e[at], &w->e[at + 1],
	        (w->n - at - 1) * sizeof(*w->e));
	w->n--;
}

static enum rc change_pull(struct work *w, const struct change *c,
                           uint64_t serial)
{
	struct entry *e = get(w, c->name.id);
	size_t at;
	enum rc rc;

	if (!e) {
		(void)find(w, c->name.id, &at);
		rc = insert(w, c->name.id, at, &e);
		if (rc != RC_OK)
			return rc;
	}
	if ((e->res || e->wanted) && is_past(e, serial))
		return RC_OK;
	if (e->res && strcmp(resource_leaf(e->res), c->leaf) == 0) {
		settle(e, resource_ref(e->res), serial);
		return RC_OK;
	}
	return want(e, c, serial, c->within);
}

/* The body is on its way, and the caller applies this when it is here; till then
 * the leaf is known. */
static enum rc note_leaf(struct entry *e, const char *leaf, uint64_t serial)
{
	char *copy;

	if (serial <= (e->newest ? e->newest_at : e->order))
		return RC_OK;
	copy = strdup(leaf);
	if (!copy)
		return RC_ENOMEM;
	free(e->newest);
	e->newest = copy;
	e->newest_at = serial;
	return RC_OK;
}

static enum rc change_patch(struct work *w, const struct change *c,
                            uint64_t serial, bool *refused, struct diag *d)
{
	struct entry *e = get(w, c->name.id);
	struct resource *next = NULL;
	enum rc rc;

	if (!e)
		return diag_set(d, RC_EPROTO, "a patch for %s, which is not "
		                "in the set", c->name.id);
	if (e->wanted)
		return note_leaf(e, c->leaf, serial);
	if (is_past(e, serial))
		return RC_OK;
	rc = body_patch(w->digest, e->res, c->from, c->media, c->data,
	                c->data_len, c->leaf, &next, d);
	if (rc == RC_OK) {
		settle(e, next, serial);
		return RC_OK;
	}
	if (rc == RC_ENOMEM)
		return rc;
	*refused = true;
	return want(e, c, serial, 0);
}

enum rc work_change(struct work *w, const struct change *c, uint64_t serial,
                    bool *refused, struct diag *d)
{
	*refused = false;
	switch (c->what) {
	case CHANGE_PATCH:
		return change_patch(w, c, serial, refused, d);
	case CHANGE_PULL:
		return change_pull(w, c, serial);
	case CHANGE_GONE:
		drop(w, c->name.id, serial);
		return RC_OK;
	}
	return RC_EINVAL;
}

/* ---- bodies ---------------------------------------------------------------- */

bool work_fetch(struct work *w, struct work_ask *out)
{
	/* ids stand in byte order and ".directory" comes first but for ids that
	 * begin with "-"; the others need its uris. */
	struct entry *e = get(w, DIRECTORY_ID);

	if (e && e->wanted && e->asked)
		return false;
	for (size_t i = 0; i <= w->n; i++) {
		if (i > 0)
			e = &w->e[i - 1];
		if (!e || !e->wanted || e->asked)
			continue;
		e->asked = ++w->asks;
		*out = (struct work_ask){ .id = e->id, .number = e->asked,
			.size = e->size, .again = e->tries > 0,
			.within = e->within };
		return true;
	}
	return false;
}

const char *work_wanted(const struct work *w, const char *id, uint64_t *at)
{
	const struct entry *e = get(w, id);

	if (!e || !e->wanted)
		return NULL;
	*at = e->order;
	return e->leaf;
}

enum rc work_body(struct work *w, const struct work_body *b, struct diag *d)
{
	struct entry *e = get(w, b->id);
	struct resource *r = NULL;
	struct scan *s = NULL;
	enum rc rc;

	if (!e)
		return RC_OK;
	rc = scan_new_bytes(b->body, b->len, d, &s);
	if (rc == RC_OK)
		rc = body_open(w->digest, b->leaf, s, e->res, &r, d);
	scan_free(s);
	if (rc != RC_OK)
		return rc;
	settle(e, r, b->at);
	e->created = b->created;
	return RC_OK;
}

bool work_failed(struct work *w, const char *id, uint64_t number)
{
	struct entry *e = get(w, id);

	if (!e || !e->asked || e->asked != number)
		return true;
	e->asked = 0;
	if (++e->tries < WORK_TRIES_MAX)
		return true;
	e->tries = 0;
	return false;
}

void work_forget(struct work *w)
{
	for (size_t i = 0; i < w->n; i++)
		w->e[i].asked = w->e[i].tries = 0;
}

/* ---- the set --------------------------------------------------------------- */

bool work_wants(const struct work *w)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->e[i].wanted)
			return true;
	return false;
}

uint64_t work_owed(const struct work *w)
{
	uint64_t owed = 0;

	for (size_t i = 0; i < w->n; i++)
		if (w->e[i].wanted)
			owed += w->e[i].size;
	return owed;
}

bool work_ahead(const struct work *w, uint64_t serial)
{
	for (size_t i = 0; i < w->n; i++)
		if (!w->e[i].wanted && w->e[i].at > serial)
			return true;
	return false;
}

bool work_denied(const struct work *w, const struct state *st)
{
	for (size_t i = 0; i < w->n; i++) {
		const struct entry *e = &w->e[i];

		if (!e->wanted && e->at > st->pos.serial && e->created &&
		    e->created < st->created)
			return true;
	}
	return false;
}

bool work_complete(const struct work *w, uint64_t serial)
{
	return w->n > 0 && !work_wants(w) && !work_ahead(w, serial);
}

/* The hash of the leaf that e has at serial. */
static enum rc leaf_hash(const struct work *w, const struct entry *e,
                         uint64_t serial, uint8_t out[SHA256_SIZE])
{
	const char *leaf = e->newest ? e->newest : e->leaf;
	uint64_t at = !e->wanted ? e->at :
	              e->newest ? e->newest_at : e->order;

	if (at > serial)
		return RC_EAGAIN;
	if (e->wanted)
		return merkle_leaf(w->digest, leaf, strlen(leaf), out);
	memcpy(out, resource_leaf_hash(e->res), SHA256_SIZE);
	return RC_OK;
}

enum rc work_root(const struct work *w, uint64_t serial,
                  uint8_t root[SHA256_SIZE])
{
	uint8_t *hash = malloc((w->n + 1) * SHA256_SIZE);
	struct merkle *tree = NULL;
	enum rc rc = hash ? RC_OK : RC_ENOMEM;

	for (size_t i = 0; rc == RC_OK && i < w->n; i++)
		rc = leaf_hash(w, &w->e[i], serial, hash + i * SHA256_SIZE);
	if (rc == RC_OK)
		rc = merkle_new(w->digest, hash, w->n, &tree);
	if (rc == RC_OK)
		memcpy(root, merkle_root(tree), SHA256_SIZE);
	merkle_free(tree);
	free(hash);
	return rc;
}

struct resource *work_get(const struct work *w, const char *id)
{
	const struct entry *e = get(w, id);

	return e && !e->wanted ? e->res : NULL;
}

enum rc work_snapshot(const struct work *w, const struct state *st,
                      struct snapshot **out)
{
	struct resource **res = calloc(w->n + 1, sizeof(struct resource *));
	uint64_t *changed = calloc(w->n + 1, sizeof(*changed));
	struct snapshot *s = NULL;
	enum rc rc = RC_ENOMEM;

	if (!res || !changed)
		goto out;
	for (size_t i = 0; i < w->n; i++) {
		res[i] = w->e[i].res;
		changed[i] = w->e[i].changed;
	}
	rc = snapshot_new(res, changed, w->n, st, &s);
	if (rc == RC_OK && (w->n != st->resources ||
	    memcmp(snapshot_root(s), st->root, SHA256_SIZE) != 0))
		rc = RC_EDIGEST;
	if (rc == RC_OK) {
		*out = s;
		s = NULL;
	}
out:
	snapshot_unref(s);
	free(res);
	free(changed);
	return rc;
}
