/* What is owed stands in a few flags and the cursor, never in a queue; pub_next()
 * turns the first of them into bytes. */
#include "common/proto/pub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX (1u << 20)	/* a frame of ours; leaves of 1,000 resources */

struct pub {
	const struct pub_world *world;
	int64_t opened_ms;
	bool owe_hello, owe_subscribed, owe_snapshot, owe_alive;
	bool subscribed, waits;		/* waits: for a new session */
	bool ordered;			/* `snapshot` sent, not yet acked */
	enum close_code closing;	/* 0: not */
	const char *fault;		/* code of the `error` to be sent, or NULL */
	char why[FRAME_REASON_MAX + 4];	/* and its text, cut by frame_error() */
	unsigned retry_after;
	bool closed;
	enum frame_mode mode;
	const char *reason;		/* static */
	char name[IRD_NAME_MAX + 1];
	char nonce[65];
	char *uri, *push;		/* malloc or NULL */
	struct frame *shown;		/* `credentials`, or NULL */
	struct position have, acked, cursor;
	struct position order;		/* of the last `snapshot` */
	int64_t sent_created;		/* of the last state sent */
	size_t n_below;
	struct frame_below *below;
	struct pub_counts counts;
	struct buf text;
};

enum rc pub_new(const struct pub_world *world, int64_t now_ms,
                struct pub **out)
{
	struct pub *p = calloc(1, sizeof(*p));

	if (!p)
		return RC_ENOMEM;
	p->world = world;
	p->opened_ms = now_ms;
	p->owe_hello = true;
	p->reason = "";
	buf_init(&p->text, TEXT_MAX);
	*out = p;
	return RC_OK;
}

void pub_free(struct pub *p)
{
	if (!p)
		return;
	free(p->uri);
	free(p->push);
	free(p->below);
	frame_free(p->shown);
	buf_free(&p->text);
	free(p);
}

/* ---- frames in ------------------------------------------------------------- */

/* Whoever wrote the other end should learn which rule it was. */
static void complain(struct pub *p, const char *code, const char *why)
{
	p->fault = code;
	snprintf(p->why, sizeof(p->why), "%.*s", (int)sizeof(p->why) - 1, why);
	pub_close(p, CLOSE_PROTOCOL, 0);
}

static enum rc breach(struct pub *p, struct diag *d, const char *what)
{
	diag_set(d, RC_EPROTO, "%s", what);
	complain(p, "E_INVALID_FIELD_VALUE", what);
	return RC_OK;
}

static void answer(struct pub *p, enum frame_mode mode, const char *reason)
{
	p->mode = mode;
	p->reason = reason;
	p->waits = false;
	p->owe_subscribed = true;
	p->owe_snapshot = mode == MODE_SNAPSHOT;
	p->subscribed = mode != MODE_BEHIND;
	p->owe_alive = mode == MODE_CURRENT;
}

/* It holds what we do not know. If we signed it, our history was lost. */
static enum pub_news unknown_have(struct pub *p, const struct state *have,
                                  const char *reason)
{
	const struct pub_world *w = p->world;

	if (!w->origin) {
		answer(p, MODE_BEHIND, reason);
		return PUB_NEWS_SUBSCRIBED;
	}
	if (!w->own || keys_check(w->own, have) != RC_OK) {
		answer(p, MODE_BEHIND, "no signature of ours");
		return PUB_NEWS_SUBSCRIBED;
	}
	p->waits = true;
	p->subscribed = false;
	return PUB_NEWS_AHEAD;
}

static enum pub_news choose(struct pub *p, const struct state *have)
{
	const struct state *head = snapshot_state(p->world->head);
	const uint8_t *root;
	bool known;

	if (!have) {
		answer(p, MODE_SNAPSHOT, "nothing held");
		return PUB_NEWS_SUBSCRIBED;
	}
	if (!position_same_session(&have->pos, &head->pos)) {
		if (position_cmp(&have->pos, &head->pos) > 0)
			return unknown_have(p, have, "session ahead");
		answer(p, MODE_SNAPSHOT, "another session");
		return PUB_NEWS_SUBSCRIBED;
	}
	if (have->pos.serial > head->pos.serial)
		return unknown_have(p, have, "serial ahead");

