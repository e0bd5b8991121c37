/* One subscriber that reads nothing among many: what the others notice of it. A
 * publisher in a process of its own sends small updates to as many subscribers,
 * with and without one more that subscribed and was stopped, whose socket is full
 * before the measuring begins. */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/swarm.h"
#include "common/core/digest.h"
#include "common/net/loop.h"
#include "common/service/guard.h"
#include "common/service/options.h"
#include "common/service/push.h"
#include "common/sys/log.h"
#include "common/wire/media.h"
#include "common/wire/seal.h"

#define SUBSCRIBERS 1000
#define UPDATES 60		/* measured, in each round */
#define EVERY_MS 100
#define FILL_MS 1		/* until the socket of the stopped one is full */
#define PATCH 2048		/* bytes of an update, about */
#define SERIALS 100000
#define FULL_TICKS 200		/* so long it must have been full */
#define ROUNDS_MAX 50

/* Between the processes. */
struct shared {
	atomic_uint port;
	atomic_bool full;		/* the stopped one takes nothing more */
	atomic_bool go;
	uint64_t cpu_ns;		/* the publisher's, to send what is measured */
	uint64_t sent_ns[SERIALS];	/* 0: not measured */
};

struct publisher {
	struct shared *sh;
	bool with;			/* there is a stopped one */
	struct loop *loop;
	struct loop_timer *timer;
	struct push *push;
	struct guard *guard;
	struct status *status;
	struct digest *digest;
	struct sign_key *key;
	struct resource *res;
	struct snapshot *head;
	struct state state;
	unsigned full_ticks, left;
	uint64_t cursor;
	enum rc rc;
};

/* ---- the publisher --------------------------------------------------------- */

static enum rc sign_next(struct publisher *p)
{
	struct snapshot *next = NULL;
	enum rc rc;

	p->state.pos.serial++;
	rc = state_sign(&p->state, p->key);
	if (rc == RC_OK)
		rc = snapshot_restate(p->head, &p->state, &next);
	if (rc != RC_OK)
		return rc;
	snapshot_unref(p->head);
	p->head = next;
	return RC_OK;
}

static enum rc encode(const struct publisher *p, struct update **out)
{
	struct buf text = BUF_INIT(1 << 20);
	char data[PATCH];
	size_t len;
	char *whole;
	enum rc rc;

	memset(data, 'x', sizeof(data));
	data[0] = data[sizeof(data) - 1] = '"';
	frame_update_begin(&p->state, 0, &text);
	frame_update_patch(resource_leaf(p->res), resource_name(p->res)->tag,
	                   MEDIA_MERGE_PATCH, data, sizeof(data), &text);
	frame_update_end(&text);
	rc = buf_rc(&text);
	if (rc == RC_OK) {
		whole = buf_take(&text, &len);
		rc = update_new(&p->state, whole, len, 0, out);
	}
	buf_free(&text);
	return rc;
}

static uint64_t cpu_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static enum rc publish(struct publisher *p, bool measured)
{
	struct update *u = NULL;
	uint64_t cpu;
	enum rc rc = sign_next(p);

	if (rc == RC_OK)
		rc = encode(p, &u);
	if (rc != RC_OK)
		return rc;
	if (measured)
		p->sh->sent_ns[p->state.pos.serial] = swarm_now_ns();
	cpu = cpu_now_ns();
	rc = push_publish(p->push, p->head, &u, 1, false, false);
	if (measured)
		p->sh->cpu_ns += cpu_now_ns() - cpu;
	update_unref(u);
	return rc;
}

static void look_at(const struct push_info *i, void *arg)
{
	((struct publisher *)arg)->cursor = pub_sent(i->pub);
}

/* Full: the cursor of the one that there is has not moved for a while. */
static bool is_full(struct publisher *p)
{
	uint64_t before = p->cursor;

	push_each(p->push, look_at, p);
	if (p->cursor && p->cursor == before)
		p->full_ticks++;
	else
		p->full_ticks = 0;
	return p->full_ticks > FULL_TICKS;
}

static void on_tick(void *arg)
{
	struct publisher *p = arg;

	if (p->with && !p->sh->full) {
		p->rc = publish(p, false);
		if (is_full(p)) {
			atomic_store(&p->sh->full, true);
			loop_timer_set(p->timer, EVERY_MS, EVERY_MS);
		}
	} else if (p->sh->go && p->left > 0) {
		p->left--;
		p->rc = publish(p, true);
	}
	if (p->rc != RC_OK || p->state.pos.serial >= SERIALS - 1)
		loop_stop(p->loop);
}

