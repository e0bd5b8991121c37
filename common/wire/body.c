#include "common/wire/body.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/patch.h"
#include "common/wire/costmap_json.h"
#include "common/wire/delta_json.h"
#include "common/wire/jcs.h"
#include "common/wire/json.h"
#include "common/wire/jsonpatch.h"
#include "common/wire/media.h"
#include "common/wire/netmap_json.h"
#include "common/wire/seal.h"
#include "common/wire/state_json.h"

/* Gives r its name, or drops it. */
static enum rc believe(struct digest *d, struct resource *r, const char *leaf,
                       struct resource **out, struct diag *diag)
{
	enum rc rc = seal_believe(d, r, leaf);

	if (rc != RC_OK) {
		resource_unref(r);
		return diag_set(diag, rc, "content is not what the leaf says");
	}
	*out = r;
	return RC_OK;
}

static enum rc same_id(const struct vtag *stated, const char *id,
                       struct diag *diag)
{
	if (strcmp(stated->id, id) == 0)
		return RC_OK;
	return diag_set(diag, RC_EDIGEST, "this is %s, not %s", stated->id, id);
}

static enum rc open_net(struct digest *d, const char *id, struct scan *s,
                        const struct resource *base, struct resource **out,
                        struct diag *diag)
{
	struct netmap *m = NULL;
	struct map_notes notes;
	struct vtag stated;
	enum rc rc = netmap_json_read(s, base ? resource_net(base) : NULL, &m,
	                              &stated, &notes);

	if (rc == RC_OK)
		rc = same_id(&stated, id, diag);
	if (rc == RC_OK)
		rc = seal_netmap(d, id, m, base, out);
	netmap_unref(m);
	return rc;
}

static enum rc open_cost(struct digest *d, const char *id, struct scan *s,
                         const struct resource *base, struct resource **out,
                         struct diag *diag)
{
	struct costmap *m = NULL;
	struct map_notes notes;
	struct vtag stated;
	enum rc rc = costmap_json_read(s, base ? resource_cost(base) : NULL,
	                               &m, &stated, &notes);

	if (rc == RC_OK)
		rc = same_id(&stated, id, diag);
	if (rc == RC_OK)
		rc = seal_costmap(d, id, m, base, out);
	costmap_unref(m);
	return rc;
}

static enum rc open_doc(struct digest *d, const char *type, struct scan *s,
                        struct resource **out)
{
	const char *text;
	size_t len;
	enum rc rc = scan_raw(s, &text, &len);

	if (rc == RC_OK && len > JSON_SMALL_MAX)
		rc = RC_ELIMIT;
	return rc == RC_OK ? seal_doc(d, type, text, len, out) : rc;
}

enum rc body_open(struct digest *d, const char *leaf, struct scan *s,
                  const struct resource *base, struct resource **out,
                  struct diag *diag)
{
	struct resource_name name;
	struct resource *r = NULL;
	enum rc rc = leaf_read(leaf, strlen(leaf), &name, diag);

	if (rc != RC_OK)
		return rc;
	if (base && strcmp(resource_name(base)->type, name.type) != 0)
		base = NULL;
	if (strcmp(name.type, MEDIA_NETWORK_MAP) == 0)
		rc = open_net(d, name.id, s, base, &r, diag);
	else if (strcmp(name.type, MEDIA_COST_MAP) == 0)
		rc = open_cost(d, name.id, s, base, &r, diag);
	else
		rc = open_doc(d, name.type, s, &r);
	if (rc == RC_OK)
		rc = scan_end(s);
	if (rc == RC_OK)
		return believe(d, r, leaf, out, diag);
	resource_unref(r);
	return rc;
}

static enum rc patch_netmap(struct digest *d, const struct resource *base,
                            const char *from, const char *media,
                            const char *data, size_t len,
                            struct resource **out, struct diag *diag)
{
	struct net_delta *delta = NULL;
	struct netmap *next = NULL;
	enum rc rc = delta_json_net_read(media, data, len, from, &delta, diag);

