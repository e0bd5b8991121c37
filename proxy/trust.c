/* What the origin alone may say: which keys are its own, and at the operator's word
 * which state counts, although it is a lower one. */
#include "proxy/writer.h"

#include <stdio.h>
#include <string.h>

#include "common/sys/clock.h"
#include "common/sys/log.h"
#include "common/wire/state_json.h"

#define PAUSE_MS 60000		/* between two questions for keys */

static enum rc ask(struct applier *a, enum fetch_kind kind, const char *uri,
                   uint64_t *ticket)
{
	struct fetch f = {
		.kind = kind, .who = contacts_origin(a->contacts), .uri = uri,
		.id = kind == FETCH_TRUST_STATE ? "state" : DIRECTORY_ID,
		.no_cache = true,
	};

	return fetch_start(a, &f, ticket);
}

/* ---- after SUB_KEY --------------------------------------------------------- */

void trust_ask(struct applier *a)
{
	struct trust *t = &a->trust;
	uint64_t now = clock_mono_ms();
	enum rc rc;

	if (t->ticket || (t->asked_ms && now - t->asked_ms < PAUSE_MS))
		return;
	t->asked_ms = now + 1;
	log_info("trust", "asking the origin for its keys: %s",
	         contacts_origin(a->contacts)->directory);
	rc = ask(a, FETCH_KEYS, "", &t->ticket);
	if (rc != RC_OK)
		log_warn("trust", "origin: %s", rc_text(rc));
}

void trust_begin(struct applier *a)
{
	struct trust *t = &a->trust;
	const struct keys *k = sub_keys(a->sub);

	if (t->began)
		return;
	t->began = true;
	if (k->n || k->n_pins || contacts_all_at_origin(a->contacts))
		return;
	trust_ask(a);
	t->first = t->ticket != 0;
}

/* NULL: its keys are trusted now; else why not. */
static const char *introduce(struct applier *a, const struct pull_result *r,
                             char why[WHY_MAX])
{
	struct sub_body b = fetch_body(r);
	struct diag d = { 0 };
	enum rc rc;

	if (!b.ok) {
		fetch_why(r, why);
		return why;
	}
	b.id = DIRECTORY_ID;
	rc = sub_introduce(a->sub, &b, clock_wall_s(), &d);
	if (rc == RC_OK) {
		serve_keys(a);
		return NULL;
	}
	show_why(&r->answer, d.text[0] ? d.text : rc_text(rc), why);
	return why;
}

static void on_keys(struct applier *a, const struct pull_result *r)
{
	struct keys before = *sub_keys(a->sub);
	char text[WHY_MAX];
	const char *why;

	a->trust.ticket = 0;
	a->trust.first = false;
	why = introduce(a, r, text);
	if (why) {
		log_warn("trust", "the origin's keys are not taken: %s", why);
		status_trouble(a->house->status, "key", why, clock_wall_s());
		return;
	}
	log_info("trust", "the origin's keys are trusted now");
	/* An answer that brought something may be asked for again at once. */
	if (before.n != sub_keys(a->sub)->n ||
	    memcmp(before.key, sub_keys(a->sub)->key,
	           before.n * sizeof(before.key[0])) != 0)
		a->trust.asked_ms = 0;
	status_trouble(a->house->status, "key", NULL, 0);
	sources_hurry(a->sources, clock_mono_ms());
	a->poll.due_ms = clock_mono_ms();
}

/* ---- the operator's command ------------------------------------------------ */

void trust_from(struct applier *a)
{
	const struct position none = { "", 0 };

	a->from = a->now ? snapshot_state(a->now)->pos : none;
}

bool trust_busy(const struct applier *a)
{
	return a->trust.step != TRUST_NONE || a->trust.first;
}

void trust_over(struct applier *a, const char *why)
{
	uint64_t now = clock_mono_ms();

	if (why)
		log_warn("trust", "refused: %s", why);
	else
		log_info("trust", "the origin's state is served");
	if (!why)
		status_trouble(a->house->status, "fork", NULL, 0);
	tell_answer(a, a->trust.req, &a->from, why);
	a->trust.step = TRUST_NONE;
	a->trust.req = NULL;
	sources_hurry(a->sources, now);
	a->poll.due_ms = now;
}

void trust_command(struct applier *a, struct ctlsock_req *req)
{
	struct trust *t = &a->trust;
	enum rc rc;

	if (trust_busy(a)) {
		tell_answer(a, req, NULL, "one is under way already");
		return;
	}
	if (!contacts_origin_proven(a->contacts)) {
		tell_answer(a, req, NULL, "the origin is not at https://, so its name "
		            "is not proven");
		return;
	}
	channel_close(a, CLOSE_RESYNC, close_text(CLOSE_RESYNC));
	poll_forget(a);
	sub_closed(a->sub);
	trust_from(a);
	t->step = TRUST_KEYS;
	t->req = req;
	rc = ask(a, FETCH_TRUST_KEYS, "", &t->step_ticket);
	if (rc != RC_OK)
		trust_over(a, rc_text(rc));
}

static void on_trust_keys(struct applier *a, const struct pull_result *r)
{
	struct ird *ird = NULL;
	char text[WHY_MAX];
	const char *why;
	enum rc rc;

	if (r->rc != RC_OK || r->answer.status != 200) {
		fetch_why(r, text);
		trust_over(a, text);
		return;
	}
	/* Keys that it lists at a lower position are no new ones: what counts
	 * is whether the state verifies. */
	why = introduce(a, r, text);
	if (why)
		log_info("trust", "the origin's keys: %s", why);
	rc = ird_read(buf_str(&r->answer.body), r->answer.body.len, &ird,
	              NULL);
	if (rc == RC_OK)
		rc = ask(a, FETCH_TRUST_STATE, ird_redistribution(ird)->state,
		         &a->trust.step_ticket);
	ird_free(ird);
	a->trust.step = TRUST_STATE;
	if (rc != RC_OK)
		trust_over(a, rc_text(rc));
}

static void on_trust_state(struct applier *a, const struct pull_result *r)
{
	const struct httpc_answer *w = &r->answer;
	struct leaf_set *set = NULL;
	struct diag d = { 0 };
	char text[WHY_MAX];
	enum rc rc;

	if (r->rc != RC_OK || w->status != 200) {
		fetch_why(r, text);
		trust_over(a, text);
		return;
	}
	rc = state_doc_read(buf_str(&w->body), w->body.len, &set, &d);
	if (rc == RC_OK)
		rc = sub_trust(a->sub, set, clock_wall_s(), &d);
	leaf_set_free(set);
	if (rc == RC_EEXIST) {
		trust_over(a, NULL);	/* there is nothing to do */
		return;
	}
	if (rc != RC_OK) {
		snprintf(text, sizeof(text), "%.250s", d.text[0] ? d.text :
		         rc_text(rc));
		trust_over(a, text);
		return;
	}
	a->trust.step = TRUST_ROUND;
	a->poll.round = true;
	drive(a, RC_OK);
}

void trust_answer(struct applier *a, const struct pull_result *r)
{
	struct trust *t = &a->trust;

	if (r->kind == FETCH_KEYS) {
		if (t->ticket && r->ticket == t->ticket)
			on_keys(a, r);
		return;
	}
	if (!trust_busy(a) || r->ticket != t->step_ticket)
		return;
	if (t->step == TRUST_KEYS && r->kind == FETCH_TRUST_KEYS)
		on_trust_keys(a, r);
	else if (t->step == TRUST_STATE && r->kind == FETCH_TRUST_STATE)
		on_trust_state(a, r);
}
