/* Order matters in release(): nothing of the publisher changes before publish()
 * has succeeded, so a failure at any step leaves the old version whole. */
#include "server/publisher.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <zstd.h>

#include "common/core/diff.h"
#include "common/net/loop.h"
#include "common/sys/clock.h"
#include "common/sys/file.h"
#include "common/sys/keyfile.h"
#include "common/sys/log.h"
#include "common/wire/body.h"
#include "common/wire/delta_json.h"
#include "common/wire/frame.h"
#include "common/wire/jcs.h"
#include "common/wire/json.h"
#include "common/wire/jsonpatch.h"
#include "common/wire/media.h"
#include "common/wire/seal.h"
#include "common/wire/state_json.h"
#include "server/source.h"

#define META_FILE	"file:"		/* + id: source_record */
#define META_PROXIES	"proxies"	/* JSON, as in the IRD */
#define SESSION_PAUSE_S	600		/* between sessions begun for lost history */
#define PULL_WITHIN_S	5		/* a pull order is spread over so long */
#define RATIO_MAX	24		/* a body compresses no better, to be sure */
#define TEXT_MAX	(1u << 20)

struct publisher {
	struct house *house;
	const struct conf *conf;
	struct source *source;
	struct sign_key *key;
	struct keys own;
	struct digest *digest;
	struct snapshot *now;		/* published, or NULL */
	char service[UUID_TEXT + 1];
	size_t n_proxies;
	struct ird_proxy *proxies;
	int64_t lifetime;
	uint64_t heartbeat_ms, next_heartbeat;
	uint64_t session_ms;		/* monotonic: last for lost history, or 0 */
	size_t message_max;
};

/* One publication in the making. */
struct release {
	struct resource **res;		/* all, referenced; .directory first */
	uint64_t *changed;
	size_t n;
	bool jump, session;
	struct state state;
	struct buf text;		/* the update */
	struct buf report;		/* JSON objects of what changed */
	size_t n_changes;		/* the IRD's not counted */
	size_t delta_bytes;
	uint64_t full_bytes;
};

void publisher_drop(struct msg *m)
{
	if (m->kind == MSG_ROSTER)
		free(((struct msg_roster *)m)->proxies);
	if (m->kind == MSG_ANSWER)
		free(((struct msg_answer *)m)->text);
	free(m);
}

enum rc publisher_new(const struct conf *c, struct publisher **out)
{
	struct publisher *p = calloc(1, sizeof(*p));
	enum rc rc = RC_ENOMEM;

	if (!p)
		return rc;
	p->conf = c;
	p->lifetime = conf_get_int(c, "signing.lifetime");
	p->heartbeat_ms = (uint64_t)conf_get_int(c, "heartbeat") * 1000;
	p->message_max = (size_t)conf_get_int(c, "push.message");
	rc = source_new(c, &p->source);
	if (rc == RC_OK)
		rc = digest_new(&p->digest);
	if (rc != RC_OK) {
		publisher_free(p);
		return rc;
	}
	*out = p;
	return RC_OK;
}

void publisher_free(struct publisher *p)
{
	if (!p)
		return;
	source_free(p->source);
	sign_key_free(p->key);
	digest_free(p->digest);
	snapshot_unref(p->now);
	free(p->proxies);
	free(p);
}

const struct keys *publisher_keys(const struct publisher *p)
{
	return &p->own;
}

const struct ird_proxy *publisher_roster(const struct publisher *p, size_t *n)
{
	*n = p->n_proxies;
	return p->proxies;
}

/* ---- deltas ---------------------------------------------------------------- */

static enum rc net_patch(const struct resource *from, const struct resource *to,
                         struct buf *dst, const char **media,
                         struct delta_count *count)
{
	struct net_delta *delta = NULL;
	enum rc rc = diff_net(resource_net(from), resource_net(to), &delta,
	                      count);

	if (rc != RC_OK)
		return rc;
	memcpy(delta->from, resource_name(from)->tag, TAG_HEX + 1);
	memcpy(delta->to, resource_name(to)->tag, TAG_HEX + 1);
	*media = delta_json_net_media(delta);
	rc = delta_json_net(delta, dst);
	net_delta_free(delta);
	return rc;
}

static enum rc cost_patch(const struct resource *from,
                          const struct resource *to, struct buf *dst,
                          const char **media, struct delta_count *count)
{
	const struct costmeta *a = costmap_meta(resource_cost(from));
	const struct costmeta *b = costmap_meta(resource_cost(to));
	struct cost_delta *delta = NULL;
	enum rc rc;

	/* Another cost type or network map: not an increment of this one. */
	if (strcmp(a->metric, b->metric) || strcmp(a->mode, b->mode) ||
	    strcmp(a->net.id, b->net.id))
		return RC_ERULE;
	rc = diff_cost(resource_cost(from), resource_cost(to), &delta, count);
	if (rc != RC_OK)
		return rc;
	memcpy(delta->from, resource_name(from)->tag, TAG_HEX + 1);
	memcpy(delta->to, resource_name(to)->tag, TAG_HEX + 1);
	if (strcmp(a->net.tag, b->net.tag) != 0)
		memcpy(delta->net_tag, b->net.tag, sizeof(delta->net_tag));
	*media = MEDIA_MERGE_PATCH;
	rc = delta_json_cost(delta, b->net.id, dst);
	cost_delta_free(delta);
	return rc;
}

