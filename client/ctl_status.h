/* ctl_status.h - what `altoctl status` prints of the daemon's answer. */
#ifndef ALTOCAST_CLIENT_CTL_STATUS_H
#define ALTOCAST_CLIENT_CTL_STATUS_H

#include <jansson.h>

void ctl_status(const json_t *answer);

#endif
