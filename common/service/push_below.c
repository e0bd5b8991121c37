/* Those below, however deep. Each daemon tells the one above it of its own, so a
 * list is as good as the daemons that it came through; which of it counts is for
 * the reader (server/roster.h). A loop of daemons is refused where it would close,
 * and a name stands once: nothing goes round. */
#include "common/service/push_conn.h"

#include <stdio.h>
#include <string.h>

#include "common/base/index.h"

struct gather {
	struct frame_below *out;
	size_t n, direct;
	struct index *names;		/* number: place in out */
};

/* *at: where it stands; false: it does not, and there is no room. */
static bool place(struct gather *g, const char *name, size_t *at, bool *added)
{
	uint32_t num;

	if (index_add(g->names, name, strlen(name), &num, added) != RC_OK)
		return false;
	*at = num;
	g->n = index_count(g->names);
	return true;
}

/* One that would have to be cut is no URI. */
static void put_uri(char dst[FRAME_BELOW_URI_MAX + 2], const char *uri)
{
	dst[0] = '\0';
	if (strlen(uri) <= FRAME_BELOW_URI_MAX)
		snprintf(dst, FRAME_BELOW_URI_MAX + 2, "%s", uri);
}

static void gather_direct(struct gather *g, const struct pub *pub)
{
	const struct position *at = pub_acked(pub);
	struct frame_below *b;
	bool added;
	size_t i;

	if (!pub_subscribed(pub) || !at->session[0] ||
	    !place(g, pub_name(pub), &i, &added) || !added)
		return;
	b = &g->out[i];
	b->pos = *at;
	snprintf(b->name, sizeof(b->name), "%s", pub_name(pub));
	put_uri(b->uri, pub_uri(pub));
	put_uri(b->push, pub_push_uri(pub));
}

static void gather_deep(struct gather *g, const struct pub *pub)
{
	size_t n, i;
	const struct frame_below *b = pub_below(pub, &n);
	bool added;

	for (size_t k = 0; pub_subscribed(pub) && k < n; k++)
		if (place(g, b[k].name, &i, &added) &&
		    (added || (i >= g->direct &&
		               position_cmp(&b[k].pos, &g->out[i].pos) > 0)))
			g->out[i] = b[k];
}

size_t push_below(const struct push *p, struct frame_below *out, size_t max)
{
	struct gather g = { .out = out };
	const struct subscriber *s;

	if (max == 0 || index_new(max, &g.names) != RC_OK)
		return 0;
	for (s = p->all; s; s = s->next)
		gather_direct(&g, s->pub);
	g.direct = g.n;
	for (s = p->all; s && g.direct < max; s = s->next)
		gather_deep(&g, s->pub);
	index_unref(g.names);
	return g.n;
}
