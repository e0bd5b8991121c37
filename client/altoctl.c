/* altoctl - the operator's commands, over the control socket of a daemon.
 *
 * One request line, one answer line (common/service/ctl.h). Each command is its
 * question and what its answer looks like to people.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/ctl_backup.h"
#include "client/ctl_call.h"
#include "client/ctl_help.h"
#include "client/ctl_order.h"
#include "client/ctl_reload.h"
#include "client/ctl_status.h"
#include "client/ctl_table.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "(no version)"
#endif

#define STATUS_TIMEOUT_S 10
#define NO_TIMEOUT (-1)

struct options {
	const char *socket;		/* NULL: look for one */
	bool json;
	int timeout_s;			/* 0: the command's own */
	unsigned given;			/* FORCE and so on */
	bool help, version;
	long over_s;
	const char *file;		/* the argument, or NULL */
};

/* The first of the errors is the answer's "error" too. */
static void print_errors(const struct command *c, const char *error,
                         const json_t *all)
{
	fprintf(stderr, "altoctl: %s: ", c->name);
	if (json_array_size(all) > 1) {
		fprintf(stderr, "%zu errors\n", json_array_size(all));
		ctl_list(stderr, "  ", all);
		return;
	}
	ctl_print(stderr, error);
	fputc('\n', stderr);
}

/* text: the answer a as it came. */
static int show(const struct command *c, const struct options *o,
                const json_t *a, const char *text)
{
	const char *error = json_string_value(json_object_get(a, "error"));
	int status = error ? EXIT_REFUSED : EXIT_DONE;

	if (o->json) {
		puts(text);
	} else {
		if (error)
			print_errors(c, error, json_object_get(a, "errors"));
		/* A reload may have done its part all the same. */
		if (!error || json_object_get(a, "changed"))
			c->print(a);
	}
	if (fflush(stdout) != 0 || ferror(stdout))
		status = ctl_fail(EXIT_REFUSED, "stdout: %s", strerror(errno));
	return status;
}

/* The line that asks for it, malloc'd; NULL: out of memory. */
static char *request(const struct command *c, const struct options *o)
{
	json_t *r = json_object();
	char name[40], *text = NULL, *line = NULL;
	size_t len;

	snprintf(name, sizeof(name), "%s", c->name);
	if (strchr(name, ' '))
		*strchr(name, ' ') = '-';
	if (r && json_object_set_new(r, "command", json_string(name)) == 0 &&
	    (!(o->given & FORCE) ||
	     json_object_set_new(r, "force", json_true()) == 0) &&
	    (!(o->given & COMPROMISED) ||
	     json_object_set_new(r, "compromised", json_true()) == 0) &&
	    (!(o->given & OVER) ||
	     json_object_set_new(r, "over", json_integer(o->over_s)) == 0))
		text = json_dumps(r, JSON_COMPACT);
	json_decref(r);
	len = text ? strlen(text) : 0;
	line = text ? realloc(text, len + 2) : NULL;
	if (line)
		memcpy(line + len, "\n", 2);
	else
		free(text);
	return line;
}

/* EXIT_DONE with the daemon's answer (free() it), or the exit status, with the
 * reason said. */
static int ask(const struct command *c, const struct options *o, char **out)
{
	int seconds = o->timeout_s > 0 ? o->timeout_s : c->timeout_s;
	int64_t due = seconds == NO_TIMEOUT ? -1
	                                    : ctl_now_ms() + seconds * 1000LL;
	char *line = request(c, o);
	int fd, status = line ? ctl_reach(o->socket, &fd) :
	                        ctl_fail(EXIT_REFUSED, "out of memory");

	if (status != EXIT_DONE) {
		free(line);
		return status;
	}
	errno = 0;
	*out = ctl_say(fd, line) ? ctl_hear(fd, due) : NULL;
	if (!*out && errno == ETIMEDOUT)
		status = ctl_fail(EXIT_REFUSED, "no answer within %d s",
		                  seconds);
	else if (!*out)
		status = ctl_fail(EXIT_REFUSED, "no answer: %s", errno ?
		                  strerror(errno) :
		                  "the connection was closed");
	free(line);
	close(fd);
	return status;
}

/* The client's own part, and then what the answer says. */
static int finish(const struct command *c, const struct options *o, char *text,
                  int fd)
{
	json_t *a = json_loads(text, 0, NULL);
	int status = EXIT_DONE;
	char *own = NULL;

	if (!json_is_object(a))
		status = ctl_fail(EXIT_REFUSED,
		                  "the answer is no JSON object");
	else if (o->file && !json_object_get(a, "error"))
		status = ctl_backup_take(a, o->file, fd);
	if (status == EXIT_DONE && o->file)
		own = json_dumps(a, JSON_COMPACT);
	if (status == EXIT_DONE)
		status = show(c, o, a, own ? own : text);
	free(own);
	json_decref(a);
	return status;
}

static int run(const struct command *c, const struct options *o)
{
	int fd = -1, status = EXIT_DONE;
	char *text = NULL;

	if (o->file)
		status = ctl_backup_open(o->file, &fd);
	if (status != EXIT_DONE)
		return status;
	status = ask(c, o, &text);
	if (status == EXIT_DONE)
		status = finish(c, o, text, fd);
	free(text);
	if (o->file)
		ctl_backup_end(fd, status);
	return status;
}

