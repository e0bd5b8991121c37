#include "proxy/plainset.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/net/httpc_url.h"
#include "common/wire/costmap_json.h"
#include "common/wire/ird_json.h"
#include "common/wire/json.h"
#include "common/wire/media.h"
#include "common/wire/netmap_json.h"
#include "common/wire/scan.h"
#include "common/wire/seal.h"

#define MAPS_MAX (SNAPSHOT_RESOURCES_MAX - 1)	/* the directory is one more */
#define COST_TYPES 8u		/* in one request, as alto-server's default */

struct map {
	char id[ID_MAX + 1];
	char *uri;
	bool is_cost;
	char *etag;
	char tag[TAG_MAX + 1];		/* network map: that the server gave it */
	struct costmap *cost;		/* cost map: bound to a tag of the server */
	struct resource *res;		/* with our tags; NULL: not read, or a cost
					 * map that is not yet bound to ours */
};

struct plainset {
	struct digest *digest;
	char *etag;
	char net[ID_MAX + 1];		/* the default network map, "" none */
	size_t n;
	struct map *maps;		/* network maps, then cost maps, by id */
};

enum rc plainset_new(struct plainset **out)
{
	struct plainset *s = calloc(1, sizeof(*s));
	enum rc rc = s ? digest_new(&s->digest) : RC_ENOMEM;

	if (rc == RC_OK)
		*out = s;
	else
		free(s);
	return rc;
}

static void maps_free(struct map *maps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(maps[i].uri);
		free(maps[i].etag);
		costmap_unref(maps[i].cost);
		resource_unref(maps[i].res);
	}
	free(maps);
}

void plainset_free(struct plainset *s)
{
	if (!s)
		return;
	maps_free(s->maps, s->n);
	free(s->etag);
	digest_free(s->digest);
	free(s);
}

const char *plainset_etag(const struct plainset *s)
{
	return s->etag;
}

size_t plainset_count(const struct plainset *s)
{
	return s->n;
}

struct plainset_map plainset_at(const struct plainset *s, size_t i)
{
	const struct map *m = &s->maps[i];

	return (struct plainset_map){ m->id, m->uri, m->etag };
}

static struct map *find(struct map *maps, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(maps[i].id, id) == 0)
			return &maps[i];
	return NULL;
}

static enum rc copy_text(const char *text, char **out)
{
	*out = text ? strdup(text) : NULL;
	return text && !*out ? RC_ENOMEM : RC_OK;
}

/* ---- the directory --------------------------------------------------------- */

static bool is_map(const struct ird_entry *e)
{
	return !e->accepts[0] && (strcmp(e->media, MEDIA_NETWORK_MAP) == 0 ||
	                          strcmp(e->media, MEDIA_COST_MAP) == 0);
}

/* RC_ERULE: it is somewhere else. */
static enum rc map_of(const struct ird_entry *e, const char *url,
                      struct map *m)
{
	struct buf uri = BUF_INIT(HTTPC_URL_MAX);
	enum rc rc = httpc_url_join(url, e->uri, true, &uri);

	if (rc == RC_OK)
		rc = buf_rc(&uri);
	if (rc == RC_OK) {
		memcpy(m->id, e->id, sizeof(m->id));
		m->is_cost = strcmp(e->media, MEDIA_COST_MAP) == 0;
		m->uri = buf_take(&uri, NULL);
		rc = m->uri ? RC_OK : RC_ENOMEM;
	}
	buf_free(&uri);
	return rc;
}

static int by_kind(const void *va, const void *vb)
{
	const struct map *a = va, *b = vb;

	return a->is_cost != b->is_cost ? a->is_cost - b->is_cost :
		strcmp(a->id, b->id);
}

static enum rc gather(const struct ird *ird, const char *url,
                      struct map *maps, size_t *n, struct buf *notes)
{
	for (size_t k = 0; k < ird_count(ird); k++) {
		const struct ird_entry *e = ird_entry(ird, k);
		enum rc rc;

		if (!is_map(e))
			continue;
		if (*n == MAPS_MAX)
			return RC_ELIMIT;
		rc = map_of(e, url, &maps[*n]);
		if (rc == RC_ENOMEM)
			return rc;
		if (rc == RC_OK)
			++*n;
		else if (notes)
			buf_printf(notes, "\"%s\" at %s is left out: it is not "
			           "where the directory is\n", e->id, e->uri);
	}
	qsort(maps, *n, sizeof(*maps), by_kind);
	return RC_OK;
}

