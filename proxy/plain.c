/* A plain ALTO server (RFC 7285) as the one upstream: its directory and its maps are
 * asked for again and again by their ETags, and served together, without any proof.
 *
 * A round asks for the directory and then for each map. What it brings is served
 * when all of it has come and goes together: else all is asked for once more, since
 * a change fell in between, and after ROUNDS what is held stays. Nothing of it is
 * journalled, so that the journal never holds what nobody signed.
 */
#include "proxy/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/sys/clock.h"
#include "common/sys/log.h"
#include "common/wire/json.h"
#include "proxy/plainset.h"
#include "proxy/settings.h"

#define ROUNDS 3u
#define NOTES_MAX 8192u

struct plain {
	struct plainset *set;
	int64_t refresh_s, keep_s;
	uint64_t due_ms;		/* the next round */
	bool busy;			/* one is under way: */
	uint64_t ticket;
	size_t at;			/* map asked for; 0: the directory, i + 1 */
	unsigned round;			/* from 1 */
	int64_t began;			/* Unix seconds */
	struct buf notes;		/* of it */
	char *told;			/* those logged last, or NULL */
};

static struct status_upstream *shown(struct applier *a)
{
	return &a->shown[0];
}

static uint64_t interval_ms(struct applier *a)
{
	uint64_t all = (uint64_t)a->plain->refresh_s * 1000;

	return all - sources_random(a->sources, all / 8 + 1);
}

/* ---- the end of a round ---------------------------------------------------- */

/* Once, not each time that the same is seen. */
static void tell_notes(struct plain *p)
{
	char *text = buf_take(&p->notes, NULL), *line, *rest;

	if (text && (!p->told || strcmp(text, p->told) != 0)) {
		free(p->told);
		p->told = strdup(text);
		for (line = strtok_r(text, "\n", &rest); line;
		     line = strtok_r(NULL, "\n", &rest))
			log_warn("plain", "%s", line);
	}
	free(text);
}

static void over(struct applier *a, const char *why)
{
	struct plain *p = a->plain;

	p->busy = false;
	p->ticket = 0;
	if (a->resyncing)
		tell_answer(a, a->resync, &a->from, why);
	a->resyncing = false;
	a->resync = NULL;
}

/* Whoever has something to serve is in no hurry, nor is what is wrong mended by
 * asking again at once. */
static void failed(struct applier *a, enum source_fault f,
                   unsigned retry_after, const char *why)
{
	uint64_t now = clock_mono_ms();

	log_warn("plain", "upstream=%s %s%s", show_at(a), why,
	         a->now ? ": what is held stays" : "");
	shown(a)->failures++;
	(void)sources_failed(a->sources, f, retry_after, now);
	a->plain->due_ms = sources_due(a->sources);
	if ((a->now || f == SOURCE_BAD) &&
	    a->plain->due_ms < now + interval_ms(a))
		a->plain->due_ms = now + interval_ms(a);
	show(a, f == SOURCE_LOWER ? "behind" : "closed", why);
	over(a, why);
}

static void refused(struct applier *a, const char *id, enum rc rc,
                    const struct diag *d)
{
	struct buf text = BUF_INIT(WHY_MAX);
	struct diag at = *d;

	diag_set(&at, rc, "%s", rc_text(rc));
	diag_print(&at, &text);
	if (id) {
		char why[WHY_MAX];

		snprintf(why, sizeof(why), "\"%s\": %s", id, buf_str(&text));
		failed(a, SOURCE_BAD, 0, why);
	} else {
		failed(a, SOURCE_BAD, 0, buf_str(&text));
	}
	buf_free(&text);
}

