#include "common/net/httpc_url.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool scheme_known(const char *s)
{
	return strcmp(s, "http") == 0 || strcmp(s, "https") == 0 ||
		strcmp(s, "ws") == 0 || strcmp(s, "wss") == 0;
}

static CURLU *parse(const char *text)
{
	CURLU *u = NULL;
	char *scheme = NULL;
	bool ok;

	if (strlen(text) > HTTPC_URL_MAX)
		return NULL;
	u = curl_url();
	if (u == NULL)
		return NULL;
	ok = curl_url_set(u, CURLUPART_URL, text,
	                  CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
		curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
		scheme_known(scheme);
	curl_free(scheme);
	if (ok)
		return u;
	curl_url_cleanup(u);
	return NULL;
}

struct origin {
	char *scheme, *host, *port;
};

static bool origin_get(CURLU *u, struct origin *o)
{
	*o = (struct origin){ NULL, NULL, NULL };
	if (curl_url_get(u, CURLUPART_SCHEME, &o->scheme, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_HOST, &o->host, 0) != CURLUE_OK)
		return false;
	/* NULL is the default: its number depends on what libcurl was built
	 * with. */
	(void)curl_url_get(u, CURLUPART_PORT, &o->port, 0);
	return true;
}

static void origin_free(struct origin *o)
{
	curl_free(o->scheme);
	curl_free(o->host);
	curl_free(o->port);
}

static long origin_port(const struct origin *o)
{
	if (o->port != NULL)
		return strtol(o->port, NULL, 10);
	return strcmp(o->scheme, "https") == 0 || strcmp(o->scheme, "wss") == 0
		? 443 : 80;
}

static bool same_origin(CURLU *a, CURLU *b)
{
	struct origin x, y;
	bool ok = origin_get(a, &x);

	ok = origin_get(b, &y) && ok && strcmp(x.scheme, y.scheme) == 0 &&
		strcasecmp(x.host, y.host) == 0 &&
		origin_port(&x) == origin_port(&y);
	origin_free(&x);
	origin_free(&y);
	return ok;
}

bool httpc_same_origin(const char *a, const char *b)
{
	CURLU *x = parse(a), *y = parse(b);
	bool same = x != NULL && y != NULL && same_origin(x, y);

	curl_url_cleanup(x);
	curl_url_cleanup(y);
	return same;
}

bool httpc_same_host(const char *a, const char *b)
{
	CURLU *u = parse(a), *v = parse(b);
	struct origin x = { NULL, NULL, NULL }, y = x;
	bool same = u != NULL && v != NULL && origin_get(u, &x) &&
		origin_get(v, &y) && strcasecmp(x.host, y.host) == 0;

	origin_free(&x);
	origin_free(&y);
	curl_url_cleanup(u);
	curl_url_cleanup(v);
	return same;
}

static enum rc join(CURLU *u, const char *ref)
{
	char *scheme = NULL;
	bool ok;

	if (ref[0] == '\0' || ref[0] == '#')
		return RC_OK;		/* the base itself */
	if (strlen(ref) > HTTPC_URL_MAX ||
	    curl_url_set(u, CURLUPART_URL, ref,
	                 CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
		return RC_EINVAL;
	ok = curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
		scheme_known(scheme);
	curl_free(scheme);
	return ok ? RC_OK : RC_EINVAL;
}

enum rc httpc_url_join(const char *base, const char *ref, bool same,
                       struct buf *out)
{
	CURLU *from = parse(base), *u = NULL;
	char *text = NULL;
	enum rc rc = RC_EINVAL;

	if (from == NULL)
		goto out;
	rc = RC_ENOMEM;
	u = curl_url_dup(from);
	if (u == NULL)
		goto out;
	rc = join(u, ref);
	if (rc != RC_OK)
		goto out;
	rc = RC_ERULE;
	if (same && !same_origin(from, u))
		goto out;
	rc = RC_ENOMEM;
	if (curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_URL, &text, 0) != CURLUE_OK)
		goto out;
	buf_puts(out, text);
	rc = buf_rc(out);
out:
	curl_free(text);
	curl_url_cleanup(u);
	curl_url_cleanup(from);
	return rc;
}

bool httpc_url_is_http(const char *url)
{
	CURLU *u = parse(url);
	char *scheme = NULL;
	bool http;

	http = u != NULL &&
		curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
		strncmp(scheme, "http", 4) == 0;
	curl_free(scheme);
	curl_url_cleanup(u);
	return http;
}

void httpc_url_print(const char *url, char *dst, size_t size)
{
	CURLU *u = parse(url);
	char *text = NULL;

	if (u != NULL &&
	    curl_url_set(u, CURLUPART_USER, NULL, 0) == CURLUE_OK &&
	    curl_url_set(u, CURLUPART_PASSWORD, NULL, 0) == CURLUE_OK)
		(void)curl_url_get(u, CURLUPART_URL, &text, 0);
	snprintf(dst, size, "%.250s", text != NULL ? text : "the URL");
	curl_free(text);
	curl_url_cleanup(u);
}
