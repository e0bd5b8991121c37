/* alto_stage.h - maps, signed and served through real sockets. */
#ifndef ALTOCAST_TESTS_ALTO_STAGE_H
#define ALTOCAST_TESTS_ALTO_STAGE_H

#include "tests/maps_small.h"
#include "tests/served.h"

#define NET "net:a@b"		/* an id that clients may percent-encode */

/* n times n costs of some 19 bytes of text each. */
struct resource *cost_map(const char *id, unsigned n,
                          const struct resource *net);
/* The state of a service, not signed; the snapshot under it, signed. */
struct state state_at(uint64_t serial, int64_t created, size_t n);
struct snapshot *restated(struct snapshot *s, struct state *st);
/* Takes the resources over. */
struct snapshot *snapshot_of(struct resource **res, size_t n,
                             uint64_t serial, int64_t created);
/* IRD, network map, cost map. */
struct snapshot *maps(const char *extra_pid, uint64_t serial, int64_t created);

void begin(struct served *w);
void end(struct served *w);
/* Begins, and serves maps(). */
void serving(struct served *w);
/* The state that a reply proves itself under. */
enum rc verify(const struct reply *r, struct state *st);
/* An ALTO error about this value. */
void is_error(const struct reply *r, const char *value);

#endif
