#include "server/publisher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/sys/clock.h"
#include "common/sys/log.h"
#include "common/wire/json.h"
#include "common/wire/state_json.h"
#include "server/identity.h"
#include "server/keep.h"
#include "server/release.h"
#include "server/source.h"

#define SESSION_PAUSE_S	600		/* between sessions begun for lost history */
#define TEXT_MAX	(1u << 20)

struct publisher {
	const struct conf *conf;
	struct origin o;
	uint64_t session_ms;		/* monotonic: last for lost history, or 0 */
};

void publisher_drop(struct msg *m)
{
	if (m->kind == MSG_ROSTER)
		free(((struct msg_roster *)m)->proxies);
	if (m->kind == MSG_ANSWER)
		free(((struct msg_answer *)m)->text);
	free(m);
}

static enum rc read_services(const struct conf *c, struct origin *o)
{
	size_t n = conf_list_count(c, "directories");

	o->links = calloc(n ? n : 1, sizeof(*o->links));
	if (!o->links)
		return RC_ENOMEM;
	for (size_t i = 0; i < n; i++) {
		snprintf(o->links[i].id, sizeof(o->links[i].id), "%s",
		         conf_list_str(c, "directories", i, "id"));
		snprintf(o->links[i].uri, sizeof(o->links[i].uri), "%s",
		         conf_list_str(c, "directories", i, "uri"));
	}
	o->services = (struct ird_services){
		.filtered = conf_get_bool(c, "services.filtered"),
		.endpoint_cost = conf_get_bool(c, "services.endpoint-cost"),
		.endpoint_cost_vtag = conf_get_bool(c,
			"services.endpoint-cost-vtag"),
		.max_cost_types = (unsigned)conf_get_int(c,
			"services.max-cost-types"),
		.n_links = n, .links = o->links,
	};
	return RC_OK;
}

enum rc publisher_new(const struct conf *c, struct publisher **out)
{
	struct publisher *p = calloc(1, sizeof(*p));
	enum rc rc = RC_ENOMEM;

	if (!p)
		return rc;
	p->conf = c;
	p->o.lifetime = conf_get_int(c, "signing.lifetime");
	p->o.heartbeat_ms = (uint64_t)conf_get_int(c, "heartbeat") * 1000;
	p->o.message_max = (size_t)conf_get_int(c, "push.message");
	rc = source_new(c, &p->o.source);
	if (rc == RC_OK)
		rc = digest_new(&p->o.digest);
	if (rc == RC_OK)
		rc = read_services(c, &p->o);
	if (rc != RC_OK) {
		publisher_free(p);
		return rc;
	}
	*out = p;
	return RC_OK;
}

void publisher_free(struct publisher *p)
{
	if (!p)
		return;
	source_free(p->o.source);
	sign_key_free(p->o.key);
	digest_free(p->o.digest);
	snapshot_unref(p->o.now);
	free(p->o.proxies);
	free(p->o.links);
	free(p);
}

const struct keys *publisher_keys(const struct publisher *p)
{
	return &p->o.own;
}

const struct ird_proxy *publisher_roster(const struct publisher *p, size_t *n)
{
	*n = p->o.n_proxies;
	return p->o.proxies;
}

/* ---- reload ---------------------------------------------------------------- */

static void log_lines(const char *level_subject, const struct buf *lines,
                      bool error)
{
	const char *p = buf_str(lines), *end;

	for (; (end = strchr(p, '\n')) != NULL; p = end + 1) {
		if (error)
			log_error(level_subject, "%.*s", (int)(end - p), p);
		else
			log_warn(level_subject, "%.*s", (int)(end - p), p);
	}
}

/* The map of the reading under way, else as it is served; NULL: no cost map. */
static const struct costmeta *meta_of(const struct publisher *p, size_t i)
{
	const struct source_map *m = &p->o.source->maps[i];
	const struct resource *r = m->next;

	if (!r && p->o.now)
		r = snapshot_get(p->o.now, m->id);
	return r && resource_cost(r) ? costmap_meta(resource_cost(r)) : NULL;
}

