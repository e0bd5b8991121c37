/* Coding bodies, and the thread that does it. */
#include "common/service/codings.h"

#include <libdeflate.h>
#include <pthread.h>
#include <zstd.h>

#include "tests/suite.h"

#define BIG (1u << 20)

static const enum coding both[] = { CODING_GZIP, CODING_ZSTD };

/* Text as in maps, of n bytes. */
static char *text_of(size_t n)
{
	char *s = malloc(n + 32);
	size_t at = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	for (unsigned i = 0; at < n; i++)
		at += (size_t)snprintf(s + at, 32, "\"pid-%u\":%u.5,", i,
		                       i * 7919 % 1000);
	return s;
}

static bool decodes(enum coding c, const char *coded, size_t n,
                    const char *body, size_t len)
{
	struct libdeflate_decompressor *z = libdeflate_alloc_decompressor();
	char *out = malloc(len + 1);
	size_t got = 0;
	bool ok;

	CU_ASSERT_FATAL(z && out);
	if (c == CODING_ZSTD)
		got = ZSTD_decompress(out, len + 1, coded, n);
	else if (libdeflate_gzip_decompress(z, coded, n, out, len + 1, &got) !=
	         LIBDEFLATE_SUCCESS)
		got = 0;
	ok = got == len && memcmp(out, body, len) == 0;
	libdeflate_free_decompressor(z);
	free(out);
	return ok;
}

static void a_packed_body_decodes_to_itself(void)
{
	char *body = text_of(BIG), *coded;
	size_t n;

	for (int c = 0; c < 2; c++)
		for (int e = EFFORT_FAST; e <= EFFORT_SMALL; e++)
			for (size_t len = 0; len <= BIG; len = len * 4 + 1) {
				CU_ASSERT_EQUAL_FATAL(codings_pack(both[c],
					(enum effort)e, body, len,
					codings_bound(both[c], len), &coded,
					&n), RC_OK);
				CU_ASSERT(decodes(both[c], coded, n, body,
				                  len));
				free(coded);
			}
	free(body);
}

static void what_does_not_fit_is_said(void)
{
	char *body = text_of(1000), *coded = NULL;
	size_t n, small;

	for (int c = 0; c < 2; c++) {
		CU_ASSERT_EQUAL_FATAL(codings_pack(both[c], EFFORT_SMALL, body,
			1000, 1000, &coded, &small), RC_OK);
		free(coded);
		coded = NULL;
		CU_ASSERT_EQUAL(codings_pack(both[c], EFFORT_SMALL, body, 1000,
		                             small - 1, &coded, &n), RC_ELIMIT);
		CU_ASSERT_EQUAL(codings_pack(both[c], EFFORT_SMALL, body, 1000,
		                             0, &coded, &n), RC_ELIMIT);
		CU_ASSERT_PTR_NULL(coded);
	}
	CU_ASSERT_EQUAL(codings_pack(CODING_IDENTITY, EFFORT_FAST, body, 10,
	                             100, &coded, &n), RC_EINVAL);
	free(body);
}

/* A source of so many bodies, and what came of them. */
struct source {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned left, coded, refused;
	const char *body;
	size_t len;
	enum coding coding;
};

static bool next(void *arg, struct coder_job *job)
{
	struct source *s = arg;
	bool more;

	pthread_mutex_lock(&s->lock);
	more = s->left > 0;
	if (more)
		s->left--;
	job->coding = s->coding;
	job->data = s->body;
	job->len = s->len;
	pthread_mutex_unlock(&s->lock);
	return more;
}

static void done(void *arg, char *coded, size_t n)
{
	struct source *s = arg;

	pthread_mutex_lock(&s->lock);
	if (coded && decodes(s->coding, coded, n, s->body, s->len))
		s->coded++;
	else
		s->refused++;
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
	free(coded);
}

static void add(struct source *s, unsigned n)
{
	pthread_mutex_lock(&s->lock);
	s->left += n;
	pthread_mutex_unlock(&s->lock);
}

static void wait_for(struct source *s, unsigned n)
{
	pthread_mutex_lock(&s->lock);
	while (s->coded + s->refused < n)
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

static void the_thread_codes_until_nothing_is_left(void)
{
	struct source s = { .len = 5000, .coding = CODING_ZSTD,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER };
	char *body = text_of(s.len);
	struct coder *c = NULL;

	s.body = body;
	CU_ASSERT_EQUAL_FATAL(coder_start(&(struct coder_source){
		next, done, &s }, &c), RC_OK);
	for (unsigned round = 1; round <= 20; round++) {
		add(&s, 3);
		coder_wake(c);
		wait_for(&s, 3 * round);
	}
	coder_stop(c);
	CU_ASSERT_EQUAL(s.coded, 60);
	free(body);
}

static void what_is_not_smaller_is_handed_back_empty(void)
{
	struct source s = { .body = "{}", .len = 2, .coding = CODING_GZIP,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER };
	struct coder *c = NULL;

	CU_ASSERT_EQUAL_FATAL(coder_start(&(struct coder_source){
		next, done, &s }, &c), RC_OK);
	add(&s, 1);
	coder_wake(c);
	wait_for(&s, 1);
	pthread_mutex_lock(&s.lock);
	s.len = 0;
	pthread_mutex_unlock(&s.lock);
	add(&s, 1);
	coder_wake(c);
	wait_for(&s, 2);
	coder_stop(c);
	CU_ASSERT_EQUAL(s.refused, 2);
}

static void it_stops_with_work_left(void)
{
	struct source s = { .len = BIG, .coding = CODING_GZIP, .left = 100000,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER };
	char *body = text_of(s.len);
	struct coder *c = NULL;

	s.body = body;
	CU_ASSERT_EQUAL_FATAL(coder_start(&(struct coder_source){
		next, done, &s }, &c), RC_OK);
	coder_wake(c);
	wait_for(&s, 1);
	coder_stop(c);
	CU_ASSERT(s.left > 0);
	CU_ASSERT_EQUAL(s.left + s.coded, 100000);
	free(body);
	coder_stop(NULL);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "a packed body decodes to itself",
		  a_packed_body_decodes_to_itself },
		{ "what does not fit is said", what_does_not_fit_is_said },
		{ "the thread codes until nothing is left",
		  the_thread_codes_until_nothing_is_left },
		{ "what is not smaller is handed back empty",
		  what_is_not_smaller_is_handed_back_empty },
		{ "it stops with work left", it_stops_with_work_left },
		CU_TEST_INFO_NULL
	};

	return suite_run("codings", tests);
}
