#include "common/wire/propmap_json.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire/jcs.h"
#include "common/wire/json.h"

#define MAP "/property-map"
#define PROP_MAX 32			/* bytes of a property's name */
#define AT_MAX 256
#define ENTITY_MAX (sizeof("ipv6:") + PREFIX_TEXT_MAX)

struct prop {
	char name[PROP_MAX + 1];
	bool has[2];			/* by enum family */
	struct lpm *lpm;
};

struct propmap {
	atomic_uint refs;
	struct index *values;
	size_t n;
	struct prop *props;
	char *text;			/* canonical */
	size_t len;
};

/* A value of an entity. */
struct cell {
	uint32_t prop;
	struct lpm_entry e;
};

/* What is made while the file is read. */
struct making {
	struct diag *d;
	json_t *entities;		/* canonical; lent by the document */
	struct index *names, *values;
	size_t n, room;
	struct cell *cells;
};

/* ---- entities -------------------------------------------------------------- */

static bool entity_family(const char *id, enum family *f, const char **rest)
{
	if (strncmp(id, "ipv4:", 5) != 0 && strncmp(id, "ipv6:", 5) != 0)
		return false;
	*f = id[3] == '4' ? FAMILY_IPV4 : FAMILY_IPV6;
	*rest = id + 5;
	return true;
}

/* An address is the prefix of full length (RFC 9240 s6.1.1.2). */
static enum rc read_entity(const char *id, struct prefix *out, struct diag *d)
{
	char text[PREFIX_TEXT_MAX + sizeof("/128")];
	const char *rest;
	struct diag inner;
	enum family f;
	enum rc rc;

	if (!entity_family(id, &f, &rest))
		return json_refuse(d, RC_ERULE, MAP, id, "no address or prefix: "
		                   "\"ipv4:...\" and \"ipv6:...\" are taken "
		                   "(RFC 9240 s6.1)");
	if (strlen(rest) > PREFIX_TEXT_MAX)
		return json_refuse(d, RC_ESYNTAX, MAP, id,
		                   "longer than any prefix");
	snprintf(text, sizeof(text), "%s%s", rest, strchr(rest, '/') ? "" :
	         f == FAMILY_IPV4 ? "/32" : "/128");
	diag_clear(&inner);
	rc = prefix_read(text, strlen(text), f, out, &inner);
	if (rc == RC_OK)
		return RC_OK;
	return json_refuse(d, rc, MAP, id, "%s", inner.text[0] ? inner.text :
	                   rc_text(rc));
}

