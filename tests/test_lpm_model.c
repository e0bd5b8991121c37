/* Longest prefix match against a model that looks at every prefix. */
#include "common/core/lpm.h"

#include <stdbool.h>

#include "tests/lpm_stage.h"
#include "tests/suite.h"

#define SETS 2500

static uint64_t state = 88172645463325252u;

static uint32_t roll(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state * 0x2545f4914f6cdd1du >> 33) % below);
}

static bool bit_at(const uint8_t *addr, unsigned i)
{
	return addr[i / 8] >> (7 - i % 8) & 1;
}

static void set_bit(uint8_t *addr, unsigned i, bool on)
{
	uint8_t mask = (uint8_t)(0x80u >> i % 8);

	addr[i / 8] = (uint8_t)(on ? addr[i / 8] | mask : addr[i / 8] & ~mask);
}

static bool has(const struct prefix *p, enum family f, const uint8_t *addr)
{
	if (p->family != f || memcmp(p->addr, addr, p->len / 8) != 0)
		return false;
	for (unsigned i = p->len & ~7u; i < p->len; i++)
		if (bit_at(p->addr, i) != bit_at(addr, i))
			return false;
	return true;
}

static uint32_t model_find(const struct model *m, enum family f,
                           const uint8_t *addr)
{
	const struct lpm_entry *best = NULL;

	for (size_t i = 0; i < m->n; i++)
		if (has(&m->e[i].p, f, addr) &&
		    (!best || m->e[i].p.len > best->p.len))
			best = &m->e[i];
	/* A value that is none hides what is around it. */
	return best ? best->value : LPM_NONE;
}

/* One up or down, round the corner at both ends. */
static void move(uint8_t *addr, enum family f, int by)
{
	for (unsigned i = bits_of(f) / 8; i-- > 0;) {
		addr[i] = (uint8_t)(addr[i] + by);
		if (addr[i] != (by > 0 ? 0 : 0xff))
			return;
	}
}

static void check(const struct lpm *l, const struct model *m, enum family f,
                  const uint8_t *addr)
{
	CU_ASSERT_EQUAL_FATAL(lpm_find(l, f, addr), model_find(m, f, addr));
}

/* The first and last address of each prefix, and their neighbours outside. */
static void check_edges(const struct lpm *l, const struct model *m)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct prefix *p = &m->e[i].p;
		enum family f = (enum family)p->family;
		uint8_t addr[16];

		memcpy(addr, p->addr, sizeof(addr));
		check(l, m, f, addr);
		move(addr, f, -1);
		check(l, m, f, addr);
		memcpy(addr, p->addr, sizeof(addr));
		for (unsigned k = p->len; k < bits_of(f); k++)
			set_bit(addr, k, true);
		check(l, m, f, addr);
		move(addr, f, 1);
		check(l, m, f, addr);
	}
}

static void random_addr(uint8_t *addr)
{
	for (size_t i = 0; i < 16; i++)
		addr[i] = (uint8_t)roll(256);
}

/* A prefix anywhere, or (mostly) inside, around or beside one that is there. */
static void random_prefix(const struct model *m, enum family f,
                          struct prefix *p)
{
	const struct prefix *near = m->n ? &m->e[roll((uint32_t)m->n)].p : NULL;
	unsigned keep;

	*p = (struct prefix){ .family = (uint8_t)f };
	random_addr(p->addr);
	p->len = (uint8_t)roll(bits_of(f) + 1);
	if (near && near->family == f && roll(8)) {
		keep = roll(4) ? near->len : roll(near->len + 1u);
		for (unsigned i = 0; i < keep; i++)
			set_bit(p->addr, i, bit_at(near->addr, i));
		if (keep && !roll(4))
			set_bit(p->addr, keep - 1, !bit_at(p->addr, keep - 1));
		if (roll(2) && near->len < bits_of(f))
			p->len = (uint8_t)(near->len + 1 +
			                   roll(roll(2) ? 2 : bits_of(f) -
			                        near->len) %
			                   (bits_of(f) - near->len));
	}
	for (unsigned i = p->len; i < 128; i++)
		set_bit(p->addr, i, false);
}

static bool is_there(const struct model *m, const struct prefix *p)
{
	for (size_t i = 0; i < m->n; i++)
		if (memcmp(&m->e[i].p, p, sizeof(*p)) == 0)
			return true;
	return false;
}

/* families: 1 IPv4, 2 IPv6, 3 both. Few values, so that neighbours merge. */
static void random_model(struct model *m, unsigned families)
{
	size_t n = roll(roll(4) ? PREFIXES_MAX : 6);
	uint32_t values = 1 + roll(roll(2) ? 3 : 1000);

	m->n = 0;
	for (size_t i = 0; i < n; i++) {
		enum family f = families == 3 ? (enum family)roll(2) :
		                families == 2 ? FAMILY_IPV6 : FAMILY_IPV4;
		struct lpm_entry *e = &m->e[m->n];

		random_prefix(m, f, &e->p);
		e->value = roll(6) ? roll(values) : LPM_NONE;
		m->n += !is_there(m, &e->p);
	}
}

