/* What others are told: the loop what to do, the operator how it stands. */
#include "proxy/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/service/upstream.h"
#include "common/sys/clock.h"
#include "common/sys/log.h"
#include "common/wire/json.h"
#include "common/wire/state_json.h"

#define ANSWER_MAX 4096u
#define BARRED_MS 600000	/* an operator over there may have mended it */

/* ---- to the loop ----------------------------------------------------------- */

static char *copy_text(const char *text, size_t len)
{
	char *c = malloc(len + 1);

	if (!c)
		return NULL;
	memcpy(c, text, len);
	c[len] = '\0';
	return c;
}

void tell(struct applier *a, int kind, const char *text, size_t len,
          unsigned number)
{
	struct msg_do *m = calloc(1, sizeof(*m));

	if (m)
		m->text = copy_text(text, len);
	if (!m || !m->text) {
		free(m);
		log_error("upstream", "%s", rc_text(RC_ENOMEM));
		return;
	}
	m->msg.kind = kind;
	m->msg.size = sizeof(*m) + len;
	m->conn = a->channel.conn;
	m->len = len;
	m->number = number;
	house_to_loop(a->house, &m->msg);
}

void tell_connect(struct applier *a, const char *uri,
                  const struct contact *who)
{
	struct msg_connect *m = calloc(1, sizeof(*m));

	if (m) {
		m->msg.kind = MSG_DO_CONNECT;
		m->msg.size = sizeof(*m);
		m->conn = a->channel.conn;
		m->tls = who->tls;
		m->uri = strdup(uri);
		m->authorization = who->authorization ?
			strdup(who->authorization) : NULL;
	}
	if (m && (!m->uri || !who->authorization != !m->authorization)) {
		applier_drop(&m->msg);
		m = NULL;
	}
	if (!m || !house_to_loop(a->house, &m->msg))
		channel_failed(a, SOURCE_DOWN, rc_text(RC_ENOMEM), 1);
}

/* Its path, as it says itself, and the heartbeat as the signed IRD says. */
void tell_hello(struct applier *a)
{
	const struct frame_path *path = sub_path(a->sub);
	struct msg_hello *m;

	if (a->told_beat == a->heartbeat &&
	    memcmp(&a->told_path, path, sizeof(*path)) == 0)
		return;
	m = calloc(1, sizeof(*m));
	if (!m)
		return;
	a->told_beat = a->heartbeat;
	a->told_path = *path;
	m->msg.kind = MSG_HELLO;
	m->msg.size = sizeof(*m);
	m->path = *path;
	m->heartbeat = a->heartbeat;
	house_to_loop(a->house, &m->msg);
}

static void put_position(const char *name, const struct position *at,
                         struct buf *b)
{
	buf_printf(b, ",\"%s\":{\"session\":\"%s\",\"serial\":%llu}", name,
	           at->session, (unsigned long long)at->serial);
}

static void put_moved(const struct applier *a, const struct position *from,
                      struct buf *b)
{
	const struct position none = { "", 0 };
	const struct position *to = a->now ? &snapshot_state(a->now)->pos :
	                            &none;

	buf_printf(b, "{\"changed\":%s,\"serial\":%llu", from &&
	           position_cmp(from, to) != 0 ? "true" : "false",
	           (unsigned long long)to->serial);
	if (from)
		put_position("from", from, b);
	put_position("to", to, b);
	buf_putc(b, '}');
}

void tell_text(struct applier *a, struct ctlsock_req *req, struct buf *text)
{
	struct msg_answer *m = req ? calloc(1, sizeof(*m)) : NULL;

	if (m) {
		m->msg.kind = MSG_ANSWER;
		m->msg.size = sizeof(*m) + text->len;
		m->req = req;
		m->text = buf_take(text, &m->len);
	}
	buf_free(text);
	if (m && m->text)
		house_to_loop(a->house, &m->msg);
	else
		free(m);
}

void tell_answer(struct applier *a, struct ctlsock_req *req,
                 const struct position *from, const char *error)
{
	struct buf b = BUF_INIT(ANSWER_MAX);

	if (error) {
		buf_puts(&b, "{\"error\":");
		json_put_string(&b, error, strlen(error));
		buf_putc(&b, '}');
	} else {
		put_moved(a, from, &b);
	}
	tell_text(a, req, &b);
}

/* ---- to the operator ------------------------------------------------------- */

/* What was counted since last time, to the one in use: it was the one. */
static void add_counts(struct applier *a, struct sub_counts *to)
{
	const struct sub_counts *is = sub_counts(a->sub);
	struct sub_counts *was = &a->counted;

	to->updates += is->updates - was->updates;
	to->refused += is->refused - was->refused;
	to->heartbeats += is->heartbeats - was->heartbeats;
	to->fetches += is->fetches - was->fetches;
	to->published += is->published - was->published;
	to->forks += is->forks - was->forks;
	for (int i = 0; i < SUB_REASONS; i++)
		to->reopened[i] += is->reopened[i] - was->reopened[i];
	*was = *is;
}

