/* history.h - the last encoded updates of one session, oldest first, one copy
 * for everybody.
 *
 * A subscriber is a cursor into it: the serial it has been sent. There is no
 * queue per subscriber, so a slow one costs a number and not memory, and it
 * cannot slow the others. History forgets from the old end, bounded by count
 * and by bytes (the newest update always stays); a cursor that falls off the end
 * is owed a snapshot. One thread.
 */
#ifndef ALTOCAST_CORE_HISTORY_H
#define ALTOCAST_CORE_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/rc.h"
#include "common/core/update.h"

struct history;

MUST_CHECK enum rc history_new(size_t max_count, size_t max_bytes,
                               struct history **out);
void history_free(struct history *h);			/* NULL is fine */
void history_limit(struct history *h, size_t max_count, size_t max_bytes);

/* Forgets everything and stands at this state (start, jump by pull, new
 * session). */
void history_reset(struct history *h, const struct state *at);
/* References u. RC_EGAP: it does not lead on from the newest position. */
MUST_CHECK enum rc history_append(struct history *h, struct update *u);

/* The update that leads on from serial, borrowed, valid until the next append.
 * RC_EGAP: forgotten or never seen. RC_EAGAIN: serial is the newest. */
MUST_CHECK enum rc history_after(const struct history *h, uint64_t serial,
                                 struct update **out);
/* Root of the state at serial, if it is known: *known false when it is not. */
const uint8_t *history_root(const struct history *h, uint64_t serial,
                            bool *known);
const struct state *history_head(const struct history *h);
/* The lowest serial from which updates lead on to the head. */
uint64_t history_oldest(const struct history *h);
size_t history_count(const struct history *h);
size_t history_bytes(const struct history *h);

#endif
