/* fuzz_ctl.c - any bytes on the control socket, for libFuzzer.
 *
 * A real socket, and loop and client in one thread. Each answer is one line and
 * a JSON object, there are not more of them than lines were sent, and the
 * connection ends.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/net/loop.h"
#include "common/service/ctl.h"
#include "common/wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ANSWER_MAX ((size_t)16 << 20)

static struct loop *loop;
static char dir[] = "/tmp/fuzz_ctl.XXXXXX";
static struct sockaddr_un at = { .sun_family = AF_UNIX };
static int fd;
static struct buf got;

static void must(int ok)
{
	if (!ok)
		abort();
}

/* Gives back what it was asked. */
static void echo(struct ctlsock_req *req, const json_t *args, void *arg)
{
	struct buf b = BUF_INIT(ANSWER_MAX);
	char *text = json_dumps(args, JSON_COMPACT);

	(void)arg;
	must(text != NULL);
	buf_printf(&b, "{\"echo\":%s}", text);
	free(text);
	ctl_answer(req, b.data, b.len);
	buf_free(&b);
}

static void fail(struct ctlsock_req *req, const json_t *args, void *arg)
{
	const char *name = json_string_value(json_object_get(args, "name"));

	(void)arg;
	ctl_error(req, "no %s", name ? name : "name");
}

static const struct ctl_command commands[] = {
	{ "status", echo }, { "reload", fail }, { NULL, NULL }
};

static void hear(void *arg)
{
	char part[4096];
	ssize_t n = recv(fd, part, sizeof(part), MSG_DONTWAIT);

	(void)arg;
	if (n > 0)
		buf_add(&got, part, (size_t)n);
	if (n == 0)
		loop_stop(loop);
	else
		loop_wake(loop);	/* once more, after a look at the sockets */
}

static void leave(void)
{
	loop_free(loop);
	unlink(at.sun_path);
	rmdir(dir);
}

static void start(void)
{
	must(mkdtemp(dir) != NULL && atexit(leave) == 0);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/ctl", dir);
	must(loop_new(&loop) == RC_OK);
	loop_on_wake(loop, hear, NULL);
	must(ctl_listen(loop, at.sun_path, commands, NULL, NULL) == RC_OK);
}

static size_t lines(const char *s, size_t len, int check)
{
	size_t n = 0;

	for (const char *end; (end = memchr(s, '\n', len)) != NULL; n++) {
		size_t one = (size_t)(end - s);
		json_t *doc = NULL;

		if (check) {
			must(json_read(s, one, ANSWER_MAX, &doc, NULL) ==
			     RC_OK && json_is_object(doc));
			json_decref(doc);
		}
		len -= one + 1;
		s = end + 1;
	}
	must(!check || len == 0);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!loop)
		start();
	buf_init(&got, ANSWER_MAX);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(fd >= 0);
	must(connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
	must(send(fd, data, size, MSG_NOSIGNAL) == (ssize_t)size);
	must(shutdown(fd, SHUT_WR) == 0);
	loop_wake(loop);
	loop_run(loop);
	must(buf_rc(&got) == RC_OK);
	must(lines(buf_str(&got), got.len, 1) <=
	     lines((const char *)data, size, 0));
	close(fd);
	buf_free(&got);
	return 0;
}