static void check_random(unsigned families)
{
	static struct model m;

	for (int set = 0; set < SETS; set++) {
		struct lpm *l;
		uint8_t addr[16];

		random_model(&m, families);
		l = made(&m);
		check_edges(l, &m);
		for (int i = 0; i < 30; i++) {
			random_addr(addr);
			check(l, &m, FAMILY_IPV4, addr);
			check(l, &m, FAMILY_IPV6, addr);
		}
		lpm_unref(l);
	}
}

static void random_ipv4_sets_agree_with_the_model(void)
{
	check_random(1);
}

static void random_ipv6_sets_agree_with_the_model(void)
{
	check_random(2);
}

static void sets_of_both_families_agree_with_the_model(void)
{
	check_random(3);
}

/* Thousands of cuts close together and some far away: crowded parts. */
static void clusters_agree_with_the_model(void)
{
	enum { N = 3000 };
	struct lpm_entry *e = calloc(N + 2, sizeof(*e));
	struct lpm *l = NULL;

	CU_ASSERT_PTR_NOT_NULL_FATAL(e);
	for (int shift = 0; shift <= 112; shift += 8) {
		enum family f = shift < 16 ? FAMILY_IPV4 : FAMILY_IPV6;
		unsigned byte = bits_of(f) / 8 - 2 - (unsigned)shift % 112 / 8;
		uint8_t addr[16] = { 0 };

		byte = f == FAMILY_IPV4 ? 2 : byte;
		for (uint32_t i = 0; i < N; i++) {
			e[i].p = (struct prefix){ .family = (uint8_t)f };
			e[i].p.addr[byte] = (uint8_t)(i >> 7);
			e[i].p.addr[byte + 1] = (uint8_t)(i << 1);
			e[i].p.len = (uint8_t)(byte * 8 + 16);
			e[i].value = i;
		}
		e[N].p = (struct prefix){ .family = (uint8_t)f, .len = 1,
		                          .addr = { 0x80 } };
		e[N].value = N;
		e[N + 1].p = (struct prefix){ .family = (uint8_t)f };
		e[N + 1].value = N + 1;
		CU_ASSERT_EQUAL_FATAL(lpm_new(e, N + 2, &l), RC_OK);
		for (uint32_t i = 0; i < N; i++) {
			memcpy(addr, e[i].p.addr, sizeof(addr));
			CU_ASSERT_EQUAL_FATAL(lpm_find(l, f, addr), i);
			addr[byte + 1] |= 1;
			CU_ASSERT_EQUAL_FATAL(lpm_find(l, f, addr), N + 1);
		}
		lpm_unref(l);
	}
	free(e);
}

/* 2^k - 1 for each k: each hop of a guide could only peel off a little. */
static void addresses_in_powers_agree_with_the_model(void)
{
	static struct model m;
	struct lpm *l;

	m.n = 0;
	for (unsigned i = 0; i < 128; i++) {
		struct lpm_entry *e = &m.e[m.n++];

		e->p = (struct prefix){ .len = 128, .family = FAMILY_IPV6 };
		set_bit(e->p.addr, i, true);
		e->value = i;
	}
	l = made(&m);
	check_edges(l, &m);
	lpm_unref(l);
}

static void a_host_prefix_has_one_address(void)
{
	static const char *const hosts[] = { "192.0.2.1/32", "0.0.0.0/32",
		"255.255.255.255/32", "2001:db8::1/128", "::/128",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
		"2001:db8:0:0:ffff:ffff:ffff:ffff/128" };

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		struct model m = { .n = 0 };
		struct lpm *l;

		add(&m, hosts[i], 5);
		l = made(&m);
		CU_ASSERT_EQUAL(lpm_find(l, (enum family)m.e[0].p.family,
		                         m.e[0].p.addr), 5);
		check_edges(l, &m);
		lpm_unref(l);
	}
}

