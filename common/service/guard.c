#include "common/service/guard.h"

#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/enc.h"
#include "common/core/digest.h"
#include "common/net/tls.h"
#include "common/sys/keyfile.h"

#define LIST "subscribers"
#define NOBODY SIZE_MAX

struct member {
	char name[GUARD_NAME_MAX + 1];
	bool proves;			/* has a token or a certificate */
	size_t n_uris;
	char **uris;
};

/* What somebody may show, and whose it is. */
struct proof {
	uint8_t sha256[SHA256_SIZE];
	bool certificate;
	size_t who;
};

struct guard {
	atomic_uint refs;
	bool anonymous;
	size_t n;
	struct member *members;
	size_t n_proofs, max_proofs;
	struct proof *proofs;		/* in order of their hashes */
};

/* ---- reading --------------------------------------------------------------- */

static enum rc hash(const char *text, uint8_t out[SHA256_SIZE])
{
	struct digest *d = NULL;
	enum rc rc = digest_new(&d);

	if (rc == RC_OK) {
		digest_start(d);
		digest_add(d, text, strlen(text));
		rc = digest_end(d, out);
	}
	digest_free(d);
	return rc;
}

static struct proof *add_proof(struct guard *g, size_t who, bool certificate)
{
	size_t max = g->max_proofs ? g->max_proofs * 2 : 64;
	struct proof *p = g->proofs;

	if (g->n_proofs == g->max_proofs) {
		p = reallocarray(g->proofs, max, sizeof(*p));
		if (!p)
			return NULL;
		g->proofs = p;
		g->max_proofs = max;
	}
	p += g->n_proofs++;
	*p = (struct proof){ .certificate = certificate, .who = who };
	g->members[who].proves = true;
	return p;
}

static enum rc add_tokens(struct guard *g, size_t who, const char *file,
                          struct diag *d)
{
	struct keyfile_tokens t = { .n = 0 };
	enum rc rc = keyfile_tokens(file, &t, d);

	for (size_t i = 0; rc == RC_OK && i < t.n; i++) {
		struct proof *p = add_proof(g, who, false);

		rc = p ? hash(t.text[i], p->sha256) : RC_ENOMEM;
	}
	keyfile_tokens_free(&t);
	return rc;
}

static enum rc add_certificates(struct guard *g, size_t who, const char *file,
                                struct diag *d)
{
	char print[TLS_PRINTS_MAX][TLS_PRINT_TEXT + 1];
	size_t n = 0;
	enum rc rc = tls_prints_load(file, print, TLS_PRINTS_MAX, &n, d);

	for (size_t i = 0; rc == RC_OK && i < n; i++) {
		struct proof *p = add_proof(g, who, true);

		rc = p ? enc_hex_read(print[i], TLS_PRINT_TEXT, p->sha256,
		                      SHA256_SIZE) : RC_ENOMEM;
	}
	return rc;
}

static enum rc add_uris(struct member *m, const struct conf *c, size_t i)
{
	size_t n = conf_list_strings(c, LIST, i, "uris");

	m->uris = calloc(n + 1, sizeof(*m->uris));
	if (!m->uris)
		return RC_ENOMEM;
	for (; m->n_uris < n; m->n_uris++) {
		char *uri = strdup(conf_list_nth(c, LIST, i, "uris",
		                                 m->n_uris));

		if (!uri)
			return RC_ENOMEM;
		m->uris[m->n_uris] = uri;
	}
	return RC_OK;
}

/* What the files of a subscriber prove. d: one for each, TOKENS and CERTIFICATES;
 * the second is read whatever is wrong with the first. */
enum { TOKENS, CERTIFICATES, PROOFS };
static const char *const proof_files[PROOFS] = { "token-file", "certificate" };

static enum rc add_member(struct guard *g, const struct conf *c, size_t i,
                          struct diag *d)
{
	const char *name = conf_list_str(c, LIST, i, "name");
	struct member *m = &g->members[i];
	enum rc first = RC_OK;

