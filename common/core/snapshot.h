/* snapshot.h - all resources that are served together, with their signed state.
 *
 * Swapped whole, so nobody ever sees a cost map beside a network map it does not
 * belong to. Resources stand in ascending byte order of their ids, the IRD among
 * them; the state's root is the Merkle tree over their leaves. Counted,
 * immutable; any thread may read.
 */
#ifndef ALTOCAST_CORE_SNAPSHOT_H
#define ALTOCAST_CORE_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/rc.h"
#include "common/core/position.h"
#include "common/core/resource.h"
#include "common/core/sign.h"

#define SNAPSHOT_RESOURCES_MAX 1000u
#define STATE_TEXT_MAX 320	/* any of the three lines */

/* What the server signed: the triple as it travels, and what it says. A plain
 * value; the wire floor prints, reads, signs and checks it. */
struct state {
	char text[STATE_TEXT_MAX];	/* ALTO-State */
	char input[STATE_TEXT_MAX];	/* Signature-Input */
	char signature[STATE_TEXT_MAX];	/* Signature */
	uint8_t root[SHA256_SIZE];
	char service[UUID_TEXT + 1];
	struct position pos;
	uint64_t resources;
	int64_t created, expires;	/* Unix seconds */
	char key[THUMBPRINT_TEXT + 1];	/* keyid */
	bool plain;			/* nobody signed: texts are "", serial
					 * counts here alone, created is when it
					 * was fetched */
};

struct snapshot;

/* References the n resources (any order, ids unique). changed: for each the
 * serial it last changed at. Computes the root; a copy of state is kept as it
 * is. RC_EEXIST: an id twice. RC_ELIMIT: too many. */
MUST_CHECK enum rc snapshot_new(struct resource *const *res,
                                const uint64_t *changed, size_t n,
                                const struct state *state,
                                struct snapshot **out);
/* The same resources under another state (a heartbeat's). */
MUST_CHECK enum rc snapshot_restate(const struct snapshot *s,
                                    const struct state *state,
                                    struct snapshot **out);

size_t snapshot_count(const struct snapshot *s);
struct resource *snapshot_at(const struct snapshot *s, size_t i); /* borrowed */
uint64_t snapshot_changed(const struct snapshot *s, size_t i);
/* Index of id, or -1. */
long snapshot_find(const struct snapshot *s, const char *id);
struct resource *snapshot_get(const struct snapshot *s, const char *id);
const struct state *snapshot_state(const struct snapshot *s);
bool snapshot_signed(const struct snapshot *s);
/* The highest serial at which anything but the IRD changed. */
uint64_t snapshot_map_serial(const struct snapshot *s);
const uint8_t *snapshot_root(const struct snapshot *s);
/* The inclusion path of resource i (merkle.h). */
size_t snapshot_path(const struct snapshot *s, size_t i, uint8_t *path);
/* Snapshots that exist in this process; slow readers keep old ones alive. */
size_t snapshots_alive(void);

struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot *s);		/* NULL is fine */

#endif
