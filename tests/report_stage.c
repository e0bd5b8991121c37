/* Small maps and a report on them. */
#include "tests/report_stage.h"

#include <stdlib.h>

#include "common/wire/state_json.h"

static struct resource *cost_map(const struct resource *net)
{
	struct costmeta meta = { .metric = "routingcost", .mode = "numerical",
	                         .net.id = "net" };
	struct costbuild *b = NULL;
	struct costmap *m = NULL;
	struct resource *r = NULL;

	resource_content_tag(net, meta.net.tag);
	CU_ASSERT_EQUAL_FATAL(costbuild_new(&b), RC_OK);
	CU_ASSERT_EQUAL_FATAL(costbuild_row(b, "pid-a", 5), RC_OK);
	CU_ASSERT_EQUAL_FATAL(costbuild_cell(b, "pid-a", 5, 1), RC_OK);
	CU_ASSERT_EQUAL_FATAL(costbuild_cell(b, "pid-b", 5, 2), RC_OK);
	CU_ASSERT_EQUAL_FATAL(costbuild_row(b, "pid-b", 5), RC_OK);
	CU_ASSERT_EQUAL_FATAL(costbuild_cell(b, "pid-b", 5, 1), RC_OK);
	CU_ASSERT_EQUAL_FATAL(costbuild_end(b, &meta, NULL, &m), RC_OK);
	CU_ASSERT_EQUAL_FATAL(seal_costmap(digest, "cost", m, NULL, &r), RC_OK);
	costbuild_free(b);
	costmap_unref(m);
	return announced(r, "cost");
}

struct snapshot *maps(void)
{
	struct state st = { .pos.serial = 9, .resources = 3, .created = NOW,
		.expires = NOW + 86400, .pos.session = SESSION,
		.service = "0b7e8f0a-5d0c-4b59-9a53-0f6d3a1f2c11" };
	struct resource *res[3] = { directory(EMPTY), net_map("net", "pid-b") };
	const uint64_t changed[3] = { 9, 4, 7 };
	struct snapshot *s = NULL, *made = NULL;

	res[2] = cost_map(res[1]);
	CU_ASSERT_EQUAL_FATAL(snapshot_new(res, changed, 3, &st, &s), RC_OK);
	memcpy(st.root, snapshot_root(s), sizeof(st.root));
	CU_ASSERT_EQUAL_FATAL(state_sign(&st, key), RC_OK);
	CU_ASSERT_EQUAL_FATAL(snapshot_restate(s, &st, &made), RC_OK);
	snapshot_unref(s);
	for (int i = 0; i < 3; i++)
		resource_unref(res[i]);
	return made;
}

struct report *made(const char *role)
{
	struct report *r = calloc(1, sizeof(*r));

	CU_ASSERT_PTR_NOT_NULL_FATAL(r);
	CU_ASSERT_EQUAL_FATAL(status_new(&r->status), RC_OK);
	r->role = role;
	r->version = "1.2.3";
	r->heartbeat = HEARTBEAT;
	return r;
}

void end(struct report *r)
{
	snapshot_unref(r->head);
	status_free(r->status);
	free(r);
}

json_t *status_of(const struct report *r, int64_t now, uint64_t mono)
{
	struct buf b = BUF_INIT(1 << 20);
	json_t *doc = NULL;

	report_status(r, now, mono, &b);
	CU_ASSERT_EQUAL_FATAL(buf_rc(&b), RC_OK);
	CU_ASSERT_EQUAL_FATAL(json_read(b.data, b.len, 1 << 20, &doc, NULL),
	                      RC_OK);
	buf_free(&b);
	return doc;
}

const char *text_at(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "(none)";
}

json_int_t int_at(const json_t *o, const char *name)
{
	const json_t *n = json_object_get(o, name);

	return json_is_integer(n) ? json_integer_value(n) : -1;
}
