/* alto-proxy: wiring. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/net/loop.h"
#include "common/service/alto_http.h"
#include "common/service/house.h"
#include "common/service/options.h"
#include "common/sys/conf.h"
#include "common/sys/keyfile.h"
#include "common/sys/log.h"
#include "proxy/applier.h"
#include "proxy/settings.h"

#define BELOW_MS 1000		/* reports of those below are collected so long */
#define HEARTBEAT_S 60		/* until the publisher says its own */

struct proxy {
	struct house house;
	struct conf *conf;
	struct applier *applier;
	struct upstream *upstream;
	struct loop_timer *below;
	bool below_set;
	char *authorization;		/* "Bearer TOKEN", or NULL */
};

static void on_status(struct ctlsock_req *req, const json_t *args, void *arg)
{
	house_status(req, args, &((struct proxy *)arg)->house);
}

/* ---- who subscribes here --------------------------------------------------- */

static void gather_one(const struct push_info *i, void *arg)
{
	struct msg_below *m = arg;
	struct frame_below *b = &m->below[m->n];

	if (!pub_subscribed(i->pub) || m->n >= FRAME_BELOW_MAX)
		return;
	b->pos = *pub_acked(i->pub);
	if (!b->pos.session[0])
		return;
	snprintf(b->name, sizeof(b->name), "%s", pub_name(i->pub));
	snprintf(b->uri, sizeof(b->uri), "%s", pub_uri(i->pub));
	snprintf(b->push, sizeof(b->push), "%s", pub_push_uri(i->pub));
	m->n++;
}

static void on_below(void *arg)
{
	struct proxy *p = arg;
	struct msg_below *m = calloc(1, sizeof(*m));

	p->below_set = false;
	if (m)
		m->below = calloc(push_count(p->house.push) + 1,
		                  sizeof(*m->below));
	if (!m || !m->below) {
		free(m);
		return;
	}
	push_each(p->house.push, gather_one, m);
	m->msg.kind = MSG_BELOW;
	m->msg.size = sizeof(*m) + m->n * sizeof(*m->below);
	house_to_writer(&p->house, &m->msg);
}

static void on_subscribers(void *arg)
{
	struct proxy *p = arg;

	if (p->below_set || !p->below)
		return;
	p->below_set = true;
	loop_timer_set(p->below, BELOW_MS, 0);
}

/* ---- from the writer ------------------------------------------------------- */

static void on_connect(struct proxy *p, const char *uri)
{
	struct diag d = { 0 };

	if (upstream_connect(p->upstream, uri, p->authorization, &d) == RC_OK)
		return;
	log_error("upstream", "%s: %s", uri, d.text);
	upstream_pause(p->upstream, 1);
}

static void on_hello(struct proxy *p, const struct msg_hello *m)
{
	push_set_path(p->house.push, &m->path);
	if (m->heartbeat == 0)
		return;
	push_set_heartbeat(p->house.push, m->heartbeat);
	alto_http_set_heartbeat(p->house.http, m->heartbeat);
	p->house.report.heartbeat = m->heartbeat;
}

static void on_loop(void *arg, struct msg *m)
{
	const struct msg_do *what = (struct msg_do *)m;
	struct proxy *p = arg;

	switch (m->kind) {
	case MSG_DO_CONNECT:
		on_connect(p, what->text);
		break;
	case MSG_DO_SEND:
		upstream_send(p->upstream, what->conn, what->text, what->len);
		break;
	case MSG_DO_CLOSE:
		upstream_close(p->upstream, what->conn, (int)what->number,
		               what->text);
		break;
	case MSG_DO_PAUSE:
		upstream_pause(p->upstream, what->number);
		break;
	case MSG_HELLO:
		on_hello(p, (struct msg_hello *)m);
		break;
	default:
		break;
	}
	applier_drop(m);
}

/* ---- the pieces of the house ----------------------------------------------- */

static void published(void *arg, struct snapshot *next)
{
	(void)next;
	upstream_good(((struct proxy *)arg)->upstream);
}

static void leave(void *arg)
{
	upstream_leave(((struct proxy *)arg)->upstream);
}

static enum rc start(void *arg, struct restored *restored, struct diag *d)
{
	struct proxy *p = arg;
	enum rc rc = applier_start(p->applier, &p->house, restored, d);

	if (rc == RC_OK && applier_heartbeat(p->applier))
		p->house.cfg.heartbeat = p->house.report.heartbeat =
			applier_heartbeat(p->applier);
	return rc;
}

static void message(void *arg, struct msg *m)
{
	applier_message(((struct proxy *)arg)->applier, m);
}

static uint64_t tick(void *arg)
{
	return applier_tick(((struct proxy *)arg)->applier);
}

static enum rc load_token(struct proxy *p, struct diag *d)
{
	const char *file = conf_list_str(p->conf, "upstream", 0, "token-file");
	struct buf text = BUF_INIT(1024);
	char *token = NULL;
	enum rc rc;

	if (!file)
		return RC_OK;
	rc = keyfile_token(file, &token, d);
	if (rc == RC_OK) {
		buf_printf(&text, "Bearer %s", token);
		p->authorization = buf_take(&text, NULL);
		rc = p->authorization ? RC_OK : RC_ENOMEM;
	}
	keyfile_token_free(token);
	buf_free(&text);
	return rc;
}

static enum rc ready(void *arg, struct diag *d)
{
	struct proxy *p = arg;
	struct upstream_config cfg = {
		.writer = p->house.writer_box,
		.message_max = (size_t)conf_list_int(p->conf, "upstream", 0,
		                                     "waiting"),
		.connect_s = 15, .ping_s = 20, .dead_s = 60,
		.backoff_min_ms = 200,
		.backoff_max_ms = (uint64_t)conf_list_int(p->conf, "upstream",
			0, "retry-max") * 1000,
	};
	struct msg_upstream *due = calloc(1, sizeof(*due));
	enum rc rc = due ? load_token(p, d) : RC_ENOMEM;

	if (rc == RC_OK)
		rc = loop_timer_new(p->house.loop, on_below, p, &p->below);
	if (rc == RC_OK)
		rc = upstream_new(p->house.loop, &cfg, &p->upstream);
	if (rc != RC_OK) {
		free(due);
		return rc;
	}
	due->msg.kind = MSG_UP_DUE;
	due->msg.size = sizeof(*due);
	house_to_writer(&p->house, &due->msg);
	return RC_OK;
}

static void stop(void *arg)
{
	struct proxy *p = arg;

	upstream_free(p->upstream);
	loop_timer_free(p->below);
	p->below = NULL;
	keyfile_token_free(p->authorization);
}

static const struct ctl_command commands[] = {
	{ "status", on_status },
	{ NULL, NULL }
};

int main(int argc, char **argv)
{
	static struct proxy p;
	struct house_config cfg = {
		.role = "proxy", .heartbeat = HEARTBEAT_S,
		.subscribers = on_subscribers,
		.writer = { .start = start, .message = message, .tick = tick,
		            .drop = applier_drop, .on_loop = on_loop,
		            .published = published, .ready = ready,
		            .leave = leave,
		            .stop = stop, .commands = commands, .arg = &p },
	};
	int status;

	if (!options_read(argc, argv, "alto-proxy",
	                  "/etc/altocast/alto-proxy.conf", &proxy_settings,
	                  &p.conf, &status))
		return status;
	if (applier_new(p.conf, &p.applier) != RC_OK)
		return 1;
	cfg.conf = p.conf;
	status = house_run(&p.house, &cfg);
	applier_free(p.applier);
	conf_free(p.conf);
	return status;
}
