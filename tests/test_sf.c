/* Structured fields (RFC 9651): what is read, and the one way it prints. */
#include "common/wire/sf.h"

#include <stdbool.h>

#include "tests/suite.h"

static enum rc item(const char *s, struct sf_bare *out)
{
	return sf_read_item(s, strlen(s), out);
}

static bool text_is(const struct sf_value *v, const char *want)
{
	return v->len == strlen(want) && memcmp(v->text, want, v->len) == 0;
}

static void prints(const char *in, const char *want)
{
	struct buf b = BUF_INIT(1000);
	struct sf_inner list;

	CU_ASSERT_EQUAL(sf_read_inner(in, strlen(in), &list), RC_OK);
	sf_print_inner(&list, &b);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), want);
	buf_free(&b);
}

static void items_are_read_with_their_parameters(void)
{
	struct sf_bare v;
	const struct sf_value *p;

	CU_ASSERT_EQUAL(item(" \"net-main\";tag=\"ab\";size=14800321;on;"
	                     " sha-256=:AAEC:;*x=t/o:k ", &v), RC_OK);
	CU_ASSERT_EQUAL(v.value.kind, SF_STRING);
	CU_ASSERT(text_is(&v.value, "net-main"));
	CU_ASSERT_EQUAL(v.n_params, 5);
	p = sf_param(v.params, v.n_params, "size");
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	CU_ASSERT_EQUAL(p->kind, SF_INTEGER);
	CU_ASSERT_EQUAL(p->integer, 14800321);
	p = sf_param(v.params, v.n_params, "on");
	CU_ASSERT_EQUAL(p->kind, SF_TRUE);
	p = sf_param(v.params, v.n_params, "sha-256");
	CU_ASSERT_EQUAL(p->kind, SF_BYTES);
	CU_ASSERT(text_is(p, "AAEC"));
	p = sf_param(v.params, v.n_params, "*x");
	CU_ASSERT_EQUAL(p->kind, SF_TOKEN);
	CU_ASSERT(text_is(p, "t/o:k"));
	CU_ASSERT_PTR_NULL(sf_param(v.params, v.n_params, "siz"));
	CU_ASSERT_PTR_NULL(sf_param(v.params, v.n_params, "sizes"));
}

static void every_kind_of_value_is_read(void)
{
	struct sf_bare v;

	CU_ASSERT_EQUAL(item("-999999999999999", &v), RC_OK);
	CU_ASSERT_EQUAL(v.value.integer, -999999999999999);
	CU_ASSERT_EQUAL(item("007", &v), RC_OK);
	CU_ASSERT_EQUAL(v.value.integer, 7);
	CU_ASSERT_EQUAL(item("::", &v), RC_OK);
	CU_ASSERT_EQUAL(v.value.kind, SF_BYTES);
	CU_ASSERT_EQUAL(v.value.len, 0);
	CU_ASSERT_EQUAL(item("\"\"", &v), RC_OK);
	CU_ASSERT_EQUAL(v.value.len, 0);
	CU_ASSERT_EQUAL(item("?1", &v), RC_OK);
	CU_ASSERT_EQUAL(v.value.kind, SF_TRUE);
	CU_ASSERT_EQUAL(item("*foo", &v), RC_OK);
	CU_ASSERT_EQUAL(v.value.kind, SF_TOKEN);
}

static void what_is_no_item_is_refused(void)
{
	static const char *const bad[] = {
		"", " ", "-", "1000000000000000", "1.", "1.2345", "1234567890123.1",
		"\"a", "\"a\x7f\"", "\"\xc3\xa9\"", "\"a\\b\"", "a b", "a,b",
		"a;", "a;=1", "a;B=1", "a;b=", "a ;b", "a;b =1", "a;b= 1", ":",
		":AA:", ":AAE=A:", ":AAEC", ":A===:", ":AA-_:", "?2", "?", "(a)",
		"\ta", "a\t", "=", "\"a\"b", "%\"x", "@x", "1e3", "+1",
	};
	struct sf_bare v = { .n_params = 77 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CU_ASSERT_EQUAL(item(bad[i], &v), RC_ESYNTAX);
		CU_ASSERT_EQUAL(v.n_params, 77);
	}
	CU_ASSERT_EQUAL(sf_read_item("a\0", 2, &v), RC_ESYNTAX);
	CU_ASSERT_EQUAL(sf_read_item("\"a\0\"", 4, &v), RC_ESYNTAX);
}

static void good_values_that_no_view_holds_are_refused(void)
{
	static const char *const foreign[] = {
		"1.5", "-0.001", "?0", "@1700000000", "%\"f%c3%bc\"",
		"\"a\\\"b\"", "\"a\\\\\"", "a;b=1.5", "a;b=?0",
	};
	struct sf_bare v;

	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		CU_ASSERT_EQUAL(item(foreign[i], &v), RC_ESYNTAX);
}

static void a_parameter_twice_counts_as_the_last(void)
{
	struct sf_bare v;
	const struct sf_value *p;

	CU_ASSERT_EQUAL(item("a;x=1;y=2;x=3", &v), RC_OK);
	CU_ASSERT_EQUAL(v.n_params, 2);
	p = sf_param(v.params, v.n_params, "x");
	CU_ASSERT_EQUAL(p->integer, 3);
}