/* A map with ordinal = true whose ranks another map brings; -1: none. */
static long ranked_twice(const struct publisher *p)
{
	const struct source *s = p->o.source;

	for (size_t i = 0; i < s->n; i++) {
		const struct costmeta *a = meta_of(p, i), *b;

		for (size_t k = 0; a && s->maps[i].ordinal && k < s->n; k++) {
			b = meta_of(p, k);
			if (b && strcmp(b->mode, "ordinal") == 0 &&
			    strcmp(a->metric, b->metric) == 0 &&
			    strcmp(a->net.id, b->net.id) == 0)
				return (long)i;
		}
	}
	return -1;
}

/* Each file is right, but no directory can be written of all of them: a line with
 * the place in the settings. */
static void blame_settings(const struct publisher *p, enum rc rc,
                           const struct diag *d, struct buf *errors)
{
	const char *text = d->text[0] ? d->text : rc_text(rc);
	long i = rc == RC_EEXIST ? ranked_twice(p) : -1;

	if (i >= 0)
		conf_blame(p->conf, errors, "maps", i, "ordinal", "%s", text);
	else
		conf_blame(p->conf, errors, "", -1, "maps", "%s", text);
}

/* Reads the files and publishes what they say. What it did stands in r. */
static enum rc reload(struct publisher *p, bool force, struct release *r,
                      bool *published, struct buf *errors,
                      struct buf *warnings)
{
	struct diag d = { 0 };
	enum rc rc = source_read(p->o.source, p->o.now, force, errors, warnings);

	*published = false;
	if (rc != RC_OK)
		return rc;
	if (!source_default(p->o.source, NULL))
		rc = diag_set(&d, RC_ERULE, "no network map among the maps (RFC "
		              "7285 s9.2.3)");
	if (rc == RC_OK)
		rc = release_files(&p->o, r, &d);
	if (rc != RC_OK && rc != RC_ENOMEM)
		blame_settings(p, rc, &d, errors);
	if (rc == RC_OK)
		rc = release_publish(&p->o, r, NULL, published, &d);
	if (rc == RC_OK && !*published) {
		/* Other bytes, same content: remember them. */
		rc = journal_begin(p->o.house->journal, &d);
		if (rc == RC_OK)
			rc = keep_records(p->o.house->journal, p->o.source,
			                  &p->o.own, &d);
		if (rc == RC_OK)
			rc = journal_commit(p->o.house->journal, &d);
		if (rc != RC_OK)
			journal_rollback(p->o.house->journal);
	}
	if (rc == RC_OK) {
		source_taken(p->o.source);
	} else {
		source_drop(p->o.source);
		if (!errors->len) {
			diag_set(&d, rc, "%s", rc_text(rc));
			diag_print(&d, errors);
			buf_putc(errors, '\n');
		}
	}
	return rc;
}

/* Lines as JSON strings. */
static void put_lines(const struct buf *lines, struct buf *dst)
{
	const char *p = buf_str(lines), *end;

	for (; (end = strchr(p, '\n')) != NULL; p = end + 1) {
		if (p != buf_str(lines))
			buf_putc(dst, ',');
		json_put_string(dst, p, (size_t)(end - p));
	}
}

static void answer(struct publisher *p, struct ctlsock_req *req,
                   struct buf *text)
{
	struct msg_answer *m = calloc(1, sizeof(*m));

	if (!m)
		return;		/* the asker sees his connection time out */
	m->msg.kind = MSG_ANSWER;
	m->msg.size = sizeof(*m) + text->len;
	m->req = req;
	m->text = buf_take(text, &m->len);
	house_to_loop(p->o.house, &m->msg);
}

