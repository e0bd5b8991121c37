/* Handles are of the loop's kind, see loop_close(). */
#include "common/net/ctlsock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "common/net/loop.h"

#define BACKLOG 16

struct ctl_conn {
	uv_pipe_t h;
	struct ctl *ctl;
	struct ctl_conn *next;
	struct loop_timer *idle;
	struct ctlsock_req *req;	/* the one that is owed an answer */
	bool shut;
	size_t len;
	char buf[];			/* max_line, CR, newline */
};

struct ctlsock_req {
	struct ctl *ctl;
	struct ctl_conn *conn;		/* NULL: it has gone away */
	struct ctlsock_req *next, **at;
};

struct answer {
	uv_write_t w;
	char data[];
};

struct ctl {
	uv_pipe_t h;
	struct ctlsock_config cfg;
	struct sockaddr_un addr;
	dev_t dev;			/* these: to remove our own file only */
	ino_t ino;
	struct ctl_conn *conns;
	struct ctlsock_req *reqs;	/* all that are owed an answer */
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
	loop_close((uv_handle_t *)&c->h);
}

static void on_idle(void *arg)
{
	conn_shut(arg);
}

static struct ctlsock_req *req_new(struct ctl_conn *c)
{
	struct ctl *ctl = c->ctl;
	struct ctlsock_req *req = malloc(sizeof(*req));

	if (req == NULL)
		return NULL;
	*req = (struct ctlsock_req){ ctl, c, ctl->reqs, &ctl->reqs };
	if (req->next != NULL)
		req->next->at = &req->next;
	ctl->reqs = req;
	c->req = req;
	return req;
}

static void req_free(struct ctlsock_req *req)
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
	struct ctlsock_req *req = req_new(c);

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

void ctlsock_reply(struct ctlsock_req *req, const void *data, size_t len)
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
		loop_close((uv_handle_t *)&c->h);
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

/* bind() makes the file with all rights but the umask's. Nothing is set by path
 * after: by then the path may be a link to something else. Threads that make a file
 * of their own in between give its mode themselves. */
static int ctl_bind(const struct sockaddr_un *addr, mode_t mode)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask;
	int e;

	if (fd < 0)
		return -1;
	mask = umask(~mode & 0777);
	e = bind(fd, (const struct sockaddr *)addr, sizeof(*addr));
	umask(mask);
	if (e == 0)
		return fd;
	close(fd);
	return -1;
}

static enum rc ctl_open(struct loop *l, struct ctl *ctl, struct diag *diag)
{
	const char *path = ctl->addr.sun_path;
	enum rc rc = ctl_probe(&ctl->addr);
	struct stat st;
	int fd;

	if (rc == RC_EEXIST)
		return diag_set(diag, rc, "%s is in use: another process "
		                "listens there, or it is no socket", path);
	if (rc != RC_OK)
		return diag_set(diag, rc, "%s: %s", path, strerror(errno));
	fd = ctl_bind(&ctl->addr, (mode_t)ctl->cfg.mode);
	if (fd < 0)
		return diag_set(diag, RC_EIO, "%s: %s", path, strerror(errno));
	if (lstat(path, &st) == 0) {
		ctl->dev = st.st_dev;
		ctl->ino = st.st_ino;
	}
	uv_pipe_init(loop_uv(l), &ctl->h, 0);
	ctl->h.data = l;
	if (uv_pipe_open(&ctl->h, fd) != 0) {
		close(fd);
	} else if (uv_listen((uv_stream_t *)&ctl->h, BACKLOG,
	                     on_ctl_conn) == 0) {
		return RC_OK;
	}
	unlink(path);
	loop_close((uv_handle_t *)&ctl->h);
	return diag_set(diag, RC_EIO, "%s: cannot listen", path);
}

static void ctl_free(void *arg)
{
	struct ctl *ctl = arg;
	struct stat now;

	while (ctl->reqs != NULL)
		req_free(ctl->reqs);
	while (ctl->conns != NULL)
		conn_shut(ctl->conns);
	if (lstat(ctl->addr.sun_path, &now) == 0 && now.st_dev == ctl->dev &&
	    now.st_ino == ctl->ino)
		unlink(ctl->addr.sun_path);
	loop_close((uv_handle_t *)&ctl->h);
}

enum rc ctlsock_listen(struct loop *l, const struct ctlsock_config *config,
                       struct diag *diag)
{
	size_t len = strlen(config->path);
	struct ctl *ctl;
	enum rc rc;

	if (*loop_place(l, LOOP_CTLSOCK) != NULL)
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
	if (rc != RC_OK) {
		if (ctl->h.data == NULL)	/* else the loop frees it */
			free(ctl);
		return rc;
	}
	rc = loop_at_free(l, ctl_free, ctl);
	if (rc == RC_OK)
		*loop_place(l, LOOP_CTLSOCK) = ctl;
	else
		ctl_free(ctl);
	return rc;
}
