/* An update is walked with the streaming reader: its patches may be large, and are
 * left as views. */
#include "common/wire/frame_read.h"

#include <stdlib.h>
#include <string.h>

#include "common/wire/number.h"

#define CHANGES_MAX (SNAPSHOT_RESOURCES_MAX * 2u)

/* One change as it is read; which members came decides what it is. */
struct raw_change {
	struct change c;
	bool patch, pull, gone, from, media;
};

/* Notes that a member came; it must not come again. */
static enum rc once(struct scan *s, bool *seen)
{
	if (*seen)
		return scan_refuse(s, RC_EPROTO, "member twice");
	*seen = true;
	return RC_OK;
}

static enum rc copy_text(struct scan *s, char *dst, size_t max)
{
	const char *text;
	size_t len;
	enum rc rc = scan_string(s, &text, &len);

	if (rc != RC_OK)
		return rc;
	if (len > max || memchr(text, '\0', len))
		return scan_refuse(s, RC_ELIMIT, "over %zu characters", max);
	memcpy(dst, text, len);
	dst[len] = '\0';
	return RC_OK;
}

static enum rc read_count(struct scan *s, uint64_t max, uint64_t *out)
{
	const char *text;
	size_t len;
	double v;
	enum rc rc = scan_number(s, &text, &len);

	if (rc == RC_OK)
		rc = number_read(text, len, &v);
	if (rc == RC_ERULE)
		v = -1;			/* beyond a double */
	else if (rc != RC_OK)
		return rc;
	if (v < 0 || v > (double)max || v != (double)(uint64_t)v)
		return scan_refuse(s, RC_ERULE, "not an integer up to %llu",
		                   (unsigned long long)max);
	*out = (uint64_t)v;
	return RC_OK;
}

static enum rc read_leaf(struct scan *s, struct change *c, struct diag *d)
{
	const char *text;
	size_t len;
	enum rc rc = scan_string(s, &text, &len);

	if (rc == RC_OK && c->leaf)
		rc = scan_refuse(s, RC_EPROTO, "member twice");
	if (rc == RC_OK)
		rc = leaf_read(text, len, &c->name, d);
	if (rc != RC_OK)
		return rc;
	c->leaf = strndup(text, len);
	return c->leaf ? RC_OK : RC_ENOMEM;
}

static enum rc change_member(struct scan *s, const char *name, size_t n,
                             struct raw_change *r, struct diag *d)
{
	uint64_t within = 0;
	enum rc rc = RC_OK;

#define IS(word) (n == sizeof(word) - 1 && memcmp(name, word, n) == 0)
	if (IS("resource"))
		return read_leaf(s, &r->c, d);
	if (IS("from")) {
		rc = once(s, &r->from);
		return rc == RC_OK ? copy_text(s, r->c.from, TAG_HEX) : rc;
	}
	if (IS("media-type")) {
		rc = once(s, &r->media);
		return rc == RC_OK ? copy_text(s, r->c.media,
		                               RESOURCE_TYPE_MAX) : rc;
	}
	if (IS("data")) {
		rc = once(s, &r->patch);
		return rc == RC_OK ? scan_raw(s, &r->c.data, &r->c.data_len) :
		       rc;
	}
	if (IS("pull")) {
		rc = once(s, &r->pull);
		if (rc == RC_OK)
			rc = read_count(s, 86400, &within);
		r->c.within = (unsigned)within;
		return rc;
	}
	if (IS("gone")) {
		rc = once(s, &r->gone);
		return rc == RC_OK ? copy_text(s, r->c.name.id, ID_MAX) : rc;
	}
#undef IS
	return scan_skip(s);
}

static enum rc change_kind(struct scan *s, struct raw_change *r)
{
	struct change *c = &r->c;

