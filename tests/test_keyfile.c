/* Secrets in files: what is taken, what is refused, what is never written. */
#include "common/sys/keyfile.h"

#include <sys/stat.h>
#include <unistd.h>

#include "common/core/sign.h"
#include "common/sys/file.h"
#include "tests/suite.h"

static char dir[] = "/tmp/test_keyfile.XXXXXX";

static char *put(const char *name, const char *text, mode_t mode)
{
	char *p = NULL;

	CU_ASSERT_EQUAL_FATAL(file_path_join(dir, name, &p), RC_OK);
	if (text)
		CU_ASSERT_EQUAL_FATAL(file_replace(p, text, strlen(text), mode,
						   NULL), RC_OK);
	return p;
}

static void drop(char *p)
{
	unlink(p);
	free(p);
}

static void a_key_that_was_made_is_loaded_again(void)
{
	struct sign_key *a = NULL, *b = NULL;
	char *p = put("k.pem", NULL, 0);
	struct stat st;

	CU_ASSERT_EQUAL_FATAL(keyfile_make(p, &a, NULL), RC_OK);
	CU_ASSERT_EQUAL(stat(p, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
	CU_ASSERT_EQUAL_FATAL(keyfile_load(p, &b, NULL), RC_OK);
	CU_ASSERT_STRING_EQUAL(sign_key_public(a)->id,
			       sign_key_public(b)->id);
	sign_key_free(a);
	sign_key_free(b);
	drop(p);
}

static void a_key_is_never_overwritten(void)
{
	struct sign_key *k = NULL, *same = NULL;
	struct diag d = { .line = 0 };
	char *p = put("k.pem", NULL, 0);

	CU_ASSERT_EQUAL_FATAL(keyfile_make(p, &k, NULL), RC_OK);
	CU_ASSERT_EQUAL(keyfile_make(p, &same, &d), RC_EEXIST);
	CU_ASSERT_PTR_NULL(same);
	CU_ASSERT_EQUAL_FATAL(keyfile_load(p, &same, NULL), RC_OK);
	CU_ASSERT_STRING_EQUAL(sign_key_public(k)->id,
			       sign_key_public(same)->id);
	sign_key_free(k);
	sign_key_free(same);
	drop(p);
}

static void a_key_that_others_can_read_is_refused(void)
{
	struct sign_key *k = NULL, *none = NULL;
	struct diag d = { .line = 0 };
	char *p = put("k.pem", NULL, 0);

	CU_ASSERT_EQUAL_FATAL(keyfile_make(p, &k, NULL), RC_OK);
	CU_ASSERT_EQUAL(chmod(p, 0644), 0);
	CU_ASSERT_EQUAL(keyfile_load(p, &none, &d), RC_ERULE);
	CU_ASSERT_PTR_NULL(none);
	CU_ASSERT_STRING_EQUAL(d.file, p);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "0644"));
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "chmod 600"));
	sign_key_free(k);
	drop(p);
}

static void what_is_no_key_is_refused(void)
{
	struct sign_key *k = NULL;
	struct diag d = { .line = 0 };
	char *p = put("k.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n"
		      "-----END PRIVATE KEY-----\n", 0600);

	CU_ASSERT_EQUAL(keyfile_load(p, &k, &d), RC_ESYNTAX);
	CU_ASSERT_PTR_NULL(k);
	CU_ASSERT_STRING_EQUAL(d.file, p);
	CU_ASSERT_PTR_NULL(strstr(d.text, "AAAA"));
	drop(p);
	p = put("gone.pem", NULL, 0);
	CU_ASSERT_EQUAL(keyfile_load(p, &k, NULL), RC_ENOENT);
	free(p);
	CU_ASSERT_EQUAL(keyfile_load(dir, &k, NULL), RC_ERULE);
}

