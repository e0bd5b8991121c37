#include "common/wire/ird_json.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/costmap.h"
#include "common/core/vtag.h"
#include "common/wire/jcs.h"
#include "common/wire/json.h"
#include "common/wire/media.h"

#define REDIST "/meta/redistribution"
#define HEARTBEAT_MAX 86400u
#define COST_TYPE_MAX (2 * METRIC_MAX + 1)

/* Writing: a jansson tree, printed at the end. Sets a member, v is taken over;
 * false: out of memory (v NULL says so too). */
static bool set(json_t *obj, const char *name, json_t *v)
{
	return json_object_set_new(obj, name, v) == 0;
}

static bool set_text(json_t *obj, const char *name, const char *text)
{
	return set(obj, name, json_string(text));
}

/* An object that is a new member of obj, lent; NULL: out of memory. */
static json_t *set_object(json_t *obj, const char *name)
{
	json_t *v = json_object();

	return set(obj, name, v) ? v : NULL;
}

/* Modes and metrics have no "/", so no two cost types share a name. */
static void cost_type_name(const struct costmeta *m,
                           char name[COST_TYPE_MAX + 1])
{
	if (strcmp(m->mode, "numerical") == 0)
		snprintf(name, COST_TYPE_MAX + 1, "num-%s", m->metric);
	else if (strcmp(m->mode, "ordinal") == 0)
		snprintf(name, COST_TYPE_MAX + 1, "ord-%s", m->metric);
	else
		snprintf(name, COST_TYPE_MAX + 1, "%s/%s", m->mode, m->metric);
}

static enum rc put_cost_type(json_t *types, const char *name,
                             const struct costmeta *m)
{
	json_t *type;

	if (json_object_get(types, name))
		return RC_OK;
	type = set_object(types, name);
	return type && set_text(type, "cost-metric", m->metric) &&
	       set_text(type, "cost-mode", m->mode) ? RC_OK : RC_ENOMEM;
}

/* What a cost map has more than a network map: its cost type, its map. */
static enum rc put_cost(json_t *entry, json_t *types, const struct costmeta *m)
{
	char name[COST_TYPE_MAX + 1];
	json_t *caps = set_object(entry, "capabilities");

	cost_type_name(m, name);
	if (!caps ||
	    !set(caps, "cost-type-names", json_pack("[s]", name)) ||
	    !set(entry, "uses", json_pack("[s]", m->net.id)))
		return RC_ENOMEM;
	return put_cost_type(types, name, m);
}

static enum rc put_map(json_t *resources, json_t *types,
                       const struct resource *r)
{
	const char *id = resource_name(r)->id;
	struct costmap *cost = resource_cost(r);
	json_t *entry;
	char uri[sizeof("maps/") + ID_MAX];

	if (!cost && !resource_net(r))
		return RC_EINVAL;
	if (json_object_get(resources, id))
		return RC_EEXIST;
	entry = set_object(resources, id);
	snprintf(uri, sizeof(uri), "maps/%s", id);
	if (!entry || !set_text(entry, "uri", uri) ||
	    !set_text(entry, "media-type",
	              cost ? MEDIA_COST_MAP : MEDIA_NETWORK_MAP))
		return RC_ENOMEM;
	return cost ? put_cost(entry, types, costmap_meta(cost)) : RC_OK;
}

static enum rc put_keys(json_t *redist, const struct ird_redistribution *r)
{
	json_t *set_obj = set_object(redist, "keys");
	json_t *list = json_array();

	if (!set(set_obj, "keys", list))
		return RC_ENOMEM;
	for (size_t i = 0; i < r->n_keys; i++)
		if (json_array_append_new(list, jwk_write(&r->keys[i])) != 0)
			return RC_ENOMEM;
	return RC_OK;
}

static enum rc put_proxies(json_t *redist, const struct ird_redistribution *r)
{
	json_t *proxies = set_object(redist, "proxies");

	if (!proxies)
		return RC_ENOMEM;
	for (size_t i = 0; i < r->n_proxies; i++) {
		const struct ird_proxy *p = &r->proxies[i];
		json_t *entry;

		if (json_object_get(proxies, p->name))
			return RC_EEXIST;
		entry = set_object(proxies, p->name);
		if (!entry || !set_text(entry, "uri", p->uri) ||
		    (p->push[0] && !set_text(entry, "push", p->push)))
			return RC_ENOMEM;
	}
	return RC_OK;
}

