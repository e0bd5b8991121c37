/* Certificates and keys in files: what is taken, and how each fault is named. */
#include "common/net/tls.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/certs.h"
#include "tests/suite.h"

static enum rc load(const char *cert, const char *key, const char *ca,
                    struct tls_identity **id, struct diag *d)
{
	const struct tls_files files = {
		certs_file(cert, "pem"), certs_file(key, "key"),
		ca != NULL ? certs_file(ca, "pem") : NULL
	};

	diag_clear(d);
	*id = NULL;
	return tls_identity_load(&files, id, d);
}

static void put_file(const char *name, const char *text, mode_t mode)
{
	FILE *f = fopen(certs_file(name, NULL), "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fputs(text, f);
	CU_ASSERT_EQUAL(fclose(f), 0);
	chmod(certs_file(name, NULL), mode);
}

/* PEM files one after the other. */
static void join(const char *name, const char *const *base, size_t n)
{
	FILE *out = fopen(certs_file(name, NULL), "w");
	int c;

	CU_ASSERT_PTR_NOT_NULL_FATAL(out);
	for (size_t i = 0; i < n; i++) {
		FILE *in = fopen(certs_file(base[i], "pem"), "r");

		CU_ASSERT_PTR_NOT_NULL_FATAL(in);
		while ((c = fgetc(in)) != EOF)
			fputc(c, out);
		fclose(in);
	}
	CU_ASSERT_EQUAL(fclose(out), 0);
}

static void copy_key(const char *from, const char *to)
{
	char text[4096] = "";
	FILE *f = fopen(certs_file(from, "key"), "r");

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	put_file(to, text, 0600);
}

static void a_good_identity_says_who_it_is(void)
{
	struct tls_identity *id, *same;
	char print[2][TLS_PRINT_TEXT + 1];
	size_t n = 0;
	struct diag d;

	CU_ASSERT_EQUAL_FATAL(load("server", "server", "ca", &id, &d), RC_OK);
	CU_ASSERT_STRING_EQUAL(tls_identity_subject(id),
	        "CN=server, DNS:localhost, IP:127.0.0.1, IP:0:0:0:0:0:0:0:1");
	CU_ASSERT(tls_identity_expires(id) > time(NULL) + 29 * 86400);
	CU_ASSERT(tls_identity_expires(id) < time(NULL) + 31 * 86400);
	CU_ASSERT_EQUAL(tls_prints_load(certs_file("server", "pem"), print, 2,
	                                &n, &d), RC_OK);
	CU_ASSERT_EQUAL(n, 1);
	CU_ASSERT_EQUAL(strlen(print[0]), TLS_PRINT_TEXT);
	CU_ASSERT_STRING_EQUAL(print[0], tls_identity_print(id));
	same = tls_identity_ref(id);
	tls_identity_unref(id);
	CU_ASSERT_STRING_EQUAL(print[0], tls_identity_print(same));
	tls_identity_unref(same);
	tls_identity_unref(NULL);
}

static void a_chain_is_taken_in_order_only(void)
{
	static const struct cert certs[] = {
		{ "middle", NULL, NULL, "ca", true, 50 },
		{ "leaf", NULL, "DNS:localhost", "middle", false, 30 }
	};
	static const char *const good[] = { "leaf", "middle", "ca" };
	static const char *const bad[] = { "leaf", "ca", "middle" };
	struct tls_identity *id;
	struct diag d;

	certs_make(&certs[0]);
	certs_make(&certs[1]);
	copy_key("leaf", "chain.key");
	join("chain.pem", good, 3);
	CU_ASSERT_EQUAL(load("chain", "chain", NULL, &id, &d), RC_OK);
	tls_identity_unref(id);
	join("chain.pem", bad, 3);
	CU_ASSERT_EQUAL(load("chain", "chain", NULL, &id, &d), RC_ERULE);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "not in order"));
	CU_ASSERT_STRING_EQUAL(d.file, certs_file("chain.pem", NULL));
}

