/* Random maps, random edits: whatever way a change takes, the bytes after it
 * are those of the next version.
 *
 * From one version to the next the maps (maps.h) are edited; maps, figures and
 * deltas of both are then held against each other. ALTOCAST_SEED=n repeats a run.
 */
#include <jansson.h>
#include <time.h>

#include "common/core/diff.h"
#include "common/core/patch.h"
#include "common/wire/delta_json.h"
#include "common/wire/jcs.h"
#include "common/wire/json.h"
#include "common/wire/jsonpatch.h"
#include "common/wire/media.h"
#include "common/wire/seal.h"
#include "tests/maps.h"
#include "tests/suite.h"

#define RUNS 60
#define STEPS 6
#define HISTORY 24
#define TEXT_MAX (16u << 20)

/* Both maps of a version. */
struct version {
	struct resource *net, *cost;
};

static struct digest *digest;

static void seal_both(struct version *v, struct netmap *net,
                      struct costmap *cost, const struct version *base)
{
	CU_ASSERT_EQUAL_FATAL(seal_netmap(digest, "net", net,
	                      base ? base->net : NULL, &v->net), RC_OK);
	CU_ASSERT_EQUAL_FATAL(seal_costmap(digest, "cost", cost,
	                      base ? base->cost : NULL, &v->cost), RC_OK);
	netmap_unref(net);
	costmap_unref(cost);
}

static void drop(struct version *v)
{
	resource_unref(v->net);
	resource_unref(v->cost);
	*v = (struct version){ NULL, NULL };
}

/* From nothing, or sharing with an earlier version. */
static struct version build(const struct maps *w, const struct version *base)
{
	struct version v = { NULL, NULL };
	struct netmap *net = maps_net(w, base ? resource_net(base->net) :
	                                         NULL);
	char tag[TAG_HEX + 1];

	CU_ASSERT_EQUAL_FATAL(seal_netmap(digest, "net", net, NULL, &v.net),
	                      RC_OK);
	resource_content_tag(v.net, tag);
	resource_unref(v.net);
	seal_both(&v, net, maps_cost(w, tag, base ?
	          resource_cost(base->cost) : NULL), base);
	return v;
}

static char *body(const struct resource *r)
{
	size_t size = (size_t)resource_size(r);
	char *s = malloc(size + 1);

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_EQUAL(resource_read(r, 0, s, size), size);
	s[size] = '\0';
	return s;
}

static void same_body(const struct resource *a, const struct resource *b)
{
	char *p = body(a), *q = body(b);

	CU_ASSERT_STRING_EQUAL(p, q);
	CU_ASSERT_EQUAL(memcmp(merkle_root(resource_tree(a)),
	                merkle_root(resource_tree(b)), SHA256_SIZE), 0);
	free(p);
	free(q);
}

/* A change of both maps, as data and as text. */
struct change {
	struct net_delta *net;
	struct cost_delta *cost;
	struct buf net_text, cost_text;
	struct delta_count count;
};

static void set_tags(const struct resource *from, const struct resource *to,
                     char *from_tag, char *to_tag)
{
	resource_content_tag(from, from_tag);
	resource_content_tag(to, to_tag);
}

static void make_change(struct change *c, const struct version *from,
                        const struct version *to)
{
	struct delta_count cells;

	buf_init(&c->net_text, TEXT_MAX);
	buf_init(&c->cost_text, TEXT_MAX);
	CU_ASSERT_EQUAL_FATAL(diff_net(resource_net(from->net),
	                      resource_net(to->net), &c->net, &c->count),
	                      RC_OK);
	CU_ASSERT_EQUAL_FATAL(diff_cost(resource_cost(from->cost),
	                      resource_cost(to->cost), &c->cost, &cells),
	                      RC_OK);
	c->count.cells_added = cells.cells_added;
	c->count.cells_changed = cells.cells_changed;
	c->count.cells_removed = cells.cells_removed;
	set_tags(from->net, to->net, c->net->from, c->net->to);
	set_tags(from->cost, to->cost, c->cost->from, c->cost->to);
	if (strcmp(c->net->from, c->net->to) != 0)
		memcpy(c->cost->net_tag, c->net->to, sizeof(c->net->to));
	CU_ASSERT_EQUAL(delta_json_net(c->net, &c->net_text), RC_OK);
	CU_ASSERT_EQUAL(delta_json_cost(c->cost, "net", &c->cost_text), RC_OK);
}

static void drop_change(struct change *c)
{
	net_delta_free(c->net);
	cost_delta_free(c->cost);
	buf_free(&c->net_text);
	buf_free(&c->cost_text);
}