static enum rc put_redistribution(json_t *meta,
                                  const struct ird_redistribution *r)
{
	json_t *redist = set_object(meta, "redistribution");
	enum rc rc;

	if (!redist || !set_text(redist, "service", r->service) ||
	    !set_text(redist, "state", r->state) ||
	    !set(redist, "heartbeat", json_integer(r->heartbeat)) ||
	    (r->push[0] && !set_text(redist, "push", r->push)))
		return RC_ENOMEM;
	rc = put_keys(redist, r);
	return rc == RC_OK ? put_proxies(redist, r) : rc;
}

enum rc ird_write(const struct ird_redistribution *r,
                  struct resource *const *maps, size_t n,
                  const char *default_net, struct buf *dst)
{
	json_t *doc = json_object();
	json_t *meta = set_object(doc, "meta");
	json_t *types = set_object(meta, "cost-types");
	json_t *resources = set_object(doc, "resources");
	bool has_default = false;
	enum rc rc = RC_OK;

	if (n >= SNAPSHOT_RESOURCES_MAX || r->n_proxies > IRD_PROXIES_MAX)
		rc = RC_ELIMIT;
	else if (!types || !resources ||
	         !set_text(meta, "default-alto-network-map", default_net))
		rc = RC_ENOMEM;
	for (size_t i = 0; i < n && rc == RC_OK; i++) {
		has_default |= resource_net(maps[i]) &&
		               strcmp(resource_name(maps[i])->id,
		                      default_net) == 0;
		rc = put_map(resources, types, maps[i]);
	}
	if (rc == RC_OK && !has_default)
		rc = RC_EINVAL;
	if (rc == RC_OK)
		rc = put_redistribution(meta, r);
	if (rc == RC_OK)
		rc = jcs_write(doc, dst);
	json_decref(doc);
	return rc;
}

/* Reading: what is used is copied out, so the tree goes at once. */
struct entry {
	char id[ID_MAX + 1];
	char media[RESOURCE_TYPE_MAX + 1];
	char *uri;
};

struct ird {
	struct ird_redistribution redist;
	size_t n;
	struct entry *entries;		/* ascending by id */
};

/* Printable ASCII without spaces: fit for a request line and for a log. */
static bool uri_ok(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (*s <= 0x20 || *s >= 0x7f)
			return false;
	return true;
}

static bool begins(const char *s, const char *with)
{
	size_t n = strlen(with);

	return strncmp(s, with, n) == 0 && s[n];
}

static bool uri_push(const char *s)
{
	return uri_ok(s) && (begins(s, "ws://") || begins(s, "wss://"));
}

static bool uri_base(const char *s)
{
	return uri_ok(s) && s[strlen(s) - 1] == '/' &&
	       (begins(s, "http://") || begins(s, "https://"));
}

/* No scheme and no authority (RFC 3986 s4.2): it stays where the IRD is. */
static bool uri_relative(const char *s)
{
	return uri_ok(s) && strncmp(s, "//", 2) != 0 &&
	       s[strcspn(s, ":/?#")] != ':';
}

/* A URI member into dst, which has IRD_URI_MAX + 1 bytes. */
static enum rc read_uri(const json_t *obj, const char *at, const char *name,
                        bool (*ok)(const char *), const char *want, char *dst,
                        struct diag *d)
{
	const char *s;
	enum rc rc = json_text(obj, at, name, IRD_URI_MAX, &s, d);

	if (rc != RC_OK)
		return rc;
	if (!ok(s))
		return json_refuse(d, RC_ERULE, at, name, "must be %s", want);
	memcpy(dst, s, strlen(s) + 1);
	return RC_OK;
}

/* The same, and "" when it is missing. */
static enum rc read_push(const json_t *obj, const char *at, char *dst,
                         struct diag *d)
{
	dst[0] = '\0';
	if (!json_object_get(obj, "push"))
		return RC_OK;
	return read_uri(obj, at, "push", uri_push, "a ws:// or wss:// URI",
	                dst, d);
}

