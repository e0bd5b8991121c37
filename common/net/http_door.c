#include "common/net/http_door.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/net/addr.h"
#include "common/net/http_raw.h"
#include "common/sys/clock.h"

#define STAY_MS 2000
#define STAY_BYTES (4u << 20)	/* thrown away of one */
#define BATCH 64		/* taken in, or reads of one, at a time */
#define NO_FILES_MS 100		/* until the next try when there are none */
#define RETRY_S 5

/* By the number of its socket, which is its own until it is closed. */
struct guest {
	struct addr_count *addr;
	bool in;
	bool stay;
};

struct staying {
	int fd;
	uint64_t until;
	size_t thrown;
};

struct http_door {
	struct http_door_config cfg;
	pthread_t thread;
	bool runs;			/* thread is to be joined */
	int bell;			/* wakes it: the end, or one more stays */
	pthread_mutex_t lock;		/* what follows */
	bool end;
	struct guest *guests;
	size_t n_guests;
	struct addr_table addrs;
	struct http_door_counts counts;
	struct staying staying[HTTP_DOOR_STAY];
	unsigned n_staying;
};

enum verdict { WELCOME, FULL, FULL_ADDR, NO_MEMORY };

/* counting; all with the lock held */

static void forget(struct http_door *d, struct guest *g)
{
	addr_count_drop(&d->addrs, g->addr);
	*g = (struct guest){ NULL, false, false };
	d->counts.in--;
}

static struct guest *guest_at(struct http_door *d, size_t fd)
{
	size_t n = d->n_guests > 0 ? d->n_guests : 64;
	struct guest *more;

	while (n <= fd)
		n *= 2;
	if (n > d->n_guests) {
		more = realloc(d->guests, n * sizeof(*more));
		if (more == NULL)
			return NULL;
		memset(more + d->n_guests, 0,
		       (n - d->n_guests) * sizeof(*more));
		d->guests = more;
		d->n_guests = n;
	}
	return &d->guests[fd];
}

static enum verdict admit(struct http_door *d, int fd,
                          const struct sockaddr_storage *ss)
{
	unsigned most = d->cfg.max_per_addr > 0 ? d->cfg.max_per_addr
	                                        : UINT_MAX;
	struct guest *g = guest_at(d, (size_t)fd);
	enum rc rc;

	if (g == NULL)
		return NO_MEMORY;
	if (g->in)		/* closed without a word to us */
		forget(d, g);
	if (d->counts.in >= d->cfg.max) {
		d->counts.refused++;
		return FULL;
	}
	rc = addr_count_take(&d->addrs, ss, most, &g->addr);
	if (rc == RC_ELIMIT)
		d->counts.refused_addr++;
	if (rc != RC_OK)
		return rc == RC_ELIMIT ? FULL_ADDR : NO_MEMORY;
	g->in = true;
	d->counts.in++;
	return WELCOME;
}

/* staying; with the lock held */

/* Takes fd over. The end of what we send goes out first. */
static void let_stay(struct http_door *d, int fd)
{
	shutdown(fd, SHUT_WR);
	if (d->end || d->n_staying == HTTP_DOOR_STAY) {
		close(fd);
		return;
	}
	d->staying[d->n_staying++] = (struct staying){
		fd, clock_mono_ms() + STAY_MS, 0
	};
}

/* false: it is over. */
static bool throw_away(struct staying *s)
{
	char bin[16384];
	ssize_t n = 0;

	for (int i = 0; i < BATCH && s->thrown < STAY_BYTES; i++) {
		n = recv(s->fd, bin, sizeof(bin), MSG_DONTWAIT);
		if (n <= 0)
			break;
		s->thrown += (size_t)n;
	}
	if (n == 0 || s->thrown >= STAY_BYTES)
		return false;
	return n > 0 || errno == EAGAIN || errno == EINTR;
}

static void tidy(struct http_door *d)
{
	uint64_t now = clock_mono_ms();
	unsigned kept = 0;

	for (unsigned i = 0; i < d->n_staying; i++) {
		struct staying *s = &d->staying[i];

		if (!d->end && throw_away(s) && now < s->until)
			d->staying[kept++] = *s;
		else
			close(s->fd);
	}
	d->n_staying = kept;
}

/* the thread */

static void send_away(struct http_door *d, int fd, enum verdict why)
{
	struct http_raw answer = { 503, RETRY_S, NULL };
	char text[128];

	if (d->cfg.tls || why == NO_MEMORY) {
		close(fd);
		return;
	}
	if (why == FULL)
		snprintf(text, sizeof(text), "No more than %u connections are "
		         "served here at once.", d->cfg.max);
	else
		snprintf(text, sizeof(text), "No more than %u connections from "
		         "one address are served here at once.",
		         d->cfg.max_per_addr);
	answer.text = text;
	http_raw_send(fd, &answer);
	pthread_mutex_lock(&d->lock);
	let_stay(d, fd);
	pthread_mutex_unlock(&d->lock);
}

