/* altoctl - the operator's commands, over the control socket of a daemon.
 *
 * One request line, one answer line (common/service/ctl.h). Names and texts in
 * an answer may come from other machines, so nothing of it reaches a terminal
 * with its control characters. One file: each command is its question and the
 * table that its answer becomes.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "(no version)"
#endif

#define SERVER_SOCKET "/run/alto-server.sock"
#define PROXY_SOCKET "/run/alto-proxy.sock"
#define ANSWER_MAX (64u << 20)
#define STATUS_TIMEOUT_S 10
#define NO_TIMEOUT (-1)
#define TAG_SHORT 12
#define COLUMNS_MAX 12

enum { EXIT_DONE, EXIT_REFUSED, EXIT_USAGE, EXIT_NOT_RUNNING };

struct options {
	const char *socket;		/* NULL: look for one */
	bool json, force;
	int timeout_s;			/* 0: the command's own */
};

struct command {
	const char *name, *help;
	int timeout_s;
	bool forceable;
	void (*print)(const json_t *answer);
};

static int fail(int status, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int fail(int status, const char *fmt, ...)
{
	va_list ap;

	fputs("altoctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return status;
}

/* values, as people read them */

/* Without control characters, C0 and C1; in place. */
static char *tame(char *s)
{
	for (unsigned char *p = (unsigned char *)s; *p != '\0'; p++) {
		if (*p < ' ' || *p == 0x7f) {
			*p = '?';
		} else if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) {
			*p++ = '?';
			*p = '?';
		}
	}
	return s;
}

/* Printed anew, so it may be longer than a cell. */
static void print_text(FILE *to, const char *text)
{
	char *copy = strdup(text);

	fputs(copy ? tame(copy) : "(out of memory)", to);
	free(copy);
}

static const char *text_of(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

static int64_t int_of(const json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

static double number_of(const json_t *o, const char *name)
{
	return json_number_value(json_object_get(o, name));
}

struct text {
	char s[96];
};

static struct text span_of(double seconds)
{
	struct text t;
	long long s = seconds > 0 ? (long long)seconds : 0;

	if (s < 60)
		snprintf(t.s, sizeof(t.s), "%llds", s);
	else if (s < 3600)
		snprintf(t.s, sizeof(t.s), "%lldm", s / 60);
	else if (s < 2 * 86400)
		snprintf(t.s, sizeof(t.s), "%lldh", s / 3600);
	else
		snprintf(t.s, sizeof(t.s), "%lldd", s / 86400);
	return t;
}

static struct text since(int64_t when)
{
	return span_of((double)((int64_t)time(NULL) - when));
}

static struct text size_of(int64_t bytes)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
	double n = (double)bytes / 1024;
	struct text t;
	size_t u = 0;

	if (bytes < 1024) {
		snprintf(t.s, sizeof(t.s), "%" PRId64 " B", bytes);
		return t;
	}
	for (; n >= 1023.95 && u < 3; u++)
		n /= 1024;
	snprintf(t.s, sizeof(t.s), "%.1f %s", n, units[u]);
	return t;
}

static struct text count_of(int64_t n, const char *one, const char *many)
{
	struct text t;

	snprintf(t.s, sizeof(t.s), "%" PRId64 " %s", n, n == 1 ? one : many);
	return t;
}

/* tables */

struct table {
	size_t columns, n, room;	/* n, room: cells */
	char **cell;
	bool right[COLUMNS_MAX];
	bool failed;			/* out of memory: not printed */
};

static void table_end(struct table *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->cell[i]);
	free(t->cell);
}

/* Room for one more cell; sets failed. */
static void make_room(struct table *t)
{
	size_t room = t->room ? t->room * 2 : 64;
	char **more;

	if (t->n < t->room)
		return;
	more = realloc(t->cell, room * sizeof(*more));
	t->failed = !more;
	if (more) {
		t->cell = more;
		t->room = room;
	}
}

static void cell(struct table *t, const char *text)
{
	char *copy;

	if (!t->failed)
		make_room(t);
	if (t->failed)
		return;
	copy = strdup(text[0] ? text : "-");
	t->failed = !copy;
	if (copy)
		t->cell[t->n++] = tame(copy);
}

static void cell_number(struct table *t, int64_t n)
{
	char s[32];

	snprintf(s, sizeof(s), "%" PRId64, n);
	cell(t, s);
}

/* titles: one word each, those that begin with ">" stand to the right. */
static void table_begin(struct table *t, const char *const *titles, size_t n)
{
	memset(t, 0, sizeof(*t));
	t->columns = n;
	for (size_t i = 0; i < n; i++) {
		t->right[i] = titles[i][0] == '>';
		cell(t, titles[i] + t->right[i]);
	}
}

static void print_row(const struct table *t, size_t row, const int *width)
{
	for (size_t c = 0; c < t->columns; c++) {
		const char *s = t->cell[row * t->columns + c];

		if (c + 1 == t->columns && !t->right[c])
			printf("  %s", s);
		else
			printf("  %*s", t->right[c] ? width[c] : -width[c], s);
	}
	putchar('\n');
}

static void table_print(struct table *t)
{
	int width[COLUMNS_MAX] = { 0 };

	for (size_t i = 0; i < t->n; i++)
		if ((int)strlen(t->cell[i]) > width[i % t->columns])
			width[i % t->columns] = (int)strlen(t->cell[i]);
	if (t->failed)
		puts("  (out of memory)");
	for (size_t row = 0; !t->failed && row < t->n / t->columns; row++)
		print_row(t, row, width);
	table_end(t);
}

#define TABLE(t, ...) do { \
	static const char *const titles[] = { __VA_ARGS__ }; \
	table_begin(t, titles, sizeof(titles) / sizeof(titles[0])); \
} while (0)

