/* Deltas as patches: the exact bytes written, and what a reader refuses. */
#include "common/wire/delta_json.h"

#include "common/wire/media.h"
#include "tests/suite.h"

#define MAX (1u << 20)

static struct prefix prefix(const char *s)
{
	struct prefix p;

	CU_ASSERT_EQUAL_FATAL(prefix_read(s, strlen(s), strchr(s, ':') ?
	        FAMILY_IPV6 : FAMILY_IPV4, &p, NULL), RC_OK);
	return p;
}

static struct pid_delta *pid(struct net_delta *d, const char *name)
{
	struct pid_delta *p = net_delta_add(d, name, strlen(name));

	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	return p;
}

static void put(struct family_delta *f, enum family_change how, uint32_t place,
                const char *s)
{
	struct prefix p = prefix(s);

	f->how = how;
	CU_ASSERT_EQUAL(family_delta_put(f, place, &p), RC_OK);
}

static struct net_delta *net_delta(const char *to)
{
	struct net_delta *d = calloc(1, sizeof(*d));

	CU_ASSERT_PTR_NOT_NULL_FATAL(d);
	memcpy(d->from, "t1", 3);
	memcpy(d->to, to, strlen(to) + 1);
	return d;
}

static struct cost_delta *cost_delta(const char *to, const char *net_tag)
{
	struct cost_delta *d = calloc(1, sizeof(*d));

	CU_ASSERT_PTR_NOT_NULL_FATAL(d);
	memcpy(d->from, "t1", 3);
	memcpy(d->to, to, strlen(to) + 1);
	memcpy(d->net_tag, net_tag, strlen(net_tag) + 1);
	return d;
}

/* Writes d as want, reads want, and writes the same again. */
static void net_is(struct net_delta *d, const char *media, const char *want)
{
	struct buf a = BUF_INIT(MAX), b = BUF_INIT(MAX);
	struct net_delta *back = NULL;
	struct diag why;

	diag_clear(&why);
	CU_ASSERT_STRING_EQUAL(delta_json_net_media(d), media);
	CU_ASSERT_EQUAL(delta_json_net(d, &a), RC_OK);
	CU_ASSERT_STRING_EQUAL(buf_str(&a), want);
	CU_ASSERT_EQUAL_FATAL(delta_json_net_read(media, a.data, a.len, "t1",
	                                          &back, &why), RC_OK);
	CU_ASSERT_STRING_EQUAL(back->from, "t1");
	CU_ASSERT_STRING_EQUAL(back->to, d->to);
	CU_ASSERT_EQUAL(delta_json_net(back, &b), RC_OK);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), want);
	net_delta_free(back);
	net_delta_free(d);
	buf_free(&a);
	buf_free(&b);
}

static void cost_is(struct cost_delta *d, const char *want)
{
	struct buf a = BUF_INIT(MAX), b = BUF_INIT(MAX);
	struct cost_delta *back = NULL;
	struct diag why;

	diag_clear(&why);
	CU_ASSERT_EQUAL(delta_json_cost(d, "net", &a), RC_OK);
	CU_ASSERT_STRING_EQUAL(buf_str(&a), want);
	CU_ASSERT_EQUAL_FATAL(delta_json_cost_read(a.data, a.len, "t1", &back,
	                                           &why), RC_OK);
	CU_ASSERT_STRING_EQUAL(back->from, "t1");
	CU_ASSERT_STRING_EQUAL(back->net_tag, d->net_tag);
	CU_ASSERT_EQUAL(delta_json_cost(back, "net", &b), RC_OK);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), want);
	cost_delta_free(back);
	cost_delta_free(d);
	buf_free(&a);
	buf_free(&b);
}

static void cell(struct cost_delta *d, const char *dst, double v)
{
	CU_ASSERT_EQUAL(cost_delta_cell(d, dst, strlen(dst), v), RC_OK);
}

