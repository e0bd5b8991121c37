/* The writer's life, its messages, and what it does when time passes. */
#include "proxy/applier.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/service/member.h"
#include "common/service/miss.h"
#include "common/sys/clock.h"
#include "common/sys/keyfile.h"
#include "common/sys/log.h"
#include "proxy/settings.h"
#include "proxy/writer.h"

#define BACKOFF_MIN_MS	200
#define KEYS_TEXT_MAX	(64u << 10)
#define RELOAD_TEXT_MAX	(256u << 10)

static void drop_texts(struct msg *m)
{
	switch (m->kind) {
	case MSG_FETCHED:
		pull_result_free(((struct msg_fetched *)m)->result);
		break;
	case MSG_BELOW:
		free(((struct msg_below *)m)->below);
		break;
	case MSG_DO_SEND:		/* may be `credentials` */
	case MSG_DO_CLOSE:
		keyfile_token_free(((struct msg_do *)m)->text);
		break;
	case MSG_DO_CONNECT:
		free(((struct msg_connect *)m)->uri);
		keyfile_token_free(((struct msg_connect *)m)->authorization);
		break;
	case MSG_ANSWER:
		free(((struct msg_answer *)m)->text);
		break;
	case MSG_RELOAD:
		renewal_free(&((struct msg_command *)m)->beside);
		break;
	default:
		break;
	}
}

void applier_drop(struct msg *m)
{
	switch (m->kind) {
	case MSG_UP_OPEN:
	case MSG_UP_FRAME:
	case MSG_UP_CLOSED:
		msg_upstream_free((struct msg_upstream *)m);
		return;
	default:
		drop_texts(m);
		free(m);
	}
}

/* ---- messages -------------------------------------------------------------- */

static void on_fetched(struct applier *a, const struct pull_result *r)
{
	switch ((enum fetch_kind)r->kind) {
	case FETCH_PUSH:
		channel_found(a, r);
		break;
	case FETCH_COLD:
	case FETCH_STATE:
		poll_answer(a, r);
		break;
	case FETCH_BODY:
		drive_body(a, r);
		break;
	case FETCH_PROBE:
		probe_answer(a, r);
		break;
	case FETCH_KEYS:
	case FETCH_TRUST_KEYS:
	case FETCH_TRUST_STATE:
		trust_answer(a, r);
		break;
	case FETCH_PLAIN:
		plain_answer(a, r);
		break;
	}
}

/* Asks the upstream what differs, whatever it thinks of its state. */
static void on_resync(struct applier *a, struct ctlsock_req *req)
{
	if (trust_busy(a) || a->resyncing) {
		tell_answer(a, req, NULL, "one is under way already");
		return;
	}
	channel_close(a, CLOSE_RESYNC, close_text(CLOSE_RESYNC));
	poll_forget(a);
	sub_closed(a->sub);
	trust_from(a);
	a->resyncing = true;
	a->resync = req;
	poll_start(a, true);
}

static void on_reload(struct applier *a, struct msg_command *m)
{
	struct diag d = { 0 };
	bool renewed = false;
	enum rc rc = contacts_reload(a->contacts, &renewed, &d);
	struct buf why = BUF_INIT(1024), b = BUF_INIT(RELOAD_TEXT_MAX);

	if (rc == RC_OK && renewed)
		buf_puts(&m->beside.renewed, "upstream\n");
	if (rc == RC_OK)
		channel_reloaded(a);
	renewal_log(&m->beside, "proxy");
	if (rc == RC_OK) {
		buf_putc(&b, '{');
		member_bool(&b, "changed", false);
		renewal_put(&m->beside, &b);
		buf_putc(&b, '}');
		tell_text(a, m->req, &b);
		return;
	}
	diag_print(&d, &why);
	log_warn("reload", "upstream: %s", buf_str(&why));
	tell_answer(a, m->req, NULL, why.len ? buf_str(&why) : rc_text(rc));
	buf_free(&why);
}

/* Clients wait for what is not here. */
static void on_missing(struct applier *a)
{
	bool open = a->channel.phase == CHANNEL_OPEN;

	if (trust_busy(a) || a->poll.ticket || a->poll.round)
		return;			/* its end will tell */
	/* Clients do not decide how long an upstream that failed is left alone. */
	if (!open && a->poll.failed && a->poll.due_ms > clock_mono_ms())
		miss_settled(a->miss);
	else if (!open)
		poll_start(a, false);
	else if (strcmp(sub_phase(a->sub), "current") == 0)
		miss_settled(a->miss);
}

