/* fuzz_pub.c - the publisher's half, for libFuzzer.
 *
 * The input is a list of steps, as in fuzz_sub.c: frames of a subscriber as they
 * are, or made of positions that there really were, and what happens to the
 * publisher meanwhile. All that is sent can be read, leads on from what was sent
 * before, and comes to an end. Links with tests/world.c.
 */
#include <stdlib.h>
#include <string.h>

#include "common/proto/pub.h"
#include "tests/world.h"

#define STEPS_MAX 100
#define SENDS_MAX 3000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct world *w;
static struct pub_world world;
static struct keys own;
static struct pub *p;
static struct position cursor;

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void check_text(const struct pub_out *out)
{
	const struct position *head = &snapshot_state(w->head)->pos;
	struct frame *f = NULL;

	must(frame_read(out->text, out->len, &f, NULL) == RC_OK);
	if (f->kind == FRAME_SNAPSHOT)
		cursor = f->state.pos;
	if (f->kind == FRAME_SUBSCRIBED)
		cursor = f->mode == MODE_SNAPSHOT ? (struct position){ "", 0 } :
		         *pub_have(p);
	if (f->kind == FRAME_ALIVE)
		must(position_cmp(&cursor, head) == 0 && pub_at_head(p));
	frame_free(f);
}

static void pump(void)
{
	struct pub_out out;

	for (int i = 0; i < SENDS_MAX; i++) {
		must(pub_next(p, &out) == RC_OK);
		if (out.what == PUB_IDLE)
			return;
		if (out.what == PUB_UPDATE) {
			cursor.serial++;
			must(position_cmp(&cursor,
			                  &out.update->state.pos) == 0);
		} else {
			check_text(&out);
		}
	}
	abort();		/* it never comes to rest */
}

static void feed(const char *text, size_t len)
{
	enum pub_news news;
	char *copy = malloc(len ? len : 1);

	must(copy != NULL);
	if (len)
		memcpy(copy, text, len);
	must(pub_frame(p, copy, len, &news, NULL) == RC_OK);
	free(copy);
	if (news == PUB_NEWS_AHEAD)
		pub_behind(p, "no");
}

static void again(void)
{
	pub_free(p);
	memset(&cursor, 0, sizeof(cursor));
	must(pub_new(&world, 1, &p) == RC_OK);
	pump();
}

static void send_position(uint8_t what, uint8_t which)
{
	const struct state *st = snapshot_state(w->past[which % w->n_past]);
	struct buf b = BUF_INIT(1 << 20);

	if (what == 0)
		frame_subscribe("rp", st, "", "", &b);
	else if (what == 1)
		frame_ack(&st->pos, NULL, 0, &b);
	else
		frame_alive_at(&st->pos, which & 1 ? "n" : "", &b);
	must(buf_rc(&b) == RC_OK);
	feed(b.data, b.len);
	buf_free(&b);
}

static void happen(uint8_t how)
{
	bool session = how % 8 == 1;

	if (session)
		world_session(w);
	else if (how % 8 == 2)
		world_heartbeat(w);
	else if (how % 8 == 3)
		history_limit(w->log, how / 8, 1 << 20);
	else if (how % 8 == 4)
		world_restore(w, how % w->n_past);
	w->now++;
	world_edit_cost(w, 0);
	if (!session && how % 8 > 4)
		(void)world_publish(w);
	world.head = w->head;
	if (session)
		pub_resync(p, "new session");
	if (how % 8 == 4)
		again();	/* a restart ends all connections */
}

static void step(uint8_t what, const uint8_t *data, size_t len)
{
	uint8_t how = len ? data[0] : 0;

	switch (what % 7) {
	case 0:
		feed((const char *)data, len);
		break;
	case 1:
	case 2:
	case 3:
		send_position((uint8_t)(what % 7 - 1), how);
		break;
	case 4:
		happen(how);
		break;
	case 5:
		pump();
		break;
	default:
		again();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	w = world_new(1);
	memset(&world, 0, sizeof(world));
	world_keys(w, &own);
	world.log = w->log;
	world.head = w->head;
	world.origin = true;
	world.own = &own;
	world.heartbeat = 30;
	world.message_max = world.received_max = 1 << 16;
	p = NULL;
	again();
	for (int i = 0; i < STEPS_MAX && size >= 2; i++) {
		size_t len = data[1] < size - 2 ? data[1] : size - 2;

		step(data[0], data + 2, len);
		data += 2 + len;
		size -= 2 + len;
	}
	pump();
	pub_free(p);
	world_free(w);
	return 0;
}
