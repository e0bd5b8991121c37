/* Each text has exactly one spelling, and the strict taker at the top serves every
 * reader below. */
#include "common/wire/state_json.h"

#include <stdbool.h>
#include <string.h>

#include "common/base/enc.h"
#include "common/core/merkle.h"
#include "common/wire/json.h"

#define SECONDS_MAX 999999999999999ull	/* RFC 9651 s3.3.1: 15 digits */
#define LABEL STATE_LABEL "="
#define COMPONENT "(\"alto-state\")"

/* --- reading: one spelling, from left to right ---------------------------- */

/* Errors stick, as in a struct buf: a reader takes everything it wants and asks
 * once, at the end. */
struct taker {
	const char *start, *p, *end;
	enum rc rc;
};

static struct taker taker_of(const char *s, size_t len)
{
	return (struct taker){ s, s, s + len, RC_OK };
}

static void fail(struct taker *t, enum rc rc)
{
	if (t->rc == RC_OK)
		t->rc = rc;
}

static void take(struct taker *t, const char *exactly)
{
	size_t len = strlen(exactly);

	if (t->rc != RC_OK)
		return;
	if ((size_t)(t->end - t->p) < len || memcmp(t->p, exactly, len) != 0)
		fail(t, RC_ESYNTAX);
	else
		t->p += len;
}

/* A quoted string of 1..max visible characters, none of which needs an escape;
 * dst has max + 1. */
static void take_string(struct taker *t, char *dst, size_t max)
{
	size_t n = 0;

	take(t, "\"");
	while (t->rc == RC_OK && t->p < t->end && *t->p != '"') {
		if (n == max || *t->p < 0x21 || *t->p > 0x7e || *t->p == '\\')
			fail(t, RC_ESYNTAX);
		else
			dst[n++] = *t->p++;
	}
	dst[n] = '\0';
	if (n == 0)
		fail(t, RC_ESYNTAX);
	take(t, "\"");
}

static void take_number(struct taker *t, uint64_t min, uint64_t max,
                        uint64_t *out)
{
	const char *first = t->p;
	uint64_t v = 0;

	while (t->rc == RC_OK && t->p < t->end && *t->p >= '0' &&
	       *t->p <= '9') {
		v = v * 10 + (uint64_t)(*t->p++ - '0');
		if (v > max)
			fail(t, RC_ELIMIT);
	}
	if (t->p == first || (*first == '0' && t->p - first > 1))
		fail(t, RC_ESYNTAX);
	if (v < min)
		fail(t, RC_ELIMIT);
	*out = v;
}

/* A byte sequence of at most max bytes. */
static void take_bytes(struct taker *t, uint8_t *dst, size_t max, size_t *len)
{
	struct buf b = BUF_INIT(max);
	const char *colon;
	enum rc rc;

	take(t, ":");
	if (t->rc != RC_OK)
		return;
	colon = memchr(t->p, ':', (size_t)(t->end - t->p));
	rc = colon ? enc_base64_read(t->p, (size_t)(colon - t->p), &b) :
	             RC_ESYNTAX;
	if (rc != RC_OK) {
		fail(t, rc);
		goto out;
	}
	if (b.len)
		memcpy(dst, b.data, b.len);
	*len = b.len;
	t->p = colon + 1;
out:
	buf_free(&b);
}

static void take_exact(struct taker *t, uint8_t *dst, size_t want)
{
	size_t len = 0;

	take_bytes(t, dst, want, &len);
	if (len != want)
		fail(t, RC_ESYNTAX);
}

static void must(struct taker *t, bool ok)
{
	if (!ok)
		fail(t, RC_ESYNTAX);
}

/* Everything must have been taken. */
static enum rc finish(struct taker *t, const char *what, struct diag *d)
{
	must(t, t->p == t->end);
	if (t->rc == RC_OK)
		return RC_OK;
	return diag_set(d, t->rc, "%s: %s, at character %zu", what,
	                rc_text(t->rc), (size_t)(t->p - t->start) + 1);
}

/* --- ALTO-Resource -------------------------------------------------------- */

