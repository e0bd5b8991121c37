#include "common/service/push.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/net/loop.h"
#include "common/sys/clock.h"
#include "common/sys/log.h"
#include "common/wire/frame_mode.h"

#define SWEEP_MS 1000		/* how often slow subscribers are looked for */
#define REPLACED_S 10		/* for which one that was replaced stays away */

static const char *const modes[] = { FRAME_MODE_WORDS };

struct subscriber {
	struct subscriber *prev, *next;
	const struct push_token *token;	/* what it showed, or NULL */
	struct push *push;
	struct ws_conn *ws;
	struct pub *pub;
	uint64_t connected_ms;
	uint64_t behind_ms;	/* not at the head since; 0: it is */
	uint64_t stuck_ms;	/* the socket takes nothing since; 0: it does */
	size_t stuck_pending;
};

/* The newest update as a frame, so that thousands of sends share one. */
struct framed {
	const struct update *update;	/* borrowed: the log holds it */
	struct ws_frame *frame;
};

struct push {
	struct loop *loop;
	struct push_config cfg;
	struct ws_listener *listener;
	struct loop_timer *sweep;
	struct history *log;
	uint64_t log_first;		/* serial it started at */
	int64_t log_since;		/* when that was published */
	struct pub_world world;
	struct framed last;
	struct subscriber *all;
	bool stopping;
};

/* ---- sending --------------------------------------------------------------- */

static enum rc frame_of(struct push *p, const struct update *u,
                        struct ws_frame **out)
{
	enum rc rc = RC_OK;

	if (p->last.update != u) {
		ws_frame_unref(p->last.frame);
		p->last.frame = NULL;
		p->last.update = NULL;
		rc = ws_frame_new(u->text, u->len, &p->last.frame);
		if (rc == RC_OK)
			p->last.update = u;
	}
	*out = p->last.frame;
	return rc;
}

static void forget_frame(struct push *p)
{
	ws_frame_unref(p->last.frame);
	p->last.frame = NULL;
	p->last.update = NULL;
}

static enum rc send_one(struct subscriber *s, const struct pub_out *out)
{
	struct push *p = s->push;
	struct ws_frame *frame;
	enum rc rc;

	if (out->what == PUB_UPDATE) {
		rc = frame_of(p, out->update, &frame);
		if (rc == RC_OK)
			rc = ws_send_frame(s->ws, frame);
		status_add(p->cfg.status, STATUS_updates_sent, 1);
		status_add(p->cfg.status, STATUS_updates_sent_bytes,
		           out->update->len);
		return rc;
	}
	return out->len ? ws_send_text(s->ws, out->text, out->len) : RC_OK;
}

/* Sends what is owed for as long as the connection takes it. */
static void feed(struct subscriber *s)
{
	uint64_t snapshots = pub_counts(s->pub)->snapshots;
	struct pub_out out;
	enum rc rc = RC_OK;

	while (rc == RC_OK && ws_is_open(s->ws) && ws_ready(s->ws)) {
		rc = pub_next(s->pub, &out);
		if (rc != RC_OK || out.what == PUB_IDLE)
			break;
		rc = send_one(s, &out);
		if (out.what == PUB_CLOSE) {
			log_info("push", "close subscriber=%s peer=%s "
			         "reason=\"%s\"", pub_name(s->pub),
			         ws_peer(s->ws), close_text(out.code));
			ws_close(s->ws, (unsigned)out.code,
			         close_text(out.code));
			break;
		}
	}
	if (rc != RC_OK) {
		log_warn("push", "subscriber=%s peer=%s: %s", pub_name(s->pub),
		         ws_peer(s->ws), rc_text(rc));
		ws_abort(s->ws);
	}
	status_add(s->push->cfg.status, STATUS_snapshots_sent,
	           pub_counts(s->pub)->snapshots - snapshots);
}

static void note_lag(struct subscriber *s)
{
	const struct state *head = s->push->world.head ?
		snapshot_state(s->push->world.head) : NULL;

	if (!head || !pub_subscribed(s->pub))
		return;
	if (position_cmp(pub_acked(s->pub), &head->pos) >= 0)
		s->behind_ms = 0;
	else if (s->behind_ms == 0)
		s->behind_ms = clock_mono_ms();
}

