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

/* Signature and keys of the state that the set gives. Its IRD is signed with
 * it, so the keys that it lists are the trusted ones from here on; that goes
 * for an expired state too, or a run could not be followed across a key
 * change. */
static enum rc verify_keys(struct sub *s)
{
	enum rc rc = sub_load_ird(s);

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

bool sub_moves_on(struct sub *s, const struct state *st)
{
	const struct state *at = s->held ? snapshot_state(s->held) : NULL;
	int cmp = at ? position_cmp(&st->pos, &at->pos) : 1;

	if (cmp < 0 || (cmp == 0 &&
	    memcmp(st->root, at->root, SHA256_SIZE) != 0))
		s->no_have = false;	/* show what we hold: it may be that the
					 * publisher has lost its history */
	if (cmp < 0) {
		sub_reopen(s, SUB_LOWER, "it offers serial %llu of session %s, "
		           "below what is held",
		           (unsigned long long)st->pos.serial, st->pos.session);
		return false;
	}
	if (cmp == 0 && memcmp(st->root, at->root, SHA256_SIZE) != 0) {
		s->counts.forks++;
		sub_reopen(s, SUB_FORK, "another root at serial %llu",
		           (unsigned long long)st->pos.serial);
		return false;
	}
	return true;
}

bool sub_right_service(struct sub *s, const char *service)
{
	const char *mine = s->held ? snapshot_state(s->held)->service :
	                   s->cfg.service;

	if (!mine[0] || strcmp(mine, service) == 0)
		return true;
	sub_reopen(s, SUB_SERVICE, "service %s, expected %s", service, mine);
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

bool sub_in_future(struct sub *s, const struct state *st, int64_t now)
{
	struct diag why = { 0 };

	if (st->expires <= now || state_time(st, now, &why) == RC_OK)
		return false;
	sub_reopen(s, SUB_CLOCK, "%s", why.text);
	return true;
}

/* Signature and key of the head, over a root that is known to be the set's. */
static enum rc verify_head(struct sub *s)
{
	enum rc rc = verify_keys(s);

	if (rc == RC_OK)
		s->line_at = s->head.pos.serial;
	else if (rc != RC_ENOMEM)
		sub_refuse_state(s, rc);
	return rc == RC_ENOMEM ? rc : RC_OK;
}

/* Bodies are still to come, but the leaves are known: a set that cannot be
 * right is not waited for, and the keys are followed from IRD to IRD. */
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
		sub_restart(s, SUB_MISMATCH, "the leaves do not give the root");
		return RC_OK;
	}
	return work_get(s->work, DIRECTORY_ID) ? verify_head(s) : RC_OK;
}

/* The set is whole and verified: is it one to serve? Takes next over. */
static void make_ready(struct sub *s, struct snapshot *next, int64_t now)
{
	if (sub_in_future(s, &s->head, now) || s->head.expires <= now ||
	    !sub_right_service(s, s->head.service) ||
	    !sub_moves_on(s, &s->head)) {
		snapshot_unref(next);
		return;
	}
	snapshot_unref(s->ready);
	s->ready = next;
	s->n_ready = s->n_run;
	s->ready_keys = s->line;
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
		return follow(s);
	rc = work_snapshot(s->work, &s->head, &next);
	if (rc == RC_EDIGEST)
		sub_restart(s, SUB_MISMATCH, "the set does not give the root");
	if (rc != RC_OK)
		return rc == RC_ENOMEM ? rc : RC_OK;
	rc = verify_head(s);
	if (rc == RC_OK && !s->reopen)
		make_ready(s, next, now);
	else
		snapshot_unref(next);
	return rc;
}
