#include "common/net/http_request.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "common/net/http_head.h"

struct http_kept {
	struct http_request rq;
	struct buf body;
	char texts[];
};

const char *http_header(const struct http_request *rq, const char *name)
{
	if (rq->conn == NULL)
		return NULL;
	return MHD_lookup_connection_value(rq->conn, MHD_HEADER_KIND, name);
}

size_t http_header_list(const struct http_request *rq, const char *name,
                        char *dst, size_t size)
{
	if (rq->conn != NULL)
		return http_head_list(rq->conn, name, dst, size);
	dst[0] = '\0';
	return 0;
}

/* Copies text to *at, which moves on. */
static const char *keep_text(char **at, const char *text)
{
	char *copy = *at;
	size_t n;

	if (text == NULL)
		return NULL;
	n = strlen(text) + 1;
	memcpy(copy, text, n);
	*at += n;
	return copy;
}

struct http_kept *http_kept_new(const struct http_request *rq)
{
	size_t query = rq->query != NULL ? strlen(rq->query) + 1 : 0;
	struct http_kept *k = malloc(sizeof(*k) + strlen(rq->method) +
	                             strlen(rq->path) + strlen(rq->peer) + 3 +
	                             query);
	char *at;

	if (k == NULL)
		return NULL;
	at = k->texts;
	k->rq = (struct http_request){
		.method = keep_text(&at, rq->method),
		.path = keep_text(&at, rq->path),
		.query = keep_text(&at, rq->query),
		.peer = keep_text(&at, rq->peer),
		.body = rq->body, .len = rq->len
	};
	buf_init(&k->body, 0);
	return k;
}

void http_kept_body(struct http_kept *k, struct buf *body)
{
	k->body = *body;
	buf_init(body, 0);
}

const struct http_request *http_kept_request(const struct http_kept *k)
{
	return &k->rq;
}

void http_kept_free(struct http_kept *k)
{
	if (k == NULL)
		return;
	buf_free(&k->body);
	free(k);
}
