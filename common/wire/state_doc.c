/* What leads to the signed root: all leaves at once, or one with its proof. */
#include "common/wire/state_json.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/digest.h"
#include "common/core/merkle.h"
#include "common/wire/json.h"

#define LEAVES_BYTES_MAX (SNAPSHOT_RESOURCES_MAX * (RESOURCE_LEAF_MAX + 1u))

/* --- /state --------------------------------------------------------------- */

enum rc state_doc(const struct snapshot *s, struct buf *dst)
{
	const struct state *st = snapshot_state(s);

	buf_puts(dst, "{\"resources\":[");
	for (size_t i = 0; i < snapshot_count(s); i++) {
		const char *leaf = resource_leaf(snapshot_at(s, i));

		if (i > 0)
			buf_putc(dst, ',');
		json_put_string(dst, leaf, strlen(leaf));
	}
	buf_printf(dst, "],\"serial\":%llu,\"service\":\"%s\","
	           "\"session\":\"%s\",\"state\":",
	           (unsigned long long)st->pos.serial, st->service,
	           st->pos.session);
	state_print(st, dst);
	buf_putc(dst, '}');
	return buf_rc(dst);
}

static enum rc set_new(size_t n, const struct state *st, struct leaf_set **out)
{
	struct leaf_set *l = calloc(1, sizeof(*l));

	if (!l)
		return RC_ENOMEM;
	l->leaf = calloc(n, sizeof(*l->leaf));
	l->name = calloc(n, sizeof(*l->name));
	if (!l->leaf || !l->name) {
		leaf_set_free(l);
		return RC_ENOMEM;
	}
	l->state = *st;
	*out = l;
	return RC_OK;
}

/* Adds leaf l->n and its hash. */
static enum rc set_add(struct leaf_set *l, struct digest *dg,
                       const json_t *leaf, uint8_t *hash, struct diag *d)
{
	const char *text = json_string_value(leaf);
	size_t i = l->n, len;
	enum rc rc;

	if (!text)
		return diag_set(d, RC_ESYNTAX, "resource %zu: must be a string",
		                i);
	len = strlen(text);
	rc = leaf_read(text, len, &l->name[i], d);
	if (rc != RC_OK)
		return rc;
	if (i > 0 && strcmp(l->name[i - 1].id, l->name[i].id) >= 0)
		return diag_set(d, RC_ERULE, "resource %s: must stand in order "
		                "of resource-id, once", l->name[i].id);
	l->leaf[i] = strdup(text);
	if (!l->leaf[i])
		return RC_ENOMEM;
	l->n++;
	return merkle_leaf(dg, text, len, hash);
}

/* Fills l and checks that it leads to the state's root. */
static enum rc set_fill(struct leaf_set *l, const json_t *leaves,
                        struct diag *d)
{
	size_t n = json_array_size(leaves);
	uint8_t *hashes = malloc(n * SHA256_SIZE);
	struct merkle *tree = NULL;
	struct digest *dg = NULL;
	enum rc rc = hashes ? digest_new(&dg) : RC_ENOMEM;

	for (size_t i = 0; i < n && rc == RC_OK; i++)
		rc = set_add(l, dg, json_array_get(leaves, i),
		             hashes + i * SHA256_SIZE, d);
	if (rc == RC_OK)
		rc = merkle_new(dg, hashes, n, &tree);
	if (rc == RC_OK && memcmp(merkle_root(tree), l->state.root,
	                          SHA256_SIZE) != 0)
		rc = diag_set(d, RC_EDIGEST,
		              "the resources do not give the signed root");
	merkle_free(tree);
	digest_free(dg);
	free(hashes);
	return rc;
}

enum rc leaf_set_from_json(const json_t *leaves, const struct state *st,
                           struct leaf_set **out, struct diag *d)
{
	size_t n = json_array_size(leaves);
	struct leaf_set *l = NULL;
	enum rc rc;

	if (!json_is_array(leaves))
		return diag_set(d, RC_ESYNTAX, "resources: must be an array");
	if (n == 0 || n != st->resources)
		return diag_set(d, RC_EDIGEST, "%zu resources, the signed state "
		                "has %llu", n,
		                (unsigned long long)st->resources);
	rc = set_new(n, st, &l);
	if (rc != RC_OK)
		return rc;
	rc = set_fill(l, leaves, d);
	if (rc != RC_OK) {
		leaf_set_free(l);
		return rc;
	}
	*out = l;
	return RC_OK;
}

/* What stands beside the triple is for people; it must still agree. */
static enum rc doc_agrees(const json_t *doc, const struct state *st,
                          struct diag *d)
{
	const char *service = NULL, *session = NULL;
	uint64_t serial = 0;
	enum rc rc;

