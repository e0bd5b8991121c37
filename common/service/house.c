#include "common/service/house.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/net/loop.h"
#include "common/service/admin_http.h"
#include "common/service/alto_http.h"
#include "common/sys/clock.h"
#include "common/sys/daemon.h"
#include "common/sys/file.h"
#include "common/sys/keyfile.h"
#include "common/sys/log.h"

#define BOX_COUNT 65536u
#define BOX_BYTES (512u << 20)
#define CLOSING_MS 20		/* for close frames to leave */
#define STOP_MS 2000		/* for subscribers to read their good-bye */
#define RECEIVED_MAX (2u << 20)	/* bytes of a frame from a subscriber */

/* What lives only while house_run() does. */
struct run {
	struct house *h;
	pthread_t writer;
	bool writing;
	struct loop_timer *closing, *watchdog;
	uint64_t stop_by;
	size_t n_tokens;
	struct push_token *tokens;
};

/* ---- messages ------------------------------------------------------------ */

bool house_to_writer(struct house *h, struct msg *m)
{
	if (mailbox_post(h->writer_box, m) == RC_OK)
		return true;
	h->cfg.writer.drop(m);
	return false;
}

bool house_to_loop(struct house *h, struct msg *m)
{
	if (mailbox_post(h->loop_box, m) == RC_OK)
		return true;
	h->cfg.writer.drop(m);
	return false;
}

static void on_published(struct house *h, struct msg_published *m)
{
	enum rc rc = push_publish(h->push, m->next, m->updates, m->n, m->jump,
	                          m->session);

	if (rc != RC_OK)
		log_error("push", "cannot take a publication: %s", rc_text(rc));
	report_turn(&h->report, m->next);
	snapshot_ref(m->next);
	snapshot_unref(h->head);
	h->head = m->next;
	if (h->cfg.writer.published)
		h->cfg.writer.published(h->cfg.writer.arg, h->head);
	alto_http_turn(h->http);
	msg_published_free(m);
}

static void on_wake(void *arg)
{
	struct house *h = arg;
	struct msg *m = mailbox_take(h->loop_box), *next;

	for (; m; m = next) {
		next = m->next;
		if (m->kind == MSG_PUBLISHED)
			on_published(h, (struct msg_published *)m);
		else if (m->kind == MSG_ASKED)
			admin_http_answer(m, &h->report);
		else
			h->cfg.writer.on_loop(h->cfg.writer.arg, m);
	}
}

static void drop_from_loop(struct house *h)
{
	struct msg *m = mailbox_take(h->loop_box), *next;

	for (; m; m = next) {
		next = m->next;
		if (m->kind == MSG_PUBLISHED)
			msg_published_free((struct msg_published *)m);
		else if (m->kind == MSG_ASKED)
			admin_http_drop(m);
		else
			h->cfg.writer.drop(m);
	}
}

static void *write_thread(void *arg)
{
	struct house *h = ((struct run *)arg)->h;
	const struct house_writer *w = &h->cfg.writer;
	uint64_t wait = 0;

	for (;;) {
		struct msg *m = mailbox_wait(h->writer_box, wait), *next;
		/* NULL in less than the time asked for: the box was closed. */
		bool end = !m && mailbox_closed(h->writer_box);

		for (; m; m = next) {
			next = m->next;
			w->message(w->arg, m);
		}
		if (end)
			return NULL;
		wait = w->tick(w->arg);
	}
}

/* ---- the loop's own events ----------------------------------------------- */

void house_status(struct ctlsock_req *req, const json_t *args, void *house)
{
	struct house *h = house;
	struct buf text = BUF_INIT(64u << 20);

	(void)args;
	report_status(&h->report, clock_wall_s(), clock_mono_ms(), &text);
	if (buf_rc(&text) == RC_OK)
		ctl_answer(req, text.data, text.len);
	else
		ctl_error(req, "status: %s", rc_text(buf_rc(&text)));
	buf_free(&text);
}

