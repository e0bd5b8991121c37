#include "server/reload.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/service/member.h"
#include "common/sys/clock.h"
#include "common/sys/log.h"
#include "server/answer.h"
#include "server/keep.h"
#include "server/source.h"

#define TEXT_MAX	(1u << 20)
#define AGAIN_MS	300		/* a file that was being written */

/* One reading of the files and what came of it. */
struct reading {
	bool force;
	bool hold;			/* too soon to publish */
	bool published;
	bool held;			/* there is something, and it waits */
	struct release r;
	struct buf errors, warnings;
};

void reload_drop(struct msg *m)
{
	renewal_free(&((struct msg_reload *)m)->beside);
	free(m);
}

static void log_lines(const char *subject, const struct buf *lines, bool error)
{
	const char *p = buf_str(lines), *end;

	for (; (end = strchr(p, '\n')) != NULL; p = end + 1) {
		if (error)
			log_error(subject, "%.*s", (int)(end - p), p);
		else
			log_warn(subject, "%.*s", (int)(end - p), p);
	}
}

/* ---- errors of the settings ------------------------------------------------ */

/* A map with ordinal = true whose ranks another map brings; -1: none. */
static long ranked_twice(const struct origin *o)
{
	for (size_t i = 0; i < o->maps->n; i++)
		if (mapset_ranked(o->maps, i, o->now))
			return (long)i;
	return -1;
}

/* Each file is right, but no directory can be written of all of them: a line with
 * the place in the settings. */
static void blame_settings(const struct origin *o, enum rc rc,
                           const struct diag *d, struct buf *errors)
{
	const char *text = d->text[0] ? d->text : rc_text(rc);
	long i = rc == RC_EEXIST ? ranked_twice(o) : -1;

	if (i >= 0)
		conf_blame(o->maps->conf, errors, "maps", i, "ordinal", "%s",
		           text);
	else
		conf_blame(o->maps->conf, errors, "", -1, "maps", "%s", text);
}

/* ---- reading and publishing ------------------------------------------------ */

static void reading_init(struct reading *rd, bool force)
{
	memset(rd, 0, sizeof(*rd));
	rd->force = force;
	buf_init(&rd->errors, TEXT_MAX);
	buf_init(&rd->warnings, TEXT_MAX);
}

static void reading_free(struct reading *rd)
{
	release_free(&rd->r);
	buf_free(&rd->errors);
	buf_free(&rd->warnings);
}

/* Other bytes, same content: they are remembered as taken. */
static enum rc remember(struct origin *o, struct diag *d)
{
	struct journal *j = o->house->journal;
	enum rc rc = journal_begin(j, d);

	if (rc == RC_OK)
		rc = keep_records(j, o->maps, o->ring, d);
	if (rc == RC_OK)
		rc = journal_commit(j, d);
	if (rc != RC_OK)
		journal_rollback(j);
	return rc;
}

static enum rc publish_files(struct origin *o, struct reading *rd,
                             struct diag *d)
{
	enum rc rc = RC_OK;

	if (!mapset_default(o->maps, NULL))
		rc = diag_set(d, RC_ERULE, "no network map among the maps (RFC "
		              "7285 s9.2.3)");
	if (rc == RC_OK)
		rc = release_files(o, &rd->r, d);
	if (rc != RC_OK && rc != RC_ENOMEM)
		blame_settings(o, rc, d, &rd->errors);
	rd->held = rc == RC_OK && rd->hold && release_differs(o, &rd->r);
	if (rc != RC_OK || rd->held)
		return rc;
	rc = release_publish(o, &rd->r, &rd->published, d);
	return rc == RC_OK && !rd->published ? remember(o, d) : rc;
}

/* Reads the files and publishes what they say, or holds it back. */
static enum rc reload(struct origin *o, struct reading *rd)
{
	struct diag d = { 0 };
	enum rc rc = source_read(o->maps, o->now, rd->force, &rd->errors,
	                         &rd->warnings);

