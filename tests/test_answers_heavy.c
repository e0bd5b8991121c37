/* Requests to services that take long, through real sockets: on a thread of their
 * own, in turn, with the bytes that they would have had. */
#include "common/service/answers.h"

#include <errno.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/sys/clock.h"
#include "common/wire/media.h"
#include "tests/answers_stage.h"
#include "tests/suite.h"

#define MANY 6000u			/* endpoints of an axis */
#define NEVER "\"constraints\":[\"lt 0\"],"
#define LONG_BODY_MAX (1u << 20)

/* With one HTTP thread, so that whoever keeps it keeps all others waiting. */
static void begin_alone(struct stage *st, const struct alto_http_config *more)
{
	struct alto_http_config cfg = *more;
	struct diag d = { 0 };

	cfg.http = (struct http_config){
		.addr = "127.0.0.1:0", .threads = 1, .max_conns = 64,
		.timeout_s = 20, .max_body = LONG_BODY_MAX
	};
	cfg.heartbeat = SERVED_HEARTBEAT;
	st->w = world_new(SEED);
	st->w->now = clock_wall_s();
	world_heartbeat(st->w);
	CU_ASSERT_EQUAL_FATAL(slot_new(&st->s.slot), RC_OK);
	CU_ASSERT_EQUAL_FATAL(status_new(&st->s.status), RC_OK);
	cfg.slot = st->s.slot;
	cfg.status = st->s.status;
	CU_ASSERT_EQUAL_FATAL(alto_http_start(&cfg, &d, &st->s.a), RC_OK);
	publish(st);
}

static uint64_t heavies(const struct stage *st)
{
	return status_get(st->s.status, STATUS_computed_heavy);
}

static void put_endpoints(struct buf *b, const char *name, unsigned n)
{
	buf_printf(b, "\"%s\":[", name);
	for (unsigned i = 0; i < n; i++)
		buf_printf(b, "%s\"ipv4:10.%u.%u.1\"", i ? "," : "", i / 250,
		           i % 250);
	buf_putc(b, ']');
}

/* n times n pairs, of which none passes. */
static void put_nothing(struct buf *b, unsigned n)
{
	buf_puts(b, "{" COST_TYPE "," NEVER "\"endpoints\":{");
	put_endpoints(b, "srcs", n);
	buf_putc(b, ',');
	put_endpoints(b, "dsts", n);
	buf_puts(b, "}}");
	CU_ASSERT_EQUAL_FATAL(buf_rc(b), RC_OK);
}

static int send_ecs(const struct stage *st, const struct buf *body)
{
	int fd = served_dial(&st->s);

	served_ask(fd, "POST", ecs, TYPE(MEDIA_ENDPOINT_COST_PARAMS),
	           buf_str(body));
	return fd;
}

static struct reply hear(int fd)
{
	struct buf b = BUF_INIT(1 << 20);

	return served_hear(fd, &b);
}

static bool is_nothing(const struct reply *r)
{
	return r->status == 200 && has(r, "\"endpoint-cost-map\":{}");
}

static void wait_heavies(const struct stage *st, uint64_t n)
{
	const struct timespec t = { 0, 1000000 };

	for (int i = 0; i < 20000 && heavies(st) < n; i++)
		nanosleep(&t, NULL);
	CU_ASSERT_EQUAL_FATAL(heavies(st), n);
}

static void a_heavy_request_keeps_nobody_waiting(void)
{
	struct buf body = BUF_INIT(LONG_BODY_MAX);
	struct stage st;
	int fd[4];
	char c;

	begin_alone(&st, &usual);
	put_nothing(&body, MANY);
	for (unsigned i = 0; i < 4; i++)
		fd[i] = send_ecs(&st, &body);
	wait_heavies(&st, 4);
	for (int i = 0; i < 5; i++) {
		struct reply r = ask_net(&st, "{\"pids\":[]}");

		CU_ASSERT_EQUAL(r.status, 200);
		reply_free(&r);
	}
	/* They waited for none of the four, or for the first at most. */
	CU_ASSERT_EQUAL(recv(fd[3], &c, 1, MSG_DONTWAIT | MSG_PEEK), -1);
	CU_ASSERT_EQUAL(errno, EAGAIN);
	for (int i = 0; i < 4; i++) {
		struct reply r = hear(fd[i]);

		CU_ASSERT(is_nothing(&r));
		reply_free(&r);
	}
	buf_free(&body);
	end(&st);
}

static void forget_date(struct reply *r)
{
	char *date = strstr(r->head, "\r\nDate: ");

	if (date)
		memset(date + 8, '-', strcspn(date + 8, "\r"));
}

/* The same body, and behind it blanks until it is a long one. */
static void same_bytes(const struct stage *st, const char *path,
                       const char *headers, const char *body)
{
	struct buf padded = BUF_INIT(LONG_BODY_MAX);
	uint64_t before = heavies(st);
	struct reply quick, heavy;

	buf_printf(&padded, "%s%*s", body, (int)ANSWERS_QUICK_BODY, "");
	quick = served_post(&st->s, path, headers, body);
	CU_ASSERT_EQUAL(heavies(st), before);
	heavy = served_post(&st->s, path, headers, buf_str(&padded));
	CU_ASSERT_EQUAL(heavies(st), before + 1);
	forget_date(&quick);
	forget_date(&heavy);
	CU_ASSERT_EQUAL(heavy.status, quick.status);
	CU_ASSERT_STRING_EQUAL(heavy.head, quick.head);
	CU_ASSERT(heavy.len == quick.len &&
	          memcmp(heavy.body, quick.body, quick.len) == 0);
	reply_free(&quick);
	reply_free(&heavy);
	buf_free(&padded);
}

