/* replies_stage.h - a random world that is served through real sockets. */
#ifndef ALTOCAST_TESTS_REPLIES_STAGE_H
#define ALTOCAST_TESTS_REPLIES_STAGE_H

#include <stdbool.h>

#include "tests/served.h"
#include "tests/world.h"

#define PATIENCE_MS 20000

struct stage {
	struct world *w;
	struct served s;
};

/* The head, to be served from now on. */
void publish(struct stage *st);
void begin(struct stage *st, const struct alto_http_config *more);
void end(struct stage *st);
/* The path of a cost map. */
const char *a_map(void);
void nap(void);	/* between two looks */
struct reply get_with(const struct stage *st, const char *path,
                      const char *name, const char *value);
/* Asks until the coding is there. */
struct reply get_coded(const struct stage *st, const char *path,
                       const char *coding);
/* Once both are decoded. */
bool same_body(const struct reply *a, const struct reply *b);

#endif
