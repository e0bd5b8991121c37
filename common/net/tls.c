#include "common/net/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/buf.h"
#include "common/base/enc.h"
#include "common/sys/file.h"

#define SUBJECT_MAX 512
#define DIGEST_SIZE 32

struct tls_identity {
	atomic_uint refs;
	X509 *cert;
	STACK_OF(X509) *chain;		/* without cert */
	EVP_PKEY *key;
	X509_STORE *clients;		/* NULL: no client_ca */
	struct buf cert_pem, key_pem;
	struct buf subject;
	int64_t begins, expires;
	char print[TLS_PRINT_TEXT + 1];
};

static enum rc fail(struct diag *d, const char *file, enum rc rc,
                    const char *text)
{
	if (d != NULL && d->text[0] == '\0')
		snprintf(d->file, sizeof(d->file), "%s", file);
	return diag_set(d, rc, "%s", text);
}

static void wipe(struct buf *b)
{
	if (b->data != NULL)
		explicit_bzero(b->data, b->cap);
	buf_free(b);
}

/* PEM */

/* Nobody is asked for a password: a key that has one cannot be read. */
static int no_password(char *dst, int size, int writes, void *arg)
{
	(void)dst;
	(void)size;
	(void)writes;
	(void)arg;
	return -1;
}

/* The end of a PEM text is told as an error. */
static bool at_end(void)
{
	unsigned long e = ERR_peek_last_error();

	return ERR_GET_LIB(e) == ERR_LIB_PEM &&
		ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
}

static enum rc read_certs(BIO *bio, STACK_OF(X509) *certs)
{
	X509 *x;

	while ((x = PEM_read_bio_X509(bio, NULL, no_password, NULL)) != NULL) {
		if (sk_X509_push(certs, x) == 0) {
			X509_free(x);
			return RC_ENOMEM;
		}
	}
	return at_end() && sk_X509_num(certs) > 0 ? RC_OK : RC_ESYNTAX;
}

static enum rc parse(const char *file, const struct buf *pem,
                     STACK_OF(X509) **out, struct diag *d)
{
	BIO *bio = BIO_new_mem_buf(buf_str(pem), (int)pem->len);
	STACK_OF(X509) *certs = sk_X509_new_null();
	enum rc rc = RC_ENOMEM;

	ERR_set_mark();
	if (bio != NULL && certs != NULL)
		rc = read_certs(bio, certs);
	ERR_pop_to_mark();
	BIO_free(bio);
	if (rc == RC_OK) {
		*out = certs;
		return rc;
	}
	sk_X509_pop_free(certs, X509_free);
	return fail(d, file, rc, rc == RC_ESYNTAX ? "not certificates in PEM "
	            "form (-----BEGIN CERTIFICATE-----)" : rc_text(rc));
}

enum rc tls_pem_load(const char *file, struct buf *pem, struct diag *d)
{
	STACK_OF(X509) *certs;
	enum rc rc = file_read(file, TLS_FILE_MAX, pem, d);

	if (rc == RC_OK)
		rc = parse(file, pem, &certs, d);
	if (rc == RC_OK)
		sk_X509_pop_free(certs, X509_free);
	return rc;
}

enum rc tls_certs_load(const char *file, STACK_OF(X509) **out, struct diag *d)
{
	struct buf pem = BUF_INIT(TLS_FILE_MAX);
	enum rc rc = file_read(file, TLS_FILE_MAX, &pem, d);

	if (rc == RC_OK)
		rc = parse(file, &pem, out, d);
	buf_free(&pem);
	return rc;
}

static enum rc load_key(const char *file, EVP_PKEY **out, struct diag *d)
{
	struct buf pem = BUF_INIT(TLS_FILE_MAX);
	EVP_PKEY *key = NULL;
	BIO *bio;
	enum rc rc = file_read_private(file, TLS_FILE_MAX, &pem, d);

	if (rc != RC_OK)
		return rc;
	ERR_set_mark();
	bio = BIO_new_mem_buf(buf_str(&pem), (int)pem.len);
	if (bio != NULL)
		key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	if (key != NULL)
		*out = key;
	else
		rc = fail(d, file, bio != NULL ? RC_ESYNTAX : RC_ENOMEM,
		          "not a private key in PEM form without a password");
	ERR_pop_to_mark();
	BIO_free(bio);
	wipe(&pem);
	return rc;
}

/* authorities */

