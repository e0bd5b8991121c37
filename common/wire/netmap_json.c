#include "common/wire/netmap_json.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MEMBERS_MAX 256u	/* of an object other than the map itself */

struct reader {
	struct scan *s;
	const struct netmap *base;
	struct netbuild *build;
	struct netmap *map;
	struct vtag stated;
	struct map_notes notes;
	bool has_meta;
};

static bool is(const char *name, size_t len, const char *what)
{
	return len == strlen(what) && memcmp(name, what, len) == 0;
}

/* Text of the input in a message: short, and no control bytes. */
struct shown {
	char text[80];
};

static struct shown show(const char *s, size_t len)
{
	size_t max = sizeof(((struct shown *)NULL)->text) - 4;
	size_t n = len < max ? len : max;
	struct shown out;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		out.text[i] = (char)(c < 0x20 || c > 0x7e ? '?' : c);
	}
	memcpy(out.text + n, "...", 4);
	if (n == len)
		out.text[n] = '\0';
	return out;
}

/* The next member of an object, none of whose names may come twice. */
static enum rc next_member(struct scan *s, struct index *seen,
                           const char **name, size_t *len)
{
	uint32_t num;
	bool added = true;
	enum rc rc = scan_member(s, name, len);

	if (rc != RC_OK || !*name)
		return rc;
	rc = index_add(seen, *name, *len, &num, &added);
	if (rc == RC_ELIMIT)
		return scan_refuse(s, rc, "more than %u members", MEMBERS_MAX);
	if (rc != RC_OK)
		return scan_refuse(s, rc, "%s", rc_text(rc));
	if (!added)
		return scan_refuse(s, RC_ERULE, "member \"%s\" is there twice "
		                   "(RFC 8259 s4)", show(*name, *len).text);
	return RC_OK;
}

static enum rc drop_member(struct reader *r, const char *name, size_t len)
{
	struct map_notes *n = &r->notes;

	if (!n->dropped_members++)
		snprintf(n->first_dropped, sizeof(n->first_dropped), "%s",
		         show(name, len).text);
	return scan_skip(r->s);
}

/* A function that takes the value of one member. */
typedef enum rc (*member_fn)(struct reader *r, const char *name, size_t len);

static enum rc each_member(struct reader *r, member_fn take)
{
	struct index *seen = NULL;
	const char *name;
	size_t len;
	enum rc rc;

	rc = scan_object(r->s);
	if (rc == RC_OK)
		rc = index_new(MEMBERS_MAX, &seen);
	while (rc == RC_OK) {
		rc = next_member(r->s, seen, &name, &len);
		if (rc != RC_OK || !name)
			break;
		rc = take(r, name, len);
	}
	index_unref(seen);
	return rc;
}

static enum rc read_prefix(struct reader *r, enum family f)
{
	struct prefix p;
	struct diag why;
	const char *text;
	size_t len;
	enum rc rc = scan_string(r->s, &text, &len);

	if (rc != RC_OK)
		return rc;
	if (prefix_read(text, len, f, &p, NULL) != RC_OK) {
		diag_clear(&why);
		rc = prefix_read(text, len, f, &p, &why);
		return scan_refuse(r->s, rc, "%s", why.text);
	}
	rc = netbuild_prefix(r->build, &p);
	if (rc == RC_ELIMIT)
		return scan_refuse(r->s, rc, "more than %u prefixes",
		                   NETMAP_PREFIXES_MAX);
	return rc == RC_OK ? rc : scan_refuse(r->s, rc, "%s", rc_text(rc));
}

static enum rc read_family(struct reader *r, enum family f)
{
	bool found;
	enum rc rc = scan_array(r->s);

	while (rc == RC_OK) {
		rc = scan_element(r->s, &found);
		if (rc != RC_OK || !found)
			break;
		rc = read_prefix(r, f);
	}
	return rc;
}

/* The families of one PID. A type that cannot be kept would be lost without a
 * word to those who get the map from here: refused. */
static enum rc read_pid(struct reader *r)
{
	bool seen[2] = { false, false };
	const char *name;
	size_t len;
	enum rc rc = scan_object(r->s);

	while (rc == RC_OK) {
		enum family f;

		rc = scan_member(r->s, &name, &len);
		if (rc != RC_OK || !name)
			break;
		f = is(name, len, "ipv6") ? FAMILY_IPV6 : FAMILY_IPV4;
		if (!is(name, len, family_name(f)))
			return scan_refuse(r->s, RC_ERULE, "address type "
			                   "\"%s\" is not known; there are "
			                   "\"ipv4\" and \"ipv6\" (RFC 7285 "
			                   "s10.4.1)", show(name, len).text);
		if (seen[f])
			return scan_refuse(r->s, RC_ERULE, "member \"%s\" is "
			                   "there twice (RFC 8259 s4)",
			                   family_name(f));
		seen[f] = true;
		rc = read_family(r, f);
	}
	return rc;
}

static enum rc begin_pid(struct reader *r, const char *name, size_t len)
{
	struct diag why;
	enum rc rc;

	diag_clear(&why);
	rc = netbuild_pid(r->build, name, len, &why);
	if (rc == RC_OK)
		return rc;
	if (rc == RC_EEXIST)		/* for the caller: a rule broken */
		return scan_refuse(r->s, RC_ERULE, "%s (RFC 8259 s4: names in "
		                   "an object are unique)", why.text);
	if (why.text[0] && rc == RC_ERULE)
		return scan_refuse(r->s, rc, "\"%s\": %s",
		                   show(name, len).text, why.text);
	return scan_refuse(r->s, rc, "%s",
	                   why.text[0] ? why.text : rc_text(rc));
}

