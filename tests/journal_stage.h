/* journal_stage.h - a journal in a directory of its own. */
#ifndef ALTOCAST_TESTS_JOURNAL_STAGE_H
#define ALTOCAST_TESTS_JOURNAL_STAGE_H

#include <stdint.h>

#include "common/sys/journal.h"

#define BIG (((uint64_t)9 << 20) + 5)	/* three pieces */

extern char dir[];			/* a template: main() makes it */

/* Leaves no journal in it. */
void fresh(void);
struct journal *open_it(void);
struct journal *reopen(struct journal *j);
uint64_t head_of(struct journal *j);
void meta_is(struct journal *j, const char *key, const char *want);
enum rc meta_set(struct journal *j, const char *key, const char *text);
enum rc update(struct journal *j, uint64_t serial, const char *text);

/* What a base is made of, and how much of it was read. */
struct body {
	unsigned seed;
	uint64_t fail_at;
	uint64_t asked;
	size_t largest;
};

enum rc put_base(struct journal *j, const char *id, uint64_t serial,
                 uint64_t size, struct body *body);
void base_is(struct journal *j, const char *id, uint64_t size, unsigned seed);

/* What a call for each gave: "key=data;" one after the other. */
struct list {
	char text[200];
	int n, stop;
};

/* For the calls for each; arg is a list. */
enum rc add_update(void *arg, uint64_t serial, const void *data, size_t len);
enum rc add_base(void *arg, const struct journal_base *b);
void updates_are(struct journal *j, uint64_t from, enum rc rc,
                 const char *want);

#endif
