#include "common/service/pull.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/sys/clock.h"

/* One that gives less holds up those behind it. */
#define LOW_SPEED	8192	/* bytes a second */
#define LOW_SPEED_S	10

struct job {
	struct job *next;
	uint64_t due_ms;		/* monotonic */
	uint64_t ticket, number;
	int kind;
	bool no_cache;
	size_t max_body;
	unsigned timeout_ms;
	char id[65];
	/* All but url may be NULL. */
	char *url, *authorization, *if_none_match;
	char *ca_file, *pin, *certificate, *key;
	struct pull_result *result;	/* made before, so that the asker hears
					 * of the end whatever happens */
	void (*done)(struct pull_result *r, void *arg);
	void *arg;
};

struct pull {
	pthread_t thread;
	pthread_mutex_t lock;		/* covers jobs, n, tickets */
	pthread_cond_t bell;
	struct job *jobs;		/* ascending by due_ms */
	size_t n;
	uint64_t tickets;
	atomic_bool stop;
	atomic_bool cut;		/* the one under way is given up */
	struct httpc *http;		/* the thread's own */
};

static void job_free(struct job *j)
{
	if (!j)
		return;
	free(j->url);
	free(j->authorization);
	free(j->if_none_match);
	free(j->ca_file);
	free(j->pin);
	free(j->certificate);
	free(j->key);
	free(j->result);
	free(j);
}

void pull_result_free(struct pull_result *r)
{
	if (!r)
		return;
	if (r->rc == RC_OK)
		httpc_answer_free(&r->answer);
	free(r);
}

/* The first job whose time has come, waiting for it; NULL: stop. */
static struct job *next_job(struct pull *p)
{
	struct job *j = NULL;

	pthread_mutex_lock(&p->lock);
	while (!j && !atomic_load(&p->stop)) {
		struct job *first = p->jobs;
		struct timespec until;

		if (!first) {
			pthread_cond_wait(&p->bell, &p->lock);
			continue;
		}
		if (first->due_ms <= clock_mono_ms()) {
			p->jobs = first->next;
			p->n--;
			j = first;
			atomic_store(&p->cut, false);
			continue;
		}
		until.tv_sec = (time_t)(first->due_ms / 1000);
		until.tv_nsec = (long)(first->due_ms % 1000) * 1000000;
		pthread_cond_timedwait(&p->bell, &p->lock, &until);
	}
	pthread_mutex_unlock(&p->lock);
	return j;
}

/* The caller's, without the outcome. */
static struct pull_result *result_of(struct job *j)
{
	struct pull_result *r = j->result;

	j->result = NULL;
	r->ticket = j->ticket;
	r->kind = j->kind;
	r->number = j->number;
	memcpy(r->id, j->id, sizeof(r->id));
	return r;
}

static void do_job(struct pull *p, struct job *j)
{
	struct httpc_request rq = {
		.url = j->url,
		.if_none_match = j->if_none_match,
		.cache_control = j->no_cache ? "no-cache" : NULL,
		.authorization = j->authorization,
		.tls = { .ca_file = j->ca_file, .pin = j->pin,
		         .certificate = j->certificate, .key = j->key },
		.max_body = j->max_body,
		.timeout_ms = j->timeout_ms,
		.stop = &p->cut,
	};
	struct pull_result *r = result_of(j);

	r->rc = httpc_get(p->http, &rq, &r->answer, &r->why);
	j->done(r, j->arg);
}

static void *run(void *arg)
{
	struct pull *p = arg;
	struct job *j;

	while ((j = next_job(p)) != NULL) {
		do_job(p, j);
		job_free(j);
	}
	return NULL;
}

enum rc pull_new(const struct pull_options *opt, struct pull **out)
{
	struct httpc_options ho = {
		.user_agent = opt->user_agent,
		.low_speed = LOW_SPEED,
		.low_speed_s = LOW_SPEED_S,
	};
	struct pull *p = calloc(1, sizeof(*p));
	pthread_condattr_t attr;
	enum rc rc;