static void each_fault_has_its_code_and_names_its_file(void)
{
	struct tls_identity *id;
	struct diag d;

	CU_ASSERT_EQUAL(load("nobody", "server", NULL, &id, &d), RC_ENOENT);
	CU_ASSERT_STRING_EQUAL(d.file, certs_file("nobody", "pem"));
	CU_ASSERT_EQUAL(load("server", "nobody", NULL, &id, &d), RC_ENOENT);
	CU_ASSERT_STRING_EQUAL(d.file, certs_file("nobody", "key"));
	CU_ASSERT_EQUAL(load("server", "other", NULL, &id, &d), RC_ERULE);
	CU_ASSERT_STRING_EQUAL(d.file, certs_file("other", "key"));
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "not the key"));
	CU_ASSERT_EQUAL(load("server", "server", "nobody", &id, &d),
	                RC_ENOENT);
	CU_ASSERT_PTR_NULL(id);
}

static void all_faults_are_told_at_once(void)
{
	const struct tls_files files = {
		.certificate = certs_file("nobody", "pem"),
		.key = certs_file("server", "pem"),
		.client_ca = certs_file("server", "key")
	};
	struct diag d[TLS_FILES] = { { .line = 0 } };
	struct tls_identity *id = NULL;

	chmod(certs_file("server", "pem"), 0600);
	CU_ASSERT_EQUAL(tls_identity_judge(&files, &id, d), RC_ENOENT);
	chmod(certs_file("server", "pem"), 0644);
	CU_ASSERT_PTR_NULL(id);
	CU_ASSERT_STRING_EQUAL(d[TLS_CERTIFICATE].file, files.certificate);
	CU_ASSERT_STRING_EQUAL(d[TLS_KEY].file, files.key);
	CU_ASSERT_PTR_NOT_NULL(strstr(d[TLS_KEY].text, "not a private key"));
	CU_ASSERT_STRING_EQUAL(d[TLS_CLIENT_CA].file, files.client_ca);
	CU_ASSERT_PTR_NOT_NULL(strstr(d[TLS_CLIENT_CA].text,
	                              "not certificates"));
}

static void one_out_of_its_time_is_taken_and_said_to_be(void)
{
	char why[TLS_UNTIMELY_TEXT] = "";
	struct tls_identity *id = NULL;
	struct diag d = { .line = 0 };

	CU_ASSERT_EQUAL_FATAL(load("expired", "expired", NULL, &id, &d), RC_OK);
	CU_ASSERT(tls_identity_untimely(id, time(NULL), why));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "has expired, on 20"));
	tls_identity_unref(id);
	CU_ASSERT_EQUAL_FATAL(load("server", "server", NULL, &id, &d), RC_OK);
	CU_ASSERT_FALSE(tls_identity_untimely(id, time(NULL), why));
	CU_ASSERT(tls_identity_untimely(id, 1000000000, why));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "is not valid before 20"));
	tls_identity_unref(id);
}

static void authorities_can_be_checked_alone(void)
{
	struct diag d = { .line = 0 };

	CU_ASSERT_EQUAL(tls_ca_check(certs_file("ca", "pem"), &d), RC_OK);
	CU_ASSERT_EQUAL(tls_ca_check(certs_file("ca", "key"), &d), RC_ESYNTAX);
	CU_ASSERT_STRING_EQUAL(d.file, certs_file("ca", "key"));
}

static void what_is_not_pem_is_refused(void)
{
	static const char cut[] = "-----BEGIN CERTIFICATE-----\nMIIB\n";
	struct tls_identity *id;
	struct diag d;

	put_file("bad.pem", "hello", 0600);
	put_file("bad.key", "hello", 0600);
	CU_ASSERT_EQUAL(load("bad", "server", NULL, &id, &d), RC_ESYNTAX);
	CU_ASSERT_STRING_EQUAL(d.file, certs_file("bad.pem", NULL));
	CU_ASSERT_EQUAL(load("server", "bad", NULL, &id, &d), RC_ESYNTAX);
	CU_ASSERT_STRING_EQUAL(d.file, certs_file("bad.key", NULL));
	CU_ASSERT_EQUAL(load("server", "server", "bad", &id, &d), RC_ESYNTAX);
	put_file("bad.pem", cut, 0600);
	CU_ASSERT_EQUAL(load("bad", "server", NULL, &id, &d), RC_ESYNTAX);
	put_file("bad.pem", "", 0600);
	CU_ASSERT_EQUAL(load("bad", "server", NULL, &id, &d), RC_ESYNTAX);
	/* A key that has a password asks nobody. */
	put_file("bad.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n"
	         "-----END ENCRYPTED PRIVATE KEY-----\n", 0600);
	CU_ASSERT_EQUAL(load("server", "bad", NULL, &id, &d), RC_ESYNTAX);
}