/* The one that the directory names, else the first. */
static void find_default(const struct plainset_body *body, struct map *maps,
                         size_t n, char net[ID_MAX + 1], struct buf *notes)
{
	const struct map *m = NULL;
	const char *name = NULL;
	json_t *doc = NULL;

	if (json_read(body->text, body->len, JSON_SMALL_MAX, &doc, NULL) ==
	    RC_OK)
		name = json_string_value(json_object_get(json_object_get(doc,
			"meta"), "default-alto-network-map"));
	if (name)
		m = find(maps, n, name);
	if (!m || m->is_cost)
		m = n && !maps[0].is_cost ? &maps[0] : NULL;
	if (m && notes && (!name || strcmp(name, m->id) != 0))
		buf_printf(notes, "the directory names no default network map "
		           "that is served: \"%s\" is taken for it\n", m->id);
	snprintf(net, ID_MAX + 1, "%s", m ? m->id : "");
	json_decref(doc);
}

/* What was read of a map that is listed as before. */
static void move_over(struct plainset *s, struct map *to)
{
	struct map *from = find(s->maps, s->n, to->id);

	if (!from || from->is_cost != to->is_cost ||
	    strcmp(from->uri, to->uri) != 0)
		return;
	free(to->uri);
	*to = *from;
	memset(from, 0, sizeof(*from));
}

enum rc plainset_directory(struct plainset *s, const char *url,
                           const struct plainset_body *body,
                           struct buf *notes, struct diag *d)
{
	struct map *maps = NULL;
	struct ird *ird = NULL;
	char service[UUID_TEXT + 1] = "", *etag = NULL;
	size_t n = 0;
	enum rc rc = ird_read_any(body->text, body->len, true, &ird, d);

	if (rc == RC_OK)
		rc = copy_text(body->etag, &etag);
	if (rc == RC_OK) {
		maps = calloc(ird_count(ird) + 1, sizeof(*maps));
		rc = maps ? gather(ird, url, maps, &n, notes) : RC_ENOMEM;
	}
	if (rc == RC_OK)
		memcpy(service, ird_redistribution(ird)->service,
		       sizeof(service));
	ird_free(ird);
	if (rc != RC_OK) {
		maps_free(maps, n);
		free(etag);
		return rc;
	}
	find_default(body, maps, n, s->net, notes);
	if (notes && *service)
		buf_printf(notes, "the directory is of service %s, which signs: "
		           "without `unsigned` its maps could be checked\n",
		           service);
	for (size_t i = 0; i < n; i++)
		move_over(s, &maps[i]);
	maps_free(s->maps, s->n);
	free(s->etag);
	s->maps = maps;
	s->n = n;
	s->etag = etag;
	return RC_OK;
}

/* ---- a body ---------------------------------------------------------------- */

static enum rc right_id(const struct map *m, const char *stated,
                        struct diag *d)
{
	return strcmp(stated, m->id) == 0 ? RC_OK :
		diag_set(d, RC_ERULE, "states resource-id \"%s\", the directory "
		         "says \"%s\"", stated, m->id);
}

/* Without tags there is no telling what belongs together. */
static enum rc has_tag(const char *tag, const char *rule, struct diag *d)
{
	return tag[0] ? RC_OK : diag_set(d, RC_ERULE, "names no tag of the "
	                                 "network map (RFC 7285 %s)", rule);
}

static enum rc read_net(struct plainset *s, const struct map *m,
                        struct scan *scan, struct map *to,
                        struct map_notes *notes, struct diag *d)
{
	struct netmap *net = NULL;
	struct vtag stated;
	enum rc rc = netmap_json_read(scan, m->res ? resource_net(m->res) :
	                              NULL, &net, &stated, notes);

	if (rc == RC_OK)
		rc = scan_end(scan);
	if (rc == RC_OK)
		rc = right_id(m, stated.id, d);
	if (rc == RC_OK)
		rc = has_tag(stated.tag, "s11.2.1.6", d);
	if (rc == RC_OK)
		rc = seal_netmap(s->digest, m->id, net, m->res, &to->res);
	if (rc == RC_OK)
		rc = seal_announce(s->digest, to->res, m->id);
	if (rc == RC_OK)
		memcpy(to->tag, stated.tag, sizeof(to->tag));
	netmap_unref(net);
	return rc;
}