	if (!p)
		return RC_ENOMEM;
	rc = httpc_new(&ho, &p->http);
	if (rc != RC_OK) {
		free(p);
		return rc;
	}
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->bell, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&p->thread, NULL, run, p) != 0) {
		httpc_free(p->http);
		pthread_cond_destroy(&p->bell);
		pthread_mutex_destroy(&p->lock);
		free(p);
		return RC_EIO;
	}
	*out = p;
	return RC_OK;
}

void pull_free(struct pull *p)
{
	struct job *j;

	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	atomic_store(&p->stop, true);
	atomic_store(&p->cut, true);
	pthread_cond_signal(&p->bell);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	while ((j = p->jobs) != NULL) {
		p->jobs = j->next;
		job_free(j);
	}
	httpc_free(p->http);
	pthread_cond_destroy(&p->bell);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static uint64_t random_below(uint64_t n)
{
	uint64_t r = 0;

	if (n == 0 || getrandom(&r, sizeof(r), 0) != (ssize_t)sizeof(r))
		return 0;
	return r % n;
}

static char *copy(const char *s, bool *failed)
{
	char *c = s ? strdup(s) : NULL;

	*failed = *failed || (s && !c);
	return c;
}

static struct job *job_new(const struct pull_request *rq)
{
	struct job *j = calloc(1, sizeof(*j));
	bool failed = false;

	if (!j)
		return NULL;
	j->url = copy(rq->url, &failed);
	j->authorization = copy(rq->authorization, &failed);
	j->if_none_match = copy(rq->if_none_match, &failed);
	j->ca_file = copy(rq->tls.ca_file, &failed);
	j->pin = copy(rq->tls.pin, &failed);
	j->certificate = copy(rq->tls.certificate, &failed);
	j->key = copy(rq->tls.key, &failed);
	j->result = calloc(1, sizeof(*j->result));
	if (failed || !j->result) {
		job_free(j);
		return NULL;
	}
	j->due_ms = clock_mono_ms() + random_below(rq->within_ms);
	j->kind = rq->kind;
	j->number = rq->number;
	j->no_cache = rq->no_cache;
	j->max_body = rq->max_body;
	j->timeout_ms = rq->timeout_ms;
	j->done = rq->done;
	j->arg = rq->arg;
	snprintf(j->id, sizeof(j->id), "%s", rq->id);
	return j;
}

/* Is it waiting already? Locked. */
static struct job *queued(struct pull *p, const struct job *like)
{
	struct job *j = p->jobs;

	while (j && (j->kind != like->kind || j->no_cache != like->no_cache ||
	             strcmp(j->id, like->id) != 0 ||
	             strcmp(j->url, like->url) != 0))
		j = j->next;
	return j;
}

enum rc pull_get(struct pull *p, const struct pull_request *rq,
                 uint64_t *ticket)
{
	struct job *twin;
	struct job *j = job_new(rq), **at;
	enum rc rc = RC_OK;

	if (!j)
		return RC_ENOMEM;
	pthread_mutex_lock(&p->lock);
	twin = queued(p, j);
	if (!twin && p->n >= PULL_QUEUE_MAX)
		rc = RC_ELIMIT;
	if (twin) {
		twin->number = j->number;
		twin->max_body = j->max_body;
		twin->timeout_ms = j->timeout_ms;
	}
	if (twin && ticket)
		*ticket = twin->ticket;
	if (twin || rc != RC_OK)
		goto out;
	j->ticket = ++p->tickets;
	if (ticket)
		*ticket = j->ticket;
	for (at = &p->jobs; *at && (*at)->due_ms <= j->due_ms;)
		at = &(*at)->next;
	j->next = *at;
	*at = j;
	p->n++;
	j = NULL;
	pthread_cond_signal(&p->bell);
out:
	pthread_mutex_unlock(&p->lock);
	job_free(j);
	return rc;
}

void pull_forget(struct pull *p)
{
	struct pull_result *r;
	struct job *all, *j;

	pthread_mutex_lock(&p->lock);
	all = p->jobs;
	p->jobs = NULL;
	p->n = 0;
	atomic_store(&p->cut, true);
	pthread_mutex_unlock(&p->lock);
	while ((j = all) != NULL) {
		all = j->next;
		r = result_of(j);
		r->rc = diag_set(&r->why, RC_EAGAIN, "given up");
		j->done(r, j->arg);
		job_free(j);
	}
}