void leaf_print(const struct resource_name *n, struct buf *dst)
{
	buf_printf(dst, "\"%s\";tag=\"%s\";size=%llu;sha-256=:", n->id, n->tag,
	           (unsigned long long)n->size);
	enc_base64(dst, n->sha256, sizeof(n->sha256));
	buf_printf(dst, ":;type=\"%s\"", n->type);
}

/* type "/" subtype of RFC 6838 s4.2 names. */
static bool media_type_ok(const char *s)
{
	static const char name[] = "abcdefghijklmnopqrstuvwxyz"
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$&-^_.+";
	size_t main_len = strspn(s, name), sub_len;

	if (main_len == 0 || s[main_len] != '/')
		return false;
	sub_len = strspn(s + main_len + 1, name);
	return sub_len > 0 && s[main_len + 1 + sub_len] == '\0';
}

static bool id_ok(const char *s)
{
	return resource_id_ok(s, strlen(s)) || strcmp(s, DIRECTORY_ID) == 0;
}

enum rc leaf_read(const char *s, size_t len, struct resource_name *out,
                  struct diag *d)
{
	struct resource_name n = { .size = 0 };
	struct taker t = taker_of(s, len);
	uint8_t tag[SHA256_SIZE];
	enum rc rc;

	take_string(&t, n.id, ID_MAX);
	must(&t, id_ok(n.id));
	take(&t, ";tag=");
	take_string(&t, n.tag, TAG_HEX);
	must(&t, enc_hex_read(n.tag, strlen(n.tag), tag, sizeof(tag)) == RC_OK);
	take(&t, ";size=");
	take_number(&t, 0, RESOURCE_BODY_MAX, &n.size);
	take(&t, ";sha-256=");
	take_exact(&t, n.sha256, sizeof(n.sha256));
	take(&t, ";type=");
	take_string(&t, n.type, RESOURCE_TYPE_MAX);
	must(&t, media_type_ok(n.type));
	rc = finish(&t, "ALTO-Resource", d);
	if (rc == RC_OK)
		*out = n;
	return rc;
}

/* --- ALTO-Proof ----------------------------------------------------------- */

void proof_print(const uint8_t *path, size_t path_len, size_t index,
                 struct buf *dst)
{
	buf_putc(dst, ':');
	enc_base64(dst, path, path_len * SHA256_SIZE);
	buf_printf(dst, ":;index=%zu", index);
}

enum rc proof_read(const char *s, size_t len, uint8_t *path, size_t *path_len,
                   size_t *index, struct diag *d)
{
	uint8_t bytes[MERKLE_PATH_MAX * SHA256_SIZE];
	struct taker t = taker_of(s, len);
	uint64_t at = 0;
	size_t n = 0;
	enum rc rc;

	take_bytes(&t, bytes, sizeof(bytes), &n);
	must(&t, n % SHA256_SIZE == 0);
	take(&t, ";index=");
	take_number(&t, 0, SNAPSHOT_RESOURCES_MAX - 1, &at);
	rc = finish(&t, "ALTO-Proof", d);
	if (rc != RC_OK)
		return rc;
	memcpy(path, bytes, n);
	*path_len = n / SHA256_SIZE;
	*index = (size_t)at;
	return RC_OK;
}

/* --- the triple ----------------------------------------------------------- */

/* Moves what was printed into a line of the triple. */
static enum rc keep(struct buf *b, char dst[STATE_TEXT_MAX])
{
	enum rc rc = buf_rc(b);

	if (rc == RC_OK)
		memcpy(dst, buf_str(b), b->len + 1);
	buf_free(b);
	return rc;
}

static enum rc print_text(struct state *st)
{
	struct buf b = BUF_INIT(STATE_TEXT_MAX - 1);

	buf_putc(&b, ':');
	enc_base64(&b, st->root, sizeof(st->root));
	buf_printf(&b, ":;service=\"%s\";session=\"%s\";serial=%llu;"
	           "resources=%llu", st->service, st->pos.session,
	           (unsigned long long)st->pos.serial,
	           (unsigned long long)st->resources);
	return keep(&b, st->text);
}

