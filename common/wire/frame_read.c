/* Small messages are jansson documents; an update is not (frame_update.c). */
#include "common/wire/frame_read.h"

#include <stdlib.h>
#include <string.h>

#include "common/wire/frame_mode.h"
#include "common/wire/json.h"

static const char *const kinds[] = {
	"hello", "subscribe", "subscribed", "update", "snapshot", "ack",
	"alive", "bye", "error", "credentials"
};

static const char *const modes[] = { FRAME_MODE_WORDS };

/* ---- small messages ------------------------------------------------------- */

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
	uint64_t within = 0;
	json_t *leaves;
	enum rc rc = need_state(m, "state", f, d);

	if (rc == RC_OK && json_object_get(m, "within"))
		rc = json_count(m, "", "within", 86400, &within, d);
	f->within = (unsigned)within;
	if (rc == RC_OK)
		rc = json_member(m, "", "resources", JSON_ARRAY, &leaves, d);
	if (rc == RC_OK)
		rc = leaf_set_from_json(leaves, &f->state, &f->leaves, d);
	return rc;
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
	f->has_below = true;
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

/* No text of ours shows what it was. */
static enum rc read_credentials(const json_t *m, struct frame *f,
                                struct diag *d)
{
	const char *s;
	enum rc rc = json_text(m, "", "token", SIZE_MAX, &s, d);
	size_t n = rc == RC_OK ? strlen(s) : 0;
	bool ok = n >= FRAME_TOKEN_MIN && n <= FRAME_TOKEN_MAX;

	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; ok && i < n; i++)
		ok = s[i] > ' ' && s[i] < 0x7f;
	if (!ok)
		return diag_set(d, RC_ESYNTAX, "token: not %d to %d printable "
		                "ASCII characters", FRAME_TOKEN_MIN,
		                FRAME_TOKEN_MAX);
	memcpy(f->token, s, n + 1);
	return RC_OK;
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
	case FRAME_CREDENTIALS:
		return read_credentials(m, f, d);
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

/* ---- any message ---------------------------------------------------------- */

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
		rc = frame_read_update(s, f, d);
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
	explicit_bzero(f->token, sizeof(f->token));
	free(f);
}
