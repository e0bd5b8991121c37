/* Status and readiness as JSON; the metrics are in report_metrics.c. */
#include "common/service/report.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/vtag.h"
#include "common/net/tls.h"
#include "common/service/alto_http.h"
#include "common/service/member.h"
#include "common/service/report_sub.h"
#include "common/wire/media.h"
#include "common/wire/state_json.h"

/* Of a property map: the objects two levels down. Its text is canonical and can be
 * large, so it is read as it stands. */
static size_t count_entities(const struct resource *r)
{
	bool text = false, escaped = false;
	size_t found = 0, len, depth = 0;
	uint64_t off = 0;
	char part[8192];

	while ((len = resource_read(r, off, part, sizeof(part))) > 0) {
		off += len;
		for (size_t i = 0; i < len; i++) {
			char c = part[i];

			if (text && (escaped || c == '\\'))
				escaped = !escaped;
			else if (c == '"')
				text = !text;
			else if (!text && c == '{')
				found += depth++ == 2;
			else if (!text && c == '}')
				depth--;
		}
	}
	return found;
}

void report_turn(struct report *r, struct snapshot *next)
{
	size_t n = next ? snapshot_count(next) : 0;
	size_t *entities = n ? calloc(n, sizeof(*entities)) : NULL;

	for (size_t i = 0; entities && i < n; i++) {
		struct resource *res = snapshot_at(next, i);
		const struct resource_name *name = resource_name(res);
		long old = r->entities ? snapshot_find(r->head, name->id) : -1;

		if (strcmp(name->type, MEDIA_PROPERTY_MAP) != 0)
			continue;
		entities[i] = old >= 0 &&
		              snapshot_at(r->head, (size_t)old) == res ?
		              r->entities[old] : count_entities(res);
	}
	free(r->entities);
	r->entities = entities;
	r->head = next;
}

const char *report_freshness(const struct state *st, unsigned heartbeat,
                             int64_t now, int64_t *age)
{
	*age = now > st->created ? now - st->created : 0;
	if (now >= st->expires)
		return "expired";
	return *age < (int64_t)STATE_FRESH_BEATS * heartbeat ? "fresh" :
		"stale";
}

static void put_head(const struct report *r, int64_t now, struct buf *b)
{
	const struct state *st = snapshot_state(r->head);
	int64_t age;
	const char *fresh = report_freshness(st, r->heartbeat, now, &age);

	if (snapshot_signed(r->head)) {
		member_str(b, "service", st->service);
		member_str(b, "session", st->pos.session);
	} else {
		member_bool(b, "unsigned", true);
	}
	member_count(b, "serial", st->pos.serial);
	member_count(b, "map-serial", snapshot_map_serial(r->head));
	member_int(b, "created", st->created);
	member_int(b, "expires", st->expires);
	member_str(b, "freshness", fresh);
	member_int(b, "age", age);
	member_some(b, "key", st->key);
}

/* What its writer has in hand: a server's next key, reloads that wait. */
static void put_plans(const struct report *r, uint64_t mono_ms, struct buf *b)
{
	struct status_next_key k;
	uint64_t due_ms;
	unsigned n = status_get_deferred(r->status, &due_ms);

	status_get_next_key(r->status, &k);
	if (k.id[0]) {
		member_str(b, "next-key", k.id);
		member_int(b, "next-key-from", k.from);
	}
	if (n > 0) {
		member_begin(b, "deferred", '{');
		member_count(b, "reloads", n);
		member_count(b, "seconds", due_ms > mono_ms ?
		             (due_ms - mono_ms + 999) / 1000 : 0);
		buf_putc(b, '}');
	}
}

static void put_log(const struct push *p, struct buf *b)
{
	size_t count, bytes;
	uint64_t oldest;

	push_log(p, &count, &bytes, &oldest);
	member_begin(b, "log", '{');
	member_count(b, "updates", count);
	member_count(b, "bytes", bytes);
	member_count(b, "oldest", oldest);
	buf_putc(b, '}');
}