static void publish_set(struct applier *a, struct snapshot *next)
{
	const struct state *st = snapshot_state(next);
	bool same = a->now && snapshot_state(a->now)->pos.serial ==
	            st->pos.serial;
	struct publication pub = { .next = next, .prev = a->now,
	                           .jump = !same, .fleeting = true };
	struct diag d = { 0 };
	enum rc rc = publish(&a->house->publish, &pub, &d);

	if (rc != RC_OK) {
		refused(a, NULL, rc, &d);
		return;
	}
	status_add(a->house->status, same ? STATUS_heartbeats :
	           STATUS_publications, 1);
	if (!same) {
		shown(a)->counts.published++;
		log_info("publish", "serial=%llu unsigned resources=%zu",
		         (unsigned long long)st->pos.serial,
		         snapshot_count(next));
	}
	snapshot_unref(a->now);
	a->now = snapshot_ref(next);
	sources_good(a->sources, clock_mono_ms());
	a->plain->due_ms = clock_mono_ms() + interval_ms(a);
	show(a, "current", NULL);
	over(a, NULL);
}

static void begin(struct applier *a);

static void end_round(struct applier *a)
{
	struct plain *p = a->plain;
	const struct plainset_times t = { p->began, p->began + p->keep_s };
	struct snapshot *next = NULL;
	struct diag d = { 0 };
	char why[WHY_MAX];
	enum rc rc = plainset_seal(p->set, a->now, &t, &next, &d);

	tell_notes(p);
	if (rc == RC_OK) {
		publish_set(a, next);
		snapshot_unref(next);
	} else if (rc == RC_EGAP && p->round < ROUNDS) {
		log_info("plain", "round=%u %s", p->round, d.text);
		p->round++;
		begin(a);
	} else if (rc == RC_EGAP) {
		snprintf(why, sizeof(why), "%u rounds, and %.200s", ROUNDS,
		         d.text);
		failed(a, SOURCE_LOWER, 0, why);
	} else {
		refused(a, NULL, rc, &d);
	}
}

/* ---- asking ---------------------------------------------------------------- */

static void ask(struct applier *a)
{
	const struct contact *who = contacts_at(a->contacts, 0);
	struct plain *p = a->plain;
	struct plainset_map m = { DIRECTORY_ID, "", plainset_etag(p->set) };
	struct fetch f = { .kind = FETCH_PLAIN, .who = who,
	                   .size = JSON_SMALL_MAX / 2,
	                   .no_cache = p->round > 1 };
	enum rc rc;

	if (p->at > 0) {
		m = plainset_at(p->set, p->at - 1);
		f.size = who->body_max;	/* it may have grown to any size */
	}
	f.id = m.id;
	f.uri = m.uri;
	f.if_none_match = m.etag;
	shown(a)->polls++;
	rc = fetch_start(a, &f, &p->ticket);
	if (rc != RC_OK)
		failed(a, SOURCE_BAD, 0, rc_text(rc));
}

static void begin(struct applier *a)
{
	struct plain *p = a->plain;

	p->busy = true;
	p->at = 0;
	p->began = clock_wall_s();
	buf_clear(&p->notes);
	ask(a);
}

/* The next map, or the end. */
static void go_on(struct applier *a)
{
	struct plain *p = a->plain;

	if (p->at == plainset_count(p->set)) {
		end_round(a);
	} else {
		p->at++;
		ask(a);
	}
}

static void take(struct applier *a, const struct pull_result *r)
{
	const struct httpc_answer *w = &r->answer;
	const struct plainset_body body = {
		buf_str(&w->body), w->body.len, httpc_header(w, "ETag")
	};
	struct plain *p = a->plain;
	struct diag d = { 0 };
	enum rc rc;

	if (p->at == 0) {
		rc = plainset_directory(p->set, w->url, &body, &p->notes, &d);
	} else {
		rc = plainset_take(p->set, p->at - 1, &body, &p->notes, &d);
		shown(a)->counts.fetches++;
		status_add(a->house->status, STATUS_pulls, 1);
	}
	if (rc == RC_OK)
		go_on(a);
	else
		refused(a, p->at > 0 ? r->id : "directory", rc, &d);
}

static void no_answer(struct applier *a, const struct pull_result *r)
{
	const char *later = r->rc == RC_OK ?
		httpc_header(&r->answer, "Retry-After") : NULL;
	char why[WHY_MAX];

	fetch_why(r, why);
	if (a->plain->at > 0)
		status_add(a->house->status, STATUS_pull_failures, 1);
	failed(a, SOURCE_DOWN, later ? (unsigned)strtoul(later, NULL, 10) : 0,
	       why);
}

