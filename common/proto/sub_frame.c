/* Frames in: each moves the line, or ends the connection. */
#include "common/proto/sub.h"

#include <stdlib.h>
#include <string.h>

#include "common/proto/sub_line.h"

static void on_hello(struct sub *s, const struct frame *f)
{
	if (s->phase != HELLO) {
		sub_reopen(s, SUB_PROTOCOL, "hello twice");
		return;
	}
	if (strcmp(f->protocol, FRAME_PROTOCOL) != 0) {
		sub_reopen(s, SUB_PROTOCOL, "it speaks %s, not " FRAME_PROTOCOL,
		           f->protocol);
		return;
	}
	for (size_t i = 0; i < f->path.n; i++) {
		if (strcmp(f->path.id[i], s->cfg.instance) == 0) {
			sub_reopen(s, SUB_LOOP, "it gets its data from here");
			return;
		}
	}
	if (f->path.n >= FRAME_PATH_MAX) {
		sub_reopen(s, SUB_LOOP, "%zu daemons above", f->path.n);
		return;
	}
	if (f->heartbeat == 0) {
		sub_reopen(s, SUB_PROTOCOL, "a heartbeat of 0");
		return;
	}
	if (!sub_right_service(s, f->service))
		return;
	s->heartbeat = f->heartbeat;
	s->path = f->path;
	s->owe_subscribe = true;
	s->phase = ASKED;
}

/* From what is held on, or from where the set that is worked on was ordered;
 * the line begins there. */
static enum rc resume(struct sub *s, const struct frame *f)
{
	const struct state *at = s->resume ? &s->base :
	                         s->held ? snapshot_state(s->held) : NULL;

	if (!at || s->no_have || (f->mode == MODE_CURRENT &&
	    (position_cmp(&f->state.pos, &at->pos) != 0 ||
	     memcmp(f->state.root, at->root, SHA256_SIZE) != 0))) {
		sub_restart(s, SUB_PROTOCOL, "it would go on from what was not "
		            "named");
		return RC_OK;
	}
	sub_run_clear(s);
	s->head = *at;
	s->phase = STREAM;
	s->owe_ack = s->below_due && s->held;
	if (s->resume) {
		s->resume = false;
		return RC_OK;
	}
	s->base = s->head;
	s->line_at = s->head.pos.serial;
	s->polled = false;
	s->jump = false;
	return work_hold(s->work, s->held);
}

static enum rc on_subscribed(struct sub *s, const struct frame *f)
{
	if (s->phase != ASKED) {
		sub_reopen(s, SUB_PROTOCOL, "subscribed before subscribe");
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
		sub_reopen(s, SUB_LOWER, "it is behind: %s", f->reason);
		return RC_OK;
	}
	return RC_OK;
}

static enum rc on_snapshot(struct sub *s, const struct frame *f, int64_t now)
{
	enum rc rc;
	bool may;

	if (s->phase != ORDERED && s->phase != STREAM) {
		sub_reopen(s, SUB_PROTOCOL, "snapshot before subscribed");
		return RC_OK;
	}
	rc = sub_may_order(s, &f->state, now, &may);
	if (rc != RC_OK || !may)
		return rc;
	s->unacked = true;
	s->no_have = s->polled = false;
	s->phase = STREAM;
	rc = sub_order(s, f->leaves, f->within);
	return rc == RC_OK ? sub_verify(s, now) : rc;
}

/* Is it the next on the line? */
static bool in_order(struct sub *s, const struct state *st)
{
	if (s->phase != STREAM) {
		sub_reopen(s, SUB_PROTOCOL, "update before subscribed");
		return false;
	}
	if (strcmp(st->service, s->head.service) != 0) {
		sub_reopen(s, SUB_SERVICE, "an update of service %s",
		           st->service);
		return false;
	}
	if (!position_same_session(&st->pos, &s->head.pos)) {
		sub_reopen(s, SUB_GAP, "an update of session %s",
		           st->pos.session);
		return false;
	}
	if (st->pos.serial <= s->head.pos.serial)
		return false;		/* doubled on the way */
	if (st->pos.serial != s->head.pos.serial + 1) {
		sub_reopen(s, SUB_GAP, "serial %llu after %llu",
		           (unsigned long long)st->pos.serial,
		           (unsigned long long)s->head.pos.serial);
		return false;
	}
	return true;
}

/* Too much to keep. The updates of a run are kept for those below and for
 * bodies on their way. Without the latter the run can go: those below will be
 * told to jump. Else the connection is what can go, and the updates come again
 * once the bodies are here; what stands here already skips them. */
