/* fuzz_sub.c - the subscriber's half, for libFuzzer.
 *
 * The input is a list of steps (what happens, how many bytes belong to it, those
 * bytes): frames as they are, frames of a real publisher, updates and bodies that
 * are signed but made of the input's bytes. Whatever happens, what is published
 * proves itself and nobody goes back. Links with tests/world.c.
 */
#include <stdlib.h>
#include <string.h>

#include "common/proto/sub.h"
#include "tests/world.h"

#define STEPS_MAX 100
#define ACTS_MAX 5000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct world *w;
static struct sub *s;
static struct snapshot *held;
static char asked[ID_MAX + 1];
static struct update *last;

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void check_publish(const struct sub_act *act)
{
	const struct state *st = snapshot_state(act->next);

	must(world_proves(act->next, sub_keys(s)));
	must(state_time(st, w->now, NULL) == RC_OK);
	must(!held || position_cmp(&st->pos,
	                           &snapshot_state(held)->pos) >= 0);
	must(act->jump || (held && snapshot_state(held)->pos.serial +
	                   act->n_updates == st->pos.serial));
	snapshot_unref(held);
	held = snapshot_ref(act->next);
	must(sub_served(s) == RC_OK);
}

static void pump(void)
{
	struct sub_act act;

	for (int i = 0; i < ACTS_MAX; i++) {
		must(sub_next(s, &act) == RC_OK);
		if (act.what == SUB_WAIT)
			return;
		if (act.what == SUB_FETCH)
			memcpy(asked, act.id, sizeof(asked));
		if (act.what == SUB_PUBLISH)
			check_publish(&act);
		if (act.what == SUB_REOPEN)
			sub_closed(s);
	}
	abort();		/* it never comes to rest */
}

static void feed(const char *text, size_t len)
{
	char *copy = malloc(len ? len : 1);

	must(copy != NULL);
	if (len)
		memcpy(copy, text, len);
	must(sub_frame(s, copy, len, w->now) == RC_OK);
	pump();
}

static void feed_buf(struct buf *b)
{
	must(buf_rc(b) == RC_OK);
	feed(b->data, b->len);
	buf_free(b);
}

static void connect_up(void)
{
	struct frame_path path = { .n = 1 };
	struct frame_hello h = {
		w->service, snapshot_state(w->head), &path, 30, 1 << 20, 0
	};
	struct buf b = BUF_INIT(1 << 20);

	memcpy(path.id[0], WORLD_INSTANCE, UUID_TEXT + 1);
	must(sub_opened(s) == RC_OK);
	frame_hello(&h, &b);
	feed_buf(&b);
}

/* The next update under a good signature, its changes from the input. */
static void feed_signed(const char *changes, size_t len)
{
	struct state st = *snapshot_state(w->head);
	struct buf b = BUF_INIT(1 << 20);

	st.pos.serial++;
	world_sign(w, &st);
	frame_update_begin(&st, 1, &b);
	buf_add(&b, changes, len);
	frame_update_end(&b);
	feed_buf(&b);
}

/* Good headers; the body is the right one, or the input's. */
static void answer(const char *body, size_t len)
{
	struct sub_body b = { .id = asked, .ok = true };
	struct world_answer a;

	if (!world_answer(w->head, asked, &a)) {
		b.ok = false;
	} else {
		b.headers = a.headers;
		b.body = len ? body : a.body;
		b.len = len ? len : a.len;
	}
	must(sub_fetched(s, &b, w->now) == RC_OK);
	world_answer_free(&a);
	pump();
}

static void change(uint8_t how)
{
	struct update *u;

	w->pull_in = how & 1;
	w->now += how & 2 ? WORLD_LIFETIME : 1;
	if (how & 4)
		world_edit_net(w, 0);
	if (how & 8)
		w->cost_there[1] ^= true;
	if (how & 16)
		world_session(w);
	world_edit_cost(w, 0);
	u = world_publish(w);
	update_unref(last);
	last = u ? update_ref(u) : NULL;
}

static void say(uint8_t what, uint8_t how)
{
	struct buf b = BUF_INIT(1 << 20);

	if (what == 0)
		frame_subscribed(snapshot_state(w->head),
		                 (enum frame_mode)(how % 4), "", &b);
	else if (what == 1)
		frame_alive(snapshot_state(w->head), "", &b);
	else
		must(frame_snapshot(w->head, &b) == RC_OK);
	feed_buf(&b);
}

static void step(uint8_t what, const uint8_t *data, size_t len)
{
	uint8_t how = len ? data[0] : 0;

	switch (what % 10) {
	case 0:
		feed((const char *)data, len);
		break;
	case 1:
		if (last)
			feed(last->text, last->len);
		break;
	case 2:
	case 3:
	case 4:
		say((uint8_t)(what % 10 - 2), how);
		break;
	case 5:
		feed_signed((const char *)data, len);
		break;
	case 6:
		answer((const char *)data, len);
		break;
	case 7:
		change(how);
		break;
	case 8:
		world_heartbeat(w);
		break;
	default:
		connect_up();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sub_config cfg = { .name = "rp", .waiting_max = 8192,
	                          .at_origin = true };
	struct keys none = { .n = 0 };

	w = world_new(1);
	held = NULL;
	last = NULL;
	asked[0] = '\0';
	must(sub_new(&cfg, &none, NULL, &s) == RC_OK);
	connect_up();
	for (int i = 0; i < STEPS_MAX && size >= 2; i++) {
		size_t len = data[1] < size - 2 ? data[1] : size - 2;

		step(data[0], data + 2, len);
		data += 2 + len;
		size -= 2 + len;
	}
	update_unref(last);
	snapshot_unref(held);
	sub_free(s);
	world_free(w);
	return 0;
}
