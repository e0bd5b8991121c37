#include "common/service/restore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/proto/work.h"
#include "common/service/publish.h"
#include "common/wire/body.h"
#include "common/wire/state_json.h"

struct restoring {
	struct journal *journal;
	struct digest *digest;
	struct diag *d;
	size_t n, cap;
	struct replayed {
		struct resource *res;	/* as of serial */
		uint64_t serial, changed;
	} *r;
	size_t n_updates, cap_updates;
	struct update **updates;
};

/* ---- meta ------------------------------------------------------------------ */

static enum rc get_state(struct journal *j, const char *key, struct state *out,
                         struct diag *d)
{
	struct buf text = BUF_INIT(4u * STATE_TEXT_MAX);
	char *line[3], *p;
	enum rc rc = journal_meta_get(j, key, &text, d);

	if (rc != RC_OK)
		goto out;
	if (text.len == 0) {
		rc = diag_set(d, RC_EIO, "%s is empty", key);
		goto out;
	}
	p = text.data;
	for (size_t i = 0; i < 3; i++) {
		line[i] = p;
		p = strchr(p, '\n');
		if (!p) {
			rc = diag_set(d, RC_EIO, "%s is not three lines", key);
			goto out;
		}
		*p++ = '\0';
	}
	rc = state_read(line[0], line[1], line[2], out, d);
out:
	buf_free(&text);
	return rc;
}

static uint64_t get_changed(struct journal *j, const char *id, uint64_t other)
{
	struct buf key = BUF_INIT(128), value = BUF_INIT(32);
	uint64_t n = other;

	buf_printf(&key, META_CHANGED "%s", id);
	if (journal_meta_get(j, buf_str(&key), &value, NULL) == RC_OK)
		n = strtoull(buf_str(&value), NULL, 10);
	buf_free(&key);
	buf_free(&value);
	return n;
}

/* ---- bases ----------------------------------------------------------------- */

/* What the walk over the bases says of one; the body is read after it. */
struct base_list {
	size_t n;
	struct base {
		char id[ID_MAX + 1];
		char leaf[RESOURCE_LEAF_MAX + 1];
		uint64_t serial;
	} *b;
};

static enum rc list_base(void *arg, const struct journal_base *base)
{
	struct base_list *l = arg;
	struct base *grown = realloc(l->b, (l->n + 1) * sizeof(*grown));
	size_t leaf = strlen(base->leaf);

	if (!grown)
		return RC_ENOMEM;
	l->b = grown;
	if (strlen(base->id) > ID_MAX || leaf > RESOURCE_LEAF_MAX)
		return RC_EIO;
	memcpy(grown[l->n].id, base->id, strlen(base->id) + 1);
	memcpy(grown[l->n].leaf, base->leaf, leaf + 1);
	grown[l->n++].serial = base->serial;
	return RC_OK;
}

static enum rc open_base(struct restoring *s, const struct base *b)
{
	struct buf body = BUF_INIT(RESOURCE_BODY_MAX);
	struct replayed *r = &s->r[s->n];
	struct scan *scan = NULL;
	enum rc rc = journal_base_read(s->journal, b->id, &body, s->d);

	if (rc == RC_OK)
		rc = scan_new_bytes(buf_str(&body), body.len, s->d, &scan);
	if (rc == RC_OK)
		rc = body_open(s->digest, b->leaf, scan, NULL, &r->res, s->d);
	if (rc == RC_OK) {
		r->serial = b->serial;
		r->changed = get_changed(s->journal, b->id, b->serial);
		s->n++;
	}
	scan_free(scan);
	buf_free(&body);
	return rc;
}

static enum rc open_bases(struct restoring *s)
{
	struct base_list list = { 0 };
	enum rc rc = journal_base_each(s->journal, list_base, &list, s->d);

	if (rc == RC_OK) {
		s->cap = list.n + SNAPSHOT_RESOURCES_MAX;
		s->r = calloc(s->cap, sizeof(*s->r));
		rc = s->r ? RC_OK : RC_ENOMEM;
	}
	for (size_t i = 0; rc == RC_OK && i < list.n; i++)
		rc = open_base(s, &list.b[i]);
	free(list.b);
	return rc;
}

