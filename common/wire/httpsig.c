#include "common/wire/httpsig.h"

#include <stdbool.h>
#include <string.h>

#include "common/base/enc.h"
#include "common/wire/sf.h"

#define BASE_MAX 65536u		/* bytes of a signature base */

static bool same_text(const char *a, size_t a_len, const char *b, size_t b_len)
{
	return a_len == b_len && (!a_len || memcmp(a, b, a_len) == 0);
}

static bool same_value(const struct sf_value *a, const struct sf_value *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == SF_INTEGER)
		return a->integer == b->integer;
	return a->kind == SF_TRUE ||
	       same_text(a->text, a->len, b->text, b->len);
}

/* The same component? The order of parameters says nothing (RFC 9421 s2). */
static bool same_component(const struct sf_bare *a, const struct sf_bare *b)
{
	size_t found = 0;

	if (!same_value(&a->value, &b->value) || a->n_params != b->n_params)
		return false;
	for (size_t i = 0; i < a->n_params; i++)
		for (size_t j = 0; j < b->n_params; j++)
			found += same_text(a->params[i].name,
			                   a->params[i].name_len,
			                   b->params[j].name,
			                   b->params[j].name_len) &&
			         same_value(&a->params[i].value,
			                    &b->params[j].value);
	return found == a->n_params;
}

/* The part that is this component; NULL: the message has none. */
static const struct httpsig_part *
find_part(const struct sf_bare *component, const struct httpsig_part *parts,
          size_t n)
{
	struct sf_bare id;

	for (size_t i = 0; i < n; i++)
		if (sf_read_item(parts[i].id, strlen(parts[i].id),
		                 &id) == RC_OK &&
		    same_component(&id, component))
			return &parts[i];
	return NULL;
}

/* Would this text stay on its line of the base, and is it ASCII (s2.5)? */
static bool value_ok(const char *s)
{
	for (; *s; s++)
		if ((*s < 0x20 && *s != '\t') || *s > 0x7e)
			return false;
	return true;
}

static enum rc check_component(const struct sf_inner *list, size_t i,
                               struct diag *d)
{
	const struct sf_value *v = &list->items[i].value;
	int len = v->len < 64 ? (int)v->len : 64;

	if (v->kind != SF_STRING)
		return diag_set(d, RC_ESYNTAX,
		                "covered components are strings (RFC 9421 s2.3)");
	if (same_text(v->text, v->len, "@signature-params", 17))
		return diag_set(d, RC_ERULE,
		                "@signature-params may not be covered (RFC 9421 s2.3)");
	for (size_t k = 0; k < i; k++)
		if (same_component(&list->items[k], &list->items[i]))
			return diag_set(d, RC_ERULE, "component \"%.*s\" is "
			                "covered twice (RFC 9421 s2)", len,
			                v->text);
	return RC_OK;
}

static enum rc put_line(const struct sf_bare *component,
                        const struct httpsig_part *parts, size_t n_parts,
                        struct buf *dst, struct diag *d)
{
	const struct httpsig_part *part = find_part(component, parts, n_parts);
	const struct sf_value *v = &component->value;
	int len = v->len < 64 ? (int)v->len : 64;

	if (!part)
		return diag_set(d, RC_ERULE, "component \"%.*s\" is covered and "
		                "not in the message (RFC 9421 s2.5)", len,
		                v->text);
	if (!value_ok(part->value))
		return diag_set(d, RC_ERULE, "component \"%.*s\" is not one line "
		                "of ASCII (RFC 9421 s2.5)", len, v->text);
	sf_print_item(component, dst);
	buf_puts(dst, ": ");
	buf_puts(dst, part->value);
	buf_putc(dst, '\n');
	return RC_OK;
}

/* Without a line feed at the end, and with the list as it prints, so that
 * spaces that somebody put into the header do no harm (s2.5). */
static enum rc put_base(const struct sf_inner *list,
                        const struct httpsig_part *parts, size_t n_parts,
                        struct buf *dst, struct diag *d)
{
	for (size_t i = 0; i < list->n; i++) {
		enum rc rc = check_component(list, i, d);

		if (rc == RC_OK)
			rc = put_line(&list->items[i], parts, n_parts, dst, d);
		if (rc != RC_OK)
			return rc;
	}
	buf_puts(dst, "\"@signature-params\": ");
	sf_print_inner(list, dst);
	return buf_rc(dst);
}

