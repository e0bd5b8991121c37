/* publish() into a real journal, restore() out of it: the same snapshot byte for
 * byte, after any history and wherever it was cut off. */
#include "common/service/restore.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/service/publish.h"
#include "tests/suite.h"
#include "tests/world.h"

#define STEPS 150
#define RUN_MAX 4

static char dir[64];
static struct world *w;
static struct publish p;
static struct snapshot *served;
static struct state log_start;
static struct update *log_[4096];	/* what the journal must give back */
static size_t n_log;

/* ---- the writer ------------------------------------------------------------ */

static void open_journal(void)
{
	struct diag d = { .line = 0 };

	CU_ASSERT_EQUAL_FATAL(journal_open(dir, &p.journal, &d), RC_OK);
}

static void start(uint64_t seed)
{
	snprintf(dir, sizeof(dir), "/tmp/altocast-restore-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	w = world_new(seed);
	w->pull_in = 5;
	memset(&p, 0, sizeof(p));
	p.log_count = 5;
	p.log_bytes = 1 << 20;
	open_journal();
	CU_ASSERT_EQUAL_FATAL(slot_new(&p.slot), RC_OK);
	CU_ASSERT_EQUAL_FATAL(mailbox_new(10000, 1u << 30, &p.loop), RC_OK);
	served = NULL;
	n_log = 0;
}

static void drop_message(struct msg *m)
{
	msg_published_free((struct msg_published *)m);
}

static void forget_log(void)
{
	while (n_log)
		update_unref(log_[--n_log]);
}

static void end(void)
{
	static const char *const files[] = { ".db", ".db-wal", ".db-shm",
	                                     ".lock" };
	char path[128];

	journal_close(p.journal);
	publish_end(&p);
	slot_free(p.slot);
	mailbox_free(p.loop, drop_message);
	snapshot_unref(served);
	forget_log();
	world_free(w);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/journal%s", dir, files[i]);
		(void)unlink(path);
	}
	rmdir(dir);
}

static void put(struct update *const *u, size_t n, bool jump, bool session)
{
	struct publication pub = {
		.next = w->head, .prev = served, .updates = u, .n = n,
		.jump = jump, .session = session
	};
	struct diag d = { .line = 0 };
	enum rc rc = publish(&p, &pub, &d);

	if (rc != RC_OK)
		printf("  publish: %s: %s\n", rc_text(rc), d.text);
	CU_ASSERT_EQUAL_FATAL(rc, RC_OK);
	if (jump || session || !served) {
		forget_log();
		log_start = *snapshot_state(w->head);
	} else {
		for (size_t i = 0; i < n; i++)
			log_[n_log++] = update_ref(u[i]);
	}
	snapshot_unref(served);
	served = snapshot_ref(w->head);
}

/* A few publications of the world as one of ours. */
static void put_run(bool jump)
{
	struct update *run[RUN_MAX], *u;
	uint32_t want = 1 + world_rnd(w, RUN_MAX);
	size_t n = 0;

	for (uint32_t i = 0; i < want; i++) {
		w->now++;
		world_edit(w);
		if (i == 0)
			world_edit_cost(w, 0);	/* one at least */
		u = world_publish(w);
		if (u)
			run[n++] = update_ref(u);
	}
	if (n > 0)
		put(run, n, jump, false);
	while (n > 0)
		update_unref(run[--n]);
}

static void tidy(void)
{
	struct diag d = { .line = 0 };
	enum rc rc = publish_tidy(&p, served, &d);

	if (rc != RC_OK)
		printf("  tidy: %s: %s\n", rc_text(rc), d.text);
	CU_ASSERT_EQUAL(rc, RC_OK);
}

static void step(void)
{
	switch (world_rnd(w, 12)) {
	case 0:
		w->now += 30;
		world_heartbeat(w);
		put(NULL, 0, false, false);
		break;
	case 1:
		put_run(true);
		break;
	case 2:
		if (world_rnd(w, 3) == 0) {
			world_edit(w);
			world_session(w);
			put(NULL, 0, false, true);
		}
		break;
	default:
		put_run(false);
	}
	if (world_rnd(w, 3) == 0)
		tidy();
}

/* ---- the reader ------------------------------------------------------------ */

static void reopen(void)
{
	journal_close(p.journal);
	open_journal();
}

static bool same_text(const struct state *a, const struct state *b)
{
	return strcmp(a->text, b->text) == 0 &&
	       strcmp(a->input, b->input) == 0 &&
	       strcmp(a->signature, b->signature) == 0;
}

/* The updates are the newest of ours, as they were. */
static void check_log(const struct restored *r)
{
	size_t skip = n_log - r->n;

	CU_ASSERT_FATAL(r->n <= n_log);
	for (size_t i = 0; i < r->n; i++) {
		const struct update *a = log_[skip + i], *b = r->updates[i];

		CU_ASSERT_EQUAL_FATAL(a->len, b->len);
		CU_ASSERT_EQUAL(memcmp(a->text, b->text, a->len), 0);
		CU_ASSERT(same_text(&a->state, &b->state));
		CU_ASSERT_EQUAL(a->published_ms, b->published_ms);
	}
	CU_ASSERT_EQUAL(position_cmp(&r->log_start.pos, skip ?
	                &log_[skip - 1]->state.pos : &log_start.pos), 0);
}

