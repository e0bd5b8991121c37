#include "server/change.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "common/core/diff.h"
#include "common/wire/body.h"
#include "common/wire/delta_json.h"
#include "common/wire/frame.h"
#include "common/wire/jcs.h"
#include "common/wire/json.h"
#include "common/wire/jsonpatch.h"
#include "common/wire/media.h"

#define RATIO_MAX	24		/* a body compresses no better, to be sure */
#define FRAME_ROOM	16384		/* for what stands around the patches */
#define SMALL_PATCH	4096		/* bytes: not worth a question */

/* What changed, in numbers. */
struct tally {
	struct delta_count map;
	size_t entities_added, entities_removed, entities_changed;
};

static bool is_directory(const struct resource *r)
{
	return strcmp(resource_name(r)->id, DIRECTORY_ID) == 0;
}

/* ---- patches --------------------------------------------------------------- */

static enum rc net_patch(const struct resource *from, const struct resource *to,
                         struct buf *dst, const char **media,
                         struct delta_count *count)
{
	struct net_delta *delta = NULL;
	enum rc rc = diff_net(resource_net(from), resource_net(to), &delta,
	                      count);

	if (rc != RC_OK)
		return rc;
	memcpy(delta->from, resource_name(from)->tag, TAG_HEX + 1);
	memcpy(delta->to, resource_name(to)->tag, TAG_HEX + 1);
	*media = delta_json_net_media(delta);
	rc = delta_json_net(delta, dst);
	net_delta_free(delta);
	return rc;
}

static enum rc cost_patch(const struct resource *from,
                          const struct resource *to, struct buf *dst,
                          const char **media, struct delta_count *count)
{
	const struct costmeta *a = costmap_meta(resource_cost(from));
	const struct costmeta *b = costmap_meta(resource_cost(to));
	struct cost_delta *delta = NULL;
	enum rc rc;

	/* Another cost type or network map: not an increment of this one. */
	if (strcmp(a->metric, b->metric) || strcmp(a->mode, b->mode) ||
	    strcmp(a->net.id, b->net.id))
		return RC_ERULE;
	rc = diff_cost(resource_cost(from), resource_cost(to), &delta, count);
	if (rc != RC_OK)
		return rc;
	memcpy(delta->from, resource_name(from)->tag, TAG_HEX + 1);
	memcpy(delta->to, resource_name(to)->tag, TAG_HEX + 1);
	if (strcmp(a->net.tag, b->net.tag) != 0)
		memcpy(delta->net_tag, b->net.tag, sizeof(delta->net_tag));
	*media = MEDIA_MERGE_PATCH;
	rc = delta_json_cost(delta, b->net.id, dst);
	cost_delta_free(delta);
	return rc;
}

static enum rc load_doc(const struct resource *r, json_t **out)
{
	char *text = NULL;
	size_t len;
	enum rc rc = body_flat(r, JSON_SMALL_MAX, &text, &len);

	if (rc == RC_OK)
		rc = json_read(text, len, JSON_SMALL_MAX, out, NULL);
	free(text);
	return rc;
}

/* An operation on an entity, whose id has "/" and no "~". */
static enum rc put_op(json_t *ops, const char *op, const char *entity,
                      json_t *value)
{
	struct buf path = BUF_INIT(256);
	json_t *o;

	buf_puts(&path, "/property-map/");
	for (; *entity; entity++)
		if (*entity == '/')
			buf_puts(&path, "~1");
		else
			buf_putc(&path, *entity);
	o = json_pack("{s:s,s:s,s:O*}", "op", op, "path", buf_str(&path),
	              "value", value);
	buf_free(&path);
	return json_array_append_new(ops, o) == 0 ? RC_OK : RC_ENOMEM;
}

/* A merge patch cannot say null, which a property map may: then it is the
 * entities that differ, whole. */
