/* state_json.h - the signed state: leaves, triple, proofs, `/state`; written,
 * read, signed and checked.
 *
 * The texts are exact: a leaf is hashed as it stands and the signature covers the
 * text of ALTO-State, so there is one spelling (parameters in one order, no
 * spaces) and readers refuse any other. Source: RFC 9651, RFC 9421 (component
 * "alto-state", label alto, tag alto-redistribution), RFC 9162; docs/protocol.md.
 */
#ifndef ALTOCAST_WIRE_STATE_JSON_H
#define ALTOCAST_WIRE_STATE_JSON_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/core/resource.h"
#include "common/core/sign.h"
#include "common/core/snapshot.h"

#define STATE_LABEL "alto"
#define STATE_TAG "alto-redistribution"
#define STATE_SKEW_S 60		/* how far ahead of us a signer's clock may be */
#define STATE_LIFE_MAX 31536000	/* seconds, from created to expires */
#define STATE_FRESH_BEATS 3	/* heartbeats for which a state is fresh */

/* ALTO-Resource. */
void leaf_print(const struct resource_name *n, struct buf *dst);
MUST_CHECK enum rc leaf_read(const char *s, size_t len,
                             struct resource_name *out, struct diag *d);

/* ALTO-Proof. Reading: path has MERKLE_PATH_MAX hashes of room. */
void proof_print(const uint8_t *path, size_t path_len, size_t index,
                 struct buf *dst);
MUST_CHECK enum rc proof_read(const char *s, size_t len, uint8_t *path,
                              size_t *path_len, size_t *index, struct diag *d);

/* From the parts in st (root, service, pos, resources, created, expires) makes
 * the three texts and signs. */
MUST_CHECK enum rc state_sign(struct state *st, const struct sign_key *k);

/* From the three texts to the parts; checks no signature, and of the times only
 * that created comes before expires, by STATE_LIFE_MAX at most (RC_ELIMIT). */
MUST_CHECK enum rc state_read(const char *text, const char *input,
                              const char *signature, struct state *out,
                              struct diag *d);
/* RC_ESIG. The key's id must be the state's (RC_EKEY). */
MUST_CHECK enum rc state_check(const struct state *st,
                               const struct public_key *k);
/* RC_ETIME: created after now + STATE_SKEW_S, or session from there; or
 * expired at now. */
MUST_CHECK enum rc state_time(const struct state *st, int64_t now,
                              struct diag *d);

/* The triple as an array of three JSON strings. */
void state_print(const struct state *st, struct buf *dst);
MUST_CHECK enum rc state_from_json(const json_t *triple, struct state *out,
                                   struct diag *d);

/* The document `/state`: canonical. */
MUST_CHECK enum rc state_doc(const struct snapshot *s, struct buf *dst);

/* A list of leaves that leads to a signed state: `/state`, `snapshot`. */
struct leaf_set {
	struct state state;
	size_t n;
	char **leaf;			/* in order of resource-id */
	struct resource_name *name;
};
/* RC_EDIGEST: the leaves do not give the state's root. */
MUST_CHECK enum rc leaf_set_from_json(const json_t *leaves,
                                      const struct state *st,
                                      struct leaf_set **out, struct diag *d);
MUST_CHECK enum rc state_doc_read(const char *text, size_t len,
                                  struct leaf_set **out, struct diag *d);
/* Index of id or -1. */
long leaf_set_find(const struct leaf_set *l, const char *id);
void leaf_set_free(struct leaf_set *l);			/* NULL is fine */

/* A full resource's body under its own headers: leaf, proof, triple and the
 * digest of the body (recomputed here). Key and time are the caller's. */
struct signed_headers {
	const char *resource, *proof, *state, *input, *signature;	/* or NULL */
};
/* *name, *leaf (struct buf appended) and *st get what they say. RC_EDIGEST:
 * leaf, proof or digest disagree; RC_ENOENT: a header is missing. */
MUST_CHECK enum rc body_check(const struct signed_headers *h, const void *body,
                              size_t len, struct resource_name *name,
                              struct state *st, struct diag *d);

#endif
