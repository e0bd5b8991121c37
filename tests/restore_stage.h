/* restore_stage.h - a world that is published into a real journal. */
#ifndef ALTOCAST_TESTS_RESTORE_STAGE_H
#define ALTOCAST_TESTS_RESTORE_STAGE_H

#include <stdbool.h>

#include "common/service/publish.h"
#include "tests/world.h"

extern char dir[64];			/* the journal's */
extern struct world *w;
extern struct publish p;
extern struct snapshot *served;	/* what was published last */

/* Opens dir's. */
void open_journal(void);
void start(uint64_t seed);
void end(void);
/* The head, as one publication of these updates. */
void put(struct update *const *u, size_t n, bool jump, bool session);
/* A few publications of the world as one of ours. */
void put_run(bool jump);
void tidy(void);
/* What comes back is that; the log too, when it is what is served. */
void check_restored(const struct snapshot *want);

#endif
