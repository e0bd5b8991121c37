/* The line: head is the newest state heard of, run the updates that lead to it
 * since the set was served last. verify() is the one place where a set becomes
 * something to serve. Over 600 lines: every input of the machine works on the same
 * few fields, and whoever checks what may be served should not turn pages. */
#include "common/proto/sub.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/proto/work.h"
#include "common/wire/body.h"
#include "common/wire/json.h"

#define TEXT_MAX (1u << 20)

enum phase { CLOSED, HELLO, ASKED, ORDERED, STREAM };

struct run {
	struct update *update;
	struct frame *frame;		/* views into the update's text */
};

struct sub {
	struct sub_config cfg;
	struct keys keys;		/* as of what is served */
	struct keys line;		/* as of the line's last verified state, */
	uint64_t line_at;		/* whose serial this is */
	struct snapshot *held;		/* served, or NULL */
	struct snapshot *ready;		/* verified, to be published, */
	size_t n_ready;			/* with so many updates of the run */
	struct keys ready_keys;
	struct work *work;
	struct ird *ird;		/* of the working set, or NULL */
	struct resource *ird_of;	/* what that was read from; referenced */
	enum phase phase;
	struct state head;
	struct state base;		/* where the run begins */
	bool resume;			/* go on from base next time */
	bool jump;			/* run does not lead on from held */
	size_t n_run, cap_run, run_bytes;
	struct run *run;
	bool no_have;			/* ask for a snapshot next time */
	bool owe_subscribe, owe_ack, owe_alive;
	bool unacked;			/* the publisher does not know what we
					 * hold */
	bool reopen, reopened;
	enum sub_reason reason;
	char why[200];
	unsigned retry_after;
	int code;
	unsigned heartbeat;
	struct frame_path path;
	size_t n_below;
	struct frame_below *below;
	struct sub_counts counts;
	struct buf text;
};

const char *sub_reason_text(enum sub_reason r)
{
	static const char *const texts[] = {
#define X(name, text) text,
		SUB_REASON_LIST(X)
#undef X
	};

	return (unsigned)r < SUB_REASONS ? texts[r] : "unknown";
}

enum rc sub_new(const struct sub_config *cfg, const struct keys *keys,
                struct snapshot *held, struct sub **out)
{
	struct sub *s = calloc(1, sizeof(*s));
	enum rc rc = RC_ENOMEM;

	if (!s)
		return rc;
	s->cfg = *cfg;
	s->keys = s->line = *keys;
	buf_init(&s->text, TEXT_MAX);
	rc = work_new(&s->work);
	if (rc == RC_OK && held) {
		s->held = snapshot_ref(held);
		rc = work_hold(s->work, held);
	}
	if (rc != RC_OK) {
		sub_free(s);
		return rc;
	}
	*out = s;
	return RC_OK;
}

/* A frame that was read costs memory too, and small changes the most. */
static size_t run_cost(const struct run *r)
{
	return r->update->len + sizeof(*r->frame) +
	       r->frame->n_changes * sizeof(r->frame->changes[0]);
}

/* Forgets the oldest n. */
static void run_drop(struct sub *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		s->run_bytes -= run_cost(&s->run[i]);
		frame_free(s->run[i].frame);
		update_unref(s->run[i].update);
	}
	s->n_run -= n;
	if (s->n_run)
		memmove(s->run, s->run + n, s->n_run * sizeof(*s->run));
}

/* What was to be published goes with the updates that lead to it. */
static void run_clear(struct sub *s)
{
	run_drop(s, s->n_run);
	snapshot_unref(s->ready);
	s->ready = NULL;
	s->n_ready = 0;
}

void sub_free(struct sub *s)
{
	if (!s)
		return;
	run_clear(s);
	free(s->run);
	snapshot_unref(s->held);
	work_free(s->work);
	ird_free(s->ird);
	resource_unref(s->ird_of);
	free(s->below);
	buf_free(&s->text);
	free(s);
}

/* ---- falling back ---------------------------------------------------------- */

