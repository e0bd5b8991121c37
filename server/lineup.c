#include "server/lineup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/sys/log.h"

#define BUCKETS 1024		/* of names; IRD_PROXIES_MAX at most */
#define SAMPLES 20		/* positions of the maps that are remembered, ... */
#define SAMPLE_MS 700		/* no closer than this */
#define NUMBERS 0x1000000	/* of questions, before they begin anew */

struct entry {
	struct entry *next;		/* in its bucket */
	struct ird_proxy as;		/* name, uri, push as announced */
	bool seen;			/* in this look */
	bool in_time;			/* at most BEHIND_MS behind, as it acks */
	bool listed;
	bool answers;			/* the last answer was good, ... */
	uint64_t answered_ms;		/* and came then */
	int asked;			/* number of the question; 0: none is out */
	uint64_t ask_ms;		/* the next one */
	uint64_t retry_ms;		/* added when it is no good again */
	uint64_t good_ms, bad_ms;	/* in sync since, out of sync since */
	char why[LINEUP_WHY_MAX / 2];	/* the last answer was no good */
};

struct lineup {
	struct entry *bucket[BUCKETS];
	size_t n;
	uint64_t now;			/* of the look */
	struct { uint64_t ms; struct position at; } map[SAMPLES];
	size_t n_map;			/* oldest first */
	size_t asking;			/* bucket to look for questions in */
	int number;
	bool dirty;
	uint64_t dirty_ms;
};

/* ---- entries --------------------------------------------------------------- */

static struct entry **place(struct lineup *l, const char *name)
{
	uint32_t h = 2166136261u;	/* FNV-1a */
	struct entry **at;

	for (const char *s = name; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	for (at = &l->bucket[h % BUCKETS]; *at; at = &(*at)->next)
		if (strcmp((*at)->as.name, name) == 0)
			break;
	return at;
}

/* The entry of that name, made if need be; NULL: no room. */
static struct entry *take(struct lineup *l, const struct ird_proxy *as)
{
	struct entry **at = place(l, as->name);

	if (*at || l->n >= IRD_PROXIES_MAX)
		return *at;
	*at = calloc(1, sizeof(**at));
	if (*at) {
		(*at)->as = *as;
		l->n++;
	}
	return *at;
}

static void each(struct lineup *l,
                 void (*what)(struct lineup *l, struct entry *e))
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct entry *e = l->bucket[i]; e; e = e->next)
			what(l, e);
}

enum rc lineup_new(const struct ird_proxy *listed, size_t n,
                   struct lineup **out)
{
	struct lineup *l = calloc(1, sizeof(*l));

	if (!l)
		return RC_ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct entry *e = take(l, &listed[i]);

		if (!e) {
			lineup_free(l);
			return RC_ENOMEM;
		}
		e->listed = true;
	}
	*out = l;
	return RC_OK;
}

void lineup_free(struct lineup *l)
{
	struct entry *e;

	if (!l)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while ((e = l->bucket[i]) != NULL) {
			l->bucket[i] = e->next;
			free(e);
		}
	}
	free(l);
}

/* ---- a look ---------------------------------------------------------------- */

/* Keeps where the maps were within the last BEHIND_MS: whoever is at the oldest of
 * these or later is in time, however often they move. */
static void note_map(struct lineup *l, const struct position *map)
{
	size_t old = 0;

	while (old + 1 < l->n_map &&
	       l->map[old].ms + LINEUP_BEHIND_MS < l->now)
		old++;
	l->n_map -= old;
	memmove(l->map, l->map + old, l->n_map * sizeof(l->map[0]));
	if (l->n_map == SAMPLES ||
	    (l->n_map && l->now - l->map[l->n_map - 1].ms < SAMPLE_MS))
		return;
	l->map[l->n_map].ms = l->now;
	l->map[l->n_map++].at = *map;
}

static bool in_time(const struct lineup *l, const struct position *at)
{
	return position_cmp(at, &l->map[0].at) >= 0;
}

static void unsee(struct lineup *l, struct entry *e)
{
	(void)l;
	e->seen = false;
}

void lineup_begin(struct lineup *l, uint64_t now_ms, const struct position *map)
{
	l->now = now_ms;
	note_map(l, map);
	each(l, unsee);
}

static void changed(struct lineup *l)
{
	if (!l->dirty)
		l->dirty_ms = l->now;
	l->dirty = true;
}

static void move(struct lineup *l, struct entry *e, bool in)
{
	e->listed = in;
	changed(l);
	log_info("roster", "proxy=%s uri=%s %s", e->as.name, e->as.uri,
	         in ? "enters" : "leaves");
}

/* At another URI it is another proxy: nothing is known of it. */
static void announce(struct lineup *l, struct entry *e,
                     const struct ird_proxy *as)
{
	if (strcmp(e->as.uri, as->uri) != 0) {
		if (e->listed)
			move(l, e, false);
		e->answers = false;
		e->why[0] = '\0';
		e->asked = 0;
		e->ask_ms = e->retry_ms = e->good_ms = 0;
	} else if (e->listed && strcmp(e->as.push, as->push) != 0) {
		changed(l);
	}
	e->as = *as;
}

void lineup_seen(struct lineup *l, const struct ird_proxy *as,
                 const struct position *at)
{
	struct entry *e = take(l, as);

	if (!e || e->seen)
		return;
	announce(l, e, as);
	e->seen = true;
	e->in_time = in_time(l, at);
}