static void set_phase(struct status_upstream *u, const char *phase)
{
	if (strcmp(u->phase, phase) == 0)
		return;
	snprintf(u->phase, sizeof(u->phase), "%s", phase);
	u->since = clock_wall_s();
}

const char *show_at(const struct applier *a)
{
	return a->shown[sources_chosen(a->sources)].directory;
}

void show_trouble(struct applier *a, const char *topic, const char *why)
{
	char text[IRD_URI_MAX + WHY_MAX];

	snprintf(text, sizeof(text), "%s: %s", show_at(a), why);
	status_trouble(a->house->status, topic, text, clock_wall_s());
}

static bool clock_is_off(const struct status_upstream *u)
{
	return u->timed && llabs(u->clock_ms) > STATE_SKEW_S * 1000;
}

static void put_why(int64_t clock_ms, const char *what, char *to, size_t size)
{
	if (llabs(clock_ms) > STATE_SKEW_S * 1000)
		snprintf(to, size, "our clock differs by %lld s from its own; "
		         "%.200s", (long long)llabs(clock_ms) / 1000, what);
	else
		snprintf(to, size, "%s", what);
}

/* text "": it is over. One that goes on under another text keeps its beginning. What
 * is wrong may come of a clock: that is said first. */
static void set_trouble(struct status_upstream *u, const char *text)
{
	int64_t now = clock_wall_s();

	if (!u->trouble[0])
		u->trouble_since = now;
	else if (!text[0])
		log_info("upstream", "upstream=%s well again, after=%llds",
		         u->directory, (long long)(now - u->trouble_since));
	put_why(text[0] && u->timed ? u->clock_ms : 0, text, u->trouble,
	        sizeof(u->trouble));
}

/* Somebody has to change a setting, here or there; others pass. */
static bool will_last(const char *refused)
{
	switch (strtol(refused + strlen(UPSTREAM_REFUSED), NULL, 10)) {
	case 401:
	case 403:
	case 404:
	case 426:
		return true;
	default:
		return false;
	}
}

void show_closed(struct applier *a, const char *why)
{
	const char *refused = strstr(why, UPSTREAM_REFUSED);

	if (!refused) {
		log_info("upstream", "closed upstream=%s %s", show_at(a), why);
		return;
	}
	/* Once, however often it is tried. */
	if (!strstr(a->shown[sources_chosen(a->sources)].trouble, why))
		log_warn("upstream", "upstream=%s %s", show_at(a), why);
	show_trouble(a, "refused", why);
	if (will_last(refused))
		a->barred_ms[sources_chosen(a->sources)] = clock_mono_ms() +
		                                           BARRED_MS;
}

/* Does a spare upstream have another history? why NULL: not any more. */
static void set_forked(struct applier *a, size_t i, const char *why)
{
	const char *at = a->shown[i].directory;
	char text[IRD_URI_MAX + 2 * WHY_MAX];
	bool any = false;

	if (why) {
		snprintf(text, sizeof(text), "%s %s: do two servers use one "
		         "copied state directory, or was a backup restored?", at,
		         why);
		if (!a->forked[i])
			log_warn("upstream", "another history: %s", text);
		a->shown[i].counts.forks += !a->forked[i];
		status_trouble(a->house->status, "history", text,
		               clock_wall_s());
	} else if (a->forked[i]) {
		log_info("upstream", "no other history any more: %s", at);
	}
	a->forked[i] = why != NULL;
	for (size_t k = 0; k < a->n; k++)
		any |= a->forked[k];
	if (!any)
		status_trouble(a->house->status, "history", NULL, 0);
}

void show_probed(struct applier *a, size_t i, const struct probed *p)
{
	if (i == sources_chosen(a->sources))
		return;
	/* A lower one that signs nothing new between two of our own is still
	 * what it was. */
	if (p->fork || !a->forked[i] || !strstr(p->why, BELOW))
		set_forked(a, i, p->fork ? p->why : NULL);
	/* That it answers says nothing of whom it takes. */
	if (!a->barred_ms[i])
		set_trouble(&a->shown[i], p->why);
	status_set_upstreams(a->house->status, a->shown, a->n);
}

/* It leads on: what was wrong with it is over, and nobody looks at those after it. */
static void all_well(struct applier *a, size_t now)
{
	bool barred = false;

	for (size_t i = now; i < (a->stuck ? now + 1 : a->n); i++) {
		set_trouble(&a->shown[i], "");
		set_forked(a, i, NULL);
		a->barred_ms[i] = 0;
	}
	for (size_t i = 0; i < a->n; i++)
		barred |= a->barred_ms[i] != 0;
	if (!barred)
		status_trouble(a->house->status, "refused", NULL, 0);
	if (a->channel.led)
		status_trouble(a->house->status, "key", NULL, 0);
}