static void reopen(struct sub *s, enum sub_reason reason, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/* Ends the connection. What is served stays; what was fetched stays too. */
static void reopen(struct sub *s, enum sub_reason reason, const char *fmt, ...)
{
	va_list ap;

	if (s->reopen || s->phase == CLOSED)
		return;
	s->reopen = true;
	s->resume = false;
	s->reason = reason;
	s->counts.reopened[reason]++;
	s->code = reason == SUB_LOOP ? CLOSE_LOOP :
	          reason == SUB_SERVICE ? CLOSE_SERVICE :
	          reason == SUB_PROTOCOL ? CLOSE_PROTOCOL : CLOSE_RESYNC;
	va_start(ap, fmt);
	vsnprintf(s->why, sizeof(s->why), fmt, ap);
	va_end(ap);
}

/* What was put together is wrong as a whole: have the leaves listed. */
static void restart(struct sub *s, enum sub_reason reason, const char *why)
{
	s->no_have = true;
	s->resume = false;
	reopen(s, reason, "%s", why);
}

/* ---- verifying ------------------------------------------------------------- */

/* The IRD of the working set, read once for each version of it. */
static enum rc load_ird(struct sub *s)
{
	struct resource *r = work_get(s->work, DIRECTORY_ID);
	struct ird *ird = NULL;
	char *text = NULL;
	size_t len;
	enum rc rc;

	if (!r || r == s->ird_of)
		return r ? RC_OK : RC_ENOENT;
	rc = body_flat(r, JSON_SMALL_MAX, &text, &len);
	if (rc == RC_OK)
		rc = ird_read(text, len, &ird, NULL);
	free(text);
	if (rc != RC_OK)
		return rc;
	ird_free(s->ird);
	s->ird = ird;
	resource_unref(s->ird_of);
	s->ird_of = resource_ref(r);
	return RC_OK;
}

/* Signature and keys of the state that the set gives. Its IRD is signed with it,
 * so the keys that it lists are the trusted ones from here on; that goes for an
 * expired state too, or a run could not be followed across a key change. */
static enum rc verify_keys(struct sub *s)
{
	enum rc rc = load_ird(s);

	if (rc == RC_OK && ird_redistribution(s->ird)->n_keys == 0)
		rc = RC_EDIGEST;
	if (rc != RC_OK)
		return rc == RC_ENOMEM ? rc : RC_EDIGEST;
	if (s->line.n == 0)
		return keys_first(&s->line, ird_redistribution(s->ird),
		                  &s->head, s->cfg.at_origin);
	rc = keys_check(&s->line, &s->head);
	if (rc == RC_OK)
		keys_follow(&s->line, ird_redistribution(s->ird));
	return rc;
}

static void refuse_state(struct sub *s, enum rc rc)
{
	if (rc == RC_EKEY)
		restart(s, SUB_KEY, "the state is signed by a key that is not "
		        "trusted");
	else if (rc == RC_ESIG)
		restart(s, SUB_SIGNATURE, "the state's signature is wrong");
	else
		restart(s, SUB_MISMATCH, "the set has no readable IRD with "
		        "keys");
}

/* Nobody moves to a lower position, nor to other content at the same one. */
static bool moves_on(struct sub *s, const struct state *st)
{
	const struct state *at = s->held ? snapshot_state(s->held) : NULL;
	int cmp = at ? position_cmp(&st->pos, &at->pos) : 1;

	if (cmp < 0 || (cmp == 0 &&
	    memcmp(st->root, at->root, SHA256_SIZE) != 0))
		s->no_have = false;	/* show what we hold: it may be that the
					 * publisher has lost its history */
	if (cmp < 0) {
		reopen(s, SUB_LOWER, "it offers serial %llu of session %s, "
		       "below what is held",
		       (unsigned long long)st->pos.serial, st->pos.session);
		return false;
	}
	if (cmp == 0 && memcmp(st->root, at->root, SHA256_SIZE) != 0) {
		s->counts.forks++;
		reopen(s, SUB_FORK, "another root at serial %llu",
		       (unsigned long long)st->pos.serial);
		return false;
	}
	return true;
}

static bool right_service(struct sub *s, const char *service)
{
	const char *mine = s->held ? snapshot_state(s->held)->service :
	                   s->cfg.service;

	if (!mine[0] || strcmp(mine, service) == 0)
		return true;
	reopen(s, SUB_SERVICE, "service %s, expected %s", service, mine);
	return false;
}

/* Is the head what is served already, under a signature no later? */
static bool served_already(const struct sub *s)
{
	const struct state *at = s->held ? snapshot_state(s->held) : NULL;

	return at && position_cmp(&at->pos, &s->head.pos) == 0 &&
	       memcmp(at->root, s->head.root, SHA256_SIZE) == 0 &&
	       s->head.created <= at->created;
}

/* Of our future? Expired is another matter: a later state will come. */
static bool in_future(struct sub *s, const struct state *st, int64_t now)
{
	struct diag why = { 0 };

	if (st->expires <= now || state_time(st, now, &why) == RC_OK)
		return false;
	reopen(s, SUB_CLOCK, "%s", why.text);
	return true;
}

/* Signature and key of the head, over a root that is known to be the set's. */
static enum rc verify_head(struct sub *s)
{
	enum rc rc = verify_keys(s);

	if (rc == RC_OK)
		s->line_at = s->head.pos.serial;
	else if (rc != RC_ENOMEM)
		refuse_state(s, rc);
	return rc == RC_ENOMEM ? rc : RC_OK;
}

/* Bodies are still to come, but the leaves are known: a set that cannot be right
 * is not waited for, and the keys are followed from IRD to IRD. */
static enum rc follow(struct sub *s)
{
	uint8_t root[SHA256_SIZE];
	enum rc rc;

	if (s->line_at >= s->head.pos.serial)
		return RC_OK;
	rc = work_root(s->work, s->head.pos.serial, root);
	if (rc != RC_OK)
		return rc == RC_EAGAIN ? RC_OK : rc;
	if (memcmp(root, s->head.root, SHA256_SIZE) != 0) {
		restart(s, SUB_MISMATCH, "the leaves do not give the root");
		return RC_OK;
	}
	return work_get(s->work, DIRECTORY_ID) ? verify_head(s) : RC_OK;
}

/* The set is whole and verified: is it one to serve? Takes next over. */
static void make_ready(struct sub *s, struct snapshot *next, int64_t now)
{
	if (in_future(s, &s->head, now) || s->head.expires <= now ||
	    !right_service(s, s->head.service) || !moves_on(s, &s->head)) {
		snapshot_unref(next);
		return;
	}
	snapshot_unref(s->ready);
	s->ready = next;
	s->n_ready = s->n_run;
	s->ready_keys = s->line;
}

/* If the set is whole, is the head's, and the head holds: ready to publish. */
static enum rc verify(struct sub *s, int64_t now)
{
	uint64_t serial = s->head.pos.serial;
	struct snapshot *next = NULL;
	enum rc rc;

	/* Updates that come again after an overflow are behind the line. */
	if (s->reopen || serial < s->line_at)
		return RC_OK;
	if (served_already(s)) {
		s->owe_ack = s->owe_ack || s->unacked;
		s->unacked = false;
		return RC_OK;
	}
	if (!work_complete(s->work, serial))
		return follow(s);
	rc = work_snapshot(s->work, &s->head, &next);
	if (rc == RC_EDIGEST)
		restart(s, SUB_MISMATCH, "the set does not give the root");
	if (rc != RC_OK)
		return rc == RC_ENOMEM ? rc : RC_OK;
	rc = verify_head(s);
	if (rc == RC_OK && !s->reopen)
		make_ready(s, next, now);
	else
		snapshot_unref(next);
	return rc;
}

/* ---- frames ---------------------------------------------------------------- */

static void on_hello(struct sub *s, const struct frame *f)
{
	if (s->phase != HELLO) {
		reopen(s, SUB_PROTOCOL, "hello twice");
		return;
	}
	if (strcmp(f->protocol, FRAME_PROTOCOL) != 0) {
		reopen(s, SUB_PROTOCOL, "it speaks %s, not " FRAME_PROTOCOL,
		       f->protocol);
		return;
	}
	for (size_t i = 0; i < f->path.n; i++) {
		if (strcmp(f->path.id[i], s->cfg.instance) == 0) {
			reopen(s, SUB_LOOP, "it gets its data from here");
			return;
		}
	}
	if (f->path.n >= FRAME_PATH_MAX) {
		reopen(s, SUB_LOOP, "%zu daemons above", f->path.n);
		return;
	}
	if (f->heartbeat == 0) {
		reopen(s, SUB_PROTOCOL, "a heartbeat of 0");
		return;
	}
	if (!right_service(s, f->service))
		return;
	s->heartbeat = f->heartbeat;
	s->path = f->path;
	s->owe_subscribe = true;
	s->phase = ASKED;
}

/* From what is held on, or from where the set that is worked on was ordered; the
 * line begins there. */
static enum rc resume(struct sub *s, const struct frame *f)
{
	const struct state *at = s->resume ? &s->base :
	                         s->held ? snapshot_state(s->held) : NULL;

	if (!at || s->no_have || (f->mode == MODE_CURRENT &&
	    (position_cmp(&f->state.pos, &at->pos) != 0 ||
	     memcmp(f->state.root, at->root, SHA256_SIZE) != 0))) {
		restart(s, SUB_PROTOCOL, "it would go on from what was not "
		        "named");
		return RC_OK;
	}
	run_clear(s);
	s->head = *at;
	s->phase = STREAM;
	if (s->resume) {
		s->resume = false;
		return RC_OK;
	}
	s->base = s->head;
	s->line = s->keys;
	s->line_at = s->head.pos.serial;
	s->jump = false;
	return work_hold(s->work, s->held);
}

static enum rc on_subscribed(struct sub *s, const struct frame *f)
{
	if (s->phase != ASKED) {
		reopen(s, SUB_PROTOCOL, "subscribed before subscribe");
		return RC_OK;
	}
	switch (f->mode) {
	case MODE_CURRENT:
	case MODE_DELTA:
		return resume(s, f);
	case MODE_SNAPSHOT:
		s->phase = ORDERED;
		return RC_OK;
	case MODE_BEHIND:
		reopen(s, SUB_LOWER, "it is behind: %s", f->reason);
		return RC_OK;
	}
	return RC_OK;
}

/* Before anything is fetched: the order must be one we may follow. */
static enum rc may_order(struct sub *s, const struct state *st, int64_t now,
                         bool *may)
{
	enum rc rc = s->line.n ? keys_check(&s->line, st) : RC_OK;

	*may = false;
	if (rc == RC_ENOMEM)
		return rc;
	if (rc != RC_OK)
		refuse_state(s, rc);
	else
		*may = !in_future(s, st, now) &&
		       right_service(s, st->service) && moves_on(s, st);
	return RC_OK;
}

static enum rc on_snapshot(struct sub *s, const struct frame *f, int64_t now)
{
	enum rc rc;
	bool may;

	if (s->phase != ORDERED && s->phase != STREAM) {
		reopen(s, SUB_PROTOCOL, "snapshot before subscribed");
		return RC_OK;
	}
	rc = may_order(s, &f->state, now, &may);
	if (rc != RC_OK || !may)
		return rc;
	/* The line's keys stay: they were followed under signatures, and the
	 * states that lead to them may not be had again. */
	run_clear(s);
	s->head = s->base = f->state;
	s->line_at = 0;
	s->resume = false;
	s->unacked = true;
	s->jump = !s->held || position_cmp(&snapshot_state(s->held)->pos,
	                                   &f->state.pos) != 0;
	s->no_have = false;
	s->phase = STREAM;
	rc = work_order(s->work, f->leaves, s->held);
	return rc == RC_OK ? verify(s, now) : rc;
}

static enum rc run_push(struct sub *s, struct update *u, struct frame *f)
{
	struct run *grown = s->run;
	size_t cap = s->cap_run ? s->cap_run * 2 : 16;

	if (s->n_run == s->cap_run) {
		grown = realloc(s->run, cap * sizeof(*grown));
		if (!grown)
			return RC_ENOMEM;
		s->run = grown;
		s->cap_run = cap;
	}
	grown[s->n_run].update = u;
	grown[s->n_run].frame = f;
	s->run_bytes += run_cost(&grown[s->n_run++]);
	return RC_OK;
}

/* Applies the changes of one update on id (NULL: on all). */
static enum rc apply(struct sub *s, const struct run *r, const char *id)
{
	uint64_t serial = r->update->state.pos.serial;
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < r->frame->n_changes; i++) {
		const struct change *c = &r->frame->changes[i];
		struct diag why = { 0 };
		bool refused = false;

		if (id && strcmp(c->name.id, id) != 0)
			continue;
		rc = work_change(s->work, c, serial, &refused, &why);
		s->counts.refused += refused;
		/* Nobody else could apply it, now or from the journal. */
		s->jump = s->jump || refused;
		if (rc == RC_EPROTO || rc == RC_ELIMIT) {
			restart(s, SUB_PATCH, why.text);
			return RC_OK;
		}
	}
	return rc;
}