/* One that is listed is trusted, whether it has signed itself or not. */
static X509_STORE *make_store(STACK_OF(X509) *certs)
{
	X509_STORE *s = X509_STORE_new();

	if (s == NULL)
		return NULL;
	X509_STORE_set_flags(s, X509_V_FLAG_PARTIAL_CHAIN);
	for (int i = 0; i < sk_X509_num(certs); i++) {
		if (X509_STORE_add_cert(s, sk_X509_value(certs, i)) != 1) {
			X509_STORE_free(s);
			return NULL;
		}
	}
	return s;
}

enum rc tls_store_load(const char *file, X509_STORE **out, struct diag *d)
{
	STACK_OF(X509) *certs;
	enum rc rc = tls_certs_load(file, &certs, d);
	X509_STORE *s;

	if (rc != RC_OK)
		return rc;
	s = make_store(certs);
	sk_X509_pop_free(certs, X509_free);
	if (s == NULL)
		return RC_ENOMEM;
	*out = s;
	return RC_OK;
}

enum rc tls_ca_check(const char *file, struct diag *d)
{
	X509_STORE *s = NULL;
	enum rc rc = tls_store_load(file, &s, d);

	X509_STORE_free(s);
	return rc;
}

bool tls_pin_ok(const char *pin)
{
	struct buf raw = BUF_INIT(DIGEST_SIZE + 1);
	bool ok = enc_base64_read(pin, strlen(pin), &raw) == RC_OK &&
		raw.len == DIGEST_SIZE;

	buf_free(&raw);
	return ok;
}

/* what is shown of a certificate */

bool tls_print(const X509 *cert, char out[TLS_PRINT_TEXT + 1])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (X509_digest(cert, EVP_sha256(), md, &n) != 1 || n != DIGEST_SIZE)
		return false;
	enc_hex(md, n, out);
	return true;
}

/* Into a line of text: what could end or hide it becomes a question mark. */
static void put_clean(struct buf *b, const unsigned char *s, int len)
{
	for (int i = 0; i < len; i++)
		buf_putc(b, s[i] > ' ' && s[i] < 0x7f ? (char)s[i] : '?');
}

static void put_common_name(struct buf *b, X509 *cert)
{
	X509_NAME *name = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
	const ASN1_STRING *s;

	buf_puts(b, "CN=");
	if (at < 0)
		return;
	s = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
	put_clean(b, ASN1_STRING_get0_data(s), ASN1_STRING_length(s));
}

static void put_address(struct buf *b, const ASN1_OCTET_STRING *ip)
{
	const unsigned char *p = ASN1_STRING_get0_data(ip);
	int n = ASN1_STRING_length(ip);

	buf_puts(b, ", IP:");
	for (int i = 0; n == 4 && i < 4; i++)
		buf_printf(b, i == 0 ? "%u" : ".%u", p[i]);
	for (int i = 0; n == 16 && i < 16; i += 2)
		buf_printf(b, i == 0 ? "%x" : ":%x",
		           (unsigned)p[i] << 8 | p[i + 1]);
}

static void put_subject(struct buf *b, X509 *cert)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name,
	                                        NULL, NULL);

	put_common_name(b, cert);
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);

		if (g->type == GEN_DNS) {
			buf_puts(b, ", DNS:");
			put_clean(b, ASN1_STRING_get0_data(g->d.dNSName),
			          ASN1_STRING_length(g->d.dNSName));
		} else if (g->type == GEN_IPADD) {
			put_address(b, g->d.iPAddress);
		}
	}
	GENERAL_NAMES_free(names);
}

/* Unix seconds; 0: no time can be read. */
static int64_t seconds_of(const ASN1_TIME *at)
{
	struct tm t = { 0 };

	return ASN1_TIME_to_tm(at, &t) == 1 ? (int64_t)timegm(&t) : 0;
}

/* an identity */

static enum rc check_chain(const struct tls_identity *id, const char *file,
                           struct diag *d)
{
	X509 *below = id->cert;

	for (int i = 0; i < sk_X509_num(id->chain); i++) {
		X509 *x = sk_X509_value(id->chain, i);

		if (X509_check_issued(x, below) != X509_V_OK)
			return fail(d, file, RC_ERULE, "not in order: each "
			            "certificate must be followed by the one "
			            "that issued it");
		below = x;
	}
	return RC_OK;
}