static void check_restored(const struct snapshot *want)
{
	struct diag d = { .line = 0 };
	struct restored r = { .n = 0 };
	enum rc rc = restore(p.journal, &r, &d);

	if (rc != RC_OK)
		printf("  restore: %s: %s\n", rc_text(rc), d.text);
	CU_ASSERT_EQUAL_FATAL(rc, RC_OK);
	CU_ASSERT(world_same(r.snapshot, want));
	CU_ASSERT(world_proves(r.snapshot, NULL));
	CU_ASSERT(same_text(snapshot_state(r.snapshot), snapshot_state(want)));
	for (size_t i = 0; i < snapshot_count(want); i++)
		CU_ASSERT_EQUAL(snapshot_changed(r.snapshot, i),
		                snapshot_changed(want, i));
	if (want == served)
		check_log(&r);
	restored_free(&r);
}

/* ---- tests ----------------------------------------------------------------- */

static void an_empty_journal_is_told_apart(void)
{
	struct restored r = { .n = 7 };

	start(1);
	CU_ASSERT_EQUAL(restore(p.journal, &r, NULL), RC_ENOENT);
	CU_ASSERT_EQUAL(r.n, 7);
	end();
}

static void the_first_publication_comes_back(void)
{
	start(2);
	put(NULL, 0, false, false);
	reopen();
	check_restored(served);
	end();
}

static void after_any_history_the_same_comes_back(void)
{
	start(world_seed());
	put(NULL, 0, false, false);
	for (int i = 0; i < STEPS; i++) {
		step();
		if (i % 10 == 0)
			reopen();
		check_restored(served);
	}
	end();
}

static void what_is_served_and_told_is_what_is_on_disk(void)
{
	struct msg *list, *next;
	struct snapshot *s;
	size_t n = 0;

	start(3);
	put(NULL, 0, false, false);
	put_run(false);
	put_run(true);
	s = slot_ref(p.slot);
	CU_ASSERT_PTR_EQUAL(s, served);
	snapshot_unref(s);
	for (list = mailbox_take(p.loop); list; list = next) {
		struct msg_published *m = (struct msg_published *)list;

		next = list->next;
		CU_ASSERT_EQUAL(m->msg.kind, MSG_PUBLISHED);
		CU_ASSERT(n < 2 || (m->jump && m->n == 0));
		CU_ASSERT(n != 1 || (!m->jump && m->n > 0));
		n++;
		msg_published_free(m);
	}
	CU_ASSERT_EQUAL(n, 3);
	end();
}

static enum rc refuse(struct journal *j, void *arg, struct diag *d)
{
	(void)j;
	(void)arg;
	return diag_set(d, RC_EIO, "the disk is full");
}

static void a_publication_that_fails_leaves_nothing(void)
{
	struct publication pub = { .also = refuse };
	struct diag d = { .line = 0 };
	struct snapshot *s;
	struct update *u;

	start(4);
	put(NULL, 0, false, false);
	world_edit_cost(w, 0);
	u = world_publish(w);
	pub.next = w->head;
	pub.prev = served;
	pub.updates = &u;
	pub.n = 1;
	CU_ASSERT_EQUAL(publish(&p, &pub, &d), RC_EIO);
	CU_ASSERT_STRING_EQUAL(d.text, "the disk is full");
	s = slot_ref(p.slot);
	CU_ASSERT_PTR_EQUAL(s, served);
	snapshot_unref(s);
	check_restored(served);
	put(&u, 1, false, false);
	check_restored(served);
	end();
}

static void a_log_with_a_hole_is_never_written(void)
{
	struct publication pub = { .n = 1 };
	struct update *u;

	start(5);
	put(NULL, 0, false, false);
	world_edit_cost(w, 0);
	(void)world_publish(w);
	world_edit_cost(w, 0);
	u = world_publish(w);
	pub.next = w->head;
	pub.prev = served;
	pub.updates = &u;
	CU_ASSERT_EQUAL(publish(&p, &pub, NULL), RC_EINVAL);
	pub.n = 0;
	CU_ASSERT_EQUAL(publish(&p, &pub, NULL), RC_EINVAL);
	check_restored(served);
	end();
}

static void the_log_is_kept_within_its_bounds(void)
{
	struct journal_sizes sizes;

	start(6);
	put(NULL, 0, false, false);
	for (int i = 0; i < 60; i++) {
		put_run(false);
		tidy();
		CU_ASSERT_EQUAL(journal_sizes(p.journal, &sizes, NULL), RC_OK);
		CU_ASSERT(sizes.updates <= 2 * p.log_count);
		CU_ASSERT(sizes.updates >= p.log_count || i < 20);
	}
	p.log_bytes = 4000;
	for (int i = 0; i < 60; i++) {
		put_run(false);
		tidy();
		check_restored(served);
	}
	CU_ASSERT_EQUAL(journal_sizes(p.journal, &sizes, NULL), RC_OK);
	CU_ASSERT(sizes.updates < 60);
	end();
}