/* Is it the next on the line? */
static bool in_order(struct sub *s, const struct state *st)
{
	if (s->phase != STREAM) {
		reopen(s, SUB_PROTOCOL, "update before subscribed");
		return false;
	}
	if (strcmp(st->service, s->head.service) != 0) {
		reopen(s, SUB_SERVICE, "an update of service %s", st->service);
		return false;
	}
	if (!position_same_session(&st->pos, &s->head.pos)) {
		reopen(s, SUB_GAP, "an update of session %s", st->pos.session);
		return false;
	}
	if (st->pos.serial <= s->head.pos.serial)
		return false;		/* doubled on the way */
	if (st->pos.serial != s->head.pos.serial + 1) {
		reopen(s, SUB_GAP, "serial %llu after %llu",
		       (unsigned long long)st->pos.serial,
		       (unsigned long long)s->head.pos.serial);
		return false;
	}
	return true;
}

/* Too much to keep. The updates of a run are kept for those below and for bodies
 * on their way. Without the latter the run can go: those below will be told to
 * jump. Else the connection is what can go, and the updates come again once the
 * bodies are here; what stands here already skips them. */
static void overflow(struct sub *s)
{
	if (!work_wants(s->work)) {
		run_clear(s);
		s->jump = true;
		return;
	}
	reopen(s, SUB_OVERFLOW, "over %zu bytes of updates wait for bodies",
	       s->cfg.waiting_max);
	s->resume = true;
}