static enum rc load_doc(const struct resource *r, json_t **out)
{
	char *text = NULL;
	size_t len;
	enum rc rc = body_flat(r, JSON_SMALL_MAX, &text, &len);

	if (rc == RC_OK)
		rc = json_read(text, len, JSON_SMALL_MAX, out, NULL);
	free(text);
	return rc;
}

static enum rc doc_patch(const struct resource *from, const struct resource *to,
                         struct buf *dst, const char **media)
{
	json_t *a = NULL, *b = NULL, *patch = NULL;
	enum rc rc = load_doc(from, &a);

	if (rc == RC_OK)
		rc = load_doc(to, &b);
	if (rc == RC_OK)
		rc = merge_diff(a, b, &patch);
	if (rc == RC_OK)
		rc = jcs_write(patch, dst);
	*media = MEDIA_MERGE_PATCH;
	json_decref(a);
	json_decref(b);
	json_decref(patch);
	return rc;
}

static enum rc encode_patch(const struct resource *from,
                            const struct resource *to, struct buf *dst,
                            const char **media, struct delta_count *count)
{
	if (resource_kind(from) != resource_kind(to))
		return RC_ERULE;
	switch (resource_kind(to)) {
	case RESOURCE_NETMAP:
		return net_patch(from, to, dst, media, count);
	case RESOURCE_COSTMAP:
		return cost_patch(from, to, dst, media, count);
	case RESOURCE_DOC:
		return doc_patch(from, to, dst, media);
	}
	return RC_ERULE;
}

/* Bytes of the body compressed fast; stops counting past enough. */
static uint64_t compressed_size(const struct resource *r, uint64_t enough)
{
	char in[65536], out[65536];
	ZSTD_CCtx *z = ZSTD_createCCtx();
	uint64_t off = 0, total = 0;
	size_t n, left = 1;

	if (!z)
		return UINT64_MAX;
	ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, 1);
	while (total <= enough && left) {
		ZSTD_inBuffer ib;
		size_t before;

		n = resource_read(r, off, in, sizeof(in));
		off += n;
		ib = (ZSTD_inBuffer){ in, n, 0 };
		do {
			ZSTD_outBuffer ob = { out, sizeof(out), 0 };

			before = ib.pos;
			left = ZSTD_compressStream2(z, &ob, &ib, n ?
			       ZSTD_e_continue : ZSTD_e_end);
			if (ZSTD_isError(left)) {
				ZSTD_freeCCtx(z);
				return UINT64_MAX;
			}
			total += ob.pos;
		} while (ib.pos < ib.size && (ib.pos > before || left));
		if (n)
			left = 1;
	}
	ZSTD_freeCCtx(z);
	return total;
}

/* More than half of what the whole body costs on the wire: fetch that. */
static bool worth_a_patch(const struct publisher *p, const struct resource *to,
                          size_t len)
{
	if (len > p->message_max / 2)
		return false;
	if (len <= 4096 || len * 2 <= resource_size(to) / RATIO_MAX)
		return true;
	return len * 2 <= compressed_size(to, len * 2 + 1);
}

/* ---- a publication in the making ------------------------------------------- */

static void release_free(struct release *r)
{
	for (size_t i = 0; i < r->n; i++)
		resource_unref(r->res[i]);
	free(r->res);
	free(r->changed);
	buf_free(&r->text);
	buf_free(&r->report);
}

static void report_change(struct release *r, const struct resource *from,
                          const struct resource *to,
                          const struct delta_count *c)
{
	const struct resource *any = to ? to : from;

	if (resource_kind(any) == RESOURCE_DOC)
		return;
	r->n_changes++;
	if (to)
		r->full_bytes += resource_size(to);
	buf_printf(&r->report, "%s{\"id\":\"%s\"", r->report.len ? "," : "",
	           resource_name(any)->id);
	if (from)
		buf_printf(&r->report, ",\"from\":\"%s\"",
		           resource_name(from)->tag);
	if (to)
		buf_printf(&r->report, ",\"to\":\"%s\"",
		           resource_name(to)->tag);
	buf_printf(&r->report, ",\"pids-added\":%zu,\"pids-removed\":%zu,"
	           "\"prefixes-added\":%zu,\"prefixes-removed\":%zu,"
	           "\"cells-changed\":%zu,\"cells-added\":%zu,"
	           "\"cells-removed\":%zu}", c->pids_added, c->pids_removed,
	           c->prefixes_added, c->prefixes_removed, c->cells_changed,
	           c->cells_added, c->cells_removed);
}

/* A map that appears: all of it is added. */
static struct delta_count count_all(const struct resource *r)
{
	struct delta_count c = { 0 };

	if (resource_kind(r) == RESOURCE_NETMAP) {
		c.pids_added = netmap_pids(resource_net(r));
		c.prefixes_added = netmap_prefixes(resource_net(r));
	} else if (resource_kind(r) == RESOURCE_COSTMAP) {
		c.cells_added = costmap_cells(resource_cost(r));
	}
	return c;
}

