/* Bodies in: where on the line does one stand? */
#include "common/proto/sub.h"

#include <string.h>

#include "common/proto/sub_line.h"
#include "common/wire/body.h"

/* Where does a body stand whose own headers are st? It is ahead of the order,
 * or it is not good. */
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
			sub_restart(s, SUB_PULL,
			            d.text[0] ? d.text : rc_text(rc));
		return RC_OK;
	}
	if (s->phase != STREAM || s->reopen)
		return RC_OK;
	for (size_t i = 0; rc == RC_OK && i < s->n_run; i++)
		if (s->run[i].update->state.pos.serial > at)
			rc = sub_apply(s, &s->run[i], b->id);
	return rc == RC_OK ? sub_verify(s, now) : rc;
}
