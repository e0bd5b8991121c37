/* identity.h - who the server is: where its key is, and the id of its service
 * beside it.
 *
 * The key file is KEY (signing.key, default signing.pem in the state directory);
 * the id is made on the first start and stands in KEY.service, so that a server
 * that lost its journal stays the same service for those who know it.
 */
#ifndef ALTOCAST_SERVER_IDENTITY_H
#define ALTOCAST_SERVER_IDENTITY_H

#include "common/base/diag.h"
#include "common/base/enc.h"
#include "common/base/rc.h"
#include "common/sys/conf.h"

/* The path of KEY; free() it. RC_ENOMEM. */
MUST_CHECK enum rc identity_key_path(const struct conf *c, char **out);

/* held: the service of the journal, NULL when that is empty. RC_ERULE: journal and
 * setting name two services, or the file of the id is none. */
MUST_CHECK enum rc identity_service(const struct conf *c, const char *key_path,
                                    const char *held,
                                    char service[UUID_TEXT + 1],
                                    struct diag *d);

#endif
