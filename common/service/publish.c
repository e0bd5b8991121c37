#include "common/service/publish.h"

#include <stdlib.h>
#include <string.h>

#include "common/wire/frame.h"

#define META_TEXT_MAX (4u * STATE_TEXT_MAX)

void msg_published_free(struct msg_published *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++)
		update_unref(m->updates[i]);
	free(m->updates);
	snapshot_unref(m->next);
	free(m);
}

/* The message for the loop is made before anything is written: afterwards
 * nothing may fail any more. */
static struct msg_published *message(const struct publication *pub)
{
	struct msg_published *m = calloc(1, sizeof(*m));
	size_t n = pub->jump ? 0 : pub->n;

	if (!m)
		return NULL;
	m->updates = calloc(n + 1, sizeof(struct update *));
	if (!m->updates) {
		free(m);
		return NULL;
	}
	m->msg.kind = MSG_PUBLISHED;
	m->msg.size = sizeof(*m);
	for (size_t i = 0; i < n; i++) {
		m->updates[i] = update_ref(pub->updates[i]);
		m->msg.size += pub->updates[i]->len;
	}
	m->n = n;
	m->next = snapshot_ref(pub->next);
	m->jump = pub->jump;
	m->session = pub->session;
	return m;
}

/* ---- journal --------------------------------------------------------------- */

static enum rc put_state(struct journal *j, const char *key,
                         const struct state *st, struct diag *d)
{
	struct buf text = BUF_INIT(META_TEXT_MAX);
	enum rc rc;

	buf_printf(&text, "%s\n%s\n%s\n", st->text, st->input, st->signature);
	rc = buf_rc(&text);
	if (rc == RC_OK)
		rc = journal_meta_set(j, key, text.data, text.len, d);
	buf_free(&text);
	return rc;
}

static enum rc put_changed(struct journal *j, const struct snapshot *s,
                           size_t i, struct diag *d)
{
	struct buf key = BUF_INIT(128), value = BUF_INIT(32);
	enum rc rc;

	buf_printf(&key, META_CHANGED "%s",
	           resource_name(snapshot_at(s, i))->id);
	buf_printf(&value, "%llu", (unsigned long long)snapshot_changed(s, i));
	rc = journal_meta_set(j, buf_str(&key), value.data, value.len, d);
	buf_free(&key);
	buf_free(&value);
	return rc;
}

static enum rc read_body(void *arg, uint64_t off, char *dst, size_t len)
{
	return resource_read(arg, off, dst, len) == len ? RC_OK : RC_EIO;
}

static enum rc put_base(struct journal *j, struct resource *r, uint64_t serial,
                        struct diag *d)
{
	const struct resource_name *name = resource_name(r);
	struct journal_base base = {
		name->id, name->type, resource_leaf(r), serial, name->size
	};

	return journal_base_write(j, &base, read_body, r, d);
}

/* Bases that are there, with their leaves: which are still right? */
struct bases {
	const struct snapshot *now;
	bool *right;			/* for each resource of now */
	uint64_t *at;			/* where its base stands */
	size_t n_gone;
	char (*gone)[ID_MAX + 1];	/* bases of no resource of now */
};

static enum rc note_base(void *arg, const struct journal_base *base)
{
	struct bases *b = arg;
	long i = snapshot_find(b->now, base->id);
	char (*grown)[ID_MAX + 1];

	if (i >= 0) {
		b->right[i] = strcmp(resource_leaf(snapshot_at(b->now,
		                     (size_t)i)), base->leaf) == 0;
		b->at[i] = base->serial;
		return RC_OK;
	}
	grown = realloc(b->gone, (b->n_gone + 1) * sizeof(*grown));
	if (!grown)
		return RC_ENOMEM;
	b->gone = grown;
	memcpy(grown[b->n_gone++], base->id, strlen(base->id) + 1);
	return RC_OK;
}

static void bases_free(struct bases *b)
{
	free(b->right);
	free(b->at);
	free(b->gone);
}

static enum rc bases_read(struct journal *j, const struct snapshot *now,
                          struct bases *b, struct diag *d)
{
	size_t n = snapshot_count(now) + 1;

	memset(b, 0, sizeof(*b));
	b->now = now;
	b->right = calloc(n, sizeof(*b->right));
	b->at = calloc(n, sizeof(*b->at));
	if (!b->right || !b->at)
		return RC_ENOMEM;
	return journal_base_each(j, note_base, b, d);
}

