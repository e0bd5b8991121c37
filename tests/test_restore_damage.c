/* restore() out of a journal that is not as it was left: an error, or what was
 * there. */
#include "common/service/restore.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/service/publish.h"
#include "tests/restore_stage.h"
#include "tests/suite.h"
#include "tests/world.h"

static enum rc read_body(void *arg, uint64_t off, char *dst, size_t len)
{
	return resource_read(arg, off, dst, len) == len ? RC_OK : RC_EIO;
}

/* As a crash while tidying leaves it: some bases are ahead of the log. */
static void bases_ahead_of_the_log_are_no_harm(void)
{
	start(9);
	put(NULL, 0, false, false);
	for (int round = 0; round < 30; round++) {
		put_run(false);
		for (size_t i = 0; i < snapshot_count(served); i++) {
			struct resource *r = snapshot_at(served, i);
			struct journal_base b = {
				resource_name(r)->id, resource_name(r)->type,
				resource_leaf(r),
				snapshot_state(served)->pos.serial,
				resource_size(r)
			};

			if (world_rnd(w, 3))
				continue;
			CU_ASSERT_EQUAL(journal_base_write(p.journal, &b,
			                read_body, r, NULL), RC_OK);
			check_restored(served);
		}
		if (round % 10 == 9)
			tidy();
	}
	end();
}

/* ---- damage ---------------------------------------------------------------- */

static enum rc restore_code(void)
{
	struct diag d = { .line = 0 };
	struct restored r = { .n = 0 };
	enum rc rc = restore(p.journal, &r, &d);

	if (rc == RC_OK)
		restored_free(&r);
	else
		CU_ASSERT(d.text[0] != '\0');
	return rc;
}

static void set_meta(const char *key, const char *value)
{
	CU_ASSERT_EQUAL_FATAL(journal_meta_set(p.journal, key, value,
	                                       strlen(value), NULL), RC_OK);
}

static void damaged_values_are_an_error(void)
{
	static const char *const bad[] = { "", "\n", "a\nb\nc\n", "a\nb",
	                                   "\n\n\n", "\n\n\n\n" };
	struct buf state = BUF_INIT(4096);

	start(10);
	put(NULL, 0, false, false);
	put_run(false);
	CU_ASSERT_EQUAL(journal_meta_get(p.journal, META_STATE, &state, NULL),
	                RC_OK);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		enum rc rc;

		set_meta(META_STATE, bad[i]);
		rc = restore_code();
		CU_ASSERT(rc != RC_OK && rc != RC_ENOENT);
	}
	set_meta(META_STATE, state.data);
	check_restored(served);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		enum rc rc;

		set_meta(META_LOG_START, bad[i]);
		rc = restore_code();
		CU_ASSERT(rc != RC_OK && rc != RC_ENOENT);
	}
	CU_ASSERT_EQUAL(journal_meta_del(p.journal, META_LOG_START, NULL),
	                RC_OK);
	CU_ASSERT_EQUAL(restore_code(), RC_EDIGEST);
	buf_free(&state);
	end();
}

static void a_state_that_is_not_the_logs_is_an_error(void)
{
	struct buf old = BUF_INIT(4096);

	start(11);
	put(NULL, 0, false, false);
	CU_ASSERT_EQUAL(journal_meta_get(p.journal, META_STATE, &old, NULL),
	                RC_OK);
	put_run(false);
	set_meta(META_STATE, old.data);
	CU_ASSERT_EQUAL(restore_code(), RC_EDIGEST);
	buf_free(&old);
	end();
}