/* Takes text and f over. */
static enum rc on_update(struct sub *s, char *text, size_t len,
                         struct frame *f, int64_t now)
{
	struct update *u = NULL;
	enum rc rc;

	if (!in_order(s, &f->state)) {
		free(text);
		frame_free(f);
		return RC_OK;
	}
	rc = update_new(&f->state, text, len, f->time_ms, &u);
	if (rc == RC_OK)
		rc = run_push(s, u, f);
	if (rc != RC_OK) {
		update_unref(u);
		frame_free(f);
		return rc;
	}
	s->counts.updates++;
	s->head = f->state;
	rc = apply(s, &s->run[s->n_run - 1], NULL);
	if (rc == RC_OK)
		rc = verify(s, now);
	if (rc == RC_OK && s->run_bytes > s->cfg.waiting_max && !s->ready &&
	    !s->reopen)
		overflow(s);
	return rc;
}

/* A later signature of the head. One that does not hold must not replace one that
 * does. */
static enum rc later_signature(struct sub *s, const struct state *st,
                               int64_t now)
{
	enum rc rc = s->line.n ? keys_check(&s->line, st) : RC_OK;

	if (rc == RC_ENOMEM)
		return rc;
	/* The key may be in an IRD that is still to come. */
	if (rc == RC_EKEY && s->line_at < st->pos.serial)
		return RC_OK;
	if (rc != RC_OK) {
		refuse_state(s, rc);
		return RC_OK;
	}
	s->head = *st;
	return verify(s, now);
}