static void heavy_answers_are_the_same_bytes(void)
{
	static const char *const pages[] = { "https://a.example" };
	static const char *const near[] = { "127.0.0.0/8" };
	static const char self[] = "{" COST_TYPE ",\"endpoints\":{\"srcs\":[],"
		"\"dsts\":[\"ipv4:10.1.2.3\",\"ipv6:2001:db8::1\"]}}";
	struct alto_http_config cfg = usual;
	struct buf many = BUF_INIT(SERVED_BODY_MAX);
	struct stage st;

	cfg.origins = pages;
	cfg.forwarders = near;
	cfg.n_origins = cfg.n_forwarders = 1;
	begin_alone(&st, &cfg);
	many_endpoints(&many);
	same_bytes(&st, net, TYPE(MEDIA_NETWORK_MAP_FILTER), "{\"pids\":[]}");
	same_bytes(&st, net, TYPE(MEDIA_NETWORK_MAP_FILTER), "{\"pids\":1}");
	same_bytes(&st, net, TYPE(MEDIA_NETWORK_MAP_FILTER), "{\"pids\":");
	same_bytes(&st, cost, TYPE(MEDIA_COST_MAP_FILTER)
	           "\r\nOrigin: https://a.example", "{" COST_TYPE "}");
	same_bytes(&st, ecs, TYPE(MEDIA_ENDPOINT_COST_PARAMS)
	           "\r\nX-Forwarded-For: 10.9.9.9, 198.51.100.1", self);
	for (int i = 0; i < 2; i++)
		same_bytes(&st, eps, i ? TYPE(MEDIA_ENDPOINT_PROP_PARAMS)
		           "\r\nAccept-Encoding: gzip" :
		           TYPE(MEDIA_ENDPOINT_PROP_PARAMS)
		           "\r\nAccept-Encoding: zstd", buf_str(&many));
	buf_free(&many);
	end(&st);
}

static void work_makes_a_request_heavy_too(void)
{
	static const struct {
		unsigned n;
		bool heavy;
	} rows[] = { { 360, false }, { 365, true }, { 600, true } };
	struct stage st;

	begin_alone(&st, &usual);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf body = BUF_INIT(LONG_BODY_MAX);
		uint64_t before = heavies(&st);
		struct reply r;

		put_nothing(&body, rows[i].n);
		CU_ASSERT(body.len <= ANSWERS_QUICK_BODY);
		r = hear(send_ecs(&st, &body));
		CU_ASSERT(is_nothing(&r));
		CU_ASSERT_EQUAL(heavies(&st) - before, rows[i].heavy);
		reply_free(&r);
		buf_free(&body);
	}
	end(&st);
}

static void who_has_too_many_heavy_ones_is_put_off(void)
{
	struct buf body = BUF_INIT(LONG_BODY_MAX);
	unsigned given = 0, put_off = 0;
	struct stage st;
	int fd[16];

	begin_alone(&st, &usual);
	put_nothing(&body, MANY);
	for (int i = 0; i < 16; i++)
		fd[i] = send_ecs(&st, &body);
	for (int i = 0; i < 16; i++) {
		struct reply r = hear(fd[i]);

		if (r.status == 503) {
			put_off++;
			CU_ASSERT(reply_is(&r, "Retry-After", "1"));
		} else {
			given++;
			CU_ASSERT(is_nothing(&r));
		}
		reply_free(&r);
	}
	CU_ASSERT(given >= 4);
	CU_ASSERT(put_off > 0);
	CU_ASSERT_EQUAL(heavies(&st), given);
	CU_ASSERT_EQUAL(status_get(st.s.status, STATUS_computed_put_off),
	                put_off);
	buf_free(&body);
	end(&st);
}

/* One is being computed, others wait, and some are not there any more. */
static void the_end_does_not_wait_for_those_that_wait(void)
{
	struct buf body = BUF_INIT(LONG_BODY_MAX);
	struct stage st;
	struct reply r;
	int fd[4];

	begin_alone(&st, &usual);
	put_nothing(&body, MANY);
	for (int i = 0; i < 4; i++)
		fd[i] = send_ecs(&st, &body);
	wait_heavies(&st, 4);
	close(fd[0]);
	close(fd[2]);
	end(&st);
	for (int i = 1; i < 4; i += 2) {
		r = hear(fd[i]);
		CU_ASSERT(r.status == 503 || is_nothing(&r));
		reply_free(&r);
	}
	buf_free(&body);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "a heavy request keeps nobody waiting",
		  a_heavy_request_keeps_nobody_waiting },
		{ "heavy answers are the same bytes",
		  heavy_answers_are_the_same_bytes },
		{ "work makes a request heavy too",
		  work_makes_a_request_heavy_too },
		{ "who has too many heavy ones is put off",
		  who_has_too_many_heavy_ones_is_put_off },
		{ "the end does not wait for those that wait",
		  the_end_does_not_wait_for_those_that_wait },
		CU_TEST_INFO_NULL
	};

	return suite_run("answers_heavy", tests);
}