/* What the clients' listener has open, and what it refused by itself. */
static void put_clients(const struct alto_http *a, struct buf *b)
{
	struct http_counts c;

	alto_http_counts(a, &c);
	member_begin(b, "clients", '{');
	member_count(b, "connections", alto_http_conns(a));
	member_count(b, "refused-connections", c.refused_conns);
	member_count(b, "refused-address", c.refused_address);
	member_count(b, "refused-bodies", c.refused_bodies);
	member_count(b, "timeouts", c.timeouts);
	member_count(b, "too-large", c.too_large);
	member_count(b, "malformed", c.malformed);
	member_count(b, "shed", c.shed);
	buf_putc(b, '}');
}

static void put_certificate(const char *listener,
                            const struct tls_identity *id, struct buf *b)
{
	if (!id)
		return;
	member_begin(b, NULL, '{');
	member_str(b, "listener", listener);
	member_str(b, "subject", tls_identity_subject(id));
	member_str(b, "sha-256", tls_identity_print(id));
	member_int(b, "expires", tls_identity_expires(id));
	buf_putc(b, '}');
}

/* Handshakes that led to nothing: why, and how many. */
static void put_refusals(struct status *st, struct buf *b)
{
	const char *reason[STATUS_REASONS];
	uint64_t count[STATUS_REASONS];
	size_t n = status_refusals(st, reason, count);

	member_begin(b, "refused", '{');
	for (size_t i = 0; i < n; i++)
		member_count(b, reason[i], count[i]);
	buf_putc(b, '}');
}

static void put_resource(const struct report *rep, size_t i, struct buf *b)
{
	const struct resource *r = snapshot_at(rep->head, i);
	const struct resource_name *n = resource_name(r);
	const struct netmap *net = resource_net(r);
	const struct costmap *cost = resource_cost(r);
	int64_t changed;

	member_begin(b, NULL, '{');
	member_str(b, "id", n->id);
	member_str(b, "media-type", n->type);
	member_str(b, "tag", n->tag);
	member_count(b, "size", n->size);
	member_count(b, "serial", snapshot_changed(rep->head, i));
	changed = rep->subscribers ? push_published(rep->subscribers,
		snapshot_changed(rep->head, i)) : 0;
	if (changed)
		member_count(b, "changed", (uint64_t)changed);
	member_bool(b, "overridden", rep->overridden &&
	            rep->overridden(n->id, rep->arg));
	if (net) {
		member_count(b, "pids", netmap_pids(net));
		member_count(b, "prefixes", netmap_prefixes(net));
	} else if (cost) {
		member_count(b, "pids", costmap_pids(cost));
		member_count(b, "cells", costmap_cells(cost));
	} else if (rep->entities && strcmp(n->type, MEDIA_PROPERTY_MAP) == 0) {
		member_count(b, "entities", rep->entities[i]);
	}
	buf_putc(b, '}');
}

static void put_resources(const struct report *r, struct buf *b)
{
	member_begin(b, "resources", '[');
	for (size_t i = 0; r->head && i < snapshot_count(r->head); i++)
		put_resource(r, i, b);
	buf_putc(b, ']');
}

struct each_sub {
	const struct report *r;
	uint64_t mono_ms;
	struct buf *b;
};

static void put_unlisted(const struct report *r, const char *name,
                         const char *uri, const char *peer, struct buf *b)
{
	const char *why;

	if (!r->unlisted)
		return;
	why = r->unlisted(name, uri, peer, r->unlisted_arg);
	member_bool(b, "listed", !why[0]);
	member_some(b, "unlisted", why);
}

static void put_below(const struct report *r, const struct pub *p,
                      struct buf *b)
{
	const struct frame_below *below;
	size_t n;