static enum rc put_change(struct publisher *p, struct release *r,
                          const struct resource *from,
                          const struct resource *to)
{
	struct buf patch = BUF_INIT(p->message_max);
	struct delta_count count = { 0 };
	const char *media = "";
	enum rc rc = from ? encode_patch(from, to, &patch, &media, &count) :
	                    RC_ERULE;

	if (rc == RC_ENOMEM)
		goto out;
	if (!from)
		count = count_all(to);
	report_change(r, from, to, &count);
	if (rc == RC_OK && worth_a_patch(p, to, patch.len)) {
		frame_update_patch(resource_leaf(to), resource_name(from)->tag,
		                   media, patch.data, patch.len, &r->text);
		if (resource_kind(to) != RESOURCE_DOC)
			r->delta_bytes += patch.len;
	} else {
		frame_update_pull(resource_leaf(to), from ? PULL_WITHIN_S : 0,
		                  &r->text);
	}
	rc = RC_OK;
out:
	buf_free(&patch);
	return rc;
}

/* The IRD first (it names the others' uris), a network map before the cost maps
 * that depend on it. */
static int change_order(const struct resource *r)
{
	switch (resource_kind(r)) {
	case RESOURCE_DOC:
		return 0;
	case RESOURCE_NETMAP:
		return 1;
	case RESOURCE_COSTMAP:
		break;
	}
	return 2;
}

static void put_gone(struct publisher *p, struct release *r)
{
	static const struct delta_count none;

	for (size_t i = 0; i < snapshot_count(p->now); i++) {
		struct resource *old = snapshot_at(p->now, i);
		bool there = false;

		for (size_t k = 0; k < r->n; k++)
			there = there || strcmp(resource_name(r->res[k])->id,
			                        resource_name(old)->id) == 0;
		if (there)
			continue;
		report_change(r, old, NULL, &none);
		frame_update_gone(resource_name(old)->id, &r->text);
	}
}

static enum rc put_changes(struct publisher *p, struct release *r)
{
	enum rc rc = RC_OK;

	for (int order = 0; order < 3; order++) {
		for (size_t i = 0; rc == RC_OK && i < r->n; i++) {
			struct resource *to = r->res[i], *from;

			from = snapshot_get(p->now, resource_name(to)->id);
			if (from != to && change_order(to) == order)
				rc = put_change(p, r, from, to);
		}
	}
	if (rc == RC_OK)
		put_gone(p, r);
	return rc;
}

/* Does anything differ from what is published? */
static bool differs(const struct publisher *p, const struct release *r)
{
	if (!p->now || r->session || snapshot_count(p->now) != r->n)
		return true;
	for (size_t i = 0; i < r->n; i++)
		if (snapshot_get(p->now, resource_name(r->res[i])->id) !=
		    r->res[i])
			return true;
	return false;
}

/* ---- signing --------------------------------------------------------------- */

/* Later than the signature it replaces, whatever the wall clock does; but not
 * so late that nobody believes it. */
static void set_times(const struct publisher *p, struct state *st)
{
	int64_t now = clock_wall_s();
	const struct state *at = p->now ? snapshot_state(p->now) : NULL;

	st->created = now;
	if (at && at->created >= now && at->created <= now + STATE_SKEW_S / 2)
		st->created = at->created + 1;
	st->expires = st->created + p->lifetime;
}

static enum rc new_session(const struct position *above,
                           char out[UUID_TEXT + 1])
{
	uint64_t ms = (uint64_t)clock_wall_ms();
	uint8_t random[10];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return RC_EIO;
	enc_uuid7(ms, random, out);
	if (above && strcmp(out, above->session) <= 0)
		enc_uuid7(enc_uuid7_ms(above->session) + 1, random, out);
	return RC_OK;
}

/* Snapshot of r under r->state, whose root it gives and which it signs. */
static enum rc seal_release(struct publisher *p, struct release *r,
                            struct snapshot **out)
{
	struct snapshot *blank = NULL;
	enum rc rc = snapshot_new(r->res, r->changed, r->n, &r->state, &blank);

	if (rc != RC_OK)
		return rc;
	memcpy(r->state.root, snapshot_root(blank), SHA256_SIZE);
	r->state.resources = r->n;
	set_times(p, &r->state);
	rc = state_sign(&r->state, p->key);
	if (rc == RC_OK)
		rc = snapshot_restate(blank, &r->state, out);
	snapshot_unref(blank);
	return rc;
}

/* ---- publishing ------------------------------------------------------------ */

static enum rc write_records(struct journal *j, void *arg, struct diag *d)
{
	struct publisher *p = arg;
	struct buf key = BUF_INIT(128), text = BUF_INIT(TEXT_MAX);
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < p->source->n; i++) {
		const struct source_map *m = &p->source->maps[i];

		if (!m->next || !m->found.known)
			continue;
		buf_clear(&key);
		buf_clear(&text);
		buf_printf(&key, META_FILE "%s", m->id);
		source_record_print(&m->found, &text);
		rc = journal_meta_set(j, buf_str(&key), text.data, text.len,
		                      d);
	}
	if (rc == RC_OK) {
		buf_clear(&text);
		rc = keys_write(&p->own, &text);
	}
	if (rc == RC_OK)
		rc = journal_meta_set(j, META_KEYS, text.data, text.len, d);
	buf_free(&key);
	buf_free(&text);
	return rc;
}

