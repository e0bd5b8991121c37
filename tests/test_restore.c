/* publish() into a real journal, restore() out of it: the same snapshot byte for
 * byte, after any history and wherever it was cut off. */
#include "common/service/restore.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/service/publish.h"
#include "tests/restore_stage.h"
#include "tests/suite.h"
#include "tests/world.h"

#define STEPS 150

/* ---- the writer ------------------------------------------------------------ */

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
		T(a_killed_writer_loses_nothing_it_has_served),
		CU_TEST_INFO_NULL
	};

	return suite_run("restore", tests);
}
