#include "common/service/version.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/digest.h"
#include "common/service/codings.h"
#include "common/wire/state_json.h"

#define STATE_DOC_MAX (SNAPSHOT_RESOURCES_MAX * (RESOURCE_LEAF_MAX * 2u) + 4096)

/* bodies */

static enum rc body_of_resource(const struct resource *r, struct blob **out)
{
	size_t len = (size_t)resource_size(r);
	char *data = malloc(len + 1);

	if (data != NULL)
		resource_read(r, 0, data, len);
	return blob_new(data, len, out);
}

static enum rc body_of_state(const struct snapshot *s, struct blob **out)
{
	struct buf doc = BUF_INIT(STATE_DOC_MAX);
	enum rc rc = state_doc(s, &doc);
	size_t len;
	char *data;

	if (rc == RC_OK)
		rc = buf_rc(&doc);
	if (rc == RC_OK) {
		data = buf_take(&doc, &len);
		rc = blob_new(data, len, out);
	}
	buf_free(&doc);
	return rc;
}

enum rc version_body(const struct snapshot *s, size_t i, struct blob **out)
{
	return i == snapshot_count(s) ? body_of_state(s, out)
	                              : body_of_resource(snapshot_at(s, i), out);
}

uint64_t version_size(const struct version *v, size_t i)
{
	const struct blob *b = v->answer[i].form[CODING_IDENTITY].body;

	if (b != NULL)
		return b->len;
	return i < v->n - 1 ? resource_size(snapshot_at(v->s, i)) : 0;
}

/* A leaf says it all: id, type and the SHA-256 of the body. */
long version_find(const struct version *v, const struct snapshot *s, size_t i)
{
	const struct resource *r;
	long at;

	if (i == snapshot_count(s))
		return v->s == s ? (long)i : -1;
	r = snapshot_at(s, i);
	at = snapshot_find(v->s, resource_name(r)->id);
	if (at < 0 || strcmp(resource_leaf(snapshot_at(v->s, (size_t)at)),
	                     resource_leaf(r)) != 0)
		return -1;
	return at;
}

/* life */

static void form_end(struct form *f)
{
	http_reply_unref(f->full);
	http_reply_unref(f->unchanged);
	blob_let_go(f->body);
}

void version_free(struct version *v)
{
	if (v == NULL)
		return;
	for (size_t i = 0; i < v->n; i++)
		for (int c = 0; c < CODINGS; c++)
			form_end(&v->answer[i].form[c]);
	snapshot_unref(v->s);
	free(v);
}

/* The answer in old under the same name, whatever its content; -1: none. */
static long namesake(const struct version *v, size_t i,
                     const struct version *old)
{
	if (i == v->n - 1)
		return (long)old->n - 1;
	return snapshot_find(old->s, resource_name(snapshot_at(v->s, i))->id);
}

static void inherit(struct version *v, size_t i, const struct version *old)
{
	struct answer *e = &v->answer[i];
	long at = namesake(v, i, old);
	const struct answer *o;

	if (at < 0)
		return;
	o = &old->answer[at];
	atomic_init(&e->wanted, atomic_load(&o->wanted));
	if (version_find(old, v->s, i) != at)
		return;
	e->useless = o->useless;
	for (int c = 0; c < CODINGS; c++) {
		e->form[c].body = blob_ref(o->form[c].body);
		blob_hold(e->form[c].body);
	}
}

enum rc version_new(struct snapshot *s, const struct version *old,
                    struct version **out)
{
	size_t n = snapshot_count(s) + 1;
	struct version *v = calloc(1, sizeof(*v) + n * sizeof(v->answer[0]));

	if (v == NULL)
		return RC_ENOMEM;
	v->s = snapshot_ref(s);
	v->n = n;
	for (size_t i = 0; i < n; i++) {
		for (int c = 0; c < CODINGS; c++)
			v->answer[i].form[c].second = VERSION_NEVER;
		if (i < n - 1 &&
		    resource_size(snapshot_at(s, i)) > CODINGS_BODY_MAX)
			v->answer[i].useless = ~0u;
		else if (old != NULL)
			inherit(v, i, old);
	}
	if (old != NULL)
		version_want(v, old->ahead);
	*out = v;
	return RC_OK;
}

void version_want(struct version *v, unsigned codings)
{
	v->ahead |= codings;
	for (size_t i = 0; i < v->n - 1; i++)
		atomic_fetch_or(&v->answer[i].wanted, codings);
}

/* laying out */

void version_etag(const char *tag, enum coding c, char out[ETAG_MAX])
{
	if (c == CODING_IDENTITY)
		snprintf(out, ETAG_MAX, "\"%s\"", tag);
	else
		snprintf(out, ETAG_MAX, "W/\"%s-%s\"", tag, coding_name(c));
}

static enum rc digest_hex(const struct blob *b, char hex[TAG_HEX + 1])
{
	uint8_t hash[SHA256_SIZE];
	struct digest *d = NULL;
	enum rc rc = digest_new(&d);

	if (rc != RC_OK)
		return rc;
	digest_start(d);
	digest_add(d, b->data, b->len);
	rc = digest_end(d, hash);
	enc_hex(hash, sizeof(hash), hex);
	digest_free(d);
	return rc;
}

enum rc version_lay_out(struct version *v, size_t i)
{
	struct answer *e = &v->answer[i];
	struct blob **body = &e->form[CODING_IDENTITY].body;
	const bool is_state = i == v->n - 1;
	char tag[TAG_HEX + 1];
	enum rc rc = RC_OK;

	if (*body == NULL && (is_state || version_size(v, i) <=
	                      VERSION_FLAT_MAX)) {
		rc = version_body(v->s, i, body);
		blob_hold(*body);
	}
	if (rc == RC_OK && is_state)
		rc = digest_hex(*body, tag);
	else if (rc == RC_OK)
		memcpy(tag, resource_name(snapshot_at(v->s, i))->tag,
		       sizeof(tag));
	if (rc != RC_OK)
		return rc;
	for (int c = 0; c < CODINGS; c++)
		version_etag(tag, (enum coding)c, e->form[c].etag);
	return RC_OK;
}