static void the_ends_of_the_address_space_are_found(void)
{
	struct model m = { .n = 0 };
	struct lpm *l;

	add(&m, "0.0.0.0/1", 1);
	add(&m, "128.0.0.0/1", 2);
	add(&m, "255.255.255.255/32", 3);
	add(&m, "::/1", 4);
	add(&m, "8000::/1", 5);
	add(&m, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", 6);
	l = made(&m);
	CU_ASSERT_EQUAL(find(l, "0.0.0.0"), 1);
	CU_ASSERT_EQUAL(find(l, "127.255.255.255"), 1);
	CU_ASSERT_EQUAL(find(l, "128.0.0.0"), 2);
	CU_ASSERT_EQUAL(find(l, "255.255.255.254"), 2);
	CU_ASSERT_EQUAL(find(l, "255.255.255.255"), 3);
	CU_ASSERT_EQUAL(find(l, "::"), 4);
	CU_ASSERT_EQUAL(find(l, "7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), 4);
	CU_ASSERT_EQUAL(find(l, "8000::"), 5);
	CU_ASSERT_EQUAL(find(l, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"), 5);
	CU_ASSERT_EQUAL(find(l, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), 6);
	check_edges(l, &m);
	lpm_unref(l);
}

/* A prefix of each length around one address: as deep as it gets. */
static void nesting_goes_as_deep_as_addresses_are_long(void)
{
	for (enum family f = FAMILY_IPV4; f <= FAMILY_IPV6; f++) {
		struct model m = { .n = 0 };
		uint8_t addr[16];
		struct lpm *l;

		random_addr(addr);
		for (unsigned len = 0; len <= bits_of(f); len++) {
			struct lpm_entry *e = &m.e[m.n++];

			e->p = (struct prefix){ .len = (uint8_t)len,
			                        .family = (uint8_t)f };
			for (unsigned i = 0; i < len; i++)
				set_bit(e->p.addr, i, bit_at(addr, i));
			e->value = len;
		}
		l = made(&m);
		CU_ASSERT_EQUAL(lpm_find(l, f, addr), bits_of(f));
		check_edges(l, &m);
		lpm_unref(l);
	}
}

/* 64 neighbours of one value are one range: memory does not tell them from the
 * one prefix around them. */
static void equal_neighbours_become_one_range(void)
{
	struct model many = { .n = 0 }, one = { .n = 0 };
	struct lpm *a, *b;

	add(&one, "10.0.0.0/18", 3);
	for (unsigned i = 0; i < 64; i++) {
		char text[32];

		snprintf(text, sizeof(text), "10.0.%u.0/24", i);
		add(&many, text, 3);
	}
	add(&many, "10.0.0.0/18", 3);
	a = made(&many);
	b = made(&one);
	CU_ASSERT_EQUAL(lpm_bytes(a), lpm_bytes(b));
	check_edges(a, &one);
	lpm_unref(a);
	lpm_unref(b);
}

/* All of one PID, then of the next; every third PID is empty. */
static struct netmap *map_of(const struct model *m, uint32_t pids)
{
	struct netbuild *b = NULL;
	struct netmap *map = NULL;
	char name[16];

	CU_ASSERT_EQUAL_FATAL(netbuild_new(&b), RC_OK);
	for (uint32_t pid = 0; pid < pids; pid++) {
		snprintf(name, sizeof(name), "pid%03u", pid);
		CU_ASSERT_EQUAL_FATAL(netbuild_pid(b, name, strlen(name), NULL),
		                      RC_OK);
		for (size_t i = 0; i < m->n; i++)
			if (m->e[i].value == pid)
				CU_ASSERT_EQUAL_FATAL(netbuild_prefix(b,
				                      &m->e[i].p), RC_OK);
	}
	CU_ASSERT_EQUAL_FATAL(netbuild_end(b, NULL, &map, NULL), RC_OK);
	netbuild_free(b);
	return map;
}

static void the_values_of_a_network_map_are_its_pids(void)
{
	static struct model m;

	for (int set = 0; set < 100; set++) {
		struct netmap *map;
		struct lpm *l = NULL;

		random_model(&m, 3);
		m.n = m.n > PREFIXES_MAX - 2 ? PREFIXES_MAX - 2 : m.n;
		for (size_t i = 0; i < m.n; i++) {
			m.e[i].value = roll(10) * 3;
			if (!m.e[i].p.len)
				m.e[i--] = m.e[--m.n];
		}
		add(&m, "0.0.0.0/0", 1);
		add(&m, "::/0", 2);
		map = map_of(&m, 30);
		CU_ASSERT_EQUAL_FATAL(lpm_of_netmap(map, &l), RC_OK);
		check_edges(l, &m);
		netmap_unref(map);
		lpm_unref(l);
	}
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "random IPv4 sets agree with the model",
		  random_ipv4_sets_agree_with_the_model },
		{ "random IPv6 sets agree with the model",
		  random_ipv6_sets_agree_with_the_model },
		{ "sets of both families agree with the model",
		  sets_of_both_families_agree_with_the_model },
		{ "clusters agree with the model",
		  clusters_agree_with_the_model },
		{ "addresses in powers agree with the model",
		  addresses_in_powers_agree_with_the_model },
		{ "a host prefix has one address",
		  a_host_prefix_has_one_address },
		{ "the ends of the address space are found",
		  the_ends_of_the_address_space_are_found },
		{ "nesting goes as deep as addresses are long",
		  nesting_goes_as_deep_as_addresses_are_long },
		{ "equal neighbours become one range",
		  equal_neighbours_become_one_range },
		{ "the values of a network map are its PIDs",
		  the_values_of_a_network_map_are_its_pids },
		CU_TEST_INFO_NULL
	};

	return suite_run("lpm_model", tests);
}