static void greet(struct http_door *d, int fd,
                  const struct sockaddr_storage *ss, socklen_t len)
{
	enum verdict v;

	pthread_mutex_lock(&d->lock);
	v = admit(d, fd, ss);
	pthread_mutex_unlock(&d->lock);
	if (v != WELCOME) {
		send_away(d, fd, v);
		return;
	}
	if (d->cfg.enter(d->cfg.arg, fd, (const struct sockaddr *)ss, len))
		return;
	/* Only this thread gives the number to a guest again. */
	pthread_mutex_lock(&d->lock);
	if (d->guests[fd].in)
		forget(d, &d->guests[fd]);
	pthread_mutex_unlock(&d->lock);
}

/* false: there are no files or memory for more. */
static bool take_in(struct http_door *d)
{
	for (int i = 0; i < BATCH; i++) {
		struct sockaddr_storage ss = { 0 };
		socklen_t len = sizeof(ss);
		int fd = accept4(d->cfg.fd, (struct sockaddr *)&ss, &len,
		                 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0)
			greet(d, fd, &ss, len);
		else if (errno == EMFILE || errno == ENFILE ||
		         errno == ENOBUFS || errno == ENOMEM)
			return false;
		else if (errno != ECONNABORTED && errno != EINTR)
			break;
	}
	return true;
}

/* What to wait for; false: the end. */
static bool look_around(struct http_door *d, struct pollfd *p, nfds_t *n,
                        int *timeout)
{
	bool go;

	pthread_mutex_lock(&d->lock);
	tidy(d);
	*n = 2;
	*timeout = d->n_staying > 0 ? STAY_MS / 4 : -1;
	for (unsigned i = 0; i < d->n_staying; i++)
		p[(*n)++] = (struct pollfd){ d->staying[i].fd, POLLIN, 0 };
	go = !d->end;
	pthread_mutex_unlock(&d->lock);
	return go;
}

static void *door_thread(void *arg)
{
	struct http_door *d = arg;
	struct pollfd p[2 + HTTP_DOOR_STAY] = {
		{ d->bell, POLLIN, 0 }, { d->cfg.fd, POLLIN, 0 }
	};
	int timeout;
	nfds_t n;

	while (look_around(d, p, &n, &timeout)) {
		uint64_t rung;
		bool deaf = p[1].fd < 0;

		if (poll(p, n, deaf ? NO_FILES_MS : timeout) < 0)
			continue;
		if (p[0].revents != 0)
			(void)!read(d->bell, &rung, sizeof(rung));
		/* poll() passes a negative number over. */
		p[1].fd = deaf || p[1].revents == 0 || take_in(d) ? d->cfg.fd
		                                                  : -1;
	}
	return NULL;
}

static void ring(struct http_door *d)
{
	const uint64_t one = 1;

	(void)!write(d->bell, &one, sizeof(one));
}

/* from outside */

enum rc http_door_new(const struct http_door_config *cfg,
                      struct http_door **out)
{
	struct http_door *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return RC_ENOMEM;
	d->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->bell < 0 || pthread_mutex_init(&d->lock, NULL) != 0) {
		if (d->bell >= 0)
			close(d->bell);
		free(d);
		return RC_ENOMEM;
	}
	d->cfg = *cfg;
	*out = d;
	return RC_OK;
}

enum rc http_door_open(struct http_door *d)
{
	d->runs = pthread_create(&d->thread, NULL, door_thread, d) == 0;
	return d->runs ? RC_OK : RC_EIO;
}

void http_door_shut(struct http_door *d)
{
	pthread_mutex_lock(&d->lock);
	d->end = true;
	pthread_mutex_unlock(&d->lock);
	if (d->runs) {
		ring(d);
		pthread_join(d->thread, NULL);
	}
	d->runs = false;
	if (d->cfg.fd >= 0)
		close(d->cfg.fd);
	d->cfg.fd = -1;
}

void http_door_free(struct http_door *d)
{
	if (d == NULL)
		return;
	http_door_shut(d);
	for (size_t i = 0; i < d->n_guests; i++)
		if (d->guests[i].in)
			forget(d, &d->guests[i]);
	free(d->guests);
	close(d->bell);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

void http_door_leave(struct http_door *d, int fd)
{
	bool stays = false;
	int unread = 0, copy;

	pthread_mutex_lock(&d->lock);
	if ((size_t)fd < d->n_guests && d->guests[fd].in) {
		stays = d->guests[fd].stay;
		forget(d, &d->guests[fd]);
	}
	if (stays || (ioctl(fd, FIONREAD, &unread) == 0 && unread > 0)) {
		copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (copy >= 0)
			let_stay(d, copy);
		ring(d);
	}
	pthread_mutex_unlock(&d->lock);
}

void http_door_stay(struct http_door *d, int fd)
{
	pthread_mutex_lock(&d->lock);
	if ((size_t)fd < d->n_guests)
		d->guests[fd].stay = true;
	pthread_mutex_unlock(&d->lock);
}

void http_door_counts(struct http_door *d, struct http_door_counts *out)
{
	pthread_mutex_lock(&d->lock);
	*out = d->counts;
	pthread_mutex_unlock(&d->lock);
}
