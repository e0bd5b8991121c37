/* contacts.h - whom the proxy asks: addresses, modes, tokens, TLS, of each upstream
 * and of the origin.
 *
 * Made of the settings; the tokens are read from their files, and again on reload.
 * Texts are lent by the settings, but for the authorization, which lasts until the
 * next contacts_reload(). Writer thread.
 */
#ifndef ALTOCAST_PROXY_CONTACTS_H
#define ALTOCAST_PROXY_CONTACTS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/net/tls.h"
#include "common/sys/conf.h"

struct contact {
	const char *directory;
	const char *push;		/* where to subscribe; NULL: as it says */
	bool pull;			/* mode */
	size_t body_max;
	char *authorization;		/* "Bearer TOKEN", or NULL */
	struct tls_trust tls;
};

struct contacts;

MUST_CHECK enum rc contacts_new(const struct conf *c, struct contacts **out,
                                struct diag *d);
void contacts_free(struct contacts *c);			/* NULL is fine */
/* All tokens again, or none; certificates must be usable too. *renewed: there is a
 * new one. */
MUST_CHECK enum rc contacts_reload(struct contacts *c, bool *renewed,
                                   struct diag *d);

size_t contacts_count(const struct contacts *c);
const struct contact *contacts_at(const struct contacts *c, size_t i);
/* May we subscribe at a URI that we were told? NULL: yes; else why not. Whoever told
 * it was not verified, and our token will be shown there: it must be a push URI on
 * the host of the directory, and over TLS if the directory is. Any other is for the
 * operator to write (push). */
const char *contacts_push_refused(const struct contact *who, const char *uri);
/* The origin. At an address of an upstream it is that one; elsewhere it gets no
 * token and no certificate of ours, and must lead to the same authorities as the
 * first upstream. */
const struct contact *contacts_origin(const struct contacts *c);
/* Is the name it answers under proven: by TLS, or since it is this machine? */
bool contacts_origin_proven(const struct contacts *c);
/* Are all upstreams at the origin's own, proven name? */
bool contacts_all_at_origin(const struct contacts *c);

#endif
