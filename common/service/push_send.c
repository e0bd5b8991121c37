/* What is sent, as connections take it, and who does not take it. */
#include "common/service/push_conn.h"

#include "common/sys/clock.h"
#include "common/sys/log.h"

#define ORDER_MAX (1u << 20)	/* bytes of a `snapshot`; leaves of 1,000 */
#define RELAX 4			/* an order that spreads so much too far is
				 * written anew */

/* ---- what many are sent ---------------------------------------------------- */

void push_frame_drop(struct framed *f)
{
	ws_frame_unref(f->frame);
	*f = (struct framed){ NULL, 0, NULL };
}

static enum rc update_frame(struct push *p, const struct update *u)
{
	enum rc rc;

	if (p->update.of == u)
		return RC_OK;
	push_frame_drop(&p->update);
	rc = ws_frame_new(u->text, u->len, &p->update.frame);
	if (rc == RC_OK)
		p->update.of = u;
	return rc;
}

/* Seconds for those who are at it now: in steps, so that while a herd comes in the
 * order is written a few times and not for each. */
static unsigned within_now(const struct push *p)
{
	unsigned need = frame_within(p->head_bytes, p->n_pulling);
	unsigned step = need ? 1 : 0;

	while (step < need)
		step *= 2;
	return step < FRAME_WITHIN_MAX ? step : FRAME_WITHIN_MAX;
}

static enum rc order_frame(struct push *p)
{
	struct snapshot *head = p->world.head;
	unsigned within = within_now(p);
	struct framed *f = &p->order;
	struct buf text = BUF_INIT(ORDER_MAX);
	enum rc rc;

	if (f->of == head && within <= f->within &&
	    within * RELAX >= f->within)
		return RC_OK;
	push_frame_drop(f);
	rc = frame_snapshot_within(head, within, &text);
	if (rc == RC_OK)
		rc = ws_frame_new(text.data, text.len, &f->frame);
	buf_free(&text);
	if (rc != RC_OK)
		return rc;
	f->of = head;
	f->within = within;
	status_add(p->cfg.status, STATUS_snapshots_encoded, 1);
	if (p->ordered)
		p->ordered(head, p->ordered_arg);
	return RC_OK;
}

/* ---- sending --------------------------------------------------------------- */

static enum rc send_update(struct subscriber *s, const struct update *u)
{
	struct push *p = s->push;
	enum rc rc = update_frame(p, u);

	if (rc == RC_OK)
		rc = ws_send_frame(s->ws, p->update.frame);
	status_add(p->cfg.status, STATUS_updates_sent, 1);
	status_add(p->cfg.status, STATUS_updates_sent_bytes, u->len);
	return rc;
}

static enum rc send_order(struct subscriber *s)
{
	enum rc rc = order_frame(s->push);

	if (rc == RC_OK)
		rc = ws_send_frame(s->ws, s->push->order.frame);
	status_add(s->push->cfg.status, STATUS_snapshots_sent, 1);
	return rc;
}

static void hang_up(struct subscriber *s, int code)
{
	log_info("push", "close subscriber=%s peer=%s code=%d reason=\"%s\"",
	         pub_name(s->pub), ws_peer(s->ws), code, close_text(code));
	ws_close(s->ws, (unsigned)code, close_text(code));
}

static enum rc send_one(struct subscriber *s, const struct pub_out *out)
{
	enum rc rc;

	switch (out->what) {
	case PUB_UPDATE:
		return send_update(s, out->update);
	case PUB_SNAPSHOT:
		return send_order(s);
	case PUB_TEXT:
	case PUB_CLOSE:
		rc = ws_send_text(s->ws, out->text, out->len);
		if (rc == RC_OK && out->what == PUB_CLOSE)
			hang_up(s, out->code);
		return rc;
	case PUB_IDLE:
		break;
	}
	return RC_OK;
}

void push_feed(struct subscriber *s)
{
	struct pub_out out = { .what = PUB_TEXT };
	enum rc rc = RC_OK;

	while (rc == RC_OK && out.what != PUB_IDLE && ws_is_open(s->ws) &&
	       ws_ready(s->ws)) {
		rc = pub_next(s->pub, &out);
		if (rc == RC_OK)
			rc = send_one(s, &out);
	}
	push_note(s);
	if (rc == RC_OK)
		return;
	log_warn("push", "subscriber=%s peer=%s: %s", pub_name(s->pub),
	         ws_peer(s->ws), rc_text(rc));
	ws_abort(s->ws);
}

void push_feed_all(struct push *p)
{
	struct subscriber *s;

	/* How many there are decides what they are told. */
	for (s = p->all; s; s = s->next)
		push_note(s);
	for (s = p->all; s; s = s->next)
		push_feed(s);
}

/* ---- who does not take it -------------------------------------------------- */

/* One that takes nothing although something is owed costs the others nothing,
 * but it holds a connection and old data. */
static void look_at(struct subscriber *s, uint64_t now)
{
	const struct push *p = s->push;
	uint64_t written = pub_counts(s->pub)->bytes - ws_pending(s->ws);

	if (ws_ready(s->ws) || written != s->written)
		s->stuck_ms = 0;
	else if (s->stuck_ms == 0)
		s->stuck_ms = now;
	s->written = written;
	if (!s->stuck_ms || now - s->stuck_ms <= p->cfg.slow_s * 1000ull ||
	    !ws_is_open(s->ws))
		return;
	log_warn("push", "subscriber=%s peer=%s takes nothing for %u s",
	         pub_name(s->pub), ws_peer(s->ws), p->cfg.slow_s);
	hang_up(s, CLOSE_SLOW);
}

static void look_at_all(struct push *p, uint64_t now)
{
	p->sweep_ms = now;
	for (struct subscriber *s = p->all; s; s = s->next)
		look_at(s, now);
	if (p->turned_away > PUSH_TOLD_MAX)
		log_warn("push", "refused %u more", p->turned_away -
		         PUSH_TOLD_MAX);
	p->turned_away = p->told = 0;
}

void push_sweep(void *push)
{
	struct push *p = push;
	uint64_t now = clock_mono_ms();

	if (now - p->sweep_ms >= PUSH_SWEEP_MS)
		look_at_all(p, now);
	if (p->foreign_ms && now > p->foreign_ms + PUSH_FOREIGN_MS)
		push_foreign_over(p);
	for (struct subscriber *s = p->all; p->draining && s; s = s->next) {
		if (!s->leave_ms || now < s->leave_ms)
			continue;
		s->leave_ms = 0;
		pub_close(s->pub, CLOSE_GOING, p->away_s);
		push_feed(s);
	}
}
