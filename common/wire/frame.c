/* Small messages are jansson documents. An update is walked with the streaming
 * reader instead: its patches may be large, and are left as views. Over 600 lines:
 * nine messages, each read and written here and nowhere else. */
#include "common/wire/frame.h"

#include <stdlib.h>
#include <string.h>

#include "common/wire/json.h"
#include "common/wire/media.h"
#include "common/wire/number.h"
#include "common/wire/scan.h"

#define CHANGES_MAX (SNAPSHOT_RESOURCES_MAX * 2u)

static const char *const kinds[] = {
	"hello", "subscribe", "subscribed", "update", "snapshot", "ack",
	"alive", "bye", "error"
};

static const char *const modes[] = {
	"current", "delta", "snapshot", "behind"
};

const char *close_text(int code)
{
	switch (code) {
#define X(name, num, text) case num: return text;
	CLOSE_LIST(X)
#undef X
	default:
		return "closed";
	}
}

/* ---- reading: small messages ---------------------------------------------- */

/* Copies an optional text member; absent leaves dst as it is. */
static enum rc opt_text(const json_t *m, const char *name, size_t max,
                        char *dst, struct diag *d)
{
	const char *s;
	enum rc rc;

	if (!json_object_get(m, name))
		return RC_OK;
	rc = json_text(m, "", name, max, &s, d);
	if (rc == RC_OK)
		memcpy(dst, s, strlen(s) + 1);
	return rc;
}

static enum rc need_text(const json_t *m, const char *name, size_t max,
                         char *dst, struct diag *d)
{
	const char *s;
	enum rc rc = json_text(m, "", name, max, &s, d);

	if (rc == RC_OK)
		memcpy(dst, s, strlen(s) + 1);
	return rc;
}

static enum rc need_uuid(const json_t *m, const char *name, char *dst,
                         struct diag *d)
{
	char text[UUID_TEXT + 1] = "";
	enum rc rc = need_text(m, name, UUID_TEXT, text, d);

	if (rc != RC_OK)
		return rc;
	if (!enc_uuid_ok(text))
		return diag_set(d, RC_ESYNTAX, "%s: not a UUID", name);
	memcpy(dst, text, sizeof(text));
	return RC_OK;
}

static enum rc need_state(const json_t *m, const char *name, struct frame *f,
                          struct diag *d)
{
	json_t *triple;
	enum rc rc = json_member(m, "", name, JSON_ARRAY, &triple, d);

	if (rc == RC_OK)
		rc = state_from_json(triple, &f->state, d);
	if (rc == RC_OK)
		f->has_state = true;
	return rc;
}

static enum rc need_position(const json_t *m, struct position *pos,
                             struct diag *d)
{
	uint64_t serial = 0;
	enum rc rc = need_uuid(m, "session", pos->session, d);

	if (rc == RC_OK)
		rc = json_count(m, "", "serial", SERIAL_MAX, &serial, d);
	if (rc == RC_OK)
		pos->serial = serial;
	return rc;
}

static enum rc read_path(const json_t *m, struct frame_path *path,
                         struct diag *d)
{
	json_t *list, *v;
	size_t i;
	enum rc rc = json_member(m, "", "path", JSON_ARRAY, &list, d);

	if (rc != RC_OK)
		return rc;
	if (json_array_size(list) > FRAME_PATH_MAX)
		return diag_set(d, RC_ELIMIT, "path: over %d daemons",
		                FRAME_PATH_MAX);
	json_array_foreach(list, i, v) {
		if (!json_is_string(v) || !enc_uuid_ok(json_string_value(v)))
			return diag_set(d, RC_ESYNTAX, "path: not UUIDs");
		memcpy(path->id[i], json_string_value(v), UUID_TEXT + 1);
	}
	path->n = json_array_size(list);
	return RC_OK;
}

static enum rc read_hello(const json_t *m, struct frame *f, struct diag *d)
{
	uint64_t heartbeat = 0, time = 0;
	json_t *limits;
	enum rc rc = need_text(m, "protocol", sizeof(f->protocol) - 1,
	                       f->protocol, d);