	if (rc != RC_OK)
		return rc;
	rc = publish_files(o, rd, &d);
	if (rc == RC_OK && !rd->held)
		mapset_taken(o->maps);
	else
		mapset_drop(o->maps);
	if (rc != RC_OK && !rd->errors.len) {
		diag_set(&d, rc, "%s", rc_text(rc));
		diag_print(&d, &rd->errors);
		buf_putc(&rd->errors, '\n');
	}
	return rc;
}

/* What is to be known of a reading, whoever asked for it. */
static void note(struct reload *rl, struct origin *o, const struct reading *rd,
                 enum rc rc)
{
	struct status *status = o->house->status;

	log_lines("reload", &rd->warnings, false);
	if (rc != RC_OK) {
		status_add(status, STATUS_reloads_refused, 1);
		status_trouble(status, "reload", buf_str(&rd->errors),
		               clock_wall_s());
		log_lines("reload", &rd->errors, true);
		return;
	}
	status_trouble(status, "reload", NULL, 0);
	if (rd->published) {
		status_add(status, STATUS_publications, 1);
		rl->last_ms = clock_mono_ms();
	}
}

/* ---- answers --------------------------------------------------------------- */

static void put_position(const struct origin *o, struct buf *b)
{
	const struct position *at = &snapshot_state(o->now)->pos;

	member_count(b, "serial", at->serial);
	member_str(b, "session", at->session);
}

static void put_report(const struct origin *o, const struct change_report *r,
                       uint64_t us, struct buf *b)
{
	member_begin(b, "resources", '[');
	buf_puts(b, buf_str(&r->json));
	buf_putc(b, ']');
	member_count(b, "delta-bytes", r->delta_bytes);
	member_count(b, "full-bytes", r->full_bytes);
	member_count(b, "pulls", r->pulls);
	member_count(b, "subscribers", status_subscribers(o->house->status));
	member_name(b, "ms");
	buf_printf(b, "%llu.%03llu", (unsigned long long)(us / 1000),
	           (unsigned long long)(us % 1000));
}

/* deferred: seconds, when it waits. What else was read again may have errors of its
 * own. */
static void answer_reload(const struct origin *o, const struct msg_reload *m,
                          const struct reading *rd, uint64_t deferred,
                          uint64_t us)
{
	struct buf b = BUF_INIT(ANSWER_MAX);

	buf_putc(&b, '{');
	member_bool(&b, "changed", rd->published);
	if (rd->held)
		member_count(&b, "deferred", deferred);
	put_position(o, &b);
	put_report(o, &rd->r.report, us, &b);
	member_begin(&b, "warnings", '[');
	answer_put_lines(&rd->warnings, &b);
	buf_putc(&b, ']');
	if (m->beside.errors.len) {
		buf_putc(&b, ',');
		answer_put_errors(&m->beside.errors, &b);
	} else {
		renewal_put(&m->beside, &b);
	}
	buf_putc(&b, '}');
	answer_send(o->house, m->req, &b);
}

static void answer_refused(const struct origin *o, const struct msg_reload *m,
                           const struct reading *rd)
{
	struct buf b = BUF_INIT(ANSWER_MAX), all = BUF_INIT(2 * TEXT_MAX);

	buf_puts(&all, buf_str(&m->beside.errors));
	buf_puts(&all, buf_str(&rd->errors));
	buf_putc(&b, '{');
	answer_put_errors(&all, &b);
	buf_putc(&b, '}');
	answer_send(o->house, m->req, &b);
	buf_free(&all);
}

/* ---- asked for ------------------------------------------------------------- */

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* Milliseconds until something may be published again. */
static uint64_t too_soon(const struct reload *rl)
{
	uint64_t due = rl->last_ms + rl->apart_ms, now = clock_mono_ms();

	return rl->apart_ms && rl->last_ms && due > now ? due - now : 0;
}

/* A file that changes under our hands is read again when it has settled. */
static void again_soon(struct origin *o)
{
	struct msg *m = calloc(1, sizeof(*m));

	if (!m)
		return;
	m->kind = MSG_SETTLE;
	m->size = sizeof(*m);
	house_to_loop(o->house, m);
}