static struct version patched(const struct version *from,
                              const struct net_delta *n,
                              const struct cost_delta *c)
{
	struct version v = { NULL, NULL };
	struct netmap *net = NULL;
	struct costmap *cost = NULL;
	struct diag d;

	diag_clear(&d);
	CU_ASSERT_EQUAL_FATAL(patch_net(resource_net(from->net), n, &net, &d),
	                      RC_OK);
	CU_ASSERT_EQUAL_FATAL(patch_cost(resource_cost(from->cost), c, &cost,
	                      &d), RC_OK);
	seal_both(&v, net, cost, from);
	return v;
}

/* The text read back, and applied. */
static struct version received(const struct version *from,
                               const struct change *c)
{
	struct net_delta *n = NULL;
	struct cost_delta *k = NULL;
	struct version v;
	struct diag d;

	diag_clear(&d);
	CU_ASSERT_EQUAL_FATAL(delta_json_net_read(
	        delta_json_net_media(c->net), c->net_text.data,
	        c->net_text.len, c->net->from, &n, &d), RC_OK);
	CU_ASSERT_EQUAL_FATAL(delta_json_cost_read(c->cost_text.data,
	        c->cost_text.len, c->cost->from, &k, &d), RC_OK);
	v = patched(from, n, k);
	net_delta_free(n);
	cost_delta_free(k);
	return v;
}

static json_t *parsed(const char *text)
{
	json_t *v = NULL;
	struct diag d;

	diag_clear(&d);
	CU_ASSERT_EQUAL_FATAL(json_read(text, strlen(text), TEXT_MAX, &v, &d),
	                      RC_OK);
	return v;
}

/* The patch applied to the body by the letter of its RFC. */
static void by_the_letter(const struct resource *from, const char *media,
                          const struct buf *patch, const struct resource *to)
{
	char *a = body(from), *b = body(to);
	json_t *doc = parsed(a), *p = parsed(buf_str(patch)), *next = NULL;
	struct buf text = BUF_INIT(TEXT_MAX);
	struct diag d;

	diag_clear(&d);
	if (strcmp(media, MEDIA_MERGE_PATCH) == 0)
		CU_ASSERT_EQUAL_FATAL(merge_patch(doc, p, &next), RC_OK);
	if (strcmp(media, MEDIA_JSON_PATCH) == 0)
		CU_ASSERT_EQUAL_FATAL(json_patch(doc, p, &next, &d), RC_OK);
	CU_ASSERT_EQUAL(jcs_write(next, &text), RC_OK);
	CU_ASSERT_STRING_EQUAL(buf_str(&text), b);
	json_decref(doc);
	json_decref(p);
	json_decref(next);
	buf_free(&text);
	free(a);
	free(b);
}

static void same_text(const struct change *a, const struct change *b)
{
	CU_ASSERT_STRING_EQUAL(buf_str(&a->net_text), buf_str(&b->net_text));
	CU_ASSERT_STRING_EQUAL(buf_str(&a->cost_text), buf_str(&b->cost_text));
}

/* What a merge patch would have been, with each family that changed whole. */
static size_t whole_text(struct net_delta *d, const struct netmap *next)
{
	struct buf text = BUF_INIT(TEXT_MAX);
	size_t len;
	uint32_t num;

	for (size_t i = 0; i < d->n; i++)
		for (int k = 0; k < 2; k++) {
			struct family_delta *f = &d->pids[i].family[k];
			struct netrow *row;

			if (f->how != FAMILY_EDIT)
				continue;
			CU_ASSERT_TRUE_FATAL(index_find(netmap_names(next),
			        d->pids[i].pid, strlen(d->pids[i].pid), &num));
			row = netmap_row(next, num);
			f->how = FAMILY_WHOLE;
			f->n_put = 0;
			for (size_t j = k ? row->n4 : 0;
			     j < row->n4 + (k ? row->n6 : 0); j++)
				CU_ASSERT_EQUAL(family_delta_put(f, 0,
				                &row->p[j]), RC_OK);
		}
	CU_ASSERT_EQUAL(delta_json_net(d, &text), RC_OK);
	len = text.len;
	buf_free(&text);
	return len;
}

static unsigned merges, edits, silent;

static void check_form(struct change *c, const struct version *to)
{
	bool edit = strcmp(delta_json_net_media(c->net), MEDIA_JSON_PATCH) == 0;

	merges += !edit;
	edits += edit;
	silent += c->net->n == 0 && c->cost->n_rows == 0;
	if (edit)
		CU_ASSERT_TRUE(c->net_text.len < whole_text(c->net,
		               resource_net(to->net)));
}

/* held is what a proxy has, which never read a map after the first. */
static void step(const struct maps *a, const struct maps *b,
                 struct version *held)
{
	struct version from = build(a, NULL), to = build(b, NULL);
	struct version shared = build(b, &from);
	struct version now[2];
	struct change c[3];
	struct delta_count want = maps_count(a, b);