static enum rc make_guard(struct publisher *p)
{
	static const struct conf_key keys[] = {
		OPTIONS_SETTINGS("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0",
		                 "/run/x")
	};
	static const struct conf_table table = {
		"alto-bench.conf", keys, sizeof(keys) / sizeof(keys[0]), NULL
	};
	char path[] = "/tmp/alto-bench.XXXXXX";
	struct buf errors = BUF_INIT(65536);
	struct diag d = { .line = 0 };
	struct conf *c = NULL;
	int fd = mkstemp(path);
	enum rc rc = RC_EIO;

	if (fd >= 0 && write(fd, "state = \"s\";\n", 13) == 13)
		rc = conf_load(&table, path, &c, &errors);
	if (rc == RC_OK)
		rc = guard_new(c, true, &p->guard, &d);
	if (fd >= 0) {
		close(fd);
		unlink(path);
	}
	conf_free(c);
	buf_free(&errors);
	return rc;
}

static enum rc make_head(struct publisher *p, const char *path)
{
	struct map_file file = { path, true };
	struct snapshot *blank = NULL;
	uint64_t changed = 1;
	struct map m;
	enum rc rc;

	if (map_load(&file, &m))
		return RC_EIO;
	memcpy(p->state.service, SWARM_SESSION, sizeof(SWARM_SESSION));
	memcpy(p->state.pos.session, SWARM_SESSION, sizeof(SWARM_SESSION));
	p->state.pos.serial = 1;
	p->state.resources = 1;
	p->state.created = (int64_t)time(NULL);
	p->state.expires = p->state.created + 86400;
	rc = seal_costmap(p->digest, "cost", m.cost, NULL, &p->res);
	if (rc == RC_OK)
		rc = seal_announce(p->digest, p->res, "cost");
	if (rc == RC_OK)
		rc = snapshot_new(&p->res, &changed, 1, &p->state, &blank);
	if (rc == RC_OK) {
		memcpy(p->state.root, snapshot_root(blank), SHA256_SIZE);
		rc = state_sign(&p->state, p->key);
	}
	if (rc == RC_OK)
		rc = snapshot_restate(blank, &p->state, &p->head);
	snapshot_unref(blank);
	map_free(&m);
	return rc;
}

static enum rc make_push(struct publisher *p)
{
	struct push_config cfg = {
		.addr = "127.0.0.1",
		.limits = { .max_conns = SUBSCRIBERS + 10,
		            .max_conns_per_addr = SUBSCRIBERS + 10,
		            .max_message = 65536, .max_queue = 65536,
		            .handshake_s = 30 },
		.log_count = 1000, .log_bytes = 64u << 20,
		.message_max = 1 << 20, .heartbeat = 60, .slow_s = 3600,
		.origin = true, .instance = SWARM_SESSION,
		.status = p->status, .guard = p->guard
	};
	struct diag d = { .line = 0 };
	enum rc rc = push_new(p->loop, &cfg, &d, &p->push);

	if (rc == RC_OK)
		rc = push_start(p->push, &p->state, NULL, 0, p->head);
	if (rc == RC_OK)
		rc = loop_timer_new(p->loop, on_tick, p, &p->timer);
	return rc;
}

/* Until it is killed. */
static int publish_all(struct shared *sh, const char *path, bool with)
{
	struct publisher p = { .sh = sh, .with = with, .left = UPDATES };
	enum rc rc;

	log_init(LOG_LEVEL_ERROR);
	rc = digest_new(&p.digest);
	if (rc == RC_OK)
		rc = sign_key_new(&p.key);
	if (rc == RC_OK)
		rc = status_new(&p.status);
	if (rc == RC_OK)
		rc = loop_new(&p.loop);
	if (rc == RC_OK)
		rc = make_guard(&p);
	if (rc == RC_OK)
		rc = make_head(&p, path);
	if (rc == RC_OK)
		rc = make_push(&p);
	if (rc == RC_OK) {
		loop_timer_set(p.timer, FILL_MS, with ? FILL_MS : EVERY_MS);
		atomic_store(&sh->port, push_port(p.push));
		loop_run(p.loop);
		rc = p.rc;
	}
	fprintf(stderr, "publisher: %s\n", rc_text(rc));
	return 1;
}

