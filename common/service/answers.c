#include "common/service/answers.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/buf.h"
#include "common/core/ranks.h"
#include "common/service/codings.h"
#include "common/service/refusal.h"
#include "common/wire/answer_json.h"
#include "common/wire/ask_json.h"

#define RESERVE_MIN 65536u	/* with less left, nothing is begun */
#define BUSY_RETRY_S 1

struct answers {
	size_t answer_max;
	uint64_t answers_max;
	struct status *status;
	_Atomic uint64_t held;
};

/* A body and its share of the budget. */
struct held {
	struct answers *a;
	size_t share;
	size_t len;
	char *data;
};

/* the budget */

/* A share for an answer whose size is not known yet: what one may take, but
 * beside others no more than half of what is left, so that under load the small
 * ones still get through. 0: too little is left. */
static size_t reserve(struct answers *a)
{
	uint64_t held = atomic_load(&a->held), left, share;

	do {
		left = a->answers_max > held ? a->answers_max - held : 0;
		share = held > 0 ? left / 2 : left;
		if (share > a->answer_max)
			share = a->answer_max;
		if (share < RESERVE_MIN && share < a->answer_max)
			return 0;
	} while (!atomic_compare_exchange_weak(&a->held, &held, held + share));
	return (size_t)share;
}

static void give_back(struct answers *a, size_t n)
{
	atomic_fetch_sub(&a->held, n);
}

static void held_free(void *arg)
{
	struct held *h = arg;

	if (h == NULL)
		return;
	give_back(h->a, h->share);
	free(h->data);
	free(h);
}

uint64_t answers_held(const struct answers *a)
{
	return atomic_load(&a->held);
}

/* the header */

static enum rc as_reply(struct http_reply *r, struct http_reply **out)
{
	if (r == NULL)
		return RC_ENOMEM;
	*out = r;
	return RC_OK;
}

static enum rc no_such_type(const struct service *sv, const char *type,
                            struct http_reply **out)
{
	const struct refusal f = {
		.status = 415, .field = "content-type",
		.value = type != NULL ? type : "",
		.text = "the body has to be of the type that the directory "
		        "names under \"accepts\"",
		.head = "Accept", .is = sv->accepts
	};

	return as_reply(refusal_reply(&f), out);
}

static enum rc no_such_coding(const char *coding, struct http_reply **out)
{
	const struct refusal f = {
		.status = 415, .field = "content-encoding", .value = coding,
		.text = "bodies of requests are read as they are, not decoded",
		.head = "Accept-Encoding", .is = "identity"
	};

	return as_reply(refusal_reply(&f), out);
}

static enum rc not_taken(const char *field, const char *value,
                         const char *text, struct http_reply **out)
{
	const struct refusal f = { .status = 406, .field = field,
	                           .value = value, .text = text };

	return as_reply(refusal_reply(&f), out);
}

enum rc answers_check(const struct answers_ask *q, struct http_reply **out)
{
	const char *type = http_header(q->rq, "Content-Type");
	const char *coding = http_header(q->rq, "Content-Encoding");

	*out = NULL;
	if (!content_type_is(type, q->sv->accepts))
		return no_such_type(q->sv, type, out);
	if (coding != NULL && strcasecmp(coding, "identity") != 0)
		return no_such_coding(coding, out);
	if (!accept_takes(q->accept, q->sv->media))
		return not_taken("accept", q->accept, "the answer is of a type "
		                 "that the request does not accept", out);
	if (coding_choose(q->accept_encoding, (1u << CODINGS) - 1) < 0)
		return not_taken("accept-encoding", q->accept_encoding,
		                 "answers come in identity, gzip or zstd",
		                 out);
	return RC_OK;
}

/* refusing */

struct http_reply *answers_busy(struct answers *a)
{
	status_add(a->status, STATUS_computed_put_off, 1);
	return refusal_unavailable(BUSY_RETRY_S,
	                           "Too many answers are under way.\n");
}

