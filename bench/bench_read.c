/* Reading maps, beside jansson: what it costs to get a map into a form that can
 * be computed with. Ours is the map; jansson's is its tree walked into a dense
 * matrix of doubles (a list of prefixes). */
#include <arpa/inet.h>
#include <jansson.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"

static int read_ours(const void *arg, struct sample *s)
{
	struct map m;

	sample_start(s);
	if (map_load(arg, &m))
		return -1;
	sample_stop(s);
	s->items = map_items(&m);
	map_free(&m);
	return 0;
}

/* Destinations are numbered in the order of the first row. */
static size_t walk_costs(json_t *map, double **out)
{
	size_t n = json_object_size(map), cells = 0, at = 0, width = 0;
	double *cost = malloc((n + 1) * (n + 1) * sizeof(*cost));
	json_t *order = json_object(), *row, *v;
	const char *src, *dst;

	json_object_foreach(map, src, row) {
		for (size_t i = 0; cost && i < n; i++)
			cost[at * n + i] = NAN;
		json_object_foreach(row, dst, v) {
			json_t *num = json_object_get(order, dst);

			if (!num) {
				num = json_integer((json_int_t)width++);
				json_object_set_new(order, dst, num);
			}
			if (!cost || (size_t)json_integer_value(num) >= n)
				continue;
			cost[at * n + (size_t)json_integer_value(num)] =
				json_number_value(v);
			cells++;
		}
		at++;
	}
	json_decref(order);
	*out = cost;
	return cells;
}

static size_t walk_array(int af, const json_t *list)
{
	size_t n = 0, i;
	json_t *v;

	json_array_foreach(list, i, v) {
		char text[64], addr[16], *slash;

		snprintf(text, sizeof(text), "%s", json_string_value(v));
		slash = strchr(text, '/');
		if (slash)
			*slash = '\0';
		n += inet_pton(af, text, addr) == 1;
	}
	return n;
}

static size_t walk_prefixes(json_t *map)
{
	const char *key, *family;
	json_t *pid, *list;
	size_t n = 0;

	json_object_foreach(map, key, pid)
		json_object_foreach(pid, family, list)
			n += walk_array(strcmp(family, "ipv6") ? AF_INET :
			                AF_INET6, list);
	return n;
}

static int read_jansson(const void *arg, struct sample *s)
{
	const struct map_file *file = arg;
	double *cost = NULL;
	json_t *doc;

	sample_start(s);
	doc = tree_load(file->path);
	if (!doc)
		return -1;
	if (file->is_cost)
		s->items = walk_costs(json_object_get(doc, "cost-map"), &cost);
	else
		s->items = walk_prefixes(json_object_get(doc, "network-map"));
	sample_stop(s);
	free(cost);
	json_decref(doc);
	return 0;
}

static void line(const char *what, const struct sample *s)
{
	printf("  %-18s %10.2f %10.2f %9.1f %9.1f\n", what, s->cpu_ms,
	       s->wall_ms, s->cpu_ms * 1e6 / (double)(s->items ? s->items : 1),
	       s->peak_mb);
}

static int read_file(const char *path, size_t rounds)
{
	struct work w[2] = { { .run = read_ours }, { .run = read_jansson } };
	const struct sample *ours = &w[0].median, *tree = &w[1].median;
	struct map_file file;

	if (map_file_init(&file, path) || sample_run(w, 2, &file, rounds))
		return -1;
	printf("%s: %zu %s\n", path, ours->items,
	       file.is_cost ? "cells" : "prefixes");
	if (ours->items != tree->items)
		fprintf(stderr, "%s: jansson finds %zu\n", path, tree->items);
	printf("  %-18s %10s %10s %9s %9s\n", "median", "CPU ms", "wall ms",
	       "ns each", "peak MB");
	line("read", ours);
	line("jansson", tree);
	printf("  jansson / ours: %.1fx", tree->cpu_ms / ours->cpu_ms);
	if (file.is_cost)
		printf("; peak / dense matrix: %.2f", ours->peak_mb * 1048576 /
		       ((double)ours->items * sizeof(double)));
	putchar('\n');
	return 0;
}

int bench_read(char **path, size_t n, size_t rounds)
{
	int ret = 0;

	for (size_t i = 0; i < n; i++)
		if (read_file(path[i], rounds))
			ret = 1;
	return ret;
}
