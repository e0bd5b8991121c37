/* http_world.h - our HTTP listener with something to serve, and sockets to speak to
 * it byte by byte.
 */
#ifndef ALTOCAST_TESTS_HTTP_WORLD_H
#define ALTOCAST_TESTS_HTTP_WORLD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/net/http.h"
#include "tests/suite.h"

#define BIG (3 * 1024 * 1024 + 17)
#define MAX_BODY 1000

/* What is served: /shared (ETag "v1"; 304), /reader, /broken, /memory (NULL),
 * /list/l and /list/s, /echo/..., and "hello" for all others. */
extern unsigned char *big;		/* the body of the first two */
extern struct http_reply *shared;
extern atomic_int frees;		/* of it and of the others */

/* The last request that got a "hello". */
struct seen {
	char method[16], path[128], query[64], body[64], peer[64], accept[64];
	size_t len;
	atomic_int calls;
};
extern struct seen seen;

void count_free(void *arg);
struct http_reply *route(const struct http_request *rq, void *arg);
struct http *start_with(const struct http_config *cfg);
struct http *start(const char *addr, unsigned threads);

/* host: the last number of the address that it comes from, 127.0.0.host. */
int dial_from(unsigned host, uint16_t port);
int dial(uint16_t port);
void put(int fd, const char *text);
/* All there is until the other end closes; free() it. */
char *slurp(int fd, size_t *len);
char *ask(const struct http *h, const char *request, size_t *len);
/* A request that keeps its connection, answered: its first line is 200. */
bool is_served(int fd);
void wait_conns(const struct http *h, unsigned want);
void nap_ms(long ms);

#define GET(path, more) "GET " path " HTTP/1.1\r\nHost: x\r\n" more \
	"Connection: close\r\n\r\n"
bool has(const char *text, const char *part);
const char *body_of(const char *text);
bool is_refusal(const char *r, const char *status);

/* suite_run() with all that made, and its exit status. */
int http_world_run(const char *name, CU_TestInfo *tests);

#endif