static void row(struct cost_delta *d, const char *src, bool gone)
{
	CU_ASSERT_EQUAL(cost_delta_row(d, src, strlen(src), gone), RC_OK);
}

static void a_cost_map_patch_is_a_canonical_merge_patch(void)
{
	struct cost_delta *d = cost_delta("t\"2", "n2");

	row(d, "a", false);
	cell(d, "a", 0.1);
	cell(d, "b", COST_NONE);
	cell(d, "z", 1e21);
	row(d, "b", true);
	row(d, "c:1", false);
	cell(d, "a", 0);
	cost_is(d, "{\"cost-map\":{\"a\":{\"a\":0.1,\"b\":null,\"z\":1e+21},"
	        "\"b\":null,\"c:1\":{\"a\":0}},\"meta\":{\"dependent-vtags\":"
	        "[{\"resource-id\":\"net\",\"tag\":\"n2\"}],"
	        "\"vtag\":{\"tag\":\"t\\\"2\"}}}");
}

static void what_did_not_change_is_left_out(void)
{
	cost_is(cost_delta("t2", "n2"), "{\"meta\":{\"dependent-vtags\":"
	        "[{\"resource-id\":\"net\",\"tag\":\"n2\"}],"
	        "\"vtag\":{\"tag\":\"t2\"}}}");
	cost_is(cost_delta("t2", ""), "{\"meta\":{\"vtag\":{\"tag\":\"t2\"}}}");
	net_is(net_delta("t2"), MEDIA_MERGE_PATCH,
	       "{\"meta\":{\"vtag\":{\"tag\":\"t2\"}}}");
}

static void a_delta_without_tags_is_not_written(void)
{
	struct buf b = BUF_INIT(MAX);
	struct net_delta *n = net_delta("");
	struct cost_delta *c = cost_delta("", "");

	CU_ASSERT_EQUAL(delta_json_net(n, &b), RC_EINVAL);
	CU_ASSERT_EQUAL(delta_json_cost(c, "net", &b), RC_EINVAL);
	memcpy(c->to, "t2", 3);
	memcpy(c->net_tag, "n2", 3);
	CU_ASSERT_EQUAL(delta_json_cost(c, NULL, &b), RC_EINVAL);
	CU_ASSERT_EQUAL(b.len, 0);
	net_delta_free(n);
	cost_delta_free(c);
}

static void whole_families_are_a_merge_patch(void)
{
	struct net_delta *d = net_delta("t2");
	struct pid_delta *p = pid(d, "a");

	put(&p->family[0], FAMILY_WHOLE, 0, "192.0.2.0/25");
	put(&p->family[0], FAMILY_WHOLE, 0, "192.0.2.128/25");
	p->family[1].how = FAMILY_WHOLE;
	pid(d, "b")->gone = true;
	pid(d, "c")->fresh = true;
	p = pid(d, "d");
	p->fresh = true;
	put(&p->family[1], FAMILY_WHOLE, 0, "2001:db8::/32");
	net_is(d, MEDIA_MERGE_PATCH, "{\"meta\":{\"vtag\":{\"tag\":\"t2\"}},"
	       "\"network-map\":{\"a\":{\"ipv4\":[\"192.0.2.0/25\","
	       "\"192.0.2.128/25\"],\"ipv6\":null},\"b\":null,\"c\":{},"
	       "\"d\":{\"ipv6\":[\"2001:db8::/32\"]}}}");
}

