/* The push channel to the upstream in use: where it is, when it is tried, its end. */
#include "proxy/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/sys/clock.h"
#include "common/sys/keyfile.h"
#include "common/sys/log.h"

#define MISSES_MAX	2	/* before the directory is asked again */
#define TOO_BIG		"1009"	/* close code of a frame over our ceiling */
#define SILENT_BEATS	3	/* heartbeats without a frame: it is gone */
#define FIRST_WORDS_MS	10000	/* for each of the first ones to come */

void channel_switched(struct applier *a, const char *why)
{
	size_t i = sources_chosen(a->sources);

	log_warn("upstream", "now at %s: %s",
	         contacts_at(a->contacts, i)->directory, why);
	/* What the other one was asked for it may be slow to give, and its answers
	 * are none of this one. */
	pull_forget(a->house->pull);
	sub_forget(a->sub);
	a->poll.ticket = 0;
	a->poll.round = false;
	if (sub_polling(a->sub))
		sub_closed(a->sub);
	a->channel.misses = 0;
	a->channel.chance = CHANCE_NONE;
	a->channel.led = false;
	a->behind_ms = a->allowed_ms = 0;
	a->poll.due_ms = sources_due(a->sources);
	a->poll.uri[0] = '\0';
}

void channel_close(struct applier *a, int code, const char *reason)
{
	struct channel *ch = &a->channel;

	if (ch->phase == CHANNEL_OPEN || ch->phase == CHANNEL_CONNECT)
		tell(a, MSG_DO_CLOSE, reason, strlen(reason), (unsigned)code);
	if (ch->phase == CHANNEL_OPEN)
		sub_closed(a->sub);
	ch->phase = CHANNEL_IDLE;
}

void channel_failed(struct applier *a, enum source_fault f, const char *why,
                    unsigned retry_after)
{
	uint64_t now = clock_mono_ms();
	char text[WHY_MAX];

	snprintf(text, sizeof(text), "%s", why);
	a->channel.phase = CHANNEL_IDLE;
	if (f != SOURCE_LOCAL) {
		a->channel.down++;
		a->shown[sources_chosen(a->sources)].failures++;
	}
	show(a, "closed", f != SOURCE_LOCAL ? text : NULL);
	if (sources_failed(a->sources, f, retry_after, now)) {
		channel_switched(a, text);
		return;
	}
	if (a->channel.down == FALLBACK_AFTER ||
	    a->channel.chance == CHANCE_GIVEN)
		a->poll.due_ms = now;
	if (a->channel.chance == CHANCE_GIVEN)
		a->channel.chance = CHANCE_MISSED;
}

/* ---- where, and opening ---------------------------------------------------- */

static void connect_to(struct applier *a, const char *uri)
{
	size_t i = sources_chosen(a->sources);
	const struct contact *who = contacts_at(a->contacts, i);

	if (uri != a->push[i])
		snprintf(a->push[i], sizeof(a->push[i]), "%s", uri);
	a->channel.phase = CHANNEL_CONNECT;
	a->channel.reloaded = false;
	a->channel.conn++;
	show(a, "connecting", NULL);
	tell_connect(a, a->push[i], who);
}

static void ask_where(struct applier *a)
{
	struct channel *ch = &a->channel;
	struct fetch f = {
		.kind = FETCH_PUSH, .id = DIRECTORY_ID, .uri = "",
		.who = contacts_at(a->contacts, sources_chosen(a->sources)),
		.no_cache = true,
	};
	enum rc rc;

	ch->misses = 0;
	show(a, "discovering", NULL);
	rc = fetch_start(a, &f, &ch->ticket);
	if (rc == RC_OK)
		ch->phase = CHANNEL_ASK;
	else
		channel_failed(a, SOURCE_DOWN, rc_text(rc), 1);
}

static void begin(struct applier *a)
{
	size_t i = sources_chosen(a->sources);
	const struct contact *who = contacts_at(a->contacts, i);

	/* Where it was last: the directory need not be asked each time, and may
	 * not answer just now. */
	if (who->push)
		connect_to(a, who->push);
	else if (a->push[i][0] && a->channel.misses++ < MISSES_MAX)
		connect_to(a, a->push[i]);
	else
		ask_where(a);
}

static void found_none(struct applier *a, enum source_fault f, const char *why)
{
	log_warn("upstream", "discover upstream=%s: %s", show_at(a), why);
	channel_failed(a, f, why, 0);
}

static void found_uri(struct applier *a, const char *uri)
{
	const char *wrong = contacts_push_refused(contacts_at(a->contacts,
		sources_chosen(a->sources)), uri);
	char why[WHY_MAX];

	snprintf(why, sizeof(why), "%.100s: %s", uri, wrong ? wrong : "");
	status_trouble(a->house->status, "push", wrong ? why : NULL,
	               clock_wall_s());
	if (wrong)
		found_none(a, SOURCE_BAD, why);
	else
		connect_to(a, uri);
}

/* Where to subscribe is all that is taken from this answer; nothing in it is
 * trusted, and what comes from there will be verified. */
static void found(struct applier *a, const struct httpc_answer *w)
{
	const char *uri = httpc_header(w, "ALTO-Push");
	struct ird *ird = NULL;
	struct diag d = { 0 };

	show_date(a, sources_chosen(a->sources), w);
	if (!uri && ird_read(buf_str(&w->body), w->body.len, &ird, &d) ==
	    RC_OK)
		uri = ird_redistribution(ird)->push;
	if (uri && uri[0])
		found_uri(a, uri);
	else if (!uri && fetch_is_plain(w))
		found_none(a, SOURCE_PLAIN, PLAIN);
	else
		found_none(a, SOURCE_BAD, d.text[0] ? d.text :
		           "the directory names no push URI");
	ird_free(ird);
}

