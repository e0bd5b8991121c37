/* Subscribers of one daemon, over real connections on one loop: what they share,
 * who may stay, how they are sent away, who is below. */
#include "common/service/push.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/net/loop.h"
#include "common/service/guard.h"
#include "common/service/options.h"
#include "common/sys/clock.h"
#include "common/sys/file.h"
#include "common/sys/log.h"
#include "tests/suite.h"
#include "tests/world.h"

#define GIVE_UP_MS 20000
#define N_MAX 40
#define SEATS 39
#define PADDED 12000
#define OLD "milan-token-of-last-year"
#define NEW "milan-token-of-this-year"
#define ROME "rome-token-0123456789"

struct client {
	struct ws_conn *ws;
	char name[IRD_NAME_MAX + 1];
	char auth[80];
	bool open, ack;			/* ack: as if it carried out orders */
	unsigned snapshots, errors, within;
	unsigned code;			/* of the close */
	char bye[FRAME_REASON_MAX + 1];
	unsigned away;
	uint64_t gone_ms;
};

static char dir[] = "/tmp/test_push.XXXXXX";
static struct loop *l;
static struct loop_timer *look;
static struct world *w;
static struct status *st;
static struct push *push;
static struct keys own;
static struct client client[N_MAX];
static size_t n;
static unsigned ordered;
static bool (*until)(void);
static uint64_t give_up_ms;

static const struct conf_key settings[] = {
	OPTIONS_SETTINGS("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", "/run/x")
};
static const struct conf_table table = {
	"test.conf", settings, sizeof(settings) / sizeof(settings[0]), NULL
};

/* ---- a guard --------------------------------------------------------------- */

static void put(const char *name, const char *text)
{
	char *p = NULL;

	CU_ASSERT_EQUAL_FATAL(file_path_join(dir, name, &p), RC_OK);
	CU_ASSERT_EQUAL_FATAL(file_replace(p, text, strlen(text), 0600, NULL),
	                      RC_OK);
	free(p);
}

/* milan with these tokens, rome with one; others need none. */
static struct guard *guard_of(const char *milan)
{
	struct buf errors = BUF_INIT(65536);
	struct guard *g = NULL;
	struct conf *c = NULL;
	struct diag d = { .line = 0 };
	char *p = NULL;

	put("milan", milan);
	put("rome", ROME "\n");
	put("test.conf", "state = \"s\"; subscribers = (\n"
	    "{ name = \"milan\"; token-file = \"milan\"; },\n"
	    "{ name = \"rome\"; token-file = \"rome\"; });\n");
	CU_ASSERT_EQUAL_FATAL(file_path_join(dir, "test.conf", &p), RC_OK);
	CU_ASSERT_EQUAL_FATAL(conf_load(&table, p, &c, &errors), RC_OK);
	CU_ASSERT_EQUAL_FATAL(guard_new(c, true, &g, &d), RC_OK);
	conf_free(c);
	buf_free(&errors);
	free(p);
	return g;
}

/* ---- subscribers ----------------------------------------------------------- */

static void send_buf(struct client *c, struct buf *b)
{
	CU_ASSERT_EQUAL(buf_rc(b), RC_OK);
	CU_ASSERT_EQUAL(ws_send_text(c->ws, b->data, b->len), RC_OK);
	buf_free(b);
}

static void on_open(struct ws_conn *ws, const struct ws_request *rq)
{
	struct client *c = ws_user(ws);

	(void)rq;
	c->open = true;
}

static void acknowledge(struct client *c, const struct position *at)
{
	struct buf b = BUF_INIT(4096);

	frame_ack(at, NULL, 0, &b);
	send_buf(c, &b);
}

static void on_message(struct ws_conn *ws, const char *data, size_t len)
{
	struct client *c = ws_user(ws);
	struct buf b = BUF_INIT(4096);
	struct frame *f = NULL;

	CU_ASSERT_EQUAL_FATAL(frame_read(data, len, &f, NULL), RC_OK);
	switch (f->kind) {
	case FRAME_HELLO:
		frame_subscribe(c->name, NULL, "", "", &b);
		send_buf(c, &b);
		break;
	case FRAME_SNAPSHOT:
		c->snapshots++;
		c->within = f->within;
		if (c->ack)
			acknowledge(c, &f->state.pos);
		break;
	case FRAME_ERROR:
		c->errors++;
		break;
	case FRAME_BYE:
		memcpy(c->bye, f->reason, sizeof(c->bye));
		c->away = f->retry_after;
		break;
	default:
		break;
	}
	frame_free(f);
}