/* Resources that went, and what is known of them. */
static enum rc drop_gone(struct journal *j, const struct bases *b,
                         struct diag *d)
{
	struct buf key = BUF_INIT(128);
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < b->n_gone; i++) {
		buf_clear(&key);
		buf_printf(&key, META_CHANGED "%s", b->gone[i]);
		rc = journal_base_drop(j, b->gone[i], d);
		if (rc == RC_OK)
			rc = journal_meta_del(j, buf_str(&key), d);
	}
	buf_free(&key);
	return rc;
}

/* The log begins here: every resource needs a base that is its content now. */
static enum rc put_all_bases(struct journal *j, struct snapshot *next,
                             struct diag *d)
{
	uint64_t serial = snapshot_state(next)->pos.serial;
	struct bases b;
	enum rc rc = bases_read(j, next, &b, d);

	for (size_t i = 0; rc == RC_OK && i < snapshot_count(next); i++) {
		struct resource *r = snapshot_at(next, i);

		rc = b.right[i] ?
		     journal_base_serial(j, resource_name(r)->id, serial, d) :
		     put_base(j, r, serial, d);
	}
	if (rc == RC_OK)
		rc = drop_gone(j, &b, d);
	bases_free(&b);
	return rc;
}

/* A body that travels apart from its update cannot be replayed from it. */
static enum rc put_pulled(struct journal *j, const struct publication *pub,
                          const struct update *u, struct diag *d)
{
	struct frame *f = NULL;
	struct resource *r;
	enum rc rc = frame_read(u->text, u->len, &f, d);

	for (size_t i = 0; rc == RC_OK && i < f->n_changes; i++) {
		if (f->changes[i].what != CHANGE_PULL)
			continue;
		r = snapshot_get(pub->next, f->changes[i].name.id);
		if (r)
			rc = put_base(j, r, snapshot_state(pub->next)->pos.serial,
			              d);
	}
	frame_free(f);
	return rc;
}

static enum rc put_updates(struct journal *j, const struct publication *pub,
                           struct diag *d)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < pub->n; i++) {
		const struct update *u = pub->updates[i];
		uint64_t serial = u->state.pos.serial;

		rc = journal_update_add(j, serial, serial - 1, u->text, u->len,
		                        d);
		if (rc == RC_OK)
			rc = put_pulled(j, pub, u, d);
	}
	return rc;
}

static enum rc put_all(struct publish *p, const struct publication *pub,
                       struct diag *d)
{
	const struct state *st = snapshot_state(pub->next);
	struct journal *j = p->journal;
	bool start = pub->jump || pub->session || !pub->prev;
	enum rc rc = RC_OK;

	if (start) {
		rc = journal_update_clear(j, st->pos.serial, d);
		if (rc == RC_OK)
			rc = put_state(j, META_LOG_START, st, d);
		if (rc == RC_OK)
			rc = put_all_bases(j, pub->next, d);
	} else {
		rc = put_updates(j, pub, d);
	}
	if (rc == RC_OK)
		rc = put_state(j, META_STATE, st, d);
	if (rc == RC_OK)
		rc = journal_meta_set(j, META_SERVICE, st->service,
		                      strlen(st->service), d);
	for (size_t i = 0; rc == RC_OK && (start || pub->n) &&
	     i < snapshot_count(pub->next); i++)
		if (start || snapshot_changed(pub->next, i) >
		    snapshot_state(pub->prev)->pos.serial)
			rc = put_changed(j, pub->next, i, d);
	if (rc == RC_OK && pub->also)
		rc = pub->also(j, pub->arg, d);
	return rc;
}

static enum rc commit(struct publish *p, const struct publication *pub,
                      struct diag *d)
{
	enum rc rc = journal_begin(p->journal, d);

	if (rc == RC_OK)
		rc = put_all(p, pub, d);
	if (rc == RC_OK)
		rc = journal_commit(p->journal, d);
	if (rc != RC_OK)
		journal_rollback(p->journal);
	return rc;
}

/* A log with a hole in it could not be read again. */
static bool leads(const struct publication *pub)
{
	const struct position *to = &snapshot_state(pub->next)->pos, *from;

	if (pub->jump || pub->session || !pub->prev)
		return true;
	from = &snapshot_state(pub->prev)->pos;
	return position_same_session(from, to) &&
	       from->serial + pub->n == to->serial;
}

/* catalog: of s, taken over. */
static void serve(struct publish *p, struct snapshot *s,
                  struct catalog *catalog)
{
	catalog_unref(p->catalog);
	p->catalog = catalog;
	slot_publish(p->slot, snapshot_ref(s), catalog_ref(catalog));
}

