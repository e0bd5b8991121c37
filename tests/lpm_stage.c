/* Prefixes and the table that is made of them. */
#include "tests/lpm_stage.h"

#include "tests/suite.h"

unsigned bits_of(enum family f)
{
	return f == FAMILY_IPV4 ? 32 : 128;
}

void add(struct model *m, const char *text, uint32_t value)
{
	enum family f = strchr(text, ':') ? FAMILY_IPV6 : FAMILY_IPV4;
	struct lpm_entry *e = &m->e[m->n++];

	CU_ASSERT_EQUAL_FATAL(prefix_read(text, strlen(text), f, &e->p, NULL),
	                      RC_OK);
	e->value = value;
}

struct lpm *made(const struct model *m)
{
	struct lpm *l = NULL;

	CU_ASSERT_EQUAL_FATAL(lpm_new(m->e, m->n, &l), RC_OK);
	CU_ASSERT_PTR_NOT_NULL_FATAL(l);
	return l;
}

uint32_t find(const struct lpm *l, const char *text)
{
	enum family f = strchr(text, ':') ? FAMILY_IPV6 : FAMILY_IPV4;
	char with_len[64];
	struct prefix p;

	snprintf(with_len, sizeof(with_len), "%s/%u", text, bits_of(f));
	CU_ASSERT_EQUAL_FATAL(prefix_read(with_len, strlen(with_len), f, &p,
	                                  NULL), RC_OK);
	return lpm_find(l, f, p.addr);
}