static enum rc print_input(struct state *st)
{
	struct buf b = BUF_INIT(STATE_TEXT_MAX - 1);

	buf_printf(&b, LABEL COMPONENT ";created=%lld;expires=%lld;"
	           "keyid=\"%s\";tag=\"" STATE_TAG "\"",
	           (long long)st->created, (long long)st->expires, st->key);
	return keep(&b, st->input);
}

static enum rc print_signature(struct state *st,
                               const uint8_t sig[SIGNATURE_SIZE])
{
	struct buf b = BUF_INIT(STATE_TEXT_MAX - 1);

	buf_puts(&b, LABEL ":");
	enc_base64(&b, sig, SIGNATURE_SIZE);
	buf_putc(&b, ':');
	return keep(&b, st->signature);
}

/* The signature base (RFC 9421 s2.5). */
static void put_base(const struct state *st, struct buf *b)
{
	buf_printf(b, "\"alto-state\": %s\n\"@signature-params\": %s", st->text,
	           st->input + strlen(LABEL));
}

static enum rc sign_base(struct state *st, const struct sign_key *k)
{
	struct buf base = BUF_INIT(3 * STATE_TEXT_MAX);
	uint8_t sig[SIGNATURE_SIZE];
	enum rc rc;

	put_base(st, &base);
	rc = buf_rc(&base);
	if (rc == RC_OK)
		rc = sign_bytes(k, base.data, base.len, sig);
	if (rc == RC_OK)
		rc = print_signature(st, sig);
	buf_free(&base);
	return rc;
}

enum rc state_sign(struct state *st, const struct sign_key *k)
{
	struct state next = *st, again;
	enum rc rc;

	memcpy(next.key, sign_key_public(k)->id, sizeof(next.key));
	rc = print_text(&next);
	if (rc == RC_OK)
		rc = print_input(&next);
	if (rc == RC_OK)
		rc = sign_base(&next, k);
	if (rc != RC_OK)
		return rc;
	/* Nothing leaves that a reader would refuse. */
	rc = state_read(next.text, next.input, next.signature, &again, NULL);
	if (rc != RC_OK)
		return rc == RC_ENOMEM ? rc : RC_EINVAL;
	*st = next;
	return RC_OK;
}

static void take_text(struct taker *t, struct state *st)
{
	take_exact(t, st->root, sizeof(st->root));
	take(t, ";service=");
	take_string(t, st->service, UUID_TEXT);
	must(t, enc_uuid_ok(st->service));
	take(t, ";session=");
	take_string(t, st->pos.session, UUID_TEXT);
	must(t, enc_uuid7_ms(st->pos.session) != 0);
	take(t, ";serial=");
	take_number(t, 1, SERIAL_MAX, &st->pos.serial);
	take(t, ";resources=");
	take_number(t, 1, SNAPSHOT_RESOURCES_MAX, &st->resources);
}

static void take_input(struct taker *t, struct state *st)
{
	struct buf hash = BUF_INIT(SHA256_SIZE);
	uint64_t created = 0, expires = 0;
	enum rc rc;

	take(t, LABEL COMPONENT ";created=");
	take_number(t, 1, SECONDS_MAX, &created);
	take(t, ";expires=");
	take_number(t, 1, SECONDS_MAX, &expires);
	must(t, expires > created);
	take(t, ";keyid=");
	take_string(t, st->key, THUMBPRINT_TEXT);
	rc = enc_base64url_read(st->key, strlen(st->key), &hash);
	if (rc != RC_OK || hash.len != SHA256_SIZE)
		fail(t, rc == RC_ENOMEM ? rc : RC_ESYNTAX);
	take(t, ";tag=\"" STATE_TAG "\"");
	st->created = (int64_t)created;
	st->expires = (int64_t)expires;
	buf_free(&hash);
}

static void take_signature(struct taker *t, uint8_t sig[SIGNATURE_SIZE])
{
	take(t, LABEL);
	take_exact(t, sig, SIGNATURE_SIZE);
}