	root = history_root(p->world->log, have->pos.serial, &known);
	if (!known) {
		answer(p, MODE_SNAPSHOT, "history does not reach back");
		return PUB_NEWS_SUBSCRIBED;
	}
	if (memcmp(root, have->root, SHA256_SIZE) != 0)
		return unknown_have(p, have, "another root at this position");
	p->cursor = have->pos;
	p->acked = have->pos;
	answer(p, have->pos.serial == head->pos.serial ? MODE_CURRENT :
	       MODE_DELTA, "");
	return PUB_NEWS_SUBSCRIBED;
}

static enum rc keep(char **dst, const char *s)
{
	char *copy = s[0] ? strdup(s) : NULL;

	if (s[0] && !copy)
		return RC_ENOMEM;
	free(*dst);
	*dst = copy;
	return RC_OK;
}

static enum rc on_subscribe(struct pub *p, const struct frame *f,
                            enum pub_news *news, struct diag *d)
{
	enum rc rc;

	if (!p->world->head || p->owe_hello)
		return breach(p, d, "subscribe before hello");
	if (p->name[0])
		return breach(p, d, "subscribe twice");
	if (!pid_ok(f->name, strlen(f->name)))
		return breach(p, d, "subscribe: name is not 1 to 64 letters, "
		              "digits or -:@_");
	if (f->has_state &&
	    strcmp(f->state.service,
	           snapshot_state(p->world->head)->service) != 0) {
		diag_set(d, RC_EPROTO, "it holds another service: %s",
		         f->state.service);
		pub_close(p, CLOSE_SERVICE, 0);
		return RC_OK;
	}
	if (f->uri[0] && !frame_uri_ok(f->uri, false))
		return breach(p, d, "subscribe: uri is no http or https URI of "
		              "printable ASCII without quotes, <, > and \\");
	if (f->push[0] && !frame_uri_ok(f->push, true))
		return breach(p, d, "subscribe: push is no ws or wss URI of "
		              "printable ASCII without quotes, <, > and \\");
	rc = keep(&p->uri, f->uri);
	if (rc == RC_OK)
		rc = keep(&p->push, f->push);
	if (rc != RC_OK)
		return rc;
	memcpy(p->name, f->name, sizeof(p->name));
	memset(&p->acked, 0, sizeof(p->acked));
	memset(&p->have, 0, sizeof(p->have));
	if (f->has_state)
		p->have = f->state.pos;
	*news = choose(p, f->has_state ? &f->state : NULL);
	return RC_OK;
}

/* Takes over what f says of those below. One that names itself would be below
 * itself for whoever reads on; one that is above who feeds it is no truth. */
static void take_below(struct pub *p, struct frame *f)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n_below; i++) {
		const struct frame_below *b = &f->below[i];

		if (pid_ok(b->name, strlen(b->name)) &&
		    strcmp(b->name, p->name) != 0 &&
		    position_cmp(&b->pos, &p->acked) <= 0)
			f->below[n++] = *b;
	}
	free(p->below);
	p->below = f->below;
	p->n_below = n;
	f->below = NULL;
	f->n_below = 0;
}

static enum rc on_ack(struct pub *p, struct frame *f, enum pub_news *news,
                      struct diag *d)
{
	if (!p->subscribed && !p->waits)
		return breach(p, d, "ack before subscribe");
	/* One that crossed a new session on its way says nothing any more. */
	if (!position_same_session(&f->pos, &p->cursor))
		return RC_OK;
	if (position_cmp(&f->pos, &p->cursor) > 0)
		return breach(p, d, "ack of what was not sent");
	p->acked = f->pos;
	if (position_cmp(&f->pos, &p->order) >= 0)
		p->ordered = false;
	if (f->has_below)
		take_below(p, f);
	*news = PUB_NEWS_ACK;
	return RC_OK;
}

