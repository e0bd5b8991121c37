/* Messages as they are written; frame_read.c reads them. */
#include "common/wire/frame.h"

#include <string.h>

#include "common/wire/frame_mode.h"
#include "common/wire/json.h"

#define PULL_RATE	(64u << 20)	/* bytes a second that pulls may ask for */
#define RATIO_USUAL	8		/* of a body to what travels of it */

static const char *const modes[] = { FRAME_MODE_WORDS };

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

unsigned frame_within(uint64_t bytes, uint64_t readers)
{
	uint64_t coded = bytes / RATIO_USUAL;

	if (readers && coded > UINT64_MAX / readers)
		return FRAME_WITHIN_MAX;
	coded = coded * readers / PULL_RATE;
	return coded < FRAME_WITHIN_MAX ? (unsigned)coded : FRAME_WITHIN_MAX;
}

enum rc frame_snapshot(const struct snapshot *s, struct buf *dst)
{
	return frame_snapshot_within(s, 0, dst);
}

enum rc frame_snapshot_within(const struct snapshot *s, unsigned within,
                              struct buf *dst)
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
	if (within)
		buf_printf(dst, ",\"within\":%u", within);
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
	if (below)
		buf_puts(dst, "\"below\":[");
	for (size_t i = 0; below && i < n_below &&
	     dst->len - start < FRAME_ACK_MAX; i++) {
		buf_puts(dst, i ? ",{\"name\":" : "{\"name\":");
		put(dst, below[i].name);
		put_below_uri(dst, "push", below[i].push, start);
		buf_putc(dst, ',');
		put_position(dst, &below[i].pos);
		put_below_uri(dst, "uri", below[i].uri, start);
		buf_putc(dst, '}');
	}
	if (below)
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

void frame_credentials(const char *token, struct buf *dst)
{
	buf_puts(dst, "{\"credentials\":{\"token\":");
	put(dst, token);
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
	size_t n = strlen(text);

	if (n > FRAME_REASON_MAX)	/* not within a character */
		for (n = FRAME_REASON_MAX;
		     n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80;)
			n--;
	buf_puts(dst, "{\"error\":{\"meta\":{\"code\":");
	put(dst, code);
	buf_puts(dst, ",\"message\":");
	json_put_string(dst, text, n);
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