static void answer_reload(struct publisher *p, struct ctlsock_req *req,
                          const struct release *r, bool published,
                          const struct buf *warnings, uint64_t us)
{
	const struct state *st = snapshot_state(p->o.now);
	struct buf text = BUF_INIT(16 * TEXT_MAX);

	buf_printf(&text, "{\"changed\":%s,\"serial\":%llu,\"session\":\"%s\","
	           "\"resources\":[%s],\"delta-bytes\":%zu,"
	           "\"full-bytes\":%llu,\"pulls\":%zu,"
	           "\"subscribers\":%llu,\"ms\":%llu.%03llu,"
	           "\"warnings\":[", published ? "true" : "false",
	           (unsigned long long)st->pos.serial, st->pos.session,
	           buf_str(&r->report.json), r->report.delta_bytes,
	           (unsigned long long)r->report.full_bytes, r->report.pulls,
	           (unsigned long long)status_subscribers(p->o.house->status),
	           (unsigned long long)(us / 1000),
	           (unsigned long long)(us % 1000));
	put_lines(warnings, &text);
	buf_puts(&text, "]}");
	answer(p, req, &text);
	buf_free(&text);
}

static void answer_errors(struct publisher *p, struct ctlsock_req *req,
                          const struct buf *errors)
{
	struct buf text = BUF_INIT(16 * TEXT_MAX);
	const char *end = strchr(buf_str(errors), '\n');

	buf_puts(&text, "{\"error\":");
	json_put_string(&text, buf_str(errors), end ?
	                (size_t)(end - buf_str(errors)) : errors->len);
	buf_puts(&text, ",\"errors\":[");
	put_lines(errors, &text);
	buf_puts(&text, "]}");
	answer(p, req, &text);
	buf_free(&text);
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* A file that changes under our hands is read again when it has settled. */
static void again_soon(struct publisher *p)
{
	struct msg *m = calloc(1, sizeof(*m));

	if (!m)
		return;
	m->kind = MSG_SETTLE;
	m->size = sizeof(*m);
	house_to_loop(p->o.house, m);
}

static void on_reload(struct publisher *p, const struct msg_reload *m)
{
	struct buf errors = BUF_INIT(TEXT_MAX), warnings = BUF_INIT(TEXT_MAX);
	struct status *status = p->o.house->status;
	struct release r = { 0 };
	uint64_t start = now_us();
	bool published = false;
	enum rc rc = reload(p, m->force, &r, &published, &errors, &warnings);

	status_add(status, STATUS_reloads, 1);
	log_lines("reload", &warnings, false);
	if (rc == RC_OK) {
		status_add(status, STATUS_publications, published);
		status_trouble(status, "reload", NULL, 0);
		log_info("reload", "cause=%s changed=%zu us=%llu", m->cause,
		         r.report.n, (unsigned long long)(now_us() - start));
	} else {
		status_add(status, STATUS_reloads_refused, 1);
		status_trouble(status, "reload", buf_str(&errors),
		               clock_wall_s());
		log_lines("reload", &errors, true);
		if (rc == RC_EAGAIN && !m->req)
			again_soon(p);
	}
	if (m->req && rc == RC_OK)
		answer_reload(p, m->req, &r, published, &warnings,
		              now_us() - start);
	else if (m->req)
		answer_errors(p, m->req, &errors);
	release_free(&r);
	buf_free(&errors);
	buf_free(&warnings);
}

/* ---- other messages -------------------------------------------------------- */

static void on_roster(struct publisher *p, struct msg_roster *m)
{
	struct ird_proxy *old = p->o.proxies;
	size_t n_old = p->o.n_proxies;
	struct release r = { 0 };
	struct diag d = { 0 };
	bool published = false;
	enum rc rc = RC_OK;

	if (!p->o.now)
		return;
	p->o.proxies = m->proxies;
	p->o.n_proxies = m->n;
	rc = keep_proxies(p->o.house->journal, p->o.proxies, p->o.n_proxies, &d);
	if (rc == RC_OK)
		rc = release_again(&p->o, &r, &d);
	if (rc == RC_OK)
		rc = release_publish(&p->o, &r, NULL, &published, &d);
	release_free(&r);
	if (rc != RC_OK) {
		log_error("publish", "the list of proxies: %s", d.text[0] ?
		          d.text : rc_text(rc));
		p->o.proxies = old;
		p->o.n_proxies = n_old;
		return;
	}
	m->proxies = NULL;
	free(old);
}

static void refuse_session(struct publisher *p, const char *why)
{
	struct msg *m = calloc(1, sizeof(*m));

	log_warn("publish", "no new session: %s", why);
	if (!m)
		return;
	m->kind = MSG_NO_SESSION;
	m->size = sizeof(*m);
	house_to_loop(p->o.house, m);
}

static void on_ahead(struct publisher *p, const struct msg_ahead *m)
{
	uint64_t limit = ((uint64_t)clock_wall_s() + STATE_SKEW_S) * 1000;
	uint64_t now = clock_mono_ms();
	struct release r = { 0 };
	struct diag d = { 0 };
	bool published = false;
	enum rc rc;

	/* Several are ahead after a restore; the first one's message did it. In
	 * our own session it is another matter: what was published since may
	 * have passed the serials that were lost. */
	if (p->o.now && strcmp(m->have.session,
	                       snapshot_state(p->o.now)->pos.session) < 0)
		return;
	if (enc_uuid7_ms(m->have.session) > limit) {
		refuse_session(p, "the subscriber's session lies in the "
		               "future; is the clock right?");
		return;
	}
	if (p->session_ms && now - p->session_ms < SESSION_PAUSE_S * 1000ull) {
		refuse_session(p, "the last one was begun less than 10 minutes "
		               "ago; do two servers use one copied state "
		               "directory?");
		return;
	}
	rc = release_again(&p->o, &r, &d);
	r.session = true;
	if (rc == RC_OK)
		rc = release_publish(&p->o, &r, &m->have, &published, &d);
	release_free(&r);
	if (rc != RC_OK) {
		refuse_session(p, d.text[0] ? d.text : rc_text(rc));
		return;
	}
	p->session_ms = now ? now : 1;
	status_add(p->o.house->status, STATUS_new_sessions, 1);
	log_warn("publish", "history was lost (an older copy of the state "
	         "directory?): new session %s",
	         snapshot_state(p->o.now)->pos.session);
}

void publisher_message(struct publisher *p, struct msg *m)
{
	switch (m->kind) {
	case MSG_RELOAD:
		on_reload(p, (struct msg_reload *)m);
		break;
	case MSG_ROSTER:
		on_roster(p, (struct msg_roster *)m);
		break;
	case MSG_AHEAD:
		on_ahead(p, (struct msg_ahead *)m);
		break;
	default:
		break;
	}
	publisher_drop(m);
}

/* ---- heartbeat ------------------------------------------------------------- */

uint64_t publisher_tick(struct publisher *p)
{
	uint64_t now = clock_mono_ms();
	struct diag d = { 0 };
	enum rc rc;

	if (!p->o.now)
		return p->o.heartbeat_ms;
	if (now >= p->o.next_heartbeat) {
		rc = release_resign(&p->o, &d);
		if (rc != RC_OK) {
			log_error("publish", "heartbeat: %s", d.text[0] ?
			          d.text : rc_text(rc));
			p->o.next_heartbeat = now + 1000;
		}
	}
	rc = publish_tidy(&p->o.house->publish, p->o.now, &d);
	if (rc != RC_OK)
		log_error("journal", "tidying: %s", d.text[0] ? d.text :
		          rc_text(rc));
	now = clock_mono_ms();
	return p->o.next_heartbeat > now ? p->o.next_heartbeat - now : 0;
}

/* ---- start ----------------------------------------------------------------- */

static enum rc check_clock(const struct publisher *p, struct diag *d)
{
	const struct state *st = snapshot_state(p->o.now);
	uint64_t session = enc_uuid7_ms(st->pos.session) / 1000;
	int64_t now = clock_wall_s();

	if ((int64_t)session <= now + STATE_SKEW_S &&
	    st->created <= now + STATE_SKEW_S)
		return RC_OK;
	return diag_set(d, RC_ETIME, "this machine's clock says %lld, but the "
	                "journal was written at %lld (Unix seconds): set the "
	                "clock", (long long)now, (long long)st->created);
}

/* The maps of the journal, under the settings of this start: where to subscribe,
 * the key and the heartbeat stand in the IRD. What errors says already is not
 * said again. */
static enum rc release_settings(struct publisher *p, bool *published,
                                struct buf *errors, struct diag *d)
{
	struct release r = { 0 };
	struct diag why = { 0 };
	enum rc rc = release_again(&p->o, &r, &why);

	if (rc == RC_OK) {
		rc = release_publish(&p->o, &r, NULL, published, d);
	} else {
		if (!strstr(buf_str(errors), why.text))
			blame_settings(p, rc, &why, errors);
		diag_set(d, rc, "the settings do not fit the maps of the "
		         "journal");
	}
	release_free(&r);
	return rc;
}

/* Of several network maps none is marked: say which it is. */
static void warn_default(const struct publisher *p)
{
	const struct source *s = p->o.source;
	const char *id = source_default(s, p->o.now);
	bool marked = false;
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		struct resource *r = snapshot_get(p->o.now, s->maps[i].id);

		marked = marked || s->maps[i].is_default;
		n += r && resource_kind(r) == RESOURCE_NETMAP;
	}
	if (n > 1 && !marked)
		log_warn("maps", "%zu network maps, and none has default = "
		         "true: the first, \"%s\", is the default one", n, id);
}

