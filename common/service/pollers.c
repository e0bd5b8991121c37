#include "common/service/pollers.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pollers {
	pthread_mutex_t lock;
	size_t n;
	uint64_t more;
	struct poller at[POLLERS_MAX];
};

enum rc pollers_new(struct pollers **out)
{
	struct pollers *p = calloc(1, sizeof(*p));

	if (!p)
		return RC_ENOMEM;
	if (pthread_mutex_init(&p->lock, NULL) != 0) {
		free(p);
		return RC_ENOMEM;
	}
	*out = p;
	return RC_OK;
}

void pollers_free(struct pollers *p)
{
	if (!p)
		return;
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static bool is_away(const struct poller *at, int64_t now)
{
	return now - at->last > POLLERS_AWAY_S;
}

/* That of the address, else a free one, else that of one who is away; NULL. */
static struct poller *place(struct pollers *p, const char *address, int64_t now)
{
	struct poller *free_one = NULL;

	for (size_t i = 0; i < p->n; i++) {
		if (strncmp(p->at[i].address, address, POLLERS_TEXT - 1) == 0)
			return &p->at[i];
		if (!free_one && is_away(&p->at[i], now))
			free_one = &p->at[i];
	}
	if (!free_one && p->n < POLLERS_MAX)
		free_one = &p->at[p->n++];
	if (free_one) {
		memset(free_one, 0, sizeof(*free_one));
		snprintf(free_one->address, POLLERS_TEXT, "%s", address);
	}
	return free_one;
}

void pollers_note(struct pollers *p, const char *address, const char *program,
                  int64_t now)
{
	struct poller *at;

	pthread_mutex_lock(&p->lock);
	at = place(p, address, now);
	if (at) {
		snprintf(at->program, POLLERS_TEXT, "%s", program ? program :
		         "");
		at->last = now;
		at->polls++;
	} else {
		p->more++;
	}
	pthread_mutex_unlock(&p->lock);
}

size_t pollers_get(struct pollers *p, int64_t now,
                   struct poller out[POLLERS_MAX], uint64_t *more)
{
	size_t n = 0;

	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < p->n; i++)
		if (!is_away(&p->at[i], now))
			out[n++] = p->at[i];
	*more = p->more;
	pthread_mutex_unlock(&p->lock);
	return n;
}
