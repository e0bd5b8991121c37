#include "common/wire/seal.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/enc.h"
#include "common/core/merkle.h"
#include "common/wire/costmap_json.h"
#include "common/wire/jcs.h"
#include "common/wire/json.h"
#include "common/wire/media.h"
#include "common/wire/netmap_json.h"
#include "common/wire/state_json.h"

#define HEAD_MAX 4096u			/* head, tail, leaf 0 of a map */
#define DOC_MAX (16u << 20)		/* an IRD with every proxy in it */

const char *seal_media(enum resource_kind kind)
{
	switch (kind) {
	case RESOURCE_NETMAP:	return MEDIA_NETWORK_MAP;
	case RESOURCE_COSTMAP:	return MEDIA_COST_MAP;
	case RESOURCE_DOC:	break;
	}
	return MEDIA_DIRECTORY;
}

static const char *media_of(const struct resource *r, const char *id)
{
	if (resource_kind(r) == RESOURCE_DOC && strcmp(id, DIRECTORY_ID) != 0)
		return MEDIA_PROPERTY_MAP;
	return seal_media(resource_kind(r));
}

static void put_text(struct buf *b, const char *s)
{
	json_put_string(b, s, strlen(s));
}

/* Leaf 0: the type and what stands in meta, the map's own vtag left out. meta
 * is canonical text. */
static enum rc leaf_zero(struct digest *d, const char *media,
                         const struct buf *meta, uint8_t out[SHA256_SIZE])
{
	struct buf b = BUF_INIT(DOC_MAX);
	enum rc rc;

	buf_puts(&b, "{\"media-type\":");
	put_text(&b, media);
	buf_puts(&b, ",\"meta\":");
	buf_add(&b, buf_str(meta), meta->len);
	buf_putc(&b, '}');
	rc = buf_rc(meta) != RC_OK ? buf_rc(meta) : buf_rc(&b);
	if (rc == RC_OK)
		rc = merkle_leaf(d, b.data, b.len, out);
	buf_free(&b);
	return rc;
}

/* Gives a row a copy of the text that was printed: a growing buffer is up to
 * twice as large as what it holds, and there are thousands of rows. */
static enum rc row_take(struct row *r, struct digest *d, struct buf *text)
{
	size_t len = text->len;
	char *s;

	if (buf_rc(text) != RC_OK)
		return buf_rc(text);
	s = malloc(len + 1);
	if (!s)
		return RC_ENOMEM;
	memcpy(s, buf_str(text), len + 1);
	buf_clear(text);
	return row_seal(r, d, s, len);
}

/* The rows of a map with their texts. */
static enum rc netmap_rows(struct digest *d, const struct netmap *m,
                           struct resource_parts *p)
{
	struct buf text = BUF_INIT(RESOURCE_BODY_MAX);
	size_t n = netmap_pids(m);
	enum rc rc = RC_OK;

	p->rows = malloc((n + 1) * sizeof(*p->rows));
	if (!p->rows)
		return RC_ENOMEM;
	for (size_t i = 0; i < n && rc == RC_OK; i++) {
		struct netrow *row = netmap_row(m, i);

		if (!row->row.text) {
			netmap_json_row(index_name(netmap_names(m),
			                           (uint32_t)i), row, &text);
			rc = row_take(&row->row, d, &text);
		}
		p->rows[p->n_rows++] = &row->row;
	}
	buf_free(&text);
	return rc;
}

static enum rc costmap_rows(struct digest *d, const struct costmap *m,
                            struct resource_parts *p)
{
	struct buf text = BUF_INIT(RESOURCE_BODY_MAX);
	const struct index *names = costmap_names(m);
	size_t n = costmap_pids(m);
	enum rc rc = RC_OK;

	p->rows = malloc((n + 1) * sizeof(*p->rows));
	if (!p->rows)
		return RC_ENOMEM;
	for (size_t i = 0; i < n && rc == RC_OK; i++) {
		struct costrow *row = costmap_row(m, i);

		if (!row)
			continue;	/* a row without cells is left out */
		if (!row->row.text) {
			costmap_json_row(index_name(names, (uint32_t)i), row,
			                 names, &text);
			rc = row_take(&row->row, d, &text);
		}
		p->rows[p->n_rows++] = &row->row;
	}
	buf_free(&text);
	return rc;
}

/* The places where the hashes differ from base's tree, ascending. */
static size_t differences(const struct merkle *base, const uint8_t *hashes,
                          size_t n, size_t *places)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		if (memcmp(merkle_leaf_hash(base, i), hashes + i * SHA256_SIZE,
		           SHA256_SIZE) != 0)
			places[found++] = i;
	return found;
}

/* A tree over n hashes: base's with other paths when the count is the same,
 * whatever moved, for only places where the hash differs are made again. */
