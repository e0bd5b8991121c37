/* What a daemon says about its subscribers and listeners, which are real; and all
 * its metrics. */
#include "common/service/report.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/net/loop.h"
#include "common/net/ws.h"
#include "common/service/alto_http.h"
#include "common/service/guard.h"
#include "common/service/options.h"
#include "common/sys/clock.h"
#include "common/sys/log.h"
#include "common/wire/json.h"
#include "tests/certs.h"
#include "tests/report_stage.h"
#include "tests/suite.h"

#define GIVE_UP_MS 60000

/* A subscriber, connected for real, and the loop that it needs. */
struct world {
	struct loop *l;
	struct loop_timer *look, *give_up;
	struct push *push;
	struct report *r;
	struct ws_conn *client;
	const char *state;		/* to wait for */
	bool late, seen;
};

static void gave_up(void *arg)
{
	struct world *w = arg;

	w->late = true;
	loop_stop(w->l);
}

static void on_open(struct ws_conn *c, const struct ws_request *rq)
{
	struct buf b = BUF_INIT(4096);

	(void)rq;
	frame_subscribe("rp-milan", NULL, "http://192.0.2.1/", "", &b);
	CU_ASSERT_EQUAL(ws_send_text(c, b.data, b.len), RC_OK);
	buf_free(&b);
}

/* The order to pull is answered as if it had been carried out. */
static void on_message(struct ws_conn *c, const char *data, size_t len)
{
	struct frame_below below = { .pos = { SESSION, 8 }, .name = "rp-rome" };
	struct position pos = { SESSION, 9 };
	struct world *w = ws_user(c);
	struct buf b = BUF_INIT(4096);

	(void)len;
	if (strncmp(data, "{\"snapshot\"", 11) != 0 ||
	    strcmp(w->state, "current") != 0)
		return;
	frame_ack(&pos, &below, 1, &b);
	CU_ASSERT_EQUAL(ws_send_text(c, b.data, b.len), RC_OK);
	buf_free(&b);
}

static void on_look(void *arg)
{
	struct world *w = arg;
	json_t *a = status_of(w->r, NOW, clock_mono_ms());
	json_t *s = json_array_get(json_object_get(a, "subscribers"), 0);

	if (strcmp(text_at(s, "state"), w->state) == 0) {
		w->seen = true;
		loop_stop(w->l);
	}
	json_decref(a);
}

/* Everybody may subscribe. */
static struct guard *anybody(void)
{
	static const struct conf_key keys[] = {
		OPTIONS_SETTINGS("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0",
		                 "/run/x")
	};
	static const struct conf_table table = {
		"test.conf", keys, sizeof(keys) / sizeof(keys[0]), NULL
	};
	char path[] = "/tmp/altocast-report-XXXXXX";
	struct buf errors = BUF_INIT(1000);
	struct guard *g = NULL;
	struct conf *c = NULL;
	int fd = mkstemp(path);

	CU_ASSERT_EQUAL_FATAL(write(fd, "state = \"s\";\n", 13), 13);
	close(fd);
	CU_ASSERT_EQUAL_FATAL(conf_load(&table, path, &c, &errors), RC_OK);
	CU_ASSERT_EQUAL_FATAL(guard_new(c, true, &g, NULL), RC_OK);
	conf_free(c);
	buf_free(&errors);
	unlink(path);
	return g;
}

