#include "common/wire/offer.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/resource.h"
#include "common/wire/ird_json.h"
#include "common/wire/json.h"
#include "common/wire/media.h"

/* How a service of each kind stands in an IRD. */
static const struct form {
	const char *path, *accepts, *media;
} forms[] = {
	[SERVICE_NETWORK_MAP] = { OFFER_NETWORK, MEDIA_NETWORK_MAP_FILTER,
	                          MEDIA_NETWORK_MAP },
	[SERVICE_COST_MAP] = { OFFER_COST, MEDIA_COST_MAP_FILTER,
	                       MEDIA_COST_MAP },
	[SERVICE_ENDPOINT_PROPERTY] = { OFFER_PROPERTY,
	                                MEDIA_ENDPOINT_PROP_PARAMS,
	                                MEDIA_ENDPOINT_PROP },
	[SERVICE_ENDPOINT_COST] = { OFFER_ENDPOINT_COST,
	                            MEDIA_ENDPOINT_COST_PARAMS,
	                            MEDIA_ENDPOINT_COST },
};

#define FORMS (sizeof(forms) / sizeof(forms[0]))

/* The resource is held so that no other can have its address: an equal pointer is
 * the same IRD. */
struct offers {
	atomic_uint refs;
	struct resource *res;
	struct ird *ird;		/* NULL: it could not be read */
	size_t n;
	struct offer *list;		/* ascending by path, none twice */
};

static bool has_form(const struct ird_entry *e, const struct form *f)
{
	size_t len = strlen(f->path);
	bool of_map = f->path[len - 1] == '/';

	return strncmp(e->uri, f->path, len) == 0 &&
	       of_map == (e->uri[len] != '\0') &&
	       strcmp(e->accepts, f->accepts) == 0 &&
	       strcmp(e->media, f->media) == 0;
}

/* false: the entry is not for a service of ours. */
static bool offer_of(const struct ird *ird, const struct ird_entry *e,
                     struct offer *out)
{
	size_t kind = 0;

	while (kind < FORMS && !has_form(e, &forms[kind]))
		kind++;
	if (kind == FORMS)
		return false;
	*out = (struct offer){
		.kind = (enum service_kind)kind, .entry = e,
		.map = e->uri + strlen(forms[kind].path),
		.says_vtag = kind == SERVICE_ENDPOINT_COST &&
		             ird_endpoint_cost_vtag(ird)
	};
	return true;
}

/* By path; among equal paths the entry with the lower id comes first. */
static int by_path(const void *va, const void *vb)
{
	const struct offer *a = va, *b = vb;
	int c = strcmp(a->entry->uri, b->entry->uri);

	return c ? c : strcmp(a->entry->id, b->entry->id);
}

static enum rc gather(struct offers *o)
{
	size_t n = ird_count(o->ird), kept = 0;

	o->list = calloc(n + 1, sizeof(*o->list));
	if (!o->list)
		return RC_ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (offer_of(o->ird, ird_entry(o->ird, i), &o->list[o->n]))
			o->n++;
	qsort(o->list, o->n, sizeof(*o->list), by_path);
	for (size_t i = 0; i < o->n; i++)
		if (!kept || strcmp(o->list[kept - 1].entry->uri,
		                    o->list[i].entry->uri) != 0)
			o->list[kept++] = o->list[i];
	o->n = kept;
	return RC_OK;
}

/* An IRD that is too long or wrong offers nothing, so running out of memory is
 * all that counts. */
static enum rc read_directory(struct offers *o)
{
	uint64_t size = resource_size(o->res);
	char *text;
	enum rc rc;

	if (size > JSON_SMALL_MAX)
		return RC_OK;
	text = malloc((size_t)size + 1);
	if (!text)
		return RC_ENOMEM;
	rc = ird_read_any(text, resource_read(o->res, 0, text, (size_t)size),
	                  true, &o->ird, NULL);
	free(text);
	return rc == RC_ENOMEM ? rc : RC_OK;
}

enum rc offers_new(struct resource *res, struct offers *before,
                   struct offers **out)
{
	struct offers *o;
	enum rc rc;

	if (before && before->res == res) {
		*out = offers_ref(before);
		return RC_OK;
	}
	o = calloc(1, sizeof(*o));
	if (!o)
		return RC_ENOMEM;
	atomic_init(&o->refs, 1);
	o->res = resource_ref(res);
	rc = read_directory(o);
	if (rc == RC_OK && o->ird)
		rc = gather(o);
	if (rc == RC_OK) {
		*out = o;
		o = NULL;
	}
	offers_unref(o);
	return rc;
}

size_t offers_count(const struct offers *o)
{
	return o->n;
}

const struct offer *offers_at(const struct offers *o, size_t i)
{
	return &o->list[i];
}

struct offers *offers_ref(struct offers *o)
{
	atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
	return o;
}

void offers_unref(struct offers *o)
{
	if (!o || atomic_fetch_sub_explicit(&o->refs, 1,
	                                    memory_order_acq_rel) != 1)
		return;
	resource_unref(o->res);
	ird_free(o->ird);
	free(o->list);
	free(o);
}
