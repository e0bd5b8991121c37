/* bench.h - the subcommands of alto-bench, and how they measure.
 *
 * Each measurement runs in a process of its own, so that one cannot warm or
 * fatten the next. CPU time is the figure to compare, wall clock stands beside.
 */
#ifndef ALTOCAST_BENCH_BENCH_H
#define ALTOCAST_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>

struct costmap;
struct json_t;
struct netmap;

struct sample {
	double cpu_ms, wall_ms;
	double peak_mb;		/* resident memory above that at the start */
	size_t items;		/* cells or prefixes handled */
	size_t bytes;		/* of text */
};

/* Set from inside a measured function: begins (again) after preparations;
 * what lies between stop and resume does not count. */
void sample_start(struct sample *s);
void sample_stop(struct sample *s);
void sample_resume(struct sample *s);

/* What is measured: returns 0, or says on stderr what failed. */
struct work {
	int (*run)(const void *arg, struct sample *s);
	struct sample median;
};

/* Runs each of n works rounds times, each time in a child, taking turns so that
 * what else the machine does hits all alike. Returns 0 or -1. */
int sample_run(struct work *works, size_t n, const void *arg, size_t rounds);

/* The map in a file, in either form. Loading says on stderr what failed. */
struct map_file {
	const char *path;
	bool is_cost;
};

struct map {
	struct costmap *cost;		/* one of the two */
	struct netmap *net;
};

int map_file_init(struct map_file *f, const char *path);
int map_load(const struct map_file *f, struct map *m);
size_t map_items(const struct map *m);		/* cells or prefixes */
void map_free(struct map *m);
struct json_t *tree_load(const char *path);	/* jansson's; NULL: failed */

/* Files and rounds are as many as the table of subcommands asks for. Exit
 * status. */
int bench_read(char **path, size_t n, size_t rounds);
int bench_write(char **path, size_t n, size_t rounds);
int bench_diff(char **path, size_t n, size_t rounds);
int bench_onerow(char **path, size_t n, size_t rounds);
int bench_lookup(char **path, size_t n, size_t rounds);
int bench_stopped(char **path, size_t n, size_t rounds);

#endif
