#include "server/source.h"

#include <stdio.h>
#include <string.h>

#include "common/wire/costmap_json.h"
#include "common/wire/media.h"
#include "common/wire/netmap_json.h"
#include "common/wire/propmap_json.h"
#include "common/wire/scan.h"
#include "common/wire/seal.h"
#include "server/mapfile.h"

/* ---- one map --------------------------------------------------------------- */

static enum rc right_id(const struct map_entry *m, const char *stated,
                        struct diag *d)
{
	if (!stated[0] || strcmp(stated, m->id) == 0)
		return RC_OK;
	return diag_set(map_at(d, "/meta/vtag/resource-id"), RC_ERULE,
	                "states resource-id \"%s\", the configuration "
	                "says \"%s\"", stated, m->id);
}

static enum rc parse_net(struct mapset *s, struct map_entry *m,
                         struct scan *scan, const struct resource *held,
                         struct map_notes *notes, struct diag *d)
{
	const struct netmap *base = held ? resource_net(held) : NULL;
	struct netmap *map = NULL;
	struct vtag stated;
	enum rc rc = netmap_json_read(scan, base, &map, &stated, notes);

	if (rc == RC_OK)
		rc = scan_end(scan);
	if (rc == RC_OK)
		rc = right_id(m, stated.id, d);
	if (rc == RC_OK)
		rc = seal_netmap(s->digest, m->id, map, held, &m->next);
	if (rc == RC_OK)
		memcpy(m->found.stated, stated.tag, sizeof(m->found.stated));
	netmap_unref(map);
	return rc;
}

/* Sealed only after its network map is known: until then unnamed, in `next`. */
static enum rc parse_cost(struct mapset *s, struct map_entry *m,
                          struct scan *scan, const struct resource *held,
                          struct map_notes *notes, struct diag *d)
{
	const struct costmap *base = held ? resource_cost(held) : NULL;
	struct costmap *map = NULL;
	struct vtag stated;
	enum rc rc = costmap_json_read(scan, base, &map, &stated, notes);

	if (rc == RC_OK)
		rc = scan_end(scan);
	if (rc == RC_OK)
		rc = right_id(m, stated.id, d);
	if (rc == RC_OK)
		rc = seal_costmap(s->digest, m->id, map, held, &m->next);
	if (rc == RC_OK) {
		memcpy(m->found.stated, stated.tag, sizeof(m->found.stated));
		m->found.depends = costmap_meta(map)->net;
	}
	costmap_unref(map);
	return rc;
}

/* A small document: what is served is its canonical text. */
static enum rc parse_props(struct mapset *s, struct map_entry *m,
                           struct diag *d)
{
	struct buf text = BUF_INIT(PROPMAP_BYTES_MAX);
	struct propmap *map = NULL;
	enum rc rc = mapfile_slurp(m->file, &text, d);

	if (rc == RC_OK)
		rc = propmap_read(buf_str(&text), text.len, &map, d);
	if (rc == RC_OK) {
		buf_clear(&text);
		propmap_canonical(map, &text);
		rc = buf_rc(&text);
	}
	if (rc == RC_OK)
		rc = seal_doc(s->digest, MEDIA_PROPERTY_MAP, text.data,
		              text.len, &m->next);
	propmap_unref(map);
	buf_free(&text);
	return rc;
}

static enum rc parse_map(struct mapset *s, struct map_entry *m,
                         enum resource_kind kind, const struct resource *held,
                         struct buf *warnings, struct diag *d)
{
	struct map_notes notes = { 0 };
	struct scan *scan = NULL;
	struct mapfile f;
	enum rc rc = mapfile_open(m->file, SOURCE_FILE_MAX, &f, d);

	if (rc != RC_OK)
		return rc;
	rc = scan_new_reader(mapfile_read, &f, d, &scan);
	if (rc == RC_OK)
		rc = kind == RESOURCE_NETMAP ?
		     parse_net(s, m, scan, held, &notes, d) :
		     parse_cost(s, m, scan, held, &notes, d);
	scan_free(scan);
	rc = mapfile_close(&f, rc, d);
	mapfile_warn(m->file, &notes, rc == RC_OK ? resource_cost(m->next) :
	                                            NULL, warnings);
	return rc;
}

