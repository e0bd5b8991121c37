/* The way of a small update: from the server's new map to a signed message, and
 * from that to the proxy's new snapshot. Beside it what a program does that holds
 * the map as a JSON tree. The journal and the network are left out. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/bench.h"
#include "common/core/diff.h"
#include "common/core/snapshot.h"
#include "common/proto/work.h"
#include "common/sys/slot.h"
#include "common/wire/delta_json.h"
#include "common/wire/media.h"
#include "common/wire/seal.h"
#include "common/wire/state_json.h"

#define TEXT_MAX (1u << 30)
#define ID "cost"
#define UUID "01900000-0000-7000-8000-000000000000"

enum stage { SERVER, HASH, PROXY, TREE };

struct job {
	struct map_file file;
	size_t rows;
};

/* Both ends, and what travels. */
struct ends {
	enum stage stage;
	struct digest *digest;
	struct sign_key *key;
	struct state state;
	struct resource *res;		/* the server's map */
	struct work *work;		/* the proxy's set */
	struct slot *slot;
	struct buf patch, message;
};

static void timed(const struct ends *e, enum stage stage, struct sample *s,
                  void (*what)(struct sample *s))
{
	if (s && e->stage == stage)
		what(s);
}

static struct costrow *row_raised(const struct costrow *old)
{
	struct costrow *row = costrow_new(old->n);

	for (size_t i = 0; row && i < old->n; i++)
		row->cost[i] = old->cost[i] + 1;
	if (row)
		row->set = old->set;
	return row;
}

/* The same map with so many other rows, evenly spread: as a reader that shares
 * rows gives it. */
static enum rc change_rows(const struct costmap *m, size_t count,
                           struct costmap **out)
{
	size_t n = costmap_pids(m), step = n / count;
	struct costrow **rows = calloc(n + 1, sizeof(struct costrow *));
	enum rc rc = rows ? RC_OK : RC_ENOMEM;

	for (size_t i = 0; rc == RC_OK && i < n; i++) {
		struct costrow *old = costmap_row(m, i);

		rows[i] = i % step == 0 && i / step < count ?
		          row_raised(old) : old;
		if (!rows[i])
			rc = RC_ENOMEM;
		else if (rows[i] == old)
			row_ref(&old->row);
	}
	if (rc == RC_OK)
		rc = costmap_from_rows(costmap_meta(m), costmap_names(m), rows,
		                       out);
	for (size_t i = 0; rows && i < n; i++)
		row_unref((struct row *)rows[i]);
	free(rows);
	return rc;
}

/* Snapshot of the one resource under the next signed state. */
static enum rc sign(struct ends *e, struct snapshot **out)
{
	struct snapshot *blank = NULL;
	enum rc rc;

	e->state.pos.serial++;
	e->state.resources = 1;
	e->state.created = (int64_t)time(NULL);
	e->state.expires = e->state.created + 86400;
	rc = snapshot_new(&e->res, &e->state.pos.serial, 1, &e->state, &blank);
	if (rc != RC_OK)
		return rc;
	memcpy(e->state.root, snapshot_root(blank), SHA256_SIZE);
	rc = state_sign(&e->state, e->key);
	if (rc == RC_OK)
		rc = snapshot_restate(blank, &e->state, out);
	snapshot_unref(blank);
	return rc;
}

static enum rc encode(struct ends *e, struct cost_delta *delta,
                      const struct resource *from)
{
	enum rc rc;

	memcpy(delta->from, resource_name(from)->tag, TAG_HEX + 1);
	memcpy(delta->to, resource_name(e->res)->tag, TAG_HEX + 1);
	buf_clear(&e->patch);
	buf_clear(&e->message);
	rc = delta_json_cost(delta, NULL, &e->patch);
	if (rc != RC_OK)
		return rc;
	frame_update_begin(&e->state, 0, &e->message);
	frame_update_patch(resource_leaf(e->res), delta->from,
	                   MEDIA_MERGE_PATCH, e->patch.data, e->patch.len,
	                   &e->message);
	frame_update_end(&e->message);
	return buf_rc(&e->message);
}

static enum rc server_update(struct ends *e, struct costmap *next,
                             struct sample *s)
{
	struct resource *old = e->res, *sealed = NULL;
	struct cost_delta *delta = NULL;
	struct snapshot *snap = NULL;
	enum rc rc;

	timed(e, SERVER, s, sample_start);
	rc = diff_cost(resource_cost(old), next, &delta, NULL);
	if (rc == RC_OK)
		rc = seal_costmap(e->digest, ID, next, old, &sealed);
	timed(e, SERVER, s, sample_stop);
	if (rc != RC_OK)
		goto out;
	timed(e, HASH, s, sample_start);
	rc = seal_announce(e->digest, sealed, ID);
	timed(e, HASH, s, sample_stop);
	timed(e, SERVER, s, sample_resume);
	e->res = sealed;
	if (rc == RC_OK)
		rc = sign(e, &snap);
	if (rc == RC_OK)
		rc = encode(e, delta, old);
	timed(e, SERVER, s, sample_stop);
	resource_unref(old);
out:
	snapshot_unref(snap);
	cost_delta_free(delta);
	return rc;
}

static enum rc proxy_update(struct ends *e)
{
	struct snapshot *next = NULL;
	struct frame *f = NULL;
	bool refused = false;
	enum rc rc = frame_read(e->message.data, e->message.len, &f, NULL);