/* It is right to itself, and what it just sent is stale here: by how far apart the
 * clocks are? */
static void show_late(struct applier *a, const struct status_upstream *u)
{
	int64_t beats = STATE_FRESH_BEATS * (int64_t)a->heartbeat;
	int64_t age = a->now && beats ? clock_wall_s() -
		snapshot_state(a->now)->created : 0;
	bool late = u->timed && age >= beats && age + u->clock_ms / 1000 <
		beats && !clock_is_off(u);
	char text[WHY_MAX];

	if (late) {
		snprintf(text, sizeof(text), "our clock is %lld s ahead of the "
		         "upstream's: all that it sends is stale here, after %lld "
		         "s", (long long)-u->clock_ms / 1000, (long long)beats);
		status_trouble(a->house->status, "clock", text, clock_wall_s());
	} else if (a->late && !clock_is_off(u)) {
		status_trouble(a->house->status, "clock", NULL, 0);
	}
	a->late = late;
}

void show(struct applier *a, const char *phase, const char *trouble)
{
	size_t now = sources_chosen(a->sources);
	struct status_upstream *u = &a->shown[now];

	if (a->poll.fallback && !contacts_at(a->contacts, now)->pull)
		phase = "fallback";
	if (strcmp(u->phase, phase) != 0)
		log_info("upstream", "phase=%s upstream=%s", phase,
		         u->directory);
	set_phase(u, phase);
	if (trouble)
		set_trouble(u, trouble);
	else if (strcmp(phase, "current") == 0)
		all_well(a, now);
	if (strcmp(phase, "current") == 0)
		show_late(a, u);
	snprintf(u->push, sizeof(u->push), "%s", contacts_at(a->contacts,
		now)->push ? contacts_at(a->contacts, now)->push :
		a->push[now]);
	add_counts(a, &u->counts);
	for (size_t i = 0; i < a->n; i++) {
		a->shown[i].spare = i != now;
		if (i != now && strcmp(a->shown[i].phase, "closed") != 0)
			set_phase(&a->shown[i], "spare");
	}
	status_set_upstreams(a->house->status, a->shown, a->n);
}

/* ---- clocks ---------------------------------------------------------------- */

void show_clock(struct applier *a, size_t i, int64_t theirs_ms)
{
	struct status_upstream *u = &a->shown[i];
	char text[WHY_MAX];

	u->timed = true;
	u->clock_ms = theirs_ms - clock_wall_ms();
	if (i != sources_chosen(a->sources))
		return;
	if (!clock_is_off(u)) {
		if (!a->late)
			status_trouble(a->house->status, "clock", NULL, 0);
		return;
	}
	snprintf(text, sizeof(text), "the clock of the upstream is %lld s %s "
	         "our own", (long long)llabs(u->clock_ms) / 1000,
	         u->clock_ms < 0 ? "behind" : "ahead of");
	status_trouble(a->house->status, "clock", text, clock_wall_s());
}

/* RFC 9110 s5.6.7, the form that must be sent: Sun, 06 Nov 1994 08:49:37 GMT. */
static bool read_date(const char *s, int64_t *out)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm = { 0 };
	const char *at;
	char month[4];

	if (sscanf(s, "%*3s, %2d %3s %4d %2d:%2d:%2d GMT", &tm.tm_mday, month,
	           &tm.tm_year, &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6)
		return false;
	at = strlen(month) == 3 ? strstr(months, month) : NULL;
	if (!at || (at - months) % 3 != 0)
		return false;
	tm.tm_mon = (int)(at - months) / 3;
	tm.tm_year -= 1900;
	*out = (int64_t)timegm(&tm);
	return true;
}

/* Of the clock that made the answer, in milliseconds since 1970. */
static bool date_of(const struct httpc_answer *w, int64_t *ms)
{
	const char *date = httpc_header(w, "Date");
	const char *age = httpc_header(w, "Age");
	long held = age ? strtol(age, NULL, 10) : 0;
	int64_t at;

	/* A cache sends the date on that it was given. */
	if (!date || !read_date(date, &at))
		return false;
	*ms = (at + (held > 0 && held < INT32_MAX ? held : 0)) * 1000;
	return true;
}

void show_date(struct applier *a, size_t i, const struct httpc_answer *w)
{
	int64_t ms;

	if (date_of(w, &ms))
		show_clock(a, i, ms);
}

void show_why(const struct httpc_answer *w, const char *what,
              char why[WHY_MAX])
{
	int64_t ms;

	put_why(date_of(w, &ms) ? ms - clock_wall_ms() : 0, what, why, WHY_MAX);
}