	if (rc == RC_OK)
		rc = need_uuid(m, "service", f->service, d);
	if (rc == RC_OK)
		rc = need_state(m, "state", f, d);
	if (rc == RC_OK)
		rc = read_path(m, &f->path, d);
	if (rc == RC_OK)
		rc = json_count(m, "", "heartbeat", 86400, &heartbeat, d);
	if (rc == RC_OK)
		rc = json_member(m, "", "limits", JSON_OBJECT, &limits, d);
	if (rc == RC_OK)
		rc = json_count(limits, "/limits", "message", SERIAL_MAX,
		                &f->message_max, d);
	if (rc == RC_OK)
		rc = json_count(m, "", "time", SERIAL_MAX, &time, d);
	f->heartbeat = (unsigned)heartbeat;
	f->time_ms = (int64_t)time;
	return rc;
}

static enum rc read_subscribe(const json_t *m, struct frame *f, struct diag *d)
{
	enum rc rc = need_text(m, "name", IRD_NAME_MAX, f->name, d);

	if (rc == RC_OK && json_object_get(m, "have"))
		rc = need_state(m, "have", f, d);
	if (rc == RC_OK)
		rc = opt_text(m, "uri", IRD_URI_MAX, f->uri, d);
	if (rc == RC_OK)
		rc = opt_text(m, "push", IRD_URI_MAX, f->push, d);
	return rc;
}

static enum rc read_subscribed(const json_t *m, struct frame *f,
                               struct diag *d)
{
	char mode[16] = "";
	enum rc rc = need_state(m, "state", f, d);

	if (rc == RC_OK)
		rc = need_text(m, "mode", sizeof(mode) - 1, mode, d);
	if (rc == RC_OK)
		rc = opt_text(m, "reason", FRAME_REASON_MAX, f->reason, d);
	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(mode, modes[i]) == 0) {
			f->mode = (enum frame_mode)i;
			return RC_OK;
		}
	}
	return diag_set(d, RC_ESYNTAX, "mode: not one of current, delta, "
	                "snapshot, behind");
}

static enum rc read_snapshot(const json_t *m, struct frame *f, struct diag *d)
{
	json_t *leaves;
	enum rc rc = need_state(m, "state", f, d);

	if (rc == RC_OK)
		rc = json_member(m, "", "resources", JSON_ARRAY, &leaves, d);
	if (rc == RC_OK)
		rc = leaf_set_from_json(leaves, &f->state, &f->leaves, d);
	return rc;
}

bool frame_uri_ok(const char *uri, bool push)
{
	const char *sep = strstr(uri, "://");
	size_t n = sep ? (size_t)(sep - uri) : 0;

	if (!sep || !sep[3] || strlen(uri) > IRD_URI_MAX)
		return false;
	for (const char *p = uri; *p; p++)
		if (*p <= ' ' || *p >= 0x7f || strchr("\"'<>\\", *p))
			return false;
	if (push)
		return (n == 2 && memcmp(uri, "ws", n) == 0) ||
		       (n == 3 && memcmp(uri, "wss", n) == 0);
	return (n == 4 && memcmp(uri, "http", n) == 0) ||
	       (n == 5 && memcmp(uri, "https", n) == 0);
}

/* What is said of others is for people alone: a URI that is no good is left out,
 * and the sender is not to blame. */
static enum rc below_uri(const json_t *m, const char *name, bool push,
                         char *dst, struct diag *d)
{
	const char *s;
	enum rc rc;

	if (!json_object_get(m, name))
		return RC_OK;
	rc = json_text(m, "", name, SIZE_MAX, &s, d);
	if (rc == RC_OK && strlen(s) <= FRAME_BELOW_URI_MAX &&
	    frame_uri_ok(s, push))
		memcpy(dst, s, strlen(s) + 1);
	return rc;
}

static enum rc read_below(const json_t *list, struct frame *f, struct diag *d)
{
	size_t n = json_array_size(list), i;
	enum rc rc = RC_OK;
	json_t *v;

