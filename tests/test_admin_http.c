/* The operators' listener: asked over HTTP, answered by a loop. */
#include "common/service/admin_http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/wire/json.h"
#include "tests/suite.h"

#define MSG_END 99

enum manner { ANSWERS, DROPS, KEEPS };

struct daemon {
	struct mailbox *box;
	struct status *status;
	struct admin_http *admin;
	struct report report;
	enum manner manner;
	pthread_t loop;
	struct msg end;
	struct msg *kept;
};

static void take(struct daemon *d, struct msg *m)
{
	switch (d->manner) {
	case ANSWERS:
		admin_http_answer(m, &d->report);
		break;
	case DROPS:
		admin_http_drop(m);
		break;
	case KEEPS:			/* until the asker has given up */
		m->next = d->kept;
		d->kept = m;
		break;
	}
}

static void *run_loop(void *arg)
{
	struct daemon *d = arg;
	bool on = true;

	while (on) {
		struct msg *m = mailbox_wait(d->box, MAILBOX_FOREVER), *next;

		for (; m; m = next) {
			next = m->next;
			on = m->kind != MSG_END && on;
			if (m->kind == MSG_ASKED)
				take(d, m);
		}
	}
	return NULL;
}

static void start(struct daemon *d, enum manner manner)
{
	const struct http_config http = { .addr = "127.0.0.1:0", .threads = 2,
		.max_conns = 16, .timeout_s = 20, .max_body = 1000 };
	struct diag why = { 0 };

	memset(d, 0, sizeof(*d));
	d->manner = manner;
	CU_ASSERT_EQUAL_FATAL(mailbox_new(100, 100000, &d->box), RC_OK);
	CU_ASSERT_EQUAL_FATAL(status_new(&d->status), RC_OK);
	d->report = (struct report){ .role = "server", .version = "1.2.3",
		.http = "http://127.0.0.1:1/", .status = d->status,
		.heartbeat = 30 };
	CU_ASSERT_EQUAL_FATAL(admin_http_start(&http, d->box, &why, &d->admin),
	                      RC_OK);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&d->loop, NULL, run_loop, d), 0);
}

static void stop(struct daemon *d)
{
	struct msg *next;

	admin_http_stop(d->admin);
	d->end = (struct msg){ .size = 1, .kind = MSG_END };
	CU_ASSERT_EQUAL(mailbox_post(d->box, &d->end), RC_OK);
	pthread_join(d->loop, NULL);
	for (; d->kept; d->kept = next) {
		next = d->kept->next;
		if (next)
			admin_http_answer(d->kept, &d->report);
		else
			admin_http_drop(d->kept);
	}
	mailbox_free(d->box, NULL);
	status_free(d->status);
}

struct reply {
	unsigned status;
	char text[32768];
	const char *body;
};

static void request(const struct daemon *d, const char *method,
                    const char *path, struct reply *r)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(admin_http_port(d->admin)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval limit = { 60, 0 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	size_t len = 0;
	ssize_t n = 1;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&to, sizeof(to)),
	                      0);
	dprintf(fd, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
	        method, path);
	while (n > 0) {
		n = read(fd, r->text + len, sizeof(r->text) - 1 - len);
		CU_ASSERT_FATAL(n >= 0);
		len += (size_t)n;
	}
	close(fd);
	r->text[len] = '\0';
	r->status = (unsigned)strtoul(r->text + 9, NULL, 10);
	r->body = strstr(r->text, "\r\n\r\n");
	CU_ASSERT_PTR_NOT_NULL_FATAL(r->body);
	r->body += 4;
}

static void health_is_that_the_loop_answers(void)
{
	struct daemon d;
	struct reply r;

	start(&d, ANSWERS);
	request(&d, "GET", "/healthz", &r);
	CU_ASSERT_EQUAL(r.status, 200);
	CU_ASSERT_STRING_EQUAL(r.body, "{\"ok\":true}");
	CU_ASSERT_PTR_NOT_NULL(strstr(r.text, "Cache-Control: no-store"));
	request(&d, "HEAD", "/healthz", &r);
	CU_ASSERT_EQUAL(r.status, 200);
	CU_ASSERT_STRING_EQUAL(r.body, "");
	stop(&d);
}

