/* Messages there and back. */
#include "tests/frame_stage.h"

#include "tests/suite.h"

struct world *w;
struct frame *f;
struct buf text = BUF_INIT(BIG);

void start(void)
{
	w = world_new(5);
	f = NULL;
	buf_clear(&text);
}

void end(void)
{
	frame_free(f);
	buf_free(&text);
	world_free(w);
}

void reads(enum frame_kind kind)
{
	struct diag d = { .line = 0 };

	CU_ASSERT_EQUAL_FATAL(buf_rc(&text), RC_OK);
	frame_free(f);
	f = NULL;
	CU_ASSERT_EQUAL(frame_read(text.data, text.len, &f, &d), RC_OK);
	if (!f)
		printf("  %s %s\n", d.pointer, d.text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_EQUAL(f->kind, kind);
}

const struct state *head(void)
{
	return snapshot_state(w->head);
}

void is_head_state(void)
{
	CU_ASSERT(f->has_state);
	CU_ASSERT_STRING_EQUAL(f->state.text, head()->text);
	CU_ASSERT_STRING_EQUAL(f->state.input, head()->input);
	CU_ASSERT_STRING_EQUAL(f->state.signature, head()->signature);
	CU_ASSERT_EQUAL(position_cmp(&f->state.pos, &head()->pos), 0);
	CU_ASSERT_EQUAL(state_check(&f->state, world_public(w)), RC_OK);
}

void hello(void)
{
	struct frame_path path = { .n = FRAME_PATH_MAX };
	struct frame_hello h = { w->service, head(), &path, 30, 123456789,
	                         1760000000123 };

	for (size_t i = 0; i < path.n; i++) {
		memcpy(path.id[i], WORLD_INSTANCE, UUID_TEXT + 1);
		path.id[i][0] = (char)('0' + i % 10);
	}
	frame_hello(&h, &text);
	reads(FRAME_HELLO);
	is_head_state();
	CU_ASSERT_STRING_EQUAL(f->protocol, FRAME_PROTOCOL);
	CU_ASSERT_STRING_EQUAL(f->service, w->service);
	CU_ASSERT_EQUAL(f->path.n, FRAME_PATH_MAX);
	CU_ASSERT_EQUAL(memcmp(&f->path, &path, sizeof(path)), 0);
	CU_ASSERT_EQUAL(f->heartbeat, 30);
	CU_ASSERT_EQUAL(f->message_max, 123456789);
	CU_ASSERT_EQUAL(f->time_ms, 1760000000123);
}
