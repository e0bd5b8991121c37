/* The state document, asked for again and again: pull mode, and in place of a push
 * channel that is down. Also of upstreams that are not in use.
 *
 * The validator is made of what is held, so that it can never stand for something
 * else, also after a restart.
 */
#include "proxy/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/digest.h"
#include "common/service/miss.h"
#include "common/sys/clock.h"
#include "common/sys/log.h"
#include "common/wire/json.h"
#include "common/wire/state_json.h"

#define STATE_DOC_MAX	(2u << 20)	/* 1,000 long leaves */
#define SOON_MS		5000		/* while nothing is held */
/* ETag as the identity coding has it, and as a cache or a coder may weaken it. */
#define ETAG_TEXT (3 * SHA256_SIZE * 2 + 64)

bool poll_wanted(const struct applier *a)
{
	return contacts_at(a->contacts, sources_chosen(a->sources))->pull ||
	       (a->channel.down >= FALLBACK_AFTER &&
	        a->channel.phase != CHANNEL_OPEN);
}

static bool in_pull_mode(const struct applier *a)
{
	return contacts_at(a->contacts, sources_chosen(a->sources))->pull;
}

/* Half a heartbeat and never later: three levels of it stay fresh. */
static uint64_t interval_ms(struct applier *a)
{
	uint64_t half = (a->heartbeat ? a->heartbeat : HEARTBEAT_S) * 500ull;

	return half - sources_random(a->sources, half / 4 + 1);
}

/* "": nothing is held. */
static void validator(const struct applier *a, char out[ETAG_TEXT])
{
	struct buf doc = BUF_INIT(STATE_DOC_MAX);
	char hex[SHA256_SIZE * 2 + 1];
	struct digest *d = NULL;
	uint8_t hash[SHA256_SIZE];

	out[0] = '\0';
	if (a->now && state_doc(a->now, &doc) == RC_OK &&
	    digest_new(&d) == RC_OK) {
		digest_start(d);
		digest_add(d, doc.data, doc.len);
		if (digest_end(d, hash) == RC_OK) {
			enc_hex(hash, sizeof(hash), hex);
			snprintf(out, ETAG_TEXT, "\"%s\", W/\"%s-gzip\", "
			         "W/\"%s-zstd\"", hex, hex, hex);
		}
	}
	digest_free(d);
	buf_free(&doc);
}

/* ---- asking ---------------------------------------------------------------- */

static const struct contact *asked(const struct applier *a)
{
	return a->trust.step == TRUST_ROUND ? contacts_origin(a->contacts) :
		contacts_at(a->contacts, sources_chosen(a->sources));
}

static void ask(struct applier *a, bool no_cache)
{
	const char *uri = a->now ? a->state_uri : a->poll.uri;
	char held[ETAG_TEXT];
	struct fetch f = {
		.kind = uri[0] ? FETCH_STATE : FETCH_COLD, .uri = uri,
		.id = uri[0] ? "state" : DIRECTORY_ID,
		.who = asked(a), .no_cache = no_cache,
	};
	enum rc rc;

	if (f.kind == FETCH_STATE)
		validator(a, held);
	else
		held[0] = '\0';
	f.if_none_match = held[0] ? held : NULL;
	rc = fetch_start(a, &f, &a->poll.ticket);
	a->poll.no_cache = no_cache;
	if (rc != RC_OK)
		poll_over(a, &(struct poll_end){ .failed = true,
			.fault = SOURCE_BAD, .why = rc_text(rc) });
}

void poll_start(struct applier *a, bool no_cache)
{
	if (a->poll.ticket)
		return;
	a->shown[sources_chosen(a->sources)].polls++;
	ask(a, no_cache);
}

void poll_forget(struct applier *a)
{
	a->poll.ticket = 0;
	a->poll.round = a->poll.fallback = false;
	if (a->resyncing)
		tell_answer(a, a->resync, &a->from, "it was overtaken: try again");
	a->resyncing = false;
	a->resync = NULL;
}

/* ---- the end --------------------------------------------------------------- */

