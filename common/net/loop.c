/* Every handle made on the loop is the first member of its struct, and its data
 * points to the loop: so one walk tells ours from those of libwebsockets, and
 * one callback frees them all. */
#include "common/net/loop.h"

#include <assert.h>
#include <fcntl.h>
#include <libwebsockets.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "common/sys/log.h"

#define LWS_READ_BYTES 65536	/* one buffer for all connections */

struct loop_timer {
	uv_timer_t h;
	void (*cb)(void *arg);
	void *arg;
};

struct sig {
	uv_signal_t h;
	void (*cb)(int signum, void *arg);
	void *arg;
};

struct at_free {
	struct at_free *next;
	void (*cb)(void *arg);
	void *arg;
};

struct kept {
	struct kept *next;
	max_align_t mem[];
};

struct loop {
	uv_loop_t uv;
	uv_async_t bell;
	struct lws_context *lws;	/* libwebsockets clears it at the end */
	void (*on_wake)(void *arg);
	void *wake_arg;
	atomic_bool woken, stop;
	int pipe_fd;			/* of libwebsockets */
	bool closing;			/* loop thread only */
	struct at_free *at_free;
	struct kept *kept;
	void *places[LOOP_PLACES];
};

static void free_handle(uv_handle_t *h)
{
	free(h);
}

void loop_close(struct uv_handle_s *h)
{
	uv_close(h, free_handle);
}

/* life */

static void on_bell(uv_async_t *h)
{
	struct loop *l = h->data;

	if (atomic_load(&l->stop))
		uv_stop(&l->uv);
	/* Cleared before the call: what is posted during it rings again. */
	if (atomic_exchange(&l->woken, false) && l->on_wake != NULL &&
	    !l->closing)
		l->on_wake(l->wake_arg);
}

static void on_lws_log(int level, const char *line)
{
	size_t n = strlen(line);

	while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
		n--;
	/* What it calls an error is mostly a peer that spoke nonsense. */
	log_debug("lws", "level=%d %.*s", level, (int)n, line);
}

struct foreign {
	const struct loop *l;
	size_t count;
	int fd;				/* of one that polls; -1: none does */
};

static void count_foreign(uv_handle_t *h, void *arg)
{
	struct foreign *f = arg;

	if (h->data == f->l)
		return;
	f->count++;
	if (h->type == UV_POLL)
		(void)uv_fileno(h, &f->fd);
}

struct gone {
	const struct lws *wsi;
};

static void close_forgotten(uv_handle_t *h, void *arg)
{
	const struct gone *g = arg;

	if (h->type == UV_POLL && h->data == g->wsi && !uv_is_closing(h))
		uv_close(h, free_handle);	/* its memory is malloc's */
}

void loop_lws_gone(struct loop *l, const struct lws *wsi)
{
	struct gone g = { wsi };

	uv_walk(&l->uv, close_forgotten, &g);
}

static struct foreign foreign_handles(struct loop *l)
{
	struct foreign f = { l, 0, -1 };

	uv_walk(&l->uv, count_foreign, &f);
	return f;
}

#define LWS_TIMEOUT_S 86400

static enum rc make_lws(struct loop *l)
{
	struct lws_context_creation_info info;
	void *loops[1] = { &l->uv };

	lws_set_log_level(LLL_ERR | LLL_WARN, on_lws_log);
	memset(&info, 0, sizeof(info));
	info.port = CONTEXT_PORT_NO_LISTEN;
	info.gid = -1;
	info.uid = -1;
	info.foreign_loops = loops;
	info.pcontext = &l->lws;
	info.pt_serv_buf_size = LWS_READ_BYTES;
	/* Each connection has a limit of ours. */
	info.timeout_secs = LWS_TIMEOUT_S;
	info.options = LWS_SERVER_OPTION_LIBUV |
		LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
	l->lws = lws_create_context(&info);
	if (l->lws == NULL)
		return RC_EIO;
	l->pipe_fd = foreign_handles(l).fd;
	return RC_OK;
}

enum rc loop_new(struct loop **out)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return RC_ENOMEM;
	if (uv_loop_init(&l->uv) != 0) {
		free(l);
		return RC_EIO;
	}
	l->uv.data = l;
	if (uv_async_init(&l->uv, &l->bell, on_bell) != 0) {
		uv_loop_close(&l->uv);
		free(l);
		return RC_EIO;
	}
	l->bell.data = l;
	if (make_lws(l) != RC_OK) {
		loop_free(l);
		return RC_EIO;
	}
	*out = l;
	return RC_OK;
}

