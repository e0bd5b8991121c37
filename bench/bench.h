/* bench.h - the subcommands of alto-bench, and how they measure.
 *
 * Each measurement runs in a process of its own, so that one cannot warm or
 * fatten the next. CPU time is the figure to compare, wall clock stands beside.
 */
#ifndef ALTOCAST_BENCH_BENCH_H
#define ALTOCAST_BENCH_BENCH_H

#include <stddef.h>

struct sample {
	double cpu_ms, wall_ms;
	double peak_mb;		/* resident memory above that at the start */
	size_t items;		/* cells or prefixes handled */
	size_t bytes;		/* of text */
};

/* Set from inside a measured function: begins (again) after preparations. */
void sample_start(struct sample *s);
void sample_stop(struct sample *s);

/* What is measured: returns 0, or says on stderr what failed. */
struct work {
	int (*run)(const void *arg, struct sample *s);
	struct sample median;
};

/* Runs each of n works rounds times, each time in a child, taking turns so that
 * what else the machine does hits all alike. Returns 0 or -1. */
int sample_run(struct work *works, size_t n, const void *arg, size_t rounds);

/* argv[0] is the subcommand; exit status. */
int bench_read(int argc, char **argv);
int bench_diff(int argc, char **argv);
int bench_onerow(int argc, char **argv);

#endif
