#include "common/service/codings.h"

#include <libdeflate.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <zstd.h>

#define GZIP_FAST 1
#define GZIP_SMALL 6
#define ZSTD_FAST 1
#define ZSTD_SMALL 3		/* window 2 MiB: within RFC 9659 */

struct coder {
	struct coder_source source;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool woken, stop;		/* under lock */
};

/* one body */

size_t codings_bound(enum coding c, size_t len)
{
	return c == CODING_ZSTD ? ZSTD_compressBound(len)
	                        : libdeflate_gzip_compress_bound(NULL, len);
}

/* How many bytes of dst were used; 0: not enough. */
static size_t pack_gzip(enum effort effort, const void *data, size_t len,
                        void *dst, size_t max)
{
	struct libdeflate_compressor *z = libdeflate_alloc_compressor(
		effort == EFFORT_FAST ? GZIP_FAST : GZIP_SMALL);
	size_t n = 0;

	if (z != NULL)
		n = libdeflate_gzip_compress(z, data, len, dst, max);
	libdeflate_free_compressor(z);
	return n;
}

static size_t pack_zstd(enum effort effort, const void *data, size_t len,
                        void *dst, size_t max)
{
	size_t n = ZSTD_compress(dst, max, data, len,
	                         effort == EFFORT_FAST ? ZSTD_FAST : ZSTD_SMALL);

	return ZSTD_isError(n) ? 0 : n;
}

enum rc codings_pack(enum coding c, enum effort effort, const void *data,
                     size_t len, size_t max, char **out, size_t *n)
{
	size_t bound = codings_bound(c, len), used;
	char *dst, *fit;

	if (c != CODING_GZIP && c != CODING_ZSTD)
		return RC_EINVAL;
	if (max > bound)
		max = bound;
	dst = malloc(max + 1);
	if (dst == NULL)
		return RC_ENOMEM;
	used = (c == CODING_GZIP ? pack_gzip : pack_zstd)(effort, data, len,
	                                                  dst, max);
	if (used == 0) {
		free(dst);
		return RC_ELIMIT;
	}
	fit = realloc(dst, used);
	*out = fit != NULL ? fit : dst;
	*n = used;
	return RC_OK;
}

/* the thread */

/* false: the end. */
static bool wait_for_work(struct coder *c)
{
	bool go_on;

	pthread_mutex_lock(&c->lock);
	while (!c->woken && !c->stop)
		pthread_cond_wait(&c->changed, &c->lock);
	c->woken = false;
	go_on = !c->stop;
	pthread_mutex_unlock(&c->lock);
	return go_on;
}

static bool stopped(struct coder *c)
{
	bool stop;

	pthread_mutex_lock(&c->lock);
	stop = c->stop;
	pthread_mutex_unlock(&c->lock);
	return stop;
}

static void code_one(struct coder *c, const struct coder_job *job)
{
	char *coded = NULL;
	size_t n = 0;

	if (job->len < 2 ||
	    codings_pack(job->coding, EFFORT_SMALL, job->data, job->len,
	                 job->len - 1, &coded, &n) != RC_OK)
		coded = NULL;
	c->source.done(c->source.arg, coded, n);
}

static void *run(void *arg)
{
	struct coder *c = arg;
	struct coder_job job;

	while (wait_for_work(c))
		while (!stopped(c) && c->source.next(c->source.arg, &job))
			code_one(c, &job);
	return NULL;
}

enum rc coder_start(const struct coder_source *source, struct coder **out)
{
	struct coder *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return RC_ENOMEM;
	c->source = *source;
	if (pthread_mutex_init(&c->lock, NULL) != 0)
		goto no_lock;
	if (pthread_cond_init(&c->changed, NULL) != 0)
		goto no_cond;
	if (pthread_create(&c->thread, NULL, run, c) == 0) {
		*out = c;
		return RC_OK;
	}
	pthread_cond_destroy(&c->changed);
no_cond:
	pthread_mutex_destroy(&c->lock);
no_lock:
	free(c);
	return RC_ENOMEM;
}

void coder_wake(struct coder *c)
{
	pthread_mutex_lock(&c->lock);
	c->woken = true;
	pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

void coder_stop(struct coder *c)
{
	if (c == NULL)
		return;
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
