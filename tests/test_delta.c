/* Two network maps to a delta, and a map and a delta to a map. Maps are written as
 * "pid=prefix,prefix;pid=...". */
#include "common/core/delta.h"
#include "common/core/diff.h"
#include "common/core/patch.h"

#include "tests/suite.h"

static struct netmap *net(const char *spec)
{
	struct netbuild *b = NULL;
	struct netmap *m = NULL;
	struct diag d;

	diag_clear(&d);
	CU_ASSERT_EQUAL_FATAL(netbuild_new(&b), RC_OK);
	while (*spec) {
		size_t name = strcspn(spec, "=");

		CU_ASSERT_EQUAL_FATAL(netbuild_pid(b, spec, name, &d), RC_OK);
		for (spec += name + 1; *spec && *spec != ';';) {
			size_t len = strcspn(spec, ",;");
			struct prefix p;

			CU_ASSERT_EQUAL_FATAL(prefix_read(spec, len,
			        memchr(spec, ':', len) ? FAMILY_IPV6 :
			        FAMILY_IPV4, &p, &d), RC_OK);
			CU_ASSERT_EQUAL_FATAL(netbuild_prefix(b, &p), RC_OK);
			spec += len;
			spec += *spec == ',';
		}
		spec += *spec == ';';
	}
	CU_ASSERT_EQUAL_FATAL(netbuild_end(b, NULL, &m, &d), RC_OK);
	netbuild_free(b);
	return m;
}

static bool nets_equal(const struct netmap *a, const struct netmap *b)
{
	if (!index_equal(netmap_names(a), netmap_names(b)) ||
	    netmap_prefixes(a) != netmap_prefixes(b))
		return false;
	for (size_t i = 0; i < netmap_pids(a); i++) {
		const struct netrow *p = netmap_row(a, i);
		const struct netrow *q = netmap_row(b, i);

		if (p->n4 != q->n4 || p->n6 != q->n6)
			return false;
		for (size_t k = 0; k < p->n4 + p->n6; k++)
			if (prefix_cmp(&p->p[k], &q->p[k]) != 0)
				return false;
	}
	return true;
}

static struct net_delta *net_diff(const char *from, const char *to,
                                  struct delta_count *c)
{
	struct netmap *a = net(from), *b = net(to), *next = NULL;
	struct net_delta *d = NULL;

	CU_ASSERT_EQUAL_FATAL(diff_net(a, b, &d, c), RC_OK);
	CU_ASSERT_EQUAL(patch_net(a, d, &next, NULL), RC_OK);
	CU_ASSERT_TRUE(next && nets_equal(next, b));
	netmap_unref(a);
	netmap_unref(b);
	netmap_unref(next);
	return d;
}

#define REST ";z=0.0.0.0/0,::/0"
#define MANY "192.0.2.0/28,192.0.2.16/28,192.0.2.32/28,192.0.2.48/28," \
	"192.0.2.64/28,192.0.2.80/28,192.0.2.96/28,192.0.2.112/28," \
	"192.0.2.128/28,192.0.2.144/28,192.0.2.160/28,192.0.2.176/28"

static void equal_network_maps_give_an_empty_delta(void)
{
	struct delta_count c;
	struct net_delta *d = net_diff("a=192.0.2.0/24;b=" REST,
	                               "b=;a=192.0.2.0/24" REST, &c);

	CU_ASSERT_EQUAL(d->n, 0);
	CU_ASSERT_EQUAL(c.prefixes_added + c.prefixes_removed, 0);
	net_delta_free(d);
}

static void pids_come_and_go_in_order_of_their_names(void)
{
	struct delta_count c;
	struct net_delta *d = net_diff("b=192.0.2.0/24;d=;e=" REST,
	                               "a=;c=192.0.2.0/24,2001:db8::/32;e="
	                               REST, &c);

	CU_ASSERT_EQUAL_FATAL(d->n, 4);
	CU_ASSERT_STRING_EQUAL(d->pids[0].pid, "a");
	CU_ASSERT_TRUE(d->pids[0].fresh);
	CU_ASSERT_STRING_EQUAL(d->pids[1].pid, "b");
	CU_ASSERT_TRUE(d->pids[1].gone);
	CU_ASSERT_STRING_EQUAL(d->pids[2].pid, "c");
	CU_ASSERT_EQUAL(d->pids[2].family[0].how, FAMILY_WHOLE);
	CU_ASSERT_EQUAL(d->pids[2].family[1].n_put, 1);
	CU_ASSERT_STRING_EQUAL(d->pids[3].pid, "d");
	CU_ASSERT_EQUAL(c.pids_added, 2);
	CU_ASSERT_EQUAL(c.pids_removed, 2);
	CU_ASSERT_EQUAL(c.prefixes_added, 2);	/* one of them moved */
	CU_ASSERT_EQUAL(c.prefixes_removed, 1);
	net_delta_free(d);
}

