/* teller.h - a TLS server of a test's own, in a thread: it shows what it is told to
 * show, and remembers who came. One connection at a time.
 */
#ifndef ALTOCAST_TESTS_TELLER_H
#define ALTOCAST_TESTS_TELLER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/net/tls.h"

struct teller {
	const char *show;		/* base of a certificate, certs.h */
	int most;			/* version of TLS, at most; 0: any */
	bool ask;			/* for certificates */
	const char *say;		/* to what it hears first; NULL: hangs up */
	uint16_t port;			/* of 127.0.0.1 and of ::1 */
	/* What it knows, after teller_end(). */
	unsigned came, shaken;
	size_t heard;			/* bytes of the last one */
	char text[4096];		/* of them */
	char name[128], shown[128];	/* SNI; CN of its certificate */
	int fd[2];
	pthread_t thread;
};

/* The first members are set; false: cannot listen there. */
bool teller_begin(struct teller *t);
void teller_end(struct teller *t);

/* A server that is met, what it shows, and whom its client trusts. */
struct server {
	const char *show, *host;
	const char *ca, *pin;		/* bases; NULL: the system's, none */
	const char *why;		/* NULL: it is trusted */
};
#define SERVERS 12
extern const struct server servers[SERVERS];	/* of every kind */
struct tls_trust server_trust(const struct server *s);

#endif