/* There and back: the root is the same, the position is not. */
static void a_position_that_is_not_the_logs_is_an_error(void)
{
	struct buf old = BUF_INIT(4096);
	struct update *u;
	double was;

	start(14);
	put(NULL, 0, false, false);
	CU_ASSERT_EQUAL(journal_meta_get(p.journal, META_STATE, &old, NULL),
	                RC_OK);
	was = w->cost[0][0][0];
	for (int i = 0; i < 2; i++) {
		w->cost[0][0][0] = i ? was : was + 1;
		u = world_publish(w);
		CU_ASSERT_PTR_NOT_NULL_FATAL(u);
		put(&u, 1, false, false);
	}
	check_restored(served);
	set_meta(META_STATE, old.data);
	CU_ASSERT_EQUAL(restore_code(), RC_EDIGEST);
	buf_free(&old);
	end();
}

static void a_missing_or_foreign_base_is_an_error(void)
{
	struct resource *r;
	struct journal_base b;

	start(12);
	put(NULL, 0, false, false);
	CU_ASSERT_EQUAL(journal_base_drop(p.journal, "cost", NULL), RC_OK);
	CU_ASSERT_EQUAL(restore_code(), RC_EDIGEST);
	r = snapshot_get(served, "net");
	b = (struct journal_base){ "cost", "application/json",
	                           resource_leaf(r), 1, resource_size(r) };
	CU_ASSERT_EQUAL(journal_base_write(p.journal, &b, read_body, r, NULL),
	                RC_OK);
	CU_ASSERT_EQUAL(restore_code(), RC_EDIGEST);
	b.leaf = "x";
	CU_ASSERT_EQUAL(journal_base_write(p.journal, &b, read_body, r, NULL),
	                RC_OK);
	CU_ASSERT(restore_code() != RC_OK);
	end();
}

/* Any byte of the file may be wrong: an error, or the right thing. */
static void a_torn_file_is_an_error_or_right(void)
{
	char path[128], *copy;
	struct stat st;
	int fd;

	start(13);
	put(NULL, 0, false, false);
	for (int i = 0; i < 5; i++)
		put_run(false);
	journal_close(p.journal);
	snprintf(path, sizeof(path), "%s/" JOURNAL_FILE, dir);
	fd = open(path, O_RDWR);
	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(fstat(fd, &st), 0);
	copy = malloc((size_t)st.st_size);
	CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
	CU_ASSERT_EQUAL(pread(fd, copy, (size_t)st.st_size, 0), st.st_size);
	for (int i = 0; i < 150; i++) {
		off_t at = (off_t)world_rnd(w, (uint32_t)st.st_size);
		char junk[64];

		memset(junk, (int)world_rnd(w, 256), sizeof(junk));
		if (at > st.st_size - 64)
			at = st.st_size - 64;
		CU_ASSERT_EQUAL(pwrite(fd, junk, 1 + world_rnd(w, 64), at) > 0,
		                true);
		if (i % 10 == 0)
			CU_ASSERT_EQUAL(ftruncate(fd, at), 0);
		p.journal = NULL;
		if (journal_open(dir, &p.journal, NULL) == RC_OK) {
			struct restored r = { .n = 0 };
			struct diag d = { .line = 0 };

			if (restore(p.journal, &r, &d) == RC_OK) {
				CU_ASSERT(world_same(r.snapshot, served));
				restored_free(&r);
			}
			journal_close(p.journal);
		}
		CU_ASSERT_EQUAL(ftruncate(fd, st.st_size), 0);
		CU_ASSERT_EQUAL(pwrite(fd, copy, (size_t)st.st_size, 0),
		                st.st_size);
	}
	open_journal();
	check_restored(served);
	free(copy);
	close(fd);
	end();
}

#define T(f) { #f, f }

int main(void)
{
	CU_TestInfo tests[] = {
		T(bases_ahead_of_the_log_are_no_harm),
		T(damaged_values_are_an_error),
		T(a_state_that_is_not_the_logs_is_an_error),
		T(a_position_that_is_not_the_logs_is_an_error),
		T(a_missing_or_foreign_base_is_an_error),
		T(a_torn_file_is_an_error_or_right),
		CU_TEST_INFO_NULL
	};

	return suite_run("restore_damage", tests);
}