static void cell_tag(struct table *t, const char *tag)
{
	char s[TAG_SHORT + 1];

	snprintf(s, sizeof(s), "%s", tag);
	cell(t, s);
}

/* status */

static void line(const char *name, const char *text)
{
	if (text[0] == '\0')
		return;
	printf("  %-9s ", name);
	print_text(stdout, text);
	putchar('\n');
}

static void print_head(const json_t *a)
{
	int64_t left = int_of(a, "expires") - (int64_t)time(NULL);
	char text[200];

	printf("alto-");
	print_text(stdout, text_of(a, "role"));
	putchar(' ');
	print_text(stdout, text_of(a, "version"));
	if (!json_object_get(a, "serial")) {
		puts(": serves nothing yet");
		return;
	}
	printf(": ");
	print_text(stdout, text_of(a, "freshness"));
	printf(", signed %s ago, ", span_of(number_of(a, "age")).s);
	if (left > 0)
		printf("valid for %s\n", span_of((double)left).s);
	else
		printf("not valid since %s\n", span_of((double)-left).s);
	snprintf(text, sizeof(text), "%" PRId64 ", maps changed at %" PRId64,
	         int_of(a, "serial"), int_of(a, "map-serial"));
	line("serial", text);
	line("session", text_of(a, "session"));
	line("service", text_of(a, "service"));
	line("key", text_of(a, "key"));
}

static void print_places(const json_t *a)
{
	const json_t *l = json_object_get(a, "listeners");
	const json_t *log = json_object_get(a, "log");
	char text[300];

	line("http", text_of(l, "http"));
	line("push", text_of(l, "push"));
	line("admin", text_of(l, "admin"));
	if (log) {
		snprintf(text, sizeof(text), "%s, %s, resumes from serial %"
		         PRId64, count_of(int_of(log, "updates"), "update", "updates").s,
		         size_of(int_of(log, "bytes")).s,
		         int_of(log, "oldest"));
		line("log", text);
	}
}

static const char *kind_of(const json_t *r)
{
	if (json_object_get(r, "prefixes"))
		return "network";
	return json_object_get(r, "cells") ? "cost" : "directory";
}

static void cell_content(struct table *t, const json_t *r)
{
	bool net = json_object_get(r, "prefixes") != NULL;
	bool over = json_is_true(json_object_get(r, "overridden"));
	char s[300];

	if (!json_object_get(r, "pids")) {
		cell(t, over ? "overridden" : "");
		return;
	}
	snprintf(s, sizeof(s), "%s, %s%s",
	         count_of(int_of(r, "pids"), "PID", "PIDs").s,
	         net ? count_of(int_of(r, "prefixes"), "prefix", "prefixes").s
	             : count_of(int_of(r, "cells"), "cell", "cells").s,
	         over ? ", overridden" : "");
	cell(t, s);
}

