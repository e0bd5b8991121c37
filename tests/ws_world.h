/* ws_world.h - a loop with our WebSocket listener on it, and raw sockets against
 * it that can misbehave, in clear text or over TLS. Everything happens on one
 * loop; the raw sockets are driven by a timer tick and never block it.
 */
#ifndef ALTOCAST_TESTS_WS_WORLD_H
#define ALTOCAST_TESTS_WS_WORLD_H

#include <openssl/ssl.h>

#include "common/net/loop.h"
#include "common/net/tls.h"
#include "common/net/ws.h"
#include "tests/suite.h"

#define MANY 500
#define GIVE_UP_MS 60000

struct world {
	struct loop *l;
	struct ws_listener *ls;
	struct loop_timer *give_up, *tick;
	bool (*done)(struct world *w);
	bool late;
	unsigned opened, closed, messages, writable, paused;
	unsigned code;			/* of the last close */
	char reason[WS_REASON_MAX + 1];
	struct ws_conn *conns[MANY + 10];
	size_t bytes;			/* of messages */
	char last[256];
	char auth[64], origin[64], peer[64];
	struct tls_peer tls;
	unsigned admitted;		/* calls of admit */
	int refuse_with;
	const char *greeting;		/* sent in `open` */
	struct ws_limits limits;
	struct tls_identity *identity;	/* NULL: plain; freed at the end */
	bool ask;
	void *test;			/* whatever the test wants */
};

extern const struct ws_handlers world_handlers;	/* arg is a struct world */

void world_make(struct world *w);
void world_listen(struct world *w, const char *addr);
void world_serve(struct world *w);	/* both, on 127.0.0.1 */
void world_end(struct world *w);

/* The pair of files with that base, certs.h; with "ca" for clients. */
struct tls_identity *world_identity(const char *base);
/* Those made from now on have this identity; NULL: plain. */
extern const char *world_tls;

/* Runs the loop until done() says so, which is asked each few milliseconds; NULL:
 * one turn. */
void run_until(struct world *w, bool (*done)(struct world *w));

struct raw {
	int fd;
	SSL *ssl;			/* NULL: plain */
	bool shaken;			/* its handshake is done */
	unsigned char *out;		/* waits for that */
	size_t out_len;
	bool eof, stalled;
	size_t len, cap;
	unsigned char *in;		/* everything that came */
	size_t at;			/* parsed so far */
	size_t message;			/* payload of the message being gathered */
	bool in_message;
	unsigned messages, pings, pongs, broken;
	size_t last_len;
	unsigned sum;			/* of the payload of the last message */
	unsigned run;			/* of the one being gathered */
	unsigned pong_in_message;
	unsigned code;			/* of a close frame */
	char reason[130];
	char pong[130];
};

/* How those opened from now on do their handshake; all 0: like anybody. */
struct raw_manner {
	const char *show;		/* base of a certificate */
	const char *offer;		/* ALPN, with its lengths */
	int most;			/* version of TLS, at most */
};
extern struct raw_manner raw_manner;

/* rcvbuf 0: the usual. */
void raw_open(struct raw *r, uint16_t port, int rcvbuf);
void raw_put(struct raw *r, const void *data, size_t len);
void raw_request(struct raw *r, const char *path, const char *protocol,
                 const char *more);
void raw_frame(struct raw *r, unsigned op, bool fin, const void *data,
               size_t len);
void raw_text(struct raw *r, const char *text);
void raw_go_on(struct raw *r);		/* with what is written */
void raw_read(struct raw *r);
void raw_parse(struct raw *r);		/* reads, too */
void raw_close(struct raw *r);
/* Opens n and waits until they are. */
void raw_join(struct world *w, struct raw *r, unsigned n, int rcvbuf);

/* Conditions; those of a raw want it in w->test. */
bool one_message(struct world *w);
bool one_open(struct world *w);
bool one_writable(struct world *w);
bool one_closed(struct world *w);
bool raw_has_eof(struct world *w);
bool raw_has_message(struct world *w);
bool raw_has_code(struct world *w);
bool raw_has_pong(struct world *w);

unsigned sum_of(const char *p, size_t n);
char *make_text(size_t n);		/* free() it */
bool more_files(void);			/* room for MANY sockets, twice */

/* Our client against our server, on one loop. */
struct caller {
	struct world w;
	struct world at;		/* handlers of the client's side */
	struct ws_conn *c;
	struct tls_trust trust;
	struct diag d;
};

void call(struct caller *k, const char *uri, const char *protocol,
          enum rc want);
void caller_make(struct caller *k);
void caller_end(struct caller *k);

/* Conditions; w->test is the caller. */
bool both_open(struct world *w);
bool caller_closed(struct world *w);
bool caller_has_message(struct world *w);
bool caller_writable(struct world *w);

#endif
