/* Where a proxy subscribes, and what it tells of where it does not. */
#include "proxy/contacts.h"

#include <string.h>

#include "tests/suite.h"

static const char *refused(const char *directory, const char *push)
{
	const struct contact who = { .directory = directory };

	return contacts_push_refused(&who, push);
}

static void says(const char *directory, const char *push, const char *why)
{
	const char *said = refused(directory, push);

	CU_ASSERT_PTR_NOT_NULL_FATAL(said);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, why));
}

static void the_directorys_host_is_followed(void)
{
	CU_ASSERT_PTR_NULL(refused("https://rome.example:8090/directory",
	                           "wss://rome.example:8091/push"));
	CU_ASSERT_PTR_NULL(refused("http://rome.example/directory",
	                           "ws://rome.example:8091/push"));
	CU_ASSERT_PTR_NULL(refused("http://127.0.0.1:8090/directory",
	                           "ws://127.0.0.1:8091/push"));
}

/* Who announces 127.0.0.1 has not set where others find it. */
static void it_says_what_the_publisher_has_to_set(void)
{
	static const char rome[] = "https://rome.example:8090/directory";
	static const char plain[] = "http://rome.example:8090/directory";

	says(rome, "ws://127.0.0.1:8091/push", "set push.listen");
	says(rome, "wss://localhost:1/push", "set push.listen");
	says(plain, "ws://[::1]:8091/push", "set push.listen");
	says(rome, "ws://rome.example/push", "set push.tls there");
}

static void another_host_is_the_operators_own_word(void)
{
	says(
		"https://rome.example/directory", "wss://oslo.example/push",
		"write upstream.push");
	says(
		"https://rome.example/directory", "https://rome.example/push",
		"no push URI");
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "the directory's host is followed",
		  the_directorys_host_is_followed },
		{ "it says what the publisher has to set",
		  it_says_what_the_publisher_has_to_set },
		{ "another host is the operator's own word",
		  another_host_is_the_operators_own_word },
		CU_TEST_INFO_NULL
	};

	return suite_run("contacts", tests);
}