static void on_closed(struct ws_conn *ws, unsigned code, const char *reason)
{
	struct client *c = ws_user(ws);

	(void)reason;
	c->code = code;
	c->gone_ms = clock_mono_ms();
	c->ws = NULL;
}

static struct client *join(const char *name, const char *token)
{
	struct client *c = &client[n++];
	struct ws_connect_config to = { .subprotocol = FRAME_PROTOCOL,
		.on = { .open = on_open, .message = on_message,
		        .closed = on_closed, .arg = c },
		.limits = { .max_message = 1 << 20, .max_queue = 1 << 20,
		            .handshake_s = 10 } };
	struct diag d = { .line = 0 };
	char uri[64];

	memset(c, 0, sizeof(*c));
	c->ack = true;
	snprintf(c->name, sizeof(c->name), "%s", name);
	snprintf(c->auth, sizeof(c->auth), "Bearer %s", token ? token : "");
	snprintf(uri, sizeof(uri), "ws://127.0.0.1:%u/push", push_port(push));
	to.uri = uri;
	to.authorization = token ? c->auth : NULL;
	CU_ASSERT_EQUAL_FATAL(ws_connect(l, &to, &d, &c->ws), RC_OK);
	return c;
}

static void join_many(size_t count)
{
	char name[32];

	for (size_t i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "p%zu", i);
		(void)join(name, NULL);
	}
}

/* ---- the loop -------------------------------------------------------------- */

static void on_look(void *arg)
{
	(void)arg;
	if (until() || clock_mono_ms() >= give_up_ms)
		loop_stop(l);
}

static void run(bool (*cond)(void))
{
	until = cond;
	give_up_ms = clock_mono_ms() + GIVE_UP_MS;
	loop_run(l);
	CU_ASSERT_TRUE(cond());
}

static bool all_current(void)
{
	size_t have = 0;

	for (size_t i = 0; i < n; i++)
		have += client[i].ws != NULL && client[i].snapshots > 0;
	return have == n && push_count(push) == n;
}

static bool all_gone(void)
{
	for (size_t i = 0; i < n; i++)
		if (client[i].ws)
			return false;
	return push_connections(push) == 0;
}

static void on_order(struct snapshot *head, void *arg)
{
	CU_ASSERT_PTR_EQUAL(head, w->head);
	CU_ASSERT_PTR_EQUAL(arg, &ordered);
	ordered++;
}

static void start(void)
{
	struct guard *g = guard_of(OLD "\n" NEW "\n");
	struct push_config cfg = { .addr = "127.0.0.1",
		.limits = { .max_conns = SEATS, .max_conns_per_addr = 100,
		            .max_message = 65536, .max_queue = 65536,
		            .handshake_s = 10 },
		.log_count = 100, .log_bytes = 1 << 20, .message_max = 1 << 20,
		.heartbeat = 60, .slow_s = 1, .origin = true,
		.instance = WORLD_INSTANCE, .guard = g };
	struct diag d = { .line = 0 };

	n = 0;
	ordered = 0;
	w = world_new(7);
	world_keys(w, &own);
	cfg.own = &own;
	CU_ASSERT_EQUAL_FATAL(status_new(&st), RC_OK);
	cfg.status = st;
	CU_ASSERT_EQUAL_FATAL(loop_new(&l), RC_OK);
	CU_ASSERT_EQUAL_FATAL(push_new(l, &cfg, &d, &push), RC_OK);
	guard_unref(g);
	CU_ASSERT_EQUAL_FATAL(push_start(push, snapshot_state(w->head), NULL, 0,
	                                 w->head), RC_OK);
	push_on_order(push, on_order, &ordered);
	CU_ASSERT_EQUAL_FATAL(loop_timer_new(l, on_look, NULL, &look), RC_OK);
	loop_timer_set(look, 1, 2);
}

