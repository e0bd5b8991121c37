/* addr.h - IP addresses: as texts, to listen on, and counted. No names. */
#ifndef ALTOCAST_NET_ADDR_H
#define ALTOCAST_NET_ADDR_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/base/rc.h"

struct addrinfo;

#define ADDR_TEXT_MAX (INET6_ADDRSTRLEN + 8)	/* as addr_print() writes */

/* "192.0.2.1:80" or "[2001:db8::1]:80"; IPv4 seen through an IPv6 socket is
 * written as what it is. */
void addr_print(const struct sockaddr *sa, char *dst, size_t size);

/* "192.0.2.1:80" or "[2001:db8::1]:80" to bind to; freeaddrinfo() it.
 * RC_EINVAL: it is not. */
MUST_CHECK enum rc addr_parse(const char *text, struct addrinfo **out);

/* A TCP socket that listens there, not blocking; :: takes IPv4 too. -1: errno
 * says why. */
int addr_bind(const struct addrinfo *ai);
uint16_t addr_port(int fd);	/* of its own end; 0: unknown */

/* How many connections each address has; all zero is empty, and is empty again
 * when all are dropped. IPv6 counts by /64. One thread. */
#define ADDR_BUCKETS 1024
struct addr_count;
struct addr_table {
	struct addr_count *buckets[ADDR_BUCKETS];
};

/* Counts one more. RC_ELIMIT: there are max already. */
MUST_CHECK enum rc addr_count_take(struct addr_table *t,
                                   const struct sockaddr_storage *ss,
                                   unsigned max, struct addr_count **out);
void addr_count_drop(struct addr_table *t, struct addr_count *a); /* or NULL */

#endif
