#include "common/service/house_part.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/net/loop.h"
#include "common/service/admin_http.h"
#include "common/service/alto_http.h"
#include "common/service/member.h"
#include "common/service/options.h"
#include "common/sys/clock.h"
#include "common/sys/daemon.h"
#include "common/sys/log.h"

#define CLOSING_MS 20		/* for close frames to leave */
#define STOP_MS 2000		/* for subscribers to read their good-bye */
#define DRAIN_S 10		/* unless the command says */
#define DRAIN_MAX_S 3600

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

void house_on_wake(void *house)
{
	struct house *h = house;
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
	struct house *h = ((struct house_part *)arg)->h;
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

/* Good-bye to all, those above and those below. */
static void begin_stop(struct house_part *p)
{
	struct house *h = p->h;

	daemon_stopping();
	p->drain_by = 0;
	p->stop_by = clock_mono_ms() + STOP_MS;
	push_stop(h->push, 1);
	if (h->cfg.writer.leave)
		h->cfg.writer.leave(h->cfg.writer.arg);
	loop_timer_set(p->closing, CLOSING_MS, CLOSING_MS);
}

void house_on_closing(void *part)
{
	struct house_part *p = part;
	bool gone = push_connections(p->h->push) == 0;

	if (p->drain_by && (gone || clock_mono_ms() >= p->drain_by)) {
		log_info(p->h->cfg.role, "drained left=%zu",
		         push_connections(p->h->push));
		begin_stop(p);
	} else if (p->stop_by && (gone || clock_mono_ms() >= p->stop_by)) {
		loop_stop(p->h->loop);
	}
}

void house_on_stop(int signum, void *part)
{
	struct house_part *p = part;

	if (p->stop_by) {		/* asked twice: at once */
		loop_stop(p->h->loop);
		return;
	}
	log_info(p->h->cfg.role, "stopping signal=%d", signum);
	begin_stop(p);
}

void house_drain(struct ctlsock_req *req, const json_t *args, void *house)
{
	const json_t *over = json_object_get(args, "over");
	json_int_t seconds = over ? json_integer_value(over) : DRAIN_S;
	struct house *h = house;
	struct buf text = BUF_INIT(256);
	size_t n = push_count(h->push);

	if ((over && !json_is_integer(over)) || seconds < 0 ||
	    seconds > DRAIN_MAX_S || h->part->stop_by) {
		ctl_error(req, h->part->stop_by ? "it is stopping already" :
		          "drain: \"over\" is 0 to 3600 seconds");
		return;
	}
	log_info(h->cfg.role, "draining subscribers=%zu over=%lld", n,
	         (long long)seconds);
	daemon_status("draining: %zu subscribers within %lld s", n,
	              (long long)seconds);
	h->report.draining = true;
	push_drain(h->push, (uint64_t)seconds * 1000);
	h->part->drain_by = clock_mono_ms() + (uint64_t)seconds * 1000 + 1;
	loop_timer_set(h->part->closing, CLOSING_MS, CLOSING_MS);
	buf_putc(&text, '{');
	member_count(&text, "subscribers", n);
	member_int(&text, "over", seconds);
	buf_putc(&text, '}');
	ctl_answer(req, buf_str(&text), text.len);
	buf_free(&text);
}

void house_on_hangup(int signum, void *part)
{
	struct house *h = ((struct house_part *)part)->h;

	(void)signum;
	if (h->cfg.writer.hangup)
		h->cfg.writer.hangup(h->cfg.writer.arg);
}

void house_on_watchdog(void *part)
{
	(void)part;
	daemon_watchdog();
}

/* ---- ending -------------------------------------------------------------- */

static void end_writer(struct house_part *p)
{
	struct house *h = p->h;
	struct msg *m, *next;

	if (h->writer_box)
		mailbox_close(h->writer_box);
	if (p->writing)
		pthread_join(p->writer, NULL);
	m = h->writer_box ? mailbox_take(h->writer_box) : NULL;
	for (; m; m = next) {
		next = m->next;
		h->cfg.writer.drop(m);
	}
}

static void close_all(struct house_part *p)
{
	struct house *h = p->h;

	if (h->loop_box) {
		mailbox_close(h->loop_box);
		drop_from_loop(h);
	}
	alto_http_stop(h->http);
	admin_http_stop(h->admin);
	end_writer(p);			/* it fetches, so before what fetches */
	pull_free(h->pull);
	if (h->cfg.writer.stop)
		h->cfg.writer.stop(h->cfg.writer.arg);
	push_free(h->push);
	loop_timer_free(p->closing);
	loop_timer_free(p->watchdog);
	loop_timer_free(p->expiry);
	loop_timer_free(p->age);
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
	house_creds_free(&p->creds);
}

static void say_why(const struct house *h, enum rc rc, const struct diag *d)
{
	struct buf text = BUF_INIT(2048);

	diag_print(d, &text);
	log_error(h->cfg.role, "cannot start: %s", text.len ? buf_str(&text) :
	          rc_text(rc));
	buf_free(&text);
}

static void say_warnings(const struct house *h)
{
	struct buf lines = BUF_INIT(65536);
	char *s;

	options_warnings(h->cfg.conf, &lines);
	s = lines.data;
	for (size_t n; s && *s; s += n + 1) {
		n = strcspn(s, "\n");
		log_warn(h->cfg.role, "%.*s", (int)n, s);
	}
	buf_free(&lines);
}

static enum rc start(struct house_part *p, struct diag *d)
{
	struct house *h = p->h;
	enum rc rc;

	say_warnings(h);
	rc = house_open(p, d);
	if (rc == RC_OK &&
	    pthread_create(&p->writer, NULL, write_thread, p) != 0)
		rc = diag_set(d, RC_EIO, "cannot start the writer thread");
	p->writing = rc == RC_OK;
	if (rc == RC_OK)
		rc = h->cfg.writer.ready(h->cfg.writer.arg, d);
	return rc;
}

int house_run(struct house *h, const struct house_config *cfg)
{
	enum log_level level = LOG_LEVEL_INFO;
	struct house_part part = { .h = h };
	struct diag d = { 0 };
	enum rc rc;

	memset(h, 0, sizeof(*h));
	h->cfg = *cfg;
	h->part = &part;
	h->report.role = cfg->role;
	h->report.version = PACKAGE_VERSION;
	h->report.heartbeat = cfg->heartbeat;
	if (log_level_parse(conf_get_str(cfg->conf, "log"), &level) != RC_OK)
		level = LOG_LEVEL_INFO;
	log_init(level);
	rc = daemon_init(&d);
	if (rc == RC_OK)
		rc = start(&part, &d);
	if (rc == RC_OK) {
		log_info(cfg->role, "ready version=%s http=%s push=%s admin=%s",
		         PACKAGE_VERSION, h->report.http, h->report.push,
		         h->report.admin);
		daemon_ready();
		loop_run(h->loop);
	} else {
		say_why(h, rc, &d);
	}
	close_all(&part);
	h->part = NULL;
	if (rc == RC_OK)
		log_info(cfg->role, "stopped");
	return rc == RC_OK ? 0 : 1;
}
