#include "server/release.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/sys/clock.h"
#include "common/sys/log.h"
#include "common/wire/frame.h"
#include "common/wire/json.h"
#include "common/wire/media.h"
#include "common/wire/seal.h"
#include "common/wire/state_json.h"
#include "server/keep.h"

void release_free(struct release *r)
{
	for (size_t i = 0; i < r->n; i++)
		resource_unref(r->res[i]);
	free(r->res);
	free(r->changed);
	buf_free(&r->text);
	buf_free(&r->report.json);
}

static bool is_directory(const struct resource *r)
{
	return strcmp(resource_name(r)->id, DIRECTORY_ID) == 0;
}

/* The IRD first (it names the others' uris), a network map before the cost maps
 * that depend on it, property maps last. */
#define ORDERS 4

static int change_order(const struct resource *r)
{
	if (is_directory(r))
		return 0;
	switch (resource_kind(r)) {
	case RESOURCE_NETMAP:
		return 1;
	case RESOURCE_COSTMAP:
		return 2;
	case RESOURCE_DOC:
		break;
	}
	return 3;
}

static enum rc put_gone(struct origin *o, struct release *r)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < snapshot_count(o->now); i++) {
		struct resource *old = snapshot_at(o->now, i);
		bool there = false;

		for (size_t k = 0; k < r->n; k++)
			there = there || strcmp(resource_name(r->res[k])->id,
			                        resource_name(old)->id) == 0;
		if (!there)
			rc = change_put(old, NULL, &r->limits, &r->text,
			                &r->report);
	}
	return rc;
}

static enum rc put_changes(struct origin *o, struct release *r)
{
	enum rc rc = RC_OK;

	r->limits.message_max = o->message_max;
	r->limits.subscribers = status_subscribers(o->house->status);
	for (int order = 0; order < ORDERS; order++) {
		for (size_t i = 0; rc == RC_OK && i < r->n; i++) {
			struct resource *to = r->res[i], *from;

			from = snapshot_get(o->now, resource_name(to)->id);
			if (from != to && change_order(to) == order)
				rc = change_put(from, to, &r->limits,
				                &r->text, &r->report);
		}
	}
	return rc == RC_OK ? put_gone(o, r) : rc;
}

bool release_differs(const struct origin *o, const struct release *r)
{
	if (!o->now || r->session || snapshot_count(o->now) != r->n)
		return true;
	for (size_t i = 0; i < r->n; i++)
		if (snapshot_get(o->now, resource_name(r->res[i])->id) !=
		    r->res[i])
			return true;
	return false;
}

/* ---- signing --------------------------------------------------------------- */

/* Later than the signature it replaces, whatever the wall clock does; but not
 * so late that nobody believes it. */
static void set_times(const struct origin *o, struct state *st)
{
	int64_t now = clock_wall_s();
	const struct state *at = o->now ? snapshot_state(o->now) : NULL;

	st->created = now;
	if (at && at->created >= now && at->created <= now + STATE_SKEW_S / 2)
		st->created = at->created + 1;
	st->expires = st->created + o->lifetime;
}

/* Greater than any that was seen. */
static enum rc new_session(const struct origin *o, char out[UUID_TEXT + 1],
                           struct diag *d)
{
	const char *above = o->now ? snapshot_state(o->now)->pos.session : "";
	uint64_t ms = (uint64_t)clock_wall_ms();
	uint64_t limit = ms + STATE_SKEW_S * 1000ull;
	uint8_t random[10];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return RC_EIO;
	if (strcmp(o->seen, above) > 0)
		above = o->seen;
	enc_uuid7(ms, random, out);
	if (strcmp(out, above) <= 0)
		enc_uuid7(enc_uuid7_ms(above) + 1, random, out);
	if (enc_uuid7_ms(out) > limit)
		return diag_set(d, RC_ETIME, "session %s lies in the future of "
		                "this machine's clock, so no later one would be "
		                "believed: set the clock", above);
	return RC_OK;
}

/* Snapshot of r under r->state, whose root it gives and which it signs. */
static enum rc seal_release(struct origin *o, struct release *r,
                            struct snapshot **out)
{
	struct snapshot *blank = NULL;
	enum rc rc = snapshot_new(r->res, r->changed, r->n, &r->state, &blank);

	if (rc != RC_OK)
		return rc;
	memcpy(r->state.root, snapshot_root(blank), SHA256_SIZE);
	r->state.resources = r->n;
	set_times(o, &r->state);
	rc = state_sign(&r->state, keyring_signer(o->ring));
	if (rc == RC_OK)
		rc = snapshot_restate(blank, &r->state, out);
	snapshot_unref(blank);
	return rc;
}

/* ---- publishing ------------------------------------------------------------ */

