/* alto-bench - measures the parts of altocast beside a reference, in one run. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"

static const struct command {
	const char *name;
	int (*run)(char **path, size_t n, size_t rounds);
	size_t min, max;		/* files */
	size_t rounds;
	const char *args, *help;
} commands[] = {
	{ "read", bench_read, 1, 99, 5, "FILE...",
	  "maps from file to memory, beside jansson" },
	{ "write", bench_write, 1, 99, 5, "FILE...",
	  "maps from memory to text, with and without hashes, beside jansson" },
	{ "diff", bench_diff, 2, 2, 5, "COST-MAP NEXT-COST-MAP",
	  "two versions to a patch, beside a recursive diff over jansson" },
	{ "onerow", bench_onerow, 1, 1, 7, "COST-MAP",
	  "updates of 1, 10 and 100 rows at both ends, beside jansson" },
	{ "lookup", bench_lookup, 1, 1, 5, "NETWORK-MAP",
	  "addresses to PIDs and endpoint costs, beside a binary trie" },
	{ "stopped", bench_stopped, 1, 1, 3, "COST-MAP",
	  "delivery to 1,000 subscribers, with and without one that does not "
	  "read" },
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void usage(FILE *out)
{
	fputs("usage: alto-bench COMMAND [-r ROUNDS] FILE...\n\n", out);
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(out, "  %-7s %-23s %s; %zu rounds\n", commands[i].name,
		        commands[i].args, commands[i].help, commands[i].rounds);
	fputs("\nEach round runs each measurement in a process of its own; "
	      "figures are medians.\n", out);
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(name, commands[i].name) == 0)
			return &commands[i];
	return NULL;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "rounds", required_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 }
	};
	const struct command *c;
	size_t rounds = 0, n;
	int opt;

	while ((opt = getopt_long(argc, argv, "hr:", options, NULL)) != -1) {
		if (opt == 'r')
			rounds = (size_t)strtoul(optarg, NULL, 10);
		if (opt == 'r' && rounds > 0)
			continue;
		usage(opt == 'h' ? stdout : stderr);
		return opt == 'h' ? 0 : 2;
	}
	c = optind < argc ? find(argv[optind++]) : NULL;
	n = (size_t)(argc - optind);
	if (!c || n < c->min || n > c->max) {
		usage(stderr);
		return 2;
	}
	return c->run(argv + optind, n, rounds ? rounds : c->rounds);
}