static struct http_reply *refused(struct answers *a,
                                  const struct ask_refusal *why)
{
	const struct refusal f = {
		.status = 400, .code = why->code,
		.field = why->field[0] != '\0' ? why->field : NULL,
		.value = why->has_value ? why->value : NULL,
		.text = why->text
	};

	status_add(a->status, STATUS_computed_refused, 1);
	return refusal_reply(&f);
}

/* The id of the full map that has it all. */
static const char *full_map(const struct answers_ask *q, const struct ask *ask)
{
	const struct costmap *m = NULL;

	if (ask->n_columns > 0)
		m = ask->columns[0]->map;
	for (size_t i = 0; m != NULL && i < snapshot_count(q->s); i++)
		if (resource_cost(snapshot_at(q->s, i)) == m)
			return resource_name(snapshot_at(q->s, i))->id;
	return q->sv->vtag != NULL ? q->sv->vtag->id : DIRECTORY_ID;
}

static struct http_reply *too_large(struct answers *a,
                                    const struct answers_ask *q,
                                    const struct ask *ask)
{
	struct ask_refusal why = { .code = "E_INVALID_FIELD_VALUE" };
	const enum service_kind kind = q->sv->kind;
	int n;

	snprintf(why.field, sizeof(why.field), "%s",
	         kind == SERVICE_ENDPOINT_PROPERTY ||
	         kind == SERVICE_ENDPOINT_COST ? "endpoints" : "pids");
	n = snprintf(why.text, sizeof(why.text), "the answer would be over "
	             "%zu bytes, or have over %u costs to rank: ask for less",
	             a->answer_max, RANKS_MAX);
	if (kind != SERVICE_ENDPOINT_PROPERTY && n > 0)
		snprintf(why.text + n, sizeof(why.text) - (size_t)n,
		         ", or take the full map at /maps/%s",
		         full_map(q, ask));
	return refused(a, &why);
}

/* answering */

/* Replaces the body by a coded one where the client likes that better and it is
 * smaller, or takes no other. */
static enum rc code(const struct answers_ask *q, struct held *h,
                    enum coding *used)
{
	int best = coding_choose(q->accept_encoding, (1u << CODINGS) - 1);
	bool must = coding_choose(q->accept_encoding, 1u << CODING_IDENTITY)
	            < 0;
	size_t n, max = h->len > 0 ? h->len - 1 : 0;
	char *coded;
	enum rc rc;

	*used = CODING_IDENTITY;
	if (best <= CODING_IDENTITY || (h->len < ANSWERS_CODE_MIN && !must))
		return RC_OK;
	if (must)
		max = codings_bound((enum coding)best, h->len);
	rc = codings_pack((enum coding)best, EFFORT_FAST, h->data, h->len, max,
	                  &coded, &n);
	if (rc != RC_OK)
		return must ? RC_ENOMEM : RC_OK;
	free(h->data);
	h->data = coded;
	h->len = n;
	*used = (enum coding)best;
	return RC_OK;
}

static enum rc put_headers(const struct service *sv, enum coding coding,
                           struct http_reply *r)
{
	const char *name = coding_name(coding);
	enum rc rc = http_reply_header(r, "Content-Type", sv->media);

	if (rc == RC_OK && name != NULL)
		rc = http_reply_header(r, "Content-Encoding", name);
	if (rc == RC_OK)
		rc = http_reply_header(r, "Vary", "Accept-Encoding");
	if (rc == RC_OK)
		rc = http_reply_header(r, "Cache-Control", "no-store");
	return rc;
}

/* Takes h over. */
static struct http_reply *reply_with(const struct answers_ask *q,
                                     struct held *h, uint64_t *size)
{
	struct http_reply *r;
	enum coding coding;

	if (code(q, h, &coding) != RC_OK) {
		held_free(h);
		return NULL;
	}
	if (h->len < h->share) {
		give_back(h->a, h->share - h->len);
		h->share = h->len;
	}
	*size = h->len;
	if (http_reply_new_bytes(200, &(struct http_bytes){
		h->data, h->len, held_free, h }, &r) != RC_OK)
		return NULL;
	if (put_headers(q->sv, coding, r) == RC_OK)
		return r;
	http_reply_unref(r);
	return NULL;
}

