/* ctl_reload.h - what `altoctl reload` prints of the daemon's answer. */
#ifndef ALTOCAST_CLIENT_CTL_RELOAD_H
#define ALTOCAST_CLIENT_CTL_RELOAD_H

#include <jansson.h>

void ctl_reload(const json_t *answer);

#endif
