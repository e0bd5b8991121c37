/* conf_scan.h - what libconfig would misread, found in the text before it.
 *
 * Numbers that do not fit (libconfig wraps them silently), @include, and texts
 * and comments without an end (libconfig names the wrong line, and leaks).
 */
#ifndef ALTOCAST_SYS_CONF_SCAN_H
#define ALTOCAST_SYS_CONF_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/rc.h"

struct conf;

/* Writes a line to errors for each. RC_ERULE, RC_ESYNTAX: libconfig must not
 * see the text. Numbers alone are RC_OK, so that the rest is judged in the same
 * run; their lines are remembered in c. */
MUST_CHECK enum rc conf_scan(struct conf *c, const char *text,
			     struct buf *errors);

/* A number of that line was blamed. */
bool conf_scan_wrapped(const struct conf *c, size_t line);

#endif
