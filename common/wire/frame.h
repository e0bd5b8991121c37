/* frame.h - the messages of the push protocol (docs/protocol.md s5).
 *
 * One JSON object with one member, the message's name. Unknown members inside are
 * ignored; a wrong type or a missing member is an error. A frame that was read
 * owns its copies, but for the patches of an update, which are views into the text
 * it was read from: an update may be large and is parsed once, by delta_json.
 */
#ifndef ALTOCAST_WIRE_FRAME_H
#define ALTOCAST_WIRE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/core/snapshot.h"
#include "common/wire/ird_json.h"
#include "common/wire/state_json.h"

#define FRAME_PROTOCOL "alto-push.v1"
#define FRAME_PATH_MAX 16		/* daemons from the origin on */
#define FRAME_BELOW_MAX 256		/* subscribers of a subscriber, in an ack, */
#define FRAME_BELOW_URI_MAX 255		/* and their URIs: longer, left out */
#define FRAME_ACK_MAX (1u << 19)	/* bytes: entries that pass it, too */
#define FRAME_REASON_MAX 120
#define FRAME_TOKEN_MIN 16		/* printable ASCII, no blanks */
#define FRAME_TOKEN_MAX 512
#define FRAME_WITHIN_MAX 30		/* seconds that pulls are spread over */

enum frame_kind {
	FRAME_HELLO, FRAME_SUBSCRIBE, FRAME_SUBSCRIBED, FRAME_UPDATE,
	FRAME_SNAPSHOT, FRAME_ACK, FRAME_ALIVE, FRAME_BYE, FRAME_ERROR,
	FRAME_CREDENTIALS
};

enum frame_mode { MODE_CURRENT, MODE_DELTA, MODE_SNAPSHOT, MODE_BEHIND };

/* Why a connection ends: close code and the word in `bye`. */
#define CLOSE_LIST(X) \
	X(GOING,    4000, "going away") \
	X(PROTOCOL, 4001, "protocol violation") \
	X(SLOW,     4002, "does not read") \
	X(REPLACED, 4003, "another connection has this name") \
	X(TAKEN,    4004, "its token or certificate was taken out") \
	X(DENIED,   4005, "not allowed") \
	X(SILENT,   4006, "nothing heard") \
	X(SERVICE,  4007, "another service") \
	X(LOOP,     4008, "loop") \
	X(RESYNC,   4010, "subscriber starts again")

enum close_code {
#define X(name, code, text) CLOSE_##name = code,
	CLOSE_LIST(X)
#undef X
};

/* The word; "closed" for a code that is not ours. */
const char *close_text(int code);

struct frame_path {
	size_t n;
	char id[FRAME_PATH_MAX][UUID_TEXT + 1];	/* origin first */
};

enum change_kind { CHANGE_PATCH, CHANGE_PULL, CHANGE_GONE };

struct change {
	enum change_kind what;
	struct resource_name name;	/* GONE: id alone */
	char *leaf;			/* PATCH, PULL: ALTO-Resource */
	char from[TAG_HEX + 1];		/* PATCH: tag it applies to */
	char media[RESOURCE_TYPE_MAX + 1];	/* PATCH */
	const char *data;		/* PATCH: view */
	size_t data_len;
	unsigned within;		/* PULL: seconds to spread over */
};

struct frame_below {
	struct position pos;
	char name[IRD_NAME_MAX + 1];
	/* "": none. Room for one byte too many shows what was cut. */
	char uri[FRAME_BELOW_URI_MAX + 2], push[FRAME_BELOW_URI_MAX + 2];
};

