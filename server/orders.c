#include "server/orders.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/service/member.h"
#include "common/sys/clock.h"
#include "common/sys/log.h"
#include "common/wire/state_json.h"
#include "server/answer.h"

/* ---- texts ----------------------------------------------------------------- */

struct when {
	char s[64];
};

/* "2026-05-01T12:00:00Z, in 23h 5m" */
static struct when when_of(int64_t at)
{
	int64_t left = at - clock_wall_s(), minutes = (left + 59) / 60;
	struct when w;
	size_t n;

	snprintf(w.s, sizeof(w.s), "%s", enc_utc(at).s);
	n = strlen(w.s);
	if (left > 7200)
		snprintf(w.s + n, sizeof(w.s) - n, ", in %lldh %lldm",
		         (long long)(minutes / 60), (long long)(minutes % 60));
	else if (left > 120)
		snprintf(w.s + n, sizeof(w.s) - n, ", in %lldm",
		         (long long)minutes);
	else if (left > 0)
		snprintf(w.s + n, sizeof(w.s) - n, ", in %llds",
		         (long long)left);
	return w;
}

static void put_position(struct buf *b, const char *name,
                         const struct position *at)
{
	member_begin(b, name, '{');
	member_str(b, "session", at->session);
	member_count(b, "serial", at->serial);
	buf_putc(b, '}');
}

/* ---- keys ------------------------------------------------------------------ */

void orders_show_keys(const struct origin *o)
{
	const struct key_note *next = keyring_next_note(o->ring);
	struct status_next_key k = { .from = next ? next->from : 0 };

	if (next)
		memcpy(k.id, next->key.id, sizeof(k.id));
	status_set_next_key(o->house->status, &k);
	status_trouble(o->house->status, "key", keyring_trouble(o->ring),
	               clock_wall_s());
}

static void tell_loop(struct origin *o)
{
	struct msg_keys *m = calloc(1, sizeof(*m));

	if (!m) {
		log_error("key", "out of memory: the list of keys is old until "
		          "the next start");
		return;
	}
	m->msg.kind = MSG_KEYS;
	m->msg.size = sizeof(*m);
	keyring_own(o->ring, &m->keys);
	house_to_loop(o->house, &m->msg);
}

/* Publishes under the ring as it is prepared, and then it is so. */
static enum rc take_change(struct origin *o, bool session, struct diag *d)
{
	bool published = false;
	enum rc rc = release_republish(o, session, &published, d);

	if (rc == RC_OK && !published)
		rc = diag_set(d, RC_EINVAL, "the directory would not change");
	if (rc != RC_OK) {
		keyring_undo(o->ring);
		return rc;
	}
	keyring_done(o->ring);
	status_add(o->house->status, STATUS_publications, 1);
	orders_show_keys(o);
	tell_loop(o);
	return RC_OK;
}

static void refuse(struct origin *o, struct ctlsock_req *req, enum rc rc,
                   const struct diag *d)
{
	struct buf why = BUF_INIT(2048);

	diag_print(d, &why);
	answer_error(o->house, req, d->text[0] ? buf_str(&why) : rc_text(rc));
	buf_free(&why);
}

/* Too early, or there already: with the time. */
static void refuse_next(struct origin *o, struct ctlsock_req *req,
                        const char *why, const char *advice)
{
	const struct key_note *k = keyring_next_note(o->ring);
	int64_t left = k->from - clock_wall_s();
	struct buf b = BUF_INIT(ANSWER_MAX);
	char text[600];

	snprintf(text, sizeof(text), "%s; it may sign from %s%s", why,
	         when_of(k->from).s, advice);
	buf_putc(&b, '{');
	member_str(&b, "error", text);
	member_str(&b, "key", k->key.id);
	member_int(&b, "from", k->from);
	member_int(&b, "wait", left > 0 ? left : 0);
	buf_putc(&b, '}');
	answer_send(o->house, req, &b);
}

static void key_list(struct origin *o, struct ctlsock_req *req)
{
	struct key_note note[JWK_KEYS_MAX];
	size_t n = keyring_notes(o->ring, note);
	struct buf b = BUF_INIT(ANSWER_MAX);

	buf_putc(&b, '{');
	member_int(&b, "lifetime", o->lifetime);
	member_begin(&b, "keys", '[');
	for (size_t i = 0; i < n; i++) {
		member_begin(&b, NULL, '{');
		member_str(&b, "key", note[i].key.id);
		member_str(&b, "role", key_role_text(note[i].role));
		if (note[i].since)
			member_int(&b, "since", note[i].since);
		if (note[i].role == KEY_NEXT)
			member_int(&b, "from", note[i].from);
		buf_putc(&b, '}');
	}
	buf_putc(&b, ']');
	member_some(&b, "trouble", keyring_trouble(o->ring));
	buf_putc(&b, '}');
	answer_send(o->house, req, &b);
}

static void key_next(struct origin *o, struct ctlsock_req *req)
{
	int64_t now = clock_wall_s(), from = now + o->lifetime;
	const struct state *st = snapshot_state(o->now);
	struct buf b = BUF_INIT(ANSWER_MAX);
	const struct key_note *k;
	struct diag d = { 0 };
	enum rc rc;

	/* What was signed before a restart may live longer than what is signed
	 * now. */
	if (st->expires > from)
		from = st->expires;
	rc = keyring_next(o->ring, now, from, &d);
	if (rc == RC_EEXIST) {
		refuse_next(o, req, d.text, "; key retire puts it in place "
		            "then");
		return;
	}
	if (rc == RC_OK)
		rc = take_change(o, false, &d);
	if (rc != RC_OK) {
		refuse(o, req, rc, &d);
		return;
	}
	k = keyring_next_note(o->ring);
	log_info("key", "next thumbprint=%s from=%s", k->key.id,
	         enc_utc(k->from).s);
	buf_puts(&b, "{\"changed\":true");
	member_str(&b, "key", k->key.id);
	member_int(&b, "from", k->from);
	put_position(&b, "to", &snapshot_state(o->now)->pos);
	buf_putc(&b, '}');
	answer_send(o->house, req, &b);
}

