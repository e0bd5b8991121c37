/* http_due.h - until when the connections of an HTTP listener have to say what
 * they want, and to take what they get.
 *
 * The listener's own timeout counts silence only: a byte now and then keeps a
 * connection for ever. So each one has a time by which its request must be
 * complete, and a thread that shuts down those that are late; the listener then
 * reads their end and closes them. Who has begun a request is told so (408, RFC
 * 9110 s15.5.9); an idle connection ends without a word, and so does one whose
 * answer is not taken. A connection that its client has ended, or will send
 * nothing more on, waits for nothing: the same thread sees to it that the
 * listener notices, well within a second. Any thread, but what is of one
 * connection (from join to leave) belongs to the thread that serves it.
 */
#ifndef ALTOCAST_NET_HTTP_DUE_H
#define ALTOCAST_NET_HTTP_DUE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/rc.h"

struct http_due;			/* of all connections */
struct http_due_conn;			/* of one */

/* tls: the sockets carry TLS, nothing may be written. RC_ENOMEM: no memory, or
 * no thread. */
MUST_CHECK enum rc http_due_new(bool tls, struct http_due **out);

/* Every connection has left. NULL is fine. */
void http_due_free(struct http_due *all);

/* Requests begun and given up. */
uint64_t http_due_timeouts(const struct http_due *all);

/* A connection, new, that is late in ms from now; 0: never, here and below. It
 * must leave before fd is closed: until then the number is its own. NULL: no
 * memory. */
struct http_due_conn *http_due_join(struct http_due *all, int fd, unsigned ms);
void http_due_leave(struct http_due *all, struct http_due_conn *c);

/* The steps of a request, in this order, then round again; a step may be left
 * out. c NULL is fine. */
void http_due_begun(struct http_due_conn *c);	/* has its first line; the time
						 * runs on */
void http_due_body(struct http_due_conn *c, unsigned ms);

/* It is going to be answered, and is not late until then. false: it was late
 * and has been told so; nothing more may be sent. */
MUST_CHECK bool http_due_answer(struct http_due_conn *c);
/* Its answer is on its way, and late in ms; in a second more for each
 * HTTP_DUE_RATE bytes that the client takes of it. */
#define HTTP_DUE_RATE 32768
void http_due_send(struct http_due_conn *c, unsigned ms);
void http_due_idle(struct http_due_conn *c, unsigned ms);

/* It is late now, whatever the time: the listener has lost patience. Nothing
 * happens if no request has begun or if it is being answered. */
void http_due_now(struct http_due *all, struct http_due_conn *c);

/* Ends about half of those that are being sent an answer: those that have been
 * longest. Returns how many. */
unsigned http_due_shed(struct http_due *all);

#endif