	if (n > FRAME_BELOW_MAX)
		return diag_set(d, RC_ELIMIT, "below: over %d entries",
		                FRAME_BELOW_MAX);
	if (n == 0)
		return RC_OK;
	f->below = calloc(n, sizeof(*f->below));
	if (!f->below)
		return RC_ENOMEM;
	f->n_below = n;
	json_array_foreach(list, i, v) {
		struct frame_below *b = &f->below[i];

		rc = need_text(v, "name", IRD_NAME_MAX, b->name, d);
		if (rc == RC_OK)
			rc = need_position(v, &b->pos, d);
		if (rc == RC_OK)
			rc = below_uri(v, "uri", false, b->uri, d);
		if (rc == RC_OK)
			rc = below_uri(v, "push", true, b->push, d);
		if (rc != RC_OK)
			break;
	}
	return rc;
}

static enum rc read_ack(const json_t *m, struct frame *f, struct diag *d)
{
	enum rc rc = need_position(m, &f->pos, d);
	json_t *below;

	if (rc != RC_OK || !json_object_get(m, "below"))
		return rc;
	rc = json_member(m, "", "below", JSON_ARRAY, &below, d);
	return rc == RC_OK ? read_below(below, f, d) : rc;
}

static enum rc read_alive(const json_t *m, struct frame *f, struct diag *d)
{
	enum rc rc = opt_text(m, "nonce", sizeof(f->nonce) - 1, f->nonce, d);

	if (rc != RC_OK)
		return rc;
	if (json_object_get(m, "state"))
		return need_state(m, "state", f, d);
	return need_position(m, &f->pos, d);
}

static enum rc read_bye(const json_t *m, struct frame *f, struct diag *d)
{
	uint64_t after = 0;
	enum rc rc = need_text(m, "reason", FRAME_REASON_MAX, f->reason, d);

	if (rc == RC_OK && json_object_get(m, "retry-after"))
		rc = json_count(m, "", "retry-after", 86400, &after, d);
	f->retry_after = (unsigned)after;
	return rc;
}

static enum rc read_error(const json_t *m, struct frame *f, struct diag *d)
{
	json_t *meta;
	enum rc rc = json_member(m, "", "meta", JSON_OBJECT, &meta, d);

	if (rc == RC_OK)
		rc = need_text(meta, "code", sizeof(f->code) - 1, f->code, d);
	if (rc == RC_OK)
		rc = opt_text(meta, "message", FRAME_REASON_MAX, f->reason, d);
	return rc;
}

static enum rc read_small(const json_t *m, struct frame *f, struct diag *d)
{
	switch (f->kind) {
	case FRAME_HELLO:
		return read_hello(m, f, d);
	case FRAME_SUBSCRIBE:
		return read_subscribe(m, f, d);
	case FRAME_SUBSCRIBED:
		return read_subscribed(m, f, d);
	case FRAME_SNAPSHOT:
		return read_snapshot(m, f, d);
	case FRAME_ACK:
		return read_ack(m, f, d);
	case FRAME_ALIVE:
		return read_alive(m, f, d);
	case FRAME_BYE:
		return read_bye(m, f, d);
	case FRAME_ERROR:
		return read_error(m, f, d);
	case FRAME_UPDATE:
		break;
	}
	return RC_EPROTO;
}

static enum rc read_doc(const char *text, size_t len, struct frame *f,
                        struct diag *d)
{
	json_t *doc = NULL, *m = NULL;
	enum rc rc = json_read(text, len, JSON_SMALL_MAX, &doc, d);

	if (rc == RC_OK && json_object_size(doc) != 1)
		rc = diag_set(d, RC_EPROTO, "a message has one member");
	if (rc == RC_OK)
		rc = json_member(doc, "", kinds[f->kind], JSON_OBJECT, &m, d);
	if (rc == RC_OK)
		rc = read_small(m, f, d);
	json_decref(doc);
	return rc;
}

/* ---- reading: update ------------------------------------------------------- */