/* The pointer of an entity, which has "/" and may have anything. */
static void entity_at(const char *id, char at[AT_MAX])
{
	size_t n = (size_t)snprintf(at, AT_MAX, MAP "/");

	for (; *id && n + 3 < AT_MAX; id++) {
		unsigned char c = (unsigned char)*id;

		if (c == '/' || c == '~') {
			at[n++] = '~';
			at[n++] = c == '~' ? '0' : '1';
		} else {
			at[n++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
		}
	}
	at[n] = '\0';
}

/* ---- properties ------------------------------------------------------------ */

static bool name_chars_ok(const char *s)
{
	return s[strspn(s, "abcdefghijklmnopqrstuvwxyz"
	                "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:")] == '\0';
}

/* The name without the dot that says "of this very map"; NULL: refused. */
static const char *read_name(const char *spelled, const char *at,
                             enum rc *rc, struct diag *d)
{
	const char *s = spelled + (*spelled == '.');

	if (strcmp(s, "pid") == 0)
		*rc = json_refuse(d, RC_ERULE, at, spelled, "comes from network "
		                  "maps: it is offered as \"<map>.pid\" for each "
		                  "of them (RFC 7285 s7.1.1)");
	else if (!name_chars_ok(s))
		*rc = json_refuse(d, RC_ERULE, at, spelled, "no property of this "
		                  "map: letters, digits and -_: make a name (RFC "
		                  "7285 s10.8.2)");
	else if (strncmp(s, "priv:", 5) != 0)
		*rc = json_refuse(d, RC_ERULE, at, spelled, "is not registered: "
		                  "\"priv:%.64s\" would be right (RFC 7285 "
		                  "s10.8.2)", s);
	else if (!s[5])
		*rc = json_refuse(d, RC_ERULE, at, spelled,
		                  "needs a name after \"priv:\" (RFC 7285 "
		                  "s10.8.2)");
	else if (strlen(s) > PROP_MAX)
		*rc = json_refuse(d, RC_ELIMIT, at, spelled, "longer than %d "
		                  "bytes (RFC 7285 s10.8.2)", PROP_MAX);
	else
		return s;
	return NULL;
}

static enum rc check_value(const json_t *v, const char *at, const char *name,
                           struct diag *d)
{
	if (json_is_null(v))
		return RC_OK;
	if (!json_is_string(v))
		return json_refuse(d, RC_ESYNTAX, at, name, "must be a string, "
		                   "or null where nothing is to be inherited "
		                   "(RFC 9240 s7.6)");
	if (json_string_length(v) > PROPMAP_VALUE_MAX)
		return json_refuse(d, RC_ELIMIT, at, name,
		                   "is longer than %d bytes", PROPMAP_VALUE_MAX);
	return RC_OK;
}

static enum rc add_cell(struct making *m, const struct prefix *p,
                        const char *name, const json_t *v)
{
	struct cell *c, *more;
	enum rc rc;

	if (m->n == m->room) {
		m->room = m->room ? 2 * m->room : 256;
		more = realloc(m->cells, m->room * sizeof(*more));
		if (!more)
			return RC_ENOMEM;
		m->cells = more;
	}
	c = &m->cells[m->n];
	c->e.p = *p;
	c->e.value = LPM_NONE;
	rc = index_add(m->names, name, strlen(name), &c->prop, NULL);
	if (rc == RC_OK && !json_is_null(v))
		rc = index_add(m->values, json_string_value(v),
		               json_string_length(v), &c->e.value, NULL);
	m->n += rc == RC_OK;
	return rc;
}

static enum rc read_prop(struct making *m, const struct prefix *p,
                         const char *at, const char *spelled, json_t *v,
                         json_t *props)
{
	enum rc rc = RC_OK;
	const char *name = read_name(spelled, at, &rc, m->d);

	if (!name)
		return rc;
	if (json_object_get(props, name))
		return json_refuse(m->d, RC_ERULE, at, spelled, "\"%s\" stands "
		                   "twice, once with the dot", name);
	rc = check_value(v, at, spelled, m->d);
	if (rc == RC_OK)
		rc = add_cell(m, p, name, v);
	if (rc == RC_ELIMIT)
		return json_refuse(m->d, rc, at, spelled, "more than %u "
		                   "properties", PROPMAP_PROPS_MAX);
	if (rc == RC_OK && json_object_set(props, name, v) != 0)
		rc = RC_ENOMEM;
	return rc;
}

/* ---- the map --------------------------------------------------------------- */

/* An entity without properties says nothing: it is left out. */
static enum rc put_props(struct making *m, const char *id,
                         const struct prefix *p, json_t *obj)
{
	char canonical[ENTITY_MAX], at[AT_MAX], text[PREFIX_TEXT_MAX + 1];
	json_t *props, *v;
	const char *name;
	enum rc rc = RC_OK;

	prefix_print(p, text);
	snprintf(canonical, sizeof(canonical), "%s:%s",
	         family_name((enum family)p->family), text);
	if (json_object_get(m->entities, canonical))
		return json_refuse(m->d, RC_ERULE, MAP, id, "the same prefix as "
		                   "another entity, %s", canonical);
	props = json_object();
	if (json_object_set_new(m->entities, canonical, props) != 0)
		return RC_ENOMEM;
	entity_at(id, at);
	json_object_foreach(obj, name, v) {
		rc = read_prop(m, p, at, name, v, props);
		if (rc != RC_OK)
			return rc;
	}
	return RC_OK;
}

static enum rc read_entities(struct making *m, json_t *map)
{
	struct prefix p;
	json_t *obj, *props;
	const char *id;
	void *tmp;
	enum rc rc = RC_OK;

	json_object_foreach(map, id, obj) {
		rc = read_entity(id, &p, m->d);
		if (rc == RC_OK && !json_is_object(obj))
			rc = json_refuse(m->d, RC_ESYNTAX, MAP, id, "must be an "
			                 "object of properties");
		if (rc == RC_OK)
			rc = put_props(m, id, &p, obj);
		if (rc != RC_OK)
			return rc;
	}
	json_object_foreach_safe(m->entities, tmp, id, props) {
		if (!json_object_size(props))
			json_object_del(m->entities, id);
	}
	return RC_OK;
}

static enum rc make_lpm(const struct making *m, uint32_t prop,
                        struct lpm_entry *room, struct prop *out)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++) {
		if (m->cells[i].prop != prop)
			continue;
		room[n] = m->cells[i].e;
		out->has[room[n].p.family] = true;
		n++;
	}
	return lpm_new(room, n, &out->lpm);
}

