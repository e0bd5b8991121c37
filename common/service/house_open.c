/* Boxes, loop, listeners, state: everything that a daemon opens. */
#include "common/service/house_part.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "common/net/loop.h"
#include "common/service/admin_http.h"
#include "common/service/alto_http.h"
#include "common/sys/daemon.h"
#include "common/sys/log.h"

#define BOX_COUNT 65536u
#define BOX_BYTES (512u << 20)
#define RECEIVED_MAX (2u << 20)	/* bytes of a frame from a subscriber */
/* Bytes a second: 40 acks of each; beyond, with all those below, of all. */
#define OWN_RATE (8u << 10)
#define POOL_RATE (2u << 20)
#define HOUR_MS 3600000

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

/* The journal, and what it gives back. */
static enum rc open_state(struct house *h, struct diag *d)
{
	struct restored back = { 0 };
	enum rc rc = journal_open(conf_get_str(h->cfg.conf, "state"),
	                          &h->journal, d);

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

static enum rc open_push(struct house_part *p, struct diag *d)
{
	struct house *h = p->h;
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
			.own_rate = OWN_RATE, .pool_rate = POOL_RATE,
			.handshake_s = 10, .ping_s = 20, .dead_s = 60,
			.max_handshakes = (unsigned)conf_get_int(c,
				"push.handshakes"),
		},
		.log_count = h->publish.log_count,
		.log_bytes = h->publish.log_bytes,
		.message_max = (uint64_t)conf_get_int(c, "push.message"),
		.heartbeat = h->cfg.heartbeat,
		.slow_s = (unsigned)conf_get_int(c, "push.slow"),
		.origin = h->cfg.origin, .own = h->cfg.own,
		.instance = h->instance, .status = h->status,
		.guard = p->creds.guard, .tls = p->creds.push,
		.ask_certificate = p->creds.push != NULL,
		.ahead = h->cfg.ahead, .changed = h->cfg.subscribers,
		.arg = h->cfg.writer.arg,
	};
	enum rc rc = conf_get_listen(c, "push.listen", &at);

	if (rc != RC_OK)
		return rc;
	cfg.port = at.port;
	address_of(listen, addr, sizeof(addr));
	cfg.log_count = (size_t)conf_get_int(c, "history.count");
	cfg.log_bytes = (size_t)conf_get_int(c, "history.bytes");
	rc = push_new(h->loop, &cfg, d, &h->push);
	if (rc != RC_OK)
		return rc;
	uri_of(p->creds.push ? "wss" : "ws", listen, push_port(h->push),
	       "/push", h->report.push, sizeof(h->report.push));
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

static void on_order(struct snapshot *head, void *house)
{
	alto_http_ahead(((struct house *)house)->http, head);
}

static enum rc open_alto(struct house_part *p, struct diag *d)
{
	struct house *h = p->h;
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
	cfg.http.tls = p->creds.http;
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
	uri_of(cfg.http.tls ? "https" : "http", cfg.http.addr,
	       alto_http_port(h->http), "", h->report.http,
	       sizeof(h->report.http));
	h->report.clients = h->http;
	push_on_order(h->push, on_order, h);
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

static enum rc open_loop(struct house_part *p, struct diag *d)
{
	struct house *h = p->h;
	enum rc rc = loop_new(&h->loop);

	if (rc != RC_OK)
		return diag_set(d, rc, "event loop: %s", rc_text(rc));
	loop_on_wake(h->loop, house_on_wake, h);
	mailbox_bell(h->loop_box, loop_wake, h->loop);
	rc = loop_signal(h->loop, SIGTERM, house_on_stop, p);
	if (rc == RC_OK)
		rc = loop_signal(h->loop, SIGINT, house_on_stop, p);
	if (rc == RC_OK)
		rc = loop_signal(h->loop, SIGHUP, house_on_hangup, p);
	if (rc == RC_OK)
		rc = loop_timer_new(h->loop, house_on_closing, p, &p->closing);
	if (rc == RC_OK)
		rc = loop_timer_new(h->loop, house_on_watchdog, p,
		                    &p->watchdog);
	if (rc == RC_OK)
		rc = loop_timer_new(h->loop, house_on_expiry, p, &p->expiry);
	if (rc == RC_OK && daemon_watchdog_ms())
		loop_timer_set(p->watchdog, 1, daemon_watchdog_ms());
	if (rc == RC_OK)
		loop_timer_set(p->expiry, 1, HOUR_MS);
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

static enum rc open_creds(struct house_part *p, struct diag *d)
{
	enum rc rc = house_creds_read(p->h->cfg.conf, &p->creds, d);

	p->h->report.http_tls = p->creds.http;
	p->h->report.push_tls = p->creds.push;
	return rc;
}

/* As the account that it is going to run as. */
static enum rc open_as_account(struct house_part *p, struct diag *d)
{
	enum rc rc = house_enter(p, d), back;

	if (rc != RC_OK)
		return rc;
	rc = open_state(p->h, d);
	back = house_leave(p, d);
	return rc == RC_OK ? back : rc;
}

enum rc house_open(struct house_part *p, struct diag *d)
{
	struct house *h = p->h;
	enum rc rc = house_confine(p, d);

	if (rc == RC_OK)
		rc = open_boxes(h);
	if (rc == RC_OK)
		rc = open_creds(p, d);
	if (rc == RC_OK)
		rc = open_loop(p, d);
	if (rc == RC_OK)
		rc = open_push(p, d);
	if (rc == RC_OK)
		rc = open_as_account(p, d);
	if (rc == RC_OK)
		rc = open_alto(p, d);
	if (rc == RC_OK)
		rc = open_admin(h, d);
	if (rc == RC_OK)
		rc = open_ctl(h, d);
	return rc == RC_OK ? house_drop(p, d) : rc;
}
