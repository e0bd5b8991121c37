/* applier.h - the proxy's writer: verify, apply, journal, serve.
 *
 * Drives the subscriber's half of the protocol (proto/sub): frames and fetched
 * bodies come in as messages, what it wants done goes out as messages; a verified
 * snapshot is published. Writer thread.
 */
#ifndef ALTOCAST_PROXY_APPLIER_H
#define ALTOCAST_PROXY_APPLIER_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/service/house.h"
#include "common/service/upstream.h"

struct applier;

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

/* To the loop. */
#define MSG_DO_CONNECT	210	/* text: URI */
#define MSG_DO_SEND	211	/* text: frame */
#define MSG_DO_CLOSE	212	/* text: reason; number: code */
#define MSG_DO_PAUSE	213	/* number: seconds asked for */
struct msg_do {
	struct msg msg;
	uint64_t conn;
	char *text;			/* malloc or NULL */
	size_t len;
	unsigned number;
};

#define MSG_HELLO	214	/* what the publisher said of itself */
struct msg_hello {
	struct msg msg;
	struct frame_path path;
	unsigned heartbeat;
};

/* Frees any of these; the drop of house_writer. */
void applier_drop(struct msg *m);

MUST_CHECK enum rc applier_new(const struct conf *c, struct applier **out);
void applier_free(struct applier *a);			/* NULL is fine */

enum rc applier_start(struct applier *a, struct house *h,
                      struct restored *restored, struct diag *d);
void applier_message(struct applier *a, struct msg *m);
uint64_t applier_tick(struct applier *a);

/* The heartbeat that the restored IRD names; 0: nothing was restored. */
unsigned applier_heartbeat(const struct applier *a);

#endif
