/* Two locks. `lock` is held to look up a reply and count it; `build` is held by
 * the one thread that makes replies, so that a new version is laid out once and
 * not by every thread at the same moment. What is written of `now` is written
 * under both, so who holds either may read it; but the parts of an answer that
 * is not laid out yet belong to who holds `build`.
 *
 * ALTO-Status and max-age speak of this moment, so the replies of a resource
 * are made anew in the first request of each second: a dozen header lines over
 * the same body.
 */
#include "common/service/replies.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/service/choice.h"
#include "common/service/codings.h"
#include "common/service/mapreply.h"
#include "common/service/version.h"

/* Of "gzip, zstd", which httpc.c sends. */
#define AHEAD (1u << CODING_ZSTD)

/* What the coder is at; its thread's own. */
struct coding_work {
	struct snapshot *s;
	size_t i;
	enum coding coding;
	struct blob *in;
};

struct replies {
	atomic_uint heartbeat;
	pthread_mutex_t build, lock;
	struct version *now;		/* NULL before the first request */
	const struct cors *cors;
	struct status *status;
	struct coder *coder;
	struct coding_work work;
	struct snapshot *ordered;	/* under lock: to be coded ahead, or NULL */
	char push_uri[2048];
};

static const char *vary(const struct replies *all)
{
	return cors_by_origin(all->cors) ? "Accept-Encoding, Origin"
	                                 : "Accept-Encoding";
}

static void lock_all(struct replies *all)
{
	pthread_mutex_lock(&all->build);
	pthread_mutex_lock(&all->lock);
}

static void unlock_all(struct replies *all)
{
	pthread_mutex_unlock(&all->lock);
	pthread_mutex_unlock(&all->build);
}

/* making shared replies; under build */

static enum rc make_pair(const struct replies *all, const struct version *v,
                         size_t i, enum coding coding, int64_t now,
                         struct http_reply *made[2])
{
	const struct form *f = &v->answer[i].form[coding];
	const struct mapreply m = {
		.s = v->s, .i = i, .now = now, .heartbeat = all->heartbeat,
		.push_uri = all->push_uri, .vary = vary(all),
		.allow = cors_allow(all->cors, NULL), .coding = coding,
		.etag = f->etag, .body = f->body
	};
	enum rc rc = mapreply_unchanged(&m, &made[1]);

	if (rc == RC_OK && (f->body != NULL || coding == CODING_IDENTITY))
		rc = mapreply_full(&m, &made[0]);
	return rc;
}

static enum rc renew_form(struct replies *all, size_t i, enum coding coding,
                          int64_t now)
{
	struct form *f = &all->now->answer[i].form[coding];
	struct http_reply *made[2] = { NULL, NULL }, *old[2] = { NULL, NULL };
	enum rc rc = make_pair(all, all->now, i, coding, now, made);

	if (rc == RC_OK) {
		pthread_mutex_lock(&all->lock);
		old[0] = f->full;
		old[1] = f->unchanged;
		f->full = made[0];
		f->unchanged = made[1];
		f->second = now;
		pthread_mutex_unlock(&all->lock);
		made[0] = made[1] = NULL;
	}
	for (int k = 0; k < 2; k++) {
		http_reply_unref(made[k]);
		http_reply_unref(old[k]);
	}
	return rc;
}

static enum rc lay_out(struct replies *all, size_t i)
{
	struct answer *e = &all->now->answer[i];
	enum rc rc;

	if (e->laid_out)
		return RC_OK;
	rc = version_lay_out(all->now, i);
	if (rc != RC_OK)
		return rc;
	pthread_mutex_lock(&all->lock);
	e->laid_out = true;
	pthread_mutex_unlock(&all->lock);
	return RC_OK;
}

/* *old: the version that was replaced; it may be large, so the caller frees it
 * when no lock is held. */
static enum rc renew_version(struct replies *all, struct snapshot *s,
                             struct version **old)
{
	struct version *next = NULL;
	enum rc rc;

	if (all->now != NULL && all->now->s == s)
		return RC_OK;
	rc = version_new(s, all->now, &next);
	if (rc != RC_OK)
		return rc;
	pthread_mutex_lock(&all->lock);
	*old = all->now;
	all->now = next;
	pthread_mutex_unlock(&all->lock);
	coder_wake(all->coder);
	return RC_OK;
}

/* answering */

/* A request, and what it gets. */
struct call {
	struct replies_want *w;
	struct choice choice;
	bool own;			/* the reply is made for it alone */
	char etag[ETAG_MAX];		/* own: what from */
	struct blob *body;
	bool wake;			/* the coder has something to do */
	struct http_reply *r;
};

enum got { GOT_NOTHING, GOT_SHARED, GOT_PARTS, GOT_REFUSED };

