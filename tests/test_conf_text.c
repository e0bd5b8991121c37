/* Texts of settings that mean more than text. */
#include "common/sys/conf_text.h"

#include <netinet/in.h>

#include "tests/suite.h"

static void listen_is(const char *text, enum rc want, int family, int port,
		      int wild_loop)
{
	struct conf_listen l = { .len = 0 };

	CU_ASSERT_EQUAL(conf_listen_parse(text, &l), want);
	if (want != RC_OK)
		return;
	CU_ASSERT_EQUAL(l.addr.ss_family, family);
	CU_ASSERT_EQUAL(l.port, port);
	CU_ASSERT_EQUAL(l.wildcard * 2 + l.loopback, wild_loop);
}

static void addresses_are_numeric_and_classified(void)
{
	listen_is("0.0.0.0:8080", RC_OK, AF_INET, 8080, 2);
	listen_is("127.9.0.1:0", RC_OK, AF_INET, 0, 1);
	listen_is("192.0.2.1:65535", RC_OK, AF_INET, 65535, 0);
	listen_is("[::]:1", RC_OK, AF_INET6, 1, 2);
	listen_is("[::1]:1", RC_OK, AF_INET6, 1, 1);
	listen_is("[2001:db8::1]:1", RC_OK, AF_INET6, 1, 0);
	listen_is("192.0.2.1:65536", RC_ERULE, 0, 0, 0);
	listen_is("192.0.2.1", RC_ERULE, 0, 0, 0);
	listen_is("192.0.2.1:", RC_ERULE, 0, 0, 0);
	listen_is("192.0.2.1:+5", RC_ERULE, 0, 0, 0);
	listen_is(":80", RC_ERULE, 0, 0, 0);
	listen_is("::1:80", RC_ERULE, 0, 0, 0);
	listen_is("[::1:80", RC_ERULE, 0, 0, 0);
	listen_is("[]:80", RC_ERULE, 0, 0, 0);
	listen_is("[127.0.0.1]:80", RC_ERULE, 0, 0, 0);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "addresses are numeric and classified",
		  addresses_are_numeric_and_classified },
		CU_TEST_INFO_NULL
	};

	return suite_run("conf_text", tests);
}
