/* Certificates, tokens and subscribers: read at the start, and again at a reload. */
#include "common/service/house_part.h"

#include <stdio.h>
#include <string.h>

#include "common/service/alto_http.h"
#include "common/service/member.h"
#include "common/service/options.h"
#include "common/sys/clock.h"
#include "common/sys/log.h"

#define DAY_S 86400
#define WARN_S (14 * DAY_S)	/* before a certificate expires */
#define TROUBLE "renewal"
#define LINES_MAX 65536u
#define ERRORS_MAX (1u << 20)

void house_creds_free(struct house_creds *c)
{
	tls_identity_unref(c->http);
	tls_identity_unref(c->push);
	guard_unref(c->guard);
	*c = (struct house_creds){ .guard = NULL };
}

enum rc house_creds_read(const struct conf *c, struct house_creds *out,
                         struct diag *d)
{
	struct house_creds creds = { .guard = NULL };
	bool anybody = conf_get_bool(c, "push.anonymous");
	struct conf_listen at;
	enum rc rc;

	if (conf_get_listen(c, "push.listen", &at) == RC_OK && at.loopback &&
	    !options_proofs(c))
		anybody = true;
	rc = options_identity(c, "http.tls", &creds.http, d);
	if (rc == RC_OK)
		rc = options_identity(c, "push.tls", &creds.push, d);
	if (rc == RC_OK)
		rc = guard_new(c, anybody, &creds.guard, d);
	if (rc == RC_OK)
		*out = creds;
	else
		house_creds_free(&creds);
	return rc;
}

/* ---- certificates that end ------------------------------------------------- */

static void warn_of(struct house *h, const char *topic, const char *listener,
                    const struct tls_identity *id)
{
	int64_t now = clock_wall_s();
	int64_t left = id ? tls_identity_expires(id) - now : INT64_MAX;
	char text[128] = "", why[TLS_UNTIMELY_TEXT];

	if (id && tls_identity_untimely(id, now, why))
		snprintf(text, sizeof(text), "the certificate of %s %s: others "
		         "refuse it", listener, why);
	else if (left < WARN_S)
		snprintf(text, sizeof(text), "the certificate of %s expires in "
		         "%lld days: put a new one there and reload", listener,
		         (long long)(left / DAY_S));
	status_trouble(h->status, topic, text, now);
}

void house_on_expiry(void *part)
{
	struct house_part *p = part;

	warn_of(p->h, "cert-http", "http.listen", p->creds.http);
	warn_of(p->h, "cert-push", "push.listen", p->creds.push);
}

void house_on_age(void *part)
{
	struct house_part *p = part;
	const struct report *r = &p->h->report;
	const struct state *st = r->head ? snapshot_state(r->head) : NULL;
	int64_t now = clock_wall_s(), age;
	const char *fresh, *was = p->fresh;

	if (!st)
		return;
	fresh = report_freshness(st, r->heartbeat, now, &age);
	p->fresh = fresh;
	if (was && strcmp(was, fresh) == 0)
		return;
	if (!was || strcmp(was, "fresh") == 0)
		p->aged = now;
	if (strcmp(fresh, "fresh") != 0)
		log_warn("age", "%s: serial=%llu is of %s, and expires at %s",
		         fresh, (unsigned long long)st->pos.serial,
		         enc_utc(st->created).s, enc_utc(st->expires).s);
	else if (was)
		log_info("age", "fresh again after=%llds serial=%llu",
		         (long long)(now - p->aged),
		         (unsigned long long)st->pos.serial);
}

/* ---- reload ---------------------------------------------------------------- */

void renewal_init(struct renewal *r)
{
	buf_init(&r->errors, ERRORS_MAX);
	buf_init(&r->renewed, LINES_MAX);
	buf_init(&r->restart, LINES_MAX);
	buf_init(&r->shown, LINES_MAX);
}

void renewal_free(struct renewal *r)
{
	buf_free(&r->errors);
	buf_free(&r->renewed);
	buf_free(&r->restart);
	buf_free(&r->shown);
}

static void put_names(const char *name, const struct buf *lines,
                      struct buf *dst)
{
	const char *p = buf_str(lines), *end;

	member_begin(dst, name, '[');
	for (; (end = strchr(p, '\n')) != NULL; p = end + 1)
		buf_printf(dst, "%s\"%.*s\"", p == buf_str(lines) ? "" : ",",
		           (int)(end - p), p);
	buf_putc(dst, ']');
}

void renewal_put(const struct renewal *r, struct buf *dst)
{
	put_names("renewed", &r->renewed, dst);
	put_names("restart", &r->restart, dst);
}

/* What a reload does not change is said, and stays. */
static void tell(const struct house *h, const struct conf *c,
                 const struct house_creds *next, struct renewal *told)
{
	const struct house_creds *held = &h->part->creds;
	struct buf live = BUF_INIT(LINES_MAX);

	if (!tls_identity_same(held->http, next->http))
		buf_puts(&told->renewed, "http.tls\n");
	if (!tls_identity_same(held->push, next->push))
		buf_puts(&told->renewed, "push.tls\n");
	if (!guard_same(held->guard, next->guard))
		buf_puts(&told->renewed, "subscribers\n");
	conf_diff(h->cfg.conf, c, &live, &told->restart);
	buf_free(&live);
}