static void on_closing(void *arg)
{
	struct run *r = arg;

	if (push_connections(r->h->push) == 0 ||
	    clock_mono_ms() >= r->stop_by)
		loop_stop(r->h->loop);
}

static void on_stop(int signum, void *arg)
{
	struct run *r = arg;

	if (r->stop_by) {		/* asked twice: at once */
		loop_stop(r->h->loop);
		return;
	}
	log_info(r->h->cfg.role, "stopping signal=%d", signum);
	daemon_stopping();
	r->stop_by = clock_mono_ms() + STOP_MS;
	push_stop(r->h->push, 1);
	if (r->h->cfg.writer.leave)
		r->h->cfg.writer.leave(r->h->cfg.writer.arg);
	loop_timer_set(r->closing, CLOSING_MS, CLOSING_MS);
}

static void on_hangup(int signum, void *arg)
{
	struct house *h = ((struct run *)arg)->h;

	(void)signum;
	if (h->cfg.writer.hangup)
		h->cfg.writer.hangup(h->cfg.writer.arg);
}

static void on_watchdog(void *arg)
{
	(void)arg;
	daemon_watchdog();
}

/* ---- building ------------------------------------------------------------ */

static enum rc new_instance(char out[UUID_TEXT + 1])
{
	uint8_t bytes[16];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return RC_EIO;
	bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);	/* version 4 */
	bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
	enc_uuid(bytes, out);
	return RC_OK;
}

static enum rc read_tokens(struct run *r, struct diag *d)
{
	const struct conf *c = r->h->cfg.conf;
	size_t n = conf_list_count(c, "subscribers");
	enum rc rc = RC_OK;

	r->tokens = calloc(n + 1, sizeof(*r->tokens));
	if (!r->tokens)
		return RC_ENOMEM;
	for (size_t i = 0; rc == RC_OK && i < n; i++) {
		struct push_token *t = &r->tokens[r->n_tokens];
		const char *file = conf_list_str(c, "subscribers", i,
		                                 "token-file");

		if (!file)
			continue;
		snprintf(t->name, sizeof(t->name), "%s",
		         conf_list_str(c, "subscribers", i, "name"));
		rc = keyfile_token(file, &t->token, d);
		r->n_tokens += rc == RC_OK;
	}
	return rc;
}

/* The part before any thread: state directory, journal, what it gives back. */
static enum rc open_state(struct house *h, struct diag *d)
{
	const char *dir = conf_get_str(h->cfg.conf, "state");
	struct restored back = { 0 };
	enum rc rc = file_mkdir(dir, 0700, d);

	if (rc == RC_OK)
		rc = journal_open(dir, &h->journal, d);
	if (rc != RC_OK)
		return rc;
	h->publish.journal = h->journal;
	h->publish.slot = h->slot;
	h->publish.loop = h->loop_box;
	h->publish.log_count = (size_t)conf_get_int(h->cfg.conf,
	                                            "history.count");
	h->publish.log_bytes = (size_t)conf_get_int(h->cfg.conf,
	                                            "history.bytes");
	rc = restore(h->journal, &back, d);
	if (rc == RC_ENOENT)
		rc = RC_OK;
	if (rc == RC_OK && back.snapshot) {
		h->head = snapshot_ref(back.snapshot);
		report_turn(&h->report, h->head);
		rc = publish_restored(&h->publish, h->head);
	}
	if (rc == RC_OK && back.snapshot)
		rc = push_start(h->push, &back.log_start, back.updates,
		                back.n, back.snapshot);
	if (rc == RC_OK)
		rc = h->cfg.writer.start(h->cfg.writer.arg, &back, d);
	restored_free(&back);
	return rc;
}

/* "addr:port" and "[addr]:port" without the port. */
static void address_of(const char *listen, char *out, size_t size)
{
	const char *colon = strrchr(listen, ':');
	size_t len = colon ? (size_t)(colon - listen) : strlen(listen);

	if (len >= 2 && listen[0] == '[') {
		listen++;
		len -= 2;
	}
	snprintf(out, size, "%.*s", (int)len, listen);
}

