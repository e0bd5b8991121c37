#include "server/roster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/net/loop.h"
#include "common/service/guard.h"
#include "common/sys/clock.h"
#include "common/wire/state_json.h"
#include "server/lineup.h"
#include "server/publisher.h"

#define LOOK_MS 1000
#define LANES 8			/* questions that are out at the same time */
#define CHECK_TIMEOUT_MS 5000
#define CHECK_BODY_MAX (1u << 20)

/* Asks one after the other, on a thread of its own. */
struct lane {
	struct pull *pull;		/* NULL: not needed yet */
	unsigned queued;
};

struct roster {
	struct house *h;
	const struct keys *own;
	struct loop_timer *timer;
	struct lineup *lineup;
	struct frame_below *below;	/* room for IRD_PROXIES_MAX */
	struct lane lane[LANES];
	char why[LINEUP_WHY_MAX];
};

/* ---- who may announce what ------------------------------------------------- */

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

/* peer: NULL for one that is not connected here. */
static const char *may_not_announce(const struct roster *r, const char *name,
                                    const char *uri, const char *peer)
{
	bool known = false;

	if (!uri[0])
		return "it announces no URI (public-uri)";
	if (!uri_ok(uri))
		return "its URI is not http or https, ends in no slash, or has "
			"a query, a fragment or a user";
	if (guard_may_announce(push_guard(r->h->push), name, uri, &known) ||
	    (!known && peer && own_address(uri, peer)))
		return NULL;
	return known ? "the uris of its subscribers entry do not have its URI" :
		peer ? "its URI is not at its own address, and no subscribers "
		"entry allows it" : "no subscribers entry allows its URI";
}

static bool may_announce(const struct roster *r, const char *name,
                         const char *uri, const char *peer)
{
	return !may_not_announce(r, name, uri, peer);
}

const char *roster_unlisted(const char *name, const char *uri,
                            const char *peer, void *roster)
{
	struct roster *r = roster;
	const char *why = may_not_announce(r, name, uri, peer);

	if (why)
		return why;
	lineup_why(r->lineup, name, uri, r->why);
	return r->why;
}

static size_t host_of(const char *uri, const char **host)
{
	const char *at = strstr(uri, "://");

	*host = at ? at + 3 : "";
	return **host == '[' ? strcspn(*host, "]") + 1 : strcspn(*host, ":/");
}

/* What is vouched for is the host of uri; push leads there or is not told on. */
static bool same_host(const char *uri, const char *push)
{
	const char *a, *b;
	size_t len = host_of(uri, &a);

	return len == host_of(push, &b) && strncasecmp(a, b, len) == 0;
}

/* ---- looking --------------------------------------------------------------- */

static void see(struct roster *r, const char *name, const char *uri,
                const char *push, const struct position *at)
{
	struct ird_proxy as;

	snprintf(as.name, sizeof(as.name), "%s", name);
	snprintf(as.uri, sizeof(as.uri), "%s", uri);
	snprintf(as.push, sizeof(as.push), "%s",
	         same_host(uri, push) ? push : "");
	lineup_seen(r->lineup, &as, at);
}

static void see_direct(const struct push_info *i, void *arg)
{
	struct roster *r = arg;
	const char *name = pub_name(i->pub), *uri = pub_uri(i->pub);

	if (pub_subscribed(i->pub) && uri[0] &&
	    may_announce(r, name, uri, i->peer))
		see(r, name, uri, pub_push_uri(i->pub), pub_acked(i->pub));
}

static void see_deep(struct roster *r)
{
	size_t n = push_below(r->h->push, r->below, IRD_PROXIES_MAX);

	for (size_t i = 0; i < n; i++) {
		const struct frame_below *b = &r->below[i];

		if (b->uri[0] && may_announce(r, b->name, b->uri, NULL))
			see(r, b->name, b->uri, b->push, &b->pos);
	}
}

static void look(struct roster *r, uint64_t now)
{
	struct position map = snapshot_state(r->h->head)->pos;

	map.serial = snapshot_map_serial(r->h->head);
	lineup_begin(r->lineup, now, &map);
	push_each(r->h->push, see_direct, r);
	see_deep(r);
	lineup_end(r->lineup);
}

/* ---- asking ---------------------------------------------------------------- */

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

/* The one with the fewest questions, begun if it is the first time. */
static struct lane *free_lane(struct roster *r)
{
	struct pull_options opt = { .user_agent = "altocast/" PACKAGE_VERSION };
	struct lane *best = &r->lane[0];