static enum rc on_alive(struct sub *s, const struct frame *f, int64_t now)
{
	int cmp;

	if (!f->has_state || s->phase != STREAM) {
		reopen(s, SUB_PROTOCOL, "alive without a state, or before "
		       "subscribed");
		return RC_OK;
	}
	s->counts.heartbeats++;
	cmp = position_cmp(&f->state.pos, &s->head.pos);
	if (cmp > 0) {
		reopen(s, SUB_GAP, "alive at serial %llu after %llu",
		       (unsigned long long)f->state.pos.serial,
		       (unsigned long long)s->head.pos.serial);
		return RC_OK;
	}
	if (cmp < 0)
		return RC_OK;		/* late on the way */
	if (strcmp(f->state.service, s->head.service) != 0 ||
	    memcmp(f->state.root, s->head.root, SHA256_SIZE) != 0) {
		s->counts.forks++;
		restart(s, SUB_FORK, "alive with another root");
		return RC_OK;
	}
	if (f->state.created <= s->head.created)
		return verify(s, now);
	return later_signature(s, &f->state, now);
}

static enum rc on_small(struct sub *s, const struct frame *f, int64_t now)
{
	switch (f->kind) {
	case FRAME_HELLO:
		on_hello(s, f);
		return RC_OK;
	case FRAME_SUBSCRIBED:
		return on_subscribed(s, f);
	case FRAME_SNAPSHOT:
		return on_snapshot(s, f, now);
	case FRAME_ALIVE:
		return on_alive(s, f, now);
	case FRAME_BYE:
		s->retry_after = f->retry_after;
		reopen(s, SUB_BYE, "it says: %s", f->reason);
		return RC_OK;
	case FRAME_ERROR:
		reopen(s, SUB_PROTOCOL, "it says %s: %s", f->code, f->reason);
		return RC_OK;
	default:
		reopen(s, SUB_PROTOCOL, "a message that only a subscriber "
		       "sends");
		return RC_OK;
	}
}

