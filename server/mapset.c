#include "server/mapset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/enc.h"
#include "common/wire/costmap_json.h"
#include "common/wire/ird_props.h"
#include "common/wire/seal.h"

#define NET_ID_AT "/meta/dependent-vtags/0/resource-id"

enum rc mapset_new(const struct conf *c, struct mapset **out)
{
	struct mapset *s = calloc(1, sizeof(*s));
	enum rc rc = RC_ENOMEM;

	if (!s)
		return rc;
	s->conf = c;
	s->n = conf_list_count(c, "maps");
	s->maps = calloc(s->n, sizeof(*s->maps));
	if (s->maps)
		rc = digest_new(&s->digest);
	if (rc != RC_OK) {
		mapset_free(s);
		return rc;
	}
	for (size_t i = 0; i < s->n; i++) {
		s->maps[i].id = conf_list_str(c, "maps", i, "id");
		s->maps[i].file = conf_list_str(c, "maps", i, "file");
		s->maps[i].is_default = conf_list_bool(c, "maps", i, "default");
		s->maps[i].rebind = conf_list_bool(c, "maps", i, "rebind");
		s->maps[i].ordinal = conf_list_bool(c, "maps", i, "ordinal");
		s->maps[i].testable = conf_list_bool(c, "maps", i, "testable");
	}
	*out = s;
	return RC_OK;
}

void mapset_free(struct mapset *s)
{
	if (!s)
		return;
	if (s->maps)
		mapset_drop(s);
	free(s->maps);
	digest_free(s->digest);
	free(s);
}

void mapset_drop(struct mapset *s)
{
	for (size_t i = 0; i < s->n; i++) {
		resource_unref(s->maps[i].next);
		s->maps[i].next = NULL;
		s->maps[i].read = false;
	}
}

void mapset_taken(struct mapset *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->maps[i].read)
			s->maps[i].overridden = false;
		s->maps[i].taken = s->maps[i].found;
	}
	mapset_drop(s);
}

/* Of the reading under way, else as held; NULL. */
static const struct resource *map_of(const struct mapset *s, size_t i,
                                     const struct snapshot *held)
{
	const struct resource *r = s->maps[i].next;

	return r || !held ? r : snapshot_get(held, s->maps[i].id);
}

const char *mapset_default(const struct mapset *s,
                           const struct snapshot *held)
{
	const char *first = NULL;

	for (size_t i = 0; i < s->n; i++) {
		const struct resource *r = map_of(s, i, held);

		if (!r || resource_kind(r) != RESOURCE_NETMAP)
			continue;
		if (s->maps[i].is_default)
			return s->maps[i].id;
		if (!first)
			first = s->maps[i].id;
	}
	return first;
}

static const struct costmeta *meta_of(const struct mapset *s, size_t i,
                                      const struct snapshot *held)
{
	const struct resource *r = map_of(s, i, held);
	const struct costmap *cost = r ? resource_cost(r) : NULL;

	return cost ? costmap_meta(cost) : NULL;
}

const struct map_entry *mapset_ranked(const struct mapset *s, size_t i,
                                      const struct snapshot *held)
{
	const struct costmeta *a = meta_of(s, i, held), *b;

	for (size_t k = 0; a && s->maps[i].ordinal && k < s->n; k++) {
		b = meta_of(s, k, held);
		if (b && strcmp(b->mode, "ordinal") == 0 &&
		    strcmp(a->metric, b->metric) == 0 &&
		    strcmp(a->net.id, b->net.id) == 0)
			return &s->maps[k];
	}
	return NULL;
}

/* ---- all maps against each other ------------------------------------------- */

/* Where in the file; before the text, which then stays. */
struct diag *map_at(struct diag *d, const char *pointer)
{
	if (!d->text[0])
		snprintf(d->pointer, sizeof(d->pointer), "%s", pointer);
	return d;
}
static struct map_entry *find(struct mapset *s, const char *id)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->maps[i].id, id) == 0)
			return &s->maps[i];
	return NULL;
}

/* A tag in a file is never published, but a cost map that was made for another
 * version of its network map must not go out with this one. */
