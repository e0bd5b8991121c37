/* publisher.h - the server's writer: read, seal, diff, sign, publish.
 *
 * Owns the private key and everything that decides the next version: the maps'
 * files, the list of proxies, the session. Other threads reach it by messages.
 */
#ifndef ALTOCAST_SERVER_PUBLISHER_H
#define ALTOCAST_SERVER_PUBLISHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/service/house.h"
#include "common/sys/mailbox.h"

struct ctlsock_req;
struct publisher;

/* To the writer. */
#define MSG_RELOAD	100
struct msg_reload {
	struct msg msg;
	struct ctlsock_req *req;	/* who waits for the answer, or NULL */
	const char *cause;		/* "command", "signal", "watch" */
	bool force;
};

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

/* To the loop. */
#define MSG_ANSWER	110	/* for the control socket */
struct msg_answer {
	struct msg msg;
	struct ctlsock_req *req;
	char *text;			/* malloc, one JSON object */
	size_t len;
};

#define MSG_NO_SESSION	111	/* those ahead stay so */

#define MSG_SETTLE	112	/* a file changed while it was read: again soon */

/* Frees any of these; the drop of house_writer. */
void publisher_drop(struct msg *m);

MUST_CHECK enum rc publisher_new(const struct conf *c, struct publisher **out);
void publisher_free(struct publisher *p);		/* NULL is fine */

/* The pieces of struct house_writer; arg is the publisher. */
enum rc publisher_start(struct publisher *p, struct house *h,
                        struct restored *restored, struct diag *d);
void publisher_message(struct publisher *p, struct msg *m);
uint64_t publisher_tick(struct publisher *p);

/* All keys it has signed with; set by publisher_start(), then fixed. */
const struct keys *publisher_keys(const struct publisher *p);
/* The proxies that the journal had listed; for the roster's start. */
const struct ird_proxy *publisher_roster(const struct publisher *p, size_t *n);

#endif