enum rc sub_frame(struct sub *s, char *text, size_t len, int64_t now)
{
	struct frame *f = NULL;
	struct diag d = { 0 };
	enum rc rc;

	if (s->phase == CLOSED || s->reopen) {
		free(text);
		return RC_OK;
	}
	rc = frame_read(text, len, &f, &d);
	if (rc == RC_OK && f->kind == FRAME_UPDATE)
		return on_update(s, text, len, f, now);
	if (rc == RC_OK)
		rc = on_small(s, f, now);
	else if (rc != RC_ENOMEM) {
		reopen(s, rc == RC_EDIGEST ? SUB_MISMATCH : SUB_PROTOCOL,
		       "%s%s%s", d.pointer, d.pointer[0] ? ": " : "",
		       d.text[0] ? d.text : rc_text(rc));
		rc = RC_OK;
	}
	frame_free(f);
	free(text);
	return rc;
}

/* ---- bodies ---------------------------------------------------------------- */

/* Where does a body stand whose own headers are st? It is ahead of the order, or
 * it is not good. */
static enum rc ahead(struct sub *s, const struct state *st, uint64_t order,
                     int64_t now, struct diag *d)
{
	enum rc rc;

	if (strcmp(st->service, s->head.service) != 0 ||
	    !position_same_session(&st->pos, &s->head.pos) ||
	    st->pos.serial <= order)
		return diag_set(d, RC_EGAP, "it stands at serial %llu of "
		                "session %s, ordered was %llu",
		                (unsigned long long)st->pos.serial,
		                st->pos.session, (unsigned long long)order);
	rc = keys_check(&s->line, st);
	return rc == RC_OK ? state_time(st, now, d) : rc;
}

/* Does the run itself lead to this body? The root that all leaves give is checked
 * at the end, so its own headers need not hold. */
static bool in_run(const struct sub *s, const char *id, const char *leaf,
                   uint64_t order, uint64_t *at)
{
	for (size_t i = s->n_run; i > 0; i--) {
		const struct run *r = &s->run[i - 1];
		uint64_t serial = r->update->state.pos.serial;

		for (size_t k = 0; serial > order &&
		     k < r->frame->n_changes; k++) {
			const struct change *c = &r->frame->changes[k];

			if (c->leaf && strcmp(c->name.id, id) == 0 &&
			    strcmp(c->leaf, leaf) == 0) {
				*at = serial;
				return true;
			}
		}
	}
	return false;
}

static enum rc take_body(struct sub *s, const struct sub_body *b,
                         const char *leaf, uint64_t order, int64_t now,
                         uint64_t *at, struct diag *d)
{
	struct resource_name name;
	struct state st;
	enum rc rc;

	if (!b->ok)
		return diag_set(d, RC_EIO, "no answer");
	rc = body_check(&b->headers, b->body, b->len, &name, &st, d);
	if (rc != RC_OK)
		return rc;
	if (strcmp(name.id, b->id) != 0)
		return diag_set(d, RC_EDIGEST, "this is %s", name.id);
	if (strcmp(b->headers.resource, leaf) == 0) {
		*at = order;
	} else if (!in_run(s, b->id, b->headers.resource, order, at)) {
		rc = ahead(s, &st, order, now, d);
		if (rc != RC_OK)
			return rc;
		*at = st.pos.serial;
	}
	return work_body(s->work, b->id, b->headers.resource, *at, b->body,
	                 b->len, d);
}

