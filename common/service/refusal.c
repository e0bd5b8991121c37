#include "common/service/refusal.h"

#include <stdio.h>
#include <string.h>

#include "common/wire/error_json.h"
#include "common/wire/media.h"

#define BODY_MAX 8192
#define VALUE_MAX 255		/* bytes of a request repeated in an error */

/* name NULL: no more to say. */
static struct http_reply *finish(struct http_reply *r, const char *name,
                                 const char *value)
{
	enum rc rc = http_reply_header(r, "Cache-Control", "no-store");

	if (rc == RC_OK && name != NULL)
		rc = http_reply_header(r, name, value);
	if (rc == RC_OK)
		return r;
	http_reply_unref(r);
	return NULL;
}

static void put_error(const struct refusal *f, struct buf *dst)
{
	char shown[VALUE_MAX + 1];
	size_t n = f->value != NULL ? strnlen(f->value, VALUE_MAX) : 0;

	for (size_t i = 0; i < n; i++)
		shown[i] = f->value[i] >= ' ' && f->value[i] < 0x7f
			? f->value[i] : '?';
	shown[n] = '\0';
	error_json(f->code != NULL ? f->code : "E_INVALID_FIELD_VALUE",
	           f->field, f->value != NULL ? shown : NULL, f->text, dst);
}

struct http_reply *refusal_reply(const struct refusal *f)
{
	struct buf body = BUF_INIT(BODY_MAX);
	struct http_reply *r = NULL;

	put_error(f, &body);
	if (buf_rc(&body) != RC_OK ||
	    http_reply_new_text(f->status, MEDIA_ERROR, buf_str(&body), &r)
	    != RC_OK)
		r = NULL;
	buf_free(&body);
	return r != NULL ? finish(r, f->head, f->is) : NULL;
}

struct http_reply *refusal_unavailable(unsigned retry_after, const char *text)
{
	struct http_reply *r;
	char seconds[16];

	snprintf(seconds, sizeof(seconds), "%u", retry_after);
	if (http_reply_new_text(503, "text/plain", text, &r) != RC_OK)
		return NULL;
	return finish(r, "Retry-After", seconds);
}