static enum rc write_records(struct journal *j, void *arg, struct diag *d)
{
	const struct origin *o = arg;

	return keep_records(j, o->maps, o->ring, d);
}

static enum rc send_out(struct origin *o, struct release *r,
                        struct snapshot *next, struct update *u,
                        struct diag *d)
{
	struct publication pub = {
		.next = next, .prev = o->now,
		.updates = u ? &u : NULL, .n = u ? 1 : 0,
		.jump = r->jump, .session = r->session,
		.also = write_records, .arg = o,
	};
	enum rc rc = publish(&o->house->publish, &pub, d);

	if (rc != RC_OK) {
		status_add(o->house->status, STATUS_journal_failures, 1);
		status_trouble(o->house->status, "journal", d->text,
		               clock_wall_s());
		return rc;
	}
	status_trouble(o->house->status, "journal", NULL, 0);
	snapshot_ref(next);
	snapshot_unref(o->now);
	o->now = next;
	o->next_heartbeat = clock_mono_ms() + o->heartbeat_ms;
	return RC_OK;
}

/* The update's text around the changes: it needs the signed state first. */
static enum rc wrap(struct release *r, int64_t ms, struct update **out)
{
	struct buf whole = BUF_INIT(2 * (size_t)JOURNAL_UPDATE_MAX);
	char *text;
	size_t len;
	enum rc rc;

	frame_update_begin(&r->state, ms, &whole);
	buf_add(&whole, r->text.data, r->text.len);
	frame_update_end(&whole);
	rc = buf_rc(&r->text) != RC_OK ? buf_rc(&r->text) : buf_rc(&whole);
	if (rc == RC_OK) {
		text = buf_take(&whole, &len);
		rc = text ? update_new(&r->state, text, len, ms, out) :
		            RC_ENOMEM;
	}
	buf_free(&whole);
	return rc;
}

static void mark_changed(struct origin *o, struct release *r)
{
	for (size_t i = 0; i < r->n; i++) {
		const char *id = resource_name(r->res[i])->id;
		long at = o->now ? snapshot_find(o->now, id) : -1;

		r->changed[i] = r->state.pos.serial;
		if (at >= 0 && !r->session &&
		    snapshot_at(o->now, (size_t)at) == r->res[i])
			r->changed[i] = snapshot_changed(o->now, (size_t)at);
	}
}

/* Publishes r if it differs. *published tells. */
enum rc release_publish(struct origin *o, struct release *r,
                        bool *published, struct diag *d)
{
	struct snapshot *next = NULL;
	struct update *u = NULL;
	enum rc rc = RC_OK;

	*published = false;
	if (!release_differs(o, r))
		return RC_OK;
	memcpy(r->state.service, o->service, sizeof(r->state.service));
	r->jump = !o->now || r->session;
	if (r->jump) {
		rc = new_session(o, r->state.pos.session, d);
		r->state.pos.serial = 1;
	} else {
		r->state.pos = snapshot_state(o->now)->pos;
		r->state.pos.serial++;
	}
	mark_changed(o, r);
	if (rc == RC_OK && o->now)
		rc = put_changes(o, r);
	if (rc == RC_OK)
		rc = seal_release(o, r, &next);
	if (rc == RC_OK && !r->jump)
		rc = wrap(r, clock_wall_ms(), &u);
	if (rc == RC_OK)
		rc = send_out(o, r, next, u, d);
	*published = rc == RC_OK;
	if (rc == RC_OK)
		log_info("publish", "serial=%llu session=%s changes=%zu "
		         "bytes=%zu resources=%zu",
		         (unsigned long long)r->state.pos.serial,
		         r->state.pos.session, r->report.n, u ? u->len : 0,
		         r->n);
	snapshot_unref(next);
	update_unref(u);
	return rc;
}

static const struct map_entry *configured(const struct origin *o,
                                           const char *id)
{
	for (size_t i = 0; i < o->maps->n; i++)
		if (strcmp(o->maps->maps[i].id, id) == 0)
			return &o->maps->maps[i];
	return NULL;
}

/* The release's maps as the IRD offers them. A map that is no longer configured,
 * but published until the files are in order, is offered plainly; so is one that
 * is not what its setting was made for. */
static struct ird_map *ird_maps(const struct origin *o,
                                const struct release *r)
{
	struct ird_map *maps = calloc(r->n, sizeof(*maps));

	for (size_t i = 1; maps && i < r->n; i++) {
		struct resource *res = r->res[i];
		const struct map_entry *m = configured(o,
			resource_name(res)->id);
		struct costmap *cost = resource_cost(res);

		maps[i - 1] = (struct ird_map){
			.res = res, .testable = m && m->testable,
			.ordinal = m && m->ordinal && cost &&
			           strcmp(costmap_meta(cost)->mode,
			                  "numerical") == 0,
		};
	}
	return maps;
}