	if (r->patch + r->pull + r->gone != 1)
		return scan_refuse(s, RC_EPROTO,
		                   "a change has one of data, pull, gone");
	c->what = r->patch ? CHANGE_PATCH : r->pull ? CHANGE_PULL :
	          CHANGE_GONE;
	if (c->what == CHANGE_GONE ? c->leaf != NULL : c->leaf == NULL)
		return scan_refuse(s, RC_EPROTO, "resource is missing, or "
		                   "stands beside gone");
	if (c->what == CHANGE_PATCH && (!c->from[0] || !c->media[0]))
		return scan_refuse(s, RC_EPROTO, "from or media-type missing");
	if (c->what == CHANGE_GONE &&
	    !resource_id_ok(c->name.id, strlen(c->name.id)))
		return scan_refuse(s, RC_EPROTO, "gone: not a resource-id");
	return RC_OK;
}

static enum rc read_change(struct scan *s, struct frame *f, struct diag *d)
{
	struct raw_change r = { 0 };
	struct change *grown;
	const char *name;
	size_t len;
	enum rc rc = scan_object(s);

	while (rc == RC_OK && (rc = scan_member(s, &name, &len)) == RC_OK &&
	       name)
		rc = change_member(s, name, len, &r, d);
	if (rc == RC_OK)
		rc = change_kind(s, &r);
	if (rc == RC_OK && f->n_changes >= CHANGES_MAX)
		rc = scan_refuse(s, RC_ELIMIT, "over %u changes", CHANGES_MAX);
	if (rc != RC_OK)
		goto out;

	grown = realloc(f->changes, (f->n_changes + 1) * sizeof(*grown));
	if (!grown) {
		rc = RC_ENOMEM;
		goto out;
	}
	f->changes = grown;
	grown[f->n_changes++] = r.c;
	r.c.leaf = NULL;
out:
	free(r.c.leaf);
	return rc;
}

static enum rc update_state(struct scan *s, struct frame *f, struct diag *d)
{
	char line[3][STATE_TEXT_MAX];
	bool more = true;
	enum rc rc = once(s, &f->has_state);
	size_t i;

	if (rc == RC_OK)
		rc = scan_array(s);
	for (i = 0; rc == RC_OK && i < 3; i++) {
		rc = scan_element(s, &more);
		if (rc == RC_OK && !more)
			return scan_refuse(s, RC_EPROTO, "not three strings");
		if (rc == RC_OK)
			rc = copy_text(s, line[i], STATE_TEXT_MAX - 1);
	}
	if (rc == RC_OK)
		rc = scan_element(s, &more);
	if (rc == RC_OK && more)
		return scan_refuse(s, RC_EPROTO, "not three strings");
	if (rc == RC_OK)
		rc = state_read(line[0], line[1], line[2], &f->state, d);
	return rc;
}

static enum rc update_changes(struct scan *s, struct frame *f, struct diag *d)
{
	bool more = false;
	enum rc rc = scan_array(s);

	if (rc == RC_OK && f->n_changes)
		rc = scan_refuse(s, RC_EPROTO, "changes twice");
	while (rc == RC_OK && (rc = scan_element(s, &more)) == RC_OK && more)
		rc = read_change(s, f, d);
	return rc;
}

static enum rc update_member(struct scan *s, const char *name, size_t n,
                             struct frame *f, struct diag *d)
{
	uint64_t ms = 0;
	enum rc rc;

	if (n == 5 && memcmp(name, "state", n) == 0)
		return update_state(s, f, d);
	if (n == 7 && memcmp(name, "changes", n) == 0)
		return update_changes(s, f, d);
	if (n == 9 && memcmp(name, "published", n) == 0) {
		rc = read_count(s, SERIAL_MAX, &ms);
		f->time_ms = (int64_t)ms;
		return rc;
	}
	return scan_skip(s);
}

enum rc frame_read_update(struct scan *s, struct frame *f, struct diag *d)
{
	const char *name;
	size_t len;
	enum rc rc = scan_object(s);

	while (rc == RC_OK && (rc = scan_member(s, &name, &len)) == RC_OK &&
	       name)
		rc = update_member(s, name, len, f, d);
	if (rc == RC_OK)
		rc = scan_member(s, &name, &len);
	if (rc == RC_OK && name)
		rc = scan_refuse(s, RC_EPROTO, "a message has one member");
	if (rc == RC_OK)
		rc = scan_end(s);
	if (rc == RC_OK && (!f->has_state || f->n_changes == 0))
		rc = diag_set(d, RC_EPROTO, "update without state or changes");
	return rc;
}