/* ---- updates --------------------------------------------------------------- */

static struct replayed *find(struct restoring *s, const char *id)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(resource_name(s->r[i].res)->id, id) == 0)
			return &s->r[i];
	return NULL;
}

static void drop(struct restoring *s, struct replayed *r)
{
	resource_unref(r->res);
	*r = s->r[--s->n];
}

static enum rc replay_change(struct restoring *s, const struct change *c,
                             uint64_t serial)
{
	struct replayed *r = find(s, c->name.id);
	struct resource *next = NULL;
	enum rc rc;

	/* A base can be ahead of the log: it was rewritten meanwhile. */
	if (r && r->serial >= serial)
		return RC_OK;
	if (c->what == CHANGE_GONE) {
		if (r)
			drop(s, r);
		return RC_OK;
	}
	if (!r)
		/* It went later: its base is not kept any more. */
		return RC_OK;
	if (c->what == CHANGE_PULL) {
		/* No body was taken in here: it went again before the set was
		 * served. If not, the root will tell. */
		drop(s, r);
		return RC_OK;
	}
	rc = body_patch(s->digest, r->res, c->from, c->media, c->data,
	                c->data_len, c->leaf, &next, s->d);
	if (rc != RC_OK)
		return rc;
	resource_unref(r->res);
	r->res = next;
	r->serial = serial;
	return RC_OK;
}

static enum rc keep_update(struct restoring *s, struct update *u)
{
	struct update **grown = s->updates;
	size_t cap = s->cap_updates ? s->cap_updates * 2 : 64;

	if (s->n_updates == s->cap_updates) {
		grown = realloc(grown, cap * sizeof(struct update *));
		if (!grown)
			return RC_ENOMEM;
		s->updates = grown;
		s->cap_updates = cap;
	}
	grown[s->n_updates++] = u;
	return RC_OK;
}

static enum rc replay(void *arg, uint64_t serial, const void *data, size_t len)
{
	struct restoring *s = arg;
	struct update *u = NULL;
	struct frame *f = NULL;
	char *text = malloc(len + 1);
	enum rc rc;

	if (!text)
		return RC_ENOMEM;
	memcpy(text, data, len);
	text[len] = '\0';
	rc = frame_read(text, len, &f, s->d);
	if (rc == RC_OK && (f->kind != FRAME_UPDATE ||
	    f->state.pos.serial != serial))
		rc = diag_set(s->d, RC_EDIGEST, "record %llu is no update",
		              (unsigned long long)serial);
	for (size_t i = 0; rc == RC_OK && i < f->n_changes; i++)
		rc = replay_change(s, &f->changes[i], serial);
	if (rc != RC_OK) {
		free(text);
	} else {
		rc = update_new(&f->state, text, len, f->time_ms, &u);
		if (rc == RC_OK)
			rc = keep_update(s, u);
		if (rc != RC_OK)
			update_unref(u);
	}
	frame_free(f);
	return rc;
}

/* ---- all of it ------------------------------------------------------------- */

static enum rc assemble(struct restoring *s, const struct state *st,
                        struct snapshot **out)
{
	struct resource **res = calloc(s->n + 1, sizeof(struct resource *));
	uint64_t *changed = calloc(s->n + 1, sizeof(*changed));
	struct snapshot *snap = NULL;
	enum rc rc = RC_ENOMEM;

	if (!res || !changed)
		goto out;
	for (size_t i = 0; i < s->n; i++) {
		res[i] = s->r[i].res;
		changed[i] = s->r[i].changed;
	}
	rc = snapshot_new(res, changed, s->n, st, &snap);
	if (rc == RC_OK &&
	    memcmp(snapshot_root(snap), st->root, SHA256_SIZE) != 0)
		rc = diag_set(s->d, RC_EDIGEST, "bases and updates do not give "
		              "the root of serial %llu",
		              (unsigned long long)st->pos.serial);
	if (rc == RC_OK) {
		*out = snap;
		snap = NULL;
	}
out:
	snapshot_unref(snap);
	free(res);
	free(changed);
	return rc;
}

