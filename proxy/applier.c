#include "proxy/applier.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/proto/sub.h"
#include "common/sys/clock.h"
#include "common/sys/keyfile.h"
#include "common/sys/log.h"
#include "common/wire/body.h"
#include "common/wire/json.h"
#include "proxy/settings.h"

#define KIND_DISCOVER	1
#define KIND_BODY	2
#define FETCH_TIMEOUT_MS 20000
#define FETCH_RATE	(64u << 10)	/* bytes a second, at least */
#define FETCH_SLACK	(1u << 20)	/* bytes */
#define MISSES_MAX	2	/* before the directory is asked again */
#define TOO_BIG		"1009"	/* close code of a frame over our ceiling */
#define HEARTBEAT_S	60	/* until an IRD says */
#define SILENT_BEATS	3	/* heartbeats without a frame: it is gone */

struct applier {
	struct house *house;
	const struct conf *conf;
	struct sub *sub;
	struct snapshot *now;		/* served, or NULL */
	const char *directory;		/* lent by the configuration */
	const char *push;		/* configured, or NULL */
	char *authorization;		/* or NULL */
	size_t body_max;
	uint64_t conn;			/* of the connection that counts */
	bool open;
	uint64_t heard_ms, beat_ms;	/* monotonic */
	unsigned heartbeat;		/* of the IRD that is served; 0: none is */
	unsigned told_beat;
	struct frame_path told_path;
	unsigned misses;		/* connections since one that led on */
	struct status_upstream shown;
	atomic_bool lost;		/* the outcome of a fetch */
};

void applier_drop(struct msg *m)
{
	switch (m->kind) {
	case MSG_UP_OPEN:
	case MSG_UP_FRAME:
	case MSG_UP_CLOSED:
	case MSG_UP_DUE:
		msg_upstream_free((struct msg_upstream *)m);
		return;
	case MSG_FETCHED:
		pull_result_free(((struct msg_fetched *)m)->result);
		break;
	case MSG_BELOW:
		free(((struct msg_below *)m)->below);
		break;
	case MSG_DO_CONNECT:
	case MSG_DO_SEND:
	case MSG_DO_CLOSE:
	case MSG_DO_PAUSE:
		free(((struct msg_do *)m)->text);
		break;
	default:
		break;
	}
	free(m);
}

/* ---- to the loop ----------------------------------------------------------- */

static void tell(struct applier *a, int kind, const char *text, size_t len,
                 unsigned number)
{
	struct msg_do *m = calloc(1, sizeof(*m));

	if (m && text) {
		m->text = malloc(len + 1);
		if (m->text) {
			memcpy(m->text, text, len);
			m->text[len] = '\0';
		}
	}
	if (!m || (text && !m->text)) {
		free(m);
		log_error("upstream", "%s", rc_text(RC_ENOMEM));
		return;
	}
	m->msg.kind = kind;
	m->msg.size = sizeof(*m) + len;
	m->conn = a->conn;
	m->len = len;
	m->number = number;
	house_to_loop(a->house, &m->msg);
}

/* Its path, as it says itself, and the heartbeat as the signed IRD says. */
static void tell_hello(struct applier *a)
{
	const struct frame_path *path = sub_path(a->sub);
	struct msg_hello *m;

	if (a->told_beat == a->heartbeat &&
	    memcmp(&a->told_path, path, sizeof(*path)) == 0)
		return;
	m = calloc(1, sizeof(*m));
	if (!m)
		return;
	a->told_beat = a->heartbeat;
	a->told_path = *path;
	m->msg.kind = MSG_HELLO;
	m->msg.size = sizeof(*m);
	m->path = *path;
	m->heartbeat = a->heartbeat;
	house_to_loop(a->house, &m->msg);
}

static void show(struct applier *a, const char *phase, const char *trouble)
{
	struct status_upstream *u = &a->shown;

	if (strcmp(u->phase, phase) != 0) {
		snprintf(u->phase, sizeof(u->phase), "%s", phase);
		u->since = clock_wall_s();
		log_info("upstream", "phase=%s", phase);
	}
	if (trouble)
		snprintf(u->trouble, sizeof(u->trouble), "%s", trouble);
	else if (strcmp(phase, "current") == 0)
		u->trouble[0] = '\0';
	u->counts = *sub_counts(a->sub);
	status_set_upstream(a->house->status, u);
}

