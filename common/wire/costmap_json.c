#include "common/wire/costmap_json.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire/number.h"

#define CHUNK 4096		/* bytes of row text gathered on the stack */
#define CELL_TEXT_MAX (ID_MAX + 4 + NUMBER_TEXT_MAX)	/* ,"dst":number */

/* A document on its way in. seen: which members have been, since twice the same
 * name is ambiguous (RFC 8259 s4). */
struct reader {
	struct scan *s;
	struct costbuild *build;
	struct costmeta meta;
	struct vtag own;
	struct map_notes notes;
	bool ordinal;			/* known once meta has been read */
	struct {
		bool meta, map, type, dependent, own;
	} seen;
};

static bool is(const char *name, size_t len, const char *want)
{
	return len == strlen(want) && memcmp(name, want, len) == 0;
}

static uint64_t word_at(const char *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof(w));
	return w;
}

/* Most names have 8 to 16 bytes: two words that overlap take no call. */
static inline void copy_name(char *to, const char *from, size_t len)
{
	uint64_t head, tail;

	if (len < 8 || len > 16) {
		memcpy(to, from, len);
		return;
	}
	head = word_at(from);
	tail = word_at(from + len - 8);
	memcpy(to, &head, 8);
	memcpy(to + len - 8, &tail, 8);
}

/* RC_ERULE the second time. */
static enum rc once(struct reader *r, bool *seen, const char *what)
{
	if (*seen)
		return scan_refuse(r->s, RC_ERULE, "\"%s\" stands here twice "
		                   "(RFC 8259 s4)", what);
	*seen = true;
	return RC_OK;
}

/* Takes a member that maps do not have; its name may be anything. */
static enum rc drop(struct reader *r, const char *name, size_t len)
{
	char *to = r->notes.first_dropped;
	size_t room = sizeof(r->notes.first_dropped) - 1;

	if (!r->notes.dropped_members++)
		for (size_t i = 0; i < len && i < room; i++)
			to[i] = name[i] > 0x20 && name[i] < 0x7f ? name[i]
			                                         : '?';
	return scan_skip(r->s);
}

/* ---- meta ---- */

/* A string that must pass ok() into dst, which has room for what passes. */
static enum rc take(struct reader *r, bool (*ok)(const char *, size_t),
                    const char *rule, char *dst)
{
	const char *text;
	size_t len;
	enum rc rc = scan_string(r->s, &text, &len);

	if (rc != RC_OK)
		return rc;
	if (!ok(text, len))
		return scan_refuse(r->s, RC_ERULE, "%s", rule);
	memcpy(dst, text, len);
	dst[len] = '\0';
	return RC_OK;
}

static bool tag_or_none(const char *s, size_t len)
{
	return len == 0 || tag_ok(s, len);
}

static enum rc read_vtag(struct reader *r, struct vtag *out)
{
	bool have_id = false, have_tag = false;
	const char *name;
	size_t len;
	enum rc rc = scan_object(r->s);

	while (rc == RC_OK) {
		rc = scan_member(r->s, &name, &len);
		if (rc != RC_OK || !name)
			break;
		if (is(name, len, "resource-id")) {
			rc = once(r, &have_id, "resource-id");
			if (rc == RC_OK)
				rc = take(r, resource_id_ok, "not a "
				          "resource-id: 1 to 64 letters, "
				          "digits or - : @ _ (RFC 7285 s10.2)",
				          out->id);
		} else if (is(name, len, "tag")) {
			rc = once(r, &have_tag, "tag");
			if (rc == RC_OK)
				rc = take(r, tag_or_none, "not a tag: 1 to 64 "
				          "printable ASCII characters, no "
				          "blanks (RFC 7285 s10.3)", out->tag);
		} else {
			rc = drop(r, name, len);
		}
	}
	if (rc == RC_OK && !have_id)
		rc = scan_refuse(r->s, RC_ERULE, "a version tag without "
		                 "\"resource-id\" (RFC 7285 s10.3)");
	return rc;
}

static enum rc read_dependent(struct reader *r)
{
	size_t n = 0;
	bool more;
	enum rc rc = scan_array(r->s);

	while (rc == RC_OK) {
		rc = scan_element(r->s, &more);
		if (rc != RC_OK || !more)
			break;
		if (n++)
			break;
		rc = read_vtag(r, &r->meta.net);
	}
	if (rc == RC_OK && n != 1)
		rc = scan_refuse(r->s, RC_ERULE, "%s version tags: a cost map "
		                 "depends on exactly one network map "
		                 "(RFC 7285 s11.2.3.6)", n ? "several" : "no");
	return rc;
}

