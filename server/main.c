/* alto-server: wiring. */
#include <stdlib.h>
#include <string.h>

#include "common/net/loop.h"
#include "common/service/house.h"
#include "common/service/options.h"
#include "common/sys/clock.h"
#include "common/sys/conf.h"
#include "common/sys/log.h"
#include "server/answer.h"
#include "server/check.h"
#include "server/orders.h"
#include "server/publisher.h"
#include "server/reload.h"
#include "server/roster.h"
#include "server/settings.h"

#define SETTLE_MS 300		/* a file must be left alone for so long */
#define UNSETTLED_MS 2000	/* and then it is read all the same */

struct server {
	struct house house;
	struct conf *conf;
	struct publisher *publisher;
	struct roster *roster;
	struct loop_timer *settle;
	uint64_t unsettled_ms;		/* monotonic: of the first event since; 0:
					 * none */
	struct keys own;		/* loop: whose signatures are ours */
};

/* To the writer; req (may be NULL) hears when that cannot be. */
static void ask(struct server *s, struct ctlsock_req *req, struct msg *m)
{
	if (!(m && house_to_writer(&s->house, m)) && req)
		ctl_error(req, "the server is busy: try again");
}

/* Certificates and tokens first: they need nobody but the loop. */
static void ask_reload(struct server *s, struct ctlsock_req *req,
                       const char *cause, bool force)
{
	struct msg_reload *m = calloc(1, sizeof(*m));

	if (m) {
		m->msg.kind = MSG_RELOAD;
		m->msg.size = sizeof(*m);
		m->req = req;
		m->cause = cause;
		m->force = force;
		renewal_init(&m->beside);
		if (strcmp(cause, "watch") != 0 &&
		    house_renew(&s->house, &m->beside) == RC_OK)
			renewal_log(&m->beside, "server");
	}
	ask(s, req, m ? &m->msg : NULL);
}

static void on_reload(struct ctlsock_req *req, const json_t *args, void *arg)
{
	const json_t *force = json_object_get(args, "force");

	if (force && !json_is_boolean(force))
		ctl_error(req, "reload: \"force\" is true or false");
	else
		ask_reload(arg, req, "command", json_is_true(force));
}

static void ask_order(struct server *s, struct ctlsock_req *req,
                      enum order what, bool compromised)
{
	struct msg_order *m = calloc(1, sizeof(*m));

	if (m) {
		m->msg.kind = MSG_ORDER;
		m->msg.size = sizeof(*m);
		m->req = req;
		m->what = what;
		m->compromised = compromised;
	}
	ask(s, req, m ? &m->msg : NULL);
}

static void on_key_list(struct ctlsock_req *req, const json_t *args, void *arg)
{
	(void)args;
	ask_order(arg, req, ORDER_KEY_LIST, false);
}

static void on_key_next(struct ctlsock_req *req, const json_t *args, void *arg)
{
	(void)args;
	ask_order(arg, req, ORDER_KEY_NEXT, false);
}

static void on_key_retire(struct ctlsock_req *req, const json_t *args,
                          void *arg)
{
	const json_t *bad = json_object_get(args, "compromised");

	if (bad && !json_is_boolean(bad))
		ctl_error(req, "key retire: \"compromised\" is true or false");
	else
		ask_order(arg, req, ORDER_KEY_RETIRE, json_is_true(bad));
}

static void on_session_new(struct ctlsock_req *req, const json_t *args,
                           void *arg)
{
	(void)args;
	ask_order(arg, req, ORDER_SESSION_NEW, false);
}

static void on_backup(struct ctlsock_req *req, const json_t *args, void *arg)
{
	(void)args;
	ask_order(arg, req, ORDER_BACKUP, false);
}

static void on_drain(struct ctlsock_req *req, const json_t *args, void *arg)
{
	house_drain(req, args, &((struct server *)arg)->house);
}

static void on_status(struct ctlsock_req *req, const json_t *args, void *arg)
{
	house_status(req, args, &((struct server *)arg)->house);
}

static void on_hangup(void *arg)
{
	ask_reload(arg, NULL, "signal", false);
}

/* Each event starts the wait anew, so that half-written files are not read; but
 * one that never rests does not keep the others waiting. */
static void on_file(const char *path, void *arg)
{
	struct server *s = arg;
	uint64_t now = clock_mono_ms(), wait = SETTLE_MS;

	log_debug("watch", "event path=%s", path);
	if (!s->unsettled_ms)
		s->unsettled_ms = now;
	if (now + wait > s->unsettled_ms + UNSETTLED_MS)
		wait = 1;
	loop_timer_set(s->settle, wait, 0);
}

static void on_settled(void *arg)
{
	struct server *s = arg;

	s->unsettled_ms = 0;
	ask_reload(s, NULL, "watch", false);
}