enum rc publish_restored(struct publish *p, struct snapshot *s)
{
	struct catalog *c = NULL;
	enum rc rc = catalog_new(s, NULL, &c);

	if (rc == RC_OK)
		serve(p, s, c);
	return rc;
}

void publish_end(struct publish *p)
{
	catalog_unref(p->catalog);
	p->catalog = NULL;
}

enum rc publish(struct publish *p, const struct publication *pub,
                struct diag *d)
{
	struct catalog *c = NULL;
	struct msg_published *m;
	enum rc rc;

	if (!leads(pub))
		return diag_set(d, RC_EINVAL, "the updates do not lead from what "
		                "is served to what is to be published");
	m = message(pub);
	if (!m)
		return RC_ENOMEM;
	rc = catalog_new(pub->next, p->catalog, &c);
	if (rc == RC_OK && !pub->fleeting)
		rc = commit(p, pub, d);
	if (rc != RC_OK) {
		catalog_unref(c);
		msg_published_free(m);
		return rc;
	}
	serve(p, pub->next, c);
	/* The loop's box is large and emptied at each turn. If it is full all the
	 * same, the loop learns of this version with the next one: its log has a
	 * gap then, and it starts anew from the snapshot (push_publish). */
	if (mailbox_post(p->loop, &m->msg) != RC_OK)
		msg_published_free(m);
	return RC_OK;
}

/* ---- tidying --------------------------------------------------------------- */

/* The state that update serial leads to, from the journal's copy. */
struct first {
	struct state st;
	enum rc rc;
};

static enum rc take_first(void *arg, uint64_t serial, const void *data,
                          size_t len)
{
	struct first *first = arg;
	struct frame *f = NULL;

	(void)serial;
	first->rc = frame_read(data, len, &f, NULL);
	if (first->rc == RC_OK)
		first->st = f->state;
	frame_free(f);
	return RC_EEXIST;		/* one is enough: ends the walk */
}

static enum rc stale_bases(struct journal *j, struct snapshot *now,
                           uint64_t keep_from, struct diag *d)
{
	uint64_t serial = snapshot_state(now)->pos.serial;
	struct bases b;
	enum rc rc = bases_read(j, now, &b, d);

	for (size_t i = 0; rc == RC_OK && i < snapshot_count(now); i++) {
		struct resource *r = snapshot_at(now, i);

		if (b.right[i] && b.at[i] < keep_from)
			rc = journal_base_serial(j, resource_name(r)->id,
			                         serial, d);
		else if (b.at[i] < keep_from)
			rc = put_base(j, r, serial, d);
	}
	if (rc == RC_OK)
		rc = drop_gone(j, &b, d);
	bases_free(&b);
	return rc;
}

/* The oldest serial to keep so that the log holds what it must. */
static uint64_t keep_from(const struct publish *p,
                          const struct journal_sizes *s)
{
	uint64_t keep = p->log_count;

	/* By bytes: the average is near enough, the trim counts exactly. */
	if (s->update_bytes > p->log_bytes)
		keep = s->updates * p->log_bytes / s->update_bytes;
	if (keep > p->log_count)
		keep = p->log_count;
	if (keep < 1)
		keep = 1;
	return s->last >= keep ? s->last - keep + 1 : 1;
}

enum rc publish_tidy(struct publish *p, struct snapshot *now, struct diag *d)
{
	struct first first = { .rc = RC_ENOENT };
	struct journal_sizes s;
	uint64_t from;
	enum rc rc = journal_sizes(p->journal, &s, d);

	/* Twice the bound before anything is done: a large base is not rewritten
	 * for each small update. */
	if (rc != RC_OK || s.updates < 2 ||
	    (s.updates <= 2 * p->log_count &&
	     s.update_bytes <= 2 * p->log_bytes))
		return rc;
	from = keep_from(p, &s);
	if (from <= s.first)
		return RC_OK;
	rc = journal_update_each(p->journal, from - 1, take_first, &first, d);
	if (rc == RC_EEXIST)
		rc = first.rc;
	if (rc == RC_OK)
		rc = stale_bases(p->journal, now, from, d);
	if (rc == RC_OK)
		rc = journal_begin(p->journal, d);
	if (rc != RC_OK)
		return rc;
	rc = put_state(p->journal, META_LOG_START, &first.st, d);
	if (rc == RC_OK)
		rc = journal_update_trim(p->journal, s.last - from + 1,
		                         UINT64_MAX, d);
	if (rc == RC_OK)
		return journal_commit(p->journal, d);
	journal_rollback(p->journal);
	return rc;
}
