/* lineup.h - which proxies the IRD lists, decided from what is seen of them.
 *
 * One that is seen (connected, allowed to announce its URI), answers at that URI
 * with our state, and is at most LINEUP_BEHIND_MS behind the maps, all that for
 * LINEUP_ENTER_MS, enters; it leaves when that has not been so for LINEUP_LEAVE_MS.
 * Positions are held against the position of the maps, so serials at which the IRD
 * alone changed move nobody in or out. No I/O and no clock: now_ms is monotonic,
 * and looks are about a second apart. One thread.
 */
#ifndef ALTOCAST_SERVER_LINEUP_H
#define ALTOCAST_SERVER_LINEUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/rc.h"
#include "common/core/position.h"
#include "common/wire/ird_json.h"

#define LINEUP_BEHIND_MS 10000
#define LINEUP_ENTER_MS 10000
#define LINEUP_LEAVE_MS 60000
#define LINEUP_COLLECT_MS 5000		/* changes of the list wait so long */
#define LINEUP_CHECK_MS 30000		/* a URI is asked this often, ... */
#define LINEUP_RETRY_MS 3000		/* and sooner when it did not answer: after
					 * this, then twice as long each time */

struct lineup;

/* listed: what the journal had; those get LINEUP_LEAVE_MS from the first look. */
MUST_CHECK enum rc lineup_new(const struct ird_proxy *listed, size_t n,
                              struct lineup **out);
void lineup_free(struct lineup *l);			/* NULL is fine */

/* A look: begin, one call for each that is seen, end. map: where the maps are; at:
 * what the proxy has acked. Of two words about one name the first counts. */
void lineup_begin(struct lineup *l, uint64_t now_ms,
                  const struct position *map);
void lineup_seen(struct lineup *l, const struct ird_proxy *as,
                 const struct position *at);
void lineup_end(struct lineup *l);

/* Whom to ask now; false: nobody else. The texts are lent until the next call. */
struct lineup_question {
	int number;			/* of the answer */
	const char *name, *uri;
};
bool lineup_ask(struct lineup *l, struct lineup_question *q);
/* It is at a state of ours at this position; NULL: it is not, or does not answer,
 * and why says it in words. An answer to an earlier question is passed over. */
void lineup_answer(struct lineup *l, const char *name, int number,
                   const struct position *at, const char *why,
                   uint64_t now_ms);

/* Why the one of that name, which announces uri, is not listed, as of the last
 * look; "": it is. */
#define LINEUP_WHY_MAX 160
void lineup_why(struct lineup *l, const char *name, const char *uri,
                char why[LINEUP_WHY_MAX]);

/* Has the list changed, and is it time to say so? */
bool lineup_ready(const struct lineup *l, uint64_t now_ms);
/* The list into out (room for lineup_count()), ascending by name. */
size_t lineup_list(const struct lineup *l, struct ird_proxy *out);
size_t lineup_count(const struct lineup *l);
void lineup_told(struct lineup *l);	/* that list is on its way */

#endif
