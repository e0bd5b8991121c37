#include "common/service/mapreply.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/core/vtag.h"
#include "common/service/cors.h"
#include "common/wire/media.h"
#include "common/wire/state_json.h"

#define STATE_MAX_AGE 5		/* seconds */
#define PROOF_TEXT (MERKLE_PATH_MAX * SHA256_SIZE * 2)

struct headers {
	const char *type;
	char cache[48], status[48];
	struct buf proof;
	const char *leaf;		/* NULL: not a resource */
	const char *push;		/* NULL: not said here */
};

static bool is_state(const struct mapreply *m)
{
	return m->i == snapshot_count(m->s);
}

/* headers */

int64_t mapreply_age(const struct state *st, int64_t now)
{
	return now > st->created ? now - st->created : 0;
}

static void time_headers(const struct mapreply *m, struct headers *h)
{
	const struct state *st = snapshot_state(m->s);
	int64_t age = mapreply_age(st, m->now), left = st->expires - m->now;
	int64_t max_age = m->heartbeat;

	if (is_state(m) && max_age > STATE_MAX_AGE)
		max_age = STATE_MAX_AGE;
	if (left > max_age)
		left = max_age;
	snprintf(h->cache, sizeof(h->cache), "max-age=%lld",
	         (long long)(left > 0 ? left : 0));
	snprintf(h->status, sizeof(h->status), "%s;age=%lld",
	         !snapshot_signed(m->s) ? "unsigned" :
	         age < (int64_t)STATE_FRESH_BEATS * m->heartbeat ? "fresh" :
	         "stale", (long long)age);
}

static enum rc fill_headers(const struct mapreply *m, struct headers *h)
{
	uint8_t path[MERKLE_PATH_MAX * SHA256_SIZE];
	size_t n;

	time_headers(m, h);
	if (is_state(m)) {
		h->type = MEDIA_STATE;
		return RC_OK;
	}
	h->type = resource_name(snapshot_at(m->s, m->i))->type;
	if (!snapshot_signed(m->s))
		return RC_OK;
	if ((long)m->i == snapshot_find(m->s, DIRECTORY_ID))
		h->push = m->push_uri;
	h->leaf = resource_leaf(snapshot_at(m->s, m->i));
	n = snapshot_path(m->s, m->i, path);
	proof_print(path, n, m->i, &h->proof);
	return buf_rc(&h->proof);
}

static enum rc put_filled(const struct mapreply *m, const struct headers *h,
                          struct http_reply *r)
{
	const struct state *st = h->leaf != NULL ? snapshot_state(m->s) : NULL;
	const char *const lines[][2] = {
		{ "Content-Type", h->type },
		{ "Content-Encoding", coding_name(m->coding) },
		{ "ETag", m->etag },
		{ "Accept-Ranges", m->coding == CODING_IDENTITY ? "bytes" :
		                   NULL },
		{ "Cache-Control", h->cache },
		{ "Vary", m->vary },
		{ "ALTO-Status", h->status },
		{ "ALTO-Push", h->push },
		{ "ALTO-Resource", h->leaf },
		{ "ALTO-Proof", st ? buf_str(&h->proof) : NULL },
		{ "ALTO-State", st ? st->text : NULL },
		{ "Signature-Input", st ? st->input : NULL },
		{ "Signature", st ? st->signature : NULL }
	};
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < sizeof(lines) / sizeof(*lines);
	     i++)
		if (lines[i][1] != NULL && lines[i][1][0] != '\0')
			rc = http_reply_header(r, lines[i][0], lines[i][1]);
	return rc == RC_OK ? cors_put(m->allow, r) : rc;
}

/* Gives r to *out, or lets go of it. */
static enum rc put_headers(const struct mapreply *m, struct http_reply *r,
                           struct http_reply **out)
{
	struct headers h = { .proof = BUF_INIT(PROOF_TEXT) };
	enum rc rc = fill_headers(m, &h);

	if (rc == RC_OK)
		rc = put_filled(m, &h, r);
	if (rc == RC_OK)
		*out = r;
	else
		http_reply_unref(r);
	buf_free(&h.proof);
	return rc;
}

/* bodies */

/* A resource from some byte on. */
struct rest {
	struct resource *r;
	uint64_t first;
};

static ssize_t read_rest(void *arg, uint64_t off, char *dst, size_t max)
{
	const struct rest *rest = arg;

	return (ssize_t)resource_read(rest->r, rest->first + off, dst, max);
}

static void let_rest_go(void *arg)
{
	struct rest *rest = arg;

	resource_unref(rest->r);
	free(rest);
}

static enum rc from_resource(const struct mapreply *m, unsigned status,
                             uint64_t first, uint64_t len,
                             struct http_reply **out)
{
	struct rest *rest = malloc(sizeof(*rest));

	if (rest == NULL)
		return RC_ENOMEM;
	rest->r = resource_ref(snapshot_at(m->s, m->i));
	rest->first = first;
	return http_reply_new_reader(status, &(struct http_reader){
		.read = read_rest, .len = len, .free = let_rest_go,
		.arg = rest }, out);
}

static enum rc with_body(const struct mapreply *m, unsigned status,
                         uint64_t first, uint64_t len,
                         struct http_reply **out)
{
	if (m->body == NULL)
		return from_resource(m, status, first, len, out);
	return http_reply_new_bytes(status, &(struct http_bytes){
		m->body->data + first, (size_t)len, blob_unref,
		blob_ref(m->body) }, out);
}

static uint64_t size_of(const struct mapreply *m)
{
	return m->body != NULL ? m->body->len
	                       : resource_size(snapshot_at(m->s, m->i));
}

/* replies */

enum rc mapreply_full(const struct mapreply *m, struct http_reply **out)
{
	struct http_reply *r;
	enum rc rc = with_body(m, 200, 0, size_of(m), &r);

	return rc == RC_OK ? put_headers(m, r, out) : rc;
}

enum rc mapreply_unchanged(const struct mapreply *m, struct http_reply **out)
{
	struct http_reply *r;
	enum rc rc = http_reply_new_bytes(304, &(struct http_bytes){
		NULL, 0, NULL, NULL }, &r);

	return rc == RC_OK ? put_headers(m, r, out) : rc;
}

enum rc mapreply_part(const struct mapreply *m, uint64_t first, uint64_t len,
                      struct http_reply **out)
{
	struct http_reply *r;
	char range[80];
	enum rc rc = with_body(m, 206, first, len, &r);

	if (rc != RC_OK)
		return rc;
	snprintf(range, sizeof(range), "bytes %llu-%llu/%llu",
	         (unsigned long long)first,
	         (unsigned long long)(first + len - 1),
	         (unsigned long long)size_of(m));
	rc = http_reply_header(r, "Content-Range", range);
	if (rc == RC_OK)
		return put_headers(m, r, out);
	http_reply_unref(r);
	return rc;
}
