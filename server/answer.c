#include "server/answer.h"

#include <stdlib.h>
#include <string.h>

#include "common/wire/json.h"

void answer_drop(struct msg *m)
{
	free(((struct msg_answer *)m)->text);
	free(m);
}

void answer_send(struct house *h, struct ctlsock_req *req, struct buf *text)
{
	struct msg_answer *m = calloc(1, sizeof(*m));

	if (!m) {
		buf_free(text);		/* the asker sees his time run out */
		return;
	}
	m->msg.kind = MSG_ANSWER;
	m->msg.size = sizeof(*m) + text->len;
	m->req = req;
	m->text = buf_take(text, &m->len);
	buf_free(text);
	house_to_loop(h, &m->msg);
}

void answer_error(struct house *h, struct ctlsock_req *req, const char *text)
{
	struct buf b = BUF_INIT(ANSWER_MAX);

	buf_puts(&b, "{\"error\":");
	json_put_string(&b, text, strlen(text));
	buf_putc(&b, '}');
	answer_send(h, req, &b);
}

void answer_put_lines(const struct buf *lines, struct buf *dst)
{
	const char *p = buf_str(lines), *end;

	for (; (end = strchr(p, '\n')) != NULL; p = end + 1) {
		if (p != buf_str(lines))
			buf_putc(dst, ',');
		json_put_string(dst, p, (size_t)(end - p));
	}
}

void answer_put_errors(const struct buf *lines, struct buf *dst)
{
	const char *end = strchr(buf_str(lines), '\n');

	buf_puts(dst, "\"error\":");
	json_put_string(dst, buf_str(lines), end ?
	                (size_t)(end - buf_str(lines)) : lines->len);
	buf_puts(dst, ",\"errors\":[");
	answer_put_lines(lines, dst);
	buf_putc(dst, ']');
}