static void world_make(struct world *w, const char *state)
{
	struct push_config cfg = { .addr = "127.0.0.1",
		.limits = { .max_conns = 10, .max_conns_per_addr = 10,
			.max_message = 65536, .max_queue = 65536,
			.handshake_s = 10 },
		.log_count = 10, .log_bytes = 100000, .message_max = 100000,
		.heartbeat = HEARTBEAT, .slow_s = 30, .guard = anybody(),
		.instance = "0b7e8f0a-5d0c-4b59-9a53-0f6d3a1f2c12" };
	struct ws_connect_config to = { .subprotocol = FRAME_PROTOCOL,
		.on = { .open = on_open, .message = on_message, .arg = w },
		.limits = { .max_message = 1 << 20, .max_queue = 1 << 20,
		            .handshake_s = 10 } };
	struct diag d = { 0 };
	char uri[64];

	memset(w, 0, sizeof(*w));
	w->state = state;
	w->r = made("proxy");
	w->r->head = maps();
	cfg.status = w->r->status;
	CU_ASSERT_EQUAL_FATAL(loop_new(&w->l), RC_OK);
	CU_ASSERT_EQUAL_FATAL(push_new(w->l, &cfg, &d, &w->push), RC_OK);
	guard_unref(cfg.guard);		/* it has its own reference */
	CU_ASSERT_EQUAL_FATAL(push_start(w->push, snapshot_state(w->r->head),
	                                 NULL, 0, w->r->head), RC_OK);
	w->r->subscribers = w->push;
	snprintf(uri, sizeof(uri), "ws://127.0.0.1:%u/push",
	         push_port(w->push));
	to.uri = uri;
	CU_ASSERT_EQUAL_FATAL(ws_connect(w->l, &to, &d, &w->client), RC_OK);
	CU_ASSERT_EQUAL_FATAL(loop_timer_new(w->l, gave_up, w, &w->give_up),
	                      RC_OK);
	CU_ASSERT_EQUAL_FATAL(loop_timer_new(w->l, on_look, w, &w->look),
	                      RC_OK);
	loop_timer_set(w->give_up, GIVE_UP_MS, 0);
	loop_timer_set(w->look, 1, 5);
	loop_run(w->l);
	CU_ASSERT_TRUE(w->seen);
	CU_ASSERT_FALSE(w->late);
}

static void world_end(struct world *w)
{
	push_stop(w->push, 0);
	push_free(w->push);
	loop_free(w->l);
	end(w->r);
}

static void a_subscriber_has_its_line(void)
{
	struct world w;
	json_t *a, *s, *b;

	world_make(&w, "current");
	a = status_of(w.r, NOW, clock_mono_ms() + 7000);
	CU_ASSERT_EQUAL(json_array_size(json_object_get(a, "subscribers")), 1);
	s = json_array_get(json_object_get(a, "subscribers"), 0);
	CU_ASSERT_STRING_EQUAL(text_at(s, "name"), "rp-milan");
	CU_ASSERT_EQUAL(strncmp(text_at(s, "address"), "127.0.0.1:", 10), 0);
	CU_ASSERT_STRING_EQUAL(text_at(s, "mode"), "snapshot");
	CU_ASSERT_STRING_EQUAL(text_at(s, "uri"), "http://192.0.2.1/");
	CU_ASSERT_PTR_NULL(json_object_get(s, "push"));
	CU_ASSERT_EQUAL(int_at(s, "serial-acked"), 9);
	CU_ASSERT_STRING_EQUAL(text_at(s, "session-acked"), SESSION);
	CU_ASSERT_EQUAL(int_at(s, "lag-versions"), 0);
	CU_ASSERT_EQUAL(json_number_value(json_object_get(s, "lag-seconds")),
	                0);
	CU_ASSERT(int_at(s, "connected-seconds") >= 7);
	CU_ASSERT_EQUAL(int_at(s, "snapshots"), 1);
	CU_ASSERT(int_at(s, "bytes") > 0);
	b = json_array_get(json_object_get(s, "below"), 0);
	CU_ASSERT_STRING_EQUAL(text_at(b, "name"), "rp-rome");
	CU_ASSERT_EQUAL(int_at(b, "serial"), 8);
	CU_ASSERT_EQUAL(int_at(json_object_get(a, "log"), "oldest"), 9);
	json_decref(a);
	world_end(&w);
}

static void one_that_pulls_is_in_state_snapshot(void)
{
	struct world w;
	json_t *a, *s;

	world_make(&w, "snapshot");
	a = status_of(w.r, NOW, clock_mono_ms() + 7000);
	s = json_array_get(json_object_get(a, "subscribers"), 0);
	CU_ASSERT_PTR_NULL(json_object_get(s, "serial-acked"));
	CU_ASSERT_PTR_NULL(json_object_get(s, "lag-versions"));
	CU_ASSERT(json_number_value(json_object_get(s, "lag-seconds")) >= 7);
	json_decref(a);
	world_end(&w);
}