/* What is not a number cannot be in this map, so array (RFC 9274) and modes
 * not known here are refused. Private ones are their users' own. */
static enum rc check_mode(struct reader *r)
{
	const char *mode = r->meta.mode;

	r->ordinal = strcmp(mode, "ordinal") == 0;
	if (r->ordinal || strcmp(mode, "numerical") == 0 ||
	    strncmp(mode, "priv:", 5) == 0)
		return RC_OK;
	return scan_refuse(r->s, RC_ERULE, "cost mode \"%s\": costs here are "
	                   "single numbers, \"numerical\" or \"ordinal\" "
	                   "(RFC 7285 s6.1.2)", mode);
}

static enum rc type_member(struct reader *r, const char *name, size_t len,
                           bool *have_metric, bool *have_mode)
{
	enum rc rc;

	if (is(name, len, "cost-metric")) {
		rc = once(r, have_metric, "cost-metric");
		if (rc == RC_OK)
			rc = take(r, metric_ok, "not a cost metric: 1 to 32 "
			          "letters, digits or - : _ . "
			          "(RFC 7285 s10.6, RFC 9439 s3)",
			          r->meta.metric);
		return rc;
	}
	if (!is(name, len, "cost-mode"))
		return drop(r, name, len);
	rc = once(r, have_mode, "cost-mode");
	if (rc == RC_OK)
		rc = take(r, mode_ok, "not a cost mode: \"numerical\" or "
		          "\"ordinal\" (RFC 7285 s6.1.2)", r->meta.mode);
	return rc == RC_OK ? check_mode(r) : rc;
}

static enum rc read_type(struct reader *r)
{
	bool have_metric = false, have_mode = false;
	const char *name;
	size_t len;
	enum rc rc = scan_object(r->s);

	while (rc == RC_OK) {
		rc = scan_member(r->s, &name, &len);
		if (rc != RC_OK || !name)
			break;
		rc = type_member(r, name, len, &have_metric, &have_mode);
	}
	if (rc == RC_OK && (!have_metric || !have_mode))
		rc = scan_refuse(r->s, RC_ERULE, "\"cost-type\" without \"%s\" "
		                 "(RFC 7285 s10.7)",
		                 have_metric ? "cost-mode" : "cost-metric");
	return rc;
}

static enum rc meta_member(struct reader *r, const char *name, size_t len)
{
	enum rc rc;

	if (is(name, len, "cost-type")) {
		rc = once(r, &r->seen.type, "cost-type");
		return rc == RC_OK ? read_type(r) : rc;
	}
	if (is(name, len, "dependent-vtags")) {
		rc = once(r, &r->seen.dependent, "dependent-vtags");
		return rc == RC_OK ? read_dependent(r) : rc;
	}
	if (is(name, len, "vtag")) {
		rc = once(r, &r->seen.own, "vtag");
		return rc == RC_OK ? read_vtag(r, &r->own) : rc;
	}
	return drop(r, name, len);
}

static enum rc read_meta(struct reader *r)
{
	const char *name;
	size_t len;
	enum rc rc = scan_object(r->s);

	while (rc == RC_OK) {
		rc = scan_member(r->s, &name, &len);
		if (rc != RC_OK || !name)
			break;
		rc = meta_member(r, name, len);
	}
	if (rc == RC_OK && (!r->seen.type || !r->seen.dependent))
		rc = scan_refuse(r->s, RC_ERULE, "\"meta\" without \"%s\" "
		                 "(RFC 7285 s11.2.3.6)", r->seen.type ?
		                 "dependent-vtags" : "cost-type");
	return rc;
}

/* ---- costs ---- */

static bool ordinal_ok(double cost)
{
	return cost >= 0 && cost == floor(cost);
}

/* Why the builder would not take a name, in the place where it stands. */
static enum rc refuse(struct reader *r, enum rc rc, const char *what)
{
	switch (rc) {
	case RC_EEXIST:
		return scan_refuse(r->s, RC_ERULE, "this %s stands here twice "
		                   "(RFC 8259 s4)", what);
	case RC_ERULE:
		return scan_refuse(r->s, RC_ERULE, "this %s is no PID name: 1 "
		                   "to %d letters, digits or - : @ _ "
		                   "(RFC 7285 s10.1)", what, ID_MAX);
	case RC_ELIMIT:
		return scan_refuse(r->s, RC_ELIMIT, "more than %u PIDs or %u "
		                   "cells", COSTMAP_PIDS_MAX,
		                   COSTMAP_CELLS_MAX);
	default:
		return scan_refuse(r->s, rc, "%s", rc_text(rc));
	}
}