void loop_run(struct loop *l)
{
	/* The bell keeps uv_run() busy, so it returns for a stop only. */
	while (!atomic_exchange(&l->stop, false))
		uv_run(&l->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *l)
{
	atomic_store(&l->stop, true);
	uv_async_send(&l->bell);
}

void loop_on_wake(struct loop *l, void (*cb)(void *arg), void *arg)
{
	l->on_wake = cb;
	l->wake_arg = arg;
}

void loop_wake(void *loop)
{
	struct loop *l = loop;

	atomic_store(&l->woken, true);
	uv_async_send(&l->bell);
}

uint64_t loop_now_ms(const struct loop *l)
{
	return uv_now(&l->uv);
}

enum rc loop_at_free(struct loop *l, void (*cb)(void *arg), void *arg)
{
	struct at_free *a = malloc(sizeof(*a));

	if (a == NULL)
		return RC_ENOMEM;
	*a = (struct at_free){ l->at_free, cb, arg };
	l->at_free = a;
	return RC_OK;
}

void *loop_alloc(struct loop *l, size_t size)
{
	struct kept *k = calloc(1, sizeof(*k) + size);

	if (k == NULL)
		return NULL;
	k->next = l->kept;
	l->kept = k;
	return k->mem;
}

void **loop_place(struct loop *l, enum loop_place which)
{
	return &l->places[which];
}

struct uv_loop_s *loop_uv(struct loop *l)
{
	return &l->uv;
}

struct lws_context *loop_lws(struct loop *l)
{
	return l->lws;
}

/* Ours must not fire any more while libwebsockets closes, but stay valid: its
 * last callbacks may still free or set a timer. */
static void quiet_handle(uv_handle_t *h, void *arg)
{
	if (h->data != arg || uv_is_closing(h))
		return;
	uv_unref(h);
	if (h->type == UV_TIMER)
		uv_timer_stop((uv_timer_t *)h);
	else if (h->type == UV_SIGNAL)
		uv_signal_stop((uv_signal_t *)h);
	else if (h->type == UV_FS_EVENT)
		uv_fs_event_stop((uv_fs_event_t *)h);
}

static void close_handle(uv_handle_t *h, void *arg)
{
	struct loop *l = arg;

	if (!uv_is_closing(h))
		uv_close(h, h == (uv_handle_t *)&l->bell ? NULL : free_handle);
}

static void close_foreign(uv_handle_t *h, void *arg)
{
	if (h->data != arg && !uv_is_closing(h))
		uv_close(h, NULL);
}

/* On a loop that is not its own libwebsockets closes in two halves: the first
 * call starts closing its handles, the loop must turn until the last one is
 * gone, the second call frees. What still stands when nothing moves any more was
 * forgotten, and must not keep a daemon from ending.
 *
 * 4.1.6 closes the descriptor of its wake-up pipe in the first half and again
 * in the second; by then the number may belong to another thread's file. So the
 * number is taken again at once, for the second close to hit. */
static void free_lws(struct loop *l)
{
	int spare = -1;

	if (l->lws == NULL)
		return;
	lws_context_destroy(l->lws);
	if (l->pipe_fd >= 0)
		spare = fcntl(uv_backend_fd(&l->uv), F_DUPFD_CLOEXEC,
		              l->pipe_fd);
	if (spare >= 0 && spare != l->pipe_fd)
		close(spare);
	while (foreign_handles(l).count > 0)
		if (uv_run(&l->uv, UV_RUN_ONCE) == 0)
			uv_walk(&l->uv, close_foreign, l);
	if (l->lws != NULL)
		lws_context_destroy(l->lws);
}

void loop_free(struct loop *l)
{
	struct at_free *a;
	struct kept *k;
	int err;

	if (l == NULL)
		return;
	l->closing = true;
	uv_walk(&l->uv, quiet_handle, l);
	while ((a = l->at_free) != NULL) {
		l->at_free = a->next;
		a->cb(a->arg);
		free(a);
	}
	free_lws(l);
	uv_walk(&l->uv, close_handle, l);
	uv_run(&l->uv, UV_RUN_DEFAULT);
	err = uv_loop_close(&l->uv);
	assert(err == 0);
	(void)err;
	while ((k = l->kept) != NULL) {
		l->kept = k->next;
		free(k);
	}
	free(l);
}

/* timers */

static void on_timer(uv_timer_t *h)
{
	struct loop_timer *t = (struct loop_timer *)h;

	t->cb(t->arg);
}

enum rc loop_timer_new(struct loop *l, void (*cb)(void *arg), void *arg,
                       struct loop_timer **out)
{
	struct loop_timer *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return RC_ENOMEM;
	uv_timer_init(&l->uv, &t->h);		/* cannot fail */
	t->h.data = l;
	t->cb = cb;
	t->arg = arg;
	*out = t;
	return RC_OK;
}

void loop_timer_set(struct loop_timer *t, uint64_t after_ms, uint64_t repeat_ms)
{
	struct loop *l = t->h.data;

	if (l->closing)
		return;
	uv_update_time(&l->uv);	/* else a long callback counts as waited */
	uv_timer_start(&t->h, on_timer, after_ms, repeat_ms);
}

void loop_timer_stop(struct loop_timer *t)
{
	uv_timer_stop(&t->h);
}

void loop_timer_free(struct loop_timer *t)
{
	if (t != NULL)
		loop_close((uv_handle_t *)&t->h);
}

/* signals */

static void on_signal(uv_signal_t *h, int signum)
{
	struct sig *s = (struct sig *)h;

	s->cb(signum, s->arg);
}

enum rc loop_signal(struct loop *l, int signum,
                    void (*cb)(int signum, void *arg), void *arg)
{
	struct sig *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return RC_ENOMEM;
	if (uv_signal_init(&l->uv, &s->h) != 0) {
		free(s);
		return RC_EIO;
	}
	s->h.data = l;
	s->cb = cb;
	s->arg = arg;
	if (uv_signal_start(&s->h, on_signal, signum) != 0) {
		loop_close((uv_handle_t *)&s->h);
		return RC_EINVAL;
	}
	return RC_OK;
}
