#include "tests/certs.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RING 8
#define DAY 86400L

static char dir[256];

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "certs: cannot %s\n", what);
	exit(99);
}

static char *next_text(void)
{
	static char ring[RING][400];
	static unsigned at;

	return ring[at++ % RING];
}

void certs_begin(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(dir, sizeof(dir), "%s/altocast-certs-XXXXXX",
	         tmp != NULL ? tmp : "/tmp");
	must(mkdtemp(dir) != NULL, "make a folder");
}

void certs_end(void)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			unlinkat(dirfd(d), e->d_name, 0);
	if (d != NULL)
		closedir(d);
	rmdir(dir);
}

const char *certs_file(const char *base, const char *ext)
{
	char *text = next_text();

	snprintf(text, 400, ext != NULL ? "%s/%s.%s" : "%s/%s", dir, base, ext);
	return text;
}

static X509 *read_cert(const char *base)
{
	FILE *f = fopen(certs_file(base, "pem"), "r");
	X509 *x = f != NULL ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;

	must(x != NULL, "read a certificate");
	fclose(f);
	return x;
}

static EVP_PKEY *read_key(const char *base)
{
	FILE *f = fopen(certs_file(base, "key"), "r");
	EVP_PKEY *k = f != NULL ? PEM_read_PrivateKey(f, NULL, NULL, NULL)
	                        : NULL;

	must(k != NULL, "read a key");
	fclose(f);
	return k;
}

const char *certs_pin(const char *base)
{
	unsigned char md[EVP_MAX_MD_SIZE], *der = NULL;
	X509 *x = read_cert(base);
	int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
	char *text = next_text();

	must(n > 0 && EVP_Digest(der, (size_t)n, md, NULL, EVP_sha256(), NULL)
	     == 1, "hash a key");
	EVP_EncodeBlock((unsigned char *)text, md, 32);
	OPENSSL_free(der);
	X509_free(x);
	return text;
}

static void extend(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *e;
	X509V3_CTX ctx;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	must(e != NULL && X509_add_ext(x, e, -1) == 1, "extend");
	X509_EXTENSION_free(e);
}

static void fill(X509 *x, const struct cert *c, X509 *issuer, EVP_PKEY *key)
{
	const char *cn = c->name != NULL ? c->name : c->base;
	X509_NAME *name = X509_get_subject_name(x);
	uint64_t serial = 0;

	must(RAND_bytes((unsigned char *)&serial, sizeof(serial)) == 1,
	     "draw a number");
	X509_set_version(x, 2);
	ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial >> 1);
	X509_gmtime_adj(X509_getm_notBefore(x),
	                c->days < 0 ? (c->days - 30) * DAY : -DAY);
	X509_gmtime_adj(X509_getm_notAfter(x), c->days * DAY);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
	                           (const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(issuer != NULL ? issuer
	                                                             : x));
	X509_set_pubkey(x, key);
	extend(x, issuer != NULL ? issuer : x, NID_basic_constraints,
	       c->authority ? "critical,CA:TRUE" : "CA:FALSE");
	extend(x, issuer != NULL ? issuer : x, NID_subject_key_identifier,
	       "hash");
	if (c->alt != NULL)
		extend(x, issuer, NID_subject_alt_name, c->alt);
}

static void save(const char *base, X509 *x, EVP_PKEY *key)
{
	FILE *f = fopen(certs_file(base, "pem"), "w");
	int fd = open(certs_file(base, "key"), O_WRONLY | O_CREAT | O_TRUNC,
	              0600);
	FILE *k = fd >= 0 ? fdopen(fd, "w") : NULL;

	must(f != NULL && k != NULL && PEM_write_X509(f, x) == 1 &&
	     PEM_write_PKCS8PrivateKey(k, key, NULL, NULL, 0, NULL, NULL) == 1,
	     "write");
	must(fclose(f) == 0 && fclose(k) == 0, "write");
}

void certs_make(const struct cert *c)
{
	X509 *issuer = c->issuer != NULL ? read_cert(c->issuer) : NULL;
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	EVP_PKEY *signer = issuer != NULL ? read_key(c->issuer) : key;
	X509 *x = X509_new();

	must(x != NULL && key != NULL, "make a key");
	fill(x, c, issuer, key);
	must(X509_sign(x, signer, EVP_sha256()) > 0, "sign");
	save(c->base, x, key);
	if (signer != key)
		EVP_PKEY_free(signer);
	EVP_PKEY_free(key);
	X509_free(issuer);
	X509_free(x);
}

void certs_usual(void)
{
	static const char here[] = "DNS:localhost,IP:127.0.0.1,IP:::1";
	static const struct cert all[] = {
		{ "ca", "Test CA", NULL, NULL, true, 100 },
		{ "server", "server", here, "ca", false, 30 },
		{ "other", "other", here, "ca", false, 30 },
		{ "elsewhere", "localhost",
		  "DNS:elsewhere.example,IP:192.0.2.1", "ca", false, 30 },
		{ "expired", "expired", here, "ca", false, -1 },
		{ "client", "not-this", "DNS:rp-milan", "ca", false, 30 },
		{ "client2", "rp-rome", NULL, "ca", false, 30 },
		{ "stranger-ca", "Stranger", NULL, NULL, true, 100 },
		{ "stranger", "stranger", here, "stranger-ca", false, 30 },
		{ "alone", "rp-milan", NULL, NULL, false, 30 }
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		certs_make(&all[i]);
}