	below = pub_below(p, &n);
	member_begin(b, "below", '[');
	for (size_t i = 0; i < n; i++) {
		member_begin(b, NULL, '{');
		member_str(b, "name", below[i].name);
		member_some(b, "session", below[i].pos.session);
		member_count(b, "serial", below[i].pos.serial);
		member_some(b, "uri", below[i].uri);
		member_some(b, "push", below[i].push);
		put_unlisted(r, below[i].name, below[i].uri, NULL, b);
		buf_putc(b, '}');
	}
	buf_putc(b, ']');
}

static void put_progress(const struct push_info *i, const struct each_sub *e)
{
	const struct position *acked = pub_acked(i->pub);
	uint64_t lag;

	member_count(e->b, "serial-sent", pub_sent(i->pub));
	if (acked->serial > 0) {
		member_count(e->b, "serial-acked", acked->serial);
		member_str(e->b, "session-acked", acked->session);
	}
	if (report_sub_versions(i, e->r->head, &lag))
		member_count(e->b, "lag-versions", lag);
	member_seconds(e->b, "lag-seconds", report_sub_seconds(i, e->mono_ms));
}

static const char *mode_name(enum frame_mode m)
{
	switch (m) {
	case MODE_CURRENT:	return "current";
	case MODE_DELTA:	return "delta";
	case MODE_SNAPSHOT:	return "snapshot";
	case MODE_BEHIND:	break;
	}
	return "behind";
}

static void put_subscriber(const struct push_info *i, void *arg)
{
	const struct each_sub *e = arg;
	const struct pub_counts *c = pub_counts(i->pub);
	bool known = pub_subscribed(i->pub);

	member_begin(e->b, NULL, '{');
	member_str(e->b, "name", pub_name(i->pub));
	member_str(e->b, "address", i->peer);
	member_str(e->b, "state", report_sub_name(report_sub_of(i,
	                                                        e->r->head)));
	if (known) {
		member_str(e->b, "mode", mode_name(pub_mode(i->pub)));
		member_some(e->b, "reason", pub_reason(i->pub));
		member_some(e->b, "uri", pub_uri(i->pub));
		member_some(e->b, "push", pub_push_uri(i->pub));
		put_unlisted(e->r, pub_name(i->pub), pub_uri(i->pub), i->peer,
		             e->b);
		put_progress(i, e);
	}
	member_count(e->b, "connected-seconds", e->mono_ms > i->connected_ms
	             ? (e->mono_ms - i->connected_ms) / 1000 : 0);
	member_count(e->b, "updates", c->updates);
	member_count(e->b, "snapshots", c->snapshots);
	member_count(e->b, "bytes", c->bytes);
	member_count(e->b, "pending", i->pending);
	put_below(e->r, i->pub, e->b);
	buf_putc(e->b, '}');
}

static void put_upstream(const struct status_upstream *u, struct buf *b)
{
	member_begin(b, NULL, '{');
	member_str(b, "directory", u->directory);
	member_some(b, "push", u->push);
	member_str(b, "mode", u->mode);
	if (u->plain)
		member_bool(b, "unsigned", true);
	member_bool(b, "chosen", !u->spare);
	member_str(b, "phase", u->phase);
	member_int(b, "since", u->since);
	member_some(b, "trouble", u->trouble);
	member_count(b, "updates", u->counts.updates);
	member_count(b, "refused", u->counts.refused);
	member_count(b, "heartbeats", u->counts.heartbeats);
	member_count(b, "fetches", u->counts.fetches);
	member_count(b, "published", u->counts.published);
	member_count(b, "forks", u->counts.forks);
	member_count(b, "polls", u->polls);
	member_count(b, "unchanged", u->unchanged);
	member_count(b, "probes", u->probes);
	member_count(b, "failures", u->failures);
	if (u->timed)
		member_int(b, "clock-offset-ms", u->clock_ms);
	member_begin(b, "reopened", '{');
	for (int i = 0; i < SUB_REASONS; i++)
		if (u->counts.reopened[i] > 0)
			member_count(b, sub_reason_text((enum sub_reason)i),
			             u->counts.reopened[i]);
	buf_puts(b, "}}");
}