static void print_resources(const json_t *a)
{
	const json_t *list = json_object_get(a, "resources"), *r;
	struct table t;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	puts("\nresources");
	TABLE(&t, "ID", "KIND", "TAG", ">SERIAL", ">AGE", ">SIZE", "CONTENT");
	json_array_foreach(list, i, r) {
		const json_t *changed = json_object_get(r, "changed");

		cell(&t, text_of(r, "id"));
		cell(&t, kind_of(r));
		cell_tag(&t, text_of(r, "tag"));
		cell_number(&t, int_of(r, "serial"));
		cell(&t, json_is_integer(changed)
		     ? since(json_integer_value(changed)).s : "");
		cell(&t, size_of(int_of(r, "size")).s);
		cell_content(&t, r);
	}
	table_print(&t);
}

static void cell_lag(struct table *t, const json_t *s)
{
	const json_t *versions = json_object_get(s, "lag-versions");
	double seconds = number_of(s, "lag-seconds");
	char text[120] = "";

	if (strcmp(text_of(s, "state"), "current") == 0) {
		cell(t, "");
		return;
	}
	if (versions)
		snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT " in %s",
		         json_integer_value(versions), span_of(seconds).s);
	else if (json_object_get(s, "lag-seconds"))
		snprintf(text, sizeof(text), "%s", span_of(seconds).s);
	cell(t, text);
}

static void cell_serial(struct table *t, const json_t *o, const char *name)
{
	const json_t *n = json_object_get(o, name);

	if (n)
		cell_number(t, json_integer_value(n));
	else
		cell(t, "");
}

/* Those that subscribe to a subscriber, as it told. */
static void rows_below(struct table *t, const json_t *s)
{
	const json_t *list = json_object_get(s, "below"), *b;
	char name[80];
	size_t i;

	json_array_foreach(list, i, b) {
		snprintf(name, sizeof(name), "  %s", text_of(b, "name"));
		cell(t, name);
		cell(t, text_of(b, "uri"));
		cell(t, "below");
		cell(t, "");
		cell_serial(t, b, "serial");
		for (size_t c = 5; c < t->columns; c++)
			cell(t, "");
	}
}

static void print_subscribers(const json_t *a)
{
	const json_t *list = json_object_get(a, "subscribers"), *s;
	struct table t;
	size_t i;

	if (!list)
		return;
	if (json_array_size(list) == 0) {
		puts("\nno subscribers");
		return;
	}
	puts("\nsubscribers");
	TABLE(&t, "NAME", "ADDRESS", "STATE", ">SENT", ">ACKED", ">BEHIND",
	      ">UP", ">UPDATES", ">SNAPSHOTS", ">BYTES", ">PENDING");
	json_array_foreach(list, i, s) {
		cell(&t, text_of(s, "name"));
		cell(&t, text_of(s, "address"));
		cell(&t, text_of(s, "state"));
		cell_serial(&t, s, "serial-sent");
		cell_serial(&t, s, "serial-acked");
		cell_lag(&t, s);
		cell(&t, span_of(number_of(s, "connected-seconds")).s);
		cell_number(&t, int_of(s, "updates"));
		cell_number(&t, int_of(s, "snapshots"));
		cell(&t, size_of(int_of(s, "bytes")).s);
		cell(&t, size_of(int_of(s, "pending")).s);
		rows_below(&t, s);
	}
	table_print(&t);
}

static void cell_reopened(struct table *t, const json_t *u)
{
	json_t *all = json_object_get(u, "reopened"), *n;
	const char *reason;
	char text[300] = "";
	size_t len = 0;

	json_object_foreach(all, reason, n) {
		int more = snprintf(text + len, sizeof(text) - len, "%s%s %"
			JSON_INTEGER_FORMAT, len ? ", " : "", reason,
			json_integer_value(n));

		if (more < 0 || (size_t)more >= sizeof(text) - len)
			break;
		len += (size_t)more;
	}
	cell(t, text);
}