/* One line of the text format; name of the last TYPE line in family. */
static bool line_ok(const char *s, char family[128])
{
	size_t n;

	if (strncmp(s, "# HELP ", 7) == 0)
		return strlen(strchr(s + 7, ' ')) > 3;
	if (strncmp(s, "# TYPE ", 7) == 0) {
		n = strcspn(s + 7, " ");
		snprintf(family, 128, "%.*s", (int)n, s + 7);
		return (strcmp(s + 7 + n, " counter") == 0) ==
		       (strcmp(s + 7 + n - 6, "_total counter") == 0);
	}
	n = strcspn(s, "{ ");
	if (strncmp(s, family, n) != 0 || family[n] != '\0')
		return false;	/* a sample apart from its family */
	s = strrchr(s, ' ');
	if (!s || s[1] == '\0')
		return false;
	s += 1 + strspn(s + 1, "0123456789.e+-");
	return *s == '\0';
}

/* Sends a request that can be read in two ways, and hears it refused. */
static int ask_malformed(uint16_t port)
{
	static const char ask[] = "POST / HTTP/1.1\r\nHost: x\r\n"
		"Content-Length: 1\r\nContent-Length: 2\r\n\r\n";
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval limit = { GIVE_UP_MS / 1000, 0 };
	char said[13] = "";
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	CU_ASSERT_FATAL(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&to, sizeof(to)),
	                      0);
	CU_ASSERT_EQUAL(write(fd, ask, sizeof(ask) - 1), sizeof(ask) - 1);
	CU_ASSERT_EQUAL(recv(fd, said, 12, MSG_WAITALL), 12);
	CU_ASSERT_STRING_EQUAL(said, "HTTP/1.1 400");
	return fd;
}

static void what_the_listener_refused_is_told(void)
{
	static const char *const names[] = { "connections",
		"refused-connections", "refused-address", "refused-bodies",
		"timeouts", "too-large", "shed" };
	struct alto_http_config cfg = {
		.http = { .addr = "127.0.0.1:0", .threads = 1, .max_conns = 4,
		          .timeout_s = 20, .max_body = 1000 },
		.heartbeat = HEARTBEAT
	};
	struct report *r = made("proxy");
	struct buf b = BUF_INIT(1 << 20);
	struct alto_http *clients = NULL;
	struct slot *slot = NULL;
	json_t *a, *x;
	int fd;

	CU_ASSERT_EQUAL_FATAL(slot_new(&slot), RC_OK);
	cfg.slot = slot;
	cfg.status = r->status;
	CU_ASSERT_EQUAL_FATAL(alto_http_start(&cfg, NULL, &clients), RC_OK);
	a = status_of(r, NOW, 1);
	CU_ASSERT_PTR_NULL(json_object_get(a, "clients"));
	json_decref(a);
	r->clients = clients;
	fd = ask_malformed(alto_http_port(clients));
	a = status_of(r, NOW, 1);
	x = json_object_get(a, "clients");
	CU_ASSERT_EQUAL(int_at(x, "malformed"), 1);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		CU_ASSERT(int_at(x, names[i]) == 0 ||
		          (i == 0 && int_at(x, names[i]) == 1));
	CU_ASSERT_EQUAL(json_object_size(x), 8);
	json_decref(a);
	report_metrics(r, NOW, 1, &b);
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_str(&b),
	                              "\nalto_http_malformed_total 1\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_str(&b),
	                              "\nalto_http_too_large_total 0\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_str(&b),
	                              "# TYPE alto_http_connections gauge\n"));
	close(fd);
	alto_http_stop(clients);
	slot_free(slot);
	buf_free(&b);
	end(r);
}