/* ---- publishing ------------------------------------------------------------ */

static enum rc write_keys(struct journal *j, void *arg, struct diag *d)
{
	struct applier *a = arg;
	struct buf text = BUF_INIT(64u << 10);
	/* The set that the snapshot under way makes trusted. */
	enum rc rc = keys_write(sub_keys(a->sub), &text);

	if (rc == RC_OK)
		rc = journal_meta_set(j, META_KEYS, text.data, text.len, d);
	buf_free(&text);
	return rc;
}

static unsigned ird_heartbeat(const struct snapshot *s)
{
	struct resource *r = snapshot_get(s, DIRECTORY_ID);
	struct ird *ird = NULL;
	unsigned beat = 0;
	char *text = NULL;
	size_t len;

	if (r && body_flat(r, JSON_SMALL_MAX, &text, &len) == RC_OK &&
	    ird_read(text, len, &ird, NULL) == RC_OK)
		beat = ird_redistribution(ird)->heartbeat;
	ird_free(ird);
	free(text);
	return beat;
}

static enum rc serve(struct applier *a, const struct sub_act *act)
{
	const struct state *st = snapshot_state(act->next);
	const struct state *was = a->now ? snapshot_state(a->now) : NULL;
	bool same = was && position_cmp(&was->pos, &st->pos) == 0;
	bool session = was && !position_same_session(&was->pos, &st->pos);
	struct publication pub = {
		.next = act->next, .prev = a->now,
		.updates = act->jump ? NULL : act->updates,
		.n = act->jump ? 0 : act->n_updates,
		.jump = (act->jump || !a->now) && !same, .session = session,
		.also = same ? NULL : write_keys, .arg = a,
	};
	struct diag d = { 0 };
	enum rc rc = publish(&a->house->publish, &pub, &d);

	if (rc != RC_OK) {
		log_error("publish", "serial=%llu: %s",
		          (unsigned long long)st->pos.serial,
		          d.text[0] ? d.text : rc_text(rc));
		status_add(a->house->status, STATUS_journal_failures, 1);
		status_trouble(a->house->status, "journal", d.text[0] ?
		               d.text : rc_text(rc), clock_wall_s());
		return rc;
	}
	status_trouble(a->house->status, "journal", NULL, 0);
	status_add(a->house->status, same ? STATUS_heartbeats :
	           STATUS_publications, 1);
	if (!same)
		log_info("publish", "serial=%llu session=%.8s updates=%zu%s",
		         (unsigned long long)st->pos.serial, st->pos.session,
		         act->n_updates, act->jump ? " by snapshot" : "");
	if (!a->now || snapshot_get(a->now, DIRECTORY_ID) !=
	    snapshot_get(act->next, DIRECTORY_ID))
		a->heartbeat = ird_heartbeat(act->next);
	snapshot_ref(act->next);
	snapshot_unref(a->now);
	a->now = act->next;
	a->misses = 0;
	return RC_OK;
}

/* ---- fetching -------------------------------------------------------------- */

/* Pull thread. An outcome that gets lost would be waited for in vain, so the writer
 * is told to start again. */
static void on_fetched(struct pull_result *r, void *arg)
{
	struct applier *a = arg;
	struct msg_fetched *m = calloc(1, sizeof(*m));

	if (!m) {
		pull_result_free(r);
		atomic_store(&a->lost, true);
		return;
	}
	m->msg.kind = MSG_FETCHED;
	m->msg.size = sizeof(*m) + (r->rc == RC_OK ? r->answer.body.len : 0);
	m->result = r;
	if (!house_to_writer(a->house, &m->msg))
		atomic_store(&a->lost, true);
}

/* A body is fetched in the time that a slow line needs for it, and no more of it
 * is taken than one that has doubled since it was ordered. */
static void bound(const struct applier *a, uint64_t size,
                  struct pull_request *rq)
{
	uint64_t most = size * 2 + FETCH_SLACK;

	rq->max_body = most < a->body_max ? (size_t)most : a->body_max;
	rq->timeout_ms = FETCH_TIMEOUT_MS +
	                 (unsigned)(rq->max_body / FETCH_RATE) * 1000;
}