/* One that brings the files back to what is published has nothing to wait for. */
static void wait_or_not(struct reload *rl, struct origin *o,
                        const struct reading *rd)
{
	if (rd->held) {
		rl->waiting++;
		rl->force = rl->force || rd->force;
		status_add(o->house->status, STATUS_reloads_deferred, 1);
	} else if (!rl->force || rd->force || rd->published) {
		rl->waiting = 0;
		rl->force = false;
	}
	status_set_deferred(o->house->status, rl->waiting,
	                    rl->last_ms + rl->apart_ms);
}

void reload_asked(struct reload *rl, struct origin *o,
                  const struct msg_reload *m)
{
	uint64_t start = now_us(), left = too_soon(rl);
	struct reading rd;
	enum rc rc;

	reading_init(&rd, m->force || (rl->force && !left));
	rd.hold = left > 0;
	status_add(o->house->status, STATUS_reloads, 1);
	rc = reload(o, &rd);
	note(rl, o, &rd, rc);
	if (rc == RC_OK) {
		wait_or_not(rl, o, &rd);
		log_info("reload", "cause=%s changed=%zu%s us=%llu", m->cause,
		         rd.r.report.n, rd.held ? " deferred" : "",
		         (unsigned long long)(now_us() - start));
	} else if (rc == RC_EAGAIN && !m->req) {
		again_soon(o);
	}
	if (m->req && rc == RC_OK)
		answer_reload(o, m, &rd, (left + 999) / 1000, now_us() - start);
	else if (m->req)
		answer_refused(o, m, &rd);
	reading_free(&rd);
}

uint64_t reload_tick(struct reload *rl, struct origin *o)
{
	uint64_t left = too_soon(rl);
	unsigned n = rl->waiting;
	struct reading rd;
	enum rc rc;

	if (n == 0)
		return UINT64_MAX;
	if (left > 0)
		return left;
	reading_init(&rd, rl->force);
	rc = reload(o, &rd);
	note(rl, o, &rd, rc);
	if (rc == RC_EAGAIN) {
		reading_free(&rd);
		return AGAIN_MS;
	}
	rl->waiting = 0;
	rl->force = false;
	status_set_deferred(o->house->status, 0, 0);
	if (rc == RC_OK)
		log_info("reload", "cause=min-interval reloads=%u changed=%zu",
		         n, rd.r.report.n);
	reading_free(&rd);
	return UINT64_MAX;
}

/* ---- the start ------------------------------------------------------------- */

/* The maps of the journal, under the settings of this start: where to subscribe,
 * the key and the heartbeat stand in the IRD. What errors says already is not
 * said again. */
static enum rc release_settings(struct origin *o, struct reading *rd,
                                struct diag *d)
{
	struct release r = { 0 };
	struct diag why = { 0 };
	enum rc rc = release_again(o, &r, &why);

	if (rc == RC_OK) {
		rc = release_publish(o, &r, &rd->published, d);
	} else {
		if (!strstr(buf_str(&rd->errors), why.text))
			blame_settings(o, rc, &why, &rd->errors);
		diag_set(d, rc, "the settings do not fit the maps of the "
		         "journal");
	}
	release_free(&r);
	return rc;
}

enum rc reload_first(struct reload *rl, struct origin *o, struct diag *d)
{
	struct reading rd;
	enum rc rc;

	reading_init(&rd, false);
	rc = reload(o, &rd);
	log_lines("maps", &rd.warnings, false);
	if (rc != RC_OK) {
		if (o->now)
			rc = release_settings(o, &rd, d);
		else
			diag_set(d, rc, "the maps have errors, and there is no "
			         "earlier version to serve");
		log_lines("maps", &rd.errors, true);
		status_trouble(o->house->status, "reload", buf_str(&rd.errors),
		               clock_wall_s());
	}
	if (rd.published) {
		status_add(o->house->status, STATUS_publications, 1);
		rl->last_ms = clock_mono_ms();
	}
	reading_free(&rd);
	return rc;
}