enum rc httpsig_base(const char *params, const struct httpsig_part *parts,
                     size_t n_parts, struct buf *dst, struct diag *d)
{
	struct sf_inner list;
	enum rc rc = sf_read_inner(params, strlen(params), &list);

	if (rc != RC_OK)
		return diag_set(d, rc, "signature parameters: %s", rc_text(rc));
	return put_base(&list, parts, n_parts, dst, d);
}

static enum rc check_alg(const struct sf_inner *list,
                         const struct public_key *k, struct diag *d)
{
	const struct sf_value *alg = sf_param(list->params, list->n_params,
	                                      "alg");
	const char *want = k->alg == SIGN_ED25519 ? "ed25519"
	                                          : "ecdsa-p256-sha256";

	if (!alg || (alg->kind == SF_STRING &&
	             same_text(alg->text, alg->len, want, strlen(want))))
		return RC_OK;
	return diag_set(d, RC_ERULE,
	                "alg contradicts the key, which is for %s", want);
}

/* Both headers' members of this label. */
static enum rc find_label(const char *input, const char *signature,
                          const char *label, struct sf_inner *list,
                          struct sf_bare *value, struct diag *d)
{
	const char *in, *sig;
	size_t in_len, sig_len;
	enum rc in_rc = sf_member(input, strlen(input), label, &in, &in_len);
	enum rc sig_rc = sf_member(signature, strlen(signature), label, &sig,
	                           &sig_len);

	if (in_rc == RC_ENOENT && sig_rc == RC_ENOENT)
		return diag_set(d, RC_ENOENT, "no signature is labelled %s",
		                label);
	if ((in_rc == RC_ENOENT && sig_rc == RC_OK) ||
	    (in_rc == RC_OK && sig_rc == RC_ENOENT))
		return diag_set(d, RC_ERULE,
		                "label %s stands in one header only", label);
	if (in_rc == RC_OK)
		in_rc = sf_read_inner(in, in_len, list);
	if (in_rc != RC_OK)
		return diag_set(d, in_rc, "Signature-Input: %s",
		                rc_text(in_rc));
	if (sig_rc == RC_OK)
		sig_rc = sf_read_item(sig, sig_len, value);
	if (sig_rc == RC_OK && value->value.kind != SF_BYTES)
		sig_rc = RC_ESYNTAX;
	return sig_rc == RC_OK ? RC_OK : diag_set(d, sig_rc, "Signature: %s",
	                                          rc_text(sig_rc));
}

static enum rc check_bytes(const struct buf *base, const struct sf_value *v,
                           const struct public_key *k, struct diag *d)
{
	struct buf sig = BUF_INIT(4 * SIGNATURE_SIZE);
	enum rc rc = enc_base64_read(v->text, v->len, &sig);

	if (rc == RC_OK)
		rc = sign_check(k, base->data, base->len,
		                (const uint8_t *)buf_str(&sig), sig.len);
	else if (rc == RC_ELIMIT)
		rc = RC_ESIG;		/* longer than any of ours */
	if (rc != RC_OK)
		diag_set(d, rc, "signature: %s", rc_text(rc));
	buf_free(&sig);
	return rc;
}

enum rc httpsig_check(const char *input, const char *signature,
                      const char *label, const struct httpsig_part *parts,
                      size_t n_parts, const struct public_key *k,
                      struct diag *d)
{
	struct buf base = BUF_INIT(BASE_MAX);
	struct sf_inner list;
	struct sf_bare value;
	enum rc rc;

	rc = find_label(input, signature, label, &list, &value, d);
	if (rc == RC_OK)
		rc = check_alg(&list, k, d);
	if (rc == RC_OK)
		rc = put_base(&list, parts, n_parts, &base, d);
	if (rc == RC_OK)
		rc = check_bytes(&base, &value.value, k, d);
	buf_free(&base);
	return rc;
}
