/* The reading half of ird_json.h. What is used is copied out of the tree, which
 * goes at once. */
#include "common/wire/ird_json.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/vtag.h"
#include "common/wire/json.h"
#include "common/wire/media.h"

#define REDIST "/meta/redistribution"
#define HEARTBEAT_MAX 86400u
#define AT_MAX (sizeof("/resources//capabilities") + ID_MAX)

struct ird {
	struct ird_redistribution redist;
	bool endpoint_cost_vtag;
	size_t n;
	struct ird_entry *entries;	/* ascending by id */
};

/* ---- redistribution -------------------------------------------------------- */

/* Printable ASCII without spaces: fit for a request line and for a log. */
static bool uri_ok(const char *s)
{
	const char *at = s;

	while (*at > 0x20 && *at < 0x7f)
		at++;
	return at > s && !*at;
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

/* true or false, false when it is missing. */
static enum rc read_flag(const json_t *obj, const char *at, const char *name,
                         bool *out, struct diag *d)
{
	json_t *v;
	enum rc rc;

	*out = false;
	if (!json_object_get(obj, name))
		return RC_OK;
	rc = json_member(obj, at, name, JSON_TRUE, &v, d);
	if (rc == RC_OK)
		*out = json_is_true(v);
	return rc;
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

static enum rc read_redistribution(const json_t *doc, bool plain,
                                   struct ird *i, struct diag *d)
{
	struct ird_redistribution *r = &i->redist;
	json_t *meta, *redist;
	enum rc rc = json_member(doc, "", "meta", JSON_OBJECT, &meta, d);

	if (rc == RC_OK && plain && !json_object_get(meta, "redistribution"))
		return RC_OK;
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
		rc = read_flag(redist, REDIST, "endpoint-cost-vtag",
		               &i->endpoint_cost_vtag, d);
	if (rc == RC_OK)
		rc = read_keys(redist, r, d);
	return rc == RC_OK ? read_proxies(redist, r, d) : rc;
}

/* ---- an entry's lists ------------------------------------------------------ */

/* Texts of an array member, which may be missing: lent, the array is malloc'd. */
static enum rc read_texts(const json_t *obj, const char *at, const char *name,
                          size_t max, const char ***out, size_t *n,
                          struct diag *d)
{
	const char **texts;
	json_t *list, *v;
	size_t i;
	enum rc rc;

	if (!json_object_get(obj, name))
		return RC_OK;
	rc = json_member(obj, at, name, JSON_ARRAY, &list, d);
	if (rc != RC_OK)
		return rc;
	if (json_array_size(list) > max)
		return json_refuse(d, RC_ELIMIT, at, name, "more than %zu", max);
	texts = calloc(json_array_size(list) + 1, sizeof(*texts));
	if (!texts)
		return RC_ENOMEM;
	json_array_foreach(list, i, v) {
		texts[i] = json_string_value(v);
		if (texts[i])
			continue;
		free(texts);
		return json_refuse(d, RC_ESYNTAX, at, name,
		                   "must be an array of strings");
	}
	*out = texts;
	*n = i;
	return RC_OK;
}

/* The same as copies of the entry's own. */
static enum rc copy_texts(const json_t *obj, const char *at, const char *name,
                          size_t max, char ***out, size_t *n, struct diag *d)
{
	const char **texts = NULL;
	size_t count = 0;
	enum rc rc = read_texts(obj, at, name, max, &texts, &count, d);

	if (rc != RC_OK || !count)
		goto out;
	*out = calloc(count, sizeof(**out));
	rc = *out ? RC_OK : RC_ENOMEM;
	for (size_t i = 0; i < count && rc == RC_OK; i++) {
		(*out)[i] = strdup(texts[i]);
		rc = (*out)[i] ? RC_OK : RC_ENOMEM;
		*n += rc == RC_OK;
	}
out:
	free(texts);
	return rc;
}

static bool has_text(const char *const *texts, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(texts[i], text) == 0)
			return true;
	return false;
}

/* ---- cost types ------------------------------------------------------------ */

/* A name that meta does not explain, or explains wrongly, names nothing: the
 * type is left out and the rest of the directory stays good. */
static bool find_type(const json_t *types, const char *name,
                      struct ird_cost_type *out)
{
	const json_t *type = json_object_get(types, name);
	const char *metric = json_string_value(json_object_get(type,
	                                                       "cost-metric"));
	const char *mode = json_string_value(json_object_get(type,
	                                                     "cost-mode"));

	if (!metric || !metric_ok(metric, strlen(metric)) ||
	    !mode || !mode_ok(mode, strlen(mode)))
		return false;
	memcpy(out->metric, metric, strlen(metric) + 1);
	memcpy(out->mode, mode, strlen(mode) + 1);
	return true;
}

/* What capabilities say of costs. */
struct costs {
	size_t n, n_testable;
	const char **names, **testable;
	bool constraints;		/* all are testable */
};

/* RFC 8189 s4.1.1 */
static enum rc check_testable(const struct costs *c, const json_t *caps,
                              const char *at, struct diag *d)
{
	static const char name[] = "testable-cost-type-names";

	if (json_object_get(caps, name) && c->constraints)
		return json_refuse(d, RC_ERULE, at, name, "must not stand "
		                   "beside cost-constraints = true (RFC 8189 "
		                   "s4.1.1)");
	for (size_t i = 0; i < c->n_testable; i++)
		if (!has_text(c->names, c->n, c->testable[i]))
			return json_refuse(d, RC_ERULE, at, name, "\"%.80s\" is "
			                   "none of cost-type-names (RFC 8189 "
			                   "s4.1.1)", c->testable[i]);
	return RC_OK;
}

static enum rc copy_types(const struct costs *c, const json_t *types,
                          struct ird_entry *e)
{
	if (!c->n)
		return RC_OK;
	e->types = calloc(c->n, sizeof(*e->types));
	if (!e->types)
		return RC_ENOMEM;
	for (size_t i = 0; i < c->n; i++) {
		struct ird_cost_type *t = &e->types[e->n_types];

		if (!find_type(types, c->names[i], t))
			continue;
		t->testable = c->constraints ||
		              has_text(c->testable, c->n_testable, c->names[i]);
		e->n_types++;
	}
	return RC_OK;
}

static enum rc read_costs(const json_t *caps, const char *at,
                          const json_t *types, struct ird_entry *e,
                          struct diag *d)
{
	struct costs c = { 0 };
	uint64_t max = 0;
	enum rc rc = read_texts(caps, at, "cost-type-names", IRD_TYPES_MAX,
	                        &c.names, &c.n, d);

	if (rc == RC_OK)
		rc = read_texts(caps, at, "testable-cost-type-names",
		                IRD_TYPES_MAX, &c.testable, &c.n_testable, d);
	if (rc == RC_OK)
		rc = read_flag(caps, at, "cost-constraints", &c.constraints, d);
	if (rc == RC_OK)
		rc = check_testable(&c, caps, at, d);
	if (rc == RC_OK && json_object_get(caps, "max-cost-types"))
		rc = json_count(caps, at, "max-cost-types", UINT_MAX, &max, d);
	if (rc == RC_OK)
		rc = copy_types(&c, types, e);
	e->max_types = (unsigned)max;
	free(c.names);
	free(c.testable);
	return rc;
}

/* ---- resources ------------------------------------------------------------- */

/* Only what this program could serve is read further than its place and type:
 * what others say of theirs is theirs. */
static bool ours(const char *media)
{
	return strcmp(media, MEDIA_NETWORK_MAP) == 0 ||
	       strcmp(media, MEDIA_COST_MAP) == 0 ||
	       strcmp(media, MEDIA_ENDPOINT_PROP) == 0 ||
	       strcmp(media, MEDIA_ENDPOINT_COST) == 0;
}

static enum rc read_details(const json_t *obj, const char *at,
                            const json_t *types, struct ird_entry *e,
                            struct diag *d)
{
	char caps_at[2 * AT_MAX];
	const char *accepts = "";
	json_t *caps = NULL;
	enum rc rc = RC_OK;

	if (json_object_get(obj, "accepts"))
		rc = json_text(obj, at, "accepts", RESOURCE_TYPE_MAX, &accepts,
		               d);
	if (rc == RC_OK)
		rc = copy_texts(obj, at, "uses", IRD_USES_MAX, &e->uses,
		                &e->n_uses, d);
	if (rc == RC_OK && json_object_get(obj, "capabilities"))
		rc = json_member(obj, at, "capabilities", JSON_OBJECT, &caps,
		                 d);
	if (rc != RC_OK)
		return rc;
	memcpy(e->accepts, accepts, strlen(accepts) + 1);
	snprintf(caps_at, sizeof(caps_at), "%s/capabilities", at);
	rc = read_costs(caps, caps_at, types, e, d);
	return rc == RC_OK ? copy_texts(caps, caps_at, "prop-types",
	                                IRD_PROPS_MAX, &e->props, &e->n_props,
	                                d) : rc;
}

static enum rc read_entry(const char *id, const json_t *obj,
                          const json_t *types, struct ird_entry *e,
                          struct diag *d)
{
	char at[AT_MAX], uri[IRD_URI_MAX + 1];
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
	return ours(media) ? read_details(obj, at, types, e, d) : RC_OK;
}

static int by_id(const void *a, const void *b)
{
	const struct ird_entry *x = a, *y = b;

	return strcmp(x->id, y->id);
}

static enum rc read_resources(const json_t *doc, struct ird *i, struct diag *d)
{
	const json_t *types = json_object_get(json_object_get(doc, "meta"),
	                                      "cost-types");
	json_t *resources, *obj;
	const char *id;
	size_t n;
	enum rc rc = json_member(doc, "", "resources", JSON_OBJECT, &resources,
	                         d);

	if (rc != RC_OK)
		return rc;
	n = json_object_size(resources);
	if (n > IRD_ENTRIES_MAX)
		return json_refuse(d, RC_ELIMIT, "", "resources",
		                   "more than %u", IRD_ENTRIES_MAX);
	i->entries = calloc(n ? n : 1, sizeof(*i->entries));
	if (!i->entries)
		return RC_ENOMEM;
	json_object_foreach(resources, id, obj) {
		rc = read_entry(id, obj, types, &i->entries[i->n++], d);
		if (rc != RC_OK)
			return rc;
	}
	qsort(i->entries, i->n, sizeof(*i->entries), by_id);
	return RC_OK;
}

enum rc ird_read_any(const char *text, size_t len, bool plain,
                     struct ird **out, struct diag *d)
{
	struct ird *i = NULL;
	json_t *doc = NULL;
	enum rc rc = json_read(text, len, JSON_SMALL_MAX, &doc, d);

	if (rc != RC_OK)
		return rc;
	i = calloc(1, sizeof(*i));
	rc = i ? read_redistribution(doc, plain, i, d) : RC_ENOMEM;
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

enum rc ird_read(const char *text, size_t len, struct ird **out,
                 struct diag *d)
{
	return ird_read_any(text, len, false, out, d);
}

const struct ird_redistribution *ird_redistribution(const struct ird *i)
{
	return &i->redist;
}

bool ird_endpoint_cost_vtag(const struct ird *i)
{
	return i->endpoint_cost_vtag;
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

const struct ird_entry *ird_entry(const struct ird *i, size_t k)
{
	return &i->entries[k];
}

const char *ird_id(const struct ird *i, size_t k)
{
	return i->entries[k].id;
}

const char *ird_media(const struct ird *i, size_t k)
{
	return i->entries[k].media;
}

static void free_texts(char **texts, size_t n)
{
	while (n > 0)
		free(texts[--n]);
	free(texts);
}

void ird_free(struct ird *i)
{
	if (!i)
		return;
	for (size_t k = 0; k < i->n; k++) {
		struct ird_entry *e = &i->entries[k];

		free(e->uri);
		free(e->types);
		free_texts(e->props, e->n_props);
		free_texts(e->uses, e->n_uses);
	}
	free(i->entries);
	free(i->redist.proxies);
	free(i);
}
