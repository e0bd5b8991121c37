/* orders.h - what the operator orders beside a reload: keys, sessions, backups.
 * Writer thread.
 */
#ifndef ALTOCAST_SERVER_ORDERS_H
#define ALTOCAST_SERVER_ORDERS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/proto/keys.h"
#include "common/service/backup.h"
#include "common/sys/mailbox.h"
#include "server/release.h"

struct ctlsock_req;

enum order { ORDER_KEY_LIST, ORDER_KEY_NEXT, ORDER_KEY_RETIRE,
             ORDER_SESSION_NEW, ORDER_BACKUP };

#define MSG_ORDER	103	/* to the writer */
struct msg_order {
	struct msg msg;
	struct ctlsock_req *req;
	enum order what;
	bool compromised;		/* ORDER_KEY_RETIRE */
};

#define MSG_KEYS	113	/* to the loop: those that are ours from now on */
struct msg_keys {
	struct msg msg;
	struct keys keys;
};

/* Each order leads to one answer, now or from orders_tick(). */
void orders_do(struct origin *o, struct backup *b, const struct msg_order *m);
/* true: there is more to do, at once. */
bool orders_tick(struct origin *o, struct backup *b);
/* After a key was called compromised: begins a new session when those that its thief
 * can have dated ahead lie behind, twice. Milliseconds until the next is due;
 * UINT64_MAX: none is. */
uint64_t orders_renew(struct origin *o);
/* Shows the keys in the status. */
void orders_show_keys(const struct origin *o);

#endif
