/* daemon.h - what a process in the foreground owes to its surroundings.
 *
 * Start-up rights and limits, and the notify protocol of systemd. The daemons
 * do not fork; signals beyond SIGPIPE belong to the loop.
 */
#ifndef ALTOCAST_SYS_DAEMON_H
#define ALTOCAST_SYS_DAEMON_H

#include <stdint.h>

#include "common/base/diag.h"
#include "common/base/rc.h"

/* Once, before any thread: standard streams that are closed become /dev/null,
 * ignores SIGPIPE, umask 077, one heap for all threads,
 * RLIMIT_NOFILE to the hard limit or 2^20, whichever is lower (libwebsockets
 * reads it when its context is made), and a random seed for the hash tables of
 * jansson. RC_EIO. */
MUST_CHECK enum rc daemon_init(struct diag *d);

/* Descriptors this process may have open. */
uint64_t daemon_max_files(void);

/* The rest does nothing when the process was not started by systemd. */
void daemon_ready(void);
void daemon_reloading(void);		/* until the next daemon_ready() */
void daemon_stopping(void);
void daemon_status(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* How often daemon_watchdog() must be called: half of what systemd allows;
 * 0: no watchdog. */
uint64_t daemon_watchdog_ms(void);
void daemon_watchdog(void);

#endif