/* Said once, at the start: the set of maps is the configuration's. */
static void warn_set(const struct publisher *p)
{
	const struct costmap *cost;
	bool any = false, routing = false;

	for (size_t i = 0; i < snapshot_count(p->o.now); i++) {
		cost = resource_cost(snapshot_at(p->o.now, i));
		any = any || cost;
		routing = routing || (cost &&
		          strcmp(costmap_meta(cost)->metric,
		                 "routingcost") == 0);
	}
	if (!routing)
		log_warn("maps", "no cost map %sis served; RFC 7285 s9.2.2 asks "
		         "for one with metric routingcost", any ?
		         "with metric routingcost " : "");
	warn_default(p);
}

/* Files that are wrong do not stop a server that has a journal. */
static enum rc first_reading(struct publisher *p, struct diag *d)
{
	struct buf errors = BUF_INIT(TEXT_MAX), warnings = BUF_INIT(TEXT_MAX);
	struct release r = { 0 };
	bool published = false;
	enum rc rc = reload(p, false, &r, &published, &errors, &warnings);

	release_free(&r);
	log_lines("maps", &warnings, false);
	if (rc != RC_OK) {
		if (p->o.now)
			rc = release_settings(p, &published, &errors, d);
		else
			diag_set(d, rc, "the maps have errors, and there is no "
			         "earlier version to serve");
		log_lines("maps", &errors, true);
		status_trouble(p->o.house->status, "reload", buf_str(&errors),
		               clock_wall_s());
	}
	status_add(p->o.house->status, STATUS_publications, published);
	buf_free(&errors);
	buf_free(&warnings);
	return rc;
}

enum rc publisher_start(struct publisher *p, struct house *h,
                        struct restored *restored, struct diag *d)
{
	bool empty = !restored->snapshot;
	int64_t before = empty ? 0 : snapshot_state(restored->snapshot)->created;
	enum rc rc;

	p->o.house = h;
	if (!empty)
		p->o.now = snapshot_ref(restored->snapshot);
	rc = identity_load(p->conf, empty ? NULL :
	                   snapshot_state(p->o.now)->service, &p->o.key,
	                   p->o.service, d);
	if (rc == RC_OK)
		rc = keep_load_keys(h->journal, sign_key_public(p->o.key),
		                    &p->o.own, d);
	if (rc == RC_OK && p->o.now)
		rc = check_clock(p, d);
	if (rc == RC_OK)
		rc = keep_load_proxies(h->journal, &p->o.proxies,
		                       &p->o.n_proxies);
	if (rc != RC_OK)
		return rc;
	keep_load_records(h->journal, p->o.source);
	rc = first_reading(p, d);
	if (rc != RC_OK)
		return rc;
	warn_set(p);
	/* What the journal held may be old: sign it anew unless that was done. */
	if (snapshot_state(p->o.now)->created == before)
		rc = release_resign(&p->o, d);
	return rc;
}
