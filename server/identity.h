/* identity.h - who the server is: its key, and the id of its service beside it.
 *
 * Both are made on the first start. The key file is KEY (signing.key, default
 * signing.pem in the state directory); the id stands in KEY.service, so that a
 * server that lost its journal stays the same service for those who know it.
 */
#ifndef ALTOCAST_SERVER_IDENTITY_H
#define ALTOCAST_SERVER_IDENTITY_H

#include "common/base/diag.h"
#include "common/base/enc.h"
#include "common/base/rc.h"
#include "common/core/sign.h"
#include "common/sys/conf.h"

/* held: the service of the journal, NULL when that is empty. RC_ENOENT: a journal
 * without its key. RC_ERULE: journal and setting name two services, or the file of
 * the id is none. The caller owns *key. */
MUST_CHECK enum rc identity_load(const struct conf *c, const char *held,
                                 struct sign_key **key,
                                 char service[UUID_TEXT + 1], struct diag *d);

#endif
