/* log.h - one line per event, to stderr.
 *
 * A line is `subject: k=v k=v ...`. Under systemd (stderr is the journal) it
 * starts with the priority prefix <N> of sd-daemon(3), else with the time in
 * UTC and the level. A line leaves in one write(2), so lines of several threads
 * never mix. Control characters and bytes that are not UTF-8 leave as \xNN; a
 * line over LOG_LINE_MAX bytes is cut and ends in "...". Logging never fails
 * and keeps errno. Any thread.
 *
 * No secret, no key and no body of a map belongs into a line.
 */
#ifndef ALTOCAST_SYS_LOG_H
#define ALTOCAST_SYS_LOG_H

#include <stdbool.h>

#include "common/base/rc.h"

#define LOG_LINE_MAX 4000	/* under PIPE_BUF: a pipe keeps it whole too */

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

/* Looks once where stderr leads and sets the level. Before any thread starts;
 * without it lines are dated and the level is info. */
void log_init(enum log_level level);

/* Takes effect with the next line of any thread. */
void log_level_set(enum log_level level);
enum log_level log_level_get(void);

/* "error", "warn", "info", "debug". RC_EINVAL: none of them. */
MUST_CHECK enum rc log_level_parse(const char *name, enum log_level *out);
const char *log_level_name(enum log_level level);

/* False: the line would be dropped, so what it says need not be computed. */
bool log_wants(enum log_level level);

void log_error(const char *subject, const char *fmt, ...) PRINTF_LIKE(2, 3);
void log_warn(const char *subject, const char *fmt, ...) PRINTF_LIKE(2, 3);
void log_info(const char *subject, const char *fmt, ...) PRINTF_LIKE(2, 3);
void log_debug(const char *subject, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