static void an_edit_is_a_json_patch(void)
{
	struct net_delta *d = net_delta("t2");
	struct pid_delta *p = pid(d, "a");

	p->family[0].how = FAMILY_EDIT;
	CU_ASSERT_EQUAL(family_delta_remove(&p->family[0], 12), RC_OK);
	CU_ASSERT_EQUAL(family_delta_remove(&p->family[0], 0), RC_OK);
	put(&p->family[0], FAMILY_EDIT, 0, "10.0.0.0/8");
	put(&p->family[0], FAMILY_EDIT, 4294967295u, "192.0.2.0/24");
	p->family[1].how = FAMILY_WHOLE;
	pid(d, "b")->gone = true;
	pid(d, "c")->fresh = true;
	put(&pid(d, "d")->family[1], FAMILY_WHOLE, 0, "2001:db8::/32");
	net_is(d, MEDIA_JSON_PATCH, "["
	       "{\"op\":\"replace\",\"path\":\"/meta/vtag/tag\","
	       "\"value\":\"t2\"},"
	       "{\"op\":\"remove\",\"path\":\"/network-map/a/ipv4/12\"},"
	       "{\"op\":\"remove\",\"path\":\"/network-map/a/ipv4/0\"},"
	       "{\"op\":\"add\",\"path\":\"/network-map/a/ipv4/0\","
	       "\"value\":\"10.0.0.0/8\"},"
	       "{\"op\":\"add\",\"path\":\"/network-map/a/ipv4/4294967295\","
	       "\"value\":\"192.0.2.0/24\"},"
	       "{\"op\":\"remove\",\"path\":\"/network-map/a/ipv6\"},"
	       "{\"op\":\"remove\",\"path\":\"/network-map/b\"},"
	       "{\"op\":\"add\",\"path\":\"/network-map/c\",\"value\":{}},"
	       "{\"op\":\"add\",\"path\":\"/network-map/d/ipv6\","
	       "\"value\":[\"2001:db8::/32\"]}]");
}

static enum rc net_read(const char *media, const char *text,
                        struct net_delta **out, struct diag *why)
{
	diag_clear(why);
	return delta_json_net_read(media, text, strlen(text), "t1", out, why);
}

static enum rc cost_read(const char *text, struct cost_delta **out,
                         struct diag *why)
{
	diag_clear(why);
	return delta_json_cost_read(text, strlen(text), "t1", out, why);
}

static void members_of_objects_come_in_any_order(void)
{
	struct cost_delta *c = NULL;
	struct net_delta *n = NULL;
	struct diag why;

	CU_ASSERT_EQUAL_FATAL(cost_read(" {\"meta\" : {\"vtag\":\n{\"tag\" :"
	        "\"t2\"} },\t\"cost-map\":{\"b\":{\"z\":1.0,\"a\":-0,\"b\":null"
	        "},\"a\":null}} ", &c, &why), RC_OK);
	CU_ASSERT_EQUAL_FATAL(c->n_rows, 2);
	CU_ASSERT_TRUE(c->rows[0].gone);
	CU_ASSERT_EQUAL(c->rows[1].n, 3);
	cost_is(c, "{\"cost-map\":{\"a\":null,\"b\":{\"a\":0,\"b\":null,"
	        "\"z\":1}},\"meta\":{\"vtag\":{\"tag\":\"t2\"}}}");

	CU_ASSERT_EQUAL_FATAL(net_read(MEDIA_MERGE_PATCH, "{\"network-map\":"
	        "{\"b\":{\"ipv6\":null,\"ipv4\":[\"192.0.2.0\\/24\"]},\"a\":{}}"
	        ",\"meta\":{\"vtag\":{\"tag\":\"t2\"}}}", &n, &why), RC_OK);
	net_is(n, MEDIA_MERGE_PATCH, "{\"meta\":{\"vtag\":{\"tag\":\"t2\"}},"
	       "\"network-map\":{\"a\":{},\"b\":{\"ipv4\":[\"192.0.2.0/24\"],"
	       "\"ipv6\":null}}}");

	CU_ASSERT_EQUAL_FATAL(net_read(MEDIA_JSON_PATCH, "[ {\"value\": \"t2\""
	        ", \"path\":\"/meta/vtag/tag\",\"op\":\"replace\"},"
	        "{\"value\":\"192.0.2.0/24\",\"op\":\"add\",\"path\":"
	        "\"/network-map/a/ipv4/7\"}]", &n, &why), RC_OK);
	CU_ASSERT_EQUAL(n->pids[0].family[0].place[0], 7);
	net_delta_free(n);
}

