/* WebSockets: our client against our listener, and against nobody. */
#include "common/net/ws.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "tests/ws_world.h"

#define MB2 (2 * 1024 * 1024 + 5)

static bool all_100_messages(struct world *w)
{
	return w->messages == 100;
}

static void our_client_talks_to_our_server(void)
{
	struct caller k;
	char *text = make_text(MB2);

	setenv("http_proxy", "127.0.0.1:1", 1);	/* must not matter */
	caller_make(&k);
	run_until(&k.w, both_open);
	unsetenv("http_proxy");
	CU_ASSERT_STRING_EQUAL(k.w.auth, "Bearer t0k3n");
	CU_ASSERT_EQUAL(strncmp(k.at.peer, "127.0.0.1:", 10), 0);
	CU_ASSERT_EQUAL(ws_send_text(k.c, "echo", 4), RC_OK);
	CU_ASSERT_FALSE(ws_ready(k.c));
	run_until(&k.w, caller_has_message);
	CU_ASSERT_STRING_EQUAL(k.at.last, "ohce");
	CU_ASSERT_TRUE(ws_ready(k.c));
	CU_ASSERT_EQUAL(k.at.writable, 1);
	k.at.messages = 0;
	k.at.bytes = 0;
	CU_ASSERT_EQUAL(ws_send_text(k.w.conns[0], text, MB2), RC_OK);
	run_until(&k.w, caller_has_message);
	CU_ASSERT_EQUAL(k.at.bytes, MB2);
	ws_close(k.c, 4005, "done");
	run_until(&k.w, caller_closed);
	CU_ASSERT_EQUAL(k.at.code, 4005);
	if (k.w.closed == 0)
		run_until(&k.w, one_closed);
	CU_ASSERT_EQUAL(k.w.code, 4005);
	CU_ASSERT_STRING_EQUAL(k.w.reason, "done");
	free(text);
	caller_end(&k);
}

static void the_clients_queue_is_bounded(void)
{
	struct caller k;
	char text[1000];
	int n = 0;
	enum rc rc;

	memset(text, 'q', sizeof(text));
	caller_make(&k);
	run_until(&k.w, both_open);
	while ((rc = ws_send_text(k.c, text, sizeof(text))) == RC_OK)
		n++;
	CU_ASSERT_EQUAL(rc, RC_ELIMIT);
	CU_ASSERT_EQUAL(n, 100);
	CU_ASSERT_EQUAL(ws_pending(k.c), 100000);
	run_until(&k.w, caller_writable);
	CU_ASSERT_EQUAL(ws_pending(k.c), 0);
	run_until(&k.w, all_100_messages);
	CU_ASSERT_EQUAL(k.w.bytes, 100000);
	CU_ASSERT_EQUAL(ws_send_frame(k.c, NULL), RC_EINVAL);
	caller_end(&k);
}

static void the_server_closes_our_client_with_a_reason(void)
{
	struct caller k;

	caller_make(&k);
	run_until(&k.w, both_open);
	ws_close(k.w.conns[0], 4999, "go \xc3\xa4way");
	run_until(&k.w, caller_closed);
	CU_ASSERT_EQUAL(k.at.code, 4999);
	CU_ASSERT_STRING_EQUAL(k.at.reason, "go \xc3\xa4way");
	caller_end(&k);
}

static void a_failed_connection_is_told_once(void)
{
	static const char *const bad[] = { "", "http://x/", "wss://", "ws://",
		"ws:///push", "ws://a@b/", "ws://x:0/", "ws://x:99999/",
		"ws://x:1x/", "ws://[::1/", "ws://x/a b", "ws://x/#f", "ws://x?q",
		"ws://x/\r\nA: b" };
	struct caller k;
	char uri[80];

	memset(&k, 0, sizeof(k));
	world_serve(&k.w);
	k.w.test = &k;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		call(&k, bad[i], "p", RC_EINVAL);
	for (int i = 0; i < 4; i++) {
		k.at.closed = 0;
		snprintf(uri, sizeof(uri), i == 0 ? "ws://127.0.0.1:1/" : i == 1
		         ? "ws://127.0.0.1:%u/other" : i == 2
		         ? "ws://no-such-host.invalid/" :
		         "ws://127.0.0.1:%u/push", ws_port(k.w.ls));
		call(&k, uri, i == 3 ? "alto-push.v9" : "alto-push.v1", RC_OK);
		run_until(&k.w, caller_closed);
		CU_ASSERT_EQUAL(k.at.code, WS_LOST);
		CU_ASSERT(k.at.reason[0] != '\0');
		CU_ASSERT_EQUAL(k.at.opened, 0);
	}
	loop_free(k.w.l);
	CU_ASSERT_EQUAL(k.at.closed, 1);
}

static void count_handle(uv_handle_t *h, void *n)
{
	(void)h;
	++*(size_t *)n;
}

/* Nobody can be connected to at that address, and the system says so at once. */
static void a_connect_that_fails_at_once_leaves_nothing(void)
{
	size_t before = 0, after = 0;
	struct caller k;

	memset(&k, 0, sizeof(k));
	world_serve(&k.w);
	k.w.test = &k;
	for (int i = 0; i < 4; i++) {
		if (i == 1)
			uv_walk(loop_uv(k.w.l), count_handle, &before);
		k.at.closed = 0;
		call(&k, "ws://255.255.255.255:9/push", "alto-push.v1", RC_OK);
		run_until(&k.w, caller_closed);
		CU_ASSERT_EQUAL(k.at.code, WS_LOST);
		CU_ASSERT(k.at.reason[0] != '\0');
	}
	uv_walk(loop_uv(k.w.l), count_handle, &after);
	CU_ASSERT_EQUAL(before, after);
	loop_free(k.w.l);		/* ends */
}

static void a_server_that_never_answers_times_out(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(a);
	struct caller k;
	char uri[64];

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CU_ASSERT_EQUAL(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	CU_ASSERT_EQUAL(listen(fd, 5), 0);
	getsockname(fd, (struct sockaddr *)&a, &len);
	memset(&k, 0, sizeof(k));
	world_serve(&k.w);
	k.w.test = &k;
	k.w.limits.handshake_s = 1;
	snprintf(uri, sizeof(uri), "ws://127.0.0.1:%u/push", ntohs(a.sin_port));
	call(&k, uri, "alto-push.v1", RC_OK);
	run_until(&k.w, caller_closed);
	CU_ASSERT_STRING_EQUAL(k.at.reason, "handshake took too long");
	call(&k, uri, "alto-push.v1", RC_OK);	/* under way at the end */
	k.at.closed = 0;
	run_until(&k.w, NULL);
	call(&k, "ws://localhost:1/", "alto-push.v1", RC_OK);	/* at its lookup */
	loop_free(k.w.l);
	CU_ASSERT_EQUAL(k.at.closed, 2);
	close(fd);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "our client talks to our server",
		  our_client_talks_to_our_server },
		{ "the client's queue is bounded", the_clients_queue_is_bounded },
		{ "the server closes our client with a reason",
		  the_server_closes_our_client_with_a_reason },
		{ "a failed connection is told once",
		  a_failed_connection_is_told_once },
		{ "a connect that fails at once leaves nothing",
		  a_connect_that_fails_at_once_leaves_nothing },
		{ "a server that never answers times out",
		  a_server_that_never_answers_times_out },
		CU_TEST_INFO_NULL
	};

	return more_files() ? suite_run("ws_client", tests) : 99;
}
