#include "bench/swarm.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ROOM 16384		/* bytes of a message */
#define PATIENCE_MS 30000
#define STOPPED_ROOM 4096	/* bytes that the stopped one takes unread */

struct peer {
	int fd;
	bool open, subscribed;
	size_t len, updates;
	char held[ROOM];
};

struct swarm {
	int poll;
	size_t n, subscribed;
	struct peer *peer;
	/* While receiving. */
	const volatile uint64_t *sent_ns;
	double *ms;
	size_t want, got, done;
};

uint64_t swarm_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- one subscriber -------------------------------------------------------- */

static int dial(unsigned port, int room)
{
	static const char hello[] =
		"GET /push HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
		"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
		"Sec-WebSocket-Protocol: alto-push.v1\r\n\r\n";
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0)
		return -1;
	if (room)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
	    write(fd, hello, sizeof(hello) - 1) == (ssize_t)sizeof(hello) - 1)
		return fd;
	close(fd);
	return -1;
}

/* A text message under a mask of zeros, which changes nothing. */
static int say(int fd, const char *text)
{
	size_t n = strlen(text), at = 0;
	unsigned char b[512];

	if (n > sizeof(b) - 8)
		return -1;
	b[at++] = 0x81;
	b[at++] = (unsigned char)(0x80 | (n < 126 ? n : 126));
	if (n >= 126) {
		b[at++] = (unsigned char)(n >> 8);
		b[at++] = (unsigned char)n;
	}
	memset(b + at, 0, 4);
	memcpy(b + at + 4, text, n);
	n += at + 4;
	return write(fd, b, n) == (ssize_t)n ? 0 : -1;
}

static int subscribe(int fd, size_t number)
{
	char text[64];

	snprintf(text, sizeof(text), "{\"subscribe\":{\"name\":\"p%zu\"}}",
	         number);
	return say(fd, text);
}

static int acknowledge(int fd, unsigned long long serial)
{
	char text[128];

	snprintf(text, sizeof(text), "{\"ack\":{\"serial\":%llu,\"session\":"
	         "\"" SWARM_SESSION "\"}}", serial);
	return say(fd, text);
}

static bool starts(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static void note(struct swarm *s, struct peer *p, unsigned long long serial)
{
	uint64_t sent = s->sent_ns ? s->sent_ns[serial] : 0;

	if (!sent || p->updates == s->want)
		return;
	s->ms[s->got++] = (double)(swarm_now_ns() - sent) / 1e6;
	s->done += ++p->updates == s->want;
}

/* text ends with NUL. */
static int on_message(struct swarm *s, struct peer *p, const char *text)
{
	const char *at = strstr(text, ";serial=");
	unsigned long long serial = at ? strtoull(at + 8, NULL, 10) : 0;

	if (starts(text, "{\"hello\""))
		return subscribe(p->fd, (size_t)(p - s->peer));
	if (starts(text, "{\"update\"")) {
		note(s, p, serial);
		return acknowledge(p->fd, serial);
	}
	if (!starts(text, "{\"snapshot\""))
		return starts(text, "{\"bye\"") ? -1 : 0;
	s->subscribed += !p->subscribed;
	p->subscribed = true;
	return acknowledge(p->fd, serial);
}

/* The bytes of the first message held and of its head; 0: not there yet. */
static size_t whole(const struct peer *p, size_t *head)
{
	const unsigned char *h = (const unsigned char *)p->held;
	const char *end;
	size_t n;

	*head = 0;
	if (!p->open) {
		end = strstr(p->held, "\r\n\r\n");
		return end ? (size_t)(end - p->held) + 4 : 0;
	}
	if (p->len < 4)
		return 0;
	*head = h[1] < 126 ? 2 : 4;
	n = *head + (h[1] < 126 ? h[1] : (size_t)h[2] << 8 | h[3]);
	return n <= p->len ? n : 0;
}

static int on_bytes(struct swarm *s, struct peer *p)
{
	ssize_t got = recv(p->fd, p->held + p->len, ROOM - 1 - p->len,
	                   MSG_DONTWAIT);
	size_t n, head, at = 0;
	char after;
	int failed = 0;

	if (got <= 0)
		return got < 0 && errno == EAGAIN ? 0 : -1;
	p->len += (size_t)got;
	p->held[p->len] = '\0';
	while (!failed && (n = whole(p, &head)) > 0) {
		at = n;
		after = p->held[n];
		p->held[n] = '\0';
		if (p->open)
			failed = on_message(s, p, p->held + head);
		else
			p->open = starts(p->held, "HTTP/1.1 101");
		p->held[n] = after;
		p->len -= at;
		memmove(p->held, p->held + at, p->len + 1);
	}
	return failed || !p->open ? -1 : 0;
}

/* ---- all ------------------------------------------------------------------- */

static int pass(struct swarm *s)
{
	struct epoll_event e[256];
	int n = epoll_wait(s->poll, e, 256, 100);

	for (int i = 0; i < n; i++) {
		if (on_bytes(s, e[i].data.ptr) == 0)
			continue;
		fprintf(stderr, "a subscriber was lost\n");
		return -1;
	}
	return n < 0 && errno != EINTR ? -1 : 0;
}

static int add(struct swarm *s, unsigned port, struct peer *p)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = p };

	p->fd = dial(port, 0);
	if (p->fd >= 0 && epoll_ctl(s->poll, EPOLL_CTL_ADD, p->fd, &e) == 0)
		return 0;
	perror("subscriber");
	return -1;
}

struct swarm *swarm_new(unsigned port, size_t n)
{
	uint64_t until = swarm_now_ns() + PATIENCE_MS * 1000000ull;
	struct swarm *s = calloc(1, sizeof(*s));
	int failed = 0;

	if (!s)
		return NULL;
	s->poll = epoll_create1(EPOLL_CLOEXEC);
	s->peer = calloc(n, sizeof(*s->peer));
	for (; s->peer && !failed && s->n < n; s->n++)
		failed = add(s, port, &s->peer[s->n]);
	while (s->peer && !failed && s->subscribed < n)
		failed = swarm_now_ns() > until ? -1 : pass(s);
	if (s->peer && !failed)
		return s;
	fprintf(stderr, "%zu of %zu subscribed\n", s->subscribed, n);
	swarm_free(s);
	return NULL;
}

void swarm_free(struct swarm *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		close(s->peer[i].fd);
	close(s->poll);
	free(s->peer);
	free(s);
}

int swarm_receive(struct swarm *s, const volatile uint64_t *sent_ns, size_t n,
                  double *ms)
{
	uint64_t until = swarm_now_ns() + PATIENCE_MS * 1000000ull;

	s->sent_ns = sent_ns;
	s->ms = ms;
	s->want = n;
	s->got = s->done = 0;
	for (size_t i = 0; i < s->n; i++)
		s->peer[i].updates = 0;
	while (s->done < s->n) {
		if (pass(s))
			return -1;
		if (swarm_now_ns() > until) {
			fprintf(stderr, "%zu of %zu got all\n", s->done, s->n);
			return -1;
		}
	}
	return 0;
}

void swarm_stopped(unsigned port)
{
	int fd = dial(port, STOPPED_ROOM);
	char text[STOPPED_ROOM];

	/* The answer and `hello`, so that it may subscribe. */
	while (fd >= 0 && recv(fd, text, sizeof(text) - 1, MSG_PEEK) <
	       (ssize_t)sizeof(text) / 8)
		;
	if (fd < 0 || say(fd, "{\"subscribe\":{\"name\":\"stopped\"}}"))
		_exit(1);
	raise(SIGSTOP);
	_exit(0);
}
