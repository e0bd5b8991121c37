/* A world that is published into a real journal. */
#include "tests/restore_stage.h"

#include <unistd.h>

#include "common/service/restore.h"
#include "tests/suite.h"

#define RUN_MAX 4

char dir[64];
struct world *w;
struct publish p;
struct snapshot *served;
static struct state log_start;
static struct update *log_[4096];	/* what the journal must give back */
static size_t n_log;

void open_journal(void)
{
	struct diag d = { .line = 0 };

	CU_ASSERT_EQUAL_FATAL(journal_open(dir, &p.journal, &d), RC_OK);
}

void start(uint64_t seed)
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

void end(void)
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

void put(struct update *const *u, size_t n, bool jump, bool session)
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

void put_run(bool jump)
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

void tidy(void)
{
	struct diag d = { .line = 0 };
	enum rc rc = publish_tidy(&p, served, &d);

	if (rc != RC_OK)
		printf("  tidy: %s: %s\n", rc_text(rc), d.text);
	CU_ASSERT_EQUAL(rc, RC_OK);
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

void check_restored(const struct snapshot *want)
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