enum rc sub_fetched(struct sub *s, const struct sub_body *b, int64_t now)
{
	uint64_t order, at = 0;
	struct diag d = { 0 };
	const char *leaf;
	enum rc rc;

	/* Also between two connections: what was fetched is not lost. */
	leaf = work_asked(s->work, b->id, &order);
	if (!leaf)
		return RC_OK;
	rc = take_body(s, b, leaf, order, now, &at, &d);
	if (rc == RC_ENOMEM)
		return rc;
	if (rc != RC_OK) {
		if (!work_failed(s->work, b->id))
			restart(s, SUB_PULL, d.text[0] ? d.text : rc_text(rc));
		return RC_OK;
	}
	if (s->phase != STREAM || s->reopen)
		return RC_OK;
	for (size_t i = 0; rc == RC_OK && i < s->n_run; i++)
		if (s->run[i].update->state.pos.serial > at)
			rc = apply(s, &s->run[i], b->id);
	return rc == RC_OK ? verify(s, now) : rc;
}

/* ---- the connection -------------------------------------------------------- */

enum rc sub_opened(struct sub *s)
{
	sub_closed(s);
	s->phase = HELLO;
	return RC_OK;
}

void sub_closed(struct sub *s)
{
	s->phase = CLOSED;
	s->reopen = s->reopened = false;
	s->owe_subscribe = s->owe_ack = s->owe_alive = s->unacked = false;
	s->retry_after = 0;
	run_clear(s);
}

void sub_lost(struct sub *s, enum sub_reason reason)
{
	if (!s->reopen && s->phase != CLOSED)
		s->counts.reopened[reason]++;
	sub_closed(s);
	if (reason == SUB_OVERFLOW) {
		s->no_have = true;
		s->resume = false;
	}
}

void sub_heartbeat_due(struct sub *s)
{
	s->owe_alive = s->phase == STREAM && s->held;
}

enum rc sub_below(struct sub *s, const struct frame_below *below, size_t n)
{
	struct frame_below *copy = NULL;

	if (n > FRAME_BELOW_MAX)
		n = FRAME_BELOW_MAX;
	if (n) {
		copy = malloc(n * sizeof(*copy));
		if (!copy)
			return RC_ENOMEM;
		memcpy(copy, below, n * sizeof(*copy));
	}
	free(s->below);
	s->below = copy;
	s->n_below = n;
	s->owe_ack = s->phase == STREAM && s->held;
	return RC_OK;
}

enum rc sub_served(struct sub *s)
{
	bool moved;

	if (!s->ready)
		return RC_OK;
	moved = !s->held || position_cmp(&snapshot_state(s->held)->pos,
	                                 &snapshot_state(s->ready)->pos) != 0;
	snapshot_unref(s->held);
	s->held = s->ready;
	s->ready = NULL;
	s->base = *snapshot_state(s->held);
	s->keys = s->ready_keys;
	s->jump = false;
	s->owe_ack = s->phase == STREAM && (s->owe_ack || moved || s->unacked);
	s->unacked = false;
	s->counts.published += moved;
	run_drop(s, s->n_ready);
	s->n_ready = 0;
	work_served(s->work);
	return RC_OK;
}

enum rc sub_adopt(struct sub *s, struct snapshot *held,
                  const struct keys *keys)
{
	enum rc rc = work_hold(s->work, held);

	if (rc != RC_OK)
		return rc;
	snapshot_ref(held);
	snapshot_unref(s->held);
	s->held = held;
	s->keys = s->line = *keys;
	s->resume = s->no_have = false;
	sub_closed(s);
	return RC_OK;
}

/* ---- what to do ------------------------------------------------------------ */

static enum rc act_publish(struct sub *s, struct sub_act *act)
{
	struct update **list = NULL;