/* A reply that another thread made a moment later will do as well. */
static struct http_reply *shared(const struct form *f, const struct choice *c,
                                 int64_t now)
{
	struct http_reply *r = c->unchanged ? f->unchanged : f->full;

	if (r == NULL || (f->second != now && f->second != now + 1))
		return NULL;
	return http_reply_ref(r);
}

static enum got take_locked(struct replies *all, struct call *c)
{
	const struct replies_want *w = c->w;
	struct version *v = all->now;
	struct answer *e;
	const struct form *f;

	if (v == NULL || v->s != w->s || !v->answer[w->i].laid_out)
		return GOT_NOTHING;
	e = &v->answer[w->i];
	c->wake |= choice_note(&c->choice, e);
	if (!choice_make(&c->choice, &w->wish, e, version_size(v, w->i)))
		return GOT_REFUSED;
	f = &e->form[c->choice.coding];
	if (!c->own && !c->choice.part) {
		c->r = shared(f, &c->choice, w->now);
		return c->r != NULL ? GOT_SHARED : GOT_NOTHING;
	}
	memcpy(c->etag, f->etag, sizeof(c->etag));
	c->body = blob_ref(f->body);
	return GOT_PARTS;
}

/* NOTHING: has yet to be made. */
static enum got take(struct replies *all, struct call *c)
{
	enum got got;

	pthread_mutex_lock(&all->lock);
	got = take_locked(all, c);
	pthread_mutex_unlock(&all->lock);
	return got;
}

/* Under build. */
static enum got make_and_take(struct replies *all, struct call *c,
                              struct version **old)
{
	const struct replies_want *w = c->w;
	enum got got = take(all, c);	/* another thread was faster */
	enum rc rc;

	if (got != GOT_NOTHING)
		return got;
	rc = renew_version(all, w->s, old);
	if (rc == RC_OK)
		rc = lay_out(all, w->i);
	if (rc == RC_OK)
		got = take(all, c);
	if (rc != RC_OK || got != GOT_NOTHING)
		return got;
	rc = renew_form(all, w->i, c->choice.coding, w->now);
	return rc == RC_OK ? take(all, c) : GOT_NOTHING;
}

/* A reply for one request, over the body that all share. */
static struct http_reply *own_reply(const struct replies *all,
                                    const struct call *c)
{
	const struct choice *ch = &c->choice;
	const struct mapreply m = {
		.s = c->w->s, .i = c->w->i, .now = c->w->now,
		.heartbeat = all->heartbeat, .push_uri = all->push_uri,
		.vary = vary(all), .allow = c->w->allow, .coding = ch->coding,
		.etag = c->etag, .body = c->body
	};
	struct http_reply *r = NULL;
	enum rc rc;

	if (ch->unchanged)
		rc = mapreply_unchanged(&m, &r);
	else if (ch->part)
		rc = mapreply_part(&m, ch->first, ch->size, &r);
	else
		rc = mapreply_full(&m, &r);
	return rc == RC_OK ? r : NULL;
}

struct http_reply *replies_get(struct replies *all, struct replies_want *w)
{
	struct call c = { .w = w, .own = w->allow != NULL &&
	                                 cors_by_origin(all->cors) };
	struct version *old = NULL;
	enum got got;

	choice_begin(&c.choice, w->wish.accept_encoding);
	got = take(all, &c);
	if (got == GOT_NOTHING) {
		pthread_mutex_lock(&all->build);
		got = make_and_take(all, &c, &old);
		pthread_mutex_unlock(&all->build);
		version_free(old);
	}
	if (got == GOT_PARTS)
		c.r = own_reply(all, &c);
	blob_unref(c.body);
	if (c.wake)
		coder_wake(all->coder);
	w->size = c.choice.size;
	w->refused = got == GOT_REFUSED ? c.choice.refused : 0;
	return c.r;
}

/* coding; on the coder's thread */

static bool find_work(const struct version *v, struct coding_work *w)
{
	for (size_t i = 0; i < v->n; i++) {
		const struct answer *e = &v->answer[i];
		unsigned due = atomic_load(&e->wanted) & ~e->useless;

		for (int c = CODING_IDENTITY + 1; c < CODINGS; c++) {
			if (!(due & 1u << c) || e->form[c].body != NULL)
				continue;
			w->s = snapshot_ref(v->s);
			w->i = i;
			w->coding = (enum coding)c;
			w->in = e->laid_out ? blob_ref(
				e->form[CODING_IDENTITY].body) : NULL;
			return true;
		}
	}
	return false;
}

static void drop_work(struct coding_work *w)
{
	snapshot_unref(w->s);
	blob_unref(w->in);
	w->s = NULL;
	w->in = NULL;
}