/* One change as it is read; which members came decides what it is. */
struct raw_change {
	struct change c;
	bool patch, pull, gone, from, media;
};

/* Notes that a member came; it must not come again. */
static enum rc once(struct scan *s, bool *seen)
{
	if (*seen)
		return scan_refuse(s, RC_EPROTO, "member twice");
	*seen = true;
	return RC_OK;
}

static enum rc copy_text(struct scan *s, char *dst, size_t max)
{
	const char *text;
	size_t len;
	enum rc rc = scan_string(s, &text, &len);

	if (rc != RC_OK)
		return rc;
	if (len > max || memchr(text, '\0', len))
		return scan_refuse(s, RC_ELIMIT, "over %zu characters", max);
	memcpy(dst, text, len);
	dst[len] = '\0';
	return RC_OK;
}

static enum rc read_count(struct scan *s, uint64_t max, uint64_t *out)
{
	const char *text;
	size_t len;
	double v;
	enum rc rc = scan_number(s, &text, &len);

	if (rc == RC_OK)
		rc = number_read(text, len, &v);
	if (rc != RC_OK)
		return rc;
	if (v < 0 || v > (double)max || v != (double)(uint64_t)v)
		return scan_refuse(s, RC_ERULE, "not an integer up to %llu",
		                   (unsigned long long)max);
	*out = (uint64_t)v;
	return RC_OK;
}

static enum rc read_leaf(struct scan *s, struct change *c, struct diag *d)
{
	const char *text;
	size_t len;
	enum rc rc = scan_string(s, &text, &len);

	if (rc == RC_OK && c->leaf)
		rc = scan_refuse(s, RC_EPROTO, "member twice");
	if (rc == RC_OK)
		rc = leaf_read(text, len, &c->name, d);
	if (rc != RC_OK)
		return rc;
	c->leaf = strndup(text, len);
	return c->leaf ? RC_OK : RC_ENOMEM;
}

static enum rc change_member(struct scan *s, const char *name, size_t n,
                             struct raw_change *r, struct diag *d)
{
	uint64_t within = 0;
	enum rc rc = RC_OK;

#define IS(word) (n == sizeof(word) - 1 && memcmp(name, word, n) == 0)
	if (IS("resource"))
		return read_leaf(s, &r->c, d);
	if (IS("from")) {
		rc = once(s, &r->from);
		return rc == RC_OK ? copy_text(s, r->c.from, TAG_HEX) : rc;
	}
	if (IS("media-type")) {
		rc = once(s, &r->media);
		return rc == RC_OK ? copy_text(s, r->c.media,
		                               RESOURCE_TYPE_MAX) : rc;
	}
	if (IS("data")) {
		rc = once(s, &r->patch);
		return rc == RC_OK ? scan_raw(s, &r->c.data, &r->c.data_len) :
		       rc;
	}
	if (IS("pull")) {
		rc = once(s, &r->pull);
		if (rc == RC_OK)
			rc = read_count(s, 86400, &within);
		r->c.within = (unsigned)within;
		return rc;
	}
	if (IS("gone")) {
		rc = once(s, &r->gone);
		return rc == RC_OK ? copy_text(s, r->c.name.id, ID_MAX) : rc;
	}
#undef IS
	return scan_skip(s);
}

static enum rc change_kind(struct scan *s, struct raw_change *r)
{
	struct change *c = &r->c;

	if (r->patch + r->pull + r->gone != 1)
		return scan_refuse(s, RC_EPROTO,
		                   "a change has one of data, pull, gone");
	c->what = r->patch ? CHANGE_PATCH : r->pull ? CHANGE_PULL :
	          CHANGE_GONE;
	if (c->what == CHANGE_GONE ? c->leaf != NULL : c->leaf == NULL)
		return scan_refuse(s, RC_EPROTO, "resource is missing, or "
		                   "stands beside gone");
	if (c->what == CHANGE_PATCH && (!c->from[0] || !c->media[0]))
		return scan_refuse(s, RC_EPROTO, "from or media-type missing");
	if (c->what == CHANGE_GONE &&
	    !resource_id_ok(c->name.id, strlen(c->name.id)))
		return scan_refuse(s, RC_EPROTO, "gone: not a resource-id");
	return RC_OK;
}

