#include "tests/teller.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/certs.h"

const struct server servers[SERVERS] = {
	{ "expired", "localhost", "ca", NULL, "certificate has expired" },
	{ "elsewhere", "localhost", "ca", NULL, "is for another name" },
	{ "elsewhere", "127.0.0.1", "ca", NULL, "is for another name" },
	{ "client2", "localhost", "ca", NULL, "is for another name" },
	{ "stranger", "localhost", "ca", NULL, "unknown authority" },
	{ "alone", "localhost", "ca", NULL, "unknown authority" },
	{ "server", "localhost", NULL, NULL, "unknown authority" },
	{ "server", "localhost", "ca", "other", "(pin)" },
	/* The right key does not make up for the rest. */
	{ "stranger", "localhost", "ca", "stranger", "unknown authority" },
	{ "server", "localhost", "ca", "server", NULL },
	{ "server", "127.0.0.1", "ca", NULL, NULL },
	/* One that is listed itself is trusted for its names. */
	{ "server", "127.0.0.1", "server", NULL, NULL }
};

static int any_chain(int ok, X509_STORE_CTX *x)
{
	(void)ok;
	(void)x;
	return 1;
}

static SSL *make_ssl(const struct teller *t, int fd)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	SSL *ssl;

	if (t->most != 0) {
		SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
		SSL_CTX_set_max_proto_version(ctx, t->most);
		SSL_CTX_set_security_level(ctx, 0);
	}
	SSL_CTX_use_certificate_file(ctx, certs_file(t->show, "pem"),
	                             SSL_FILETYPE_PEM);
	SSL_CTX_use_PrivateKey_file(ctx, certs_file(t->show, "key"),
	                            SSL_FILETYPE_PEM);
	SSL_CTX_set_num_tickets(ctx, 0);
	if (t->ask)
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, any_chain);
	ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	SSL_set_fd(ssl, fd);
	return ssl;
}

static void look_at(struct teller *t, const SSL *ssl)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	X509 *cert = SSL_get0_peer_certificate(ssl);

	t->shaken++;
	snprintf(t->name, sizeof(t->name), "%s", name != NULL ? name : "");
	t->shown[0] = '\0';
	if (cert != NULL)
		X509_NAME_get_text_by_NID(X509_get_subject_name(cert),
		                          NID_commonName, t->shown,
		                          sizeof(t->shown));
}

static void serve(struct teller *t, int fd)
{
	SSL *ssl = make_ssl(t, fd);
	int n = 0;

	t->came++;
	t->heard = 0;
	if (SSL_accept(ssl) == 1) {
		look_at(t, ssl);
		n = SSL_read(ssl, t->text, sizeof(t->text) - 1);
	}
	if (n > 0) {
		t->heard = (size_t)n;
		t->text[n] = '\0';
		if (t->say != NULL)
			SSL_write(ssl, t->say, (int)strlen(t->say));
		SSL_shutdown(ssl);
	}
	SSL_free(ssl);
}

static void *run(void *arg)
{
	struct teller *t = arg;
	struct pollfd p[2] = {
		{ t->fd[0], POLLIN, 0 }, { t->fd[1], POLLIN, 0 }
	};

	for (;;) {
		poll(p, t->fd[1] >= 0 ? 2 : 1, -1);
		for (int i = 0; i < 2; i++) {
			int fd;

			if (p[i].revents == 0)
				continue;
			fd = accept(t->fd[i], NULL, NULL);
			if (fd < 0)
				return NULL;	/* the end */
			serve(t, fd);
			close(fd);
		}
	}
}

static int listen_on(int family, uint16_t port)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6,
		.sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in four = { .sin_family = AF_INET };
	int fd = socket(family, SOCK_STREAM, 0), rc;

	four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	rc = family == AF_INET6
		? bind(fd, (struct sockaddr *)&six, sizeof(six))
		: bind(fd, (struct sockaddr *)&four, sizeof(four));
	if (fd >= 0 && rc == 0 && listen(fd, 8) == 0)
		return fd;
	close(fd);
	return -1;
}

bool teller_begin(struct teller *t)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);

	signal(SIGPIPE, SIG_IGN);
	t->came = t->shaken = 0;
	t->heard = 0;
	t->fd[0] = listen_on(AF_INET, 0);
	if (t->fd[0] < 0 ||
	    getsockname(t->fd[0], (struct sockaddr *)&a, &len) != 0)
		return false;
	t->port = ntohs(a.sin_port);
	t->fd[1] = listen_on(AF_INET6, t->port);	/* if there is IPv6 */
	return pthread_create(&t->thread, NULL, run, t) == 0;
}

void teller_end(struct teller *t)
{
	shutdown(t->fd[0], SHUT_RDWR);
	pthread_join(t->thread, NULL);
	close(t->fd[0]);
	if (t->fd[1] >= 0)
		close(t->fd[1]);
}

struct tls_trust server_trust(const struct server *s)
{
	return (struct tls_trust){
		.ca_file = s->ca != NULL ? certs_file(s->ca, "pem") : NULL,
		.pin = s->pin != NULL ? certs_pin(s->pin) : NULL
	};
}