static enum rc read_cost(struct reader *r, double *cost)
{
	const char *text;
	size_t len;
	enum rc rc = scan_number(r->s, &text, &len);

	if (rc != RC_OK)
		return rc;
	rc = number_read(text, len, cost);
	if (rc != RC_OK)
		return scan_refuse(r->s, rc, "beyond 1.7976931348623157e308, "
		                   "the largest number of RFC 8259 s6 that "
		                   "everybody reads");
	if (r->ordinal && !ordinal_ok(*cost))
		return scan_refuse(r->s, RC_ERULE, "ordinal costs are integers "
		                   "from 0 up (RFC 7285 s6.1.2.2)");
	return RC_OK;
}

/* Does ,"name": stand at p? Then where its value begins, else NULL. */
static inline const char *at_member(const char *p, const char *name, size_t len)
{
	if (p[0] != ',' || p[1] != '"' || p[2 + len] != '"' ||
	    p[3 + len] != ':')
		return NULL;
	if (len < 8 || len > 16)
		return memcmp(p + 2, name, len) ? NULL : p + len + 4;
	return word_at(p + 2) == word_at(name) &&
	       word_at(p + len - 6) == word_at(name + len - 8) ?
	       p + len + 4 : NULL;
}

/* Takes cells as long as they are what the builder expects, without blanks, with
 * short costs: nearly all of a large map. What is special in any way, errors
 * included, is left for the way that knows everything. */
static enum rc read_alike(struct reader *r)
{
	size_t left, len = 0;
	const char *start = scan_ahead(r->s, &left), *p = start, *value;
	const char *name, *last = NULL;
	size_t last_len = 0, n;
	enum rc rc = RC_OK;
	double cost;

	while (left - (size_t)(p - start) >= CELL_TEXT_MAX && rc == RC_OK) {
		name = costbuild_expect(r->build, &len);
		value = name ? at_member(p, name, len) : NULL;
		n = value ? number_quick(value, &cost) : 0;
		if (!n || (r->ordinal && !ordinal_ok(cost)))
			break;
		last = p + 2;
		last_len = len;
		p = value + n;
		rc = costbuild_next(r->build, cost);
	}
	if (last)
		scan_pass(r->s, (size_t)(p - start), last, last_len);
	return rc == RC_OK ? RC_OK : refuse(r, rc, "destination");
}

static enum rc read_row(struct reader *r)
{
	char dst[ID_MAX + 1];	/* the name is only lent until the number */
	const char *name;
	size_t len;
	double cost;
	enum rc rc = scan_object(r->s);

	while (rc == RC_OK) {
		rc = scan_member(r->s, &name, &len);
		if (rc != RC_OK || !name)
			break;
		if (len > ID_MAX)
			return refuse(r, RC_ERULE, "destination");
		copy_name(dst, name, len);
		rc = read_cost(r, &cost);
		if (rc != RC_OK)
			break;
		rc = costbuild_cell(r->build, dst, len, cost);
		if (rc != RC_OK)
			return refuse(r, rc, "destination");
		rc = read_alike(r);
	}
	return rc;
}

static enum rc read_map(struct reader *r)
{
	const char *name;
	size_t len;
	enum rc rc = scan_object(r->s);

	while (rc == RC_OK) {
		rc = scan_member(r->s, &name, &len);
		if (rc != RC_OK || !name)
			break;
		rc = costbuild_row(r->build, name, len);
		if (rc != RC_OK)
			return refuse(r, rc, "source");
		rc = read_row(r);
	}
	return rc;
}

/* ---- the document ---- */

static enum rc read_document(struct reader *r)
{
	const char *name;
	size_t len;
	enum rc rc = scan_object(r->s);

	while (rc == RC_OK) {
		rc = scan_member(r->s, &name, &len);
		if (rc != RC_OK || !name)
			break;
		if (is(name, len, "meta")) {
			rc = once(r, &r->seen.meta, "meta");
			if (rc == RC_OK)
				rc = read_meta(r);
		} else if (is(name, len, "cost-map")) {
			rc = once(r, &r->seen.map, "cost-map");
			if (rc == RC_OK)
				rc = read_map(r);
		} else if (is(name, len, "network-map")) {
			rc = scan_refuse(r->s, RC_ERULE, "a network map and a "
			                 "cost map in one document: each has "
			                 "its own (RFC 7285 s8.4)");
		} else {
			rc = drop(r, name, len);
		}
	}
	if (rc == RC_OK && (!r->seen.meta || !r->seen.map))
		rc = scan_refuse(r->s, RC_ERULE, "no cost map: \"%s\" is not "
		                 "there (RFC 7285 s11.2.3.6)",
		                 r->seen.meta ? "cost-map" : "meta");
	return rc == RC_OK ? scan_end(r->s) : rc;
}

