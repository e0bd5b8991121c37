#include "common/service/ctl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/net/ctlsock.h"
#include "common/net/loop.h"
#include "common/wire/json.h"

#define SOCKET_MODE 0660	/* owner and group may give orders */
#define LINE_MAX_BYTES 65536u
#define REPLY_MAX_BYTES (64u << 20)	/* status of ten thousand subscribers */
#define CONNS_MAX 32u
#define IDLE_MS 60000u
#define COMMAND_MAX 64u		/* bytes of a command's name */
#define ERROR_MAX 2048u

struct ctl {
	const struct ctl_command *commands;
	void *arg;
};

static const char no_memory[] = "{\"error\":\"out of memory\"}\n";
static const char too_long[] = "{\"error\":\"the answer is too long\"}\n";

void ctl_answer(struct ctlsock_req *req, const char *text, size_t len)
{
	char *line;

	if (len >= REPLY_MAX_BYTES) {
		ctlsock_reply(req, too_long, strlen(too_long));
		return;
	}
	line = malloc(len + 1);
	if (!line) {
		ctlsock_reply(req, no_memory, strlen(no_memory));
		return;
	}
	memcpy(line, text, len);
	line[len] = '\n';
	ctlsock_reply(req, line, len + 1);
	free(line);
}

/* Takes what is in b as the answer. */
static void answer_buf(struct ctlsock_req *req, struct buf *b)
{
	if (buf_rc(b) == RC_OK)
		ctl_answer(req, b->data, b->len);
	else
		ctlsock_reply(req, no_memory, strlen(no_memory));
	buf_free(b);
}

static void put_text(struct buf *b, const char *s)
{
	json_put_string(b, s, strlen(s));
}

void ctl_error(struct ctlsock_req *req, const char *fmt, ...)
{
	struct buf b = BUF_INIT(8 * ERROR_MAX);
	char text[ERROR_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_puts(&b, "{\"error\":");
	put_text(&b, text);
	buf_putc(&b, '}');
	answer_buf(req, &b);
}

static void unknown(const struct ctl *c, struct ctlsock_req *req,
                    const char *name)
{
	struct buf b = BUF_INIT(REPLY_MAX_BYTES);
	char text[COMMAND_MAX + 40];

	snprintf(text, sizeof(text), "there is no command \"%s\"", name);
	buf_puts(&b, "{\"error\":");
	put_text(&b, text);
	buf_puts(&b, ",\"commands\":[");
	for (const struct ctl_command *k = c->commands; k->name; k++) {
		if (k != c->commands)
			buf_putc(&b, ',');
		put_text(&b, k->name);
	}
	buf_puts(&b, "]}");
	answer_buf(req, &b);
}

static void run(const struct ctl *c, struct ctlsock_req *req,
                const char *name, const json_t *args)
{
	const struct ctl_command *k = c->commands;

	while (k->name && strcmp(k->name, name) != 0)
		k++;
	if (k->name)
		k->run(req, args, c->arg);
	else
		unknown(c, req, name);
}

static void on_line(struct ctlsock_req *req, const char *line, void *arg)
{
	const char *name = NULL;
	struct diag d = { 0 };
	json_t *args = NULL;
	enum rc rc;

	rc = json_read(line, strlen(line), LINE_MAX_BYTES, &args, &d);
	if (rc == RC_OK)
		rc = json_text(args, "", "command", COMMAND_MAX, &name, &d);
	if (rc == RC_OK)
		run(arg, req, name, args);
	/* What it quotes may end in the middle of a character. */
	for (char *c = d.pointer; rc != RC_OK && *c; c++)
		*c = *c >= ' ' && *c <= '~' ? *c : '?';
	for (char *c = d.text; rc != RC_OK && *c; c++)
		*c = *c >= ' ' && *c <= '~' ? *c : '?';
	if (rc != RC_OK)
		ctl_error(req, "not a request like {\"command\":\"status\"}: "
		          "%s%s%s", d.pointer, d.pointer[0] ? ": " : "",
		          d.text[0] ? d.text : rc_text(rc));
	json_decref(args);
}

enum rc ctl_listen(struct loop *l, const char *path,
                   const struct ctl_command *commands, void *arg,
                   struct diag *d)
{
	struct ctlsock_config cfg = {
		.path = path,
		.mode = SOCKET_MODE,
		.max_line = LINE_MAX_BYTES,
		.max_reply = REPLY_MAX_BYTES,
		.max_conns = CONNS_MAX,
		.idle_ms = IDLE_MS,
		.line = on_line
	};
	struct ctl *c = loop_alloc(l, sizeof(*c));

	if (!c)
		return RC_ENOMEM;
	c->commands = commands;
	c->arg = arg;
	cfg.arg = c;
	return ctlsock_listen(l, &cfg, d);
}