static enum rc on_frame(struct pub *p, struct frame *f, enum pub_news *news,
                        struct diag *d)
{
	switch (f->kind) {
	case FRAME_SUBSCRIBE:
		return on_subscribe(p, f, news, d);
	case FRAME_ACK:
		return on_ack(p, f, news, d);
	case FRAME_ALIVE:
		memcpy(p->nonce, f->nonce, sizeof(p->nonce));
		p->owe_alive = p->owe_alive || p->nonce[0] != '\0';
		*news = PUB_NEWS_ALIVE;
		return RC_OK;
	case FRAME_CREDENTIALS:
		*news = PUB_NEWS_CREDENTIALS;
		return RC_OK;
	case FRAME_BYE:
		*news = PUB_NEWS_BYE;
		pub_close(p, CLOSE_GOING, 0);
		return RC_OK;
	case FRAME_ERROR:
		*news = PUB_NEWS_ERROR;
		diag_set(d, RC_EPROTO, "it says %s: %s", f->code, f->reason);
		return RC_OK;
	default:
		return breach(p, d, "a message that only a publisher sends");
	}
}

enum rc pub_frame(struct pub *p, const char *text, size_t len,
                  enum pub_news *news, struct diag *d)
{
	struct diag own = { 0 };
	struct frame *f = NULL;
	enum rc rc;

	if (!d)
		d = &own;
	*news = PUB_NEWS_NONE;
	frame_free(p->shown);
	p->shown = NULL;
	if (p->closing)
		return RC_OK;
	if (len > p->world->received_max)
		return breach(p, d, "message too large");
	rc = frame_read(text, len, &f, d);
	if (rc == RC_ENOMEM)
		return rc;
	if (rc != RC_OK) {
		complain(p, "E_SYNTAX", d->text);
		return RC_OK;
	}
	rc = on_frame(p, f, news, d);
	if (*news == PUB_NEWS_CREDENTIALS)
		p->shown = f;
	else
		frame_free(f);
	return rc;
}

/* ---- frames out ------------------------------------------------------------ */

static void give_text(struct pub *p, enum pub_do what, struct pub_out *out)
{
	out->what = what;
	out->text = buf_str(&p->text);
	out->len = p->text.len;
	p->counts.bytes += p->text.len;
}

static void say_hello(struct pub *p)
{
	const struct state *st = snapshot_state(p->world->head);
	struct frame_hello h = {
		st->service, st, &p->world->path, p->world->heartbeat,
		p->world->message_max, p->opened_ms
	};

	frame_hello(&h, &p->text);
	p->owe_hello = false;
}

static enum rc say_snapshot(struct pub *p, struct pub_out *out)
{
	const struct state *st = snapshot_state(p->world->head);
	enum rc rc = RC_OK;

	p->cursor = p->order = st->pos;
	p->sent_created = st->created;
	p->owe_snapshot = false;
	p->owe_alive = p->ordered = true;
	p->counts.snapshots++;
	if (p->world->share_order)
		out->what = PUB_SNAPSHOT;
	else
		rc = frame_snapshot(p->world->head, &p->text);
	if (rc == RC_OK && p->text.len)
		give_text(p, PUB_TEXT, out);
	return rc;
}

static void say_alive(struct pub *p)
{
	const struct state *st = snapshot_state(p->world->head);

	frame_alive(st, p->nonce, &p->text);
	p->nonce[0] = '\0';
	p->sent_created = st->created;
	p->owe_alive = false;
}

/* The last words: what was wrong, if anything, and good-bye. */
static void say_bye(struct pub *p, struct pub_out *out)
{
	if (p->fault) {
		frame_error(p->fault, p->why, &p->text);
		give_text(p, PUB_TEXT, out);
		p->fault = NULL;
		return;
	}
	p->closed = true;
	frame_bye(close_text((int)p->closing), p->retry_after, &p->text);
	give_text(p, PUB_CLOSE, out);
	out->code = (int)p->closing;
}

