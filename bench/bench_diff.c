/* Changes of a cost map: two versions to a patch beside a generic JSON diff,
 * and the way of a one-row update from the server's maps to the proxy's. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"
#include "common/core/diff.h"
#include "common/core/patch.h"
#include "common/wire/costmap_json.h"
#include "common/wire/delta_json.h"
#include "common/wire/jsonpatch.h"
#include "common/wire/scan.h"
#include "common/wire/seal.h"

#define PATCH_MAX (1u << 30)
#define TIMES_OURS 10
#define TIMES_JANSSON 2

enum stage { STAGE_SERVER, STAGE_HASH, STAGE_PROXY };

struct job {
	const char *path[2];
};

static long from_file(void *arg, char *dst, size_t len)
{
	FILE *f = arg;
	size_t n = fread(dst, 1, len, f);

	return ferror(f) ? -1 : (long)n;
}

static struct costmap *load(const char *path, const struct costmap *base)
{
	struct costmap *m = NULL;
	struct scan *s = NULL;
	struct map_notes notes;
	struct vtag stated;
	struct diag d = { 0 };
	FILE *f = fopen(path, "rb");
	enum rc rc;

	if (!f) {
		perror(path);
		return NULL;
	}
	rc = scan_new_reader(from_file, f, &d, &s);
	if (rc == RC_OK)
		rc = costmap_json_read(s, base, &m, &stated, &notes);
	if (rc != RC_OK)
		fprintf(stderr, "%s:%zu: %s: %s\n", path, d.line, d.pointer,
		        d.text[0] ? d.text : rc_text(rc));
	scan_free(s);
	fclose(f);
	return m;
}

/* ---- two versions to a patch ---- */

static enum rc patch_text(const struct costmap *from, const struct costmap *to,
                          struct buf *text, size_t *cells)
{
	struct cost_delta *d = NULL;
	enum rc rc = diff_cost(from, to, &d, NULL);

	if (rc != RC_OK)
		return rc;
	memset(d->to, '0', TAG_HEX);
	rc = delta_json_cost(d, NULL, text);
	*cells = d->n_cells;
	cost_delta_free(d);
	return rc;
}

static void per_round(struct sample *s, double times)
{
	s->cpu_ms /= times;
	s->wall_ms /= times;
}

/* What is repeated is the whole work, in new memory each time; the first time,
 * which pays for the first touch of it, is not counted. The same for both. */
static int diff_ours(const void *arg, struct sample *s)
{
	const struct job *job = arg;
	struct costmap *from = load(job->path[0], NULL);
	struct costmap *to = from ? load(job->path[1], NULL) : NULL;
	enum rc rc = to ? RC_OK : RC_EIO;

	for (int i = 0; rc == RC_OK && i <= TIMES_OURS; i++) {
		struct buf text = BUF_INIT(PATCH_MAX);

		if (i == 1)
			sample_start(s);
		rc = patch_text(from, to, &text, &s->items);
		s->bytes = text.len;
		buf_free(&text);
	}
	sample_stop(s);
	per_round(s, TIMES_OURS);
	costmap_unref(from);
	costmap_unref(to);
	return rc == RC_OK ? 0 : -1;
}

static json_t *load_tree(const char *path)
{
	json_error_t err;
	json_t *doc = json_load_file(path, JSON_REJECT_DUPLICATES, &err);

	if (!doc)
		fprintf(stderr, "%s:%d: %s\n", path, err.line, err.text);
	return doc;
}

static int diff_jansson(const void *arg, struct sample *s)
{
	const struct job *job = arg;
	json_t *from = load_tree(job->path[0]);
	json_t *to = from ? load_tree(job->path[1]) : NULL;
	enum rc rc = to ? RC_OK : RC_EIO;

	for (int i = 0; rc == RC_OK && i <= TIMES_JANSSON; i++) {
		json_t *patch = NULL;
		char *text = NULL;

		if (i == 1)
			sample_start(s);
		rc = merge_diff(from, to, &patch);
		if (rc == RC_OK)
			text = json_dumps(patch, JSON_COMPACT);
		s->bytes = text ? strlen(text) : 0;
		free(text);
		json_decref(patch);
	}
	sample_stop(s);
	per_round(s, TIMES_JANSSON);
	json_decref(from);
	json_decref(to);
	return rc == RC_OK ? 0 : -1;
}