static enum rc read_keys(const json_t *redist, struct ird_redistribution *r,
                         struct diag *d)
{
	char at[sizeof(d->pointer)];
	struct diag inner;
	json_t *set_obj;
	enum rc rc = json_member(redist, REDIST, "keys", JSON_OBJECT, &set_obj,
	                         d);

	if (rc != RC_OK)
		return rc;
	diag_clear(&inner);
	rc = jwk_read_set(set_obj, r->keys, &r->n_keys, &inner);
	if (rc == RC_OK)
		return RC_OK;
	snprintf(at, sizeof(at), "%s/keys%.200s", REDIST, inner.pointer);
	return json_refuse(d, rc, at, NULL, "%s",
	                   inner.text[0] ? inner.text : rc_text(rc));
}

/* 1 to IRD_NAME_MAX bytes of text without control characters. */
static bool name_ok(const char *s)
{
	size_t len = strlen(s);

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return false;
	return len >= 1 && len <= IRD_NAME_MAX;
}

static enum rc read_proxy(const char *name, const json_t *obj,
                          struct ird_proxy *p, struct diag *d)
{
	char at[sizeof(REDIST "/proxies/") + IRD_NAME_MAX];
	enum rc rc;

	if (!name_ok(name))
		return json_refuse(d, RC_ERULE, REDIST "/proxies", NULL,
		                   "a name must have 1 to %d bytes and no "
		                   "control characters", IRD_NAME_MAX);
	snprintf(at, sizeof(at), "%s/proxies/%s", REDIST, name);
	memcpy(p->name, name, strlen(name) + 1);
	rc = read_uri(obj, at, "uri", uri_base,
	              "a http:// or https:// URI that ends in \"/\"", p->uri,
	              d);
	return rc == RC_OK ? read_push(obj, at, p->push, d) : rc;
}