static void uri_of(const char *scheme, const char *listen, uint16_t port,
                   const char *path, char *out, size_t size)
{
	const char *colon = strrchr(listen, ':');

	snprintf(out, size, "%s://%.*s:%u%s", scheme,
	         (int)(colon ? colon - listen : 0), listen, port, path);
}

static enum rc open_push(struct run *r, struct diag *d)
{
	struct house *h = r->h;
	const struct conf *c = h->cfg.conf;
	const char *listen = conf_get_str(c, "push.listen");
	const char *uri = conf_get_str(c, "push.public-uri");
	struct conf_listen at;
	char addr[64];
	struct push_config cfg = {
		.addr = addr,
		.limits = {
			.max_conns = (unsigned)conf_get_int(c,
				"push.connections"),
			.max_conns_per_addr = (unsigned)conf_get_int(c,
				"push.connections-per-address"),
			.max_message = RECEIVED_MAX, .max_queue = RECEIVED_MAX,
			.handshake_s = 10, .ping_s = 20, .dead_s = 60,
		},
		.log_count = h->publish.log_count,
		.log_bytes = h->publish.log_bytes,
		.message_max = (uint64_t)conf_get_int(c, "push.message"),
		.heartbeat = h->cfg.heartbeat,
		.slow_s = (unsigned)conf_get_int(c, "push.slow"),
		.origin = h->cfg.origin, .own = h->cfg.own,
		.instance = h->instance, .status = h->status,
		.tokens = r->tokens, .n_tokens = r->n_tokens,
		.ahead = h->cfg.ahead, .changed = h->cfg.subscribers,
		.arg = h->cfg.writer.arg,
	};
	enum rc rc = conf_get_listen(c, "push.listen", &at);

	if (rc != RC_OK)
		return rc;
	cfg.port = at.port;
	cfg.anonymous = conf_get_bool(c, "push.anonymous") ||
	                (at.loopback && r->n_tokens == 0);
	address_of(listen, addr, sizeof(addr));
	cfg.log_count = (size_t)conf_get_int(c, "history.count");
	cfg.log_bytes = (size_t)conf_get_int(c, "history.bytes");
	rc = push_new(h->loop, &cfg, d, &h->push);
	if (rc != RC_OK)
		return rc;
	uri_of("ws", listen, push_port(h->push), "/push", h->report.push,
	       sizeof(h->report.push));
	snprintf(h->push_uri, sizeof(h->push_uri), "%s",
	         uri ? uri : h->report.push);
	h->report.subscribers = h->push;
	return RC_OK;
}

/* The texts of a setting as an array (free() it); *n: how many. */
static const char **texts_of(const struct conf *c, const char *name, size_t *n)
{
	const char **list = calloc(conf_get_count(c, name) + 1, sizeof(*list));

	*n = list ? conf_get_count(c, name) : 0;
	for (size_t i = 0; i < *n; i++)
		list[i] = conf_get_nth(c, name, i);
	return list;
}

static void http_limits(const struct conf *c, struct http_config *http)
{
	http->addr = conf_get_str(c, "http.listen");
	http->threads = (unsigned)conf_get_int(c, "http.threads");
	http->max_conns = (unsigned)conf_get_int(c, "http.connections");
	http->max_conns_per_addr = (unsigned)conf_get_int(c,
		"http.connections-per-address");
	http->timeout_s = (unsigned)conf_get_int(c, "http.timeout");
	http->header_s = (unsigned)conf_get_int(c, "http.header-time");
	http->body_s = (unsigned)conf_get_int(c, "http.body-time");
	http->max_body = (size_t)conf_get_int(c, "http.request");
}