static void on_backup(struct applier *a, struct ctlsock_req *req)
{
	struct buf text = BUF_INIT(4096);

	if (!backup_begin(&a->backup, a->house->journal, req, &text))
		tell_text(a, req, &text);
	buf_free(&text);
}

/* A piece of the copy; false: none is being made. */
static bool copy_on(struct applier *a)
{
	struct buf text = BUF_INIT(4096);
	struct ctlsock_req *req;

	backup_tidy(&a->backup, a->house->journal);
	if (a->backup.copy && backup_step(&a->backup, &req, &text))
		tell_text(a, req, &text);
	buf_free(&text);
	return a->backup.copy != NULL;
}

static void on_message(struct applier *a, struct msg *m)
{
	const struct msg_below *below = (struct msg_below *)m;
	struct msg_command *command = (struct msg_command *)m;

	switch (m->kind) {
	case MSG_UP_OPEN:
	case MSG_UP_FRAME:
	case MSG_UP_CLOSED:
		channel_message(a, (struct msg_upstream *)m);
		break;
	case MSG_FETCHED:
		on_fetched(a, ((struct msg_fetched *)m)->result);
		break;
	case MSG_BELOW:
		drive(a, sub_below(a->sub, below->below, below->n));
		break;
	case MSG_TRUST:
		trust_command(a, command->req);
		break;
	case MSG_RESYNC:
		on_resync(a, command->req);
		break;
	case MSG_RELOAD:
		on_reload(a, command);
		break;
	case MSG_BACKUP:
		on_backup(a, command->req);
		break;
	case MSG_MISSING:
		on_missing(a);
		break;
	default:
		break;
	}
}

void applier_message(struct applier *a, struct msg *m)
{
	if (!a->plain || !plain_command(a, m))
		on_message(a, m);
	applier_drop(m);
}

/* ---- time ------------------------------------------------------------------ */

/* What was asked for and does not come can be anything: all begins again. */
static void start_again(struct applier *a)
{
	static const char why[] = "an answer was lost";

	log_error("pull", "%s: starting again", why);
	sub_lost(a->sub, SUB_CLOSED);
	channel_close(a, CLOSE_RESYNC, close_text(CLOSE_RESYNC));
	sub_forget(a->sub);
	a->trust.ticket = a->probe_ticket = 0;
	a->trust.first = false;
	if (trust_busy(a))
		trust_over(a, why);
	poll_over(a, &(struct poll_end){ .failed = true, .fault = SOURCE_DOWN,
		.why = why });
	sources_hurry(a->sources, clock_mono_ms());
}

uint64_t applier_tick(struct applier *a)
{
	uint64_t beat = (a->heartbeat ? a->heartbeat : HEARTBEAT_S) * 1000ull;
	uint64_t now, next, due[3];
	struct diag d = { 0 };

	if (a->plain)
		return plain_tick(a);
	if (a->now && publish_tidy(&a->house->publish, a->now, &d) != RC_OK)
		log_error("journal", "tidying: %s", d.text);
	if (atomic_exchange(&a->lost, false))
		start_again(a);
	trust_begin(a);
	now = clock_mono_ms();
	due[0] = probe_tick(a, now);
	due[1] = channel_tick(a, now);
	due[2] = poll_tick(a, now);
	next = copy_on(a) ? now : now + beat;
	for (int i = 0; i < 3; i++)
		if (due[i] < next)
			next = due[i];
	now = clock_mono_ms();
	return next > now ? next - now : 0;
}

/* ---- life ------------------------------------------------------------------ */

enum rc applier_new(const struct conf *c, struct applier **out)
{
	struct applier *a = calloc(1, sizeof(*a));

	if (!a)
		return RC_ENOMEM;
	a->conf = c;
	*out = a;
	return RC_OK;
}

void applier_stop(struct applier *a)
{
	backup_end(&a->backup);
	pull_free(a->aside);
	a->aside = NULL;
}

void applier_free(struct applier *a)
{
	if (!a)
		return;
	plain_free(a);
	sub_free(a->sub);
	snapshot_unref(a->now);
	sources_free(a->sources);
	contacts_free(a->contacts);
	free(a);
}

void applier_set_miss(struct applier *a, struct miss *m)
{
	a->miss = m;
}

unsigned applier_heartbeat(const struct applier *a)
{
	return a->heartbeat;
}

