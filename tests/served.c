#include "tests/served.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <libdeflate.h>
#include <netinet/in.h>
#include <stdint.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zstd.h>

#include "common/core/snapshot.h"
#include "common/wire/media.h"
#include "tests/suite.h"

#define REPLY_MAX (64 << 20)

/* the listener */

void served_start(struct served *w, const struct alto_http_config *more)
{
	struct alto_http_config cfg = {
		.push_uri = "ws://alto.example.net:8081/push",
		.answer_max = 1 << 20, .answers_max = 16 << 20
	};
	struct diag d = { 0 };

	if (more)
		cfg = *more;
	cfg.http = (struct http_config){
		.addr = "127.0.0.1:0", .threads = 2, .max_conns = 64,
		.timeout_s = 60, .max_body = SERVED_BODY_MAX
	};
	cfg.heartbeat = SERVED_HEARTBEAT;
	CU_ASSERT_EQUAL_FATAL(slot_new(&w->slot), RC_OK);
	CU_ASSERT_EQUAL_FATAL(status_new(&w->status), RC_OK);
	cfg.slot = w->slot;
	cfg.status = w->status;
	CU_ASSERT_EQUAL_FATAL(alto_http_start(&cfg, &d, &w->a), RC_OK);
	CU_ASSERT_NOT_EQUAL(alto_http_port(w->a), 0);
}

void served_end(struct served *w)
{
	alto_http_stop(w->a);
	slot_free(w->slot);
	status_free(w->status);
}

/* the client */

void reply_free(struct reply *r)
{
	free(r->head);
}

int served_dial(const struct served *w)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(alto_http_port(w->a)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval limit = { 60, 0 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	CU_ASSERT_FATAL(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&to, sizeof(to)),
	                      0);
	return fd;
}

void served_ask(int fd, const char *method, const char *path,
                const char *headers, const char *body)
{
	struct buf b = BUF_INIT(1 << 20);

	buf_printf(&b, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	           "%s%s", method, path, headers ? headers : "",
	           headers ? "\r\n" : "");
	if (body)
		buf_printf(&b, "Content-Length: %zu\r\n", strlen(body));
	buf_printf(&b, "\r\n%s", body ? body : "");
	CU_ASSERT_EQUAL_FATAL(write(fd, b.data, b.len), (ssize_t)b.len);
	buf_free(&b);
}

struct reply served_hear(int fd, struct buf *b)
{
	struct reply r = { 0 };
	char *end;
	ssize_t n = 1;

	while (n > 0) {
		char *at = buf_room(b, 65536);

		CU_ASSERT_PTR_NOT_NULL_FATAL(at);
		n = read(fd, at, 65536);
		CU_ASSERT_FATAL(n >= 0);
		buf_used(b, (size_t)n);
	}
	close(fd);
	end = strstr(buf_str(b), "\r\n\r\n");
	CU_ASSERT_PTR_NOT_NULL_FATAL(end);
	r.len = b->len - (size_t)(end + 4 - b->data);
	r.head = buf_take(b, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(r.head);
	end = strstr(r.head, "\r\n\r\n");
	end[2] = '\0';
	r.body = end + 4;
	r.status = (unsigned)strtoul(r.head + 9, NULL, 10);
	return r;
}

struct reply served_request(const struct served *w, const char *method,
                            const char *path, const char *headers)
{
	struct buf b = BUF_INIT(REPLY_MAX);
	int fd = served_dial(w);

	served_ask(fd, method, path, headers, NULL);
	return served_hear(fd, &b);
}

struct reply served_get(const struct served *w, const char *path)
{
	return served_request(w, "GET", path, NULL);
}

struct reply served_post(const struct served *w, const char *path,
                         const char *headers, const char *body)
{
	struct buf b = BUF_INIT(REPLY_MAX);
	int fd = served_dial(w);

	served_ask(fd, "POST", path, headers, body);
	return served_hear(fd, &b);
}

/* what came */

const char *reply_field(const struct reply *r, const char *name)
{
	static _Thread_local char values[8][4096];
	static _Thread_local unsigned turn;
	size_t n = strlen(name);

	for (const char *at = strstr(r->head, "\r\n"); at && at[2];
	     at = strstr(at + 2, "\r\n")) {
		if (strncasecmp(at + 2, name, n) != 0 || at[2 + n] != ':')
			continue;
		turn = (turn + 1) % 8;
		snprintf(values[turn], sizeof(values[0]), "%.*s",
		         (int)strcspn(at + 4 + n, "\r"), at + 4 + n);
		return values[turn];
	}
	return NULL;
}

bool reply_is(const struct reply *r, const char *name, const char *value)
{
	const char *v = reply_field(r, name);

	if (value ? v && strcmp(v, value) == 0 : !v)
		return true;
	printf("\n    %s: %s, not %s\n", name, v ? v : "(none)",
	       value ? value : "(none)");
	return false;
}

const char *reply_error(const struct reply *r, const char *member)
{
	static _Thread_local char values[8][1024];
	static _Thread_local unsigned turn;
	const char *type = reply_field(r, "Content-Type"), *text;
	json_t *doc = json_loadb(r->body, r->len, 0, NULL);

	text = json_string_value(json_object_get(json_object_get(doc, "meta"),
	                                         member));
	turn = (turn + 1) % 8;
	if (text)
		snprintf(values[turn], sizeof(values[0]), "%s", text);
	json_decref(doc);
	return text && type && strcmp(type, MEDIA_ERROR) == 0 ? values[turn]
	                                                      : NULL;
}

static char *gunzip(const struct reply *r, size_t *len)
{
	struct libdeflate_decompressor *z = libdeflate_alloc_decompressor();
	char *out = malloc(REPLY_MAX);

	CU_ASSERT_FATAL(z && out);
	if (libdeflate_gzip_decompress(z, r->body, r->len, out, REPLY_MAX, len)
	    != LIBDEFLATE_SUCCESS) {
		free(out);
		out = NULL;
	}
	libdeflate_free_decompressor(z);
	return out;
}

static char *unzstd(const struct reply *r, size_t *len)
{
	char *out = malloc(REPLY_MAX);

	CU_ASSERT_PTR_NOT_NULL_FATAL(out);
	*len = ZSTD_decompress(out, REPLY_MAX, r->body, r->len);
	if (ZSTD_isError(*len)) {
		free(out);
		return NULL;
	}
	return out;
}

char *reply_decoded(const struct reply *r, size_t *len)
{
	const char *coding = reply_field(r, "Content-Encoding");
	char *out;

	if (coding && strcmp(coding, "gzip") == 0)
		return gunzip(r, len);
	if (coding && strcmp(coding, "zstd") == 0)
		return unzstd(r, len);
	out = malloc(r->len + 1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(out);
	memcpy(out, r->body, r->len);
	*len = r->len;
	return out;
}
