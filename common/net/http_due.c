#include "common/net/http_due.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "common/net/http_raw.h"
#include "common/sys/clock.h"

#define LOOK_MS 250		/* between two looks */
#define BATCH 256		/* sockets looked at in one call */

/* What a connection does and until when it may, in one word: whoever changes it
 * last has seen what the other did. Only the step to LATE is made by the thread
 * that looks or sheds, and none leads on from there. */
enum step { FRESH, BEGUN, ANSWERED, SENDING, IDLE, LATE };
#define STEP_BITS 3
#define NEVER (UINT64_MAX >> STEP_BITS)

struct http_due_conn {
	struct http_due_conn *next, **at;	/* at: what points to this */
	_Atomic uint64_t word;
	_Atomic uint64_t since;		/* it was SENDING, the last time */
	uint64_t watched;		/* the same, as the thread first saw */
	uint64_t acked;			/* bytes until then; both its own */
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

/* All 0 if it cannot be had. */
static struct tcp_info info_of(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	(void)getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	return info;
}

/* A new connection of which no first line has come: but was it silent? The bytes
 * received would count its end as one. */
static bool has_sent(int fd)
{
	return info_of(fd).tcpi_data_segs_in > 0;
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

/* What was taken before the first look at an answer is not counted. */
static void watch(struct http_due_conn *c)
{
	uint64_t since = atomic_load(&c->since);

	if (c->watched == since)
		return;
	c->watched = since;
	c->acked = info_of(c->fd).tcpi_bytes_acked;
}

/* How much later than it was told to a connection that takes its answer is late. */
static uint64_t earned_ms(struct http_due_conn *c)
{
	watch(c);
	return (info_of(c->fd).tcpi_bytes_acked - c->acked) * 1000 /
	       HTTP_DUE_RATE;
}

static void wake_ended(struct pollfd *p, nfds_t n)
{
	if (n == 0 || poll(p, n, 0) <= 0)
		return;
	for (nfds_t i = 0; i < n; i++)
		if (p[i].revents & POLLRDHUP)
			shutdown(p[i].fd, SHUT_RD);
}

/* The listener is told once that there is something to read. When the client's end
 * comes with its last bytes, it may read those and never look for the end. To
 * end what has ended changes nothing but that it is told again; what lies
 * unread is still read first. */
static void look_for_ends(struct http_due *all)
{
	struct pollfd p[BATCH];
	nfds_t n = 0;

	for (struct http_due_conn *c = all->first; c; c = c->next) {
		enum step step = step_of(atomic_load(&c->word));

		if (step == SENDING)
			watch(c);
		if (step == ANSWERED || step == SENDING)
			continue;
		p[n++] = (struct pollfd){ c->fd, POLLRDHUP, 0 };
		if (n < BATCH)
			continue;
		wake_ended(p, n);
		n = 0;
	}
	wake_ended(p, n);
}

static void look_for_late(struct http_due *all)
{
	uint64_t now = clock_mono_ms();

	for (struct http_due_conn *c = all->first; c; c = c->next) {
		uint64_t w = atomic_load(&c->word);

		if (now < by_of(w) || step_of(w) == LATE ||
		    (step_of(w) == SENDING && now < by_of(w) + earned_ms(c)))
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
		look_for_late(all);
		look_for_ends(all);
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

void http_due_send(struct http_due_conn *c, unsigned ms)
{
	if (!c)
		return;
	atomic_store(&c->since, clock_mono_ms());
	(void)move(c, SENDING, in_ms(ms));
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

static bool sends(struct http_due_conn *c, uint64_t *word)
{
	*word = atomic_load(&c->word);
	return step_of(*word) == SENDING;
}

/* The mean of their beginnings parts the older from the younger. */
static uint64_t mean_since(const struct http_due *all)
{
	uint64_t sum = 0, n = 0, w;

	for (struct http_due_conn *c = all->first; c; c = c->next) {
		if (!sends(c, &w))
			continue;
		sum += atomic_load(&c->since);
		n++;
	}
	return n > 0 ? sum / n : 0;
}

unsigned http_due_shed(struct http_due *all)
{
	unsigned cut = 0;
	uint64_t mean, w;

	pthread_mutex_lock(&all->lock);
	mean = mean_since(all);
	for (struct http_due_conn *c = all->first; c; c = c->next) {
		if (!sends(c, &w) || atomic_load(&c->since) > mean ||
		    !atomic_compare_exchange_strong(&c->word, &w,
		                                    word_of(LATE, NEVER)))
			continue;
		give_up(all, c, SENDING);
		cut++;
	}
	pthread_mutex_unlock(&all->lock);
	return cut;
}