static enum rc fetch(struct applier *a, int kind, const char *id,
                     const char *uri, uint64_t size, bool no_cache,
                     unsigned within)
{
	struct buf url = BUF_INIT(HTTPC_URL_MAX);
	struct pull_request rq = {
		.kind = kind, .id = id, .no_cache = no_cache,
		.within_ms = within * 1000, .done = on_fetched, .arg = a,
	};
	/* What comes from the wire cannot lead to another origin. */
	enum rc rc = httpc_url_join(a->directory, uri, true, &url);

	bound(a, size, &rq);
	if (rc == RC_OK) {
		rq.url = buf_str(&url);
		rc = pull_get(a->house->pull, &rq, NULL);
	}
	buf_free(&url);
	return rc;
}

static void start_fetch(struct applier *a, const struct sub_act *act)
{
	const char *uri = act->uri[0] ? act->uri : a->directory;
	enum rc rc = fetch(a, KIND_BODY, act->id, uri, act->size,
	                   act->no_cache, act->within);
	struct sub_body none = { .id = act->id };

	if (rc == RC_OK)
		return;
	log_warn("pull", "resource=%s uri=%s: %s", act->id, uri, rc_text(rc));
	if (sub_fetched(a->sub, &none, clock_wall_s()) != RC_OK)
		sub_lost(a->sub, SUB_CLOSED);
}

/* ---- doing what sub says --------------------------------------------------- */

static void hang_up(struct applier *a, int code, const char *reason,
                    unsigned retry_after)
{
	tell(a, MSG_DO_CLOSE, reason, strlen(reason), (unsigned)code);
	a->open = false;
	sub_closed(a->sub);
	tell(a, MSG_DO_PAUSE, NULL, 0, retry_after);
}

static void reopen(struct applier *a, const struct sub_act *act)
{
	char why[256];

	snprintf(why, sizeof(why), "%s: %s", sub_reason_text(act->reason),
	         act->why);
	log_warn("upstream", "reopen reason=%s %s",
	         sub_reason_text(act->reason), act->why);
	if (act->reason == SUB_FORK)
		status_trouble(a->house->status, "fork", act->why,
		               clock_wall_s());
	hang_up(a, act->code, sub_reason_text(act->reason), act->retry_after);
	show(a, "closed", why);
}

/* Everything that sub wants, until it waits. Out of memory ends the connection:
 * what is served stays. */
static void drive(struct applier *a, enum rc rc)
{
	struct sub_act act = { 0 };

	while (rc == RC_OK) {
		rc = sub_next(a->sub, &act);
		if (rc != RC_OK || act.what == SUB_WAIT)
			break;
		switch (act.what) {
		case SUB_SEND:
			tell(a, MSG_DO_SEND, act.text, act.len, 0);
			break;
		case SUB_FETCH:
			start_fetch(a, &act);
			break;
		case SUB_PUBLISH:
			rc = serve(a, &act);
			if (rc == RC_OK)
				rc = sub_served(a->sub);
			break;
		case SUB_REOPEN:
			reopen(a, &act);
			break;
		case SUB_WAIT:
			break;
		}
	}
	if (rc != RC_OK) {
		log_error("upstream", "given up for now: %s", rc_text(rc));
		sub_lost(a->sub, SUB_CLOSED);
		hang_up(a, CLOSE_RESYNC, rc_text(rc), 1);
	}
	tell_hello(a);
	show(a, sub_phase(a->sub), NULL);
}

/* ---- messages -------------------------------------------------------------- */

static void connect_to(struct applier *a, const char *uri)
{
	if (strncmp(uri, "ws://", 5) != 0 && strncmp(uri, "wss://", 6) != 0) {
		show(a, "discovering", "the directory names no push URI");
		tell(a, MSG_DO_PAUSE, NULL, 0, 0);
		return;
	}
	if (uri != a->shown.push)
		snprintf(a->shown.push, sizeof(a->shown.push), "%s", uri);
	show(a, "connecting", NULL);
	tell(a, MSG_DO_CONNECT, uri, strlen(uri), 0);
}

static void on_due(struct applier *a)
{
	const char *known = a->push ? a->push : a->shown.push;

	/* Where it was last: the directory need not be asked each time, and may
	 * not answer just now. */
	if (a->push || (known[0] && a->misses++ < MISSES_MAX)) {
		connect_to(a, known);
		return;
	}
	a->misses = 0;
	show(a, "discovering", NULL);
	if (fetch(a, KIND_DISCOVER, DIRECTORY_ID, a->directory,
	          JSON_SMALL_MAX / 2, true, 0) != RC_OK)
		tell(a, MSG_DO_PAUSE, NULL, 0, 1);
}