#define META "\"meta\":{\"vtag\":{\"tag\":\"t2\"}}"

static void cost_map_patches_outside_the_rules_are_refused(void)
{
	static const char *const bad[] = {
		"", "[]", "null", "{}", "{\"meta\":{}}", "{" META "} {}",
		"{\"meta\":{\"vtag\":{\"tag\":null}}}",
		"{\"meta\":{\"vtag\":{\"tag\":\"\"}}}",
		"{\"meta\":{\"vtag\":{}}}",
		"{\"meta\":{\"vtag\":{\"tag\":\"a\",\"tag\":\"a\"}}}",
		"{\"meta\":{\"vtag\":{\"tag\":\"a\",\"resource-id\":\"c\"}}}",
		"{\"meta\":{\"vtag\":{\"tag\":\"a b\"}}}",
		"{" META "," META "}",
		"{" META ",\"x\":1}",
		"{" META ",\"network-map\":{}}",
		"{" META ",\"cost-map\":null}",
		"{" META ",\"cost-map\":{},\"cost-map\":{}}",
		"{" META ",\"cost-map\":{\"a\":{}}}",
		"{" META ",\"cost-map\":{\"a\":5}}",
		"{" META ",\"cost-map\":{\"a\":{\"b\":\"5\"}}}",
		"{" META ",\"cost-map\":{\"a\":{\"b\":1e400}}}",
		"{" META ",\"cost-map\":{\"a\":{\"b\":01}}}",
		"{" META ",\"cost-map\":{\"a\":{\"b/c\":1}}}",
		"{" META ",\"cost-map\":{\"\":{\"b\":1}}}",
		"{" META ",\"cost-map\":{\"a\":{\"b\":1,\"b\":1}}}",
		"{" META ",\"cost-map\":{\"a\":{\"b\":1,\"a\":2,\"b\":1}}}",
		"{" META ",\"cost-map\":{\"a\":{\"b\":1},\"a\":{\"c\":1}}}",
		"{" META ",\"cost-map\":{\"b\":null,\"a\":null,\"b\":null}}",
		"{\"meta\":{\"vtag\":{\"tag\":\"a\"},\"dependent-vtags\":[]}}",
		"{\"meta\":{\"vtag\":{\"tag\":\"a\"},\"dependent-vtags\":"
			"[{\"tag\":\"n\"}]}}",
		"{\"meta\":{\"vtag\":{\"tag\":\"a\"},\"dependent-vtags\":"
			"[{\"resource-id\":\"net\"}]}}",
		"{\"meta\":{\"vtag\":{\"tag\":\"a\"},\"dependent-vtags\":"
			"[{\"resource-id\":\"n t\",\"tag\":\"n\"}]}}",
		"{\"meta\":{\"vtag\":{\"tag\":\"a\"},\"dependent-vtags\":"
			"[{\"resource-id\":\"n\",\"tag\":\"n\"},"
			"{\"resource-id\":\"n\",\"tag\":\"n\"}]}}",
		"{\"meta\":{\"vtag\":{\"tag\":\"a\"},\"cost-type\":{}}}",
	};
	struct cost_delta *d = NULL;
	struct diag why;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		enum rc rc = cost_read(bad[i], &d, &why);

		CU_ASSERT_TRUE(rc == RC_ESYNTAX || rc == RC_ERULE);
		CU_ASSERT_PTR_NULL(d);
		CU_ASSERT_NOT_EQUAL(why.text[0], '\0');
		if (d)
			printf("taken: %s\n", bad[i]);
	}
}

