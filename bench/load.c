/* Files come from the page cache: a first round that does not is no median. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "common/wire/costmap_json.h"
#include "common/wire/netmap_json.h"
#include "common/wire/scan.h"

#define LOOK_AT (1u << 16)	/* bytes in which the kind of a map shows */

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

int map_load(const struct map_file *file, struct map *m)
{
	struct map_notes notes;
	struct scan *s = NULL;
	struct vtag stated;
	struct diag d = { 0 };
	FILE *f = fopen(file->path, "rb");
	enum rc rc;

	*m = (struct map){ NULL, NULL };
	if (!f) {
		perror(file->path);
		return -1;
	}
	setvbuf(f, NULL, _IONBF, 0);
	rc = scan_new_reader(from_file, f, &d, &s);
	if (rc == RC_OK && file->is_cost)
		rc = costmap_json_read(s, NULL, &m->cost, &stated, &notes);
	else if (rc == RC_OK)
		rc = netmap_json_read(s, NULL, &m->net, &stated, &notes);
	if (rc != RC_OK)
		complain(file->path, &d);
	scan_free(s);
	fclose(f);
	return rc == RC_OK ? 0 : -1;
}

size_t map_items(const struct map *m)
{
	return m->cost ? costmap_cells(m->cost) : netmap_prefixes(m->net);
}

void map_free(struct map *m)
{
	costmap_unref(m->cost);
	netmap_unref(m->net);
}

/* What a file is, by the first name of a map that occurs in it. */
int map_file_init(struct map_file *file, const char *path)
{
	char *text = calloc(1, LOOK_AT + 1);
	FILE *f = fopen(path, "rb");

	if (!f || !text) {
		perror(path);
		free(text);
		if (f)
			fclose(f);
		return -1;
	}
	file->path = path;
	file->is_cost = fread(text, 1, LOOK_AT, f) && strstr(text, "cost-");
	fclose(f);
	free(text);
	return 0;
}

struct json_t *tree_load(const char *path)
{
	json_error_t err;
	json_t *doc = json_load_file(path, JSON_REJECT_DUPLICATES, &err);

	if (!doc)
		fprintf(stderr, "%s:%d: %s\n", path, err.line, err.text);
	return doc;
}
