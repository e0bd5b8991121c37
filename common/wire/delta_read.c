#include "common/wire/delta_read.h"

#include <string.h>

bool delta_read_is(const char *name, size_t len, const char *want)
{
	return len == strlen(want) && memcmp(name, want, len) == 0;
}

enum rc delta_read_refuse(struct scan *s, const char *name, size_t len)
{
	return scan_refuse(s, RC_ERULE, "member \"%.*s\" has no place here, or "
	                   "stands here twice", len < 80 ? (int)len : 80, name);
}

enum rc delta_read_tag(struct scan *s, char tag[TAG_MAX + 1])
{
	const char *text;
	size_t len;
	enum rc rc;

	rc = scan_string(s, &text, &len);
	if (rc != RC_OK)
		return rc;
	if (!tag_ok(text, len))
		return scan_refuse(s, RC_ERULE, "a tag is 1 to %d characters "
		                   "from ! to ~ (RFC 7285 s10.3)", TAG_MAX);
	memcpy(tag, text, len);
	tag[len] = '\0';
	return RC_OK;
}

static enum rc read_id(struct scan *s)
{
	const char *text;
	size_t len;
	enum rc rc;

	rc = scan_string(s, &text, &len);
	if (rc == RC_OK && !resource_id_ok(text, len))
		rc = scan_refuse(s, RC_ERULE, "no resource-id "
		                 "(RFC 7285 s10.2)");
	return rc;
}

/* {"tag":..}, in a dependent vtag with the resource-id beside it. */
static enum rc read_vtag(struct scan *s, bool dependent, char tag[TAG_MAX + 1])
{
	bool has_tag = false, has_id = !dependent;
	const char *name;
	size_t len;
	enum rc rc;

	rc = scan_object(s);
	while (rc == RC_OK && (rc = scan_member(s, &name, &len)) == RC_OK &&
	       name) {
		if (!has_tag && delta_read_is(name, len, "tag")) {
			has_tag = true;
			rc = delta_read_tag(s, tag);
		} else if (!has_id && delta_read_is(name, len, "resource-id")) {
			has_id = true;
			rc = read_id(s);
		} else {
			rc = delta_read_refuse(s, name, len);
		}
	}
	if (rc == RC_OK && !(has_tag && has_id))
		rc = scan_refuse(s, RC_ERULE, "%s is missing",
		                 has_tag ? "resource-id" : "tag");
	return rc;
}

static enum rc read_dependent(struct scan *s, char tag[TAG_MAX + 1])
{
	bool more = false;
	enum rc rc;

	rc = scan_array(s);
	if (rc == RC_OK)
		rc = scan_element(s, &more);
	if (rc == RC_OK && more) {
		rc = read_vtag(s, true, tag);
		if (rc == RC_OK)
			rc = scan_element(s, &more);
		if (rc == RC_OK && !more)
			return RC_OK;
	}
	if (rc != RC_OK)
		return rc;
	return scan_refuse(s, RC_ERULE, "one network map is what a cost map "
	                   "depends on (RFC 7285 s11.2.3.1)");
}

/* net_tag NULL: a map that depends on no other. */
static enum rc read_meta(struct scan *s, char *to, char *net_tag)
{
	const char *name;
	size_t len;
	enum rc rc;

	rc = scan_object(s);
	while (rc == RC_OK && (rc = scan_member(s, &name, &len)) == RC_OK &&
	       name) {
		if (!to[0] && delta_read_is(name, len, "vtag"))
			rc = read_vtag(s, false, to);
		else if (net_tag && !net_tag[0] &&
		         delta_read_is(name, len, "dependent-vtags"))
			rc = read_dependent(s, net_tag);
		else
			rc = delta_read_refuse(s, name, len);
	}
	if (rc == RC_OK && !to[0])
		rc = scan_refuse(s, RC_ERULE, "vtag is missing: a patch says "
		                 "which tag it leads to");
	return rc;
}

enum rc delta_read_from(char tag[TAG_MAX + 1], const char *from,
                        struct diag *d)
{
	size_t len = strlen(from);

	if (!tag_ok(from, len))
		return diag_set(d, RC_ERULE, "\"from\" is no tag "
		                "(RFC 7285 s10.3)");
	memcpy(tag, from, len + 1);
	return RC_OK;
}

enum rc delta_read_pid(struct scan *s, const char *name, size_t len)
{
	if (pid_ok(name, len))
		return RC_OK;
	return scan_refuse(s, RC_ERULE, "no PID name (RFC 7285 s10.1)");
}

enum rc delta_read_merge(struct scan *s, const struct delta_merge *m)
{
	bool map = false;
	const char *name;
	size_t len;
	enum rc rc;

	rc = scan_object(s);
	while (rc == RC_OK && (rc = scan_member(s, &name, &len)) == RC_OK &&
	       name) {
		if (!m->to[0] && delta_read_is(name, len, "meta")) {
			rc = read_meta(s, m->to, m->net_tag);
		} else if (!map && delta_read_is(name, len, m->map)) {
			map = true;
			rc = m->read_map(m->arg);
		} else {
			rc = delta_read_refuse(s, name, len);
		}
	}
	if (rc == RC_OK && !m->to[0])
		rc = scan_refuse(s, RC_ERULE, "meta is missing: a patch says "
		                 "which tag it leads to");
	return rc;
}
