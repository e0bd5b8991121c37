/* Two versions of a cost map to the bytes of a patch, beside a generic diff of
 * JSON trees. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "common/core/diff.h"
#include "common/core/resource.h"
#include "common/wire/delta_json.h"
#include "common/wire/jsonpatch.h"

#define PATCH_MAX (1u << 30)
#define TIMES_OURS 10
#define TIMES_JANSSON 2

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

static void per_time(struct sample *s, double times)
{
	s->cpu_ms /= times;
	s->wall_ms /= times;
}

/* What is repeated is the whole work, in new memory each time; the first time,
 * which pays for the first touch of it, is not counted. The same for both. */
static int diff_ours(const void *arg, struct sample *s)
{
	const struct map_file *file = arg;
	struct map from = { NULL, NULL }, to = { NULL, NULL };
	int ret = map_load(&file[0], &from) || map_load(&file[1], &to) ? -1 : 0;

	for (int i = 0; ret == 0 && i <= TIMES_OURS; i++) {
		struct buf text = BUF_INIT(PATCH_MAX);

		if (i == 1)
			sample_start(s);
		if (patch_text(from.cost, to.cost, &text, &s->items) != RC_OK)
			ret = -1;
		s->bytes = text.len;
		buf_free(&text);
	}
	sample_stop(s);
	per_time(s, TIMES_OURS);
	map_free(&from);
	map_free(&to);
	return ret;
}

static int diff_jansson(const void *arg, struct sample *s)
{
	const struct map_file *file = arg;
	json_t *from = tree_load(file[0].path), *to = tree_load(file[1].path);
	enum rc rc = from && to ? RC_OK : RC_EIO;

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
	per_time(s, TIMES_JANSSON);
	json_decref(from);
	json_decref(to);
	return rc == RC_OK ? 0 : -1;
}

static void line(const char *what, const struct sample *s)
{
	printf("  %-32s %9.3f %9.3f %11zu\n", what, s->cpu_ms, s->wall_ms,
	       s->bytes);
}

int bench_diff(char **path, size_t n, size_t rounds)
{
	struct work w[2] = { { .run = diff_ours }, { .run = diff_jansson } };
	const struct map_file files[2] = { { path[0], true }, { path[1], true } };

	(void)n;
	if (sample_run(w, 2, files, rounds))
		return 1;
	printf("%s to %s: %zu cells differ\n", path[0], path[1],
	       w[0].median.items);
	printf("  %-32s %9s %9s %11s\n", "median", "CPU ms", "wall ms",
	       "patch bytes");
	line("diff and merge patch", &w[0].median);
	line("jansson: recursive diff, dump", &w[1].median);
	printf("  jansson / ours: %.0fx\n",
	       w[1].median.cpu_ms / w[0].median.cpu_ms);
	return 0;
}
