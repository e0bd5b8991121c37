/* settings.h - the server's table of settings. */
#ifndef ALTOCAST_SERVER_SETTINGS_H
#define ALTOCAST_SERVER_SETTINGS_H

#include "common/sys/conf.h"

extern const struct conf_table server_settings;

#endif