static enum rc check_tag(const struct map_entry *m,
                         const struct map_entry *net, struct diag *d)
{
	const char *named = m->found.depends.tag;
	const char *ours = resource_name(net->next)->tag;
	bool overridden = net->overridden && !net->read;

	if (m->rebind || !named[0] || strcmp(named, ours) == 0)
		return RC_OK;
	if (!overridden && (!net->found.stated[0] ||
	    strcmp(named, net->found.stated) == 0))
		return RC_OK;
	return diag_set(map_at(d, "/meta/dependent-vtags/0/tag"), RC_ERULE,
	                "made for another version of network map \"%s\": it "
	                "depends on tag \"%.64s\", the network map has "
	                "\"%.64s\"%s%s%s (RFC 7285 s11.2.3.6; rebind = true "
	                "takes it all the same)", net->id, named,
	                overridden ? ours : net->found.stated,
	                overridden ? "" : " and our tag is \"",
	                overridden ? "" : ours, overridden ? "" : "\"");
}

/* The cost map under the tag of the network map that goes out with it. */
static enum rc bind_cost(struct mapset *s, struct map_entry *m,
                         const struct map_entry *net,
                         const struct snapshot *held)
{
	struct costmap *map = resource_cost(m->next), *bound = NULL;
	struct resource *now = held ? snapshot_get(held, m->id) : NULL;
	struct costmeta meta = *costmap_meta(map);
	struct resource *next = NULL;
	const char *ours = resource_name(net->next)->tag;
	enum rc rc;

	if (strcmp(meta.net.tag, ours) == 0)
		return RC_OK;
	memcpy(meta.net.tag, ours, strlen(ours) + 1);
	rc = costmap_rebind(map, &meta, &bound);
	if (rc == RC_OK)
		rc = seal_costmap(s->digest, m->id, bound,
		                  now && resource_kind(now) == RESOURCE_COSTMAP ?
		                  now : NULL, &next);
	costmap_unref(bound);
	if (rc != RC_OK)
		return rc;
	resource_unref(m->next);
	m->next = next;
	return RC_OK;
}

/* RFC 7285 s9.2.2: one cost map for a cost type and network map. */
static enum rc check_twin(struct mapset *s, const struct map_entry *m,
                          struct diag *d)
{
	const struct costmeta *a = costmap_meta(resource_cost(m->next));

	for (const struct map_entry *o = s->maps; o < m; o++) {
		const struct costmeta *b;

		if (!o->next || resource_kind(o->next) != RESOURCE_COSTMAP)
			continue;
		b = costmap_meta(resource_cost(o->next));
		if (strcmp(a->metric, b->metric) == 0 &&
		    strcmp(a->mode, b->mode) == 0 &&
		    strcmp(a->net.id, b->net.id) == 0)
			return diag_set(map_at(d, "/meta/cost-type"), RC_ERULE,
			                "cost maps \"%s\" and \"%s\" have one "
			                "cost type for one network map (RFC "
			                "7285 s9.2.2)", o->id, m->id);
	}
	return RC_OK;
}

static enum rc check_cost(struct mapset *s, struct map_entry *m,
                          const struct snapshot *held, struct diag *d)
{
	struct costmap *map = resource_cost(m->next);
	const char *id = costmap_meta(map)->net.id;
	struct map_entry *net = find(s, id);
	enum rc rc;

	if (!net)
		return diag_set(map_at(d, NET_ID_AT), RC_ERULE,
		                "depends on network map \"%s\", which is not "
		                "configured", id);
	/* The network map is wrong and has been said so. */
	if (!net->next)
		return RC_OK;
	if (resource_kind(net->next) != RESOURCE_NETMAP)
		return diag_set(map_at(d, NET_ID_AT), RC_ERULE,
		                "depends on \"%s\", which is not a network "
		                "map", id);
	rc = check_tag(m, net, d);
	if (rc == RC_OK && (m->read || net->read))
		rc = costmap_json_fits(map, resource_net(net->next), d);
	if (rc == RC_OK)
		rc = check_twin(s, m, d);
	return rc == RC_OK ? bind_cost(s, m, net, held) : rc;
}

void map_blame(const struct map_entry *m, struct diag *d, enum rc rc,
               struct buf *errors)
{
	size_t len = strlen(m->file);

	if (len >= sizeof(d->file))
		len = sizeof(d->file) - 1;
	memcpy(d->file, m->file, len);
	d->file[len] = '\0';
	diag_set(d, rc, "%s", rc_text(rc));
	diag_print(d, errors);
	buf_putc(errors, '\n');
}

/* Each property has one map that knows it. owners: property -> id of its map. */
static enum rc check_props(const struct map_entry *m, json_t *owners,
                           struct diag *d)
{
	json_t *domains = NULL, *names, *name, *owner;
	const char *domain;
	size_t i;
	enum rc rc = ird_mappings(m->next, &domains);