/* The next update, or what a cursor at the head is owed. */
static enum rc follow(struct pub *p, struct pub_out *out)
{
	const struct state *head = snapshot_state(p->world->head);
	struct update *u = NULL;
	enum rc rc = RC_EGAP;

	if (position_same_session(&p->cursor, &head->pos))
		rc = history_after(p->world->log, p->cursor.serial, &u);
	if (rc == RC_OK) {
		p->cursor.serial++;
		p->sent_created = u->state.created;
		p->counts.updates++;
		p->counts.bytes += u->len;
		out->what = PUB_UPDATE;
		out->update = u;
		return RC_OK;
	}
	if (rc == RC_EGAP) {
		p->reason = "history does not reach back";
		return say_snapshot(p, out);
	}
	if (p->owe_alive || p->sent_created != head->created) {
		say_alive(p);
		give_text(p, PUB_TEXT, out);
	}
	return buf_rc(&p->text);
}

enum rc pub_next(struct pub *p, struct pub_out *out)
{
	memset(out, 0, sizeof(*out));
	buf_free(&p->text);
	if (p->closed)
		return RC_OK;
	if (p->closing) {
		say_bye(p, out);
		return buf_rc(&p->text);
	}
	if (!p->world->head)
		return RC_OK;
	if (p->owe_hello) {
		say_hello(p);
	} else if (p->owe_subscribed) {
		frame_subscribed(snapshot_state(p->world->head), p->mode,
		                 p->reason, &p->text);
		p->owe_subscribed = false;
	} else if (p->owe_snapshot) {
		return say_snapshot(p, out);
	} else {
		return p->subscribed ? follow(p, out) : RC_OK;
	}
	give_text(p, PUB_TEXT, out);
	return buf_rc(&p->text);
}

/* ---- turns of events ------------------------------------------------------- */

void pub_resync(struct pub *p, const char *reason)
{
	if (p->waits) {
		answer(p, MODE_SNAPSHOT, reason);
	} else if (p->subscribed) {
		p->owe_snapshot = true;
		p->reason = reason;
	}
}

void pub_behind(struct pub *p, const char *reason)
{
	if (p->waits)
		answer(p, MODE_BEHIND, reason);
}

void pub_close(struct pub *p, enum close_code code, unsigned retry_after)
{
	if (p->closing)
		return;
	p->closing = code;
	p->retry_after = retry_after;
}

/* ---- what is known --------------------------------------------------------- */

bool pub_subscribed(const struct pub *p)
{
	return p->subscribed;
}

bool pub_at_head(const struct pub *p)
{
	return p->subscribed && !p->owe_snapshot && !p->owe_subscribed &&
	       position_cmp(&p->cursor,
	                    &snapshot_state(p->world->head)->pos) == 0;
}

bool pub_pulling(const struct pub *p)
{
	return p->subscribed && (p->owe_snapshot || p->ordered);
}

const char *pub_name(const struct pub *p)
{
	return p->name;
}

const char *pub_token(const struct pub *p)
{
	return p->shown ? p->shown->token : NULL;
}

const char *pub_uri(const struct pub *p)
{
	return p->uri ? p->uri : "";
}

const char *pub_push_uri(const struct pub *p)
{
	return p->push ? p->push : "";
}

const struct position *pub_have(const struct pub *p)
{
	return &p->have;
}

const struct position *pub_acked(const struct pub *p)
{
	return &p->acked;
}

const struct frame_below *pub_below(const struct pub *p, size_t *n)
{
	*n = p->n_below;
	return p->below;
}

uint64_t pub_sent(const struct pub *p)
{
	return p->cursor.serial;
}

enum frame_mode pub_mode(const struct pub *p)
{
	return p->mode;
}

const char *pub_reason(const struct pub *p)
{
	return p->reason;
}

const struct pub_counts *pub_counts(const struct pub *p)
{
	return &p->counts;
}
