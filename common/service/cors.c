#include "common/service/cors.h"

#include <stdlib.h>
#include <string.h>

#define EXPOSED "ALTO-Proof, ALTO-Push, ALTO-Resource, ALTO-State, " \
	"ALTO-Status, Accept-Ranges, Content-Encoding, Content-Range, Date, " \
	"ETag, Retry-After, Signature, Signature-Input"
#define MAY_SEND "Accept, Cache-Control, Content-Type, If-None-Match, " \
	"If-Range, Range"
#define PREFLIGHT_S "7200"	/* browsers keep it no longer */

struct cors {
	bool any;
	size_t n;
	char *origin[];
};

enum rc cors_new(const char *const *origins, size_t n, struct cors **out)
{
	struct cors *c = calloc(1, sizeof(*c) + n * sizeof(c->origin[0]));

	if (c == NULL)
		return RC_ENOMEM;
	for (size_t i = 0; i < n; i++) {
		c->any |= strcmp(origins[i], "*") == 0;
		c->origin[i] = strdup(origins[i]);
		c->n++;
		if (c->origin[i] == NULL) {
			cors_free(c);
			return RC_ENOMEM;
		}
	}
	*out = c;
	return RC_OK;
}

void cors_free(struct cors *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->n; i++)
		free(c->origin[i]);
	free(c);
}

bool cors_by_origin(const struct cors *c)
{
	return c->n > 0 && !c->any;
}

/* Serialised origins are in lower case (RFC 6454 s6.2), so bytes decide. What is
 * echoed is ours: nothing of a request gets into the reply. */
const char *cors_allow(const struct cors *c, const char *origin)
{
	if (c->any)
		return "*";
	if (origin == NULL)
		return NULL;
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->origin[i], origin) == 0)
			return c->origin[i];
	return NULL;
}

enum rc cors_put(const char *allow, struct http_reply *r)
{
	enum rc rc;

	if (allow == NULL)
		return RC_OK;
	rc = http_reply_header(r, "Access-Control-Allow-Origin", allow);
	if (rc == RC_OK)
		rc = http_reply_header(r, "Access-Control-Expose-Headers",
		                       EXPOSED);
	return rc;
}

enum rc cors_put_preflight(const char *methods, struct http_reply *r)
{
	enum rc rc = http_reply_header(r, "Access-Control-Allow-Methods",
	                               methods);

	if (rc == RC_OK)
		rc = http_reply_header(r, "Access-Control-Allow-Headers",
		                       MAY_SEND);
	if (rc == RC_OK)
		rc = http_reply_header(r, "Access-Control-Max-Age",
		                       PREFLIGHT_S);
	return rc;
}
