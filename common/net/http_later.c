#include "common/net/http_later.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdlib.h>

#include "common/net/http_reply.h"
#include "common/net/http_request.h"

struct http_laters {
	pthread_mutex_t lock;
	unsigned refs;			/* of the listener and of each */
	bool closed;
	struct http_later *first;	/* those that wait */
};

/* Held twice: by who answers and by the connection. Under the lock of all, but for
 * kept. */
struct http_later {
	struct http_laters *all;
	struct http_later *next, **at;	/* at: what points to this */
	struct MHD_Connection *conn;	/* NULL: does not wait any more */
	struct http_reply *reply;
	unsigned refs;
	struct http_kept *kept;		/* who answers frees it */
};

/* with the lock held */

static void unlink_one(struct http_later *l)
{
	*l->at = l->next;
	if (l->next != NULL)
		l->next->at = l->at;
	l->conn = NULL;
}

/* The connection is alive for as long as it is suspended, so the lock that says
 * whether it is must be held until it is not. */
static void settle(struct http_later *l, struct http_reply *r)
{
	struct MHD_Connection *conn = l->conn;

	unlink_one(l);
	l->reply = r;
	MHD_resume_connection(conn);
}

/* Ends what locking began. */
static void unlock_unref(struct http_laters *all)
{
	bool last = --all->refs == 0;

	pthread_mutex_unlock(&all->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&all->lock);
	free(all);
}

/* The same. */
static void unlock_drop(struct http_later *l)
{
	struct http_laters *all = l->all;

	if (--l->refs > 0) {
		pthread_mutex_unlock(&all->lock);
		return;
	}
	free(l);
	unlock_unref(all);
}

/* from outside */

enum rc http_laters_new(struct http_laters **out)
{
	struct http_laters *all = calloc(1, sizeof(*all));

	if (all == NULL || pthread_mutex_init(&all->lock, NULL) != 0) {
		free(all);
		return RC_ENOMEM;
	}
	all->refs = 1;
	*out = all;
	return RC_OK;
}

unsigned http_laters_close(struct http_laters *all, struct http_reply *r)
{
	unsigned n = 0;

	pthread_mutex_lock(&all->lock);
	all->closed = true;
	for (; all->first != NULL; n++)
		settle(all->first, r != NULL ? http_reply_ref(r) : NULL);
	pthread_mutex_unlock(&all->lock);
	return n;
}

void http_laters_free(struct http_laters *all)
{
	if (all == NULL)
		return;
	pthread_mutex_lock(&all->lock);
	unlock_unref(all);
}

/* RC_EAGAIN: closed. */
static enum rc suspend(struct http_laters *all, struct http_later *l)
{
	enum rc rc = RC_EAGAIN;

	pthread_mutex_lock(&all->lock);
	if (!all->closed) {
		l->next = all->first;
		l->at = &all->first;
		if (l->next != NULL)
			l->next->at = &l->next;
		all->first = l;
		all->refs++;
		MHD_suspend_connection(l->conn);
		rc = RC_OK;
	}
	pthread_mutex_unlock(&all->lock);
	return rc;
}

enum rc http_later_new(struct http_laters *all, const struct http_request *rq,
                       struct buf *body, struct http_later **out)
{
	struct http_later *l = calloc(1, sizeof(*l));
	enum rc rc = RC_ENOMEM;

	if (l == NULL)
		return rc;
	l->all = all;
	l->refs = 2;
	l->conn = rq->conn;
	l->kept = http_kept_new(rq);
	if (l->kept != NULL)
		rc = suspend(all, l);
	if (rc != RC_OK) {
		http_kept_free(l->kept);
		free(l);
		return rc;
	}
	http_kept_body(l->kept, body);
	*out = l;
	return RC_OK;
}

const struct http_request *http_later_request(const struct http_later *l)
{
	return http_kept_request(l->kept);
}

void http_later_reply(struct http_later *l, struct http_reply *r)
{
	http_kept_free(l->kept);
	pthread_mutex_lock(&l->all->lock);
	if (l->conn != NULL) {
		settle(l, r);
		r = NULL;
	}
	unlock_drop(l);
	http_reply_unref(r);
}

struct http_reply *http_later_take(struct http_later *l)
{
	struct http_reply *r;

	pthread_mutex_lock(&l->all->lock);
	if (l->conn != NULL)
		unlink_one(l);
	r = l->reply;
	unlock_drop(l);
	return r;
}