static void readiness_has_its_reasons(void)
{
	struct daemon d;
	struct reply r;

	start(&d, ANSWERS);
	request(&d, "GET", "/readyz", &r);
	CU_ASSERT_EQUAL(r.status, 503);
	CU_ASSERT_STRING_EQUAL(r.body, "{\"ready\":false,\"reasons\":"
	                       "[\"no map is here yet\"]}");
	stop(&d);
}

static void status_and_metrics_are_served(void)
{
	struct daemon d;
	struct reply r;
	json_t *doc = NULL;

	start(&d, ANSWERS);
	request(&d, "GET", "/status?x=y", &r);
	CU_ASSERT_EQUAL(r.status, 200);
	CU_ASSERT_PTR_NOT_NULL(strstr(r.text, "Content-Type: application/json"));
	CU_ASSERT_EQUAL_FATAL(json_read(r.body, strlen(r.body), 100000, &doc,
	                                NULL), RC_OK);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(doc, "role")),
	                       "server");
	json_decref(doc);
	request(&d, "GET", "/metrics", &r);
	CU_ASSERT_EQUAL(r.status, 200);
	CU_ASSERT_PTR_NOT_NULL(strstr(r.text, "Content-Type: text/plain; "
	                              "version=0.0.4"));
	CU_ASSERT_PTR_NOT_NULL(strstr(r.body, "alto_build_info{role=\"server\","
	                              "version=\"1.2.3\"} 1\n"));
	stop(&d);
}

static void other_paths_and_methods_are_refused(void)
{
	struct daemon d;
	struct reply r;

	start(&d, ANSWERS);
	request(&d, "GET", "/", &r);
	CU_ASSERT_EQUAL(r.status, 404);
	CU_ASSERT_PTR_NOT_NULL(strstr(r.body, "/readyz"));
	request(&d, "DELETE", "/status", &r);
	CU_ASSERT_EQUAL(r.status, 405);
	CU_ASSERT_PTR_NOT_NULL(strstr(r.text, "Allow: GET, HEAD"));
	stop(&d);
}

/* What is answered later must not touch what the asker has let go of. */
static void a_loop_that_does_not_answer_is_503(void)
{
	static const char *const paths[] = { "/healthz", "/status" };
	struct daemon d;
	struct reply r;

	start(&d, KEEPS);
	for (int i = 0; i < 2; i++) {
		request(&d, "GET", paths[i], &r);
		CU_ASSERT_EQUAL(r.status, 503);
		CU_ASSERT_PTR_NOT_NULL(strstr(r.body, "does not answer"));
	}
	stop(&d);
}

static void a_question_that_is_dropped_is_503_at_once(void)
{
	struct daemon d;
	struct reply r;

	start(&d, DROPS);
	request(&d, "GET", "/healthz", &r);
	CU_ASSERT_EQUAL(r.status, 503);
	stop(&d);
}

static void a_full_or_closed_mailbox_is_503(void)
{
	struct msg filler = { .size = 100000, .kind = 0 };
	struct daemon d;
	struct reply r;

	start(&d, ANSWERS);
	d.end = (struct msg){ .size = 1, .kind = MSG_END };
	CU_ASSERT_EQUAL(mailbox_post(d.box, &d.end), RC_OK);
	pthread_join(d.loop, NULL);
	CU_ASSERT_EQUAL(mailbox_post(d.box, &filler), RC_OK);
	request(&d, "GET", "/healthz", &r);
	CU_ASSERT_EQUAL(r.status, 503);
	CU_ASSERT_PTR_NOT_NULL(strstr(r.body, "no more questions"));
	CU_ASSERT_PTR_EQUAL(mailbox_take(d.box), &filler);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&d.loop, NULL, run_loop, &d), 0);
	request(&d, "GET", "/healthz", &r);
	CU_ASSERT_EQUAL(r.status, 200);
	stop(&d);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "health is that the loop answers",
		  health_is_that_the_loop_answers },
		{ "readiness has its reasons", readiness_has_its_reasons },
		{ "status and metrics are served",
		  status_and_metrics_are_served },
		{ "other paths and methods are refused",
		  other_paths_and_methods_are_refused },
		{ "a loop that does not answer is 503",
		  a_loop_that_does_not_answer_is_503 },
		{ "a question that is dropped is 503 at once",
		  a_question_that_is_dropped_is_503_at_once },
		{ "a full or closed mailbox is 503",
		  a_full_or_closed_mailbox_is_503 },
		CU_TEST_INFO_NULL
	};

	return suite_run("admin_http", tests);
}
