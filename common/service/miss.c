#include "common/service/miss.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "common/sys/clock.h"

struct waiter {
	struct waiter *next;
	uint64_t until_ms;
	void (*go)(void *arg);
	void *arg;
};

struct miss {
	struct miss_config cfg;
	pthread_t thread;
	pthread_mutex_t lock;		/* of what follows */
	pthread_cond_t bell, idle;
	bool open;			/* a question is put */
	bool end;
	bool busy;			/* the thread lets some go on */
	uint64_t quiet_ms;		/* no question before then */
	unsigned n;
	struct waiter *first, **last;	/* in order of until_ms */
	struct miss_counts counts;
};

/* with the lock held */

/* Those who have nothing to wait for any more; NULL: none. */
static struct waiter *take(struct miss *m, uint64_t now)
{
	struct waiter *list = m->first, **at = &list;

	while (*at && (!m->open || m->end || (*at)->until_ms <= now)) {
		at = &(*at)->next;
		m->n--;
	}
	m->first = *at;
	if (!m->first)
		m->last = &m->first;
	*at = NULL;
	return list;
}

static void sleep_until(struct miss *m)
{
	struct timespec until;

	if (!m->first) {
		pthread_cond_wait(&m->bell, &m->lock);
		return;
	}
	until.tv_sec = (time_t)(m->first->until_ms / 1000);
	until.tv_nsec = (long)(m->first->until_ms % 1000) * 1000000;
	pthread_cond_timedwait(&m->bell, &m->lock, &until);
}

static bool may_ask(const struct miss *m, uint64_t now)
{
	return !m->end && (m->open || now >= m->quiet_ms);
}

/* the thread */

static void let_go(struct waiter *list)
{
	struct waiter *next;

	for (; list; list = next) {
		next = list->next;
		list->go(list->arg);
		free(list);
	}
}

static void *run(void *arg)
{
	struct miss *m = arg;
	struct waiter *list;

	pthread_mutex_lock(&m->lock);
	for (;;) {
		list = take(m, clock_mono_ms());
		m->busy = list != NULL;
		if (list) {
			pthread_mutex_unlock(&m->lock);
			let_go(list);
			pthread_mutex_lock(&m->lock);
			continue;
		}
		pthread_cond_broadcast(&m->idle);
		if (m->end)
			break;
		sleep_until(m);
	}
	pthread_mutex_unlock(&m->lock);
	return NULL;
}

/* life */

enum rc miss_new(const struct miss_config *cfg, struct miss **out)
{
	struct miss *m = calloc(1, sizeof(*m));
	pthread_condattr_t attr;

	if (!m)
		return RC_ENOMEM;
	m->cfg = *cfg;
	m->last = &m->first;
	pthread_mutex_init(&m->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&m->bell, &attr);
	pthread_cond_init(&m->idle, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&m->thread, NULL, run, m) != 0) {
		pthread_cond_destroy(&m->idle);
		pthread_cond_destroy(&m->bell);
		pthread_mutex_destroy(&m->lock);
		free(m);
		return RC_EIO;
	}
	*out = m;
	return RC_OK;
}

void miss_close(struct miss *m)
{
	pthread_mutex_lock(&m->lock);
	m->end = true;
	pthread_cond_signal(&m->bell);
	while (m->first || m->busy)
		pthread_cond_wait(&m->idle, &m->lock);
	pthread_mutex_unlock(&m->lock);
}

void miss_free(struct miss *m)
{
	if (!m)
		return;
	miss_close(m);
	pthread_join(m->thread, NULL);
	pthread_cond_destroy(&m->idle);
	pthread_cond_destroy(&m->bell);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

/* those who wait, and the answer */

bool miss_worth(struct miss *m)
{
	bool worth;

	pthread_mutex_lock(&m->lock);
	worth = may_ask(m, clock_mono_ms());
	if (worth && m->n >= m->cfg.waiting_max) {
		m->counts.turned_away++;
		worth = false;
	}
	pthread_mutex_unlock(&m->lock);
	return worth;
}

/* true: it is among those who wait, and *ask: he is to put the question. */
static bool enter(struct miss *m, struct waiter *w, bool *ask)
{
	uint64_t now = clock_mono_ms();
	bool in;

	pthread_mutex_lock(&m->lock);
	in = may_ask(m, now) && m->n < m->cfg.waiting_max;
	if (in) {
		*ask = !m->open;
		m->counts.asked += *ask;
		m->counts.waited++;
		m->open = true;
		w->until_ms = now + m->cfg.wait_ms;
		*m->last = w;
		m->last = &w->next;
		m->n++;
		pthread_cond_signal(&m->bell);
	}
	pthread_mutex_unlock(&m->lock);
	return in;
}

void miss_wait(struct miss *m, void (*go)(void *arg), void *arg)
{
	struct waiter *w = calloc(1, sizeof(*w));
	bool ask = false;

	if (w) {
		w->go = go;
		w->arg = arg;
	}
	if (!w || !enter(m, w, &ask)) {
		free(w);
		go(arg);
		return;
	}
	if (ask && !m->cfg.ask(m->cfg.arg))
		miss_settled(m);
}

void miss_settled(struct miss *m)
{
	pthread_mutex_lock(&m->lock);
	if (m->open) {
		m->open = false;
		m->quiet_ms = clock_mono_ms() + m->cfg.quiet_ms;
		pthread_cond_signal(&m->bell);
	}
	pthread_mutex_unlock(&m->lock);
}

void miss_counts(struct miss *m, struct miss_counts *out)
{
	pthread_mutex_lock(&m->lock);
	*out = m->counts;
	pthread_mutex_unlock(&m->lock);
}
