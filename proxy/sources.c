#include "proxy/sources.h"

#include <stdlib.h>

#define HEARTBEAT_MS 60000u	/* until it is known */
#define WELL_BEATS 2u		/* seen well for so long before it is gone back
				 * to, */
#define DOUBT_MAX 16u		/* and at most so many times as long */
#define HOLD_BEATS 8u		/* one that fails within that was gone back to
				 * too soon */
#define SHIFT_MAX 20u

struct source {
	uint64_t look_ms;		/* next probe */
	uint64_t well_ms;		/* seen well since; 0: not */
	unsigned doubt;			/* factor of the time it must be well */
};

struct sources {
	struct sources_config cfg;
	uint64_t random;
	uint64_t beat_ms;
	size_t chosen;
	uint64_t chosen_ms;		/* since when */
	uint64_t due_ms;
	unsigned tries;			/* failures since something was good */
	unsigned in_row;		/* of these, of the one chosen */
	bool stale;
	bool returned;			/* the one chosen was gone back to */
	struct source at[SOURCES_MAX];
};

const char *source_fault_text(enum source_fault f)
{
	static const char *const texts[] = {
#define X(name, text, at_once) text,
		SOURCE_FAULT_LIST(X)
#undef X
	};

	return (unsigned)f < SOURCE_FAULTS ? texts[f] : "unknown";
}

static bool at_once(enum source_fault f)
{
	static const bool list[] = {
#define X(name, text, at_once) at_once,
		SOURCE_FAULT_LIST(X)
#undef X
	};

	return list[f];
}

enum rc sources_new(const struct sources_config *cfg, struct sources **out)
{
	struct sources *s;

	if (cfg->n == 0 || cfg->n > SOURCES_MAX)
		return RC_EINVAL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return RC_ENOMEM;
	s->cfg = *cfg;
	s->random = cfg->seed | 1;
	s->beat_ms = HEARTBEAT_MS;
	for (size_t i = 0; i < SOURCES_MAX; i++)
		s->at[i].doubt = 1;
	*out = s;
	return RC_OK;
}

void sources_free(struct sources *s)
{
	free(s);
}

/* xorshift64*: nothing secret hangs on it. */
uint64_t sources_random(struct sources *s, uint64_t n)
{
	s->random ^= s->random >> 12;
	s->random ^= s->random << 25;
	s->random ^= s->random >> 27;
	return n ? (s->random * 2685821657736338717u >> 11) % n : 0;
}

void sources_set_heartbeat(struct sources *s, unsigned seconds)
{
	if (seconds)
		s->beat_ms = seconds * 1000ull;
}

size_t sources_chosen(const struct sources *s)
{
	return s->chosen;
}

uint64_t sources_since(const struct sources *s)
{
	return s->chosen_ms;
}

uint64_t sources_due(const struct sources *s)
{
	return s->due_ms;
}

size_t sources_next(const struct sources *s, size_t i)
{
	return (i + 1) % s->cfg.n;
}

void sources_hurry(struct sources *s, uint64_t now)
{
	if (s->due_ms > now)
		s->due_ms = now;
}

void sources_set_stale(struct sources *s, bool stale)
{
	s->stale = stale;
}

void sources_good(struct sources *s, uint64_t now)
{
	s->tries = s->in_row = 0;
	if (now - s->chosen_ms > HOLD_BEATS * s->beat_ms)
		s->at[s->chosen].doubt = 1;
}

static void choose(struct sources *s, size_t i, uint64_t now)
{
	s->chosen = i;
	s->chosen_ms = now;
	s->in_row = 0;
	for (size_t k = 0; k < s->cfg.n; k++) {
		s->at[k].well_ms = 0;
		s->at[k].look_ms = now + s->beat_ms / 2;
	}
}

/* Full jitter, over a time that doubles when all have been tried. */
static uint64_t pause_ms(struct sources *s)
{
	unsigned shift = (s->tries - 1) / (unsigned)s->cfg.n;
	uint64_t top = s->cfg.pause_min_ms << (shift < SHIFT_MAX ? shift :
	                                       SHIFT_MAX);

	if (top > s->cfg.pause_max_ms)
		top = s->cfg.pause_max_ms;
	return sources_random(s, top + 1);
}

/* Gone back to, and it did not last: it must be well for longer next time. */
static void doubt(struct sources *s, uint64_t now)
{
	struct source *at = &s->at[s->chosen];

	if (s->returned && at->doubt < DOUBT_MAX &&
	    now - s->chosen_ms <= HOLD_BEATS * s->beat_ms)
		at->doubt *= 2;
}

bool sources_failed(struct sources *s, enum source_fault f,
                    unsigned retry_after, uint64_t now)
{
	uint64_t least = retry_after * 1000ull;
	bool move;

	s->tries += s->tries < UINT32_MAX;
	s->in_row += f != SOURCE_LOCAL;
	move = s->cfg.n > 1 && (at_once(f) || s->in_row >= SOURCES_PATIENCE);
	if (move) {
		doubt(s, now);
		choose(s, sources_next(s, s->chosen), now);
		s->returned = false;
		least = 0;
	}
	/* Whoever is at the other end does not decide how long we stay away. */
	if (least > s->cfg.pause_max_ms)
		least = s->cfg.pause_max_ms;
	s->due_ms = now + least + pause_ms(s);
	return move;
}

/* ---- the others ---------------------------------------------------------- */

static bool wanted(const struct sources *s, size_t i)
{
	return i != s->chosen && (s->stale || i < s->chosen);
}

uint64_t sources_probe_due(const struct sources *s)
{
	uint64_t due = SOURCES_NEVER;

	for (size_t i = 0; i < s->cfg.n; i++)
		if (wanted(s, i) && s->at[i].look_ms < due)
			due = s->at[i].look_ms;
	return due;
}

bool sources_probe(struct sources *s, uint64_t now, size_t *i)
{
	for (size_t k = 0; k < s->cfg.n; k++) {
		if (!wanted(s, k) || s->at[k].look_ms > now)
			continue;
		s->at[k].look_ms = now + s->beat_ms * 3 / 8 +
		                   sources_random(s, s->beat_ms / 8 + 1);
		*i = k;
		return true;
	}
	return false;
}

bool sources_probed(struct sources *s, size_t i, bool well, uint64_t now)
{
	struct source *at = &s->at[i];

	if (!wanted(s, i))
		return false;
	if (!well) {
		at->well_ms = 0;
		return false;
	}
	if (!at->well_ms)
		at->well_ms = now ? now : 1;
	if (!s->stale && now - at->well_ms < WELL_BEATS * at->doubt *
	    s->beat_ms)
		return false;
	/* Left for giving nothing new, or nothing at all: its word that all is well
	 * counts for less. */
	if (s->stale && s->at[s->chosen].doubt < DOUBT_MAX)
		s->at[s->chosen].doubt *= 2;
	choose(s, i, now);
	s->returned = true;
	s->stale = false;
	s->tries = 0;
	s->due_ms = now;
	return true;
}
