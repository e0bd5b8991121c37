/* certs.h - keys and certificates for tests, made on the spot in a folder of their
 * own: BASE.pem and BASE.key (mode 0600). Whatever cannot be made ends the
 * program.
 */
#ifndef ALTOCAST_TESTS_CERTS_H
#define ALTOCAST_TESTS_CERTS_H

#include <stdbool.h>

struct cert {
	const char *base;		/* of the files */
	const char *name;		/* CN; NULL: base */
	const char *alt;		/* "DNS:a.example,IP:127.0.0.1"; NULL */
	const char *issuer;		/* base of its; NULL: signs itself */
	bool authority;
	int days;			/* from now on; below 0: it has expired */
};

void certs_begin(void);			/* makes the folder */
void certs_make(const struct cert *c);
/* The usual ones: "ca"; by it "server" (localhost, 127.0.0.1, ::1), "other" (the
 * same names), "elsewhere" (elsewhere.example, 192.0.2.1), "expired", "client" and
 * "client2"; "stranger-ca", and by it "stranger"; "alone", which signs
 * itself. */
void certs_usual(void);
void certs_end(void);			/* removes all */

/* Path of BASE.EXT or of BASE; good until the eighth call from now. */
const char *certs_file(const char *base, const char *ext);
/* Base64 of the SHA-256 of its public key, good for as long. */
const char *certs_pin(const char *base);

#endif