static void overflow(struct sub *s)
{
	if (!work_wants(s->work)) {
		sub_run_clear(s);
		s->jump = true;
		return;
	}
	sub_reopen(s, SUB_OVERFLOW, "over %zu bytes of updates wait for bodies",
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
		rc = sub_run_push(s, u, f);
	if (rc != RC_OK) {
		update_unref(u);
		frame_free(f);
		return rc;
	}
	s->counts.updates++;
	s->head = f->state;
	rc = sub_apply(s, &s->run[s->n_run - 1], NULL);
	if (rc == RC_OK)
		rc = sub_verify(s, now);
	if (rc == RC_OK && s->run_bytes > s->cfg.waiting_max && !s->ready &&
	    !s->reopen)
		overflow(s);
	return rc;
}

/* A later signature of the head. One that does not hold must not replace one
 * that does. */
static enum rc later_signature(struct sub *s, const struct state *st,
                               int64_t now)
{
	enum rc rc = s->keys.n ? keys_check(&s->keys, st) : RC_OK;

	if (rc == RC_ENOMEM)
		return rc;
	/* The key may be in an IRD that is still to come. */
	if (rc == RC_EKEY && s->line_at < st->pos.serial &&
	    position_cmp(&st->pos, &s->keys.top) >= 0)
		return RC_OK;
	if (rc != RC_OK) {
		sub_refuse_state(s, rc);
		return RC_OK;
	}
	s->head = *st;
	if (work_denied(s->work, st)) {
		sub_restart(s, SUB_MISMATCH, "a body is from a history that is "
		            "not the publisher's");
		return RC_OK;
	}
	return sub_verify(s, now);
}

/* Another root at the head's position: an alarm when it is signed, else a lie. */
static enum rc other_root(struct sub *s, const struct state *st)
{
	enum rc rc = s->keys.n ? keys_check(&s->keys, st) : RC_EKEY;

	if (rc == RC_ENOMEM)
		return rc;
	if (rc != RC_OK) {
		sub_refuse_state(s, rc);
		return RC_OK;
	}
	s->counts.forks++;
	sub_restart(s, SUB_FORK, "alive with another root");
	return RC_OK;
}

static enum rc on_alive(struct sub *s, const struct frame *f, int64_t now)
{
	int cmp;

	if (!f->has_state || s->phase != STREAM) {
		sub_reopen(s, SUB_PROTOCOL, "alive without a state, or before "
		           "subscribed");
		return RC_OK;
	}
	s->counts.heartbeats++;
	cmp = position_cmp(&f->state.pos, &s->head.pos);
	if (cmp > 0) {
		sub_reopen(s, SUB_GAP, "alive at serial %llu after %llu",
		           (unsigned long long)f->state.pos.serial,
		           (unsigned long long)s->head.pos.serial);
		return RC_OK;
	}
	if (cmp < 0)
		return RC_OK;		/* late on the way */
	if (strcmp(f->state.service, s->head.service) != 0 ||
	    memcmp(f->state.root, s->head.root, SHA256_SIZE) != 0)
		return other_root(s, &f->state);
	if (f->state.created <= s->head.created)
		return sub_verify(s, now);
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
		sub_reopen(s, SUB_BYE, "it says: %s", f->reason);
		return RC_OK;
	case FRAME_ERROR:
		sub_reopen(s, SUB_PROTOCOL, "it says %s: %s", f->code,
		           f->reason);
		return RC_OK;
	default:
		sub_reopen(s, SUB_PROTOCOL, "a message that only a subscriber "
		           "sends");
		return RC_OK;
	}
}

enum rc sub_frame(struct sub *s, char *text, size_t len, int64_t now)
{
	struct frame *f = NULL;
	struct diag d = { 0 };
	enum rc rc;

	if (s->phase == CLOSED || s->phase == POLLED || s->reopen) {
		free(text);
		return RC_OK;
	}
	rc = frame_read(text, len, &f, &d);
	if (rc == RC_OK && f->kind == FRAME_UPDATE)
		return on_update(s, text, len, f, now);
	if (rc == RC_OK)
		rc = on_small(s, f, now);
	else if (rc != RC_ENOMEM) {
		sub_reopen(s, rc == RC_EDIGEST ? SUB_MISMATCH : SUB_PROTOCOL,
		           "%s%s%s", d.pointer, d.pointer[0] ? ": " : "",
		           d.text[0] ? d.text : rc_text(rc));
		rc = RC_OK;
	}
	frame_free(f);
	free(text);
	return rc;
}
