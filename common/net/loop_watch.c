/* Watched files: the folder is watched, and the file looked at. */
#include "common/net/loop.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uv.h>

#define REWATCH_MS 1000		/* how often a folder that is gone is tried */

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

static bool is_watched(struct loop *l, const char *path)
{
	const struct watch *w = *loop_place(l, LOOP_WATCHES);

	while (w != NULL && strcmp(w->path, path) != 0)
		w = w->next;
	return w != NULL;
}

enum rc loop_watch(struct loop *l, const char *path,
                   void (*cb)(const char *path, void *arg), void *arg)
{
	void **first = loop_place(l, LOOP_WATCHES);
	struct watch *w;

	if (is_watched(l, path))
		return RC_EEXIST;
	w = watch_alloc(l, path);
	if (w == NULL)
		return RC_ENOMEM;
	w->cb = cb;
	w->arg = arg;
	uv_fs_event_init(loop_uv(l), &w->h);	/* cannot fail */
	w->h.data = l;
	if (watch_start(w) != RC_OK) {
		loop_timer_free(w->retry);
		loop_close((uv_handle_t *)&w->h);
		return RC_EIO;
	}
	w->next = *first;
	*first = w;
	return RC_OK;
}
