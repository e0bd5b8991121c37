/* check.h - what --check looks at beside the settings: the maps, as a start would. */
#ifndef ALTOCAST_SERVER_CHECK_H
#define ALTOCAST_SERVER_CHECK_H

#include "common/base/buf.h"
#include "common/sys/conf.h"

/* Reads all map files and holds them against each other and their settings; not
 * against the journal, which a daemon may have open. A map whose own settings are
 * wrong is left out: that was said. Lines as those of source_read(). */
void server_check(const struct conf *c, struct buf *errors,
                  struct buf *warnings);

#endif
