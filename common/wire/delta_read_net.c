#include "common/wire/delta_json.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/netmap.h"
#include "common/wire/delta_read.h"
#include "common/wire/media.h"
#include "common/wire/scan.h"

struct net_reader {
	struct scan *s;
	struct net_delta *d;
	size_t ops;		/* PIDs, prefixes and places so far */
};

static enum rc count_op(struct net_reader *r, struct scan *s)
{
	if (r->d->n > 2 * (size_t)NETMAP_PIDS_MAX)
		return scan_refuse(s, RC_ELIMIT, "over %u PIDs",
		                   2 * NETMAP_PIDS_MAX);
	if (++r->ops > DELTA_OPS_MAX)
		return scan_refuse(s, RC_ELIMIT, "over %u prefixes and places",
		                   DELTA_OPS_MAX);
	return RC_OK;
}

static enum rc read_prefix(struct scan *s, enum family f, struct prefix *out)
{
	char canonical[PREFIX_TEXT_MAX + 1];
	struct diag why;
	const char *text;
	size_t len;
	enum rc rc;

	rc = scan_string(s, &text, &len);
	if (rc != RC_OK)
		return rc;
	diag_clear(&why);
	rc = prefix_read(text, len, f, out, &why);
	if (rc != RC_OK)
		return scan_refuse(s, rc, "%s", why.text);
	if (prefix_print(out, canonical) == len &&
	    memcmp(canonical, text, len) == 0)
		return RC_OK;
	return scan_refuse(s, RC_ERULE, "a patch holds canonical prefixes: "
	                   "this one is written %s", canonical);
}

static enum rc read_array(struct net_reader *r, struct scan *s,
                          enum family which, struct family_delta *f)
{
	struct prefix p;
	bool more;
	enum rc rc;

	rc = scan_array(s);
	while (rc == RC_OK && (rc = scan_element(s, &more)) == RC_OK && more) {
		rc = read_prefix(s, which, &p);
		if (rc == RC_OK)
			rc = count_op(r, s);
		if (rc != RC_OK)
			return rc;
		if (f->n_put && prefix_cmp(&f->put[f->n_put - 1], &p) >= 0)
			return scan_refuse(s, RC_ERULE, "prefixes ascend, none "
			                   "stands twice");
		rc = family_delta_put(f, 0, &p);
	}
	if (rc == RC_OK && f->n_put == 0)
		rc = scan_refuse(s, RC_ERULE, "an empty array: the member is "
		                 "left out, or goes");
	return rc;
}

/* A family that stands whole, or null where that may be. */
static enum rc read_family(struct net_reader *r, struct scan *s, bool may_go,
                           enum family which, struct family_delta *f)
{
	enum scan_kind kind;
	enum rc rc;

	f->how = FAMILY_WHOLE;
	rc = scan_peek(s, &kind);
	if (rc != RC_OK)
		return rc;
	return may_go && kind == SCAN_NULL ? scan_null(s) :
	                                     read_array(r, s, which, f);
}

static enum rc read_families(struct net_reader *r, struct scan *s, bool may_go,
                             struct pid_delta *p)
{
	const char *name;
	size_t len;
	enum rc rc;

	rc = scan_object(s);
	while (rc == RC_OK && (rc = scan_member(s, &name, &len)) == RC_OK &&
	       name) {
		enum family f = FAMILY_IPV4;

		if (delta_read_is(name, len, family_name(FAMILY_IPV6)))
			f = FAMILY_IPV6;
		if (p->family[f].how != FAMILY_SAME ||
		    !delta_read_is(name, len, family_name(f)))
			return delta_read_refuse(s, name, len);
		rc = read_family(r, s, may_go, f, &p->family[f]);
	}
	return rc;
}

static enum rc add_pid(struct net_reader *r, const char *name, size_t len,
                       struct pid_delta **out)
{
	enum rc rc = count_op(r, r->s);

