/* Maps, signed and served. */
#include "tests/alto_stage.h"

#include "common/sys/clock.h"
#include "common/wire/state_json.h"

struct resource *cost_map(const char *id, unsigned n,
                          const struct resource *net)
{
	struct costmeta meta = { .metric = "routingcost", .mode = "numerical" };
	struct costbuild *b = NULL;
	struct costmap *m = NULL;
	struct resource *r = NULL;
	char pid[16];

	snprintf(meta.net.id, sizeof(meta.net.id), "%s", NET);
	resource_content_tag(net, meta.net.tag);
	CU_ASSERT_EQUAL_FATAL(costbuild_new(&b), RC_OK);
	for (unsigned i = 0; i < n; i++) {
		snprintf(pid, sizeof(pid), "pid-%04u", i);
		CU_ASSERT_EQUAL_FATAL(costbuild_row(b, pid, 8), RC_OK);
		for (unsigned k = 0; k < n; k++) {
			snprintf(pid, sizeof(pid), "pid-%04u", k);
			if (costbuild_cell(b, pid, 8, i * 1000 + k + 0.125)
			    != RC_OK)
				CU_FAIL_FATAL("no cell");
		}
	}
	CU_ASSERT_EQUAL_FATAL(costbuild_end(b, &meta, NULL, &m), RC_OK);
	CU_ASSERT_EQUAL_FATAL(seal_costmap(digest, id, m, NULL, &r), RC_OK);
	costbuild_free(b);
	costmap_unref(m);
	return announced(r, id);
}

struct state state_at(uint64_t serial, int64_t created, size_t n)
{
	struct state st = { .resources = n, .created = created,
	                    .expires = created + 86400 };

	snprintf(st.service, sizeof(st.service),
	         "0b7e8f0a-5d0c-4b59-9a53-0f6d3a1f2c11");
	snprintf(st.pos.session, sizeof(st.pos.session),
	         "0192d3a4-0000-7000-8000-000000000001");
	st.pos.serial = serial;
	return st;
}

struct snapshot *restated(struct snapshot *s, struct state *st)
{
	struct snapshot *next = NULL;

	memcpy(st->root, snapshot_root(s), sizeof(st->root));
	CU_ASSERT_EQUAL_FATAL(state_sign(st, key), RC_OK);
	CU_ASSERT_EQUAL_FATAL(snapshot_restate(s, st, &next), RC_OK);
	return next;
}

struct snapshot *snapshot_of(struct resource **res, size_t n,
                             uint64_t serial, int64_t created)
{
	struct state st = state_at(serial, created, n);
	uint64_t changed[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };
	struct snapshot *s = NULL, *signed_one;

	CU_ASSERT_EQUAL_FATAL(snapshot_new(res, changed, n, &st, &s), RC_OK);
	signed_one = restated(s, &st);
	snapshot_unref(s);
	for (size_t i = 0; i < n; i++)
		resource_unref(res[i]);
	return signed_one;
}

struct snapshot *maps(const char *extra_pid, uint64_t serial, int64_t created)
{
	struct resource *res[3] = { directory("{\"meta\":{\"cost-types\":{}},"
	                                      "\"resources\":{}}"),
	                            net_map(NET, extra_pid) };

	res[2] = cost_map("cost", 3, res[1]);
	return snapshot_of(res, 3, serial, created);
}

void begin(struct served *w)
{
	served_start(w, NULL);
}

void end(struct served *w)
{
	served_end(w);
	CU_ASSERT_EQUAL(snapshots_alive(), 0);
}

void serving(struct served *w)
{
	begin(w);
	slot_publish(w->slot, maps("pid-b", 1, clock_wall_s()), NULL);
}

enum rc verify(const struct reply *r, struct state *st)
{
	const struct signed_headers h = {
		.resource = reply_field(r, "ALTO-Resource"),
		.proof = reply_field(r, "ALTO-Proof"),
		.state = reply_field(r, "ALTO-State"),
		.input = reply_field(r, "Signature-Input"),
		.signature = reply_field(r, "Signature")
	};
	struct resource_name name;
	size_t len = 0;
	char *body = reply_decoded(r, &len);
	enum rc rc = body ? body_check(&h, body, len, &name, st, NULL)
	                  : RC_ESYNTAX;

	free(body);
	return rc == RC_OK ? state_check(st, sign_key_public(key)) : rc;
}

void is_error(const struct reply *r, const char *value)
{
	const char *code = reply_error(r, "code");

	CU_ASSERT_PTR_NOT_NULL_FATAL(code);
	CU_ASSERT_STRING_EQUAL(code, "E_INVALID_FIELD_VALUE");
	CU_ASSERT_STRING_EQUAL(reply_error(r, "value"), value);
}
