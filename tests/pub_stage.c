#include "tests/pub_stage.h"

#include "tests/suite.h"

struct world *w;
struct pub_world world;
struct keys own;
struct pub *p;
struct pub_out out;
struct frame *got;

void start(void)
{
	w = world_new(11);
	w->cost_there[1] = true;
	(void)world_publish(w);
	memset(&world, 0, sizeof(world));
	world_keys(w, &own);
	world.log = w->log;
	world.head = w->head;
	world.origin = true;
	world.own = &own;
	world.heartbeat = 30;
	world.message_max = 1 << 20;
	world.received_max = 1 << 16;
	world.path.n = 1;
	memcpy(world.path.id[0], WORLD_INSTANCE, UUID_TEXT + 1);
	got = NULL;
	CU_ASSERT_EQUAL_FATAL(pub_new(&world, 1234, &p), RC_OK);
}

void finish(void)
{
	frame_free(got);
	got = NULL;
	pub_free(p);
	world_free(w);
}

void again(void)
{
	pub_free(p);
	CU_ASSERT_EQUAL_FATAL(pub_new(&world, 1234, &p), RC_OK);
}

void next(enum pub_do what)
{
	CU_ASSERT_EQUAL_FATAL(pub_next(p, &out), RC_OK);
	CU_ASSERT_EQUAL_FATAL(out.what, what);
}

void next_text(enum frame_kind kind)
{
	next(PUB_TEXT);
	frame_free(got);
	got = NULL;
	CU_ASSERT_EQUAL_FATAL(frame_read(out.text, out.len, &got, NULL), RC_OK);
	CU_ASSERT_EQUAL(got->kind, kind);
}

void next_update(const struct update *u)
{
	next(PUB_UPDATE);
	CU_ASSERT_PTR_EQUAL(out.update, u);
}

void next_close(int code)
{
	next(PUB_CLOSE);
	CU_ASSERT_EQUAL(out.code, code);
	CU_ASSERT_PTR_NOT_NULL(strstr(out.text, close_text(code)));
	next(PUB_IDLE);
}

void next_breach(const char *code)
{
	next_text(FRAME_ERROR);
	CU_ASSERT_STRING_EQUAL(got->code, code);
	CU_ASSERT(got->reason[0] != '\0');
	next_close(CLOSE_PROTOCOL);
}

enum pub_news feed(const char *text)
{
	enum pub_news news;

	CU_ASSERT_EQUAL_FATAL(pub_frame(p, text, strlen(text), &news, NULL),
	                      RC_OK);
	return news;
}

enum pub_news feed_buf(struct buf *b)
{
	enum pub_news news;

	CU_ASSERT_EQUAL_FATAL(buf_rc(b), RC_OK);
	news = feed(b->data);
	buf_free(b);
	return news;
}

enum pub_news subscribe(const struct state *have)
{
	struct buf b = BUF_INIT(1 << 16);

	next_text(FRAME_HELLO);
	next(PUB_IDLE);
	frame_subscribe("rp-1", have, "https://rp-1.example.net/", "", &b);
	return feed_buf(&b);
}

enum pub_news ack(const struct position *pos)
{
	struct buf b = BUF_INIT(1 << 16);

	frame_ack(pos, NULL, 0, &b);
	return feed_buf(&b);
}

struct update *change(void)
{
	struct update *u;

	w->now++;
	world_edit_cost(w, 0);
	u = world_publish(w);
	CU_ASSERT_PTR_NOT_NULL_FATAL(u);
	world.head = w->head;
	return u;
}

const struct state *head(void)
{
	return snapshot_state(w->head);
}

const struct state *past(size_t back)
{
	return snapshot_state(w->past[w->n_past - 1 - back]);
}

void answered(enum frame_mode mode)
{
	next_text(FRAME_SUBSCRIBED);
	CU_ASSERT_EQUAL(got->mode, mode);
	CU_ASSERT_EQUAL(pub_mode(p), mode);
	CU_ASSERT_EQUAL(position_cmp(&got->state.pos, &head()->pos), 0);
	CU_ASSERT_STRING_EQUAL(got->reason, pub_reason(p));
	CU_ASSERT((mode == MODE_SNAPSHOT || mode == MODE_BEHIND) ==
	          (got->reason[0] != '\0'));
}

void gets_snapshot(void)
{
	next_text(FRAME_SNAPSHOT);
	CU_ASSERT_EQUAL(got->leaves->n, snapshot_count(w->head));
	CU_ASSERT_STRING_EQUAL(got->state.text, head()->text);
}

void gets_alive(void)
{
	next_text(FRAME_ALIVE);
	CU_ASSERT_STRING_EQUAL(got->state.signature, head()->signature);
	next(PUB_IDLE);
}
