/* lpm_stage.h - prefixes and the table that is made of them. */
#ifndef ALTOCAST_TESTS_LPM_STAGE_H
#define ALTOCAST_TESTS_LPM_STAGE_H

#include "common/core/lpm.h"

#define PREFIXES_MAX 140

struct model {
	struct lpm_entry e[PREFIXES_MAX];
	size_t n;
};

unsigned bits_of(enum family f);
/* Prefix and address are as in text form. */
void add(struct model *m, const char *text, uint32_t value);
struct lpm *made(const struct model *m);
uint32_t find(const struct lpm *l, const char *text);

#endif