static void changed(struct push *p)
{
	status_set_subscribers(p->cfg.status, push_count(p));
	if (p->cfg.changed)
		p->cfg.changed(p->cfg.arg);
}

/* ---- connections ----------------------------------------------------------- */

/* Which token the header shows; every one is compared in full, so that the time
 * it takes tells nothing. */
static const struct push_token *shown(const struct push *p, const char *header)
{
	const struct push_token *found = NULL;

	if (!header || strncasecmp(header, "Bearer ", 7) != 0)
		return NULL;
	header += 7;
	for (size_t i = 0; i < p->cfg.n_tokens; i++) {
		const struct push_token *t = &p->cfg.tokens[i];
		size_t len = strlen(t->token);

		if (strlen(header) == len &&
		    CRYPTO_memcmp(header, t->token, len) == 0)
			found = t;
	}
	return found;
}

static int on_admit(const struct ws_request *rq, void *arg)
{
	const struct push *p = arg;

	if (p->stopping)
		return 503;
	/* A page that somebody looks at is no subscriber, wherever his browser
	 * can reach. */
	if (rq->origin) {
		log_warn("push", "refused peer=%s: it is a browser's, for %s",
		         rq->peer, rq->origin);
		status_closed(p->cfg.status, close_text(CLOSE_DENIED));
		return 403;
	}
	if (shown(p, rq->authorization))
		return 0;
	/* A wrong token is not a visitor without one. */
	if (p->cfg.anonymous && !rq->authorization)
		return 0;
	log_warn("push", "refused peer=%s: %s", rq->peer, rq->authorization ?
	         "its token is not known" : "it shows no token");
	status_closed(p->cfg.status, close_text(CLOSE_DENIED));
	return 401;
}

/* A name that has a token is its bearer's alone. */
static bool may_be(const struct subscriber *s)
{
	const struct push *p = s->push;
	const char *name = pub_name(s->pub);

	if (s->token)
		return strcmp(s->token->name, name) == 0;
	for (size_t i = 0; i < p->cfg.n_tokens; i++)
		if (strcmp(p->cfg.tokens[i].name, name) == 0)
			return false;
	return true;
}

static void on_open(struct ws_conn *c, const struct ws_request *rq)
{
	struct push *p = ws_user(c);
	struct subscriber *s = calloc(1, sizeof(*s));

	ws_set_user(c, NULL);
	if (!s || pub_new(&p->world, clock_wall_ms(), &s->pub) != RC_OK) {
		free(s);
		ws_abort(c);
		return;
	}
	s->push = p;
	s->ws = c;
	s->token = shown(p, rq->authorization);
	s->connected_ms = clock_mono_ms();
	s->next = p->all;
	if (p->all)
		p->all->prev = s;
	p->all = s;
	ws_set_user(c, s);
	status_add(p->cfg.status, STATUS_subscribers_total, 1);
	log_debug("push", "open peer=%s", rq->peer);
	if (p->stopping)
		pub_close(s->pub, CLOSE_GOING, 0);
	feed(s);
}

/* One name, one subscriber: an older connection is what is left of it. Should it
 * be a second proxy after all, the two must not chase each other. */
static void replace_older(struct subscriber *s)
{
	struct subscriber *o;

	for (o = s->push->all; o; o = o->next) {
		if (o == s || strcmp(pub_name(o->pub), pub_name(s->pub)) != 0)
			continue;
		pub_close(o->pub, CLOSE_REPLACED, REPLACED_S);
		feed(o);
	}
}

static void on_news(struct subscriber *s, enum pub_news news)
{
	struct push *p = s->push;

	switch (news) {
	case PUB_NEWS_SUBSCRIBED:
		log_info("push", "subscribed subscriber=%s peer=%s mode=%s "
		         "from=%llu %s", pub_name(s->pub), ws_peer(s->ws),
		         modes[pub_mode(s->pub)],
		         (unsigned long long)pub_have(s->pub)->serial,
		         pub_reason(s->pub));
		replace_older(s);
		changed(p);
		break;
	case PUB_NEWS_AHEAD:
		log_warn("push", "subscriber=%s holds serial=%llu session=%s, "
		         "which is not known here: history was lost",
		         pub_name(s->pub),
		         (unsigned long long)pub_have(s->pub)->serial,
		         pub_have(s->pub)->session);
		if (p->cfg.ahead)
			p->cfg.ahead(pub_have(s->pub), p->cfg.arg);
		break;
	case PUB_NEWS_ACK:
		changed(p);
		break;
	case PUB_NEWS_NONE:
	case PUB_NEWS_ALIVE:
	case PUB_NEWS_BYE:
	case PUB_NEWS_ERROR:
		break;
	}
	note_lag(s);
}

