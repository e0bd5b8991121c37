#include "server/roster.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/net/loop.h"
#include "common/sys/clock.h"
#include "common/sys/log.h"
#include "common/wire/state_json.h"
#include "server/publisher.h"

#define LOOK_MS 1000
#define CHECK_TIMEOUT_MS 10000
#define CHECK_BODY_MAX (1u << 20)

struct candidate {
	struct candidate *next;
	struct ird_proxy as;		/* name, uri, push as it announced */
	bool seen;			/* in this look: connected, allowed */
	bool listed;
	bool answers;			/* last check was good */
	bool checking;
	uint64_t checked_ms;		/* last check begun; 0: never */
	uint64_t good_ms, bad_ms;	/* in sync since, out of sync since */
};

struct roster {
	struct house *h;
	const struct keys *own;
	struct loop_timer *timer;
	struct candidate *all;
	size_t n;
	bool dirty;
	uint64_t dirty_ms;
};

/* ---- who may announce what ------------------------------------------------- */

static bool configured(const struct conf *c, const char *name, const char *uri,
                       bool *known)
{
	for (size_t i = 0; i < conf_list_count(c, "subscribers"); i++) {
		if (strcmp(conf_list_str(c, "subscribers", i, "name"), name))
			continue;
		*known = true;
		for (size_t k = 0; k < conf_list_strings(c, "subscribers", i,
		                                         "uris"); k++)
			if (strcmp(conf_list_nth(c, "subscribers", i, "uris",
			                         k), uri) == 0)
				return true;
	}
	return false;
}

/* Where everybody may subscribe, one may still announce no more than his own
 * address: host of uri == host of peer ("192.0.2.1:49152"). */
static bool own_address(const char *uri, const char *peer)
{
	const char *colon = strrchr(peer, ':');
	size_t len = colon ? (size_t)(colon - peer) : 0;
	const char *host = strstr(uri, "://");

	return host && len && strncmp(host + 3, peer, len) == 0 &&
	       (host[3 + len] == ':' || host[3 + len] == '/');
}

static bool uri_ok(const char *uri)
{
	size_t len = strlen(uri);

	return len > 8 && uri[len - 1] == '/' && !strchr(uri, '?') &&
	       !strchr(uri, '#') && !strchr(uri, '@') &&
	       (strncmp(uri, "http://", 7) == 0 ||
	        strncmp(uri, "https://", 8) == 0);
}

static bool may_announce(const struct roster *r, const char *name,
                         const char *uri, const char *peer)
{
	bool known = false;

	if (!uri_ok(uri))
		return false;
	if (configured(r->h->cfg.conf, name, uri, &known))
		return true;
	return !known && own_address(uri, peer);
}

/* ---- checks ---------------------------------------------------------------- */

static struct candidate *find(struct roster *r, const char *name)
{
	for (struct candidate *c = r->all; c; c = c->next)
		if (strcmp(c->as.name, name) == 0)
			return c;
	return NULL;
}

static void on_answer(struct pull_result *res, void *arg)
{
	struct house *h = arg;
	struct msg_checked *m = calloc(1, sizeof(*m));

	if (!m) {
		pull_result_free(res);
		return;
	}
	m->msg.kind = MSG_CHECKED;
	m->msg.size = sizeof(*m);
	m->result = res;
	house_to_loop(h, &m->msg);
}

void roster_checked_drop(struct msg *m)
{
	pull_result_free(((struct msg_checked *)m)->result);
	free(m);
}

static void check(struct roster *r, struct candidate *c, uint64_t now)
{
	char url[IRD_URI_MAX + 16];
	struct pull_request rq = {
		.id = c->as.name, .url = url, .no_cache = true,
		.max_body = CHECK_BODY_MAX, .timeout_ms = CHECK_TIMEOUT_MS,
		.done = on_answer, .arg = r->h,
	};

	snprintf(url, sizeof(url), "%sstate", c->as.uri);
	c->checked_ms = now;
	c->checking = pull_get(r->h->pull, &rq, NULL) == RC_OK;
}

/* Is this our state, at a position we know of? */
static bool is_ours(struct roster *r, const struct httpc_answer *a)
{
	const struct state *head = snapshot_state(r->h->head);
	struct leaf_set *set = NULL;
	bool ours;

	if (a->status != 200 ||
	    state_doc_read(buf_str(&a->body), a->body.len, &set, NULL) != RC_OK)
		return false;
	ours = strcmp(set->state.service, head->service) == 0 &&
	       position_cmp(&set->state.pos, &head->pos) <= 0 &&
	       keys_check(r->own, &set->state) == RC_OK;
	leaf_set_free(set);
	return ours;
}

void roster_checked(struct roster *r, struct msg_checked *m)
{
	struct candidate *c = find(r, m->result->id);

	if (c) {
		bool before = c->answers;

		c->checking = false;
		c->answers = m->result->rc == RC_OK && r->h->head &&
		             is_ours(r, &m->result->answer);
		if (!c->answers)
			log_info("roster", "proxy=%s uri=%s does not answer "
			         "with our state", c->as.name, c->as.uri);
		else if (!before)
			log_debug("roster", "proxy=%s uri=%s answers",
			          c->as.name, c->as.uri);
	}
	roster_checked_drop(&m->msg);
}

/* ---- looking --------------------------------------------------------------- */

struct look {
	struct roster *r;
	uint64_t now, map_serial;
};

static struct candidate *add(struct roster *r, const char *name)
{
	struct candidate *c;

	if (r->n >= IRD_PROXIES_MAX)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	snprintf(c->as.name, sizeof(c->as.name), "%s", name);
	c->next = r->all;
	r->all = c;
	r->n++;
	return c;
}

