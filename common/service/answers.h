/* answers.h - the services that compute their answers: a POST in, an answer or an
 * ALTO error code out (RFC 7285 s11.3 to s11.5, RFC 8189).
 *
 * An answer has a ceiling, and so have all together that are being made or sent.
 * Any thread: an HTTP thread for what is quick, another for what is not.
 */
#ifndef ALTOCAST_SERVICE_ANSWERS_H
#define ALTOCAST_SERVICE_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/rc.h"
#include "common/core/snapshot.h"
#include "common/net/http.h"
#include "common/service/status.h"
#include "common/wire/service.h"

/* Shorter answers are not worth the work of both ends. */
#define ANSWERS_CODE_MIN 1024u

struct answers;

struct answers_config {
	size_t answer_max;		/* bytes of one answer */
	uint64_t answers_max;		/* of all at once */
	struct status *status;		/* lent until answers_free() */
};

MUST_CHECK enum rc answers_new(const struct answers_config *cfg,
                               struct answers **out);
/* Every reply must be gone (http_stop()). NULL is fine. */
void answers_free(struct answers *a);

/* A longer body is not quick to read, whatever it says. */
#define ANSWERS_QUICK_BODY 32768u
/* Nor is more work than this to do (ask_work(); for network maps, 16 bytes are
 * one): it takes some 10 ms, and what it writes as much again to be coded. */
#define ANSWERS_QUICK_WORK 262144u

/* A POST for a service of a snapshot. */
struct answers_ask {
	const struct http_request *rq;
	const char *caller;		/* caller_find() */
	const struct snapshot *s;
	const struct service *sv;
	const char *accept, *accept_encoding;	/* joined; NULL not sent */
};

/* The reply to one whose header cannot be answered (415, 406); NULL in *out: it
 * can. RC_ENOMEM. */
MUST_CHECK enum rc answers_check(const struct answers_ask *q,
                                 struct http_reply **out);
/* The reply, made without the headers of the request; *size: bytes of its body.
 * NULL: out of memory. */
struct http_reply *answers_get(struct answers *a, const struct answers_ask *q,
                               uint64_t *size);
/* The same where that is quick; else *heavy is true, and nothing was done. */
struct http_reply *answers_quick(struct answers *a,
                                 const struct answers_ask *q, uint64_t *size,
                                 bool *heavy);
/* The reply to one that is put off since too many others are under way. */
struct http_reply *answers_busy(struct answers *a);
/* Bytes held for answers being made or sent. */
uint64_t answers_held(const struct answers *a);

#endif
