/* Start, publications, changes of the settings, end. */
#include "common/service/push_conn.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/net/loop.h"
#include "common/sys/clock.h"

#define DRAIN_MS 20		/* between looks while subscribers are sent away */
#define AWAY_MAX 86400		/* seconds that one can be sent away for */
#define SPARE_CONNS 64		/* connections above the limit that are told so */

static void set_world(struct push *p)
{
	p->world.origin = p->cfg.origin;
	p->world.own = p->cfg.own;
	p->world.share_order = true;
	p->world.heartbeat = p->cfg.heartbeat;
	p->world.message_max = p->cfg.message_max;
	p->world.received_max = p->cfg.limits.max_message;
	p->world.log = p->log;
	push_set_path(p, NULL);
}

static enum rc start_listening(struct push *p, struct diag *d)
{
	struct ws_listen_config ws = {
		.addr = p->cfg.addr, .port = p->cfg.port, .path = "/push",
		.subprotocol = FRAME_PROTOCOL, .limits = p->cfg.limits,
		.on = push_handlers, .tls = p->cfg.tls,
		.ask_certificate = p->cfg.ask_certificate,
	};
	enum rc rc;

	ws.on.arg = p;
	ws.limits.max_conns += SPARE_CONNS;
	rc = ws_listen(p->loop, &ws, d, &p->listener);
	if (rc == RC_OK)
		p->port = ws_port(p->listener);
	return rc;
}

enum rc push_new(struct loop *l, const struct push_config *cfg,
                 struct diag *d, struct push **out)
{
	struct push *p = calloc(1, sizeof(*p));
	enum rc rc;

	if (!p)
		return RC_ENOMEM;
	p->loop = l;
	p->cfg = *cfg;
	p->cfg.guard = guard_ref(cfg->guard);
	rc = history_new(cfg->log_count, cfg->log_bytes, &p->log);
	set_world(p);
	if (rc == RC_OK)
		rc = loop_timer_new(l, push_sweep, p, &p->sweep);
	if (rc == RC_OK)
		rc = start_listening(p, d);
	if (rc != RC_OK) {
		push_free(p);
		return rc;
	}
	p->cfg.tls = NULL;		/* the listener has it now */
	loop_timer_set(p->sweep, PUSH_SWEEP_MS, PUSH_SWEEP_MS);
	*out = p;
	return RC_OK;
}

uint16_t push_port(const struct push *p)
{
	return p->port;
}

enum rc push_renew(struct push *p, struct guard *g, struct tls_identity *tls)
{
	enum rc rc = RC_OK;

	if (tls && p->listener)
		rc = ws_set_identity(p->listener, tls);
	if (rc != RC_OK || !g)
		return rc;
	guard_ref(g);
	guard_unref(p->cfg.guard);
	p->cfg.guard = g;
	for (struct subscriber *s = p->all; s; s = s->next)
		push_judge(s);
	return RC_OK;
}

void push_refuse(struct push *p, const char *why)
{
	p->refusing = why;
}

const struct guard *push_guard(const struct push *p)
{
	return p->cfg.guard;
}

/* ---- end ------------------------------------------------------------------- */

static void unlisten(struct push *p)
{
	if (p->listener)
		ws_unlisten(p->listener);
	p->listener = NULL;
}

/* From 1 to n. */
static uint64_t random_up_to(uint64_t n)
{
	uint64_t r = 0;

	if (n == 0 || getrandom(&r, sizeof(r), 0) != (ssize_t)sizeof(r))
		return 1;
	return r % n + 1;
}

void push_drain(struct push *p, uint64_t over_ms)
{
	uint64_t now = clock_mono_ms(), away_s = over_ms / 1000 + 1;

	if (p->stopping)
		return;
	unlisten(p);
	p->draining = true;
	p->away_s = (unsigned)(away_s < AWAY_MAX ? away_s : AWAY_MAX);
	for (struct subscriber *s = p->all; s; s = s->next) {
		uint64_t leave_ms = now + random_up_to(over_ms);

		if (!s->leave_ms || leave_ms < s->leave_ms)
			s->leave_ms = leave_ms;
	}
	loop_timer_set(p->sweep, DRAIN_MS, DRAIN_MS);
}

void push_stop(struct push *p, unsigned retry_after)
{
	if (!p || p->stopping)
		return;
	p->stopping = true;
	if (!p->draining)		/* else they go as those before them */
		p->away_s = retry_after;
	unlisten(p);
	for (struct subscriber *s = p->all; s; s = s->next) {
		pub_close(s->pub, CLOSE_GOING, p->away_s);
		push_feed(s);
	}
}