/* Takes a whole line: a copy into dst, a taker over the copy. */
static struct taker line_of(const char *s, char dst[STATE_TEXT_MAX])
{
	size_t len = strlen(s);
	struct taker t;

	if (len >= STATE_TEXT_MAX) {
		t = taker_of(dst, 0);
		fail(&t, RC_ELIMIT);
		return t;
	}
	memcpy(dst, s, len + 1);
	return taker_of(dst, len);
}

enum rc state_read(const char *text, const char *input, const char *signature,
                   struct state *out, struct diag *d)
{
	struct state st = { .created = 0 };
	uint8_t sig[SIGNATURE_SIZE];
	struct taker t;
	enum rc rc;

	t = line_of(text, st.text);
	take_text(&t, &st);
	rc = finish(&t, "ALTO-State", d);
	if (rc != RC_OK)
		return rc;
	t = line_of(input, st.input);
	take_input(&t, &st);
	rc = finish(&t, "Signature-Input", d);
	if (rc == RC_OK && st.expires - st.created > STATE_LIFE_MAX)
		rc = diag_set(d, RC_ELIMIT, "Signature-Input: it is good for "
		              "%lld s, %d s is the most", (long long)
		              (st.expires - st.created), STATE_LIFE_MAX);
	if (rc != RC_OK)
		return rc;
	t = line_of(signature, st.signature);
	take_signature(&t, sig);
	rc = finish(&t, "Signature", d);
	if (rc == RC_OK)
		*out = st;
	return rc;
}

enum rc state_check(const struct state *st, const struct public_key *k)
{
	struct buf base = BUF_INIT(3 * STATE_TEXT_MAX);
	uint8_t sig[SIGNATURE_SIZE];
	struct taker t = taker_of(st->signature, strlen(st->signature));
	enum rc rc;

	if (k->alg != SIGN_ED25519 || strcmp(k->id, st->key) != 0)
		return RC_EKEY;
	take_signature(&t, sig);
	rc = finish(&t, "Signature", NULL);
	if (rc != RC_OK)
		return rc == RC_ENOMEM ? rc : RC_ESIG;
	put_base(st, &base);
	rc = buf_rc(&base);
	if (rc == RC_OK)
		rc = sign_check(k, base.data, base.len, sig, sizeof(sig));
	buf_free(&base);
	return rc;
}

enum rc state_time(const struct state *st, int64_t now, struct diag *d)
{
	int64_t session = (int64_t)(enc_uuid7_ms(st->pos.session) / 1000);

	if (st->created > now + STATE_SKEW_S)
		return diag_set(d, RC_ETIME, "signed %lld s ahead of this clock",
		                (long long)(st->created - now));
	if (session > now + STATE_SKEW_S)
		return diag_set(d, RC_ETIME, "its session %s begins %lld s "
		                "ahead of this clock", st->pos.session,
		                (long long)(session - now));
	if (st->expires <= now)
		return diag_set(d, RC_ETIME, "expired %lld s ago",
		                (long long)(now - st->expires));
	return RC_OK;
}

void state_print(const struct state *st, struct buf *dst)
{
	buf_putc(dst, '[');
	json_put_string(dst, st->text, strlen(st->text));
	buf_putc(dst, ',');
	json_put_string(dst, st->input, strlen(st->input));
	buf_putc(dst, ',');
	json_put_string(dst, st->signature, strlen(st->signature));
	buf_putc(dst, ']');
}

enum rc state_from_json(const json_t *triple, struct state *out,
                        struct diag *d)
{
	const char *line[3];

	if (json_array_size(triple) != 3)	/* 0 for what is no array */
		return diag_set(d, RC_ESYNTAX, "state: must be an array of the "
		                "three strings ALTO-State, Signature-Input, "
		                "Signature");
	for (size_t i = 0; i < 3; i++) {
		line[i] = json_string_value(json_array_get(triple, i));
		if (!line[i])
			return diag_set(d, RC_ESYNTAX,
			                "state: must be three strings");
	}
	return state_read(line[0], line[1], line[2], out, d);
}