	snprintf(m->name, sizeof(m->name), "%s", name ? name : "");
	g->n = i + 1;
	for (int k = 0; k < PROOFS; k++) {
		const char *file = conf_list_str(c, LIST, i, proof_files[k]);
		enum rc rc = RC_OK;

		if (file)
			rc = k == TOKENS ? add_tokens(g, i, file, &d[k]) :
			                   add_certificates(g, i, file, &d[k]);
		if (rc != RC_OK)
			diag_set(&d[k], rc, "%s", rc_text(rc));
		first = first == RC_OK ? rc : first;
	}
	return first == RC_OK ? add_uris(m, c, i) : first;
}

static int by_hash(const void *a, const void *b)
{
	return memcmp(((const struct proof *)a)->sha256,
	              ((const struct proof *)b)->sha256, SHA256_SIZE);
}

/* One that two can show would prove neither. The first two of it into *a, *b. */
static bool shared(const struct guard *g, const struct proof **a,
                   const struct proof **b)
{
	if (g->n_proofs > 1)
		qsort(g->proofs, g->n_proofs, sizeof(*g->proofs), by_hash);
	for (size_t i = 1; i < g->n_proofs; i++) {
		*a = &g->proofs[i - 1];
		*b = &g->proofs[i];
		if (by_hash(*a, *b) == 0 && (*a)->who != (*b)->who)
			return true;
	}
	return false;
}

static struct guard *guard_alloc(size_t n)
{
	struct guard *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	atomic_init(&g->refs, 1);
	g->members = calloc(n + 1, sizeof(*g->members));
	if (g->members)
		return g;
	free(g);
	return NULL;
}

enum rc guard_new(const struct conf *c, bool anonymous, struct guard **out,
                  struct diag *d)
{
	size_t n = conf_list_count(c, LIST);
	struct guard *g = guard_alloc(n);
	const struct proof *a, *b;
	enum rc rc = g ? RC_OK : RC_ENOMEM;

	for (size_t i = 0; rc == RC_OK && i < n; i++) {
		struct diag each[PROOFS] = { { .line = 0 } };

		rc = add_member(g, c, i, each);
		if (rc != RC_OK && d && !d->text[0])
			*d = each[each[TOKENS].text[0] ? TOKENS : CERTIFICATES];
	}
	if (rc == RC_OK && shared(g, &a, &b))
		rc = diag_set(d, RC_ERULE, "subscribers \"%s\" and \"%s\" share "
		              "a %s", g->members[a->who].name,
		              g->members[b->who].name,
		              b->certificate ? "certificate" : "token");
	if (rc == RC_OK) {
		g->anonymous = anonymous;
		*out = g;
		g = NULL;
	}
	guard_unref(g);
	return rc;
}

void guard_check(const struct conf *c, struct buf *errors)
{
	size_t n = conf_list_count(c, LIST);
	struct guard *g = guard_alloc(n);
	const struct proof *a, *b;

	for (size_t i = 0; g && i < n; i++) {
		struct diag d[PROOFS] = { { .line = 0 } };

		if (add_member(g, c, i, d) == RC_OK)
			continue;
		for (int k = 0; k < PROOFS; k++)
			if (d[k].text[0])
				conf_blame(c, errors, LIST, (long)i,
				           proof_files[k], "%s: %s",
				           conf_list_str(c, LIST, i,
				                         proof_files[k]),
				           d[k].text);
	}
	if (g && shared(g, &a, &b))
		conf_blame(c, errors, LIST, (long)b->who, b->certificate ?
		           "certificate" : "token-file", "holds what %s has "
		           "too: it would prove neither",
		           g->members[a->who].name);
	guard_unref(g);
}

struct guard *guard_ref(struct guard *g)
{
	atomic_fetch_add(&g->refs, 1);
	return g;
}

void guard_unref(struct guard *g)
{
	if (!g || atomic_fetch_sub(&g->refs, 1) > 1)
		return;
	for (size_t i = 0; i < g->n; i++) {
		while (g->members[i].n_uris > 0)
			free(g->members[i].uris[--g->members[i].n_uris]);
		free(g->members[i].uris);
	}
	free(g->members);
	free(g->proofs);
	free(g);
}

/* ---- asking ---------------------------------------------------------------- */

static size_t holder(const struct guard *g, const uint8_t sha256[SHA256_SIZE],
                     bool certificate)
{
	size_t who = NOBODY;

	for (size_t i = 0; i < g->n_proofs; i++) {
		const struct proof *p = &g->proofs[i];

		if (CRYPTO_memcmp(sha256, p->sha256, SHA256_SIZE) == 0 &&
		    p->certificate == certificate)
			who = p->who;
	}
	return who;
}

