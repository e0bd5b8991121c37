#include "common/net/http_due.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "common/sys/clock.h"

#define LOOK_MS 500		/* between two looks */
#define NEVER UINT64_MAX

struct http_due_conn {
	struct http_due_conn *next, **at;	/* at: what points to this */
	_Atomic uint64_t by;
	int fd;
};

struct http_due {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	pthread_t thread;
	bool end;
	struct http_due_conn *first;
};

/* Once is enough: what is shut down is closed by who reads it. */
static void look(struct http_due *all)
{
	uint64_t now = clock_mono_ms();

	for (struct http_due_conn *c = all->first; c; c = c->next) {
		if (now < atomic_load(&c->by))
			continue;
		atomic_store(&c->by, NEVER);
		shutdown(c->fd, SHUT_RDWR);
	}
}

static void *look_thread(void *arg)
{
	struct http_due *all = arg;
	struct timespec t;

	pthread_mutex_lock(&all->lock);
	while (!all->end) {
		look(all);
		clock_gettime(CLOCK_MONOTONIC, &t);
		t.tv_nsec += LOOK_MS * 1000000L;
		if (t.tv_nsec >= 1000000000L) {
			t.tv_nsec -= 1000000000L;
			t.tv_sec++;
		}
		pthread_cond_timedwait(&all->ended, &all->lock, &t);
	}
	pthread_mutex_unlock(&all->lock);
	return NULL;
}

enum rc http_due_new(struct http_due **out)
{
	struct http_due *all = calloc(1, sizeof(*all));
	pthread_condattr_t attr;

	if (!all)
		return RC_ENOMEM;
	pthread_mutex_init(&all->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&all->ended, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&all->thread, NULL, look_thread, all) == 0) {
		*out = all;
		return RC_OK;
	}
	pthread_cond_destroy(&all->ended);
	pthread_mutex_destroy(&all->lock);
	free(all);
	return RC_ENOMEM;
}

void http_due_free(struct http_due *all)
{
	if (!all)
		return;
	pthread_mutex_lock(&all->lock);
	all->end = true;
	pthread_cond_signal(&all->ended);
	pthread_mutex_unlock(&all->lock);
	pthread_join(all->thread, NULL);
	pthread_cond_destroy(&all->ended);
	pthread_mutex_destroy(&all->lock);
	free(all);
}

struct http_due_conn *http_due_join(struct http_due *all, int fd, unsigned ms)
{
	struct http_due_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->fd = fd;
	http_due_set(c, ms);
	pthread_mutex_lock(&all->lock);
	c->next = all->first;
	c->at = &all->first;
	if (c->next)
		c->next->at = &c->next;
	all->first = c;
	pthread_mutex_unlock(&all->lock);
	return c;
}

void http_due_leave(struct http_due *all, struct http_due_conn *c)
{
	pthread_mutex_lock(&all->lock);
	*c->at = c->next;
	if (c->next)
		c->next->at = c->at;
	pthread_mutex_unlock(&all->lock);
	free(c);
}

void http_due_set(struct http_due_conn *c, unsigned ms)
{
	if (c)
		atomic_store(&c->by, ms ? clock_mono_ms() + ms : NEVER);
}
