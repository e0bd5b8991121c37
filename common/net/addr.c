#include "common/net/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void addr_print(const struct sockaddr *sa, char *dst, size_t size)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)sa;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)sa;
	char text[INET6_ADDRSTRLEN] = "";

	if (sa->sa_family == AF_INET) {
		inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
		snprintf(dst, size, "%s:%u", text, ntohs(v4->sin_port));
	} else if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, text,
		          sizeof(text));
		snprintf(dst, size, "%s:%u", text, ntohs(v6->sin6_port));
	} else {
		inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
		snprintf(dst, size, "[%s]:%u", text, ntohs(v6->sin6_port));
	}
}

/* getaddrinfo() takes 99999, and listens on 34463. */
static bool is_port(const char *s)
{
	size_t n = strspn(s, "0123456789");

	return n > 0 && n <= 5 && s[n] == '\0' && strtol(s, NULL, 10) <= 65535;
}

enum rc addr_parse(const char *text, struct addrinfo **out)
{
	struct addrinfo hint = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
		.ai_socktype = SOCK_STREAM
	};
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 20];
	size_t n = colon != NULL ? (size_t)(colon - text) : 0;

	if (n == 0 || !is_port(colon + 1))
		return RC_EINVAL;
	if (text[0] == '[' && n > 2 && text[n - 1] == ']') {
		text++;
		n -= 2;
	} else if (memchr(text, ':', n) != NULL) {
		return RC_EINVAL;	/* an IPv6 address without brackets */
	}
	if (n >= sizeof(host))
		return RC_EINVAL;
	memcpy(host, text, n);
	host[n] = '\0';
	return getaddrinfo(host, colon + 1, &hint, out) == 0 ? RC_OK
	                                                     : RC_EINVAL;
}

int addr_bind(const struct addrinfo *ai)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK |
	                SOCK_CLOEXEC, 0);
	int one = 1, both = 0, err;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (ai->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &both, sizeof(both));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 &&
	    listen(fd, SOMAXCONN) == 0)
		return fd;
	err = errno;
	close(fd);
	errno = err;
	return -1;
}

uint16_t addr_port(int fd)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);

	if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0)
		return 0;
	/* The port stands at the same place in both families. */
	return ntohs(((struct sockaddr_in *)&ss)->sin_port);
}

struct addr_count {
	struct addr_count *next;
	unsigned conns;
	unsigned char key[16];		/* IPv4 mapped; IPv6: the /64 */
};

static unsigned addr_hash(const unsigned char key[16])
{
	uint32_t h = 2166136261u;

	for (int i = 0; i < 16; i++)
		h = (h ^ key[i]) * 16777619u;
	return h % ADDR_BUCKETS;
}

static void addr_key(const struct sockaddr_storage *ss, unsigned char key[16])
{
	struct in6_addr a;

	memset(key, 0, 16);
	if (ss->ss_family == AF_INET6) {
		memcpy(&a, &((const struct sockaddr_in6 *)ss)->sin6_addr, 16);
		memcpy(key, &a, IN6_IS_ADDR_V4MAPPED(&a) ? 16 : 8);
	} else {
		key[10] = key[11] = 0xff;
		memcpy(key + 12,
		       &((const struct sockaddr_in *)ss)->sin_addr, 4);
	}
}

enum rc addr_count_take(struct addr_table *t, const struct sockaddr_storage *ss,
                        unsigned max, struct addr_count **out)
{
	unsigned char key[16];
	struct addr_count **at, *a;

	addr_key(ss, key);
	at = &t->buckets[addr_hash(key)];
	for (a = *at; a != NULL && memcmp(a->key, key, 16) != 0; a = a->next)
		continue;
	if (a == NULL) {
		a = calloc(1, sizeof(*a));
		if (a == NULL)
			return RC_ENOMEM;
		memcpy(a->key, key, 16);
		a->next = *at;
		*at = a;
	} else if (a->conns >= max) {
		return RC_ELIMIT;
	}
	a->conns++;
	*out = a;
	return RC_OK;
}

void addr_count_drop(struct addr_table *t, struct addr_count *a)
{
	struct addr_count **at;

	if (a == NULL || --a->conns > 0)
		return;
	at = &t->buckets[addr_hash(a->key)];
	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	free(a);
}