static void end(void)
{
	push_stop(push, 1);
	run(all_gone);
	push_free(push);
	loop_timer_free(look);
	loop_free(l);
	status_free(st);
	world_free(w);
}

static uint64_t closes(const char *reason)
{
	const char *text[STATUS_REASONS];
	uint64_t count[STATUS_REASONS];
	size_t k = status_closes(st, text, count);

	for (size_t i = 0; i < k; i++)
		if (strcmp(text[i], reason) == 0)
			return count[i];
	return 0;
}

/* ---- what they share ------------------------------------------------------- */

static void all_get_one_order(void)
{
	start();
	join_many(30);
	run(all_current);
	CU_ASSERT_EQUAL(status_get(st, STATUS_snapshots_sent), 30);
	CU_ASSERT_EQUAL(status_get(st, STATUS_snapshots_encoded), 1);
	CU_ASSERT_EQUAL(ordered, 1);
	CU_ASSERT_EQUAL(client[0].within, 0);
	end();
}

static bool ordered_again(void)
{
	for (size_t i = 0; i < n; i++)
		if (client[i].snapshots != 2)
			return false;
	return true;
}

static void each_head_has_its_own_order(void)
{
	start();
	join_many(30);
	run(all_current);
	world_session(w);
	CU_ASSERT_EQUAL(push_publish(push, w->head, NULL, 0, true, true), RC_OK);
	run(ordered_again);
	CU_ASSERT_EQUAL(status_get(st, STATUS_snapshots_sent), 60);
	CU_ASSERT_EQUAL(status_get(st, STATUS_snapshots_encoded), 2);
	CU_ASSERT_EQUAL(ordered, 2);
	end();
}

/* ---- who may stay ---------------------------------------------------------- */

static bool first_is_gone(void)
{
	return client[0].ws == NULL && push_connections(push) == n - 1;
}

static void who_loses_his_token_is_sent_away_and_others_stay(void)
{
	struct guard *g;

	start();
	(void)join("milan", OLD);
	(void)join("rome", ROME);
	(void)join("anybody", NULL);
	run(all_current);
	g = guard_of(OLD "\n" NEW "\n");
	CU_ASSERT_EQUAL(push_renew(push, g, NULL), RC_OK);
	CU_ASSERT_PTR_EQUAL(push_guard(push), g);
	guard_unref(g);
	CU_ASSERT_EQUAL(push_connections(push), 3);
	CU_ASSERT_EQUAL(push_renew(push, NULL, NULL), RC_OK);
	g = guard_of(NEW "\n");
	CU_ASSERT_EQUAL(push_renew(push, g, NULL), RC_OK);
	guard_unref(g);
	run(first_is_gone);
	CU_ASSERT_EQUAL(client[0].code, CLOSE_DENIED);
	CU_ASSERT_STRING_EQUAL(client[0].bye, close_text(CLOSE_DENIED));
	CU_ASSERT_EQUAL(closes(close_text(CLOSE_DENIED)), 1);
	CU_ASSERT_PTR_NOT_NULL(client[1].ws);
	CU_ASSERT_PTR_NOT_NULL(client[2].ws);
	end();
}

static void nobody_takes_a_name_that_is_anothers(void)
{
	start();
	(void)join("milan", ROME);
	run(all_gone);
	CU_ASSERT_EQUAL(client[0].code, CLOSE_DENIED);
	end();
}

static bool turned_away(void)
{
	return client[n - 1].ws == NULL;
}

static void one_too_many_is_turned_away(void)
{
	start();
	join_many(SEATS);
	run(all_current);
	(void)join("one more", NULL);
	run(turned_away);
	CU_ASSERT(!client[n - 1].open);
	CU_ASSERT_EQUAL(push_connections(push), SEATS);
	end();
}

static void a_breach_is_explained_and_counted(void)
{
	struct buf b = BUF_INIT(1000);

	start();
	(void)join("a", NULL);
	run(all_current);
	buf_puts(&b, "{\"subscribe\":{\"name\":\"b\"}}");
	send_buf(&client[0], &b);
	run(all_gone);
	CU_ASSERT_EQUAL(client[0].errors, 1);
	CU_ASSERT_EQUAL(client[0].code, CLOSE_PROTOCOL);
	CU_ASSERT_EQUAL(closes(close_text(CLOSE_PROTOCOL)), 1);
	end();
}