static int by_name(const void *a, const void *b)
{
	const struct prop *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static enum rc make_props(struct propmap *p, struct making *m)
{
	struct lpm_entry *room = calloc(m->n ? m->n : 1, sizeof(*room));
	size_t n = index_count(m->names);
	enum rc rc = RC_OK;

	p->props = calloc(n ? n : 1, sizeof(*p->props));
	if (!room || !p->props)
		rc = RC_ENOMEM;
	for (uint32_t i = 0; i < n && rc == RC_OK; i++) {
		struct prop *prop = &p->props[p->n++];

		memcpy(prop->name, index_name(m->names, i),
		       index_name_len(m->names, i) + 1);
		rc = make_lpm(m, i, room, prop);
	}
	free(room);
	if (rc == RC_OK)
		qsort(p->props, p->n, sizeof(*p->props), by_name);
	p->values = m->values;
	m->values = NULL;
	return rc;
}

static enum rc make_text(struct propmap *p, const json_t *doc, struct diag *d)
{
	struct buf b = BUF_INIT(PROPMAP_BYTES_MAX);
	enum rc rc = jcs_write(doc, &b);

	if (rc == RC_OK) {
		p->text = buf_take(&b, &p->len);
		rc = p->text ? RC_OK : RC_ENOMEM;
	}
	buf_free(&b);
	if (rc == RC_ELIMIT)
		diag_set(d, rc, "the canonical text is over %u bytes",
		         PROPMAP_BYTES_MAX);
	return rc;
}

/* The entities of a document, which must be one. meta says nothing of addresses,
 * and is left out but for its name. */
static enum rc find_map(json_t *doc, json_t **map, struct diag *d)
{
	json_t *meta;
	enum rc rc = json_member(doc, "", "property-map", JSON_OBJECT, map, d);

	if (rc == RC_OK && json_object_get(doc, "meta"))
		rc = json_member(doc, "", "meta", JSON_OBJECT, &meta, d);
	return rc == RC_ENOENT ? RC_ESYNTAX : rc;
}

static enum rc make(json_t *map, struct propmap *p, struct diag *d)
{
	struct making m = { .d = d, .entities = json_object() };
	json_t *doc = json_pack("{s:{}}", "meta");
	enum rc rc = RC_ENOMEM;

	if (json_object_set_new(doc, "property-map", m.entities) != 0)
		goto out;
	rc = index_new(PROPMAP_PROPS_MAX, &m.names);
	if (rc == RC_OK)
		rc = index_new(PROPMAP_BYTES_MAX, &m.values);
	if (rc == RC_OK)
		rc = read_entities(&m, map);
	if (rc == RC_OK)
		rc = make_text(p, doc, d);
	if (rc == RC_OK)
		rc = make_props(p, &m);
out:
	json_decref(doc);
	index_unref(m.names);
	index_unref(m.values);
	free(m.cells);
	return rc;
}

enum rc propmap_read(const char *text, size_t len, struct propmap **out,
                     struct diag *d)
{
	struct propmap *p = NULL;
	json_t *doc = NULL, *map;
	enum rc rc = json_read(text, len, PROPMAP_BYTES_MAX, &doc, d);

	if (rc == RC_OK)
		rc = find_map(doc, &map, d);
	if (rc != RC_OK)
		goto out;
	p = calloc(1, sizeof(*p));
	rc = RC_ENOMEM;
	if (!p)
		goto out;
	atomic_init(&p->refs, 1);
	rc = make(map, p, d);
	if (rc != RC_OK)
		goto out;
	*out = p;
	p = NULL;
out:
	propmap_unref(p);
	json_decref(doc);
	return rc;
}

void propmap_canonical(const struct propmap *p, struct buf *dst)
{
	buf_add(dst, p->text, p->len);
}

size_t propmap_count(const struct propmap *p)
{
	return p->n;
}

const char *propmap_name(const struct propmap *p, size_t i)
{
	return p->props[i].name;
}

bool propmap_has(const struct propmap *p, size_t i, enum family f)
{
	return p->props[i].has[f];
}

struct lpm *propmap_lpm(const struct propmap *p, size_t i)
{
	return p->props[i].lpm;
}

struct index *propmap_values(const struct propmap *p)
{
	return p->values;
}

struct propmap *propmap_ref(struct propmap *p)
{
	atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	return p;
}

void propmap_unref(struct propmap *p)
{
	if (!p || atomic_fetch_sub_explicit(&p->refs, 1,
	                                    memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < p->n; i++)
		lpm_unref(p->props[i].lpm);
	free(p->props);
	index_unref(p->values);
	free(p->text);
	free(p);
}
