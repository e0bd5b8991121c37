/* Subscribers of one daemon. */
#include "tests/push_stage.h"

#include <unistd.h>

#include "common/net/loop.h"
#include "common/service/options.h"
#include "common/sys/clock.h"
#include "common/sys/file.h"
#include "common/sys/log.h"
#include "tests/suite.h"

#define GIVE_UP_MS 60000
#define PADDED 12000

char dir[] = "/tmp/test_push.XXXXXX";
static struct loop *l;
static struct loop_timer *look;
struct world *w;
struct status *st;
struct push *push;
static struct keys own;
struct client client[N_MAX];
size_t n;
unsigned ordered;
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

struct guard *guard_of(const char *milan)
{
	struct buf errors = BUF_INIT(65536);
	struct guard *g = NULL;
	struct conf *c = NULL;
	struct diag d = { .line = 0 };
	char *p = NULL;

	put("milan", milan ? milan : "");
	put("rome", ROME "\n");
	put("test.conf", milan ? "state = \"s\"; subscribers = (\n"
	    "{ name = \"milan\"; token-file = \"milan\"; },\n"
	    "{ name = \"rome\"; token-file = \"rome\"; });\n" :
	    "state = \"s\"; subscribers = (\n"
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

void send_buf(struct client *c, struct buf *b)
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

struct client *join(const char *name, const char *token)
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

void join_many(size_t count)
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

void run(bool (*cond)(void))
{
	until = cond;
	give_up_ms = clock_mono_ms() + GIVE_UP_MS;
	loop_run(l);
	CU_ASSERT_TRUE(cond());
}

bool all_current(void)
{
	size_t have = 0;

	for (size_t i = 0; i < n; i++)
		have += client[i].ws != NULL && client[i].snapshots > 0;
	return have == n && push_count(push) == n;
}

bool all_gone(void)
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

void start(void)
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

void end(void)
{
	push_stop(push, 1);
	run(all_gone);
	push_free(push);
	loop_timer_free(look);
	loop_free(l);
	status_free(st);
	world_free(w);
}

void publish_padded(void)
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

int push_suite(const char *name, CU_TestInfo *tests)
{
	char *p = NULL;
	int rc;

	log_init(LOG_LEVEL_ERROR);
	if (!mkdtemp(dir))
		return 99;
	rc = suite_run(name, tests);
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