static enum rc entity_patch(const json_t *from, const json_t *to,
                            json_t **out)
{
	json_t *a = json_object_get(from, "property-map");
	json_t *b = json_object_get(to, "property-map");
	json_t *ops = json_array(), *v;
	const char *entity;
	enum rc rc = ops ? RC_OK : RC_ENOMEM;

	json_object_foreach(b, entity, v)
		if (rc == RC_OK && !json_equal(v, json_object_get(a, entity)))
			rc = put_op(ops, "add", entity, v);
	json_object_foreach(a, entity, v)
		if (rc == RC_OK && !json_object_get(b, entity))
			rc = put_op(ops, "remove", entity, NULL);
	if (rc == RC_OK && json_array_size(ops) > JSONPATCH_OPS_MAX)
		rc = RC_ELIMIT;
	if (rc == RC_OK)
		*out = ops;
	else
		json_decref(ops);
	return rc;
}

/* Of property maps; others have none. from may be NULL. */
static void count_entities(const json_t *from, const json_t *to,
                           struct tally *t)
{
	json_t *a = json_object_get(from, "property-map");
	json_t *b = json_object_get(to, "property-map"), *v, *old;
	const char *entity;

	json_object_foreach(b, entity, v) {
		old = json_object_get(a, entity);
		t->entities_added += !old;
		t->entities_changed += old && !json_equal(v, old);
	}
	json_object_foreach(a, entity, v)
		t->entities_removed += !json_object_get(b, entity);
}

static enum rc doc_patch(const struct resource *from, const struct resource *to,
                         struct buf *dst, const char **media,
                         struct tally *tally)
{
	json_t *a = NULL, *b = NULL, *patch = NULL;
	enum rc rc = load_doc(from, &a);

	*media = MEDIA_MERGE_PATCH;
	if (rc == RC_OK)
		rc = load_doc(to, &b);
	if (rc == RC_OK)
		count_entities(a, b, tally);
	if (rc == RC_OK)
		rc = merge_diff(a, b, &patch);
	if (rc == RC_ERULE && !is_directory(to)) {
		*media = MEDIA_JSON_PATCH;
		rc = entity_patch(a, b, &patch);
	}
	if (rc == RC_OK)
		rc = jcs_write(patch, dst);
	json_decref(a);
	json_decref(b);
	json_decref(patch);
	return rc;
}

static enum rc encode_patch(const struct resource *from,
                            const struct resource *to, struct buf *dst,
                            const char **media, struct tally *tally)
{
	if (resource_kind(from) != resource_kind(to))
		return RC_ERULE;
	switch (resource_kind(to)) {
	case RESOURCE_NETMAP:
		return net_patch(from, to, dst, media, &tally->map);
	case RESOURCE_COSTMAP:
		return cost_patch(from, to, dst, media, &tally->map);
	case RESOURCE_DOC:
		return doc_patch(from, to, dst, media, tally);
	}
	return RC_ERULE;
}

/* Bytes of the body compressed fast; stops counting past enough. */
static uint64_t compressed_size(const struct resource *r, uint64_t enough)
{
	char in[65536], out[65536];
	ZSTD_CCtx *z = ZSTD_createCCtx();
	uint64_t off = 0, total = 0;
	size_t n, left = 1;

	if (!z)
		return UINT64_MAX;
	ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, 1);
	while (total <= enough && left) {
		ZSTD_inBuffer ib;
		size_t before;

		n = resource_read(r, off, in, sizeof(in));
		off += n;
		ib = (ZSTD_inBuffer){ in, n, 0 };
		do {
			ZSTD_outBuffer ob = { out, sizeof(out), 0 };

			before = ib.pos;
			left = ZSTD_compressStream2(z, &ob, &ib, n ?
			       ZSTD_e_continue : ZSTD_e_end);
			if (ZSTD_isError(left)) {
				ZSTD_freeCCtx(z);
				return UINT64_MAX;
			}
			total += ob.pos;
		} while (ib.pos < ib.size && (ib.pos > before || left));
		if (n)
			left = 1;
	}
	ZSTD_freeCCtx(z);
	return total;
}

