#include "common/net/http_due.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "common/net/http_raw.h"
#include "common/sys/clock.h"

#define LOOK_MS 500		/* between two looks */

/* What a connection does and until when it may, in one word: whoever changes it
 * last has seen what the other did. Only the step to LATE is made by the thread
 * that looks, and none leads on from there. */
enum step { FRESH, BEGUN, ANSWERED, IDLE, LATE };
#define STEP_BITS 3
#define NEVER (UINT64_MAX >> STEP_BITS)

struct http_due_conn {
	struct http_due_conn *next, **at;	/* at: what points to this */
	_Atomic uint64_t word;
	int fd;
};

struct http_due {
	bool tls;
	_Atomic uint64_t timeouts;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	pthread_t thread;
	bool end;
	struct http_due_conn *first;
};

static uint64_t word_of(enum step step, uint64_t by)
{
	return by << STEP_BITS | step;
}

static enum step step_of(uint64_t word)
{
	return (enum step)(word & ((1u << STEP_BITS) - 1));
}

static uint64_t by_of(uint64_t word)
{
	return word >> STEP_BITS;
}

static uint64_t in_ms(unsigned ms)
{
	return ms ? clock_mono_ms() + ms : NEVER;
}

/* A new connection of which no first line has come: but was it silent? */
static bool has_sent(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
	       info.tcpi_bytes_received > 0;
}

/* The answer goes out before the end does. What is shut down is closed by who
 * reads it. */
static void give_up(struct http_due *all, struct http_due_conn *c,
                    enum step was)
{
	static const struct http_raw late = {
		408, 0, "The request was not complete in time."
	};

	if (was == BEGUN || (was == FRESH && has_sent(c->fd))) {
		atomic_fetch_add(&all->timeouts, 1);
		if (!all->tls)
			http_raw_send(c->fd, &late);
	}
	shutdown(c->fd, SHUT_RDWR);
}

static void look(struct http_due *all)
{
	uint64_t now = clock_mono_ms();

	for (struct http_due_conn *c = all->first; c; c = c->next) {
		uint64_t w = atomic_load(&c->word);

		if (now < by_of(w) || step_of(w) == LATE)
			continue;
		if (atomic_compare_exchange_strong(&c->word, &w,
		                                   word_of(LATE, NEVER)))
			give_up(all, c, step_of(w));
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

enum rc http_due_new(bool tls, struct http_due **out)
{
	struct http_due *all = calloc(1, sizeof(*all));
	pthread_condattr_t attr;

	if (!all)
		return RC_ENOMEM;
	all->tls = tls;
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

uint64_t http_due_timeouts(const struct http_due *all)
{
	return atomic_load(&all->timeouts);
}

struct http_due_conn *http_due_join(struct http_due *all, int fd, unsigned ms)
{
	struct http_due_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->fd = fd;
	atomic_init(&c->word, word_of(FRESH, in_ms(ms)));
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

/* false: it is late. */
static bool move(struct http_due_conn *c, enum step step, uint64_t by)
{
	uint64_t w = atomic_load(&c->word);

	while (step_of(w) != LATE)
		if (atomic_compare_exchange_weak(&c->word, &w,
		                                 word_of(step, by)))
			return true;
	return false;
}

void http_due_begun(struct http_due_conn *c)
{
	if (c)
		(void)move(c, BEGUN, by_of(atomic_load(&c->word)));
}

void http_due_body(struct http_due_conn *c, unsigned ms)
{
	if (c)
		(void)move(c, BEGUN, in_ms(ms));
}

bool http_due_answer(struct http_due_conn *c)
{
	return !c || move(c, ANSWERED, NEVER);
}

void http_due_idle(struct http_due_conn *c, unsigned ms)
{
	if (c)
		(void)move(c, IDLE, in_ms(ms));
}

void http_due_now(struct http_due *all, struct http_due_conn *c)
{
	if (c && step_of(atomic_load(&c->word)) == BEGUN &&
	    move(c, LATE, NEVER))
		give_up(all, c, BEGUN);
}