/* Where to subscribe is all that is taken from this answer; nothing in it is
 * trusted, and what comes from there will be verified. */
static void on_discovered(struct applier *a, const struct pull_result *r)
{
	const char *uri = NULL;
	struct ird *ird = NULL;
	char why[256];

	if (r->rc == RC_OK && r->answer.status == 200) {
		uri = httpc_header(&r->answer, "ALTO-Push");
		if (!uri && ird_read(buf_str(&r->answer.body),
		                     r->answer.body.len, &ird, NULL) == RC_OK)
			uri = ird_redistribution(ird)->push;
		connect_to(a, uri ? uri : "");
		ird_free(ird);
		return;
	}
	if (r->rc == RC_OK)
		snprintf(why, sizeof(why), "%s answers %u", a->directory,
		         r->answer.status);
	else
		snprintf(why, sizeof(why), "%.250s", r->why.text[0] ?
		         r->why.text : rc_text(r->rc));
	log_warn("upstream", "discover: %s", why);
	show(a, "discovering", why);
	tell(a, MSG_DO_PAUSE, NULL, 0, 0);
}

static void on_body(struct applier *a, const struct pull_result *r)
{
	const struct httpc_answer *w = &r->answer;
	struct sub_body b = { .id = r->id };

	b.ok = r->rc == RC_OK && w->status == 200;
	if (b.ok) {
		b.headers.resource = httpc_header(w, "ALTO-Resource");
		b.headers.proof = httpc_header(w, "ALTO-Proof");
		b.headers.state = httpc_header(w, "ALTO-State");
		b.headers.input = httpc_header(w, "Signature-Input");
		b.headers.signature = httpc_header(w, "Signature");
		b.body = buf_str(&w->body);
		b.len = w->body.len;
		status_add(a->house->status, STATUS_pulls, 1);
	} else {
		status_add(a->house->status, STATUS_pull_failures, 1);
		log_warn("pull", "resource=%s status=%u %s", r->id,
		         r->rc == RC_OK ? w->status : 0,
		         r->rc == RC_OK ? "" : r->why.text);
	}
	drive(a, sub_fetched(a->sub, &b, clock_wall_s()));
}

static void on_frame(struct applier *a, struct msg_upstream *m)
{
	char *text = m->text;

	if (m->conn != a->conn || !a->open)
		return;
	m->text = NULL;
	a->heard_ms = clock_mono_ms();
	drive(a, sub_frame(a->sub, text, m->len, clock_wall_s()));
}

static void on_closed(struct applier *a, const struct msg_upstream *m)
{
	/* Hung up by us already: the pause that was asked for stands. */
	if (m->conn < a->conn || (m->conn == a->conn && !a->open))
		return;
	log_info("upstream", "closed %s", m->text);
	a->open = false;
	sub_lost(a->sub, m->len >= 4 && memcmp(m->text, TOO_BIG, 4) == 0 ?
	         SUB_OVERFLOW : SUB_CLOSED);
	show(a, "closed", m->text);
	tell(a, MSG_DO_PAUSE, NULL, 0, 0);
}

void applier_message(struct applier *a, struct msg *m)
{
	struct msg_upstream *up = (struct msg_upstream *)m;
	const struct msg_below *below = (struct msg_below *)m;
	const struct pull_result *r;

	switch (m->kind) {
	case MSG_UP_OPEN:
		a->conn = up->conn;
		a->open = true;
		a->heard_ms = a->beat_ms = clock_mono_ms();
		drive(a, sub_opened(a->sub));
		break;
	case MSG_UP_FRAME:
		on_frame(a, up);
		break;
	case MSG_UP_CLOSED:
		on_closed(a, up);
		break;
	case MSG_UP_DUE:
		on_due(a);
		break;
	case MSG_FETCHED:
		r = ((struct msg_fetched *)m)->result;
		if (r->kind == KIND_DISCOVER)
			on_discovered(a, r);
		else
			on_body(a, r);
		break;
	case MSG_BELOW:
		drive(a, sub_below(a->sub, below->below, below->n));
		break;
	default:
		break;
	}
	applier_drop(m);
}

/* ---- time ------------------------------------------------------------------ */

