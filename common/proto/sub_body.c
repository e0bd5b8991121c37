/* Bodies in: where on the line does one stand? */
#include "common/proto/sub.h"

#include <string.h>

#include "common/proto/sub_line.h"
#include "common/wire/body.h"

/* Where does a body stand whose own headers are st? It is ahead of the order,
 * or it is not good. Of a later session it is good for a state document that will
 * follow, and for nothing that comes in frames. */
static enum rc ahead(struct sub *s, const struct state *st, uint64_t order,
                     int64_t now, uint64_t *at, struct diag *d)
{
	bool same = position_same_session(&st->pos, &s->head.pos);
	bool later = same ? st->pos.serial > order :
	             s->polled && position_cmp(&st->pos, &s->head.pos) > 0;
	enum rc rc;

	if (strcmp(st->service, s->head.service) != 0 || !later)
		return diag_set(d, RC_EGAP, "it stands at serial %llu of "
		                "session %s, ordered was %llu",
		                (unsigned long long)st->pos.serial,
		                st->pos.session, (unsigned long long)order);
	if (st->created < s->head.created)
		return diag_set(d, RC_EGAP, "it was signed before what is below "
		                "it");
	rc = keys_check(&s->keys, st);
	if (rc == RC_OK)
		rc = state_time(st, now, d);
	if (rc == RC_OK)
		*at = same ? st->pos.serial : WORK_BEYOND;
	return rc;
}

/* Does the run itself lead to this body? The root that all leaves give is
 * checked at the end, so its own headers need not hold. */
static bool in_run(const struct sub *s, const char *id, const char *leaf,
                   uint64_t order, uint64_t *at)
{
	for (size_t i = s->n_run; i > 0; i--) {
		const struct sub_run *r = &s->run[i - 1];
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
	struct work_body w = { .id = b->id, .leaf = b->headers.resource,
	                       .at = order, .body = b->body, .len = b->len };
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
	if (strcmp(w.leaf, leaf) != 0 &&
	    !in_run(s, b->id, w.leaf, order, &w.at)) {
		rc = ahead(s, &st, order, now, &w.at, d);
		if (rc != RC_OK)
			return rc;
		w.created = st.created;
	}
	*at = w.at;
	rc = work_body(s->work, &w, d);
	if (rc == RC_OK && strcmp(b->id, DIRECTORY_ID) == 0)
		memcpy(s->told_ird, name.tag, sizeof(s->told_ird));
	return rc;
}

void sub_forget(struct sub *s)
{
	work_forget(s->work);
}

uint64_t sub_owed(const struct sub *s)
{
	return work_owed(s->work);
}

enum rc sub_fetched(struct sub *s, const struct sub_body *b, int64_t now)
{
	bool follows = s->phase == STREAM || s->phase == POLLED;
	uint64_t order, at = 0;
	struct diag d = { 0 };
	const char *leaf;
	enum rc rc;

	/* Also between two connections: what was fetched is not lost. */
	leaf = work_wanted(s->work, b->id, &order);
	if (!leaf)
		return RC_OK;
	rc = take_body(s, b, leaf, order, now, &at, &d);
	if (rc == RC_ENOMEM)
		return rc;
	/* Of an order that nobody follows any more it is no loss, nor is an answer
	 * that nobody waits for. */
	if (rc != RC_OK && !work_failed(s->work, b->id, b->number) &&
	    (follows || s->resume))
		sub_restart(s, SUB_PULL, d.text[0] ? d.text : rc_text(rc));
	if (rc != RC_OK || s->reopen || !follows)
		return RC_OK;
	for (size_t i = 0; rc == RC_OK && i < s->n_run; i++)
		if (s->run[i].update->state.pos.serial > at)
			rc = sub_apply(s, &s->run[i], b->id);
	return rc == RC_OK ? sub_round(s, now) : rc;
}