static int by_name(const void *a, const void *b)
{
	const struct ird_proxy *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static enum rc read_proxies(const json_t *redist, struct ird_redistribution *r,
                            struct diag *d)
{
	json_t *proxies, *obj;
	const char *name;
	size_t n;
	enum rc rc;

	if (!json_object_get(redist, "proxies"))
		return RC_OK;
	rc = json_member(redist, REDIST, "proxies", JSON_OBJECT, &proxies, d);
	if (rc != RC_OK)
		return rc;
	n = json_object_size(proxies);
	if (n > IRD_PROXIES_MAX)
		return json_refuse(d, RC_ELIMIT, REDIST, "proxies",
		                   "more than %u", IRD_PROXIES_MAX);
	r->proxies = calloc(n ? n : 1, sizeof(*r->proxies));
	if (!r->proxies)
		return RC_ENOMEM;
	json_object_foreach(proxies, name, obj) {
		rc = read_proxy(name, obj, &r->proxies[r->n_proxies++], d);
		if (rc != RC_OK)
			return rc;
	}
	qsort(r->proxies, r->n_proxies, sizeof(*r->proxies), by_name);
	return RC_OK;
}

static enum rc read_service(const json_t *redist, struct ird_redistribution *r,
                            struct diag *d)
{
	const char *service;
	enum rc rc = json_text(redist, REDIST, "service", UUID_TEXT, &service,
	                       d);

	if (rc != RC_OK)
		return rc;
	if (!enc_uuid_ok(service))
		return json_refuse(d, RC_ERULE, REDIST, "service",
		                   "must be a UUID in lower case");
	memcpy(r->service, service, UUID_TEXT + 1);
	return RC_OK;
}

static enum rc read_heartbeat(const json_t *redist,
                              struct ird_redistribution *r, struct diag *d)
{
	uint64_t seconds;
	enum rc rc = json_count(redist, REDIST, "heartbeat", HEARTBEAT_MAX,
	                        &seconds, d);

	if (rc != RC_OK)
		return rc;
	if (!seconds)
		return json_refuse(d, RC_ERULE, REDIST, "heartbeat",
		                   "must be 1 to %u seconds", HEARTBEAT_MAX);
	r->heartbeat = (unsigned)seconds;
	return RC_OK;
}

static enum rc read_redistribution(const json_t *doc,
                                   struct ird_redistribution *r,
                                   struct diag *d)
{
	json_t *meta, *redist;
	enum rc rc = json_member(doc, "", "meta", JSON_OBJECT, &meta, d);

	if (rc == RC_OK)
		rc = json_member(meta, "/meta", "redistribution", JSON_OBJECT,
		                 &redist, d);
	if (rc == RC_OK)
		rc = read_service(redist, r, d);
	if (rc == RC_OK)
		rc = read_heartbeat(redist, r, d);
	if (rc == RC_OK)
		rc = read_uri(redist, REDIST, "state", uri_relative,
		              "a relative URI", r->state, d);
	if (rc == RC_OK)
		rc = read_push(redist, REDIST, r->push, d);
	if (rc == RC_OK)
		rc = read_keys(redist, r, d);
	return rc == RC_OK ? read_proxies(redist, r, d) : rc;
}

static enum rc read_entry(const char *id, const json_t *obj, struct entry *e,
                          struct diag *d)
{
	char at[sizeof("/resources/") + ID_MAX], uri[IRD_URI_MAX + 1];
	const char *media;
	enum rc rc;

	if (!resource_id_ok(id, strlen(id)))
		return json_refuse(d, RC_ERULE, "/resources", NULL,
		                   "\"%.80s\" is no resource-id (RFC 7285 s10.2)",
		                   id);
	snprintf(at, sizeof(at), "/resources/%s", id);
	rc = read_uri(obj, at, "uri", uri_ok,
	              "a URI: printable ASCII without spaces", uri, d);
	if (rc == RC_OK)
		rc = json_text(obj, at, "media-type", RESOURCE_TYPE_MAX, &media,
		               d);
	if (rc != RC_OK)
		return rc;
	e->uri = strdup(uri);
	if (!e->uri)
		return RC_ENOMEM;
	memcpy(e->id, id, strlen(id) + 1);
	memcpy(e->media, media, strlen(media) + 1);
	return RC_OK;
}

static int by_id(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return strcmp(x->id, y->id);
}

static enum rc read_resources(const json_t *doc, struct ird *i, struct diag *d)
{
	json_t *resources, *obj;
	const char *id;
	size_t n;
	enum rc rc = json_member(doc, "", "resources", JSON_OBJECT, &resources,
	                         d);

	if (rc != RC_OK)
		return rc;
	n = json_object_size(resources);
	if (n >= SNAPSHOT_RESOURCES_MAX)
		return json_refuse(d, RC_ELIMIT, "", "resources",
		                   "more than %u", SNAPSHOT_RESOURCES_MAX - 1);
	i->entries = calloc(n ? n : 1, sizeof(*i->entries));
	if (!i->entries)
		return RC_ENOMEM;
	json_object_foreach(resources, id, obj) {
		rc = read_entry(id, obj, &i->entries[i->n++], d);
		if (rc != RC_OK)
			return rc;
	}
	qsort(i->entries, i->n, sizeof(*i->entries), by_id);
	return RC_OK;
}

enum rc ird_read(const char *text, size_t len, struct ird **out,
                 struct diag *d)
{
	struct ird *i = NULL;
	json_t *doc = NULL;
	enum rc rc = json_read(text, len, JSON_SMALL_MAX, &doc, d);

	if (rc != RC_OK)
		return rc;
	i = calloc(1, sizeof(*i));
	rc = i ? read_redistribution(doc, &i->redist, d) : RC_ENOMEM;
	if (rc == RC_OK)
		rc = read_resources(doc, i, d);
	if (rc == RC_OK) {
		*out = i;
		i = NULL;
	}
	ird_free(i);
	json_decref(doc);
	return rc == RC_ENOENT ? RC_ESYNTAX : rc;
}

const struct ird_redistribution *ird_redistribution(const struct ird *i)
{
	return &i->redist;
}

const char *ird_uri(const struct ird *i, const char *id)
{
	for (size_t k = 0; k < i->n; k++)
		if (strcmp(i->entries[k].id, id) == 0)
			return i->entries[k].uri;
	return NULL;
}

size_t ird_count(const struct ird *i)
{
	return i->n;
}

const char *ird_id(const struct ird *i, size_t k)
{
	return i->entries[k].id;
}

const char *ird_media(const struct ird *i, size_t k)
{
	return i->entries[k].media;
}

void ird_free(struct ird *i)
{
	if (!i)
		return;
	for (size_t k = 0; k < i->n; k++)
		free(i->entries[k].uri);
	free(i->entries);
	free(i->redist.proxies);
	free(i);
}