static void inner_lists_print_in_one_way(void)
{
	prints("()", "()");
	prints("(   )", "()");
	prints("  ( \"a\"   \"b\";req;  k=\"v\"  );  created=007;alg=\"x\" ",
	       "(\"a\" \"b\";req;k=\"v\");created=7;alg=\"x\"");
	prints("(\"a\");x;y=?1;z=:AAEC:;t=tok;n=-5;n=6",
	       "(\"a\");x;y;z=:AAEC:;t=tok;n=6");
	prints("(tok 5 ?1 :AA==:)", "(tok 5 ?1 :AA==:)");
}

static void what_is_no_inner_list_is_refused(void)
{
	static const char *const bad[] = {
		"", "a", "(", "(\"a\"", "(\"a\"\"b\")", "(\"a\",\"b\")", ")",
		"(\"a\"))", "(\"a\") ;x", "((\"a\"))", "(\ta)", "(\"a\");x=(b)",
		"(1.5)", "(\"a\";x=?0)",
	};
	struct sf_inner list;

	list.n = 55;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(sf_read_inner(bad[i], strlen(bad[i]), &list),
		                RC_ESYNTAX);
	CU_ASSERT_EQUAL(list.n, 55);
}

static void lists_and_parameters_have_ceilings(void)
{
	struct buf b = BUF_INIT(1000);
	struct sf_inner list;
	struct sf_bare v;

	buf_putc(&b, 'a');
	for (int i = 0; i < SF_PARAMS_MAX; i++)
		buf_printf(&b, ";p%d", i);
	CU_ASSERT_EQUAL(item(buf_str(&b), &v), RC_OK);
	CU_ASSERT_EQUAL(v.n_params, SF_PARAMS_MAX);
	buf_puts(&b, ";more");
	CU_ASSERT_EQUAL(item(buf_str(&b), &v), RC_ELIMIT);

	buf_clear(&b);
	buf_putc(&b, '(');
	for (int i = 0; i < SF_LIST_MAX; i++)
		buf_puts(&b, " a");
	buf_putc(&b, ')');
	CU_ASSERT_EQUAL(sf_read_inner(b.data, b.len, &list), RC_OK);
	CU_ASSERT_EQUAL(list.n, SF_LIST_MAX);
	b.data[b.len - 1] = ' ';
	buf_puts(&b, "a)");
	CU_ASSERT_EQUAL(sf_read_inner(b.data, b.len, &list), RC_ELIMIT);
	buf_free(&b);
}

static enum rc member(const char *dict, const char *name, struct buf *out)
{
	const char *text = NULL;
	size_t len = 0;
	enum rc rc = sf_member(dict, strlen(dict), name, &text, &len);

	buf_clear(out);
	if (rc == RC_OK)
		buf_add(out, text, len);
	return rc;
}

static void a_dictionary_gives_the_raw_text_of_a_member(void)
{
	static const char dict[] =
		" sig=(\"a\"  \"b\");x=1 ,\talto=:AAEC:;p , flag;y=2, "
		"odd=1.5;d=@5;s=\"a\\\"b, alto=9\", alto2=?0";
	struct buf b = BUF_INIT(100);

	CU_ASSERT_EQUAL(member(dict, "sig", &b), RC_OK);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), "(\"a\"  \"b\");x=1");
	CU_ASSERT_EQUAL(member(dict, "alto", &b), RC_OK);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), ":AAEC:;p");
	CU_ASSERT_EQUAL(member(dict, "flag", &b), RC_OK);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), ";y=2");
	CU_ASSERT_EQUAL(member(dict, "alto2", &b), RC_OK);
	CU_ASSERT_EQUAL(member(dict, "al", &b), RC_ENOENT);
	CU_ASSERT_EQUAL(member("", "a", &b), RC_ENOENT);
	CU_ASSERT_EQUAL(member("a=1, b=2, a=3", "a", &b), RC_OK);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), "3");
	buf_free(&b);
}

static void what_is_no_dictionary_is_refused(void)
{
	static const char *const bad[] = {
		"a=1,", "a=1,,b=2", ",a=1", "A=1", "a=1 b=2", "a=", "a=(1",
		"a=\"x", "1", "a=1;", "a==1", "a=1\n", "\ta=1",
	};
	struct buf b = BUF_INIT(100);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(member(bad[i], "a", &b), RC_ESYNTAX);
	buf_free(&b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "items are read with their parameters",
		  items_are_read_with_their_parameters },
		{ "every kind of value is read", every_kind_of_value_is_read },
		{ "what is no item is refused", what_is_no_item_is_refused },
		{ "good values that no view holds are refused",
		  good_values_that_no_view_holds_are_refused },
		{ "a parameter twice counts as the last",
		  a_parameter_twice_counts_as_the_last },
		{ "inner lists print in one way", inner_lists_print_in_one_way },
		{ "what is no inner list is refused",
		  what_is_no_inner_list_is_refused },
		{ "lists and parameters have ceilings",
		  lists_and_parameters_have_ceilings },
		{ "a dictionary gives the raw text of a member",
		  a_dictionary_gives_the_raw_text_of_a_member },
		{ "what is no dictionary is refused",
		  what_is_no_dictionary_is_refused },
		CU_TEST_INFO_NULL
	};

	return suite_run("sf", tests);
}
