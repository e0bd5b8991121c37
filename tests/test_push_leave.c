/* Subscribers of one daemon: who may stay, and how they are sent away. */
#include "common/service/push.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/service/guard.h"
#include "common/sys/clock.h"
#include "tests/push_stage.h"
#include "tests/suite.h"

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

/* ---- who may stay ---------------------------------------------------------- */

static bool first_is_gone(void)
{
	return client[0].ws == NULL && push_connections(push) == n - 1;
}

static void who_loses_one_token_of_several_is_asked_to_come_again(void)
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
	CU_ASSERT_EQUAL(client[0].code, CLOSE_TAKEN);
	CU_ASSERT_STRING_EQUAL(client[0].bye, close_text(CLOSE_TAKEN));
	CU_ASSERT_EQUAL(closes(close_text(CLOSE_TAKEN)), 1);
	CU_ASSERT_EQUAL(closes(close_text(CLOSE_DENIED)), 0);
	CU_ASSERT_PTR_NOT_NULL(client[1].ws);
	CU_ASSERT_PTR_NOT_NULL(client[2].ws);
	end();
}

static void who_may_not_come_again_is_not_asked_to(void)
{
	struct guard *g = NULL;

	start();
	(void)join("milan", OLD);
	(void)join("rome", ROME);
	run(all_current);
	g = guard_of(NULL);
	CU_ASSERT_EQUAL(push_renew(push, g, NULL), RC_OK);
	guard_unref(g);
	run(first_is_gone);
	CU_ASSERT_EQUAL(client[0].code, CLOSE_DENIED);
	CU_ASSERT_EQUAL(closes(close_text(CLOSE_TAKEN)), 0);
	CU_ASSERT_PTR_NOT_NULL(client[1].ws);
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

#define T(f) { #f, f }

int main(void)
{
	CU_TestInfo tests[] = {
		T(who_loses_one_token_of_several_is_asked_to_come_again),
		T(who_may_not_come_again_is_not_asked_to),
		T(nobody_takes_a_name_that_is_anothers),
		T(one_too_many_is_turned_away),
		T(a_breach_is_explained_and_counted),
		T(a_loss_is_counted_as_one),
		T(those_who_are_drained_go_one_after_the_other),
		T(one_that_takes_nothing_is_closed_and_others_are_not),
		CU_TEST_INFO_NULL
	};

	return push_suite("push_leave", tests);
}
