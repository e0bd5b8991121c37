/* http_due.h - until when the connections of an HTTP listener have to say what
 * they want.
 *
 * The listener's own timeout counts silence only: a byte now and then keeps a
 * connection for ever. So each one has a time by which its request must be
 * complete, and a thread that shuts down those that are late; the listener then
 * reads their end and closes them. Any thread.
 */
#ifndef ALTOCAST_NET_HTTP_DUE_H
#define ALTOCAST_NET_HTTP_DUE_H

#include "common/base/rc.h"

struct http_due;			/* of all connections */
struct http_due_conn;			/* of one */

/* RC_ENOMEM: no memory, or no thread. */
MUST_CHECK enum rc http_due_new(struct http_due **out);

/* Every connection has left. NULL is fine. */
void http_due_free(struct http_due *all);

/* A connection that is late in ms from now. It must leave before fd is closed:
 * until then the number is its own. NULL: no memory. */
struct http_due_conn *http_due_join(struct http_due *all, int fd, unsigned ms);
void http_due_leave(struct http_due *all, struct http_due_conn *c);

/* From now on it is late in ms; 0: never. NULL is fine. */
void http_due_set(struct http_due_conn *c, unsigned ms);

#endif