	for (size_t i = 1; i < LANES && best->queued; i++)
		if (r->lane[i].queued < best->queued)
			best = &r->lane[i];
	if (!best->pull && pull_new(&opt, &best->pull) != RC_OK)
		return NULL;
	return best;
}

static void ask(struct roster *r, const struct lineup_question *q)
{
	struct lane *lane = free_lane(r);
	char url[IRD_URI_MAX + 16];
	struct pull_request rq = {
		.id = q->name, .url = url, .no_cache = true,
		.max_body = CHECK_BODY_MAX, .timeout_ms = CHECK_TIMEOUT_MS,
		.done = on_answer, .arg = r->h,
		.tls.ca_file = conf_get_str(r->h->cfg.conf, "ca"),
	};

	if (!lane)
		return;
	rq.kind = q->number * LANES + (int)(lane - r->lane);
	snprintf(url, sizeof(url), "%sstate", q->uri);
	if (pull_get(lane->pull, &rq, NULL) == RC_OK)
		lane->queued++;
}

/* NULL: it is our state, at a position that we know of. */
static const char *not_ours(const struct roster *r, const struct httpc_answer *a,
                            struct position *at)
{
	const struct state *head = snapshot_state(r->h->head);
	struct leaf_set *set = NULL;
	const char *why = NULL;

	if (a->status != 200)
		return "its URI does not answer state with 200";
	if (state_doc_read(buf_str(&a->body), a->body.len, &set, NULL) != RC_OK)
		return "its URI answers with no state document";
	if (strcmp(set->state.service, head->service) != 0)
		why = "its URI answers with the state of another service";
	else if (position_cmp(&set->state.pos, &head->pos) > 0)
		why = "its URI answers with a state above ours";
	else if (keys_check(r->own, &set->state) != RC_OK)
		why = "its URI answers with a state that we did not sign";
	*at = set->state.pos;
	leaf_set_free(set);
	return why;
}

static const char *judge(const struct roster *r, const struct pull_result *res,
                         struct position *at)
{
	if (res->rc != RC_OK)
		return res->why.text[0] ? res->why.text : rc_text(res->rc);
	return r->h->head ? not_ours(r, &res->answer, at) : "nothing is served";
}

void roster_checked(struct roster *r, struct msg_checked *m)
{
	const struct pull_result *res = m->result;
	struct lane *lane = &r->lane[res->kind % LANES];
	struct position at;
	const char *why = judge(r, res, &at);

	if (lane->queued)
		lane->queued--;
	lineup_answer(r->lineup, res->id, res->kind / LANES, why ? NULL : &at,
	              why, clock_mono_ms());
	roster_checked_drop(&m->msg);
}

/* ---- telling --------------------------------------------------------------- */

static void tell_writer(struct roster *r)
{
	struct msg_roster *m = calloc(1, sizeof(*m));

	if (m)
		m->proxies = calloc(lineup_count(r->lineup) + 1,
		                    sizeof(*m->proxies));
	if (!m || !m->proxies) {
		free(m);
		return;			/* tried again at the next look */
	}
	m->msg.kind = MSG_ROSTER;
	m->n = lineup_list(r->lineup, m->proxies);
	m->msg.size = sizeof(*m) + m->n * sizeof(*m->proxies);
	if (house_to_writer(r->h, &m->msg))
		lineup_told(r->lineup);
}

static void on_look(void *arg)
{
	struct roster *r = arg;
	uint64_t now = clock_mono_ms();
	struct lineup_question q;

	if (!r->h->head)
		return;
	look(r, now);
	while (lineup_ask(r->lineup, &q))
		ask(r, &q);
	if (lineup_ready(r->lineup, now))
		tell_writer(r);
}

/* ---- life ------------------------------------------------------------------ */

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
	r->below = malloc(IRD_PROXIES_MAX * sizeof(*r->below));
	rc = r->below ? lineup_new(listed, n, &r->lineup) : RC_ENOMEM;
	if (rc == RC_OK)
		rc = loop_timer_new(h->loop, on_look, r, &r->timer);
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
	if (!r)
		return;
	loop_timer_free(r->timer);
	for (size_t i = 0; i < LANES; i++)
		pull_free(r->lane[i].pull);
	lineup_free(r->lineup);
	free(r->below);
	free(r);
}
