#include "tests/maps.h"

#include <math.h>
#include <string.h>

#include "tests/suite.h"

#define POOL MAPS_POOL
#define PIDS MAPS_PIDS
#define NOBODY (-1)

/* As long as a name may be. */
#define LONGEST "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz" \
	"zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"

static const char *const names[PIDS] = {
	"default", "a", "A", "a-b", "a:b", "a@b", "a_b", "ab", "b", "pid-10",
	"pid-9", "Z", "0", LONGEST
};

static struct prefix pool[POOL];
uint64_t maps_seed;

uint32_t maps_rnd(uint32_t n)		/* below n; splitmix64 */
{
	uint64_t z = (maps_seed += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ (z >> 31)) >> 16) % n;
}

static bool in_pool(const struct prefix *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (prefix_cmp(&pool[i], p) == 0)
			return true;
	return false;
}

/* Few distinct bits, so that prefixes nest. */
static struct prefix random_prefix(enum family f)
{
	struct prefix p = { .family = (uint8_t)f };
	uint32_t bytes = f == FAMILY_IPV4 ? 4 : 16;

	p.len = (uint8_t)(1 + maps_rnd(bytes * 8));
	for (uint32_t i = 0; i < bytes; i++)
		p.addr[i] = (uint8_t)(maps_rnd(3) ? maps_rnd(4) * 64 : 0);
	for (uint32_t bit = p.len; bit < bytes * 8; bit++)
		p.addr[bit / 8] &= (uint8_t)~(0x80 >> bit % 8);
	return p;
}

void maps_pool(void)
{
	memset(pool, 0, sizeof(pool));
	pool[1].family = FAMILY_IPV6;
	for (size_t i = 2; i < POOL; i++)
		do
			pool[i] = random_prefix(maps_rnd(4) ? FAMILY_IPV4 :
			                                      FAMILY_IPV6);
		while (in_pool(&pool[i], i));
}

static double random_cost(void)
{
	static const double some[] = {
		0, 1, 2.5, 0.1, 1e21, 1e-7, 5e-324, 1.7976931348623157e308,
		9007199254740993.0, 333333333.33333329, -3
	};

	switch (maps_rnd(4)) {
	case 0:
		return some[maps_rnd(sizeof(some) / sizeof(some[0]))];
	case 1:
		return NAN;
	default:
		return (double)maps_rnd(100000) / (double)(1 + maps_rnd(1000));
	}
}

static void move_prefix(struct maps *w, size_t i)
{
	int to = maps_rnd(6) ? maps_rnd(2) ? 1 : (int)maps_rnd(PIDS) : NOBODY;

	if (i < 2)		/* a family that occurs is covered */
		to = 0;
	w->owner[i] = to != NOBODY && !w->alive[to] ? 0 : to;
}

static void set_alive(struct maps *w, int pid, bool alive)
{
	w->alive[pid] = alive || pid == 0;
	for (size_t i = 0; i < POOL; i++)
		if (w->owner[i] != NOBODY && !w->alive[w->owner[i]])
			move_prefix(w, i);
	for (int k = 0; k < PIDS; k++)
		for (int d = 0; d < PIDS; d++)
			if (!w->alive[k] || !w->alive[d])
				w->cost[k][d] = NAN;
}

void maps_random(struct maps *w)
{
	w->family[0] = maps_rnd(10) != 0;
	w->family[1] = maps_rnd(3) != 0;
	for (int i = 0; i < PIDS; i++)
		w->alive[i] = i == 0 || maps_rnd(4);
	for (size_t i = 0; i < POOL; i++)
		move_prefix(w, i);
	for (int i = 0; i < PIDS; i++)
		for (int k = 0; k < PIDS; k++)
			w->cost[i][k] = random_cost();
	for (int i = 0; i < PIDS; i++)
		set_alive(w, i, w->alive[i]);
}

