/* Requests by HTTP, and from whom a body is to be had. */
#include "proxy/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/net/httpc.h"
#include "common/wire/json.h"

#define TIMEOUT_MS	20000
#define SLACK		(1u << 20)	/* bytes; all of a state document */

/* Pull thread. An outcome that gets lost would be waited for in vain, so the writer
 * is told to start again. */
static void on_fetched(struct pull_result *r, void *arg)
{
	struct applier *a = arg;
	struct msg_fetched *m = calloc(1, sizeof(*m));

	if (!m) {
		pull_result_free(r);
		atomic_store(&a->lost, true);
		return;
	}
	m->msg.kind = MSG_FETCHED;
	m->msg.size = sizeof(*m) + (r->rc == RC_OK ? r->answer.body.len : 0);
	m->result = r;
	if (!house_to_writer(a->house, &m->msg))
		atomic_store(&a->lost, true);
}

/* A body is fetched in the time that a slow line needs for it, and no more of it
 * is taken than one that has doubled since it was ordered. */
static void bound(const struct fetch *f, struct pull_request *rq)
{
	uint64_t most = f->size * 2 + SLACK;

	rq->max_body = most < f->who->body_max ? (size_t)most :
	               f->who->body_max;
	rq->timeout_ms = TIMEOUT_MS + (unsigned)(rq->max_body / FETCH_RATE) * 1000;
}

enum rc fetch_start(struct applier *a, const struct fetch *f,
                    uint64_t *ticket)
{
	struct buf url = BUF_INIT(HTTPC_URL_MAX);
	struct pull_request rq = {
		.kind = (int)f->kind, .id = f->id, .number = f->number,
		.no_cache = f->no_cache,
		.authorization = f->who->authorization,
		.if_none_match = f->if_none_match, .tls = f->who->tls,
		.within_ms = f->within * 1000, .done = on_fetched, .arg = a,
	};
	/* What comes from the wire cannot lead to another origin. */
	enum rc rc = httpc_url_join(f->who->directory, f->uri, true, &url);

	bound(f, &rq);
	if (rc == RC_OK) {
		rq.url = buf_str(&url);
		rc = pull_get(f->kind == FETCH_BODY || f->kind == FETCH_STATE ?
		              a->house->pull : a->aside, &rq, ticket);
	}
	buf_free(&url);
	return rc;
}

/* How often this body has been asked for again. */
static unsigned tries_of(struct applier *a, const char *id, bool again)
{
	size_t i = 0;

	while (i < a->n_retries && strcmp(a->retries[i].id, id) != 0)
		i++;
	if (!again) {
		if (i < a->n_retries)
			a->retries[i] = a->retries[--a->n_retries];
		return 0;
	}
	if (i == a->n_retries) {
		if (i == RETRIES_MAX)
			return 1;
		snprintf(a->retries[i].id, sizeof(a->retries[i].id), "%s", id);
		a->retries[i].tries = 0;
		a->n_retries++;
	}
	return ++a->retries[i].tries;
}

const struct contact *fetch_from(struct applier *a, const char *id,
                                 bool again)
{
	size_t at = sources_chosen(a->sources);

	if (tries_of(a, id, again) == 2)
		at = sources_next(a->sources, at);
	return a->trust.step == TRUST_ROUND ? contacts_origin(a->contacts) :
		contacts_at(a->contacts, at);
}

void fetch_why(const struct pull_result *r, char why[WHY_MAX])
{
	if (r->rc != RC_OK)
		snprintf(why, WHY_MAX, "%.250s", r->why.text[0] ?
		         r->why.text : rc_text(r->rc));
	else
		snprintf(why, WHY_MAX, "%.200s answers %u", r->answer.url,
		         r->answer.status);
}

struct sub_body fetch_body(const struct pull_result *r)
{
	const struct httpc_answer *w = &r->answer;
	struct sub_body b = { .id = r->id, .number = r->number };

	b.ok = r->rc == RC_OK && w->status == 200;
	if (!b.ok)
		return b;
	b.headers.resource = httpc_header(w, "ALTO-Resource");
	b.headers.proof = httpc_header(w, "ALTO-Proof");
	b.headers.state = httpc_header(w, "ALTO-State");
	b.headers.input = httpc_header(w, "Signature-Input");
	b.headers.signature = httpc_header(w, "Signature");
	b.body = buf_str(&w->body);
	b.len = w->body.len;
	return b;
}

bool fetch_is_plain(const struct httpc_answer *w)
{
	json_t *doc = NULL, *meta;
	bool plain;

	if (json_read(buf_str(&w->body), w->body.len, JSON_SMALL_MAX, &doc,
	              NULL) != RC_OK)
		return false;
	meta = json_object_get(doc, "meta");
	plain = json_is_object(meta) &&
	        json_is_object(json_object_get(doc, "resources")) &&
	        !json_object_get(meta, "redistribution");
	json_decref(doc);
	return plain;
}
