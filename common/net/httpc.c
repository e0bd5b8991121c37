#include "common/net/httpc.h"

#include <curl/curl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/net/httpc_terms.h"
#include "common/sys/clock.h"

#define CONNECT_MS 10000
#define HEADERS_MAX 65536	/* bytes of all header lines of an answer */

const char *const httpc_kept[] = {
	"ALTO-Resource", "ALTO-State", "ALTO-Proof", "ALTO-Push", "ALTO-Status",
	"Signature-Input", "Signature", "ETag", "Content-Type", "Retry-After",
	"Age", "Cache-Control", "Date", "Location", NULL
};

struct httpc {
	CURL *curl;
	char *user_agent;
	unsigned connect_ms, low_speed, low_speed_s;
	struct httpc_terms terms;	/* of the request under way */
	char error[CURL_ERROR_SIZE];
};

/* One exchange; a redirect makes another. */
struct exchange {
	CURL *curl;
	const struct httpc_request *rq;
	struct httpc_answer answer;
	size_t header_bytes;
	enum rc rc;			/* why we broke off */
	bool coded;			/* Content-Encoding */
	bool sized;
};

/* client */

enum rc httpc_new(const struct httpc_options *opt, struct httpc **out)
{
	struct httpc *c;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return RC_EIO;
	c = calloc(1, sizeof(*c));
	if (c == NULL) {
		curl_global_cleanup();
		return RC_ENOMEM;
	}
	httpc_terms_init(&c->terms);
	c->user_agent = strdup(opt->user_agent);
	c->connect_ms = opt->connect_ms != 0 ? opt->connect_ms : CONNECT_MS;
	c->low_speed = opt->low_speed;
	c->low_speed_s = opt->low_speed_s;
	c->curl = curl_easy_init();
	if (c->curl == NULL || c->user_agent == NULL) {
		httpc_free(c);
		return RC_ENOMEM;
	}
	*out = c;
	return RC_OK;
}

void httpc_free(struct httpc *c)
{
	if (c == NULL)
		return;
	curl_easy_cleanup(c->curl);
	free(c->user_agent);
	free(c);
	curl_global_cleanup();
}

/* answers */

static struct httpc_field *find_field(struct httpc_answer *a, const char *name)
{
	for (size_t i = 0; i < a->n_fields; i++)
		if (strcasecmp(a->field[i].name, name) == 0)
			return &a->field[i];
	return NULL;
}

const char *httpc_header(const struct httpc_answer *a, const char *name)
{
	for (size_t i = 0; i < a->n_fields; i++)
		if (strcasecmp(a->field[i].name, name) == 0)
			return a->field[i].value;
	return NULL;
}

static void fields_free(struct httpc_answer *a)
{
	for (size_t i = 0; i < a->n_fields; i++)
		free(a->field[i].value);
	a->n_fields = 0;
}

void httpc_answer_free(struct httpc_answer *a)
{
	fields_free(a);
	buf_free(&a->body);
	free(a->url);
	a->url = NULL;
}

/* name is one of httpc_kept. */
static enum rc keep_field(struct httpc_answer *a, const char *name,
                          const char *value, size_t len)
{
	struct httpc_field *f = find_field(a, name);
	size_t old = f != NULL ? strlen(f->value) + 2 : 0;
	char *v;

	if (len + old > HTTPC_FIELD_MAX)
		return RC_ELIMIT;
	v = malloc(old + len + 1);
	if (v == NULL)
		return RC_ENOMEM;
	if (f != NULL) {
		memcpy(v, f->value, old - 2);
		memcpy(v + old - 2, ", ", 2);
		free(f->value);
	} else {
		f = &a->field[a->n_fields++];
		f->name = name;
	}
	memcpy(v + old, value, len);
	v[old + len] = '\0';
	f->value = v;
	return RC_OK;
}

_Static_assert(sizeof(httpc_kept) / sizeof(httpc_kept[0]) - 1 <= HTTPC_FIELDS,
               "room for one of each");

static enum rc header_line(struct exchange *x, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);
	size_t n = colon != NULL ? (size_t)(colon - line) : 0, v;
	const char *value;

	if (n == 0)
		return RC_OK;
	value = colon + 1;
	v = len - n - 1;
	while (v > 0 && strchr(" \t", *value) != NULL)
		value++, v--;
	while (v > 0 && strchr(" \t\r\n", value[v - 1]) != NULL)
		v--;
	if (n == 16 && strncasecmp(line, "Content-Encoding", n) == 0)
		x->coded = v > 0;
	for (size_t i = 0; httpc_kept[i] != NULL; i++)
		if (strlen(httpc_kept[i]) == n &&
		    strncasecmp(httpc_kept[i], line, n) == 0)
			return keep_field(&x->answer, httpc_kept[i], value, v);
	return RC_OK;
}

