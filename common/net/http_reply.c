#include "common/net/http_reply.h"

#include <microhttpd.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/net/http_head.h"

#define READ_BLOCK 65536	/* bytes asked of a reader at once */

struct field {
	struct field *next;
	char *value;		/* behind name */
	char name[];
};

struct http_reply {
	atomic_uint refs;
	unsigned status;
	struct MHD_Response *mhd;	/* NULL: has a reader; made each time */
	struct http_reader reader;
	struct field *fields;
};

static enum rc reply_alloc(unsigned status, struct http_reply **out)
{
	struct http_reply *r;

	if (status < 200 || status > 599)
		return RC_EINVAL;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return RC_ENOMEM;
	atomic_init(&r->refs, 1);
	r->status = status;
	*out = r;
	return RC_OK;
}

static void no_free(void *arg)
{
	(void)arg;
}

enum rc http_reply_new_bytes(unsigned status, const struct http_bytes *body,
                             struct http_reply **out)
{
	void (*free_body)(void *) = body->free != NULL ? body->free : no_free;
	struct http_reply *r;
	enum rc rc = reply_alloc(status, &r);
	union {			/* MHD reads it only, and says so nowhere */
		const void *in;
		void *out;
	} data = { body->len > 0 ? body->data : "" };

	if (rc == RC_OK) {
		r->mhd = MHD_create_response_from_buffer_with_free_callback_cls(
			body->len, data.out, free_body, body->arg);
		if (r->mhd != NULL) {
			*out = r;
			return RC_OK;
		}
		free(r);
		rc = RC_ENOMEM;
	}
	free_body(body->arg);
	return rc;
}

enum rc http_reply_new_reader(unsigned status, const struct http_reader *body,
                              struct http_reply **out)
{
	struct http_reply *r;
	enum rc rc = reply_alloc(status, &r);

	if (rc != RC_OK) {
		if (body->free != NULL)
			body->free(body->arg);
		return rc;
	}
	r->reader = *body;
	*out = r;
	return RC_OK;
}

enum rc http_reply_new_text(unsigned status, const char *media,
                            const char *text, struct http_reply **out)
{
	struct http_bytes body = { NULL, strlen(text), free, NULL };
	struct http_reply *r;
	enum rc rc;
	char *copy = strdup(text);

	if (copy == NULL)
		return RC_ENOMEM;
	body.data = body.arg = copy;
	rc = http_reply_new_bytes(status, &body, &r);
	if (rc != RC_OK)
		return rc;
	if (media != NULL)
		rc = http_reply_header(r, "Content-Type", media);
	if (rc == RC_OK)
		*out = r;
	else
		http_reply_unref(r);
	return rc;
}

static enum rc add_field(struct http_reply *r, const char *name,
                         const char *value)
{
	size_t n = strlen(name) + 1, v = strlen(value) + 1;
	struct field **at = &r->fields;
	struct field *f = malloc(sizeof(*f) + n + v);

	if (f == NULL)
		return RC_ENOMEM;
	f->next = NULL;
	f->value = f->name + n;
	memcpy(f->name, name, n);
	memcpy(f->value, value, v);
	while (*at != NULL)
		at = &(*at)->next;
	*at = f;
	return RC_OK;
}

enum rc http_reply_header(struct http_reply *r, const char *name,
                          const char *value)
{
	if (!http_field_ok(name, value))
		return RC_EINVAL;
	if (r->mhd == NULL)
		return add_field(r, name, value);
	return MHD_add_response_header(r->mhd, name, value) == MHD_YES
		? RC_OK : RC_ENOMEM;
}

unsigned http_reply_status(const struct http_reply *r)
{
	return r->status;
}

struct http_reply *http_reply_ref(struct http_reply *r)
{
	atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
	return r;
}

void http_reply_unref(struct http_reply *r)
{
	struct field *f;

	if (r == NULL || atomic_fetch_sub(&r->refs, 1) > 1)
		return;
	if (r->mhd != NULL)	/* those being sent keep it, and the body */
		MHD_destroy_response(r->mhd);
	else if (r->reader.free != NULL)
		r->reader.free(r->reader.arg);
	while ((f = r->fields) != NULL) {
		r->fields = f->next;
		free(f);
	}
	free(r);
}

/* sending */

static ssize_t on_read(void *arg, uint64_t off, char *buf, size_t max)
{
	const struct http_reply *r = arg;
	ssize_t n = r->reader.read(r->reader.arg, off, buf, max);

	return n > 0 ? n : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void on_read_done(void *arg)
{
	http_reply_unref(arg);
}

/* One response object with a reader serves its connections in turn, from one
 * buffer under one lock: so each request gets its own. */
static struct MHD_Response *reader_response(struct http_reply *r)
{
	struct MHD_Response *m = MHD_create_response_from_callback(
		r->reader.len, READ_BLOCK, on_read, r, on_read_done);

	if (m == NULL)
		return NULL;
	http_reply_ref(r);
	for (const struct field *f = r->fields; f != NULL; f = f->next) {
		if (MHD_add_response_header(m, f->name, f->value) != MHD_YES) {
			MHD_destroy_response(m);
			return NULL;
		}
	}
	return m;
}

static bool queue_bare(struct MHD_Connection *conn, unsigned status)
{
	struct MHD_Response *m = MHD_create_response_from_buffer(0, NULL,
	                                        MHD_RESPMEM_PERSISTENT);
	enum MHD_Result res;

	if (m == NULL)
		return false;
	res = MHD_queue_response(conn, status, m);
	MHD_destroy_response(m);
	return res == MHD_YES;
}

bool http_reply_queue(struct http_reply *r, struct MHD_Connection *conn)
{
	struct MHD_Response *m;
	enum MHD_Result res;

	if (r == NULL)
		return queue_bare(conn, MHD_HTTP_INTERNAL_SERVER_ERROR);
	m = r->mhd != NULL ? r->mhd : reader_response(r);
	if (m == NULL)
		return queue_bare(conn, MHD_HTTP_INTERNAL_SERVER_ERROR);
	res = MHD_queue_response(conn, r->status, m);
	if (m != r->mhd)
		MHD_destroy_response(m);
	return res == MHD_YES;
}

/* entity tags */

/* The opaque tag, quotes included, of one at s; 0: there is none. */
static size_t etag_len(const char *s)
{
	size_t n = 1;

	if (s[0] != '"')
		return 0;
	while (s[n] != '\0' && s[n] != '"')
		n++;
	return s[n] == '"' ? n + 1 : 0;
}

static const char *skip_weak(const char *s)
{
	return s[0] == 'W' && s[1] == '/' ? s + 2 : s;
}

bool http_etag_match(const char *if_none_match, const char *etag)
{
	const char *s = if_none_match;
	size_t len, want;

	if (s == NULL || etag == NULL)
		return false;
	etag = skip_weak(etag);
	want = etag_len(etag);
	s += strspn(s, " \t");
	if (want == 0)
		return false;
	if (s[0] == '*')
		return s[1 + strspn(s + 1, " \t")] == '\0';
	for (;;) {
		s += strspn(s, " \t,");
		s = skip_weak(s);
		len = etag_len(s);
		if (len == 0)
			return false;	/* the end, or nothing we know */
		if (len == want && memcmp(s, etag, len) == 0)
			return true;
		s += len;
	}
}