/* The answer within share, which is taken over. */
static enum rc compute(struct answers *a, const struct answers_ask *q,
                       const struct ask *ask, size_t share, struct held **out)
{
	struct buf body = BUF_INIT(share);
	struct ask_endpoint self = { .text = q->caller };
	struct held *h = malloc(sizeof(*h));
	enum rc rc = h != NULL ? RC_OK : RC_ENOMEM;

	if (rc == RC_OK && (ask->src.self || ask->dst.self))
		rc = ask_endpoint_read(q->caller, strlen(q->caller), &self);
	if (rc == RC_OK)
		rc = answer_write(q->sv, ask, &self, &body);
	if (rc == RC_OK)
		rc = buf_rc(&body);
	if (rc == RC_OK) {
		*h = (struct held){ .a = a, .share = share };
		h->data = buf_take(&body, &h->len);
		rc = h->data != NULL ? RC_OK : RC_ENOMEM;
	}
	buf_free(&body);
	if (rc == RC_OK) {
		*out = h;
		return RC_OK;
	}
	free(h);
	give_back(a, share);
	return rc;
}

static struct http_reply *answer(struct answers *a, const struct answers_ask *q,
                                 const struct ask *ask, uint64_t *size)
{
	size_t share = reserve(a);
	struct held *h = NULL;

	if (share == 0)
		return answers_busy(a);
	switch (compute(a, q, ask, share, &h)) {
	case RC_OK:
		return reply_with(q, h, size);
	case RC_ELIMIT:
		return share < a->answer_max ? answers_busy(a) : too_large(a, q, ask);
	default:
		return NULL;
	}
}

/* Bytes of a network map are worth more than what else is counted: nothing is
 * computed for them. */
static bool is_quick(const struct service *sv, const struct ask *ask)
{
	uint64_t bytes = 0;

	if (sv->kind != SERVICE_NETWORK_MAP)
		return ask_work(ask) <= ANSWERS_QUICK_WORK;
	for (size_t i = 0; i < ask->src.n; i++)
		bytes += netmap_row(sv->net, ask->src.pid[i])->row.text_len;
	return bytes / 16 <= ANSWERS_QUICK_WORK;
}

/* heavy NULL: it may be. */
static struct http_reply *get(struct answers *a, const struct answers_ask *q,
                              uint64_t *size, bool *heavy)
{
	struct ask_refusal why;
	struct http_reply *r = NULL;
	struct ask *ask = NULL;

	memset(&why, 0, sizeof(why));
	*size = 0;
	switch (ask_read(q->sv, q->rq->body, q->rq->len, &ask, &why)) {
	case RC_OK:
		if (heavy != NULL && !is_quick(q->sv, ask))
			*heavy = true;
		else
			r = answer(a, q, ask, size);
		break;
	case RC_ERULE:
		r = refused(a, &why);
		break;
	default:
		break;
	}
	ask_free(ask);
	return r;
}

struct http_reply *answers_get(struct answers *a, const struct answers_ask *q,
                               uint64_t *size)
{
	return get(a, q, size, NULL);
}

struct http_reply *answers_quick(struct answers *a,
                                 const struct answers_ask *q, uint64_t *size,
                                 bool *heavy)
{
	*heavy = q->rq->len > ANSWERS_QUICK_BODY;
	return *heavy ? NULL : get(a, q, size, heavy);
}

enum rc answers_new(const struct answers_config *cfg, struct answers **out)
{
	struct answers *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return RC_ENOMEM;
	a->answers_max = cfg->answers_max;
	a->answer_max = cfg->answer_max < cfg->answers_max ? cfg->answer_max :
		(size_t)cfg->answers_max;
	a->status = cfg->status;
	atomic_init(&a->held, 0);
	*out = a;
	return RC_OK;
}

void answers_free(struct answers *a)
{
	free(a);
}
