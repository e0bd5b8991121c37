/* Who comes, what they say, how they go. */
#include "common/service/push_conn.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/sys/clock.h"
#include "common/sys/log.h"
#include "common/wire/frame_mode.h"

#define REPLACED_S 10		/* for which one that was replaced stays away */
#define FULL "too many subscribers"
#define CREDENTIALS_COST 16384	/* bytes: the search of all tokens and certificates */

static const char *const modes[] = { FRAME_MODE_WORDS };

static void count(size_t *n, bool *counted, bool now)
{
	if (now != *counted)
		*n = now ? *n + 1 : *n - 1;
	*counted = now;
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

void push_note(struct subscriber *s)
{
	struct push *p = s->push;

	note_lag(s);
	count(&p->n_subscribed, &s->subscribed, pub_subscribed(s->pub));
	count(&p->n_pulling, &s->pulling, pub_pulling(s->pub));
}

void push_changed(struct push *p)
{
	status_set_subscribers(p->cfg.status, p->n_subscribed);
	if (p->cfg.changed)
		p->cfg.changed(p->cfg.arg);
}

/* ---- coming ---------------------------------------------------------------- */

/* A flood of them must not become one of the log. */
static int turn_away(struct push *p, const char *peer, int status,
                     const char *why)
{
	if (p->turned_away++ < PUSH_TOLD_MAX)
		log_warn("push", "refused peer=%s: %s", peer, why);
	status_refused(p->cfg.status, why);
	return status;
}

static void on_turned_away(const char *peer, const char *why, void *arg)
{
	turn_away(arg, peer, 0, why);
}

static int on_admit(const struct ws_request *rq, void *arg)
{
	struct push *p = arg;
	struct guard_badge badge;
	const char *why = "";
	int status;

	if (p->draining || p->stopping)
		return turn_away(p, rq->peer, 503, close_text(CLOSE_GOING));
	if (p->refusing)
		return turn_away(p, rq->peer, 503, p->refusing);
	if (p->n >= p->cfg.limits.max_conns)
		return turn_away(p, rq->peer, 503, FULL);
	status = guard_admit(p->cfg.guard, rq, &badge, &why);
	if (status == 0)
		return 0;
	status_closed(p->cfg.status, close_text(CLOSE_DENIED));
	return turn_away(p, rq->peer, status, why);
}

/* Keeps what rq shows. */
static enum rc identify(struct subscriber *s, const struct ws_request *rq)
{
	const char *why;

	s->tls = rq->tls;
	if (rq->authorization) {
		s->authorization = strdup(rq->authorization);
		if (!s->authorization)
			return RC_ENOMEM;
	}
	return guard_admit(s->push->cfg.guard, rq, &s->badge, &why) == 0 ?
	       RC_OK : RC_EKEY;
}

static void forget_secret(char *authorization)
{
	if (authorization)
		OPENSSL_cleanse(authorization, strlen(authorization));
	free(authorization);
}

static void link_in(struct push *p, struct subscriber *s)
{
	s->next = p->all;
	if (p->all)
		p->all->prev = s;
	p->all = s;
	p->n++;
}

static void on_open(struct ws_conn *c, const struct ws_request *rq)
{
	struct push *p = ws_user(c);
	struct subscriber *s = calloc(1, sizeof(*s));

	ws_set_user(c, NULL);
	if (s)
		s->push = p;
	if (!s || identify(s, rq) != RC_OK ||
	    pub_new(&p->world, clock_wall_ms(), &s->pub) != RC_OK) {
		if (s)
			forget_secret(s->authorization);
		free(s);
		ws_abort(c);
		return;
	}
	s->ws = c;
	s->connected_ms = clock_mono_ms();
	link_in(p, s);
	ws_set_user(c, s);
	status_add(p->cfg.status, STATUS_subscribers_total, 1);
	log_debug("push", "open peer=%s", rq->peer);
	if (p->draining || p->stopping)
		pub_close(s->pub, CLOSE_GOING, p->away_s);
	push_feed(s);
}

/* ---- what they say --------------------------------------------------------- */

/* One name, one subscriber: an older connection is what is left of it. Should it
 * be a second proxy after all, the two must not chase each other. */
static void replace_older(struct subscriber *s)
{
	struct subscriber *o;

	for (o = s->push->all; o; o = o->next) {
		if (o == s || strcmp(pub_name(o->pub), pub_name(s->pub)) != 0)
			continue;
		pub_close(o->pub, CLOSE_REPLACED, REPLACED_S);
		push_feed(o);
	}
}

/* At the origin: what it holds lies above what was ever published, or contradicts it,
 * and no key of ours vouches for it. Somebody has a key that was called compromised,
 * or it was led to another server: the operator should know where. */
static void on_foreign(struct subscriber *s)
{
	const struct position *have = pub_have(s->pub);
	struct push *p = s->push;
	char text[400];

	snprintf(text, sizeof(text), "subscriber %s holds serial %llu of session "
	         "%s, which was never published here, and no good key signed "
	         "it: find out who did, and say altoctl trust there",
	         pub_name(s->pub), (unsigned long long)have->serial,
	         have->session);
	if (!p->foreign_ms || strcmp(p->foreign, pub_name(s->pub)) != 0)
		log_warn("push", "%s", text);
	status_add(p->cfg.status, STATUS_foreign_states, 1);
	status_trouble(p->cfg.status, "foreign", text, clock_wall_s());
	snprintf(p->foreign, sizeof(p->foreign), "%s", pub_name(s->pub));
	p->foreign_ms = clock_mono_ms() + 1;
}

void push_foreign_over(struct push *p)
{
	p->foreign_ms = 0;
	status_trouble(p->cfg.status, "foreign", NULL, 0);
}

static void on_subscribed(struct subscriber *s)
{
	struct push *p = s->push;

	log_info("push", "subscribed subscriber=%s peer=%s tls=%s mode=%s "
	         "from=%llu %s", pub_name(s->pub), ws_peer(s->ws),
	         s->tls.version[0] ? s->tls.version : "no",
	         modes[pub_mode(s->pub)],
	         (unsigned long long)pub_have(s->pub)->serial,
	         pub_reason(s->pub));
	if (p->world.origin && pub_mode(s->pub) == MODE_BEHIND)
		on_foreign(s);
	else if (p->foreign_ms && strcmp(p->foreign, pub_name(s->pub)) == 0)
		push_foreign_over(p);
	replace_older(s);
	push_changed(s->push);
}

static void on_ahead(struct subscriber *s)
{
	struct push *p = s->push;

	log_warn("push", "subscriber=%s holds serial=%llu session=%s, which is "
	         "not known here: history was lost", pub_name(s->pub),
	         (unsigned long long)pub_have(s->pub)->serial,
	         pub_have(s->pub)->session);
	if (p->cfg.ahead)
		p->cfg.ahead(pub_have(s->pub), p->cfg.arg);
}

static bool may_be(const struct subscriber *s)
{
	return guard_may_be(s->push->cfg.guard, &s->badge, pub_name(s->pub));
}

static void deny(struct subscriber *s)
{
	log_warn("push", "peer=%s may not be subscriber=%s", ws_peer(s->ws),
	         pub_name(s->pub));
	pub_close(s->pub, CLOSE_DENIED, 0);
}

/* Lines that whoever is connected can bring about: a flood of them must not become
 * one of the log. */
static bool may_tell(struct push *p)
{
	return p->told++ < PUSH_TOLD_MAX;
}

/* A token that is to replace the one it has shown: for when that is taken out. What
 * proves nothing changes nothing. */
static void on_credentials(struct subscriber *s)
{
	struct buf text = BUF_INIT(FRAME_TOKEN_MAX + 16);
	struct ws_request rq = { .peer = ws_peer(s->ws), .tls = s->tls };
	struct guard_badge was = s->badge;
	const char *why = "", *name = pub_name(s->pub);
	char *header;

	buf_printf(&text, "Bearer %s", pub_token(s->pub));
	header = buf_take(&text, NULL);
	if (!header)
		return;
	rq.authorization = header;
	if (s->authorization && strcmp(header, s->authorization) == 0) {
		forget_secret(header);	/* as before */
		return;
	}
	if (guard_admit(s->push->cfg.guard, &rq, &s->badge, &why) == 0 &&
	    (!name[0] || may_be(s))) {
		if (may_tell(s->push))
			log_info("push", "subscriber=%s peer=%s shows its token "
			         "of now", name, rq.peer);
		forget_secret(s->authorization);
		s->authorization = header;
		return;
	}
	s->badge = was;
	forget_secret(header);
	if (!why[0])
		why = "its token is another subscriber's";
	status_refused(s->push->cfg.status, why);
	if (may_tell(s->push))
		log_warn("push", "subscriber=%s peer=%s shows a new token: %s; what "
		         "it has shown before stands", name, rq.peer, why);
}

static void on_news(struct subscriber *s, enum pub_news news)
{
	switch (news) {
	case PUB_NEWS_SUBSCRIBED:
		on_subscribed(s);
		break;
	case PUB_NEWS_AHEAD:
		on_ahead(s);
		break;
	case PUB_NEWS_ACK:
		push_changed(s->push);
		break;
	case PUB_NEWS_CREDENTIALS:
		on_credentials(s);
		break;
	case PUB_NEWS_NONE:
	case PUB_NEWS_ALIVE:
	case PUB_NEWS_BYE:
	case PUB_NEWS_ERROR:
		break;
	}
}

static void on_message(struct ws_conn *c, const char *data, size_t len)
{
	struct subscriber *s = ws_user(c);
	enum pub_news news = PUB_NEWS_NONE;
	struct diag d = { 0 };
	enum rc rc;

	if (!s)
		return;
	status_add(s->push->cfg.status, STATUS_received_bytes, len);
	rc = pub_frame(s->pub, data, len, &news, &d);
	if (rc != RC_OK) {
		ws_abort(c);
		return;
	}
	if (news == PUB_NEWS_CREDENTIALS)
		ws_charge(c, CREDENTIALS_COST);
	if (d.text[0] && may_tell(s->push))
		log_warn("push", "subscriber=%s peer=%s: %s", pub_name(s->pub),
		         ws_peer(c), d.text);
	push_note(s);
	if ((news == PUB_NEWS_SUBSCRIBED || news == PUB_NEWS_AHEAD) &&
	    !may_be(s))
		deny(s);
	else
		on_news(s, news);
	push_feed(s);
}

/* It goes on when it may again (ws.h): the others are served meanwhile. */
static void on_paused(struct ws_conn *c)
{
	struct subscriber *s = ws_user(c);

	if (!s)
		return;
	status_add(s->push->cfg.status, STATUS_received_paused, 1);
	if (!s->loud && may_tell(s->push))
		log_warn("push", "subscriber=%s peer=%s sends more than a "
		         "subscriber has to say: it is read from slowly",
		         pub_name(s->pub), ws_peer(c));
	s->loud = true;
}

static void on_writable(struct ws_conn *c)
{
	struct subscriber *s = ws_user(c);

	if (s)
		push_feed(s);
}

/* It was who it says, and its name has a proof still: an operator puts one in the
 * place of another. It comes again with that; who stole the one that went cannot. */
static void ask_again(struct subscriber *s)
{
	log_info("push", "subscriber=%s peer=%s: %s, it has to come again with "
	         "what it has now", pub_name(s->pub), ws_peer(s->ws),
	         close_text(CLOSE_TAKEN));
	pub_close(s->pub, CLOSE_TAKEN, 0);
}

void push_judge(struct subscriber *s)
{
	const struct guard_badge before = s->badge;
	const struct ws_request rq = {
		.peer = ws_peer(s->ws), .authorization = s->authorization,
		.tls = s->tls
	};
	const char *why;

	if (guard_admit(s->push->cfg.guard, &rq, &s->badge, &why) == 0 &&
	    (!pub_name(s->pub)[0] || may_be(s)))
		return;
	if (before.proven && guard_proves(s->push->cfg.guard, before.name))
		ask_again(s);
	else
		deny(s);
	push_feed(s);
}

/* ---- going ----------------------------------------------------------------- */

/* What a close is counted under: few words, whatever the peer may write. */
static const char *label(unsigned code, const char *reason)
{
	static const char *const lost[] = {
		"connection lost", "no sign of life", "write failed",
		"handshake took too long", "aborted"
	};

	switch (code) {
	case WS_NORMAL:
	case WS_GOING_AWAY:
	case WS_NO_CODE:
		return "left";
	case WS_BAD_PROTOCOL:
	case WS_BAD_TYPE:
		return "not a text message";
	case WS_TOO_BIG:
		return "message too large";
	case WS_LOST:
		for (size_t i = 0; i < sizeof(lost) / sizeof(lost[0]); i++)
			if (strcmp(reason, lost[i]) == 0)
				return lost[i];
		return lost[0];
	default:
		return close_text((int)code);
	}
}

void push_forget(struct subscriber *s)
{
	struct push *p = s->push;

	if (s->prev)
		s->prev->next = s->next;
	else
		p->all = s->next;
	if (s->next)
		s->next->prev = s->prev;
	p->n--;
	count(&p->n_subscribed, &s->subscribed, false);
	count(&p->n_pulling, &s->pulling, false);
	ws_set_user(s->ws, NULL);
	forget_secret(s->authorization);
	pub_free(s->pub);
	free(s);
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
	status_closed(p->cfg.status, label(code, reason));
	push_forget(s);
	push_changed(p);
}

const struct ws_handlers push_handlers = {
	.admit = on_admit, .turned_away = on_turned_away, .open = on_open,
	.message = on_message, .writable = on_writable, .paused = on_paused,
	.closed = on_closed
};