/* The TLS library has rules of its own, such as the size of keys. */
static enum rc check_use(const struct tls_identity *id, const char *file,
                         struct diag *d)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());
	const char *why;
	enum rc rc = RC_OK;

	if (ctx == NULL)
		return RC_ENOMEM;
	if (SSL_CTX_use_cert_and_key(ctx, id->cert, id->key, id->chain, 1)
	    != 1) {
		why = ERR_reason_error_string(ERR_peek_last_error());
		rc = fail(d, file, RC_ERULE, why != NULL ? why
		                                         : "not for TLS");
	}
	SSL_CTX_free(ctx);
	return rc;
}

/* Whether the two go together. */
static enum rc check(const struct tls_identity *id,
                     const struct tls_files *files, struct diag *d)
{
	enum rc rc;

	if (X509_check_private_key(id->cert, id->key) != 1)
		return fail(&d[TLS_KEY], files->key, RC_ERULE,
		            "not the key of the certificate");
	rc = check_chain(id, files->certificate, &d[TLS_CERTIFICATE]);
	if (rc == RC_OK)
		rc = check_use(id, files->certificate, &d[TLS_CERTIFICATE]);
	return rc;
}

/* Each of the files, whatever is wrong with another; the first fault's code. */
static enum rc load(struct tls_identity *id, const struct tls_files *files,
                    struct diag *d)
{
	enum rc rc[TLS_FILES] = { RC_OK };

	rc[TLS_CERTIFICATE] = tls_certs_load(files->certificate, &id->chain,
	                                     &d[TLS_CERTIFICATE]);
	rc[TLS_KEY] = load_key(files->key, &id->key, &d[TLS_KEY]);
	if (files->client_ca != NULL)
		rc[TLS_CLIENT_CA] = tls_store_load(files->client_ca,
		                                   &id->clients,
		                                   &d[TLS_CLIENT_CA]);
	for (int i = 0; i < TLS_FILES; i++)
		if (rc[i] != RC_OK)
			diag_set(&d[i], rc[i], "%s", rc_text(rc[i]));
	if (rc[TLS_CERTIFICATE] == RC_OK) {
		id->cert = sk_X509_shift(id->chain);
		id->begins = seconds_of(X509_get0_notBefore(id->cert));
		id->expires = seconds_of(X509_get0_notAfter(id->cert));
	}
	if (id->cert != NULL && id->key != NULL)
		rc[TLS_KEY] = check(id, files, d);
	for (int i = 0; i < TLS_FILES; i++)
		if (rc[i] != RC_OK)
			return rc[i];
	return RC_OK;
}

/* What bio holds becomes the content of b, allocated once: a buffer that grows
 * leaves copies of a key behind. */
static enum rc take_bio(BIO *bio, struct buf *b)
{
	char *data = NULL;
	long n = BIO_get_mem_data(bio, &data);

	if (n > 0 && buf_room(b, (size_t)n) != NULL)
		buf_add(b, data, (size_t)n);
	return n > 0 ? buf_rc(b) : RC_ENOMEM;
}

/* For libraries that take nothing but texts. */
static enum rc write_pem(struct tls_identity *id)
{
	BIO *certs = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_secmem());
	bool ok = certs != NULL && key != NULL &&
		PEM_write_bio_X509(certs, id->cert) == 1;
	enum rc rc = RC_ENOMEM;

	for (int i = 0; ok && i < sk_X509_num(id->chain); i++)
		ok = PEM_write_bio_X509(certs, sk_X509_value(id->chain, i))
			== 1;
	if (ok && PEM_write_bio_PKCS8PrivateKey(key, id->key, NULL, NULL, 0,
	                                        NULL, NULL) == 1)
		rc = take_bio(certs, &id->cert_pem);
	if (rc == RC_OK)
		rc = take_bio(key, &id->key_pem);
	BIO_free(certs);
	BIO_free(key);
	return rc;
}

enum rc tls_identity_judge(const struct tls_files *files,
                           struct tls_identity **out, struct diag *d)
{
	struct tls_identity *id = calloc(1, sizeof(*id));
	enum rc rc;

	if (id == NULL)
		return RC_ENOMEM;
	atomic_init(&id->refs, 1);
	buf_init(&id->cert_pem, 2 * TLS_FILE_MAX);
	buf_init(&id->key_pem, 2 * TLS_FILE_MAX);
	buf_init(&id->subject, SUBJECT_MAX);
	ERR_set_mark();
	rc = load(id, files, d);
	if (rc == RC_OK)
		rc = write_pem(id);
	if (rc == RC_OK && !tls_print(id->cert, id->print))
		rc = RC_ENOMEM;
	ERR_pop_to_mark();
	if (rc != RC_OK) {
		tls_identity_unref(id);
		return rc;
	}
	put_subject(&id->subject, id->cert);
	*out = id;
	return RC_OK;
}