	if (rc != RC_OK)
		return rc;
	*out = net_delta_add(r->d, name, len);
	return *out ? RC_OK : RC_ENOMEM;
}

static enum rc read_merge_pids(void *arg)
{
	struct net_reader *r = arg;
	struct pid_delta *p = NULL;
	enum scan_kind kind;
	const char *name;
	size_t len;
	enum rc rc;

	rc = scan_object(r->s);
	while (rc == RC_OK && (rc = scan_member(r->s, &name, &len)) == RC_OK &&
	       name) {
		rc = delta_read_pid(r->s, name, len);
		if (rc == RC_OK)
			rc = add_pid(r, name, len, &p);
		if (rc == RC_OK)
			rc = scan_peek(r->s, &kind);
		if (rc != RC_OK)
			return rc;
		p->gone = kind == SCAN_NULL;
		rc = p->gone ? scan_null(r->s) :
		               read_families(r, r->s, true, p);
	}
	return rc;
}

static int pid_cmp(const void *a, const void *b)
{
	const struct pid_delta *p = a, *q = b;

	return strcmp(p->pid, q->pid);
}

/* Members of an object may come in any order; one that comes twice does not
 * say what it means. */
static enum rc sort_pids(struct net_reader *r)
{
	struct net_delta *d = r->d;
	bool sorted = true;

	for (size_t i = 1; i < d->n; i++)
		if (pid_cmp(&d->pids[i - 1], &d->pids[i]) >= 0)
			sorted = false;
	if (sorted)
		return RC_OK;
	qsort(d->pids, d->n, sizeof(*d->pids), pid_cmp);
	for (size_t i = 1; i < d->n; i++)
		if (pid_cmp(&d->pids[i - 1], &d->pids[i]) == 0)
			return scan_refuse(r->s, RC_ERULE, "PID %s stands here "
			                   "twice", d->pids[i].pid);
	return RC_OK;
}

static enum rc read_net_merge(struct net_reader *r)
{
	const struct delta_merge m = {
		"network-map", r->d->to, NULL, read_merge_pids, r
	};
	enum rc rc = delta_read_merge(r->s, &m);

	return rc == RC_OK ? sort_pids(r) : rc;
}

/* One operation of a JSON Patch. Its members come in any order, so the value is
 * kept as text until it is known what it is for. */
struct op {
	char op[sizeof("replace")];
	char path[sizeof("/network-map//ipv4/4294967295") + ID_MAX];
	const char *value;	/* NULL: none */
	size_t value_len;
};

/* Where a path leads; -1: no family, no place. */
struct target {
	char *pid;		/* in the path */
	int family;
	int64_t place;
};

static enum rc read_word(struct scan *s, char *dst, size_t size)
{
	const char *text;
	size_t len;
	enum rc rc;

	rc = scan_string(s, &text, &len);
	if (rc != RC_OK)
		return rc;
	if (len == 0 || len >= size || memchr(text, '\0', len))
		return scan_refuse(s, RC_ERULE, "no operation or path that is "
		                   "used here");
	memcpy(dst, text, len);
	dst[len] = '\0';
	return RC_OK;
}

static enum rc read_op(struct scan *s, struct op *op)
{
	const char *name;
	size_t len;
	enum rc rc;

	*op = (struct op){ .value = NULL };
	rc = scan_object(s);
	while (rc == RC_OK && (rc = scan_member(s, &name, &len)) == RC_OK &&
	       name) {
		if (!op->op[0] && delta_read_is(name, len, "op"))
			rc = read_word(s, op->op, sizeof(op->op));
		else if (!op->path[0] && delta_read_is(name, len, "path"))
			rc = read_word(s, op->path, sizeof(op->path));
		else if (!op->value && delta_read_is(name, len, "value"))
			rc = scan_raw(s, &op->value, &op->value_len);
		else
			rc = delta_read_refuse(s, name, len);
	}
	if (rc == RC_OK && !(op->op[0] && op->path[0]))
		rc = scan_refuse(s, RC_ERULE, "op or path is missing "
		                 "(RFC 6902 s4)");
	if (rc == RC_OK && (strcmp(op->op, "remove") == 0) == !!op->value)
		rc = scan_refuse(s, RC_ERULE, "\"remove\" has no value, any "
		                 "other has one");
	return rc;
}

