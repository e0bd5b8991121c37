/* fuzz_diff.c - apply(diff(a, b), a) == b, for libFuzzer.
 *
 * The input edits a world, three bytes an edit, and says when to publish. Each
 * patch of each update must give the next body: applied as a proxy does, and
 * applied to the JSON text by the letter of its RFC. Links with tests/world.c.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire/body.h"
#include "common/wire/frame.h"
#include "common/wire/jcs.h"
#include "common/wire/json.h"
#include "common/wire/jsonpatch.h"
#include "common/wire/media.h"
#include "tests/world.h"

#define TEXT_MAX ((size_t)16 << 20)
#define EDITS_MAX 400

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct world *w;

static void must(bool ok)
{
	if (!ok)
		abort();
}

static json_t *doc_of(const char *text, size_t len)
{
	json_t *doc = NULL;

	must(json_read(text, len, TEXT_MAX, &doc, NULL) == RC_OK);
	return doc;
}

static void by_letter(const struct resource *from, const struct change *c,
                      const struct resource *to)
{
	struct buf text = BUF_INIT(TEXT_MAX);
	json_t *base, *patch, *next = NULL;
	char *body = NULL;
	size_t len = 0;

	must(body_flat(from, TEXT_MAX, &body, &len) == RC_OK);
	base = doc_of(body, len);
	free(body);
	patch = doc_of(c->data, c->data_len);
	if (strcmp(c->media, MEDIA_JSON_PATCH) == 0)
		must(json_patch(base, patch, &next, NULL) == RC_OK);
	else
		must(merge_patch(base, patch, &next) == RC_OK);
	must(jcs_write(next, &text) == RC_OK);
	must(body_flat(to, TEXT_MAX, &body, &len) == RC_OK);
	must(text.len == len && memcmp(text.data, body, len) == 0);
	free(body);
	buf_free(&text);
	json_decref(base);
	json_decref(patch);
	json_decref(next);
}

static void as_a_proxy(const struct resource *from, const struct change *c)
{
	struct resource *next = NULL;

	must(body_patch(w->digest, from, c->from, c->media, c->data,
	                c->data_len, c->leaf, &next, NULL) == RC_OK);
	must(strcmp(resource_leaf(next), c->leaf) == 0);
	resource_unref(next);
}

static void publish(void)
{
	struct snapshot *before = snapshot_ref(w->head);
	struct update *u = world_publish(w);
	struct frame *f = NULL;

	if (u)
		must(frame_read(u->text, u->len, &f, NULL) == RC_OK);
	for (size_t i = 0; f && i < f->n_changes; i++) {
		const struct change *c = &f->changes[i];
		struct resource *from, *to;

		if (c->what != CHANGE_PATCH)
			continue;
		from = snapshot_get(before, c->name.id);
		to = snapshot_get(w->head, c->name.id);
		must(strcmp(resource_leaf(to), c->leaf) == 0);
		as_a_proxy(from, c);
		by_letter(from, c, to);
	}
	frame_free(f);
	snapshot_unref(before);
}

/* Costs that are hard to print, or none. */
static double cost(uint8_t how)
{
	static const double odd[] = {
		0, -0.0, 0.1, 1e21, 1e-7, 5e-324, 9007199254740993.0,
		1.7976931348623157e308, -3.5, 123456789.125
	};

	if (how < sizeof(odd) / sizeof(odd[0]))
		return odd[how];
	return how % 8 == 7 ? NAN : how / 16.0;
}

static void kill_or_raise(size_t pid)
{
	w->alive[pid] ^= true;
	for (size_t n = 0; !w->alive[pid] && n < WORLD_NETS; n++)
		for (size_t i = 0; i < WORLD_POOL; i++)
			if (w->owner[n][i] == (int)pid)
				w->owner[n][i] = -1;
}

static void edit(uint8_t what, uint8_t where, uint8_t how)
{
	size_t pid = how % WORLD_PIDS, net = what / 8 % WORLD_NETS;
	size_t map = what / 8 % WORLD_COSTS;

	switch (what % 8) {
	case 0:
		publish();
		break;
	case 1:
		kill_or_raise(2 + where % (WORLD_PIDS - 2));
		break;
	case 2:
		w->cost_there[1 + where % (WORLD_COSTS - 1)] ^= true;
		w->net_there[1] ^= how & 1;
		break;
	case 3:			/* a whole row */
		for (size_t i = 0; i < WORLD_PIDS; i++)
			w->cost[map][where % WORLD_PIDS][i] = cost(how);
		break;
	case 4:
	case 5:
		w->cost[map][where % WORLD_PIDS][where / WORLD_PIDS %
			WORLD_PIDS] = cost(how);
		break;
	default:
		w->owner[net][1 + where % (WORLD_POOL - 1)] =
			how & 0x80 || !w->alive[pid] ? -1 : (int)pid;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	w = world_new(1);
	for (size_t i = 0; i < EDITS_MAX && i * 3 + 2 < size; i++)
		edit(data[i * 3], data[i * 3 + 1], data[i * 3 + 2]);
	publish();
	world_free(w);
	return 0;
}
