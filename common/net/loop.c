/* Over 600 lines because timers, signals, watches and the control socket all end
 * in the one order of loop_free().
 *
 * Every handle made here is the first member of its struct, and its data points
 * to the loop: so one walk tells ours from those of libwebsockets, and one
 * callback frees them all. */
#include "common/net/loop.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libwebsockets.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "common/sys/log.h"

#define REWATCH_MS 1000		/* how often a folder that is gone is tried */
#define CTL_BACKLOG 16
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

struct watch {
	uv_fs_event_t h;
	struct watch *next;
	struct loop_timer *retry;
	void (*cb)(const char *path, void *arg);
	void *arg;
	struct stat dir_seen, seen;	/* all zero: not there */
	const char *name;		/* in path */
	char *dir;			/* behind path */
	char path[];
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
	struct watch *watches;
	struct at_free *at_free;
	struct kept *kept;
	void *ws;
	struct ctl *ctl;
};

static void free_handle(uv_handle_t *h)
{
	free(h);
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

static struct foreign foreign_handles(struct loop *l)
{
	struct foreign f = { l, 0, -1 };

	uv_walk(&l->uv, count_foreign, &f);
	return f;
}

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

void **loop_ws(struct loop *l)
{
	return &l->ws;
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

/* On a loop that is not its own libwebsockets closes in two halves: the first
 * call starts closing its handles, the loop must turn until the last one is
 * gone, the second call frees.
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
		uv_run(&l->uv, UV_RUN_ONCE);
	if (l->lws != NULL)
		lws_context_destroy(l->lws);
}

static void ctl_free(struct loop *l);

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
	ctl_free(l);
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
		uv_close((uv_handle_t *)&t->h, free_handle);
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
		uv_close((uv_handle_t *)&s->h, free_handle);
		return RC_EINVAL;
	}
	return RC_OK;
}

/* watched files */

static void stat_or_zero(const char *path, struct stat *st)
{
	if (stat(path, st) != 0)
		memset(st, 0, sizeof(*st));
}

static bool same_inode(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool same_stat(const struct stat *a, const struct stat *b)
{
	return same_inode(a, b) && a->st_size == b->st_size &&
		a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
		a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
		a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
		a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static void on_fs_event(uv_fs_event_t *h, const char *name, int events,
                        int status)
{
	struct watch *w = (struct watch *)h;
	struct stat dir, now;

	(void)events;
	(void)status;
	stat_or_zero(w->dir, &dir);
	if (!same_inode(&dir, &w->dir_seen)) {
		uv_fs_event_stop(h);
		loop_timer_set(w->retry, 0, REWATCH_MS);
		return;
	}
	/* By name too: a rewrite within one tick of the clock looks the
	 * same. */
	stat_or_zero(w->path, &now);
	if (!same_stat(&now, &w->seen) ||
	    (name != NULL && strcmp(name, w->name) == 0)) {
		w->seen = now;
		w->cb(w->path, w->arg);
	}
}

static enum rc watch_start(struct watch *w)
{
	/* Looked at first: what changes in between differs from what was seen
	 * and is told with the next event. */
	stat_or_zero(w->dir, &w->dir_seen);
	if (uv_fs_event_start(&w->h, on_fs_event, w->dir, 0) != 0)
		return RC_EIO;
	stat_or_zero(w->path, &w->seen);
	return RC_OK;
}

static void on_rewatch(void *arg)
{
	struct watch *w = arg;

	if (watch_start(w) != RC_OK)
		return;
	loop_timer_stop(w->retry);
	w->cb(w->path, w->arg);
}

static struct watch *watch_alloc(struct loop *l, const char *path)
{
	size_t len = strlen(path);
	const char *slash = strrchr(path, '/');
	struct watch *w = calloc(1, sizeof(*w) + 2 * (len + 2));

	if (w == NULL)
		return NULL;
	memcpy(w->path, path, len + 1);
	w->dir = w->path + len + 1;
	w->name = w->path;
	if (slash == NULL) {
		w->dir[0] = '.';
	} else {
		w->name += slash + 1 - path;
		memcpy(w->dir, path,
		       slash == path ? 1 : (size_t)(slash - path));
	}
	if (loop_timer_new(l, on_rewatch, w, &w->retry) != RC_OK) {
		free(w);
		return NULL;
	}
	return w;
}

static struct watch **watch_find(struct loop *l, const char *path)
{
	struct watch **p = &l->watches;

	while (*p != NULL && strcmp((*p)->path, path) != 0)
		p = &(*p)->next;
	return p;
}

enum rc loop_watch(struct loop *l, const char *path,
                   void (*cb)(const char *path, void *arg), void *arg)
{
	struct watch **at = watch_find(l, path);
	struct watch *w;

	if (*at != NULL)
		return RC_EEXIST;
	w = watch_alloc(l, path);
	if (w == NULL)
		return RC_ENOMEM;
	w->cb = cb;
	w->arg = arg;
	uv_fs_event_init(&l->uv, &w->h);	/* cannot fail */
	w->h.data = l;
	if (watch_start(w) != RC_OK) {
		loop_timer_free(w->retry);
		uv_close((uv_handle_t *)&w->h, free_handle);
		return RC_EIO;
	}
	*at = w;
	return RC_OK;
}

void loop_unwatch(struct loop *l, const char *path)
{
	struct watch **at = watch_find(l, path);
	struct watch *w = *at;

	if (w == NULL)
		return;
	*at = w->next;
	loop_timer_free(w->retry);
	uv_close((uv_handle_t *)&w->h, free_handle);
}

/* control socket */

struct ctl_conn {
	uv_pipe_t h;
	struct ctl *ctl;
	struct ctl_conn *next;
	struct loop_timer *idle;
	struct loop_ctl_req *req;	/* the one that is owed an answer */
	bool shut;
	size_t len;
	char buf[];			/* max_line, CR, newline */
};

struct loop_ctl_req {
	struct ctl *ctl;
	struct ctl_conn *conn;		/* NULL: it has gone away */
	struct loop_ctl_req *next, **at;
};

struct answer {
	uv_write_t w;
	char data[];
};

struct ctl {
	uv_pipe_t h;
	struct loop_ctl_config cfg;
	struct sockaddr_un addr;
	struct stat file;		/* to remove our own file only */
	struct ctl_conn *conns;
	struct loop_ctl_req *reqs;	/* all that are owed an answer */
	unsigned n_conns;
};

static void conn_read(struct ctl_conn *c);

static void conn_shut(struct ctl_conn *c)
{
	struct ctl_conn **p = &c->ctl->conns;

	if (c->shut)
		return;
	c->shut = true;
	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	c->ctl->n_conns--;
	if (c->req != NULL)
		c->req->conn = NULL;
	loop_timer_free(c->idle);
	uv_close((uv_handle_t *)&c->h, free_handle);
}

static void on_idle(void *arg)
{
	conn_shut(arg);
}

static struct loop_ctl_req *req_new(struct ctl_conn *c)
{
	struct ctl *ctl = c->ctl;
	struct loop_ctl_req *req = malloc(sizeof(*req));

	if (req == NULL)
		return NULL;
	*req = (struct loop_ctl_req){ ctl, c, ctl->reqs, &ctl->reqs };
	if (req->next != NULL)
		req->next->at = &req->next;
	ctl->reqs = req;
	c->req = req;
	return req;
}

static void req_free(struct loop_ctl_req *req)
{
	*req->at = req->next;
	if (req->next != NULL)
		req->next->at = req->at;
	if (req->conn != NULL)
		req->conn->req = NULL;
	free(req);
}

/* c->buf holds a line, NUL-terminated; used counts its newline too. */
static void conn_line(struct ctl_conn *c, size_t used)
{
	struct loop_ctl_req *req = req_new(c);

	if (req == NULL) {
		conn_shut(c);
		return;
	}
	uv_read_stop((uv_stream_t *)&c->h);
	loop_timer_stop(c->idle);
	c->ctl->cfg.line(req, c->buf, c->ctl->cfg.arg);
	/* c is there even if the answer has been given and failed: handles
	 * are freed by the loop, never within a call. */
	c->len -= used;
	memmove(c->buf, c->buf + used, c->len);
}

/* Hands on the first line that is complete, or waits for more of it. */
static void conn_next(struct ctl_conn *c)
{
	size_t max = c->ctl->cfg.max_line, n;
	char *nl = memchr(c->buf, '\n', c->len);

	if (nl == NULL && c->len < max + 2) {
		conn_read(c);
		return;
	}
	n = nl != NULL ? (size_t)(nl - c->buf) : c->len;
	if (n > 0 && c->buf[n - 1] == '\r')
		n--;
	if (nl == NULL || n > max) {
		conn_shut(c);
		return;
	}
	c->buf[n] = '\0';
	conn_line(c, (size_t)(nl - c->buf) + 1);
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
	struct ctl_conn *c = (struct ctl_conn *)h;

	(void)hint;
	buf->base = c->buf + c->len;
	buf->len = c->ctl->cfg.max_line + 2 - c->len;
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct ctl_conn *c = (struct ctl_conn *)s;

	(void)buf;
	if (n < 0) {
		conn_shut(c);
	} else if (n > 0) {
		c->len += (size_t)n;
		conn_next(c);
	}
}

static void conn_read(struct ctl_conn *c)
{
	if (c->ctl->cfg.idle_ms > 0)
		loop_timer_set(c->idle, c->ctl->cfg.idle_ms, 0);
	uv_read_start((uv_stream_t *)&c->h, on_alloc, on_read);
}

static void on_written(uv_write_t *w, int status)
{
	struct ctl_conn *c = (struct ctl_conn *)w->handle;

	free(w);
	if (c->shut)
		return;
	if (status != 0)
		conn_shut(c);
	else
		conn_next(c);
}

static void conn_answer(struct ctl_conn *c, const void *data, size_t len)
{
	struct answer *a = NULL;
	uv_buf_t buf;

	if (len <= c->ctl->cfg.max_reply)
		a = malloc(sizeof(*a) + len);
	if (a == NULL) {
		conn_shut(c);
		return;
	}
	if (len > 0)
		memcpy(a->data, data, len);
	buf = uv_buf_init(a->data, (unsigned)len);
	if (c->ctl->cfg.idle_ms > 0)	/* who does not read goes as well */
		loop_timer_set(c->idle, c->ctl->cfg.idle_ms, 0);
	if (uv_write(&a->w, (uv_stream_t *)&c->h, &buf, 1, on_written) != 0) {
		free(a);
		conn_shut(c);
	}
}

void loop_ctl_reply(struct loop_ctl_req *req, const void *data, size_t len)
{
	struct ctl_conn *c = req->conn;

	req_free(req);
	if (c != NULL)
		conn_answer(c, data, len);
}

static void on_ctl_conn(uv_stream_t *s, int status)
{
	struct ctl *ctl = (struct ctl *)s;
	struct ctl_conn *c;

	if (status != 0)
		return;
	c = calloc(1, sizeof(*c) + ctl->cfg.max_line + 2);
	if (c == NULL)
		return;			/* stays in the backlog */
	uv_pipe_init(s->loop, &c->h, 0);
	c->h.data = s->data;
	c->ctl = ctl;
	if (uv_accept(s, (uv_stream_t *)&c->h) != 0 ||
	    ctl->n_conns >= ctl->cfg.max_conns ||
	    loop_timer_new(s->data, on_idle, c, &c->idle) != RC_OK) {
		uv_close((uv_handle_t *)&c->h, free_handle);
		return;
	}
	c->next = ctl->conns;
	ctl->conns = c;
	ctl->n_conns++;
	conn_read(c);
}

/* Whether somebody still listens on the socket file that is there. */
static enum rc ctl_probe(const struct sockaddr_un *addr)
{
	struct stat st;
	enum rc rc = RC_EEXIST;
	int fd;

	if (lstat(addr->sun_path, &st) != 0)
		return errno == ENOENT ? RC_OK : RC_EIO;
	if (!S_ISSOCK(st.st_mode))
		return RC_EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return RC_EIO;
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) != 0 &&
	    errno == ECONNREFUSED)
		rc = unlink(addr->sun_path) == 0 ? RC_OK : RC_EIO;
	close(fd);
	return rc;
}

/* The mode is set before the file appears, so that nobody slips in through a
 * wider one, and again after, because bind() takes the umask off. */
static int ctl_bind(const struct sockaddr_un *addr, mode_t mode)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	if (fchmod(fd, mode) == 0 &&
	    bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 &&
	    chmod(addr->sun_path, mode) == 0)
		return fd;
	close(fd);
	return -1;
}

static enum rc ctl_open(struct loop *l, struct ctl *ctl, struct diag *diag)
{
	const char *path = ctl->addr.sun_path;
	enum rc rc = ctl_probe(&ctl->addr);
	int fd;

	if (rc == RC_EEXIST)
		return diag_set(diag, rc, "%s is in use: another process "
		                "listens there, or it is no socket", path);
	if (rc != RC_OK)
		return diag_set(diag, rc, "%s: %s", path, strerror(errno));
	fd = ctl_bind(&ctl->addr, (mode_t)ctl->cfg.mode);
	if (fd < 0)
		return diag_set(diag, RC_EIO, "%s: %s", path, strerror(errno));
	stat_or_zero(path, &ctl->file);
	uv_pipe_init(&l->uv, &ctl->h, 0);
	ctl->h.data = l;
	if (uv_pipe_open(&ctl->h, fd) != 0) {
		close(fd);
	} else if (uv_listen((uv_stream_t *)&ctl->h, CTL_BACKLOG,
	                     on_ctl_conn) == 0) {
		return RC_OK;
	}
	unlink(path);
	uv_close((uv_handle_t *)&ctl->h, free_handle);
	return diag_set(diag, RC_EIO, "%s: cannot listen", path);
}

enum rc loop_ctl_listen(struct loop *l, const struct loop_ctl_config *config,
                        struct diag *diag)
{
	size_t len = strlen(config->path);
	struct ctl *ctl;
	enum rc rc;

	if (l->ctl != NULL)
		return diag_set(diag, RC_EEXIST, "one control socket only");
	if (len == 0 || len >= sizeof(ctl->addr.sun_path))
		return diag_set(diag, RC_EINVAL, "%s: a socket path has 1 to "
		                "%zu bytes", config->path,
		                sizeof(ctl->addr.sun_path) - 1);
	ctl = calloc(1, sizeof(*ctl));
	if (ctl == NULL)
		return RC_ENOMEM;
	ctl->cfg = *config;
	ctl->cfg.path = NULL;
	ctl->addr.sun_family = AF_UNIX;
	memcpy(ctl->addr.sun_path, config->path, len);
	rc = ctl_open(l, ctl, diag);
	if (rc == RC_OK)
		l->ctl = ctl;
	else if (ctl->h.data == NULL)	/* else the loop frees it */
		free(ctl);
	return rc;
}

static void ctl_free(struct loop *l)
{
	struct ctl *ctl = l->ctl;
	struct stat now;

	if (ctl == NULL)
		return;
	while (ctl->reqs != NULL)
		req_free(ctl->reqs);
	while (ctl->conns != NULL)
		conn_shut(ctl->conns);
	stat_or_zero(ctl->addr.sun_path, &now);
	if (same_inode(&now, &ctl->file))
		unlink(ctl->addr.sun_path);
	uv_close((uv_handle_t *)&ctl->h, free_handle);
	l->ctl = NULL;
}