static void network_map_patches_outside_the_rules_are_refused(void)
{
	static const char *const bad[] = {
		"", "[]", "{}", "{\"network-map\":{}}",
		"{" META ",\"network-map\":null}",
		"{" META ",\"network-map\":{\"a\":[]}}",
		"{" META ",\"network-map\":{\"a/b\":null}}",
		"{" META ",\"network-map\":{\"a\":null,\"a\":null}}",
		"{" META ",\"network-map\":{\"b\":{},\"a\":{},\"b\":{}}}",
		"{" META ",\"network-map\":{\"a\":{\"ipv4\":[]}}}",
		"{" META ",\"network-map\":{\"a\":{\"ipv5\":null}}}",
		"{" META ",\"network-map\":{\"a\":{\"ipv4\":null,"
			"\"ipv4\":null}}}",
		"{" META ",\"network-map\":{\"a\":{\"ipv4\":\"10.0.0.0/8\"}}}",
		"{" META ",\"network-map\":{\"a\":{\"ipv4\":[null]}}}",
		"{" META ",\"network-map\":{\"a\":{\"ipv4\":[\"::/0\"]}}}",
		"{" META ",\"network-map\":{\"a\":{\"ipv4\":[\"10.0.0.1/8\"]}}}",
		"{" META ",\"network-map\":{\"a\":{\"ipv6\":[\"0::/0\"]}}}",
		"{" META ",\"network-map\":{\"a\":{\"ipv6\":[\"2001:DB8::/32\"]"
			"}}}",
		"{" META ",\"network-map\":{\"a\":{\"ipv4\":[\"11.0.0.0/8\","
			"\"10.0.0.0/8\"]}}}",
		"{" META ",\"network-map\":{\"a\":{\"ipv4\":[\"10.0.0.0/8\","
			"\"10.0.0.0/8\"]}}}",
		"{\"meta\":{\"vtag\":{\"tag\":\"t\"},\"dependent-vtags\":[]}}",
	};
	struct net_delta *d = NULL;
	struct diag why;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		enum rc rc = net_read(MEDIA_MERGE_PATCH, bad[i], &d, &why);

		CU_ASSERT_TRUE(rc == RC_ESYNTAX || rc == RC_ERULE);
		CU_ASSERT_PTR_NULL(d);
		CU_ASSERT_NOT_EQUAL(why.text[0], '\0');
		if (d)
			printf("taken: %s\n", bad[i]);
	}
	CU_ASSERT_EQUAL(net_read("application/json", "{" META "}", &d, &why),
	                RC_ERULE);
}

#define TAG "{\"op\":\"replace\",\"path\":\"/meta/vtag/tag\",\"value\":\"t\"}"
#define OP(op, path) "{\"op\":\"" op "\",\"path\":\"/network-map/" path "\"}"
#define ADD(path, value) "{\"op\":\"add\",\"path\":\"/network-map/" path \
	"\",\"value\":" value "}"