static void end_failed(struct applier *a, const struct poll_end *e)
{
	const char *why = e->why ? e->why : source_fault_text(e->fault);
	uint64_t now = clock_mono_ms();

	a->channel.led = false;
	if (!in_pull_mode(a)) {
		a->poll.due_ms = now + (a->now ? interval_ms(a) : SOON_MS);
		a->poll.fallback = false;
		show(a, "closed", NULL);
		return;
	}
	if (e->fault == SOURCE_LOCAL) {
		show(a, "behind", NULL);
	} else {
		a->shown[sources_chosen(a->sources)].failures++;
		show(a, "closed", why);
	}
	if (sources_failed(a->sources, e->fault, e->retry_after, now))
		channel_switched(a, why);
	a->poll.due_ms = sources_due(a->sources);
}

static int64_t age(const struct state *st)
{
	return clock_wall_s() - st->created;
}

static bool is_fresh(const struct applier *a, const struct state *st)
{
	int64_t beat = a->heartbeat ? a->heartbeat : HEARTBEAT_S;

	return age(st) < STATE_FRESH_BEATS * beat;
}

static void end_well(struct applier *a, const struct poll_end *e)
{
	uint64_t now = clock_mono_ms();

	a->poll.due_ms = now + interval_ms(a);
	if (in_pull_mode(a)) {
		/* Its word alone, that nothing is new, proves nothing. */
		if (a->channel.led && is_fresh(a, snapshot_state(a->now)))
			sources_good(a->sources, now);
		show(a, e->why ? "behind" : "current", e->why);
	} else if (a->channel.phase != CHANNEL_OPEN) {
		a->poll.fallback = true;
		show(a, "fallback", e->why);
	}
}

void poll_over(struct applier *a, const struct poll_end *e)
{
	char why[WHY_MAX];

	snprintf(why, sizeof(why), "%s", e->why ? e->why : "");
	a->poll.ticket = 0;
	a->poll.round = false;
	a->poll.failed = e->failed;
	if (a->trust.step == TRUST_ROUND) {
		trust_over(a, e->failed || e->why ? why : NULL);
		return;
	}
	if (e->failed)
		end_failed(a, e);
	else
		end_well(a, e);
	if (a->miss)
		miss_settled(a->miss);
	if (a->resyncing)
		tell_answer(a, a->resync, &a->from, e->failed || e->why ? why : NULL);
	a->resyncing = false;
	a->resync = NULL;
}

static void failed(struct applier *a, enum source_fault f, const char *why)
{
	log_warn("poll", "upstream=%s %s", show_at(a), why);
	poll_over(a, &(struct poll_end){ .failed = true, .fault = f,
		.why = why });
}

/* ---- what came ------------------------------------------------------------- */

/* May be an old copy out of a cache: is it anything but what is held, later? */
static bool looks_old(const struct applier *a, const struct state *st)
{
	const struct state *at = a->now ? snapshot_state(a->now) : NULL;
	int cmp = at ? position_cmp(&st->pos, &at->pos) : 1;

	return cmp < 0 || (cmp == 0 && st->created <= at->created);
}

static void on_state(struct applier *a, const struct httpc_answer *w)
{
	struct leaf_set *set = NULL;
	struct diag d = { 0 };
	enum rc rc = state_doc_read(buf_str(&w->body), w->body.len, &set, &d);

	if (rc != RC_OK) {
		failed(a, SOURCE_BAD, d.text[0] ? d.text : rc_text(rc));
		return;
	}
	if (!a->poll.no_cache && looks_old(a, &set->state)) {
		ask(a, true);
		goto out;
	}
	a->poll.round = true;
	if (a->trust.step == TRUST_ROUND)
		rc = sub_trust(a->sub, set, clock_wall_s(), &d);
	else
		rc = sub_polled(a->sub, set, clock_wall_s());
	if (rc == RC_OK || rc == RC_ENOMEM)
		drive(a, rc);
	else
		failed(a, SOURCE_BAD, d.text);
out:
	leaf_set_free(set);
}

/* Where the state document is; nothing else of it is believed. */
static void on_cold(struct applier *a, const struct httpc_answer *w)
{
	struct ird *ird = NULL;
	struct diag d = { 0 };
	enum rc rc = ird_read(buf_str(&w->body), w->body.len, &ird, &d);

	if (rc != RC_OK && fetch_is_plain(w)) {
		failed(a, SOURCE_PLAIN, PLAIN);
		return;
	}
	if (rc != RC_OK) {
		failed(a, SOURCE_BAD, d.text[0] ? d.text : rc_text(rc));
		return;
	}
	snprintf(a->poll.uri, sizeof(a->poll.uri), "%s",
	         ird_redistribution(ird)->state);
	ird_free(ird);
	ask(a, a->poll.no_cache);
}

