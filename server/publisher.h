/* publisher.h - the server's writer: read, seal, diff, sign, publish.
 *
 * Owns the private key and everything that decides the next version: the maps'
 * files, the list of proxies, the session. Other threads reach it by messages.
 */
#ifndef ALTOCAST_SERVER_PUBLISHER_H
#define ALTOCAST_SERVER_PUBLISHER_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/service/house.h"
#include "common/sys/mailbox.h"

struct publisher;

/* To the writer; also MSG_RELOAD (reload.h), MSG_ORDER (orders.h). */
#define MSG_ROSTER	101	/* the proxies that are in sync */
struct msg_roster {
	struct msg msg;
	size_t n;
	struct ird_proxy *proxies;	/* malloc, ascending by name */
};

#define MSG_AHEAD	102	/* a subscriber holds what we do not know */
struct msg_ahead {
	struct msg msg;
	struct position have;
};

/* To the loop; also MSG_ANSWER (answer.h), MSG_KEYS (orders.h), MSG_SETTLE
 * (reload.h). */
#define MSG_NO_SESSION	111	/* those ahead stay so */

/* Frees any of these; the drop of house_writer. */
void publisher_drop(struct msg *m);

MUST_CHECK enum rc publisher_new(const struct conf *c, struct publisher **out);
void publisher_free(struct publisher *p);		/* NULL is fine */

/* The pieces of struct house_writer; arg is the publisher. */
enum rc publisher_start(struct publisher *p, struct house *h,
                        struct restored *restored, struct diag *d);
void publisher_message(struct publisher *p, struct msg *m);
uint64_t publisher_tick(struct publisher *p);
void publisher_stop(struct publisher *p);

/* The keys that are its own when it has started; MSG_KEYS when they change. */
void publisher_keys(const struct publisher *p, struct keys *out);
/* The proxies that the journal had listed; for the roster's start. */
const struct ird_proxy *publisher_roster(const struct publisher *p, size_t *n);

#endif
