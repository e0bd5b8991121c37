/* Its life, the connection's, and what is known of both. */
#include "common/proto/sub.h"

#include <stdlib.h>
#include <string.h>

#include "common/proto/sub_line.h"

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
	s->keys = *keys;
	buf_init(&s->text, SUB_TEXT_MAX);
	rc = work_new(&s->work);
	if (rc == RC_OK && held) {
		s->held = snapshot_ref(held);
		if (position_cmp(&s->keys.top, &snapshot_state(held)->pos) < 0)
			s->keys.top = snapshot_state(held)->pos;
		rc = work_hold(s->work, held);
	}
	if (rc != RC_OK) {
		sub_free(s);
		return rc;
	}
	*out = s;
	return RC_OK;
}

void sub_free(struct sub *s)
{
	if (!s)
		return;
	sub_run_clear(s);
	free(s->run);
	snapshot_unref(s->held);
	work_free(s->work);
	ird_free(s->ird);
	resource_unref(s->ird_of);
	free(s->below);
	buf_free(&s->text);
	free(s);
}

enum rc sub_opened(struct sub *s)
{
	sub_closed(s);
	s->below_due = s->n_below > 0;
	s->phase = HELLO;
	return RC_OK;
}

void sub_closed(struct sub *s)
{
	s->phase = CLOSED;
	s->reopen = s->reopened = false;
	s->owe_subscribe = s->owe_ack = s->owe_alive = s->unacked = false;
	s->owe_poll = s->poll_asked = s->trusting = false;
	s->retry_after = 0;
	sub_run_clear(s);
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
	s->below_due = true;
	s->owe_ack = s->phase == STREAM && s->held;
	return RC_OK;
}

enum rc sub_served(struct sub *s)
{
	bool moved;

	if (!s->ready)
		return RC_OK;
	moved = !sub_holds(s, snapshot_state(s->ready));
	snapshot_unref(s->held);
	s->held = s->ready;
	s->ready = NULL;
	s->base = *snapshot_state(s->held);
	s->jump = false;
	s->owe_ack = s->phase == STREAM && (s->owe_ack || moved || s->unacked);
	s->unacked = false;
	s->counts.published += moved;
	sub_run_drop(s, s->n_ready);
	s->n_ready = 0;
	work_served(s->work);
	if (s->phase == POLLED) {
		s->no_have = false;
		sub_closed(s);
	}
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
	s->keys = *keys;
	s->keys.top = snapshot_state(held)->pos;
	s->resume = s->no_have = false;
	sub_closed(s);
	return RC_OK;
}

const struct keys *sub_keys(const struct sub *s)
{
	return &s->keys;
}

const struct sub_counts *sub_counts(const struct sub *s)
{
	return &s->counts;
}

bool sub_expects(const struct sub *s)
{
	return s->phase == HELLO || s->phase == ASKED || s->phase == ORDERED;
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
	case POLLED:
		return "pull";
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