/* Another URI is another proxy: it starts anew. */
static void announce(struct candidate *c, const char *uri, const char *push)
{
	if (strcmp(c->as.uri, uri) != 0) {
		snprintf(c->as.uri, sizeof(c->as.uri), "%s", uri);
		c->answers = false;
		c->checked_ms = 0;
		c->good_ms = 0;
	}
	snprintf(c->as.push, sizeof(c->as.push), "%s", push);
}

/* At most ROSTER_BEHIND_MS behind the map serial. */
static bool in_time(const struct look *l, const struct push_info *i)
{
	const struct state *head = snapshot_state(l->r->h->head);
	const struct position *at = pub_acked(i->pub);

	if (position_same_session(at, &head->pos) &&
	    at->serial >= l->map_serial)
		return true;
	return i->behind_ms && l->now - i->behind_ms <= ROSTER_BEHIND_MS &&
	       at->serial > 0;
}

static void look_at(const struct push_info *i, void *arg)
{
	struct look *l = arg;
	const char *uri = pub_uri(i->pub);
	struct candidate *c;

	if (!pub_subscribed(i->pub) || !uri[0] ||
	    !may_announce(l->r, pub_name(i->pub), uri, i->peer))
		return;
	c = find(l->r, pub_name(i->pub));
	if (!c)
		c = add(l->r, pub_name(i->pub));
	if (!c)
		return;
	announce(c, uri, pub_push_uri(i->pub));
	c->seen = true;
	if (!c->checking && (!c->checked_ms || l->now - c->checked_ms >=
	    (c->answers ? ROSTER_CHECK_MS : ROSTER_CHECK_MS / 10)))
		check(l->r, c, l->now);
	if (!c->answers || !in_time(l, i))
		c->seen = false;
}

/* Enters, leaves or stays. */
static void judge(struct roster *r, struct candidate *c, uint64_t now)
{
	if (c->seen) {
		c->bad_ms = 0;
		if (!c->good_ms)
			c->good_ms = now;
	} else {
		c->good_ms = 0;
		if (!c->bad_ms)
			c->bad_ms = now;
	}
	if (!c->listed && c->good_ms && now - c->good_ms >= ROSTER_ENTER_MS) {
		c->listed = true;
	} else if (c->listed && c->bad_ms &&
	           now - c->bad_ms >= ROSTER_LEAVE_MS) {
		c->listed = false;
	} else {
		return;
	}
	log_info("roster", "proxy=%s uri=%s %s", c->as.name, c->as.uri,
	         c->listed ? "enters" : "leaves");
	if (!r->dirty)
		r->dirty_ms = now;
	r->dirty = true;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct ird_proxy *)a)->name,
	              ((const struct ird_proxy *)b)->name);
}

static void tell_writer(struct roster *r)
{
	struct msg_roster *m = calloc(1, sizeof(*m));

	if (m)
		m->proxies = calloc(r->n + 1, sizeof(*m->proxies));
	if (!m || !m->proxies) {
		free(m);
		return;			/* dirty stays: tried again */
	}
	m->msg.kind = MSG_ROSTER;
	for (struct candidate *c = r->all; c; c = c->next)
		if (c->listed)
			m->proxies[m->n++] = c->as;
	m->msg.size = sizeof(*m) + m->n * sizeof(*m->proxies);
	qsort(m->proxies, m->n, sizeof(*m->proxies), by_name);
	r->dirty = !house_to_writer(r->h, &m->msg);
}

/* Forgets those that are neither listed nor connected. */
static void sweep(struct roster *r, uint64_t now)
{
	struct candidate **at = &r->all, *c;

	while ((c = *at) != NULL) {
		if (c->listed || c->checking || c->seen || !c->bad_ms ||
		    now - c->bad_ms < ROSTER_LEAVE_MS) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		r->n--;
		free(c);
	}
}

static void on_look(void *arg)
{
	struct roster *r = arg;
	struct look l = { r, clock_mono_ms(), 0 };

	if (!r->h->head)
		return;
	l.map_serial = snapshot_map_serial(r->h->head);
	for (struct candidate *c = r->all; c; c = c->next)
		c->seen = false;
	push_each(r->h->push, look_at, &l);
	for (struct candidate *c = r->all; c; c = c->next)
		judge(r, c, l.now);
	if (r->dirty && l.now - r->dirty_ms >= ROSTER_COLLECT_MS)
		tell_writer(r);
	sweep(r, l.now);
}

enum rc roster_new(struct house *h, const struct keys *own,
                   const struct ird_proxy *listed, size_t n,
                   struct roster **out)
{
	struct roster *r = calloc(1, sizeof(*r));
	enum rc rc;

	if (!r)
		return RC_ENOMEM;
	r->h = h;
	r->own = own;
	rc = loop_timer_new(h->loop, on_look, r, &r->timer);
	for (size_t i = 0; rc == RC_OK && i < n; i++) {
		struct candidate *c = add(r, listed[i].name);

		if (!c) {
			rc = RC_ENOMEM;
			break;
		}
		c->as = listed[i];
		c->listed = true;
	}
	if (rc != RC_OK) {
		roster_free(r);
		return rc;
	}
	loop_timer_set(r->timer, LOOK_MS, LOOK_MS);
	*out = r;
	return RC_OK;
}

void roster_free(struct roster *r)
{
	struct candidate *c;

	if (!r)
		return;
	loop_timer_free(r->timer);
	while ((c = r->all) != NULL) {
		r->all = c->next;
		free(c);
	}
	free(r);
}
