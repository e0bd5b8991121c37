/* http_raw.h - short answers written straight to a socket of an HTTP listener,
 * to whom the library below it cannot answer: connections that it never gets to
 * see, and those that are given up half way. Any thread.
 */
#ifndef ALTOCAST_NET_HTTP_RAW_H
#define ALTOCAST_NET_HTTP_RAW_H

struct http_raw {
	unsigned status;
	unsigned retry_s;		/* Retry-After; 0: none */
	const char *text;		/* a sentence for people, no newline */
};

/* Writes what the socket takes at once, and says that the connection closes;
 * the caller closes it. For clear text only: never where there is TLS. */
void http_raw_send(int fd, const struct http_raw *answer);

#endif
