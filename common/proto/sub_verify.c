/* sub_verify() is the one place where a set becomes something to serve. */
#include "common/proto/sub.h"

#include <stdlib.h>
#include <string.h>

#include "common/proto/sub_line.h"
#include "common/wire/body.h"
#include "common/wire/json.h"

enum rc sub_load_ird(struct sub *s)
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

/* Is the head below what was verified once, and not by the operator's will? Then
 * the keys are known from further on. */
static bool below_top(const struct sub *s)
{
	return !s->trusting && position_cmp(&s->head.pos, &s->keys.top) < 0;
}

/* An unknown key signed the head, and the head's IRD lists it: the first contact,
 * a new pin, or an operator who stands for it. The origin's name stands for the IRD
 * that was had from there, not for what a message made of it. */
static enum rc accept_key(struct sub *s, const struct ird_redistribution *ird)
{
	bool first = s->keys.n == 0 && s->cfg.at_origin &&
	             strcmp(resource_name(s->ird_of)->tag, s->told_ird) == 0;
	struct keys k = s->keys;
	enum rc rc;

	if (s->trusting)
		keys_pardon(&k, s->head.key);
	rc = keys_first(&k, ird, &s->head, first || s->trusting);
	if (rc == RC_OK)
		s->keys = k;
	return rc;
}

/* Signature and keys of the state that the set gives. Its IRD is signed with
 * it, so the keys that it lists are the trusted ones from here on; that goes
 * for an expired state too, or a run could not be followed across a key
 * change. They never go back to those of a lower state: what has retired since
 * must not sign anything again. */
static enum rc verify_keys(struct sub *s)
{
	const struct ird_redistribution *ird;
	enum rc rc = sub_load_ird(s);

	if (rc == RC_OK && ird_redistribution(s->ird)->n_keys == 0)
		rc = RC_EDIGEST;
	if (rc != RC_OK)
		return rc == RC_ENOMEM ? rc : RC_EDIGEST;
	ird = ird_redistribution(s->ird);
	rc = keys_check(&s->keys, &s->head);
	if (below_top(s))
		return rc;
	if (rc == RC_EKEY)
		return accept_key(s, ird);
	if (rc == RC_OK)
		keys_follow(&s->keys, ird);
	return rc;
}

void sub_refuse_state(struct sub *s, enum rc rc)
{
	if (rc == RC_EKEY)
		sub_restart(s, SUB_KEY, "the state is signed by a key that is "
		            "not trusted");
	else if (rc == RC_ESIG)
		sub_restart(s, SUB_SIGNATURE, "the state's signature is wrong");
	else
		sub_restart(s, SUB_MISMATCH, "the set has no readable IRD with "
		            "keys");
}

const struct state *sub_held(const struct sub *s)
{
	return s->held ? snapshot_state(s->held) : NULL;
}

bool sub_holds(const struct sub *s, const struct state *st)
{
	const struct state *at = sub_held(s);

	return at && position_cmp(&at->pos, &st->pos) == 0 &&
	       memcmp(at->root, st->root, SHA256_SIZE) == 0;
}

bool sub_moves_on(struct sub *s, const struct state *st)
{
	const struct state *at = sub_held(s);
	int cmp = at ? position_cmp(&st->pos, &at->pos) : 1;

	if (cmp > 0 || s->trusting || sub_holds(s, st))
		return true;
	s->no_have = false;	/* show what we hold: it may be that the
				 * publisher has lost its history */
	if (cmp < 0) {
		sub_reopen(s, SUB_LOWER, "it offers serial %llu of session %s, "
		           "below what is held",
		           (unsigned long long)st->pos.serial, st->pos.session);
		return false;
	}
	s->counts.forks++;
	sub_reopen(s, SUB_FORK, "another root at serial %llu",
	           (unsigned long long)st->pos.serial);
	return false;
}

const char *sub_service(const struct sub *s)
{
	return s->held ? sub_held(s)->service : s->cfg.service;
}

bool sub_right_service(struct sub *s, const char *service)
{
	const char *mine = sub_service(s);

	if (!mine[0] || strcmp(mine, service) == 0)
		return true;
	sub_reopen(s, SUB_SERVICE, "service %s, expected %s", service, mine);
	return false;
}

/* Is the head what is served already, under a signature no later? */
static bool served_already(const struct sub *s)
{
	return sub_holds(s, &s->head) &&
	       s->head.created <= sub_held(s)->created;
}