/* Whose token the header shows. */
static size_t bearer(const struct guard *g, const char *header)
{
	uint8_t sha256[SHA256_SIZE];

	if (strncasecmp(header, "Bearer ", 7) != 0 ||
	    hash(header + 7, sha256) != RC_OK)
		return NOBODY;
	return holder(g, sha256, false);
}

static size_t owner(const struct guard *g, const struct tls_peer *tls)
{
	uint8_t sha256[SHA256_SIZE];

	if (enc_hex_read(tls->print, strlen(tls->print), sha256,
	                 SHA256_SIZE) != RC_OK)
		return NOBODY;
	return holder(g, sha256, true);
}

static int refuse(const char **why, int status, const char *text)
{
	*why = text;
	return status;
}

int guard_admit(const struct guard *g, const struct ws_request *rq,
                struct guard_badge *badge, const char **why)
{
	size_t by_token = NOBODY, by_certificate = owner(g, &rq->tls), who;

	memset(badge, 0, sizeof(*badge));
	*why = "";
	/* A page that somebody looks at is no subscriber, wherever his browser
	 * can reach. */
	if (rq->origin)
		return refuse(why, 403, "it is a browser's");
	/* A wrong token is not a visitor without one. */
	if (rq->authorization) {
		by_token = bearer(g, rq->authorization);
		if (by_token == NOBODY)
			return refuse(why, 401, "its token is not known");
		if (by_certificate != NOBODY && by_certificate != by_token)
			return refuse(why, 403, "its token and its certificate "
			              "are of two subscribers");
	}
	who = by_token != NOBODY ? by_token : by_certificate;
	badge->proven = who != NOBODY || (rq->tls.chained && rq->tls.name[0]);
	if (badge->proven)
		snprintf(badge->name, sizeof(badge->name), "%s",
		         who != NOBODY ? g->members[who].name : rq->tls.name);
	if (badge->proven || g->anonymous)
		return 0;
	return refuse(why, 401, rq->tls.print[0] ? "its certificate is not known"
	              : "it shows neither token nor certificate");
}

static const struct member *find(const struct guard *g, const char *name)
{
	for (size_t i = 0; i < g->n; i++)
		if (strcmp(g->members[i].name, name) == 0)
			return &g->members[i];
	return NULL;
}

bool guard_may_be(const struct guard *g, const struct guard_badge *badge,
                  const char *name)
{
	const struct member *m = find(g, name);

	if (badge->proven)
		return strcmp(badge->name, name) == 0;
	return g->anonymous && !(m && m->proves);
}

bool guard_anonymous(const struct guard *g)
{
	return g->anonymous;
}

bool guard_proves(const struct guard *g, const char *name)
{
	const struct member *m = find(g, name);

	return m && m->proves;
}

bool guard_may_announce(const struct guard *g, const char *name,
                        const char *uri, bool *known)
{
	const struct member *m = find(g, name);

	*known = m != NULL;
	for (size_t i = 0; m && i < m->n_uris; i++)
		if (strcmp(m->uris[i], uri) == 0)
			return true;
	return false;
}

size_t guard_count(const struct guard *g, size_t *proven)
{
	*proven = 0;
	for (size_t i = 0; i < g->n; i++)
		*proven += g->members[i].proves;
	return g->n;
}

static bool same_member(const struct member *a, const struct member *b)
{
	bool same = strcmp(a->name, b->name) == 0 && a->n_uris == b->n_uris;

	for (size_t i = 0; same && i < a->n_uris; i++)
		same = strcmp(a->uris[i], b->uris[i]) == 0;
	return same;
}

bool guard_same(const struct guard *g, const struct guard *other)
{
	bool same = g->anonymous == other->anonymous && g->n == other->n &&
	            g->n_proofs == other->n_proofs;

	for (size_t i = 0; same && i < g->n; i++)
		same = same_member(&g->members[i], &other->members[i]);
	for (size_t i = 0; same && i < g->n_proofs; i++)
		same = by_hash(&g->proofs[i], &other->proofs[i]) == 0 &&
		       g->proofs[i].certificate == other->proofs[i].certificate &&
		       g->proofs[i].who == other->proofs[i].who;
	return same;
}