/* libcurl's callbacks: anything but the size given breaks off */

static size_t on_header(char *line, size_t one, size_t len, void *arg)
{
	struct exchange *x = arg;

	(void)one;
	/* Each answer, a 100 Continue too, begins with its status line. */
	if (len > 5 && memcmp(line, "HTTP/", 5) == 0) {
		fields_free(&x->answer);
		x->coded = false;
	}
	x->header_bytes += len;
	if (x->header_bytes > HEADERS_MAX)
		x->rc = RC_ELIMIT;
	else
		x->rc = header_line(x, line, len);
	return x->rc == RC_OK ? len : 0;
}

/* A body of known length is given its room at once, and refused at once. */
static enum rc expect_body(struct exchange *x)
{
	curl_off_t n = -1;

	x->sized = true;
	if (x->coded ||
	    curl_easy_getinfo(x->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T,
	                      &n) != CURLE_OK || n <= 0)
		return RC_OK;
	if ((uint64_t)n > x->rq->max_body)
		return RC_ELIMIT;
	(void)buf_room(&x->answer.body, (size_t)n);
	return buf_rc(&x->answer.body);
}

static size_t on_data(char *data, size_t one, size_t len, void *arg)
{
	struct exchange *x = arg;

	(void)one;
	if (!x->sized)
		x->rc = expect_body(x);
	if (x->rc == RC_OK) {
		buf_add(&x->answer.body, data, len);
		x->rc = buf_rc(&x->answer.body);
	}
	return x->rc == RC_OK ? len : 0;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c,
                       curl_off_t d)
{
	struct exchange *x = arg;

	(void)a;
	(void)b;
	(void)c;
	(void)d;
	if (x->rq->stop == NULL || !atomic_load(x->rq->stop))
		return 0;
	x->rc = RC_EAGAIN;
	return 1;
}

/* one exchange */

static bool add_header(struct curl_slist **list, const char *name,
                       const char *value)
{
	char line[HTTPC_FIELD_MAX + 64];
	struct curl_slist *next;
	int n;

	if (value == NULL)
		return true;
	for (const char *p = value; *p != '\0'; p++)
		if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f)
			return false;
	n = snprintf(line, sizeof(line), "%s: %s", name, value);
	if (n < 0 || (size_t)n >= sizeof(line))
		return false;
	next = curl_slist_append(*list, line);
	if (next == NULL)
		return false;
	*list = next;
	return true;
}

static enum rc make_headers(const struct httpc_request *rq,
                            struct curl_slist **out)
{
	struct curl_slist *list = NULL;

	if (add_header(&list, "Accept", rq->accept) &&
	    add_header(&list, "If-None-Match", rq->if_none_match) &&
	    add_header(&list, "Cache-Control", rq->cache_control) &&
	    add_header(&list, "Authorization", rq->authorization)) {
		*out = list;
		return RC_OK;
	}
	curl_slist_free_all(list);
	return RC_EINVAL;
}

static const char *codings(void)
{
	const curl_version_info_data *v = curl_version_info(CURLVERSION_NOW);

	if ((v->features & CURL_VERSION_ZSTD) != 0)
		return "gzip, zstd";
	return "gzip";
}

static void set_client_options(const struct httpc *c)
{
	CURL *h = c->curl;

	curl_easy_setopt(h, CURLOPT_USERAGENT, c->user_agent);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)c->connect_ms);
	curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, (long)c->low_speed);
	curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, (long)c->low_speed_s);
}

/* What must never depend on the environment or on the other end. */
static void set_fixed_options(struct httpc *c)
{
	CURL *h = c->curl;

	curl_easy_setopt(h, CURLOPT_ERRORBUFFER, c->error);
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(h, CURLOPT_PROXY, "");
	curl_easy_setopt(h, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_HTTP09_ALLOWED, 0L);
	curl_easy_setopt(h, CURLOPT_ACCEPT_ENCODING, codings());
	curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, on_progress);
}

static enum rc rc_of(CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return RC_OK;
	case CURLE_OUT_OF_MEMORY:
		return RC_ENOMEM;
	case CURLE_URL_MALFORMAT:
		return RC_EINVAL;
	case CURLE_UNSUPPORTED_PROTOCOL:	/* the answer's: HTTP/0.9 */
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_BAD_CONTENT_ENCODING:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return RC_EPROTO;
	default:
		return RC_EIO;
	}
}

