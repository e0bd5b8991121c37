/* version.h - a snapshot with what its resources are answered with.
 *
 * Answers stand in the order of the snapshot's resources; one more, the last, is
 * that of /state. Each has a form for every coding. Has no lock: replies.c says
 * who may read and write.
 */
#ifndef ALTOCAST_SERVICE_VERSION_H
#define ALTOCAST_SERVICE_VERSION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/rc.h"
#include "common/core/snapshot.h"
#include "common/net/http.h"
#include "common/service/blob.h"
#include "common/wire/httpfield.h"

#define VERSION_FLAT_MAX (16u << 20)
#define VERSION_NEVER INT64_MIN
#define ETAG_MAX (TAG_HEX + 16)

/* A resource in one coding. */
struct form {
	char etag[ETAG_MAX];
	struct blob *body;		/* NULL: not made; identity: or read from
					 * the resource, which is large */
	int64_t second;			/* the replies speak of; or NEVER */
	struct http_reply *full;	/* 200; NULL: no body */
	struct http_reply *unchanged;	/* 304 */
};

struct answer {
	bool laid_out;			/* set by who called version_lay_out() */
	atomic_uint wanted;		/* codings (bits) somebody asked for */
	unsigned useless;		/* codings that would not be smaller, or
					 * that nobody could be given */
	struct form form[CODINGS];
};

struct version {
	struct snapshot *s;
	size_t n;
	unsigned ahead;			/* codings (bits) that every resource is
					 * wanted in, also one that appears */
	struct answer answer[];
};

/* Bodies that did not change since old (may be NULL) are shared with it, and what
 * was wanted there is wanted here. References s. RC_ENOMEM. */
MUST_CHECK enum rc version_new(struct snapshot *s, const struct version *old,
                               struct version **out);
void version_free(struct version *v);			/* NULL is fine */

/* From here on every resource is wanted in these codings. */
void version_want(struct version *v, unsigned codings);

/* Makes what stays as long as the version: ETags and, unless it is read from the
 * resource, the identity body. Once. */
MUST_CHECK enum rc version_lay_out(struct version *v, size_t i);

/* The answer in v with the content of answer i of snapshot s; -1: none. */
long version_find(const struct version *v, const struct snapshot *s, size_t i);

/* The identity body of answer i of s in one piece. */
MUST_CHECK enum rc version_body(const struct snapshot *s, size_t i,
                                struct blob **out);
/* Bytes of the identity body; of /state only when it is laid out. */
uint64_t version_size(const struct version *v, size_t i);

/* An entity-tag for a coding of what tag names: strong for identity, weak for
 * the others, since the same content may be coded to other bytes tomorrow. */
void version_etag(const char *tag, enum coding c, char out[ETAG_MAX]);

#endif