	if (rc == RC_OK)
		rc = patch_net(resource_net(base), delta, &next, diag);
	if (rc == RC_OK)
		rc = seal_netmap(d, resource_name(base)->id, next, base, out);
	netmap_unref(next);
	net_delta_free(delta);
	return rc;
}

static enum rc patch_costmap(struct digest *d, const struct resource *base,
                             const char *from, const char *data, size_t len,
                             struct resource **out, struct diag *diag)
{
	struct cost_delta *delta = NULL;
	struct costmap *next = NULL;
	enum rc rc = delta_json_cost_read(data, len, from, &delta, diag);

	if (rc == RC_OK)
		rc = patch_cost(resource_cost(base), delta, &next, diag);
	if (rc == RC_OK)
		rc = seal_costmap(d, resource_name(base)->id, next, base, out);
	costmap_unref(next);
	cost_delta_free(delta);
	return rc;
}

static enum rc patch_doc(struct digest *d, const struct resource *base,
                         const char *media, const char *data, size_t len,
                         struct resource **out, struct diag *diag)
{
	struct buf text = BUF_INIT(JSON_SMALL_MAX);
	json_t *doc = NULL, *patch = NULL, *next = NULL;
	char *flat = NULL;
	size_t flat_len;
	enum rc rc = body_flat(base, JSON_SMALL_MAX, &flat, &flat_len);

	if (rc == RC_OK)
		rc = json_read(flat, flat_len, JSON_SMALL_MAX, &doc, diag);
	if (rc == RC_OK)
		rc = json_read(data, len, JSON_SMALL_MAX, &patch, diag);
	if (rc == RC_OK)
		rc = strcmp(media, MEDIA_JSON_PATCH) == 0 ?
		     json_patch(doc, patch, &next, diag) :
		     merge_patch(doc, patch, &next);
	if (rc == RC_OK)
		rc = jcs_write(next, &text);
	if (rc == RC_OK)
		rc = seal_doc(d, resource_name(base)->type, text.data,
		              text.len, out);
	json_decref(doc);
	json_decref(patch);
	json_decref(next);
	buf_free(&text);
	free(flat);
	return rc;
}

enum rc body_patch(struct digest *d, const struct resource *base,
                   const char *from, const char *media, const char *data,
                   size_t len, const char *leaf, struct resource **out,
                   struct diag *diag)
{
	struct resource *r = NULL;
	enum rc rc;

	if (strcmp(from, resource_name(base)->tag) != 0)
		return diag_set(diag, RC_EGAP, "patch for tag %.16s.., "
		                "held is %.16s..", from,
		                resource_name(base)->tag);
	if (strcmp(media, MEDIA_MERGE_PATCH) != 0 &&
	    strcmp(media, MEDIA_JSON_PATCH) != 0)
		return diag_set(diag, RC_ERULE, "no patch we know: %s", media);

	switch (resource_kind(base)) {
	case RESOURCE_NETMAP:
		rc = patch_netmap(d, base, from, media, data, len, &r, diag);
		break;
	case RESOURCE_COSTMAP:
		if (strcmp(media, MEDIA_MERGE_PATCH) != 0)
			return diag_set(diag, RC_ERULE,
			                "a cost map takes a merge patch");
		rc = patch_costmap(d, base, from, data, len, &r, diag);
		break;
	default:
		rc = patch_doc(d, base, media, data, len, &r, diag);
		break;
	}
	return rc == RC_OK ? believe(d, r, leaf, out, diag) : rc;
}

enum rc body_flat(const struct resource *r, size_t max, char **out,
                  size_t *len)
{
	size_t size = (size_t)resource_size(r);
	char *p;

	if (size > max)
		return RC_ELIMIT;
	p = malloc(size + 1);
	if (!p)
		return RC_ENOMEM;
	*len = resource_read(r, 0, p, size);
	p[*len] = '\0';
	*out = p;
	return RC_OK;
}