bool sub_in_future(struct sub *s, const struct state *st, int64_t now)
{
	struct diag why = { 0 };

	if (st->expires <= now || state_time(st, now, &why) == RC_OK)
		return false;
	sub_reopen(s, SUB_CLOCK, "%s", why.text);
	return true;
}

enum rc sub_may_order(struct sub *s, const struct state *st, int64_t now,
                      bool *may)
{
	enum rc rc = s->keys.n ? keys_check(&s->keys, st) : RC_OK;

	*may = false;
	if (rc == RC_ENOMEM)
		return rc;
	/* The IRD of the set will have to list the key. */
	if (rc == RC_EKEY && (s->trusting || keys_vouch(&s->keys, st->key,
	                                                false)))
		rc = RC_OK;
	if (rc != RC_OK)
		sub_refuse_state(s, rc);
	else
		*may = !sub_in_future(s, st, now) &&
		       sub_right_service(s, st->service) && sub_moves_on(s, st);
	return RC_OK;
}

enum rc sub_order(struct sub *s, const struct leaf_set *leaves, unsigned within)
{
	sub_run_clear(s);
	s->head = s->base = leaves->state;
	s->line_at = 0;
	s->resume = false;
	s->jump = !sub_holds(s, &s->head);
	return work_order(s->work, leaves, s->held, within);
}

void sub_rekeyed(struct sub *s)
{
	if (!s->ready || keys_find(&s->keys, snapshot_state(s->ready)->key))
		return;
	snapshot_unref(s->ready);
	s->ready = NULL;
	s->n_ready = 0;
}

/* Signature and key of the head, over a root that is known to be the set's.
 * RC_EAGAIN: its key has retired by a later state, which will come. */
static enum rc verify_head(struct sub *s, int64_t now)
{
	enum rc rc;

	if (sub_in_future(s, &s->head, now)) {
		/* It stays on the publisher's line though his clock may be right
		 * again: what came after it is listed. */
		s->no_have = s->no_have || s->n_run > 0;
		return RC_OK;
	}
	rc = verify_keys(s);
	if (rc == RC_ENOMEM)
		return rc;
	if (rc == RC_EKEY && below_top(s) && s->phase == STREAM)
		return RC_EAGAIN;
	if (rc != RC_OK) {
		sub_refuse_state(s, rc);
		return RC_OK;
	}
	s->line_at = s->head.pos.serial;
	if (!below_top(s))
		s->keys.top = s->head.pos;
	sub_rekeyed(s);
	return RC_OK;
}

/* Bodies are still to come, but the leaves are known: a set that cannot be
 * right is not waited for, and the keys are followed from IRD to IRD. */
static enum rc follow(struct sub *s, int64_t now)
{
	uint8_t root[SHA256_SIZE];
	enum rc rc;

	if (s->line_at >= s->head.pos.serial)
		return RC_OK;
	rc = work_root(s->work, s->head.pos.serial, root);
	if (rc != RC_OK)
		return rc == RC_EAGAIN ? RC_OK : rc;
	if (memcmp(root, s->head.root, SHA256_SIZE) != 0) {
		sub_restart(s, SUB_MISMATCH, "the leaves do not give the root");
		return RC_OK;
	}
	/* What is taken by an operator's will is taken whole or not at all. */
	if (!s->trusting && work_get(s->work, DIRECTORY_ID))
		rc = verify_head(s, now);
	return rc == RC_EAGAIN ? RC_OK : rc;
}

/* The set is whole and verified: is it one to serve? Takes next over. */
static void make_ready(struct sub *s, struct snapshot *next, int64_t now)
{
	if (s->head.expires <= now ||
	    !sub_right_service(s, s->head.service) ||
	    !sub_moves_on(s, &s->head)) {
		snapshot_unref(next);
		return;
	}
	snapshot_unref(s->ready);
	s->ready = next;
	s->n_ready = s->n_run;
}

enum rc sub_verify(struct sub *s, int64_t now)
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
		return follow(s, now);
	rc = work_snapshot(s->work, &s->head, &next);
	if (rc == RC_EDIGEST)
		sub_restart(s, SUB_MISMATCH, "the set does not give the root");
	if (rc != RC_OK)
		return rc == RC_ENOMEM ? rc : RC_OK;
	rc = verify_head(s, now);
	if (rc == RC_OK && !s->reopen)
		make_ready(s, next, now);
	else
		snapshot_unref(next);
	return rc == RC_EAGAIN ? RC_OK : rc;
}