static void on_message(struct ws_conn *c, const char *data, size_t len)
{
	struct subscriber *s = ws_user(c);
	enum pub_news news = PUB_NEWS_NONE;
	struct diag d = { 0 };
	enum rc rc;

	if (!s)
		return;
	rc = pub_frame(s->pub, data, len, &news, &d);
	if (rc != RC_OK) {
		ws_abort(c);
		return;
	}
	if (d.text[0])
		log_warn("push", "subscriber=%s peer=%s: %s", pub_name(s->pub),
		         ws_peer(c), d.text);
	if ((news == PUB_NEWS_SUBSCRIBED || news == PUB_NEWS_AHEAD) &&
	    !may_be(s)) {
		log_warn("push", "peer=%s may not be subscriber=%s",
		         ws_peer(c), pub_name(s->pub));
		pub_close(s->pub, CLOSE_DENIED, 0);
	} else {
		on_news(s, news);
	}
	feed(s);
}

static void on_writable(struct ws_conn *c)
{
	struct subscriber *s = ws_user(c);

	if (s)
		feed(s);
}

static void on_closed(struct ws_conn *c, unsigned code, const char *reason)
{
	struct subscriber *s = ws_user(c);
	struct push *p;

	if (!s)
		return;
	p = s->push;
	log_info("push", "gone subscriber=%s peer=%s code=%u reason=\"%s\"",
	         pub_name(s->pub), ws_peer(c), code, reason);
	status_closed(p->cfg.status, close_text((int)code));
	if (s->prev)
		s->prev->next = s->next;
	else
		p->all = s->next;
	if (s->next)
		s->next->prev = s->prev;
	ws_set_user(c, NULL);
	pub_free(s->pub);
	free(s);
	changed(p);
}

/* One that takes nothing although something is owed costs the others nothing,
 * but it holds a connection and old data. */
static void on_sweep(void *arg)
{
	struct push *p = arg;
	uint64_t now = clock_mono_ms();
	struct subscriber *s;

	for (s = p->all; s; s = s->next) {
		size_t pending = ws_pending(s->ws);

		if (pending == 0 || pending < s->stuck_pending)
			s->stuck_ms = 0;
		else if (s->stuck_ms == 0)
			s->stuck_ms = now;
		s->stuck_pending = pending;
		if (s->stuck_ms && now - s->stuck_ms > p->cfg.slow_s * 1000ull) {
			log_warn("push", "subscriber=%s peer=%s takes nothing "
			         "for %u s", pub_name(s->pub), ws_peer(s->ws),
			         p->cfg.slow_s);
			ws_close(s->ws, CLOSE_SLOW, close_text(CLOSE_SLOW));
		}
	}
}

/* ---- life ------------------------------------------------------------------ */

enum rc push_new(struct loop *l, const struct push_config *cfg,
                 struct diag *d, struct push **out)
{
	struct ws_listen_config ws = {
		.addr = cfg->addr, .port = cfg->port, .path = "/push",
		.subprotocol = FRAME_PROTOCOL, .limits = cfg->limits,
		.on = { .admit = on_admit, .open = on_open, .message = on_message,
		        .writable = on_writable, .closed = on_closed },
	};
	struct push *p = calloc(1, sizeof(*p));
	enum rc rc;

	if (!p)
		return RC_ENOMEM;
	p->loop = l;
	p->cfg = *cfg;
	p->world.origin = cfg->origin;
	p->world.own = cfg->own;
	p->world.heartbeat = cfg->heartbeat;
	p->world.message_max = cfg->message_max;
	p->world.received_max = cfg->limits.max_message;
	ws.on.arg = p;
	push_set_path(p, NULL);
	rc = history_new(cfg->log_count, cfg->log_bytes, &p->log);
	p->world.log = p->log;
	if (rc == RC_OK)
		rc = loop_timer_new(l, on_sweep, p, &p->sweep);
	if (rc == RC_OK)
		rc = ws_listen(l, &ws, d, &p->listener);
	if (rc != RC_OK) {
		push_free(p);
		return rc;
	}
	loop_timer_set(p->sweep, SWEEP_MS, SWEEP_MS);
	*out = p;
	return RC_OK;
}

