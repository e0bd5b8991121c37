/* What to do: publish before all else, then send, fetch, poll or connect again. */
#include "common/proto/sub.h"

#include <string.h>

#include "common/proto/sub_line.h"

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
	static const struct frame_below nobody;
	const struct state *held = sub_held(s);

	if (s->owe_subscribe) {
		frame_subscribe(s->cfg.name, s->no_have ? NULL :
		                s->resume ? &s->base : held,
		                s->cfg.uri, s->cfg.push, &s->text);
		s->owe_subscribe = false;
	} else if (s->owe_ack) {
		frame_ack(&held->pos, !s->below_due ? NULL :
		          s->below ? s->below : &nobody, s->n_below, &s->text);
		s->owe_ack = s->below_due = false;
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
	struct work_ask ask;
	const char *uri;

	if ((s->phase != STREAM && s->phase != POLLED) || s->owe_poll ||
	    s->poll_asked)
		return RC_OK;
	if (!work_fetch(s->work, &ask))
		return RC_OK;
	memcpy(act->id, ask.id, strlen(ask.id) + 1);
	act->number = ask.number;
	act->size = ask.size;
	act->no_cache = ask.again;
	act->within = ask.within;
	if (strcmp(ask.id, DIRECTORY_ID) != 0) {
		enum rc rc = sub_load_ird(s);

		if (rc == RC_ENOMEM)
			return rc;
		uri = rc == RC_OK ? ird_uri(s->ird, ask.id) : NULL;
		/* It may be ahead of the order, and what was ordered be
		 * gone since. */
		if (!uri && s->polled &&
		    work_ahead(s->work, s->head.pos.serial)) {
			sub_round_again(s);
			return RC_OK;
		}
		if (!uri) {
			sub_restart(s, SUB_MISMATCH, "the IRD names no uri for "
			            "a resource of its state");
			return RC_OK;
		}
		memcpy(act->uri, uri, strlen(uri) + 1);
	}
	act->what = SUB_FETCH;
	s->counts.fetches++;
	return RC_OK;
}

static void act_reopen(struct sub *s, struct sub_act *act)
{
	act->what = SUB_REOPEN;
	act->reason = s->reason;
	memcpy(act->why, s->why, sizeof(act->why));
	act->code = s->code;
	act->retry_after = s->retry_after;
	s->reopened = true;
	if (s->phase == POLLED)
		sub_closed(s);		/* the round is over */
}

enum rc sub_next(struct sub *s, struct sub_act *act)
{
	enum rc rc = RC_OK;

	memset(act, 0, sizeof(*act));
	buf_free(&s->text);
	buf_init(&s->text, SUB_TEXT_MAX);
	if (s->ready)
		return act_publish(s, act);
	if (!s->reopen && act_send(s, act))
		return buf_rc(&s->text);
	if (!s->reopen)
		rc = act_fetch(s, act);
	if (rc != RC_OK || act->what == SUB_FETCH)
		return rc;
	if (s->reopen && !s->reopened) {
		act_reopen(s, act);
	} else if (s->owe_poll && !s->reopen) {
		s->owe_poll = false;
		s->poll_asked = true;
		act->what = SUB_POLL;
		act->no_cache = true;
	}
	return RC_OK;
}
