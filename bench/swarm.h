/* swarm.h - many subscribers in one process, as cheap as they can be: sockets on
 * epoll that subscribe, acknowledge, and note when each update came.
 */
#ifndef ALTOCAST_BENCH_SWARM_H
#define ALTOCAST_BENCH_SWARM_H

#include <stddef.h>
#include <stdint.h>

#define SWARM_SESSION "01900000-0000-7000-8000-000000000000"

struct swarm;

uint64_t swarm_now_ns(void);		/* monotonic, the same in all processes */

/* Connects n to /push on this port of the loopback address and waits until all
 * have subscribed. NULL: says on stderr what failed. */
struct swarm *swarm_new(unsigned port, size_t n);
void swarm_free(struct swarm *s);
/* Reads until each has n updates more. sent_ns[serial]: when that one was sent.
 * ms: n times subscribers, how long each took. 0 or -1. */
int swarm_receive(struct swarm *s, const volatile uint64_t *sent_ns, size_t n,
                  double *ms);

/* One that subscribes and then stops for good (SIGSTOP); never returns. */
void swarm_stopped(unsigned port);

#endif
