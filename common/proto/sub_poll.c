/* Pull mode: a state document orders what a snapshot orders in push mode, one
 * round after the other. And the two ways out that the origin itself opens: its
 * directory for a key that nobody knows, its state for an operator who wants it. */
#include "common/proto/sub.h"

#include <string.h>

#include "common/proto/sub_line.h"

bool sub_polling(const struct sub *s)
{
	return s->phase == POLLED;
}

void sub_round_again(struct sub *s)
{
	if (s->owe_poll || s->poll_asked)
		return;
	if (s->orders < SUB_ROUNDS_MAX)
		s->owe_poll = true;
	else
		sub_reopen(s, SUB_ROUNDS, "this service changes faster than it "
		           "can be pulled: it needs push");
}

static void expired(struct sub *s, const struct state *st)
{
	sub_reopen(s, SUB_EXPIRED, "serial %llu expired at %lld",
	           (unsigned long long)st->pos.serial, (long long)st->expires);
}

enum rc sub_round(struct sub *s, int64_t now)
{
	enum rc rc = sub_verify(s, now);

	if (rc != RC_OK || s->phase != POLLED || s->reopen || s->ready ||
	    work_wants(s->work))
		return rc;
	if (work_ahead(s->work, s->head.pos.serial))
		sub_round_again(s);
	else if (s->head.expires <= now)
		expired(s, &s->head);	/* while its bodies were on their way */
	else
		sub_closed(s);		/* nothing differs */
	return RC_OK;
}

static void begin_round(struct sub *s)
{
	sub_closed(s);
	s->phase = POLLED;
	s->orders = 0;
}

static enum rc take_order(struct sub *s, const struct leaf_set *set,
                          int64_t now)
{
	bool may;
	enum rc rc = sub_may_order(s, &set->state, now, &may);

	s->poll_asked = false;
	if (rc != RC_OK || !may)
		return rc;
	if (set->state.expires <= now) {
		expired(s, &set->state);
		return RC_OK;
	}
	s->orders++;
	s->polled = true;
	rc = sub_order(s, set, 0);
	return rc == RC_OK ? sub_round(s, now) : rc;
}

enum rc sub_polled(struct sub *s, const struct leaf_set *set, int64_t now)
{
	/* A connection is ahead of any document; and a round goes on to its end
	 * with the order it has. */
	if (s->phase == POLLED ? !s->poll_asked : s->phase != CLOSED)
		return RC_OK;
	if (s->phase == CLOSED)
		begin_round(s);
	s->trusting = false;
	return take_order(s, set, now);
}

/* ---- the operator's way out ------------------------------------------------ */

enum rc sub_trust(struct sub *s, const struct leaf_set *set, int64_t now,
                  struct diag *d)
{
	const struct state *st = &set->state, *at = sub_held(s);
	const char *mine = sub_service(s);
	enum rc rc;

	if (s->phase != CLOSED && s->phase != POLLED)
		return diag_set(d, RC_EAGAIN, "a connection is open");
	if (mine[0] && strcmp(mine, st->service) != 0)
		return diag_set(d, RC_ERULE, "service %s, expected %s",
		                st->service, mine);
	if (sub_holds(s, st) && st->created <= at->created &&
	    position_cmp(&s->top, &st->pos) <= 0)
		return diag_set(d, RC_EEXIST, "it is what is held");
	if (at && st->created <= at->created)
		return diag_set(d, RC_ERULE, "it was signed at %lld, no later "
		                "than what is held (%lld)",
		                (long long)st->created,
		                (long long)at->created);
	rc = state_time(st, now, d);
	if (rc != RC_OK)
		return rc;
	if (!s->trusting || !s->poll_asked)
		begin_round(s);
	s->trusting = true;
	return take_order(s, set, now);
}

/* ---- the origin's directory ------------------------------------------------ */

/* Is it of our service and time, and not below what is known? */
static enum rc may_introduce(const struct sub *s, const struct state *st,
                             const struct ird_redistribution *ird,
                             int64_t now, struct diag *d)
{
	const char *mine = sub_service(s);

	if (strcmp(st->service, ird->service) != 0 ||
	    (mine[0] && strcmp(mine, st->service) != 0))
		return diag_set(d, RC_ERULE, "it is of service %s",
		                st->service);
	if (position_cmp(&st->pos, &s->top) < 0)
		return diag_set(d, RC_ERULE, "serial %llu of session %s is below "
		                "what was verified",
		                (unsigned long long)st->pos.serial,
		                st->pos.session);
	if (s->held && position_cmp(&st->pos, &sub_held(s)->pos) == 0 &&
	    !sub_holds(s, st))
		return diag_set(d, RC_ERULE, "another root at serial %llu",
		                (unsigned long long)st->pos.serial);
	return state_time(st, now, d) == RC_OK ? RC_OK : RC_ERULE;
}

/* The keys of the directory, when it may be believed. */
static enum rc introduced(const struct sub *s, const struct ird *ird,
                          const struct state *st, int64_t now, struct keys *k,
                          struct diag *d)
{
	const struct ird_redistribution *red = ird_redistribution(ird);
	enum rc rc = may_introduce(s, st, red, now, d);

	if (rc == RC_OK)
		rc = keys_check(k, st);
	if (rc == RC_OK)
		keys_follow(k, red);
	else if (rc == RC_EKEY)
		rc = keys_first(k, red, st, true);
	if (rc == RC_EKEY)
		diag_set(d, rc, "key %s is not listed, not pinned, or has "
		         "retired", st->key);
	else if (rc == RC_ESIG)
		diag_set(d, rc, "its signature is wrong");
	return rc;
}

/* Body and headers of a directory, and nothing else. */
static enum rc read_directory(const struct sub_body *b, struct state *st,
                              struct ird **ird, struct diag *d)
{
	struct resource_name name;
	enum rc rc;

	if (!b->ok)
		return diag_set(d, RC_EDIGEST, "no answer");
	rc = body_check(&b->headers, b->body, b->len, &name, st, d);
	if (rc == RC_OK && strcmp(name.id, DIRECTORY_ID) != 0)
		rc = diag_set(d, RC_EDIGEST, "this is %s", name.id);
	if (rc == RC_OK)
		rc = ird_read(b->body, b->len, ird, d);
	return rc == RC_OK || rc == RC_ENOMEM ? rc : RC_EDIGEST;
}

enum rc sub_introduce(struct sub *s, const struct sub_body *b, int64_t now,
                      struct diag *d)
{
	struct keys keys = s->keys;
	struct ird *ird = NULL;
	struct state st;
	enum rc rc = read_directory(b, &st, &ird, d);

	if (rc == RC_OK)
		rc = introduced(s, ird, &st, now, &keys, d);
	ird_free(ird);
	if (rc != RC_OK)
		return rc;
	s->keys = keys;
	s->top = st.pos;
	sub_rekeyed(s);
	/* What the line stands on may have been signed by a key that is gone:
	 * what is held stays, and all else is listed anew. */
	s->no_have = true;
	s->resume = false;
	return RC_OK;
}