/* true: the channel comes first, and will be waited for. */
static bool give_chance(struct applier *a)
{
	if (in_pull_mode(a) || a->resyncing || a->poll.round ||
	    a->trust.step == TRUST_ROUND || a->channel.chance == CHANCE_MISSED)
		return false;
	a->channel.chance = CHANCE_GIVEN;
	sources_hurry(a->sources, clock_mono_ms());
	a->poll.due_ms = clock_mono_ms() + interval_ms(a);
	return true;
}

static void no_answer(struct applier *a, const struct pull_result *r)
{
	const char *later = r->rc == RC_OK ?
		httpc_header(&r->answer, "Retry-After") : NULL;
	char why[WHY_MAX];

	if (!a->now && r->kind == FETCH_STATE)
		a->poll.uri[0] = '\0';
	a->channel.chance = CHANCE_NONE;
	fetch_why(r, why);
	log_warn("poll", "upstream=%s %s", show_at(a), why);
	poll_over(a, &(struct poll_end){ .failed = true,
		.fault = SOURCE_DOWN, .why = why,
		.retry_after = later ? (unsigned)strtoul(later, NULL, 10) : 0 });
}

void poll_answer(struct applier *a, const struct pull_result *r)
{
	const struct httpc_answer *w = &r->answer;
	size_t i = sources_chosen(a->sources);

	if (!a->poll.ticket || r->ticket != a->poll.ticket)
		return;
	a->poll.ticket = 0;
	/* Nothing can be as it was where nothing is. */
	if (r->rc != RC_OK || (w->status != 200 && w->status != 304) ||
	    (w->status == 304 && !a->now)) {
		no_answer(a, r);
		return;
	}
	show_date(a, i, w);
	if (give_chance(a))
		return;
	if (r->kind == FETCH_COLD) {
		on_cold(a, w);
	} else if (w->status == 200) {
		on_state(a, w);
	} else {
		a->shown[i].unchanged++;
		poll_over(a, &(struct poll_end){ .failed = false });
	}
}

uint64_t poll_tick(struct applier *a, uint64_t now)
{
	uint64_t due = a->poll.due_ms;

	if (a->poll.ticket || a->poll.round || trust_busy(a) ||
	    !poll_wanted(a))
		return SOURCES_NEVER;
	if (due > now)
		return due;
	poll_start(a, false);
	return SOURCES_NEVER;
}

/* ---- the others ------------------------------------------------------------ */

/* One who signs below what was held, and later, has another history than the one
 * that came from: he who is only late signed earlier. */
static bool is_other_line(struct applier *a, const struct state *st)
{
	const struct state *at = snapshot_state(a->now);
	struct position *pos = &a->above[a->probed].pos;
	int64_t *created = &a->above[a->probed].created;

	if (position_cmp(&st->pos, &at->pos) >= 0) {
		*created = 0;
		return false;
	}
	if (!*created || position_cmp(&st->pos, pos) >= 0) {
		*pos = at->pos;
		*created = at->created;
	}
	return st->created > *created;
}

/* The state of an upstream that is not in use, beside what is held. */
static void compare(struct applier *a, const struct state *st,
                    struct probed *p)
{
	const struct state *at = snapshot_state(a->now);
	int cmp = position_cmp(&st->pos, &at->pos);
	bool other = cmp == 0 && memcmp(st->root, at->root, SHA256_SIZE) != 0;
	const char *what = NULL;

	if (cmp < 0)
		what = BELOW;
	else if (other)
		what = "with another root than what is held";
	else if (a->stuck && looks_old(a, st))
		what = "which is not newer than what is held";
	if (what)
		snprintf(p->why, sizeof(p->why), "offers serial %llu of session "
		         "%s, %s", (unsigned long long)st->pos.serial,
		         st->pos.session, what);
	p->fork = is_other_line(a, st) || other;
}

/* Does it have what could be used at once? When the one in use gives nothing new,
 * something newer. */
static void examine(struct applier *a, const struct state *st,
                    struct probed *p)
{
	const struct keys *k = sub_keys(a->sub);
	enum rc rc = k->n ? keys_check(k, st) : RC_OK;
	struct diag d = { 0 };
	const char *why = NULL;