	make_change(&c[0], &from, &to);
	make_change(&c[1], &from, &shared);
	make_change(&c[2], held, &to);
	same_text(&c[0], &c[1]);
	same_text(&c[0], &c[2]);
	for (int i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(memcmp(&c[i].count, &want, sizeof(want)), 0);

	now[0] = patched(&from, c[0].net, c[0].cost);
	now[1] = received(held, &c[0]);
	for (int i = 0; i < 2; i++) {
		same_body(now[i].net, to.net);
		same_body(now[i].cost, to.cost);
	}
	same_body(shared.cost, to.cost);
	by_the_letter(from.net, delta_json_net_media(c[0].net),
	              &c[0].net_text, to.net);
	by_the_letter(from.cost, MEDIA_MERGE_PATCH, &c[0].cost_text, to.cost);
	check_form(&c[0], &to);

	drop(held);
	*held = now[1];
	drop(&now[0]);
	drop(&from);
	drop(&to);
	drop(&shared);
	for (int i = 0; i < 3; i++)
		drop_change(&c[i]);
}

static void patches_lead_to_the_bytes_of_the_next_version(void)
{
	for (int run = 0; run < RUNS; run++) {
		struct maps a, b;
		struct version held;

		maps_pool();
		maps_random(&a);
		held = build(&a, NULL);
		for (int i = 0; i < STEPS; i++) {
			b = a;
			if (maps_rnd(8))
				maps_edit(&b);
			step(&a, &b, &held);
			a = b;
		}
		drop(&held);
	}
}

static void the_rounds_saw_every_form(void)
{
	printf("merge patches %u, JSON patches %u, no change %u ... ", merges,
	       edits, silent);
	CU_ASSERT_TRUE(merges > 20);
	CU_ASSERT_TRUE(edits > 20);
	CU_ASSERT_TRUE(silent > 5);
}

/* The way back, from any version to any other, fits as well. */
static void any_version_leads_to_any_other(void)
{
	struct maps w[5];
	struct version v[5];

	maps_pool();
	for (int i = 0; i < 5; i++) {
		maps_random(&w[i]);
		v[i] = build(&w[i], NULL);
	}
	for (int i = 0; i < 25; i++) {
		struct version now;
		struct change c;

		make_change(&c, &v[i / 5], &v[i % 5]);
		now = received(&v[i / 5], &c);
		same_body(now.net, v[i % 5].net);
		same_body(now.cost, v[i % 5].cost);
		drop(&now);
		drop_change(&c);
	}
	for (int i = 0; i < 5; i++)
		drop(&v[i]);
}

/* A subscriber may stand anywhere in the history: from every version that is kept
 * the deltas after it give the newest, also back to what was once removed. */
static void every_version_and_its_deltas_give_the_newest(void)
{
	struct version v[HISTORY];
	struct change c[HISTORY - 1];
	struct maps w;

	maps_pool();
	maps_random(&w);
	v[0] = build(&w, NULL);
	for (int i = 1; i < HISTORY; i++) {
		maps_edit(&w);
		v[i] = build(&w, &v[i - 1]);
		make_change(&c[i - 1], &v[i - 1], &v[i]);
	}
	for (int from = 0; from < HISTORY; from++) {
		struct version now = { resource_ref(v[from].net),
		                       resource_ref(v[from].cost) };

		for (int i = from; i < HISTORY - 1; i++) {
			struct version next = received(&now, &c[i]);

			drop(&now);
			now = next;
		}
		same_body(now.net, v[HISTORY - 1].net);
		same_body(now.cost, v[HISTORY - 1].cost);
		drop(&now);
	}
	for (int i = 0; i < HISTORY; i++)
		drop(&v[i]);
	for (int i = 0; i < HISTORY - 1; i++)
		drop_change(&c[i]);
}

int main(void)
{
	const char *s = getenv("ALTOCAST_SEED");
	CU_TestInfo tests[] = {
		{ "patches lead to the bytes of the next version",
		  patches_lead_to_the_bytes_of_the_next_version },
		{ "the rounds saw every form", the_rounds_saw_every_form },
		{ "any version leads to any other",
		  any_version_leads_to_any_other },
		{ "every version and its deltas give the newest",
		  every_version_and_its_deltas_give_the_newest },
		CU_TEST_INFO_NULL
	};
	int rc;

	maps_seed = s ? strtoull(s, NULL, 10) : (uint64_t)time(NULL);
	printf("ALTOCAST_SEED=%llu\n", (unsigned long long)maps_seed);
	if (digest_new(&digest) != RC_OK)
		return 99;
	rc = suite_run("property", tests);
	digest_free(digest);
	return rc;
}
