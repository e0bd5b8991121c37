/* altoctl - the operator's commands, over the control socket of a daemon.
 *
 * One request line, one answer line (common/service/ctl.h). Each command is its
 * question and what its answer looks like to people.
 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/ctl_call.h"
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
	bool json, force;
	int timeout_s;			/* 0: the command's own */
};

struct command {
	const char *name, *help;
	int timeout_s;
	bool forceable;
	void (*print)(const json_t *answer);
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

static int show(const struct command *c, const struct options *o,
                const char *text)
{
	json_t *a = json_loads(text, 0, NULL);
	const char *error = json_string_value(json_object_get(a, "error"));
	int status = error ? EXIT_REFUSED : EXIT_DONE;

	if (!json_is_object(a)) {
		status = ctl_fail(EXIT_REFUSED, "the answer is no JSON object");
	} else if (o->json) {
		puts(text);
	} else if (error) {
		print_errors(c, error, json_object_get(a, "errors"));
	} else {
		c->print(a);
	}
	json_decref(a);
	if (fflush(stdout) != 0 || ferror(stdout))
		status = ctl_fail(EXIT_REFUSED, "stdout: %s", strerror(errno));
	return status;
}

static int run(const struct command *c, const struct options *o)
{
	int seconds = o->timeout_s > 0 ? o->timeout_s : c->timeout_s;
	int64_t due = seconds == NO_TIMEOUT ? -1
	                                    : ctl_now_ms() + seconds * 1000LL;
	char request[100], *text;
	int fd, status = ctl_reach(o->socket, &fd);

	if (status != EXIT_DONE)
		return status;
	snprintf(request, sizeof(request), "{\"command\":\"%s\"%s}\n", c->name,
	         o->force ? ",\"force\":true" : "");
	errno = 0;
	text = ctl_say(fd, request) ? ctl_hear(fd, due) : NULL;
	if (text)
		status = show(c, o, text);
	else if (errno == ETIMEDOUT)
		status = ctl_fail(EXIT_REFUSED, "no answer within %d s",
		                  seconds);
	else
		status = ctl_fail(EXIT_REFUSED, "no answer: %s", errno ?
		                  strerror(errno) :
		                  "the connection was closed");
	free(text);
	close(fd);
	return status;
}

static const struct command commands[] = {
	{ "status", "what the daemon serves, to whom, and from where",
	  STATUS_TIMEOUT_S, false, ctl_status },
	{ "reload", "read the map files again and publish what changed; waits",
	  NO_TIMEOUT, true, ctl_reload },
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
	     "  -f, --force         reload: also files that did not change, "
	     "and\n"
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
	return ctl_fail(EXIT_USAGE, "%s%s; altoctl --help shows how", what,
	                word);
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
