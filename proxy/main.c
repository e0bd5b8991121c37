/* alto-proxy: wiring. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/net/loop.h"
#include "common/service/alto_http.h"
#include "common/service/house.h"
#include "common/service/miss.h"
#include "common/service/options.h"
#include "common/sys/conf.h"
#include "common/sys/log.h"
#include "proxy/applier.h"
#include "proxy/settings.h"

#define BELOW_MS 1000		/* reports of those below are collected so long */
#define HEARTBEAT_S 60		/* until the publisher says its own */
#define MISS_WAIT_MS 5000	/* a client waits for what is not here, */
#define MISS_QUIET_MS 5000	/* which is not asked for again for so long */
#define MISS_WAITING_MAX 256
#define UNSIGNED "nothing that is served here is signed"

struct proxy {
	struct house house;
	struct conf *conf;
	struct applier *applier;
	struct upstream *upstream;
	struct loop_timer *below;
	bool below_set;
	struct miss *miss;
};

/* ---- who subscribes here --------------------------------------------------- */

static void on_below(void *arg)
{
	struct proxy *p = arg;
	struct msg_below *m = calloc(1, sizeof(*m));

	p->below_set = false;
	if (m)
		m->below = calloc(FRAME_BELOW_MAX, sizeof(*m->below));
	if (!m || !m->below) {
		free(m);
		return;
	}
	m->n = push_below(p->house.push, m->below, FRAME_BELOW_MAX);
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

static void on_connect(struct proxy *p, const struct msg_connect *m)
{
	const struct upstream_target to = {
		.uri = m->uri, .authorization = m->authorization, .tls = m->tls
	};

	upstream_connect(p->upstream, m->conn, &to);
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
		on_connect(p, (struct msg_connect *)m);
		break;
	case MSG_DO_SEND:
		upstream_send(p->upstream, what->conn, what->text, what->len);
		break;
	case MSG_DO_CLOSE:
		upstream_close(p->upstream, what->conn, (int)what->number,
		               what->text);
		break;
	case MSG_ANSWER:
		ctl_answer(((struct msg_answer *)m)->req,
		           ((struct msg_answer *)m)->text,
		           ((struct msg_answer *)m)->len);
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

static void leave(void *arg)
{
	upstream_leave(((struct proxy *)arg)->upstream);
}

/* HTTP thread: a client asks for what is not here. */
static bool on_missing(void *arg)
{
	struct proxy *p = arg;
	struct msg *m = calloc(1, sizeof(*m));

	if (!m)
		return false;
	status_add(p->house.status, STATUS_missing, 1);
	m->kind = MSG_MISSING;
	m->size = sizeof(*m);
	return house_to_writer(&p->house, m);
}

static void say_warnings(const struct conf *c)
{
	struct buf lines = BUF_INIT(65536);
	const char *s;

	proxy_warnings(c, &lines);
	s = buf_str(&lines);
	for (size_t n; *s; s += n + (s[n] == '\n')) {
		n = strcspn(s, "\n");
		log_warn("proxy", "%.*s", (int)n, s);
	}
	buf_free(&lines);
}

static enum rc start(void *arg, struct restored *restored, struct diag *d)
{
	struct proxy *p = arg;
	const struct miss_config miss = {
		.wait_ms = MISS_WAIT_MS, .quiet_ms = MISS_QUIET_MS,
		.waiting_max = MISS_WAITING_MAX, .ask = on_missing, .arg = p
	};
	enum rc rc;

	say_warnings(p->conf);
	rc = applier_start(p->applier, &p->house, restored, d);
	if (rc == RC_OK)
		rc = miss_new(&miss, &p->miss);
	if (rc != RC_OK)
		return rc;
	applier_set_miss(p->applier, p->miss);
	if (applier_heartbeat(p->applier))
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

static enum rc ready(void *arg, struct diag *d)
{
	struct proxy *p = arg;
	struct upstream_config cfg = {
		.writer = p->house.writer_box,
		.message_max = (size_t)conf_list_int(p->conf, "upstream", 0,
		                                     "waiting"),
		.connect_s = 15, .ping_s = 20, .dead_s = 60,
	};
	enum rc rc;

	(void)d;
	rc = loop_timer_new(p->house.loop, on_below, p, &p->below);
	if (rc == RC_OK)
		rc = upstream_new(p->house.loop, &cfg, &p->upstream);
	if (rc == RC_OK && proxy_unsigned(p->conf))
		push_refuse(p->house.push, UNSIGNED);
	else if (rc == RC_OK)
		alto_http_set_miss(p->house.http, p->miss);
	return rc;
}

static void stop(void *arg)
{
	struct proxy *p = arg;

	applier_stop(p->applier);
	upstream_free(p->upstream);
	loop_timer_free(p->below);
	p->below = NULL;
	miss_free(p->miss);
	p->miss = NULL;
}

/* ---- commands ------------------------------------------------------------ */

static void on_status(struct ctlsock_req *req, const json_t *args, void *arg)
{
	house_status(req, args, &((struct proxy *)arg)->house);
}

static void on_drain(struct ctlsock_req *req, const json_t *args, void *arg)
{
	house_drain(req, args, &((struct proxy *)arg)->house);
}

/* beside: what a reload did here; taken over, may be NULL. */
static void command_with(struct proxy *p, int kind, struct ctlsock_req *req,
                         struct renewal *beside)
{
	struct msg_command *m = calloc(1, sizeof(*m));

	if (m) {
		m->msg.kind = kind;
		m->msg.size = sizeof(*m);
		m->req = req;
		if (beside) {
			m->beside = *beside;
			renewal_init(beside);
		}
		if (house_to_writer(&p->house, &m->msg))
			return;
	}
	if (req)
		ctl_error(req, "the proxy is busy: try again");
}

static void command(struct proxy *p, int kind, struct ctlsock_req *req)
{
	command_with(p, kind, req, NULL);
}

static void on_trust(struct ctlsock_req *req, const json_t *args, void *arg)
{
	(void)args;
	command(arg, MSG_TRUST, req);
}

static void on_resync(struct ctlsock_req *req, const json_t *args, void *arg)
{
	(void)args;
	command(arg, MSG_RESYNC, req);
}

static void on_backup(struct ctlsock_req *req, const json_t *args, void *arg)
{
	(void)args;
	command(arg, MSG_BACKUP, req);
}

/* What listeners show and believe, then what is shown upstream. */
static void on_reload(struct ctlsock_req *req, const json_t *args, void *arg)
{
	struct proxy *p = arg;
	struct renewal told;

	(void)args;
	renewal_init(&told);
	if (house_renew(&p->house, &told) == RC_OK)
		command_with(p, MSG_RELOAD, req, &told);
	else if (req)
		ctl_error(req, "%s", buf_str(&told.errors));
	renewal_free(&told);
}

static void on_servers_own(struct ctlsock_req *req, const json_t *args,
                           void *arg)
{
	(void)args;
	(void)arg;
	ctl_error(req, "this is an alto-proxy; that is for an alto-server");
}

static void hangup(void *arg)
{
	on_reload(NULL, NULL, arg);
}

static const struct ctl_command commands[] = {
	{ "status", on_status },
	{ "reload", on_reload },
	{ "resync", on_resync },
	{ "trust", on_trust },
	{ "backup", on_backup },
	{ "drain", on_drain },
	{ "key-list", on_servers_own },
	{ "key-next", on_servers_own },
	{ "key-retire", on_servers_own },
	{ "session-new", on_servers_own },
	{ NULL, NULL }
};

static const struct options_program program = {
	.name = "alto-proxy", .config = "/etc/altocast/alto-proxy.conf",
	.table = &proxy_settings, .check = proxy_check
};

int main(int argc, char **argv)
{
	static struct proxy p;
	struct house_config cfg = {
		.role = "proxy", .heartbeat = HEARTBEAT_S,
		.subscribers = on_subscribers,
		.writer = { .start = start, .message = message, .tick = tick,
		            .drop = applier_drop, .on_loop = on_loop,
		            .ready = ready, .leave = leave, .hangup = hangup,
		            .stop = stop, .commands = commands, .arg = &p },
	};
	int status;

	if (!options_read(argc, argv, &program, &p.conf, &status))
		return status;
	if (applier_new(p.conf, &p.applier) != RC_OK)
		return 1;
	cfg.conf = p.conf;
	status = house_run(&p.house, &cfg);
	applier_free(p.applier);
	conf_free(p.conf);
	return status;
}