uint16_t push_port(const struct push *p)
{
	return ws_port(p->listener);
}

void push_stop(struct push *p, unsigned retry_after)
{
	struct subscriber *s;

	if (!p || p->stopping)
		return;
	p->stopping = true;
	if (p->listener)
		ws_unlisten(p->listener);
	p->listener = NULL;
	for (s = p->all; s; s = s->next) {
		pub_close(s->pub, CLOSE_GOING, retry_after);
		feed(s);
	}
}

void push_free(struct push *p)
{
	struct subscriber *s;

	if (!p)
		return;
	if (p->listener)
		ws_unlisten(p->listener);
	while ((s = p->all) != NULL) {
		p->all = s->next;
		ws_set_user(s->ws, NULL);
		ws_abort(s->ws);
		pub_free(s->pub);
		free(s);
	}
	loop_timer_free(p->sweep);
	forget_frame(p);
	history_free(p->log);
	snapshot_unref(p->world.head);
	free(p);
}

/* ---- publications ---------------------------------------------------------- */

static void set_head(struct push *p, struct snapshot *next)
{
	snapshot_ref(next);
	snapshot_unref(p->world.head);
	p->world.head = next;
}

/* The log must hold a body's worth: a subscriber that is busy fetching the
 * largest one needs the updates that come meanwhile. */
static void set_bounds(struct push *p)
{
	size_t bytes = p->cfg.log_bytes;

	for (size_t i = 0; i < snapshot_count(p->world.head); i++) {
		uint64_t size = resource_size(snapshot_at(p->world.head, i));

		if (size > bytes)
			bytes = (size_t)size;
	}
	history_limit(p->log, p->cfg.log_count, bytes);
}

static void feed_all(struct push *p)
{
	struct subscriber *s, *next;

	for (s = p->all; s; s = next) {
		next = s->next;
		note_lag(s);
		feed(s);
	}
}

enum rc push_start(struct push *p, const struct state *log_start,
                   struct update *const *updates, size_t n,
                   struct snapshot *head)
{
	enum rc rc = RC_OK;

	forget_frame(p);
	set_head(p, head);
	set_bounds(p);
	history_reset(p->log, log_start);
	p->log_first = log_start->pos.serial;
	p->log_since = log_start->created;
	for (size_t i = 0; rc == RC_OK && i < n; i++)
		rc = history_append(p->log, updates[i]);
	feed_all(p);
	return rc;
}

enum rc push_publish(struct push *p, struct snapshot *next,
                     struct update *const *updates, size_t n, bool jump,
                     bool session)
{
	const struct state *st = snapshot_state(next);
	enum rc rc = RC_OK;

	set_head(p, next);
	set_bounds(p);
	/* A message that was lost leaves a gap as well. */
	for (size_t i = 0; !jump && rc == RC_OK && i < n; i++)
		rc = history_append(p->log, updates[i]);
	if (rc == RC_ENOMEM)
		return rc;
	if (jump || rc == RC_EGAP ||
	    position_cmp(&history_head(p->log)->pos, &st->pos) != 0) {
		forget_frame(p);
		history_reset(p->log, st);
		p->log_first = st->pos.serial;
		p->log_since = st->created;
		for (struct subscriber *s = p->all; s; s = s->next)
			pub_resync(s->pub, session ? "new session" :
			           "the log starts anew");
	}
	feed_all(p);
	/* Only the log's own updates may be remembered: it may have dropped one. */
	forget_frame(p);
	return RC_OK;
}

void push_refuse_session(struct push *p, const char *reason)
{
	for (struct subscriber *s = p->all; s; s = s->next)
		pub_behind(s->pub, reason);
	feed_all(p);
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
	size_t n = 0;

	for (const struct subscriber *s = p->all; s; s = s->next)
		n += pub_subscribed(s->pub);
	return n;
}

size_t push_connections(const struct push *p)
{
	size_t n = 0;

	for (const struct subscriber *s = p->all; s; s = s->next)
		n++;
	return n;
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
