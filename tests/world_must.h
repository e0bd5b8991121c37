/* world_must.h - what cannot fail in a test aborts. Private to world*.c.
 */
#ifndef ALTOCAST_TESTS_WORLD_MUST_H
#define ALTOCAST_TESTS_WORLD_MUST_H

#include "common/base/rc.h"

#define must(rc) world_must(rc, __FILE__, __LINE__)
void world_must(enum rc rc, const char *file, int line);

#endif
