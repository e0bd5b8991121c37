#include "common/net/http_head.h"

#include <microhttpd.h>
#include <string.h>
#include <strings.h>

bool http_field_ok(const char *name, const char *value)
{
	static const char also[] = "!#$%&'*+-.^_`|~";

	if (*name == '\0')
		return false;
	for (; *name != '\0'; name++)
		if (!((*name >= 'a' && *name <= 'z') ||
		      (*name >= 'A' && *name <= 'Z') ||
		      (*name >= '0' && *name <= '9') ||
		      strchr(also, *name) != NULL))
			return false;
	for (; *value != '\0'; value++)
		if (((unsigned char)*value < ' ' && *value != '\t') ||
		    *value == 0x7f)
			return false;
	return true;
}

/* The length of "http://" or "https://" at s, 0 if there is neither. */
static size_t scheme_len(const char *s)
{
	if (strncasecmp(s, "http://", 7) == 0)
		return 7;
	return strncasecmp(s, "https://", 8) == 0 ? 8 : 0;
}

struct http_target http_target_split(char *uri)
{
	struct http_target t = { uri, NULL };
	size_t n = scheme_len(uri);
	char *query;

	for (const char *s = uri; *s != '\0'; s++)
		if ((unsigned char)*s <= ' ' || *s == 0x7f)
			return (struct http_target){ NULL, NULL };
	if (n > 0)		/* the authority says no more than Host does */
		t.path += n + strcspn(uri + n, "/?");
	query = strchr(uri, '?');
	if (query != NULL) {
		*query = '\0';
		t.query = query + 1;
	}
	if (n > 0 && *t.path == '\0')
		t.path = "/";
	if (t.path[0] != '/' && strcmp(t.path, "*") != 0)
		t.path = NULL;
	return t;
}

struct framing {
	unsigned hosts, lengths, codings;
	bool malformed, unknown;
};

/* A name that only begins like one of these: the library glues a folded line
 * (RFC 9112 s5.2) to the name of the header before it. */
static bool is_framing(const char *name, const char *want, struct framing *f)
{
	size_t n = strlen(want);

	if (strncasecmp(name, want, n) != 0)
		return false;
	if (name[n] != '\0')
		f->malformed = true;
	return true;
}

static enum MHD_Result look_at(void *arg, enum MHD_ValueKind kind,
                               const char *name, const char *value)
{
	struct framing *f = arg;

	(void)kind;
	if (value == NULL)
		value = "";
	if (!http_field_ok(name, value))
		f->malformed = true;
	else if (strcasecmp(name, "Host") == 0)
		f->hosts++;
	else if (is_framing(name, "Content-Length", f))
		f->lengths++;
	else if (is_framing(name, "Transfer-Encoding", f)) {
		f->codings++;
		f->unknown |= strcasecmp(value, "chunked") != 0;
	}
	return MHD_YES;
}

unsigned http_head_check(struct MHD_Connection *conn,
                         const struct http_target *target, const char *method,
                         const char *version)
{
	struct framing f = { 0, 0, 0, false, false };
	bool old = strcmp(version, "HTTP/1.0") == 0;

	if (target->path == NULL ||
	    (target->path[0] == '*' && strcmp(method, "OPTIONS") != 0))
		return MHD_HTTP_BAD_REQUEST;
	MHD_get_connection_values(conn, MHD_HEADER_KIND, look_at, &f);
	if (f.malformed || f.hosts > 1 || (f.hosts == 0 && !old) ||
	    f.lengths + f.codings > 1 || (old && f.codings > 0))
		return MHD_HTTP_BAD_REQUEST;
	return f.unknown ? MHD_HTTP_NOT_IMPLEMENTED : 0;
}

struct joining {
	const char *name;
	char *dst;
	size_t size, len;
};

static void append(struct joining *j, const char *text)
{
	size_t n = strlen(text);

	if (j->len < j->size && n < j->size - j->len)
		memcpy(j->dst + j->len, text, n + 1);
	j->len += n;
}

static enum MHD_Result join(void *arg, enum MHD_ValueKind kind,
                            const char *name, const char *value)
{
	struct joining *j = arg;

	(void)kind;
	if (strcasecmp(name, j->name) == 0 && value != NULL &&
	    value[0] != '\0') {
		if (j->len > 0)
			append(j, ", ");
		append(j, value);
	}
	return MHD_YES;
}

size_t http_head_list(struct MHD_Connection *conn, const char *name, char *dst,
                      size_t size)
{
	struct joining j = { name, dst, size, 0 };

	if (size > 0)
		dst[0] = '\0';
	MHD_get_connection_values(conn, MHD_HEADER_KIND, join, &j);
	if (size > 0 && j.len >= size)
		dst[0] = '\0';
	return j.len;
}