static enum rc perform(struct httpc *c, struct exchange *x, const char *url,
                       long timeout_ms, struct curl_slist *headers)
{
	const char *why;
	CURLcode code;
	long status = 0;

	x->curl = c->curl;
	c->error[0] = '\0';
	curl_easy_reset(c->curl);	/* connections stay */
	set_client_options(c);
	httpc_terms_set(&c->terms, c->curl);
	set_fixed_options(c);
	curl_easy_setopt(c->curl, CURLOPT_URL, url);
	curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, timeout_ms);
	curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(c->curl, CURLOPT_HEADERDATA, x);
	curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, x);
	curl_easy_setopt(c->curl, CURLOPT_XFERINFODATA, x);
	code = curl_easy_perform(c->curl);
	why = httpc_terms_why(c->curl, code);
	if (why != NULL)
		snprintf(c->error, sizeof(c->error), "%s", why);
	if (x->rc != RC_OK)
		return x->rc;
	if (code == CURLE_OPERATION_TIMEDOUT) {
		double spent = 0;

		/* The same code stands for three limits. */
		curl_easy_getinfo(c->curl, CURLINFO_TOTAL_TIME, &spent);
		return spent * 1000 >= (double)timeout_ms ? RC_ETIME : RC_EIO;
	}
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	x->answer.status = (unsigned)status;
	return rc_of(code);
}

static bool is_redirect(const struct exchange *x)
{
	unsigned s = x->answer.status;

	return (s == 301 || s == 302 || s == 303 || s == 307 || s == 308) &&
		httpc_header(&x->answer, "Location") != NULL;
}

static enum rc explain(const struct httpc *c, enum rc rc, const char *url,
                       struct diag *diag)
{
	char shown[256];
	const char *why = c->error;

	if (rc == RC_OK)
		return rc;
	if (rc == RC_ELIMIT)
		why = "answer over the limit";
	else if (rc == RC_ERULE)
		why = "redirect to another origin, or too many";
	else if (rc == RC_EAGAIN || rc == RC_ETIME || why[0] == '\0')
		why = rc == RC_EAGAIN ? "stopped" : rc == RC_ETIME
			? "not done in time" : rc_text(rc);
	httpc_url_print(url, shown, sizeof(shown));
	return diag_set(diag, rc, "%s: %s", shown, why);
}

static void exchange_init(struct exchange *x, const struct httpc_request *rq)
{
	memset(x, 0, sizeof(*x));
	x->rq = rq;
	buf_init(&x->answer.body, rq->max_body);
}

/* Follows redirects; *url becomes the last one asked. */
static enum rc get(struct httpc *c, struct exchange *x, struct buf *url,
                   struct curl_slist *headers)
{
	const struct httpc_request *rq = x->rq;
	uint64_t end = clock_mono_ms() + rq->timeout_ms;
	struct buf next;
	enum rc rc;

	for (int n = 0; ; n++) {
		uint64_t now = clock_mono_ms();

		if (now >= end)
			return RC_ETIME;
		rc = perform(c, x, buf_str(url), (long)(end - now), headers);
		if (rc != RC_OK || !is_redirect(x))
			return rc;
		if (n == HTTPC_REDIRECTS)
			return RC_ERULE;
		buf_init(&next, HTTPC_URL_MAX);
		rc = httpc_url_join(buf_str(url),
		                    httpc_header(&x->answer, "Location"), true,
		                    &next);
		if (rc != RC_OK) {
			buf_free(&next);
			return rc == RC_EINVAL ? RC_EPROTO : rc;
		}
		buf_free(url);
		*url = next;
		httpc_answer_free(&x->answer);
		exchange_init(x, rq);
	}
}

enum rc httpc_get(struct httpc *c, const struct httpc_request *rq,
                  struct httpc_answer *out, struct diag *diag)
{
	struct curl_slist *headers = NULL;
	struct exchange x;
	struct buf url = BUF_INIT(HTTPC_URL_MAX);
	enum rc rc = RC_EINVAL;

	exchange_init(&x, rq);
	c->error[0] = '\0';
	if (!httpc_url_is_http(rq->url))
		goto out;
	buf_puts(&url, rq->url);
	rc = buf_rc(&url);
	if (rc == RC_OK)
		rc = httpc_terms_take(&c->terms, rq->url, &rq->tls, diag);
	if (rc == RC_OK)
		rc = make_headers(rq, &headers);
	if (rc == RC_OK)
		rc = get(c, &x, &url, headers);
	if (rc != RC_OK)
		goto out;
	rc = RC_ENOMEM;
	x.answer.url = buf_take(&url, NULL);
	if (x.answer.url == NULL)
		goto out;
	*out = x.answer;
	exchange_init(&x, rq);
	rc = RC_OK;
out:
	rc = explain(c, rc, url.len > 0 ? buf_str(&url) : rq->url, diag);
	httpc_terms_drop(&c->terms);
	curl_slist_free_all(headers);
	httpc_answer_free(&x.answer);
	buf_free(&url);
	return rc;
}