static enum rc send_out(struct publisher *p, struct release *r,
                        struct snapshot *next, struct update *u,
                        struct diag *d)
{
	struct publication pub = {
		.next = next, .prev = p->now,
		.updates = u ? &u : NULL, .n = u ? 1 : 0,
		.jump = r->jump, .session = r->session,
		.also = write_records, .arg = p,
	};
	enum rc rc = publish(&p->house->publish, &pub, d);

	if (rc != RC_OK) {
		status_add(p->house->status, STATUS_journal_failures, 1);
		status_trouble(p->house->status, "journal", d->text,
		               clock_wall_s());
		return rc;
	}
	status_trouble(p->house->status, "journal", NULL, 0);
	snapshot_ref(next);
	snapshot_unref(p->now);
	p->now = next;
	p->next_heartbeat = clock_mono_ms() + p->heartbeat_ms;
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

static void mark_changed(struct publisher *p, struct release *r)
{
	for (size_t i = 0; i < r->n; i++) {
		const char *id = resource_name(r->res[i])->id;
		long at = p->now ? snapshot_find(p->now, id) : -1;

		r->changed[i] = r->state.pos.serial;
		if (at >= 0 && !r->session &&
		    snapshot_at(p->now, (size_t)at) == r->res[i])
			r->changed[i] = snapshot_changed(p->now, (size_t)at);
	}
}

/* Publishes r if it differs. *published tells. */
static enum rc release(struct publisher *p, struct release *r,
                       const struct position *above, bool *published,
                       struct diag *d)
{
	struct snapshot *next = NULL;
	struct update *u = NULL;
	enum rc rc = RC_OK;

	*published = false;
	if (!differs(p, r))
		return RC_OK;
	memcpy(r->state.service, p->service, sizeof(r->state.service));
	r->jump = !p->now || r->session;
	if (r->jump) {
		rc = new_session(above, r->state.pos.session);
		r->state.pos.serial = 1;
	} else {
		r->state.pos = snapshot_state(p->now)->pos;
		r->state.pos.serial++;
	}
	mark_changed(p, r);
	if (rc == RC_OK && p->now)
		rc = put_changes(p, r);
	if (rc == RC_OK)
		rc = seal_release(p, r, &next);
	if (rc == RC_OK && !r->jump)
		rc = wrap(r, clock_wall_ms(), &u);
	if (rc == RC_OK)
		rc = send_out(p, r, next, u, d);
	*published = rc == RC_OK;
	if (rc == RC_OK)
		log_info("publish", "serial=%llu session=%.8s changes=%zu "
		         "bytes=%zu resources=%zu",
		         (unsigned long long)r->state.pos.serial,
		         r->state.pos.session, r->n_changes, u ? u->len : 0,
		         r->n);
	snapshot_unref(next);
	update_unref(u);
	return rc;
}

static enum rc build_ird(struct publisher *p, struct release *r,
                         const char *default_net)
{
	struct buf text = BUF_INIT(JSON_SMALL_MAX);
	struct ird_redistribution *rd = calloc(1, sizeof(*rd));
	struct resource *old, *doc = NULL;
	char tag[TAG_HEX + 1];
	enum rc rc = RC_ENOMEM;

	if (!rd)
		return rc;
	memcpy(rd->service, p->service, sizeof(rd->service));
	rd->n_keys = 1;
	rd->keys[0] = *sign_key_public(p->key);
	memcpy(rd->push, p->house->push_uri, strlen(p->house->push_uri) + 1);
	memcpy(rd->state, "state", 6);
	rd->heartbeat = (unsigned)(p->heartbeat_ms / 1000);
	rd->n_proxies = p->n_proxies;
	rd->proxies = p->proxies;
	rc = ird_write(rd, r->res + 1, r->n - 1, default_net, &text);
	if (rc == RC_OK)
		rc = seal_doc(p->digest, MEDIA_DIRECTORY, text.data, text.len,
		              &doc);
	if (rc != RC_OK)
		goto out;
	old = p->now ? snapshot_get(p->now, DIRECTORY_ID) : NULL;
	resource_content_tag(doc, tag);
	if (old && strcmp(resource_name(old)->tag, tag) == 0) {
		resource_unref(doc);
		doc = resource_ref(old);
	} else {
		rc = seal_announce(p->digest, doc, DIRECTORY_ID);
	}
	r->res[0] = doc;
	doc = NULL;
out:
	resource_unref(doc);
	buf_free(&text);
	free(rd);
	return rc;
}

static enum rc release_new(size_t n, struct release *r)
{
	memset(r, 0, sizeof(*r));
	buf_init(&r->text, 2 * (size_t)JOURNAL_UPDATE_MAX);
	buf_init(&r->report, 4 * TEXT_MAX);
	r->res = calloc(n + 1, sizeof(struct resource *));
	r->changed = calloc(n + 1, sizeof(*r->changed));
	return r->res && r->changed ? RC_OK : RC_ENOMEM;
}

/* What the files say now (source's `next`) becomes the release's resources. */
static enum rc release_files(struct publisher *p, struct release *r)
{
	const struct source *s = p->source;
	const char *net = source_default(s);
	enum rc rc = release_new(s->n + 1, r);

	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < s->n; i++)
		r->res[i + 1] = resource_ref(s->maps[i].next);
	r->n = s->n + 1;
	return build_ird(p, r, net);
}