	act->what = SUB_PUBLISH;
	act->next = s->ready;
	act->jump = s->jump;
	act->n_updates = s->n_ready;
	if (s->n_ready) {
		/* The run's updates, lent as an array in the text buffer. */
		buf_free(&s->text);
		buf_init(&s->text, s->n_ready * sizeof(struct update *));
		list = (void *)buf_room(&s->text,
		                        s->n_ready * sizeof(struct update *));
		if (!list)
			return RC_ENOMEM;
		for (size_t i = 0; i < s->n_ready; i++)
			list[i] = s->run[i].update;
	}
	act->updates = list;
	return RC_OK;
}

static bool act_send(struct sub *s, struct sub_act *act)
{
	const struct state *held = s->held ? snapshot_state(s->held) : NULL;

	if (s->owe_subscribe) {
		frame_subscribe(s->cfg.name, s->no_have ? NULL :
		                s->resume ? &s->base : held,
		                s->cfg.uri, s->cfg.push, &s->text);
		s->owe_subscribe = false;
	} else if (s->owe_ack) {
		frame_ack(&held->pos, s->below, s->n_below, &s->text);
		s->owe_ack = false;
	} else if (s->owe_alive) {
		frame_alive_at(&held->pos, "", &s->text);
		s->owe_alive = false;
	} else {
		return false;
	}
	act->what = SUB_SEND;
	act->text = buf_str(&s->text);
	act->len = s->text.len;
	return true;
}

static enum rc act_fetch(struct sub *s, struct sub_act *act)
{
	const char *id, *uri, *leaf;
	struct resource_name name;
	uint64_t order;

	if (s->phase != STREAM)
		return RC_OK;
	id = work_fetch(s->work, &act->no_cache, &act->within);
	if (!id)
		return RC_OK;
	memcpy(act->id, id, strlen(id) + 1);
	if (strcmp(id, DIRECTORY_ID) != 0) {
		enum rc rc = load_ird(s);

		if (rc == RC_ENOMEM)
			return rc;
		uri = rc == RC_OK ? ird_uri(s->ird, id) : NULL;
		if (!uri) {
			restart(s, SUB_MISMATCH, "the IRD names no uri for "
			        "a resource of its state");
			return RC_OK;
		}
		memcpy(act->uri, uri, strlen(uri) + 1);
	}
	leaf = work_asked(s->work, id, &order);
	if (leaf && leaf_read(leaf, strlen(leaf), &name, NULL) == RC_OK)
		act->size = name.size;
	act->what = SUB_FETCH;
	s->counts.fetches++;
	return RC_OK;
}

enum rc sub_next(struct sub *s, struct sub_act *act)
{
	enum rc rc = RC_OK;

	memset(act, 0, sizeof(*act));
	buf_free(&s->text);
	buf_init(&s->text, TEXT_MAX);
	if (s->ready)
		return act_publish(s, act);
	if (!s->reopen && act_send(s, act))
		return buf_rc(&s->text);
	if (!s->reopen)
		rc = act_fetch(s, act);
	if (rc != RC_OK || act->what == SUB_FETCH)
		return rc;
	if (s->reopen && !s->reopened) {
		s->reopened = true;
		act->what = SUB_REOPEN;
		act->reason = s->reason;
		memcpy(act->why, s->why, sizeof(act->why));
		act->code = s->code;
		act->retry_after = s->retry_after;
	}
	return RC_OK;
}

/* ---- what is known --------------------------------------------------------- */

const struct keys *sub_keys(const struct sub *s)
{
	return s->ready ? &s->ready_keys : &s->keys;
}

const struct sub_counts *sub_counts(const struct sub *s)
{
	return &s->counts;
}

const char *sub_phase(const struct sub *s)
{
	const struct state *held = s->held ? snapshot_state(s->held) : NULL;

	switch (s->phase) {
	case CLOSED:
		return "closed";
	case HELLO:
	case ASKED:
		return "hello";
	case ORDERED:
		return "snapshot";
	case STREAM:
		break;
	}
	if (held && position_cmp(&held->pos, &s->head.pos) == 0)
		return "current";
	return s->jump ? "snapshot" : "behind";
}

unsigned sub_heartbeat(const struct sub *s)
{
	return s->heartbeat;
}

const struct frame_path *sub_path(const struct sub *s)
{
	return &s->path;
}