static enum rc open_alto(struct house *h, struct diag *d)
{
	const struct conf *c = h->cfg.conf;
	struct alto_http_config cfg = {
		.slot = h->slot, .status = h->status,
		.heartbeat = h->cfg.heartbeat,
		.answer_max = (size_t)conf_get_int(c, "http.answer"),
		.answers_max = (uint64_t)conf_get_int(c, "http.answers"),
		.forwarded_rfc7239 = strcasecmp(conf_get_str(c,
			"http.forwarded-header"), "Forwarded") == 0,
	};
	const char **origins, **forwarders;
	enum rc rc = RC_ENOMEM;

	http_limits(c, &cfg.http);
	snprintf(cfg.push_uri, sizeof(cfg.push_uri), "%s", h->push_uri);
	origins = texts_of(c, "http.origins", &cfg.n_origins);
	forwarders = texts_of(c, "http.forwarders", &cfg.n_forwarders);
	cfg.origins = origins;
	cfg.forwarders = forwarders;
	if (origins && forwarders)
		rc = alto_http_start(&cfg, d, &h->http);
	free(origins);
	free(forwarders);
	if (rc != RC_OK)
		return rc;
	uri_of("http", cfg.http.addr, alto_http_port(h->http), "",
	       h->report.http, sizeof(h->report.http));
	h->report.clients = h->http;
	return RC_OK;
}

static enum rc open_admin(struct house *h, struct diag *d)
{
	struct http_config admin = {
		.addr = conf_get_str(h->cfg.conf, "admin.listen"), .threads = 1,
		/* Idle ones must not keep a monitor out for long. */
		.max_conns = 256, .timeout_s = 5, .header_s = 2, .body_s = 2,
		.max_body = 1024,
	};
	enum rc rc = admin_http_start(&admin, h->loop_box, d, &h->admin);

	if (rc == RC_OK)
		uri_of("http", admin.addr, admin_http_port(h->admin), "",
		       h->report.admin, sizeof(h->report.admin));
	return rc;
}

static enum rc open_loop(struct run *r, struct diag *d)
{
	struct house *h = r->h;
	enum rc rc = loop_new(&h->loop);

	if (rc != RC_OK)
		return diag_set(d, rc, "event loop: %s", rc_text(rc));
	loop_on_wake(h->loop, on_wake, h);
	mailbox_bell(h->loop_box, loop_wake, h->loop);
	rc = loop_signal(h->loop, SIGTERM, on_stop, r);
	if (rc == RC_OK)
		rc = loop_signal(h->loop, SIGINT, on_stop, r);
	if (rc == RC_OK)
		rc = loop_signal(h->loop, SIGHUP, on_hangup, r);
	if (rc == RC_OK)
		rc = loop_timer_new(h->loop, on_closing, r, &r->closing);
	if (rc == RC_OK)
		rc = loop_timer_new(h->loop, on_watchdog, h, &r->watchdog);
	if (rc == RC_OK && daemon_watchdog_ms())
		loop_timer_set(r->watchdog, 1, daemon_watchdog_ms());
	return rc;
}

static enum rc open_ctl(struct house *h, struct diag *d)
{
	const char *path = conf_get_str(h->cfg.conf, "admin.socket");

	return path ? ctl_listen(h->loop, path, h->cfg.writer.commands,
	                         h->cfg.writer.arg, d) : RC_OK;
}

static enum rc open_boxes(struct house *h)
{
	struct pull_options pull = {
		.user_agent = "altocast/" PACKAGE_VERSION
	};
	enum rc rc = mailbox_new(BOX_COUNT, BOX_BYTES, &h->loop_box);

	if (rc == RC_OK)
		rc = mailbox_new(BOX_COUNT, BOX_BYTES, &h->writer_box);
	if (rc == RC_OK)
		rc = slot_new(&h->slot);
	if (rc == RC_OK)
		rc = status_new(&h->status);
	if (rc == RC_OK)
		rc = pull_new(&pull, &h->pull);
	if (rc == RC_OK)
		rc = new_instance(h->instance);
	h->report.status = h->status;
	return rc;
}

static enum rc open_all(struct run *r, struct diag *d)
{
	struct house *h = r->h;
	enum rc rc = open_boxes(h);

