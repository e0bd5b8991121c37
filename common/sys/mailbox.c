#include "common/sys/mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

struct mailbox {
	pthread_mutex_t lock;
	pthread_cond_t filled;		/* CLOCK_MONOTONIC */
	struct msg *first;
	struct msg *last;
	size_t count;
	size_t bytes;
	size_t max_count;
	size_t max_bytes;
	bool closed;
	void (*ring)(void *arg);
	void *ring_arg;
};

static bool make_locks(struct mailbox *m)
{
	pthread_condattr_t attr;
	bool ok;

	if (pthread_condattr_init(&attr) != 0)
		return false;
	ok = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 &&
	     pthread_cond_init(&m->filled, &attr) == 0;
	pthread_condattr_destroy(&attr);
	if (!ok)
		return false;
	if (pthread_mutex_init(&m->lock, NULL) == 0)
		return true;
	pthread_cond_destroy(&m->filled);
	return false;
}

enum rc mailbox_new(size_t max_count, size_t max_bytes, struct mailbox **out)
{
	struct mailbox *m;

	if (!max_count || !max_bytes)
		return RC_EINVAL;
	m = calloc(1, sizeof(*m));
	if (!m)
		return RC_ENOMEM;
	m->max_count = max_count;
	m->max_bytes = max_bytes;
	if (!make_locks(m)) {
		free(m);
		return RC_ENOMEM;
	}
	*out = m;
	return RC_OK;
}

void mailbox_free(struct mailbox *m, void (*drop)(struct msg *msg))
{
	struct msg *msg, *next;

	if (!m)
		return;
	for (msg = m->first; msg && drop; msg = next) {
		next = msg->next;
		drop(msg);
	}
	pthread_cond_destroy(&m->filled);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

void mailbox_bell(struct mailbox *m, void (*ring)(void *arg), void *arg)
{
	m->ring = ring;
	m->ring_arg = arg;
}

/* Both ways of hearing. No lock is held: the bell may take its own. */
static void wake(struct mailbox *m)
{
	pthread_cond_signal(&m->filled);
	if (m->ring)
		m->ring(m->ring_arg);
}

static enum rc room_for(const struct mailbox *m, const struct msg *msg)
{
	if (m->closed)
		return RC_EINVAL;
	if (m->count == 0)
		return RC_OK;
	if (m->count >= m->max_count || m->bytes >= m->max_bytes ||
	    msg->size > m->max_bytes - m->bytes)
		return RC_EAGAIN;
	return RC_OK;
}

static void append(struct mailbox *m, struct msg *msg)
{
	msg->next = NULL;
	if (m->last)
		m->last->next = msg;
	else
		m->first = msg;
	m->last = msg;
	m->count++;
	m->bytes += msg->size;
}

enum rc mailbox_post(struct mailbox *m, struct msg *msg)
{
	bool was_empty;
	enum rc rc;

	pthread_mutex_lock(&m->lock);
	was_empty = m->count == 0;
	rc = room_for(m, msg);
	if (rc == RC_OK)
		append(m, msg);
	pthread_mutex_unlock(&m->lock);
	if (rc == RC_OK && was_empty)
		wake(m);
	return rc;
}

static struct msg *take_locked(struct mailbox *m)
{
	struct msg *all = m->first;

	m->first = m->last = NULL;
	m->count = m->bytes = 0;
	return all;
}

struct msg *mailbox_take(struct mailbox *m)
{
	struct msg *all;

	pthread_mutex_lock(&m->lock);
	all = take_locked(m);
	pthread_mutex_unlock(&m->lock);
	return all;
}

static struct timespec after_ms(uint64_t ms)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += (time_t)(ms / 1000);
	ts.tv_nsec += (long)(ms % 1000) * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_nsec -= 1000000000;
		ts.tv_sec++;
	}
	return ts;
}

struct msg *mailbox_wait(struct mailbox *m, uint64_t timeout_ms)
{
	/* A century is forever, and stays inside every time_t. */
	bool forever = timeout_ms / 1000 > (uint64_t)3600 * 24 * 36500;
	struct timespec due = after_ms(forever ? 0 : timeout_ms);
	struct msg *all;
	int e = 0;

	pthread_mutex_lock(&m->lock);
	while (!m->first && !m->closed && e != ETIMEDOUT) {
		if (forever)
			pthread_cond_wait(&m->filled, &m->lock);
		else
			e = pthread_cond_timedwait(&m->filled, &m->lock, &due);
	}
	all = take_locked(m);
	pthread_mutex_unlock(&m->lock);
	return all;
}

void mailbox_close(struct mailbox *m)
{
	pthread_mutex_lock(&m->lock);
	m->closed = true;
	pthread_mutex_unlock(&m->lock);
	wake(m);
}

bool mailbox_closed(struct mailbox *m)
{
	bool closed;

	pthread_mutex_lock(&m->lock);
	closed = m->closed;
	pthread_mutex_unlock(&m->lock);
	return closed;
}

size_t mailbox_count(struct mailbox *m)
{
	size_t n;

	pthread_mutex_lock(&m->lock);
	n = m->count;
	pthread_mutex_unlock(&m->lock);
	return n;
}