/* More than half of what the whole body costs on the wire: fetch that. room: what
 * the update may still grow by. */
static bool worth_a_patch(const struct resource *to, size_t len, size_t room)
{
	if (len > room)
		return false;
	if (len <= SMALL_PATCH || len * 2 <= resource_size(to) / RATIO_MAX)
		return true;
	return len * 2 <= compressed_size(to, len * 2 + 1);
}

/* ---- the report ------------------------------------------------------------ */

static void report_change(struct change_report *r, const struct resource *from,
                          const struct resource *to, const struct tally *t)
{
	const struct resource *any = to ? to : from;
	const struct delta_count *c = &t->map;

	if (is_directory(any))
		return;
	r->n++;
	if (to)
		r->full_bytes += resource_size(to);
	buf_printf(&r->json, "%s{\"id\":\"%s\"", r->json.len ? "," : "",
	           resource_name(any)->id);
	if (from)
		buf_printf(&r->json, ",\"from\":\"%s\"",
		           resource_name(from)->tag);
	if (to)
		buf_printf(&r->json, ",\"to\":\"%s\"",
		           resource_name(to)->tag);
	buf_printf(&r->json, ",\"pids-added\":%zu,\"pids-removed\":%zu,"
	           "\"prefixes-added\":%zu,\"prefixes-removed\":%zu,"
	           "\"cells-changed\":%zu,\"cells-added\":%zu,"
	           "\"cells-removed\":%zu", c->pids_added, c->pids_removed,
	           c->prefixes_added, c->prefixes_removed, c->cells_changed,
	           c->cells_added, c->cells_removed);
	if (resource_kind(any) == RESOURCE_DOC)
		buf_printf(&r->json, ",\"entities-changed\":%zu,"
		           "\"entities-added\":%zu,\"entities-removed\":%zu",
		           t->entities_changed, t->entities_added,
		           t->entities_removed);
	buf_putc(&r->json, '}');
}

/* A map that appears: all of it is added. */
static void count_all(const struct resource *r, struct tally *t)
{
	json_t *doc = NULL;

	switch (resource_kind(r)) {
	case RESOURCE_NETMAP:
		t->map.pids_added = netmap_pids(resource_net(r));
		t->map.prefixes_added = netmap_prefixes(resource_net(r));
		break;
	case RESOURCE_COSTMAP:
		t->map.cells_added = costmap_cells(resource_cost(r));
		break;
	case RESOURCE_DOC:
		if (!is_directory(r) && load_doc(r, &doc) == RC_OK)
			count_entities(NULL, doc, t);
		json_decref(doc);
		break;
	}
}

enum rc change_put(const struct resource *from, const struct resource *to,
                   const struct change_limits *limits, struct buf *text,
                   struct change_report *report)
{
	size_t message_max = limits->message_max;
	struct buf patch = BUF_INIT(message_max);
	size_t used = text->len + FRAME_ROOM;
	size_t room = message_max > used ? message_max - used : 0;
	struct tally tally = { 0 };
	const char *media = "";
	enum rc rc;

	if (!to) {
		report_change(report, from, NULL, &tally);
		frame_update_gone(resource_name(from)->id, text);
		return RC_OK;
	}
	rc = from ? encode_patch(from, to, &patch, &media, &tally) :
	                    RC_ERULE;

	if (rc == RC_ENOMEM)
		goto out;
	if (!from)
		count_all(to, &tally);
	report_change(report, from, to, &tally);
	if (rc == RC_OK && worth_a_patch(to, patch.len, room)) {
		frame_update_patch(resource_leaf(to), resource_name(from)->tag,
		                   media, patch.data, patch.len, text);
		if (!is_directory(to))
			report->delta_bytes += patch.len;
	} else {
		frame_update_pull(resource_leaf(to),
		                  frame_within(resource_size(to),
		                               limits->subscribers), text);
		report->pulls += !is_directory(to);
	}
	rc = RC_OK;
out:
	buf_free(&patch);
	return rc;
}
