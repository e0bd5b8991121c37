/* The run of updates that the line leads over, what they change in the working
 * set, and the fall back when the line leads nowhere. */
#include "common/proto/sub.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/proto/sub_line.h"

/* A frame that was read costs memory too, and small changes the most. */
static size_t run_cost(const struct sub_run *r)
{
	return r->update->len + sizeof(*r->frame) +
	       r->frame->n_changes * sizeof(r->frame->changes[0]);
}

void sub_run_drop(struct sub *s, size_t n)
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

void sub_run_clear(struct sub *s)
{
	sub_run_drop(s, s->n_run);
	snapshot_unref(s->ready);
	s->ready = NULL;
	s->n_ready = 0;
}

enum rc sub_run_push(struct sub *s, struct update *u, struct frame *f)
{
	struct sub_run *grown = s->run;
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

enum rc sub_apply(struct sub *s, const struct sub_run *r, const char *id)
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
			sub_restart(s, SUB_PATCH, why.text);
			return RC_OK;
		}
	}
	return rc;
}

void sub_reopen(struct sub *s, enum sub_reason reason, const char *fmt, ...)
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

void sub_restart(struct sub *s, enum sub_reason reason, const char *why)
{
	/* The next round of polling lists them anyway, and what is held is still
	 * good to go on from. */
	s->no_have = s->no_have || s->phase != POLLED;
	s->resume = false;
	sub_reopen(s, reason, "%s", why);
}