void push_free(struct push *p)
{
	if (!p)
		return;
	unlisten(p);
	while (p->all) {
		ws_abort(p->all->ws);
		push_forget(p->all);
	}
	loop_timer_free(p->sweep);
	push_frame_drop(&p->update);
	push_frame_drop(&p->order);
	history_free(p->log);
	snapshot_unref(p->world.head);
	guard_unref(p->cfg.guard);
	free(p);
}

/* ---- publications ---------------------------------------------------------- */

/* The log must hold a body's worth: a subscriber that is busy fetching the
 * largest one needs the updates that come meanwhile. */
static void set_head(struct push *p, struct snapshot *next)
{
	uint64_t largest = p->cfg.log_bytes;

	snapshot_ref(next);
	snapshot_unref(p->world.head);
	p->world.head = next;
	push_frame_drop(&p->order);
	p->head_bytes = 0;
	for (size_t i = 0; i < snapshot_count(next); i++) {
		uint64_t size = resource_size(snapshot_at(next, i));

		p->head_bytes += size;
		if (size > largest)
			largest = size;
	}
	history_limit(p->log, p->cfg.log_count, (size_t)largest);
}

static void log_from(struct push *p, const struct state *st)
{
	history_reset(p->log, st);
	p->log_first = st->pos.serial;
	p->log_since = st->created;
}

enum rc push_start(struct push *p, const struct state *log_start,
                   struct update *const *updates, size_t n,
                   struct snapshot *head)
{
	enum rc rc = RC_OK;

	push_frame_drop(&p->update);
	set_head(p, head);
	log_from(p, log_start);
	for (size_t i = 0; rc == RC_OK && i < n; i++)
		rc = history_append(p->log, updates[i]);
	push_feed_all(p);
	return rc;
}

enum rc push_publish(struct push *p, struct snapshot *next,
                     struct update *const *updates, size_t n, bool jump,
                     bool session)
{
	const struct state *st = snapshot_state(next);
	enum rc rc = RC_OK;

	set_head(p, next);
	/* A message that was lost leaves a gap as well. */
	for (size_t i = 0; !jump && rc == RC_OK && i < n; i++)
		rc = history_append(p->log, updates[i]);
	if (rc == RC_ENOMEM)
		return rc;
	if (jump || rc == RC_EGAP ||
	    position_cmp(&history_head(p->log)->pos, &st->pos) != 0) {
		push_frame_drop(&p->update);
		log_from(p, st);
		for (struct subscriber *s = p->all; s; s = s->next)
			pub_resync(s->pub, session ? "new session" :
			           "the log starts anew");
	}
	push_feed_all(p);
	/* Only the log's own updates may be remembered: it may have dropped one. */
	push_frame_drop(&p->update);
	return RC_OK;
}

void push_refuse_session(struct push *p, const char *reason)
{
	for (struct subscriber *s = p->all; s; s = s->next)
		pub_behind(s->pub, reason);
	push_feed_all(p);
}

void push_set_path(struct push *p, const struct frame_path *above)
{
	struct frame_path *path = &p->world.path;

	memset(path, 0, sizeof(*path));
	if (above && above->n < FRAME_PATH_MAX)
		*path = *above;
	memcpy(path->id[path->n++], p->cfg.instance, UUID_TEXT + 1);
}

void push_set_heartbeat(struct push *p, unsigned seconds)
{
	p->world.heartbeat = seconds;
}

void push_on_order(struct push *p,
                   void (*ordered)(struct snapshot *head, void *arg),
                   void *arg)
{
	p->ordered = ordered;
	p->ordered_arg = arg;
}

/* ---- what is known --------------------------------------------------------- */

void push_each(const struct push *p,
               void (*each)(const struct push_info *i, void *arg), void *arg)
{
	for (const struct subscriber *s = p->all; s; s = s->next) {
		struct push_info i = {
			s->pub, ws_peer(s->ws), s->connected_ms, s->behind_ms,
			ws_pending(s->ws)
		};

		each(&i, arg);
	}
}

size_t push_count(const struct push *p)
{
	return p->n_subscribed;
}

size_t push_connections(const struct push *p)
{
	return p->n;
}

int64_t push_published(const struct push *p, uint64_t serial)
{
	struct update *u;

	if (serial == p->log_first)
		return p->log_since;
	if (serial == 0 || history_after(p->log, serial - 1, &u) != RC_OK)
		return 0;
	return u->published_ms / 1000;
}

void push_log(const struct push *p, size_t *count, size_t *bytes,
              uint64_t *oldest)
{
	*count = history_count(p->log);
	*bytes = history_bytes(p->log);
	*oldest = history_oldest(p->log);
}