static void what_is_gone_leaves_nothing_behind(void)
{
	struct buf value = BUF_INIT(100);

	start(7);
	w->cost_there[1] = true;
	(void)world_publish(w);
	put(NULL, 0, false, false);
	CU_ASSERT_EQUAL(journal_meta_get(p.journal, META_CHANGED "delay",
	                                 &value, NULL), RC_OK);
	w->cost_there[1] = false;
	(void)world_publish(w);
	put(NULL, 0, true, false);
	CU_ASSERT_EQUAL(journal_meta_get(p.journal, META_CHANGED "delay",
	                                 &value, NULL), RC_ENOENT);
	CU_ASSERT_EQUAL(journal_base_read(p.journal, "delay", &value, NULL),
	                RC_ENOENT);
	check_restored(served);
	buf_free(&value);
	end();
}

/* A resource is ordered as a pull and goes again before its body was here. */
static void a_pull_that_went_again_in_one_run_is_no_harm(void)
{
	struct update *run[3];

	start(8);
	w->pull_in = 0;
	w->cost_there[1] = true;
	(void)world_publish(w);
	put(NULL, 0, false, false);
	w->pull_in = 1;
	world_edit_cost(w, 1);
	run[0] = update_ref(world_publish(w));
	w->pull_in = 0;
	world_edit_cost(w, 1);
	run[1] = update_ref(world_publish(w));
	w->cost_there[1] = false;
	run[2] = update_ref(world_publish(w));
	put(run, 3, false, false);
	check_restored(served);
	for (size_t i = 0; i < 3; i++)
		update_unref(run[i]);
	end();
}

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

/* ---- kill ------------------------------------------------------------------ */

/* What the child says once it has served something. */
struct told {
	struct position pos;
	int64_t created;
	uint8_t root[SHA256_SIZE];
};

static void child(int out)
{
	for (;;) {
		struct told t;

		step();
		memset(&t, 0, sizeof(t));
		t.pos = snapshot_state(served)->pos;
		t.created = snapshot_state(served)->created;
		memcpy(t.root, snapshot_root(served), SHA256_SIZE);
		if (write(out, &t, sizeof(t)) != sizeof(t))
			_exit(1);
	}
}

/* Lets a child publish, kills it, and returns the last it told. */
static struct told run_and_kill(unsigned steps)
{
	struct told t, last = { .created = 0 };
	unsigned n = 0;
	int fd[2], status;
	pid_t pid;

	CU_ASSERT_EQUAL_FATAL(pipe(fd), 0);
	pid = fork();
	CU_ASSERT_FATAL(pid >= 0);
	if (pid == 0) {
		close(fd[0]);
		open_journal();
		child(fd[1]);
	}
	close(fd[1]);
	while (n < steps && read(fd[0], &t, sizeof(t)) == sizeof(t)) {
		last = t;
		n++;
	}
	kill(pid, SIGKILL);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	while (read(fd[0], &t, sizeof(t)) == sizeof(t))
		last = t;
	close(fd[0]);
	return last;
}

static void a_killed_writer_loses_nothing_it_has_served(void)
{
	uint64_t seed = world_seed();

	for (unsigned round = 0; round < 12; round++) {
		struct restored r = { .n = 0 };
		const struct state *st;
		struct keys keys;
		struct told last;
		int cmp;

		start(seed + round);
		world_keys(w, &keys);
		put(NULL, 0, false, false);
		journal_close(p.journal);
		last = run_and_kill(10 + round * 5);
		open_journal();
		CU_ASSERT_EQUAL_FATAL(restore(p.journal, &r, NULL), RC_OK);
		CU_ASSERT(world_proves(r.snapshot, &keys));
		st = snapshot_state(r.snapshot);
		cmp = position_cmp(&st->pos, &last.pos);
		CU_ASSERT(cmp >= 0);
		CU_ASSERT(st->created >= last.created);
		if (cmp == 0)
			CU_ASSERT_EQUAL(memcmp(st->root, last.root,
			                       SHA256_SIZE), 0);
		restored_free(&r);
		end();
	}
}

#define T(f) { #f, f }

int main(void)
{
	CU_TestInfo tests[] = {
		T(an_empty_journal_is_told_apart),
		T(the_first_publication_comes_back),
		T(after_any_history_the_same_comes_back),
		T(what_is_served_and_told_is_what_is_on_disk),
		T(a_publication_that_fails_leaves_nothing),
		T(a_log_with_a_hole_is_never_written),
		T(the_log_is_kept_within_its_bounds),
		T(what_is_gone_leaves_nothing_behind),
		T(a_pull_that_went_again_in_one_run_is_no_harm),
		T(bases_ahead_of_the_log_are_no_harm),
		T(damaged_values_are_an_error),
		T(a_state_that_is_not_the_logs_is_an_error),
		T(a_position_that_is_not_the_logs_is_an_error),
		T(a_missing_or_foreign_base_is_an_error),
		T(a_torn_file_is_an_error_or_right),
		T(a_killed_writer_loses_nothing_it_has_served),
		CU_TEST_INFO_NULL
	};

	return suite_run("restore", tests);
}