/* For a document whose meta comes last: nobody knew while the costs went by. */
static enum rc check_ordinal(struct reader *r, const struct costmap *m)
{
	const struct index *names = costmap_names(m);
	uint32_t n = (uint32_t)costmap_pids(m);
	char text[NUMBER_TEXT_MAX + 1];

	for (uint32_t i = 0; i < n; i++) {
		const struct costrow *row = costmap_row(m, i);

		for (uint32_t k = 0; row && k < n; k++) {
			if (isnan(row->cost[k]) || ordinal_ok(row->cost[k]))
				continue;
			number_print(row->cost[k], text);
			return scan_refuse(r->s, RC_ERULE, "cost from \"%s\" "
			                   "to \"%s\" is %s: ordinal costs are "
			                   "integers from 0 up "
			                   "(RFC 7285 s6.1.2.2)",
			                   index_name(names, i),
			                   index_name(names, k), text);
		}
	}
	return RC_OK;
}

enum rc costmap_json_read(struct scan *s, const struct costmap *base,
                          struct costmap **out, struct vtag *stated,
                          struct map_notes *notes)
{
	struct reader r = { .s = s };
	struct costmap *m = NULL;
	enum rc rc = costbuild_new(&r.build);

	if (rc != RC_OK)
		return rc;
	rc = read_document(&r);
	if (rc != RC_OK)
		goto out;
	rc = costbuild_end(r.build, &r.meta, base, &m);
	if (rc == RC_OK && r.ordinal)
		rc = check_ordinal(&r, m);
	if (rc != RC_OK)
		goto out;
	*out = m;
	m = NULL;
	*stated = r.own;
	*notes = r.notes;
out:
	costmap_unref(m);
	costbuild_free(r.build);
	return rc;
}

/* The source of the first costs that use a PID. Only names that are used count;
 * a map made by a patch may hold others. */
static bool in_use(const struct costmap *m, uint32_t pid, uint32_t *src)
{
	uint32_t n = (uint32_t)costmap_pids(m);

	*src = pid;
	if (costmap_row(m, pid))
		return true;
	for (uint32_t i = 0; i < n; i++) {
		const struct costrow *row = costmap_row(m, i);

		*src = i;
		if (row && !isnan(row->cost[pid]))
			return true;
	}
	return false;
}

/* PID names have no character that a pointer escapes. */
static void point_at(struct diag *d, const struct index *names, uint32_t src,
                     uint32_t pid)
{
	if (!d || d->text[0])
		return;
	snprintf(d->pointer, sizeof(d->pointer), "/cost-map/%s%s%s",
	         index_name(names, src), src != pid ? "/" : "",
	         src != pid ? index_name(names, pid) : "");
}

enum rc costmap_json_fits(const struct costmap *m, const struct netmap *net,
                          struct diag *d)
{
	const struct index *names = costmap_names(m);
	const struct index *pids = netmap_names(net);
	uint32_t num, src;

	if (index_equal(names, pids))
		return RC_OK;
	for (uint32_t i = 0; i < index_count(names); i++) {
		const char *name = index_name(names, i);

		if (index_find(pids, name, index_name_len(names, i), &num) ||
		    !in_use(m, i, &src))
			continue;
		point_at(d, names, src, i);
		return diag_set(d, RC_ERULE, "PID \"%s\" is not in the network "
		                "map \"%s\" that this cost map depends on "
		                "(RFC 7285 s6)", name,
		                costmap_meta(m)->net.id);
	}
	return RC_OK;
}

/* ---- writing ---- */

/* PID names have no character that JSON escapes. */
static size_t put_name(char *out, const char *name, size_t len)
{
	assert(len <= ID_MAX);
	out[0] = '"';
	copy_name(out + 1, name, len);
	memcpy(out + 1 + len, "\":", 2);
	return len + 3;
}

void costmap_json_row(const char *src, const struct costrow *row,
                      const struct index *names, struct buf *dst)
{
	char chunk[CHUNK];
	size_t len = put_name(chunk, src, strlen(src));

	chunk[len++] = '{';
	for (uint32_t i = 0, some = 0; i < row->n; i++) {
		if (isnan(row->cost[i]))
			continue;
		if (len > CHUNK - CELL_TEXT_MAX - 2) {
			buf_add(dst, chunk, len);
			len = 0;
		}
		if (some++)
			chunk[len++] = ',';
		len += put_name(chunk + len, index_name(names, i),
		                index_name_len(names, i));
		len += number_print(row->cost[i], chunk + len);
	}
	chunk[len++] = '}';
	buf_add(dst, chunk, len);
}
