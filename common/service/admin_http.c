#include "common/service/admin_http.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/buf.h"
#include "common/sys/clock.h"

#define ANSWER_MAX (64u << 20)
#define GRACE_MS 500
#define MEDIA_JSON "application/json"
#define MEDIA_METRICS "text/plain; version=0.0.4; charset=utf-8"

struct admin_http {
	struct http *http;
	struct mailbox *loop;
};

enum what { ASK_HEALTH, ASK_READY, ASK_METRICS, ASK_STATUS };

/* A question on its way. The thread that asks and the loop hold a reference
 * each: whoever is last frees it, so the one that asks may give up. */
struct asked {
	struct msg msg;
	atomic_uint refs;
	enum what what;
	pthread_mutex_t lock;
	pthread_cond_t answered;
	bool done, dropped;		/* under lock */
	unsigned status;		/* what follows: the loop's until done */
	struct buf text;
};

static void asked_unref(struct asked *q)
{
	if (atomic_fetch_sub(&q->refs, 1) > 1)
		return;
	pthread_cond_destroy(&q->answered);
	pthread_mutex_destroy(&q->lock);
	buf_free(&q->text);
	free(q);
}

/* A clock that is set must not make anybody wait for longer. */
static int cond_init(pthread_cond_t *c)
{
	pthread_condattr_t attr;
	int e = pthread_condattr_init(&attr);

	if (e != 0)
		return e;
	e = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	if (e == 0)
		e = pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
	return e;
}

static struct asked *asked_new(enum what what)
{
	struct asked *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	q->msg.kind = MSG_ASKED;
	q->msg.size = sizeof(*q);
	q->what = what;
	buf_init(&q->text, ANSWER_MAX);
	atomic_init(&q->refs, 2);
	if (pthread_mutex_init(&q->lock, NULL) != 0) {
		free(q);
		return NULL;
	}
	if (cond_init(&q->answered) != 0) {
		pthread_mutex_destroy(&q->lock);
		free(q);
		return NULL;
	}
	return q;
}

/* the loop's side */

static void finish(struct asked *q, bool dropped)
{
	pthread_mutex_lock(&q->lock);
	q->done = true;
	q->dropped = dropped;
	pthread_cond_signal(&q->answered);
	pthread_mutex_unlock(&q->lock);
	asked_unref(q);
}

static struct asked *asked_of(struct msg *msg)
{
	return (struct asked *)msg;	/* msg is its first member */
}

void admin_http_answer(struct msg *asked, const struct report *r)
{
	struct asked *q = asked_of(asked);
	int64_t now = clock_wall_s();

	q->status = 200;
	if (atomic_load(&q->refs) == 1) {	/* nobody waits any more */
		asked_unref(q);
		return;
	}
	switch (q->what) {
	case ASK_HEALTH:
		buf_puts(&q->text, "{\"ok\":true}");
		break;
	case ASK_READY:
		if (!report_ready(r, now, &q->text))
			q->status = 503;
		break;
	case ASK_METRICS:
		report_metrics(r, now, clock_mono_ms(), &q->text);
		break;
	case ASK_STATUS:
		report_status(r, now, clock_mono_ms(), &q->text);
		break;
	}
	finish(q, false);
}

void admin_http_drop(struct msg *asked)
{
	finish(asked_of(asked), true);
}

/* the asking side */

static struct timespec wait_until(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ADMIN_WAIT_MS / 1000;
	t.tv_nsec += ADMIN_WAIT_MS % 1000 * 1000000L;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	return t;
}

/* false: the loop did not answer in time. */
static bool wait_for(struct asked *q)
{
	const struct timespec due = wait_until();
	bool ok;
	int e = 0;

	pthread_mutex_lock(&q->lock);
	while (!q->done && e != ETIMEDOUT)
		e = pthread_cond_timedwait(&q->answered, &q->lock, &due);
	ok = q->done && !q->dropped;
	pthread_mutex_unlock(&q->lock);
	return ok;
}

/* Takes r over; NULL when that is out of memory. */
static struct http_reply *with(struct http_reply *r, const char *name,
                               const char *value)
{
	if (r == NULL || http_reply_header(r, name, value) == RC_OK)
		return r;
	http_reply_unref(r);
	return NULL;
}

static struct http_reply *say(unsigned status, const char *text)
{
	struct http_reply *r;

	if (http_reply_new_text(status, MEDIA_JSON, text, &r) != RC_OK)
		return NULL;
	return with(r, "Cache-Control", "no-store");
}

static struct http_reply *reply_of(struct asked *q)
{
	struct http_bytes body = { .free = free };
	struct http_reply *r;
	size_t len;
	char *text = buf_take(&q->text, &len);

	if (text == NULL)
		return NULL;
	body.data = body.arg = text;
	body.len = len;
	if (http_reply_new_bytes(q->status, &body, &r) != RC_OK)
		return NULL;
	r = with(r, "Content-Type", q->what == ASK_METRICS ? MEDIA_METRICS
	                                                   : MEDIA_JSON);
	return with(r, "Cache-Control", "no-store");
}

static struct http_reply *ask(struct admin_http *a, enum what what)
{
	struct asked *q = asked_new(what);
	struct http_reply *r;

	if (q == NULL)
		return NULL;
	if (mailbox_post(a->loop, &q->msg) != RC_OK) {
		asked_unref(q);		/* the reference of the loop */
		asked_unref(q);
		return say(503, "{\"ok\":false,\"error\":"
		           "\"the daemon takes no more questions\"}");
	}
	r = wait_for(q) ? reply_of(q)
		: say(503, "{\"ok\":false,\"error\":"
		      "\"the daemon's loop does not answer\"}");
	asked_unref(q);
	return r;
}

static struct http_reply *on_request(const struct http_request *rq, void *arg)
{
	static const struct {
		const char *path;
		enum what what;
	} routes[] = {
		{ "/healthz", ASK_HEALTH },
		{ "/readyz", ASK_READY },
		{ "/metrics", ASK_METRICS },
		{ "/status", ASK_STATUS }
	};
	size_t i = 0;

	while (i < sizeof(routes) / sizeof(routes[0]) &&
	       strcmp(rq->path, routes[i].path) != 0)
		i++;
	if (i == sizeof(routes) / sizeof(routes[0]))
		return say(404, "{\"error\":\"there are /healthz, /readyz, "
		           "/metrics and /status\"}");
	if (strcmp(rq->method, "GET") != 0 && strcmp(rq->method, "HEAD") != 0)
		return with(say(405, "{\"error\":\"only GET and HEAD\"}"),
		            "Allow", "GET, HEAD");
	return ask(arg, routes[i].what);
}

enum rc admin_http_start(const struct http_config *http, struct mailbox *loop,
                         struct diag *d, struct admin_http **out)
{
	struct admin_http *a = calloc(1, sizeof(*a));
	const struct http_handler handler = { .reply = on_request, .arg = a };
	enum rc rc;

	if (a == NULL)
		return RC_ENOMEM;
	a->loop = loop;
	rc = http_start(http, &handler, d, &a->http);
	if (rc != RC_OK) {
		free(a);
		return rc;
	}
	*out = a;
	return RC_OK;
}

uint16_t admin_http_port(const struct admin_http *a)
{
	return http_port(a->http);
}

void admin_http_stop(struct admin_http *a)
{
	if (a == NULL)
		return;
	http_stop(a->http, GRACE_MS);
	free(a);
}
