/* answers.h - the services that compute their answers: a POST in, an answer or an
 * ALTO error code out (RFC 7285 s11.3 to s11.5, RFC 8189).
 *
 * An answer has a ceiling, and so have all together that are being made or sent.
 * HTTP threads.
 */
#ifndef ALTOCAST_SERVICE_ANSWERS_H
#define ALTOCAST_SERVICE_ANSWERS_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/rc.h"
#include "common/core/snapshot.h"
#include "common/net/http.h"
#include "common/service/caller.h"
#include "common/service/status.h"
#include "common/wire/service.h"

/* Shorter answers are not worth the work of both ends. */
#define ANSWERS_CODE_MIN 1024u

struct answers;

struct answers_config {
	size_t answer_max;		/* bytes of one answer */
	uint64_t answers_max;		/* of all at once */
	struct callers *callers;	/* lent until answers_free() */
	struct status *status;		/* the same */
};

MUST_CHECK enum rc answers_new(const struct answers_config *cfg,
                               struct answers **out);
/* Every reply must be gone (http_stop()). NULL is fine. */
void answers_free(struct answers *a);

/* A POST for a service of a snapshot. */
struct answers_ask {
	const struct http_request *rq;
	const struct snapshot *s;
	const struct service *sv;
	const char *accept, *accept_encoding;	/* joined; NULL not sent */
};

/* The reply to one whose header cannot be answered (415, 406); NULL in *out: it
 * can. RC_ENOMEM. */
MUST_CHECK enum rc answers_check(const struct answers_ask *q,
                                 struct http_reply **out);
/* The reply; *size: bytes of its body. NULL: out of memory. */
struct http_reply *answers_get(struct answers *a, const struct answers_ask *q,
                               uint64_t *size);
/* Bytes held for answers being made or sent. */
uint64_t answers_held(const struct answers *a);

#endif
