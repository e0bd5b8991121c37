/* What to do: publish before all else, then send, fetch, or connect again. */
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
		enum rc rc = sub_load_ird(s);

		if (rc == RC_ENOMEM)
			return rc;
		uri = rc == RC_OK ? ird_uri(s->ird, id) : NULL;
		if (!uri) {
			sub_restart(s, SUB_MISMATCH, "the IRD names no uri for "
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
		s->reopened = true;
		act->what = SUB_REOPEN;
		act->reason = s->reason;
		memcpy(act->why, s->why, sizeof(act->why));
		act->code = s->code;
		act->retry_after = s->retry_after;
	}
	return RC_OK;
}