uint64_t applier_tick(struct applier *a)
{
	uint64_t now = clock_mono_ms();
	uint64_t beat = (a->heartbeat ? a->heartbeat : HEARTBEAT_S) * 1000ull;
	struct diag d = { 0 };

	if (a->now && publish_tidy(&a->house->publish, a->now, &d) != RC_OK)
		log_error("journal", "tidying: %s", d.text);
	if (atomic_exchange(&a->lost, false)) {
		log_error("pull", "an answer was lost: starting again");
		sub_lost(a->sub, SUB_CLOSED);
		hang_up(a, CLOSE_RESYNC, close_text(CLOSE_RESYNC), 1);
	}
	if (!a->open)
		return beat;
	if (now - a->heard_ms > SILENT_BEATS * beat) {
		log_warn("upstream", "silent for %llu s",
		         (unsigned long long)(now - a->heard_ms) / 1000);
		sub_lost(a->sub, SUB_SILENT);
		hang_up(a, CLOSE_SILENT, close_text(CLOSE_SILENT), 0);
		show(a, "closed", "silent");
		return beat;
	}
	if (now - a->beat_ms >= beat) {
		a->beat_ms = now;
		sub_heartbeat_due(a->sub);
		drive(a, RC_OK);
	}
	return beat;
}

/* ---- life ------------------------------------------------------------------ */

enum rc applier_new(const struct conf *c, struct applier **out)
{
	struct applier *a = calloc(1, sizeof(*a));

	if (!a)
		return RC_ENOMEM;
	a->conf = c;
	a->directory = conf_list_str(c, "upstream", 0, "directory");
	a->push = conf_list_str(c, "upstream", 0, "push");
	a->body_max = (size_t)conf_list_int(c, "upstream", 0, "body");
	snprintf(a->shown.directory, sizeof(a->shown.directory), "%s",
	         a->directory);
	memcpy(a->shown.mode, "push", 5);
	*out = a;
	return RC_OK;
}

void applier_free(struct applier *a)
{
	if (!a)
		return;
	sub_free(a->sub);
	snapshot_unref(a->now);
	free(a->authorization);
	free(a);
}

unsigned applier_heartbeat(const struct applier *a)
{
	return a->heartbeat;
}

static enum rc load_keys(struct applier *a, struct keys *k, struct diag *d)
{
	struct buf text = BUF_INIT(64u << 10);
	enum rc rc;

	memset(k, 0, sizeof(*k));
	for (size_t i = 0; i < conf_list_strings(a->conf, "upstream", 0,
	                                         "key"); i++)
		memcpy(k->pin[k->n_pins++],
		       conf_list_nth(a->conf, "upstream", 0, "key", i),
		       THUMBPRINT_TEXT + 1);
	rc = journal_meta_get(a->house->journal, META_KEYS, &text, NULL);
	if (rc == RC_OK)
		rc = keys_read(k, text.data, text.len);
	else if (rc == RC_ENOENT)
		rc = RC_OK;
	buf_free(&text);
	return rc == RC_OK ? rc : diag_set(d, rc, "the journal's list of keys "
	                                   "is damaged");
}

enum rc applier_start(struct applier *a, struct house *h,
                      struct restored *restored, struct diag *d)
{
	const char *uri = conf_get_str(a->conf, "public-uri");
	struct sub_config cfg = {
		.waiting_max = (size_t)conf_list_int(a->conf, "upstream", 0,
		                                     "waiting"),
		.at_origin = strncmp(a->directory, "https://", 8) == 0 ||
		             uri_on_loopback(a->directory),
	};
	struct keys keys;
	enum rc rc;

	a->house = h;
	if (restored->snapshot) {
		a->now = snapshot_ref(restored->snapshot);
		a->heartbeat = ird_heartbeat(a->now);
	}
	snprintf(cfg.name, sizeof(cfg.name), "%s",
	         conf_list_str(a->conf, "upstream", 0, "name"));
	snprintf(cfg.uri, sizeof(cfg.uri), "%s", uri ? uri : "");
	/* A push listener that only this machine reaches is no offer. */
	if (conf_get_str(a->conf, "push.public-uri"))
		snprintf(cfg.push, sizeof(cfg.push), "%s", h->push_uri);
	memcpy(cfg.instance, h->instance, sizeof(cfg.instance));
	rc = load_keys(a, &keys, d);
	if (rc == RC_OK)
		rc = sub_new(&cfg, &keys, a->now, &a->sub);
	return rc;
}
