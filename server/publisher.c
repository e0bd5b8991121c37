#include "server/publisher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/sys/clock.h"
#include "common/sys/log.h"
#include "common/wire/state_json.h"
#include "server/answer.h"
#include "server/identity.h"
#include "server/keep.h"
#include "server/orders.h"
#include "server/reload.h"

#define SESSION_PAUSE_S	600		/* between sessions begun for lost history */

struct publisher {
	const struct conf *conf;
	struct origin o;
	struct reload reload;
	struct backup backup;
	uint64_t session_ms;		/* monotonic: last for lost history, or 0 */
	uint64_t refused_ms;		/* last time that there was none, or 0 */
};

void publisher_drop(struct msg *m)
{
	if (m->kind == MSG_RELOAD) {
		reload_drop(m);
		return;
	}
	if (m->kind == MSG_ANSWER) {
		answer_drop(m);
		return;
	}
	if (m->kind == MSG_ROSTER)
		free(((struct msg_roster *)m)->proxies);
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
	p->reload.apart_ms = (uint64_t)conf_get_int(c, "min-interval") * 1000;
	p->o.message_max = (size_t)conf_get_int(c, "push.message");
	rc = mapset_new(c, &p->o.maps);
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
	mapset_free(p->o.maps);
	keyring_free(p->o.ring);
	digest_free(p->o.digest);
	snapshot_unref(p->o.now);
	free(p->o.proxies);
	free(p->o.links);
	free(p);
}

void publisher_keys(const struct publisher *p, struct keys *out)
{
	keyring_own(p->o.ring, out);
}

const struct ird_proxy *publisher_roster(const struct publisher *p, size_t *n)
{
	*n = p->o.n_proxies;
	return p->o.proxies;
}

/* ---- other messages -------------------------------------------------------- */

static void on_roster(struct publisher *p, struct msg_roster *m)
{
	struct ird_proxy *old = p->o.proxies;
	size_t n_old = p->o.n_proxies;
	struct diag d = { 0 };
	bool published = false;
	enum rc rc;

	if (!p->o.now)
		return;
	p->o.proxies = m->proxies;
	p->o.n_proxies = m->n;
	rc = keep_proxies(p->o.house->journal, p->o.proxies, p->o.n_proxies, &d);
	if (rc == RC_OK)
		rc = release_republish(&p->o, false, &published, &d);
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
	status_trouble(p->o.house->status, "fork", why, clock_wall_s());
	p->refused_ms = clock_mono_ms() + 1;
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
	if (strcmp(m->have.session, p->o.seen) > 0)
		memcpy(p->o.seen, m->have.session, sizeof(p->o.seen));
	if (p->session_ms && now - p->session_ms < SESSION_PAUSE_S * 1000ull) {
		refuse_session(p, "the last one was begun less than 10 minutes "
		               "ago; do two servers use one copied state "
		               "directory?");
		return;
	}
	rc = release_republish(&p->o, true, &published, &d);
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
		reload_asked(&p->reload, &p->o, (struct msg_reload *)m);
		break;
	case MSG_ORDER:
		orders_do(&p->o, &p->backup, (struct msg_order *)m);
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

static void heartbeat(struct publisher *p, uint64_t now)
{
	struct diag d = { 0 };
	enum rc rc = release_resign(&p->o, &d);

	if (rc == RC_OK)
		return;
	log_error("publish", "heartbeat: %s", d.text[0] ? d.text :
	          rc_text(rc));
	p->o.next_heartbeat = now + 1000;
}

uint64_t publisher_tick(struct publisher *p)
{
	uint64_t now = clock_mono_ms(), wait, due;
	struct diag d = { 0 };
	enum rc rc;

	if (!p->o.now)
		return p->o.heartbeat_ms;
	due = reload_tick(&p->reload, &p->o);
	if (now >= p->o.next_heartbeat)
		heartbeat(p, now);
	/* Who is ahead comes again and again; nobody did for a while. */
	if (p->refused_ms && now > p->refused_ms + SESSION_PAUSE_S * 1000ull) {
		p->refused_ms = 0;
		status_trouble(p->o.house->status, "fork", NULL, 0);
	}
	rc = publish_tidy(&p->o.house->publish, p->o.now, &d);
	if (rc != RC_OK)
		log_error("journal", "tidying: %s", d.text[0] ? d.text :
		          rc_text(rc));
	if (orders_tick(&p->o, &p->backup))
		return 0;
	wait = orders_renew(&p->o);
	due = wait < due ? wait : due;
	now = clock_mono_ms();
	wait = p->o.next_heartbeat > now ? p->o.next_heartbeat - now : 0;
	return due < wait ? due : wait;
}

void publisher_stop(struct publisher *p)
{
	backup_end(&p->backup);
}

/* ---- start ----------------------------------------------------------------- */

static enum rc check_clock(const struct publisher *p, struct diag *d)
{
	const struct state *st = snapshot_state(p->o.now);
	int64_t session = (int64_t)(enc_uuid7_ms(st->pos.session) / 1000);
	int64_t now = clock_wall_s();

	if (session > now + STATE_SKEW_S)
		return diag_set(d, RC_ETIME, "this machine's clock is %lld s "
		                "behind the begin of the journal's session: set "
		                "the clock. If it is right now and was ahead "
		                "then, restore an older backup of the journal",
		                (long long)(session - now));
	/* Nobody has believed that signature; one of now replaces it. */
	if (st->created > now + STATE_SKEW_S)
		log_warn("publish", "the journal's last signature lies %lld s "
		         "in the future: is the clock right?",
		         (long long)(st->created - now));
	return RC_OK;
}

/* Of several network maps none is marked: say which it is. */
static void warn_default(const struct publisher *p)
{
	const struct mapset *s = p->o.maps;
	const char *id = mapset_default(s, p->o.now);
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

/* Its keys and the service that it is. */
static enum rc load_identity(struct publisher *p, struct diag *d)
{
	bool empty = !p->o.now;
	char *path = NULL;
	enum rc rc = identity_key_path(p->conf, &path);

	if (rc == RC_OK)
		rc = keep_load_keys(p->o.house->journal, path,
		                    conf_get_str(p->conf, "state"), empty,
		                    &p->o.ring, d);
	if (rc == RC_OK)
		rc = identity_service(p->conf, path, empty ? NULL :
		                      snapshot_state(p->o.now)->service,
		                      p->o.service, d);
	free(path);
	return rc;
}

/* A disk that takes nothing does not stop a server that has something to serve;
 * each heartbeat tries again. */
static enum rc serve_anyway(enum rc rc, bool empty, struct diag *d)
{
	if (empty || rc != RC_EIO)
		return rc;
	log_error("journal", "%s; serving what it holds", d->text);
	diag_clear(d);
	return RC_OK;
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
	rc = load_identity(p, d);
	if (rc == RC_OK && p->o.now)
		rc = check_clock(p, d);
	if (rc == RC_OK)
		rc = keep_load_proxies(h->journal, &p->o.proxies,
		                       &p->o.n_proxies);
	if (rc != RC_OK)
		return rc;
	keep_load_records(h->journal, p->o.maps);
	rc = serve_anyway(reload_first(&p->reload, &p->o, d), empty, d);
	if (rc != RC_OK)
		return rc;
	orders_show_keys(&p->o);
	warn_set(p);
	/* What the journal held may be old: sign it anew unless that was done. */
	if (snapshot_state(p->o.now)->created == before)
		rc = release_resign(&p->o, d);
	return serve_anyway(rc, empty, d);
}
