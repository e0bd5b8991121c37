/* Reading and writing maps, beside jansson: what it costs to hold a map in a
 * form that can be computed with. Ours is a sealed map; jansson's is its tree
 * walked into a dense matrix of doubles (a list of prefixes). Files come from
 * the page cache: a first round that does not is no median. */
#include <arpa/inet.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"
#include "common/core/costmap.h"
#include "common/core/netmap.h"
#include "common/wire/costmap_json.h"
#include "common/wire/netmap_json.h"
#include "common/wire/scan.h"

#define ROW_TEXT_MAX (64u << 20)

struct job {
	const char *path;
	bool is_cost;
};

/* One of the two, whatever the file is. */
struct map {
	struct costmap *cost;
	struct netmap *net;
};

static void map_free(struct map *m)
{
	costmap_unref(m->cost);
	netmap_unref(m->net);
}

/* ---- ours ---- */

static long from_file(void *arg, char *dst, size_t len)
{
	FILE *f = arg;
	size_t n = fread(dst, 1, len, f);

	return ferror(f) ? -1 : (long)n;
}

static void complain(const char *path, struct diag *d)
{
	struct buf text = BUF_INIT(4096);

	diag_print(d, &text);
	fprintf(stderr, "%s: %s\n", path, buf_str(&text));
	buf_free(&text);
}

static int load_ours(const struct job *job, struct map *m)
{
	struct map_notes notes;
	struct scan *s = NULL;
	struct vtag stated;
	struct diag d = { 0 };
	FILE *f = fopen(job->path, "rb");
	enum rc rc = RC_EIO;

	if (!f) {
		perror(job->path);
		return -1;
	}
	setvbuf(f, NULL, _IONBF, 0);
	rc = scan_new_reader(from_file, f, &d, &s);
	if (rc == RC_OK && job->is_cost)
		rc = costmap_json_read(s, NULL, &m->cost, &stated, &notes);
	else if (rc == RC_OK)
		rc = netmap_json_read(s, NULL, &m->net, &stated, &notes);
	if (rc != RC_OK)
		complain(job->path, &d);
	scan_free(s);
	fclose(f);
	return rc == RC_OK ? 0 : -1;
}

static size_t map_items(const struct map *m)
{
	return m->cost ? costmap_cells(m->cost) : netmap_prefixes(m->net);
}

static int read_ours(const void *arg, struct sample *s)
{
	struct map m = { NULL, NULL };

	sample_start(s);
	if (load_ours(arg, &m))
		return -1;
	sample_stop(s);
	s->items = map_items(&m);
	map_free(&m);
	return 0;
}

/* Canonical text of every row, one buffer for all, hashed as a leaf or not. */
static int write_rows(const struct map *m, struct digest *d, struct sample *s)
{
	struct index *names = m->cost ? costmap_names(m->cost)
	                              : netmap_names(m->net);
	struct buf text = BUF_INIT(ROW_TEXT_MAX);
	uint8_t hash[SHA256_SIZE];
	enum rc rc = RC_OK;

	for (uint32_t i = 0; rc == RC_OK && i < index_count(names); i++) {
		const char *name = index_name(names, i);

		buf_clear(&text);
		if (m->net)
			netmap_json_row(name, netmap_row(m->net, i), &text);
		else if (costmap_row(m->cost, i))
			costmap_json_row(name, costmap_row(m->cost, i), names,
			                 &text);
		s->bytes += text.len;
		rc = buf_rc(&text);
		if (rc != RC_OK || !d)
			continue;
		digest_start(d);
		digest_add(d, text.data, text.len);
		rc = digest_end(d, hash);
	}
	buf_free(&text);
	return rc == RC_OK ? 0 : -1;
}

static int write_timed(const struct job *job, struct digest *d,
                       struct sample *s)
{
	struct map m = { NULL, NULL };
	int ret;

	if (load_ours(job, &m))
		return -1;
	sample_start(s);
	ret = write_rows(&m, d, s);
	sample_stop(s);
	s->items = map_items(&m);
	map_free(&m);
	return ret;
}

static int write_ours(const void *arg, struct sample *s)
{
	return write_timed(arg, NULL, s);
}

static int write_and_hash(const void *arg, struct sample *s)
{
	struct digest *d;
	int ret;

	if (digest_new(&d) != RC_OK)
		return -1;
	ret = write_timed(arg, d, s);
	digest_free(d);
	return ret;
}

/* ---- jansson ---- */

static json_t *load_tree(const struct job *job)
{
	json_error_t err;
	json_t *doc = json_load_file(job->path, JSON_REJECT_DUPLICATES, &err);

	if (!doc)
		fprintf(stderr, "%s:%d: %s\n", job->path, err.line, err.text);
	return doc;
}

