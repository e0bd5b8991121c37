/* pub_stage.h - one subscriber's half of a publisher, for the tests of pub.
 *
 * What is sent is taken by next...(), what comes is given by feed...(); each checks
 * what it can.
 */
#ifndef ALTOCAST_TESTS_PUB_STAGE_H
#define ALTOCAST_TESTS_PUB_STAGE_H

#include "common/proto/pub.h"
#include "tests/world.h"

extern struct world *w;
extern struct pub_world world;
extern struct keys own;
extern struct pub *p;
extern struct pub_out out;
extern struct frame *got;		/* the last text, read */

/* A publisher with a map or two, and one connection to it. */
void start(void);
void finish(void);
/* Another connection. */
void again(void);
/* What is to be sent next. */
void next(enum pub_do what);
void next_text(enum frame_kind kind);
void next_update(const struct update *u);
void next_close(int code);
/* What was wrong is said before the good-bye. */
void next_breach(const char *code);
/* What came. */
enum pub_news feed(const char *text);
enum pub_news feed_buf(struct buf *b);
/* After `hello`, as "rp-1". */
enum pub_news subscribe(const struct state *have);
enum pub_news ack(const struct position *pos);
/* One more publication. */
struct update *change(void);
const struct state *head(void);
/* The head so many publications ago. */
const struct state *past(size_t back);
/* `subscribed` with this mode; what follows from it. */
void answered(enum frame_mode mode);
void gets_snapshot(void);
void gets_alive(void);

#endif