/* The maps as they are published, under a new IRD or in a new session. */
static enum rc release_again(struct publisher *p, struct release *r)
{
	size_t n = 0;
	enum rc rc = release_new(snapshot_count(p->now), r);
	const char *net = NULL;

	for (size_t i = 0; rc == RC_OK && i < snapshot_count(p->now); i++) {
		struct resource *res = snapshot_at(p->now, i);

		if (resource_kind(res) == RESOURCE_DOC)
			continue;
		r->res[++n] = resource_ref(res);
		if (resource_kind(res) == RESOURCE_NETMAP && !net)
			net = resource_name(res)->id;
	}
	if (rc != RC_OK)
		return rc;
	r->n = n + 1;
	for (size_t i = 0; i < p->source->n; i++)
		if (p->source->maps[i].is_default &&
		    snapshot_get(p->now, p->source->maps[i].id))
			net = p->source->maps[i].id;
	return net ? build_ird(p, r, net) : RC_ENOENT;
}

/* ---- reload ---------------------------------------------------------------- */

static void warn_set(const struct publisher *p, struct buf *warnings)
{
	bool cost = false;

	for (size_t i = 0; i < p->source->n; i++)
		cost = cost || resource_kind(p->source->maps[i].next) ==
		       RESOURCE_COSTMAP;
	if (!cost)
		buf_puts(warnings, "no cost map is served; RFC 7285 s9.2.2 "
		         "asks for one with metric routingcost\n");
}

static void log_lines(const char *level_subject, const struct buf *lines,
                      bool error)
{
	const char *p = buf_str(lines), *end;

	for (; (end = strchr(p, '\n')) != NULL; p = end + 1) {
		if (error)
			log_error(level_subject, "%.*s", (int)(end - p), p);
		else
			log_warn(level_subject, "%.*s", (int)(end - p), p);
	}
}

/* Reads the files and publishes what they say. What it did stands in r. */
static enum rc reload(struct publisher *p, bool force, struct release *r,
                      bool *published, struct buf *errors,
                      struct buf *warnings)
{
	struct diag d = { 0 };
	enum rc rc = source_read(p->source, p->now, force, errors, warnings);

	*published = false;
	if (rc != RC_OK)
		return rc;
	if (!source_default(p->source)) {
		buf_puts(errors, "no network map among the maps (RFC 7285 "
		         "s9.2.3)\n");
		rc = RC_ERULE;
	}
	if (rc == RC_OK) {
		warn_set(p, warnings);
		rc = release_files(p, r);
	}
	if (rc == RC_OK)
		rc = release(p, r, NULL, published, &d);
	if (rc == RC_OK && !*published) {
		/* Other bytes, same content: remember them. */
		rc = journal_begin(p->house->journal, &d);
		if (rc == RC_OK)
			rc = write_records(p->house->journal, p, &d);
		if (rc == RC_OK)
			rc = journal_commit(p->house->journal, &d);
		if (rc != RC_OK)
			journal_rollback(p->house->journal);
	}
	if (rc == RC_OK) {
		source_taken(p->source);
	} else {
		source_drop(p->source);
		if (!errors->len) {
			diag_set(&d, rc, "%s", rc_text(rc));
			diag_print(&d, errors);
			buf_putc(errors, '\n');
		}
	}
	return rc;
}

/* Lines as JSON strings. */
static void put_lines(const struct buf *lines, struct buf *dst)
{
	const char *p = buf_str(lines), *end;

	for (; (end = strchr(p, '\n')) != NULL; p = end + 1) {
		if (p != buf_str(lines))
			buf_putc(dst, ',');
		json_put_string(dst, p, (size_t)(end - p));
	}
}

static void answer(struct publisher *p, struct loop_ctl_req *req,
                   struct buf *text)
{
	struct msg_answer *m = calloc(1, sizeof(*m));

	if (!m)
		return;		/* the asker sees his connection time out */
	m->msg.kind = MSG_ANSWER;
	m->msg.size = sizeof(*m) + text->len;
	m->req = req;
	m->text = buf_take(text, &m->len);
	house_to_loop(p->house, &m->msg);
}

static void answer_reload(struct publisher *p, struct loop_ctl_req *req,
                          const struct release *r, bool published,
                          const struct buf *warnings, uint64_t us)
{
	const struct state *st = snapshot_state(p->now);
	struct buf text = BUF_INIT(16 * TEXT_MAX);

	buf_printf(&text, "{\"changed\":%s,\"serial\":%llu,\"session\":\"%s\","
	           "\"resources\":[%s],\"delta-bytes\":%zu,"
	           "\"full-bytes\":%llu,\"subscribers\":%llu,\"ms\":%llu.%03llu,"
	           "\"warnings\":[", published ? "true" : "false",
	           (unsigned long long)st->pos.serial, st->pos.session,
	           buf_str(&r->report), r->delta_bytes,
	           (unsigned long long)r->full_bytes,
	           (unsigned long long)status_subscribers(p->house->status),
	           (unsigned long long)(us / 1000),
	           (unsigned long long)(us % 1000));
	put_lines(warnings, &text);
	buf_puts(&text, "]}");
	answer(p, req, &text);
	buf_free(&text);
}