static enum rc tree_over(struct digest *d, const uint8_t *hashes, size_t n,
                         const struct merkle *base, struct merkle **out)
{
	size_t *places, found;
	enum rc rc;

	if (!base || merkle_leaves(base) != n)
		return merkle_new(d, hashes, n, out);
	places = malloc(n * sizeof(*places));
	if (!places)
		return RC_ENOMEM;
	found = differences(base, hashes, n, places);
	rc = merkle_change(d, base, places, found, hashes, out);
	free(places);
	return rc;
}

/* Leaf 0, then the rows. */
static enum rc grow_tree(struct digest *d, const struct buf *meta,
                         const struct resource *base, struct resource_parts *p)
{
	size_t n = p->n_rows + 1;
	uint8_t *hashes = malloc(n * SHA256_SIZE);
	enum rc rc;

	if (!hashes)
		return RC_ENOMEM;
	rc = leaf_zero(d, seal_media(p->kind), meta, hashes);
	for (size_t i = 0; i < p->n_rows; i++)
		memcpy(hashes + (i + 1) * SHA256_SIZE, p->rows[i]->leaf,
		       SHA256_SIZE);
	if (rc == RC_OK)
		rc = tree_over(d, hashes, n, base ? resource_tree(base) : NULL,
		               &p->tree);
	free(hashes);
	return rc;
}

/* "vtag":{...} with the tag that the tree gives. */
static void put_vtag(struct buf *b, const char *id, const struct merkle *tree)
{
	char tag[TAG_HEX + 1];

	enc_hex(merkle_root(tree), SHA256_SIZE, tag);
	buf_puts(b, "\"vtag\":{\"resource-id\":");
	put_text(b, id);
	buf_printf(b, ",\"tag\":\"%s\"}", tag);
}

/* Moves both texts into the parts. */
static enum rc frame_body(struct resource_parts *p, struct buf *head,
                          struct buf *tail)
{
	enum rc rc = buf_rc(head) != RC_OK ? buf_rc(head) : buf_rc(tail);

	if (rc == RC_OK) {
		p->head = buf_take(head, &p->head_len);
		p->tail = buf_take(tail, &p->tail_len);
		if (!p->head || !p->tail)
			rc = RC_ENOMEM;
	}
	buf_free(head);
	buf_free(tail);
	return rc;
}

/* Gives up parts that have not become a resource. */
static enum rc give_up(struct resource_parts *p, enum rc rc)
{
	free(p->rows);
	netmap_unref(p->net);
	costmap_unref(p->cost);
	free(p->head);
	free(p->tail);
	merkle_free(p->tree);
	return rc;
}

enum rc seal_netmap(struct digest *d, const char *id, struct netmap *m,
                    const struct resource *base, struct resource **out)
{
	struct resource_parts p = { .kind = RESOURCE_NETMAP };
	struct buf meta = BUF_INIT(HEAD_MAX), head = BUF_INIT(HEAD_MAX);
	struct buf tail = BUF_INIT(HEAD_MAX);
	enum rc rc;

	p.net = netmap_ref(m);
	buf_puts(&meta, "{}");
	rc = netmap_rows(d, m, &p);
	if (rc == RC_OK)
		rc = grow_tree(d, &meta, base, &p);
	buf_free(&meta);
	if (rc != RC_OK)
		return give_up(&p, rc);
	buf_puts(&head, "{\"meta\":{");
	put_vtag(&head, id, p.tree);
	buf_puts(&head, "},\"network-map\":{");
	buf_puts(&tail, "}}");
	rc = frame_body(&p, &head, &tail);
	return rc == RC_OK ? resource_new(&p, out) : give_up(&p, rc);
}

/* The members of a cost map's meta that stand before vtag. */
static void put_cost_meta(struct buf *b, const struct costmeta *meta)
{
	buf_puts(b, "\"cost-type\":{\"cost-metric\":");
	put_text(b, meta->metric);
	buf_puts(b, ",\"cost-mode\":");
	put_text(b, meta->mode);
	buf_puts(b, "},\"dependent-vtags\":[{\"resource-id\":");
	put_text(b, meta->net.id);
	buf_puts(b, ",\"tag\":");
	put_text(b, meta->net.tag);
	buf_puts(b, "}]");
}

enum rc seal_costmap(struct digest *d, const char *id, struct costmap *m,
                     const struct resource *base, struct resource **out)
{
	struct resource_parts p = { .kind = RESOURCE_COSTMAP };
	struct buf meta = BUF_INIT(HEAD_MAX), head = BUF_INIT(HEAD_MAX);
	struct buf tail = BUF_INIT(HEAD_MAX);
	enum rc rc;

	p.cost = costmap_ref(m);
	buf_putc(&meta, '{');
	put_cost_meta(&meta, costmap_meta(m));
	buf_putc(&meta, '}');
	rc = costmap_rows(d, m, &p);
	if (rc == RC_OK)
		rc = grow_tree(d, &meta, base, &p);
	buf_free(&meta);
	if (rc != RC_OK)
		return give_up(&p, rc);
	buf_puts(&head, "{\"cost-map\":{");
	buf_puts(&tail, "},\"meta\":{");
	put_cost_meta(&tail, costmap_meta(m));
	buf_putc(&tail, ',');
	put_vtag(&tail, id, p.tree);
	buf_puts(&tail, "}}");
	rc = frame_body(&p, &head, &tail);
	return rc == RC_OK ? resource_new(&p, out) : give_up(&p, rc);
}

