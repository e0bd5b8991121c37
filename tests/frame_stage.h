/* frame_stage.h - a publisher, and one message written and read. */
#ifndef ALTOCAST_TESTS_FRAME_STAGE_H
#define ALTOCAST_TESTS_FRAME_STAGE_H

#include "common/wire/frame.h"
#include "tests/world.h"

#define SESSION "01990000-0000-7000-8000-000000000000"
#define BIG (1u << 20)

extern struct world *w;
extern struct frame *f;			/* the message as read */
extern struct buf text;			/* and as written */

void start(void);
void end(void);
/* What is in text is a message of this kind, now in f. */
void reads(enum frame_kind kind);
const struct state *head(void);
/* f carries the head's state. */
void is_head_state(void);
/* A `hello` with all it can have, there and back. */
void hello(void);

#endif
