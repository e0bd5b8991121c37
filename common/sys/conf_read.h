/* conf_read.h - the text of a file to the values of a configuration. */
#ifndef ALTOCAST_SYS_CONF_READ_H
#define ALTOCAST_SYS_CONF_READ_H

#include "common/base/buf.h"
#include "common/base/rc.h"

struct conf;

/* Fills c->vals, which must be empty, by c->table; defaults too, and the
 * table's own check. As conf_load() on errors, but for no memory no line is
 * written. */
MUST_CHECK enum rc conf_read(struct conf *c, const char *text,
			     struct buf *errors);

#endif