	rc = json_count(doc, "", "serial", SERIAL_MAX, &serial, d);
	if (rc == RC_OK)
		rc = json_text(doc, "", "service", UUID_TEXT, &service, d);
	if (rc == RC_OK)
		rc = json_text(doc, "", "session", UUID_TEXT, &session, d);
	if (rc != RC_OK)
		return rc;
	if (serial != st->pos.serial || strcmp(service, st->service) != 0 ||
	    strcmp(session, st->pos.session) != 0)
		return diag_set(d, RC_ERULE, "serial, service or session differ "
		                "from those of the signed state");
	return RC_OK;
}

enum rc state_doc_read(const char *text, size_t len, struct leaf_set **out,
                       struct diag *d)
{
	json_t *doc = NULL, *leaves = NULL, *triple = NULL;
	struct state st;
	enum rc rc;

	rc = json_read(text, len, LEAVES_BYTES_MAX * 2, &doc, d);
	if (rc != RC_OK)
		return rc;
	rc = json_member(doc, "", "state", JSON_ARRAY, &triple, d);
	if (rc == RC_OK)
		rc = json_member(doc, "", "resources", JSON_ARRAY, &leaves, d);
	if (rc == RC_OK)
		rc = state_from_json(triple, &st, d);
	if (rc == RC_OK)
		rc = doc_agrees(doc, &st, d);
	if (rc == RC_OK)
		rc = leaf_set_from_json(leaves, &st, out, d);
	json_decref(doc);
	return rc;
}

static int by_id(const void *id, const void *name)
{
	return strcmp(id, ((const struct resource_name *)name)->id);
}

long leaf_set_find(const struct leaf_set *l, const char *id)
{
	const struct resource_name *found;

	found = bsearch(id, l->name, l->n, sizeof(*l->name), by_id);
	return found ? (long)(found - l->name) : -1;
}

void leaf_set_free(struct leaf_set *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++)
		free(l->leaf[i]);
	free(l->leaf);
	free(l->name);
	free(l);
}

/* --- a body under its own headers ----------------------------------------- */

static enum rc headers_there(const struct signed_headers *h, struct diag *d)
{
	const char *missing = !h->resource ? "ALTO-Resource" :
	                      !h->proof ? "ALTO-Proof" :
	                      !h->state ? "ALTO-State" :
	                      !h->input ? "Signature-Input" :
	                      !h->signature ? "Signature" : NULL;

	if (!missing)
		return RC_OK;
	return diag_set(d, RC_ENOENT, "header %s is missing", missing);
}

/* Does the proof lead from the leaf to the state's root? */
static enum rc proof_check(struct digest *dg, const char *leaf,
                           const char *proof, const struct state *st,
                           struct diag *d)
{
	uint8_t path[MERKLE_PATH_MAX * SHA256_SIZE];
	uint8_t hash[SHA256_SIZE], root[SHA256_SIZE];
	size_t path_len, index;
	enum rc rc;

	rc = proof_read(proof, strlen(proof), path, &path_len, &index, d);
	if (rc == RC_OK)
		rc = merkle_leaf(dg, leaf, strlen(leaf), hash);
	if (rc != RC_OK)
		return rc;
	rc = merkle_root_from(dg, hash, index, (size_t)st->resources, path,
	                      path_len, root);
	if (rc == RC_OK && memcmp(root, st->root, sizeof(root)) != 0)
		rc = RC_EDIGEST;
	if (rc == RC_EDIGEST)
		diag_set(d, rc, "ALTO-Proof does not lead to the signed root");
	return rc;
}

static enum rc digest_check(struct digest *dg, const struct resource_name *n,
                            const void *body, size_t len, struct diag *d)
{
	uint8_t hash[SHA256_SIZE];
	enum rc rc;

	if (n->size != len)
		return diag_set(d, RC_EDIGEST, "%zu bytes of body, ALTO-Resource "
		                "says %llu", len, (unsigned long long)n->size);
	digest_start(dg);
	digest_add(dg, body, len);
	rc = digest_end(dg, hash);
	if (rc == RC_OK && memcmp(hash, n->sha256, sizeof(hash)) != 0)
		return diag_set(d, RC_EDIGEST,
		                "SHA-256 of the body is not ALTO-Resource's");
	return rc;
}

enum rc body_check(const struct signed_headers *h, const void *body,
                   size_t len, struct resource_name *name, struct state *st,
                   struct diag *d)
{
	struct resource_name n;
	struct digest *dg = NULL;
	struct state s;
	enum rc rc;

	rc = headers_there(h, d);
	if (rc == RC_OK)
		rc = leaf_read(h->resource, strlen(h->resource), &n, d);
	if (rc == RC_OK)
		rc = state_read(h->state, h->input, h->signature, &s, d);
	if (rc == RC_OK)
		rc = digest_new(&dg);
	if (rc == RC_OK)
		rc = proof_check(dg, h->resource, h->proof, &s, d);
	if (rc == RC_OK)
		rc = digest_check(dg, &n, body, len, d);
	digest_free(dg);
	if (rc != RC_OK)
		return rc;
	*name = n;
	*st = s;
	return RC_OK;
}