static void judge(struct lineup *l, struct entry *e)
{
	if (e->seen && e->in_time && e->answers &&
	    l->now - e->answered_ms < 3 * LINEUP_CHECK_MS) {
		e->bad_ms = 0;
		if (!e->good_ms)
			e->good_ms = l->now;
	} else {
		e->good_ms = 0;
		if (!e->bad_ms)
			e->bad_ms = l->now;
	}
	if (!e->listed && e->good_ms && l->now - e->good_ms >= LINEUP_ENTER_MS)
		move(l, e, true);
	else if (e->listed && e->bad_ms &&
	         l->now - e->bad_ms >= LINEUP_LEAVE_MS)
		move(l, e, false);
}

/* Forgets those that are neither listed nor seen any more. */
static void sweep(struct lineup *l)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		struct entry **at = &l->bucket[i], *e;

		while ((e = *at) != NULL) {
			if (e->listed || e->seen || !e->bad_ms ||
			    l->now - e->bad_ms < LINEUP_LEAVE_MS) {
				at = &e->next;
				continue;
			}
			*at = e->next;
			l->n--;
			free(e);
		}
	}
}

void lineup_end(struct lineup *l)
{
	each(l, judge);
	sweep(l);
	l->asking = 0;
}

/* ---- questions ------------------------------------------------------------- */

/* An answer that never came was lost here, and is asked for again. */
static bool due(const struct lineup *l, const struct entry *e)
{
	uint64_t late = e->asked ? 2 * LINEUP_CHECK_MS : 0;

	return e->seen && l->now >= e->ask_ms + late;
}

bool lineup_ask(struct lineup *l, struct lineup_question *q)
{
	for (; l->asking < BUCKETS; l->asking++) {
		struct entry *e = l->bucket[l->asking];

		while (e && !due(l, e))
			e = e->next;
		if (!e)
			continue;
		l->number = l->number % NUMBERS + 1;
		e->asked = l->number;
		e->ask_ms = l->now + LINEUP_CHECK_MS;
		*q = (struct lineup_question){ e->asked, e->as.name,
		                               e->as.uri };
		return true;
	}
	return false;
}

static void note_failure(struct entry *e, const char *why, uint64_t now_ms)
{
	bool same = strncmp(e->why, why, sizeof(e->why) - 1) == 0;

	if (e->answers || !e->retry_ms || !same)
		log_info("roster", "proxy=%s uri=%s cannot be listed: %s",
		         e->as.name, e->as.uri, why);
	snprintf(e->why, sizeof(e->why), "%s", why);
	e->retry_ms = e->retry_ms ? e->retry_ms * 2 : LINEUP_RETRY_MS;
	if (e->retry_ms > LINEUP_CHECK_MS)
		e->retry_ms = LINEUP_CHECK_MS;
	e->ask_ms = now_ms + e->retry_ms;
}

void lineup_answer(struct lineup *l, const char *name, int number,
                   const struct position *at, const char *why,
                   uint64_t now_ms)
{
	struct entry *e = *place(l, name);
	bool good;

	if (!e || e->asked != number)
		return;
	e->asked = 0;
	good = at && l->n_map && in_time(l, at);
	if (!good) {
		note_failure(e, at ? "its URI answers with a state of long ago"
		             : why, now_ms);
	} else {
		e->why[0] = '\0';
		e->answered_ms = now_ms;
		e->retry_ms = 0;
	}
	e->answers = good;
}

void lineup_why(struct lineup *l, const char *name, const char *uri,
                char why[LINEUP_WHY_MAX])
{
	const struct entry *e = *place(l, name);
	const char *text = "";

	if (!e)
		text = l->n < IRD_PROXIES_MAX ? "it was not looked at yet" :
			"too many others are";
	else if (strcmp(e->as.uri, uri) != 0)
		text = "one of that name is seen at another URI";
	else if (e->listed)
		text = "";
	else if (e->why[0])
		text = e->why;
	else if (!e->answers)
		text = "its URI has not answered yet";
	else if (!e->in_time)
		text = "it is over 10 s behind";
	else
		text = "it has not been in step for 10 s yet";
	snprintf(why, LINEUP_WHY_MAX, "%s", text);
}

/* ---- the list -------------------------------------------------------------- */

bool lineup_ready(const struct lineup *l, uint64_t now_ms)
{
	return l->dirty && now_ms - l->dirty_ms >= LINEUP_COLLECT_MS;
}

size_t lineup_count(const struct lineup *l)
{
	size_t n = 0;

	for (size_t i = 0; i < BUCKETS; i++)
		for (struct entry *e = l->bucket[i]; e; e = e->next)
			n += e->listed;
	return n;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct ird_proxy *)a)->name,
	              ((const struct ird_proxy *)b)->name);
}

size_t lineup_list(const struct lineup *l, struct ird_proxy *out)
{
	size_t n = 0;

	for (size_t i = 0; i < BUCKETS; i++)
		for (struct entry *e = l->bucket[i]; e; e = e->next)
			if (e->listed)
				out[n++] = e->as;
	qsort(out, n, sizeof(*out), by_name);
	return n;
}

void lineup_told(struct lineup *l)
{
	l->dirty = false;
}