/* Is body, which is doc, spelled canonically? */
static enum rc canonical(const json_t *doc, const char *body, size_t len)
{
	struct buf b = BUF_INIT(len);
	enum rc rc;

	rc = jcs_write(doc, &b);
	if (rc == RC_OK)
		rc = buf_rc(&b);
	if (rc == RC_OK && (b.len != len || memcmp(b.data, body, len) != 0))
		rc = RC_ESYNTAX;
	buf_free(&b);
	return rc == RC_OK || rc == RC_ENOMEM ? rc : RC_ESYNTAX;
}

/* Leaf 0 from the document's meta, leaf 1 from all the rest; takes meta out of
 * doc. */
static enum rc doc_leaves(struct digest *d, const char *media, json_t *doc,
                          uint8_t hashes[2 * SHA256_SIZE])
{
	struct buf meta = BUF_INIT(DOC_MAX), rest = BUF_INIT(DOC_MAX);
	json_t *m = json_object_get(doc, "meta");
	enum rc rc = RC_OK;

	if (m && !json_is_object(m))
		return RC_ESYNTAX;
	if (m) {
		(void)json_object_del(m, "vtag");
		rc = jcs_write(m, &meta);
		(void)json_object_del(doc, "meta");
	} else {
		buf_puts(&meta, "{}");
	}
	if (rc == RC_OK)
		rc = leaf_zero(d, media, &meta, hashes);
	if (rc == RC_OK)
		rc = jcs_write(doc, &rest);
	if (rc == RC_OK)
		rc = buf_rc(&rest);
	if (rc == RC_OK)
		rc = merkle_leaf(d, rest.data, rest.len, hashes + SHA256_SIZE);
	buf_free(&meta);
	buf_free(&rest);
	return rc;
}

static enum rc doc_tree(struct digest *d, const char *media, const char *body,
                        size_t len, struct merkle **out)
{
	uint8_t hashes[2 * SHA256_SIZE];
	json_t *doc = NULL;
	enum rc rc;

	rc = json_read(body, len, DOC_MAX, &doc, NULL);
	if (rc != RC_OK)
		return rc == RC_ERULE ? RC_ESYNTAX : rc;
	rc = json_is_object(doc) ? canonical(doc, body, len) : RC_ESYNTAX;
	if (rc == RC_OK)
		rc = doc_leaves(d, media, doc, hashes);
	if (rc == RC_OK)
		rc = merkle_new(d, hashes, 2, out);
	json_decref(doc);
	return rc;
}

enum rc seal_doc(struct digest *d, const char *media_type, const char *body,
                 size_t len, struct resource **out)
{
	struct resource_parts p = { .kind = RESOURCE_DOC };
	struct buf head = BUF_INIT(DOC_MAX), tail = BUF_INIT(0);
	enum rc rc;

	rc = doc_tree(d, media_type, body, len, &p.tree);
	if (rc != RC_OK)
		return rc;
	buf_add(&head, body, len);
	rc = frame_body(&p, &head, &tail);
	return rc == RC_OK ? resource_new(&p, out) : give_up(&p, rc);
}

static enum rc announce_as(struct digest *d, struct resource *r,
                           const struct resource_name *name)
{
	struct buf leaf = BUF_INIT(RESOURCE_LEAF_MAX);
	enum rc rc;

	leaf_print(name, &leaf);
	rc = buf_rc(&leaf);
	if (rc == RC_OK)
		rc = resource_announce(r, d, name, leaf.data);
	buf_free(&leaf);
	return rc;
}

enum rc seal_announce(struct digest *d, struct resource *r, const char *id)
{
	struct resource_name name = { .size = resource_size(r) };
	const char *type = media_of(r, id);
	enum rc rc;

	if (strlen(id) > ID_MAX)
		return RC_EINVAL;
	memcpy(name.id, id, strlen(id) + 1);
	memcpy(name.type, type, strlen(type) + 1);
	resource_content_tag(r, name.tag);
	rc = resource_digest(r, d, name.sha256);
	return rc == RC_OK ? announce_as(d, r, &name) : rc;
}

enum rc seal_believe(struct digest *d, struct resource *r, const char *leaf)
{
	struct resource_name name;
	enum rc rc;

	rc = leaf_read(leaf, strlen(leaf), &name, NULL);
	if (rc != RC_OK)
		return rc;
	if (strcmp(name.type, media_of(r, name.id)) != 0)
		return RC_EDIGEST;
	return resource_announce(r, d, &name, leaf);
}