/* When the next session begins by itself, 0: never. Who had the key may have begun
 * one STATE_SKEW_S ahead of a proxy's clock, which may be as far ahead of ours: when
 * each of these has passed, ours stands above it. What was done is told by the
 * session that there is, so nothing more is kept, and a restart forgets nothing. */
static int64_t session_owed(const struct origin *o)
{
	const char *session = snapshot_state(o->now)->pos.session;
	int64_t begun = (int64_t)(enc_uuid7_ms(session) / 1000);
	int64_t due = keyring_compromised(o->ring);

	for (int i = 0; due && i < 2; i++) {
		due += STATE_SKEW_S + 1;
		if (begun < due)
			return due;
	}
	return 0;
}

uint64_t orders_renew(struct origin *o)
{
	int64_t due = session_owed(o), now = clock_wall_s();
	struct diag d = { 0 };
	bool published;
	char text[256];
	enum rc rc;

	if (due && due <= now) {
		rc = release_republish(o, true, &published, &d);
		if (rc != RC_OK) {
			log_error("key", "the session after a compromised key: "
			          "%s", d.text[0] ? d.text : rc_text(rc));
			return 1000;
		}
		status_add(o->house->status, STATUS_publications, 1);
		log_info("key", "a key was called compromised: new session %s, "
		         "above those that its thief may have dated ahead",
		         snapshot_state(o->now)->pos.session);
		due = session_owed(o);
	}
	snprintf(text, sizeof(text), "a key was called compromised: until %s a "
	         "proxy may hold a later session of the thief's; a new one "
	         "begins then", enc_utc(due).s);
	status_trouble(o->house->status, "stolen", due ? text : NULL, now);
	return due > now ? (uint64_t)(due - now) * 1000 : UINT64_MAX;
}

static void answer_retire(struct origin *o, const struct msg_order *m,
                          const char *was, const struct position *from)
{
	const char *key = sign_key_public(keyring_signer(o->ring))->id;
	struct buf b = BUF_INIT(ANSWER_MAX);

	log_info("key", "signs thumbprint=%s %s=%s", key, m->compromised ?
	         "compromised" : "retired", was);
	buf_puts(&b, "{\"changed\":true");
	member_str(&b, "key", key);
	member_str(&b, m->compromised ? "compromised" : "retired", was);
	put_position(&b, "from", from);
	put_position(&b, "to", &snapshot_state(o->now)->pos);
	if (m->compromised)
		member_int(&b, "again", session_owed(o));
	buf_putc(&b, '}');
	answer_send(o->house, m->req, &b);
}

static void key_retire(struct origin *o, const struct msg_order *m)
{
	struct position from = snapshot_state(o->now)->pos;
	char was[THUMBPRINT_TEXT + 1];
	int64_t now = clock_wall_s(), left = 0;
	struct diag d = { 0 };
	enum rc rc;

	memcpy(was, sign_key_public(keyring_signer(o->ring))->id, sizeof(was));
	rc = m->compromised ? keyring_drop(o->ring, now, &d) :
	                      keyring_retire(o->ring, now, &left, &d);
	if (rc == RC_ETIME) {
		refuse_next(o, m->req, d.text, ", because until then there are "
		            "signatures about from before it was announced");
		return;
	}
	if (rc == RC_OK)
		rc = take_change(o, m->compromised, &d);
	if (rc == RC_OK)
		answer_retire(o, m, was, &from);
	else
		refuse(o, m->req, rc, &d);
}

/* ---- sessions -------------------------------------------------------------- */

static void session_new(struct origin *o, struct ctlsock_req *req)
{
	struct position from = snapshot_state(o->now)->pos;
	struct buf b = BUF_INIT(ANSWER_MAX);
	struct diag d = { 0 };
	bool published = false;
	enum rc rc = release_republish(o, true, &published, &d);

	if (rc != RC_OK) {
		refuse(o, req, rc, &d);
		return;
	}
	status_add(o->house->status, STATUS_publications, 1);
	log_info("publish", "new session, as ordered: %s after %s",
	         snapshot_state(o->now)->pos.session, from.session);
	buf_puts(&b, "{\"changed\":true");
	put_position(&b, "from", &from);
	put_position(&b, "to", &snapshot_state(o->now)->pos);
	buf_putc(&b, '}');
	answer_send(o->house, req, &b);
}

/* ---- all of them ----------------------------------------------------------- */

void orders_do(struct origin *o, struct backup *b, const struct msg_order *m)
{
	struct buf text = BUF_INIT(ANSWER_MAX);

	switch (m->what) {
	case ORDER_KEY_LIST:
		key_list(o, m->req);
		break;
	case ORDER_KEY_NEXT:
		key_next(o, m->req);
		break;
	case ORDER_KEY_RETIRE:
		key_retire(o, m);
		break;
	case ORDER_SESSION_NEW:
		session_new(o, m->req);
		break;
	case ORDER_BACKUP:
		if (!backup_begin(b, o->house->journal, m->req, &text))
			answer_send(o->house, m->req, &text);
		break;
	}
}

bool orders_tick(struct origin *o, struct backup *b)
{
	struct buf text = BUF_INIT(ANSWER_MAX);
	struct ctlsock_req *req;

	backup_tidy(b, o->house->journal);
	if (!b->copy)
		return false;
	if (backup_step(b, &req, &text))
		answer_send(o->house, req, &text);
	return b->copy != NULL;
}