static void a_small_family_goes_whole(void)
{
	struct net_delta *d = net_diff("a=192.0.2.0/24" REST,
	                               "a=192.0.2.0/25" REST, NULL);

	CU_ASSERT_EQUAL_FATAL(d->n, 1);
	CU_ASSERT_EQUAL(d->pids[0].family[0].how, FAMILY_WHOLE);
	CU_ASSERT_EQUAL(d->pids[0].family[0].n_put, 1);
	CU_ASSERT_EQUAL(d->pids[0].family[1].how, FAMILY_SAME);
	net_delta_free(d);
}

static void a_small_change_of_a_long_array_is_an_edit(void)
{
	struct delta_count c;
	struct net_delta *d = net_diff(
	        "a=" MANY ",203.0.113.0/24" REST,
	        "a=" MANY ",198.51.100.0/24" REST, &c);
	struct family_delta *f;

	CU_ASSERT_EQUAL_FATAL(d->n, 1);
	f = &d->pids[0].family[0];
	CU_ASSERT_EQUAL_FATAL(f->how, FAMILY_EDIT);
	CU_ASSERT_EQUAL(f->n_removed, 1);
	CU_ASSERT_EQUAL(f->removed[0], 12);
	CU_ASSERT_EQUAL(f->n_put, 1);
	CU_ASSERT_EQUAL(f->place[0], 12);
	CU_ASSERT_EQUAL(c.prefixes_added, 1);
	CU_ASSERT_EQUAL(c.prefixes_removed, 1);
	net_delta_free(d);
}

static void removals_descend_and_additions_ascend(void)
{
	struct net_delta *d = net_diff(
	        "a=10.0.0.0/8," MANY "," "203.0.113.0/24" REST,
	        "a=11.0.0.0/8," MANY "," "223.0.113.0/24" REST, NULL);
	struct family_delta *f = &d->pids[0].family[0];

	CU_ASSERT_EQUAL_FATAL(f->how, FAMILY_EDIT);
	CU_ASSERT_EQUAL_FATAL(f->n_removed, 2);
	CU_ASSERT_EQUAL(f->removed[0], 13);
	CU_ASSERT_EQUAL(f->removed[1], 0);
	CU_ASSERT_EQUAL_FATAL(f->n_put, 2);
	CU_ASSERT_EQUAL(f->place[0], 0);
	CU_ASSERT_EQUAL(f->place[1], 13);
	net_delta_free(d);
}

static void a_family_that_goes_or_comes_is_whole(void)
{
	struct net_delta *d = net_diff("a=" MANY ";b=192.0.2.192/28" REST,
	        "a=2001:db8::/32;b=192.0.2.192/28,2001:db8:1::/48" REST, NULL);

	CU_ASSERT_EQUAL_FATAL(d->n, 2);
	CU_ASSERT_EQUAL(d->pids[0].family[0].how, FAMILY_WHOLE);
	CU_ASSERT_EQUAL(d->pids[0].family[0].n_put, 0);
	CU_ASSERT_EQUAL(d->pids[0].family[1].how, FAMILY_WHOLE);
	CU_ASSERT_EQUAL(d->pids[1].family[0].how, FAMILY_SAME);
	CU_ASSERT_EQUAL(d->pids[1].family[1].n_put, 1);
	net_delta_free(d);
}

static void a_patch_shares_the_rows_it_does_not_touch(void)
{
	struct netmap *a = net("a=192.0.2.0/24;b=192.0.2.0/25" REST);
	struct netmap *b = net("a=192.0.2.0/24;b=192.0.2.0/26" REST);
	struct netmap *next = NULL;
	struct net_delta *d = NULL;

	CU_ASSERT_EQUAL_FATAL(diff_net(a, b, &d, NULL), RC_OK);
	CU_ASSERT_EQUAL_FATAL(patch_net(a, d, &next, NULL), RC_OK);
	CU_ASSERT_PTR_EQUAL(netmap_row(next, 0), netmap_row(a, 0));
	CU_ASSERT_PTR_NOT_EQUAL(netmap_row(next, 1), netmap_row(a, 1));
	CU_ASSERT_PTR_EQUAL(netmap_row(next, 2), netmap_row(a, 2));
	CU_ASSERT_PTR_EQUAL(netmap_names(next), netmap_names(a));
	net_delta_free(d);
	netmap_unref(a);
	netmap_unref(b);
	netmap_unref(next);
}

/* Applies one entry that a test filled to "a", "b" and "z". */
static enum rc net_apply(struct net_delta *d, const char *want)
{
	struct netmap *a = net("a=" MANY ";b=" REST), *next = NULL;
	struct diag why;
	enum rc rc;

	diag_clear(&why);
	rc = patch_net(a, d, &next, &why);
	CU_ASSERT_EQUAL(rc == RC_OK, next != NULL);
	CU_ASSERT_TRUE(strstr(why.text, want) != NULL);
	netmap_unref(next);
	netmap_unref(a);
	net_delta_free(d);
	return rc;
}

static struct net_delta *delta_for(const char *pid, struct pid_delta **p)
{
	struct net_delta *d = calloc(1, sizeof(*d));

	CU_ASSERT_PTR_NOT_NULL_FATAL(d);
	*p = net_delta_add(d, pid, strlen(pid));
	CU_ASSERT_PTR_NOT_NULL_FATAL(*p);
	return d;
}

