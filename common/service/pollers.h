/* pollers.h - who asks for the state document: proxies that poll, among others.
 *
 * A poll shows no name and no position that could be believed, so this is what there
 * is: addresses, what programs call themselves, and how often. Bounded, so one
 * address too many is counted and not listed. Any thread.
 */
#ifndef ALTOCAST_SERVICE_POLLERS_H
#define ALTOCAST_SERVICE_POLLERS_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/rc.h"

#define POLLERS_MAX 256
#define POLLERS_AWAY_S 300	/* one that has not asked for so long is forgotten */
#define POLLERS_TEXT 64		/* longer ones are cut */

struct pollers;

struct poller {
	char address[POLLERS_TEXT];
	char program[POLLERS_TEXT];	/* its User-Agent; "" */
	int64_t last;			/* when it asked last, Unix seconds */
	uint64_t polls;			/* since it is listed */
};

MUST_CHECK enum rc pollers_new(struct pollers **out);
void pollers_free(struct pollers *p);			/* NULL is fine */
/* program may be NULL. */
void pollers_note(struct pollers *p, const char *address, const char *program,
                  int64_t now);
/* Those of the last POLLERS_AWAY_S. *more: questions of others that there was no
 * room for, ever. */
size_t pollers_get(struct pollers *p, int64_t now,
                   struct poller out[POLLERS_MAX], uint64_t *more);

#endif
