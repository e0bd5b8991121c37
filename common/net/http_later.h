/* http_later.h - requests to an HTTP listener that another thread answers.
 *
 * The connection is suspended until then: it takes no thread of the listener, has
 * no deadline, and nothing is read from it, so nobody notices when its client goes
 * away; the answer goes nowhere then. All of a listener are under one lock,
 * which lives as long as the last of them.
 */
#ifndef ALTOCAST_NET_HTTP_LATER_H
#define ALTOCAST_NET_HTTP_LATER_H

#include "common/base/rc.h"

struct buf;
struct http_later;			/* one request */
struct http_laters;			/* those of a listener */
struct http_reply;
struct http_request;

/* The request that it was taken from, valid until it is answered, for one thread
 * at a time; but it has no headers any more: take from them before what is
 * needed. */
const struct http_request *http_later_request(const struct http_later *l);

/* Answers it and takes over the reply; NULL (memory) becomes a bare 500. Once,
 * and l is gone with that. Any thread, also after http_stop(). */
void http_later_reply(struct http_later *l, struct http_reply *r);

/* What follows is for the listener. */

MUST_CHECK enum rc http_laters_new(struct http_laters **out);

/* Answers all that wait with r, which may be NULL and is not taken over; there
 * will be no others. Returns how many there were. */
unsigned http_laters_close(struct http_laters *all, struct http_reply *r);
void http_laters_free(struct http_laters *all);		/* NULL is fine */

/* Suspends the connection of a request, on its own thread, in the handler. body is
 * the request's and moves on with it. RC_EAGAIN: closed; RC_ENOMEM. */
MUST_CHECK enum rc http_later_new(struct http_laters *all,
                                  const struct http_request *rq,
                                  struct buf *body, struct http_later **out);

/* The connection goes on, or ends: the reply, and l is gone for it. */
struct http_reply *http_later_take(struct http_later *l);

#endif