static const struct command commands[] = {
	{ "status", NULL, "what the daemon serves, to whom, and from where",
	  STATUS_TIMEOUT_S, 0, ctl_status },
	{ "reload", NULL, "read map files, certificates and tokens again; waits",
	  NO_TIMEOUT, FORCE, ctl_reload },
	{ "key list", NULL, "server: its signing keys, now and before",
	  STATUS_TIMEOUT_S, 0, ctl_key_list },
	{ "key next", NULL, "server: make and announce the next key",
	  NO_TIMEOUT, 0, ctl_key_next },
	{ "key retire", NULL, "server: the next key signs from now on",
	  NO_TIMEOUT, COMPROMISED, ctl_key_retire },
	{ "session new", NULL, "server: begin a new session, same maps",
	  NO_TIMEOUT, 0, ctl_session_new },
	{ "backup", "FILE", "copy the journal into FILE", NO_TIMEOUT, 0,
	  ctl_backup },
	{ "trust", NULL, "proxy: take what the origin serves, even if lower",
	  NO_TIMEOUT, 0, ctl_moved },
	{ "resync", NULL, "proxy: fetch what differs, now", NO_TIMEOUT, 0,
	  ctl_moved },
	{ "drain", NULL, "send subscribers away one by one, then end",
	  STATUS_TIMEOUT_S, OVER, ctl_drain },
	{ "help", "[COMMAND]", "this text, or what a command takes", 0, 0, NULL },
	{ "version", NULL, "the version of altoctl", 0, 0, NULL },
	{ NULL, NULL, NULL, 0, 0, NULL }
};

static int version(void)
{
	puts("altoctl " PACKAGE_VERSION);
	return EXIT_DONE;
}

/* A whole number of seconds from least to most; -1: it is none. */
static long seconds_of(const char *text, long least, long most)
{
	char *end = NULL;
	long n = strtol(text, &end, 10);

	return end == text || *end != '\0' || n < least || n > most ? -1 : n;
}

/* said: the option as it was typed, for those that are wrong. */
static int read_option(int c, const char *said, struct options *o)
{
	switch (c) {
	case 's':
		o->socket = optarg;
		return EXIT_DONE;
	case 'j':
		o->json = true;
		return EXIT_DONE;
	case 'f':
		o->given |= FORCE;
		return EXIT_DONE;
	case 'c':
		o->given |= COMPROMISED;
		return EXIT_DONE;
	case 'o':
		o->given |= OVER;
		o->over_s = seconds_of(optarg, 0, 3600);
		return o->over_s >= 0 ? EXIT_DONE :
		       ctl_usage("--over is 0 to 3600 seconds, not ", optarg);
	case 't':
		o->timeout_s = (int)seconds_of(optarg, 1, 1000000);
		return o->timeout_s > 0 ? EXIT_DONE :
		       ctl_usage("--timeout is in seconds, not ", optarg);
	case 'h':
		o->help = true;
		return EXIT_DONE;
	case 'V':
		o->version = true;
		return EXIT_DONE;
	case ':':
		return ctl_usage("it needs a value: ", said);
	default:
		return ctl_usage("there is no option ", said);
	}
}

/* false: it has been said what is wrong. */
static bool read_options(int argc, char **argv, struct options *o)
{
	static const struct option known[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{ "timeout", required_argument, NULL, 't' },
		{ "force", no_argument, NULL, 'f' },
		{ "compromised", no_argument, NULL, 'c' },
		{ "over", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, ":s:jt:fhV", known, NULL)) != -1) {
		char letter[] = { '-', (char)optopt, '\0' };
		const char *said = c == '?' && optopt ? letter :
		                   argv[optind - 1];

		if (read_option(c, said, o) != EXIT_DONE)
			return false;
	}
	return true;
}

static int command(int n, char **word, struct options *o)
{
	int used = 0;
	const struct command *c = ctl_find(commands, n, word, &used);
	unsigned odd;

	if (!c)
		return ctl_unknown(commands, word[0]);
	odd = o->given & ~c->takes;
	if (odd)
		return ctl_usage(ctl_option(odd), " is not for this command");
	if (strcmp(c->name, "help") == 0)
		return ctl_help(commands, n - 1, word + 1);
	if (c->arg && used < n)
		o->file = word[used++];
	if (c->arg && !o->file)
		return ctl_usage("it needs to know where to: backup ", c->arg);
	if (used < n)
		return ctl_usage("one command at a time, not also ",
		                 word[used]);
	return c->print ? run(c, o) : version();
}

/* What was started without them must not get a file in their place. */
static void hold_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	struct options o = { 0 };
	char **word;
	int n;

	hold_streams();
	for (int i = 1; i < argc; i++)	/* for the errors before it, too */
		if (strcmp(argv[i], "-j") == 0 ||
		    strcmp(argv[i], "--json") == 0)
			ctl_fail_json();
	if (!read_options(argc, argv, &o))
		return EXIT_USAGE;
	n = argc - optind;
	word = argv + optind;
	if (n > 0 && strcmp(word[0], "complete") == 0)	/* asked by a shell */
		return ctl_complete(commands, n - 1, word + 1);
	if (o.version)
		return version();
	if (o.help)
		return ctl_help(commands, n, word);
	if (n == 0)
		return ctl_usage("a command is missing", "");
	return command(n, word, &o);
}