/* An array index (RFC 6901 s4); -1: not one, or "-". */
static int64_t read_index(const char *s)
{
	int64_t v = 0;

	if (!s[0] || (s[0] == '0' && s[1]))
		return -1;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -1;
		v = v * 10 + (*s - '0');
		if (v > UINT32_MAX)
			return -1;
	}
	return v;
}

/* Takes /network-map/PID[/FAMILY[/PLACE]] apart, in place. */
static bool read_target(char *path, struct target *t)
{
	static const char top[] = "/network-map/";
	char *family, *place = NULL;

	*t = (struct target){ NULL, -1, -1 };
	if (strncmp(path, top, sizeof(top) - 1) != 0)
		return false;
	t->pid = path + sizeof(top) - 1;
	family = strchr(t->pid, '/');
	if (family)
		*family++ = '\0';
	if (!pid_ok(t->pid, strlen(t->pid)))
		return false;
	if (!family)
		return true;
	place = strchr(family, '/');
	if (place)
		*place++ = '\0';
	for (enum family f = FAMILY_IPV4; f <= FAMILY_IPV6; f++)
		if (strcmp(family, family_name(f)) == 0)
			t->family = (int)f;
	if (place)
		t->place = read_index(place);
	return t->family >= 0 && (!place || t->place >= 0);
}

static enum rc out_of_order(struct net_reader *r)
{
	return scan_refuse(r->s, RC_ERULE, "out of order: PIDs ascend, ipv4 "
	                   "stands before ipv6, removals descend and come "
	                   "before additions, which ascend");
}

/* The entry that an operation belongs to: the last one, or a new one. */
static enum rc target_pid(struct net_reader *r, const struct target *t,
                          struct pid_delta **out)
{
	struct pid_delta *last = r->d->n ? &r->d->pids[r->d->n - 1] : NULL;
	int c = last ? strcmp(t->pid, last->pid) : 1;

	if (c > 0)
		return add_pid(r, t->pid, strlen(t->pid), out);
	if (c < 0 || t->family < 0 || last->gone || last->fresh)
		return out_of_order(r);
	if (t->family == FAMILY_IPV4 &&
	    last->family[FAMILY_IPV6].how != FAMILY_SAME)
		return out_of_order(r);
	*out = last;
	return RC_OK;
}

static enum rc read_put(struct scan *s, const struct target *t,
                        struct family_delta *f)
{
	struct prefix p;
	enum rc rc;

	rc = read_prefix(s, (enum family)t->family, &p);
	return rc == RC_OK ? family_delta_put(f, (uint32_t)t->place, &p) : rc;
}

/* What "add" adds: a PID, a family or one prefix. */
static enum rc read_value(struct net_reader *r, const struct op *op,
                          const struct target *t, struct pid_delta *p)
{
	struct scan *s = NULL;
	struct diag why;
	enum rc rc;

	diag_clear(&why);
	rc = scan_new_bytes(op->value, op->value_len, &why, &s);
	if (rc != RC_OK)
		return rc;
	if (t->family < 0)
		rc = read_families(r, s, false, p);
	else if (t->place < 0)
		rc = read_array(r, s, (enum family)t->family,
		                &p->family[t->family]);
	else
		rc = read_put(s, t, &p->family[t->family]);
	scan_free(s);
	return rc == RC_OK ? rc :
	       scan_refuse(r->s, rc, "value%s: %s", why.pointer, why.text);
}