static void line(const char *what, const struct sample *s)
{
	printf("  %-36s %9.3f %9.3f %11zu\n", what, s->cpu_ms, s->wall_ms,
	       s->bytes);
}

static int rounds_of(int argc, char **argv, size_t *rounds)
{
	int opt;

	while ((opt = getopt(argc, argv, "r:")) != -1) {
		if (opt != 'r')
			return -1;
		*rounds = (size_t)strtoul(optarg, NULL, 10);
	}
	return argc - optind;
}

int bench_diff(int argc, char **argv)
{
	struct work w[2] = { { .run = diff_ours }, { .run = diff_jansson } };
	size_t rounds = 5;
	struct job job;

	if (rounds_of(argc, argv, &rounds) != 2) {
		fprintf(stderr, "usage: alto-bench diff [-r ROUNDS] "
		        "COST-MAP NEXT-COST-MAP\n");
		return 2;
	}
	job = (struct job){ .path = { argv[optind], argv[optind + 1] } };
	if (sample_run(w, 2, &job, rounds))
		return 1;
	printf("%s to %s: %zu cells differ\n", job.path[0], job.path[1],
	       w[0].median.items);
	printf("  %-36s %9s %9s %11s\n", "median", "CPU ms", "wall ms",
	       "patch bytes");
	line("diff and merge patch", &w[0].median);
	line("jansson: recursive diff and dump", &w[1].median);
	printf("  jansson / ours: %.0fx\n",
	       w[1].median.cpu_ms / w[0].median.cpu_ms);
	return 0;
}

/* ---- one row ---- */

/* Both ends of an update. */
struct ends {
	struct digest *digest;
	struct resource *server, *proxy;
	enum stage stage;
	struct buf patch;
	char from[TAG_HEX + 1];
};

static void timed(const struct ends *e, enum stage stage, struct sample *s,
                  void (*what)(struct sample *s))
{
	if (s && e->stage == stage)
		what(s);
}

/* The same map, but for one row: as a reader that shares rows gives it. */
static enum rc change_row(const struct costmap *m, size_t which,
                          struct costmap **out)
{
	size_t n = costmap_pids(m);
	struct costrow **rows = calloc(n + 1, sizeof(struct costrow *));
	struct costrow *old = costmap_row(m, which), *row = costrow_new(n);
	enum rc rc = RC_ENOMEM;

	if (rows && row && old) {
		for (size_t i = 0; i < n; i++) {
			rows[i] = costmap_row(m, i);
			row->cost[i] = old->cost[i] + 1;
		}
		row->set = old->set;
		rows[which] = row;
		rc = costmap_from_rows(costmap_meta(m), costmap_names(m), rows,
		                       out);
	}
	if (row)
		row_unref(&row->row);
	free(rows);
	return rc;
}

static enum rc server_update(struct ends *e, struct costmap *next)
{
	struct cost_delta *d = NULL;
	struct resource *sealed = NULL;
	enum rc rc;

	rc = diff_cost(resource_cost(e->server), next, &d, NULL);
	if (rc == RC_OK)
		rc = seal_costmap(e->digest, "cost", next, e->server, &sealed);
	if (rc == RC_OK) {
		resource_content_tag(e->server, e->from);
		resource_content_tag(sealed, d->to);
		buf_clear(&e->patch);
		rc = delta_json_cost(d, NULL, &e->patch);
	}
	cost_delta_free(d);
	if (rc != RC_OK) {
		resource_unref(sealed);
		return rc;
	}
	resource_unref(e->server);
	e->server = sealed;
	return RC_OK;
}

static enum rc proxy_update(struct ends *e)
{
	struct resource *sealed = NULL;
	struct cost_delta *d = NULL;
	struct costmap *next = NULL;
	enum rc rc;

