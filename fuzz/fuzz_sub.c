/* fuzz_sub.c - the subscriber's half, for libFuzzer.
 *
 * The input is a list of steps (what happens, how many bytes belong to it, those
 * bytes): frames as they are, frames of a real publisher, updates, bodies, state
 * documents and directories that are signed but made of the input's bytes; keys that
 * change, an operator who trusts. Whatever happens, what is published proves itself,
 * and nobody goes back but to what is trusted. Links with tests/world.c.
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
static uint64_t number;			/* of the last fetch */
static struct update *last;
static struct keys all_keys;	/* that the publisher ever has */
static bool trusting;		/* the operator said so, for this round */

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void check_publish(const struct sub_act *act)
{
	const struct state *st = snapshot_state(act->next);

	must(world_proves(act->next, &all_keys));
	must(sub_keys(s)->n > 0);
	must(state_time(st, w->now, NULL) == RC_OK);
	must(!held || trusting || position_cmp(&st->pos,
	                           &snapshot_state(held)->pos) >= 0);
	must(act->jump || (held && snapshot_state(held)->pos.serial +
	                   act->n_updates == st->pos.serial));
	snapshot_unref(held);
	held = snapshot_ref(act->next);
	must(sub_served(s) == RC_OK);
	trusting = false;
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
		if (act.what == SUB_FETCH)
			number = act.number;
		if (act.what == SUB_PUBLISH)
			check_publish(&act);
		if (act.what == SUB_REOPEN) {
			must(!sub_polling(s));
			sub_closed(s);
			trusting = false;
		}
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
	trusting = false;
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
	struct sub_body b = { .id = asked, .number = number, .ok = true };
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

/* The next key is listed, signs, or is alone: in good order or not. */
static void change_key(uint8_t how)
{
	size_t next = (w->signer + 1) % WORLD_KEYS;

	if (how & 1)
		w->listed[next] = true;
	if (how & 2)
		w->signer = next;
	if (how & 4) {
		memset(w->listed, 0, sizeof(w->listed));
		w->listed[w->signer] = true;
	}
	if (how & 8)
		world_restore(w, how % w->n_past);
	(void)world_publish(w);
	w->now++;
	world_heartbeat(w);
}

/* The head's state document, or the input as one. */
static void poll_or_trust(bool trust, const char *text, size_t len)
{
	struct buf b = BUF_INIT(1 << 20);
	struct leaf_set *set = NULL;
	bool open = strcmp(sub_phase(s), "closed") != 0 && !sub_polling(s);

	if (len > 1)
		buf_add(&b, text, len);
	else
		must(state_doc(w->head, &b) == RC_OK);
	if (state_doc_read(b.data, b.len, &set, NULL) == RC_OK) {
		if (!trust)
			must(sub_polled(s, set, w->now) == RC_OK);
		else if (sub_trust(s, set, w->now, NULL) == RC_OK)
			trusting = true;
		must(!open || !sub_polling(s));
		pump();
	}
	leaf_set_free(set);
	buf_free(&b);
}

/* The head's directory, or the input under its headers. */
static void introduce(const char *text, size_t len)
{
	struct sub_body b = { .id = DIRECTORY_ID, .ok = true };
	struct world_answer a;
	enum rc rc;

	must(world_answer(w->head, DIRECTORY_ID, &a));
	b.headers = a.headers;
	b.body = len > 1 ? text : a.body;
	b.len = len > 1 ? len : a.len;
	rc = sub_introduce(s, &b, w->now, NULL);
	must(rc == RC_OK || rc == RC_EKEY || rc == RC_ESIG ||
	     rc == RC_ERULE || rc == RC_EDIGEST);
	must(rc != RC_OK || sub_keys(s)->n > 0);
	world_answer_free(&a);
	pump();
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

	switch (what % 14) {
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
		say((uint8_t)(what % 14 - 2), how);
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
	case 9:
	case 10:
		poll_or_trust(what % 14 == 10, (const char *)data, len);
		break;
	case 11:
		introduce((const char *)data, len);
		break;
	case 12:
		change_key(how);
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
	all_keys.n = 0;
	for (size_t i = 0; i < WORLD_KEYS; i++)
		all_keys.key[all_keys.n++] = *sign_key_public(w->key[i]);
	held = NULL;
	last = NULL;
	trusting = false;
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
