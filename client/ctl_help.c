#include "client/ctl_help.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "client/ctl_call.h"

#define HELP_AT 14		/* column of the help, after two blanks */

static const struct {
	char letter;			/* 0: none */
	const char *name, *arg;		/* arg: NULL: takes none */
	unsigned which;			/* 0: of every command */
	const char *help;		/* "\n" begins another line */
} options[] = {
	{ 's', "--socket", "PATH", 0, "control socket of the daemon; without "
	  "it\n" SERVER_SOCKET ", else\n" PROXY_SOCKET },
	{ 'j', "--json", NULL, 0, "the daemon's answer, one line" },
	{ 't', "--timeout", "S", 0, "give up after S seconds (what only asks: "
	  "10;\nthe others wait as long as it takes)" },
	{ 'f', "--force", NULL, FORCE, "reload: also files that did not "
	  "change, and\nthose that were overridden" },
	{ 0, "--compromised", NULL, COMPROMISED, "key retire: at once, the key "
	  "is in wrong hands" },
	{ 0, "--over", "S", OVER, "drain: within S seconds (10)" },
	{ 'h', "--help", NULL, 0, "as the command help" },
	{ 'V', "--version", NULL, 0, "the version of altoctl" },
};

#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

int ctl_usage(const char *what, const char *word)
{
	return ctl_fail(EXIT_USAGE, "%s%s; altoctl --help shows how", what,
	                word);
}

const char *ctl_option(unsigned which)
{
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (options[i].which & which)
			return options[i].name;
	return "";
}

/* How many of the words name c; 0: they do not. */
static int words_of(const struct command *c, int n, char **word)
{
	size_t len = strlen(word[0]);

	if (strcmp(c->name, word[0]) == 0)
		return 1;
	return n > 1 && strncmp(c->name, word[0], len) == 0 &&
	       c->name[len] == ' ' && strcmp(c->name + len + 1,
	                                     word[1]) == 0 ? 2 : 0;
}

const struct command *ctl_find(const struct command *all, int n, char **word,
                               int *used)
{
	for (; n > 0 && all->name; all++) {
		*used = words_of(all, n, word);
		if (*used > 0)
			return all;
	}
	return NULL;
}

/* Of two words, and this is the first. */
static bool begins(const struct command *c, const char *word)
{
	size_t len = strlen(word);

	return len > 0 && strncmp(c->name, word, len) == 0 &&
	       c->name[len] == ' ';
}

int ctl_unknown(const struct command *all, const char *word)
{
	char text[200] = "";

	for (const struct command *c = all; c->name; c++)
		if (begins(c, word))
			snprintf(text + strlen(text),
			         sizeof(text) - strlen(text), "%s\"%s\"",
			         text[0] ? " or " : "", c->name);
	return text[0] ? ctl_usage("say ", text) :
	                 ctl_usage("there is no command ", word);
}

/* ---- help ------------------------------------------------------------------ */

static void print_option(size_t i)
{
	char name[40];

	snprintf(name, sizeof(name), "%c%c%c %s%s%s",
	         options[i].letter ? '-' : ' ',
	         options[i].letter ? options[i].letter : ' ',
	         options[i].letter ? ',' : ' ', options[i].name,
	         options[i].arg ? " " : "",
	         options[i].arg ? options[i].arg : "");
	printf("  %-18s  ", name);
	for (const char *s = options[i].help; *s; s++) {
		putchar(*s);
		if (*s == '\n')
			printf("%22s", "");
	}
	putchar('\n');
}

static int help_all(const struct command *all)
{
	puts("usage: altoctl [OPTION]... COMMAND\n\ncommands");
	for (const struct command *c = all; c->name; c++)
		printf("  %s%s%-*s  %s\n", c->name, c->arg ? " " : "",
		       (int)(HELP_AT - strlen(c->name) - (c->arg != NULL)),
		       c->arg ? c->arg : "", c->help);
	puts("\noptions");
	for (size_t i = 0; i < N_OPTIONS; i++)
		print_option(i);
	puts("\nexit status\n"
	     "  0 done   1 refused or failed   2 usage   3 not running");
	return EXIT_DONE;
}

static void help_one(const struct command *c)
{
	printf("altoctl [OPTION]... %s", c->name);
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (options[i].which & c->takes)
			printf(" [%s%s%s]", options[i].name,
			       options[i].arg ? " " : "",
			       options[i].arg ? options[i].arg : "");
	printf("%s%s\n    %s\n", c->arg ? " " : "", c->arg ? c->arg : "",
	       c->help);
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (options[i].which & c->takes)
			print_option(i);
}

int ctl_help(const struct command *all, int n, char **word)
{
	const struct command *one;
	int used = 0, shown = 0;

	if (n == 0)
		return help_all(all);
	one = ctl_find(all, n, word, &used);
	if (one && used == n)
		help_one(one);
	for (const struct command *c = all; n == 1 && !one && c->name; c++)
		if (begins(c, word[0])) {
			help_one(c);
			shown++;
		}
	if (one ? used == n : shown > 0)
		return EXIT_DONE;
	return one ? ctl_usage("one command at a time, not also ", word[used]) :
	             ctl_unknown(all, word[0]);
}

/* ---- completion ------------------------------------------------------------ */

/* The second words after `first`; NULL: the first ones, each once. */
static void next_words(const struct command *all, const char *first)
{
	for (const struct command *c = all; c->name; c++) {
		size_t len = strcspn(c->name, " ");

		if (first && begins(c, first))
			puts(c->name + len + 1);
		else if (!first && (c == all || strncmp(c->name, c[-1].name,
		                                        len + 1) != 0))
			printf("%.*s\n", (int)len, c->name);
	}
}

int ctl_complete(const struct command *all, int n, char **word)
{
	bool help = n > 0 && strcmp(word[0], "help") == 0;
	const struct command *c;
	int used = 0;

	if (help) {
		n--;
		word++;
	}
	c = ctl_find(all, n, word, &used);
	if (!c && n <= 1)
		next_words(all, n == 1 ? word[0] : NULL);
	for (size_t i = 0; !help && i < N_OPTIONS; i++)
		if (options[i].which == 0 || (c && options[i].which & c->takes))
			puts(options[i].name);
	return EXIT_DONE;
}