/* Destinations are numbered in the order of the first row. */
static size_t walk_costs(const json_t *map, double **out)
{
	size_t n = json_object_size(map), cells = 0, at = 0, width = 0;
	double *cost = malloc((n + 1) * (n + 1) * sizeof(*cost));
	json_t *order = json_object(), *row, *v;
	const char *src, *dst;

	json_object_foreach((json_t *)(uintptr_t)map, src, row) {
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

static size_t walk_prefixes(const json_t *map)
{
	const char *key, *family;
	json_t *pid, *list, *v;
	size_t n = 0, i;

	json_object_foreach((json_t *)(uintptr_t)map, key, pid) {
		json_object_foreach(pid, family, list) {
			int af = strcmp(family, "ipv6") ? AF_INET : AF_INET6;

			json_array_foreach(list, i, v) {
				char text[64], addr[16], *slash;

				snprintf(text, sizeof(text), "%s",
				         json_string_value(v));
				slash = strchr(text, '/');
				if (slash)
					*slash = '\0';
				n += inet_pton(af, text, addr) == 1;
			}
		}
	}
	return n;
}

static int read_jansson(const void *arg, struct sample *s)
{
	const struct job *job = arg;
	double *cost = NULL;
	json_t *doc;

	sample_start(s);
	doc = load_tree(job);
	if (!doc)
		return -1;
	if (job->is_cost)
		s->items = walk_costs(json_object_get(doc, "cost-map"), &cost);
	else
		s->items = walk_prefixes(json_object_get(doc, "network-map"));
	sample_stop(s);
	free(cost);
	json_decref(doc);
	return 0;
}

static int write_jansson(const void *arg, struct sample *s)
{
	json_t *doc = load_tree(arg);
	char *text;

	if (!doc)
		return -1;
	sample_start(s);
	text = json_dumps(doc, JSON_COMPACT);
	sample_stop(s);
	s->bytes = text ? strlen(text) : 0;
	free(text);
	json_decref(doc);
	return text ? 0 : -1;
}

/* ---- report ---- */

static void line(const char *what, const struct sample *s, size_t items,
                 const struct sample *base)
{
	printf("  %-16s %10.2f %10.2f %9.1f %9.1f", what, s->cpu_ms,
	       s->wall_ms, s->cpu_ms * 1e6 / (double)(items ? items : 1),
	       s->peak_mb);
	if (base)
		printf(" %8.1fx", base->cpu_ms / s->cpu_ms);
	putchar('\n');
}

/* What a file is, by the first name of a map that occurs in it. */
static int job_init(struct job *job, const char *path)
{
	char *text = calloc(1, (1u << 16) + 1);
	FILE *f = fopen(path, "rb");

	if (!f || !text) {
		perror(path);
		free(text);
		if (f)
			fclose(f);
		return -1;
	}
	job->path = path;
	job->is_cost = fread(text, 1, 1u << 16, f) && strstr(text, "cost-");
	fclose(f);
	free(text);
	return 0;
}

static int bench_file(const char *path, size_t rounds)
{
	enum { READ, READ_TREE, WRITE, HASH, WRITE_TREE, N };
	struct work w[N] = { [READ] = { .run = read_ours },
	                     [READ_TREE] = { .run = read_jansson },
	                     [WRITE] = { .run = write_ours },
	                     [HASH] = { .run = write_and_hash },
	                     [WRITE_TREE] = { .run = write_jansson } };
	struct job job;
	size_t items;

	if (job_init(&job, path) || sample_run(w, N, &job, rounds))
		return -1;
	items = w[READ].median.items;
	printf("%s: %s map, %zu %s, %.1f MB of canonical rows\n", path,
	       job.is_cost ? "cost" : "network", items,
	       job.is_cost ? "cells" : "prefixes",
	       (double)w[WRITE].median.bytes / 1e6);
	if (items != w[READ_TREE].median.items)
		fprintf(stderr, "%s: jansson finds %zu\n", path,
		        w[READ_TREE].median.items);
	printf("  %-16s %10s %10s %9s %9s %9s\n", "median", "CPU ms",
	       "wall ms", "ns each", "peak MB", "jansson");
	line("read", &w[READ].median, items, &w[READ_TREE].median);
	line("read: jansson", &w[READ_TREE].median, items, NULL);
	line("write", &w[WRITE].median, items, &w[WRITE_TREE].median);
	line("write and hash", &w[HASH].median, items, NULL);
	line("write: jansson", &w[WRITE_TREE].median, items, NULL);
	if (job.is_cost)
		printf("  peak / dense matrix: %.2f\n",
		       w[READ].median.peak_mb * 1048576 /
		       ((double)items * sizeof(double)));
	return 0;
}

int bench_read(int argc, char **argv)
{
	size_t rounds = 5;
	int opt, ret = 0;

	while ((opt = getopt(argc, argv, "r:")) != -1) {
		if (opt != 'r')
			return 2;
		rounds = (size_t)strtoul(optarg, NULL, 10);
	}
	if (optind == argc) {
		fprintf(stderr, "usage: alto-bench read [-r ROUNDS] FILE...\n");
		return 2;
	}
	for (int i = optind; i < argc; i++)
		if (bench_file(argv[i], rounds))
			ret = 1;
	return ret;
}