	if (rc == RC_OK)
		rc = work_change(e->work, &f->changes[0], f->state.pos.serial,
		                 &refused, NULL);
	if (rc == RC_OK)
		rc = refused ? RC_EGAP : work_snapshot(e->work, &f->state,
		                                       &next);
	if (rc == RC_OK)
		rc = state_check(&f->state, sign_key_public(e->key));
	if (rc == RC_OK) {
		slot_publish(e->slot, next, NULL);
		next = NULL;
	}
	snapshot_unref(next);
	frame_free(f);
	return rc;
}

/* s: NULL for an update that is not measured. */
static enum rc update(struct ends *e, size_t rows, struct sample *s)
{
	struct costmap *next = NULL;
	enum rc rc = change_rows(resource_cost(e->res), rows, &next);

	if (rc == RC_OK)
		rc = server_update(e, next, s);
	costmap_unref(next);
	if (rc != RC_OK)
		return rc;
	timed(e, PROXY, s, sample_start);
	rc = proxy_update(e);
	timed(e, PROXY, s, sample_stop);
	return rc;
}

static enum rc tree_update(struct ends *e, json_t *doc, struct sample *s)
{
	uint8_t hash[SHA256_SIZE];
	json_t *patch;
	char *text;
	enum rc rc = RC_ENOMEM;

	sample_start(s);
	patch = json_loadb(e->patch.data, e->patch.len, 0, NULL);
	if (patch && json_object_update_recursive(doc, patch) == 0) {
		text = json_dumps(doc, JSON_COMPACT);
		if (text) {
			digest_start(e->digest);
			digest_add(e->digest, text, strlen(text));
			rc = digest_end(e->digest, hash);
		}
		free(text);
	}
	sample_stop(s);
	json_decref(patch);
	return rc;
}

static enum rc ends_open(struct ends *e, const struct job *job)
{
	struct snapshot *snap = NULL;
	struct map m;
	enum rc rc;

	if (map_load(&job->file, &m))
		return RC_EIO;
	memcpy(e->state.service, UUID, sizeof(UUID));
	memcpy(e->state.pos.session, UUID, sizeof(UUID));
	rc = digest_new(&e->digest);
	if (rc == RC_OK)
		rc = sign_key_new(&e->key);
	if (rc == RC_OK)
		rc = slot_new(&e->slot);
	if (rc == RC_OK)
		rc = work_new(&e->work);
	if (rc == RC_OK)
		rc = seal_costmap(e->digest, ID, m.cost, NULL, &e->res);
	if (rc == RC_OK)
		rc = seal_announce(e->digest, e->res, ID);
	if (rc == RC_OK)
		rc = sign(e, &snap);
	if (rc == RC_OK)
		rc = work_hold(e->work, snap);
	snapshot_unref(snap);
	map_free(&m);
	return rc;
}

static void ends_close(struct ends *e)
{
	resource_unref(e->res);
	work_free(e->work);
	slot_free(e->slot);
	sign_key_free(e->key);
	digest_free(e->digest);
	buf_free(&e->patch);
	buf_free(&e->message);
}

/* The first update, which pays for the first touch of memory, does not count. */
static int measure(const struct job *job, enum stage stage, struct sample *s)
{
	struct ends e = { .stage = stage, .patch = BUF_INIT(TEXT_MAX),
	                  .message = BUF_INIT(TEXT_MAX) };
	json_t *doc = NULL;
	enum rc rc = ends_open(&e, job);

	for (int i = 0; rc == RC_OK && i < 2; i++)
		rc = update(&e, job->rows, i ? s : NULL);
	if (rc == RC_OK && stage == TREE) {
		doc = tree_load(job->file.path);
		rc = doc ? tree_update(&e, doc, s) : RC_EIO;
		json_decref(doc);
	}
	s->bytes = e.message.len;
	if (rc != RC_OK)
		fprintf(stderr, "%s: %s\n", job->file.path, rc_text(rc));
	ends_close(&e);
	return rc == RC_OK ? 0 : -1;
}

static int at_server(const void *arg, struct sample *s)
{
	return measure(arg, SERVER, s);
}

static int at_hash(const void *arg, struct sample *s)
{
	return measure(arg, HASH, s);
}

static int at_proxy(const void *arg, struct sample *s)
{
	return measure(arg, PROXY, s);
}

static int in_tree(const void *arg, struct sample *s)
{
	return measure(arg, TREE, s);
}

static void line(const char *what, const struct sample *s)
{
	printf("  %-38s %9.3f %9.3f\n", what, s->cpu_ms, s->wall_ms);
}

int bench_onerow(char **path, size_t n, size_t rounds)
{
	static const size_t counts[] = { 1, 10, 100 };
	struct job job = { .file = { path[0], true } };

	(void)n;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct work w[] = { { .run = at_server }, { .run = at_hash },
		                    { .run = at_proxy }, { .run = in_tree } };

		job.rows = counts[i];
		if (sample_run(w, 4, &job, rounds))
			return 1;
		printf("%s: %zu row%s, message of %zu bytes\n", path[0],
		       job.rows, job.rows == 1 ? "" : "s", w[0].median.bytes);
		printf("  %-38s %9s %9s\n", "median", "CPU ms", "wall ms");
		line("server: diff, seal, sign, encode", &w[0].median);
		line("server: SHA-256 of the body", &w[1].median);
		line("proxy: verify, apply, publish", &w[2].median);
		line("jansson: patch a tree, dump, SHA-256", &w[3].median);
		printf("  jansson / proxy: %.0fx\n",
		       w[3].median.cpu_ms / w[2].median.cpu_ms);
	}
	return 0;
}