/* Do the updates lead from the log's start to the state? */
static enum rc leads(const struct restoring *s, const struct state *start,
                     const struct state *st)
{
	const struct position *at = &start->pos;

	for (size_t i = 0; i < s->n_updates; i++) {
		const struct position *next = &s->updates[i]->state.pos;

		if (!position_same_session(at, next) ||
		    next->serial != at->serial + 1)
			return diag_set(s->d, RC_EDIGEST, "update %llu does not "
			                "follow the one before",
			                (unsigned long long)next->serial);
		at = next;
	}
	if (position_cmp(at, &st->pos) != 0)
		return diag_set(s->d, RC_EDIGEST, "the log ends at serial %llu, "
		                "the state stands at %llu",
		                (unsigned long long)at->serial,
		                (unsigned long long)st->pos.serial);
	return RC_OK;
}

void restored_free(struct restored *r)
{
	for (size_t i = 0; i < r->n; i++)
		update_unref(r->updates[i]);
	free(r->updates);
	snapshot_unref(r->snapshot);
	memset(r, 0, sizeof(*r));
}

static void restoring_free(struct restoring *s)
{
	for (size_t i = 0; i < s->n; i++)
		resource_unref(s->r[i].res);
	free(s->r);
	for (size_t i = 0; i < s->n_updates; i++)
		update_unref(s->updates[i]);
	free(s->updates);
	digest_free(s->digest);
}

/* Whatever was wrong with a record, it is the journal that is damaged, and the
 * operator needs its name. */
static void name_journal(const struct journal *j, enum rc rc, struct diag *d)
{
	struct buf why = BUF_INIT(sizeof(*d));

	if (!d || d->file[0] || rc == RC_ENOMEM)
		return;
	diag_print(d, &why);
	diag_clear(d);
	snprintf(d->file, sizeof(d->file), "%s", journal_path(j));
	diag_set(d, rc, "the journal is damaged: %s", why.len ? buf_str(&why) :
	         rc_text(rc));
	buf_free(&why);
}

static enum rc any_base(void *arg, const struct journal_base *base)
{
	(void)arg;
	(void)base;
	return RC_EEXIST;
}

/* Bases without a state are no empty journal. */
enum rc restore(struct journal *j, struct restored *out, struct diag *d)
{
	struct restoring s = { .journal = j, .d = d };
	struct snapshot *snap = NULL;
	struct state st, start;
	enum rc rc = get_state(j, META_STATE, &st, NULL);

	if (rc == RC_ENOENT && journal_base_each(j, any_base, NULL, d) == RC_OK)
		return rc;
	if (rc != RC_OK) {
		rc = rc == RC_ENOENT ? RC_EDIGEST : rc;
		diag_set(d, rc, "its signed state cannot be read");
		name_journal(j, rc, d);
		return rc;
	}
	rc = get_state(j, META_LOG_START, &start, d);
	if (rc == RC_OK)
		rc = digest_new(&s.digest);
	if (rc == RC_OK)
		rc = open_bases(&s);
	if (rc == RC_OK)
		rc = journal_update_each(j, 0, replay, &s, d);
	if (rc == RC_OK)
		rc = leads(&s, &start, &st);
	if (rc == RC_OK)
		rc = assemble(&s, &st, &snap);
	if (rc == RC_ENOENT || rc == RC_EEXIST || rc == RC_EGAP)
		rc = diag_set(d, RC_EDIGEST, "the journal's parts do not belong "
		              "together");
	if (rc == RC_OK) {
		out->snapshot = snap;
		out->log_start = start;
		out->n = s.n_updates;
		out->updates = s.updates;
		s.updates = NULL;
		s.n_updates = 0;
	}
	if (rc != RC_OK)
		name_journal(j, rc, d);
	restoring_free(&s);
	return rc;
}