static void answer_errors(struct publisher *p, struct loop_ctl_req *req,
                          const struct buf *errors)
{
	struct buf text = BUF_INIT(16 * TEXT_MAX);
	const char *end = strchr(buf_str(errors), '\n');

	buf_puts(&text, "{\"error\":");
	json_put_string(&text, buf_str(errors), end ?
	                (size_t)(end - buf_str(errors)) : errors->len);
	buf_puts(&text, ",\"errors\":[");
	put_lines(errors, &text);
	buf_puts(&text, "]}");
	answer(p, req, &text);
	buf_free(&text);
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* A file that changes under our hands is read again when it has settled. */
static void again_soon(struct publisher *p)
{
	struct msg *m = calloc(1, sizeof(*m));

	if (!m)
		return;
	m->kind = MSG_SETTLE;
	m->size = sizeof(*m);
	house_to_loop(p->house, m);
}

static void on_reload(struct publisher *p, const struct msg_reload *m)
{
	struct buf errors = BUF_INIT(TEXT_MAX), warnings = BUF_INIT(TEXT_MAX);
	struct status *status = p->house->status;
	struct release r = { 0 };
	uint64_t start = now_us();
	bool published = false;
	enum rc rc = reload(p, m->force, &r, &published, &errors, &warnings);

	status_add(status, STATUS_reloads, 1);
	log_lines("reload", &warnings, false);
	if (rc == RC_OK) {
		status_add(status, STATUS_publications, published);
		status_trouble(status, "reload", NULL, 0);
		log_info("reload", "cause=%s changed=%zu us=%llu", m->cause,
		         r.n_changes, (unsigned long long)(now_us() - start));
	} else {
		status_add(status, STATUS_reloads_refused, 1);
		status_trouble(status, "reload", buf_str(&errors),
		               clock_wall_s());
		log_lines("reload", &errors, true);
		if (rc == RC_EAGAIN && !m->req)
			again_soon(p);
	}
	if (m->req && rc == RC_OK)
		answer_reload(p, m->req, &r, published, &warnings,
		              now_us() - start);
	else if (m->req)
		answer_errors(p, m->req, &errors);
	release_free(&r);
	buf_free(&errors);
	buf_free(&warnings);
}

/* ---- other messages -------------------------------------------------------- */

static enum rc save_proxies(struct journal *j, void *arg, struct diag *d)
{
	struct publisher *p = arg;
	struct buf text = BUF_INIT(16 * TEXT_MAX);
	enum rc rc;

	buf_putc(&text, '{');
	for (size_t i = 0; i < p->n_proxies; i++) {
		const struct ird_proxy *x = &p->proxies[i];

		buf_puts(&text, i ? "," : "");
		json_put_string(&text, x->name, strlen(x->name));
		buf_puts(&text, ":{\"push\":");
		json_put_string(&text, x->push, strlen(x->push));
		buf_puts(&text, ",\"uri\":");
		json_put_string(&text, x->uri, strlen(x->uri));
		buf_putc(&text, '}');
	}
	buf_putc(&text, '}');
	rc = buf_rc(&text);
	if (rc == RC_OK)
		rc = journal_meta_set(j, META_PROXIES, text.data, text.len, d);
	buf_free(&text);
	return rc;
}

static void on_roster(struct publisher *p, struct msg_roster *m)
{
	struct ird_proxy *old = p->proxies;
	size_t n_old = p->n_proxies;
	struct release r = { 0 };
	struct diag d = { 0 };
	bool published = false;
	enum rc rc = RC_OK;

	if (!p->now)
		return;
	p->proxies = m->proxies;
	p->n_proxies = m->n;
	rc = save_proxies(p->house->journal, p, &d);
	if (rc == RC_OK)
		rc = release_again(p, &r);
	if (rc == RC_OK)
		rc = release(p, &r, NULL, &published, &d);
	release_free(&r);
	if (rc != RC_OK) {
		log_error("publish", "the list of proxies: %s", d.text[0] ?
		          d.text : rc_text(rc));
		p->proxies = old;
		p->n_proxies = n_old;
		return;
	}
	m->proxies = NULL;
	free(old);
}

static void refuse_session(struct publisher *p, const char *why)
{
	struct msg *m = calloc(1, sizeof(*m));

	log_warn("publish", "no new session: %s", why);
	if (!m)
		return;
	m->kind = MSG_NO_SESSION;
	m->size = sizeof(*m);
	house_to_loop(p->house, m);
}

static void on_ahead(struct publisher *p, const struct msg_ahead *m)
{
	uint64_t limit = ((uint64_t)clock_wall_s() + STATE_SKEW_S) * 1000;
	uint64_t now = clock_mono_ms();
	struct release r = { 0 };
	struct diag d = { 0 };
	bool published = false;
	enum rc rc;

	/* Several are ahead after a restore; the first one's message did it. */
	if (p->now && position_cmp(&m->have, &snapshot_state(p->now)->pos) < 0)
		return;
	if (enc_uuid7_ms(m->have.session) > limit) {
		refuse_session(p, "the subscriber's session lies in the "
		               "future; is the clock right?");
		return;
	}
	if (p->session_ms && now - p->session_ms < SESSION_PAUSE_S * 1000ull) {
		refuse_session(p, "the last one was begun less than 10 minutes "
		               "ago; do two servers use one copied state "
		               "directory?");
		return;
	}
	rc = release_again(p, &r);
	r.session = true;
	if (rc == RC_OK)
		rc = release(p, &r, &m->have, &published, &d);
	release_free(&r);
	if (rc != RC_OK) {
		refuse_session(p, d.text[0] ? d.text : rc_text(rc));
		return;
	}
	p->session_ms = now ? now : 1;
	status_add(p->house->status, STATUS_new_sessions, 1);
	log_warn("publish", "history was lost (an older copy of the state "
	         "directory?): new session %s",
	         snapshot_state(p->now)->pos.session);
}

void publisher_message(struct publisher *p, struct msg *m)
{
	switch (m->kind) {
	case MSG_RELOAD:
		on_reload(p, (struct msg_reload *)m);
		break;
	case MSG_ROSTER:
		on_roster(p, (struct msg_roster *)m);
		break;
	case MSG_AHEAD:
		on_ahead(p, (struct msg_ahead *)m);
		break;
	default:
		break;
	}
	publisher_drop(m);
}

/* ---- heartbeat ------------------------------------------------------------- */

/* The same content under a signature of now. */
static enum rc resign(struct publisher *p, struct diag *d)
{
	struct release none = { .state = *snapshot_state(p->now) };
	struct snapshot *next = NULL;
	enum rc rc;

	set_times(p, &none.state);
	rc = state_sign(&none.state, p->key);
	if (rc == RC_OK)
		rc = snapshot_restate(p->now, &none.state, &next);
	if (rc == RC_OK)
		rc = send_out(p, &none, next, NULL, d);
	snapshot_unref(next);
	if (rc == RC_OK)
		status_add(p->house->status, STATUS_heartbeats, 1);
	return rc;
}

uint64_t publisher_tick(struct publisher *p)
{
	uint64_t now = clock_mono_ms();
	struct diag d = { 0 };
	enum rc rc;

	if (!p->now)
		return p->heartbeat_ms;
	if (now >= p->next_heartbeat) {
		rc = resign(p, &d);
		if (rc != RC_OK) {
			log_error("publish", "heartbeat: %s", d.text[0] ?
			          d.text : rc_text(rc));
			p->next_heartbeat = now + 1000;
		}
	}
	rc = publish_tidy(&p->house->publish, p->now, &d);
	if (rc != RC_OK)
		log_error("journal", "tidying: %s", d.text[0] ? d.text :
		          rc_text(rc));
	now = clock_mono_ms();
	return p->next_heartbeat > now ? p->next_heartbeat - now : 0;
}

/* ---- start ----------------------------------------------------------------- */

static enum rc load_key(struct publisher *p, bool journal_empty,
                        struct diag *d)
{
	const char *state = conf_get_str(p->conf, "state");
	const char *set = conf_get_str(p->conf, "signing.key");
	struct diag why = { 0 };
	char *path = NULL;
	enum rc rc = file_path_join(set ? "" : state,
	                            set ? set : "signing.pem", &path);

	if (rc != RC_OK)
		return rc;
	rc = keyfile_load(path, &p->key, &why);
	if (rc == RC_ENOENT && journal_empty) {
		memset(&why, 0, sizeof(why));
		rc = keyfile_make(path, &p->key, &why);
		if (rc == RC_OK)
			log_info("key", "made %s thumbprint=%s", path,
			         sign_key_public(p->key)->id);
	} else if (rc == RC_ENOENT) {
		diag_set(d, rc, "the journal in %s was signed with a key that "
		         "is not at %s: put the key back, or start with an "
		         "empty state directory", state, path);
	}
	if (rc != RC_OK && d) {
		if (!d->text[0])
			*d = why;
		if (!d->file[0])
			memcpy(d->file, why.file, sizeof(d->file));
	}
	free(path);
	return rc;
}

static enum rc add_own(struct publisher *p, struct diag *d)
{
	struct buf text = BUF_INIT(TEXT_MAX);
	const struct public_key *k = sign_key_public(p->key);
	enum rc rc = journal_meta_get(p->house->journal, META_KEYS, &text,
	                              NULL);

	if (rc == RC_OK)
		rc = keys_read(&p->own, text.data, text.len);
	else if (rc == RC_ENOENT)
		rc = RC_OK;
	buf_free(&text);
	if (rc != RC_OK)
		return diag_set(d, rc, "the journal's list of keys is damaged");
	if (keys_find(&p->own, k->id))
		return RC_OK;
	if (p->own.n == JWK_KEYS_MAX) {
		memmove(&p->own.key[0], &p->own.key[1],
		        (JWK_KEYS_MAX - 1) * sizeof(p->own.key[0]));
		p->own.n--;
	}
	p->own.key[p->own.n++] = *k;
	return RC_OK;
}

static void load_records(struct publisher *p)
{
	struct buf key = BUF_INIT(128), text = BUF_INIT(1024);

	for (size_t i = 0; i < p->source->n; i++) {
		struct source_map *m = &p->source->maps[i];

		buf_clear(&key);
		buf_clear(&text);
		buf_printf(&key, META_FILE "%s", m->id);
		if (journal_meta_get(p->house->journal, buf_str(&key), &text,
		                     NULL) != RC_OK ||
		    source_record_read(buf_str(&text), text.len,
		                       &m->taken) != RC_OK)
			memset(&m->taken, 0, sizeof(m->taken));
	}
	buf_free(&key);
	buf_free(&text);
}

static enum rc load_proxies(struct publisher *p)
{
	struct buf text = BUF_INIT(16 * TEXT_MAX);
	json_t *doc = NULL, *v;
	const char *name, *s;
	enum rc rc = journal_meta_get(p->house->journal, META_PROXIES, &text,
	                              NULL);

	if (rc == RC_OK)
		rc = json_read(text.data, text.len, text.len, &doc, NULL);
	if (rc == RC_OK && json_is_object(doc) && json_object_size(doc)) {
		p->proxies = calloc(json_object_size(doc),
		                    sizeof(*p->proxies));
		if (!p->proxies)
			rc = RC_ENOMEM;
	}
	if (rc == RC_OK && p->proxies) {
		json_object_foreach(doc, name, v) {
			struct ird_proxy *x = &p->proxies[p->n_proxies];

			if (strlen(name) > IRD_NAME_MAX)
				continue;
			memcpy(x->name, name, strlen(name) + 1);
			if (json_text(v, "", "uri", IRD_URI_MAX, &s, NULL))
				continue;
			memcpy(x->uri, s, strlen(s) + 1);
			if (json_text(v, "", "push", IRD_URI_MAX, &s, NULL))
				continue;
			memcpy(x->push, s, strlen(s) + 1);
			p->n_proxies++;
		}
	}
	json_decref(doc);
	buf_free(&text);
	return rc == RC_ENOMEM ? rc : RC_OK;
}

static enum rc name_service(struct publisher *p, struct diag *d)
{
	const char *set = conf_get_str(p->conf, "service");
	const char *held = p->now ? snapshot_state(p->now)->service : NULL;
	uint8_t bytes[16];

	if (held && set && strcmp(set, held) != 0)
		return diag_set(d, RC_ERULE, "service is set to %s, the journal "
		                "holds service %s: another service needs "
		                "another state directory", set, held);
	if (held || set) {
		memcpy(p->service, held ? held : set, UUID_TEXT + 1);
		return RC_OK;
	}
	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return RC_EIO;
	bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
	bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
	enc_uuid(bytes, p->service);
	return RC_OK;
}

static enum rc check_clock(const struct publisher *p, struct diag *d)
{
	const struct state *st = snapshot_state(p->now);
	uint64_t session = enc_uuid7_ms(st->pos.session) / 1000;
	int64_t now = clock_wall_s();

	if ((int64_t)session <= now + STATE_SKEW_S &&
	    st->created <= now + STATE_SKEW_S)
		return RC_OK;
	return diag_set(d, RC_ETIME, "this machine's clock says %lld, but the "
	                "journal was written at %lld (Unix seconds): set the "
	                "clock", (long long)now, (long long)st->created);
}

/* Files that are wrong do not stop a server that has a journal. */
static enum rc first_reading(struct publisher *p, struct diag *d)
{
	struct buf errors = BUF_INIT(TEXT_MAX), warnings = BUF_INIT(TEXT_MAX);
	struct release r = { 0 };
	bool published = false;
	enum rc rc = reload(p, false, &r, &published, &errors, &warnings);

	release_free(&r);
	log_lines("maps", &warnings, false);
	if (rc != RC_OK) {
		log_lines("maps", &errors, true);
		status_trouble(p->house->status, "reload", buf_str(&errors),
		               clock_wall_s());
		if (!p->now)
			diag_set(d, rc, "the maps have errors, and there is no "
			         "earlier version to serve");
	}
	if (rc != RC_OK && p->now)
		rc = RC_OK;
	status_add(p->house->status, STATUS_publications, published);
	buf_free(&errors);
	buf_free(&warnings);
	return rc;
}

enum rc publisher_start(struct publisher *p, struct house *h,
                        struct restored *restored, struct diag *d)
{
	bool empty = !restored->snapshot;
	int64_t before = empty ? 0 : snapshot_state(restored->snapshot)->created;
	enum rc rc;

	p->house = h;
	if (!empty)
		p->now = snapshot_ref(restored->snapshot);
	rc = load_key(p, empty, d);
	if (rc == RC_OK)
		rc = add_own(p, d);
	if (rc == RC_OK)
		rc = name_service(p, d);
	if (rc == RC_OK && p->now)
		rc = check_clock(p, d);
	if (rc == RC_OK)
		rc = load_proxies(p);
	if (rc != RC_OK)
		return rc;
	load_records(p);
	rc = first_reading(p, d);
	if (rc != RC_OK)
		return rc;
	/* What the journal held may be old: sign it anew unless that was done. */
	if (snapshot_state(p->now)->created == before)
		rc = resign(p, d);
	return rc;
}