static void operations_outside_the_rules_are_refused(void)
{
	static const char *const bad[] = {
		"", "{}", "[]", "[null]", "[" TAG "] 1", "[" TAG "," TAG "]",
		"[" OP("remove", "a") "," TAG "]",
		"[{\"op\":\"replace\",\"path\":\"/meta/vtag/tag\"}]",
		"[{\"op\":\"replace\",\"path\":\"/meta/vtag/tag\","
			"\"value\":\"\"}]",
		"[{\"op\":\"replace\",\"path\":\"\",\"value\":{}}]",
		"[{\"op\":\"add\",\"path\":\"/meta/vtag/tag\","
			"\"value\":\"t\"}]",
		"[" TAG ",{\"op\":\"remove\"}]",
		"[" TAG ",{\"path\":\"/network-map/a\"}]",
		"[" TAG ",{\"op\":\"remove\",\"op\":\"remove\","
			"\"path\":\"/network-map/a\"}]",
		"[" TAG ",{\"op\":\"remove\",\"path\":\"/network-map/a\","
			"\"from\":\"/x\"}]",
		"[" TAG ",{\"op\":\"remove\",\"path\":\"/network-map/a\","
			"\"value\":1}]",
		"[" TAG ",{\"op\":\"remove\",\"path\":\"/network-map/a\\u0000b"
			"\"}]",
		"[" TAG ",{\"op\":\"test\",\"path\":\"/network-map/a\","
			"\"value\":{}}]",
		"[" TAG ",{\"op\":\"replace\",\"path\":\"/network-map/a\","
			"\"value\":{}}]",
		"[" TAG ",{\"op\":\"remove\",\"path\":\"/network-map\"}]",
		"[" TAG ",{\"op\":\"remove\",\"path\":\"/meta\"}]",
		"[" TAG "," OP("add", "a") "]",
		"[" TAG "," OP("remove", "") "]",
		"[" TAG "," OP("remove", "a~1b") "]",
		"[" TAG "," OP("remove", "a/") "]",
		"[" TAG "," OP("remove", "a/ipv5") "]",
		"[" TAG "," OP("remove", "a/ipv4/") "]",
		"[" TAG "," OP("remove", "a/ipv4/-") "]",
		"[" TAG "," OP("remove", "a/ipv4/-1") "]",
		"[" TAG "," OP("remove", "a/ipv4/01") "]",
		"[" TAG "," OP("remove", "a/ipv4/1e0") "]",
		"[" TAG "," OP("remove", "a/ipv4/0/0") "]",
		"[" TAG "," OP("remove", "a/ipv4/4294967296") "]",
		"[" TAG "," OP("remove", "b") "," OP("remove", "a") "]",
		"[" TAG "," OP("remove", "a") "," OP("remove", "a") "]",
		"[" TAG "," OP("remove", "a") "," ADD("a", "{}") "]",
		"[" TAG "," ADD("a", "{}") "," OP("remove", "a/ipv4") "]",
		"[" TAG "," ADD("a", "{\"ipv4\":null}") "]",
		"[" TAG "," ADD("a", "{\"ipv4\":[]}") "]",
		"[" TAG "," ADD("a", "[]") "]",
		"[" TAG "," ADD("a", "null") "]",
		"[" TAG "," ADD("a/ipv4", "[]") "]",
		"[" TAG "," ADD("a/ipv4", "\"10.0.0.0/8\"") "]",
		"[" TAG "," ADD("a/ipv4/0", "[\"10.0.0.0/8\"]") "]",
		"[" TAG "," ADD("a/ipv4/0", "\"10.0.0.1/8\"") "]",
		"[" TAG "," ADD("a/ipv4/0", "\"::/0\"") "]",
		"[" TAG "," OP("remove", "a/ipv6") "," OP("remove", "a/ipv4")
			"]",
		"[" TAG "," OP("remove", "a/ipv4") "," OP("remove", "a/ipv4/0")
			"]",
		"[" TAG "," OP("remove", "a/ipv4/0") "," OP("remove", "a/ipv4")
			"]",
		"[" TAG "," OP("remove", "a/ipv4/0") ","
			OP("remove", "a/ipv4/1") "]",
		"[" TAG "," OP("remove", "a/ipv4/1") ","
			OP("remove", "a/ipv4/1") "]",
		"[" TAG "," ADD("a/ipv4/0", "\"10.0.0.0/8\"") ","
			OP("remove", "a/ipv4/1") "]",
		"[" TAG "," ADD("a/ipv4/1", "\"11.0.0.0/8\"") ","
			ADD("a/ipv4/0", "\"10.0.0.0/8\"") "]",
		"[" TAG "," ADD("a/ipv4/0", "\"11.0.0.0/8\"") ","
			ADD("a/ipv4/0", "\"10.0.0.0/8\"") "]",
	};
	struct net_delta *d = NULL;
	struct diag why;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		enum rc rc = net_read(MEDIA_JSON_PATCH, bad[i], &d, &why);

		CU_ASSERT_TRUE(rc == RC_ESYNTAX || rc == RC_ERULE);
		CU_ASSERT_PTR_NULL(d);
		CU_ASSERT_NOT_EQUAL(why.text[0], '\0');
		if (d)
			printf("taken: %s\n", bad[i]);
	}
}

