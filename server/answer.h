/* answer.h - from the writer thread to who asked at the control socket. */
#ifndef ALTOCAST_SERVER_ANSWER_H
#define ALTOCAST_SERVER_ANSWER_H

#include <stddef.h>

#include "common/base/buf.h"
#include "common/service/house.h"
#include "common/sys/mailbox.h"

struct ctlsock_req;

#define ANSWER_MAX	(16u << 20)

#define MSG_ANSWER	110	/* to the loop */
struct msg_answer {
	struct msg msg;
	struct ctlsock_req *req;
	char *text;			/* malloc, one JSON object */
	size_t len;
};
void answer_drop(struct msg *m);

/* text: one JSON object, taken over (and empty after). */
void answer_send(struct house *h, struct ctlsock_req *req, struct buf *text);
/* {"error":TEXT} */
void answer_error(struct house *h, struct ctlsock_req *req, const char *text);
/* "error" (the first line) and "errors" (all lines), without braces. */
void answer_put_errors(const struct buf *lines, struct buf *dst);
/* Lines as JSON strings, with commas between them. */
void answer_put_lines(const struct buf *lines, struct buf *dst);

#endif