static void certificates_and_refusals_are_told(void)
{
	const struct tls_files files = { .certificate = certs_file("a", "pem"),
	                                 .key = certs_file("a", "key") };
	struct report *r = made("server");
	struct tls_identity *id = NULL;
	struct buf b = BUF_INIT(1 << 20);
	struct diag d = { .line = 0 };
	json_t *a, *x;

	CU_ASSERT_EQUAL_FATAL(tls_identity_load(&files, &id, &d), RC_OK);
	a = status_of(r, NOW, 1);
	CU_ASSERT_EQUAL(json_array_size(json_object_get(a, "certificates")), 0);
	CU_ASSERT_EQUAL(json_object_size(json_object_get(a, "refused")), 0);
	json_decref(a);
	r->push_tls = id;
	status_refused(r->status, "its token is not known");
	a = status_of(r, NOW, 1);
	x = json_array_get(json_object_get(a, "certificates"), 0);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(x, "listener")),
	                       "push");
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(x, "sha-256")),
	                       tls_identity_print(id));
	CU_ASSERT_EQUAL(int_at(x, "expires"), tls_identity_expires(id));
	CU_ASSERT_EQUAL(int_at(json_object_get(a, "refused"),
	                       "its token is not known"), 1);
	json_decref(a);
	report_metrics(r, NOW, 1, &b);
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_str(&b), "\nalto_cert_expiry_timestamp"
	                              "_seconds{listener=\"push\"} "));
	CU_ASSERT_PTR_NULL(strstr(buf_str(&b), "{listener=\"http\"}"));
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_str(&b), "\nalto_subscribers_refused_"
	                              "total{reason=\"its token is not known\"} "
	                              "1\n"));
	tls_identity_unref(id);
	buf_free(&b);
	end(r);
}

static void metrics_are_the_text_format(void)
{
	struct status_upstream u = { .directory = "http://a/d",
	                             .phase = "current" };
	char family[128] = "", types[8192] = "", *line, *at;
	struct buf b = BUF_INIT(1 << 20);
	struct world w;

	world_make(&w, "current");
	status_set_upstreams(w.r->status, &u, 1);
	status_closed(w.r->status, "a \"b\" \\ c\nd");
	status_trouble(w.r->status, "reload", "text", NOW);
	status_add(w.r->status, STATUS_http_bytes, 123456789012ull);
	report_metrics(w.r, NOW + 100, clock_mono_ms(), &b);
	CU_ASSERT_EQUAL_FATAL(buf_rc(&b), RC_OK);
	CU_ASSERT_PTR_NOT_NULL(strstr(b.data, "alto_disconnects_total{reason="
	                              "\"a \\\"b\\\" \\\\ c\\nd\"} 1\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(b.data, "\nalto_http_bytes_total "
	                              "123456789012\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(b.data, "\nalto_subscribers_total 1\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(b.data, "\nalto_subscribers{state="
	                              "\"current\"} 1\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(b.data, "\nalto_map_serial 7\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(b.data, "\nalto_map_entries{map=\"cost\","
	                              "kind=\"cells\"} 3\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(b.data, "\nalto_freshness{state="
	                              "\"stale\"} 1\n"));
	CU_ASSERT_PTR_NULL(strstr(b.data, "rp-milan"));
	CU_ASSERT_PTR_NULL(strstr(b.data, "process_start_time_seconds 0\n"));
	CU_ASSERT_PTR_NULL(strstr(b.data, "memory_bytes 0\n"));
	if (getenv("METRICS_OUT")) {	/* for a parser of somebody else's */
		FILE *f = fopen(getenv("METRICS_OUT"), "w");

		CU_ASSERT_PTR_NOT_NULL_FATAL(f);
		fputs(b.data, f);
		fclose(f);
	}
	for (at = b.data; (line = at) && *line;) {
		at = strchr(line, '\n');
		CU_ASSERT_PTR_NOT_NULL_FATAL(at);
		*at++ = '\0';
		CU_ASSERT(line_ok(line, family));
		if (strncmp(line, "# TYPE ", 7) == 0) {
			CU_ASSERT_PTR_NULL(strstr(types, line));
			snprintf(types + strlen(types),
			         sizeof(types) - strlen(types), "%s\n", line);
		}
	}
	buf_free(&b);
	world_end(&w);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "a subscriber has its line", a_subscriber_has_its_line },
		{ "one that pulls is in state snapshot",
		  one_that_pulls_is_in_state_snapshot },
		{ "what the listener refused is told",
		  what_the_listener_refused_is_told },
		{ "certificates and refusals are told",
		  certificates_and_refusals_are_told },
		{ "metrics are the text format", metrics_are_the_text_format },
		CU_TEST_INFO_NULL
	};
	int status;

	log_level_set(LOG_LEVEL_WARN);
	certs_begin();
	certs_make(&(struct cert){ .base = "a", .days = 30 });
	status = maps_suite("report_live", tests);
	certs_end();
	return status;
}
