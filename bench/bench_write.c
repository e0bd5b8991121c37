/* Writing maps, beside jansson: the canonical text of every row, hashed as a
 * leaf or not; jansson dumps its tree. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "common/wire/costmap_json.h"
#include "common/wire/netmap_json.h"

#define ROW_TEXT_MAX (64u << 20)

static void put_row(const struct map *m, uint32_t i, struct buf *text)
{
	struct index *names = m->cost ? costmap_names(m->cost)
	                              : netmap_names(m->net);
	const char *name = index_name(names, i);

	buf_clear(text);
	if (m->net)
		netmap_json_row(name, netmap_row(m->net, i), text);
	else if (costmap_row(m->cost, i))
		costmap_json_row(name, costmap_row(m->cost, i), names, text);
}

static enum rc put_rows(const struct map *m, struct digest *d, size_t *bytes)
{
	size_t n = m->cost ? costmap_pids(m->cost) : netmap_pids(m->net);
	struct buf text = BUF_INIT(ROW_TEXT_MAX);
	uint8_t hash[SHA256_SIZE];
	enum rc rc = RC_OK;

	for (uint32_t i = 0; rc == RC_OK && i < n; i++) {
		put_row(m, i, &text);
		*bytes += text.len;
		rc = buf_rc(&text);
		if (rc != RC_OK || !d)
			continue;
		digest_start(d);
		digest_add(d, text.data, text.len);
		rc = digest_end(d, hash);
	}
	buf_free(&text);
	return rc;
}

static int write_ours(const struct map_file *file, struct digest *d,
                      struct sample *s)
{
	struct map m;
	enum rc rc;

	if (map_load(file, &m))
		return -1;
	sample_start(s);
	rc = put_rows(&m, d, &s->bytes);
	sample_stop(s);
	s->items = map_items(&m);
	map_free(&m);
	return rc == RC_OK ? 0 : -1;
}

static int write_plain(const void *arg, struct sample *s)
{
	return write_ours(arg, NULL, s);
}

static int write_and_hash(const void *arg, struct sample *s)
{
	struct digest *d;
	int ret;

	if (digest_new(&d) != RC_OK)
		return -1;
	ret = write_ours(arg, d, s);
	digest_free(d);
	return ret;
}

static int write_jansson(const void *arg, struct sample *s)
{
	const struct map_file *file = arg;
	json_t *doc = tree_load(file->path);
	char *text;

	if (!doc)
		return -1;
	sample_start(s);
	text = json_dumps(doc, JSON_COMPACT);
	sample_stop(s);
	json_decref(doc);
	free(text);
	return text ? 0 : -1;
}

static void line(const char *what, const struct sample *s, size_t items)
{
	printf("  %-18s %10.2f %10.2f %9.1f\n", what, s->cpu_ms, s->wall_ms,
	       s->cpu_ms * 1e6 / (double)(items ? items : 1));
}

static int write_file(const char *path, size_t rounds)
{
	struct work w[3] = { { .run = write_plain }, { .run = write_and_hash },
	                     { .run = write_jansson } };
	size_t items;
	struct map_file file;

	if (map_file_init(&file, path) || sample_run(w, 3, &file, rounds))
		return -1;
	items = w[0].median.items;
	printf("%s: %zu %s, %.1f MB of canonical rows\n", path, items,
	       file.is_cost ? "cells" : "prefixes",
	       (double)w[0].median.bytes / 1e6);
	printf("  %-18s %10s %10s %9s\n", "median", "CPU ms", "wall ms",
	       "ns each");
	line("write", &w[0].median, items);
	line("write and hash", &w[1].median, items);
	line("jansson", &w[2].median, items);
	printf("  jansson / write: %.1fx\n",
	       w[2].median.cpu_ms / w[0].median.cpu_ms);
	return 0;
}

int bench_write(char **path, size_t n, size_t rounds)
{
	int ret = 0;

	for (size_t i = 0; i < n; i++)
		if (write_file(path[i], rounds))
			ret = 1;
	return ret;
}