void channel_found(struct applier *a, const struct pull_result *r)
{
	char why[WHY_MAX];

	if (a->channel.phase != CHANNEL_ASK || r->ticket != a->channel.ticket)
		return;
	if (r->rc == RC_OK && r->answer.status == 200) {
		found(a, &r->answer);
		return;
	}
	fetch_why(r, why);
	log_warn("upstream", "discover upstream=%s: %s", show_at(a), why);
	channel_failed(a, SOURCE_DOWN, why, 0);
}

/* ---- what happens to it ---------------------------------------------------- */

/* What it was opened with may soon be taken out over there. */
static void show_token(struct applier *a)
{
	const char *header = contacts_at(a->contacts, sources_chosen(
		a->sources))->authorization;
	struct buf b = BUF_INIT(FRAME_TOKEN_MAX * 2 + 64);

	a->channel.reloaded = false;
	if (!header)
		return;
	frame_credentials(header + strlen("Bearer "), &b);
	if (buf_rc(&b) == RC_OK)
		tell(a, MSG_DO_SEND, b.data, b.len, 0);
	keyfile_token_free(buf_take(&b, NULL));
	buf_free(&b);
}

void channel_reloaded(struct applier *a)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->barred_ms[i])
			a->barred_ms[i] = 1;
	if (a->channel.phase == CHANNEL_OPEN)
		show_token(a);
	else
		a->channel.reloaded = true;
}

static void on_open(struct applier *a)
{
	struct channel *ch = &a->channel;

	poll_forget(a);
	ch->phase = CHANNEL_OPEN;
	ch->greeted = ch->led = false;
	ch->chance = CHANCE_NONE;
	ch->heard_ms = ch->beat_ms = clock_mono_ms();
	if (ch->reloaded)
		show_token(a);
	drive(a, sub_opened(a->sub));
}

/* The first frame is a hello, and says what time it is there. */
static void greet(struct applier *a, const char *text, size_t len)
{
	struct frame *f = NULL;

	a->channel.greeted = true;
	if (frame_read(text, len, &f, NULL) == RC_OK && f->kind == FRAME_HELLO)
		show_clock(a, sources_chosen(a->sources), f->time_ms);
	frame_free(f);
}

static void on_frame(struct applier *a, struct msg_upstream *m)
{
	char *text = m->text;

	m->text = NULL;
	a->channel.heard_ms = clock_mono_ms();
	if (!a->channel.greeted)
		greet(a, text, m->len);
	drive(a, sub_frame(a->sub, text, m->len, clock_wall_s()));
}

static void on_closed(struct applier *a, const char *why)
{
	bool open = a->channel.phase == CHANNEL_OPEN;

	show_closed(a, why);
	if (open)
		sub_lost(a->sub, strncmp(why, TOO_BIG, 4) == 0 ?
		         SUB_OVERFLOW : SUB_CLOSED);
	channel_failed(a, SOURCE_DOWN, why, 0);
}

void channel_message(struct applier *a, struct msg_upstream *m)
{
	enum channel_phase phase = a->channel.phase;

	/* Hung up by us already: what was decided then stands. */
	if (m->conn != a->channel.conn ||
	    (phase != CHANNEL_OPEN && phase != CHANNEL_CONNECT))
		return;
	if (m->msg.kind == MSG_UP_CLOSED)
		on_closed(a, m->text);
	else if (m->msg.kind == MSG_UP_OPEN)
		on_open(a);
	else if (phase == CHANNEL_OPEN)
		on_frame(a, m);
}

/* ---- time ------------------------------------------------------------------ */

static uint64_t tick_open(struct applier *a, uint64_t now)
{
	struct channel *ch = &a->channel;
	uint64_t beat = (a->heartbeat ? a->heartbeat : HEARTBEAT_S) * 1000ull;
	uint64_t most = SILENT_BEATS * beat, due = ch->beat_ms + beat;

	if (sub_expects(a->sub) && most > FIRST_WORDS_MS)
		most = FIRST_WORDS_MS;
	if (now - ch->heard_ms > most) {
		log_warn("upstream", "upstream=%s silent for %llu s",
		         show_at(a), (unsigned long long)(now - ch->heard_ms) / 1000);
		sub_lost(a->sub, SUB_SILENT);
		channel_close(a, CLOSE_SILENT, close_text(CLOSE_SILENT));
		channel_failed(a, SOURCE_DOWN, "silent", 0);
		return now;
	}
	if (now - ch->beat_ms >= beat) {
		ch->beat_ms = now;
		sub_heartbeat_due(a->sub);
		drive(a, RC_OK);
		due = now + beat;
	}
	return due < ch->heard_ms + most ? due : ch->heard_ms + most + 1;
}

uint64_t channel_tick(struct applier *a, uint64_t now)
{
	size_t i = sources_chosen(a->sources);
	uint64_t due = sources_due(a->sources);

	if (a->channel.phase == CHANNEL_OPEN)
		return tick_open(a, now);
	if (a->channel.phase != CHANNEL_IDLE || trust_busy(a) || a->resyncing ||
	    contacts_at(a->contacts, i)->pull)
		return SOURCES_NEVER;
	if (due > now)
		return due;
	begin(a);
	return SOURCES_NEVER;
}