/* A listener cannot begin to speak TLS, or cease to, without a restart. */
static enum rc same_kind(const struct house_creds *old,
                         const struct house_creds *next, struct diag *d)
{
	if (!old->http == !next->http && !old->push == !next->push)
		return RC_OK;
	return diag_set(d, RC_ERULE, "%s: a listener gets TLS, or loses it, at "
	                "a restart alone", !old->http != !next->http ?
	                "http.tls" : "push.tls");
}

/* A certificate that is out of its time is taken, but not for a good one. */
static enum rc no_worse(const char *group, const struct tls_identity *old,
                        const struct tls_identity *next, struct diag *d)
{
	char why[TLS_UNTIMELY_TEXT], ignored[TLS_UNTIMELY_TEXT];
	int64_t now = clock_wall_s();

	if (!old || !next || !tls_identity_untimely(next, now, why) ||
	    tls_identity_untimely(old, now, ignored))
		return RC_OK;
	return diag_set(d, RC_ERULE, "%s.certificate: the new certificate %s; "
	                "the one in use is good", group, why);
}

/* With the last proof gone, a listener on loopback would be open to everybody. */
static enum rc no_opener(const struct conf *c, const struct guard *old,
                         const struct guard *next, struct diag *d)
{
	if (guard_anonymous(old) || !guard_anonymous(next) ||
	    conf_get_bool(c, "push.anonymous"))
		return RC_OK;
	return diag_set(d, RC_ERULE, "subscribers: no token and no certificate "
	                "is left, so anybody could subscribe: set "
	                "push.anonymous = true if that is meant");
}

/* Subscribers last: who may be one no longer is told so at once. */
static enum rc exchange(struct house *h, const struct house_creds *next)
{
	struct house_creds *held = &h->part->creds;
	enum rc rc = RC_OK, back;

	if (next->http)
		rc = alto_http_set_identity(h->http, next->http);
	if (rc != RC_OK)
		return rc;
	rc = push_renew(h->push, next->guard, next->push);
	if (rc == RC_OK || !next->http)
		return rc;
	back = alto_http_set_identity(h->http, held->http);
	if (back != RC_OK)
		log_error(h->cfg.role, "cannot go back to what was held: %s",
		          rc_text(back));
	return rc;
}

static enum rc renew(struct house *h, struct renewal *told)
{
	struct buf *errors = &told->errors;
	struct house_creds next = { .guard = NULL };
	struct diag d = { 0 };
	struct conf *c = NULL;
	enum rc rc = conf_again(h->cfg.conf, &c, errors);

	if (rc != RC_OK)
		return rc;		/* the lines are there */
	rc = house_creds_read(c, &next, &d);
	if (rc == RC_OK)
		rc = same_kind(&h->part->creds, &next, &d);
	if (rc == RC_OK)
		rc = no_worse("http.tls", h->part->creds.http, next.http, &d);
	if (rc == RC_OK)
		rc = no_worse("push.tls", h->part->creds.push, next.push, &d);
	if (rc == RC_OK)
		rc = no_opener(c, h->part->creds.guard, next.guard, &d);
	if (rc == RC_OK)
		rc = exchange(h, &next);
	if (rc == RC_OK) {
		tell(h, c, &next, told);
		house_creds_free(&h->part->creds);
		h->part->creds = next;
		h->report.http_tls = next.http;
		h->report.push_tls = next.push;
	} else {
		house_creds_free(&next);
		if (!d.text[0])
			diag_set(&d, rc, "%s", rc_text(rc));
		diag_print(&d, errors);
		buf_putc(errors, '\n');
	}
	conf_free(c);
	return rc;
}

/* Lines as words. */
static const char *words(struct buf *copy, const struct buf *lines)
{
	buf_puts(copy, lines->len ? buf_str(lines) : "nothing\n");
	for (char *s = copy->data; s && *s; s++)
		if (*s == '\n')
			*s = s[1] ? ' ' : '\0';
	return buf_str(copy);
}

void renewal_log(const struct renewal *r, const char *role)
{
	struct buf new = BUF_INIT(LINES_MAX), restart = BUF_INIT(LINES_MAX);

	if (r->restart.len)
		log_warn(role, "changed in the settings, and needs a restart: "
		         "%s", words(&restart, &r->restart));
	log_info(role, "renewed: %s; %s", words(&new, &r->renewed),
	         buf_str(&r->shown));
	buf_free(&new);
	buf_free(&restart);
}

static void note_shown(const struct house *h, struct buf *dst)
{
	const struct tls_identity *http = h->report.http_tls;
	const struct tls_identity *push = h->report.push_tls;
	size_t proven, listed = guard_count(h->part->creds.guard, &proven);

	buf_printf(dst, "subscribers-listed=%zu with-proof=%zu http=%s push=%s",
	           listed, proven, http ? tls_identity_print(http) : "plain",
	           push ? tls_identity_print(push) : "plain");
}

enum rc house_renew(struct house *h, struct renewal *told)
{
	enum rc rc = renew(h, told);

	status_add(h->status, STATUS_renewals, 1);
	if (rc != RC_OK) {
		const char *lines = buf_str(&told->errors);

		status_add(h->status, STATUS_renewals_refused, 1);
		status_trouble(h->status, TROUBLE, lines, clock_wall_s());
		log_error(h->cfg.role, "certificates, tokens and subscribers "
		          "stay as they were: %.*s", (int)strcspn(lines, "\n"),
		          lines);
		return rc;
	}
	status_trouble(h->status, TROUBLE, NULL, 0);
	house_on_expiry(h->part);
	note_shown(h, &told->shown);
	return RC_OK;
}