static enum rc read_change(struct scan *s, struct frame *f, struct diag *d)
{
	struct raw_change r = { 0 };
	struct change *grown;
	const char *name;
	size_t len;
	enum rc rc = scan_object(s);

	while (rc == RC_OK && (rc = scan_member(s, &name, &len)) == RC_OK &&
	       name)
		rc = change_member(s, name, len, &r, d);
	if (rc == RC_OK)
		rc = change_kind(s, &r);
	if (rc == RC_OK && f->n_changes >= CHANGES_MAX)
		rc = scan_refuse(s, RC_ELIMIT, "over %u changes", CHANGES_MAX);
	if (rc != RC_OK)
		goto out;

	grown = realloc(f->changes, (f->n_changes + 1) * sizeof(*grown));
	if (!grown) {
		rc = RC_ENOMEM;
		goto out;
	}
	f->changes = grown;
	grown[f->n_changes++] = r.c;
	r.c.leaf = NULL;
out:
	free(r.c.leaf);
	return rc;
}

static enum rc update_state(struct scan *s, struct frame *f, struct diag *d)
{
	char line[3][STATE_TEXT_MAX];
	bool more = true;
	enum rc rc = once(s, &f->has_state);
	size_t i;

	if (rc == RC_OK)
		rc = scan_array(s);
	for (i = 0; rc == RC_OK && i < 3; i++) {
		rc = scan_element(s, &more);
		if (rc == RC_OK && !more)
			return scan_refuse(s, RC_EPROTO, "not three strings");
		if (rc == RC_OK)
			rc = copy_text(s, line[i], STATE_TEXT_MAX - 1);
	}
	if (rc == RC_OK)
		rc = scan_element(s, &more);
	if (rc == RC_OK && more)
		return scan_refuse(s, RC_EPROTO, "not three strings");
	if (rc == RC_OK)
		rc = state_read(line[0], line[1], line[2], &f->state, d);
	return rc;
}

static enum rc update_changes(struct scan *s, struct frame *f, struct diag *d)
{
	bool more = false;
	enum rc rc = scan_array(s);

	if (rc == RC_OK && f->n_changes)
		rc = scan_refuse(s, RC_EPROTO, "changes twice");
	while (rc == RC_OK && (rc = scan_element(s, &more)) == RC_OK && more)
		rc = read_change(s, f, d);
	return rc;
}

static enum rc update_member(struct scan *s, const char *name, size_t n,
                             struct frame *f, struct diag *d)
{
	uint64_t ms = 0;
	enum rc rc;

	if (n == 5 && memcmp(name, "state", n) == 0)
		return update_state(s, f, d);
	if (n == 7 && memcmp(name, "changes", n) == 0)
		return update_changes(s, f, d);
	if (n == 9 && memcmp(name, "published", n) == 0) {
		rc = read_count(s, SERIAL_MAX, &ms);
		f->time_ms = (int64_t)ms;
		return rc;
	}
	return scan_skip(s);
}

static enum rc read_update(struct scan *s, struct frame *f, struct diag *d)
{
	const char *name;
	size_t len;
	enum rc rc = scan_object(s);

	while (rc == RC_OK && (rc = scan_member(s, &name, &len)) == RC_OK &&
	       name)
		rc = update_member(s, name, len, f, d);
	if (rc == RC_OK)
		rc = scan_member(s, &name, &len);
	if (rc == RC_OK && name)
		rc = scan_refuse(s, RC_EPROTO, "a message has one member");
	if (rc == RC_OK)
		rc = scan_end(s);
	if (rc == RC_OK && (!f->has_state || f->n_changes == 0))
		rc = diag_set(d, RC_EPROTO, "update without state or changes");
	return rc;
}

/* ---- reading --------------------------------------------------------------- */

