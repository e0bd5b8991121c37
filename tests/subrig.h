/* subrig.h - the subscriber's half with a publisher (world.h) in front of it, for
 * tests. Names are short: a test is read like a story. What the machine wants done
 * is done at once, but for fetches while source is NULL.
 */
#ifndef ALTOCAST_TESTS_SUBRIG_H
#define ALTOCAST_TESTS_SUBRIG_H

#include <stdbool.h>
#include <stddef.h>

#include "common/proto/sub.h"
#include "tests/world.h"

#define SELF "11111111-2222-4333-8444-555555555551"
#define OTHER_SERVICE "99999999-2222-4333-8444-555555555551"
#define FETCHES 32

extern struct world *w;
extern struct sub *s;
extern struct snapshot *held;		/* what was published last */
extern const struct snapshot *source;	/* answers fetches at once; NULL: they
					 * stay open */
extern bool reopened, jumped;
extern enum sub_reason reason;
extern char reason_why[256];
extern unsigned publishes, retry_after, polls;
extern size_t run_len;
extern char sent[4096];			/* the last frame upwards */
extern size_t n_fetch;
extern struct sub_act fetches[FETCHES];

/* ---- doing what it says ---------------------------------------------------- */

void pump(void);
/* As `from` serves it; or bent by the caller. */
void answer_from(const struct snapshot *from, const char *id);
void answer_bent(const struct snapshot *from, const char *id,
                 void (*bend)(struct world_answer *a, struct sub_body *b));
void bend_bytes(struct world_answer *a, struct sub_body *b);
void bend_fetch(struct world_answer *a, struct sub_body *b);
void bend_signature(struct world_answer *a, struct sub_body *b);

/* ---- frames in ------------------------------------------------------------- */

void feed(const char *text, size_t len);
void feed_buf(struct buf *b);		/* and frees it */
void say_hello_of(const char *service, const char *instance);
void say_subscribed(enum frame_mode mode);
void say_snapshot_of(const struct snapshot *snap);
void say_alive(const struct state *st);
void say(const struct update *u);
/* The update as it stands, under another state. */
void say_with(const struct update *u, const struct state *st);
/* Up to `subscribe`. */
void connect_up(void);
/* From nothing to the head, all by fetches. */
void first_contact(void);
/* As a publisher that orders it. */
void connect_snapshot(const struct snapshot *snap);

/* ---- the state document ---------------------------------------------------- */

/* What `from` serves under `state`. */
void poll_of(const struct snapshot *from);
enum rc trust_of(const struct snapshot *from, struct diag *d);
enum rc introduce_of(const struct snapshot *from, struct diag *d);

/* ---- the publisher --------------------------------------------------------- */

struct update *change(size_t cost);
/* A resource changed, ordered as a pull whatever its size. */
struct update *change_pull(size_t cost);
/* Publishes with key `to`, which alone is listed, and which nobody has heard of. */
void lose_the_key(size_t to);
/* The head, under a state that the caller bent. */
struct snapshot *head_with(const struct state *st);

/* ---- beginning and end ----------------------------------------------------- */

struct sub_config config(void);
void start_with(const struct sub_config *cfg, const struct keys *keys);
void start_bare(void);
void start(void);		/* current at the head, with two cost maps */
/* Holds the head and trusts key 0 through the data, with these keys pinned; not
 * connected. */
void start_with_pins(size_t n, const size_t *pins);
void end(void);

/* ---- what must be so ------------------------------------------------------- */

bool current(void);		/* held is the head, to the byte */
/* Fell back for this reason, and still serves what it did. */
void check_fell(enum sub_reason why, const struct snapshot *before);
/* And comes back: asks from what it holds, gets the deltas. */
void check_resumes(void);
void check_starts_over(void);
bool trusts(size_t key);	/* of the publisher's */

#endif
