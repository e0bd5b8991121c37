/* applier.h - the proxy's writer: verify, apply, journal, serve.
 *
 * Drives the subscriber's half of the protocol (proto/sub): frames, state documents
 * and bodies come in as messages, what it wants done goes out as messages and
 * requests; a verified snapshot is published. Which upstream is used, and how, is
 * decided here too (sources.h). Writer thread, but for what says otherwise.
 */
#ifndef ALTOCAST_PROXY_APPLIER_H
#define ALTOCAST_PROXY_APPLIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/service/house.h"
#include "common/service/upstream.h"

struct applier;
struct ctlsock_req;
struct miss;

/* To the writer, beside those of upstream.h. */
#define MSG_FETCHED	200
struct msg_fetched {
	struct msg msg;
	struct pull_result *result;
};

#define MSG_BELOW	201	/* who subscribes here, for the next ack */
struct msg_below {
	struct msg msg;
	size_t n;
	struct frame_below *below;	/* malloc */
};

#define MSG_TRUST	202	/* the operator's commands */
#define MSG_RESYNC	203
#define MSG_RELOAD	204	/* own tokens */
#define MSG_BACKUP	206
struct msg_command {
	struct msg msg;
	struct ctlsock_req *req;	/* NULL: nobody waits for an answer */
	struct renewal beside;		/* MSG_RELOAD: what the house did */
};

#define MSG_MISSING	205	/* clients wait (struct msg alone) */

/* To the loop. */
#define MSG_DO_SEND	211	/* text: frame */
#define MSG_DO_CLOSE	212	/* text: reason; number: code */
struct msg_do {
	struct msg msg;
	uint64_t conn;
	char *text;			/* malloc or NULL */
	size_t len;
	unsigned number;
};

#define MSG_DO_CONNECT	210
struct msg_connect {
	struct msg msg;
	uint64_t conn;
	char *uri, *authorization;	/* malloc; the latter or NULL */
	struct tls_trust tls;		/* lent by the settings */
};

#define MSG_HELLO	214	/* what the publisher said of itself */
struct msg_hello {
	struct msg msg;
	struct frame_path path;
	unsigned heartbeat;
};

#define MSG_ANSWER	215	/* to a command */
struct msg_answer {
	struct msg msg;
	struct ctlsock_req *req;
	char *text;			/* malloc: a JSON object */
	size_t len;
};

/* Frees any of these; the drop of house_writer. */
void applier_drop(struct msg *m);

MUST_CHECK enum rc applier_new(const struct conf *c, struct applier **out);
/* What it fetches with ends; before the mailboxes do. NULL is fine. */
void applier_stop(struct applier *a);
void applier_free(struct applier *a);			/* NULL is fine */

/* m (may be NULL) hears when what clients wait for has come, or will not. Before
 * any other thread. */
enum rc applier_start(struct applier *a, struct house *h,
                      struct restored *restored, struct diag *d);
void applier_set_miss(struct applier *a, struct miss *m);
void applier_message(struct applier *a, struct msg *m);
uint64_t applier_tick(struct applier *a);

/* The heartbeat that the restored IRD names; 0: nothing was restored. */
unsigned applier_heartbeat(const struct applier *a);

#endif