static void refusals_say_where(void)
{
	struct cost_delta *c = NULL;
	struct net_delta *n = NULL;
	struct diag why;

	CU_ASSERT_EQUAL(cost_read("{" META ",\n\"cost-map\":{\"a\":{\"b\":"
	                          "true}}}", &c, &why), RC_ESYNTAX);
	CU_ASSERT_EQUAL(why.line, 2);
	CU_ASSERT_STRING_EQUAL(why.pointer, "/cost-map/a/b");
	CU_ASSERT_EQUAL(net_read(MEDIA_MERGE_PATCH, "{" META ",\"network-map\":"
	        "{\"a\":{\"ipv6\":[\"::/0\",\"2001:DB8::/32\"]}}}", &n, &why),
	        RC_ERULE);
	CU_ASSERT_STRING_EQUAL(why.pointer, "/network-map/a/ipv6/1");
	CU_ASSERT_TRUE(strstr(why.text, "2001:db8::/32") != NULL);
	CU_ASSERT_EQUAL(net_read(MEDIA_JSON_PATCH, "[" TAG ","
	        ADD("a", "{\"ipv4\":[\"10.0.0.1/8\"]}") "]", &n, &why),
	        RC_ERULE);
	CU_ASSERT_TRUE(strncmp(why.pointer, "/1", 2) == 0);
	CU_ASSERT_TRUE(strstr(why.text, "/ipv4/0") != NULL);
	CU_ASSERT_EQUAL(delta_json_cost_read("{" META "}", strlen("{" META "}"),
	                                     "", &c, NULL), RC_ERULE);
}

static void every_cut_of_a_patch_is_refused(void)
{
	static const char cost[] = "{\"cost-map\":{\"a\":{\"b\":1.5,\"c\":null"
		"},\"b\":null}," META "}";
	static const char ops[] = "[" TAG "," OP("remove", "a/ipv4/3") ","
		ADD("a/ipv4/3", "\"10.0.0.0/8\"") "," ADD("b", "{}") "]";
	struct cost_delta *c = NULL;
	struct net_delta *n = NULL;

	for (size_t len = 0; len < sizeof(cost) - 1; len++)
		CU_ASSERT_NOT_EQUAL(delta_json_cost_read(cost, len, "t1", &c,
		                                         NULL), RC_OK);
	for (size_t len = 0; len < sizeof(ops) - 1; len++)
		CU_ASSERT_NOT_EQUAL(delta_json_net_read(MEDIA_JSON_PATCH, ops,
		                    len, "t1", &n, NULL), RC_OK);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "a cost map patch is a canonical merge patch",
		  a_cost_map_patch_is_a_canonical_merge_patch },
		{ "what did not change is left out",
		  what_did_not_change_is_left_out },
		{ "a delta without tags is not written",
		  a_delta_without_tags_is_not_written },
		{ "whole families are a merge patch",
		  whole_families_are_a_merge_patch },
		{ "an edit is a JSON Patch", an_edit_is_a_json_patch },
		{ "members of objects come in any order",
		  members_of_objects_come_in_any_order },
		{ "cost map patches outside the rules are refused",
		  cost_map_patches_outside_the_rules_are_refused },
		{ "network map patches outside the rules are refused",
		  network_map_patches_outside_the_rules_are_refused },
		{ "operations outside the rules are refused",
		  operations_outside_the_rules_are_refused },
		{ "refusals say where", refusals_say_where },
		{ "every cut of a patch is refused",
		  every_cut_of_a_patch_is_refused },
		CU_TEST_INFO_NULL
	};

	return suite_run("delta_json", tests);
}
