/* tls.h - certificates, private keys and authorities, for listeners and for
 * connections to others.
 *
 * A tls_identity is what a listener shows: read and checked as a whole, then never
 * edited, counted, so that a reload makes a new one and connections that are open
 * keep theirs. TLS 1.2 at least, everywhere. Any thread.
 */
#ifndef ALTOCAST_NET_TLS_H
#define ALTOCAST_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/diag.h"
#include "common/base/rc.h"

#define TLS_FILE_MAX	(1u << 20)	/* bytes of a PEM file */
#define TLS_PRINT_TEXT	64		/* hex digits of a certificate's SHA-256 */
#define TLS_PRINTS_MAX	16		/* certificates in one file of a subscriber */
#define TLS_PIN_TEXT	44		/* base64 of SHA-256 over a public key */

struct tls_identity;

struct tls_files {
	const char *certificate;	/* PEM, own one first, then its chain */
	const char *key;		/* PEM; readable by the owner alone */
	const char *client_ca;		/* PEM of authorities; NULL: none */
};

enum { TLS_CERTIFICATE, TLS_KEY, TLS_CLIENT_CA, TLS_FILES };

/* RC_ENOENT, RC_EIO: no such file, cannot be read. RC_ESYNTAX: not PEM of that
 * kind. RC_ERULE: the key is not the certificate's; others can read the key. d
 * names file and reason, of the first fault. A certificate that is out of its time
 * is taken, for it may be all there is: see tls_identity_untimely(). */
MUST_CHECK enum rc tls_identity_load(const struct tls_files *files,
                                     struct tls_identity **out,
                                     struct diag *d);
/* The same, with all faults: d is an array of TLS_FILES, in which the file at fault
 * has a text. */
MUST_CHECK enum rc tls_identity_judge(const struct tls_files *files,
                                      struct tls_identity **out,
                                      struct diag *d);
struct tls_identity *tls_identity_ref(struct tls_identity *id);
void tls_identity_unref(struct tls_identity *id);	/* NULL is fine */
int64_t tls_identity_expires(const struct tls_identity *id);	/* Unix s */
/* Has it expired, or does it begin later? Why, with the day, into dst. */
#define TLS_UNTIMELY_TEXT 64
bool tls_identity_untimely(const struct tls_identity *id, int64_t now,
                           char dst[TLS_UNTIMELY_TEXT]);
const char *tls_identity_print(const struct tls_identity *id);	/* own one's */
/* The same certificates, and the same authorities of clients. NULL is one, too. */
bool tls_identity_same(const struct tls_identity *a,
                       const struct tls_identity *b);
/* "CN=..., DNS:a, DNS:b": for status. */
const char *tls_identity_subject(const struct tls_identity *id);

/* SHA-256, in hex, of each certificate in a PEM file, up to max. */
MUST_CHECK enum rc tls_prints_load(const char *file,
                                   char (*print)[TLS_PRINT_TEXT + 1],
                                   size_t max, size_t *n, struct diag *d);

/* Can others be checked against the authorities in that PEM file? */
MUST_CHECK enum rc tls_ca_check(const char *file, struct diag *d);

/* What a connection to another host must show, and what we show it. The texts are
 * lent until the call that takes them returns. */
struct tls_trust {
	const char *ca_file;		/* NULL: the system's authorities */
	const char *pin;		/* base64 SHA-256 of the public key that
					 * it must have as well; NULL: any */
	const char *certificate, *key;	/* own ones, PEM; NULL: none */
};

bool tls_pin_ok(const char *pin);	/* is text of that form */

/* What a peer has shown and what was checked of it. */
struct tls_peer {
	char print[TLS_PRINT_TEXT + 1];	/* "": it showed no certificate */
	bool chained;			/* leads to an authority of client_ca */
	char name[65];			/* the only DNS name, else the CN, when it
					 * is 1 to 64 of letters, digits and
					 * -:@_. ; else "" */
};

/* --- for the rest of this floor, nobody else ------------------------------ */

struct ssl_st;
struct stack_st_X509;
struct x509_st;
struct x509_store_st;

/* What a handshake shows; false: not possible with that peer. */
bool tls_identity_use(const struct tls_identity *id, struct ssl_st *ssl);
/* The authorities of client_ca, lent; NULL: none. */
struct x509_store_st *tls_identity_clients(const struct tls_identity *id);
/* Certificate with chain, and key, as PEM texts, lent. */
const char *tls_identity_certificate(const struct tls_identity *id);
const char *tls_identity_key(const struct tls_identity *id);

/* SHA-256 of a certificate in hex; false: no memory. */
bool tls_print(const struct x509_st *cert, char out[TLS_PRINT_TEXT + 1]);
/* The text of a PEM file that holds certificates; replaces what is in pem. */
MUST_CHECK enum rc tls_pem_load(const char *file, struct buf *pem,
                                struct diag *d);
/* All certificates of a PEM file, at least one; sk_X509_pop_free() them. */
MUST_CHECK enum rc tls_certs_load(const char *file, struct stack_st_X509 **out,
                                  struct diag *d);
/* Authorities to check others against, from a PEM file. */
MUST_CHECK enum rc tls_store_load(const char *file, struct x509_store_st **out,
                                  struct diag *d);

#endif