static enum rc read_map(struct reader *r)
{
	struct diag why;
	const char *name;
	size_t len;
	enum rc rc = scan_object(r->s);

	while (rc == RC_OK) {
		rc = scan_member(r->s, &name, &len);
		if (rc != RC_OK || !name)
			break;
		rc = begin_pid(r, name, len);
		if (rc == RC_OK)
			rc = read_pid(r);
	}
	if (rc != RC_OK)
		return rc;

	/* Here, while the scan still points at the map. */
	diag_clear(&why);
	rc = netbuild_end(r->build, r->base, &r->map, &why);
	r->notes.repeats = netbuild_repeats(r->build);
	if (rc != RC_OK)
		return scan_refuse(r->s, rc, "%s",
		                   why.text[0] ? why.text : rc_text(rc));
	return RC_OK;
}

static enum rc read_vtag_member(struct reader *r, const char *name, size_t len)
{
	bool id = is(name, len, "resource-id");
	const char *text;
	size_t n;
	enum rc rc;

	if (!id && !is(name, len, "tag"))
		return drop_member(r, name, len);
	rc = scan_string(r->s, &text, &n);
	if (rc != RC_OK)
		return rc;
	if (id && !resource_id_ok(text, n))
		return scan_refuse(r->s, RC_ERULE, "\"%s\" is no resource-id: "
		                   "1 to %d of A-Z a-z 0-9 - : @ _ are allowed"
		                   ", \".\" is reserved (RFC 7285 s10.2)",
		                   show(text, n).text, ID_MAX);
	if (!id && !tag_ok(text, n))
		return scan_refuse(r->s, RC_ERULE, "\"%s\" is no tag: 1 to %d "
		                   "characters from \"!\" to \"~\" (RFC 7285 "
		                   "s10.3)", show(text, n).text, TAG_MAX);
	memcpy(id ? r->stated.id : r->stated.tag, text, n);
	return RC_OK;
}

static enum rc read_meta_member(struct reader *r, const char *name, size_t len)
{
	enum rc rc;

	if (!is(name, len, "vtag"))
		return drop_member(r, name, len);
	rc = each_member(r, read_vtag_member);
	if (rc == RC_OK && !r->stated.id[0])
		return scan_refuse(r->s, RC_ERULE, "\"resource-id\" is missing "
		                   "(RFC 7285 s10.3)");
	return rc;
}

static enum rc read_root_member(struct reader *r, const char *name, size_t len)
{
	enum rc rc;

	if (is(name, len, "network-map"))
		return read_map(r);
	if (is(name, len, "cost-map"))
		return scan_refuse(r->s, RC_ERULE, "a network map and a cost "
		                   "map in one document: each has its own "
		                   "(RFC 7285 s8.4)");
	if (!is(name, len, "meta"))
		return drop_member(r, name, len);
	r->has_meta = true;
	rc = each_member(r, read_meta_member);
	if (rc == RC_OK && !r->stated.id[0])
		return scan_refuse(r->s, RC_ERULE, "\"vtag\" is missing: a "
		                   "network map names its resource-id (RFC "
		                   "7285 s11.2.1.6)");
	return rc;
}

static enum rc read_document(struct reader *r)
{
	enum rc rc = each_member(r, read_root_member);

	if (rc != RC_OK)
		return rc;
	if (!r->map)
		return scan_refuse(r->s, RC_ERULE, "\"network-map\" is missing:"
		                   " no network map (RFC 7285 s11.2.1.6)");
	if (!r->has_meta)
		return scan_refuse(r->s, RC_ERULE, "\"meta\" with the map's "
		                   "\"vtag\" is missing (RFC 7285 s11.2.1.6)");
	return scan_end(r->s);
}

enum rc netmap_json_read(struct scan *s, const struct netmap *base,
                         struct netmap **out, struct vtag *stated,
                         struct map_notes *notes)
{
	struct reader r = { .s = s, .base = base };
	enum rc rc;

	rc = netbuild_new(&r.build);
	if (rc != RC_OK)
		return scan_refuse(s, rc, "%s", rc_text(rc));
	rc = read_document(&r);
	if (rc == RC_OK) {
		*out = r.map;
		r.map = NULL;
		*stated = r.stated;
		*notes = r.notes;
	}
	netmap_unref(r.map);
	netbuild_free(r.build);
	return rc;
}

static void put_family(enum family f, const struct prefix *p, size_t n,
                       struct buf *dst)
{
	buf_putc(dst, '"');
	buf_puts(dst, family_name(f));
	buf_puts(dst, "\":[");
	for (size_t i = 0; i < n; i++) {
		char text[PREFIX_TEXT_MAX + 4] = ",\"";
		size_t len = 2 + prefix_print(&p[i], text + 2);

		text[len++] = '"';
		buf_add(dst, text + !i, len - !i);
	}
	buf_putc(dst, ']');
}

void netmap_json_row(const char *pid, const struct netrow *row,
                     struct buf *dst)
{
	buf_putc(dst, '"');
	buf_puts(dst, pid);		/* its alphabet needs no escapes */
	buf_puts(dst, "\":{");
	if (row->n4)
		put_family(FAMILY_IPV4, row->p, row->n4, dst);
	if (row->n4 && row->n6)
		buf_putc(dst, ',');
	if (row->n6)
		put_family(FAMILY_IPV6, row->p + row->n4, row->n6, dst);
	buf_putc(dst, '}');
}