static void a_loss_is_counted_as_one(void)
{
	start();
	(void)join("a", NULL);
	(void)join("b", NULL);
	run(all_current);
	ws_abort(client[0].ws);
	ws_close(client[1].ws, WS_NORMAL, "");
	run(all_gone);
	CU_ASSERT_EQUAL(closes("connection lost"), 1);
	CU_ASSERT_EQUAL(closes("left"), 1);
	CU_ASSERT_EQUAL(push_count(push), 0);
	end();
}

/* ---- drain ----------------------------------------------------------------- */

static void those_who_are_drained_go_one_after_the_other(void)
{
	uint64_t begun, early = 0;

	start();
	join_many(SEATS);
	run(all_current);
	begun = clock_mono_ms();
	push_drain(push, 600000);
	push_drain(push, 1000);
	CU_ASSERT_EQUAL(push_connections(push), SEATS);
	run(all_gone);
	for (size_t i = 0; i < n; i++) {
		CU_ASSERT_EQUAL(client[i].code, CLOSE_GOING);
		CU_ASSERT_EQUAL(client[i].away, 2);
		early += client[i].gone_ms - begun < 500;
	}
	CU_ASSERT(early > 2 && early < n - 2);
	CU_ASSERT_EQUAL(closes(close_text(CLOSE_GOING)), n);
	(void)join("late", NULL);
	run(turned_away);
	CU_ASSERT(!client[n - 1].open);
	end();
}

/* ---- one that does not read ------------------------------------------------- */

static int lazy;			/* its socket */
static unsigned lazy_step;

