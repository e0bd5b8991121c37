/* alto-bench - measures the parts of altocast beside a reference, in one run. */
#include <stdio.h>
#include <string.h>

#include "bench/bench.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{ "read", bench_read,
	  "[-r ROUNDS] FILE...  maps in and out, beside jansson" },
	{ "diff", bench_diff,
	  "[-r ROUNDS] COST-MAP NEXT-COST-MAP  two maps to patch bytes" },
	{ "onerow", bench_onerow,
	  "[-r ROUNDS] COST-MAP  an update of one row, both ends" },
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < N_COMMANDS; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "usage:\n");
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(stderr, "  alto-bench %s %s\n", commands[i].name,
		        commands[i].help);
	return 2;
}