struct frame {
	enum frame_kind kind;
	bool has_state;			/* SUBSCRIBE, ALIVE: is it there? */
	struct state state;		/* HELLO, SUBSCRIBED, UPDATE, SNAPSHOT,
					 * SUBSCRIBE (have), ALIVE (server's) */
	/* HELLO */
	char protocol[32];
	char service[UUID_TEXT + 1];
	struct frame_path path;
	unsigned heartbeat;		/* seconds */
	uint64_t message_max;		/* bytes */
	int64_t time_ms;		/* sender's wall clock; UPDATE: published */
	/* SUBSCRIBE */
	char name[IRD_NAME_MAX + 1];
	char uri[IRD_URI_MAX + 1], push[IRD_URI_MAX + 1];	/* or "" */
	/* SUBSCRIBED */
	enum frame_mode mode;
	char reason[FRAME_REASON_MAX + 1];	/* BYE, ERROR too */
	/* UPDATE */
	size_t n_changes;
	struct change *changes;
	/* SNAPSHOT */
	struct leaf_set *leaves;
	unsigned within;		/* seconds to spread the pulls over */
	/* ACK, ALIVE (subscriber's) */
	struct position pos;
	bool has_below;			/* ACK: said; else they are as before */
	size_t n_below;
	struct frame_below *below;
	char nonce[65];			/* ALIVE; "" = none */
	/* BYE */
	unsigned retry_after;		/* seconds */
	/* ERROR */
	char code[33];
	/* CREDENTIALS; frame_free() wipes it */
	char token[FRAME_TOKEN_MAX + 1];
};

/* text must outlive *out. RC_ESYNTAX: not JSON, or a member of another type;
 * RC_EPROTO: not a message of this protocol; RC_EDIGEST: the leaves of a snapshot
 * do not give its root; RC_ELIMIT. */
MUST_CHECK enum rc frame_read(const char *text, size_t len,
                              struct frame **out, struct diag *d);
void frame_free(struct frame *f);			/* NULL is fine */

/* May a subscriber announce this: printable ASCII without quotes, <, > and \, at
 * most IRD_URI_MAX bytes, http or https, or for push ws or wss? */
bool frame_uri_ok(const char *uri, bool push);

/* Writers append a whole message. */
struct frame_hello {
	const char *service;
	const struct state *state;
	const struct frame_path *path;
	unsigned heartbeat;
	uint64_t message_max;
	int64_t time_ms;
};

void frame_hello(const struct frame_hello *h, struct buf *dst);
/* have may be NULL; uri and push may be "". */
void frame_subscribe(const char *name, const struct state *have,
                     const char *uri, const char *push, struct buf *dst);
void frame_subscribed(const struct state *st, enum frame_mode mode,
                      const char *reason, struct buf *dst);
MUST_CHECK enum rc frame_snapshot(const struct snapshot *s, struct buf *dst);
/* The same, to be carried out at a random time within so many seconds. */
MUST_CHECK enum rc frame_snapshot_within(const struct snapshot *s,
                                         unsigned within, struct buf *dst);
/* Over how many seconds so many readers should spread their pulls of a body (or
 * several) of so many bytes: few small ones are fetched at once by all, many large
 * ones are not. At most FRAME_WITHIN_MAX. */
unsigned frame_within(uint64_t bytes, uint64_t readers);
/* below NULL: it is not said anew. Never fails for its size: near FRAME_ACK_MAX
 * the URIs of those below are left out first, then the rest of them. */
void frame_ack(const struct position *pos, const struct frame_below *below,
               size_t n_below, struct buf *dst);
/* The publisher's carries a state, the subscriber's a position. */
void frame_alive(const struct state *st, const char *nonce, struct buf *dst);
void frame_alive_at(const struct position *pos, const char *nonce,
                    struct buf *dst);
void frame_credentials(const char *token, struct buf *dst);
void frame_bye(const char *reason, unsigned retry_after, struct buf *dst);
/* text is cut at FRAME_REASON_MAX bytes. */
void frame_error(const char *code, const char *text, struct buf *dst);

/* An update, change by change; data is appended as it stands. */
void frame_update_begin(const struct state *st, int64_t published_ms,
                        struct buf *dst);
void frame_update_patch(const char *leaf, const char *from, const char *media,
                        const char *data, size_t len, struct buf *dst);
void frame_update_pull(const char *leaf, unsigned within, struct buf *dst);
void frame_update_gone(const char *id, struct buf *dst);
void frame_update_end(struct buf *dst);

#endif