static enum rc read_cost(const struct map *m, struct scan *scan,
                         struct map *to, struct map_notes *notes,
                         struct diag *d)
{
	struct vtag stated;
	enum rc rc = costmap_json_read(scan, m->cost, &to->cost, &stated,
	                               notes);

	if (rc == RC_OK)
		rc = scan_end(scan);
	if (rc == RC_OK && stated.id[0])
		rc = right_id(m, stated.id, d);
	if (rc == RC_OK)
		rc = has_tag(costmap_meta(to->cost)->net.tag, "s11.2.3.6", d);
	return rc;
}

static void note_dropped(const struct map *m, const struct map_notes *n,
                         struct buf *notes)
{
	if (notes && n->dropped_members)
		buf_printf(notes, "\"%s\": %zu member%s not of RFC 7285 "
		           "dropped, the first is \"%s\"\n", m->id,
		           n->dropped_members, n->dropped_members == 1 ? "" :
		           "s", n->first_dropped);
}

enum rc plainset_take(struct plainset *s, size_t i,
                      const struct plainset_body *body, struct buf *notes,
                      struct diag *d)
{
	struct map *m = &s->maps[i], to = { .is_cost = m->is_cost };
	struct map_notes dropped = { 0 };
	struct scan *scan = NULL;
	enum rc rc = scan_new_bytes(body->text, body->len, d, &scan);

	if (rc == RC_OK)
		rc = m->is_cost ? read_cost(m, scan, &to, &dropped, d) :
			read_net(s, m, scan, &to, &dropped, d);
	scan_free(scan);
	if (rc == RC_OK)
		rc = copy_text(body->etag, &to.etag);
	if (rc == RC_OK) {
		note_dropped(m, &dropped, notes);
		free(m->etag);
		costmap_unref(m->cost);
		resource_unref(m->res);
		m->etag = to.etag;
		m->cost = to.cost;
		m->res = to.res;
		memcpy(m->tag, to.tag, sizeof(m->tag));
		return RC_OK;
	}
	costmap_unref(to.cost);
	resource_unref(to.res);
	return rc;
}

/* ---- all of them ----------------------------------------------------------- */

/* Under the tag that the network map has here. */
static enum rc bind(struct plainset *s, struct map *m, const struct map *net,
                    const struct resource *held)
{
	struct costmeta meta = *costmap_meta(m->cost);
	const char *tag = resource_name(net->res)->tag;
	struct resource *res = NULL;
	struct costmap *bound = NULL;
	enum rc rc;

	if (m->res && strcmp(costmap_meta(resource_cost(m->res))->net.tag,
	                     tag) == 0)
		return RC_OK;
	memcpy(meta.net.tag, tag, strlen(tag) + 1);
	rc = costmap_rebind(m->cost, &meta, &bound);
	if (rc == RC_OK)
		rc = seal_costmap(s->digest, m->id, bound, held &&
		                  resource_cost(held) ? held : NULL, &res);
	if (rc == RC_OK)
		rc = seal_announce(s->digest, res, m->id);
	costmap_unref(bound);
	if (rc != RC_OK) {
		resource_unref(res);
		return rc;
	}
	resource_unref(m->res);
	m->res = res;
	return RC_OK;
}

static enum rc check_cost(struct plainset *s, struct map *m,
                          const struct snapshot *held, struct diag *d)
{
	const struct vtag *of = &costmap_meta(m->cost)->net;
	const struct map *net = find(s->maps, s->n, of->id);
	enum rc rc;

	if (!net || net->is_cost)
		return diag_set(d, RC_ERULE, "cost map \"%s\" depends on \"%s\", "
		                "which is no network map of this directory",
		                m->id, of->id);
	if (strcmp(of->tag, net->tag) != 0)
		return diag_set(d, RC_EGAP, "cost map \"%s\" depends on tag "
		                "\"%s\", network map \"%s\" has \"%s\"", m->id,
		                of->tag, of->id, net->tag);
	rc = costmap_json_fits(m->cost, resource_net(net->res), d);
	return rc == RC_OK ? bind(s, m, net, held ? snapshot_get(held, m->id) :
	                          NULL) : rc;
}

