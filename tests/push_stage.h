/* push_stage.h - subscribers of one daemon, over real connections on one loop. */
#ifndef ALTOCAST_TESTS_PUSH_STAGE_H
#define ALTOCAST_TESTS_PUSH_STAGE_H

#include <CUnit/CUnit.h>
#include <stdbool.h>

#include "common/service/guard.h"
#include "common/service/push.h"
#include "tests/world.h"

#define N_MAX 40
#define SEATS 39
#define OLD "milan-token-of-last-year"
#define NEW "milan-token-of-this-year"
#define ROME "rome-token-0123456789"

struct client {
	struct ws_conn *ws;
	char name[IRD_NAME_MAX + 1];
	char auth[80];
	bool open, ack;			/* ack: as if it carried out orders */
	unsigned snapshots, errors, within;
	unsigned code;			/* of the close */
	char bye[FRAME_REASON_MAX + 1];
	unsigned away;
	uint64_t gone_ms;
};

extern char dir[];			/* of its settings and tokens */
extern struct world *w;
extern struct status *st;
extern struct push *push;
extern struct client client[N_MAX];
extern size_t n;			/* clients */
extern unsigned ordered;		/* orders to pull that were made */

/* milan with these tokens, rome with one; others need none. */
struct guard *guard_of(const char *milan);	/* NULL: not listed */
void send_buf(struct client *c, struct buf *b);
/* One more subscriber; token may be NULL. */
struct client *join(const char *name, const char *token);
void join_many(size_t count);
/* Until this is so, which it must become. */
void run(bool (*cond)(void));
bool all_current(void);
bool all_gone(void);

void start(void);
void end(void);
/* An update that is longer than it need be, and shorter than a fragment. */
void publish_padded(void);

/* suite_run() with dir there. */
int push_suite(const char *name, CU_TestInfo *tests);

#endif