/* Pins are of the service's keys: those of any upstream count. */
static void load_pins(const struct conf *c, struct keys *k)
{
	for (size_t i = 0; i < conf_list_count(c, "upstream"); i++) {
		size_t n = conf_list_strings(c, "upstream", i, "key");

		for (size_t p = 0; p < n && k->n_pins < KEYS_PINS_MAX; p++)
			memcpy(k->pin[k->n_pins++],
			       conf_list_nth(c, "upstream", i, "key", p),
			       THUMBPRINT_TEXT + 1);
	}
}

static enum rc load_keys(struct applier *a, struct keys *k, struct diag *d)
{
	struct buf text = BUF_INIT(KEYS_TEXT_MAX);
	enum rc rc;

	memset(k, 0, sizeof(*k));
	load_pins(a->conf, k);
	rc = journal_meta_get(a->house->journal, META_KEYS, &text, NULL);
	if (rc == RC_OK)
		rc = keys_read(k, text.data, text.len);
	else if (rc == RC_ENOENT)
		rc = RC_OK;
	buf_free(&text);
	return rc == RC_OK ? rc : diag_set(d, rc, "the journal's list of keys "
	                                   "is damaged");
}

static enum rc open_sources(struct applier *a, struct diag *d)
{
	struct pull_options aside = {
		.user_agent = "altocast/" PACKAGE_VERSION
	};
	struct sources_config cfg = {
		.pause_min_ms = BACKOFF_MIN_MS,
		.pause_max_ms = (uint64_t)conf_list_int(a->conf, "upstream", 0,
			"retry-max") * 1000,
	};
	enum rc rc = contacts_new(a->conf, &a->contacts, d);

	if (rc != RC_OK)
		return rc;
	if (getrandom(&cfg.seed, sizeof(cfg.seed), 0) !=
	    (ssize_t)sizeof(cfg.seed))
		return RC_EIO;
	a->n = cfg.n = contacts_count(a->contacts);
	rc = sources_new(&cfg, &a->sources);
	return rc == RC_OK ? pull_new(&aside, &a->aside) : rc;
}

static enum rc open_sub(struct applier *a, struct diag *d)
{
	const char *uri = conf_get_str(a->conf, "public-uri");
	const char *name = proxy_name(a->conf);
	struct sub_config cfg = {
		.waiting_max = (size_t)conf_list_int(a->conf, "upstream", 0,
		                                     "waiting"),
		/* Of others the first directory is not believed, but that of the
		 * origin, which is asked then. */
		.at_origin = contacts_all_at_origin(a->contacts),
	};
	struct keys keys;
	enum rc rc;

	snprintf(cfg.name, sizeof(cfg.name), "%s", name ? name : "");
	snprintf(cfg.uri, sizeof(cfg.uri), "%s", uri ? uri : "");
	/* A push listener that only this machine reaches is no offer. */
	if (conf_get_str(a->conf, "push.public-uri"))
		snprintf(cfg.push, sizeof(cfg.push), "%s", a->house->push_uri);
	memcpy(cfg.instance, a->house->instance, sizeof(cfg.instance));
	rc = load_keys(a, &keys, d);
	return rc == RC_OK ? sub_new(&cfg, &keys, a->now, &a->sub) : rc;
}

static void show_first(struct applier *a)
{
	for (size_t i = 0; i < a->n; i++) {
		const struct contact *c = contacts_at(a->contacts, i);
		struct status_upstream *u = &a->shown[i];

		snprintf(u->directory, sizeof(u->directory), "%s",
		         c->directory);
		snprintf(u->mode, sizeof(u->mode), "%s", c->pull ? "pull" :
		         "push");
		u->plain = a->plain != NULL;
	}
	show(a, "closed", NULL);
}

enum rc applier_start(struct applier *a, struct house *h,
                      struct restored *restored, struct diag *d)
{
	enum rc rc;

	a->house = h;
	a->begun_ms = clock_mono_ms();
	rc = open_sources(a, d);
	if (rc == RC_OK && proxy_unsigned(a->conf)) {
		rc = plain_open(a, restored, d);
	} else if (rc == RC_OK && restored->snapshot) {
		a->now = snapshot_ref(restored->snapshot);
		serve_look(a);
	}
	if (rc == RC_OK)
		rc = open_sub(a, d);
	if (rc == RC_OK)
		show_first(a);
	return rc;
}