static struct prefix prefix(const char *s)
{
	struct prefix p;

	CU_ASSERT_EQUAL_FATAL(prefix_read(s, strlen(s), strchr(s, ':') ?
	        FAMILY_IPV6 : FAMILY_IPV4, &p, NULL), RC_OK);
	return p;
}

static void pids_must_be_there_to_go_and_absent_to_come(void)
{
	struct pid_delta *p;
	struct net_delta *d = delta_for("c", &p);

	p->gone = true;
	CU_ASSERT_EQUAL(net_apply(d, "not there"), RC_EGAP);
	d = delta_for("b", &p);
	p->fresh = true;
	CU_ASSERT_EQUAL(net_apply(d, "is there"), RC_EGAP);
	d = delta_for("b", &p);		/* a family that is not there goes */
	p->family[1].how = FAMILY_WHOLE;
	CU_ASSERT_EQUAL(net_apply(d, "ipv6"), RC_EGAP);
}

static void places_outside_the_array_are_refused(void)
{
	const uint32_t removed[][2] = { { 12, 0 }, { 3, 3 }, { 2, 5 } };
	struct prefix far = prefix("203.0.113.0/24");
	struct pid_delta *p;
	struct net_delta *d;

	for (size_t i = 0; i < 3; i++) {
		d = delta_for("a", &p);
		p->family[0].how = FAMILY_EDIT;
		for (int k = 0; k < 2; k++)
			CU_ASSERT_EQUAL(family_delta_remove(&p->family[0],
			                removed[i][k]), RC_OK);
		CU_ASSERT_EQUAL(net_apply(d, "PID a"), RC_EGAP);
	}
	d = delta_for("a", &p);
	p->family[0].how = FAMILY_EDIT;
	CU_ASSERT_EQUAL(family_delta_put(&p->family[0], 13, &far), RC_OK);
	CU_ASSERT_EQUAL(net_apply(d, "PID a"), RC_EGAP);
	d = delta_for("a", &p);
	p->family[0].how = FAMILY_EDIT;
	CU_ASSERT_EQUAL(family_delta_put(&p->family[0], 12, &far), RC_OK);
	CU_ASSERT_EQUAL(net_apply(d, ""), RC_OK);
}

static void an_array_that_does_not_ascend_is_refused(void)
{
	struct prefix far = prefix("203.0.113.0/24");
	struct prefix same = prefix("192.0.2.0/28"), six = prefix("::/0");
	struct pid_delta *p;
	struct net_delta *d = delta_for("a", &p);

	p->family[0].how = FAMILY_EDIT;
	CU_ASSERT_EQUAL(family_delta_put(&p->family[0], 0, &far), RC_OK);
	CU_ASSERT_EQUAL(net_apply(d, "ipv4"), RC_EGAP);
	d = delta_for("a", &p);
	p->family[0].how = FAMILY_EDIT;
	CU_ASSERT_EQUAL(family_delta_put(&p->family[0], 1, &same), RC_OK);
	CU_ASSERT_EQUAL(net_apply(d, "ipv4"), RC_EGAP);
	d = delta_for("b", &p);		/* of the other family */
	p->family[0].how = FAMILY_WHOLE;
	CU_ASSERT_EQUAL(family_delta_put(&p->family[0], 0, &six), RC_OK);
	CU_ASSERT_EQUAL(net_apply(d, "ipv4"), RC_EGAP);
}

static void an_edit_never_leaves_an_empty_array(void)
{
	struct pid_delta *p;
	struct net_delta *d = delta_for("a", &p);

	p->family[0].how = FAMILY_EDIT;
	for (uint32_t i = 12; i > 0; i--)
		CU_ASSERT_EQUAL(family_delta_remove(&p->family[0], i - 1),
		                RC_OK);
	CU_ASSERT_EQUAL(net_apply(d, "ipv4"), RC_EGAP);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "equal network maps give an empty delta",
		  equal_network_maps_give_an_empty_delta },
		{ "PIDs come and go in order of their names",
		  pids_come_and_go_in_order_of_their_names },
		{ "a small family goes whole", a_small_family_goes_whole },
		{ "a small change of a long array is an edit",
		  a_small_change_of_a_long_array_is_an_edit },
		{ "removals descend and additions ascend",
		  removals_descend_and_additions_ascend },
		{ "a family that goes or comes is whole",
		  a_family_that_goes_or_comes_is_whole },
		{ "a patch shares the rows it does not touch",
		  a_patch_shares_the_rows_it_does_not_touch },
		{ "PIDs must be there to go and absent to come",
		  pids_must_be_there_to_go_and_absent_to_come },
		{ "places outside the array are refused",
		  places_outside_the_array_are_refused },
		{ "an array that does not ascend is refused",
		  an_array_that_does_not_ascend_is_refused },
		{ "an edit never leaves an empty array",
		  an_edit_never_leaves_an_empty_array },
		CU_TEST_INFO_NULL
	};

	return suite_run("delta", tests);
}
