/* state_vectors.h - a key and a state of two resources as a second program made
 * them (data/state-vectors.json), and the same state made here.
 */
#ifndef ALTOCAST_TESTS_STATE_VECTORS_H
#define ALTOCAST_TESTS_STATE_VECTORS_H

#include <stdbool.h>

#include "common/core/merkle.h"
#include "common/wire/json.h"
#include "common/wire/state_json.h"

#define SERVICE "6f0c1c0e-51c5-4f0e-9b0f-2d4a3f7b9a11"
#define SESSION "019a8f2e-4c00-7000-8000-000000000001"

extern struct digest *digest;
extern struct sign_key *key;
extern json_t *vectors;

/* Texts of the vectors, of the state and of its resource number i. */
const char *vector(const char *name);
const char *of_resource(size_t i, const char *name);
/* What the triple of the vectors says, and what it should. */
struct state vector_state(void);
struct state parts(void);
/* The tree over the vectors' leaves. */
struct merkle *vector_tree(void);
/* Leads this body under these headers to a state of the key? */
bool accepted(const struct signed_headers *h, const char *body, size_t len);

/* Digest, key and vectors; false: something is missing. */
bool set_up(void);

#endif