/* An order may name a version that nobody has asked for, or one that is past. */
static void want_ahead(struct replies *all, struct snapshot *s)
{
	struct version *old = NULL;

	pthread_mutex_lock(&all->build);
	if (all->now == NULL ||
	    position_cmp(&snapshot_state(all->now->s)->pos,
	                 &snapshot_state(s)->pos) < 0)
		(void)renew_version(all, s, &old);
	pthread_mutex_lock(&all->lock);
	if (all->now != NULL)
		version_want(all->now, AHEAD);
	unlock_all(all);
	version_free(old);
	snapshot_unref(s);
}

static bool next_work(void *arg, struct coder_job *job)
{
	struct replies *all = arg;
	struct coding_work *w = &all->work;
	struct snapshot *ordered;
	bool found;

	pthread_mutex_lock(&all->lock);
	ordered = all->ordered;
	all->ordered = NULL;
	pthread_mutex_unlock(&all->lock);
	if (ordered != NULL)
		want_ahead(all, ordered);
	pthread_mutex_lock(&all->lock);
	found = all->now != NULL && find_work(all->now, w);
	pthread_mutex_unlock(&all->lock);
	if (!found)
		return false;
	job->coding = w->coding;
	job->data = NULL;
	job->len = 0;			/* without memory: nothing to code */
	if (w->in != NULL || version_body(w->s, w->i, &w->in) == RC_OK) {
		job->data = w->in->data;
		job->len = w->in->len;
	}
	return true;
}

static void work_done(void *arg, char *coded, size_t n)
{
	struct replies *all = arg;
	struct coding_work *w = &all->work;
	struct blob *b = NULL;
	long at = -1;

	if (coded == NULL || blob_new(coded, n, &b) != RC_OK)
		b = NULL;
	lock_all(all);
	if (b != NULL) {
		status_add(all->status, STATUS_coded_bodies, 1);
		status_add(all->status, STATUS_coded_bytes, n);
	}
	if (all->now != NULL)
		at = version_find(all->now, w->s, w->i);
	if (at >= 0 && b != NULL) {
		struct form *f = &all->now->answer[at].form[w->coding];

		f->body = b;
		blob_hold(b);
		f->second = VERSION_NEVER;	/* has no full reply yet */
	} else if (at >= 0) {
		all->now->answer[at].useless |= 1u << w->coding;
	}
	unlock_all(all);
	if (at < 0)
		blob_unref(b);
	drop_work(w);
}

/* the store */

static enum rc locks_init(struct replies *all)
{
	if (pthread_mutex_init(&all->build, NULL) != 0)
		return RC_ENOMEM;
	if (pthread_mutex_init(&all->lock, NULL) == 0)
		return RC_OK;
	pthread_mutex_destroy(&all->build);
	return RC_ENOMEM;
}

enum rc replies_new(const struct replies_config *cfg, struct replies **out)
{
	struct replies *all = calloc(1, sizeof(*all));
	struct coder_source source = { next_work, work_done, all };
	enum rc rc;

	if (all == NULL)
		return RC_ENOMEM;
	all->heartbeat = cfg->heartbeat;
	all->cors = cfg->cors;
	all->status = cfg->status;
	snprintf(all->push_uri, sizeof(all->push_uri), "%s", cfg->push_uri);
	rc = locks_init(all);
	if (rc != RC_OK) {
		free(all);
		return rc;
	}
	rc = coder_start(&source, &all->coder);
	if (rc != RC_OK)
		replies_free(all);
	else
		*out = all;
	return rc;
}

void replies_free(struct replies *all)
{
	if (all == NULL)
		return;
	coder_stop(all->coder);
	snapshot_unref(all->ordered);
	version_free(all->now);
	pthread_mutex_destroy(&all->lock);
	pthread_mutex_destroy(&all->build);
	free(all);
}

void replies_set_heartbeat(struct replies *all, unsigned seconds)
{
	all->heartbeat = seconds;
}

unsigned replies_heartbeat(const struct replies *all)
{
	return all->heartbeat;
}

/* Left to the coder's thread, so that the caller waits for nobody. */
void replies_ahead(struct replies *all, struct snapshot *s)
{
	struct snapshot *old;

	pthread_mutex_lock(&all->lock);
	old = all->ordered;
	all->ordered = snapshot_ref(s);
	pthread_mutex_unlock(&all->lock);
	snapshot_unref(old);
	coder_wake(all->coder);
}

/* While a request makes replies there is traffic, and one soon after will see
 * the new version: nobody waits for it here. */
void replies_turn(struct replies *all, struct snapshot *s)
{
	struct version *old = NULL;

	if (pthread_mutex_trylock(&all->build) != 0)
		return;
	if (all->now != NULL)
		(void)renew_version(all, s, &old);
	pthread_mutex_unlock(&all->build);
	version_free(old);
}