static void put_upstreams(struct status *st, struct buf *b)
{
	struct status_upstream u[STATUS_UPSTREAMS];
	size_t n = status_get_upstreams(st, u);

	if (n == 0)
		return;
	member_begin(b, "upstreams", '[');
	for (size_t i = 0; i < n; i++)
		put_upstream(&u[i], b);
	buf_putc(b, ']');
}

static void put_troubles(struct status *st, struct buf *b)
{
	struct status_trouble t[STATUS_TOPICS];
	size_t n = status_troubles(st, t);

	member_begin(b, "troubles", '[');
	for (size_t i = 0; i < n; i++) {
		member_begin(b, NULL, '{');
		member_str(b, "topic", t[i].topic);
		member_str(b, "text", t[i].text);
		member_int(b, "since", t[i].since);
		buf_putc(b, '}');
	}
	buf_putc(b, ']');
}

static void put_counters(const struct status *st, struct buf *b)
{
	member_begin(b, "counters", '{');
	for (int i = 0; i < STATUS_COUNTERS_N; i++)
		member_count(b, status_counter_name((enum status_counter)i),
		             status_get(st, (enum status_counter)i));
	buf_putc(b, '}');
}

void report_status(const struct report *r, int64_t now, uint64_t mono_ms,
                   struct buf *dst)
{
	struct each_sub e = { r, mono_ms, dst };

	buf_putc(dst, '{');
	member_str(dst, "role", r->role);
	member_str(dst, "version", r->version);
	member_begin(dst, "listeners", '{');
	member_some(dst, "http", r->http);
	member_some(dst, "push", r->push);
	member_some(dst, "admin", r->admin);
	buf_putc(dst, '}');
	member_begin(dst, "certificates", '[');
	put_certificate("http", r->http_tls, dst);
	put_certificate("push", r->push_tls, dst);
	buf_putc(dst, ']');
	if (r->head)
		put_head(r, now, dst);
	put_plans(r, mono_ms, dst);
	member_count(dst, "heartbeat", r->heartbeat);
	member_count(dst, "snapshots-alive", snapshots_alive());
	if (r->subscribers)
		put_log(r->subscribers, dst);
	if (r->clients)
		put_clients(r->clients, dst);
	put_resources(r, dst);
	if (r->subscribers) {
		member_begin(dst, "subscribers", '[');
		push_each(r->subscribers, put_subscriber, &e);
		buf_putc(dst, ']');
	}
	put_upstreams(r->status, dst);
	put_refusals(r->status, dst);
	put_troubles(r->status, dst);
	put_counters(r->status, dst);
	buf_putc(dst, '}');
}

bool report_ready(const struct report *r, int64_t now, struct buf *dst)
{
	const char *fresh = "nothing";
	bool ready = false;
	int64_t age = 0;

	if (r->head) {
		fresh = report_freshness(snapshot_state(r->head), r->heartbeat,
		                         now, &age);
		/* Stale data is better than none: all proxies are stale when
		 * the server is away. */
		ready = strcmp(fresh, "expired") != 0 && !r->draining;
	}
	buf_putc(dst, '{');
	member_bool(dst, "ready", ready);
	member_begin(dst, "reasons", '[');
	if (!r->head) {
		member_str(dst, NULL, "no map is here yet");
	} else if (strcmp(fresh, "fresh") != 0) {
		member_name(dst, NULL);
		buf_printf(dst, "\"%s: %s %lld s ago\"", fresh,
		           snapshot_signed(r->head) ? "signed" : "fetched",
		           (long long)age);
	}
	if (r->draining)
		member_str(dst, NULL, "draining");
	buf_puts(dst, "]}");
	return ready;
}