void plain_answer(struct applier *a, const struct pull_result *r)
{
	struct plain *p = a->plain;

	if (!p->busy || r->ticket != p->ticket)
		return;
	p->ticket = 0;
	if (r->rc == RC_OK && r->answer.status == 200) {
		show_date(a, 0, &r->answer);
		take(a, r);
	} else if (r->rc == RC_OK && r->answer.status == 304) {
		shown(a)->unchanged++;
		go_on(a);
	} else {
		no_answer(a, r);
	}
}

/* ---- what is asked for, and time ------------------------------------------- */

static void start(struct applier *a)
{
	a->plain->round = 1;
	begin(a);
}

static void resync(struct applier *a, struct ctlsock_req *req)
{
	if (a->resyncing) {
		tell_answer(a, req, NULL, "one is under way already");
		return;
	}
	trust_from(a);
	a->resyncing = true;
	a->resync = req;
	if (!a->plain->busy)
		start(a);
}

bool plain_command(struct applier *a, struct msg *m)
{
	switch (m->kind) {
	case MSG_RESYNC:
		resync(a, ((struct msg_command *)m)->req);
		return true;
	case MSG_TRUST:
		tell_answer(a, ((struct msg_command *)m)->req, NULL,
		            "the upstream is unsigned: there is no key to trust");
		return true;
	case MSG_BACKUP:
		tell_answer(a, ((struct msg_command *)m)->req, NULL,
		            "the upstream is unsigned: nothing of it is kept, so "
		            "there is nothing to copy");
		return true;
	case MSG_BELOW:
	case MSG_MISSING:
		return true;
	default:
		return false;
	}
}

uint64_t plain_tick(struct applier *a)
{
	struct plain *p = a->plain;
	uint64_t now;

	if (atomic_exchange(&a->lost, false) && p->busy)
		failed(a, SOURCE_DOWN, 0, "an answer was lost");
	now = clock_mono_ms();
	if (!p->busy && p->due_ms <= now)
		start(a);
	now = clock_mono_ms();
	if (p->busy || p->due_ms > now + (uint64_t)p->refresh_s * 1000)
		return (uint64_t)p->refresh_s * 1000;
	return p->due_ms > now ? p->due_ms - now : 0;
}

/* ---- life ------------------------------------------------------------------ */

static void warn(const struct contact *c)
{
	log_warn("plain", "upstream=%s unsigned: no client can check what is "
	         "served here, and nobody may subscribe", c->directory);
	if (strncmp(c->directory, "http://", 7) == 0 &&
	    !uri_on_loopback(c->directory))
		log_warn("plain", "upstream=%s http:// proves nobody's name "
		         "either: whoever is on the way can change the maps",
		         c->directory);
}

enum rc plain_open(struct applier *a, const struct restored *restored,
                   struct diag *d)
{
	struct plain *p;
	enum rc rc;

	if (restored->snapshot)
		return diag_set(d, RC_EEXIST, "upstream.unsigned: %s holds maps "
		                "that were signed, which must not give way to "
		                "others: set another state",
		                conf_get_str(a->conf, "state"));
	p = calloc(1, sizeof(*p));
	rc = p ? plainset_new(&p->set) : RC_ENOMEM;
	if (rc != RC_OK) {
		free(p);
		return rc;
	}
	buf_init(&p->notes, NOTES_MAX);
	p->refresh_s = conf_list_int(a->conf, "upstream", 0, "refresh");
	p->keep_s = conf_list_int(a->conf, "upstream", 0, "keep");
	a->plain = p;
	a->heartbeat = (unsigned)p->refresh_s;
	warn(contacts_at(a->contacts, 0));
	return RC_OK;
}

void plain_free(struct applier *a)
{
	struct plain *p = a->plain;

	if (!p)
		return;
	plainset_free(p->set);
	buf_free(&p->notes);
	free(p->told);
	free(p);
}