void maps_edit(struct maps *w)
{
	uint32_t moves = maps_rnd(3) ? maps_rnd(8) : maps_rnd(200);
	uint32_t cells = maps_rnd(20);
	int pid = (int)maps_rnd(PIDS);

	if (maps_rnd(4) == 0)
		set_alive(w, pid, !w->alive[pid]);
	if (maps_rnd(12) == 0)
		w->family[maps_rnd(2)] ^= true;
	while (moves--)
		move_prefix(w, maps_rnd(POOL));
	while (cells--) {
		int s = (int)maps_rnd(PIDS), d = (int)maps_rnd(PIDS);

		if (w->alive[s] && w->alive[d])
			w->cost[s][d] = random_cost();
	}
	pid = (int)maps_rnd(PIDS);
	for (int d = 0; d < PIDS && maps_rnd(5) == 0; d++)	/* a row goes */
		w->cost[pid][d] = NAN;
}

static int owner(const struct maps *w, size_t i)
{
	return w->family[pool[i].family] ? w->owner[i] : NOBODY;
}

/* The figures, the slow and obvious way. */
struct delta_count maps_count(const struct maps *a, const struct maps *b)
{
	struct delta_count c = { 0 };

	for (int i = 0; i < PIDS; i++) {
		c.pids_added += !a->alive[i] && b->alive[i];
		c.pids_removed += a->alive[i] && !b->alive[i];
		for (int k = 0; k < PIDS; k++) {
			double x = a->cost[i][k], y = b->cost[i][k];

			c.cells_added += isnan(x) && !isnan(y);
			c.cells_removed += !isnan(x) && isnan(y);
			c.cells_changed += !isnan(x) && !isnan(y) && x != y;
		}
	}
	for (size_t i = 0; i < POOL; i++)
		if (owner(a, i) != owner(b, i)) {
			c.prefixes_removed += owner(a, i) != NOBODY;
			c.prefixes_added += owner(b, i) != NOBODY;
		}
	return c;
}

struct netmap *maps_net(const struct maps *w, const struct netmap *base)
{
	struct netbuild *b = NULL;
	struct netmap *m = NULL;
	struct diag d;

	diag_clear(&d);
	CU_ASSERT_EQUAL_FATAL(netbuild_new(&b), RC_OK);
	for (int i = PIDS - 1; i >= 0; i--) {
		if (!w->alive[i])
			continue;
		CU_ASSERT_EQUAL_FATAL(netbuild_pid(b, names[i],
		                      strlen(names[i]), &d), RC_OK);
		for (size_t k = 0; k < POOL; k++)
			if (owner(w, k) == i)
				CU_ASSERT_EQUAL(netbuild_prefix(b, &pool[k]),
				                RC_OK);
	}
	CU_ASSERT_EQUAL_FATAL(netbuild_end(b, base, &m, &d), RC_OK);
	netbuild_free(b);
	return m;
}

struct costmap *maps_cost(const struct maps *w, const char *net_tag,
                          const struct costmap *base)
{
	struct costmeta meta = { "routingcost", "numerical", { "net", "" } };
	struct costbuild *b = NULL;
	struct costmap *m = NULL;

	memcpy(meta.net.tag, net_tag, strlen(net_tag) + 1);
	CU_ASSERT_EQUAL_FATAL(costbuild_new(&b), RC_OK);
	for (int i = 0; i < PIDS; i++) {
		CU_ASSERT_EQUAL_FATAL(costbuild_row(b, names[i],
		                      strlen(names[i])), RC_OK);
		for (int k = 0; k < PIDS; k++)
			if (!isnan(w->cost[i][k]))
				CU_ASSERT_EQUAL(costbuild_cell(b, names[k],
				                strlen(names[k]),
				                w->cost[i][k]), RC_OK);
	}
	CU_ASSERT_EQUAL_FATAL(costbuild_end(b, &meta, base, &m), RC_OK);
	costbuild_free(b);
	return m;
}