/* ---- a round --------------------------------------------------------------- */

static int double_cmp(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

struct result {
	double p50, p99;		/* ms from sending to receipt */
	double cpu;			/* ms an update */
};

static struct result result_of(const struct shared *sh, double *ms, size_t n)
{
	qsort(ms, n, sizeof(*ms), double_cmp);
	return (struct result){ ms[n / 2], ms[n / 100 * 99],
	                        (double)sh->cpu_ns / 1e6 / UPDATES };
}

/* false: the publisher has ended. */
static bool wait_for(const atomic_uint *port, const atomic_bool *full,
                     pid_t publisher)
{
	const struct timespec nap = { 0, 1000000 };

	while (port ? !atomic_load(port) : !atomic_load(full)) {
		if (waitpid(publisher, NULL, WNOHANG) != 0)
			return false;
		nanosleep(&nap, NULL);
	}
	return true;
}

static void end(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* With the publisher at work. */
static int measure(struct shared *sh, pid_t publisher, bool with, double *ms)
{
	struct swarm *s = NULL;
	pid_t stopped = 0;
	int failed = -1;

	if (!wait_for(&sh->port, NULL, publisher))
		return -1;
	if (with) {
		stopped = fork();
		if (stopped == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			swarm_stopped(atomic_load(&sh->port));
		}
	}
	if (!with || wait_for(NULL, &sh->full, publisher))
		s = swarm_new(atomic_load(&sh->port), SUBSCRIBERS);
	if (s) {
		atomic_store(&sh->go, true);
		failed = swarm_receive(s, sh->sent_ns, UPDATES, ms);
	}
	swarm_free(s);
	end(stopped);
	return failed;
}

static int run_round(const char *path, bool with, struct result *out)
{
	struct shared *sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE,
	                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	double *ms = malloc(SUBSCRIBERS * UPDATES * sizeof(*ms));
	pid_t publisher = -1;
	int failed = -1;

	if (sh != MAP_FAILED && ms)
		publisher = fork();
	if (publisher == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(publish_all(sh, path, with));
	}
	if (publisher > 0)
		failed = measure(sh, publisher, with, ms);
	end(publisher);
	if (!failed)
		*out = result_of(sh, ms, SUBSCRIBERS * UPDATES);
	free(ms);
	if (sh != MAP_FAILED)
		munmap(sh, sizeof(*sh));
	return failed;
}

static struct result median(const struct result *all, size_t n)
{
	double p50[ROUNDS_MAX], p99[ROUNDS_MAX], cpu[ROUNDS_MAX];

	for (size_t i = 0; i < n; i++) {
		p50[i] = all[i].p50;
		p99[i] = all[i].p99;
		cpu[i] = all[i].cpu;
	}
	qsort(p50, n, sizeof(p50[0]), double_cmp);
	qsort(p99, n, sizeof(p99[0]), double_cmp);
	qsort(cpu, n, sizeof(cpu[0]), double_cmp);
	return (struct result){ p50[n / 2], p99[n / 2], cpu[n / 2] };
}

static void line(const char *what, const struct result *r)
{
	printf("  %-28s %9.3f %9.3f %9.3f\n", what, r->p50, r->p99, r->cpu);
}

int bench_stopped(char **path, size_t n, size_t rounds)
{
	struct result all[2][ROUNDS_MAX], without, with;

	(void)n;
	if (rounds > ROUNDS_MAX)
		rounds = ROUNDS_MAX;
	for (size_t i = 0; i < rounds; i++)
		for (size_t k = 0; k < 2; k++)
			if (run_round(path[0], k == 1, &all[k][i]))
				return 1;
	without = median(all[0], rounds);
	with = median(all[1], rounds);
	printf("%d subscribers, %d updates of %d bytes, one each %d ms\n",
	       SUBSCRIBERS, UPDATES, PATCH, EVERY_MS);
	printf("  %-28s %9s %9s %9s\n", "delivery, median of rounds", "p50 ms",
	       "p99 ms", "CPU ms");
	line("all read", &without);
	line("one more is stopped", &with);
	printf("  stopped / all read: p50 %.2f, p99 %.2f, CPU of the publisher "
	       "%.2f\n", with.p50 / without.p50, with.p99 / without.p99,
	       with.cpu / without.cpu);
	return 0;
}