static enum rc parse(struct mapset *s, struct map_entry *m,
                     const struct resource *held, struct buf *warnings,
                     struct diag *d)
{
	enum resource_kind kind = RESOURCE_DOC;
	enum rc rc = mapfile_kind(m->file, &kind, d);

	if (rc != RC_OK)
		return rc;
	if (kind == RESOURCE_DOC)
		return parse_props(s, m, d);
	if (held && resource_kind(held) != kind)
		held = NULL;
	return parse_map(s, m, kind, held, warnings, d);
}

/* Leaves in `next` the map of the file if that is new, else what is served. */
static enum rc read_map(struct mapset *s, struct map_entry *m,
                        const struct snapshot *held, bool force,
                        struct buf *warnings, struct diag *d)
{
	struct resource *now = held ? snapshot_get(held, m->id) : NULL;
	uint8_t sha256[SHA256_SIZE];
	enum rc rc = mapfile_hash(s->digest, m->file, sha256, d);
	bool same = rc == RC_OK && m->taken.known &&
	            memcmp(sha256, m->taken.sha256, SHA256_SIZE) == 0;

	if (rc != RC_OK)
		return rc;
	m->found = m->taken;
	if (same && now && !(force && m->overridden)) {
		m->next = resource_ref(now);
		return RC_OK;
	}
	memset(&m->found, 0, sizeof(m->found));
	memcpy(m->found.sha256, sha256, SHA256_SIZE);
	m->found.known = true;
	m->read = true;
	rc = parse(s, m, now, warnings, d);
	if (rc != RC_OK) {
		resource_unref(m->next);
		m->next = NULL;
	}
	return rc;
}

/* ---- all of them ----------------------------------------------------------- */

/* Only what really differs is new: the same leaf is the same resource. */
static enum rc name_all(struct mapset *s, const struct snapshot *held)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < s->n; i++) {
		struct map_entry *m = &s->maps[i];
		struct resource *now = held ? snapshot_get(held, m->id) : NULL;
		char tag[TAG_HEX + 1];

		if (now == m->next)
			continue;
		resource_content_tag(m->next, tag);
		if (now && strcmp(resource_name(now)->tag, tag) == 0) {
			resource_unref(m->next);
			m->next = resource_ref(now);
			continue;
		}
		rc = seal_announce(s->digest, m->next, m->id);
	}
	return rc;
}

/* First the files, then the network maps' names (cost maps are bound to their
 * tags), then the cost maps. */
static enum rc read_all(struct mapset *s, const struct snapshot *held,
                        bool force, struct buf *errors, struct buf *warnings)
{
	enum rc first = RC_OK;

	for (size_t i = 0; i < s->n; i++) {
		struct diag d = { 0 };
		enum rc rc;

		if (!s->maps[i].file) {		/* left out of a check */
			first = first == RC_OK ? RC_ERULE : first;
			continue;
		}
		rc = read_map(s, &s->maps[i], held, force, warnings, &d);
		if (rc == RC_OK)
			continue;
		map_blame(&s->maps[i], &d, rc, errors);
		if (first == RC_OK || first == RC_EAGAIN)
			first = rc;
	}
	return first;
}

static enum rc announce_nets(struct mapset *s, const struct snapshot *held)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < s->n; i++) {
		struct map_entry *m = &s->maps[i];

		if (m->next && m->read &&
		    resource_kind(m->next) == RESOURCE_NETMAP &&
		    (!held || snapshot_get(held, m->id) != m->next))
			rc = seal_announce(s->digest, m->next, m->id);
	}
	return rc;
}

enum rc source_read(struct mapset *s, const struct snapshot *held, bool force,
                    struct buf *errors, struct buf *warnings)
{
	enum rc rc, first, bad;

	mapset_drop(s);
	first = read_all(s, held, force, errors, warnings);
	rc = announce_nets(s, held);
	if (rc == RC_OK) {
		bad = mapset_check(s, held, errors);
		first = first == RC_OK ? bad : first;
	}
	if (rc == RC_OK)
		rc = first;
	if (rc == RC_OK)
		rc = name_all(s, held);
	if (rc != RC_OK)
		mapset_drop(s);
	return rc;
}
