/* mapreply.h - one reply with a full resource or /state, or a part of it, with
 * all headers: those of HTTP and those that prove it. */
#ifndef ALTOCAST_SERVICE_MAPREPLY_H
#define ALTOCAST_SERVICE_MAPREPLY_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/rc.h"
#include "common/core/snapshot.h"
#include "common/net/http.h"
#include "common/service/blob.h"
#include "common/wire/httpfield.h"

/* All borrowed. */
struct mapreply {
	const struct snapshot *s;
	size_t i;			/* resource in it; the count: /state */
	int64_t now;			/* Unix seconds that the headers speak of */
	unsigned heartbeat;		/* seconds */
	const char *push_uri;		/* said with the IRD; "" none */
	const char *vary;
	const char *allow;		/* cors_allow() */
	enum coding coding;
	const char *etag;
	struct blob *body;		/* NULL: read from the resource */
};

/* 200. RC_ENOMEM, here and below. */
MUST_CHECK enum rc mapreply_full(const struct mapreply *m,
                                 struct http_reply **out);
/* 304 with the headers of the 200. */
MUST_CHECK enum rc mapreply_unchanged(const struct mapreply *m,
                                      struct http_reply **out);
/* 206 with len bytes from first on; coding is identity. */
MUST_CHECK enum rc mapreply_part(const struct mapreply *m, uint64_t first,
                                 uint64_t len, struct http_reply **out);

/* Seconds since the state was signed; 0 when that lies ahead. */
int64_t mapreply_age(const struct state *st, int64_t now);

#endif