static enum rc edit_op(struct net_reader *r, const struct op *op,
                       const struct target *t, struct pid_delta *p)
{
	struct family_delta *f = &p->family[t->family];
	enum rc rc;

	if (f->how == FAMILY_WHOLE)
		return out_of_order(r);
	f->how = FAMILY_EDIT;
	rc = count_op(r, r->s);
	if (rc != RC_OK)
		return rc;
	if (op->value) {
		if (f->n_put && t->place <= f->place[f->n_put - 1])
			return out_of_order(r);
		return read_value(r, op, t, p);
	}
	if (f->n_put ||
	    (f->n_removed && t->place >= f->removed[f->n_removed - 1]))
		return out_of_order(r);
	return family_delta_remove(f, (uint32_t)t->place);
}

static enum rc take_op(struct net_reader *r, struct op *op)
{
	struct pid_delta *p = NULL;
	struct target t;
	enum rc rc;

	if (strcmp(op->op, op->value ? "add" : "remove") != 0 ||
	    !read_target(op->path, &t))
		return scan_refuse(r->s, RC_ERULE, "after the tag, a patch "
		                   "adds and removes PIDs, their families and "
		                   "prefixes, and nothing else");
	rc = target_pid(r, &t, &p);
	if (rc != RC_OK)
		return rc;
	if (t.place >= 0)
		return edit_op(r, op, &t, p);
	if (t.family >= 0 && p->family[t.family].how != FAMILY_SAME)
		return out_of_order(r);
	if (t.family >= 0)
		p->family[t.family].how = FAMILY_WHOLE;
	else
		*(op->value ? &p->fresh : &p->gone) = true;
	return op->value ? read_value(r, op, &t, p) : RC_OK;
}

/* The first operation leads to the new tag. */
static enum rc take_tag(struct net_reader *r, const struct op *op)
{
	struct scan *s = NULL;
	struct diag why;
	enum rc rc;

	if (strcmp(op->op, "replace") != 0 ||
	    strcmp(op->path, "/meta/vtag/tag") != 0)
		return scan_refuse(r->s, RC_ERULE, "the first operation "
		                   "replaces /meta/vtag/tag");
	diag_clear(&why);
	rc = scan_new_bytes(op->value, op->value_len, &why, &s);
	if (rc != RC_OK)
		return rc;
	rc = delta_read_tag(s, r->d->to);
	scan_free(s);
	return rc == RC_OK ? rc : scan_refuse(r->s, rc, "%s", why.text);
}

static enum rc read_net_ops(struct net_reader *r)
{
	struct op op;
	bool more;
	enum rc rc;

	rc = scan_array(r->s);
	while (rc == RC_OK && (rc = scan_element(r->s, &more)) == RC_OK &&
	       more) {
		rc = read_op(r->s, &op);
		if (rc == RC_OK)
			rc = r->d->to[0] ? take_op(r, &op) : take_tag(r, &op);
	}
	if (rc == RC_OK && !r->d->to[0])
		rc = scan_refuse(r->s, RC_ERULE, "no operation: a patch says "
		                 "which tag it leads to");
	return rc;
}

enum rc delta_json_net_read(const char *media, const char *text, size_t len,
                            const char *from, struct net_delta **out,
                            struct diag *d)
{
	struct net_reader r = { .s = NULL };
	bool merge = strcmp(media, MEDIA_MERGE_PATCH) == 0;
	enum rc rc;

	if (!merge && strcmp(media, MEDIA_JSON_PATCH) != 0)
		return diag_set(d, RC_ERULE, "\"%.80s\" is no media type of a "
		                "patch", media);
	r.d = calloc(1, sizeof(*r.d));
	if (!r.d)
		return RC_ENOMEM;
	rc = delta_read_from(r.d->from, from, d);
	if (rc == RC_OK)
		rc = scan_new_bytes(text, len, d, &r.s);
	if (rc == RC_OK)
		rc = merge ? read_net_merge(&r) : read_net_ops(&r);
	if (rc == RC_OK)
		rc = scan_end(r.s);
	if (rc == RC_OK) {
		*out = r.d;
		r.d = NULL;
	}
	scan_free(r.s);
	net_delta_free(r.d);
	return rc;
}