static enum rc read_kind(struct scan *s, enum frame_kind *kind)
{
	const char *name;
	size_t len;
	enum rc rc = scan_object(s);

	if (rc == RC_OK)
		rc = scan_member(s, &name, &len);
	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; name && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (len == strlen(kinds[i]) &&
		    memcmp(name, kinds[i], len) == 0) {
			*kind = (enum frame_kind)i;
			return RC_OK;
		}
	}
	return scan_refuse(s, RC_EPROTO, "not a message of " FRAME_PROTOCOL);
}

enum rc frame_read(const char *text, size_t len, struct frame **out,
                   struct diag *d)
{
	struct frame *f = calloc(1, sizeof(*f));
	struct scan *s = NULL;
	enum rc rc;

	if (!f)
		return RC_ENOMEM;
	rc = scan_new_bytes(text, len, d, &s);
	if (rc == RC_OK)
		rc = read_kind(s, &f->kind);
	if (rc == RC_OK && f->kind == FRAME_UPDATE)
		rc = read_update(s, f, d);
	else if (rc == RC_OK)
		rc = read_doc(text, len, f, d);
	scan_free(s);
	if (rc != RC_OK) {
		frame_free(f);
		return rc == RC_ENOENT || rc == RC_ERULE ? RC_EPROTO : rc;
	}
	*out = f;
	return RC_OK;
}

void frame_free(struct frame *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n_changes; i++)
		free(f->changes[i].leaf);
	free(f->changes);
	free(f->below);
	leaf_set_free(f->leaves);
	free(f);
}

/* ---- writing --------------------------------------------------------------- */

static void put(struct buf *dst, const char *s)
{
	json_put_string(dst, s, strlen(s));
}

static void put_member(struct buf *dst, const char *name, const char *value)
{
	buf_printf(dst, ",\"%s\":", name);
	put(dst, value);
}

static void put_position(struct buf *dst, const struct position *pos)
{
	buf_printf(dst, "\"serial\":%llu,\"session\":\"%s\"",
	           (unsigned long long)pos->serial, pos->session);
}

void frame_hello(const struct frame_hello *h, struct buf *dst)
{
	buf_printf(dst, "{\"hello\":{\"heartbeat\":%u,\"limits\":"
	           "{\"message\":%llu},\"path\":[", h->heartbeat,
	           (unsigned long long)h->message_max);
	for (size_t i = 0; i < h->path->n; i++)
		buf_printf(dst, "%s\"%s\"", i ? "," : "", h->path->id[i]);
	buf_printf(dst, "],\"protocol\":\"%s\",\"service\":\"%s\",\"state\":",
	           FRAME_PROTOCOL, h->service);
	state_print(h->state, dst);
	buf_printf(dst, ",\"time\":%lld}}", (long long)h->time_ms);
}

void frame_subscribe(const char *name, const struct state *have,
                     const char *uri, const char *push, struct buf *dst)
{
	buf_puts(dst, "{\"subscribe\":{\"name\":");
	put(dst, name);
	if (have) {
		buf_puts(dst, ",\"have\":");
		state_print(have, dst);
	}
	if (push[0])
		put_member(dst, "push", push);
	if (uri[0])
		put_member(dst, "uri", uri);
	buf_puts(dst, "}}");
}

void frame_subscribed(const struct state *st, enum frame_mode mode,
                      const char *reason, struct buf *dst)
{
	buf_printf(dst, "{\"subscribed\":{\"mode\":\"%s\"", modes[mode]);
	if (reason[0])
		put_member(dst, "reason", reason);
	buf_puts(dst, ",\"state\":");
	state_print(st, dst);
	buf_puts(dst, "}}");
}

enum rc frame_snapshot(const struct snapshot *s, struct buf *dst)
{
	size_t n = snapshot_count(s);

	buf_puts(dst, "{\"snapshot\":{\"resources\":[");
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_putc(dst, ',');
		put(dst, resource_leaf(snapshot_at(s, i)));
	}
	buf_puts(dst, "],\"state\":");
	state_print(snapshot_state(s), dst);
	buf_puts(dst, "}}");
	return buf_rc(dst);
}

