/* settings.h - the proxy's table of settings. */
#ifndef ALTOCAST_PROXY_SETTINGS_H
#define ALTOCAST_PROXY_SETTINGS_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/sys/conf.h"

extern const struct conf_table proxy_settings;

/* What is allowed and still not wise, beside options_warnings(). */
void proxy_warnings(const struct conf *c, struct buf *lines);
/* The same as a part of --check (options.h). */
void proxy_check(const struct conf *c, struct buf *errors,
                 struct buf *warnings);

/* Is the host of this URI this very machine (localhost, 127/8, ::1)? */
bool uri_on_loopback(const char *uri);

/* Is its one upstream a plain server, whose maps nobody signed? */
bool proxy_unsigned(const struct conf *c);

/* The name that this proxy subscribes under; NULL: none is set. */
const char *proxy_name(const struct conf *c);

#endif