static enum rc print_directory(const struct plainset *s, struct buf *dst,
                               struct diag *d)
{
	const struct ird_services sv = {
		.filtered = true, .endpoint_cost = true,
		.max_cost_types = COST_TYPES
	};
	struct ird_map *maps = calloc(s->n, sizeof(*maps));
	enum rc rc;

	if (!maps)
		return RC_ENOMEM;
	for (size_t i = 0; i < s->n; i++)
		maps[i] = (struct ird_map){ .res = s->maps[i].res,
		                            .testable = true };
	rc = ird_write(NULL, maps, s->n, s->net, &sv, dst, d);
	free(maps);
	return rc;
}

static enum rc seal_directory(struct plainset *s, struct resource **out,
                              struct diag *d)
{
	struct buf text = BUF_INIT(JSON_SMALL_MAX);
	struct resource *doc = NULL;
	enum rc rc = print_directory(s, &text, d);

	if (rc == RC_OK)
		rc = seal_doc(s->digest, MEDIA_DIRECTORY, text.data, text.len,
		              &doc);
	if (rc == RC_OK)
		rc = seal_announce(s->digest, doc, DIRECTORY_ID);
	if (rc == RC_OK)
		*out = doc;
	else
		resource_unref(doc);
	buf_free(&text);
	return rc;
}

/* One that has not changed is the very one that is served: res is let go of. */
static struct resource *as_held(const struct snapshot *held,
                                struct resource *res)
{
	struct resource *was = held ? snapshot_get(held,
	                                           resource_name(res)->id) : NULL;

	if (!was || strcmp(resource_leaf(was), resource_leaf(res)) != 0)
		return res;
	resource_ref(was);
	resource_unref(res);
	return was;
}

/* The resources, referenced, and their number. */
static enum rc collect(struct plainset *s, const struct snapshot *held,
                       struct resource **all, size_t *n, struct diag *d)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; i < s->n; i++)
		if (!s->maps[i].res && !s->maps[i].cost)
			return diag_set(d, RC_ERULE, "\"%s\" was not given, "
			                "though nothing of it is held",
			                s->maps[i].id);
	for (size_t i = 0; rc == RC_OK && i < s->n; i++)
		if (s->maps[i].is_cost)
			rc = check_cost(s, &s->maps[i], held, d);
	if (rc == RC_OK)
		rc = seal_directory(s, &all[0], d);
	if (rc != RC_OK)
		return rc;
	all[0] = as_held(held, all[0]);
	for (*n = 1; *n <= s->n; ++*n) {
		struct map *m = &s->maps[*n - 1];

		m->res = as_held(held, m->res);
		all[*n] = resource_ref(m->res);
	}
	return RC_OK;
}

static enum rc make(struct resource *const *all, size_t n,
                    struct snapshot *held, const struct plainset_times *t,
                    struct snapshot **out)
{
	const struct state *was = held ? snapshot_state(held) : NULL;
	struct state st = { .plain = true, .created = t->fetched,
	                    .expires = t->expires, .resources = n };
	uint64_t *changed = calloc(n, sizeof(*changed));
	bool same = held && snapshot_count(held) == n;
	enum rc rc;

	if (!changed)
		return RC_ENOMEM;
	st.pos.serial = was ? was->pos.serial + 1 : 1;
	for (size_t i = 0; i < n; i++) {
		long at = held ? snapshot_find(held, resource_name(all[i])->id) :
		          -1;
		bool kept = at >= 0 && snapshot_at(held, (size_t)at) == all[i];

		changed[i] = kept ? snapshot_changed(held, (size_t)at) :
		             st.pos.serial;
		same = same && kept;
	}
	if (same)
		st.pos = was->pos;
	rc = same ? snapshot_restate(held, &st, out) :
		snapshot_new(all, changed, n, &st, out);
	free(changed);
	return rc;
}

enum rc plainset_seal(struct plainset *s, struct snapshot *held,
                      const struct plainset_times *t, struct snapshot **out,
                      struct diag *d)
{
	struct resource **all;
	size_t n = 0;
	enum rc rc;

	if (!s->net[0])
		return diag_set(d, RC_ENOENT, "no network map is listed");
	all = calloc(s->n + 1, sizeof(struct resource *));
	if (!all)
		return RC_ENOMEM;
	rc = collect(s, held, all, &n, d);
	if (rc == RC_OK)
		rc = make(all, n, held, t, out);
	for (size_t i = 0; i < n; i++)
		resource_unref(all[i]);
	free(all);
	return rc;
}
