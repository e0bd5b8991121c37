#include "tests/world_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/diff.h"
#include "common/wire/body.h"
#include "common/wire/delta_json.h"
#include "common/wire/jcs.h"
#include "common/wire/json.h"
#include "common/wire/jsonpatch.h"
#include "common/wire/media.h"
#include "tests/world_must.h"

void world_must(enum rc rc, const char *file, int line)
{
	if (rc == RC_OK)
		return;
	fprintf(stderr, "%s:%d: %s\n", file, line, rc_text(rc));
	abort();
}

/* ---- patches --------------------------------------------------------------- */

static void patch_net_text(const struct resource *from,
                           const struct resource *to, const char **media,
                           struct buf *dst)
{
	struct net_delta *d = NULL;

	must(diff_net(resource_net(from), resource_net(to), &d, NULL));
	memcpy(d->from, resource_name(from)->tag, TAG_HEX + 1);
	memcpy(d->to, resource_name(to)->tag, TAG_HEX + 1);
	*media = delta_json_net_media(d);
	must(delta_json_net(d, dst));
	net_delta_free(d);
}

static void patch_cost_text(const struct resource *from,
                            const struct resource *to, struct buf *dst)
{
	const struct costmeta *a = costmap_meta(resource_cost(from));
	const struct costmeta *b = costmap_meta(resource_cost(to));
	struct cost_delta *d = NULL;

	must(diff_cost(resource_cost(from), resource_cost(to), &d, NULL));
	memcpy(d->from, resource_name(from)->tag, TAG_HEX + 1);
	memcpy(d->to, resource_name(to)->tag, TAG_HEX + 1);
	if (strcmp(a->net.tag, b->net.tag) != 0)
		memcpy(d->net_tag, b->net.tag, sizeof(d->net_tag));
	must(delta_json_cost(d, b->net.id, dst));
	cost_delta_free(d);
}

static json_t *doc_of(const struct resource *r)
{
	json_t *doc = NULL;
	char *text = NULL;
	size_t len;

	must(body_flat(r, WORLD_TEXT_MAX, &text, &len));
	must(json_read(text, len, WORLD_TEXT_MAX, &doc, NULL));
	free(text);
	return doc;
}

static void patch_doc_text(const struct resource *from,
                           const struct resource *to, struct buf *dst)
{
	json_t *a = doc_of(from), *b = doc_of(to), *patch = NULL;

	must(merge_diff(a, b, &patch));
	must(jcs_write(patch, dst));
	json_decref(a);
	json_decref(b);
	json_decref(patch);
}

const char *world_patch(const struct resource *from,
                        const struct resource *to, struct buf *dst)
{
	const char *media = MEDIA_MERGE_PATCH;

	if (resource_kind(to) == RESOURCE_NETMAP)
		patch_net_text(from, to, &media, dst);
	else if (resource_kind(to) == RESOURCE_COSTMAP)
		patch_cost_text(from, to, dst);
	else
		patch_doc_text(from, to, dst);
	return media;
}

/* ---- answers and comparing ------------------------------------------------- */

bool world_answer(const struct snapshot *s, const char *id,
                  struct world_answer *out)
{
	uint8_t path[MERKLE_PATH_MAX * SHA256_SIZE];
	struct buf proof = BUF_INIT(sizeof(out->proof) - 1);
	long i = snapshot_find(s, id);
	struct resource *r;

	memset(out, 0, sizeof(*out));
	if (i < 0)
		return false;
	r = snapshot_at(s, (size_t)i);
	must(body_flat(r, WORLD_TEXT_MAX, &out->body, &out->len));
	memcpy(out->resource, resource_leaf(r), strlen(resource_leaf(r)) + 1);
	proof_print(path, snapshot_path(s, (size_t)i, path), (size_t)i, &proof);
	must(buf_rc(&proof));
	memcpy(out->proof, proof.data, proof.len + 1);
	buf_free(&proof);
	out->state = *snapshot_state(s);
	out->headers = (struct signed_headers){
		out->resource, out->proof, out->state.text, out->state.input,
		out->state.signature
	};
	return true;
}

void world_answer_free(struct world_answer *a)
{
	free(a->body);
	a->body = NULL;
}

static bool same_body(const struct resource *a, const struct resource *b)
{
	char *x = NULL, *y = NULL;
	size_t x_len, y_len;
	bool same;

	must(body_flat(a, WORLD_TEXT_MAX, &x, &x_len));
	must(body_flat(b, WORLD_TEXT_MAX, &y, &y_len));
	same = x_len == y_len && memcmp(x, y, x_len) == 0;
	free(x);
	free(y);
	return same;
}

bool world_same(const struct snapshot *a, const struct snapshot *b)
{
	if (snapshot_count(a) != snapshot_count(b) ||
	    memcmp(snapshot_root(a), snapshot_root(b), SHA256_SIZE) != 0)
		return false;
	for (size_t i = 0; i < snapshot_count(a); i++) {
		struct resource *x = snapshot_at(a, i), *y = snapshot_at(b, i);

		if (strcmp(resource_leaf(x), resource_leaf(y)) != 0 ||
		    (x != y && !same_body(x, y)))
			return false;
	}
	return true;
}

/* From the bytes alone, as a client would. */
bool world_proves(const struct snapshot *s, const struct keys *k)
{
	const struct state *st = snapshot_state(s);
	struct world_answer a;
	struct resource_name name;
	struct state again;
	bool good = true;

	for (size_t i = 0; good && i < snapshot_count(s); i++) {
		const char *id = resource_name(snapshot_at(s, i))->id;

		good = world_answer(s, id, &a) &&
		       body_check(&a.headers, a.body, a.len, &name, &again,
		                  NULL) == RC_OK &&
		       strcmp(name.id, id) == 0;
		world_answer_free(&a);
	}
	if (!good || st->resources != snapshot_count(s))
		return false;
	return !k || keys_check(k, st) == RC_OK;
}
