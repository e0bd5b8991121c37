/* ctl_help.h - what altoctl says of itself: help, and words for a shell that
 * completes them. Both are made of the one table of commands. */
#ifndef ALTOCAST_CLIENT_CTL_HELP_H
#define ALTOCAST_CLIENT_CTL_HELP_H

#include <jansson.h>

/* Options that are of some commands alone. */
enum { FORCE = 1, COMPROMISED = 2, OVER = 4 };

/* name: one word or two; to the daemon they are one, with a hyphen. The table ends
 * with a NULL name. */
struct command {
	const char *name, *arg, *help;	/* arg: NULL: takes none */
	int timeout_s;
	unsigned takes;			/* options */
	void (*print)(const json_t *answer);	/* NULL: altoctl's own */
};

/* The command that the words begin with and how many of them name it; NULL: none. */
const struct command *ctl_find(const struct command *all, int n, char **word,
                               int *used);

/* The option's name, with its hyphens. */
const char *ctl_option(unsigned which);

/* Those return the exit status. No words: help of all commands; the first word of
 * some: of each of these. */
int ctl_help(const struct command *all, int n, char **word);
/* One a line: what may come after the words, options included. */
int ctl_complete(const struct command *all, int n, char **word);
/* There is no such command: says which ones begin like it. */
int ctl_unknown(const struct command *all, const char *word);
int ctl_usage(const char *what, const char *word);

#endif