static void on_ahead(const struct position *have, void *arg)
{
	struct server *s = arg;
	struct msg_ahead *m = calloc(1, sizeof(*m));

	if (!m)
		return;
	m->msg.kind = MSG_AHEAD;
	m->msg.size = sizeof(*m);
	m->have = *have;
	house_to_writer(&s->house, &m->msg);
}

static void drop(struct msg *m)
{
	if (m->kind == MSG_CHECKED)
		roster_checked_drop(m);
	else
		publisher_drop(m);
}

static void on_answer(const struct msg_answer *m)
{
	if (m->text)
		ctl_answer(m->req, m->text, m->len);
	else
		ctl_error(m->req, "%s", rc_text(RC_ENOMEM));
}

static void on_loop(void *arg, struct msg *m)
{
	struct server *s = arg;

	switch (m->kind) {
	case MSG_ANSWER:
		on_answer((struct msg_answer *)m);
		break;
	case MSG_KEYS:
		s->own = ((struct msg_keys *)m)->keys;
		break;
	case MSG_NO_SESSION:
		push_refuse_session(s->house.push, "history was lost here");
		break;
	case MSG_SETTLE:
		loop_timer_set(s->settle, SETTLE_MS, 0);
		break;
	case MSG_CHECKED:
		roster_checked(s->roster, (struct msg_checked *)m);
		return;
	default:
		break;
	}
	drop(m);
}

static enum rc start(void *arg, struct restored *restored, struct diag *d)
{
	struct server *s = arg;
	enum rc rc = publisher_start(s->publisher, &s->house, restored, d);

	if (rc == RC_OK)
		publisher_keys(s->publisher, &s->own);
	return rc;
}

static void message(void *arg, struct msg *m)
{
	publisher_message(((struct server *)arg)->publisher, m);
}

static uint64_t tick(void *arg)
{
	return publisher_tick(((struct server *)arg)->publisher);
}

static enum rc watch_files(struct server *s, struct diag *d)
{
	enum rc rc = RC_OK;

	if (!conf_get_bool(s->conf, "watch"))
		return RC_OK;
	for (size_t i = 0; i < conf_list_count(s->conf, "maps"); i++) {
		const char *file = conf_list_str(s->conf, "maps", i, "file");

		rc = loop_watch(s->house.loop, file, on_file, s);
		if (rc == RC_EEXIST)
			rc = RC_OK;
		if (rc != RC_OK)
			return diag_set(d, rc, "cannot watch %s", file);
	}
	return rc;
}

static enum rc ready(void *arg, struct diag *d)
{
	struct server *s = arg;
	const struct ird_proxy *listed;
	size_t n;
	enum rc rc = loop_timer_new(s->house.loop, on_settled, s, &s->settle);

	listed = publisher_roster(s->publisher, &n);
	if (rc == RC_OK)
		rc = roster_new(&s->house, &s->own, listed, n, &s->roster);
	s->house.report.unlisted = roster_unlisted;
	s->house.report.unlisted_arg = s->roster;
	return rc == RC_OK ? watch_files(s, d) : rc;
}

static void stop(void *arg)
{
	struct server *s = arg;

	publisher_stop(s->publisher);
	roster_free(s->roster);
	loop_timer_free(s->settle);
}

static void on_proxys_own(struct ctlsock_req *req, const json_t *args,
                          void *arg)
{
	(void)args;
	(void)arg;
	ctl_error(req, "this is an alto-server; that is for an alto-proxy");
}

static const struct ctl_command commands[] = {
	{ "status", on_status },
	{ "reload", on_reload },
	{ "key-list", on_key_list },
	{ "key-next", on_key_next },
	{ "key-retire", on_key_retire },
	{ "session-new", on_session_new },
	{ "backup", on_backup },
	{ "drain", on_drain },
	{ "trust", on_proxys_own },
	{ "resync", on_proxys_own },
	{ NULL, NULL }
};

static const struct options_program program = {
	.name = "alto-server", .config = "/etc/altocast/alto-server.conf",
	.table = &server_settings, .check = server_check
};

int main(int argc, char **argv)
{
	static struct server s;
	struct house_config cfg = {
		.role = "server", .origin = true, .ahead = on_ahead,
		.writer = { .start = start, .message = message, .tick = tick,
		            .drop = drop, .on_loop = on_loop, .ready = ready,
		            .hangup = on_hangup, .stop = stop,
		            .commands = commands, .arg = &s },
	};
	int status;

	if (!options_read(argc, argv, &program, &s.conf, &status))
		return status;
	if (publisher_new(s.conf, &s.publisher) != RC_OK)
		return 1;
	cfg.conf = s.conf;
	cfg.heartbeat = (unsigned)conf_get_int(s.conf, "heartbeat");
	cfg.own = &s.own;
	status = house_run(&s.house, &cfg);
	publisher_free(s.publisher);
	conf_free(s.conf);
	return status;
}