static void a_key_that_others_can_read_is_refused(void)
{
	struct tls_identity *id;
	struct diag d;

	copy_key("server", "open.key");
	CU_ASSERT_EQUAL(load("server", "open", NULL, &id, &d), RC_OK);
	tls_identity_unref(id);
	chmod(certs_file("open", "key"), 0640);
	CU_ASSERT_EQUAL(load("server", "open", NULL, &id, &d), RC_ERULE);
	CU_ASSERT_STRING_EQUAL(d.file, certs_file("open", "key"));
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "chmod"));
}

static void a_file_of_several_has_a_print_for_each(void)
{
	static const char *const all[] = { "client", "alone", "client2" };
	char print[3][TLS_PRINT_TEXT + 1];
	size_t n = 0;
	struct diag d;

	diag_clear(&d);
	join("several.pem", all, 3);
	CU_ASSERT_EQUAL(tls_prints_load(certs_file("several", "pem"), print, 3,
	                                &n, &d), RC_OK);
	CU_ASSERT_EQUAL(n, 3);
	CU_ASSERT_STRING_NOT_EQUAL(print[0], print[1]);
	CU_ASSERT_EQUAL(tls_prints_load(certs_file("several", "pem"), print, 2,
	                                &n, &d), RC_ELIMIT);
	CU_ASSERT_STRING_EQUAL(d.file, certs_file("several", "pem"));
	CU_ASSERT_EQUAL(tls_prints_load(certs_file("server", "key"), print, 3,
	                                &n, NULL), RC_ESYNTAX);
}

static void what_is_new_in_it_is_noticed(void)
{
	static const char *const set[][3] = {
		{ "server", "server", "ca" }, { "server", "server", NULL },
		{ "server", "server", "other" }, { "other", "other", "ca" },
	};
	struct tls_identity *id[4] = { NULL }, *again = NULL;

	for (size_t i = 0; i < 4; i++)
		CU_ASSERT_EQUAL_FATAL(load(set[i][0], set[i][1], set[i][2],
		                           &id[i], NULL), RC_OK);
	CU_ASSERT_EQUAL_FATAL(load("server", "server", "ca", &again, NULL),
	                      RC_OK);
	for (size_t i = 0; i < 4; i++) {
		CU_ASSERT_EQUAL(tls_identity_same(id[i], again), i == 0);
		CU_ASSERT_EQUAL(tls_identity_same(again, id[i]), i == 0);
		CU_ASSERT(!tls_identity_same(id[i], NULL));
		tls_identity_unref(id[i]);
	}
	CU_ASSERT(tls_identity_same(NULL, NULL));
	tls_identity_unref(again);
}

static void a_hostile_name_is_shown_on_one_line(void)
{
	static const struct cert hostile = {
		"evil", "a\nb\x1b[0m", "DNS:localhost", "ca", false, 30
	};
	struct tls_identity *id;
	struct diag d;

	certs_make(&hostile);
	CU_ASSERT_EQUAL_FATAL(load("evil", "evil", NULL, &id, &d), RC_OK);
	CU_ASSERT_STRING_EQUAL(tls_identity_subject(id),
	                       "CN=a?b?[0m, DNS:localhost");
	tls_identity_unref(id);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "a good identity", a_good_identity_says_who_it_is },
		{ "a chain in order", a_chain_is_taken_in_order_only },
		{ "faults are named",
		  each_fault_has_its_code_and_names_its_file },
		{ "all faults at once", all_faults_are_told_at_once },
		{ "out of its time",
		  one_out_of_its_time_is_taken_and_said_to_be },
		{ "authorities alone", authorities_can_be_checked_alone },
		{ "not PEM", what_is_not_pem_is_refused },
		{ "an open key", a_key_that_others_can_read_is_refused },
		{ "several prints", a_file_of_several_has_a_print_for_each },
		{ "a hostile name", a_hostile_name_is_shown_on_one_line },
		{ "what is new in it is noticed",
		  what_is_new_in_it_is_noticed },
		CU_TEST_INFO_NULL
	};
	int rc;

	certs_begin();
	certs_usual();
	rc = suite_run("tls", tests);
	certs_end();
	return rc;
}
