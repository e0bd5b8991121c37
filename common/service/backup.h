/* backup.h - `altoctl backup`: a copy of the journal while the daemon works.
 *
 * The daemon makes the copy beside its journal, where it may write whatever it is
 * confined to, and answers where it is; altoctl moves it to where the operator
 * wants it, with the operator's rights. Writer thread.
 */
#ifndef ALTOCAST_SERVICE_BACKUP_H
#define ALTOCAST_SERVICE_BACKUP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/sys/journal.h"

struct ctlsock_req;

/* Zeroed: none is being made. */
struct backup {
	struct journal_copy *copy;	/* NULL: none */
	struct ctlsock_req *req;	/* who waits */
	uint64_t begun_ms;
	uint64_t tidy_ms;		/* when what nobody took goes; 0: nothing */
};

/* false: it cannot begin, answer (a JSON object, for req) says why. true: call
 * backup_step() from the writer's tick until it says so. */
bool backup_begin(struct backup *b, struct journal *j, struct ctlsock_req *req,
                  struct buf *answer);
/* true: it is over, answer is for *req. false: again, soon. */
bool backup_step(struct backup *b, struct ctlsock_req **req,
                 struct buf *answer);
/* Now and then: a copy that nobody took away goes. */
void backup_tidy(struct backup *b, const struct journal *j);
/* The end of the daemon: what is not whole is removed. */
void backup_end(struct backup *b);

#endif
