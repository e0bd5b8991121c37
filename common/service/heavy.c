#include "common/service/heavy.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define NICE 5			/* where processors are short, those who
				 * serve go first */
#define PLACES (HEAVY_WAITING_MAX + HEAVY_THREADS)

enum state { EMPTY, WAITS, RUNS };

/* The lowest turn is next, and the one that came first of several. A client's
 * first piece has the turn that is being done, each further one a turn more. */
struct place {
	enum state state;
	uint64_t turn, number;
	struct heavy_client who;
	struct heavy_work work;
};

struct heavy {
	pthread_mutex_t lock;		/* of all */
	pthread_cond_t some;
	pthread_t threads[HEAVY_THREADS];
	unsigned n_threads;
	bool end;
	unsigned waiting;
	uint64_t turn, number;		/* of what was begun, of what came last */
	struct place places[PLACES];
};

/* with the lock held */

static struct place *find_next(struct heavy *h)
{
	struct place *best = NULL;

	for (struct place *p = h->places; p < h->places + PLACES; p++)
		if (p->state == WAITS &&
		    (best == NULL || p->turn < best->turn ||
		     (p->turn == best->turn && p->number < best->number)))
			best = p;
	return best;
}

static struct place *find_empty(struct heavy *h)
{
	struct place *p = h->places;

	while (p < h->places + PLACES && p->state != EMPTY)
		p++;
	return p < h->places + PLACES ? p : NULL;
}

/* How many pieces a client has here, and the turn of one more. */
static unsigned count_of(const struct heavy *h, const struct heavy_client *who,
                         uint64_t *turn)
{
	unsigned n = 0;

	*turn = h->turn;
	for (const struct place *p = h->places; p < h->places + PLACES; p++) {
		if (p->state == EMPTY ||
		    memcmp(&p->who, who, sizeof(*who)) != 0)
			continue;
		n++;
		if (p->turn >= *turn)
			*turn = p->turn + 1;
	}
	return n;
}

/* the threads */

static void *work_thread(void *arg)
{
	struct heavy *h = arg;
	struct place *p;

	/* Linux counts threads where POSIX counts processes. */
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
	pthread_mutex_lock(&h->lock);
	while (!h->end) {
		p = find_next(h);
		if (p == NULL) {
			pthread_cond_wait(&h->some, &h->lock);
			continue;
		}
		p->state = RUNS;
		h->waiting--;
		h->turn = p->turn;
		pthread_mutex_unlock(&h->lock);
		p->work.run(p->work.arg);
		pthread_mutex_lock(&h->lock);
		p->state = EMPTY;
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

static bool start_threads(struct heavy *h)
{
	while (h->n_threads < HEAVY_THREADS) {
		if (pthread_create(&h->threads[h->n_threads], NULL,
		                   work_thread, h) != 0)
			return false;
		h->n_threads++;
	}
	return true;
}

/* from outside */

enum rc heavy_new(struct heavy **out)
{
	struct heavy *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return RC_ENOMEM;
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->some, NULL);
	if (!start_threads(h)) {
		heavy_free(h);
		return RC_ENOMEM;
	}
	*out = h;
	return RC_OK;
}

void heavy_free(struct heavy *h)
{
	struct place *p;

	if (h == NULL)
		return;
	pthread_mutex_lock(&h->lock);
	h->end = true;
	pthread_cond_broadcast(&h->some);
	pthread_mutex_unlock(&h->lock);
	for (unsigned i = 0; i < h->n_threads; i++)
		pthread_join(h->threads[i], NULL);
	while ((p = find_next(h)) != NULL) {
		p->state = EMPTY;
		p->work.drop(p->work.arg);
	}
	pthread_cond_destroy(&h->some);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

enum rc heavy_put(struct heavy *h, const struct heavy_client *who,
                  const struct heavy_work *work)
{
	enum rc rc = RC_ELIMIT;
	struct place *p;
	uint64_t turn;

	pthread_mutex_lock(&h->lock);
	p = find_empty(h);
	if (p != NULL && h->waiting < HEAVY_WAITING_MAX &&
	    count_of(h, who, &turn) < HEAVY_PER_CLIENT) {
		*p = (struct place){ WAITS, turn, h->number++, *who, *work };
		h->waiting++;
		pthread_cond_signal(&h->some);
		rc = RC_OK;
	}
	pthread_mutex_unlock(&h->lock);
	return rc;
}