	if (rc == RC_OK)
		rc = read_tokens(r, d);
	if (rc == RC_OK)
		rc = open_loop(r, d);
	if (rc == RC_OK)
		rc = open_push(r, d);
	if (rc == RC_OK)
		rc = open_state(h, d);
	if (rc == RC_OK)
		rc = open_alto(h, d);
	if (rc == RC_OK)
		rc = open_admin(h, d);
	if (rc == RC_OK)
		rc = open_ctl(h, d);
	if (rc == RC_OK &&
	    pthread_create(&r->writer, NULL, write_thread, r) != 0)
		rc = diag_set(d, RC_EIO, "cannot start the writer thread");
	r->writing = rc == RC_OK;
	if (rc == RC_OK)
		rc = h->cfg.writer.ready(h->cfg.writer.arg, d);
	return rc;
}

/* ---- ending -------------------------------------------------------------- */

static void end_writer(struct run *r)
{
	struct house *h = r->h;
	struct msg *m, *next;

	if (h->writer_box)
		mailbox_close(h->writer_box);
	if (r->writing)
		pthread_join(r->writer, NULL);
	m = h->writer_box ? mailbox_take(h->writer_box) : NULL;
	for (; m; m = next) {
		next = m->next;
		h->cfg.writer.drop(m);
	}
}

static void close_all(struct run *r)
{
	struct house *h = r->h;

	if (h->loop_box) {
		mailbox_close(h->loop_box);
		drop_from_loop(h);
	}
	alto_http_stop(h->http);
	admin_http_stop(h->admin);
	end_writer(r);			/* it fetches, so before what fetches */
	pull_free(h->pull);
	if (h->cfg.writer.stop)
		h->cfg.writer.stop(h->cfg.writer.arg);
	push_free(h->push);
	loop_timer_free(r->closing);
	loop_timer_free(r->watchdog);
	loop_free(h->loop);
	journal_close(h->journal);
	report_turn(&h->report, NULL);
	snapshot_unref(h->head);
	publish_end(&h->publish);
	slot_free(h->slot);
	if (h->loop_box)
		drop_from_loop(h);
	mailbox_free(h->loop_box, h->cfg.writer.drop);
	mailbox_free(h->writer_box, h->cfg.writer.drop);
	status_free(h->status);
	for (size_t i = 0; i < r->n_tokens; i++)
		keyfile_token_free(r->tokens[i].token);
	free(r->tokens);
}

static void say_why(const struct house *h, enum rc rc, const struct diag *d)
{
	struct buf text = BUF_INIT(2048);

	diag_print(d, &text);
	log_error(h->cfg.role, "cannot start: %s", text.len ? buf_str(&text) :
	          rc_text(rc));
	buf_free(&text);
}

int house_run(struct house *h, const struct house_config *cfg)
{
	enum log_level level = LOG_LEVEL_INFO;
	struct run r = { .h = h };
	struct diag d = { 0 };
	enum rc rc;

	memset(h, 0, sizeof(*h));
	h->cfg = *cfg;
	h->report.role = cfg->role;
	h->report.version = PACKAGE_VERSION;
	h->report.heartbeat = cfg->heartbeat;
	if (log_level_parse(conf_get_str(cfg->conf, "log"), &level) != RC_OK)
		level = LOG_LEVEL_INFO;
	log_init(level);
	rc = daemon_init(&d);
	if (rc == RC_OK)
		rc = open_all(&r, &d);
	if (rc == RC_OK) {
		log_info(cfg->role, "ready version=%s http=%s push=%s admin=%s",
		         PACKAGE_VERSION, h->report.http, h->report.push,
		         h->report.admin);
		daemon_ready();
		loop_run(h->loop);
	} else {
		say_why(h, rc, &d);
	}
	close_all(&r);
	if (rc == RC_OK)
		log_info(cfg->role, "stopped");
	return rc == RC_OK ? 0 : 1;
}