static enum rc print_ird(struct origin *o, struct release *r,
                         const char *default_net, struct buf *dst,
                         struct diag *d)
{
	struct ird_redistribution *rd = calloc(1, sizeof(*rd));
	struct ird_map *maps = ird_maps(o, r);
	enum rc rc = RC_ENOMEM;

	if (!rd || !maps)
		goto out;
	memcpy(rd->service, o->service, sizeof(rd->service));
	keyring_announce(o->ring, rd);
	memcpy(rd->push, o->house->push_uri, strlen(o->house->push_uri) + 1);
	memcpy(rd->state, "state", 6);
	rd->heartbeat = (unsigned)(o->heartbeat_ms / 1000);
	rd->n_proxies = o->n_proxies;
	rd->proxies = o->proxies;
	rc = ird_write(rd, maps, r->n - 1, default_net, &o->services, dst, d);
out:
	free(rd);
	free(maps);
	return rc;
}

static enum rc build_ird(struct origin *o, struct release *r,
                         const char *default_net, struct diag *d)
{
	struct buf text = BUF_INIT(JSON_SMALL_MAX);
	struct resource *old, *doc = NULL;
	char tag[TAG_HEX + 1];
	enum rc rc = print_ird(o, r, default_net, &text, d);

	if (rc == RC_OK)
		rc = seal_doc(o->digest, MEDIA_DIRECTORY, text.data, text.len,
		              &doc);
	if (rc != RC_OK)
		goto out;
	old = o->now ? snapshot_get(o->now, DIRECTORY_ID) : NULL;
	resource_content_tag(doc, tag);
	if (old && strcmp(resource_name(old)->tag, tag) == 0) {
		resource_unref(doc);
		doc = resource_ref(old);
	} else {
		rc = seal_announce(o->digest, doc, DIRECTORY_ID);
	}
	r->res[0] = doc;
	doc = NULL;
out:
	resource_unref(doc);
	buf_free(&text);
	return rc;
}

static enum rc release_new(size_t n, struct release *r)
{
	memset(r, 0, sizeof(*r));
	buf_init(&r->text, 2 * (size_t)JOURNAL_UPDATE_MAX);
	buf_init(&r->report.json, CHANGE_REPORT_MAX);
	r->res = calloc(n + 1, sizeof(struct resource *));
	r->changed = calloc(n + 1, sizeof(*r->changed));
	return r->res && r->changed ? RC_OK : RC_ENOMEM;
}

/* What the files say now (each map's `next`) becomes the release's resources. */
enum rc release_files(struct origin *o, struct release *r, struct diag *d)
{
	const struct mapset *s = o->maps;
	const char *net = mapset_default(s, NULL);
	enum rc rc = release_new(s->n + 1, r);

	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < s->n; i++)
		r->res[i + 1] = resource_ref(s->maps[i].next);
	r->n = s->n + 1;
	return build_ird(o, r, net, d);
}

/* The maps as they are published, under a new IRD or in a new session. */
enum rc release_again(struct origin *o, struct release *r, struct diag *d)
{
	size_t n = 0;
	enum rc rc = release_new(snapshot_count(o->now), r);
	const char *net = mapset_default(o->maps, o->now);

	for (size_t i = 0; rc == RC_OK && i < snapshot_count(o->now); i++) {
		struct resource *res = snapshot_at(o->now, i);

		if (is_directory(res))
			continue;
		r->res[++n] = resource_ref(res);
		/* None that is configured is published yet. */
		if (resource_kind(res) == RESOURCE_NETMAP && !net)
			net = resource_name(res)->id;
	}
	if (rc != RC_OK)
		return rc;
	r->n = n + 1;
	return net ? build_ird(o, r, net, d) : RC_ENOENT;
}

enum rc release_republish(struct origin *o, bool session, bool *published,
                          struct diag *d)
{
	struct release r = { 0 };
	enum rc rc = release_again(o, &r, d);

	r.session = session;
	if (rc == RC_OK)
		rc = release_publish(o, &r, published, d);
	release_free(&r);
	return rc;
}

/* The same content under a signature of now. */
enum rc release_resign(struct origin *o, struct diag *d)
{
	struct release none = { .state = *snapshot_state(o->now) };
	struct snapshot *next = NULL;
	enum rc rc;

	set_times(o, &none.state);
	rc = state_sign(&none.state, keyring_signer(o->ring));
	if (rc == RC_OK)
		rc = snapshot_restate(o->now, &none.state, &next);
	if (rc == RC_OK)
		rc = send_out(o, &none, next, NULL, d);
	snapshot_unref(next);
	if (rc == RC_OK)
		status_add(o->house->status, STATUS_heartbeats, 1);
	return rc;
}