	json_object_foreach(domains, domain, names) {
		json_array_foreach(names, i, name) {
			const char *text = json_string_value(name);

			owner = json_object_get(owners, text);
			if (owner && strcmp(json_string_value(owner),
			                    m->id) != 0 && rc == RC_OK)
				rc = diag_set(map_at(d, "/property-map"), RC_ERULE,
				              "%s stands in the property maps "
				              "\"%s\" and \"%s\": one must do "
				              "without it", text,
				              json_string_value(owner), m->id);
			if (!owner && json_object_set_new(owners, text,
			    json_string(m->id)) != 0)
				rc = RC_ENOMEM;
		}
	}
	json_decref(domains);
	return rc;
}

/* Settings that are for another kind of map; the place in the settings is said. */
static enum rc check_settings(const struct mapset *s, size_t i,
                              struct buf *errors)
{
	const struct map_entry *m = &s->maps[i];
	const struct costmap *cost = resource_cost(m->next);
	bool ranked = cost &&
	              strcmp(costmap_meta(cost)->mode, "numerical") == 0;
	bool net = resource_kind(m->next) == RESOURCE_NETMAP;

	if (m->is_default && !net)
		conf_blame(s->conf, errors, "maps", (long)i, "default", "\"%s\" "
		           "(%s) is no network map: only one of those can be "
		           "the default (RFC 7285 s9.2.3)", m->id, m->file);
	if (m->ordinal && !ranked)
		conf_blame(s->conf, errors, "maps", (long)i, "ordinal", "\"%s\" "
		           "(%s) is no numerical cost map: there is nothing to "
		           "rank", m->id, m->file);
	return (m->is_default && !net) || (m->ordinal && !ranked) ? RC_ERULE :
	                                                            RC_OK;
}

static enum rc check_map(struct mapset *s, struct map_entry *m,
                         const struct snapshot *held, json_t *owners,
                         struct diag *d)
{
	switch (resource_kind(m->next)) {
	case RESOURCE_COSTMAP:
		return check_cost(s, m, held, d);
	case RESOURCE_DOC:
		return check_props(m, owners, d);
	case RESOURCE_NETMAP:
		break;
	}
	return RC_OK;
}

/* The first that is wrong; errors says all. */
enum rc mapset_check(struct mapset *s, const struct snapshot *held,
                     struct buf *errors)
{
	json_t *owners = json_object();
	enum rc first = owners ? RC_OK : RC_ENOMEM;

	for (size_t i = 0; owners && i < s->n; i++) {
		struct map_entry *m = &s->maps[i];
		struct diag d = { 0 };
		enum rc rc;

		if (!m->next)
			continue;
		rc = check_settings(s, i, errors);
		first = first == RC_OK ? rc : first;
		rc = check_map(s, m, held, owners, &d);
		if (rc == RC_OK)
			continue;
		map_blame(m, &d, rc, errors);
		first = first == RC_OK ? rc : first;
	}
	json_decref(owners);
	return first;
}
/* ---- records --------------------------------------------------------------- */

void map_record_print(const struct map_record *r, struct buf *dst)
{
	char hex[2 * SHA256_SIZE + 1];

	enc_hex(r->sha256, SHA256_SIZE, hex);
	buf_printf(dst, "%s =%s =%s =%s", hex, r->stated, r->depends.id,
	           r->depends.tag);
}

/* Takes "=word" up to the next blank. */
static const char *take_word(const char *p, const char *end, char *dst,
                             size_t max)
{
	size_t len = 0;

	if (!p || end - p < 2 || p[0] != ' ' || p[1] != '=')
		return NULL;
	p += 2;
	while (p + len < end && p[len] != ' ')
		len++;
	if (len > max)
		return NULL;
	memcpy(dst, p, len);
	dst[len] = '\0';
	return p + len;
}

enum rc map_record_read(const char *text, size_t len,
                           struct map_record *out)
{
	const char *p = text + 2 * SHA256_SIZE, *end = text + len;
	struct map_record r = { .known = true };

	if (len < 2 * SHA256_SIZE ||
	    enc_hex_read(text, 2 * SHA256_SIZE, r.sha256, SHA256_SIZE) != RC_OK)
		return RC_ESYNTAX;
	p = take_word(p, end, r.stated, TAG_MAX);
	p = take_word(p, end, r.depends.id, ID_MAX);
	p = take_word(p, end, r.depends.tag, TAG_MAX);
	if (p != end)
		return RC_ESYNTAX;
	*out = r;
	return RC_OK;
}
