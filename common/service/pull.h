/* pull.h - GETs on a thread of their own.
 *
 * Requests are done one after the other, in order of their time. The outcome is
 * told by a callback on the pull thread, which should do no more than post it to
 * a mailbox; it comes for each request that was taken, unless pull_free() is first.
 */
#ifndef ALTOCAST_SERVICE_PULL_H
#define ALTOCAST_SERVICE_PULL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/net/httpc.h"

#define PULL_QUEUE_MAX 4096u

struct pull;

struct pull_options {
	const char *user_agent;
};

struct pull_result {
	uint64_t ticket;
	int kind;			/* as asked */
	char id[65];			/* as asked */
	uint64_t number;		/* as asked */
	enum rc rc;			/* of the GET; RC_OK: any whole answer */
	struct httpc_answer answer;	/* when RC_OK; the taker frees it */
	struct diag why;		/* when not */
};

struct pull_request {
	int kind;			/* the caller's own */
	const char *id;			/* the caller's own, up to 64 bytes */
	uint64_t number;		/* the caller's own */
	const char *url;
	bool no_cache;
	const char *authorization;	/* or NULL */
	const char *if_none_match;	/* or NULL */
	struct tls_trust tls;		/* for https */
	size_t max_body;
	unsigned timeout_ms;
	unsigned within_ms;		/* start at a random time in here */
	/* On the pull thread; *r is the taker's (pull_result_free). */
	void (*done)(struct pull_result *r, void *arg);
	void *arg;
};

/* Starts the thread. */
MUST_CHECK enum rc pull_new(const struct pull_options *opt, struct pull **out);
/* Gives up what is under way and ends the thread; requests that are still
 * queued are dropped without a call. NULL is fine. */
void pull_free(struct pull *p);

/* Any thread. The texts are copied. One that is queued already is not queued again:
 * it has that ticket, and takes this number and these bounds. RC_ELIMIT: the queue is
 * full. ticket (may be NULL) names the request in its result. */
MUST_CHECK enum rc pull_get(struct pull *p, const struct pull_request *rq,
                            uint64_t *ticket);
/* Gives up what is queued and under way: each ends with RC_EAGAIN, those that were
 * queued within the call. */
void pull_forget(struct pull *p);
void pull_result_free(struct pull_result *r);		/* NULL is fine */

#endif