static void lazy_open(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(push_port(push)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	static const char ask[] = "GET /push HTTP/1.1\r\nHost: x\r\n"
		"Upgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Version: 13\r\n"
		"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
		"Sec-WebSocket-Protocol: alto-push.v1\r\n\r\n";
	int room = 4096;

	lazy = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CU_ASSERT_FATAL(lazy >= 0);
	setsockopt(lazy, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	CU_ASSERT_EQUAL_FATAL(connect(lazy, (struct sockaddr *)&to,
	                              sizeof(to)), 0);
	CU_ASSERT_EQUAL(send(lazy, ask, sizeof(ask) - 1, 0),
	                (ssize_t)sizeof(ask) - 1);
	lazy_step = 0;
}

/* An update that is longer than it need be, and shorter than a fragment. */
static void publish_padded(void)
{
	struct update *u, *padded = NULL;
	char *text = malloc(PADDED);

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	world_edit_cost(w, 0);
	u = world_publish(w);
	if (!u) {
		free(text);
		return;
	}
	CU_ASSERT_FATAL(u->len < PADDED);
	memset(text, ' ', PADDED - 1);
	text[PADDED - 1] = '\0';
	memcpy(text, u->text, u->len);
	CU_ASSERT_EQUAL_FATAL(update_new(&u->state, text, PADDED - 1,
	                                 u->published_ms, &padded), RC_OK);
	CU_ASSERT_EQUAL(push_publish(push, w->head, &padded, 1, false, false),
	                RC_OK);
	update_unref(padded);
}

/* Subscribes when it has been greeted; updates fill its socket then. */
static bool lazy_is_gone(void)
{
	static const char subscribe[] = "\x81\x9a\0\0\0\0"
		"{\"subscribe\":{\"name\":\"z\"}}";
	char text[1024];

	if (lazy_step == 0) {
		if (recv(lazy, text, sizeof(text), MSG_PEEK | MSG_DONTWAIT) <
		    600)
			return false;
		CU_ASSERT_EQUAL(send(lazy, subscribe, sizeof(subscribe) - 1,
		                     0), (ssize_t)sizeof(subscribe) - 1);
		lazy_step = 1;
	}
	if (push_count(push) == n + 1)
		publish_padded();
	return closes(close_text(CLOSE_SLOW)) == 1;
}

static void one_that_takes_nothing_is_closed_and_others_are_not(void)
{
	start();
	join_many(3);
	run(all_current);
	lazy_open();
	run(lazy_is_gone);
	for (size_t i = 0; i < n; i++)
		CU_ASSERT_PTR_NOT_NULL(client[i].ws);
	CU_ASSERT_EQUAL(push_connections(push), n);
	close(lazy);
	end();
}

/* ---- who is below ---------------------------------------------------------- */

static struct frame_below below(const char *name, uint64_t serial)
{
	struct frame_below b = { .pos = snapshot_state(w->head)->pos };

	b.pos.serial = serial;
	snprintf(b.name, sizeof(b.name), "%s", name);
	return b;
}

static void tell(struct client *c, struct frame_below *list, size_t count)
{
	struct buf b = BUF_INIT(1 << 16);

	frame_ack(&snapshot_state(w->head)->pos, list, count, &b);
	send_buf(c, &b);
}

static bool all_told(void)
{
	struct frame_below out[10];

	return push_below(push, out, 10) == 5;
}

static const struct frame_below *find(const struct frame_below *list,
                                      size_t count, const char *name)
{
	const struct frame_below *found = NULL;

	for (size_t i = 0; i < count; i++) {
		if (strcmp(list[i].name, name) != 0)
			continue;
		CU_ASSERT_PTR_NULL(found);	/* once */
		found = &list[i];
	}
	CU_ASSERT_PTR_NOT_NULL_FATAL(found);
	return found;
}

static void those_below_are_gathered_each_name_once(void)
{
	struct frame_below out[10], out3[3], one[4], two[3];
	uint64_t head;
	size_t count;

	start();
	join_many(2);
	run(all_current);
	for (int i = 0; i < 8; i++)
		publish_padded();
	run(all_current);
	head = snapshot_state(w->head)->pos.serial;
	one[0] = below("deep", 3);
	one[1] = below("p1", 2);	/* is seen here, at the head */
	one[2] = below("p0", 2);	/* itself */
	one[3] = below("deeper", head + 1);	/* above who feeds it */
	two[0] = below("deep", 5);
	two[1] = below("deeper", 2);
	two[2] = below("x", 1);
	tell(&client[0], one, 4);
	tell(&client[1], two, 3);
	run(all_told);
	count = push_below(push, out, 10);
	CU_ASSERT_EQUAL(find(out, count, "p0")->pos.serial, head);
	CU_ASSERT_EQUAL(find(out, count, "p1")->pos.serial, head);
	CU_ASSERT_EQUAL(find(out, count, "deep")->pos.serial, 5);
	CU_ASSERT_EQUAL(find(out, count, "deeper")->pos.serial, 2);
	CU_ASSERT_EQUAL(out[0].name[0], 'p');	/* direct ones first */
	CU_ASSERT_EQUAL(out[1].name[0], 'p');
	CU_ASSERT_EQUAL(push_below(push, out3, 3), 3);
	CU_ASSERT_EQUAL(push_below(push, out3, 1), 1);
	CU_ASSERT_EQUAL(push_below(push, out3, 0), 0);
	end();
}

#define T(f) { #f, f }

int main(void)
{
	CU_TestInfo tests[] = {
		T(all_get_one_order),
		T(each_head_has_its_own_order),
		T(who_loses_his_token_is_sent_away_and_others_stay),
		T(nobody_takes_a_name_that_is_anothers),
		T(one_too_many_is_turned_away),
		T(a_breach_is_explained_and_counted),
		T(a_loss_is_counted_as_one),
		T(those_who_are_drained_go_one_after_the_other),
		T(one_that_takes_nothing_is_closed_and_others_are_not),
		T(those_below_are_gathered_each_name_once),
		CU_TEST_INFO_NULL
	};
	char *p = NULL;
	int rc;

	log_init(LOG_LEVEL_ERROR);
	if (!mkdtemp(dir))
		return 99;
	rc = suite_run("push", tests);
	for (const char *const *f = (const char *const[]){ "milan", "rome",
	     "test.conf", NULL }; *f; f++) {
		if (file_path_join(dir, *f, &p) == RC_OK)
			unlink(p);
		free(p);
		p = NULL;
	}
	rmdir(dir);
	return rc;
}