	if (rc != RC_OK)
		why = rc == RC_EKEY ? "signed by a key that is not trusted" :
			rc == RC_ESIG ? "its signature is wrong" : rc_text(rc);
	else if (a->now && strcmp(st->service,
	                          snapshot_state(a->now)->service) != 0)
		why = "another service";
	else if (state_time(st, clock_wall_s(), &d) != RC_OK)
		why = d.text;
	else if (a->now)
		compare(a, st, p);
	if (!why && !p->why[0] && !is_fresh(a, st))
		why = "what it offers is not fresh";
	if (why)
		snprintf(p->why, sizeof(p->why), "%.250s", why);
}

/* That nothing has changed is no proof of anything. */
static void look_at(struct applier *a, const struct pull_result *r,
                    struct probed *p)
{
	const struct httpc_answer *w = &r->answer;
	struct leaf_set *set = NULL;
	char why[WHY_MAX];

	if (r->rc != RC_OK || w->status != 200) {
		fetch_why(r, why);
		snprintf(p->why, sizeof(p->why), "does not answer: %.230s", why);
	} else if (state_doc_read(buf_str(&w->body), w->body.len, &set, NULL) !=
	           RC_OK) {
		snprintf(p->why, sizeof(p->why), "offers no state document");
	} else {
		examine(a, &set->state, p);
	}
	leaf_set_free(set);
}

static void go_to(struct applier *a, size_t was)
{
	char why[IRD_URI_MAX + WHY_MAX];

	snprintf(why, sizeof(why), "it is well, and nothing new comes from %s",
	         contacts_at(a->contacts, was)->directory);
	channel_close(a, CLOSE_RESYNC, "another upstream is preferred");
	poll_forget(a);
	sub_closed(a->sub);
	channel_switched(a, a->probed < was ? "it is well, and preferred" : why);
}

void probe_answer(struct applier *a, const struct pull_result *r)
{
	size_t was = sources_chosen(a->sources);
	struct probed p = { "", false };
	uint64_t now;

	if (!a->probe_ticket || r->ticket != a->probe_ticket)
		return;
	a->probe_ticket = 0;
	look_at(a, r, &p);
	if (r->rc == RC_OK)
		show_date(a, a->probed, &r->answer);
	show_probed(a, a->probed, &p);
	now = clock_mono_ms();
	if (sources_probed(a->sources, a->probed, !p.why[0] &&
	                   now >= a->barred_ms[a->probed], now))
		go_to(a, was);
}

static void probe(struct applier *a, size_t i)
{
	struct fetch f = {
		.kind = FETCH_PROBE, .uri = a->now ? a->state_uri : "state",
		.id = "state", .who = contacts_at(a->contacts, i),
		.no_cache = true,
	};

	a->probed = i;
	a->shown[i].probes++;
	if (fetch_start(a, &f, &a->probe_ticket) != RC_OK)
		a->probe_ticket = 0;
}

/* Is something newer known of, by its word, that is not here? */
static bool is_behind(const struct applier *a)
{
	const char *phase = sub_phase(a->sub);

	return strcmp(phase, "current") != 0 && strcmp(phase, "closed") != 0;
}

/* The upstream in use has given nothing at all, or nothing new, or does not give
 * what it says there is: when will it have had the time for that? */
static uint64_t stuck_at(struct applier *a, uint64_t now)
{
	const int64_t late = (STATE_FRESH_BEATS + 1) * (int64_t)a->heartbeat;
	uint64_t patience = STUCK_MS, since = sources_since(a->sources);

	if (late && late * 1000 < STUCK_MS)
		patience = (uint64_t)late * 1000;
	if (!is_behind(a))
		a->behind_ms = 0;
	else if (!a->behind_ms)
		a->behind_ms = now;
	if (since < a->begun_ms)
		since = a->begun_ms;
	/* A heartbeat more than fresh allows: it is not just late. */
	if (a->now && (!late || age(snapshot_state(a->now)) <= late))
		since = a->behind_ms;
	return since ? since + patience + a->allowed_ms : SOURCES_NEVER;
}

uint64_t probe_tick(struct applier *a, uint64_t now)
{
	uint64_t at = stuck_at(a, now), due;
	size_t i;

	a->stuck = at <= now && !a->unwritten;
	sources_set_stale(a->sources, a->stuck);
	if (a->probe_ticket || trust_busy(a))
		return SOURCES_NEVER;
	if (sources_probe(a->sources, now, &i)) {
		probe(a, i);
		return SOURCES_NEVER;
	}
	due = sources_probe_due(a->sources);
	return at > now && at < due ? at : due;
}