static void print_upstreams(const json_t *a)
{
	const json_t *list = json_object_get(a, "upstreams"), *u;
	struct table t;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	puts("\nupstream");
	TABLE(&t, "DIRECTORY", "MODE", "PHASE", ">SINCE", ">UPDATES",
	      ">HEARTBEATS", ">FETCHES", "REOPENED");
	json_array_foreach(list, i, u) {
		cell(&t, text_of(u, "directory"));
		cell(&t, text_of(u, "mode"));
		cell(&t, text_of(u, "phase"));
		cell(&t, since(int_of(u, "since")).s);
		cell_number(&t, int_of(u, "updates"));
		cell_number(&t, int_of(u, "heartbeats"));
		cell_number(&t, int_of(u, "fetches"));
		cell_reopened(&t, u);
	}
	table_print(&t);
	json_array_foreach(list, i, u)
		line("trouble", text_of(u, "trouble"));
}

static void print_troubles(const json_t *a)
{
	const json_t *list = json_object_get(a, "troubles"), *x;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	puts("\ntrouble");
	json_array_foreach(list, i, x) {
		printf("  ");
		print_text(stdout, text_of(x, "topic"));
		printf(", for %s: ", since(int_of(x, "since")).s);
		print_text(stdout, text_of(x, "text"));
		putchar('\n');
	}
}

static void print_status(const json_t *a)
{
	print_head(a);
	print_places(a);
	print_resources(a);
	print_upstreams(a);
	print_subscribers(a);
	print_troubles(a);
}

/* reload */

/* "+2 -1 PIDs" */
static void add_change(char *dst, size_t size, const json_t *r,
                       const char *what, const char *shown)
{
	char added[40], removed[40];
	size_t len = strlen(dst);

	snprintf(added, sizeof(added), "%s-added", what);
	snprintf(removed, sizeof(removed), "%s-removed", what);
	if (int_of(r, added) == 0 && int_of(r, removed) == 0)
		return;
	snprintf(dst + len, size - len, "%s+%" PRId64 " -%" PRId64 " %s",
	         len ? ", " : "", int_of(r, added), int_of(r, removed), shown);
}

static void cell_change(struct table *t, const json_t *r)
{
	char s[300] = "";

	if (int_of(r, "cells-changed") > 0)
		snprintf(s, sizeof(s), "%s changed",
		         count_of(int_of(r, "cells-changed"), "cell", "cells").s);
	add_change(s, sizeof(s), r, "pids", "PIDs");
	add_change(s, sizeof(s), r, "prefixes", "prefixes");
	add_change(s, sizeof(s), r, "cells", "cells");
	cell(t, s);
}

static void print_changes(const json_t *a)
{
	const json_t *list = json_object_get(a, "resources"), *r;
	struct table t;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	TABLE(&t, "ID", "FROM", "TO", "CHANGE");
	json_array_foreach(list, i, r) {
		cell(&t, text_of(r, "id"));
		cell_tag(&t, text_of(r, "from"));
		cell_tag(&t, text_of(r, "to"));
		cell_change(&t, r);
	}
	table_print(&t);
}

static void print_list(FILE *to, const char *prefix, const json_t *list)
{
	const json_t *x;
	size_t i;

	json_array_foreach(list, i, x) {
		char *other = json_is_string(x) ? NULL
			: json_dumps(x, JSON_COMPACT | JSON_ENCODE_ANY);

		fputs(prefix, to);
		print_text(to, json_is_string(x) ? json_string_value(x)
		                                 : other ? other : "");
		fputc('\n', to);
		free(other);
	}
}

static void print_reload(const json_t *a)
{
	int64_t delta = int_of(a, "delta-bytes"), full = int_of(a, "full-bytes");

	if (json_is_true(json_object_get(a, "changed"))) {
		printf("serial %" PRId64 " published in %.1f ms\n",
		       int_of(a, "serial"), number_of(a, "ms"));
		print_changes(a);
		printf("  %s of delta for %s", size_of(delta).s,
		       count_of(int_of(a, "subscribers"), "subscriber",
		                "subscribers").s);
		if (full > 0)
			printf("; %s in full (%.2g %%)", size_of(full).s,
			       100 * (double)delta / (double)full);
		putchar('\n');
	} else {
		printf("nothing changed: serial %" PRId64 " stays\n",
		       int_of(a, "serial"));
	}
	print_list(stdout, "  warning: ", json_object_get(a, "warnings"));
}

