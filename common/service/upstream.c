#include "common/service/upstream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/net/loop.h"
#include "common/net/ws.h"
#include "common/sys/log.h"
#include "common/wire/frame.h"

#define QUEUE_MAX (4u << 20)	/* bytes of our own frames not yet written */
#define AGAIN_MS 200

struct upstream {
	struct loop *loop;
	struct upstream_config cfg;
	struct ws_conn *ws;
	uint64_t conn;			/* the writer's number of the newest */
	struct loop_timer *again;
	char why[200];			/* what the writer has yet to be told */
	bool left;
};

void msg_upstream_free(struct msg_upstream *m)
{
	if (!m)
		return;
	free(m->text);
	free(m);
}

/* false: the writer did not take it. */
static bool tell(struct upstream *u, int kind, const char *text, size_t len)
{
	struct msg_upstream *m = calloc(1, sizeof(*m));

	if (!m)
		return false;
	m->msg.kind = kind;
	m->msg.size = sizeof(*m) + len;
	m->conn = u->conn;
	if (text) {
		m->text = malloc(len + 1);
		if (!m->text) {
			free(m);
			return false;
		}
		memcpy(m->text, text, len);
		m->text[len] = '\0';
		m->len = len;
	}
	if (mailbox_post(u->cfg.writer, &m->msg) == RC_OK)
		return true;
	msg_upstream_free(m);
	return false;
}

/* ---- the connection -------------------------------------------------------- */

static void on_open(struct ws_conn *c, const struct ws_request *rq)
{
	struct upstream *u = ws_user(c);

	(void)rq;
	if (u && u->ws == c && !tell(u, MSG_UP_OPEN, NULL, 0))
		ws_abort(c);
}

static void on_message(struct ws_conn *c, const char *data, size_t len)
{
	struct upstream *u = ws_user(c);

	/* A writer that is that far behind starts again from what it holds;
	 * nothing piles up here. */
	if (u && u->ws == c && !tell(u, MSG_UP_FRAME, data, len))
		ws_close(c, CLOSE_RESYNC, "cannot keep up");
}

/* Without this message the writer would wait for ever; its box has room again as
 * soon as it has read one frame, so try later. */
static void tell_closed(struct upstream *u)
{
	if (!tell(u, MSG_UP_CLOSED, u->why, strlen(u->why)))
		loop_timer_set(u->again, AGAIN_MS, 0);
}

static void on_again(void *arg)
{
	tell_closed(arg);
}

/* What the status says, and where to look. */
static const char *refusal(unsigned status)
{
	switch (status) {
	case 401:
		return "what we show is not known there: compare "
			"upstream.token-file and our certificate here with "
			"subscribers there";
	case 403:
		return "our token and our certificate do not belong together: "
			"compare upstream here with subscribers there";
	case 404:
	case 426:
		return "this is not where it takes subscribers: see "
			"upstream.push here";
	case 503:
		return "it takes no more subscribers just now";
	default:
		return "that is no publisher of " FRAME_PROTOCOL;
	}
}

static void on_closed(struct ws_conn *c, unsigned code, const char *reason)
{
	struct upstream *u = ws_user(c);

	if (!u || u->ws != c)
		return;
	u->ws = NULL;
	if (ws_refused(c))
		snprintf(u->why, sizeof(u->why), UPSTREAM_REFUSED "%u, %s",
		         ws_refused(c), refusal(ws_refused(c)));
	else
		snprintf(u->why, sizeof(u->why), "%u %s", code, reason);
	tell_closed(u);
}

/* The old connection may live on for its closing handshake, but is not ours. */
static void let_go(struct upstream *u, int code, const char *reason)
{
	struct ws_conn *c = u->ws;

	if (!c)
		return;
	u->ws = NULL;
	ws_set_user(c, NULL);
	ws_close(c, (unsigned)code, reason);
}

enum rc upstream_new(struct loop *l, const struct upstream_config *cfg,
                     struct upstream **out)
{
	struct upstream *u = calloc(1, sizeof(*u));
	enum rc rc;

	if (!u)
		return RC_ENOMEM;
	u->loop = l;
	u->cfg = *cfg;
	rc = loop_timer_new(l, on_again, u, &u->again);
	if (rc != RC_OK) {
		free(u);
		return rc;
	}
	*out = u;
	return RC_OK;
}

void upstream_free(struct upstream *u)
{
	if (!u)
		return;
	let_go(u, CLOSE_GOING, close_text(CLOSE_GOING));
	loop_timer_free(u->again);
	free(u);
}

void upstream_leave(struct upstream *u)
{
	u->left = true;
	loop_timer_stop(u->again);
	let_go(u, CLOSE_GOING, close_text(CLOSE_GOING));
}

void upstream_connect(struct upstream *u, uint64_t conn,
                      const struct upstream_target *to)
{
	struct ws_connect_config cfg = {
		.uri = to->uri,
		.subprotocol = FRAME_PROTOCOL,
		.authorization = to->authorization,
		.on = { .open = on_open, .message = on_message,
		        .closed = on_closed, .arg = u },
		.limits = { .max_message = u->cfg.message_max,
		            .max_queue = QUEUE_MAX,
		            .handshake_s = u->cfg.connect_s,
		            .ping_s = u->cfg.ping_s,
		            .dead_s = u->cfg.dead_s },
		.tls = to->tls,
	};
	struct diag d = { 0 };
	enum rc rc;

	let_go(u, CLOSE_RESYNC, close_text(CLOSE_RESYNC));
	loop_timer_stop(u->again);
	if (u->left)
		return;
	u->conn = conn;
	rc = ws_connect(u->loop, &cfg, &d, &u->ws);
	log_debug("upstream", "connect uri=%s conn=%llu rc=%s", to->uri,
	          (unsigned long long)conn, rc_text(rc));
	if (rc == RC_OK)
		return;
	u->ws = NULL;
	snprintf(u->why, sizeof(u->why), "%u %.140s", (unsigned)WS_LOST,
	         d.text[0] ? d.text : rc_text(rc));
	tell_closed(u);
}

void upstream_send(struct upstream *u, uint64_t conn, const char *text,
                   size_t len)
{
	if (u->ws && conn == u->conn &&
	    ws_send_text(u->ws, text, len) != RC_OK)
		ws_abort(u->ws);
}

void upstream_close(struct upstream *u, uint64_t conn, int code,
                    const char *reason)
{
	if (conn == u->conn)
		let_go(u, code, reason);
}
