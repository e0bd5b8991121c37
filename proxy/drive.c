/* What proto/sub says is carried out, whether it hangs on a connection or on a
 * poll. */
#include "proxy/writer.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/service/miss.h"
#include "common/sys/clock.h"
#include "common/sys/log.h"

#define NEEDS_PUSH "maps change faster than they can be fetched here: this " \
	"service needs mode = \"push\""

/* Bodies may take the time that a slow line needs. The size of a directory may be
 * anybody's word, those of the others stand under a signature by then. */
static void allow(struct applier *a, const struct sub_act *act)
{
	uint64_t ms = act->within * 1000ull;

	if (strcmp(act->id, DIRECTORY_ID) != 0)
		ms += sub_owed(a->sub) / FETCH_RATE * 1000;
	if (ms > a->allowed_ms)
		a->allowed_ms = ms;
}

static void start_body(struct applier *a, const struct sub_act *act)
{
	struct fetch f = {
		.kind = FETCH_BODY, .id = act->id, .uri = act->uri,
		.who = fetch_from(a, act->id, act->no_cache),
		.number = act->number, .size = act->size,
		.no_cache = act->no_cache, .within = act->within,
	};
	enum rc rc = fetch_start(a, &f, NULL);
	struct sub_body none = { .id = act->id, .number = act->number };

	allow(a, act);
	if (a->poll.round && f.who->pull)
		show(a, "snapshot", NULL);
	if (rc == RC_OK)
		return;
	log_warn("pull", "resource=%s uri=%s: %s", act->id, act->uri,
	         rc_text(rc));
	if (sub_fetched(a->sub, &none, clock_wall_s()) != RC_OK)
		sub_lost(a->sub, SUB_CLOSED);
}

static enum source_fault fault_of(enum sub_reason r)
{
	switch (r) {
	case SUB_LOWER:		return SOURCE_LOWER;
	case SUB_FORK:		return SOURCE_FORK;
	case SUB_LOOP:		return SOURCE_LOOP;
	case SUB_SERVICE:	return SOURCE_SERVICE;
	case SUB_EXPIRED:	return SOURCE_EXPIRED;
	case SUB_BYE:		return SOURCE_BYE;
	case SUB_CLOSED:
	case SUB_SILENT:	return SOURCE_DOWN;
	default:		return SOURCE_BAD;
	}
}

/* A round is over without a set to serve. */
static void end_round(struct applier *a, const struct sub_act *act,
                      const char *why)
{
	struct poll_end e = {
		.failed = act->reason != SUB_ROUNDS, .why = why,
		.fault = fault_of(act->reason),
	};

	if (act->reason == SUB_ROUNDS)
		show_trouble(a, "rounds", NEEDS_PUSH);
	sub_closed(a->sub);
	poll_over(a, &e);
}

static void reopen(struct applier *a, const struct sub_act *act)
{
	char why[WHY_MAX];

	snprintf(why, sizeof(why), "%s: %s", sub_reason_text(act->reason),
	         act->why);
	log_warn("upstream", "reopen upstream=%s reason=%s %s", show_at(a),
	         sub_reason_text(act->reason), act->why);
	if (act->reason == SUB_FORK || act->reason == SUB_CLOCK)
		show_trouble(a, sub_reason_text(act->reason), act->why);
	if (a->poll.round) {
		end_round(a, act, why);
	} else {
		channel_close(a, act->code, sub_reason_text(act->reason));
		channel_failed(a, fault_of(act->reason), why,
		               act->retry_after);
	}
	if (act->reason == SUB_KEY)
		trust_ask(a);
}

static enum rc carry_out(struct applier *a, const struct sub_act *act)
{
	enum rc rc = RC_OK;

	switch (act->what) {
	case SUB_SEND:
		tell(a, MSG_DO_SEND, act->text, act->len, 0);
		break;
	case SUB_FETCH:
		start_body(a, act);
		break;
	case SUB_PUBLISH:
		rc = serve(a, act);
		if (rc == RC_OK)
			rc = sub_served(a->sub);
		a->channel.led = rc == RC_OK;
		a->behind_ms = a->allowed_ms = 0;
		if (a->channel.led && a->channel.phase == CHANNEL_OPEN)
			a->channel.down = 0;
		break;
	case SUB_REOPEN:
		reopen(a, act);
		break;
	case SUB_POLL:
		poll_start(a, true);
		break;
	case SUB_WAIT:
		break;
	}
	return rc;
}

/* Out of memory, or the journal cannot be written: the other side is not at fault,
 * and is come back to. */
static void give_up(struct applier *a, enum rc rc)
{
	bool round = a->poll.round;

	log_error("proxy", "cannot go on for now, the upstream is not at fault: "
	          "%s", rc_text(rc));
	sub_closed(a->sub);
	channel_close(a, CLOSE_RESYNC, rc_text(rc));
	if (round)
		poll_over(a, &(struct poll_end){ .failed = true,
			.fault = SOURCE_LOCAL, .why = rc_text(rc) });
	else
		channel_failed(a, SOURCE_LOCAL, rc_text(rc), 1);
}

/* After all that: has it led on? */
static void look(struct applier *a)
{
	/* Keys go with the states that are verified, also with those that are
	 * not served yet: what has retired must be so after a restart, too. How
	 * far they are known goes with them, and needs no writing alone. */
	if (memcmp(&a->kept, sub_keys(a->sub), offsetof(struct keys, top)) !=
	    0)
		serve_keys(a);
	if (a->poll.round && !a->poll.ticket && !sub_polling(a->sub)) {
		status_trouble(a->house->status, "rounds", NULL, 0);
		poll_over(a, &(struct poll_end){ .failed = false });
		return;
	}
	if (a->channel.phase != CHANNEL_OPEN)
		return;
	if (strcmp(sub_phase(a->sub), "current") == 0) {
		/* Its word alone, that nothing is new, proves nothing. */
		if (a->channel.led)
			sources_good(a->sources, clock_mono_ms());
		status_trouble(a->house->status, "rounds", NULL, 0);
		if (a->miss)
			miss_settled(a->miss);
	}
	show(a, sub_phase(a->sub), NULL);
}

void drive(struct applier *a, enum rc rc)
{
	struct sub_act act = { .what = SUB_SEND };

	while (rc == RC_OK && act.what != SUB_WAIT) {
		rc = sub_next(a->sub, &act);
		if (rc == RC_OK)
			rc = carry_out(a, &act);
	}
	if (rc != RC_OK)
		give_up(a, rc);
	else
		look(a);
	tell_hello(a);
}

void drive_body(struct applier *a, const struct pull_result *r)
{
	struct sub_body b = fetch_body(r);
	char why[WHY_MAX];

	status_add(a->house->status, b.ok ? STATUS_pulls : STATUS_pull_failures,
	           1);
	if (!b.ok) {
		fetch_why(r, why);
		log_warn("pull", "resource=%s %s", r->id, why);
	}
	drive(a, sub_fetched(a->sub, &b, clock_wall_s()));
}