/* the socket */

static int dial(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(to.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(to.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	err = errno;
	close(fd);
	errno = err;
	return -1;
}

/* Exit status, EXIT_DONE with *fd. */
static int reach(const struct options *o, int *fd)
{
	const char *path = o->socket;

	if (!path)
		path = access(SERVER_SOCKET, F_OK) != 0 &&
		       access(PROXY_SOCKET, F_OK) == 0 ? PROXY_SOCKET
		                                       : SERVER_SOCKET;
	*fd = dial(path);
	if (*fd >= 0)
		return EXIT_DONE;
	if (errno == ENOENT || errno == ECONNREFUSED)
		return fail(EXIT_NOT_RUNNING, "no daemon listens on %s%s", path,
		            o->socket ? "" : " (--socket names another one)");
	return fail(EXIT_REFUSED, "%s: %s", path, strerror(errno));
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Waits until fd can be read; false with errno. */
static bool wait_for(int fd, int64_t due_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int n;

	do {
		int64_t left = due_ms - now_ms();

		n = poll(&p, 1, due_ms < 0 ? -1 : left > 0 ? (int)left : 0);
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		errno = ETIMEDOUT;
	return n > 0;
}

/* Takes in more of the answer; NULL with errno when there is no more. */
static char *more(int fd, char *text, size_t *room, size_t len, ssize_t *got)
{
	char *grown;

	if (*room - len < 65536) {
		*room = *room * 2 + 131072;
		if (*room > 2 * ANSWER_MAX) {
			errno = EMSGSIZE;
			return NULL;
		}
		grown = realloc(text, *room);
		if (!grown)
			return NULL;
		text = grown;
	}
	do
		*got = read(fd, text + len, *room - len - 1);
	while (*got < 0 && errno == EINTR);
	return text;
}

/* The answer's line, malloc'd; NULL with errno (0: closed before it came). */
static char *hear(int fd, int64_t due_ms)
{
	char *text = NULL, *grown, *end = NULL;
	size_t len = 0, room = 0;
	ssize_t got = 0;

	while (!end) {
		if (!wait_for(fd, due_ms))
			break;
		grown = more(fd, text, &room, len, &got);
		if (!grown)
			break;
		text = grown;
		if (got <= 0) {
			errno = got == 0 ? 0 : errno;
			break;
		}
		end = memchr(text + len, '\n', (size_t)got);
		len += (size_t)got;
	}
	if (end) {
		*end = '\0';
		return text;
	}
	free(text);
	return NULL;
}

static bool say(int fd, const char *text)
{
	size_t len = strlen(text);

	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		text += n;
		len -= (size_t)n;
	}
	return true;
}

/* commands */

static int show(const struct command *c, const struct options *o,
                const char *text)
{
	json_t *a = json_loads(text, 0, NULL);
	const char *error = json_string_value(json_object_get(a, "error"));
	int status = error ? EXIT_REFUSED : EXIT_DONE;

	if (!json_is_object(a)) {
		status = fail(EXIT_REFUSED, "the answer is no JSON object");
	} else if (o->json) {
		puts(text);
	} else if (error) {
		fprintf(stderr, "altoctl: %s: ", c->name);
		print_text(stderr, error);
		fputc('\n', stderr);
		print_list(stderr, "  ", json_object_get(a, "errors"));
	} else {
		c->print(a);
	}
	json_decref(a);
	if (fflush(stdout) != 0 || ferror(stdout))
		status = fail(EXIT_REFUSED, "stdout: %s", strerror(errno));
	return status;
}

static int run(const struct command *c, const struct options *o)
{
	int seconds = o->timeout_s > 0 ? o->timeout_s : c->timeout_s;
	int64_t due = seconds == NO_TIMEOUT ? -1
	                                    : now_ms() + seconds * 1000LL;
	char request[100], *text;
	int fd, status = reach(o, &fd);

	if (status != EXIT_DONE)
		return status;
	snprintf(request, sizeof(request), "{\"command\":\"%s\"%s}\n", c->name,
	         o->force ? ",\"force\":true" : "");
	errno = 0;
	text = say(fd, request) ? hear(fd, due) : NULL;
	if (text)
		status = show(c, o, text);
	else if (errno == ETIMEDOUT)
		status = fail(EXIT_REFUSED, "no answer within %d s", seconds);
	else
		status = fail(EXIT_REFUSED, "no answer: %s", errno
		              ? strerror(errno) : "the connection was closed");
	free(text);
	close(fd);
	return status;
}

static const struct command commands[] = {
	{ "status", "what the daemon serves, to whom, and from where",
	  STATUS_TIMEOUT_S, false, print_status },
	{ "reload", "read the map files again and publish what changed; waits",
	  NO_TIMEOUT, true, print_reload },
	{ NULL, NULL, 0, false, NULL }
};

static int help(void)
{
	puts("usage: altoctl [OPTION]... COMMAND\n\ncommands");
	for (const struct command *c = commands; c->name; c++)
		printf("  %-8s  %s\n", c->name, c->help);
	puts("  help      this text\n"
	     "  version   the version of altoctl\n\n"
	     "options\n"
	     "  -s, --socket PATH   control socket of the daemon; without it\n"
	     "                      " SERVER_SOCKET ", else\n"
	     "                      " PROXY_SOCKET "\n"
	     "  -j, --json          the daemon's answer as it is, one line\n"
	     "  -t, --timeout S     give up after S seconds (status: 10;\n"
	     "                      reload waits as long as it takes)\n"
	     "  -f, --force         reload: also files that did not change, and\n"
	     "                      those that were overridden\n"
	     "  -h, --help          this text\n"
	     "  -V, --version       the version of altoctl\n\n"
	     "exit status\n"
	     "  0 done   1 refused or failed   2 usage   3 not running");
	return EXIT_DONE;
}

static int version(void)
{
	puts("altoctl " PACKAGE_VERSION);
	return EXIT_DONE;
}

static int usage(const char *what, const char *word)
{
	return fail(EXIT_USAGE, "%s%s; altoctl --help shows how", what, word);
}

/* true: go on with the command; false: exit with *status. */
static bool read_options(int argc, char **argv, struct options *o, int *status)
{
	static const struct option known[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{ "timeout", required_argument, NULL, 't' },
		{ "force", no_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 }
	};
	char *end = NULL;
	long seconds;
	int c;

	while ((c = getopt_long(argc, argv, "s:jt:fhV", known, NULL)) != -1) {
		switch (c) {
		case 's':
			o->socket = optarg;
			break;
		case 'j':
			o->json = true;
			break;
		case 'f':
			o->force = true;
			break;
		case 't':
			seconds = strtol(optarg, &end, 10);
			if (*end != '\0' || seconds < 1 || seconds > 1000000) {
				*status = usage("--timeout is in seconds, not ",
				                optarg);
				return false;
			}
			o->timeout_s = (int)seconds;
			break;
		case 'h':
			*status = help();
			return false;
		case 'V':
			*status = version();
			return false;
		default:	/* getopt has said what is wrong */
			*status = EXIT_USAGE;
			return false;
		}
	}
	return true;
}

static int command(const char *name, const struct options *o)
{
	if (strcmp(name, "help") == 0)
		return help();
	if (strcmp(name, "version") == 0)
		return version();
	for (const struct command *c = commands; c->name; c++) {
		if (strcmp(c->name, name) != 0)
			continue;
		if (o->force && !c->forceable)
			return usage("--force is not for ", name);
		return run(c, o);
	}
	return usage("there is no command ", name);
}

int main(int argc, char **argv)
{
	struct options o = { 0 };
	int status = EXIT_USAGE;

	if (!read_options(argc, argv, &o, &status))
		return status;
	if (optind == argc)
		return usage("a command is missing", "");
	if (optind + 1 < argc)
		return usage("one command at a time, not also ",
		             argv[optind + 1]);
	return command(argv[optind], &o);
}
