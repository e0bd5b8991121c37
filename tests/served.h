/* served.h - a listener with the ALTO endpoints, and a client over real sockets,
 * for tests. What cannot fail in a test ends it.
 */
#ifndef ALTOCAST_TESTS_SERVED_H
#define ALTOCAST_TESTS_SERVED_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/service/alto_http.h"

#define SERVED_HEARTBEAT 30u
#define SERVED_BODY_MAX 4096u	/* of a request */

struct served {
	struct slot *slot;
	struct status *status;
	struct alto_http *a;
};

/* With the settings in more (may be NULL) beside address, limits and slot. */
void served_start(struct served *w, const struct alto_http_config *more);
/* Nothing may keep a version alive after that. */
void served_end(struct served *w);

struct reply {
	unsigned status;
	char *head, *body;		/* body is NUL-terminated */
	size_t len;
};
void reply_free(struct reply *r);

int served_dial(const struct served *w);
/* headers: lines with \r\n between them, or NULL. body may be NULL. */
void served_ask(int fd, const char *method, const char *path,
                const char *headers, const char *body);
/* Reads to the end; b may have a part of it already. */
struct reply served_hear(int fd, struct buf *b);

struct reply served_request(const struct served *w, const char *method,
                            const char *path, const char *headers);
struct reply served_get(const struct served *w, const char *path);
struct reply served_post(const struct served *w, const char *path,
                         const char *headers, const char *body);

/* The value of a header, in one of a few places that are used in turn; NULL: not
 * there. */
const char *reply_field(const struct reply *r, const char *name);
/* Says what it is instead. value NULL: not there. */
bool reply_is(const struct reply *r, const char *name, const char *value);
/* A member of the "meta" of an ALTO error, used in turn as well; NULL: not
 * there, or no such body. */
const char *reply_error(const struct reply *r, const char *member);
/* The body, decoded by its Content-Encoding (malloc); NULL: it cannot be. */
char *reply_decoded(const struct reply *r, size_t *len);

#endif