static void token_is(const char *text, mode_t mode, enum rc want,
		     const char *value)
{
	struct diag d = { .line = 0 };
	char *p = put("token", text, mode), *t = NULL;

	CU_ASSERT_EQUAL(keyfile_token(p, &t, &d), want);
	if (value) {
		CU_ASSERT_PTR_NOT_NULL_FATAL(t);
		CU_ASSERT_STRING_EQUAL(t, value);
	} else {
		CU_ASSERT_PTR_NULL(t);
		CU_ASSERT_STRING_EQUAL(d.file, p);
	}
	keyfile_token_free(t);
	drop(p);
}

static void a_token_is_one_trimmed_printable_line(void)
{
	char big[KEYFILE_TOKEN_MAX + 2];

	token_is("  0123456789abcdef\r\n", 0600, RC_OK, "0123456789abcdef");
	token_is("0123456789abcde", 0600, RC_ESYNTAX, NULL);
	token_is("0123456789abcdef\nshort\n", 0600, RC_ESYNTAX, NULL);
	token_is("0123456789 abcdef", 0600, RC_ESYNTAX, NULL);
	token_is("0123456789\xc3\xa4""abcdef", 0600, RC_ESYNTAX, NULL);
	token_is("", 0600, RC_ESYNTAX, NULL);
	memset(big, 'x', sizeof(big) - 1);
	big[KEYFILE_TOKEN_MAX + 1] = '\0';
	token_is(big, 0600, RC_ESYNTAX, NULL);
	big[KEYFILE_TOKEN_MAX] = '\0';
	token_is(big, 0600, RC_OK, big);
	token_is("0123456789abcdef", 0660, RC_ERULE, NULL);
}

static void a_file_holds_up_to_four_tokens(void)
{
	struct keyfile_tokens t = { .n = 0 };
	struct diag d = { .line = 0 };
	char *p = put("token", "\n first-0123456789 \r\n\nsecond-0123456789\n"
		      "third-0123456789\nfourth-0123456789", 0600);

	CU_ASSERT_EQUAL_FATAL(keyfile_tokens(p, &t, &d), RC_OK);
	CU_ASSERT_EQUAL_FATAL(t.n, 4);
	CU_ASSERT_STRING_EQUAL(t.text[0], "first-0123456789");
	CU_ASSERT_STRING_EQUAL(t.text[1], "second-0123456789");
	CU_ASSERT_STRING_EQUAL(t.text[3], "fourth-0123456789");
	keyfile_tokens_free(&t);
	CU_ASSERT_EQUAL(t.n, 0);
	drop(p);
	p = put("token", "a-0123456789abcde\nb-0123456789abcde\n"
		"c-0123456789abcde\nd-0123456789abcde\n"
		"e-0123456789abcde\n", 0600);
	CU_ASSERT_EQUAL(keyfile_tokens(p, &t, &d), RC_ESYNTAX);
	CU_ASSERT_EQUAL(t.n, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "more than 4"));
	CU_ASSERT_PTR_NULL(strstr(d.text, "abcde"));
	drop(p);
}

static void the_first_token_is_the_one_to_show(void)
{
	token_is("first-0123456789\nsecond-0123456789\n", 0600, RC_OK,
		 "first-0123456789");
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "a key that was made is loaded again",
		  a_key_that_was_made_is_loaded_again },
		{ "a key is never overwritten", a_key_is_never_overwritten },
		{ "a key that others can read is refused",
		  a_key_that_others_can_read_is_refused },
		{ "what is no key is refused", what_is_no_key_is_refused },
		{ "a token is one trimmed printable line",
		  a_token_is_one_trimmed_printable_line },
		{ "a file holds up to four tokens",
		  a_file_holds_up_to_four_tokens },
		{ "the first token is the one to show",
		  the_first_token_is_the_one_to_show },
		CU_TEST_INFO_NULL
	};
	int rc;

	if (!mkdtemp(dir))
		return 99;
	rc = suite_run("keyfile", tests);
	rmdir(dir);
	return rc;
}
