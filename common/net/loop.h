/* loop.h - the one event loop: libuv, with the libwebsockets context on it.
 *
 * Everything that waits for events in a daemon waits here: timers, signals,
 * watched files and, made on top, the WebSockets (ws.h) and the control socket
 * (ctlsock.h). All calls belong to the thread that runs the loop, and before
 * loop_run() to the one that made it; only loop_wake() and loop_stop() may come
 * from any thread. All callbacks run on the loop's thread and must not block.
 *
 * Raise RLIMIT_NOFILE before loop_new(): libwebsockets sizes its tables by it.
 */
#ifndef ALTOCAST_NET_LOOP_H
#define ALTOCAST_NET_LOOP_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/rc.h"

struct loop;

/* RC_ENOMEM; RC_EIO: no descriptors left, or libwebsockets refused. */
MUST_CHECK enum rc loop_new(struct loop **out);

/* Runs until loop_stop(), also when there is nothing to wait for. May be called
 * again after it returned. A loop_stop() that came before is not lost. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);			/* any thread */

/* Closes everything still open (WebSockets as ws.h says), frees every handle
 * made here and the loop. Not from within a callback. NULL is fine. */
void loop_free(struct loop *l);

/* Waking up from another thread: at least one call of the callback begins after
 * each loop_wake(); several may melt into one. It is the bell of a mailbox. */
void loop_on_wake(struct loop *l, void (*cb)(void *arg), void *arg);
void loop_wake(void *loop);		/* any thread; a struct loop * */

/* Milliseconds of a monotonic clock, read when the loop last woke. */
uint64_t loop_now_ms(const struct loop *l);

/* A timer, at rest until set. With repeat_ms 0 it fires once. Setting a timer
 * that runs starts it anew. It may be set, stopped or freed in its own
 * callback; those not freed are freed with the loop. */
struct loop_timer;

MUST_CHECK enum rc loop_timer_new(struct loop *l, void (*cb)(void *arg),
                                  void *arg, struct loop_timer **out);
void loop_timer_set(struct loop_timer *t, uint64_t after_ms,
                    uint64_t repeat_ms);
void loop_timer_stop(struct loop_timer *t);
void loop_timer_free(struct loop_timer *t);		/* NULL is fine */

/* Calls cb on the loop for each arrival of a signal, until loop_free(). */
MUST_CHECK enum rc loop_signal(struct loop *l, int signum,
                               void (*cb)(int signum, void *arg), void *arg);

/* Calls cb (with the path as given) after each event that may have changed what
 * stands under path: written, replaced by rename, removed, made. One save often
 * gives several calls, the first while the file is half written: settle first.
 * The folder is watched, not the file, so the file may be missing or be
 * replaced as often as one likes; where path is a symbolic link, a swap of a
 * link beside it in the same folder is seen too. A folder that is itself
 * removed or renamed is looked for again each second. Watching a path twice:
 * RC_EEXIST. RC_EIO: the folder cannot be watched. */
MUST_CHECK enum rc loop_watch(struct loop *l, const char *path,
                              void (*cb)(const char *path, void *arg),
                              void *arg);

/* --- for the rest of this floor, nobody else ------------------------------ */

struct uv_handle_s;
struct uv_loop_s;
struct lws_context;
struct uv_loop_s *loop_uv(struct loop *l);
struct lws_context *loop_lws(struct loop *l);
/* libwebsockets frees wsi: closes the handle that it has forgotten of it, if it has.
 * 4.1.6 does so whenever connect() fails at once or a moment after. */
struct lws;
void loop_lws_gone(struct loop *l, const struct lws *wsi);

/* Calls cb in loop_free() before anything is closed; the last added comes
 * first. cb may start closing handles of its own on loop_uv(). */
MUST_CHECK enum rc loop_at_free(struct loop *l, void (*cb)(void *arg),
                                void *arg);

/* Zeroed memory that lives as long as the loop, libwebsockets included; NULL
 * when there is none. */
void *loop_alloc(struct loop *l, size_t size);

/* A place for what another file has to remember of a loop; NULL at first. */
enum loop_place { LOOP_WATCHES, LOOP_CTLSOCK, LOOP_WS, LOOP_PLACES };
void **loop_place(struct loop *l, enum loop_place which);

/* A handle of ours is the first member of a struct in memory of its own, and
 * its data is the loop. This closes one and frees the struct; those still open
 * at loop_free() end there the same way. */
void loop_close(struct uv_handle_s *h);

#endif
