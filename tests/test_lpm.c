/* Longest prefix match: what one or two prefixes give, and what is refused. */
#include "common/core/lpm.h"

#include "tests/lpm_stage.h"
#include "tests/suite.h"

static void an_empty_set_has_no_address(void)
{
	struct lpm *l = NULL;

	CU_ASSERT_EQUAL_FATAL(lpm_new(NULL, 0, &l), RC_OK);
	CU_ASSERT_EQUAL(find(l, "0.0.0.0"), LPM_NONE);
	CU_ASSERT_EQUAL(find(l, "255.255.255.255"), LPM_NONE);
	CU_ASSERT_EQUAL(find(l, "::"), LPM_NONE);
	CU_ASSERT_EQUAL(find(l, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
	                LPM_NONE);
	CU_ASSERT_TRUE(lpm_bytes(l) > 0);
	CU_ASSERT_TRUE(lpm_bytes(l) < 1024);
	lpm_unref(l);
}

static void a_default_route_has_every_address_of_its_family(void)
{
	struct model m = { .n = 0 };
	struct lpm *l;

	add(&m, "0.0.0.0/0", 7);
	l = made(&m);
	CU_ASSERT_EQUAL(find(l, "0.0.0.0"), 7);
	CU_ASSERT_EQUAL(find(l, "10.1.2.3"), 7);
	CU_ASSERT_EQUAL(find(l, "255.255.255.255"), 7);
	CU_ASSERT_EQUAL(find(l, "::"), LPM_NONE);
	lpm_unref(l);
	m.n = 0;
	add(&m, "::/0", 8);
	l = made(&m);
	CU_ASSERT_EQUAL(find(l, "::"), 8);
	CU_ASSERT_EQUAL(find(l, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), 8);
	CU_ASSERT_EQUAL(find(l, "0.0.0.0"), LPM_NONE);
	lpm_unref(l);
}

static void a_hole_ends_the_value_around_it(void)
{
	struct model m = { .n = 0 };
	struct lpm *l;

	add(&m, "10.0.0.0/8", 1);
	add(&m, "10.1.0.0/16", LPM_NONE);
	add(&m, "10.1.2.0/24", 2);
	add(&m, "2001:db8::/32", 3);
	add(&m, "2001:db8::/64", LPM_NONE);
	l = made(&m);
	CU_ASSERT_EQUAL(find(l, "10.0.255.255"), 1);
	CU_ASSERT_EQUAL(find(l, "10.1.0.0"), LPM_NONE);
	CU_ASSERT_EQUAL(find(l, "10.1.2.3"), 2);
	CU_ASSERT_EQUAL(find(l, "10.1.3.0"), LPM_NONE);
	CU_ASSERT_EQUAL(find(l, "10.2.0.0"), 1);
	CU_ASSERT_EQUAL(find(l, "2001:db8::1"), LPM_NONE);
	CU_ASSERT_EQUAL(find(l, "2001:db8:0:1::"), 3);
	lpm_unref(l);
}

static void families_are_never_mixed(void)
{
	struct model m = { .n = 0 };
	struct lpm *l;

	add(&m, "10.0.0.0/8", 1);
	l = made(&m);
	CU_ASSERT_EQUAL(find(l, "10.0.0.1"), 1);
	CU_ASSERT_EQUAL(find(l, "a00::1"), LPM_NONE);
	CU_ASSERT_EQUAL(find(l, "::ffff:10.0.0.1"), LPM_NONE);
	CU_ASSERT_EQUAL(find(l, "::10.0.0.1"), LPM_NONE);
	lpm_unref(l);
	m.n = 0;
	add(&m, "a00::/8", 2);
	l = made(&m);
	CU_ASSERT_EQUAL(find(l, "a00::1"), 2);
	CU_ASSERT_EQUAL(find(l, "10.0.0.1"), LPM_NONE);
	lpm_unref(l);
}

/* An IPv4 address is four bytes: nothing behind them may be read. */
static void an_ipv4_address_is_four_bytes(void)
{
	uint8_t *addr = malloc(4);
	struct model m = { .n = 0 };
	struct lpm *l;

	CU_ASSERT_PTR_NOT_NULL_FATAL(addr);
	memcpy(addr, "\xc0\x00\x02\x07", 4);
	add(&m, "192.0.2.0/24", 9);
	l = made(&m);
	CU_ASSERT_EQUAL(lpm_find(l, FAMILY_IPV4, addr), 9);
	lpm_unref(l);
	free(addr);
}

static void the_same_prefix_twice_is_refused(void)
{
	struct model m = { .n = 0 };
	struct lpm *l = NULL;

	add(&m, "10.0.0.0/8", 1);
	add(&m, "10.0.0.0/9", 1);
	add(&m, "::/0", 1);
	add(&m, "0.0.0.0/0", 1);
	l = made(&m);
	lpm_unref(l);
	l = NULL;
	add(&m, "10.0.0.0/8", 2);
	CU_ASSERT_EQUAL(lpm_new(m.e, m.n, &l), RC_EEXIST);
	CU_ASSERT_PTR_NULL(l);
	m.e[m.n - 1].value = 1;
	CU_ASSERT_EQUAL(lpm_new(m.e, m.n, &l), RC_EEXIST);
	m.e[m.n - 1].p.addr[3] = 1;	/* host bits do not count */
	CU_ASSERT_EQUAL(lpm_new(m.e, m.n, &l), RC_EEXIST);
	m.n--;
	add(&m, "::/0", 2);
	CU_ASSERT_EQUAL(lpm_new(m.e, m.n, &l), RC_EEXIST);
	m.e[m.n - 1].p.addr[0] = 1;
	m.e[m.n - 1].p.addr[15] = 1;
	CU_ASSERT_EQUAL(lpm_new(m.e, m.n, &l), RC_EEXIST);
	CU_ASSERT_PTR_NULL(l);
}

static void what_is_no_prefix_is_refused(void)
{
	struct model m = { .n = 0 };
	struct lpm *l = NULL;

	add(&m, "10.0.0.0/8", 1);
	m.e[0].p.len = 33;
	CU_ASSERT_EQUAL(lpm_new(m.e, m.n, &l), RC_EINVAL);
	m.e[0].p.family = 2;
	CU_ASSERT_EQUAL(lpm_new(m.e, m.n, &l), RC_EINVAL);
	m.e[0].p.family = FAMILY_IPV6;
	m.e[0].p.len = 129;
	CU_ASSERT_EQUAL(lpm_new(m.e, m.n, &l), RC_EINVAL);
	CU_ASSERT_PTR_NULL(l);
}

static void the_last_reference_frees(void)
{
	struct model m = { .n = 0 };
	struct lpm *l;

	add(&m, "10.0.0.0/8", 1);
	l = made(&m);
	CU_ASSERT_PTR_EQUAL(lpm_ref(l), l);
	lpm_unref(l);
	CU_ASSERT_EQUAL(find(l, "10.9.9.9"), 1);
	lpm_unref(l);
	lpm_unref(NULL);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "an empty set has no address", an_empty_set_has_no_address },
		{ "a default route has every address of its family",
		  a_default_route_has_every_address_of_its_family },
		{ "a hole ends the value around it",
		  a_hole_ends_the_value_around_it },
		{ "families are never mixed", families_are_never_mixed },
		{ "an IPv4 address is four bytes",
		  an_ipv4_address_is_four_bytes },
		{ "the same prefix twice is refused",
		  the_same_prefix_twice_is_refused },
		{ "what is no prefix is refused", what_is_no_prefix_is_refused },
		{ "the last reference frees", the_last_reference_frees },
		CU_TEST_INFO_NULL
	};

	return suite_run("lpm", tests);
}
