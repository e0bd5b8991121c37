#include "common/core/position.h"

#include <string.h>

int position_cmp(const struct position *a, const struct position *b)
{
	int c = strcmp(a->session, b->session);

	if (c != 0)
		return c;
	return (a->serial > b->serial) - (a->serial < b->serial);
}

bool position_same_session(const struct position *a, const struct position *b)
{
	return strcmp(a->session, b->session) == 0;
}