	rc = delta_json_cost_read(e->patch.data, e->patch.len, e->from, &d,
	                          NULL);
	if (rc == RC_OK)
		rc = patch_cost(resource_cost(e->proxy), d, &next, NULL);
	if (rc == RC_OK)
		rc = seal_costmap(e->digest, "cost", next, e->proxy, &sealed);
	if (rc == RC_OK)
		rc = seal_believe(e->digest, sealed, resource_leaf(e->server));
	cost_delta_free(d);
	costmap_unref(next);
	if (rc != RC_OK) {
		resource_unref(sealed);
		return rc;
	}
	resource_unref(e->proxy);
	e->proxy = sealed;
	return RC_OK;
}

/* s: NULL for an update that is not measured. */
static enum rc update(struct ends *e, size_t row, struct sample *s)
{
	struct costmap *next = NULL;
	enum rc rc;

	rc = change_row(resource_cost(e->server), row, &next);
	if (rc != RC_OK)
		return rc;
	timed(e, STAGE_SERVER, s, sample_start);
	rc = server_update(e, next);
	timed(e, STAGE_SERVER, s, sample_stop);
	costmap_unref(next);
	if (rc != RC_OK)
		return rc;
	timed(e, STAGE_HASH, s, sample_start);
	rc = seal_announce(e->digest, e->server, "cost");
	timed(e, STAGE_HASH, s, sample_stop);
	if (rc != RC_OK)
		return rc;
	timed(e, STAGE_PROXY, s, sample_start);
	rc = proxy_update(e);
	timed(e, STAGE_PROXY, s, sample_stop);
	return rc;
}

static enum rc ends_open(struct ends *e, const struct job *job)
{
	struct costmap *m = load(job->path[0], NULL);
	enum rc rc = m ? digest_new(&e->digest) : RC_EIO;

	if (rc == RC_OK)
		rc = seal_costmap(e->digest, "cost", m, NULL, &e->server);
	if (rc == RC_OK)
		e->proxy = resource_ref(e->server);
	costmap_unref(m);
	return rc;
}

static int one_row(const struct job *job, enum stage stage, struct sample *s)
{
	struct ends e = { .stage = stage, .patch = BUF_INIT(PATCH_MAX) };
	enum rc rc = ends_open(&e, job);

	if (rc == RC_OK)
		rc = update(&e, 0, NULL);
	if (rc == RC_OK)
		rc = update(&e, costmap_pids(resource_cost(e.server)) / 2, s);
	s->bytes = e.patch.len;
	if (rc == RC_OK)
		s->items = costmap_pids(resource_cost(e.server));
	else
		fprintf(stderr, "%s: %s\n", job->path[0], rc_text(rc));
	resource_unref(e.server);
	resource_unref(e.proxy);
	digest_free(e.digest);
	buf_free(&e.patch);
	return rc == RC_OK ? 0 : -1;
}

static int server_row(const void *arg, struct sample *s)
{
	return one_row(arg, STAGE_SERVER, s);
}

static int hash_row(const void *arg, struct sample *s)
{
	return one_row(arg, STAGE_HASH, s);
}

static int proxy_row(const void *arg, struct sample *s)
{
	return one_row(arg, STAGE_PROXY, s);
}

int bench_onerow(int argc, char **argv)
{
	struct work w[3] = {
		{ .run = server_row }, { .run = hash_row }, { .run = proxy_row }
	};
	size_t rounds = 7;
	struct job job;

	if (rounds_of(argc, argv, &rounds) != 1) {
		fprintf(stderr, "usage: alto-bench onerow [-r ROUNDS] "
		        "COST-MAP\n");
		return 2;
	}
	job = (struct job){ .path = { argv[optind] } };
	if (sample_run(w, 3, &job, rounds))
		return 1;
	printf("%s: one row of %zu\n", job.path[0], w[0].median.items);
	printf("  %-36s %9s %9s %11s\n", "median", "CPU ms", "wall ms",
	       "patch bytes");
	line("server: diff, seal, encode", &w[0].median);
	line("server: SHA-256 of the body", &w[1].median);
	line("proxy: read, patch, seal, compare", &w[2].median);
	return 0;
}
