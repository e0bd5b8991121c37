#include "common/core/digest.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>

/* The algorithm is fetched once an object: finding it by name at every start
 * takes longer than hashing a small leaf. */
struct digest {
	EVP_MD *md;
	EVP_MD_CTX *ctx;
	bool failed;
};

enum rc digest_new(struct digest **out)
{
	struct digest *d = calloc(1, sizeof(*d));

	if (!d)
		return RC_ENOMEM;
	d->md = EVP_MD_fetch(NULL, "SHA256", NULL);
	d->ctx = EVP_MD_CTX_new();
	if (!d->md || !d->ctx) {
		digest_free(d);
		return RC_ENOMEM;
	}
	*out = d;
	return RC_OK;
}

void digest_free(struct digest *d)
{
	if (!d)
		return;
	EVP_MD_CTX_free(d->ctx);
	EVP_MD_free(d->md);
	free(d);
}

void digest_start(struct digest *d)
{
	d->failed = EVP_DigestInit_ex2(d->ctx, d->md, NULL) != 1;
}

void digest_add(struct digest *d, const void *data, size_t len)
{
	if (len && EVP_DigestUpdate(d->ctx, data, len) != 1)
		d->failed = true;
}

enum rc digest_end(struct digest *d, uint8_t out[SHA256_SIZE])
{
	if (d->failed || EVP_DigestFinal_ex(d->ctx, out, NULL) != 1)
		return RC_ENOMEM;
	return RC_OK;
}