/* One that may have been cut is left out, and so are all once room gets short. */
static void put_below_uri(struct buf *dst, const char *name, const char *uri,
                          size_t start)
{
	if (uri[0] && strlen(uri) <= FRAME_BELOW_URI_MAX &&
	    dst->len - start < FRAME_ACK_MAX / 2)
		put_member(dst, name, uri);
}

void frame_ack(const struct position *pos, const struct frame_below *below,
               size_t n_below, struct buf *dst)
{
	size_t start = dst->len;

	buf_puts(dst, "{\"ack\":{");
	if (n_below)
		buf_puts(dst, "\"below\":[");
	for (size_t i = 0; i < n_below && dst->len - start < FRAME_ACK_MAX;
	     i++) {
		buf_puts(dst, i ? ",{\"name\":" : "{\"name\":");
		put(dst, below[i].name);
		put_below_uri(dst, "push", below[i].push, start);
		buf_putc(dst, ',');
		put_position(dst, &below[i].pos);
		put_below_uri(dst, "uri", below[i].uri, start);
		buf_putc(dst, '}');
	}
	if (n_below)
		buf_puts(dst, "],");
	put_position(dst, pos);
	buf_puts(dst, "}}");
}

void frame_alive(const struct state *st, const char *nonce, struct buf *dst)
{
	buf_puts(dst, "{\"alive\":{");
	if (nonce[0]) {
		buf_puts(dst, "\"nonce\":");
		put(dst, nonce);
		buf_putc(dst, ',');
	}
	buf_puts(dst, "\"state\":");
	state_print(st, dst);
	buf_puts(dst, "}}");
}

void frame_alive_at(const struct position *pos, const char *nonce,
                    struct buf *dst)
{
	buf_puts(dst, "{\"alive\":{");
	if (nonce[0]) {
		buf_puts(dst, "\"nonce\":");
		put(dst, nonce);
		buf_putc(dst, ',');
	}
	put_position(dst, pos);
	buf_puts(dst, "}}");
}

void frame_bye(const char *reason, unsigned retry_after, struct buf *dst)
{
	buf_puts(dst, "{\"bye\":{\"reason\":");
	put(dst, reason);
	if (retry_after)
		buf_printf(dst, ",\"retry-after\":%u", retry_after);
	buf_puts(dst, "}}");
}

void frame_error(const char *code, const char *text, struct buf *dst)
{
	buf_puts(dst, "{\"error\":{\"meta\":{\"code\":");
	put(dst, code);
	put_member(dst, "message", text);
	buf_puts(dst, "}}}");
}

void frame_update_begin(const struct state *st, int64_t published_ms,
                        struct buf *dst)
{
	buf_printf(dst, "{\"update\":{\"published\":%lld,\"state\":",
	           (long long)published_ms);
	state_print(st, dst);
	buf_puts(dst, ",\"changes\":[");
}

static void next_change(struct buf *dst)
{
	if (dst->len && dst->data[dst->len - 1] != '[')
		buf_putc(dst, ',');
}

void frame_update_patch(const char *leaf, const char *from, const char *media,
                        const char *data, size_t len, struct buf *dst)
{
	next_change(dst);
	buf_puts(dst, "{\"resource\":");
	put(dst, leaf);
	buf_printf(dst, ",\"from\":\"%s\",\"media-type\":\"%s\",\"data\":",
	           from, media);
	buf_add(dst, data, len);
	buf_putc(dst, '}');
}

void frame_update_pull(const char *leaf, unsigned within, struct buf *dst)
{
	next_change(dst);
	buf_puts(dst, "{\"resource\":");
	put(dst, leaf);
	buf_printf(dst, ",\"pull\":%u}", within);
}

void frame_update_gone(const char *id, struct buf *dst)
{
	next_change(dst);
	buf_printf(dst, "{\"gone\":\"%s\"}", id);
}

void frame_update_end(struct buf *dst)
{
	buf_puts(dst, "]}}");
}