enum rc tls_identity_load(const struct tls_files *files,
                          struct tls_identity **out, struct diag *d)
{
	struct diag each[TLS_FILES] = { { .line = 0 } };
	enum rc rc = tls_identity_judge(files, out, each);

	for (int i = 0; d != NULL && d->text[0] == '\0' && i < TLS_FILES; i++)
		if (each[i].text[0] != '\0')
			*d = each[i];
	return rc;
}

struct tls_identity *tls_identity_ref(struct tls_identity *id)
{
	atomic_fetch_add_explicit(&id->refs, 1, memory_order_relaxed);
	return id;
}

void tls_identity_unref(struct tls_identity *id)
{
	if (id == NULL || atomic_fetch_sub(&id->refs, 1) > 1)
		return;
	X509_free(id->cert);
	sk_X509_pop_free(id->chain, X509_free);
	EVP_PKEY_free(id->key);
	X509_STORE_free(id->clients);
	buf_free(&id->cert_pem);
	wipe(&id->key_pem);
	buf_free(&id->subject);
	free(id);
}

int64_t tls_identity_expires(const struct tls_identity *id)
{
	return id->expires;
}

bool tls_identity_untimely(const struct tls_identity *id, int64_t now,
                           char dst[TLS_UNTIMELY_TEXT])
{
	bool early = id->begins > now;
	time_t at = (time_t)(early ? id->begins : id->expires);
	struct tm t;

	if (!early && id->expires > now)
		return false;
	if (gmtime_r(&at, &t) == NULL ||
	    strftime(dst, TLS_UNTIMELY_TEXT, early ? "is not valid before "
	             "%Y-%m-%d %H:%M UTC" : "has expired, on %Y-%m-%d", &t)
	    == 0)
		snprintf(dst, TLS_UNTIMELY_TEXT, "is out of its time");
	return true;
}

const char *tls_identity_print(const struct tls_identity *id)
{
	return id->print;
}

const char *tls_identity_subject(const struct tls_identity *id)
{
	return buf_str(&id->subject);
}

/* How many authorities of a are not b's. Looking somebody up sorts a store, so
 * their order says nothing. */
static int lacks(X509_STORE *a, X509_STORE *b)
{
	STACK_OF(X509) *all = a ? X509_STORE_get1_all_certs(a) : NULL;
	STACK_OF(X509) *others = b ? X509_STORE_get1_all_certs(b) : NULL;
	int n = 0;

	for (int i = 0; i < sk_X509_num(all); i++) {
		int k = 0;

		while (k < sk_X509_num(others) &&
		       X509_cmp(sk_X509_value(all, i),
		                sk_X509_value(others, k)) != 0)
			k++;
		n += k >= sk_X509_num(others);
	}
	sk_X509_pop_free(all, X509_free);
	sk_X509_pop_free(others, X509_free);
	return n;
}

bool tls_identity_same(const struct tls_identity *a,
                       const struct tls_identity *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(buf_str(&a->cert_pem), buf_str(&b->cert_pem)) == 0 &&
		!a->clients == !b->clients &&
		lacks(a->clients, b->clients) == 0 &&
		lacks(b->clients, a->clients) == 0;
}

bool tls_identity_use(const struct tls_identity *id, SSL *ssl)
{
	return SSL_use_cert_and_key(ssl, id->cert, id->key, id->chain, 1) == 1;
}

X509_STORE *tls_identity_clients(const struct tls_identity *id)
{
	return id->clients;
}

const char *tls_identity_certificate(const struct tls_identity *id)
{
	return buf_str(&id->cert_pem);
}

const char *tls_identity_key(const struct tls_identity *id)
{
	return buf_str(&id->key_pem);
}

enum rc tls_prints_load(const char *file, char (*print)[TLS_PRINT_TEXT + 1],
                        size_t max, size_t *n, struct diag *d)
{
	STACK_OF(X509) *certs;
	enum rc rc = tls_certs_load(file, &certs, d);
	size_t found;

	if (rc != RC_OK)
		return rc;
	found = (size_t)sk_X509_num(certs);
	if (found > max)
		rc = fail(d, file, RC_ELIMIT, "too many certificates in it");
	for (size_t i = 0; rc == RC_OK && i < found; i++)
		if (!tls_print(sk_X509_value(certs, (int)i), print[i]))
			rc = RC_ENOMEM;
	if (rc == RC_OK)
		*n = found;
	sk_X509_pop_free(certs, X509_free);
	return rc;
}
